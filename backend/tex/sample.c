/*
 * sample.c: the sampler, for 32 lanes at a time and in stages, each of them
 * plain loops over all lanes that compilers turn into vector code: coordinates
 * to texel numbers and weights, those to places, texels, and their weighted sum.
 * Compiled for any x86-64 and for AVX2; both give the same bits.
 *
 * Lanes out of the mask go through the stages with whatever is in their cells.
 * That is harmless: every texel number is brought into the level's range before
 * it is used, and such lanes read the level's first texel.
 *
 * Filters follow the appendix "Texture Fetching" of NVIDIA's programming guide.
 * Coordinates are rounded to 1/256 texel (ties to even), so weights have 8 bits
 * of fraction as there. A tap of weight 0 doesn't count, also when it's not finite.
 */
#include <math.h>
#include <string.h>

#include "backend/interp/alu_half.h"
#include "backend/tex/tex_impl.h"
#include "util/compiler.h"

#ifndef TEX_SAMPLE
#define TEX_SAMPLE tex_sample_base
#endif

#define N TEX_LANES
#define ALL(l) for (uint32_t l = 0; l < N; l++)
/* Beyond any texel, and small enough for 24.8 bits. */
#define FAR 1048576.0f

typedef uint8_t u8_t;
typedef int8_t s8_t;
typedef uint16_t __attribute__((may_alias)) u16_t;
typedef int16_t __attribute__((may_alias)) s16_t;
typedef uint32_t __attribute__((may_alias)) u32_t;

/* Texels that one axis gives a lane. */
struct axis {
	int32_t i[2][N];
	uint32_t in[2][N];       /* all ones: inside; else the border's colour */
	float w[2][N];
	unsigned n;              /* 1: w is not used */
	bool border;             /* in is used */
};

struct texels {
	uint32_t c[4][N];        /* floats' bits or integers */
};

/* Everything about lanes that doesn't depend on the level. */
struct coords {
	float f[3][N];
	int32_t i[3][N];         /* int_coords */
	int32_t off[3][N];
	bool has_off;
	int32_t slice[N];        /* layer, or face and layer */
	unsigned dims;
	bool layered;            /* slice counts */
	bool cube;
};

/* ---- axes ---- */

static inline int32_t clampi(int32_t i, int32_t last)
{
	i = i < 0 ? 0 : i;
	return i > last ? last : i;
}

static inline float tame(float v)
{
	v = v == v ? v : 0.0f;
	v = v < -FAR ? -FAR : v;
	return v > FAR ? FAR : v;
}

/* A coordinate of [0, 1] in texels, tamed. odd: lanes where a mirror shows the texture reversed. */
static void to_texels(const struct tex_obj *t, uint8_t mode, const float x[N], float size, float v[N], uint32_t odd[N])
{
	if (!t->normalized) {
		ALL(l)
			v[l] = tame(x[l]);
		return;
	}
	switch (mode) {
	case TEX_WRAP:
		ALL(l) {
			float f = x[l] - floorf(x[l]);

			v[l] = (f >= 0.0f && f <= 1.0f ? f : 0.0f) * size;
		}
		return;
	case TEX_MIRROR:
		ALL(l) {
			float whole = floorf(x[l]), f = x[l] - whole;
			bool o = whole - 2.0f * floorf(whole * 0.5f) == 1.0f;

			f = f >= 0.0f && f <= 1.0f ? f : 0.0f;
			v[l] = (o ? 1.0f - f : f) * size;
			odd[l] = o;
		}
		return;
	default:
		ALL(l)
			v[l] = tame(tame(x[l]) * size);
	}
}

/* Texel numbers into range. shifted: by offsets, so that they may be far out. */
static void into_range(uint8_t mode, int32_t n, bool shifted, int32_t i[N], uint32_t in[N])
{
	switch (mode) {
	case TEX_BORDER:
		ALL(l) {
			in[l] = i[l] >= 0 && i[l] < n ? UINT32_MAX : 0;
			i[l] = clampi(i[l], n - 1);
		}
		return;
	case TEX_WRAP:
		if (shifted)
			ALL(l)
				i[l] = (i[l] % n + n) % n;
		else
			ALL(l) {
				i[l] = i[l] < 0 ? i[l] + n : i[l];
				i[l] = i[l] >= n ? i[l] - n : i[l];
			}
		break;
	case TEX_MIRROR:
		if (shifted)
			ALL(l) {
				int32_t k = (i[l] % (2 * n) + 2 * n) % (2 * n);

				i[l] = k < n ? k : 2 * n - 1 - k;
			}
		break;
	}
	ALL(l)
		i[l] = clampi(i[l], n - 1);
}

