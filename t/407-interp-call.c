/* t/407: calls as written by hand: register parameters, structs, divergent calls and returns; brx; guarded everything; fairness. */
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.3\n.target sm_90\n.address_size 64\n"
#define REGS ".reg .pred %p<9>; .reg .b32 %r<33>; .reg .b64 %rd<33>;\n"
#define TID "mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [out]; mul.wide.u32 %rd1, %r0, 4; add.u64 %rd1, %rd0, %rd1;\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 out)\n{\n" REGS TID body "ret;\n}\n"

static const char text[] = HEAD
".func (.reg .u32 %res) triple(.reg .u32 %x)\n{\n mul.lo.u32 %res, %x, 3; ret;\n}\n"
".func (.param .align 8 .b8 r[16]) twice(.param .align 8 .b8 s[16])\n{\n.reg .b64 %rd<5>; .reg .b32 %r<5>;\n"
"ld.param.v2.u32 {%r1, %r2}, [s]; add.u32 %r1, %r1, %r1; st.param.v2.u32 [r], {%r1, %r2}; ld.param.u64 %rd1, [s+8]; add.u64 %rd1, %rd1, %rd1; st.param.u64 [r+8], %rd1; ret;\n}\n"
/* lanes leave at two places */
".func (.param .u32 r) parity(.param .u32 x)\n{\n.reg .b32 %r<5>; .reg .pred %p;\n"
"ld.param.u32 %r1, [x]; and.b32 %r2, %r1, 1; setp.eq.u32 %p, %r2, 1; @%p st.param.u32 [r], 111; @%p ret; add.u32 %r1, %r1, 1000; st.param.u32 [r], %r1; ret;\n}\n"
".func bump(.param .u64 p)\n{\n.reg .b64 %rd<3>; .reg .b32 %r<3>; .local .u32 x; ld.param.u64 %rd1, [p]; st.local.u32 [x], 5; ld.local.u32 %r1, [x]; red.global.add.u32 [%rd1], %r1; ret;\n}\n"
KERNEL("regs", "call (%r1), triple, (%r0); call.uni (%r2), triple, (7); add.u32 %r1, %r1, %r2; st.global.u32 [%rd1], %r1;\n")
KERNEL("structs",
	".param .align 8 .b8 a[16]; .param .align 8 .b8 b[16]; cvt.u64.u32 %rd3, %r0;\n"
	"st.param.v2.u32 [a], {%r0, 9}; st.param.u64 [a+8], %rd3; call (b), twice, (a); ld.param.v2.u32 {%r1, %r2}, [b]; ld.param.u64 %rd4, [b+8];\n"
	"cvt.u32.u64 %r3, %rd4; add.u32 %r1, %r1, %r2; add.u32 %r1, %r1, %r3; st.global.u32 [%rd1], %r1;\n")
KERNEL("diverge",
	".param .u32 a; .param .u32 b; setp.lt.u32 %p1, %r0, 20; mov.u32 %r1, 5; @!%p1 bra S; st.param.u32 [a], %r0; call (b), parity, (a); ld.param.u32 %r1, [b]; S: @%p1 call (%r1), triple, (%r1);\n"
	"vote.sync.ballot.b32 %r2, %p1, -1; setp.eq.u32 %p2, %r2, 0xfffff; @!%p2 trap; st.global.u32 [%rd1], %r1;\n")
KERNEL("sites",   /* lanes in one function from two call sites */
	".param .u32 a; .param .u32 b; st.param.u32 [a], %r0; and.b32 %r3, %r0, 2; setp.eq.u32 %p1, %r3, 0; @%p1 bra L; call (b), parity, (a); ld.param.u32 %r1, [b]; add.u32 %r1, %r1, 5; bra M;\n"
	"L: call (b), parity, (a); ld.param.u32 %r1, [b];\nM: st.global.u32 [%rd1], %r1;\n")
KERNEL("locals", ".param .u64 a; .local .u32 y; st.local.u32 [y], %r0; st.param.u64 [a], %rd0; call bump, (a); ld.local.u32 %r1, [y]; setp.ne.u32 %p1, %r1, %r0; @%p1 trap;\n")
KERNEL("table",
	"T: .branchtargets A, B, C; rem.u32 %r1, %r0, 3; setp.eq.u32 %p1, %r0, 30; mov.u32 %r2, 77; @!%p1 brx.idx %r1, T; bra E;\n"
	"A: mov.u32 %r2, 10; bra E;\nB: mov.u32 %r2, 20; bra E;\nC: mov.u32 %r2, 30;\nE: st.global.u32 [%rd1], %r2;\n")
