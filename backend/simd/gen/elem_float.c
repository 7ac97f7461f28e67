/*
 * elem_float.c: f32, f32x2 and f64 arithmetic: add sub mul fma mad div rcp
 * sqrt in all roundings, with .ftz and .sat; neg abs copysign; mixed
 * precision, where the first operands are f16 or bf16.
 */
#include "backend/simd/gen/elem.h"

static bool is_directed(const struct ir_insn *i)
{
	return i->round == IR_RND_RZ || i->round == IR_RND_RM || i->round == IR_RND_RP;
}

/* The operand with the sign change that a pass may have put there: of a product the factors' signs are one. */
static val signed_operand(struct gen *g, val v, bool neg)
{
	return neg ? x_fneg(g, v) : v;
}

/* The three operands as floats of one width; absent ones NULL. */
static void load(struct gen *g, struct gen_elem *e, val *v, unsigned bits, bool ftz)
{
	const struct ir_insn *i = e->i;

	for (unsigned k = 0; k < 3; k++) {
		v[k] = NULL;
		if (k < i->n_src)
			v[k] = bits == 32 ? el_f32_in(g, e, k, ftz) : el_fsrc(g, e, k, bits);
	}
}

static void emit_f32(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool ftz = i->flags & IR_F_FTZ, negates = i->op == IR_OP_fma;
	val v[3], r;

	load(g, e, v, 32, ftz);
	if (negates) {
		v[0] = signed_operand(g, v[0], i->src[0].neg != i->src[1].neg);
		v[2] = signed_operand(g, v[2], i->src[2].neg);
	}
	r = el_f32_op(g, i->op, v[0], v[1], v[2], i->round, ftz);
	e->dst[0] = i->flags & IR_F_SAT ? gen_as_int(g, el_saturate(g, r)) : el_f32_out(g, e, r);
}

/* Two floats in 64 bits are a vector of twice the lanes. */
static void emit_f32x2(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool ftz = i->flags & IR_F_FTZ;
	val v[3] = { NULL };

	for (unsigned k = 0; k < i->n_src; k++) {
		val u = el_split(g, el_src(g, e, k, 64), 32);

		v[k] = gen_as_float(g, ftz ? el_flush_operand(g, u) : u);
	}
	e->dst[0] = el_join(g, el_f32_out(g, e, el_f32_op(g, i->op, v[0], v[1], v[2], i->round, ftz)), 64);
}

static val load_half(struct gen *g, struct gen_elem *e, unsigned n)
{
	val h = el_src(g, e, n, 16);

	return e->i->stype == IR_T_F16 ? el_f32_of_f16(g, h) : el_f32_of_bf16(g, h);
}

static void emit_mixed(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool fma = i->op == IR_OP_fma;
	val a = load_half(g, e, 0), b = fma ? load_half(g, e, 1) : el_fsrc(g, e, 1, 32), r;

	r = el_f32_op(g, i->op, a, b, fma ? el_fsrc(g, e, 2, 32) : NULL, i->round, false);
	e->dst[0] = i->flags & IR_F_SAT ? gen_as_int(g, el_saturate(g, r)) : el_f32_out(g, e, r);
}

/* A change of sign that leaves a NaN as it is. */
static val neg_number(struct gen *g, val v, bool lazy_nan)
{
	val n = x_fneg(g, v);

	return lazy_nan || el_never_nan(v) ? n : x_sel(g, x_uno(g, v, v), v, n);
}

static void emit_f64(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	val v[3];

	load(g, e, v, 64, false);
	if (i->op == IR_OP_fma) {
		if (i->src[0].neg != i->src[1].neg)
			v[0] = neg_number(g, v[0], e->lazy_nan);
		if (i->src[2].neg)
			v[2] = neg_number(g, v[2], e->lazy_nan);
	}
	e->dst[0] = gen_as_int(g, el_f64_op(g, i->op, v[0], v[1], v[2], i->round, e->lazy_nan));
}

static void emit_sign(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned bits = el_bits(e);
	uint64_t top = UINT64_C(1) << (bits - 1);
	val u = el_src(g, e, 0, bits), f, r, nan;

	if (i->op == IR_OP_copysign) {
		e->dst[0] = x_or(g, x_andk(g, u, top), x_andk(g, el_src(g, e, 1, bits), top - 1));
		return;
	}
	if (i->flags & IR_F_FTZ)
		u = el_flush32(g, u);
	r = i->op == IR_OP_neg ? x_xork(g, u, top) : x_andk(g, u, top - 1);
	if (!e->lazy_nan) {
		f = gen_as_float(g, u);
		nan = bits == 32 ? x_k(g, u, 0x7fffffff) : x_ork(g, u, UINT64_C(1) << 51);
		r = x_sel(g, x_uno(g, f, f), nan, r);
	}
	e->dst[0] = r;
}

static elem_fn select_f32(const struct ir_insn *i)
{
	bool no_sat = !(i->flags & IR_F_SAT);

	if (!el_only(i, IR_F_FTZ | IR_F_SAT))
		return NULL;
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_fma: case IR_OP_mad: return emit_f32;
	case IR_OP_div: case IR_OP_rcp: case IR_OP_sqrt: return i->round && no_sat ? emit_f32 : NULL;
	case IR_OP_neg: case IR_OP_abs: return no_sat && !is_directed(i) ? emit_sign : NULL;
	case IR_OP_copysign: return !i->flags && !is_directed(i) ? emit_sign : NULL;
	default: return NULL;
	}
}

static elem_fn select_f64(const struct gen *g, const struct ir_insn *i)
{
	if (i->flags)
		return NULL;
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: return emit_f64;
	case IR_OP_fma: case IR_OP_mad: return el_has_fma(g) ? emit_f64 : NULL;
	case IR_OP_div: case IR_OP_rcp: case IR_OP_sqrt: return i->round ? emit_f64 : NULL;
	case IR_OP_neg: case IR_OP_abs: case IR_OP_copysign: return !is_directed(i) ? emit_sign : NULL;
	default: return NULL;
	}
}

static elem_fn select_f32x2(const struct ir_insn *i)
{
	if (!el_only(i, IR_F_FTZ))
		return NULL;
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_fma: return emit_f32x2;
	default: return NULL;
	}
}

static elem_fn select_mixed(const struct ir_insn *i)
{
	if (!el_only(i, IR_F_SAT))
		return NULL;
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_fma: return emit_mixed;
	default: return NULL;
	}
}

/* With a sign change on an operand: only what contraction makes. */
static bool negates(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_fma: case IR_OP_mad:
		return i->src[0].neg || i->src[1].neg || (i->n_src > 2 && i->src[2].neg);
	default:
		return false;
	}
}

elem_fn elem_select_float(const struct gen *g, const struct ir_insn *i)
{
	bool same = i->stype == IR_T_NONE || i->stype == i->type;

	if (i->round > IR_RND_RP)
		return NULL;
	if (negates(i) && (i->op != IR_OP_fma || is_directed(i) || !same || !el_only(i, i->type == IR_T_F32 ? IR_F_FTZ : 0)))
		return NULL;
	if (i->type == IR_T_F32 && (i->stype == IR_T_F16 || i->stype == IR_T_BF16))
		return select_mixed(i);
	if (!same)
		return NULL;
	switch (i->type) {
	case IR_T_F32: return select_f32(i);
	case IR_T_F64: return select_f64(g, i);
	case IR_T_F32X2: return negates(i) ? NULL : select_f32x2(i);
	default: return NULL;
	}
}
