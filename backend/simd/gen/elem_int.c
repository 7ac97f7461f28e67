/* elem_int.c: integer arithmetic: add sub mul mad mul24 mad24 sad abs neg min max. Results wrap. */
#include "backend/simd/gen/elem.h"

static bool is_pair(unsigned t)
{
	return t == IR_T_U16X2 || t == IR_T_S16X2;
}

static bool is_int(unsigned t)
{
	return t == IR_T_U16 || t == IR_T_S16 || t == IR_T_U32 || t == IR_T_S32 || t == IR_T_U64 || t == IR_T_S64;
}

static bool pair_signed(unsigned t)
{
	return t == IR_T_S16X2 || el_signed(t);
}

static void emit_addsub(struct gen *g, struct gen_elem *e)
{
	val a = el_src(g, e, 0, el_bits(e)), b = el_src(g, e, 1, el_bits(e));
	bool sub = e->i->op == IR_OP_sub;

	if (e->i->flags & IR_F_SAT) {
		e->dst[0] = gen_intrinsic2(g, sub ? "llvm.ssub.sat" : "llvm.sadd.sat", a, b);
	} else if (is_pair(e->i->type)) {
		a = el_split(g, a, 16);
		b = el_split(g, b, 16);
		e->dst[0] = el_join(g, sub ? x_sub(g, a, b) : x_add(g, a, b), 32);
	} else {
		e->dst[0] = sub ? x_sub(g, a, b) : x_add(g, a, b);
	}
}

static val extend(struct gen *g, val v, unsigned bits, bool sign)
{
	return sign ? gen_sext(g, v, bits) : gen_cut(g, v, bits);
}

/* The upper 64 bits of products: of a vector from 32-bit halves, as no machine multiplies wider ones. */
static val mul_hi_64(struct gen *g, val a, val b, bool sign)
{
	val al, ah, bl, bh, mid, mid2, hi;

	if (gen_lanes(a) == 1) {
		val p = x_mul(g, extend(g, a, 128, sign), extend(g, b, 128, sign));

		return gen_cut(g, x_lshrk(g, p, 64), 64);
	}
	al = x_andk(g, a, UINT32_MAX), ah = x_lshrk(g, a, 32);
	bl = x_andk(g, b, UINT32_MAX), bh = x_lshrk(g, b, 32);
	mid = x_add(g, x_mul(g, ah, bl), x_lshrk(g, x_mul(g, al, bl), 32));
	mid2 = x_add(g, x_mul(g, al, bh), x_andk(g, mid, UINT32_MAX));
	hi = x_add(g, x_mul(g, ah, bh), x_add(g, x_lshrk(g, mid, 32), x_lshrk(g, mid2, 32)));
	if (sign) {
		hi = x_sub(g, hi, x_and(g, x_mask(g, x_slt(g, a, x_k(g, a, 0)), 64), b));
		hi = x_sub(g, hi, x_and(g, x_mask(g, x_slt(g, b, x_k(g, b, 0)), 64), a));
	}
	return hi;
}

static val mul_hi(struct gen *g, val a, val b, bool sign)
{
	unsigned bits = gen_bits(a);
	val p;

	if (bits == 64)
		return mul_hi_64(g, a, b, sign);
	p = x_mul(g, extend(g, a, 2 * bits, sign), extend(g, b, 2 * bits, sign));
	return gen_cut(g, x_lshrk(g, p, bits), bits);
}

/* A 32-bit operand of mul24 as the 64-bit value of its low 24 bits. */
static val low24(struct gen *g, val v, bool sign)
{
	return sign ? gen_sext(g, x_ashrk(g, x_shlk(g, v, 8), 8), 64) : gen_cut(g, x_andk(g, v, 0xffffff), 64);
}

static void emit_mul(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned bits = el_bits(e);
	bool sign = el_signed(i->type), wide = i->mode == IR_MODE_WIDE;
	val a = el_src(g, e, 0, bits), b = el_src(g, e, 1, bits), p;

	if (i->op == IR_OP_mul24 || i->op == IR_OP_mad24) {
		p = x_mul(g, low24(g, a, sign), low24(g, b, sign));
		p = gen_cut(g, i->mode == IR_MODE_HI ? x_lshrk(g, p, 16) : p, 32);
	} else if (wide) {
		p = x_mul(g, extend(g, a, 2 * bits, sign), extend(g, b, 2 * bits, sign));
	} else {
		p = i->mode == IR_MODE_HI ? mul_hi(g, a, b, sign) : x_mul(g, a, b);
	}
	if (i->op == IR_OP_mad || i->op == IR_OP_mad24) {
		val c = el_src(g, e, 2, gen_bits(p));

		p = i->flags & IR_F_SAT ? gen_intrinsic2(g, "llvm.sadd.sat", p, c) : x_add(g, p, c);
	}
	e->dst[0] = p;
}

