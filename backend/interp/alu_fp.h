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

static inline uint64_t f64_out(double r)
{
	return r != r ? F64_NAN : bits_of_f64(r);
}

static inline bool f32_is_nan(uint64_t v)
{
	return ((uint32_t)v & 0x7fffffffu) > 0x7f800000u;
}

static inline bool f64_is_nan(uint64_t v)
{
	return (v & INT64_MAX) > UINT64_C(0x7ff0000000000000);
}

#endif
