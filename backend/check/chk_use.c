/*
 * chk_use.c: is what a load gives certainly used? Compilers load from shared
 * and local memory, which is always there, before they know whether they need
 * the value, and copy structures that are not full. So a load of what was never
 * written is worth a report only if, further down the same basic block, the
 * value decides something for sure: an address, a branch or guard, an atomic
 * operation's operand, or, once it was computed with, what is stored. Being
 * selected, stored as it is, or used under a guard decides nothing.
 */
#include "backend/check/chk_priv.h"

#define TRACKED 32

enum level { NOTHING, COPY, COMPUTED };

struct track {
	uint32_t reg[TRACKED];
	uint8_t level[TRACKED];
	unsigned n;
	bool full;
};

static enum level level_of(const struct track *t, uint32_t reg)
{
	for (unsigned k = 0; k < t->n; k++)
		if (t->reg[k] == reg)
			return t->level[k];
	return NOTHING;
}

static void set_level(struct track *t, uint32_t reg, enum level level)
{
	for (unsigned k = 0; k < t->n; k++)
		if (t->reg[k] == reg) {
			t->level[k] = (uint8_t)level;
			return;
		}
	if (level == NOTHING)
		return;
	if (t->n == TRACKED) {
		t->full = true;
		return;
	}
	t->reg[t->n] = reg;
	t->level[t->n++] = (uint8_t)level;
}

/* The operand as a value. */
static enum level value_level(const struct track *t, const struct ir_opnd *o)
{
	enum level l = NOTHING;

	if (o->kind == IR_OPND_REG)
		return level_of(t, o->reg);
	for (unsigned k = 0; o->kind == IR_OPND_VEC && k < o->n_vec; k++)
		l = MAX(l, value_level(t, &o->vec[k]));
	return l;
}

static bool in_address(const struct track *t, const struct ir_opnd *o)
{
	return o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG && level_of(t, o->reg);
}

static void define(struct track *t, const struct ir_opnd *o, enum level level)
{
	if (o->kind == IR_OPND_REG)
		set_level(t, o->reg, level);
	for (unsigned k = 0; o->kind == IR_OPND_VEC && k < o->n_vec; k++)
		define(t, &o->vec[k], level);
}

/* What the results are, given that the operands are of that level. */
static enum level passes_on(const struct track *t, const struct ir_insn *i, enum level l)
{
	switch (i->op) {
	case IR_OP_mov:
	case IR_OP_shfl:
		return l;
	case IR_OP_selp:
		return value_level(t, &i->src[2]) ? COMPUTED : NOTHING;
	case IR_OP_setp:
		return i->boolop != IR_BOOL_NONE ? NOTHING : l ? COMPUTED : NOTHING;
	case IR_OP_and:
	case IR_OP_or:
		/* the other side may have decided */
		return i->type == IR_T_PRED ? NOTHING : l ? COMPUTED : NOTHING;
	case IR_OP_ld:
	case IR_OP_call:
		return NOTHING;
	}
	return l ? COMPUTED : NOTHING;
}

static bool decides(const struct ir_insn *i, enum level l)
{
	switch (i->op) {
	case IR_OP_st:
		return l == COMPUTED;
	case IR_OP_atom:
	case IR_OP_red:
		return l != NOTHING;
	case IR_OP_brx:
		return l != NOTHING;
	}
	return false;
}

/* One instruction; true: it settles the matter. */
static bool step(struct track *t, const struct ir_insn *i)
{
	enum level l = NOTHING, out;

	if (i->guard)
		return level_of(t, i->guard - 1) != NOTHING;
	for (unsigned n = 0; n < i->n_src; n++) {
		if (in_address(t, &i->src[n]))
			return true;
		l = MAX(l, value_level(t, &i->src[n]));
	}
	if (decides(i, l))
		return true;
	out = passes_on(t, i, l);
	for (unsigned n = 0; n < i->n_dst; n++)
		define(t, &i->dst[n], out);
	return false;
}

static bool is_used(const struct ir_block *b, uint32_t from, uint32_t reg)
{
	struct track t = { .reg = { reg }, .level = { COPY }, .n = 1 };

	for (uint32_t n = from; n < b->n_insns && !t.full; n++)
		if (step(&t, &b->insns[n]))
			return true;
	return false;
}

uint8_t chk_used_elements(const struct ir_block *b, uint32_t n)
{
	const struct ir_opnd *d = &b->insns[n].dst[0];
	uint8_t mask = 0;

	if (d->kind == IR_OPND_REG)
		return is_used(b, n + 1, d->reg) ? 0xff : 0;
	/* one of 128 bits is loaded as two */
	for (unsigned k = 0; d->kind == IR_OPND_VEC && k < d->n_vec && k < 8; k++)
		if (d->vec[k].kind == IR_OPND_REG && is_used(b, n + 1, d->vec[k].reg))
			mask |= (uint8_t)(b->insns[n].type == IR_T_B128 ? 3u << 2 * k : 1u << k);
	return mask;
}
