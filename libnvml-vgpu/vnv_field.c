/* vnv_field.c: field values, from api/nv_field.def. Each value has a return code of its own. */
#include "libnvml-vgpu/vnv.h"
#include "util/sys.h"

static void put_UINT(nvmlFieldValue_t *f, uint64_t v)
{
	f->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
	f->value.uiVal = (unsigned)v;
}

static void put_SINT(nvmlFieldValue_t *f, uint64_t v)
{
	f->valueType = NVML_VALUE_TYPE_SIGNED_INT;
	f->value.siVal = (int)(int64_t)v;
}

static void put_ULL(nvmlFieldValue_t *f, uint64_t v)
{
	f->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
	f->value.ullVal = v;
}

static nvmlReturn_t field(const struct vgpu_device *d, const struct vgp_telemetry *l, nvmlFieldValue_t *f)
{
	unsigned scope = f->scopeId;

	switch (f->fieldId) {
#define F(id, type, val, condition)                                                              \
	case id:                                                                                 \
		if (!(condition))                                                                \
			return NVML_ERROR_NOT_SUPPORTED;                                         \
		put_##type(f, (uint64_t)(val));                                                  \
		return NVML_SUCCESS;
#include "libnvml-vgpu/api/nv_field.def"
#undef F
	default:
		return NVML_ERROR_NOT_SUPPORTED;
	}
}

/* A device that has to be reset tells that and nothing else. */
static bool tells_need(unsigned id)
{
	return id == NVML_FI_DEV_RESET_STATUS || id == NVML_FI_DEV_DRAIN_AND_RESET_STATUS || id == NVML_FI_DEV_GET_GPU_RECOVERY_ACTION;
}

/* Callers look at each value's return code without looking at the function's: it is filled in any case. */
nvmlReturn_t vnv_DeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	const struct vgp_telemetry *l = NULL;
	uint64_t start = vgpu_now_ns();
	nvmlReturn_t r;

	if (!values || count <= 0)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	for (int i = 0; i < count; i++) {
		values[i].value.ullVal = 0;
		values[i].timestamp = r && r != NVML_ERROR_RESET_REQUIRED ? 0 : (long long)l->time_us;
		values[i].latencyUsec = (long long)((vgpu_now_ns() - start) / 1000);
		values[i].nvmlReturn = r;
		if (!r || (r == NVML_ERROR_RESET_REQUIRED && tells_need(values[i].fieldId)))
			values[i].nvmlReturn = field(&device->gpu->d, l, &values[i]);
	}
	return r == NVML_ERROR_RESET_REQUIRED ? NVML_SUCCESS : r;
}
