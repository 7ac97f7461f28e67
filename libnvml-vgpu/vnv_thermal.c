/* vnv_thermal.c: temperatures, their thresholds, fans. */
#include "libnvml-vgpu/vnv.h"

nvmlReturn_t vnv_DeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *temp)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!temp || (unsigned)sensor >= NVML_TEMPERATURE_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (!r)
		*temp = (unsigned)l->temperature_c;
	return r;
}

nvmlReturn_t vnv_DeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *temp)
{
	unsigned t;
	nvmlReturn_t r;

	if (!temp)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (temp->version != NV_VERSION(nvmlTemperature_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = vnv_DeviceGetTemperature(device, temp->sensorType, &t);
	if (!r)
		temp->temperature = (int)t;
	return r;
}

/* 0 in the table: not known of the model. */
static nvmlReturn_t known(uint64_t c, unsigned *temp)
{
	if (!c)
		return NVML_ERROR_NOT_SUPPORTED;
	*temp = (unsigned)c;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetTemperatureThreshold(nvmlDevice_t device, nvmlTemperatureThresholds_t type, unsigned int *temp)
{
	const struct vgpu_device *d = &device->gpu->d;

	if (!temp || (unsigned)type >= NVML_TEMPERATURE_THRESHOLD_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	switch (type) {
	case NVML_TEMPERATURE_THRESHOLD_SHUTDOWN:
		*temp = (unsigned)d->temp_shutdown_c;
		return NVML_SUCCESS;
	case NVML_TEMPERATURE_THRESHOLD_SLOWDOWN:
		*temp = (unsigned)d->temp_slowdown_c;
		return NVML_SUCCESS;
	case NVML_TEMPERATURE_THRESHOLD_GPU_MAX:
		return known(d->temp_max_c, temp);
	case NVML_TEMPERATURE_THRESHOLD_MEM_MAX:
		return known(d->temp_memory_max_c, temp);
	default:
		return NVML_ERROR_NOT_SUPPORTED;
	}
}

bool vnv_has_tlimit(const struct vgpu_device *d)
{
	return d->temp_max_c && d->compute_cap >= 89;
}

/* T.Limit: how far it is to the highest temperature to work at. */
nvmlReturn_t vnv_DeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_t *margin)
{
	unsigned t;
	nvmlReturn_t r;

	if (!margin)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (margin->version != NV_VERSION(nvmlMarginTemperature_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (!vnv_has_tlimit(&device->gpu->d))
		return NVML_ERROR_NOT_SUPPORTED;
	r = vnv_DeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &t);
	if (!r)
		margin->marginTemperature = (int)device->gpu->d.temp_max_c - (int)t;
	return r;
}

nvmlReturn_t vnv_DeviceGetThermalSettings(nvmlDevice_t device, unsigned int sensor, nvmlGpuThermalSettings_t *out)
{
	unsigned t;
	nvmlReturn_t r;

	if (!out || (sensor && sensor != NVML_THERMAL_TARGET_ALL))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_DeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &t);
	if (r)
		return r;
	memset(out, 0, sizeof(*out));
	out->count = 1;
	out->sensor[0].controller = NVML_THERMAL_CONTROLLER_GPU_INTERNAL;
	out->sensor[0].target = NVML_THERMAL_TARGET_GPU;
	out->sensor[0].defaultMaxTemp = (int)device->gpu->d.temp_shutdown_c;
	out->sensor[0].currentTemp = (int)t;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int *speed)
{
	if (!speed)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device->gpu->d.fans)
		return NVML_ERROR_NOT_SUPPORTED;
	return fan < device->gpu->d.fans ? vnv_DeviceGetFanSpeed(device, speed) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vnv_DeviceGetTargetFanSpeed(nvmlDevice_t device, unsigned int fan, unsigned int *speed)
{
	return vnv_DeviceGetFanSpeed_v2(device, fan, speed);
}

nvmlReturn_t vnv_DeviceGetMinMaxFanSpeed(nvmlDevice_t device, unsigned int *lowest, unsigned int *highest)
{
	if (!lowest || !highest)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device->gpu->d.fans)
		return NVML_ERROR_NOT_SUPPORTED;
	*lowest = VGP_FAN_MIN;
	*highest = 100;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetFanControlPolicy_v2(nvmlDevice_t device, unsigned int fan, nvmlFanControlPolicy_t *policy)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!policy)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device->gpu->d.fans)
		return NVML_ERROR_NOT_SUPPORTED;
	if (fan >= device->gpu->d.fans)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (!r)
		*policy = l->fan_set ? NVML_FAN_POLICY_MANUAL : NVML_FAN_POLICY_TEMPERATURE_CONTINOUS_SW;
	return r;
}
