/* coll_vote.c: vote, activemask, elect, bar.warp.sync: what comes of the lanes' bits. */
#include "backend/simd/gen/coll.h"

/* The lanes of warp w that execute and whose predicate is set. */
static val yes_lanes(struct coll *c, unsigned w)
{
	struct gen *g = c->g;
	val groups[GEN_MAX_NG];

	if (c->src[0].shape == GEN_U) {
		val p = gen_cut(g, c->src[0].u, 1);

		return LLVMBuildSelect(g->b, p, c->lanes[w], coll_i32(c, 0), "");
	}
	for (unsigned n = w * c->per; n < (w + 1) * c->per; n++)
		groups[n] = LLVMBuildAnd(g->b, coll_src(c, 0, n, 1), gen_mask_group(g, c->m, n), "");
	return gen_warp_bits(g, groups, w);
}

/* yes, part: i32, or a group's lanes of them. */
static val result(struct coll *c, val yes, val part)
{
	LLVMBuilderRef b = c->g->b;
	val zero = gen_const(c->g, yes, 32, 0), all = LLVMBuildICmp(b, LLVMIntEQ, yes, part, "");

	switch (c->i->mode) {
	case IR_MODE_ALL: return all;
	case IR_MODE_ANY: return LLVMBuildICmp(b, LLVMIntNE, yes, zero, "");
	case IR_MODE_UNI: return LLVMBuildOr(b, all, LLVMBuildICmp(b, LLVMIntEQ, yes, zero, ""), "");
	default: return yes;
	}
}

/* A predicate that is the same everywhere: only ballot has to look who is there. */
static bool vote_uniform(struct coll *c)
{
	val p = gen_cut(c->g, c->src[0].u, 1);

	if (c->i->mode == IR_MODE_BALLOT)
		return false;
	coll_set_u(c, 0, c->i->mode == IR_MODE_UNI ? LLVMConstInt(c->g->i1, 1, 0) : p);
	return true;
}

bool coll_vote(struct coll *c)
{
	struct gen *g = c->g;
	val r[SD_MAX_WARPS];

	if (c->src[0].shape == GEN_U && vote_uniform(c))
		return true;
	for (unsigned w = 0; w < g->n_warps; w++)
		r[w] = yes_lanes(c, w);
	if (!c->members) {
		for (unsigned w = 0; w < g->n_warps; w++)
			r[w] = result(c, r[w], c->lanes[w]);
		coll_set_warps(c, 0, r);
		return true;
	}
	c->dst[0].shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++) {
		val part = coll_parts(c, n), yes = LLVMBuildAnd(g->b, part, gen_splat(g, r[n / c->per]), "");

		c->dst[0].v[n] = result(c, yes, part);
	}
	return true;
}

bool coll_activemask(struct coll *c)
{
	coll_set_warps(c, 0, c->lanes);
	return true;
}

static val first_lane(struct coll *c, val part)
{
	LLVMTypeRef t = LLVMTypeOf(part);
	val args[] = { part, LLVMConstInt(c->g->i1, 0, 0) };

	return gen_intrinsic(c->g, "llvm.cttz", &t, 1, args, 2);
}

bool coll_elect(struct coll *c)
{
	struct gen *g = c->g;
	val leader[SD_MAX_WARPS];

	c->dst[1].shape = GEN_V;
	if (!c->members) {
		for (unsigned w = 0; w < g->n_warps; w++)
			leader[w] = first_lane(c, c->lanes[w]);
		coll_set_warps(c, 0, leader);
		for (unsigned n = 0; n < g->NG; n++)
			c->dst[1].v[n] = LLVMBuildICmp(g->b, LLVMIntEQ, coll_lane_numbers(c, n),
						       gen_splat(g, leader[n / c->per]), "");
		return true;
	}
	c->dst[0].shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++) {
		c->dst[0].v[n] = first_lane(c, coll_parts(c, n));
		c->dst[1].v[n] = LLVMBuildICmp(g->b, LLVMIntEQ, coll_lane_numbers(c, n), c->dst[0].v[n], "");
	}
	return true;
}

/* The lanes stand here together already: memory accesses must not move across, nothing else. */
bool coll_bar_warp(struct coll *c)
{
	LLVMBuildFence(c->g->b, LLVMAtomicOrderingSequentiallyConsistent, 1, "");
	return true;
}
