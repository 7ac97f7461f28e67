/*
 * 703-nvml-live.c: live values, with a CUDA program at work: memory to the byte,
 * processes in all versions of their lists, load, clocks, power, samples, field
 * values that agree with getters; event sets block for their timeout and no
 * longer; a daemon that dies is not noticed.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "protocol/vgp_mon.h"
#include "t/lib/holder.h"
#include "t/lib/mount.h"
#include "t/lib/nvml.h"
#include "t/lib/tap.h"
#include "transport/transport.h"

#define MIB (1ull << 20)
#define SUCCEEDS(call) is_int(call, NVML_SUCCESS, "%s", #call)
#define ANSWERS(ret, call) is_int(call, ret, "%s: %s", #call, #ret)

static struct vgpu_device table[VGPU_MAX_DEVICES];
static nvmlDevice_t dev[2];
static struct holder hold;   /* a CUDA program beside us */

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- values ---- */

static unsigned number(nvmlReturn_t (*get)(nvmlDevice_t, unsigned *), nvmlDevice_t d, const char *what)
{
	unsigned v = 0xdeadbeef;

	is_int(get(d, &v), NVML_SUCCESS, "%s", what);
	is_int(get(d, NULL), NVML_ERROR_INVALID_ARGUMENT, "%s to nowhere", what);
	return v;
}

static unsigned clock_now(nvmlDevice_t d, nvmlClockType_t type)
{
	unsigned v = 0;

	is_int(nvmlDeviceGetClockInfo(d, type, &v), NVML_SUCCESS, "clock %d", (int)type);
	return v;
}

static void test_idle(void)
{
	const struct vgpu_device *d = &table[0];
	nvmlMemory_v2_t m2 = { .version = NV_VERSION(nvmlMemory_v2_t, 2) };
	nvmlUtilization_t u;
	nvmlBAR1Memory_t bar1;
	nvmlPstates_t p;
	nvmlMemory_t m;
	nv_u64 reasons;
	unsigned n = 0;

	SUCCEEDS(nvmlDeviceGetMemoryInfo(dev[0], &m));
	is_int((long long)m.total, (long long)d->memory_total, "memory is what the table says");
	is_int((long long)m.used, 0, "none of it is used");
	is_int((long long)m.free, (long long)d->memory_total, "all is free");
	SUCCEEDS(nvmlDeviceGetMemoryInfo_v2(dev[0], &m2));
	is_int((long long)m2.total, (long long)m.total, "the second version agrees");
	m2.version = NV_VERSION(nvmlMemory_v2_t, 3);
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetMemoryInfo_v2(dev[0], &m2));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetMemoryInfo(dev[0], NULL));
	SUCCEEDS(nvmlDeviceGetBAR1MemoryInfo(dev[0], &bar1));
	is_int((long long)bar1.bar1Total, (long long)d->bar1_total, "BAR1");
	is_int((long long)(bar1.bar1Free + bar1.bar1Used), (long long)bar1.bar1Total, "its parts are the whole");
	SUCCEEDS(nvmlDeviceGetUtilizationRates(dev[0], &u));
	is_int(u.gpu, 0, "idle");
	SUCCEEDS(nvmlDeviceGetPerformanceState(dev[0], &p));
	is_int(p, NVML_PSTATE_8, "P8");
	SUCCEEDS(nvmlDeviceGetCurrentClocksEventReasons(dev[0], &reasons));
	is_hex(reasons, nvmlClocksEventReasonGpuIdle, "clocks are low because it is idle");
	ok(clock_now(dev[0], NVML_CLOCK_SM) < d->clock_khz / 1000, "they are low");
	is_int(number(nvmlDeviceGetPowerUsage, dev[0], "power"), (long long)d->power_idle_mw, "power at no load");
	is_int(number(nvmlDeviceGetPowerManagementLimit, dev[0], "limit"), (long long)d->power_limit_mw, "power limit");
	is_int(number(nvmlDeviceGetEnforcedPowerLimit, dev[0], "enforced"), (long long)d->power_limit_mw, "enforced limit");
	is_int(number(nvmlDeviceGetPowerManagementDefaultLimit, dev[0], "default"), (long long)d->power_limit_mw, "default limit");
	SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(dev[0], &n, NULL));
	is_int(n, 0, "nobody is there");
	is_int(number(nvmlDeviceGetCurrPcieLinkGeneration, dev[0], "link"), (long long)d->pcie_gen, "PCIe generation");
	is_int(number(nvmlDeviceGetCurrPcieLinkWidth, dev[0], "lanes"), (long long)d->pcie_width, "PCIe lanes");
}

