/* The other half of rdc_main.cu. */
#include <cuda_runtime.h>

__device__ int shared_counter = 3;
__constant__ int shared_const = 1000;

__device__ int other_add(int a, int b)
{
	return a + b;
}

__global__ void other_kernel(int *p)
{
	p[threadIdx.x] += 5;
}

void other_launch(int *p)
{
	other_kernel<<<1, 64>>>(p);
}
