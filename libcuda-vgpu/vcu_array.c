/* vcu_array.c: see vcu_array.h. Arrays and mipmapped arrays. */
#include "libcuda-vgpu/vcu_array.h"

#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_stream.h"

#define ARRAY_ALIGN 512u
/* Rows begin at what a pitched texture's rows have to. */
#define ROW_ALIGN 32u

#define FLAGS_KNOWN                                                                                        \
	(CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_TEXTURE_GATHER | \
	 CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_COLOR_ATTACHMENT | CUDA_ARRAY3D_SPARSE |                  \
	 CUDA_ARRAY3D_DEFERRED_MAPPING | CUDA_ARRAY3D_VIDEO_ENCODE_DECODE)
/* Memory that comes later, and what graphics and codecs do with arrays. */
#define FLAGS_MISSING                                                                                      \
	(CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING | CUDA_ARRAY3D_VIDEO_ENCODE_DECODE)

CUresult vcu_array_ctx_init(struct vcu_ctx *c);
void vcu_array_ctx_fini(struct vcu_ctx *c);

/* ---- formats ---- */

static const struct {
	uint16_t format;
	uint8_t chan, chan_B, channels;   /* channels 0: as the program says */
} formats[] = {
	{ CU_AD_FORMAT_UNSIGNED_INT8, VGP_TEX_U8, 1, 0 },
	{ CU_AD_FORMAT_UNSIGNED_INT16, VGP_TEX_U16, 2, 0 },
	{ CU_AD_FORMAT_UNSIGNED_INT32, VGP_TEX_U32, 4, 0 },
	{ CU_AD_FORMAT_SIGNED_INT8, VGP_TEX_S8, 1, 0 },
	{ CU_AD_FORMAT_SIGNED_INT16, VGP_TEX_S16, 2, 0 },
	{ CU_AD_FORMAT_SIGNED_INT32, VGP_TEX_S32, 4, 0 },
	{ CU_AD_FORMAT_HALF, VGP_TEX_F16, 2, 0 },
	{ CU_AD_FORMAT_FLOAT, VGP_TEX_F32, 4, 0 },
	{ CU_AD_FORMAT_UNORM_INT8X1, VGP_TEX_U8, 1, 1 },
	{ CU_AD_FORMAT_UNORM_INT8X2, VGP_TEX_U8, 1, 2 },
	{ CU_AD_FORMAT_UNORM_INT8X4, VGP_TEX_U8, 1, 4 },
	{ CU_AD_FORMAT_UNORM_INT16X1, VGP_TEX_U16, 2, 1 },
	{ CU_AD_FORMAT_UNORM_INT16X2, VGP_TEX_U16, 2, 2 },
	{ CU_AD_FORMAT_UNORM_INT16X4, VGP_TEX_U16, 2, 4 },
	{ CU_AD_FORMAT_SNORM_INT8X1, VGP_TEX_S8, 1, 1 },
	{ CU_AD_FORMAT_SNORM_INT8X2, VGP_TEX_S8, 1, 2 },
	{ CU_AD_FORMAT_SNORM_INT8X4, VGP_TEX_S8, 1, 4 },
	{ CU_AD_FORMAT_SNORM_INT16X1, VGP_TEX_S16, 2, 1 },
	{ CU_AD_FORMAT_SNORM_INT16X2, VGP_TEX_S16, 2, 2 },
	{ CU_AD_FORMAT_SNORM_INT16X4, VGP_TEX_S16, 2, 4 },
};

static bool format_exists(CUarray_format f)
{
	return (f >= CU_AD_FORMAT_BC1_UNORM && f <= CU_AD_FORMAT_YUV444_16bit_SemiPlanar) || f == CU_AD_FORMAT_UNORM_INT_101010_2;
}

CUresult vcu_format_of(CUarray_format f, unsigned channels, struct vcu_format *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (formats[i].format != (unsigned)f)
			continue;
		if ((channels != 1 && channels != 2 && channels != 4) || (formats[i].channels && formats[i].channels != channels))
			return CUDA_ERROR_INVALID_VALUE;
		*out = (struct vcu_format){ formats[i].chan, (uint8_t)channels, formats[i].chan_B, formats[i].channels != 0 };
		return CUDA_SUCCESS;
	}
	/* block compression, video */
	return format_exists(f) ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
}

/* ---- limits ---- */

