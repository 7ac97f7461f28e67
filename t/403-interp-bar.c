/* t/403: barriers: named, counted, arrive, reductions, divergent arrival, exits; warp barriers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.3\n.target sm_90\n.address_size 64\n"
#define REGS ".reg .pred %p<9>; .reg .b32 %r<33>; .reg .b64 %rd<33>;\n"
#define TID "mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [out]; mul.wide.u32 %rd1, %r0, 4; add.u64 %rd1, %rd0, %rd1;\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 out)\n{\n" REGS TID body "ret;\n}\n"

static const char text[] = HEAD
/* warp 0 produces, warp 1 consumes, warps 2 and 3 meet at a barrier of their own */
KERNEL("named",
	".shared .u32 sh[32]; shr.u32 %r1, %r0, 5; and.b32 %r2, %r0, 31; mov.u32 %r3, sh; shl.b32 %r4, %r2, 2; add.u32 %r3, %r3, %r4;\n"
	"mov.u32 %r9, 0; mov.u32 %r20, 0;\n"
	"setp.eq.u32 %p1, %r1, 0; setp.eq.u32 %p2, %r1, 1; @%p1 bra PROD; @%p2 bra CONS;\n"
	"OTHER: bar.sync 3, 64; add.u32 %r20, %r20, 1; setp.lt.u32 %p3, %r20, 5; @%p3 bra OTHER; st.global.u32 [%rd1], %r20; ret;\n"
	"PROD: add.u32 %r5, %r2, %r9; st.shared.u32 [%r3], %r5; bar.arrive 1, 64; bar.sync 2, 64; add.u32 %r9, %r9, 1; setp.lt.u32 %p3, %r9, 10; @%p3 bra PROD; ret;\n"
	"CONS: bar.sync 1, 64; xor.b32 %r6, %r2, 1; mov.u32 %r7, sh; shl.b32 %r8, %r6, 2; add.u32 %r7, %r7, %r8; ld.shared.u32 %r10, [%r7]; add.u32 %r20, %r20, %r10;\n"
	"bar.arrive 2, 64; add.u32 %r9, %r9, 1; setp.lt.u32 %p3, %r9, 10; @%p3 bra CONS; st.global.u32 [%rd1], %r20;\n")
KERNEL("red",
	"and.b32 %r1, %r0, 3; setp.eq.u32 %p1, %r1, 0; setp.lt.u32 %p2, %r0, 1000; setp.eq.u32 %p3, %r0, 77;\n"
	"bar.red.popc.u32 %r2, 0, %p1; barrier.red.and.pred %p4, 0, %p2; bar.red.or.pred %p5, 0, %p3; bar.red.and.pred %p6, 0, !%p3; bar.red.popc.u32 %r5, 4, 128, !%p1;\n"
	"selp.u32 %r3, 1, 0, %p4; selp.u32 %r4, 2, 0, %p5; add.u32 %r3, %r3, %r4; selp.u32 %r4, 4, 0, %p6; add.u32 %r3, %r3, %r4; shl.b32 %r3, %r3, 8; add.u32 %r3, %r3, %r2; shl.b32 %r5, %r5, 16; add.u32 %r3, %r3, %r5;\n"
	"st.global.u32 [%rd1], %r3;\n")
/* the two halves of a warp stand at different barrier instructions */
KERNEL("split",
	".shared .u32 sh; and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 0; @%p1 bra EVEN;\n"
	"atom.shared.add.u32 %r2, [sh], 1; bar.sync 0; bra JOIN;\n"
	"EVEN: bar.sync 0; ld.shared.u32 %r3, [sh];\n"
	"st.global.u32 [%rd1], %r3;\n"
	"JOIN: bar.sync 0;\n")
/* a partial last warp counts as a whole one */
KERNEL("partial", "bar.sync 5, 64; bar.sync 5, 64; st.global.u32 [%rd1], 1;\n")
KERNEL("guarded", ".shared .u32 sh; setp.lt.u32 %p1, %r0, 32; @!%p1 st.shared.u32 [sh], 9; @!%p1 bar.arrive 7, 64; @%p1 bar.sync 7, 64; @%p1 ld.shared.u32 %r1, [sh]; @%p1 st.global.u32 [%rd1], %r1;\n")
/* odd lanes have exited when the others arrive without waiting: the warp counts as a whole one; and when they exit behind it, too */
KERNEL("gone", ".shared .u32 sh; setp.ge.u32 %p3, %r0, 64; @%p3 ret; and.b32 %r1, %r0, 1; setp.lt.u32 %p1, %r0, 32; @%p1 bra W; setp.eq.u32 %p2, %r1, 1; @%p2 bra E;\n"
	"st.shared.u32 [sh], 5; bar.arrive 6, 64; mov.u32 %r3, 0; L: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 10; @%p2 bra L; E: ret;\n"
	"W: bar.sync 6, 64; ld.shared.u32 %r2, [sh]; st.global.u32 [%rd1], %r2;\n")
