/*
 * vcu_launch.c: launches: what CUDA checks before a kernel runs, and the
 * command. Parameters are packed where the worker's list of them says.
 */
#include "libcuda-vgpu/vcu_launch.h"

#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_capture.h"
#include "libcuda-vgpu/vcu_event.h"

#define MAX_BLOCK_X 1024
#define MAX_BLOCK_Y 1024
#define MAX_BLOCK_Z 64
#define MAX_GRID_X 0x7fffffffu
#define MAX_GRID_YZ 65535u
#define PORTABLE_CLUSTER 8
#define LARGEST_CLUSTER 16
#define PARAM_MAX 32764u
/* cudaErrorInvalidConfiguration of the runtime API. */
#define RUNTIME_INVALID_CONFIGURATION 9

/* ---- checks ---- */

static bool dims_ok(const struct vcu_launch *l)
{
	uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];

	for (int i = 0; i < 3; i++)
		if (!l->grid[i] || !l->block[i])
			return false;
	return l->grid[0] <= MAX_GRID_X && l->grid[1] <= MAX_GRID_YZ && l->grid[2] <= MAX_GRID_YZ && l->block[0] <= MAX_BLOCK_X &&
	       l->block[1] <= MAX_BLOCK_Y && l->block[2] <= MAX_BLOCK_Z && threads <= l->f->mod->ctx->dev->d.threads_per_block;
}

/*
 * The driver's error for impossible dimensions is INVALID_VALUE, the runtime's
 * is another one, which it does not make itself: it hands our number on. So
 * its kernels get that.
 */
static CUresult check_dims(const struct vcu_launch *l)
{
	if (dims_ok(l))
		return CUDA_SUCCESS;
	return l->f->kernel && vcu_kernel_of_runtime(l->f->kernel) ? (CUresult)RUNTIME_INVALID_CONFIGURATION : CUDA_ERROR_INVALID_VALUE;
}

/* The code's own bounds: .maxntid and .reqntid. */
static CUresult check_code(const struct vcu_launch *l)
{
	const struct vgp_func_info *in = &l->f->info;
	uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];

	if (!in->req_ntid[0] && in->max_threads && threads > in->max_threads)
		return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
	for (int i = 0; i < 3; i++)
		if (in->req_ntid[0] && l->block[i] != MAX(in->req_ntid[i], 1u))
			return CUDA_ERROR_INVALID_VALUE;
	return l->shared > vcu_func_max_dyn(l->f) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* Cluster of the launch: the code's, the attribute's, or the one set on the function. */
static CUresult check_cluster(struct vcu_launch *l)
{
	const struct vcu_func_settings *set = l->f->set;
	const struct vgp_func_info *in = &l->f->info;
	uint64_t blocks;

	for (int i = 0; i < 3; i++) {
		uint32_t fixed = in->cluster[i] ? in->cluster[i] : (uint32_t)set->cluster[i];

		if (fixed && l->cluster[i] && l->cluster[i] != fixed)
			return CUDA_ERROR_INVALID_CLUSTER_SIZE;
		if (!l->cluster[i])
			l->cluster[i] = fixed;
	}
	if (!l->cluster[0] && !l->cluster[1] && !l->cluster[2])
		return CUDA_SUCCESS;
	for (int i = 0; i < 3; i++) {
		l->cluster[i] = MAX(l->cluster[i], 1u);
		if (l->grid[i] % l->cluster[i])
			return CUDA_ERROR_INVALID_CLUSTER_SIZE;
	}
	blocks = (uint64_t)l->cluster[0] * l->cluster[1] * l->cluster[2];
	if (blocks > (set->nonportable_cluster ? LARGEST_CLUSTER : PORTABLE_CLUSTER))
		return CUDA_ERROR_INVALID_CLUSTER_SIZE;
	return CUDA_SUCCESS;
}

static CUresult check_cooperative(const struct vcu_launch *l)
{
	uint64_t blocks = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2];
	unsigned per_sm = vcu_occupancy(l->f, l->block[0] * l->block[1] * l->block[2], l->shared);

	return blocks > (uint64_t)per_sm * l->f->mod->ctx->dev->d.sm_count ? CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
									     : CUDA_SUCCESS;
}

/* ---- parameters ---- */

static CUresult params_from_array(const struct vcu_func *f, void **params, uint8_t *to)
{
	if (f->info.n_params && !params)
		return CUDA_ERROR_INVALID_VALUE;
	for (uint32_t i = 0; i < f->info.n_params; i++) {
		const struct vgp_func_param *p = &f->params[i];

		if (!params[i] || p->offset > f->info.param_bytes || p->size > f->info.param_bytes - p->offset)
			return CUDA_ERROR_INVALID_VALUE;
		memcpy(to + p->offset, params[i], p->size);
	}
	return CUDA_SUCCESS;
}

/* { name, value, …, END }. A struct's tail padding may make the buffer longer than what the kernel takes. */
static CUresult params_from_extra(const struct vcu_func *f, void **extra, uint8_t *to)
{
	const void *buf = NULL;
	const size_t *size = NULL;

	for (size_t i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
		if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
			buf = extra[i + 1];
		else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE)
			size = extra[i + 1];
		else
			return CUDA_ERROR_INVALID_VALUE;
	}
	if (!f->info.param_bytes)
		return CUDA_SUCCESS;
	if (!buf || !size || *size < f->info.param_bytes)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(to, buf, f->info.param_bytes);
	return CUDA_SUCCESS;
}

