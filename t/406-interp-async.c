/* t/406: cp.async, mbarrier, clusters with distributed shared memory; what isn't implemented is refused by name. */
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.3\n.target sm_90\n.address_size 64\n"
#define REGS ".reg .pred %p<9>; .reg .b32 %r<33>; .reg .b64 %rd<33>;\n"
#define TID "mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [in]; ld.param.u64 %rd1, [out]; mul.wide.u32 %rd2, %r0, 16; add.u64 %rd0, %rd0, %rd2; add.u64 %rd1, %rd1, %rd2; mov.u32 %r1, sh; shl.b32 %r2, %r0, 4; add.u32 %r1, %r1, %r2;\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 in, .param .u64 out)\n{\n" REGS ".shared .align 16 .b8 sh[1024]; .shared .align 8 .b64 bar;\n" TID body "ret;\n}\n"
#define BACK "ld.shared.v4.u32 {%r3, %r4, %r5, %r6}, [%r1]; st.global.v4.u32 [%rd1], {%r3, %r4, %r5, %r6};\n"

static const char text[] = HEAD
KERNEL("copy16", "cp.async.cg.shared.global.L2::128B [%r1], [%rd0], 16; cp.async.commit_group; cp.async.wait_group 0; bar.sync 0;" BACK)
KERNEL("copyz", "mov.u32 %r9, 5; cp.async.ca.shared.global [%r1], [%rd0], 8, %r9; setp.eq.u32 %p1, %r0, 3; cp.async.ca.shared.global [%r1+8], [%rd0+8], 4, 4; cp.async.ca.shared.global [%r1+12], [%rd0+12], 4, 0; cp.async.wait_all; bar.sync 0;" BACK)
KERNEL("copyfar", "cp.async.cg.shared.global [%r1], [%rd0+0x10000000], 16; cp.async.wait_all;")
/* all arrive; everyone polls for the phase, three times */
KERNEL("mbar",
	"setp.ne.u32 %p1, %r0, 0; mov.u32 %r7, %ntid.x; @!%p1 mbarrier.init.shared::cta.b64 [bar], %r7; bar.sync 0; mov.u32 %r8, 0;\n"
	"R: xor.b32 %r9, %r0, %r8; st.shared.u32 [%r1], %r9; mbarrier.arrive.shared::cta.b64 %rd5, [bar];\n"
	"W: mbarrier.test_wait.shared::cta.b64 %p2, [bar], %rd5; @!%p2 bra W;\n"
	"xor.b32 %r10, %r2, 16; mov.u32 %r11, sh; add.u32 %r10, %r10, %r11; ld.shared.u32 %r3, [%r10];\n"
	"and.b32 %r12, %r8, 1; mbarrier.arrive.shared::cta.b64 _, [bar];\n"
	"P: mbarrier.try_wait.parity.shared::cta.b64 %p2, [bar], 1; @!%p2 bra P;\n"
	"add.u32 %r8, %r8, 1; setp.lt.u32 %p3, %r8, 3; @%p3 bra R; mbarrier.pending_count.b64 %r4, %rd5; st.global.v2.u32 [%rd1], {%r3, %r4}; bar.sync 0; @!%p1 mbarrier.inval.shared::cta.b64 [bar];\n")
KERNEL("mtx",
	"setp.ne.u32 %p1, %r0, 0; @%p1 bra W; mbarrier.init.shared::cta.b64 [bar], 1; mbarrier.arrive.expect_tx.shared::cta.b64 %rd5, [bar], 64;\n"
	"mbarrier.test_wait.shared::cta.b64 %p2, [bar], %rd5; selp.u32 %r3, 1, 0, %p2; mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [bar], 40; mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [bar], 24;\n"
	"mbarrier.test_wait.shared::cta.b64 %p2, [bar], %rd5; selp.u32 %r4, 1, 0, %p2; st.global.v2.u32 [%rd1], {%r3, %r4};\n"
	"W:\n")
KERNEL("mover", "mbarrier.init.shared::cta.b64 [bar], 1; mbarrier.arrive.noComplete.shared::cta.b64 %rd5, [bar], 5;")
/* each block of a cluster adds to its right neighbour's shared memory */
KERNEL("cluster",
	"mov.u32 %r3, %cluster_ctarank; mov.u32 %r4, %cluster_nctarank; add.u32 %r5, %r3, 1; rem.u32 %r5, %r5, %r4; mov.u32 %r20, %ctaid.x; mad.lo.u32 %r6, %r20, 100, %r0;\n"
	"st.shared.u32 [%r1], 0; barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n"
	"mapa.shared::cluster.u32 %r7, %r1, %r5; st.shared::cluster.u32 [%r7], %r6; cvt.u64.u32 %rd5, %r1; cvta.shared.u64 %rd6, %rd5; mapa.u64 %rd7, %rd6, %r5; st.u32 [%rd7+4], %r3;\n"
	"getctarank.u64 %r8, %rd7; getctarank.shared::cluster.u32 %r9, %r7; isspacep.shared::cta %p1, %rd7; isspacep.shared::cluster %p2, %rd7; selp.u32 %r10, 1, 0, %p1; selp.u32 %r11, 2, 0, %p2; add.u32 %r10, %r10, %r11;\n"
	"atom.shared::cluster.add.u32 %r12, [%r7+8], 3; barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;\n"
	"mov.u32 %r21, %ntid.x; mad.lo.u32 %r13, %r20, %r21, %r0; ld.param.u64 %rd1, [out]; mul.wide.u32 %rd2, %r13, 32; add.u64 %rd1, %rd1, %rd2;\n"
	"ld.shared.v2.u32 {%r14, %r15}, [%r1]; shl.b32 %r8, %r8, 8; shl.b32 %r9, %r9, 16; add.u32 %r10, %r10, %r8; add.u32 %r10, %r10, %r9; mov.u32 %r16, %clusterid.x; st.global.v4.u32 [%rd1], {%r14, %r15, %r10, %r16};\n"
	"barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n")
