/* t/400: kernels run: threads, grids, parameters, special registers, plain loads and stores. */
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.0\n.target sm_80\n.address_size 64\n"

static const char vadd[] = HEAD
".visible .entry vadd(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)\n"
"{\n"
"	.reg .pred %p<2>; .reg .b32 %r<6>; .reg .f32 %f<4>; .reg .b64 %rd<11>;\n"
"	ld.param.u64 %rd1, [a]; ld.param.u64 %rd2, [b]; ld.param.u64 %rd3, [c]; ld.param.u32 %r1, [n];\n"
"	mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;\n"
"	mad.lo.s32 %r5, %r2, %r3, %r4;\n"
"	setp.ge.s32 %p1, %r5, %r1;\n"
"	@%p1 bra DONE;\n"
"	cvta.to.global.u64 %rd4, %rd1; cvta.to.global.u64 %rd5, %rd2; cvta.to.global.u64 %rd6, %rd3;\n"
"	mul.wide.s32 %rd7, %r5, 4;\n"
"	add.s64 %rd8, %rd4, %rd7; add.s64 %rd9, %rd5, %rd7; add.s64 %rd10, %rd6, %rd7;\n"
"	ld.global.f32 %f1, [%rd8]; ld.global.f32 %f2, [%rd9];\n"
"	add.f32 %f3, %f1, %f2;\n"
"	st.global.f32 [%rd10], %f3;\n"
"DONE:\n"
"	ret;\n"
"}\n";

/* out[linear thread of the grid] = what %0 says, one 64-bit word a thread */
static const char sregs[] = HEAD
".visible .entry sreg(.param .u64 out)\n"
"{\n"
"	.reg .b32 %r<40>; .reg .b64 %rd<8>;\n"
"	mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z;\n"
"	mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y; mov.u32 %r6, %ntid.z;\n"
"	mov.u32 %r7, %ctaid.x; mov.u32 %r8, %ctaid.y; mov.u32 %r9, %ctaid.z;\n"
"	mov.u32 %r10, %nctaid.x; mov.u32 %r11, %nctaid.y;\n"
"	mad.lo.u32 %r12, %r9, %r11, %r8; mad.lo.u32 %r12, %r12, %r10, %r7;\n"   /* block */
"	mad.lo.u32 %r13, %r3, %r5, %r2; mad.lo.u32 %r13, %r13, %r4, %r1;\n"     /* thread */
"	mul.lo.u32 %r14, %r4, %r5; mul.lo.u32 %r14, %r14, %r6;\n"
"	mad.lo.u32 %r15, %r12, %r14, %r13;\n"
"	ld.param.u64 %rd1, [out]; mul.wide.u32 %rd2, %r15, 48; add.u64 %rd1, %rd1, %rd2;\n"
"	mov.u32 %r20, %laneid; mov.u32 %r21, %warpid; mov.u32 %r22, %nwarpid; mov.u32 %r23, %lanemask_eq;\n"
"	mov.u32 %r24, %lanemask_le; mov.u32 %r25, %lanemask_lt; mov.u32 %r26, %lanemask_ge; mov.u32 %r27, %lanemask_gt;\n"
"	mov.u32 %r28, %nctaid.z; mov.u32 %r29, %dynamic_smem_size; mov.u64 %rd3, %gridid;\n"
"	st.global.v4.u32 [%rd1], {%r20, %r21, %r22, %r23};\n"
"	st.global.v4.u32 [%rd1+16], {%r24, %r25, %r26, %r27};\n"
"	st.global.u32 [%rd1+32], %r28; st.global.u32 [%rd1+36], %r29; st.global.u64 [%rd1+40], %rd3;\n"
"	ret;\n"
"}\n";

static const char params[] = HEAD
".visible .entry params(.param .u8 a, .param .s16 b, .param .f64 c, .param .align 8 .b8 d[16], .param .u64 out)\n"
"{\n"
"	.reg .b32 %r<6>; .reg .b64 %rd<6>; .reg .f64 %fd<2>; .reg .b16 %rs<4>;\n"
"	ld.param.u64 %rd1, [out];\n"
"	ld.param.u8 %rs1, [a]; cvt.u32.u16 %r1, %rs1; st.global.u32 [%rd1], %r1;\n"
"	ld.param.s16 %r2, [b]; st.global.u32 [%rd1+4], %r2;\n"
"	ld.param.f64 %fd1, [c]; st.global.f64 [%rd1+8], %fd1;\n"
"	ld.param.v2.u32 {%r3, %r4}, [d]; ld.param.u64 %rd2, [d+8];\n"
"	st.global.v2.u32 [%rd1+16], {%r3, %r4}; st.global.u64 [%rd1+24], %rd2;\n"
"	mov.b64 %rd3, d; ld.param.u32 %r5, [%rd3+4]; st.global.u32 [%rd1+32], %r5;\n"
"	cvta.param.u64 %rd4, %rd3; ld.u32 %r5, [%rd4]; st.global.u32 [%rd1+36], %r5;\n"
"	ret;\n"
"}\n";

