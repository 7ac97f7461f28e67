/*
 * vcu_texref.c: texture and surface references, the older way to textures: a
 * variable of a module that kernels name. It holds the handle of an object that
 * is made anew from the reference's settings at each change; 0 while they give
 * none, which a kernel that reads it reports.
 */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_array.h"
#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_module.h"
#include "libcuda-vgpu/vcu_stream.h"

#define FLAGS_KNOWN \
	(CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB | CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION)

/* A texture reference, or a surface reference. */
struct vcu_texref {
	struct vcu_ctx *ctx;
	struct vcu_module *mod;    /* NULL: of cuTexRefCreate; nothing reads it */
	enum vcu_handle_kind kind;
	void *handle;
	uint64_t var;              /* where kernels look; 0: nowhere */
	bool bound;                /* res is set */
	CUDA_RESOURCE_DESC res;
	CUDA_TEXTURE_DESC tex;
	CUarray_format format;     /* of memory */
	unsigned channels;
	CUdeviceptr address;       /* as the program said; res has it aligned */
	uint64_t object;           /* in the worker; 0: none */
	struct vcu_texref *next, **pprev;
};

static void drop(struct vcu_texref *t)
{
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	vcu_handle_del(t->handle, t->kind);
	free(t);
}

void vcu_texrefs_forget(struct vcu_ctx *c, struct vcu_module *m)
{
	struct vcu_array_part *p = vcu_array_part(c);

	/* the module's end comes behind the part's */
	if (!p)
		return;
	for (bool more = true; more;) {
		struct vcu_texref *t;
		uint64_t object = 0;

		pthread_mutex_lock(&p->lock);
		for (t = p->texrefs; t && m && t->mod != m; t = t->next)
			;
		more = t != NULL;
		if (t) {
			object = t->object;
			drop(t);
		}
		pthread_mutex_unlock(&p->lock);
		/* with the context the worker frees all of them */
		if (m && object)
			vcu_texture_free(object);
	}
}

static CUresult texref_new(struct vcu_ctx *c, struct vcu_module *m, enum vcu_handle_kind kind, uint64_t var, void **out)
{
	struct vcu_array_part *p = vcu_array_part(c);
	struct vcu_texref *t;

	pthread_mutex_lock(&p->lock);
	for (t = p->texrefs; t; t = t->next)
		if (m && t->mod == m && t->var == var)
			break;
	if (!t) {
		t = calloc(1, sizeof(*t));
		if (t)
			t->handle = vcu_handle_new(kind, t);
		if (!t || !t->handle) {
			pthread_mutex_unlock(&p->lock);
			free(t);
			return CUDA_ERROR_OUT_OF_MEMORY;
		}
		t->ctx = c;
		t->mod = m;
		t->kind = kind;
		t->var = var;
		t->format = CU_AD_FORMAT_FLOAT;
		t->channels = 1;
		t->next = p->texrefs;
		t->pprev = &p->texrefs;
		if (t->next)
			t->next->pprev = &t->next;
		p->texrefs = t;
	}
	pthread_mutex_unlock(&p->lock);
	*out = t->handle;
	return CUDA_SUCCESS;
}

static CUresult get(const void *h, enum vcu_handle_kind kind, struct vcu_texref **out)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	*out = vcu_handle_get(h, kind);
	return *out ? vcu_ctx_check((*out)->ctx) : CUDA_ERROR_INVALID_HANDLE;
}

/* The settings have changed: kernels launched from now on see the new ones. */
static CUresult apply(struct vcu_texref *t)
{
	uint64_t old = t->object;
	CUresult r = old ? vcu_ctx_wait_all(t->ctx) : CUDA_SUCCESS;

	if (r || !t->var)
		return r;
	t->object = 0;
	/* settings that don't go together yet are no error: the next call may complete them */
	if (t->bound && (t->kind == VCU_H_TEXREF ? vcu_texture_new(t->ctx, &t->res, &t->tex, NULL, &t->object)
						 : vcu_surface_new(t->ctx, &t->res, &t->object)))
		t->object = 0;
	r = vcu_result(tr_mem_write(vcu_session(), t->var, &t->object, sizeof(t->object), NULL));
	if (old)
		vcu_texture_free(old);
	return r;
}

/* ---- of modules ---- */

