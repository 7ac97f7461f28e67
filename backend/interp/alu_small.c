/* alu_small.c: see alu_small.h. */
#include "backend/interp/alu_small.h"

const struct fp_format ALU_NAME(fp_f16) = { 11, 5, -14, 0, 0x7bff, 0x7c00, F16_NAN };
const struct fp_format ALU_NAME(fp_bf16) = { 8, 8, -126, 0, 0x7f7f, 0x7f80, BF16_NAN };
const struct fp_format ALU_NAME(fp_f32) = { 24, 8, -126, 0, 0x7f7fffff, 0x7f800000, F32_NAN };
const struct fp_format ALU_NAME(fp_f64) = { 53, 11, -1022, 0, UINT64_C(0x7fefffffffffffff), UINT64_C(0x7ff) << 52, F64_NAN };
const struct fp_format ALU_NAME(fp_tf32) = { 11, 8, -126, 13, 0x7f7fe000, 0x7f800000, 0x7fffe000 };
const struct fp_format ALU_NAME(fp_e4m3) = { 4, 4, -6, 0, 0x7e, 0, 0x7f };
const struct fp_format ALU_NAME(fp_e5m2) = { 3, 5, -14, 0, 0x7b, 0x7c, 0x7f };
const struct fp_format ALU_NAME(fp_e2m3) = { 4, 2, 0, 0, 0x1f, 0, 0 };
const struct fp_format ALU_NAME(fp_e3m2) = { 3, 3, -2, 0, 0x1f, 0, 0 };
const struct fp_format ALU_NAME(fp_e2m1) = { 2, 2, 0, 0, 0x07, 0, 0 };

const struct fp_format *ALU_NAME(fp_format_of)(enum ir_type t)
{
	switch (t) {
	case IR_T_F16: case IR_T_F16X2: return &ALU_NAME(fp_f16);
	case IR_T_BF16: case IR_T_BF16X2: return &ALU_NAME(fp_bf16);
	case IR_T_F32: return &ALU_NAME(fp_f32);
	case IR_T_F64: return &ALU_NAME(fp_f64);
	case IR_T_TF32: return &ALU_NAME(fp_tf32);
	case IR_T_E4M3X2: return &ALU_NAME(fp_e4m3);
	case IR_T_E5M2X2: return &ALU_NAME(fp_e5m2);
	case IR_T_E2M3X2: return &ALU_NAME(fp_e2m3);
	case IR_T_E3M2X2: return &ALU_NAME(fp_e3m2);
	case IR_T_E2M1X2: return &ALU_NAME(fp_e2m1);
	default: return NULL;
	}
}

/* The sign's place in an encoding. */
static unsigned sign_bit(const struct fp_format *f)
{
	return f->p - 1u + f->exp_bits + f->shift;
}

struct fp_value ALU_NAME(fp_unpack)(uint64_t bits, const struct fp_format *f)
{
	const unsigned m = f->p - 1u;
	const uint64_t low = (UINT64_C(1) << sign_bit(f)) - 1, v = (bits & low) >> f->shift;
	const unsigned e = (unsigned)(v >> m);
	struct fp_value r = { .sign = bits >> sign_bit(f) & 1 };

	if (f->inf && (bits & low) >= f->inf) {
		r.is_inf = (bits & low) == f->inf;
		r.is_nan = !r.is_inf;
		r.sig = v << (64 - m);
		return r;
	}
	if (!f->inf && f->nan && (bits & low) == f->nan) {
		r.is_nan = true;
		return r;
	}
	r.sig = v & ((UINT64_C(1) << m) - 1);
	r.exp = f->emin - (int)m;
	if (e) {
		r.sig |= UINT64_C(1) << m;
		r.exp += (int)e - 1;
	}
	return r;
}

struct fp_value ALU_NAME(fp_from_int)(uint64_t v, bool is_signed)
{
	bool neg = is_signed && (int64_t)v < 0;

	return (struct fp_value){ .sign = neg, .sig = neg ? 0 - v : v };
}

/* sig >> n with what falls off collected; n may be anything from 0 up. */
static uint64_t shift_out(uint64_t sig, unsigned n, bool *half, bool *rest)
{
	if (n == 0)
		return sig;
	*rest |= *half;
	if (n > 64) {
		*rest |= sig != 0;
		*half = false;
		return 0;
	}
	*half = sig >> (n - 1) & 1;
	*rest |= (sig & ((UINT64_C(1) << (n - 1)) - 1)) != 0;
	return n == 64 ? 0 : sig >> n;
}

