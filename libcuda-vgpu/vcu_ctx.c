/*
 * vcu_ctx.c: contexts: their life, the threads' stacks of current contexts,
 * and the checks that every call in a context begins with.
 *
 *   INACTIVE  a primary context that nobody retains, or that was reset
 *   ACTIVE    the worker has a context of its own for it (wire)
 *   DESTROYED ended; the struct lives on while threads have it current
 *
 * A created context goes ACTIVE → DESTROYED once; a primary one goes INACTIVE ⇄ ACTIVE
 * as often as it is retained and released, under its device's lock, and
 * keeps its handle. References: one for the handle, one per entry of a thread's
 * stack, and those that objects take.
 */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_ctx.h"
#include "libcuda-vgpu/vcu_entry.h"
#include "libcuda-vgpu/vcu_log.h"
#include "libcuda-vgpu/vcu_process.h"
#include "libcuda-vgpu/vcu_session.h"
#include "libcuda-vgpu/vcu_stream.h"

#define X(p)                                                             \
	VGPU_WEAK_HIDDEN CUresult vcu_##p##_ctx_init(struct vcu_ctx *c); \
	VGPU_WEAK_HIDDEN void vcu_##p##_ctx_fini(struct vcu_ctx *c);
VCU_CTX_PARTS(X)
#undef X

static uint64_t last_id;            /* atomic */

static uint64_t next_id(void)
{
	return __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
}

struct vcu_ctx *vcu_ctx_new(struct vcu_device *dev, bool primary, unsigned flags)
{
	struct vcu_ctx *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->dev = dev;
	c->primary = primary;
	c->flags = flags;
	c->state = VCU_CTX_INACTIVE;
	c->refs = 1;
	c->attached = 1;
	c->id = next_id();
	c->api_version = 3020;
	c->l2_granularity = 64;
	pthread_mutex_init(&c->lock, NULL);
	c->handle = vcu_handle_new(VCU_H_CTX, c);
	if (!c->handle) {
		pthread_mutex_destroy(&c->lock);
		free(c);
		return NULL;
	}
	return c;
}

