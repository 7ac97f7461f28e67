/*
 * t/472: single instructions run by interp's code in the midst of other code:
 * straight-line kernels, instruction by instruction, leave what interp leaves;
 * rows, masks, frames, faults, and what is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"
#include "backend/simd/sd_insn.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.8\n.target sm_100a\n.address_size 64\n"
#define REGS ".reg .pred %p<9>; .reg .b16 %h<9>; .reg .b32 %r<33>; .reg .b64 %rd<33>; .reg .f32 %f<9>; .reg .f64 %d<9>; .reg .b128 %q<4>;\n"
#define ENTRY(name, body) ".visible .entry " name "(.param .u64 out, .param .u64 in)\n{\n" REGS \
	"mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [out]; ld.param.u64 %rd2, [in]; mul.wide.u32 %rd1, %r0, 64; add.u64 %rd1, %rd0, %rd1;\n" \
	body "ret;\n}\n"

static const char text[] = HEAD
".extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 b);\n"
".extern .func (.param .b64 r) malloc (.param .b64 a);\n"
".extern .func free (.param .b64 a);\n"
".global .align 1 .b8 fmt[12] = { 116, 37, 100, 32, 37, 100, 10, 0, 0, 0, 0, 0 };\n"
".shared .align 16 .b8 sh[2048];\n"
ENTRY("alu",
	"mad.lo.u32 %r1, %r0, 7, %r0; add.cc.u32 %r2, %r1, 0xfffffff0; addc.u32 %r3, %r0, 0; setp.lt.u32 %p1|%p2, %r0, 40;\n"
	"@%p1 add.u32 %r1, %r1, 1000; @!%p1 mov.u32 %r3, 5; selp.u32 %r4, 1, 2, %p2; cvt.rn.f32.u32 %f1, %r0; sqrt.rn.f32 %f2, %f1; mov.b64 %rd3, {%r1, %r4};\n"
	"mov.u32 %r5, %laneid; mov.u32 %r6, %lanemask_lt; mov.u32 %r7, %ctaid.x; mov.u32 %r8, %warpid; vadd.u32.u32.u32 %r9, %r1.b0, %r2.h1;\n"
	"st.global.v4.u32 [%rd1], {%r1, %r2, %r3, %r4}; st.global.v2.u32 [%rd1+16], {%r5, %r6}; st.global.f32 [%rd1+24], %f2; st.global.u32 [%rd1+28], %r7;\n"
	"st.global.u64 [%rd1+32], %rd3; st.global.v2.u32 [%rd1+40], {%r8, %r9};\n"
	"shl.b32 %r10, %r0, 10; mov.b32 %f3, %r10; mul.f32 %f3, %f3, 0f3F400000; cvt.f64.f32 %d1, %f3; st.global.f64 [%rd1+48], %d1; st.global.f32 [%rd1+56], %f3;\n")
ENTRY("memory",
	".local .align 8 .b8 loc[64]; mov.u32 %r20, sh; mad.lo.u32 %r21, %r0, 16, %r20; mul.wide.u32 %rd3, %r0, 16; add.u64 %rd4, %rd2, %rd3;\n"
	"cp.async.ca.shared.global [%r21], [%rd4], 16; cp.async.commit_group; cp.async.wait_all; ld.shared.v4.u32 {%r1, %r2, %r3, %r4}, [%r21];\n"
	"st.local.v2.u32 [loc+8], {%r1, %r0}; cvta.local.u64 %rd5, loc; mov.u64 %rd6, loc; ld.u64 %rd7, [%rd5+8]; isspacep.local %p1, %rd5; isspacep.shared %p2, %rd5;\n"
	"selp.u32 %r5, 1, 0, %p1; selp.u32 %r6, 1, 0, %p2; ld.global.b128 %q0, [%rd4]; atom.global.exch.b128 %q1, [%rd4], %q0; st.global.b128 [%rd1], %q1;\n"
	"atom.shared.add.u32 %r7, [%r21], 3; atom.global.v2.f32.add {%f1, %f2}, [%rd4], {0f3f800000, 0f40000000}; st.global.v2.u32 [%rd1+16], {%r5, %r6};\n"
	"st.global.u64 [%rd1+24], %rd7; st.global.v2.u32 [%rd1+32], {%r7, %r3}; ld.shared.u32 %r8, [%r21]; st.global.v2.f32 [%rd1+40], {%f1, %f2}; st.global.u32 [%rd1+48], %r8;\n")
ENTRY("mbar",
	"mov.u32 %r20, sh; mad.lo.u32 %r21, %r0, 8, %r20; mbarrier.init.shared.b64 [%r21], 2; mbarrier.arrive.shared.b64 %rd3, [%r21]; mbarrier.arrive.shared.b64 %rd4, [%r21];\n"
	"mbarrier.test_wait.shared.b64 %p1, [%r21], %rd3; selp.u32 %r1, 1, 0, %p1; st.global.u32 [%rd1], %r1; st.global.u64 [%rd1+8], %rd3;\n")
ENTRY("lanes",
	"shfl.sync.up.b32 %r1|%p1, %r0, 3, 0x1800, -1; selp.u32 %r2, 1, 0, %p1; and.b32 %r3, %r0, 24; shl.b32 %r4, 255, %r3; redux.sync.add.u32 %r5, %r0, %r4;\n"
	"and.b32 %r6, %r0, 1; setp.eq.u32 %p2, %r6, 0; @%p2 activemask.b32 %r7; @!%p2 mov.u32 %r7, 0; @%p2 vote.sync.ballot.b32 %r8, 1, 0x55555555; @!%p2 mov.u32 %r8, 1;\n"
	"match.any.sync.b32 %r9, %r6, %r4; membar.gl; nanosleep.u32 100; bar.warp.sync -1;\n"
	"st.global.v4.u32 [%rd1], {%r1, %r2, %r5, %r7}; st.global.v2.u32 [%rd1+16], {%r8, %r9};\n")
ENTRY("services",
	".local .align 8 .b8 args[16]; .param .b64 a0; .param .b64 a1; .param .b32 r0; .param .b64 m0; .param .b64 m1; .param .b64 z0;\n"
	"st.local.v2.u32 [args], {%r0, 77}; mov.u64 %rd3, fmt; cvta.global.u64 %rd3, %rd3; cvta.local.u64 %rd4, args; st.param.b64 [a0], %rd3; st.param.b64 [a1], %rd4;\n"
	"setp.lt.u32 %p1, %r0, 3; @%p1 call.uni (r0), vprintf, (a0, a1); @%p1 ld.param.b32 %r1, [r0]; @!%p1 mov.u32 %r1, 9;\n"
	"st.param.b64 [m1], 24; call.uni (m0), malloc, (m1); ld.param.b64 %rd5, [m0]; setp.ne.u64 %p2, %rd5, 0; selp.u32 %r2, 1, 0, %p2; st.param.b64 [z0], %rd5; call.uni free, (z0);\n"
	"stacksave.u64 %rd6; alloca.u64 %rd7, 32, 16; cvta.local.u64 %rd8, %rd7; st.u32 [%rd8], %r0; ld.local.u32 %r3, [%rd7]; stackrestore.u64 %rd6;\n"
	"st.global.v4.u32 [%rd1], {%r1, %r2, %r3, %r0};\n")
ENTRY("refused", "L: bar.sync 0; setp.eq.u32 %p1, %r0, 99; @%p1 bra L; barrier.cluster.arrive; exit;\n")
ENTRY("faults",
	"add.u64 %rd3, %rd0, 2; ld.global.u32 %r1, [%rd3]; ld.shared.u32 %r1, [0xfffff0]; trap; mov.u64 %rd4, 8; st.u32 [%rd4], %r0; ld.global.u32 %r1, [%rd2];\n"
	"sub.u32 %r2, 31, %r0; mov.u32 %r3, 1; shl.b32 %r3, %r3, %r2; mov.u32 %r5, 1; shl.b32 %r4, %r5, %r0; or.b32 %r3, %r3, %r4; setp.eq.u32 %p1, %r0, 0; @%p1 or.b32 %r3, %r3, 2;\n"
	"vote.sync.ballot.b32 %r6, 1, %r3; atom.shared.add.u32 %r1, [%rd4], 1;\n")
".func (.param .b32 r) leaf(.param .b32 a)\n{\n .reg .b32 %r<4>; .local .b32 v[4];\n"
"ld.param.u32 %r0, [a]; add.u32 %r0, %r0, 5; st.local.u32 [v+8], %r0; ld.local.u32 %r1, [v+8]; st.param.b32 [r], %r1; ret;\n}\n"
ENTRY("caller", ".param .b32 x; .param .b32 y; st.param.b32 [x], %r0; call (y), leaf, (x); ld.param.b32 %r1, [y]; st.global.u32 [%rd1], %r1;\n");

#define THREADS 80   /* two and a half warps */

