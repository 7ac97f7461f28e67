/* kernel.c: see kernel.h. */
#include "t/lib/kernel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/check/check.h"
#include "backend/simd/sd_jit.h"
#include "compiler/ptx/ptx.h"
#include "config.h"
#include "t/lib/tap.h"
#include "util/sys.h"

#define PAGE 4096u

const char *const *kt_backends(void)
{
	static const char *const check[] = { "check", NULL };

	if (getenv("KT_CHECK"))
		return check;
#ifdef VGPU_LLVM
	static const char *const names[] = { "interp", "simd", NULL };

	sd_jit_set_local(gen_kernel);
#else
	static const char *const names[] = { "interp", NULL };
#endif
	return names;
}

static void *alloc(struct kt *t, size_t size, unsigned chk_flags)
{
	size_t len = (size + PAGE) & ~(size_t)(PAGE - 1);
	void *p = (void *)(uintptr_t)t->next;

	if (mprotect(p, len, PROT_READ | PROT_WRITE))
		bail("no memory for %zu bytes", size);
	if (t->mem)
		chk_mem_add(t->mem, t->next, size, 1, chk_flags, NULL);
	t->next += len + PAGE;
	return p;
}

static bool service_print(void *cookie, const char *text, size_t len)
{
	struct kt *t = cookie;

	if (t->print_limit && t->printed.len + len > t->print_limit)
		return false;
	vgpu_buf_add(&t->printed, text, len);
	return true;
}

static uint64_t service_alloc(void *cookie, uint64_t size)
{
	struct kt *t = cookie;

	if (size > t->heap_left)
		return 0;
	t->heap_left -= size;
	t->heap_live++;
	return (uint64_t)(uintptr_t)alloc(t, size, CHK_HEAP);
}

static void service_free(void *cookie, uint64_t addr)
{
	struct kt *t = cookie;

	t->heap_live--;
	if (t->mem)
		chk_mem_del(t->mem, addr);
}

static void open_window(struct kt *t)
{
	void *p = mmap((void *)KT_WINDOW, KT_WINDOW_SIZE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)KT_WINDOW)
		bail("no room for the window of device memory");
	t->next = KT_WINDOW + 65536 + PAGE;   /* as the engine keeps the window's ends free */
	t->s = (struct be_services){
		.cookie = t, .window = KT_WINDOW, .window_size = KT_WINDOW_SIZE,
		.print = service_print, .heap_alloc = service_alloc, .heap_free = service_free,
		.cancel = &t->cancel, .clock_khz = 1000000, .sm_count = 4, .slice = 50000,
	};
	t->heap_left = 1 << 20;
	if (t->ops != &be_check)
		return;
	t->mem = chk_mem_new(KT_WINDOW, KT_WINDOW_SIZE);
	t->s.check = t->mem ? chk_new(t->mem, 1) : NULL;
	if (!t->s.check)
		bail("no memory for the checker");
}

void *kt_alloc(struct kt *t, size_t size)
{
	return alloc(t, size, CHK_WRITTEN | CHK_KEPT);
}

void *kt_alloc_raw(struct kt *t, size_t size)
{
	return alloc(t, size, 0);
}

char *kt_reports(struct kt *t)
{
	size_t cap = 1 << 20, left;
	char *text = malloc(cap);

	if (!text)
		bail("no memory");
	text[chk_take(t->s.check, CHK_FOR_CLIENT, text, cap - 1, &left)] = 0;
	return text;
}

static void apply_relocs(struct kt *t, uint32_t v)
{
	const struct ir_var *var = &t->m->vars[v];

	for (uint32_t r = 0; r < var->n_relocs; r++) {
		const struct ir_reloc *rel = &var->relocs[r];
		const struct ir_sym *s = &t->m->syms[rel->sym];
		uint64_t a = s->kind == IR_SYM_FUNC ? t->ops->func_addr(t->bm, s->index) : t->var_addr[s->index];

		a += (uint64_t)rel->addend;
		memcpy((void *)(uintptr_t)(t->var_addr[v] + rel->offset), &a, rel->size_B);
	}
}

