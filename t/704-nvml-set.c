/*
 * 704-nvml-set.c: settings through NVML: they act, are refused to those who may
 * not and when they make no sense, and outlive the daemon; injected faults are
 * told by events, counters and return codes alike; accounting.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

static const struct test_mount *m;
static struct vgpu_device table[VGPU_MAX_DEVICES];
static nvmlDevice_t dev[2];

static void restart_daemon(void)
{
	pid_t d = test_daemon();

	if (d > 0)
		kill(d, SIGKILL);
}

/* Writes a fault to the device's file. */
static bool inject(unsigned device, const char *text)
{
	char path[400];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "%s/devices/%u/inject", m->mnt, device);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return good;
}

static void test_persistence(void)
{
	nvmlEnableState_t mode = 9;
	nvmlPstates_t p = 9;

	SUCCEEDS(nvmlDeviceSetPersistenceMode(dev[0], NVML_FEATURE_ENABLED));
	SUCCEEDS(nvmlDeviceGetPersistenceMode(dev[0], &mode));
	is_int(mode, 1, "persistence mode is on");
	SUCCEEDS(nvmlDeviceGetPerformanceState(dev[0], &p));
	is_int(p, NVML_PSTATE_0, "and keeps the device in P0");
	restart_daemon();
	SUCCEEDS(nvmlDeviceGetPersistenceMode(dev[0], &mode));
	is_int(mode, 1, "also for a new daemon");
	SUCCEEDS(nvmlDeviceGetPersistenceMode(dev[1], &mode));
	is_int(mode, 0, "the other device is as it was");
	SUCCEEDS(nvmlDeviceSetPersistenceMode(dev[0], NVML_FEATURE_DISABLED));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetPersistenceMode(dev[0], 2));
}

static void test_compute_mode(void)
{
	struct holder a, b;
	nvmlComputeMode_t mode;

	SUCCEEDS(nvmlDeviceSetComputeMode(dev[0], NVML_COMPUTEMODE_EXCLUSIVE_PROCESS));
	SUCCEEDS(nvmlDeviceGetComputeMode(dev[0], &mode));
	is_int(mode, NVML_COMPUTEMODE_EXCLUSIVE_PROCESS, "exclusive process");
	ok(holder_start(&a, 0, 1, false), "the first program has the device");
	if (holder_start(&b, 0, 1, false)) {
		ok(false, "a second one has it, too");
		holder_end(&b);
	} else {
		has_string(b.said, "cuCtxCreate", "a second one gets no context");
	}
	ok(holder_start(&b, 1, 1, false), "on the other device it does");
	holder_end(&b);
	ok(holder_end(&a), "the first one ends well");
	SUCCEEDS(nvmlDeviceSetComputeMode(dev[0], NVML_COMPUTEMODE_PROHIBITED));
	ok(!holder_start(&a, 0, 1, false), "prohibited: nobody");
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceSetComputeMode(dev[0], NVML_COMPUTEMODE_EXCLUSIVE_THREAD));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetComputeMode(dev[0], NVML_COMPUTEMODE_COUNT));
	SUCCEEDS(nvmlDeviceSetComputeMode(dev[0], NVML_COMPUTEMODE_DEFAULT));
}

