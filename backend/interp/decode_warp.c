/* decode_warp.c: decoding of barriers and of what the lanes of a warp do together. */
#include "backend/interp/interp.h"

static bool is_cluster_barrier(const struct ir_insn *ir)
{
	return ir->op == IR_OP_barrier && ir->scope == IR_SCOPE_CLUSTER;
}

static void decode_bar(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	uint32_t a = in_src(d, &ir->src[0], IR_T_U32);
	uint32_t n = ir->n_src > 1 ? in_src(d, &ir->src[1], IR_T_U32) : in_const(d, 0);
	uint32_t p = ir->mode == IR_MODE_RED ? in_src(d, &ir->src[ir->n_src - 1], IR_T_PRED) : IN_CONST_ROW;
	struct in_insn *i;

	/* bar.red without a count may come with the predicate in the count's place. */
	if (ir->mode == IR_MODE_RED && ir->n_src == 2)
		n = in_const(d, 0);
	i = in_emit(d, in_run_bar);
	i->a = a;
	i->b = n;
	i->c = p;
	i->d = ir->mode == IR_MODE_RED ? in_dst(d, &ir->dst[0]) : d->f->scratch_row;
}

/* Which source is the member mask; -1: there is none, all lanes take part. */
static int members_of(const struct ir_insn *ir)
{
	switch (ir->op) {
	case IR_OP_shfl: return ir->flags & IR_F_SYNC ? 3 : -1;
	case IR_OP_vote:
	case IR_OP_match:
	case IR_OP_redux: return ir->flags & IR_F_SYNC ? 1 : -1;
	case IR_OP_elect:
	case IR_OP_bar:
	case IR_OP_barrier: return 0;
	}
	return -1;
}

/* Operands of a collective as rows: sources, then results from IN_MAX_COLL on. */
static bool fill_rows(struct in_dec *d, const struct in_coll_op *op, uint32_t *rows)
{
	const struct ir_insn *ir = d->ir;
	static const struct ir_opnd sink = { .kind = IR_OPND_SINK };

	for (unsigned k = 0; k < op->n_src; k++) {
		if (k < ir->n_src)
			rows[k] = in_src(d, &ir->src[k], IR_T_NONE);
		else
			return !in_refuse(d, "an operand is missing");
	}
	for (unsigned k = 0; k < op->n_dst; k++) {
		if (k == 1 && ir->n_dst < 2)
			rows[IN_MAX_COLL + k] = d->f->scratch_row + 1;
		else
			rows[IN_MAX_COLL + k] = k < ir->n_dst ? in_dst(d, &ir->dst[k]) : in_dst(d, &sink);
	}
	return true;
}

static void decode_coll(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	const struct in_coll_op *op = in_coll_select(ir);
	uint32_t *rows = in_own(d->k, 2 * IN_MAX_COLL * sizeof(*rows)), c;
	int members = members_of(ir);
	struct in_insn *i;

	if (!op) {
		in_refuse(d, "it is not implemented");
		return;
	}
	if (!rows) {
		d->nomem = true;
		return;
	}
	if (!fill_rows(d, op, rows))
		return;
	if (members >= 0 && members >= ir->n_src) {
		in_refuse(d, "its member mask is missing");
		return;
	}
	c = members >= 0 ? in_src(d, &ir->src[members], IR_T_B32) : in_const(d, ALL_LANES);
	i = in_emit(d, in_run_coll);
	i->coll = op;
	i->vec = rows;
	i->c = c;
	i->sign = members >= 0;
}

bool in_decode_warp(struct in_dec *d)
{
	switch (d->ir->op) {
	case IR_OP_bar:
	case IR_OP_barrier:
		if (is_cluster_barrier(d->ir))
			in_emit(d, in_run_bar_cluster);
		else if (d->ir->mode == IR_MODE_WARP)
			decode_coll(d);
		else
			decode_bar(d);
		return true;
	case IR_OP_shfl:
	case IR_OP_vote:
	case IR_OP_match:
	case IR_OP_redux:
	case IR_OP_elect:
	case IR_OP_activemask:
		decode_coll(d);
		return true;
	}
	return false;
}
