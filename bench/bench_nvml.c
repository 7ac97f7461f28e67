/*
 * bench_nvml.c: what monitoring costs.
 *   bench_nvml exec N PROGRAM [ARG…]        runs a program N times; how long it takes
 *   bench_nvml poll PROCESSES HZ SECONDS PID   that many monitors read what nvtop reads of every
 *                                           device HZ times a second; what of a core process PID takes
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int run_exec(int n, char **argv)
{
	double *ms = calloc((size_t)n, sizeof(*ms));
	posix_spawn_file_actions_t fa;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	for (int i = 0; ms && i < n; i++) {
		double t = now();
		int status;
		pid_t pid;

		if (posix_spawn(&pid, argv[0], &fa, NULL, argv, environ) || waitpid(pid, &status, 0) != pid || status) {
			fprintf(stderr, "%s fails\n", argv[0]);
			return 1;
		}
		ms[i] = now() - t;
	}
	qsort(ms, (size_t)n, sizeof(*ms), compare);
	printf("%6.1f ms median, %6.1f ms p90, %6.1f ms most, of %d runs\n", ms[n / 2], ms[n * 9 / 10], ms[n - 1], n);
	free(ms);
	return 0;
}

/* ---- monitors ---- */

typedef struct nvml_device *device_t;
static void *lib;

static void *fn(const char *name)
{
	void *p = dlsym(lib, name);

	if (!p) {
		fprintf(stderr, "no %s\n", name);
		exit(1);
	}
	return p;
}

/* What nvtop asks about a device in each round. */
static void round_of(device_t dev)
{
	static const char *const numbers[] = { "nvmlDeviceGetFanSpeed", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetEnforcedPowerLimit",
					       "nvmlDeviceGetCurrPcieLinkGeneration", "nvmlDeviceGetCurrPcieLinkWidth" };
	unsigned v[512], n = 8;
	unsigned long long memory[8];

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		((int (*)(device_t, unsigned *))fn(numbers[i]))(dev, v);
	for (unsigned type = 0; type < 3; type++)
		((int (*)(device_t, unsigned, unsigned *))fn("nvmlDeviceGetClockInfo"))(dev, type, v);
	((int (*)(device_t, unsigned, unsigned *))fn("nvmlDeviceGetTemperature"))(dev, 0, v);
	((int (*)(device_t, unsigned *))fn("nvmlDeviceGetUtilizationRates"))(dev, v);
	((int (*)(device_t, unsigned long long *))fn("nvmlDeviceGetMemoryInfo"))(dev, memory);
	((int (*)(device_t, unsigned *, void *))fn("nvmlDeviceGetComputeRunningProcesses"))(dev, &n, v);
}

static void monitor(int hz)
{
	unsigned n = 0;
	device_t dev[64];

	if (((int (*)(void))fn("nvmlInit_v2"))() || ((int (*)(unsigned *))fn("nvmlDeviceGetCount_v2"))(&n))
		_exit(1);
	for (unsigned i = 0; i < n && i < 64; i++)
		((int (*)(unsigned, device_t *))fn("nvmlDeviceGetHandleByIndex_v2"))(i, &dev[i]);
	for (;;) {
		for (unsigned i = 0; i < n && i < 64; i++)
			round_of(dev[i]);
		usleep((useconds_t)(1000000 / hz));
	}
}

/* Processor time of a process, ms. */
static double cpu_of(const char *pid)
{
	unsigned long user = 0, sys = 0;
	char path[64], text[1024] = "";
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		exit(1);
	fclose(f);
	p = strrchr(text, ')');
	if (!p || sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		exit(1);
	return (double)(user + sys) * 1e3 / (double)sysconf(_SC_CLK_TCK);
}

static int run_poll(int procs, int hz, int seconds, const char *pid)
{
	pid_t *child = calloc((size_t)procs, sizeof(*child));
	double cpu, t;

	lib = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	if (!lib || !child) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	for (int i = 0; i < procs; i++) {
		child[i] = fork();
		if (!child[i]) {
			usleep((useconds_t)(1000000 / hz / procs * i));
			monitor(hz);
		}
	}
	sleep(1);
	t = now();
	cpu = cpu_of(pid);
	sleep((unsigned)seconds);
	cpu = cpu_of(pid) - cpu;
	t = now() - t;
	for (int i = 0; i < procs; i++) {
		kill(child[i], SIGKILL);
		waitpid(child[i], NULL, 0);
	}
	free(child);
	printf("%6.2f %% of a core for %d monitors at %d Hz\n", 100 * cpu / t, procs, hz);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && !strcmp(argv[1], "exec"))
		return run_exec(atoi(argv[2]), argv + 3);
	if (argc == 6 && !strcmp(argv[1], "poll"))
		return run_poll(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), argv[5]);
	fprintf(stderr, "usage: bench_nvml exec N PROGRAM [ARG…] | poll PROCESSES HZ SECONDS PID\n");
	return 2;
}