/* Does the mode step away from zero, given what was cut off below the last place? */
static bool steps_up(unsigned round, bool sign, bool odd, bool half, bool rest)
{
	switch (round) {
	case IR_RND_RZ: case IR_RND_RZI: return false;
	case IR_RND_RM: case IR_RND_RMI: return sign && (half || rest);
	case IR_RND_RP: case IR_RND_RPI: return !sign && (half || rest);
	case IR_RND_RNA: return half;
	default: return half && (rest || odd);
	}
}

/* Overflow: infinity, or the largest number where the mode or .satfinite says so. */
static uint64_t overflow(const struct fp_format *f, const struct fp_rule *r, bool sign)
{
	bool to_max = r->satfinite || !f->inf || r->round == IR_RND_RZ || (r->round == IR_RND_RM && !sign) ||
		      (r->round == IR_RND_RP && sign);

	return to_max ? f->max : f->inf;
}

static uint64_t one_of(const struct fp_format *f)
{
	return ((uint64_t)(1 - f->emin) << (f->p - 1)) << f->shift;
}

/* .relu and .sat, on a finished encoding */
static uint64_t finish(uint64_t mag, bool sign, const struct fp_format *f, const struct fp_rule *r)
{
	if (r->sat)
		return sign ? 0 : mag > one_of(f) ? one_of(f) : mag;
	if (r->relu && sign)
		return 0;
	return mag | (uint64_t)sign << sign_bit(f);
}

/* Below the smallest normal number after rounding as if the exponent had no lower bound? */
static bool is_tiny(struct fp_value v, const struct fp_format *f, unsigned round)
{
	const int top = 63 - __builtin_clzll(v.sig), e = v.exp + top, drop = top - (f->p - 1);
	bool half = false, rest = v.sticky;
	uint64_t mag;

	if (e != f->emin - 1)
		return e < f->emin;
	mag = drop >= 0 ? shift_out(v.sig, (unsigned)drop, &half, &rest) : v.sig << -drop;
	return !((mag + steps_up(round, v.sign, mag & 1, half, rest)) >> f->p);
}

uint64_t ALU_NAME(fp_pack)(struct fp_value v, const struct fp_format *f, const struct fp_rule *r)
{
	bool half = false, rest = v.sticky;
	uint64_t mag;
	int top, e, drop;

	if (v.is_nan && r->nan_passes && !r->sat)
		return (uint64_t)v.sign << sign_bit(f) | f->inf | (v.sig | UINT64_C(1) << 63) >> (65 - f->p);
	if (v.is_nan)
		return r->sat ? 0 : f->nan ? f->nan : f->max;
	if (v.is_inf)
		return finish(r->satfinite || !f->inf ? f->max : f->inf, v.sign, f, r);
	if (!v.sig)
		return finish(0, v.sign, f, r);
	top = 63 - __builtin_clzll(v.sig);
	e = v.exp + top;
	if (e < f->emin)
		e = f->emin;
	/* the last place has weight 2^(e - p + 1) */
	drop = e - (f->p - 1) - v.exp;
	if (drop >= 0)
		mag = shift_out(v.sig, (unsigned)drop, &half, &rest);
	else
		mag = v.sig << -drop;
	mag += steps_up(r->round, v.sign, mag & 1, half, rest);
	/* mag has p bits, or p + 1 after a carry, or fewer when subnormal: adding makes the exponent field right */
	if (mag >> (f->p - 1))
		mag += (uint64_t)(e - f->emin) << (f->p - 1);
	mag <<= f->shift;
	if (mag > f->max)
		mag = overflow(f, r, v.sign);
	if (r->ftz && is_tiny(v, f, r->round))
		mag = 0;
	return finish(mag, v.sign, f, r);
}

struct fp_value ALU_NAME(fp_integral)(struct fp_value v, unsigned round)
{
	bool half = false, rest = v.sticky;

	if (v.is_nan || v.is_inf || v.exp >= 0)
		return v;
	v.sig = shift_out(v.sig, (unsigned)-v.exp, &half, &rest);
	v.sig += steps_up(round, v.sign, v.sig & 1, half, rest);
	v.exp = 0;
	v.sticky = false;
	return v;
}

uint64_t ALU_NAME(fp_to_int)(struct fp_value v, unsigned round, unsigned bits, bool is_signed, uint64_t nan)
{
	const uint64_t keep = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
	const uint64_t max = is_signed ? keep >> 1 : keep;
	const uint64_t min_mag = is_signed ? max + 1 : 0;
	uint64_t mag;

	if (v.is_nan)
		return nan & keep;
	v = ALU_NAME(fp_integral)(v, round);
	if (v.is_inf || (v.sig && v.exp + 63 - __builtin_clzll(v.sig) >= 64))
		mag = UINT64_MAX;
	else
		mag = v.exp >= 0 && v.exp < 64 ? v.sig << v.exp : 0;
	if (v.sign)
		return (0 - (mag > min_mag ? min_mag : mag)) & keep;
	return mag > max ? max : mag;
}
