/* obj.c: texture objects: are they sound, the table of handles, queries. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/alu_half.h"
#include "backend/tex.h"
#include "backend/tex/tex_impl.h"
#include "util/compiler.h"

#define PER_PAGE 1024u
/* A float finds each texel of so many, and coordinates in 24.8 bits don't overflow. */
#define EXTENT_MAX (1u << 17)
#define BUFFER_MAX (1u << 28)

static const uint8_t chan_B[TEX_CHANS] = {
	[TEX_U8] = 1, [TEX_S8] = 1, [TEX_U16] = 2, [TEX_S16] = 2, [TEX_U32] = 4, [TEX_S32] = 4, [TEX_F16] = 2, [TEX_F32] = 4,
};

bool tex_is_float(const struct tex_obj *o)
{
	return o->norm || o->chan == TEX_F16 || o->chan == TEX_F32;
}

static bool inside(const struct tex_obj *o, const struct tex_level *l, uint64_t window, uint64_t size)
{
	unsigned __int128 end = (unsigned __int128)(l->d - 1) * l->slice + (unsigned __int128)(l->h - 1) * l->pitch +
				(uint64_t)l->w * o->texel_B;

	return l->addr >= window && end <= size && l->addr - window <= size - (uint64_t)end;
}

static int check_level(const struct tex_obj *o, unsigned n, uint64_t window, uint64_t size, struct vgpu_err *err)
{
	const struct tex_level *l = &o->level[n];

	if (!l->w || !l->h || !l->d || l->w > (o->buffer ? BUFFER_MAX : EXTENT_MAX) || l->h > EXTENT_MAX || l->d > EXTENT_MAX)
		return vgpu_err_set(err, VGPU_E_INVALID, "texture: level %u of %u x %u x %u texels", n, l->w, l->h, l->d);
	if ((l->addr | l->pitch | l->slice) % o->texel_B)
		return vgpu_err_set(err, VGPU_E_INVALID, "texture: level %u is not aligned to its texels of %u bytes", n, o->texel_B);
	if (!inside(o, l, window, size))
		return vgpu_err_set(err, VGPU_E_INVALID, "texture: level %u at 0x%llx is not device memory", n, (unsigned long long)l->addr);
	return 0;
}

/* ---- the border's colour: hardware has it in the texture's format (seen) ---- */

static float nearest(float f, float lo, float max)
{
	f = f == f ? f : 0.0f;
	f = f < lo ? lo : f > 1.0f ? 1.0f : f;
	return rintf(f * max) / max;
}

/* The entry of the table that is nearest. */
static float nearest_srgb(float f)
{
	int best = 0;

	for (int i = 1; i < 256; i++)
		if (fabsf((float)tex_srgb[i] / 16384.0f - f) < fabsf((float)tex_srgb[best] / 16384.0f - f))
			best = i;
	return (float)tex_srgb[best] / 16384.0f;
}

/* Cut off. */
static float half(float f)
{
	uint32_t u = f16_of_f32(f);

	if (fabsf(f32_of_f16(u)) > fabsf(f))
		u--;
	return f32_of_f16(u);
}

static void set_border(struct tex_obj *o)
{
	for (unsigned c = 0; c < 4; c++) {
		float f = f32_of(o->border[c]);

		if (o->srgb && c < (o->channels == 4 ? 3u : 1u))
			f = nearest_srgb(f);
		else if (o->norm && o->chan == TEX_U8)
			f = nearest(half(f), 0.0f, 255.0f);
		else if (o->norm && o->chan == TEX_U16)
			f = nearest(f, 0.0f, 65535.0f);
		else if (o->norm)
			f = o->chan == TEX_S8 ? nearest(half(f), -1.0f, 127.0f) : nearest(f, -1.0f, 32767.0f);
		else if (o->chan == TEX_F16)
			f = half(f);
		else
			continue;
		o->border[c] = bits_of_f32(f);
	}
}

int tex_obj_check(struct tex_obj *o, uint64_t window, uint64_t size, struct vgpu_err *err)
{
	int r = 0;

	if (o->chan >= TEX_CHANS || (o->channels != 1 && o->channels != 2 && o->channels != 4))
		return vgpu_err_set(err, VGPU_E_INVALID, "texture: %u channels of format %u", o->channels, o->chan);
	if (o->dims < 1 || o->dims > 3 || !o->n_levels || o->n_levels > TEX_LEVELS || (o->buffer && (o->n_levels > 1 || o->dims > 1)))
		return vgpu_err_set(err, VGPU_E_INVALID, "texture: %u dimensions, %u levels", o->dims, o->n_levels);
	for (int i = 0; i < 3; i++)
		if (o->addr[i] >= TEX_ADDRS)
			return vgpu_err_set(err, VGPU_E_INVALID, "texture: addressing mode %u", o->addr[i]);
	if (o->norm && (o->chan >= TEX_U32))
		return vgpu_err_set(err, VGPU_E_INVALID, "texture: only integers of 8 and 16 bits can be read as normalized floats");
	if ((o->linear || o->mip_linear) && !tex_is_float(o))
		return vgpu_err_set(err, VGPU_E_INVALID, "texture: integers can't be filtered");
	o->texel_B = (uint32_t)chan_B[o->chan] * o->channels;
	set_border(o);
	for (unsigned n = 0; n < o->n_levels && !r; n++)
		r = check_level(o, n, window, size, err);
	return r;
}

/* ---- handles: bits 0-19: place, 20-35: generation, 36: always set ---- */

#define HANDLE_BIT ((uint64_t)1 << 36)

