/*
 * sys_cuda.c: the system "cuda": the same PTX through libcuda.so.1, whichever
 * the loader finds: with bench/run-engine that is ours, on a private mount, so
 * that ring, streams and scheduler are in the figures. Memory is the device's.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "bench/engine/bench.h"
#include "bench/engine/cuda.h"

struct cuda_ops cuda;

static CUcontext context;
static CUmodule module;
static CUfunction function;
static CUdeviceptr mem[BUFS_MAX];
static uint8_t params[64];
static uint32_t param_bytes;
static double parse_ms;

static const char *cuda_load(void)
{
	void *lib = dlopen("libcuda.so.1", RTLD_NOW);

	if (!lib)
		return "no libcuda.so.1";
#define LOAD(field, name, ...)                                     \
	cuda.field = (__typeof__(cuda.field))dlsym(lib, name);     \
	if (!cuda.field)                                           \
		return "libcuda.so.1 lacks " name;
	CUDA_FUNCS(LOAD)
#undef LOAD
	return NULL;
}

void cuda_must(int r, const char *what)
{
	if (r)
		die("%s answers %d", what, r);
}

static const char *make_context(void)
{
	char *text;

	if (cuda.ctx_create(&context, 0, 0))
		return "no context can be made";
	text = read_text(opt.data, "kernels.ptx");
	parse_ms = -now_s() * 1e3;
	cuda_must(cuda.module_load(&module, text), "cuModuleLoadData");
	parse_ms += now_s() * 1e3;
	free(text);
	return NULL;
}

double cuda_parse_ms(void)
{
	return parse_ms;
}

CUfunction cuda_function(const char *name)
{
	CUfunction f;

	cuda_must(cuda.get_function(&f, module, name), "cuModuleGetFunction");
	return f;
}

static const char *cuda_open(struct system *s)
{
	const char *why = cuda_load();
	int device, r;

	if (why)
		return why;
	r = cuda.init(0);
	if (r)
		return "cuInit fails: no device";
	cuda_must(cuda.device_get(&device, 0), "cuDeviceGet");
	cuda_must(cuda.device_name(s->what, (int)sizeof(s->what), device), "cuDeviceGetName");
	return make_context();
}

static void cuda_close(struct system *s)
{
	cuda.ctx_destroy(context);
}

static void cuda_put(struct system *s, const struct job *j)
{
	for (unsigned b = 0; b < j->n_bufs; b++)
		cuda_must(cuda.to_device(mem[b], j->buf[b].p, j->buf[b].size), "cuMemcpyHtoD");
}

static void cuda_get(struct system *s, const struct job *j)
{
	for (unsigned b = 0; b < j->n_bufs; b++)
		if (j->buf[b].out)
			cuda_must(cuda.to_host(j->buf[b].p, mem[b], j->buf[b].size), "cuMemcpyDtoH");
}

static bool cuda_ready(struct system *s, const struct job *j)
{
	uint64_t addr[BUFS_MAX];

	for (unsigned b = 0; b < j->n_bufs; b++) {
		cuda_must(cuda.alloc(&mem[b], j->buf[b].size), "cuMemAlloc");
		addr[b] = mem[b];
	}
	param_bytes = job_params(j, addr, params);
	function = cuda_function(j->kernel);
	return true;
}

void cuda_launch(CUfunction f, const uint32_t grid[3], const uint32_t block[3], void *bytes, size_t size)
{
	/* CU_LAUNCH_PARAM_BUFFER_POINTER, _SIZE, _END */
	void *extra[] = { (void *)1, bytes, (void *)2, &size, NULL };

	cuda_must(cuda.launch(f, grid[0], grid[1], grid[2], block[0], block[1], block[2], 0, NULL, NULL, extra), "cuLaunchKernel");
}

static void cuda_run(struct system *s, const struct job *j)
{
	cuda_launch(function, j->grid, j->block, params, param_bytes);
	cuda_must(cuda.synchronize(), "cuCtxSynchronize");
}

static void cuda_over(struct system *s, const struct job *j)
{
	for (unsigned b = 0; b < j->n_bufs; b++)
		cuda.free(mem[b]);
}

struct system sys_cuda = {
	.name = "cuda", .ours = true, .open = cuda_open, .close = cuda_close, .ready = cuda_ready, .run = cuda_run,
	.put = cuda_put, .get = cuda_get, .over = cuda_over,
};
