/*
 * t/485: when what of a kernel is compiled: the half for lanes that agree at
 * first, the other one when it is needed, both at once for a large kernel,
 * better code for what runs long; what happens when that can't be done; and
 * code for any shape of a block, where there are too many to have one each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_jit.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

static const char text[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	/* rounds(out, n): thread t counts to t % n + 1; n 1: all agree */
	".visible .entry rounds(.param .u64 out, .param .u32 n)\n{\n"
	"	.reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %d<5>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u32 %r1, [n]; mov.u32 %r2, %tid.x; rem.u32 %r3, %r2, %r1; mov.u32 %r4, 0;\n"
	"AGAIN: add.u32 %r4, %r4, 1; setp.le.u32 %p1, %r4, %r3; @%p1 bra AGAIN;\n"
	"	mov.u32 %r5, %ctaid.x; mov.u32 %r6, %ntid.x; mad.lo.u32 %r7, %r5, %r6, %r2;\n"
	"	mul.wide.u32 %d2, %r7, 4; add.s64 %d3, %d1, %d2; st.global.u32 [%d3], %r4; ret;\n}\n"
	/* later(out, n): the same from block 4 on; before, all agree */
	".visible .entry later(.param .u64 out, .param .u32 n)\n{\n"
	"	.reg .pred %p<4>; .reg .b32 %r<9>; .reg .b64 %d<5>;\n"
	"	ld.param.u64 %d1, [out]; ld.param.u32 %r1, [n]; mov.u32 %r2, %tid.x; rem.u32 %r3, %r2, %r1; mov.u32 %r4, 0;\n"
	"	mov.u32 %r5, %ctaid.x; setp.lt.u32 %p2, %r5, 4; selp.u32 %r3, 0, %r3, %p2;\n"
	"AGAIN: add.u32 %r4, %r4, 1; setp.le.u32 %p1, %r4, %r3; @%p1 bra AGAIN;\n"
	"	mov.u32 %r6, %ntid.x; mad.lo.u32 %r7, %r5, %r6, %r2;\n"
	"	mul.wide.u32 %d2, %r7, 4; add.s64 %d3, %d1, %d2; st.global.u32 [%d3], %r4; ret;\n}\n"
	/* where(out): the thread's number, as x + 1000 y + 1000000 z; one block */
	".visible .entry where(.param .u64 out)\n{\n"
	"	.reg .b32 %r<9>; .reg .b64 %d<4>;\n"
	"	ld.param.u64 %d1, [out]; mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y;\n"
	"	mad.lo.u32 %r6, %r3, %r5, %r2; mad.lo.u32 %r6, %r6, %r4, %r1; mul.wide.u32 %d2, %r6, 4; add.s64 %d3, %d1, %d2;\n"
	"	mad.lo.u32 %r7, %r3, 1000, %r2; mad.lo.u32 %r7, %r7, 1000, %r1; st.global.u32 [%d3], %r7; ret;\n}\n";

static struct {
	unsigned world0, world1, whole, tier1, better1;   /* better1: tier 1 of world 1 */
	bool refuse;                       /* the other half */
	bool wider;                        /* the other half, as a cache has it, was made for larger gangs */
} asked;

static int generator(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err)
{
	asked.tier1 += r->tier == 1;
	asked.better1 += r->tier == 1 && (r->flags & GEN_F_WORLD_1);
	if (r->flags & GEN_F_WORLD_0)
		asked.world0++;
	else if (r->flags & GEN_F_WORLD_1)
		asked.world1++;
	else
		asked.whole++;
	if (asked.wider && r->best && (r->flags & GEN_F_WORLD_1)) {
		struct gen_request other = *r;

		other.warps = r->warps * 2;
		return gen_kernel(&other, out, err);
	}
	if (asked.refuse && (r->flags & GEN_F_WORLD_1))
		return vgpu_err_set(err, VGPU_E_INTERNAL, "no more of this");
	return gen_kernel(r, out, err);
}

static void start(struct kt *t, const char *ptx, bool refuse)
{
	kt_must_open(t, "simd", ptx);
	sd_jit_set_local(generator);
	memset(&asked, 0, sizeof(asked));
	asked.refuse = refuse;
}

