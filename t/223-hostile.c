/*
 * 223-hostile: clients that don't keep to the protocol. A worker answers with
 * a status, marks the ring fatal or ends; it doesn't crash, and it always goes
 * with its client.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "t/lib/session.h"
#include "t/lib/tap.h"
#include "util/sys.h"

struct raw {
	int sock;
	struct vgp_welcome w;
	uint8_t *ring;
	struct vgp_ring_hdr h, *hdr;
	uint32_t tail;
};

static uint64_t rnd_state = 88172645463325252ull;

static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}

static void raw_open(struct raw *r, unsigned transport)
{
	struct {
		struct vgp_frame f;
		struct vgp_welcome w;
		char text[256];
	} m;
	int fds[VGPU_MAX_FDS], nfds;

	memset(r, 0, sizeof(*r));
	r->sock = session_raw(transport);
	if (vgpu_recv_fds(r->sock, &m, sizeof(m), fds, &nfds, 0) < (ssize_t)(sizeof(m.f) + sizeof(m.w)))
		bail("no WELCOME");
	r->w = m.w;
	if (transport != VGP_TRANSPORT_RING)
		return;
	r->ring = mmap(NULL, r->w.ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	r->hdr = (struct vgp_ring_hdr *)r->ring;
	r->h = *r->hdr;
	/* sealed: neither can be cut under the worker */
	ok(ftruncate(fds[0], 0) < 0 && ftruncate(fds[1], 0) < 0, "the shared memory can't be shrunk");
	close(fds[0]);
	close(fds[1]);
}

/* Ends the client; the worker must go in peace. */
static void raw_close(struct raw *r, const char *what)
{
	int st;

	close(r->sock);
	if (r->ring)
		munmap(r->ring, r->w.ring_size);
	st = session_reap(20);
	ok(st != -1 && (!WIFSIGNALED(st)), "%s: the worker ends, and by itself", what);
	if (st != 0)
		diag("wait status 0x%x", (unsigned)st);
}

static void push(struct raw *r, const struct vgp_cmd *c)
{
	for (int i = 0; i < 5000; i++) {
		struct timespec t = { .tv_nsec = 1000000 };

		if (r->tail - __atomic_load_n(&r->hdr->head, __ATOMIC_ACQUIRE) < VGP_RING_SLOTS || r->hdr->fatal)
			break;
		nanosleep(&t, NULL);
	}
	memcpy(r->ring + r->h.off_cmds + sizeof(*c) * (r->tail++ % VGP_RING_SLOTS), c, sizeof(*c));
	__atomic_store_n(&r->hdr->tail, r->tail, __ATOMIC_RELEASE);
	vgpu_futex_wake(&r->hdr->tail, 1);
}

/* Status of a call, -1 when no answer comes. */
static int call(struct raw *r, struct vgp_cmd *c)
{
	struct vgp_reply_slot *s = (struct vgp_reply_slot *)(r->ring + r->h.off_replies) + 1;
	static uint64_t seq = 1000000;

	c->seq = ++seq;
	c->reply_slot = 1;
	push(r, c);
	for (int i = 0; i < 3000; i++) {
		struct timespec t = { .tv_nsec = 1000000 };

		if (__atomic_load_n(&s->done, __ATOMIC_ACQUIRE) == (uint32_t)seq)
			return s->reply.status;
		nanosleep(&t, NULL);
	}
	return -1;
}

static void test_no_window(void)
{
	struct vgp_cmd c = { .op = VGP_OP_CTX_CREATE };
	struct raw r;
	static const uint64_t places[][2] = {
		{ 0, 1ull << 30 }, { 1, 1ull << 30 }, { 0x400000000000, 0 }, { 0x400000000000, 1 }, { 0xffff800000000000, 1ull << 30 },
		{ 0x400000000000, UINT64_MAX }, { 0xfffffffffffff000, 0x10000000 }, { 0x400000000000, 17ull << 40 },
		{ 0x7ffffffff000, 1ull << 40 },
	};

	raw_open(&r, VGP_TRANSPORT_RING);
	is_int(call(&r, &c), VGPU_E_NOT_INITIALIZED, "a context before the window is placed");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		c = (struct vgp_cmd){ .op = VGP_OP_WINDOW_MAP, .a.WINDOW_MAP = { places[i][0], places[i][1] } };
		ok(call(&r, &c) > 0, "a window at 0x%llx of 0x%llx bytes is refused", (unsigned long long)places[i][0],
		   (unsigned long long)places[i][1]);
	}
	c = (struct vgp_cmd){ .op = VGP_OP_WINDOW_MAP, .a.WINDOW_MAP = { 0x400000000000, 1ull << 30 } };
	is_int(call(&r, &c), 0, "a good place is taken");
	c.a.WINDOW_MAP.addr = 0x500000000000;
	is_int(call(&r, &c), VGPU_E_NOT_PERMITTED, "once");
	raw_close(&r, "windows");
}

