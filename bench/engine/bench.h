/*
 * bench.h: what the files of bench/engine share. A job is one anchor kernel
 * with its data; a system is something that can run it. All systems of the
 * process work on the same memory, which lies in the backends' window.
 */
#ifndef VGPU_BENCH_ENGINE_BENCH_H
#define VGPU_BENCH_ENGINE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum size { SIZE_TINY, SIZE_SMALL, SIZE_FULL };

struct options {
	unsigned threads, runs;
	enum size size;
	const char *data;            /* directory of kernels.ptx and kernels.cl */
	const char *const *only;     /* kernels, NULL terminated; NULL: all */
};
extern struct options opt;

/* ---- jobs (jobs.c, check.c) ---- */

enum family { F_SAXPY, F_SGEMM, F_REDUCE, F_HIST, F_MANDEL, F_BS, F_BS_PREC, F_NBODY, F_TRANSP, F_Q8MV };

#define BUFS_MAX 5
#define ARGS_MAX 8

struct buf {
	void *p;
	size_t size;
	const void *init;            /* contents before a run that is checked; NULL: zeros if out, else never changed */
	bool out;
};

struct arg {
	char kind;                   /* b: address of buf[v.i], i, f */
	union { int32_t i; float f; } v;
};

struct job {
	const char *name, *kernel;
	enum family family;
	uint32_t grid[3], block[3];
	struct buf buf[BUFS_MAX];
	struct arg arg[ARGS_MAX];
	unsigned n_bufs, n_args;
	int n;                       /* as the kernel takes it */
	int rows;                    /* F_Q8MV */
	double *ref;                 /* n_ref reference values, by job_reference() */
	size_t n_ref;
	double tolerance;
};

unsigned job_count(void);
const char *job_name(unsigned k);
/* Memory comes from the window; job_over gives it back. */
void job_make(struct job *j, unsigned k, enum size size);
void job_over(struct job *j);
/* Initial contents of what runs change. */
void job_reset(const struct job *j);
void job_reference(struct job *j);
/* Largest error of the results in the job's buffers; ok within j->tolerance. */
double job_error(const struct job *j);
/* Parameters as nvcc lays them out; addr[b] is the address of buffer b. Answers their size. */
uint32_t job_params(const struct job *j, const uint64_t *addr, uint8_t out[64]);
float arg_f(const struct job *j, unsigned k);

/* ---- systems ---- */

struct system {
	const char *name;
	bool ours;                   /* under test; the others are what it is compared with */
	bool bound;                  /* the caller is one of its threads, which have a CPU each (cpus.c) */
	char what[128];              /* filled by open: version, device … */
	/* NULL, or why it can't be used. */
	const char *(*open)(struct system *s);
	void (*close)(struct system *s);
	/* Readies a job; false: this system has no such version. May run it. */
	bool (*ready)(struct system *s, const struct job *j);
	void (*run)(struct system *s, const struct job *j);
	/* For systems with memory of their own: to it, from it. */
	void (*put)(struct system *s, const struct job *j);
	void (*get)(struct system *s, const struct job *j);
	void (*over)(struct system *s, const struct job *j);
	void *priv;
};

extern struct system sys_simd, sys_interp, sys_c, sys_hand, sys_cl, sys_cuda;

/* Wall-clock seconds of one run. */
double run_once(struct system *s, const struct job *j);

/* ---- backends in this process (sys_backend.c) ---- */

struct be_kernel;
struct be_fault;

/* One launch to completion, without a job. Answers how it ended (enum be_run), -1: it can't be had (why: *err_text). */
int backend_launch(struct system *s, const char *kernel, const uint32_t grid[3], const uint32_t block[3], const void *params,
		   uint32_t param_bytes, const char **err_text);
void backend_cancel(struct system *s, bool on);
/* Milliseconds that reading the PTX text took. */
double backend_parse_ms(struct system *s);

/* ---- the pool (pool.c) ---- */

struct be_ops;
struct be_launch;
struct pool;

struct pool *pool_new(unsigned threads);
void pool_free(struct pool *p);
/* Runs all blocks of a launch; the caller is one of the threads. Answers enum be_run; f is filled where it faulted. */
int pool_run(struct pool *p, const struct be_ops *ops, const struct be_launch *l, volatile uint32_t *cancel, uint64_t chunk_max,
	     struct be_fault *f);

/* ---- CPUs (cpus.c) ---- */

/* The calling thread to the CPU of thread 0, 1, … of those that are timed; and back to all that the process was
 * given (called first of all, before there are threads). */
void cpus_bind(unsigned thread);
void cpus_free(void);
/* The caller to where it belongs when it runs s. */
void cpus_place(const struct system *s);
/* OpenMP's threads but for the caller, which is free afterwards. */
void cpus_bind_openmp(void);

/* ---- memory in the backends' window (window.c) ---- */

void window_open(void);
uint64_t window_base(void);
uint64_t window_size(void);
/* Zeroed, in huge pages where the system has some. */
void *window_alloc(size_t size);
size_t window_mark(void);
void window_rewind(size_t mark);

/* ---- what isn't throughput (extra.c) ---- */

void extra_launch(struct system *const *sys, unsigned n);
void extra_cancel(struct system *const *sys, unsigned n, const char *self);
void extra_compile(struct system *const *sys, unsigned n, const char *self);
/* What extra_compile and extra_cancel start: 0, or the exit status. */
int extra_compile_child(const char *name);
int extra_endless_child(const char *kernel);
void extra_levels(const char *self, const char *levels);

/* ---- output (report.c) ---- */

#define SYSTEMS_MAX 6

struct result {
	const char *job;
	double ms[SYSTEMS_MAX], min_ms[SYSTEMS_MAX], error[SYSTEMS_MAX];   /* ms: 0: not run */
	bool ok[SYSTEMS_MAX];
	char note[SYSTEMS_MAX][24];
};

void report_table(struct system *const *sys, unsigned n_sys, const struct result *r, unsigned n);
void report_json(FILE *f, struct system *const *sys, unsigned n_sys, const struct result *r, unsigned n);
/* Figures beside the table, kept for the JSON; unit as text. */
void report_figure(const char *name, const char *system, double value, const char *unit);

/* ---- small things (util.c) ---- */

double now_s(void);
double median(double *v, unsigned n);
double quantile(double *v, unsigned n, double q);
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* 2 … 5: x86-64-v2, -v3, -v4, v4 with VNNI; what VGPU_CPU forbids doesn't count. */
unsigned cpu_level(void);
const char *cpu_name(void);
/* The whole file, NUL terminated. */
char *read_text(const char *dir, const char *name);

#endif
