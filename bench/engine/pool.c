/*
 * pool.c: threads that run the blocks of one launch, much as
 * engine/eng_sched.c does, without its streams: chunks of the thread's own part
 * of the grid, completion that counts blocks, a short spin before sleep. The
 * caller is one of the threads.
 *
 * A launch is over when all blocks have ended and no thread is inside (helpers
 * is 0); a thread that never woke up isn't waited for.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "bench/engine/bench.h"
#include "engine/eng_range.h"
#include "util/sys.h"

#define SPINS 4000
#define CHUNK_TICKS 1500             /* of the time stamp counter: what a chunk should last, that taking it isn't what costs */

struct work {
	const struct be_ops *ops;
	const struct be_launch *l;
	volatile uint32_t *cancel;
	uint64_t total, chunk_max;
	uint64_t done;
	int result;
};

struct helper {
	struct pool *p;
	unsigned thread;
	pthread_t th;
};

struct pool {
	struct work w;
	uint32_t gen;                 /* futex; odd: a launch is there */
	uint32_t helpers, sleepers;
	unsigned n;
	bool stop;
	pthread_mutex_t lock;         /* of fault and units */
	struct eng_ranges units;
	struct be_fault fault;
	struct helper helper[];      /* from 1 on; 0 is whoever calls */
};

static void fail(struct pool *p, enum be_run r, const struct be_fault *f)
{
	pthread_mutex_lock(&p->lock);
	if (p->w.result == BE_RUN_DONE) {
		p->w.result = (int)r;
		p->fault = *f;
	}
	pthread_mutex_unlock(&p->lock);
	*p->w.cancel = 1;
}

/* To its end. r: what its last turn came to. */
static void finish(struct pool *p, struct be_block *b, enum be_run r, struct be_fault *f)
{
	while ((r == BE_RUN_YIELD || r == BE_RUN_SPIN) && !*p->w.cancel)
		r = p->w.ops->block_run(b, f);
	p->w.ops->block_free(b);
	if (r != BE_RUN_DONE)
		fail(p, r == BE_RUN_FAULT ? r : BE_RUN_CANCELLED, f);
}

static void run_block(struct pool *p, uint64_t linear)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct be_fault f = { 0 };
	struct be_block *b = p->w.ops->block_new(p->w.l, linear, &err);
	enum be_run r;

	if (!b) {
		snprintf(f.text, sizeof(f.text), "%.200s", err.text);
		fail(p, BE_RUN_FAULT, &f);
		return;
	}
	r = p->w.ops->block_run(b, &f);
	finish(p, b, r, &f);
}

/* At least one block; answers how many. */
static uint64_t run_blocks(struct pool *p, uint64_t lo, uint64_t hi)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct be_fault f = { 0 };
	struct be_block *b;
	enum be_run r;
	uint64_t n;

	if (!p->w.ops->blocks_run) {
		run_block(p, lo);
		return 1;
	}
	n = p->w.ops->blocks_run(p->w.l, lo, hi, &b, &r, &f, &err);
	if (lo + n == hi)
		return n;
	if (b)
		finish(p, b, r, &f);
	else
		run_block(p, lo + n);
	return n + 1;
}

/* few: less isn't worth while */
static bool take(struct pool *p, unsigned thread, uint64_t few, struct eng_chunk *c)
{
	bool r;

	pthread_mutex_lock(&p->lock);
	r = eng_ranges_take(&p->units, thread, few, p->w.chunk_max, c);
	pthread_mutex_unlock(&p->lock);
	return r;
}

static void help(struct pool *p, unsigned thread)
{
	uint64_t few = 1, ticks;
	struct eng_chunk c;

	while (take(p, thread, few, &c)) {
		ticks = __builtin_ia32_rdtsc();
		for (uint64_t k = c.lo; k < c.hi && !*p->w.cancel;)
			k += run_blocks(p, k, c.hi);
		ticks = __builtin_ia32_rdtsc() - ticks;
		few = (c.hi - c.lo) * CHUNK_TICKS / (ticks + 1);
		__atomic_add_fetch(&p->w.done, c.hi - c.lo, __ATOMIC_RELEASE);
	}
}