static void test_bad_calls(void)
{
	struct vgp_cmd c = { .op = VGP_OP_WINDOW_MAP, .a.WINDOW_MAP = { 0x400000000000, 1ull << 30 } };
	struct raw r;

	raw_open(&r, VGP_TRANSPORT_RING);
	call(&r, &c);
	c = (struct vgp_cmd){ .op = VGP_OP_CTX_CREATE, .a.CTX_CREATE = { .device = 77 } };
	is_int(call(&r, &c), VGPU_E_INVALID_DEVICE, "a device that isn't there");
	c.a.CTX_CREATE.device = 0;
	is_int(call(&r, &c), 0, "a good one");
	c = (struct vgp_cmd){ .op = 5 };
	is_int(call(&r, &c), VGPU_E_NOT_SUPPORTED, "an unknown call");
	c = (struct vgp_cmd){ .op = VGP_OP_PING };
	c.a.raw[39] = 1;
	is_int(call(&r, &c), VGPU_E_PROTOCOL, "padding that isn't zero");
	c = (struct vgp_cmd){ .op = VGP_OP_PING, .data_off = 0x80000000, .data_len = 0x90000000 };
	is_int(call(&r, &c), VGPU_E_PROTOCOL, "data outside the ring");
	c = (struct vgp_cmd){ .op = VGP_OP_QUEUE_CREATE, .a.QUEUE_CREATE = { .ctx = 1, .queue = VGP_QUEUES } };
	is_int(call(&r, &c), VGPU_E_INVALID, "a queue that can't be");
	c.a.QUEUE_CREATE.queue = 1;
	is_int(call(&r, &c), 0, "a good one");
	is_int(call(&r, &c), VGPU_E_EXISTS, "twice");
	c = (struct vgp_cmd){ .op = VGP_OP_MEM_ALLOC, .a.MEM_ALLOC = { .size = UINT64_MAX, .ctx = 1 } };
	is_int(call(&r, &c), VGPU_E_INVALID, "all memory there is");
	c.a.MEM_ALLOC.size = 4096;
	c.a.MEM_ALLOC.align = 3;
	is_int(call(&r, &c), VGPU_E_INVALID, "an odd alignment");
	c = (struct vgp_cmd){ .op = VGP_OP_MODULE_LOAD, .data_len = 32, .a.MODULE_LOAD = { .ctx = 1, .count = 1 } };
	ok(call(&r, &c) > 0, "an image of zeros");
	c.a.MODULE_LOAD.count = 0x08000001;
	ok(call(&r, &c) > 0, "more images than data, by a wrap");
	c = (struct vgp_cmd){ .op = VGP_OP_MEM_READ, .a.MEM_READ = { .addr = 0x400000000000, .len = UINT64_MAX } };
	ok(call(&r, &c) > 0, "a read of everything");
	c = (struct vgp_cmd){ .op = VGP_OP_COPY_3D, .queue = 1, .seq = 1 };
	push(&r, &c);
	c = (struct vgp_cmd){ .op = VGP_OP_CTX_STATUS, .a.CTX_STATUS.ctx = 1 };
	call(&r, &c);
	is_int(((struct vgp_reply_slot *)(r.ring + r.h.off_replies))[1].reply.r.CTX_STATUS.status, VGPU_E_PROTOCOL,
	       "a bad queued command makes the context's status sticky");
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .queue = 9, .seq = 5 };
	push(&r, &c);
	c = (struct vgp_cmd){ .op = VGP_OP_PING };
	is_int(call(&r, &c), 0, "the worker still answers");
	is_int((long long)((struct vgp_timeline *)(r.ring + r.h.off_timelines))[9].completed, 5,
	       "nobody waits for a command of a queue that is gone");
	raw_close(&r, "bad calls");
}

/* The description is the ring's data. */
static int texture(struct raw *r, const struct vgp_tex *t, const struct vgp_tex_level *l, uint32_t len)
{
	struct vgp_cmd c = { .op = VGP_OP_TEX_CREATE, .data_len = len, .a.TEX_CREATE.ctx = 1 };

	memcpy(r->ring + r->h.off_data, t, sizeof(*t));
	memcpy(r->ring + r->h.off_data + sizeof(*t), l, sizeof(*l));
	return call(r, &c);
}

