/*
 * base.c: the anchor kernels as plain C with OpenMP, as one would write them
 * for CPUs. Compiled once per instruction set and with and without -ffast-math
 * (which brings libmvec's vector functions); BASE is the table's name.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "bench/engine/native.h"

static void saxpy(int n, float a, const float *restrict x, float *restrict y)
{
#pragma omp parallel for
	for (int i = 0; i < n; i++)
		y[i] = a * x[i] + y[i];
}

/* Order of loops: what a C programmer writes. */
static void sgemm_rows(const float *restrict a, const float *restrict b, float *restrict c, int n)
{
#pragma omp parallel for
	for (int r = 0; r < n; r++) {
		float *restrict to = c + (size_t)r * n;

		memset(to, 0, (size_t)n * 4);
		for (int k = 0; k < n; k++) {
			float s = a[(size_t)r * n + k];
			const float *restrict from = b + (size_t)k * n;

			for (int j = 0; j < n; j++)
				to[j] += s * from[j];
		}
	}
}

/* Blocks of 8 x 32 sums; n a multiple of 32. */
static void sgemm_blocked(const float *restrict a, const float *restrict b, float *restrict c, int n)
{
#pragma omp parallel for
	for (int r = 0; r < n; r += 8)
		for (int j = 0; j < n; j += 32) {
			float acc[8][32];

			memset(acc, 0, sizeof(acc));
			for (int k = 0; k < n; k++)
				for (int i = 0; i < 8; i++) {
					float s = a[(r + i) * n + k];

					for (int l = 0; l < 32; l++)
						acc[i][l] += s * b[k * n + j + l];
				}
			for (int i = 0; i < 8; i++)
				memcpy(c + (size_t)(r + i) * n + j, acc[i], sizeof(acc[i]));
		}
}

static float reduce(const float *restrict x, int n)
{
	float s = 0;

#pragma omp parallel for reduction(+ : s)
	for (int i = 0; i < n; i++)
		s += x[i];
	return s;
}

static void hist(const uint32_t *restrict x, uint32_t *restrict bins, int n)
{
#pragma omp parallel
	{
		uint32_t h[256] = { 0 };

#pragma omp for nowait
		for (int i = 0; i < n; i++) {
			uint32_t v = x[i];

			h[v & 255]++;
			h[(v >> 8) & 255]++;
			h[(v >> 16) & 255]++;
			h[v >> 24]++;
		}
		for (int i = 0; i < 256; i++) {
#pragma omp atomic
			bins[i] += h[i];
		}
	}
}

static void mandel(int *restrict out, int w, int h, float x0, float y0, float dx, float dy, int limit)
{
#pragma omp parallel for schedule(dynamic, 4)
	for (int py = 0; py < h; py++)
		for (int px = 0; px < w; px++) {
			float cx = x0 + px * dx, cy = y0 + py * dy, zx = cx, zy = cy;
			int i;

			for (i = 0; i < limit; i++) {
				float nx = zx * zx - zy * zy, ny = 2.f * zx * zy;

				if (zx * zx + zy * zy > 4.f)
					break;
				zx = cx + nx;
				zy = cy + ny;
			}
			out[py * w + px] = i;
		}
}

static inline float cnd(float d)
{
	const float a1 = 0.31938153f, a2 = -0.356563782f, a3 = 1.781477937f, a4 = -1.821255978f, a5 = 1.330274429f;
	float k = 1.f / (1.f + 0.2316419f * fabsf(d));
	float c = 0.3989422804f * expf(-0.5f * d * d) * (k * (a1 + k * (a2 + k * (a3 + k * (a4 + k * a5)))));

	return d > 0 ? 1.f - c : c;
}

static inline float normcdf(float d)
{
	return 0.5f * erfcf(-d * 0.70710678f);
}

#define BLACK_SCHOLES(NAME, CND)                                                                                              \
	static void NAME(float *restrict call, float *restrict put, const float *restrict price, const float *restrict strike, \
			 const float *restrict years, float r, float v, int n)                                                \
	{                                                                                                                     \
		_Pragma("omp parallel for simd") for (int i = 0; i < n; i++)                                                  \
		{                                                                                                             \
			float s = price[i], x = strike[i], t = years[i], root = sqrtf(t);                                     \
			float d1 = (logf(s / x) + (r + 0.5f * v * v) * t) / (v * root), d2 = d1 - v * root;                   \
			float c1 = CND(d1), c2 = CND(d2), e = expf(-r * t);                                                   \
                                                                                                                              \
			call[i] = s * c1 - x * e * c2;                                                                        \
			put[i] = x * e * (1.f - c2) - s * (1.f - c1);                                                         \
		}                                                                                                             \
	}
