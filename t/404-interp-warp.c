/* t/404: what lanes do together: shfl, vote, match, redux, elect, activemask, matrices; with masks, divergence and exits. */
#include <string.h>

#include "backend/simd/sd_jit.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.6\n.target sm_100a\n.address_size 64\n"
#define REGS ".reg .pred %p<9>; .reg .b32 %r<33>; .reg .b64 %rd<33>; .reg .f32 %f<9>;\n"
#define TID "mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [out]; mul.wide.u32 %rd1, %r0, 32; add.u64 %rd1, %rd0, %rd1; add.u32 %r30, %r0, 100;\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 out, .param .u32 b, .param .u32 c)\n{\n" REGS TID body "ret;\n}\n"
#define SHFL(mode) "shfl.sync." mode ".b32 %r1|%p1, %r30, %r2, %r3, -1; selp.u32 %r4, 1, 0, %p1; st.global.v2.u32 [%rd1], {%r1, %r4};\n"
#define BC "ld.param.u32 %r2, [b]; ld.param.u32 %r3, [c];\n"

static const char text[] = HEAD
KERNEL("up", BC SHFL("up")) KERNEL("down", BC SHFL("down")) KERNEL("bfly", BC SHFL("bfly")) KERNEL("idx", BC SHFL("idx"))
KERNEL("idxlane", "mul.lo.u32 %r2, %r0, 7; mov.u32 %r3, 31;" SHFL("idx"))
/* each lane waits for the one before it, so that they come to what is behind that one by one */
#define CHAIN(last) \
	".shared .u32 flag[65]; shl.b32 %r1, %r0, 2; mov.u32 %r2, flag; add.u32 %r2, %r2, %r1; setp.eq.u32 %p1, %r0, 0; selp.u32 %r3, 1, 0, %p1;\n" \
	"st.shared.u32 [%r2], %r3; bar.sync 0; setp.gt.u32 %p1, %r0, " last "; @%p1 exit;\n" \
	"W: ld.volatile.shared.u32 %r3, [%r2]; setp.eq.u32 %p1, %r3, 0; @%p1 bra W; st.volatile.shared.u32 [%r2+4], 1;\n" \
	"and.b32 %r4, %r0, 3; setp.eq.u32 %p2, %r4, 1;\n"
KERNEL("chain", CHAIN("63")
	"vote.sync.ballot.b32 %r5, %p2, -1; shfl.sync.bfly.b32 %r6, %r30, 1, 31, -1; bar.warp.sync -1; redux.sync.add.u32 %r7, %r0, -1;\n"
	"and.b32 %r8, %r0, 16; mov.u32 %r9, 0xffff; shl.b32 %r9, %r9, %r8; vote.sync.ballot.b32 %r10, %p2, %r9;\n"
	"st.global.v4.u32 [%rd1], {%r5, %r6, %r7, %r10};\n")
KERNEL("chain_gone", CHAIN("44") "vote.sync.ballot.b32 %r5, 1, -1; st.global.u32 [%rd1], %r5;\n")
KERNEL("chain_red", CHAIN("63")
	"setp.eq.u32 %p3, %r0, 40; bar.red.or.pred %p4, 0, %p3; @!%p4 bra X; bar.red.popc.u32 %r5, 0, %p2; bar.red.and.pred %p5, 0, %p3;\n"
	"selp.u32 %r6, 1, 2, %p5; st.global.v2.u32 [%rd1], {%r5, %r6};\nX: bar.sync 0;\n")
/* alternate lanes shuffle among themselves, from two places in the code */
KERNEL("halves",
	"and.b32 %r5, %r0, 1; setp.eq.u32 %p2, %r5, 0; @%p2 bra E;\n"
	"shfl.sync.down.b32 %r1, %r30, 2, 31, 0xaaaaaaaa; bra J;\n"
	"E: shfl.sync.up.b32 %r1, %r30, 2, 0, 0x55555555;\n"
	"J: st.global.u32 [%rd1], %r1;\n")
