/* Stream-ordered allocation and the default pool. */
#include "check.h"

__global__ void fill(int *p, int n, int v)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		p[i] = v ^ i;
}

int main()
{
	const int n = 4096;
	int has = 0, *p, *q;
	std::vector<int> h(n);
	cudaStream_t s;
	cudaMemPool_t pool;

	CK(cudaDeviceGetAttribute(&has, cudaDevAttrMemoryPoolsSupported, 0));
	if (!has) {
		printf("SKIP pool_alloc: no memory pools\n");
		return 77;
	}
	CK(cudaStreamCreate(&s));
	CK(cudaDeviceGetDefaultMemPool(&pool, 0));
	EXPECT(pool != nullptr);
	for (int r = 0; r < 20; r++) {
		CK(cudaMallocAsync(&p, n * 4, s));
		CK(cudaMallocAsync(&q, n * 4, s));
		EXPECT(p != q);
		fill<<<n / 128, 128, 0, s>>>(p, n, r);
		CK(cudaMemcpyAsync(q, p, n * 4, cudaMemcpyDeviceToDevice, s));
		CK(cudaFreeAsync(p, s));
		CK(cudaMemcpyAsync(h.data(), q, n * 4, cudaMemcpyDeviceToHost, s));
		CK(cudaFreeAsync(q, s));
		CK(cudaStreamSynchronize(s));
		EXPECT(h[5] == (r ^ 5) && h[n - 1] == (r ^ (n - 1)));
	}
	CK(cudaMallocFromPoolAsync(&p, 100, pool, s));
	CK(cudaFree(p));
	uint64_t threshold = 1;
	CK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
	threshold = 0;
	CK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
	EXPECT(threshold == 1);
	CK(cudaStreamDestroy(s));
	return finish("pool_alloc");
}
