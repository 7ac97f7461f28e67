/*
 * vnv_clock.c: clocks, in MHz. The daemon says what they are; which ones can be
 * asked for follows from the lowest and highest ones by steps (vgp_mon.h).
 */
#include "libnvml-vgpu/vnv.h"

static unsigned mhz(uint64_t khz)
{
	return (unsigned)(khz / 1000);
}

static uint64_t now_khz(const struct vgp_telemetry *l, nvmlClockType_t type)
{
	switch (type) {
	case NVML_CLOCK_MEM: return l->clock_memory_khz;
	case NVML_CLOCK_VIDEO: return l->clock_video_khz;
	default: return l->clock_sm_khz;
	}
}

static uint64_t max_khz(const struct vgp_telemetry *l, nvmlClockType_t type)
{
	switch (type) {
	case NVML_CLOCK_MEM: return l->clock_memory_max_khz;
	case NVML_CLOCK_VIDEO: return l->clock_video_max_khz;
	default: return l->clock_sm_max_khz;
	}
}

static nvmlReturn_t app_khz(const struct vgp_telemetry *l, nvmlClockType_t type, bool dflt, uint64_t *khz)
{
	switch (type) {
	case NVML_CLOCK_MEM:
		*khz = dflt ? l->app_clock_memory_default_khz : l->app_clock_memory_khz;
		return NVML_SUCCESS;
	case NVML_CLOCK_GRAPHICS:
	case NVML_CLOCK_SM:
		*khz = dflt ? l->app_clock_sm_default_khz : l->app_clock_sm_khz;
		return NVML_SUCCESS;
	default:
		return NVML_ERROR_NOT_SUPPORTED;
	}
}

nvmlReturn_t vnv_DeviceGetClock(nvmlDevice_t device, nvmlClockType_t type, nvmlClockId_t id, unsigned int *clock)
{
	const struct vgp_telemetry *l;
	uint64_t khz = 0;
	nvmlReturn_t r;

	if (!clock || (unsigned)type >= NVML_CLOCK_COUNT || (unsigned)id >= NVML_CLOCK_ID_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	switch (id) {
	case NVML_CLOCK_ID_CURRENT:
		khz = now_khz(l, type);
		break;
	case NVML_CLOCK_ID_CUSTOMER_BOOST_MAX:
		khz = max_khz(l, type);
		break;
	default:
		r = app_khz(l, type, id == NVML_CLOCK_ID_APP_CLOCK_DEFAULT, &khz);
		break;
	}
	if (!r)
		*clock = mhz(khz);
	return r;
}

nvmlReturn_t vnv_DeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	return vnv_DeviceGetClock(device, type, NVML_CLOCK_ID_CURRENT, clock);
}

nvmlReturn_t vnv_DeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	return vnv_DeviceGetClock(device, type, NVML_CLOCK_ID_CUSTOMER_BOOST_MAX, clock);
}

nvmlReturn_t vnv_DeviceGetMaxCustomerBoostClock(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	return vnv_DeviceGetClock(device, type, NVML_CLOCK_ID_CUSTOMER_BOOST_MAX, clock);
}

nvmlReturn_t vnv_DeviceGetApplicationsClock(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	return vnv_DeviceGetClock(device, type, NVML_CLOCK_ID_APP_CLOCK_TARGET, clock);
}

nvmlReturn_t vnv_DeviceGetDefaultApplicationsClock(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	return vnv_DeviceGetClock(device, type, NVML_CLOCK_ID_APP_CLOCK_DEFAULT, clock);
}

/* ---- what can be asked for ---- */

/* Highest first. Answers how many; out (of room entries) gets the first of them. */
static unsigned steps(uint64_t min_khz, uint64_t maximum_khz, unsigned *out, unsigned room)
{
	unsigned n = 0;

	for (unsigned c = mhz(maximum_khz); c && c >= mhz(min_khz); c = c > VGP_CLOCK_STEP_MHZ ? c - VGP_CLOCK_STEP_MHZ : 0) {
		if (n < room)
			out[n] = c;
		n++;
	}
	return n;
}

