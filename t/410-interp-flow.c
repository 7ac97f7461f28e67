/* t/410: control flow of nvcc's output: divergence, locks inside a warp, calls, barriers, blocks that wait on each other. */
#include <stdlib.h>
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

static char *flow;

static void test_collatz(struct kt *t, const char *be)
{
	uint32_t n = 300, bad = 0, *o = kt_alloc(t, n * 4);
	struct { void *o; uint32_t n; } p = { o, n };

	is_int(KT_RUN(t, "collatz", KT1(3), KT1(128), p), BE_RUN_DONE, "%s: divergent loops", be);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t v = i + 1;
		uint32_t s = 0;

		for (; v != 1; s++)
			v = v & 1 ? 3 * v + 1 : v / 2;
		bad += o[i] != s;
	}
	is_int(bad, 0, "%s: step counts of all threads", be);
}

static int switch_of(int i)
{
	int r = 0;

	for (int k = 0; k < i % 5 + 1; k++)
		switch ((i + k) % 11) {
		case 0: r += 3; break;
		case 1: r ^= 0x55; break;
		case 2: r *= 7; break;
		case 3: r -= i; break;
		case 4: if (k) continue; r += 100; break;
		case 5: r = ~r; break;
		case 6: r += i * i; break;
		case 7: r |= 8; break;
		case 8: r /= 3; break;
		case 9: r <<= 1; break;
		default: r += 1000;
		}
	return r;
}

static void test_switches(struct kt *t, const char *be)
{
	int bad = 0, *o = kt_alloc(t, 128 * 4);
	struct { void *o; } p = { o };

	is_int(KT_RUN(t, "switches", KT1(1), KT1(100), p), BE_RUN_DONE, "%s: switch in a loop", be);
	for (int i = 0; i < 100; i++)
		bad += o[i] != switch_of(i);
	is_int(bad, 0, "%s: every case of it", be);
}

static void test_locks(struct kt *t, const char *be)
{
	int *m = kt_alloc(t, 8), *o = kt_alloc(t, 128 + 8);
	struct { void *lock, *count; } p = { m, m + 1 };
	struct { void *flag, *out; } q = { o + 32, o };
	int bad = 0;

	is_int(KT_RUN(t, "spinlock", KT1(4), KT1(96), p), BE_RUN_DONE, "%s: a spin lock fought for by lanes of a warp", be);
	is_int(m[1], 4 * 96, "%s: nobody got in twice", be);
	t->threads = 2;
	is_int(KT_RUN(t, "spinlock", KT1(4), KT1(96), p), BE_RUN_DONE, "%s: and on two threads", be);
	is_int(m[1], 8 * 96, "%s: nobody got in twice", be);
	t->threads = 0;
	is_int(KT_RUN(t, "handoff", KT1(1), KT1(32), q), BE_RUN_DONE, "%s: lanes wait for a flag of a lane behind them", be);
	for (int i = 0; i < 31; i++)
		bad += o[i] != i + 42;
	is_int(bad, 0, "%s: all saw it", be);
}

