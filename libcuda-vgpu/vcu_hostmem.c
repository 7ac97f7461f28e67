/* vcu_hostmem.c: pinned host memory: window pages that the program sees at the device's own address. */
#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_stream.h"

#define HOST_FLAGS (CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED)

CUresult vcu_MemHostAlloc(void **pp, size_t bytesize, unsigned int Flags)
{
	struct vcu_ctx *c;
	uint64_t addr;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!pp || !bytesize || Flags & ~(unsigned)HOST_FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	/* With unified addressing all pinned memory is mapped and portable. */
	r = vcu_mem_alloc(c, VGP_MEM_HOST, bytesize, Flags | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE, &addr);
	if (!r)
		*pp = (void *)addr;
	return r;
}

CUresult vcu_MemAllocHost_v2(void **pp, size_t bytesize)
{
	return vcu_MemHostAlloc(pp, bytesize, 0);
}

CUresult vcu_MemAllocHost(void **pp, unsigned int bytesize)
{
	return vcu_MemHostAlloc(pp, bytesize, 0);
}

static bool find_host(const void *p, struct vcu_range *range)
{
	return p && vcu_mem_find((uint64_t)p, 1, range) && range->kind == VGP_MEM_HOST;
}

CUresult vcu_MemFreeHost(void *p)
{
	struct vcu_range range;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r || !p)
		return r;
	if (!find_host(p, &range) || range.addr != (uint64_t)p || range.registered)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_wait_all(range.ctx);
	if (r)
		return r;
	if (!vcu_mem_take((uint64_t)p, &range))
		return CUDA_ERROR_INVALID_VALUE;
	vcu_range_release(&range);
	return CUDA_SUCCESS;
}

CUresult vcu_MemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags)
{
	struct vcu_range range;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!pdptr || Flags || !find_host(p, &range))
		return CUDA_ERROR_INVALID_VALUE;
	*pdptr = range.dev + ((uint64_t)p - range.addr);
	return CUDA_SUCCESS;
}

CUresult vcu_MemHostGetFlags(unsigned int *pFlags, void *p)
{
	struct vcu_range range;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!pFlags || !find_host(p, &range))
		return CUDA_ERROR_INVALID_VALUE;
	*pFlags = range.flags;
	return CUDA_SUCCESS;
}
