/* vcu_ctx.h: what the files about contexts share; others need only vcu.h. */
#ifndef VGPU_CUDA_VCU_CTX_H
#define VGPU_CUDA_VCU_CTX_H

#include "libcuda-vgpu/vcu.h"

/* A context that is not active yet, with its handle; NULL: no memory. */
struct vcu_ctx *vcu_ctx_new(struct vcu_device *dev, bool primary, unsigned flags);
/* Opens the session if need be and makes the worker's context. Under dev->lock for a primary one. */
CUresult vcu_ctx_activate(struct vcu_ctx *c);
/* Ends everything in it; leaves it in the given state. Its CLS destructors have run. */
void vcu_ctx_deactivate(struct vcu_ctx *c, enum vcu_ctx_state state);
/* Frees the handle and drops its reference. */
void vcu_ctx_retire(struct vcu_ctx *c);
/* For the library's end: all contexts, without the program's destructors. */
void vcu_ctx_destroy_all(void);
/* CU_CTX_… of a program: what is allowed. */
bool vcu_ctx_flags_ok(unsigned flags);
/* The thread's top entry, NULL: none. Not checked. */
struct vcu_ctx *vcu_ctx_top(void);
/* Takes the top entry away, with its reference. */
struct vcu_ctx *vcu_ctx_take_top(void);

/* ---- context local storage (vcu_cls.c): per context and key, found without locks ---- */

typedef void (*vcu_cls_dtor)(CUcontext, void *key, void *value);

CUresult vcu_cls_put(struct vcu_ctx *c, void *key, void *value, vcu_cls_dtor dtor);
CUresult vcu_cls_del(struct vcu_ctx *c, void *key);
/* CUDA_ERROR_INVALID_HANDLE when there is none. */
CUresult vcu_cls_get(struct vcu_ctx *c, void *key, void **value);
/* Calls all destructors (without locks) and empties it. */
void vcu_cls_run(struct vcu_ctx *c);
void vcu_cls_free(struct vcu_ctx *c);

#endif
