/*
 * bound.c: branches about a bound, as "i < n" where i is a pattern: whether
 * all lanes are inside or none is asked of the least and the greatest lane,
 * as scalars. Only gangs that lie across the bound compare lane by lane.
 *
 * Exact: sums have twice the width, and a lane whose value wraps counts as
 * across.
 */
#include "backend/simd/gen/emit.h"

/* Which way the comparison goes, for the operand that is a pattern. */
enum side { SIDE_NONE, SIDE_BELOW, SIDE_ABOVE };

struct bound {
	enum side side;
	bool or_equal, sign;
	unsigned pattern;                  /* the operand that is one */
};

static enum side side_of(unsigned cmp)
{
	switch (cmp) {
	case IR_CMP_LT: case IR_CMP_LE: case IR_CMP_LO: case IR_CMP_LS: return SIDE_BELOW;
	case IR_CMP_GT: case IR_CMP_GE: case IR_CMP_HI: case IR_CMP_HS: return SIDE_ABOVE;
	default: return SIDE_NONE;
	}
}

static bool find_bound(struct gen_emit *e, const struct gen_insn *t, struct bound *b)
{
	const struct ir_insn *i = t->i;
	unsigned bits = ir_type_bits(i->type);
	enum gen_shape s[2];

	b->sign = ir_type_class(i->type) == IR_TC_SINT;
	b->side = side_of(i->cmp);
	b->or_equal = i->cmp == IR_CMP_LE || i->cmp == IR_CMP_GE || i->cmp == IR_CMP_LS || i->cmp == IR_CMP_HS;
	if (b->side == SIDE_NONE || (!b->sign && ir_type_class(i->type) != IR_TC_UINT) || bits < 32)
		return false;
	for (unsigned n = 0; n < 2; n++)
		s[n] = gen_opnd_shape(e->g, e->f->shp[0], t, &i->src[n], bits).shape;
	if (s[0] == GEN_P && s[1] == GEN_U)
		b->pattern = 0;
	else if (s[0] == GEN_U && s[1] == GEN_P)
		b->pattern = 1;
	else
		return false;
	if (b->pattern)
		b->side = b->side == SIDE_BELOW ? SIDE_ABOVE : SIDE_BELOW;
	return true;
}

static void see_def(void *arg, uint32_t r)
{
	uint32_t *looked_for = arg;

	if (r == *looked_for)
		*looked_for = GEN_NONE;
}

static bool defines(const struct gen_func *f, const struct gen_insn *t, uint32_t r)
{
	gen_defs(f, t, see_def, &r);
	return r == GEN_NONE;
}

/* Do the operands still have their values at the block's end? */
static bool stays(const struct gen_func *f, const struct gen_block *k, size_t from)
{
	const struct gen_insn *t = &k->insns.v[from];

	for (size_t n = from + 1; n < k->insns.n; n++)
		for (unsigned s = 0; s < 2; s++)
			if (t->i->src[s].kind == IR_OPND_REG && defines(f, &k->insns.v[n], gen_reg_of(t->inst, t->i->src[s].reg)))
				return false;
	return true;
}

const struct gen_insn *gen_bound_of(struct gen_emit *e, uint32_t b)
{
	const struct gen_block *k = &e->f->blocks.v[b];
	size_t n = k->insns.n;
	const struct gen_insn *t;
	struct bound x;

	if (k->term != GEN_T_COND || e->f->shp[0][k->pred_reg].shape != GEN_V)
		return NULL;
	while (n && !defines(e->f, &k->insns.v[n - 1], k->pred_reg))
		n--;
	if (!n)
		return NULL;
	t = &k->insns.v[n - 1];
	if (t->kind != GEN_I_IR || t->i->op != IR_OP_setp || t->i->n_src != 2 || t->i->n_dst != 1 || t->i->guard || t->i->flags)
		return NULL;
	return find_bound(e, t, &x) && stays(e->f, k, n - 1) ? t : NULL;
}

