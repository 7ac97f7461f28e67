/*
 * sys_backend.c: the systems "simd" and "interp": our backends, driven in this
 * process by pool.c, without engine and driver.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/simd/sd_jit.h"
#include "bench/engine/bench.h"
#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "config.h"

#define KERNELS_MAX 32

struct backend {
	const struct be_ops *ops;
	struct ir_module *m;
	struct be_module *bm;
	struct be_kernel *kernel[KERNELS_MAX];   /* by function; NULL: not asked for yet */
	volatile uint32_t cancel;
	double parse_ms;
	struct be_services services;
	struct be_launch launch;                 /* of the job that is ready */
	uint64_t chunk_max;
	uint8_t params[64];
	struct vgpu_err err;
};

static struct pool *pool;

static bool no_print(void *cookie, const char *text, size_t len)
{
	return true;
}

static uint64_t no_heap(void *cookie, uint64_t size)
{
	return 0;
}

static void no_free(void *cookie, uint64_t addr)
{
}

static void parse(struct backend *b, const char *text)
{
	struct ptx_source src = { text, strlen(text), "kernels.ptx" };
	struct ptx_options o = { .keep_text = true };
	double t0 = now_s();
	struct ptx_diag d;

	ptx_diag_init(&d);
	if (ptx_compile_opts(&src, 1, &o, &b->m, &d, &b->err))
		die("kernels.ptx: %s\n%s", b->err.text, vgpu_buf_text(&d.errors));
	ptx_diag_fini(&d);
	b->parse_ms = (now_s() - t0) * 1e3;
	for (uint32_t v = 0; v < b->m->n_vars; v++)
		if (b->m->vars[v].space == IR_SPACE_GLOBAL || b->m->vars[v].space == IR_SPACE_CONST)
			die("kernels.ptx has variables in device memory; this program has no place for them");
	if (b->m->n_funcs > KERNELS_MAX)
		die("kernels.ptx has more functions than expected");
}

static const char *backend_open(struct system *s)
{
	struct backend *b;
	const struct be_ops *ops = be_find(s->name);
	uint64_t *var_addr;
	char *text;

	if (!ops)
		return "not in this build";
#ifdef VGPU_LLVM
	/* as the engine does it, unless there is only this program */
	if (!getenv("VGPU_JIT"))
		sd_jit_set_local(gen_kernel);
#else
	if (ops == &be_simd)
		return "not in this build";
#endif
	b = calloc(1, sizeof(*b));
	if (!pool)
		pool = pool_new(opt.threads);
	text = read_text(opt.data, "kernels.ptx");
	parse(b, text);
	free(text);
	b->ops = ops;
	b->services = (struct be_services){
		.window = window_base(), .window_size = window_size(), .print = no_print, .heap_alloc = no_heap, .heap_free = no_free,
		.cancel = &b->cancel, .clock_khz = 1000000, .sm_count = opt.threads, .slice = 1 << 20,
	};
	var_addr = calloc(b->m->n_vars + 1, sizeof(*var_addr));
	if (ops->module_new(&b->bm, b->m, var_addr, &b->err))
		die("%s: %s", s->name, b->err.text);
	free(var_addr);
	s->priv = b;
	return NULL;
}

static void backend_close(struct system *s)
{
	struct backend *b = s->priv;

	for (unsigned k = 0; k < KERNELS_MAX; k++)
		if (b->kernel[k])
			b->ops->kernel_free(b->kernel[k]);
	b->ops->module_free(b->bm);
	ir_module_free(b->m);
	free(b);
	s->priv = NULL;
}

static struct be_kernel *get_kernel(struct backend *b, const char *name)
{
	int f = ir_module_find_func(b->m, name);

	if (f < 0) {
		vgpu_err_set(&b->err, VGPU_E_NOT_FOUND, "no kernel %s", name);
		return NULL;
	}
	if (!b->kernel[f] && b->ops->kernel_new(&b->kernel[f], b->bm, (uint32_t)f, &b->err))
		return NULL;
	b->chunk_max = b->m->funcs[f].spins ? 1 : 4096;
	return b->kernel[f];
}

static bool set_launch(struct backend *b, const char *kernel, const uint32_t grid[3], const uint32_t block[3], const void *params,
		       uint32_t param_bytes)
{
	b->launch = (struct be_launch){
		.kernel = get_kernel(b, kernel), .services = &b->services, .cluster = { 1, 1, 1 }, .params = params,
		.param_bytes = param_bytes, .stack_B = 1024,
	};
	memcpy(b->launch.grid, grid, sizeof(b->launch.grid));
	memcpy(b->launch.block, block, sizeof(b->launch.block));
	return b->launch.kernel != NULL;
}

static bool backend_ready(struct system *s, const struct job *j)
{
	struct backend *b = s->priv;
	uint64_t addr[BUFS_MAX];
	uint32_t size;

	for (unsigned k = 0; k < j->n_bufs; k++)
		addr[k] = (uint64_t)(uintptr_t)j->buf[k].p;
	size = job_params(j, addr, b->params);
	if (set_launch(b, j->kernel, j->grid, j->block, b->params, size))
		return true;
	fprintf(stderr, "%s: %s: %s\n", s->name, j->name, b->err.text);
	return false;
}

static void backend_run(struct system *s, const struct job *j)
{
	struct backend *b = s->priv;
	struct be_fault f;
	int r = pool_run(pool, b->ops, &b->launch, &b->cancel, b->chunk_max, &f);

	if (r != BE_RUN_DONE)
		die("%s: %s ended with %d: %s", s->name, j->name, r, f.text);
}

int backend_launch(struct system *s, const char *kernel, const uint32_t grid[3], const uint32_t block[3], const void *params,
		   uint32_t param_bytes, const char **err_text)
{
	static struct be_fault f;
	struct backend *b = s->priv;
	int r;

	if (!set_launch(b, kernel, grid, block, params, param_bytes)) {
		*err_text = b->err.text;
		return -1;
	}
	r = pool_run(pool, b->ops, &b->launch, &b->cancel, b->chunk_max, &f);
	*err_text = f.text;
	return r;
}

void backend_cancel(struct system *s, bool on)
{
	((struct backend *)s->priv)->cancel = on;
}

double backend_parse_ms(struct system *s)
{
	return ((struct backend *)s->priv)->parse_ms;
}

struct system sys_simd = {
	.name = "simd", .bound = true, .ours = true, .open = backend_open, .close = backend_close, .ready = backend_ready, .run = backend_run,
};
struct system sys_interp = {
	.name = "interp", .bound = true, .ours = true, .open = backend_open, .close = backend_close, .ready = backend_ready, .run = backend_run,
};
