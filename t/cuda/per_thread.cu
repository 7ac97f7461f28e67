/* Threads with their own default stream; build with --default-stream per-thread as well as without. */
#include <thread>
#include "check.h"

__global__ void work(int *p, int n, int rounds)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	int x = i;

	if (i >= n)
		return;
	for (int r = 0; r < rounds; r++)
		x = x * 3 + 1;
	p[i] = x;
}

static void one(int rounds, int *right)
{
	const int n = 1000;
	std::vector<int> v(n);
	int *d, ok = 1;

	for (int k = 0; k < 3; k++) {
		CK(cudaMalloc(&d, n * 4));
		work<<<8, 128>>>(d, n, rounds);
		CK(cudaMemcpyAsync(v.data(), d, n * 4, cudaMemcpyDeviceToHost, 0));
		CK(cudaStreamSynchronize(0));
		for (int i = 0; i < n; i++) {
			unsigned x = i;
			for (int r = 0; r < rounds; r++)
				x = x * 3 + 1;
			ok &= v[i] == (int)x;
		}
		CK(cudaFree(d));
	}
	*right = ok;
}

int main()
{
	std::vector<std::thread> t;
	int right[6] = {};

	for (int i = 0; i < 6; i++)
		t.emplace_back(one, 20 + i, &right[i]);
	for (auto &x : t)
		x.join();
	for (int r : right)
		EXPECT(r);
	return finish("per_thread");
}
