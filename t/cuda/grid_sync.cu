/* Cooperative launch: a barrier across all blocks, several times. */
#include <cooperative_groups.h>
#include "check.h"

namespace cg = cooperative_groups;

__global__ void phases(int *a, int *b, int n, int rounds)
{
	cg::grid_group g = cg::this_grid();
	int i = g.thread_rank();

	for (int r = 0; r < rounds; r++) {
		if (i < n)
			b[i] = a[(i + 1) % n] + r;
		g.sync();
		if (i < n)
			a[i] = b[(i + n / 2) % n];
		g.sync();
	}
}

int main()
{
	int blocks = 8, threads = 64, n = blocks * threads - 5, rounds = 6, coop = 0;
	std::vector<int> a(n), b(n);

	CK(cudaDeviceGetAttribute(&coop, cudaDevAttrCooperativeLaunch, 0));
	EXPECT(coop == 1);
	for (int i = 0; i < n; i++)
		a[i] = i * i;
	dev<int> da(a), db(n);
	int *pa = da, *pb = db;
	void *args[] = { &pa, &pb, &n, &rounds };
	CK(cudaLaunchCooperativeKernel((void *)phases, dim3(blocks), dim3(threads), args, 0, 0));
	CK(cudaDeviceSynchronize());
	for (int r = 0; r < rounds; r++) {
		for (int i = 0; i < n; i++)
			b[i] = a[(i + 1) % n] + r;
		for (int i = 0; i < n; i++)
			a[i] = b[(i + n / 2) % n];
	}
	EXPECT(da.get() == a);
	EXPECT_ERR(cudaLaunchCooperativeKernel((void *)phases, dim3(1 << 20), dim3(1024), args, 0, 0),
		   cudaErrorCooperativeLaunchTooLarge);
	(void)cudaGetLastError();
	return finish("grid_sync");
}
