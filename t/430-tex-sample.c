/*
 * t/430: the sampler against a reference written from what doc/numerics.md says of textures, one texel and one lane at a
 * time: geometries, formats, addressing modes, filters, mip levels, gathers; its compilations against each other.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tex.h"
#include "backend/tex/tex_impl.h"
#include "t/lib/tap.h"
#include "t/lib/tex_random.h"

#define N TEX_LANES

/* ---- the reference ---- */

static double half_value(uint16_t h)
{
	int e = h >> 10 & 31, m = h & 1023;
	double v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);

	return h & 0x8000 ? -v : v;
}

/* One channel of one texel as a number. */
static double texel(const struct tex_obj *t, const struct tex_level *v, unsigned c, bool filter, long x, long y, long z)
{
	static const int size[] = { 1, 1, 2, 2, 4, 4, 2, 4 };
	const uint8_t *p = (const uint8_t *)(uintptr_t)v->addr + (size_t)z * v->slice + (size_t)y * v->pitch +
			   (size_t)x * t->texel_B + c * (size_t)size[t->chan];
	int8_t s8;
	int16_t s16;
	uint16_t u16;
	int32_t s32;
	uint32_t u32;
	float f;

	memcpy(&s8, p, 1);
	memcpy(&s16, p, size[t->chan] > 1 ? 2 : 1);
	memcpy(&u16, &s16, 2);
	memcpy(&s32, p, size[t->chan] > 2 ? 4 : 1);
	memcpy(&u32, &s32, 4);
	memcpy(&f, &s32, 4);
	switch (t->chan) {
	case TEX_U8: return !t->norm ? *p : t->srgb && c < (t->channels == 4 ? 3u : 1u) ? tex_srgb[*p] / 16384.0 : *p / 255.0;
	/* the least is below -1, which is cut behind the filter */
	case TEX_S8: return !t->norm ? s8 : filter ? s8 / 127.0 : fmax(s8 / 127.0, -1);
	case TEX_U16: return !t->norm ? u16 : u16 / 65535.0;
	case TEX_S16: return !t->norm ? s16 : filter ? s16 / 32767.0 : fmax(s16 / 32767.0, -1);
	case TEX_U32: return u32;
	case TEX_S32: return s32;
	case TEX_F16: return half_value(u16);
	default: return f;
	}
}

static double border_value(const struct tex_obj *t, unsigned c)
{
	double unit = t->chan == TEX_U8 ? 255 : t->chan == TEX_S8 ? 127 : t->chan == TEX_U16 ? 65535 : 32767;

	/* a float near a texel's value: tex_obj_check made it so */
	if (t->norm && !t->srgb)
		return nearbyint(real_of(t->border[c]) * unit) / unit;
	if (tex_is_float(t))
		return real_of(t->border[c]);
	return t->chan == TEX_S8 || t->chan == TEX_S16 || t->chan == TEX_S32 ? (double)(int32_t)t->border[c] : t->border[c];
}

/* A coordinate in texels, before texels are numbered. */
static double fold(const struct tex_obj *t, unsigned dim, float x, uint32_t n)
{
	bool normalized = t->normalized || t->n_levels > 1;
	uint8_t mode = t->normalized ? t->addr[dim] : TEX_CLAMP;

	if (isnan(x))
		return 0;
	if (isinf(x))
		return normalized && (mode == TEX_WRAP || mode == TEX_MIRROR) ? 0 : x > 0 ? 1e6 : -1e6;
	if (!normalized)
		return x;
	if (mode == TEX_WRAP)
		return (x - floorf(x)) * (float)n;
	if (mode == TEX_MIRROR)
		return (x - 2 * floorf(x / 2)) * (float)n;
	return x * (float)n;
}

/* A texel number in range, or -1: the border. */
static long number(const struct tex_obj *t, unsigned dim, long i, long n)
{
	if (t->addr[dim] == TEX_BORDER)
		return i < 0 || i >= n ? -1 : i;
	if (t->addr[dim] == TEX_WRAP && t->normalized)
		return (i % n + n) % n;
	if (t->addr[dim] == TEX_MIRROR && t->normalized) {
		i = (i % (2 * n) + 2 * n) % (2 * n);
		return i < n ? i : 2 * n - 1 - i;
	}
	return i < 0 ? 0 : i >= n ? n - 1 : i;
}

