/*
 * diverge.c: the masked world: which blocks lanes may enter apart, and which
 * registers' writes must keep the other lanes' values.
 *
 * The masked world runs the blocks in f->order; a block runs for the lanes
 * that have reached it, all at once, and a loop goes round until its last lane
 * has left. So lanes of one loop are always in the same round.
 *
 * A branch whose predicate isn't uniform sends lanes apart; every block that
 * can be reached from it before its post-dominator is `div`. A write in such a
 * block must keep what other lanes hold (a blend) in three cases:
 *   - they took the other side, and read the register there or where the sides meet;
 *   - they wait for the next round of the loop, and read it there;
 *   - they left the loop in an earlier round, and read it behind the loop.
 * All other writes may hit the lanes that don't execute: none of those will
 * look. So induction variables of a loop that lanes leave one by one keep their
 * shape.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/flat.h"

struct div {
	struct gen *g;
	struct gen_func *f;
	uint64_t *side[2];         /* sets of blocks */
	uint64_t *def;             /* registers written in a block: words each */
	uint32_t *stack;
	size_t bwords;
	bool changed;
};

static void note_def(void *arg, uint32_t r)
{
	gen_add(arg, r);
}

static void find_defs(struct div *x)
{
	struct gen_func *f = x->f;

	for (uint32_t b = 0; b < f->blocks.n; b++) {
		uint64_t *set = x->def + b * f->words;

		for (size_t n = 0; n < f->blocks.v[b].insns.n; n++)
			gen_defs(f, &f->blocks.v[b].insns.v[n], note_def, set);
		if (f->blocks.v[b].term == GEN_T_BAR)
			gen_defs(f, &f->blocks.v[b].bar, note_def, set);
	}
}

static bool inside(const struct gen_loop *l, uint32_t b)
{
	return !l || gen_in(l->blocks, b);
}

static bool is_back_edge(const struct gen_func *f, uint32_t from, uint32_t to)
{
	return gen_dominates(f, to, from);
}

/* Blocks that are reached from start in this round of loop l, before stop. */
static void reach(struct div *x, uint32_t start, uint32_t stop, const struct gen_loop *l, uint64_t *set)
{
	uint32_t sp = 0;

	memset(set, 0, x->bwords * sizeof(*set));
	if (start == stop || !inside(l, start))
		return;
	x->stack[sp++] = start;
	gen_add(set, start);
	while (sp) {
		uint32_t b = x->stack[--sp];
		const struct gen_block *k = &x->f->blocks.v[b];

		for (uint32_t s = 0; s < k->n_succ; s++) {
			uint32_t to = k->succ[s];

			if (to == stop || gen_in(set, to) || !inside(l, to) || (l && to == l->header && is_back_edge(x->f, b, to)))
				continue;
			gen_add(set, to);
			x->stack[sp++] = to;
		}
	}
}

static void blend(struct div *x, const uint64_t *defs, const uint64_t *live)
{
	for (size_t w = 0; w < x->f->words; w++)
		for (uint64_t m = defs[w] & live[w]; m; m &= m - 1) {
			struct gen_reg *r = &x->f->regs.v[w * 64 + (unsigned)__builtin_ctzll(m)];

			x->changed |= !r->blend;
			r->blend = true;
		}
}

/* Does every lane that is still in the loop at the end of its round come through t? */
static bool in_every_round(const struct gen_func *f, const struct gen_loop *l, uint32_t t)
{
	const struct gen_block *h = &f->blocks.v[l->header];

	for (size_t p = 0; p < h->preds.n; p++)
		if (gen_in(l->blocks, h->preds.v[p]) && !gen_dominates(f, t, h->preds.v[p]))
			return false;
	return true;
}

/* Writes on one side against reads on the other and behind both. */
static void compare_sides(struct div *x, const uint64_t *mine, const uint64_t *other, uint32_t join, const struct gen_loop *l)
{
	const struct gen_func *f = x->f;

	for (uint32_t k = 0; k < f->n_order; k++) {
		uint32_t t = f->order[k];
		const uint64_t *defs = x->def + t * f->words;

		if (!gen_in(mine, t))
			continue;
		for (uint32_t j = k + 1; j < f->n_order; j++) {
			uint32_t y = f->order[j];

			if (gen_in(other, y) && !gen_dominates(f, t, y))
				blend(x, defs, f->blocks.v[y].live_in);
		}
		if (join != GEN_NONE && !gen_dominates(f, t, join))
			blend(x, defs, f->blocks.v[join].live_in);
		if (join == GEN_NONE && l && !in_every_round(f, l, t))
			blend(x, defs, f->blocks.v[l->header].live_in);
	}
}

