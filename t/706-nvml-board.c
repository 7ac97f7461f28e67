/*
 * 706-nvml-board.c: what boards of several models say of themselves (inforom,
 * firmware, fabric, place), and what copies carry: PCIe throughput, counters and
 * the metrics of GPM, with a program that copies.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "t/lib/holder.h"
#include "t/lib/mount.h"
#include "t/lib/nvml.h"
#include "t/lib/tap.h"

#define SUCCEEDS(call) is_int(call, NVML_SUCCESS, "%s", #call)
#define ANSWERS(ret, call) is_int(call, ret, "%s: %s", #call, #ret)
#define V2 ((unsigned)offsetof(nvmlGpuFabricInfoV_t, healthSummary) | 2u << 24)

static nvmlDevice_t h100, t4, rtx;

/* ---- boards ---- */

static void test_inforom(void)
{
	char text[NVML_GSP_FIRMWARE_VERSION_BUF_SIZE], driver[80];
	unsigned n = 0, m = 0;

	SUCCEEDS(nvmlDeviceGetInforomImageVersion(h100, text, 16));
	is_string(text, "G520.0200.00.05", "the image");
	SUCCEEDS(nvmlDeviceGetInforomVersion(h100, NVML_INFOROM_OEM, text, 16));
	is_string(text, "2.1", "the OEM object");
	SUCCEEDS(nvmlDeviceGetInforomVersion(h100, NVML_INFOROM_ECC, text, 16));
	is_string(text, "7.16", "the ECC object");
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetInforomVersion(h100, NVML_INFOROM_POWER, text, 16));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetInforomVersion(h100, 3, text, 16));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetInforomVersion(h100, NVML_INFOROM_ECC, NULL, 16));
	ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetInforomVersion(h100, NVML_INFOROM_ECC, text, 4));
	SUCCEEDS(nvmlDeviceGetGspFirmwareVersion(h100, text));
	SUCCEEDS(nvmlSystemGetDriverVersion(driver, sizeof(driver)));
	is_string(text, driver, "the firmware is the driver's");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetGspFirmwareVersion(h100, NULL));
	SUCCEEDS(nvmlDeviceGetGspFirmwareMode(h100, &n, &m));
	ok(n == 1 && m == 1, "it runs");
	SUCCEEDS(nvmlDeviceGetModuleId(h100, &n));
	is_int(n, 1, "the first module");
}

static void test_fabric(void)
{
	static const unsigned char none[16];
	nvmlGpuFabricInfo_t old;
	nvmlGpuFabricInfoV_t info = { .version = V2, .healthSummary = 77 };

	SUCCEEDS(nvmlDeviceGetGpuFabricInfo(h100, &old));
	ok(old.state == NVML_GPU_FABRIC_STATE_COMPLETED && old.status == NVML_SUCCESS && !memcmp(old.clusterUuid, none, 16),
	   "a module is registered, in no cluster");
	SUCCEEDS(nvmlDeviceGetGpuFabricInfoV(h100, &info));
	is_int(info.state, NVML_GPU_FABRIC_STATE_COMPLETED, "version 2");
	is_int(info.healthSummary, 77, "which ends before the summary");
	info.version = NV_VERSION(nvmlGpuFabricInfoV_t, 3);
	SUCCEEDS(nvmlDeviceGetGpuFabricInfoV(h100, &info));
	is_int(info.healthSummary, 0, "version 3");
	info.version = 7;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetGpuFabricInfoV(h100, &info));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetGpuFabricInfoV(h100, NULL));
	info.version = V2;
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetGpuFabricInfoV(t4, &info));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetGpuFabricInfo(t4, &old));
}

/* ---- confidential computing: off ---- */

static void test_conf(void)
{
	nvmlSystemConfComputeSettings_t s = { .version = NV_VERSION(nvmlSystemConfComputeSettings_t, 1), .ccFeature = 7, .environment = 7 };
	nvmlConfComputeSystemState_t state = { 7, 7, 7 };
	nvmlConfComputeSystemCaps_t caps = { 7, 7 };
	nvmlConfComputeMemSizeInfo_t size = { 7, 7 };
	nvmlMemory_t mem;

	SUCCEEDS(nvmlSystemGetConfComputeCapabilities(&caps));
	ok(!caps.cpuCaps && !caps.gpusCaps, "nothing can do it");
	SUCCEEDS(nvmlSystemGetConfComputeState(&state));
	ok(!state.environment && !state.ccFeature && !state.devToolsMode, "it is off");
	SUCCEEDS(nvmlSystemGetConfComputeSettings(&s));
	ok(!s.environment && !s.ccFeature && !s.multiGpuMode, "wherever it is asked for");
	s.version = 7;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlSystemGetConfComputeSettings(&s));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlSystemGetConfComputeState(NULL));
	SUCCEEDS(nvmlDeviceGetMemoryInfo(h100, &mem));
	SUCCEEDS(nvmlDeviceGetConfComputeMemSizeInfo(h100, &size));
	ok(!size.protectedMemSizeKib && size.unprotectedMemSizeKib == mem.total >> 10, "no memory is protected");
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetConfComputeMemSizeInfo(t4, &size));
}

