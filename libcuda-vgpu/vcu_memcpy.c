/* vcu_memcpy.c: copies of one run of bytes. */
#include "libcuda-vgpu/vcu_array.h"
#include "libcuda-vgpu/vcu_copy.h"

static CUresult copy_sync(enum vcu_side_kind dk, uint64_t dst, enum vcu_side_kind sk, uint64_t src, size_t n)
{
	struct vcu_stream *s;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (!r)
		r = vcu_stream_default(c, &s);
	return r ? r : vcu_copy_1d(s, false, dk, dst, sk, src, n);
}

static CUresult copy_async(enum vcu_side_kind dk, uint64_t dst, enum vcu_side_kind sk, uint64_t src, size_t n, CUstream h)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(h, &s);

	return r ? r : vcu_copy_1d(s, true, dk, dst, sk, src, n);
}

CUresult vcu_Memcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount)
{
	return copy_sync(VCU_SIDE_ANY, dst, VCU_SIDE_ANY, src, ByteCount);
}

CUresult vcu_MemcpyHtoD_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount)
{
	return copy_sync(VCU_SIDE_DEVICE, dstDevice, VCU_SIDE_ANY, (uint64_t)srcHost, ByteCount);
}

CUresult vcu_MemcpyDtoH_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount)
{
	return copy_sync(VCU_SIDE_ANY, (uint64_t)dstHost, VCU_SIDE_DEVICE, srcDevice, ByteCount);
}

CUresult vcu_MemcpyDtoD_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount)
{
	return copy_sync(VCU_SIDE_DEVICE, dstDevice, VCU_SIDE_DEVICE, srcDevice, ByteCount);
}

CUresult vcu_MemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream)
{
	return copy_async(VCU_SIDE_ANY, dst, VCU_SIDE_ANY, src, ByteCount, hStream);
}

CUresult vcu_MemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount, CUstream hStream)
{
	return copy_async(VCU_SIDE_DEVICE, dstDevice, VCU_SIDE_ANY, (uint64_t)srcHost, ByteCount, hStream);
}

CUresult vcu_MemcpyDtoHAsync_v2(void *dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream)
{
	return copy_async(VCU_SIDE_ANY, (uint64_t)dstHost, VCU_SIDE_DEVICE, srcDevice, ByteCount, hStream);
}

CUresult vcu_MemcpyDtoDAsync_v2(CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream)
{
	return copy_async(VCU_SIDE_DEVICE, dstDevice, VCU_SIDE_DEVICE, srcDevice, ByteCount, hStream);
}

/* ---- arrays of one dimension, by bytes ---- */

/* The address of n bytes at off. */
static CUresult array_bytes(CUarray h, size_t off, size_t n, uint64_t *addr)
{
	const struct vcu_array *a = vcu_array_get(h);

	if (!a)
		return CUDA_ERROR_INVALID_HANDLE;
	if (a->desc.Height || a->desc.Depth || off > (uint64_t)a->at.w * a->texel_B || n > (uint64_t)a->at.w * a->texel_B - off)
		return CUDA_ERROR_INVALID_VALUE;
	*addr = a->at.addr + off;
	return CUDA_SUCCESS;
}

CUresult vcu_MemcpyDtoA_v2(CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice, size_t ByteCount)
{
	uint64_t to;
	CUresult r = array_bytes(dstArray, dstOffset, ByteCount, &to);

	return r ? r : copy_sync(VCU_SIDE_ARRAY, to, VCU_SIDE_DEVICE, srcDevice, ByteCount);
}

CUresult vcu_MemcpyAtoD_v2(CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset, size_t ByteCount)
{
	uint64_t from;
	CUresult r = array_bytes(srcArray, srcOffset, ByteCount, &from);

	return r ? r : copy_sync(VCU_SIDE_DEVICE, dstDevice, VCU_SIDE_ARRAY, from, ByteCount);
}

CUresult vcu_MemcpyHtoA_v2(CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount)
{
	uint64_t to;
	CUresult r = array_bytes(dstArray, dstOffset, ByteCount, &to);

	return r ? r : copy_sync(VCU_SIDE_ARRAY, to, VCU_SIDE_ANY, (uint64_t)srcHost, ByteCount);
}

CUresult vcu_MemcpyAtoH_v2(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount)
{
	uint64_t from;
	CUresult r = array_bytes(srcArray, srcOffset, ByteCount, &from);

	return r ? r : copy_sync(VCU_SIDE_ANY, (uint64_t)dstHost, VCU_SIDE_ARRAY, from, ByteCount);
}