struct vcu_ctx *vcu_ctx_ref(struct vcu_ctx *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void vcu_ctx_unref(struct vcu_ctx *c)
{
	if (__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	vcu_cls_free(c);
	free(c->peers);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- coming and going ---- */

static void parts_fini(struct vcu_ctx *c, unsigned n)
{
	static void (*const fini[])(struct vcu_ctx *) = {
#define X(p) vcu_##p##_ctx_fini,
		VCU_CTX_PARTS(X)
#undef X
	};

	while (n--)
		if (fini[n])
			fini[n](c);
}

static CUresult parts_init(struct vcu_ctx *c)
{
	static CUresult (*const init[])(struct vcu_ctx *) = {
#define X(p) vcu_##p##_ctx_init,
		VCU_CTX_PARTS(X)
#undef X
	};

	memset(c->part, 0, sizeof(c->part));
	for (unsigned i = 0; i < VCU_PARTS; i++) {
		CUresult r = init[i] ? init[i](c) : CUDA_SUCCESS;

		if (r) {
			parts_fini(c, i);
			return r;
		}
	}
	return CUDA_SUCCESS;
}

static int wire_create(struct vcu_ctx *c, struct vgpu_err *err)
{
	struct vgp_cmd cmd = { .op = VGP_OP_CTX_CREATE };
	struct vgp_reply reply;
	size_t out_len;
	int r;

	cmd.a.CTX_CREATE.device = (uint32_t)c->dev->d.index;
	c->checked = vcu_check_wanted(c->dev);
	cmd.a.CTX_CREATE.flags = c->checked ? VGP_CTX_F_MEMCHECK : 0;
	r = tr_call(vcu_session(), &cmd, NULL, 0, &reply, NULL, 0, &out_len, err);
	if (!r)
		c->wire = reply.r.CTX_CREATE.ctx;
	return r;
}

static void wire_destroy(struct vcu_ctx *c)
{
	struct vgp_cmd cmd = { .op = VGP_OP_CTX_DESTROY };

	cmd.a.CTX_DESTROY.ctx = c->wire;
	if (unlikely(c->checked))
		vcu_check_flush(c, VGP_CHECK_F_END | (vcu_debug & VCU_DEBUG_LEAKS ? VGP_CHECK_F_LEAKS : 0));
	/* When the library goes, the session's end ends all contexts at once. */
	if (!vcu_gone() && !tr_dead(vcu_session()))
		vcu_call(&cmd, NULL, 0, NULL);
}

/* Numbers of CU_COMPUTEMODE_PROHIBITED. */
static bool prohibited(const struct vcu_device *dev)
{
	return dev->d.compute_mode == CU_COMPUTEMODE_PROHIBITED;
}

CUresult vcu_ctx_activate(struct vcu_ctx *c)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	CUresult cr;
	int r;

	if (prohibited(c->dev))
		return CUDA_ERROR_DEVICE_UNAVAILABLE;
	r = vcu_session_need(&err);
	if (r) {
		vcu_log_err("opening a session", &err);
		return vcu_result(r);
	}
	vcu_session_admit(&c->dev->d);
	r = wire_create(c, &err);
	if (r) {
		vcu_log_err("creating a context", &err);
		vcu_session_release();
		return vcu_result(r);
	}
	c->id = next_id();
	c->error = 0;
	cr = parts_init(c);
	if (cr) {
		wire_destroy(c);
		vcu_session_release();
		return cr;
	}
	__atomic_store_n(&c->state, VCU_CTX_ACTIVE, __ATOMIC_RELEASE);
	return CUDA_SUCCESS;
}

void vcu_ctx_deactivate(struct vcu_ctx *c, enum vcu_ctx_state state)
{
	int was;

	/* Of several threads one ends it. */
	was = __atomic_exchange_n(&c->state, state, __ATOMIC_ACQ_REL);
	if (was != VCU_CTX_ACTIVE)
		return;
	parts_fini(c, VCU_PARTS);
	wire_destroy(c);
	vcu_session_release();
	pthread_mutex_lock(&c->lock);
	c->n_peers = 0;
	c->cache_config = CU_FUNC_CACHE_PREFER_NONE;
	c->shared_config = CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE;
	c->l2_granularity = 64;
	pthread_mutex_unlock(&c->lock);
}

void vcu_ctx_retire(struct vcu_ctx *c)
{
	if (vcu_handle_del(c->handle, VCU_H_CTX) == c)
		vcu_ctx_unref(c);
}

void vcu_ctx_destroy_all(void)
{
	size_t i = 0;
	void *h;

	while ((h = vcu_handle_next(VCU_H_CTX, &i))) {
		struct vcu_ctx *c = vcu_handle_get(h, VCU_H_CTX);

		vcu_ctx_deactivate(c, VCU_CTX_DESTROYED);
		if (!c->primary)
			vcu_ctx_retire(c);
	}
}

void vcu_ctx_foreach(struct vcu_device *dev, void (*fn)(struct vcu_ctx *c, void *arg), void *arg)
{
	size_t i = 0;
	void *h;

	while ((h = vcu_handle_next(VCU_H_CTX, &i))) {
		struct vcu_ctx *c = vcu_handle_get(h, VCU_H_CTX);

		if (c && (!dev || c->dev == dev) && __atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == VCU_CTX_ACTIVE)
			fn(c, arg);
	}
}

/* ---- the threads' stacks ---- */

struct vcu_ctx *vcu_ctx_top(void)
{
	struct vcu_tls *t = &vcu_tls;

	return t->depth_ctx ? t->stack[t->depth_ctx - 1] : NULL;
}

static bool stack_room(struct vcu_tls *t)
{
	unsigned cap = t->cap_ctx * 2;
	struct vcu_ctx **s;

	if (!t->stack) {
		t->stack = t->inline_stack;
		t->cap_ctx = VCU_STACK_INLINE;
	}
	if (t->depth_ctx < t->cap_ctx)
		return true;
	s = malloc(cap * sizeof(*s));
	if (!s)
		return false;
	memcpy(s, t->stack, t->depth_ctx * sizeof(*s));
	if (t->stack != t->inline_stack)
		free(t->stack);
	t->stack = s;
	t->cap_ctx = cap;
	return true;
}

bool vcu_ctx_push(struct vcu_ctx *c)
{
	struct vcu_tls *t = &vcu_tls;

	if (!stack_room(t))
		return false;
	t->stack[t->depth_ctx++] = vcu_ctx_ref(c);
	return true;
}

struct vcu_ctx *vcu_ctx_take_top(void)
{
	struct vcu_tls *t = &vcu_tls;

	return t->depth_ctx ? t->stack[--t->depth_ctx] : NULL;
}

void vcu_ctx_pop(void)
{
	struct vcu_ctx *c = vcu_ctx_take_top();

	if (c)
		vcu_ctx_unref(c);
}

void vcu_ctx_thread_exit(struct vcu_tls *t)
{
	while (t->depth_ctx)
		vcu_ctx_unref(t->stack[--t->depth_ctx]);
	if (t->stack && t->stack != t->inline_stack)
		free(t->stack);
	t->stack = NULL;
	t->cap_ctx = 0;
}

/* ---- checks ---- */

CUresult vcu_ctx_check(struct vcu_ctx *c)
{
	struct tr_session *s;
	int r;

	if (unlikely(__atomic_load_n(&c->state, __ATOMIC_ACQUIRE) != VCU_CTX_ACTIVE))
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	r = __atomic_load_n(&c->error, __ATOMIC_ACQUIRE);
	if (unlikely(r))
		return (CUresult)r;
	s = vcu_session();
	r = tr_ctx_status(s, c->wire);
	if (likely(!r))
		return CUDA_SUCCESS;
	r = vcu_result(r);
	__atomic_store_n(&c->error, r, __ATOMIC_RELEASE);
	return (CUresult)r;
}

CUresult vcu_ctx_current_any(struct vcu_ctx **out)
{
	struct vcu_ctx *c = vcu_ctx_top();

	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (__atomic_load_n(&c->state, __ATOMIC_ACQUIRE) != VCU_CTX_ACTIVE)
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	*out = c;
	return CUDA_SUCCESS;
}

CUresult vcu_ctx_current(struct vcu_ctx **out)
{
	struct vcu_ctx *c = vcu_ctx_top();
	CUresult r;

	if (unlikely(!c))
		return CUDA_ERROR_INVALID_CONTEXT;
	r = vcu_ctx_check(c);
	if (likely(!r))
		*out = c;
	return r;
}

CUresult vcu_ctx_lookup(CUcontext h, struct vcu_ctx **out)
{
	struct vcu_ctx *c = h ? vcu_handle_get(h, VCU_H_CTX) : vcu_ctx_top();

	if (!c)
		return CUDA_ERROR_INVALID_CONTEXT;
	*out = c;
	return CUDA_SUCCESS;
}