/* ---- fans ---- */

static void test_fans(void)
{
	unsigned n = 0, low = 0, high = 0, v = 0;
	nvmlFanControlPolicy_t policy = 7;

	SUCCEEDS(nvmlDeviceGetNumFans(rtx, &n));
	is_int(n, 2, "a board with fans");
	SUCCEEDS(nvmlDeviceGetMinMaxFanSpeed(rtx, &low, &high));
	SUCCEEDS(nvmlDeviceGetFanControlPolicy_v2(rtx, 1, &policy));
	is_int(policy, NVML_FAN_POLICY_TEMPERATURE_CONTINOUS_SW, "they follow the temperature");
	SUCCEEDS(nvmlDeviceSetFanSpeed_v2(rtx, 0, 77));
	SUCCEEDS(nvmlDeviceGetFanSpeed_v2(rtx, 1, &v));
	is_int(v, 77, "or what is set");
	SUCCEEDS(nvmlDeviceGetTargetFanSpeed(rtx, 0, &v));
	is_int(v, 77, "the target");
	SUCCEEDS(nvmlDeviceGetFanControlPolicy_v2(rtx, 0, &policy));
	is_int(policy, NVML_FAN_POLICY_MANUAL, "by hand");
	SUCCEEDS(nvmlDeviceSetFanControlPolicy(rtx, 0, NVML_FAN_POLICY_MANUAL));
	SUCCEEDS(nvmlDeviceGetFanSpeed(rtx, &v));
	is_int(v, 77, "which changes nothing");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetFanSpeed_v2(rtx, 0, low - 1));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetFanSpeed_v2(rtx, 0, high + 1));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetFanSpeed_v2(rtx, 0, 0));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetFanSpeed_v2(rtx, 2, 50));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetFanControlPolicy(rtx, 0, 2));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetFanControlPolicy_v2(rtx, 2, &policy));
	SUCCEEDS(nvmlDeviceSetDefaultFanSpeed_v2(rtx, 0));
	SUCCEEDS(nvmlDeviceGetFanControlPolicy_v2(rtx, 0, &policy));
	is_int(policy, NVML_FAN_POLICY_TEMPERATURE_CONTINOUS_SW, "automatic again");
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceSetFanSpeed_v2(h100, 0, 50));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceSetFanSpeed_v2(h100, 0, 0));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceSetDefaultFanSpeed_v2(h100, 0));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetFanControlPolicy_v2(h100, 0, &policy));
}

/* ---- traffic ---- */

static unsigned rate(nvmlDevice_t d, nvmlPcieUtilCounter_t what)
{
	unsigned v = 0;

	return nvmlDeviceGetPcieThroughput(d, what, &v) ? 0 : v;
}

static nv_u64 field(nvmlDevice_t d, unsigned id)
{
	nvmlFieldValue_t f = { .fieldId = id };

	return nvmlDeviceGetFieldValues(d, 1, &f) || f.nvmlReturn ? 0 : f.value.ullVal;
}

/* Counters move once a second, and on a busy machine there may be a second without any copy: until both have. */
static void test_rates(void)
{
	unsigned rx = 0, tx = 0;

	for (int i = 0; i < 600 && !(rx && tx); i++) {
		usleep(100000);
		rx = rate(h100, NVML_PCIE_UTIL_RX_BYTES);
		tx = rate(h100, NVML_PCIE_UTIL_TX_BYTES);
	}
	ok(rx > 0, "copies to the device are seen: %u KB/s", rx);
	ok(tx > 0, "copies from the device are seen: %u KB/s", tx);
}

