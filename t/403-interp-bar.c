/* t/403: barriers: named, counted, arrive, reductions, divergent arrival, exits; warp barriers. */
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
		t.s.slice = 1;
		memset(o, 0, 4096);
		test_named(&t, o, *be);
		kt_close(&t);
	}
	return 0;
}
