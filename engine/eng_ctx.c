/*
 * eng_ctx.c: contexts: their limits, services to kernels, and their end.
 *
 * A context is healthy (status 0), then dead (status set once: a fault, or
 * E_CONTEXT_DESTROYED); dead ones complete commands without executing them.
 */
#include <string.h>

#include "engine/eng_priv.h"

#define STACK_DEFAULT 1024u
#define PRINTF_DEFAULT (1u << 20)
#define HEAP_DEFAULT (8u << 20)
/* Warp instructions between two looks of the scheduler. */
#define SLICE 1024

struct eng_ctx *eng_ctx_get(struct eng *e, uint32_t id)
{
	struct eng_ctx *ctx = NULL;

	if (id < VGP_CONTEXTS) {
		pthread_mutex_lock(&e->tab_lock);
		if (e->ctxs[id] && e->ctxs[id]->used)
			ctx = e->ctxs[id];
		pthread_mutex_unlock(&e->tab_lock);
	}
	return ctx;
}

static const struct vgpu_device *find_device(const struct eng *e, uint32_t index)
{
	for (size_t i = 0; i < e->cfg.n_devs; i++)
		if (e->devs[i].index == index)
			return &e->devs[i];
	return NULL;
}

static int reset(struct eng *e, struct eng_ctx *ctx, const struct vgpu_device *dev, uint32_t flags)
{
	int r;

	ctx->dev = dev;
	ctx->be = e->be;
	ctx->cancel = 0;
	ctx->fault_addr = 0;
	ctx->fault_text[0] = 0;
	ctx->next_grid = 1;
	ctx->limits[VGP_LIMIT_STACK_SIZE] = STACK_DEFAULT;
	ctx->limits[VGP_LIMIT_PRINTF_FIFO_SIZE] = PRINTF_DEFAULT;
	ctx->limits[VGP_LIMIT_MALLOC_HEAP_SIZE] = HEAP_DEFAULT;
	ctx->services = (struct be_services){
		.cookie = ctx,
		.window = e->win.addr, .window_size = e->win.size,
		.print = eng_print, .heap_alloc = eng_heap_alloc, .heap_free = eng_heap_free,
		.cancel = &ctx->cancel,
		.clock_khz = dev->clock_khz, .sm_count = (uint32_t)dev->sm_count,
		.slice = SLICE,
		.textures = &e->tex.tab,
	};
	if (flags & VGP_CTX_F_MEMCHECK) {
		r = eng_check_start(e, ctx);
		if (r) {
			ctx->dev = NULL;
			return r;
		}
	}
	__atomic_store_n(&ctx->status, 0, __ATOMIC_RELEASE);
	ctx->used = true;
	eng_publish_ctx(e, ctx);
	return 0;
}

/* A context on a device asks the daemon, which knows compute modes and lost devices. */
static int attach(struct eng *e, unsigned slot)
{
	struct vgp_ctl answer;
	int r = 0;

	pthread_mutex_lock(&e->tab_lock);
	e->n_ctx[slot]++;
	pthread_mutex_unlock(&e->tab_lock);
	if (e->cfg.ctl >= 0)
		r = eng_ctl_ask(e, VGP_CTL_ATTACH, slot, 0, &answer);
	if (r) {
		pthread_mutex_lock(&e->tab_lock);
		e->n_ctx[slot]--;
		pthread_mutex_unlock(&e->tab_lock);
	}
	return r;
}

static void detach(struct eng *e, unsigned slot)
{
	pthread_mutex_lock(&e->tab_lock);
	/* under the lock: an ATTACH that follows is sent behind it */
	if (--e->n_ctx[slot] == 0 && e->cfg.ctl >= 0)
		eng_ctl_tell(e, VGP_CTL_DETACH, slot, 0, 0);
	pthread_mutex_unlock(&e->tab_lock);
}

void eng_device_lost(struct eng *e, uint32_t device, int status)
{
	for (uint32_t i = 0; i < VGP_CONTEXTS; i++) {
		struct eng_ctx *ctx = eng_ctx_get(e, i);

		if (ctx && ctx->dev == e->devs + device)
			eng_fault(ctx, status, 0, "%s", vgpu_status_text(status));
	}
}

