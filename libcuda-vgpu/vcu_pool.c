/*
 * vcu_pool.c: stream-ordered allocation. An allocation is made at once, so it
 * is there before the stream gets to its first use; a free is a command of the
 * stream. A pool keeps its settings and counts, no memory: what is freed goes
 * back to the device.
 */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_capture.h"
#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_stream.h"

struct vcu_pool {
	CUmemoryPool handle;       /* first: vcu_ptr.c reads it */
	struct vcu_device *dev;
	bool is_default;
	int reuse[3];              /* CU_MEMPOOL_ATTR_REUSE_… */
	cuuint64_t threshold;
	uint64_t max_size;         /* 0: none */
	/* atomic */
	uint64_t used, high;
	unsigned allocations;
	bool destroyed;            /* freed with its last allocation */
};

struct device_pools {
	struct vcu_pool *first, *current;
};

static struct device_pools pools[VGPU_MAX_DEVICES];   /* by ordinal */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;   /* making of pools, current ones, destruction */

static struct vcu_pool *pool_new(struct vcu_device *d)
{
	struct vcu_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->dev = d;
	p->reuse[0] = p->reuse[1] = p->reuse[2] = 1;
	p->handle = vcu_handle_new(VCU_H_MEMPOOL, p);
	if (!p->handle) {
		free(p);
		return NULL;
	}
	return p;
}

/* NULL: no memory. */
static struct device_pools *pools_of(struct vcu_device *d)
{
	struct device_pools *ps = &pools[d->ordinal];

	pthread_mutex_lock(&lock);
	if (!ps->first) {
		ps->first = ps->current = pool_new(d);
		if (ps->first)
			ps->first->is_default = true;
	}
	pthread_mutex_unlock(&lock);
	return ps->first ? ps : NULL;
}

void vcu_pools_fini(void)
{
	size_t i = 0;
	void *h;

	while ((h = vcu_handle_next(VCU_H_MEMPOOL, &i)))
		free(vcu_handle_del(h, VCU_H_MEMPOOL));
	memset(pools, 0, sizeof(pools));
}

static void account(struct vcu_pool *p, uint64_t size, bool more)
{
	pthread_mutex_lock(&lock);
	if (more) {
		p->used += size;
		p->allocations++;
		p->high = MAX(p->high, p->used);
	} else {
		p->used -= size;
		p->allocations--;
	}
	if (p->destroyed && !p->allocations) {
		free(p);
		p = NULL;
	}
	pthread_mutex_unlock(&lock);
}

void vcu_pool_freed(struct vcu_pool *p, uint64_t size)
{
	account(p, size, false);
}

/* ---- allocations ---- */

static CUresult alloc_from(struct vcu_pool *p, CUdeviceptr *dptr, size_t n, CUstream h)
{
	struct vcu_range range = { .kind = VGP_MEM_DEVICE, .size = n };
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(h, &s);

	if (r)
		return r;
	if (vcu_capturing(s))
		return vcu_capture_lacks(s);
	if (!dptr || (n && p && p->max_size && n > p->max_size))
		return CUDA_ERROR_INVALID_VALUE;
	if (!n) {
		*dptr = 0;
		return CUDA_SUCCESS;
	}
	if (n > (uint64_t)1 << 47)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!p) {
		struct device_pools *ps = pools_of(s->ctx->dev);

		if (!ps)
			return CUDA_ERROR_OUT_OF_MEMORY;
		p = ps->current;
	}
	if (p->dev != s->ctx->dev)
		return CUDA_ERROR_INVALID_VALUE;
	range.ctx = s->ctx;
	range.pool = p;
	r = vcu_window_alloc(s->ctx, VGP_MEM_DEVICE, n, 0, &range.addr);
	if (r)
		return r;
	range.dev = range.addr;
	if (!vcu_mem_add(&range)) {
		vcu_window_free(range.addr);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	account(p, n, true);
	*dptr = range.addr;
	return CUDA_SUCCESS;
}

CUresult vcu_MemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream hStream)
{
	return alloc_from(NULL, dptr, bytesize, hStream);
}

CUresult vcu_MemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream hStream)
{
	struct vcu_pool *p = vcu_handle_get(pool, VCU_H_MEMPOOL);

	return p ? alloc_from(p, dptr, bytesize, hStream) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_MemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
	struct vgp_cmd cmd = { .op = VGP_OP_FREE, .a.FREE = { .addr = dptr } };
	struct vcu_range range;
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r || !dptr)
		return r;
	if (vcu_capturing(s))
		return vcu_capture_lacks(s);
	if (!vcu_mem_find(dptr, 1, &range) || range.addr != dptr || range.kind != VGP_MEM_DEVICE || range.variable)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcu_mem_take(dptr, &range))
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_submit(s, &cmd, NULL, 0, NULL);
	if (range.pool)
		vcu_pool_freed(range.pool, range.size);
	return r;
}

