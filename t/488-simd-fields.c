/*
 * t/488: accesses that compiled code does at once: fields of structures and
 * bytes of words, loaded and stored in many orders, by one register and by
 * several whose structures are apart, the same, or overlap. Random kernels
 * leave the same memory behind on interp and on all forms of the simd backend.
 * Memory begins and ends with what they may touch.
 *
 * t/488-simd-fields.t [HOW-MANY [FIRST-SEED]] runs more of them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define PAGE 4096u
#define THREADS_MAX 192u
#define SIZE_MAX_B 80u

struct gen {
	struct vgpu_buf text;
	uint64_t state;
	unsigned size, threads, labels;
	bool one_warp;             /* b may overlap a */
	bool sums;                 /* nothing but, by registers that were there before the block */
};

static uint32_t rnd(struct gen *g, uint32_t n)
{
	g->state = g->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(g->state >> 33) % n;
}

static void say(struct gen *g, const char *fmt, ...) VGPU_PRINTF(2, 3);
static void say(struct gen *g, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vgpu_buf_add(&g->text, line, (size_t)n);
}

/* ---- kernels ---- */

static const struct type {
	const char *name;
	unsigned size, vec;
} types[] = {
	{ "u8", 1, 1 }, { "s8", 1, 1 }, { "u16", 2, 1 }, { "s16", 2, 1 }, { "u32", 4, 1 }, { "u32", 4, 1 }, { "f32", 4, 1 }, { "u64", 8, 1 },
	{ "v2.u32", 4, 2 }, { "v4.u32", 4, 4 }, { "v2.u64", 8, 2 }, { "v4.u8", 1, 4 }, { "v2.u16", 2, 2 },
};

/* A register for an element, and what it is as 64 bits. */
static void use(struct gen *g, const struct type *t, unsigned k)
{
	if (t->size == 8)
		say(g, "mad.lo.u64 %%acc, %%acc, 3, %%x%u;\n", k);
	else if (t->name[0] == 'f')
		say(g, "mov.b32 %%w, %%f%u; cvt.u64.u32 %%y, %%w; mad.lo.u64 %%acc, %%acc, 3, %%y;\n", k);
	else
		say(g, "cvt.s64.s32 %%y, %%r%u; mad.lo.u64 %%acc, %%acc, 3, %%y;\n", k);
}

static void make(struct gen *g, const struct type *t, unsigned k)
{
	say(g, "mad.lo.u64 %%acc, %%acc, 5, %u;\n", 1 + rnd(g, 1000));
	if (t->size == 8)
		say(g, "mov.u64 %%x%u, %%acc;\n", k);
	else if (t->name[0] == 'f')
		say(g, "cvt.u32.u64 %%w, %%acc; mov.b32 %%f%u, %%w;\n", k);
	else
		say(g, "cvt.u32.u64 %%r%u, %%acc;\n", k);
}

static void operand(struct gen *g, const struct type *t)
{
	char c = t->size == 8 ? 'x' : t->name[0] == 'f' ? 'f' : 'r';

	if (t->vec == 1)
		say(g, "%%%c0", c);
	else
		for (unsigned k = 0; k < t->vec; k++)
			say(g, "%s%%%c%u%s", k ? ", " : "{", c, k, k + 1 < t->vec ? "" : "}");
}

/* Bytes that the next accesses are near of, so that parts come about. */
static unsigned near(struct gen *g, unsigned bytes, unsigned about)
{
	unsigned lo = about / bytes * bytes, off = lo + rnd(g, 4) * bytes;

	return off + bytes <= g->size ? off : rnd(g, g->size / bytes) * bytes;
}

static void access_(struct gen *g, const char *base, bool store, unsigned about)
{
	const struct type *t = &types[rnd(g, ARRAY_SIZE(types))];
	unsigned bytes = t->size * t->vec, off;

	/* v4.u32 has to be aligned as its size is, in every structure */
	if (bytes > g->size || g->size % bytes)
		t = g->size % 4 ? &types[0] : &types[4];
	bytes = t->size * t->vec;
	off = near(g, bytes, about);
	if (store)
		for (unsigned k = 0; k < t->vec; k++)
			make(g, t, k);
	if (store)
		say(g, "st.global.%s [%s+%u], ", t->name, base, off);
	else
		say(g, "ld.global.%s ", t->name);
	operand(g, t);
	if (!store)
		say(g, ", [%s+%u]", base, off);
	say(g, ";\n");
	for (unsigned k = 0; k < t->vec && !store; k++)
		use(g, t, k);
}

/* As "a[i] += b[i]" of all fields comes out where a compiler doesn't know whether the two are apart. */
static void sums(struct gen *g)
{
	bool loaded = rnd(g, 2);
	unsigned first = rnd(g, 2);

	for (unsigned off = 4 * first; off + 4 <= g->size; off += 4)
		say(g, "ld.global.u32 %%r0, [%%pb+%u]; %s st.global.u32 [%%pa+%u], %%r0;\n", off,
		    loaded ? "add.u32 %r0, %r0, 7;" : "cvt.u32.u64 %r1, %acc; add.u32 %r0, %r0, %r1;", off);
}

