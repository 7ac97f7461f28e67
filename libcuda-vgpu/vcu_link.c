/*
 * vcu_link.c: the linker: collects PTX, has the worker compile it once, so that
 * errors come with their log, and hands out a blob that cuModuleLoadData and
 * cuLibraryLoadData know.
 */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_module.h"
#include "util/sys.h"

#define FILE_MAX ((size_t)2 << 30)

struct vcu_link {
	CUlinkState handle;
	struct vcu_ctx *ctx;
	const void *caller;
	struct vcu_jit jit;        /* of cuLinkCreate: the program keeps its arrays until it destroys the link */
	VGPU_VEC(struct vgpu_ptx_image) images;   /* each ptr is ours */
	struct vgpu_buf blob;
};

CUresult vcu_LinkCreate_v2(unsigned int numOptions, CUjit_option *options, void **optionValues, CUlinkState *stateOut)
{
	struct vcu_link *l;
	struct vcu_jit jit;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (!r)
		r = vcu_jit_parse(&jit, numOptions, options, optionValues);
	if (r)
		return r;
	if (!stateOut)
		return CUDA_ERROR_INVALID_VALUE;
	l = calloc(1, sizeof(*l));
	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	l->ctx = vcu_ctx_ref(c);
	l->caller = vcu_caller();
	l->jit = jit;
	l->handle = vcu_handle_new(VCU_H_LINK, l);
	if (!l->handle) {
		vcu_ctx_unref(c);
		free(l);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*stateOut = l->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_LinkCreate(unsigned int numOptions, CUjit_option *options, void **optionValues, CUlinkState *stateOut)
{
	return vcu_LinkCreate_v2(numOptions, options, optionValues, stateOut);
}

static CUresult keep(struct vcu_link *l, const struct vgpu_ptx_image *im)
{
	struct vgpu_ptx_image mine = *im;
	char *copy = calloc(1, im->size + 1);

	if (!copy)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(copy, im->ptr, im->size);
	mine.ptr = copy;
	if (vgpu_vec_push(&l->images, mine))
		return CUDA_SUCCESS;
	free(copy);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult add(struct vcu_link *l, const void *data, size_t size)
{
	struct vgpu_ptx_images images;
	struct vgpu_err err = VGPU_ERR_INIT;
	CUresult r = vcu_result(vgpu_image_select(data, size, vcu_device_cc(l->ctx->dev, l->caller), &images, &err));

	if (r)
		vcu_jit_error(&l->jit, err.text);
	for (size_t i = 0; i < images.list.n && !r; i++)
		r = keep(l, &images.list.v[i]);
	vgpu_ptx_images_fini(&images);
	return r;
}

static CUresult check_type(CUjitInputType type, enum vgpu_image_kind kind)
{
	switch (type) {
	case CU_JIT_INPUT_PTX:
		return kind == VGPU_IMAGE_PTX ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
	case CU_JIT_INPUT_CUBIN:
		return kind == VGPU_IMAGE_LINKED ? CUDA_SUCCESS : CUDA_ERROR_NO_BINARY_FOR_GPU;
	case CU_JIT_INPUT_FATBINARY:
		return kind == VGPU_IMAGE_FATBIN || kind == VGPU_IMAGE_WRAPPER ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
	case CU_JIT_INPUT_OBJECT:
	case CU_JIT_INPUT_LIBRARY:
	case CU_JIT_INPUT_NVVM:
		return CUDA_ERROR_NOT_SUPPORTED;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult vcu_LinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name,
			    unsigned int numOptions, CUjit_option *options, void **optionValues)
{
	struct vcu_link *l = vcu_handle_get(state, VCU_H_LINK);
	struct vcu_jit jit;
	CUresult r;

	if (!l)
		return CUDA_ERROR_INVALID_HANDLE;
	r = vcu_jit_parse(&jit, numOptions, options, optionValues);
	if (r)
		return r;
	if (!data || !size || l->blob.len)
		return CUDA_ERROR_INVALID_VALUE;
	r = check_type(type, vgpu_image_sniff(data, size));
	l->jit.flags |= jit.flags;
	return r ? r : add(l, data, size);
}

CUresult vcu_LinkAddData(CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name,
			 unsigned int numOptions, CUjit_option *options, void **optionValues)
{
	return vcu_LinkAddData_v2(state, type, data, size, name, numOptions, options, optionValues);
}

CUresult vcu_LinkAddFile_v2(CUlinkState state, CUjitInputType type, const char *path, unsigned int numOptions,
			    CUjit_option *options, void **optionValues)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	char *data;
	size_t n;
	CUresult r;

	if (!vcu_handle_get(state, VCU_H_LINK))
		return CUDA_ERROR_INVALID_HANDLE;
	if (!path)
		return CUDA_ERROR_INVALID_VALUE;
	if (vgpu_read_file(path, FILE_MAX, &data, &n, &err))
		return err.status == VGPU_E_NOMEM ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_FILE_NOT_FOUND;
	r = vcu_LinkAddData_v2(state, type, data, n, path, numOptions, options, optionValues);
	free(data);
	return r;
}

CUresult vcu_LinkAddFile(CUlinkState state, CUjitInputType type, const char *path, unsigned int numOptions,
			 CUjit_option *options, void **optionValues)
{
	return vcu_LinkAddFile_v2(state, type, path, numOptions, options, optionValues);
}

CUresult vcu_LinkComplete(CUlinkState state, void **cubinOut, size_t *sizeOut)
{
	struct vcu_link *l = vcu_handle_get(state, VCU_H_LINK);
	struct vgpu_ptx_images images = { .rdc = true };
	struct vcu_module *m;
	CUresult r;

	if (!l)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!cubinOut || !l->images.n)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_check(l->ctx);
	if (r)
		return r;
	if (!l->blob.len) {
		images.list.v = l->images.v;
		images.list.n = l->images.n;
		r = vcu_module_new(l->ctx, &images, &l->jit, &m);
		if (r)
			return r;
		vcu_module_free(m, true);
		vgpu_linked_print(&l->blob, l->images.v, l->images.n);
		if (l->blob.failed) {
			vgpu_buf_reset(&l->blob);
			return CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	*cubinOut = l->blob.data;
	if (sizeOut)
		*sizeOut = l->blob.len;
	return CUDA_SUCCESS;
}

static void link_free(struct vcu_link *l)
{
	for (size_t i = 0; i < l->images.n; i++)
		free((void *)l->images.v[i].ptr);
	vgpu_vec_free(&l->images);
	vgpu_buf_free(&l->blob);
	vcu_ctx_unref(l->ctx);
	free(l);
}

CUresult vcu_LinkDestroy(CUlinkState state)
{
	struct vcu_link *l = vcu_handle_del(state, VCU_H_LINK);

	if (!l)
		return CUDA_ERROR_INVALID_HANDLE;
	link_free(l);
	return CUDA_SUCCESS;
}

void vcu_links_fini(void)
{
	size_t i = 0;
	void *h;

	while ((h = vcu_handle_next(VCU_H_LINK, &i)))
		link_free(vcu_handle_del(h, VCU_H_LINK));
}
