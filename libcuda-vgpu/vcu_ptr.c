/* vcu_ptr.c: attributes of pointers and of managed ranges. */
#include <string.h>

#include "libcuda-vgpu/vcu_mem.h"

/* Device whose memory it is, or which has it mapped. */
static int ordinal_of(const struct vcu_range *r)
{
	return r->ctx->dev->ordinal;
}

/* known: r holds the allocation; else the pointer is one that CUDA knows nothing of. */
static CUresult get_one(void *data, CUpointer_attribute a, CUdeviceptr ptr, const struct vcu_range *r, bool known)
{
	bool host = known && (r->kind == VGP_MEM_HOST || r->kind == VGP_MEM_MANAGED);

	switch (a) {
	case CU_POINTER_ATTRIBUTE_CONTEXT:
		*(CUcontext *)data = known ? r->ctx->handle : NULL;
		break;
	case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
		*(CUmemorytype *)data = known ? r->kind == VGP_MEM_HOST ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE : 0;
		break;
	case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
		*(CUdeviceptr *)data = known ? r->dev + (ptr - r->addr) : 0;
		break;
	case CU_POINTER_ATTRIBUTE_HOST_POINTER:
		*(void **)data = !host ? NULL : r->host ? (void *)(r->host + (ptr - r->addr)) : (void *)ptr;
		if (!host && known)
			return CUDA_ERROR_INVALID_VALUE;
		break;
	case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
		*(int *)data = known && r->sync_memops;
		break;
	case CU_POINTER_ATTRIBUTE_BUFFER_ID:
		*(unsigned long long *)data = known ? r->id : 0;
		break;
	case CU_POINTER_ATTRIBUTE_IS_MANAGED:
		*(int *)data = known && r->kind == VGP_MEM_MANAGED;
		break;
	case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
		*(int *)data = known ? ordinal_of(r) : CU_DEVICE_INVALID;
		break;
	case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
	case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
		*(int *)data = 0;
		break;
	case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
	case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
		*(CUdeviceptr *)data = known ? r->addr : 0;
		break;
	case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
	case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
		*(size_t *)data = known ? r->size : 0;
		break;
	case CU_POINTER_ATTRIBUTE_MAPPED:
		*(int *)data = known;
		break;
	case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
		*(unsigned long long *)data = 0;
		break;
	case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
		*(int *)data = known ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE : CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE;
		break;
	case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
		*(CUmemoryPool *)data = known && r->pool ? *(CUmemoryPool *)r->pool : NULL;
		break;
	case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
		*(unsigned long long *)data = known ? r->id : 0;
		break;
	case CU_POINTER_ATTRIBUTE_P2P_TOKENS:
		return CUDA_ERROR_NOT_SUPPORTED;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult vcu_PointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr)
{
	struct vcu_range range = { 0 };
	bool known;

	if (!data || attribute < CU_POINTER_ATTRIBUTE_CONTEXT)
		return CUDA_ERROR_INVALID_VALUE;
	known = vcu_mem_find(ptr, 1, &range);
	/* Alone, the question is answered for pointers of CUDA's only. */
	if (!known)
		return CUDA_ERROR_INVALID_VALUE;
	return get_one(data, attribute, ptr, &range, known);
}

/* Unlike the one above: what can't be told is zero, also for pointers that CUDA doesn't know. */
CUresult vcu_PointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes, void **data, CUdeviceptr ptr)
{
	struct vcu_range range = { 0 };
	bool known;

	if (!numAttributes || !attributes || !data)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; i < numAttributes; i++)
		if (!data[i])
			return CUDA_ERROR_INVALID_VALUE;
	known = vcu_mem_find(ptr, 1, &range);
	for (unsigned i = 0; i < numAttributes; i++) {
		CUresult r = get_one(data[i], attributes[i], ptr, &range, known);

		if (r && attributes[i] != CU_POINTER_ATTRIBUTE_HOST_POINTER)
			return r;
	}
	return CUDA_SUCCESS;
}

CUresult vcu_PointerSetAttribute(const void *value, CUpointer_attribute attribute, CUdeviceptr ptr)
{
	if (!value || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS)
		return CUDA_ERROR_INVALID_VALUE;
	/* a variable that nobody asked for by name enters the table here */
	if (!vcu_mem_find(ptr, 1, NULL))
		return CUDA_ERROR_INVALID_VALUE;
	return vcu_mem_set_sync_memops(ptr, *(const int *)value != 0) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- ranges of managed memory ---- */

/* Advice is not kept, so each answers what no advice gives. */
static CUresult range_one(void *data, size_t size, CUmem_range_attribute a)
{
	int *v = data;

	if (!data || !size || size % 4)
		return CUDA_ERROR_INVALID_VALUE;
	switch (a) {
	case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
		if (size != 4)
			return CUDA_ERROR_INVALID_VALUE;
		v[0] = 0;
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
	case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
		if (size != 4)
			return CUDA_ERROR_INVALID_VALUE;
		v[0] = CU_DEVICE_INVALID;
		return CUDA_SUCCESS;
	case CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY:
		for (size_t i = 0; i < size / 4; i++)
			v[i] = CU_DEVICE_INVALID;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult vcu_MemRangeGetAttribute(void *data, size_t dataSize, CUmem_range_attribute attribute, CUdeviceptr devPtr, size_t count)
{
	struct vcu_range range;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!count || !vcu_mem_find(devPtr, count, &range) || range.kind != VGP_MEM_MANAGED)
		return CUDA_ERROR_INVALID_VALUE;
	return range_one(data, dataSize, attribute);
}

CUresult vcu_MemRangeGetAttributes(void **data, size_t *dataSizes, CUmem_range_attribute *attributes, size_t numAttributes,
				   CUdeviceptr devPtr, size_t count)
{
	CUresult r = CUDA_SUCCESS;

	if (!data || !dataSizes || !attributes || !numAttributes)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < numAttributes && !r; i++)
		r = vcu_MemRangeGetAttribute(data[i], dataSizes[i], attributes[i], devPtr, count);
	return r;
}
