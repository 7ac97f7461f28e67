/*
 * sd_bar.c: the sixteen barriers of a block, for gangs. Who arrives is counted;
 * nobody polls: the last arrival, or the end of the last thread that was
 * missing, releases the gangs that wait.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/simd/sd_priv.h"

static uint32_t red_result(const struct sd_barrier *r, uint32_t op)
{
	switch (op) {
	case IR_BOOL_AND: return r->all;
	case IR_BOOL_OR: return r->any;
	default: return r->popc;
	}
}

static void release(struct sd_block *b, uint32_t id)
{
	struct sd_barrier *r = &b->bar[id];

	b->c.bar_result = red_result(r, b->c.bar_op);
	for (uint32_t k = 0; k < b->n_gangs; k++)
		if (b->gangs[k].how == SD_G_BAR && b->gangs[k].bar == id) {
			b->gangs[k].how = SD_G_RUN;
			b->gangs[k].result = b->c.bar_result;
		}
	b->progress = true;
	*r = (struct sd_barrier){ 0 };
	b->bars &= ~(1u << id);
}

static bool is_complete(const struct sd_block *b, const struct sd_barrier *r)
{
	return r->arrived >= (r->expect ? r->expect : b->n_live);
}

/* As how many threads lanes of a warp count: where a number is named, all that are left are the whole warp. */
static uint32_t count_of(uint32_t in, uint32_t live, bool named)
{
	if (!in)
		return 0;
	return named && (in & live) == live ? 32 : sd_lanes(named ? in : in & live);
}

/* Warp w's lanes arrive, and don't wait; those that had already come count again where a number is named. */
static void arrive_ahead(struct sd_block *b, uint32_t id, uint32_t w, uint32_t in, uint32_t live)
{
	struct sd_barrier *r = &b->bar[id];
	struct sd_ahead *a = &b->ahead[id][w];
	uint32_t again, n;

	if (!r->ahead)
		memset(b->ahead[id], 0, sizeof(b->ahead[id]));
	r->ahead = true;
	again = a->lanes & in;
	a->lanes |= in;
	n = count_of(a->lanes, live, r->expect);
	r->arrived += n - a->n + (r->expect ? count_of(again, live, true) : 0);
	a->n = n;
}

static void recount(struct sd_block *b, uint32_t id, uint32_t w, uint32_t live)
{
	struct sd_barrier *r = &b->bar[id];
	struct sd_ahead *a = &b->ahead[id][w];
	uint32_t n = count_of(a->lanes, live, r->expect);

	r->arrived += n - a->n;
	a->n = n;
}

void sd_bar_recheck(struct sd_block *b, const struct sd_gang *g, const uint32_t *live)
{
	for (uint32_t m = b->bars; m; m &= m - 1) {
		uint32_t id = (uint32_t)__builtin_ctz(m);

		if (b->bar[id].ahead)
			recount(b, id, (uint32_t)(g - b->gangs), live[0]);
		if (is_complete(b, &b->bar[id]))
			release(b, id);
	}
}

VGPU_PRINTF(2, 3) static bool bad(struct sd_block *b, const char *fmt, ...)
{
	struct be_fault *f = b->fault;
	va_list ap;

	memset(f, 0, sizeof(*f));
	f->status = VGPU_E_ILLEGAL_INSTRUCTION;
	memcpy(f->block, b->c.ctaid, sizeof(f->block));
	if (b->c.fault_ref < b->v->part[b->part]->code->meta.n_refs)
		f->ptx_line = sd_insns_ir(b->v->part[b->part]->insns, b->c.fault_ref)->loc.line;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return false;
}

bool sd_bar_arrive(struct sd_block *b, struct sd_gang *g, uint32_t id, uint32_t count, bool waits)
{
	const uint32_t warps = b->v->part[0]->code->meta.W / 32;
	struct sd_barrier *r;

	if (id >= SD_NBARRIER)
		return bad(b, "barrier %u: there are 16", id);
	if (count % 32)
		return bad(b, "barrier %u: thread count %u is not a multiple of 32", id, count);
	/* naming all threads is the same as naming no number */
	if (count == (b->n_threads + 31) / 32 * 32)
		count = 0;
	r = &b->bar[id];
	if (!r->used) {
		*r = (struct sd_barrier){ .used = true, .expect = count, .all = true };
		b->bars |= 1u << id;
	} else if (r->expect != count)
		return bad(b, "barrier %u: thread count %u, others wait with another one", id, count);
	for (uint32_t w = 0; w < warps; w++) {
		uint32_t in = b->c.bar_mask[w] & g->valid[w];

		if (waits)
			r->arrived += count ? count_of(b->c.bar_mask[w], b->c.live[w], true) : sd_lanes(in);
		else
			arrive_ahead(b, id, (uint32_t)(g - b->gangs), in, b->c.live[w] & g->valid[w]);
		if (waits && b->c.bar_mode == IR_MODE_RED) {
			uint32_t p = b->c.bar_pred[w] & in;

			r->popc += sd_lanes(p);
			r->any |= p != 0;
			r->all &= p == in;
		}
	}
	if (waits) {
		g->how = SD_G_BAR;
		g->bar = (uint8_t)id;
	}
	if (is_complete(b, r))
		release(b, id);
	return true;
}
