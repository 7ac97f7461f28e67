/*
 * mask.c: which lanes are where in world 1: a mask of those that have come to a
 * block, and of those that are parked at the barrier that ends one.
 */
#include "backend/simd/gen/coll.h"
#include "backend/simd/gen/emit.h"

val *gen_block_mask(struct gen_emit *e, uint32_t b)
{
	val *m = e->mask + (size_t)b * e->g->NG;

	for (unsigned n = 0; n < e->g->NG && !m[n]; n++)
		m[n] = gen_alloca(e, gen_mask_type(e->g));
	return m;
}

val *gen_park_mask(struct gen_emit *e, uint32_t b)
{
	val *m = e->park + (size_t)b * e->g->NG;

	for (unsigned n = 0; n < e->g->NG && !m[n]; n++)
		m[n] = gen_alloca(e, gen_mask_type(e->g));
	return m;
}

void gen_load_mask(struct gen_emit *e, const val *slots, val *out)
{
	for (unsigned n = 0; n < e->g->NG; n++)
		out[n] = gen_mask_unpack(e->g, LLVMBuildLoad2(e->g->b, gen_mask_type(e->g), slots[n], ""));
}

void gen_store_mask(struct gen_emit *e, const val *slots, const val *m)
{
	for (unsigned n = 0; n < e->g->NG; n++)
		LLVMBuildStore(e->g->b, m ? gen_mask_pack(e->g, m[n]) : LLVMConstNull(gen_mask_type(e->g)), slots[n]);
}

void gen_add_mask(struct gen_emit *e, const val *slots, const val *m)
{
	val old[GEN_MAX_NG];

	gen_load_mask(e, slots, old);
	for (unsigned n = 0; n < e->g->NG; n++)
		old[n] = LLVMBuildOr(e->g->b, old[n], m[n], "");
	gen_store_mask(e, slots, old);
}

/* Of the lanes m that have come to b those whose partners all have, if they live. The others go on waiting there. */
void gen_meet(struct gen_emit *e, uint32_t b, val *m)
{
	struct gen *g = e->g;
	const struct gen_insn *t = &e->f->blocks.v[b].insns.v[0];
	int members = coll_members_of(t->i);
	val live[GEN_MAX_NG], late[GEN_MAX_NG], missing[SD_MAX_WARPS];
	struct gen_val named;

	gen_load_mask(e, e->live, live);
	for (unsigned w = 0; w < g->n_warps; w++)
		missing[w] = LLVMBuildAnd(g->b, gen_warp_bits(g, live, w), LLVMBuildNot(g->b, gen_warp_bits(g, m, w), ""), "");
	if (members >= 0)
		gen_operand(e, t, &t->i->src[members], 32, false, &named);
	for (unsigned n = 0; n < g->NG; n++) {
		val lacks = gen_splat(g, missing[n * g->G / 32]);

		if (members >= 0)
			lacks = LLVMBuildAnd(g->b, lacks, gen_cut(g, gen_group(g, &named, 32, n), 32), "");
		late[n] = LLVMBuildAnd(g->b, m[n], LLVMBuildICmp(g->b, LLVMIntNE, lacks, LLVMConstNull(LLVMTypeOf(lacks)), ""), "");
		m[n] = LLVMBuildAnd(g->b, m[n], LLVMBuildNot(g->b, late[n], ""), "");
	}
	gen_store_mask(e, gen_block_mask(e, b), late);
}

void gen_zero_masks(struct gen_emit *e)
{
	for (uint32_t k = 0; k < e->f->n_order; k++) {
		if (e->f->blocks.v[e->f->order[k]].div)
			gen_store_mask(e, gen_block_mask(e, e->f->order[k]), NULL);
		if (e->f->general && e->f->blocks.v[e->f->order[k]].term == GEN_T_BAR)
			gen_store_mask(e, gen_park_mask(e, e->f->order[k]), NULL);
	}
}
