/* vcu_memcpy3d.c: copies of rectangles and boxes. Both become a box. */
#include "libcuda-vgpu/vcu_array.h"
#include "libcuda-vgpu/vcu_copy.h"

/* One side as a struct of the API says it. */
struct end {
	CUmemorytype type;
	const void *host;
	CUdeviceptr device;
	CUarray array;
	size_t x, y, z, lod, pitch, height;
};

static bool reaches(size_t from, size_t n, uint64_t size)
{
	return from <= size && n <= size - from;
}

/* The box inside an array: its pitch and height count, not the struct's; columns are whole elements. */
static CUresult set_array_side(struct vcu_side *s, const struct end *e, size_t width, size_t rows, size_t slices)
{
	const struct vcu_array *a = vcu_array_get(e->array);

	if (!a)
		return CUDA_ERROR_INVALID_HANDLE;
	if (e->lod || e->x % a->texel_B || width % a->texel_B || !reaches(e->x, width, (uint64_t)a->at.w * a->texel_B) ||
	    !reaches(e->y, rows, a->at.h) || !reaches(e->z, slices, a->at.d))
		return CUDA_ERROR_INVALID_VALUE;
	s->kind = VCU_SIDE_ARRAY;
	s->pitch = a->at.pitch;
	s->slice = a->at.slice;
	s->base = a->at.addr + e->x + e->y * s->pitch + e->z * s->slice;
	return CUDA_SUCCESS;
}

