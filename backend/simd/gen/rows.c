/*
 * rows.c: group by group, or warp by warp, instead of instruction by
 * instruction.
 *
 * Group by group where each group walks along a row of its own, as in
 * "sum += a[row * n + k] * b[...]". A row length that is a power of two puts
 * all the rows' lines into the same few places of the cache: when the groups
 * take turns, each turn finds its line gone. So all that one group does with
 * its line comes at a time.
 *
 * Warp by warp where what was loaded is stored again, as in "y[i] += x[i]":
 * streams that go on line by line are what the processor is made for. Not less
 * than a warp: its lanes load before any of them stores.
 *
 * Loads of patterns and float arithmetic wait; addresses are computed and
 * checked at once. Whatever else would see the difference ends the wait:
 * anything that writes memory, leaves the code, or reads what was computed.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/mem.h"

/* Instructions that wait at most: what they share stays in registers. */
#define STEPS 32

enum kind { LOAD, FLOAT, STORE };

struct step {
	const struct gen_insn *t;
	enum kind kind;
	uint32_t dst;                      /* GEN_NONE: a store */
	bool last;                         /* nothing that waits writes dst after it */
	struct acc x;
	struct gen_val src[IR_MAX_SRC];
	const struct step *from[IR_MAX_SRC];   /* whose result it is; NULL: src */
	struct gen_val out;
};

struct gen_rows {
	struct step v[STEPS];
	unsigned n;
	unsigned turn;                     /* groups that take turns: one, or those of a warp */
};

/* ---- where ---- */

/* Each group of lanes has one address, and not all the same, by a distance that isn't known. */
static bool is_by_row(const struct gen *g, const struct gen_shp *s)
{
	bool differ = false;

	if (s->shape != GEN_P || !s->pat->has_k)
		return false;
	for (unsigned l = 0; l < g->W; l++) {
		unsigned first = l - l % g->G;

		if (s->pat->c[l] != s->pat->c[first] || s->pat->k[l] != s->pat->k[first])
			return false;
		differ |= s->pat->k[l] != s->pat->k[0];
	}
	return differ;
}

static bool is_plain(const struct gen_insn *t, const struct ir_opnd *addr)
{
	const struct ir_insn *i = t->i;
	unsigned bits = ir_type_bits(i->type);

	return i->vec <= 1 && i->order == IR_ORD_WEAK && !i->guard && !t->masked && (bits == 32 || bits == 64) &&
	       addr->kind == IR_OPND_MEM && addr->mem_base == IR_BASE_REG;
}

static bool is_load(const struct gen_insn *t)
{
	return t->kind == GEN_I_IR && t->i->op == IR_OP_ld && is_plain(t, &t->i->src[0]) && t->i->dst[0].kind == IR_OPND_REG &&
	       (t->i->space == IR_SPACE_GLOBAL || t->i->space == IR_SPACE_SHARED);
}

static bool is_store(const struct gen_insn *t)
{
	return t->kind == GEN_I_IR && t->i->op == IR_OP_st && is_plain(t, &t->i->src[0]) && t->i->space == IR_SPACE_GLOBAL &&
	       t->i->src[1].kind == IR_OPND_REG;
}

static const struct gen_shp *address_shape(const struct gen_emit *e, const struct gen_insn *t)
{
	return &e->f->shp[0][gen_reg_of(t->inst, t->i->src[0].reg)];
}

/* Its code is more than one basic block (elem_approx.c). */
static bool is_branching(const struct gen_insn *t)
{
	return t->kind == GEN_I_IR && t->i->op == IR_OP_rsqrt && t->i->type == IR_T_F32;
}

void gen_rows_begin(struct gen_emit *e, uint32_t b)
{
	const struct gen_block *k = &e->f->blocks.v[b];
	unsigned rows = 0, loads = 0, stores = 0, branching = 0, warp = 32 / e->g->G;

	for (size_t j = 0; !e->g->quick && j < k->insns.n; j++) {
		const struct gen_insn *t = &k->insns.v[j];

		branching += is_branching(t);
		if (!is_load(t) && !is_store(t))
			continue;
		rows += k->loop && is_load(t) && is_by_row(e->g, address_shape(e, t));
		loads += is_load(t) && address_shape(e, t)->shape == GEN_P;
		stores += is_store(t) && address_shape(e, t)->shape == GEN_P;
	}
	if (e->g->NG == 1 || (rows < 2 && !branching && (!loads || !stores || e->g->NG <= warp)))
		return;
	e->rows = calloc(1, sizeof(*e->rows));
	e->failed |= !e->rows;
	if (e->rows)
		e->rows->turn = rows < 2 ? warp : 1;
}

