/*
 * 220-session: everything that a client asks of an engine, over each
 * transport, with an engine in this process and with a sandboxed worker.
 */
#include <string.h>
#include <unistd.h>
#include <time.h>

#include "t/lib/session.h"
#include "t/lib/tap.h"
#include "util/sys.h"

static const char PTX[] =
	".version 9.0\n.target sm_90\n.address_size 64\n"
	".visible .global .align 4 .u32 value = 77;\n"
	".visible .global .align 8 .b64 table[2] = {generic(value), 5};\n"
	".visible .const .align 4 .u32 scale = 3;\n"
	".visible .entry add(.param .u64 p, .param .u32 n, .param .u32 v)\n{\n"
	"	.reg .pred %p1; .reg .b32 %r<8>; .reg .b64 %rd<4>;\n"
	"	ld.param.u64 %rd1, [p]; ld.param.u32 %r1, [n]; ld.param.u32 %r2, [v];\n"
	"	mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mov.u32 %r5, %tid.x;\n"
	"	mad.lo.s32 %r6, %r3, %r4, %r5;\n"
	"	setp.ge.u32 %p1, %r6, %r1; @%p1 bra DONE;\n"
	"	mul.wide.u32 %rd2, %r6, 4; add.s64 %rd3, %rd1, %rd2;\n"
	"	ld.global.u32 %r7, [%rd3]; add.u32 %r7, %r7, %r2; st.global.u32 [%rd3], %r7;\n"
	"DONE: ret;\n}\n"
	".visible .entry wild(.param .u64 p)\n{\n"
	"	.reg .b64 %rd1; .reg .b32 %r1;\n"
	"	ld.param.u64 %rd1, [p]; mov.u32 %r1, 1; st.global.u32 [%rd1], %r1; ret;\n}\n"
	".visible .entry endless()\n{\nL: bra L;\n}\n"
	/* block n waits until block n+1 has set its flag: the last block must start while all others wait */
	".visible .entry chain(.param .u64 p)\n{\n"
	"	.reg .pred %p<3>; .reg .b32 %r<8>; .reg .b64 %rd<5>;\n"
	"	ld.param.u64 %rd1, [p]; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %nctaid.x; add.u32 %r3, %r1, 1;\n"
	"	mul.wide.u32 %rd2, %r1, 4; add.s64 %rd3, %rd1, %rd2;\n"
	"	setp.eq.u32 %p1, %r3, %r2; @%p1 bra SET;\n"
	"WAIT: ld.volatile.global.u32 %r4, [%rd3+4]; setp.eq.u32 %p2, %r4, 0; @%p2 bra WAIT;\n"
	"SET: mov.u32 %r5, 1; st.volatile.global.u32 [%rd3], %r5; ret;\n}\n";

static struct tr_session *s;
static uint32_t ctx, q1, q2;

static uint64_t submit(uint32_t q, struct vgp_cmd c, const void *in, size_t len)
{
	uint64_t seq = 0;
	struct vgpu_err err = VGPU_ERR_INIT;

	c.queue = q;
	if (tr_submit(s, &c, in, len, &seq, &err))
		diag("submit: %s", err.text);
	return seq;
}

static int finish(uint32_t q)
{
	return tr_wait(s, ctx, q, tr_submitted(s, q), 20000000000ull);
}

