/*
 * texels.h: reading texels of 32 lanes at once, as instructions see them or as
 * filters count. Part of sample.c, which is compiled more than once.
 */
#ifndef VGPU_BACKEND_TEX_TEXELS_H
#define VGPU_BACKEND_TEX_TEXELS_H

#include <math.h>

#include "backend/interp/alu_half.h"
#include "backend/tex/tex_impl.h"
#include "util/compiler.h"

#define N TEX_LANES
#define ALL(l) for (uint32_t l = 0; l < N; l++)

typedef uint8_t u8_t;
typedef int8_t s8_t;
typedef uint16_t __attribute__((may_alias)) u16_t;
typedef int16_t __attribute__((may_alias)) s16_t;
typedef uint32_t __attribute__((may_alias)) u32_t;

struct texels {
	uint32_t c[4][N];        /* floats' bits or integers */
};

/* Loads apart from conversions, which are vector code. */
#define FETCH(name, type, conv)                                                               \
	static void fetch_##name(const uint8_t *p, const int64_t at[N], unsigned n, struct texels *o) \
	{                                                                                     \
		int32_t raw[N];                                                               \
                                                                                              \
		for (unsigned c = 0; c < n; c++) {                                            \
			ALL(l)                                                                \
				raw[l] = (int32_t)*(const type *)(p + at[l] + c * sizeof(type)); \
			ALL(l) {                                                              \
				int32_t v = raw[l];                                           \
                                                                                              \
				o->c[c][l] = conv;                                            \
			}                                                                     \
		}                                                                             \
	}

#define SNORM(v, max) bits_of_f32((float)(v) / (max) < -1.0f ? -1.0f : (float)(v) / (max))

FETCH(u8, u8_t, (uint32_t)v)
FETCH(s8, s8_t, (uint32_t)v)
FETCH(u16, u16_t, (uint32_t)v)
FETCH(s16, s16_t, (uint32_t)v)
FETCH(32, u32_t, (uint32_t)v)
FETCH(f16, u16_t, bits_of_f32(f32_of_f16((uint32_t)v)))
FETCH(un8, u8_t, bits_of_f32((float)v / 255.0f))
FETCH(sn8, s8_t, SNORM(v, 127.0f))
FETCH(un16, u16_t, bits_of_f32((float)v / 65535.0f))
FETCH(sn16, s16_t, SNORM(v, 32767.0f))
FETCH(srgb, u8_t, bits_of_f32((float)tex_srgb[v] * (1.0f / 16384.0f)))
/* As the filter counts: bytes as 16 bits, others as they are. */
FETCH(fu8, u8_t, bits_of_f32((float)(v * 257)))
FETCH(fs8, s8_t, bits_of_f32((float)v))
FETCH(fu16, u16_t, bits_of_f32((float)v))
FETCH(fs16, s16_t, bits_of_f32((float)v))
FETCH(fsrgb, u8_t, bits_of_f32((float)tex_srgb[v]))

/* The common picture: one load for four channels. */
static void fetch_un8x4(const uint8_t *p, const int64_t at[N], struct texels *o)
{
	uint32_t v[N];

	ALL(l)
		v[l] = *(const u32_t *)(p + at[l]);
	for (unsigned c = 0; c < 4; c++)
		ALL(l) {
			int32_t x = (int32_t)(v[l] >> 8 * c & 255);

			o->c[c][l] = bits_of_f32((float)x / 255.0f);
		}
}

static void fetch_u8x4(const uint8_t *p, const int64_t at[N], struct texels *o)
{
	uint32_t v[N];

	ALL(l)
		v[l] = *(const u32_t *)(p + at[l]);
	for (unsigned c = 0; c < 4; c++)
		ALL(l)
			o->c[c][l] = v[l] >> 8 * c & 255;
}

/* Alpha is linear; and so is a second channel without others, as hardware has it. */
static unsigned srgb_channels(const struct tex_obj *t)
{
	return t->channels == 4 ? 3 : 1;
}

static void fetch_srgb8(const struct tex_obj *t, const uint8_t *p, const int64_t at[N], struct texels *o)
{
	unsigned n = srgb_channels(t), c = t->channels - 1u;

	fetch_srgb(p, at, n, o);
	if (c >= n)
		ALL(l)
			o->c[c][l] = bits_of_f32((float)p[at[l] + (int64_t)c] / 255.0f);
}

static void fetch(const struct tex_obj *t, const uint8_t *p, const int64_t at[N], struct texels *o)
{
	unsigned n = t->channels;

	if (t->norm) {
		switch (t->chan) {
		case TEX_U8:
			if (t->srgb)
				fetch_srgb8(t, p, at, o);
			else if (n == 4)
				fetch_un8x4(p, at, o);
			else
				fetch_un8(p, at, n, o);
			return;
		case TEX_S8: fetch_sn8(p, at, n, o); return;
		case TEX_U16: fetch_un16(p, at, n, o); return;
		case TEX_S16: fetch_sn16(p, at, n, o); return;
		}
	}
	switch (t->chan) {
	case TEX_U8:
		if (n == 4)
			fetch_u8x4(p, at, o);
		else
			fetch_u8(p, at, n, o);
		return;
	case TEX_S8: fetch_s8(p, at, n, o); return;
	case TEX_U16: fetch_u16(p, at, n, o); return;
	case TEX_S16: fetch_s16(p, at, n, o); return;
	case TEX_F16: fetch_f16(p, at, n, o); return;
	default: fetch_32(p, at, n, o); return;
	}
}

static void fetch_fu8x4(const uint8_t *p, const int64_t at[N], struct texels *o)
{
	uint32_t v[N];

	ALL(l)
		v[l] = *(const u32_t *)(p + at[l]);
	for (unsigned c = 0; c < 4; c++)
		ALL(l)
			o->c[c][l] = bits_of_f32((float)(int32_t)((v[l] >> 8 * c & 255) * 257));
}

/* Texels in the filter's units: what 1 is says unit(). */
static void fetch_units(const struct tex_obj *t, const uint8_t *p, const int64_t at[N], struct texels *o)
{
	unsigned n = t->channels;

	if (!t->norm) {
		fetch(t, p, at, o);
		return;
	}
	switch (t->chan) {
	case TEX_S8: fetch_fs8(p, at, n, o); return;
	case TEX_U16: fetch_fu16(p, at, n, o); return;
	case TEX_S16: fetch_fs16(p, at, n, o); return;
	}
	if (n == 4)
		fetch_fu8x4(p, at, o);
	else
		fetch_fu8(p, at, n, o);
	if (t->srgb)
		fetch_fsrgb(p, at, srgb_channels(t), o);
}

static float unit(const struct tex_obj *t, unsigned c)
{
	if (!t->norm)
		return 1.0f;
	switch (t->chan) {
	case TEX_S8: return 127.0f;
	case TEX_U16: return 65535.0f;
	case TEX_S16: return 32767.0f;
	}
	return t->srgb && c < srgb_channels(t) ? 16384.0f : 65535.0f;
}

static void paint_border(const struct tex_obj *t, const uint32_t in[N], bool units, struct texels *o)
{
	for (unsigned c = 0; c < t->channels; c++) {
		/* tex_obj_check made it a texel's value */
		uint32_t border = units && t->norm ? bits_of_f32(rintf(f32_of(t->border[c]) * unit(t, c))) : t->border[c];

		ALL(l)
			o->c[c][l] = (o->c[c][l] & in[l]) | (border & ~in[l]);
	}
}

#endif