CUresult vcu_launch_pack(const struct vcu_launch *l, uint8_t *to)
{
	uint32_t n = l->f->info.param_bytes;

	/* Holes between parameters are zero. */
	memset(to, 0, n);
	if (l->packed) {
		memcpy(to, l->packed, MIN(n, l->packed_len));
		return CUDA_SUCCESS;
	}
	return l->extra ? params_from_extra(l->f, l->extra, to) : params_from_array(l->f, l->params, to);
}

static CUresult submit(const struct vcu_launch *l, struct vcu_stream *s)
{
	struct vgp_cmd cmd = { .op = VGP_OP_LAUNCH, .a.LAUNCH = { .func = l->f->wire } };
	uint8_t small[1024], *data = small;
	uint32_t n = l->f->info.param_bytes;
	struct vgp_launch w = { .shared_dyn = l->shared, .param_len = n };
	CUresult r;

	if (sizeof(w) + n > sizeof(small))
		data = malloc(sizeof(w) + n);
	if (!data)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(w.grid, l->grid, sizeof(w.grid));
	memcpy(w.block, l->block, sizeof(w.block));
	memcpy(w.cluster, l->cluster, sizeof(w.cluster));
	memcpy(data, &w, sizeof(w));
	r = vcu_launch_pack(l, data + sizeof(w));
	if (l->cooperative)
		cmd.a.LAUNCH.flags |= VGP_LAUNCH_F_COOPERATIVE;
	if (!r)
		r = vcu_submit(s, &cmd, data, sizeof(w) + n, NULL);
	if (data != small)
		free(data);
	return r;
}

CUresult vcu_launch_check(const void *handle, struct vcu_launch *l, struct vcu_ctx *c)
{
	CUresult r = vcu_func_get(handle, c, &l->f);

	if (r)
		return r;
	/* A function runs where its module is. */
	if (l->f->mod->ctx != c)
		return CUDA_ERROR_INVALID_HANDLE;
	if ((l->params && l->extra) || l->f->info.param_bytes > PARAM_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	r = check_dims(l);
	if (!r)
		r = check_code(l);
	if (!r)
		r = check_cluster(l);
	if (!r && l->cooperative)
		r = check_cooperative(l);
	return r;
}

CUresult vcu_launch_in(const void *handle, struct vcu_launch *l, struct vcu_stream *s)
{
	CUresult r = vcu_launch_check(handle, l, s->ctx);

	if (!r)
		r = vcu_capturing(s) ? vcu_capture_launch(s, handle, l) : submit(l, s);
	if (!r && l->completion)
		r = vcu_event_record(l->completion, s);
	return r;
}

CUresult vcu_launch(const void *handle, struct vcu_launch *l, CUstream h)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(h, &s);

	return r ? r : vcu_launch_in(handle, l, s);
}

/* ---- entry points ---- */

CUresult vcu_LaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ, unsigned int blockDimX,
			  unsigned int blockDimY, unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,
			  void **kernelParams, void **extra)
{
	struct vcu_launch l = {
		.grid = { gridDimX, gridDimY, gridDimZ }, .block = { blockDimX, blockDimY, blockDimZ },
		.shared = sharedMemBytes, .params = kernelParams, .extra = extra,
	};

	return vcu_launch(f, &l, hStream);
}

CUresult vcu_LaunchCooperativeKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
				     unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
				     unsigned int sharedMemBytes, CUstream hStream, void **kernelParams)
{
	struct vcu_launch l = {
		.grid = { gridDimX, gridDimY, gridDimZ }, .block = { blockDimX, blockDimY, blockDimZ },
		.shared = sharedMemBytes, .params = kernelParams, .cooperative = true,
	};

	return vcu_launch(f, &l, hStream);
}

/* Most attributes speak to hardware that isn't there; what changes results is done or refused. */
static CUresult apply_attr(struct vcu_launch *l, const CUlaunchAttribute *a)
{
	switch (a->id) {
	case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
		l->cooperative = a->value.cooperative != 0;
		return CUDA_SUCCESS;
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
		l->cluster[0] = a->value.clusterDim.x;
		l->cluster[1] = a->value.clusterDim.y;
		l->cluster[2] = a->value.clusterDim.z;
		return l->cluster[0] && l->cluster[1] && l->cluster[2] ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CLUSTER_SIZE;
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
		return vcu_event_get(a->value.programmaticEvent.event, &l->completion);
	case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
		return vcu_event_get(a->value.launchCompletionEvent.event, &l->completion);
	/* A kernel that may start early starts when its predecessor has ended. */
	case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
	case CU_LAUNCH_ATTRIBUTE_IGNORE:
	case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
	case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
	case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
	case CU_LAUNCH_ATTRIBUTE_PRIORITY:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
	case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
	case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
	case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING:
		return CUDA_SUCCESS;
	case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
		return CUDA_ERROR_NOT_SUPPORTED;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult vcu_launch_config(struct vcu_launch *l, const CUlaunchConfig *c)
{
	CUresult r = CUDA_SUCCESS;

	if (!c || (c->numAttrs && !c->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	*l = (struct vcu_launch){
		.grid = { c->gridDimX, c->gridDimY, c->gridDimZ }, .block = { c->blockDimX, c->blockDimY, c->blockDimZ },
		.shared = c->sharedMemBytes,
	};
	for (unsigned i = 0; i < c->numAttrs && !r; i++)
		r = apply_attr(l, &c->attrs[i]);
	return r;
}

CUresult vcu_LaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **kernelParams, void **extra)
{
	struct vcu_launch l;
	CUresult r = vcu_launch_config(&l, config);

	if (r)
		return r;
	l.params = kernelParams;
	l.extra = extra;
	return vcu_launch(f, &l, config->hStream);
}