static int32_t shift(int32_t i, int32_t off)
{
	return i + (off < -65536 ? -65536 : off > 65536 ? 65536 : off);
}

static void axis_set(const struct tex_obj *t, const struct coords *c, unsigned dim, bool ints, bool two, uint32_t size, struct axis *a)
{
	/* Wrap and mirror are for normalized coordinates; without, and for texel numbers, they clamp. */
	uint8_t mode = t->buffer ? TEX_BORDER : t->addr[dim];
	bool shifted = c->has_off;
	uint32_t odd[N] = { 0 };
	float v[N];

	if ((!t->normalized || ints) && mode != TEX_BORDER)
		mode = TEX_CLAMP;
	a->border = mode == TEX_BORDER;
	a->n = 1;
	if (ints) {
		ALL(l)
			a->i[0][l] = c->i[dim][l];
		if (shifted)
			ALL(l)
				a->i[0][l] = shift(a->i[0][l] < -(1 << 30) ? -(1 << 30) : a->i[0][l] > 1 << 30 ? 1 << 30 : a->i[0][l],
						   c->off[dim][l]);
		into_range(mode, (int32_t)size, true, a->i[0], a->in[0]);
		return;
	}
	to_texels(t, mode, c->f[dim], (float)size, v, odd);
	if (two) {
		a->n = 2;
		ALL(l) {
			int32_t q = (int32_t)rintf(v[l] * 256.0f) - 128;

			a->i[0][l] = q >> 8;
			a->w[1][l] = (float)(q & 255) * (1.0f / 256.0f);
			a->w[0][l] = 1.0f - a->w[1][l];
		}
	} else {
		ALL(l)
			a->i[0][l] = (int32_t)floorf(v[l]);
	}
	if (shifted)
		ALL(l)
			a->i[0][l] = shift(a->i[0][l], odd[l] ? -c->off[dim][l] : c->off[dim][l]);
	if (two) {
		ALL(l)
			a->i[1][l] = a->i[0][l] + 1;
		into_range(mode, (int32_t)size, shifted, a->i[1], a->in[1]);
	}
	into_range(mode, (int32_t)size, shifted, a->i[0], a->in[0]);
}

/* ---- texels ---- */

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
FETCH(srgb, u8_t, bits_of_f32(tex_srgb[v]))

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

