/*
 * home.c: where in the gang's frame a register lives while a gang of world 0
 * waits. A register has one place there for all of these waits, so that what
 * hasn't been written since the last one need not be saved again: a loop with
 * two barriers in it saves its sums at one of them.
 *
 * What may have been written since is found by data flow over the blocks.
 * Where world 1 leads back to world 0, and at the function's start, that is
 * everything: the frame may hold anything. So world 1, and the ways between
 * the worlds, may use it as they like. Loops in which a gang waits are entered
 * by a block of their own, which saves what the loop's rounds leave alone.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/emit.h"

#define NO_HOME UINT32_MAX

static uint64_t *written_in(const struct gen_emit *e, uint32_t b)
{
	return e->home.written + (size_t)b * e->f->words;
}

static void add_def(void *arg, uint32_t r)
{
	gen_add(arg, r);
}

static bool waits_in(const struct gen_emit *e, const struct gen_loop *l)
{
	for (uint32_t n = 0; n < e->f->n_order; n++)
		if (gen_in(l->blocks, e->f->order[n]) && gen_waits_at_end(e, e->f->order[n]))
			return true;
	return false;
}

/* Block b begins a loop that has a way in of its own, and the way from there leads into it. from: GEN_NO_BLOCK: not from a block. */
static bool enters(const struct gen_emit *e, uint32_t from, uint32_t b)
{
	const struct gen_loop *l = e->f->blocks.v[b].loop;

	return e->home.way[b] && (from == GEN_NO_BLOCK || !gen_in(l->blocks, from));
}

/* To set: what block b and, behind the wait at its end, what ends the wait writes. */
static void add_written(struct gen_emit *e, uint32_t b, uint64_t *set)
{
	const struct gen_block *k = &e->f->blocks.v[b];

	if (gen_waits_at_end(e, b)) {
		memset(set, 0, e->f->words * sizeof(*set));
	} else {
		memcpy(set, written_in(e, b), e->f->words * sizeof(*set));
		for (size_t n = 0; n < k->insns.n; n++)
			gen_defs(e->f, &k->insns.v[n], add_def, set);
	}
	if (k->term == GEN_T_BAR)
		gen_defs(e->f, &k->bar, add_def, set);
}

static bool join(struct gen_emit *e, uint32_t b, const uint64_t *set)
{
	uint64_t *in = written_in(e, b);
	bool news = false;

	for (size_t w = 0; w < e->f->words; w++) {
		news |= (in[w] | set[w]) != in[w];
		in[w] |= set[w];
	}
	return news;
}

static void find_written(struct gen_emit *e, uint64_t *set)
{
	const struct gen_func *f = e->f;
	bool news = true;

	for (uint32_t n = 0; n < f->n_order; n++)
		if ((n == 0 || gen_meets_at(e, f->order[n])) && !enters(e, GEN_NO_BLOCK, f->order[n]))
			memset(written_in(e, f->order[n]), 0xff, f->words * sizeof(*set));
	while (news) {
		news = false;
		for (uint32_t n = 0; n < f->n_order; n++) {
			const struct gen_block *k = &f->blocks.v[f->order[n]];

			add_written(e, f->order[n], set);
			for (unsigned s = 0; s < k->n_succ; s++)
				if (!enters(e, f->order[n], k->succ[s]))
					news |= join(e, k->succ[s], set);
		}
	}
}

bool gen_homes_begin(struct gen_emit *e)
{
	const struct gen_func *f = e->f;
	uint64_t *set = calloc(f->words + 1, sizeof(*set));

	e->home.here = set;
	e->home.at = malloc((f->regs.n + 1) * sizeof(*e->home.at));
	e->home.written = calloc(f->blocks.n * f->words + 1, sizeof(*e->home.written));
	e->home.way = calloc(f->blocks.n + 1, sizeof(*e->home.way));
	if (set && e->home.at && e->home.written && e->home.way) {
		for (uint32_t r = 0; r < f->regs.n; r++)
			e->home.at[r] = NO_HOME;
		for (size_t k = 0; k < f->loops.n && e->has[0]; k++)
			if (waits_in(e, f->loops.v[k]))
				e->home.way[f->loops.v[k]->header] = gen_new_bb(e, "way");
		find_written(e, set);
	} else {
		e->failed = true;
	}
	return !e->failed;
}

void gen_homes_end(struct gen_emit *e)
{
	free(e->home.at);
	free(e->home.here);
	free(e->home.way);
	free(e->home.written);
}

void gen_homes_at(struct gen_emit *e, bool at_end)
{
	const struct gen_block *k = &e->f->blocks.v[e->block];

	memcpy(e->home.here, written_in(e, e->block), e->f->words * sizeof(*e->home.here));
	for (size_t n = 0; at_end && n < k->insns.n; n++)
		gen_defs(e->f, &k->insns.v[n], add_def, e->home.here);
}

void gen_home(struct gen_emit *e, uint32_t r, bool save, val frame)
{
	bool first = e->home.at[r] == NO_HOME;
	uint32_t at;

	if (first)
		e->home.at[r] = e->home.end;
	else if (save && !gen_in(e->home.here, r))
		return;
	at = e->home.at[r];
	gen_frame_reg(e, 0, r, save, frame, &at);
	if (first)
		e->home.end = at;
	e->frame_B = MAX(e->frame_B, e->home.end);
}

LLVMBasicBlockRef gen_home_way(const struct gen_emit *e, uint32_t from, uint32_t b)
{
	return enters(e, from, b) ? e->home.way[b] : e->bb[0][b];
}

void gen_home_enter(struct gen_emit *e, uint32_t b)
{
	const struct gen_block *k = &e->f->blocks.v[b];
	val frame;

	if (!e->home.way[b])
		return;
	gen_at(e, e->home.way[b]);
	frame = gen_load_ctx(e, offsetof(struct sd_ctx, frame), e->g->ptr);
	memset(e->home.here, 0xff, e->f->words * sizeof(*e->home.here));
	for (uint32_t r = 0; r < e->f->regs.n; r++)
		if (gen_in(k->live_in, r) && !gen_in(written_in(e, b), r))
			gen_home(e, r, true, frame);
	LLVMBuildBr(e->g->b, e->bb[0][b]);
}
