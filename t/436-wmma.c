/*
 * t/436: wmma, every shape, type and layout: load, multiply and store, in
 * generic, global and shared memory, against a product made here from the
 * matrices in memory; and bit by bit against what an H200 computed.
 */
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/mma_forms.h"
#include "t/lib/mma_gold.h"
#include "t/lib/mma_value.h"
#include "t/lib/tap.h"
#include "util/compiler.h"

static const char *const spaces[] = { "", ".global", ".shared" };

struct ctx {
	const char *be;
	unsigned every, seen;          /* compiling takes long: one form of so many */
	unsigned n, wrong, measured, differ;
};

struct params {
	uint8_t *m[4];                 /* A, B, C, D */
	uint32_t ld[4];
};

static uint64_t at(const uint8_t *p, uint32_t row, uint32_t col, uint32_t ld, bool by_col, unsigned bits)
{
	size_t n = (by_col ? col * (size_t)ld + row : row * (size_t)ld + col) * bits;
	uint64_t v = 0;

	if (bits < 8)
		return p[n / 8] >> n % 8 & ((1u << bits) - 1);
	memcpy(&v, p + n / 8, bits / 8);
	return v;
}

static const int modes[] = { [IR_RND_NONE] = FE_TONEAREST, [IR_RND_RN] = FE_TONEAREST, [IR_RND_RZ] = FE_TOWARDZERO,
			     [IR_RND_RM] = FE_DOWNWARD, [IR_RND_RP] = FE_UPWARD };

static long double value_at(const struct wmma_form *f, const struct params *p, unsigned which, unsigned row, unsigned col)
{
	const uint8_t type[4] = { f->ta, f->tb, f->tc, f->td };
	const bool by_col[4] = { f->a_col, f->b_col, f->c_col, f->d_col };

	return mma_value(at(p->m[which], row, col, p->ld[which], by_col[which], mma_type_bits(type[which])), type[which]);
}

/* One element of D. */
static bool right(const struct wmma_form *f, const struct params *p, unsigned r, unsigned c)
{
	long double sum = value_at(f, p, 2, r, c), size = fabsl(sum);
	double chain = (double)sum;

	fesetround(modes[f->round]);
	for (unsigned k = 0; k < f->k; k++) {
		long double a = value_at(f, p, 0, r, k), b = value_at(f, p, 1, k, c);

		if (f->ta == IR_T_F64)
			chain = fma((double)a, (double)b, chain);
		else if (f->ta == IR_T_B1)
			sum += f->bit_and ? (unsigned)a & (unsigned)b : (unsigned)a ^ (unsigned)b;
		else
			sum += a * b;
		size += mma_at_least(a, f->ta) * mma_at_least(b, f->tb);
	}
	fesetround(FE_TONEAREST);
	return mma_close(at(p->m[3], r, c, p->ld[3], f->d_col, mma_type_bits(f->td)), f->td, f->sat, f->ta == IR_T_F64 ? chain : sum, size);
}

static void strides(const struct wmma_form *f, struct params *p, bool wide)
{
	const uint8_t type[4] = { f->ta, f->tb, f->tc, f->td };
	const unsigned rows[4] = { f->m, f->k, f->m, f->m }, cols[4] = { f->k, f->n, f->n, f->n };
	const bool by_col[4] = { f->a_col, f->b_col, f->c_col, f->d_col };

	for (unsigned k = 0; k < 4; k++)
		p->ld[k] = (by_col[k] ? rows[k] : cols[k]) + (wide ? 128 / mma_type_bits(type[k]) : 0);
}

static void check(const struct wmma_form *f, void *arg)
{
	static char text[65536];
	struct ctx *x = arg;
	uint64_t want = 0, h = MMA_HASH0;
	unsigned kinds = 0, bad = 0;
	bool gold;
	size_t n;
	struct params p;
	struct kt t;

	if (x->seen++ % x->every)
		return;
	gold = mma_gold(f->spelling, 2u * f->c_col + f->d_col, &kinds, &want);
	n = mma_ptx_header(text, sizeof(text), MAX(f->sm, 80u));
	if (!n || !wmma_ptx_kernel(text + n, sizeof(text) - n, f, "k", spaces[x->n++ % 3]))
		bail("%s: the text is too long", f->spelling);
	kt_must_open(&t, x->be, text);
	for (unsigned k = 0; k < 4; k++)
		p.m[k] = kt_alloc(&t, WMMA_BYTES);
	for (unsigned kind = 0; kind < 10; kind++) {
		const size_t d_bytes = f->m * f->n * mma_type_bits(f->td) / 8u;

		wmma_fill(f, kind, p.m[0], p.m[1], p.m[2]);
		memset(p.m[3], 0xee, WMMA_BYTES);
		strides(f, &p, kind >= 8);
		if (KT_RUN(&t, "k", KT1(1), KT1(32), p) != BE_RUN_DONE)
			bail("%s: %s", f->spelling, t.err.text);
		for (unsigned r = 0; r < f->m; r++)
			for (unsigned c = 0; c < f->n; c++)
				bad += !right(f, &p, r, c);
		for (size_t k = 0; kind < kinds && k < d_bytes; k += 8)
			h = mma_hash(h, *(uint64_t *)(p.m[3] + k));
		/* what lies between rows, and behind the last, is left alone */
		for (size_t k = kind < 8 ? d_bytes : (p.ld[3] - 1) * mma_type_bits(f->td) / 8; k < (kind < 8 ? WMMA_BYTES : p.ld[3] * mma_type_bits(f->td) / 8); k++)
			bad += p.m[3][k] != 0xee;
	}
	if (bad)
		diag("%s: %s: %u elements are wrong", x->be, f->spelling, bad);
	x->wrong += bad != 0;
	x->measured += gold;
	x->differ += gold && h != want;
	if (gold && h != want)
		diag("%s: %s (%u) is not what an H200 gives", x->be, f->spelling, 2u * f->c_col + f->d_col);
	kt_close(&t);
}

int main(void)
{
	plan_lazy();
	tap_timeout(600);
	for (const char *const *be = kt_backends(); *be; be++) {
		struct ctx x = { .be = *be, .every = strcmp(*be, "interp") ? 251 : 1 };

		wmma_forms_each(check, &x);
		is_int(x.wrong, 0, "%s: %u forms of wmma compute the product", *be, x.n);
		is_int(x.differ, 0, "%s: %u of them give the bits that an H200 gives", *be, x.measured);
	}
	return 0;
}