static void run(struct kt *t, uint32_t n, unsigned blocks, const char *what)
{
	uint32_t bad = 0, *o = kt_alloc(t, blocks * 64 * 4);
	struct { void *o; uint32_t n; } p = { o, n };

	is_int(KT_RUN(t, "rounds", KT1(blocks), KT1(64), p), BE_RUN_DONE, "%s", what);
	for (uint32_t k = 0; k < blocks * 64; k++)
		bad += o[k] != k % 64 % n + 1;
	is_int(bad, 0, "%s: right in all threads", what);
}

static void test_halves(void)
{
	struct kt t;

	start(&t, text, false);
	run(&t, 1, 3, "lanes that agree");
	is_int(asked.world0, 1, "one half was made");
	is_int(asked.world1 + asked.whole, 0, "and nothing else");
	is_int(asked.tier1, 0, "quickly");
	kt_close(&t);
	start(&t, text, false);
	run(&t, 13, 3, "lanes that don't");
	is_int(asked.world0, 1, "one half was made");
	is_int(asked.world1, 1, "and the other one, once");
	is_int(asked.whole, 0, "nothing twice");
	kt_close(&t);
}

static void test_refused(void)
{
	struct kt t;
	uint32_t *o;

	start(&t, text, true);
	o = kt_alloc(&t, 64 * 4);
	struct { void *o; uint32_t n; } p = { o, 5 };

	is_int(KT_RUN(&t, "rounds", KT1(1), KT1(64), p), BE_RUN_FAULT, "the other half can't be made");
	is_int(t.fault.status, VGPU_E_LAUNCH_FAILED, "that is a failed launch");
	has_string(t.fault.text, "'rounds': no more of this", "which says why");
	p.n = 1;
	is_int(KT_RUN(&t, "rounds", KT1(1), KT1(64), p), BE_RUN_DONE, "lanes that agree don't need it");
	is_int(o[63], 1, "and have their results");
	kt_close(&t);
}

/* The same with so many instructions that both halves are made before anything runs. */
static void test_large(void)
{
	struct vgpu_buf big = { 0 };
	const char *at = strstr(text, "	mov.u32 %r5, %ctaid.x");
	struct kt t;

	vgpu_buf_add(&big, text, (size_t)(at - text));
	for (unsigned k = 0; k < 3200; k++)
		vgpu_buf_printf(&big, "	xor.b32 %%r4, %%r4, %u; xor.b32 %%r4, %%r4, %u;\n", k * 7 + 1, k * 7 + 1);
	vgpu_buf_add(&big, at, strlen(at) + 1);
	start(&t, big.data, false);
	run(&t, 1, 1, "a large kernel");
	is_int(asked.world0, 1, "one half was made");
	is_int(asked.world1, 1, "and the other one, before it was needed");
	kt_close(&t);
	start(&t, big.data, true);
	run(&t, 7, 1, "a large kernel that can't be compiled");
	kt_close(&t);
	vgpu_buf_free(&big);
}

static void test_better(void)
{
	struct kt t;

	setenv("VGPU_SIMD", "eager", 1);
	start(&t, text, false);
	for (unsigned k = 0; k < 4; k++)
		run(&t, 1, 5, "code that gets better");
	ok(asked.tier1 > 0, "tier 1 was asked for");
	is_int(asked.world1 + asked.whole, 0, "of the half that runs");
	for (unsigned k = 0; k < 4; k++)
		run(&t, 9, 5, "… while lanes part");
	ok(asked.whole > 0, "both halves in one were asked for");
	kt_close(&t);
	unsetenv("VGPU_SIMD");
}

/* A kernel whose lanes part once and then run long: it is the other half that has to become better. */
static void test_better_apart(void)
{
	uint32_t bad = 0, *o;
	struct kt t;

	setenv("VGPU_SIMD", "eager,halves", 1);
	start(&t, text, false);
	run(&t, 9, 5, "lanes that part, again and again");
	is_int(asked.better1, 1, "the half for them got better, once");
	is_int(asked.whole, 0, "by itself");
	kt_close(&t);
	start(&t, text, false);
	t.ahead = 2;   /* what has come meanwhile runs the next blocks */
	o = kt_alloc(&t, 12 * 64 * 4);
	struct { void *o; uint32_t n; } p = { o, 7 };

	is_int(KT_RUN(&t, "later", KT1(12), KT1(64), p), BE_RUN_DONE, "lanes agree for some blocks, and then part");
	for (uint32_t k = 0; k < 12 * 64; k++)
		bad += o[k] != (k < 4 * 64 ? 1 : k % 64 % 7 + 1);
	is_int(bad, 0, "right in all threads");
	is_int(asked.world0, 2, "the half for those that agree was made quickly, and well");
	is_int(asked.world1, 2, "so was the other one, later");
	is_int(asked.better1, 1, "… once each");
	kt_close(&t);
	unsetenv("VGPU_SIMD");
}