CUresult vcu_MemcpyAtoA_v2(CUarray dstArray, size_t dstOffset, CUarray srcArray, size_t srcOffset, size_t ByteCount)
{
	uint64_t to, from;
	CUresult r = array_bytes(dstArray, dstOffset, ByteCount, &to);

	if (!r)
		r = array_bytes(srcArray, srcOffset, ByteCount, &from);
	return r ? r : copy_sync(VCU_SIDE_ARRAY, to, VCU_SIDE_ARRAY, from, ByteCount);
}

CUresult vcu_MemcpyHtoAAsync_v2(CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount, CUstream hStream)
{
	uint64_t to;
	CUresult r = array_bytes(dstArray, dstOffset, ByteCount, &to);

	return r ? r : copy_async(VCU_SIDE_ARRAY, to, VCU_SIDE_ANY, (uint64_t)srcHost, ByteCount, hStream);
}

CUresult vcu_MemcpyAtoHAsync_v2(void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount, CUstream hStream)
{
	uint64_t from;
	CUresult r = array_bytes(srcArray, srcOffset, ByteCount, &from);

	return r ? r : copy_async(VCU_SIDE_ANY, (uint64_t)dstHost, VCU_SIDE_ARRAY, from, ByteCount, hStream);
}

/* ---- between contexts: one window holds the memory of all ---- */

static CUresult peer_ctx(CUcontext h, struct vcu_ctx **out)
{
	CUresult r = vcu_ctx_lookup(h, out);

	return r ? r : vcu_ctx_check(*out);
}

/* Comes after all earlier work of both contexts, and before later work of either. */
CUresult vcu_MemcpyPeer(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice, CUcontext srcContext, size_t ByteCount)
{
	struct vcu_ctx *dst, *src, *c;
	struct vcu_stream *s;
	CUresult r = vcu_ctx_current(&c);

	if (!r)
		r = peer_ctx(dstContext, &dst);
	if (!r)
		r = peer_ctx(srcContext, &src);
	if (!r && src != c)
		r = vcu_ctx_wait_all(src);
	if (!r && dst != c && dst != src)
		r = vcu_ctx_wait_all(dst);
	if (!r)
		r = vcu_ctx_wait_all(c);
	if (!r)
		r = vcu_stream_default(c, &s);
	if (!r)
		r = vcu_copy_1d(s, false, VCU_SIDE_DEVICE, dstDevice, VCU_SIDE_DEVICE, srcDevice, ByteCount);
	/* The other contexts' streams know nothing of this one's. */
	return r ? r : vcu_stream_wait_idle(s);
}

CUresult vcu_MemcpyPeerAsync(CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice, CUcontext srcContext,
			     size_t ByteCount, CUstream hStream)
{
	struct vcu_ctx *dst, *src;
	CUresult r = peer_ctx(dstContext, &dst);

	if (!r)
		r = peer_ctx(srcContext, &src);
	return r ? r : copy_async(VCU_SIDE_DEVICE, dstDevice, VCU_SIDE_DEVICE, srcDevice, ByteCount, hStream);
}

/* ---- many at once ---- */

static CUresult copy_batch(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count, CUmemcpyAttributes *attrs,
			   size_t *idxs, size_t num_attrs, size_t *fail, CUstream h)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(h, &s);

	if (fail)
		*fail = SIZE_MAX;
	if (r)
		return r;
	/* Not for the legacy stream: CUDA has no order for the copies of a batch there. */
	if (!dsts || !srcs || !sizes || !count || !attrs || !idxs || !num_attrs || num_attrs > count || idxs[0] ||
	    s->kind == VCU_STREAM_LEGACY)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 1; i < num_attrs; i++)
		if (idxs[i] <= idxs[i - 1] || idxs[i] >= count)
			return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < num_attrs; i++)
		if (attrs[i].srcAccessOrder < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ||
		    attrs[i].srcAccessOrder > CU_MEMCPY_SRC_ACCESS_ORDER_ANY)
			return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count && !r; i++) {
		r = sizes[i] ? vcu_copy_1d(s, true, VCU_SIDE_ANY, dsts[i], VCU_SIDE_ANY, srcs[i], sizes[i])
			     : CUDA_ERROR_INVALID_VALUE;
		if (r && fail)
			*fail = i;
	}
	return r;
}

CUresult vcu_MemcpyBatchAsync(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count, CUmemcpyAttributes *attrs,
			      size_t *attrsIdxs, size_t numAttrs, size_t *failIdx, CUstream hStream)
{
	return copy_batch(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, failIdx, hStream);
}

CUresult vcu_MemcpyBatchAsync_v2(CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count, CUmemcpyAttributes *attrs,
				 size_t *attrsIdxs, size_t numAttrs, CUstream hStream)
{
	return copy_batch(dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, NULL, hStream);
}
