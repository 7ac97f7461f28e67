/* vcu_mem.c: device, pinned and managed memory. */
#include "libcuda-vgpu/vcu_mem.h"

#include <string.h>

#include "libcuda-vgpu/vcu_stream.h"

#define PAGE 4096u
#define PITCH_ALIGN 512u
/* Nobody has so much, and no sum of sizes below it overflows. */
#define ADDRESSES ((uint64_t)1 << 47)

/* ---- the window ---- */

CUresult vcu_window_alloc(struct vcu_ctx *c, enum vgp_mem_kind kind, uint64_t size, uint64_t align, uint64_t *addr_out)
{
	struct vgp_cmd cmd = { .op = VGP_OP_MEM_ALLOC };
	struct vgp_reply rep;
	CUresult r;

	cmd.a.MEM_ALLOC.size = size;
	cmd.a.MEM_ALLOC.align = align;
	cmd.a.MEM_ALLOC.ctx = c->wire;
	cmd.a.MEM_ALLOC.kind = kind;
	r = vcu_call(&cmd, NULL, 0, &rep);
	if (!r)
		*addr_out = rep.r.MEM_ALLOC.addr;
	return r;
}

void vcu_window_free(uint64_t addr)
{
	struct vgp_cmd cmd = { .op = VGP_OP_MEM_FREE, .a.MEM_FREE = { .addr = addr } };

	vcu_call(&cmd, NULL, 0, NULL);
}

CUresult vcu_mem_alloc(struct vcu_ctx *c, enum vgp_mem_kind kind, uint64_t size, unsigned flags, uint64_t *addr_out)
{
	struct vcu_range range = { .size = size, .ctx = c, .kind = kind, .flags = flags };
	bool host = kind == VGP_MEM_HOST || kind == VGP_MEM_MANAGED;
	CUresult r;
	int st;

	if (size > ADDRESSES)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (host)
		range.host_B = vgpu_align_up(size, PAGE);
	/* the worker's are whole pages, too */
	r = vcu_window_alloc(c, kind, size, host ? PAGE : 0, &range.addr);
	if (r)
		return r;
	range.dev = range.addr;
	if (host) {
		st = tr_host_map(vcu_session(), range.addr, range.host_B, NULL);
		if (st) {
			vcu_window_free(range.addr);
			return vcu_result(st);
		}
	}
	if (!vcu_mem_add(&range)) {
		vcu_range_release(&range);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*addr_out = range.addr;
	return CUDA_SUCCESS;
}

void vcu_range_release(const struct vcu_range *r)
{
	if (r->host_B)
		tr_host_unmap(vcu_session(), r->addr & ~(uint64_t)(PAGE - 1), r->host_B);
	if (!r->variable)
		vcu_window_free(r->addr);
	if (r->pool)
		vcu_pool_freed(r->pool, r->size);
}

CUresult vcu_mem_ctx_init(struct vcu_ctx *c);
void vcu_mem_ctx_fini(struct vcu_ctx *c);

CUresult vcu_mem_ctx_init(struct vcu_ctx *c)
{
	return CUDA_SUCCESS;
}

static void drop(const struct vcu_range *r, void *arg)
{
	struct tr_session *t = vcu_session();

	if (r->registered)
		vcu_hostreg_release(r);
	/* The worker frees its memory with the context. */
	if (r->host_B && t && !tr_forked(t))
		tr_host_unmap(t, r->addr & ~(uint64_t)(PAGE - 1), r->host_B);
	if (r->pool)
		vcu_pool_freed(r->pool, r->size);
}

void vcu_mem_ctx_fini(struct vcu_ctx *c)
{
	vcu_mem_take_all(c, drop, NULL);
}

/* ---- device memory ---- */

CUresult vcu_MemGetInfo_v2(size_t *free_out, size_t *total_out)
{
	struct vgp_cmd cmd = { .op = VGP_OP_MEM_INFO };
	struct vgp_reply rep;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	cmd.a.MEM_INFO.device = (uint32_t)c->dev->d.index;
	r = vcu_call(&cmd, NULL, 0, &rep);
	if (r)
		return r;
	if (free_out)
		*free_out = rep.r.MEM_INFO.free;
	if (total_out)
		*total_out = rep.r.MEM_INFO.total;
	return CUDA_SUCCESS;
}

CUresult vcu_MemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	struct vcu_ctx *c;
	uint64_t addr;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!dptr || !bytesize)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_mem_alloc(c, VGP_MEM_DEVICE, bytesize, 0, &addr);
	if (!r)
		*dptr = addr;
	return r;
}

