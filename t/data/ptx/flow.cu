/* flow.cu: source of flow.ptx (nvcc -ptx -arch=compute_75 -O3): control flow, calls, warps, barriers. */
#include <cooperative_groups.h>
namespace cg = cooperative_groups;

extern "C" __global__ void collatz(unsigned *out, unsigned n)
{
	unsigned i = blockIdx.x * blockDim.x + threadIdx.x, steps = 0;
	if (i >= n)
		return;
	unsigned long long v = i + 1;
	while (v != 1) {
		v = v & 1 ? 3 * v + 1 : v / 2;
		steps++;
	}
	out[i] = steps;
}

extern "C" __global__ void switches(int *out)
{
	int i = threadIdx.x, r = 0;
	for (int k = 0; k < i % 5 + 1; k++)
		switch ((i + k) % 11) {
		case 0: r += 3; break;
		case 1: r ^= 0x55; break;
		case 2: r *= 7; break;
		case 3: r -= i; break;
		case 4: if (k) continue; r += 100; break;
		case 5: r = ~r; break;
		case 6: r += i * i; break;
		case 7: r |= 8; break;
		case 8: r /= 3; break;
		case 9: r <<= 1; break;
		default: r += 1000;
		}
	out[i] = r;
}

/* each lane takes the lock in turn: needs independent progress of lanes */
extern "C" __global__ void spinlock(int *lock, int *count)
{
	while (atomicCAS(lock, 0, 1) != 0)
		;
	__threadfence();
	*(volatile int *)count = *(volatile int *)count + 1;
	__threadfence();
	atomicExch(lock, 0);
}

/* producer lane in the same warp as the consumers */
extern "C" __global__ void handoff(volatile int *flag, int *out)
{
	if (threadIdx.x == 31) {
		out[31] = 31;
		__threadfence();
		*flag = 42;
	} else {
		while (*flag != 42)
			;
		out[threadIdx.x] = (int)threadIdx.x + *flag;
	}
}

__device__ __noinline__ unsigned fib(unsigned n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

extern "C" __global__ void recurse(unsigned *out)
{
	out[threadIdx.x] = fib(threadIdx.x % 13);
}

__device__ __noinline__ int deep(int n, volatile int *p)
{
	int a[8];
	for (int k = 0; k < 8; k++)
		a[k] = n + k + *p;
	if (n <= 0)
		return a[*p & 7];
	return deep(n - 1, p) + a[n & 7];
}

extern "C" __global__ void too_deep(int *out, int n, int *zero)
{
	out[threadIdx.x] = deep(n, zero);
}

typedef int (*op)(int, int);
__device__ __noinline__ int op_add(int a, int b) { return a + b; }
__device__ __noinline__ int op_sub(int a, int b) { return a - b; }
__device__ __noinline__ int op_mul(int a, int b) { return a * b; }
__device__ op ops[3] = { op_add, op_sub, op_mul };

extern "C" __global__ void pointers(int *out)
{
	int i = threadIdx.x;
	out[i] = ops[i % 3](i, 5);
}

extern "C" __global__ void call_any(op f, int *out)
{
	out[threadIdx.x] = f(threadIdx.x, 2);
}

struct shape {
	__device__ virtual float area() const = 0;
	__device__ virtual ~shape() {}
};
struct square : shape {
	float s;
	__device__ square(float v) : s(v) {}
	__device__ float area() const { return s * s; }
};
struct circle : shape {
	float r;
	__device__ circle(float v) : r(v) {}
	__device__ float area() const { return 3.0f * r * r; }
};

extern "C" __global__ void virtuals(float *out)
{
	int i = threadIdx.x;
	shape *s = i & 1 ? (shape *)new square(i) : (shape *)new circle(i);
	out[i] = s ? s->area() : -1;
	delete s;
}

extern "C" __global__ void reduce(const int *in, int *out, int n)
{
	__shared__ int part[32];
	int i = blockIdx.x * blockDim.x + threadIdx.x, v = i < n ? in[i] : 0;
	for (int d = 16; d; d /= 2)
		v += __shfl_down_sync(~0u, v, d);
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = v;
	__syncthreads();
	if (threadIdx.x < 32) {
		v = threadIdx.x < (blockDim.x + 31) / 32 ? part[threadIdx.x] : 0;
		for (int d = 16; d; d /= 2)
			v += __shfl_xor_sync(~0u, v, d);
		if (threadIdx.x == 0)
			atomicAdd(out, v);
	}
}

extern "C" __global__ void bitonic(unsigned *data)
{
	extern __shared__ unsigned sh[];
	unsigned t = threadIdx.x;
	sh[t] = data[t];
	__syncthreads();
	for (unsigned k = 2; k <= blockDim.x; k *= 2)
		for (unsigned j = k / 2; j; j /= 2) {
			unsigned x = t ^ j;
			if (x > t && ((t & k) == 0) == (sh[t] > sh[x])) {
				unsigned v = sh[t];
				sh[t] = sh[x];
				sh[x] = v;
			}
			__syncthreads();
		}
	data[t] = sh[t];
}

/* half of the threads leave before the barriers */
extern "C" __global__ void early(int *out)
{
	__shared__ int s[256];
	if (threadIdx.x & 1)
		return;
	s[threadIdx.x] = threadIdx.x;
	__syncthreads();
	out[threadIdx.x] = s[(threadIdx.x + 2) % blockDim.x & ~1u];
	if (threadIdx.x >= blockDim.x / 2)
		return;
	__syncthreads();
	out[threadIdx.x] += 1;
}

extern "C" __global__ void grid_sync(unsigned *data, unsigned rounds)
{
	cg::grid_group g = cg::this_grid();
	unsigned n = g.size(), i = g.thread_rank();
	for (unsigned r = 0; r < rounds; r++) {
		data[(r + 1) % 2 * n + i] = data[r % 2 * n + (i + 1) % n] + 1;
		g.sync();
	}
}

extern "C" __global__ void tiles(int *out)
{
	cg::thread_block b = cg::this_thread_block();
	cg::thread_block_tile<8> t = cg::tiled_partition<8>(b);
	int v = threadIdx.x;
	for (int d = 4; d; d /= 2)
		v += t.shfl_xor(v, d);
	if (threadIdx.x % 3 == 0) {
		cg::coalesced_group c = cg::coalesced_threads();
		v += 1000 * c.size() + 100000 * c.thread_rank();
	}
	out[threadIdx.x] = v;
}

/* block n waits for block n - 1's flag, and block 0 for the last one's first half */
extern "C" __global__ void ring(volatile unsigned *flags, unsigned *out)
{
	unsigned n = gridDim.x, b = blockIdx.x;
	if (threadIdx.x == 0) {
		if (b == n - 1) {
			flags[n] = 1;
		}
		if (b == 0) {
			while (flags[n] == 0)
				;
		} else {
			while (flags[b - 1] == 0)
				;
		}
		out[b] = b ? out[b - 1] + b : 1;
		__threadfence();
		flags[b] = 1;
	}
	__syncthreads();
}

extern "C" __global__ void endless(volatile int *x)
{
	for (;;)
		if (x[0] == 12345)
			x[1]++;
}

extern "C" __global__ void endless_math(int *x)
{
	unsigned v = threadIdx.x;
	do
		v = v * 1664525 + 1013904223;
	while (v != 0x80000000u || x[0] == 77);
	x[1] = v;
	for (;;)
		asm volatile("");
}
