/*
 * vnv_conf.c: confidential computing, which boards from Hopper on could do: here
 * nothing is, and none is on. Where no such board is the questions mean nothing.
 */
#include "libnvml-vgpu/vnv.h"

static bool is_hopper(const struct vnv_gpu *g)
{
	return g->d.compute_cap >= 90;
}

static nvmlReturn_t asked(const void *out)
{
	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; i < vnv_n_gpus; i++)
		if (is_hopper(&vnv_gpus[i]))
			return NVML_SUCCESS;
	return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t vnv_SystemGetConfComputeCapabilities(nvmlConfComputeSystemCaps_t *caps)
{
	nvmlReturn_t r = asked(caps);

	if (!r)
		*caps = (nvmlConfComputeSystemCaps_t){ 0 };
	return r;
}

nvmlReturn_t vnv_SystemGetConfComputeState(nvmlConfComputeSystemState_t *state)
{
	nvmlReturn_t r = asked(state);

	if (!r)
		*state = (nvmlConfComputeSystemState_t){ 0 };
	return r;
}

nvmlReturn_t vnv_SystemGetConfComputeSettings(nvmlSystemConfComputeSettings_t *s)
{
	nvmlReturn_t r = asked(s);

	if (!r && s->version != NV_VERSION(nvmlSystemConfComputeSettings_t, 1))
		r = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (!r)
		*s = (nvmlSystemConfComputeSettings_t){ .version = s->version };
	return r;
}

/* All memory is unprotected. */
nvmlReturn_t vnv_DeviceGetConfComputeMemSizeInfo(nvmlDevice_t device, nvmlConfComputeMemSizeInfo_t *info)
{
	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!is_hopper(device->gpu))
		return NVML_ERROR_NOT_SUPPORTED;
	*info = (nvmlConfComputeMemSizeInfo_t){ .unprotectedMemSizeKib = device->gpu->d.memory_total >> 10 };
	return NVML_SUCCESS;
}
