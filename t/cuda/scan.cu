/* Inclusive prefix sum in three kernels: blocks, block sums, addition. */
#include "check.h"

#define B 256

__device__ int warp_scan(int v)
{
	for (int d = 1; d < 32; d *= 2) {
		int o = __shfl_up_sync(~0u, v, d);
		if (threadIdx.x % 32 >= d)
			v += o;
	}
	return v;
}

extern "C" __global__ void scan_block(const int *in, int *out, int *sums, int n)
{
	__shared__ int part[B / 32];
	int i = blockIdx.x * B + threadIdx.x, warp = threadIdx.x / 32;
	int v = warp_scan(i < n ? in[i] : 0);

	if (threadIdx.x % 32 == 31)
		part[warp] = v;
	__syncthreads();
	if (!warp) {
		int p = threadIdx.x < B / 32 ? part[threadIdx.x] : 0;
		p = warp_scan(p);
		if (threadIdx.x < B / 32)
			part[threadIdx.x] = p;
	}
	__syncthreads();
	if (warp)
		v += part[warp - 1];
	if (i < n)
		out[i] = v;
	if (sums && threadIdx.x == B - 1)
		sums[blockIdx.x] = v;
}

extern "C" __global__ void scan_add(int *out, const int *sums, int n)
{
	int i = blockIdx.x * B + threadIdx.x;

	if (blockIdx.x && i < n)
		out[i] += sums[blockIdx.x - 1];
}

int main()
{
	for (int n : { 1, 256, 257, 5000, 60000 }) {
		int blocks = (n + B - 1) / B;
		std::vector<int> v(n);
		uint32_t seed = n;
		for (auto &x : v)
			x = lcg(seed) % 100;
		dev<int> in(v), out(n), sums(blocks), sums2(blocks);
		scan_block<<<blocks, B>>>(in, out, sums, n);
		scan_block<<<1, B>>>(sums, sums2, nullptr, blocks);
		scan_add<<<blocks, B>>>(out, sums2, n);
		CK_LAUNCH();
		auto got = out.get();
		int want = 0;
		for (int i = 0; i < n; i++) {
			want += v[i];
			EXPECT(got[i] == want);
		}
	}
	return finish("scan");
}
