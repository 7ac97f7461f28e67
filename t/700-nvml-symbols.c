/*
 * 700-nvml-symbols.c: libnvidia-ml exports the names of api.def and nothing
 * else; every function says UNINITIALIZED before nvmlInit, and none succeeds or
 * crashes on arguments that are all zero, initialised or not.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "t/lib/nvml.h"
#include "t/lib/symbols.h"
#include "t/lib/tap.h"

typedef nvmlReturn_t (*zero_f)(long, long, long, long, long, long);

static const char *const names[] = {
#define NV_FN(base, ver, flags, params, args) "nvml" #base #ver,
#define NV_TEXT_FN(base, params, args) "nvml" #base,
#include "libnvml-vgpu/api/api.def"
#undef NV_FN
#undef NV_TEXT_FN
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

/* Functions that need no initialisation, or that have nothing to look at. */
static bool is_one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(name, *list))
			return true;
	return false;
}

static const char *const no_init[] = { "nvmlInit", "nvmlInit_v2", "nvmlInitWithFlags", "nvmlShutdown", "nvmlErrorString", NULL };

static void before_init(void *lib)
{
	unsigned bad = 0;

	for (size_t i = 0; i < N_NAMES; i++) {
		zero_f fn = (zero_f)dlsym(lib, names[i]);
		nvmlReturn_t r;

		if (!fn || is_one_of(names[i], no_init))
			continue;
		r = fn(0, 0, 0, 0, 0, 0);
		if (r == NVML_ERROR_UNINITIALIZED)
			continue;
		diag("%s answers %d", names[i], (int)r);
		bad++;
	}
	is_int(bad, 0, "every function answers UNINITIALIZED before nvmlInit");
}

static void texts(void *lib)
{
	const char *(*text)(nvmlReturn_t) = (const char *(*)(nvmlReturn_t))dlsym(lib, "nvmlErrorString");

	is_string(text(NVML_SUCCESS), "Success", "text of success");
	is_string(text(NVML_ERROR_UNINITIALIZED), "Uninitialized", "of a function without nvmlInit");
	is_string(text(NVML_ERROR_NO_PERMISSION), "Insufficient Permissions", "of a missing permission");
	is_string(text(NVML_ERROR_GPU_IS_LOST), "GPU is lost", "of a lost GPU");
	is_string(text((nvmlReturn_t)12345), "Unknown Error", "of a number that is no return code");
}

int main(void)
{
	static struct symbols table, exported;
	void *lib;

	plan_lazy();
	for (size_t i = 0; i < N_NAMES; i++)
		table.list[table.n++] = names[i];
	symbols_sort(&table);
	for (size_t i = 1; i < table.n; i++)
		if (!strcmp(table.list[i], table.list[i - 1]))
			ok(false, "%s has two rows", table.list[i]);
	is_int(table.n, 421, "421 functions");
	if (symbols_read(test_build("libnvml-vgpu/libnvidia-ml.so"), &exported))
		bail("libnvidia-ml.so can't be read");
	is_string(exported.soname, "libnvidia-ml.so.1", "soname");
	ok(!symbols_missing(&table, &exported, "libnvidia-ml.so"), "all of them are exported");
	ok(!symbols_missing(&exported, &table, "api.def"), "nothing else is exported");
	symbols_needs_libc(&exported);
	lib = dlopen(test_build("libnvml-vgpu/libnvidia-ml.so.1"), RTLD_NOW | RTLD_LOCAL);
	if (!ok(lib != NULL, "the library can be loaded"))
		diag("%s", dlerror());
	else {
		texts(lib);
		before_init(lib);
	}
	return 0;
}
