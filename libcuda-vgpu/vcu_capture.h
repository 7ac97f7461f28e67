/*
 * vcu_capture.h: stream capture: what is submitted to a stream becomes nodes of a
 * graph instead. A capture begins with one stream; others join when they wait
 * for an event that was recorded in it, and have to be joined again before it ends.
 *
 * Whoever submits something that has a node asks vcu_capturing() and gives it
 * to one of these; anything else that comes to vcu_submit() while a stream
 * captures is refused, and so nothing of it runs.
 */
#ifndef VGPU_CUDA_VCU_CAPTURE_H
#define VGPU_CUDA_VCU_CAPTURE_H

#include "libcuda-vgpu/vcu_stream.h"

struct vcu_copy;
struct vcu_event;
struct vcu_graph;
struct vcu_launch;

/* Captures in progress; atomic. */
extern unsigned vcu_captures __attribute__((visibility("hidden")));

static inline bool vcu_capturing(struct vcu_stream *s)
{
	return unlikely(__atomic_load_n(&s->capturing, __ATOMIC_ACQUIRE) != NULL);
}

CUresult vcu_capture_check_slow(struct vcu_stream *s);

/* May a stream be used as it is, not captured? */
static inline CUresult vcu_capture_check(struct vcu_stream *s)
{
	return likely(!__atomic_load_n(&vcu_captures, __ATOMIC_ACQUIRE)) ? CUDA_SUCCESS : vcu_capture_check_slow(s);
}

/* May all streams of the context be waited for? */
CUresult vcu_capture_check_ctx(struct vcu_ctx *c);
/* What no capture can hold: it comes to nothing. */
CUresult vcu_capture_refuse(struct vcu_stream *s);
/* The same of what CUDA has nodes for, but this library has none. */
CUresult vcu_capture_lacks(struct vcu_stream *s);

CUresult vcu_capture_launch(struct vcu_stream *s, const void *handle, const struct vcu_launch *l);
CUresult vcu_capture_copy(struct vcu_stream *s, const struct vcu_copy *c);
CUresult vcu_capture_fill(struct vcu_stream *s, const CUDA_MEMSET_NODE_PARAMS *p);
CUresult vcu_capture_host(struct vcu_stream *s, CUhostFn fn, void *arg);
/* A node that records, or waits for, an event of outside. */
CUresult vcu_capture_event(struct vcu_stream *s, CUgraphNodeType type, struct vcu_event *e);
CUresult vcu_capture_graph(struct vcu_stream *s, const struct vcu_graph *g);
/* Dependencies: e stands for what the stream has come to, and s for what it comes after. */
CUresult vcu_capture_record(struct vcu_stream *s, struct vcu_event *e);
CUresult vcu_capture_wait(struct vcu_stream *s, struct vcu_event *e);
/* Was its last record in a capture? */
bool vcu_captured(struct vcu_event *e);
void vcu_capture_forget(struct vcu_event *e);
/* The stream is no more. */
void vcu_capture_leave(struct vcu_stream *s);

#endif