static struct kt t;

/* A block run by shims, all of its instructions by reference. */
struct run {
	struct be_kernel *ik;
	const struct in_func *f;
	struct sd_insns *s;
	struct sd_shim *h;
	struct be_launch l;
	struct sd_ctx c;
	struct be_fault fault;
	uint8_t *shared, *local;
	uint64_t params[2];
	struct sd_ref refs[128];
	uint32_t n, W;
};

static bool is_end(const struct ir_insn *i)
{
	return i->op == IR_OP_ret || i->op == IR_OP_exit;
}

static void add_refs(struct run *r, int func, uint32_t local_off)
{
	const struct ir_func *f = &t.m->funcs[func];

	for (uint32_t b = 0; b < f->n_blocks; b++)
		for (uint32_t k = 0; k < f->blocks[b].n_insns; k++)
			if (!is_end(&f->blocks[b].insns[k]))
				r->refs[r->n++] = (struct sd_ref){ .func = (uint32_t)func, .block = b, .index = k, .local_off = local_off };
}

static void open_kernel(struct run *r, const char *name)
{
	int f = ir_module_find_func(t.m, name);

	memset(r, 0, sizeof(*r));
	if (be_interp.kernel_new(&r->ik, t.bm, (uint32_t)f, &t.err))
		bail("%s", t.err.text);
	r->f = r->ik->funcs[f];
	add_refs(r, f, 0);
}