/* one full-mask shuffle, reached at two places by two kinds of lanes */
KERNEL("meet",
	"setp.lt.u32 %p2, %r0, 11; @%p2 bra E;\n"
	"add.u32 %r7, %r0, 1000; shfl.sync.bfly.b32 %r1, %r7, 31, 31, -1; bra J;\n"
	"E: add.u32 %r8, %r0, 2000; shfl.sync.bfly.b32 %r9, %r8, 31, 31, -1; mov.u32 %r1, %r9;\n"
	"J: st.global.u32 [%rd1], %r1;\n")
/* lanes that have exited don't hold up the rest */
KERNEL("gone",
	"setp.ge.u32 %p2, %r0, 20; @%p2 exit; setp.lt.u32 %p3, %r0, 5; @%p3 bra L;\n"
	"vote.sync.ballot.b32 %r1, 1, -1; st.global.u32 [%rd1], %r1; ret;\n"
	"L: vote.sync.ballot.b32 %r1, 1, -1; st.global.u32 [%rd1], %r1;\n")
/* the last ones leave while the others wait already */
KERNEL("leave",
	"setp.ge.u32 %p2, %r0, 20; @%p2 bra X;\n"
	"vote.sync.ballot.b32 %r1, 1, -1; st.global.u32 [%rd1], %r1; ret;\n"
	"X: ret;\n")
KERNEL("votes",
	"and.b32 %r1, %r0, 3; setp.eq.u32 %p1, %r1, 1; setp.lt.u32 %p2, %r0, 1000; setp.gt.u32 %p3, %r0, 1000;\n"
	"vote.sync.ballot.b32 %r2, %p1, -1; vote.sync.ballot.b32 %r3, !%p1, -1;\n"
	"vote.sync.all.pred %p4, %p2, -1; vote.sync.any.pred %p5, %p3, -1; vote.sync.uni.pred %p6, %p3, -1; vote.sync.uni.pred %p7, %p1, -1; vote.sync.any.pred %p8, %p1, -1;\n"
	"selp.u32 %r4, 1, 0, %p4; selp.u32 %r5, 2, 0, %p5; selp.u32 %r6, 4, 0, %p6; selp.u32 %r7, 8, 0, %p7; selp.u32 %r8, 16, 0, %p8;\n"
	"add.u32 %r4, %r4, %r5; add.u32 %r4, %r4, %r6; add.u32 %r4, %r4, %r7; add.u32 %r4, %r4, %r8;\n"
	"@%p1 activemask.b32 %r9; @!%p1 mov.u32 %r9, 0; st.global.v4.u32 [%rd1], {%r2, %r3, %r4, %r9};\n")
KERNEL("matches",
	"rem.u32 %r1, %r0, 5; match.any.sync.b32 %r2, %r1, -1; mul.wide.u32 %rd3, %r1, 65536; shl.b64 %rd3, %rd3, 20; match.any.sync.b64 %r3, %rd3, -1;\n"
	"match.all.sync.b32 %r4|%p1, %r1, -1; mov.u32 %r8, 9; match.all.sync.b32 %r5|%p2, %r8, -1; selp.u32 %r6, 1, 0, %p1; selp.u32 %r7, 2, 0, %p2; add.u32 %r6, %r6, %r7;\n"
	"st.global.v4.u32 [%rd1], {%r2, %r3, %r4, %r5}; st.global.u32 [%rd1+16], %r6;\n")
KERNEL("reds",
	"sub.s32 %r1, %r0, 10; redux.sync.add.s32 %r2, %r1, -1; redux.sync.min.s32 %r3, %r1, -1; redux.sync.max.u32 %r4, %r1, -1; redux.sync.min.u32 %r5, %r1, -1;\n"
	"redux.sync.max.s32 %r6, %r1, -1; redux.sync.and.b32 %r7, %r30, -1; redux.sync.or.b32 %r8, %r30, -1; redux.sync.xor.b32 %r9, %r30, -1;\n"
	"st.global.v4.u32 [%rd1], {%r2, %r3, %r4, %r5}; st.global.v4.u32 [%rd1+16], {%r6, %r7, %r8, %r9};\n")
