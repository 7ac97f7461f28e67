/*
 * eng_channel.c: takes commands out of the ring or off the socket and gives
 * each to its handler. Commands and their data are copied to private memory
 * before anything of them is looked at: the client may change them at any
 * time. Slow calls go to the service thread, so that the channel is always
 * soon back at the ring.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "engine/eng_priv.h"

#define SPIN_NS 20000
#define BESIDE_MAX 8             /* times in a row that the worker has nothing to do and the client is on its CPU, … */
#define PART_NS 2000000          /* … and the least time between two moves: to a CPU that sleeps they take up to some 100 us */
#define MASK (VGP_RING_SLOTS - 1)

static __thread bool on_channel;

static const eng_call_f handlers[VGP_OP_MAX] = {
#define ARGS(...)
#define REPLY(...)
#define F(type, name)
#define ROW_CALL(name) [VGP_OP_##name] = eng_do_##name,
#define ROW_QUEUED(name)
#define M(name, num, kind, since, args, reply) ROW_##kind(name)
#include "protocol/vgp_msg.def"
#undef M
#undef F
#undef ARGS
#undef REPLY
};

bool eng_is_channel(void)
{
	return on_channel;
}

bool eng_stopped(struct eng *e)
{
	return __atomic_load_n(&e->stopping, __ATOMIC_ACQUIRE) != 0;
}

/* ---- set-up ---- */

static uint32_t part(uint64_t *at, uint64_t size)
{
	uint64_t off = vgpu_align_up(*at, 4096);

	*at = off + size;
	return (uint32_t)off;
}

static void fill_header(struct vgp_ring_hdr *h, uint64_t *size)
{
	uint64_t at = sizeof(*h);

	h->magic = VGP_MAGIC;
	h->abi_major = VGP_ABI_MAJOR;
	h->abi_minor = VGP_ABI_MINOR;
	h->slots = VGP_RING_SLOTS;
	h->replies = VGP_RING_REPLIES;
	h->data_size = VGP_RING_DATA_SIZE;
	h->off_cmds = part(&at, sizeof(struct vgp_cmd) * VGP_RING_SLOTS);
	h->off_replies = part(&at, sizeof(struct vgp_reply_slot) * VGP_RING_REPLIES);
	h->off_timelines = part(&at, sizeof(struct vgp_timeline) * VGP_QUEUES);
	h->off_contexts = part(&at, sizeof(struct vgp_context_word) * VGP_CONTEXTS);
	h->off_data = part(&at, VGP_RING_DATA_SIZE);
	h->size = *size = vgpu_align_up(at, 4096);
}

static int ring_init(struct eng *e, struct vgpu_err *err)
{
	struct vgp_ring_hdr h = { 0 };

	fill_header(&h, &e->ring_size);
	e->ring_fd = vgpu_memfd("vgpu-ring", e->ring_size);
	if (e->ring_fd < 0 || vgpu_memfd_seal(e->ring_fd) < 0)
		return vgpu_err_errno(err, "ring");
	e->ring = mmap(NULL, e->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, e->ring_fd, 0);
	if (e->ring == MAP_FAILED) {
		e->ring = NULL;
		return vgpu_err_errno(err, "map the ring");
	}
	e->hdr = (struct vgp_ring_hdr *)e->ring;
	*e->hdr = h;
	/* places from our own copy: the header is the client's to scribble on */
	e->cmds = (struct vgp_cmd *)(e->ring + h.off_cmds);
	e->replies = (struct vgp_reply_slot *)(e->ring + h.off_replies);
	e->data = e->ring + h.off_data;
	e->timelines = (struct vgp_timeline *)(e->ring + h.off_timelines);
	e->contexts = (struct vgp_context_word *)(e->ring + h.off_contexts);
	return 0;
}

int eng_channel_init(struct eng *e, struct vgpu_err *err)
{
	pthread_mutex_init(&e->send_lock, NULL);
	e->ring_fd = -1;
	e->frame = malloc(VGP_FRAME_MAX);
	if (!e->frame)
		return vgpu_err_set(err, VGPU_E_NOMEM, "channel: out of memory");
	return e->cfg.transport == VGP_TRANSPORT_RING ? ring_init(e, err) : 0;
}

void eng_channel_fini(struct eng *e)
{
	if (e->ring)
		munmap(e->ring, e->ring_size);
	if (e->ring_fd >= 0)
		close(e->ring_fd);
	free(e->frame);
	pthread_mutex_destroy(&e->send_lock);
}

