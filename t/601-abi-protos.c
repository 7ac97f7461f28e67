/*
 * 601-abi-protos.c: NVIDIA's cuda.h, then each row of api.def as a declaration
 * of the same function: a prototype that differs does not compile.
 */
#define __CUDA_API_VERSION_INTERNAL 1
#include <cuda.h>
#include <cudaProfiler.h>

#pragma GCC diagnostic ignored "-Wredundant-decls"
#define CU_FN(base, ver, since, flags, params, args) extern CUresult cu##base##ver params;
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args) \
	extern CUresult cu##base##ver params;                         \
	extern CUresult cu##base##ver##pt params;
#include "libcuda-vgpu/api/api.def"

int abi_protos_compiled(void);

int abi_protos_compiled(void)
{
	return 1;
}
