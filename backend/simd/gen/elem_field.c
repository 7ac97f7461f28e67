/* elem_field.c: bit fields: bfe bfi bmsk szext fns. Positions and lengths may be out of range. */
#include "backend/simd/gen/elem.h"

/* The low n bits set; all of them from the width on. */
static val low_mask(struct gen *g, val n)
{
	return x_not(g, el_shl(g, x_k(g, n, UINT64_MAX), n));
}

/* A position or length, in the operation's width: the low byte of it in 32 bits, all of it in 64. */
static val field_arg(struct gen *g, struct gen_elem *e, unsigned n, unsigned bits)
{
	val v = el_src(g, e, n, 32);

	return bits == 32 ? x_andk(g, v, 0xff) : gen_cut(g, x_umin(g, v, x_k(g, v, 255)), 64);
}

static void emit_bfe(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	val a = el_src(g, e, 0, bits), pos = field_arg(g, e, 1, bits), len = field_arg(g, e, 2, bits);
	val width = x_k(g, a, bits), end, have, r;

	if (!el_signed(e->i->type)) {
		e->dst[0] = x_and(g, el_lshr(g, a, pos), low_mask(g, len));
		return;
	}
	/* the field's end to the top, and back; what lies above the register is its sign */
	end = x_umin(g, x_add(g, pos, len), width);
	have = x_smax(g, x_sub(g, end, pos), x_k(g, a, 0));
	r = el_ashr(g, el_shl(g, a, x_sub(g, width, end)), x_sub(g, width, have));
	e->dst[0] = x_sel(g, x_eq(g, len, x_k(g, len, 0)), x_k(g, a, 0), r);
}

static void emit_bfi(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	val a = el_src(g, e, 0, bits), b = el_src(g, e, 1, bits);
	val pos = field_arg(g, e, 2, bits), len = field_arg(g, e, 3, bits), field = el_shl(g, low_mask(g, len), pos);

	e->dst[0] = x_or(g, x_and(g, b, x_not(g, field)), x_and(g, el_shl(g, a, pos), field));
}

static void emit_bmsk(struct gen *g, struct gen_elem *e)
{
	val a = el_src(g, e, 0, 32), b = el_src(g, e, 1, 32);

	if (e->i->flags & IR_F_WRAP) {
		a = x_andk(g, a, 31);
		b = x_andk(g, b, 31);
	}
	e->dst[0] = el_shl(g, low_mask(g, b), a);
}

static void emit_szext(struct gen *g, struct gen_elem *e)
{
	val a = el_src(g, e, 0, 32), n = el_src(g, e, 1, 32), up;

	n = e->i->flags & IR_F_WRAP ? x_andk(g, n, 31) : x_umin(g, n, x_k(g, n, 32));
	if (!el_signed(e->i->type)) {
		e->dst[0] = x_and(g, a, low_mask(g, n));
		return;
	}
	up = x_sub(g, x_k(g, n, 32), n);
	e->dst[0] = el_ashr(g, el_shl(g, a, up), up);
}

/* Position of the n-th set bit, n from 1 on: by halves, whose bits are counted. Wrong where there are fewer. */
static val nth_bit(struct gen *g, val m, val n)
{
	val pos = x_k(g, m, 0);

	for (unsigned w = 16; w; w /= 2) {
		val low = x_andk(g, m, (UINT64_C(1) << w) - 1), count = gen_intrinsic1(g, "llvm.ctpop", low);
		val above = x_ugt(g, n, count);

		n = x_sel(g, above, x_sub(g, n, count), n);
		m = x_sel(g, above, x_lshrk(g, m, w), low);
		pos = x_sel(g, above, x_addk(g, pos, w), pos);
	}
	return pos;
}

/* Downwards is upwards in the mirror. An offset of 0 asks for the base itself. */
static void emit_fns(struct gen *g, struct gen_elem *e)
{
	val mask = el_src(g, e, 0, 32), base = el_src(g, e, 1, 32), offset = el_src(g, e, 2, 32);
	val zero = x_k(g, mask, 0), none = x_k(g, mask, UINT32_MAX), down = x_slt(g, offset, zero);
	val m = x_sel(g, down, gen_intrinsic1(g, "llvm.bitreverse", mask), mask);
	val from = x_sel(g, down, x_sub(g, x_k(g, base, 31), base), base);
	val n = x_sel(g, down, x_neg(g, offset), offset), pos, r, self, is_zero = x_eq(g, offset, zero);

	self = x_ne(g, x_andk(g, el_lshr(g, mask, base), 1), zero);
	m = x_and(g, m, el_shl(g, none, from));
	pos = nth_bit(g, m, n);
	r = x_sel(g, down, x_sub(g, x_k(g, pos, 31), pos), pos);
	r = x_sel(g, x_ugt(g, n, gen_intrinsic1(g, "llvm.ctpop", m)), none, r);
	r = x_sel(g, is_zero, x_sel(g, self, base, none), r);
	r = x_sel(g, x_ugt(g, base, x_k(g, base, 31)), none, r);
	e->dst[0] = x_sel(g, x_eq(g, offset, x_k(g, offset, 0x80000000u)), zero, r);
}

elem_fn elem_select_field(const struct gen *g, const struct ir_insn *i)
{
	bool wrap_or_clamp = i->flags == IR_F_WRAP || i->flags == IR_F_CLAMP;

	switch (i->op) {
	case IR_OP_bfe:
		return !i->flags && (i->type == IR_T_U32 || i->type == IR_T_S32 || i->type == IR_T_U64 || i->type == IR_T_S64) ?
		       emit_bfe : NULL;
	case IR_OP_bfi:
		return !i->flags && (i->type == IR_T_B32 || i->type == IR_T_B64) ? emit_bfi : NULL;
	case IR_OP_bmsk:
		return wrap_or_clamp && i->type == IR_T_B32 ? emit_bmsk : NULL;
	case IR_OP_szext:
		return wrap_or_clamp && (i->type == IR_T_U32 || i->type == IR_T_S32) ? emit_szext : NULL;
	case IR_OP_fns:
		return !i->flags && i->type == IR_T_B32 ? emit_fns : NULL;
	default:
		return NULL;
	}
}