/* What the cache has is better, but doesn't fit: the other half is made anew. */
static void test_other_gang(void)
{
	struct kt t;

	start(&t, text, false);
	asked.wider = true;
	run(&t, 13, 3, "lanes that part, with a half for larger gangs at hand");
	is_int(asked.world1, 2, "it isn't taken");
	kt_close(&t);
}

static char why_not[512];

static void note(const char *kernel, const char *why)
{
	(void)kernel;
	snprintf(why_not, sizeof(why_not), "%s", why);
}

/* C++ makes names longer than what an error has room for. */
static void test_names(void)
{
	struct vgpu_buf ptx = { 0 };
	char name[700];
	struct kt t;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	vgpu_buf_printf(&ptx, ".version 7.0\n.target sm_70\n.address_size 64\n.func back(.reg .u32 n);\n"
			".func back(.reg .u32 n) { .reg .pred p; setp.eq.u32 p, n, 0; @p ret; call back, (n); ret; }\n"
			".visible .entry %s() { call back, (0); ret; }\n", name);
	kt_must_open(&t, "simd", ptx.data);
	sd_jit_set_local(generator);
	sd_jit_set_notice(note);
	is_int(kt_run(&t, name, KT1(1), KT1(32), "", 0), BE_RUN_DONE, "a kernel that is interpreted, of a very long name");
	has_string(why_not, "recursi", "the log has room for the reason");
	sd_jit_set_notice(NULL);
	kt_close(&t);
	vgpu_buf_free(&ptx);
}

/* Blocks of as many threads each, which is all that those that one code runs have in common. */
static void test_shapes(void)
{
	unsigned shapes = 0, bad = 0;
	struct kt t;

	start(&t, text, false);
	t.keep = true;
	for (unsigned x = 1; x <= 128; x *= 2)
		for (unsigned y = 1; x * y <= 128; y *= 2, shapes++) {
			struct kt_dim block = { x, y, 128 / x / y };
			uint32_t *o = kt_alloc(&t, 128 * 4);
			struct { void *o; } p = { o };

			if (KT_RUN(&t, "where", KT1(1), block, p) != BE_RUN_DONE)
				bad++;
			for (unsigned k = 0; k < 128; k++)
				bad += o[k] != k % x + k / x % y * 1000 + k / x / y * 1000000;
		}
	is_int(bad, 0, "%u shapes of blocks: all threads know which ones they are", shapes);
	ok(asked.world0 < shapes, "and not each shape has code of its own");
	kt_close(&t);
}

#define APART_REGS 200
#define APART_BLOCKS 160

static uint32_t apart(uint32_t t)
{
	uint32_t r[APART_REGS], sum = 0;

	for (uint32_t j = 0; j < APART_REGS; j++)
		r[j] = t * (j + 3);
	for (uint32_t k = 0; k < APART_BLOCKS; k++)
		for (uint32_t n = 0; n < 8 && (t >> k % 5 & 1); n++)
			r[(k * 8 + n) % APART_REGS] ^= r[(k * 8 + n + 7) % APART_REGS] * (k + 1);
	for (uint32_t j = 0; j < APART_REGS; j++)
		sum = sum * 5 + r[j];
	return sum;
}

