/*
 * 705-nvml-mig.c: MIG through NVML: profiles and placements, GPU and compute
 * instances and their handles, MIG devices found by index and by UUID, what they
 * say of themselves, and what is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "t/lib/holder.h"
#include "t/lib/mount.h"
#include "t/lib/nvml.h"
#include "t/lib/tap.h"

#define SUCCEEDS(call) is_int(call, NVML_SUCCESS, "%s", #call)
#define ANSWERS(ret, call) is_int(call, ret, "%s: %s", #call, #ret)

static nvmlDevice_t gpu;

/* By their public numbers: 1g is profile 0 and id 19 on an H100, 3g is profile 2 and id 9. */
enum { P_1G = 0, P_3G = 2, ID_1G = 19, ID_3G = 9 };

static void test_off(void)
{
	unsigned current = 7, pending = 7, n = 7, is_mig = 7;
	nvmlGpuInstance_t gi;
	nvmlDevice_t mig;

	SUCCEEDS(nvmlDeviceGetMigMode(gpu, &current, &pending));
	ok(!current && !pending, "MIG is off");
	SUCCEEDS(nvmlDeviceGetMaxMigDeviceCount(gpu, &n));
	is_int(n, 7, "seven MIG devices at most");
	SUCCEEDS(nvmlDeviceIsMigDeviceHandle(gpu, &is_mig));
	is_int(is_mig, 0, "a GPU is no MIG device");
	ok(nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0, &mig) != NVML_SUCCESS, "there is none");
	ok(nvmlDeviceCreateGpuInstance(gpu, ID_1G, &gi) != NVML_SUCCESS, "nothing is made while it is off");
}

static void test_mode(void)
{
	nvmlReturn_t active = NVML_ERROR_UNKNOWN;
	unsigned current = 7, pending = 7;

	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetMigMode(gpu, 2, &active));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceSetMigMode(gpu, 1, NULL));
	SUCCEEDS(nvmlDeviceSetMigMode(gpu, NVML_DEVICE_MIG_ENABLE, &active));
	is_int(active, NVML_SUCCESS, "it is in force at once");
	SUCCEEDS(nvmlDeviceGetMigMode(gpu, &current, &pending));
	ok(current == 1 && pending == 1, "MIG is on");
}

static void test_profiles(void)
{
	nvmlGpuInstanceProfileInfo_v2_t v2 = { .version = NV_VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2) };
	nvmlGpuInstanceProfileInfo_v3_t v3 = { .version = NV_VERSION(nvmlGpuInstanceProfileInfo_v3_t, 3) };
	nvmlGpuInstancePlacement_t place[8];
	nvmlGpuInstanceProfileInfo_t v1;
	unsigned n = 0;

	SUCCEEDS(nvmlDeviceGetGpuInstanceProfileInfo(gpu, P_1G, &v1));
	ok(v1.id == ID_1G && v1.sliceCount == 1 && v1.instanceCount == 7, "1g: id %u, %u of them", v1.id, v1.instanceCount);
	SUCCEEDS(nvmlDeviceGetGpuInstanceProfileInfoV(gpu, P_1G, &v2));
	ok(v2.id == v1.id && v2.memorySizeMB == v1.memorySizeMB, "the second version agrees");
	is_string(v2.name, "MIG 1g.10gb", "and has the name");
	SUCCEEDS(nvmlDeviceGetGpuInstanceProfileInfoV(gpu, P_1G, (nvmlGpuInstanceProfileInfo_v2_t *)(void *)&v3));
	ok(v3.id == v1.id && !strcmp(v3.name, "MIG 1g.10gb"), "so does the third");
	SUCCEEDS(nvmlDeviceGetGpuInstanceProfileInfoByIdV(gpu, ID_3G, &v2));
	is_int(v2.sliceCount, 3, "by id");
	v2.version = 1;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetGpuInstanceProfileInfoV(gpu, P_1G, &v2));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetGpuInstanceProfileInfo(gpu, NVML_GPU_INSTANCE_PROFILE_COUNT, &v1));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetGpuInstanceProfileInfo(gpu, P_1G, NULL));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetGpuInstanceProfileInfo(gpu, 5, &v1));
	SUCCEEDS(nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, ID_3G, NULL, &n));
	is_int(n, 2, "3g has two places");
	SUCCEEDS(nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, ID_3G, place, &n));
	ok(place[0].start == 0 && place[1].start == 4 && place[0].size == 4, "at 0 and 4");
	SUCCEEDS(nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, ID_1G, &n));
	is_int(n, 7, "room for seven");
}

