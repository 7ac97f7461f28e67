/*
 * ahead.c: loads of memory that the next blocks will read. In a loop with the
 * grid's size as its step
 *
 *	for (i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
 *
 * a block reads a piece of each of many pages, too short for the processor to
 * see where this leads; what lies behind the piece is for the next blocks,
 * which the same thread of the host runs soon. So a line of the next page is
 * asked for with each that is loaded.
 *
 * Registers that step by the grid: found by what they are computed from, in
 * any order of the instructions, since PTX's registers may be written twice.
 */
#include <stdlib.h>

#include "backend/simd/gen/mem.h"

/* A step below is for a grid that goes over the same pages again, so soon that nothing has to be asked for. */
#define STEP_MIN_B 65536
#define PAGE_B 4096

enum { SIZE = 1, STEPS = 2 };      /* a register has to do with the grid's size; it grows by that in a loop */

struct grid {
	const struct gen_func *f;
	uint8_t *reg;
	bool changed;
	uint8_t have;
};

static void see_use(void *arg, uint32_t r)
{
	struct grid *x = arg;

	x->have |= x->reg[r];
}

static void mark(void *arg, uint32_t r)
{
	struct grid *x = arg;

	if ((x->reg[r] | x->have) == x->reg[r])
		return;
	x->reg[r] |= x->have;
	x->changed = true;
}

static bool reads_size(const struct ir_insn *i)
{
	return i->op == IR_OP_mov && i->src[0].kind == IR_OPND_SREG && i->src[0].imm == IR_SREG_nctaid_x;
}

/* Sums, products and changes of width: what leads from an index to an address. */
static bool carries(const struct gen_insn *t)
{
	if (t->kind != GEN_I_IR)
		return t->kind == GEN_I_MOVE;
	switch (t->i->op) {
	case IR_OP_mov: case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_mad: case IR_OP_shl: case IR_OP_cvt: case IR_OP_cvta:
		return true;
	default:
		return false;
	}
}

/* r = r + step */
static bool is_increment(const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	if (t->kind != GEN_I_IR || i->op != IR_OP_add || i->dst[0].kind != IR_OPND_REG)
		return false;
	for (unsigned n = 0; n < 2; n++)
		if (i->src[n].kind == IR_OPND_REG && i->src[n].reg == i->dst[0].reg)
			return true;
	return false;
}

static void see(struct grid *x, const struct gen_block *b, const struct gen_insn *t)
{
	x->have = 0;
	if (t->kind == GEN_I_IR && reads_size(t->i))
		x->have = SIZE;
	if (carries(t))
		gen_uses(x->f, t, see_use, x);
	if (b->loop && (x->have & SIZE) && is_increment(t))
		x->have |= STEPS;
	if (x->have)
		gen_defs(x->f, t, mark, x);
}

int gen_find_steps(struct gen *g, struct gen_func *f)
{
	struct grid x = { .f = f, .reg = calloc(f->regs.n + 1, 1), .changed = true };

	if (!x.reg)
		return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	while (x.changed && f->loops.n) {
		x.changed = false;
		for (uint32_t k = 0; k < f->n_order; k++) {
			const struct gen_block *b = &f->blocks.v[f->order[k]];

			for (size_t n = 0; n < b->insns.n; n++)
				see(&x, b, &b->insns.v[n]);
		}
	}
	for (uint32_t r = 0; r < f->regs.n; r++)
		f->regs.v[r].grid_step = (x.reg[r] & STEPS) != 0;
	free(x.reg);
	return 0;
}

/* ---- code ---- */

static bool is_next_blocks(const struct acc *x)
{
	const struct gen_emit *e = x->e;
	const struct ir_opnd *o = &x->t->i->src[0];

	return e->world == 0 && e->f->blocks.v[e->block].loop && (x->t->i->space == IR_SPACE_GLOBAL || x->t->i->space == IR_SPACE_GENERIC) &&
	       o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG && e->f->regs.v[gen_reg_of(x->t->inst, o->reg)].grid_step;
}

/* Bytes that a round of the loop is away from the one before; 0 in place of few. */
static val distance(struct acc *x)
{
	struct gen *g = x->e->g;
	struct gen_val n, t;
	val step;

	gen_sreg(x->e, IR_SREG_nctaid_x, &n);
	gen_sreg(x->e, IR_SREG_ntid_x, &t);
	step = LLVMBuildMul(g->b, gen_cut(g, n.u, 64), LLVMBuildMul(g->b, gen_cut(g, t.u, 64), LLVMConstInt(g->i64, x->stride, 0), ""), "");
	return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntUGE, step, LLVMConstInt(g->i64, STEP_MIN_B, 0), ""),
			       LLVMConstInt(g->i64, PAGE_B, 0), LLVMConstInt(g->i64, 0, 0), "");
}

void mem_ask_ahead(struct acc *x, val base, unsigned bytes)
{
	struct gen *g = x->e->g;
	val from;

	if (!is_next_blocks(x))
		return;
	from = LLVMBuildAdd(g->b, base, distance(x), "");
	for (unsigned at = 0; at < bytes; at += 64) {
		/* for reading, to the second level of the cache, data */
		val args[] = { mem_to_ptr(g, mem_offset(g, from, at)), LLVMConstInt(g->i32, 0, 0), LLVMConstInt(g->i32, 2, 0),
			       LLVMConstInt(g->i32, 1, 0) };

		gen_intrinsic(g, "llvm.prefetch", &g->ptr, 1, args, 4);
	}
}
