/*
 * bench_driver: costs of the driver path, each beside what it is measured
 * against: enumeration in a fresh process beside an empty process, launches,
 * copies beside memcpy, a control round trip beside getppid. Medians of
 * interleaved runs, because machines are noisy; "target" is what the project
 * asks for.
 *
 *   bench_driver [--runs N] [enum] [launch] [copy] [control]
 */
#include <dlfcn.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef int CUresult;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef unsigned long long CUdeviceptr;

extern char **environ;
static void *lib;
static int runs = 15;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double quantile(double *v, int n, double q)
{
	qsort(v, (size_t)n, sizeof(*v), cmp);
	return v[(int)((n - 1) * q)];
}

static void *sym(const char *name)
{
	void *p = dlsym(lib, name);

	if (!p) {
		fprintf(stderr, "bench: %s is missing\n", name);
		exit(1);
	}
	return p;
}

#define CALL(name, proto, ...)                                             \
	do {                                                               \
		static CUresult (*fn_) proto;                              \
		CUresult r_;                                               \
		if (!fn_)                                                  \
			fn_ = (CUresult (*) proto)sym(name);               \
		r_ = fn_(__VA_ARGS__);                                     \
		if (r_) {                                                  \
			fprintf(stderr, "bench: %s answers %d\n", name, r_); \
			exit(1);                                           \
		}                                                          \
	} while (0)

static void load(void)
{
	lib = dlopen("libcuda.so.1", RTLD_NOW);
	if (!lib) {
		fprintf(stderr, "bench: %s\n", dlerror());
		exit(1);
	}
	CALL("cuInit", (unsigned), 0);
}

/* ---- enumeration ---- */

static double spawn_us(const char *self, const char *mode)
{
	char *argv[] = { (char *)self, (char *)mode, NULL };
	double t0 = now_us();
	pid_t pid;
	int st;

	if (posix_spawn(&pid, self, NULL, NULL, argv, environ))
		exit(1);
	waitpid(pid, &st, 0);
	if (!WIFEXITED(st) || WEXITSTATUS(st)) {
		fprintf(stderr, "bench: child %s failed\n", mode);
		exit(1);
	}
	return now_us() - t0;
}

static void bench_enum(const char *self)
{
	int n = runs * 10;
	double *empty = calloc((size_t)n, sizeof(double)), *full = calloc((size_t)n, sizeof(double));

	for (int i = 0; i < n; i++) {
		empty[i] = spawn_us(self, "--child-empty");
		full[i] = spawn_us(self, "--child-enum");
	}
	double e = quantile(empty, n, 0.5), f = quantile(full, n, 0.5);

	printf("enumeration   empty process %7.0f us   with cuInit+cuDeviceGetCount %7.0f us   over it %6.0f us   (target <= 2000, ratio %.2f)\n",
	       e, f, f - e, (f - e) / 2000);
	free(empty);
	free(full);
}

/* ---- launches ---- */

static const char ptx[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry empty()\n{\n  ret;\n}\n";

static void bench_launch(void)
{
	enum { BATCH = 200 };
	double *enq = calloc((size_t)runs, sizeof(double)), *sync = calloc((size_t)runs * BATCH, sizeof(double));
	CUmodule mod;
	CUfunction f;

	CALL("cuModuleLoadData", (CUmodule *, const void *), &mod, ptx);
	CALL("cuModuleGetFunction", (CUfunction *, CUmodule, const char *), &f, mod, "empty");
	CUresult (*launch)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **) =
		(__typeof__(launch))sym("cuLaunchKernel");
	CUresult (*csync)(void) = (CUresult (*)(void))sym("cuCtxSynchronize");

	for (int i = 0; i < 100; i++) {
		launch(f, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL);
		csync();
	}
	for (int r = 0; r < runs; r++) {
		double t0 = now_us();

		for (int i = 0; i < BATCH; i++)
			if (launch(f, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL))
				exit(1);
		enq[r] = (now_us() - t0) / BATCH;
		if (csync())
			exit(1);
		for (int i = 0; i < BATCH; i++) {
			t0 = now_us();
			if (launch(f, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL) || csync())
				exit(1);
			sync[r * BATCH + i] = now_us() - t0;
		}
	}
	double e = quantile(enq, runs, 0.5), s = quantile(sync, runs * BATCH, 0.5), p9 = quantile(sync, runs * BATCH, 0.9);

	printf("launch        enqueue %6.2f us (target <= 2, ratio %.2f)   launch+sync %6.2f us, p90 %6.2f (target <= 10, ratio %.2f)\n",
	       e, e / 2, s, p9, s / 10);
	for (int i = 0; i < runs * BATCH; i++) {
		double t0 = now_us();

		if (launch(f, 256, 1, 1, 128, 1, 1, 0, NULL, NULL, NULL) || csync())
			exit(1);
		sync[i] = now_us() - t0;
	}
	s = quantile(sync, runs * BATCH, 0.5);
	p9 = quantile(sync, runs * BATCH, 0.9);
	printf("launch        256 blocks of 128 threads, to completion %6.2f us, p90 %6.2f (target <= 5, ratio %.2f)\n", s, p9, s / 5);
	CALL("cuModuleUnload", (CUmodule), mod);
	free(enq);
	free(sync);
}

