/*
 * vcu_entry.h: what happens around every entry point: is the library usable
 * in this process, which default stream is meant, who calls, the trace; and the
 * per-thread state that this needs. Of interest to cu_entry.c and to the files
 * that own the process' state and contexts.
 */
#ifndef VGPU_CUDA_VCU_ENTRY_H
#define VGPU_CUDA_VCU_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "libcuda-vgpu/vcu.h"

/* Where the process is. On a page that a fork wipes, so a child finds FRESH there. */
enum vcu_state {
	VCU_STATE_FRESH = 0,
	VCU_STATE_READY,
	VCU_STATE_GONE,            /* the library's destructor has run */
};

#define VCU_STACK_INLINE 4

/* A thread's state; initial-exec, so one instruction away. */
struct vcu_tls {
	const void *caller;        /* return address of the exported function */
	uint32_t depth;            /* inside that many entry points; read by the destructor of the library */
	bool per_thread;           /* the running call is a _ptds or _ptsz one */
	bool listed;               /* in the list of threads, has a destructor pending */
	struct vcu_ctx **stack;    /* current contexts, top last; counted references */
	unsigned depth_ctx, cap_ctx;
	struct vcu_ctx *inline_stack[VCU_STACK_INLINE];
	struct vcu_tls *next, **pprev;  /* all threads that called; protected by the list's lock */
};

extern __thread struct vcu_tls vcu_tls __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* vcu_process.c: state */
extern const volatile int *vcu_state __attribute__((visibility("hidden")));   /* enum vcu_state */
/* What a call gets when the state is not READY. */
CUresult vcu_not_ready(unsigned flags);
void vcu_tls_register(struct vcu_tls *t);

static inline CUresult vcu_enter(struct vcu_tls *t, unsigned flags, bool per_thread, const void *caller)
{
	if (unlikely(!t->listed))
		vcu_tls_register(t);
	t->depth++;
	t->caller = caller;
	t->per_thread = per_thread;
	/* The destructor of the library raises a barrier on all threads: no fence here. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(*vcu_state != VCU_STATE_READY))
		return vcu_not_ready(flags);
	return CUDA_SUCCESS;
}

/* per_thread: as it was before vcu_enter: a call from a callback lies inside another one. */
static inline void vcu_leave(struct vcu_tls *t, bool per_thread)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->per_thread = per_thread;
	t->depth--;
}

/* ---- table of exported functions (cu_entry.c) ---- */

enum vcu_entry_flags {
	VCU_ENTRY_PT = 1,          /* a _ptds or _ptsz twin */
};

struct vcu_entry {
	const char *name;          /* base name, "cuMemAlloc" */
	const char *symbol;        /* exported name */
	void *fn;
	uint32_t since;
	uint16_t flags;            /* enum vcu_entry_flags */
};

extern const struct vcu_entry vcu_entries[];
extern const unsigned vcu_n_entries;
/* False: the entry answers CUDA_ERROR_NOT_SUPPORTED. */
bool vcu_entry_implemented(unsigned i);

#endif
