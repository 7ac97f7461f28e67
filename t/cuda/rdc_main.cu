/* Relocatable device code: functions and variables of another translation unit. Build with rdc_part.cu, -rdc=true. */
#include "check.h"

extern __device__ int shared_counter;
extern __constant__ int shared_const;
__device__ int other_add(int a, int b);
__global__ void other_kernel(int *p);
void other_launch(int *p);

__global__ void use(int *p)
{
	p[threadIdx.x] = other_add(threadIdx.x, shared_const);
	atomicAdd(&shared_counter, 1);
}

int main()
{
	dev<int> d(64);
	int c = 0;

	use<<<1, 64>>>(d);
	CK_LAUNCH();
	auto v = d.get();
	for (int i = 0; i < 64; i++)
		EXPECT(v[i] == i + 1000);
	CK(cudaMemcpyFromSymbol(&c, shared_counter, 4));
	EXPECT(c == 64 + 3);
	other_launch(d);
	v = d.get();
	for (int i = 0; i < 64; i++)
		EXPECT(v[i] == i + 1000 + 5);
	other_kernel<<<1, 64>>>(d);
	CK_LAUNCH();
	EXPECT(d.get()[1] == 1000 + 1 + 10);
	return finish("rdc");
}
