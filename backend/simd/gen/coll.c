/*
 * coll.c: warp-wide instructions: which there are, the shapes of their
 * results, and what their files (coll_*.c) share.
 */
#include "backend/simd/gen/coll.h"

int coll_members_of(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_shfl: return i->flags & IR_F_SYNC ? 3 : -1;
	case IR_OP_vote:
	case IR_OP_match:
	case IR_OP_redux: return i->flags & IR_F_SYNC ? 1 : -1;
	case IR_OP_elect:
	case IR_OP_bar:
	case IR_OP_barrier: return 0;
	}
	return -1;
}

val coll_i32(struct coll *c, uint32_t x)
{
	return LLVMConstInt(c->g->i32, x, 0);
}

val coll_freeze(struct coll *c, val v)
{
	return LLVMIsConstant(v) ? v : LLVMBuildFreeze(c->g->b, v, "");
}

val coll_src(struct coll *c, unsigned n, unsigned group, unsigned bits)
{
	return coll_freeze(c, gen_cut(c->g, gen_group(c->g, &c->src[n], c->bits[n], group), bits));
}

val coll_lane_numbers(struct coll *c, unsigned group)
{
	val all[32];

	for (unsigned k = 0; k < c->g->G; k++)
		all[k] = coll_i32(c, group % c->per * c->g->G + k);
	return LLVMConstVector(all, c->g->G);
}

val coll_parts(struct coll *c, unsigned group)
{
	struct gen *g = c->g;
	val m = coll_freeze(c, gen_cut(g, gen_group(g, c->members, c->bits[coll_members_of(c->i)], group), 32));

	return LLVMBuildAnd(g->b, m, gen_splat(g, c->lanes[group / c->per]), "");
}

val coll_bits_group(struct coll *c, val warp_bits, unsigned k)
{
	struct gen *g = c->g;
	val b = k ? LLVMBuildLShr(g->b, warp_bits, coll_i32(c, k * g->G), "") : warp_bits;

	return gen_mask_of_bits(g, LLVMBuildTrunc(g->b, b, LLVMIntTypeInContext(g->cx, g->G), ""));
}

void coll_set_u(struct coll *c, unsigned n, val scalar)
{
	c->dst[n].shape = GEN_U;
	c->dst[n].pat = NULL;
	c->dst[n].u = scalar;
}

void coll_set_warps(struct coll *c, unsigned n, const val *by_warp)
{
	if (c->g->n_warps == 1) {
		coll_set_u(c, n, by_warp[0]);
		return;
	}
	c->dst[n].shape = GEN_V;
	for (unsigned k = 0; k < c->g->NG; k++)
		c->dst[n].v[k] = k % c->per ? c->dst[n].v[k - 1] : gen_splat(c->g, by_warp[k / c->per]);
}

/* ---- memory on the stack ---- */

static void lifetime(struct gen *g, const char *name, val p)
{
	val args[] = { LLVMConstInt(g->i64, UINT64_MAX, 1), p };
	LLVMTypeRef t = g->ptr;

	gen_intrinsic(g, name, &t, 1, args, 2);
}

val coll_scratch(struct gen *g, LLVMTypeRef type, unsigned n)
{
	LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b), entry = LLVMGetEntryBasicBlock(g->fn);
	val first = LLVMGetFirstInstruction(entry), p;

	if (first)
		LLVMPositionBuilderBefore(g->b, first);
	else
		LLVMPositionBuilderAtEnd(g->b, entry);
	p = LLVMBuildAlloca(g->b, LLVMArrayType2(type, n), "");
	LLVMSetAlignment(p, 64);
	LLVMPositionBuilderAtEnd(g->b, here);
	lifetime(g, "llvm.lifetime.start", p);
	return p;
}

void coll_scratch_end(struct gen *g, val p)
{
	lifetime(g, "llvm.lifetime.end", p);
}

val coll_at(struct gen *g, LLVMTypeRef type, val p, val index)
{
	return LLVMBuildInBoundsGEP2(g->b, type, p, &index, 1, "");
}

/* ---- loops over lanes ---- */

void coll_loop_begin(struct gen *g, struct coll_loop *l, val lanes, const val *init, unsigned n)
{
	LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b), body = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	val args[2];

	l->head = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	l->done = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	l->n = n;
	LLVMBuildBr(g->b, l->head);
	LLVMPositionBuilderAtEnd(g->b, l->head);
	l->rem = LLVMBuildPhi(g->b, g->i32, "");
	LLVMAddIncoming(l->rem, &lanes, &before, 1);
	for (unsigned k = 0; k < n; k++) {
		val v = init[k];

		l->phi[k] = LLVMBuildPhi(g->b, LLVMTypeOf(v), "");
		LLVMAddIncoming(l->phi[k], &v, &before, 1);
	}
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, l->rem, LLVMConstInt(g->i32, 0, 0), ""), l->done, body);
	LLVMPositionBuilderAtEnd(g->b, body);
	args[0] = l->rem;
	args[1] = LLVMConstInt(g->i1, 1, 0);
	l->lane = gen_intrinsic(g, "llvm.cttz", &g->i32, 1, args, 2);
}

