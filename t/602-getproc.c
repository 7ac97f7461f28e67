/*
 * 602-getproc.c: cuGetProcAddress: versions, flags and errors; all versions
 * of all functions against the toolkit's cudaTypedefs.h, if there is one.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/cu_abi.h"
#include "t/lib/tap.h"

static void *lib;
static CUresult (*get)(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);
static CUresult (*get_v1)(const char *, void **, int, cuuint64_t);

/* The address that name, version and flags give is that of symbol (NULL: none, with that status). */
static int gives(const char *name, int version, unsigned flags, const char *symbol, int want_status)
{
	CUdriverProcAddressQueryResult st = 77;
	void *p = (void *)1;
	CUresult r = get(name, &p, version, flags, &st);

	if (symbol)
		return r == CUDA_SUCCESS && p == dlsym(lib, symbol) && p && st == CU_GET_PROC_ADDRESS_SUCCESS;
	return r == CUDA_ERROR_NOT_FOUND && !p && (int)st == want_status;
}

static void rules(void)
{
	void *p = (void *)1;

	ok(gives("cuMemAlloc", 2000, 0, "cuMemAlloc", 0), "the version that brought a function");
	ok(gives("cuMemAlloc", 3010, 0, "cuMemAlloc", 0), "a version between two");
	ok(gives("cuMemAlloc", 3020, 0, "cuMemAlloc_v2", 0), "the second version");
	ok(gives("cuMemAlloc", 13000, 0, "cuMemAlloc_v2", 0), "a later version");
	ok(gives("cuMemAlloc", 99999, 0, "cuMemAlloc_v2", 0), "a version that isn't out yet");
	ok(gives("cuMemAlloc", 1999, 0, NULL, 2), "too old a version: not sufficient");
	ok(gives("cuMemAlloc_v2", 13000, 0, NULL, 1), "a name with suffix is not found");
	ok(gives("", 0, 0, NULL, 1), "the empty name is not found");
	ok(gives("cuGLInit", 2000, 0, NULL, 1), "a function that we don't have is not found");
	ok(gives("cuCtxGetDevice", 12000, 0, "cuCtxGetDevice", 0), "cuCtxGetDevice before 13.0");
	ok(gives("cuCtxGetDevice", 13000, 0, "cuCtxGetDevice_v2", 0), "cuCtxGetDevice since 13.0");
	ok(gives("cuGetProcAddress", 11030, 0, "cuGetProcAddress", 0), "cuGetProcAddress of 11.3");
	ok(gives("cuGetProcAddress", 12000, 0, "cuGetProcAddress_v2", 0), "cuGetProcAddress of 12.0");
	ok(gives("cuMemcpy", 13000, 2, "cuMemcpy_ptds", 0), "per-thread stream: the _ptds twin");
	ok(gives("cuMemcpy", 4000, 2, "cuMemcpy", 0), "per-thread stream, before twins came: the plain one");
	ok(gives("cuMemcpyHtoD", 13000, 2, "cuMemcpyHtoD_v2_ptds", 0), "per-thread stream and a version");
	ok(gives("cuLaunchKernel", 13000, 2, "cuLaunchKernel_ptsz", 0), "per-thread stream: the _ptsz twin");
	ok(gives("cuLaunchKernel", 13000, 1, "cuLaunchKernel", 0), "legacy stream: the plain one");
	ok(gives("cuDeviceGet", 13000, 2, "cuDeviceGet", 0), "per-thread stream, no twin: the plain one");
	is_int(get(NULL, &p, 13000, 0, NULL), CUDA_ERROR_INVALID_VALUE, "no name");
	is_int(get("cuInit", NULL, 13000, 0, NULL), CUDA_ERROR_INVALID_VALUE, "no place for the address");
	is_int(get("cuInit", &p, 13000, 4, NULL), CUDA_ERROR_INVALID_VALUE, "unknown flags");
	is_int(get("cuInit", &p, 13000, 3, NULL), CUDA_ERROR_INVALID_VALUE, "both streams at once");
	is_int(get("cuInit", &p, 13000, 0, NULL), CUDA_SUCCESS, "no place for the status is fine");
	is_int(get_v1("cuInit", &p, 11030, 0), CUDA_SUCCESS, "the first version of the function");
	ok(p == dlsym(lib, "cuInit"), "… answers the same");
	is_int(get_v1("cuNothing", &p, 11030, 0), CUDA_ERROR_NOT_FOUND, "… and does not find the same");
	ok(!p, "… with no address");
}

