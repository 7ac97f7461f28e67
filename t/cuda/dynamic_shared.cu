/* Dynamic shared memory, beside static, and beyond 48 KiB by opt-in. */
#include "check.h"

__global__ void reverse(int *v, int n)
{
	extern __shared__ int s[];
	__shared__ int first;

	if (!threadIdx.x)
		first = v[0];
	for (int i = threadIdx.x; i < n; i += blockDim.x)
		s[i] = v[i];
	__syncthreads();
	for (int i = threadIdx.x; i < n; i += blockDim.x)
		v[i] = s[n - 1 - i] + first;
}

__global__ void mixed(double *out)
{
	extern __shared__ __align__(16) unsigned char raw[];
	double *d = (double *)raw;
	float *f = (float *)(d + 64);

	d[threadIdx.x] = threadIdx.x * 0.5;
	f[threadIdx.x] = threadIdx.x * 2.0f;
	__syncthreads();
	out[threadIdx.x] = d[63 - threadIdx.x] + f[63 - threadIdx.x];
}

static void run(int n)
{
	std::vector<int> v(n);

	for (int i = 0; i < n; i++)
		v[i] = i + 5;
	dev<int> d(v);
	reverse<<<1, 128, n * 4>>>(d, n);
	CK_LAUNCH();
	auto got = d.get();
	for (int i = 0; i < n; i++)
		EXPECT(got[i] == v[n - 1 - i] + 5);
}

int main()
{
	int optin = 0;
	cudaFuncAttributes a;

	run(100);
	run(10000);
	CK(cudaDeviceGetAttribute(&optin, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
	CK(cudaFuncGetAttributes(&a, reverse));
	EXPECT(a.sharedSizeBytes >= 4 && a.sharedSizeBytes < 64);
	if (optin > 49152) {
		dev<int> d(16);
		reverse<<<1, 128, 50000>>>(d, 16);
		EXPECT_ERR(cudaGetLastError(), cudaErrorInvalidValue);
		CK(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, 60000));
		run(15000);
		EXPECT_ERR(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, optin + 1), cudaErrorInvalidValue);
		(void)cudaGetLastError();
	}
	dev<double> o(64);
	mixed<<<1, 64, 64 * 12>>>(o);
	CK_LAUNCH();
	auto got = o.get();
	for (int i = 0; i < 64; i++)
		EXPECT(got[i] == (63 - i) * 2.5);
	return finish("dynamic_shared");
}
