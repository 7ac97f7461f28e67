/*
 * coll_match.c: match. A loop takes the first lane that has no answer yet and
 * answers for all that have its value: as many rounds as there are values.
 */
#include "backend/simd/gen/coll.h"

static val equal_lanes(struct coll *c, unsigned w, const val *a, val x, val *eq)
{
	struct gen *g = c->g;

	for (unsigned k = 0; k < c->per; k++)
		eq[w * c->per + k] = LLVMBuildICmp(g->b, LLVMIntEQ, a[k], gen_splat(g, x), "");
	return LLVMBuildAnd(g->b, gen_warp_bits(g, eq, w), c->lanes[w], "");
}

static val store_warp(struct coll *c, LLVMTypeRef t, const val *a)
{
	val p = coll_scratch(c->g, t, 32);

	for (unsigned k = 0; k < c->per; k++)
		LLVMSetAlignment(LLVMBuildStore(c->g->b, a[k], coll_at(c->g, t, p, coll_i32(c, k * c->g->G))), 16);
	return p;
}

/* By lane, the executing lanes with the same value: out[per]. */
static void same_lanes(struct coll *c, unsigned w, unsigned bits, val *out)
{
	struct gen *g = c->g;
	LLVMTypeRef t = LLVMIntTypeInContext(g->cx, bits);
	struct coll_loop l;
	val a[32], eq[GEN_MAX_NG], next[32], same, p;

	for (unsigned k = 0; k < c->per; k++) {
		a[k] = coll_src(c, 0, w * c->per + k, bits);
		out[k] = LLVMConstNull(gen_int_type(g, 32, g->G));
	}
	p = store_warp(c, t, a);
	coll_loop_begin(g, &l, c->lanes[w], out, c->per);
	same = equal_lanes(c, w, a, LLVMBuildLoad2(g->b, t, coll_at(g, t, p, l.lane), ""), eq);
	for (unsigned k = 0; k < c->per; k++)
		next[k] = LLVMBuildSelect(g->b, eq[w * c->per + k], gen_splat(g, same), l.phi[k], "");
	coll_loop_end(g, &l, next, same);
	coll_scratch_end(g, p);
	for (unsigned k = 0; k < c->per; k++)
		out[k] = l.phi[k];
}

/* match.all where all lanes work together: do they have the first one's value? */
static val all_same(struct coll *c, unsigned w, unsigned bits)
{
	struct gen *g = c->g;
	LLVMTypeRef t = LLVMIntTypeInContext(g->cx, bits);
	val a[32], eq[GEN_MAX_NG], args[] = { c->lanes[w], LLVMConstInt(g->i1, 0, 0) }, first, x, p, same;

	for (unsigned k = 0; k < c->per; k++)
		a[k] = coll_src(c, 0, w * c->per + k, bits);
	if (c->m->full) {
		x = LLVMBuildExtractElement(g->b, a[0], coll_i32(c, 0), "");
		return LLVMBuildICmp(g->b, LLVMIntEQ, equal_lanes(c, w, a, x, eq), c->lanes[w], "");
	}
	p = store_warp(c, t, a);
	first = LLVMBuildAnd(g->b, gen_intrinsic(g, "llvm.cttz", &g->i32, 1, args, 2), coll_i32(c, 31), "");
	x = LLVMBuildLoad2(g->b, t, coll_at(g, t, p, first), "");
	coll_scratch_end(g, p);
	same = equal_lanes(c, w, a, x, eq);
	return LLVMBuildICmp(g->b, LLVMIntEQ, same, c->lanes[w], "");
}

static bool match_together(struct coll *c, unsigned bits)
{
	struct gen *g = c->g;
	bool uniform = c->src[0].shape == GEN_U;
	val d[SD_MAX_WARPS], p[SD_MAX_WARPS];

	for (unsigned w = 0; w < g->n_warps; w++) {
		p[w] = uniform ? LLVMConstInt(g->i1, 1, 0) : all_same(c, w, bits);
		d[w] = LLVMBuildSelect(g->b, p[w], c->lanes[w], coll_i32(c, 0), "");
	}
	coll_set_warps(c, 0, d);
	coll_set_warps(c, 1, p);
	if (uniform)
		coll_set_u(c, 1, p[0]);
	return true;
}

bool coll_match(struct coll *c)
{
	struct gen *g = c->g;
	unsigned bits = ir_type_bits(c->i->type);
	bool all = c->i->mode == IR_MODE_ALL, uniform = c->src[0].shape == GEN_U;

	if (!c->members && (all || uniform))
		return all ? match_together(c, bits) : coll_activemask(c);
	c->dst[0].shape = c->dst[1].shape = GEN_V;
	for (unsigned w = 0; w < g->n_warps; w++) {
		val same[32];

		same_lanes(c, w, bits, same);
		for (unsigned k = 0; k < c->per; k++) {
			unsigned n = w * c->per + k;
			val part, d = same[k];

			c->dst[0].v[n] = d;
			if (!c->members)
				continue;
			part = coll_parts(c, n);
			d = LLVMBuildAnd(g->b, d, part, "");
			c->dst[1].v[n] = LLVMBuildICmp(g->b, LLVMIntEQ, d, part, "");
			c->dst[0].v[n] = all ? LLVMBuildSelect(g->b, c->dst[1].v[n], d, gen_const(g, d, 32, 0), "") : d;
		}
	}
	if (all && uniform)
		coll_set_u(c, 1, LLVMConstInt(g->i1, 1, 0));
	return true;
}
