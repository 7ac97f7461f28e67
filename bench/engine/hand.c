/*
 * hand.c: anchor kernels written by hand with AVX-512 intrinsics and OpenMP.
 * Called only where the CPU has AVX-512 F, BW, DQ, VL and VNNI. Sizes are
 * multiples of what each comment says; make_* in jobs.c see to it.
 */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "bench/engine/native.h"

/* n: of 16 */
static void saxpy(int n, float a, const float *x, float *y)
{
	__m512 va = _mm512_set1_ps(a);

#pragma omp parallel for
	for (int i = 0; i < n; i += 16)
		_mm512_storeu_ps(y + i, _mm512_fmadd_ps(va, _mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
}

/* ---- matrix product: tiles of 12 x 32 in registers, b packed in panels of up to 256 x 32; n: of 32, and of 256 above that ---- */

#define TILE 12
#define PANEL 256

static void sgemm_pack(float *pb, const float *b, int n, int depth)
{
	for (int k = 0; k < depth; k++) {
		_mm512_store_ps(pb + k * 32, _mm512_loadu_ps(b + (size_t)k * n));
		_mm512_store_ps(pb + k * 32 + 16, _mm512_loadu_ps(b + (size_t)k * n + 16));
	}
}

static inline void sgemm_tile(const float *a, const float *pb, float *c, int n, int depth, int add)
{
	__m512 s[TILE][2];

	for (int i = 0; i < TILE; i++) {
		s[i][0] = add ? _mm512_loadu_ps(c + (size_t)i * n) : _mm512_setzero_ps();
		s[i][1] = add ? _mm512_loadu_ps(c + (size_t)i * n + 16) : _mm512_setzero_ps();
	}
	for (int k = 0; k < depth; k++) {
		__m512 b0 = _mm512_load_ps(pb + k * 32), b1 = _mm512_load_ps(pb + k * 32 + 16);

#pragma GCC unroll 12
		for (int i = 0; i < TILE; i++) {
			__m512 v = _mm512_set1_ps(a[(size_t)i * n + k]);

			s[i][0] = _mm512_fmadd_ps(v, b0, s[i][0]);
			s[i][1] = _mm512_fmadd_ps(v, b1, s[i][1]);
		}
	}
	for (int i = 0; i < TILE; i++) {
		_mm512_storeu_ps(c + (size_t)i * n, s[i][0]);
		_mm512_storeu_ps(c + (size_t)i * n + 16, s[i][1]);
	}
}

static inline void sgemm_row(const float *a, const float *pb, float *c, int depth, int add)
{
	__m512 s0 = add ? _mm512_loadu_ps(c) : _mm512_setzero_ps(), s1 = add ? _mm512_loadu_ps(c + 16) : _mm512_setzero_ps();

	for (int k = 0; k < depth; k++) {
		__m512 v = _mm512_set1_ps(a[k]);

		s0 = _mm512_fmadd_ps(v, _mm512_load_ps(pb + k * 32), s0);
		s1 = _mm512_fmadd_ps(v, _mm512_load_ps(pb + k * 32 + 16), s1);
	}
	_mm512_storeu_ps(c, s0);
	_mm512_storeu_ps(c + 16, s1);
}

static void sgemm(const float *a, const float *b, float *c, int n)
{
	int depth = n < PANEL ? n : PANEL;

#pragma omp parallel
	{
		static __thread float pb[PANEL * 32] __attribute__((aligned(64)));

#pragma omp for schedule(static)
		for (int j = 0; j < n; j += 32)
			for (int kb = 0; kb < n; kb += depth) {
				int r = 0;

				sgemm_pack(pb, b + (size_t)kb * n + j, n, depth);
				for (; r + TILE <= n; r += TILE)
					sgemm_tile(a + (size_t)r * n + kb, pb, c + (size_t)r * n + j, n, depth, kb > 0);
				for (; r < n; r++)
					sgemm_row(a + (size_t)r * n + kb, pb, c + (size_t)r * n + j, depth, kb > 0);
			}
	}
}

/* ---- n: of 65536 ---- */

static float reduce(const float *x, int n)
{
	float s = 0;

#pragma omp parallel for reduction(+ : s)
	for (int b = 0; b < n; b += 65536) {
		__m512 a0 = _mm512_setzero_ps(), a1 = a0, a2 = a0, a3 = a0;

		for (int i = b; i < b + 65536; i += 64) {
			a0 = _mm512_add_ps(a0, _mm512_loadu_ps(x + i));
			a1 = _mm512_add_ps(a1, _mm512_loadu_ps(x + i + 16));
			a2 = _mm512_add_ps(a2, _mm512_loadu_ps(x + i + 32));
			a3 = _mm512_add_ps(a3, _mm512_loadu_ps(x + i + 48));
		}
		s += _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a0, a1), _mm512_add_ps(a2, a3)));
	}
	return s;
}

