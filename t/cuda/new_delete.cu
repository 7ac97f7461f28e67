/* Device heap: malloc, free, new, delete; lists that live over kernels; the heap's limit. */
#include "check.h"

struct node {
	int v;
	node *next;
	__device__ node(int x, node *n) : v(x), next(n) {}
};

__device__ node *lists[64];

__global__ void build(int len)
{
	node *l = nullptr;

	for (int i = 0; i < len; i++)
		l = new node(threadIdx.x * 1000 + i, l);
	lists[threadIdx.x] = l;
}

__global__ void consume(long long *sum)
{
	long long s = 0;

	for (node *l = lists[threadIdx.x]; l;) {
		node *n = l->next;
		s += l->v;
		delete l;
		l = n;
	}
	sum[threadIdx.x] = s;
}

__global__ void too_much(int *out)
{
	void *p = malloc((size_t)1 << 40), *q = malloc(100);

	out[0] = p == nullptr;
	out[1] = q != nullptr;
	free(q);
	free(nullptr);
}

__global__ void churn(int *bad)
{
	for (int i = 0; i < 20; i++) {
		int *p = (int *)malloc(256);
		if (!p) {
			atomicAdd(bad, 1);
			continue;
		}
		for (int k = 0; k < 64; k++)
			p[k] = threadIdx.x + k;
		for (int k = 0; k < 64; k++)
			if (p[k] != (int)threadIdx.x + k)
				atomicAdd(bad, 1);
		free(p);
	}
}

int main()
{
	const int len = 20;
	dev<long long> sum(64);
	dev<int> flags(2);
	size_t heap = 0;

	CK(cudaDeviceGetLimit(&heap, cudaLimitMallocHeapSize));
	EXPECT(heap >= 8 << 20);
	build<<<1, 64>>>(len);
	consume<<<1, 64>>>(sum);
	CK_LAUNCH();
	auto s = sum.get();
	for (int i = 0; i < 64; i++)
		EXPECT(s[i] == (long long)i * 1000 * len + len * (len - 1) / 2);
	too_much<<<1, 1>>>(flags);
	CK_LAUNCH();
	auto f = flags.get();
	EXPECT(f[0] == 1 && f[1] == 1);
	CK(cudaMemset(flags, 0, 8));
	churn<<<4, 64>>>(flags);
	CK_LAUNCH();
	EXPECT(flags.get()[0] == 0);
	return finish("new_delete");
}
