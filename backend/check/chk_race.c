/*
 * chk_race.c: hazards in shared memory: two threads touch a byte, at least one
 * of them writes, not both by strong (volatile, relaxed, atomic) accesses, and
 * nothing orders the two.
 *
 * What orders: between warps, vector clocks. Every access to shared memory is
 * a moment of its warp; a barrier takes the clocks of those who arrive, and
 * hands them to those it lets go; so do, by address, strong accesses and
 * mbarriers, whatever their order and scope say, and so does a thread's end.
 * Clocks are a warp's, not a thread's: a divergent warp is thought to be
 * ordered by what only some of its lanes have waited for.
 *
 * Inside a warp: lanes that stand together at an access, or that have stood
 * together or met at a collective (bar.warp.sync …) since, are ordered. So
 * lockstep counts: what isn't ordered are the sides of a branch. The log says
 * who stood together when; what it has forgotten counts as ordered.
 *
 * In one instruction only stores of different values to one byte are a hazard.
 * Between warps, too, writing what is there already is none.
 *
 * Each of these errs on the side of silence.
 */
#include <string.h>

#include "backend/check/chk_priv.h"

static void join(struct chk_clock *to, const struct chk_clock *from, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		to->at[k] = MAX(to->at[k], from->at[k]);
}

static struct chk_clock *clock_of(const struct in_warp *w)
{
	return &w->blk->chk->warp[w->index];
}

void chk_tick(struct in_warp *w, uint32_t m)
{
	struct chk_block *s = w->blk->chk;
	uint32_t now;

	if (!s)
		return;
	now = ++clock_of(w)->at[w->index];
	s->log[w->index][now & (CHK_LOG - 1)] = m;
}

void chk_bar_arrive(struct in_warp *w, uint32_t bar)
{
	join(&w->blk->chk->bar[bar], clock_of(w), w->blk->n_warps);
}

/*
 * A barrier for all threads doesn't wait for those that have exited: their end
 * counts as coming, if they hadn't come before. Lanes of one warp may have come
 * from different places.
 */
void chk_bar_release(struct in_warp *w, uint32_t bar)
{
	struct be_block *b = w->blk;
	struct chk_block *s = b->chk;

	join(clock_of(w), &s->bar[bar], b->n_warps);
	for (uint32_t v = 0; v < b->n_warps; v++) {
		const struct in_warp *o = &b->warps[v];
		uint32_t came = bar < IN_NBARRIER ? b->bar[bar].arrived[v] : 0;

		if (o->valid & ~o->live & ~came)
			join(clock_of(w), &s->gone[v], b->n_warps);
		if (o == w)
			chk_tick(w, bar < IN_NBARRIER ? came | (o->valid & ~o->live) : ALL_LANES);
	}
}

void chk_exit(struct in_warp *w)
{
	join(&w->blk->chk->gone[w->index], clock_of(w), w->blk->n_warps);
}

static struct chk_slot *slot_of(const struct in_warp *w, uint64_t addr)
{
	return &w->blk->chk->slot[(addr >> 2) * 0x9e3779b97f4a7c15ull >> 58];
}

void chk_acquire(struct in_warp *w, uint32_t lane, uint64_t addr)
{
	const struct chk_slot *s = slot_of(w, addr);

	join(clock_of(w), &s->clock, w->blk->n_warps);
	if (s->lanes[w->index] & ~(1u << lane))
		chk_tick(w, s->lanes[w->index] | 1u << lane);
}

void chk_release(struct in_warp *w, uint32_t lane, uint64_t addr)
{
	struct chk_slot *s = slot_of(w, addr);

	join(&s->clock, clock_of(w), w->blk->n_warps);
	s->lanes[w->index] |= 1u << lane;
}

/* ---- is it ordered? ---- */

static bool met_since(const struct in_warp *w, uint32_t a, uint32_t b, uint32_t time)
{
	const uint32_t *log = w->blk->chk->log[w->index];
	uint32_t now = clock_of(w)->at[w->index], both = 1u << a | 1u << b;

	if (now - time >= CHK_LOG)
		return true;
	for (uint32_t t = time; t <= now; t++)
		if ((log[t & (CHK_LOG - 1)] & both) == both)
			return true;
	return false;
}