static void split_lanes(struct div *x, uint32_t b)
{
	struct gen_func *f = x->f;
	const struct gen_block *k = &f->blocks.v[b];
	const struct gen_loop *l = k->loop;
	uint32_t join = k->ipdom;
	bool here = join != GEN_NONE && inside(l, join) && !(l && join == l->header);

	for (unsigned s = 0; s < 2; s++)
		reach(x, k->succ[s], here ? join : GEN_NONE, l, x->side[s]);
	compare_sides(x, x->side[0], x->side[1], here ? join : GEN_NONE, l);
	compare_sides(x, x->side[1], x->side[0], here ? join : GEN_NONE, l);
	/* loops that some lanes leave by this branch and others don't */
	for (struct gen_loop *o = k->loop; o; o = o->parent)
		if (join == GEN_NONE || !gen_in(o->blocks, join))
			o->divergent = true;
}

static void leave_loop(struct div *x, const struct gen_loop *l)
{
	struct gen_func *f = x->f;

	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		if (!gen_in(l->blocks, f->order[k]))
			continue;
		for (uint32_t s = 0; s < b->n_succ; s++) {
			if (gen_in(l->blocks, b->succ[s]))
				continue;
			for (uint32_t j = 0; j < f->n_order; j++)
				if (gen_in(l->blocks, f->order[j]))
					blend(x, x->def + f->order[j] * f->words, f->blocks.v[b->succ[s]].live_in);
		}
	}
}

static bool is_divergent(const struct gen_func *f, const struct gen_block *b)
{
	return b->term == GEN_T_COND && f->shp[1][b->pred_reg].shape != GEN_U;
}

/* Blocks that a branch's lanes run apart. */
static void mark_div(struct div *x, uint32_t b)
{
	struct gen_func *f = x->f;
	uint32_t stop = f->blocks.v[b].ipdom;

	for (unsigned s = 0; s < 2; s++) {
		reach(x, f->blocks.v[b].succ[s], stop, NULL, x->side[0]);
		for (uint32_t k = 0; k < f->n_order; k++)
			if (gen_in(x->side[0], f->order[k]))
				f->blocks.v[f->order[k]].div = true;
	}
}

/* ---- components: div blocks that are passed through together ---- */

static uint32_t find(uint32_t *up, uint32_t a)
{
	while (up[a] != a)
		a = up[a] = up[up[a]];
	return a;
}

static bool find_components(struct div *x)
{
	struct gen_func *f = x->f;
	uint32_t n = (uint32_t)f->blocks.n, *up = calloc(n + 1, sizeof(*up));

	if (!up)
		return false;
	for (uint32_t b = 0; b < n; b++)
		up[b] = b;
	for (uint32_t k = 0; k < f->n_order; k++) {
		uint32_t b = f->order[k], first;

		if (!is_divergent(f, &f->blocks.v[b]))
			continue;
		/* a branch inside of a loop that lanes leave one by one is among the blocks that they run apart */
		first = f->blocks.v[b].div ? b : GEN_NONE;
		for (unsigned s = 0; s < 2; s++) {
			reach(x, f->blocks.v[b].succ[s], f->blocks.v[b].ipdom, NULL, x->side[0]);
			for (uint32_t j = 0; j < f->n_order; j++) {
				if (!gen_in(x->side[0], f->order[j]))
					continue;
				if (first == GEN_NONE)
					first = f->order[j];
				up[find(up, f->order[j])] = find(up, first);
			}
		}
	}
	for (uint32_t b = 0; b < n; b++)
		f->blocks.v[b].comp = f->blocks.v[b].div ? find(up, b) : GEN_NONE;
	free(up);
	return true;
}

int gen_diverge(struct gen *g, struct gen_func *f)
{
	struct div x = { .g = g, .f = f, .bwords = f->blocks.n / 64 + 1 };
	int rc = -VGPU_E_NOMEM;

	x.side[0] = calloc(x.bwords, sizeof(uint64_t));
	x.side[1] = calloc(x.bwords, sizeof(uint64_t));
	x.stack = calloc(f->blocks.n + 1, sizeof(*x.stack));
	x.def = calloc(f->blocks.n * f->words + 1, sizeof(*x.def));
	if (x.side[0] && x.side[1] && x.stack && x.def) {
		find_defs(&x);
		do {
			x.changed = false;
			rc = gen_shapes(g, f, 1);
			for (uint32_t k = 0; k < f->n_order && !rc; k++)
				if (is_divergent(f, &f->blocks.v[f->order[k]])) {
					mark_div(&x, f->order[k]);
					split_lanes(&x, f->order[k]);
				}
			for (size_t k = 0; k < f->loops.n && !rc; k++)
				if (f->loops.v[k]->divergent)
					leave_loop(&x, f->loops.v[k]);
		} while (x.changed && !rc);
		if (!rc && !find_components(&x))
			rc = -VGPU_E_NOMEM;
	}
	free(x.side[0]);
	free(x.side[1]);
	free(x.stack);
	free(x.def);
	if (rc == -VGPU_E_NOMEM)
		vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	return rc;
}
