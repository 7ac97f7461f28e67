/*
 * atom_op.c: what one atomic operation computes, as the interp backend's
 * atom.c does: f32 sums in memory of all blocks flush subnormals, in shared
 * memory they don't; NaN results are canonical, those of f64 keep a NaN's bits.
 */
#include <stddef.h>
#include <string.h>

#include "backend/simd/gen/atom.h"

#define F32_NAN 0x7fffffffu
#define MXCSR_PLAIN 0x1f80u        /* no flushing, to nearest, exceptions masked */

bool atom_is_float(const struct ir_insn *i)
{
	return i->type == IR_T_F32 || i->type == IR_T_F64;
}

bool atom_is_signed(const struct ir_insn *i)
{
	return ir_type_class(i->type) == IR_TC_SINT;
}

val atom_k(struct atom *t, uint64_t x)
{
	return LLVMConstInt(t->t, x, 0);
}

static val eq(struct atom *t, val x, val y)
{
	return LLVMBuildICmp(t->g->b, LLVMIntEQ, x, y, "");
}

/* Subnormal to zero of the same sign; when: i1, or NULL: always. */
static val flush(struct atom *t, val x, val when)
{
	LLVMBuilderRef b = t->g->b;
	val tiny = eq(t, LLVMBuildAnd(b, x, atom_k(t, 0x7f800000), ""), atom_k(t, 0));

	if (when)
		tiny = LLVMBuildAnd(b, tiny, when, "");
	return LLVMBuildSelect(b, tiny, LLVMBuildAnd(b, x, atom_k(t, 0x80000000), ""), x, "");
}

/* The sum with the processor's flushing off, in a kernel that runs with it on. */
static val add_unflushed(struct atom *t, val x, val y)
{
	struct gen *g = t->g;
	bool avx = g->isa != SD_ISA_SSE42, f64 = t->bits == 64;
	const char *text = avx ? (f64 ? "stmxcsr ($3)\n\tldmxcsr ($4)\n\tvaddsd $2, $1, $0\n\tldmxcsr ($3)"
				      : "stmxcsr ($3)\n\tldmxcsr ($4)\n\tvaddss $2, $1, $0\n\tldmxcsr ($3)")
			       : (f64 ? "stmxcsr ($3)\n\tldmxcsr ($4)\n\taddsd $2, $0\n\tldmxcsr ($3)"
				      : "stmxcsr ($3)\n\tldmxcsr ($4)\n\taddss $2, $0\n\tldmxcsr ($3)");
	const char *con = avx ? "=x,x,x,r,r,~{memory}" : "=&x,0,x,r,r,~{memory}";
	LLVMTypeRef ft = f64 ? g->f64 : g->f32, in[] = { ft, ft, g->ptr, g->ptr }, type = LLVMFunctionType(ft, in, 4, 0);
	val fn, args[4] = { x, y };

	if (!t->mxcsr)
		t->mxcsr = coll_scratch(g, g->i32, 2);
	args[2] = t->mxcsr;
	args[3] = coll_at(g, g->i32, t->mxcsr, LLVMConstInt(g->i64, 1, 0));
	LLVMBuildStore(g->b, LLVMConstInt(g->i32, MXCSR_PLAIN, 0), args[3]);
	fn = LLVMGetInlineAsm(type, text, strlen(text), con, strlen(con), 1, 0, LLVMInlineAsmDialectATT, 0);
	return LLVMBuildCall2(g->b, type, fn, args, 4, "");
}

/* Is the address one of the block's shared memory? */
static val is_shared(struct atom *t, val addr)
{
	struct gen *g = t->g;
	val at = LLVMConstInt(g->i64, offsetof(struct sd_ctx, shared), 0);
	val base = LLVMBuildLoad2(g->b, g->i64, coll_at(g, g->i8, g->ctx, at), "");

	return LLVMBuildICmp(g->b, LLVMIntULT, LLVMBuildSub(g->b, addr, base, ""), LLVMConstInt(g->i64, (uint64_t)1 << 32, 0), "");
}

static val add_f32(struct atom *t, val x, val y, val addr)
{
	struct gen *g = t->g;
	val when = NULL, r, plain, nan;

	if (t->ftz == ATOM_FTZ_BY_ADDRESS)
		when = LLVMBuildNot(g->b, is_shared(t, addr), "");
	if (t->ftz != ATOM_NO_FTZ && !g->ftz) {
		x = flush(t, x, when);
		y = flush(t, y, when);
	}
	if (t->ftz == ATOM_NO_FTZ && g->ftz) {
		r = add_unflushed(t, gen_as_float(g, x), gen_as_float(g, y));
	} else {
		r = LLVMBuildFAdd(g->b, gen_as_float(g, x), gen_as_float(g, y), "");
		if (when && g->ftz) {
			plain = add_unflushed(t, gen_as_float(g, x), gen_as_float(g, y));
			r = LLVMBuildSelect(g->b, when, r, plain, "");
		}
	}
	nan = LLVMBuildFCmp(g->b, LLVMRealUNO, r, r, "");
	r = gen_as_int(g, r);
	if (t->ftz != ATOM_NO_FTZ && !g->ftz)
		r = flush(t, r, when);
	return LLVMBuildSelect(g->b, nan, atom_k(t, F32_NAN), r, "");
}

