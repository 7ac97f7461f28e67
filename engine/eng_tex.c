/*
 * eng_tex.c: texture and surface objects: from the client's description to
 * what backends sample with. The memory is the client's: an allocation, or a
 * CUDA array, which is one too. If it is freed first, accesses fault.
 *
 * Kernels look handles up without a lock. An object that is destroyed leaves
 * the table at once and is freed when no launch is in flight: eng_tex_enter
 * comes before any look-up of a launch, so one that began after `running` was
 * seen as 0 doesn't find it (all of these are seq_cst).
 */
#include <string.h>

#include "engine/eng_priv.h"

struct eng_tex {
	struct tex_obj o;             /* first: what the table points to */
	struct eng_tex *next, **pprev;
	const struct eng_ctx *ctx;
	uint64_t handle;
};

_Static_assert((int)VGP_TEX_U8 == (int)TEX_U8 && (int)VGP_TEX_S8 == (int)TEX_S8 && (int)VGP_TEX_U16 == (int)TEX_U16 &&
	       (int)VGP_TEX_S16 == (int)TEX_S16 && (int)VGP_TEX_U32 == (int)TEX_U32 && (int)VGP_TEX_S32 == (int)TEX_S32 &&
	       (int)VGP_TEX_F16 == (int)TEX_F16 && (int)VGP_TEX_F32 == (int)TEX_F32 && VGP_TEX_LEVELS == TEX_LEVELS, "channels");

/* Called with tab_lock. */
static void free_dead(struct eng_texes *x)
{
	if (__atomic_load_n(&x->running, __ATOMIC_SEQ_CST))
		return;
	while (x->dead) {
		struct eng_tex *t = x->dead;

		x->dead = t->next;
		free(t);
	}
}

void eng_tex_enter(struct eng *e)
{
	__atomic_add_fetch(&e->tex.running, 1, __ATOMIC_SEQ_CST);
}

void eng_tex_leave(struct eng *e)
{
	if (__atomic_sub_fetch(&e->tex.running, 1, __ATOMIC_SEQ_CST) || !__atomic_load_n(&e->tex.dead, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&e->tab_lock);
	free_dead(&e->tex);
	pthread_mutex_unlock(&e->tab_lock);
}

/* Called with tab_lock. */
static void retire(struct eng_texes *x, struct eng_tex *t)
{
	tex_remove(&x->tab, t->handle);
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	x->n--;
	t->next = x->dead;
	__atomic_store_n(&x->dead, t, __ATOMIC_RELAXED);
}

static int read_desc(const struct eng *e, const struct eng_call *c, struct tex_obj *o, struct vgpu_err *err)
{
	struct vgp_tex d;

	if (c->cmd.data_len < sizeof(d))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "TEX_CREATE with %u bytes of data", c->cmd.data_len);
	memcpy(&d, c->data, sizeof(d));
	if ((d.flags & ~(uint32_t)VGP_TEX_F_ALL) || d.pad || !d.n_levels || d.n_levels > VGP_TEX_LEVELS ||
	    c->cmd.data_len != sizeof(d) + d.n_levels * sizeof(struct vgp_tex_level))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "TEX_CREATE: %u levels in %u bytes, flags 0x%x", d.n_levels, c->cmd.data_len, d.flags);
	*o = (struct tex_obj){
		.surface = d.flags & VGP_TEX_F_SURFACE, .dims = d.dims,
		.layered = d.flags & VGP_TEX_F_LAYERED, .cube = d.flags & VGP_TEX_F_CUBE, .buffer = d.flags & VGP_TEX_F_BUFFER,
		.chan = d.chan, .channels = d.channels, .norm = d.flags & VGP_TEX_F_NORM,
		.linear = d.flags & VGP_TEX_F_LINEAR, .mip_linear = d.flags & VGP_TEX_F_MIP_LINEAR,
		.normalized = d.flags & VGP_TEX_F_NORMALIZED, .srgb = d.flags & VGP_TEX_F_SRGB, .seamless = d.flags & VGP_TEX_F_SEAMLESS,
		.addr = { d.addr[0], d.addr[1], d.addr[2] }, .n_levels = d.n_levels,
		.lod_bias = d.lod_bias, .lod_min = d.lod_min, .lod_max = d.lod_max,
		.border = { d.border[0], d.border[1], d.border[2], d.border[3] },
	};
	for (unsigned i = 0; i < d.n_levels; i++) {
		struct vgp_tex_level l;

		memcpy(&l, c->data + sizeof(d) + i * sizeof(l), sizeof(l));
		if (l.pad)
			return vgpu_err_set(err, VGPU_E_PROTOCOL, "TEX_CREATE: padding of level %u is not zero", i);
		o->level[i] = (struct tex_level){ .addr = l.addr, .pitch = l.pitch, .slice = l.slice, .w = l.w, .h = l.h, .d = l.d };
	}
	return tex_obj_check(o, e->win.addr, e->win.size, err);
}

