/* Kernels of t/640-driver.c. driver.ptx is made from it by `make update-driver-ptx`. */
#include <cassert>
#include <cstdio>

__device__ int counter = 41;
__constant__ int offset = 5;
__managed__ int shared_var = 7;

struct mix {
	char c;
	double d;
	short s[3];
};

extern "C" {

__global__ void vector_add(const float *a, const float *b, float *c, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		c[i] = a[i] + b[i];
}

__global__ void unpack(mix m, char t, double *out)
{
	out[0] = m.c;
	out[1] = m.d;
	out[2] = m.s[0] + 10 * m.s[1] + 100 * m.s[2];
	out[3] = t;
}

__global__ void touch()
{
	counter += offset;
	shared_var *= 2;
}

__global__ void reverse(int *v, int n)
{
	extern __shared__ int s[];

	for (int i = threadIdx.x; i < n; i += blockDim.x)
		s[i] = v[i];
	__syncthreads();
	for (int i = threadIdx.x; i < n; i += blockDim.x)
		v[i] = s[n - 1 - i];
}

__global__ void __launch_bounds__(64) bounded(int *v)
{
	v[threadIdx.x] = threadIdx.x;
}

__global__ void spin(volatile int *flag, int *out, int value)
{
	while (!*flag)
		;
	*out = value;
}

__global__ void step(int *v, int rounds)
{
	int x = *v;

	for (int i = 0; i < rounds; i++)
		x = x * 5 + 1;
	*v = x;
}

__global__ void say(int n)
{
	printf("say %d %s\n", n, "it");
}

__global__ void wild(int *p)
{
	*p = 1;
}

__global__ void fails(int x)
{
	assert(x == 0);
}

}
