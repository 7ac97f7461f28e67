/*
 * local.c: how a kernel's local memory is laid out. Interleaved (mem_local.c),
 * what lanes have at the same offset lies side by side, by granules of 4 or 8
 * bytes; else each thread's lies in one piece, as the interpreter has it.
 *
 * Interleaved where every access is known for one of local memory. Those by
 * offset are. A generic address of a local variable must not get out: it is
 * kept as an offset, so that nothing may be made of it but other such
 * addresses, by moves and sums, and accesses.
 *
 * In: gen_flow has run. Out: gen_func.granule (0: not interleaved) and
 * gen_reg.local. Both halves of a kernel's code come to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/mem.h"

/* Offsets of all of a gang's local memory are 31 bits wide. */
#define MEMORY_MAX ((uint64_t)1 << 30)
#define DEEP 3                     /* loops within loops from which on accesses count no more */

struct find {
	struct gen_func *f;
	unsigned used;             /* addresses among an instruction's operands */
	bool changed, out;         /* out: one gets where nothing is known of it */
};

static bool is_address(const struct find *x, const struct gen_insn *t, const struct ir_opnd *o)
{
	return o->kind == IR_OPND_REG && x->f->regs.v[gen_reg_of(t->inst, o->reg)].local;
}

static void add(struct find *x, uint32_t r)
{
	x->changed |= !x->f->regs.v[r].local;
	x->f->regs.v[r].local = true;
}

/* ---- what makes addresses of addresses ---- */

static bool is_cvta(const struct gen_insn *t, bool to)
{
	return t->kind == GEN_I_IR && t->i->op == IR_OP_cvta && t->i->space == IR_SPACE_LOCAL && !(t->i->flags & IR_F_TO) == !to;
}

/* Operands whose number is in the answer may be addresses, of which the result is one. */
static unsigned passes_on(const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	if (t->kind != GEN_I_IR || i->n_dst != 1 || i->dst[0].kind != IR_OPND_REG || i->dst[0].sub || i->flags)
		return 0;
	if (i->op == IR_OP_mad && i->type != IR_T_F64)
		return i->mode == IR_MODE_WIDE ? (ir_type_bits(i->type) == 32 ? 4 : 0) : i->mode == IR_MODE_LO && ir_type_bits(i->type) == 64 ? 4 : 0;
	if (ir_type_bits(i->type) != 64 || ir_type_class(i->type) == IR_TC_FLOAT)
		return 0;
	switch (i->op) {
	case IR_OP_mov: case IR_OP_sub: return 1;
	case IR_OP_add: case IR_OP_selp: return 3;
	default: return 0;
	}
}

/* Of the operands that may be addresses: those that are. */
static unsigned addresses(const struct find *x, const struct gen_insn *t)
{
	unsigned may = passes_on(t), are = 0;

	for (unsigned n = 0; may >> n; n++)
		if (may >> n & 1 && !t->i->src[n].neg && !t->i->src[n].sub && is_address(x, t, &t->i->src[n]))
			are |= 1u << n;
	return are;
}

/* Is the result an address as long as those operands are? */
static bool makes_address(const struct find *x, const struct gen_insn *t)
{
	unsigned are = addresses(x, t);

	return t->i->op == IR_OP_selp ? are == 3 : are && !(are & (are - 1));
}

/* Element k that a load or a store of a .param variable in registers passes on: its register there; GEN_NONE: none. */
static uint32_t slot_of(const struct find *x, const struct gen_insn *t, unsigned k)
{
	const struct ir_opnd *o = &t->i->src[0];
	unsigned size = ir_type_size(t->i->type);

	if (t->kind != GEN_I_IR || (t->i->op != IR_OP_ld && t->i->op != IR_OP_st) || o->kind != IR_OPND_MEM || o->mem_base != IR_BASE_SYM ||
	    !o->sym_local || size != 8)
		return GEN_NONE;
	return gen_slot_of(x->f, t->inst, o->sym, (uint64_t)o->off + k * size, size);
}

static const struct ir_opnd *element(const struct gen_insn *t, unsigned k)
{
	const struct ir_opnd *o = t->i->op == IR_OP_ld ? &t->i->dst[0] : &t->i->src[1];

	return o->kind == IR_OPND_VEC ? &o->vec[k] : o;
}