KERNEL("farmap", "mapa.shared::cluster.u32 %r7, %r1, 9; st.shared::cluster.u32 [%r7], %r0;")
KERNEL("dep", "griddepcontrol.wait; griddepcontrol.launch_dependents; brkpt; pmevent 1; st.global.u32 [%rd1], %r0;")
;

static const char bulk[] = HEAD
".visible .entry good(.param .u64 o) { ret; }\n"
".visible .entry bad(.param .u64 o) { .reg .b64 %rd<3>; .shared .align 16 .b8 s[64]; .shared .b64 b; ld.param.u64 %rd1, [o];\n"
"cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [s], [%rd1], 64, [b]; ret; }\n"
".extern .func (.param .b32 r) somewhere(.param .b64 a);\n";

struct args { void *in, *out; };

static void test_copy(struct kt *t, struct args *p, const char *be)
{
	uint8_t *in = p->in, *o = p->out;
	int bad = 0;

	for (int i = 0; i < 4096; i++)
		in[i] = (uint8_t)(i * 7 + 1);
	is_int(KT_RUN(t, "copy16", KT1(1), KT1(64), *p), BE_RUN_DONE, "%s: cp.async", be);
	is_blob(o, in, 1024, "%s: copies", be);
	is_int(KT_RUN(t, "copyz", KT1(1), KT1(64), *p), BE_RUN_DONE, "%s: cp.async with fewer source bytes", be);
	for (int l = 0; l < 64; l++)
		for (int k = 0; k < 16; k++)
			bad += o[16 * l + k] != (k < 5 || (k >= 8 && k < 12) ? in[16 * l + k] : 0);
	is_int(bad, 0, "%s: fills with zeros", be);
	is_int(KT_RUN(t, "copyfar", KT1(1), KT1(64), *p), BE_RUN_FAULT, "%s: cp.async from nowhere", be);
	is_int(t->fault.status, VGPU_E_ILLEGAL_ADDRESS, "%s: faults", be);
}

static void test_mbar(struct kt *t, struct args *p, const char *be)
{
	uint32_t *o = p->out;
	int bad = 0;

	is_int(KT_RUN(t, "mbar", KT1(1), KT1(64), *p), BE_RUN_DONE, "%s: mbarrier, six phases", be);
	for (uint32_t l = 0; l < 64; l++)
		bad += o[4 * l] != ((l ^ 1) ^ 2);
	is_int(bad, 0, "%s: in step", be);
	is_int(KT_RUN(t, "mtx", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: expected bytes", be);
	ok(o[0] == 0 && o[1] == 1, "%s: hold the phase open", be);
	is_int(KT_RUN(t, "mover", KT1(1), KT1(1), *p), BE_RUN_FAULT, "%s: more arrivals than expected fault", be);
	is_int(KT_RUN(t, "dep", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: hints are ignored", be);
}

static void test_cluster(struct kt *t, struct args *p, const char *be, unsigned threads)
{
	uint32_t (*o)[8] = p->out;
	int bad = 0;

	t->cluster = KT1(4);
	t->threads = threads;
	t->resident = 4;
	memset(o, 0, 4096);
	is_int(KT_RUN(t, "cluster", KT1(8), KT1(8), *p), BE_RUN_DONE, "%s: clusters of four blocks, %u threads", be, threads);
	for (uint32_t b = 0; b < 8; b++)
		for (uint32_t l = 0; l < 8; l++) {
			uint32_t *w = o[b * 8 + l], left = b / 4 * 4 + (b + 3) % 4, right = (b + 1) % 4;

			bad += w[0] != left * 100 + l || w[1] != left % 4 || w[2] != (2 | right << 8 | right << 16) || w[3] != b / 4;
		}
	is_int(bad, 0, "%s: each wrote into its neighbour's shared memory", be);
	t->threads = 0;
	is_int(KT_RUN(t, "farmap", KT1(8), KT1(8), *p), BE_RUN_FAULT, "%s: a rank outside of the cluster", be);
	t->cluster = KT1(1);
	t->resident = 0;
}

static void test_refused(const char *be)
{
	struct kt t;

	kt_must_open(&t, be, bulk);
	is_int(kt_check(&t, "good"), 0, "%s: a kernel beside one that can't run", be);
	is_int(kt_check(&t, "bad"), -VGPU_E_INVALID_PTX, "%s: that one is refused", be);
	has_string(t.err.text, "cp.async.bulk", "%s: by the instruction's name", be);
	has_string(t.err.text, "line 6", "%s: and line", be);
	is_int(kt_check(&t, "somewhere"), -VGPU_E_INVALID, "%s: a function is no kernel", be);
	kt_close(&t);
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		struct args p;
		struct kt t;

		kt_must_open(&t, *be, text);
		p.in = kt_alloc(&t, 4096);
		p.out = kt_alloc(&t, 4096);
		test_copy(&t, &p, *be);
		test_mbar(&t, &p, *be);
		test_cluster(&t, &p, *be, 0);
		test_cluster(&t, &p, *be, 2);
		kt_close(&t);
		test_refused(*be);
	}
	return 0;
}