static nvmlComputeInstance_t make_ci(nvmlGpuInstance_t gi, unsigned profile)
{
	nvmlComputeInstanceProfileInfo_v2_t v2 = { .version = NV_VERSION(nvmlComputeInstanceProfileInfo_v2_t, 2) };
	nvmlComputeInstanceProfileInfo_v3_t v3 = { .v2.version = NV_VERSION(nvmlComputeInstanceProfileInfo_v3_t, 3), .capabilities = 7 };
	nvmlComputeInstanceProfileInfo_t info;
	nvmlComputeInstance_t ci = NULL;
	unsigned n = 0;

	SUCCEEDS(nvmlGpuInstanceGetComputeInstanceProfileInfo(gi, profile, 0, &info));
	SUCCEEDS(nvmlGpuInstanceGetComputeInstanceProfileInfoV(gi, profile, 0, &v2));
	SUCCEEDS(nvmlGpuInstanceGetComputeInstanceProfileInfoV(gi, profile, 0, &v3.v2));
	ok(v2.id == info.id && v3.v2.id == info.id && !strcmp(v3.v2.name, v2.name) && !v3.capabilities, "all versions agree");
	v2.version = 0x04000000 | sizeof(v3);
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlGpuInstanceGetComputeInstanceProfileInfoV(gi, profile, 0, &v2));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpuInstanceGetComputeInstanceProfileInfo(gi, profile, 1, &info));
	SUCCEEDS(nvmlGpuInstanceGetComputeInstanceRemainingCapacity(gi, info.id, &n));
	ok(n >= 1, "there is room for it");
	SUCCEEDS(nvmlGpuInstanceCreateComputeInstance(gi, info.id, &ci));
	return ci;
}

static void test_instances(void)
{
	nvmlGpuInstance_t a = NULL, b = NULL, list[8], found = NULL;
	nvmlComputeInstance_t ci, cis[8];
	nvmlGpuInstancePlacement_t at = { .start = 4, .size = 4 };
	nvmlComputeInstanceInfo_t ci_info;
	nvmlGpuInstanceInfo_t info;
	unsigned n = 0;

	SUCCEEDS(nvmlDeviceCreateGpuInstance(gpu, ID_1G, &a));
	SUCCEEDS(nvmlDeviceCreateGpuInstanceWithPlacement(gpu, ID_3G, &at, &b));
	SUCCEEDS(nvmlGpuInstanceGetInfo(b, &info));
	ok(info.device == gpu && info.profileId == ID_3G && info.placement.start == 4, "an instance knows its place");
	SUCCEEDS(nvmlDeviceGetGpuInstances(gpu, ID_1G, list, &n));
	ok(n == 1 && list[0] == a, "instances of a profile");
	SUCCEEDS(nvmlDeviceGetGpuInstanceById(gpu, info.id, &found));
	ok(found == b, "by id");
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetGpuInstanceById(gpu, 99, &found));
	ok(nvmlDeviceCreateGpuInstance(gpu, 0, &found) == NVML_ERROR_INSUFFICIENT_RESOURCES, "no room for a whole one");
	ci = make_ci(a, 0);
	SUCCEEDS(nvmlComputeInstanceGetInfo_v2(ci, &ci_info));
	ok(ci_info.device == gpu && ci_info.gpuInstance == a, "a compute instance knows what it is on");
	SUCCEEDS(nvmlGpuInstanceGetComputeInstances(a, ci_info.profileId, cis, &n));
	ok(n == 1 && cis[0] == ci, "compute instances of a profile");
	SUCCEEDS(nvmlGpuInstanceGetComputeInstanceById(a, ci_info.id, &cis[1]));
	ok(cis[1] == ci, "by id");
	ANSWERS(NVML_ERROR_IN_USE, nvmlGpuInstanceDestroy(a));
	make_ci(b, 2);
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpuInstanceGetInfo((nvmlGpuInstance_t)(void *)&n, &info));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpuInstanceGetInfo(NULL, &info));
}