static void test_textures(void)
{
	struct vgp_cmd c = { .op = VGP_OP_WINDOW_MAP, .a.WINDOW_MAP = { 0x400000000000, 1ull << 30 } };
	struct vgp_tex good = { .dims = 2, .chan = VGP_TEX_F32, .channels = 1, .n_levels = 1 }, t = good;
	struct vgp_tex_level at = { .addr = 0x400000000000, .pitch = 64, .w = 16, .h = 16, .d = 1 }, l = at;
	const uint32_t len = sizeof(t) + sizeof(l);
	struct raw r;

	raw_open(&r, VGP_TRANSPORT_RING);
	call(&r, &c);
	is_int(texture(&r, &t, &l, len), VGPU_E_INVALID_CONTEXT, "a texture of no context");
	c = (struct vgp_cmd){ .op = VGP_OP_CTX_CREATE };
	is_int(call(&r, &c), 0, "a context");
	is_int(texture(&r, &t, &l, len), 0, "a texture");
	is_int(texture(&r, &t, &l, len - 1), VGPU_E_PROTOCOL, "one that is cut");
	is_int(texture(&r, &t, &l, len + 1), VGPU_E_PROTOCOL, "one with more");
	is_int(texture(&r, &t, &l, 0), VGPU_E_PROTOCOL, "one without");
	t.n_levels = 255;
	is_int(texture(&r, &t, &l, len), VGPU_E_PROTOCOL, "more levels than data");
	t = good;
	t.flags = VGP_TEX_F_ALL + 1;
	is_int(texture(&r, &t, &l, len), VGPU_E_PROTOCOL, "an unknown flag");
	t = good;
	t.chan = 200;
	is_int(texture(&r, &t, &l, len), VGPU_E_INVALID, "an unknown format");
	t = good;
	t.addr[2] = 9;
	is_int(texture(&r, &t, &l, len), VGPU_E_INVALID, "an unknown mode");
	t = good;
	l.pad = 1;
	is_int(texture(&r, &t, &l, len), VGPU_E_PROTOCOL, "padding that isn't zero");
	l = at;
	l.addr = 0x400000000000 + (1ull << 30) - 1024 + 4;
	is_int(texture(&r, &t, &l, len), VGPU_E_INVALID, "over the window's end");
	l = at;
	l.slice = UINT64_MAX - 3;
	l.d = 3;
	is_int(texture(&r, &t, &l, len), VGPU_E_INVALID, "slices that wrap");
	l = at;
	l.w = 0;
	is_int(texture(&r, &t, &l, len), VGPU_E_INVALID, "nothing");
	c = (struct vgp_cmd){ .op = VGP_OP_TEX_DESTROY, .a.TEX_DESTROY.handle = UINT64_MAX };
	is_int(call(&r, &c), VGPU_E_INVALID_HANDLE, "a handle of nothing");
	c.a.TEX_DESTROY.handle = 0;
	is_int(call(&r, &c), VGPU_E_INVALID_HANDLE, "and 0");
	raw_close(&r, "textures");
}

static void fatal(struct raw *r, const char *what)
{
	for (int i = 0; i < 3000 && !__atomic_load_n(&r->hdr->fatal, __ATOMIC_ACQUIRE); i++) {
		struct timespec t = { .tv_nsec = 1000000 };

		nanosleep(&t, NULL);
	}
	ok(r->hdr->fatal != 0, "%s: the ring is marked", what);
	raw_close(r, what);
}

static void test_fatal(void)
{
	struct vgp_cmd c = { .op = VGP_OP_PING, .reply_slot = 60000 };
	struct raw r;

	raw_open(&r, VGP_TRANSPORT_RING);
	r.hdr->tail = 0x7fffffff;
	vgpu_futex_wake(&r.hdr->tail, 1);
	fatal(&r, "impossible indices");
	raw_open(&r, VGP_TRANSPORT_RING);
	push(&r, &c);
	fatal(&r, "an impossible reply slot");
	raw_open(&r, VGP_TRANSPORT_RING);
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .queue = 0x10000 };
	push(&r, &c);
	fatal(&r, "an impossible queue");
	raw_open(&r, VGP_TRANSPORT_RING);
	c = (struct vgp_cmd){ .op = VGP_OP_WINDOW_MAP, .a.WINDOW_MAP = { 0x400000000000, 1ull << 30 } };
	call(&r, &c);
	c = (struct vgp_cmd){ .op = VGP_OP_CTX_CREATE };
	call(&r, &c);
	c = (struct vgp_cmd){ .op = VGP_OP_QUEUE_CREATE, .a.QUEUE_CREATE = { .ctx = 1, .queue = 1 } };
	call(&r, &c);
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .queue = 1, .seq = 2 };
	push(&r, &c);
	fatal(&r, "a sequence with a gap");
	raw_open(&r, VGP_TRANSPORT_RING);
	memset(r.ring, 0xff, sizeof(struct vgp_ring_hdr));
	vgpu_futex_wake(&r.hdr->tail, 1);
	fatal(&r, "a header of ones");
}

