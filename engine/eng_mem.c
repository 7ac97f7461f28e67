/*
 * eng_mem.c: the window: one sparse memfd, mapped once, inaccessible but for
 * what is allocated, so that a wild access of a kernel faults. It is cut into
 * granules of 2 MiB: a large allocation takes whole ones with a gap behind
 * them, small ones of the same context and kind share one. Device memory is
 * counted in granules, against the daemon's grant or, without a daemon,
 * against the device's size.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/eng_priv.h"

#define SMALL_MAX (ENG_GRANULE / 2)
#define CACHE_MAX (64ull << 20)
#define PAGE 4096u

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* ---- free extents ---- */

static int extent_add(struct eng_window *w, uint64_t addr, uint64_t size)
{
	size_t i = 0;

	while (i < w->free.n && w->free.v[i].addr < addr)
		i++;
	if (i && w->free.v[i - 1].addr + w->free.v[i - 1].size == addr) {
		w->free.v[i - 1].size += size;
		if (i < w->free.n && addr + size == w->free.v[i].addr) {
			w->free.v[i - 1].size += w->free.v[i].size;
			memmove(&w->free.v[i], &w->free.v[i + 1], sizeof(w->free.v[0]) * (w->free.n - i - 1));
			w->free.n--;
		}
		return 0;
	}
	if (i < w->free.n && addr + size == w->free.v[i].addr) {
		w->free.v[i].addr = addr;
		w->free.v[i].size += size;
		return 0;
	}
	if (!vgpu_vec_reserve(&w->free, w->free.n + 1))
		return -VGPU_E_NOMEM; /* the addresses are lost; the window is large */
	memmove(&w->free.v[i + 1], &w->free.v[i], sizeof(w->free.v[0]) * (w->free.n - i));
	w->free.v[i] = (struct eng_extent){ addr, size };
	w->free.n++;
	return 0;
}

/* Best fit; 0: none. */
static uint64_t extent_take(struct eng_window *w, uint64_t size, uint64_t align)
{
	size_t best = SIZE_MAX;
	uint64_t at, rest;

	for (size_t i = 0; i < w->free.n; i++) {
		const struct eng_extent *x = &w->free.v[i];

		at = vgpu_align_up(x->addr, align);
		if (at < x->addr || at - x->addr > x->size || x->size - (at - x->addr) < size)
			continue;
		if (best == SIZE_MAX || x->size < w->free.v[best].size)
			best = i;
	}
	if (best == SIZE_MAX)
		return 0;
	at = vgpu_align_up(w->free.v[best].addr, align);
	rest = w->free.v[best].addr + w->free.v[best].size - (at + size);
	if (at == w->free.v[best].addr && rest == 0) {
		memmove(&w->free.v[best], &w->free.v[best + 1], sizeof(w->free.v[0]) * (w->free.n - best - 1));
		w->free.n--;
	} else if (at == w->free.v[best].addr) {
		w->free.v[best].addr = at + size;
		w->free.v[best].size = rest;
	} else {
		w->free.v[best].size = at - w->free.v[best].addr;
		if (rest && extent_add(w, at + size, rest))
			return 0;
	}
	return at;
}

/* ---- pages ---- */

static void punch(struct eng *e, uint64_t addr, uint64_t size)
{
	while (fallocate(e->win.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(addr - e->win.addr), (off_t)size) < 0 &&
	       errno == EINTR)
		;
}

static void cache_flush(struct eng *e, uint64_t keep)
{
	struct eng_window *w = &e->win;

	while (w->cache.n && w->cached > keep) {
		struct eng_extent x = w->cache.v[0];

		memmove(&w->cache.v[0], &w->cache.v[1], sizeof(x) * --w->cache.n);
		w->cached -= x.size;
		punch(e, x.addr, x.size);
		extent_add(w, x.addr, x.size);
	}
}

/* A freed extent of exactly this size whose pages are still there. */
static uint64_t cache_take(struct eng_window *w, uint64_t size, uint64_t align)
{
	for (size_t i = w->cache.n; i-- > 0;) {
		uint64_t addr = w->cache.v[i].addr;

		if (w->cache.v[i].size != size || addr % align)
			continue;
		memmove(&w->cache.v[i], &w->cache.v[i + 1], sizeof(w->cache.v[0]) * (w->cache.n - i - 1));
		w->cache.n--;
		w->cached -= size;
		return addr;
	}
	return 0;
}