/* The next launch, or the end: waits until gen is another than seen. */
static uint32_t await_launch(struct pool *p, uint32_t seen)
{
	for (unsigned k = 0; k < SPINS; k++) {
		uint32_t gen = __atomic_load_n(&p->gen, __ATOMIC_ACQUIRE);

		if (gen != seen && (gen & 1))
			return gen;
		__builtin_ia32_pause();
	}
	for (;;) {
		uint32_t gen;

		__atomic_add_fetch(&p->sleepers, 1, __ATOMIC_SEQ_CST);
		gen = __atomic_load_n(&p->gen, __ATOMIC_SEQ_CST);
		if (gen == seen || !(gen & 1))
			vgpu_futex_wait(&p->gen, gen, -1);
		__atomic_sub_fetch(&p->sleepers, 1, __ATOMIC_SEQ_CST);
		gen = __atomic_load_n(&p->gen, __ATOMIC_SEQ_CST);
		if (gen != seen && (gen & 1))
			return gen;
	}
}

static void *worker(void *arg)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct helper *h = arg;
	struct pool *p = h->p;
	uint32_t seen = 0;

	cpus_bind(h->thread);
	if (be_guard_install(&err))
		die("%s", err.text);
	for (;;) {
		seen = await_launch(p, seen);
		if (p->stop)
			return NULL;
		__atomic_add_fetch(&p->helpers, 1, __ATOMIC_SEQ_CST);
		/* seq_cst: either pool_run sees this helper, or the helper that the launch is over */
		if (__atomic_load_n(&p->gen, __ATOMIC_SEQ_CST) == seen)
			help(p, h->thread);
		__atomic_sub_fetch(&p->helpers, 1, __ATOMIC_SEQ_CST);
	}
}

static void announce(struct pool *p)
{
	__atomic_add_fetch(&p->gen, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&p->sleepers, __ATOMIC_SEQ_CST))
		vgpu_futex_wake(&p->gen, (int)p->n);
}

int pool_run(struct pool *p, const struct be_ops *ops, const struct be_launch *l, volatile uint32_t *cancel, uint64_t chunk_max,
	     struct be_fault *f)
{
	p->w = (struct work){
		.ops = ops, .l = l, .cancel = cancel, .chunk_max = chunk_max, .result = BE_RUN_DONE,
		.total = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2],
	};
	eng_ranges_share(&p->units, p->w.total, p->n, chunk_max == 1);
	announce(p);
	help(p, 0);
	while (__atomic_load_n(&p->w.done, __ATOMIC_ACQUIRE) < p->w.total)
		__builtin_ia32_pause();
	__atomic_add_fetch(&p->gen, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&p->helpers, __ATOMIC_SEQ_CST))
		__builtin_ia32_pause();
	if (p->w.result != BE_RUN_DONE)
		*f = p->fault;
	return p->w.result;
}

struct pool *pool_new(unsigned threads)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct pool *p = calloc(1, sizeof(*p) + threads * sizeof(struct helper));

	if (!p || be_guard_install(&err))
		die("no pool: %s", err.text);
	p->n = threads;
	p->lock = (pthread_mutex_t)PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
	for (unsigned k = 1; k < threads; k++) {
		p->helper[k] = (struct helper){ .p = p, .thread = k };
		if (pthread_create(&p->helper[k].th, NULL, worker, &p->helper[k]))
			die("no thread");
	}
	return p;
}

void pool_free(struct pool *p)
{
	p->stop = true;
	announce(p);
	for (unsigned k = 1; k < p->n; k++)
		pthread_join(p->helper[k].th, NULL);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