static void open_run(struct run *r, uint32_t W, uint64_t out, uint64_t in)
{
	uint64_t stride = 2048;

	r->W = W;
	if (sd_insns_new(&r->s, r->ik, W, r->refs, r->n, &t.err))
		bail("%s", t.err.text);
	r->h = sd_shim_new(r->s);
	r->params[0] = out;
	r->params[1] = in;
	r->l = (struct be_launch){ .services = &t.s, .grid = { 3, 1, 1 }, .block = { THREADS, 1, 1 }, .cluster = { 1, 1, 1 },
				   .params = (const uint8_t *)r->params, .param_bytes = 16, .stack_B = 1024 };
	r->shared = calloc(1, 65536);
	r->local = calloc(256, stride);
	r->c = (struct sd_ctx){ .params = (const uint8_t *)r->params, .shared = r->shared, .local_stride = stride,
				.shared_B = IN_SHARED_RESERVED + r->ik->shared_static };
	r->c.rows = aligned_alloc(64, sd_insns_rows(r->s) * W * 8 + 64);
	memset(r->c.rows, 0, sd_insns_rows(r->s) * W * 8);
	sd_shim_start(r->h, &r->l, 0, 512);
}

static void close_run(struct run *r)
{
	sd_shim_free(r->h);
	sd_insns_free(r->s);
	be_interp.kernel_free(r->ik);
	free(r->shared);
	free(r->local);
	free(r->c.rows);
}

static uint64_t *cell(struct run *r, uint32_t row, uint32_t lane)
{
	return &r->c.rows[((size_t)row * (r->W / 32) + lane / 32) * 32 + lane % 32];
}

static void set_gang(struct run *r, uint32_t gang)
{
	r->c.gang = gang;
	r->c.local = r->local + (uint64_t)gang * r->W * r->c.local_stride;
}

/* Threads that exist and pass the guard. */
static void set_mask(struct run *r, const struct ir_insn *i)
{
	memset(r->c.mask, 0, sizeof(r->c.mask));
	for (uint32_t l = 0; l < r->W && r->c.gang * r->W + l < THREADS; l++)
		if (!i->guard || (*cell(r, r->f->reg_row[i->guard - 1], l) & 1) != i->guard_neg)
			r->c.mask[l / 32] |= 1u << l % 32;
}

static bool run_ref(struct run *r, uint32_t ref)
{
	set_mask(r, sd_insns_ir(r->s, ref));
	return sd_shim_run(r->h, &r->c, ref, &r->fault);
}

static uint64_t buffer(uint64_t *in_out)
{
	uint8_t *out = kt_alloc(&t, 128 * 64), *in = kt_alloc(&t, 128 * 16);

	for (int n = 0; n < 128 * 16; n++)
		in[n] = (uint8_t)(n * 7 % 120);
	*in_out = (uint64_t)(uintptr_t)in;
	return (uint64_t)(uintptr_t)out;
}