static void test_power(void)
{
	nvmlPowerValue_v2_t v = { .version = NV_VERSION(nvmlPowerValue_v2_t, 2), .powerScope = NVML_POWER_SCOPE_GPU };
	unsigned limit = 0, lowest = 0, highest = 0;

	SUCCEEDS(nvmlDeviceGetPowerManagementLimitConstraints(dev[0], &lowest, &highest));
	is_int(lowest, (long long)table[0].power_limit_min_mw, "lowest limit");
	is_int(highest, (long long)table[0].power_limit_mw, "highest limit");
	SUCCEEDS(nvmlDeviceSetPowerManagementLimit(dev[0], lowest));
	SUCCEEDS(nvmlDeviceGetPowerManagementLimit(dev[0], &limit));
	is_int(limit, lowest, "a limit that is set");
	SUCCEEDS(nvmlDeviceGetEnforcedPowerLimit(dev[0], &limit));
	is_int(limit, lowest, "is enforced");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetPowerManagementLimit(dev[0], lowest - 1));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetPowerManagementLimit(dev[0], highest + 1));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetPowerManagementLimit(dev[0], 0));
	v.powerValueMw = highest;
	SUCCEEDS(nvmlDeviceSetPowerManagementLimit_v2(dev[0], &v));
	SUCCEEDS(nvmlDeviceGetPowerManagementLimit(dev[0], &limit));
	is_int(limit, highest, "the second version sets, too");
	v.powerScope = NVML_POWER_SCOPE_MODULE;
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceSetPowerManagementLimit_v2(dev[0], &v));
	v.version = 2;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceSetPowerManagementLimit_v2(dev[0], &v));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetPowerManagementLimit_v2(dev[0], NULL));
}

static unsigned sm_clock(void)
{
	unsigned mhz = 0;

	is_int(nvmlDeviceGetClockInfo(dev[0], NVML_CLOCK_SM, &mhz), NVML_SUCCESS, "SM clock");
	return mhz;
}

static void test_clocks(void)
{
	unsigned mem = (unsigned)table[0].memory_clock_khz / 1000, sm = (unsigned)table[0].clock_khz / 1000, v = 0;

	SUCCEEDS(nvmlDeviceSetPersistenceMode(dev[0], NVML_FEATURE_ENABLED));
	is_int(sm_clock(), sm, "in P0 the clock is the profile's");
	SUCCEEDS(nvmlDeviceSetGpuLockedClocks(dev[0], 600, 900));
	ok(sm_clock() <= 900, "locked clocks are kept");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetGpuLockedClocks(dev[0], 900, 600));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetGpuLockedClocks(dev[0], 0, 0));
	SUCCEEDS(nvmlDeviceResetGpuLockedClocks(dev[0]));
	is_int(sm_clock(), sm, "until they are reset");
	SUCCEEDS(nvmlDeviceSetApplicationsClocks(dev[0], mem, sm - 300));
	SUCCEEDS(nvmlDeviceGetApplicationsClock(dev[0], NVML_CLOCK_SM, &v));
	is_int(v, sm - 300, "application clock");
	is_int(sm_clock(), sm - 300, "is the clock of P0");
	SUCCEEDS(nvmlDeviceGetDefaultApplicationsClock(dev[0], NVML_CLOCK_SM, &v));
	is_int(v, sm, "the default is what it was");
	SUCCEEDS(nvmlDeviceResetApplicationsClocks(dev[0]));
	SUCCEEDS(nvmlDeviceGetApplicationsClock(dev[0], NVML_CLOCK_MEM, &v));
	is_int(v, mem, "application clock of memory");
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetApplicationsClock(dev[0], NVML_CLOCK_VIDEO, &v));
	SUCCEEDS(nvmlDeviceSetPersistenceMode(dev[0], NVML_FEATURE_DISABLED));
}

