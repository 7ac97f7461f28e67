/*
 * 492-alu-gpu: the interp backend's arithmetic against a real GPU, form by
 * form, on the same values as the conformance tests. Not run by default: it
 * needs NVIDIA's driver. Prints every difference; approximate functions count
 * as different by their distance in units in the last place.
 *
 *	usage: 492-alu-gpu [substring of the forms to run]
 *	       492-alu-gpu -x form value…     prints both results for the operand tuples given
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/alu_impl.h"
#include "t/lib/alu_ptx.h"
#include "t/lib/tap.h"

typedef unsigned long long dptr;

/* The driver entry points used, by their C names. */
static struct {
	int (*init)(unsigned), (*device)(int *, int), (*attr)(int *, int, int), (*ctx)(void **, int), (*current)(void *);
	int (*load)(void **, const void *, unsigned, int *, void **), (*unload)(void *), (*get)(void **, void *, const char *);
	int (*alloc)(dptr *, size_t), (*to)(dptr, const void *, size_t), (*from)(void *, dptr, size_t), (*sync)(void);
	int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
} cu;

#define MAX_TUPLES 65536
#define PRINTED 6

static dptr mem[9];
static unsigned device_sm;

static void *sym(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p)
		bail("the driver has no %s", name);
	return p;
}

static void open_driver(void)
{
	void *lib = dlopen("libcuda.so.1", RTLD_NOW), *ctx;
	int dev, major, minor;

	if (!lib)
		skip_all("no libcuda.so.1 here");
	cu.init = sym(lib, "cuInit");
	cu.device = sym(lib, "cuDeviceGet");
	cu.attr = sym(lib, "cuDeviceGetAttribute");
	cu.ctx = sym(lib, "cuDevicePrimaryCtxRetain");
	cu.current = sym(lib, "cuCtxSetCurrent");
	cu.load = sym(lib, "cuModuleLoadDataEx");
	cu.unload = sym(lib, "cuModuleUnload");
	cu.get = sym(lib, "cuModuleGetFunction");
	cu.alloc = sym(lib, "cuMemAlloc_v2");
	cu.to = sym(lib, "cuMemcpyHtoD_v2");
	cu.from = sym(lib, "cuMemcpyDtoH_v2");
	cu.sync = sym(lib, "cuCtxSynchronize");
	cu.launch = sym(lib, "cuLaunchKernel");
	if (cu.init(0) || cu.device(&dev, 0) || cu.ctx(&ctx, dev) || cu.current(ctx))
		skip_all("no usable GPU here");
	cu.attr(&major, 75, dev);
	cu.attr(&minor, 76, dev);
	device_sm = (unsigned)(10 * major + minor);
	for (unsigned k = 0; k < 9; k++)
		if (cu.alloc(&mem[k], MAX_TUPLES * 8))
			bail("no device memory");
	diag("device sm_%u", device_sm);
}

static bool run_gpu(const struct alu_form *f, const struct alu_tuples *t, uint64_t *out[3])
{
	static char text[32768];
	static char log[4096];
	void *vals[] = { log, (void *)sizeof(log) };   /* CU_JIT_ERROR_LOG_BUFFER and its size */
	int opts[] = { 5, 6 };
	void *args[9], *mod, *fn;
	int e;

	if (!alu_ptx_module(text, sizeof(text), f, "k"))
		bail("text too long");
	log[0] = 0;
	e = cu.load(&mod, text, 2, opts, vals);
	if (e) {
		diag("%s: module: %d %s", f->spelling, e, log);
		return false;
	}
	if (cu.get(&fn, mod, "k"))
		bail("no k");
	for (unsigned k = 0; k < f->n_src; k++)
		cu.to(mem[k], t->src[k], t->n * 8);
	for (unsigned k = 0; k < 9; k++)
		args[k] = &mem[k];
	e = cu.launch(fn, (unsigned)(t->n / 32), 1, 1, 32, 1, 1, 0, NULL, args, NULL);
	if (e || (e = cu.sync()))
		bail("%s: launch: %d", f->spelling, e);
	for (unsigned k = 0; k < 3; k++)
		cu.from(out[k], mem[6 + k], t->n * 8);
	cu.unload(mod);
	return true;
}

static void run_here(const struct alu_form *f, const struct alu_tuples *t, alu_fn fn, uint64_t *out[3])
{
	for (size_t at = 0; at < t->n; at += WARP) {
		struct alu_args x = { .d = out[0] + at, .d2 = f->n_dst > 1 ? out[1] + at : NULL, .a = t->src[0] + at, .b = t->src[1] + at,
				      .c = t->src[2] + at, .e = t->src[f->n_src == 5 ? 4 : 3] + at, .cc = out[2] + at,
				      .mask = FULL_MASK, .insn = &f->insn };

		for (unsigned l = 0; l < WARP; l++)
			out[2][at + l] = l & 1;
		fn(&x);
	}
}

static uint64_t cut(uint64_t v, uint8_t type)
{
	unsigned bits = ir_type_bits(type);

	return bits < 64 ? v & ((UINT64_C(1) << bits) - 1) : v;
}

/* Distance of two floats of the width in units in the last place. */
static uint64_t distance(uint64_t a, uint64_t b, unsigned bits)
{
	const uint64_t sign = UINT64_C(1) << (bits - 1);
	int64_t x = a & sign ? -(int64_t)(a & (sign - 1)) : (int64_t)a, y = b & sign ? -(int64_t)(b & (sign - 1)) : (int64_t)b;

	return x > y ? (uint64_t)x - (uint64_t)y : (uint64_t)y - (uint64_t)x;
}

