/*
 * demo_rt.cu: an ordinary CUDA runtime program, built by nvcc where there is
 * one: the unmodified way in. Adds two vectors on each device and checks.
 */
#include <cstdio>
#include <vector>

__global__ void add(const float *a, const float *b, float *c, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		c[i] = a[i] + b[i];
}

static int run(int dev)
{
	const int n = 1 << 20;
	std::vector<float> a(n), b(n), c(n);
	float *da, *db, *dc;
	cudaDeviceProp p;
	int wrong = 0;

	for (int i = 0; i < n; i++) {
		a[i] = i * 0.5f;
		b[i] = n - i;
	}
	if (cudaSetDevice(dev) || cudaGetDeviceProperties(&p, dev) || cudaMalloc(&da, n * 4) || cudaMalloc(&db, n * 4) ||
	    cudaMalloc(&dc, n * 4))
		return 1;
	cudaMemcpy(da, a.data(), n * 4, cudaMemcpyHostToDevice);
	cudaMemcpy(db, b.data(), n * 4, cudaMemcpyHostToDevice);
	add<<<(n + 255) / 256, 256>>>(da, db, dc, n);
	cudaMemcpy(c.data(), dc, n * 4, cudaMemcpyDeviceToHost);
	for (int i = 0; i < n; i++)
		wrong += c[i] != a[i] + b[i];
	printf("nvcc program: device %d: %s: %d sums, %d wrong\n", dev, p.name, n, wrong);
	cudaFree(da);
	cudaFree(db);
	cudaFree(dc);
	return wrong != 0;
}

int main()
{
	int n = 0, bad = 0;
	cudaError_t e = cudaGetDeviceCount(&n);

	for (int i = 0; i < n && e == cudaSuccess; i++)
		bad += run(i);
	if (e == cudaSuccess)
		e = cudaGetLastError();
	if (e != cudaSuccess)
		fprintf(stderr, "nvcc program: %s\n", cudaGetErrorString(e));
	return e != cudaSuccess || n == 0 || bad;
}
