/* vcu_streamop.c: what streams answer about themselves, memory operations on them, attributes. */
#include <string.h>

#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_stream.h"

/* ---- properties ---- */

CUresult vcu_StreamGetPriority(CUstream hStream, int *priority)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!priority)
		return CUDA_ERROR_INVALID_VALUE;
	*priority = s->priority;
	return CUDA_SUCCESS;
}

CUresult vcu_StreamGetFlags(CUstream hStream, unsigned int *flags)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!flags)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = s->flags;
	return CUDA_SUCCESS;
}

CUresult vcu_StreamGetId(CUstream hStream, unsigned long long *streamId)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!streamId)
		return CUDA_ERROR_INVALID_VALUE;
	*streamId = s->id;
	return CUDA_SUCCESS;
}

CUresult vcu_StreamGetCtx(CUstream hStream, CUcontext *pctx)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	*pctx = s->ctx->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_StreamGetCtx_v2(CUstream hStream, CUcontext *pCtx, CUgreenCtx *pGreenCtx)
{
	CUresult r = vcu_StreamGetCtx(hStream, pCtx);

	if (!r && pGreenCtx)
		*pGreenCtx = NULL;
	return r;
}

CUresult vcu_StreamGetGreenCtx(CUstream hStream, CUgreenCtx *phCtx)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!phCtx)
		return CUDA_ERROR_INVALID_VALUE;
	*phCtx = NULL;
	return CUDA_SUCCESS;
}

CUresult vcu_StreamGetDevice(CUstream hStream, CUdevice *device)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	*device = s->ctx->dev->ordinal;
	return CUDA_SUCCESS;
}

/* ---- attributes ---- */