static val min_or_max(struct gen *g, val a, val b, bool max, bool sign)
{
	if (max)
		return sign ? x_smax(g, a, b) : x_umax(g, a, b);
	return sign ? x_smin(g, a, b) : x_umin(g, a, b);
}

static void emit_minmax(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	val a = el_src(g, e, 0, bits), b = el_src(g, e, 1, bits), r;
	bool pair = is_pair(e->i->type);

	if (pair) {
		a = el_split(g, a, 16);
		b = el_split(g, b, 16);
	}
	r = min_or_max(g, a, b, e->i->op == IR_OP_max, pair_signed(e->i->type));
	if (e->i->flags & IR_F_RELU)
		r = x_smax(g, r, x_k(g, r, 0));
	e->dst[0] = pair ? el_join(g, r, bits) : r;
}

static void emit_sad(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	bool sign = el_signed(e->i->type);
	val a = el_src(g, e, 0, bits), b = el_src(g, e, 1, bits), c = el_src(g, e, 2, bits);

	e->dst[0] = x_add(g, c, x_sub(g, min_or_max(g, a, b, true, sign), min_or_max(g, a, b, false, sign)));
}

static void emit_abs(struct gen *g, struct gen_elem *e)
{
	val a = el_src(g, e, 0, el_bits(e)), args[] = { a, LLVMConstInt(g->i1, 0, 0) };
	LLVMTypeRef t = LLVMTypeOf(a);

	e->dst[0] = gen_intrinsic(g, "llvm.abs", &t, 1, args, 2);
}

static void emit_neg(struct gen *g, struct gen_elem *e)
{
	e->dst[0] = x_neg(g, el_src(g, e, 0, el_bits(e)));
}

static elem_fn select_addsub(const struct ir_insn *i)
{
	if (i->flags)
		return i->flags == IR_F_SAT && i->type == IR_T_S32 ? emit_addsub : NULL;
	return is_int(i->type) || is_pair(i->type) ? emit_addsub : NULL;
}

static elem_fn select_mul(const struct ir_insn *i)
{
	bool is24 = i->op == IR_OP_mul24 || i->op == IR_OP_mad24, mad = i->op == IR_OP_mad || i->op == IR_OP_mad24;

	if (!is_int(i->type) || (is24 && i->type != IR_T_U32 && i->type != IR_T_S32))
		return NULL;
	if (i->flags)
		return i->flags == IR_F_SAT && mad && i->type == IR_T_S32 && i->mode == IR_MODE_HI ? emit_mul : NULL;
	switch (i->mode) {
	case IR_MODE_LO:
	case IR_MODE_HI: return emit_mul;
	case IR_MODE_WIDE: return !is24 && ir_type_bits((enum ir_type)i->type) < 64 ? emit_mul : NULL;
	default: return NULL;
	}
}

static elem_fn select_minmax(const struct ir_insn *i)
{
	if (i->n_src != 2 || (!is_int(i->type) && !is_pair(i->type)))
		return NULL;
	if (i->flags)
		return i->flags == IR_F_RELU && (i->type == IR_T_S32 || i->type == IR_T_S16X2) ? emit_minmax : NULL;
	return emit_minmax;
}

elem_fn elem_select_int(const struct gen *g, const struct ir_insn *i)
{
	if (i->round)
		return NULL;
	switch (i->op) {
	case IR_OP_add:
	case IR_OP_sub: return select_addsub(i);
	case IR_OP_mul:
	case IR_OP_mad:
	case IR_OP_mul24:
	case IR_OP_mad24: return select_mul(i);
	case IR_OP_min:
	case IR_OP_max: return select_minmax(i);
	case IR_OP_sad: return !i->flags && is_int(i->type) ? emit_sad : NULL;
	case IR_OP_abs: return !i->flags && is_int(i->type) && el_signed(i->type) ? emit_abs : NULL;
	case IR_OP_neg: return !i->flags && is_int(i->type) && el_signed(i->type) ? emit_neg : NULL;
	default: return NULL;
	}
}
