/*
 * pass_copy_constants.c: a mov from a register that holds an immediate since
 * an earlier mov of its block becomes a mov of the immediate. nvcc makes the
 * zeros of many accumulators, and of a loop's counter beside them, copies of
 * one; then that counter hasn't to do with what a multiplication of matrices
 * writes into the accumulator later, whoever looks at registers as a whole.
 *
 * In: find_flow has run. Out: the same instructions, some of their operands
 * immediates.
 */
#include <stdlib.h>

#include "compiler/ir/ir.h"
#include "compiler/pass/pass.h"

struct held {
	uint32_t block;            /* 1 + block in which the register got it; 0: none */
	uint32_t size;             /* bytes of the type it was moved as */
	struct ir_opnd imm;
};

static void forget(struct held *h, const struct ir_opnd *o)
{
	if (o->kind == IR_OPND_REG)
		h[o->reg].block = 0;
	for (unsigned k = 0; o->kind == IR_OPND_VEC && k < o->n_vec; k++)
		forget(h, &o->vec[k]);
}

static bool is_plain_mov(const struct ir_insn *i)
{
	return i->op == IR_OP_mov && i->n_dst == 1 && i->n_src == 1 && i->dst[0].kind == IR_OPND_REG && !i->dst[0].sub && i->type != IR_T_PRED;
}

static void copy_in_block(struct ir_block *b, uint32_t n, struct held *h)
{
	for (uint32_t k = 0; k < b->n_insns; k++) {
		struct ir_insn *i = &b->insns[k];
		bool mov = is_plain_mov(i);
		const struct ir_opnd *s = &i->src[0];

		if (mov && s->kind == IR_OPND_REG && !s->neg && !s->sub && h[s->reg].block == n + 1 && h[s->reg].size == ir_type_size(i->type))
			i->src[0] = h[s->reg].imm;
		for (unsigned d = 0; d < i->n_dst; d++)
			forget(h, &i->dst[d]);
		for (uint32_t r = 0; i->call && r < i->call->n_rets; r++)
			forget(h, &i->call->rets[r]);
		if (mov && i->src[0].kind == IR_OPND_IMM && !i->guard)
			h[i->dst[0].reg] = (struct held){ n + 1, ir_type_size(i->type), i->src[0] };
	}
}

int pass_copy_constants(struct ir_module *m, struct vgpu_err *err)
{
	for (uint32_t k = 0; k < m->n_funcs; k++) {
		struct ir_func *f = &m->funcs[k];
		struct held *h;

		if (!f->defined || f->passed || !f->n_blocks)
			continue;
		h = calloc((size_t)f->n_regs + 1, sizeof(*h));
		if (!h)
			return vgpu_err_set(err, VGPU_E_NOMEM, "'%s': no memory to compile it", f->name);
		for (uint32_t n = 0; n < f->n_blocks; n++)
			copy_in_block(&f->blocks[n], n, h);
		free(h);
	}
	return 0;
}
