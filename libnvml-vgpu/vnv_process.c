/*
 * vnv_process.c: who uses a device. All of it is compute; there is no graphics
 * and no MPS, so those lists are empty. The pids are those of the caller's
 * namespace, as the daemon tells them.
 */
#include <stdlib.h>

#include "libnvml-vgpu/vnv_process.h"

nvmlReturn_t vnv_processes(nvmlDevice_t device, struct vgp_mon_proc **out, size_t *n_out)
{
	return vnv_result(vnv_ask_list(device, VGP_MON_PROCS, NULL, sizeof(**out), (void **)out, n_out));
}

/* Whether a list of n fits; sets *count. NULL with room for none asks for the number. */
static nvmlReturn_t room_for(unsigned *count, const void *out, size_t n, unsigned *room)
{
	*room = out ? *count : 0;
	*count = (unsigned)n;
	return n > *room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

static nvmlReturn_t list_v1(nvmlDevice_t device, unsigned *count, nvmlProcessInfo_v1_t *infos)
{
	struct vgp_mon_proc *p = NULL;
	unsigned room;
	size_t n = 0;
	nvmlReturn_t r;

	if (!count || (*count && !infos))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_processes(device, &p, &n);
	if (r)
		return r;
	r = room_for(count, infos, n, &room);
	for (size_t i = 0; i < MIN(n, (size_t)room); i++)
		infos[i] = (nvmlProcessInfo_v1_t){ .pid = p[i].pid, .usedGpuMemory = p[i].memory };
	free(p);
	return r;
}

static nvmlReturn_t list_v2(nvmlDevice_t device, unsigned *count, nvmlProcessInfo_v2_t *infos)
{
	struct vgp_mon_proc *p = NULL;
	unsigned room;
	size_t n = 0;
	nvmlReturn_t r;

	if (!count || (*count && !infos))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_processes(device, &p, &n);
	if (r)
		return r;
	r = room_for(count, infos, n, &room);
	for (size_t i = 0; i < MIN(n, (size_t)room); i++)
		infos[i] = (nvmlProcessInfo_v2_t){ .pid = p[i].pid, .usedGpuMemory = p[i].memory,
						   .gpuInstanceId = p[i].gi, .computeInstanceId = p[i].ci };
	free(p);
	return r;
}

static nvmlReturn_t list_none(unsigned *count, const void *infos)
{
	if (!count || (*count && !infos))
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)
{
	return list_v1(device, count, infos);
}

nvmlReturn_t vnv_DeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v2_t *infos)
{
	return list_v2(device, count, infos);
}

nvmlReturn_t vnv_DeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
	return list_v2(device, count, infos);
}

nvmlReturn_t vnv_DeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)
{
	return list_none(count, infos);
}

nvmlReturn_t vnv_DeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v2_t *infos)
{
	return list_none(count, infos);
}

nvmlReturn_t vnv_DeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
	return list_none(count, infos);
}

nvmlReturn_t vnv_DeviceGetMPSComputeRunningProcesses(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)
{
	return list_none(count, infos);
}

nvmlReturn_t vnv_DeviceGetMPSComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v2_t *infos)
{
	return list_none(count, infos);
}

nvmlReturn_t vnv_DeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
	return list_none(count, infos);
}

nvmlReturn_t vnv_DeviceGetRunningProcessDetailList(nvmlDevice_t device, nvmlProcessDetailList_t *list)
{
	struct vgp_mon_proc *p = NULL;
	unsigned room;
	size_t n = 0;
	nvmlReturn_t r = NVML_SUCCESS;

	if (!list || list->mode > NVML_PROCESS_MODE_ALL)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (list->version != NV_VERSION(nvmlProcessDetailList_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (list->numProcArrayEntries && !list->procArray)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (list->mode == NVML_PROCESS_MODE_COMPUTE || list->mode == NVML_PROCESS_MODE_ALL)
		r = vnv_processes(device, &p, &n);
	if (r)
		return r;
	r = room_for(&list->numProcArrayEntries, list->procArray, n, &room);
	for (size_t i = 0; i < MIN(n, (size_t)room); i++)
		list->procArray[i] = (nvmlProcessDetail_v1_t){ .pid = p[i].pid, .usedGpuMemory = p[i].memory,
							       .gpuInstanceId = p[i].gi, .computeInstanceId = p[i].ci };
	free(p);
	return r;
}
