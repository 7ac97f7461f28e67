/*
 * alu_impl.h: what the handler files of the ALU share: the lane loop, the
 * types that stand for PTX's, and the families' selectors.
 *
 * The same sources are compiled twice, for any x86-64 and for AVX2 + FMA
 * (ALU_LEVEL names the level); alu_dispatch.c takes the better one that the
 * CPU has. Both give the same bits: nothing here may depend on the level, on
 * libm (but for fma, which is exact) or on contraction (-ffp-contract=off).
 *
 * Handlers assume the MXCSR default (round to nearest, no DAZ or FTZ);
 * alu_round.c changes the rounding inside one handler only.
 */
#ifndef VGPU_BACKEND_INTERP_ALU_IMPL_H
#define VGPU_BACKEND_INTERP_ALU_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "backend/interp/alu.h"
#include "compiler/ir/ir.h"

#ifndef ALU_LEVEL
#define ALU_LEVEL base
#endif
#define ALU_GLUE2(a, b) a##_##b
#define ALU_GLUE(a, b) ALU_GLUE2(a, b)
#define ALU_NAME(n) ALU_GLUE(n, ALU_LEVEL)

#define FULL_MASK 0xffffffffu

/* Rows are either the same row or disjoint, so lanes never depend on each other. */
#ifdef __clang__
#define ALU_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define ALU_IVDEP _Pragma("GCC ivdep")
#endif

/* Runs the statement for every lane l of the mask; a full warp gets a plain loop that vectorises. */
#define ALU_LANES(x, ...) do { \
	if ((x)->mask == FULL_MASK) { \
		ALU_IVDEP \
		for (unsigned l = 0; l < WARP; l++) { \
			__VA_ARGS__; \
		} \
	} else { \
		for (uint32_t m_ = (x)->mask; m_; m_ &= m_ - 1) { \
			unsigned l = (unsigned)__builtin_ctz(m_); \
			__VA_ARGS__; \
		} \
	} } while (0)

/* Handlers of one expression over raw rows: A, B, C, E are the lane's 64-bit cells. */
#define ALU_A (x->a[l])
#define ALU_B (x->b[l])
#define ALU_C (x->c[l])
#define ALU_E (x->e[l])

#define ALU_FN(name, ...) \
static void name(const struct alu_args *x) \
{ \
	uint64_t *const d = x->d; \
	ALU_LANES(x, d[l] = (__VA_ARGS__)); \
}

/*
 * Handlers over a C type T with unsigned twin U: the expression sees a (b, c)
 * as values of T; its value is cut to U and zero-extended.
 */
#define ALU_T1(name, T, U, ...) \
static void name(const struct alu_args *x) \
{ \
	uint64_t *const d_ = x->d; \
	const uint64_t *const a_ = x->a; \
	ALU_LANES(x, const T a = (T)(U)a_[l]; d_[l] = (U)(__VA_ARGS__)); \
}
#define ALU_T2(name, T, U, ...) \
static void name(const struct alu_args *x) \
{ \
	uint64_t *const d_ = x->d; \
	const uint64_t *const a_ = x->a, *const b_ = x->b; \
	ALU_LANES(x, const T a = (T)(U)a_[l]; const T b = (T)(U)b_[l]; d_[l] = (U)(__VA_ARGS__)); \
}
#define ALU_T3(name, T, U, ...) \
static void name(const struct alu_args *x) \
{ \
	uint64_t *const d_ = x->d; \
	const uint64_t *const a_ = x->a, *const b_ = x->b, *const c_ = x->c; \
	ALU_LANES(x, const T a = (T)(U)a_[l]; const T b = (T)(U)b_[l]; const T c = (T)(U)c_[l]; d_[l] = (U)(__VA_ARGS__)); \
}

static inline float f32_of(uint64_t v)
{
	uint32_t u = (uint32_t)v;
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static inline uint32_t bits_of_f32(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static inline double f64_of(uint64_t v)
{
	double f;

	memcpy(&f, &v, sizeof(f));
	return f;
}

static inline uint64_t bits_of_f64(double f)
{
	uint64_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

/* Does the instruction carry no flag outside the allowed ones? */
static inline bool alu_only_flags(const struct ir_insn *i, uint32_t allowed)
{
	return !(i->flags & ~allowed);
}

/* Does it have an arithmetic operand with a sign change (not a predicate's !, which the caller resolves)? */
static inline bool alu_negates(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_fma: case IR_OP_mad:
		return i->src[0].neg || i->src[1].neg || (i->n_src > 2 && i->src[2].neg);
	default:
		return false;
	}
}

/* Bits of a type; the class too, without needing the compiler's library. */
unsigned ALU_NAME(alu_type_bits)(enum ir_type t);
enum ir_type_class ALU_NAME(alu_type_class)(enum ir_type t);

#define ALU_FAMILIES(F) \
	F(int) F(carry) F(float) F(round) F(minmax) F(half) F(cmp) F(bits) F(dot) F(cvt) F(cvt_packed) F(approx) F(video)

#define ALU_DECL(f) alu_fn ALU_NAME(alu_select_##f)(const struct ir_insn *i);
ALU_FAMILIES(ALU_DECL)
#undef ALU_DECL

/* The levels, for alu_dispatch.c and the tests that compare them. */
alu_fn alu_select_base(const struct ir_insn *i);
alu_fn alu_select_avx2(const struct ir_insn *i);
bool alu_cpu_has_avx2(void);

#endif