/* ---- what waits ---- */

static struct step *writer(struct gen_rows *w, uint32_t r)
{
	for (unsigned n = w->n; n--;)
		if (w->v[n].dst == r)
			return &w->v[n];
	return NULL;
}

static struct step *add(struct gen_emit *e, const struct gen_insn *t, enum kind kind)
{
	struct gen_rows *w = e->rows;
	uint32_t dst = kind == STORE ? GEN_NONE : gen_reg_of(t->inst, t->i->dst[0].reg);
	struct step *old = kind == STORE ? NULL : writer(w, dst), *s = &w->v[w->n++];

	memset(s, 0, sizeof(*s));
	s->t = t;
	s->kind = kind;
	s->dst = dst;
	s->last = kind != STORE;
	s->out.shape = GEN_V;
	if (old)
		old->last = false;
	return s;
}

/* The address is computed and checked now. */
static void take_address(struct gen_emit *e, struct step *s)
{
	struct gen_val v;

	mem_init(&s->x, e, s->t);
	gen_address(e, s->t, &s->t->i->src[0], s->t->i->space, &s->x.a, &v);
	mem_check(&s->x);
}

static bool take_load(struct gen_emit *e, const struct gen_insn *t)
{
	if (!is_load(t) || gen_is_field(e, t) || e->f->regs.v[gen_reg_of(t->inst, t->i->dst[0].reg)].bits != ir_type_bits(t->i->type) ||
	    address_shape(e, t)->shape != GEN_P)
		return false;
	take_address(e, add(e, t, LOAD));
	return true;
}

/* With it the wait is over: what is loaded behind it may be what it stores. */
static bool take_store(struct gen_emit *e, const struct gen_insn *t)
{
	struct step *from, *s;
	uint32_t r;

	if (!is_store(t) || e->rows->turn == 1 || address_shape(e, t)->shape != GEN_P)
		return false;
	r = gen_reg_of(t->inst, t->i->src[1].reg);
	from = writer(e->rows, r);
	if (t->i->src[1].neg || t->i->src[1].sub || !from || e->f->regs.v[r].bits != ir_type_bits(t->i->type))
		return false;
	s = add(e, t, STORE);
	s->from[1] = from;
	take_address(e, s);
	gen_rows_do(e);
	return true;
}

static bool is_float(const struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	if (t->kind != GEN_I_IR || (i->type != IR_T_F32 && i->type != IR_T_F64) || i->guard || i->n_dst != 1 || i->dst[0].kind != IR_OPND_REG || !gen_elem_has(e->g, i))
		return false;
	return i->op == IR_OP_fma || i->op == IR_OP_mul || i->op == IR_OP_add || i->op == IR_OP_sub || i->op == IR_OP_mad || is_branching(t);
}

static bool take_float(struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	struct step *from[IR_MAX_SRC] = { 0 }, *s;

	if (!is_float(e, t) || e->f->shp[0][gen_reg_of(t->inst, i->dst[0].reg)].shape != GEN_V)
		return false;
	for (unsigned n = 0; n < i->n_src; n++) {
		if ((i->src[n].kind != IR_OPND_REG && i->src[n].kind != IR_OPND_IMM) || i->src[n].neg || i->src[n].sub)
			return false;
		if (i->src[n].kind == IR_OPND_REG)
			from[n] = writer(e->rows, gen_reg_of(t->inst, i->src[n].reg));
	}
	s = add(e, t, FLOAT);
	for (unsigned n = 0; n < i->n_src; n++) {
		s->from[n] = from[n];
		if (!from[n])
			gen_operand(e, t, &i->src[n], ir_type_bits(i->type), true, &s->src[n]);
	}
	return true;
}

struct overlap {
	struct gen_rows *w;
	bool found;
};

static void see(void *arg, uint32_t r)
{
	struct overlap *o = arg;

	o->found |= writer(o->w, r) != NULL;
}

/* It has to do with no lane's value: an address, a count. */
static bool is_apart(const struct gen_emit *e, const struct gen_insn *t)
{
	struct overlap o = { .w = e->rows };

	if (t->kind != GEN_I_IR || t->i->guard)
		return false;
	switch (t->i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_mad: case IR_OP_shl: case IR_OP_cvt: case IR_OP_setp: case IR_OP_mov:
		gen_uses(e->f, t, see, &o);
		gen_defs(e->f, t, see, &o);
		return !o.found;
	default:
		return false;
	}
}

/* ---- how much may wait ---- */

