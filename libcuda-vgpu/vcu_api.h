/*
 * vcu_api.h: prototypes of all implementations, vcu_<Base><ver>, as api.def
 * lists them. Files that implement include it as it is; files that ask whether
 * something is implemented (cu_entry.c, attributes) define VCU_API_WEAK first: there
 * an entry point that nobody defines is NULL.
 */
#ifndef VGPU_CUDA_VCU_API_H
#define VGPU_CUDA_VCU_API_H

#include "libcuda-vgpu/cu_abi.h"
#include "util/compiler.h"

#ifdef VCU_API_WEAK
#define VCU_API_ATTR VGPU_WEAK_HIDDEN
/* 1 when the entry point is implemented. */
#define VCU_HAS(name) (vcu_##name != NULL)
#else
#define VCU_API_ATTR __attribute__((visibility("hidden")))
#endif

#define CU_FN(base, ver, since, flags, params, args) VCU_API_ATTR CUresult vcu_##base##ver params;
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args) VCU_API_ATTR CUresult vcu_##base##ver params;
#include "libcuda-vgpu/api/api.def"
#undef CU_FN
#undef CU_FN_PT

#endif
