/*
 * pass_find_reuse.c: finds entries in whose loops blocks of one column of the
 * grid read the same memory, and blocks of one row other memory: products of
 * matrices and what is like them. Whoever runs their blocks in panels instead
 * of whole rows finds both in the cache.
 *
 * What depends on %ctaid.x and what on %ctaid.y, by data alone: registers take
 * over from what they are made of, in any order of the instructions. A loop is
 * what lies between the target of a branch back and the branch.
 *
 * In: find_flow and find_spins have run. Out: ir_func.reuse_xy. Never for
 * what may wait for other blocks, which are expected to start in order.
 */
#include <stdlib.h>

#include "compiler/ir/ir.h"
#include "compiler/pass/pass.h"

enum { ON_X = 1, ON_Y = 2 };

struct deps {
	const struct ir_func *f;
	uint8_t *reg;              /* ON_…, by register */
	bool changed;
};

static uint8_t of_operand(const struct deps *x, const struct ir_opnd *o)
{
	uint8_t on = 0;

	switch (o->kind) {
	case IR_OPND_REG:
		return x->reg[o->reg];
	case IR_OPND_SREG:
		return o->imm == IR_SREG_ctaid_x ? ON_X : o->imm == IR_SREG_ctaid_y ? ON_Y : 0;
	case IR_OPND_MEM:
		on = o->mem_base == IR_BASE_REG ? x->reg[o->reg] : 0;
		/* fallthrough */
	case IR_OPND_VEC:
		for (unsigned k = 0; k < o->n_vec; k++)
			on |= of_operand(x, &o->vec[k]);
		return on;
	default:
		return 0;
	}
}

static void to_operand(struct deps *x, const struct ir_opnd *o, uint8_t on)
{
	if (o->kind == IR_OPND_REG && (x->reg[o->reg] | on) != x->reg[o->reg]) {
		x->reg[o->reg] |= on;
		x->changed = true;
	}
	for (unsigned k = 0; o->kind == IR_OPND_VEC && k < o->n_vec; k++)
		to_operand(x, &o->vec[k], on);
}

static void see(struct deps *x, const struct ir_insn *i)
{
	uint8_t on = 0;

	for (unsigned k = 0; k < i->n_src; k++)
		on |= of_operand(x, &i->src[k]);
	for (unsigned k = 0; on && k < i->n_dst; k++)
		to_operand(x, &i->dst[k], on);
}

static void follow(struct deps *x)
{
	const struct ir_func *f = x->f;

	do {
		x->changed = false;
		for (uint32_t n = 0; n < f->n_blocks; n++)
			for (uint32_t k = 0; k < f->blocks[n].n_insns; k++)
				see(x, &f->blocks[n].insns[k]);
	} while (x->changed);
}

/* Where an instruction reads memory that all blocks see; NULL: it doesn't. */
static const struct ir_opnd *reads(const struct ir_insn *i)
{
	if (i->op == IR_OP_ld && (i->space == IR_SPACE_GLOBAL || i->space == IR_SPACE_GENERIC))
		return &i->src[0];
	return i->op == IR_OP_cp && i->n_src > 1 && i->src[1].kind == IR_OPND_MEM ? &i->src[1] : NULL;
}

/* Bit 1 << ON_X: by %ctaid.x alone, 1 << ON_Y: by %ctaid.y alone. */
static unsigned reads_of(const struct deps *x, const struct ir_block *b)
{
	unsigned how = 0;

	for (uint32_t k = 0; k < b->n_insns; k++) {
		const struct ir_opnd *from = reads(&b->insns[k]);

		if (from)
			how |= 1u << of_operand(x, from);
	}
	return how;
}

/* The last block that leads back to b or before it; b itself at least. */
static uint32_t loop_end(const struct ir_func *f, uint32_t b)
{
	uint32_t end = 0;

	for (uint32_t n = f->n_blocks; n-- > b && !end;)
		for (uint32_t k = 0; k < f->blocks[n].n_succ; k++)
			if (f->blocks[n].succ[k] == b)
				end = n + 1;
	return end;
}

static bool reuses(const struct deps *x)
{
	const unsigned both = 1u << ON_X | 1u << ON_Y;

	for (uint32_t b = 0; b < x->f->n_blocks; b++) {
		unsigned how = 0;

		for (uint32_t n = b, end = loop_end(x->f, b); n < end; n++)
			how |= reads_of(x, &x->f->blocks[n]);
		if ((how & both) == both)
			return true;
	}
	return false;
}

int pass_find_reuse(struct ir_module *m, struct vgpu_err *err)
{
	for (uint32_t i = 0; i < m->n_funcs; i++) {
		struct ir_func *f = &m->funcs[i];
		struct deps x = { .f = f };

		if (!f->is_entry || !f->defined || f->passed || f->spins || f->has_indirect_call || !f->n_blocks)
			continue;
		x.reg = calloc(f->n_regs + 1, 1);
		if (!x.reg)
			return vgpu_err_set(err, VGPU_E_NOMEM, "registers of '%s'", f->name);
		follow(&x);
		f->reuse_xy = reuses(&x);
		free(x.reg);
	}
	return 0;
}
