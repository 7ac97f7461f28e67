/* alu_ref_cvt.c: conversions and comparisons by MPFR. */
#include "t/lib/alu_mpfr.h"
#include "t/lib/alu_ref.h"

static bool is_int(uint8_t t)
{
	return ir_type_class(t) == IR_TC_UINT || ir_type_class(t) == IR_TC_SINT;
}

static bool is_signed(uint8_t t)
{
	return ir_type_class(t) == IR_TC_SINT;
}

static struct mf_rule rule_of(const struct ir_insn *i)
{
	struct mf_rule r = { .rnd = MPFR_RNDN, .sat = i->flags & IR_F_SAT, .relu = i->flags & IR_F_RELU,
			     .satfinite = i->flags & IR_F_SATFINITE };

	switch (i->round) {
	case IR_RND_RZ: r.rnd = MPFR_RNDZ; break;
	case IR_RND_RM: r.rnd = MPFR_RNDD; break;
	case IR_RND_RP: r.rnd = MPFR_RNDU; break;
	case IR_RND_RNA: r.away = true; break;
	}
	return r;
}

/* The source's value, exactly. */
static void load(mpfr_t x, uint64_t v, uint8_t t, bool ftz)
{
	unsigned bits = ir_type_bits(t);

	if (!is_int(t)) {
		mf_get(x, v, mf_of(t));
		if (ftz && t == IR_T_F32 && !(v & 0x7f800000u) && !mpfr_nan_p(x)) {
			mpfr_set_zero(x, v >> 31 & 1 ? -1 : 1);
		}
		return;
	}
	mpfr_set_prec(x, 80);
	v &= bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
	mpfr_set_uj(x, v, MPFR_RNDN);
	if (is_signed(t) && v >> (bits - 1) & 1) {
		mpfr_t w;

		mpfr_init2(w, 80);
		mpfr_set_ui_2exp(w, 1, bits, MPFR_RNDN);
		mpfr_sub(x, x, w, MPFR_RNDN);
		mpfr_clear(w);
	}
}

static void integral(mpfr_t x, unsigned round)
{
	switch (round) {
	case IR_RND_RNI: mpfr_rint(x, x, MPFR_RNDN); break;
	case IR_RND_RZI: mpfr_rint(x, x, MPFR_RNDZ); break;
	case IR_RND_RMI: mpfr_rint(x, x, MPFR_RNDD); break;
	case IR_RND_RPI: mpfr_rint(x, x, MPFR_RNDU); break;
	}
}

/* An integral x, clamped to the type. */
static uint64_t to_int(mpfr_t x, uint8_t t, bool from_f64)
{
	unsigned bits = ir_type_bits(t);
	uint64_t keep = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
	uint64_t max = is_signed(t) ? keep >> 1 : keep, min = is_signed(t) ? max + 1 : 0, mag;
	bool neg;
	mpfr_t m;

	if (mpfr_nan_p(x))
		return from_f64 || bits == 64 ? UINT64_C(1) << (bits - 1) : 0;
	neg = mpfr_signbit(x);
	mpfr_init2(m, 80);
	mpfr_abs(m, x, MPFR_RNDN);
	mag = mpfr_cmp_d(m, 0x1p64) >= 0 ? UINT64_MAX : mpfr_get_uj(m, MPFR_RNDZ);
	mpfr_clear(m);
	if (neg)
		return (0 - (mag > min ? min : mag)) & keep;
	return mag > max ? max : mag;
}

static uint64_t wrap_int(uint64_t v, uint8_t from, uint8_t to)
{
	unsigned fb = ir_type_bits(from), tb = ir_type_bits(to);

	for (unsigned k = fb; k < 64; k++) {
		v &= ~(UINT64_C(1) << k);
		if (is_signed(from))
			v |= (v >> (fb - 1) & 1) << k;
	}
	return tb < 64 ? v & ((UINT64_C(1) << tb) - 1) : v;
}

static uint64_t scalar(const struct ir_insn *i, uint64_t v)
{
	bool ftz = i->flags & IR_F_FTZ, f64 = i->type == IR_T_F64 || i->stype == IR_T_F64;
	struct mf_rule r = rule_of(i);
	uint64_t u;
	mpfr_t x, y;

	/* plain copies, and widening bf16, which is a shift */
	if (!i->flags && !i->round && (i->type == i->stype || (i->type == IR_T_F32 && i->stype == IR_T_BF16)) && !is_int(i->type))
		return i->type == i->stype ? v : v << 16;
	if (ftz && i->type == IR_T_F64 && i->stype == IR_T_F32 && (v & 0x7fffffff) > 0x7f800000)
		v = 0x7fffffff;
	if (f64 && !r.sat && !is_int(i->type) && !is_int(i->stype) && mf_pass_nan(v, mf_of(i->stype), mf_of(i->type), &u))
		return u;
	if (is_int(i->type) && is_int(i->stype) && !(i->flags & IR_F_SAT))
		return wrap_int(v, i->stype, i->type);
	mpfr_init2(x, 80);
	load(x, v, i->stype, ftz && i->type != IR_T_F16);
	integral(x, i->round);
	if (ftz && i->type == IR_T_F32) {
		mpfr_init2(y, 24);
		mpfr_set(y, x, r.rnd);
		r.flush = mf_is_tiny(y, mf_of(IR_T_F32));
		mpfr_clear(y);
	}
	u = is_int(i->type) ? to_int(x, i->type, i->stype == IR_T_F64) : mf_put(x, 0, mf_of(i->type), &r);
	mpfr_clear(x);
	return u;
}

