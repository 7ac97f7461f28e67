/*
 * coll_shfl.c: shfl. Which lane each one reads is known here when lane (or
 * delta) and clamp are constants: then it is constant shuffles of a warp's
 * groups. Else it is computed, and the values come by the machine's table
 * look-up, or through memory.
 *
 * A source lane that doesn't execute gives 0: PTX leaves it undefined, GPUs do it (sm_90), and reductions over fewer lanes
 * than the shuffles reach build on it. So a uniform source's result isn't uniform.
 */
#include "backend/simd/gen/coll.h"

static bool constant(const struct gen_val *v, uint32_t *x)
{
	if (v->shape != GEN_U || !LLVMIsAConstantInt(v->u))
		return false;
	*x = (uint32_t)LLVMConstIntGetZExtValue(v->u);
	return true;
}

/* The manual's rule. */
static unsigned source(uint8_t mode, int lane, uint32_t b, uint32_t c, bool *ok)
{
	int bval = (int)(b & 31), cval = (int)(c & 31), seg = (int)(c >> 8 & 31);
	int max = (lane & seg) | (cval & ~seg), j;

	switch (mode) {
	case IR_MODE_UP: j = lane - bval; *ok = j >= max; break;
	case IR_MODE_DOWN: j = lane + bval; *ok = j <= max; break;
	case IR_MODE_BFLY: j = lane ^ bval; *ok = j <= max; break;
	default: j = (lane & seg) | (bval & ~seg); *ok = j <= max; break;
	}
	return (unsigned)(*ok ? j : lane);
}

/* Is the predicate true whatever b is? */
static bool in_range_always(uint8_t mode, uint32_t c)
{
	return (c & 31) == 31 && (mode == IR_MODE_IDX || (mode == IR_MODE_BFLY && !(c >> 8 & 31)));
}

/* One lane for the whole warp? */
static bool is_broadcast(uint8_t mode, uint32_t c)
{
	return mode == IR_MODE_IDX && (c & 31) == 31 && !(c >> 8 & 31);
}

static bool is_u(enum gen_shape s)
{
	return s == GEN_U || s == GEN_BOTTOM;
}

static bool first_predicate(uint8_t mode, uint32_t b, uint32_t c)
{
	bool ok;

	source(mode, 0, b, c, &ok);
	return ok;
}

static bool same_predicate(uint8_t mode, uint32_t b, uint32_t c)
{
	bool first = first_predicate(mode, b, c), ok;

	for (int l = 1; l < 32; l++) {
		source(mode, l, b, c, &ok);
		if (ok != first)
			return false;
	}
	return true;
}

enum gen_shape coll_shfl_shape(const struct gen *g, const struct ir_insn *i, unsigned n_dst, const enum gen_shape *src)
{
	bool b_imm = i->src[1].kind == IR_OPND_IMM, c_imm = i->src[2].kind == IR_OPND_IMM;
	uint32_t b = (uint32_t)i->src[1].imm, c = (uint32_t)i->src[2].imm;

	if (n_dst == 1)
		return c_imm && (in_range_always(i->mode, c) || (b_imm && same_predicate(i->mode, b, c))) ? GEN_U : GEN_V;
	return g->n_warps == 1 && c_imm && is_u(src[1]) && is_broadcast(i->mode, c) ? GEN_U : GEN_V;
}

/* A group of what is shuffled. */
static val value(struct coll *c, unsigned n)
{
	val v = coll_src(c, 0, n, 32);

	if (c->m->full)
		return v;
	return LLVMBuildSelect(c->g->b, gen_mask_group(c->g, c->m, n), v, LLVMConstNull(LLVMTypeOf(v)), "");
}

/* ---- lanes known here ---- */

/* Lanes from[k] of the warp's groups as a vector. */
static val pick_const(struct coll *c, const val *groups, const unsigned *from)
{
	unsigned G = c->g->G;
	val acc = NULL, idx[32];
	bool have[32] = { false };

	for (;;) {
		unsigned next = 0, left = 0;

		for (unsigned k = G; k-- > 0;)
			if (!have[k]) {
				next = from[k] / G;
				left++;
			}
		if (!left)
			return acc;
		for (unsigned k = 0; k < G; k++) {
			bool here = !have[k] && from[k] / G == next;

			/* acc, then the new group; what is still missing may be anything */
			if (here)
				idx[k] = coll_i32(c, (acc ? G : 0) + from[k] % G);
			else
				idx[k] = have[k] ? coll_i32(c, k) : LLVMGetPoison(c->g->i32);
			have[k] |= here;
		}
		if (acc)
			acc = LLVMBuildShuffleVector(c->g->b, acc, groups[next], LLVMConstVector(idx, G), "");
		else
			acc = LLVMBuildShuffleVector(c->g->b, groups[next], LLVMGetPoison(LLVMTypeOf(groups[next])),
						     LLVMConstVector(idx, G), "");
	}
}

