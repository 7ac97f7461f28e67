/*
 * 645-texture: the driver API's arrays, texture and surface objects and references over an engine in this process, by
 * ring, socket and node frames: what programs may ask, bad arguments, what is left when things go in any order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backend.h"
#include "engine/engine.h"
#include "libcuda-vgpu/cu_abi.h"
#include "t/lib/tap.h"
#include "transport/transport.h"

#define CU_FN(base, ver, since, flags, params, args) CUresult cu##base##ver params;
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args) CUresult cu##base##ver params;
#include "libcuda-vgpu/api/api.def"
#undef CU_FN
#undef CU_FN_PT

#define CU(call) is_int(call, CUDA_SUCCESS, #call)
#define CU_IS(call, want) is_int(call, want, "%s is %s", #call, #want)

static const char PTX[] =
	".version 7.0\n.target sm_75\n.address_size 64\n"
	".global .texref tr;\n.global .surfref sr;\n.global .u64 plain;\n"
	".visible .entry by_ref(.param .u64 o, .param .f32 x, .param .f32 y)\n{\n"
	"	.reg .b64 %d<3>; .reg .f32 %f<7>;\n"
	"	ld.param.u64 %d1, [o]; ld.param.f32 %f5, [x]; ld.param.f32 %f6, [y];\n"
	"	tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [tr, {%f5, %f6}]; st.global.v4.f32 [%d1], {%f1, %f2, %f3, %f4}; ret;\n}\n"
	".visible .entry by_number(.param .u64 o, .param .u32 x)\n{\n"
	"	.reg .b64 %d<3>; .reg .b32 %r<7>;\n"
	"	ld.param.u64 %d1, [o]; ld.param.u32 %r5, [x];\n"
	"	tex.1d.v4.u32.s32 {%r1, %r2, %r3, %r4}, [tr, {%r5}]; st.global.v4.u32 [%d1], {%r1, %r2, %r3, %r4}; ret;\n}\n"
	".visible .entry put(.param .u32 v)\n{\n"
	"	.reg .b32 %r<7>; .reg .b32 %x;\n"
	"	ld.param.u32 %r1, [v]; mov.u32 %r2, %tid.x; shl.b32 %r3, %r2, 2; add.u32 %r1, %r1, %r2;\n"
	"	sust.b.2d.b32.trap [sr, {%r3, 1}], {%r1}; ret;\n}\n"
	".visible .entry by_object(.param .u64 t, .param .u64 o, .param .f32 x, .param .f32 y)\n{\n"
	"	.reg .b64 %d<3>; .reg .f32 %f<7>;\n"
	"	ld.param.u64 %d1, [o]; ld.param.u64 %d2, [t]; ld.param.f32 %f5, [x]; ld.param.f32 %f6, [y];\n"
	"	tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [%d2, {%f5, %f6}]; st.global.v4.f32 [%d1], {%f1, %f2, %f3, %f4}; ret;\n}\n";

static CUcontext ctx;
static CUmodule mod;
static CUdeviceptr out;

static CUarray array2d(size_t w, size_t h, CUarray_format f, unsigned n, unsigned flags)
{
	CUDA_ARRAY3D_DESCRIPTOR d = { .Width = w, .Height = h, .Format = f, .NumChannels = n, .Flags = flags };
	CUarray a = NULL;

	if (cuArray3DCreate_v2(&a, &d))
		bail("no array");
	return a;
}

static CUresult to_array(CUarray a, const void *p, size_t bytes, size_t rows)
{
	CUDA_MEMCPY2D c = { .srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = p, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = a,
			    .WidthInBytes = bytes, .Height = rows };

	return cuMemcpy2D_v2(&c);
}

static CUresult run(const char *name, void **params, unsigned threads)
{
	CUfunction f;
	CUresult r = cuModuleGetFunction(&f, mod, name);

	if (!r)
		r = cuLaunchKernel(f, 1, 1, 1, threads, 1, 1, 0, NULL, params, NULL);
	return r ? r : cuCtxSynchronize();
}

static float by_ref(float x, float y)
{
	float v[4] = { -9, -9, -9, -9 };

	if (run("by_ref", (void *[]){ &out, &x, &y }, 1) || cuMemcpyDtoH_v2(v, out, sizeof(v)))
		return -99;
	return v[0];
}

static float by_object(CUtexObject t, float x, float y)
{
	float v[4] = { -9, -9, -9, -9 };

	if (run("by_object", (void *[]){ &t, &out, &x, &y }, 1) || cuMemcpyDtoH_v2(v, out, sizeof(v)))
		return -99;
	return v[0];
}

/* ---- arrays ---- */