BLACK_SCHOLES(bs, cnd)
BLACK_SCHOLES(bs_prec, normcdf)

static void nbody_plain(const float *restrict p, float *restrict a, int n)
{
#pragma omp parallel for
	for (int i = 0; i < n; i++) {
		float mx = p[4 * i], my = p[4 * i + 1], mz = p[4 * i + 2], ax = 0, ay = 0, az = 0;

		for (int j = 0; j < n; j++) {
			float rx = p[4 * j] - mx, ry = p[4 * j + 1] - my, rz = p[4 * j + 2] - mz;
			float inv = 1.f / sqrtf(rx * rx + ry * ry + rz * rz + 1e-4f), s = p[4 * j + 3] * inv * inv * inv;

			ax += rx * s;
			ay += ry * s;
			az += rz * s;
		}
		a[4 * i] = ax;
		a[4 * i + 1] = ay;
		a[4 * i + 2] = az;
		a[4 * i + 3] = 0;
	}
}

/* 32 bodies side by side, so that the sums are vectors. */
static void nbody_outer(const float *restrict p, float *restrict a, int n)
{
#pragma omp parallel for
	for (int i = 0; i < n; i += 32) {
		float mx[32], my[32], mz[32], ax[32] = { 0 }, ay[32] = { 0 }, az[32] = { 0 };

		for (int l = 0; l < 32; l++) {
			mx[l] = p[4 * (i + l)];
			my[l] = p[4 * (i + l) + 1];
			mz[l] = p[4 * (i + l) + 2];
		}
		for (int j = 0; j < n; j++) {
			float qx = p[4 * j], qy = p[4 * j + 1], qz = p[4 * j + 2], qw = p[4 * j + 3];

#pragma omp simd
			for (int l = 0; l < 32; l++) {
				float rx = qx - mx[l], ry = qy - my[l], rz = qz - mz[l];
				float inv = 1.f / sqrtf(rx * rx + ry * ry + rz * rz + 1e-4f), s = qw * inv * inv * inv;

				ax[l] += rx * s;
				ay[l] += ry * s;
				az[l] += rz * s;
			}
		}
		for (int l = 0; l < 32; l++) {
			a[4 * (i + l)] = ax[l];
			a[4 * (i + l) + 1] = ay[l];
			a[4 * (i + l) + 2] = az[l];
			a[4 * (i + l) + 3] = 0;
		}
	}
}

static void transp(const float *restrict in, float *restrict out, int n)
{
#pragma omp parallel for
	for (int yb = 0; yb < n; yb += 32)
		for (int xb = 0; xb < n; xb += 32)
			for (int y = 0; y < 32; y++)
				for (int x = 0; x < 32; x++)
					out[(size_t)(yb + y) * n + xb + x] = in[(size_t)(xb + x) * n + yb + y];
}

static void q8mv(const int8_t *restrict q, const float *restrict scale, const int8_t *restrict v, const float *restrict vscale,
		 float *restrict y, int rows, int nb)
{
#pragma omp parallel for
	for (int r = 0; r < rows; r++) {
		float s = 0;

		for (int b = 0; b < nb; b++) {
			size_t at = (size_t)r * nb + b;
			int dot = 0;

			for (int k = 0; k < 32; k++)
				dot += q[at * 32 + k] * v[b * 32 + k];
			s += dot * scale[at] * vscale[b];
		}
		y[r] = s;
	}
}

const struct native BASE = {
	.name = BASE_NAME,
	.level = BASE_LEVEL,
	.saxpy = saxpy,
	.sgemm = { sgemm_rows, sgemm_blocked },
	.reduce = reduce,
	.hist = hist,
	.mandel = mandel,
	.bs = bs,
	.bs_prec = bs_prec,
	.nbody = { nbody_plain, nbody_outer },
	.transp = transp,
	.q8mv = q8mv,
};