static CUresult of_module(void **out, CUmodule h, const char *name, uint32_t flag, enum vcu_handle_kind kind)
{
	struct vcu_module *m = vcu_handle_get(h, VCU_H_MODULE);
	struct vgp_cmd cmd = { .op = VGP_OP_GLOBAL_GET };
	struct vgp_reply rep;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!m)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!out || !name)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_check(m->ctx);
	if (r)
		return r;
	cmd.a.GLOBAL_GET.module = m->wire;
	r = vcu_call(&cmd, name, strlen(name), &rep);
	if (r)
		return r;
	if (!(rep.r.GLOBAL_GET.flags & flag) || rep.r.GLOBAL_GET.size < sizeof(uint64_t))
		return CUDA_ERROR_NOT_FOUND;
	return texref_new(m->ctx, m, kind, rep.r.GLOBAL_GET.addr, out);
}

CUresult vcu_ModuleGetTexRef(CUtexref *pTexRef, CUmodule hmod, const char *name)
{
	void *h = NULL;
	CUresult r = of_module(pTexRef ? &h : NULL, hmod, name, VGP_GLOBAL_F_TEXTURE, VCU_H_TEXREF);

	if (!r)
		*pTexRef = h;
	return r;
}

CUresult vcu_ModuleGetSurfRef(CUsurfref *pSurfRef, CUmodule hmod, const char *name)
{
	void *h = NULL;
	CUresult r = of_module(pSurfRef ? &h : NULL, hmod, name, VGP_GLOBAL_F_SURFACE, VCU_H_SURFREF);

	if (!r)
		*pSurfRef = h;
	return r;
}

CUresult vcu_TexRefCreate(CUtexref *pTexRef)
{
	struct vcu_ctx *c;
	void *h;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!pTexRef)
		return CUDA_ERROR_INVALID_VALUE;
	r = texref_new(c, NULL, VCU_H_TEXREF, 0, &h);
	if (!r)
		*pTexRef = h;
	return r;
}

CUresult vcu_TexRefDestroy(CUtexref hTexRef)
{
	struct vcu_array_part *p;
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	/* a module's goes with the module */
	if (t->mod)
		return CUDA_ERROR_INVALID_HANDLE;
	p = vcu_array_part(t->ctx);
	pthread_mutex_lock(&p->lock);
	drop(t);
	pthread_mutex_unlock(&p->lock);
	return CUDA_SUCCESS;
}

/* The binding is in the variable already. */
CUresult vcu_ParamSetTexRef(CUfunction hfunc, int texunit, CUtexref hTexRef)
{
	struct vcu_texref *t;
	struct vcu_func *f;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (!r)
		r = vcu_func_get(hfunc, t->ctx, &f);
	if (r)
		return r;
	return texunit == CU_PARAM_TR_DEFAULT && t->mod ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- what is bound ---- */

CUresult vcu_TexRefSetArray(CUtexref hTexRef, CUarray hArray, unsigned int Flags)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (Flags != CU_TRSA_OVERRIDE_FORMAT)
		return CUDA_ERROR_INVALID_VALUE;
	if (hArray && !vcu_array_get(hArray))
		return CUDA_ERROR_INVALID_HANDLE;
	t->bound = hArray != NULL;
	t->res = (CUDA_RESOURCE_DESC){ .resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = hArray };
	if (hArray) {
		t->format = vcu_array_get(hArray)->desc.Format;
		t->channels = vcu_array_get(hArray)->desc.NumChannels;
	}
	return apply(t);
}

CUresult vcu_TexRefSetMipmappedArray(CUtexref hTexRef, CUmipmappedArray hMipmappedArray, unsigned int Flags)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (Flags != CU_TRSA_OVERRIDE_FORMAT)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vcu_mipmap_get(hMipmappedArray))
		return CUDA_ERROR_INVALID_HANDLE;
	t->bound = true;
	t->res = (CUDA_RESOURCE_DESC){ .resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY, .res.mipmap.hMipmappedArray = hMipmappedArray };
	return apply(t);
}

static void set_memory_format(struct vcu_texref *t)
{
	if (t->res.resType == CU_RESOURCE_TYPE_LINEAR) {
		t->res.res.linear.format = t->format;
		t->res.res.linear.numChannels = t->channels;
	}
}

CUresult vcu_TexRefSetAddress_v2(size_t *ByteOffset, CUtexref hTexRef, CUdeviceptr dptr, size_t bytes)
{
	struct vcu_range range;
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);
	size_t off = 0;
	int align = 1;

	if (r)
		return r;
	t->res = (CUDA_RESOURCE_DESC){ .resType = CU_RESOURCE_TYPE_LINEAR };
	t->bound = false;
	if (!dptr)
		return apply(t);
	vcu_DeviceGetAttribute(&align, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, t->ctx->dev->ordinal);
	off = dptr % (unsigned)align;
	if ((off && !ByteOffset) || !bytes || !vcu_mem_find(dptr, bytes, &range) || dptr - off < range.addr)
		return CUDA_ERROR_INVALID_VALUE;
	t->bound = true;
	t->address = dptr;
	t->res.res.linear.devPtr = dptr - off;
	t->res.res.linear.sizeInBytes = bytes + off;
	set_memory_format(t);
	if (ByteOffset)
		*ByteOffset = off;
	return apply(t);
}

