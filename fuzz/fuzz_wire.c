/*
 * fuzz_wire.c: what a client sends to its worker. An input is 1 byte of flags
 * (bit 0: over the ring, else frames) and a row of records:
 *   1 byte  operation, a number of vgp_msg.def
 *   1 byte  queue (low 4 bits; bit 7: any sequence number), 1 byte reply slot
 *   1 byte  arguments' length in bytes, at most 40 (the rest is zero)
 *   2 bytes length of the data
 *   arguments, data
 * or, with operation 0, 2 bytes of length and that many bytes that go out as
 * one frame, or into the ring as a slot, as they are. Numbers of 64 bits whose
 * top three bytes are ADDR become addresses in the window. The engine lives in
 * this process, with one thread for kernels; each input gets a fresh one.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backend/backend.h"
#include "engine/engine.h"
#include "fuzz/fuzz.h"
#include "protocol/vgp_codec.h"
#include "util/sys.h"

#define WINDOW (256ull << 20)
#define ADDR 0x570000ull
#define QUEUES 16

const char *__asan_default_options(void) __attribute__((visibility("default")));

/* Kernels' wild accesses are faults that the engine handles. */
const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:allow_user_segv_handler=1:use_sigaltstack=0";
}

struct client {
	struct eng *e;
	pthread_t thread;
	int sock;
	uint64_t window;
	uint8_t *ring;
	size_t ring_size;
	struct vgp_ring_hdr h;
	uint32_t tail, data_at;
	uint64_t seq[QUEUES], calls;
	bool dead;
};

static void *run(void *e)
{
	eng_run(e);
	return NULL;
}

