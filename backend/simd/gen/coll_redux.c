/*
 * coll_redux.c: redux. Lanes that take no part count as the operation's
 * neutral value; the groups of a warp are combined, then the lanes of one.
 *
 * f32 min and max work on keys: the bits with those of negative numbers
 * turned, so that they order as signed integers. A NaN becomes the neutral
 * value, or with .NaN the one that wins; no number has these keys.
 */
#include "backend/simd/gen/coll.h"

#define KEY_LOW 0x80000000u
#define KEY_HIGH 0x7fffffffu
#define F32_NAN 0x7fffffffu

static bool is_min(const struct ir_insn *i)
{
	return i->atom == IR_ATOM_MIN;
}

static uint32_t neutral(const struct ir_insn *i)
{
	bool s = i->type != IR_T_U32 && i->type != IR_T_B32;

	switch (i->atom) {
	case IR_ATOM_AND: return UINT32_MAX;
	case IR_ATOM_MIN: return s ? KEY_HIGH : UINT32_MAX;
	case IR_ATOM_MAX: return s ? KEY_LOW : 0;
	default: return 0;
	}
}

bool coll_redux_has(const struct ir_insn *i)
{
	switch (i->atom) {
	case IR_ATOM_MIN: case IR_ATOM_MAX:
		return ir_type_bits(i->type) == 32;
	case IR_ATOM_ADD: case IR_ATOM_AND: case IR_ATOM_OR: case IR_ATOM_XOR:
		return ir_type_bits(i->type) == 32 && i->type != IR_T_F32;
	}
	return false;
}

static val two(struct coll *c, val x, val y)
{
	struct gen *g = c->g;
	bool s = c->i->type != IR_T_U32 && c->i->type != IR_T_B32;

	switch (c->i->atom) {
	case IR_ATOM_ADD: return LLVMBuildAdd(g->b, x, y, "");
	case IR_ATOM_AND: return LLVMBuildAnd(g->b, x, y, "");
	case IR_ATOM_OR: return LLVMBuildOr(g->b, x, y, "");
	case IR_ATOM_XOR: return LLVMBuildXor(g->b, x, y, "");
	case IR_ATOM_MIN: return gen_intrinsic2(g, s ? "llvm.smin" : "llvm.umin", x, y);
	default: return gen_intrinsic2(g, s ? "llvm.smax" : "llvm.umax", x, y);
	}
}

static const char *across(const struct ir_insn *i)
{
	bool s = i->type != IR_T_U32 && i->type != IR_T_B32;

	switch (i->atom) {
	case IR_ATOM_ADD: return "llvm.vector.reduce.add";
	case IR_ATOM_AND: return "llvm.vector.reduce.and";
	case IR_ATOM_OR: return "llvm.vector.reduce.or";
	case IR_ATOM_XOR: return "llvm.vector.reduce.xor";
	case IR_ATOM_MIN: return s ? "llvm.vector.reduce.smin" : "llvm.vector.reduce.umin";
	default: return s ? "llvm.vector.reduce.smax" : "llvm.vector.reduce.umax";
	}
}

static val turn(struct coll *c, val x)
{
	LLVMBuilderRef b = c->g->b;
	val neg = LLVMBuildAShr(b, x, gen_const(c->g, x, 32, 31), "");

	return LLVMBuildXor(b, x, LLVMBuildAnd(b, neg, gen_const(c->g, x, 32, KEY_HIGH), ""), "");
}

/* Source to what is reduced; scalar or group. */
static val key_of(struct coll *c, val x)
{
	struct gen *g = c->g;
	bool nan_wins = c->i->flags & IR_F_NAN;
	val nan, instead;

	if (c->i->flags & IR_F_ABS)
		x = LLVMBuildAnd(g->b, x, gen_const(g, x, 32, 0x7fffffff), "");
	if (c->i->type != IR_T_F32)
		return x;
	nan = LLVMBuildAnd(g->b, x, gen_const(g, x, 32, 0x7fffffff), "");
	nan = LLVMBuildICmp(g->b, LLVMIntUGT, nan, gen_const(g, x, 32, 0x7f800000), "");
	instead = gen_const(g, x, 32, is_min(c->i) != nan_wins ? KEY_HIGH : KEY_LOW);
	return LLVMBuildSelect(g->b, nan, instead, turn(c, x), "");
}

