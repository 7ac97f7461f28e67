/* util.c: clocks, medians and what the CPU can do. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/engine/bench.h"
#include "util/sys.h"

double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double quantile(double *v, unsigned n, double q)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[(unsigned)((n - 1) * q)];
}

double median(double *v, unsigned n)
{
	return quantile(v, n, 0.5);
}

void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "bench_engine: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static unsigned cpu_level_found(void)
{
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
		return __builtin_cpu_supports("avx512vnni") ? 5 : 4;
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") ? 3 : 2;
}

unsigned cpu_level(void)
{
	const char *force = getenv("VGPU_CPU");
	unsigned found = cpu_level_found(), most = 5;

	if (force && !strncmp(force, "sse", 3))
		most = 2;
	else if (force && !strcmp(force, "avx2"))
		most = 3;
	return found < most ? found : most;
}

const char *cpu_name(void)
{
	static char name[64];
	char line[512];
	FILE *f = fopen("/proc/cpuinfo", "re");

	strcpy(name, "unknown");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "model name : %63[^\n]", name) == 1)
			break;
	if (f)
		fclose(f);
	return name;
}

char *read_text(const char *dir, const char *name)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	char path[4096], *data;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (vgpu_read_file(path, 16 << 20, &data, &len, &err))
		die("%s", err.text);
	return data;
}
