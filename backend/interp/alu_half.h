/*
 * alu_half.h: f16 and bf16 values: exact widening to f32 and correctly
 * rounded narrowing, branch-free so that lane loops vectorise.
 */
#ifndef VGPU_BACKEND_INTERP_ALU_HALF_H
#define VGPU_BACKEND_INTERP_ALU_HALF_H

#include "backend/interp/alu_fp.h"

static inline uint32_t f16_flush(uint32_t h)
{
	return (h & 0x7c00u) ? h : h & 0x8000u;
}

static inline bool f16_is_nan(uint64_t h)
{
	return (h & 0x7fffu) > 0x7c00u;
}

static inline bool bf16_is_nan(uint64_t h)
{
	return (h & 0x7fffu) > 0x7f80u;
}

/* Exact; NaN payloads move up with the rest. */
static inline float f32_of_f16(uint64_t v)
{
	const uint32_t h = (uint32_t)v & 0xffffu;
	const float scaled = f32_of((h & 0x7fffu) << 13) * 0x1p112f;
	uint32_t u = bits_of_f32(scaled);

	u = (h & 0x7c00u) == 0x7c00u ? (h & 0x7fffu) << 13 | 0x7f800000u : u;
	return f32_of(u | (h & 0x8000u) << 16);
}

static inline float f32_of_bf16(uint64_t v)
{
	return f32_of((uint32_t)v << 16);
}

/* Nearest even; overflow gives infinity; NaN canonical. */
static inline uint32_t f16_of_f32(float f)
{
	const uint32_t u = bits_of_f32(f) & 0x7fffffffu;
	const uint32_t sign = bits_of_f32(f) >> 16 & 0x8000u;
	/* below 2^-14 the addition of 0.5 lines the value up with f16's last place and rounds it */
	const uint32_t small = bits_of_f32(f32_of(u < 0x38800000u ? u : 0) + 0.5f) - 0x3f000000u;
	const uint32_t normal = (u - 0x38000000u + 0xfffu + (u >> 13 & 1)) >> 13;
	uint32_t h = u < 0x38800000u ? small : normal;

	h = u >= 0x47800000u ? 0x7c00u : h;
	return u > 0x7f800000u ? F16_NAN : h | sign;
}

static inline uint32_t bf16_of_f32(float f)
{
	const uint32_t u = bits_of_f32(f);
	const uint32_t r = (u + 0x7fffu + (u >> 16 & 1)) >> 16;

	return (u & 0x7fffffffu) > 0x7f800000u ? BF16_NAN : r;
}

/*
 * s + err, where s = fl(s + err), made odd when inexact: one last-place step
 * towards the error when s is even. Rounding the result again, to at least
 * two bits less, is then the rounding of the exact value.
 */
static inline float f32_odd(float s, float err)
{
	const uint32_t u = bits_of_f32(s);
	const bool away = (err < 0.0f) == (u >> 31);
	const uint32_t step = (err != 0.0f && !(u & 1) && (u & 0x7f800000u) != 0x7f800000u) ? (away ? 1u : UINT32_MAX) : 0;

	return f32_of(u + step);
}

static inline double f64_odd(double s, double err)
{
	const uint64_t u = bits_of_f64(s);
	const bool away = (err < 0.0) == (u >> 63);
	const uint64_t step = (err != 0.0 && !(u & 1)) ? (away ? 1u : UINT64_MAX) : 0;

	return f64_of(u + step);
}

#endif