static void shfl_const(struct coll *c, uint32_t b, uint32_t cc)
{
	struct gen *g = c->g;
	val groups[GEN_MAX_NG];

	for (unsigned n = 0; n < g->NG; n++)
		groups[n] = value(c, n);
	c->dst[0].shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++) {
		unsigned from[32];
		bool ok;

		for (unsigned k = 0; k < g->G; k++)
			from[k] = source(c->i->mode, (int)(n % c->per * g->G + k), b, cc, &ok);
		c->dst[0].v[n] = pick_const(c, groups + n / c->per * c->per, from);
	}
}

static void predicate_const(struct coll *c, uint32_t b, uint32_t cc)
{
	struct gen *g = c->g;

	c->dst[1].shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++) {
		val in[32];
		bool ok;

		for (unsigned k = 0; k < g->G; k++) {
			source(c->i->mode, (int)(n % c->per * g->G + k), b, cc, &ok);
			in[k] = LLVMConstInt(g->i1, ok, 0);
		}
		c->dst[1].v[n] = LLVMConstVector(in, g->G);
	}
}

/* ---- lanes known at run time ---- */

/* The rule for a group of lanes; answers the source's lane, <G x i32>. */
static val source_group(struct coll *c, unsigned n, val *ok)
{
	LLVMBuilderRef bld = c->g->b;
	val lane = coll_lane_numbers(c, n), b = coll_src(c, 1, n, 32), cc = coll_src(c, 2, n, 32);
	val k31 = gen_const(c->g, lane, 32, 31), seg, inv, keep, max, bval, j;
	bool up = c->i->mode == IR_MODE_UP;

	bval = LLVMBuildAnd(bld, b, k31, "");
	seg = LLVMBuildAnd(bld, LLVMBuildLShr(bld, cc, gen_const(c->g, lane, 32, 8), ""), k31, "");
	inv = LLVMBuildNot(bld, seg, "");
	keep = LLVMBuildAnd(bld, lane, seg, "");
	max = LLVMBuildOr(bld, keep, LLVMBuildAnd(bld, LLVMBuildAnd(bld, cc, k31, ""), inv, ""), "");
	switch (c->i->mode) {
	case IR_MODE_UP: j = LLVMBuildSub(bld, lane, bval, ""); break;
	case IR_MODE_DOWN: j = LLVMBuildAdd(bld, lane, bval, ""); break;
	case IR_MODE_BFLY: j = LLVMBuildXor(bld, lane, bval, ""); break;
	default: j = LLVMBuildOr(bld, keep, LLVMBuildAnd(bld, bval, inv, ""), ""); break;
	}
	*ok = LLVMBuildICmp(bld, up ? LLVMIntSGE : LLVMIntSLE, j, max, "");
	return LLVMBuildSelect(bld, *ok, j, lane, "");
}

static val pick_half(struct coll *c, val idx, unsigned bit, val no, val yes)
{
	struct gen *g = c->g;
	val top = LLVMBuildShl(g->b, idx, gen_const(g, idx, 32, 31 - bit), "");

	return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, top, gen_const(g, idx, 32, 0), ""), yes, no, "");
}

static val pick_avx2(struct coll *c, const val *t, val idx)
{
	val p[4];

	for (unsigned k = 0; k < 4; k++) {
		val args[] = { t[k], idx };

		p[k] = gen_intrinsic(c->g, "llvm.x86.avx2.permd", NULL, 0, args, 2);
	}
	return pick_half(c, idx, 4, pick_half(c, idx, 3, p[0], p[1]), pick_half(c, idx, 3, p[2], p[3]));
}

static val pick_avx512(struct coll *c, const val *t, val idx)
{
	val a[] = { t[0], idx, t[1] }, b[3];

	if (c->g->G == 16)
		return gen_intrinsic(c->g, "llvm.x86.avx512.vpermi2var.d.512", NULL, 0, a, 3);
	b[0] = t[2];
	b[1] = idx;
	b[2] = t[3];
	return pick_half(c, idx, 4, gen_intrinsic(c->g, "llvm.x86.avx512.vpermi2var.d.256", NULL, 0, a, 3),
			 gen_intrinsic(c->g, "llvm.x86.avx512.vpermi2var.d.256", NULL, 0, b, 3));
}

