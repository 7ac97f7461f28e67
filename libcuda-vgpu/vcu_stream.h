/*
 * vcu_stream.h: streams: which timeline a call's work goes to, the order that
 * the default streams bring, and waiting.
 *
 * Order. A context has one legacy default stream. Its work comes after all
 * that was submitted to the context's blocking streams, and their later work
 * comes after it; non-blocking streams know nothing of it. Both are made by
 * QUEUE_WAIT_ON in front of a command, left out where the other timeline has
 * already got there. All submissions of a context go under its stream lock, so
 * "before" and "after" mean the same to every thread.
 *
 * Life. A destroyed stream's work goes on: it stays in the list, without a
 * handle, until its timeline has ended (zombie), then its queue is given back.
 * A pin keeps the queue while a thread waits on it; a reference keeps the
 * struct (events remember where they were recorded).
 */
#ifndef VGPU_CUDA_VCU_STREAM_H
#define VGPU_CUDA_VCU_STREAM_H

#include "libcuda-vgpu/vcu.h"
#include "libcuda-vgpu/vcu_api.h"

#define VCU_NO_QUEUE UINT32_MAX

enum vcu_stream_kind {
	VCU_STREAM_LEGACY,
	VCU_STREAM_PER_THREAD,
	VCU_STREAM_CREATED,
};

struct vcu_hostq;

struct vcu_stream {
	struct vcu_ctx *ctx;       /* outlives the stream */
	CUstream handle;           /* NULL: default streams and zombies */
	enum vcu_stream_kind kind;
	unsigned flags;            /* CU_STREAM_… */
	int priority;
	uint64_t id;
	unsigned refs;             /* atomic */
	struct vcu_capturing *capturing;   /* part in a capture (vcu_capture.h); atomic, protected by its lock */
	struct vcu_hostq *hostq;   /* host functions; made at the first one, protected by the part's lock */
	/* protected by the part's lock */
	uint32_t queue;            /* VCU_NO_QUEUE: given back, all of its work has ended */
	uint64_t last;             /* seq of its last command */
	uint64_t known_done;       /* a value that its timeline has reached; not protected: a stale one does no harm */
	uint64_t seen_legacy;      /* value of the legacy timeline that this one comes after already */
	uint64_t legacy_saw;       /* value of this timeline that the legacy one comes after already */
	unsigned pins;
	bool zombie;
	uint64_t thread;           /* PER_THREAD: token of the thread, and its tid */
	int tid;
	CUsynchronizationPolicy sync_policy;
	CUaccessPolicyWindow window;
	CUlaunchMemSyncDomain domain;
	CUlaunchMemSyncDomainMap domain_map;
	struct vcu_stream *next;
};

/*
 * The stream of a handle: NULL, CU_STREAM_LEGACY and CU_STREAM_PER_THREAD belong
 * to the current context, others to their own. That context is then known to
 * be healthy; _any does not look at its error.
 */
CUresult vcu_stream_get(CUstream h, struct vcu_stream **out);
CUresult vcu_stream_get_any(CUstream h, struct vcu_stream **out);
/* Default stream of a context: what copies without a stream parameter use. */
CUresult vcu_stream_default(struct vcu_ctx *c, struct vcu_stream **out);

static inline bool vcu_stream_blocking(const struct vcu_stream *s)
{
	return !(s->flags & CU_STREAM_NON_BLOCKING);
}

/* Submits a QUEUED command behind all that it has to come after. seq_out may be NULL. */
CUresult vcu_submit(struct vcu_stream *s, struct vgp_cmd *cmd, const void *in, size_t in_len, uint64_t *seq_out);
/* True if a command submitted now would start at once. */
bool vcu_stream_idle(struct vcu_stream *s);
/* Waits until vcu_stream_idle would say yes for what was submitted before. */
CUresult vcu_stream_wait_idle(struct vcu_stream *s);
/* Seq of the last command so far. */
uint64_t vcu_stream_mark(struct vcu_stream *s);
/* Waits for one command of the stream, or only asks (CUDA_ERROR_NOT_READY). */
CUresult vcu_stream_wait_seq(struct vcu_stream *s, uint64_t seq);
CUresult vcu_stream_query_seq(struct vcu_stream *s, uint64_t seq);
/* Puts a wait for a command of another stream (of any context) into s. */
CUresult vcu_stream_wait_on(struct vcu_stream *s, struct vcu_stream *other, uint64_t seq);
struct vcu_stream *vcu_stream_ref(struct vcu_stream *s);
void vcu_stream_unref(struct vcu_stream *s);
/* Waits for all streams of the context. */
CUresult vcu_ctx_wait_all(struct vcu_ctx *c);

/* vcu_printf.c: brings what kernels printed to stdout, and a failed assertion's text to stderr. */
void vcu_printf_flush(struct vcu_ctx *c);
/* vcu_check.c: is the memory checker wanted on that device? */
bool vcu_check_wanted(const struct vcu_device *dev);
/* Brings a checked context's reports to the file. flags: enum vgp_check_flags. */
void vcu_check_flush(struct vcu_ctx *c, uint32_t flags);

/* vcu_hostfn.c */
CUresult vcu_hostfn_submit(struct vcu_stream *s, CUhostFn fn, CUstreamCallback callback, void *arg);
/* Joins the stream's helper; what has not run is dropped. */
void vcu_hostq_free(struct vcu_hostq *q);

#endif