struct point {
	double x[3];             /* in texels */
	long layer;
};

static double at(const struct tex_obj *t, const struct tex_level *v, unsigned dims, unsigned c, bool filter, const long i[3], long layer)
{
	long n[3] = { v->w, v->h, v->d }, k[3] = { 0, 0, 0 };

	for (unsigned d = 0; d < dims; d++) {
		k[d] = number(t, d, i[d], n[d]);
		if (k[d] < 0)
			return border_value(t, c);
	}
	return texel(t, v, c, filter, k[0], k[1], dims > 2 ? k[2] : layer);
}

/* Without a filter. */
static double nearest(const struct tex_obj *t, const struct tex_level *v, unsigned dims, unsigned c, const struct point *p)
{
	long i[3] = { 0 };

	for (unsigned d = 0; d < dims; d++)
		i[d] = (long)floor(p->x[d]);
	return at(t, v, dims, c, false, i, p->layer);
}

static int second(int all, int part, bool up)
{
	return (all * part + (up ? 128 : 127)) / 256;
}

/* What a filter sums up. */
struct sum {
	int n, w[16];
	double v[16];
};

/* A level's part of the sum, of which it gets `all` 256ths. */
static void filtered(const struct tex_obj *t, const struct tex_level *v, unsigned dims, unsigned c, const struct point *p, int all,
		     struct sum *sum)
{
	long i[3] = { 0 }, n[3] = { v->w, v->h, v->d };
	int a[3] = { 0 };

	for (unsigned d = 0; d < dims; d++) {
		double q = t->linear ? floor(p->x[d] * 256 + 0.5) - 128 : floor(p->x[d]) * 256;
		bool clamps = t->addr[d] == TEX_CLAMP || (t->addr[d] != TEX_BORDER && !t->normalized);

		i[d] = (long)floor(q / 256);
		a[d] = (int)(q - 256.0 * (double)i[d]);
		if (clamps && (i[d] < 0 || i[d] >= n[d] - 1))
			a[d] = 0;
	}
	for (unsigned m = 0; m < 8; m++) {
		long k[3] = { i[0] + (m & 1), i[1] + (m >> 1 & 1), i[2] + (m >> 2) };
		int w = all, s;

		if (dims > 2 || m >> 2)
			w = m >> 2 ? second(w, a[2], true) : w - second(w, a[2], true);
		w = m & 1 ? second(w, a[0], true) : w - second(w, a[0], true);
		s = second(w, a[1], m & 1);
		w = m >> 1 & 1 ? s : w - s;
		if (!w)
			continue;
		sum->w[sum->n] = w;
		sum->v[sum->n++] = at(t, v, dims, c, true, k, p->layer);
	}
}

/* To so many significant bits, ties away from zero; but no finer than 2^least. */
static double rounded(double v, int bits, int least)
{
	int e;

	if (v == 0)
		return v;
	frexp(v, &e);
	e = e - bits < least ? least : e - bits;
	return ldexp(round(ldexp(v, -e)), e);
}

/* Halves and sRGB: bits far below the greatest texel's are lost. */
static void cut_small(struct sum *sum, int bits)
{
	double top = 0;
	int e;

	for (int k = 0; k < sum->n; k++)
		top = fmax(top, fabs(sum->v[k]));
	frexp(top, &e);
	for (int k = 0; k < sum->n; k++)
		sum->v[k] = ldexp(trunc(ldexp(sum->v[k], bits - e)), e - bits);
}

static double finished(const struct tex_obj *t, unsigned c, struct sum *sum)
{
	bool srgb = t->srgb && c < (t->channels == 4 ? 3u : 1u);
	double v = 0;

	if (srgb || (t->chan == TEX_F16 && !t->norm))
		cut_small(sum, srgb ? 8 : 15);
	for (int k = 0; k < sum->n; k++)
		v += sum->w[k] / 256.0 * sum->v[k];
	if (srgb || t->chan == TEX_F16)
		return rounded(v, 11, -24);
	if (t->norm && (t->chan == TEX_U8 || t->chan == TEX_U16))
		return floor(v * 65535 + 0.5 + 1e-6) / 65535;
	if (t->norm)
		return fmax(floor(v * (t->chan == TEX_S8 ? 127 * (258 + 1 / 128.0) : 32767) + 0.5 + 1e-6) / 32767, -1);
	return rounded(v, 24, -149);
}