int eng_do_CTX_CREATE(struct eng *e, struct eng_call *c)
{
	const struct vgpu_device *dev = find_device(e, c->cmd.a.CTX_CREATE.device);
	struct eng_ctx *ctx = NULL;
	int r;

	if (!dev)
		return -VGPU_E_INVALID_DEVICE;
	if (!e->win.addr)
		return -VGPU_E_NOT_INITIALIZED;
	if (c->cmd.a.CTX_CREATE.flags & ~(uint32_t)VGP_CTX_F_MEMCHECK)
		return -VGPU_E_INVALID;
	r = attach(e, (unsigned)(dev - e->devs));
	if (r)
		return r;
	pthread_mutex_lock(&e->tab_lock);
	/* 0 stays free, so that zeroed arguments name no context */
	for (uint32_t i = 1; i < VGP_CONTEXTS && !ctx; i++) {
		if (!e->ctxs[i]) {
			e->ctxs[i] = calloc(1, sizeof(*ctx));
			if (!e->ctxs[i])
				break;
			e->ctxs[i]->e = e;
			e->ctxs[i]->id = i;
			pthread_mutex_init(&e->ctxs[i]->lock, NULL);
		}
		/* a dead one that is still being emptied has no `used`, but a device */
		if (!e->ctxs[i]->used && !e->ctxs[i]->dev)
			ctx = e->ctxs[i];
	}
	r = ctx ? reset(e, ctx, dev, c->cmd.a.CTX_CREATE.flags) : -VGPU_E_NOMEM;
	if (!r)
		eng_link_begin(e, ctx->id, (unsigned)(dev - e->devs));
	pthread_mutex_unlock(&e->tab_lock);
	if (r) {
		detach(e, (unsigned)(dev - e->devs));
		return r;
	}
	c->reply.r.CTX_CREATE.ctx = ctx->id;
	return 0;
}

/* On the service thread: running kernels need a moment to notice. */
int eng_do_CTX_DESTROY(struct eng *e, struct eng_call *c)
{
	uint32_t id = c->cmd.a.CTX_DESTROY.ctx;
	struct eng_ctx *ctx = NULL;
	unsigned slot;

	if (id < VGP_CONTEXTS) {
		pthread_mutex_lock(&e->tab_lock);
		ctx = e->ctxs[id];
		if (ctx && ctx->used)
			ctx->used = false;
		else
			ctx = NULL;
		pthread_mutex_unlock(&e->tab_lock);
	}
	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	eng_fault(ctx, VGPU_E_CONTEXT_DESTROYED, 0, "%s", vgpu_status_text(VGPU_E_CONTEXT_DESTROYED));
	eng_queues_drain(e, ctx);
	eng_modules_free_ctx(e, ctx);
	eng_tex_free_ctx(e, ctx);
	eng_heap_fini(ctx);
	eng_mem_free_ctx(e, ctx);
	eng_check_end(ctx);
	pthread_mutex_lock(&ctx->lock);
	vgpu_buf_free(&ctx->print);
	vgpu_buf_free(&ctx->log[0]);
	vgpu_buf_free(&ctx->log[1]);
	pthread_mutex_unlock(&ctx->lock);
	pthread_mutex_lock(&e->tab_lock);
	slot = (unsigned)(ctx->dev - e->devs);
	ctx->dev = NULL;
	pthread_mutex_unlock(&e->tab_lock);
	detach(e, slot);
	return 0;
}

int eng_do_CTX_SET_LIMIT(struct eng *e, struct eng_call *c)
{
	const struct vgp_args_CTX_SET_LIMIT *a = &c->cmd.a.CTX_SET_LIMIT;
	struct eng_ctx *ctx = eng_ctx_get(e, a->ctx);
	uint64_t value = a->value;
	int r = 0;

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	if (a->limit >= VGP_LIMIT_COUNT)
		return -VGPU_E_NOT_SUPPORTED;
	if (a->limit == VGP_LIMIT_STACK_SIZE) {
		if (value > 512u << 10)
			return -VGPU_E_INVALID;
		value = MAX(vgpu_align_up(value, 16), 1024ull);
	} else if (value > ctx->dev->memory_total) {
		return -VGPU_E_NOMEM;
	}
	pthread_mutex_lock(&ctx->lock);
	/* a heap that is in use keeps its size */
	if (a->limit == VGP_LIMIT_MALLOC_HEAP_SIZE && ctx->heap)
		r = -VGPU_E_INVALID;
	else
		ctx->limits[a->limit] = value;
	pthread_mutex_unlock(&ctx->lock);
	return r;
}

int eng_do_CTX_GET_LIMIT(struct eng *e, struct eng_call *c)
{
	const struct vgp_args_CTX_GET_LIMIT *a = &c->cmd.a.CTX_GET_LIMIT;
	struct eng_ctx *ctx = eng_ctx_get(e, a->ctx);

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	if (a->limit >= VGP_LIMIT_COUNT)
		return -VGPU_E_NOT_SUPPORTED;
	pthread_mutex_lock(&ctx->lock);
	c->reply.r.CTX_GET_LIMIT.value = ctx->limits[a->limit];
	pthread_mutex_unlock(&ctx->lock);
	return 0;
}

int eng_do_CTX_STATUS(struct eng *e, struct eng_call *c)
{
	struct eng_ctx *ctx = eng_ctx_get(e, c->cmd.a.CTX_STATUS.ctx);
	size_t n;

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	pthread_mutex_lock(&ctx->lock);
	c->reply.r.CTX_STATUS.status = eng_ctx_status(ctx);
	c->reply.r.CTX_STATUS.fault_addr = ctx->fault_addr;
	n = MIN(strlen(ctx->fault_text), (size_t)c->out_cap);
	memcpy(c->out, ctx->fault_text, n);
	c->out_len = (uint32_t)n;
	pthread_mutex_unlock(&ctx->lock);
	return 0;
}
