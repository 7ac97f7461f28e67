/* Cooperative groups: tiles of several sizes, coalesced groups, partitions. */
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include "check.h"

namespace cg = cooperative_groups;

template <int S> __device__ int tile_sum(cg::thread_block_tile<S> t, int v)
{
	for (int d = t.size() / 2; d; d /= 2)
		v += t.shfl_down(v, d);
	return t.shfl(v, 0);
}

__global__ void tiles(int *s4, int *s16, int *s32, int *odd, int *red)
{
	cg::thread_block b = cg::this_thread_block();
	int i = b.thread_rank();
	auto t32 = cg::tiled_partition<32>(b);
	auto t16 = cg::tiled_partition<16>(t32);
	auto t4 = cg::tiled_partition<4>(b);

	s4[i] = tile_sum<4>(t4, i);
	s16[i] = tile_sum<16>(t16, i) * 100 + (int)t16.meta_group_rank();
	s32[i] = tile_sum<32>(t32, i);
	odd[i] = -1;
	if (i % 2) {
		cg::coalesced_group g = cg::coalesced_threads();
		odd[i] = g.size() * 100 + g.thread_rank();
	}
	b.sync();
	red[i] = cg::reduce(t32, i, cg::plus<int>()) + (t32.any(i == 40) ? 10000 : 0) + (t4.all(i < 8) ? 100000 : 0);
}

int main()
{
	const int n = 128;
	dev<int> a(n), b(n), c(n), d(n), e(n);

	tiles<<<1, n>>>(a, b, c, d, e);
	CK_LAUNCH();
	auto s4 = a.get(), s16 = b.get(), s32 = c.get(), odd = d.get(), red = e.get();
	for (int i = 0; i < n; i++) {
		int t = i / 4 * 4, u = i / 16 * 16, w = i / 32 * 32;
		int sum32 = 32 * w + 31 * 16;
		EXPECT(s4[i] == 4 * t + 6);
		EXPECT(s16[i] == (16 * u + 120) * 100 + i % 32 / 16);
		EXPECT(s32[i] == sum32);
		EXPECT(odd[i] == (i % 2 ? 1600 + i % 32 / 2 : -1));
		EXPECT(red[i] == sum32 + (i / 32 == 1 ? 10000 : 0) + (i < 8 ? 100000 : 0));
	}
	return finish("coop_tiles");
}