struct row {
	char name[96];
	char pt[8];
	int version;
};

static int by_version(const void *a, const void *b)
{
	return ((const struct row *)a)->version - ((const struct row *)b)->version;
}

static struct row rows[1024];
static size_t n_rows;

/* "PFN_cuMemAlloc_v3020)(" and "PFN_cuMemcpy_v7000_ptds)(" */
static void read_typedefs(const char *path)
{
	FILE *f = fopen(path, "r");
	char line[4096];

	while (f && fgets(line, sizeof(line), f) && n_rows < 1024) {
		char *p = strstr(line, "*PFN_cu"), *end, *v;
		struct row *r = &rows[n_rows];

		if (!p || !strstr(line, "typedef") || !(end = strchr(p, ')')))
			continue;
		*end = 0;
		r->pt[0] = 0;
		if (strlen(p) > 5 && (!strcmp(end - 5, "_ptds") || !strcmp(end - 5, "_ptsz"))) {
			strcpy(r->pt, end - 5);
			end[-5] = 0;
		}
		v = strrchr(p, '_');
		if (!v || v[1] != 'v')
			continue;
		r->version = atoi(v + 2);
		*v = 0;
		snprintf(r->name, sizeof(r->name), "%s", p + 5);
		n_rows++;
	}
	if (f)
		fclose(f);
}

/* A name's versions in ascending order are <name>, <name>_v2, <name>_v3 … */
static void typedefs(const char *home)
{
	char path[512], symbol[128], suffix[8];
	unsigned bad = 0;

	snprintf(path, sizeof(path), "%s/include/cudaTypedefs.h", home);
	read_typedefs(path);
	if (!n_rows) {
		skip("no cudaTypedefs.h");
		return;
	}
	qsort(rows, n_rows, sizeof(rows[0]), by_version);
	for (size_t i = 0; i < n_rows; i++) {
		int v = 1, shift = 0;

		for (size_t j = 0; j < i; j++)
			v += !strcmp(rows[j].name, rows[i].name) && !strcmp(rows[j].pt, rows[i].pt);
		/* Twins begin with the version that was current when they came. */
		for (; rows[i].pt[0] && v + shift < 9; shift++) {
			snprintf(symbol, sizeof(symbol), v + shift > 1 ? "%s_v%d%s" : "%s%.0d%s", rows[i].name,
				 v + shift > 1 ? v + shift : 0, rows[i].pt);
			if (dlsym(lib, symbol))
				break;
		}
		v += shift;
		snprintf(suffix, sizeof(suffix), v > 1 ? "_v%d" : "", v);
		snprintf(symbol, sizeof(symbol), "%s%s%s", rows[i].name, suffix, rows[i].pt);
		if (!gives(rows[i].name, rows[i].version, rows[i].pt[0] ? 2 : 0, symbol, 0)) {
			bad++;
			diag("%s at %d%s is not %s", rows[i].name, rows[i].version, rows[i].pt, symbol);
		}
	}
	ok(n_rows > 600 && !bad, "all %zu rows of cudaTypedefs.h", n_rows);
}

int main(void)
{
	plan_lazy();
	lib = dlopen(test_build("libcuda-vgpu/libcuda.so"), RTLD_NOW);
	if (!lib)
		bail("dlopen: %s", dlerror());
	get = dlsym(lib, "cuGetProcAddress_v2");
	get_v1 = dlsym(lib, "cuGetProcAddress");
	rules();
	if (getenv("CUDA_HOME") && *getenv("CUDA_HOME"))
		typedefs(getenv("CUDA_HOME"));
	else
		skip("no CUDA toolkit to compare with");
	return 0;
}
