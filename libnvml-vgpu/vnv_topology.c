/*
 * vnv_topology.c: which processors and memory are near a device, and how
 * devices lie to each other. The NUMA node is the device's; what CPUs it has is
 * the machine's answer.
 */
#include <ctype.h>
#include <sched.h>
#include <stdlib.h>

#include "libnvml-vgpu/vnv.h"
#include "util/sys.h"

#define CPUS_MAX 8192
#define WORD_BITS (8 * sizeof(unsigned long))

static void bit_set(unsigned long *set, size_t words, unsigned bit)
{
	if (bit / WORD_BITS < words)
		set[bit / WORD_BITS] |= 1ul << bit % WORD_BITS;
}

/* "0-3,8" → bits. */
static bool list_parse(const char *p, unsigned long *set, size_t words)
{
	while (isdigit((unsigned char)*p)) {
		char *end;
		unsigned long from = strtoul(p, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		if (to < from || to >= CPUS_MAX)
			return false;
		for (unsigned long b = from; b <= to; b++)
			bit_set(set, words, (unsigned)b);
		p = end + (*end == ',');
	}
	return true;
}

static bool list_file(const char *path, unsigned long *set, size_t words)
{
	char *text = NULL;
	bool good;

	if (vgpu_read_file(path, 65536, &text, NULL, NULL))
		return false;
	good = list_parse(text, set, words);
	free(text);
	return good;
}

static bool has_node(const struct vnv_gpu *g)
{
	return g->d.numa_node < 4096;
}

/* A device without a node is near all. */
static bool cpus_of(const struct vnv_gpu *g, unsigned long *set, size_t words)
{
	char path[80];

	memset(set, 0, words * sizeof(*set));
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", (unsigned)g->d.numa_node);
	return (has_node(g) && list_file(path, set, words)) || list_file("/sys/devices/system/cpu/online", set, words);
}

nvmlReturn_t vnv_DeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned int size, unsigned long *set,
						 nvmlAffinityScope_t scope)
{
	if (!set || !size || scope > NVML_AFFINITY_SCOPE_SOCKET)
		return NVML_ERROR_INVALID_ARGUMENT;
	return cpus_of(device->gpu, set, size) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t vnv_DeviceGetCpuAffinity(nvmlDevice_t device, unsigned int size, unsigned long *set)
{
	return vnv_DeviceGetCpuAffinityWithinScope(device, size, set, NVML_AFFINITY_SCOPE_NODE);
}

nvmlReturn_t vnv_DeviceGetMemoryAffinity(nvmlDevice_t device, unsigned int size, unsigned long *set,
					 nvmlAffinityScope_t scope)
{
	if (!set || !size || scope > NVML_AFFINITY_SCOPE_SOCKET)
		return NVML_ERROR_INVALID_ARGUMENT;
	memset(set, 0, size * sizeof(*set));
	if (has_node(device->gpu))
		bit_set(set, size, (unsigned)device->gpu->d.numa_node);
	else if (!list_file("/sys/devices/system/node/online", set, size))
		return NVML_ERROR_NOT_SUPPORTED;
	return NVML_SUCCESS;
}

/* The calling thread runs near the device; only where it may run. */
nvmlReturn_t vnv_DeviceSetCpuAffinity(nvmlDevice_t device)
{
	unsigned long near[CPUS_MAX / WORD_BITS];

	if (!cpus_of(device->gpu, near, ARRAY_SIZE(near)))
		return NVML_ERROR_NOT_SUPPORTED;
	return sched_setaffinity(0, sizeof(near), (const cpu_set_t *)near) ? NVML_ERROR_UNKNOWN : NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceClearCpuAffinity(nvmlDevice_t device)
{
	unsigned long all[CPUS_MAX / WORD_BITS] = { 0 };

	if (!list_file("/sys/devices/system/cpu/online", all, ARRAY_SIZE(all)))
		return NVML_ERROR_NOT_SUPPORTED;
	return sched_setaffinity(0, sizeof(all), (const cpu_set_t *)all) ? NVML_ERROR_UNKNOWN : NVML_SUCCESS;
}

/* How these two tell: a count of 0 asks how many there are; else that many at most are told. */
static nvmlReturn_t tell(nvmlDevice_t *out, unsigned *count, const nvmlDevice_t *near, size_t n)
{
	if (!count || (*count && !out))
		return NVML_ERROR_INVALID_ARGUMENT;
	if (*count)
		n = MIN(n, (size_t)*count);
	if (*count && n)
		memcpy(out, near, n * sizeof(*near));
	*count = (unsigned)n;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_SystemGetTopologyGpuSet(unsigned int cpu, unsigned int *count, nvmlDevice_t *devices)
{
	nvmlDevice_t near[VGPU_MAX_DEVICES];
	unsigned long set[CPUS_MAX / WORD_BITS];
	size_t n = 0;

	if (cpu >= CPUS_MAX)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; i < vnv_n_gpus; i++)
		if (cpus_of(&vnv_gpus[i], set, ARRAY_SIZE(set)) && set[cpu / WORD_BITS] >> cpu % WORD_BITS & 1)
			near[n++] = vnv_device(&vnv_gpus[i]);
	return tell(devices, count, near, n);
}

/* ---- devices to each other ---- */

nvmlReturn_t vnv_DeviceGetTopologyCommonAncestor(nvmlDevice_t a, nvmlDevice_t b, nvmlGpuTopologyLevel_t *level)
{
	if (!level)
		return NVML_ERROR_INVALID_ARGUMENT;
	*level = vnv_distance(a->gpu, b->gpu);
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetTopologyNearestGpus(nvmlDevice_t device, nvmlGpuTopologyLevel_t level, unsigned int *count,
					      nvmlDevice_t *devices)
{
	nvmlDevice_t near[VGPU_MAX_DEVICES];
	size_t n = 0;

	if (level > NVML_TOPOLOGY_SYSTEM || level % 10)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; i < vnv_n_gpus; i++)
		if (&vnv_gpus[i] != device->gpu && vnv_distance(device->gpu, &vnv_gpus[i]) == level)
			near[n++] = vnv_device(&vnv_gpus[i]);
	return tell(devices, count, near, n);
}

/* The memory of all devices of a process lies in one window: each reads, writes and does atomics in the others'. */
nvmlReturn_t vnv_DeviceGetP2PStatus(nvmlDevice_t a, nvmlDevice_t b, nvmlGpuP2PCapsIndex_t index, nvmlGpuP2PStatus_t *status)
{
	if (!status || a->gpu == b->gpu)
		return NVML_ERROR_INVALID_ARGUMENT;
	switch (index) {
	case NVML_P2P_CAPS_INDEX_READ:
	case NVML_P2P_CAPS_INDEX_WRITE:
	case NVML_P2P_CAPS_INDEX_ATOMICS:
	case NVML_P2P_CAPS_INDEX_PCI:
		*status = NVML_P2P_STATUS_OK;
		return NVML_SUCCESS;
	case NVML_P2P_CAPS_INDEX_NVLINK:
		*status = NVML_P2P_STATUS_NOT_SUPPORTED;
		return NVML_SUCCESS;
	default:
		return NVML_ERROR_INVALID_ARGUMENT;
	}
}