static void test_clock_lists(void)
{
	unsigned n = 0, memory[8], sm[512], lowest, highest;

	ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetSupportedMemoryClocks(dev[0], &n, NULL));
	ok(n > 0 && n <= 8, "%u memory clocks", n);
	SUCCEEDS(nvmlDeviceGetSupportedMemoryClocks(dev[0], &n, memory));
	is_int(memory[0], (long long)table[0].memory_clock_khz / 1000, "the highest is the profile's");
	n = 512;
	SUCCEEDS(nvmlDeviceGetSupportedGraphicsClocks(dev[0], memory[0], &n, sm));
	is_int(sm[0], (long long)table[0].clock_khz / 1000, "the highest SM clock, too");
	for (unsigned i = 1; i < n; i++)
		if (sm[i] >= sm[i - 1])
			ok(false, "SM clocks fall");
	n = 3;
	sm[3] = 7;
	ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetSupportedGraphicsClocks(dev[0], memory[0], &n, sm));
	ok(n > 3 && sm[3] == 7, "no more is written than there is room");
	n = 512;
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetSupportedGraphicsClocks(dev[0], 1, &n, sm));
	SUCCEEDS(nvmlDeviceGetMinMaxClockOfPState(dev[0], NVML_CLOCK_SM, NVML_PSTATE_0, &lowest, &highest));
	is_int(highest, sm[0], "highest clock of P0");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetMinMaxClockOfPState(dev[0], NVML_CLOCK_SM, NVML_PSTATE_15, &lowest, &highest));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetClockInfo(dev[0], NVML_CLOCK_COUNT, &n));
}

static void test_processes(void)
{
	nvmlProcessDetailList_t list = { .version = NV_VERSION(nvmlProcessDetailList_t, 1), .mode = NVML_PROCESS_MODE_COMPUTE };
	nvmlProcessDetail_v1_t detail[4];
	nvmlProcessInfo_v1_t v1[4];
	nvmlProcessInfo_v2_t v2[4];
	nvmlProcessInfo_t v3[4];
	unsigned n = 0;

	ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetComputeRunningProcesses_v3(dev[0], &n, NULL));
	is_int(n, 1, "one process");
	n = 4;
	SUCCEEDS(nvmlDeviceGetComputeRunningProcesses(dev[0], &n, v1));
	ok(n == 1 && v1[0].pid == (unsigned)hold.pid && v1[0].usedGpuMemory == 64 * MIB, "its pid and memory, 16 bytes an entry");
	n = 4;
	SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v2(dev[0], &n, v2));
	ok(n == 1 && v2[0].pid == (unsigned)hold.pid && v2[0].usedGpuMemory == 64 * MIB, "the second version");
	n = 4;
	SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(dev[0], &n, v3));
	ok(n == 1 && v3[0].pid == (unsigned)hold.pid && v3[0].usedGpuMemory == 64 * MIB, "the third");
	is_hex(v3[0].gpuInstanceId, 0xffffffff, "on no GPU instance");
	n = 4;
	SUCCEEDS(nvmlDeviceGetGraphicsRunningProcesses_v3(dev[0], &n, v3));
	is_int(n, 0, "no graphics");
	n = 4;
	SUCCEEDS(nvmlDeviceGetMPSComputeRunningProcesses_v3(dev[0], &n, v3));
	is_int(n, 0, "no MPS");
	n = 4;
	SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(dev[1], &n, v3));
	is_int(n, 0, "nobody on the other device");
	ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetRunningProcessDetailList(dev[0], &list));
	is_int(list.numProcArrayEntries, 1, "the detailed list has one");
	list.procArray = detail;
	SUCCEEDS(nvmlDeviceGetRunningProcessDetailList(dev[0], &list));
	ok(detail[0].pid == (unsigned)hold.pid && detail[0].usedGpuMemory == 64 * MIB, "the same one");
	list.mode = 9;
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetRunningProcessDetailList(dev[0], &list));
	list.mode = 0;
	list.version = 24;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetRunningProcessDetailList(dev[0], &list));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetComputeRunningProcesses_v3(dev[0], NULL, v3));
}