static void store_warp(struct coll *c, val p, const val *t)
{
	for (unsigned k = 0; k < c->per; k++)
		LLVMSetAlignment(LLVMBuildStore(c->g->b, t[k], coll_at(c->g, c->g->i32, p, coll_i32(c, k * c->g->G))), 16);
}

static val pick_memory(struct coll *c, val p, val idx)
{
	struct gen *g = c->g;
	val r = LLVMGetPoison(LLVMTypeOf(idx));

	for (unsigned k = 0; k < g->G; k++) {
		val j = LLVMBuildExtractElement(g->b, idx, coll_i32(c, k), "");

		r = LLVMBuildInsertElement(g->b, r, LLVMBuildLoad2(g->b, g->i32, coll_at(g, g->i32, p, j), ""), coll_i32(c, k), "");
	}
	return r;
}

static void shfl_warp(struct coll *c, unsigned w, const val *idx)
{
	struct gen *g = c->g;
	bool avx512 = g->isa == SD_ISA_AVX512 && (g->G == 16 || g->G == 8), avx2 = g->isa == SD_ISA_AVX2 && g->G == 8;
	val t[32], p = NULL, *d = c->dst[0].v + w * c->per;

	for (unsigned k = 0; k < c->per; k++)
		t[k] = value(c, w * c->per + k);
	if (!avx512 && !avx2) {
		p = coll_scratch(g, g->i32, 32);
		store_warp(c, p, t);
	}
	for (unsigned k = 0; k < c->per; k++)
		d[k] = avx512 ? pick_avx512(c, t, idx[k]) : avx2 ? pick_avx2(c, t, idx[k]) : pick_memory(c, p, idx[k]);
	if (p)
		coll_scratch_end(g, p);
}

static val only_if_executes(struct coll *c, unsigned w, val lane, val v)
{
	LLVMBuilderRef b = c->g->b;
	val bit = LLVMBuildTrunc(b, LLVMBuildLShr(b, c->lanes[w], lane, ""), c->g->i1, "");

	return c->m->full ? v : LLVMBuildSelect(b, bit, v, coll_i32(c, 0), "");
}

/* All lanes read lane b of their warp. */
static void broadcast(struct coll *c)
{
	struct gen *g = c->g;
	val lane = LLVMBuildAnd(g->b, coll_freeze(c, gen_cut(g, c->src[1].u, 32)), coll_i32(c, 31), ""), by_warp[SD_MAX_WARPS];

	for (unsigned w = 0; w < g->n_warps; w++) {
		val t[32], p;

		if (LLVMIsAConstantInt(lane)) {
			unsigned l = w * 32 + (unsigned)LLVMConstIntGetZExtValue(lane);

			by_warp[w] = only_if_executes(c, w, lane, gen_cut(g, gen_lane(g, &c->src[0], c->bits[0], l), 32));
			continue;
		}
		for (unsigned k = 0; k < c->per; k++)
			t[k] = value(c, w * c->per + k);
		p = coll_scratch(g, g->i32, 32);
		store_warp(c, p, t);
		by_warp[w] = LLVMBuildLoad2(g->b, g->i32, coll_at(g, g->i32, p, lane), "");
		coll_scratch_end(g, p);
	}
	coll_set_warps(c, 0, by_warp);
}

bool coll_shfl(struct coll *c)
{
	struct gen *g = c->g;
	uint32_t b = 0, cc = 0;
	bool b_const = constant(&c->src[1], &b), c_const = constant(&c->src[2], &cc), all = b_const && c_const;
	bool single = c->src[1].shape == GEN_U && c_const && is_broadcast(c->i->mode, cc);
	val idx[GEN_MAX_NG];

	c->dst[0].shape = c->dst[1].shape = GEN_V;
	for (unsigned n = 0; n < g->NG && !all; n++)
		idx[n] = source_group(c, n, &c->dst[1].v[n]);
	if (c_const && in_range_always(c->i->mode, cc))
		coll_set_u(c, 1, LLVMConstInt(g->i1, 1, 0));
	else if (all && same_predicate(c->i->mode, b, cc))
		coll_set_u(c, 1, LLVMConstInt(g->i1, first_predicate(c->i->mode, b, cc), 0));
	else if (all)
		predicate_const(c, b, cc);
	if (c->src[0].shape == GEN_U && c->m->full)
		coll_set_u(c, 0, gen_cut(g, c->src[0].u, 32));
	else if (single)
		broadcast(c);
	else if (all)
		shfl_const(c, b, cc);
	else
		for (unsigned w = 0; w < g->n_warps; w++)
			shfl_warp(c, w, idx + w * c->per);
	return true;
}
