/* decode_tensor.c: decoding of instructions on matrices: their registers as rows, in the order that tensor.c takes them. */
#include "backend/interp/interp.h"

static unsigned parts(const struct ir_opnd *o)
{
	return o->kind == IR_OPND_VEC ? o->n_vec : 1;
}

static const struct ir_opnd *part(const struct ir_opnd *o, unsigned k)
{
	return o->kind == IR_OPND_VEC ? &o->vec[k] : o;
}

/* Appends the rows of an operand that must have n registers. */
static bool add_src(struct in_dec *d, const struct ir_opnd *o, unsigned n, uint32_t *rows, unsigned *at)
{
	if (parts(o) != n || *at + n > IN_MAX_COLL)
		return !in_refuse(d, "one of its operands has the wrong number of registers");
	for (unsigned k = 0; k < n; k++)
		rows[(*at)++] = in_src(d, part(o, k), IR_T_B32);
	return true;
}

static bool add_dst(struct in_dec *d, unsigned n, uint32_t *rows)
{
	const struct ir_opnd *o = &d->ir->dst[0];

	if (!n)
		return true;
	if (parts(o) != n || n > IN_MAX_COLL)
		return !in_refuse(d, "its result has the wrong number of registers");
	for (unsigned k = 0; k < n; k++)
		rows[IN_MAX_COLL + k] = in_dst(d, part(o, k));
	return true;
}

static bool mma_rows(struct in_dec *d, const struct in_tensor_op *t, uint32_t *rows)
{
	const struct ir_insn *ir = d->ir;
	unsigned n = 0;

	if (!add_src(d, &ir->src[0], t->regs.a, rows, &n) || !add_src(d, &ir->src[1], t->regs.b, rows, &n) ||
	    !add_src(d, &ir->src[2], t->regs.c, rows, &n))
		return false;
	for (unsigned k = 3; k < ir->n_src; k++)
		if (!add_src(d, &ir->src[k], parts(&ir->src[k]), rows, &n))
			return false;
	if (n != t->op.n_src)
		return !in_refuse(d, "it has too few or too many operands");
	return true;
}

/* The stride of wmma.load and wmma.store; left out, rows lie one behind the other. */
static void add_stride(struct in_dec *d, const struct in_tensor_op *t, unsigned src, uint32_t *rows, unsigned at)
{
	const struct ir_insn *ir = d->ir;

	rows[at] = ir->n_src > src ? in_src(d, &ir->src[src], IR_T_U32) : in_const(d, t->mem.row_bytes * 8u / t->mem.elem_bits);
}

static bool fill_rows(struct in_dec *d, const struct in_tensor_op *t, uint32_t *rows)
{
	const struct ir_insn *ir = d->ir;
	unsigned n = 0;

	if (!add_dst(d, t->op.n_dst, rows))
		return false;
	if (t->mma)
		return mma_rows(d, t, rows);
	switch (ir->op) {
	case IR_OP_movmatrix:
		return add_src(d, &ir->src[0], 1, rows, &n);
	case IR_OP_stmatrix:
		return add_src(d, &ir->src[1], t->op.n_src, rows, &n);
	case IR_OP_wmma:
		if (ir->mode == IR_MODE_STORE_D && !add_src(d, &ir->src[1], t->mem.n_regs, rows, &n))
			return false;
		add_stride(d, t, ir->mode == IR_MODE_STORE_D ? 2 : 1, rows, n);
		return true;
	}
	return true;
}

static void decode(struct in_dec *d)
{
	struct in_tensor_op *t = in_own(d->k, sizeof(*t));
	uint32_t *rows = in_own(d->k, 2 * IN_MAX_COLL * sizeof(*rows)), all = in_const(d, ALL_LANES);
	struct in_where w = { .a = IN_CONST_ROW };
	struct in_insn *i;

	if (!t || !rows) {
		d->nomem = true;
		return;
	}
	if (!in_tensor_select(d->ir, t)) {
		in_refuse(d, "it is not implemented");
		return;
	}
	if (t->mem.n_rows && !in_where(d, &d->ir->src[0], d->ir->space, &w))
		return;
	if (!fill_rows(d, t, rows))
		return;
	i = in_emit(d, in_run_coll);
	in_set_where(i, &w);
	i->coll = &t->op;
	i->vec = rows;
	i->c = all;
	i->sign = true;
}

bool in_decode_tensor(struct in_dec *d)
{
	switch (d->ir->op) {
	case IR_OP_mma:
	case IR_OP_wmma:
	case IR_OP_ldmatrix:
	case IR_OP_stmatrix:
	case IR_OP_movmatrix:
		decode(d);
		return true;
	}
	return false;
}
