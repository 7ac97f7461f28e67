/*
 * chk_mem.c: what is allocated, and which bytes of it were written.
 *
 * Allocations are an array by address under a read-write lock. Kernels ask for
 * every access, so each thread remembers the last few that it hit, for as long
 * as nothing was allocated or freed anywhere (gen).
 *
 * Written bytes are a bit map over the whole window, in memory that is shared
 * (so that it isn't private data, of which a worker may have little) and there
 * only where a bit was set. It is never unmapped, so kernels look at it without
 * a lock. Allocations begin at multiples of 16: no two share a byte of the map.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/check/chk_priv.h"

#define PAGE_B 4096u
#define FREED_MAX 256u
#define HITS 4u

struct chk_mem {
	pthread_rwlock_t lock;
	uint64_t gen;                  /* atomic; unlike that of any other chk_mem, at any time */
	VGPU_VEC(struct chk_alloc) allocs;
	struct chk_alloc freed[FREED_MAX];   /* the latest ones, a ring */
	uint64_t n_freed;
	uint64_t window, size;
	bool lost;                     /* atomic: an allocation couldn't be noted */
	uint8_t *bits;                 /* NULL: no room for it, everything counts as written */
};

struct hit {
	uint64_t addr, size;
	bool written;
};

static __thread struct {
	uint64_t gen;
	unsigned next;
	struct hit h[HITS];
} hits;

static uint64_t next_gen(void)
{
	static uint64_t gen;

	return __atomic_add_fetch(&gen, 1, __ATOMIC_RELAXED);
}

struct chk_mem *chk_mem_new(uint64_t window, uint64_t size)
{
	struct chk_mem *m = calloc(1, sizeof(*m));
	void *p;

	if (!m)
		return NULL;
	pthread_rwlock_init(&m->lock, NULL);
	m->gen = next_gen();
	m->window = window;
	m->size = size;
	p = mmap(NULL, size / 8 + PAGE_B, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	m->bits = p == MAP_FAILED ? NULL : p;
	return m;
}

void chk_mem_free(struct chk_mem *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->allocs.n; i++)
		free(m->allocs.v[i].name);
	for (size_t i = 0; i < FREED_MAX; i++)
		free(m->freed[i].name);
	vgpu_vec_free(&m->allocs);
	if (m->bits)
		munmap(m->bits, m->size / 8 + PAGE_B);
	pthread_rwlock_destroy(&m->lock);
	free(m);
}

/* ---- bits ---- */

static void set_some(uint8_t *p, uint8_t mask)
{
	/* looks first: what is written again and again is written to the map once */
	if ((__atomic_load_n(p, __ATOMIC_RELAXED) & mask) != mask)
		__atomic_fetch_or(p, mask, __ATOMIC_RELAXED);
}

/* Bits [lo, hi) of a byte. */
static uint8_t bits_of(unsigned lo, unsigned hi)
{
	return (uint8_t)((1u << hi) - (1u << lo));
}

void chk_mem_mark(struct chk_mem *m, uint64_t addr, uint64_t n)
{
	uint64_t at = addr - m->window, end = at + n, first = at / 8, last = end / 8;

	if (!m->bits || at >= m->size || n > m->size - at || !n)
		return;
	if (first == last) {
		set_some(m->bits + first, bits_of(at % 8, end % 8));
		return;
	}
	if (at % 8)
		set_some(m->bits + first++, bits_of(at % 8, 8));
	if (end % 8)
		set_some(m->bits + last, bits_of(0, end % 8));
	if (last - first <= 8)
		while (first < last)
			set_some(m->bits + first++, 0xff);
	else
		memset(m->bits + first, 0xff, last - first);
}

/* addr: a multiple of 8. Bits behind the end, up to the next byte of the map, go too: they are nobody's. */
static void clear(struct chk_mem *m, uint64_t addr, uint64_t n)
{
	uint64_t first = (addr - m->window) / 8, last = first + (n + 7) / 8;
	uint64_t lo = vgpu_align_up(first, PAGE_B), hi = last & ~(uint64_t)(PAGE_B - 1);   /* the map begins with a page */

	/* whole pages are given back, which clears them */
	if (lo < hi && hi - lo >= 16 * PAGE_B && madvise(m->bits + lo, hi - lo, MADV_REMOVE) == 0) {
		memset(m->bits + first, 0, lo - first);
		memset(m->bits + hi, 0, last - hi);
		return;
	}
	memset(m->bits + first, 0, last - first);
}

bool chk_mem_knows_writes(const struct chk_mem *m)
{
	return m->bits != NULL;
}

bool chk_mem_knows_all(const struct chk_mem *m)
{
	return !__atomic_load_n(&m->lost, __ATOMIC_RELAXED);
}

