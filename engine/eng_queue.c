/*
 * eng_queue.c: ordered queues and their timelines.
 *
 * A queue is idle (empty, !busy), running (busy: one thread, the "pumper",
 * executes its head) or blocked (busy and blocked != NONE: an event will
 * resume it; or a job runs its head). The pumper executes commands one after
 * the other until the list is empty or a handler answers ENG_ASYNC; from then
 * on it must not touch the queue, the event's thread goes on. Completion of
 * one queue can let others go on: a thread collects these in a list of its
 * own and pumps them in turn, so that no chain of queues becomes a recursion.
 */
#include <errno.h>
#include <string.h>

#include "engine/eng_priv.h"

/* Commands that the channel executes in one go before the pool takes over. */
#define CHANNEL_BURST 64

static const eng_queued_f handlers[VGP_OP_MAX] = {
#define ARGS(...)
#define REPLY(...)
#define F(type, name)
#define ROW_CALL(name)
#define ROW_QUEUED(name) [VGP_OP_##name] = eng_q_##name,
#define M(name, num, kind, since, args, reply) ROW_##kind(name)
#include "protocol/vgp_msg.def"
#undef M
#undef F
#undef ARGS
#undef REPLY
};

static __thread struct eng_queue *ready_list;
static __thread bool pumping;

int eng_queues_init(struct eng *e, struct vgpu_err *err)
{
	e->queues = calloc(VGP_QUEUES, sizeof(*e->queues));
	if (!e->queues)
		return vgpu_err_set(err, VGPU_E_NOMEM, "queues: out of memory");
	for (uint32_t i = 0; i < VGP_QUEUES; i++) {
		pthread_mutex_init(&e->queues[i].lock, NULL);
		e->queues[i].index = i;
	}
	return 0;
}

void eng_queues_fini(struct eng *e)
{
	for (uint32_t i = 0; e->queues && i < VGP_QUEUES; i++) {
		struct eng_queue *q = &e->queues[i];

		while (q->head) {
			struct eng_cmd *c = q->head;

			q->head = c->next;
			free(c);
		}
		vgpu_vec_free(&q->waiters);
		pthread_mutex_destroy(&q->lock);
	}
	free(e->queues);
}

/* ---- completion ---- */

/* Called with q->lock: who waits for what has come is moved to this thread's list. */
static void take_waiters(struct eng_queue *q, uint64_t completed, struct eng_queue_waiter *out, size_t cap, size_t *n)
{
	size_t i = 0;

	while (i < q->waiters.n && *n < cap) {
		if (q->waiters.v[i].value > completed) {
			i++;
			continue;
		}
		out[(*n)++] = q->waiters.v[i];
		vgpu_vec_swap_remove(&q->waiters, i);
	}
}

static void wake_waiters(struct eng *e, struct eng_queue *q, uint64_t completed)
{
	struct eng_queue_waiter w[16];
	size_t n;

	do {
		n = 0;
		pthread_mutex_lock(&q->lock);
		take_waiters(q, completed, w, ARRAY_SIZE(w), &n);
		pthread_mutex_unlock(&q->lock);
		for (size_t i = 0; i < n; i++)
			eng_queue_resume(e, w[i].q, w[i].token);
	} while (n == ARRAY_SIZE(w));
}

/* Called with q->lock, list empty. */
static bool finish_destroy(struct eng_queue *q)
{
	if (!q->destroy)
		return false;
	q->destroy = false;
	q->used = false;
	__atomic_store_n(&q->ctx, NULL, __ATOMIC_RELAXED);   /* eng_fault looks without the lock */
	return true;
}

/* The head has ended. */
static void finish_head(struct eng *e, struct eng_queue *q)
{
	struct eng_cmd *c;
	bool waited;

	pthread_mutex_lock(&q->lock);
	c = q->head;
	q->head = c->next;
	if (!q->head)
		q->tail = NULL;
	q->n_cmds--;
	q->completed = c->c.seq;
	waited = q->waiters.n != 0;
	eng_publish(e, q, c->c.seq);
	pthread_mutex_unlock(&q->lock);
	__atomic_fetch_sub(&e->queued_bytes, c->c.data_len, __ATOMIC_RELAXED);
	if (waited)
		wake_waiters(e, q, c->c.seq);
	eng_waits_check(e, q);
	free(c);
}