struct limits {
	CUdevice_attribute w, h, d;   /* 0: there must be none */
};

#define TEX(x) CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE##x
#define SURF(x) CU_DEVICE_ATTRIBUTE_MAXIMUM_SURFACE##x

static struct limits limits_of(const CUDA_ARRAY3D_DESCRIPTOR *d, bool surface)
{
	bool cube = d->Flags & CUDA_ARRAY3D_CUBEMAP;

	if (d->Flags & CUDA_ARRAY3D_LAYERED) {
		if (cube)
			return surface ? (struct limits){ SURF(CUBEMAP_LAYERED_WIDTH), SURF(CUBEMAP_LAYERED_WIDTH), SURF(CUBEMAP_LAYERED_LAYERS) } :
					 (struct limits){ TEX(CUBEMAP_LAYERED_WIDTH), TEX(CUBEMAP_LAYERED_WIDTH), TEX(CUBEMAP_LAYERED_LAYERS) };
		if (!d->Height)
			return surface ? (struct limits){ SURF(1D_LAYERED_WIDTH), 0, SURF(1D_LAYERED_LAYERS) } :
					 (struct limits){ TEX(1D_LAYERED_WIDTH), 0, TEX(1D_LAYERED_LAYERS) };
		return surface ? (struct limits){ SURF(2D_LAYERED_WIDTH), SURF(2D_LAYERED_HEIGHT), SURF(2D_LAYERED_LAYERS) } :
				 (struct limits){ TEX(2D_LAYERED_WIDTH), TEX(2D_LAYERED_HEIGHT), TEX(2D_LAYERED_LAYERS) };
	}
	if (cube)
		return surface ? (struct limits){ SURF(CUBEMAP_WIDTH), SURF(CUBEMAP_WIDTH), TEX(3D_DEPTH) } :
				 (struct limits){ TEX(CUBEMAP_WIDTH), TEX(CUBEMAP_WIDTH), TEX(3D_DEPTH) };
	if (d->Depth)
		return surface ? (struct limits){ SURF(3D_WIDTH), SURF(3D_HEIGHT), SURF(3D_DEPTH) } :
				 (struct limits){ TEX(3D_WIDTH), TEX(3D_HEIGHT), TEX(3D_DEPTH) };
	if (d->Height)
		return surface ? (struct limits){ SURF(2D_WIDTH), SURF(2D_HEIGHT), 0 } : (struct limits){ TEX(2D_WIDTH), TEX(2D_HEIGHT), 0 };
	return surface ? (struct limits){ SURF(1D_WIDTH), 0, 0 } : (struct limits){ TEX(1D_WIDTH), 0, 0 };
}

static bool below(struct vcu_ctx *c, size_t n, CUdevice_attribute a)
{
	int max = 0;

	return n == 0 || (a && !vcu_DeviceGetAttribute(&max, a, c->dev->ordinal) && n <= (size_t)max);
}

static bool fits(struct vcu_ctx *c, const CUDA_ARRAY3D_DESCRIPTOR *d, bool surface)
{
	struct limits l = limits_of(d, surface);

	return below(c, d->Width, l.w) && below(c, d->Height, l.h) && below(c, d->Depth, l.d);
}

static CUresult check(struct vcu_ctx *c, const CUDA_ARRAY3D_DESCRIPTOR *d)
{
	bool layered = d->Flags & CUDA_ARRAY3D_LAYERED, cube = d->Flags & CUDA_ARRAY3D_CUBEMAP;

	if (!d->Width || d->Flags & ~(unsigned)FLAGS_KNOWN)
		return CUDA_ERROR_INVALID_VALUE;
	if (layered ? !d->Depth : d->Depth && !d->Height)
		return CUDA_ERROR_INVALID_VALUE;
	if (cube && (d->Width != d->Height || (layered ? d->Depth % 6 : d->Depth != 6)))
		return CUDA_ERROR_INVALID_VALUE;
	if (d->Flags & CUDA_ARRAY3D_TEXTURE_GATHER && (!d->Height || (d->Depth && !layered && !cube)))
		return CUDA_ERROR_INVALID_VALUE;
	if (!fits(c, d, false) || (d->Flags & CUDA_ARRAY3D_SURFACE_LDST && !fits(c, d, true)))
		return CUDA_ERROR_INVALID_VALUE;
	return d->Flags & FLAGS_MISSING ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
}

