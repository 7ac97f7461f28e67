/*
 * elem_carry.c: extended-precision integer arithmetic: add.cc addc sub.cc subc
 * mad.cc madc. The carry flag is the adder's: a subtraction adds the
 * complement, and leaves it clear when it borrows.
 */
#include "backend/simd/gen/elem.h"

static bool reads_carry(const struct ir_insn *i)
{
	return i->op == IR_OP_addc || i->op == IR_OP_subc || i->op == IR_OP_madc;
}

/* x + y + carry in; NULL: none. */
static void sum(struct gen *g, struct gen_elem *e, val x, val y, val in)
{
	val s = x_add(g, x, y), out = x_ult(g, s, x);

	if (in) {
		val t = x_add(g, s, LLVMBuildZExt(g->b, in, LLVMTypeOf(s), ""));

		out = x_or(g, out, x_ult(g, t, s));
		s = t;
	}
	e->dst[0] = s;
	e->cc_out = out;
}

static void emit_add(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);

	sum(g, e, el_src(g, e, 0, bits), el_src(g, e, 1, bits), reads_carry(e->i) ? e->cc : NULL);
}

static void emit_sub(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	val a = el_src(g, e, 0, bits), b = el_src(g, e, 1, bits);

	if (reads_carry(e->i)) {
		sum(g, e, a, x_not(g, b), e->cc);
		return;
	}
	e->dst[0] = x_sub(g, a, b);
	e->cc_out = x_uge(g, a, b);
}

static void emit_mad(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned bits = el_bits(e);
	struct ir_insn mul = { .op = IR_OP_mul, .type = i->type, .mode = i->mode, .n_src = 2, .n_dst = 1 };
	struct gen_elem m = { .i = &mul, .lanes = e->lanes, .src = { e->src[0], e->src[1] } };

	elem_select_int(g, &mul)(g, &m);
	sum(g, e, m.dst[0], el_src(g, e, 2, bits), reads_carry(i) ? e->cc : NULL);
}

elem_fn elem_select_carry(const struct gen *g, const struct ir_insn *i)
{
	if (!el_only(i, IR_F_CC) || (!reads_carry(i) && !(i->flags & IR_F_CC)))
		return NULL;
	if (i->type != IR_T_U32 && i->type != IR_T_S32 && i->type != IR_T_U64 && i->type != IR_T_S64)
		return NULL;
	switch (i->op) {
	case IR_OP_add:
	case IR_OP_addc: return emit_add;
	case IR_OP_sub:
	case IR_OP_subc: return emit_sub;
	case IR_OP_mad:
	case IR_OP_madc: return i->mode == IR_MODE_LO || i->mode == IR_MODE_HI ? emit_mad : NULL;
	default: return NULL;
	}
}