static void test_accounting(void)
{
	nvmlAccountingStats_v2_t s2 = { 0 };
	nvmlAccountingStats_t s;
	struct holder h;
	unsigned pids[300], n = 300;
	pid_t pid;

	SUCCEEDS(nvmlDeviceGetAccountingPids(dev[0], &n, pids));
	is_int(n, 0, "accounting off: nobody");
	SUCCEEDS(nvmlDeviceSetAccountingMode(dev[0], NVML_FEATURE_ENABLED));
	if (!holder_start(&h, 0, 32, false))
		bail("the CUDA program does not start: %s", h.said);
	pid = h.pid;
	SUCCEEDS(nvmlDeviceGetAccountingStats(dev[0], (unsigned)pid, &s));
	is_int(s.isRunning, 1, "it runs");
	is_int((long long)s.maxMemoryUsage, 32 * MIB, "most memory so far");
	holder_end(&h);
	n = 300;
	SUCCEEDS(nvmlDeviceGetAccountingPids(dev[0], &n, pids));
	ok(n == 1 && pids[0] == (unsigned)pid, "it is remembered");
	SUCCEEDS(nvmlDeviceGetAccountingStats(dev[0], (unsigned)pid, &s));
	ok(!s.isRunning && s.maxMemoryUsage == 32 * MIB && s.startTime, "with what it used");
	s2.pid = (unsigned)pid;
	SUCCEEDS(nvmlDeviceGetAccountingStats_v2(dev[0], &s2));
	ok(s2.pid == (unsigned)pid && !s2.isRunning && s2.maxMemoryUsage == s.maxMemoryUsage && s2.startTime == s.startTime &&
	   s2.time == s.time && s2.sampleCount == s.time / 1000, "version 2 says the same");
	s2.pid = 1;
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetAccountingStats_v2(dev[0], &s2));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetAccountingStats_v2(dev[0], NULL));
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetAccountingStats(dev[0], 1, &s));
	SUCCEEDS(nvmlDeviceClearAccountingPids(dev[0]));
	n = 300;
	SUCCEEDS(nvmlDeviceGetAccountingPids(dev[0], &n, pids));
	is_int(n, 0, "until it is cleared");
	SUCCEEDS(nvmlDeviceSetAccountingMode(dev[0], NVML_FEATURE_DISABLED));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetAccountingStats(dev[0], (unsigned)pid, &s));
}

/* Somebody who isn't root: reads all, sets nothing. */
static void test_permission(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		nvmlEnableState_t mode;
		nvmlReturn_t r;
		int bad = 0;

		if (setgid(65534) || setuid(65534))
			_exit(100);
		bad |= nvmlDeviceGetPersistenceMode(dev[0], &mode) != NVML_SUCCESS;
		bad |= (nvmlDeviceSetPersistenceMode(dev[0], 1) != NVML_ERROR_NO_PERMISSION) << 1;
		bad |= (nvmlDeviceSetComputeMode(dev[0], 2) != NVML_ERROR_NO_PERMISSION) << 2;
		bad |= (nvmlDeviceSetPowerManagementLimit(dev[0], (unsigned)table[0].power_limit_mw) != NVML_ERROR_NO_PERMISSION) << 3;
		bad |= (nvmlDeviceSetGpuLockedClocks(dev[0], 300, 900) != NVML_ERROR_NO_PERMISSION) << 4;
		bad |= (nvmlDeviceSetAccountingMode(dev[0], 1) != NVML_ERROR_NO_PERMISSION) << 5;
		bad |= (nvmlDeviceSetMigMode(dev[0], 1, &r) == NVML_SUCCESS) << 6;
		_exit(bad);
	}
	waitpid(pid, &status, 0);
	is_hex((unsigned)status, 0, "who isn't root may read and not set");
}

/* ---- faults ---- */

static void wait_for(nvmlEventSet_t set, unsigned device, nv_u64 type, nv_u64 data, const char *what)
{
	nvmlEventData_t e = { NULL, 0, 0, 0, 0 };

	is_int(nvmlEventSetWait_v2(set, &e, 20000), NVML_SUCCESS, "%s is an event", what);
	ok(e.device == dev[device], "of that device");
	is_hex(e.eventType, type, "its type");
	if (type == nvmlEventTypeXidCriticalError)
		is_int((long long)e.eventData, (long long)data, "its number");
}