bool gen_bound_is_all(const struct gen_emit *e, const struct gen_insn *t)
{
	const struct gen_reg *r = &e->f->regs.v[gen_reg_of(t->inst, t->i->dst[0].reg)];

	return r->n_defs == 1 && r->n_uses == 1;
}

/* ---- code ---- */

static val number(struct gen *g, val v, unsigned bits, bool sign)
{
	LLVMTypeRef t = LLVMIntTypeInContext(g->cx, 2 * bits);

	return sign ? LLVMBuildSExt(g->b, v, t, "") : LLVMBuildZExt(g->b, v, t, "");
}

static val constant(val like, int64_t c)
{
	return LLVMConstInt(LLVMTypeOf(like), (uint64_t)c, 1);
}

/* The least lane's value, or the greatest's, or something beyond. */
static val edge(struct gen *g, const struct gen_val *x, unsigned bits, bool sign, bool max)
{
	int64_t c = x->pat->c[0], lo = 0, hi = 0;
	val r = number(g, x->u, bits, sign), k, a, b;

	for (unsigned l = 0; l < g->W; l++) {
		c = max ? MAX(c, x->pat->c[l]) : MIN(c, x->pat->c[l]);
		lo = MIN(lo, x->pat->k[l]);
		hi = MAX(hi, x->pat->k[l]);
	}
	r = LLVMBuildAdd(g->b, r, constant(r, c), "");
	if (!x->pat->has_k)
		return r;
	k = number(g, x->k, bits, true);
	a = LLVMBuildMul(g->b, k, constant(k, lo), "");
	b = LLVMBuildMul(g->b, k, constant(k, hi), "");
	a = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, max ? LLVMIntSGT : LLVMIntSLT, a, b, ""), a, b, "");
	return LLVMBuildAdd(g->b, r, a, "");
}

/* No lane's value is beyond the type's greatest (least) number. */
static val in_type(struct gen *g, val v, unsigned bits, bool sign, bool max)
{
	unsigned n = sign ? bits - 1 : bits;
	val limit = LLVMBuildShl(g->b, constant(v, 1), constant(v, n), "");

	if (max)
		return LLVMBuildICmp(g->b, LLVMIntSLT, v, limit, "");
	return LLVMBuildICmp(g->b, LLVMIntSGE, v, sign ? LLVMBuildNeg(g->b, limit, "") : constant(v, 0), "");
}

/* All lanes are on that side of n. */
static val all_on(struct gen *g, enum side side, bool or_equal, val least, val greatest, val n, unsigned bits, bool sign)
{
	bool below = side == SIDE_BELOW;
	val near = below ? greatest : least, far = below ? least : greatest;
	LLVMIntPredicate p = below ? or_equal ? LLVMIntSLE : LLVMIntSLT : or_equal ? LLVMIntSGE : LLVMIntSGT;

	return LLVMBuildAnd(g->b, LLVMBuildICmp(g->b, p, near, n, ""), in_type(g, far, bits, sign, !below), "");
}

void gen_bound_ask(struct gen_emit *e, const struct gen_insn *t, val *all, val *none)
{
	struct gen *g = e->g;
	unsigned bits = ir_type_bits(t->i->type);
	struct gen_val p, u;
	struct bound b;
	val least, greatest, n;

	if (!find_bound(e, t, &b)) {
		e->failed = true;
		*all = *none = LLVMConstNull(g->i1);
		return;
	}
	gen_operand(e, t, &t->i->src[b.pattern], bits, false, &p);
	gen_operand(e, t, &t->i->src[!b.pattern], bits, false, &u);
	if (p.shape != GEN_P || u.shape != GEN_U) {
		*all = *none = LLVMConstNull(g->i1);
		return;
	}
	least = edge(g, &p, bits, b.sign, false);
	greatest = edge(g, &p, bits, b.sign, true);
	n = number(g, u.u, bits, b.sign);
	*all = all_on(g, b.side, b.or_equal, least, greatest, n, bits, b.sign);
	*none = all_on(g, b.side == SIDE_BELOW ? SIDE_ABOVE : SIDE_BELOW, !b.or_equal, least, greatest, n, bits, b.sign);
}
