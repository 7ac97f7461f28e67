/*
 * vnv_usage.c: load now and over the last minutes, of a device and of each
 * process on it. Engines for video, images and optical flow don't exist: they
 * are never busy.
 */
#include <stdlib.h>

#include "libnvml-vgpu/vnv_process.h"

nvmlReturn_t vnv_DeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!utilization)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	utilization->gpu = (unsigned)l->util_gpu;
	utilization->memory = (unsigned)l->util_memory;
	return NVML_SUCCESS;
}

/* ---- engines that are not there ---- */

static nvmlReturn_t idle(nvmlDevice_t device, unsigned *utilization, unsigned *period_us)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!utilization || !period_us)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	*utilization = 0;
	*period_us = (unsigned)l->sample_period_us;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *period)
{
	return idle(device, utilization, period);
}

nvmlReturn_t vnv_DeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *period)
{
	return idle(device, utilization, period);
}

nvmlReturn_t vnv_DeviceGetJpgUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *period)
{
	return idle(device, utilization, period);
}

nvmlReturn_t vnv_DeviceGetOfaUtilization(nvmlDevice_t device, unsigned int *utilization, unsigned int *period)
{
	return idle(device, utilization, period);
}

nvmlReturn_t vnv_DeviceGetEncoderStats(nvmlDevice_t device, unsigned int *sessions, unsigned int *fps, unsigned int *latency)
{
	if (!sessions || !fps || !latency)
		return NVML_ERROR_INVALID_ARGUMENT;
	*sessions = *fps = *latency = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetEncoderSessions(nvmlDevice_t device, unsigned int *count, nvmlEncoderSessionInfo_t *sessions)
{
	return vnv_array(sessions, count, NULL, 0, 0);
}

nvmlReturn_t vnv_DeviceGetFBCStats(nvmlDevice_t device, nvmlFBCStats_t *stats)
{
	if (!stats)
		return NVML_ERROR_INVALID_ARGUMENT;
	memset(stats, 0, sizeof(*stats));
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetFBCSessions(nvmlDevice_t device, unsigned int *count, nvmlFBCSessionInfo_t *sessions)
{
	return vnv_array(sessions, count, NULL, 0, 0);
}

/* ---- samples ---- */

/* NVML's kind of samples → the daemon's series, and what to divide by; -1: none. */
static int series_of(nvmlSamplingType_t type, unsigned *scale)
{
	*scale = 1;
	switch (type) {
	case NVML_TOTAL_POWER_SAMPLES: return VGP_SERIES_POWER;
	case NVML_GPU_UTILIZATION_SAMPLES: return VGP_SERIES_UTIL_GPU;
	case NVML_MEMORY_UTILIZATION_SAMPLES: return VGP_SERIES_UTIL_MEMORY;
	case NVML_PROCESSOR_CLK_SAMPLES:
		*scale = 1000;
		return VGP_SERIES_CLOCK_SM;
	case NVML_MEMORY_CLK_SAMPLES:
		*scale = 1000;
		return VGP_SERIES_CLOCK_MEMORY;
	default: return -1;
	}
}

/* samples NULL: *count becomes the room that the buffer needs. */
nvmlReturn_t vnv_DeviceGetSamples(nvmlDevice_t device, nvmlSamplingType_t type, nv_u64 since, nvmlValueType_t *value_type,
				  unsigned int *count, nvmlSample_t *samples)
{
	struct vgp_mon_sample *s = NULL;
	unsigned scale, room;
	size_t n = 0;
	nvmlReturn_t r;
	int series;

	if (!value_type || !count || (unsigned)type >= NVML_SAMPLINGTYPE_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	series = series_of(type, &scale);
	if (series < 0)
		return NVML_ERROR_NOT_SUPPORTED;
	*value_type = NVML_VALUE_TYPE_UNSIGNED_INT;
	if (!samples) {
		*count = VGP_MON_SAMPLES;
		return NVML_SUCCESS;
	}
	r = vnv_result(vnv_ask_list(device, VGP_MON_SAMPLES, &(struct vnv_list){ .since = since, .arg = (uint32_t)series },
				    sizeof(*s), (void **)&s, &n));
	if (r)
		return r;
	room = *count;
	/* the newest, when not all fit */
	for (size_t i = 0, skip = n > room ? n - room : 0; i + skip < n; i++)
		samples[i] = (nvmlSample_t){ .timeStamp = s[i + skip].time_us,
					     .sampleValue.uiVal = (unsigned)(s[i + skip].value / scale) };
	free(s);
	*count = (unsigned)MIN(n, (size_t)room);
	return n ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t vnv_proc_samples(nvmlDevice_t device, nv_u64 since, struct vgp_mon_proc_sample **out, size_t *n_out)
{
	return vnv_result(vnv_ask_list(device, VGP_MON_PROC_SAMPLES, &(struct vnv_list){ .since = since }, sizeof(**out),
				       (void **)out, n_out));
}

nvmlReturn_t vnv_DeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples, unsigned int *count,
					     nv_u64 since)
{
	struct vgp_mon_proc_sample *s = NULL;
	unsigned room;
	size_t n = 0;
	nvmlReturn_t r;

	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_proc_samples(device, since, &s, &n);
	if (r)
		return r;
	room = samples ? *count : 0;
	*count = (unsigned)n;
	for (size_t i = 0; i < MIN(n, (size_t)room); i++)
		samples[i] = (nvmlProcessUtilizationSample_t){ .pid = s[i].pid, .timeStamp = s[i].time_us,
							       .smUtil = s[i].util_gpu, .memUtil = s[i].util_memory };
	free(s);
	if (!n)
		return NVML_ERROR_NOT_FOUND;
	return n > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetProcessesUtilizationInfo(nvmlDevice_t device, nvmlProcessesUtilizationInfo_t *info)
{
	struct vgp_mon_proc_sample *s = NULL;
	unsigned room;
	size_t n = 0;
	nvmlReturn_t r;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (info->version != NV_VERSION(nvmlProcessesUtilizationInfo_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = vnv_proc_samples(device, info->lastSeenTimeStamp, &s, &n);
	if (r)
		return r;
	room = info->procUtilArray ? info->processSamplesCount : 0;
	info->processSamplesCount = (unsigned)n;
	for (size_t i = 0; i < MIN(n, (size_t)room); i++)
		info->procUtilArray[i] = (nvmlProcessUtilizationInfo_v1_t){ .pid = s[i].pid, .timeStamp = s[i].time_us,
									    .smUtil = s[i].util_gpu, .memUtil = s[i].util_memory };
	free(s);
	if (!n)
		return NVML_ERROR_NOT_FOUND;
	return n > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}
