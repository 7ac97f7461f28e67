/* Atomics of all kinds, global and shared, return values included. */
#include "check.h"

struct sums {
	int add, sub, most, least, bits_and, bits_or, bits_xor, xch;
	unsigned inc, dec, umost, uleast;
	unsigned long long add64, cas64, most64, or64;
	long long smost64, sleast64;
	float addf;
	double addd;
	int lock_count;
};

extern "C" __global__ void atomics(sums *s, int *old)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;

	old[i] = atomicAdd(&s->add, 1);
	atomicSub(&s->sub, 2);
	atomicMax(&s->most, i * 7 % 1001 - 500);
	atomicMin(&s->least, i * 7 % 1001 - 500);
	atomicAnd(&s->bits_and, ~(1 << (i % 31)));
	atomicOr(&s->bits_or, 1 << (i % 31));
	atomicXor(&s->bits_xor, i);
	atomicExch(&s->xch, 42);
	atomicInc(&s->inc, 99);
	atomicDec(&s->dec, 99);
	atomicMax(&s->umost, 0x80000000u + i);
	atomicMin(&s->uleast, 0x80000000u + i);
	atomicAdd(&s->add64, 1ull << 33);
	atomicMax(&s->most64, (unsigned long long)i << 40);
	atomicOr(&s->or64, 1ull << (i % 64));
	atomicMax(&s->smost64, (long long)i - 100000);
	atomicMin(&s->sleast64, (long long)-i);
	atomicAdd(&s->addf, 0.5f);
	atomicAdd(&s->addd, 0.25);
	unsigned long long seen = s->cas64, was;
	do {
		was = seen;
		seen = atomicCAS(&s->cas64, was, was + 3);
	} while (seen != was);
}

__global__ void shared_atomics(int *out)
{
	__shared__ int a, m;
	__shared__ unsigned long long l;
	__shared__ float f;

	if (!threadIdx.x)
		a = 0, m = -1, l = 0, f = 0;
	__syncthreads();
	atomicAdd(&a, (int)threadIdx.x);
	atomicMax(&m, (int)(threadIdx.x * 37 % 101));
	atomicAdd(&l, 1ull << 32);
	atomicAdd(&f, 1.0f);
	__syncthreads();
	if (!threadIdx.x) {
		out[0] = a;
		out[1] = m;
		out[2] = (int)(l >> 32);
		out[3] = (int)f;
	}
}

__global__ void scoped(int *v)
{
	atomicAdd_block(&v[0], 1);
	atomicAdd_system(&v[1], 1);
	atomicMax_system(&v[2], (int)threadIdx.x);
	atomicCAS_system(&v[3], 0, 9);
}

int main()
{
	const int n = 2048;
	sums z = {}, s;
	int least = 1000, most = -1000, x = 0;

	z.bits_and = -1;
	z.least = 1000;
	z.most = -1000;
	z.uleast = ~0u;
	z.smost64 = -1000000;
	dev<sums> d(std::vector<sums>{ z });
	dev<int> old(n);
	atomics<<<n / 128, 128>>>(d, old);
	CK_LAUNCH();
	s = d.get()[0];
	auto seen = old.get();
	std::vector<bool> once(n);
	for (int v : seen) {
		EXPECT(v >= 0 && v < n && !once[v]);
		if (v >= 0 && v < n)
			once[v] = true;
	}
	for (int i = 0; i < n; i++) {
		least = std::min(least, i * 7 % 1001 - 500);
		most = std::max(most, i * 7 % 1001 - 500);
		x ^= i;
	}
	EXPECT(s.add == n);
	EXPECT(s.sub == -2 * n);
	EXPECT(s.most == most && s.least == least);
	EXPECT(s.bits_and == (int)0x80000000 && s.bits_or == 0x7fffffff && s.bits_xor == x);
	EXPECT(s.xch == 42);
	EXPECT(s.inc == n % 100);
	EXPECT(s.dec == (100 - n % 100) % 100);
	EXPECT(s.umost == 0x80000000u + n - 1 && s.uleast == 0x80000000u);
	EXPECT(s.add64 == (unsigned long long)n << 33);
	EXPECT(s.cas64 == 3ull * n);
	EXPECT(s.most64 == (unsigned long long)(n - 1) << 40 && s.or64 == ~0ull);
	EXPECT(s.smost64 == n - 1 - 100000 && s.sleast64 == -(n - 1));
	EXPECT(s.addf == n * 0.5f && s.addd == n * 0.25);

	dev<int> out(4), sc(4);
	shared_atomics<<<1, 256>>>(out);
	CK_LAUNCH();
	auto o = out.get();
	EXPECT(o[0] == 255 * 256 / 2 && o[1] == 100 && o[2] == 256 && o[3] == 256);
	CK(cudaMemset(sc, 0, 16));
	scoped<<<1, 64>>>(sc);
	CK_LAUNCH();
	o = sc.get();
	EXPECT(o[0] == 64 && o[1] == 64 && o[2] == 63 && o[3] == 9);
	return finish("atomics");
}