/* flush: with the processor's flushing on, as a kernel may run. */
static bool run_all(struct run *r, bool flush)
{
	uint32_t plain = __builtin_ia32_stmxcsr(), csr = flush ? plain | 0x8040 : plain;
	bool good = true;

	for (uint32_t g = 0; g * r->W < THREADS; g++) {
		set_gang(r, g);
		for (uint32_t n = 0; n < r->n && good; n++) {
			__builtin_ia32_ldmxcsr(csr);
			good = run_ref(r, n) && (__builtin_ia32_stmxcsr() & 0x8040) == (csr & 0x8040);
			__builtin_ia32_ldmxcsr(plain);
		}
	}
	return good;
}

static void test_same(const char *name, uint32_t W)
{
	uint64_t in[2], out[2] = { buffer(&in[0]), buffer(&in[1]) }, params[2] = { out[0], in[0] };
	struct run r;
	char *printed;
	bool good;

	vgpu_buf_reset(&t.printed);
	if (KT_RUN(&t, name, KT1(1), KT1(THREADS), params) != BE_RUN_DONE)
		diag("%s: %s %s", name, t.fault.text, t.err.text);
	printed = strdup(vgpu_buf_text(&t.printed));
	vgpu_buf_reset(&t.printed);
	open_kernel(&r, name);
	open_run(&r, W, out[1], in[1]);
	good = run_all(&r, W == 64);
	if (!good)
		diag("%s", r.fault.text);
	ok(good && !memcmp((void *)(uintptr_t)out[0], (void *)(uintptr_t)out[1], 128 * 64) &&
	   !memcmp((void *)(uintptr_t)in[0], (void *)(uintptr_t)in[1], 128 * 16), "%s, gangs of %u: memory as interp leaves it", name, W);
	is_string(vgpu_buf_text(&t.printed), printed, "%s, gangs of %u: printed the same", name, W);
	free(printed);
	close_run(&r);
}

/* Lanes outside of the mask keep what they have; other gangs' numbers. */
static void test_mask(void)
{
	struct run r;
	uint32_t d, a, good = 0;

	open_kernel(&r, "alu");
	open_run(&r, 64, 0, 0);
	set_gang(&r, 1);
	/* mad.lo.u32 %r1, %r0, 7, %r0 */
	d = r.f->reg_row[sd_insns_ir(r.s, 5)->dst[0].reg];
	a = r.f->reg_row[sd_insns_ir(r.s, 5)->src[0].reg];
	for (uint32_t l = 0; l < 64; l++) {
		*cell(&r, a, l) = l;
		*cell(&r, d, l) = 0xdead;
	}
	r.c.mask[0] = 0x80000001;
	r.c.mask[1] = 0x10;
	ok(sd_shim_run(r.h, &r.c, 5, &r.fault), "one instruction runs");
	for (uint32_t l = 0; l < 64; l++)
		good += *cell(&r, d, l) == (l == 0 || l == 31 || l == 36 ? l * 8 : 0xdead);
	is_int(good, 64, "only lanes in the mask change");
	memset(r.c.mask, 0, sizeof(r.c.mask));
	ok(sd_shim_run(r.h, &r.c, 5, &r.fault), "no lanes: nothing to do");
	close_run(&r);
}

static void expect_fault(struct run *r, uint32_t ref, int status, const char *what, const char *name)
{
	bool ran = run_ref(r, ref);

	ok(!ran && r->c.why == SD_WHY_FAULT && r->fault.status == status, "%s: a fault of its kind", name);
	has_string(r->fault.text, what, "%s: says so", name);
}

static void test_guarded(struct run *r, uint32_t ref)
{
	set_mask(r, sd_insns_ir(r->s, ref));
	if (be_guard_enter()) {
		ok(sd_shim_guard_fault(r->h), "an unmapped page: it was in the shim");
		is_int(r->fault.status, VGPU_E_ILLEGAL_ADDRESS, "an unmapped page: illegal address");
		has_string(r->fault.text, "no memory there", "an unmapped page: says so");
		ok(!sd_shim_guard_fault(r->h), "once");
		return;
	}
	sd_shim_run(r->h, &r->c, ref, &r->fault);
	be_guard_leave();
	ok(0, "an unmapped page was read");
}