static void test_mig_device(void)
{
	nvmlDevice_t mig[2] = { NULL, NULL }, found = NULL, parent = NULL;
	nvmlDeviceAttributes_t attr;
	nvmlProcessInfo_t proc[4];
	nvmlUtilization_t load;
	nvmlMemory_t mem;
	struct holder h;
	char text[96], uuid[96];
	unsigned v = 7, n = 4;

	for (unsigned i = 0; i < 2; i++)
		is_int(nvmlDeviceGetMigDeviceHandleByIndex(gpu, i, &mig[i]), NVML_SUCCESS, "MIG device %u", i);
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetMigDeviceHandleByIndex(gpu, 2, &found));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetMigDeviceHandleByIndex(gpu, 70, &found));
	SUCCEEDS(nvmlDeviceIsMigDeviceHandle(mig[0], &v));
	is_int(v, 1, "it is one");
	SUCCEEDS(nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig[0], &parent));
	ok(parent == gpu, "of that GPU");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetDeviceHandleFromMigDeviceHandle(gpu, &parent));
	SUCCEEDS(nvmlDeviceGetName(mig[0], text, sizeof(text)));
	is_string(text, "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "its name");
	SUCCEEDS(nvmlDeviceGetUUID(mig[0], uuid, sizeof(uuid)));
	ok(!strncmp(uuid, "MIG-", 4), "its UUID: %s", uuid);
	SUCCEEDS(nvmlDeviceGetHandleByUUID(uuid, &found));
	ok(found == mig[0], "leads back to it");
	SUCCEEDS(nvmlDeviceGetAttributes_v2(mig[0], &attr));
	ok(attr.multiprocessorCount == 16 && attr.gpuInstanceSliceCount == 1, "its share of the GPU");
	SUCCEEDS(nvmlDeviceGetGpuInstanceId(mig[0], &v));
	SUCCEEDS(nvmlDeviceGetComputeInstanceId(mig[0], &v));
	SUCCEEDS(nvmlDeviceGetMemoryInfo(mig[0], &mem));
	is_int((long long)(mem.total >> 20), (long long)attr.memorySizeMB, "its memory");
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetUtilizationRates(mig[0], &load));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetGpuInstanceId(gpu, &v));
	setenv("CUDA_VISIBLE_DEVICES", uuid, 1);
	if (!holder_start(&h, 0, 32, false))
		bail("no program on the MIG device: %s", h.said);
	unsetenv("CUDA_VISIBLE_DEVICES");
	SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(gpu, &n, proc));
	ok(n == 1 && proc[0].pid == (unsigned)h.pid && proc[0].gpuInstanceId != 0xffffffff, "a program on it, seen from the GPU");
	n = 4;
	SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(mig[0], &n, proc));
	is_int(n, 1, "and from the MIG device");
	n = 4;
	SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(mig[1], &n, proc));
	is_int(n, 0, "not from the other one");
	SUCCEEDS(nvmlDeviceGetMemoryInfo(mig[0], &mem));
	is_int((long long)mem.used, 32 << 20, "its memory is the MIG device's");
	holder_end(&h);
}

/* Load of a GPU instance by two samples of it; -1: it can't be told. */
static double load_of(unsigned gi, nvmlGpmSample_t a, nvmlGpmSample_t b)
{
	union {
		nvmlGpmMetricsGet_t get;
		char room[sizeof(nvmlGpmMetricsGet_t) + 2 * sizeof(nvmlGpmMetric_t)];
	} q = { .get = { .version = 1, .numMetrics = 2, .sample1 = a, .sample2 = b } };
	nvmlGpmMetric_t *m = q.get.metrics;

	m[0] = (nvmlGpmMetric_t){ .metricId = NVML_GPM_METRIC_GRAPHICS_UTIL };
	m[1] = (nvmlGpmMetric_t){ .metricId = NVML_GPM_METRIC_PCIE_RX_PER_SEC };
	if (nvmlGpmMigSampleGet(gpu, gi, a) || usleep(20000) || nvmlGpmMigSampleGet(gpu, gi, b) || nvmlGpmMetricsGet(&q.get) ||
	    m[0].nvmlReturn || m[1].nvmlReturn != NVML_ERROR_NOT_SUPPORTED)
		return -1;
	return m[0].value;
}

