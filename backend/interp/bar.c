/*
 * bar.c: the sixteen barriers of a block, and the barrier of a cluster.
 *
 * Threads arrive one by one. A barrier with a thread count is complete when
 * so many have arrived, where a warp of which every live lane has arrived
 * counts as 32; one without a count, when every live thread of the block has.
 * Nobody polls: the last arrival, or the exit of the last one missing,
 * releases the waiters.
 */
#include <string.h>

#include "backend/interp/interp.h"

static uint32_t arrived_count(const struct be_block *b, const struct in_barrier *r)
{
	uint32_t n = r->extra;

	for (uint32_t k = 0; k < b->n_warps; k++) {
		uint32_t live = b->warps[k].live, in = r->arrived[k];

		if (in)
			n += (in & live) == live ? WARP : (uint32_t)__builtin_popcount(in);
	}
	return n;
}

static bool is_complete(const struct be_block *b, const struct in_barrier *r)
{
	if (r->expect)
		return arrived_count(b, r) >= r->expect;
	for (uint32_t k = 0; k < b->n_warps; k++)
		if (b->warps[k].live & ~r->arrived[k])
			return false;
	return true;
}

static uint64_t red_result(const struct in_barrier *r, const struct ir_insn *ir)
{
	switch (ir->boolop) {
	case IR_BOOL_AND: return r->all;
	case IR_BOOL_OR: return r->any;
	default: return r->popc;
	}
}

static void release(struct be_block *b, uint32_t id)
{
	struct in_barrier *r = &b->bar[id];

	for (uint32_t k = 0; k < b->n_warps; k++) {
		struct in_warp *w = &b->warps[k];

		for_lanes(s, w->used) {
			struct in_group *g = &w->g[s];
			const struct in_insn *i = &b->k->code.v[g->pc];

			if (g->state != IN_G_BAR || g->bar != id)
				continue;
			if (i->ir->mode == IR_MODE_RED)
				for_lanes(l, g->mask)
					in_frame_row(b->k, g->frame, i->d)[l] = red_result(r, i->ir);
			g->state = IN_G_RUN;
			g->pc++;
			if (unlikely(b->k->watch))
				b->k->watch->release(w, id);
		}
	}
	memset(r->arrived, 0, b->n_warps * sizeof(*r->arrived));
	r->used = false;
	r->expect = r->extra = r->popc = 0;
}

/* After lanes have exited: barriers that waited for them alone. */
void in_bar_recheck(struct be_block *b)
{
	for (uint32_t id = 0; id < IN_NBARRIER; id++)
		if (b->bar[id].used && is_complete(b, &b->bar[id]))
			release(b, id);
}

static void arrive(struct in_warp *w, struct in_barrier *r, uint32_t m)
{
	uint32_t again = r->arrived[w->index] & m;

	if (again)
		r->extra += again == w->live ? WARP : (uint32_t)__builtin_popcount(again);
	r->arrived[w->index] |= m;
}

static void reduce(struct in_warp *w, const struct in_insn *i, struct in_barrier *r, uint32_t m)
{
	const uint64_t *p = in_row(w, i->c);

	for_lanes(l, m) {
		r->popc += p[l] & 1;
		r->all &= p[l] & 1;
		r->any |= p[l] & 1;
	}
}

/* Lanes m name the same barrier and count. */
static int bar_arrive(struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t id, uint32_t count)
{
	struct be_block *b = w->blk;
	struct in_barrier *r = &b->bar[id];
	struct in_group *g = in_cur(w);
	uint32_t lane = (uint32_t)__builtin_ctz(m);

	if (!r->used) {
		r->used = true;
		r->expect = count;
		r->all = true;
		r->any = false;
	} else if (r->expect != count) {
		return in_fault(w, i, lane, VGPU_E_ILLEGAL_INSTRUCTION, 0,
				"barrier %u: thread count %u, others wait with %u", id, count, r->expect);
	}
	arrive(w, r, m);
	if (unlikely(b->k->watch))
		b->k->watch->arrive(w, id);
	if (i->ir->mode == IR_MODE_RED)
		reduce(w, i, r, m);
	if (i->ir->mode == IR_MODE_ARRIVE) {
		in_group_split(w, m, g->pc + 1);
	} else {
		uint32_t rest = g->mask & ~m;

		g->mask = m;
		g->state = IN_G_BAR;
		g->bar = (uint8_t)id;
		if (rest) {
			/* Those not yet dealt with stay the running group. */
			struct in_group *n = in_group_new(w, rest, g->pc, g->frame);

			w->cur = (uint32_t)(n - w->g);
		}
	}
	if (is_complete(b, r))
		release(b, id);
	return 0;
}

