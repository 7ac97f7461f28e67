/*
 * cross.c: from one half of a kernel's code to the other. Where each world is
 * an object of its own, a way from one to the other is a state of both,
 * numbered by block and kind: one saves what lives, as it is in world 0, the
 * other reads it.
 */
#include "backend/simd/gen/emit.h"

static uint32_t cross_state(enum gen_cross how, uint32_t b)
{
	return SD_CROSS + b * GEN_CROSS_KINDS + how;
}

const val *gen_cross_slots(struct gen_emit *e)
{
	for (unsigned n = 0; n < e->g->NG && !e->cross[n]; n++)
		e->cross[n] = gen_alloca(e, gen_mask_type(e->g));
	return e->cross;
}

static void cross_frame(struct gen_emit *e, enum gen_cross how, uint32_t b, bool save)
{
	const struct gen_func *f = e->f;
	const struct gen_block *k = &f->blocks.v[b];
	val frame = gen_load_ctx(e, offsetof(struct sd_ctx, frame), e->g->ptr);
	uint32_t at = 0;

	for (uint32_t r = 0; r < f->regs.n; r++) {
		bool lives = how != GEN_CROSS_PART ? gen_in(k->live_in, r) :
						 gen_in(f->blocks.v[k->succ[0]].live_in, r) || gen_in(f->blocks.v[k->succ[1]].live_in, r);

		if (lives)
			gen_frame_reg(e, 0, r, save, frame, &at);
	}
	if (how == GEN_CROSS_PART)
		gen_frame_masks(e, gen_cross_slots(e), e->g->NG, save, frame, &at);
	e->frame_B = MAX(e->frame_B, at);
}

void gen_cross_leave(struct gen_emit *e, uint32_t state)
{
	gen_store_ctx(e, offsetof(struct sd_ctx, why), LLVMConstInt(e->g->i32, SD_WHY_WORLD, 0));
	LLVMBuildRet(e->g->b, LLVMConstInt(e->g->i32, state, 0));
}

void gen_cross_out(struct gen_emit *e, enum gen_cross how, uint32_t b)
{
	cross_frame(e, how, b, true);
	gen_cross_leave(e, cross_state(how, b));
}

void gen_cross_in(struct gen_emit *e, enum gen_cross how, uint32_t b)
{
	LLVMBasicBlockRef in = gen_new_bb(e, "cross");

	LLVMAddCase(e->switch_, LLVMConstInt(e->g->i32, cross_state(how, b), 0), in);
	gen_at(e, in);
	cross_frame(e, how, b, false);
}