/* Waits until kernels have run for a whole second of measuring. */
static void wait_for_load(void)
{
	double end = seconds() + 30;
	nvmlUtilization_t u = { 0, 0 };

	while (seconds() < end && u.gpu < 20) {
		usleep(100000);
		if (nvmlDeviceGetUtilizationRates(dev[0], &u))
			break;
	}
	ok(u.gpu >= 20 && u.gpu <= 100, "load is measured: %u %%", u.gpu);
}

static void test_load(void)
{
	nvmlProcessUtilizationSample_t use[8];
	nvmlSample_t s[VGP_MON_SAMPLES];
	nvmlUtilization_t other;
	unsigned n = 0, type = 99;
	nvmlPstates_t p;
	nv_u64 e1, e2;

	SUCCEEDS(nvmlDeviceGetTotalEnergyConsumption(dev[0], &e1));
	wait_for_load();
	SUCCEEDS(nvmlDeviceGetUtilizationRates(dev[1], &other));
	is_int(other.gpu, 0, "the other device is idle");
	SUCCEEDS(nvmlDeviceGetPerformanceState(dev[0], &p));
	is_int(p, NVML_PSTATE_0, "P0");
	is_int(clock_now(dev[0], NVML_CLOCK_SM), (long long)table[0].clock_khz / 1000, "the SM clock is the profile's");
	ok(number(nvmlDeviceGetPowerUsage, dev[0], "power") > table[0].power_idle_mw, "it draws more than at no load");
	SUCCEEDS(nvmlDeviceGetTotalEnergyConsumption(dev[0], &e2));
	ok(e2 > e1, "energy grows");
	SUCCEEDS(nvmlDeviceGetSamples(dev[0], NVML_GPU_UTILIZATION_SAMPLES, 0, &type, &n, NULL));
	ok(n >= 1 && n <= VGP_MON_SAMPLES, "room for %u samples is needed", n);
	SUCCEEDS(nvmlDeviceGetSamples(dev[0], NVML_GPU_UTILIZATION_SAMPLES, 0, &type, &n, s));
	is_int(type, NVML_VALUE_TYPE_UNSIGNED_INT, "samples are numbers");
	ok(n >= 1, "%u samples", n);
	for (unsigned i = 1; i < n; i++)
		if (s[i].timeStamp <= s[i - 1].timeStamp)
			ok(false, "time goes on from sample to sample");
	ok(n && s[n - 1].sampleValue.uiVal > 0, "the last one shows load");
	if (n) {
		nv_u64 last = s[n - 1].timeStamp;

		n = VGP_MON_SAMPLES;
		is_int(nvmlDeviceGetSamples(dev[0], NVML_GPU_UTILIZATION_SAMPLES, last + 3600000000ull, &type, &n, s),
		       NVML_ERROR_NOT_FOUND, "none from the future");
	}
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetSamples(dev[0], NVML_ENC_UTILIZATION_SAMPLES, 0, &type, &n, s));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetSamples(dev[0], NVML_SAMPLINGTYPE_COUNT, 0, &type, &n, s));
	n = 8;
	SUCCEEDS(nvmlDeviceGetProcessUtilization(dev[0], use, &n, 0));
	ok(n == 1 && use[0].pid == (unsigned)hold.pid && use[0].smUtil > 0, "the load is that process'");
	n = 8;
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetProcessUtilization(dev[1], use, &n, 0));
}

