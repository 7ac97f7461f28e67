/* Recursion: Fibonacci, Ackermann, quick sort with local arrays; the stack limit. */
#include <algorithm>
#include "check.h"

__device__ __noinline__ int fib(int n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

__device__ __noinline__ int ack(int m, int n)
{
	return !m ? n + 1 : !n ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1));
}

__device__ __noinline__ void quick(int *v, int lo, int hi)
{
	if (lo >= hi)
		return;
	int p = v[(lo + hi) / 2], i = lo, j = hi;
	while (i <= j) {
		while (v[i] < p)
			i++;
		while (v[j] > p)
			j--;
		if (i <= j) {
			int t = v[i];
			v[i++] = v[j];
			v[j--] = t;
		}
	}
	quick(v, lo, j);
	quick(v, i, hi);
}

__global__ void run(int *f, int *a, const int *in, int *out)
{
	int local[32];

	f[threadIdx.x] = fib(threadIdx.x % 16);
	a[threadIdx.x] = ack(threadIdx.x % 3, threadIdx.x % 4);
	for (int i = 0; i < 32; i++)
		local[i] = in[threadIdx.x * 32 + i];
	quick(local, 0, 31);
	for (int i = 0; i < 32; i++)
		out[threadIdx.x * 32 + i] = local[i];
}

static int hfib(int n) { return n < 2 ? n : hfib(n - 1) + hfib(n - 2); }
static int hack(int m, int n) { return !m ? n + 1 : !n ? hack(m - 1, 1) : hack(m - 1, hack(m, n - 1)); }

int main()
{
	const int n = 64;
	std::vector<int> v(n * 32);
	uint32_t seed = 4;
	size_t stack = 0;

	for (auto &x : v)
		x = lcg(seed) >> 8;
	CK(cudaDeviceSetLimit(cudaLimitStackSize, 8192));
	CK(cudaDeviceGetLimit(&stack, cudaLimitStackSize));
	EXPECT(stack >= 8192);
	dev<int> f(n), a(n), in(v), out(n * 32);
	run<<<1, n>>>(f, a, in, out);
	CK_LAUNCH();
	auto gf = f.get(), ga = a.get(), go = out.get();
	for (int i = 0; i < n; i++) {
		EXPECT(gf[i] == hfib(i % 16));
		EXPECT(ga[i] == hack(i % 3, i % 4));
		std::sort(v.begin() + i * 32, v.begin() + i * 32 + 32);
	}
	EXPECT(go == v);
	return finish("recursion");
}
