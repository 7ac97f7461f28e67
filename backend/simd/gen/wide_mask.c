/*
 * wide_mask.c: masks as AVX2 has them: as vectors of 32 bits a lane, all ones
 * or all zeros, as compares make them and blends take them.
 *
 * The generator stores masks so. LLVM's passes, to which a mask is a vector of
 * bits, make vectors of bits of them again wherever they can, and its code
 * generator then packs such a vector into 16 bits a lane behind each compare
 * and takes it apart again in front of each use: a good part of the instructions
 * of a loop whose lanes part. So the last thing before code is generated is to write
 * what is computed with vectors of bits anew, in 32 bits.
 *
 * Only what comes from vectors of bits and leads to them is (and, or, xor, phi,
 * select, freeze). What makes one is sign-extended behind it, what takes one
 * gets a compare right in front of it. Both vanish in the code. Where a mask
 * was stored in 32 bits a lane, that is its wide form.
 */
#include <stdlib.h>

#include "backend/simd/gen/emit.h"
#include "util/htab.h"
#include "util/vec.h"

struct widen {
	struct gen *g;
	LLVMTypeRef bits, wide;
	struct vgpu_htab map;          /* by value: its wide form */
	VGPU_VEC(val) all;             /* instructions that make vectors of bits */
	VGPU_VEC(val) phis;            /* of those that are rewritten */
	bool failed;
};

static val wide_of(struct widen *x, val v);

/* Computed with vectors of bits, and so rewritten. */
static bool is_rewritten(const struct widen *x, val v)
{
	if (!LLVMIsAInstruction(v) || LLVMTypeOf(v) != x->bits)
		return false;
	switch (LLVMGetInstructionOpcode(v)) {
	case LLVMAnd: case LLVMOr: case LLVMXor: case LLVMPHI: case LLVMSelect: case LLVMFreeze:
		return true;
	default:
		return false;
	}
}

static val wide_constant(const struct widen *x, val v)
{
	struct gen *g = x->g;
	val lane[SD_MAX_W];

	for (unsigned n = 0; n < g->G; n++) {
		val b = LLVMGetAggregateElement(v, n);

		lane[n] = b && LLVMIsAConstantInt(b) && LLVMConstIntGetZExtValue(b) ? LLVMConstAllOnes(g->i32) : LLVMConstNull(g->i32);
	}
	return LLVMConstVector(lane, g->G);
}

#define NOTE "vgpu.mask"

void gen_note_mask(struct gen *g, val load)
{
	LLVMSetMetadata(load, LLVMGetMDKindIDInContext(g->cx, NOTE, sizeof(NOTE) - 1), LLVMMDNodeInContext(g->cx, NULL, 0));
}

static bool is_noted(struct gen *g, val v)
{
	return LLVMGetInstructionOpcode(v) == LLVMLoad && LLVMGetMetadata(v, LLVMGetMDKindIDInContext(g->cx, NOTE, sizeof(NOTE) - 1));
}

/* Values that one may come from, looked at. */
#define ORIGINS 256

struct origins {
	struct vgpu_htab seen;
	val v[ORIGINS];
	unsigned n;
	bool unknown;
};

static void add_origin(struct origins *o, val v)
{
	if (vgpu_htab_get(&o->seen, (uintptr_t)v))
		return;
	o->unknown |= o->n == ORIGINS || !vgpu_htab_put(&o->seen, (uintptr_t)v, v);
	if (!o->unknown)
		o->v[o->n++] = v;
}

static void add_operands(struct origins *o, val v)
{
	LLVMOpcode op = LLVMGetInstructionOpcode(v);

	if (op == LLVMPHI)
		for (unsigned n = 0; n < LLVMCountIncoming(v); n++)
			add_origin(o, LLVMGetIncomingValue(v, n));
	else if (op == LLVMAnd || op == LLVMOr || op == LLVMXor || op == LLVMSelect)
		for (int n = op == LLVMSelect; n < LLVMGetNumOperands(v); n++)
			add_origin(o, LLVMGetOperand(v, (unsigned)n));
	else
		o->unknown = true;
}