static void test_basics(void)
{
	struct vgp_cmd c = { .op = VGP_OP_PING, .a.PING.cookie = 0x123456789abcdef0ull };
	struct vgp_reply r;
	uint64_t a, b;

	is_int(tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL), 0, "PING is answered");
	is_hex(r.r.PING.cookie, 0x123456789abcdef0ull, "with its cookie");
	c = (struct vgp_cmd){ .op = VGP_OP_CTX_CREATE, .a.CTX_CREATE.flags = ~0u };
	is_int(tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL), -VGPU_E_INVALID, "a context with flags that nobody knows is refused");
	ctx = session_ctx(s);
	c = (struct vgp_cmd){ .op = VGP_OP_CHECK_DRAIN, .a.CHECK_DRAIN = { .ctx = ctx } };
	is_int(tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL), -VGPU_E_INVALID, "one that isn't checked has no reports");
	c.a.CHECK_DRAIN.ctx = 200;
	is_int(tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL), -VGPU_E_INVALID_CONTEXT, "nor has one that isn't there");
	c.a.CHECK_DRAIN.flags = 4;
	is_int(tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL), -VGPU_E_INVALID, "nor by flags that nobody knows");
	q1 = session_queue(s, ctx);
	q2 = session_queue(s, ctx);
	ok(ctx && q1 != q2, "a context and two queues");
	a = session_alloc(s, ctx, 1, VGP_MEM_DEVICE);
	b = session_alloc(s, ctx, 1000, VGP_MEM_DEVICE);
	ok(a && b && a % 512 == 0 && b % 512 == 0 && a != b, "small allocations at multiples of 512");
	is_int(session_free(s, a), 0, "are freed");
	is_int(session_free(s, a), -VGPU_E_INVALID, "once");
	is_int(session_free(s, b + 256), -VGPU_E_INVALID, "at their begin only");
	is_int(session_free(s, b), 0, "…");
	a = session_alloc(s, ctx, 65ull << 20, VGP_MEM_DEVICE);
	ok(!a, "more than the device's memory is refused");
	a = session_alloc(s, ctx, 60ull << 20, VGP_MEM_DEVICE);
	ok(a != 0, "nearly all of it is not");
	b = session_alloc(s, ctx, 8ull << 20, VGP_MEM_DEVICE);
	ok(!b, "then 8 MiB more are too much");
	b = session_alloc(s, ctx, 8ull << 20, VGP_MEM_HOST);
	ok(b != 0, "but as host memory they are not counted");
	session_free(s, b);
	session_free(s, a);
	c = (struct vgp_cmd){ .op = VGP_OP_MEM_INFO };
	is_int(tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL), 0, "MEM_INFO");
	ok(r.r.MEM_INFO.total == 64ull << 20 && r.r.MEM_INFO.free == r.r.MEM_INFO.total, "says that all is free again");
}

static void test_memory(void)
{
	static uint8_t w[3 << 20], r[3 << 20];
	uint64_t win, win_size, a = session_alloc(s, ctx, sizeof(w), VGP_MEM_DEVICE), b = session_alloc(s, ctx, sizeof(w), VGP_MEM_DEVICE);
	struct vgp_copy3d box = { .dst = b, .src = a, .dst_pitch = 100, .src_pitch = 256, .dst_slice = 1000, .src_slice = 2560,
				  .width = 64, .height = 10, .depth = 5 };
	size_t bad = 0;

	tr_window(s, &win, &win_size);
	ok(a - win >= 65536 && win + win_size - a - sizeof(w) >= 65536, "the window's ends are kept free: registers that displacements are added to may be there");
	for (size_t i = 0; i < sizeof(w); i++)
		w[i] = (uint8_t)(i * 7 + i / 1000);
	is_int(tr_mem_write(s, a, w, sizeof(w), NULL), 0, "3 MiB are written");
	is_int(tr_mem_read(s, a, r, sizeof(r), NULL), 0, "and read");
	is_blob(r, w, sizeof(w), "and are the same");
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_COPY, .a.COPY = { b, a, sizeof(w) } }, NULL, 0);
	is_int(finish(q1), 0, "a copy of 3 MiB");
	tr_mem_read(s, b, r, sizeof(r), NULL);
	is_blob(r, w, sizeof(w), "arrives");
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_FILL, .a.FILL = { .dst = b, .pitch = 300000, .width = 75000, .height = 10, .value = 0x11223344, .elem_B = 4 } }, NULL, 0);
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_FILL, .a.FILL = { .dst = b + 3, .pitch = 10, .width = 3, .height = 2, .value = 0xabcd, .elem_B = 1 } }, NULL, 0);
	finish(q1);
	tr_mem_read(s, b, r, sizeof(r), NULL);
	ok(r[0] == 0x44 && r[3] == 0xcd && r[5] == 0xcd && r[6] == 0x22 && r[13] == 0xcd && r[299999] == 0x11 && r[2999999] == 0x11 &&
	   r[3000000] == w[3000000], "fills of both kinds");
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_COPY_3D }, &box, sizeof(box));
	is_int(finish(q1), 0, "a copy of a box");
	tr_mem_read(s, b, r, sizeof(r), NULL);
	for (unsigned z = 0; z < 5; z++)
		for (unsigned y = 0; y < 10; y++)
			bad += memcmp(r + z * 1000 + y * 100, w + z * 2560 + y * 256, 64) != 0;
	is_int((long long)bad, 0, "has all rows in place");
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_WRITE, .a.WRITE = { .dst = b + 5 } }, "hello", 5);
	finish(q1);
	tr_mem_read(s, b, r, 10, NULL);
	is_blob(r + 5, "hello", 5, "WRITE brings its bytes");
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_FREE, .a.FREE = { .addr = b } }, NULL, 0);
	is_int(finish(q1), 0, "queued FREE");
	is_int(session_free(s, b), -VGPU_E_INVALID, "has freed it");
	session_free(s, a);
	is_int(tr_mem_read(s, 0x1000, r, 1, NULL), -VGPU_E_ILLEGAL_ADDRESS, "memory outside the window is refused");
}