KERNEL("later", ".shared .u32 sh; setp.ge.u32 %p3, %r0, 64; @%p3 ret; and.b32 %r1, %r0, 1; setp.lt.u32 %p1, %r0, 32; @%p1 bra W; setp.eq.u32 %p2, %r1, 1; @%p2 bra E;\n"
	"st.shared.u32 [sh], 5; bar.arrive 6, 64; ret;\n"
	"E: bar.sync 7, 64; ret;\n"
	"W: bar.arrive 7, 64; bar.sync 6, 64; ld.shared.u32 %r2, [sh]; st.global.u32 [%rd1], %r2;\n")
/* warp 2 arrives ahead and ends: warp 0 still waits for warp 1, which comes last */
KERNEL("ahead", ".shared .u32 sh; setp.lt.u32 %p1, %r0, 32; @%p1 bra A; setp.lt.u32 %p1, %r0, 64; @%p1 bra B; bar.arrive 1, 96; bar.arrive 2, 64; ret;\n"
	"B: bar.sync 2, 64; st.shared.u32 [sh], 7; bar.sync 1, 96; ret;\n"
	"A: bar.sync 1, 96; ld.shared.u32 %r2, [sh]; st.global.u32 [%rd1], %r2;\n")
/* what a block's barriers were left with is not for the next block */
KERNEL("left", ".shared .u32 sh; mov.u32 %r1, %ctaid.x; and.b32 %r1, %r1, 1; setp.eq.u32 %p1, %r1, 1; setp.ge.u32 %p2, %r0, 32; @%p1 bra N; @!%p2 bar.arrive 1, 64; ret;\n"
	"N: setp.ge.u32 %p3, %r0, 64; @%p3 ret; @%p2 st.shared.u32 [sh], 3; bar.sync 1, 64; ld.shared.u32 %r2, [sh]; @!%p2 st.global.u32 [%rd1], %r2;\n")
/* the only barrier with a number of threads is one where nobody waits */
KERNEL("only", ".shared .u32 sh; setp.ge.u32 %p1, %r0, 32; @%p1 bra P; bar.sync 0; ld.shared.u32 %r2, [sh]; st.global.u32 [%rd1], %r2; ret;\n"
	"P: st.shared.u32 [sh], 4; bar.arrive 0, 64; mov.u32 %r3, 0; L: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 10; @%p2 bra L; st.global.u32 [%rd1], %r3;\n")
/* lanes that leave the kernel have something to do first, and others of their warp wait for all */
KERNEL("leave1", "and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 0; @%p1 bra S; st.global.u32 [%rd1], 1; ret; S: bar.sync 0; st.global.u32 [%rd1], 2;\n")
KERNEL("leave2", "and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 1; @%p1 bra L; bar.sync 0; st.global.u32 [%rd1], 2; ret; L: st.global.u32 [%rd1], 1;\n")
KERNEL("leave3", "and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 0; @%p1 bra S; add.u32 %r3, %r0, 4; M: add.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 12; @%p2 bra M; st.global.u32 [%rd1], 1; ret;\n"
	"S: bar.sync 0; st.global.u32 [%rd1], 2; ret;\n")
KERNEL("badbar", "mov.u32 %r1, 16; bar.sync %r1;\n")
KERNEL("badcount", "mov.u32 %r1, 33; bar.sync 1, %r1;\n")
KERNEL("never", "setp.eq.u32 %p1, %r0, 0; @%p1 bar.sync 1, 64;\n")
KERNEL("warpbar",
	".shared .u32 sh[32]; mov.u32 %r3, sh; shl.b32 %r4, %r0, 2; add.u32 %r3, %r3, %r4; xor.b32 %r5, %r4, 124; mov.u32 %r6, sh; add.u32 %r5, %r5, %r6;\n"
	"setp.lt.u32 %p1, %r0, 7; @%p1 bra A; st.shared.u32 [%r3], %r0; bar.warp.sync 0xffffffff; bra B;\n"
	"A: add.u32 %r7, %r0, 0; st.shared.u32 [%r3], %r7; bar.warp.sync -1;\n"
	"B: ld.shared.u32 %r8, [%r5]; st.global.u32 [%rd1], %r8;\n");

static void test_named(struct kt *t, uint32_t *o, const char *be)
{
	struct { void *o; } p = { o };
	int bad = 0;

	is_int(KT_RUN(t, "named", KT1(1), KT1(128), p), BE_RUN_DONE, "%s: producer and consumer at named barriers", be);
	for (uint32_t i = 32; i < 64; i++)
		bad += o[i] != 10 * ((i - 32) ^ 1) + 45;
	for (int i = 64; i < 128; i++)
		bad += o[i] != 5;
	is_int(bad, 0, "%s: in step", be);
	is_int(KT_RUN(t, "red", KT1(1), KT1(128), p), BE_RUN_DONE, "%s: barrier reductions", be);
	bad = 0;
	for (int i = 0; i < 128; i++)
		bad += o[i] != (96 << 16) + 0x300 + 32;
	is_int(bad, 0, "%s: popc, and, or", be);
	is_int(KT_RUN(t, "split", KT1(1), KT1(96), p), BE_RUN_DONE, "%s: halves of warps at different instructions", be);
	bad = 0;
	for (int i = 0; i < 96; i += 2)
		bad += o[i] != 48;
	is_int(bad, 0, "%s: meet at one barrier", be);
}