static void extent_release(struct eng *e, uint64_t addr, uint64_t size, uint64_t extent)
{
	struct eng_window *w = &e->win;

	mprotect((void *)addr, size, PROT_NONE);
	if (extent <= CACHE_MAX / 2 && vgpu_vec_push(&w->cache, ((struct eng_extent){ addr, extent }))) {
		w->cached += extent;
		cache_flush(e, CACHE_MAX);
		return;
	}
	punch(e, addr, size);
	extent_add(w, addr, extent);
}

/* ---- counting ---- */

static unsigned dev_slot(const struct eng *e, const struct vgpu_device *d)
{
	return (unsigned)(d - e->devs);
}

static int count_reserve(struct eng *e, const struct vgpu_device *d, uint64_t bytes)
{
	uint64_t *used = &e->used[dev_slot(e, d)];
	struct vgp_ctl a = { 0 };
	int r;

	if (*used > d->memory_total || bytes > d->memory_total - *used)
		return -VGPU_E_NOMEM;
	if (e->cfg.ctl >= 0) {
		r = eng_ctl_ask(e, VGP_CTL_RESERVE, dev_slot(e, d), bytes, &a);
		if (r)
			return r;
		if (a.value < bytes) {
			if (a.value)
				eng_ctl_tell(e, VGP_CTL_RELEASE, dev_slot(e, d), a.value, 0);
			return -VGPU_E_NOMEM;
		}
	}
	*used += bytes;
	return 0;
}

static void count_release(struct eng *e, const struct vgpu_device *d, uint64_t bytes)
{
	e->used[dev_slot(e, d)] -= bytes;
	if (e->cfg.ctl >= 0)
		eng_ctl_tell(e, VGP_CTL_RELEASE, dev_slot(e, d), bytes, 0);
}

/* ---- spans ---- */

/* Index of the first span at or behind addr. */
static size_t span_lower(const struct eng_window *w, uint64_t addr)
{
	size_t a = 0, b = w->spans.n;

	while (a < b) {
		size_t m = (a + b) / 2;

		if (w->spans.v[m]->addr < addr)
			a = m + 1;
		else
			b = m;
	}
	return a;
}

static struct eng_span *span_find(const struct eng_window *w, uint64_t addr)
{
	size_t i = span_lower(w, addr + 1);
	struct eng_span *s = i ? w->spans.v[i - 1] : NULL;

	return s && addr - s->addr < s->size ? s : NULL;
}

static bool span_insert(struct eng_window *w, struct eng_span *s)
{
	size_t i = span_lower(w, s->addr);

	if (!vgpu_vec_reserve(&w->spans, w->spans.n + 1))
		return false;
	memmove(&w->spans.v[i + 1], &w->spans.v[i], sizeof(s) * (w->spans.n - i));
	w->spans.v[i] = s;
	w->spans.n++;
	return true;
}

static uint64_t place(struct eng *e, uint64_t extent, uint64_t align, bool fresh)
{
	struct eng_window *w = &e->win;
	uint64_t addr = fresh ? 0 : cache_take(w, extent, align);

	if (!addr)
		addr = extent_take(w, extent, align);
	if (!addr && w->cache.n) {
		cache_flush(e, 0);
		addr = extent_take(w, extent, align);
	}
	return addr;
}

/* fresh: its pages read as zeros. */
static int span_new(struct eng *e, struct eng_ctx *ctx, uint64_t size, uint64_t align, uint32_t kind, bool fresh, struct eng_span **out)
{
	uint64_t gap = e->win.size >= 1ull << 40 ? ENG_GRANULE : 0;
	struct eng_span *s = calloc(1, sizeof(*s));
	int r = -VGPU_E_NOMEM;

	if (!s)
		return r;
	s->size = vgpu_align_up(size, ENG_GRANULE);
	s->extent = s->size + gap;
	s->ctx = ctx->id;
	s->kind = kind;
	s->dev = ctx->dev;
	s->counted = kind == VGP_MEM_DEVICE || kind == VGP_MEM_MANAGED;
	if (s->counted) {
		r = count_reserve(e, s->dev, s->size);
		if (r)
			goto fail;
	}
	s->addr = place(e, s->extent, MAX(align, ENG_GRANULE), fresh);
	r = -VGPU_E_NOMEM;
	if (!s->addr)
		goto fail_count;
	if (mprotect((void *)s->addr, s->size, PROT_READ | PROT_WRITE) < 0 || !span_insert(&e->win, s)) {
		extent_release(e, s->addr, s->size, s->extent);
		goto fail_count;
	}
	eng_check_span(e, ctx, s);
	*out = s;
	return 0;
fail_count:
	if (s->counted)
		count_release(e, s->dev, s->size);
fail:
	free(s);
	return r;
}