/* ---- layout ---- */

/* Sets all but the address; the level's bytes. */
static uint64_t lay_out(struct vcu_array *a)
{
	struct vgp_tex_level *l = &a->at;

	a->texel_B = (uint32_t)a->format.chan_B * a->format.channels;
	l->w = (uint32_t)a->desc.Width;
	l->h = (uint32_t)MAX(a->desc.Height, (size_t)1);
	l->d = (uint32_t)MAX(a->desc.Depth, (size_t)1);
	l->pitch = vgpu_align_up((uint64_t)l->w * a->texel_B, ROW_ALIGN);
	l->slice = l->pitch * l->h;
	return l->slice * l->d;
}

/* ---- lists ---- */

#define LINK(head, x)                          \
	do {                                   \
		(x)->next = (head);            \
		(x)->pprev = &(head);          \
		if ((x)->next)                 \
			(x)->next->pprev = &(x)->next; \
		(head) = (x);                  \
	} while (0)
#define UNLINK(x)                              \
	do {                                   \
		*(x)->pprev = (x)->next;       \
		if ((x)->next)                 \
			(x)->next->pprev = (x)->pprev; \
	} while (0)

static void array_drop(struct vcu_array *a)
{
	UNLINK(a);
	free(a);
}

static void mipmap_drop(struct vcu_mipmap *m)
{
	UNLINK(m);
	for (unsigned i = 0; i < m->n_levels; i++)
		if (m->level[i].handle)
			vcu_handle_del(m->level[i].handle, VCU_H_ARRAY);
	free(m);
}

CUresult vcu_array_ctx_init(struct vcu_ctx *c)
{
	struct vcu_array_part *p = calloc(1, sizeof(*p));

	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_init(&p->lock, NULL);
	c->part[VCU_PART_array] = p;
	return CUDA_SUCCESS;
}

/* The worker frees memory and objects with the context. */
void vcu_array_ctx_fini(struct vcu_ctx *c)
{
	struct vcu_array_part *p = vcu_array_part(c);

	if (!p)
		return;
	vcu_texrefs_forget(c, NULL);
	vcu_textures_fini(c);
	while (p->mipmaps) {
		vcu_handle_del(p->mipmaps->handle, VCU_H_MIPMAP);
		mipmap_drop(p->mipmaps);
	}
	while (p->arrays) {
		vcu_handle_del(p->arrays->handle, VCU_H_ARRAY);
		array_drop(p->arrays);
	}
	c->part[VCU_PART_array] = NULL;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

struct vcu_array *vcu_array_get(CUarray h)
{
	return vcu_handle_get(h, VCU_H_ARRAY);
}

struct vcu_mipmap *vcu_mipmap_get(CUmipmappedArray h)
{
	return vcu_handle_get(h, VCU_H_MIPMAP);
}

/* ---- arrays ---- */

static CUresult array_new(struct vcu_ctx *c, const CUDA_ARRAY3D_DESCRIPTOR *d, CUarray *out)
{
	struct vcu_array_part *p = vcu_array_part(c);
	struct vcu_array *a;
	struct vcu_format f;
	CUresult r = vcu_format_of(d->Format, d->NumChannels, &f);

	if (!r)
		r = check(c, d);
	if (r)
		return r;
	a = calloc(1, sizeof(*a));
	if (!a)
		return CUDA_ERROR_OUT_OF_MEMORY;
	a->ctx = c;
	a->desc = *d;
	a->format = f;
	r = vcu_window_alloc(c, VGP_MEM_DEVICE, lay_out(a), ARRAY_ALIGN, &a->at.addr);
	if (!r) {
		a->handle = vcu_handle_new(VCU_H_ARRAY, a);
		if (!a->handle) {
			vcu_window_free(a->at.addr);
			r = CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	if (r) {
		free(a);
		return r;
	}
	*out = a->handle;
	pthread_mutex_lock(&p->lock);
	LINK(p->arrays, a);
	pthread_mutex_unlock(&p->lock);
	return CUDA_SUCCESS;
}

CUresult vcu_Array3DCreate_v2(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	return pHandle && pAllocateArray ? array_new(c, pAllocateArray, pHandle) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_ArrayCreate_v2(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR *pAllocateArray)
{
	CUDA_ARRAY3D_DESCRIPTOR d = { 0 };

	if (pAllocateArray)
		d = (CUDA_ARRAY3D_DESCRIPTOR){ .Width = pAllocateArray->Width, .Height = pAllocateArray->Height,
					       .Format = pAllocateArray->Format, .NumChannels = pAllocateArray->NumChannels };
	return vcu_Array3DCreate_v2(pHandle, pAllocateArray ? &d : NULL);
}

CUresult vcu_ArrayDestroy(CUarray hArray)
{
	struct vcu_array *a = vcu_array_get(hArray);
	struct vcu_array_part *p;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	/* a level goes with its mipmapped array */
	if (!a || a->mip)
		return CUDA_ERROR_INVALID_HANDLE;
	r = vcu_ctx_wait_all(a->ctx);
	if (r)
		return r;
	if (!vcu_handle_del(hArray, VCU_H_ARRAY))
		return CUDA_ERROR_INVALID_HANDLE;
	vcu_window_free(a->at.addr);
	p = vcu_array_part(a->ctx);
	pthread_mutex_lock(&p->lock);
	array_drop(a);
	pthread_mutex_unlock(&p->lock);
	return CUDA_SUCCESS;
}

CUresult vcu_Array3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *pArrayDescriptor, CUarray hArray)
{
	struct vcu_array *a = vcu_array_get(hArray);
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!a)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!pArrayDescriptor)
		return CUDA_ERROR_INVALID_VALUE;
	*pArrayDescriptor = a->desc;
	return CUDA_SUCCESS;
}

CUresult vcu_ArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *pArrayDescriptor, CUarray hArray)
{
	CUDA_ARRAY3D_DESCRIPTOR d;
	CUresult r = vcu_Array3DGetDescriptor_v2(&d, hArray);

	if (r)
		return r;
	if (!pArrayDescriptor)
		return CUDA_ERROR_INVALID_VALUE;
	*pArrayDescriptor = (CUDA_ARRAY_DESCRIPTOR){ .Width = d.Width, .Height = d.Height, .Format = d.Format, .NumChannels = d.NumChannels };
	return CUDA_SUCCESS;
}

