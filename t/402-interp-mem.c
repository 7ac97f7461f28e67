/* t/402: loads and stores: sizes, signs, vectors, state spaces, generic addresses, alignment, bounds. */
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.3\n.target sm_90\n.address_size 64\n"
#define REGS ".reg .pred %p<9>; .reg .b16 %rs<9>; .reg .b32 %r<33>; .reg .b64 %rd<33>; .reg .f32 %f<9>; .reg .f64 %fd<9>; .reg .b128 %q<4>;\n"
#define TID "mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [out]; mul.wide.u32 %rd1, %r0, 64; add.u64 %rd0, %rd0, %rd1;\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 in, .param .u64 out)\n{\n" REGS TID body "ret;\n}\n"

static const char text[] = HEAD
".global .align 8 .u64 counter = 5;\n"
".const .align 4 .s16 table[4] = { -1, 2, -3, 4 };\n"
".global .align 8 .u64 where = generic(counter);\n"
".extern .shared .align 16 .b8 dyn[];\n"
KERNEL("sizes",
	"ld.param.u64 %rd2, [in];\n"
	"ld.global.u8 %r1, [%rd2]; ld.global.s8 %r2, [%rd2]; ld.global.s8 %rs1, [%rd2]; cvt.u32.u16 %r3, %rs1;\n"
	"ld.global.u16 %r4, [%rd2]; ld.global.s16 %rd3, [%rd2]; ld.global.s32 %rd4, [%rd2]; ld.global.u32 %rd5, [%rd2];\n"
	"st.global.u32 [%rd0], %r1; st.global.u32 [%rd0+4], %r2; st.global.u32 [%rd0+8], %r3; st.global.u32 [%rd0+12], %r4;\n"
	"st.global.u64 [%rd0+16], %rd3; st.global.u64 [%rd0+24], %rd4; st.global.u64 [%rd0+32], %rd5;\n"
	"st.global.u8 [%rd0+41], %r2; st.global.u16 [%rd0+42], %r2; st.global.b32 [%rd0+44], 0x12345678;\n")
KERNEL("vectors",
	"ld.param.u64 %rd2, [in];\n"
	"ld.global.v4.u8 {%r1, %r2, %r3, %r4}, [%rd2]; st.global.v2.u16 [%rd0], {%r4, %r1};\n"
	"ld.global.v2.s16 {%r5, %r6}, [%rd2]; add.s32 %r5, %r5, %r6; st.global.u32 [%rd0+4], %r5;\n"
	"ld.global.v2.u64 {%rd3, %rd4}, [%rd2]; st.global.v2.u64 [%rd0+16], {%rd4, %rd3};\n"
	"ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%rd2+16]; st.global.v4.f32 [%rd0+32], {%f4, %f3, %f2, %f1};\n"
	"ld.global.v4.u32 {_, %r1, _, %r2}, [%rd2+16]; st.global.u32 [%rd0+8], %r2;\n"
	"mov.b64 {%r7, %r8}, %rd3; mov.b64 %rd5, {%r8, %r7}; mov.b32 %r9, {%rs1, %rs2}; mov.b32 {%rs1, %rs2}, %r7; mov.b32 %r9, {%rs2, %rs1};\n"
	"st.global.u64 [%rd0+48], %rd5; st.global.u32 [%rd0+56], %r9;\n")
KERNEL("wide",
	"ld.param.u64 %rd2, [in];\n"
	"ld.global.b128 %q1, [%rd2]; mov.b128 {%rd3, %rd4}, %q1; mov.b128 %q2, {%rd4, %rd3}; mov.b128 %q3, %q2; st.global.b128 [%rd0], %q3;\n")
