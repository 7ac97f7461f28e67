/*
 * surf.c: surfaces: loads, stores and reductions at a texel's place, without a
 * sampler. A lane's place is checked before anything is touched.
 */
#include <string.h>

#include "backend/interp/alu_half.h"
#include "backend/tex/tex_impl.h"
#include "util/compiler.h"

/* Of one lane. */
struct place {
	uint8_t *p;              /* NULL: outside, and that's no fault */
	bool fault, misaligned;
	int32_t x, y, z;
};

static int32_t cell_s(const uint64_t *row, uint32_t l)
{
	return (int32_t)(uint32_t)row[l];
}

static bool bring_in(int64_t *v, int64_t last, uint8_t oob)
{
	if (*v >= 0 && *v <= last)
		return true;
	if (oob != TEX_OOB_CLAMP || last < 0)
		return false;
	*v = *v < 0 ? 0 : last;
	return true;
}

static struct place place_of(const struct tex_surf *s, uint32_t bytes, uint32_t l)
{
	const struct tex_level *v = &s->t->level[0];
	unsigned dims = s->shape == TEX_3D ? 3 : s->shape == TEX_2D || s->shape == TEX_A2D ? 2 : 1;
	struct place o = { .x = cell_s(s->x[0], l), .y = dims > 1 ? cell_s(s->x[1], l) : 0 };
	int64_t x = s->formatted ? (int64_t)o.x * s->t->texel_B : o.x, y = o.y, z;
	bool in;

	o.z = s->layer ? cell_s(s->layer, l) : dims > 2 ? cell_s(s->x[2], l) : 0;
	z = o.z;
	in = bring_in(&x, (int64_t)v->w * s->t->texel_B - bytes, s->oob);
	in = bring_in(&y, v->h - 1, s->oob) && in;
	in = bring_in(&z, v->d - 1, s->oob) && in;
	if (!in)
		o.fault = s->oob != TEX_OOB_ZERO;
	else if (x % MIN(bytes, 16u))
		o.fault = o.misaligned = true;
	else
		o.p = (uint8_t *)(uintptr_t)(v->addr + (uint64_t)x + (uint64_t)y * v->pitch + (uint64_t)z * v->slice);
	return o;
}

static int bad(const struct place *o, uint32_t lane, struct tex_bad *b)
{
	*b = (struct tex_bad){ .lane = lane, .x = o->x, .y = o->y, .z = o->z, .misaligned = o->misaligned };
	return -1;
}

/* ---- as bytes ---- */

static void load_raw(const struct tex_surf *s, const struct place *o, uint32_t l)
{
	for (unsigned c = 0; c < s->n_vec; c++) {
		uint64_t v = 0;

		if (o->p)
			memcpy(&v, o->p + c * s->elem_B, s->elem_B);
		if (s->d[c])
			s->d[c][l] = v;
	}
}

static void store_raw(const struct tex_surf *s, const struct place *o, uint32_t l)
{
	for (unsigned c = 0; c < s->n_vec; c++)
		memcpy(o->p + c * s->elem_B, &s->v[c][l], s->elem_B);
}

int tex_surf_load(const struct tex_surf *s, struct tex_bad *b)
{
	tex_for_lanes(l, s->mask) {
		struct place o = place_of(s, (uint32_t)s->elem_B * s->n_vec, l);

		if (o.fault)
			return bad(&o, l, b);
		load_raw(s, &o, l);
	}
	return 0;
}

/* ---- with the surface's format ---- */

static const uint8_t chan_B[TEX_CHANS] = { 1, 1, 2, 2, 4, 4, 2, 4 };

