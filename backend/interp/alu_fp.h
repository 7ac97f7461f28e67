/*
 * alu_fp.h: floating-point rules that all handlers share: NaN results,
 * subnormal flushing, saturation. doc/numerics.md states them.
 */
#ifndef VGPU_BACKEND_INTERP_ALU_FP_H
#define VGPU_BACKEND_INTERP_ALU_FP_H

#include "backend/interp/alu_impl.h"

#define F32_NAN 0x7fffffffu
#define F64_NAN UINT64_C(0xfff8000000000000)
#define F16_NAN 0x7fffu
#define BF16_NAN 0x7fffu

/* Subnormal to zero of the same sign. */
static inline uint32_t f32_flush(uint32_t u)
{
	return (u & 0x7f800000u) ? u : u & 0x80000000u;
}

static inline float f32_in(uint64_t v, bool ftz)
{
	return f32_of(ftz ? f32_flush((uint32_t)v) : (uint32_t)v);
}

/* The result of an f32 operation: flushed, clamped to [+0, 1] (NaN: +0), NaN made canonical. */
static inline uint32_t f32_out(float r, bool ftz, bool sat)
{
	uint32_t u = bits_of_f32(r);

	if (ftz)
		u = f32_flush(u);
	if (sat)
		return r > 0.0f ? (r < 1.0f ? u : 0x3f800000u) : 0;
	return r != r ? F32_NAN : u;
}

/*
 * The result of an f32 .ftz operation that rounds when tiny: scaled is the
 * same operation on operands that make its result 2^64 times as large, where
 * nothing is subnormal. It is flushed when it is tiny after rounding as if
 * exponents had no lower bound, as the hardware has it.
 */
static inline uint32_t f32_out_ftz(float r, float scaled, bool sat)
{
	/* scaling may overflow where the result is no candidate; below 2^-62 scaled */
	const bool tiny = (bits_of_f32(r) & 0x7fffffffu) <= 0x800000u && (bits_of_f32(scaled) & 0x7fffffffu) < 0x20800000u;
	const uint32_t u = tiny ? bits_of_f32(r) & 0x80000000u : bits_of_f32(r);

	if (sat)
		return r > 0.0f ? (r < 1.0f ? u : 0x3f800000u) : 0;
	return r != r ? F32_NAN : u;
}

#define F64_QUIET (UINT64_C(1) << 51)

static inline bool f64_is_nan(uint64_t v)
{
	return (v & INT64_MAX) > UINT64_C(0x7ff0000000000000);
}

/* f64 results: a NaN operand passes, made quiet; of two the first one given here wins. */
static inline uint64_t f64_out1(double r, uint64_t a)
{
	return r == r ? bits_of_f64(r) : f64_is_nan(a) ? a | F64_QUIET : F64_NAN;
}

static inline uint64_t f64_out2(double r, uint64_t first, uint64_t second)
{
	return r == r ? bits_of_f64(r) : f64_is_nan(first) ? first | F64_QUIET :
	       f64_is_nan(second) ? second | F64_QUIET : F64_NAN;
}

/* fma's order: b, c, a */
static inline uint64_t f64_out_fma(double r, uint64_t a, uint64_t b, uint64_t c)
{
	return r == r ? bits_of_f64(r) : f64_is_nan(b) ? b | F64_QUIET : f64_out2(r, c, a);
}

static inline bool f32_is_nan(uint64_t v)
{
	return ((uint32_t)v & 0x7fffffffu) > 0x7f800000u;
}

#endif
