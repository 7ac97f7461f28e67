/* vcu_func.c: attributes of functions and kernels, as the worker reports and as programs set them. */
#include <string.h>

#include "libcuda-vgpu/vcu_module.h"

/* Dynamic shared memory that a launch may ask for without having been allowed more. */
#define DEFAULT_SHARED 49152u

void vcu_func_settings_init(struct vcu_func_settings *s)
{
	memset(s, 0, sizeof(*s));
	s->max_dyn_shared = -1;
	s->carveout = CU_SHAREDMEM_CARVEOUT_DEFAULT;
}

static const struct vgpu_device *device_of(const struct vcu_func *f)
{
	return &f->mod->ctx->dev->d;
}

unsigned vcu_func_regs(const struct vcu_func *f)
{
	const struct vgpu_device *d = device_of(f);
	uint64_t threads = f->info.max_threads ? f->info.max_threads : d->threads_per_block;
	uint64_t most = d->regs_per_block / vgpu_align_up(MAX(threads, (uint64_t)1), 32) / 8 * 8;
	uint64_t regs = MAX(f->info.regs, 1u);

	/* A compiler for hardware spills what a block of the largest size has no room for. */
	most = MAX(most, (uint64_t)8);
	most = MIN(most, (uint64_t)255);
	return (unsigned)MIN(regs, most);
}

uint32_t vcu_func_max_dyn(const struct vcu_func *f)
{
	uint64_t most = MIN((uint64_t)DEFAULT_SHARED, device_of(f)->shared_per_block);

	if (f->set->max_dyn_shared >= 0)
		return (uint32_t)f->set->max_dyn_shared;
	return most > f->info.shared_static ? (uint32_t)(most - f->info.shared_static) : 0;
}

CUresult vcu_func_attr(const struct vcu_func *f, CUfunction_attribute a, int *out)
{
	const struct vgp_func_info *in = &f->info;
	const struct vcu_func_settings *s = f->set;

	switch (a) {
	case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
		*out = (int)(in->max_threads ? in->max_threads : device_of(f)->threads_per_block);
		break;
	case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *out = (int)in->shared_static; break;
	case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *out = (int)in->const_bytes; break;
	case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *out = (int)in->local_bytes; break;
	case CU_FUNC_ATTRIBUTE_NUM_REGS: *out = (int)vcu_func_regs(f); break;
	case CU_FUNC_ATTRIBUTE_PTX_VERSION: *out = (int)in->ptx_version; break;
	case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *out = (int)vcu_device_cc(f->mod->ctx->dev, vcu_caller()); break;
	case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *out = 0; break;
	case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *out = (int)vcu_func_max_dyn(f); break;
	case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: *out = s->carveout; break;
	case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET: *out = 0; break;
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH: {
		unsigned i = a - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH;

		*out = in->cluster[i] ? (int)in->cluster[i] : s->cluster[i];
		break;
	}
	case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: *out = s->nonportable_cluster; break;
	case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE: *out = s->cluster_policy; break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult vcu_func_attr_set(struct vcu_func *f, CUfunction_attribute a, int value)
{
	const struct vgp_func_info *in = &f->info;
	struct vcu_func_settings *s = f->set;

	switch (a) {
	case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
		if (value < 0 || (uint64_t)value + in->shared_static > device_of(f)->shared_per_block_optin)
			return CUDA_ERROR_INVALID_VALUE;
		s->max_dyn_shared = value;
		break;
	case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
		if (value < CU_SHAREDMEM_CARVEOUT_DEFAULT || value > CU_SHAREDMEM_CARVEOUT_MAX_SHARED)
			return CUDA_ERROR_INVALID_VALUE;
		s->carveout = value;
		break;
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
		/* Fixed where the code says so; else all three or none. */
		if (in->cluster[0])
			return CUDA_ERROR_NOT_PERMITTED;
		if (value < 0)
			return CUDA_ERROR_INVALID_VALUE;
		s->cluster[a - CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH] = value;
		break;
	case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
		s->nonportable_cluster = value != 0;
		break;
	case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
		if (value < 0 || value > CU_CLUSTER_SCHEDULING_POLICY_LOAD_BALANCING)
			return CUDA_ERROR_INVALID_VALUE;
		s->cluster_policy = value;
		break;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

/* ---- functions; the handle may be a kernel's ---- */

static CUresult get(const void *h, struct vcu_func **out)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	return r ? r : vcu_func_get(h, c, out);
}

CUresult vcu_FuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (r)
		return r;
	return pi ? vcu_func_attr(f, attrib, pi) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_FuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	return r ? r : vcu_func_attr_set(f, attrib, value);
}

static bool cache_ok(CUfunc_cache c)
{
	return (int)c >= CU_FUNC_CACHE_PREFER_NONE && c <= CU_FUNC_CACHE_PREFER_EQUAL;
}

CUresult vcu_FuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (r)
		return r;
	if (!cache_ok(config))
		return CUDA_ERROR_INVALID_VALUE;
	f->set->cache = config;
	return CUDA_SUCCESS;
}

/* Banks are a matter of hardware. */
CUresult vcu_FuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (r)
		return r;
	return (int)config >= CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE && config <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE
		       ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_FuncGetModule(CUmodule *hmod, CUfunction hfunc)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (r)
		return r;
	if (!hmod)
		return CUDA_ERROR_INVALID_VALUE;
	*hmod = f->mod->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_FuncGetName(const char **name, CUfunction hfunc)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (r)
		return r;
	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	*name = f->name;
	return CUDA_SUCCESS;
}