static int64_t limit(int64_t v, int64_t lo, int64_t hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* A float as an integer, nearest even; NaN: 0. */
static int64_t whole(float f, float scale, int64_t lo, int64_t hi)
{
	f *= scale;
	if (!(f == f))
		return 0;
	return f <= (float)lo ? lo : f >= (float)hi ? hi : __builtin_llrintf(f);
}

static uint32_t to_chan(const struct tex_obj *t, uint8_t store, uint32_t v)
{
	static const int64_t lo[TEX_CHANS] = { [TEX_S8] = INT8_MIN, [TEX_S16] = INT16_MIN, [TEX_S32] = INT32_MIN };
	static const int64_t hi[TEX_CHANS] = {
		[TEX_U8] = UINT8_MAX, [TEX_S8] = INT8_MAX, [TEX_U16] = UINT16_MAX, [TEX_S16] = INT16_MAX,
		[TEX_U32] = UINT32_MAX, [TEX_S32] = INT32_MAX,
	};
	bool is_signed = t->chan == TEX_S8 || t->chan == TEX_S16 || t->chan == TEX_S32;

	if (store == TEX_STORE_RAW)
		store = tex_is_float(t) ? TEX_STORE_F32 : is_signed ? TEX_STORE_S32 : TEX_STORE_U32;
	if (t->chan == TEX_F32)
		return v;
	if (t->chan == TEX_F16)
		return f16_of_f32(f32_of(v));
	switch (store) {
	case TEX_STORE_F32:
		if (t->norm)
			return (uint32_t)whole(f32_of(v), (float)hi[t->chan], is_signed ? -hi[t->chan] : 0, hi[t->chan]);
		return (uint32_t)whole(f32_of(v), 1.0f, lo[t->chan], hi[t->chan]);
	case TEX_STORE_S32:
		return (uint32_t)limit((int32_t)v, lo[t->chan], hi[t->chan]);
	default:
		return (uint32_t)limit(v, lo[t->chan], hi[t->chan]);
	}
}

static void store_formatted(const struct tex_surf *s, const struct place *o, uint32_t l)
{
	for (unsigned c = 0; c < s->t->channels; c++) {
		uint32_t v = to_chan(s->t, s->store, c < s->n_vec ? (uint32_t)s->v[c][l] : 0);

		memcpy(o->p + c * chan_B[s->t->chan], &v, chan_B[s->t->chan]);
	}
}

int tex_surf_store(const struct tex_surf *s, struct tex_bad *b)
{
	uint32_t bytes = s->formatted ? s->t->texel_B : (uint32_t)s->elem_B * s->n_vec;

	tex_for_lanes(l, s->mask) {
		struct place o = place_of(s, bytes, l);

		if (o.fault)
			return bad(&o, l, b);
		if (!o.p)
			continue;
		if (s->formatted)
			store_formatted(s, &o, l);
		else
			store_raw(s, &o, l);
	}
	return 0;
}

/* ---- reductions ---- */

#define EXTREME(type, op)                                                                      \
	do {                                                                                  \
		type *q = (type *)p, old = __atomic_load_n(q, __ATOMIC_RELAXED);              \
                                                                                              \
		while ((type)v op old && !__atomic_compare_exchange_n(q, &old, (type)v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) \
			;                                                                     \
	} while (0)

#define REDUCE(utype, stype)                                                                   \
	switch (red) {                                                                        \
	case TEX_RED_ADD: __atomic_fetch_add((utype *)p, (utype)v, __ATOMIC_RELAXED); return;  \
	case TEX_RED_AND: __atomic_fetch_and((utype *)p, (utype)v, __ATOMIC_RELAXED); return;  \
	case TEX_RED_OR: __atomic_fetch_or((utype *)p, (utype)v, __ATOMIC_RELAXED); return;    \
	case TEX_RED_MIN:                                                                     \
		if (is_signed)                                                                \
			EXTREME(stype, <);                                                    \
		else                                                                          \
			EXTREME(utype, <);                                                    \
		return;                                                                       \
	case TEX_RED_MAX:                                                                     \
		if (is_signed)                                                                \
			EXTREME(stype, >);                                                    \
		else                                                                          \
			EXTREME(utype, >);                                                    \
		return;                                                                       \
	}

static void reduce32(void *p, uint8_t red, bool is_signed, uint64_t v)
{
	REDUCE(uint32_t, int32_t)
}

static void reduce64(void *p, uint8_t red, bool is_signed, uint64_t v)
{
	REDUCE(uint64_t, int64_t)
}

int tex_surf_red(const struct tex_surf *s, struct tex_bad *b)
{
	bool is_signed = s->formatted ? s->t->chan == TEX_S32 || s->t->chan == TEX_S16 || s->t->chan == TEX_S8 : s->is_signed;

	tex_for_lanes(l, s->mask) {
		struct place o = place_of(s, s->elem_B, l);

		if (o.p && (uintptr_t)o.p % s->elem_B)
			o.fault = o.misaligned = true;
		if (o.fault)
			return bad(&o, l, b);
		if (!o.p)
			continue;
		if (s->elem_B == 8)
			reduce64(o.p, s->red, is_signed, s->v[0][l]);
		else
			reduce32(o.p, s->red, is_signed, s->v[0][l]);
	}
	return 0;
}
