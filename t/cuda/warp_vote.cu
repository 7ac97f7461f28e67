/* Warp primitives: ballot, any, all, activemask, match, shuffles of all kinds, partial masks. */
#include "check.h"

struct res {
	unsigned ballot, any, all, active, match, match_all, idx, up, down, xor_, sub, lane, lt;
	long long wide;
	double real;
	int pred;
};

extern "C" __global__ void votes(res *out)
{
	int t = threadIdx.x, lane = t % 32;
	res r = {};

	r.ballot = __ballot_sync(~0u, lane % 3 == 0);
	r.any = __any_sync(~0u, t == 40);
	r.all = __all_sync(~0u, t < 32);
	r.match = __match_any_sync(~0u, lane / 5);
	r.match_all = __match_all_sync(~0u, t / 32, &r.pred);
	r.idx = __shfl_sync(~0u, lane * 10, (lane + 3) % 32);
	r.up = __shfl_up_sync(~0u, lane, 2);
	r.down = __shfl_down_sync(~0u, lane, 5);
	r.xor_ = __shfl_xor_sync(~0u, lane, 9);
	r.sub = __shfl_sync(~0u, lane, 2, 8);
	r.wide = __shfl_xor_sync(~0u, (long long)lane << 35, 1);
	r.real = __shfl_down_sync(~0u, lane * 0.25, 1);
	asm("mov.u32 %0, %%laneid;" : "=r"(r.lane));
	asm("mov.u32 %0, %%lanemask_lt;" : "=r"(r.lt));
	if (lane >= 16) {
		r.active = __activemask();
		r.ballot ^= __ballot_sync(0xffff0000u, lane % 2) << 1;
	} else {
		r.active = __activemask();
	}
	__syncwarp();
	out[t] = r;
}

int main()
{
	dev<res> d(64);

	votes<<<1, 64>>>(d);
	CK_LAUNCH();
	auto v = d.get();
	for (int t = 0; t < 64; t++) {
		unsigned l = t % 32, third = 0x49249249u, m = 0;
		const res &r = v[t];
		for (unsigned k = 0; k < 32; k++)
			m |= (k / 5 == l / 5) << k;
		EXPECT(r.ballot == (l >= 16 ? third ^ (0xaaaa0000u << 1) : third));
		EXPECT(r.any == (t >= 32) && r.all == (t < 32));
		EXPECT(r.match == m && r.match_all == ~0u && r.pred == 1);
		EXPECT(r.idx == (l + 3) % 32 * 10);
		EXPECT(r.up == (l < 2 ? l : l - 2));
		EXPECT(r.down == (l > 26 ? l : l + 5));
		EXPECT(r.xor_ == (l ^ 9));
		EXPECT(r.sub == (l & ~7u) + 2);
		EXPECT(r.wide == (long long)(l ^ 1) << 35);
		EXPECT(r.real == (l == 31 ? 31 : l + 1) * 0.25);
		EXPECT(r.lane == l && r.lt == (1u << l) - 1);
		EXPECT((r.active & (1u << l)) != 0);
	}
	return finish("warp_vote");
}
