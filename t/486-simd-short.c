/*
 * t/486: what compiled code does in one go: short blocks in a row, branches
 * about a bound that a few scalars tell, atomics that wait for the next, and
 * rows of a matrix, a group of lanes at a time.
 * Every kernel on each backend, against what C says.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/approx.h"
#include "backend/simd/sd_priv.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"
#include "util/sys.h"

/* ---- blocks in a row ---- */

static const char row_text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	/* place(out, n): thread i of all: its block, where i < n */
	".visible .entry place(.param .u64 out, .param .u32 n)\n{\n"
	"	.reg .pred %p<2>; .reg .b32 %r<16>; .reg .b64 %d<4>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u32 %r1, [n]; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ctaid.y; mov.u32 %r4, %ctaid.z;\n"
	"	mov.u32 %r5, %nctaid.x; mov.u32 %r6, %nctaid.y; mad.lo.u32 %r7, %r4, %r6, %r3; mad.lo.u32 %r7, %r7, %r5, %r2;\n"
	"	mov.u32 %r8, %ntid.x; mov.u32 %r9, %tid.x; mad.lo.u32 %r7, %r7, %r8, %r9; setp.ge.u32 %p1, %r7, %r1; @%p1 bra END;\n"
	"	mad.lo.u32 %r10, %r4, 1000, %r3; mad.lo.u32 %r10, %r10, 1000, %r2; add.u32 %r10, %r10, 1;\n"
	"	mul.wide.u32 %d2, %r7, 4; add.s64 %d3, %d1, %d2; st.global.u32 [%d3], %r10;\nEND: ret;\n}\n"
	/* wild(out, bad): block bad stores to nowhere, the others their number */
	".visible .entry wild(.param .u64 out, .param .u32 bad)\n{\n"
	"	.reg .pred %p<2>; .reg .b32 %r<9>; .reg .b64 %d<5>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u32 %r1, [bad]; mov.u32 %r2, %ctaid.x; setp.eq.u32 %p1, %r2, %r1; mul.wide.u32 %d2, %r2, 4;\n"
	"	add.s64 %d3, %d1, %d2; selp.b64 %d4, 4096, %d3, %p1; st.global.u32 [%d4], %r2; ret;\n}\n"
	/* multiprocessor(out): each block's */
	".visible .entry multiprocessor(.param .u64 out)\n{\n"
	"	.reg .b32 %r<4>; .reg .b64 %d<4>;\n"
	"	ld.param.u64 %d1, [out]; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %smid; mul.wide.u32 %d2, %r1, 4; add.s64 %d3, %d1, %d2;\n"
	"	st.global.u32 [%d3], %r2; ret;\n}\n";

static void check_places(struct kt *t, struct kt_dim grid, uint32_t threads, uint32_t n, const char *be)
{
	uint32_t blocks = grid.x * grid.y * grid.z, *o = kt_alloc(t, blocks * threads * 4 + 4), bad = 0;
	struct { void *o; uint32_t n; } p = { o, n };

	is_int(KT_RUN(t, "place", grid, KT1(threads), p), BE_RUN_DONE, "%s: %u x %u x %u blocks of %u, %u in one go", be, grid.x, grid.y, grid.z,
	       threads, t->ahead);
	for (uint32_t i = 0; i < blocks * threads; i++) {
		uint32_t b = i / threads, x = b % grid.x, y = b / grid.x % grid.y, z = b / grid.x / grid.y;

		bad += o[i] != (i < n ? (z * 1000 + y) * 1000 + x + 1 : 0);
	}
	is_int(bad, 0, "%s: each thread below %u knows where it is, and no other one writes", be, n);
}

static void test_rows(const char *be)
{
	static const unsigned ahead[] = { 0, 1, 5, 64 };
	struct kt t;

	kt_must_open(&t, be, row_text);
	t.keep = true;
	for (unsigned k = 0; k < 4; k++) {
		t.ahead = ahead[k];
		check_places(&t, (struct kt_dim){ 7, 3, 2 }, 64, 64 * 42, be);
		check_places(&t, (struct kt_dim){ 40, 1, 1 }, 64, 64 * 17 + 9, be);
		check_places(&t, (struct kt_dim){ 9, 2, 1 }, 45, 45 * 11 + 44, be);
		check_places(&t, (struct kt_dim){ 5, 2, 1 }, 512, 512 * 7 + 300, be);
	}
	kt_close(&t);
}

