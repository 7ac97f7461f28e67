/* Managed memory: cudaMallocManaged, __managed__ variables, linked structures seen by both sides. */
#include "check.h"

__managed__ int total = 5;
__managed__ float table[16] = { 1.5f, 2.5f };

struct item {
	int v;
	item *next;
};

__global__ void bump(int *v, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		v[i] += i;
	atomicAdd(&total, 1);
	if (i < 16)
		table[i] *= 2;
}

__global__ void walk(item *l, int *sum)
{
	int s = 0;

	for (; l; l = l->next) {
		s += l->v;
		l->v = -l->v;
	}
	*sum = s;
}

int main()
{
	const int n = 1000;
	int *v, *sum;
	item *items;
	cudaPointerAttributes a;

	EXPECT(total == 5 && table[1] == 2.5f);
	total = 7;
	CK(cudaMallocManaged(&v, n * sizeof(int)));
	CK(cudaMallocManaged(&sum, sizeof(int)));
	CK(cudaMallocManaged(&items, 50 * sizeof(item)));
	for (int i = 0; i < n; i++)
		v[i] = 10 * i;
	for (int round = 1; round <= 3; round++) {
		bump<<<4, 256>>>(v, n);
		CK_LAUNCH();
		CK(cudaDeviceSynchronize());
		for (int i = 0; i < n; i++)
			EXPECT(v[i] == 10 * i + round * i);
		EXPECT(total == 7 + 1024 * round);
		EXPECT(table[0] == 1.5f * (1 << round) && table[2] == 0);
	}
	for (int i = 0; i < 50; i++)
		items[i] = { i, i < 49 ? &items[i + 1] : nullptr };
	walk<<<1, 1>>>(items, sum);
	CK(cudaDeviceSynchronize());
	EXPECT(*sum == 49 * 50 / 2 && items[7].v == -7);
	CK(cudaPointerGetAttributes(&a, v));
	EXPECT(a.type == cudaMemoryTypeManaged && a.devicePointer == v && a.hostPointer == v);
	CK(cudaMemset(v, 0, n * sizeof(int)));
	CK(cudaDeviceSynchronize());
	EXPECT(v[999] == 0);
	CK(cudaFree(v));
	CK(cudaFree(sum));
	CK(cudaFree(items));
	return finish("managed");
}
