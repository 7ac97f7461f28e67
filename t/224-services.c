/* 224-services: what kernels ask of the engine: clusters, cooperative launches, printf, the device heap. */
#include <stdio.h>
#include <string.h>

#include "t/lib/session.h"
#include "t/lib/tap.h"

static const char PTX[] =
	".version 9.0\n.target sm_90\n.address_size 64\n"
	".extern .func (.param .b32 r) vprintf (.param .b64 f, .param .b64 a);\n"
	".extern .func (.param .b64 p) malloc (.param .b64 n);\n"
	".extern .func free (.param .b64 p);\n"
	".global .align 1 .b8 fmt[13] = {110, 117, 109, 98, 101, 114, 32, 37, 100, 33, 33, 10, 0};\n"
	".visible .entry ranks(.param .u64 p)\n{\n"
	"	.reg .b32 %r<10>; .reg .b64 %d<4>;\n"
	"	ld.param.u64 %d1, [p]; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ctaid.y; mov.u32 %r3, %nctaid.x;\n"
	"	mad.lo.u32 %r4, %r2, %r3, %r1; mov.u32 %r5, %cluster_ctarank;\n"
	"	barrier.cluster.arrive; barrier.cluster.wait;\n"
	"	mul.wide.u32 %d2, %r4, 4; add.u64 %d3, %d1, %d2; st.global.u32 [%d3], %r5; ret;\n}\n"
	".visible .entry say(.param .u32 n)\n{\n"
	"	.local .align 8 .b8 stack[8]; .reg .b32 %r<3>; .reg .b64 %d<5>;\n"
	"	ld.param.u32 %r1, [n]; mov.u64 %d1, stack; st.local.u32 [%d1], %r1; cvta.local.u64 %d2, %d1;\n"
	"	mov.u64 %d3, fmt; cvta.global.u64 %d4, %d3;\n"
	"	{ .param .b64 f; st.param.b64 [f], %d4; .param .b64 a; st.param.b64 [a], %d2; .param .b32 r;\n"
	"	call.uni (r), vprintf, (f, a); ld.param.b32 %r2, [r]; }\n"
	"	ret;\n}\n"
	".visible .entry heap(.param .u64 p, .param .u64 n)\n{\n"
	"	.reg .b32 %r<3>; .reg .b64 %d<8>;\n"
	"	ld.param.u64 %d1, [p]; ld.param.u64 %d2, [n];\n"
	"	{ .param .b64 n0; st.param.b64 [n0], %d2; .param .b64 p0; call.uni (p0), malloc, (n0); ld.param.b64 %d3, [p0]; }\n"
	"	mov.u32 %r1, %tid.x; mul.wide.u32 %d4, %r1, 8; add.u64 %d5, %d1, %d4; st.global.u64 [%d5], %d3; ret;\n}\n"
	".visible .entry unheap(.param .u64 p)\n{\n"
	"	.reg .b32 %r<3>; .reg .b64 %d<8>;\n"
	"	ld.param.u64 %d1, [p]; mov.u32 %r1, %tid.x; mul.wide.u32 %d4, %r1, 8; add.u64 %d5, %d1, %d4; ld.global.u64 %d3, [%d5];\n"
	"	{ .param .b64 p0; st.param.b64 [p0], %d3; call.uni free, (p0); }\n"
	"	ret;\n}\n";

static struct tr_session *s;
static uint32_t ctx, q, mod;

static uint32_t func(const char *name)
{
	uint32_t f = 0;

	is_int(session_func(s, mod, name, &f), 0, "kernel %s", name);
	return f;
}

static int launch(uint32_t f, struct vgp_launch l, uint32_t flags, const void *params)
{
	uint8_t data[sizeof(l) + 64];
	struct vgp_cmd c = { .op = VGP_OP_LAUNCH, .queue = q, .a.LAUNCH = { .func = f, .flags = flags } };
	uint64_t seq;

	memcpy(data, &l, sizeof(l));
	memcpy(data + sizeof(l), params, l.param_len);
	tr_submit(s, &c, data, sizeof(l) + l.param_len, &seq, NULL);
	return tr_wait(s, ctx, q, seq, UINT64_MAX);
}

static void test_clusters(void)
{
	struct vgp_launch l = { .grid = { 6, 4, 1 }, .block = { 32, 1, 1 }, .cluster = { 3, 2, 1 }, .param_len = 8 };
	uint64_t p = session_alloc(s, ctx, 4096, VGP_MEM_DEVICE);
	uint32_t got[24], f = func("ranks");
	unsigned bad = 0;

	is_int(launch(f, l, 0, &p), 0, "a grid of clusters");
	tr_mem_read(s, p, got, sizeof(got), NULL);
	for (unsigned y = 0; y < 4; y++)
		for (unsigned x = 0; x < 6; x++)
			bad += got[y * 6 + x] != y % 2 * 3 + x % 3;
	is_int(bad, 0, "gives each block its rank");
	l.cluster[0] = l.cluster[1] = 0;
	is_int(launch(f, l, VGP_LAUNCH_F_COOPERATIVE, &p), 0, "a cooperative launch");
	session_free(s, p);
}