static void test_wild(const char *be)
{
	struct kt t;

	kt_must_open(&t, be, row_text);
	t.ahead = 64;
	for (unsigned bad = 0; bad < 40; bad += 13) {
		uint32_t *o = kt_alloc(&t, 64 * 4), missing = 0;
		struct { void *o; uint32_t bad; } p = { o, bad };

		is_int(KT_RUN(&t, "wild", KT1(64), KT1(32), p), BE_RUN_FAULT, "%s: block %u of a row faults", be, bad);
		is_int(t.fault.block[0], bad, "%s: and is named", be);
		is_int(t.fault.addr, 4096, "%s: with the address", be);
		for (uint32_t k = 1; k < bad; k++)
			missing += o[k] != k;
		is_int(missing, 0, "%s: those in front of it have run", be);
	}
	kt_close(&t);
}

static void test_smid(const char *be)
{
	struct kt t;
	uint32_t *o, bad = 0;

	kt_must_open(&t, be, row_text);
	t.ahead = 64;
	o = kt_alloc(&t, 50 * 4);
	struct { void *o; } p = { o };

	is_int(KT_RUN(&t, "multiprocessor", KT1(50), KT1(32), p), BE_RUN_DONE, "%s: blocks in a row that ask for their multiprocessor", be);
	for (uint32_t k = 0; k < 50; k++)
		bad += o[k] != k % t.s.sm_count;
	is_int(bad, 0, "%s: are on the next one each", be);
	kt_close(&t);
}

/* ---- bounds ---- */

enum { THREADS = 64, LT, LE, GT, GE };

struct type {
	const char *name;
	bool sign;
	unsigned bits;
	const char *cmp[4];
};

static const struct type types[] = {
	{ "s32", true, 32, { "lt", "le", "gt", "ge" } }, { "u32", false, 32, { "lt", "le", "gt", "ge" } }, { "u32", false, 32, { "lo", "ls", "hi", "hs" } },
	{ "s64", true, 64, { "lt", "le", "gt", "ge" } }, { "u64", false, 64, { "lt", "le", "gt", "ge" } },
};

/* Comparison c, mirrored or not, of base + step * tid with n: 1 where the branch is taken. */
static void add_kernel(struct vgpu_buf *b, const struct type *t, unsigned c, bool mirrored, int step, bool negated)
{
	unsigned w = t->bits;

	vgpu_buf_printf(b, ".visible .entry k%u_%u_%d_%d(.param .u64 out, .param .u64 base, .param .u64 n)\n{\n", c, mirrored, step + 8, negated);
	vgpu_buf_printf(b, "	.reg .pred %%p<2>; .reg .b32 %%r<8>; .reg .b64 %%d<9>; .reg .b%u %%x<6>;\n", w);
	vgpu_buf_printf(b, "	ld.param.u64 %%d1, [out]; ld.param.u%u %%x1, [base]; ld.param.u%u %%x2, [n]; mov.u32 %%r1, %%tid.x;\n", w, w);
	vgpu_buf_printf(b, "	cvt.u%u.u32 %%x3, %%r1; mad.lo.s%u %%x4, %%x3, %d, %%x1; mov.u32 %%r2, 2;\n", w, w, step);
	vgpu_buf_printf(b, "	setp.%s.%s %%p1, %s; @%s%%p1 bra YES; mov.u32 %%r2, 0; bra.uni END;\nYES: mov.u32 %%r2, 1;\n", t->cmp[c], t->name,
			mirrored ? "%x2, %x4" : "%x4, %x2", negated ? "!" : "");
	vgpu_buf_printf(b, "END: mul.wide.u32 %%d2, %%r1, 4; add.s64 %%d3, %%d1, %%d2; st.global.u32 [%%d3], %%r2; ret;\n}\n");
}

