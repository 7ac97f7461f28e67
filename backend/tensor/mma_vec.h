/*
 * mma_vec.h: vectors of 8 lanes (rows of a matrix), AVX2's width, in the compiler's
 * vector types, which it lowers where registers are shorter; and what those types
 * can't say.
 */
#ifndef VGPU_BACKEND_TENSOR_MMA_VEC_H
#define VGPU_BACKEND_TENSOR_MMA_VEC_H

#include <stdint.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define VLANES 8

typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
/* halves of a vector: as it is, and widened */
typedef int32_t vq __attribute__((vector_size(16)));
typedef float vfq __attribute__((vector_size(16)));
typedef int64_t vl __attribute__((vector_size(32)));
typedef double vd __attribute__((vector_size(32)));
typedef int16_t vh __attribute__((vector_size(16)));

/* *m = max(*m, a + b) */
static inline void vh_max_sum(vh *m, const vh *a, int16_t b)
{
	const vh s = *a + b;
#ifdef __SSE2__
	*m = (vh)_mm_max_epi16((__m128i)*m, (__m128i)s);
#else
	const vh more = s > *m;

	*m = (s & more) | (*m & ~more);
#endif
}

/* *acc += the sum of the products of the two 16-bit halves of each cell of a with those of b */
static inline void vi_add_products(vi *acc, const vi *a, int32_t b)
{
#if defined(__AVX2__)
	*acc += (vi)_mm256_madd_epi16((__m256i)*a, _mm256_set1_epi32(b));
#elif defined(__SSE2__)
	union { vi v; __m128i x[2]; } x = { *a };

	x.x[0] = _mm_madd_epi16(x.x[0], _mm_set1_epi32(b));
	x.x[1] = _mm_madd_epi16(x.x[1], _mm_set1_epi32(b));
	*acc += x.v;
#else
	*acc += (*a << 16 >> 16) * (b << 16 >> 16) + (*a >> 16) * (b >> 16);
#endif
}

/* A register's tile with its columns first: t[c][g] = the low half of row[4 * g + c]. */
static inline void tile_columns(const uint64_t *row, uint32_t t[4][8])
{
#ifdef __AVX2__
	__m256i v[4], lo[2], hi[2];

	for (int k = 0; k < 4; k++) {
		/* rows 2k and 2k + 1: columns 0 and 1 of both, columns 2 and 3 of both */
		const __m256 a = _mm256_loadu_ps((const float *)(const void *)(row + 8 * k));
		const __m256 b = _mm256_loadu_ps((const float *)(const void *)(row + 8 * k + 4));

		v[k] = _mm256_shuffle_epi32(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), 0xd8);
	}
	for (int k = 0; k < 2; k++) {
		lo[k] = _mm256_unpacklo_epi64(v[2 * k], v[2 * k + 1]);     /* column 0, column 2 */
		hi[k] = _mm256_unpackhi_epi64(v[2 * k], v[2 * k + 1]);     /* column 1, column 3 */
	}
	_mm256_storeu_si256((__m256i *)(void *)t[0], _mm256_permute2x128_si256(lo[0], lo[1], 0x20));
	_mm256_storeu_si256((__m256i *)(void *)t[1], _mm256_permute2x128_si256(hi[0], hi[1], 0x20));
	_mm256_storeu_si256((__m256i *)(void *)t[2], _mm256_permute2x128_si256(lo[0], lo[1], 0x31));
	_mm256_storeu_si256((__m256i *)(void *)t[3], _mm256_permute2x128_si256(hi[0], hi[1], 0x31));
#else
	for (int c = 0; c < 4; c++)
		for (int g = 0; g < 8; g++)
			t[c][g] = (uint32_t)row[4 * g + c];
#endif
}

#endif
