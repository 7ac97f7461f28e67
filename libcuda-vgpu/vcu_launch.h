/* vcu_launch.h: a launch as all the entry points describe it. */
#ifndef VGPU_CUDA_VCU_LAUNCH_H
#define VGPU_CUDA_VCU_LAUNCH_H

#include "libcuda-vgpu/vcu_module.h"
#include "libcuda-vgpu/vcu_stream.h"

struct vcu_event;

struct vcu_launch {
	uint32_t grid[3], block[3];
	uint32_t cluster[3];       /* 0: not given */
	uint32_t shared;           /* dynamic, bytes */
	bool cooperative;
	void **params, **extra;    /* one of them, or packed */
	const void *packed;
	uint32_t packed_len;
	struct vcu_event *completion;   /* recorded behind it; NULL: none */
	struct vcu_func *f;        /* found by vcu_launch */
};

/* handle: CUfunction or CUkernel. */
CUresult vcu_launch(const void *handle, struct vcu_launch *l, CUstream h);
CUresult vcu_launch_in(const void *handle, struct vcu_launch *l, struct vcu_stream *s);
/* Finds the function, and checks all that needs no stream. */
CUresult vcu_launch_check(const void *handle, struct vcu_launch *l, struct vcu_ctx *c);
/* The parameters as the worker takes them: l->f->info.param_bytes. */
CUresult vcu_launch_pack(const struct vcu_launch *l, uint8_t *to);
/* Dimensions and attributes of a CUlaunchConfig. */
CUresult vcu_launch_config(struct vcu_launch *l, const CUlaunchConfig *c);

#endif
