/* vcu_ctx_api.c: entry points about contexts: creating, destroying, the stack of current ones, queries. */
#include <stdlib.h>

#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_ctx.h"

bool vcu_ctx_flags_ok(unsigned flags)
{
	unsigned sched = flags & CU_CTX_SCHED_MASK;

	/* Ways of waiting: at most one. */
	return !(flags & ~(unsigned)CU_CTX_FLAGS_MASK) && !(sched & (sched - 1));
}

/* ---- creating and destroying ---- */

static CUresult ctx_create(CUcontext *pctx, unsigned flags, CUdevice dev, unsigned api_version)
{
	struct vcu_device *d = vcu_device_get(dev);
	struct vcu_ctx *c;
	CUresult r;

	if (!pctx || !vcu_ctx_flags_ok(flags))
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	c = vcu_ctx_new(d, false, flags);
	if (!c)
		return CUDA_ERROR_OUT_OF_MEMORY;
	c->api_version = api_version;
	r = vcu_ctx_activate(c);
	if (!r && !vcu_ctx_push(c)) {
		vcu_ctx_deactivate(c, VCU_CTX_DESTROYED);
		r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r) {
		vcu_ctx_retire(c);
		return r;
	}
	*pctx = c->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_CtxCreate(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
	return ctx_create(pctx, flags, dev, 3010);
}

CUresult vcu_CtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
	return ctx_create(pctx, flags, dev, 3020);
}

CUresult vcu_CtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *params, int n, unsigned int flags, CUdevice dev)
{
	if (n < 0 || (n > 0 && !params))
		return CUDA_ERROR_INVALID_VALUE;
	if (n > 0)
		return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
	return ctx_create(pctx, flags, dev, 3020);
}