static nvmlReturn_t answer(unsigned *count, unsigned *clocks, unsigned n)
{
	bool fits = n <= *count && clocks;

	*count = n;
	return fits ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}

nvmlReturn_t vnv_DeviceGetSupportedMemoryClocks(nvmlDevice_t device, unsigned int *count, unsigned int *clocks)
{
	const struct vgp_telemetry *l;
	unsigned list[2], n = 0;
	nvmlReturn_t r;

	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	list[n++] = mhz(l->clock_memory_max_khz);
	if (mhz(l->clock_memory_min_khz) && mhz(l->clock_memory_min_khz) != list[0])
		list[n++] = mhz(l->clock_memory_min_khz);
	if (clocks)
		memcpy(clocks, list, MIN(n, *count) * sizeof(*clocks));
	return answer(count, clocks, n);
}

nvmlReturn_t vnv_DeviceGetSupportedGraphicsClocks(nvmlDevice_t device, unsigned int memory, unsigned int *count,
						  unsigned int *clocks)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	if (memory != mhz(l->clock_memory_max_khz) && memory != mhz(l->clock_memory_min_khz))
		return NVML_ERROR_NOT_FOUND;
	return answer(count, clocks, steps(l->clock_sm_min_khz, l->clock_sm_max_khz, clocks, clocks ? *count : 0));
}

static bool has_state(nvmlPstates_t p)
{
	return p == NVML_PSTATE_0 || p == NVML_PSTATE_8;
}

nvmlReturn_t vnv_DeviceGetSupportedPerformanceStates(nvmlDevice_t device, nvmlPstates_t *states, unsigned int size)
{
	static const nvmlPstates_t all[] = { NVML_PSTATE_0, NVML_PSTATE_8 };
	unsigned n = size / (unsigned)sizeof(*states);

	if (!states)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; i < n; i++)
		states[i] = i < ARRAY_SIZE(all) ? all[i] : NVML_PSTATE_UNKNOWN;
	return n < ARRAY_SIZE(all) ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetMinMaxClockOfPState(nvmlDevice_t device, nvmlClockType_t type, nvmlPstates_t pstate,
					      unsigned int *lowest, unsigned int *highest)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!lowest || !highest || (unsigned)type >= NVML_CLOCK_COUNT || !has_state(pstate))
		return NVML_ERROR_INVALID_ARGUMENT;
	if (type == NVML_CLOCK_VIDEO)
		return NVML_ERROR_NOT_SUPPORTED;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	*lowest = mhz(type == NVML_CLOCK_MEM ? l->clock_memory_min_khz : l->clock_sm_min_khz);
	*highest = mhz(max_khz(l, type));
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetDynamicPstatesInfo(nvmlDevice_t device, nvmlGpuDynamicPstatesInfo_t *info)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	memset(info, 0, sizeof(*info));
	info->utilization[0].bIsPresent = info->utilization[1].bIsPresent = 1;
	info->utilization[0].percentage = (unsigned)l->util_gpu;
	info->utilization[1].percentage = (unsigned)l->util_memory;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetViolationStatus(nvmlDevice_t device, nvmlPerfPolicyType_t policy, nvmlViolationTime_t *time)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!time || (unsigned)policy >= NVML_PERF_POLICY_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (policy != NVML_PERF_POLICY_POWER && policy != NVML_PERF_POLICY_THERMAL)
		return NVML_ERROR_NOT_SUPPORTED;
	r = vnv_live(device, VNV_RECENT, &l);
	if (r)
		return r;
	time->referenceTime = l->time_us;
	time->violationTime = policy == NVML_PERF_POLICY_POWER ? l->violation_power_ns : l->violation_thermal_ns;
	return NVML_SUCCESS;
}