static void receive_welcome(struct client *c)
{
	struct {
		struct vgp_frame f;
		struct vgp_welcome w;
		uint8_t rest[256];
	} m;
	int fds[VGPU_MAX_FDS], nfds = 0;

	if (vgpu_recv_fds(c->sock, &m, sizeof(m), fds, &nfds, 0) < (ssize_t)(sizeof(m.f) + sizeof(m.w)))
		abort();
	c->window = m.w.window_addr;
	if (nfds != 2)
		return;
	c->ring_size = m.w.ring_size;
	c->ring = mmap(NULL, c->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	c->window = (uint64_t)mmap((void *)VGP_WINDOW_ADDR, WINDOW, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fds[1], 0);
	if (c->ring == MAP_FAILED || (void *)c->window == MAP_FAILED)
		abort();
	memcpy(&c->h, c->ring, sizeof(c->h));
	close(fds[0]);
	close(fds[1]);
}

static void start(struct client *c, bool ring)
{
	static struct vgpu_device dev;
	struct eng_config cfg = { .devs = &dev, .n_devs = 1, .backend = be_find("interp"), .threads = 1, .window_size = WINDOW,
				  .transport = ring ? VGP_TRANSPORT_RING : VGP_TRANSPORT_SOCKET, .ctl = -1, .client_pidfd = -1,
				  .in_process = true };
	struct vgpu_err err = VGPU_ERR_INIT;
	int sv[2];

	vgpu_device_init(&dev);
	dev.memory_total = 64ull << 20;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		abort();
	c->sock = sv[0];
	cfg.sock = sv[1];
	if (eng_new(&c->e, &cfg, &err) || pthread_create(&c->thread, NULL, run, c->e)) {
		fprintf(stderr, "engine: %s\n", err.text);
		abort();
	}
	receive_welcome(c);
}

static void stop(struct client *c)
{
	eng_stop(c->e);
	pthread_join(c->thread, NULL);
	eng_free(c->e);
	if (c->ring) {
		munmap(c->ring, c->ring_size);
		munmap((void *)c->window, WINDOW);
	}
	close(c->sock);
}

/* An answer that comes within `ms` is dropped. False: none came. */
static bool drop_answer(struct client *c, int ms)
{
	static uint8_t buf[VGP_FRAME_MAX];
	struct pollfd p = { .fd = c->sock, .events = POLLIN };

	if (poll(&p, 1, ms) <= 0)
		return false;
	if (recv(c->sock, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		return true;
	c->dead = c->dead || (errno != EAGAIN && errno != EINTR);
	return false;
}

static void send_packet(struct client *c, const void *p, size_t n)
{
	while (!c->dead && send(c->sock, p, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			c->dead = errno != EMSGSIZE;
		else if (drop_answer(c, 1000))
			continue;
		return;
	}
}

static bool wait_word(struct client *c, const uint32_t *word, uint32_t value, bool room, int ms)
{
	struct vgp_ring_hdr *h = (struct vgp_ring_hdr *)c->ring;

	for (int i = 0; i < ms * 20; i++) {
		struct timespec t = { 0, 50000 };
		uint32_t v = __atomic_load_n(word, __ATOMIC_ACQUIRE);

		if (room ? value - v < VGP_RING_SLOTS : v == value)
			return true;
		if (__atomic_load_n(&h->fatal, __ATOMIC_ACQUIRE))
			break;
		nanosleep(&t, NULL);
	}
	c->dead = c->dead || __atomic_load_n(&h->fatal, __ATOMIC_ACQUIRE);
	return false;
}

static void push(struct client *c, const void *slot, size_t n)
{
	struct vgp_ring_hdr *h = (struct vgp_ring_hdr *)c->ring;

	if (c->dead || !wait_word(c, &h->head, c->tail, true, 1000))
		return;
	memcpy(c->ring + c->h.off_cmds + sizeof(struct vgp_cmd) * (c->tail++ % VGP_RING_SLOTS), slot, n);
	__atomic_store_n(&h->tail, c->tail, __ATOMIC_RELEASE);
	vgpu_futex_wake(&h->tail, 1);
}

static void send_cmd(struct client *c, struct vgp_cmd *cmd, const uint8_t *data)
{
	static uint8_t frame[VGP_FRAME_MAX];
	struct vgp_frame f = { .magic = VGP_MAGIC, .type = VGP_FRAME_CMD, .len = (uint32_t)sizeof(*cmd) + cmd->data_len };

	if (c->ring) {
		if (c->data_at + cmd->data_len > VGP_RING_DATA_SIZE)
			c->data_at = 0;
		cmd->data_off = cmd->data_len ? c->data_at : 0;
		if (cmd->data_len)
			memcpy(c->ring + c->h.off_data + c->data_at, data, cmd->data_len);
		c->data_at += (uint32_t)vgpu_align_up(cmd->data_len, 64);
		push(c, cmd, sizeof(*cmd));
		return;
	}
	memcpy(frame, &f, sizeof(f));
	memcpy(frame + sizeof(f), cmd, sizeof(*cmd));
	if (cmd->data_len)
		memcpy(frame + sizeof(f) + sizeof(*cmd), data, cmd->data_len);
	send_packet(c, frame, sizeof(f) + f.len);
}

static void put_addresses(const struct client *c, uint8_t *p, size_t n)
{
	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint64_t v;

		memcpy(&v, p + i, 8);
		if (v >> 40 != ADDR)
			continue;
		v = c->window + (v & 0xffffffffff);
		memcpy(p + i, &v, 8);
	}
}

/* Answers how many bytes of the input it took. */
static size_t raw_record(struct client *c, const uint8_t *p, size_t n)
{
	uint8_t slot[sizeof(struct vgp_cmd)] = { 0 };
	size_t len;

	if (n < 3)
		return n;
	len = p[1] | (size_t)p[2] << 8;
	if (len > n - 3)
		len = n - 3;
	if (!c->ring) {
		if (len)
			send_packet(c, p + 3, len);
	} else if (p[3 - (len == 0)] != VGP_OP_WINDOW_MAP) {
		memcpy(slot, p + 3, len < sizeof(slot) ? len : sizeof(slot));
		push(c, slot, sizeof(slot));
	}
	return len + 3;
}

static size_t record(struct client *c, const uint8_t *p, size_t n)
{
	static uint8_t data[65536];
	const struct vgp_msg_info *m;
	struct vgp_cmd cmd = { 0 };
	size_t args, len;

	if (p[0] == 0 || n < 6)
		return raw_record(c, p, n);
	m = vgp_msg_find(p[0]);
	args = p[3] % (sizeof(cmd.a.raw) + 1);
	len = p[4] | (size_t)p[5] << 8;
	if (args > n - 6)
		args = n - 6;
	if (len > n - 6 - args)
		len = n - 6 - args;
	memcpy(cmd.a.raw, p + 6, args);
	memcpy(data, p + 6 + args, len);
	put_addresses(c, cmd.a.raw, sizeof(cmd.a.raw));
	put_addresses(c, data, len);
	cmd.op = p[0];
	cmd.data_len = (uint32_t)len;
	if (m && m->kind == VGP_KIND_QUEUED) {
		cmd.queue = p[1] % QUEUES;
		cmd.seq = p[1] & 128 ? p[2] : ++c->seq[cmd.queue];
	} else {
		cmd.reply_slot = p[2] & 63;
		cmd.seq = ++c->calls;
	}
	/* the ring's window is this program's to place */
	if (cmd.op != VGP_OP_WINDOW_MAP || !c->ring)
		send_cmd(c, &cmd, data);
	while (!c->ring && drop_answer(c, 0))
		;
	return 6 + args + len;
}

/* Calls are answered in order by two threads: an answer for each of them says that all is taken. */
static void call_and_wait(struct client *c, struct vgp_cmd *cmd, int ms)
{
	struct vgp_reply_slot *s;

	cmd->seq = 0x40000000 + ++c->calls;
	send_cmd(c, cmd, NULL);
	if (c->ring) {
		s = (struct vgp_reply_slot *)(c->ring + c->h.off_replies);
		if (!c->dead)
			wait_word(c, &s->done, (uint32_t)cmd->seq, false, ms);
		return;
	}
	while (!c->dead && drop_answer(c, ms))
		ms = 5;
}

static void settle(struct client *c)
{
	struct vgp_cmd unload = { .op = VGP_OP_MODULE_UNLOAD, .a.MODULE_UNLOAD.module = UINT32_MAX };

	call_and_wait(c, &unload, 2000);   /* behind all calls of the service thread */
	for (uint32_t q = 0; q < QUEUES && !c->dead; q++) {
		struct vgp_cmd w = { .op = VGP_OP_QUEUE_WAIT,
				     .a.QUEUE_WAIT = { .queue = q, .value = c->seq[q], .timeout_ns = 5000000 } };

		if (c->seq[q])
			call_and_wait(c, &w, 10);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client c = { 0 };
	struct vgp_cmd map = { .op = VGP_OP_WINDOW_MAP };

	if (!size)
		return 0;
	start(&c, data[0] & 1);
	if (c.ring) {
		map.a.WINDOW_MAP.addr = c.window;
		map.a.WINDOW_MAP.size = WINDOW;
		call_and_wait(&c, &map, 2000);
	}
	for (size_t at = 1; at < size && !c.dead;)
		at += record(&c, data + at, size - at);
	settle(&c);
	stop(&c);
	return 0;
}
