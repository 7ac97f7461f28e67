/*
 * sd_be.c: the backend's ops. Every kernel has an interp kernel beside it,
 * which knows its layout, runs the instructions that have no code of their
 * own, and the whole kernel where it can't be compiled.
 *
 * Blocks that have ended are kept for the next ones of the launch, a few per
 * thread: making one anew costs more than a small one takes to run.
 */
#include <sched.h>
#include <string.h>

#include "backend/simd/sd_jit.h"
#include "backend/simd/sd_priv.h"
#include "util/sys.h"

#define IDLE_MAX 4

struct idle {
	struct be_block *first;
	unsigned n;
	bool known;                        /* to the key: freed when the thread ends */
};

static pthread_once_t idle_once = PTHREAD_ONCE_INIT;
static pthread_key_t idle_key;
static bool have_idle_key;
static __thread struct idle idle;

static void destroy(struct be_block *b)
{
	sd_block_fini(&b->b);
	free(b);
}

/* The thread ends. */
static void free_idle(void *arg)
{
	struct idle *i = arg;

	while (i->first) {
		struct be_block *b = i->first;

		i->first = b->next;
		destroy(b);
	}
	i->n = 0;
}

static void make_idle_key(void)
{
	have_idle_key = !pthread_key_create(&idle_key, free_idle);
}

static struct be_block *take_idle(const struct be_launch *l, const struct sd_variant *v)
{
	for (struct be_block **p = &idle.first; *p; p = &(*p)->next)
		if (sd_block_fits(&(*p)->b, l, v)) {
			struct be_block *b = *p;

			*p = b->next;
			idle.n--;
			return b;
		}
	return NULL;
}

static void put_idle(struct be_block *b)
{
	struct be_block **p = &idle.first;

	if (!idle.known) {
		pthread_once(&idle_once, make_idle_key);
		if (!have_idle_key || pthread_setspecific(idle_key, &idle)) {
			destroy(b);
			return;
		}
		idle.known = true;
	}
	b->next = idle.first;
	idle.first = b;
	if (++idle.n <= IDLE_MAX)
		return;
	while ((*p)->next)
		p = &(*p)->next;
	destroy(*p);
	*p = NULL;
	idle.n--;
}

/* ---- modules and kernels ---- */

static void module_free(struct be_module *bm)
{
	if (!bm)
		return;
	sd_jit_forget(bm->ir);
	be_interp.module_free(bm->im);
	free(bm->var_addr);
	free(bm);
}

static int module_new(struct be_module **out, const struct ir_module *m, const uint64_t *var_addr, struct vgpu_err *err)
{
	struct be_module *bm = calloc(1, sizeof(*bm));
	int rc;

	if (!bm)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a module");
	bm->ir = m;
	bm->var_addr = calloc(m->n_vars + 1, sizeof(*bm->var_addr));
	if (!bm->var_addr) {
		free(bm);
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a module");
	}
	if (m->n_vars && var_addr)
		memcpy(bm->var_addr, var_addr, m->n_vars * sizeof(*var_addr));
	rc = be_interp.module_new(&bm->im, m, var_addr, err);
	if (rc) {
		free(bm->var_addr);
		free(bm);
		return rc;
	}
	*out = bm;
	return 0;
}

static uint64_t func_addr(struct be_module *bm, uint32_t func)
{
	return be_interp.func_addr(bm->im, func);
}