void coll_loop_end(struct gen *g, struct coll_loop *l, const val *next, val done)
{
	LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b);
	val rest = LLVMBuildAnd(g->b, l->rem, LLVMBuildSub(g->b, l->rem, LLVMConstInt(g->i32, 1, 0), ""), "");

	rest = LLVMBuildAnd(g->b, rest, LLVMBuildNot(g->b, done, ""), "");
	LLVMAddIncoming(l->rem, &rest, &here, 1);
	for (unsigned k = 0; k < l->n; k++) {
		val v = next[k];

		LLVMAddIncoming(l->phi[k], &v, &here, 1);
	}
	LLVMBuildBr(g->b, l->head);
	LLVMPositionBuilderAtEnd(g->b, l->done);
}

/* ---- the instructions ---- */

static void find_parts(struct coll *c)
{
	int n = coll_members_of(c->i);
	val groups[GEN_MAX_NG];

	if (n >= 0 && (c->src[n].shape == GEN_V || c->src[n].shape == GEN_P))
		c->members = &c->src[n];
	for (unsigned k = 0; k < c->g->NG; k++)
		groups[k] = gen_mask_group(c->g, c->m, k);
	for (unsigned w = 0; w < c->g->n_warps; w++)
		c->lanes[w] = c->m->full ? coll_i32(c, UINT32_MAX) : gen_warp_bits(c->g, groups, w);
}

static bool is_bar_warp(const struct ir_insn *i)
{
	return (i->op == IR_OP_bar || i->op == IR_OP_barrier) && i->mode == IR_MODE_WARP;
}

static bool emit(struct coll *c)
{
	switch (c->i->op) {
	case IR_OP_shfl: return coll_shfl(c);
	case IR_OP_vote: return coll_vote(c);
	case IR_OP_match: return coll_match(c);
	case IR_OP_redux: return coll_redux(c);
	case IR_OP_elect: return coll_elect(c);
	case IR_OP_activemask: return coll_activemask(c);
	default: return coll_bar_warp(c);
	}
}

/* The emitter may have found a result to be uniform that the analysis of shapes doesn't know to be. */
static void fit_shape(struct coll *c, unsigned n)
{
	enum gen_shape in[IR_MAX_SRC];

	for (unsigned k = 0; k < IR_MAX_SRC; k++)
		in[k] = k < c->i->n_src ? c->src[k].shape : GEN_BOTTOM;
	if (c->dst[n].shape != GEN_U || gen_coll_shape(c->g, c->i, n, in) == GEN_U)
		return;
	c->dst[n].shape = GEN_V;
	for (unsigned k = 0; k < c->g->NG; k++)
		c->dst[n].v[k] = gen_splat(c->g, c->dst[n].u);
}

bool gen_coll(struct gen *g, const struct ir_insn *i, const struct gen_val *src, const unsigned *bits, const struct gen_mask *m,
	      struct gen_val *dst)
{
	struct coll c = { .g = g, .i = i, .src = src, .bits = bits, .m = m, .dst = dst, .per = 32 / g->G };

	if (!gen_coll_has(g, i))
		return false;
	find_parts(&c);
	if (!emit(&c))
		return false;
	for (unsigned n = 0; n < i->n_dst; n++)
		fit_shape(&c, n);
	return true;
}

bool gen_coll_has(const struct gen *g, const struct ir_insn *i)
{
	int members = coll_members_of(i);

	if (g->G > 32 || members >= i->n_src)
		return false;
	switch (i->op) {
	case IR_OP_shfl: return ir_type_bits(i->type) == 32 && i->n_src >= 3;
	case IR_OP_vote:
	case IR_OP_match: return i->n_src >= 1;
	case IR_OP_redux: return i->n_src >= 1 && coll_redux_has(i);
	case IR_OP_elect:
	case IR_OP_activemask: return true;
	}
	return is_bar_warp(i);
}

/* Every lane's result is that of its warp, if they all work together. */
static enum gen_shape warp_shape(const struct gen *g, const struct ir_insn *i, const enum gen_shape *src)
{
	int n = coll_members_of(i);

	return g->n_warps == 1 && (n < 0 || src[n] == GEN_U || src[n] == GEN_BOTTOM) ? GEN_U : GEN_V;
}

static bool is_u(enum gen_shape s)
{
	return s == GEN_U || s == GEN_BOTTOM;
}

static enum gen_shape redux_shape(const struct gen *g, const struct ir_insn *i, const enum gen_shape *src)
{
	/* Without counting lanes, a uniform value is its own result. */
	if (is_u(src[0]) && i->atom != IR_ATOM_ADD && i->atom != IR_ATOM_XOR)
		return GEN_U;
	return warp_shape(g, i, src);
}

enum gen_shape gen_coll_shape(const struct gen *g, const struct ir_insn *i, unsigned n_dst, const enum gen_shape *src)
{
	switch (i->op) {
	case IR_OP_shfl:
		return coll_shfl_shape(g, i, n_dst, src);
	case IR_OP_vote:
		return is_u(src[0]) && i->mode != IR_MODE_BALLOT ? GEN_U : warp_shape(g, i, src);
	case IR_OP_match:
		if (i->mode != IR_MODE_ALL)
			return is_u(src[0]) ? warp_shape(g, i, src) : GEN_V;
		return n_dst == 1 && is_u(src[0]) ? GEN_U : warp_shape(g, i, src);
	case IR_OP_redux:
		return redux_shape(g, i, src);
	case IR_OP_elect:
		return n_dst == 0 ? warp_shape(g, i, src) : GEN_V;
	case IR_OP_activemask:
		return warp_shape(g, i, src);
	}
	return GEN_V;
}
