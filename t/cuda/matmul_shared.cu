/* Tiled matrix multiply: shared memory, barriers, two-dimensional blocks. */
#include "check.h"

#define TILE 16

extern "C" __global__ void matmul(const float *a, const float *b, float *c, int m, int n, int k)
{
	__shared__ float ta[TILE][TILE], tb[TILE][TILE];
	int row = blockIdx.y * TILE + threadIdx.y, col = blockIdx.x * TILE + threadIdx.x;
	float sum = 0;

	for (int t = 0; t < k; t += TILE) {
		ta[threadIdx.y][threadIdx.x] = row < m && t + threadIdx.x < k ? a[row * k + t + threadIdx.x] : 0;
		tb[threadIdx.y][threadIdx.x] = col < n && t + threadIdx.y < k ? b[(t + threadIdx.y) * n + col] : 0;
		__syncthreads();
		for (int i = 0; i < TILE; i++)
			sum += ta[threadIdx.y][i] * tb[i][threadIdx.x];
		__syncthreads();
	}
	if (row < m && col < n)
		c[row * n + col] = sum;
}

static void run(int m, int n, int k)
{
	uint32_t seed = m + n + k;
	std::vector<float> a(m * k), b(k * n);

	for (auto &x : a)
		x = unit(seed) - 0.5f;
	for (auto &x : b)
		x = unit(seed) - 0.5f;
	dev<float> da(a), db(b), dc(m * n);
	dim3 block(TILE, TILE), grid((n + TILE - 1) / TILE, (m + TILE - 1) / TILE);
	matmul<<<grid, block>>>(da, db, dc, m, n, k);
	CK_LAUNCH();
	auto c = dc.get();
	for (int i = 0; i < m; i++)
		for (int j = 0; j < n; j++) {
			double want = 0;
			for (int l = 0; l < k; l++)
				want += (double)a[i * k + l] * b[l * n + j];
			EXPECT(near_rel(c[i * n + j], want, 1e-4));
		}
}

int main()
{
	run(64, 64, 64);
	run(33, 70, 45);
	run(1, 1, 100);
	return finish("matmul_shared");
}
