/*
 * alu_ref_float.c: floating-point arithmetic, min and max by MPFR, which
 * rounds the exact result once, into the format, subnormals included.
 */
#include "t/lib/alu_mpfr.h"
#include "t/lib/alu_ref.h"

static mpfr_rnd_t rounding(unsigned round)
{
	switch (round) {
	case IR_RND_RZ: return MPFR_RNDZ;
	case IR_RND_RM: return MPFR_RNDD;
	case IR_RND_RP: return MPFR_RNDU;
	default: return MPFR_RNDN;
	}
}

static uint64_t element(uint64_t v, const struct mf_format *f, unsigned n)
{
	unsigned bits = (unsigned)(f->p + f->exp_bits);

	return bits == 64 ? v : v >> bits * n & ((UINT64_C(1) << bits) - 1);
}

static uint64_t flush(uint64_t v, const struct mf_format *f)
{
	uint64_t sign = UINT64_C(1) << (f->p - 1 + f->exp_bits);

	return (v & (sign - 1)) >> (f->p - 1) ? v : v & sign;
}

/* One operation on up to three values; ternary of the rounding to x's precision. */
static int operate(mpfr_t x, unsigned op, mpfr_t a, mpfr_t b, mpfr_t c, mpfr_rnd_t rnd)
{
	switch (op) {
	case IR_OP_add: return mpfr_add(x, a, b, rnd);
	case IR_OP_sub: return mpfr_sub(x, a, b, rnd);
	case IR_OP_mul: return mpfr_mul(x, a, b, rnd);
	case IR_OP_fma:
	case IR_OP_mad: return mpfr_fma(x, a, b, c, rnd);
	case IR_OP_div: return mpfr_div(x, a, b, rnd);
	case IR_OP_rcp: return mpfr_ui_div(x, 1, a, rnd);
	default: return mpfr_sqrt(x, a, rnd);
	}
}

static bool is_oob(uint64_t v)
{
	return (v & 0x7fff) == 0x7ff7;
}

static uint64_t arith(const struct ir_insn *i, const uint64_t *v, const struct mf_format *in, const struct mf_format *add,
		      const struct mf_format *out)
{
	bool ftz = i->flags & IR_F_FTZ, fused = i->op == IR_OP_fma || i->op == IR_OP_mad;
	struct mf_rule r = { .rnd = rounding(i->round), .sat = i->flags & IR_F_SAT, .relu = i->flags & IR_F_RELU };
	const struct mf_format *fb = fused ? in : add;
	mpfr_t a, b, c, x;
	uint64_t u;
	int t;

	if ((i->flags & IR_F_OOB) && (is_oob(v[0]) || is_oob(v[1])))
		return 0;
	mpfr_inits2(64, a, b, c, x, (mpfr_ptr)0);
	mf_get(a, ftz ? flush(v[0], in) : v[0], in);
	mf_get(b, ftz ? flush(v[1], fb) : v[1], fb);
	mf_get(c, ftz ? flush(v[2], add) : v[2], add);
	mpfr_set_prec(x, out->p);
	operate(x, i->op, a, b, c, r.rnd);
	r.flush = ftz && mf_is_tiny(x, out);
	mf_begin(x, out);
	t = operate(x, i->op, a, b, c, r.rnd);
	mf_end();
	u = mf_put(x, t, out, &r);
	if (out->p == 53 && mpfr_nan_p(x)) {
		/* which operand's NaN passes, as seen on hardware */
		static const char *const order[] = { "ba", "ab", "bca" };
		const char *o = order[fused ? 2 : i->op == IR_OP_div || i->op == IR_OP_rcp || i->op == IR_OP_sqrt];

		if (i->op == IR_OP_rcp || i->op == IR_OP_sqrt)
			o = "a";
		while (*o && !mf_pass_nan(v[*o - 'a'], out, out, &u))
			o++;
	}
	mpfr_clears(a, b, c, x, (mpfr_ptr)0);
	return u;
}

static uint64_t sign_op(const struct ir_insn *i, const uint64_t *v, const struct mf_format *f)
{
	uint64_t sign = UINT64_C(1) << (f->p - 1 + f->exp_bits), a = i->flags & IR_F_FTZ ? flush(v[0], f) : v[0], nan;

	if (i->op != IR_OP_copysign && mf_pass_nan(a, f, f, &nan))
		return f->p == 53 ? nan : f->nan;

	switch (i->op) {
	case IR_OP_neg: return a ^ sign;
	case IR_OP_abs: return a & ~sign;
	default: return (v[0] & sign) | (v[1] & ~sign);
	}
}

static bool below(mpfr_t a, mpfr_t b)
{
	if (mpfr_zero_p(a) && mpfr_zero_p(b))
		return mpfr_signbit(a) && !mpfr_signbit(b);
	return mpfr_less_p(a, b);
}

static uint64_t minmax2(const struct ir_insn *i, uint64_t va, uint64_t vb, const struct mf_format *f)
{
	uint64_t sign = UINT64_C(1) << (f->p - 1 + f->exp_bits), flip = 0, d;
	mpfr_t a, b;

	if (i->flags & IR_F_XORSIGN)
		flip = (va ^ vb) & sign;
	if (i->flags & IR_F_ABS) {
		va &= ~sign;
		vb &= ~sign;
	}
	if (i->flags & IR_F_FTZ) {
		va = flush(va, f);
		vb = flush(vb, f);
	}
	mpfr_inits2(64, a, b, (mpfr_ptr)0);
	mf_get(a, va, f);
	mf_get(b, vb, f);
	if ((mpfr_nan_p(a) && mpfr_nan_p(b)) || ((i->flags & IR_F_NAN) && (mpfr_nan_p(a) || mpfr_nan_p(b)))) {
		if (f->p != 53 || !mf_pass_nan(vb, f, f, &d))
			d = f->nan;
		flip = 0;
	} else if (mpfr_nan_p(a)) {
		d = vb;
	} else if (mpfr_nan_p(b)) {
		d = va;
	} else {
		d = below(a, b) == (i->op == IR_OP_min) ? va : vb;
	}
	mpfr_clears(a, b, (mpfr_ptr)0);
	return d | flip;
}

static uint64_t one_element(const struct alu_form *f, const uint64_t *v, const struct mf_format *fmt)
{
	const struct ir_insn *i = &f->insn;

	switch (i->op) {
	case IR_OP_neg: case IR_OP_abs: case IR_OP_copysign:
		return sign_op(i, v, fmt);
	case IR_OP_min: case IR_OP_max:
		{
			uint64_t d = minmax2(i, v[0], v[1], fmt);

			return f->n_src == 3 ? minmax2(i, d, v[2], fmt) : d;
		}
	default:
		return arith(i, v, fmt, fmt, fmt);
	}
}

bool alu_ref_float(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	const struct mf_format *fmt = mf_of(i->type);
	unsigned n = ir_type_class(i->type) == IR_TC_PACKED ? 2 : 1;

	if (!fmt)
		return false;
	if (i->stype) {
		r->d = arith(i, s, mf_of(i->stype), fmt, fmt);
		return true;
	}
	for (unsigned k = 0; k < n; k++) {
		uint64_t v[3];

		for (unsigned j = 0; j < 3; j++)
			v[j] = element(s[j], fmt, k);
		r->d |= one_element(f, v, fmt) << (k * (unsigned)(fmt->p + fmt->exp_bits) & 63);
	}
	return true;
}