static void span_free(struct eng *e, struct eng_span *s)
{
	struct eng_window *w = &e->win;
	size_t i = span_lower(w, s->addr);

	memmove(&w->spans.v[i], &w->spans.v[i + 1], sizeof(s) * (w->spans.n - i - 1));
	w->spans.n--;
	eng_check_free(e, s->addr);
	extent_release(e, s->addr, s->size, s->extent);
	if (s->counted)
		count_release(e, s->dev, s->size);
	eng_small_free(s->small);
	free(s);
}

/* ---- allocation ---- */

static int alloc_small(struct eng *e, struct eng_ctx *ctx, uint64_t size, uint64_t align, uint32_t kind, uint64_t *addr)
{
	struct eng_window *w = &e->win;
	struct eng_span *s;
	int64_t off;
	int r;

	for (size_t i = w->spans.n; i-- > 0;) {
		s = w->spans.v[i];
		if (!s->small || s->ctx != ctx->id || s->kind != kind)
			continue;
		off = eng_small_take(s->small, size, align);
		if (off >= 0) {
			*addr = s->addr + (uint64_t)off;
			return 0;
		}
	}
	r = span_new(e, ctx, ENG_GRANULE, ENG_GRANULE, kind, false, &s);
	if (r)
		return r;
	s->small = eng_small_new();
	if (!s->small) {
		span_free(e, s);
		return -VGPU_E_NOMEM;
	}
	*addr = s->addr + (uint64_t)eng_small_take(s->small, size, align);
	return 0;
}

int eng_mem_alloc(struct eng *e, struct eng_ctx *ctx, uint64_t size, uint64_t align, uint32_t kind, unsigned flags, uint64_t *addr_out)
{
	struct eng_span *s;
	uint64_t asked = size;
	bool small;
	int r;

	if (size == 0 || size > 1ull << 48 || (align && !vgpu_is_pow2(align)) || align > 1ull << 40 || kind > VGP_MEM_STAGING)
		return -VGPU_E_INVALID;
	align = MAX(align, 512ull);
	/* large ones have a gap behind them anyway */
	if (size + eng_check_gap(ctx) <= SMALL_MAX)
		size += eng_check_gap(ctx);
	if (kind != VGP_MEM_DEVICE) {
		/* the client opens these by page */
		align = MAX(align, (uint64_t)PAGE);
		size = vgpu_align_up(size, PAGE);
	}
	if (!e->win.addr)
		return -VGPU_E_NOT_INITIALIZED;
	small = size <= SMALL_MAX && align <= SMALL_MAX;
	pthread_mutex_lock(&e->mem_lock);
	if (small) {
		r = alloc_small(e, ctx, size, align, kind, addr_out);
	} else {
		r = span_new(e, ctx, size, align, kind, flags & ENG_MEM_ZERO, &s);
		if (r == 0) {
			s->asked = size;
			*addr_out = s->addr;
		}
	}
	/* before anybody else may free it */
	if (r == 0 && small && (flags & ENG_MEM_ZERO))
		memset((void *)*addr_out, 0, size);
	if (r == 0)
		eng_check_alloc(e, ctx, *addr_out, asked, kind, flags);
	pthread_mutex_unlock(&e->mem_lock);
	return r;
}

int eng_mem_free(struct eng *e, uint64_t addr)
{
	struct eng_span *s;
	int r = 0;

	pthread_mutex_lock(&e->mem_lock);
	s = span_find(&e->win, addr);
	if (!s) {
		r = -VGPU_E_INVALID;
	} else if (!s->small) {
		if (addr == s->addr)
			span_free(e, s);
		else
			r = -VGPU_E_INVALID;
	} else if (!eng_small_give(s->small, addr - s->addr)) {
		r = -VGPU_E_INVALID;
	} else {
		/* of a context that isn't checked the whole span is known */
		if (e->ctxs[s->ctx]->services.check)
			eng_check_free(e, addr);
		if (eng_small_empty(s->small))
			span_free(e, s);
	}
	pthread_mutex_unlock(&e->mem_lock);
	return r;
}