/* The old value's NaN, else the operand's, made quiet. */
static val add_f64(struct atom *t, val x, val y)
{
	struct gen *g = t->g;
	val inf = atom_k(t, 0x7ff0000000000000), abs = atom_k(t, INT64_MAX), quiet = atom_k(t, (uint64_t)1 << 51), fx = gen_as_float(g, x), nan, r;

	r = g->ftz ? add_unflushed(t, fx, gen_as_float(g, y)) : LLVMBuildFAdd(g->b, fx, gen_as_float(g, y), "");
	nan = LLVMBuildFCmp(g->b, LLVMRealUNO, r, r, "");
	r = LLVMBuildSelect(g->b, nan, atom_k(t, 0xfff8000000000000), gen_as_int(g, r), "");
	nan = LLVMBuildICmp(g->b, LLVMIntUGT, LLVMBuildAnd(g->b, y, abs, ""), inf, "");
	r = LLVMBuildSelect(g->b, nan, LLVMBuildOr(g->b, y, quiet, ""), r, "");
	nan = LLVMBuildICmp(g->b, LLVMIntUGT, LLVMBuildAnd(g->b, x, abs, ""), inf, "");
	return LLVMBuildSelect(g->b, nan, LLVMBuildOr(g->b, x, quiet, ""), r, "");
}

static val turn(struct atom *t, val x)
{
	LLVMBuilderRef b = t->g->b;

	return LLVMBuildXor(b, x, LLVMBuildAnd(b, LLVMBuildAShr(b, x, atom_k(t, 31), ""), atom_k(t, 0x7fffffff), ""), "");
}

static val is_nan32(struct atom *t, val x)
{
	return LLVMBuildICmp(t->g->b, LLVMIntUGT, LLVMBuildAnd(t->g->b, x, atom_k(t, 0x7fffffff), ""), atom_k(t, 0x7f800000), "");
}

/* A number beats a NaN, -0 is below +0. */
static val minmax_f32(struct atom *t, val x, val y)
{
	LLVMBuilderRef b = t->g->b;
	LLVMIntPredicate p = t->a->i->atom == IR_ATOM_MIN ? LLVMIntSLT : LLVMIntSGT;
	val r = LLVMBuildSelect(b, LLVMBuildICmp(b, p, turn(t, x), turn(t, y), ""), x, y, "");

	r = LLVMBuildSelect(b, is_nan32(t, y), x, r, "");
	return LLVMBuildSelect(b, is_nan32(t, x), y, r, "");
}

val atom_combine(struct gen *g, const struct ir_insn *i, val x, val y)
{
	bool s = atom_is_signed(i);

	switch (i->atom) {
	case IR_ATOM_ADD: return LLVMBuildAdd(g->b, x, y, "");
	case IR_ATOM_AND: return LLVMBuildAnd(g->b, x, y, "");
	case IR_ATOM_OR: return LLVMBuildOr(g->b, x, y, "");
	case IR_ATOM_XOR: return LLVMBuildXor(g->b, x, y, "");
	case IR_ATOM_MIN: return gen_intrinsic2(g, s ? "llvm.smin" : "llvm.umin", x, y);
	default: return gen_intrinsic2(g, s ? "llvm.smax" : "llvm.umax", x, y);
	}
}

val atom_compute(struct atom *t, val old, val b, val c, val addr)
{
	struct gen *g = t->g;
	val one = atom_k(t, 1), zero = atom_k(t, 0), wraps;

	switch (t->a->i->atom) {
	case IR_ATOM_EXCH: return b;
	case IR_ATOM_CAS: return LLVMBuildSelect(g->b, eq(t, old, b), c, old, "");
	case IR_ATOM_INC:
		wraps = LLVMBuildICmp(g->b, LLVMIntUGE, old, b, "");
		return LLVMBuildSelect(g->b, wraps, zero, LLVMBuildAdd(g->b, old, one, ""), "");
	case IR_ATOM_DEC:
		wraps = LLVMBuildOr(g->b, eq(t, old, zero), LLVMBuildICmp(g->b, LLVMIntUGT, old, b, ""), "");
		return LLVMBuildSelect(g->b, wraps, b, LLVMBuildSub(g->b, old, one, ""), "");
	}
	if (t->a->i->type == IR_T_F64)
		return add_f64(t, old, b);
	if (t->a->i->type == IR_T_F32)
		return t->a->i->atom == IR_ATOM_ADD ? add_f32(t, old, b, addr) : minmax_f32(t, old, b);
	return atom_combine(g, t->a->i, old, b);
}

