/* alu_mpfr.c: see alu_mpfr.h. */
#include "compiler/ir/ir.h"
#include "t/lib/alu_mpfr.h"

static const struct mf_format f16 = { 11, -14, 15, 5, true, true, 0x7fff, 0x7bff };
static const struct mf_format bf16 = { 8, -126, 127, 8, true, true, 0x7fff, 0x7f7f };
static const struct mf_format f32 = { 24, -126, 127, 8, true, true, 0x7fffffff, 0x7f7fffff };
static const struct mf_format f64 = { 53, -1022, 1023, 11, true, true, UINT64_C(0xfff8000000000000), UINT64_C(0x7fefffffffffffff) };
static const struct mf_format tf32 = { 11, -126, 127, 8, true, true, 0x3ffff, 0x3fbff };
static const struct mf_format e4m3 = { 4, -6, 8, 4, false, true, 0x7f, 0x7e };
static const struct mf_format e5m2 = { 3, -14, 15, 5, true, true, 0x7f, 0x7b };
static const struct mf_format e2m3 = { 4, 0, 2, 2, false, false, 0x1f, 0x1f };
static const struct mf_format e3m2 = { 3, -2, 4, 3, false, false, 0x1f, 0x1f };
static const struct mf_format e2m1 = { 2, 0, 2, 2, false, false, 0x07, 0x07 };

const struct mf_format *mf_of(uint8_t t)
{
	switch (t) {
	case IR_T_F16: case IR_T_F16X2: return &f16;
	case IR_T_BF16: case IR_T_BF16X2: return &bf16;
	case IR_T_F32: case IR_T_F32X2: return &f32;
	case IR_T_F64: return &f64;
	case IR_T_TF32: return &tf32;
	case IR_T_E4M3X2: return &e4m3;
	case IR_T_E5M2X2: return &e5m2;
	case IR_T_E2M3X2: return &e2m3;
	case IR_T_E3M2X2: return &e3m2;
	case IR_T_E2M1X2: return &e2m1;
	default: return NULL;
	}
}

void mf_get(mpfr_t x, uint64_t bits, const struct mf_format *f)
{
	const int m = f->p - 1;
	const uint64_t frac = bits & ((UINT64_C(1) << m) - 1);
	const uint64_t exp = bits >> m & ((UINT64_C(1) << f->exp_bits) - 1);
	const bool neg = bits >> (m + f->exp_bits) & 1;
	const bool top = exp == (UINT64_C(1) << f->exp_bits) - 1;

	mpfr_set_prec(x, 64);
	if (f->has_inf && top) {
		if (frac)
			mpfr_set_nan(x);
		else
			mpfr_set_inf(x, neg ? -1 : 1);
		return;
	}
	if (f->has_nan && !f->has_inf && top && frac == (UINT64_C(1) << m) - 1) {
		mpfr_set_nan(x);
		return;
	}
	mpfr_set_uj(x, exp ? frac | UINT64_C(1) << m : frac, MPFR_RNDN);
	mpfr_mul_2si(x, x, f->emin - m + (exp ? (long)exp - 1 : 0), MPFR_RNDN);
	mpfr_setsign(x, x, neg, MPFR_RNDN);
}

static mpfr_exp_t saved_emin, saved_emax;

/* MPFR's exponents belong to 0.1f, one more than ours; emin is that of the smallest subnormal. */
static void narrow(const struct mf_format *f)
{
	saved_emin = mpfr_get_emin();
	saved_emax = mpfr_get_emax();
	mpfr_set_emin(f->emin + 1 - (f->p - 1));
	mpfr_set_emax(f->emax + 1);
}

void mf_begin(mpfr_t x, const struct mf_format *f)
{
	mpfr_set_prec(x, f->p);
	narrow(f);
}

void mf_end(void)
{
	mpfr_set_emin(saved_emin);
	mpfr_set_emax(saved_emax);
}

