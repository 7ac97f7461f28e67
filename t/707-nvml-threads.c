/*
 * 707-nvml-threads.c: threads that ask for everything at once, change settings,
 * make and destroy MIG instances, wait for events and come and go with
 * nvmlInit and nvmlShutdown: each gets right answers. For ThreadSanitizer above
 * all, but true anywhere.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "t/lib/mount.h"
#include "t/lib/nvml.h"
#include "t/lib/tap.h"
#include "util/compiler.h"

#define ROUNDS 60
#define SUCCEEDS(call) is_int(call, NVML_SUCCESS, "%s", #call)
/* Counted, not reported: threads share the test's output. */
#define MUST(call) (bad += (call) != NVML_SUCCESS)

static nvmlDevice_t dev[2];          /* an A100 in MIG mode, an H100 */
static char name[2][96], uuid[2][96];

/* ---- what threads do; each answers how much went wrong ---- */

static unsigned identity(void)
{
	unsigned bad = 0, i;
	char text[96];
	nvmlDevice_t d;

	for (i = 0; i < 2; i++) {
		MUST(nvmlDeviceGetName(dev[i], text, sizeof(text)));
		bad += strcmp(text, name[i]) != 0;
		MUST(nvmlDeviceGetHandleByUUID(uuid[i], &d));
		bad += d != dev[i];
	}
	return bad;
}

static unsigned live(void)
{
	nvmlFieldValue_t f[3] = { { .fieldId = 83 }, { .fieldId = 186 }, { .fieldId = 198 } };
	nvmlUtilization_t u;
	nvmlMemory_t m;
	unsigned bad = 0, v, n = 0;

	MUST(nvmlDeviceGetMemoryInfo(dev[1], &m));
	bad += m.used + m.free != m.total;
	MUST(nvmlDeviceGetUtilizationRates(dev[1], &u));
	MUST(nvmlDeviceGetPowerUsage(dev[1], &v));
	MUST(nvmlDeviceGetPcieThroughput(dev[1], NVML_PCIE_UTIL_TX_BYTES, &v));
	MUST(nvmlDeviceGetFieldValues(dev[1], 3, f));
	MUST(nvmlDeviceGetComputeRunningProcesses_v3(dev[1], &n, NULL));
	return bad;
}

static unsigned gpm(void)
{
	nvmlGpmSample_t a = NULL;
	unsigned bad = 0;

	MUST(nvmlGpmSampleAlloc(&a));
	MUST(nvmlGpmSampleGet(dev[1], a));
	MUST(nvmlGpmSampleFree(a));
	return bad;
}

static unsigned events(void)
{
	nvmlEventData_t data;
	nvmlEventSet_t set = NULL;
	unsigned bad = 0;

	MUST(nvmlEventSetCreate(&set));
	MUST(nvmlDeviceRegisterEvents(dev[1], nvmlEventTypeXidCriticalError, set));
	bad += nvmlEventSetWait_v2(set, &data, 2) != NVML_ERROR_TIMEOUT;
	MUST(nvmlEventSetFree(set));
	return bad;
}

static unsigned come_and_go(void)
{
	unsigned bad = 0, n = 0;

	MUST(nvmlInit_v2());
	MUST(nvmlDeviceGetCount_v2(&n));
	bad += n != 2;
	MUST(nvmlShutdown());
	return bad;
}

static unsigned settings(void)
{
	nvmlEnableState_t mode;
	unsigned bad = 0;

	MUST(nvmlDeviceSetPersistenceMode(dev[1], NVML_FEATURE_ENABLED));
	MUST(nvmlDeviceGetPersistenceMode(dev[1], &mode));
	bad += mode != NVML_FEATURE_ENABLED;
	return bad;
}

/* Profile 0 is a seventh; instances of other threads are none of ours. */
static unsigned make_instance(void)
{
	nvmlGpuInstanceProfileInfo_t info;
	nvmlComputeInstance_t ci = NULL;
	nvmlGpuInstance_t gi = NULL;
	unsigned bad = 0;

	MUST(nvmlDeviceGetGpuInstanceProfileInfo(dev[0], 0, &info));
	MUST(nvmlDeviceCreateGpuInstance(dev[0], info.id, &gi));
	if (bad)
		return bad;
	MUST(nvmlGpuInstanceCreateComputeInstance(gi, 0, &ci));
	if (!bad)
		MUST(nvmlComputeInstanceDestroy(ci));
	MUST(nvmlGpuInstanceDestroy(gi));
	return bad;
}

/* Whatever there is at the moment: one that goes is not found, or is no handle any more. */
static unsigned look_at_instances(void)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < 7; i++) {
		nvmlDevice_t mig;
		char text[96] = "";
		nvmlReturn_t r = nvmlDeviceGetMigDeviceHandleByIndex(dev[0], i, &mig);

		if (!r)
			r = nvmlDeviceGetUUID(mig, text, sizeof(text));
		bad += r != NVML_SUCCESS && r != NVML_ERROR_NOT_FOUND && r != NVML_ERROR_INVALID_ARGUMENT;
		bad += !r && strncmp(text, "MIG-", 4) != 0;
	}
	return bad;
}

/* ---- */

static unsigned (*const jobs[])(void) = { identity, live, gpm, events, come_and_go, settings, make_instance, look_at_instances, live,
					  identity };

struct worker {
	pthread_t thread;
	unsigned (*job)(void);
	unsigned bad;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < ROUNDS; i++)
		w->bad += w->job();
	return NULL;
}

int main(void)
{
	static const char *const what[] = { "identity", "live values", "GPM", "events", "init and shutdown", "settings",
					    "MIG instances made", "MIG instances looked at", "live values again", "identity again" };
	const struct test_mount *m = test_mount_of((const char *const[]){ "A100", "H100" }, 2);
	struct worker w[ARRAY_SIZE(jobs)] = { 0 };
	nvmlReturn_t status = NVML_ERROR_UNKNOWN;

	setenv("VGPU_PATH", m->mnt, 1);
	plan_lazy();
	tap_timeout(300);
	SUCCEEDS(nvmlInit_v2());
	for (unsigned i = 0; i < 2; i++) {
		is_int(nvmlDeviceGetHandleByIndex_v2(i, &dev[i]), NVML_SUCCESS, "device %u", i);
		is_int(nvmlDeviceGetName(dev[i], name[i], sizeof(name[i])), NVML_SUCCESS, "its name");
		is_int(nvmlDeviceGetUUID(dev[i], uuid[i], sizeof(uuid[i])), NVML_SUCCESS, "its UUID");
	}
	SUCCEEDS(nvmlDeviceSetMigMode(dev[0], NVML_DEVICE_MIG_ENABLE, &status));
	is_int(status, NVML_SUCCESS, "which is in force");
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		w[i].job = jobs[i];
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			bail("pthread_create");
	}
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		pthread_join(w[i].thread, NULL);
		is_int(w[i].bad, 0, "%s", what[i]);
	}
	SUCCEEDS(nvmlShutdown());
	return 0;
}