static void print_distances(const struct alu_form *f, const struct alu_tuples *t, const uint64_t *gpu, const uint64_t *own)
{
	unsigned bits = ir_type_bits(f->dst_type[0]);
	size_t hist[65] = { 0 }, shown[65] = { 0 };

	if (ir_type_class(f->insn.type) == IR_TC_PACKED)
		return;
	for (size_t j = 0; j < t->n; j++) {
		uint64_t d = distance(cut(gpu[j], f->dst_type[0]), cut(own[j], f->dst_type[0]), bits);
		unsigned k = d ? 64 - (unsigned)__builtin_clzll(d) : 0;

		hist[k]++;
		if (k > 2 && shown[k]++ < 3)
			diag("  2^%u ulp: %#llx %#llx: gpu %#llx own %#llx", k - 1, (unsigned long long)t->src[0][j],
			     (unsigned long long)(f->n_src > 1 ? t->src[1][j] : 0), (unsigned long long)gpu[j], (unsigned long long)own[j]);
	}
	for (unsigned k = 0; k < 65; k++)
		if (hist[k])
			diag("  %s: %zu within %s%llu ulp", f->spelling, hist[k], k ? "2^" : "", (unsigned long long)(k ? k - 1 : 0));
}

static void check(const struct alu_form *f, void *ctx)
{
	alu_fn fn = alu_select(&f->insn);
	uint64_t *gpu[3], *own[3];
	struct alu_tuples t;
	size_t bad = 0;

	if (ctx && !strstr(f->spelling, ctx))
		return;
	if (f->sm > device_sm || !fn)
		return;
	alu_tuples_make(&t, f, 40000);
	for (unsigned k = 0; k < 3; k++) {
		gpu[k] = calloc(t.n, 8);
		own[k] = calloc(t.n, 8);
	}
	if (run_gpu(f, &t, gpu)) {
		run_here(f, &t, fn, own);
		for (size_t j = 0; j < t.n; j++) {
			uint64_t g = cut(gpu[0][j], f->dst_type[0]), o = cut(own[0][j], f->dst_type[0]);
			bool cc = f->insn.flags & IR_F_CC, two = f->n_dst > 1;

			if (g == o && (!two || gpu[1][j] == own[1][j]) && (!cc || (gpu[2][j] & 1) == own[2][j]))
				continue;
			if (bad++ < PRINTED)
				diag("%s %#llx %#llx %#llx %#llx: gpu %#llx %llu %llu, own %#llx %llu %llu", f->spelling,
				     (unsigned long long)t.src[0][j], (unsigned long long)(f->n_src > 1 ? t.src[1][j] : 0),
				     (unsigned long long)(f->n_src > 2 ? t.src[2][j] : 0), (unsigned long long)(f->n_src > 3 ? t.src[3][j] : 0),
				     (unsigned long long)g, (unsigned long long)gpu[1][j], (unsigned long long)gpu[2][j],
				     (unsigned long long)o, (unsigned long long)own[1][j], (unsigned long long)own[2][j]);
		}
		ok(!bad, "%s: %zu of %zu differ", f->spelling, bad, t.n);
		if (bad && (f->insn.flags & (IR_F_APPROX | IR_F_FULL)))
			print_distances(f, &t, gpu[0], own[0]);
	}
	for (unsigned k = 0; k < 3; k++) {
		free(gpu[k]);
		free(own[k]);
	}
	alu_tuples_free(&t);
}

struct given {
	const char *form;
	char **v;
	int n;
};

static void print_given(const struct alu_form *f, void *ctx)
{
	const struct given *g = ctx;
	static uint64_t cells[6][MAX_TUPLES], res[6][MAX_TUPLES];
	struct alu_tuples t = { .src = { cells[0], cells[1], cells[2], cells[3], cells[4], cells[5] } };
	uint64_t *gpu[3] = { res[0], res[1], res[2] }, *own[3] = { res[3], res[4], res[5] };
	size_t n = (size_t)g->n / (f->n_src ? f->n_src : 1);
	alu_fn fn = alu_select(&f->insn);

	if (strcmp(f->spelling, g->form) != 0 || n > MAX_TUPLES)
		return;
	t.n = (n + 31) & ~(size_t)31;
	for (size_t j = 0; j < n; j++)
		for (unsigned k = 0; k < f->n_src; k++)
			cells[k][j] = strtoull(g->v[j * f->n_src + k], NULL, 0);
	if (!fn || !run_gpu(f, &t, gpu))
		return;
	run_here(f, &t, fn, own);
	for (size_t j = 0; j < n; j++) {
		printf("%s", f->spelling);
		for (unsigned k = 0; k < f->n_src; k++)
			printf(" %#llx", (unsigned long long)cells[k][j]);
		printf(": gpu %#llx own %#llx\n", (unsigned long long)res[0][j], (unsigned long long)res[3][j]);
	}
}

int main(int argc, char **argv)
{
	tap_timeout(600);
	plan_lazy();
	open_driver();
	alu_seed();
	if (argc > 2 && !strcmp(argv[1], "-x")) {
		struct given g = { argv[2], argv + 3, argc - 3 };

		for (unsigned k = 0; k < ALU_G_COUNT; k++)
			alu_forms_each(k, print_given, &g);
		return 0;
	}
	for (unsigned g = 0; g < ALU_G_COUNT; g++)
		alu_forms_each(g, check, argc > 1 ? argv[1] : NULL);
	return 0;
}