/* ---- to the client ---- */

static void send_frame(struct eng *e, uint16_t type, const void *body, size_t len, const void *data, size_t data_len, bool block)
{
	struct vgp_frame h = { .magic = VGP_MAGIC, .type = type, .len = (uint32_t)(len + data_len) };
	struct iovec iov[3] = { { &h, sizeof(h) }, { (void *)body, len }, { (void *)data, data_len } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = data_len ? 3 : len ? 2 : 1 };

	pthread_mutex_lock(&e->send_lock);
	while (sendmsg(e->cfg.sock, &m, MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT)) < 0 && errno == EINTR)
		;
	pthread_mutex_unlock(&e->send_lock);
}

static void send_reply(struct eng *e, const struct vgp_reply *r, uint16_t slot, const void *data)
{
	struct vgp_reply_slot *s;

	if (!e->ring) {
		send_frame(e, VGP_FRAME_REPLY, r, sizeof(*r), data, r->data_len, true);
		return;
	}
	s = &e->replies[slot];
	memcpy(&s->reply, r, sizeof(*r));
	if (r->data_len)
		memcpy(s->data, data, r->data_len);
	/* release: the reply is there when done says so */
	__atomic_store_n(&s->done, (uint32_t)r->seq, __ATOMIC_RELEASE);
	/* seq_cst: done is out before sleeping is read; pairs with the client's fence */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&s->sleeping, __ATOMIC_RELAXED))
		vgpu_futex_wake(&s->done, 1);
}

void eng_reply(struct eng *e, struct eng_call *c, int status)
{
	c->reply.seq = c->cmd.seq;
	c->reply.status = status < 0 ? -status : 0;
	c->reply.data_len = MIN(c->out_len, c->out_cap);
	c->reply.pad = 0;
	send_reply(e, &c->reply, c->cmd.reply_slot, c->out);
}

void eng_reply_later(struct eng *e, uint64_t seq, uint16_t slot, int status, const struct vgp_reply *r)
{
	struct vgp_reply reply = { 0 };

	if (r)
		reply = *r;
	reply.seq = seq;
	reply.status = status < 0 ? -status : 0;
	reply.data_len = 0;
	send_reply(e, &reply, slot, NULL);
}

/* Called with q->lock, so that values never go back. */
void eng_publish(struct eng *e, struct eng_queue *q, uint64_t completed)
{
	struct vgp_timeline *t;

	if (!e->timelines)
		return;
	t = &e->timelines[q->index];
	__atomic_store_n(&t->worker_cpu, (uint32_t)sched_getcpu(), __ATOMIC_RELAXED);
	/* release: what the command did is visible when its number is */
	__atomic_store_n(&t->completed, completed, __ATOMIC_RELEASE);
	__atomic_store_n(&t->futex, (uint32_t)completed, __ATOMIC_RELEASE);
	/* seq_cst: both are out before sleeping is read; pairs with the client's fence */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&t->sleeping, __ATOMIC_RELAXED))
		vgpu_futex_wake(&t->futex, INT32_MAX);
}

/* The context's status changed: waiters on its timelines look again. */
void eng_publish_ctx(struct eng *e, struct eng_ctx *ctx)
{
	if (!e->contexts)
		return;
	/* release: whatever the fault left is visible with it */
	__atomic_store_n(&e->contexts[ctx->id].status, eng_ctx_status(ctx), __ATOMIC_RELEASE);
	if (!eng_ctx_status(ctx)) {
		__atomic_store_n(&e->contexts[ctx->id].printf_pending, 0, __ATOMIC_RELEASE);
		return;
	}
	for (uint32_t i = 0; i < VGP_QUEUES; i++) {
		struct vgp_timeline *t = &e->timelines[i];

		if (__atomic_load_n(&e->queues[i].ctx, __ATOMIC_RELAXED) != ctx)
			continue;
		/* a changed word: nobody falls asleep on the old one */
		__atomic_fetch_xor(&t->futex, 1u << 31, __ATOMIC_SEQ_CST);
		vgpu_futex_wake(&t->futex, INT32_MAX);
	}
}

void eng_kill_contexts(struct eng *e, int status, const char *why)
{
	for (uint32_t i = 0; i < VGP_CONTEXTS; i++) {
		struct eng_ctx *ctx = eng_ctx_get(e, i);

		if (ctx)
			eng_fault(ctx, status, 0, "%s", why);
	}
}

