/*
 * extra.c: what isn't throughput: a launch to completion, cancelling, compile
 * times and what the cache saves, and one CPU level beside another. The last
 * two need fresh processes; the program starts itself for them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/backend.h"
#include "bench/engine/bench.h"
#include "bench/engine/cuda.h"

#define LAUNCHES 20000               /* the first ones run beside a compiler in the background */
#define LAUNCHES_S 2.0               /* fewer where they would take longer than this */
#define CANCEL_AFTER_US 20000

extern char **environ;

static bool is_cuda(const struct system *s)
{
	return s == &sys_cuda;
}

/* Until it has ended, without error. */
static void launch(struct system *s, const char *kernel, const uint32_t grid[3], const uint32_t block[3], void *params, size_t size)
{
	const char *why = "";
	int r;

	if (is_cuda(s)) {
		cuda_launch(cuda_function(kernel), grid, block, params, size);
		cuda_must(cuda.synchronize(), "cuCtxSynchronize");
		return;
	}
	r = backend_launch(s, kernel, grid, block, params, (uint32_t)size, &why);
	if (r != BE_RUN_DONE)
		die("%s: %s ended with %d: %s", s->name, kernel, r, why);
}

/* ---- launches ---- */

static void time_launches(struct system *s, const char *kernel, void *params, size_t size)
{
	const uint32_t grid[3] = { 256, 1, 1 }, block[3] = { 256, 1, 1 };
	double *us = calloc(LAUNCHES, sizeof(*us)), start;
	unsigned n = 0;
	char name[48];

	for (unsigned k = 0; k < 3; k++)
		launch(s, kernel, grid, block, params, size);
	start = now_s();
	for (; n < LAUNCHES && now_s() - start < LAUNCHES_S; n++) {
		double t0 = now_s();

		launch(s, kernel, grid, block, params, size);
		us[n] = (now_s() - t0) * 1e6;
	}
	printf("launch   %-8s 256 blocks of %-6s to completion %9.2f us, p90 %9.2f\n", s->name, kernel, quantile(us, n, 0.5),
	       quantile(us, n, 0.9));
	snprintf(name, sizeof(name), "launch of 256 blocks: %s", kernel);
	report_figure(name, s->name, quantile(us, n, 0.5), "us");
	free(us);
}

void extra_launch(struct system *const *sys, unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		struct { int32_t n; float a; uint64_t x, y; } saxpy = { 65536, 1.0001f, 0, 0 };
		CUdeviceptr mem[2] = { 0 };
		size_t mark = window_mark();
		uint64_t out;

		if (!sys[k]->ours)
			continue;
		cpus_place(sys[k]);
		for (int b = 0; b < 2; b++) {
			if (is_cuda(sys[k]))
				cuda_must(cuda.alloc(&mem[b], 65536 * 4), "cuMemAlloc");
			else
				mem[b] = (uint64_t)(uintptr_t)window_alloc(65536 * 4);
		}
		saxpy.x = mem[0];
		out = saxpy.y = mem[1];
		time_launches(sys[k], "empty", &out, sizeof(out));
		time_launches(sys[k], "saxpy", &saxpy, sizeof(saxpy));
		for (int b = 0; b < 2 && is_cuda(sys[k]); b++)
			cuda.free(mem[b]);
		window_rewind(mark);
	}
	cpus_free();
}

/* ---- cancelling ---- */

static double cancel_at;

static void *canceller(void *arg)
{
	usleep(CANCEL_AFTER_US);
	cancel_at = now_s();
	backend_cancel(arg, true);
	return NULL;
}

static double cancel_backend(struct system *s, const char *kernel, const uint32_t grid[3], const uint32_t block[3])
{
	size_t mark = window_mark();
	uint64_t out = (uint64_t)(uintptr_t)window_alloc(4096);
	const char *why = "";
	pthread_t th;
	double ms;
	int r;

	if (pthread_create(&th, NULL, canceller, s))
		die("no thread");
	r = backend_launch(s, kernel, grid, block, &out, sizeof(out), &why);
	ms = (now_s() - cancel_at) * 1e3;
	pthread_join(th, NULL);
	backend_cancel(s, false);
	window_rewind(mark);
	if (r != BE_RUN_CANCELLED)
		die("%s: %s wasn't cancelled, it ended with %d: %s", s->name, kernel, r, why);
	return ms;
}