static bool load_vars(struct kt *t)
{
	t->var_addr = calloc(t->m->n_vars + 1, sizeof(*t->var_addr));
	for (uint32_t v = 0; v < t->m->n_vars; v++) {
		const struct ir_var *var = &t->m->vars[v];

		if (var->space != IR_SPACE_GLOBAL && var->space != IR_SPACE_CONST)
			continue;
		t->var_addr[v] = (uint64_t)(uintptr_t)kt_alloc(t, var->size);
		if (var->init)
			memcpy((void *)(uintptr_t)t->var_addr[v], var->init, var->size);
	}
	if (t->ops->module_new(&t->bm, t->m, t->var_addr, &t->err))
		return false;
	for (uint32_t v = 0; v < t->m->n_vars; v++)
		apply_relocs(t, v);
	return true;
}

bool kt_open(struct kt *t, const char *backend, const char *ptx)
{
	struct ptx_source src = { ptx, strlen(ptx), "test" };
	struct ptx_diag d;
	int rc;

	memset(t, 0, sizeof(*t));
	t->ops = be_find(backend);
	if (!t->ops)
		bail("no backend '%s'", backend);
	if (be_guard_install(&t->err))
		bail("%s", t->err.text);
	open_window(t);
	t->stack_B = 1024;
	ptx_diag_init(&d);
	rc = ptx_compile(&src, 1, 0, &t->m, &d, &t->err);
	t->log = strdup(vgpu_buf_text(&d.errors));
	ptx_diag_fini(&d);
	return !rc && load_vars(t);
}

void kt_must_open(struct kt *t, const char *backend, const char *ptx)
{
	if (!kt_open(t, backend, ptx))
		bail("test PTX doesn't load: %s\n%s", t->err.text, t->log);
}

static void close_check(struct kt *t)
{
	char *text = t->mem ? kt_reports(t) : NULL;

	if (text && text[0])
		diag("%s", text);
	free(text);
	chk_free(t->s.check);
	chk_mem_free(t->mem);
}

void kt_close(struct kt *t)
{
	close_check(t);
	if (t->kept)
		t->ops->kernel_free(t->kept);
	if (t->bm)
		t->ops->module_free(t->bm);
	if (t->m)
		ir_module_free(t->m);
	free(t->var_addr);
	free(t->log);
	vgpu_buf_free(&t->printed);
	munmap((void *)KT_WINDOW, KT_WINDOW_SIZE);
	memset(t, 0, sizeof(*t));
}

char *kt_text(const char *name)
{
	char rel[256], *data;
	struct vgpu_err err = VGPU_ERR_INIT;
	size_t len;

	snprintf(rel, sizeof(rel), "t/data/ptx/%s", name);
	if (vgpu_read_file(test_src(rel), 64 << 20, &data, &len, &err))
		bail("%s", err.text);
	return data;
}

void *kt_var(struct kt *t, const char *name)
{
	int v = ir_module_find_var(t->m, name);

	if (v < 0)
		bail("no variable '%s'", name);
	return (void *)(uintptr_t)t->var_addr[v];
}

uint64_t kt_func(struct kt *t, const char *name)
{
	int f = ir_module_find_func(t->m, name);

	if (f < 0)
		bail("no function '%s'", name);
	return t->ops->func_addr(t->bm, (uint32_t)f);
}

/* ---- the scheduler ---- */

struct sched {
	struct kt *t;
	struct be_launch l;
	uint64_t n_blocks, next, in_flight;
	uint32_t per_cluster;
	struct be_block **ready;     /* ring of blocks that wait for a turn */
	uint64_t head, count, cap;
	int result;
	unsigned idle;               /* turns in a row that only spun */
	bool stop;
	pthread_mutex_t lock;
	pthread_cond_t cond;
};

static void ready_put(struct sched *s, struct be_block *b)
{
	s->ready[(s->head + s->count++) % s->cap] = b;
}

