/*
 * t/437: matrix instructions in programs: what nvcc makes of wmma and inline
 * mma, ldmatrix and stmatrix in all numbers and of packed elements, divergent
 * arrivals, and what is wrong with an instruction or its addresses.
 */
#include <stdlib.h>
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.7\n.target sm_120a\n.address_size 64\n"
#define REGS ".reg .pred %p<4>; .reg .b32 %r<40>; .reg .b64 %rd<9>; .reg .f32 %f<12>; .shared .align 16 .b8 sh[1024];\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 in, .param .u64 out)\n{\n" REGS \
	"mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [in]; ld.param.u64 %rd1, [out]; mul.wide.u32 %rd2, %r0, 16; add.u64 %rd3, %rd0, %rd2;\n" \
	"add.u64 %rd4, %rd1, %rd2; shl.b32 %r1, %r0, 4; mov.u32 %r2, sh; add.u32 %r3, %r2, %r1;\n" body "ret;\n}\n"
#define IN "ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd3];\n"
#define TO_SHARED "st.shared.v4.b32 [%r3], {%r4, %r5, %r6, %r7}; bar.warp.sync -1;\n"
#define OUT "st.global.v4.u32 [%rd4], {%r8, %r9, %r10, %r11};\n"
#define FROM_SHARED "bar.warp.sync -1; ld.shared.v4.b32 {%r8, %r9, %r10, %r11}, [%r3];\n" OUT
#define ZERO "mov.u32 %r8, 0; mov.u32 %r9, 0; mov.u32 %r10, 0; mov.u32 %r11, 0;\n"
#define MMA "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%r8, %r9, %r10, %r11}, {%r4, %r5}, {%r6}, {%r7, %r7, %r7, %r7};\n"

static const char text[] = HEAD
KERNEL("ld6", IN TO_SHARED "ldmatrix.sync.aligned.m8n16.x4.shared.b8x16.b6x16_p32 {%r8, %r9, %r10, %r11}, [%r3];\n" OUT)
KERNEL("ld4", IN TO_SHARED ZERO "ldmatrix.sync.aligned.m8n16.x2.shared.b8x16.b4x16_p64 {%r8, %r9}, [%r3];\n" OUT)
KERNEL("st1", IN ZERO "st.shared.v4.b32 [%r3], {%r8, %r9, %r10, %r11}; bar.warp.sync -1;\n"
	"stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r3], {%r4};\n" FROM_SHARED)
KERNEL("st2", IN ZERO "st.shared.v4.b32 [%r3], {%r8, %r9, %r10, %r11}; bar.warp.sync -1;\n"
	"stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%r3], {%r4, %r5};\n" FROM_SHARED)
KERNEL("mma", IN MMA OUT)
/* lanes come one after the other */
KERNEL("late", IN "mov.u32 %r20, 0; L: setp.ge.u32 %p1, %r20, %r0; @%p1 bra D; add.u32 %r20, %r20, 1; bra L; D:\n" MMA OUT)
KERNEL("unaligned", "add.u64 %rd0, %rd0, 2; wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {%r4, %r5, %r6, %r7, %r8, %r9, %r10, %r11}, [%rd0], 16;\n")
KERNEL("beyond", "wmma.load.a.sync.aligned.row.m16n16k16.shared.f16 {%r4, %r5, %r6, %r7, %r8, %r9, %r10, %r11}, [%r2], 4096;\n")
KERNEL("ragged", "wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {%r4, %r5, %r6, %r7, %r8, %r9, %r10, %r11}, [%rd0], %r1;\n")
/* refused by themselves */
KERNEL("count", IN "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%r8, %r9, %r10, %r11}, {%r4, %r5, %r6}, {%r6}, {%r7, %r7, %r7, %r7};\n")
KERNEL("result", IN "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%r8, %r9}, {%r4, %r5}, {%r6}, {%r7, %r7, %r7, %r7};\n")
KERNEL("types", IN "mma.sync.aligned.m16n8k16.row.col.s32.s8.s4.s32 {%r8, %r9, %r10, %r11}, {%r4, %r5}, {%r6}, {%r7, %r7, %r7, %r7};\n")
KERNEL("shape", IN "mma.sync.aligned.m16n8k128.row.col.s32.s8.s8.s32 {%r8, %r9, %r10, %r11}, {%r4, %r5}, {%r6}, {%r7, %r7, %r7, %r7};\n")
KERNEL("tile16", "ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8 {%r8, %r9}, [%r3];\n");

