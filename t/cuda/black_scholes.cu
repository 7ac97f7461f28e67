/* Black-Scholes prices: expf, logf, sqrtf, division, fast variants. */
#include "check.h"

__device__ static float cnd(float d)
{
	float k = 1.0f / (1.0f + 0.2316419f * fabsf(d));
	float c = 0.39894228040143267794f * expf(-0.5f * d * d) *
		  (k * (0.31938153f + k * (-0.356563782f + k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f)))));

	return d > 0 ? 1.0f - c : c;
}

extern "C" __global__ void black_scholes(float *call, float *put, const float *s, const float *x, const float *t, float r,
					 float v, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i >= n)
		return;
	float sq = sqrtf(t[i]);
	float d1 = (logf(s[i] / x[i]) + (r + 0.5f * v * v) * t[i]) / (v * sq), d2 = d1 - v * sq;
	float e = __expf(-r * t[i]);
	call[i] = s[i] * cnd(d1) - x[i] * e * cnd(d2);
	put[i] = x[i] * e * (1.0f - cnd(d2)) - s[i] * (1.0f - cnd(d1));
}

static double phi(double d)
{
	return 0.5 * erfc(-d / sqrt(2.0));
}

int main()
{
	const int n = 4000;
	const double r = 0.02, v = 0.30;
	std::vector<float> s(n), x(n), t(n);
	uint32_t seed = 9;

	for (int i = 0; i < n; i++) {
		s[i] = 5 + 25 * unit(seed);
		x[i] = 1 + 99 * unit(seed);
		t[i] = 0.25f + 9.75f * unit(seed);
	}
	dev<float> ds(s), dx(x), dt(t), dc(n), dp(n);
	black_scholes<<<(n + 127) / 128, 128>>>(dc, dp, ds, dx, dt, (float)r, (float)v, n);
	CK_LAUNCH();
	auto c = dc.get(), p = dp.get();
	for (int i = 0; i < n; i++) {
		double sq = sqrt(t[i]), d1 = (log((double)s[i] / x[i]) + (r + 0.5 * v * v) * t[i]) / (v * sq), d2 = d1 - v * sq;
		double e = exp(-r * t[i]);
		EXPECT(fabs(c[i] - (s[i] * phi(d1) - x[i] * e * phi(d2))) < 2e-3);
		EXPECT(fabs(p[i] - (x[i] * e * phi(-d2) - s[i] * phi(-d1))) < 2e-3);
	}
	return finish("black_scholes");
}
