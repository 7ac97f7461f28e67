/* vnv_error.c: return codes: their texts, and what a status of ours becomes. */
#include "libnvml-vgpu/vnv.h"

static const char *return_text(nvmlReturn_t r)
{
	switch ((int)r) {
#define NV_RET(name, value, text) case value: return text;
#include "libnvml-vgpu/api/nv_return.def"
#undef NV_RET
	}
	return NULL;
}

const char *vnv_ErrorString(nvmlReturn_t result)
{
	const char *text = return_text(result);

	return text ? text : return_text(NVML_ERROR_UNKNOWN);
}

nvmlReturn_t vnv_result(int status)
{
	return (nvmlReturn_t)vgpu_status_to_nvml(status < 0 ? -status : status);
}

nvmlReturn_t vnv_text(char *out, unsigned length, const char *text)
{
	size_t n = strlen(text) + 1;

	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (n > length)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(out, text, n);
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_array(void *out, unsigned *count, const void *from, size_t n, size_t entry_B)
{
	unsigned room;

	if (!count || (*count && !out))
		return NVML_ERROR_INVALID_ARGUMENT;
	room = *count;
	*count = (unsigned)n;
	if (n > room)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	if (n)
		memcpy(out, from, n * entry_B);
	return NVML_SUCCESS;
}