static void random_cmd(struct vgp_cmd *c)
{
	static const uint8_t ops[] = { 1, 2, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 30, 31, 32, 33, 34, 35, 40, 41, 43, 44,
				       64, 65, 66, 67, 68, 69, 70, 71, 73, 74, 75 };

	for (size_t i = 0; i < sizeof(*c); i += 8) {
		uint64_t v = rnd();

		/* mostly small numbers: they get further */
		v = rnd() % 4 ? v & 0x0000000300000003ull : v;
		memcpy((uint8_t *)c + i, &v, 8);
	}
	c->op = rnd() % 50 ? ops[rnd() % sizeof(ops)] : (uint16_t)rnd();
	c->reply_slot = (uint16_t)(rnd() % VGP_RING_REPLIES);
	c->queue = c->op >= 64 ? (uint32_t)(rnd() % 3) : 0;
	if (rnd() % 2) {
		c->data_off = (uint32_t)(rnd() % 8192);
		c->data_len = (uint32_t)(rnd() % 4096);
	}
	if (c->op == VGP_OP_MEM_ALLOC)
		c->a.MEM_ALLOC.size &= 0xffffff;
	/* most of what fails only because of a byte behind the arguments teaches nothing */
	if (rnd() % 8)
		memset(c->a.raw + 24, 0, 16);
}

static void test_garbage(unsigned seed)
{
	struct vgp_cmd c = { .op = VGP_OP_WINDOW_MAP, .a.WINDOW_MAP = { 0x400000000000, 4ull << 30 } };
	uint64_t seq[3] = { 0, 0, 0 };
	struct raw r;

	rnd_state = 88172645463325252ull + seed;
	raw_open(&r, VGP_TRANSPORT_RING);
	call(&r, &c);
	for (uint32_t i = 1; i < 3; i++) {
		c = (struct vgp_cmd){ .op = VGP_OP_CTX_CREATE };
		call(&r, &c);
		c = (struct vgp_cmd){ .op = VGP_OP_QUEUE_CREATE, .a.QUEUE_CREATE = { .ctx = i, .queue = i } };
		call(&r, &c);
	}
	for (size_t i = 0; i < 65536; i += 8) {
		uint64_t v = rnd();

		memcpy(r.ring + r.h.off_data + i, &v, 8);
	}
	for (int i = 0; i < 5000 && !r.hdr->fatal; i++) {
		random_cmd(&c);
		if (c.op >= 64 && c.op < 76)
			c.seq = ++seq[c.queue];
		push(&r, &c);
	}
	raw_close(&r, "garbage");
}

static void test_frames(void)
{
	static uint8_t buf[VGP_FRAME_MAX + 4096];
	struct vgp_frame f = { .magic = VGP_MAGIC, .type = VGP_FRAME_CMD, .len = sizeof(struct vgp_cmd) };
	struct raw r;

	raw_open(&r, VGP_TRANSPORT_SOCKET);
	send(r.sock, "x", 1, 0);
	raw_close(&r, "a frame of one byte");
	raw_open(&r, VGP_TRANSPORT_SOCKET);
	send(r.sock, buf, sizeof(buf), 0);
	raw_close(&r, "a frame that is too long");
	raw_open(&r, VGP_TRANSPORT_SOCKET);
	f.magic = 1;
	memcpy(buf, &f, sizeof(f));
	send(r.sock, buf, sizeof(f) + sizeof(struct vgp_cmd), 0);
	raw_close(&r, "a wrong magic");
	raw_open(&r, VGP_TRANSPORT_SOCKET);
	for (int i = 0; i < 2000; i++) {
		struct vgp_cmd c;

		random_cmd(&c);
		if (c.op == VGP_OP_WINDOW_MAP)
			continue;
		c.data_off = 0;
		c.data_len %= 512;
		f = (struct vgp_frame){ .magic = VGP_MAGIC, .type = VGP_FRAME_CMD, .len = (uint32_t)(sizeof(c) + c.data_len) };
		memcpy(buf, &f, sizeof(f));
		memcpy(buf + sizeof(f), &c, sizeof(c));
		if (send(r.sock, buf, sizeof(f) + f.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			break;
		while (recv(r.sock, buf + 65536, 4096, MSG_DONTWAIT) > 0)
			;
	}
	raw_close(&r, "garbage frames");
}

int main(void)
{
	plan_lazy();
	signal(SIGPIPE, SIG_IGN);
	test_no_window();
	test_bad_calls();
	test_textures();
	test_fatal();
	test_frames();
	for (unsigned i = 0; i < 5; i++)
		test_garbage(i);
	return 0;
}
