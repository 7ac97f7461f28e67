/*
 * vnv_handle.c: handles and how to get them. A handle is the address of a place
 * in a static table, and good as long as something is there. A device that
 * has fallen off the bus has no handle to give any more: GPU_IS_LOST.
 */
#include <strings.h>

#include "libnvml-vgpu/vnv.h"
#include "libnvml-vgpu/vnv_mig.h"

/* The GPU in whose record p lies, NULL: none. */
static struct vnv_gpu *gpu_around(const void *p)
{
	const char *c = p, *base = (const char *)vnv_gpus;
	size_t i;

	if (c < base || c >= base + sizeof(vnv_gpus))
		return NULL;
	i = (size_t)(c - base) / sizeof(vnv_gpus[0]);
	return i < vnv_n_gpus ? &vnv_gpus[i] : NULL;
}

/* Index of p in the array at base with n places of size bytes, n: not one of them. */
static size_t place_in(const void *p, const void *base, size_t size, size_t n)
{
	size_t off = (size_t)((const char *)p - (const char *)base);

	return (const char *)p >= (const char *)base && off % size == 0 && off / size < n ? off / size : n;
}

nvmlReturn_t vnv_check_device(nvmlDevice_t dev, unsigned flags)
{
	struct vnv_gpu *g = gpu_around(dev);

	if (!g || place_in(dev, g->dev, sizeof(g->dev[0]), ARRAY_SIZE(g->dev)) == ARRAY_SIZE(g->dev) || !dev->present)
		return NVML_ERROR_INVALID_ARGUMENT;
	return dev->mig && !(flags & VNV_F_MIG) ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

nvmlReturn_t vnv_check_gi(nvmlGpuInstance_t gi)
{
	struct vnv_gpu *g = gpu_around(gi);

	if (!g || place_in(gi, g->gi, sizeof(g->gi[0]), VNV_MIG_MAX) == VNV_MIG_MAX || !gi->present)
		return NVML_ERROR_INVALID_ARGUMENT;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_check_ci(nvmlComputeInstance_t ci)
{
	struct vnv_gpu *g = gpu_around(ci);

	if (!g || place_in(ci, g->ci, sizeof(g->ci[0]), VNV_MIG_MAX) == VNV_MIG_MAX || !ci->dev->present)
		return NVML_ERROR_INVALID_ARGUMENT;
	return NVML_SUCCESS;
}

/* ---- entry points ---- */

nvmlReturn_t vnv_DeviceGetCount_v2(unsigned int *count)
{
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = vnv_n_gpus;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetCount(unsigned int *count)
{
	return vnv_DeviceGetCount_v2(count);
}

/* A daemon that can't be asked for live values still has devices. */
static nvmlReturn_t hand_out(struct vnv_gpu *g, nvmlDevice_t *out)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r = vnv_live(vnv_device(g), VNV_RECENT, &l);

	if (r == NVML_ERROR_GPU_IS_LOST)
		return r;
	*out = vnv_device(g);
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	if (!device || index >= vnv_n_gpus)
		return NVML_ERROR_INVALID_ARGUMENT;
	return hand_out(&vnv_gpus[index], device);
}

nvmlReturn_t vnv_DeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device)
{
	return vnv_DeviceGetHandleByIndex_v2(index, device);
}

nvmlReturn_t vnv_DeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
	if (!serial || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; *serial && i < vnv_n_gpus; i++)
		if (!strcmp(vnv_gpus[i].d.serial, serial))
			return hand_out(&vnv_gpus[i], device);
	return NVML_ERROR_NOT_FOUND;
}

static nvmlReturn_t by_uuid(const uint8_t uuid[16], bool mig, nvmlDevice_t *device)
{
	for (unsigned i = 0; !mig && i < vnv_n_gpus; i++)
		if (!memcmp(vnv_gpus[i].uuid, uuid, 16))
			return hand_out(&vnv_gpus[i], device);
	return mig ? vnv_mig_by_uuid(uuid, device) : NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t vnv_DeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
	uint8_t bytes[16];
	bool mig;

	if (!uuid || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	mig = !strncasecmp(uuid, "MIG-", 4);
	if (vgpu_uuid_parse(mig ? uuid + 4 : uuid, bytes, NULL))
		return NVML_ERROR_NOT_FOUND;
	return by_uuid(bytes, mig, device);
}

nvmlReturn_t vnv_DeviceGetHandleByUUIDV(const nvmlUUID_t *uuid, nvmlDevice_t *device)
{
	char text[sizeof(uuid->value.str) + 1];

	if (!uuid || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (uuid->version != NV_VERSION(nvmlUUID_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	switch (uuid->type) {
	case NVML_UUID_TYPE_ASCII:
		snprintf(text, sizeof(text), "%.*s", (int)sizeof(uuid->value.str), uuid->value.str);
		return vnv_DeviceGetHandleByUUID(text, device);
	case NVML_UUID_TYPE_BINARY:
		if (by_uuid(uuid->value.bytes, false, device) == NVML_SUCCESS)
			return NVML_SUCCESS;
		return by_uuid(uuid->value.bytes, true, device);
	default:
		return NVML_ERROR_INVALID_ARGUMENT;
	}
}

nvmlReturn_t vnv_DeviceGetHandleByPciBusId_v2(const char *id, nvmlDevice_t *device)
{
	unsigned domain, bus, slot, fn;

	if (!id || !device || !vnv_bus_id_parse(id, &domain, &bus, &slot, &fn))
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; i < vnv_n_gpus; i++) {
		struct vnv_gpu *g = &vnv_gpus[i];

		if (g->domain == domain && g->bus == bus && g->slot == slot)
			return hand_out(g, device);
	}
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t vnv_DeviceGetHandleByPciBusId(const char *id, nvmlDevice_t *device)
{
	return vnv_DeviceGetHandleByPciBusId_v2(id, device);
}
