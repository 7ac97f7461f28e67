/*
 * vcu_getproc.c: cuGetProcAddress. Of the rows of a base name the one with
 * the greatest version that is not above the asked one is the answer; with
 * PER_THREAD_DEFAULT_STREAM a _ptds or _ptsz twin goes before the plain ones.
 */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_entry.h"

#define BUCKETS 1024u

/* first[hash]: entry + 1, next[entry]: entry + 1; entries of a name are in one chain. */
static uint16_t first[BUCKETS], next[1024];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static unsigned hash(const char *s)
{
	uint32_t h = 2166136261u;

	while (*s)
		h = (h ^ (unsigned char)*s++) * 16777619u;
	return (h ^ h >> 15) % BUCKETS;
}

static void index_make(void)
{
	for (unsigned i = 0; i < vcu_n_entries && i < ARRAY_SIZE(next); i++) {
		unsigned h = hash(vcu_entries[i].name);

		next[i] = first[h];
		first[h] = (uint16_t)(i + 1);
	}
}

/* *known: a row of that name exists, whatever its version. */
static const struct vcu_entry *find(const char *name, unsigned version, bool per_thread, bool *known)
{
	const struct vcu_entry *best[2] = { NULL, NULL };

	for (unsigned i = first[hash(name)]; i; i = next[i - 1]) {
		const struct vcu_entry *e = &vcu_entries[i - 1];
		const struct vcu_entry **b = &best[e->flags & VCU_ENTRY_PT];

		if (strcmp(e->name, name) != 0)
			continue;
		*known = true;
		if (e->since <= version && (!*b || e->since > (*b)->since))
			*b = e;
	}
	return per_thread && best[VCU_ENTRY_PT] ? best[VCU_ENTRY_PT] : best[0];
}

CUresult vcu_GetProcAddress_v2(const char *symbol, void **pfn, int version, cuuint64_t flags,
			       CUdriverProcAddressQueryResult *status)
{
	const struct vcu_entry *e;
	bool known = false;

	if (!symbol || !pfn || version < 0 ||
	    (flags & ~(cuuint64_t)(CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)) ||
	    flags == (CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_once(&once, index_make);
	e = find(symbol, (unsigned)version, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, &known);
	*pfn = e ? e->fn : NULL;
	if (status)
		*status = e ? CU_GET_PROC_ADDRESS_SUCCESS
			: known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	return e ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult vcu_GetProcAddress(const char *symbol, void **pfn, int version, cuuint64_t flags)
{
	return vcu_GetProcAddress_v2(symbol, pfn, version, flags, NULL);
}