static CUresult create(size_t w, size_t h, size_t d, CUarray_format f, unsigned n, unsigned flags)
{
	CUDA_ARRAY3D_DESCRIPTOR desc = { w, h, d, f, n, flags };
	CUarray a = NULL;
	CUresult r = cuArray3DCreate_v2(&a, &desc);

	if (!r && cuArrayDestroy(a))
		return CUDA_ERROR_UNKNOWN;
	return r;
}

static void test_arrays(void)
{
	CUDA_ARRAY_DESCRIPTOR d = { .Width = 100, .Height = 50, .Format = CU_AD_FORMAT_HALF, .NumChannels = 4 }, back;
	CUDA_ARRAY3D_DESCRIPTOR back3;
	CUDA_ARRAY3D_DESCRIPTOR_v1 old;
	size_t f0 = 0, f1 = 0;
	CUarray a = NULL;

	CU_IS(cuArrayCreate_v2(NULL, &d), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuArrayCreate_v2(&a, NULL), CUDA_ERROR_INVALID_VALUE);
	CU(cuArrayCreate_v2(&a, &d));
	CU(cuArrayGetDescriptor_v2(&back, a));
	ok(back.Width == 100 && back.Height == 50 && back.Format == CU_AD_FORMAT_HALF && back.NumChannels == 4, "its description");
	CU(cuArray3DGetDescriptor_v2(&back3, a));
	ok(back3.Width == 100 && back3.Depth == 0 && back3.Flags == 0, "as one of three dimensions");
	CU(cuArray3DGetDescriptor(&old, a));
	ok(old.Width == 100 && old.Height == 50 && old.NumChannels == 4, "as CUDA 2 had it");
	CU_IS(cuArrayGetDescriptor_v2(NULL, a), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuArrayGetDescriptor_v2(&back, (CUarray)&back), CUDA_ERROR_INVALID_HANDLE);
	CU(cuArrayDestroy(a));
	CU_IS(cuArrayDestroy(a), CUDA_ERROR_INVALID_HANDLE);
	CU_IS(cuArrayDestroy(NULL), CUDA_ERROR_INVALID_HANDLE);
	CU_IS(cuArrayGetDescriptor_v2(&back, a), CUDA_ERROR_INVALID_HANDLE);

	CU_IS(create(0, 0, 0, CU_AD_FORMAT_FLOAT, 1, 0), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(8, 8, 0, CU_AD_FORMAT_FLOAT, 3, 0), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(8, 8, 0, (CUarray_format)0x77, 1, 0), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(8, 8, 0, CU_AD_FORMAT_BC1_UNORM, 4, 0), CUDA_ERROR_NOT_SUPPORTED);
	CU_IS(create(8, 8, 0, CU_AD_FORMAT_UNORM_INT8X4, 2, 0), CUDA_ERROR_INVALID_VALUE);
	CU(create(8, 8, 0, CU_AD_FORMAT_UNORM_INT8X4, 4, 0));
	CU_IS(create(1 << 20, 0, 0, CU_AD_FORMAT_FLOAT, 1, 0), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(8, 0, 8, CU_AD_FORMAT_FLOAT, 1, 0), CUDA_ERROR_INVALID_VALUE);
	CU(create(8, 0, 8, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_LAYERED));
	CU_IS(create(8, 8, 0, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_LAYERED), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(8, 8, 5, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_CUBEMAP), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(8, 9, 6, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_CUBEMAP), CUDA_ERROR_INVALID_VALUE);
	CU(create(8, 8, 6, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_CUBEMAP));
	CU_IS(create(8, 8, 8, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_TEXTURE_GATHER), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(8, 8, 0, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_SPARSE), CUDA_ERROR_NOT_SUPPORTED);
	CU_IS(create(8, 8, 0, CU_AD_FORMAT_FLOAT, 1, 0x8000), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(40000, 0, 0, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_SURFACE_LDST), CUDA_ERROR_INVALID_VALUE);
	CU_IS(create(16384, 16384, 16384, CU_AD_FORMAT_FLOAT, 4, 0), CUDA_ERROR_OUT_OF_MEMORY);

	CU(cuMemGetInfo_v2(&f0, NULL));
	a = array2d(4096, 4096, CU_AD_FORMAT_FLOAT, 1, 0);
	CU(cuMemGetInfo_v2(&f1, NULL));
	ok(f0 - f1 >= 64u << 20, "its memory is counted");
	CU(cuArrayDestroy(a));
	CU(cuMemGetInfo_v2(&f1, NULL));
	is_int((long)f1, (long)f0, "and given back");
}

