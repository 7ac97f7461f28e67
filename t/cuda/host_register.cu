/* Registered host memory: a program's own pages seen by kernels. */
#include <sys/mman.h>
#include "check.h"

__global__ void add(int *p, int n, int v)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		p[i] += v;
}

int main()
{
	const int n = 10000;
	size_t bytes = n * 4;
	int *h, *d;

	h = (int *)mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < n; i++)
		h[i] = i;
	cudaError_t e = cudaHostRegister(h, bytes, cudaHostRegisterMapped);
	if (e == cudaErrorNotSupported) {
		printf("SKIP host_register: not supported\n");
		return 77;
	}
	CK(e);
	EXPECT(h[77] == 77);
	CK(cudaHostGetDevicePointer(&d, h, 0));
	add<<<(n + 127) / 128, 128>>>(d, n, 5);
	CK_LAUNCH();
	CK(cudaDeviceSynchronize());
	EXPECT(h[0] == 5 && h[n - 1] == n + 4);
	h[3] = 1000;
	add<<<(n + 127) / 128, 128>>>(d, n, 1);
	CK(cudaDeviceSynchronize());
	EXPECT(h[3] == 1001);
	EXPECT_ERR(cudaHostRegister(h, bytes, 0), cudaErrorHostMemoryAlreadyRegistered);
	(void)cudaGetLastError();
	CK(cudaHostUnregister(h));
	EXPECT(h[3] == 1001 && h[n - 1] == n + 5);
	h[3] = 1;
	EXPECT_ERR(cudaHostUnregister(h), cudaErrorHostMemoryNotRegistered);
	(void)cudaGetLastError();
	/* malloc'ed memory that starts in the middle of a page */
	std::vector<char> m(100000, 'a');
	e = cudaHostRegister(m.data() + 100, 50000, 0);
	CK(e);
	CK(cudaHostGetDevicePointer(&d, m.data() + 100, 0));
	CK(cudaMemset(d, 'b', 50000));
	CK(cudaDeviceSynchronize());
	EXPECT(m[99] == 'a' && m[100] == 'b' && m[50099] == 'b' && m[50100] == 'a');
	CK(cudaHostUnregister(m.data() + 100));
	EXPECT(m[99] == 'a' && m[100] == 'b');
	return finish("host_register");
}