static size_t drain(char *out, size_t cap, uint64_t *left)
{
	struct vgp_cmd c = { .op = VGP_OP_PRINTF_DRAIN, .a.PRINTF_DRAIN = { .ctx = ctx } };
	struct vgp_reply r;
	size_t n = 0;

	tr_call(s, &c, NULL, 0, &r, out, cap - 1, &n, NULL);
	out[n] = 0;
	*left = r.r.PRINTF_DRAIN.left;
	return n;
}

static void test_printf(void)
{
	struct vgp_launch l = { .grid = { 1, 1, 1 }, .block = { 2, 1, 1 }, .param_len = 4 };
	struct vgp_cmd c = { .op = VGP_OP_CTX_SET_LIMIT, .a.CTX_SET_LIMIT = { .ctx = ctx, .limit = VGP_LIMIT_PRINTF_FIFO_SIZE } };
	uint32_t f = func("say"), n = 42;
	char text[65536];
	uint64_t left;
	size_t total = 0;

	ok(tr_transport(s) != VGP_TRANSPORT_RING || !tr_printf_pending(s, ctx), "nothing is printed yet");
	is_int(launch(f, l, 0, &n), 0, "a kernel that prints");
	ok(tr_printf_pending(s, ctx), "has printed");
	drain(text, sizeof(text), &left);
	is_string(text, "number 42!!\nnumber 42!!\n", "once per thread");
	is_int((long long)left, 0, "that's all");
	c.a.CTX_SET_LIMIT.value = 5000;
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), 0, "a smaller FIFO");
	l.block[0] = 512;
	launch(f, l, 0, &n);
	for (size_t k; (k = drain(text, sizeof(text), &left)) > 0; total += k)
		if (total == 0)
			ok(strncmp(text, "number 42!!\n", 12) == 0, "begins with whole lines");
	ok(total > 4980 && total <= 5000 && total % 12 == 0, "drops whole lines when it is full (%zu bytes)", total);
}

static void test_heap(void)
{
	struct vgp_launch l = { .grid = { 1, 1, 1 }, .block = { 256, 1, 1 }, .param_len = 16 };
	uint32_t f = func("heap"), g = func("unheap");
	struct { uint64_t p, n; } a = { session_alloc(s, ctx, 4096, VGP_MEM_DEVICE), 1000 };
	struct vgp_launch one = l;
	uint64_t got[256];
	unsigned bad = 0;

	one.block[0] = 1;
	one.param_len = 16;
	l.param_len = 16;
	is_int(launch(f, l, 0, &a), 0, "256 threads call malloc");
	tr_mem_read(s, a.p, got, sizeof(got), NULL);
	for (unsigned i = 0; i < 256; i++) {
		bad += !got[i] || got[i] % 16;
		for (unsigned k = 0; k < i; k++)
			bad += got[i] < got[k] + 1000 && got[k] < got[i] + 1000;
	}
	is_int(bad, 0, "each gets memory of its own");
	l.param_len = 8;
	is_int(launch(g, l, 0, &a), 0, "and frees it");
	a.n = 6u << 20;
	launch(f, one, 0, &a);
	tr_mem_read(s, a.p, got, 8, NULL);
	ok(got[0] != 0, "most of the heap in one piece");
	launch(f, one, 0, &a);
	tr_mem_read(s, a.p, got, 8, NULL);
	ok(got[0] == 0, "twice is too much");
	a.n = UINT64_MAX;
	launch(f, one, 0, &a);
	tr_mem_read(s, a.p, got, 8, NULL);
	ok(got[0] == 0, "as is everything");
	session_free(s, a.p);
}

static void test_too_large(void)
{
	struct vgp_launch l = { .grid = { 1000000, 1, 1 }, .block = { 32, 1, 1 }, .param_len = 8 };
	uint64_t p = 0;
	uint32_t f = func("ranks");

	is_int(launch(f, l, VGP_LAUNCH_F_COOPERATIVE, &p), -VGPU_E_COOP_TOO_LARGE, "a cooperative launch that can't be resident");
}

int main(void)
{
	static const unsigned transports[] = { VGP_TRANSPORT_RING, VGP_TRANSPORT_SOCKET };
	const char *log;

	plan_lazy();
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		diag("transport %u", transports[i]);
		s = session_open(SESSION_WORKER, transports[i]);
		ctx = session_ctx(s);
		q = session_queue(s, ctx);
		is_int(session_module(s, ctx, PTX, &mod, &log), 0, "the module");
		if (*log)
			diag("%s", log);
		test_clusters();
		test_printf();
		test_heap();
		test_too_large();
		tr_close(s);
		is_int(session_reap(10), 0, "the worker ends");
	}
	return 0;
}