CUresult vcu_StreamGetAttribute(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue *value)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	switch (attr) {
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW: value->accessPolicyWindow = s->window; break;
	case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY: value->syncPolicy = s->sync_policy; break;
	case CU_LAUNCH_ATTRIBUTE_PRIORITY: value->priority = s->priority; break;
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN: value->memSyncDomain = s->domain; break;
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP: value->memSyncDomainMap = s->domain_map; break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

/* All of them are hints to hardware that is not there: kept, and given back when asked. */
CUresult vcu_StreamSetAttribute(CUstream hStream, CUstreamAttrID attr, const CUstreamAttrValue *param)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (!param)
		return CUDA_ERROR_INVALID_VALUE;
	switch (attr) {
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
		s->window = param->accessPolicyWindow;
		break;
	case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
		if (param->syncPolicy < CU_SYNC_POLICY_AUTO || param->syncPolicy > CU_SYNC_POLICY_BLOCKING_SYNC)
			return CUDA_ERROR_INVALID_VALUE;
		s->sync_policy = param->syncPolicy;
		break;
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
		if (param->memSyncDomain > CU_LAUNCH_MEM_SYNC_DOMAIN_REMOTE)
			return CUDA_ERROR_INVALID_VALUE;
		s->domain = param->memSyncDomain;
		break;
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
		s->domain_map = param->memSyncDomainMap;
		break;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult vcu_StreamCopyAttributes(CUstream dstStream, CUstream srcStream)
{
	struct vcu_stream *d, *s;
	CUresult r = vcu_stream_get(dstStream, &d);

	if (!r)
		r = vcu_stream_get(srcStream, &s);
	if (r)
		return r;
	d->window = s->window;
	d->sync_policy = s->sync_policy;
	d->domain = s->domain;
	d->domain_map = s->domain_map;
	return CUDA_SUCCESS;
}

/* ---- values in memory ---- */

static CUresult check_value(CUdeviceptr addr, unsigned width)
{
	struct vcu_range range;

	if (addr % width || !vcu_mem_find(addr, width, &range))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

static CUresult value_write(struct vcu_stream *s, CUdeviceptr addr, uint64_t value, unsigned flags, unsigned width)
{
	struct vgp_cmd cmd = { .op = VGP_OP_VALUE_WRITE };
	CUresult r = check_value(addr, width);

	if (r || flags & ~(unsigned)CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER)
		return CUDA_ERROR_INVALID_VALUE;
	cmd.a.VALUE_WRITE.addr = addr;
	cmd.a.VALUE_WRITE.value = value;
	cmd.a.VALUE_WRITE.width_B = width;
	return vcu_submit(s, &cmd, NULL, 0, NULL);
}

static CUresult value_wait(struct vcu_stream *s, CUdeviceptr addr, uint64_t value, unsigned flags, unsigned width)
{
	struct vgp_cmd cmd = { .op = VGP_OP_VALUE_WAIT };
	unsigned op = flags & ~(unsigned)CU_STREAM_WAIT_VALUE_FLUSH;
	CUresult r = check_value(addr, width);

	if (r || op > CU_STREAM_WAIT_VALUE_NOR)
		return CUDA_ERROR_INVALID_VALUE;
	/* Remote writes need no flush here, but CUDA has the flag only where the device says so. */
	if (flags & CU_STREAM_WAIT_VALUE_FLUSH)
		return CUDA_ERROR_NOT_SUPPORTED;
	cmd.a.VALUE_WAIT.addr = addr;
	cmd.a.VALUE_WAIT.value = value;
	cmd.a.VALUE_WAIT.width_B = width;
	cmd.a.VALUE_WAIT.op = op;
	return vcu_submit(s, &cmd, NULL, 0, NULL);
}

CUresult vcu_StreamWaitValue32_v2(CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(stream, &s);

	return r ? r : value_wait(s, addr, value, flags, 4);
}

CUresult vcu_StreamWaitValue64_v2(CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(stream, &s);

	return r ? r : value_wait(s, addr, value, flags, 8);
}

CUresult vcu_StreamWriteValue32_v2(CUstream stream, CUdeviceptr addr, cuuint32_t value, unsigned int flags)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(stream, &s);

	return r ? r : value_write(s, addr, value, flags, 4);
}

CUresult vcu_StreamWriteValue64_v2(CUstream stream, CUdeviceptr addr, cuuint64_t value, unsigned int flags)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(stream, &s);

	return r ? r : value_write(s, addr, value, flags, 8);
}

static CUresult mem_op(struct vcu_stream *s, const CUstreamBatchMemOpParams *p)
{
	switch (p->operation) {
	case CU_STREAM_MEM_OP_WAIT_VALUE_32:
		return value_wait(s, p->waitValue.address, p->waitValue.value, p->waitValue.flags, 4);
	case CU_STREAM_MEM_OP_WAIT_VALUE_64:
		return value_wait(s, p->waitValue.address, p->waitValue.value64, p->waitValue.flags, 8);
	case CU_STREAM_MEM_OP_WRITE_VALUE_32:
		return value_write(s, p->writeValue.address, p->writeValue.value, p->writeValue.flags, 4);
	case CU_STREAM_MEM_OP_WRITE_VALUE_64:
		return value_write(s, p->writeValue.address, p->writeValue.value64, p->writeValue.flags, 8);
	case CU_STREAM_MEM_OP_BARRIER:
		/* Commands of a queue see what earlier ones wrote. */
		return p->memoryBarrier.flags <= CU_STREAM_MEMORY_BARRIER_TYPE_GPU ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
	default:
		return CUDA_ERROR_NOT_SUPPORTED;
	}
}

CUresult vcu_StreamBatchMemOp_v2(CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(stream, &s);

	if (r)
		return r;
	if (!paramArray || !count || count > 256 || flags)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; i < count && !r; i++)
		r = mem_op(s, &paramArray[i]);
	return r;
}

/* Managed memory is visible to all at all times; a narrower attachment is allowed to be wider. */
CUresult vcu_StreamAttachMemAsync(CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags)
{
	struct vcu_stream *s;
	struct vcu_range range;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST && flags != CU_MEM_ATTACH_SINGLE)
		return CUDA_ERROR_INVALID_VALUE;
	if (flags == CU_MEM_ATTACH_SINGLE && s->kind != VCU_STREAM_CREATED)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcu_mem_find(dptr, 1, &range) || range.kind != VGP_MEM_MANAGED ||
	    (length && (dptr != range.addr || length != range.size)))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}