static void test_queues(void)
{
	uint64_t v = session_alloc(s, ctx, 4096, VGP_MEM_DEVICE), seq, ns1, ns2;
	struct vgp_cmd c;
	struct vgp_reply r;
	uint32_t word = 0;

	tr_mem_write(s, v, &word, 4, NULL);
	/* q2 waits for q1, which waits for the host */
	seq = submit(q1, (struct vgp_cmd){ .op = VGP_OP_HOST_WAIT }, NULL, 0);
	submit(q2, (struct vgp_cmd){ .op = VGP_OP_QUEUE_WAIT_ON, .a.QUEUE_WAIT_ON = { .value = seq, .on_queue = q1 } }, NULL, 0);
	submit(q2, (struct vgp_cmd){ .op = VGP_OP_VALUE_WRITE, .a.VALUE_WRITE = { .addr = v, .value = 5, .width_B = 4 } }, NULL, 0);
	is_int(tr_wait(s, ctx, q2, tr_submitted(s, q2), 20000000), -VGPU_E_NOT_READY, "a queue waits for another one's host function");
	is_int(tr_wait(s, ctx, q1, seq, 0), -VGPU_E_NOT_READY, "which waits, too");
	tr_mem_read(s, v, &word, 4, NULL);
	is_int(word, 0, "nothing behind it happens");
	c = (struct vgp_cmd){ .op = VGP_OP_HOST_DONE, .a.HOST_DONE = { .value = seq, .queue = q1 } };
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), 0, "HOST_DONE");
	is_int(finish(q2), 0, "lets both go on");
	is_int(finish(q1), 0, "…");
	tr_mem_read(s, v, &word, 4, NULL);
	is_int(word, 5, "in order");
	/* values */
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_VALUE_WAIT, .a.VALUE_WAIT = { .addr = v, .value = 9, .width_B = 4, .op = VGP_VALUE_GEQ } }, NULL, 0);
	is_int(tr_wait(s, ctx, q1, tr_submitted(s, q1), 20000000), -VGPU_E_NOT_READY, "a queue waits for a value");
	submit(q2, (struct vgp_cmd){ .op = VGP_OP_VALUE_WRITE, .a.VALUE_WRITE = { .addr = v, .value = 10, .width_B = 4 } }, NULL, 0);
	is_int(finish(q1), 0, "until another one writes it");
	/* events */
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_EVENT_RECORD, .a.EVENT_RECORD = { .event = 1 } }, NULL, 0);
	finish(q1);
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_EVENT_RECORD, .a.EVENT_RECORD = { .event = 2 } }, NULL, 0);
	finish(q1);
	c = (struct vgp_cmd){ .op = VGP_OP_EVENT_TIME, .a.EVENT_TIME = { .event = 1 } };
	tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL);
	ns1 = r.r.EVENT_TIME.ns;
	c.a.EVENT_TIME.event = 2;
	tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL);
	ns2 = r.r.EVENT_TIME.ns;
	ok(ns1 && ns2 > ns1, "events have times that grow");
	c.a.EVENT_TIME.event = 3;
	tr_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL);
	is_int((long long)r.r.EVENT_TIME.ns, 0, "an event that was never recorded has none");
	/* many commands */
	for (int i = 0; i < 10000; i++)
		submit(q1, (struct vgp_cmd){ .op = VGP_OP_VALUE_WRITE, .a.VALUE_WRITE = { .addr = v, .value = (uint64_t)i, .width_B = 8 } }, NULL, 0);
	is_int(finish(q1), 0, "10000 commands");
	tr_mem_read(s, v, &word, 4, NULL);
	is_int(word, 9999, "the last one is last");
	session_free(s, v);
}