static void test_events(void)
{
	nvmlEventSet_t set, late;
	nvmlEventData_t e;

	SUCCEEDS(nvmlEventSetCreate(&set));
	SUCCEEDS(nvmlDeviceRegisterEvents(dev[0], nvmlEventTypeXidCriticalError, set));
	SUCCEEDS(nvmlDeviceRegisterEvents(dev[1], nvmlEventTypeXidCriticalError, set));
	ok(inject(1, "xid 13"), "an Xid is injected");
	wait_for(set, 1, nvmlEventTypeXidCriticalError, 13, "it");
	ok(inject(0, "xid 31") && inject(1, "xid 43"), "two more");
	wait_for(set, 0, nvmlEventTypeXidCriticalError, 31, "the first");
	wait_for(set, 1, nvmlEventTypeXidCriticalError, 43, "the second");
	ANSWERS(NVML_ERROR_TIMEOUT, nvmlEventSetWait_v2(set, &e, 50));
	SUCCEEDS(nvmlEventSetCreate(&late));
	SUCCEEDS(nvmlDeviceRegisterEvents(dev[0], nvmlEventTypeXidCriticalError, late));
	ANSWERS(NVML_ERROR_TIMEOUT, nvmlEventSetWait_v2(late, &e, 50));
	restart_daemon();
	ok(inject(0, "xid 45"), "another one, to a new daemon");
	wait_for(set, 0, nvmlEventTypeXidCriticalError, 45, "it");
	wait_for(late, 0, nvmlEventTypeXidCriticalError, 45, "it, in the other set,");
	SUCCEEDS(nvmlEventSetFree(set));
	SUCCEEDS(nvmlEventSetFree(late));
}

static void test_throttle(void)
{
	nv_u64 reasons = 0;

	ok(inject(0, "throttle hw_thermal"), "a thermal slowdown is injected");
	SUCCEEDS(nvmlDeviceGetCurrentClocksEventReasons(dev[0], &reasons));
	ok(reasons & nvmlClocksEventReasonHwThermalSlowdown, "it is a reason for low clocks");
	ok(inject(0, "throttle none"), "no longer");
	usleep(5000);
	SUCCEEDS(nvmlDeviceGetCurrentClocksThrottleReasons(dev[0], &reasons));
	ok(!(reasons & nvmlClocksEventReasonHwThermalSlowdown), "no reason any more");
}

static void test_lost(void)
{
	nvmlDevice_t d = NULL;
	nvmlEventSet_t set;
	unsigned power;
	char name[96];

	SUCCEEDS(nvmlEventSetCreate(&set));
	SUCCEEDS(nvmlDeviceRegisterEvents(dev[0], nvmlEventTypeXidCriticalError, set));
	ok(inject(0, "off-bus"), "a device falls off the bus");
	wait_for(set, 0, nvmlEventTypeXidCriticalError, 79, "that");
	usleep(5000);
	ANSWERS(NVML_ERROR_GPU_IS_LOST, nvmlDeviceGetPowerUsage(dev[0], &power));
	ANSWERS(NVML_ERROR_GPU_IS_LOST, nvmlDeviceGetHandleByIndex_v2(0, &d));
	ANSWERS(NVML_ERROR_GPU_IS_LOST, nvmlDeviceGetHandleByUUID(table[0].uuid, &d));
	SUCCEEDS(nvmlDeviceGetHandleByIndex_v2(1, &d));
	SUCCEEDS(nvmlDeviceGetName(d, name, sizeof(name)));
	SUCCEEDS(nvmlDeviceGetPowerUsage(d, &power));
	ok(inject(0, "clear"), "and is put back");
	usleep(5000);
	SUCCEEDS(nvmlDeviceGetHandleByIndex_v2(0, &d));
	SUCCEEDS(nvmlDeviceGetPowerUsage(dev[0], &power));
	SUCCEEDS(nvmlEventSetFree(set));
}

