/*
 * chk_report.c: the reports of a context, as text. An instruction is reported
 * once for each kind of error, however many threads and launches make it; all
 * are counted. CHK_REPORTS_MAX texts are kept.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/check/chk_priv.h"

#define LEAKS_SHOWN 20u

struct chk {
	struct chk_mem *mem;
	uint32_t ctx;
	pthread_mutex_t lock;
	struct vgpu_buf text;          /* bounded, so it stays whole */
	size_t taken[CHK_READERS];
	struct vgpu_htab seen;         /* keys of reports: kernels come and go, their errors stay the same */
	uint64_t n_reports, n_shown;
	uint64_t n_times;              /* atomic */
	bool ended;
};

#define CHK_LINE(name, fmt, params, ...) \
	static void say_##name params { vgpu_buf_printf(b, "========= " fmt "\n", ##__VA_ARGS__); }
#include "backend/check/report.def"
#undef CHK_LINE

struct chk *chk_new(struct chk_mem *m, uint32_t ctx)
{
	struct chk *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->mem = m;
	c->ctx = ctx;
	pthread_mutex_init(&c->lock, NULL);
	vgpu_htab_init_int(&c->seen);
	return c;
}

void chk_free(struct chk *c)
{
	if (!c)
		return;
	vgpu_buf_free(&c->text);
	vgpu_htab_fini(&c->seen);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

struct chk_mem *chk_memory(struct chk *c)
{
	return c->mem;
}

size_t chk_take(struct chk *c, enum chk_reader r, char *to, size_t cap, size_t *left)
{
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = MIN(cap, c->text.len - c->taken[r]);
	if (n)
		memcpy(to, c->text.data + c->taken[r], n);
	c->taken[r] += n;
	*left = c->text.len - c->taken[r];
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* ---- which ones ---- */

#define FNV_START 14695981039346656037ull
#define FNV_PRIME 1099511628211ull

/* By name and text: a kernel may be unloaded and loaded again. */
static uint64_t key_of(const struct in_warp *w, uint32_t pc, enum chk_kind kind)
{
	const struct ir_insn *ir = w->blk->k->code.v[pc].ir;
	uint64_t h = FNV_START;

	for (const char *p = w->blk->k->entry->name; *p; p++)
		h = (h ^ (uint8_t)*p) * FNV_PRIME;
	h = (h ^ (ir ? ir->loc.line : 0)) * FNV_PRIME;
	h = (h ^ (ir ? ir->loc.col : 0)) * FNV_PRIME;
	return (h ^ (uint64_t)kind) * FNV_PRIME;
}

static bool is_fresh(struct chk *c, uint64_t key)
{
	bool fresh;

	pthread_mutex_lock(&c->lock);
	fresh = !vgpu_htab_get(&c->seen, key);
	if (fresh)
		(void)!vgpu_htab_put(&c->seen, key, c);
	pthread_mutex_unlock(&c->lock);
	return fresh;
}

bool chk_is_new(const struct in_warp *w, enum chk_kind kind)
{
	struct chk *c = w->blk->s->check;
	uint32_t pc = chk_pc(w);
	uint8_t bit = (uint8_t)(1u << kind);

	__atomic_add_fetch(&c->n_times, 1, __ATOMIC_RELAXED);
	if (__atomic_fetch_or(&w->blk->k->chk->seen[pc], bit, __ATOMIC_RELAXED) & bit)
		return false;
	return is_fresh(c, key_of(w, pc, kind));
}

/* ---- their text ---- */

static const struct in_func *func_of(const struct be_kernel *k, uint32_t pc)
{
	const struct in_func *best = k->funcs[k->entry_func];

	for (uint32_t n = 0; n < k->m->n_funcs; n++) {
		const struct in_func *f = k->funcs[n];

		if (f && !f->broken && f->start <= pc && (best->start > pc || f->start > best->start))
			best = f;
	}
	return best;
}

static void put_place(struct vgpu_buf *b, const struct in_warp *w, uint32_t pc)
{
	const struct be_kernel *k = w->blk->k;
	const struct ir_insn *ir = k->code.v[pc].ir;
	const struct ir_func *f = func_of(k, pc)->ir;
	uint32_t line = ir ? ir->loc.line : 0, file = ir ? ir->loc.src_file : 0;

	if (ir && ir->loc.src_line && file < k->m->n_files && k->m->files[file])
		say_at_source(b, f->name, line, k->m->files[file], ir->loc.src_line);
	else
		say_at(b, f->name, line);
	if (f != k->entry)
		say_kernel(b, k->entry->name);
}

static void put_thread(struct vgpu_buf *b, const struct in_warp *w, uint32_t thread)
{
	const uint32_t *dim = w->blk->l->block;
	uint32_t t[3] = { thread % dim[0], thread / dim[0] % dim[1], thread / dim[0] / dim[1] };

	say_thread(b, t, w->blk->ctaid);
}

static const char *what(const struct chk_site *s)
{
	return s->atomic ? "atomic" : s->write ? "write" : "read";
}

static void put_near(struct vgpu_buf *b, const struct chk_near *x)
{
	char name[128] = "";

	if (x->name[0])
		snprintf(name, sizeof(name), " (variable %s)", x->name);
	else if (x->flags & CHK_HEAP)
		snprintf(name, sizeof(name), " (malloc in a kernel)");
	switch (x->how) {
	case CHK_NOWHERE: say_nowhere(b); break;
	case CHK_ACROSS: say_across(b, x->distance, x->addr, x->size, name); break;
	case CHK_AFTER: say_after(b, x->distance, x->addr, x->size, name); break;
	case CHK_BEFORE: say_before(b, x->distance, x->addr, x->size, name); break;
	case CHK_FREED: say_freed(b, x->distance, x->addr, x->size, name); break;
	}
}

static void put_inside(struct vgpu_buf *b, const struct chk_near *x, uint64_t addr)
{
	char name[128] = "";

	if (x->name[0])
		snprintf(name, sizeof(name), " (variable %s)", x->name);
	if (x->how == CHK_ACROSS)
		say_inside(b, addr - x->addr, x->addr, x->size, name);
}

/* Takes b's text, if there is still room for a report. */
static void append(struct chk *c, struct vgpu_buf *b)
{
	pthread_mutex_lock(&c->lock);
	c->n_reports++;
	if (c->n_shown < CHK_REPORTS_MAX) {
		c->n_shown++;
		vgpu_buf_str(b, "=========\n");
		vgpu_buf_add(&c->text, b->data, b->failed ? 0 : b->len);
		c->text.failed = false;
	}
	pthread_mutex_unlock(&c->lock);
	vgpu_buf_free(b);
}

void chk_report(const struct chk_site *s, enum chk_kind kind, const struct chk_extent *x)
{
	struct chk *c = s->w->blk->s->check;
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct chk_near near;

	if (kind == CHK_KIND_UNINIT)
		say_uninit(&b, s->space, what(s), s->n);
	else
		say_invalid(&b, s->space, what(s), s->n);
	put_place(&b, s->w, chk_pc(s->w));
	put_thread(&b, s->w, s->w->thread0 + s->lane);
	if (s->others)
		say_others(&b, s->others);
	if (kind == CHK_KIND_UNINIT)
		say_address(&b, s->addr);
	else if (kind == CHK_KIND_ALIGN)
		say_misaligned(&b, s->addr);
	else
		say_bounds(&b, s->addr);
	if (x) {
		say_extent(&b, s->space, strcmp(s->space, "local") ? "block" : "thread", x->lo, x->hi - x->lo);
	} else {
		chk_mem_near(c->mem, s->addr, &near);
		if (kind == CHK_KIND_BOUNDS)
			put_near(&b, &near);
		else
			put_inside(&b, &near, s->addr);
	}
	append(c, &b);
}

static const char *race_what(const struct in_warp *w, uint32_t pc, bool write)
{
	const struct ir_insn *ir = w->blk->k->code.v[pc].ir;

	if (ir && (ir->op == IR_OP_atom || ir->op == IR_OP_red))
		return "Atomic";
	return write ? "Write" : "Read";
}

void chk_report_race(const struct chk_site *s, uint32_t thread, uint32_t pc, bool wrote)
{
	struct chk *c = s->w->blk->s->check;
	uint32_t here = chk_pc(s->w);
	struct vgpu_buf b = VGPU_BUF_INIT;

	__atomic_add_fetch(&c->n_times, 1, __ATOMIC_RELAXED);
	if (!is_fresh(c, key_of(s->w, MIN(here, pc), CHK_KIND_RACE) ^ key_of(s->w, MAX(here, pc), CHK_KIND_RACE) * FNV_PRIME))
		return;
	say_race(&b, race_what(s->w, here, s->write), s->n);
	put_place(&b, s->w, here);
	put_thread(&b, s->w, s->w->thread0 + s->lane);
	say_address(&b, s->addr);
	say_race_with(&b, race_what(s->w, pc, wrote));
	put_place(&b, s->w, pc);
	put_thread(&b, s->w, thread);
	append(c, &b);
}

/* ---- the end ---- */

struct leaks {
	struct vgpu_buf b;
	uint64_t n, bytes;
};

static void leak(void *arg, const struct chk_alloc *a)
{
	struct leaks *l = arg;

	if (l->n++ < LEAKS_SHOWN)
		say_leaked(&l->b, a->size, a->addr);
	l->bytes += a->size;
}

void chk_end(struct chk *c, bool leaks)
{
	struct leaks l = { .b = VGPU_BUF_INIT };
	uint64_t times;

	pthread_mutex_lock(&c->lock);
	if (c->ended) {
		pthread_mutex_unlock(&c->lock);
		return;
	}
	c->ended = true;
	if (leaks)
		chk_mem_each_leak(c->mem, c->ctx, leak, &l);
	if (l.n)
		say_leaks(&l.b, l.bytes, l.n);
	if (c->n_reports > c->n_shown)
		say_unshown(&l.b, c->n_reports - c->n_shown, CHK_REPORTS_MAX);
	if (!chk_mem_knows_writes(c->mem))
		say_unknown(&l.b);
	if (!chk_mem_knows_all(c->mem))
		say_lost(&l.b);
	times = __atomic_load_n(&c->n_times, __ATOMIC_RELAXED);
	if (times > c->n_reports)
		say_sum_seen(&l.b, c->n_reports, times);
	else
		say_sum(&l.b, c->n_reports);
	vgpu_buf_add(&c->text, l.b.data, l.b.failed ? 0 : l.b.len);
	c->text.failed = false;
	pthread_mutex_unlock(&c->lock);
	vgpu_buf_free(&l.b);
}