/* ---- copies ---- */

static void bench_copy(void)
{
	static const size_t sizes[] = { 4096, 64 << 10, 1 << 20, 64 << 20 };

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		size_t n = sizes[k];
		int reps = n >= 64 << 20 ? 1 : n >= 1 << 20 ? 20 : 500;
		char *a = aligned_alloc(1 << 21, (n + (1 << 21) - 1) & ~(size_t)((1 << 21) - 1)), *b = aligned_alloc(1 << 21, (n + (1 << 21) - 1) & ~(size_t)((1 << 21) - 1));
		double *m = calloc((size_t)runs, sizeof(double)), *h = calloc((size_t)runs, sizeof(double)), *d = calloc((size_t)runs, sizeof(double));
		CUdeviceptr p;

		memset(a, 1, n);
		memset(b, 2, n);
		CALL("cuMemAlloc_v2", (CUdeviceptr *, size_t), &p, n);
		CALL("cuMemcpyHtoD_v2", (CUdeviceptr, const void *, size_t), p, a, n);
		for (int r = 0; r < runs; r++) {
			double t0 = now_us();

			for (int i = 0; i < reps; i++) {
				memcpy(b, a, n);
				__asm__ volatile("" : : "r"(b) : "memory");
			}
			m[r] = (now_us() - t0) / reps;
			t0 = now_us();
			for (int i = 0; i < reps; i++)
				CALL("cuMemcpyHtoD_v2", (CUdeviceptr, const void *, size_t), p, a, n);
			h[r] = (now_us() - t0) / reps;
			t0 = now_us();
			for (int i = 0; i < reps; i++)
				CALL("cuMemcpyDtoH_v2", (void *, CUdeviceptr, size_t), b, p, n);
			d[r] = (now_us() - t0) / reps;
		}
		double mm = quantile(m, runs, 0.5), hh = quantile(h, runs, 0.5), dd = quantile(d, runs, 0.5);

		printf("copy %8zu B   memcpy %6.2f GB/s   H2D %6.2f GB/s = %.2f   D2H %6.2f GB/s = %.2f%s\n", n,
		       n / mm / 1e3, n / hh / 1e3, mm / hh, n / dd / 1e3, mm / dd, n == 64 << 20 ? "   (target >= 0.8)" : "");
		CALL("cuMemFree_v2", (CUdeviceptr), p);
		free(a);
		free(b);
		free(m);
		free(h);
		free(d);
	}
}

/* ---- control ---- */

static void bench_control(void)
{
	enum { BATCH = 500 };
	double *s = calloc((size_t)runs, sizeof(double)), *c = calloc((size_t)runs, sizeof(double));

	for (int r = 0; r < runs; r++) {
		size_t fr, tot;
		double t0 = now_us();

		for (int i = 0; i < BATCH; i++)
			syscall(SYS_getppid);
		s[r] = (now_us() - t0) / BATCH;
		t0 = now_us();
		for (int i = 0; i < BATCH; i++)
			CALL("cuMemGetInfo_v2", (size_t *, size_t *), &fr, &tot);
		c[r] = (now_us() - t0) / BATCH;
	}
	double a = quantile(s, runs, 0.5), b = quantile(c, runs, 0.5);

	printf("control       cuMemGetInfo round trip %6.2f us   getppid %5.2f us   ratio %.1f\n", b, a, b / a);
	free(s);
	free(c);
}

int main(int argc, char **argv)
{
	int all = 1, want_enum = 0, want_launch = 0, want_copy = 0, want_control = 0;
	CUcontext ctx;
	char self[512];
	ssize_t n;

	if (argc == 2 && strcmp(argv[1], "--child-empty") == 0)
		return 0;
	if (argc == 2 && strcmp(argv[1], "--child-enum") == 0) {
		int count = 0;

		load();
		CALL("cuDeviceGetCount", (int *), &count);
		return count < 1;
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
			runs = atoi(argv[++i]);
		else if (strcmp(argv[i], "enum") == 0)
			want_enum = 1, all = 0;
		else if (strcmp(argv[i], "launch") == 0)
			want_launch = 1, all = 0;
		else if (strcmp(argv[i], "copy") == 0)
			want_copy = 1, all = 0;
		else if (strcmp(argv[i], "control") == 0)
			want_control = 1, all = 0;
		else {
			fprintf(stderr, "usage: bench_driver [--runs N] [enum] [launch] [copy] [control]\n");
			return 2;
		}
	}
	if (runs < 1)
		runs = 1;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = 0;
	if (all || want_enum)
		bench_enum(self);
	if (!all && !want_launch && !want_copy && !want_control)
		return 0;
	load();
	CALL("cuDevicePrimaryCtxRetain", (CUcontext *, int), &ctx, 0);
	CALL("cuCtxSetCurrent", (CUcontext), ctx);
	if (all || want_launch)
		bench_launch();
	if (all || want_copy)
		bench_copy();
	if (all || want_control)
		bench_control();
	return 0;
}