int in_run_bar(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *a = in_row(w, i->a), *n = in_row(w, i->b);
	struct in_group *g = in_cur(w);
	uint32_t rest = g->mask & ~m;

	for_lanes(l, m) {
		if ((uint32_t)a[l] >= IN_NBARRIER)
			return in_fault(w, i, l, VGPU_E_ILLEGAL_INSTRUCTION, 0, "barrier %u: there are 16", (uint32_t)a[l]);
		if (n[l] % WARP)
			return in_fault(w, i, l, VGPU_E_ILLEGAL_INSTRUCTION, 0,
					"barrier %u: thread count %u is not a multiple of 32", (uint32_t)a[l], (uint32_t)n[l]);
	}
	if (rest) {
		g->mask = m;
		in_group_new(w, rest, g->pc + 1, g->frame);
	}
	while (m) {
		uint32_t first = (uint32_t)__builtin_ctz(m), lanes = 0, count = (uint32_t)n[first];
		int rc;

		for_lanes(l, m)
			if (a[l] == a[first] && n[l] == n[first])
				lanes |= 1u << l;
		m &= ~lanes;
		/* Naming all threads is the same as naming no number. */
		if (count == w->blk->n_warps * WARP)
			count = 0;
		rc = bar_arrive(w, i, lanes, (uint32_t)a[first], count);
		if (rc)
			return rc;
	}
	return IN_RESCHED;
}

/*
 * barrier.cluster: arrivals are counted per block; a block whose every live
 * thread has arrived publishes the phase. Waiters are polled for by block_run.
 */
static void cluster_publish(struct be_block *b)
{
	if (!b->cl_arrived)
		return;
	for (uint32_t k = 0; k < b->n_warps; k++)
		for_lanes(l, b->warps[k].live)
			if (b->warps[k].cl_wait[l] <= b->cl_gen)
				return;
	b->cl_arrived = 0;
	b->cl_gen++;
	if (b->cluster)
		__atomic_store_n(&b->cluster->peer[b->rank].gen, b->cl_gen, __ATOMIC_RELEASE);
}

static bool cluster_complete(const struct be_block *b, uint32_t gen)
{
	if (b->cl_gen < gen)
		return false;
	for (uint32_t k = 0; b->cluster && k < b->cluster->n; k++)
		if (__atomic_load_n(&b->cluster->peer[k].gen, __ATOMIC_ACQUIRE) < gen)
			return false;
	return true;
}

void in_bar_cluster_poll(struct be_block *b)
{
	cluster_publish(b);
	for (uint32_t k = 0; k < b->n_warps; k++) {
		struct in_warp *w = &b->warps[k];

		for_lanes(s, w->used) {
			struct in_group *g = &w->g[s];
			uint32_t gen = 0;

			if (g->state != IN_G_BAR || g->bar != IN_NBARRIER)
				continue;
			for_lanes(l, g->mask)
				gen = MAX(gen, w->cl_wait[l]);
			if (!cluster_complete(b, gen))
				continue;
			g->state = IN_G_RUN;
			g->pc++;
			if (unlikely(b->k->watch))
				b->k->watch->release(w, IN_NBARRIER);
		}
	}
}

int in_run_bar_cluster(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	struct be_block *b = w->blk;
	struct in_group *g = in_cur(w);
	uint32_t rest = g->mask & ~m;

	if (i->ir->mode == IR_MODE_ARRIVE) {
		if (unlikely(b->k->watch))
			b->k->watch->arrive(w, IN_NBARRIER);
		for_lanes(l, m)
			w->cl_wait[l] = b->cl_gen + 1;
		b->cl_arrived += (uint32_t)__builtin_popcount(m);
		cluster_publish(b);
		return IN_NEXT;
	}
	if (rest) {
		g->mask = m;
		in_group_new(w, rest, g->pc + 1, g->frame);
	}
	g->state = IN_G_BAR;
	g->bar = IN_NBARRIER;
	in_bar_cluster_poll(b);
	return IN_RESCHED;
}