static CUresult param_info(const struct vcu_func *f, size_t i, size_t *offset, size_t *size)
{
	if (!offset || i >= f->info.n_params)
		return CUDA_ERROR_INVALID_VALUE;
	*offset = f->params[i].offset;
	if (size)
		*size = f->params[i].size;
	return CUDA_SUCCESS;
}

CUresult vcu_FuncGetParamInfo(CUfunction func, size_t paramIndex, size_t *paramOffset, size_t *paramSize)
{
	struct vcu_func *f;
	CUresult r = get(func, &f);

	return r ? r : param_info(f, paramIndex, paramOffset, paramSize);
}

CUresult vcu_FuncIsLoaded(CUfunctionLoadingState *state, CUfunction function)
{
	struct vcu_func *f;
	CUresult r = get(function, &f);

	if (r)
		return r;
	if (!state)
		return CUDA_ERROR_INVALID_VALUE;
	*state = CU_FUNCTION_LOADING_STATE_LOADED;
	return CUDA_SUCCESS;
}

CUresult vcu_FuncLoad(CUfunction function)
{
	struct vcu_func *f;

	return get(function, &f);
}

/* ---- kernels ---- */

static CUresult on_device(CUkernel h, CUdevice dev, struct vcu_func **out)
{
	struct vcu_kernel *k = vcu_handle_get(h, VCU_H_KERNEL);
	struct vcu_ctx *c;
	CUresult r;

	if (!k)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!vcu_device_get(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	r = vcu_library_ctx(k->lib, dev, &c);
	return r ? r : vcu_kernel_func(k, c, out);
}

CUresult vcu_KernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev)
{
	struct vcu_func *f;
	CUresult r = on_device(kernel, dev, &f);

	if (r)
		return r;
	return pi ? vcu_func_attr(f, attrib, pi) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_KernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev)
{
	struct vcu_func *f;
	CUresult r = on_device(kernel, dev, &f);

	return r ? r : vcu_func_attr_set(f, attrib, val);
}

CUresult vcu_KernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev)
{
	struct vcu_func *f;
	CUresult r = on_device(kernel, dev, &f);

	if (r)
		return r;
	if (!cache_ok(config))
		return CUDA_ERROR_INVALID_VALUE;
	f->set->cache = config;
	return CUDA_SUCCESS;
}

CUresult vcu_KernelGetName(const char **name, CUkernel hfunc)
{
	struct vcu_kernel *k = vcu_handle_get(hfunc, VCU_H_KERNEL);

	if (!k)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	*name = k->name;
	return CUDA_SUCCESS;
}

CUresult vcu_KernelGetParamInfo(CUkernel kernel, size_t paramIndex, size_t *paramOffset, size_t *paramSize)
{
	struct vcu_kernel *k = vcu_handle_get(kernel, VCU_H_KERNEL);
	struct vcu_func *f;
	struct vcu_ctx *c;
	CUresult r;

	if (!k)
		return CUDA_ERROR_INVALID_HANDLE;
	if (vcu_ctx_current(&c)) {
		r = vcu_library_ctx(k->lib, 0, &c);
		if (r)
			return r;
	}
	r = vcu_kernel_func(k, c, &f);
	return r ? r : param_info(f, paramIndex, paramOffset, paramSize);
}
