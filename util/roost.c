/* roost.c: see roost.h. */
#include "util/roost.h"

#include <sched.h>
#include <stdbool.h>

static uint64_t bit(int cpu)
{
	return (uint64_t)1 << (cpu % 64);
}

static bool take(struct vgpu_roost *r, int cpu)
{
	/* relaxed: where a thread sleeps is a hint for speed, nothing is read by it */
	return !(__atomic_fetch_or(&r->taken[cpu / 64], bit(cpu), __ATOMIC_RELAXED) & bit(cpu));
}

static bool is_taken(const struct vgpu_roost *r, int cpu)
{
	return __atomic_load_n(&r->taken[cpu / 64], __ATOMIC_RELAXED) & bit(cpu);
}

/* False: it may not go there any more, or not change its affinity at all. */
static bool move_to(int cpu, const cpu_set_t *back)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		return false;
	sched_setaffinity(0, sizeof(*back), back);
	return true;
}

static int here(void)
{
	int cpu = sched_getcpu();

	return cpu < VGPU_ROOST_CPUS ? cpu : -1;
}

int vgpu_roost_take(struct vgpu_roost *r)
{
	int cpu = here();
	cpu_set_t set;

	if (cpu < 0 || take(r, cpu))
		return cpu;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -1;
	for (cpu = 0; cpu < VGPU_ROOST_CPUS; cpu++) {
		if (!CPU_ISSET(cpu, &set) || is_taken(r, cpu) || !take(r, cpu))
			continue;
		if (move_to(cpu, &set))
			return cpu;
		vgpu_roost_leave(r, cpu);
		return -1;
	}
	return -1;
}

void vgpu_roost_leave(struct vgpu_roost *r, int cpu)
{
	if (cpu >= 0)
		__atomic_fetch_and(&r->taken[cpu / 64], ~bit(cpu), __ATOMIC_RELAXED);
}

void vgpu_cpu_leave(void)
{
	int cpu = here();
	cpu_set_t set;

	if (cpu < 0 || sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (int k = 1; k < VGPU_ROOST_CPUS; k++) {
		int to = (cpu + k) % VGPU_ROOST_CPUS;

		if (CPU_ISSET(to, &set)) {
			move_to(to, &set);
			return;
		}
	}
}
