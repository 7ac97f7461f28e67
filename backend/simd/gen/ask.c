/*
 * ask.c: lines that are asked for between the arithmetic of a round.
 *
 * Rows a power of two apart have their lines in the same few places of the
 * first cache, so a tile's loads miss it one after the other, and nothing can
 * be worked out meanwhile. What the next round will load is asked for while
 * this round's arithmetic goes on, a line at a time: all at once would wait
 * for each other just as the loads do.
 *
 * A load's addresses are put down in front of it (two numbers: the base, as
 * far ahead as ahead.c says, and what its groups differ by); what is asked for
 * where they are put down in another round, or not at all, costs time and
 * nothing else.
 */
#include <stdlib.h>

#include "backend/simd/gen/mem.h"

#define ASKS 8                             /* loads of a loop */
#define PACE 16                            /* vectors of arithmetic for each line */

struct ask {
	struct acc x;                      /* but for u and k of its address, which are in … */
	val u, k;                          /* allocas */
	const struct gen_loop *loop;
	unsigned group;                    /* the next one */
	bool asked[GEN_MAX_NG];
};

struct gen_asks {
	struct ask v[ASKS];
	unsigned n, vectors;
};

void mem_ask_later(struct acc *x, val ahead)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	struct ask *a;

	if (!e->asks)
		e->asks = calloc(1, sizeof(*e->asks));
	e->failed |= !e->asks;
	if (!e->asks || e->asks->n == ASKS)
		return;
	a = &e->asks->v[e->asks->n++];
	*a = (struct ask){ .x = *x, .loop = e->f->blocks.v[e->block].loop };
	a->u = mem_remembered(e);
	LLVMBuildStore(g->b, LLVMBuildAdd(g->b, x->a.u, ahead, ""), a->u);
	if (!x->a.s.pat->has_k)
		return;
	a->k = mem_remembered(e);
	LLVMBuildStore(g->b, x->a.k, a->k);
}

/* Does group n begin in the line that was asked for with group m, as far as that can be known? Its lanes have one k. */
static bool shares_line(const struct gen *g, const struct gen_pat *p, unsigned m, unsigned n)
{
	int64_t d = p->c[n * g->G] - p->c[m * g->G];

	return d >= 0 && d < 64 && (!p->has_k || p->k[m * g->G] == p->k[n * g->G]);
}

static bool is_asked(const struct gen *g, const struct ask *a, unsigned n)
{
	for (unsigned m = 0; m < n; m++)
		if (a->asked[m] && shares_line(g, a->x.a.s.pat, m, n))
			return true;
	return false;
}

void mem_prefetch(struct gen *g, val addr, unsigned level)
{
	/* for reading, into that level of the caches (3: the first), data */
	val args[] = { mem_to_ptr(g, addr), LLVMConstInt(g->i32, 0, 0), LLVMConstInt(g->i32, level, 0), LLVMConstInt(g->i32, 1, 0) };

	gen_intrinsic(g, "llvm.prefetch", &g->ptr, 1, args, 4);
}

/* Lanes of a group that lie side by side. False: they don't. */
static bool ask_group(struct acc *x, unsigned n)
{
	struct gen *g = x->e->g;
	struct group r;

	mem_group(x, n, &r);
	if (!r.known || !mem_is_step(g, &r, x->stride))
		return false;
	for (unsigned at = 0; at < g->G * x->stride; at += 64)
		mem_prefetch(g, mem_offset(g, r.base, r.c[0] + at), 3);
	return true;
}

/* The next group's line. False: there is none. */
static bool ask_one(struct gen_emit *e, struct ask *a)
{
	struct gen *g = e->g;
	struct acc x = a->x;
	bool done = false;

	if (a->group == g->NG)
		return false;
	x.a.u = LLVMBuildLoad2(g->b, g->i64, a->u, "");
	if (a->k)
		x.a.k = LLVMBuildLoad2(g->b, g->i64, a->k, "");
	while (!done && a->group < g->NG) {
		unsigned n = a->group++;

		done = !is_asked(g, a, n) && ask_group(&x, n);
		a->asked[n] = done;
	}
	return done;
}

static bool ask_next(struct gen_emit *e)
{
	const struct gen_loop *loop = e->f->blocks.v[e->block].loop;

	for (unsigned n = 0; n < e->asks->n; n++)
		if (e->asks->v[n].loop == loop && ask_one(e, &e->asks->v[n]))
			return true;
	return false;
}

void gen_asks_pace(struct gen_emit *e, unsigned vectors)
{
	if (!e->asks || !e->asks->n)
		return;
	for (e->asks->vectors += vectors; e->asks->vectors >= PACE; e->asks->vectors -= PACE)
		if (!ask_next(e))
			return;
}

static bool ends_round(const struct gen_func *f, uint32_t b)
{
	const struct gen_block *k = &f->blocks.v[b];

	for (unsigned n = 0; k->loop && n < k->n_succ; n++)
		if (k->succ[n] == k->loop->header)
			return true;
	return false;
}

void gen_asks_block(struct gen_emit *e, uint32_t b)
{
	const struct gen_loop *loop = e->f->blocks.v[b].loop;
	unsigned kept = 0;

	if (!e->asks || !e->asks->n || !ends_round(e->f, b))
		return;
	while (ask_next(e))
		;
	for (unsigned n = 0; n < e->asks->n; n++)
		if (e->asks->v[n].loop != loop)
			e->asks->v[kept++] = e->asks->v[n];
	e->asks->n = kept;
	e->asks->vectors = 0;
}

void gen_asks_end(struct gen_emit *e)
{
	free(e->asks);
	e->asks = NULL;
}
