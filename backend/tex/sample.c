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
 * Filters compute as hardware was seen to (doc/numerics.md): weights are
 * counted in 256ths and split from level to slice to column to row, each step
 * rounded; so the sums below are exact, and rounded once. A tap of weight 0
 * doesn't count, also when it's not finite.
 */
#include <math.h>
#include <string.h>

#include "backend/tex/tex_impl.h"
#include "backend/tex/texels.h"
#include "util/compiler.h"

#ifndef TEX_SAMPLE
#define TEX_SAMPLE tex_sample_base
#endif

/* What a signed byte's unit is of 16 bits' (seen; 32767 / 127 would be a little more). */
#define S8_UNIT (258.0 + 1.0 / 128.0)
/* Beyond any texel, and small enough for 24.8 bits. */
#define FAR 1048576.0f

/* Texels that one axis gives a lane. */
struct axis {
	int32_t i[2][N];
	uint32_t in[2][N];       /* all ones: inside; else the border's colour */
	int32_t part[N];         /* of 256: the second texel's */
	unsigned n;              /* 1: there is one texel */
	bool border;             /* in is used */
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

/* A coordinate in texels: of the texture, when it wraps; of it and its reflection, when it is mirrored; else tamed. */
static void to_texels(bool normalized, uint8_t mode, const float x[N], float size, float v[N])
{
	if (!normalized) {
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
			float f = x[l] - 2.0f * floorf(x[l] * 0.5f);

			v[l] = (f >= 0.0f && f <= 2.0f ? f : 0.0f) * size;
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
			ALL(l)
				i[l] = (i[l] % (2 * n) + 2 * n) % (2 * n);
		ALL(l) {
			i[l] = i[l] < 0 ? -1 - i[l] : i[l] >= 2 * n ? i[l] - 2 * n : i[l];
			i[l] = i[l] >= n ? 2 * n - 1 - i[l] : i[l];
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

/* Half a texel back, in 256ths: to the nearest, ties up. */
static inline int32_t fixed(float v)
{
	float f = v * 256.0f, whole = floorf(f);

	return (int32_t)whole + (f - whole >= 0.5f) - 128;
}

static void axis_set(const struct tex_obj *t, const struct coords *c, unsigned dim, bool ints, bool two, uint32_t size, struct axis *a)
{
	/* Levels are found by normalized coordinates only; which don't wrap when the program hasn't said that they are. */
	bool normalized = t->normalized || t->n_levels > 1, shifted = c->has_off;
	uint8_t mode = t->buffer ? TEX_BORDER : t->addr[dim];
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
	to_texels(normalized, mode, c->f[dim], (float)size, v);
	if (two) {
		a->n = 2;
		ALL(l) {
			int32_t q = fixed(v[l]);

			a->i[0][l] = q >> 8;
			a->part[l] = q & 255;
		}
		/* Beyond the middles of the first and last texel there is only one. */
		if (mode == TEX_CLAMP)
			ALL(l) {
				bool out = a->i[0][l] < 0 || a->i[0][l] >= (int32_t)size - 1;

				a->part[l] = out ? 0 : a->part[l];
			}
	} else {
		ALL(l)
			a->i[0][l] = (int32_t)floorf(v[l]);
	}
	if (shifted)
		ALL(l)
			a->i[0][l] = shift(a->i[0][l], c->off[dim][l]);
	if (two) {
		ALL(l)
			a->i[1][l] = a->i[0][l] + 1;
		into_range(mode, (int32_t)size, shifted, a->i[1], a->in[1]);
	}
	into_range(mode, (int32_t)size, shifted, a->i[0], a->in[0]);
}

/* ---- cube maps: over the edge of a face lies another ---- */

/* Texel (i, j), up to one out, of a face of n x n texels: moved to the face where it lies. */
static void over_edge(int32_t n, int32_t *face, int32_t *i, int32_t *j)
{
	float s, t, v[3], a[3], m;
	int32_t f = *face;

	if (*i >= 0 && *i < n && *j >= 0 && *j < n)
		return;
	/* A corner belongs to no face: any texel will do, it has no share. */
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

static void tap(const struct level *v, unsigned tx, unsigned ty, unsigned tz, bool units, struct texels *o)
{
	unsigned n[3] = { tx, ty, tz };
	const uint8_t *p = (const uint8_t *)(uintptr_t)v->l->addr;
	uint32_t in[N];
	int64_t at[N];
	bool border = false;

	place(v, tx, ty, tz, at);
	if (units)
		fetch_units(v->t, p, at, o);
	else
		fetch(v->t, p, at, o);
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
		paint_border(v->t, in, units, o);
}

/* All units are integers. */
static bool sums_integers(const struct tex_obj *t)
{
	return t->norm && t->chan != TEX_S8;
}

/* What a filter has summed up, in 256ths of the texels' units. */
struct sums {
	double f[4][N];          /* floats, of which no exact sum fits a float */
	float i[4][N];           /* integers below 2^24 */
	float top[4][N];         /* the greatest texel; used where lost_bits() is */
	bool looking;            /* for it */
};

/* Significant bits of the greatest texel's place that others have, too; what lies below is lost to them. 0: all. */
static int lost_bits(const struct tex_obj *t, unsigned c)
{
	if (!t->norm)
		return t->chan == TEX_F16 ? 15 : 0;
	return t->srgb && c < srgb_channels(t) ? 8 : 0;
}

static void look_for_top(const struct texels *o, const int32_t w[N], unsigned n, struct sums *s)
{
	for (unsigned c = 0; c < n; c++)
		ALL(l) {
			float v = fabsf(f32_of(o->c[c][l]));

			s->top[c][l] = w[l] && v > s->top[c][l] ? v : s->top[c][l];
		}
}

static void cut_bits(const struct tex_obj *t, const struct sums *s, struct texels *o)
{
	for (unsigned c = 0; c < t->channels; c++) {
		int32_t bits = lost_bits(t, c) - 1;

		if (bits < 0)
			continue;
		ALL(l) {
			int32_t e = (int32_t)(bits_of_f32(s->top[c][l]) >> 23) - bits;
			float unit = f32_of((uint32_t)(e > 0 ? e : 1) << 23), v = f32_of(o->c[c][l]);

			/* infinities stay */
			o->c[c][l] = e > 255 - 32 ? o->c[c][l] : bits_of_f32(truncf(v / unit) * unit);
		}
	}
}

static void add_floats(const struct texels *o, const int32_t w[N], unsigned n, struct sums *s)
{
	for (unsigned c = 0; c < n; c++)
		ALL(l) {
			double p = (double)f32_of(o->c[c][l]) * (double)w[l];

			s->f[c][l] += w[l] ? p : 0.0;
		}
}

static void add_integers(const struct texels *o, const int32_t w[N], unsigned n, struct sums *s)
{
	for (unsigned c = 0; c < n; c++)
		ALL(l)
			s->i[c][l] += f32_of(o->c[c][l]) * (float)w[l];
}

static void add_tap(const struct level *v, unsigned tx, unsigned ty, unsigned tz, const int32_t w[N], struct sums *s)
{
	struct texels o;

	tap(v, tx, ty, tz, true, &o);
	if (s->looking) {
		look_for_top(&o, w, v->t->channels, s);
		return;
	}
	cut_bits(v->t, s, &o);
	if (sums_integers(v->t))
		add_integers(&o, w, v->t->channels, s);
	else
		add_floats(&o, w, v->t->channels, s);
}

/* The share of 256 that goes to the second of two: rounded, ties up; of a first column they go down. */
static void split(const int32_t all[N], const struct axis *a, int32_t half, int32_t first[N], int32_t second[N])
{
	if (a->n == 1) {
		memcpy(first, all, N * sizeof(*first));
		return;
	}
	ALL(l) {
		int32_t s = (all[l] * a->part[l] + half) >> 8;

		second[l] = s;
		first[l] = all[l] - s;
	}
}

/* At a seamless cube map's corners there are three texels: the fourth one's share goes to them. */
static void share_corner(const struct level *v, int32_t w[2][2][N])
{
	int32_t n = (int32_t)v->l->w;

	for (int x = 0; x < 2; x++)
		for (int y = 0; y < 2; y++)
			ALL(l) {
				int32_t i = v->a[0].i[x][l], j = v->a[1].i[y][l], third;

				if ((i >= 0 && i < n) || (j >= 0 && j < n))
					continue;
				third = (2 * w[x][y][l] + 3) / 6;
				w[!x][y][l] += third;
				w[x][!y][l] += third;
				w[!x][!y][l] += w[x][y][l] - 2 * third;
				w[x][y][l] = 0;
			}
}

static void filter_seamless(const struct level *v, const int32_t share[N], struct sums *s)
{
	int32_t wx[2][N], w[2][2][N];

	split(share, &v->a[0], 128, wx[0], wx[1]);
	for (int x = 0; x < 2; x++)
		split(wx[x], &v->a[1], x ? 128 : 127, w[x][0], w[x][1]);
	share_corner(v, w);
	for (unsigned x = 0; x < 2; x++)
		for (unsigned y = 0; y < 2; y++)
			add_tap(v, x, y, 0, w[x][y], s);
}

/* Adds a level that has share[l] of 256. */
static void filter_level(const struct level *v, const int32_t share[N], struct sums *s)
{
	unsigned dims = v->c->dims, nx = v->a[0].n, ny = dims > 1 ? v->a[1].n : 1, nz = dims > 2 ? v->a[2].n : 1;
	int32_t wz[2][N], wx[2][N], wy[2][N];

	if (v->seamless) {
		filter_seamless(v, share, s);
		return;
	}
	if (dims > 2)
		split(share, &v->a[2], 128, wz[0], wz[1]);
	else
		memcpy(wz[0], share, sizeof(wz[0]));
	for (unsigned z = 0; z < nz; z++) {
		split(wz[z], &v->a[0], 128, wx[0], wx[1]);
		for (unsigned x = 0; x < nx; x++) {
			if (dims > 1)
				split(wx[x], &v->a[1], x ? 128 : 127, wy[0], wy[1]);
			else
				memcpy(wy[0], wx[x], sizeof(wy[0]));
			for (unsigned y = 0; y < ny; y++)
				add_tap(v, x, y, z, wy[y], s);
		}
	}
}

/* Sums as floats: hardware has normalized ones and halves in 16 bits between. */
static void finish_integers(const struct tex_obj *t, unsigned c, const float s[N], uint32_t o[N])
{
	if (t->srgb && c < srgb_channels(t)) {
		ALL(l)
			o[l] = bits_of_f32(f32_of_f16(f16_of_f32(s[l] * (1.0f + 0x1p-23f) * (1.0f / 256 / 16384))));
	} else if (t->chan == TEX_S16) {
		ALL(l) {
			float r = floorf(s[l] * (1.0f / 256) + 0.5f) / 32767.0f;

			o[l] = bits_of_f32(r < -1.0f ? -1.0f : r);
		}
	} else {
		ALL(l)
			o[l] = bits_of_f32(floorf(s[l] * (1.0f / 256) + 0.5f) / 65535.0f);
	}
}

/* The sum in units: a little more of it, which turns ties away from zero, as hardware has them. */
static double of_256(double v)
{
	return v * (1.0 / 256) * (1.0 + 0x1p-52);
}

/* To f32, so that a second rounding to f16 gives what one would: inexact ones are cut off and made odd. */
static uint32_t to_odd(double v)
{
	float f = (float)v;
	uint32_t u = bits_of_f32(f);

	u -= fabs((double)f) > fabs(v);
	return u | ((double)f != v);
}

static void finish_floats(const struct tex_obj *t, const double s[N], uint32_t o[N])
{
	if (t->norm) {           /* TEX_S8 */
		ALL(l) {
			float r = (float)floor(s[l] * (S8_UNIT / 256.0) + 0.5) / 32767.0f;

			o[l] = bits_of_f32(r < -1.0f ? -1.0f : r);
		}
	} else if (t->chan == TEX_F16) {
		ALL(l)
			o[l] = bits_of_f32(f32_of_f16(f16_of_f32(f32_of(to_odd(of_256(s[l]))))));
	} else {
		ALL(l)
			o[l] = bits_of_f32((float)of_256(s[l]));
	}
}

static void finish(const struct tex_obj *t, const struct sums *s, struct texels *o)
{
	for (unsigned c = 0; c < t->channels; c++)
		if (sums_integers(t))
			finish_integers(t, c, s->i[c], o->c[c]);
		else
			finish_floats(t, s->f[c], o->c[c]);
}

static void level_prepare(const struct tex_sample *s, const struct coords *c, unsigned n, uint32_t mask, bool two, struct level *v)
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
				int32_t q = fixed(tame(tame(c->f[d][l]) * (float)size[d]));

				v->a[d].i[0][l] = q >> 8;
				v->a[d].i[1][l] = (q >> 8) + 1;
				v->a[d].part[l] = q & 255;
			}
}

static void gather_level(const struct tex_sample *s, const struct level *v, struct texels *o)
{
	static const uint8_t order[4][2] = { { 0, 1 }, { 1, 1 }, { 1, 0 }, { 0, 0 } };
	bool two = v->a[0].n == 2;
	struct texels one;

	for (unsigned k = 0; k < 4; k++) {
		tap(v, two && order[k][0], two && order[k][1], 0, false, &one);
		if (s->gather < (int)v->t->channels && v->t->norm && v->t->chan == TEX_S8)
			ALL(l)
				o->c[k][l] = bits_of_f32(floorf(rintf(f32_of(one.c[s->gather][l]) * 127.0f) * (float)S8_UNIT + 0.5f) / 32767.0f);
		else if (s->gather < (int)v->t->channels)
			memcpy(o->c[k], one.c[s->gather], sizeof(o->c[k]));
		else
			memset(o->c[k], 0, sizeof(o->c[k]));
	}
}

/* One level without a filter. */
static void sample_level(const struct tex_sample *s, const struct coords *c, unsigned n, uint32_t mask, struct texels *o)
{
	struct level v;

	level_prepare(s, c, n, mask, s->gather >= 0, &v);
	if (s->gather >= 0)
		gather_level(s, &v, o);
	else
		tap(&v, 0, 0, 0, false, o);
}

/* Level n, and of part[l] of 256 the one behind it. */
static void filter_levels(const struct tex_sample *s, const struct coords *c, unsigned n, uint32_t mask, const int32_t part[N],
			  struct texels *o)
{
	bool pair = false;
	int32_t share[N];
	struct level v[2];
	struct sums sum;

	memset(&sum, 0, sizeof(sum));
	ALL(l) {
		share[l] = 256 - part[l];
		pair |= part[l] != 0;
	}
	pair = pair && n + 1 < s->t->n_levels;
	level_prepare(s, c, n, mask, s->t->linear, &v[0]);
	if (pair)
		level_prepare(s, c, n + 1, mask, s->t->linear, &v[1]);
	/* twice, where the texels' greatest one has to be known first */
	for (sum.looking = lost_bits(s->t, 0) != 0;; sum.looking = false) {
		filter_level(&v[0], share, &sum);
		if (pair)
			filter_level(&v[1], part, &sum);
		if (!sum.looking)
			break;
	}
	finish(s->t, &sum, o);
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
	/* To hardware they have two, the second one at 0, where half is border if that is its mode (seen). */
	if (s->shape == TEX_1D && s->t->addr[1] == TEX_BORDER && s->t->linear && !s->int_coords && !s->t->buffer) {
		c->dims = 2;
		memset(c->f[1], 0, sizeof(c->f[1]));
		memset(c->off[1], 0, sizeof(c->off[1]));
	}
	if (c->cube) {
		c->has_off = false;
		cube_coords(s, c);
		return;
	}
	for (unsigned d = 0; d < dims[s->shape]; d++) {
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
			float x = cell_f(g[d], l) * (s->t->normalized || s->t->n_levels > 1 ? size[d] : 1.0f);

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

/* In 256ths, cut off; far beyond any level is enough. */
static int32_t cut(float lod)
{
	lod = lod == lod ? lod : -64.0f;
	lod = lod < -64.0f ? -64.0f : lod > 64.0f ? 64.0f : lod;
	return (int32_t)(lod * 256.0f);
}

/* A lane's level of detail in 256ths. */
static int32_t lane_lod(const struct tex_sample *s, const struct coords *c, uint32_t l)
{
	const struct tex_obj *t = s->t;
	int32_t lod = 0, last = (t->n_levels - 1) * 256;

	if (s->lod_mode == TEX_LOD && s->int_coords)
		lod = clampi((int32_t)(uint32_t)s->lod[l], 64) * 256;
	else if (s->lod_mode == TEX_LOD)
		lod = cut(cell_f(s->lod, l)) + cut(t->lod_bias);
	else if (s->lod_mode == TEX_GRAD)
		lod = cut(log2f(fmaxf(step(s, c, s->dx, l), step(s, c, s->dy, l)))) + cut(t->lod_bias);
	lod = MAX(lod, cut(t->lod_min));
	lod = MIN(lod, cut(t->lod_max));
	return clampi(lod, last);
}

static void keep(struct texels *o, const struct texels *a, uint32_t mask, unsigned n)
{
	for (unsigned c = 0; c < n; c++)
		tex_for_lanes(l, mask)
			o->c[c][l] = a->c[c][l];
}

static void sample_mips(const struct tex_sample *s, const struct coords *c, bool filter, struct texels *o)
{
	uint32_t todo = s->mask;
	unsigned n = s->gather >= 0 ? 4 : s->t->channels;
	int32_t base[N], part[N] = { 0 };
	struct texels one;

	tex_for_lanes(l, s->mask) {
		int32_t lod = lane_lod(s, c, l);

		base[l] = s->t->mip_linear && filter ? lod >> 8 : (lod + 128) >> 8;
		part[l] = s->t->mip_linear && filter ? lod & 255 : 0;
	}
	while (todo) {
		int32_t level = base[__builtin_ctz(todo)], some[N] = { 0 };
		uint32_t here = 0;

		tex_for_lanes(l, todo) {
			here |= (uint32_t)(base[l] == level) << l;
			some[l] = base[l] == level ? part[l] : 0;
		}
		todo &= ~here;
		if (filter)
			filter_levels(s, c, (unsigned)level, here, some, &one);
		else
			sample_level(s, c, (unsigned)level, here, &one);
		keep(o, &one, here, n);
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
	static const int32_t none[N];
	bool filter = s->gather < 0 && (s->t->linear || (s->t->mip_linear && s->t->n_levels > 1)) && !s->t->buffer && !s->int_coords;
	struct coords c;
	struct texels o;

	coords_set(s, &c);
	if (s->t->n_levels > 1)
		sample_mips(s, &c, filter, &o);
	else if (filter)
		filter_levels(s, &c, 0, s->mask, none, &o);
	else
		sample_level(s, &c, 0, s->mask, &o);
	results(s, &o);
}