/* Registers that get an address here, of those that are known for one so far. */
static void pass_on(struct find *x, const struct gen_insn *t)
{
	if (t->kind == GEN_I_MOVE && t->src != GEN_NONE && x->f->regs.v[t->src].local)
		add(x, t->dst);
	if (t->kind != GEN_I_IR)
		return;
	if ((is_cvta(t, false) && t->i->dst[0].kind == IR_OPND_REG) || addresses(x, t))
		add(x, gen_reg_of(t->inst, t->i->dst[0].reg));
	for (unsigned k = 0; k < MAX(t->i->vec, 1u); k++) {
		uint32_t slot = slot_of(x, t, k);

		if (slot == GEN_NONE || element(t, k)->kind != IR_OPND_REG)
			continue;
		if (t->i->op == IR_OP_st && is_address(x, t, element(t, k)))
			add(x, slot);
		if (t->i->op == IR_OP_ld && x->f->regs.v[slot].local)
			add(x, gen_reg_of(t->inst, element(t, k)->reg));
	}
}

/* ---- what else is done with them ---- */

static void see_use(void *arg, uint32_t r)
{
	struct find *x = arg;

	x->used += x->f->regs.v[r].local;
}

static bool by_address(const struct find *x, const struct gen_insn *t)
{
	const struct ir_opnd *o = &t->i->src[0];

	return t->i->space == IR_SPACE_GENERIC && o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG &&
	       x->f->regs.v[gen_reg_of(t->inst, o->reg)].local;
}

static bool is_access(const struct gen_insn *t)
{
	return t->kind == GEN_I_IR && (t->i->op == IR_OP_ld || t->i->op == IR_OP_ldu || t->i->op == IR_OP_st);
}

/* Operands that are addresses and may be. */
static unsigned known_uses(const struct find *x, const struct gen_insn *t)
{
	unsigned n = 0;

	if (t->kind == GEN_I_MOVE)
		return t->src != GEN_NONE && x->f->regs.v[t->src].local;
	if (t->kind != GEN_I_IR)
		return 0;
	if (is_cvta(t, true))
		return is_address(x, t, &t->i->src[0]);
	if (is_access(t))
		n += by_address(x, t);
	for (unsigned k = 0; k < MAX(t->i->vec, 1u); k++) {
		uint32_t slot = slot_of(x, t, k);

		if (slot != GEN_NONE)
			n += t->i->op == IR_OP_st ? is_address(x, t, element(t, k)) : x->f->regs.v[slot].local;
	}
	return n + (passes_on(t) && makes_address(x, t) ? (unsigned)__builtin_popcount(addresses(x, t)) : 0);
}

struct defs {
	struct find *x;
	const struct gen_insn *t;
};

/* What an address is written to must get nothing else anywhere. */
static void see_def(void *arg, uint32_t r)
{
	const struct defs *d = arg;
	const struct gen_insn *t = d->t;
	struct find *x = d->x;
	bool is = false;

	if (!x->f->regs.v[r].local)
		return;
	if (t->kind == GEN_I_MOVE)
		is = t->src != GEN_NONE && x->f->regs.v[t->src].local;
	else if (t->kind == GEN_I_IR)
		is = is_cvta(t, false) || makes_address(x, t);
	for (unsigned k = 0; t->kind == GEN_I_IR && k < MAX(t->i->vec, 1u); k++) {
		uint32_t slot = slot_of(x, t, k);

		if (slot == GEN_NONE || element(t, k)->kind != IR_OPND_REG)
			continue;
		if (t->i->op == IR_OP_st ? slot == r : gen_reg_of(t->inst, element(t, k)->reg) == r)
			is = t->i->op == IR_OP_st ? is_address(x, t, element(t, k)) : x->f->regs.v[slot].local;
	}
	x->out |= !is;
}

static void see_insn(struct find *x, const struct gen_insn *t)
{
	struct defs d = { x, t };

	x->used = 0;
	gen_uses(x->f, t, see_use, x);
	x->out |= x->used != known_uses(x, t);
	gen_defs(x->f, t, see_def, &d);
	/* the address of what, where that isn't known to be local memory? */
	x->out |= is_cvta(t, true) && !is_address(x, t, &t->i->src[0]);
}

/* ---- accesses ---- */

