/* Monte Carlo pi with a generator of our own (xorshift64*, 64-bit integer arithmetic): counts must be exact. */
#include "check.h"

__host__ __device__ static uint64_t next(uint64_t &s)
{
	s ^= s >> 12;
	s ^= s << 25;
	s ^= s >> 27;
	return s * 2685821657736338717ull;
}

__host__ __device__ static unsigned hits(uint64_t seed, int n)
{
	uint64_t s = seed * 0x9E3779B97F4A7C15ull + 1;
	unsigned in = 0;

	for (int i = 0; i < n; i++) {
		uint64_t r = next(s);
		uint64_t x = r >> 40, y = (r >> 8) & 0xffffff;
		in += x * x + y * y < (1ull << 48);
	}
	return in;
}

__global__ void pi(unsigned *total, int n)
{
	unsigned v = hits(blockIdx.x * blockDim.x + threadIdx.x + 1, n);

	for (int d = 16; d; d /= 2)
		v += __shfl_xor_sync(~0u, v, d);
	if (threadIdx.x % 32 == 0)
		atomicAdd(total, v);
}

int main()
{
	const int blocks = 16, threads = 128, n = 200;
	dev<unsigned> total(1);
	unsigned want = 0;

	CK(cudaMemset(total, 0, 4));
	pi<<<blocks, threads>>>(total, n);
	CK_LAUNCH();
	for (int i = 1; i <= blocks * threads; i++)
		want += hits(i, n);
	EXPECT(total.get()[0] == want);
	EXPECT(fabs(4.0 * want / (blocks * threads * n) - 3.14159265) < 0.01);
	return finish("monte_carlo");
}