static void accesses(struct gen *g)
{
	static const char *const bases[] = { "%pa", "%pb", "%pv", "%pa", "%pb", "%pw" };
	unsigned about = rnd(g, g->size), n = 4 + rnd(g, 12), mixed = rnd(g, 3);
	const char *base = bases[rnd(g, ARRAY_SIZE(bases))];
	bool store = rnd(g, 2);

	if (g->sums || (rnd(g, 3) == 0 && g->size % 4 == 0)) {
		sums(g);
		return;
	}
	while (n--) {
		if (mixed || rnd(g, 5) == 0) {
			base = bases[rnd(g, mixed == 1 ? 2 : ARRAY_SIZE(bases))];
			store = rnd(g, 2);
		}
		access_(g, base, store && strcmp(base, "%pw"), about);
	}
}

static const char head[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	/* structures at a and b, of each thread; those at c by index; bytes at in, by index, that nobody writes */
	".visible .entry go(.param .u64 out, .param .u64 a, .param .u64 b, .param .u64 c, .param .u64 in, .param .u64 idx)\n{\n"
	"	.reg .pred %p<4>; .reg .b32 %r<8>, %w, %i, %k, %t<4>; .reg .f32 %f<4>;\n"
	"	.reg .b64 %x<8>, %y, %acc, %pa, %pb, %pv, %pw, %qa, %qb, %qc, %qi, %qx, %ix, %qo, %o;\n"
	"	mov.u32 %t0, %ctaid.x; mov.u32 %t1, %ntid.x; mov.u32 %t2, %tid.x; mad.lo.u32 %i, %t0, %t1, %t2;\n"
	"	ld.param.u64 %qo, [out]; mad.wide.u32 %o, %i, 8, %qo; cvt.u64.u32 %acc, %i;\n"
	"	ld.param.u64 %qa, [a]; ld.param.u64 %qb, [b]; ld.param.u64 %qc, [c]; ld.param.u64 %qi, [in]; ld.param.u64 %qx, [idx];\n"
	"	mad.wide.u32 %ix, %i, 4, %qx; ld.global.u32 %k, [%ix];\n";

static void kernel(struct gen *g)
{
	static const unsigned sizes[] = { 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 36, 40, 48, 64, 64, 80 };
	unsigned parts = 1 + rnd(g, 3);

	g->size = sizes[rnd(g, ARRAY_SIZE(sizes))];
	g->sums = rnd(g, 4) == 0;
	if (g->sums)
		g->size = 16 << rnd(g, 3);
	g->one_warp = g->sums || rnd(g, 2);
	g->threads = g->one_warp ? 32 : 33 + rnd(g, THREADS_MAX - 32);
	if (rnd(g, 2) && !g->one_warp)
		g->threads &= ~63u;
	g->threads = MAX(g->threads, 32u);
	vgpu_buf_add(&g->text, head, strlen(head));
	say(g, "mad.wide.u32 %%pa, %%i, %u, %%qa; mad.wide.u32 %%pb, %%i, %u, %%qb; mad.wide.u32 %%pv, %%k, %u, %%qc;\n"
	       "mad.wide.u32 %%pw, %%k, %u, %%qi;\n", g->size, g->size, g->size, g->size);
	while (parts--) {
		unsigned l = g->labels++, how = g->sums ? 1 : rnd(g, 4);

		/* all lanes, a loop, some lanes, a loop of which lanes leave one by one */
		if (how == 1)
			say(g, "mov.u32 %%t3, 2;\nL%u:\n", l);
		if (how == 2)
			say(g, "and.b32 %%t3, %%i, %u; setp.eq.u32 %%p1, %%t3, 0; @%%p1 bra L%u;\n", 1 + rnd(g, 3), l);
		if (how == 3)
			say(g, "and.b32 %%t3, %%i, 3; add.u32 %%t3, %%t3, 1;\nL%u:\n", l);
		accesses(g);
		if (how == 1 || how == 3)
			say(g, "sub.u32 %%t3, %%t3, 1; setp.ne.u32 %%p1, %%t3, 0; @%%p1 bra L%u;\n", l);
		if (how == 2)
			say(g, "L%u:\n", l);
	}
	say(g, "st.global.u64 [%%o], %%acc; ret;\n}\n");
}

/* ---- running them ---- */

enum { A, B, C, IN, IDX, OUT, ARRAYS };

struct array {
	uint8_t *p;
	size_t size;
};

/* Of exactly that many bytes, with nothing in front of it or nothing behind it. */
static struct array array(struct kt *t, size_t size, bool at_end)
{
	size_t len = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
	uint8_t *p = kt_alloc(t, len - 1);

	return (struct array){ p + (at_end ? len - size : 0), size };
}

static void fill(const struct gen *g, const struct array *a, unsigned way)
{
	uint32_t *x = (uint32_t *)a[IDX].p;
	struct gen r = { .state = g->size * 64 + way };

	for (unsigned k = 0; k < ARRAYS; k++)
		for (size_t n = 0; n < a[k].size; n++)
			a[k].p[n] = (uint8_t)rnd(&r, 256);
	/* in order, backwards, anyhow: each index once; or twice, and the later lane's value stays */
	for (uint32_t n = 0; n < g->threads; n++)
		x[n] = way == 1 ? g->threads - 1 - n : way == 3 ? n / 2 : n;
	for (uint32_t n = g->threads; way == 2 && n > 1; n--) {
		uint32_t k = rnd(&r, n), y = x[k];

		x[k] = x[n - 1];
		x[n - 1] = y;
	}
}

/* How a structure of b lies to that of a with the same number. */
struct how {
	bool at_end, same;
	unsigned way;
	unsigned b_behind, a_behind;   /* bytes */
};

#define RESULT_B ((size_t)5 * THREADS_MAX * (SIZE_MAX_B + 64))

/* What is left behind goes to result. */
static bool run(struct gen *g, const char *be, const struct how *h, uint8_t *result)
{
	size_t bytes = (size_t)g->threads * g->size;
	unsigned more = h->a_behind + h->b_behind;
	struct array a[ARRAYS];
	struct kt t;
	bool good;

	kt_must_open(&t, be, vgpu_buf_text(&g->text));
	a[A] = array(&t, bytes + more, h->at_end);
	for (unsigned k = B; k <= IN; k++)
		a[k] = array(&t, bytes, h->at_end);
	a[IDX] = array(&t, g->threads * 4, h->at_end);
	a[OUT] = array(&t, g->threads * 8, h->at_end);
	struct { void *out, *a, *b, *c, *in, *idx; } p = {
		a[OUT].p, a[A].p + h->a_behind, h->same || more ? a[A].p + h->b_behind : a[B].p, a[C].p, a[IN].p, a[IDX].p,
	};
	fill(g, a, h->way);
	good = KT_RUN(&t, "go", KT1(1), KT1(g->threads), p) == BE_RUN_DONE;
	if (!good)
		diag("%s: %s%s", be, t.err.text, t.fault.text);
	for (unsigned k = 0; k < ARRAYS; k++) {
		memcpy(result, a[k].p, a[k].size);
		result += a[k].size;
	}
	kt_close(&t);
	return good;
}

static const char *const forms[] = {
	"", "tier1", "tier1,whole", "masked,tier1", "warps=2,tier1", "warps=4", "tier1,diverge", "diverge,yield", "masked",
	"tier1,warps=2,whole", "gather,tier1", "gather,masked,tier1",
};
static const char *const cpus[] = { "avx512", "avx2", "sse4.2" };

static bool check(uint64_t seed, unsigned n_forms)
{
	struct gen g = { .state = seed * 7919 + 1 };
	uint8_t *want = calloc(2, RESULT_B), *got = want + RESULT_B;
	struct how h;
	unsigned unit;
	bool good = true;

	kernel(&g);
	unit = g.sums ? 4 : MIN(g.size & -g.size, 16u);
	h = (struct how){ .at_end = rnd(&g, 2), .same = rnd(&g, g.sums ? 6 : 3) == 0, .way = rnd(&g, g.one_warp ? 4 : 3) };
	if (g.one_warp && !h.same)
		*(rnd(&g, 2) ? &h.a_behind : &h.b_behind) = unit * rnd(&g, (g.sums ? 16 : 64) / unit + 1);
	if (!run(&g, "interp", &h, want))
		good = false;
	for (unsigned k = 0; k < n_forms && good; k++) {
		const char *form = forms[rnd(&g, ARRAY_SIZE(forms))], *cpu = cpus[rnd(&g, ARRAY_SIZE(cpus))];

		setenv("VGPU_SIMD", form, 1);
		setenv("VGPU_CPU", cpu, 1);
		memset(got, 0, RESULT_B);
		good = run(&g, "simd", &h, got) && !memcmp(want, got, RESULT_B);
		if (!good)
			diag("seed %llu: simd '%s' on %s isn't interp; structures of %u bytes, %u threads", (unsigned long long)seed, form, cpu,
			     g.size, g.threads);
	}
	unsetenv("VGPU_SIMD");
	unsetenv("VGPU_CPU");
	if (!good && getenv("KEEP"))
		puts(vgpu_buf_text(&g.text));
	vgpu_buf_free(&g.text);
	free(want);
	return good;
}

int main(int argc, char **argv)
{
	unsigned many = argc > 1 ? (unsigned)atoi(argv[1]) : 24, bad = 0;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	plan_lazy();
	tap_timeout(0);
	if (!kt_backends()[1])
		skip_all("built without LLVM");
	for (unsigned k = 0; k < many; k++)
		bad += !check(first + k, argc > 1 ? 4 : 2);
	ok(!bad, "%u kernels from seed %llu on: interp and simd agree", many, (unsigned long long)first);
	return 0;
}
