/* tex_random.h: random textures for tests of the sampler: t/430, t/432. Static, as each test wants other parts. */
#ifndef VGPU_T_LIB_TEX_RANDOM_H
#define VGPU_T_LIB_TEX_RANDOM_H

#include <math.h>
#include <string.h>

#include "backend/tex.h"
#include "t/lib/tap.h"

static uint64_t seed = 88172645463325252ull;

static inline uint32_t rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % n;
}

static inline float real(float lo, float hi)
{
	return lo + (hi - lo) * (float)rnd(1 << 20) / (float)(1 << 20);
}

static inline uint32_t bits(float f)
{
	uint32_t u;

	memcpy(&u, &f, 4);
	return u;
}

static inline float real_of(uint64_t v)
{
	uint32_t u = (uint32_t)v;
	float f;

	memcpy(&f, &u, 4);
	return f;
}

static _Alignas(64) uint8_t mem[1 << 20];
static size_t used;      /* by the levels of a texture */

static inline void fill(const struct tex_obj *t)
{
	for (size_t i = 0; i < used; i += 4) {
		uint32_t v = rnd(1u << 31) << 1 ^ rnd(1u << 31);

		memcpy(mem + i, &v, 4);
	}
	if (t->chan == TEX_F32)
		for (size_t i = 0; i < used; i += 4) {
			float f = real(-2, 2);

			memcpy(mem + i, &f, 4);
		}
	if (t->chan == TEX_F16)          /* no infinities, no NaNs */
		for (size_t i = 1; i < used; i += 2)
			mem[i] &= 0xbb;
}

static inline void levels(struct tex_obj *t, uint32_t w, uint32_t h, uint32_t d)
{
	static const uint8_t chan_B[] = { 1, 1, 2, 2, 4, 4, 2, 4 };
	uint32_t texel_B = chan_B[t->chan] * t->channels;
	uint64_t at = (uint64_t)(uintptr_t)mem;

	for (unsigned n = 0; n < t->n_levels; n++) {
		struct tex_level *v = &t->level[n];

		v->w = w, v->h = h, v->d = d;
		v->pitch = (uint64_t)w * texel_B + (n ? 0 : texel_B);
		v->slice = v->pitch * h;
		v->addr = at;
		at += v->slice * d;
		at = (at + 15) / 16 * 16;
		w = w > 1 ? w / 2 : 1;
		h = h > 1 ? h / 2 : 1;
		if (t->dims == 3)
			d = d > 1 ? d / 2 : 1;
	}
	used = at - (uint64_t)(uintptr_t)mem;
}

static inline void random_texture(struct tex_obj *t, uint8_t shape)
{
	static const uint8_t dims[] = { 1, 2, 3, 1, 2, 2, 2 }, channels[] = { 1, 2, 4 };
	struct vgpu_err err = VGPU_ERR_INIT;
	uint32_t w = 1 + rnd(17), h = 1 + rnd(9), d = 1 + rnd(5);

	memset(t, 0, sizeof(*t));
	t->dims = dims[shape];
	t->layered = shape == TEX_A1D || shape == TEX_A2D || shape == TEX_ACUBE;
	t->cube = shape == TEX_CUBE || shape == TEX_ACUBE;
	t->chan = (uint8_t)rnd(TEX_CHANS);
	t->channels = channels[rnd(3)];
	t->norm = t->chan <= TEX_S16 && rnd(2);
	t->srgb = t->chan == TEX_U8 && t->norm && rnd(2);
	t->linear = tex_is_float(t) && rnd(2);
	t->mip_linear = tex_is_float(t) && rnd(2);
	t->normalized = rnd(2) || t->cube;
	for (int k = 0; k < 3; k++)
		t->addr[k] = t->cube ? TEX_CLAMP : (uint8_t)rnd(4);
	for (int k = 0; k < 4; k++)
		t->border[k] = tex_is_float(t) ? bits(real(0, 1)) : rnd(100);
	t->n_levels = (uint8_t)(rnd(2) ? 1 : 1 + rnd(4));
	t->lod_max = 100;
	t->lod_bias = rnd(2) ? 0 : real(-1, 1);
	levels(t, w, t->dims > 1 ? t->cube ? w : h : 1, t->cube ? (t->layered ? 6 * d : 6) : t->layered || t->dims > 2 ? d : 1);
	fill(t);
	if (tex_obj_check(t, (uint64_t)(uintptr_t)mem, sizeof(mem), &err))
		bail("%s", err.text);
}

static inline float coordinate(const struct tex_obj *t, uint32_t n)
{
	static const float odd[] = { 0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 2.0f, 1e9f, -1e9f, INFINITY, -INFINITY, NAN, 0.25f, 0.75f };

	if (!rnd(8))
		return odd[rnd(13)] * (t->normalized ? 1 : (float)n);
	return t->normalized ? real(-2.5f, 3.5f) : real(-3, (float)n + 3);
}

#endif
