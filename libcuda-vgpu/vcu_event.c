/* vcu_event.c: see vcu_event.h. */
#include "libcuda-vgpu/vcu_event.h"

#include <stdlib.h>

#include "libcuda-vgpu/vcu_capture.h"

#include "util/vec.h"

struct event_part {
	pthread_mutex_t lock;
	struct vcu_event *list;
};

/* Numbers of events, given again when nothing in the worker can still speak of them. */
static pthread_mutex_t numbers_lock = PTHREAD_MUTEX_INITIALIZER;
static VGPU_VEC(uint32_t) numbers_free;
static uint32_t numbers_used = 1;

CUresult vcu_event_ctx_init(struct vcu_ctx *c);
void vcu_event_ctx_fini(struct vcu_ctx *c);

CUresult vcu_event_ctx_init(struct vcu_ctx *c)
{
	struct event_part *p = calloc(1, sizeof(*p));

	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_init(&p->lock, NULL);
	c->part[VCU_PART_event] = p;
	return CUDA_SUCCESS;
}

static void event_free(struct vcu_event *e)
{
	vcu_capture_forget(e);
	vcu_stream_unref(e->stream);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void vcu_event_ctx_fini(struct vcu_ctx *c)
{
	struct event_part *p = c->part[VCU_PART_event];
	struct vcu_event *e;

	if (!p)
		return;
	while ((e = p->list)) {
		p->list = e->next;
		vcu_handle_del(e->handle, VCU_H_EVENT);
		event_free(e);
	}
	c->part[VCU_PART_event] = NULL;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static uint32_t number_take(void)
{
	uint32_t n;

	pthread_mutex_lock(&numbers_lock);
	n = numbers_free.n ? numbers_free.v[--numbers_free.n] : numbers_used++;
	pthread_mutex_unlock(&numbers_lock);
	return n;
}

static void number_give(uint32_t n)
{
	pthread_mutex_lock(&numbers_lock);
	if (!vgpu_vec_push(&numbers_free, n)) {
		/* It is lost: there are four thousand million of them. */
	}
	pthread_mutex_unlock(&numbers_lock);
}

void vcu_events_fini(void)
{
	vgpu_vec_free(&numbers_free);
}

CUresult vcu_event_get(CUevent h, struct vcu_event **out)
{
	struct vcu_event *e = vcu_handle_get(h, VCU_H_EVENT);

	if (!e)
		return CUDA_ERROR_INVALID_HANDLE;
	*out = e;
	return CUDA_SUCCESS;
}

CUresult vcu_EventCreate(CUevent *phEvent, unsigned int Flags)
{
	struct event_part *p;
	struct vcu_event *e;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!phEvent || Flags & ~(unsigned)(CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS))
		return CUDA_ERROR_INVALID_VALUE;
	if (Flags & CU_EVENT_INTERPROCESS)
		return Flags & CU_EVENT_DISABLE_TIMING ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
	e = calloc(1, sizeof(*e));
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->ctx = c;
	e->flags = Flags;
	e->handle = vcu_handle_new(VCU_H_EVENT, e);
	if (!e->handle) {
		free(e);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	e->number = number_take();
	pthread_mutex_init(&e->lock, NULL);
	p = c->part[VCU_PART_event];
	pthread_mutex_lock(&p->lock);
	e->next = p->list;
	e->pprev = &p->list;
	if (e->next)
		e->next->pprev = &e->next;
	p->list = e;
	pthread_mutex_unlock(&p->lock);
	*phEvent = e->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_EventDestroy_v2(CUevent hEvent)
{
	struct vcu_event *e = vcu_handle_del(hEvent, VCU_H_EVENT);
	struct event_part *p;

	if (!e)
		return CUDA_ERROR_INVALID_HANDLE;
	p = e->ctx->part[VCU_PART_event];
	pthread_mutex_lock(&p->lock);
	*e->pprev = e->next;
	if (e->next)
		e->next->pprev = e->pprev;
	pthread_mutex_unlock(&p->lock);
	if (!e->stream || vcu_stream_query_seq(e->stream, e->seq) == CUDA_SUCCESS)
		number_give(e->number);
	event_free(e);
	return CUDA_SUCCESS;
}

CUresult vcu_EventDestroy(CUevent hEvent)
{
	return vcu_EventDestroy_v2(hEvent);
}

CUresult vcu_event_record(struct vcu_event *e, struct vcu_stream *s)
{
	struct vgp_cmd cmd = { .op = VGP_OP_EVENT_RECORD, .a.EVENT_RECORD = { .event = e->number } };
	uint64_t seq;
	CUresult r;

	if (e->ctx != s->ctx)
		return CUDA_ERROR_INVALID_HANDLE;
	if (vcu_capturing(s))
		return vcu_capture_record(s, e);
	vcu_capture_forget(e);
	pthread_mutex_lock(&e->lock);
	r = vcu_submit(s, &cmd, NULL, 0, &seq);
	if (!r) {
		vcu_stream_unref(e->stream);
		e->stream = vcu_stream_ref(s);
		e->seq = seq;
	}
	pthread_mutex_unlock(&e->lock);
	return r;
}

CUresult vcu_EventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags)
{
	struct vcu_event *e;
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (!r)
		r = vcu_event_get(hEvent, &e);
	if (r)
		return r;
	/* EXTERNAL means something in a capture alone: a node that records. */
	if (flags & ~(unsigned)CU_EVENT_RECORD_EXTERNAL || (flags && !vcu_capturing(s)))
		return CUDA_ERROR_INVALID_VALUE;
	return flags ? vcu_capture_event(s, CU_GRAPH_NODE_TYPE_EVENT_RECORD, e) : vcu_event_record(e, s);
}

CUresult vcu_EventRecord(CUevent hEvent, CUstream hStream)
{
	return vcu_EventRecordWithFlags(hEvent, hStream, CU_EVENT_RECORD_DEFAULT);
}

/* Where the event was recorded; the stream is referenced. NULL: nowhere. */
static struct vcu_stream *place(struct vcu_event *e, uint64_t *seq)
{
	struct vcu_stream *s;

	pthread_mutex_lock(&e->lock);
	s = e->stream ? vcu_stream_ref(e->stream) : NULL;
	*seq = e->seq;
	pthread_mutex_unlock(&e->lock);
	return s;
}

CUresult vcu_EventQuery(CUevent hEvent)
{
	struct vcu_event *e;
	struct vcu_stream *s;
	uint64_t seq;
	CUresult r = vcu_event_get(hEvent, &e);

	if (!r)
		r = vcu_ctx_check(e->ctx);
	if (!r && vcu_captured(e))
		r = CUDA_ERROR_CAPTURED_EVENT;
	if (r)
		return r;
	s = place(e, &seq);
	if (s) {
		r = vcu_stream_query_seq(s, seq);
		vcu_stream_unref(s);
	}
	return r ? r : vcu_ctx_check(e->ctx);
}

CUresult vcu_EventSynchronize(CUevent hEvent)
{
	struct vcu_event *e;
	struct vcu_stream *s;
	uint64_t seq;
	CUresult r = vcu_event_get(hEvent, &e);

	if (!r)
		r = vcu_ctx_check(e->ctx);
	if (!r && vcu_captured(e))
		r = CUDA_ERROR_CAPTURED_EVENT;
	if (r)
		return r;
	s = place(e, &seq);
	if (s) {
		r = vcu_stream_wait_seq(s, seq);
		vcu_stream_unref(s);
	}
	return r;
}

/* ns at which the event's last record ended. */
static CUresult time_of(struct vcu_event *e, uint64_t *ns)
{
	struct vgp_cmd cmd = { .op = VGP_OP_EVENT_TIME, .a.EVENT_TIME = { .event = e->number } };
	struct vgp_reply rep;
	struct vcu_stream *s;
	uint64_t seq;
	CUresult r;

	s = place(e, &seq);
	if (!s)
		return CUDA_ERROR_INVALID_HANDLE;
	r = vcu_stream_query_seq(s, seq);
	vcu_stream_unref(s);
	if (!r)
		r = vcu_call(&cmd, NULL, 0, &rep);
	if (r)
		return r;
	*ns = rep.r.EVENT_TIME.ns;
	return *ns ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult vcu_EventElapsedTime(float *pMilliseconds, CUevent hStart, CUevent hEnd)
{
	struct vcu_event *a, *b;
	uint64_t ta, tb;
	CUresult r = vcu_event_get(hStart, &a);

	if (!r)
		r = vcu_event_get(hEnd, &b);
	if (r)
		return r;
	if (!pMilliseconds)
		return CUDA_ERROR_INVALID_VALUE;
	if (a->ctx != b->ctx || (a->flags | b->flags) & CU_EVENT_DISABLE_TIMING)
		return CUDA_ERROR_INVALID_HANDLE;
	r = vcu_ctx_check(a->ctx);
	if (!r)
		r = time_of(a, &ta);
	if (!r)
		r = time_of(b, &tb);
	if (!r)
		*pMilliseconds = (float)((double)(int64_t)(tb - ta) / 1e6);
	return r;
}

CUresult vcu_EventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd)
{
	return vcu_EventElapsedTime(pMilliseconds, hStart, hEnd);
}

CUresult vcu_StreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags)
{
	struct vcu_event *e;
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (!r)
		r = vcu_event_get(hEvent, &e);
	if (r)
		return r;
	if (Flags & ~(unsigned)CU_EVENT_WAIT_EXTERNAL || (Flags && !vcu_capturing(s)))
		return CUDA_ERROR_INVALID_VALUE;
	if (Flags)
		return vcu_capture_event(s, CU_GRAPH_NODE_TYPE_WAIT_EVENT, e);
	if (vcu_capturing(s) || vcu_captured(e))
		return vcu_capture_wait(s, e);
	return vcu_event_wait(e, s);
}

CUresult vcu_event_wait(struct vcu_event *e, struct vcu_stream *s)
{
	struct vcu_stream *at;
	uint64_t seq;
	CUresult r = CUDA_SUCCESS;

	at = place(e, &seq);
	if (at) {
		r = vcu_stream_wait_on(s, at, seq);
		vcu_stream_unref(at);
	}
	return r;
}
