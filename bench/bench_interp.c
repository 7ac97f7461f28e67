/*
 * bench_interp: how fast the interpreter runs a few kernels (interp.cu) on one
 * core, and what starting a block costs. A kernel's instructions are counted
 * by running it once in slices of one instruction; the time is the median of
 * several runs, in CPU time. Blocks run one after the other on the calling thread.
 *
 *   bench_interp [--runs N] [--count] [--check] [KERNEL…]
 *     --count: instructions too (slow), else per launch only; --check: under the memory checker
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"
#include "util/sys.h"

struct job {
	const char *name;
	uint32_t grid[3], block[3];
	uint64_t params[4];          /* as bytes: see set_params */
	uint32_t param_B;
};

static struct kt t;
static int runs = 7;
static bool count, check;
static float *a, *b, *c;

#define N (1 << 18)
#define DIM 96

/* Pointers first, then ints: the layout that nvcc gives all of these kernels. */
static void set_params(struct job *j, unsigned n_ptr, void *const *ptr, unsigned n_int, const int *v)
{
	uint8_t *p = (uint8_t *)j->params;

	memcpy(p, ptr, n_ptr * 8);
	memcpy(p + n_ptr * 8, v, n_int * 4);
	j->param_B = n_ptr * 8 + n_int * 4;
}

static uint64_t run_grid(const struct be_launch *l)
{
	uint64_t blocks = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2], steps = 0;
	struct be_fault f;

	for (uint64_t n = 0; n < blocks; n++) {
		struct be_block *blk = t.ops->block_new(l, n, &t.err);
		enum be_run r;

		if (!blk)
			bail("%s", t.err.text);
		do {
			r = t.ops->block_run(blk, &f);
			steps++;
		} while (r == BE_RUN_YIELD || r == BE_RUN_SPIN);
		if (r != BE_RUN_DONE)
			bail("block %llu ended with %d: %s", (unsigned long long)n, (int)r, f.text);
		t.ops->block_free(blk);
	}
	return steps;
}

/* The thread's own time: what else the machine does matters less. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int by_value(const void *x, const void *y)
{
	uint64_t p = *(const uint64_t *)x, q = *(const uint64_t *)y;

	return p < q ? -1 : p > q;
}

static uint64_t count_steps(const struct be_launch *l)
{
	uint32_t slice = t.s.slice;
	uint64_t steps;

	t.s.slice = 1;
	steps = run_grid(l);
	t.s.slice = slice;
	return steps;
}

static void run_job(const struct job *j)
{
	struct be_launch l = {
		.services = &t.s, .params = (const uint8_t *)j->params, .param_bytes = j->param_B, .cluster = { 1, 1, 1 },
		.stack_B = 1024,
	};
	uint64_t ns[64], blocks = (uint64_t)j->grid[0] * j->grid[1] * j->grid[2], steps;
	uint32_t threads = j->block[0] * j->block[1] * j->block[2];
	int func = ir_module_find_func(t.m, j->name);
	struct be_kernel *k;

	if (func < 0 || t.ops->kernel_new(&k, t.bm, (uint32_t)func, &t.err))
		bail("no kernel '%s': %s", j->name, t.err.text);
	l.kernel = k;
	memcpy(l.grid, j->grid, sizeof(l.grid));
	memcpy(l.block, j->block, sizeof(l.block));
	run_grid(&l);
	for (int n = 0; n < runs; n++) {
		uint64_t t0 = cpu_ns();

		run_grid(&l);
		ns[n] = cpu_ns() - t0;
	}
	qsort(ns, (size_t)runs, sizeof(ns[0]), by_value);
	printf("%-10s %6llu blocks of %4u: %9.3f ms, best %9.3f ms, %8.0f ns/block", j->name, (unsigned long long)blocks, threads,
	       (double)ns[runs / 2] / 1e6, (double)ns[0] / 1e6, (double)ns[runs / 2] / (double)blocks);
	if (count) {
		steps = count_steps(&l);
		printf(", %5.1f M warp insns, %7.1f M lane-insns/s", (double)steps / 1e6,
		       (double)steps * (threads < 32 ? threads : 32) * 1e3 / (double)ns[runs / 2]);
	}
	printf("\n");
	t.ops->kernel_free(k);
}

static void make_jobs(struct job j[8])
{
	void *abc[] = { a, b, c }, *ac[] = { a, c }, *only_c[] = { c };

	j[0] = (struct job){ "matmul", { DIM / 16, DIM / 16, 1 }, { 16, 16, 1 } };
	set_params(&j[0], 3, abc, 1, (int[]){ DIM });
	j[1] = (struct job){ "vecadd", { 64, 1, 1 }, { 256, 1, 1 } };
	set_params(&j[1], 3, abc, 1, (int[]){ N });
	j[2] = (struct job){ "reduce", { 32, 1, 1 }, { 256, 1, 1 } };
	set_params(&j[2], 2, ac, 1, (int[]){ N });
	j[3] = (struct job){ "histogram", { 16, 1, 1 }, { 256, 1, 1 } };
	set_params(&j[3], 2, ac, 1, (int[]){ N / 4 });
	j[4] = (struct job){ "mandelbrot", { 8, 16, 1 }, { 16, 8, 1 } };
	set_params(&j[4], 1, only_c, 3, (int[]){ 128, 128, 200 });
	j[5] = (struct job){ "tiny", { 4096, 1, 1 }, { 32, 1, 1 } };
	set_params(&j[5], 1, only_c, 0, NULL);
	j[6] = (struct job){ "tiny", { 512, 1, 1 }, { 512, 1, 1 } };
	set_params(&j[6], 1, only_c, 0, NULL);
	j[7] = (struct job){ "locals", { 8, 1, 1 }, { 128, 1, 1 } };
	set_params(&j[7], 1, only_c, 1, (int[]){ 200 });
}

static bool wanted(const char *name, int argc, char **argv)
{
	bool any = false;

	for (int n = 1; n < argc; n++) {
		if (!strcmp(argv[n], "--runs")) {
			n++;
		} else if (argv[n][0] != '-') {
			any = true;
			if (!strcmp(argv[n], name))
				return true;
		}
	}
	return !any;
}

int main(int argc, char **argv)
{
	struct job jobs[8];
	size_t len;
	char *ptx;

	for (int n = 1; n < argc; n++) {
		check |= !strcmp(argv[n], "--check");
		if (!strcmp(argv[n], "--count"))
			count = true;
		if (!strcmp(argv[n], "--runs") && n + 1 < argc)
			runs = atoi(argv[++n]);
	}
	runs = runs < 1 ? 1 : runs > 64 ? 64 : runs;
	if (vgpu_read_file(BENCH_INTERP_PTX, 16 << 20, &ptx, &len, &t.err))
		bail("%s", t.err.text);
	kt_must_open(&t, check ? "check" : "interp", ptx);
	t.s.slice = 1 << 20;
	a = kt_alloc(&t, N * sizeof(float));
	b = kt_alloc(&t, N * sizeof(float));
	c = kt_alloc(&t, N * sizeof(float));
	for (uint32_t n = 0; n < N; n++) {
		a[n] = (float)(n * 2654435761u >> 20);
		b[n] = (float)(n & 255);
	}
	make_jobs(jobs);
	for (size_t n = 0; n < sizeof(jobs) / sizeof(jobs[0]); n++)
		if (wanted(jobs[n].name, argc, argv))
			run_job(&jobs[n]);
	kt_close(&t);
	free(ptx);
	return 0;
}