bool chk_mem_any_written(const struct chk_mem *m, uint64_t addr, uint32_t n)
{
	uint64_t at = addr - m->window;

	if (!m->bits)
		return true;
	for (uint64_t k = at; k < at + n; k = (k | 7) + 1) {
		unsigned hi = (unsigned)MIN(at + n - (k & ~(uint64_t)7), (uint64_t)8);

		if (__atomic_load_n(&m->bits[k / 8], __ATOMIC_RELAXED) & bits_of(k % 8, hi))
			return true;
	}
	return false;
}

/* Eight bits from bit number at on. */
static uint8_t eight(const struct chk_mem *m, uint64_t at)
{
	unsigned two = m->bits[at / 8] | (unsigned)m->bits[at / 8 + 1] << 8;   /* the map is a page longer than the window */

	return (uint8_t)(two >> (at % 8));
}

static void copy_bits(struct chk_mem *m, uint64_t dst, uint64_t src, uint64_t n)
{
	uint64_t d = dst - m->window, s = src - m->window, k = 0;

	for (; k < n && (d + k) % 8; k++)
		if (eight(m, s + k) & 1)
			set_some(&m->bits[(d + k) / 8], (uint8_t)(1u << (d + k) % 8));
		else
			__atomic_fetch_and(&m->bits[(d + k) / 8], (uint8_t)~(1u << (d + k) % 8), __ATOMIC_RELAXED);
	if ((s + k) % 8 == 0) {
		memcpy(&m->bits[(d + k) / 8], &m->bits[(s + k) / 8], (n - k) / 8);
		k += (n - k) / 8 * 8;
	}
	for (; k + 8 <= n; k += 8)
		m->bits[(d + k) / 8] = eight(m, s + k);
	for (; k < n; k++)
		if (eight(m, s + k) & 1)
			set_some(&m->bits[(d + k) / 8], (uint8_t)(1u << (d + k) % 8));
		else
			__atomic_fetch_and(&m->bits[(d + k) / 8], (uint8_t)~(1u << (d + k) % 8), __ATOMIC_RELAXED);
}

/* ---- allocations ---- */

/* Index of the first allocation behind addr. */
static size_t upper(const struct chk_mem *m, uint64_t addr)
{
	size_t a = 0, b = m->allocs.n;

	while (a < b) {
		size_t mid = (a + b) / 2;

		if (m->allocs.v[mid].addr <= addr)
			a = mid + 1;
		else
			b = mid;
	}
	return a;
}

/* Called with the lock. The allocation that addr lies in. */
static const struct chk_alloc *find(const struct chk_mem *m, uint64_t addr)
{
	size_t i = upper(m, addr);
	const struct chk_alloc *a = i ? &m->allocs.v[i - 1] : NULL;

	return a && addr - a->addr < a->size ? a : NULL;
}

void chk_mem_add(struct chk_mem *m, uint64_t addr, uint64_t size, uint32_t ctx, unsigned flags, const char *name)
{
	struct chk_alloc a = { .addr = addr, .size = size, .ctx = ctx, .flags = flags };
	size_t i;

	if (!size || addr - m->window >= m->size || size > m->size - (addr - m->window))
		return;
	if (name)
		a.name = strdup(name);         /* without memory: nameless */
	pthread_rwlock_wrlock(&m->lock);
	i = upper(m, addr);
	if (vgpu_vec_reserve(&m->allocs, m->allocs.n + 1)) {
		memmove(&m->allocs.v[i + 1], &m->allocs.v[i], sizeof(a) * (m->allocs.n - i));
		m->allocs.v[i] = a;
		m->allocs.n++;
		if (m->bits && !(flags & CHK_WRITTEN))
			clear(m, addr, size);
	} else {
		__atomic_store_n(&m->lost, true, __ATOMIC_RELAXED);
		free(a.name);
	}
	__atomic_store_n(&m->gen, next_gen(), __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&m->lock);
}

/* Called with the lock. */
static void remove_at(struct chk_mem *m, size_t i)
{
	struct chk_alloc *slot = &m->freed[m->n_freed++ % FREED_MAX];

	free(slot->name);
	*slot = m->allocs.v[i];
	memmove(&m->allocs.v[i], &m->allocs.v[i + 1], sizeof(*slot) * (m->allocs.n - i - 1));
	m->allocs.n--;
}

void chk_mem_del(struct chk_mem *m, uint64_t addr)
{
	size_t i;

	pthread_rwlock_wrlock(&m->lock);
	i = upper(m, addr);
	if (i && m->allocs.v[i - 1].addr == addr) {
		remove_at(m, i - 1);
		__atomic_store_n(&m->gen, next_gen(), __ATOMIC_RELEASE);
	}
	pthread_rwlock_unlock(&m->lock);
}

