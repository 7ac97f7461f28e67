/*
 * elem_half.c: f16, bf16 and their packed pairs: add sub mul fma neg abs, with
 * .ftz .sat .relu .oob. Sums and products are computed in f32 and rounded once
 * more, which is exact for these formats; fma goes through a value rounded to
 * odd. A vector of pairs is a vector of twice as many halves.
 */
#include "backend/simd/gen/elem.h"

static bool is_bf16(const struct ir_insn *i)
{
	return i->type == IR_T_BF16 || i->type == IR_T_BF16X2;
}

/* Source n as 16-bit elements. */
static val halves(struct gen *g, struct gen_elem *e, unsigned n)
{
	unsigned bits = el_bits(e);
	val u = el_src(g, e, n, bits);

	return bits == 32 ? el_split(g, u, 16) : u;
}

static void put(struct gen *g, struct gen_elem *e, val h)
{
	e->dst[0] = el_bits(e) == 32 ? el_join(g, h, 32) : h;
}

static val load(struct gen *g, struct gen_elem *e, unsigned n)
{
	val h = halves(g, e, n);

	if (is_bf16(e->i))
		return el_f32_of_bf16(g, h);
	return el_f32_of_f16(g, e->i->flags & IR_F_FTZ ? el_flush16(g, h) : h);
}

/* Positive numbers and NaN stay, all else is +0. */
static val relu(struct gen *g, val f)
{
	val zero = el_fk(g, f, 0.0);

	return x_sel(g, x_fgt(g, f, zero), f, x_sel(g, x_uno(g, f, f), f, zero));
}

/* Rounds to the format. Clamping first is the same as clamping the rounded value. */
static val store(struct gen *g, struct gen_elem *e, val f)
{
	const struct ir_insn *i = e->i;

	if (i->flags & IR_F_FTZ) {
		/* tiny once rounded to 11 bits without a lower bound to the exponent: below 2^-14 (1 - 2^-12) */
		val u = gen_as_int(g, f), tiny = x_slt(g, x_andk(g, u, 0x7fffffff), x_k(g, u, 0x387ff000));

		f = gen_as_float(g, x_sel(g, tiny, x_andk(g, u, 0x80000000u), u));
	}
	if (i->flags & IR_F_SAT)
		f = el_saturate(g, f);
	if (i->flags & IR_F_RELU)
		f = relu(g, f);
	return is_bf16(i) ? el_bf16_of_f32(g, f, IR_RND_RN, !e->lazy_nan) : el_f16_of_f32(g, f, IR_RND_RN, !e->lazy_nan);
}

static void emit_op2(struct gen *g, struct gen_elem *e)
{
	val a = load(g, e, 0), b = load(g, e, 1), r;

	switch (e->i->op) {
	case IR_OP_add: r = x_fadd(g, a, b); break;
	case IR_OP_sub: r = x_fsub(g, a, b); break;
	default: r = x_fmul(g, a, b); break;
	}
	put(g, e, store(g, e, r));
}

/* AVX-512: downwards and upwards differ where the sum is inexact; towards zero with the last bit set is then rounded to odd. */
static val rounded_part(struct gen *g, const val *v, const void *arg)
{
	val args[] = { v[0], v[1], v[2], LLVMConstInt(g->i32, el_rounding_imm(*(const unsigned *)arg), 0) };

	return gen_intrinsic(g, "llvm.x86.avx512.vfmadd.ps.512", NULL, 0, args, 4);
}

static val fma_odd_512(struct gen *g, val a, val b, val c)
{
	static const unsigned down = IR_RND_RM, up = IR_RND_RP, zero = IR_RND_RZ;
	val v[] = { a, b, c }, lo = el_parts(g, 16, rounded_part, v, 3, &down), hi = el_parts(g, 16, rounded_part, v, 3, &up);
	val cut = gen_as_int(g, el_parts(g, 16, rounded_part, v, 3, &zero));
	val inexact = LLVMBuildFCmp(g->b, LLVMRealONE, lo, hi, "");

	return gen_as_float(g, x_sel(g, inexact, x_ork(g, cut, 1), cut));
}

/* a * b is exact in f32 (22 bits, exponents -48…32). */
static val f16_fma(struct gen *g, val a, val b, val c)
{
	val p, s;

	if (g->isa == SD_ISA_AVX512 && gen_lanes(a) >= 16)
		return fma_odd_512(g, a, b, c);
	p = x_fmul(g, a, b);
	s = x_fadd(g, p, c);
	return el_odd(g, s, el_sum_error(g, p, c, s));
}

/* a * b is exact in f64; the sum is made odd there, and again on the way to f32. */
static val bf16_fma(struct gen *g, val a, val b, val c)
{
	val p = x_fmul(g, el_fpext(g, a), el_fpext(g, b)), wide = el_fpext(g, c), s = x_fadd(g, p, wide);

	return el_f32_odd_of_f64(g, el_odd(g, s, el_sum_error(g, p, wide, s)));
}

static val is_oob(struct gen *g, val h)
{
	return x_eq(g, x_andk(g, h, 0x7fff), x_k(g, h, 0x7ff7));
}

static void emit_fma(struct gen *g, struct gen_elem *e)
{
	val a = load(g, e, 0), b = load(g, e, 1), c = load(g, e, 2), h;

	h = store(g, e, is_bf16(e->i) ? bf16_fma(g, a, b, c) : f16_fma(g, a, b, c));
	if (e->i->flags & IR_F_OOB)
		h = x_sel(g, x_or(g, is_oob(g, halves(g, e, 0)), is_oob(g, halves(g, e, 1))), x_k(g, h, 0), h);
	put(g, e, h);
}

static void emit_sign(struct gen *g, struct gen_elem *e)
{
	val h = halves(g, e, 0), r, nan;

	if (e->i->flags & IR_F_FTZ)
		h = el_flush16(g, h);
	r = e->i->op == IR_OP_neg ? x_xork(g, h, 0x8000) : x_andk(g, h, 0x7fff);
	if (!e->lazy_nan) {
		nan = x_sgt(g, x_andk(g, h, 0x7fff), x_k(g, h, is_bf16(e->i) ? 0x7f80 : 0x7c00));
		r = x_sel(g, nan, x_k(g, h, 0x7fff), r);
	}
	put(g, e, r);
}

static bool fma_has(const struct ir_insn *i)
{
	switch (i->flags) {
	case 0: case IR_F_RELU: case IR_F_OOB: case IR_F_OOB | IR_F_RELU:
		return true;
	case IR_F_FTZ: case IR_F_SAT: case IR_F_FTZ | IR_F_SAT: case IR_F_FTZ | IR_F_RELU:
		return !is_bf16(i);
	default:
		return false;
	}
}

elem_fn elem_select_half(const struct gen *g, const struct ir_insn *i)
{
	bool bf16 = is_bf16(i);

	if (!bf16 && i->type != IR_T_F16 && i->type != IR_T_F16X2)
		return NULL;
	if (i->round > IR_RND_RN)
		return NULL;
	switch (i->op) {
	case IR_OP_fma: return fma_has(i) ? emit_fma : NULL;
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: return el_only(i, bf16 ? 0 : IR_F_FTZ | IR_F_SAT) ? emit_op2 : NULL;
	case IR_OP_neg: case IR_OP_abs: return el_only(i, bf16 ? 0 : IR_F_FTZ) ? emit_sign : NULL;
	default: return NULL;
	}
}
