/*
 * cu_abi.h: our declarations of the CUDA 13.0 driver ABI: types, enums and
 * structs under their public names, so that no toolkit is needed to build.
 * Where a toolkit is found, t/601-abi compares every size, offset, value and
 * prototype with its cuda.h. Entry points are rows of api/api.def.
 *
 * The layout of the cu_*.h files is read by libcuda-vgpu/abi-facts.awk: one
 * enumerator, one member per line.
 */
#ifndef VGPU_CUDA_CU_ABI_H
#define VGPU_CUDA_CU_ABI_H

#include "libcuda-vgpu/cu_base.h"

typedef enum cudaError_enum {
#define CU_ERR(name, number, text) name = number,
#include "libcuda-vgpu/api/cu_error.def"
#undef CU_ERR
} CUresult;

typedef enum CUdevice_attribute_enum {
#define CU_ATTR(name, number, value) CU_DEVICE_ATTRIBUTE_##name = number,
#define CU_ATTR_ALIAS(name, number) CU_DEVICE_ATTRIBUTE_##name = number,
#include "libcuda-vgpu/api/attr.def"
#undef CU_ATTR
#undef CU_ATTR_ALIAS
	CU_DEVICE_ATTRIBUTE_MAX
} CUdevice_attribute;

#include "libcuda-vgpu/cu_enum_device.h"
#include "libcuda-vgpu/cu_enum_exec.h"
#include "libcuda-vgpu/cu_enum_mem.h"
#include "libcuda-vgpu/cu_struct_mem.h"
#include "libcuda-vgpu/cu_struct_interop.h"
#include "libcuda-vgpu/cu_struct_exec.h"

#endif
