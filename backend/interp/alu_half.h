/*
 * alu_half.h: f16 and bf16 values: exact widening to f32 and correctly
 * rounded narrowing, branch-free so that lane loops vectorise.
 */
#ifndef VGPU_BACKEND_INTERP_ALU_HALF_H
#define VGPU_BACKEND_INTERP_ALU_HALF_H

#include "backend/interp/alu_fp.h"

/* c ? a : b by masks: a chain of conditionals would keep gcc from vectorising. */
static inline uint32_t half_pick(bool c, uint32_t a, uint32_t b)
{
	const uint32_t m = 0u - (uint32_t)c;

	return (a & m) | (b & ~m);
}

static inline uint32_t f16_flush(uint32_t h)
{
	return h & (0x8000u | (0u - (uint32_t)((h & 0x7c00u) != 0)));
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

	u = half_pick((h & 0x7c00u) == 0x7c00u, (h & 0x7fffu) << 13 | 0x7f800000u, u);
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
	const uint32_t small = bits_of_f32(f32_of(half_pick(u < 0x38800000u, u, 0)) + 0.5f) - 0x3f000000u;
	const uint32_t normal = (u - 0x38000000u + 0xfffu + (u >> 13 & 1)) >> 13;
	uint32_t h = half_pick(u < 0x38800000u, small, normal);

	h = half_pick(u >= 0x47800000u, 0x7c00u, h);
	return half_pick(u > 0x7f800000u, F16_NAN, h | sign);
}

static inline uint32_t bf16_of_f32(float f)
{
	const uint32_t u = bits_of_f32(f);
	const uint32_t r = (u + 0x7fffu + (u >> 16 & 1)) >> 16;

	return half_pick((u & 0x7fffffffu) > 0x7f800000u, BF16_NAN, r);
}

/*
 * s + err, where s = fl(s + err), made odd when inexact: one last-place step
 * towards the error when s is even. Rounding the result again, to at least
 * two bits less, is then the rounding of the exact value.
 */
static inline float f32_odd(float s, float err)
{
	const uint32_t u = bits_of_f32(s);
	const uint32_t away = ~(bits_of_f32(err) >> 31 ^ u >> 31) & 1;
	const uint32_t inexact = half_pick(err != 0.0f, half_pick((u & 0x7f800000u) != 0x7f800000u, ~u & 1, 0), 0);

	return f32_of(u + ((2 * away - 1) & (0u - inexact)));
}

static inline double f64_odd(double s, double err)
{
	const uint64_t u = bits_of_f64(s);
	const uint64_t away = ~(bits_of_f64(err) >> 63 ^ u >> 63) & 1;
	const uint64_t finite = 0u - (uint64_t)((u << 1) < UINT64_C(0xffe0000000000000));
	const uint64_t inexact = (0u - (uint64_t)(err != 0.0)) & finite & (0u - (~u & 1));

	return f64_of(u + ((2 * away - 1) & inexact));
}

#endif
