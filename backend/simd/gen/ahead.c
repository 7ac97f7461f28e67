/*
 * ahead.c: loads of memory that will be needed, where the processor can't see
 * it coming, because each round of a loop goes far from the one before.
 *
 * In a loop with the grid's size as its step
 *
 *	for (i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
 *
 * a block reads a piece of each of many pages; what lies behind the piece is
 * for the next block, which the same thread of the host runs soon. So a line
 * of the next piece is asked for with each that is loaded. In long rounds it
 * is lines of rounds to come instead: pieces whose distance is a power of two
 * have few places in the caches, and are gone when the next block comes.
 *
 * In a loop that goes down a column by a step that isn't known before, the
 * line is asked for that is as far from this one as several rounds lead. Where
 * other blocks read the same column (ir_func.reuse_xy), so that it comes out of
 * a cache: between the arithmetic of a long round (ask.c), else into the second
 * level, and only if the block is one gang.
 *
 * Which registers step how: by what they are computed from, in any order of
 * the instructions, since PTX's registers may be written twice.
 */
#include <stdlib.h>

#include "backend/simd/gen/mem.h"

/* A grid's step below is for one that goes over the same pages again, so soon that nothing has to be asked for. */
#define STEP_MIN_B 65536
/* Vector instructions between asking and loading, and the most rounds of a loop that this may be. */
#define AHEAD_INSNS 1024
#define AHEAD_ROUNDS 16
/* An atomic takes so many for each lane. */
#define ATOM_INSNS 3
/* Rounds that the processor doesn't see the end of while it waits for their beginning. */
#define LONG_INSNS 256

enum {
	SIZE = 1,                  /* has to do with the grid's size */
	GRID = 2,                  /* grows by that in a loop */
	CARRIED = 4,               /* from round to round of a loop */
	ADDED = 8,                 /* … and a register that stays the same was added */
	FAR = 16,                  /* grows by that */
};

struct steps {
	const struct gen_func *f;
	uint8_t *reg;
	uint8_t *in_loop;          /* is written in a loop */
	uint8_t *phi;              /* … and read in its next round */
	uint8_t have;              /* of an instruction's operands */
	bool fixed;                /* one of them stays the same */
	bool changed;
};

static void see_use(void *arg, uint32_t r)
{
	struct steps *x = arg;

	x->have |= x->reg[r];
	x->fixed |= !x->in_loop[r];
}

static void see_def(void *arg, uint32_t r)
{
	struct steps *x = arg;
	uint8_t bits = x->have;

	if (x->phi[r]) {
		bits |= bits & ADDED ? FAR : 0;
		/* what leads from here to here is told from what leads elsewhere */
		bits = (uint8_t)((bits & ~ADDED) | CARRIED);
	}
	if ((x->reg[r] | bits) == x->reg[r])
		return;
	x->reg[r] |= bits;
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

static void see(struct steps *x, const struct gen_block *b, const struct gen_insn *t)
{
	bool add = t->kind == GEN_I_IR && (t->i->op == IR_OP_add || t->i->op == IR_OP_sub);
	bool mul = t->kind == GEN_I_IR && (t->i->op == IR_OP_mul || t->i->op == IR_OP_mad) && t->i->src[0].kind == IR_OPND_REG &&
		   t->i->src[1].kind == IR_OPND_REG;

	x->have = 0;
	x->fixed = false;
	if (t->kind == GEN_I_IR && reads_size(t->i))
		x->have = SIZE;
	if (carries(t))
		gen_uses(x->f, t, see_use, x);
	if (b->loop && add && (x->have & CARRIED)) {
		x->have |= x->have & SIZE ? GRID : 0;
		x->have |= x->fixed ? ADDED : 0;
	}
	if (b->loop && mul && (x->have & CARRIED) && x->fixed)
		x->have |= FAR;
	gen_defs(x->f, t, see_def, x);
}

static void see_written(void *arg, uint32_t r)
{
	((uint8_t *)arg)[r] = 1;
}

static void find_carried(struct steps *x)
{
	const struct gen_func *f = x->f;

	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		for (size_t n = 0; b->loop && n < b->insns.n; n++)
			gen_defs(f, &b->insns.v[n], see_written, x->in_loop);
	}
	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		for (uint32_t r = 0; b->loop && b->loop->header == f->order[k] && r < f->regs.n; r++)
			x->phi[r] |= x->in_loop[r] && gen_in(b->live_in, r);
	}
}

static void look(struct steps *x)
{
	const struct gen_func *f = x->f;

	do {
		x->changed = false;
		for (uint32_t k = 0; k < f->n_order; k++) {
			const struct gen_block *b = &f->blocks.v[f->order[k]];

			for (size_t n = 0; n < b->insns.n; n++)
				see(x, b, &b->insns.v[n]);
		}
	} while (x->changed);
}

int gen_find_steps(struct gen *g, struct gen_func *f)
{
	uint8_t *mem = calloc(f->regs.n + 1, 3);
	struct steps x = { .f = f, .reg = mem, .in_loop = mem + f->regs.n, .phi = mem + 2 * (size_t)f->regs.n };

	if (!mem)
		return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	if (f->loops.n) {
		find_carried(&x);
		look(&x);
	}
	for (uint32_t r = 0; r < f->regs.n; r++)
		f->regs.v[r].step = x.reg[r] & GRID ? GEN_STEP_GRID : x.reg[r] & FAR ? GEN_STEP_FAR : GEN_STEP_NEAR;
	free(mem);
	return 0;
}

/* ---- code ---- */

/* Of patterns only: what is worked out for one group holds for all, and other groups' loads are in blocks that it needn't dominate. */
static enum gen_step step_of(const struct acc *x)
{
	const struct gen_emit *e = x->e;
	const struct ir_opnd *o = &x->t->i->src[0];

