/*
 * eng_heap.c: malloc and free of kernels. One region of device memory per
 * context, made with the first malloc. Sizes are rounded to classes (four per
 * power of two); a freed block goes to its class' stack. Book-keeping is out
 * of the kernels' reach.
 */
#include <string.h>

#include "engine/eng_priv.h"

#define MIN_SHIFT 4
#define GAP 16                        /* checked contexts: bytes that lie between two blocks */
#define CLASSES ((48 - MIN_SHIFT) * 4)

struct eng_heap {
	uint64_t base, size, brk;     /* brk: bytes given out at least once */
	VGPU_VEC(uint64_t) free[CLASSES];
	struct vgpu_htab live;        /* address → class + 1 */
};

/* 16, 20→32 … : class c holds 2^(4 + c/4) * (4 + c%4) / 4 bytes, rounded up to 16. */
static uint64_t class_size(unsigned c)
{
	uint64_t base = 1ull << (MIN_SHIFT + c / 4);

	return vgpu_align_up(base + base / 4 * (c % 4), 16);
}

static unsigned size_class(uint64_t size)
{
	unsigned c = 0;

	if (size > 64)
		c = (unsigned)(63 - __builtin_clzll(size) - MIN_SHIFT) * 4;
	while (c < CLASSES && class_size(c) < size)
		c++;
	return c;
}

/* Called with ctx->lock. */
static struct eng_heap *heap_new(struct eng_ctx *ctx)
{
	struct eng_heap *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->size = vgpu_align_up(MAX(ctx->limits[VGP_LIMIT_MALLOC_HEAP_SIZE], 4096ull), 4096);
	vgpu_htab_init_int(&h->live);
	if (eng_mem_alloc(ctx->e, ctx, h->size, 0, VGP_MEM_DEVICE, ENG_MEM_PARTS, &h->base)) {
		free(h);
		return NULL;
	}
	return h;
}

/* Takes from larger classes' stacks when nothing else is left. */
static uint64_t take(struct eng_heap *h, unsigned c, unsigned *got)
{
	uint64_t size = class_size(c);

	*got = c;
	if (h->free[c].n)
		return h->free[c].v[--h->free[c].n];
	if (size <= h->size - h->brk) {
		h->brk += size;
		return h->base + h->brk - size;
	}
	for (unsigned k = c + 1; k < CLASSES && class_size(k) <= h->size; k++) {
		if (!h->free[k].n)
			continue;
		*got = k;
		return h->free[k].v[--h->free[k].n];
	}
	return 0;
}

uint64_t eng_heap_alloc(void *cookie, uint64_t size)
{
	struct eng_ctx *ctx = cookie;
	unsigned c, got;
	uint64_t addr = 0;

	if (size > 1ull << 47)
		return 0;
	c = size_class(MAX(size, 1ull) + (ctx->services.check ? GAP : 0));
	if (c >= CLASSES)
		return 0;
	pthread_mutex_lock(&ctx->lock);
	if (!ctx->heap)
		ctx->heap = heap_new(ctx);
	if (ctx->heap) {
		struct eng_heap *h = ctx->heap;

		addr = take(h, c, &got);
		if (addr && !vgpu_htab_put(&h->live, addr, (void *)(uintptr_t)(got + 1))) {
			(void)!vgpu_vec_push(&h->free[got], addr);
			addr = 0;
		}
		if (addr)
			eng_check_heap(ctx, addr, size);
	}
	pthread_mutex_unlock(&ctx->lock);
	return addr;
}

/* A wild free is ignored, as the device's own heap does. */
void eng_heap_free(void *cookie, uint64_t addr)
{
	struct eng_ctx *ctx = cookie;

	pthread_mutex_lock(&ctx->lock);
	if (ctx->heap && addr) {
		uintptr_t c = (uintptr_t)vgpu_htab_del(&ctx->heap->live, addr);

		if (c) {
			eng_check_free(ctx->e, addr);
			(void)!vgpu_vec_push(&ctx->heap->free[c - 1], addr);
		}
	}
	pthread_mutex_unlock(&ctx->lock);
}

/* The region itself goes with the context's memory. */
void eng_heap_fini(struct eng_ctx *ctx)
{
	struct eng_heap *h;

	pthread_mutex_lock(&ctx->lock);
	h = ctx->heap;
	ctx->heap = NULL;
	pthread_mutex_unlock(&ctx->lock);
	if (!h)
		return;
	for (unsigned i = 0; i < CLASSES; i++)
		vgpu_vec_free(&h->free[i]);
	vgpu_htab_fini(&h->live);
	free(h);
}
