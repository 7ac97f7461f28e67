/*
 * eng_monitor.c: the thread that only waits: for the client's end (its socket
 * or its process), for the daemon's word, for waits that run out of time, and
 * for values in device memory. A worker process ends right here, whatever its
 * kernels do.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "engine/eng_priv.h"

#define VALUE_POLL_NS 50000
#define USAGE_NS 1000000000ull
#define CTL_TIMEOUT_S 5

/* ---- control socket ---- */

static int ctl_send(struct eng *e, const struct vgp_ctl *m)
{
	return vgpu_send_fds(e->cfg.ctl, m, sizeof(*m), NULL, 0, MSG_DONTWAIT) == (ssize_t)sizeof(*m) ? 0 : -1;
}

void eng_ctl_tell(struct eng *e, uint32_t op, uint32_t device, uint64_t value, uint64_t value2)
{
	struct vgp_ctl m = { .op = op, .session = e->cfg.session, .device = device, .pid = (uint32_t)getpid(),
			     .value = value, .value2 = value2 };

	ctl_send(e, &m);
}

void eng_ctl_text(struct eng *e, uint32_t op, uint32_t device, const char *text, size_t n)
{
	struct {
		struct vgp_ctl m;
		char text[VGP_CTL_TEXT_MAX];
	} out = { .m = { .op = op, .session = e->cfg.session, .device = device, .pid = (uint32_t)getpid() } };

	n = MIN(n, sizeof(out.text));
	out.m.value = n;
	memcpy(out.text, text, n);
	vgpu_send_fds(e->cfg.ctl, &out, sizeof(out.m) + n, NULL, 0, MSG_DONTWAIT);
}

/* Asks the daemon and waits for its answer; a daemon that is replaced meanwhile is asked again. */
int eng_ctl_ask(struct eng *e, uint32_t op, uint32_t device, uint64_t value, struct vgp_ctl *answer)
{
	struct vgp_ctl m = { .op = op, .session = e->cfg.session, .device = device, .pid = (uint32_t)getpid(), .value = value };
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CTL_TIMEOUT_S;
	pthread_mutex_lock(&e->ctl_lock);
	pthread_mutex_lock(&e->ctl_state);
	m.value2 = ++e->ctl_number;
	e->ctl_request = m;
	e->ctl_waiting = true;
	e->ctl_answered = false;
	if (e->ctl_gone || ctl_send(e, &m) < 0)
		r = -VGPU_E_UNAVAILABLE;
	while (r == 0 && !e->ctl_answered) {
		if (e->ctl_gone)
			r = -VGPU_E_UNAVAILABLE;
		else if (pthread_cond_timedwait(&e->ctl_cond, &e->ctl_state, &until) == ETIMEDOUT)
			r = -VGPU_E_TIMEOUT;
	}
	if (r == 0)
		*answer = e->ctl_answer;
	e->ctl_waiting = false;
	pthread_mutex_unlock(&e->ctl_state);
	pthread_mutex_unlock(&e->ctl_lock);
	if (r == 0 && answer->status)
		r = -(int)MIN(answer->status, (uint32_t)VGPU_STATUS_COUNT - 1);
	return r;
}

static void ctl_answer(struct eng *e, const struct vgp_ctl *m)
{
	pthread_mutex_lock(&e->ctl_state);
	if (e->ctl_waiting && (m->op == VGP_CTL_TOTALS) == (e->ctl_request.op == VGP_CTL_QUERY) && e->ctl_request.value2 == m->value2) {
		e->ctl_answer = *m;
		e->ctl_answered = true;
		pthread_cond_broadcast(&e->ctl_cond);
	}
	pthread_mutex_unlock(&e->ctl_state);
}