/* ue8m0: the exponent of |x| rounded to a power of two, from 2^-127 to 2^127; 255: NaN */
static uint64_t to_ue8m0(const struct ir_insn *i, uint64_t f32)
{
	bool up = i->round == IR_RND_RP, fin = i->flags & IR_F_SATFINITE;
	uint64_t u = 0xff;
	mpfr_t x;

	mpfr_init2(x, 64);
	mf_get(x, f32 & 0x7fffffff, mf_of(IR_T_F32));
	if (mpfr_inf_p(x)) {
		u = fin ? 0xfe : 0xff;
	} else if (mpfr_zero_p(x)) {
		u = 0;
	} else if (!mpfr_nan_p(x)) {
		long e = mpfr_get_exp(x) - 1;

		if (up && mpfr_cmp_ui_2exp(x, 1, e) > 0)
			e++;
		e = e < -127 ? -127 : e;
		u = (uint64_t)(e + 127);
		if (u == 0xff && fin)
			u = 0xfe;
	}
	mpfr_clear(x);
	return u;
}

static uint64_t from_ue8m0(uint64_t v)
{
	struct mf_rule r = { .rnd = MPFR_RNDN };
	uint64_t u;
	mpfr_t x;

	mpfr_init2(x, 64);
	mpfr_set_ui_2exp(x, 1, (long)v - 127, MPFR_RNDN);
	if (v == 0xff)
		mpfr_set_nan(x);
	u = mf_put(x, 0, mf_of(IR_T_BF16), &r);
	mpfr_clear(x);
	return u;
}

static unsigned element_bits(uint8_t t)
{
	return t == IR_T_E2M1X2 ? 4 : ir_type_bits(t) / 2;
}

static uint64_t narrow(const struct ir_insn *i, uint64_t v, const struct mf_format *from)
{
	struct mf_rule r = rule_of(i);
	uint64_t u;
	mpfr_t x;

	mpfr_init2(x, 64);
	mf_get(x, v, from);
	u = mf_put(x, 0, mf_of(i->type), &r);
	mpfr_clear(x);
	return u;
}

static bool packed(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	unsigned out = element_bits(i->type), in = element_bits(i->stype);
	uint64_t v[2];

	if (f->n_src == 2) {
		v[0] = s[1];
		v[1] = s[0];
		in = 32;
	} else {
		v[0] = s[0] & ((UINT64_C(1) << in) - 1);
		v[1] = s[0] >> in & ((UINT64_C(1) << in) - 1);
	}
	for (unsigned k = 0; k < 2; k++) {
		uint64_t u;

		if (i->type == IR_T_UE8M0X2)
			u = to_ue8m0(i, in == 16 ? v[k] << 16 : v[k]);
		else if (i->stype == IR_T_UE8M0X2)
			u = from_ue8m0(v[k]);
		else
			u = narrow(i, v[k], mf_of(i->stype));
		r->d |= u << out * k;
	}
	return true;
}

static bool pack(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	unsigned bits = ir_type_bits(f->insn.type);
	int64_t max = is_signed(f->insn.type) ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
	int64_t min = is_signed(f->insn.type) ? -max - 1 : 0;

	for (unsigned k = 0; k < 2; k++) {
		int64_t v = (int32_t)s[1 - k];

		v = v < min ? min : v > max ? max : v;
		r->d |= ((uint64_t)v & ((UINT64_C(1) << bits) - 1)) << bits * k;
	}
	if (f->n_src == 3)
		r->d |= s[2] << 2 * bits & UINT32_MAX;
	return true;
}

bool alu_ref_cvt(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;

	if (i->mode == IR_MODE_PACK)
		return pack(f, s, r);
	if (ir_type_class(i->type) == IR_TC_PACKED)
		return packed(f, s, r);
	if (i->type == IR_T_TF32) {
		if (i->round == IR_RND_RNA && !i->flags && (s[0] & 0x7fffffff) > 0x7f800000)
			r->d = s[0] >> 13 << 13;
		else
			r->d = narrow(i, s[0], mf_of(IR_T_F32)) << 13;
		return true;
	}
	r->d = scalar(i, s[0]);
	return true;
}

/* ---- comparisons ---- */