void eng_mem_free_ctx(struct eng *e, struct eng_ctx *ctx)
{
	pthread_mutex_lock(&e->mem_lock);
	for (size_t i = e->win.spans.n; i-- > 0;)
		if (e->win.spans.v[i]->ctx == ctx->id)
			span_free(e, e->win.spans.v[i]);
	eng_check_free_ctx(e, ctx);
	pthread_mutex_unlock(&e->mem_lock);
}

/* ---- access ---- */

bool eng_mem_inside(const struct eng *e, uint64_t addr, uint64_t len)
{
	const struct eng_window *w = &e->win;

	return w->addr && addr >= w->addr && len <= w->size && addr - w->addr <= w->size - len;
}

/* Not inlined: what lives across sigsetjmp must be this function's own arguments, unchanged. */
__attribute__((noinline)) int eng_mem_move(void *dst, const void *src, uint64_t len, uint64_t *fault)
{
	if (be_guard_enter()) {
		*fault = be_guard_addr();
		return -VGPU_E_ILLEGAL_ADDRESS;
	}
	memmove(dst, src, len);
	be_guard_leave();
	return 0;
}

int eng_mem_read(struct eng *e, uint64_t addr, void *dst, uint64_t len, uint64_t *fault)
{
	if (eng_mem_inside(e, addr, len))
		return eng_mem_move(dst, (const void *)addr, len, fault);
	*fault = addr;
	return -VGPU_E_ILLEGAL_ADDRESS;
}

int eng_mem_write(struct eng *e, uint64_t addr, const void *src, uint64_t len, uint64_t *fault)
{
	if (eng_mem_inside(e, addr, len))
		return eng_mem_move((void *)addr, src, len, fault);
	*fault = addr;
	return -VGPU_E_ILLEGAL_ADDRESS;
}

/* ---- the window itself ---- */

int eng_mem_init(struct eng *e, struct vgpu_err *err)
{
	uint64_t size = e->cfg.window_size ? e->cfg.window_size : VGP_WINDOW_SIZE;

	pthread_mutex_init(&e->mem_lock, NULL);
	for (;; size /= 2) {
		e->win.fd = vgpu_memfd("vgpu-window", size);
		if (e->win.fd >= 0)
			break;
		if (size <= 64ull << 20)
			return vgpu_err_errno(err, "memory window");
	}
	e->win.fd_size = size;
	if (vgpu_memfd_seal(e->win.fd) < 0)
		return vgpu_err_errno(err, "seal the memory window");
	return 0;
}

static int window_place(struct eng *e, uint64_t addr, uint64_t size)
{
	struct eng_window *w = &e->win;
	void *p;

	if (w->addr)
		return -VGPU_E_NOT_PERMITTED;   /* placed for good */
	if (!addr || addr % ENG_GRANULE % PAGE || size < 4 * ENG_GRANULE || size > w->fd_size || addr + size < addr)
		return -VGPU_E_INVALID;
	if (e->cfg.in_process && e->cfg.transport == VGP_TRANSPORT_RING) {
		/* the client mapped it already, at this very place */
		w->foreign = true;
	} else {
		p = mmap((void *)addr, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, w->fd, 0);
		if (p == MAP_FAILED)
			return errno == EEXIST ? -VGPU_E_EXISTS : errno == ENOMEM ? -VGPU_E_EXISTS : -VGPU_E_SYSTEM;
		if ((uint64_t)p != addr) {
			munmap(p, size);
			return -VGPU_E_EXISTS;
		}
		madvise(p, size, MADV_DONTDUMP);
	}
	w->addr = addr;
	w->size = size;
	/*
	 * Whole granules, but neither the first nor the last: compiled code looks at an address register once for all
	 * displacements that are added to it, so what a kernel adds them to must be in the window too.
	 */
	addr = vgpu_align_up(addr, ENG_GRANULE) + ENG_GRANULE;
	return extent_add(w, addr, ((w->addr + size) & ~(ENG_GRANULE - 1)) - ENG_GRANULE - addr);
}