CUresult vcu_TexRefSetAddress2D_v3(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc, CUdeviceptr dptr, size_t Pitch)
{
	CUDA_TEXTURE_DESC plain = { .flags = CU_TRSF_READ_AS_INTEGER };
	CUDA_RESOURCE_DESC res = { .resType = CU_RESOURCE_TYPE_PITCH2D };
	struct vcu_texref *t;
	uint64_t probe;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!desc)
		return CUDA_ERROR_INVALID_VALUE;
	res.res.pitch2D.devPtr = dptr;
	res.res.pitch2D.format = desc->Format;
	res.res.pitch2D.numChannels = desc->NumChannels;
	res.res.pitch2D.width = desc->Width;
	res.res.pitch2D.height = desc->Height;
	res.res.pitch2D.pitchInBytes = Pitch;
	/* what is wrong with the memory is told here, not at the launch */
	r = vcu_texture_new(t->ctx, &res, &plain, NULL, &probe);
	if (r)
		return r;
	vcu_texture_free(probe);
	t->bound = true;
	t->address = dptr;
	t->format = desc->Format;
	t->channels = desc->NumChannels;
	t->res = res;
	return apply(t);
}

CUresult vcu_TexRefSetAddress2D_v2(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc, CUdeviceptr dptr, size_t Pitch)
{
	return vcu_TexRefSetAddress2D_v3(hTexRef, desc, dptr, Pitch);
}

/* ---- how it is read ---- */

CUresult vcu_TexRefSetFormat(CUtexref hTexRef, CUarray_format fmt, int NumPackedComponents)
{
	struct vcu_format f;
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (!r)
		r = NumPackedComponents < 1 ? CUDA_ERROR_INVALID_VALUE : vcu_format_of(fmt, (unsigned)NumPackedComponents, &f);
	if (r)
		return r;
	t->format = fmt;
	t->channels = (unsigned)NumPackedComponents;
	set_memory_format(t);
	return apply(t);
}

CUresult vcu_TexRefSetAddressMode(CUtexref hTexRef, int dim, CUaddress_mode am)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (dim < 0 || dim > 2 || (unsigned)am > CU_TR_ADDRESS_MODE_BORDER)
		return CUDA_ERROR_INVALID_VALUE;
	t->tex.addressMode[dim] = am;
	return apply(t);
}

CUresult vcu_TexRefSetFilterMode(CUtexref hTexRef, CUfilter_mode fm)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if ((unsigned)fm > CU_TR_FILTER_MODE_LINEAR)
		return CUDA_ERROR_INVALID_VALUE;
	t->tex.filterMode = fm;
	return apply(t);
}

CUresult vcu_TexRefSetMipmapFilterMode(CUtexref hTexRef, CUfilter_mode fm)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if ((unsigned)fm > CU_TR_FILTER_MODE_LINEAR)
		return CUDA_ERROR_INVALID_VALUE;
	t->tex.mipmapFilterMode = fm;
	return apply(t);
}

CUresult vcu_TexRefSetMipmapLevelBias(CUtexref hTexRef, float bias)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	t->tex.mipmapLevelBias = bias;
	return apply(t);
}

CUresult vcu_TexRefSetMipmapLevelClamp(CUtexref hTexRef, float minMipmapLevelClamp, float maxMipmapLevelClamp)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	t->tex.minMipmapLevelClamp = minMipmapLevelClamp;
	t->tex.maxMipmapLevelClamp = maxMipmapLevelClamp;
	return apply(t);
}

/* Kept for the program to ask; sampling is isotropic. */
CUresult vcu_TexRefSetMaxAnisotropy(CUtexref hTexRef, unsigned int maxAniso)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	t->tex.maxAnisotropy = maxAniso;
	return CUDA_SUCCESS;
}

CUresult vcu_TexRefSetBorderColor(CUtexref hTexRef, float *pBorderColor)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!pBorderColor)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(t->tex.borderColor, pBorderColor, sizeof(t->tex.borderColor));
	return apply(t);
}

CUresult vcu_TexRefSetFlags(CUtexref hTexRef, unsigned int Flags)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (Flags & ~(unsigned)FLAGS_KNOWN)
		return CUDA_ERROR_INVALID_VALUE;
	t->tex.flags = Flags;
	return apply(t);
}

/* ---- queries ---- */

