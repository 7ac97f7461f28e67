/*
 * run.c: a warp's groups and its instruction loop.
 *
 * Order: of the groups that can run, the deepest call first, then the lowest
 * pc; so lanes that took the longer way catch up with those that wait behind
 * it, and groups that stand at one pc of one frame become one. Fairness: a
 * group that loops without seeing anything change (or very often at all) is
 * put behind the others, so that a lane that spins on a lock doesn't keep
 * from running the lane that holds it.
 */
#include "backend/interp/interp.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SPINS_BEFORE_YIELD 4
#define EDGES_BEFORE_YIELD 65536
#define TURN 8192   /* instructions before the next warp has its turn */

struct in_group *in_group_new(struct in_warp *w, uint32_t mask, uint32_t pc, struct in_frame *f)
{
	uint32_t slot = (uint32_t)__builtin_ctz(~w->used);
	struct in_group *g = &w->g[slot];

	/* 32 lanes in 32 slots: a group has at least one lane, so there is a free slot. */
	*g = (struct in_group){ .pc = pc, .mask = mask, .frame = f, .state = IN_G_RUN };
	w->used |= 1u << slot;
	if (unlikely(w->blk->k->watch))
		w->blk->k->watch->together(w, in_cur(w)->mask | mask);
	return g;
}

static void group_drop(struct in_warp *w, uint32_t slot)
{
	w->g[slot].state = IN_G_FREE;
	w->g[slot].mask = 0;
	w->used &= ~(1u << slot);
}

/* Lanes m of the running group go on at pc; the others stay in it. */
void in_group_split(struct in_warp *w, uint32_t m, uint32_t pc)
{
	struct in_group *g = in_cur(w);

	if (m == g->mask) {
		g->pc = pc;
		return;
	}
	g->mask &= ~m;
	in_group_new(w, m, pc, g->frame);
}

static bool goes_before(const struct in_group *a, const struct in_group *b)
{
	if (a->frame->depth != b->frame->depth)
		return a->frame->depth > b->frame->depth;
	return a->pc < b->pc;
}

static struct in_group *pick_one(struct in_warp *w, bool skipped_too)
{
	struct in_group *best = NULL;

	for_lanes(s, w->used) {
		struct in_group *g = &w->g[s];

		if (g->state != IN_G_RUN || (g->skip && !skipped_too))
			continue;
		if (!best || goes_before(g, best))
			best = g;
	}
	return best;
}

/* Joins what stands where g stands, and finds where g has to stop for others. */
static void meet(struct in_warp *w, struct in_group *g)
{
	uint32_t stop = UINT32_MAX;

	for_lanes(s, w->used) {
		struct in_group *o = &w->g[s];

		if (o == g || o->state != IN_G_RUN)
			continue;
		if (o->pc == g->pc && o->frame == g->frame) {
			g->mask |= o->mask;
			group_drop(w, s);
		} else if (o->pc > g->pc && o->pc < stop && o->frame->depth == g->frame->depth) {
			stop = o->pc;
		}
	}
	w->stop_pc = stop;
}

/* The group to run now; false: none can. */
static bool pick(struct in_warp *w)
{
	struct in_group *g = pick_one(w, false);

	if (!g) {
		/* All have been put behind the others: a new round, in which the last one to run comes last. */
		for_lanes(s, w->used)
			w->g[s].skip = w->g[s].skip && s == w->cur;
		g = pick_one(w, false);
		if (!g)
			g = pick_one(w, true);
		if (!g)
			return false;
	}
	meet(w, g);
	w->cur = (uint32_t)(g - w->g);
	w->base[0] = g->frame->rows;
	return true;
}

/* Is there another group that could run; in this round, or at all? */
static bool others_can_run(const struct in_warp *w, bool skipped_too)
{
	for_lanes(s, w->used)
		if (s != w->cur && w->g[s].state == IN_G_RUN && (skipped_too || !w->g[s].skip))
			return true;
	return false;
}

static uint32_t pred_lanes(const uint64_t *p)
{
	uint32_t m = 0;

#ifdef __SSE2__
	for (int l = 0; l < WARP; l += 2) {
		__m128i v = _mm_slli_epi64(_mm_load_si128((const __m128i *)(p + l)), 63);

		m |= (uint32_t)_mm_movemask_pd(_mm_castsi128_pd(v)) << l;
	}
#else
	for (int l = 0; l < WARP; l++)
		m |= (uint32_t)(p[l] & 1) << l;
#endif
	return m;
}

static uint32_t guard_lanes(const struct in_warp *w, const struct in_insn *i)
{
	uint32_t m = pred_lanes(in_row(w, i->guard));

	return i->guard_neg ? ~m : m;
}

static int spun(struct in_warp *w)
{
	w->spins = 0;
	w->edges = 0;
	return IN_SPIN;
}

