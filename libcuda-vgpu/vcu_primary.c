/*
 * vcu_primary.c: primary contexts: one per device, counted by Retain and
 * Release, with a handle that exists (inactive) since cuInit, because
 * runtimes make it current before they retain it.
 *
 * dev->lock guards the count and the change between active and inactive; the
 * program's own destructors run without it.
 */
#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_ctx.h"

static bool active(struct vcu_ctx *c)
{
	return __atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == VCU_CTX_ACTIVE;
}

CUresult vcu_DevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);
	CUresult r = CUDA_SUCCESS;

	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&d->lock);
	if (!active(d->primary)) {
		d->primary->flags = d->primary_flags;
		r = vcu_ctx_activate(d->primary);
	}
	if (!r) {
		d->primary_refs++;
		*pctx = d->primary->handle;
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

CUresult vcu_DevicePrimaryCtxRelease_v2(CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);
	unsigned left;

	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&d->lock);
	left = d->primary_refs;
	if (left)
		d->primary_refs--;
	pthread_mutex_unlock(&d->lock);
	if (!left)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (left > 1)
		return CUDA_SUCCESS;
	vcu_cls_run(d->primary);
	pthread_mutex_lock(&d->lock);
	/* Unless somebody retained it meanwhile. */
	if (!d->primary_refs)
		vcu_ctx_deactivate(d->primary, VCU_CTX_INACTIVE);
	pthread_mutex_unlock(&d->lock);
	return CUDA_SUCCESS;
}

CUresult vcu_DevicePrimaryCtxRelease(CUdevice dev)
{
	return vcu_DevicePrimaryCtxRelease_v2(dev);
}

/* Ends what is in it; who retained it still holds it, and the next Retain makes it active again. */
CUresult vcu_DevicePrimaryCtxReset_v2(CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);

	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	vcu_cls_run(d->primary);
	pthread_mutex_lock(&d->lock);
	vcu_ctx_deactivate(d->primary, VCU_CTX_INACTIVE);
	pthread_mutex_unlock(&d->lock);
	return CUDA_SUCCESS;
}

CUresult vcu_DevicePrimaryCtxReset(CUdevice dev)
{
	return vcu_DevicePrimaryCtxReset_v2(dev);
}

static CUresult set_flags(CUdevice dev, unsigned flags, bool while_active)
{
	struct vcu_device *d = vcu_device_get(dev);
	CUresult r = CUDA_SUCCESS;

	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!vcu_ctx_flags_ok(flags))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&d->lock);
	if (active(d->primary) && !while_active)
		r = CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE;
	if (!r) {
		d->primary_flags = flags;
		__atomic_store_n(&d->primary->flags, flags, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&d->lock);
	return r;
}

CUresult vcu_DevicePrimaryCtxSetFlags(CUdevice dev, unsigned int flags)
{
	return set_flags(dev, flags, false);
}

CUresult vcu_DevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
	return set_flags(dev, flags, true);
}

CUresult vcu_DevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *is_active)
{
	struct vcu_device *d = vcu_device_get(dev);

	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!flags || !is_active)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&d->lock);
	*flags = d->primary_flags;
	*is_active = active(d->primary);
	pthread_mutex_unlock(&d->lock);
	return CUDA_SUCCESS;
}
