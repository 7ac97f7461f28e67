/* Integer intrinsics and wide arithmetic against plain C. */
#include "check.h"

__global__ void ops(const uint32_t *a, const uint32_t *b, uint64_t *o)
{
	int i = threadIdx.x;
	uint32_t x = a[i], y = b[i];
	uint64_t *r = o + i * 16;

	r[0] = __popc(x);
	r[1] = __clz(x);
	r[2] = __ffs(x);
	r[3] = __brev(x);
	r[4] = __umulhi(x, y);
	r[5] = (uint32_t)__mulhi((int)x, (int)y);
	r[6] = __byte_perm(x, y, 0x5140);
	r[7] = __funnelshift_l(x, y, 9);
	r[8] = __usad(x, y, 7);
	r[9] = (uint64_t)x * y / (y | 1);
	r[10] = (uint64_t)((int64_t)(int)x / ((int)y | 1));
	r[11] = (uint64_t)((int64_t)(int)x % ((int)y | 1));
	r[12] = __umul64hi((uint64_t)x << 32 | y, (uint64_t)y << 32 | x);
	r[13] = __vadd4(x, y);
	r[14] = __dp4a((int)x, (int)y, 5);
	r[15] = (x >> (y & 31)) ^ (uint32_t)((int)x >> (y & 31));
}

static uint32_t perm(uint32_t x, uint32_t y, uint32_t s)
{
	uint64_t v = (uint64_t)y << 32 | x;
	uint32_t r = 0;

	for (int k = 0; k < 4; k++)
		r |= (uint32_t)(v >> 8 * (s >> 4 * k & 7) & 0xff) << 8 * k;
	return r;
}

int main()
{
	const int n = 128;
	std::vector<uint32_t> a(n), b(n);
	uint32_t seed = 99;

	for (int i = 0; i < n; i++)
		a[i] = lcg(seed) ^ lcg(seed) >> 16, b[i] = lcg(seed) >> (i % 20);
	a[0] = 0; b[0] = 0; a[1] = ~0u; b[1] = ~0u; a[2] = 0x80000000u;
	dev<uint32_t> da(a), db(b);
	dev<uint64_t> o(n * 16);
	ops<<<1, n>>>(da, db, o);
	CK_LAUNCH();
	auto g = o.get();
	for (int i = 0; i < n; i++) {
		uint32_t x = a[i], y = b[i], rev = 0, add4 = 0;
		int dot = 5;
		uint64_t *r = &g[i * 16];
		for (int k = 0; k < 32; k++)
			rev |= (x >> k & 1) << (31 - k);
		for (int k = 0; k < 4; k++) {
			add4 |= ((x >> 8 * k) + (y >> 8 * k) & 0xff) << 8 * k;
			dot += (int)(int8_t)(x >> 8 * k) * (int8_t)(y >> 8 * k);
		}
		EXPECT(r[0] == (uint64_t)__builtin_popcount(x));
		EXPECT(r[1] == (uint64_t)(x ? __builtin_clz(x) : 32));
		EXPECT(r[2] == (uint64_t)__builtin_ffs(x));
		EXPECT(r[3] == rev);
		EXPECT(r[4] == (uint64_t)x * y >> 32);
		EXPECT(r[5] == (uint32_t)((int64_t)(int)x * (int)y >> 32));
		EXPECT(r[6] == perm(x, y, 0x5140));
		EXPECT(r[7] == (uint32_t)(y << 9 | x >> 23));
		EXPECT(r[8] == (x > y ? x - y : y - x) + 7u);
		EXPECT(r[9] == (uint64_t)x * y / (y | 1));
		EXPECT(r[10] == (uint64_t)((int64_t)(int)x / ((int)y | 1)));
		EXPECT(r[11] == (uint64_t)((int64_t)(int)x % ((int)y | 1)));
		EXPECT(r[12] == (uint64_t)((unsigned __int128)((uint64_t)x << 32 | y) * ((uint64_t)y << 32 | x) >> 64));
		EXPECT(r[13] == add4);
		EXPECT(r[14] == (uint64_t)(int64_t)dot);
		EXPECT(r[15] == ((x >> (y & 31)) ^ (uint32_t)((int)x >> (y & 31))));
	}
	return finish("integer_ops");
}
