/*
 * approx.h: PTX's approximate functions. Hardware computes them by table;
 * PTX promises only error bounds. These are their definition here: every
 * backend must give these bits, on every x86. So they use nothing but
 * correctly rounded + - * / sqrt fma, comparisons, and integer operations;
 * no rcpps or rsqrtps (which differ between CPUs), no libm.
 *
 * Everything is branch-free, for lane loops. .ftz is the caller's: it flushes
 * inputs and results. The errors were measured over all 2^32 inputs by
 * t/490-approx-all (doc/numerics.md has the table).
 */
#ifndef VGPU_BACKEND_APPROX_H
#define VGPU_BACKEND_APPROX_H

#include <stdint.h>
#include <string.h>

static inline float approx_f32(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

static inline uint32_t approx_bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

/* To the nearest integer, |x| < 2^22, without a rounding instruction. */
static inline float approx_rint(float x)
{
	const float big = 12582912.0f;

	return (x + big) - big;
}

/* rcp, sqrt: the correctly rounded ones */
static inline float approx_rcp(float x)
{
	return 1.0f / x;
}

static inline float approx_sqrt(float x)
{
	return __builtin_sqrtf(x);
}

/* a / b; beyond 2^126 the divisor counts as infinite, as the reciprocal that hardware multiplies by is flushed */
static inline float approx_div(float a, float b)
{
	const uint32_t ub = approx_bits(b) & 0x7fffffffu;
	const float inf = approx_f32(0x7f800000u | (approx_bits(b) & 0x80000000u));

	return a / (ub > 0x7e800000u && ub < 0x7f800000u ? inf : b);
}

/* 1/sqrt(x): one correction step takes the double rounding of the quotient out */
static inline float approx_rsqrt_divided(float x)
{
	const float y = 1.0f / __builtin_sqrtf(x);
	const float e = __builtin_fmaf(-(x * y), y, 1.0f);
	const float r = __builtin_fmaf(0.5f * y, e, y);

	/* x of 0 or infinity: the correction is NaN, y is exact */
	return e == e ? r : y;
}

/* From half the exponent by a cubic step, fitted, and one of Newton's; of what isn't a normal positive number by division. */
static inline float approx_rsqrt(float x)
{
	const uint32_t u = approx_bits(x);
	const float s = approx_f32(0x5f300000u - (u >> 1)), w = x * s * s;
	const float y = s * __builtin_fmaf(__builtin_fmaf(0x1.c8dd6ap-2f, w, -0x1.636c5ap+0f), w, 0x1.f137f6p+0f);
	const float e = __builtin_fmaf(-(x * y), y, 1.0f), r = __builtin_fmaf(0.5f * y, e, y);
	const float d = approx_rsqrt_divided(x);

	return u - 0x00800000u < 0x7f000000u ? r : d;
}

/* 2^x: x = n + f with |f| <= 1/2, degree 6 in f, scaled twice so that subnormal results are rounded once */
static inline float approx_ex2(float x)
{
	const float c = x > 130.0f ? 130.0f : x < -160.0f ? -160.0f : x;
	const float n = approx_rint(c), f = c - n;
	const int32_t i = (int32_t)(n == n ? n : 0.0f), half = i >> 1;
	float p = 0x1.41f7c6p-13f;

	p = __builtin_fmaf(p, f, 0x1.5f3c50p-10f);
	p = __builtin_fmaf(p, f, 0x1.3b2d50p-7f);
	p = __builtin_fmaf(p, f, 0x1.c6aeeep-5f);
	p = __builtin_fmaf(p, f, 0x1.ebfbdcp-3f);
	p = __builtin_fmaf(p, f, 0x1.62e430p-1f);
	p = __builtin_fmaf(p, f, 1.0f);
	return p * approx_f32((uint32_t)(half + 127) << 23) * approx_f32((uint32_t)(i - half + 127) << 23);
}

/* log2(x): x = 2^e m with m in [sqrt(1/2), sqrt(2)), log2(m) = s P(s^2), s = (m - 1) / (m + 1) */
static inline float approx_lg2(float x)
{
	const int small = x < 0x1p-126f;
	const uint32_t u = approx_bits(small ? x * 0x1p23f : x);
	const uint32_t off = u - 0x3f3504f3u;
	const float e = (float)((int32_t)off >> 23) - (small ? 23.0f : 0.0f);
	const float m = approx_f32((off & 0x7fffffu) + 0x3f3504f3u);
	const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
	float p = 0x1.ba1b42p-2f, r;

	p = __builtin_fmaf(p, z, 0x1.274710p-1f);
	p = __builtin_fmaf(p, z, 0x1.ec70e6p-1f);
	p = __builtin_fmaf(p, z, 0x1.715476p+1f);
	r = __builtin_fmaf(s, p, e);
	r = x < approx_f32(0x7f800000u) ? r : x;                        /* infinity, NaN */
	r = x > 0.0f ? r : approx_f32(x < 0.0f ? 0x7fffffffu : 0xff800000u);
	return x == x ? r : x;
}

/*
 * sin and cos: the argument in turns, t = x / 2pi in f32 rounded towards zero
 * as the hardware does it (so large arguments lose the same bits as there),
 * then an eighth of a turn around the nearest quarter. quarters: 0 sin, 1 cos.
 */
static inline float approx_turns(float x)
{
	const float inv = 0x1.45f306p-3f, p = x * inv;
	const float err = __builtin_fmaf(x, inv, -p);
	const uint32_t too_far = (err < 0.0f && p > 0.0f) || (err > 0.0f && p < 0.0f);

	return approx_f32(approx_bits(p) - too_far);
}

static inline float approx_sin_quarters(float x, int32_t quarters)
{
	const float t = approx_turns(x);
	const float a = approx_f32(approx_bits(t) & 0x7fffffffu);
	const float r = a < 0x1p22f ? t - approx_rint(t) : t - t;
	const float k = approx_rint(4.0f * r), f = __builtin_fmaf(k, -0.25f, r), z = f * f;
	const uint32_t q = (uint32_t)((int32_t)(k == k ? k : 0.0f) + quarters);
	float s = -0x1.2d9302p+6f, c = 0x1.d9f7bcp+5f, v;

	s = __builtin_fmaf(s, z, 0x1.465e92p+6f);
	s = __builtin_fmaf(s, z, -0x1.4abbbap+5f);
	s = f * __builtin_fmaf(s, z, 0x1.921fb6p+2f);
	c = __builtin_fmaf(c, z, -0x1.55c664p+6f);
	c = __builtin_fmaf(c, z, 0x1.03c1eep+6f);
	c = __builtin_fmaf(c, z, -0x1.3bd3ccp+4f);
	c = __builtin_fmaf(c, z, 1.0f);
	v = q & 1 ? c : s;
	return approx_f32(approx_bits(v) ^ (q & 2) << 30);
}

/* Below 2^-60 the sine is its argument, subnormal or zero of either sign. */
static inline float approx_sin(float x)
{
	const float a = approx_f32(approx_bits(x) & 0x7fffffffu);

	return a < 0x1p-60f ? x : approx_sin_quarters(x, 0);
}

static inline float approx_cos(float x)
{
	return approx_sin_quarters(x, 1);
}

/* tanh: 1 - 2 / (e^2y + 1), an odd polynomial below 0.3 */
static inline float approx_tanh(float x)
{
	const uint32_t sign = approx_bits(x) & 0x80000000u;
	const float y = approx_f32(approx_bits(x) & 0x7fffffffu);
	const float e = approx_ex2(0x1.715476p+1f * (y < 16.0f ? y : 16.0f));
	const float far = 1.0f - 2.0f / (e + 1.0f), z = y * y;
	float p = -0x1.9c9a1ep-5f, r;

	p = __builtin_fmaf(p, z, 0x1.10b016p-3f);
	p = __builtin_fmaf(p, z, -0x1.55549ep-2f);
	p = __builtin_fmaf(p * z, y, y);
	r = y < 0.3f ? p : far;
	return y == y ? approx_f32(approx_bits(r) | sign) : x;
}

/* f64: rcp and rsqrt look at the upper word only and give an upper word, cut off behind 20 mantissa bits */
static inline uint64_t approx_upper(double r)
{
	uint64_t u;

	memcpy(&u, &r, sizeof(u));
	return u & ~(uint64_t)UINT32_MAX;
}

/* The full-precision rsqrt.approx.f64. */
static inline double approx_rsqrt_f64(double x)
{
	const double y = 1.0 / __builtin_sqrt(x);
	const double e = __builtin_fma(-(x * y), y, 1.0);

	return e == e ? __builtin_fma(0.5 * y, e, y) : y;
}

#endif