static void test_fields(void)
{
	nvmlFieldValue_t f[] = { { .fieldId = 189 }, { .fieldId = 83 }, { .fieldId = 91 }, { .fieldId = 9999 },
				 { .fieldId = 189, .scopeId = NVML_POWER_SCOPE_MODULE }, { .fieldId = 188 } };
	nv_u64 energy;

	SUCCEEDS(nvmlDeviceGetFieldValues(dev[0], 6, f));
	is_int(f[0].nvmlReturn, NVML_SUCCESS, "default power limit as a field");
	is_int(f[0].value.uiVal, (long long)table[0].power_limit_mw, "is the table's");
	is_int(f[0].valueType, NVML_VALUE_TYPE_UNSIGNED_INT, "a number of 32 bits");
	SUCCEEDS(nvmlDeviceGetTotalEnergyConsumption(dev[0], &energy));
	ok(f[1].valueType == NVML_VALUE_TYPE_UNSIGNED_LONG_LONG && f[1].value.ullVal <= energy, "energy, of 64 bits");
	ok(f[2].nvmlReturn == NVML_SUCCESS && f[2].value.uiVal == 0, "no NVLinks");
	is_int(f[3].nvmlReturn, NVML_ERROR_NOT_SUPPORTED, "a field that isn't there says so");
	is_int(f[4].nvmlReturn, NVML_ERROR_NOT_SUPPORTED, "so does the module's power");
	is_int(f[5].value.uiVal, (long long)table[0].power_limit_mw, "what comes behind is right");
	ok(f[0].timestamp > 0, "values have a time");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetFieldValues(dev[0], 0, f));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetFieldValues(dev[0], 1, NULL));
}

static void test_thermal(void)
{
	nvmlTemperature_t v = { .version = NV_VERSION(nvmlTemperature_t, 1) };
	nvmlGpuThermalSettings_t settings;
	unsigned t = 0, stop = 0;

	SUCCEEDS(nvmlDeviceGetTemperature(dev[0], NVML_TEMPERATURE_GPU, &t));
	ok(t >= table[0].temp_idle_c && t <= table[0].temp_load_c, "%u °C", t);
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetTemperature(dev[0], 1, &t));
	SUCCEEDS(nvmlDeviceGetTemperatureV(dev[0], &v));
	v.version = 0;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetTemperatureV(dev[0], &v));
	SUCCEEDS(nvmlDeviceGetTemperatureThreshold(dev[0], NVML_TEMPERATURE_THRESHOLD_SHUTDOWN, &stop));
	is_int(stop, (long long)table[0].temp_shutdown_c, "shutdown threshold");
	SUCCEEDS(nvmlDeviceGetTemperatureThreshold(dev[0], NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, &stop));
	is_int(stop, (long long)table[0].temp_slowdown_c, "slowdown threshold");
	SUCCEEDS(nvmlDeviceGetThermalSettings(dev[0], 0, &settings));
	is_int(settings.count, 1, "one sensor");
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetFanSpeed(dev[0], &t));
}

/* ---- events ---- */

