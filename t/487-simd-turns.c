/*
 * t/487: gangs of a block take turns in compiled code, from barrier to barrier,
 * until one does something else than the ones in front of it: ends early, waits
 * at another barrier, parts its lanes, faults, spins until another gang has
 * done something. Results are those of the interpreter, whoever deviates, and
 * at whatever width of gangs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_jit.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define THREADS 256
#define BLOCKS 6
#define WORDS (THREADS * BLOCKS)

#define REGS ".reg .pred %p<9>; .reg .b32 %r<33>; .reg .b64 %d<9>;\n"
/* %r0 thread, %r1 warp, %r2 block, %r31 what is asked for, %r30 its shared word, %d1 its word of the output, %r9 sum */
#define START                                                                                                             \
	"mov.u32 %r0, %tid.x; shr.u32 %r1, %r0, 5; mov.u32 %r2, %ctaid.x; ld.param.u64 %d0, [out]; ld.param.u32 %r31, [n];\n"   \
	"mad.lo.u32 %r3, %r2, 256, %r0; mul.wide.u32 %d1, %r3, 4; add.u64 %d1, %d0, %d1;\n"                                    \
	"mov.u32 %r30, sh; shl.b32 %r4, %r0, 2; add.u32 %r30, %r30, %r4; mov.u32 %r9, %r3;\n"
/* %r9 and that of the thread 37 further on are mixed: two barriers */
#define MIX                                                                                                               \
	"st.shared.u32 [%r30], %r9; bar.sync 0; add.u32 %r5, %r0, 37; and.b32 %r5, %r5, 255; shl.b32 %r5, %r5, 2; mov.u32 %r6, sh;\n" \
	"add.u32 %r6, %r6, %r5; ld.shared.u32 %r7, [%r6]; mad.lo.u32 %r9, %r9, 5, %r7; bar.sync 0;\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 out, .param .u32 n)\n{\n" REGS ".shared .align 4 .b8 sh[1024];\n" START body "\nst.global.u32 [%d1], %r9; ret;\n}\n"