KERNEL("tablebad", "T: .branchtargets A, A; brx.idx %r0, T;\nA: st.global.u32 [%rd1], 1;\n")
KERNEL("noend", "st.global.u32 [%rd1], 4; setp.lt.u32 %p1, %r0, 8; @%p1 exit; st.global.u32 [%rd1], 5;\n")
/* the even lanes wait for X; the odd ones set it, then wait for Y in a loop that sees something new each time */
KERNEL("fair",
	"and.b32 %r1, %r0, 1; setp.eq.u32 %p1, %r1, 1; @%p1 bra ODD;\n"
	"W: ld.volatile.global.u32 %r2, [%rd0]; setp.eq.u32 %p2, %r2, 0; @%p2 bra W; st.volatile.global.u32 [%rd0+4], 1; bra E;\n"
	"ODD: st.volatile.global.u32 [%rd0], 1;\n"
	"V: atom.global.add.u32 %r3, [%rd0+8], 1; ld.volatile.global.u32 %r4, [%rd0+4]; setp.eq.u32 %p3, %r4, 0; @%p3 bra V;\n"
	"E: st.global.u32 [%rd0+12], 1;\n")
KERNEL("carry",
	"mov.u32 %r1, 0xffffffff; add.cc.u32 %r2, %r1, %r0; addc.u32 %r3, 0, 0; setp.gt.u32 %p1, %r0, 5; @%p1 add.cc.u32 %r4, %r1, %r1; @!%p1 add.cc.u32 %r4, 0, 0; addc.u32 %r5, 10, 0; add.u32 %r3, %r3, %r5; st.global.u32 [%rd1], %r3;\n")
;

#define RUN(name, threads) do { \
	struct { void *o; } p_ = { o }; \
	memset(o, 0, 4096); \
	is_int(KT_RUN(t, name, KT1(1), KT1(threads), p_), BE_RUN_DONE, "%s: " name, be); \
	bad = 0; \
} while (0)

static void test_all(struct kt *t, const char *be)
{
	uint32_t *o = kt_alloc(t, 4096);
	struct { void *o; } p = { o };
	int bad;

	RUN("regs", 40);
	for (uint32_t l = 0; l < 40; l++)
		bad += o[l] != 3 * l + 21;
	is_int(bad, 0, "%s: register parameters", be);
	RUN("structs", 40);
	for (uint32_t l = 0; l < 40; l++)
		bad += o[l] != 4 * l + 9;
	is_int(bad, 0, "%s: structs by value", be);
	RUN("diverge", 32);
	for (uint32_t l = 0; l < 32; l++)
		bad += o[l] != (l >= 20 ? 5 : l & 1 ? 333 : 3 * l + 3000);
	is_int(bad, 0, "%s: a guarded call, returns at two places, lanes together again", be);
	RUN("sites", 40);
	for (uint32_t l = 0; l < 40; l++)
		bad += o[l] != (l & 1 ? 111 : l + 1000) + (l & 2 ? 5 : 0);
	is_int(bad, 0, "%s: two call sites", be);
	RUN("locals", 40);
	is_int(o[0], 200, "%s: local variables of caller and callee", be);
	RUN("table", 40);
	for (uint32_t l = 0; l < 40; l++)
		bad += o[l] != (l == 30 ? 77 : 10 + 10 * (l % 3));
	is_int(bad, 0, "%s: branch table", be);
	is_int(KT_RUN(t, "tablebad", KT1(1), KT1(3), p), BE_RUN_FAULT, "%s: an index behind the table", be);
	is_int(t->fault.status, VGPU_E_INVALID_PC, "%s: is an invalid program counter", be);
	RUN("noend", 20);
	ok(o[7] == 4 && o[8] == 5 && o[19] == 5, "%s: exit of some lanes", be);
	RUN("fair", 32);
	is_int(o[3], 1, "%s: lanes that wait for each other all get on", be);
	RUN("carry", 32);
	for (uint32_t l = 0; l < 32; l++)
		bad += o[l] != (l > 0) + 10u + (l > 5);
	is_int(bad, 0, "%s: the carry flag is each lane's own", be);
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		struct kt t;

		kt_must_open(&t, *be, text);
		test_all(&t, *be);
		t.s.slice = 1;
		test_all(&t, *be);
		kt_close(&t);
	}
	return 0;
}