/* The client broke the protocol beyond repair. It is told, and its kernels end; the process goes when it does. */
void eng_fatal(struct eng *e, int status, const char *why)
{
	__atomic_store_n(&e->fatal, (uint32_t)status, __ATOMIC_RELEASE);
	if (e->hdr)
		__atomic_store_n(&e->hdr->fatal, (uint32_t)status, __ATOMIC_RELEASE);
	eng_kill_contexts(e, VGPU_E_DEVICE_LOST, why);
	if (e->hdr) {
		__atomic_fetch_xor(&e->hdr->head, 1u << 31, __ATOMIC_SEQ_CST);
		vgpu_futex_wake(&e->hdr->head, INT32_MAX);
	}
	send_frame(e, VGP_FRAME_BYE, NULL, 0, NULL, 0, false);
}

/* ---- calls ---- */

static bool is_slow(unsigned op)
{
	switch (op) {
	case VGP_OP_CTX_DESTROY:
	case VGP_OP_MODULE_LOAD:
	case VGP_OP_MODULE_UNLOAD:
	case VGP_OP_FUNC_GET:
	case VGP_OP_FUNC_AT:
		return true;
	}
	return false;
}

static void run_call(struct eng *e, struct eng_call *c)
{
	int r = handlers[c->cmd.op](e, c);

	if (r != ENG_ASYNC)
		eng_reply(e, c, r);
}

static int to_service(struct eng *e, const struct eng_call *c)
{
	struct eng_call *k = malloc(sizeof(*k) + c->cmd.data_len + c->out_cap);
	uint8_t *data;

	if (!k)
		return -VGPU_E_NOMEM;
	*k = *c;
	data = (uint8_t *)(k + 1);
	memcpy(data, c->data, c->cmd.data_len);
	k->data = data;
	k->out = data + c->cmd.data_len;
	k->next = NULL;
	pthread_mutex_lock(&e->service_lock);
	if (e->calls_tail)
		e->calls_tail->next = k;
	else
		e->calls = k;
	e->calls_tail = k;
	pthread_cond_signal(&e->service_cond);
	pthread_mutex_unlock(&e->service_lock);
	return 0;
}

void *eng_service_thread(void *arg)
{
	struct eng *e = arg;

	be_guard_install(NULL);   /* this thread's signal stack */
	pthread_mutex_lock(&e->service_lock);
	while (!eng_stopped(e)) {
		struct eng_call *c = e->calls;

		if (!c) {
			pthread_cond_wait(&e->service_cond, &e->service_lock);
			continue;
		}
		e->calls = c->next;
		if (!e->calls)
			e->calls_tail = NULL;
		pthread_mutex_unlock(&e->service_lock);
		run_call(e, c);
		free(c);
		pthread_mutex_lock(&e->service_lock);
	}
	pthread_mutex_unlock(&e->service_lock);
	return NULL;
}

static void do_call(struct eng *e, const struct vgp_cmd *cmd, const uint8_t *data, int bad)
{
	static __thread uint8_t out[ENG_REPLY_MAX];
	struct eng_call c = { .cmd = *cmd, .data = data, .out = out,
			      .out_cap = e->ring ? VGP_RING_REPLY_DATA : ENG_REPLY_MAX };

	if (bad == 0 && is_slow(cmd->op)) {
		bad = to_service(e, &c);
		if (bad == 0)
			return;
	}
	if (bad)
		eng_reply(e, &c, bad);
	else
		run_call(e, &c);
}

int eng_do_PING(struct eng *e, struct eng_call *c)
{
	c->reply.r.PING.cookie = c->cmd.a.PING.cookie;
	return 0;
}

/* ---- queued commands ---- */

/* A queued command that isn't one: the context pays, its timeline goes on. */
static void bad_queued(struct eng *e, struct eng_cmd *c, const struct vgpu_err *why)
{
	struct eng_queue *q = &e->queues[c->c.queue];
	struct eng_ctx *ctx;

	pthread_mutex_lock(&q->lock);
	ctx = q->used ? q->ctx : NULL;
	pthread_mutex_unlock(&q->lock);
	if (ctx)
		eng_fault(ctx, why->status, 0, "%s", why->text);
	memset(&c->c.a, 0, sizeof(c->c.a));
	c->c.op = VGP_OP_NOP;
	if (eng_queue_push(e, c))
		eng_fatal(e, VGPU_E_PROTOCOL, "a queue's sequence is broken");
}

