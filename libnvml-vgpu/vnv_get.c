/* vnv_get.c: makes the getters that are rows of api/nv_get.def. */
#include "libnvml-vgpu/vnv.h"

/* What a row's expressions may name. */
#define VALUES                                                                                   \
	const struct vgpu_device *d VGPU_UNUSED = &device->gpu->d;                               \
	const struct vgp_telemetry *l VGPU_UNUSED = NULL;                                        \
	nvmlReturn_t r = NVML_SUCCESS;
#define FROM_TABLE
#define FROM_LIVE r = vnv_live(device, VNV_RECENT, &l);
#define FROM_RECORDED                                                                            \
	r = vnv_live(device, VNV_RECENT, &l);                                                    \
	if (r == NVML_ERROR_RESET_REQUIRED)                                                      \
		r = NVML_SUCCESS;

#define GET(fn, type, from, value, scale, condition)                                             \
	nvmlReturn_t vnv_##fn(nvmlDevice_t device, type *out)                                    \
	{                                                                                        \
		VALUES                                                                           \
		if (!out)                                                                        \
			return NVML_ERROR_INVALID_ARGUMENT;                                      \
		FROM_##from                                                                      \
		if (r)                                                                           \
			return r;                                                                \
		if (!(condition))                                                                \
			return NVML_ERROR_NOT_SUPPORTED;                                         \
		*out = (type)((value) / (scale));                                                \
		return NVML_SUCCESS;                                                             \
	}

#define GET2(fn, type, from, value1, value2, scale, condition)                                   \
	nvmlReturn_t vnv_##fn(nvmlDevice_t device, type *out1, type *out2)                       \
	{                                                                                        \
		VALUES                                                                           \
		if (!out1 || !out2)                                                              \
			return NVML_ERROR_INVALID_ARGUMENT;                                      \
		FROM_##from                                                                      \
		if (r)                                                                           \
			return r;                                                                \
		if (!(condition))                                                                \
			return NVML_ERROR_NOT_SUPPORTED;                                         \
		*out1 = (type)((value1) / (scale));                                              \
		*out2 = (type)((value2) / (scale));                                              \
		return NVML_SUCCESS;                                                             \
	}

#define TEXT(fn, property)                                                                       \
	nvmlReturn_t vnv_##fn(nvmlDevice_t device, char *out, unsigned int length)               \
	{                                                                                        \
		const char *text = device->gpu->d.property;                                      \
                                                                                                 \
		if (!out)                                                                        \
			return NVML_ERROR_INVALID_ARGUMENT;                                      \
		return *text ? vnv_text(out, length, text) : NVML_ERROR_NOT_SUPPORTED;           \
	}

#include "libnvml-vgpu/api/nv_get.def"