/* ---- mipmapped arrays ---- */

static unsigned most_levels(const CUDA_ARRAY3D_DESCRIPTOR *d)
{
	size_t n = MAX(d->Width, d->Height);
	unsigned levels = 1;

	if (!(d->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)))
		n = MAX(n, d->Depth);
	for (; n > 1; n /= 2)
		levels++;
	return MIN(levels, VGP_TEX_LEVELS);
}

static size_t half(size_t n)
{
	return n > 1 ? n / 2 : n;
}

/* All but addresses and handles; the bytes of all levels. */
static uint64_t levels_set(struct vcu_mipmap *m, const CUDA_ARRAY3D_DESCRIPTOR *d, const struct vcu_format *f)
{
	CUDA_ARRAY3D_DESCRIPTOR now = *d;
	uint64_t size = 0;

	for (unsigned i = 0; i < m->n_levels; i++) {
		struct vcu_array *a = &m->level[i];

		a->ctx = m->ctx;
		a->mip = m;
		a->desc = now;
		a->format = *f;
		a->at.addr = size;
		size += vgpu_align_up(lay_out(a), ARRAY_ALIGN);
		now.Width = half(now.Width);
		now.Height = half(now.Height);
		if (!(d->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)))
			now.Depth = half(now.Depth);
	}
	return size;
}

