/*
 * tex.c: textures and surfaces: finds each lane's object and hands lanes with
 * the same one to the functions of backend/tex.h together.
 */
#include "backend/tex.h"

#include <string.h>

#include "backend/interp/interp.h"

/* A lane's handle: the operand, or what the variable that it points to holds. */
static uint64_t handle_of(const struct in_warp *w, const struct in_insn *i, uint32_t lane)
{
	const struct be_services *s = w->blk->s;
	uint64_t v = in_addr(w, i, lane);

	if (s->window_size >= 8 && v - s->window <= s->window_size - 8)
		memcpy(&v, (const void *)(uintptr_t)v, sizeof(v));
	return v;
}

/* The object of the first lane of *m; *m becomes all lanes that have it, too. NULL: reported. */
static const struct tex_obj *object(struct in_warp *w, const struct in_insn *i, uint32_t *m, bool surface)
{
	uint32_t first = (uint32_t)__builtin_ctz(*m), same = 0;
	uint64_t h = handle_of(w, i, first);
	const struct tex_table *tab = w->blk->s->textures;
	const struct tex_obj *o = tab ? tex_get(tab, h) : NULL;

	if (!o || (surface && !o->surface)) {
		in_fault(w, i, first, VGPU_E_ILLEGAL_ADDRESS, h, "0x%llx is no %s object", (unsigned long long)h, surface ? "surface" : "texture");
		return NULL;
	}
	for_lanes(l, *m)
		same |= (uint32_t)(handle_of(w, i, l) == h) << l;
	*m = same;
	return o;
}

static uint64_t *row(const struct in_warp *w, uint32_t r)
{
	return r == IN_NOROW ? NULL : in_row(w, r);
}

int in_run_tex(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const struct in_tex *t = i->tex;
	struct tex_sample s = {
		.shape = t->shape, .lod_mode = t->lod_mode, .result = t->result, .int_coords = t->int_coords, .gather = t->gather,
		.layer = row(w, t->layer), .lod = row(w, t->lod),
	};
	uint64_t to[4][WARP];

	for (int k = 0; k < 3; k++) {
		s.x[k] = row(w, t->x[k]);
		s.dx[k] = row(w, t->dx[k]);
		s.dy[k] = row(w, t->dy[k]);
		s.off[k] = row(w, t->off[k]);
	}
	/* a result may be one of the operands of lanes that have another texture, so not yet into the registers */
	for (int k = 0; k < 4; k++)
		s.d[k] = t->d[k] == IN_NOROW ? NULL : to[k];
	for (uint32_t todo = m; todo; todo &= ~s.mask) {
		s.mask = todo;
		s.t = object(w, i, &s.mask, false);
		if (!s.t)
			return IN_FAULT;
		tex_sample(&s);
	}
	for (int k = 0; k < 4; k++)
		if (s.d[k])
			in_copy(in_row(w, t->d[k]), to[k], m);
	if (t->resident != IN_NOROW)
		in_spread(in_row(w, t->resident), m, 1);
	return IN_NEXT;
}

static int outside(struct in_warp *w, const struct in_insn *i, const struct tex_bad *b)
{
	return in_fault(w, i, b->lane, b->misaligned ? VGPU_E_MISALIGNED : VGPU_E_ILLEGAL_ADDRESS, 0, "surface access at (%d, %d, %d) is %s",
			b->x, b->y, b->z, b->misaligned ? "misaligned" : "out of range");
}

static void surf_set(const struct in_warp *w, const struct in_tex *t, struct tex_surf *s)
{
	*s = (struct tex_surf){
		.shape = t->shape, .oob = t->oob, .formatted = t->formatted, .elem_B = t->elem_B, .n_vec = t->n_vec, .store = t->store,
		.red = t->red, .is_signed = t->is_signed, .layer = row(w, t->layer),
	};
	for (int k = 0; k < 3; k++)
		s->x[k] = row(w, t->x[k]);
}

int in_run_suld(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const struct in_tex *t = i->tex;
	uint64_t to[4][WARP];
	struct tex_bad bad;
	struct tex_surf s;

	surf_set(w, t, &s);
	for (int k = 0; k < 4; k++)
		s.d[k] = t->d[k] == IN_NOROW ? NULL : to[k];
	for (uint32_t todo = m; todo; todo &= ~s.mask) {
		s.mask = todo;
		s.t = object(w, i, &s.mask, true);
		if (!s.t)
			return IN_FAULT;
		if (tex_surf_load(&s, &bad))
			return outside(w, i, &bad);
	}
	for (int k = 0; k < 4; k++)
		if (s.d[k])
			in_copy(in_row(w, t->d[k]), to[k], m);
	return IN_NEXT;
}

/* sust and sured */
int in_run_sust(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const struct in_tex *t = i->tex;
	bool red = i->ir->op == IR_OP_sured;
	struct tex_bad bad;
	struct tex_surf s;

	surf_set(w, t, &s);
	for (int k = 0; k < 4; k++)
		s.v[k] = row(w, t->v[k]);
	w->stored = true;
	for (uint32_t todo = m; todo; todo &= ~s.mask) {
		s.mask = todo;
		s.t = object(w, i, &s.mask, true);
		if (!s.t)
			return IN_FAULT;
		if (red ? tex_surf_red(&s, &bad) : tex_surf_store(&s, &bad))
			return outside(w, i, &bad);
	}
	return IN_NEXT;
}

int in_run_txq(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const struct in_tex *t = i->tex;
	const uint64_t *level = row(w, t->lod);
	uint64_t *d = in_row(w, i->d), to[WARP];
	uint32_t same;

	for (uint32_t todo = m; todo; todo &= ~same) {
		const struct tex_obj *o;

		same = todo;
		o = object(w, i, &same, false);
		if (!o)
			return IN_FAULT;
		for_lanes(l, same)
			to[l] = tex_query(o, t->query, level ? (uint32_t)level[l] : 0);
	}
	in_copy(d, to, m);
	return IN_NEXT;
}
