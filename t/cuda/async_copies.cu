/* Asynchronous copies: pageable and pinned, order against kernels, sizes around the staging limits. */
#include "check.h"

__global__ void add1(unsigned char *p, size_t n)
{
	for (size_t i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
		p[i]++;
}

__global__ void late(int *v, int rounds)
{
	int x = *v;

	for (int i = 0; i < rounds; i++)
		x = x * 5 + 1;
	*v = x;
}

static void sized(cudaStream_t s, size_t n, bool pinned)
{
	unsigned char *h, *d;

	if (pinned)
		CK(cudaMallocHost(&h, n));
	else
		h = (unsigned char *)malloc(n);
	CK(cudaMalloc(&d, n));
	for (size_t i = 0; i < n; i++)
		h[i] = (unsigned char)(i * 13 + 1);
	CK(cudaMemcpyAsync(d, h, n, cudaMemcpyHostToDevice, s));
	if (!pinned)
		memset(h, 0, n);  /* a pageable source may be reused at once */
	add1<<<8, 64, 0, s>>>(d, n);
	CK(cudaMemcpyAsync(h, d, n, cudaMemcpyDeviceToHost, s));
	CK(cudaStreamSynchronize(s));
	bool right = true;
	for (size_t i = 0; i < n; i++)
		right &= h[i] == (unsigned char)(i * 13 + 2);
	EXPECT(right);
	CK(cudaFree(d));
	if (pinned)
		CK(cudaFreeHost(h));
	else
		free(h);
}

int main()
{
	cudaStream_t s;

	CK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
	for (size_t n : { 1ul, 100ul, 4096ul, 65536ul, 65537ul, 150000ul })
		for (bool pinned : { false, true })
			sized(s, n, pinned);

	/* Behind a busy stream: the source's value at the time of the call counts for pageable memory. */
	dev<int> a(1), b(1);
	int zero = 0, v = 11, got = 0, want = 0;
	CK(cudaMemcpy(a, &zero, 4, cudaMemcpyHostToDevice));
	late<<<1, 1, 0, s>>>(a, 200000);
	CK(cudaMemcpyAsync(b, &v, 4, cudaMemcpyHostToDevice, s));
	v = 12;
	CK(cudaMemcpyAsync(a, b, 4, cudaMemcpyDeviceToDevice, s));
	CK(cudaMemcpyAsync(&got, a, 4, cudaMemcpyDeviceToHost, s));
	CK(cudaStreamSynchronize(s));
	want = 11;
	EXPECT(got == want);
	CK(cudaMemsetAsync(a, 0x11, 4, s));
	CK(cudaMemcpyAsync(&got, a, 4, cudaMemcpyDefault, s));
	CK(cudaStreamSynchronize(s));
	EXPECT(got == 0x11111111);
	EXPECT(cudaMemcpy(a, &v, 1 << 30, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
	(void)cudaGetLastError();
	CK(cudaStreamDestroy(s));
	return finish("async_copies");
}