static void fetch_srgb8(const struct tex_obj *t, const uint8_t *p, const int64_t at[N], struct texels *o)
{
	/* alpha is linear */
	fetch_srgb(p, at, MIN(t->channels, 3u), o);
	if (t->channels == 4)
		ALL(l)
			o->c[3][l] = bits_of_f32((float)p[at[l] + 3] / 255.0f);
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

static void paint_border(const struct tex_obj *t, const uint32_t in[N], struct texels *o)
{
	for (unsigned c = 0; c < t->channels; c++)
		ALL(l)
			o->c[c][l] = (o->c[c][l] & in[l]) | (t->border[c] & ~in[l]);
}

/* ---- cube maps: over the edge of a face lies another ---- */

/* Texel (i, j), up to one out, of a face of n x n texels: moved to the face where it lies. */
static void over_edge(int32_t n, int32_t *face, int32_t *i, int32_t *j)
{
	float s, t, v[3], a[3], m;
	int32_t f = *face;

	if (*i >= 0 && *i < n && *j >= 0 && *j < n)
		return;
	/* A corner belongs to no face: the nearest texel of the neighbour in y. */
	if (*j < 0 || *j >= n)
		*i = clampi(*i, n - 1);
	s = (2.0f * (float)*i + 1.0f) / (float)n - 1.0f;
	t = (2.0f * (float)*j + 1.0f) / (float)n - 1.0f;
	switch (f) {
	case 0: v[0] = 1, v[1] = -t, v[2] = -s; break;
	case 1: v[0] = -1, v[1] = -t, v[2] = s; break;
	case 2: v[0] = s, v[1] = 1, v[2] = t; break;
	case 3: v[0] = s, v[1] = -1, v[2] = -t; break;
	case 4: v[0] = s, v[1] = -t, v[2] = 1; break;
	default: v[0] = -s, v[1] = -t, v[2] = -1; break;
	}
	for (int k = 0; k < 3; k++)
		a[k] = fabsf(v[k]);
	/* the component that is out of [-1, 1] leads */
	if (a[0] > a[1] && a[0] > a[2]) {
		f = v[0] > 0 ? 0 : 1;
		m = a[0], s = v[0] > 0 ? -v[2] : v[2], t = -v[1];
	} else if (a[1] > a[2]) {
		f = v[1] > 0 ? 2 : 3;
		m = a[1], s = v[0], t = v[1] > 0 ? v[2] : -v[2];
	} else {
		f = v[2] > 0 ? 4 : 5;
		m = a[2], s = v[2] > 0 ? v[0] : -v[0], t = -v[1];
	}
	*face = f;
	*i = clampi((int32_t)floorf((s / m + 1.0f) * 0.5f * (float)n), n - 1);
	*j = clampi((int32_t)floorf((t / m + 1.0f) * 0.5f * (float)n), n - 1);
}

/* ---- one level ---- */

static inline int64_t lane_mask(uint32_t mask, uint32_t l)
{
	return -(int64_t)(mask >> l & 1);
}

struct level {
	const struct tex_obj *t;
	const struct tex_level *l;
	uint32_t mask;
	const struct coords *c;
	struct axis a[3];
	bool seamless;
};

static void place_seamless(const struct level *v, unsigned tx, unsigned ty, int64_t at[N])
{
	int32_t last = (int32_t)v->l->d - 1;

	ALL(l) {
		int32_t layer = v->c->slice[l] / 6, face = v->c->slice[l] % 6, i = v->a[0].i[tx][l], j = v->a[1].i[ty][l];

		over_edge((int32_t)v->l->w, &face, &i, &j);
		at[l] = ((int64_t)clampi(layer * 6 + face, last) * (int64_t)v->l->slice + clampi(j, (int32_t)v->l->h - 1) * (int64_t)v->l->pitch +
			 (int64_t)i * v->t->texel_B) & lane_mask(v->mask, l);
	}
}

static void place(const struct level *v, unsigned tx, unsigned ty, unsigned tz, int64_t at[N])
{
	int64_t texel = v->t->texel_B, pitch = (int64_t)v->l->pitch, slice = (int64_t)v->l->slice;

	if (v->seamless) {
		place_seamless(v, tx, ty, at);
		return;
	}
	ALL(l)
		at[l] = v->a[0].i[tx][l] * texel;
	if (v->c->dims > 1)
		ALL(l)
			at[l] += v->a[1].i[ty][l] * pitch;
	if (v->c->dims > 2)
		ALL(l)
			at[l] += v->a[2].i[tz][l] * slice;
	if (v->c->layered) {
		int32_t last = (int32_t)v->l->d - 1;

		ALL(l)
			at[l] += clampi(v->c->slice[l], last) * slice;
	}
	if (v->mask != UINT32_MAX)
		ALL(l)
			at[l] &= lane_mask(v->mask, l);
}

static void tap(const struct level *v, unsigned tx, unsigned ty, unsigned tz, struct texels *o)
{
	unsigned n[3] = { tx, ty, tz };
	uint32_t in[N];
	int64_t at[N];
	bool border = false;

	place(v, tx, ty, tz, at);
	fetch(v->t, (const uint8_t *)(uintptr_t)v->l->addr, at, o);
	for (unsigned d = 0; d < v->c->dims; d++) {
		if (!v->a[d].border)
			continue;
		if (!border)
			memset(in, 0xff, sizeof(in));
		border = true;
		ALL(l)
			in[l] &= v->a[d].in[n[d]][l];
	}
	if (border)
		paint_border(v->t, in, o);
}

static void add_tap(const struct level *v, unsigned tx, unsigned ty, unsigned tz, bool first, struct texels *sum)
{
	struct texels o;
	float w[N];

	tap(v, tx, ty, tz, &o);
	ALL(l)
		w[l] = v->a[0].w[tx][l];
	if (v->c->dims > 1)
		ALL(l)
			w[l] *= v->a[1].w[ty][l];
	if (v->c->dims > 2)
		ALL(l)
			w[l] *= v->a[2].w[tz][l];
	for (unsigned c = 0; c < v->t->channels; c++)
		ALL(l) {
			float p = f32_of(o.c[c][l]) * w[l], s = first ? 0.0f : f32_of(sum->c[c][l]);

			p = w[l] != 0.0f ? p : 0.0f;
			sum->c[c][l] = bits_of_f32(first ? p : s + p);
		}
}

static bool level_prepare(const struct tex_sample *s, const struct coords *c, unsigned n, uint32_t mask, bool two, struct level *v)
{
	const struct tex_obj *t = s->t;
	struct tex_obj edge;
	uint32_t size[3];

	v->t = t;
	v->l = &t->level[n];
	v->mask = mask;
	v->c = c;
	v->seamless = c->cube && t->seamless && two && v->l->w == v->l->h;
	size[0] = v->l->w, size[1] = v->l->h, size[2] = v->l->d;
	if (c->cube) {
		/* a face's coordinates are of [0, 1], and don't leave it */
		edge = *t;
		edge.normalized = true;
		edge.addr[0] = edge.addr[1] = TEX_CLAMP;
		t = &edge;
	}
	for (unsigned d = 0; d < c->dims; d++)
		axis_set(t, c, d, !c->cube && (s->int_coords || t->buffer), two, size[d], &v->a[d]);
	if (v->seamless)
		for (unsigned d = 0; d < 2; d++)
			ALL(l) {
				/* again, but not brought into the face */
				int32_t q = (int32_t)rintf(tame(tame(c->f[d][l]) * (float)size[d]) * 256.0f) - 128;

				v->a[d].i[0][l] = q >> 8;
				v->a[d].i[1][l] = (q >> 8) + 1;
			}
	return two && v->a[0].n == 2;
}

static void gather_level(const struct tex_sample *s, const struct level *v, bool two, struct texels *o)
{
	static const uint8_t order[4][2] = { { 0, 1 }, { 1, 1 }, { 1, 0 }, { 0, 0 } };
	struct texels one;

	for (unsigned k = 0; k < 4; k++) {
		tap(v, two && order[k][0], two && order[k][1], 0, &one);
		if (s->gather < (int)v->t->channels)
			memcpy(o->c[k], one.c[s->gather], sizeof(o->c[k]));
		else
			memset(o->c[k], 0, sizeof(o->c[k]));
	}
}

static void sample_level(const struct tex_sample *s, const struct coords *c, unsigned n, uint32_t mask, struct texels *o)
{
	bool two = s->gather >= 0 || s->t->linear, first = true;
	struct level v;

	two = level_prepare(s, c, n, mask, two, &v);
	if (s->gather >= 0) {
		gather_level(s, &v, two, o);
		return;
	}
	if (!two) {
		tap(&v, 0, 0, 0, o);
		return;
	}
	for (unsigned z = 0; z < (c->dims > 2 ? 2u : 1u); z++)
		for (unsigned y = 0; y < (c->dims > 1 ? 2u : 1u); y++)
			for (unsigned x = 0; x < 2; x++) {
				add_tap(&v, x, y, z, first, o);
				first = false;
			}
}

/* ---- coordinates ---- */

static float cell_f(const uint64_t *row, uint32_t l)
{
	return f32_of((uint32_t)row[l]);
}

/* Which face a direction meets, and where: m, and s and t over it (programming guide, Cubemap Textures). */
static int32_t face_of(const float v[3], float *m, float *s, float *t)
{
	float x = fabsf(v[0]), y = fabsf(v[1]), z = fabsf(v[2]);

	if (x > y && x > z) {
		*m = x, *s = v[0] > 0 ? -v[2] : v[2], *t = -v[1];
		return v[0] > 0 ? 0 : 1;
	}
	if (y > z) {
		*m = y, *s = v[0], *t = v[1] > 0 ? v[2] : -v[2];
		return v[1] > 0 ? 2 : 3;
	}
	*m = z, *s = v[2] > 0 ? v[0] : -v[0], *t = -v[1];
	return v[2] > 0 ? 4 : 5;
}

static void cube_coords(const struct tex_sample *s, struct coords *c)
{
	ALL(l) {
		float v[3] = { cell_f(s->x[0], l), cell_f(s->x[1], l), cell_f(s->x[2], l) }, m, sc, tc;
		uint32_t last = s->t->level[0].d / 6;
		int32_t face = face_of(v, &m, &sc, &tc);

		c->f[0][l] = (sc / m + 1.0f) * 0.5f;
		c->f[1][l] = (tc / m + 1.0f) * 0.5f;
		c->slice[l] = face;
		if (s->shape == TEX_ACUBE && last)
			c->slice[l] += 6 * (int32_t)MIN((uint32_t)s->layer[l], last - 1);
	}
}

static void coords_set(const struct tex_sample *s, struct coords *c)
{
	static const uint8_t dims[] = { [TEX_1D] = 1, [TEX_2D] = 2, [TEX_3D] = 3, [TEX_A1D] = 1, [TEX_A2D] = 2, [TEX_CUBE] = 2, [TEX_ACUBE] = 2 };

	c->dims = dims[s->shape];
	c->cube = s->shape == TEX_CUBE || s->shape == TEX_ACUBE;
	c->layered = c->cube || s->shape == TEX_A1D || s->shape == TEX_A2D;
	c->has_off = s->off[0] != NULL;
	if (c->cube) {
		c->has_off = false;
		cube_coords(s, c);
		return;
	}
	for (unsigned d = 0; d < c->dims; d++) {
		if (s->int_coords)
			ALL(l)
				c->i[d][l] = (int32_t)(uint32_t)s->x[d][l];
		else
			ALL(l)
				c->f[d][l] = f32_of((uint32_t)s->x[d][l]);
		if (c->has_off)
			ALL(l)
				c->off[d][l] = s->off[d] ? (int32_t)(uint32_t)s->off[d][l] : 0;
	}
	/* memory without a sampler is read by number */
	for (unsigned d = 0; d < c->dims && s->t->buffer && !s->int_coords; d++)
		ALL(l)
			c->i[d][l] = (int32_t)floorf(tame(c->f[d][l]));
	if (c->layered)
		ALL(l)
			c->slice[l] = (int32_t)MIN((uint32_t)s->layer[l], (uint32_t)INT32_MAX);
}

/* ---- which levels ---- */

/* Texels of level 0 that a step along one screen axis crosses. */
static float step(const struct tex_sample *s, const struct coords *c, const uint64_t *const g[3], uint32_t l)
{
	const struct tex_level *v = &s->t->level[0];
	float size[3] = { (float)v->w, (float)v->h, (float)v->d }, sum = 0;
	float dir[3], dm, ds, dt, m, sc, tc;
	int32_t face;

	if (!c->cube) {
		for (unsigned d = 0; d < c->dims; d++) {
			float x = cell_f(g[d], l) * (s->t->normalized ? size[d] : 1.0f);

			sum += x * x;
		}
		return sqrtf(sum);
	}
	for (unsigned d = 0; d < 3; d++)
		dir[d] = cell_f(s->x[d], l);
	face = face_of(dir, &m, &sc, &tc);
	for (unsigned d = 0; d < 3; d++)
		dir[d] = cell_f(g[d], l);
	switch (face) {
	case 0: dm = dir[0], ds = -dir[2], dt = -dir[1]; break;
	case 1: dm = -dir[0], ds = dir[2], dt = -dir[1]; break;
	case 2: dm = dir[1], ds = dir[0], dt = dir[2]; break;
	case 3: dm = -dir[1], ds = dir[0], dt = -dir[2]; break;
	case 4: dm = dir[2], ds = dir[0], dt = -dir[1]; break;
	default: dm = -dir[2], ds = -dir[0], dt = -dir[1]; break;
	}
	ds = (ds * m - sc * dm) / (m * m) * 0.5f * size[0];
	dt = (dt * m - tc * dm) / (m * m) * 0.5f * size[1];
	return sqrtf(ds * ds + dt * dt);
}

static float lane_lod(const struct tex_sample *s, const struct coords *c, uint32_t l)
{
	const struct tex_obj *t = s->t;
	float lod = 0;

	if (s->lod_mode == TEX_LOD && s->int_coords)
		lod = (float)(int32_t)(uint32_t)s->lod[l];
	else if (s->lod_mode == TEX_LOD)
		lod = cell_f(s->lod, l) + t->lod_bias;
	else if (s->lod_mode == TEX_GRAD)
		lod = log2f(fmaxf(step(s, c, s->dx, l), step(s, c, s->dy, l))) + t->lod_bias;
	/* NaN: the finest */
	lod = lod >= t->lod_min ? lod : t->lod_min;
	lod = lod <= t->lod_max ? lod : t->lod_max;
	lod = lod >= 0.0f ? lod : 0.0f;
	return lod <= (float)(t->n_levels - 1) ? lod : (float)(t->n_levels - 1);
}

static void keep(struct texels *o, const struct texels *a, uint32_t mask, unsigned n)
{
	for (unsigned c = 0; c < n; c++)
		tex_for_lanes(l, mask)
			o->c[c][l] = a->c[c][l];
}

static void mix(struct texels *o, const struct texels *b, const float f[N], uint32_t mask, unsigned n)
{
	for (unsigned c = 0; c < n; c++)
		tex_for_lanes(l, mask) {
			float x = f32_of(o->c[c][l]), y = f32_of(b->c[c][l]);

			if (f[l] != 0.0f)
				o->c[c][l] = bits_of_f32((1.0f - f[l]) * x + f[l] * y);
		}
}

static void sample_mips(const struct tex_sample *s, const struct coords *c, struct texels *o)
{
	uint32_t todo = s->mask;
	unsigned n = s->gather >= 0 ? 4 : s->t->channels;
	struct texels one;
	int32_t base[N];
	float part[N];

	tex_for_lanes(l, s->mask) {
		float lod = lane_lod(s, c, l);
		int32_t q = (int32_t)rintf(lod * 256.0f);

		base[l] = s->t->mip_linear ? q >> 8 : (int32_t)floorf(lod + 0.5f);
		part[l] = s->t->mip_linear ? (float)(q & 255) * (1.0f / 256.0f) : 0.0f;
	}
	while (todo) {
		int32_t level = base[__builtin_ctz(todo)];
		uint32_t here = 0, between = 0;

		tex_for_lanes(l, todo) {
			here |= (uint32_t)(base[l] == level) << l;
			between |= (uint32_t)(base[l] == level && part[l] != 0.0f) << l;
		}
		todo &= ~here;
		sample_level(s, c, (unsigned)level, here, &one);
		keep(o, &one, here, n);
		if (between && level + 1 < s->t->n_levels) {
			sample_level(s, c, (unsigned)level + 1, between, &one);
			mix(o, &one, part, between, n);
		}
	}
}

/* ---- results ---- */

static void put(uint64_t *d, const uint32_t v[N], uint32_t mask)
{
	if (!d)
		return;
	if (mask == UINT32_MAX) {
		ALL(l)
			d[l] = v[l];
		return;
	}
	tex_for_lanes(l, mask)
		d[l] = v[l];
}

static void results(const struct tex_sample *s, struct texels *o)
{
	unsigned n = s->gather >= 0 ? 4 : s->t->channels;

	for (unsigned c = n; c < 4; c++)
		memset(o->c[c], 0, sizeof(o->c[c]));
	if (s->result != TEX_R32)
		for (unsigned c = 0; c < 4; c++)
			ALL(l)
				o->c[c][l] = tex_is_float(s->t) ? f16_of_f32(f32_of(o->c[c][l])) : o->c[c][l] & 0xffff;
	if (s->result == TEX_RF16X2)
		for (unsigned c = 0; c < 2; c++)
			ALL(l)
				o->c[c][l] = o->c[2 * c][l] | o->c[2 * c + 1][l] << 16;
	for (unsigned c = 0; c < (s->result == TEX_RF16X2 ? 2u : 4u); c++)
		put(s->d[c], o->c[c], s->mask);
}

void TEX_SAMPLE(const struct tex_sample *s)
{
	struct coords c;
	struct texels o;

	coords_set(s, &c);
	if (s->t->n_levels > 1)
		sample_mips(s, &c, &o);
	else
		sample_level(s, &c, 0, s->mask, &o);
	results(s, &o);
}
