/*
 * bench_engine: the engine beside other ways to run the same kernels on this
 * CPU: our backends in this process (simd, interp), the whole driver (cuda),
 * PoCL (pocl), plain C with OpenMP (c) and AVX-512 intrinsics (hand). Each
 * result is checked against a reference; times are medians of runs that are
 * interleaved between the systems, because machines are noisy.
 *
 *   bench_engine [--threads N] [--runs N] [--size full|small|tiny] [--kernels A,B] [--what times,launch,cancel,compile]
 *                [--levels avx512,avx2,sse4.2] [--stat median|min] [--json FILE] [--data DIR] [SYSTEM…]
 */
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/engine/bench.h"

#define SETTLE_US 30000              /* until threads of the system before have gone to sleep: libgomp's look for work 300,000 times */
#define STEADY_S 0.6                 /* that a system runs a job before it is measured */
#define BATCH_S 2e-3                 /* shorter runs are timed several at once */
#define WARM_S 20e-3                 /* shorter ones are preceded by a run that isn't timed */
#define RUNS_MAX 64

struct options opt = { .threads = 2, .runs = 9, .size = SIZE_FULL, .data = BENCH_ENGINE_DATA };

static struct system *const all[] = { &sys_simd, &sys_interp, &sys_cuda, &sys_cl, &sys_c, &sys_hand };
#define N_ALL (sizeof(all) / sizeof(all[0]))

static bool what_times = true, what_launch = true, what_cancel = true, what_compile = true, raw, minima;
static const char *levels, *json, *compile_child, *endless_child;

/* ---- timing ---- */

double run_once(struct system *s, const struct job *j)
{
	double t0 = now_s();

	s->run(s, j);
	return now_s() - t0;
}

/* Seconds per run; est: what one takes. */
static double timed(struct system *s, const struct job *j, double est)
{
	unsigned reps = est < BATCH_S / 1000 ? 1000 : est < BATCH_S ? (unsigned)(BATCH_S / est) : 1;
	double t0;

	cpus_place(s);
	usleep(SETTLE_US);
	if (est < WARM_S)
		s->run(s, j);
	t0 = now_s();
	for (unsigned k = 0; k < reps; k++)
		s->run(s, j);
	return (now_s() - t0) / reps;
}

/* One checked run, and an estimate. */
static double check_system(struct system *s, struct job *j, struct result *r, unsigned at)
{
	double est;

	job_reset(j);
	if (s->put)
		s->put(s, j);
	s->run(s, j);
	if (s->get)
		s->get(s, j);
	r->error[at] = job_error(j);
	r->ok[at] = r->error[at] <= j->tolerance;
	est = run_once(s, j);
	/* a compiler in the background has its time, too */
	for (double spent = est; spent < STEADY_S; spent += est)
		est = run_once(s, j);
	return est < BATCH_S ? run_once(s, j) : est;
}

static void run_job(unsigned k, struct system *const *sys, unsigned n, struct result *r)
{
	static double t[SYSTEMS_MAX][RUNS_MAX];
	bool ready[SYSTEMS_MAX] = { false };
	double est[SYSTEMS_MAX];
	size_t mark = window_mark();
	struct job j;

	job_make(&j, k, opt.size);
	job_reference(&j);
	r->job = j.name;
	for (unsigned s = 0; s < n; s++) {
		cpus_place(sys[s]);
		ready[s] = sys[s]->ready(sys[s], &j);
		if (!ready[s])
			continue;
		est[s] = check_system(sys[s], &j, r, s);
		if (!sys[s]->ours && sys[s] != &sys_cl)
			snprintf(r->note[s], sizeof(r->note[s]), "%.23s", sys[s]->what);
	}
	for (unsigned run = 0; run < opt.runs; run++)
		for (unsigned s = 0; s < n; s++)
			if (ready[s])
				t[s][run] = timed(sys[s], &j, est[s]);
	for (unsigned s = 0; s < n; s++) {
		if (!ready[s])
			continue;
		r->ms[s] = quantile(t[s], opt.runs, minima ? 0 : 0.5) * 1e3;
		r->min_ms[s] = t[s][0] * 1e3;
		if (sys[s]->over)
			sys[s]->over(sys[s], &j);
	}
	job_over(&j);
	window_rewind(mark);
}

static bool wanted(const char *name)
{
	if (!opt.only)
		return true;
	for (const char *const *o = opt.only; *o; o++)
		if (!strcmp(*o, name))
			return true;
	return false;
}

static unsigned run_jobs(struct system *const *sys, unsigned n, struct result *results)
{
	unsigned done = 0;

	for (unsigned k = 0; k < job_count(); k++) {
		if (!wanted(job_name(k)))
			continue;
		if (isatty(2))
			fprintf(stderr, "\r%-12s", job_name(k));
		run_job(k, sys, n, &results[done++]);
	}
	if (isatty(2))
		fprintf(stderr, "\r%-12s\r", "");
	return done;
}

/* ---- options ---- */

static void usage(FILE *to, int status)
{
	fprintf(to, "usage: bench_engine [--threads N] [--runs N] [--size full|small|tiny] [--kernels A,B] [--what times,launch,cancel,compile]\n"
			"                    [--levels avx512,avx2,sse4.2] [--stat median|min] [--json FILE] [--data DIR] [SYSTEM…]\n"
			"systems: simd interp cuda pocl c hand (as given: simd pocl c hand)\n");
	exit(status);
}

static const char **split(char *list)
{
	const char **v = calloc(strlen(list) + 2, sizeof(*v));
	char *save;
	unsigned n = 0;

	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save))
		v[n++] = w;
	return v;
}

