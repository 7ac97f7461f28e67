/* vnv_account.c: what processes used a device for, in accounting mode. */
#include <stdlib.h>

#include "libnvml-vgpu/vnv.h"

static nvmlReturn_t fetch(nvmlDevice_t device, unsigned pid, struct vgp_mon_acct **out, size_t *n_out)
{
	const struct vnv_list in = { .arg = pid };
	const struct vgp_telemetry *l;
	nvmlReturn_t r = vnv_live(device, VNV_RECENT, &l);

	if (r)
		return r;
	if (!l->accounting_mode)
		return NVML_ERROR_NOT_SUPPORTED;
	return vnv_result(vnv_ask_list(device, VGP_MON_ACCT, &in, sizeof(**out), (void **)out, n_out));
}

nvmlReturn_t vnv_DeviceGetAccountingPids(nvmlDevice_t device, unsigned int *count, unsigned int *pids)
{
	struct vgp_mon_acct *a = NULL;
	unsigned room;
	size_t n = 0;
	nvmlReturn_t r;

	if (!count || (*count && !pids))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = fetch(device, 0, &a, &n);
	/* with accounting off nothing is known of anybody */
	if (r == NVML_ERROR_NOT_SUPPORTED)
		r = NVML_SUCCESS;
	if (r)
		return r;
	room = *count;
	*count = (unsigned)n;
	for (size_t i = 0; i < MIN(n, (size_t)room); i++)
		pids[i] = a[i].pid;
	free(a);
	return n > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

/* The latest record of a pid: numbers are used again. */
static nvmlReturn_t latest(nvmlDevice_t device, unsigned pid, struct vgp_mon_acct *out)
{
	struct vgp_mon_acct *a = NULL;
	size_t n = 0;
	nvmlReturn_t r;

	memset(out, 0, sizeof(*out));
	if (!pid)
		return NVML_ERROR_NOT_FOUND;
	r = fetch(device, pid, &a, &n);
	if (r)
		return r;
	if (n)
		*out = a[n - 1];
	free(a);
	return n ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t vnv_DeviceGetAccountingStats(nvmlDevice_t device, unsigned int pid, nvmlAccountingStats_t *stats)
{
	struct vgp_mon_acct a;
	nvmlReturn_t r;

	if (!stats)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = latest(device, pid, &a);
	if (!r)
		*stats = (nvmlAccountingStats_t){ .gpuUtilization = a.util_gpu, .memoryUtilization = a.util_memory,
						  .maxMemoryUsage = a.memory_max, .time = a.running ? 0 : a.time_ms,
						  .startTime = a.start_us, .isRunning = a.running };
	return r;
}

/* Load is sampled once a second, so a process has as many samples as it has seconds; sums are in hundredths of a percent. */
nvmlReturn_t vnv_DeviceGetAccountingStats_v2(nvmlDevice_t device, nvmlAccountingStats_v2_t *stats)
{
	struct vgp_mon_acct a;
	uint64_t seconds;
	nvmlReturn_t r;

	if (!stats)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = latest(device, stats->pid, &a);
	if (r)
		return r;
	seconds = (a.running ? (device->gpu->live.time_us - MIN(device->gpu->live.time_us, a.start_us)) / 1000 : a.time_ms) / 1000;
	*stats = (nvmlAccountingStats_v2_t){ .pid = stats->pid, .isRunning = a.running, .gpuUtilization = a.util_gpu,
					     .memoryUtilization = a.util_memory, .maxMemoryUsage = a.memory_max,
					     .sampleCount = (unsigned)seconds, .sumGpuUtil = seconds * a.util_gpu * 100,
					     .sumFbUtil = seconds * a.util_memory * 100, .time = a.running ? 0 : a.time_ms,
					     .startTime = a.start_us };
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceClearAccountingPids(nvmlDevice_t device)
{
	struct vgp_mon_set q = { .what = VGP_SET_CLEAR_ACCT };

	return vnv_result(vnv_ask(device->gpu, VGP_MON_SET, &q, sizeof(q)));
}
