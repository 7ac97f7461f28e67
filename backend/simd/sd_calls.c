/* sd_calls.c: what generated code calls. */
#include <time.h>

#include "backend/simd/sd_priv.h"
#include "util/sys.h"

static bool insn(struct sd_ctx *c, uint32_t ref)
{
	struct sd_block *b = c->blk;

	if (unlikely(!b->shim)) {
		b->shim = sd_shim_new(b->v->insns);
		if (!b->shim) {
			b->fault->status = VGPU_E_NOMEM;
			c->why = SD_WHY_FAULT;
			return false;
		}
		sd_shim_start(b->shim, b->l, b->linear, b->v->code->meta.local_B);
	}
	return sd_shim_run(b->shim, c, ref, b->fault);
}

static void fault(struct sd_ctx *c, uint32_t ref, uint32_t status, uint32_t lane, uint64_t addr)
{
	struct sd_block *b = c->blk;

	if (!b->shim) {
		b->shim = sd_shim_new(b->v->insns);
		if (b->shim)
			sd_shim_start(b->shim, b->l, b->linear, b->v->code->meta.local_B);
	}
	b->fault->status = (int)status;
	if (b->shim)
		sd_shim_fault(b->shim, c, ref, (int)status, lane, addr, b->fault);
	c->why = SD_WHY_FAULT;
}

static uint64_t cycles(struct sd_ctx *c)
{
	uint64_t khz = c->blk->s->clock_khz ? c->blk->s->clock_khz : 1000000;

	return (uint64_t)((unsigned __int128)vgpu_now_ns() * khz / 1000000);
}

static uint64_t globaltimer(struct sd_ctx *c)
{
	struct timespec ts;

	(void)c;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool bar_arrive(struct sd_ctx *c, uint32_t ref, uint32_t id, uint32_t count)
{
	struct sd_block *b = c->blk;
	struct sd_gang *g = &b->gangs[c->gang];

	c->fault_ref = ref;
	for (unsigned w = 0; w < SD_MAX_WARPS; w++)
		c->bar_mask[w] = c->mask[w];
	if (sd_bar_arrive(b, g, id, count, false))
		return true;
	c->why = SD_WHY_FAULT;
	return false;
}

const struct sd_calls sd_calls = {
	.insn = insn,
	.fault = fault,
	.clock = cycles,
	.globaltimer = globaltimer,
	.bar_arrive = bar_arrive,
};
