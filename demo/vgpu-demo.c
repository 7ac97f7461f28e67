/*
 * vgpu-demo: lists the devices and has each compute something that is checked
 * here on the CPU. Uses CUDA's driver API through libcuda.so.1 as the loader
 * finds it; needs no CUDA toolkit: its kernels are PTX (demo.cu, demo.ptx).
 *
 *   vgpu-demo [--label TEXT] [--lib FILE] [--child]
 *     --child  do it in a child process with an empty environment
 * Exit status: 0 every device computed the right result, 1 not, 2 no device.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WIDTH 192
#define HEIGHT 128
#define LIMIT 64

static const char ptx[] =
#include "demo/demo_ptx.h"
	;

/* What we use of the driver API. Types are those of the ABI. */
typedef int result;
typedef struct context *context;
typedef struct module *module;
typedef struct function *function;
typedef unsigned long long devptr;

#define FUNCS(F)                                                                                   \
	F(cuInit, (unsigned))                                                                      \
	F(cuDriverGetVersion, (int *))                                                             \
	F(cuDeviceGetCount, (int *))                                                               \
	F(cuDeviceGet, (int *, int))                                                               \
	F(cuDeviceGetName, (char *, int, int))                                                     \
	F(cuDeviceGetUuid, (unsigned char *, int))                                                 \
	F(cuDeviceGetPCIBusId, (char *, int, int))                                                 \
	F(cuDeviceGetAttribute, (int *, int, int))                                                 \
	F(cuDeviceTotalMem_v2, (size_t *, int))                                                    \
	F(cuDevicePrimaryCtxRetain, (context *, int))                                              \
	F(cuDevicePrimaryCtxRelease_v2, (int))                                                     \
	F(cuCtxSetCurrent, (context))                                                              \
	F(cuCtxSynchronize, (void))                                                                \
	F(cuModuleLoadData, (module *, const void *))                                              \
	F(cuModuleGetFunction, (function *, module, const char *))                                 \
	F(cuModuleUnload, (module))                                                                \
	F(cuMemAlloc_v2, (devptr *, size_t))                                                       \
	F(cuMemFree_v2, (devptr))                                                                  \
	F(cuMemsetD8_v2, (devptr, unsigned char, size_t))                                          \
	F(cuMemcpyDtoH_v2, (void *, devptr, size_t))                                               \
	F(cuLaunchKernel, (function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,   \
			   unsigned, void *, void **, void **))                                    \
	F(cuGetErrorString, (result, const char **))

#define F(name, args) static result (*name) args;
FUNCS(F)
#undef F

enum { ATTR_CC_MAJOR = 75, ATTR_CC_MINOR = 76 };

static const char *label = "";

static const char *reason(result r)
{
	const char *text = NULL;

	if (!cuGetErrorString || cuGetErrorString(r, &text) || !text)
		return "unknown error";
	return text;
}