static void tell_usage(struct eng *e, bool all)
{
	uint64_t now = vgpu_now_ns();

	eng_link_look(e);
	for (size_t i = 0; i < e->cfg.n_devs; i++) {
		uint64_t busy = eng_sched_busy_ns(e, (unsigned)i);

		/* relaxed: snapshots */
		struct vgp_ctl m = { .op = VGP_CTL_USAGE, .session = e->cfg.session, .device = (uint32_t)i, .pid = (uint32_t)getpid(),
				     .value = __atomic_load_n(&e->used[i], __ATOMIC_RELAXED), .value2 = busy,
				     .span_ns = now - e->usage_told, .contexts = __atomic_load_n(&e->n_ctx[i], __ATOMIC_RELAXED) };

		eng_link_take(e, (unsigned)i, &m.to_KiB, &m.from_KiB);
		if (all || busy || m.to_KiB || m.from_KiB)
			ctl_send(e, &m);
	}
	e->usage_told = now;
	eng_check_tell_all(e);
}

/* A new daemon: it learns what is held, and hears again what the old one left unanswered. */
static void adopted(struct eng *e)
{
	tell_usage(e, true);
	pthread_mutex_lock(&e->ctl_state);
	if (e->ctl_waiting && !e->ctl_answered)
		ctl_send(e, &e->ctl_request);
	pthread_mutex_unlock(&e->ctl_state);
}

static void ctl_event(struct eng *e)
{
	struct vgp_ctl m;
	ssize_t n = recv(e->cfg.ctl, &m, sizeof(m), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		pthread_mutex_lock(&e->ctl_state);
		e->ctl_gone = true;
		pthread_cond_broadcast(&e->ctl_cond);
		pthread_mutex_unlock(&e->ctl_state);
		return;
	}
	if (n < (ssize_t)sizeof(m))
		return;
	switch (m.op) {
	case VGP_CTL_GRANT:
	case VGP_CTL_TOTALS:
		ctl_answer(e, &m);
		break;
	case VGP_CTL_ADOPT:
		adopted(e);
		break;
	case VGP_CTL_LOST:
		eng_device_lost(e, m.device, (int)MIN(m.status, (uint32_t)VGPU_STATUS_COUNT - 1));
		eng_ctl_tell(e, VGP_CTL_GONE, m.device, m.value, 0);
		break;
	}
}

/* ---- waits with an end ---- */

/* 1: answer it with *status */
static bool wait_over(struct eng_queue_wait *w, uint64_t now, int *status, struct vgp_reply *r)
{
	struct eng_queue *q = w->q;
	uint32_t ctx_status;
	uint64_t completed;
	bool used;

	pthread_mutex_lock(&q->lock);
	used = q->used;
	completed = q->completed;
	ctx_status = q->ctx ? eng_ctx_status(q->ctx) : 0;
	pthread_mutex_unlock(&q->lock);
	*r = (struct vgp_reply){ .r.QUEUE_WAIT = { .completed = completed, .status = ctx_status } };
	*status = 0;
	if (!used && !ctx_status)
		*status = completed >= w->value ? 0 : -VGPU_E_INVALID_HANDLE;
	else if (completed >= w->value || ctx_status)
		*status = 0;
	else if (now >= w->deadline)
		*status = -VGPU_E_NOT_READY;
	else
		return false;
	return true;
}

/* Answers the QUEUE_WAITs of q (NULL: of all) that are over; the earliest deadline of the rest. */
static uint64_t waits_scan(struct eng *e, struct eng_queue *q)
{
	uint64_t next = UINT64_MAX, now = vgpu_now_ns();
	struct eng_queue_wait done[16];
	struct vgp_reply reply[16];
	int status[16];
	size_t n;

	do {
		n = 0;
		next = UINT64_MAX;
		pthread_mutex_lock(&e->wait_lock);
		for (size_t i = 0; i < e->waits.n && n < ARRAY_SIZE(done);) {
			struct eng_queue_wait *w = &e->waits.v[i];

			if ((q && w->q != q) || !wait_over(w, now, &status[n], &reply[n])) {
				next = MIN(next, w->deadline);
				i++;
				continue;
			}
			done[n++] = *w;
			vgpu_vec_swap_remove(&e->waits, i);
		}
		__atomic_store_n(&e->n_waits, (uint32_t)e->waits.n, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&e->wait_lock);
		for (size_t i = 0; i < n; i++)
			eng_reply_later(e, done[i].seq, done[i].slot, status[i], &reply[i]);
	} while (n == ARRAY_SIZE(done));
	return next;
}