static CUresult mipmap_new(struct vcu_ctx *c, const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned n, CUmipmappedArray *out)
{
	struct vcu_array_part *p = vcu_array_part(c);
	struct vcu_mipmap *m;
	struct vcu_format f;
	CUresult r = vcu_format_of(d->Format, d->NumChannels, &f);

	if (!r)
		r = check(c, d);
	if (r)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	m->ctx = c;
	m->n_levels = most_levels(d);
	m->n_levels = n < m->n_levels ? MAX(n, 1u) : m->n_levels;
	r = vcu_window_alloc(c, VGP_MEM_DEVICE, levels_set(m, d, &f), ARRAY_ALIGN, &m->addr);
	if (!r) {
		m->handle = vcu_handle_new(VCU_H_MIPMAP, m);
		if (!m->handle) {
			vcu_window_free(m->addr);
			r = CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	if (r) {
		free(m);
		return r;
	}
	for (unsigned i = 0; i < m->n_levels; i++)
		m->level[i].at.addr += m->addr;
	*out = m->handle;
	pthread_mutex_lock(&p->lock);
	LINK(p->mipmaps, m);
	pthread_mutex_unlock(&p->lock);
	return CUDA_SUCCESS;
}

CUresult vcu_MipmappedArrayCreate(CUmipmappedArray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pMipmappedArrayDesc,
				  unsigned int numMipmapLevels)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	return pHandle && pMipmappedArrayDesc ? mipmap_new(c, pMipmappedArrayDesc, numMipmapLevels, pHandle) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_MipmappedArrayGetLevel(CUarray *pLevelArray, CUmipmappedArray hMipmappedArray, unsigned int level)
{
	struct vcu_mipmap *m = vcu_mipmap_get(hMipmappedArray);
	struct vcu_array_part *p;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!m)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!pLevelArray || level >= m->n_levels)
		return CUDA_ERROR_INVALID_VALUE;
	p = vcu_array_part(m->ctx);
	pthread_mutex_lock(&p->lock);
	if (!m->level[level].handle)
		m->level[level].handle = vcu_handle_new(VCU_H_ARRAY, &m->level[level]);
	*pLevelArray = m->level[level].handle;
	pthread_mutex_unlock(&p->lock);
	return *pLevelArray ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vcu_MipmappedArrayDestroy(CUmipmappedArray hMipmappedArray)
{
	struct vcu_mipmap *m = vcu_mipmap_get(hMipmappedArray);
	struct vcu_array_part *p;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!m)
		return CUDA_ERROR_INVALID_HANDLE;
	r = vcu_ctx_wait_all(m->ctx);
	if (r)
		return r;
	if (!vcu_handle_del(hMipmappedArray, VCU_H_MIPMAP))
		return CUDA_ERROR_INVALID_HANDLE;
	vcu_window_free(m->addr);
	p = vcu_array_part(m->ctx);
	pthread_mutex_lock(&p->lock);
	mipmap_drop(m);
	pthread_mutex_unlock(&p->lock);
	return CUDA_SUCCESS;
}

/* ---- as CUDA 2 had them: sizes of 32 bits ---- */

CUresult vcu_ArrayCreate(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR_v1 *p)
{
	CUDA_ARRAY_DESCRIPTOR d = { 0 };

	if (p)
		d = (CUDA_ARRAY_DESCRIPTOR){ p->Width, p->Height, p->Format, p->NumChannels };
	return vcu_ArrayCreate_v2(pHandle, p ? &d : NULL);
}

CUresult vcu_Array3DCreate(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR_v1 *p)
{
	CUDA_ARRAY3D_DESCRIPTOR d = { 0 };

	if (p)
		d = (CUDA_ARRAY3D_DESCRIPTOR){ p->Width, p->Height, p->Depth, p->Format, p->NumChannels, p->Flags };
	return vcu_Array3DCreate_v2(pHandle, p ? &d : NULL);
}

CUresult vcu_ArrayGetDescriptor(CUDA_ARRAY_DESCRIPTOR_v1 *pArrayDescriptor, CUarray hArray)
{
	CUDA_ARRAY_DESCRIPTOR d;
	CUresult r = vcu_ArrayGetDescriptor_v2(&d, hArray);

	if (r || !pArrayDescriptor)
		return r ? r : CUDA_ERROR_INVALID_VALUE;
	*pArrayDescriptor = (CUDA_ARRAY_DESCRIPTOR_v1){ (unsigned)d.Width, (unsigned)d.Height, d.Format, d.NumChannels };
	return CUDA_SUCCESS;
}

CUresult vcu_Array3DGetDescriptor(CUDA_ARRAY3D_DESCRIPTOR_v1 *pArrayDescriptor, CUarray hArray)
{
	CUDA_ARRAY3D_DESCRIPTOR d;
	CUresult r = vcu_Array3DGetDescriptor_v2(&d, hArray);

	if (r || !pArrayDescriptor)
		return r ? r : CUDA_ERROR_INVALID_VALUE;
	*pArrayDescriptor = (CUDA_ARRAY3D_DESCRIPTOR_v1){ (unsigned)d.Width, (unsigned)d.Height, (unsigned)d.Depth, d.Format,
							  d.NumChannels, d.Flags };
	return CUDA_SUCCESS;
}
