/*
 * eng_sched.c: the pool of threads, and the work that they share.
 *
 * A job is one launch or one large copy. Threads visit jobs in turn and run
 * blocks: fresh ones, each of its own part of the grid (eng_range.h) or in
 * ascending order, and suspended ones. A block that
 * spins is put aside, and so is one that went on for many slices; a fresh one
 * is admitted when the suspended ones went round without any of them ending,
 * so that a block which waits for another one's flag gets that one started.
 * Completion counts blocks that have ended, not threads that have left:
 * stragglers hold a reference only.
 *
 * job->done may reach n_parts in one thread only; that thread completes it.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "engine/eng_priv.h"
#include "util/mig.h"

#define HERE_NS 15000                /* the channel's patience with a launch of its own: what waking the pool takes */
#define HERE_BLOCKS 1024             /* blocks, … */
#define HERE_THREADS 131072          /* … and threads of the kernel, above which it doesn't try */
#define CHUNK_HERE 64                /* blocks that the channel takes at once; it gives back what it doesn't get to */
#define LOOK_NS 2000                 /* between two looks at the clock, and at what there is to take */
#define VISIT_NS 1000000             /* then other jobs have their turn */
#define IDLE_SPIN_NS 50000
#define YIELDS_MAX 64                /* slices after which a block makes room for others */

struct eng_block {
	struct eng_block *next;
	struct be_block *b;
	unsigned yields;
	bool resident;                /* counted in job->resident */
};

struct visitor {
	struct eng_chunk ch;
	unsigned thread;              /* whose units it takes first */
	uint64_t done;                /* not yet added to job->done */
	uint64_t ahead;               /* blocks that take LOOK_NS, by what the last ones took; 0: not known yet */
	uint64_t deadline;            /* when it has to leave */
	bool here;                    /* the channel */
	bool spun;
};

static __thread unsigned this_thread;        /* of the pool; the channel takes part as its first */

/* ---- jobs ---- */

struct eng_job *eng_job_new(struct eng *e, struct eng_queue *q, uint32_t param_len)
{
	struct eng_job *j = calloc(1, sizeof(*j) + vgpu_align_up(param_len, 16));

	if (!j)
		return NULL;
	j->e = e;
	j->q = q;
	j->ctx = q->ctx;
	j->per_unit = 1;
	j->chunk_max = UINT64_MAX;
	/* held for some dozens of instructions: who comes meanwhile waits a moment before it sleeps */
	j->lock = (pthread_mutex_t)PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
	return j;
}

static void job_free(struct eng_job *j)
{
	vgpu_vec_free(&j->returned);
	pthread_mutex_destroy(&j->lock);
	free(j);
}

void eng_job_drop(struct eng *e, struct eng_job *j)
{
	if (j->mod)
		eng_module_unref(e, j->mod);
	if (j->workspace)
		eng_mem_free(e, j->workspace);
	job_free(j);
}

static unsigned dev_slot(struct eng_job *j)
{
	return (unsigned)(j->ctx->dev - j->e->devs);
}

static void job_unref(struct eng *e, struct eng_job *j)
{
	bool last;

	pthread_mutex_lock(&e->sched.lock);
	last = --j->refs == 0;
	pthread_mutex_unlock(&e->sched.lock);
	if (last)
		job_free(j);
}

/* Called with sched.lock. */
static void account_begin(struct eng_sched *s, struct eng_job *j)
{
	unsigned d = dev_slot(j);

	if (s->active[d]++ == 0)
		s->active_since[d] = vgpu_now_ns();
}

static void account_end(struct eng_sched *s, struct eng_job *j)
{
	unsigned d = dev_slot(j);

	if (--s->active[d] == 0)
		s->busy_ns[d] += vgpu_now_ns() - s->active_since[d];
}

uint64_t eng_sched_busy_ns(struct eng *e, unsigned d)
{
	struct eng_sched *s = &e->sched;
	uint64_t ns, now = vgpu_now_ns();

	pthread_mutex_lock(&s->lock);
	ns = s->busy_ns[d];
	s->busy_ns[d] = 0;
	if (s->active[d]) {
		ns += now - s->active_since[d];
		s->active_since[d] = now;
	}
	pthread_mutex_unlock(&s->lock);
	return ns;
}