/* ---- the pump ---- */

static void pump_task(struct eng *e, void *arg);

static int execute(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	if (eng_ctx_status(q->ctx))
		return ENG_DONE;
	return handlers[c->c.op](e, q, c);
}

/* q is ours (busy); its head is the next to be executed. */
static void pump_queue(struct eng *e, struct eng_queue *q)
{
	unsigned n = 0;

	for (;;) {
		struct eng_cmd *c;
		uint64_t destroy_seq = 0;
		uint16_t destroy_slot = 0;
		bool destroyed = false;

		pthread_mutex_lock(&q->lock);
		c = q->head;
		if (!c) {
			q->busy = false;
			destroy_seq = q->destroy_seq;
			destroy_slot = q->destroy_slot;
			destroyed = finish_destroy(q);
		}
		pthread_mutex_unlock(&q->lock);
		if (destroyed) {
			wake_waiters(e, q, UINT64_MAX);
			eng_reply_later(e, destroy_seq, destroy_slot, 0, NULL);
		}
		if (!c)
			return;
		if (++n > CHANNEL_BURST && eng_is_channel() && eng_task_submit(e, pump_task, q) == 0)
			return;
		if (execute(e, q, c) == ENG_ASYNC)
			return;
		finish_head(e, q);
	}
}

static void drain_ready(struct eng *e)
{
	if (pumping)
		return;
	pumping = true;
	while (ready_list) {
		struct eng_queue *q = ready_list;

		ready_list = q->ready_next;
		pump_queue(e, q);
	}
	pumping = false;
}

/* Gives q (busy, ours) to this thread's list and works the list off unless that is under way. */
static void pump(struct eng *e, struct eng_queue *q)
{
	q->ready_next = ready_list;
	ready_list = q;
	drain_ready(e);
}

static void pump_task(struct eng *e, void *arg)
{
	pump(e, arg);
}

void eng_queue_finish(struct eng *e, struct eng_queue *q)
{
	finish_head(e, q);
	pump(e, q);
}

/* ---- blocking ---- */

uint64_t eng_queue_block(struct eng_queue *q, enum eng_blocked why)
{
	uint64_t token;

	pthread_mutex_lock(&q->lock);
	q->blocked = why;
	token = ++q->token;
	pthread_mutex_unlock(&q->lock);
	return token;
}

void eng_queue_resume(struct eng *e, struct eng_queue *q, uint64_t token)
{
	bool mine;

	pthread_mutex_lock(&q->lock);
	mine = q->blocked != ENG_B_NONE && q->token == token;
	if (mine)
		q->blocked = ENG_B_NONE;
	pthread_mutex_unlock(&q->lock);
	if (mine)
		eng_queue_finish(e, q);
}

int eng_queue_blocked(struct eng *e, struct eng_queue *q, uint64_t token)
{
	struct eng_ctx *ctx = q->ctx;

	/* The context's death kicks its queues once: before or after we blocked. */
	if (ctx && eng_ctx_status(ctx))
		eng_queue_resume(e, q, token);
	return ENG_ASYNC;
}

void eng_queue_kick(struct eng *e, struct eng_queue *q)
{
	uint64_t token = 0;

	pthread_mutex_lock(&q->lock);
	if (q->blocked != ENG_B_NONE)
		token = q->token;
	pthread_mutex_unlock(&q->lock);
	if (token)
		eng_queue_resume(e, q, token);
}

/* ---- arrival ---- */