/* ---- comparing ---- */

struct lanes {
	uint64_t layer[N], x[3][N], lod[N], d[4][N];
};

static void set_lanes(struct tex_sample *s, struct lanes *r)
{
	memset(r, 0x5a, sizeof(*r));
	s->layer = r->layer;
	for (int k = 0; k < 3; k++)
		s->x[k] = r->x[k];
	s->lod = r->lod;
	for (int k = 0; k < 4; k++)
		s->d[k] = r->d[k];
	for (int l = 0; l < N; l++) {
		r->layer[l] = rnd(8) ? rnd(6) : 0xfffffff0;
		r->lod[l] = bits(real(-1, 5));
		for (int k = 0; k < 3; k++)
			r->x[k][l] = bits(s->shape >= TEX_CUBE ? real(-1, 1) : coordinate(s->t, s->t->level[0].w));
	}
}

/* Face of a direction and its coordinates, from the guide's table. */
static long cube_face(const float v[3], float *s, float *t)
{
	float x = v[0], y = v[1], z = v[2], ax = fabsf(x), ay = fabsf(y), az = fabsf(z), m, sc, tc;
	long face;

	if (ax > ay && ax > az)
		face = x > 0 ? 0 : 1, m = ax, sc = x > 0 ? -z : z, tc = -y;
	else if (ay > az)
		face = y > 0 ? 2 : 3, m = ay, sc = x, tc = y > 0 ? z : -z;
	else
		face = z > 0 ? 4 : 5, m = az, sc = z > 0 ? x : -x, tc = -y;
	*s = (sc / m + 1) / 2;
	*t = (tc / m + 1) / 2;
	return face;
}

static void point_of(const struct tex_sample *s, const struct lanes *r, int l, const struct tex_level *v, unsigned dims, struct point *p)
{
	uint32_t n[3] = { v->w, v->h, v->d };
	float dir[3];
	float st[2];

	p->layer = 0;
	if (s->shape == TEX_CUBE || s->shape == TEX_ACUBE) {
		for (int k = 0; k < 3; k++)
			dir[k] = real_of(r->x[k][l]);
		p->layer = cube_face(dir, &st[0], &st[1]);
		if (s->shape == TEX_ACUBE)
			p->layer += 6 * (long)((uint32_t)r->layer[l] < v->d / 6 ? (uint32_t)r->layer[l] : v->d / 6 - 1);
		for (int k = 0; k < 2; k++)
			p->x[k] = st[k] * (float)n[k];
		return;
	}
	if (s->shape == TEX_A1D || s->shape == TEX_A2D)
		p->layer = (uint32_t)r->layer[l] < v->d ? (long)r->layer[l] : (long)v->d - 1;
	for (unsigned d = 0; d < dims; d++)
		p->x[d] = fold(s->t, d, real_of(r->x[d][l]), n[d]);
}

static int cut(float lod)
{
	return (int)(lod * 256);
}

static double expected(const struct tex_sample *s, const struct lanes *r, int l, unsigned c)
{
	static const uint8_t dims[] = { 1, 2, 3, 1, 2, 2, 2 };
	const struct tex_obj *t = s->t;
	int lod = 0, top = 256 * (t->n_levels - 1), level, part;
	struct sum sum = { 0 };
	struct point p;

	if (s->lod_mode == TEX_LOD)
		lod = cut(real_of(r->lod[l])) + cut(t->lod_bias);
	lod = lod < 0 ? 0 : lod > top ? top : lod;
	level = t->mip_linear ? lod / 256 : (lod + 128) / 256;
	part = t->mip_linear ? lod % 256 : 0;
	point_of(s, r, l, &t->level[level], dims[s->shape], &p);
	if (!t->linear && !(t->mip_linear && t->n_levels > 1))
		return nearest(t, &t->level[level], dims[s->shape], c, &p);
	filtered(t, &t->level[level], dims[s->shape], c, &p, 256 - part, &sum);
	if (part) {
		point_of(s, r, l, &t->level[level + 1], dims[s->shape], &p);
		filtered(t, &t->level[level + 1], dims[s->shape], c, &p, part, &sum);
	}
	return finished(t, c, &sum);
}

