/* Launches and calls that must be refused, each with the error that CUDA documents, and no harm done. */
#include "check.h"

__global__ void k(int *p) { *p = 1; }
__global__ void __launch_bounds__(64) k64(int *p) { p[threadIdx.x] = 1; }

int main()
{
	dev<int> d(64);
	int *p = d;
	void *args[] = { &p };

	k<<<1, 1025>>>(d);
	EXPECT_ERR(cudaGetLastError(), cudaErrorInvalidConfiguration);
	k<<<0, 1>>>(d);
	EXPECT_ERR(cudaGetLastError(), cudaErrorInvalidConfiguration);
	k<<<1, 0>>>(d);
	EXPECT_ERR(cudaGetLastError(), cudaErrorInvalidConfiguration);
	k<<<1, dim3(1, 1, 65)>>>(d);
	EXPECT_ERR(cudaGetLastError(), cudaErrorInvalidConfiguration);
	k<<<dim3(1, 65536), 1>>>(d);
	EXPECT_ERR(cudaGetLastError(), cudaErrorInvalidConfiguration);
	k64<<<1, 65>>>(d);
	EXPECT(cudaGetLastError() != cudaSuccess);
	k<<<1, 1, 1 << 20>>>(d);
	EXPECT_ERR(cudaGetLastError(), cudaErrorInvalidValue);
	EXPECT(cudaLaunchKernel((void *)main, dim3(1), dim3(1), args, 0, 0) != cudaSuccess);
	(void)cudaGetLastError();
	EXPECT_ERR(cudaMalloc(&p, (size_t)1 << 60), cudaErrorMemoryAllocation);
	EXPECT_ERR(cudaFree((void *)0x1234), cudaErrorInvalidValue);
	(void)cudaGetLastError();
	/* Still all right. */
	k64<<<1, 64>>>(d);
	CK_LAUNCH();
	EXPECT(d.get()[63] == 1);
	CK(cudaFree(nullptr));
	size_t fr = 0, total = 0, fr2 = 0;
	bool less = false;
	/* the device has other programs' memory, too, and they may free some meanwhile */
	for (int tries = 0; tries < 50 && !less; tries++) {
		CK(cudaMemGetInfo(&fr, &total));
		EXPECT(fr <= total && total > 0);
		CK(cudaMalloc(&p, 64 << 20));
		CK(cudaMemGetInfo(&fr2, &total));
		EXPECT(total - fr2 >= 64 << 20);
		less = fr >= fr2 && fr - fr2 >= 64 << 20;
		CK(cudaFree(p));
	}
	EXPECT(less);
	return finish("launch_errors");
}