static void do_queued(struct eng *e, struct eng_cmd *c, const struct vgpu_err *bad)
{
	if (bad->status)
		bad_queued(e, c, bad);
	else if (eng_queue_push(e, c))
		eng_fatal(e, VGPU_E_PROTOCOL, "a queue's sequence is broken");
}

/*
 * One command, in private memory. c holds its data and is taken. Unknown
 * operations are calls when they name no queue.
 */
static void dispatch(struct eng *e, struct eng_cmd *c)
{
	const struct vgp_msg_info *m = vgp_msg_find(c->c.op);
	struct vgpu_err why = VGPU_ERR_INIT;

	if (vgp_cmd_check(&c->c, VGP_ABI_MINOR, &why) == 0)
		why.status = 0;
	if (m ? m->kind == VGP_KIND_QUEUED : c->c.queue != 0) {
		if (c->c.queue >= VGP_QUEUES) {
			free(c);
			eng_fatal(e, VGPU_E_PROTOCOL, why.text);
			return;
		}
		do_queued(e, c, &why);
		return;
	}
	if (c->c.reply_slot >= VGP_RING_REPLIES)
		eng_fatal(e, VGPU_E_PROTOCOL, why.text);
	else
		do_call(e, &c->c, c->data, -why.status);
	free(c);
}

/* ---- ring ---- */

bool eng_channel_waits(struct eng *e)
{
	struct pollfd p = { .fd = e->cfg.sock, .events = POLLIN };

	if (e->hdr)
		return __atomic_load_n(&e->hdr->tail, __ATOMIC_ACQUIRE) != e->head;
	return poll(&p, 1, 0) > 0;
}

/* Copies the next command and its data out of shared memory. NULL: memory is short. */
static struct eng_cmd *ring_take(struct eng *e)
{
	struct vgp_cmd cmd;
	struct eng_cmd *c;
	uint32_t len;

	memcpy(&cmd, (const void *)&e->cmds[e->head & MASK], sizeof(cmd));
	len = cmd.data_len;
	/* a range that is wrong is left for vgp_cmd_check to refuse */
	if (len > VGP_RING_DATA_SIZE || cmd.data_off > VGP_RING_DATA_SIZE - len)
		len = 0;
	c = malloc(sizeof(*c) + len);
	if (!c)
		return NULL;
	c->next = NULL;
	c->c = cmd;
	memcpy(c->data, e->data + cmd.data_off * (len != 0), len);
	return c;
}

static void ring_advance(struct eng *e)
{
	e->head++;
	/* release: slot and data have been read */
	__atomic_store_n(&e->hdr->head, e->head, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&e->hdr->client_sleeping, __ATOMIC_RELAXED))
		vgpu_futex_wake(&e->hdr->head, INT32_MAX);
}

/*
 * On one CPU with the client each would have to be woken by the other for every command. Where Linux keeps them there,
 * beside an idle one perhaps, the worker goes elsewhere.
 */
static void move_apart(struct eng *e)
{
	uint64_t now;

	if (++e->beside < BESIDE_MAX)
		return;
	e->beside = 0;
	now = vgpu_now_ns();
	if (now - e->parted_ns < PART_NS)
		return;
	e->parted_ns = now;
	/* told before, so that the client spins meanwhile: one that sleeps is woken beside the worker again */
	__atomic_store_n(&e->hdr->worker_cpu, VGP_CPU_MOVING, __ATOMIC_RELAXED);
	vgpu_cpu_leave();
	__atomic_store_n(&e->hdr->worker_cpu, (uint32_t)sched_getcpu(), __ATOMIC_RELAXED);
}

static bool is_beside(const struct eng *e)
{
	return __atomic_load_n(&e->hdr->client_cpu, __ATOMIC_RELAXED) == (uint32_t)sched_getcpu();
}

static bool spin_for(struct eng *e, uint32_t seen)
{
	uint64_t end;

	if (is_beside(e))
		move_apart(e);
	else
		e->beside = 0;
	/* beside the client on one CPU, spinning only keeps it from going on */
	if (is_beside(e))
		return false;
	end = vgpu_now_ns() + SPIN_NS;
	do {
		for (int i = 0; i < 16; i++) {
			if (__atomic_load_n(&e->hdr->tail, __ATOMIC_ACQUIRE) != seen)
				return true;
#if defined(__x86_64__)
			__builtin_ia32_pause();
#endif
		}
	} while (vgpu_now_ns() < end);
	return false;
}