static bool same(const struct tex_sample *s, double want, uint64_t got)
{
	double g = real_of(got);

	if (!tex_is_float(s->t))
		return (uint32_t)got == (uint32_t)(int64_t)want && !(got >> 32);
	return fabs(g - want) <= fabs(want) * 1.2e-7;
}

static void test_random(uint8_t shape, const char *name)
{
	unsigned bad = 0, lanes = 0, kept = 0;
	struct tex_obj t;
	struct lanes r;

	for (int round = 0; round < 600; round++) {
		struct tex_sample s = { .t = &t, .shape = shape, .gather = -1 };

		random_texture(&t, shape);
		/* which counts, but is a test of its own */
		if (shape == TEX_1D && t.addr[1] == TEX_BORDER)
			t.addr[1] = TEX_CLAMP;
		s.lod_mode = rnd(2) ? TEX_LOD : TEX_BASE;
		s.mask = rnd(3) ? UINT32_MAX : (uint32_t)seed | 1;
		set_lanes(&s, &r);
		tex_sample(&s);
		for (int l = 0; l < N; l++)
			for (unsigned c = 0; c < 4; c++) {
				double want = c < t.channels && s.mask >> l & 1 ? expected(&s, &r, l, c) : 0;

				if (!(s.mask >> l & 1)) {
					kept += r.d[c][l] == 0x5a5a5a5a5a5a5a5aull;
					continue;
				}
				lanes++;
				if (same(&s, want, r.d[c][l]))
					continue;
				if (!bad++)
					diag("format %d x %d, norm %d, linear %d, mips %d/%d, normalized %d, modes %d %d %d, %u x %u x %u: at "
					     "%g, %g, %g lane %d channel %u is %g (0x%llx), not %g", t.chan, t.channels, t.norm, t.linear, t.n_levels,
					     t.mip_linear, t.normalized, t.addr[0], t.addr[1], t.addr[2], t.level[0].w, t.level[0].h,
					     t.level[0].d, real_of(r.x[0][l]), real_of(r.x[1][l]), real_of(r.x[2][l]), l, c,
					     real_of(r.d[c][l]), (unsigned long long)r.d[c][l], want);
			}
	}
	ok(!bad && lanes > 20000, "%s: %u values as the reference has them, %u not", name, lanes - bad, bad);
	ok(kept > 300, "%s: lanes out of the mask keep their results", name);
}

static void test_compilations(void)
{
	unsigned bad = 0, n = 0;
	struct tex_obj t;
	struct lanes a, b;

	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
		skip("this CPU has no AVX2");
		return;
	}
	for (int round = 0; round < 2000; round++) {
		struct tex_sample s = { .t = &t, .shape = (uint8_t)rnd(7), .gather = -1, .mask = UINT32_MAX };

		random_texture(&t, s.shape);
		t.seamless = t.cube && rnd(2);
		s.lod_mode = rnd(2) ? TEX_LOD : TEX_BASE;
		s.gather = s.shape != TEX_3D && s.shape != TEX_1D && s.shape != TEX_A1D && rnd(4) == 0 ? (int8_t)rnd(4) : -1;
		s.result = (uint8_t)rnd(3);
		set_lanes(&s, &a);
		tex_sample_base(&s);
		b = a;
		memset(a.d, 0, sizeof(a.d));
		tex_sample_avx2(&s);
		for (int c = 0; c < (s.result == TEX_RF16X2 ? 2 : 4); c++)
			for (int l = 0; l < N; l++, n++)
				bad += a.d[c][l] != b.d[c][l];
	}
	is_int(bad, 0, "base and AVX2 give the same bits for %u values", n);
}

/* ---- by hand ---- */

static void plain(struct tex_obj *t, uint8_t chan, uint8_t channels, uint32_t w, uint32_t h)
{
	memset(t, 0, sizeof(*t));
	t->dims = h > 1 ? 2 : 1;
	t->chan = chan;
	t->channels = channels;
	t->n_levels = 1;
	t->lod_max = 100;
	for (int k = 0; k < 3; k++)
		t->addr[k] = TEX_CLAMP;
	levels(t, w, h, 1);
	t->level[0].pitch = (uint64_t)w * (t->level[0].pitch / (w + 1));
	if (tex_obj_check(t, (uint64_t)(uintptr_t)mem, sizeof(mem), NULL))
		bail("a plain texture");
}