static bool holds(const struct type *t, unsigned c, uint64_t a, uint64_t b)
{
	bool less, equal;

	if (t->bits == 32) {
		a = t->sign ? (uint64_t)(int64_t)(int32_t)a : (uint32_t)a;
		b = t->sign ? (uint64_t)(int64_t)(int32_t)b : (uint32_t)b;
	}
	less = t->sign ? (int64_t)a < (int64_t)b : a < b;
	equal = a == b;
	switch (LT + (int)c) {
	case LT: return less;
	case LE: return less || equal;
	case GT: return !less && !equal;
	default: return !less;
	}
}

static const int steps[] = { 1, -1, 5 };

static uint32_t run_bounds(struct kt *t, const struct type *ty, unsigned c, bool mirrored, int step, bool negated, uint32_t *o)
{
	const uint64_t top = ty->bits == 32 ? 0x80000000u : (uint64_t)1 << 63, edges[] = { 0, 40, -40ull, top, top - 40, top + 40, 200, -300ull };
	uint32_t bad = 0;
	char name[32];

	snprintf(name, sizeof(name), "k%u_%u_%d_%d", c, mirrored, step + 8, negated);
	for (unsigned i = 0; i < 8; i++)
		for (unsigned k = 0; k < 8; k++) {
			struct { void *o; uint64_t base, n; } p = { o, edges[i], edges[k] };

			if (KT_RUN(t, name, KT1(1), KT1(THREADS), p) != BE_RUN_DONE)
				return UINT32_MAX;
			for (uint64_t l = 0; l < THREADS; l++) {
				uint64_t x = edges[i] + l * (uint64_t)(int64_t)step;
				bool want = mirrored ? holds(ty, c, edges[k], x) : holds(ty, c, x, edges[k]);

				bad += o[l] != (want != negated);
			}
		}
	return bad;
}

static void test_bounds(const char *be)
{
	for (unsigned n = 0; n < ARRAY_SIZE(types); n++) {
		struct vgpu_buf text = { 0 };
		uint32_t *o, bad = 0;
		struct kt t;

		vgpu_buf_printf(&text, ".version 7.0\n.target sm_70\n.address_size 64\n");
		for (unsigned c = 0; c < 4; c++)
			for (unsigned m = 0; m < 2; m++)
				for (unsigned s = 0; s < 3; s++)
					add_kernel(&text, &types[n], c, m, steps[s], (c + m + s) & 1);
		vgpu_buf_add(&text, "", 1);
		kt_must_open(&t, be, (const char *)text.data);
		t.keep = true;
		o = kt_alloc(&t, THREADS * 4);
		for (unsigned c = 0; c < 4; c++)
			for (unsigned m = 0; m < 2; m++)
				for (unsigned s = 0; s < 3; s++)
					bad += run_bounds(&t, &types[n], c, m, steps[s], (c + m + s) & 1, o);
		is_int(bad, 0, "%s: branches about bounds of %s, %s …, also where lanes wrap", be, types[n].name, types[n].cmp[0]);
		kt_close(&t);
		vgpu_buf_free(&text);
	}
}

/* ---- atomics ---- */

