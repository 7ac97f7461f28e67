/* vcu_error.c: names and texts of CUresults (api/cu_error.def). */
#include <stddef.h>

#include "libcuda-vgpu/vcu_api.h"

struct error_row {
	int number;
	const char *name;
	const char *text;
};

static const struct error_row *find(CUresult error)
{
	static const struct error_row rows[] = {
#define CU_ERR(name, number, text) { number, #name, text },
#include "libcuda-vgpu/api/cu_error.def"
#undef CU_ERR
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].number == (int)error)
			return &rows[i];
	return NULL;
}

CUresult vcu_GetErrorName(CUresult error, const char **out)
{
	const struct error_row *row = find(error);

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = row ? row->name : NULL;
	return row ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_GetErrorString(CUresult error, const char **out)
{
	const struct error_row *row = find(error);

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = row ? row->text : NULL;
	return row ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
