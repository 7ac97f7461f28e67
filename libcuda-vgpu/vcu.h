/*
 * vcu.h: what the files of libcuda share: how entry points are implemented,
 * handles, devices, contexts and the session with the engine worker.
 *
 * Entry points. api/api.def lists them; cu_entry.c exports them. cuFoo_v2 is
 * implemented by defining vcu_Foo_v2 (prototypes: vcu_api.h). Before it runs,
 * the wrapper has checked the process' state (VCU_F_…); nothing else. Nothing in
 * the library calls an exported cu…; all call vcu_…
 *
 * Per-thread default stream. The _ptds and _ptsz twins run the same vcu_
 * function, with vcu_default_stream() answering CU_STREAM_PER_THREAD instead
 * of CU_STREAM_LEGACY. Whoever resolves a stream handle maps NULL to
 * vcu_default_stream(), copies without a stream parameter use it as well.
 * Explicit handles mean the same in both. It is valid only inside the call: work
 * that runs later must keep the resolved stream.
 *
 * Handles (CUcontext, CUstream, CUevent, CUmodule …) are slots of vcu_handle.h,
 * so any value that a program passes can be looked up without touching it.
 *
 * Locks, outermost first: vcu_device.lock → vcu_ctx.lock → locks of the
 * objects → the handle table's own. Callbacks of programs (CLS destructors,
 * host functions) are called without any.
 */
#ifndef VGPU_CUDA_VCU_H
#define VGPU_CUDA_VCU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "libcuda-vgpu/cu_abi.h"
#include "libcuda-vgpu/vcu_handle.h"
#include "transport/transport.h"
#include "util/compiler.h"
#include "util/device.h"

/* ---- rows of api.def ---- */

enum vcu_row_flags {
	VCU_F_NOINIT = 1,          /* may be called before cuInit and after a fork */
};

/* ---- the process ---- */

CUstream vcu_default_stream(void);
/* CUresult of 0 or a negative status. */
CUresult vcu_result(int status);
/* Flags of $VGPU_DEBUG (names: api). */
enum vcu_debug { VCU_DEBUG_API = 1, VCU_DEBUG_MEMCHECK = 2, VCU_DEBUG_LEAKS = 4 };
extern unsigned vcu_debug __attribute__((visibility("hidden")));

/* ---- devices ---- */

struct vcu_pci {
	unsigned domain, bus, dev, fn;
};

struct vcu_ctx;

struct vcu_device {
	int ordinal;               /* CUdevice: place among the visible ones */
	struct vgpu_device d;      /* d.index is what the worker calls it */
	struct vcu_pci pci;
	CUuuid uuid;
	pthread_mutex_t lock;      /* protects what follows, and the primary context's activation */
	struct vcu_ctx *primary;   /* made by cuInit; same handle for ever; active or not */
	unsigned primary_refs;     /* cuDevicePrimaryCtxRetain minus Release */
	unsigned primary_flags;
	void *priv;                /* memory: pools of the device */
};

/* Visible devices, after cuInit. */
int vcu_device_count(void);
/* NULL: CUDA_ERROR_INVALID_DEVICE. */
struct vcu_device *vcu_device_get(CUdevice dev);
/* Compute capability (10*major + minor) of d as the module that holds caller sees it. */
unsigned vcu_device_cc(const struct vcu_device *d, const void *caller);
/* The return address of the exported function that is running, for vcu_device_cc. */
const void *vcu_caller(void);

/* ---- contexts ---- */

/*
 * What is made and torn down with a context: one row per part, X(part) gives
 *   CUresult vcu_<part>_ctx_init(struct vcu_ctx *c)   when it becomes active
 *   void vcu_<part>_ctx_fini(struct vcu_ctx *c)       before its worker context is destroyed
 * Both may be missing (weak). init runs in this order, fini in reverse. A part
 * keeps its things in c->part[VCU_PART_<part>]. If the session is dead
 * (tr_dead) or abandoned, fini only frees this side.
 */
