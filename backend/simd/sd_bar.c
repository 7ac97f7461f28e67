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

void sd_bar_recheck(struct sd_block *b)
{
	for (uint32_t m = b->bars; m; m &= m - 1) {
		uint32_t id = (uint32_t)__builtin_ctz(m);

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
	if (b->c.fault_ref < b->v->code->meta.n_refs)
		f->ptx_line = sd_insns_ir(b->v->insns, b->c.fault_ref)->loc.line;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return false;
}

/* Threads of warp w that arrive, as a barrier with a count has them. */
static uint32_t warp_count(const struct sd_block *b, uint32_t w)
{
	uint32_t in = b->c.bar_mask[w], live = b->c.live[w];

	if (!in)
		return 0;
	return (in & live) == live ? 32 : (uint32_t)__builtin_popcount(in);
}

bool sd_bar_arrive(struct sd_block *b, struct sd_gang *g, uint32_t id, uint32_t count, bool waits)
{
	const uint32_t warps = b->v->code->meta.W / 32;
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

		r->arrived += count ? warp_count(b, w) : (uint32_t)__builtin_popcount(in);
		if (waits && b->c.bar_mode == IR_MODE_RED) {
			uint32_t p = b->c.bar_pred[w] & in;

			r->popc += (uint32_t)__builtin_popcount(p);
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