KERNEL("redf",
	"cvt.rn.f32.s32 %f1, %r0; sub.f32 %f1, %f1, 0f41200000; redux.sync.min.f32 %f2, %f1, -1; redux.sync.max.f32 %f3, %f1, -1; redux.sync.max.abs.f32 %f4, %f1, -1;\n"
	"setp.eq.u32 %p1, %r0, 3; selp.f32 %f5, 0f7fc00000, %f1, %p1; redux.sync.min.f32 %f6, %f5, -1; redux.sync.min.NaN.f32 %f7, %f5, -1;\n"
	"st.global.v4.f32 [%rd1], {%f2, %f3, %f4, %f6}; st.global.f32 [%rd1+16], %f7;\n")
KERNEL("elects",
	"elect.sync %r1|%p1, -1; setp.lt.u32 %p2, %r0, 9; @%p2 bra A; elect.sync %r2|%p3, 0xfffffe00; bra B;\n"
	"A: elect.sync %r2|%p3, 0x1ff;\n"
	"B: selp.u32 %r3, 1, 0, %p1; selp.u32 %r4, 2, 0, %p3; add.u32 %r3, %r3, %r4; st.global.v4.u32 [%rd1], {%r1, %r2, %r3, %r0};\n")
KERNEL("matrix",
	".shared .align 16 .b8 sh[512]; .shared .align 16 .b8 sh2[512]; mov.u32 %r20, sh; shl.b32 %r21, %r0, 4; add.u32 %r20, %r20, %r21; shl.b32 %r22, %r0, 3;\n"
	/* element k of the four matrices in a row is k: 16-bit numbers 0..255 */
	"add.u32 %r1, %r22, 65536; mad.lo.u32 %r2, %r22, 65537, 0x10000; add.u32 %r3, %r2, 0x20002; add.u32 %r4, %r3, 0x20002; add.u32 %r5, %r4, 0x20002;\n"
	"st.shared.v4.b32 [%r20], {%r2, %r3, %r4, %r5}; bar.warp.sync -1;\n"
	"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r6, %r7, %r8, %r9}, [%r20];\n"
	"ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r10, %r11}, [%r20]; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r12}, [%r20];\n"
	"movmatrix.sync.aligned.m8n8.trans.b16 %r13, %r6;\n"
	"mov.u32 %r23, sh2; add.u32 %r23, %r23, %r21; stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%r23], {%r6, %r7, %r8, %r9}; bar.warp.sync -1;\n"
	"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r14, %r15, %r16, %r17}, [%r23];\n"
	"st.global.v4.u32 [%rd1], {%r6, %r9, %r10, %r11}; st.global.v4.u32 [%rd1+16], {%r12, %r13, %r14, %r17};\n");

/* The rule of the PTX manual. */
static bool shfl_ref(const char *mode, int lane, int b, int c, int *src)
{
	int seg = c >> 8 & 31, clamp = c & 31, max = (lane & seg) | (clamp & ~seg), min = lane & seg, j;
	bool in;

	b &= 31;
	if (!strcmp(mode, "up")) {
		j = lane - b;
		in = j >= max;
	} else {
		j = !strcmp(mode, "down") ? lane + b : !strcmp(mode, "bfly") ? lane ^ b : min | (b & ~seg);
		in = j <= max;
	}
	*src = in ? j : lane;
	return in;
}