static val result_of(struct coll *c, val k)
{
	struct gen *g = c->g;
	val nan;

	if (c->i->type != IR_T_F32)
		return k;
	nan = LLVMBuildOr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, k, gen_const(g, k, 32, KEY_LOW), ""),
			  LLVMBuildICmp(g->b, LLVMIntEQ, k, gen_const(g, k, 32, KEY_HIGH), ""), "");
	return LLVMBuildSelect(g->b, nan, gen_const(g, k, 32, F32_NAN), turn(c, k), "");
}

/* Of the lanes of the groups that masks name (NULL: all). */
static val reduce(struct coll *c, const val *keys, const val *masks)
{
	struct gen *g = c->g;
	LLVMTypeRef t = LLVMTypeOf(keys[0]);
	val r = NULL;

	for (unsigned k = 0; k < c->per; k++) {
		val x = keys[k];

		if (masks)
			x = LLVMBuildSelect(g->b, masks[k], x, gen_const(g, x, 32, neutral(c->i)), "");
		r = r ? two(c, r, x) : x;
	}
	return gen_intrinsic(g, across(c->i), &t, 1, &r, 1);
}

static void warp_keys(struct coll *c, unsigned w, val *keys)
{
	for (unsigned k = 0; k < c->per; k++)
		keys[k] = key_of(c, coll_src(c, 0, w * c->per + k, 32));
}

/* One value in all lanes: how many there are may matter, nothing else. */
static val of_uniform(struct coll *c, unsigned w)
{
	struct gen *g = c->g;
	val x = key_of(c, gen_cut(g, c->src[0].u, 32));
	val n = gen_intrinsic1(g, "llvm.ctpop", c->lanes[w]);

	if (c->i->atom == IR_ATOM_ADD)
		return LLVMBuildMul(g->b, x, n, "");
	if (c->i->atom == IR_ATOM_XOR)
		return LLVMBuildMul(g->b, x, LLVMBuildAnd(g->b, n, coll_i32(c, 1), ""), "");
	return result_of(c, x);
}

static val of_warp(struct coll *c, unsigned w)
{
	val keys[32], masks[32];

	if (c->src[0].shape == GEN_U)
		return of_uniform(c, w);
	warp_keys(c, w, keys);
	for (unsigned k = 0; k < c->per; k++)
		masks[k] = gen_mask_group(c->g, c->m, w * c->per + k);
	return result_of(c, reduce(c, keys, c->m->full ? NULL : masks));
}

/* Lanes with different member masks: one set of lanes after the other. */
static void by_parts(struct coll *c, unsigned w)
{
	struct gen *g = c->g;
	val keys[32], zero[32], masks[32], next[32], p = coll_scratch(g, g->i32, 32), part, r;
	struct coll_loop l;

	warp_keys(c, w, keys);
	for (unsigned k = 0; k < c->per; k++) {
		zero[k] = LLVMConstNull(gen_int_type(g, 32, g->G));
		LLVMSetAlignment(LLVMBuildStore(g->b, coll_parts(c, w * c->per + k), coll_at(g, g->i32, p, coll_i32(c, k * g->G))), 16);
	}
	coll_loop_begin(g, &l, c->lanes[w], zero, c->per);
	part = LLVMBuildLoad2(g->b, g->i32, coll_at(g, g->i32, p, l.lane), "");
	for (unsigned k = 0; k < c->per; k++)
		masks[k] = coll_bits_group(c, part, k);
	r = result_of(c, reduce(c, keys, masks));
	for (unsigned k = 0; k < c->per; k++)
		next[k] = LLVMBuildSelect(g->b, masks[k], gen_splat(g, r), l.phi[k], "");
	coll_loop_end(g, &l, next, part);
	coll_scratch_end(g, p);
	for (unsigned k = 0; k < c->per; k++)
		c->dst[0].v[w * c->per + k] = l.phi[k];
}

bool coll_redux(struct coll *c)
{
	struct gen *g = c->g;
	val r[SD_MAX_WARPS];

	if (c->src[0].shape == GEN_U && c->i->atom != IR_ATOM_ADD && c->i->atom != IR_ATOM_XOR) {
		coll_set_u(c, 0, of_uniform(c, 0));
		return true;
	}
	if (!c->members) {
		for (unsigned w = 0; w < g->n_warps; w++)
			r[w] = of_warp(c, w);
		coll_set_warps(c, 0, r);
		return true;
	}
	c->dst[0].shape = GEN_V;
	for (unsigned w = 0; w < g->n_warps; w++)
		by_parts(c, w);
	return true;
}