CUresult vcu_CtxCreate_v4(CUcontext *pctx, CUctxCreateParams *params, unsigned int flags, CUdevice dev)
{
	if (params && params->execAffinityParams && params->cigParams)
		return CUDA_ERROR_INVALID_VALUE;
	if (params && params->cigParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (params)
		return vcu_CtxCreate_v3(pctx, params->execAffinityParams, params->numExecAffinityParams, flags, dev);
	return ctx_create(pctx, flags, dev, 3020);
}

/* Whoever brings attached to 0 ends the context. */
static void ctx_end(struct vcu_ctx *c)
{
	bool top = vcu_ctx_top() == c;

	vcu_cls_run(c);
	vcu_ctx_deactivate(c, VCU_CTX_DESTROYED);
	if (top && vcu_ctx_top() == c)
		vcu_ctx_pop();
	vcu_ctx_retire(c);
}

CUresult vcu_CtxDestroy_v2(CUcontext ctx)
{
	struct vcu_ctx *c = vcu_handle_get(ctx, VCU_H_CTX);

	if (!c || c->primary || !__atomic_exchange_n(&c->attached, 0, __ATOMIC_ACQ_REL))
		return CUDA_ERROR_INVALID_CONTEXT;
	ctx_end(c);
	return CUDA_SUCCESS;
}

CUresult vcu_CtxDestroy(CUcontext ctx)
{
	return vcu_CtxDestroy_v2(ctx);
}

CUresult vcu_CtxAttach(CUcontext *pctx, unsigned int flags)
{
	struct vcu_ctx *c;
	CUresult r;

	if (!pctx || flags)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current_any(&c);
	if (r)
		return r;
	if (c->primary)
		return CUDA_ERROR_INVALID_CONTEXT;
	__atomic_add_fetch(&c->attached, 1, __ATOMIC_ACQ_REL);
	*pctx = c->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_CtxDetach(CUcontext ctx)
{
	struct vcu_ctx *c = vcu_handle_get(ctx, VCU_H_CTX);
	unsigned n;

	if (!c || c->primary || c != vcu_ctx_top())
		return CUDA_ERROR_INVALID_CONTEXT;
	n = __atomic_load_n(&c->attached, __ATOMIC_ACQUIRE);
	do {
		if (!n)
			return CUDA_ERROR_INVALID_CONTEXT;
	} while (!__atomic_compare_exchange_n(&c->attached, &n, n - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
	if (n == 1)
		ctx_end(c);
	return CUDA_SUCCESS;
}

/* ---- the stack ---- */

CUresult vcu_CtxPushCurrent_v2(CUcontext ctx)
{
	struct vcu_ctx *c = vcu_handle_get(ctx, VCU_H_CTX);

	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	return vcu_ctx_push(c) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vcu_CtxPushCurrent(CUcontext ctx)
{
	return vcu_CtxPushCurrent_v2(ctx);
}

CUresult vcu_CtxPopCurrent_v2(CUcontext *pctx)
{
	struct vcu_ctx *c = vcu_ctx_take_top();

	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (pctx)
		*pctx = c->handle;
	vcu_ctx_unref(c);
	return CUDA_SUCCESS;
}

CUresult vcu_CtxPopCurrent(CUcontext *pctx)
{
	return vcu_CtxPopCurrent_v2(pctx);
}

/* A primary context may become current before it is active. */
CUresult vcu_CtxSetCurrent(CUcontext ctx)
{
	struct vcu_ctx *c = ctx ? vcu_handle_get(ctx, VCU_H_CTX) : NULL;

	if (ctx && !c)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (c && c == vcu_ctx_top())
		return CUDA_SUCCESS;
	if (c)
		vcu_ctx_ref(c);
	vcu_ctx_pop();
	if (c && !vcu_ctx_push(c)) {
		vcu_ctx_unref(c);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (c)
		vcu_ctx_unref(c);
	return CUDA_SUCCESS;
}

CUresult vcu_CtxGetCurrent(CUcontext *pctx)
{
	struct vcu_ctx *c = vcu_ctx_top();

	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	*pctx = c ? c->handle : NULL;
	return CUDA_SUCCESS;
}

/* ---- queries ---- */

CUresult vcu_CtxGetDevice_v2(CUdevice *device, CUcontext ctx)
{
	struct vcu_ctx *c;
	CUresult r;

	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_lookup(ctx, &c);
	if (!r)
		*device = c->dev->ordinal;
	return r;
}

CUresult vcu_CtxGetDevice(CUdevice *device)
{
	return vcu_CtxGetDevice_v2(device, NULL);
}

CUresult vcu_CtxGetFlags(unsigned int *flags)
{
	struct vcu_ctx *c = vcu_ctx_top();

	if (!flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	*flags = __atomic_load_n(&c->flags, __ATOMIC_RELAXED);
	return CUDA_SUCCESS;
}

CUresult vcu_CtxSetFlags(unsigned int flags)
{
	struct vcu_ctx *c;
	CUresult r;

	if (!vcu_ctx_flags_ok(flags))
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current_any(&c);
	if (!r)
		__atomic_store_n(&c->flags, flags, __ATOMIC_RELAXED);
	return r;
}

CUresult vcu_CtxGetId(CUcontext ctx, unsigned long long *id)
{
	struct vcu_ctx *c;
	CUresult r;

	if (!id)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_lookup(ctx, &c);
	if (!r)
		*id = c->id;
	return r;
}

CUresult vcu_CtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
	struct vcu_ctx *c;
	CUresult r;

	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_lookup(ctx, &c);
	if (!r)
		*version = c->api_version;
	return r;
}

CUresult vcu_CtxSynchronize_v2(CUcontext ctx)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_lookup(ctx, &c);

	if (r)
		return r;
	r = vcu_ctx_check(c);
	if (r)
		return r;
	if (!vcu_stream_ctx_synchronize)
		return CUDA_ERROR_NOT_SUPPORTED;
	return vcu_stream_ctx_synchronize(c);
}

CUresult vcu_CtxSynchronize(void)
{
	return vcu_CtxSynchronize_v2(NULL);
}

CUresult vcu_CtxGetStreamPriorityRange(int *least, int *greatest)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current_any(&c);

	if (r)
		return r;
	if (least)
		*least = VCU_PRIORITY_LEAST;
	if (greatest)
		*greatest = VCU_PRIORITY_GREATEST;
	return CUDA_SUCCESS;
}

CUresult vcu_CtxGetExecAffinity(CUexecAffinityParam *param, CUexecAffinityType type)
{
	struct vcu_ctx *c;
	CUresult r;

	if (!param || type < 0 || type >= CU_EXEC_AFFINITY_TYPE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current_any(&c);
	return r ? r : CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}