/* Devices by their addresses, in a process that counted them before. */
static void test_drain(void)
{
	nvmlPciInfo_t at, none = { .bus = 99 };
	nvmlEnableState_t state = 7;
	unsigned n = 0;

	SUCCEEDS(nvmlDeviceGetPciInfo_v3(dev[1], &at));
	SUCCEEDS(nvmlDeviceQueryDrainState(&at, &state));
	is_int(state, NVML_FEATURE_DISABLED, "not drained");
	ANSWERS(NVML_ERROR_IN_USE, nvmlDeviceRemoveGpu_v2(&at, 0, 0));
	SUCCEEDS(nvmlDeviceModifyDrainState(&at, NVML_FEATURE_ENABLED));
	SUCCEEDS(nvmlDeviceQueryDrainState(&at, &state));
	is_int(state, NVML_FEATURE_ENABLED, "drained");
	SUCCEEDS(nvmlDeviceGetCount_v2(&n));
	is_int(n, 2, "who has counted it still has it");
	SUCCEEDS(nvmlShutdown());
	SUCCEEDS(nvmlInit_v2());
	SUCCEEDS(nvmlDeviceGetCount_v2(&n));
	is_int(n, 1, "until the next nvmlInit");
	SUCCEEDS(nvmlDeviceRemoveGpu_v2(&at, 1, 1));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceQueryDrainState(&at, &state));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceModifyDrainState(&at, NVML_FEATURE_DISABLED));
	SUCCEEDS(nvmlDeviceDiscoverGpus(&at));
	SUCCEEDS(nvmlDeviceQueryDrainState(&at, &state));
	is_int(state, NVML_FEATURE_DISABLED, "found again");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceQueryDrainState(&none, &state));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceQueryDrainState(NULL, &state));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceQueryDrainState(&at, NULL));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceModifyDrainState(&at, 2));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceModifyDrainState(NULL, 1));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceRemoveGpu_v2(&at, 2, 0));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceDiscoverGpus(NULL));
	SUCCEEDS(nvmlShutdown());
	SUCCEEDS(nvmlInit_v2());
	SUCCEEDS(nvmlDeviceGetCount_v2(&n));
	is_int(n, 2, "all are there");
}

/* What a device that has to be reset still says: what is set, and that. */
static void test_reset_required(void)
{
	nvmlFieldValue_t f[2] = { { .fieldId = NVML_FI_DEV_GET_GPU_RECOVERY_ACTION }, { .fieldId = 186 } };
	nvmlEnableState_t mode = 7;
	unsigned power;

	ok(inject(0, "xid 119"), "an Xid after which only a reset helps");
	usleep(5000);
	ANSWERS(NVML_ERROR_RESET_REQUIRED, nvmlDeviceGetPowerUsage(dev[0], &power));
	SUCCEEDS(nvmlDeviceGetPersistenceMode(dev[0], &mode));
	is_int(mode, NVML_FEATURE_DISABLED, "modes are what they were");
	SUCCEEDS(nvmlDeviceGetFieldValues(dev[0], 2, f));
	ok(f[0].nvmlReturn == NVML_SUCCESS && f[0].value.uiVal == 1, "what has to be done");
	is_int(f[1].nvmlReturn, NVML_ERROR_RESET_REQUIRED, "other values aren't told");
	ok(inject(0, "clear"), "as if it had not been");
	usleep(5000);
	SUCCEEDS(nvmlDeviceGetPowerUsage(dev[0], &power));
}

int main(void)
{
	struct tr_node node;
	char driver[32];
	size_t n;

	m = test_mount(2, NULL);
	setenv("VGPU_PATH", m->mnt, 1);
	plan_lazy();
	if (tr_enumerate(&node, table, &n, driver, NULL) || n != 2)
		bail("no table");
	SUCCEEDS(nvmlInit_v2());
	for (unsigned i = 0; i < 2; i++)
		is_int(nvmlDeviceGetHandleByIndex_v2(i, &dev[i]), NVML_SUCCESS, "device %u", i);
	test_persistence();
	test_compute_mode();
	test_power();
	test_clocks();
	test_accounting();
	test_permission();
	test_events();
	test_throttle();
	test_lost();
	test_reset_required();
	test_drain();
	SUCCEEDS(nvmlShutdown());
	return 0;
}