struct io { uint32_t (*in)[4]; uint32_t (*out)[4]; };

static void fill(struct io *p)
{
	for (uint32_t l = 0; l < 32; l++)
		for (uint32_t k = 0; k < 4; k++)
			p->in[l][k] = (l * 4 + k + 1) * 0x9e3779b9u;
	memset(p->out, 0xee, 512);
}

/* Bits from bit on of a lane's 16 bytes. */
static unsigned bits_at(const uint32_t *row, unsigned bit, unsigned n)
{
	unsigned v = 0;

	for (unsigned k = 0; k < n; k++)
		v |= (row[(bit + k) / 32] >> ((bit + k) % 32) & 1) << k;
	return v;
}

static void test_packed(struct kt *t, const char *be, struct io *p)
{
	int bad = 0;

	for (unsigned bits = 4; bits <= 6; bits += 2) {
		fill(p);
		is_int(KT_RUN(t, bits == 6 ? "ld6" : "ld4", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: packed elements of %u bits", be, bits);
		for (unsigned l = 0; l < 32; l++)
			for (unsigned m = 0; m < (bits == 6 ? 4 : 2); m++)
				for (unsigned e = 0; e < 4; e++)
					bad += (p->out[l][m] >> (8 * e) & 255) != bits_at(p->in[8 * m + l / 4], (l % 4 * 4 + e) * bits, bits);
	}
	is_int(bad, 0, "%s: each in a byte of its own", be);
}

static unsigned half(const uint32_t *row, unsigned k)
{
	return row[k / 2] >> (16 * (k % 2)) & 0xffff;
}

static void test_store(struct kt *t, const char *be, struct io *p)
{
	int bad = 0;

	fill(p);
	is_int(KT_RUN(t, "st1", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: stmatrix of one", be);
	for (unsigned l = 0; l < 32; l++)
		for (unsigned c = 0; c < 8; c++)
			bad += half(p->out[l], c) != (l < 8 ? p->in[4 * l + c / 2][0] >> (16 * (c % 2)) & 0xffff : 0);
	fill(p);
	is_int(KT_RUN(t, "st2", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: stmatrix of two, transposed", be);
	for (unsigned l = 0; l < 32; l++)
		for (unsigned c = 0; c < 8; c++)
			bad += half(p->out[l], c) != (l < 16 ? p->in[4 * c + l % 8 / 2][l / 8] >> (16 * (l % 2)) & 0xffff : 0);
	is_int(bad, 0, "%s: and nothing else is written", be);
}

static void test_warp(struct kt *t, const char *be, struct io *p)
{
	uint32_t first[32][4];

	fill(p);
	is_int(KT_RUN(t, "mma", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: a full warp", be);
	memcpy(first, p->out, sizeof(first));
	fill(p);
	is_int(KT_RUN(t, "late", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: lanes that come one by one", be);
	ok(!memcmp(first, p->out, sizeof(first)), "%s: wait for each other", be);
	is_int(KT_RUN(t, "mma", KT1(1), KT1(24), *p), BE_RUN_FAULT, "%s: part of a warp", be);
	is_int(t->fault.status, VGPU_E_ILLEGAL_INSTRUCTION, "%s: can't multiply matrices", be);
}

static void test_addresses(struct kt *t, const char *be, struct io *p)
{
	static const struct { const char *name; int status; } cases[] = {
		{ "unaligned", VGPU_E_MISALIGNED }, { "beyond", VGPU_E_ILLEGAL_ADDRESS }, { "ragged", VGPU_E_ILLEGAL_INSTRUCTION },
	};

	for (size_t k = 0; k < 3; k++) {
		is_int(KT_RUN(t, cases[k].name, KT1(1), KT1(32), *p), BE_RUN_FAULT, "%s: %s", be, cases[k].name);
		is_int(t->fault.status, cases[k].status, "%s: is reported as such", be);
	}
}

static void test_refused(struct kt *t, const char *be)
{
	static const char *const names[] = { "count", "result", "types", "shape", "tile16" };

	for (size_t k = 0; k < 5; k++)
		ok(kt_check(t, names[k]) < 0 && strstr(t->err.text, names[k]) && strstr(t->err.text, k < 4 ? "mma.sync" : "ldmatrix"),
		   "%s: %s is refused by name: %s", be, names[k], t->err.text);
	is_int(kt_check(t, "mma"), 0, "%s: and the module's other kernels are not", be);
}

/* ---- nvcc's output ---- */

static uint16_t small_half(int v)
{
	static const uint16_t code[] = { 0, 0x3c00, 0x4000, 0x4200 };

	return v < 0 ? code[-v] | 0x8000 : code[v];
}

static int number(unsigned i, unsigned j, unsigned salt)
{
	return (int)((i * 7 + j * 13 + i * j * salt) % 7) - 3;
}

static void test_gemm(struct kt *t, const char *be, const char *kernel, struct kt_dim grid, unsigned threads)
{
	struct { uint16_t *a, *b; float *c; } p = { kt_alloc(t, 8192), kt_alloc(t, 8192), kt_alloc(t, 16384) };
	int bad = 0;

	for (unsigned i = 0; i < 64; i++)
		for (unsigned j = 0; j < 64; j++) {
			p.a[64 * i + j] = small_half(number(i, j, 3));
			p.b[64 * i + j] = small_half(number(i, j, 5));
		}
	is_int(KT_RUN(t, kernel, grid, KT1(threads), p), BE_RUN_DONE, "%s: %s", be, kernel);
	for (unsigned i = 0; i < 64; i++)
		for (unsigned j = 0; j < 64; j++) {
			int sum = 1;

			for (unsigned k = 0; k < 64; k++)
				sum += number(i, k, 3) * number(k, j, 5);
			bad += p.c[64 * i + j] != (float)sum * 0.5f;
		}
	is_int(bad, 0, "%s: multiplies 64 x 64", be);
}

static void test_bytes(struct kt *t, const char *be)
{
	struct { int8_t (*a)[32][4], (*b)[32][4]; int32_t (*c)[32]; } p = { kt_alloc(t, 512), kt_alloc(t, 256), kt_alloc(t, 512) };
	int32_t before[4][32];
	int bad = 0;

	for (unsigned n = 0; n < 512; n++)
		p.a[n / 128][n / 4 % 32][n % 4] = (int8_t)(n * 37 + 11);
	for (unsigned n = 0; n < 256; n++)
		p.b[n / 128][n / 4 % 32][n % 4] = (int8_t)(n * 91 + 5);
	for (unsigned n = 0; n < 128; n++)
		before[n / 32][n % 32] = p.c[n / 32][n % 32] = n % 3 ? n % 3 == 1 ? INT32_MAX - 1000 : INT32_MIN + 1000 : (int32_t)n;
	is_int(KT_RUN(t, "dot_s8", KT1(1), KT1(32), p), BE_RUN_DONE, "%s: dot_s8", be);
	for (unsigned l = 0; l < 32; l++)
		for (unsigned i = 0; i < 4; i++) {
			unsigned row = l / 4 + i / 2 * 8, col = l % 4 * 2 + i % 2;
			int64_t v = before[i][l], sum = 0;

			for (unsigned k = 0; k < 32; k++)
				sum += p.a[row / 8 + k / 16 * 2][row % 8 * 4 + k % 16 / 4][k % 4] * p.b[k / 16][col * 4 + k % 16 / 4][k % 4];
			for (unsigned n = 0; n < 4; n++) {
				v += sum;
				v = v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v;
			}
			bad += p.c[i][l] != v;
		}
	is_int(bad, 0, "%s: clamps at either end", be);
}

int main(void)
{
	char *cuda = kt_text("tensor.ptx");

	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		struct io p;
		struct kt t;

		kt_must_open(&t, *be, text);
		p.in = kt_alloc(&t, 512);
		p.out = kt_alloc(&t, 512);
		test_packed(&t, *be, &p);
		test_store(&t, *be, &p);
		test_warp(&t, *be, &p);
		test_addresses(&t, *be, &p);
		test_refused(&t, *be);
		kt_close(&t);

		kt_must_open(&t, *be, cuda);
		test_gemm(&t, *be, "gemm_wmma", (struct kt_dim){ 2, 2, 1 }, 128);
		test_gemm(&t, *be, "gemm_mma", KT1(4), 32);
		test_bytes(&t, *be);
		kt_close(&t);
	}
	free(cuda);
	return 0;
}
