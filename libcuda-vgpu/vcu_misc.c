/* vcu_misc.c: the default stream of a call; the loading mode; entry points of the profiler. */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_entry.h"

CUstream vcu_default_stream(void)
{
	return vcu_tls.per_thread ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY;
}

/* They steer a profiling tool that is attached; none can be, so there is nothing to start. */
CUresult vcu_ProfilerStart(void)
{
	return CUDA_SUCCESS;
}

CUresult vcu_ProfilerStop(void)
{
	return CUDA_SUCCESS;
}

/* CUDA_MODULE_LOADING is a variable of the driver's: EAGER, LAZY or DEFAULT. */
CUresult vcu_ModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
	const char *env = getenv("CUDA_MODULE_LOADING");

	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	*mode = env && !strcmp(env, "EAGER") ? CU_MODULE_EAGER_LOADING : CU_MODULE_LAZY_LOADING;
	return CUDA_SUCCESS;
}