/* Block number k of cluster c, in the order of ranks. */
static uint64_t cluster_block(const struct be_launch *l, uint64_t c, uint32_t k)
{
	const uint32_t *d = l->cluster, *g = l->grid;
	uint64_t cx = c % (g[0] / d[0]), cy = c / (g[0] / d[0]) % (g[1] / d[1]), cz = c / (g[0] / d[0]) / (g[1] / d[1]);
	uint64_t x = cx * d[0] + k % d[0], y = cy * d[1] + k / d[0] % d[1], z = cz * d[2] + k / d[0] / d[1];

	return x + g[0] * (y + (uint64_t)g[1] * z);
}

static void turn_over(struct sched *s, struct be_block *b, enum be_run r, const struct be_fault *f);

/* The next blocks in one go; the one that doesn't end in it is then in flight. */
static void run_ahead(struct sched *s)
{
	uint64_t n = MIN(s->n_blocks - s->next, (uint64_t)s->t->ahead), done;
	struct be_fault f = { 0 };
	struct be_block *b;
	enum be_run r;

	done = s->t->ops->blocks_run(&s->l, s->next, s->next + n, &b, &r, &f, &s->t->err);
	s->next += done;
	s->t->runs += done;
	if (done == n)
		return;
	if (!b) {
		s->result = -1;
		s->stop = true;
		return;
	}
	s->next++;
	s->in_flight++;
	turn_over(s, b, r, &f);
}

/* Starts whole clusters while there is room. */
static void start_blocks(struct sched *s)
{
	uint64_t room = s->t->resident ? s->t->resident : s->n_blocks;

	while (!s->stop && s->next < s->n_blocks && (s->in_flight + s->per_cluster <= room || !s->in_flight)) {
		struct be_block *peers[16];

		if (s->t->ahead && s->per_cluster == 1 && s->t->ops->blocks_run) {
			run_ahead(s);
			continue;
		}
		for (uint32_t k = 0; k < s->per_cluster; k++) {
			uint64_t n = s->per_cluster == 1 ? s->next : cluster_block(&s->l, s->next / s->per_cluster, k);

			peers[k] = s->t->ops->block_new(&s->l, n, &s->t->err);
			if (!peers[k]) {
				while (k--)
					s->t->ops->block_free(peers[k]);
				s->result = -1;
				s->stop = true;
				return;
			}
		}
		for (uint32_t k = 0; k < s->per_cluster; k++) {
			if (s->per_cluster > 1)
				s->t->ops->block_link(peers[k], peers, s->per_cluster);
			ready_put(s, peers[k]);
		}
		s->next += s->per_cluster;
		s->in_flight += s->per_cluster;
	}
}

static void block_ended(struct sched *s, struct be_block *b, int how, const struct be_fault *f)
{
	s->t->ops->block_free(b);
	s->in_flight--;
	if (how == BE_RUN_DONE || s->stop)
		return;
	s->result = how;
	s->stop = true;
	s->t->fault = *f;
	s->t->cancel = 1;
}

static void turn_over(struct sched *s, struct be_block *b, enum be_run r, const struct be_fault *f)
{
	struct kt *t = s->t;

	t->runs++;
	t->spins += r == BE_RUN_SPIN;
	t->yields += r == BE_RUN_YIELD;
	s->idle = r == BE_RUN_SPIN ? s->idle + 1 : 0;
	if (r == BE_RUN_SPIN && t->max_spins && s->idle >= t->max_spins * s->in_flight && !s->stop) {
		s->result = BE_RUN_SPIN;
		s->stop = true;
	}
	if ((r == BE_RUN_YIELD || r == BE_RUN_SPIN) && !s->stop)
		ready_put(s, b);
	else
		block_ended(s, b, (int)r, f);
}

