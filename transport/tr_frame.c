/*
 * tr_frame.c: the same commands as frames, over the socket or by write and
 * read on the node. Nobody owns a receiving thread: a caller that waits for
 * its reply becomes the reader if there is none, and hands other callers'
 * replies over until its own has come.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "protocol/vgp_codec.h"
#include "transport/tr_priv.h"

int tr_frames_init(struct tr_session *s, struct vgpu_err *err)
{
	struct tr_frames *f = &s->frames;

	f->buf = malloc(VGP_FRAME_MAX);
	if (!f->buf)
		return vgpu_err_set(err, VGPU_E_NOMEM, "session: out of memory");
	pthread_mutex_init(&f->send_lock, NULL);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	return 0;
}

void tr_frames_fini(struct tr_session *s)
{
	struct tr_frames *f = &s->frames;

	if (!f->buf)
		return;
	free(f->buf);
	f->buf = NULL;
	pthread_mutex_destroy(&f->send_lock);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
}

/* ---- carriers ---- */

/* A full relay answers EAGAIN, blocking or not. */
static ssize_t node_send(struct tr_session *s, const struct iovec *iov, int n, bool block)
{
	for (;;) {
		struct pollfd p = { .fd = s->node_fd, .events = POLLOUT };
		/* at 0: threads shall not queue for the file position */
		ssize_t r = pwritev(s->node_fd, iov, n, 0);

		if (r >= 0 || (errno != EINTR && errno != ECONNABORTED && errno != EAGAIN))
			return r;
		if (errno == EAGAIN && !block)
			return r;
		if (errno == EAGAIN)
			poll(&p, 1, 10);
	}
}

static ssize_t carrier_send(struct tr_session *s, struct iovec *iov, int n, bool block)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	ssize_t r;

	if (s->sock < 0)
		return node_send(s, iov, n, block);
	do {
		r = sendmsg(s->sock, &m, MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT));
	} while (r < 0 && errno == EINTR);
	return r;
}

static int node_recv(struct tr_session *s, void *buf, size_t cap, size_t *len)
{
	for (;;) {
		ssize_t n = pread(s->node_fd, buf, cap, 0);

		if (n > 0) {
			*len = (size_t)n;
			return 0;
		}
		if (n < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = s->node_fd, .events = POLLIN };

			poll(&p, 1, 10);
			continue;
		}
		return tr_kill(s, VGPU_E_DISCONNECTED);
	}
}

int tr_frame_recv(struct tr_session *s, void *buf, size_t cap, size_t *len, int *fds, int *nfds, int64_t timeout_ns)
{
	uint64_t end = timeout_ns < 0 ? UINT64_MAX : vgpu_now_ns() + (uint64_t)timeout_ns;

	if (s->sock < 0)
		return node_recv(s, buf, cap, len);
	for (;;) {
		struct pollfd p = { .fd = s->sock, .events = POLLIN };
		uint64_t now = vgpu_now_ns();
		int wait_ms = end == UINT64_MAX ? -1 : now >= end ? 0 : (int)MIN((end - now) / 1000000 + 1, (uint64_t)1000);
		ssize_t n;

		n = poll(&p, 1, wait_ms);
		if (n == 0 && now >= end)
			return -VGPU_E_NOT_READY;
		if (n <= 0)
			continue;
		n = vgpu_recv_fds(s->sock, buf, cap, fds, nfds, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0)
			return tr_kill(s, VGPU_E_DISCONNECTED);
		*len = (size_t)n;
		return 0;
	}
}

int tr_frame_send(struct tr_session *s, uint16_t type, const void *body, size_t len, const void *data, size_t data_len, bool block)
{
	struct vgp_frame h = { .magic = VGP_MAGIC, .type = type, .len = (uint32_t)(len + data_len) };
	struct iovec iov[3] = { { &h, sizeof(h) }, { (void *)body, len }, { (void *)data, data_len } };
	ssize_t want = (ssize_t)(sizeof(h) + len + data_len);

	if (carrier_send(s, iov, data_len ? 3 : len ? 2 : 1, block) == want)
		return 0;
	return block ? tr_kill(s, VGPU_E_DISCONNECTED) : -VGPU_E_NOT_READY;
}

/* ---- replies ---- */

/* Called with the lock: gives a reply to the call that waits for it. */
static int deliver(struct tr_session *s, size_t len)
{
	struct vgp_frame h;
	struct vgp_reply r;
	const void *body, *data;

	if (vgp_frame_parse(s->frames.buf, len, &h, &body, NULL))
		return tr_kill(s, VGPU_E_PROTOCOL);
	if (h.type == VGP_FRAME_BYE)
		return tr_kill(s, VGPU_E_DISCONNECTED);
	if (vgp_frame_reply(&h, body, &r, &data, NULL) || r.status < 0)
		return tr_kill(s, VGPU_E_PROTOCOL);
	for (struct tr_pending *p = s->frames.pending; p; p = p->next) {
		if (p->seq != r.seq || p->done)
			continue;
		*p->reply = r;
		p->len = MIN(p->cap, (size_t)r.data_len);
		if (p->len)
			memcpy(p->out, data, p->len);
		p->done = true;
		return 0;
	}
	return 0; /* nobody waits for it any more */
}

