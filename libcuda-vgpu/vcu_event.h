/* vcu_event.h: events: a place on the timeline of the stream where they were recorded last. */
#ifndef VGPU_CUDA_VCU_EVENT_H
#define VGPU_CUDA_VCU_EVENT_H

#include "libcuda-vgpu/vcu_stream.h"

struct vcu_event {
	struct vcu_ctx *ctx;
	CUevent handle;
	unsigned flags;            /* CU_EVENT_… */
	uint32_t number;           /* what the worker calls it */
	pthread_mutex_t lock;      /* protects what follows */
	struct vcu_stream *stream; /* referenced; NULL: never recorded, which counts as done */
	uint64_t seq;
	struct vcu_captured *captured;   /* recorded in a capture last; vcu_capture.c's */
	struct vcu_event *next, **pprev;  /* of the context; protected by the part's lock */
};

CUresult vcu_event_get(CUevent h, struct vcu_event **out);
CUresult vcu_event_record(struct vcu_event *e, struct vcu_stream *s);
CUresult vcu_event_wait(struct vcu_event *e, struct vcu_stream *s);
/* When the library goes. */
void vcu_events_fini(void);

#endif
