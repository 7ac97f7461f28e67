/* Histogram: shared atomics per block, merged by global ones. */
#include "check.h"

extern "C" __global__ void histogram(const unsigned char *in, unsigned *bins, int n)
{
	__shared__ unsigned sh[256];

	for (int i = threadIdx.x; i < 256; i += blockDim.x)
		sh[i] = 0;
	__syncthreads();
	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		atomicAdd(&sh[in[i]], 1u);
	__syncthreads();
	for (int i = threadIdx.x; i < 256; i += blockDim.x)
		atomicAdd(&bins[i], sh[i]);
}

int main()
{
	const int n = 200000;
	std::vector<unsigned char> v(n);
	std::vector<unsigned> want(256);
	uint32_t seed = 3;

	for (auto &x : v) {
		x = (lcg(seed) >> 24) & (lcg(seed) >> 24);
		want[x]++;
	}
	dev<unsigned char> in(v);
	dev<unsigned> bins(256);
	CK(cudaMemset(bins, 0, 1024));
	histogram<<<16, 192>>>(in, bins, n);
	CK_LAUNCH();
	EXPECT(bins.get() == want);
	return finish("histogram");
}
