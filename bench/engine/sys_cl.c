/*
 * sys_cl.c: the system "pocl": kernels.cl on the first OpenCL platform with a
 * CPU, on the same memory. The library is loaded at run time, so that the
 * program also runs where there is none. Each kernel is built with two sets of
 * options, and the faster one that gets the right result is measured.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <stdlib.h>
#include <string.h>

#include "bench/engine/bench.h"

#ifdef HAVE_OPENCL
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <unistd.h>

#define CL_FUNCS(F)                                                                                                  \
	F(clGetPlatformIDs) F(clGetPlatformInfo) F(clGetDeviceIDs) F(clGetDeviceInfo) F(clCreateContext)             \
	F(clCreateCommandQueue) F(clCreateProgramWithSource) F(clBuildProgram) F(clGetProgramBuildInfo)              \
	F(clCreateKernel) F(clReleaseKernel) F(clSetKernelArg) F(clCreateBuffer) F(clReleaseMemObject)               \
	F(clEnqueueNDRangeKernel) F(clFinish)
#define POINTER(name) static __typeof__(&name) p_##name;
CL_FUNCS(POINTER)

static const char *const build_options[] = { "-cl-mad-enable", "-cl-mad-enable -cl-fast-relaxed-math" };
#define PROGRAMS 2

static cl_device_id device;
static cl_context context;
static cl_command_queue queue;
static cl_program program[PROGRAMS];
static cl_kernel kernel;
static cl_mem mem[BUFS_MAX];
static char cache[64];

static bool load(void)
{
	void *lib = dlopen("libOpenCL.so.1", RTLD_NOW);

	if (!lib)
		return false;
#define LOAD(name)                                          \
	p_##name = (__typeof__(p_##name))dlsym(lib, #name); \
	if (!p_##name)                                      \
		return false;
	CL_FUNCS(LOAD)
	return true;
}

static bool find_device(struct system *s)
{
	cl_platform_id platform[8];
	cl_uint n = 0;
	char name[64] = "", version[64] = "";

	if (p_clGetPlatformIDs(8, platform, &n))
		return false;
	for (cl_uint k = 0; k < n && k < 8; k++) {
		if (p_clGetDeviceIDs(platform[k], CL_DEVICE_TYPE_CPU, 1, &device, NULL))
			continue;
		p_clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof(name), name, NULL);
		p_clGetDeviceInfo(device, CL_DRIVER_VERSION, sizeof(version), version, NULL);
		snprintf(s->what, sizeof(s->what), "PoCL %s, %s", version, name);
		return true;
	}
	return false;
}

static void build(void)
{
	char *text = read_text(opt.data, "kernels.cl");

	for (unsigned k = 0; k < PROGRAMS; k++) {
		const char *src = text;
		static char log[65536];
		cl_int e;

		program[k] = p_clCreateProgramWithSource(context, 1, &src, NULL, &e);
		if (e || p_clBuildProgram(program[k], 1, &device, build_options[k], NULL, NULL)) {
			p_clGetProgramBuildInfo(program[k], device, CL_PROGRAM_BUILD_LOG, sizeof(log), log, NULL);
			die("kernels.cl: %s", log);
		}
	}
	free(text);
}

static const char *cl_open(struct system *s)
{
	char threads[16];
	cl_int e;

	snprintf(threads, sizeof(threads), "%u", opt.threads);
	setenv("POCL_MAX_PTHREAD_COUNT", threads, 1);
	setenv("POCL_AFFINITY", "1", 1);
	/* compiled kernels stay out of the user's cache */
	snprintf(cache, sizeof(cache), "/tmp/bench-pocl-XXXXXX");
	if (!mkdtemp(cache))
		die("no temporary directory");
	setenv("POCL_CACHE_DIR", cache, 1);
	if (!load())
		return "no libOpenCL.so.1";
	if (!find_device(s))
		return "no OpenCL device that is a CPU (package pocl-opencl-icd)";
	context = p_clCreateContext(NULL, 1, &device, NULL, NULL, &e);
	if (!e)
		queue = p_clCreateCommandQueue(context, device, 0, &e);
	if (e)
		return "the OpenCL device can't be used";
	build();
	return NULL;
}

static void cl_close(struct system *s)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf --one-file-system '%s'", cache);
	if (system(cmd))
		fprintf(stderr, "bench_engine: %s stays\n", cache);
}

static void set_args(const struct job *j)
{
	cl_int e = 0;

	for (unsigned k = 0; k < j->n_args && !e; k++) {
		const struct arg *a = &j->arg[k];

		e = a->kind == 'b' ? p_clSetKernelArg(kernel, k, sizeof(cl_mem), &mem[a->v.i]) : p_clSetKernelArg(kernel, k, 4, &a->v);
	}
	if (e)
		die("clSetKernelArg: %d", e);
}

static void cl_run(struct system *s, const struct job *j)
{
	size_t global[2], local[2];
	cl_int e;

	for (int k = 0; k < 2; k++) {
		local[k] = j->block[k];
		global[k] = (size_t)j->grid[k] * j->block[k];
	}
	e = p_clEnqueueNDRangeKernel(queue, kernel, 2, NULL, global, local, 0, NULL, NULL);
	if (!e)
		e = p_clFinish(queue);
	if (e)
		die("pocl: %s: error %d", j->name, e);
}

static void use_program(const struct job *j, unsigned k)
{
	cl_int e;

	if (kernel)
		p_clReleaseKernel(kernel);
	kernel = p_clCreateKernel(program[k], j->kernel, &e);
	if (e)
		die("clCreateKernel %s: %d", j->kernel, e);
	set_args(j);
}

/* Best of two, 1e30 where the result is wrong. */
static double try_one(struct system *s, const struct job *j, unsigned k)
{
	double a, b;

	use_program(j, k);
	job_reset(j);
	cl_run(s, j);
	if (job_error(j) > j->tolerance)
		return 1e30;
	a = run_once(s, j);
	b = run_once(s, j);
	return a < b ? a : b;
}

static bool cl_ready(struct system *s, const struct job *j)
{
	double best = 1e31;
	unsigned use = 0;

	for (unsigned b = 0; b < j->n_bufs; b++) {
		cl_int e;

		mem[b] = p_clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, j->buf[b].size, j->buf[b].p, &e);
		if (e)
			die("clCreateBuffer: %d", e);
	}
	for (unsigned k = 0; k < PROGRAMS; k++) {
		double t = try_one(s, j, k);

		if (t < best) {
			best = t;
			use = k;
		}
	}
	use_program(j, use);
	return true;
}

static void cl_over(struct system *s, const struct job *j)
{
	for (unsigned b = 0; b < j->n_bufs; b++)
		p_clReleaseMemObject(mem[b]);
}

struct system sys_cl = {
	.name = "pocl", .open = cl_open, .close = cl_close, .ready = cl_ready, .run = cl_run, .over = cl_over,
};

#else

static const char *cl_open(struct system *s)
{
	return "built without OpenCL's headers (package ocl-icd-opencl-dev)";
}

struct system sys_cl = { .name = "pocl", .open = cl_open };

#endif
