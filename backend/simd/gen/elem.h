/*
 * elem.h: what the families of element-wise instructions (elem_*.c) share: the
 * emitters' shape, short names for LLVM's builder, and parts that several
 * families need. Everything works on a scalar and on a vector alike.
 *
 * A family's select function looks at the instruction only (and at what the
 * machine has) and answers the emitter for it, or NULL. The conditions are
 * those of backend/interp/alu_*.c, which defines the results.
 */
#ifndef VGPU_BACKEND_SIMD_GEN_ELEM_H
#define VGPU_BACKEND_SIMD_GEN_ELEM_H

#include "backend/simd/gen/gen.h"

typedef void (*elem_fn)(struct gen *g, struct gen_elem *e);

#define ELEM_FAMILIES(F) \
	F(int) F(div) F(carry) F(bits) F(field) F(pick) F(cmp) F(float) F(minmax) F(half) F(cvt) F(cvt_int) F(cvt_packed) \
	F(approx) F(dot)
#define ELEM_DECL(f) elem_fn elem_select_##f(const struct gen *g, const struct ir_insn *i);
ELEM_FAMILIES(ELEM_DECL)
#undef ELEM_DECL

/* ---- short names ---- */

#define EL_BIN(name, Build) \
static inline val name(struct gen *g, val a, val b) { return Build(g->b, a, b, ""); }
EL_BIN(x_add, LLVMBuildAdd)
EL_BIN(x_sub, LLVMBuildSub)
EL_BIN(x_mul, LLVMBuildMul)
EL_BIN(x_and, LLVMBuildAnd)
EL_BIN(x_or, LLVMBuildOr)
EL_BIN(x_xor, LLVMBuildXor)
EL_BIN(x_shl, LLVMBuildShl)
EL_BIN(x_lshr, LLVMBuildLShr)
EL_BIN(x_ashr, LLVMBuildAShr)
EL_BIN(x_fadd, LLVMBuildFAdd)
EL_BIN(x_fsub, LLVMBuildFSub)
EL_BIN(x_fmul, LLVMBuildFMul)
EL_BIN(x_fdiv, LLVMBuildFDiv)
#undef EL_BIN

#define EL_CMP(name, Build, pred) \
static inline val name(struct gen *g, val a, val b) { return Build(g->b, pred, a, b, ""); }
EL_CMP(x_eq, LLVMBuildICmp, LLVMIntEQ)
EL_CMP(x_ne, LLVMBuildICmp, LLVMIntNE)
EL_CMP(x_slt, LLVMBuildICmp, LLVMIntSLT)
EL_CMP(x_sgt, LLVMBuildICmp, LLVMIntSGT)
EL_CMP(x_ult, LLVMBuildICmp, LLVMIntULT)
EL_CMP(x_uge, LLVMBuildICmp, LLVMIntUGE)
EL_CMP(x_ugt, LLVMBuildICmp, LLVMIntUGT)
EL_CMP(x_feq, LLVMBuildFCmp, LLVMRealOEQ)
EL_CMP(x_flt, LLVMBuildFCmp, LLVMRealOLT)
EL_CMP(x_fle, LLVMBuildFCmp, LLVMRealOLE)
EL_CMP(x_fgt, LLVMBuildFCmp, LLVMRealOGT)
EL_CMP(x_fge, LLVMBuildFCmp, LLVMRealOGE)
EL_CMP(x_uno, LLVMBuildFCmp, LLVMRealUNO)
EL_CMP(x_ord, LLVMBuildFCmp, LLVMRealORD)
#undef EL_CMP

static inline val x_sel(struct gen *g, val c, val a, val b)
{
	return LLVMBuildSelect(g->b, c, a, b, "");
}

static inline val x_not(struct gen *g, val a)
{
	return LLVMBuildNot(g->b, a, "");
}

static inline val x_neg(struct gen *g, val a)
{
	return LLVMBuildNeg(g->b, a, "");
}

static inline val x_fneg(struct gen *g, val a)
{
	return LLVMBuildFNeg(g->b, a, "");
}

/* Constants of a value's own width and shape. */
static inline val x_k(struct gen *g, val like, uint64_t x)
{
	return gen_const(g, like, gen_bits(like), x);
}

/* a op constant */
static inline val x_addk(struct gen *g, val a, uint64_t k) { return x_add(g, a, x_k(g, a, k)); }
static inline val x_andk(struct gen *g, val a, uint64_t k) { return x_and(g, a, x_k(g, a, k)); }
static inline val x_ork(struct gen *g, val a, uint64_t k) { return x_or(g, a, x_k(g, a, k)); }
static inline val x_xork(struct gen *g, val a, uint64_t k) { return x_xor(g, a, x_k(g, a, k)); }
static inline val x_shlk(struct gen *g, val a, uint64_t k) { return x_shl(g, a, x_k(g, a, k)); }
static inline val x_lshrk(struct gen *g, val a, uint64_t k) { return x_lshr(g, a, x_k(g, a, k)); }
static inline val x_ashrk(struct gen *g, val a, uint64_t k) { return x_ashr(g, a, x_k(g, a, k)); }

/* All ones where the i1 is set. */
static inline val x_mask(struct gen *g, val c, unsigned bits)
{
	return LLVMBuildSExt(g->b, c, gen_int_type(g, bits, gen_lanes(c)), "");
}

static inline val x_smin(struct gen *g, val a, val b) { return gen_intrinsic2(g, "llvm.smin", a, b); }
static inline val x_smax(struct gen *g, val a, val b) { return gen_intrinsic2(g, "llvm.smax", a, b); }
static inline val x_umin(struct gen *g, val a, val b) { return gen_intrinsic2(g, "llvm.umin", a, b); }
static inline val x_umax(struct gen *g, val a, val b) { return gen_intrinsic2(g, "llvm.umax", a, b); }