void chk_mem_del_ctx(struct chk_mem *m, uint32_t ctx)
{
	pthread_rwlock_wrlock(&m->lock);
	for (size_t i = m->allocs.n; i-- > 0;)
		if (m->allocs.v[i].ctx == ctx)
			remove_at(m, i);
	__atomic_store_n(&m->gen, next_gen(), __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&m->lock);
}

bool chk_mem_inside(struct chk_mem *m, uint64_t addr, uint64_t n, bool *written)
{
	uint64_t gen = __atomic_load_n(&m->gen, __ATOMIC_ACQUIRE);
	const struct chk_alloc *a;
	struct hit h = { 0 };

	if (hits.gen != gen) {
		memset(&hits, 0, sizeof(hits));
		hits.gen = gen;
	}
	for (unsigned k = 0; k < HITS; k++)
		if (hits.h[k].size >= n && addr - hits.h[k].addr <= hits.h[k].size - n) {
			*written = hits.h[k].written;
			return true;
		}
	pthread_rwlock_rdlock(&m->lock);
	a = find(m, addr);
	if (a)
		h = (struct hit){ a->addr, a->size, a->flags & CHK_WRITTEN };
	pthread_rwlock_unlock(&m->lock);
	if (h.size < n || addr - h.addr > h.size - n) {
		*written = true;
		return __atomic_load_n(&m->lost, __ATOMIC_RELAXED);
	}
	hits.h[hits.next++ % HITS] = h;
	*written = h.written;
	return true;
}

/* ---- what the engine does to memory ---- */

void chk_mem_written(struct chk_mem *m, uint64_t addr, uint64_t len)
{
	chk_mem_mark(m, addr, len);
}

/* A copy out of memory whose writers aren't seen, or of part of itself, gives bytes that count as written. */
void chk_mem_copied(struct chk_mem *m, uint64_t dst, uint64_t src, uint64_t len)
{
	bool known = src - m->window < m->size && len <= m->size - (src - m->window) &&
		     dst - m->window < m->size && len <= m->size - (dst - m->window);
	bool apart = dst + len <= src || src + len <= dst, written;

	if (!len || !m->bits)
		return;
	if (!known || !apart || !chk_mem_inside(m, src, len, &written) || written)
		chk_mem_mark(m, dst, len);
	else
		copy_bits(m, dst, src, len);
}

/* ---- what is near an address ---- */

static void set_near(struct chk_near *x, const struct chk_alloc *a, enum chk_how how, uint64_t distance)
{
	*x = (struct chk_near){ .how = how, .distance = distance, .addr = a->addr, .size = a->size, .flags = a->flags };
	if (a->name)
		snprintf(x->name, sizeof(x->name), "%s", a->name);
}

/* Called with the lock. */
static bool was_freed(const struct chk_mem *m, uint64_t addr, struct chk_near *x)
{
	for (uint64_t k = 0; k < FREED_MAX && k < m->n_freed; k++) {
		const struct chk_alloc *a = &m->freed[(m->n_freed - 1 - k) % FREED_MAX];

		if (addr - a->addr < a->size) {
			set_near(x, a, CHK_FREED, addr - a->addr);
			return true;
		}
	}
	return false;
}

void chk_mem_near(struct chk_mem *m, uint64_t addr, struct chk_near *x)
{
	const struct chk_alloc *below, *above;
	size_t i;

	*x = (struct chk_near){ .how = CHK_NOWHERE };
	pthread_rwlock_rdlock(&m->lock);
	i = upper(m, addr);
	below = i ? &m->allocs.v[i - 1] : NULL;
	above = i < m->allocs.n ? &m->allocs.v[i] : NULL;
	if (below && addr - below->addr < below->size)
		set_near(x, below, CHK_ACROSS, below->addr + below->size - addr);
	else if (was_freed(m, addr, x))
		;
	else if (below && (!above || addr - (below->addr + below->size) <= above->addr - addr))
		set_near(x, below, CHK_AFTER, addr - (below->addr + below->size));
	else if (above)
		set_near(x, above, CHK_BEFORE, above->addr - addr);
	pthread_rwlock_unlock(&m->lock);
}

void chk_mem_each_leak(struct chk_mem *m, uint32_t ctx, void (*fn)(void *arg, const struct chk_alloc *a), void *arg)
{
	pthread_rwlock_rdlock(&m->lock);
	for (size_t i = 0; i < m->allocs.n; i++)
		if (m->allocs.v[i].ctx == ctx && !(m->allocs.v[i].flags & (CHK_KEPT | CHK_HEAP)))
			fn(arg, &m->allocs.v[i]);
	pthread_rwlock_unlock(&m->lock);
}