static CUresult set_side(struct vcu_side *s, const struct end *e, size_t width, size_t rows, size_t slices)
{
	size_t pitch = e->pitch, height = e->height;

	switch (e->type) {
	case CU_MEMORYTYPE_HOST:
		s->kind = VCU_SIDE_ANY;
		s->base = (uint64_t)e->host;
		break;
	case CU_MEMORYTYPE_DEVICE:
		s->kind = VCU_SIDE_DEVICE;
		s->base = e->device;
		break;
	case CU_MEMORYTYPE_UNIFIED:
		s->kind = VCU_SIDE_ANY;
		s->base = e->device;
		break;
	case CU_MEMORYTYPE_ARRAY:
		return set_array_side(s, e, width, rows, slices);
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	if (e->lod || !s->base)
		return CUDA_ERROR_INVALID_VALUE;
	/* 0: rows, or slices, lie close together */
	if (!pitch)
		pitch = width + e->x;
	if (!height)
		height = rows + e->y;
	if (pitch < width || pitch - width < e->x || (slices > 1 && (height < rows || height - rows < e->y)))
		return CUDA_ERROR_INVALID_VALUE;
	if (pitch > INT32_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	s->pitch = pitch;
	if (__builtin_mul_overflow(pitch, height, &s->slice))
		return CUDA_ERROR_INVALID_VALUE;
	s->base += e->x + e->y * pitch + e->z * s->slice;
	return CUDA_SUCCESS;
}

static CUresult box_of(const struct end *dst, const struct end *src, size_t w, size_t h, size_t d, struct vcu_copy *c)
{
	CUresult r;

	*c = (struct vcu_copy){ .width = w, .height = h, .depth = d };
	if (!w || !h || !d)
		return CUDA_SUCCESS;
	r = set_side(&c->dst, dst, w, h, d);
	return r ? r : set_side(&c->src, src, w, h, d);
}

static CUresult copy_box(const struct end *dst, const struct end *src, size_t w, size_t h, size_t d, struct vcu_stream *s, bool async)
{
	struct vcu_copy c;
	CUresult r = box_of(dst, src, w, h, d, &c);

	return r ? r : vcu_copy(&c, s, async);
}

static CUresult default_stream(struct vcu_stream **s)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	return r ? r : vcu_stream_default(c, s);
}

/* ---- two dimensions ---- */

static CUresult copy_2d(const CUDA_MEMCPY2D *p, struct vcu_stream *s, bool async)
{
	struct end dst = { p->dstMemoryType, p->dstHost, p->dstDevice, p->dstArray, p->dstXInBytes, p->dstY, 0, 0, p->dstPitch, 0 };
	struct end src = { p->srcMemoryType, p->srcHost, p->srcDevice, p->srcArray, p->srcXInBytes, p->srcY, 0, 0, p->srcPitch, 0 };

	return copy_box(&dst, &src, p->WidthInBytes, p->Height, 1, s, async);
}

CUresult vcu_Memcpy2D_v2(const CUDA_MEMCPY2D *pCopy)
{
	struct vcu_stream *s;
	CUresult r = default_stream(&s);

	if (r)
		return r;
	return pCopy ? copy_2d(pCopy, s, false) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_Memcpy2DUnaligned_v2(const CUDA_MEMCPY2D *pCopy)
{
	return vcu_Memcpy2D_v2(pCopy);
}

CUresult vcu_Memcpy2DAsync_v2(const CUDA_MEMCPY2D *pCopy, CUstream hStream)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	return pCopy ? copy_2d(pCopy, s, true) : CUDA_ERROR_INVALID_VALUE;
}

/* ---- three dimensions ---- */

CUresult vcu_copy_of_3d(const CUDA_MEMCPY3D *p, struct vcu_copy *c)
{
	struct end dst = { p->dstMemoryType, p->dstHost, p->dstDevice, p->dstArray, p->dstXInBytes, p->dstY, p->dstZ, p->dstLOD,
			   p->dstPitch, p->dstHeight };
	struct end src = { p->srcMemoryType, p->srcHost, p->srcDevice, p->srcArray, p->srcXInBytes, p->srcY, p->srcZ, p->srcLOD,
			   p->srcPitch, p->srcHeight };

	return box_of(&dst, &src, p->WidthInBytes, p->Height, p->Depth, c);
}

static CUresult copy_3d(const CUDA_MEMCPY3D *p, struct vcu_stream *s, bool async)
{
	struct vcu_copy c;
	CUresult r = vcu_copy_of_3d(p, &c);

	return r ? r : vcu_copy(&c, s, async);
}

CUresult vcu_Memcpy3D_v2(const CUDA_MEMCPY3D *pCopy)
{
	struct vcu_stream *s;
	CUresult r = default_stream(&s);

	if (r)
		return r;
	return pCopy ? copy_3d(pCopy, s, false) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_Memcpy3DAsync_v2(const CUDA_MEMCPY3D *pCopy, CUstream hStream)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	return pCopy ? copy_3d(pCopy, s, true) : CUDA_ERROR_INVALID_VALUE;
}

/* Peer copies: contexts only say whose memory it is, which the address tells, too. */
static CUresult copy_3d_peer(const CUDA_MEMCPY3D_PEER *p, struct vcu_stream *s, bool async)
{
	struct end dst = { p->dstMemoryType, p->dstHost, p->dstDevice, p->dstArray, p->dstXInBytes, p->dstY, p->dstZ, p->dstLOD,
			   p->dstPitch, p->dstHeight };
	struct end src = { p->srcMemoryType, p->srcHost, p->srcDevice, p->srcArray, p->srcXInBytes, p->srcY, p->srcZ, p->srcLOD,
			   p->srcPitch, p->srcHeight };
	struct vcu_ctx *dc, *sc;
	CUresult r = vcu_ctx_lookup(p->dstContext, &dc);

	if (!r)
		r = vcu_ctx_lookup(p->srcContext, &sc);
	if (!r && !async && dc != s->ctx)
		r = vcu_ctx_wait_all(dc);
	if (!r && !async && sc != s->ctx)
		r = vcu_ctx_wait_all(sc);
	if (!r)
		r = copy_box(&dst, &src, p->WidthInBytes, p->Height, p->Depth, s, async);
	return r || async ? r : vcu_stream_wait_idle(s);
}

CUresult vcu_Memcpy3DPeer(const CUDA_MEMCPY3D_PEER *pCopy)
{
	struct vcu_stream *s;
	CUresult r = default_stream(&s);

	if (r)
		return r;
	return pCopy ? copy_3d_peer(pCopy, s, false) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_Memcpy3DPeerAsync(const CUDA_MEMCPY3D_PEER *pCopy, CUstream hStream)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(hStream, &s);

	if (r)
		return r;
	return pCopy ? copy_3d_peer(pCopy, s, true) : CUDA_ERROR_INVALID_VALUE;
}