static void test_gather(void)
{
	uint64_t x[N] = { bits(1.5f) }, y[N] = { bits(2.5f) }, d[4][N];
	struct tex_obj t;
	struct tex_sample s = { .t = &t, .shape = TEX_2D, .mask = 1, .gather = 1, .x = { x, y }, .d = { d[0], d[1], d[2], d[3] } };

	plain(&t, TEX_U8, 2, 4, 4);
	for (int i = 0; i < 32; i++)
		mem[i] = (uint8_t)i;
	tex_sample(&s);
	/* texels (1 or 2, 2 or 3), second channel: 2 * (4 y + x) + 1 */
	ok(d[0][0] == 27 && d[1][0] == 29 && d[2][0] == 21 && d[3][0] == 19, "a gather begins lower left and goes counter-clockwise");
	x[0] = bits(0.0f);
	y[0] = bits(4.0f);
	tex_sample(&s);
	ok(d[0][0] == 25 && d[1][0] == 25 && d[2][0] == 25 && d[3][0] == 25, "at a corner it clamps");
	s.gather = 3;
	tex_sample(&s);
	ok(!d[0][0] && !d[3][0], "a component that isn't there is 0");
}

static void test_ints(void)
{
	uint64_t x[N], y[N], d[N];
	struct tex_obj t;
	struct tex_sample s = { .t = &t, .shape = TEX_1D, .mask = UINT32_MAX, .gather = -1, .int_coords = true, .x = { x, y }, .d = { d } };
	unsigned bad = 0;

	plain(&t, TEX_S16, 1, 20, 1);
	t.buffer = true;
	for (int i = 0; i < 40; i++)
		mem[i] = (uint8_t)(200 + i);
	for (int l = 0; l < N; l++)
		x[l] = (uint32_t)(l - 6);
	x[31] = 0x7fffffff;
	x[30] = 0x80000000;
	tex_sample(&s);
	for (int l = 0; l < N; l++) {
		int i = (int32_t)x[l];
		int16_t v = 0;

		if (i >= 0 && i < 20)
			memcpy(&v, mem + 2 * i, 2);
		bad += d[l] != (uint32_t)(int32_t)v;
	}
	is_int(bad, 0, "memory by index; beyond its ends are zeros");
	t.buffer = false;
	s.shape = TEX_2D;
	plain(&t, TEX_U8, 1, 5, 5);
	for (int l = 0; l < N; l++) {
		x[l] = (uint32_t)(l % 9 - 2);
		y[l] = (uint32_t)(l / 9 + 2);
	}
	tex_sample(&s);
	for (int l = 0; l < N; l++) {
		int i = l % 9 - 2, j = l / 9 + 2;

		i = i < 0 ? 0 : i > 4 ? 4 : i;
		j = j > 4 ? 4 : j;
		bad += d[l] != mem[j * 5 + i];
	}
	is_int(bad, 0, "texel numbers in two dimensions clamp");
	t.normalized = true;
	s.int_coords = false;
	for (int k = 0; k < 2; k++)
		t.addr[k] = TEX_WRAP;
	s.off[0] = y;
	s.off[1] = y;
	for (int l = 0; l < N; l++) {
		x[l] = bits(((float)(l % 5) + 0.5f) / 5);
		y[l] = bits(0.1f);
	}
	for (int l = 0; l < N; l++)
		y[l] = (uint32_t)(l - 16);
	s.x[1] = x;
	tex_sample(&s);
	for (int l = 0; l < N; l++) {
		int i = ((l % 5 + l - 16) % 5 + 5) % 5;

		bad += d[l] != mem[i * 5 + i];
	}
	is_int(bad, 0, "offsets wrap");
}

