/*
 * vcu_mem.h: what lies where in the window: every allocation of every context,
 * in one table sorted by address, so that pointers can be told apart and copies
 * checked. A lookup answers a copy: the entry itself may go at any time.
 */
#ifndef VGPU_CUDA_VCU_MEM_H
#define VGPU_CUDA_VCU_MEM_H

#include "libcuda-vgpu/vcu.h"
#include "libcuda-vgpu/vcu_api.h"

struct vcu_pool;

struct vcu_range {
	uint64_t addr, size;       /* as the program asked for */
	uint64_t dev;              /* window address of its first byte: addr, but for the program's own pages */
	struct vcu_ctx *ctx;       /* owner; the entry goes before it */
	enum vgp_mem_kind kind;
	unsigned flags;            /* of cuMemHostAlloc, cuMemAllocManaged */
	uint64_t id;               /* CU_POINTER_ATTRIBUTE_BUFFER_ID */
	bool variable;             /* a module's: not to be freed by the program */
	bool sync_memops;
	bool registered;           /* by cuMemHostRegister: the program's pages, or what stands for them in the window */
	uint64_t host;             /* in the latter case: the program's address */
	uint64_t host_B;           /* bytes mapped for the program; 0: none */
	struct vcu_pool *pool;     /* came from a pool */
};

/* True if [addr, addr+len) lies in one allocation; len 0 counts as 1. A module's variable that the program
 * never asked for by name, but whose address a kernel gave it, is asked for at the worker. */
bool vcu_mem_find(uint64_t addr, uint64_t len, struct vcu_range *out);
/* The same without asking: the table alone. */
bool vcu_mem_known(uint64_t addr, uint64_t len, struct vcu_range *out);
/* True for the window's addresses, which are never the program's own memory. */
bool vcu_mem_in_window(uint64_t addr);
/* True if any allocation has a byte of [addr, addr+len). */
bool vcu_mem_overlaps(uint64_t addr, uint64_t len);
/* Adds an entry (id is given here). False: no memory. */
bool vcu_mem_add(const struct vcu_range *r);
/* Takes the entry that begins at addr out of the table. */
bool vcu_mem_take(uint64_t addr, struct vcu_range *out);
/* Changes the sync_memops of the entry around addr. */
bool vcu_mem_set_sync_memops(uint64_t addr, bool on);
/* Removes what belongs to a context, each handed to fn. */
void vcu_mem_take_all(struct vcu_ctx *c, void (*fn)(const struct vcu_range *r, void *arg), void *arg);

/* MEM_ALLOC in c; not in the table. align 0: 512. */
CUresult vcu_window_alloc(struct vcu_ctx *c, enum vgp_mem_kind kind, uint64_t size, uint64_t align, uint64_t *addr_out);
void vcu_window_free(uint64_t addr);
/* As it, and in the table; mapped for the program where kind says so. */
CUresult vcu_mem_alloc(struct vcu_ctx *c, enum vgp_mem_kind kind, uint64_t size, unsigned flags, uint64_t *addr_out);
/* Takes it out of the table, unmaps and frees it, without waiting for work that may use it. */
void vcu_range_release(const struct vcu_range *r);

/* vcu_hostreg.c: the program gets pages of its own again. */
void vcu_hostreg_release(const struct vcu_range *r);
/* vcu_pool.c: an allocation of the pool is gone. */
void vcu_pool_freed(struct vcu_pool *p, uint64_t size);

/* When the library goes, after the contexts. */
void vcu_pools_fini(void);
void vcu_ranges_fini(void);
void vcu_hostreg_fini(void);

#endif