/* At a jump backwards: cancellation, and whether the loop sees anything change. */
int in_back_edge(struct in_warp *w, uint32_t target)
{
	if (unlikely(*w->blk->s->cancel))
		return IN_CANCEL;
	if (w->obs_n) {
		if (w->obs == w->obs_last && w->obs_pc == target && !w->stored)
			w->spins++;
		else
			w->spins = 0;
		w->obs_last = w->obs;
		w->obs_pc = target;
		w->obs_n = 0;
		w->obs = 0;
		w->stored = false;
		if (w->spins >= SPINS_BEFORE_YIELD)
			return spun(w);
	}
	if (unlikely(++w->edges >= EDGES_BEFORE_YIELD)) {
		w->edges = 0;
		if (others_can_run(w, true))
			return spun(w);
	}
	return IN_JUMP;
}

int in_run_bra(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	struct in_group *g = in_cur(w);
	uint32_t rest = g->mask & ~m;
	bool back = i->target <= g->pc;
	int rc;

	if (rest) {
		g->mask = m;
		in_group_new(w, rest, g->pc + 1, g->frame);
	}
	g->pc = i->target;
	if (back) {
		rc = in_back_edge(w, i->target);
		if (rc != IN_JUMP)
			return rc;
	}
	return rest ? IN_RESCHED : IN_JUMP;
}

int in_run_brx(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *a = in_row(w, i->a);
	struct in_group *g = in_cur(w);
	uint32_t pc = g->pc, rest = g->mask & ~m;
	bool back = false;

	for_lanes(l, m)
		if ((uint32_t)a[l] >= i->table->n)
			return in_fault(w, i, l, VGPU_E_INVALID_PC, (uint32_t)a[l], "brx.idx: index %u, the table has %u targets",
					(uint32_t)a[l], i->table->n);
	if (rest) {
		g->mask = m;
		in_group_new(w, rest, pc + 1, g->frame);
	}
	/* One target at a time leaves the group; the last one keeps it. */
	while (m) {
		uint32_t t = (uint32_t)a[__builtin_ctz(m)], lanes = 0;

		for_lanes(l, m)
			if ((uint32_t)a[l] == t)
				lanes |= 1u << l;
		m &= ~lanes;
		back |= i->table->pc[t] <= pc;
		in_group_split(w, lanes, i->table->pc[t]);
	}
	if (back && in_back_edge(w, pc) == IN_CANCEL)
		return IN_CANCEL;
	return IN_RESCHED;
}

/* Lanes m, all of the running group or part of it, end. */
void in_lanes_exit(struct in_warp *w, uint32_t m)
{
	struct in_group *g = in_cur(w);

	w->live &= ~m;
	if (unlikely(w->blk->k->watch))
		w->blk->k->watch->exit(w);
	for (struct in_frame *f = g->frame; f; f = f->parent)
		f->live &= ~m;
	g->mask &= ~m;
	if (g->mask)
		g->pc++;
	else
		group_drop(w, w->cur);
	in_coll_recheck(w);
	if (!w->live)
		w->blk->n_done++;
	in_bar_recheck(w->blk);
}

int in_run_exit(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	in_lanes_exit(w, m);
	return IN_RESCHED;
}

int in_run_nop(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	return IN_NEXT;
}

int in_run_trap(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	return in_fault(w, i, (uint32_t)__builtin_ctz(m), VGPU_E_LAUNCH_FAILED, 0, "trap");
}

/* A sleeping group lets all others go first; how long they take is the sleep. */
int in_run_nanosleep(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	in_cur(w)->pc++;
	if (unlikely(*w->blk->s->cancel))
		return IN_CANCEL;
	return spun(w);
}

int in_run_fence(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return IN_NEXT;
}

/*
 * Runs until the warp can't go on (IN_RESCHED), seems to wait for another one
 * (IN_SPIN), has had its turn (IN_NEXT), faults or is cancelled.
 */
int in_warp_run(struct in_warp *w, uint32_t *budget)
{
	const struct in_insn *code = w->blk->k->code.v;
	uint32_t turn = *budget < TURN ? *budget : TURN, left = turn;
	struct in_group *g;
	int rc = IN_RESCHED;

	if (unlikely(*w->blk->s->cancel))
		return IN_CANCEL;
	while (pick(w)) {
		g = in_cur(w);
		do {
			const struct in_insn *i = &code[g->pc];
			uint32_t m = g->mask;

			if (left-- == 0) {
				*budget -= turn;
				return IN_NEXT;
			}
			if (i->guard != IN_NOROW)
				m &= guard_lanes(w, i);
			rc = m ? i->fn(w, i, m) : IN_NEXT;
			if (likely(rc == IN_NEXT))
				g->pc++;
			else if (rc != IN_JUMP)
				break;
			else if (w->used & (w->used - 1))
				break;
		} while (g->pc < w->stop_pc);
		if (rc == IN_SPIN) {
			g->skip = true;
			if (!others_can_run(w, false))
				break;
		}
		if (rc == IN_FAULT || rc == IN_CANCEL)
			return rc;
		if (unlikely(w->sync_fault))
			return IN_FAULT;
		rc = IN_RESCHED;
	}
	*budget -= turn - left;
	return rc;
}
