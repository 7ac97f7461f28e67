/*
 * elem_div.c: integer div and rem, 16 to 64 bits. A zero divisor gives all
 * ones; INT_MIN / -1 wraps. Vectors of 16 and 32 bits go through a floating
 * division that is wide enough to be exact when cut; a division by a constant is LLVM's.
 */
#include "backend/simd/gen/elem.h"

/* A divisor that can't trap in place of 0 (and, signed, of -1). */
static val safe_divisor(struct gen *g, val b, bool sign)
{
	val one = x_k(g, b, 1);
	val bad = sign ? x_ult(g, x_addk(g, b, 1), x_k(g, b, 2)) : x_eq(g, b, x_k(g, b, 0));

	return x_sel(g, bad, one, b);
}

static val plain_div(struct gen *g, val a, val b, bool sign, bool rem)
{
	val d = safe_divisor(g, b, sign), ones = x_k(g, a, UINT64_MAX), r;

	if (sign) {
		r = rem ? LLVMBuildSRem(g->b, a, d, "") : LLVMBuildSDiv(g->b, a, d, "");
		if (!rem)
			r = x_sel(g, x_eq(g, b, ones), x_neg(g, a), r);
	} else {
		r = rem ? LLVMBuildURem(g->b, a, d, "") : LLVMBuildUDiv(g->b, a, d, "");
	}
	return x_sel(g, x_eq(g, b, x_k(g, b, 0)), ones, r);
}

/* Quotient of 16-bit values by way of f32, which holds them and cannot round up to a whole number. */
static val div16(struct gen *g, val a, val b, bool sign)
{
	LLVMTypeRef ft = gen_float_type(g, 32, gen_lanes(a)), it = gen_int_type(g, 32, gen_lanes(a));
	val x = sign ? gen_sext(g, a, 32) : gen_cut(g, a, 32), y = sign ? gen_sext(g, b, 32) : gen_cut(g, b, 32), q;

	/* an instruction of 32-bit integers is at hand for both */
	y = x_sel(g, x_eq(g, y, x_k(g, y, 0)), x_k(g, y, 1), y);
	q = x_fdiv(g, LLVMBuildSIToFP(g->b, x, ft, ""), LLVMBuildSIToFP(g->b, y, ft, ""));
	return gen_cut(g, LLVMBuildFPToSI(g->b, q, it, ""), 16);
}

/* 32 bits by way of f64. The quotient is below 2^32 in magnitude; adding 2^52 + 2^51 puts it into the low bits. */
static val div32(struct gen *g, val a, val b, bool sign)
{
	LLVMTypeRef ft = gen_float_type(g, 64, gen_lanes(a));
	val y = x_sel(g, x_eq(g, b, x_k(g, b, 0)), x_k(g, b, 1), b), q;

	if (sign)
		q = x_fdiv(g, LLVMBuildSIToFP(g->b, a, ft, ""), LLVMBuildSIToFP(g->b, y, ft, ""));
	else
		q = x_fdiv(g, LLVMBuildUIToFP(g->b, a, ft, ""), LLVMBuildUIToFP(g->b, y, ft, ""));
	q = gen_intrinsic1(g, "llvm.trunc", q);
	return gen_cut(g, gen_as_int(g, x_fadd(g, q, el_fk(g, q, 0x1.8p52))), 32);
}

static void emit_div(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	bool sign = el_signed(e->i->type), rem = e->i->op == IR_OP_rem;
	val a = el_src(g, e, 0, bits), b = el_src(g, e, 1, bits), q, r, zero;
	uint64_t k;

	if (bits == 64 || gen_lanes(a) == 1 || el_const(b, &k)) {
		e->dst[0] = plain_div(g, a, b, sign, rem);
		return;
	}
	q = bits == 16 ? div16(g, a, b, sign) : div32(g, a, b, sign);
	r = rem ? x_sub(g, a, x_mul(g, q, b)) : q;
	zero = x_eq(g, b, x_k(g, b, 0));
	e->dst[0] = x_or(g, r, x_mask(g, zero, bits));
}

elem_fn elem_select_div(const struct gen *g, const struct ir_insn *i)
{
	if ((i->op != IR_OP_div && i->op != IR_OP_rem) || i->round || i->flags)
		return NULL;
	switch (i->type) {
	case IR_T_U16: case IR_T_S16: case IR_T_U32: case IR_T_S32: case IR_T_U64: case IR_T_S64: return emit_div;
	default: return NULL;
	}
}
