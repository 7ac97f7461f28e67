/* sd_calls.c: what generated code calls. */
#include <time.h>

#include "backend/simd/sd_priv.h"
#include "util/sys.h"

/* What runs instructions of the part that runs; NULL: no memory. */
static struct sd_shim *shim(struct sd_block *b)
{
	struct sd_shim **s = &b->shim[b->part];

	if (unlikely(!*s)) {
		*s = sd_shim_new(b->v->part[b->part]->insns);
		if (*s)
			sd_shim_start(*s, b->l, b->linear, b->v->part[0]->code->meta.local_B);
	}
	return *s;
}

static bool insn(struct sd_ctx *c, uint32_t ref)
{
	struct sd_block *b = c->blk;
	struct sd_shim *s = shim(b);

	if (unlikely(!s)) {
		b->fault->status = VGPU_E_NOMEM;
		c->why = SD_WHY_FAULT;
		return false;
	}
	return sd_shim_run(s, c, ref, b->fault);
}

static void fault(struct sd_ctx *c, uint32_t ref, uint32_t status, uint32_t lane, uint64_t addr)
{
	struct sd_block *b = c->blk;
	struct sd_shim *s = shim(b);

	b->fault->status = (int)status;
	if (s)
		sd_shim_fault(s, c, ref, (int)status, lane, addr, b->fault);
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

	sd_block_settle(b, c->gang);
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