/* An exact x to the nearest integer multiple of the last place, ties away. */
static void round_away(mpfr_t x, const struct mf_format *f)
{
	mpfr_exp_t e;
	long place;

	if (!mpfr_regular_p(x))
		return;
	e = mpfr_get_exp(x) - 1;
	place = (e < f->emin ? f->emin : e) - (f->p - 1);
	mpfr_mul_2si(x, x, -place, MPFR_RNDN);
	mpfr_round(x, x);                 /* halfway cases away from zero */
	mpfr_mul_2si(x, x, place, MPFR_RNDN);
}

/* x is a number of the format, or beyond its range. */
static uint64_t encode(mpfr_t x, const struct mf_format *f)
{
	const int m = f->p - 1;
	mpfr_exp_t e;
	uint64_t sig;
	mpfr_t y;

	if (mpfr_zero_p(x))
		return 0;
	mpfr_init2(y, 64);
	mpfr_abs(y, x, MPFR_RNDN);
	e = mpfr_get_exp(y) - 1;
	if (e < f->emin)
		e = f->emin;
	mpfr_mul_2si(y, y, m - (long)e, MPFR_RNDN);
	sig = mpfr_get_uj(y, MPFR_RNDN);
	mpfr_clear(y);
	return sig >> m ? (uint64_t)(e - f->emin + 1) << m | (sig & ((UINT64_C(1) << m) - 1)) : sig;
}

bool mf_is_tiny(mpfr_t x, const struct mf_format *f)
{
	return mpfr_regular_p(x) && mpfr_get_exp(x) - 1 < f->emin;
}

bool mf_pass_nan(uint64_t bits, const struct mf_format *from, const struct mf_format *to, uint64_t *out)
{
	const int m = from->p - 1, n = to->p - 1;
	const uint64_t frac = bits & ((UINT64_C(1) << m) - 1), top = (UINT64_C(1) << from->exp_bits) - 1;

	if ((bits >> m & top) != top || !frac)
		return false;
	*out = (bits >> (m + from->exp_bits) & 1) << (n + to->exp_bits) | ((UINT64_C(1) << to->exp_bits) - 1) << n |
	       UINT64_C(1) << (n - 1) | (n >= m ? frac << (n - m) : frac >> (m - n));
	return true;
}

static uint64_t magnitude(mpfr_t x, const struct mf_format *f, bool satfinite)
{
	const uint64_t inf = ((UINT64_C(1) << f->exp_bits) - 1) << (f->p - 1);
	uint64_t u;

	if (mpfr_inf_p(x))
		return f->has_inf && !satfinite ? inf : f->max;
	u = encode(x, f);
	return u > f->max ? f->max : u;
}

uint64_t mf_put(mpfr_t x, int ternary, const struct mf_format *f, const struct mf_rule *r)
{
	const uint64_t one = (uint64_t)-f->emin + 1;
	uint64_t u;
	mpfr_t y;
	bool neg;

	if (mpfr_nan_p(x))
		return r->sat ? 0 : f->nan;
	mpfr_init2(y, f->p);
	if (r->away)
		round_away(x, f);
	narrow(f);
	if (mpfr_get_prec(x) != f->p || ternary == 0)
		ternary = mpfr_set(y, x, r->rnd);
	else
		mpfr_set(y, x, r->rnd);
	ternary = mpfr_check_range(y, ternary, r->rnd);
	mpfr_subnormalize(y, ternary, r->rnd);
	mf_end();
	neg = mpfr_signbit(y);
	u = magnitude(y, f, r->satfinite);
	mpfr_clear(y);
	if (r->flush)
		u = 0;
	if (r->sat)
		return neg ? 0 : u > one << (f->p - 1) ? one << (f->p - 1) : u;
	if (r->relu && neg)
		return 0;
	return u | (uint64_t)neg << (f->p - 1 + f->exp_bits);
}
