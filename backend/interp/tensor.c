/*
 * tensor.c: instructions on matrices: mma, wmma, ldmatrix, stmatrix,
 * movmatrix. What they compute is backend/tensor.h's; here are their rows and
 * their addresses. All lanes of a warp must be there.
 */
#include "backend/interp/interp.h"

static const struct in_tensor_op *op_of(const struct in_coll *c)
{
	return (const struct in_tensor_op *)(const void *)c->i->coll;
}

static int check_warp(struct in_coll *c)
{
	if (c->part == ALL_LANES)
		return 0;
	return in_fault(c->w, c->i, (uint32_t)__builtin_ctz(c->part), VGPU_E_ILLEGAL_INSTRUCTION, 0, "a matrix instruction by an incomplete warp");
}

/* Sources: registers of A, B and C, then metadata and selector, then what says where scales are. */
static int op_mma(struct in_coll *c)
{
	const struct in_tensor_op *t = op_of(c);
	struct mma_args x = { .insn = c->i->ir };
	unsigned n = 0;

	if (check_warp(c))
		return IN_FAULT;
	for (unsigned k = 0; k < t->regs.d; k++)
		x.d[k] = c->dst[k];
	for (unsigned k = 0; k < t->regs.a; k++)
		x.a[k] = c->src[n++];
	for (unsigned k = 0; k < t->regs.b; k++)
		x.b[k] = c->src[n++];
	for (unsigned k = 0; k < t->regs.c; k++)
		x.c[k] = c->src[n++];
	if (c->i->ir->flags & IR_F_SPARSE) {
		x.meta = c->src[n++];
		x.sel = c->src[n++];
	}
	for (unsigned k = 0; k < 6 && n < t->op.n_src; k++)
		x.scale[k] = c->src[n++];
	t->mma(&x);
	return 0;
}

/* Lanes 0…n_rows-1 hold the rows' addresses. */
static int rows_by_lane(struct in_coll *c, bool write, uint8_t *p[WARP])
{
	const struct tensor_mem *m = &op_of(c)->mem;
	uint32_t lanes = m->n_rows == WARP ? ALL_LANES : (1u << m->n_rows) - 1;

	return check_warp(c) ? IN_FAULT : in_resolve(c->w, c->i, lanes, m->row_bytes, write, p);
}

static int op_ldmatrix(struct in_coll *c)
{
	uint8_t *p[WARP];

	if (rows_by_lane(c, false, p))
		return IN_FAULT;
	ldmatrix_load(c->i->ir, (const uint8_t *const *)p, c->dst);
	return 0;
}

static int op_stmatrix(struct in_coll *c)
{
	uint8_t *p[WARP];

	if (rows_by_lane(c, true, p))
		return IN_FAULT;
	c->w->stored = true;
	stmatrix_store(c->i->ir, p, c->src);
	return 0;
}

static int op_movmatrix(struct in_coll *c)
{
	if (check_warp(c))
		return IN_FAULT;
	movmatrix_run(c->dst[0], c->src[0]);
	return 0;
}

/* Rows a stride apart from the address that all lanes have. */
static int rows_by_stride(struct in_coll *c, const uint64_t *stride, bool write, uint8_t *p[WARP])
{
	const struct tensor_mem *m = &op_of(c)->mem;
	const uint64_t base = in_addr(c->w, c->i, 0), step = (uint32_t)stride[0] * (uint64_t)m->elem_bits / 8;

	if (check_warp(c))
		return IN_FAULT;
	for (uint32_t l = 1; l < WARP; l++)
		if (in_addr(c->w, c->i, l) != base || (uint32_t)stride[l] != (uint32_t)stride[0])
			return in_fault(c->w, c->i, l, VGPU_E_ILLEGAL_INSTRUCTION, 0, "wmma: lanes with different addresses or strides");
	for (unsigned r = 0; r < m->n_rows; r++) {
		p[r] = in_resolve_at(c->w, c->i, 0, base + r * step, m->row_bytes, m->align, write);
		if (!p[r])
			return IN_FAULT;
	}
	return 0;
}

static int op_wmma_load(struct in_coll *c)
{
	uint8_t *p[WARP];

	if (rows_by_stride(c, c->src[0], false, p))
		return IN_FAULT;
	wmma_load(c->i->ir, (const uint8_t *const *)p, c->dst);
	return 0;
}

static int op_wmma_store(struct in_coll *c)
{
	uint8_t *p[WARP];

	if (rows_by_stride(c, c->src[op_of(c)->mem.n_regs], true, p))
		return IN_FAULT;
	c->w->stored = true;
	wmma_store(c->i->ir, p, c->src);
	return 0;
}

static bool select_mma(const struct ir_insn *i, struct in_tensor_op *t)
{
	t->mma = mma_select(i);
	t->regs = mma_regs(i);
	t->op.run = op_mma;
	t->op.n_dst = t->regs.d;
	t->op.n_src = (uint8_t)(t->regs.a + t->regs.b + t->regs.c + (i->flags & IR_F_SPARSE ? 2 : 0) +
				((i->extra & IR_MMA_KIND) > IR_MMA_F8F6F4 ? 6 : 0));
	return t->mma != NULL;
}

static bool select_mem(struct tensor_mem mem, struct in_tensor_op *t, int (*run)(struct in_coll *), bool store, bool stride)
{
	t->mem = mem;
	t->op.run = run;
	t->op.n_dst = store ? 0 : mem.n_regs;
	t->op.n_src = (uint8_t)((store ? mem.n_regs : 0) + stride);
	return mem.n_regs != 0;
}

bool in_tensor_select(const struct ir_insn *i, struct in_tensor_op *t)
{
	t->op.same_insn = true;
	switch (i->op) {
	case IR_OP_mma:
		return select_mma(i, t);
	case IR_OP_ldmatrix:
		return select_mem(ldmatrix_mem(i), t, op_ldmatrix, false, false);
	case IR_OP_stmatrix:
		return select_mem(ldmatrix_mem(i), t, op_stmatrix, true, false);
	case IR_OP_movmatrix:
		t->op = (struct in_coll_op){ op_movmatrix, 1, 1, true };
		return true;
	case IR_OP_wmma:
		if (i->mode == IR_MODE_MMA)
			return select_mma(i, t);
		return select_mem(wmma_mem(i), t, i->mode == IR_MODE_STORE_D ? op_wmma_store : op_wmma_load, i->mode == IR_MODE_STORE_D, true);
	}
	return false;
}