	if (e->world || x->a.s.shape != GEN_P || !e->f->blocks.v[e->block].loop || o->kind != IR_OPND_MEM || o->mem_base != IR_BASE_REG ||
	    (x->t->i->space != IR_SPACE_GLOBAL && x->t->i->space != IR_SPACE_GENERIC))
		return GEN_STEP_NEAR;
	return (enum gen_step)e->f->regs.v[gen_reg_of(x->t->inst, o->reg)].step;
}

/* What a block reads in a round, when the grid's step is large. */
static val to_next_block(struct acc *x)
{
	struct gen *g = x->e->g;
	struct gen_val n, t;
	val piece, step;

	gen_sreg(x->e, IR_SREG_nctaid_x, &n);
	gen_sreg(x->e, IR_SREG_ntid_x, &t);
	piece = LLVMBuildMul(g->b, gen_cut(g, t.u, 64), LLVMConstInt(g->i64, x->stride, 0), "");
	step = LLVMBuildMul(g->b, gen_cut(g, n.u, 64), piece, "");
	return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntUGE, step, LLVMConstInt(g->i64, STEP_MIN_B, 0), ""), piece,
			       LLVMConstInt(g->i64, 0, 0), "");
}

/* Vector instructions of a round of the innermost loop, about. */
static unsigned work(const struct gen_emit *e)
{
	const struct gen_loop *l = e->f->blocks.v[e->block].loop;
	unsigned sum = 0;

	for (uint32_t k = 0; k < e->f->n_order; k++) {
		const struct gen_block *b = &e->f->blocks.v[e->f->order[k]];

		for (size_t n = 0; gen_in(l->blocks, e->f->order[k]) && n < b->insns.n; n++) {
			const struct gen_insn *t = &b->insns.v[n];

			sum += t->kind == GEN_I_IR && (t->i->op == IR_OP_atom || t->i->op == IR_OP_red) ? ATOM_INSNS * e->g->W : e->g->NG;
		}
	}
	return sum;
}

/* Rounds that are enough of a lead; a power of two. */
static unsigned rounds(const struct gen_emit *e)
{
	unsigned n = 1, one = work(e);

	while (n < AHEAD_ROUNDS && 2 * n * one <= AHEAD_INSNS)
		n *= 2;
	return n;
}

/* A number that is 0 when the gang's turn begins. */
val mem_remembered(struct gen_emit *e)
{
	LLVMBasicBlockRef here = LLVMGetInsertBlock(e->g->b);
	val a = gen_alloca(e, e->g->i64);

	LLVMPositionBuilderBefore(e->g->b, LLVMGetBasicBlockTerminator(e->turn ? e->turn : e->entry));
	LLVMBuildStore(e->g->b, LLVMConstInt(e->g->i64, 0, 0), a);
	LLVMPositionBuilderAtEnd(e->g->b, here);
	return a;
}

/* As far as the address has come since the last round, several times; nowhere in the first one. */
static val to_next_rounds(struct acc *x, unsigned n)
{
	struct gen *g = x->e->g;
	val mem = mem_remembered(x->e), last = LLVMBuildLoad2(g->b, g->i64, mem, ""), step;

	LLVMBuildStore(g->b, x->a.u, mem);
	step = LLVMBuildMul(g->b, LLVMBuildSub(g->b, x->a.u, last, ""), LLVMConstInt(g->i64, n, 0), "");
	return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, last, LLVMConstInt(g->i64, 0, 0), ""), LLVMConstInt(g->i64, 0, 0), step, "");
}

/* Has its line been asked for already? Groups narrower than a line share one. */
static bool is_known(struct acc *x, val base, int64_t min)
{
	for (unsigned n = 0; n < x->n_asked; n++)
		if (x->asked[n].base == base && min >= x->asked[n].min && min < x->asked[n].min + 64)
			return true;
	if (x->n_asked < ARRAY_SIZE(x->asked))
		x->asked[x->n_asked++] = (struct asked){ base, min };
	return false;
}

static bool is_one_gang(const struct gen_emit *e)
{
	const uint32_t *block = e->f->block;

	return block[0] * block[1] * block[2] == e->g->W;
}

/* Once for each load: how far ahead, and into which level of the caches. ahead stays NULL where nothing is asked for here. */
static void find_lead(struct acc *x)
{
	enum gen_step step = step_of(x);
	unsigned n = step == GEN_STEP_NEAR ? 0 : rounds(x->e);

	x->decided = true;
	x->level = 3;
	if (step == GEN_STEP_FAR && x->e->g->entry->reuse_xy) {
		if (n == 1) {
			mem_ask_later(x, to_next_rounds(x, n));
		} else if (is_one_gang(x->e)) {
			/* the first level has no room for it; if there are more gangs, what this one has read is there for them */
			x->level = 2;
			x->ahead = to_next_rounds(x, 2 * n);
		}
	} else if (step == GEN_STEP_FAR) {
		x->ahead = to_next_rounds(x, n);
	} else if (step == GEN_STEP_GRID && work(x->e) >= LONG_INSNS) {
		x->ahead = to_next_rounds(x, 2 * n);  /* nobody has read it before: from memory */
	} else if (step == GEN_STEP_GRID) {
		x->level = 2;
		x->ahead = to_next_block(x);
	}
}

void mem_ask_ahead(struct acc *x, val base, int64_t min, unsigned bytes)
{
	struct gen *g = x->e->g;
	val from;

	if (!x->decided)
		find_lead(x);
	if (!x->ahead || is_known(x, base, min))
		return;
	from = LLVMBuildAdd(g->b, base, x->ahead, "");
	for (unsigned at = 0; at < bytes; at += 64)
		mem_prefetch(g, mem_offset(g, from, min + at), x->level);
}
