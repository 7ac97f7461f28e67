/*
 * cache.c: memory of blocks that have ended, kept for the next ones. Blocks of
 * a launch come and go by the thousand and are all alike; fresh pages for each
 * cost more than a small block takes to run.
 *
 * Every thread has a cache of its own, bounded, freed when the thread ends, so
 * nothing here is shared. A block may end on another thread than it began on:
 * its memory then stays there.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "backend/interp/interp.h"

#define CACHE_SLOTS 16
#define CACHE_MAX_B ((size_t)16 << 20)
#define PAGE_B 4096u

struct slot {
	void *p;
	size_t size;
	bool mapped;
};

struct cache {
	struct slot slot[CACHE_SLOTS];   /* oldest first */
	unsigned n;
	size_t bytes;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key;
static __thread struct cache *mine;

static void release(const struct slot *s)
{
	if (s->mapped)
		munmap(s->p, s->size);
	else
		free(s->p);
}

static void take_out(struct cache *c, unsigned at)
{
	c->bytes -= c->slot[at].size;
	c->n--;
	for (unsigned k = at; k < c->n; k++)
		c->slot[k] = c->slot[k + 1];
}

static void cache_free(void *arg)
{
	struct cache *c = arg;

	for (unsigned k = 0; k < c->n; k++)
		release(&c->slot[k]);
	free(c);
	mine = NULL;
}

static void make_key(void)
{
	have_key = !pthread_key_create(&key, cache_free);
}

static struct cache *cache_of_thread(void)
{
	struct cache *c = mine;

	if (c)
		return c;
	pthread_once(&once, make_key);
	if (!have_key)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c && pthread_setspecific(key, c)) {
		free(c);
		c = NULL;
	}
	mine = c;
	return c;
}

static size_t whole_pages(size_t n)
{
	return (n + PAGE_B - 1) & ~(size_t)(PAGE_B - 1);
}

void *in_cache_get(size_t n, bool zero)
{
	struct cache *c = mine;
	size_t size = whole_pages(n);
	void *p;

	for (unsigned k = c ? c->n : 0; k-- > 0;)
		if (c->slot[k].size == size && c->slot[k].mapped == zero) {
			p = c->slot[k].p;
			take_out(c, k);
			return p;
		}
	if (!zero)
		return aligned_alloc(1024, size);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

void in_cache_put(void *p, size_t n, bool zero)
{
	struct slot s = { p, whole_pages(n), zero };
	struct cache *c;

	if (!p)
		return;
	c = s.size > CACHE_MAX_B / 2 ? NULL : cache_of_thread();
	if (!c) {
		release(&s);
		return;
	}
	while (c->n == CACHE_SLOTS || c->bytes + s.size > CACHE_MAX_B) {
		release(&c->slot[0]);
		take_out(c, 0);
	}
	c->slot[c->n++] = s;
	c->bytes += s.size;
}

void in_cache_drop(void *p, size_t n)
{
	if (p)
		munmap(p, whole_pages(n));
}
