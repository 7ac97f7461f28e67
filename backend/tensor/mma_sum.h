/*
 * mma_sum.h: the sum of products that floating-point tensor cores make, as
 * measured on sm_90 (doc/numerics.md): products are exact; all of a group and
 * the accumulator are cut off, towards zero, below the 25th bit behind the
 * greatest of their exponents, and added exactly; the sum is rounded once.
 * Exponents are those of the encodings: a subnormal factor has that of the
 * smallest normal number, a product the sum of its factors', whether or not
 * their significands reach 2. Zero products have none, a zero accumulator -126.
 */
#ifndef VGPU_BACKEND_TENSOR_MMA_SUM_H
#define VGPU_BACKEND_TENSOR_MMA_SUM_H

#include "backend/interp/alu_half.h"

/* Bits kept behind the greatest exponent. */
#define MMA_KEPT 25
/* Least exponents of accumulators: f32, or zero; f16. */
#define MMA_C_EMIN (-126)
#define MMA_C16_EMIN (-14)

/* x, which a double holds exactly, towards zero; what is cut to zero is +0. */
static inline float mma_round_f32(double x)
{
	const uint64_t u = bits_of_f64(x);

	if ((u & INT64_MAX) < UINT64_C(0x3810000000000000))     /* below 2^-126 */
		return (float)(int32_t)(x * 0x1p149) * 0x1p-149f;
	return (float)f64_of(u & ~UINT64_C(0x1fffffff));
}

/* To nearest; zero is +0. */
static inline uint32_t mma_round_f16(double x)
{
	const uint64_t u = bits_of_f64(x);
	/* f32 rounded to odd, so that the second rounding is the only one */
	const uint64_t odd = (u & ~UINT64_C(0x1fffffff)) | (uint64_t)((u & 0x1fffffff) != 0) << 29;
	const uint32_t h = f16_of_f32((float)f64_of(odd));

	return h & 0x7fffu ? h : 0;
}

#endif
