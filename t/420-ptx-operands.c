/* t/420: operands as hand-written PTX has them: vector registers, arrays with an index, sums, carries between instructions. */
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.3\n.target sm_90\n.address_size 64\n"
#define REGS ".reg .pred %p<5>; .reg .b32 %r<33>; .reg .b64 %rd<33>; .reg .b16 %h<9>; .reg .v2 .u32 %v; .reg .v4 .u16 %w;\n"
#define TID "mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [out]; mul.wide.u32 %rd1, %r0, 8; add.u64 %rd1, %rd0, %rd1;\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 out)\n{\n" REGS TID body "ret;\n}\n"

static const char text[] = HEAD
".global .u32 arr[8] = {100, 101, 102, 103, 104, 105, 106, 107};\n.global .u16 harr[8] = {200, 201, 202, 203, 204, 205, 206, 207};\n"
".func (.reg .v2 .u32 out, .reg .pred odd) swap(.reg .v2 .u32 in, .reg .u32 add)\n{\n.reg .u32 t; .reg .pred p;\n"
"mov.v2.u32 out, {in.y, in.x}; add.u32 out.x, out.x, add; and.b32 t, add, 1; setp.eq.u32 odd, t, 1; ret;\n}\n"
".func (.reg .b64 r) wide(.reg .f64 x, .reg .b16 h)\n{\n.reg .b64 t; mov.b64 r, x; cvt.u64.u16 t, h; add.u64 r, r, t; ret;\n}\n"
/* a vector comes back from a function */
KERNEL("call",
	"add.u32 %r1, %r0, 1000; mov.v2.u32 %v, {%r0, %r1}; call (%v, %p1), swap, (%v, %r0); @%p1 add.u32 %v.y, %v.y, 50000; st.global.v2.u32 [%rd1], %v;\n")
KERNEL("call64", "mov.b64 %rd2, 0x123456789abc0000; cvt.u16.u32 %h1, %r0; call (%rd3), wide, (%rd2, %h1); st.global.u64 [%rd1], %rd3;\n")
/* all elements are read before one is written */
KERNEL("move",
	"cvt.u16.u32 %h1, %r0; mov.v4.u16 %w, {%h1, 1, 2, 3}; mov.v4.u16 {%h1, %h2, %h3, %h4}, %w; mov.v4.u16 {%h2, %h3, %h4, %h1}, {%h1, %h2, %h3, %h4};\n"
	"st.global.v4.u16 [%rd1], {%h1, %h2, %h3, %h4};\n")
KERNEL("pack", "mov.v2.u32 %v, {%r0, 7}; mov.b64 %rd2, %v; st.global.u64 [%rd1], %rd2; setp.eq.u32 %p1, %r0, 3; @%p1 mov.v2.u32 %v, {1, 2}; @%p1 st.global.v2.u32 [%rd1], %v;\n")
KERNEL("sum", "add.u32 %r1, %r0+5, %r0 + -2; st.global.u32 [%rd1], %r1+1; setp.lt.u32 %p1, %r0+1, 10; selp.u32 %r2, %r0+4, 0, %p1; st.global.u32 [%rd1+4], %r2;\n")
KERNEL("index",
	"and.b32 %r1, %r0, 3; cvt.u64.u32 %rd2, %r1; cvt.u16.u32 %h1, %r1; ld.global.u32 %r2, arr[%r1]; ld.global.u32 %r3, arr[%rd2+2]; ld.global.u16 %h2, harr[%h1]; cvt.u32.u16 %r4, %h2;\n"
	"ld.global.u32 %r5, arr[7]; mov.u64 %rd3, harr[3]; cvta.global.u64 %rd3, %rd3; ld.u16 %h3, [%rd3]; cvt.u32.u16 %r6, %h3; add.u32 %r2, %r2, %r3; add.u32 %r2, %r2, %r4; add.u32 %r5, %r5, %r6;\n"
	"st.global.v2.u32 [%rd1], {%r2, %r5};\n")
/* the flag of a subtraction is a carry: set where nothing was borrowed */
KERNEL("carry",
	"sub.cc.u32 %r1, %r0, 5; addc.u32 %r2, 0, 0; add.cc.u32 %r3, %r0, 0xfffffff0; subc.u32 %r4, 100, 0; st.global.v2.u32 [%rd1], {%r2, %r4};\n")
