/*
 * vcu_cls.c: context local storage: values that runtimes attach to a context.
 * Looked up once per runtime call, so readers take no lock: entries live in
 * chained blocks that are freed with the context only; a key is published after
 * its value.
 */
#include <stdlib.h>

#include "libcuda-vgpu/vcu_ctx.h"

#define BLOCK 15

struct entry {
	void *key;                 /* atomic; NULL: free */
	void *value;               /* atomic */
	vcu_cls_dtor dtor;
};

struct vcu_cls {
	struct entry e[BLOCK];
	struct vcu_cls *next;      /* atomic */
};

static struct entry *find(struct vcu_ctx *c, const void *key)
{
	struct vcu_cls *b = __atomic_load_n(&c->cls, __ATOMIC_ACQUIRE);

	for (; b; b = __atomic_load_n(&b->next, __ATOMIC_ACQUIRE))
		for (int i = 0; i < BLOCK; i++)
			if (__atomic_load_n(&b->e[i].key, __ATOMIC_ACQUIRE) == key)
				return &b->e[i];
	return NULL;
}

static struct entry *grow(struct vcu_ctx *c)
{
	struct vcu_cls **end = &c->cls, *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	while (*end)
		end = &(*end)->next;
	__atomic_store_n(end, b, __ATOMIC_RELEASE);
	return &b->e[0];
}

CUresult vcu_cls_put(struct vcu_ctx *c, void *key, void *value, vcu_cls_dtor dtor)
{
	struct entry *e;

	if (!key)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&c->lock);
	e = find(c, key);
	if (!e)
		e = find(c, NULL);
	if (!e)
		e = grow(c);
	if (e) {
		e->dtor = dtor;
		__atomic_store_n(&e->value, value, __ATOMIC_RELEASE);
		__atomic_store_n(&e->key, key, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&c->lock);
	return e ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vcu_cls_del(struct vcu_ctx *c, void *key)
{
	struct entry *e;

	pthread_mutex_lock(&c->lock);
	e = key ? find(c, key) : NULL;
	if (e)
		__atomic_store_n(&e->key, NULL, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&c->lock);
	return e ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult vcu_cls_get(struct vcu_ctx *c, void *key, void **value)
{
	struct entry *e = key ? find(c, key) : NULL;

	if (!e)
		return CUDA_ERROR_INVALID_HANDLE;
	*value = __atomic_load_n(&e->value, __ATOMIC_ACQUIRE);
	return CUDA_SUCCESS;
}

/* Takes one live entry out; false when there is none. */
static bool take(struct vcu_ctx *c, struct entry *out)
{
	bool got = false;

	pthread_mutex_lock(&c->lock);
	for (struct vcu_cls *b = c->cls; b && !got; b = b->next)
		for (int i = 0; i < BLOCK && !got; i++)
			if (b->e[i].key) {
				*out = b->e[i];
				__atomic_store_n(&b->e[i].key, NULL, __ATOMIC_RELEASE);
				got = true;
			}
	pthread_mutex_unlock(&c->lock);
	return got;
}

void vcu_cls_run(struct vcu_ctx *c)
{
	struct entry e;

	while (take(c, &e))
		if (e.dtor)
			e.dtor(c->handle, e.key, e.value);
}

void vcu_cls_free(struct vcu_ctx *c)
{
	struct vcu_cls *b = c->cls, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	c->cls = NULL;
}