/* A process that launches an endless kernel, says so, and waits for its end. */
int extra_endless_child(const char *kernel)
{
	const uint32_t grid[3] = { 4 * opt.threads, 1, 1 }, block[3] = { 256, 1, 1 };
	CUdeviceptr out;

	if (sys_cuda.open(&sys_cuda))
		return 1;
	cuda_must(cuda.alloc(&out, 4096), "cuMemAlloc");
	cuda_must(cuda.to_device(out, (uint32_t[]){ 0 }, 4), "cuMemcpyHtoD");
	cuda_launch(cuda_function(kernel), grid, block, &out, sizeof(out));
	printf("launched\n");
	fflush(stdout);
	pause();
	return 0;
}

static bool is_child_of(pid_t pid, pid_t parent)
{
	char path[64], text[512], *p;
	size_t n = 0;
	int ppid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = 0;
	p = strrchr(text, ')');
	return p && strstr(text, "(vgpu-engine)") && sscanf(p, ") %*c %d", &ppid) == 1 && ppid == (int)parent;
}

/* A pidfd of the newest worker of the mount that bench/mount.sh made; -1: none. */
static int worker_fd(void)
{
	const char *super = getenv("BENCH_SUPER");
	DIR *d = super ? opendir("/proc") : NULL;
	struct dirent *e;
	pid_t newest = 0;

	while (d && (e = readdir(d)) != NULL) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (pid > newest && is_child_of(pid, (pid_t)atoi(super)))
			newest = pid;
	}
	if (d)
		closedir(d);
	return newest ? (int)syscall(SYS_pidfd_open, newest, 0) : -1;
}

/* Kills a client whose kernel never ends; how long its worker outlives it. Below 0: couldn't be measured. */
static double cancel_cuda(const char *self, const char *kernel)
{
	char threads[16], line[16];
	char *argv[] = { (char *)self, "--threads", threads, "--data", (char *)opt.data, "--child-endless", (char *)kernel, NULL };
	posix_spawn_file_actions_t fa;
	int out[2], fd = -1, st;
	double ms = -1, t0;
	pid_t pid;

	snprintf(threads, sizeof(threads), "%u", opt.threads);
	if (pipe2(out, O_CLOEXEC))
		die("no pipe");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, out[1], 1);
	if (posix_spawn(&pid, self, &fa, NULL, argv, environ))
		die("can't start %s", self);
	posix_spawn_file_actions_destroy(&fa);
	close(out[1]);
	if (read(out[0], line, sizeof(line)) > 0) {
		usleep(CANCEL_AFTER_US);
		fd = worker_fd();
	}
	close(out[0]);
	t0 = now_s();
	kill(pid, SIGKILL);
	if (fd >= 0) {
		if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 10000) == 1)
			ms = (now_s() - t0) * 1e3;
		close(fd);
	}
	waitpid(pid, &st, 0);
	return ms;
}

static void time_cancel(struct system *s, const char *kernel, const char *self)
{
	const uint32_t grid[3] = { 4 * opt.threads, 1, 1 }, block[3] = { 256, 1, 1 };
	double ms[64];
	char name[48];

	for (unsigned r = 0; r < opt.runs; r++) {
		ms[r] = is_cuda(s) ? cancel_cuda(self, kernel) : cancel_backend(s, kernel, grid, block);
		if (ms[r] < 0) {
			printf("cancel   %-8s %-8s not measured: no mount of bench/mount.sh\n", s->name, kernel);
			return;
		}
	}
	printf("cancel   %-8s %-8s over %9.3f ms after %s, worst %9.3f (goal: 10)\n", s->name, kernel, quantile(ms, opt.runs, 0.5),
	       is_cuda(s) ? "kill -9 of its client" : "the flag is set", quantile(ms, opt.runs, 1));
	snprintf(name, sizeof(name), "cancelling %s, worst", kernel);
	report_figure(name, s->name, quantile(ms, opt.runs, 1), "ms");
}

void extra_cancel(struct system *const *sys, unsigned n, const char *self)
{
	for (unsigned k = 0; k < n; k++) {
		if (!sys[k]->ours)
			continue;
		time_cancel(sys[k], "endless", self);
		time_cancel(sys[k], "poll", self);
	}
}

