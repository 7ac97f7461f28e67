/*
 * vcu_hostfn.c: host functions in streams. The stream holds at a HOST_WAIT; a
 * helper thread of the stream sees its timeline arrive there, calls the
 * program's function and lets the stream go on (HOST_DONE).
 *
 * A helper starts with the first function and ends when none came for a while.
 * Functions of all streams run one at a time, as CUDA's do, so programs need
 * no locks between them. Helpers block all signals, and are joined before the
 * stream goes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "libcuda-vgpu/vcu_capture.h"
#include "util/sys.h"

#define LINGER_S 2
#define WAIT_NS 100000000ull       /* how often a waiting helper looks whether it should end */

struct hostfn {
	CUhostFn fn;               /* or callback */
	CUstreamCallback callback;
	void *arg;
	CUstream stream;
	uint64_t seq;              /* of its HOST_WAIT */
	struct hostfn *next;
};

struct vcu_hostq {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct hostfn *head, **tail;
	struct vcu_ctx *ctx;
	uint32_t queue;
	pthread_t thread;
	pid_t pid;                 /* of the process that has the helper */
	bool started;              /* thread is to be joined */
	bool running;              /* it still looks at the list */
	bool stop;
};

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Until what precedes f has ended: 0, or why it never will. */
static int wait_turn(struct vcu_hostq *q, const struct hostfn *f)
{
	int r;

	do {
		r = tr_wait(vcu_session(), q->ctx->wire, q->queue, f->seq - 1, WAIT_NS);
	} while (r == -VGPU_E_NOT_READY && !__atomic_load_n(&q->stop, __ATOMIC_ACQUIRE));
	return r;
}

static void run(struct vcu_hostq *q, const struct hostfn *f)
{
	struct vgp_cmd cmd = { .op = VGP_OP_HOST_DONE, .a.HOST_DONE = { .value = f->seq, .queue = q->queue } };
	int r = wait_turn(q, f);

	if (r == -VGPU_E_NOT_READY)
		return;
	/* After a fault callbacks are told; functions are not called. */
	pthread_mutex_lock(&one_at_a_time);
	if (f->callback)
		f->callback(f->stream, vcu_result(r), f->arg);
	else if (!r)
		f->fn(f->arg);
	pthread_mutex_unlock(&one_at_a_time);
	tr_call(vcu_session(), &cmd, NULL, 0, NULL, NULL, 0, NULL, NULL);
}

static void *helper(void *arg)
{
	struct vcu_hostq *q = arg;
	struct hostfn *f;

	pthread_mutex_lock(&q->lock);
	while (!q->stop) {
		struct timespec until;
		int r = 0;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += LINGER_S;
		while (!q->head && !q->stop && r != ETIMEDOUT)
			r = pthread_cond_timedwait(&q->cond, &q->lock, &until);
		f = q->head;
		if (!f || q->stop)
			break;
		q->head = f->next;
		if (!q->head)
			q->tail = &q->head;
		pthread_mutex_unlock(&q->lock);
		run(q, f);
		free(f);
		pthread_mutex_lock(&q->lock);
	}
	q->running = false;
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static struct vcu_hostq *hostq_new(struct vcu_stream *s)
{
	struct vcu_hostq *q = calloc(1, sizeof(*q));
	pthread_condattr_t a;

	if (!q)
		return NULL;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&q->cond, &a);
	pthread_condattr_destroy(&a);
	pthread_mutex_init(&q->lock, NULL);
	q->tail = &q->head;
	q->ctx = s->ctx;
	q->queue = s->queue;
	q->pid = getpid();
	return q;
}

/* Lock held. */
static int ensure_helper(struct vcu_hostq *q)
{
	sigset_t all, old;
	int r;

	if (q->running)
		return 0;
	if (q->started)
		pthread_join(q->thread, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&q->thread, NULL, helper, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	q->started = q->running = r == 0;
	return r;
}

void vcu_hostq_free(struct vcu_hostq *q)
{
	struct hostfn *f;

	if (!q)
		return;
	/* A forked child has no helper, and a lock that may be held for ever. */
	if (q->pid == getpid()) {
		pthread_mutex_lock(&q->lock);
		__atomic_store_n(&q->stop, true, __ATOMIC_RELEASE);
		pthread_cond_broadcast(&q->cond);
		pthread_mutex_unlock(&q->lock);
		if (q->started && !pthread_equal(q->thread, pthread_self()))
			pthread_join(q->thread, NULL);
	}
	while ((f = q->head)) {
		q->head = f->next;
		free(f);
	}
	pthread_cond_destroy(&q->cond);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

CUresult vcu_hostfn_submit(struct vcu_stream *s, CUhostFn fn, CUstreamCallback callback, void *arg)
{
	struct vgp_cmd cmd = { .op = VGP_OP_HOST_WAIT };
	struct vcu_hostq *q = __atomic_load_n(&s->hostq, __ATOMIC_ACQUIRE), *none = NULL;
	struct hostfn *f = calloc(1, sizeof(*f));
	CUresult r;

	if (!f)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!q) {
		q = hostq_new(s);
		if (q && !__atomic_compare_exchange_n(&s->hostq, &none, q, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			vcu_hostq_free(q);
			q = none;
		}
	}
	if (!q) {
		free(f);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	f->fn = fn;
	f->callback = callback;
	f->arg = arg;
	f->stream = s->handle;
	/* The list has the order of the timeline. */
	pthread_mutex_lock(&q->lock);
	r = ensure_helper(q) ? CUDA_ERROR_OPERATING_SYSTEM : vcu_submit(s, &cmd, NULL, 0, &f->seq);
	if (!r) {
		*q->tail = f;
		q->tail = &f->next;
		pthread_cond_signal(&q->cond);
	} else {
		free(f);
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

CUresult vcu_LaunchHostFunc(CUstream hStream, CUhostFn fn, void *userData)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	return vcu_capturing(s) ? vcu_capture_host(s, fn, userData) : vcu_hostfn_submit(s, fn, NULL, userData);
}

CUresult vcu_StreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	return callback && !flags ? vcu_hostfn_submit(s, NULL, callback, userData) : CUDA_ERROR_INVALID_VALUE;
}
