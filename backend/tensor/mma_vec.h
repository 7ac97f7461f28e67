/*
 * mma_vec.h: vectors of 16 lanes (rows of a matrix), in the compiler's vector
 * types, which every level lowers to the registers that it has; and the two
 * operations that those types can't say.
 */
#ifndef VGPU_BACKEND_TENSOR_MMA_VEC_H
#define VGPU_BACKEND_TENSOR_MMA_VEC_H

#include <stdint.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define VLANES 16

typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef int16_t vh __attribute__((vector_size(32)));

/* *m = max(*m, a + b) */
static inline void vh_max_sum(vh *m, const vh *a, int16_t b)
{
	const vh s = *a + b;
#if defined(__AVX2__)
	*m = (vh)_mm256_max_epi16((__m256i)*m, (__m256i)s);
#elif defined(__SSE2__)
	union { vh v; __m128i x[2]; } x = { *m }, y = { s };

	x.x[0] = _mm_max_epi16(x.x[0], y.x[0]);
	x.x[1] = _mm_max_epi16(x.x[1], y.x[1]);
	*m = x.v;
#else
	const vh more = s > *m;

	*m = (s & more) | (*m & ~more);
#endif
}

/* *acc += the sum of the products of the two 16-bit halves of each cell of a with those of b */
static inline void vi_add_products(vi *acc, const vi *a, int32_t b)
{
#if defined(__AVX512BW__)
	*acc += (vi)_mm512_madd_epi16((__m512i)*a, _mm512_set1_epi32(b));
#elif defined(__AVX2__)
	union { vi v; __m256i x[2]; } x = { *a };

	x.x[0] = _mm256_madd_epi16(x.x[0], _mm256_set1_epi32(b));
	x.x[1] = _mm256_madd_epi16(x.x[1], _mm256_set1_epi32(b));
	*acc += x.v;
#elif defined(__SSE2__)
	union { vi v; __m128i x[4]; } x = { *a };

	for (int k = 0; k < 4; k++)
		x.x[k] = _mm_madd_epi16(x.x[k], _mm_set1_epi32(b));
	*acc += x.v;
#else
	*acc += (*a << 16 >> 16) * (b << 16 >> 16) + (*a >> 16) * (b >> 16);
#endif
}

#endif
