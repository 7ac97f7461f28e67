/*
 * tr_wait.c: transport.h's calls, judged and sent to the carrier of the
 * session; queue numbers and timelines.
 */
#include <string.h>

#include "transport/tr_priv.h"

static int refuse(struct tr_session *s, struct vgpu_err *err)
{
	int dead;

	if (!s || !tr_usable(s))
		return vgpu_err_set(err, VGPU_E_NOT_INITIALIZED, "the session belongs to the parent process");
	dead = __atomic_load_n(&s->dead, __ATOMIC_ACQUIRE);
	if (dead)
		return vgpu_err_set(err, dead, "the engine worker is gone");
	return 0;
}

static bool over_ring(const struct tr_session *s)
{
	return s->transport == VGP_TRANSPORT_RING;
}

size_t tr_inline_max(const struct tr_session *s)
{
	return over_ring(s) ? VGP_RING_DATA_SIZE / 16 : VGP_FRAME_DATA_MAX;
}

int tr_call(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len,
	    struct vgp_reply *reply, void *out, size_t out_cap, size_t *out_len, struct vgpu_err *err)
{
	struct vgp_reply scratch;
	int r = refuse(s, err);

	if (r)
		return r;
	if (!reply)
		reply = &scratch;
	if (out_len)
		*out_len = 0;
	memset(reply, 0, sizeof(*reply));
	if (in_len > tr_inline_max(s))
		return vgpu_err_set(err, VGPU_E_TOO_BIG, "a call with %zu bytes of data; at most %zu go", in_len, tr_inline_max(s));
	cmd->queue = 0;
	if (over_ring(s))
		r = tr_ring_call(s, cmd, in, in_len, reply, out, out_cap, out_len, err);
	else
		r = tr_frames_call(s, cmd, in, in_len, reply, out, out_cap, out_len, err);
	if (r)
		return r;
	if (unlikely(tr_debug_on))
		tr_debug_reply(cmd, reply);
	return reply->status ? vgpu_err_set(err, reply->status, "%s", vgpu_status_text(reply->status)) : 0;
}

/* Commands after which the worker may look at memory that the program wrote. */
static bool reads_memory(unsigned op)
{
	switch (op) {
	case VGP_OP_LAUNCH:
	case VGP_OP_COPY:
	case VGP_OP_COPY_3D:
	case VGP_OP_VALUE_WAIT:
		return true;
	}
	return false;
}

int tr_submit(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len, uint64_t *seq_out, struct vgpu_err *err)
{
	int r = refuse(s, err);

	if (r)
		return r;
	if (cmd->queue >= VGP_QUEUES)
		return vgpu_err_set(err, VGPU_E_INVALID, "queue %u does not exist", cmd->queue);
	if (in_len > tr_inline_max(s))
		return vgpu_err_set(err, VGPU_E_TOO_BIG, "a command with %zu bytes of data; at most %zu go", in_len, tr_inline_max(s));
	cmd->reply_slot = 0;
	if (over_ring(s))
		return tr_ring_submit(s, cmd, in, in_len, seq_out, err);
	if (s->n_shadows && reads_memory(cmd->op)) {
		r = tr_shadow_push(s);
		if (r)
			return vgpu_err_set(err, -r, "host memory could not be brought to the worker");
	}
	return tr_frames_submit(s, cmd, in, in_len, seq_out, err);
}

/* ---- queues ---- */

int tr_queue_alloc(struct tr_session *s, uint32_t *queue_out, struct vgpu_err *err)
{
	int r = refuse(s, err);

	if (r)
		return r;
	pthread_mutex_lock(&s->queue_lock);
	for (uint32_t i = 0; i < VGP_QUEUES; i++) {
		/* 0 stays free: it reads as "none" in dumps; freed numbers rest before they come again */
		uint32_t q = 1 + (s->queue_hint + i) % (VGP_QUEUES - 1);

		if (s->queues[q].used)
			continue;
		s->queue_hint = q;
		s->queues[q].used = true;
		__atomic_store_n(&s->queues[q].submitted, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&s->queues[q].completed, 0, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&s->queue_lock);
		*queue_out = q;
		return 0;
	}
	pthread_mutex_unlock(&s->queue_lock);
	return vgpu_err_set(err, VGPU_E_NOMEM, "all %u queues of the session are in use", VGP_QUEUES - 1);
}