/* Four tables, so that equal neighbours don't wait for each other; n: of 2. */
static void hist(const uint32_t *x, uint32_t *bins, int n)
{
#pragma omp parallel
	{
		uint32_t h[4][256];

		memset(h, 0, sizeof(h));
#pragma omp for nowait
		for (int i = 0; i < n; i += 2) {
			uint64_t v;

			memcpy(&v, x + i, 8);
			h[0][v & 255]++;
			h[1][v >> 8 & 255]++;
			h[2][v >> 16 & 255]++;
			h[3][v >> 24 & 255]++;
			h[0][v >> 32 & 255]++;
			h[1][v >> 40 & 255]++;
			h[2][v >> 48 & 255]++;
			h[3][v >> 56]++;
		}
		for (int i = 0; i < 256; i++)
			__atomic_fetch_add(&bins[i], h[0][i] + h[1][i] + h[2][i] + h[3][i], __ATOMIC_RELAXED);
	}
}

/* Two independent vectors, because one waits for itself; w: of 32. */
static void mandel(int *out, int w, int h, float x0, float y0, float dx, float dy, int limit)
{
#pragma omp parallel for schedule(dynamic, 4)
	for (int py = 0; py < h; py++) {
		const __m512 iota = _mm512_set_ps(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
		__m512 cy = _mm512_set1_ps(y0 + py * dy);

		for (int px = 0; px < w; px += 32) {
			__m512 cx[2], zx[2], zy[2];
			__m512i it[2];
			__mmask16 m[2];

			for (int q = 0; q < 2; q++) {
				cx[q] = _mm512_fmadd_ps(_mm512_add_ps(_mm512_set1_ps(px + 16 * q), iota), _mm512_set1_ps(dx),
							_mm512_set1_ps(x0));
				zx[q] = cx[q];
				zy[q] = cy;
				it[q] = _mm512_setzero_si512();
				m[q] = 0xffff;
			}
			for (int i = 0; i < limit && (m[0] | m[1]); i++)
				for (int q = 0; q < 2; q++) {
					__m512 x2 = _mm512_mul_ps(zx[q], zx[q]), y2 = _mm512_mul_ps(zy[q], zy[q]);
					__m512 t = _mm512_add_ps(zx[q], zx[q]);

					m[q] = _mm512_mask_cmp_ps_mask(m[q], _mm512_add_ps(x2, y2), _mm512_set1_ps(4.f), _CMP_LE_OQ);
					it[q] = _mm512_mask_add_epi32(it[q], m[q], it[q], _mm512_set1_epi32(1));
					zx[q] = _mm512_add_ps(cx[q], _mm512_sub_ps(x2, y2));
					zy[q] = _mm512_fmadd_ps(t, zy[q], cy);
				}
			_mm512_storeu_si512(out + (size_t)py * w + px, it[0]);
			_mm512_storeu_si512(out + (size_t)py * w + px + 16, it[1]);
		}
	}
}

/* ---- n: of 32 ---- */

static inline __m512 rsqrt(__m512 d)
{
	__m512 e = _mm512_rsqrt14_ps(d), t = _mm512_fnmadd_ps(_mm512_mul_ps(d, e), e, _mm512_set1_ps(1));

	return _mm512_fmadd_ps(_mm512_mul_ps(e, _mm512_set1_ps(.5f)), t, e);
}

static void nbody(const float *p, float *a, int n)
{
#pragma omp parallel for
	for (int i = 0; i < n; i += 32) {
		__m512 me[3][2], acc[3][2];
		float t[3][32];

		for (int l = 0; l < 32; l++)
			for (int c = 0; c < 3; c++)
				t[c][l] = p[4 * (i + l) + c];
		for (int c = 0; c < 3; c++)
			for (int q = 0; q < 2; q++) {
				me[c][q] = _mm512_loadu_ps(t[c] + 16 * q);
				acc[c][q] = _mm512_setzero_ps();
			}
		for (int j = 0; j < n; j++) {
			__m512 x = _mm512_set1_ps(p[4 * j]), y = _mm512_set1_ps(p[4 * j + 1]), z = _mm512_set1_ps(p[4 * j + 2]);
			__m512 w = _mm512_set1_ps(p[4 * j + 3]);

			for (int q = 0; q < 2; q++) {
				__m512 rx = _mm512_sub_ps(x, me[0][q]), ry = _mm512_sub_ps(y, me[1][q]), rz = _mm512_sub_ps(z, me[2][q]);
				__m512 d = _mm512_fmadd_ps(rz, rz, _mm512_set1_ps(1e-4f));
				__m512 inv = rsqrt(_mm512_fmadd_ps(rx, rx, _mm512_fmadd_ps(ry, ry, d)));
				__m512 s = _mm512_mul_ps(_mm512_mul_ps(w, inv), _mm512_mul_ps(inv, inv));

				acc[0][q] = _mm512_fmadd_ps(rx, s, acc[0][q]);
				acc[1][q] = _mm512_fmadd_ps(ry, s, acc[1][q]);
				acc[2][q] = _mm512_fmadd_ps(rz, s, acc[2][q]);
			}
		}
		for (int c = 0; c < 3; c++)
			for (int q = 0; q < 2; q++)
				_mm512_storeu_ps(t[c] + 16 * q, acc[c][q]);
		for (int l = 0; l < 32; l++) {
			for (int c = 0; c < 3; c++)
				a[4 * (i + l) + c] = t[c][l];
			a[4 * (i + l) + 3] = 0;
		}
	}
}

/* Signed by signed through unsigned by signed: add 128, take 128 times the other's sum away. nb: of 2. */
static void q8mv(const int8_t *q, const float *scale, const int8_t *v, const float *vscale, float *y, int rows, int nb)
{
#pragma omp parallel for
	for (int r = 0; r < rows; r++) {
		const int8_t *row = q + (size_t)r * nb * 32;
		const float *s = scale + (size_t)r * nb;
		const __m512i bias = _mm512_set1_epi8(-128), zero = _mm512_setzero_si512();
		__m512 acc = _mm512_setzero_ps();

		for (int b = 0; b < nb; b += 2) {
			__m512i a = _mm512_xor_si512(_mm512_loadu_si512(row + b * 32), bias), w = _mm512_loadu_si512(v + b * 32);
			__m512i d = _mm512_sub_epi32(_mm512_dpbusd_epi32(zero, a, w), _mm512_dpbusd_epi32(zero, bias, w));
			__m512 f = _mm512_insertf32x8(_mm512_set1_ps(s[b] * vscale[b]), _mm256_set1_ps(s[b + 1] * vscale[b + 1]), 1);

			acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(d), f, acc);
		}
		y[r] = _mm512_reduce_add_ps(acc);
	}
}

const struct native hand = {
	.name = "AVX-512",
	.level = 5,
	.saxpy = saxpy,
	.sgemm = { sgemm },
	.reduce = reduce,
	.hist = hist,
	.mandel = mandel,
	.nbody = { nbody },
	.q8mv = q8mv,
};