static void set_size(const char *name)
{
	if (!strcmp(name, "full"))
		opt.size = SIZE_FULL;
	else if (!strcmp(name, "small"))
		opt.size = SIZE_SMALL;
	else if (!strcmp(name, "tiny"))
		opt.size = SIZE_TINY;
	else
		usage(stderr, 2);
}

static void set_what(const char *list)
{
	what_times = strstr(list, "times");
	what_launch = strstr(list, "launch");
	what_cancel = strstr(list, "cancel");
	what_compile = strstr(list, "compile");
}

static struct system *system_named(const char *name)
{
	for (unsigned k = 0; k < N_ALL; k++)
		if (!strcmp(all[k]->name, name))
			return all[k];
	return NULL;
}

static void set_option(const char *name, char *value)
{
	if (!strcmp(name, "--threads"))
		opt.threads = (unsigned)atoi(value);
	else if (!strcmp(name, "--runs"))
		opt.runs = (unsigned)atoi(value);
	else if (!strcmp(name, "--size"))
		set_size(value);
	else if (!strcmp(name, "--kernels"))
		opt.only = split(value);
	else if (!strcmp(name, "--what"))
		set_what(value);
	else if (!strcmp(name, "--levels"))
		levels = value;
	else if (!strcmp(name, "--stat"))
		minima = !strcmp(value, "min");
	else if (!strcmp(name, "--json"))
		json = value;
	else if (!strcmp(name, "--data"))
		opt.data = value;
	else if (!strcmp(name, "--child-compile"))
		compile_child = value;
	else if (!strcmp(name, "--child-endless"))
		endless_child = value;
	else
		usage(stderr, 2);
}

static unsigned parse(int argc, char **argv, struct system **sys)
{
	unsigned n = 0;

	for (int k = 1; k < argc; k++) {
		struct system *s = system_named(argv[k]);

		if (!strcmp(argv[k], "--help"))
			usage(stdout, 0);
		if (!strcmp(argv[k], "--raw"))
			raw = true;
		else if (s && n < SYSTEMS_MAX)
			sys[n++] = s;
		else if (argv[k][0] != '-' || k + 1 == argc)
			usage(stderr, 2);
		else
			set_option(argv[k], argv[k + 1]), k++;
	}
	if (opt.threads < 1 || opt.threads > 256 || opt.runs < 1 || opt.runs > RUNS_MAX)
		usage(stderr, 2);
	for (const char *const *o = opt.only; o && *o; o++) {
		bool known = false;

		for (unsigned k = 0; k < job_count(); k++)
			known = known || !strcmp(job_name(k), *o);
		if (!known)
			die("no kernel '%s'", *o);
	}
	return n;
}

/* Opens what can be had; says what can't. */
static unsigned open_systems(struct system **sys, unsigned n)
{
	unsigned have = 0;

	for (unsigned k = 0; k < n; k++) {
		const char *why = sys[k]->open(sys[k]);

		if (why) {
			fprintf(raw ? stderr : stdout, "%-8s skipped: %s\n", sys[k]->name, why);
			continue;
		}
		if (!raw && sys[k]->what[0])
			printf("%-8s %s\n", sys[k]->name, sys[k]->what);
		sys[have++] = sys[k];
	}
	return have;
}

static void write_json(struct system *const *sys, unsigned n_sys, const struct result *r, unsigned n)
{
	FILE *f = strcmp(json, "-") ? fopen(json, "we") : stdout;

	if (!f)
		die("can't write %s", json);
	report_json(f, sys, n_sys, r, n);
	if (f != stdout && fclose(f))
		die("can't write %s", json);
}

static bool all_ok(const struct result *r, unsigned n, unsigned n_sys)
{
	for (unsigned k = 0; k < n; k++)
		for (unsigned s = 0; s < n_sys; s++)
			if (r[k].ms[s] > 0 && !r[k].ok[s])
				return false;
	return true;
}

int main(int argc, char **argv)
{
	struct system *sys[SYSTEMS_MAX] = { &sys_simd, &sys_cl, &sys_c, &sys_hand };
	static struct result results[32];
	unsigned n_sys = parse(argc, argv, sys), n = 0;
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = 0;
	window_open();
	setvbuf(stdout, NULL, _IOLBF, 0);
	cpus_free();
	if (compile_child)
		return extra_compile_child(compile_child);
	if (endless_child)
		return extra_endless_child(endless_child);
	omp_set_num_threads((int)opt.threads);
	if (!raw)
		printf("%s, level %u, %u threads, %u runs\n", cpu_name(), cpu_level(), opt.threads, opt.runs);
	n_sys = open_systems(sys, n_sys ? n_sys : 4);
	if (!n_sys)
		die("nothing to run");
	cpus_bind_openmp();
	if (what_times)
		n = run_jobs(sys, n_sys, results);
	cpus_free();
	for (unsigned k = 0; raw && k < n; k++)
		printf("%s %.6f %d\n", results[k].job, results[k].ms[0], results[k].ok[0]);
	if (n && !raw)
		report_table(sys, n_sys, results, n);
	if (what_launch)
		extra_launch(sys, n_sys);
	if (what_cancel)
		extra_cancel(sys, n_sys, self);
	if (what_compile)
		extra_compile(sys, n_sys, self);
	if (levels)
		extra_levels(self, levels);
	if (json)
		write_json(sys, n_sys, results, n);
	for (unsigned k = 0; k < n_sys; k++)
		if (sys[k]->close)
			sys[k]->close(sys[k]);
	return !all_ok(results, n, n_sys);
}