/* ---- compiling: a process reads PTX, and makes and runs each job twice ---- */

static struct system *compile_system(const char *name)
{
	static struct system *const can[] = { &sys_simd, &sys_interp, &sys_cuda };

	for (unsigned k = 0; k < sizeof(can) / sizeof(can[0]); k++)
		if (!strcmp(can[k]->name, name))
			return can[k];
	return NULL;
}

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Prints: parse, first runs, CPU time of first runs (this process'), later runs, in ms. */
int extra_compile_child(const char *name)
{
	struct system *s = compile_system(name);
	double first = 0, first_cpu = 0, later = 0;

	if (!s || s->open(s))
		return 1;
	cpus_place(s);
	for (unsigned k = 0; k < job_count(); k++) {
		size_t mark = window_mark();
		double t[3], t0, c0;
		struct job j;

		job_make(&j, k, opt.size);
		job_reset(&j);
		t0 = now_s();
		c0 = cpu_s();
		if (!s->ready(s, &j))
			return 1;
		s->run(s, &j);
		first += now_s() - t0;
		first_cpu += cpu_s() - c0;
		for (int r = 0; r < 3; r++)
			t[r] = run_once(s, &j);
		later += median(t, 3);
		if (s->over)
			s->over(s, &j);
		job_over(&j);
		window_rewind(mark);
	}
	printf("%.6f %.6f %.6f %.6f\n", is_cuda(s) ? cuda_parse_ms() : backend_parse_ms(s), first * 1e3, first_cpu * 1e3, later * 1e3);
	s->close(s);
	return 0;
}

struct compiled {
	double parse, first, first_cpu, later;
};

static const char *const size_names[] = { "tiny", "small", "full" };

static bool compile_once(const char *self, const char *name, enum size size, struct compiled *c)
{
	char cmd[8192];
	bool ok;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "'%s' --threads %u --data '%s' --size %s --child-compile %s", self, opt.threads, opt.data, size_names[size],
		 name);
	f = popen(cmd, "re");
	if (!f)
		return false;
	ok = fscanf(f, "%lf %lf %lf %lf", &c->parse, &c->first, &c->first_cpu, &c->later) == 4;
	return pclose(f) == 0 && ok;
}

/*
 * An empty cache: VGPU_CACHE_DIR is where compiled kernels are kept. A mount of bench/mount.sh has one of its own, which our
 * backends here use, too; without such a mount it is made, and the caller takes it away.
 */
static bool empty_cache(char made[])
{
	const char *dir = getenv("BENCH_SUPER") ? getenv("VGPU_CACHE_DIR") : NULL;
	char cmd[4200];

	if (!dir) {
		if (!mkdtemp(made))
			die("no temporary directory");
		setenv("VGPU_CACHE_DIR", made, 1);
		return true;
	}
	snprintf(cmd, sizeof(cmd), "rm -rf --one-file-system '%s'/*", dir);
	if (system(cmd))
		die("can't empty %s", dir);
	return false;
}

static void remove_cache(const char *made)
{
	char cmd[128];

	unsetenv("VGPU_CACHE_DIR");
	snprintf(cmd, sizeof(cmd), "rm -rf --one-file-system '%s'", made);
	if (system(cmd))
		fprintf(stderr, "bench_engine: %s stays\n", made);
}