static const char text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	KERNEL("steps", "mov.u32 %r10, 0; L: " MIX "add.u32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, %r31; @%p1 bra L;")
	/* warps from n on have nothing to do */
	KERNEL("early", "setp.ge.u32 %p1, %r1, %r31; @%p1 bra END; mov.u32 %r10, 0;\n"
		"L: st.shared.u32 [%r30], %r9; bar.sync 0; xor.b32 %r5, %r0, 1; shl.b32 %r5, %r5, 2; mov.u32 %r6, sh; add.u32 %r6, %r6, %r5;\n"
		"ld.shared.u32 %r7, [%r6]; add.u32 %r9, %r9, %r7; bar.sync 0; add.u32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, 3; @%p1 bra L; END:")
	/* … end after the first barrier; the others go on */
	KERNEL("leave", "bar.sync 0; setp.ge.u32 %p1, %r1, %r31; @%p1 bra END; bar.sync 0; add.u32 %r9, %r9, 1; bar.sync 0; add.u32 %r9, %r9, 1; END:")
	/* … wait at a barrier that is another instruction */
	KERNEL("other", "setp.ge.u32 %p1, %r1, %r31; @%p1 bra HIGH; st.shared.u32 [%r30], %r9; bar.sync 0; bra ON;\n"
		"HIGH: add.u32 %r9, %r9, 1000; st.shared.u32 [%r30], %r9; bar.sync 0; add.u32 %r9, %r9, 7; ON: xor.b32 %r5, %r0, 255; shl.b32 %r5, %r5, 2;\n"
		"mov.u32 %r6, sh; add.u32 %r6, %r6, %r5; ld.shared.u32 %r7, [%r6]; add.u32 %r9, %r9, %r7; bar.sync 0;" MIX)
	/* lanes of warp n part between two barriers, and meet again */
	KERNEL("part", MIX "setp.ne.u32 %p1, %r1, %r31; @%p1 bra ON; and.b32 %r10, %r0, 7; L: mad.lo.u32 %r9, %r9, 3, 1; sub.u32 %r10, %r10, 1; setp.gt.s32 %p2, %r10, 0;\n"
		"@%p2 bra L; ON: " MIX MIX)
	/* … or end */
	KERNEL("some", MIX "setp.ne.u32 %p1, %r1, %r31; @%p1 bra ON; and.b32 %r10, %r0, 1; setp.eq.u32 %p2, %r10, 1; @%p2 bra END; ON: bar.sync 0; add.u32 %r9, %r9, 5; bar.sync 0; END:")
	/* what waits: some of it written in each part of a loop's rounds, some in one of them, in every other one, outside of it, by the barrier */
	KERNEL("keep", "mov.u32 %r10, 0; add.u32 %r15, %r9, 11; mov.u32 %r14, %r1; mov.u32 %r16, 1; mov.u32 %r17, 0; O: mov.u32 %r18, 0;\n"
		"L: " MIX "add.u32 %r16, %r16, %r7; bar.sync 0; and.b32 %r19, %r18, 1; setp.eq.u32 %p1, %r19, 0; @%p1 bra N; mad.lo.u32 %r14, %r14, 3, %r16;\n"
		"N: setp.gt.u32 %p2, %r9, %r16; bar.red.popc.u32 %r17, 0, %p2; add.u32 %r18, %r18, 1; setp.lt.u32 %p3, %r18, %r31; @%p3 bra L;\n"
		"add.u32 %r15, %r15, %r17; add.u32 %r10, %r10, 1; setp.lt.u32 %p4, %r10, 3; @%p4 bra O;\n"
		"mad.lo.u32 %r9, %r14, 7, %r9; mad.lo.u32 %r9, %r15, 13, %r9; mad.lo.u32 %r9, %r16, 17, %r9; add.u32 %r9, %r9, %r17;")
	/* … while lanes of warp n part in each round, and write some of it */
	KERNEL("keep_part", "mov.u32 %r10, 0; add.u32 %r15, %r9, 11; mov.u32 %r14, %r1; mov.u32 %r16, 1;\n"
		"L: " MIX "add.u32 %r16, %r16, %r7; setp.ne.u32 %p1, %r1, %r31; @%p1 bra ON; and.b32 %r20, %r0, 7; D: mad.lo.u32 %r14, %r14, 3, 1; sub.u32 %r20, %r20, 1;\n"
		"setp.gt.s32 %p2, %r20, 0; @%p2 bra D; ON: " MIX "add.u32 %r10, %r10, 1; setp.lt.u32 %p3, %r10, 4; @%p3 bra L;\n"
		"mad.lo.u32 %r9, %r14, 7, %r9; mad.lo.u32 %r9, %r15, 13, %r9; mad.lo.u32 %r9, %r16, 17, %r9;"
		/* an address that lives through it would be one reason not to come back to code without masks */
		"ld.param.u64 %d0, [out]; mad.lo.u32 %r3, %r2, 256, %r0; mul.wide.u32 %d1, %r3, 4; add.u64 %d1, %d0, %d1;")
	/* a reduction over the block between others' barriers */
	KERNEL("count", MIX "and.b32 %r10, %r9, 1; setp.eq.u32 %p1, %r10, %r31; bar.red.popc.u32 %r11, 0, %p1; add.u32 %r9, %r9, %r11;" MIX)
	/* warp 0 waits for what the last warp does behind the same barrier */
	KERNEL("spin", MIX "setp.eq.u32 %p1, %r0, 255; @%p1 st.volatile.shared.u32 [sh+12], 77; setp.ne.u32 %p2, %r1, 0; @%p2 bra ON;\n"
		"L: ld.volatile.shared.u32 %r10, [sh+12]; setp.ne.u32 %p3, %r10, 77; @%p3 bra L; ON: bar.sync 0; add.u32 %r9, %r9, 3; bar.sync 0;")
	/* local memory and the thread's numbers are the gang's whose turn it is */
	".visible .entry own(.param .u64 out, .param .u32 n)\n{\n" REGS ".shared .align 4 .b8 sh[1024]; .local .align 4 .b8 mem[64];\n" START
	"and.b32 %r10, %r0, 15; shl.b32 %r10, %r10, 2; mov.u32 %r11, mem; add.u32 %r11, %r11, %r10; st.local.u32 [%r11], %r0; bar.sync 0;\n"
	"add.u32 %r12, %r0, %r31; st.local.u32 [%r11], %r12; bar.sync 0; ld.local.u32 %r9, [%r11]; mov.u32 %r13, %warpid; mad.lo.u32 %r9, %r13, 1000, %r9; bar.sync 0;\n"
	"ld.local.u32 %r12, [%r11]; add.u32 %r9, %r9, %r12; st.global.u32 [%d1], %r9; ret;\n}\n"
	/* thread 200 of block 3 leaves its memory behind n barriers; n 9: nobody does */
	KERNEL("fault", "mov.u32 %r10, 0; L: bar.sync 0; setp.eq.u32 %p1, %r10, %r31; setp.eq.and.u32 %p1, %r0, 200, %p1; setp.eq.and.u32 %p1, %r2, 3, %p1; selp.b32 %r12, 1, 0, %p1;\n"
		"mul.wide.u32 %d3, %r12, 1073741824; add.u64 %d4, %d1, %d3; st.global.u32 [%d4], %r10;\n"
		"add.u32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, 5; @%p1 bra L; mov.u32 %r9, %r10;");

struct params { void *out; uint32_t n; };