/* The memory checker doesn't see what kernels store through a surface: it all counts as written. */
static void surface_written(struct eng *e, const struct tex_obj *o)
{
	for (unsigned i = 0; i < o->n_levels; i++) {
		const struct tex_level *l = &o->level[i];
		uint64_t rows = MAX(l->h, 1u), slices = MAX(l->d, 1u), row_B = MAX(l->pitch, (uint64_t)l->w * o->texel_B);

		eng_check_written(e, l->addr, (slices - 1) * l->slice + rows * row_B);
	}
}

int eng_do_TEX_CREATE(struct eng *e, struct eng_call *c)
{
	struct eng_ctx *ctx = eng_ctx_get(e, c->cmd.a.TEX_CREATE.ctx);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct eng_tex *t;
	int r;

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -VGPU_E_NOMEM;
	r = read_desc(e, c, &t->o, &err);
	if (r) {
		free(t);
		return r;
	}
	t->ctx = ctx;
	if (t->o.surface)
		surface_written(e, &t->o);
	pthread_mutex_lock(&e->tab_lock);
	t->handle = ctx->used && e->tex.n < ENG_TEX_MAX ? tex_add(&e->tex.tab, &t->o) : 0;
	if (t->handle) {
		e->tex.n++;
		t->next = e->tex.list;
		t->pprev = &e->tex.list;
		if (t->next)
			t->next->pprev = &t->next;
		e->tex.list = t;
		c->reply.r.TEX_CREATE.handle = t->handle;
	}
	pthread_mutex_unlock(&e->tab_lock);
	if (!c->reply.r.TEX_CREATE.handle) {
		free(t);
		return -VGPU_E_NOMEM;
	}
	return 0;
}

int eng_do_TEX_DESTROY(struct eng *e, struct eng_call *c)
{
	const struct tex_obj *o;

	pthread_mutex_lock(&e->tab_lock);
	o = tex_get(&e->tex.tab, c->cmd.a.TEX_DESTROY.handle);
	if (o) {
		retire(&e->tex, (struct eng_tex *)(uintptr_t)o);
		free_dead(&e->tex);
	}
	pthread_mutex_unlock(&e->tab_lock);
	return o ? 0 : -VGPU_E_INVALID_HANDLE;
}

void eng_tex_free_ctx(struct eng *e, const struct eng_ctx *ctx)
{
	pthread_mutex_lock(&e->tab_lock);
	for (struct eng_tex *t = e->tex.list, *next; t; t = next) {
		next = t->next;
		if (t->ctx == ctx)
			retire(&e->tex, t);
	}
	free_dead(&e->tex);
	pthread_mutex_unlock(&e->tab_lock);
}

/* No kernel runs any more. */
void eng_tex_fini(struct eng *e)
{
	while (e->tex.list)
		retire(&e->tex, e->tex.list);
	e->tex.running = 0;
	free_dead(&e->tex);
	tex_table_fini(&e->tex.tab);
}
