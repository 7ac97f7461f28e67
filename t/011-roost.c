/* 011-roost: threads of a pool sleep on different CPUs, and stay free to run on all. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/tap.h"
#include "util/roost.h"

#define TRIES 50

static cpu_set_t all;
static int first = -1, last = -1;
static unsigned n_cpus;

static void bind_to(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void set_free(void)
{
	sched_setaffinity(0, sizeof(all), &all);
}

static bool is_free(void)
{
	cpu_set_t now;

	return sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &all);
}

static void find_cpus(void)
{
	sched_getaffinity(0, sizeof(all), &all);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all)) {
			first = first < 0 ? cpu : first;
			last = cpu;
			n_cpus++;
		}
}

/* ---- many threads on one CPU ---- */

struct sleeper {
	struct vgpu_roost *r;
	pthread_barrier_t *in, *out;
	int cpu;
	bool kept;                    /* its affinity */
};

static void *sleeper(void *arg)
{
	struct sleeper *s = arg;

	bind_to(first);
	pthread_barrier_wait(s->in);
	set_free();
	s->cpu = vgpu_roost_take(s->r);
	s->kept = is_free();
	pthread_barrier_wait(s->out);
	vgpu_roost_leave(s->r, s->cpu);
	return NULL;
}

/* One thread more than there are CPUs. */
static void test_places(void)
{
	struct sleeper *s = calloc(n_cpus + 1, sizeof(*s));
	pthread_t *th = calloc(n_cpus + 1, sizeof(*th));
	struct vgpu_roost r = { { 0 } }, none = { { 0 } };
	pthread_barrier_t in, out;
	unsigned without = 0, twice = 0, strange = 0, kept = 0;
	cpu_set_t had;

	CPU_ZERO(&had);
	pthread_barrier_init(&in, NULL, n_cpus + 1);
	pthread_barrier_init(&out, NULL, n_cpus + 1);
	for (unsigned k = 0; k <= n_cpus; k++) {
		s[k] = (struct sleeper){ .r = &r, .in = &in, .out = &out };
		pthread_create(&th[k], NULL, sleeper, &s[k]);
	}
	for (unsigned k = 0; k <= n_cpus; k++) {
		pthread_join(th[k], NULL);
		kept += s[k].kept;
		if (s[k].cpu < 0) {
			without++;
			continue;
		}
		strange += !CPU_ISSET(s[k].cpu, &all);
		twice += CPU_ISSET(s[k].cpu, &had) != 0;
		CPU_SET(s[k].cpu, &had);
	}
	is_int(twice, 0, "no two threads have the same place");
	is_int(strange, 0, "places are CPUs that the process may use");
	is_int(without, 1, "one place for each CPU; who comes too late has none");
	is_int(kept, n_cpus + 1, "the affinity of all is what it was");
	ok(memcmp(&r, &none, sizeof(r)) == 0, "all places are free again when they have left");
	free(s);
	free(th);
}

/* ---- moving ---- */

/* Times that a thread which was on the first CPU, with somebody asleep everywhere but on the last, is then on the last. */
static unsigned moves(void)
{
	unsigned n = 0;

	for (int k = 0; k < TRIES; k++) {
		struct vgpu_roost r;

		memset(&r, 0xff, sizeof(r));
		vgpu_roost_leave(&r, last);
		bind_to(first);
		set_free();
		vgpu_roost_take(&r);
		n += sched_getcpu() == last;
	}
	return n;
}

static void test_moves(void)
{
	/* afterwards the kernel may move it again */
	ok(moves() > TRIES * 3 / 4, "who takes a place goes there");
	ok(is_free(), "and may run everywhere afterwards");
}

static void test_leave(void)
{
	unsigned n = 0;

	for (int k = 0; k < TRIES; k++) {
		bind_to(k % 2 ? first : last);
		set_free();
		vgpu_cpu_leave();
		n += sched_getcpu() != (k % 2 ? first : last);
	}
	ok(n > TRIES * 3 / 4, "who leaves a CPU is on another one");
	ok(is_free(), "and may run everywhere");
	bind_to(first);
	vgpu_cpu_leave();
	is_int(sched_getcpu(), first, "who may use one CPU stays there");
	set_free();
}

static void test_full(void)
{
	struct vgpu_roost r;

	memset(&r, 0xff, sizeof(r));
	is_int(vgpu_roost_take(&r), -1, "no place where somebody sleeps everywhere");
	vgpu_roost_leave(&r, -1);
	ok(is_free(), "and nothing else happens");
}

int main(void)
{
	find_cpus();
	if (n_cpus < 2)
		skip_all("one CPU");
	plan_lazy();
	test_places();
	test_moves();
	test_leave();
	test_full();
	return 0;
}
