/* vcu_texture.c: see vcu_array.h. Texture and surface objects. */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_array.h"
#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_stream.h"
#include "util/htab.h"

#define FLAGS_KNOWN                                                                             \
	(CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB |              \
	 CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION | CU_TRSF_SEAMLESS_CUBEMAP)

struct object {
	struct vcu_ctx *ctx;
	bool surface;
	bool has_view;
	CUDA_RESOURCE_DESC res;
	CUDA_TEXTURE_DESC tex;
	CUDA_RESOURCE_VIEW_DESC view;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vgpu_htab objects;           /* by handle → struct object * */

/* What TEX_CREATE carries. */
struct wire {
	struct vgp_tex t;
	struct vgp_tex_level level[VGP_TEX_LEVELS];
};

/* ---- resources ---- */

static void set_format(struct wire *w, const struct vcu_format *f)
{
	w->t.chan = f->chan;
	w->t.channels = f->channels;
	if (f->norm)
		w->t.flags |= VGP_TEX_F_NORM;
}

static void set_array(struct wire *w, const struct vcu_array *a)
{
	bool layered = a->desc.Flags & CUDA_ARRAY3D_LAYERED, cube = a->desc.Flags & CUDA_ARRAY3D_CUBEMAP;

	set_format(w, &a->format);
	w->t.flags |= (layered ? VGP_TEX_F_LAYERED : 0u) | (cube ? VGP_TEX_F_CUBE : 0u);
	w->t.dims = layered || cube ? (a->desc.Height ? 2 : 1) : a->desc.Depth ? 3 : a->desc.Height ? 2 : 1;
	w->t.n_levels = 1;
	w->level[0] = a->at;
}

static CUresult set_mipmap(struct wire *w, const struct vcu_mipmap *m)
{
	set_array(w, &m->level[0]);
	w->t.n_levels = (uint8_t)m->n_levels;
	for (unsigned i = 0; i < m->n_levels; i++)
		w->level[i] = m->level[i].at;
	return CUDA_SUCCESS;
}

/* Memory of the program's, by its pointer. */
static CUresult set_memory(struct wire *w, CUdeviceptr p, uint64_t bytes)
{
	struct vcu_range range;

	if (!p || !vcu_mem_find(p, bytes, &range))
		return CUDA_ERROR_INVALID_VALUE;
	w->t.n_levels = 1;
	w->level[0].addr = range.dev + (p - range.addr);
	w->level[0].h = w->level[0].d = 1;
	return CUDA_SUCCESS;
}

static int attribute(const struct vcu_ctx *c, CUdevice_attribute a)
{
	int v = 0;

	vcu_DeviceGetAttribute(&v, a, c->dev->ordinal);
	return v;
}

static CUresult set_linear(const struct vcu_ctx *c, struct wire *w, const CUDA_RESOURCE_DESC *res)
{
	struct vcu_format f;
	uint64_t n;
	CUresult r = vcu_format_of(res->res.linear.format, res->res.linear.numChannels, &f);

	if (r)
		return r;
	n = res->res.linear.sizeInBytes / ((uint64_t)f.chan_B * f.channels);
	if (!n || n > (uint64_t)attribute(c, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH) ||
	    res->res.linear.devPtr % (unsigned)attribute(c, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT))
		return CUDA_ERROR_INVALID_VALUE;
	set_format(w, &f);
	w->t.flags |= VGP_TEX_F_BUFFER;
	w->t.dims = 1;
	w->level[0].w = (uint32_t)n;
	return set_memory(w, res->res.linear.devPtr, n * f.chan_B * f.channels);
}

static CUresult set_pitch2d(const struct vcu_ctx *c, struct wire *w, const CUDA_RESOURCE_DESC *res)
{
	size_t width = res->res.pitch2D.width, height = res->res.pitch2D.height, pitch = res->res.pitch2D.pitchInBytes;
	struct vcu_format f;
	CUresult r = vcu_format_of(res->res.pitch2D.format, res->res.pitch2D.numChannels, &f);
	uint64_t row;

	if (r)
		return r;
	if (!width || !height || width > (size_t)attribute(c, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_WIDTH) ||
	    height > (size_t)attribute(c, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_HEIGHT) ||
	    pitch > (size_t)attribute(c, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LINEAR_PITCH))
		return CUDA_ERROR_INVALID_VALUE;
	row = (uint64_t)width * f.chan_B * f.channels;
	if (pitch < row || pitch % (unsigned)attribute(c, CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT) ||
	    res->res.pitch2D.devPtr % (unsigned)attribute(c, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT))
		return CUDA_ERROR_INVALID_VALUE;
	set_format(w, &f);
	w->t.dims = 2;
	w->level[0].w = (uint32_t)width;
	r = set_memory(w, res->res.pitch2D.devPtr, pitch * (height - 1) + row);
	w->level[0].h = (uint32_t)height;
	w->level[0].pitch = pitch;
	return r;
}

static CUresult set_resource(const struct vcu_ctx *c, struct wire *w, const CUDA_RESOURCE_DESC *res)
{
	const struct vcu_array *a;
	const struct vcu_mipmap *m;

	if (res->flags)
		return CUDA_ERROR_INVALID_VALUE;
	switch (res->resType) {
	case CU_RESOURCE_TYPE_ARRAY:
		a = vcu_array_get(res->res.array.hArray);
		if (!a)
			return CUDA_ERROR_INVALID_HANDLE;
		set_array(w, a);
		return CUDA_SUCCESS;
	case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
		m = vcu_mipmap_get(res->res.mipmap.hMipmappedArray);
		return m ? set_mipmap(w, m) : CUDA_ERROR_INVALID_HANDLE;
	case CU_RESOURCE_TYPE_LINEAR:
		return set_linear(c, w, res);
	case CU_RESOURCE_TYPE_PITCH2D:
		return set_pitch2d(c, w, res);
	}
	return CUDA_ERROR_INVALID_VALUE;
}

/* ---- views ---- */

static CUresult view_format(CUresourceViewFormat v, struct vcu_format *f)
{
	static const struct {
		uint8_t chan, chan_B;
	} kinds[] = {
		{ VGP_TEX_U8, 1 }, { VGP_TEX_S8, 1 }, { VGP_TEX_U16, 2 }, { VGP_TEX_S16, 2 }, { VGP_TEX_U32, 4 }, { VGP_TEX_S32, 4 },
		{ VGP_TEX_F16, 2 }, { VGP_TEX_F32, 4 },
	};
	unsigned n = (unsigned)v - CU_RES_VIEW_FORMAT_UINT_1X8;

	if (v < CU_RES_VIEW_FORMAT_UINT_1X8 || v > CU_RES_VIEW_FORMAT_UNSIGNED_BC7)
		return CUDA_ERROR_INVALID_VALUE;
	if (v > CU_RES_VIEW_FORMAT_FLOAT_4X32)
		return CUDA_ERROR_NOT_SUPPORTED;
	*f = (struct vcu_format){ kinds[n / 3].chan, (uint8_t)(1u << n % 3), kinds[n / 3].chan_B, false };
	return CUDA_SUCCESS;
}

static uint32_t texel_B(const struct wire *w)
{
	static const uint8_t chan_B[] = { 1, 1, 2, 2, 4, 4, 2, 4 };

	return (uint32_t)chan_B[w->t.chan] * w->t.channels;
}

/* A part of the levels and layers, perhaps as another format of the same size. */
static CUresult set_view(struct wire *w, const CUDA_RESOURCE_DESC *res, const CUDA_RESOURCE_VIEW_DESC *v)
{
	bool slices = w->t.flags & (VGP_TEX_F_LAYERED | VGP_TEX_F_CUBE);
	struct vcu_format f;
	CUresult r;

	if (res->resType != CU_RESOURCE_TYPE_ARRAY && res->resType != CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
		return CUDA_ERROR_INVALID_VALUE;
	if (v->format != CU_RES_VIEW_FORMAT_NONE) {
		r = view_format(v->format, &f);
		if (r)
			return r;
		if ((uint32_t)f.chan_B * f.channels != texel_B(w))
			return CUDA_ERROR_INVALID_VALUE;
		w->t.flags &= ~(uint32_t)VGP_TEX_F_NORM;
		set_format(w, &f);
	}
	if (v->width != w->level[0].w || (v->height ? v->height : 1) != w->level[0].h ||
	    (w->t.dims == 3 && v->depth != w->level[0].d) || v->firstMipmapLevel > v->lastMipmapLevel ||
	    v->lastMipmapLevel >= w->t.n_levels || v->firstLayer > v->lastLayer || v->lastLayer >= (slices ? w->level[0].d : 1))
		return CUDA_ERROR_INVALID_VALUE;
	w->t.n_levels = (uint8_t)(v->lastMipmapLevel - v->firstMipmapLevel + 1);
	memmove(w->level, w->level + v->firstMipmapLevel, w->t.n_levels * sizeof(w->level[0]));
	if (!slices)
		return CUDA_SUCCESS;
	for (unsigned i = 0; i < w->t.n_levels; i++) {
		w->level[i].addr += v->firstLayer * w->level[i].slice;
		w->level[i].d = v->lastLayer - v->firstLayer + 1;
	}
	return CUDA_SUCCESS;
}

/* ---- samplers ---- */

static bool is_float(const struct wire *w)
{
	return w->t.flags & VGP_TEX_F_NORM || w->t.chan == VGP_TEX_F16 || w->t.chan == VGP_TEX_F32;
}

static CUresult set_sampler(struct wire *w, const CUDA_TEXTURE_DESC *d)
{
	bool buffer = w->t.flags & VGP_TEX_F_BUFFER, narrow = w->t.chan <= VGP_TEX_S16;

	if (d->flags & ~(unsigned)FLAGS_KNOWN || (unsigned)d->filterMode > CU_TR_FILTER_MODE_LINEAR ||
	    (unsigned)d->mipmapFilterMode > CU_TR_FILTER_MODE_LINEAR)
		return CUDA_ERROR_INVALID_VALUE;
	for (int i = 0; i < 3; i++) {
		if ((unsigned)d->addressMode[i] > CU_TR_ADDRESS_MODE_BORDER)
			return CUDA_ERROR_INVALID_VALUE;
		w->t.addr[i] = (uint8_t)d->addressMode[i];
	}
	/* integers of 32 bits stay integers */
	if (narrow && !(d->flags & CU_TRSF_READ_AS_INTEGER))
		w->t.flags |= VGP_TEX_F_NORM;
	if (d->flags & CU_TRSF_NORMALIZED_COORDINATES && !buffer)
		w->t.flags |= VGP_TEX_F_NORMALIZED;
	if (d->flags & CU_TRSF_SRGB && w->t.chan == VGP_TEX_U8 && w->t.flags & VGP_TEX_F_NORM)
		w->t.flags |= VGP_TEX_F_SRGB;
	if (d->flags & CU_TRSF_SEAMLESS_CUBEMAP)
		w->t.flags |= VGP_TEX_F_SEAMLESS;
	if (d->filterMode == CU_TR_FILTER_MODE_LINEAR && !buffer)
		w->t.flags |= VGP_TEX_F_LINEAR;
	if (d->mipmapFilterMode == CU_TR_FILTER_MODE_LINEAR && w->t.n_levels > 1)
		w->t.flags |= VGP_TEX_F_MIP_LINEAR;
	if (w->t.flags & (VGP_TEX_F_LINEAR | VGP_TEX_F_MIP_LINEAR) && !is_float(w))
		return CUDA_ERROR_INVALID_VALUE;
	w->t.lod_bias = d->mipmapLevelBias;
	w->t.lod_min = d->minMipmapLevelClamp;
	w->t.lod_max = d->maxMipmapLevelClamp;
	memcpy(w->t.border, d->borderColor, sizeof(w->t.border));
	return CUDA_SUCCESS;
}

/* ---- objects of the worker ---- */

static CUresult create(struct vcu_ctx *c, const struct wire *w, uint64_t *handle)
{
	struct vgp_cmd cmd = { .op = VGP_OP_TEX_CREATE, .a.TEX_CREATE = { .ctx = c->wire } };
	struct vgp_reply rep;
	CUresult r = vcu_call(&cmd, w, sizeof(w->t) + w->t.n_levels * sizeof(w->level[0]), &rep);

	if (!r)
		*handle = rep.r.TEX_CREATE.handle;
	return r;
}

CUresult vcu_texture_new(struct vcu_ctx *c, const CUDA_RESOURCE_DESC *res, const CUDA_TEXTURE_DESC *tex,
			 const CUDA_RESOURCE_VIEW_DESC *view, uint64_t *handle)
{
	struct wire w = { 0 };
	CUresult r = set_resource(c, &w, res);

	if (!r && view)
		r = set_view(&w, res, view);
	if (!r)
		r = set_sampler(&w, tex);
	return r ? r : create(c, &w, handle);
}

/* Any array will do, as for NVIDIA's driver (seen), whether or not it was made with CUDA_ARRAY3D_SURFACE_LDST. */
CUresult vcu_surface_new(struct vcu_ctx *c, const CUDA_RESOURCE_DESC *res, uint64_t *handle)
{
	struct wire w = { 0 };
	CUresult r;

	if (res->resType != CU_RESOURCE_TYPE_ARRAY)
		return CUDA_ERROR_INVALID_VALUE;
	r = set_resource(c, &w, res);
	if (r)
		return r;
	w.t.flags |= VGP_TEX_F_SURFACE;
	return create(c, &w, handle);
}

CUresult vcu_texture_free(uint64_t handle)
{
	struct vgp_cmd cmd = { .op = VGP_OP_TEX_DESTROY, .a.TEX_DESTROY = { .handle = handle } };

	return vcu_call(&cmd, NULL, 0, NULL);
}

/* ---- objects of the program ---- */

static CUresult keep(struct object *o, uint64_t handle)
{
	bool put;

	pthread_mutex_lock(&lock);
	put = vgpu_htab_put(&objects, handle, o);
	pthread_mutex_unlock(&lock);
	if (put)
		return CUDA_SUCCESS;
	vcu_texture_free(handle);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

/* A copy, so that nobody waits for whoever looks at it. */
static CUresult look(uint64_t handle, bool surface, struct object *out)
{
	const struct object *o;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	pthread_mutex_lock(&lock);
	o = vgpu_htab_get(&objects, handle);
	if (o && o->surface == surface)
		*out = *o;
	else
		r = CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_unlock(&lock);
	return r;
}

/* Kernels that were launched before may use it to their end. */
static CUresult destroy(uint64_t handle, bool surface)
{
	struct object o;
	void *taken;
	CUresult r = look(handle, surface, &o);

	if (!r)
		r = vcu_ctx_wait_all(o.ctx);
	if (r)
		return r;
	pthread_mutex_lock(&lock);
	taken = vgpu_htab_del(&objects, handle);
	pthread_mutex_unlock(&lock);
	if (!taken)
		return CUDA_ERROR_INVALID_VALUE;
	free(taken);
	return vcu_texture_free(handle);
}

void vcu_textures_fini(struct vcu_ctx *c)
{
	bool more = true;

	pthread_mutex_lock(&lock);
	while (more) {
		struct vgpu_htab_slot *s;
		size_t i = 0;

		more = false;
		while (!more && (s = vgpu_htab_next(&objects, &i))) {
			struct object *o = s->value;

			if (o->ctx != c)
				continue;
			vgpu_htab_del(&objects, s->key);
			free(o);
			more = true;
		}
	}
	if (!objects.n)
		vgpu_htab_fini(&objects);
	pthread_mutex_unlock(&lock);
}

CUresult vcu_TexObjectCreate(CUtexObject *pTexObject, const CUDA_RESOURCE_DESC *pResDesc, const CUDA_TEXTURE_DESC *pTexDesc,
			     const CUDA_RESOURCE_VIEW_DESC *pResViewDesc)
{
	uint64_t handle = 0;
	struct vcu_ctx *c;
	struct object *o;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!pTexObject || !pResDesc || !pTexDesc)
		return CUDA_ERROR_INVALID_VALUE;
	o = calloc(1, sizeof(*o));
	if (!o)
		return CUDA_ERROR_OUT_OF_MEMORY;
	o->ctx = c;
	o->res = *pResDesc;
	o->tex = *pTexDesc;
	o->has_view = pResViewDesc != NULL;
	if (pResViewDesc)
		o->view = *pResViewDesc;
	r = vcu_texture_new(c, pResDesc, pTexDesc, pResViewDesc, &handle);
	if (!r)
		r = keep(o, handle);
	if (r)
		free(o);
	else
		*pTexObject = handle;
	return r;
}

CUresult vcu_TexObjectDestroy(CUtexObject texObject)
{
	return destroy(texObject, false);
}

CUresult vcu_TexObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUtexObject texObject)
{
	struct object o;
	CUresult r = look(texObject, false, &o);

	if (r || !pResDesc)
		return r ? r : CUDA_ERROR_INVALID_VALUE;
	*pResDesc = o.res;
	return CUDA_SUCCESS;
}

CUresult vcu_TexObjectGetTextureDesc(CUDA_TEXTURE_DESC *pTexDesc, CUtexObject texObject)
{
	struct object o;
	CUresult r = look(texObject, false, &o);

	if (r || !pTexDesc)
		return r ? r : CUDA_ERROR_INVALID_VALUE;
	*pTexDesc = o.tex;
	return CUDA_SUCCESS;
}

CUresult vcu_TexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *pResViewDesc, CUtexObject texObject)
{
	struct object o;
	CUresult r = look(texObject, false, &o);

	if (r || !pResViewDesc || !o.has_view)
		return r ? r : CUDA_ERROR_INVALID_VALUE;
	*pResViewDesc = o.view;
	return CUDA_SUCCESS;
}

CUresult vcu_SurfObjectCreate(CUsurfObject *pSurfObject, const CUDA_RESOURCE_DESC *pResDesc)
{
	uint64_t handle = 0;
	struct vcu_ctx *c;
	struct object *o;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!pSurfObject || !pResDesc)
		return CUDA_ERROR_INVALID_VALUE;
	o = calloc(1, sizeof(*o));
	if (!o)
		return CUDA_ERROR_OUT_OF_MEMORY;
	o->ctx = c;
	o->surface = true;
	o->res = *pResDesc;
	r = vcu_surface_new(c, pResDesc, &handle);
	if (!r)
		r = keep(o, handle);
	if (r)
		free(o);
	else
		*pSurfObject = handle;
	return r;
}

CUresult vcu_SurfObjectDestroy(CUsurfObject surfObject)
{
	return destroy(surfObject, true);
}

CUresult vcu_SurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUsurfObject surfObject)
{
	struct object o;
	CUresult r = look(surfObject, true, &o);

	if (r || !pResDesc)
		return r ? r : CUDA_ERROR_INVALID_VALUE;
	*pResDesc = o.res;
	return CUDA_SUCCESS;
}
