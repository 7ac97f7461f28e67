/*
 * alu_ref_approx.c: the errors that PTX allows its approximate functions,
 * measured with MPFR against the exact value of the operands as they are.
 */
#include <math.h>

#include "t/lib/alu_mpfr.h"
#include "t/lib/alu_ref.h"

#define PREC 128

static int exact(mpfr_t x, unsigned op, mpfr_t a, mpfr_t b)
{
	switch (op) {
	case IR_OP_rcp: return mpfr_ui_div(x, 1, a, MPFR_RNDN);
	case IR_OP_sqrt: return mpfr_sqrt(x, a, MPFR_RNDN);
	case IR_OP_rsqrt: return mpfr_rec_sqrt(x, a, MPFR_RNDN);
	case IR_OP_ex2: return mpfr_exp2(x, a, MPFR_RNDN);
	case IR_OP_lg2: return mpfr_log2(x, a, MPFR_RNDN);
	case IR_OP_sin: return mpfr_sin(x, a, MPFR_RNDN);
	case IR_OP_cos: return mpfr_cos(x, a, MPFR_RNDN);
	case IR_OP_tanh: return mpfr_tanh(x, a, MPFR_RNDN);
	default: return mpfr_div(x, a, b, MPFR_RNDN);
	}
}

struct bound {
	double rel, abs;
};

/* PTX ISA's figures; an ulp of f32 is counted as 2^-23 of the value. */
static struct bound bound_of(const struct ir_insn *i, double a, double want)
{
	const bool half = i->type == IR_T_F16 || i->type == IR_T_F16X2, bf16 = i->type == IR_T_BF16 || i->type == IR_T_BF16X2;

	if (i->type == IR_T_F64)
		return (struct bound){ i->flags & IR_F_FTZ ? 0x1p-19 : 0x1p-50, 0 };
	switch (i->op) {
	case IR_OP_rcp: return (struct bound){ 0x1p-23, 0 };
	case IR_OP_sqrt: return (struct bound){ 0x1p-23, 0 };
	case IR_OP_rsqrt: return (struct bound){ 0x1.13p-23, 0 };                    /* 2^-22.9 */
	case IR_OP_ex2: return (struct bound){ half ? 0x1.12p-10 : bf16 ? 0x1p-7 : 0x1p-22, 0 };
	case IR_OP_lg2: return a > 0.5 && a < 2 ? (struct bound){ 0, 0x1.5p-23 } : (struct bound){ 0x1p-22, 0 };
	case IR_OP_sin:
	case IR_OP_cos:
		/* 2^-20.5 up to 2 pi, 2^-14.7 up to 100 pi; beyond, PTX says nothing: twice as steep */
		if (fabs(a) <= 6.2831855)
			return (struct bound){ 0, 0x1.6ap-21 };
		return (struct bound){ 0, 0x1.3bp-15 * (fabs(a) <= 314.15928 ? 1 : 2 * fabs(a) / 314.15928) };
	case IR_OP_tanh: return half ? (struct bound){ 0, 0x1.03p-11 } : bf16 ? (struct bound){ 0x1p-8, 0 } : (struct bound){ 0x1p-11, 0 };
	default: return (struct bound){ 0x1p-22, 0 };
	}
}

/* One element. Special values (infinite or NaN results, zeros) must be as MPFR has them. */
static double element_error(const struct ir_insn *i, uint64_t va, uint64_t vb, uint64_t got, const struct mf_format *f)
{
	const double tiny = ldexp(1.0, f->emin), step = ldexp(1.0, f->emin - (f->p - 1));
	mpfr_t a, b, x, y;
	struct bound m;
	double want, err, allowed;

	mpfr_inits2(PREC, a, b, x, y, (mpfr_ptr)0);
	mf_get(a, va, f);
	mf_get(b, vb, f);
	mf_get(y, got, f);
	mpfr_set_prec(x, PREC);
	exact(x, i->op, a, b);
	want = mpfr_get_d(x, MPFR_RNDN);
	if (i->op == IR_OP_rsqrt && mpfr_zero_p(a))
		mpfr_setsign(x, x, mpfr_signbit(a), MPFR_RNDN);
	m = bound_of(i, mpfr_get_d(a, MPFR_RNDN), want);
	if (mpfr_nan_p(x) || mpfr_nan_p(y)) {
		err = mpfr_nan_p(x) && mpfr_nan_p(y) ? 0 : 2;
	} else if (mpfr_inf_p(y) || mpfr_inf_p(x)) {
		/* infinity where the value is beyond the largest number, within the bound */
		err = mpfr_signbit(x) == mpfr_signbit(y) && fabs(want) >= ldexp(2.0 - 0x1p-20, f->emax) ? 0 : 2;
	} else {
		mpfr_sub(x, y, x, MPFR_RNDN);
		err = fabs(mpfr_get_d(x, MPFR_RNDN));
		allowed = m.abs + m.rel * fabs(want);
		if (fabs(want) < tiny)
			allowed += i->flags & IR_F_FTZ ? tiny : step;
		err = err == 0 ? 0 : err / allowed;
	}
	mpfr_clears(a, b, x, y, (mpfr_ptr)0);
	return err;
}

double alu_ref_approx(const struct alu_form *f, const uint64_t *s, uint64_t got)
{
	const struct ir_insn *i = &f->insn;
	const struct mf_format *fmt = mf_of(i->type);
	unsigned bits = (unsigned)(fmt->p + fmt->exp_bits), n = ir_type_class(i->type) == IR_TC_PACKED ? 2 : 1;
	double worst = 0;

	for (unsigned k = 0; k < n; k++) {
		uint64_t mask = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX, v[2], sign = UINT64_C(1) << (bits - 1);
		double e;

		for (unsigned j = 0; j < 2; j++) {
			v[j] = s[j] >> (bits * k & 63) & mask;
			if ((i->flags & IR_F_FTZ) && !((v[j] & (sign - 1)) >> (fmt->p - 1)))
				v[j] &= sign;
			/* these forms look at the upper word only */
			if (i->type == IR_T_F64 && (i->flags & IR_F_FTZ))
				v[j] &= ~(uint64_t)UINT32_MAX;
		}
		/* a divisor beyond 2^126 counts as infinite */
		if (i->op == IR_OP_div && (i->flags & IR_F_APPROX) && (v[1] & 0x7fffffff) > 0x7e800000 && (v[1] & 0x7fffffff) < 0x7f800000)
			v[1] = (v[1] & 0x80000000) | 0x7f800000;
		e = element_error(i, v[0], v[1], got >> (bits * k & 63) & mask, fmt);
		worst = e > worst ? e : worst;
	}
	return worst;
}