static bool is_frame(uint8_t space)
{
	return space == IR_SPACE_LOCAL || space == IR_SPACE_PARAM_FUNC;
}

static bool is_slot(const struct gen_func *f, const struct gen_insn *t)
{
	const struct ir_opnd *o = &t->i->src[0];

	return o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_SYM && o->sym_local &&
	       gen_slot_of(f, t->inst, o->sym, (uint64_t)o->off, ir_type_size(t->i->type)) != GEN_NONE;
}

bool gen_is_local(const struct gen_func *f, const struct gen_insn *t)
{
	const struct find x = { .f = (struct gen_func *)(uintptr_t)f };

	return is_access(t) && (is_frame(gen_space_of(t)) || by_address(&x, t)) && !is_slot(f, t);
}

/* What the interpreter does is done to memory as the interpreter has it. */
static bool needs_pieces(const struct gen_func *f, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	if (t->kind != GEN_I_IR)
		return false;
	if (is_access(t))
		return gen_is_local(f, t) && (i->vec > 8 || ir_type_bits(i->type) > 64 || i->src[0].kind != IR_OPND_MEM ||
					      (i->src[0].mem_base == IR_BASE_SYM && !i->src[0].sym_local));
	if (i->op == IR_OP_call)
		return true;
	if (i->op == IR_OP_cvta)
		return i->space == IR_SPACE_PARAM_FUNC || (i->space == IR_SPACE_PARAM && !t->inst->in->ir->is_entry);
	for (unsigned n = 0; n < i->n_src; n++)
		if (i->src[n].kind == IR_OPND_MEM && (is_frame(i->space) || is_frame(i->space2) || (i->src[n].mem_base == IR_BASE_SYM && i->src[n].sym_local)))
			return true;
	return false;
}

/* Vector instructions that an access of one group takes, about. */
static unsigned cost(const struct ir_insn *i, unsigned granule)
{
	unsigned size = ir_type_size(i->type), all = size * MAX(i->vec, 1u);

	if (all < granule)
		return (i->op == IR_OP_st ? 5 : 2) + all / size;
	return all / granule * (size > granule ? 4 : 1) + (size < granule ? all / size : 0);
}

static unsigned weight(const struct gen_block *b)
{
	unsigned w = 1, deep = 0;

	for (const struct gen_loop *l = b->loop; l && deep < DEEP; l = l->parent, deep++)
		w *= 16;
	return w;
}

/* The granule; 0: none will do. */
static unsigned choose(const struct gen_func *f)
{
	uint64_t sum[2] = { 0 };
	bool any = false;

	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		for (size_t n = 0; n < b->insns.n; n++) {
			const struct gen_insn *t = &b->insns.v[n];

			if (needs_pieces(f, t))
				return 0;
			if (t->kind != GEN_I_IR || !gen_is_local(f, t))
				continue;
			any = true;
			for (unsigned c = 0; c < 2; c++)
				sum[c] += (uint64_t)weight(b) * cost(t->i, 4u << c);
		}
	}
	return !any ? 0 : sum[1] < sum[0] ? 8 : 4;
}

static bool gets_out(struct gen_func *f)
{
	struct find x = { .f = f };

	do {
		x.changed = false;
		for (uint32_t k = 0; k < f->n_order; k++)
			for (size_t n = 0; n < f->blocks.v[f->order[k]].insns.n; n++)
				pass_on(&x, &f->blocks.v[f->order[k]].insns.v[n]);
	} while (x.changed);
	for (uint32_t k = 0; k < f->n_order && !x.out; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		for (size_t n = 0; n < b->insns.n; n++)
			see_insn(&x, &b->insns.v[n]);
		if (b->term == GEN_T_BAR || b->term == GEN_T_SLEEP)
			see_insn(&x, &b->bar);
	}
	/* read before it is written: no address */
	for (uint32_t r = 0; r < f->regs.n; r++)
		x.out |= f->regs.v[r].local && gen_in(f->blocks.v[0].live_in, r);
	return x.out;
}

void gen_find_local(struct gen *g, struct gen_func *f)
{
	if (f->local_B && (uint64_t)f->local_B * g->W <= MEMORY_MAX && !gets_out(f))
		f->granule = choose(f);
	for (size_t r = 0; r < f->regs.n && !f->granule; r++)
		f->regs.v[r].local = false;
}