static void kernel_free(struct be_kernel *k)
{
	if (!k)
		return;
	/* this thread's idle blocks keep variants; their code may outlive the kernel, what it refers to may not be used */
	free_idle(&idle);
	sd_variants_free(k);
	be_interp.kernel_free(k->ik);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static int kernel_new(struct be_kernel **out, struct be_module *bm, uint32_t func, struct vgpu_err *err)
{
	struct be_kernel *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a kernel");
	rc = be_interp.kernel_new(&k->ik, bm->im, func, err);
	if (rc) {
		free(k);
		return rc;
	}
	k->bm = bm;
	k->func = func;
	k->entry = &bm->ir->funcs[func];
	pthread_mutex_init(&k->lock, NULL);
	be_interp.kernel_info(k->ik, &k->info);
	*out = k;
	return 0;
}

static void kernel_info(const struct be_kernel *k, struct be_kernel_info *info)
{
	*info = k->info;
}

/* ---- blocks ---- */

static int check_launch(const struct be_launch *l, uint64_t linear, struct vgpu_err *err)
{
	uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];

	if (!threads || l->block[0] > 1024 || l->block[1] > 1024 || l->block[2] > 1024 || threads > 1024)
		return vgpu_err_set(err, VGPU_E_LAUNCH_RESOURCES, "a block of %ux%ux%u threads: at most 1024 fit", l->block[0],
				    l->block[1], l->block[2]);
	if (linear >= (uint64_t)l->grid[0] * l->grid[1] * l->grid[2])
		return vgpu_err_set(err, VGPU_E_INVALID, "block %llu is outside of the grid", (unsigned long long)linear);
	if (l->param_bytes < l->kernel->entry->param_bytes)
		return vgpu_err_set(err, VGPU_E_INVALID, "'%s' has %u bytes of parameters, %u were given", l->kernel->entry->name,
				    l->kernel->entry->param_bytes, l->param_bytes);
	if (l->shared_dyn > 16 << 20)
		return vgpu_err_set(err, VGPU_E_LAUNCH_RESOURCES, "%u bytes of dynamic shared memory", l->shared_dyn);
	return 0;
}

static struct be_block *interpreted(const struct be_launch *l, uint64_t linear, struct vgpu_err *err)
{
	struct be_block *b = calloc(1, sizeof(*b));

	if (!b) {
		vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a block of '%s'", l->kernel->entry->name);
		return NULL;
	}
	b->il = *l;
	b->il.kernel = l->kernel->ik;
	b->ib = be_interp.block_new(&b->il, linear, err);
	if (!b->ib) {
		free(b);
		return NULL;
	}
	return b;
}

static struct be_block *block_new(const struct be_launch *l, uint64_t linear, struct vgpu_err *err)
{
	/* the kernel's own list changes when it is compiled */
	struct be_kernel *k = (struct be_kernel *)(uintptr_t)l->kernel;
	struct sd_variant *v;
	struct be_block *b;

	if (l->cluster[0] * l->cluster[1] * l->cluster[2] > 1)
		return interpreted(l, linear, err);
	if (check_launch(l, linear, err))
		return NULL;
	v = sd_variant_get(k, l, err);
	if (!v)
		return NULL;
	if (!v->part[0])
		return interpreted(l, linear, err);
	b = take_idle(l, v);
	if (b) {
		sd_block_reset(&b->b, l, linear);
		return b;
	}
	b = calloc(1, sizeof(*b));
	if (!b || sd_block_init(&b->b, l, v, linear, err)) {
		if (!b)
			vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a block of '%s'", l->kernel->entry->name);
		free(b);
		return NULL;
	}
	return b;
}

static void block_link(struct be_block *b, struct be_block *const *peers, uint32_t n)
{
	struct be_block *ib[16];

	for (uint32_t k = 0; k < n && k < ARRAY_SIZE(ib); k++)
		ib[k] = peers[k]->ib;
	if (b->ib)
		be_interp.block_link(b->ib, ib, n);
}

static uint64_t blocks_of(const struct be_launch *l)
{
	return (uint64_t)l->grid[0] * l->grid[1] * l->grid[2];
}

/* Threads that run blocks of code that may get better, and how many CPUs there are for them. */
static unsigned running, cpus;

static void count_cpus(void)
{
	cpu_set_t set;

	cpus = sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

static bool is_crowded(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, count_cpus);
	return __atomic_load_n(&running, __ATOMIC_RELAXED) >= cpus;
}

/* Of a launch that has so much left, in code that is to get better, it is worth to wait a while for it; known by what ran so long. */
#define ROOM_LEFT_NS 60000000u
#define ROOM_KNOWN_NS 4000000u
#define ROOM_NS 100000000u
#define ROOM_POLL_MS 10

static bool wants_room(const struct sd_block *b, uint64_t left)
{
	return left >= ROOM_LEFT_NS && __atomic_load_n(&b->v->ns, __ATOMIC_RELAXED) >= ROOM_KNOWN_NS && sd_variant_hopes(b->v) && is_crowded();
}