/* Ends the function with the result's text when a call fails. */
#define TRY(call)                                                                        \
	do {                                                                             \
		result r_ = (call);                                                      \
		if (r_) {                                                                \
			fprintf(stderr, "%s%s: %d (%s)\n", label, #call, r_, reason(r_)); \
			return 0;                                                        \
		}                                                                        \
	} while (0)

static int load(const char *lib)
{
	void *h = dlopen(lib, RTLD_NOW);

	if (!h) {
		fprintf(stderr, "%s%s\n", label, dlerror());
		return 0;
	}
#define F(name, args)                                                             \
	if (!(*(void **)&name = dlsym(h, #name))) {                               \
		fprintf(stderr, "%s%s lacks %s\n", label, lib, #name);            \
		return 0;                                                         \
	}
	FUNCS(F)
#undef F
	return 1;
}

/* The same arithmetic as the kernel, step by step (built without contraction). */
static uint64_t expect(uint32_t *out)
{
	uint64_t total = 0;

	for (int y = 0; y < HEIGHT; y++)
		for (int x = 0; x < WIDTH; x++) {
			float cr = -2.0f + 3.0f * (float)x / (float)WIDTH, ci = -1.25f + 2.5f * (float)y / (float)HEIGHT;
			float zr = 0, zi = 0;
			uint32_t n = 0;

			while (n < LIMIT && zr * zr + zi * zi <= 4.0f) {
				float t = zr * zr - zi * zi + cr;

				zi = 2.0f * zr * zi + ci;
				zr = t;
				n++;
			}
			out[y * WIDTH + x] = n;
			total += n;
		}
	return total;
}

static int launch(module m, devptr image, devptr total)
{
	int width = WIDTH, height = HEIGHT, limit = LIMIT, n = WIDTH * HEIGHT;
	void *first[] = { &image, &width, &height, &limit };
	void *second[] = { &image, &n, &total };
	function f;

	TRY(cuModuleGetFunction(&f, m, "mandelbrot"));
	TRY(cuLaunchKernel(f, WIDTH / 16, HEIGHT / 8, 1, 16, 8, 1, 0, NULL, first, NULL));
	TRY(cuModuleGetFunction(&f, m, "sum"));
	TRY(cuLaunchKernel(f, 8, 1, 1, 128, 1, 1, 0, NULL, second, NULL));
	TRY(cuCtxSynchronize());
	return 1;
}

static int compute(uint32_t *got, uint64_t *sum)
{
	size_t bytes = WIDTH * HEIGHT * sizeof(*got);
	devptr image, total;
	module m;

	TRY(cuModuleLoadData(&m, ptx));
	TRY(cuMemAlloc_v2(&image, bytes));
	TRY(cuMemAlloc_v2(&total, sizeof(*sum)));
	TRY(cuMemsetD8_v2(total, 0, sizeof(*sum)));
	if (!launch(m, image, total))
		return 0;
	TRY(cuMemcpyDtoH_v2(got, image, bytes));
	TRY(cuMemcpyDtoH_v2(sum, total, sizeof(*sum)));
	TRY(cuMemFree_v2(image));
	TRY(cuMemFree_v2(total));
	TRY(cuModuleUnload(m));
	return 1;
}

static int one_device(int index)
{
	static uint32_t got[WIDTH * HEIGHT], want[WIDTH * HEIGHT];
	uint64_t sum = 0, right = expect(want);
	char name[128], pci[32];
	unsigned char u[16];
	int dev, major, minor, same;
	size_t memory;
	context ctx;

	TRY(cuDeviceGet(&dev, index));
	TRY(cuDeviceGetName(name, sizeof(name), dev));
	TRY(cuDeviceGetUuid(u, dev));
	TRY(cuDeviceGetPCIBusId(pci, sizeof(pci), dev));
	TRY(cuDeviceGetAttribute(&major, ATTR_CC_MAJOR, dev));
	TRY(cuDeviceGetAttribute(&minor, ATTR_CC_MINOR, dev));
	TRY(cuDeviceTotalMem_v2(&memory, dev));
	TRY(cuDevicePrimaryCtxRetain(&ctx, dev));
	TRY(cuCtxSetCurrent(ctx));
	if (!compute(got, &sum))
		return 0;
	TRY(cuDevicePrimaryCtxRelease_v2(dev));
	same = sum == right && memcmp(got, want, sizeof(got)) == 0;
	printf("%sdevice %d: %s, GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x, %s, "
	       "compute %d.%d, %zu MiB: computed %llu, %s\n",
	       label, index, name, u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
	       u[14], u[15], pci, major, minor, memory >> 20, (unsigned long long)sum,
	       same ? "right" : "WRONG");
	return same;
}

static int run(const char *lib)
{
	int n = 0, good = 0;
	result r;

	if (!load(lib))
		return 2;
	r = cuInit(0);
	if (!r)
		r = cuDeviceGetCount(&n);
	if (r || n == 0) {
		fprintf(stderr, "%sno device: %s\n", label, r ? reason(r) : "the driver counts none");
		return 2;
	}
	for (int i = 0; i < n; i++)
		good += one_device(i);
	fflush(stdout);
	return good == n ? 0 : 1;
}

/* The same program once more, with nothing in its environment. */
static int run_child(const char *lib)
{
	char *args[] = { "vgpu-demo", "--label", (char *)label, "--lib", (char *)lib, NULL };
	char *empty[] = { NULL };
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execve("/proc/self/exe", args, empty);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	const char *lib = "libcuda.so.1";
	int child = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--label") == 0 && i + 1 < argc) {
			label = argv[++i];
		} else if (strcmp(argv[i], "--lib") == 0 && i + 1 < argc) {
			lib = argv[++i];
		} else if (strcmp(argv[i], "--child") == 0) {
			child = 1;
		} else {
			fprintf(stderr, "usage: vgpu-demo [--label TEXT] [--lib FILE] [--child]\n");
			return 2;
		}
	}
	return child ? run_child(lib) : run(lib);
}