/* ---- a part of a device has a part of the CPUs ---- */

/* So far ahead of its share a device may be: shorter than anybody notices, longer than a slice. */
#define SHARE_BURST_NS 10000000ull

/* 0, or how long (ns) the device has to wait. */
static uint64_t over_share(struct eng_sched *s, unsigned d)
{
	uint64_t until, now;

	if (likely(!s->share[d]))
		return 0;
	/* relaxed: a bound, not a message */
	until = __atomic_load_n(&s->paid_until[d], __ATOMIC_RELAXED);
	now = vgpu_now_ns();
	return until > now + SHARE_BURST_NS ? until - now - SHARE_BURST_NS : 0;
}

/* CPU time of this thread. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* CPU time, since `from` (wall clock), is stretched by the share. */
static void pay(struct eng_sched *s, unsigned d, uint64_t from, uint64_t used_ns)
{
	uint64_t cost = used_ns * 1000 / ((uint64_t)s->share[d] * s->cpus), old, next;

	old = __atomic_load_n(&s->paid_until[d], __ATOMIC_RELAXED);
	do {
		next = MAX(old, from) + cost;
	} while (!__atomic_compare_exchange_n(&s->paid_until[d], &old, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

static void find_shares(struct eng *e)
{
	struct eng_sched *s = &e->sched;

	for (size_t i = 0; i < e->cfg.n_devs; i++)
		for (size_t k = 0; vgpu_is_mig(&e->devs[i]) && k < e->cfg.n_devs; k++)
			if (!vgpu_is_mig(&e->devs[k]) && strcmp(e->devs[k].pci, e->devs[i].pci) == 0)
				s->share[i] = (uint32_t)MAX(e->devs[i].sm_count * 1000 / e->devs[k].sm_count, (uint64_t)1);
}

static void job_list(struct eng_sched *s, struct eng_job *j)
{
	if (s->jobs) {
		j->next = s->jobs;
		j->prev = s->jobs->prev;
		j->prev->next = j;
		j->next->prev = j;
	} else {
		j->next = j->prev = j;
		s->jobs = j;
	}
	j->listed = true;
	j->refs++;
	__atomic_store_n(&s->n_jobs, s->n_jobs + 1, __ATOMIC_RELAXED);
}

static void job_unlist(struct eng_sched *s, struct eng_job *j)
{
	if (s->jobs == j)
		s->jobs = j->next == j ? NULL : j->next;
	j->prev->next = j->next;
	j->next->prev = j->prev;
	j->listed = false;
	j->refs--;
	__atomic_store_n(&s->n_jobs, s->n_jobs - 1, __ATOMIC_RELAXED);
}

/* All parts have ended. The caller holds a reference. */
static void job_complete(struct eng *e, struct eng_job *j)
{
	pthread_mutex_lock(&e->sched.lock);
	if (j->listed)
		job_unlist(&e->sched, j);
	j->finished = true;
	account_end(&e->sched, j);
	pthread_mutex_unlock(&e->sched.lock);
	if (j->mod) {
		eng_check_tell(j->ctx);
		eng_tex_leave(e);
		eng_module_unref(e, j->mod);
	}
	if (j->workspace)
		eng_mem_free(e, j->workspace);
	eng_queue_finish(e, j->q);
}

/* ---- parts ---- */

static bool job_flush(struct eng *e, struct eng_job *j, uint64_t *n)
{
	uint64_t done = *n;

	*n = 0;
	/* acq_rel: who completes the job has seen all that the others did */
	if (!done || __atomic_add_fetch(&j->done, done, __ATOMIC_ACQ_REL) != j->n_parts)
		return false;
	job_complete(e, j);
	return true;
}

static bool cancelled(const struct eng_job *j)
{
	return j->ctx->cancel != 0;
}

/* Called with j->lock, context dead: what nobody runs counts as ended. */
static uint64_t drop_rest(struct eng_job *j, struct eng_chunk *ch)
{
	uint64_t units = j->units.left + (ch->hi - ch->lo), parts;

	j->units.left = 0;
	ch->lo = ch->hi = 0;
	for (size_t i = 0; i < j->returned.n; i++)
		units += j->returned.v[i].size;
	j->returned.n = 0;
	parts = units * j->per_unit;
	while (j->susp_head) {
		struct eng_block *b = j->susp_head;

		j->susp_head = b->next;
		j->ctx->be->block_free(b->b);
		free(b);
		parts++;
	}
	j->susp_tail = NULL;
	j->n_susp = j->resident = 0;
	return parts;
}

/* Called with j->lock. */
static bool take_chunk(struct eng_job *j, struct visitor *v)
{
	if (j->returned.n) {
		struct eng_extent x = j->returned.v[--j->returned.n];

		v->ch = (struct eng_chunk){ x.addr, x.addr + x.size };
		return true;
	}
	if (v->here)
		return eng_ranges_take(&j->units, v->thread, CHUNK_HERE, MIN((uint64_t)CHUNK_HERE, j->chunk_max), &v->ch);
	return eng_ranges_take(&j->units, v->thread, v->ahead / 4, j->chunk_max, &v->ch);
}

/* Called with j->lock. False: no memory to note them; nobody else would run these units, so the caller has to. */
static bool give_chunk(struct eng_job *j, struct eng_chunk *ch)
{
	if (ch->lo == ch->hi)
		return true;
	if (!eng_ranges_give(&j->units, ch) &&
	    !vgpu_vec_push(&j->returned, ((struct eng_extent){ ch->lo, ch->hi - ch->lo })))
		return false;
	ch->lo = ch->hi = 0;
	return true;
}

static bool has_units(const struct eng_job *j, const struct eng_chunk *ch)
{
	return ch->lo < ch->hi || j->returned.n || j->units.left;
}

/* Called with j->lock. */
static void suspend_locked(struct eng_job *j, struct eng_block *b)
{
	if (!b->resident)
		j->resident++;
	b->resident = true;
	b->yields = 0;
	b->next = NULL;
	if (j->susp_tail)
		j->susp_tail->next = b;
	else
		j->susp_head = b;
	j->susp_tail = b;
	__atomic_store_n(&j->n_susp, j->n_susp + 1, __ATOMIC_RELAXED);
}

/* Called with j->lock; block_end peeks without it. */
static void set_stalls(struct eng_job *j, uint64_t n)
{
	__atomic_store_n(&j->stalls, n, __ATOMIC_RELAXED);
}

static void suspend(struct eng_job *j, struct eng_block *b, bool stalled)
{
	pthread_mutex_lock(&j->lock);
	suspend_locked(j, b);
	if (stalled)
		set_stalls(j, j->stalls + 1);
	pthread_mutex_unlock(&j->lock);
}

static struct eng_block *resume_locked(struct eng_job *j)
{
	struct eng_block *b = j->susp_head;

	if (!b)
		return NULL;
	j->susp_head = b->next;
	if (!j->susp_head)
		j->susp_tail = NULL;
	__atomic_store_n(&j->n_susp, j->n_susp - 1, __ATOMIC_RELAXED);
	return b;
}

/* A block is over (also one that could not be made). */
static void block_end(struct eng_job *j, struct eng_block *b, struct visitor *v)
{
	if (b->resident || __atomic_load_n(&j->stalls, __ATOMIC_RELAXED) || __atomic_load_n(&j->no_room, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&j->lock);
		if (b->resident && j->resident)
			j->resident--;
		set_stalls(j, 0);
		__atomic_store_n(&j->no_room, false, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&j->lock);
	}
	j->ctx->be->block_free(b->b);
	free(b);
	v->done++;
}

/* ---- admission ---- */

/* Block number (x fastest) of the rank-th block of a cluster. */
static uint64_t cluster_block(const struct be_launch *l, uint64_t cluster, uint64_t rank)
{
	uint64_t nx = l->grid[0] / l->cluster[0], ny = l->grid[1] / l->cluster[1];
	uint64_t x = cluster % nx * l->cluster[0] + rank % l->cluster[0];
	uint64_t y = cluster / nx % ny * l->cluster[1] + rank / l->cluster[0] % l->cluster[1];
	uint64_t z = cluster / nx / ny * l->cluster[2] + rank / l->cluster[0] / l->cluster[1];

	return x + l->grid[0] * (y + l->grid[1] * z);
}

static struct eng_block *block_make(struct eng_job *j, uint64_t linear, struct vgpu_err *err)
{
	struct eng_block *b = calloc(1, sizeof(*b));

	if (!b) {
		vgpu_err_set(err, VGPU_E_NOMEM, "block: out of memory");
		return NULL;
	}
	b->b = j->ctx->be->block_new(&j->launch, linear, err);
	if (!b->b) {
		free(b);
		return NULL;
	}
	return b;
}

/* Makes all blocks of a unit; the first is the answer, the others are put to the suspended. */
static struct eng_block *unit_make(struct eng_job *j, uint64_t unit, struct vgpu_err *err)
{
	struct eng_block *made[16];
	struct be_block *peers[16];
	uint64_t n;

	if (j->per_unit == 1)
		return block_make(j, unit, err);
	for (n = 0; n < j->per_unit; n++) {
		made[n] = block_make(j, cluster_block(&j->launch, unit, n), err);
		if (!made[n])
			break;
		peers[n] = made[n]->b;
	}
	if (n < j->per_unit) {
		while (n-- > 0) {
			j->ctx->be->block_free(made[n]->b);
			free(made[n]);
		}
		return NULL;
	}
	for (uint64_t i = 0; i < n; i++)
		j->ctx->be->block_link(made[i]->b, peers, (uint32_t)n);
	pthread_mutex_lock(&j->lock);
	for (uint64_t i = 1; i < n; i++)
		suspend_locked(j, made[i]);
	pthread_mutex_unlock(&j->lock);
	return made[0];
}

/* The unit could not be made: later, when something has ended; or never. */
static void unit_failed(struct eng_job *j, uint64_t unit, struct visitor *v, const struct vgpu_err *err)
{
	bool wait;

	pthread_mutex_lock(&j->lock);
	wait = err->status == VGPU_E_NOMEM && j->resident > 0;
	if (wait) {
		__atomic_store_n(&j->no_room, true, __ATOMIC_RELAXED);
		wait = vgpu_vec_push(&j->returned, ((struct eng_extent){ unit, 1 }));
	}
	pthread_mutex_unlock(&j->lock);
	if (wait)
		return;
	eng_fault(j->ctx, err->status ? err->status : VGPU_E_NOMEM, 0, "launch: block %llu: %s", (unsigned long long)unit, err->text);
	v->done += j->per_unit;
}

/* Shall a fresh unit start rather than a suspended block go on? Called with j->lock. */
static bool want_fresh(const struct eng_job *j, const struct visitor *v)
{
	if (!has_units(j, &v->ch) || j->no_room)
		return false;
	if (!j->susp_head)
		return true;
	if (j->resident + j->per_unit > j->max_resident)
		return false;
	if (j->all_resident)
		return true;
	return v->spun && (j->resident < j->e->sched.n_threads || j->stalls >= j->resident);
}

/* The block to run next; NULL: nothing for this visitor now. */
static struct eng_block *next_block(struct eng_job *j, struct visitor *v)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct eng_block *b = NULL;

	for (;;) {
		uint64_t unit;

		if (v->ch.lo == v->ch.hi || v->spun || cancelled(j) || __atomic_load_n(&j->n_susp, __ATOMIC_RELAXED)) {
			pthread_mutex_lock(&j->lock);
			if (cancelled(j)) {
				v->done += drop_rest(j, &v->ch);
				pthread_mutex_unlock(&j->lock);
				return NULL;
			}
			if (!want_fresh(j, v)) {
				b = resume_locked(j);
				pthread_mutex_unlock(&j->lock);
				return b;
			}
			if (v->ch.lo == v->ch.hi && !take_chunk(j, v)) {
				pthread_mutex_unlock(&j->lock);
				return NULL;
			}
			pthread_mutex_unlock(&j->lock);
		}
		unit = v->ch.lo++;
		b = unit_make(j, unit, &err);
		if (b)
			return b;
		unit_failed(j, unit, v, &err);
		v->spun = false;
	}
}

/* ---- running ---- */

static bool wake_pool(struct eng *e, unsigned n)
{
	struct eng_sched *s = &e->sched;

	__atomic_add_fetch(&s->gen, 1, __ATOMIC_SEQ_CST);
	/* seq_cst on both: a sleeper announced itself before it looked at gen again */
	if (!__atomic_load_n(&s->sleepers, __ATOMIC_SEQ_CST))
		return false;
	vgpu_futex_wake(&s->gen, (int)MIN(n, 1024u));
	return true;
}

static bool others_wait(const struct eng *e)
{
	return __atomic_load_n(&e->sched.n_jobs, __ATOMIC_RELAXED) > 1 || __atomic_load_n(&e->sched.tasks, __ATOMIC_RELAXED);
}

static void report_fault(struct eng_job *j, const struct be_fault *f)
{
	eng_fault(j->ctx, f->status > 0 && f->status < VGPU_STATUS_COUNT ? f->status : VGPU_E_LAUNCH_FAILED, f->addr,
		  "%s (block %u,%u,%u thread %u,%u,%u%s%.0u)", f->text, f->block[0], f->block[1], f->block[2],
		  f->thread[0], f->thread[1], f->thread[2], f->ptx_line ? ", ptx line " : "", f->ptx_line);
}

/* How r of the block's turn is taken up. True: it has another one. */
static bool after_turn(struct eng *e, struct eng_job *j, struct eng_block *b, struct visitor *v, enum be_run r, const struct be_fault *fault)
{
	switch (r) {
	case BE_RUN_YIELD:
		if (cancelled(j))
			break;
		if (++b->yields < YIELDS_MAX && !(v->here && vgpu_now_ns() > v->deadline) &&
		    !(others_wait(e) && vgpu_now_ns() > v->deadline))
			return true;
		v->spun = b->yields >= YIELDS_MAX;
		suspend(j, b, v->spun);
		return false;
	case BE_RUN_SPIN:
		v->spun = true;
		suspend(j, b, true);
		return false;
	case BE_RUN_FAULT:
		report_fault(j, fault);
		break;
	case BE_RUN_DONE:
	case BE_RUN_CANCELLED:
		break;
	}
	block_end(j, b, v);
	return false;
}

/* Runs b for a slice. False: b is over or was put aside. */
static bool run_block(struct eng *e, struct eng_job *j, struct eng_block *b, struct visitor *v)
{
	struct be_fault fault;

	v->spun = false;
	return after_turn(e, j, b, v, j->ctx->be->block_run(b->b, &fault), &fault);
}

/* All went round without any end: let others have a look, or the world move on. */
static bool went_round(struct eng_job *j, const struct visitor *v)
{
	bool r;

	pthread_mutex_lock(&j->lock);
	r = j->stalls > 4 * j->resident + 4 || (j->stalls > 2 * j->resident + 2 && !has_units(j, &v->ch));
	pthread_mutex_unlock(&j->lock);
	return r;
}

/* Called between blocks. */
static bool time_to_leave(struct eng *e, struct eng_job *j, struct visitor *v)
{
	if (eng_stopped(e))
		return true;
	if (v->here)
		return vgpu_now_ns() > v->deadline || eng_channel_waits(e);
	if (v->spun && went_round(j, v))
		return true;
	return others_wait(e) && vgpu_now_ns() > v->deadline;
}

/* Blocks that a backend runs in one go, as long as it isn't known how long they take; at most; and how fast they may get more. */
#define AHEAD_FIRST 64
#define AHEAD_HERE 8
#define AHEAD_MAX 4096
#define AHEAD_GROWS 16

/* n blocks took that long. */
static void set_pace(struct visitor *v, uint64_t n, uint64_t ns)
{
	uint64_t ahead = n * LOOK_NS / MAX(ns, 1ull);

	ahead = MIN(ahead, AHEAD_GROWS * n);
	ahead = MIN(ahead, (uint64_t)AHEAD_MAX);
	v->ahead = MAX(ahead, 1ull);
}

/*
 * Fresh blocks of the chunk in one go, where the backend can do that and nothing waits. False: it can't be done now,
 * or *left is a block that goes on.
 */
static bool run_ahead(struct eng *e, struct eng_job *j, struct visitor *v, struct eng_block **left)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct eng_block *b;
	struct be_block *bb;
	struct be_fault fault;
	enum be_run r;
	uint64_t n, done, from;

	*left = NULL;
	if (!j->ctx->be->blocks_run || j->per_unit != 1 || j->all_resident || v->spun || cancelled(j) ||
	    __atomic_load_n(&j->n_susp, __ATOMIC_RELAXED) || __atomic_load_n(&j->stalls, __ATOMIC_RELAXED) ||
	    __atomic_load_n(&j->no_room, __ATOMIC_RELAXED))
		return false;
	if (v->ch.lo == v->ch.hi) {
		pthread_mutex_lock(&j->lock);
		take_chunk(j, v);
		pthread_mutex_unlock(&j->lock);
	}
	if (v->ch.lo == v->ch.hi)
		return false;
	/* the channel is careful until it has seen how long they take */
	n = MIN(v->ch.hi - v->ch.lo, v->ahead ? v->ahead : v->here ? AHEAD_HERE : AHEAD_FIRST);
	from = vgpu_now_ns();
	done = j->ctx->be->blocks_run(&j->launch, v->ch.lo, v->ch.lo + n, &bb, &r, &fault, &err);
	v->ch.lo += done;
	v->done += done;
	if (done == n) {
		set_pace(v, n, vgpu_now_ns() - from);
		return true;
	}
	v->ch.lo++;
	if (!bb) {
		unit_failed(j, v->ch.lo - 1, v, &err);
		return true;
	}
	b = calloc(1, sizeof(*b));
	if (!b) {
		j->ctx->be->block_free(bb);
		eng_fault(j->ctx, VGPU_E_NOMEM, 0, "block: out of memory");
		v->done++;
		return true;
	}
	b->b = bb;
	if (after_turn(e, j, b, v, r, &fault))
		*left = b;
	return !*left;
}

/* True when the job is complete (and may not be touched beyond the reference). */
static bool visit_launch(struct eng *e, struct eng_job *j, struct visitor *v)
{
	struct eng_block *b;
	bool left;

	do {
		do {
			if (!run_ahead(e, j, v, &b)) {
				if (!b)
					b = next_block(j, v);
				if (!b)
					break;
				while (run_block(e, j, b, v))
					;
			}
			if ((v->ch.lo == v->ch.hi || v->spun) && job_flush(e, j, &v->done))
				return true;
		} while (!time_to_leave(e, j, v));
		pthread_mutex_lock(&j->lock);
		left = true;
		if (cancelled(j))
			v->done += drop_rest(j, &v->ch);
		else
			left = give_chunk(j, &v->ch) || eng_stopped(e);
		pthread_mutex_unlock(&j->lock);
	} while (!left);
	return job_flush(e, j, &v->done);
}

static bool visit_pieces(struct eng *e, struct eng_job *j, struct visitor *v)
{
	for (;;) {
		struct eng_chunk piece;
		uint64_t addr = 0;
		int r;

		pthread_mutex_lock(&j->lock);
		if (cancelled(j)) {
			v->done += drop_rest(j, &v->ch);
			pthread_mutex_unlock(&j->lock);
			return job_flush(e, j, &v->done);
		}
		if (!eng_ranges_take(&j->units, v->thread, 1, 1, &piece)) {
			pthread_mutex_unlock(&j->lock);
			return false;
		}
		pthread_mutex_unlock(&j->lock);
		r = j->run_piece(j, piece.lo, &addr);
		if (r)
			eng_fault(j->ctx, -r, addr, "copy: 0x%llx is not allocated", (unsigned long long)addr);
		v->done++;
		if (job_flush(e, j, &v->done))
			return true;
	}
}

static bool visit(struct eng *e, struct eng_job *j, bool here)
{
	uint64_t from = vgpu_now_ns();
	struct visitor v = { .here = here, .thread = this_thread, .deadline = from + (here ? HERE_NS : VISIT_NS) };
	unsigned d = dev_slot(j);
	uint64_t used = unlikely(e->sched.share[d]) ? cpu_ns() : 0;
	bool did = j->run_piece ? visit_pieces(e, j, &v) : visit_launch(e, j, &v);

	if (unlikely(e->sched.share[d]))
		pay(&e->sched, d, from, cpu_ns() - used);
	return did;
}

/* ---- submitting ---- */

static bool is_brief(const struct eng *e, const struct eng_job *j)
{
	return j->run_piece || !j->ctx->be->is_brief || j->ctx->be->is_brief(&j->launch);
}

void eng_job_submit(struct eng *e, struct eng_job *j, bool try_here)
{
	struct eng_sched *s = &e->sched;
	uint64_t n = j->n_units;
	bool complete = false;

	j->refs = 1;   /* ours */
	/* one at a time: they may wait for each other */
	eng_ranges_share(&j->units, n, s->n_threads, j->chunk_max == 1);
	pthread_mutex_lock(&s->lock);
	account_begin(s, j);
	pthread_mutex_unlock(&s->lock);
	if (try_here && eng_is_channel() && is_brief(e, j) && !over_share(s, dev_slot(j)) && __atomic_load_n(&s->n_jobs, __ATOMIC_RELAXED) == 0 &&
	    n <= HERE_BLOCKS && n * j->launch.block[0] * j->launch.block[1] * j->launch.block[2] <= HERE_THREADS)
		complete = visit(e, j, true);
	if (!complete) {
		pthread_mutex_lock(&s->lock);
		job_list(s, j);
		pthread_mutex_unlock(&s->lock);
		wake_pool(e, (unsigned)MIN(n, (uint64_t)s->n_threads));
	}
	job_unref(e, j);
}

int eng_task_submit(struct eng *e, void (*run)(struct eng *e, void *arg), void *arg)
{
	struct eng_task *t = malloc(sizeof(*t));
	struct eng_sched *s = &e->sched;

	if (!t)
		return -VGPU_E_NOMEM;
	*t = (struct eng_task){ .run = run, .arg = arg };
	pthread_mutex_lock(&s->lock);
	if (s->tasks_tail)
		s->tasks_tail->next = t;
	else
		__atomic_store_n(&s->tasks, t, __ATOMIC_RELAXED);
	s->tasks_tail = t;
	pthread_mutex_unlock(&s->lock);
	wake_pool(e, 1);
	return 0;
}

/* ---- the pool ---- */

static bool run_task(struct eng *e)
{
	struct eng_sched *s = &e->sched;
	struct eng_task *t;

	pthread_mutex_lock(&s->lock);
	t = s->tasks;
	if (t) {
		__atomic_store_n(&s->tasks, t->next, __ATOMIC_RELAXED);
		if (!t->next)
			s->tasks_tail = NULL;
	}
	pthread_mutex_unlock(&s->lock);
	if (!t)
		return false;
	t->run(e, t->arg);
	free(t);
	return true;
}

static bool has_work(struct eng_job *j)
{
	bool work;

	pthread_mutex_lock(&j->lock);
	work = j->units.left || j->returned.n || j->susp_head;
	pthread_mutex_unlock(&j->lock);
	return work;
}

/* A job with something to do, the next one in turn, with a reference. *wait_ns: none now, but one that has used its share. */
static struct eng_job *pick(struct eng_sched *s, uint64_t *wait_ns)
{
	struct eng_job *j;
	uint64_t over;

	pthread_mutex_lock(&s->lock);
	j = s->jobs;
	for (uint32_t i = 0; i < s->n_jobs; i++, j = j->next) {
		if (!has_work(j))
			continue;
		over = over_share(s, dev_slot(j));
		if (over) {
			*wait_ns = *wait_ns ? MIN(*wait_ns, over) : over;
			continue;
		}
		s->jobs = j->next;
		j->refs++;
		pthread_mutex_unlock(&s->lock);
		return j;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* All that is there spins: whoever they wait for (the program, another process) needs the CPU more. */
static void rest(struct eng *e, struct eng_job *j)
{
	struct timespec nap = { .tv_nsec = 20000 };
	bool stuck;

	pthread_mutex_lock(&j->lock);
	stuck = j->stalls > 16 * (j->resident + 1);
	pthread_mutex_unlock(&j->lock);
	if (stuck && !others_wait(e))
		nanosleep(&nap, NULL);
}

static bool work_once(struct eng *e)
{
	struct eng_sched *s = &e->sched;
	uint64_t wait_ns = 0;
	struct eng_job *j;

	if (__atomic_load_n(&s->tasks, __ATOMIC_RELAXED) && run_task(e))
		return true;
	if (!__atomic_load_n(&s->n_jobs, __ATOMIC_RELAXED))
		return false;
	j = pick(s, &wait_ns);
	if (!j && wait_ns) {
		struct timespec nap = { .tv_nsec = (long)MIN(wait_ns, SHARE_BURST_NS) };

		nanosleep(&nap, NULL);
		return true;
	}
	if (!j)
		return false;
	if (!visit(e, j, false))
		rest(e, j);
	job_unref(e, j);
	return true;
}

static bool idle_spin(struct eng_sched *s, uint32_t gen)
{
	uint64_t end;
	bool moved = false;

	if (__atomic_add_fetch(&s->spinners, 1, __ATOMIC_RELAXED) <= s->spin_threads) {
		end = vgpu_now_ns() + IDLE_SPIN_NS;
		do {
			for (int i = 0; i < 32 && !moved; i++) {
				moved = __atomic_load_n(&s->gen, __ATOMIC_ACQUIRE) != gen;
#if defined(__x86_64__)
				__builtin_ia32_pause();
#endif
			}
		} while (!moved && vgpu_now_ns() < end);
	}
	__atomic_sub_fetch(&s->spinners, 1, __ATOMIC_RELAXED);
	return moved;
}

static void *pool_thread(void *arg)
{
	struct eng *e = arg;
	struct eng_sched *s = &e->sched;
	int cpu;

	this_thread = __atomic_fetch_add(&s->n_named, 1, __ATOMIC_RELAXED);
	be_guard_install(NULL);
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		uint32_t gen = __atomic_load_n(&s->gen, __ATOMIC_SEQ_CST);

		if (work_once(e) || idle_spin(s, gen))
			continue;
		cpu = vgpu_roost_take(&s->roost);
		__atomic_add_fetch(&s->sleepers, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE) && __atomic_load_n(&s->gen, __ATOMIC_SEQ_CST) == gen)
			vgpu_futex_wait(&s->gen, gen, -1);
		__atomic_sub_fetch(&s->sleepers, 1, __ATOMIC_SEQ_CST);
		vgpu_roost_leave(&s->roost, cpu);
	}
	return NULL;
}

static unsigned cpu_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)MAX(CPU_COUNT(&set), 1);
}