static bool same_groups(const struct gen *g, const struct gen_pat *p, unsigned a, unsigned b)
{
	for (unsigned l = 0; l < g->G; l++)
		if (p->c[a * g->G + l] != p->c[b * g->G + l] || (p->has_k && p->k[a * g->G + l] != p->k[b * g->G + l]))
			return false;
	return true;
}

/* Registers that a load's values take while groups have their turns: those that only one group reads are gone at once. */
static unsigned held_by_load(const struct gen_emit *e, const struct step *s)
{
	const struct gen *g = e->g;
	const struct gen_shp *a = address_shape(e, s->t);
	unsigned different = 0;

	for (unsigned n = 0; n < g->NG; n++) {
		unsigned k = 0;

		while (k < n && !same_groups(g, a->pat, k, n))
			k++;
		different += k == n;
	}
	if (different == g->NG)
		return 0;
	/* groups of one row follow each other */
	return is_by_row(g, a) ? 1 : different;
}

struct reads {
	uint32_t reg;
	unsigned n;
};

static void count_read(void *arg, uint32_t r)
{
	struct reads *x = arg;

	x->n += r == x->reg;
}

/* Is all that reads it among what waits? Then each group's value is gone with the group's turn. */
static bool is_passed_on(const struct gen_emit *e, const struct step *s)
{
	const struct gen_block *k = &e->f->blocks.v[e->block];
	struct reads x = { .reg = s->dst };
	unsigned here = 0;

	for (unsigned n = 0; n < k->n_succ; n++)
		if (gen_in(e->f->blocks.v[k->succ[n]].live_in, s->dst))
			return false;
	for (unsigned n = 0; n < e->rows->n; n++)
		for (unsigned m = 0; m < IR_MAX_SRC; m++)
			here += e->rows->v[n].from[m] == s;
	for (size_t n = 0; here && n < k->insns.n; n++)
		gen_uses(e->f, &k->insns.v[n], count_read, &x);
	return here && here == x.n;
}

/* Would what waits need more registers than there are, so that each value would have to be kept in memory meanwhile? */
static bool is_enough(const struct gen_emit *e)
{
	const struct gen_rows *w = e->rows;
	unsigned held = 0, loads = 0, used = 0;

	for (unsigned k = 0; k < w->n; k++) {
		const struct step *s = &w->v[k];

		loads += s->kind == LOAD;
		held += s->kind == LOAD ? held_by_load(e, s) : s->last && !is_passed_on(e, s) ? e->g->NG : 0;
		for (unsigned n = 0; n < IR_MAX_SRC; n++)
			used += s->from[n] && s->from[n]->kind == LOAD;
	}
	/* what has been loaded for something to come isn't torn from it */
	return used >= loads && held * 4 >= (e->g->isa == SD_ISA_AVX512 ? 32 : 16) * 3;
}

bool gen_rows_take(struct gen_emit *e, const struct gen_insn *t)
{
	if (!e->rows)
		return false;
	if (e->rows->n == STEPS || (e->rows->turn == 1 && is_load(t) && is_enough(e)))
		gen_rows_do(e);
	if (take_load(e, t) || take_float(e, t) || take_store(e, t))
		return true;
	if (!is_apart(e, t))
		gen_rows_do(e);
	return false;
}

/* ---- group by group ---- */

static void do_step(struct gen_emit *e, struct step *s, unsigned n)
{
	struct gen_val src[IR_MAX_SRC];

	for (unsigned k = 0; k < s->t->i->n_src; k++)
		src[k] = s->from[k] ? s->from[k]->out : s->src[k];
	switch (s->kind) {
	case LOAD:
		s->out.v[n] = mem_load_group(&s->x, n);
		return;
	case FLOAT:
		s->out.v[n] = gen_elem_group(e, s->t, src, n);
		gen_asks_pace(e, 1);
		return;
	case STORE:
		mem_store_group(&s->x, n, gen_exact(e, s->from[1]->dst, src[1].v[n]));
		return;
	}
}

void gen_rows_do(struct gen_emit *e)
{
	struct gen_rows *w = e->rows;

	if (!w)
		return;
	for (unsigned first = 0; first < e->g->NG; first += w->turn)
		for (unsigned k = 0; k < w->n; k++)
			for (unsigned n = first; n < first + w->turn && !e->failed; n++)
				do_step(e, &w->v[k], n);
	for (unsigned k = 0; k < w->n && !e->failed; k++)
		if (w->v[k].last)
			gen_write(e, w->v[k].dst, &w->v[k].out);
	w->n = 0;
}

void gen_rows_end(struct gen_emit *e)
{
	gen_rows_do(e);
	free(e->rows);
	e->rows = NULL;
}
