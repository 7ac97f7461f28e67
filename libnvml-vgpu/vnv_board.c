/* vnv_board.c: what the board says of itself: inforom, firmware, and the fabric that a module's base board has. */
#include "config.h"
#include "libnvml-vgpu/vnv.h"

nvmlReturn_t vnv_DeviceGetInforomVersion(nvmlDevice_t device, nvmlInforomObject_t object, char *version, unsigned int length)
{
	const struct vgpu_device *d = &device->gpu->d;
	const char *text = object == NVML_INFOROM_OEM ? d->inforom_oem : object == NVML_INFOROM_ECC ? d->inforom_ecc : d->inforom_power;

	if (!version || object > NVML_INFOROM_POWER)
		return NVML_ERROR_INVALID_ARGUMENT;
	return *text ? vnv_text(version, length, text) : NVML_ERROR_NOT_SUPPORTED;
}

/* There is a driver's version of it only; the buffer has NVML_GSP_FIRMWARE_VERSION_BUF_SIZE bytes. */
nvmlReturn_t vnv_DeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
	if (!version)
		return NVML_ERROR_INVALID_ARGUMENT;
	return device->gpu->d.gsp ? vnv_SystemGetDriverVersion(version, NVML_GSP_FIRMWARE_VERSION_BUF_SIZE) : NVML_ERROR_NOT_SUPPORTED;
}

/* ---- fabric ---- */

/* Modules of one machine: registered, in no cluster of several machines. Before Hopper nothing registers. */
static bool has_fabric(nvmlDevice_t device)
{
	return device->gpu->d.sxm && device->gpu->d.compute_cap >= 90;
}

nvmlReturn_t vnv_DeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *info)
{
	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!has_fabric(device))
		return NVML_ERROR_NOT_SUPPORTED;
	memset(info, 0, sizeof(*info));
	info->status = NVML_SUCCESS;
	info->state = NVML_GPU_FABRIC_STATE_COMPLETED;
	return NVML_SUCCESS;
}

/* Health: each part of the mask says that it isn't told. */
nvmlReturn_t vnv_DeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfoV_t *info)
{
	const unsigned v2 = (unsigned)offsetof(nvmlGpuFabricInfoV_t, healthSummary) | 2u << 24;
	unsigned version;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	version = info->version;
	if (version != v2 && version != NV_VERSION(nvmlGpuFabricInfoV_t, 3))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (!has_fabric(device))
		return NVML_ERROR_NOT_SUPPORTED;
	memset(info, 0, version & 0xffffff);
	info->version = version;
	info->status = NVML_SUCCESS;
	info->state = NVML_GPU_FABRIC_STATE_COMPLETED;
	return NVML_SUCCESS;
}
