/* vcu_stream.c: see vcu_stream.h. Life of streams, submission, order and waiting. */
#include "libcuda-vgpu/vcu_capture.h"
#include "libcuda-vgpu/vcu_process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/vec.h"

/* Commands of a stream that may wait for execution. */
#define AHEAD_MAX 4096u

/* A context's streams. */
struct stream_part {
	pthread_mutex_t lock;      /* protects all that follows, and the fields of streams that say so */
	struct vcu_stream *list;   /* legacy first */
	struct vcu_stream *legacy;
	unsigned n_zombies;
};

/* A place on a timeline; the stream is pinned. */
struct target {
	struct vcu_stream *s;
	uint64_t value;
};

typedef VGPU_VEC(struct target) target_vec;

static uint64_t next_id = 1;
static uint64_t next_thread = 1;
static __thread uint64_t my_thread;
static __thread struct {
	uint64_t ctx_id;
	struct vcu_stream *s;
} mine;

static struct stream_part *part_of(const struct vcu_ctx *c)
{
	return c->part[VCU_PART_stream];
}

struct vcu_stream *vcu_stream_ref(struct vcu_stream *s)
{
	__atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
	return s;
}

void vcu_stream_unref(struct vcu_stream *s)
{
	if (s && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(s);
}

/* A timeline read that costs nothing; over frames it would be a round trip, so there: unknown. */
static bool known_done(uint32_t queue, uint64_t value)
{
	struct tr_session *t = vcu_session();

	return queue == VCU_NO_QUEUE ||
	       (tr_transport(t) == VGP_TRANSPORT_RING && tr_completed(t, queue) >= value);
}

static bool is_done(uint32_t queue, uint64_t value)
{
	return queue == VCU_NO_QUEUE || !value || tr_completed(vcu_session(), queue) >= value;
}

/* ---- making and ending ---- */

static CUresult stream_new(struct vcu_ctx *c, enum vcu_stream_kind kind, unsigned flags, int priority, struct vcu_stream **out)
{
	struct vcu_stream *s = calloc(1, sizeof(*s));
	struct vgp_cmd cmd = { .op = VGP_OP_QUEUE_CREATE };
	CUresult r;
	int st;

	if (!s)
		return CUDA_ERROR_OUT_OF_MEMORY;
	s->ctx = c;
	s->kind = kind;
	s->flags = flags;
	s->priority = priority;
	s->refs = 1;
	s->sync_policy = CU_SYNC_POLICY_AUTO;
	s->domain_map.remote = 1;
	/* The legacy and per-thread streams are known by 1 and 2. */
	s->id = 2 + __atomic_add_fetch(&next_id, 1, __ATOMIC_RELAXED);
	st = tr_queue_alloc(vcu_session(), &s->queue, NULL);
	if (st) {
		free(s);
		return vcu_result(st);
	}
	cmd.a.QUEUE_CREATE.ctx = c->wire;
	cmd.a.QUEUE_CREATE.queue = s->queue;
	cmd.a.QUEUE_CREATE.priority = priority;
	r = vcu_call(&cmd, NULL, 0, NULL);
	if (r) {
		tr_queue_release(vcu_session(), s->queue);
		free(s);
		return r;
	}
	*out = s;
	return CUDA_SUCCESS;
}

static void queue_end(struct vcu_stream *s, bool alive)
{
	struct vgp_cmd cmd = { .op = VGP_OP_QUEUE_DESTROY, .a.QUEUE_DESTROY = { .queue = s->queue } };

	if (s->queue == VCU_NO_QUEUE)
		return;
	if (alive) {
		vcu_call(&cmd, NULL, 0, NULL);
		tr_queue_release(vcu_session(), s->queue);
	}
	s->queue = VCU_NO_QUEUE;
}

static void list_add(struct stream_part *p, struct vcu_stream *s)
{
	struct vcu_stream **at = &p->list;

	/* New ones behind the legacy stream; it never leaves. */
	if (*at)
		at = &(*at)->next;
	s->next = *at;
	*at = s;
}

/* Gives back the queues of destroyed streams whose work has ended. Lock held. */
static void reap(struct stream_part *p)
{
	struct vcu_stream **at = &p->list, *s;

	while (p->n_zombies && (s = *at)) {
		if (!s->zombie || s->pins || !is_done(s->queue, s->last)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		p->n_zombies--;
		queue_end(s, true);
		vcu_hostq_free(s->hostq);
		s->hostq = NULL;
		vcu_stream_unref(s);
	}
}

CUresult vcu_stream_ctx_init(struct vcu_ctx *c);
void vcu_stream_ctx_fini(struct vcu_ctx *c);

CUresult vcu_stream_ctx_init(struct vcu_ctx *c)
{
	struct stream_part *p = calloc(1, sizeof(*p));
	CUresult r;

	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_init(&p->lock, NULL);
	r = stream_new(c, VCU_STREAM_LEGACY, CU_STREAM_DEFAULT, VCU_PRIORITY_LEAST, &p->legacy);
	if (r) {
		free(p);
		return r;
	}
	p->legacy->id = 1;
	list_add(p, p->legacy);
	c->part[VCU_PART_stream] = p;
	return CUDA_SUCCESS;
}

void vcu_stream_ctx_fini(struct vcu_ctx *c)
{
	struct stream_part *p = part_of(c);
	struct tr_session *t = vcu_session();
	/* A process that ends waits for nothing; its worker goes with the session. */
	bool alive = t && !vcu_gone() && !tr_forked(t) && !tr_dead(t);
	struct vcu_stream *s;

	if (!p)
		return;
	/* Work that was submitted runs to its end, and its printf text comes out. */
	if (alive)
		vcu_ctx_wait_all(c);
	while ((s = p->list)) {
		p->list = s->next;
		if (s->handle)
			vcu_handle_del(s->handle, VCU_H_STREAM);
		vcu_capture_leave(s);
		vcu_hostq_free(s->hostq);
		s->hostq = NULL;
		queue_end(s, alive);
		vcu_stream_unref(s);
	}
	c->part[VCU_PART_stream] = NULL;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- finding ---- */

static bool thread_gone(int tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) != 0 && errno == ESRCH;
}

/* The calling thread's own default stream; one left by a thread that has ended is taken over. */
static CUresult per_thread(struct vcu_ctx *c, struct vcu_stream **out)
{
	struct stream_part *p = part_of(c);
	struct vcu_stream *s;
	CUresult r = CUDA_SUCCESS;

	if (mine.ctx_id == c->id && mine.s) {
		*out = mine.s;
		return CUDA_SUCCESS;
	}
	if (!my_thread)
		my_thread = __atomic_fetch_add(&next_thread, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&p->lock);
	for (s = p->list; s; s = s->next)
		if (s->kind == VCU_STREAM_PER_THREAD && s->thread == my_thread)
			break;
	if (!s)
		for (s = p->list; s; s = s->next)
			if (s->kind == VCU_STREAM_PER_THREAD && !s->pins && thread_gone(s->tid))
				break;
	if (!s) {
		r = stream_new(c, VCU_STREAM_PER_THREAD, CU_STREAM_DEFAULT, VCU_PRIORITY_LEAST, &s);
		if (!r) {
			s->id = 2;
			list_add(p, s);
		}
	}
	if (!r) {
		s->thread = my_thread;
		s->tid = (int)syscall(SYS_gettid);
		mine.ctx_id = c->id;
		mine.s = s;
		*out = s;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

static CUresult default_of(struct vcu_ctx *c, CUstream h, struct vcu_stream **out)
{
	if (!part_of(c))
		return CUDA_ERROR_INVALID_CONTEXT;
	if (h == CU_STREAM_PER_THREAD)
		return per_thread(c, out);
	*out = part_of(c)->legacy;
	return CUDA_SUCCESS;
}

CUresult vcu_stream_default(struct vcu_ctx *c, struct vcu_stream **out)
{
	return default_of(c, vcu_default_stream(), out);
}

static CUresult get(CUstream h, bool healthy, struct vcu_stream **out)
{
	struct vcu_stream *s;
	struct vcu_ctx *c;
	CUresult r;

	if (!h)
		h = vcu_default_stream();
	if (h == CU_STREAM_LEGACY || h == CU_STREAM_PER_THREAD) {
		r = healthy ? vcu_ctx_current(&c) : vcu_ctx_current_any(&c);
		return r ? r : default_of(c, h, out);
	}
	s = vcu_handle_get(h, VCU_H_STREAM);
	if (!s)
		return vcu_handle_kind(h) == VCU_H_FREE && !vcu_ctx_current_any(&c) ? CUDA_ERROR_INVALID_HANDLE
										     : CUDA_ERROR_INVALID_CONTEXT;
	r = healthy ? vcu_ctx_check(s->ctx) : CUDA_SUCCESS;
	if (!r)
		*out = s;
	return r;
}

CUresult vcu_stream_get(CUstream h, struct vcu_stream **out)
{
	return get(h, true, out);
}

CUresult vcu_stream_get_any(CUstream h, struct vcu_stream **out)
{
	return get(h, false, out);
}

/* ---- submitting ---- */

static int wait_on(struct vcu_stream *s, uint32_t queue, uint64_t value)
{
	struct vgp_cmd cmd = { .op = VGP_OP_QUEUE_WAIT_ON, .queue = s->queue };

	cmd.a.QUEUE_WAIT_ON.value = value;
	cmd.a.QUEUE_WAIT_ON.on_queue = queue;
	return tr_submit(vcu_session(), &cmd, NULL, 0, &s->last, NULL);
}

/* What a command of s has to come after by the rules of the default stream. Lock held. */
static int put_order(struct stream_part *p, struct vcu_stream *s)
{
	int r = 0;

	if (s == p->legacy) {
		for (struct vcu_stream *o = p->list; o && !r; o = o->next) {
			if (o == s || !vcu_stream_blocking(o) || o->last <= o->legacy_saw)
				continue;
			if (!known_done(o->queue, o->last))
				r = wait_on(s, o->queue, o->last);
			o->legacy_saw = o->last;
		}
	} else if (vcu_stream_blocking(s) && p->legacy->last > s->seen_legacy) {
		if (!known_done(p->legacy->queue, p->legacy->last))
			r = wait_on(s, p->legacy->queue, p->legacy->last);
		s->seen_legacy = p->legacy->last;
	}
	return r;
}

/* As a GPU's driver does, a stream that is too far ahead of its work makes the program wait. */
static void throttle(struct vcu_stream *s)
{
	struct tr_session *t = vcu_session();

	if (s->last - s->known_done < AHEAD_MAX)
		return;
	s->known_done = tr_completed(t, s->queue);
	if (s->last - s->known_done < AHEAD_MAX)
		return;
	tr_wait(t, s->ctx->wire, s->queue, s->last - AHEAD_MAX / 2, UINT64_MAX);
	s->known_done = tr_completed(t, s->queue);
}

CUresult vcu_submit(struct vcu_stream *s, struct vgp_cmd *cmd, const void *in, size_t in_len, uint64_t *seq_out)
{
	struct stream_part *p = part_of(s->ctx);
	CUresult no = vcu_capture_check(s);
	int r;

	if (no)
		return no;
	throttle(s);
	pthread_mutex_lock(&p->lock);
	r = put_order(p, s);
	if (!r) {
		cmd->queue = s->queue;
		r = tr_submit(vcu_session(), cmd, in, in_len, &s->last, NULL);
	}
	if (!r && seq_out)
		*seq_out = s->last;
	pthread_mutex_unlock(&p->lock);
	return vcu_result(r);
}

CUresult vcu_stream_wait_on(struct vcu_stream *s, struct vcu_stream *other, uint64_t seq)
{
	struct stream_part *p = part_of(s->ctx), *q = part_of(other->ctx);
	uint32_t queue;
	int r = 0;

	/* One's own past needs no wait, and two locks are never held at once. */
	if (s == other)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&q->lock);
	queue = other->queue;
	if (queue != VCU_NO_QUEUE)
		other->pins++;
	pthread_mutex_unlock(&q->lock);
	if (queue == VCU_NO_QUEUE)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&p->lock);
	if (!known_done(queue, seq)) {
		r = put_order(p, s);
		if (!r)
			r = wait_on(s, queue, seq);
	}
	pthread_mutex_unlock(&p->lock);
	/*
	 * The queue may be given back once it has reached its last value; the
	 * worker has then seen the wait through, too, or sees a timeline that is
	 * gone, which counts as reached.
	 */
	pthread_mutex_lock(&q->lock);
	other->pins--;
	pthread_mutex_unlock(&q->lock);
	return vcu_result(r);
}

/* ---- waiting ---- */

static bool add_target(target_vec *v, struct vcu_stream *s)
{
	struct target t = { s, s->last };

	if (!s->last || known_done(s->queue, s->last))
		return true;
	if (!vgpu_vec_push(v, t))
		return false;
	s->pins++;
	return true;
}

/* What is in front of a new command of s (NULL: everything in the context). */
static bool collect(struct stream_part *p, struct vcu_stream *s, target_vec *v)
{
	bool ok = true;

	pthread_mutex_lock(&p->lock);
	for (struct vcu_stream *o = p->list; o && ok; o = o->next) {
		bool before = !s || o == s || (s == p->legacy && vcu_stream_blocking(o)) ||
			      (o == p->legacy && vcu_stream_blocking(s));

		if (before)
			ok = add_target(v, o);
	}
	pthread_mutex_unlock(&p->lock);
	return ok;
}

/* Waits for all targets and lets them go. */
static CUresult wait_targets(struct vcu_ctx *c, target_vec *v, bool ok)
{
	struct stream_part *p = part_of(c);
	int r = ok ? 0 : -VGPU_E_NOMEM;

	for (size_t i = 0; i < v->n && !r; i++)
		r = tr_wait(vcu_session(), c->wire, v->v[i].s->queue, v->v[i].value, UINT64_MAX);
	if (!r)
		r = tr_ctx_status(vcu_session(), c->wire);
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < v->n; i++)
		v->v[i].s->pins--;
	reap(p);
	pthread_mutex_unlock(&p->lock);
	vgpu_vec_free(v);
	vcu_printf_flush(c);
	return r ? vcu_result(r) : vcu_ctx_check(c);
}

CUresult vcu_stream_wait_idle(struct vcu_stream *s)
{
	target_vec v = { 0 };
	bool ok = collect(part_of(s->ctx), s, &v);

	return wait_targets(s->ctx, &v, ok);
}

CUresult vcu_ctx_wait_all(struct vcu_ctx *c)
{
	target_vec v = { 0 };
	bool ok;

	if (!part_of(c))
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	ok = collect(part_of(c), NULL, &v);
	return wait_targets(c, &v, ok);
}

CUresult vcu_stream_ctx_synchronize(struct vcu_ctx *c)
{
	CUresult r = vcu_capture_check_ctx(c);

	return r ? r : vcu_ctx_wait_all(c);
}

bool vcu_stream_idle(struct vcu_stream *s)
{
	struct stream_part *p = part_of(s->ctx);
	bool idle = true;

	pthread_mutex_lock(&p->lock);
	for (struct vcu_stream *o = p->list; o && idle; o = o->next)
		if (o == s || (s == p->legacy && vcu_stream_blocking(o)) || (o == p->legacy && vcu_stream_blocking(s)))
			idle = is_done(o->queue, o->last);
	pthread_mutex_unlock(&p->lock);
	return idle;
}

uint64_t vcu_stream_mark(struct vcu_stream *s)
{
	struct stream_part *p = part_of(s->ctx);
	uint64_t seq;

	pthread_mutex_lock(&p->lock);
	seq = s->last;
	pthread_mutex_unlock(&p->lock);
	return seq;
}

CUresult vcu_stream_query_seq(struct vcu_stream *s, uint64_t seq)
{
	struct stream_part *p = part_of(s->ctx);
	bool done;

	pthread_mutex_lock(&p->lock);
	done = is_done(s->queue, seq);
	pthread_mutex_unlock(&p->lock);
	return done ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult vcu_stream_wait_seq(struct vcu_stream *s, uint64_t seq)
{
	struct stream_part *p = part_of(s->ctx);
	uint32_t queue;
	int r = 0;

	pthread_mutex_lock(&p->lock);
	queue = s->queue;
	s->pins++;
	pthread_mutex_unlock(&p->lock);
	if (queue != VCU_NO_QUEUE && seq)
		r = tr_wait(vcu_session(), s->ctx->wire, queue, seq, UINT64_MAX);
	pthread_mutex_lock(&p->lock);
	s->pins--;
	reap(p);
	pthread_mutex_unlock(&p->lock);
	vcu_printf_flush(s->ctx);
	return r ? vcu_result(r) : vcu_ctx_check(s->ctx);
}

/* ---- entry points ---- */

CUresult vcu_StreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority)
{
	struct stream_part *p;
	struct vcu_stream *s;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!phStream || flags & ~(unsigned)CU_STREAM_NON_BLOCKING)
		return CUDA_ERROR_INVALID_VALUE;
	/* Out of range is brought into it. */
	priority = MIN(priority, VCU_PRIORITY_LEAST);
	priority = MAX(priority, VCU_PRIORITY_GREATEST);
	p = part_of(c);
	pthread_mutex_lock(&p->lock);
	reap(p);
	r = stream_new(c, VCU_STREAM_CREATED, flags, priority, &s);
	if (!r) {
		s->handle = vcu_handle_new(VCU_H_STREAM, s);
		if (s->handle) {
			list_add(p, s);
			*phStream = s->handle;
		} else {
			queue_end(s, true);
			vcu_stream_unref(s);
			r = CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

CUresult vcu_StreamCreate(CUstream *phStream, unsigned int Flags)
{
	return vcu_StreamCreateWithPriority(phStream, Flags, VCU_PRIORITY_LEAST);
}

CUresult vcu_StreamDestroy_v2(CUstream hStream)
{
	struct stream_part *p;
	struct vcu_stream *s;

	if (!hStream || hStream == CU_STREAM_LEGACY || hStream == CU_STREAM_PER_THREAD)
		return CUDA_ERROR_INVALID_HANDLE;
	s = vcu_handle_del(hStream, VCU_H_STREAM);
	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	vcu_capture_leave(s);
	p = part_of(s->ctx);
	pthread_mutex_lock(&p->lock);
	s->handle = NULL;
	s->zombie = true;
	p->n_zombies++;
	reap(p);
	pthread_mutex_unlock(&p->lock);
	return CUDA_SUCCESS;
}

CUresult vcu_StreamDestroy(CUstream hStream)
{
	return vcu_StreamDestroy_v2(hStream);
}

CUresult vcu_StreamQuery(CUstream hStream)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (!r)
		r = vcu_capture_check(s);
	if (r)
		return r;
	if (!vcu_stream_idle(s))
		return CUDA_ERROR_NOT_READY;
	/* What it ended with may be a fault. */
	return vcu_ctx_check(s->ctx);
}

CUresult vcu_StreamSynchronize(CUstream hStream)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (!r)
		r = vcu_capture_check(s);
	return r ? r : vcu_stream_wait_idle(s);
}
