/*
 * vnv_set.c: settings. The daemon decides who may change one, what it may be,
 * and answers when it is on disk; here only the arguments are checked.
 */
#include "libnvml-vgpu/vnv.h"

static nvmlReturn_t set(nvmlDevice_t device, unsigned what, uint64_t v0, uint64_t v1, uint32_t *result)
{
	struct vgp_mon_set q = { .what = what, .v = { v0, v1 } };
	int r = vnv_ask(device->gpu, VGP_MON_SET, &q, sizeof(q));

	vnv_live_drop(device->gpu);
	if (result)
		*result = q.result;
	return vnv_result(r);
}

nvmlReturn_t vnv_DeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode)
{
	if ((unsigned)mode > NVML_FEATURE_ENABLED)
		return NVML_ERROR_INVALID_ARGUMENT;
	return set(device, VGP_SET_PERSISTENCE_MODE, mode, 0, NULL);
}

nvmlReturn_t vnv_DeviceSetComputeMode(nvmlDevice_t device, nvmlComputeMode_t mode)
{
	if ((unsigned)mode >= NVML_COMPUTEMODE_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (mode == NVML_COMPUTEMODE_EXCLUSIVE_THREAD)
		return NVML_ERROR_NOT_SUPPORTED;
	return set(device, VGP_SET_COMPUTE_MODE, mode, 0, NULL);
}

nvmlReturn_t vnv_DeviceSetAccountingMode(nvmlDevice_t device, nvmlEnableState_t mode)
{
	if ((unsigned)mode > NVML_FEATURE_ENABLED)
		return NVML_ERROR_INVALID_ARGUMENT;
	return set(device, VGP_SET_ACCOUNTING_MODE, mode, 0, NULL);
}

nvmlReturn_t vnv_DeviceSetEccMode(nvmlDevice_t device, nvmlEnableState_t mode)
{
	if ((unsigned)mode > NVML_FEATURE_ENABLED)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device->gpu->d.ecc_supported)
		return NVML_ERROR_NOT_SUPPORTED;
	return set(device, VGP_SET_ECC_MODE, mode, 0, NULL);
}

nvmlReturn_t vnv_DeviceClearEccErrorCounts(nvmlDevice_t device, nvmlEccCounterType_t counter)
{
	if ((unsigned)counter >= NVML_ECC_COUNTER_TYPE_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device->gpu->d.ecc_supported)
		return NVML_ERROR_NOT_SUPPORTED;
	return set(device, VGP_SET_CLEAR_ECC, counter, 0, NULL);
}

nvmlReturn_t vnv_reset(nvmlDevice_t device)
{
	return set(device, VGP_SET_RESET, 0, 0, NULL);
}

/* ---- fans: all of a device turn alike ---- */

static nvmlReturn_t set_fan(nvmlDevice_t device, unsigned fan, unsigned percent)
{
	if (!device->gpu->d.fans)
		return NVML_ERROR_NOT_SUPPORTED;
	return fan < device->gpu->d.fans ? set(device, VGP_SET_FAN, percent, 0, NULL) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vnv_DeviceSetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int speed)
{
	/* 0 is the daemon's word for automatic */
	return speed ? set_fan(device, fan, speed) : device->gpu->d.fans ? NVML_ERROR_INVALID_ARGUMENT : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t vnv_DeviceSetDefaultFanSpeed_v2(nvmlDevice_t device, unsigned int fan)
{
	return set_fan(device, fan, 0);
}

/* By hand: from what it turns now. */
nvmlReturn_t vnv_DeviceSetFanControlPolicy(nvmlDevice_t device, unsigned int fan, nvmlFanControlPolicy_t policy)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (policy > NVML_FAN_POLICY_MANUAL)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (policy == NVML_FAN_POLICY_TEMPERATURE_CONTINOUS_SW)
		return set_fan(device, fan, 0);
	r = vnv_live(device, VNV_FRESH, &l);
	return r ? r : set_fan(device, fan, (unsigned)l->fan_percent);
}

/* ---- power ---- */

nvmlReturn_t vnv_DeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned int limit)
{
	/* 0 is the daemon's word for the default, not a limit */
	return limit ? set(device, VGP_SET_POWER_LIMIT, limit, 0, NULL) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vnv_DeviceSetPowerManagementLimit_v2(nvmlDevice_t device, nvmlPowerValue_v2_t *value)
{
	if (!value)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (value->version != NV_VERSION(nvmlPowerValue_v2_t, 2))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (value->powerScope != NVML_POWER_SCOPE_GPU)
		return NVML_ERROR_NOT_SUPPORTED;
	return vnv_DeviceSetPowerManagementLimit(device, value->powerValueMw);
}

/* ---- clocks, given in MHz ---- */

static nvmlReturn_t set_range(nvmlDevice_t device, unsigned what, unsigned lowest, unsigned highest)
{
	if (!highest || lowest > highest)
		return NVML_ERROR_INVALID_ARGUMENT;
	return set(device, what, MAX(lowest, 1u) * 1000ull, highest * 1000ull, NULL);
}

nvmlReturn_t vnv_DeviceSetGpuLockedClocks(nvmlDevice_t device, unsigned int lowest, unsigned int highest)
{
	return set_range(device, VGP_SET_LOCK_SM, lowest, highest);
}

nvmlReturn_t vnv_DeviceResetGpuLockedClocks(nvmlDevice_t device)
{
	return set(device, VGP_SET_LOCK_SM, 0, 0, NULL);
}

nvmlReturn_t vnv_DeviceSetMemoryLockedClocks(nvmlDevice_t device, unsigned int lowest, unsigned int highest)
{
	return set_range(device, VGP_SET_LOCK_MEMORY, lowest, highest);
}

nvmlReturn_t vnv_DeviceResetMemoryLockedClocks(nvmlDevice_t device)
{
	return set(device, VGP_SET_LOCK_MEMORY, 0, 0, NULL);
}

nvmlReturn_t vnv_DeviceSetApplicationsClocks(nvmlDevice_t device, unsigned int memory, unsigned int graphics)
{
	if (!memory || !graphics)
		return NVML_ERROR_INVALID_ARGUMENT;
	return set(device, VGP_SET_APP_CLOCKS, memory * 1000ull, graphics * 1000ull, NULL);
}

nvmlReturn_t vnv_DeviceResetApplicationsClocks(nvmlDevice_t device)
{
	return set(device, VGP_SET_APP_CLOCKS, 0, 0, NULL);
}

/* ---- MIG ---- */

nvmlReturn_t vnv_DeviceSetMigMode(nvmlDevice_t device, unsigned int mode, nvmlReturn_t *activation)
{
	uint32_t result = 0;
	nvmlReturn_t r;

	if (!activation || mode > NVML_DEVICE_MIG_ENABLE)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = set(device, VGP_SET_MIG_MODE, mode, 0, &result);
	if (!r)
		*activation = vnv_result((int)result);
	return r;
}