/* Called with the lock, which is given up meanwhile: receives one frame for all. */
static int read_one(struct tr_session *s)
{
	struct tr_frames *f = &s->frames;
	int fds[VGPU_MAX_FDS], nfds = 0, r;
	size_t len = 0;

	f->reading = true;
	pthread_mutex_unlock(&f->lock);
	r = tr_frame_recv(s, f->buf, VGP_FRAME_MAX, &len, fds, &nfds, -1);
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	pthread_mutex_lock(&f->lock);
	f->reading = false;
	if (r == 0)
		r = deliver(s, len);
	pthread_cond_broadcast(&f->changed);
	return r;
}

static int await_reply(struct tr_session *s, struct tr_pending *me)
{
	struct tr_frames *f = &s->frames;
	int r = 0;

	pthread_mutex_lock(&f->lock);
	while (!me->done && r == 0) {
		int dead = __atomic_load_n(&s->dead, __ATOMIC_ACQUIRE);

		if (dead)
			r = -dead;
		else if (f->reading)
			pthread_cond_wait(&f->changed, &f->lock);
		else
			r = read_one(s);
	}
	if (me->done)
		r = 0;
	for (struct tr_pending **p = &f->pending; *p; p = &(*p)->next) {
		if (*p == me) {
			*p = me->next;
			break;
		}
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* ---- sending ---- */

static int send_cmd(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len)
{
	cmd->data_off = 0;
	cmd->data_len = (uint32_t)in_len;
	if (unlikely(tr_debug_on))
		tr_debug_cmd(cmd, in, in_len);
	return tr_frame_send(s, VGP_FRAME_CMD, cmd, sizeof(*cmd), in, in_len, true);
}

int tr_frames_call(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len,
		   struct vgp_reply *reply, void *out, size_t cap, size_t *len, struct vgpu_err *err)
{
	struct tr_frames *f = &s->frames;
	struct tr_pending me = { .reply = reply, .out = out, .cap = cap };
	int r;

	cmd->reply_slot = 0;
	me.seq = cmd->seq = __atomic_add_fetch(&s->next_call, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&f->lock);
	me.next = f->pending;
	f->pending = &me;
	pthread_mutex_unlock(&f->lock);

	pthread_mutex_lock(&f->send_lock);
	r = send_cmd(s, cmd, in, in_len);
	pthread_mutex_unlock(&f->send_lock);
	(void)r;   /* a failure marked the session dead; await_reply takes us off the list */
	r = await_reply(s, &me);
	if (r)
		return vgpu_err_set(err, -r, "the engine worker is gone");
	if (len)
		*len = me.len;
	return 0;
}

static int wait_depth(struct tr_session *s, uint32_t queue)
{
	struct tr_queue *q = &s->queues[queue];
	uint64_t sub = __atomic_load_n(&q->submitted, __ATOMIC_RELAXED);
	int r;

	if (likely(sub - __atomic_load_n(&q->completed, __ATOMIC_RELAXED) < TR_QUEUE_DEPTH_FRAMES))
		return 0;
	r = tr_frames_wait(s, queue, sub - TR_QUEUE_DEPTH_FRAMES / 2, UINT64_MAX);
	/* a context's fault is not ours to report here */
	return __atomic_load_n(&s->dead, __ATOMIC_ACQUIRE) ? r : 0;
}

int tr_frames_submit(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len, uint64_t *seq, struct vgpu_err *err)
{
	struct tr_queue *q = &s->queues[cmd->queue];
	int r = wait_depth(s, cmd->queue);

	if (r == 0)
		r = tr_check_alive(s);
	if (r == 0) {
		pthread_mutex_lock(&s->frames.send_lock);
		cmd->seq = q->submitted + 1;
		r = send_cmd(s, cmd, in, in_len);
		if (r == 0)
			__atomic_store_n(&q->submitted, cmd->seq, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&s->frames.send_lock);
	}
	if (r)
		return vgpu_err_set(err, -r, "the engine worker is gone");
	if (seq)
		*seq = cmd->seq;
	return 0;
}

int tr_frames_wait(struct tr_session *s, uint32_t queue, uint64_t value, uint64_t timeout_ns)
{
	struct vgp_cmd c = { .op = VGP_OP_QUEUE_WAIT,
			     .a.QUEUE_WAIT = { .value = value, .timeout_ns = timeout_ns, .queue = queue } };
	struct tr_queue *q = &s->queues[queue];
	struct vgp_reply r;
	uint64_t old;
	int rc;

	rc = tr_frames_call(s, &c, NULL, 0, &r, NULL, 0, NULL, NULL);
	if (rc)
		return rc;
	if (unlikely(tr_debug_on))
		tr_debug_reply(&c, &r);
	old = __atomic_load_n(&q->completed, __ATOMIC_RELAXED);
	while (old < r.r.QUEUE_WAIT.completed &&
	       !__atomic_compare_exchange_n(&q->completed, &old, r.r.QUEUE_WAIT.completed, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	if (r.r.QUEUE_WAIT.status)
		return -(int)MIN(r.r.QUEUE_WAIT.status, (uint32_t)VGPU_STATUS_COUNT - 1);
	return -r.status;
}
