/* vcu_memset.c: fills. */
#include "libcuda-vgpu/vcu_copy.h"

static CUresult fill_sync(CUdeviceptr dst, size_t pitch, uint32_t value, unsigned elem, size_t width, size_t height)
{
	struct vcu_stream *s;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (!r)
		r = vcu_stream_default(c, &s);
	return r ? r : vcu_fill(s, false, dst, pitch, value, elem, width, height);
}

static CUresult fill_async(CUdeviceptr dst, size_t pitch, uint32_t value, unsigned elem, size_t width, size_t height, CUstream h)
{
	struct vcu_stream *s;
	CUresult r = vcu_stream_get(h, &s);

	return r ? r : vcu_fill(s, true, dst, pitch, value, elem, width, height);
}

#define FILLS(D, D2, type, v, elem)                                                                            \
	CUresult vcu_Memset##D##_v2(CUdeviceptr dstDevice, type v, size_t N)                                   \
	{                                                                                                      \
		return fill_sync(dstDevice, 0, v, elem, N, 1);                                                 \
	}                                                                                                      \
	CUresult vcu_Memset##D##Async(CUdeviceptr dstDevice, type v, size_t N, CUstream hStream)               \
	{                                                                                                      \
		return fill_async(dstDevice, 0, v, elem, N, 1, hStream);                                       \
	}                                                                                                      \
	CUresult vcu_Memset##D2##_v2(CUdeviceptr dstDevice, size_t dstPitch, type v, size_t Width, size_t Height) \
	{                                                                                                      \
		return fill_sync(dstDevice, dstPitch, v, elem, Width, Height);                                 \
	}                                                                                                      \
	CUresult vcu_Memset##D2##Async(CUdeviceptr dstDevice, size_t dstPitch, type v, size_t Width,           \
				       size_t Height, CUstream hStream)                                        \
	{                                                                                                      \
		return fill_async(dstDevice, dstPitch, v, elem, Width, Height, hStream);                       \
	}

FILLS(D8, D2D8, unsigned char, uc, 1)
FILLS(D16, D2D16, unsigned short, us, 2)
FILLS(D32, D2D32, unsigned int, ui, 4)