static bool ordered(const struct chk_shared *a, const struct chk_touch *t)
{
	uint32_t thread = t->thread - 1u, v = thread / WARP;

	if (v == a->w->index)
		return thread % WARP == a->lane || met_since(a->w, a->lane, thread % WARP, t->time);
	return t->time <= clock_of(a->w)->at[v];
}

/* Another lane has written the byte in this very instruction. */
static bool same_insn(const struct chk_shared *a, const struct chk_touch *t)
{
	return (t->thread - 1u) / WARP == a->w->index && t->time == clock_of(a->w)->at[a->w->index] && (t->thread - 1u) % WARP != a->lane;
}

/* ---- hazards ---- */

static bool touched(const struct chk_touch *t)
{
	return t->thread != 0;
}

static void found(const struct chk_shared *a, const struct chk_touch *t, bool wrote)
{
	struct chk_site s = { .w = a->w, .i = a->i, .lane = a->lane, .space = "shared", .addr = a->off, .n = a->n, .write = a->writes };

	chk_report_race(&s, t->thread - 1u, t->pc, wrote);
}

/* … and with another value? */
static bool differs(const struct chk_shared *a, const struct chk_touch *t, uint32_t k)
{
	uint32_t lane = (t->thread - 1u) % WARP;

	return !a->value || !a->all_off || chk_value(a->w, a->i, lane, (uint32_t)(a->off + k - a->all_off[lane])) != a->value[k];
}

static bool is_conflict(const struct chk_shared *a, const struct chk_touch *t)
{
	return touched(t) && !(t->strong && a->strong) && !ordered(a, t);
}

/* What a store of byte k writes is there already: whoever comes first, nothing changes. */
static bool changes_nothing(const struct chk_shared *a, uint32_t k)
{
	return a->value && a->value[k] == a->w->blk->shared[a->off + k];
}

/* The touch that byte k of the access conflicts with; NULL: none. *calm: because of what is ordered, not of the value. */
static const struct chk_touch *conflict(const struct chk_shared *a, const struct chk_byte *y, uint32_t k, bool *calm)
{
	const struct chk_touch *t = NULL;

	*calm = true;
	if (a->writes && touched(&y->w) && !(y->w.strong && a->strong) && same_insn(a, &y->w)) {
		*calm = false;
		return differs(a, &y->w, k) ? &y->w : NULL;
	}
	if (is_conflict(a, &y->w))
		t = &y->w;
	for (int r = 0; r < 2 && a->writes && !t; r++)
		if (is_conflict(a, &y->r[r]))
			t = &y->r[r];
	*calm = !t;
	return t && a->writes && changes_nothing(a, k) ? NULL : t;
}

static struct chk_touch touch_of(const struct chk_shared *a)
{
	return (struct chk_touch){
		.time = clock_of(a->w)->at[a->w->index], .pc = chk_pc(a->w),
		.thread = (uint16_t)(a->w->thread0 + a->lane + 1), .strong = a->strong,
	};
}

/* Two readers are kept; one that is over for the new one gives way to it. */
static void note_read(const struct chk_shared *a, struct chk_byte *y, struct chk_touch now)
{
	for (int k = 0; k < 2; k++)
		if (!touched(&y->r[k]) || (y->r[k].thread - 1u) / WARP == a->w->index || ordered(a, &y->r[k])) {
			y->r[k] = now;
			return;
		}
}

static bool same_touches(const struct chk_byte *x, const struct chk_byte *y)
{
	return !memcmp(&x->w, &y->w, sizeof(x->w)) && !memcmp(x->r, y->r, sizeof(x->r));
}

void chk_race(const struct chk_shared *a)
{
	struct chk_byte *y = &a->w->blk->chk->shared[a->off], was, is;
	struct chk_touch now = touch_of(a);
	bool told = false, calm = false;

	for (uint32_t k = 0; k < a->n; k++, y++) {
		const struct chk_touch *t;

		/* mostly the bytes of an access have had the same done to them: what was found out of one holds for the next */
		if (k && calm && same_touches(y, &was)) {
			is.written = y->written;
			*y = is;
			continue;
		}
		was = *y;
		t = conflict(a, y, k, &calm);
		if (t && !told)
			found(a, t, t == &y->w);
		told |= t != NULL;
		if (a->writes) {
			y->w = now;
			memset(y->r, 0, sizeof(y->r));
		} else {
			note_read(a, y, now);
		}
		is = *y;
	}
}