/*
 * All CPUs are busy with code that is several times as slow as what is being compiled, and the compiler has but a part of one:
 * one thread stands back until it is done.
 */
static void make_room(struct sd_block *b)
{
	static bool taken;
	struct be_kernel *k = (struct be_kernel *)(uintptr_t)b->l->kernel;
	uint64_t t0, blocks = blocks_of(b->l), left = sd_variant_takes(b->v, blocks - 1 - b->linear);

	if (!wants_room(b, left) || __atomic_exchange_n(&taken, true, __ATOMIC_ACQUIRE))
		return;
	t0 = vgpu_now_ns();
	while (sd_variant_hopes(b->v) && vgpu_now_ns() - t0 < MIN(left / 4, (uint64_t)ROOM_NS) && !*b->s->cancel) {
		sd_jit_await(ROOM_POLL_MS);
		sd_variant_ran(k, b->v, 0, 0, blocks, 0);
	}
	__atomic_store_n(&taken, false, __ATOMIC_RELEASE);
}

/* Runs it, and the blocks behind it up to hi - 1; whether better code is worth it is looked at while that may be. */
static enum be_run run(struct sd_block *b, uint64_t hi, struct be_fault *fault)
{
	bool timed = sd_variant_timed(b->v);
	uint64_t t0, ns, first = b->linear;
	enum be_run r;

	if (!__atomic_load_n(&b->v->grows, __ATOMIC_RELAXED))
		return sd_block_run(b, hi, fault);
	__atomic_add_fetch(&running, 1, __ATOMIC_RELAXED);
	t0 = timed ? vgpu_now_ns() : 0;
	r = sd_block_run(b, hi, fault);
	if (timed || b->crossings) {
		ns = timed ? vgpu_now_ns() - t0 - b->waited_ns : 0;
		sd_variant_ran((struct be_kernel *)(uintptr_t)b->l->kernel, b->v, ns, timed ? b->linear - first + 1 : 0, blocks_of(b->l), b->crossings);
		b->crossings = b->waited_ns = 0;
		if (r == BE_RUN_DONE)
			make_room(b);
	}
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
	return r;
}

static enum be_run block_run(struct be_block *b, struct be_fault *fault)
{
	return b->ib ? be_interp.block_run(b->ib, fault) : run(&b->b, 0, fault);
}

static void block_free(struct be_block *b)
{
	if (!b)
		return;
	if (b->ib) {
		be_interp.block_free(b->ib);
		free(b);
		return;
	}
	put_idle(b);
}

static uint64_t blocks_run(const struct be_launch *l, uint64_t lo, uint64_t hi, struct be_block **out, enum be_run *r,
			   struct be_fault *fault, struct vgpu_err *err)
{
	struct be_block *b = NULL;
	uint64_t n = 0;

	*out = NULL;
	*r = BE_RUN_DONE;
	while (lo + n < hi && *r == BE_RUN_DONE) {
		b = block_new(l, lo + n, err);
		if (!b)
			return n;
		if (b->ib) {
			*r = be_interp.block_run(b->ib, fault);
			n += *r == BE_RUN_DONE;
		} else {
			*r = run(&b->b, hi, fault);
			n = b->b.linear - lo + (*r == BE_RUN_DONE);
		}
		if (*r == BE_RUN_DONE)
			block_free(b);
	}
	if (*r != BE_RUN_DONE)
		*out = b;
	return n;
}

/* Compiled code isn't sliced, and compiling takes a while. */
static bool is_brief(const struct be_launch *l)
{
	const struct sd_variant *v;

	if (l->cluster[0] * l->cluster[1] * l->cluster[2] > 1)
		return true;
	v = sd_variant_ready(l->kernel, l);
	return v && (!v->part[0] || v->part[0]->code->meta.n_loops == 0);
}

const struct be_ops be_simd = {
	.name = "simd",
	.needs_text = true,
	.module_new = module_new,
	.module_free = module_free,
	.func_addr = func_addr,
	.kernel_new = kernel_new,
	.kernel_free = kernel_free,
	.kernel_info = kernel_info,
	.block_new = block_new,
	.block_link = block_link,
	.block_run = block_run,
	.block_free = block_free,
	.blocks_run = blocks_run,
	.is_brief = is_brief,
};
