/*
 * cpus.c: threads that are timed have a CPU each. Where two of them sleep on
 * one CPU, some machines wake them there, and for milliseconds one waits for
 * the other: that is the kernel's affair and not the compiler's, and it would
 * be most of what short runs show.
 */
#include <omp.h>
#include <sched.h>

#include "bench/engine/bench.h"

static cpu_set_t mine;

/* What this process was given, before anything is bound. */
static const cpu_set_t *given(void)
{
	if (!CPU_COUNT(&mine) && sched_getaffinity(0, sizeof(mine), &mine) < 0)
		CPU_SET(0, &mine);
	return &mine;
}

void cpus_bind(unsigned thread)
{
	unsigned left = thread % (unsigned)CPU_COUNT(given());
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, given()) && left-- == 0) {
			CPU_ZERO(&one);
			CPU_SET(cpu, &one);
			sched_setaffinity(0, sizeof(one), &one);
			return;
		}
}

void cpus_free(void)
{
	sched_setaffinity(0, sizeof(*given()), given());
}

void cpus_place(const struct system *s)
{
	if (s->bound)
		cpus_bind(0);
	else
		cpus_free();
}

void cpus_bind_openmp(void)
{
#pragma omp parallel
	cpus_bind((unsigned)omp_get_thread_num());
	cpus_free();
}