void eng_mem_fini(struct eng *e)
{
	struct eng_window *w = &e->win;

	for (size_t i = 0; i < w->spans.n; i++) {
		eng_small_free(w->spans.v[i]->small);
		free(w->spans.v[i]);
	}
	vgpu_vec_free(&w->spans);
	vgpu_vec_free(&w->free);
	vgpu_vec_free(&w->cache);
	if (w->addr && !w->foreign)
		munmap((void *)w->addr, w->size);
	if (w->fd >= 0)
		close(w->fd);
	pthread_mutex_destroy(&e->mem_lock);
}

/* ---- messages ---- */

int eng_do_WINDOW_MAP(struct eng *e, struct eng_call *c)
{
	int r;

	pthread_mutex_lock(&e->mem_lock);
	r = window_place(e, c->cmd.a.WINDOW_MAP.addr, c->cmd.a.WINDOW_MAP.size);
	pthread_mutex_unlock(&e->mem_lock);
	return r;
}

/* Frames: the worker places the window by itself, before WELCOME. */
int eng_mem_place(struct eng *e, struct vgpu_err *err)
{
	static const uint64_t places[] = { VGP_WINDOW_ADDR, 0x520000000000ull, 0x600000000000ull, 0x300000000000ull, 0x1000000000ull };

	for (uint64_t size = e->win.fd_size; size >= 64ull << 20; size /= 4)
		for (size_t i = 0; i < ARRAY_SIZE(places); i++)
			if (window_place(e, places[i], size) == 0)
				return 0;
	return vgpu_err_set(err, VGPU_E_NOMEM, "no room for the memory window");
}

int eng_do_MEM_ALLOC(struct eng *e, struct eng_call *c)
{
	const struct vgp_args_MEM_ALLOC *a = &c->cmd.a.MEM_ALLOC;
	struct eng_ctx *ctx = eng_ctx_get(e, a->ctx);

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	return eng_mem_alloc(e, ctx, a->size, a->align, a->kind, 0, &c->reply.r.MEM_ALLOC.addr);
}

int eng_do_MEM_FREE(struct eng *e, struct eng_call *c)
{
	return eng_mem_free(e, c->cmd.a.MEM_FREE.addr);
}

int eng_q_FREE(struct eng *e, struct eng_queue *q, struct eng_cmd *c)
{
	int r = eng_mem_free(e, c->c.a.FREE.addr);

	if (r)
		eng_fault(q->ctx, -r, c->c.a.FREE.addr, "free of 0x%llx, which is not allocated",
			  (unsigned long long)c->c.a.FREE.addr);
	return ENG_DONE;
}

int eng_do_MEM_INFO(struct eng *e, struct eng_call *c)
{
	struct vgp_ctl a;

	for (size_t i = 0; i < e->cfg.n_devs; i++) {
		const struct vgpu_device *d = &e->devs[i];
		uint64_t used;

		if (d->index != c->cmd.a.MEM_INFO.device)
			continue;
		pthread_mutex_lock(&e->mem_lock);
		used = e->used[i];
		pthread_mutex_unlock(&e->mem_lock);
		if (e->cfg.ctl >= 0 && eng_ctl_ask(e, VGP_CTL_QUERY, (uint32_t)i, 0, &a) == 0)
			used = MAX(used, a.value);
		c->reply.r.MEM_INFO.total = d->memory_total;
		c->reply.r.MEM_INFO.free = used < d->memory_total ? d->memory_total - used : 0;
		return 0;
	}
	return -VGPU_E_INVALID_DEVICE;
}

int eng_do_MEM_WRITE(struct eng *e, struct eng_call *c)
{
	uint64_t fault;

	eng_check_written(e, c->cmd.a.MEM_WRITE.addr, c->cmd.data_len);
	return eng_mem_write(e, c->cmd.a.MEM_WRITE.addr, c->data, c->cmd.data_len, &fault);
}

int eng_do_MEM_READ(struct eng *e, struct eng_call *c)
{
	uint64_t fault, len = c->cmd.a.MEM_READ.len;
	int r;

	if (len > c->out_cap)
		return -VGPU_E_TOO_BIG;
	r = eng_mem_read(e, c->cmd.a.MEM_READ.addr, c->out, len, &fault);
	if (r == 0)
		c->out_len = (uint32_t)len;
	return r;
}
