/*
 * hold: a CUDA program for tests of monitoring: takes memory on a device, says
 * "up", keeps it until its standard input ends, and says what error it then has.
 *
 *   hold DEVICE MIB [busy|copy]     busy: kernels run all the time; copy: its memory is written and read all the time,
 *                                   in pieces of 1 MiB, two to the device for each one back
 *
 * Through the driver API alone, found as any program finds it.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int CUresult;
typedef unsigned long long CUdeviceptr;

static const char ptx[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry spin(.param .u32 n)\n{\n"
	"  .reg .pred %p<2>;\n  .reg .b32 %r<4>;\n"
	"  ld.param.u32 %r1, [n];\nLOOP:\n  sub.s32 %r1, %r1, 1;\n"
	"  setp.gt.s32 %p1, %r1, 0;\n  @%p1 bra LOOP;\n  ret;\n}\n";

static void *lib;

static void check(CUresult r, const char *what)
{
	if (!r)
		return;
	printf("%s: %d\n", what, r);
	exit(1);
}

static void *fn(const char *name)
{
	void *p = dlsym(lib, name);

	if (!p) {
		printf("no %s\n", name);
		exit(2);
	}
	return p;
}

#define CALL(name, types, ...) check(((CUresult (*) types)fn(name))(__VA_ARGS__), name)

static int input_ended(void)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char c;

	return poll(&p, 1, 0) > 0 && read(0, &c, 1) <= 0;
}

static void copy(CUdeviceptr p)
{
	static char buf[1 << 20];

	CALL("cuMemcpyHtoD_v2", (CUdeviceptr, const void *, size_t), p, buf, sizeof(buf));
	CALL("cuMemcpyHtoD_v2", (CUdeviceptr, const void *, size_t), p, buf, sizeof(buf));
	CALL("cuMemcpyDtoH_v2", (void *, CUdeviceptr, size_t), buf, p, sizeof(buf));
	usleep(1000);
}

int main(int argc, char **argv)
{
	void *ctx, *mod, *func;
	CUdeviceptr p = 0;
	int dev, n = 4000000; /* some milliseconds compiled, less than a second interpreted */
	void *params[] = { &n };
	char c;

	if (argc < 3)
		return 2;
	lib = dlopen("libcuda.so.1", RTLD_NOW);
	if (!lib) {
		printf("%s\n", dlerror());
		return 2;
	}
	CALL("cuInit", (unsigned), 0);
	CALL("cuDeviceGet", (int *, int), &dev, atoi(argv[1]));
	CALL("cuCtxCreate_v2", (void **, unsigned, int), &ctx, 0, dev);
	if (atoi(argv[2]))
		CALL("cuMemAlloc_v2", (CUdeviceptr *, size_t), &p, (size_t)atoi(argv[2]) << 20);
	CALL("cuModuleLoadData", (void **, const void *), &mod, ptx);
	CALL("cuModuleGetFunction", (void **, void *, const char *), &func, mod, "spin");
	printf("up\n");
	fflush(stdout);
	while (argc > 3 && !strcmp(argv[3], "copy") && !input_ended())
		copy(p);
	while (argc > 3 && strcmp(argv[3], "copy") && !input_ended()) {
		CALL("cuLaunchKernel", (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *,
					void **, void **), func, 1, 1, 1, 32, 1, 1, 0, NULL, params, NULL);
		check(((CUresult (*)(void))fn("cuCtxSynchronize"))(), "cuCtxSynchronize");
	}
	while (argc <= 3 && read(0, &c, 1) > 0)
		;
	check(((CUresult (*)(void))fn("cuCtxSynchronize"))(), "cuCtxSynchronize");
	printf("down\n");
	return 0;
}