static void test_fault(struct run *r, uint32_t ref, unsigned nth)
{
	switch (nth) {
	case 0:
		expect_fault(r, ref, VGPU_E_MISALIGNED, "misaligned read of 4 bytes", "ld");
		is_int(r->fault.thread[0], 0, "it names the thread");
		ok(r->fault.ptx_line != 0, "and the line");
		return;
	case 1: expect_fault(r, ref, VGPU_E_ILLEGAL_ADDRESS, "illegal read of 4 bytes at 0xfffff0 of shared memory", "ld.shared"); return;
	case 2: expect_fault(r, ref, VGPU_E_LAUNCH_FAILED, "trap", "trap"); return;
	case 3: expect_fault(r, ref, VGPU_E_ILLEGAL_ADDRESS, "illegal write of 4 bytes at 0x8", "st"); return;
	case 4: test_guarded(r, ref); return;
	case 5: expect_fault(r, ref, VGPU_E_ILLEGAL_INSTRUCTION, "name different lanes", "lanes that name each other in part"); return;
	default:
		sd_shim_fault(r->h, &r->c, ref, VGPU_E_MISALIGNED, 35, 0x22, &r->fault);
		is_string(r->fault.text, "misaligned write of 4 bytes at 0x22", "a fault that the code found itself");
		is_int(r->fault.thread[0], 35, "in its thread");
	}
}

static bool may_fault(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_ld: return i->space != IR_SPACE_PARAM;
	case IR_OP_st:
	case IR_OP_trap:
	case IR_OP_vote:
	case IR_OP_atom: return true;
	}
	return false;
}

static void test_faults(void)
{
	uint64_t in, out = buffer(&in);
	unsigned nth = 0;
	struct run r;

	open_kernel(&r, "faults");
	open_run(&r, 64, out, KT_WINDOW + (512 << 20));
	set_gang(&r, 0);
	for (uint32_t n = 0; n < r.n; n++)
		if (may_fault(sd_insns_ir(r.s, n)))
			test_fault(&r, n, nth++);
		else
			run_ref(&r, n);
	is_int(nth, 7, "all of them");
	close_run(&r);
}

static void test_refused(void)
{
	struct sd_ref bad = { .func = 0, .block = 77 };
	struct sd_insns *none;
	struct run r;
	unsigned refused = 0;
	int f = ir_module_find_func(t.m, "refused");

	open_kernel(&r, "refused");
	for (uint32_t b = 0; b < t.m->funcs[f].n_blocks; b++)
		for (uint32_t n = 0; n < t.m->funcs[f].blocks[b].n_insns; n++)
			if (is_end(&t.m->funcs[f].blocks[b].insns[n]))
				r.refs[r.n++] = (struct sd_ref){ .func = (uint32_t)f, .block = b, .index = n };
	open_run(&r, 32, 0, 0);
	set_gang(&r, 0);
	for (uint32_t n = 0; n < r.n; n++) {
		r.c.mask[0] = 1;
		if (sd_shim_run(r.h, &r.c, n, &r.fault))
			continue;
		refused++;
		has_string(r.fault.text, "it can't run by itself", "%s: refused", sd_insns_ir(r.s, n)->spelling);
	}
	ok(refused >= 4, "what leaves or waits is refused");
	is_int(sd_insns_new(&none, r.ik, 32, &bad, 1, &t.err), -VGPU_E_INVALID, "no such instruction");
	close_run(&r);
}

/* A function's frame in local memory, as inlined code has it. */
static void test_frame(void)
{
	uint64_t in, out = buffer(&in);
	uint32_t *at = (uint32_t *)(uintptr_t)out;
	int leaf = ir_module_find_func(t.m, "leaf");
	struct run r;
	uint32_t v = 41;

	open_kernel(&r, "caller");
	r.n = 0;
	add_refs(&r, leaf, 96);
	open_run(&r, 32, out, in);
	set_gang(&r, 0);
	for (uint32_t l = 0; l < 32; l++)
		memcpy(r.local + l * r.c.local_stride + 96 + t.m->funcs[leaf].proto.params[0].offset, &v, 4);
	for (uint32_t n = 0; n < r.n; n++)
		run_ref(&r, n);
	memcpy(at, r.local + 9 * r.c.local_stride + 96 + t.m->funcs[leaf].proto.rets[0].offset, 4);
	is_int(at[0], 46, "a function's instructions in the frame given");
	close_run(&r);
}

int main(void)
{
	static const char *const names[] = { "alu", "memory", "mbar", "lanes", "services" };

	plan_lazy();
	kt_must_open(&t, "interp", text);
	for (size_t n = 0; n < ARRAY_SIZE(names); n++)
		for (uint32_t W = 32; W <= 128; W *= 2)
			test_same(names[n], W);
	test_mask();
	test_faults();
	test_refused();
	test_frame();
	kt_close(&t);
	return 0;
}