static bool page_make(struct tex_table *tab, uint32_t p)
{
	struct tex_obj **page;

	if (!tab->gen[p])
		tab->gen[p] = calloc(PER_PAGE, sizeof(*tab->gen[p]));
	if (!tab->next_free[p])
		tab->next_free[p] = calloc(PER_PAGE, sizeof(*tab->next_free[p]));
	if (!tab->gen[p] || !tab->next_free[p])
		return false;
	if (tab->page[p])
		return true;
	page = calloc(PER_PAGE, sizeof(struct tex_obj *));
	/* release: gen is there when page is seen */
	__atomic_store_n(&tab->page[p], page, __ATOMIC_RELEASE);
	return page != NULL;
}

uint64_t tex_add(struct tex_table *tab, struct tex_obj *o)
{
	uint32_t n = tab->free_first ? tab->free_first - 1 : tab->used, p = n / PER_PAGE, i = n % PER_PAGE;
	uint16_t gen;

	if (n >= TEX_MAX || !page_make(tab, p))
		return 0;
	if (tab->free_first)
		tab->free_first = tab->next_free[p][i];
	else
		tab->used++;
	gen = (uint16_t)(tab->gen[p][i] + 1);
	__atomic_store_n(&tab->gen[p][i], gen, __ATOMIC_RELAXED);
	__atomic_store_n(&tab->page[p][i], o, __ATOMIC_SEQ_CST);
	return HANDLE_BIT | (uint64_t)gen << 20 | n;
}

const struct tex_obj *tex_get(const struct tex_table *tab, uint64_t handle)
{
	uint32_t n = (uint32_t)handle & (TEX_MAX - 1), p = n / PER_PAGE, i = n % PER_PAGE;
	struct tex_obj *const *page;
	const struct tex_obj *o;

	if (handle >> 36 != 1)
		return NULL;
	page = __atomic_load_n(&tab->page[p], __ATOMIC_ACQUIRE);
	if (!page)
		return NULL;
	o = __atomic_load_n(&page[i], __ATOMIC_SEQ_CST);
	return __atomic_load_n(&tab->gen[p][i], __ATOMIC_RELAXED) == (uint16_t)(handle >> 20) ? o : NULL;
}

struct tex_obj *tex_remove(struct tex_table *tab, uint64_t handle)
{
	const struct tex_obj *o = tex_get(tab, handle);
	uint32_t n = (uint32_t)handle & (TEX_MAX - 1), p = n / PER_PAGE, i = n % PER_PAGE;
	struct tex_obj *taken;

	if (!o)
		return NULL;
	taken = tab->page[p][i];
	__atomic_store_n(&tab->page[p][i], NULL, __ATOMIC_SEQ_CST);
	tab->next_free[p][i] = tab->free_first;
	tab->free_first = n + 1;
	return taken;
}

void tex_table_fini(struct tex_table *tab)
{
	for (uint32_t p = 0; p < TEX_MAX / PER_PAGE; p++) {
		free(tab->page[p]);
		free(tab->gen[p]);
		free(tab->next_free[p]);
	}
	memset(tab, 0, sizeof(*tab));
}

/* ---- queries ---- */

/* The only language that gives these numbers a meaning is OpenCL: they are its header's. */
static uint32_t chan_type(const struct tex_obj *o)
{
	static const uint16_t plain[TEX_CHANS] = {
		[TEX_S8] = 0x10d7, [TEX_S16] = 0x10d8, [TEX_S32] = 0x10d9, [TEX_U8] = 0x10da, [TEX_U16] = 0x10db, [TEX_U32] = 0x10dc,
		[TEX_F16] = 0x10dd, [TEX_F32] = 0x10de,
	};
	static const uint16_t norm[TEX_CHANS] = { [TEX_S8] = 0x10d0, [TEX_S16] = 0x10d1, [TEX_U8] = 0x10d2, [TEX_U16] = 0x10d3 };

	return o->norm && norm[o->chan] ? norm[o->chan] : plain[o->chan];
}

static uint32_t addr_mode(uint8_t mode)
{
	static const uint16_t cl[TEX_ADDRS] = { [TEX_WRAP] = 0x1133, [TEX_CLAMP] = 0x1131, [TEX_MIRROR] = 0x1134, [TEX_BORDER] = 0x1132 };

	return cl[mode];
}

uint32_t tex_query(const struct tex_obj *o, enum tex_query q, uint32_t level)
{
	const struct tex_level *l = &o->level[MIN(level, o->n_levels - 1u)];

	switch (q) {
	case TEX_Q_WIDTH: return l->w;
	case TEX_Q_HEIGHT: return o->dims > 1 ? l->h : 0;
	case TEX_Q_DEPTH: return o->dims > 2 ? l->d : 0;
	case TEX_Q_CHAN_TYPE: return chan_type(o);
	case TEX_Q_CHAN_ORDER: return o->channels == 1 ? 0x10b0 : o->channels == 2 ? 0x10b2 : 0x10b5;
	case TEX_Q_NORMALIZED: return o->normalized;
	case TEX_Q_ARRAY_SIZE: return !o->layered ? 0 : o->cube ? l->d / 6 : l->d;
	case TEX_Q_LEVELS: return o->n_levels;
	case TEX_Q_SAMPLES: return 1;
	case TEX_Q_FILTER: return o->linear ? 0x1141 : 0x1140;
	case TEX_Q_ADDR_0: return addr_mode(o->addr[0]);
	case TEX_Q_ADDR_1: return addr_mode(o->addr[1]);
	case TEX_Q_ADDR_2: return addr_mode(o->addr[2]);
	case TEX_Q_LAYOUT: return o->buffer;
	}
	return 0;
}