/* Each thread's last word decides: atomics, a store and loads of the same elements, in the program's order. */
static const char atomic_text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry mix(.param .u64 out)\n{\n"
	"	.shared .align 4 .b32 s[64]; .reg .pred %p<2>; .reg .b32 %r<20>; .reg .b64 %d<4>;\n"
	"	ld.param.u64 %d1, [out]; mov.u32 %r1, %tid.x; mov.u32 %r2, s; shl.b32 %r3, %r1, 2; add.u32 %r4, %r2, %r3; st.shared.u32 [%r4], %r1;\n"
	"	bar.sync 0; xor.b32 %r5, %r3, 124; add.u32 %r5, %r2, %r5; and.b32 %r6, %r3, 60; add.u32 %r6, %r2, %r6;\n"
	"	red.shared.add.u32 [%r4], 5; add.u32 %r7, %r1, 7; red.shared.add.u32 [%r5], %r7; red.shared.max.u32 [%r6], 20;\n"
	"	ld.shared.u32 %r8, [%r4]; atom.shared.exch.b32 %r9, [%r5], %r8; mul.lo.u32 %r10, %r8, 3; red.shared.xor.b32 [%r4], %r10;\n"
	"	st.shared.u32 [%r6+64], %r1; red.shared.min.u32 [%r6+64], 9; setp.gt.u32 %p1, %r1, 20;\n"
	"	@%p1 red.shared.add.u32 [%r6], 100; @%p1 red.shared.or.b32 [%r4], 1024; ld.shared.u32 %r11, [%r5];\n"
	"	mad.lo.u32 %r12, %r11, 31, %r8; bar.sync 0; ld.shared.u32 %r13, [%r4]; mad.lo.u32 %r12, %r12, 31, %r13;\n"
	"	mul.wide.u32 %d2, %r1, 4; add.s64 %d3, %d1, %d2; st.global.u32 [%d3], %r12; ret;\n}\n"
	/* late(out, off): counts, and then an access that is none: what was counted is there when it is reported */
	".visible .entry late(.param .u64 out, .param .u32 off)\n{\n"
	"	.shared .align 4 .b32 s[64]; .reg .b32 %r<9>; .reg .b64 %d<4>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u32 %r5, [off]; mov.u32 %r1, %tid.x; mov.u32 %r2, s; shl.b32 %r3, %r1, 2; add.u32 %r4, %r2, %r3;\n"
	"	st.shared.u32 [%r4], 1; red.shared.add.u32 [%r4], %r1; add.u32 %r6, %r4, %r5; red.shared.add.u32 [%r6], %r1;\n"
	"	red.shared.add.u32 [%r4], 3; ld.shared.u32 %r7, [%r4]; mul.wide.u32 %d2, %r1, 4; add.s64 %d3, %d1, %d2; st.global.u32 [%d3], %r7; ret;\n}\n";

/* The same for one warp: instructions in order, each for all lanes in order. */
static void mix_of(uint32_t *out)
{
	uint32_t s[64] = { 0 }, r8[32], r11[32];

#define LANES for (uint32_t i = 0; i < 32; i++)
	LANES s[i] = i;
	LANES s[i] += 5;
	LANES s[i ^ 31] += i + 7;
	LANES if (s[i & 15] < 20) s[i & 15] = 20;
	LANES r8[i] = s[i];
	LANES s[i ^ 31] = r8[i];
	LANES s[i] ^= r8[i] * 3;
	LANES s[(i & 15) + 16] = i;
	LANES if (s[(i & 15) + 16] > 9) s[(i & 15) + 16] = 9;
	LANES if (i > 20) s[i & 15] += 100;
	LANES if (i > 20) s[i] |= 1024;
	LANES r11[i] = s[i ^ 31];
	LANES out[i] = (r11[i] * 31 + r8[i]) * 31 + s[i];
#undef LANES
}

static void test_atomics(const char *be)
{
	uint32_t *o, want[32], bad = 0;
	struct kt t;

	kt_must_open(&t, be, atomic_text);
	o = kt_alloc(&t, 64 * 4);
	struct { void *o; uint32_t off; } p = { o, 0 };

	is_int(KT_RUN(&t, "mix", KT1(1), KT1(32), p), BE_RUN_DONE, "%s: atomics, stores and loads of the same elements", be);
	mix_of(want);
	for (unsigned k = 0; k < 32; k++)
		bad += o[k] != want[k];
	is_int(bad, 0, "%s: one after the other", be);
	is_int(KT_RUN(&t, "late", KT1(1), KT1(32), p), BE_RUN_DONE, "%s: three to the same element", be);
	bad = 0;
	for (uint32_t k = 0; k < 32; k++)
		bad += o[k] != 4 + 2 * k;
	is_int(bad, 0, "%s: all counted", be);
	p.off = 2;
	is_int(KT_RUN(&t, "late", KT1(1), KT1(32), p), BE_RUN_FAULT, "%s: the second one isn't aligned", be);
	is_int(t.fault.status, VGPU_E_MISALIGNED, "%s: %s", be, t.fault.text);
	kt_close(&t);
}

/* ---- rows ---- */

/* walk(out, a, b, n): of n x n matrices, n even: dot products of rows and columns, and of each row's neighbours; blocks of 16 x 16 */
static const char walk_text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry walk(.param .u64 out, .param .u64 a, .param .u64 b, .param .u32 n)\n{\n"
	"	.reg .pred %p<3>; .reg .b32 %r<20>; .reg .f32 %f<20>; .reg .b64 %d<20>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u64 %d2, [a]; ld.param.u64 %d3, [b]; ld.param.u32 %r1, [n];\n"
	"	mov.u32 %r2, %tid.x; mov.u32 %r3, %tid.y; mov.u32 %r4, %ctaid.x; mov.u32 %r5, %ctaid.y; mov.u32 %r6, %ntid.x; mov.u32 %r7, %ntid.y;\n"
	"	mad.lo.s32 %r8, %r4, %r6, %r2; mad.lo.s32 %r9, %r5, %r7, %r3; mul.lo.s32 %r10, %r9, %r1;\n"
	"	mul.wide.s32 %d4, %r10, 4; add.s64 %d5, %d2, %d4; mul.wide.s32 %d6, %r8, 4; add.s64 %d7, %d3, %d6; mul.wide.s32 %d8, %r1, 4;\n"
	"	mov.f32 %f1, 0f00000000; mov.f32 %f2, 0f3F800000; mov.u32 %r11, 0;\n"
	"AGAIN: ld.global.f32 %f3, [%d5]; ld.global.f32 %f4, [%d7]; fma.rn.f32 %f1, %f3, %f4, %f1; ld.global.f32 %f5, [%d5+4];\n"
	"	add.s64 %d9, %d7, %d8; mul.rn.f32 %f6, %f3, %f5; ld.global.f32 %f4, [%d9]; fma.rn.f32 %f1, %f5, %f4, %f1; add.rn.f32 %f2, %f2, %f6;\n"
	"	sub.f32 %f3, %f2, %f1; mul.f32 %f3, %f3, 0f3F000000; add.s64 %d7, %d9, %d8; add.s64 %d5, %d5, 8; neg.f32 %f7, %f3;\n"
	"	add.s32 %r11, %r11, 2; setp.lt.s32 %p1, %r11, %r1; @%p1 bra AGAIN;\n"
	"	add.s32 %r12, %r10, %r8; mul.wide.s32 %d10, %r12, 4; add.s64 %d11, %d1, %d10; fma.rn.f32 %f8, %f7, %f2, %f1; st.global.f32 [%d11], %f8; ret;\n}\n";

/* shift(p): within a warp all lanes load before any stores; in a block of 256 */
static const char shift_text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry shift(.param .u64 p, .param .u64 q)\n{\n"
	"	.reg .b32 %r<4>; .reg .f32 %f<6>; .reg .b64 %d<8>;\n"
	"	ld.param.u64 %d1, [p]; ld.param.u64 %d5, [q]; mov.u32 %r1, %tid.x; mul.wide.u32 %d2, %r1, 4; add.s64 %d3, %d1, %d2;\n"
	"	ld.global.f32 %f1, [%d3]; add.f32 %f2, %f1, %f1; st.global.f32 [%d3+4], %f2;\n"
	"	add.s64 %d6, %d5, %d2; ld.global.f32 %f3, [%d6]; ld.global.f32 %f4, [%d6+4]; mul.rn.f32 %f5, %f3, %f4; st.global.f32 [%d6], %f5;\n"
	"	ret;\n}\n";

static void test_shift(const char *be)
{
	uint32_t bad = 0;
	float *p, *q;
	struct kt t;

	setenv("VGPU_SIMD", "tier1", 1);
	kt_must_open(&t, be, shift_text);
	p = kt_alloc(&t, 257 * 4);
	q = kt_alloc(&t, 257 * 4);
	struct { void *p, *q; } a = { p, q };

	for (unsigned k = 0; k < 257; k++)
		p[k] = q[k] = (float)(k + 1);
	q[100] = NAN;
	is_int(KT_RUN(&t, "shift", KT1(1), KT1(256), a), BE_RUN_DONE, "%s: lanes that store what the next one has loaded", be);
	/* what a warp's last lane stores, and the first one of the next loads, is another matter */
	for (unsigned k = 0; k < 256; k++) {
		bad += k % 32 > 1 && p[k] != 2 * (float)k;
		bad += k % 32 != 31 && k != 99 && k != 100 && q[k] != (float)(k + 1) * (float)(k + 2);
	}
	is_int(bad, 0, "%s: load first", be);
	is_int(((uint32_t *)q)[99], 0x7fffffff, "%s: and a NaN is the one there is", be);
	kt_close(&t);
	unsetenv("VGPU_SIMD");
}

/* roots(p): the reciprocal roots of a number and of twice it, in turn with what isn't one */
static const char roots_text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry roots(.param .u64 p)\n{\n"
	"	.reg .b32 %r<4>; .reg .f32 %f<8>; .reg .b64 %d<4>;\n"
	"	ld.param.u64 %d1, [p]; mov.u32 %r1, %tid.x; mul.wide.u32 %d2, %r1, 4; add.s64 %d3, %d1, %d2; ld.global.f32 %f1, [%d3];\n"
	"	rsqrt.approx.f32 %f2, %f1; add.rn.f32 %f3, %f1, %f1; rsqrt.approx.f32 %f4, %f3; mul.rn.f32 %f5, %f2, 0f40000000;\n"
	"	add.rn.f32 %f6, %f5, %f4; st.global.f32 [%d3], %f6; ret;\n}\n";

static void test_roots(const char *be)
{
	static const uint32_t odd[] = { 0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 1, 0x007fffff, 0xbf800000, 0x7f7fffff, 0x00800000 };
	uint32_t bad = 0, *p;
	struct kt t;

	setenv("VGPU_SIMD", "tier1", 1);
	kt_must_open(&t, be, roots_text);
	p = kt_alloc(&t, 256 * 4);
	struct { void *p; } a = { p };

	for (uint32_t k = 0; k < 256; k++)
		p[k] = k % 64 < 32 || k % 3 ? 0x3f800000 + k * 0x10001 : odd[k % ARRAY_SIZE(odd)];
	is_int(KT_RUN(&t, "roots", KT1(1), KT1(256), a), BE_RUN_DONE, "%s: reciprocal roots", be);
	for (uint32_t k = 0; k < 256; k++) {
		float x = approx_f32(k % 64 < 32 || k % 3 ? 0x3f800000 + k * 0x10001 : odd[k % ARRAY_SIZE(odd)]);
		uint32_t want = approx_bits(approx_rsqrt(x) * 2 + approx_rsqrt(x + x));

		bad += p[k] != ((want & 0x7fffffff) > 0x7f800000 ? 0x7fffffff : want);
	}
	is_int(bad, 0, "%s: of numbers, and of what has none", be);
	kt_close(&t);
	unsetenv("VGPU_SIMD");
}

/* column(out, in, place, step, n): sums of n elements, a step that nobody knows apart, from where place[tid] says on */
static const char column_text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry column(.param .u64 out, .param .u64 in, .param .u64 place, .param .u64 step, .param .u32 n)\n{\n"
	"	.reg .pred %p<2>; .reg .b32 %r<9>; .reg .b64 %d<12>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u64 %d2, [in]; ld.param.u64 %d3, [place]; ld.param.u64 %d4, [step]; ld.param.u32 %r1, [n];\n"
	"	mov.u32 %r2, %tid.x; mul.wide.u32 %d5, %r2, 4; add.s64 %d6, %d3, %d5; ld.global.u32 %r3, [%d6]; mul.wide.u32 %d7, %r3, 4;\n"
	"	add.s64 %d8, %d2, %d7; mov.u32 %r4, 0; mov.u32 %r5, 0;\n"
	"AGAIN: ld.global.u32 %r6, [%d8]; add.u32 %r4, %r4, %r6; add.s64 %d8, %d8, %d4; add.u32 %r5, %r5, 1; setp.lt.u32 %p1, %r5, %r1;\n"
	"	@%p1 bra AGAIN; add.s64 %d9, %d1, %d5; st.global.u32 [%d9], %r4; ret;\n}\n";

/* Lanes in a row, and in no order: what is loaded is what is loaded, whatever is asked for ahead. */
static void test_column(const char *be)
{
	enum { ROWS = 20, COLS = 256 };
	uint32_t *o, *in, *place, bad = 0;
	struct kt t;

	setenv("VGPU_SIMD", "tier1", 1);
	setenv("VGPU_GEN_VERIFY", "1", 1);
	kt_must_open(&t, be, column_text);
	t.keep = true;
	o = kt_alloc(&t, COLS * 4);
	in = kt_alloc(&t, ROWS * COLS * 4);
	place = kt_alloc(&t, COLS * 4);
	struct { void *o, *in, *place; uint64_t step; uint32_t n; } p = { o, in, place, COLS * 4, ROWS };

	for (uint32_t k = 0; k < ROWS * COLS; k++)
		in[k] = k * 2654435761u;
	for (uint32_t k = 0; k < COLS; k++)
		place[k] = k < 64 ? k : (k * 37) % COLS;
	is_int(KT_RUN(&t, "column", KT1(1), KT1(COLS), p), BE_RUN_DONE, "%s: columns by a table", be);
	for (uint32_t k = 0; k < COLS; k++) {
		uint32_t sum = 0;

		for (uint32_t r = 0; r < ROWS; r++)
			sum += in[r * COLS + place[k]];
		bad += o[k] != sum;
	}
	is_int(bad, 0, "%s: each sum", be);
	ok(strcmp(be, "simd") || !sd_kernel_why(t.kept), "%s: by code that LLVM finds nothing wrong with", be);
	kt_close(&t);
	unsetenv("VGPU_GEN_VERIFY");
	unsetenv("VGPU_SIMD");
}

static const char widen_text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	/* widen(out): a hash of the thread's number, which wraps, with its sign to 64 bits; then the register changes, where all say so */
	".visible .entry widen(.param .u64 out, .param .u32 n)\n{\n"
	"	.reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %d<6>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u32 %r1, [n]; mov.u32 %r2, %tid.x; mov.u32 %r3, %ctaid.x; mad.lo.u32 %r4, %r3, 128, %r2;\n"
	"	mul.lo.u32 %r5, %r4, 0x9e3779b1; cvt.s64.s32 %d2, %r5; setp.lt.u32 %p1, %r2, %r1; vote.sync.all.pred %p2, %p1, 0xffffffff;\n"
	"	@%p2 add.u32 %r5, %r5, 77; cvt.s64.s32 %d3, %r5; add.s64 %d2, %d2, %d3;\n"
	"	mul.wide.u32 %d4, %r4, 8; add.s64 %d5, %d1, %d4; st.global.u64 [%d5], %d2; ret;\n}\n";

/* A pattern that wraps isn't one of 64 bits, in masked code either. */
static void test_widen(const char *be, const char *form)
{
	enum { WIDE = 128, GRID = 3 };
	uint32_t bad = 0;
	int64_t *o;
	struct kt t;

	setenv("VGPU_SIMD", form, 1);
	kt_must_open(&t, be, widen_text);
	o = kt_alloc(&t, WIDE * GRID * 8);
	struct { void *o; uint32_t n; } p = { o, 64 };

	is_int(KT_RUN(&t, "widen", KT1(GRID), KT1(WIDE), p), BE_RUN_DONE, "%s, %s: widened hashes", be, form);
	for (uint32_t k = 0; k < WIDE * GRID; k++) {
		uint32_t h = k * 0x9e3779b1u, then = k % WIDE < 64 ? h + 77 : h;

		bad += o[k] != (int64_t)(int32_t)h + (int32_t)then;
	}
	is_int(bad, 0, "%s, %s: each has its sign", be, form);
	kt_close(&t);
	unsetenv("VGPU_SIMD");
}

static float walk_of(const float *a, const float *b, uint32_t n, uint32_t row, uint32_t col)
{
	float f1 = 0, f2 = 1, f3 = 0;

	for (uint32_t k = 0; k < n; k += 2) {
		float x = a[row * n + k], y = a[row * n + k + 1];

		f1 = fmaf(x, b[k * n + col], f1);
		f1 = fmaf(y, b[(k + 1) * n + col], f1);
		f2 += x * y;
		f3 = (f2 - f1) * 0.5f;
	}
	return fmaf(-f3, f2, f1);
}

static void fill(float *a, float *b, uint32_t n)
{
	for (uint32_t k = 0; k < n * n; k++) {
		a[k] = (float)(k * 2654435761u >> 16) / 65536 - .5f;
		b[k] = (float)(k * 2246822519u >> 16) / 65536 - .5f;
	}
}

static void test_walk(const char *be)
{
	const uint32_t n = 48;
	float *a, *b, *o, want;
	uint32_t bad = 0;
	struct kt t;

	setenv("VGPU_SIMD", "tier1", 1);
	kt_must_open(&t, be, walk_text);
	a = kt_alloc(&t, n * n * 4);
	b = kt_alloc(&t, n * n * 4);
	o = kt_alloc(&t, n * n * 4);
	struct { void *o, *a, *b; uint32_t n; } p = { o, a, b, n };

	fill(a, b, n);
	is_int(KT_RUN(&t, "walk", ((struct kt_dim){ 3, 3, 1 }), ((struct kt_dim){ 16, 16, 1 }), p), BE_RUN_DONE, "%s: rows and columns", be);
	for (uint32_t k = 0; k < n * n; k++) {
		want = walk_of(a, b, n, k / n, k % n);
		bad += memcmp(&want, &o[k], 4) != 0;
	}
	is_int(bad, 0, "%s: each product, to the bit", be);
	p.n = 50;
	p.a = (char *)a + 2;
	is_int(KT_RUN(&t, "walk", KT1(1), ((struct kt_dim){ 16, 16, 1 }), p), BE_RUN_FAULT, "%s: rows that aren't aligned", be);
	is_int(t.fault.status, VGPU_E_MISALIGNED, "%s: %s", be, t.fault.text);
	kt_close(&t);
	unsetenv("VGPU_SIMD");
}

/* ---- tiles ---- */

#define T 16

/*
 * The benchmark's product by tiles in shared memory: long rounds, whose next columns are asked for meanwhile. The matrix
 * with the columns is the last thing in memory: nothing of what lies behind it is touched.
 */
static void test_tiles(const char *be, const char *form, uint32_t n)
{
	float *a, *b, *c;
	uint32_t bad = 0;
	char *text;
	struct kt t;

	setenv("VGPU_SIMD", form, 1);
	setenv("VGPU_GEN_VERIFY", "1", 1);
	if (vgpu_read_file(test_src("bench/engine/kernels.ptx"), 1 << 20, &text, NULL, NULL))
		bail("no kernels.ptx");
	kt_must_open(&t, be, text);
	t.keep = true;
	a = kt_alloc(&t, n * n * 4);
	c = kt_alloc(&t, n * n * 4);
	b = kt_alloc(&t, n * n * 4);
	struct { void *a, *b, *c; uint32_t n; } p = { a, b, c, n };

	fill(a, b, n);
	is_int(KT_RUN(&t, "sgemm_t16", ((struct kt_dim){ n / T, n / T, 1 }), ((struct kt_dim){ T, T, 1 }), p), BE_RUN_DONE, "%s, %s: %u x %u by tiles",
	       be, form, n, n);
	for (uint32_t k = 0; k < n * n; k++) {
		float want = 0;

		for (uint32_t m = 0; m < n; m++)
			want = fmaf(a[k / n * n + m], b[m * n + k % n], want);
		bad += memcmp(&want, &c[k], 4) != 0;
	}
	is_int(bad, 0, "%s, %s: each product, to the bit", be, form);
	ok(strcmp(be, "simd") || !sd_kernel_why(t.kept), "%s, %s: by code that LLVM finds nothing wrong with", be, form);
	kt_close(&t);
	free(text);
	unsetenv("VGPU_GEN_VERIFY");
	unsetenv("VGPU_SIMD");
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		test_rows(*be);
		test_wild(*be);
		test_smid(*be);
		test_bounds(*be);
		test_atomics(*be);
		test_walk(*be);
		test_shift(*be);
		test_roots(*be);
		test_column(*be);
		test_widen(*be, "tier1");
		test_widen(*be, "masked");
		test_tiles(*be, "tier1", 64);
		test_tiles(*be, "tier1", 16);
		test_tiles(*be, "tier1,warps=4", 48);
		test_tiles(*be, "masked", 32);
	}
	return 0;
}
