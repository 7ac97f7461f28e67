/* Bitonic sorting network: in shared memory up to the tile, across blocks beyond. */
#include <algorithm>
#include "check.h"

#define TILE 1024

__device__ static void swap_if(unsigned &a, unsigned &b, bool up)
{
	if ((a > b) == up) {
		unsigned t = a;
		a = b;
		b = t;
	}
}

extern "C" __global__ void sort_tile(unsigned *v)
{
	__shared__ unsigned s[TILE];
	unsigned *base = v + blockIdx.x * TILE;

	s[threadIdx.x] = base[threadIdx.x];
	s[threadIdx.x + TILE / 2] = base[threadIdx.x + TILE / 2];
	for (unsigned k = 2; k <= TILE; k *= 2)
		for (unsigned j = k / 2; j; j /= 2) {
			__syncthreads();
			unsigned i = 2 * threadIdx.x - (threadIdx.x & (j - 1));
			swap_if(s[i], s[i + j], !((blockIdx.x * TILE + i) & k));
		}
	__syncthreads();
	base[threadIdx.x] = s[threadIdx.x];
	base[threadIdx.x + TILE / 2] = s[threadIdx.x + TILE / 2];
}

extern "C" __global__ void merge_step(unsigned *v, unsigned k, unsigned j)
{
	unsigned t = blockIdx.x * blockDim.x + threadIdx.x, i = 2 * t - (t & (j - 1));

	swap_if(v[i], v[i + j], !(i & k));
}

int main()
{
	const unsigned n = 8192;
	std::vector<unsigned> v(n);
	uint32_t seed = 11;

	for (auto &x : v)
		x = lcg(seed);
	dev<unsigned> d(v);
	sort_tile<<<n / TILE, TILE / 2>>>(d);
	for (unsigned k = 2 * TILE; k <= n; k *= 2)
		for (unsigned j = k / 2; j; j /= 2)
			merge_step<<<n / 512, 256>>>(d, k, j);
	CK_LAUNCH();
	std::sort(v.begin(), v.end());
	EXPECT(d.get() == v);
	return finish("bitonic_sort");
}
