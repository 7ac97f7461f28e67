/* __constant__ and __device__ variables: to and from symbols, offsets, addresses, initial values. */
#include "check.h"

__constant__ float coeff[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
__constant__ struct { int a; double b; } pair = { 3, 0.5 };
__device__ int counter = 17;
__device__ short table[5] = { -1, -2, -3, -4, -5 };
__device__ int zeros[100];
static __device__ double hidden = 2.5;

__global__ void poly(const float *x, float *y, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	float s = 0;

	if (i >= n)
		return;
	for (int k = 7; k >= 0; k--)
		s = s * x[i] + coeff[k];
	y[i] = s + pair.a * (float)pair.b;
}

__global__ void touch()
{
	atomicAdd(&counter, 1);
	if (threadIdx.x < 5 && !blockIdx.x)
		table[threadIdx.x] *= 10;
	atomicAdd(&zeros[threadIdx.x], 1);
	if (!threadIdx.x && !blockIdx.x)
		hidden *= 2;
}

int main()
{
	const int n = 100;
	std::vector<float> x(n);
	float c[8] = { 8, 7, 6, 5, 4, 3, 2, 1 };

	for (int i = 0; i < n; i++)
		x[i] = i / 100.0f;
	dev<float> dx(x), dy(n);
	for (int round = 0; round < 2; round++) {
		poly<<<1, 128>>>(dx, dy, n);
		CK_LAUNCH();
		auto y = dy.get();
		for (int i = 0; i < n; i++) {
			double s = 0;
			for (int k = 7; k >= 0; k--)
				s = s * x[i] + (round ? c[k] : k + 1);
			EXPECT(near_rel(y[i], s + 1.5, 1e-5));
		}
		CK(cudaMemcpyToSymbol(coeff, c, 16));
		CK(cudaMemcpyToSymbol(coeff, c + 4, 16, 16));
	}
	touch<<<2, 50>>>();
	CK_LAUNCH();
	int got = 0, z[100];
	short t[5];
	double h;
	size_t size = 0;
	void *addr = nullptr;
	CK(cudaMemcpyFromSymbol(&got, counter, 4));
	EXPECT(got == 117);
	CK(cudaMemcpyFromSymbol(t, table, sizeof(t)));
	EXPECT(t[0] == -10 && t[4] == -50);
	CK(cudaMemcpyFromSymbol(z, zeros, sizeof(z)));
	EXPECT(z[0] == 2 && z[49] == 2 && z[50] == 0);
	CK(cudaMemcpyFromSymbol(&h, hidden, 8));
	EXPECT(h == 5);
	CK(cudaGetSymbolSize(&size, table));
	EXPECT(size == 10);
	CK(cudaGetSymbolAddress(&addr, counter));
	got = 5;
	CK(cudaMemcpy(addr, &got, 4, cudaMemcpyHostToDevice));
	touch<<<1, 1>>>();
	CK(cudaMemcpyFromSymbol(&got, counter, 4));
	EXPECT(got == 6);
	return finish("constant_memory");
}