/* An extension from bits, which goes when its operand does. */
static bool is_extension(const struct widen *x, val w)
{
	return LLVMIsAInstruction(w) && LLVMGetInstructionOpcode(w) == LLVMSExt && LLVMTypeOf(LLVMGetOperand(w, 0)) == x->bits;
}

/* Is each lane of w, a vector of 32 bits a lane, known to be all ones or all zeros? */
static bool is_mask(const struct widen *x, val w)
{
	struct origins o = { .n = 0 };

	vgpu_htab_init_int(&o.seen);
	add_origin(&o, w);
	for (unsigned k = 0; k < o.n && !o.unknown; k++) {
		val v = o.v[k];

		if (LLVMIsConstant(v))
			o.unknown = !LLVMIsNull(v) && v != LLVMConstAllOnes(x->wide);
		else if (!LLVMIsAInstruction(v))
			o.unknown = true;
		else if (!is_noted(x->g, v) && !is_extension(x, v))
			add_operands(&o, v);
	}
	vgpu_htab_fini(&o.seen);
	return !o.unknown;
}

/* What v asks the sign of, if that is a mask. */
static val asked(struct widen *x, val v)
{
	val w;

	if (!LLVMIsAInstruction(v) || LLVMGetInstructionOpcode(v) != LLVMICmp || LLVMGetICmpPredicate(v) != LLVMIntSLT)
		return NULL;
	w = LLVMGetOperand(v, 0);
	if (LLVMTypeOf(w) != x->wide || !LLVMIsNull(LLVMGetOperand(v, 1)))
		return NULL;
	if (is_extension(x, w))
		return wide_of(x, LLVMGetOperand(w, 0));
	return is_mask(x, w) ? w : NULL;
}

/* Right behind where it is made. */
static val extended(struct widen *x, val v)
{
	struct gen *g = x->g;
	val at = asked(x, v);

	if (at)
		return at;
	if (LLVMIsAInstruction(v))
		at = LLVMGetNextInstruction(v);
	else
		at = LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(LLVMGetParamParent(v)));
	LLVMPositionBuilderBefore(g->b, at);
	return LLVMBuildSExt(g->b, v, x->wide, "");
}

static val narrow(const struct widen *x, val wide)
{
	return LLVMBuildICmp(x->g->b, LLVMIntSLT, wide, LLVMConstNull(x->wide), "");
}

static val rewritten_select(struct widen *x, val v)
{
	val c = LLVMGetOperand(v, 0), a = wide_of(x, LLVMGetOperand(v, 1)), b = wide_of(x, LLVMGetOperand(v, 2));

	if (LLVMTypeOf(c) == x->bits)
		c = wide_of(x, c);
	LLVMPositionBuilderBefore(x->g->b, v);
	return LLVMBuildSelect(x->g->b, LLVMTypeOf(c) == x->wide ? narrow(x, c) : c, a, b, "");
}

static val rewritten(struct widen *x, val v)
{
	LLVMBuilderRef b = x->g->b;
	LLVMOpcode op = LLVMGetInstructionOpcode(v);
	val l, r;

	if (op == LLVMPHI) {
		x->failed |= !vgpu_vec_push(&x->phis, v);
		LLVMPositionBuilderBefore(b, v);
		return LLVMBuildPhi(b, x->wide, "");
	}
	if (op == LLVMSelect)
		return rewritten_select(x, v);
	l = wide_of(x, LLVMGetOperand(v, 0));
	r = op == LLVMFreeze ? NULL : wide_of(x, LLVMGetOperand(v, 1));
	LLVMPositionBuilderBefore(b, v);
	return r ? LLVMBuildBinOp(b, op, l, r, "") : LLVMBuildFreeze(b, l, "");
}

static val wide_of(struct widen *x, val v)
{
	val w = vgpu_htab_get(&x->map, (uintptr_t)v);

	if (w)
		return w;
	w = is_rewritten(x, v) ? rewritten(x, v) : LLVMIsConstant(v) ? wide_constant(x, v) : extended(x, v);
	x->failed |= !vgpu_htab_put(&x->map, (uintptr_t)v, w);
	return w;
}

