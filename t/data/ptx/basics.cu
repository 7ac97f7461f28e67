/* Everyday kernels: loops, shared memory, barriers, shuffles, atomics, printf, calls. */
#include <cstdio>
#include <cstdint>

__constant__ float coeff[4] = { 1.0f, 0.5f, 0.25f, 0.125f };
__device__ int counter;
__device__ const int *table_ptr = nullptr;
__managed__ int shared_with_host = 7;

extern "C" __global__ void saxpy(float a, const float *__restrict__ x, float *y, int n)
{
	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		y[i] = a * x[i] + y[i];
}

extern "C" __global__ void reduce(const int *in, int *out, int n)
{
	__shared__ int part[32];
	int v = 0;

	for (int i = threadIdx.x; i < n; i += blockDim.x)
		v += in[i];
	for (int d = 16; d; d >>= 1)
		v += __shfl_xor_sync(0xffffffff, v, d);
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = v;
	__syncthreads();
	if (threadIdx.x == 0) {
		for (int i = 1; i < (int)blockDim.x / 32; i++)
			v += part[i];
		atomicAdd(out, v);
	}
}

extern "C" __global__ void dynamic(float4 *p)
{
	extern __shared__ float4 tile[];

	tile[threadIdx.x] = p[threadIdx.x];
	__syncthreads();
	p[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

__device__ __noinline__ int helper(int a, double b)
{
	__shared__ int box;

	box = a;
	__syncthreads();
	return box + (int)b;
}

extern "C" __global__ void calls(int *p, double d)
{
	p[threadIdx.x] = helper(p[threadIdx.x], d) + (int)coeff[threadIdx.x & 3];
	if (p[threadIdx.x] < 0)
		printf("thread %d: %d\n", threadIdx.x, p[threadIdx.x]);
	atomicCAS(&counter, 0, shared_with_host);
}

struct big { int v[40]; };

extern "C" __global__ void by_value(struct big b, int i, char c, short s, long long *out)
{
	out[0] = b.v[i & 31] + c + s;
	out[1] = clock64();
	out[2] = __ballot_sync(0xffffffff, i > (int)threadIdx.x);
}

extern "C" __global__ void lock(int *l, int *v)
{
	while (atomicCAS(l, 0, 1))
		__nanosleep(20);
	(*v)++;
	__threadfence();
	atomicExch(l, 0);
}

typedef float (*fn)(float);
__device__ float f_sin(float x) { return __sinf(x); }
__device__ float f_exp(float x) { return expf(x); }
__device__ fn fns[2] = { f_sin, f_exp };

extern "C" __global__ void indirect(float *p, int i)
{
	p[threadIdx.x] = fns[i & 1](p[threadIdx.x]);
}

extern "C" __global__ void local_array(int *p, int i)
{
	int a[16];

	for (int k = 0; k < 16; k++)
		a[k] = p[k] * k;
	p[0] = a[i & 15];
}

extern "C" __global__ void switches(int *p)
{
	switch (p[threadIdx.x]) {
	case 0: p[0] = 10; break;
	case 1: p[1] = p[7] / 3; break;
	case 2: p[2] = __popc(p[3]); break;
	case 3: p[3] = __brev(p[2]); break;
	case 4: p[4] = __clz(p[1]); break;
	case 5: p[5] = __dp4a(p[1], p[2], p[3]); break;
	case 6: p[6] = __byte_perm(p[1], p[2], p[3]); break;
	default: __trap();
	}
}
