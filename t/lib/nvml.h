/* nvml.h: NVML's functions as a test calls them: all of api.def. */
#ifndef VGPU_T_LIB_NVML_H
#define VGPU_T_LIB_NVML_H

#include "libnvml-vgpu/nv_abi.h"

#define NV_FN(base, ver, flags, params, args) nvmlReturn_t nvml##base##ver params;
#define NV_TEXT_FN(base, params, args) const char *nvml##base params;
#include "libnvml-vgpu/api/api.def"
#undef NV_FN
#undef NV_TEXT_FN

#endif