/* Where the wide form leads, instead of the vector of bits. */
static void fill_phis(struct widen *x)
{
	for (size_t k = 0; k < x->phis.n && !x->failed; k++) {
		val v = x->phis.v[k], w = wide_of(x, v);

		for (unsigned n = 0; n < LLVMCountIncoming(v); n++) {
			val in = wide_of(x, LLVMGetIncomingValue(v, n));
			LLVMBasicBlockRef from = LLVMGetIncomingBlock(v, n);

			LLVMAddIncoming(w, &in, &from, 1);
		}
	}
}

/* The user, which isn't rewritten itself, takes w for v. */
static void replace_in(const struct widen *x, val user, val v, val w)
{
	LLVMBuilderRef b = x->g->b;

	LLVMPositionBuilderBefore(b, user);
	if (LLVMGetInstructionOpcode(user) == LLVMSExt && LLVMTypeOf(user) == x->wide) {
		LLVMReplaceAllUsesWith(user, w);
		return;
	}
	/* all ones are -1: what adds it becomes a subtraction */
	if (LLVMGetInstructionOpcode(user) == LLVMZExt && LLVMTypeOf(user) == x->wide) {
		LLVMReplaceAllUsesWith(user, LLVMBuildNeg(b, w, ""));
		return;
	}
	w = narrow(x, w);
	for (int n = 0; n < LLVMGetNumOperands(user); n++)
		if (LLVMGetOperand(user, (unsigned)n) == v)
			LLVMSetOperand(user, (unsigned)n, w);
}

/* A compare's result is as good as its wide form where it is made. */
static bool wants_wide(const struct widen *x, val user, val v)
{
	return !is_rewritten(x, user) && (is_rewritten(x, v) || LLVMGetInstructionParent(user) != LLVMGetInstructionParent(v));
}

static void replace_uses(struct widen *x, val v)
{
	VGPU_VEC(val) users = { 0 };

	for (LLVMUseRef u = LLVMGetFirstUse(v); u; u = LLVMGetNextUse(u)) {
		val user = LLVMGetUser(u);
		bool again = users.n && users.v[users.n - 1] == user;

		if (!again && wants_wide(x, user, v))
			x->failed |= !vgpu_vec_push(&users, user);
	}
	for (size_t k = 0; k < users.n && !x->failed; k++)
		replace_in(x, users.v[k], v, wide_of(x, v));
	vgpu_vec_free(&users);
}

static void collect(struct widen *x, val fn)
{
	for (LLVMBasicBlockRef bb = LLVMGetFirstBasicBlock(fn); bb; bb = LLVMGetNextBasicBlock(bb))
		for (val i = LLVMGetFirstInstruction(bb); i; i = LLVMGetNextInstruction(i))
			if (LLVMTypeOf(i) == x->bits && !LLVMIsATerminatorInst(i))
				x->failed |= !vgpu_vec_push(&x->all, i);
}

/* They have only each other left. */
static void drop(struct widen *x)
{
	for (size_t k = 0; k < x->all.n; k++)
		if (is_rewritten(x, x->all.v[k]))
			LLVMReplaceAllUsesWith(x->all.v[k], LLVMGetPoison(x->bits));
	for (size_t k = 0; k < x->all.n; k++)
		if (is_rewritten(x, x->all.v[k]))
			LLVMInstructionEraseFromParent(x->all.v[k]);
}

bool gen_widen_masks(struct gen *g)
{
	struct widen x = { .g = g, .bits = LLVMVectorType(g->i1, g->G), .wide = LLVMVectorType(g->i32, g->G) };

	if (g->isa != SD_ISA_AVX2)
		return true;
	vgpu_htab_init_int(&x.map);
	for (val fn = LLVMGetFirstFunction(g->mod); fn; fn = LLVMGetNextFunction(fn))
		collect(&x, fn);
	for (size_t k = 0; k < x.all.n && !x.failed; k++)
		if (is_rewritten(&x, x.all.v[k]))
			wide_of(&x, x.all.v[k]);
	fill_phis(&x);
	for (size_t k = 0; k < x.all.n && !x.failed; k++)
		replace_uses(&x, x.all.v[k]);
	if (!x.failed)
		drop(&x);
	vgpu_htab_fini(&x.map);
	vgpu_vec_free(&x.all);
	vgpu_vec_free(&x.phis);
	return !x.failed;
}