KERNEL("video",
	"sub.u32 %r1, %r0, 5; vmad.s32.s32.s32 %r2, -%r1, %r0, 7; vmad.s32.s32.s32 %r3, %r1, %r0, -%r1; vset.s32.s32.lt %r4.h0, %r1, 0, 0xabcd1234; vset.s32.s32.lt.max %r5, %r1, 0, -4; vabsdiff.u32.s32.s32 %r6.b1, %r1, 0, 0x55555555;\n"
	"add.u32 %r2, %r2, %r3; xor.b32 %r4, %r4, %r6; add.u32 %r4, %r4, %r5; st.global.v2.u32 [%rd1], {%r2, %r4};\n")
KERNEL("narrow",
	"sub.u32 %r1, %r0, 5; cvt.s8.s32 %r2, %r1; cvt.u8.s32 %r3, %r1; st.global.v2.u32 [%rd1], {%r2, %r3};\n")
;

#define RUN(name) do { \
	struct { void *o; } p_ = { o }; \
	memset(o, 0, 4096); \
	is_int(KT_RUN(t, name, KT1(1), KT1(32), p_), BE_RUN_DONE, "%s: " name " runs", be); \
	bad = 0; \
} while (0)

static void test_vectors(struct kt *t, const char *be)
{
	uint32_t *o = kt_alloc(t, 4096);
	uint64_t *q = (uint64_t *)o;
	uint16_t *h = (uint16_t *)o;
	int bad;

	RUN("call");
	for (uint32_t i = 0; i < 32; i++)
		bad += o[2 * i] != 1000 + 2 * i || o[2 * i + 1] != i + (i & 1 ? 50000 : 0);
	is_int(bad, 0, "%s: vector and predicate results in registers", be);
	RUN("call64");
	for (uint32_t i = 0; i < 32; i++)
		bad += q[i] != UINT64_C(0x123456789abc0000) + i;
	is_int(bad, 0, "%s: 64-bit and 16-bit register parameters", be);
	RUN("move");
	for (uint32_t i = 0; i < 32; i++)
		bad += h[4 * i] != 3 || h[4 * i + 1] != i || h[4 * i + 2] != 1 || h[4 * i + 3] != 2;
	is_int(bad, 0, "%s: a move between vectors rotates them", be);
	RUN("pack");
	for (uint32_t i = 0; i < 32; i++)
		bad += q[i] != (i == 3 ? UINT64_C(0x200000001) : i | (uint64_t)7 << 32);
	is_int(bad, 0, "%s: a vector packs, a guarded one is moved in its lane only", be);
}

static void test_scalars(struct kt *t, const char *be)
{
	uint32_t *o = kt_alloc(t, 4096);
	int bad;

	RUN("sum");
	for (uint32_t i = 0; i < 32; i++)
		bad += o[2 * i] != 2 * i + 4 || o[2 * i + 1] != (i + 1 < 10 ? i + 4 : 0);
	is_int(bad, 0, "%s: a number is added to a register", be);
	RUN("index");
	for (uint32_t i = 0; i < 32; i++)
		bad += o[2 * i] != 402 + 3 * (i & 3) || o[2 * i + 1] != 310;
	is_int(bad, 0, "%s: array elements by index", be);
	RUN("carry");
	for (uint32_t i = 0; i < 32; i++)
		bad += o[2 * i] != (i >= 5) || o[2 * i + 1] != (i >= 16 ? 100 : 99);
	is_int(bad, 0, "%s: addc behind sub.cc, subc behind add.cc", be);
	RUN("video");
	for (uint32_t i = 0; i < 32; i++) {
		uint32_t dist = i < 5 ? 5 - i : i - 5;

		bad += o[2 * i] != 7 - (i - 5) || o[2 * i + 1] != ((0xabcd0000 | (i < 5)) ^ (0x55550055 | dist << 8)) + (i < 5);
	}
	is_int(bad, 0, "%s: video instructions with a sign, a merged result, a second operation", be);
	RUN("narrow");
	for (uint32_t i = 0; i < 32; i++)
		bad += o[2 * i] != i - 5 || o[2 * i + 1] != ((i - 5) & 0xff);
	is_int(bad, 0, "%s: cvt to a narrow type fills its register", be);
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		struct kt t;

		kt_must_open(&t, *be, text);
		test_vectors(&t, *be);
		test_scalars(&t, *be);
		kt_close(&t);
	}
	return 0;
}