static void apart_ptx(struct vgpu_buf *b)
{
	vgpu_buf_printf(b, ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry apart(.param .u64 out)\n{\n"
			"	.reg .pred %%p<2>; .reg .b32 %%r<%u>, %%t<9>; .reg .b64 %%d<5>;\n	mov.u32 %%t1, %%tid.x; mov.u32 %%t5, 0;\n", APART_REGS);
	for (unsigned j = 0; j < APART_REGS; j++)
		vgpu_buf_printf(b, "	mul.lo.u32 %%r%u, %%t1, %u;\n", j, j + 3);
	for (unsigned k = 0; k < APART_BLOCKS; k++) {
		vgpu_buf_printf(b, "	and.b32 %%t2, %%t1, %u; setp.eq.u32 %%p1, %%t2, 0; @%%p1 bra L%u;\n", 1u << k % 5, k);
		for (unsigned n = 0; n < 8; n++)
			vgpu_buf_printf(b, "	mul.lo.u32 %%t3, %%r%u, %u; xor.b32 %%r%u, %%r%u, %%t3;\n", (k * 8 + n + 7) % APART_REGS, k + 1,
					(k * 8 + n) % APART_REGS, (k * 8 + n) % APART_REGS);
		vgpu_buf_printf(b, "L%u:\n", k);
	}
	for (unsigned j = 0; j < APART_REGS; j++)
		vgpu_buf_printf(b, "	mad.lo.u32 %%t5, %%t5, 5, %%r%u;\n", j);
	vgpu_buf_printf(b, "	ld.param.u64 %%d1, [out]; mul.wide.u32 %%d2, %%t1, 4; add.s64 %%d3, %%d1, %%d2; st.global.u32 [%%d3], %%t5; ret;\n}\n");
}

/* Many blocks that lanes run apart, and many values that live over all of them: neither the compiler nor the stack may drown. */
static void test_apart(void)
{
	struct vgpu_buf b = { 0 };
	uint32_t bad = 0, *o;
	struct kt t;

	apart_ptx(&b);
	/* how long it runs on a busy machine isn't what this is about */
	setenv("VGPU_SIMD", "tier0", 1);
	start(&t, b.data, false);
	o = kt_alloc(&t, 64 * 4);
	struct { void *o; } p = { o };

	is_int(KT_RUN(&t, "apart", KT1(1), KT1(64), p), BE_RUN_DONE, "many values over many blocks");
	for (uint32_t k = 0; k < 64; k++)
		bad += o[k] != apart(k);
	is_int(bad, 0, "all right");
	is_int(asked.world0, 1, "half of the code was made");
	is_int(asked.world1, 1, "and the other half, at once");
	unsetenv("VGPU_SIMD");
	kt_close(&t);
	vgpu_buf_free(&b);
}

#define DEEP_REGS 2200

static int generate_deep(const struct ir_module *m, unsigned warps, struct vgpu_err *err)
{
	struct gen_request r = { .m = m, .block = { 256, 1, 1 }, .small_grid = true, .isa = SD_ISA_AVX512, .warps = warps };
	struct gen_object o;
	int rc = gen_kernel(&r, &o, err);

	if (!rc)
		gen_object_free(&o);
	return rc;
}

/* Code that would need more of the stack than threads have is refused. */
static void test_deep(void)
{
	struct vgpu_buf b = { 0 };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct kt t;

	vgpu_buf_printf(&b, ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry deep(.param .u64 out)\n{\n"
			"	.reg .b32 %%r<%u>; .reg .b32 %%t<3>; .reg .b64 %%d<2>;\n	ld.param.u64 %%d1, [out];\n", DEEP_REGS);
	for (unsigned j = 0; j < DEEP_REGS; j++)
		vgpu_buf_printf(&b, "	ld.global.u32 %%r%u, [%%d1+%u]; mov.u32 %%t1, %%laneid; xor.b32 %%r%u, %%r%u, %%t1; mul.lo.u32 %%r%u, %%r%u, %%r%u;\n", j,
				j * 4, j, j, j, j, j);
	vgpu_buf_printf(&b, "	bar.sync 0;\n	mov.u32 %%t2, 0;\n");
	for (unsigned j = 0; j < DEEP_REGS; j++)
		vgpu_buf_printf(&b, "	xor.b32 %%t2, %%t2, %%r%u;\n", j);
	vgpu_buf_printf(&b, "	st.global.u32 [%%d1], %%t2;\n	ret;\n}\n");
	kt_must_open(&t, "simd", b.data);
	is_int(generate_deep(t.m, 1, &err), 0, "values of a warp have room on the stack");
	is_int(generate_deep(t.m, 8, &err), -VGPU_E_NOT_SUPPORTED, "those of eight warps don't");
	has_string(err.text, "bytes of stack", "which the generator says");
	kt_close(&t);
	vgpu_buf_free(&b);
}

int main(void)
{
	unsetenv("VGPU_SIMD");
	plan_lazy();
	kt_backends();
	test_halves();
	test_refused();
	test_large();
	test_better();
	test_better_apart();
	test_other_gang();
	test_shapes();
	test_apart();
	test_deep();
	test_names();
	return 0;
}
