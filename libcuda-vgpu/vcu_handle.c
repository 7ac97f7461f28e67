/* vcu_handle.c: see vcu_handle.h. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "libcuda-vgpu/vcu_handle.h"
#include "util/compiler.h"

/* Programs sometimes look into a handle's first bytes: they find this padding. */
struct slot {
	void *obj;
	uint32_t kind;             /* enum vcu_handle_kind; atomic */
	uint32_t next_free;        /* index + 1 of the next in the queue of free slots */
	uint64_t pad[6];
};
_Static_assert(sizeof(struct slot) == 64, "slot");

#define MAX_SLOTS (1u << 22)
/* Freed slots wait until so many others are free, while there are fresh ones. */
#define MIN_FREE 4096u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *region;        /* atomic; MAX_SLOTS, address space only until touched */
static uint32_t used;              /* slots that were ever used; atomic */
static uint32_t free_first, free_last, n_free;

static bool region_make(void)
{
	void *p;

	if (region)
		return true;
	p = mmap(NULL, sizeof(struct slot) * MAX_SLOTS, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	madvise(p, sizeof(struct slot) * MAX_SLOTS, MADV_DONTDUMP);
	__atomic_store_n(&region, p, __ATOMIC_RELEASE);
	return true;
}

static struct slot *slot_take(void)
{
	struct slot *s;

	if (n_free && (n_free >= MIN_FREE || used == MAX_SLOTS)) {
		s = &region[free_first - 1];
		free_first = s->next_free;
		if (!free_first)
			free_last = 0;
		n_free--;
		return s;
	}
	if (used == MAX_SLOTS)
		return NULL;
	s = &region[used];
	__atomic_store_n(&used, used + 1, __ATOMIC_RELEASE);
	return s;
}

void *vcu_handle_new(enum vcu_handle_kind kind, void *obj)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&lock);
	if (region_make())
		s = slot_take();
	if (s) {
		s->next_free = 0;
		__atomic_store_n(&s->obj, obj, __ATOMIC_RELAXED);
		__atomic_store_n(&s->kind, (uint32_t)kind, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	return s;
}

static struct slot *slot_of(const void *h)
{
	struct slot *r = __atomic_load_n(&region, __ATOMIC_ACQUIRE);
	uintptr_t off = (uintptr_t)h - (uintptr_t)r;

	if (!r || off % sizeof(struct slot) ||
	    off / sizeof(struct slot) >= __atomic_load_n(&used, __ATOMIC_ACQUIRE))
		return NULL;
	return &r[off / sizeof(struct slot)];
}

void *vcu_handle_get(const void *h, enum vcu_handle_kind kind)
{
	struct slot *s = slot_of(h);

	if (!s || __atomic_load_n(&s->kind, __ATOMIC_ACQUIRE) != (uint32_t)kind || kind == VCU_H_FREE)
		return NULL;
	return __atomic_load_n(&s->obj, __ATOMIC_RELAXED);
}

enum vcu_handle_kind vcu_handle_kind(const void *h)
{
	struct slot *s = slot_of(h);

	return s ? __atomic_load_n(&s->kind, __ATOMIC_ACQUIRE) : VCU_H_FREE;
}

void *vcu_handle_del(const void *h, enum vcu_handle_kind kind)
{
	struct slot *s = slot_of(h);
	uint32_t want = kind;
	void *obj;

	if (!s || kind == VCU_H_FREE)
		return NULL;
	pthread_mutex_lock(&lock);
	obj = s->obj;
	if (!__atomic_compare_exchange_n(&s->kind, &want, VCU_H_FREE, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		pthread_mutex_unlock(&lock);
		return NULL;
	}
	s->next_free = 0;
	if (free_last)
		region[free_last - 1].next_free = (uint32_t)(s - region) + 1;
	else
		free_first = (uint32_t)(s - region) + 1;
	free_last = (uint32_t)(s - region) + 1;
	n_free++;
	pthread_mutex_unlock(&lock);
	return obj;
}

void *vcu_handle_next(enum vcu_handle_kind kind, size_t *i)
{
	uint32_t n = __atomic_load_n(&used, __ATOMIC_ACQUIRE);

	while (*i < n) {
		struct slot *s = &region[(*i)++];

		if (__atomic_load_n(&s->kind, __ATOMIC_ACQUIRE) == (uint32_t)kind)
			return s;
	}
	return NULL;
}

void vcu_handle_fini(void)
{
	if (region)
		munmap(region, sizeof(struct slot) * MAX_SLOTS);
	region = NULL;
	used = free_first = free_last = n_free = 0;
}