static void test_modules(void)
{
	uint32_t m, f, w = 0, grid[3] = { 5, 1, 1 }, block[3] = { 256, 1, 1 };
	struct vgp_cmd c = { .op = VGP_OP_GLOBAL_GET };
	struct { uint64_t p; uint32_t n, v; } args;
	static uint32_t data[1200];
	const char *log;
	struct vgp_reply r;
	uint64_t table[2], value;
	unsigned bad = 0;

	is_int(session_module(s, ctx, ".version 9.0\n.target sm_90\n.address_size 64\n.entry x() { bogus.u32 %r1; }\n", &m, &log),
	       -VGPU_E_INVALID_PTX, "bad PTX is refused");
	has_string(log, "bogus", "with a log");
	is_int(session_module(s, ctx, PTX, &m, &log), 0, "good PTX is loaded");
	diag("%s", log);
	c.a.GLOBAL_GET.module = m;
	is_int(tr_call(s, &c, "value", 5, &r, NULL, 0, NULL, NULL), 0, "a variable");
	value = r.r.GLOBAL_GET.addr;
	is_int((long long)r.r.GLOBAL_GET.size, 4, "has its size");
	tr_mem_read(s, value, &w, 4, NULL);
	is_int(w, 77, "and its first value");
	is_int(tr_call(s, &c, "table", 5, &r, NULL, 0, NULL, NULL), 0, "a table");
	tr_mem_read(s, r.r.GLOBAL_GET.addr, table, sizeof(table), NULL);
	ok(table[0] == value && table[1] == 5, "holds another variable's address");
	is_int(tr_call(s, &c, "scale", 5, &r, NULL, 0, NULL, NULL), 0, "a constant");
	is_int(r.r.GLOBAL_GET.flags, VGP_GLOBAL_F_CONST, "is marked as such");
	is_int(tr_call(s, &c, "nothing", 7, &r, NULL, 0, NULL, NULL), -VGPU_E_NOT_FOUND, "no such variable");
	is_int(session_func(s, m, "none", &f), -VGPU_E_NOT_FOUND, "no such kernel");
	is_int(session_func(s, m, "add", &f), 0, "a kernel");
	args.p = session_alloc(s, ctx, sizeof(data), VGP_MEM_DEVICE);
	args.n = 1200;
	args.v = 1000;
	for (unsigned i = 0; i < 1200; i++)
		data[i] = i;
	tr_mem_write(s, args.p, data, sizeof(data), NULL);
	is_int(session_launch(s, q1, f, 0, grid, block, &args, 16, NULL), 0, "is launched");
	is_int(finish(q1), 0, "and ends");
	tr_mem_read(s, args.p, data, sizeof(data), NULL);
	for (unsigned i = 0; i < 1200; i++)
		bad += data[i] != i + 1000;
	is_int(bad, 0, "with the right result");
	for (int i = 0; i < 500; i++)
		session_launch(s, i & 1 ? q1 : q1, f, 0, grid, block, &args, 16, NULL);
	is_int(finish(q1), 0, "500 launches");
	tr_mem_read(s, args.p, data, sizeof(data), NULL);
	bad = 0;
	for (unsigned i = 0; i < 1200; i++)
		bad += data[i] != i + 501000;
	is_int(bad, 0, "each of which counts");
	/* blocks that wait for later ones */
	is_int(session_func(s, m, "chain", &f), 0, "blocks that wait for each other");
	memset(data, 0, sizeof(data));
	tr_mem_write(s, args.p, data, sizeof(data), NULL);
	grid[0] = 100;
	block[0] = 1;
	session_launch(s, q1, f, 0, grid, block, &args, 8, NULL);
	is_int(finish(q1), 0, "make progress");
	session_free(s, args.p);
	c = (struct vgp_cmd){ .op = VGP_OP_MODULE_UNLOAD, .a.MODULE_UNLOAD = { .module = m } };
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), 0, "the module goes");
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), -VGPU_E_INVALID_HANDLE, "once");
}