static void test_shfl(struct kt *t, const char *be)
{
	static const char *const modes[] = { "up", "down", "bfly", "idx" };
	static const int bs[] = { 0, 1, 2, 5, 16, 31, 33, -1 }, cs[] = { 0x1f, 0, 0x181f, 0x1800, 0x1c1f, 0x100f, 0x1e1f, 0x1e00 };
	uint32_t (*o)[8] = kt_alloc(t, 1024);
	int bad = 0, src;

	for (size_t m = 0; m < 4; m++)
		for (size_t i = 0; i < 8; i++)
			for (size_t j = 0; j < 8; j++) {
				struct { void *o; int b, c; } p = { o, bs[i], cs[j] };

				bad += KT_RUN(t, modes[m], KT1(1), KT1(32), p) != BE_RUN_DONE;
				for (int l = 0; l < 32; l++) {
					bool in = shfl_ref(modes[m], l, bs[i], cs[j], &src);

					bad += o[l][0] != 100u + (uint32_t)src || o[l][1] != in;
				}
			}
	is_int(bad, 0, "%s: shfl in all modes, distances, clamps and segments", be);
}

#define RUN(name, threads) do { \
	struct { void *o; int b, c; } p_ = { o, 0, 0 }; \
	memset(o, 0xee, 2048); \
	is_int(KT_RUN(t, name, KT1(1), KT1(threads), p_), BE_RUN_DONE, "%s: " name, be); \
	bad = 0; \
} while (0)

static void test_masks(struct kt *t, const char *be)
{
	uint32_t (*o)[8] = kt_alloc(t, 4096);
	int bad;

	RUN("idxlane", 32);
	for (uint32_t l = 0; l < 32; l++)
		bad += o[l][0] != 100 + l * 7 % 32;
	is_int(bad, 0, "%s: each lane another source", be);
	RUN("halves", 32);
	for (uint32_t l = 0; l < 32; l++)
		bad += o[l][0] != (l & 1 ? (l + 2 < 32 ? l + 102 : l + 100) : (l >= 2 ? l + 98 : l + 100));
	is_int(bad, 0, "%s: divergent halves with masks of their own", be);
	RUN("meet", 32);
	for (uint32_t l = 0; l < 32; l++)
		bad += o[l][0] != (31 - l) + (31 - l < 11 ? 2000 : 1000);
	is_int(bad, 0, "%s: lanes meet from two places", be);
	RUN("gone", 32);
	for (uint32_t l = 0; l < 20; l++)
		bad += o[l][0] != 0xfffff;
	is_int(bad, 0, "%s: without those that have exited", be);
	RUN("leave", 32);
	for (uint32_t l = 0; l < 20; l++)
		bad += o[l][0] != 0xfffff;
	is_int(bad, 0, "%s: without those that exit late", be);
}

static void test_votes(struct kt *t, const char *be)
{
	uint32_t (*o)[8] = kt_alloc(t, 4096);
	int bad;

	RUN("votes", 32);
	for (uint32_t l = 0; l < 32; l++)
		bad += o[l][0] != 0x22222222 || o[l][1] != 0xdddddddd || o[l][2] != 1 + 4 + 16 || o[l][3] != (l % 4 == 1 ? 0x22222222 : 0);
	is_int(bad, 0, "%s: ballot, all, any, uni, activemask", be);
	RUN("votes", 12);
	for (uint32_t l = 0; l < 12; l++)
		bad += o[l][0] != 0x222 || o[l][1] != 0xddd || o[l][2] != 1 + 4 + 16;
	is_int(bad, 0, "%s: in a partial warp", be);
	RUN("matches", 32);
	for (uint32_t l = 0; l < 32; l++) {
		uint32_t same = 0;

		for (uint32_t k = 0; k < 32; k++)
			same |= (uint32_t)(k % 5 == l % 5) << k;
		bad += o[l][0] != same || o[l][1] != same || o[l][2] != 0 || o[l][3] != 0xffffffff || o[l][4] != 2;
	}
	is_int(bad, 0, "%s: any and all", be);
	RUN("reds", 32);
	for (uint32_t l = 0; l < 32; l++) {
		uint32_t x = 0, n = 0xffffffff, r = 0;

		for (uint32_t k = 100; k < 132; k++) {
			x ^= k;
			n &= k;
			r |= k;
		}
		bad += o[l][0] != 176 || (int)o[l][1] != -10 || (int)o[l][2] != -1 || o[l][3] != 0 || o[l][4] != 21 || o[l][5] != n ||
		       o[l][6] != r || o[l][7] != x;
	}
	is_int(bad, 0, "%s: sums, minima, bits", be);
	RUN("redf", 32);
	float *f = (float *)o[9];
	ok(f[0] == -10 && f[1] == 21 && f[2] == 21 && f[3] == -10, "%s: minima and maxima of floats", be);
	is_hex(o[9][4], 0x7fffffff, "%s: NaN where it is asked for", be);
	RUN("elects", 32);
	for (uint32_t l = 0; l < 32; l++)
		bad += o[l][0] != 0 || o[l][1] != (l < 9 ? 0 : 9) || o[l][2] != (uint32_t)(l == 0) + 2 * (l == 0 || l == 9);
	is_int(bad, 0, "%s: leaders", be);
}