static void test_mipmaps(void)
{
	CUDA_ARRAY3D_DESCRIPTOR d = { .Width = 20, .Height = 7, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 1 }, back;
	CUmipmappedArray m = NULL;
	CUarray a = NULL, b = NULL;

	CU_IS(cuMipmappedArrayCreate(NULL, &d, 1), CUDA_ERROR_INVALID_VALUE);
	CU(cuMipmappedArrayCreate(&m, &d, 99));
	CU_IS(cuMipmappedArrayGetLevel(&a, m, 5), CUDA_ERROR_INVALID_VALUE);
	CU(cuMipmappedArrayGetLevel(&a, m, 4));
	CU(cuArray3DGetDescriptor_v2(&back, a));
	ok(back.Width == 1 && back.Height == 1 && back.Depth == 0, "the last level has one texel");
	CU(cuMipmappedArrayGetLevel(&b, m, 4));
	ok(a == b, "a level has one handle");
	CU(cuMipmappedArrayGetLevel(&b, m, 1));
	CU(cuArray3DGetDescriptor_v2(&back, b));
	ok(back.Width == 10 && back.Height == 3, "sizes are rounded down");
	CU_IS(cuArrayDestroy(b), CUDA_ERROR_INVALID_HANDLE);
	CU(to_array(b, "abcdefghijabcdefghijabcdefghij", 10, 3));
	CU_IS(to_array(b, "", 11, 3), CUDA_ERROR_INVALID_VALUE);
	CU(cuMipmappedArrayDestroy(m));
	CU_IS(cuMipmappedArrayDestroy(m), CUDA_ERROR_INVALID_HANDLE);
	CU_IS(cuArray3DGetDescriptor_v2(&back, b), CUDA_ERROR_INVALID_HANDLE);
}

