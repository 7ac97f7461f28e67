/*
 * roost.h: threads that work at the same time are on different CPUs: those of a
 * pool sleep there.
 *
 * Linux wakes a thread where it slept, unless it knows an idle CPU that shares
 * a cache with that one; many virtual machines don't say which do. Two threads
 * that fell asleep on one CPU are then woken on that one CPU, and take turns
 * there beside an idle one until the load is balanced: for some milliseconds,
 * which is longer than most launches.
 *
 * A thread takes a place before it sleeps and leaves it when it has woken up;
 * it moves only if another one sleeps where it is. Its affinity is what it was
 * before: the kernel may still put it elsewhere.
 */
#ifndef VGPU_UTIL_ROOST_H
#define VGPU_UTIL_ROOST_H

#include <stdint.h>

#define VGPU_ROOST_CPUS 1024

/* All zero: nobody sleeps. */
struct vgpu_roost {
	uint64_t taken[VGPU_ROOST_CPUS / 64];
};

/* The CPU whose place the caller has, on which it is now; -1: none was free, or it can't be known. */
int vgpu_roost_take(struct vgpu_roost *r);
void vgpu_roost_leave(struct vgpu_roost *r, int cpu);

/* The caller goes to another CPU, if it may use one, for who it works with is on this one. */
void vgpu_cpu_leave(void);

#endif
