/*
 * atom_uniform.c: atomics of all lanes on one address. Integer operations that
 * associate become one, of the lanes' operands combined; the old values come
 * of a prefix sum. Others run on a copy, lane by lane, that is published by
 * one compare-and-swap.
 */
#include "backend/simd/gen/atom.h"

static val lane_of_chain(struct atom *t, val lane, val carry)
{
	val b = atom_operand(t, t->b, t->bs, t->t, lane), c = atom_operand(t, t->c, t->cs, t->t, lane);

	atom_keep_old(t, lane, carry);
	return atom_compute(t, carry, b, c, t->addr);
}

static void chain(struct atom *t)
{
	val p = atom_pointer(t, t->addr);
	struct atom_retry r;

	if (t->a->shared) {
		val new = atom_lanes(t, lane_of_chain, atom_load(t, p));

		LLVMSetAlignment(LLVMBuildStore(t->g->b, new, p), t->bits / 8);
		return;
	}
	atom_retry_begin(t, &r, p);
	atom_retry_end(t, &r, atom_lanes(t, lane_of_chain, r.old));
}

bool atom_combines(const struct ir_insn *i)
{
	switch (i->atom) {
	case IR_ATOM_ADD: case IR_ATOM_AND: case IR_ATOM_OR: case IR_ATOM_XOR: case IR_ATOM_MIN: case IR_ATOM_MAX:
		return !atom_is_float(i);
	}
	return false;
}

static uint64_t neutral(const struct atom *t)
{
	uint64_t top = (uint64_t)1 << (t->bits - 1), all = top | (top - 1);
	bool s = atom_is_signed(t->a->i);

	switch (t->a->i->atom) {
	case IR_ATOM_AND: return all;
	case IR_ATOM_MIN: return s ? all ^ top : all;
	case IR_ATOM_MAX: return s ? top : 0;
	default: return 0;
	}
}

/* A group's operands; lanes that take no part have the neutral one. */
static val terms(struct atom *t, unsigned n)
{
	struct gen *g = t->g;
	val x = gen_cut(g, gen_group(g, &t->a->b, t->a->b_bits, n), t->bits);

	if (t->a->m.full)
		return x;
	return LLVMBuildSelect(g->b, t->a->m.v[n], x, gen_const(g, x, t->bits, neutral(t)), "");
}

static const char *across(const struct ir_insn *i)
{
	bool s = atom_is_signed(i);

	switch (i->atom) {
	case IR_ATOM_ADD: return "llvm.vector.reduce.add";
	case IR_ATOM_AND: return "llvm.vector.reduce.and";
	case IR_ATOM_OR: return "llvm.vector.reduce.or";
	case IR_ATOM_XOR: return "llvm.vector.reduce.xor";
	case IR_ATOM_MIN: return s ? "llvm.vector.reduce.smin" : "llvm.vector.reduce.umin";
	default: return s ? "llvm.vector.reduce.smax" : "llvm.vector.reduce.umax";
	}
}

/* How many lanes take part. */
static val count_lanes(struct atom *t)
{
	struct gen *g = t->g;
	val sum = NULL, groups[GEN_MAX_NG];

	if (t->a->m.full)
		return atom_k(t, g->W);
	for (unsigned n = 0; n < g->NG; n++)
		groups[n] = t->a->m.v[n];
	for (unsigned w = 0; w < g->n_warps; w++) {
		val c = gen_intrinsic1(g, "llvm.ctpop", gen_warp_bits(g, groups, w));

		sum = sum ? LLVMBuildAdd(g->b, sum, c, "") : c;
	}
	return gen_cut(g, sum, t->bits);
}

static val total(struct atom *t)
{
	struct gen *g = t->g;
	LLVMTypeRef vt = gen_int_type(g, t->bits, g->G);
	val r = NULL;

	if (t->a->b.shape == GEN_U) {
		r = gen_cut(g, t->a->b.u, t->bits);
		if (t->a->i->atom == IR_ATOM_ADD)
			return LLVMBuildMul(g->b, r, count_lanes(t), "");
		if (t->a->i->atom == IR_ATOM_XOR)
			return LLVMBuildMul(g->b, r, LLVMBuildAnd(g->b, count_lanes(t), atom_k(t, 1), ""), "");
		return r;
	}
	for (unsigned n = 0; n < g->NG; n++)
		r = r ? atom_combine(g, t->a->i, r, terms(t, n)) : terms(t, n);
	return gen_intrinsic(g, across(t->a->i), &vt, 1, &r, 1);
}

/* Lanes moved up by n; the first n are neutral. */
static val moved_up(struct atom *t, val x, unsigned n)
{
	struct gen *g = t->g;
	val idx[32];

	for (unsigned l = 0; l < g->G; l++)
		idx[l] = LLVMConstInt(g->i32, l < n ? g->G + l : l - n, 0);
	return LLVMBuildShuffleVector(g->b, x, gen_const(g, x, t->bits, neutral(t)), LLVMConstVector(idx, g->G), "");
}

void atom_prefixes(struct atom *t, val first)
{
	struct gen *g = t->g;
	const struct ir_insn *i = t->a->i;

	t->a->dst.shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++) {
		val x = terms(t, n);

		for (unsigned s = 1; s < g->G; s *= 2)
			x = atom_combine(g, i, x, moved_up(t, x, s));
		t->a->dst.v[n] = atom_combine(g, i, gen_splat(g, first), moved_up(t, x, 1));
		first = atom_combine(g, i, first, LLVMBuildExtractElement(g->b, x, LLVMConstInt(g->i32, g->G - 1, 0), ""));
	}
}

/* Does any lane take part? */
static val any_lane(struct atom *t)
{
	struct gen *g = t->g;
	val all = t->a->m.v[0];

	for (unsigned n = 1; n < g->NG; n++)
		all = LLVMBuildOr(g->b, all, t->a->m.v[n], "");
	all = gen_mask_bits(g, all);
	return LLVMBuildICmp(g->b, LLVMIntNE, all, LLVMConstNull(LLVMTypeOf(all)), "");
}

val atom_one_address(struct atom *t)
{
	struct gen *g = t->g;
	LLVMBasicBlockRef from[2] = { NULL }, done = NULL;
	val old[2] = { LLVMConstNull(t->t) }, r;

	if (!t->a->m.full) {
		LLVMBasicBlockRef some = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");

		done = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
		LLVMBuildCondBr(g->b, any_lane(t), some, done);
		from[0] = LLVMGetInsertBlock(g->b);
		LLVMPositionBuilderAtEnd(g->b, some);
	}
	if (atom_combines(t->a->i)) {
		t->addr = t->a->addr.u;
		old[1] = atom_one(t, t->addr, total(t), NULL);
	} else {
		chain(t);
		old[1] = old[0];
	}
	if (t->a->m.full)
		return old[1];
	from[1] = LLVMGetInsertBlock(g->b);
	LLVMBuildBr(g->b, done);
	LLVMPositionBuilderAtEnd(g->b, done);
	r = LLVMBuildPhi(g->b, t->t, "");
	LLVMAddIncoming(r, old, from, 2);
	return r;
}

