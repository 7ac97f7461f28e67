/*
 * tex.h: textures and surfaces: what a handle stands for, and the functions
 * that sample, load, store and ask, for up to 32 lanes at once. They know of no
 * backend: a lane's operand is a cell of a row as in interp/alu.h (64 bits,
 * values of 32 bits in the low half), rows come as pointers.
 *
 * An object never leads outside the memory that tex_obj_check() has seen, be the
 * instruction's geometry and coordinates what they may. Whether that memory is
 * still there is not known here: callers are inside be_guard_enter/leave.
 *
 * Objects are looked up without a lock while others come and go; what is taken
 * out of the table is freed by the engine when no kernel runs any more.
 */
#ifndef VGPU_BACKEND_TEX_H
#define VGPU_BACKEND_TEX_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define TEX_LANES 32
#define TEX_LEVELS 18

enum tex_chan { TEX_U8, TEX_S8, TEX_U16, TEX_S16, TEX_U32, TEX_S32, TEX_F16, TEX_F32, TEX_CHANS };
enum tex_addr { TEX_WRAP, TEX_CLAMP, TEX_MIRROR, TEX_BORDER, TEX_ADDRS };   /* numbers of CUaddress_mode */

struct tex_level {
	uint64_t addr;
	uint64_t pitch, slice;         /* bytes from row to row; from slice, layer or face to the next */
	uint32_t w, h, d;              /* texels, rows, slices; 1 where the texture has no such dimension */
};

struct tex_obj {
	bool surface;
	uint8_t dims;                  /* 1, 2, 3: what is addressed by coordinates */
	bool layered, cube;            /* then d counts layers, faces, or layers x 6 */
	bool buffer;                   /* plain memory, by index: beyond its end it reads as zeros */
	uint8_t chan, channels;        /* enum tex_chan; 1, 2, 4 */
	bool norm;                     /* integers are read as floats of [0, 1] or [-1, 1] */
	bool linear, mip_linear;       /* filters */
	bool normalized;               /* coordinates */
	bool srgb, seamless;
	uint8_t addr[3];               /* enum tex_addr */
	uint8_t n_levels;
	float lod_bias, lod_min, lod_max;
	uint32_t border[4];            /* as bits */
	struct tex_level level[TEX_LEVELS];
	uint32_t texel_B;              /* set by tex_obj_check */
};

/* 0 or -VGPU_E_INVALID: every byte that the object can lead to lies in [window, window + size). */
int tex_obj_check(struct tex_obj *o, uint64_t window, uint64_t size, struct vgpu_err *err);
/* True when its texels reach programs as floats. */
bool tex_is_float(const struct tex_obj *o);

/* ---- handles ---- */

#define TEX_MAX (1u << 20)
struct tex_table {
	struct tex_obj **page[TEX_MAX / 1024];   /* atomic, each of 1024 */
	uint16_t *gen[TEX_MAX / 1024];
	uint32_t used;                 /* places that were ever taken */
	uint32_t free_first;           /* 1 + place; 0: none */
	uint32_t *next_free[TEX_MAX / 1024];
};

/* All but tex_get are called under the owner's lock. Handles are not 0, below 2^40 and no addresses of the window. */
uint64_t tex_add(struct tex_table *tab, struct tex_obj *o);                /* 0: no room */
struct tex_obj *tex_remove(struct tex_table *tab, uint64_t handle);        /* NULL: no such handle */
void tex_table_fini(struct tex_table *tab);                                /* it is empty, or the objects are the caller's */
const struct tex_obj *tex_get(const struct tex_table *tab, uint64_t handle);

/* ---- sampling ---- */

enum tex_shape { TEX_1D, TEX_2D, TEX_3D, TEX_A1D, TEX_A2D, TEX_CUBE, TEX_ACUBE };
enum tex_lod { TEX_BASE, TEX_LOD, TEX_GRAD };
enum tex_result { TEX_R32, TEX_RF16, TEX_RF16X2 };

struct tex_sample {
	const struct tex_obj *t;
	uint32_t mask;                 /* lanes; not 0. Others keep their results */
	uint8_t shape;                 /* of the instruction */
	uint8_t lod_mode;              /* enum tex_lod */
	uint8_t result;                /* enum tex_result */
	bool int_coords;               /* texel numbers instead of floats */
	int8_t gather;                 /* tld4: the component; -1: tex */
	const uint64_t *layer;         /* a1d, a2d, acube */
	const uint64_t *x[3];
	const uint64_t *lod;           /* TEX_LOD; an integer with int_coords */
	const uint64_t *dx[3], *dy[3]; /* TEX_GRAD */
	const uint64_t *off[3];        /* offsets in texels; NULL: none */
	uint64_t *d[4];                /* results; NULL: not wanted. TEX_RF16X2: two rows */
};

/* f32 texels and normalized ones come as floats, integers as they are, extended to 32 bits. */
void tex_sample(const struct tex_sample *s);

/* ---- surfaces ---- */

enum tex_oob { TEX_OOB_TRAP, TEX_OOB_CLAMP, TEX_OOB_ZERO };
enum tex_red { TEX_RED_ADD, TEX_RED_MIN, TEX_RED_MAX, TEX_RED_AND, TEX_RED_OR };
enum tex_store { TEX_STORE_RAW, TEX_STORE_U32, TEX_STORE_S32, TEX_STORE_F32 };

struct tex_surf {
	const struct tex_obj *t;
	uint32_t mask;
	uint8_t shape;
	uint8_t oob;                   /* enum tex_oob */
	bool formatted;                /* .p: x counts texels and values are converted; .b: x counts bytes */
	uint8_t elem_B, n_vec;         /* of .b accesses: 1, 2, 4, 8 bytes, and how many */
	uint8_t store;                 /* .p: enum tex_store: what the values are */
	uint8_t red;                   /* enum tex_red */
	bool is_signed;                /* of a reduction's operands */
	const uint64_t *layer, *x[3];
	uint64_t *d[4];                /* loads */
	const uint64_t *v[4];          /* stores, reductions */
};

struct tex_bad {
	uint32_t lane;
	int32_t x, y, z;
	bool misaligned;               /* else: outside */
};

/* 0, or -1 with *bad: the first lane that may not do it. Lanes before it may have stored. */
int tex_surf_load(const struct tex_surf *s, struct tex_bad *bad);
int tex_surf_store(const struct tex_surf *s, struct tex_bad *bad);
int tex_surf_red(const struct tex_surf *s, struct tex_bad *bad);

/* ---- txq, suq ---- */

enum tex_query {
	TEX_Q_WIDTH, TEX_Q_HEIGHT, TEX_Q_DEPTH, TEX_Q_CHAN_TYPE, TEX_Q_CHAN_ORDER, TEX_Q_NORMALIZED, TEX_Q_ARRAY_SIZE,
	TEX_Q_LEVELS, TEX_Q_SAMPLES, TEX_Q_FILTER, TEX_Q_ADDR_0, TEX_Q_ADDR_1, TEX_Q_ADDR_2, TEX_Q_LAYOUT,
};
/* level: a mip level for the sizes; one that isn't there counts as the last. */
uint32_t tex_query(const struct tex_obj *o, enum tex_query q, uint32_t level);

#endif