CUresult vcu_TexRefGetAddress_v2(CUdeviceptr *pdptr, CUtexref hTexRef)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!pdptr || !t->bound || (t->res.resType != CU_RESOURCE_TYPE_LINEAR && t->res.resType != CU_RESOURCE_TYPE_PITCH2D))
		return CUDA_ERROR_INVALID_VALUE;
	*pdptr = t->address;
	return CUDA_SUCCESS;
}

CUresult vcu_TexRefGetArray(CUarray *phArray, CUtexref hTexRef)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!phArray || !t->bound || t->res.resType != CU_RESOURCE_TYPE_ARRAY)
		return CUDA_ERROR_INVALID_VALUE;
	*phArray = t->res.res.array.hArray;
	return CUDA_SUCCESS;
}

CUresult vcu_TexRefGetMipmappedArray(CUmipmappedArray *phMipmappedArray, CUtexref hTexRef)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!phMipmappedArray || !t->bound || t->res.resType != CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)
		return CUDA_ERROR_INVALID_VALUE;
	*phMipmappedArray = t->res.res.mipmap.hMipmappedArray;
	return CUDA_SUCCESS;
}

CUresult vcu_TexRefGetAddressMode(CUaddress_mode *pam, CUtexref hTexRef, int dim)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!pam || dim < 0 || dim > 2)
		return CUDA_ERROR_INVALID_VALUE;
	*pam = t->tex.addressMode[dim];
	return CUDA_SUCCESS;
}

CUresult vcu_TexRefGetFormat(CUarray_format *pFormat, int *pNumChannels, CUtexref hTexRef)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!pFormat || !pNumChannels)
		return CUDA_ERROR_INVALID_VALUE;
	*pFormat = t->format;
	*pNumChannels = (int)t->channels;
	return CUDA_SUCCESS;
}

/* One setting: its type, and its member of the description. */
#define GETTER(name, type, member)                                    \
	CUresult vcu_TexRefGet##name(type *out, CUtexref hTexRef)     \
	{                                                             \
		struct vcu_texref *t;                                 \
		CUresult r = get(hTexRef, VCU_H_TEXREF, &t);          \
                                                                      \
		if (r)                                                \
			return r;                                     \
		if (!out)                                             \
			return CUDA_ERROR_INVALID_VALUE;              \
		*out = (type)t->tex.member;                           \
		return CUDA_SUCCESS;                                  \
	}

GETTER(FilterMode, CUfilter_mode, filterMode)
GETTER(MipmapFilterMode, CUfilter_mode, mipmapFilterMode)
GETTER(MipmapLevelBias, float, mipmapLevelBias)
GETTER(MaxAnisotropy, int, maxAnisotropy)
GETTER(Flags, unsigned int, flags)

CUresult vcu_TexRefGetMipmapLevelClamp(float *pminMipmapLevelClamp, float *pmaxMipmapLevelClamp, CUtexref hTexRef)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!pminMipmapLevelClamp || !pmaxMipmapLevelClamp)
		return CUDA_ERROR_INVALID_VALUE;
	*pminMipmapLevelClamp = t->tex.minMipmapLevelClamp;
	*pmaxMipmapLevelClamp = t->tex.maxMipmapLevelClamp;
	return CUDA_SUCCESS;
}

CUresult vcu_TexRefGetBorderColor(float *pBorderColor, CUtexref hTexRef)
{
	struct vcu_texref *t;
	CUresult r = get(hTexRef, VCU_H_TEXREF, &t);

	if (r)
		return r;
	if (!pBorderColor)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(pBorderColor, t->tex.borderColor, sizeof(t->tex.borderColor));
	return CUDA_SUCCESS;
}

/* ---- surfaces ---- */

CUresult vcu_SurfRefSetArray(CUsurfref hSurfRef, CUarray hArray, unsigned int Flags)
{
	struct vcu_texref *t;
	CUresult r = get(hSurfRef, VCU_H_SURFREF, &t);

	if (r)
		return r;
	if (!vcu_array_get(hArray))
		return CUDA_ERROR_INVALID_HANDLE;
	if (Flags)
		return CUDA_ERROR_INVALID_VALUE;
	t->bound = true;
	t->res = (CUDA_RESOURCE_DESC){ .resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = hArray };
	return apply(t);
}

CUresult vcu_SurfRefGetArray(CUarray *phArray, CUsurfref hSurfRef)
{
	struct vcu_texref *t;
	CUresult r = get(hSurfRef, VCU_H_SURFREF, &t);

	if (r)
		return r;
	if (!phArray || !t->bound)
		return CUDA_ERROR_INVALID_VALUE;
	*phArray = t->res.res.array.hArray;
	return CUDA_SUCCESS;
}
