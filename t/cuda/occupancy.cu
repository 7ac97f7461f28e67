/* Occupancy API: consistent with the device's limits. */
#include "check.h"

__global__ void plain(int *p)
{
	p[threadIdx.x] = 1;
}

__global__ void __launch_bounds__(128, 4) bounded(int *p)
{
	p[threadIdx.x] = 2;
}

__global__ void shared_user(int *p)
{
	__shared__ int s[8192];

	s[threadIdx.x] = p[threadIdx.x];
	__syncthreads();
	p[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

int main()
{
	cudaDeviceProp pr;
	cudaFuncAttributes a;
	int n = 0, block = 0, grid = 0;
	size_t room = 0;

	CK(cudaGetDeviceProperties(&pr, 0));
	for (int t : { 32, 64, 128, 256, 1024 }) {
		CK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&n, plain, t, 0));
		EXPECT(n >= 1 && n <= pr.maxBlocksPerMultiProcessor && n * t <= pr.maxThreadsPerMultiProcessor);
	}
	CK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&n, shared_user, 64, 0));
	EXPECT(n >= 1 && n * 32768 <= (int)pr.sharedMemPerMultiprocessor);
	CK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&n, bounded, 256, 0));
	EXPECT(n == 0);
	CK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, plain, 0, 0));
	EXPECT(block >= 32 && block <= 1024 && grid >= pr.multiProcessorCount);
	CK(cudaOccupancyAvailableDynamicSMemPerBlock(&room, plain, 1, 256));
	EXPECT(room > 0 && room <= pr.sharedMemPerMultiprocessor);
	CK(cudaFuncGetAttributes(&a, bounded));
	EXPECT(a.maxThreadsPerBlock == 128 && a.numRegs > 0);
	CK(cudaFuncGetAttributes(&a, shared_user));
	EXPECT(a.sharedSizeBytes == 32768 && a.maxThreadsPerBlock == 1024);
	EXPECT(a.binaryVersion == pr.major * 10 + pr.minor);
	EXPECT(a.ptxVersion > 0 && a.ptxVersion <= a.binaryVersion);
	return finish("occupancy");
}