static uint32_t pair(uint32_t lo, uint32_t hi)
{
	return lo | hi << 16;
}

static void test_matrix(struct kt *t, const char *be)
{
	uint32_t (*o)[8] = kt_alloc(t, 4096);
	int bad;

	RUN("matrix", 32);
	for (uint32_t l = 0; l < 32; l++) {
		uint32_t r = l / 4, c = 2 * (l % 4), at = 8 * r + c, tr = 8 * c + r;

		bad += o[l][0] != pair(at, at + 1);
		bad += o[l][1] != pair(192 + at, 193 + at);
		bad += o[l][2] != pair(tr, tr + 8);
		bad += o[l][3] != pair(64 + tr, 72 + tr);
		bad += o[l][4] != pair(at, at + 1);
		bad += o[l][5] != pair(tr, tr + 8);
		bad += o[l][6] != pair(at, at + 1);
		bad += o[l][7] != pair(192 + at, 193 + at);
	}
	is_int(bad, 0, "%s: ldmatrix, movmatrix, stmatrix", be);
}

static unsigned interpreted;

static void on_notice(const char *kernel, const char *why)
{
	diag("%s: %s", kernel, why);
	interpreted++;
}

static void test_chain(struct kt *t, const char *be)
{
	uint32_t (*o)[8] = kt_alloc(t, 4096);
	int bad;

	sd_jit_set_notice(on_notice);
	RUN("chain", 64);
	for (uint32_t l = 0; l < 64; l++) {
		bad += o[l][0] != 0x22222222;
		bad += o[l][1] != 100 + (l ^ 1);
		bad += o[l][2] != (l < 32 ? 31 * 16 : 31 * 16 + 32 * 32);
		bad += o[l][3] != 0x2222u << (l & 16);
	}
	is_int(bad, 0, "%s: lanes that come one by one meet at warp-wide instructions", be);
	RUN("chain_gone", 64);
	for (uint32_t l = 0; l < 45; l++)
		bad += o[l][0] != (l < 32 ? UINT32_MAX : 0x1fff);
	is_int(bad, 0, "%s: nobody waits for those that have ended", be);
	RUN("chain_red", 64);
	for (uint32_t l = 0; l < 64; l++)
		bad += o[l][0] != 16 || o[l][1] != 2;
	is_int(bad, 0, "%s: what lanes bring to a barrier one by one counts", be);
	is_int(interpreted, 0, "%s: by compiled code, where there is a compiler", be);
	sd_jit_set_notice(NULL);
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		struct kt t;

		kt_must_open(&t, *be, text);
		test_shfl(&t, *be);
		test_masks(&t, *be);
		test_votes(&t, *be);
		test_matrix(&t, *be);
		test_chain(&t, *be);
		kt_close(&t);
	}
	return 0;
}