static void ring_sleep(struct eng *e, uint32_t seen)
{
	struct vgp_ring_hdr *h = e->hdr;

	__atomic_store_n(&h->worker_cpu, (uint32_t)sched_getcpu(), __ATOMIC_RELAXED);
	if (spin_for(e, seen))
		return;
	__atomic_store_n(&h->worker_sleeping, 1, __ATOMIC_RELAXED);
	/* seq_cst: pairs with the client's fence between tail and worker_sleeping */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&h->tail, __ATOMIC_ACQUIRE) == seen && !eng_stopped(e))
		vgpu_futex_wait(&h->tail, seen, e->cfg.in_process ? 50000000 : -1);
	__atomic_store_n(&h->worker_sleeping, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&h->worker_cpu, (uint32_t)sched_getcpu(), __ATOMIC_RELAXED);
}

static void ring_run(struct eng *e)
{
	while (!eng_stopped(e) && !__atomic_load_n(&e->fatal, __ATOMIC_ACQUIRE)) {
		/* acquire: the slot was written before tail */
		uint32_t tail = __atomic_load_n(&e->hdr->tail, __ATOMIC_ACQUIRE);
		struct eng_cmd *c;

		if (tail == e->head) {
			ring_sleep(e, tail);
			continue;
		}
		if (tail - e->head > VGP_RING_SLOTS) {
			eng_fatal(e, VGPU_E_PROTOCOL, "the ring's indices are impossible");
			break;
		}
		c = ring_take(e);
		if (!c) {
			eng_fatal(e, VGPU_E_NOMEM, "the engine is out of memory");
			break;
		}
		ring_advance(e);
		dispatch(e, c);
	}
}

/* ---- frames ---- */

static bool frame_dispatch(struct eng *e, size_t len)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vgp_frame h;
	struct vgp_cmd cmd;
	const void *body, *data;
	struct eng_cmd *c;

	if (vgp_frame_parse(e->frame, len, &h, &body, &err) ||
	    (h.type != VGP_FRAME_BYE && vgp_frame_cmd(&h, body, &cmd, &data, &err))) {
		eng_fatal(e, VGPU_E_PROTOCOL, err.text);
		return false;
	}
	if (h.type == VGP_FRAME_BYE)
		return false;
	c = malloc(sizeof(*c) + cmd.data_len);
	if (!c) {
		eng_fatal(e, VGPU_E_NOMEM, "the engine is out of memory");
		return false;
	}
	c->next = NULL;
	c->c = cmd;
	memcpy(c->data, data, cmd.data_len);
	dispatch(e, c);
	return true;
}

static void frames_run(struct eng *e)
{
	while (!eng_stopped(e) && !__atomic_load_n(&e->fatal, __ATOMIC_ACQUIRE)) {
		int fds[VGPU_MAX_FDS], nfds = 0;
		ssize_t n = vgpu_recv_fds(e->cfg.sock, e->frame, VGP_FRAME_MAX, fds, &nfds, 0);

		for (int i = 0; i < nfds; i++)
			close(fds[i]);
		if (n < 0 && errno == EMSGSIZE) {
			eng_fatal(e, VGPU_E_PROTOCOL, "a frame is too long");
			break;
		}
		if (n <= 0 || !frame_dispatch(e, (size_t)n))
			break;
	}
}

/* ---- */

static int welcome(struct eng *e)
{
	struct {
		struct vgp_frame f;
		struct vgp_welcome w;
	} m = {
		.f = { .magic = VGP_MAGIC, .type = VGP_FRAME_WELCOME, .len = sizeof(m.w) },
		.w = { .magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .abi_minor = VGP_ABI_MINOR, .nonce = e->cfg.nonce,
		       .window_size = e->win.fd_size, .ring_size = e->ring_size, .worker_pid = (uint32_t)getpid() },
	};
	int fds[2] = { e->ring_fd, e->win.fd };

	if (!e->ring) {
		m.w.window_addr = e->win.addr;
		m.w.window_size = e->win.size;
	}
	return vgpu_send_fds(e->cfg.sock, &m, sizeof(m), fds, e->ring ? 2 : 0, 0) == (ssize_t)sizeof(m) ? 0 : -1;
}

void eng_channel_run(struct eng *e)
{
	on_channel = true;
	be_guard_install(NULL);   /* this thread's signal stack */
	if (welcome(e) == 0) {
		if (e->ring)
			ring_run(e);
		else
			frames_run(e);
	}
	/* a worker's end tells by itself */
	if (e->cfg.in_process)
		shutdown(e->cfg.sock, SHUT_RDWR);
	on_channel = false;
}