static void test_calls(struct kt *t, const char *be)
{
	uint32_t fib[13] = { 0, 1 }, bad = 0, *o = kt_alloc(t, 64 * 4);
	struct { void *o; } p = { o };

	for (int i = 2; i < 13; i++)
		fib[i] = fib[i - 1] + fib[i - 2];
	is_int(KT_RUN(t, "recurse", KT1(1), KT1(40), p), BE_RUN_DONE, "%s: recursion, each lane to another depth", be);
	for (int i = 0; i < 40; i++)
		bad += o[i] != fib[i % 13];
	is_int(bad, 0, "%s: Fibonacci numbers", be);

	is_int(KT_RUN(t, "pointers", KT1(1), KT1(40), p), BE_RUN_DONE, "%s: calls through a table of functions", be);
	bad = 0;
	for (int i = 0; i < 40; i++)
		bad += (int)o[i] != (i % 3 == 0 ? i + 5 : i % 3 == 1 ? i - 5 : i * 5);
	is_int(bad, 0, "%s: the right one for each lane", be);

	struct { uint64_t f; void *o; } q = { kt_func(t, "_Z6op_mulii"), o };
	is_int(KT_RUN(t, "call_any", KT1(1), KT1(8), q), BE_RUN_DONE, "%s: a function's address as parameter", be);
	is_int(o[7], 14, "%s: is called", be);
	q.f += 4;
	is_int(KT_RUN(t, "call_any", KT1(1), KT1(8), q), BE_RUN_FAULT, "%s: a wild function pointer", be);
	is_int(t->fault.status, VGPU_E_INVALID_PC, "%s: is an invalid program counter", be);
	q.f = 0;
	is_int(KT_RUN(t, "call_any", KT1(1), KT1(8), q), BE_RUN_FAULT, "%s: so is NULL", be);
	q.f = kt_func(t, "collatz");
	is_int(KT_RUN(t, "call_any", KT1(1), KT1(8), q), BE_RUN_FAULT, "%s: and a function of another shape", be);

	t->heap_left = 1 << 20;
	is_int(KT_RUN(t, "virtuals", KT1(1), KT1(32), p), BE_RUN_DONE, "%s: virtual functions of new objects", be);
	bad = 0;
	for (int i = 0; i < 32; i++)
		bad += ((float *)o)[i] != (i & 1 ? (float)(i * i) : 3.0f * (float)(i * i));
	is_int(bad, 0, "%s: areas", be);
	is_int(t->heap_live, 0, "%s: all deleted", be);
}