static int accept_cmd(struct eng *e, struct eng_queue *q, struct eng_cmd *c, bool *start)
{
	if (!q->used)
		return -VGPU_E_INVALID_HANDLE;
	if (c->c.seq != q->received + 1)
		return -VGPU_E_PROTOCOL;
	if (q->n_cmds >= ENG_QUEUE_MAX || __atomic_load_n(&e->queued_bytes, __ATOMIC_RELAXED) > ENG_QUEUED_BYTES_MAX)
		return -VGPU_E_TOO_BIG;
	__atomic_fetch_add(&e->queued_bytes, c->c.data_len, __ATOMIC_RELAXED);
	q->received++;
	c->next = NULL;
	if (q->tail)
		q->tail->next = c;
	else
		q->head = c;
	q->tail = c;
	q->n_cmds++;
	*start = !q->busy;
	q->busy = true;
	return 0;
}

/* Takes c in any case. */
int eng_queue_push(struct eng *e, struct eng_cmd *c)
{
	struct eng_queue *q = &e->queues[c->c.queue];
	bool start = false;
	int r;

	pthread_mutex_lock(&q->lock);
	r = accept_cmd(e, q, c, &start);
	if (r == -VGPU_E_INVALID_HANDLE) {
		/* its context may just have been destroyed by another thread: nobody shall wait for it */
		q->completed = c->c.seq;
		eng_publish(e, q, c->c.seq);
	}
	pthread_mutex_unlock(&q->lock);
	if (r)
		free(c);
	else if (start)
		pump(e, q);
	return r == -VGPU_E_INVALID_HANDLE ? 0 : r;
}

/* ---- messages ---- */

