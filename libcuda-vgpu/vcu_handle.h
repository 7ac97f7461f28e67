/*
 * vcu_handle.h: handles that programs hold. A handle is the address of a slot
 * in one reserved region that is never unmapped while the library is loaded;
 * the slot says what kind of object it stands for and where that is. So any
 * value can be checked without following it, and without a lock: outside the
 * region, not on a slot's border, free, or another kind: no such handle.
 *
 * A freed slot goes to the end of a queue, so that a stale handle stays
 * invalid for long before its slot comes back.
 *
 * What a lookup answers stays valid as long as the program does not destroy
 * the object in another thread meanwhile, which CUDA leaves undefined;
 * contexts are counted (vcu_ctx_ref).
 */
#ifndef VGPU_CUDA_VCU_HANDLE_H
#define VGPU_CUDA_VCU_HANDLE_H

#include <stdbool.h>
#include <stddef.h>

enum vcu_handle_kind {
	VCU_H_FREE = 0,
	VCU_H_CTX, VCU_H_STREAM, VCU_H_EVENT, VCU_H_MODULE, VCU_H_LIBRARY, VCU_H_KERNEL, VCU_H_FUNCTION,
	VCU_H_LINK, VCU_H_ARRAY, VCU_H_MIPMAP, VCU_H_TEXREF, VCU_H_SURFREF, VCU_H_MEMPOOL,
	VCU_H_GRAPH, VCU_H_GRAPH_NODE, VCU_H_GRAPH_EXEC, VCU_H_USER_OBJECT, VCU_H_GREEN_CTX,
	VCU_H_RESOURCE_DESC, VCU_H_LOG_CALLBACK, VCU_H_ASYNC_CALLBACK, VCU_H_OTHER,
	VCU_H_KINDS
};

/* A handle for obj (not NULL). NULL: no memory. */
void *vcu_handle_new(enum vcu_handle_kind kind, void *obj);
/* The object, NULL when h is no live handle of that kind. */
void *vcu_handle_get(const void *h, enum vcu_handle_kind kind);
/* VCU_H_FREE when h is no live handle. */
enum vcu_handle_kind vcu_handle_kind(const void *h);
/* Frees the slot and answers its object, or NULL; of several threads exactly one gets it. */
void *vcu_handle_del(const void *h, enum vcu_handle_kind kind);
/* Live handles of a kind: *i starts at 0; NULL at the end. For teardown. */
void *vcu_handle_next(enum vcu_handle_kind kind, size_t *i);
/* Unmaps the region. */
void vcu_handle_fini(void);

#endif
