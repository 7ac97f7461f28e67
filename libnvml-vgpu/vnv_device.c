/* vnv_device.c: what a device is, beyond the rows of api/nv_get.def. */
#include "libnvml-vgpu/vnv.h"

/* ---- names and numbers that the interface has for texts of the table ---- */

struct word {
	const char *text;
	unsigned value;
};

static unsigned word_value(const struct word *words, size_t n, const char *text, unsigned otherwise)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i].text, text))
			return words[i].value;
	return otherwise;
}

nvmlReturn_t vnv_DeviceGetBrand(nvmlDevice_t device, nvmlBrandType_t *type)
{
	static const struct word brands[] = {
		{ "Quadro", NVML_BRAND_QUADRO }, { "Tesla", NVML_BRAND_TESLA }, { "GeForce", NVML_BRAND_GEFORCE },
		{ "Titan", NVML_BRAND_TITAN }, { "Quadro RTX", NVML_BRAND_QUADRO_RTX },
		{ "NVIDIA RTX", NVML_BRAND_NVIDIA_RTX }, { "NVIDIA", NVML_BRAND_NVIDIA },
		{ "GeForce RTX", NVML_BRAND_GEFORCE_RTX }, { "Titan RTX", NVML_BRAND_TITAN_RTX },
	};

	if (!type)
		return NVML_ERROR_INVALID_ARGUMENT;
	*type = (nvmlBrandType_t)word_value(brands, ARRAY_SIZE(brands), device->gpu->d.brand, NVML_BRAND_UNKNOWN);
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetArchitecture(nvmlDevice_t device, nvmlDeviceArchitecture_t *arch)
{
	static const struct word archs[] = {
		{ "Kepler", NVML_DEVICE_ARCH_KEPLER }, { "Maxwell", NVML_DEVICE_ARCH_MAXWELL },
		{ "Pascal", NVML_DEVICE_ARCH_PASCAL }, { "Volta", NVML_DEVICE_ARCH_VOLTA },
		{ "Turing", NVML_DEVICE_ARCH_TURING }, { "Ampere", NVML_DEVICE_ARCH_AMPERE },
		{ "Ada Lovelace", NVML_DEVICE_ARCH_ADA }, { "Hopper", NVML_DEVICE_ARCH_HOPPER },
		{ "Blackwell", NVML_DEVICE_ARCH_BLACKWELL },
	};

	if (!arch)
		return NVML_ERROR_INVALID_ARGUMENT;
	*arch = word_value(archs, ARRAY_SIZE(archs), device->gpu->d.architecture, (unsigned)NVML_DEVICE_ARCH_UNKNOWN);
	return NVML_SUCCESS;
}

/* FP32 lanes of a multiprocessor, by compute capability. */
static unsigned cores_per_sm(uint64_t cc)
{
	static const struct {
		unsigned cc, cores;
	} table[] = { { 30, 192 }, { 50, 128 }, { 60, 64 }, { 61, 128 }, { 70, 64 }, { 80, 64 }, { 86, 128 } };
	unsigned cores = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (cc >= table[i].cc)
			cores = table[i].cores;
	return cores;
}

nvmlReturn_t vnv_DeviceGetNumGpuCores(nvmlDevice_t device, unsigned int *cores)
{
	const struct vgpu_device *d = &device->gpu->d;

	if (!cores)
		return NVML_ERROR_INVALID_ARGUMENT;
	*cores = (unsigned)d->sm_count * cores_per_sm(d->compute_cap);
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
	uint64_t cc = device->gpu->d.compute_cap;

	if (!major || !minor)
		return NVML_ERROR_INVALID_ARGUMENT;
	*major = (int)(cc / 10);
	*minor = (int)(cc % 10);
	return NVML_SUCCESS;
}

/* ---- identity, of GPUs and MIG devices ---- */

nvmlReturn_t vnv_DeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
	char text[sizeof(device->gpu->d.name) + sizeof(device->m.name) + 8];

	if (!device->mig)
		return vnv_text(name, length, device->gpu->d.name);
	snprintf(text, sizeof(text), "%s MIG %s", device->gpu->d.name, device->m.name);
	return vnv_text(name, length, text);
}

nvmlReturn_t vnv_DeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
	char text[48] = "MIG-", gpu[48];

	if (!device->mig)
		return vnv_text(uuid, length, device->gpu->d.uuid);
	vgpu_uuid_format(device->m.uuid, gpu);
	snprintf(text + 4, sizeof(text) - 4, "%s", gpu + 4);
	return vnv_text(uuid, length, text);
}

nvmlReturn_t vnv_DeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
	if (!index)
		return NVML_ERROR_INVALID_ARGUMENT;
	*index = device->mig ? (unsigned)(device - device->gpu->dev) - 1 : device->gpu->index;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *a)
{
	const struct vgp_mon_mig *m = &device->m;

	if (!a)
		return NVML_ERROR_INVALID_ARGUMENT;
	/* attributes of a whole GPU are no such thing to the driver either */
	if (!device->mig)
		return NVML_ERROR_NOT_SUPPORTED;
	*a = (nvmlDeviceAttributes_t){ .multiprocessorCount = m->sm_count, .sharedCopyEngineCount = m->copy_engines,
				       .sharedDecoderCount = m->decoders, .sharedEncoderCount = m->encoders,
				       .sharedJpegCount = m->jpegs, .sharedOfaCount = m->ofas,
				       .gpuInstanceSliceCount = m->size, .computeInstanceSliceCount = m->slices,
				       .memorySizeMB = m->memory >> 20 };
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetAttributes(nvmlDevice_t device, nvmlDeviceAttributes_t *a)
{
	return vnv_DeviceGetAttributes_v2(device, a);
}

/* Capabilities of the kind that the bits name (extended GPU memory): none. */
nvmlReturn_t vnv_DeviceGetCapabilities(nvmlDevice_t device, nvmlDeviceCapabilities_t *caps)
{
	if (!caps)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (caps->version != NV_VERSION(nvmlDeviceCapabilities_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	caps->capMask = 0;
	return NVML_SUCCESS;
}

/* The interfaces that the application may be denied: with root's rights only, as the daemon's are. */
nvmlReturn_t vnv_DeviceGetAPIRestriction(nvmlDevice_t device, nvmlRestrictedAPI_t api, nvmlEnableState_t *restricted)
{
	if (!restricted || (unsigned)api > NVML_RESTRICTED_API_SET_AUTO_BOOSTED_CLOCKS)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (api != NVML_RESTRICTED_API_SET_APPLICATION_CLOCKS)
		return NVML_ERROR_NOT_SUPPORTED;
	*restricted = NVML_FEATURE_ENABLED;
	return NVML_SUCCESS;
}

/* Kernels reach what was allocated for them, not all of the program's memory. */
nvmlReturn_t vnv_DeviceGetAddressingMode(nvmlDevice_t device, nvmlDeviceAddressingMode_t *mode)
{
	if (!mode)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (mode->version != NV_VERSION(nvmlDeviceAddressingMode_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	mode->value = 0;
	return NVML_SUCCESS;
}

/* Chip to chip links: Hopper was the first that can have them. */
nvmlReturn_t vnv_DeviceGetC2cModeInfoV(nvmlDevice_t device, nvmlC2cModeInfo_v1_t *info)
{
	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (device->gpu->d.compute_cap < 90)
		return NVML_ERROR_NOT_SUPPORTED;
	info->isC2cEnabled = 0;
	return NVML_SUCCESS;
}
