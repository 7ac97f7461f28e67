/* vnv_system.c: versions, process names, and what the machine has none of: S-class units, host interface cards. */
#include <stdlib.h>

#include "libnvml-vgpu/vnv.h"
#include "libnvml-vgpu/vnv_process.h"
#include "util/sys.h"

nvmlReturn_t vnv_SystemGetDriverVersion(char *version, unsigned int length)
{
	return vnv_text(version, length, vnv_driver);
}

/* The version of the interface, then the driver's. */
nvmlReturn_t vnv_SystemGetNVMLVersion(char *version, unsigned int length)
{
	return vnv_text(version, length, "13." VGPU_DRIVER_VERSION);
}

nvmlReturn_t vnv_SystemGetCudaDriverVersion_v2(int *version)
{
	if (!version)
		return NVML_ERROR_INVALID_ARGUMENT;
	*version = VGPU_CUDA_VERSION;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_SystemGetCudaDriverVersion(int *version)
{
	return vnv_SystemGetCudaDriverVersion_v2(version);
}

/* "r580_00": the branch is the version's first number. */
nvmlReturn_t vnv_SystemGetDriverBranch(nvmlSystemDriverBranchInfo_t *info, unsigned int length)
{
	char text[sizeof(info->branch)];

	if (!info || !length)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (info->version != NV_VERSION(nvmlSystemDriverBranchInfo_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	snprintf(text, sizeof(text), "r%.*s_00", (int)strcspn(vnv_driver, "."), vnv_driver);
	return vnv_text(info->branch, MIN(length, (unsigned)sizeof(info->branch)), text);
}

/* A process' name is what it was started as: its first argument, else the kernel's name for it. */
nvmlReturn_t vnv_process_name(unsigned pid, char *name, size_t cap)
{
	char path[64], *text = NULL;
	size_t len = 0;
	int n;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	if (vgpu_read_file(path, 1 << 20, &text, &len, NULL))
		return NVML_ERROR_NOT_FOUND;
	if (!len || !*text) {
		free(text);
		text = NULL;
		snprintf(path, sizeof(path), "/proc/%u/comm", pid);
		if (vgpu_read_file(path, 4096, &text, &len, NULL))
			return NVML_ERROR_NOT_FOUND;
		text[strcspn(text, "\n")] = 0;
	}
	n = snprintf(name, cap, "%s", text);
	free(text);
	return n >= 0 && (size_t)n < cap ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}

nvmlReturn_t vnv_SystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
	if (!name || !length)
		return NVML_ERROR_INVALID_ARGUMENT;
	return vnv_process_name(pid, name, length);
}

/* ---- there are none ---- */

nvmlReturn_t vnv_SystemGetHicVersion(unsigned int *count, nvmlHwbcEntry_t *entries)
{
	return vnv_array(entries, count, NULL, 0, sizeof(*entries));
}

nvmlReturn_t vnv_UnitGetCount(unsigned int *count)
{
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_UnitGetHandleByIndex(unsigned int index, nvmlUnit_t *unit)
{
	return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vnv_GetExcludedDeviceCount(unsigned int *count)
{
	return vnv_UnitGetCount(count);
}

nvmlReturn_t vnv_GetExcludedDeviceInfoByIndex(unsigned int index, nvmlExcludedDeviceInfo_t *info)
{
	return NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vnv_GetBlacklistDeviceCount(unsigned int *count)
{
	return vnv_UnitGetCount(count);
}

nvmlReturn_t vnv_GetBlacklistDeviceInfoByIndex(unsigned int index, nvmlExcludedDeviceInfo_t *info)
{
	return NVML_ERROR_INVALID_ARGUMENT;
}