static void test_grad(void)
{
	uint64_t zero[N] = { 0 }, x[N] = { bits(0.3f) }, dx[N] = { bits(4.0f / 16) }, dy[N] = { bits(0) }, d[N];
	struct tex_sample s = { .shape = TEX_2D, .mask = 1, .gather = -1, .lod_mode = TEX_GRAD, .x = { x, x }, .dx = { dx, zero },
				.dy = { zero, dy }, .d = { d } };
	struct tex_obj t;

	plain(&t, TEX_U8, 1, 16, 16);
	t.n_levels = 5;
	t.normalized = true;
	levels(&t, 16, 16, 1);
	if (tex_obj_check(&t, (uint64_t)(uintptr_t)mem, sizeof(mem), NULL))
		bail("a texture of five levels");
	for (int n = 0; n < 5; n++)
		memset((void *)(uintptr_t)t.level[n].addr, 10 + n, t.level[n].slice);
	s.t = &t;
	tex_sample(&s);
	is_int(d[0], 12, "a step of four texels is level 2");
	dy[0] = bits(-0.5f);
	tex_sample(&s);
	is_int(d[0], 13, "the longer step counts: level 3");
	t.lod_bias = -2;
	tex_sample(&s);
	is_int(d[0], 11, "the bias is added");
	t.lod_min = 2;
	tex_sample(&s);
	is_int(d[0], 12, "and the level clamped");
	dx[0] = dy[0] = bits(NAN);
	tex_sample(&s);
	is_int(d[0], 12, "NaN is the finest level");
	dx[0] = dy[0] = bits(INFINITY);
	t.lod_bias = 0;
	tex_sample(&s);
	is_int(d[0], 14, "infinity the coarsest");
	s.lod_mode = TEX_BASE;
	t.lod_min = 0;
	tex_sample(&s);
	is_int(d[0], 10, "without either it is the base level");
}

/* A function that is continuous over the sphere stays so across edges. */
static void test_seamless(void)
{
	uint64_t x[3][N], d[N];
	struct tex_obj t;
	struct tex_sample s = { .t = &t, .shape = TEX_CUBE, .mask = UINT32_MAX, .gather = -1, .x = { x[0], x[1], x[2] }, .d = { d } };
	float *f = (float *)(void *)mem;
	double worst = 0, rough = 0;

	plain(&t, TEX_F32, 1, 8, 8);
	t.cube = t.linear = t.normalized = true;
	levels(&t, 8, 8, 6);
	t.level[0].pitch = 32;
	t.level[0].slice = 256;
	if (tex_obj_check(&t, (uint64_t)(uintptr_t)mem, sizeof(mem), NULL))
		bail("a cube map");
	for (int face = 0; face < 6; face++)
		for (int j = 0; j < 8; j++)
			for (int i = 0; i < 8; i++) {
				float u = (float)(2 * i + 1) / 8 - 1, v = (float)(2 * j + 1) / 8 - 1;
				float p[6][3] = { { 1, -v, -u }, { -1, -v, u }, { u, 1, v }, { u, -1, -v }, { u, -v, 1 }, { -u, -v, -1 } };
				float *q = p[face], n = sqrtf(q[0] * q[0] + q[1] * q[1] + q[2] * q[2]);

				f[face * 64 + j * 8 + i] = q[0] / n + 2 * q[1] / n + 4 * q[2] / n;
			}
	for (int pass = 0; pass < 2; pass++) {
		t.seamless = pass == 1;
		for (int e = 0; e < 3; e++) {
			double w = 0;

			/* either side of an edge where two components are equal */
			for (int l = 0; l < N; l++) {
				float b = -0.8f + 1.6f * (float)(l / 2) / 15, eps = l & 1 ? 1e-4f : -1e-4f;

				x[e][l] = bits(1);
				x[(e + 1) % 3][l] = bits(1 + eps);
				x[(e + 2) % 3][l] = bits(b);
			}
			tex_sample(&s);
			for (int l = 0; l < N; l += 2)
				w = fmax(w, fabs((double)real_of(d[l]) - (double)real_of(d[l + 1])));
			if (pass)
				worst = fmax(worst, w);
			else
				rough = fmax(rough, w);
		}
	}
	ok(worst < 0.02 && rough > 0.1, "seamless cube maps have no seams (%.4f; else %.4f)", worst, rough);
}

static void test_srgb(void)
{
	unsigned bad = 0;

	for (int i = 0; i < 256; i++) {
		double c = i / 255.0, want = c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);

		bad += fabs(tex_srgb[i] / 16384.0 - want) > 0.5 / 16384 + want / 200;
	}
	is_int(bad, 0, "the table of sRGB follows its curve");
}