/* ---- operands ---- */

/* Source n cut to so many bits, as an integer … */
static inline val el_src(struct gen *g, struct gen_elem *e, unsigned n, unsigned bits)
{
	return gen_cut(g, e->src[n], bits);
}

/* … and as a float. */
static inline val el_fsrc(struct gen *g, struct gen_elem *e, unsigned n, unsigned bits)
{
	return gen_as_float(g, gen_cut(g, e->src[n], bits));
}

static inline bool el_signed(unsigned type)
{
	return ir_type_class((enum ir_type)type) == IR_TC_SINT;
}

static inline unsigned el_bits(const struct gen_elem *e)
{
	return ir_type_bits((enum ir_type)e->i->type);
}

static inline bool el_only(const struct ir_insn *i, uint32_t allowed)
{
	return !(i->flags & ~allowed);
}

/* ---- parts (elem_parts.c) ---- */

/* A float constant (f32: the nearest) of the shape and width of a float value. */
val el_fk(struct gen *g, val like, double x);
/* Is it a constant? Splat or scalar; its bits. */
bool el_const(val v, uint64_t *bits);
/* Can't it be NaN? True only where that is plain to see. */
bool el_never_nan(val f);
/*
 * A float that LLVM can't take for the constant that it is, where it would matter: x * 1 is not x when it is a
 * signalling NaN, or a subnormal that the processor flushes.
 */
val el_opaque(struct gen *g, val f);
/* The machine has the feature that LLVM calls so. */
bool el_feature(const struct gen *g, const char *name);
/* Integers seen as vectors of narrower ones: <n x iN> as <n * N / bits x i(bits)>, and back. */
val el_split(struct gen *g, val v, unsigned bits);
val el_join(struct gen *g, val v, unsigned bits);
/* A function over native registers, given a vector that may need two of them: fn on each part of so many lanes. */
val el_parts(struct gen *g, unsigned lanes, val (*fn)(struct gen *g, const val *v, const void *arg), const val *v, unsigned n,
	     const void *arg);
/* shifts by any count: 0, or copies of the sign */
val el_shl(struct gen *g, val a, val count);
val el_lshr(struct gen *g, val a, val count);
val el_ashr(struct gen *g, val a, val count);
/* Subnormal f32 or f16 bits to zero of their sign. */
val el_flush32(struct gen *g, val u);
val el_flush16(struct gen *g, val h);
/* The same where the processor doesn't do it to operands, or an optimiser might do without it: for constants. */
val el_flush_operand(struct gen *g, val u);
/* An f32 operand of an .ftz instruction: flushed here, unless the processor does it. */
val el_f32_in(struct gen *g, struct gen_elem *e, unsigned n, bool ftz);
/* The bits of an f32 result: NaN canonical, unless that doesn't matter. */
val el_f32_out(struct gen *g, struct gen_elem *e, val f);
/* x86's: a where it is less (greater), else b, so also where one is NaN or both are zero. */
val el_fmin(struct gen *g, val a, val b);
val el_fmax(struct gen *g, val a, val b);
/* Float clamped to [+0, 1], NaN +0. */
val el_saturate(struct gen *g, val f);
/* Fused, on any machine (f64: the machine must have it, el_has_fma()). */
val el_fma(struct gen *g, val a, val b, val c);
bool el_has_fma(const struct gen *g);
/* s + err with s = fl(s + err), f32 or f64, made odd where inexact: see f32_odd() in alu_half.h. */
val el_odd(struct gen *g, val s, val err);
/* A double rounded to an odd float. */
val el_f32_odd_of_f64(struct gen *g, val d);
/* s = p + c; the error of it. */
val el_sum_error(struct gen *g, val p, val c, val s);
/* r, rounded to nearest, to what directed rounding gives: above, below: r is greater (less) than the exact value. */
val el_direct(struct gen *g, val r, val above, val below, unsigned round);
/* f64 -> f32 in any of the four roundings. */
val el_f32_of_f64(struct gen *g, val d, unsigned round);
val el_fpext(struct gen *g, val f);                /* f32 -> f64 */
val el_fptrunc(struct gen *g, val d);              /* f64 -> f32, to nearest */
val el_f32_of_f16(struct gen *g, val h);           /* i16 -> float; NaN payloads move up */
val el_f32_of_bf16(struct gen *g, val h);
/* float -> i16; NaN gives a NaN with the upper part of its payload (canonical when asked for). */
val el_f16_of_f32(struct gen *g, val f, unsigned round, bool canonical);
bool el_f16_rounds(const struct gen *g, unsigned round);   /* are there means for that? */
val el_bf16_of_f32(struct gen *g, val f, unsigned round, bool canonical);

/* ---- arithmetic in all roundings (elem_round.c) ---- */

/* op: add sub mul fma div rcp sqrt; operands that it doesn't have are NULL. .ftz: operands are flushed, the result is, too. */
val el_f32_op(struct gen *g, unsigned op, val a, val b, val c, unsigned round, bool ftz);
/* The same for f64, where a NaN passes as doc/numerics.md says (lazy_nan: any way). */
val el_f64_op(struct gen *g, unsigned op, val a, val b, val c, unsigned round, bool lazy_nan);
bool el_f64_op_has(const struct gen *g, unsigned op, unsigned round);
/* x86's embedded rounding for an enum ir_round. */
unsigned el_rounding_imm(unsigned round);

#endif