KERNEL("spaces",
	".shared .align 8 .b8 sh[64]; .local .align 8 .b8 lo[32];\n"
	"mov.u64 %rd2, sh; mul.wide.u32 %rd3, %r0, 8; add.u64 %rd2, %rd2, %rd3;\n"
	"st.shared.u32 [%rd2], %r0; cvt.u32.u64 %r1, %rd2; add.u32 %r2, %r0, 100; st.shared.u32 [%r1+4], %r2;\n"
	"bar.sync 0;\n"
	"cvta.shared.u64 %rd4, %rd2; ld.v2.u32 {%r3, %r4}, [%rd4]; st.global.v2.u32 [%rd0], {%r3, %r4};\n"
	"cvta.to.shared.u64 %rd5, %rd4; ld.shared.u32 %r5, [%rd5+4]; st.global.u32 [%rd0+8], %r5;\n"
	"mov.u64 %rd6, lo; st.local.u64 [%rd6+8], %rd3; cvta.local.u64 %rd7, %rd6; ld.u64 %rd8, [%rd7+8]; st.global.u64 [%rd0+16], %rd8;\n"
	"st.local.u32 [lo], %r0; ld.local.u32 %r6, [lo]; st.global.u32 [%rd0+12], %r6;\n"
	"isspacep.shared %p1, %rd4; isspacep.local %p2, %rd7; isspacep.global %p3, %rd0; isspacep.shared %p4, %rd7; isspacep.global %p5, %rd4; isspacep.const %p6, %rd0;\n"
	"selp.u32 %r10, 1, 0, %p1; selp.u32 %r11, 2, 0, %p2; selp.u32 %r12, 4, 0, %p3; selp.u32 %r13, 8, 0, %p4; selp.u32 %r14, 16, 0, %p5; selp.u32 %r15, 32, 0, %p6;\n"
	"add.u32 %r10, %r10, %r11; add.u32 %r10, %r10, %r12; add.u32 %r10, %r10, %r13; add.u32 %r10, %r10, %r14; add.u32 %r10, %r10, %r15; st.global.u32 [%rd0+24], %r10;\n"
	"mov.u64 %rd9, table; ld.const.s16 %r16, [table+4]; st.global.u32 [%rd0+28], %r16; cvta.const.u64 %rd10, %rd9; ld.s16 %r17, [%rd10]; st.global.u32 [%rd0+32], %r17;\n"
	"isspacep.const %p7, %rd10; selp.u32 %r18, 1, 0, %p7; st.global.u32 [%rd0+36], %r18;\n"
	"ld.global.u64 %rd11, [where]; ld.u64 %rd12, [%rd11]; st.global.u64 [%rd0+40], %rd12;\n"
	"st.shared.u8 [dyn], 7; ld.shared.u8 %r19, [dyn]; st.global.u32 [%rd0+48], %r19; mov.u32 %r20, dyn; mov.u32 %r21, sh; sub.u32 %r20, %r20, %r21; st.global.u32 [%rd0+52], %r20;\n")
#define PICK(bad) \
	".shared .align 16 .b8 sh[512]; .local .align 16 .b8 lo[32];\n" \
	"and.b32 %r1, %r0, 3; mul.wide.u32 %rd2, %r0, 16; mov.u64 %rd3, sh; add.u64 %rd3, %rd3, %rd2; cvta.shared.u64 %rd3, %rd3;\n" \
	"mov.u64 %rd4, lo; cvta.local.u64 %rd4, %rd4; mov.b64 %rd5, in; cvta.param.u64 %rd5, %rd5; add.u64 %rd6, %rd0, 16;\n" \
	"setp.eq.u32 %p1, %r1, 1; selp.b64 %rd6, %rd3, %rd6, %p1; setp.eq.u32 %p1, %r1, 2; selp.b64 %rd6, %rd4, %rd6, %p1;\n" bad \
	"add.u32 %r2, %r0, 1; add.u32 %r3, %r0, 2; add.u32 %r4, %r0, 3; st.v4.u32 [%rd6], {%r0, %r2, %r3, %r4};\n" \
	"ld.v4.u32 {%r5, %r6, %r7, %r8}, [%rd6]; add.u32 %r5, %r5, %r6; add.u32 %r7, %r7, %r8; add.u32 %r5, %r5, %r7; st.global.u32 [%rd0], %r5;\n" \
	"setp.eq.u32 %p2, %r1, 3; selp.b64 %rd6, %rd5, %rd6, %p2; ld.u64 %rd7, [%rd6]; st.global.u64 [%rd0+8], %rd7;\n"
KERNEL("mixed", PICK(""))
KERNEL("mixedbad", PICK("setp.eq.u32 %p3, %r0, 22; selp.b64 %rd6, 16, %rd6, %p3;\n"))
KERNEL("mixedmis", PICK("setp.eq.u32 %p3, %r0, 21; selp.b64 %rd8, 8, 0, %p3; add.u64 %rd6, %rd6, %rd8;\n"))
KERNEL("mixedover", PICK("setp.eq.u32 %p3, %r0, 18; selp.b64 %rd8, 65536, 0, %p3; add.u64 %rd6, %rd6, %rd8;\n"))
KERNEL("lmis", ".local .align 8 .b8 lo[32]; mov.u64 %rd6, lo; st.local.u32 [%rd6+2], %r0;\n")
KERNEL("lover", ".local .align 8 .b8 lo[32]; mov.u64 %rd6, lo; ld.local.u32 %r1, [%rd6+65536]; st.global.u32 [%rd0], %r1;\n")
KERNEL("lneg", ".local .align 8 .b8 lo[32]; mov.u64 %rd6, lo; ld.local.u32 %r1, [%rd6+-65536]; st.global.u32 [%rd0], %r1;\n")
KERNEL("vmis", "ld.param.u64 %rd2, [in]; ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd2+8]; st.global.u32 [%rd0], %r1;\n")
KERNEL("pstore", "ld.param.u64 %rd2, [in]; mov.b64 %rd3, in; cvta.param.u64 %rd3, %rd3; st.u32 [%rd3], %r0;\n")
KERNEL("otherlocal",
	".shared .align 8 .b64 p; .local .align 8 .b8 lo[32]; mov.u64 %rd6, lo; cvta.local.u64 %rd7, %rd6; setp.eq.u32 %p1, %r0, 0;\n"
	"@%p1 st.shared.u64 [p], %rd7; bar.sync 0; ld.shared.u64 %rd8, [p]; ld.u32 %r1, [%rd8+1024]; st.global.u32 [%rd0], %r1;\n")