static void test_copies(void)
{
	CUarray a = array2d(64, 0, CU_AD_FORMAT_UNSIGNED_INT32, 1, 0), b = array2d(64, 0, CU_AD_FORMAT_UNSIGNED_INT32, 1, 0);
	CUarray c = array2d(10, 6, CU_AD_FORMAT_FLOAT, 2, 0);
	CUDA_MEMCPY2D c2 = { .srcMemoryType = CU_MEMORYTYPE_HOST, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = c };
	CUDA_MEMCPY3D c3 = { .srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = c, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstPitch = 32 };
	unsigned char h[4096], g[4096];
	CUdeviceptr p;
	CUstream s;
	int good = 1;

	for (int i = 0; i < 4096; i++)
		h[i] = (unsigned char)(i * 5 + i / 256);
	CU(cuMemAlloc_v2(&p, 4096));
	CU(cuMemcpyHtoA_v2(a, 0, h, 256));
	CU(cuMemcpyAtoA_v2(b, 100, a, 50, 120));
	CU(cuMemcpyAtoD_v2(p, b, 100, 120));
	CU(cuMemcpyDtoA_v2(a, 0, p, 8));
	CU(cuMemcpyAtoH_v2(g, b, 100, 120));
	is_blob(g, h + 50, 120, "from host to array, array, host");
	CU(cuMemcpyAtoH_v2(g, a, 0, 256));
	ok(!memcmp(g, h + 50, 8) && !memcmp(g + 8, h + 8, 248), "and by device memory");
	CU_IS(cuMemcpyHtoA_v2(a, 1, h, 256), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemcpyAtoH_v2(h, a, 257, 0), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemcpyHtoA_v2(c, 0, h, 8), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemcpyHtoA_v2((CUarray)h, 0, h, 8), CUDA_ERROR_INVALID_HANDLE);
	CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	CU(cuMemcpyHtoAAsync_v2(b, 0, h + 1000, 256, s));
	CU(cuMemcpyAtoHAsync_v2(g, b, 0, 256, s));
	CU(cuStreamSynchronize(s));
	is_blob(g, h + 1000, 256, "in a stream");

	c2.srcHost = h;
	c2.srcPitch = 100;
	c2.srcXInBytes = 4;
	c2.srcY = 1;
	c2.dstXInBytes = 16;
	c2.dstY = 2;
	c2.WidthInBytes = 24;
	c2.Height = 3;
	CU(cuMemcpy2D_v2(&c2));
	c3.dstDevice = p;
	c3.srcXInBytes = 16;
	c3.srcY = 2;
	c3.WidthInBytes = 24;
	c3.Height = 3;
	c3.Depth = 1;
	CU(cuMemcpy3DAsync_v2(&c3, s));
	CU(cuStreamSynchronize(s));
	CU(cuMemcpyDtoH_v2(g, p, 96));
	for (int y = 0; y < 3; y++)
		good &= !memcmp(g + 32 * y, h + 100 * (y + 1) + 4, 24);
	ok(good, "a rectangle in, and out as a box");
	c2.dstXInBytes = 60;
	CU_IS(cuMemcpy2D_v2(&c2), CUDA_ERROR_INVALID_VALUE);
	c2.dstXInBytes = 4;
	CU_IS(cuMemcpy2D_v2(&c2), CUDA_ERROR_INVALID_VALUE);
	c2.dstXInBytes = 0;
	c2.dstY = 4;
	CU_IS(cuMemcpy2D_v2(&c2), CUDA_ERROR_INVALID_VALUE);
	c2.dstArray = (CUarray)h;
	CU_IS(cuMemcpy2D_v2(&c2), CUDA_ERROR_INVALID_HANDLE);
	c3.srcZ = 1;
	CU_IS(cuMemcpy3D_v2(&c3), CUDA_ERROR_INVALID_VALUE);
	CU(cuStreamDestroy_v2(s));
	CU(cuMemFree_v2(p));
	CU(cuArrayDestroy(a));
	CU(cuArrayDestroy(b));
	CU(cuArrayDestroy(c));
}

/* ---- objects ---- */

