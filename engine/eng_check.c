/*
 * eng_check.c: the memory checker (backend/check/) as the engine sees it: what
 * it is told of memory, and its reports on their way to the client. A session
 * has what it knows of memory from its first checked context on; what other
 * contexts of it have counts as written, to the granule.
 */
#include "backend/check/check.h"

#include "engine/eng_priv.h"

/* ---- contexts ---- */

/* Called with mem_lock. */
static void know_spans(struct eng *e, struct chk_mem *m)
{
	for (size_t i = 0; i < e->win.spans.n; i++) {
		const struct eng_span *s = e->win.spans.v[i];

		chk_mem_add(m, s->addr, s->size, s->ctx, CHK_WRITTEN | CHK_KEPT, NULL);
	}
}

static int start_session(struct eng *e)
{
	struct chk_mem *m;
	int r = 0;

	pthread_mutex_lock(&e->mem_lock);
	if (!e->chk) {
		m = chk_mem_new(e->win.addr, e->win.size);
		r = m ? 0 : -VGPU_E_NOMEM;
		if (m)
			know_spans(e, m);
		__atomic_store_n(&e->chk, m, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&e->mem_lock);
	return r;
}

int eng_check_start(struct eng *e, struct eng_ctx *ctx)
{
	int r = start_session(e);

	if (r)
		return r;
	ctx->services.check = chk_new(e->chk, ctx->id);
	if (!ctx->services.check)
		return -VGPU_E_NOMEM;
	ctx->be = &be_check;
	return 0;
}

void eng_check_end(struct eng_ctx *ctx)
{
	struct chk *c;

	pthread_mutex_lock(&ctx->lock);
	c = ctx->services.check;
	ctx->services.check = NULL;
	chk_free(c);
	pthread_mutex_unlock(&ctx->lock);
}

/* Called with ctx->lock. What doesn't fit the socket now is lost to the mount's file, not to the client. */
static void tell(struct eng_ctx *ctx)
{
	char text[VGP_CTL_TEXT_MAX];
	size_t n, left = 1;

	while (ctx->services.check && left && (n = chk_take(ctx->services.check, CHK_FOR_MOUNT, text, sizeof(text), &left)))
		eng_ctl_text(ctx->e, VGP_CTL_REPORT, (uint32_t)(ctx->dev - ctx->e->devs), text, n);
}

void eng_check_tell(struct eng_ctx *ctx)
{
	if (likely(!eng_chk(ctx->e)) || ctx->e->cfg.ctl < 0)
		return;
	pthread_mutex_lock(&ctx->lock);
	tell(ctx);
	pthread_mutex_unlock(&ctx->lock);
}

void eng_check_tell_all(struct eng *e)
{
	for (uint32_t i = 1; unlikely(eng_chk(e)) && i < VGP_CONTEXTS; i++) {
		struct eng_ctx *ctx = eng_ctx_get(e, i);

		if (ctx)
			eng_check_tell(ctx);
	}
}

void eng_check_fini(struct eng *e)
{
	chk_mem_free(e->chk);
}

/* ---- memory ---- */

uint64_t eng_check_gap(const struct eng_ctx *ctx)
{
	return ctx->services.check ? CHK_REDZONE_B : 0;
}

void eng_check_alloc(struct eng *e, const struct eng_ctx *ctx, uint64_t addr, uint64_t size, uint32_t kind, unsigned flags)
{
	unsigned f = 0;

	if (likely(!ctx->services.check) || flags & ENG_MEM_PARTS)
		return;
	if (kind != VGP_MEM_DEVICE || flags & ENG_MEM_ZERO)
		f |= CHK_WRITTEN;      /* the program sees it, or it is ours */
	if (kind == VGP_MEM_HOST || kind == VGP_MEM_STAGING || flags & ENG_MEM_ZERO)
		f |= CHK_KEPT;
	chk_mem_add(eng_chk(e), addr, size, ctx->id, f, NULL);
}

void eng_check_span(struct eng *e, const struct eng_ctx *ctx, const struct eng_span *s)
{
	if (unlikely(eng_chk(e)) && !ctx->services.check)
		chk_mem_add(eng_chk(e), s->addr, s->size, ctx->id, CHK_WRITTEN | CHK_KEPT, NULL);
}

void eng_check_heap(struct eng_ctx *ctx, uint64_t addr, uint64_t size)
{
	if (unlikely(ctx->services.check))
		chk_mem_add(eng_chk(ctx->e), addr, size, ctx->id, CHK_HEAP, NULL);
}

void eng_check_var(struct eng *e, const struct eng_ctx *ctx, uint64_t addr, uint64_t size, const char *name)
{
	if (unlikely(ctx->services.check))
		chk_mem_add(eng_chk(e), addr, size, ctx->id, CHK_WRITTEN | CHK_KEPT, name);
}

void eng_check_free(struct eng *e, uint64_t addr)
{
	if (unlikely(eng_chk(e)))
		chk_mem_del(eng_chk(e), addr);
}

void eng_check_free_ctx(struct eng *e, const struct eng_ctx *ctx)
{
	if (unlikely(eng_chk(e)))
		chk_mem_del_ctx(eng_chk(e), ctx->id);
}

void eng_check_written(struct eng *e, uint64_t addr, uint64_t len)
{
	if (unlikely(eng_chk(e)))
		chk_mem_written(eng_chk(e), addr, len);
}

void eng_check_copied(struct eng *e, uint64_t dst, uint64_t src, uint64_t len)
{
	if (unlikely(eng_chk(e)))
		chk_mem_copied(eng_chk(e), dst, src, len);
}

/* ---- messages ---- */

int eng_do_CHECK_DRAIN(struct eng *e, struct eng_call *c)
{
	uint32_t flags = c->cmd.a.CHECK_DRAIN.flags;
	struct eng_ctx *ctx = eng_ctx_get(e, c->cmd.a.CHECK_DRAIN.ctx);
	size_t left = 0;
	int r = 0;

	if (flags & ~(uint32_t)(VGP_CHECK_F_END | VGP_CHECK_F_LEAKS))
		return -VGPU_E_INVALID;
	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	pthread_mutex_lock(&ctx->lock);
	if (!ctx->services.check) {
		r = -VGPU_E_INVALID;
	} else {
		if (flags & VGP_CHECK_F_END)
			chk_end(ctx->services.check, flags & VGP_CHECK_F_LEAKS);
		if (ctx->e->cfg.ctl >= 0)
			tell(ctx);
		c->out_len = (uint32_t)chk_take(ctx->services.check, CHK_FOR_CLIENT, (char *)c->out, c->out_cap, &left);
		c->reply.r.CHECK_DRAIN.left = left;
	}
	pthread_mutex_unlock(&ctx->lock);
	return r;
}
