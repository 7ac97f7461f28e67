/* Pinned and mapped host memory: kernels read and write it in place. */
#include "check.h"

__global__ void twice(const int *in, int *out, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		out[i] = 2 * in[i];
}

int main()
{
	const int n = 3000;
	int *h, *d, *w, *plain = (int *)malloc(n * 4);
	unsigned flags = 99;
	cudaPointerAttributes a;

	CK(cudaHostAlloc(&h, n * 4, cudaHostAllocMapped | cudaHostAllocPortable));
	CK(cudaHostAlloc(&w, n * 4, cudaHostAllocWriteCombined | cudaHostAllocMapped));
	CK(cudaHostGetDevicePointer(&d, h, 0));
	CK(cudaHostGetFlags(&flags, h));
	EXPECT(flags & cudaHostAllocMapped);
	for (int i = 0; i < n; i++)
		w[i] = i * 3, h[i] = -1;
	int *dw;
	CK(cudaHostGetDevicePointer(&dw, w, 0));
	twice<<<(n + 127) / 128, 128>>>(dw, d, n);
	CK_LAUNCH();
	CK(cudaDeviceSynchronize());
	for (int i = 0; i < n; i++)
		EXPECT(h[i] == 6 * i);
	/* Unified addressing: the host pointer itself works, too. */
	twice<<<(n + 127) / 128, 128>>>(w, h + 1, n - 1);
	CK(cudaDeviceSynchronize());
	EXPECT(h[1] == 0 && h[n - 1] == 6 * (n - 2));
	CK(cudaPointerGetAttributes(&a, h + 5));
	EXPECT(a.type == cudaMemoryTypeHost && a.hostPointer == h + 5 && a.devicePointer == d + 5);
	CK(cudaPointerGetAttributes(&a, plain));
	EXPECT(a.type == cudaMemoryTypeUnregistered);
	EXPECT(cudaHostGetDevicePointer(&d, plain, 0) != cudaSuccess);
	(void)cudaGetLastError();
	CK(cudaFreeHost(h));
	CK(cudaFreeHost(w));
	EXPECT(cudaFreeHost(plain) != cudaSuccess);
	(void)cudaGetLastError();
	free(plain);
	return finish("mapped_host");
}