/* Medians of fresh caches and of the second runs with them. */
static void compile_runs(const char *self, struct system *s, enum size size)
{
	enum { RUNS = 5 };
	double compile[RUNS], cpu[RUNS], load[RUNS], ratio[RUNS], parse[RUNS];

	for (int r = 0; r < RUNS; r++) {
		char cache[] = "/tmp/bench-cache-XXXXXX";
		bool made = empty_cache(cache), ok;
		struct compiled cold, warm;

		ok = compile_once(self, s->name, size, &cold) && compile_once(self, s->name, size, &warm);
		if (made)
			remove_cache(cache);
		if (!ok) {
			printf("compile  %-8s failed\n", s->name);
			return;
		}
		compile[r] = cold.first - cold.later;
		cpu[r] = cold.first_cpu;
		load[r] = warm.first - warm.later;
		ratio[r] = warm.first / warm.later;
		parse[r] = cold.parse;
	}
	printf("compile  %-8s size %-5s 14 jobs: parse %6.1f ms, first runs over later ones %8.1f ms (goal: 250; CPU with the run %8.1f); "
	       "second process %8.2f ms, its first run / later %.3f (goal: 1.1)\n",
	       s->name, size_names[size], median(parse, RUNS), median(compile, RUNS), median(cpu, RUNS), median(load, RUNS), median(ratio, RUNS));
	report_figure(size == SIZE_TINY ? "compile 14 jobs (tiny)" : "compile 14 jobs", s->name, median(compile, RUNS), "ms");
	report_figure(size == SIZE_TINY ? "cached first run / later (tiny)" : "cached first run / later", s->name, median(ratio, RUNS), "x");
}

void extra_compile(struct system *const *sys, unsigned n, const char *self)
{
	for (unsigned k = 0; k < n; k++) {
		if (!compile_system(sys[k]->name))
			continue;
		compile_runs(self, sys[k], SIZE_TINY);
		if (opt.size != SIZE_TINY)
			compile_runs(self, sys[k], opt.size);
	}
}

/* ---- levels ---- */

#define LEVELS_MAX 4

static bool level_times(const char *self, const char *level, double ms[])
{
	char cmd[8192], name[32];
	FILE *f;
	int ok;

	snprintf(cmd, sizeof(cmd), "VGPU_CPU='%s' '%s' --threads %u --runs %u --data '%s' --size %s --what times --raw simd", level, self,
		 opt.threads, opt.runs, opt.data, size_names[opt.size]);
	f = popen(cmd, "re");
	if (!f)
		return false;
	for (unsigned k = 0; k < job_count(); k++)
		if (fscanf(f, "%31s %lf %d", name, &ms[k], &ok) != 3 || strcmp(name, job_name(k)) || !ok)
			ms[k] = 0;
	return pclose(f) == 0;
}

static bool level_possible(const char *level)
{
	unsigned need = !strcmp(level, "avx512") ? 4 : !strcmp(level, "avx2") ? 3 : 2;

	unsetenv("VGPU_CPU");
	return cpu_level() >= need;
}

static void print_levels(char *const *level, unsigned n, double ms[][32])
{
	double log_sum[LEVELS_MAX] = { 0 };
	unsigned counted = 0;

	printf("\nsimd at each CPU level, ms, and share of the first one's speed\n%-10s", "kernel");
	for (unsigned l = 0; l < n; l++)
		printf(" %10s", level[l]);
	printf("\n");
	for (unsigned k = 0; k < job_count(); k++) {
		bool all = true;

		printf("%-10s", job_name(k));
		for (unsigned l = 0; l < n; l++) {
			printf(" %10.3f", ms[l][k]);
			all = all && ms[l][k] > 0;
		}
		for (unsigned l = 1; l < n && all; l++) {
			printf("  %5.2f", ms[0][k] / ms[l][k]);
			log_sum[l] += log(ms[0][k] / ms[l][k]);
		}
		counted += all;
		printf("%s\n", all ? "" : "  wrong or missing");
	}
	for (unsigned l = 1; l < n && counted; l++) {
		double mean = exp(log_sum[l] / counted);
		char name[48];

		printf("%-10s %s is %.2f times as fast as %s\n", "geo. mean", level[l], mean, level[0]);
		snprintf(name, sizeof(name), "%s against %s", level[l], level[0]);
		report_figure(name, "simd", mean, "x");
	}
}

void extra_levels(const char *self, const char *levels)
{
	char *list = strdup(levels), *save, *level[LEVELS_MAX];
	static double ms[LEVELS_MAX][32];
	unsigned n = 0;

	for (char *l = strtok_r(list, ",", &save); l && n < LEVELS_MAX; l = strtok_r(NULL, ",", &save)) {
		if (!level_possible(l))
			printf("level %s: this CPU hasn't got it\n", l);
		else if (!level_times(self, l, ms[n]))
			printf("level %s: simd doesn't run\n", l);
		else
			level[n++] = l;
	}
	if (n)
		print_levels(level, n, ms);
	free(list);
}
