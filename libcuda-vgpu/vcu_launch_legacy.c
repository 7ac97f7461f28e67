/* vcu_launch_legacy.c: launches as CUDA 3 had them: block shape and parameters are set on the function first. */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_launch.h"

#define LEGACY_PARAMS 4096u

struct vcu_legacy_launch {
	uint32_t block[3];
	uint32_t shared;
	uint32_t size;
	uint8_t params[LEGACY_PARAMS];
};

void vcu_legacy_launch_free(struct vcu_legacy_launch *l)
{
	free(l);
}

static CUresult get(CUfunction h, struct vcu_func **f)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (!r)
		r = vcu_func_get(h, c, f);
	if (!r && !(*f)->legacy)
		(*f)->legacy = calloc(1, sizeof(*(*f)->legacy));
	return r ? r : (*f)->legacy ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vcu_FuncSetBlockShape(CUfunction hfunc, int x, int y, int z)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (r)
		return r;
	if (x < 1 || y < 1 || z < 1)
		return CUDA_ERROR_INVALID_VALUE;
	f->legacy->block[0] = (uint32_t)x;
	f->legacy->block[1] = (uint32_t)y;
	f->legacy->block[2] = (uint32_t)z;
	return CUDA_SUCCESS;
}

CUresult vcu_FuncSetSharedSize(CUfunction hfunc, unsigned int bytes)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (!r)
		f->legacy->shared = bytes;
	return r;
}

CUresult vcu_ParamSetSize(CUfunction hfunc, unsigned int numbytes)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (r)
		return r;
	if (numbytes > LEGACY_PARAMS)
		return CUDA_ERROR_INVALID_VALUE;
	f->legacy->size = numbytes;
	return CUDA_SUCCESS;
}

CUresult vcu_ParamSetv(CUfunction hfunc, int offset, void *ptr, unsigned int numbytes)
{
	struct vcu_func *f;
	CUresult r = get(hfunc, &f);

	if (r)
		return r;
	if (offset < 0 || (unsigned)offset > LEGACY_PARAMS || numbytes > LEGACY_PARAMS - (unsigned)offset || (numbytes && !ptr))
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(f->legacy->params + offset, ptr, numbytes);
	return CUDA_SUCCESS;
}

CUresult vcu_ParamSeti(CUfunction hfunc, int offset, unsigned int value)
{
	return vcu_ParamSetv(hfunc, offset, &value, sizeof(value));
}

CUresult vcu_ParamSetf(CUfunction hfunc, int offset, float value)
{
	return vcu_ParamSetv(hfunc, offset, &value, sizeof(value));
}

CUresult vcu_LaunchGridAsync(CUfunction f, int grid_width, int grid_height, CUstream hStream)
{
	struct vcu_launch l = { .grid = { (uint32_t)grid_width, (uint32_t)grid_height, 1 } };
	struct vcu_func *fn;
	CUresult r = get(f, &fn);

	if (r)
		return r;
	if (grid_width < 1 || grid_height < 1 || fn->legacy->size < fn->info.param_bytes)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(l.block, fn->legacy->block, sizeof(l.block));
	l.shared = fn->legacy->shared;
	l.packed = fn->legacy->params;
	l.packed_len = fn->legacy->size;
	return vcu_launch(f, &l, hStream);
}

CUresult vcu_LaunchGrid(CUfunction f, int grid_width, int grid_height)
{
	return vcu_LaunchGridAsync(f, grid_width, grid_height, NULL);
}

CUresult vcu_Launch(CUfunction f)
{
	return vcu_LaunchGridAsync(f, 1, 1, NULL);
}