static void test_vadd(const char *be)
{
	struct kt t;
	uint32_t n = 1000, bad = 0;
	float *a, *b, *c;

	kt_must_open(&t, be, vadd);
	a = kt_alloc(&t, n * 4);
	b = kt_alloc(&t, n * 4);
	c = kt_alloc(&t, 1024 * 4);
	for (uint32_t i = 0; i < n; i++) {
		a[i] = (float)i;
		b[i] = 0.5f * (float)i;
	}
	struct { float *a, *b, *c; uint32_t n; } p = { a, b, c, n };
	is_int(KT_RUN(&t, "vadd", KT1(8), KT1(128), p), BE_RUN_DONE, "%s: vector add runs", be);
	for (uint32_t i = 0; i < 1024; i++)
		bad += c[i] != (i < n ? 1.5f * (float)i : 0.0f);
	is_int(bad, 0, "%s: all sums are right, nothing is written behind them", be);
	memset(c, 0, n * 4);
	t.threads = 3;
	t.s.slice = 7;
	is_int(KT_RUN(&t, "vadd", KT1(8), KT1(128), p), BE_RUN_DONE, "%s: in tiny slices on three threads", be);
	bad = 0;
	for (uint32_t i = 0; i < n; i++)
		bad += c[i] != 1.5f * (float)i;
	is_int(bad, 0, "%s: the same sums", be);
	/* compiled code isn't cut */
	if (t.ops != &be_simd)
		ok(t.yields > 0, "%s: slices were cut", be);
	kt_close(&t);
}

static void check_sregs(const char *be, struct kt_dim g, struct kt_dim b)
{
	uint32_t threads = b.x * b.y * b.z, blocks = g.x * g.y * g.z, bad = 0;
	struct word { uint32_t lane, warp, nwarp, eq, le, lt, ge, gt, gz, dyn; uint64_t grid; } *o;
	struct kt t;

	kt_must_open(&t, be, sregs);
	t.shared_dyn = 100;
	o = kt_alloc(&t, (size_t)threads * blocks * sizeof(*o));
	struct { void *o; } p = { o };
	is_int(KT_RUN(&t, "sreg", g, b, p), BE_RUN_DONE, "%s: grid %ux%ux%u block %ux%ux%u", be, g.x, g.y, g.z, b.x, b.y, b.z);
	for (uint32_t k = 0; k < threads * blocks; k++) {
		uint32_t i = k % threads, lane = i % 32, eq = 1u << lane;
		struct word want = { lane, i / 32, (threads + 31) / 32, eq, eq | (eq - 1), eq - 1, ~(eq - 1), ~(eq | (eq - 1)),
				     g.z, 100, 7 };

		bad += memcmp(&o[k], &want, sizeof(want)) != 0;
	}
	is_int(bad, 0, "%s: special registers of all %u threads", be, threads * blocks);
	kt_close(&t);
}

static void test_params(const char *be)
{
	struct kt t;
	uint32_t *o;

	kt_must_open(&t, be, params);
	o = kt_alloc(&t, 64);
	struct { uint8_t a; int16_t b; double c; uint32_t d[4]; void *o; } p = { 200, -5, 1.25, { 1, 2, 3, 4 }, o };
	is_int(KT_RUN(&t, "params", KT1(1), KT1(1), p), BE_RUN_DONE, "%s: parameters of several types", be);
	is_int(o[0], 200, "%s: u8 parameter", be);
	is_int((int)o[1], -5, "%s: s16 parameter, sign extended", be);
	ok(*(double *)(o + 2) == 1.25, "%s: f64 parameter", be);
	ok(o[4] == 1 && o[5] == 2 && o[6] == 3 && o[7] == 4, "%s: struct parameter", be);
	is_int(o[8], 2, "%s: parameter through its address", be);
	is_int(o[9], 1, "%s: parameter through its generic address", be);
	is_int(kt_run(&t, "params", KT1(1), KT1(1), &p, 8), -1, "%s: too few parameter bytes are refused", be);
	is_int(KT_RUN(&t, "params", KT1(1), KT1(1025), p), -1, "%s: a block of 1025 threads is refused", be);
	is_int(t.err.status, VGPU_E_LAUNCH_RESOURCES, "%s: with its status", be);
	kt_close(&t);
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		test_vadd(*be);
		check_sregs(*be, KT1(1), KT1(1));
		check_sregs(*be, KT1(3), KT1(33));
		check_sregs(*be, (struct kt_dim){ 2, 3, 2 }, (struct kt_dim){ 5, 3, 7 });
		check_sregs(*be, (struct kt_dim){ 2, 1, 1 }, (struct kt_dim){ 16, 8, 8 });
		test_params(*be);
	}
	return 0;
}
