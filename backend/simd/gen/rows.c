/*
 * rows.c: group by group instead of instruction by instruction, where each
 * group walks along a row of its own, as in "sum += a[row * n + k] * b[...]".
 * A row length that is a power of two puts all the rows' lines into the same
 * few places of the cache: when the groups take turns, each turn finds its
 * line gone. So all that one group does with its line comes at a time.
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

struct step {
	const struct gen_insn *t;
	uint32_t dst;
	bool last;                         /* nothing that waits writes dst after it */
	bool is_load;
	struct acc x;
	struct gen_val src[IR_MAX_SRC];
	const struct step *from[IR_MAX_SRC];   /* whose result it is; NULL: src */
	struct gen_val out;
};

struct gen_rows {
	struct step v[STEPS];
	unsigned n;
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

static bool is_load(const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	return t->kind == GEN_I_IR && i->op == IR_OP_ld && i->vec <= 1 && i->order == IR_ORD_WEAK && !i->guard && ir_type_bits(i->type) == 32 &&
	       (i->space == IR_SPACE_GLOBAL || i->space == IR_SPACE_SHARED) && i->dst[0].kind == IR_OPND_REG &&
	       i->src[0].kind == IR_OPND_MEM && i->src[0].mem_base == IR_BASE_REG;
}

void gen_rows_begin(struct gen_emit *e, uint32_t b)
{
	const struct gen_block *k = &e->f->blocks.v[b];
	unsigned n = 0;

	for (size_t j = 0; k->loop && !e->g->quick && e->g->NG > 1 && j < k->insns.n; j++) {
		const struct gen_insn *t = &k->insns.v[j];

		n += is_load(t) && is_by_row(e->g, &e->f->shp[0][gen_reg_of(t->inst, t->i->src[0].reg)]);
	}
	if (n < 2)
		return;
	e->rows = calloc(1, sizeof(*e->rows));
	e->failed |= !e->rows;
}

/* ---- what waits ---- */

static struct step *writer(struct gen_rows *w, uint32_t r)
{
	for (unsigned n = w->n; n--;)
		if (w->v[n].dst == r)
			return &w->v[n];
	return NULL;
}

static struct step *add(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen_rows *w = e->rows;
	uint32_t dst = gen_reg_of(t->inst, t->i->dst[0].reg);
	struct step *old = writer(w, dst), *s = &w->v[w->n++];

	memset(s, 0, sizeof(*s));
	s->t = t;
	s->dst = dst;
	s->last = true;
	s->out.shape = GEN_V;
	if (old)
		old->last = false;
	return s;
}

static bool take_load(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen_val v;
	struct step *s;

	if (!is_load(t) || e->f->regs.v[gen_reg_of(t->inst, t->i->dst[0].reg)].bits != 32 ||
	    e->f->shp[0][gen_reg_of(t->inst, t->i->src[0].reg)].shape != GEN_P)
		return false;
	s = add(e, t);
	s->is_load = true;
	mem_init(&s->x, e, t);
	gen_address(e, t, &t->i->src[0], t->i->space, &s->x.a, &v);
	mem_check(&s->x);
	return true;
}

static bool is_float(const struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	if (t->kind != GEN_I_IR || i->type != IR_T_F32 || i->guard || i->n_dst != 1 || i->dst[0].kind != IR_OPND_REG || !gen_elem_has(e->g, i))
		return false;
	return i->op == IR_OP_fma || i->op == IR_OP_mul || i->op == IR_OP_add || i->op == IR_OP_sub || i->op == IR_OP_mad;
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
	s = add(e, t);
	for (unsigned n = 0; n < i->n_src; n++) {
		s->from[n] = from[n];
		if (!from[n])
			gen_operand(e, t, &i->src[n], 32, true, &s->src[n]);
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

bool gen_rows_take(struct gen_emit *e, const struct gen_insn *t)
{
	if (!e->rows)
		return false;
	if (e->rows->n == STEPS)
		gen_rows_do(e);
	if (take_load(e, t) || take_float(e, t))
		return true;
	if (!is_apart(e, t))
		gen_rows_do(e);
	return false;
}

/* ---- group by group ---- */

static void do_step(struct gen_emit *e, struct step *s, unsigned n)
{
	struct gen_val src[IR_MAX_SRC];

	if (s->is_load) {
		s->out.v[n] = mem_load_group(&s->x, n);
		return;
	}
	for (unsigned k = 0; k < s->t->i->n_src; k++)
		src[k] = s->from[k] ? s->from[k]->out : s->src[k];
	s->out.v[n] = gen_elem_group(e, s->t, src, n);
}

void gen_rows_do(struct gen_emit *e)
{
	struct gen_rows *w = e->rows;

	if (!w)
		return;
	for (unsigned n = 0; n < e->g->NG && !e->failed; n++)
		for (unsigned k = 0; k < w->n && !e->failed; k++)
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
