/* 222-threads: one session used by many threads at once: calls, submissions with data, waits, memory. */
#include <pthread.h>
#include <string.h>

#include "t/lib/session.h"
#include "t/lib/tap.h"

#define THREADS 8
#define ROUNDS 300

static struct tr_session *s;
static uint32_t ctx;

struct job {
	pthread_t t;
	unsigned n;
	int bad;
};

static void one_round(struct job *j, uint32_t q, uint64_t mem, unsigned i)
{
	uint8_t data[700], back[700];
	size_t len = 1 + (i * 37 + j->n * 11) % sizeof(data);
	struct vgp_cmd w = { .op = VGP_OP_WRITE, .queue = q, .a.WRITE = { .dst = mem } };
	struct vgp_cmd cp = { .op = VGP_OP_COPY, .queue = q, .a.COPY = { mem + 4096, mem, len } };
	struct vgp_cmd p = { .op = VGP_OP_PING, .a.PING.cookie = i * 1000ull + j->n };
	struct vgp_reply r;
	uint64_t seq = 0;

	for (size_t k = 0; k < len; k++)
		data[k] = (uint8_t)(k + i + j->n);
	j->bad += tr_submit(s, &w, data, len, NULL, NULL) != 0;
	j->bad += tr_submit(s, &cp, NULL, 0, &seq, NULL) != 0;
	j->bad += tr_call(s, &p, NULL, 0, &r, NULL, 0, NULL, NULL) != 0 || r.r.PING.cookie != i * 1000ull + j->n;
	j->bad += tr_wait(s, ctx, q, seq, UINT64_MAX) != 0;
	j->bad += tr_mem_read(s, mem + 4096, back, len, NULL) != 0;
	j->bad += memcmp(back, data, len) != 0;
}

static void *work(void *arg)
{
	struct job *j = arg;
	uint32_t q = session_queue(s, ctx);
	uint64_t mem = session_alloc(s, ctx, 8192, VGP_MEM_DEVICE);
	struct vgp_cmd d = { .op = VGP_OP_QUEUE_DESTROY, .a.QUEUE_DESTROY = { .queue = q } };

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t extra;

		one_round(j, q, mem, i);
		extra = session_alloc(s, ctx, 100 + i * 97, i & 1 ? VGP_MEM_DEVICE : VGP_MEM_HOST);
		j->bad += !extra || session_free(s, extra);
	}
	j->bad += session_free(s, mem) != 0;
	j->bad += tr_call(s, &d, NULL, 0, NULL, NULL, 0, NULL, NULL) != 0;
	tr_queue_release(s, q);
	return NULL;
}

static void run(enum session_place place, unsigned transport, const char *name)
{
	struct job j[THREADS] = { 0 };
	int bad = 0;

	s = session_open(place, transport);
	ctx = session_ctx(s);
	for (unsigned i = 0; i < THREADS; i++) {
		j[i].n = i;
		pthread_create(&j[i].t, NULL, work, &j[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(j[i].t, NULL);
		bad += j[i].bad;
	}
	is_int(bad, 0, "%u threads, %u rounds: %s", THREADS, ROUNDS, name);
	tr_close(s);
	if (place == SESSION_WORKER)
		is_int(session_reap(10), 0, "the worker ends");
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