/* Threads below 32 of the grid's last block have read x. */
static void read_by_warp_0(struct kt *t, uint32_t *o, const char *be, const char *kernel, struct kt_dim blocks, struct kt_dim threads, uint32_t x, const char *what)
{
	struct { void *o; } p = { o };
	int bad = 0;

	memset(o, 0, 4096);
	is_int(KT_RUN(t, kernel, blocks, threads, p), BE_RUN_DONE, "%s: %s", be, what);
	for (int i = 0; i < 32; i++)
		bad += o[i] != x;
	is_int(bad, 0, "%s: … orders memory", be);
}

static void test_leave(struct kt *t, uint32_t *o, const char *be)
{
	struct { void *o; } p = { o };

	for (int k = 1; k <= 3; k++) {
		char name[16];
		int bad = 0;

		snprintf(name, sizeof(name), "leave%d", k);
		memset(o, 0, 4096);
		is_int(KT_RUN(t, name, KT1(1), KT1(96), p), BE_RUN_DONE, "%s: lanes that leave while others of their warp wait: %s", be, name);
		for (int i = 0; i < 96; i++)
			bad += o[i] != (uint32_t)(2 - i % 2);
		is_int(bad, 0, "%s: each does its part", be);
	}
}

static void test_ahead(struct kt *t, uint32_t *o, const char *be)
{
	t->max_spins = 100;
	read_by_warp_0(t, o, be, "gone", KT1(1), KT1(96), 5, "bar.arrive by what is left of a warp");
	read_by_warp_0(t, o, be, "later", KT1(1), KT1(96), 5, "bar.arrive by lanes whose warp ends later");
	read_by_warp_0(t, o, be, "ahead", KT1(1), KT1(96), 7, "a warp that arrived and ended isn't counted for another");
	t->resident = 1;
	read_by_warp_0(t, o, be, "left", KT1(8), KT1(128), 3, "barriers left in use");
	t->resident = 0;
	read_by_warp_0(t, o, be, "only", KT1(1), KT1(64), 4, "no wait but one for all");
	t->max_spins = 0;
}

static void test_odd(struct kt *t, uint32_t *o, const char *be)
{
	struct { void *o; } p = { o };
	int bad = 0;

	is_int(KT_RUN(t, "partial", KT1(1), KT1(40), p), BE_RUN_DONE, "%s: counted barrier with a partial warp", be);
	is_int(KT_RUN(t, "guarded", KT1(1), KT1(64), p), BE_RUN_DONE, "%s: guarded barriers", be);
	is_int(o[5], 9, "%s: order memory", be);
	is_int(KT_RUN(t, "badbar", KT1(1), KT1(64), p), BE_RUN_FAULT, "%s: barrier 16 doesn't exist", be);
	is_int(KT_RUN(t, "badcount", KT1(1), KT1(64), p), BE_RUN_FAULT, "%s: 33 threads can't be counted", be);
	t->max_spins = 3;
	is_int(KT_RUN(t, "never", KT1(1), KT1(96), p), BE_RUN_SPIN, "%s: a barrier that is never complete waits for ever", be);
	t->max_spins = 0;
	t->cancel_ms = 10;
	is_int(KT_RUN(t, "never", KT1(1), KT1(96), p), BE_RUN_CANCELLED, "%s: and can be cancelled", be);
	t->cancel_ms = 0;
	is_int(KT_RUN(t, "warpbar", KT1(1), KT1(32), p), BE_RUN_DONE, "%s: bar.warp.sync in two branches", be);
	for (int i = 0; i < 32; i++)
		bad += o[i] != (uint32_t)(31 - i);
	is_int(bad, 0, "%s: orders the lanes", be);
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		struct kt t;
		uint32_t *o;

		kt_must_open(&t, *be, text);
		o = kt_alloc(&t, 4096);
		test_named(&t, o, *be);
		test_odd(&t, o, *be);
		test_leave(&t, o, *be);
		test_ahead(&t, o, *be);
		t.s.slice = 1;
		memset(o, 0, 4096);
		test_named(&t, o, *be);
		test_ahead(&t, o, *be);
		/* the generator is asked for gangs of two warps */
		setenv("VGPU_SIMD", "warps=2", 1);
		test_ahead(&t, o, *be);
		unsetenv("VGPU_SIMD");
		kt_close(&t);
	}
	return 0;
}