static void test_gpm(void)
{
	nvmlDevice_t mig[2] = { NULL, NULL };
	nvmlGpmSample_t a = NULL, b = NULL;
	unsigned gi[2] = { 99, 99 };
	double load = 0;
	struct holder h;
	char uuid[96];

	SUCCEEDS(nvmlGpmSampleAlloc(&a));
	SUCCEEDS(nvmlGpmSampleAlloc(&b));
	for (unsigned i = 0; i < 2; i++) {
		nvmlDeviceGetMigDeviceHandleByIndex(gpu, i, &mig[i]);
		is_int(nvmlDeviceGetGpuInstanceId(mig[i], &gi[i]), NVML_SUCCESS, "GPU instance %u", gi[i]);
	}
	SUCCEEDS(nvmlDeviceGetUUID(mig[0], uuid, sizeof(uuid)));
	setenv("CUDA_VISIBLE_DEVICES", uuid, 1);
	if (!holder_start(&h, 0, 32, true))
		bail("no program on the MIG device: %s", h.said);
	unsetenv("CUDA_VISIBLE_DEVICES");
	for (int i = 0; i < 600 && load == 0; i++) {
		usleep(100000);
		load = load_of(gi[0], a, b);
	}
	ok(load > 0 && load <= 100, "an instance on which a program computes: %.0f %%", load);
	ok(load_of(gi[1], a, b) == 0, "the other one rests");
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlGpmMigSampleGet(gpu, 99, a));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpmMigSampleGet(gpu, gi[0], NULL));
	holder_end(&h);
	SUCCEEDS(nvmlGpmSampleFree(a));
	SUCCEEDS(nvmlGpmSampleFree(b));
}

static void test_removal(void)
{
	nvmlReturn_t active = NVML_ERROR_UNKNOWN;
	nvmlGpuInstance_t gi[8];
	nvmlComputeInstance_t ci;
	nvmlDevice_t mig;
	char text[96];
	unsigned n = 0;

	SUCCEEDS(nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0, &mig));
	SUCCEEDS(nvmlDeviceGetGpuInstances(gpu, ID_1G, gi, &n));
	SUCCEEDS(nvmlGpuInstanceGetComputeInstanceById(gi[0], 0, &ci));
	SUCCEEDS(nvmlComputeInstanceDestroy(ci));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlComputeInstanceDestroy(ci));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetName(mig, text, sizeof(text)));
	SUCCEEDS(nvmlGpuInstanceDestroy(gi[0]));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlGpuInstanceDestroy(gi[0]));
	SUCCEEDS(nvmlDeviceGetMigDeviceHandleByIndex(gpu, 1, &mig));
	SUCCEEDS(nvmlDeviceGetName(mig, text, sizeof(text)));
	is_string(text, "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "the other one keeps its index and handle");
	SUCCEEDS(nvmlDeviceGetGpuInstances(gpu, ID_3G, gi, &n));
	SUCCEEDS(nvmlGpuInstanceGetComputeInstanceById(gi[0], 0, &ci));
	SUCCEEDS(nvmlComputeInstanceDestroy(ci));
	SUCCEEDS(nvmlGpuInstanceDestroy(gi[0]));
	SUCCEEDS(nvmlDeviceSetMigMode(gpu, NVML_DEVICE_MIG_DISABLE, &active));
	is_int(active, NVML_SUCCESS, "MIG is off at once");
}

int main(void)
{
	const struct test_mount *m = test_mount(1, NULL);

	if (test_run((const char *const[]){ "/bin/sh", "-c", "exec \"$0\" --state \"$1\" --mount \"$2\" create --profile H100 >/dev/null",
					    test_build("tools/vgpuctl"), m->state, m->mnt, NULL }))
		bail("vgpuctl create");
	setenv("VGPU_PATH", m->mnt, 1);
	plan_lazy();
	SUCCEEDS(nvmlInit_v2());
	SUCCEEDS(nvmlDeviceGetHandleByIndex_v2(1, &gpu));
	test_off();
	test_mode();
	test_profiles();
	test_instances();
	test_mig_device();
	test_gpm();
	test_removal();
	SUCCEEDS(nvmlShutdown());
	return 0;
}
