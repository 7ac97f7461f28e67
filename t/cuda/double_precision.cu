/* Double precision: exact operations bit for bit, functions within a few ulps. */
#include <cfenv>
#include "check.h"

__global__ void exact(const double *a, const double *b, double *o)
{
	int i = threadIdx.x;

	o[i * 8 + 0] = __dadd_rn(a[i], b[i]);
	o[i * 8 + 1] = __dmul_rn(a[i], b[i]);
	o[i * 8 + 2] = a[i] / b[i];
	o[i * 8 + 3] = sqrt(fabs(a[i]));
	o[i * 8 + 4] = fma(a[i], b[i], 1.0);
	o[i * 8 + 5] = __dadd_rz(a[i], b[i]);
	o[i * 8 + 6] = __dmul_ru(a[i], b[i]);
	o[i * 8 + 7] = floor(a[i]) + rint(b[i]);
}

__global__ void functions(const double *a, double *o)
{
	int i = threadIdx.x;
	double x = a[i];

	o[i * 8 + 0] = sin(x);
	o[i * 8 + 1] = cos(x);
	o[i * 8 + 2] = exp(x / 10);
	o[i * 8 + 3] = log(fabs(x) + 1);
	o[i * 8 + 4] = pow(fabs(x), 1.7);
	o[i * 8 + 5] = atan2(x, 2.0);
	o[i * 8 + 6] = cbrt(x);
	o[i * 8 + 7] = fmod(x, 0.7);
}

static double rounded(int mode, double a, double b, bool mul)
{
	volatile double x = a, y = b, r;

	fesetround(mode);
	r = mul ? x * y : x + y;
	fesetround(FE_TONEAREST);
	return r;
}

int main()
{
	const int n = 128;
	std::vector<double> a(n), b(n);
	uint32_t seed = 77;

	for (int i = 0; i < n; i++) {
		a[i] = (unit(seed) - 0.5) * 40 + unit(seed) * 1e-7;
		b[i] = (unit(seed) + 0.01) * 7 + unit(seed) * 1e-7;
	}
	dev<double> da(a), db(b), o(n * 8);
	exact<<<1, n>>>(da, db, o);
	CK_LAUNCH();
	auto g = o.get();
	for (int i = 0; i < n; i++) {
		EXPECT(g[i * 8 + 0] == a[i] + b[i]);
		EXPECT(g[i * 8 + 1] == a[i] * b[i]);
		EXPECT(g[i * 8 + 2] == a[i] / b[i]);
		EXPECT(g[i * 8 + 3] == sqrt(fabs(a[i])));
		EXPECT(g[i * 8 + 4] == fma(a[i], b[i], 1.0));
		EXPECT(g[i * 8 + 5] == rounded(FE_TOWARDZERO, a[i], b[i], false));
		EXPECT(g[i * 8 + 6] == rounded(FE_UPWARD, a[i], b[i], true));
		EXPECT(g[i * 8 + 7] == floor(a[i]) + rint(b[i]));
	}
	functions<<<1, n>>>(da, o);
	CK_LAUNCH();
	g = o.get();
	for (int i = 0; i < n; i++) {
		double x = a[i];
		double want[8] = { sin(x), cos(x), exp(x / 10), log(fabs(x) + 1), pow(fabs(x), 1.7), atan2(x, 2.0), cbrt(x), fmod(x, 0.7) };
		for (int k = 0; k < 8; k++)
			EXPECT(near_rel(g[i * 8 + k], want[k], 4e-15));
	}
	return finish("double_precision");
}
