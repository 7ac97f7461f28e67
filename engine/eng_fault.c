/*
 * eng_fault.c: what happens when a context dies. The first reason stays; all
 * its kernels are cancelled, its queues run empty, and whoever waits for one
 * of them is woken and finds the status. Other contexts don't notice.
 */
#include <stdarg.h>
#include <stdio.h>

#include "engine/eng_priv.h"

void eng_fault(struct eng_ctx *ctx, int status, uint64_t addr, const char *fmt, ...)
{
	struct eng *e = ctx->e;
	bool first;
	va_list ap;

	pthread_mutex_lock(&ctx->lock);
	first = ctx->status == 0;
	if (first) {
		ctx->fault_addr = addr;
		va_start(ap, fmt);
		vsnprintf(ctx->fault_text, sizeof(ctx->fault_text), fmt, ap);
		va_end(ap);
		ctx->cancel = 1;
		/* release: text and address are there when the status is */
		__atomic_store_n(&ctx->status, (uint32_t)status, __ATOMIC_SEQ_CST);
		eng_publish_ctx(e, ctx);
	}
	pthread_mutex_unlock(&ctx->lock);
	if (!first && status != VGPU_E_CONTEXT_DESTROYED)
		return;
	for (uint32_t i = 0; i < VGP_QUEUES; i++) {
		struct eng_queue *q = &e->queues[i];

		/* relaxed: a queue that is being made now looks at the status itself */
		if (__atomic_load_n(&q->ctx, __ATOMIC_RELAXED) != ctx)
			continue;
		eng_queue_kick(e, q);
		eng_waits_check(e, q);
	}
}