#define VCU_CTX_PARTS(X) X(mem) X(stream) X(event) X(module) X(array)
enum vcu_part {
#define X(p) VCU_PART_##p,
	VCU_CTX_PARTS(X)
#undef X
	VCU_PARTS
};

/* Stream priorities; what is beyond is clamped. */
#define VCU_PRIORITY_LEAST 0
#define VCU_PRIORITY_GREATEST (-5)

enum vcu_ctx_state {
	VCU_CTX_INACTIVE,          /* primary: not retained yet, or reset */
	VCU_CTX_ACTIVE,
	VCU_CTX_DESTROYED,
};

struct vcu_cls;

struct vcu_ctx {
	CUcontext handle;          /* slot of VCU_H_CTX */
	struct vcu_device *dev;
	uint32_t wire;             /* the worker's number, while active */
	int state;                 /* enum vcu_ctx_state; atomic; written under lock */
	unsigned refs;             /* atomic: handle, entries of threads' stacks, objects */
	uint64_t id;               /* cuCtxGetId; new at each activation of a primary context */
	bool primary;
	bool checked;              /* while active: kernels run under the memory checker */
	unsigned flags;            /* CU_CTX_… */
	unsigned api_version;
	int error;                 /* sticky CUresult that this side knows; atomic; 0: ask the transport */
	pthread_mutex_t lock;      /* protects cls, settings and activation */
	struct vcu_cls *cls;
	CUfunc_cache cache_config;
	CUsharedconfig shared_config;
	uint64_t *peers;           /* ids of the contexts whose memory may be used */
	unsigned n_peers;
	unsigned attached;         /* cuCtxAttach minus Detach, and the creation */
	uint64_t l2_granularity;   /* CU_LIMIT_MAX_L2_FETCH_GRANULARITY: a hint, kept */
	void *part[VCU_PARTS];     /* of the parts above; written by their init */
};

/*
 * The calling thread's context, ready for work: CUDA_ERROR_INVALID_CONTEXT
 * when there is none, CONTEXT_IS_DESTROYED when it is gone or not active, else
 * its sticky error. *out is valid until the thread leaves the entry point.
 */
CUresult vcu_ctx_current(struct vcu_ctx **out);
/* The same without looking at the sticky error (for queries that still work then). */
CUresult vcu_ctx_current_any(struct vcu_ctx **out);
/* The context of a handle, NULL: the current one; not looking at its state. */
CUresult vcu_ctx_lookup(CUcontext h, struct vcu_ctx **out);
/* 0 if c is active and healthy, else what its calls answer. */
CUresult vcu_ctx_check(struct vcu_ctx *c);
/* Objects that outlive a call hold a reference; the last one frees the struct. */
struct vcu_ctx *vcu_ctx_ref(struct vcu_ctx *c);
void vcu_ctx_unref(struct vcu_ctx *c);
/* For work in other contexts inside a call: what cuCtxPushCurrent and PopCurrent do. False: no memory. */
bool vcu_ctx_push(struct vcu_ctx *c);
void vcu_ctx_pop(void);
/* Calls fn on every active context (of dev, NULL: all). */
void vcu_ctx_foreach(struct vcu_device *dev, void (*fn)(struct vcu_ctx *c, void *arg), void *arg);
/* Waits for all work of the context; cuCtxSynchronize. Made by the streams. */
VGPU_WEAK_HIDDEN CUresult vcu_stream_ctx_synchronize(struct vcu_ctx *c);

/* ---- the session with the worker: one per process, opened by the first context ---- */

/* The open session; never NULL while a context is active. */
struct tr_session *vcu_session(void);
/* Runs a CALL without out data; the CUresult of what came back. reply may be NULL. */
CUresult vcu_call(struct vgp_cmd *cmd, const void *in, size_t in_len, struct vgp_reply *reply);

#endif
