/*
 * fuzz_wire.c: an engine in this process, and a stream of frames for it.
 * Input: records, each a byte of kind and
 *   0: u16 length, then the bytes of one whole packet, as they are
 *   1: struct vgp_cmd, u16 length, then its data: sent as a good frame, the
 *      sequence number put right (so that what is behind the checks is reached)
 */
#include <pthread.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/backend.h"
#include "engine/engine.h"
#include "fuzz/fuzz.h"
#include "protocol/vgp_wire.h"

static uint64_t seqs[VGP_QUEUES];
static uint8_t packet[VGP_FRAME_MAX + 4096];

static void *engine_thread(void *arg)
{
	eng_run(arg);
	return NULL;
}

static void drain(int sock)
{
	static uint8_t sink[VGP_FRAME_MAX];

	while (recv(sock, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

static void send_packet(int sock, size_t len)
{
	struct pollfd p = { .fd = sock, .events = POLLOUT };

	for (int i = 0; i < 1000; i++) {
		drain(sock);
		if (send(sock, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
		if (poll(&p, 1, 1) > 0 && (p.revents & (POLLHUP | POLLERR)))
			return;
	}
}

static void send_cmd(int sock, struct vgp_cmd *c, const uint8_t *data, size_t len)
{
	struct vgp_frame f = { .magic = VGP_MAGIC, .type = VGP_FRAME_CMD, .len = (uint32_t)(sizeof(*c) + len) };

	c->data_off = 0;
	c->data_len = (uint32_t)len;
	if (c->op >= 64 && c->op < VGP_OP_MAX && c->queue < VGP_QUEUES)
		c->seq = ++seqs[c->queue];
	memcpy(packet, &f, sizeof(f));
	memcpy(packet + sizeof(f), c, sizeof(*c));
	if (len)
		memcpy(packet + sizeof(f) + sizeof(*c), data, len);
	send_packet(sock, sizeof(f) + f.len);
}

static size_t take_u16(const uint8_t *p, size_t size)
{
	return size < 2 ? 0 : (size_t)(p[0] | p[1] << 8);
}

/* Bytes used, 0: no more. */
static size_t record(int sock, const uint8_t *p, size_t size)
{
	struct vgp_cmd c;
	size_t n, head = p[0] & 1 ? 1 + sizeof(c) : 1;

	if (size < head + 2)
		return 0;
	n = take_u16(p + head, size - head);
	if (n > size - head - 2)
		n = size - head - 2;
	if (p[0] & 1) {
		memcpy(&c, p + 1, sizeof(c));
		send_cmd(sock, &c, p + head + 2, n);
	} else {
		memcpy(packet, p + head + 2, n);
		send_packet(sock, n);
	}
	return head + 2 + n;
}

/* All before it has been dispatched when it is answered. */
static void settle(int sock)
{
	struct vgp_cmd c = { .op = VGP_OP_PING, .seq = 0x5e771e };
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint8_t b[sizeof(struct vgp_frame) + sizeof(struct vgp_reply)];
	struct vgp_reply r;

	send_cmd(sock, &c, NULL, 0);
	while (poll(&p, 1, 500) > 0) {
		ssize_t n = recv(sock, b, sizeof(b), MSG_DONTWAIT);

		if (n <= 0)
			return;
		memcpy(&r, b + sizeof(struct vgp_frame), sizeof(r));
		if (n == (ssize_t)sizeof(b) && r.seq == 0x5e771e)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vgpu_device d;
	struct eng_config cfg = { .devs = &d, .n_devs = 1, .backend = be_find("interp"), .transport = VGP_TRANSPORT_SOCKET,
				  .threads = 1, .window_size = 1ull << 30, .ctl = -1, .client_pidfd = -1, .in_process = true };
	struct eng *e;
	pthread_t t;
	int sv[2];

	vgpu_device_init(&d);
	d.memory_total = 64u << 20;
	memset(seqs, 0, sizeof(seqs));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		abort();
	cfg.sock = sv[1];
	if (eng_new(&e, &cfg, &err) || pthread_create(&t, NULL, engine_thread, e))
		abort();
	while (size) {
		size_t n = record(sv[0], data, size);

		if (!n)
			break;
		data += n;
		size -= n;
	}
	settle(sv[0]);
	eng_stop(e);
	pthread_join(t, NULL);
	eng_free(e);
	close(sv[0]);
	return 0;
}