void tr_queue_release(struct tr_session *s, uint32_t queue)
{
	if (!tr_usable(s) || queue >= VGP_QUEUES)
		return;
	pthread_mutex_lock(&s->queue_lock);
	s->queues[queue].used = false;
	pthread_mutex_unlock(&s->queue_lock);
}

uint64_t tr_submitted(struct tr_session *s, uint32_t queue)
{
	return queue < VGP_QUEUES ? __atomic_load_n(&s->queues[queue].submitted, __ATOMIC_ACQUIRE) : 0;
}

uint64_t tr_completed(struct tr_session *s, uint32_t queue)
{
	if (queue >= VGP_QUEUES || !tr_usable(s))
		return 0;
	if (over_ring(s))
		return __atomic_load_n(&s->ring.timelines[queue].completed, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&s->queues[queue].completed, __ATOMIC_ACQUIRE) < tr_submitted(s, queue))
		tr_frames_wait(s, queue, tr_submitted(s, queue), 0);
	if (s->n_shadows)
		tr_shadow_pull(s);
	return __atomic_load_n(&s->queues[queue].completed, __ATOMIC_ACQUIRE);
}

int tr_wait(struct tr_session *s, uint32_t ctx, uint32_t queue, uint64_t value, uint64_t timeout_ns)
{
	int r = refuse(s, NULL);

	if (r)
		return r;
	if (queue >= VGP_QUEUES || ctx >= VGP_CONTEXTS)
		return -VGPU_E_INVALID;
	if (over_ring(s))
		return tr_ring_wait(s, ctx, queue, value, timeout_ns);
	r = tr_frames_wait(s, queue, value, timeout_ns);
	if (r == 0 && s->n_shadows)
		tr_shadow_pull(s);
	return r;
}

int tr_ctx_status(struct tr_session *s, uint32_t ctx)
{
	struct vgp_cmd c = { .op = VGP_OP_CTX_STATUS, .a.CTX_STATUS = { .ctx = ctx } };
	struct vgp_reply rep;
	int r = refuse(s, NULL);

	if (r)
		return r;
	if (ctx >= VGP_CONTEXTS)
		return -VGPU_E_INVALID_CONTEXT;
	if (over_ring(s)) {
		uint32_t st = __atomic_load_n(&s->ring.contexts[ctx].status, __ATOMIC_ACQUIRE);

		return -(int)MIN(st, (uint32_t)VGPU_STATUS_COUNT - 1);
	}
	r = tr_call(s, &c, NULL, 0, &rep, NULL, 0, NULL, NULL);
	return r ? r : -(int)MIN(rep.r.CTX_STATUS.status, (uint32_t)VGPU_STATUS_COUNT - 1);
}

void tr_count_copy(struct tr_session *s, uint32_t ctx, uint64_t to_device, uint64_t from_device)
{
	struct vgp_context_word *w;

	if (refuse(s, NULL) || ctx >= VGP_CONTEXTS || !over_ring(s))
		return;
	w = &s->ring.contexts[ctx];
	/* relaxed: statistics */
	if (to_device)
		__atomic_fetch_add(&w->to_device, to_device, __ATOMIC_RELAXED);
	if (from_device)
		__atomic_fetch_add(&w->from_device, from_device, __ATOMIC_RELAXED);
}

bool tr_printf_pending(struct tr_session *s, uint32_t ctx)
{
	if (refuse(s, NULL) || ctx >= VGP_CONTEXTS)
		return false;
	/* frames: only asking tells */
	return over_ring(s) ? __atomic_load_n(&s->ring.contexts[ctx].printf_pending, __ATOMIC_ACQUIRE) != 0 : true;
}