/* ---- pools ---- */

CUresult vcu_DeviceGetDefaultMemPool(CUmemoryPool *pool_out, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);
	struct device_pools *ps;

	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!pool_out)
		return CUDA_ERROR_INVALID_VALUE;
	ps = pools_of(d);
	if (!ps)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*pool_out = ps->first->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceGetMemPool(CUmemoryPool *pool, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);
	struct device_pools *ps;

	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!pool)
		return CUDA_ERROR_INVALID_VALUE;
	ps = pools_of(d);
	if (!ps)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*pool = ps->current->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_DeviceSetMemPool(CUdevice dev, CUmemoryPool pool)
{
	struct vcu_device *d = vcu_device_get(dev);
	struct vcu_pool *p = vcu_handle_get(pool, VCU_H_MEMPOOL);
	struct device_pools *ps;

	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!p || p->dev != d)
		return CUDA_ERROR_INVALID_VALUE;
	ps = pools_of(d);
	if (!ps)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	ps->current = p;
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

CUresult vcu_MemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *poolProps)
{
	struct vcu_device *d;
	struct vcu_pool *p;

	if (!pool || !poolProps || poolProps->allocType != CU_MEM_ALLOCATION_TYPE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	if (poolProps->handleTypes || poolProps->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_NOT_SUPPORTED;
	d = vcu_device_get(poolProps->location.id);
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	p = pool_new(d);
	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	p->max_size = poolProps->maxSize;
	*pool = p->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_MemPoolDestroy(CUmemoryPool pool)
{
	struct vcu_pool *p = vcu_handle_get(pool, VCU_H_MEMPOOL);
	struct device_pools *ps;

	if (!p || p->is_default)
		return CUDA_ERROR_INVALID_VALUE;
	ps = pools_of(p->dev);
	vcu_handle_del(pool, VCU_H_MEMPOOL);
	pthread_mutex_lock(&lock);
	if (ps && ps->current == p)
		ps->current = ps->first;
	p->destroyed = true;
	p->handle = NULL;
	if (!p->allocations)
		free(p);
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

CUresult vcu_MemPoolTrimTo(CUmemoryPool pool, size_t minBytesToKeep)
{
	/* Pools keep nothing. */
	return vcu_handle_get(pool, VCU_H_MEMPOOL) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_MemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
{
	struct vcu_pool *p = vcu_handle_get(pool, VCU_H_MEMPOOL);

	if (!p || !value)
		return CUDA_ERROR_INVALID_VALUE;
	switch (attr) {
	case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
		p->reuse[attr - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES] = *(int *)value != 0;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
		p->threshold = *(cuuint64_t *)value;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
		/* The high-water marks can be reset, nothing else. */
		if (*(cuuint64_t *)value)
			return CUDA_ERROR_INVALID_VALUE;
		__atomic_store_n(&p->high, __atomic_load_n(&p->used, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult vcu_MemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
{
	struct vcu_pool *p = vcu_handle_get(pool, VCU_H_MEMPOOL);

	if (!p || !value)
		return CUDA_ERROR_INVALID_VALUE;
	switch (attr) {
	case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
		*(int *)value = p->reuse[attr - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES];
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
		*(cuuint64_t *)value = p->threshold;
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
	case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
		*(cuuint64_t *)value = __atomic_load_n(&p->used, __ATOMIC_RELAXED);
		return CUDA_SUCCESS;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
		*(cuuint64_t *)value = __atomic_load_n(&p->high, __ATOMIC_RELAXED);
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

/* All devices of a process can reach all of its window. */
CUresult vcu_MemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *map, size_t count)
{
	if (!vcu_handle_get(pool, VCU_H_MEMPOOL) || (count && !map))
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		if (map[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE || !vcu_device_get(map[i].location.id))
			return CUDA_ERROR_INVALID_DEVICE;
	return CUDA_SUCCESS;
}

CUresult vcu_MemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool memPool, CUmemLocation *location)
{
	if (!flags || !location || !vcu_handle_get(memPool, VCU_H_MEMPOOL))
		return CUDA_ERROR_INVALID_VALUE;
	if (location->type != CU_MEM_LOCATION_TYPE_DEVICE || !vcu_device_get(location->id))
		return CUDA_ERROR_INVALID_DEVICE;
	*flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	return CUDA_SUCCESS;
}
