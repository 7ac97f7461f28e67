/* Thread block clusters and distributed shared memory; build with -arch=sm_90 or later. */
#include <cooperative_groups.h>
#include "check.h"

namespace cg = cooperative_groups;

__global__ void ring(int *out)
{
	__shared__ int mine[32];
	cg::cluster_group c = cg::this_cluster();
	unsigned rank = c.block_rank(), n = c.num_blocks();

	mine[threadIdx.x] = blockIdx.x * 100 + threadIdx.x;
	c.sync();
	int *other = c.map_shared_rank(mine, (rank + 1) % n);
	out[blockIdx.x * 32 + threadIdx.x] = other[31 - threadIdx.x];
	c.sync();
}

__global__ void __cluster_dims__(2, 1, 1) fixed(int *out)
{
	if (!threadIdx.x)
		out[blockIdx.x] = cg::this_cluster().block_rank() + 10 * cg::this_cluster().num_blocks();
}

int main()
{
	dev<int> d(8 * 32);
	cudaLaunchConfig_t cfg = {};
	cudaLaunchAttribute at[1];

	cfg.gridDim = dim3(8);
	cfg.blockDim = dim3(32);
	at[0].id = cudaLaunchAttributeClusterDimension;
	at[0].val.clusterDim.x = 4;
	at[0].val.clusterDim.y = 1;
	at[0].val.clusterDim.z = 1;
	cfg.attrs = at;
	cfg.numAttrs = 1;
	CK(cudaLaunchKernelEx(&cfg, ring, d.p));
	auto v = d.get();
	for (int b = 0; b < 8; b++)
		for (int t = 0; t < 32; t++)
			EXPECT(v[b * 32 + t] == (b / 4 * 4 + (b + 1) % 4) * 100 + 31 - t);
	fixed<<<4, 32>>>(d);
	CK_LAUNCH();
	v = d.get();
	EXPECT(v[0] == 20 && v[1] == 21 && v[2] == 20 && v[3] == 21);
	return finish("cluster");
}