static void test_stack(struct kt *t, const char *be)
{
	int *o = kt_alloc(t, 128), *zero = kt_alloc(t, 4);
	struct { void *o; int n; void *zero; } p = { o, 10, zero };
	int want = 0, n = 10;

	t->stack_B = 4096;
	is_int(KT_RUN(t, "too_deep", KT1(1), KT1(32), p), BE_RUN_DONE, "%s: recursion with arrays inside of the stack limit", be);
	for (; n > 0; n--)
		want += n + (n & 7);
	is_int(o[3], want, "%s: its value", be);
	p.n = 1000000;
	is_int(KT_RUN(t, "too_deep", KT1(1), KT1(32), p), BE_RUN_FAULT, "%s: endless recursion faults", be);
	is_int(t->fault.status, VGPU_E_HW_STACK, "%s: as a stack error", be);
	t->stack_B = 1024;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void test_blocks(struct kt *t, const char *be)
{
	int *in = kt_alloc(t, 4096 * 4), *o = kt_alloc(t, 1024 * 4), sum = 0, bad = 0;
	uint32_t *d = (uint32_t *)in, ref[1024];
	struct { void *in, *out; int n; } p = { in, o, 4000 };
	struct { void *d; } q = { d };
	struct { void *o; } e = { o };

	for (int i = 0; i < 4096; i++) {
		in[i] = i * 7 - 1000;
		sum += i < 4000 ? in[i] : 0;
	}
	is_int(KT_RUN(t, "reduce", KT1(5), KT1(1000), p), BE_RUN_DONE, "%s: reduction with shuffles, partial last warp", be);
	is_int(o[0], sum, "%s: its sum", be);

	for (uint32_t i = 0; i < 1024; i++)
		ref[i] = d[i] = i * 2654435761u;
	qsort(ref, 1024, 4, compare);
	t->shared_dyn = 4096;
	is_int(KT_RUN(t, "bitonic", KT1(1), KT1(1024), q), BE_RUN_DONE, "%s: sort by 1024 threads with barriers in a loop", be);
	is_blob(d, ref, 4096, "%s: sorted", be);
	t->shared_dyn = 0;

	memset(o, 0, 1024);
	is_int(KT_RUN(t, "early", KT1(1), KT1(250), e), BE_RUN_DONE, "%s: barriers that exited threads don't reach", be);
	for (int i = 0; i < 250; i += 2)
		bad += o[i] != (i + 2) % 250 + (i < 125);
	is_int(bad, 0, "%s: values", be);

	is_int(KT_RUN(t, "tiles", KT1(1), KT1(64), e), BE_RUN_DONE, "%s: cooperative groups' tiles and coalesced groups", be);
	bad = 0;
	for (int i = 0; i < 64; i++) {
		int v = 28 + i / 8 * 64, w = i / 32 * 32, rank = 0, size = 0;

		for (int k = w; k < w + 32; k++) {
			size += k % 3 == 0;
			rank += k % 3 == 0 && k < i;
		}
		bad += o[i] != (i % 3 ? v : v + 1000 * size + 100000 * rank);
	}
	is_int(bad, 0, "%s: values", be);
}

static void test_grid(struct kt *t, const char *be)
{
	uint32_t n = 6 * 64, *d = kt_alloc(t, 2 * n * 4), bad = 0;
	struct { void *d; uint32_t rounds; } p = { d, 5 };

	for (uint32_t i = 0; i < n; i++)
		d[i] = i * i;
	t->cooperative = true;
	is_int(KT_RUN(t, "grid_sync", KT1(6), KT1(64), p), BE_RUN_DONE, "%s: a grid's barrier", be);
	for (uint32_t i = 0; i < n; i++)
		bad += d[n + i] != ((i + 5) % n) * ((i + 5) % n) + 5;
	is_int(bad, 0, "%s: five rounds in step", be);
	t->cooperative = false;
	is_int(KT_RUN(t, "grid_sync", KT1(6), KT1(64), p), BE_RUN_FAULT, "%s: without a cooperative launch it traps", be);
	is_int(t->fault.status, VGPU_E_LAUNCH_FAILED, "%s: as a launch failure", be);

	uint32_t *f = kt_alloc(t, 64), *o = kt_alloc(t, 64);
	struct { void *f, *o; } r = { f, o };
	is_int(KT_RUN(t, "ring", KT1(10), KT1(32), r), BE_RUN_DONE, "%s: blocks wait for flags of later and earlier ones", be);
	is_int(o[9], 1 + 9 * 10 / 2, "%s: in the right order", be);
	ok(t->spins > 0, "%s: waiting blocks say so", be);
	ok(t->runs < 1000, "%s: without long turns (%llu)", be, (unsigned long long)t->runs);
}

static void test_cancel(struct kt *t, const char *be)
{
	int *x = kt_alloc(t, 8);
	struct { void *x; } p = { x };

	t->cancel_ms = 20;
	is_int(KT_RUN(t, "endless", KT1(2), KT1(64), p), BE_RUN_CANCELLED, "%s: an endless kernel that polls memory is cancelled", be);
	is_int(KT_RUN(t, "endless_math", KT1(1), KT1(64), p), BE_RUN_CANCELLED, "%s: and one that only computes", be);
	t->s.slice = 0;
	is_int(KT_RUN(t, "endless_math", KT1(1), KT1(64), p), BE_RUN_CANCELLED, "%s: also with an endless slice", be);
	t->s.slice = 50000;
	t->cancel_ms = 0;
}

/*
 * Branches around a few instructions, taken by some lanes: one side and two, one in another, a side that reads what the
 * other one overwrites, and one that writes what the branch looks at.
 */
static const char sides[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry sides(.param .u64 out, .param .u64 in)\n{\n"
	"	.reg .pred %p<9>; .reg .b32 %r<20>; .reg .b64 %d<9>; .reg .f32 %f<9>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u64 %d2, [in];\n"
	"	mov.u32 %r1, %tid.x; mul.wide.u32 %d3, %r1, 4; add.s64 %d4, %d2, %d3; ld.global.u32 %r2, [%d4];\n"
	"	mul.wide.u32 %d5, %r1, 16; add.s64 %d6, %d1, %d5;\n"
	"	and.b32 %r3, %r2, 1; setp.ne.u32 %p1, %r3, 0; mov.u32 %r4, %r2; mov.u32 %r5, %r1; mov.u32 %r6, 7;\n"
	"	@%p1 bra ONE; add.u32 %r4, %r4, 1000; xor.b32 %r6, %r4, %r5;\n"
	"ONE:\n"
	"	setp.gt.u32 %p2, %r2, 50; @!%p2 bra ELSE;\n"
	"	mov.u32 %r7, %r4; mov.u32 %r4, %r5; mov.u32 %r5, %r7; bra BOTH;\n"
	"ELSE: sub.u32 %r5, %r4, %r5; add.u32 %r4, %r5, 3;\n"
	"BOTH:\n"
	"	and.b32 %r8, %r2, 6; setp.eq.u32 %p3, %r8, 2; @%p3 bra OUT;\n"
	"	setp.gt.u32 %p4, %r4, %r5; @%p4 bra IN; mad.lo.u32 %r6, %r6, 3, %r4;\n"
	"IN:	add.u32 %r6, %r6, 1;\n"
	"OUT:\n"
	"	cvt.rn.f32.u32 %f1, %r2; mov.f32 %f2, 0f3F800000; setp.lt.f32 %p5, %f1, 0f42200000; @%p5 bra KEEP;\n"
	"	fma.rn.f32 %f2, %f1, %f1, %f2; setp.gt.f32 %p5, %f2, 0f45000000;\n"
	"KEEP: selp.u32 %r9, 1, 2, %p5; cvt.rzi.u32.f32 %r10, %f2; shl.b32 %r9, %r9, 24; add.u32 %r10, %r10, %r9;\n"
	/* stores of some lanes: a swap in memory, and one that no lane does */
	"	and.b32 %r11, %r2, 3; setp.eq.u32 %p6, %r11, 1; @%p6 bra NOT; st.global.u32 [%d6], %r5; st.global.u32 [%d6+4], %r4; bra DONE;\n"
	"NOT: st.global.u32 [%d6], %r4; st.global.u32 [%d6+4], %r5;\n"
	"DONE:\n"
	"	setp.gt.u32 %p7, %r2, 999; @!%p7 bra LAST; st.global.u32 [%d6+8], %r2;\n"
	"LAST:\n"
	"	setp.lt.u32 %p7, %r2, 999; @!%p7 bra END; st.global.u32 [%d6+8], %r6; st.global.u32 [%d6+12], %r10;\n"
	"END: ret;\n}\n";

/* Branches in a branch, of which none, one or the other is by the opposite; and three deep. */
#define BIT(n) "and.b32 %r3, %r2, " #n "; setp.ne.u32 %p" #n ", %r3, 0; "
static const char nested[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry nested(.param .u64 out, .param .u64 in)\n{\n"
	"	.reg .pred %p<5>; .reg .b32 %r<9>; .reg .b64 %d<9>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u64 %d2, [in];\n"
	"	mov.u32 %r1, %tid.x; mul.wide.u32 %d3, %r1, 4; add.s64 %d4, %d2, %d3; ld.global.u32 %r2, [%d4];\n"
	"	mul.wide.u32 %d5, %r1, 16; add.s64 %d6, %d1, %d5; add.u32 %r4, %r2, 1; add.u32 %r5, %r2, 2; add.u32 %r6, %r2, 3; add.u32 %r7, %r2, 4;\n"
	"	" BIT(1) "@%p1 bra A; " BIT(2) "@%p2 bra A; xor.b32 %r4, %r4, 17;\n"
	"A:	" BIT(1) "@!%p1 bra B; " BIT(2) "@!%p2 bra B; add.u32 %r5, %r5, %r4;\n"
	"B:	" BIT(1) "@%p1 bra C; " BIT(2) "@!%p2 bra C; mul.lo.u32 %r6, %r6, 3;\n"
	"C:	" BIT(1) "@!%p1 bra D; " BIT(2) "@%p2 bra D; " BIT(4) "@%p4 bra D; sub.u32 %r7, %r7, %r6;\n"
	"D:	st.global.v4.u32 [%d6], {%r4, %r5, %r6, %r7}; ret;\n}\n";

static void nested_of(uint32_t v, uint32_t o[4])
{
	bool p = v & 1, q = v & 2, r = v & 4;

	o[0] = !p && !q ? (v + 1) ^ 17 : v + 1;
	o[1] = p && q ? v + 2 + o[0] : v + 2;
	o[2] = !p && q ? (v + 3) * 3 : v + 3;
	o[3] = p && !q && !r ? v + 4 - o[2] : v + 4;
}

static void test_nested(const char *be)
{
	struct kt t;
	uint32_t *in, *o, want[4], bad = 0;

	kt_must_open(&t, be, nested);
	in = kt_alloc(&t, 256 * 4);
	o = kt_alloc(&t, 256 * 16);
	struct { void *o, *in; } p = { o, in };

	for (uint32_t k = 0; k < 256; k++)
		in[k] = k < 64 ? 5 : k * 2654435761u >> 25;
	is_int(KT_RUN(&t, "nested", KT1(1), KT1(250), p), BE_RUN_DONE, "%s: small branches in small branches", be);
	for (uint32_t k = 0; k < 250; k++) {
		nested_of(in[k], want);
		bad += memcmp(want, o + 4 * k, 16) != 0;
	}
	is_int(bad, 0, "%s: every lane went its own way", be);
	kt_close(&t);
}

static void sides_of(uint32_t tid, uint32_t v, uint32_t o[4])
{
	uint32_t a = v, b = tid, c = 7;
	float x = (float)v, y = 1;
	bool p = x < 40;

	if (!(v & 1)) {
		a += 1000;
		c = a ^ b;
	}
	if (v > 50) {
		uint32_t was = a;

		a = b;
		b = was;
	} else {
		b = a - b;
		a = b + 3;
	}
	if ((v & 6) != 2) {
		if (a <= b)
			c = c * 3 + a;
		c++;
	}
	if (!p) {
		y = x * x + y;
		p = y > 2048;
	}
	o[0] = (v & 3) == 1 ? a : b;
	o[1] = (v & 3) == 1 ? b : a;
	o[2] = c;
	o[3] = (uint32_t)y + ((p ? 1u : 2u) << 24);
}

static void test_sides(const char *be)
{
	struct kt t;
	uint32_t *in, *o, want[4], bad = 0;

	kt_must_open(&t, be, sides);
	in = kt_alloc(&t, 256 * 4);
	o = kt_alloc(&t, 256 * 16);
	struct { void *o, *in; } p = { o, in };

	for (uint32_t k = 0; k < 256; k++)
		in[k] = k < 64 ? 8 : k * 2654435761u >> 25;
	is_int(KT_RUN(&t, "sides", KT1(1), KT1(250), p), BE_RUN_DONE, "%s: small branches", be);
	for (uint32_t k = 0; k < 250; k++) {
		sides_of(k, in[k], want);
		bad += memcmp(want, o + 4 * k, 16) != 0;
	}
	is_int(bad, 0, "%s: every lane took its own", be);
	kt_close(&t);
}

int main(void)
{
	plan_lazy();
	flow = kt_text("flow.ptx");
	for (const char *const *be = kt_backends(); *be; be++) {
		struct kt t;

		kt_must_open(&t, *be, flow);
		test_collatz(&t, *be);
		test_switches(&t, *be);
		test_locks(&t, *be);
		test_calls(&t, *be);
		test_stack(&t, *be);
		test_blocks(&t, *be);
		test_grid(&t, *be);
		test_cancel(&t, *be);
		kt_close(&t);
		test_sides(*be);
		test_nested(*be);
	}
	free(flow);
	return 0;
}
