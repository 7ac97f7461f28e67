/*
 * eng_print.c: text of device printf, in order, per context. What doesn't fit
 * any more is dropped whole, and the kernel is told so.
 */
#include <string.h>

#include "engine/eng_priv.h"

static void publish(struct eng *e, struct eng_ctx *ctx)
{
	if (e->contexts)
		/* release: after the text */
		__atomic_store_n(&e->contexts[ctx->id].printf_pending, ctx->print.len != 0, __ATOMIC_RELEASE);
}

bool eng_print(void *cookie, const char *text, size_t len)
{
	struct eng_ctx *ctx = cookie;
	bool fits;

	pthread_mutex_lock(&ctx->lock);
	fits = len <= ctx->limits[VGP_LIMIT_PRINTF_FIFO_SIZE] &&
	       ctx->print.len <= ctx->limits[VGP_LIMIT_PRINTF_FIFO_SIZE] - len;
	if (fits) {
		vgpu_buf_add(&ctx->print, text, len);
		fits = !ctx->print.failed;
		ctx->print.failed = false;
		publish(ctx->e, ctx);
	}
	pthread_mutex_unlock(&ctx->lock);
	return fits;
}

int eng_do_PRINTF_DRAIN(struct eng *e, struct eng_call *c)
{
	struct eng_ctx *ctx = eng_ctx_get(e, c->cmd.a.PRINTF_DRAIN.ctx);
	size_t n;

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	pthread_mutex_lock(&ctx->lock);
	n = MIN(ctx->print.len, (size_t)c->out_cap);
	if (n) {
		memcpy(c->out, ctx->print.data, n);
		memmove(ctx->print.data, ctx->print.data + n, ctx->print.len - n);
		ctx->print.len -= n;
		publish(e, ctx);
	}
	c->out_len = (uint32_t)n;
	c->reply.r.PRINTF_DRAIN.left = ctx->print.len;
	pthread_mutex_unlock(&ctx->lock);
	return 0;
}