KERNEL("stack",
	"stacksave.u64 %rd2; alloca.u64 %rd3, 64; alloca.u64 %rd4, 32, 32; st.local.u64 [%rd3], %rd0; st.local.u64 [%rd4+24], %rd1;\n"
	"ld.local.u64 %rd5, [%rd3]; sub.u64 %rd5, %rd5, %rd0; ld.local.u64 %rd6, [%rd4+24]; sub.u64 %rd6, %rd6, %rd1; and.b64 %rd7, %rd4, 31;\n"
	"stackrestore.u64 %rd2; alloca.u64 %rd8, 64; sub.u64 %rd8, %rd8, %rd3;\n"
	"st.global.v2.u64 [%rd0], {%rd5, %rd6}; st.global.v2.u64 [%rd0+16], {%rd7, %rd8};\n")
KERNEL("stackover", "L: alloca.u64 %rd3, 1024; bra L;\n")
KERNEL("hints",
	"ld.param.u64 %rd2, [in]; prefetch.global.L2 [%rd2]; prefetchu.L1 [%rd2]; createpolicy.fractional.L2::evict_last.b64 %rd9, 1.0;\n"
	"ld.global.L2::cache_hint.u32 %r1, [%rd2], %rd9; ld.global.nc.L1::no_allocate.u32 %r2, [%rd2]; ld.volatile.global.u32 %r3, [%rd2];\n"
	"ld.relaxed.gpu.global.u32 %r4, [%rd2]; ld.acquire.sys.global.u32 %r5, [%rd2]; st.global.v4.u32 [%rd0], {%r1, %r2, %r3, %r4}; st.release.gpu.global.u32 [%rd0+16], %r5;\n"
	"st.relaxed.sys.global.u32 [%rd0+20], %r5; st.volatile.global.u32 [%rd0+24], %r5; discard.global.L2 [%rd2], 128;\n");

struct args { void *in, *out; };

static void test_sizes(struct kt *t, struct args *p, const char *be)
{
	uint8_t *in = p->in, *o = p->out;
	uint32_t *w = p->out;
	uint64_t *q = p->out;

	memcpy(in, "\x81\x92\xa3\xf4", 4);
	is_int(KT_RUN(t, "sizes", KT1(1), KT1(3), *p), BE_RUN_DONE, "%s: loads of all sizes", be);
	is_hex(w[0], 0x81, "%s: u8", be);
	is_hex(w[1], 0xffffff81, "%s: s8 into 32 bits", be);
	is_hex(w[2], 0xff81, "%s: s8 into 16 bits", be);
	is_hex(w[3], 0x9281, "%s: u16", be);
	is_hex(q[2], 0xffffffffffff9281, "%s: s16 into 64 bits", be);
	is_hex(q[3], 0xfffffffff4a39281, "%s: s32 into 64 bits", be);
	is_hex(q[4], 0xf4a39281, "%s: u32 into 64 bits", be);
	is_blob(o + 40, "\x00\x81\x81\xff\x78\x56\x34\x12", 8, "%s: narrow stores touch only their bytes", be);
	is_blob(o + 128, o, 48, "%s: the last thread's too", be);
}