int eng_do_QUEUE_CREATE(struct eng *e, struct eng_call *c)
{
	const struct vgp_args_QUEUE_CREATE *a = &c->cmd.a.QUEUE_CREATE;
	struct eng_ctx *ctx = eng_ctx_get(e, a->ctx);
	struct eng_queue *q;
	int r = 0;

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	if (a->queue >= VGP_QUEUES)
		return -VGPU_E_INVALID;
	q = &e->queues[a->queue];
	pthread_mutex_lock(&q->lock);
	if (q->used || q->busy) {
		r = -VGPU_E_EXISTS;
	} else {
		q->used = true;
		__atomic_store_n(&q->ctx, ctx, __ATOMIC_RELAXED);
		q->priority = a->priority;
		q->received = q->completed = q->host_done = 0;
		eng_publish(e, q, 0);
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

/* Answered when the queue's work has ended. */
int eng_do_QUEUE_DESTROY(struct eng *e, struct eng_call *c)
{
	uint32_t i = c->cmd.a.QUEUE_DESTROY.queue;
	struct eng_queue *q;
	bool now = false;

	if (i >= VGP_QUEUES)
		return -VGPU_E_INVALID_HANDLE;
	q = &e->queues[i];
	pthread_mutex_lock(&q->lock);
	if (!q->used || q->destroy) {
		pthread_mutex_unlock(&q->lock);
		return -VGPU_E_INVALID_HANDLE;
	}
	q->destroy = true;
	q->destroy_seq = c->cmd.seq;
	q->destroy_slot = c->cmd.reply_slot;
	if (!q->busy)
		now = finish_destroy(q);
	pthread_mutex_unlock(&q->lock);
	if (now)
		wake_waiters(e, q, UINT64_MAX);
	return now ? 0 : ENG_ASYNC;
}

int eng_do_QUEUE_WAIT(struct eng *e, struct eng_call *c)
{
	const struct vgp_args_QUEUE_WAIT *a = &c->cmd.a.QUEUE_WAIT;
	struct eng_queue_wait w = { .seq = c->cmd.seq, .value = a->value, .slot = c->cmd.reply_slot };
	uint64_t now = vgpu_now_ns();
	struct eng_queue *q;
	bool kept;

	if (a->queue >= VGP_QUEUES)
		return -VGPU_E_INVALID_HANDLE;
	q = w.q = &e->queues[a->queue];
	w.deadline = a->timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + a->timeout_ns;
	pthread_mutex_lock(&e->wait_lock);
	kept = e->waits.n < VGP_QUEUES && vgpu_vec_push(&e->waits, w);
	__atomic_store_n(&e->n_waits, (uint32_t)e->waits.n, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&e->wait_lock);
	if (!kept)
		return -VGPU_E_NOMEM;
	eng_waits_check(e, q);
	if (w.deadline != UINT64_MAX)
		eng_monitor_wake(e);
	return ENG_ASYNC;
}

int eng_do_HOST_DONE(struct eng *e, struct eng_call *c)
{
	const struct vgp_args_HOST_DONE *a = &c->cmd.a.HOST_DONE;
	struct eng_queue *q;
	uint64_t token = 0;

	if (a->queue >= VGP_QUEUES)
		return -VGPU_E_INVALID_HANDLE;
	q = &e->queues[a->queue];
	pthread_mutex_lock(&q->lock);
	if (!q->used) {
		pthread_mutex_unlock(&q->lock);
		return -VGPU_E_INVALID_HANDLE;
	}
	q->host_done = MAX(q->host_done, a->value);
	if (q->blocked == ENG_B_HOST && q->head->c.seq <= q->host_done)
		token = q->token;
	pthread_mutex_unlock(&q->lock);
	if (token)
		eng_queue_resume(e, q, token);
	return 0;
}

int eng_q_NOP(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	return ENG_DONE;
}

int eng_q_HOST_WAIT(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	uint64_t token = eng_queue_block(q, ENG_B_HOST), done;

	/* from here on a HOST_DONE may resume it, and c be gone */
	pthread_mutex_lock(&q->lock);
	done = q->blocked == ENG_B_HOST && q->token == token && q->head->c.seq <= q->host_done;
	pthread_mutex_unlock(&q->lock);
	if (done)
		eng_queue_resume(e, q, token);
	return eng_queue_blocked(e, q, token);
}

int eng_q_QUEUE_WAIT_ON(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	const struct vgp_args_QUEUE_WAIT_ON a = c->c.a.QUEUE_WAIT_ON;
	struct eng_queue *on;
	uint64_t token;
	bool wait = false, kept = true;

	if (a.on_queue >= VGP_QUEUES) {
		eng_fault(q->ctx, VGPU_E_PROTOCOL, 0, "QUEUE_WAIT_ON: queue %u is out of range", a.on_queue);
		return ENG_DONE;
	}
	on = &e->queues[a.on_queue];
	if (on == q) {
		/* its own past is over; its own future would never come */
		if (a.value >= c->c.seq)
			eng_fault(q->ctx, VGPU_E_PROTOCOL, 0, "QUEUE_WAIT_ON: queue %u waits for itself", a.on_queue);
		return ENG_DONE;
	}
	token = eng_queue_block(q, ENG_B_QUEUE);
	pthread_mutex_lock(&on->lock);
	/* a queue that is gone has done all it ever had to do */
	if (on->used && on->completed < a.value) {
		wait = true;
		kept = vgpu_vec_push(&on->waiters, ((struct eng_queue_waiter){ q, a.value, token }));
	}
	pthread_mutex_unlock(&on->lock);
	if (!kept)
		eng_fault(q->ctx, VGPU_E_NOMEM, 0, "QUEUE_WAIT_ON: out of memory");
	if (!wait || !kept)
		eng_queue_resume(e, q, token);
	return eng_queue_blocked(e, q, token);
}

/* ---- the end of a context ---- */

static bool idle_or_forgotten(struct eng_queue *q, struct eng_ctx *ctx)
{
	bool idle, destroyed = false;

	pthread_mutex_lock(&q->lock);
	idle = q->ctx != ctx || !q->busy;
	if (idle && q->ctx == ctx) {
		q->destroy = true;
		finish_destroy(q);
		destroyed = true;
	}
	pthread_mutex_unlock(&q->lock);
	if (destroyed)
		wake_waiters(ctx->e, q, UINT64_MAX);
	return idle;
}

void eng_queues_drain(struct eng *e, struct eng_ctx *ctx)
{
	struct timespec nap = { .tv_nsec = 100000 };

	for (;;) {
		bool all = true;

		for (uint32_t i = 0; i < VGP_QUEUES; i++)
			all &= idle_or_forgotten(&e->queues[i], ctx);
		if (all || eng_stopped(e))
			return;
		nanosleep(&nap, NULL);
	}
}