static void test_gpm_metrics(nvmlGpmSample_t a, nvmlGpmSample_t b)
{
	static const unsigned ids[] = { NVML_GPM_METRIC_PCIE_RX_PER_SEC, NVML_GPM_METRIC_PCIE_TX_PER_SEC, NVML_GPM_METRIC_GRAPHICS_UTIL,
					NVML_GPM_METRIC_NVDEC_0_UTIL, 2 };
	union {
		nvmlGpmMetricsGet_t get;
		char room[sizeof(nvmlGpmMetricsGet_t) + 5 * sizeof(nvmlGpmMetric_t)];
	} q = { .get = { .version = 1, .numMetrics = 5, .sample1 = a, .sample2 = b } };
	nvmlGpmMetric_t *m = q.get.metrics;

	for (unsigned i = 0; i < 5; i++)
		m[i] = (nvmlGpmMetric_t){ .metricId = ids[i], .value = -1 };
	for (int i = 0; i < 600; i++) {
		if (nvmlGpmMetricsGet(&q.get) || (m[0].value > 0 && m[1].value > 0))
			break;
		usleep(100000);
		nvmlGpmSampleGet(h100, b);
	}
	SUCCEEDS(nvmlGpmMetricsGet(&q.get));
	ok(m[0].nvmlReturn == NVML_SUCCESS && m[0].value > 0, "copies to the device: %.1f MiB/s", m[0].value);
	ok(m[1].nvmlReturn == NVML_SUCCESS && m[1].value > 0, "from the device: %.1f MiB/s", m[1].value);
	ok(m[2].nvmlReturn == NVML_SUCCESS && m[2].value >= 0 && m[2].value <= 100, "load: %.1f %%", m[2].value);
	ok(m[0].metricInfo.unit && !strcmp(m[0].metricInfo.unit, "MiB/sec"), "with their unit");
	ok(m[3].nvmlReturn == NVML_SUCCESS && m[3].value == 0, "a decoder is at rest");
	is_int(m[4].nvmlReturn, NVML_ERROR_NOT_SUPPORTED, "multiprocessors can't be told apart");
	q.get.version = 2;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlGpmMetricsGet(&q.get));
	q.get.version = 1;
	q.get.sample2 = a;
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpmMetricsGet(&q.get));
	q.get.sample2 = NULL;
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpmMetricsGet(&q.get));
	ok(m[4].nvmlReturn == NVML_ERROR_INVALID_ARGUMENT && m[4].metricInfo.shortName, "without samples names are told, and no values");
}

static void test_gpm(void)
{
	nvmlGpmSample_t a = NULL, b = NULL;
	nvmlGpmSupport_t gpm = { .version = 1 };
	unsigned state = 7;

	SUCCEEDS(nvmlGpmQueryDeviceSupport(h100, &gpm));
	is_int(gpm.isSupportedDevice, 1, "Hopper has GPM");
	SUCCEEDS(nvmlGpmQueryDeviceSupport(t4, &gpm));
	is_int(gpm.isSupportedDevice, 0, "Turing has not");
	SUCCEEDS(nvmlGpmQueryIfStreamingEnabled(h100, &state));
	is_int(state, 0, "nothing streams");
	SUCCEEDS(nvmlGpmSampleAlloc(&a));
	SUCCEEDS(nvmlGpmSampleAlloc(&b));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpmSampleAlloc(NULL));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlGpmSampleGet(t4, a));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpmSampleGet(h100, NULL));
	SUCCEEDS(nvmlGpmSampleGet(h100, a));
	usleep(20000);
	SUCCEEDS(nvmlGpmSampleGet(h100, b));
	test_gpm_metrics(a, b);
	diag("samples more than a few seconds apart");
	sleep(3);
	SUCCEEDS(nvmlGpmSampleGet(h100, b));
	test_gpm_metrics(a, b);
	SUCCEEDS(nvmlGpmSampleFree(a));
	SUCCEEDS(nvmlGpmSampleFree(b));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpmSampleFree(NULL));
}

static void test_traffic(void)
{
	struct holder hold;
	unsigned v = 1;
	nv_u64 out;

	SUCCEEDS(nvmlDeviceGetPcieThroughput(h100, NVML_PCIE_UTIL_TX_BYTES, &v));
	is_int(v, 0, "nothing is copied");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetPcieThroughput(h100, NVML_PCIE_UTIL_COUNT, &v));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetPcieThroughput(h100, NVML_PCIE_UTIL_TX_BYTES, NULL));
	is_int((long long)field(h100, 197), 0, "nothing was");
	if (!holder_start_as(&hold, 0, 4, "copy"))
		bail("the CUDA program does not start: %s", hold.said);
	test_rates();
	out = field(h100, 197);
	ok(out > 0 && field(h100, 198) > out, "counters, too; more is written than read");
	is_int(rate(t4, NVML_PCIE_UTIL_RX_BYTES), 0, "not on the other device");
	test_conf();
	test_fans();
	test_gpm();
	ok(holder_end(&hold), "the program ends well");
}

int main(void)
{
	const struct test_mount *m = test_mount_of((const char *const[]){ "H100", "T4", "RTX4090" }, 3);

	setenv("VGPU_PATH", m->mnt, 1);
	plan_lazy();
	SUCCEEDS(nvmlInit_v2());
	SUCCEEDS(nvmlDeviceGetHandleByIndex_v2(0, &h100));
	SUCCEEDS(nvmlDeviceGetHandleByIndex_v2(1, &t4));
	SUCCEEDS(nvmlDeviceGetHandleByIndex_v2(2, &rtx));
	test_inforom();
	test_fabric();
	test_traffic();
	SUCCEEDS(nvmlShutdown());
	return 0;
}