static void test_vectors(struct kt *t, struct args *p, const char *be)
{
	uint32_t *in = p->in, *w = p->out;
	uint64_t *q = p->out;

	in[0] = 0x04030201;
	in[1] = 0xfffe0005;
	in[2] = 2;
	in[3] = 3;
	for (int i = 0; i < 4; i++)
		((float *)in)[4 + i] = (float)i + 0.5f;
	is_int(KT_RUN(t, "vectors", KT1(1), KT1(40), *p), BE_RUN_DONE, "%s: vectors", be);
	is_hex(w[0], 0x00010004, "%s: v4.u8 to v2.u16", be);
	is_hex(w[1], 0x0201 + 0x0403, "%s: v2.s16", be);
	is_hex(w[2], in[7], "%s: holes in a vector", be);
	ok(q[2] == 0x0000000300000002 && q[3] == 0xfffe000504030201, "%s: v2.u64", be);
	ok(((float *)w)[8] == 3.5f && ((float *)w)[11] == 0.5f, "%s: v4.f32", be);
	is_hex(q[6], 0x04030201fffe0005, "%s: mov unpacks and packs halves", be);
	is_hex(w[14], 0x02010403, "%s: and 16-bit quarters", be);
	is_int(KT_RUN(t, "wide", KT1(1), KT1(40), *p), BE_RUN_DONE, "%s: 128-bit registers", be);
	ok(q[1] == 0xfffe000504030201 && q[0] == 0x0000000300000002, "%s: loaded, swapped, moved, stored", be);
}

static void test_spaces(struct kt *t, struct args *p, const char *be)
{
	uint32_t *w = p->out, bad = 0;

	t->shared_dyn = 16;
	is_int(KT_RUN(t, "spaces", KT1(1), KT1(8), *p), BE_RUN_DONE, "%s: state spaces", be);
	for (uint32_t i = 0; i < 8; i++, w += 16) {
		bad += w[0] != i || w[1] != 100 + i;
		bad += w[2] != 100 + i;
		bad += w[3] != i || *(uint64_t *)(w + 4) != i * 8;
		bad += w[6] != 7;
		bad += (int)w[7] != -3 || (int)w[8] != -1 || w[9] != 1;
		bad += *(uint64_t *)(w + 10) != 5;
		bad += w[12] != 7 || w[13] < 64;
	}
	is_int(bad, 0, "%s: shared, local, const, generic: all values", be);
	t->shared_dyn = 0;
}

/* One instruction, lanes in different spaces. */
static void test_mixed(struct kt *t, struct args *p, const char *be)
{
	uint32_t bad = 0;

	is_int(KT_RUN(t, "mixed", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: lanes in different spaces", be);
	for (uint32_t i = 0; i < 32; i++) {
		const uint32_t *w = (uint32_t *)p->out + i * 16;

		bad += w[0] != 4 * i + 6;
		bad += (i & 3) == 3 ? *(uint64_t *)(w + 2) != (uintptr_t)p->in : w[2] != i || w[3] != i + 1;
	}
	is_int(bad, 0, "%s: each has its own", be);
}

static void faults(struct kt *t, struct args *p, const char *kernel, int status, const char *be)
{
	is_int(KT_RUN(t, kernel, KT1(1), KT1(32), *p), BE_RUN_FAULT, "%s: %s faults", be, kernel);
	is_int(t->fault.status, status, "%s: %s: %s", be, kernel, t->fault.text);
}

static void test_stack(struct kt *t, struct args *p, const char *be)
{
	uint64_t *q = p->out;

	is_int(KT_RUN(t, "stack", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: alloca", be);
	ok(!q[0] && !q[1] && !q[2] && !q[3], "%s: separate, aligned, given back by stackrestore", be);
	is_int(KT_RUN(t, "hints", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: cache hints and memory orders", be);
	for (int i = 0; i < 7; i++)
		if (((uint32_t *)p->out)[i] != *(uint32_t *)p->in)
			ok(0, "%s: value %d", be, i);
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		struct args p;
		struct kt t;

		kt_must_open(&t, *be, text);
		p.in = kt_alloc(&t, 4096);
		p.out = kt_alloc(&t, 64 * 64);
		test_sizes(&t, &p, *be);
		test_vectors(&t, &p, *be);
		test_spaces(&t, &p, *be);
		test_mixed(&t, &p, *be);
		faults(&t, &p, "mixedbad", VGPU_E_ILLEGAL_ADDRESS, *be);
		faults(&t, &p, "mixedmis", VGPU_E_MISALIGNED, *be);
		faults(&t, &p, "mixedover", VGPU_E_ILLEGAL_ADDRESS, *be);
		faults(&t, &p, "lmis", VGPU_E_MISALIGNED, *be);
		faults(&t, &p, "lover", VGPU_E_ILLEGAL_ADDRESS, *be);
		faults(&t, &p, "lneg", VGPU_E_ILLEGAL_ADDRESS, *be);
		faults(&t, &p, "vmis", VGPU_E_MISALIGNED, *be);
		faults(&t, &p, "pstore", VGPU_E_ILLEGAL_ADDRESS, *be);
		faults(&t, &p, "otherlocal", VGPU_E_ILLEGAL_ADDRESS, *be);
		faults(&t, &p, "stackover", VGPU_E_HW_STACK, *be);
		test_stack(&t, &p, *be);
		kt_close(&t);
	}
	return 0;
}