int eng_sched_start(struct eng *e, struct vgpu_err *err)
{
	struct eng_sched *s = &e->sched;
	unsigned cpus = cpu_count();
	pthread_attr_t attr;
	int r = 0;

	pthread_mutex_init(&s->lock, NULL);
	s->n_threads = e->cfg.threads ? MIN(e->cfg.threads, 256u) : cpus;
	s->spin_threads = cpus > 2 ? cpus - 2 : 0;
	s->cpus = cpus;
	find_shares(e);
	s->threads = calloc(s->n_threads, sizeof(*s->threads));
	if (!s->threads)
		return vgpu_err_set(err, VGPU_E_NOMEM, "threads: out of memory");
	/* what is usual follows the limit of whoever started us */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, BE_STACK_B);
	for (; s->n_started < s->n_threads; s->n_started++) {
		r = pthread_create(&s->threads[s->n_started], &attr, pool_thread, e);
		if (r)
			break;  /* fewer will do */
	}
	pthread_attr_destroy(&attr);
	if (s->n_started == 0)
		return vgpu_err_set(err, vgpu_status_from_errno(r), "start engine threads: %s", strerror(r));
	return 0;
}

static void free_jobs(struct eng *e)
{
	struct eng_sched *s = &e->sched;

	while (s->jobs) {
		struct eng_job *j = s->jobs;
		struct eng_chunk none = { 0, 0 };

		drop_rest(j, &none);
		job_unlist(s, j);
		eng_job_drop(e, j);
	}
	while (s->tasks) {
		struct eng_task *t = s->tasks;

		s->tasks = t->next;
		free(t);
	}
}

/* The contexts were cancelled: blocks that run give up. */
void eng_sched_stop(struct eng *e)
{
	struct eng_sched *s = &e->sched;

	if (!s->threads)
		return;
	__atomic_store_n(&s->stop, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&s->gen, 1, __ATOMIC_SEQ_CST);
	vgpu_futex_wake(&s->gen, 1024);
	for (unsigned i = 0; i < s->n_started; i++)
		pthread_join(s->threads[i], NULL);
	free_jobs(e);
	free(s->threads);
	s->threads = NULL;
	pthread_mutex_destroy(&s->lock);
}