static void test_event_wait(void)
{
	unsigned long long types = 0;
	struct rusage before, after;
	nvmlEventSet_t set = NULL;
	nvmlEventData_t data;
	double t, cpu;

	SUCCEEDS(nvmlDeviceGetSupportedEventTypes(dev[0], &types));
	ok(types & nvmlEventTypeXidCriticalError, "Xids are told");
	SUCCEEDS(nvmlEventSetCreate(&set));
	SUCCEEDS(nvmlDeviceRegisterEvents(dev[0], nvmlEventTypeXidCriticalError, set));
	SUCCEEDS(nvmlDeviceRegisterEvents(dev[1], nvmlEventTypeXidCriticalError, set));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceRegisterEvents(dev[0], 1ull << 60, set));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceRegisterEvents(dev[0], 8, NULL));
	getrusage(RUSAGE_SELF, &before);
	t = seconds();
	ANSWERS(NVML_ERROR_TIMEOUT, nvmlEventSetWait_v2(set, &data, 700));
	t = seconds() - t;
	getrusage(RUSAGE_SELF, &after);
	cpu = (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec) * 1e-6 +
	      (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec);
	ok(t >= 0.69, "waiting takes the whole timeout: %.3f s", t);
	ok(cpu < t / 4, "and sleeps: %.3f s of processor time", cpu);
	ANSWERS(NVML_ERROR_TIMEOUT, nvmlEventSetWait(set, &data, 0));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlEventSetWait_v2(set, NULL, 0));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlEventSetWait_v2(NULL, &data, 0));
	SUCCEEDS(nvmlEventSetFree(set));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlEventSetFree(set));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlEventSetWait_v2(set, &data, 0));
}

static void *wait_main(void *arg)
{
	nvmlEventData_t data;

	return (void *)(long)nvmlEventSetWait_v2(arg, &data, 60000);
}

static void test_event_free(void)
{
	nvmlEventSet_t set;
	pthread_t thread;
	double t = seconds();
	void *r;

	SUCCEEDS(nvmlEventSetCreate(&set));
	SUCCEEDS(nvmlDeviceRegisterEvents(dev[0], nvmlEventTypeXidCriticalError, set));
	pthread_create(&thread, NULL, wait_main, set);
	usleep(200000);
	SUCCEEDS(nvmlEventSetFree(set));
	pthread_join(thread, &r);
	ok((long)r != NVML_SUCCESS && seconds() - t < 30, "freeing a set wakes who waits in it: %ld", (long)r);
}

/* ---- a daemon that dies ---- */

static void test_daemon_death(void)
{
	pid_t d = test_daemon();
	nvmlUtilization_t u;
	nvmlMemory_t m;

	if (d <= 0)
		bail("no daemon");
	kill(d, SIGKILL);
	SUCCEEDS(nvmlDeviceGetMemoryInfo(dev[0], &m));
	is_int((long long)m.used, 64 * MIB, "a new daemon knows what is used");
	SUCCEEDS(nvmlDeviceGetUtilizationRates(dev[0], &u));
}

int main(void)
{
	const struct test_mount *m = test_mount(2, NULL);
	struct tr_node node;
	nvmlMemory_t mem;
	char driver[32];
	size_t n;

	setenv("VGPU_PATH", m->mnt, 1);
	plan_lazy();
	if (tr_enumerate(&node, table, &n, driver, NULL) || n != 2)
		bail("no table");
	SUCCEEDS(nvmlInit_v2());
	for (unsigned i = 0; i < 2; i++)
		is_int(nvmlDeviceGetHandleByIndex_v2(i, &dev[i]), NVML_SUCCESS, "device %u", i);
	test_idle();
	test_clock_lists();
	if (!holder_start(&hold, 0, 64, true))
		bail("the CUDA program does not start: %s", hold.said);
	SUCCEEDS(nvmlDeviceGetMemoryInfo(dev[0], &mem));
	is_int((long long)mem.used, 64 * MIB, "memory used is what was allocated");
	SUCCEEDS(nvmlDeviceGetMemoryInfo(dev[1], &mem));
	is_int((long long)mem.used, 0, "not elsewhere");
	test_processes();
	test_load();
	test_fields();
	test_thermal();
	test_daemon_death();
	holder_end(&hold);
	SUCCEEDS(nvmlDeviceGetMemoryInfo(dev[0], &mem));
	is_int((long long)mem.used, 0, "the memory of a program that ended is free");
	test_event_wait();
	test_event_free();
	SUCCEEDS(nvmlShutdown());
	return 0;
}
