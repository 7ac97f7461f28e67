/* nv_abi.h: NVML's binary interface, in our own words: constants, structures, and what stays opaque. */
#ifndef VGPU_NVML_NV_ABI_H
#define VGPU_NVML_NV_ABI_H

#include "libnvml-vgpu/nv_enum.h"
#include "libnvml-vgpu/nv_opaque.h"
#include "libnvml-vgpu/nv_struct.h"

#endif
