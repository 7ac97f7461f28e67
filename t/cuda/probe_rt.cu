/*
 * probe_rt: what one process sees and computes through the CUDA runtime: the
 * same line as t/lib/probe prints through the driver API.
 */
#include <cstdio>

__global__ void saxpi(unsigned *d, const unsigned *s, unsigned n)
{
	unsigned i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		d[i] = s[i] * 3 + i;
}

#define CHECK(call)                                                              \
	do {                                                                     \
		cudaError_t e_ = (call);                                         \
		if (e_ != cudaSuccess) {                                         \
			printf("probe_rt: %s: %s\n", #call, cudaGetErrorString(e_)); \
			return 1;                                                \
		}                                                                \
	} while (0)

int main()
{
	const unsigned n = 1000;
	static unsigned host[n], got[n];
	int count = 0;
	cudaError_t e = cudaGetDeviceCount(&count);

	if (e == cudaErrorNoDevice) {
		printf("count=0\n");
		return 0;
	}
	CHECK(e);
	printf("count=%d", count);
	for (int dev = 0; dev < count; dev++) {
		cudaDeviceProp prop;
		unsigned *d, *s, bad = 0;

		CHECK(cudaGetDeviceProperties(&prop, dev));
		const unsigned char *u = (const unsigned char *)prop.uuid.bytes;

		printf(" GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		       u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
		       u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
		CHECK(cudaSetDevice(dev));
		CHECK(cudaMalloc(&d, sizeof(host)));
		CHECK(cudaMalloc(&s, sizeof(host)));
		for (unsigned i = 0; i < n; i++)
			host[i] = i * 2654435761u;
		CHECK(cudaMemcpy(s, host, sizeof(host), cudaMemcpyHostToDevice));
		saxpi<<<(n + 127) / 128, 128>>>(d, s, n);
		CHECK(cudaGetLastError());
		CHECK(cudaMemcpy(got, d, sizeof(got), cudaMemcpyDeviceToHost));
		for (unsigned i = 0; i < n; i++)
			bad += got[i] != 3 * host[i] + i;
		CHECK(cudaFree(d));
		CHECK(cudaFree(s));
		printf(" %s", bad ? "WRONG" : "right");
	}
	printf("\n");
	return 0;
}