static void *worker(void *arg)
{
	struct sched *s = arg;
	struct vgpu_err err = VGPU_ERR_INIT;

	if (be_guard_install(&err))
		bail("%s", err.text);
	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct be_fault f = { 0 };
		struct be_block *b;
		enum be_run r;

		start_blocks(s);
		if (s->stop) {
			while (s->count) {
				b = s->ready[s->head++ % s->cap];
				s->count--;
				s->in_flight--;
				s->t->ops->block_free(b);
			}
		}
		if (!s->in_flight && (s->stop || s->next >= s->n_blocks))
			break;
		if (!s->count) {
			pthread_cond_wait(&s->cond, &s->lock);
			continue;
		}
		b = s->ready[s->head++ % s->cap];
		s->count--;
		pthread_mutex_unlock(&s->lock);
		r = s->t->ops->block_run(b, &f);
		pthread_mutex_lock(&s->lock);
		turn_over(s, b, r, &f);
		pthread_cond_broadcast(&s->cond);
	}
	pthread_cond_broadcast(&s->cond);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void *canceller(void *arg)
{
	struct kt *t = arg;

	usleep(t->cancel_ms * 1000);
	t->cancel = 1;
	return NULL;
}

static void run_threads(struct sched *s)
{
	pthread_t th[16], killer;
	unsigned n = s->t->threads > 16 ? 16 : s->t->threads;

	s->t->cancel = 0;
	if (s->t->cancel_ms && pthread_create(&killer, NULL, canceller, s->t))
		bail("no thread");
	for (unsigned k = 0; k < n; k++)
		if (pthread_create(&th[k], NULL, worker, s))
			bail("no thread");
	if (!n)
		worker(s);
	for (unsigned k = 0; k < n; k++)
		pthread_join(th[k], NULL);
	if (s->t->cancel_ms)
		pthread_join(killer, NULL);
	s->t->cancel = 0;
}

static void dims(uint32_t to[3], struct kt_dim d)
{
	to[0] = d.x ? d.x : 1;
	to[1] = d.y ? d.y : 1;
	to[2] = d.z ? d.z : 1;
}

static int get_kernel(struct kt *t, const char *name, struct be_kernel **k)
{
	int f = ir_module_find_func(t->m, name);

	*k = t->kept;
	t->kept = NULL;
	if (*k && t->kept_func == f)
		return 0;
	if (*k)
		t->ops->kernel_free(*k);
	if (f < 0)
		return vgpu_err_set(&t->err, VGPU_E_NOT_FOUND, "no kernel '%s'", name);
	return t->ops->kernel_new(k, t->bm, (uint32_t)f, &t->err);
}

int kt_check(struct kt *t, const char *name)
{
	struct be_kernel *k;
	int rc = get_kernel(t, name, &k);

	if (!rc)
		t->ops->kernel_free(k);
	return rc;
}

int kt_run(struct kt *t, const char *name, struct kt_dim grid, struct kt_dim block, const void *params, size_t size)
{
	struct sched s = { .t = t, .result = BE_RUN_DONE };
	struct be_kernel *k;

	memset(&t->fault, 0, sizeof(t->fault));
	t->runs = t->spins = t->yields = 0;
	if (get_kernel(t, name, &k))
		return -1;
	s.l = (struct be_launch){
		.kernel = k, .services = &t->s, .shared_dyn = t->shared_dyn, .params = params,
		.param_bytes = (uint32_t)size, .grid_id = 7, .stack_B = t->stack_B,
		.coop_workspace = t->cooperative ? (uint64_t)(uintptr_t)kt_alloc(t, 64) : 0,
	};
	dims(s.l.grid, grid);
	dims(s.l.block, block);
	dims(s.l.cluster, t->cluster);
	s.n_blocks = (uint64_t)s.l.grid[0] * s.l.grid[1] * s.l.grid[2];
	s.per_cluster = s.l.cluster[0] * s.l.cluster[1] * s.l.cluster[2];
	s.cap = s.n_blocks + 1;
	s.ready = calloc(s.cap, sizeof(*s.ready));
	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.cond, NULL);
	run_threads(&s);
	free(s.ready);
	if (t->keep) {
		t->kept = k;
		t->kept_func = ir_module_find_func(t->m, name);
	} else {
		t->ops->kernel_free(k);
	}
	return s.result;
}