static void test_objects(void)
{
	float v[16], z[16] = { 0 };
	CUarray a = array2d(4, 4, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_SURFACE_LDST), i8 = array2d(4, 4, CU_AD_FORMAT_UNSIGNED_INT8, 1, 0);
	CUDA_RESOURCE_DESC r = { .resType = CU_RESOURCE_TYPE_ARRAY }, rback;
	CUDA_RESOURCE_VIEW_DESC view = { .format = CU_RES_VIEW_FORMAT_UINT_1X32, .width = 4, .height = 4 }, vback;
	CUDA_TEXTURE_DESC d = { .maxMipmapLevelClamp = 9, .borderColor = { 5 } }, dback;
	CUtexObject t = 0, t2 = 0;
	CUsurfObject s = 0;
	CUdeviceptr p;
	uint32_t raw;

	for (int i = 0; i < 16; i++)
		v[i] = (float)i;
	CU(to_array(a, v, 16, 4));
	r.res.array.hArray = a;
	CU_IS(cuTexObjectCreate(NULL, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexObjectCreate(&t, NULL, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexObjectCreate(&t, &r, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	d.addressMode[1] = (CUaddress_mode)4;
	CU_IS(cuTexObjectCreate(&t, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	d.addressMode[1] = CU_TR_ADDRESS_MODE_WRAP;
	d.filterMode = (CUfilter_mode)2;
	CU_IS(cuTexObjectCreate(&t, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	d.filterMode = CU_TR_FILTER_MODE_LINEAR;
	d.flags = 0x400;
	CU_IS(cuTexObjectCreate(&t, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	d.flags = CU_TRSF_READ_AS_INTEGER;
	r.res.array.hArray = i8;
	CU_IS(cuTexObjectCreate(&t, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	r.res.array.hArray = (CUarray)v;
	CU_IS(cuTexObjectCreate(&t, &r, &d, NULL), CUDA_ERROR_INVALID_HANDLE);
	r.res.array.hArray = a;
	r.resType = (CUresourcetype)7;
	CU_IS(cuTexObjectCreate(&t, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	r.resType = CU_RESOURCE_TYPE_ARRAY;
	CU(cuTexObjectCreate(&t, &r, &d, NULL));
	ok(by_object(t, 2.0f, 1.5f) == 5.5f, "a kernel samples it");
	CU(cuTexObjectGetResourceDesc(&rback, t));
	CU(cuTexObjectGetTextureDesc(&dback, t));
	ok(rback.res.array.hArray == a && dback.filterMode == CU_TR_FILTER_MODE_LINEAR && dback.borderColor[0] == 5, "what it is made of");
	CU_IS(cuTexObjectGetResourceViewDesc(&vback, t), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexObjectGetTextureDesc(NULL, t), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuSurfObjectDestroy(t), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuSurfObjectGetResourceDesc(&rback, t), CUDA_ERROR_INVALID_VALUE);
	d.filterMode = CU_TR_FILTER_MODE_POINT;
	CU(cuTexObjectCreate(&t2, &r, &d, &view));
	memcpy(&raw, &(float){ by_object(t2, 2.5f, 3.5f) }, 4);
	ok(t2 != t && raw == 0x41600000, "a view of the same bits");
	CU(cuTexObjectGetResourceViewDesc(&vback, t2));
	is_int(vback.format, CU_RES_VIEW_FORMAT_UINT_1X32, "its format");
	view.format = CU_RES_VIEW_FORMAT_UINT_2X32;
	CU_IS(cuTexObjectCreate(&t2, &r, &d, &view), CUDA_ERROR_INVALID_VALUE);
	view.format = CU_RES_VIEW_FORMAT_UNSIGNED_BC1;
	CU_IS(cuTexObjectCreate(&t2, &r, &d, &view), CUDA_ERROR_NOT_SUPPORTED);
	view.format = CU_RES_VIEW_FORMAT_NONE;
	view.lastMipmapLevel = 1;
	CU_IS(cuTexObjectCreate(&t2, &r, &d, &view), CUDA_ERROR_INVALID_VALUE);
	CU(cuTexObjectDestroy(t2));
	CU_IS(cuTexObjectDestroy(t2), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexObjectDestroy(0), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexObjectGetTextureDesc(&dback, t2), CUDA_ERROR_INVALID_VALUE);

	CU(cuSurfObjectCreate(&s, &r));
	CU(cuSurfObjectGetResourceDesc(&rback, s));
	CU_IS(cuTexObjectDestroy(s), CUDA_ERROR_INVALID_VALUE);
	CU(cuSurfObjectDestroy(s));
	CU_IS(cuSurfObjectDestroy(s), CUDA_ERROR_INVALID_VALUE);
	r.res.array.hArray = i8;
	CU(cuSurfObjectCreate(&s, &r));
	CU(cuSurfObjectDestroy(s));
	r.res.array.hArray = (CUarray)v;
	CU_IS(cuSurfObjectCreate(&s, &r), CUDA_ERROR_INVALID_HANDLE);
	CU_IS(cuSurfObjectCreate(NULL, &r), CUDA_ERROR_INVALID_VALUE);

	CU(cuMemAlloc_v2(&p, 4096));
	r = (CUDA_RESOURCE_DESC){ .resType = CU_RESOURCE_TYPE_PITCH2D };
	r.res.pitch2D.devPtr = p;
	r.res.pitch2D.format = CU_AD_FORMAT_FLOAT;
	r.res.pitch2D.numChannels = 1;
	r.res.pitch2D.width = 7;
	r.res.pitch2D.height = 64;
	r.res.pitch2D.pitchInBytes = 64;
	CU_IS(cuSurfObjectCreate(&s, &r), CUDA_ERROR_INVALID_VALUE);
	CU(cuTexObjectCreate(&t2, &r, &d, NULL));
	CU(cuMemsetD32_v2(p + 64, 0x40400000, 7));
	ok(by_object(t2, 100, 1.5f) == 3 && by_object(t2, 100, 2.5f) != 3, "pitched memory");
	CU(cuTexObjectDestroy(t2));
	r.res.pitch2D.pitchInBytes = 48;
	CU_IS(cuTexObjectCreate(&t2, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	r.res.pitch2D.pitchInBytes = 128;
	CU_IS(cuTexObjectCreate(&t2, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	r.res.pitch2D.pitchInBytes = 64;
	r.res.pitch2D.devPtr = p + 32;
	CU_IS(cuTexObjectCreate(&t2, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	r = (CUDA_RESOURCE_DESC){ .resType = CU_RESOURCE_TYPE_LINEAR };
	r.res.linear.devPtr = (CUdeviceptr)z;
	r.res.linear.format = CU_AD_FORMAT_FLOAT;
	r.res.linear.numChannels = 1;
	r.res.linear.sizeInBytes = 64;
	CU_IS(cuTexObjectCreate(&t2, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	r.res.linear.devPtr = p;
	r.res.linear.sizeInBytes = 4097 * 4;
	CU_IS(cuTexObjectCreate(&t2, &r, &d, NULL), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree_v2(p));
	CU(cuTexObjectDestroy(t));
	CU(cuArrayDestroy(a));
	CU(cuArrayDestroy(i8));
}

/* ---- references ---- */

static void test_texrefs(void)
{
	CUarray a = array2d(4, 4, CU_AD_FORMAT_UNSIGNED_INT8, 1, 0), surf = array2d(8, 2, CU_AD_FORMAT_UNSIGNED_INT32, 1, CUDA_ARRAY3D_SURFACE_LDST);
	CUDA_ARRAY_DESCRIPTOR d = { .Width = 4, .Height = 4, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1 };
	uint32_t h[64], v = 40, x = 3, got[4];
	CUarray_format f;
	CUtexref t = NULL, t2 = NULL, own = NULL;
	CUsurfref s = NULL;
	CUarray back = NULL;
	CUdeviceptr p, pback;
	CUaddress_mode am;
	CUfilter_mode fm;
	unsigned flags;
	size_t off = 9;
	int n;

	for (int i = 0; i < 64; i++)
		h[i] = (uint32_t)i * 0x01010101u;
	CU(to_array(a, h, 4, 4));
	CU_IS(cuModuleGetTexRef(&t, mod, "sr"), CUDA_ERROR_NOT_FOUND);
	CU_IS(cuModuleGetTexRef(&t, mod, "plain"), CUDA_ERROR_NOT_FOUND);
	CU_IS(cuModuleGetTexRef(&t, mod, "none"), CUDA_ERROR_NOT_FOUND);
	CU_IS(cuModuleGetSurfRef(&s, mod, "tr"), CUDA_ERROR_NOT_FOUND);
	CU_IS(cuModuleGetTexRef(NULL, mod, "tr"), CUDA_ERROR_INVALID_VALUE);
	CU(cuModuleGetTexRef(&t, mod, "tr"));
	CU(cuModuleGetTexRef(&t2, mod, "tr"));
	ok(t == t2, "a reference has one handle");
	CU_IS(cuTexRefSetArray(t, a, 0), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexRefSetArray(t, (CUarray)h, CU_TRSA_OVERRIDE_FORMAT), CUDA_ERROR_INVALID_HANDLE);
	CU_IS(cuTexRefSetArray((CUtexref)h, a, CU_TRSA_OVERRIDE_FORMAT), CUDA_ERROR_INVALID_HANDLE);
	CU_IS(cuTexRefGetArray(&back, t), CUDA_ERROR_INVALID_VALUE);
	CU(cuTexRefSetArray(t, a, CU_TRSA_OVERRIDE_FORMAT));
	CU(cuTexRefGetArray(&back, t));
	CU(cuTexRefGetFormat(&f, &n, t));
	ok(back == a && f == CU_AD_FORMAT_UNSIGNED_INT8 && n == 1, "its array and format");
	ok(by_ref(1.5f, 0.5f) == 0 && by_ref(0.5f, 3.5f) == 3 / 255.0f, "a kernel reads it as floats");
	CU(cuTexRefSetFlags(t, CU_TRSF_NORMALIZED_COORDINATES));
	CU(cuTexRefSetFilterMode(t, CU_TR_FILTER_MODE_LINEAR));
	for (int dim = 0; dim < 2; dim++)
		CU(cuTexRefSetAddressMode(t, dim, CU_TR_ADDRESS_MODE_WRAP));
	CU_IS(cuTexRefSetAddressMode(t, 3, CU_TR_ADDRESS_MODE_WRAP), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexRefSetFlags(t, 0x8000), CUDA_ERROR_INVALID_VALUE);
	ok(by_ref(7.125f, 2.0f) == 1.5f / 255, "filtered, and wrapped");
	CU(cuTexRefGetAddressMode(&am, t, 1));
	CU(cuTexRefGetFilterMode(&fm, t));
	CU(cuTexRefGetFlags(&flags, t));
	ok(am == CU_TR_ADDRESS_MODE_WRAP && fm == CU_TR_FILTER_MODE_LINEAR && flags == CU_TRSF_NORMALIZED_COORDINATES, "settings come back");

	CU(cuMemAlloc_v2(&p, 4096));
	CU(cuMemcpyHtoD_v2(p + 1024, h, 256));
	CU(cuTexRefSetFlags(t, CU_TRSF_READ_AS_INTEGER));
	CU(cuTexRefSetFormat(t, CU_AD_FORMAT_UNSIGNED_INT32, 1));
	CU_IS(cuTexRefSetFormat(t, CU_AD_FORMAT_UNSIGNED_INT32, 5), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexRefSetAddress_v2(NULL, t, p + 1028, 64), CUDA_ERROR_INVALID_VALUE);
	CU(cuTexRefSetAddress_v2(&off, t, p + 1024, 64));
	is_int((long)off, 0, "aligned memory has no offset");
	CU(cuTexRefGetAddress_v2(&pback, t));
	ok(pback == p + 1024, "its address");
	CU(run("by_number", (void *[]){ &out, &x }, 1));
	CU(cuMemcpyDtoH_v2(got, out, 16));
	is_int(got[0], 0x03030303, "plain memory");
	CU(cuTexRefSetAddress_v2(&off, t, p + 1032, 64));
	is_int((long)off, 8, "else it is told");
	x = 16 + 2;
	CU(run("by_number", (void *[]){ &out, &x }, 1));
	CU(cuMemcpyDtoH_v2(got, out, 16));
	is_int(got[0], 0, "behind the end is 0");
	CU_IS(cuTexRefSetAddress_v2(&off, t, p + 1024, 8192), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuTexRefSetAddress2D_v3(t, &d, p, 15), CUDA_ERROR_INVALID_VALUE);
	CU(cuTexRefSetFlags(t, 0));
	CU(cuTexRefSetAddress2D_v3(t, &d, p, 32));
	CU(cuMemsetD32_v2(p + 32, 0x3f800000, 4));
	CU(cuTexRefSetFilterMode(t, CU_TR_FILTER_MODE_POINT));
	ok(by_ref(2.5f, 1.5f) == 1, "pitched memory");

	CU(cuTexRefCreate(&own));
	CU(cuTexRefSetArray(own, a, CU_TRSA_OVERRIDE_FORMAT));
	CU(cuTexRefDestroy(own));
	CU_IS(cuTexRefDestroy(own), CUDA_ERROR_INVALID_HANDLE);
	CU_IS(cuTexRefDestroy(t), CUDA_ERROR_INVALID_HANDLE);

	CU(cuModuleGetSurfRef(&s, mod, "sr"));
	CU_IS(cuSurfRefSetArray(s, surf, 1), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuSurfRefSetArray(s, (CUarray)h, 0), CUDA_ERROR_INVALID_HANDLE);
	CU(cuSurfRefSetArray(s, surf, 0));
	CU(cuSurfRefGetArray(&back, s));
	ok(back == surf, "a surface's array");
	CU(run("put", (void *[]){ &v }, 8));
	{
		CUDA_MEMCPY2D c = { .srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = surf, .srcY = 1, .dstMemoryType = CU_MEMORYTYPE_HOST,
				    .dstHost = h, .WidthInBytes = 32, .Height = 1 };

		CU(cuMemcpy2D_v2(&c));
	}
	ok(h[0] == 40 && h[7] == 47, "a kernel stores through it");
	CU(cuArrayDestroy(a));
	CU(cuArrayDestroy(surf));
	CU(cuMemFree_v2(p));
}

/* ---- ends ---- */

static void test_order(void)
{
	CUarray a = array2d(2048, 2048, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_SURFACE_LDST);
	CUDA_RESOURCE_DESC r = { .resType = CU_RESOURCE_TYPE_ARRAY, .res.array.hArray = a };
	CUDA_TEXTURE_DESC d = { 0 }, back;
	CUcontext c2;
	CUmodule old = mod;
	CUdeviceptr out1 = out;
	CUtexref tr;
	CUtexObject t, t2;
	CUarray b;

	/* the array goes first: the texture leads nowhere, which is the kernel's fault alone */
	CU(cuCtxCreate_v2(&c2, 0, 0));
	CU(cuModuleLoadData(&mod, PTX));
	CU(cuMemAlloc_v2(&out, 64));
	b = array2d(2048, 2048, CU_AD_FORMAT_FLOAT, 1, 0);
	r.res.array.hArray = b;
	CU(cuTexObjectCreate(&t, &r, &d, NULL));
	CU(cuModuleGetTexRef(&tr, mod, "tr"));
	CU(cuTexRefSetArray(tr, b, CU_TRSA_OVERRIDE_FORMAT));
	ok(by_object(t, 1, 1) != -99, "before");
	CU(cuArrayDestroy(b));
	CU_IS(cuTexObjectCreate(&t2, &r, &d, NULL), CUDA_ERROR_INVALID_HANDLE);
	CU(cuTexObjectGetTextureDesc(&back, t));
	CU(cuModuleUnload(mod));
	CU_IS(cuTexRefSetArray(tr, a, CU_TRSA_OVERRIDE_FORMAT), CUDA_ERROR_INVALID_HANDLE);
	CU(cuModuleLoadData(&mod, PTX));
	CU_IS(run("by_ref", (void *[]){ &out, &(float){ 0 }, &(float){ 0 } }, 1), CUDA_ERROR_ILLEGAL_ADDRESS);
	/* objects go with the context */
	CU(cuCtxDestroy_v2(c2));
	CU(cuCtxSetCurrent(ctx));
	CU_IS(cuTexObjectDestroy(t), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuArrayDestroy(b), CUDA_ERROR_INVALID_HANDLE);
	mod = old;
	out = out1;
	r.res.array.hArray = a;
	CU(cuTexObjectCreate(&t, &r, &d, NULL));
	ok(by_object(t, 1, 1) != -99, "the other context goes on");
	/* left to the context's end: t, a */
}

static const struct vgpu_device *devices(void)
{
	static struct vgpu_device d;

	vgpu_device_init(&d);
	snprintf(d.uuid, sizeof(d.uuid), "GPU-00000000-0000-0000-0000-000000000000");
	snprintf(d.pci, sizeof(d.pci), "0000:01:00.0");
	d.memory_total = 1 << 30;
	return &d;
}

static int body(const char *transport)
{
	static const struct tr_loop_ops ops = { eng_loop_start, eng_loop_stop };

	plan_lazy();
	setenv("VGPU_TRANSPORT", transport, 1);
	eng_loop_set_backend(&be_interp);
	tr_set_loopback(&ops, devices(), 1);
	CU(cuInit(0));
	CU(cuCtxCreate_v2(&ctx, 0, 0));
	CU(cuModuleLoadData(&mod, PTX));
	CU(cuMemAlloc_v2(&out, 64));
	test_arrays();
	test_mipmaps();
	test_copies();
	test_objects();
	test_texrefs();
	test_order();
	CU(cuCtxDestroy_v2(ctx));
	return 0;
}

/* A process is one session: each transport gets its own. */
static int in_child(const char *transport, const char *log)
{
	pid_t pid;
	int st = -1;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (!freopen(log, "w", stdout))
			_exit(99);
		execl("/proc/self/exe", "texture", transport, (char *)NULL);
		_exit(98);
	}
	waitpid(pid, &st, 0);
	return st;
}

int main(int argc, char **argv)
{
	static const char *const transports[] = { "ring", "socket", "node" };
	char log[300], line[512];

	if (argc > 1)
		return body(argv[1]);
	plan(ARRAY_SIZE(transports));
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		int st;
		FILE *f;

		snprintf(log, sizeof(log), "%s/%s", test_tmpdir(), transports[i]);
		st = in_child(transports[i], log);
		ok(WIFEXITED(st) && !WEXITSTATUS(st), "arrays and textures over %s", transports[i]);
		f = st ? fopen(log, "r") : NULL;
		while (f && fgets(line, sizeof(line), f))
			if (strncmp(line, "ok ", 3))
				diag("%s: %.*s", transports[i], (int)strcspn(line, "\n"), line);
		if (f)
			fclose(f);
		if (st)
			diag("%s: wait status 0x%x", transports[i], (unsigned)st);
	}
	return 0;
}