static void test_results(void)
{
	uint64_t x[N] = { bits(0.5f) }, d[4][N];
	struct tex_obj t;
	struct tex_sample s = { .t = &t, .shape = TEX_1D, .mask = 1, .gather = -1, .x = { x }, .d = { d[0], d[1], d[2], d[3] } };
	float f[4] = { 1, -2, 0.5f, 65504 };

	memcpy(mem, f, sizeof(f));
	plain(&t, TEX_F32, 4, 4, 1);
	s.result = TEX_RF16;
	tex_sample(&s);
	ok(d[0][0] == 0x3c00 && d[1][0] == 0xc000 && d[2][0] == 0x3800 && d[3][0] == 0x7bff, "results as f16");
	s.result = TEX_RF16X2;
	tex_sample(&s);
	ok(d[0][0] == 0xc0003c00 && d[1][0] == 0x7bff3800, "and in pairs");
}

static void test_check(void)
{
	uint64_t w = (uint64_t)(uintptr_t)mem;
	struct tex_obj t;

	plain(&t, TEX_U8, 4, 8, 8);
	is_int(tex_obj_check(&t, w + 4, sizeof(mem), NULL), -VGPU_E_INVALID, "below the window");
	t.level[0].h = (uint32_t)(sizeof(mem) / 32) + 1;
	is_int(tex_obj_check(&t, w, sizeof(mem), NULL), -VGPU_E_INVALID, "over its end");
	t.level[0].h = 2;
	t.level[0].pitch = UINT64_MAX - 3;
	is_int(tex_obj_check(&t, w, sizeof(mem), NULL), -VGPU_E_INVALID, "a pitch that overflows");
	t.level[0].pitch = 30;
	is_int(tex_obj_check(&t, w, sizeof(mem), NULL), -VGPU_E_INVALID, "a pitch that is no number of texels");
	plain(&t, TEX_U8, 4, 8, 8);
	t.linear = true;
	is_int(tex_obj_check(&t, w, sizeof(mem), NULL), -VGPU_E_INVALID, "filtered integers");
	plain(&t, TEX_U32, 1, 8, 8);
	t.norm = true;
	is_int(tex_obj_check(&t, w, sizeof(mem), NULL), -VGPU_E_INVALID, "normalized 32-bit integers");
	plain(&t, TEX_U32, 1, 8, 8);
	t.channels = 3;
	is_int(tex_obj_check(&t, w, sizeof(mem), NULL), -VGPU_E_INVALID, "three channels");
	plain(&t, TEX_U32, 1, 8, 8);
	t.n_levels = TEX_LEVELS + 1;
	is_int(tex_obj_check(&t, w, sizeof(mem), NULL), -VGPU_E_INVALID, "too many levels");
}

static void test_table(void)
{
	static struct tex_table tab;
	static struct tex_obj o[3000];
	static uint64_t h[3000];
	unsigned bad = 0;

	for (int i = 0; i < 3000; i++) {
		h[i] = tex_add(&tab, &o[i]);
		bad += !h[i] || h[i] >> 40;
	}
	for (int i = 0; i < 3000; i++)
		bad += tex_get(&tab, h[i]) != &o[i];
	is_int(bad, 0, "3000 handles");
	for (int i = 0; i < 3000; i += 2)
		bad += tex_remove(&tab, h[i]) != &o[i];
	for (int i = 0; i < 3000; i++)
		bad += tex_get(&tab, h[i]) != (i % 2 ? &o[i] : NULL);
	bad += tex_remove(&tab, h[0]) != NULL || tex_get(&tab, 0) || tex_get(&tab, UINT64_MAX) || tex_get(&tab, h[1] + (1 << 20));
	is_int(bad, 0, "gone ones and others are none");
	bad += tex_add(&tab, &o[0]) == h[2998] || tex_get(&tab, h[2998]);
	is_int(bad, 0, "a place that is used again has another handle");
	tex_table_fini(&tab);
}

int main(void)
{
	plan_lazy();
	test_random(TEX_1D, "1D");
	test_random(TEX_2D, "2D");
	test_random(TEX_3D, "3D");
	test_random(TEX_A1D, "1D layers");
	test_random(TEX_A2D, "2D layers");
	test_random(TEX_CUBE, "cube");
	test_random(TEX_ACUBE, "cube layers");
	test_compilations();
	test_gather();
	test_ints();
	test_grad();
	test_seamless();
	test_srgb();
	test_results();
	test_check();
	test_table();
	return 0;
}