/* True: it ran to its end. */
static bool run(const char *backend, const char *kernel, uint32_t n, uint32_t out[WORDS])
{
	struct kt t;
	uint32_t *o;
	int r;

	kt_must_open(&t, backend, text);
	o = kt_alloc(&t, WORDS * 4);
	struct params p = { o, n };

	t.ahead = BLOCKS;
	r = KT_RUN(&t, kernel, KT1(BLOCKS), KT1(THREADS), p);
	if (r != BE_RUN_DONE)
		diag("%s %s %u: %d %s", backend, kernel, n, r, t.fault.text);
	memcpy(out, o, WORDS * 4);
	kt_close(&t);
	return r == BE_RUN_DONE;
}

static void compare(const char *kernel, uint32_t n)
{
	static const char *const forms[] = { "tier0,warps=1", "tier1,warps=1", "tier1,warps=2", "tier1,warps=4", "tier1,whole,warps=2", "tier1,warps=2,yield",
					     "tier1,warps=2,diverge", "tier1,warps=8" };
	static uint32_t want[WORDS], got[WORDS];

	unsetenv("VGPU_SIMD");
	ok(run("interp", kernel, n, want), "%s, %u: interp", kernel, n);
	for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
		setenv("VGPU_SIMD", forms[k], 1);
		ok(run("simd", kernel, n, got) && memcmp(want, got, sizeof(got)) == 0, "%s, %u: %s", kernel, n, forms[k]);
	}
	unsetenv("VGPU_SIMD");
}

/* All are compared with the interpreter; one of them, by which that is checked, is also worked out here. */
static void test_steps(void)
{
	static uint32_t got[WORDS], a[THREADS], b[THREADS];
	unsigned bad = 0;

	ok(run("interp", "steps", 3, got), "interp");
	for (uint32_t blk = 0; blk < BLOCKS; blk++) {
		for (uint32_t k = 0; k < THREADS; k++)
			a[k] = blk * THREADS + k;
		for (unsigned n = 0; n < 3; n++) {
			for (uint32_t k = 0; k < THREADS; k++)
				b[k] = a[k] * 5 + a[(k + 37) % THREADS];
			memcpy(a, b, sizeof(a));
		}
		for (uint32_t k = 0; k < THREADS; k++)
			bad += got[blk * THREADS + k] != a[k];
	}
	is_int(bad, 0, "what all are compared with is right");
}

static unsigned turns;

static int generator(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err)
{
	int e = gen_kernel(r, out, err);

	turns += !e && out->meta.turns;
	return e;
}

static void test_used(const char *kernel, unsigned threads, bool want)
{
	struct kt t;

	kt_must_open(&t, "simd", text);
	sd_jit_set_local(generator);
	turns = 0;
	struct params p = { kt_alloc(&t, WORDS * 4), 2 };

	is_int(KT_RUN(&t, kernel, KT1(1), KT1(threads), p), BE_RUN_DONE, "%s of %u threads", kernel, threads);
	is_int(turns > 0, want, "gangs %s", want ? "take turns" : "can't take turns");
	kt_close(&t);
}

static void test_fault(const char *form, uint32_t n)
{
	struct kt t;
	uint32_t *o;

	setenv("VGPU_SIMD", form, 1);
	kt_must_open(&t, "simd", text);
	o = kt_alloc(&t, WORDS * 4);
	struct params p = { o, n };

	t.ahead = BLOCKS;
	is_int(KT_RUN(&t, "fault", KT1(BLOCKS), KT1(THREADS), p), BE_RUN_FAULT, "a thread faults behind %u barriers: %s", n + 1, form);
	is_int(t.fault.status, VGPU_E_ILLEGAL_ADDRESS, "it is an illegal address");
	ok(t.fault.block[0] == 3 && t.fault.thread[0] == 200, "of block 3, thread 200 (%u, %u)", t.fault.block[0], t.fault.thread[0]);
	is_int(o[2 * THREADS + 200], 5, "blocks in front of it have ended");
	kt_close(&t);
	unsetenv("VGPU_SIMD");
}

int main(void)
{
	unsetenv("VGPU_SIMD");
	plan_lazy();
	kt_backends();
	test_steps();
	test_used("early", THREADS, true);
	test_used("early", THREADS - 7, false);
	test_used("early", 32, false);
	compare("steps", 1);
	compare("steps", 20);
	for (uint32_t n = 0; n <= 8; n++) {
		compare("early", n);
		compare("leave", n);
		compare("other", n);
	}
	for (uint32_t n = 0; n <= 8; n += n == 1 ? 2 : 1) {
		compare("part", n);
		compare("keep_part", n);
		compare("some", n);
	}
	/* more than narrow vectors have groups for: as many as they have */
	setenv("VGPU_CPU", "sse4.2", 1);
	compare("steps", 3);
	unsetenv("VGPU_CPU");
	compare("keep", 1);
	compare("keep", 5);
	compare("count", 0);
	compare("count", 1);
	compare("spin", 0);
	compare("own", 5);
	compare("fault", 9);
	for (uint32_t n = 0; n < 5; n += 2) {
		test_fault("tier1,warps=1", n);
		test_fault("tier1,warps=4", n);
	}
	return 0;
}