void eng_waits_check(struct eng *e, struct eng_queue *q)
{
	/* seq_cst: against the waiter that counts itself and then looks at the timeline */
	if (__atomic_load_n(&e->n_waits, __ATOMIC_SEQ_CST))
		waits_scan(e, q);
}

/* ---- the thread ---- */

void eng_monitor_wake(struct eng *e)
{
	uint64_t one = 1;

	while (write(e->monitor_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* Called on the monitor, and by the channel's end. */
static void client_gone(struct eng *e)
{
	if (!e->cfg.in_process)
		_exit(0);
	eng_stop(e);
}

/* After WELCOME a ring's socket brings BYE or its end; frames are the channel's to read. */
static bool sock_gone(struct eng *e, short revents)
{
	struct vgp_frame f;

	if (revents & (POLLHUP | POLLERR | POLLNVAL))
		return true;
	if (!(revents & POLLIN) || !e->ring)
		return false;
	return recv(e->cfg.sock, &f, sizeof(f), MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR);
}

static void poll_timeout(struct eng *e, uint64_t deadline, uint64_t usage_at, struct timespec *ts)
{
	uint64_t now = vgpu_now_ns(), ns = UINT64_MAX;

	if (__atomic_load_n(&e->n_values, __ATOMIC_SEQ_CST))
		ns = VALUE_POLL_NS;
	if (deadline != UINT64_MAX)
		ns = MIN(ns, deadline > now ? deadline - now : 0);
	if (e->cfg.ctl >= 0)
		ns = MIN(ns, usage_at > now ? usage_at - now : 0);
	ns = MIN(ns, 3600ull * 1000000000);
	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
}

static void *monitor_thread(void *arg)
{
	struct eng *e = arg;
	uint64_t deadline = UINT64_MAX, usage_at = vgpu_now_ns() + USAGE_NS, drop;
	struct pollfd p[4] = {
		{ .fd = e->cfg.sock, .events = e->ring ? POLLIN | POLLRDHUP : POLLRDHUP },
		{ .fd = e->monitor_fd, .events = POLLIN },
		{ .fd = e->cfg.client_pidfd, .events = POLLIN },
		{ .fd = e->cfg.ctl, .events = POLLIN },
	};

	be_guard_install(NULL);   /* this thread's signal stack */
	e->usage_told = vgpu_now_ns();
	while (!eng_stopped(e)) {
		struct timespec ts;

		poll_timeout(e, deadline, usage_at, &ts);
		if (ppoll(p, ARRAY_SIZE(p), &ts, NULL) < 0)
			continue;
		if (sock_gone(e, p[0].revents) || (p[2].revents & POLLIN)) {
			client_gone(e);
			break;
		}
		if (p[1].revents & POLLIN)
			(void)!read(e->monitor_fd, &drop, sizeof(drop));
		if (p[3].revents)
			ctl_event(e);
		if (e->ctl_gone)
			p[3].fd = -1;
		eng_values_poll(e);
		deadline = waits_scan(e, NULL);
		if (e->cfg.ctl >= 0 && vgpu_now_ns() >= usage_at) {
			tell_usage(e, false);
			usage_at = vgpu_now_ns() + USAGE_NS;
		}
	}
	return NULL;
}

int eng_monitor_start(struct eng *e, struct vgpu_err *err)
{
	int r;

	e->monitor_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->monitor_fd < 0)
		return vgpu_err_errno(err, "eventfd");
	r = pthread_create(&e->monitor, NULL, monitor_thread, e);
	if (r)
		return vgpu_err_set(err, vgpu_status_from_errno(r), "start the monitor: %s", strerror(r));
	e->monitor_on = true;
	return 0;
}

void eng_monitor_join(struct eng *e)
{
	if (e->monitor_on)
		pthread_join(e->monitor, NULL);
	if (e->monitor_fd >= 0)
		close(e->monitor_fd);
	e->monitor_on = false;
}
