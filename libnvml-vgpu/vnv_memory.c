/* vnv_memory.c: device memory and the BAR1 aperture, of GPUs and MIG devices; always of this moment. */
#include "libnvml-vgpu/vnv.h"

nvmlReturn_t vnv_DeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!memory)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (memory->version != NV_VERSION(nvmlMemory_v2_t, 2))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = vnv_live(device, VNV_FRESH, &l);
	if (r)
		return r;
	memory->total = l->memory_total;
	memory->reserved = l->memory_reserved;
	memory->free = l->memory_free;
	memory->used = l->memory_used;
	return NVML_SUCCESS;
}

/* The first version has no word for what is reserved: it counts as used. */
nvmlReturn_t vnv_DeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!memory)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_FRESH, &l);
	if (r)
		return r;
	memory->total = l->memory_total;
	memory->free = l->memory_free;
	memory->used = l->memory_used + l->memory_reserved;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *bar1)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!bar1)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_FRESH, &l);
	if (r)
		return r;
	bar1->bar1Total = l->bar1_total;
	bar1->bar1Used = MIN(l->bar1_used, l->bar1_total);
	bar1->bar1Free = l->bar1_total - bar1->bar1Used;
	return NVML_SUCCESS;
}

/* Memory of confidential computing: there is none, and none of it is used. */
nvmlReturn_t vnv_DeviceGetConfComputeProtectedMemoryUsage(nvmlDevice_t device, nvmlMemory_t *memory)
{
	if (!memory)
		return NVML_ERROR_INVALID_ARGUMENT;
	memset(memory, 0, sizeof(*memory));
	return NVML_SUCCESS;
}