static bool holds(const struct ir_insn *i, uint8_t t, uint64_t va, uint64_t vb)
{
	bool unordered, r, ftz = i->flags & IR_F_FTZ;
	mpfr_t a, b;
	int c;

	mpfr_inits2(80, a, b, (mpfr_ptr)0);
	if (ir_type_class(t) == IR_TC_BITS) {
		mpfr_set_uj(a, va, MPFR_RNDN);
		mpfr_set_uj(b, vb, MPFR_RNDN);
	} else {
		load(a, va, t, ftz);
		load(b, vb, t, ftz);
	}
	if (ftz && t == IR_T_F16) {
		if (!(va & 0x7c00))
			mpfr_set_zero(a, 1);
		if (!(vb & 0x7c00))
			mpfr_set_zero(b, 1);
	}
	unordered = mpfr_nan_p(a) || mpfr_nan_p(b);
	c = unordered ? 0 : mpfr_cmp(a, b);
	switch (i->cmp) {
	case IR_CMP_EQ: r = !unordered && c == 0; break;
	case IR_CMP_NE: r = !unordered && c != 0; break;
	case IR_CMP_LT: case IR_CMP_LO: r = !unordered && c < 0; break;
	case IR_CMP_LE: case IR_CMP_LS: r = !unordered && c <= 0; break;
	case IR_CMP_GT: case IR_CMP_HI: r = !unordered && c > 0; break;
	case IR_CMP_GE: case IR_CMP_HS: r = !unordered && c >= 0; break;
	case IR_CMP_EQU: r = unordered || c == 0; break;
	case IR_CMP_NEU: r = unordered || c != 0; break;
	case IR_CMP_LTU: r = unordered || c < 0; break;
	case IR_CMP_LEU: r = unordered || c <= 0; break;
	case IR_CMP_GTU: r = unordered || c > 0; break;
	case IR_CMP_GEU: r = unordered || c >= 0; break;
	case IR_CMP_NUM: r = !unordered; break;
	default: r = unordered; break;
	}
	mpfr_clears(a, b, (mpfr_ptr)0);
	return r;
}

static bool joined(const struct ir_insn *i, bool t, bool c)
{
	switch (i->boolop) {
	case IR_BOOL_AND: return t && c;
	case IR_BOOL_OR: return t || c;
	case IR_BOOL_XOR: return t != c;
	default: return t;
	}
}

static bool ref_set(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	bool pairs = i->stype == IR_T_F16X2 || i->stype == IR_T_BF16X2;
	uint8_t t = i->stype == IR_T_F16X2 ? IR_T_F16 : i->stype == IR_T_BF16X2 ? IR_T_BF16 : i->stype;
	uint64_t one;

	switch (i->type) {
	case IR_T_F32: one = 0x3f800000; break;
	case IR_T_F16: case IR_T_F16X2: one = 0x3c00; break;
	case IR_T_BF16: case IR_T_BF16X2: one = 0x3f80; break;
	default: one = pairs || ir_type_bits(i->type) == 16 ? 0xffff : 0xffffffff; break;
	}
	for (unsigned k = 0; k < (pairs ? 2u : 1u); k++)
		if (joined(i, holds(i, t, pairs ? s[0] >> 16 * k & 0xffff : s[0], pairs ? s[1] >> 16 * k & 0xffff : s[1]), s[2]))
			r->d |= one << 16 * k;
	return true;
}

static bool ref_testp(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct mf_format *fmt = mf_of(f->insn.type);
	bool sub;
	mpfr_t x;

	mpfr_init2(x, 64);
	mf_get(x, s[0], fmt);
	sub = mpfr_regular_p(x) && mpfr_get_exp(x) - 1 < fmt->emin;
	switch (f->insn.mode) {
	case IR_MODE_FINITE: r->d = mpfr_number_p(x) != 0; break;
	case IR_MODE_INFINITE: r->d = mpfr_inf_p(x) != 0; break;
	case IR_MODE_NUMBER: r->d = !mpfr_nan_p(x); break;
	case IR_MODE_NOTANUMBER: r->d = mpfr_nan_p(x) != 0; break;
	case IR_MODE_NORMAL: r->d = mpfr_number_p(x) && !sub; break;
	default: r->d = sub; break;
	}
	mpfr_clear(x);
	return true;
}

bool alu_ref_cmp(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	bool pairs = i->type == IR_T_F16X2 || i->type == IR_T_BF16X2, t;
	uint8_t type = i->type == IR_T_F16X2 ? IR_T_F16 : i->type == IR_T_BF16X2 ? IR_T_BF16 : i->type;

	if (i->op == IR_OP_set)
		return ref_set(f, s, r);
	if (i->op == IR_OP_testp)
		return ref_testp(f, s, r);
	t = holds(i, type, pairs ? s[0] & 0xffff : s[0], pairs ? s[1] & 0xffff : s[1]);
	r->d = joined(i, t, s[2]);
	if (f->n_dst > 1)
		r->d2 = joined(i, pairs ? holds(i, type, s[0] >> 16, s[1] >> 16) : !t, s[2]);
	return true;
}
