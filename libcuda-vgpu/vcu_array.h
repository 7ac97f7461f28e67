/*
 * vcu_array.h: CUDA arrays, and what is made of memory and arrays: textures
 * and surfaces.
 *
 * An array is an allocation in the window that the program gets no address of:
 * rows, and slices of rows, one behind the other. So copies from and to arrays
 * are boxes like any other. Texture and surface objects are the worker's; this
 * side keeps what the program said of them.
 *
 * Locks: the part's lock of a context protects its lists; one lock for all
 * protects the table of objects. Neither is held during a call to the worker.
 */
#ifndef VGPU_CUDA_VCU_ARRAY_H
#define VGPU_CUDA_VCU_ARRAY_H

#include "libcuda-vgpu/vcu.h"
#include "libcuda-vgpu/vcu_api.h"

struct vcu_mipmap;
struct vcu_module;

/* A format as channels. */
struct vcu_format {
	uint8_t chan;              /* enum vgp_tex_chan */
	uint8_t channels;
	uint8_t chan_B;
	bool norm;                 /* the format itself says that integers mean [0, 1] or [-1, 1] */
};

struct vcu_array {
	struct vcu_ctx *ctx;
	CUarray handle;
	struct vcu_mipmap *mip;    /* whose level it is; NULL: an array of its own */
	CUDA_ARRAY3D_DESCRIPTOR desc;   /* as the program said; a level's own sizes */
	struct vcu_format format;
	uint32_t texel_B;
	struct vgp_tex_level at;
	struct vcu_array *next, **pprev;
};

struct vcu_mipmap {
	struct vcu_ctx *ctx;
	CUmipmappedArray handle;
	unsigned n_levels;
	uint64_t addr;
	struct vcu_array level[VGP_TEX_LEVELS];
	struct vcu_mipmap *next, **pprev;
};

struct vcu_array_part {
	pthread_mutex_t lock;
	struct vcu_array *arrays;
	struct vcu_mipmap *mipmaps;
	struct vcu_texref *texrefs;
};

static inline struct vcu_array_part *vcu_array_part(struct vcu_ctx *c)
{
	return c->part[VCU_PART_array];
}

/* CUDA_ERROR_INVALID_VALUE, or NOT_SUPPORTED for one that CUDA has and this driver not. */
CUresult vcu_format_of(CUarray_format f, unsigned channels, struct vcu_format *out);
/* NULL: no such array. */
struct vcu_array *vcu_array_get(CUarray h);
struct vcu_mipmap *vcu_mipmap_get(CUmipmappedArray h);

/* ---- textures (vcu_texture.c) ---- */

/* An object in the worker; view may be NULL. */
CUresult vcu_texture_new(struct vcu_ctx *c, const CUDA_RESOURCE_DESC *res, const CUDA_TEXTURE_DESC *tex,
			 const CUDA_RESOURCE_VIEW_DESC *view, uint64_t *handle);
CUresult vcu_surface_new(struct vcu_ctx *c, const CUDA_RESOURCE_DESC *res, uint64_t *handle);
CUresult vcu_texture_free(uint64_t handle);
void vcu_textures_fini(struct vcu_ctx *c);

/* ---- references (vcu_texref.c) ---- */

/* Those of a module that goes; NULL: of the whole context. */
void vcu_texrefs_forget(struct vcu_ctx *c, struct vcu_module *m);

#endif