static void test_faults(void)
{
	struct vgp_cmd c = { .op = VGP_OP_CTX_STATUS };
	uint32_t m, f, one[3] = { 1, 1, 1 }, bad_ctx = session_ctx(s), bq = session_queue(s, bad_ctx);
	uint64_t addr, size, p;
	struct vgp_reply r;
	char text[600];
	size_t len = 0;

	tr_window(s, &addr, &size);
	p = addr + size / 2;
	is_int(session_module(s, bad_ctx, PTX, &m, NULL), 0, "a context of its own");
	is_int(session_func(s, m, "wild", &f), 0, "a kernel with a wild store");
	session_launch(s, bq, f, 0, one, one, &p, 8, NULL);
	is_int(tr_wait(s, bad_ctx, bq, tr_submitted(s, bq), UINT64_MAX), -VGPU_E_ILLEGAL_ADDRESS, "gives illegal address");
	c.a.CTX_STATUS.ctx = bad_ctx;
	is_int(tr_call(s, &c, NULL, 0, &r, text, sizeof(text) - 1, &len, NULL), 0, "CTX_STATUS");
	text[len] = 0;
	diag("%s", text);
	is_int(r.r.CTX_STATUS.status, VGPU_E_ILLEGAL_ADDRESS, "has it");
	is_hex(r.r.CTX_STATUS.fault_addr, p, "and the address");
	is_int(tr_ctx_status(s, bad_ctx), -VGPU_E_ILLEGAL_ADDRESS, "it sticks");
	submit(bq, (struct vgp_cmd){ .op = VGP_OP_NOP }, NULL, 0);
	is_int(tr_wait(s, bad_ctx, bq, tr_submitted(s, bq), UINT64_MAX), -VGPU_E_ILLEGAL_ADDRESS, "to all that follows");
	is_int(tr_ctx_status(s, ctx), 0, "the other context is healthy");
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_NOP }, NULL, 0);
	is_int(finish(q1), 0, "and works");
	c = (struct vgp_cmd){ .op = VGP_OP_CTX_DESTROY, .a.CTX_DESTROY = { .ctx = bad_ctx } };
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), 0, "the dead one is destroyed");
	/* bad commands */
	bad_ctx = session_ctx(s);
	bq = session_queue(s, bad_ctx);
	submit(bq, (struct vgp_cmd){ .op = VGP_OP_COPY, .a.COPY = { addr, addr + 4096, 64 } }, NULL, 0);
	is_int(tr_wait(s, bad_ctx, bq, tr_submitted(s, bq), UINT64_MAX), -VGPU_E_ILLEGAL_ADDRESS, "a copy of what isn't allocated");
	c.a.CTX_DESTROY.ctx = bad_ctx;
	tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL);
	/* endless */
	bad_ctx = session_ctx(s);
	bq = session_queue(s, bad_ctx);
	session_module(s, bad_ctx, PTX, &m, NULL);
	session_func(s, m, "endless", &f);
	session_launch(s, bq, f, 0, one, one, NULL, 0, NULL);
	is_int(tr_wait(s, bad_ctx, bq, tr_submitted(s, bq), 30000000), -VGPU_E_NOT_READY, "an endless kernel runs on");
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_NOP }, NULL, 0);
	is_int(finish(q1), 0, "others' commands are processed meanwhile");
	c.a.CTX_DESTROY.ctx = bad_ctx;
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), 0, "destroying its context ends it");
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), -VGPU_E_INVALID_CONTEXT, "once");
}

static void test_host(void)
{
	uint64_t a = session_alloc(s, ctx, 10000, VGP_MEM_HOST), d = session_alloc(s, ctx, 10000, VGP_MEM_DEVICE);
	volatile uint8_t *p = (uint8_t *)a;
	uint8_t back[10000];

	ok(a && a % 4096 == 0, "host memory begins at a page");
	is_int(tr_host_map(s, a, 10000, NULL), 0, "and is mapped");
	for (int i = 0; i < 10000; i++)
		p[i] = (uint8_t)(i * 3);
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_COPY, .a.COPY = { d, a, 10000 } }, NULL, 0);
	finish(q1);
	tr_mem_read(s, d, back, sizeof(back), NULL);
	ok(back[9999] == (uint8_t)(9999 * 3) && back[1] == 3, "what the program writes reaches the engine");
	submit(q1, (struct vgp_cmd){ .op = VGP_OP_FILL, .a.FILL = { .dst = a, .width = 5000, .height = 1, .value = 0x5a, .elem_B = 1 } }, NULL, 0);
	finish(q1);
	ok(p[0] == 0x5a && p[4999] == 0x5a && p[5000] == (uint8_t)(5000 * 3), "and back");
	tr_host_unmap(s, a, 10000);
	session_free(s, a);
	session_free(s, d);
}

static void run(enum session_place place, unsigned transport, const char *name)
{
	struct vgp_cmd c = { .op = VGP_OP_CTX_DESTROY };
	int fds = test_open_fds();

	diag("%s", name);
	s = session_open(place, transport);
	test_basics();
	test_memory();
	test_queues();
	test_host();
	test_modules();
	test_faults();
	c.a.CTX_DESTROY.ctx = ctx;
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), 0, "the context goes");
	tr_close(s);
	if (place == SESSION_WORKER)
		is_int(session_reap(10), 0, "the worker ends with its client");
	else
		is_int(test_open_fds(), fds, "no file descriptor is left");
}

int main(void)
{
	plan_lazy();
	run(SESSION_HERE, VGP_TRANSPORT_RING, "in process, ring");
	run(SESSION_HERE, VGP_TRANSPORT_SOCKET, "in process, frames");
	run(SESSION_WORKER, VGP_TRANSPORT_RING, "worker, ring");
	run(SESSION_WORKER, VGP_TRANSPORT_SOCKET, "worker, frames");
	return 0;
}
