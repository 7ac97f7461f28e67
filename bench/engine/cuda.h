/* cuda.h: as much of the driver API as bench/engine needs, loaded at run time. */
#ifndef VGPU_BENCH_ENGINE_CUDA_H
#define VGPU_BENCH_ENGINE_CUDA_H

#include <stddef.h>
#include <stdint.h>

typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef unsigned long long CUdeviceptr;

/* F(field, symbol, parameters) */
#define CUDA_FUNCS(F)                                                                                       \
	F(init, "cuInit", unsigned)                                                                         \
	F(device_get, "cuDeviceGet", int *, int)                                                            \
	F(device_name, "cuDeviceGetName", char *, int, int)                                                 \
	F(ctx_create, "cuCtxCreate_v2", CUcontext *, unsigned, int)                                         \
	F(ctx_destroy, "cuCtxDestroy_v2", CUcontext)                                                        \
	F(synchronize, "cuCtxSynchronize", void)                                                            \
	F(module_load, "cuModuleLoadData", CUmodule *, const void *)                                        \
	F(get_function, "cuModuleGetFunction", CUfunction *, CUmodule, const char *)                        \
	F(alloc, "cuMemAlloc_v2", CUdeviceptr *, size_t)                                                    \
	F(free, "cuMemFree_v2", CUdeviceptr)                                                                \
	F(to_device, "cuMemcpyHtoD_v2", CUdeviceptr, const void *, size_t)                                  \
	F(to_host, "cuMemcpyDtoH_v2", void *, CUdeviceptr, size_t)                                          \
	F(launch, "cuLaunchKernel", CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, \
	  unsigned, CUstream, void **, void **)

struct cuda_ops {
#define FIELD(field, name, ...) int (*field)(__VA_ARGS__);
	CUDA_FUNCS(FIELD)
#undef FIELD
};
extern struct cuda_ops cuda;

/* Ends the program where r isn't CUDA_SUCCESS. */
void cuda_must(int r, const char *what);
CUfunction cuda_function(const char *name);
/* What cuModuleLoadData took. */
double cuda_parse_ms(void);
void cuda_launch(CUfunction f, const uint32_t grid[3], const uint32_t block[3], void *params, size_t size);

#endif
