/*
 * vnv_api.h: prototypes of all implementations, vnv_<Base><ver>, as api.def
 * lists them. nv_entry.c defines VNV_API_WEAK first: there a function that
 * nobody defines is NULL.
 */
#ifndef VGPU_NVML_VNV_API_H
#define VGPU_NVML_VNV_API_H

#include "libnvml-vgpu/nv_abi.h"
#include "util/compiler.h"

#ifdef VNV_API_WEAK
#define VNV_API_ATTR VGPU_WEAK_HIDDEN
#else
#define VNV_API_ATTR __attribute__((visibility("hidden")))
#endif

#define NV_FN(base, ver, flags, params, args) VNV_API_ATTR nvmlReturn_t vnv_##base##ver params;
#define NV_TEXT_FN(base, params, args) VNV_API_ATTR const char *vnv_##base params;
#include "libnvml-vgpu/api/api.def"
#undef NV_FN
#undef NV_TEXT_FN

#endif
