/* half and bfloat16: scalar and packed arithmetic, conversions, compared with rounding done on the CPU. */
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include "check.h"

__global__ void halves(const float *a, const float *b, float *o, int n)
{
	int i = threadIdx.x;
	__half x = __float2half_rn(a[i]), y = __float2half_rn(b[i]);

	o[0 * n + i] = __half2float(x + y);
	o[1 * n + i] = __half2float(x * y);
	o[2 * n + i] = __half2float(__hfma(x, y, x));
	o[3 * n + i] = __half2float(x);
	o[4 * n + i] = x < y;
	__half2 p = __halves2half2(x, y), q = __hadd2(p, __half2half2(y));
	o[5 * n + i] = __low2float(q);
	o[6 * n + i] = __high2float(q);
	o[7 * n + i] = (float)__half2int_rn(x);
}

__global__ void bfloats(const float *a, const float *b, float *o, int n)
{
	int i = threadIdx.x;
	__nv_bfloat16 x = __float2bfloat16(a[i]), y = __float2bfloat16(b[i]);

	o[0 * n + i] = __bfloat162float(__hadd(x, y));
	o[1 * n + i] = __bfloat162float(__hmul(x, y));
	o[2 * n + i] = __bfloat162float(x);
	__nv_bfloat162 p = __floats2bfloat162_rn(a[i], b[i]);
	o[3 * n + i] = __low2float(p) + __high2float(p);
}

static float rh(double v) { return __half2float(__double2half(v)); }
static float rb(double v)
{
	/* Products and sums of two bfloat16 are exact in double; round once. */
	float f = (float)v;
	uint32_t u;
	if ((double)f != v) {
		/* round to odd first, so that the second rounding is the only one */
		memcpy(&u, &f, 4);
		if (fabs((double)f) > fabs(v))
			u--;
		u |= 1;
		memcpy(&f, &u, 4);
	}
	memcpy(&u, &f, 4);
	u += 0x7fff + ((u >> 16) & 1);
	u &= 0xffff0000u;
	memcpy(&f, &u, 4);
	return f;
}

int main()
{
	const int n = 128;
	std::vector<float> a(n), b(n);
	uint32_t seed = 21;

	for (int i = 0; i < n; i++) {
		a[i] = (unit(seed) - 0.5f) * 50;
		b[i] = (unit(seed) - 0.5f) * 3;
	}
	a[0] = 65519; b[0] = 65504; a[1] = 6e-8f; b[1] = -6e-5f; a[2] = 0.0f; b[2] = -0.0f;
	dev<float> da(a), db(b), o(8 * n);
	halves<<<1, n>>>(da, db, o, n);
	CK_LAUNCH();
	auto g = o.get();
	for (int i = 0; i < n; i++) {
		double x = rh(a[i]), y = rh(b[i]);
		EXPECT(g[i] == rh(x + y));
		EXPECT(g[n + i] == rh(x * y));
		EXPECT(g[2 * n + i] == rh(x * y + x));
		EXPECT(g[3 * n + i] == (float)x);
		EXPECT(g[4 * n + i] == (x < y));
		EXPECT(g[5 * n + i] == rh(x + y) && g[6 * n + i] == rh(y + y));
		EXPECT(g[7 * n + i] == (float)(int)rint(x));
	}
	bfloats<<<1, n>>>(da, db, o, n);
	CK_LAUNCH();
	g = o.get();
	for (int i = 0; i < n; i++) {
		double x = rb(a[i]), y = rb(b[i]);
		EXPECT(g[i] == rb(x + y));
		EXPECT(g[n + i] == rb(x * y));
		EXPECT(g[2 * n + i] == (float)x);
		EXPECT(g[3 * n + i] == (float)x + (float)y);
	}
	return finish("half_bf16");
}
