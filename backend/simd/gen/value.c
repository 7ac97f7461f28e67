/* value.c: a value's groups and lanes, and masks. */
#include "backend/simd/gen/gen.h"

static val pattern_const(struct gen *g, const int64_t *x, unsigned bits)
{
	LLVMTypeRef t = LLVMIntTypeInContext(g->cx, bits);
	val all[SD_MAX_W];

	for (unsigned l = 0; l < g->G; l++)
		all[l] = LLVMConstInt(t, (uint64_t)x[l], 1);
	return LLVMConstVector(all, g->G);
}

static bool all_zero(const int64_t *x, unsigned n)
{
	for (unsigned l = 0; l < n; l++)
		if (x[l])
			return false;
	return true;
}

static bool all_equal(const int64_t *x, unsigned n)
{
	for (unsigned l = 1; l < n; l++)
		if (x[l] != x[0])
			return false;
	return true;
}

/* base + C[lane] + k * K[lane] of the group's lanes. */
static val pattern_group(struct gen *g, const struct gen_val *x, unsigned bits, unsigned n)
{
	const int64_t *c = x->pat->c + n * g->G, *k = x->pat->k + n * g->G;
	LLVMTypeRef t = LLVMIntTypeInContext(g->cx, bits);
	val base = gen_cut(g, x->u, bits), v;

	if (x->pat->has_k && all_equal(k, g->G)) {
		base = LLVMBuildAdd(g->b, base, LLVMBuildMul(g->b, x->k, LLVMConstInt(t, (uint64_t)k[0], 1), ""), "");
		v = gen_splat(g, base);
	} else if (x->pat->has_k) {
		v = LLVMBuildMul(g->b, gen_splat(g, x->k), pattern_const(g, k, bits), "");
		v = LLVMBuildAdd(g->b, v, gen_splat(g, base), "");
	} else {
		v = gen_splat(g, base);
	}
	return all_zero(c, g->G) ? v : LLVMBuildAdd(g->b, v, pattern_const(g, c, bits), "");
}

val gen_group(struct gen *g, const struct gen_val *x, unsigned bits, unsigned n)
{
	switch (x->shape) {
	case GEN_U: return gen_splat(g, x->u);
	case GEN_P: return pattern_group(g, x, bits, n);
	default: return x->v[n];
	}
}

val gen_lane(struct gen *g, const struct gen_val *x, unsigned bits, unsigned lane)
{
	LLVMTypeRef t = LLVMIntTypeInContext(g->cx, bits);
	val v;

	if (x->shape == GEN_U)
		return x->u;
	if (x->shape == GEN_V)
		return LLVMBuildExtractElement(g->b, x->v[lane / g->G], LLVMConstInt(g->i32, lane % g->G, 0), "");
	v = LLVMBuildAdd(g->b, x->u, LLVMConstInt(t, (uint64_t)x->pat->c[lane], 1), "");
	if (x->pat->has_k)
		v = LLVMBuildAdd(g->b, v, LLVMBuildMul(g->b, x->k, LLVMConstInt(t, (uint64_t)x->pat->k[lane], 1), ""), "");
	return v;
}

val gen_mask_group(struct gen *g, const struct gen_mask *m, unsigned n)
{
	return m->full ? LLVMConstAllOnes(LLVMVectorType(g->i1, g->G)) : m->v[n];
}

val gen_mask_bits(struct gen *g, val v)
{
	return LLVMBuildBitCast(g->b, v, LLVMIntTypeInContext(g->cx, gen_lanes(v)), "");
}

val gen_mask_of_bits(struct gen *g, val bits)
{
	return LLVMBuildBitCast(g->b, bits, LLVMVectorType(g->i1, LLVMGetIntTypeWidth(LLVMTypeOf(bits))), "");
}

val gen_warp_bits(struct gen *g, const val *groups, unsigned w)
{
	unsigned per = 32 / g->G;
	val all = NULL;

	for (unsigned n = 0; n < per; n++) {
		val b = LLVMBuildZExt(g->b, gen_mask_bits(g, groups[w * per + n]), g->i32, "");

		if (n)
			b = LLVMBuildShl(g->b, b, LLVMConstInt(g->i32, n * g->G, 0), "");
		all = all ? LLVMBuildOr(g->b, all, b, "") : b;
	}
	return all;
}