CUresult vcu_MemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes, size_t Height, unsigned int ElementSizeBytes)
{
	size_t pitch, size;
	CUresult r;

	if (!dptr || !pPitch || !WidthInBytes || !Height ||
	    (ElementSizeBytes != 4 && ElementSizeBytes != 8 && ElementSizeBytes != 16))
		return CUDA_ERROR_INVALID_VALUE;
	if (WidthInBytes > ADDRESSES)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pitch = vgpu_align_up(WidthInBytes, PITCH_ALIGN);
	if (__builtin_mul_overflow(pitch, Height, &size))
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcu_MemAlloc_v2(dptr, size);
	if (!r)
		*pPitch = pitch;
	return r;
}

/* What the owner still runs may use the memory: freeing waits for it. */
static CUresult quiesce(struct vcu_ctx *c)
{
	return vcu_ctx_wait_all(c);
}

CUresult vcu_MemFree_v2(CUdeviceptr dptr)
{
	struct vcu_range range;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r || !dptr)
		return r;
	if (!vcu_mem_find(dptr, 1, &range) || range.addr != dptr || range.kind == VGP_MEM_HOST || range.variable)
		return CUDA_ERROR_INVALID_VALUE;
	r = quiesce(range.ctx);
	if (r)
		return r;
	if (!vcu_mem_take(dptr, &range))
		return CUDA_ERROR_INVALID_VALUE;
	vcu_range_release(&range);
	return CUDA_SUCCESS;
}

CUresult vcu_MemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr)
{
	struct vcu_range range;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!vcu_mem_find(dptr, 1, &range))
		return dptr ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_VALUE;
	if (pbase)
		*pbase = range.addr;
	if (psize)
		*psize = range.size;
	return CUDA_SUCCESS;
}

/* ---- managed memory ---- */

CUresult vcu_MemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags)
{
	struct vcu_ctx *c;
	uint64_t addr;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!dptr || !bytesize || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST))
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_mem_alloc(c, VGP_MEM_MANAGED, bytesize, flags, &addr);
	if (!r)
		*dptr = addr;
	return r;
}

static bool managed(CUdeviceptr p, size_t n)
{
	struct vcu_range range;

	return n && vcu_mem_find(p, n, &range) && range.kind == VGP_MEM_MANAGED;
}

static bool location_ok(CUmemLocation l)
{
	switch (l.type) {
	case CU_MEM_LOCATION_TYPE_DEVICE:
		return vcu_device_get(l.id) != NULL;
	case CU_MEM_LOCATION_TYPE_HOST:
	case CU_MEM_LOCATION_TYPE_HOST_NUMA:
	case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
		return true;
	default:
		return false;
	}
}

/* There is one memory, near to all: a prefetch has nothing to do but to be in order. */
CUresult vcu_MemPrefetchAsync_v2(CUdeviceptr devPtr, size_t count, CUmemLocation location, unsigned int flags, CUstream hStream)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (flags || !managed(devPtr, count))
		return CUDA_ERROR_INVALID_VALUE;
	return location_ok(location) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

static CUmemLocation location_of(CUdevice dev)
{
	CUmemLocation l = { CU_MEM_LOCATION_TYPE_DEVICE, dev };

	if (dev == CU_DEVICE_CPU)
		l = (CUmemLocation){ CU_MEM_LOCATION_TYPE_HOST, 0 };
	return l;
}

CUresult vcu_MemPrefetchAsync(CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream)
{
	return vcu_MemPrefetchAsync_v2(devPtr, count, location_of(dstDevice), 0, hStream);
}

CUresult vcu_MemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUmemLocation location)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (advice < CU_MEM_ADVISE_SET_READ_MOSTLY || advice > CU_MEM_ADVISE_UNSET_ACCESSED_BY || !managed(devPtr, count))
		return CUDA_ERROR_INVALID_VALUE;
	/* These two have no place in them. */
	if (advice == CU_MEM_ADVISE_SET_READ_MOSTLY || advice == CU_MEM_ADVISE_UNSET_READ_MOSTLY ||
	    advice == CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION)
		return CUDA_SUCCESS;
	return location_ok(location) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult vcu_MemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device)
{
	return vcu_MemAdvise_v2(devPtr, count, advice, location_of(device));
}

/* ---- interfaces of CUDA 2: 32-bit pointers, of which the window has none ---- */

CUresult vcu_MemGetInfo(unsigned int *free_out, unsigned int *total_out)
{
	size_t f, t;
	CUresult r = vcu_MemGetInfo_v2(&f, &t);

	if (r)
		return r;
	if (free_out)
		*free_out = (unsigned)MIN(f, (size_t)UINT32_MAX);
	if (total_out)
		*total_out = (unsigned)MIN(t, (size_t)UINT32_MAX);
	return CUDA_SUCCESS;
}
