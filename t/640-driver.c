/*
 * 640-driver: the driver API over an engine in this process, by ring, socket
 * and node frames: memory, copies, fills, streams, events, modules, launches,
 * host functions, graphs, faults. Kernels: t/data/ptx/driver.ptx.
 */
#include <pthread.h>
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
#include "util/sys.h"

#define CU_FN(base, ver, since, flags, params, args) CUresult cu##base##ver params;
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args) CUresult cu##base##ver params;
#include "libcuda-vgpu/api/api.def"
#undef CU_FN
#undef CU_FN_PT

#define CU(call) is_int(call, CUDA_SUCCESS, #call)
#define CU_IS(call, want) is_int(call, want, "%s is %s", #call, #want)

static CUcontext ctx;
static CUmodule mod;
static char *ptx;

static CUfunction fn(const char *name)
{
	CUfunction f = NULL;

	if (cuModuleGetFunction(&f, mod, name))
		bail("no kernel %s", name);
	return f;
}

static CUdeviceptr alloc(size_t n)
{
	CUdeviceptr p = 0;

	if (cuMemAlloc_v2(&p, n))
		bail("no %zu bytes", n);
	return p;
}

static void test_memory(void)
{
	size_t f0 = 0, f1 = 0, total = 0, size = 0, pitch = 0;
	CUdeviceptr p = 0, q = 0, base = 0;
	unsigned char h[256];

	CU_IS(cuMemAlloc_v2(&p, 0), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemAlloc_v2(NULL, 16), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemAlloc_v2(&p, (size_t)1 << 60), CUDA_ERROR_OUT_OF_MEMORY);
	CU_IS(cuMemAlloc_v2(&p, (size_t)1 << 40), CUDA_ERROR_OUT_OF_MEMORY);
	CU(cuMemGetInfo_v2(&f0, &total));
	CU(cuMemAlloc_v2(&p, 32 << 20));
	CU(cuMemGetInfo_v2(&f1, NULL));
	ok(f0 - f1 >= 32 << 20 && f0 <= total, "it is counted");
	CU(cuMemGetAddressRange_v2(&base, &size, p + 12345));
	ok(base == p && size == 32 << 20, "address range");
	CU_IS(cuMemFree_v2(p + 512), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree_v2(p));
	CU_IS(cuMemFree_v2(p), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree_v2(0));
	CU(cuMemAllocPitch_v2(&q, &pitch, 100, 10, 4));
	ok(pitch >= 100 && pitch % 32 == 0, "pitch %zu", pitch);
	CU_IS(cuMemAllocPitch_v2(&q, &pitch, 100, 10, 3), CUDA_ERROR_INVALID_VALUE);
	p = alloc(256);
	ok(p % 256 == 0, "allocations are aligned");
	for (int i = 0; i < 256; i++)
		h[i] = (unsigned char)i;
	CU(cuMemcpyHtoD_v2(p, h, 256));
	CU_IS(cuMemcpyHtoD_v2(p, h, 257), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemcpyHtoD_v2(p + 1, h, 256), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemcpyHtoD_v2((CUdeviceptr)h, h, 16), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemcpyDtoH_v2(h, 0, 16), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemcpyDtoH_v2(h, 0, 0));
	memset(h, 0, 256);
	CU(cuMemcpyDtoH_v2(h, p + 10, 20));
	ok(h[0] == 10 && h[19] == 29 && h[20] == 0, "the bytes come back");
	CU(cuMemFree_v2(p));
	CU(cuMemFree_v2(q));
}

static void test_copies(void)
{
	CUdeviceptr a = alloc(4096), b = alloc(4096);
	unsigned char h[4096], g[4096];
	CUDA_MEMCPY2D c2 = { 0 };
	CUDA_MEMCPY3D c3 = { 0 };
	int good = 1;

	for (int i = 0; i < 4096; i++)
		h[i] = (unsigned char)(i * 7 + i / 256);
	CU(cuMemcpy(a, (CUdeviceptr)h, 4096));
	CU(cuMemcpyDtoD_v2(b, a, 4096));
	CU(cuMemcpy((CUdeviceptr)g, b, 4096));
	is_blob(g, h, 4096, "unified copies in, across and out");
	memset(g, 1, sizeof(g));
	CU(cuMemcpy((CUdeviceptr)g, (CUdeviceptr)h, 100));
	ok(!memcmp(g, h, 100) && g[100] == 1, "host to host");

	CU(cuMemsetD8_v2(b, 0xee, 4096));
	c2.srcMemoryType = CU_MEMORYTYPE_HOST;
	c2.srcHost = h;
	c2.srcPitch = 64;
	c2.srcXInBytes = 3;
	c2.srcY = 2;
	c2.dstMemoryType = CU_MEMORYTYPE_DEVICE;
	c2.dstDevice = b;
	c2.dstPitch = 128;
	c2.dstXInBytes = 5;
	c2.dstY = 1;
	c2.WidthInBytes = 20;
	c2.Height = 10;
	CU(cuMemcpy2D_v2(&c2));
	CU(cuMemcpyDtoH_v2(g, b, 4096));
	for (int y = 0; y < 32; y++)
		for (int x = 0; x < 128; x++) {
			int in = x >= 5 && x < 25 && y >= 1 && y < 11;
			good &= g[y * 128 + x] == (in ? h[(y - 1 + 2) * 64 + x - 5 + 3] : 0xee);
		}
	ok(good, "a rectangle lands where it should and nowhere else");
	c2.dstPitch = 10;
	CU_IS(cuMemcpy2D_v2(&c2), CUDA_ERROR_INVALID_VALUE);
	c2.dstPitch = 128;
	c2.Height = 40;
	CU_IS(cuMemcpy2DUnaligned_v2(&c2), CUDA_ERROR_INVALID_VALUE);

	c3.srcMemoryType = CU_MEMORYTYPE_DEVICE;
	c3.srcDevice = a;
	c3.srcPitch = 16;
	c3.srcHeight = 16;
	c3.srcZ = 1;
	c3.dstMemoryType = CU_MEMORYTYPE_HOST;
	c3.dstHost = g;
	c3.dstPitch = 8;
	c3.dstHeight = 4;
	c3.WidthInBytes = 8;
	c3.Height = 4;
	c3.Depth = 3;
	memset(g, 0, sizeof(g));
	CU(cuMemcpy3D_v2(&c3));
	good = 1;
	for (int z = 0; z < 3; z++)
		for (int y = 0; y < 4; y++)
			for (int x = 0; x < 8; x++)
				good &= g[z * 32 + y * 8 + x] == h[(z + 1) * 256 + y * 16 + x];
	ok(good && g[96] == 0, "a box comes out");

	CU(cuMemsetD16_v2(a, 0x1234, 100));
	CU(cuMemsetD32_v2(a + 400, 0xdeadbeef, 10));
	CU(cuMemsetD2D32_v2(a + 1024, 64, 7, 3, 5));
	CU(cuMemcpyDtoH_v2(g, a, 4096));
	ok(g[0] == 0x34 && g[1] == 0x12 && g[199] == 0x12 && g[200] == h[200], "16-bit fill");
	ok(g[400] == 0xef && g[439] == 0xde && g[440] == h[440], "32-bit fill");
	ok(g[1024 + 4 * 64] == 7 && g[1024 + 64 + 8] == 7 && g[1024 + 64 + 12] == h[1024 + 64 + 12], "two-dimensional fill");
	CU_IS(cuMemsetD16_v2(a + 1, 0, 1), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemsetD8_v2(a, 0, 4097), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree_v2(a));
	CU(cuMemFree_v2(b));
}

static void test_host(void)
{
	CUpointer_attribute names[] = { CU_POINTER_ATTRIBUTE_CONTEXT, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
					CU_POINTER_ATTRIBUTE_DEVICE_POINTER, CU_POINTER_ATTRIBUTE_HOST_POINTER,
					CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL };
	CUcontext pc = (CUcontext)1;
	unsigned type = 9, managed = 9, flags = 0;
	CUdeviceptr dp = 1, m = 0;
	void *hp = &dp, *data[] = { &pc, &type, &dp, &hp, &managed, NULL };
	int ordinal = 9, local = 3, *h = NULL;

	data[5] = &ordinal;
	CU(cuPointerGetAttributes(6, names, data, (CUdeviceptr)&local));
	ok(!pc && !type && !dp && !hp && !managed && ordinal == CU_DEVICE_INVALID, "an unknown pointer has no attributes");
	CU_IS(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)&local), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemHostAlloc((void **)&h, 5000, CU_MEMHOSTALLOC_DEVICEMAP));
	h[1200] = 77;
	CU(cuMemHostGetDevicePointer_v2(&dp, h, 0));
	CU(cuMemHostGetFlags(&flags, h));
	ok(flags & CU_MEMHOSTALLOC_DEVICEMAP, "its flags");
	CU(cuPointerGetAttributes(6, names, data, (CUdeviceptr)(h + 3)));
	ok(pc == ctx && type == CU_MEMORYTYPE_HOST && dp == (CUdeviceptr)(h + 3) && hp == h + 3 && ordinal == 0, "pinned memory's");
	CU(cuMemAllocManaged(&m, 4096, CU_MEM_ATTACH_GLOBAL));
	((int *)m)[5] = 1;
	CU(cuPointerGetAttributes(6, names, data, m));
	ok(type == CU_MEMORYTYPE_DEVICE && managed == 1 && (CUdeviceptr)hp == m, "managed memory's");
	CU(cuMemcpy(m, (CUdeviceptr)(h + 1200), 4));
	CU(cuCtxSynchronize());
	ok(*(int *)m == 77 && ((int *)m)[5] == 1, "pinned to managed");
	CU(cuMemFree_v2(m));
	CU_IS(cuMemFreeHost(&local), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemFree_v2((CUdeviceptr)h), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFreeHost(h));
}

static void test_launch(void)
{
	enum { N = 1000 };
	float a[N], b[N], c[N];
	CUdeviceptr da = alloc(sizeof(a)), db = alloc(sizeof(b)), dc = alloc(sizeof(c));
	int n = N, good = 1, v = 0;
	void *p[] = { &da, &db, &dc, &n };
	CUfunction add = fn("vector_add"), f;
	struct { CUdeviceptr a, b, c; int n; } buf = { da, db, dc, N };
	size_t size = sizeof(buf), off, len;
	void *extra[] = { CU_LAUNCH_PARAM_BUFFER_POINTER, &buf, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END };
	struct { char c; double d; short s[3]; } mix = { 'x', 2.5, { 1, 2, 3 } };
	CUlaunchConfig cfg = { .gridDimX = 8, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 128, .blockDimY = 1, .blockDimZ = 1 };
	char t = 'T';
	double out[4];
	void *pm[] = { &mix, &t, &dc };

	for (int i = 0; i < N; i++)
		a[i] = (float)i, b[i] = (float)i * 0.5f;
	CU(cuMemcpyHtoD_v2(da, a, sizeof(a)));
	CU(cuMemcpyHtoD_v2(db, b, sizeof(b)));
	for (int way = 0; way < 3; way++) {
		CU(cuMemsetD8_v2(dc, 0, sizeof(c)));
		if (way == 0)
			CU(cuLaunchKernel(add, 8, 1, 1, 128, 1, 1, 0, NULL, p, NULL));
		else if (way == 1)
			CU(cuLaunchKernel(add, 8, 1, 1, 128, 1, 1, 0, NULL, NULL, extra));
		else
			CU(cuLaunchKernelEx(&cfg, add, p, NULL));
		CU(cuMemcpyDtoH_v2(c, dc, sizeof(c)));
		for (int i = 0; i < N; i++)
			good &= c[i] == a[i] + b[i];
		ok(good, "sums are right, way %d", way);
	}
	CU(cuLaunchKernel(fn("unpack"), 1, 1, 1, 1, 1, 1, 0, NULL, pm, NULL));
	CU(cuMemcpyDtoH_v2(out, dc, sizeof(out)));
	ok(out[0] == 'x' && out[1] == 2.5 && out[2] == 321 && out[3] == 'T', "a struct as parameter");
	CU(cuFuncGetParamInfo(fn("unpack"), 1, &off, &len));
	ok(off == sizeof(mix) && len == 1, "parameter's place");
	CU_IS(cuFuncGetParamInfo(fn("unpack"), 3, &off, &len), CUDA_ERROR_INVALID_VALUE);

	CU_IS(cuLaunchKernel(add, 0, 1, 1, 128, 1, 1, 0, NULL, p, NULL), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuLaunchKernel(add, 1, 1, 1, 1025, 1, 1, 0, NULL, p, NULL), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuLaunchKernel(add, 1, 65536, 1, 1, 1, 1, 0, NULL, p, NULL), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuLaunchKernel(add, 1, 1, 1, 1, 1, 1, 60000, NULL, p, NULL), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuLaunchKernel(add, 1, 1, 1, 1, 1, 1, 0, NULL, p, extra), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuLaunchKernel(add, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, p, NULL), CUDA_ERROR_INVALID_HANDLE);
	CU_IS(cuLaunchKernel(fn("bounded"), 1, 1, 1, 65, 1, 1, 0, NULL, (void *[]){ &dc }, NULL), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	CU_IS(cuModuleGetFunction(&f, mod, "nothing"), CUDA_ERROR_NOT_FOUND);
	CU(cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, fn("bounded")));
	is_int(v, 64, "launch bounds are an attribute");
	CU(cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_PTX_VERSION, add));
	is_int(v, 75, "PTX version is the .target");
	CU_IS(cuFuncGetAttribute(&v, CU_FUNC_ATTRIBUTE_MAX, add), CUDA_ERROR_INVALID_VALUE);
	CU(cuFuncSetAttribute(fn("reverse"), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000));
	CU(cuLaunchKernel(fn("reverse"), 1, 1, 1, 64, 1, 1, 60000, NULL, (void *[]){ &da, &n }, NULL));
	CU(cuMemcpyDtoH_v2(c, da, sizeof(c)));
	ok(c[0] == a[N - 1] && c[N - 1] == a[0], "dynamic shared memory beyond 48 KiB");
	CU(cuFuncSetBlockShape(add, 128, 1, 1));
	CU(cuParamSetSize(add, 28));
	CU(cuParamSetv(add, 0, &buf, 28));
	CU(cuLaunchGrid(add, 8, 1));
	CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&v, add, 256, 0));
	ok(v >= 1, "occupancy %d", v);
	CU(cuCtxSynchronize());
	CU(cuMemFree_v2(da));
	CU(cuMemFree_v2(db));
	CU(cuMemFree_v2(dc));
}

static void test_module(void)
{
	static const char bad[] = ".version 8.0\n.target sm_75\n.address_size 64\n.visible .entry k() { frob.u32 %r1; ret; }\n";
	CUjit_option o[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, CU_JIT_WALL_TIME };
	char log[2000] = "";
	void *val[] = { log, (void *)sizeof(log), NULL };
	CUdeviceptr p = 0, m = 0;
	size_t n = 0;
	unsigned count = 0;
	int v = 0;
	CUmodule other;
	CUlinkState link;
	void *blob;
	CUlibrary lib;
	CUkernel k, ks[16];
	CUfunction f;

	CU(cuModuleGetGlobal_v2(&p, &n, mod, "counter"));
	is_int(n, 4, "a variable's size");
	CU(cuMemcpyDtoH_v2(&v, p, 4));
	is_int(v, 41, "its initial value");
	CU(cuModuleGetGlobal_v2(&m, NULL, mod, "shared_var"));
	is_int(*(volatile int *)m, 7, "a managed variable is the program's, too");
	CU(cuLaunchKernel(fn("touch"), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	CU(cuCtxSynchronize());
	CU(cuMemcpyDtoH_v2(&v, p, 4));
	is_int(v, 46, "a kernel changed it");
	is_int(*(volatile int *)m, 14, "and the managed one");
	CU_IS(cuMemFree_v2(p), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuModuleGetGlobal_v2(&p, NULL, mod, "nothing"), CUDA_ERROR_NOT_FOUND);
	CU(cuModuleGetFunctionCount(&count, mod));
	is_int(count, 10, "number of kernels");

	CU_IS(cuModuleLoadDataEx(&other, bad, 3, o, val), CUDA_ERROR_INVALID_PTX);
	has_string(log, "frob", "the log names the instruction");
	ok((size_t)val[1] == strlen(log) + 1, "and its length is told");
	CU_IS(cuModuleLoadData(&other, "\1\2\3"), CUDA_ERROR_INVALID_IMAGE);
	CU_IS(cuModuleLoadData(&other, NULL), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuModuleLoad(&other, "/nonexistent"), CUDA_ERROR_FILE_NOT_FOUND);
	CU(cuModuleLoad(&other, test_src("t/data/ptx/driver.ptx")));
	CU(cuModuleUnload(other));
	CU_IS(cuModuleUnload(other), CUDA_ERROR_INVALID_HANDLE);

	CU(cuLinkCreate_v2(0, NULL, NULL, &link));
	CU(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, ptx, strlen(ptx) + 1, "driver", 0, NULL, NULL));
	CU(cuLinkComplete(link, &blob, &n));
	CU(cuModuleLoadData(&other, blob));
	CU(cuModuleGetFunction(&f, other, "vector_add"));
	CU(cuModuleUnload(other));
	CU(cuLinkDestroy(link));

	CU(cuLibraryLoadData(&lib, ptx, NULL, NULL, 0, NULL, NULL, 0));
	CU(cuLibraryGetKernel(&k, lib, "touch"));
	CU_IS(cuLibraryGetKernel(&k, lib, "nothing"), CUDA_ERROR_NOT_FOUND);
	CU(cuLibraryGetKernel(&k, lib, "touch"));
	CU(cuLibraryGetKernelCount(&count, lib));
	CU(cuLibraryEnumerateKernels(ks, 16, lib));
	is_int(count, 10, "kernels of the library");
	CU(cuLaunchKernel((CUfunction)k, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
	CU(cuLibraryGetGlobal(&p, &n, lib, "counter"));
	CU(cuMemcpyDtoH_v2(&v, p, 4));
	is_int(v, 46, "the library has variables of its own");
	CU(cuLibraryGetManaged(&m, &n, lib, "shared_var"));
	CU_IS(cuLibraryGetManaged(&m, &n, lib, "counter"), CUDA_ERROR_NOT_FOUND);
	CU(cuKernelGetAttribute(&v, CU_FUNC_ATTRIBUTE_NUM_REGS, k, 0));
	ok(v >= 1 && v <= 255, "registers");
	CU(cuLibraryUnload(lib));
	CU_IS(cuLibraryGetKernel(&k, lib, "touch"), CUDA_ERROR_INVALID_HANDLE);
}

/* A text that grows as it is written. */
struct text {
	char *s;
	size_t n;
	FILE *f;
};

static void text_open(struct text *t)
{
	t->f = open_memstream(&t->s, &t->n);
	fputs(".version 8.0\n.target sm_75\n.address_size 64\n", t->f);
}

/* More than an answer's room in the ring: a log, a kernel's name, its parameters. */
static void test_long_answers(void)
{
	enum { NAME = 10000, PARAMS = 700, WRONG = 400 };
	CUjit_option o[] = { CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES };
	static char log[1 << 20], cut[6000];
	void *val[] = { log, (void *)sizeof(log) };
	char *name = malloc(NAME + 1), line[100];
	const char *got = NULL;
	struct text t;
	CUfunction f = NULL, g = NULL;
	CUmodule m;
	size_t off = 0, size = 0;
	bool all = true;

	/* instructions that are known but can't run: each kernel is named */
	t.f = open_memstream(&t.s, &t.n);
	fputs(".version 8.6\n.target sm_100a\n.address_size 64\n", t.f);
	for (int i = 0; i < WRONG; i++)
		fprintf(t.f, ".visible .entry kernel_number_%d() { tcgen05.wait::ld.sync.aligned; ret; }\n", i);
	fclose(t.f);
	CU_IS(cuModuleLoadDataEx(&m, t.s, 2, o, val), CUDA_ERROR_INVALID_PTX);
	ok((size_t)val[1] == strlen(log) + 1, "a log of %zu bytes and its length", strlen(log));
	for (int i = 0; i < WRONG; i++) {
		snprintf(line, sizeof(line), "line %d;", i + 4);
		all = all && strstr(log, line);
	}
	ok(all, "names every line");
	memset(cut, 'x', sizeof(cut));
	val[0] = cut;
	val[1] = (void *)(sizeof(cut) - 100);
	CU_IS(cuModuleLoadDataEx(&m, t.s, 2, o, val), CUDA_ERROR_INVALID_PTX);
	ok(strlen(cut) <= sizeof(cut) - 101 && cut[sizeof(cut) - 100] == 'x' && !strncmp(cut, log, strlen(cut)),
	   "a smaller buffer gets its beginning and no byte more");
	free(t.s);

	memset(name, 'n', NAME);
	name[NAME] = '\0';
	text_open(&t);
	fprintf(t.f, ".visible .entry %s(.param .u32 p) { ret; }\n.visible .entry many(", name);
	for (int i = 0; i < PARAMS; i++)
		fprintf(t.f, "%s.param .u32 p%d", i ? ", " : "", i);
	fputs(") { ret; }\n", t.f);
	fclose(t.f);
	CU(cuModuleLoadData(&m, t.s));
	CU(cuModuleEnumerateFunctions(&f, 1, m));
	CU(cuFuncGetName(&got, f));
	ok(got && !strcmp(got, name), "a name of %d bytes is whole", NAME);
	CU(cuModuleGetFunction(&g, m, name));
	ok(f == g, "and finds the same kernel");
	CU(cuModuleGetFunction(&g, m, "many"));
	CU(cuFuncGetParamInfo(g, PARAMS - 1, &off, &size));
	ok(off == 4 * (PARAMS - 1) && size == 4, "the last of %d parameters", PARAMS);
	CU_IS(cuFuncGetParamInfo(g, PARAMS, &off, &size), CUDA_ERROR_INVALID_VALUE);
	CU(cuModuleUnload(m));
	free(t.s);
	free(name);
}

/* Addresses that only a kernel told the program. */
static void test_told_addresses(void)
{
	static const char text[] =
		".version 8.0\n.target sm_75\n.address_size 64\n"
		".global .align 4 .b8 pad[12];\n.global .align 4 .b8 hidden[40];\n"
		".extern .func (.param .b64 r) malloc(.param .b64 n);\n"
		".visible .entry tell(.param .u64 out) { .reg .b64 %rd<4>; ld.param.u64 %rd1, [out];\n"
		"mov.u64 %rd2, hidden; st.u64 [%rd1], %rd2;\n"
		"{ .param .b64 n; .param .b64 r; st.param.b64 [n], 64; call.uni (r), malloc, (n); ld.param.b64 %rd3, [r]; }\n"
		"st.u64 [%rd1+8], %rd3; ret; }\n";
	CUdeviceptr out = alloc(16), told[2] = { 0 }, base = 0;
	CUpointer_attribute a[] = { CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_RANGE_SIZE };
	int v[10], w[10] = { 0 };
	unsigned type = 0;
	size_t size = 0;
	void *data[] = { &type, &size };
	CUmodule m;
	CUfunction f;

	for (int i = 0; i < 10; i++)
		v[i] = 100 + i;
	CU(cuModuleLoadData(&m, text));
	CU(cuModuleGetFunction(&f, m, "tell"));
	CU(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){ &out }, NULL));
	CU(cuMemcpyDtoH_v2(told, out, 16));
	ok(told[0] && told[1], "a kernel told two addresses");
	CU(cuMemcpyHtoD_v2(told[0], v, sizeof(v)));
	CU(cuMemsetD32_v2(told[0] + 36, 7, 1));
	CU(cuMemcpy((CUdeviceptr)w, told[0], sizeof(w)));
	ok(!memcmp(v, w, 36) && w[9] == 7, "a variable's is good for copies and fills");
	CU_IS(cuMemcpyHtoD_v2(told[0] + 4, v, sizeof(v)), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemGetAddressRange_v2(&base, &size, told[0] + 8));
	ok(base == told[0] && size == 40, "its range");
	CU(cuPointerGetAttributes(2, a, data, told[0] + 8));
	ok(type == CU_MEMORYTYPE_DEVICE && size == 40, "its attributes");
	CU_IS(cuMemFree_v2(told[0]), CUDA_ERROR_INVALID_VALUE);
	/* As documented: the device's heap is no business of the API. */
	CU_IS(cuMemcpyDtoH_v2(w, told[1], 4), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemcpy((CUdeviceptr)w, told[1], 4), CUDA_ERROR_INVALID_VALUE);
	CU_IS(cuMemsetD32_v2(told[1], 7, 1), CUDA_ERROR_INVALID_VALUE);
	CU(cuModuleUnload(m));
	CU_IS(cuMemcpyDtoH_v2(w, told[0], 4), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemFree_v2(out));
}

static int calls[3];

static void CUDA_CB on_host(void *arg)
{
	calls[0] = *(volatile int *)arg;
}

static void CUDA_CB on_stream(CUstream s, CUresult r, void *arg)
{
	calls[1] = r == CUDA_SUCCESS && s == arg;
}

static void test_streams(void)
{
	CUstream a, b;
	CUevent e1, e2, plain;
	CUdeviceptr x = alloc(4), y = alloc(4);
	int *flag, *h, rounds = 1000, v = 0, one = 1, prio = 9;
	unsigned flags = 9;
	unsigned long long id1 = 0, id2 = 0;
	CUstreamCaptureStatus cap = 9;
	float ms = -1;

	CU(cuMemHostAlloc((void **)&flag, 8, 0));
	h = flag + 1;
	*flag = 0;
	*h = 0;
	CU(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
	CU(cuStreamCreateWithPriority(&b, CU_STREAM_DEFAULT, -100));
	CU_IS(cuStreamCreate(&a, 8), CUDA_ERROR_INVALID_VALUE);
	CU(cuStreamGetPriority(b, &prio));
	is_int(prio, -5, "priorities are clamped");
	CU(cuStreamGetFlags(a, &flags));
	is_int(flags, CU_STREAM_NON_BLOCKING, "flags");
	CU(cuStreamGetId(a, &id1));
	CU(cuStreamGetId(b, &id2));
	ok(id1 != id2, "ids differ");
	CU(cuStreamIsCapturing(a, &cap));
	is_int(cap, CU_STREAM_CAPTURE_STATUS_NONE, "not capturing");
	CU(cuEventCreate(&e1, CU_EVENT_DEFAULT));
	CU(cuEventCreate(&e2, CU_EVENT_DEFAULT));
	CU(cuEventCreate(&plain, CU_EVENT_DISABLE_TIMING));
	CU(cuEventQuery(e1));
	CU_IS(cuEventElapsedTime_v2(&ms, e1, e2), CUDA_ERROR_INVALID_HANDLE);

	/* a waits for a value, b for a's event; the program goes on. */
	CU(cuEventRecord(e1, a));
	CU(cuStreamWaitValue32_v2(a, (CUdeviceptr)flag, 1, CU_STREAM_WAIT_VALUE_GEQ));
	CU(cuMemsetD32Async(x, 3, 1, a));
	CU(cuLaunchKernel(fn("step"), 1, 1, 1, 1, 1, 1, 0, a, (void *[]){ &x, &rounds }, NULL));
	CU(cuMemcpyHtoDAsync_v2(y, &one, 4, a));
	one = 2;
	CU(cuEventRecord(e2, a));
	CU(cuStreamWaitEvent(b, e2, 0));
	CU(cuMemcpyDtoDAsync_v2(x, y, 4, b));
	CU_IS(cuStreamQuery(a), CUDA_ERROR_NOT_READY);
	CU_IS(cuEventQuery(e2), CUDA_ERROR_NOT_READY);
	CU_IS(cuEventElapsedTime_v2(&ms, e1, e2), CUDA_ERROR_NOT_READY);
	/* The legacy stream waits for b, which waits for a. */
	CU(cuMemcpyDtoDAsync_v2((CUdeviceptr)h, x, 4, NULL));
	CU_IS(cuStreamQuery(NULL), CUDA_ERROR_NOT_READY);
	CU(cuStreamCreate(&(CUstream){ 0 }, CU_STREAM_NON_BLOCKING));
	{
		CUstream c;

		/* A stream of its own lets go of a. */
		CU(cuStreamCreate(&c, CU_STREAM_NON_BLOCKING));
		CU(cuStreamWriteValue32_v2(c, (CUdeviceptr)flag, 1, 0));
		CU(cuStreamDestroy_v2(c));
	}
	CU(cuStreamSynchronize(NULL));
	is_int(*h, 1, "in the order of the streams, with the source's value at the time of the call");
	CU(cuEventSynchronize(e2));
	CU(cuEventElapsedTime_v2(&ms, e1, e2));
	ok(ms >= 0, "elapsed time %g ms", (double)ms);
	CU(cuEventRecord(plain, b));
	CU_IS(cuEventElapsedTime(&ms, e1, plain), CUDA_ERROR_INVALID_HANDLE);
	CU(cuLaunchHostFunc(a, on_host, h));
	CU(cuStreamAddCallback(b, on_stream, b, 0));
	CU(cuLaunchHostFunc(NULL, on_host, h));
	CU(cuCtxSynchronize());
	ok(calls[0] == 1 && calls[1] == 1, "host functions and callbacks ran");
	CU_IS(cuLaunchHostFunc(a, NULL, NULL), CUDA_ERROR_INVALID_VALUE);

	/* Destroyed with work in it. */
	rounds = 20000;
	CU(cuLaunchKernel(fn("step"), 1, 1, 1, 1, 1, 1, 0, a, (void *[]){ &x, &rounds }, NULL));
	CU(cuMemcpyDtoDAsync_v2(y, x, 4, a));
	CU(cuEventRecord(e1, a));
	CU(cuStreamDestroy_v2(a));
	CU_IS(cuStreamSynchronize(a), CUDA_ERROR_INVALID_HANDLE);
	CU(cuEventSynchronize(e1));
	CU(cuMemcpyDtoH_v2(&v, y, 4));
	for (unsigned i = 0, w = 1; i <= 20000; i++, w = w * 5 + 1)
		if (i == 20000)
			is_int(v, (int)w, "its work went on");
	CU(cuEventDestroy_v2(e1));
	CU_IS(cuEventDestroy_v2(e1), CUDA_ERROR_INVALID_HANDLE);
	CU(cuEventDestroy_v2(e2));
	CU(cuEventDestroy_v2(plain));
	CU(cuStreamDestroy_v2(b));
	CU_IS(cuStreamDestroy_v2(NULL), CUDA_ERROR_INVALID_HANDLE);
	CU(cuMemFreeHost(flag));
	CU(cuMemFree_v2(x));
	CU(cuMemFree_v2(y));
}

/* Events: recorded again, never recorded, of another context; a stream that goes while others wait for it. */
static void test_events(void)
{
	CUevent e, never;
	CUcontext c2;
	CUstream s, t, other;
	int *flag;

	CU(cuMemHostAlloc((void **)&flag, 4, 0));
	*flag = 0;
	CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
	CU(cuStreamCreate(&t, CU_STREAM_NON_BLOCKING));
	CU(cuEventCreate(&e, 0));
	CU(cuEventCreate(&never, 0));
	CU(cuEventSynchronize(never));
	CU(cuStreamWaitEvent(t, never, 0));
	CU(cuStreamSynchronize(t));
	CU(cuEventRecord(e, s));
	CU(cuEventSynchronize(e));
	CU(cuStreamWaitValue32_v2(s, (CUdeviceptr)flag, 1, CU_STREAM_WAIT_VALUE_GEQ));
	CU(cuEventRecord(e, s));
	CU_IS(cuEventQuery(e), CUDA_ERROR_NOT_READY);
	CU(cuStreamWaitEvent(t, e, 0));
	/* What t waits for is the record of then, not a later one. */
	CU(cuEventRecord(e, t));
	CU_IS(cuStreamQuery(t), CUDA_ERROR_NOT_READY);
	CU(cuStreamDestroy_v2(s));
	CU_IS(cuEventQuery(e), CUDA_ERROR_NOT_READY);

	CU(cuCtxCreate_v2(&c2, 0, 0));
	CU(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
	CU_IS(cuEventRecord(e, other), CUDA_ERROR_INVALID_HANDLE);
	CU(cuStreamWaitEvent(other, e, 0));
	CU_IS(cuStreamQuery(other), CUDA_ERROR_NOT_READY);
	CU(cuCtxSetCurrent(ctx));
	{
		CUstream u;

		CU(cuStreamCreate(&u, CU_STREAM_NON_BLOCKING));
		CU(cuStreamWriteValue32_v2(u, (CUdeviceptr)flag, 1, 0));
		CU(cuStreamDestroy_v2(u));
	}
	CU(cuStreamSynchronize(other));
	CU(cuEventQuery(e));
	CU(cuEventDestroy_v2(e));
	CU(cuEventDestroy_v2(never));
	CU(cuCtxDestroy_v2(c2));
	CU(cuCtxSetCurrent(ctx));
	CU(cuStreamDestroy_v2(t));
	CU(cuMemFreeHost(flag));
}

/* One context, several threads: each has a stream, memory and events of its own, and one kernel is everybody's. */
static CUfunction shared_step;

static void *worker(void *arg)
{
	int n = (int)(intptr_t)arg, rounds = 3, v = n, want = n, back = 0;
	CUdeviceptr p = 0;
	CUstream s;
	CUevent e;

	if (cuCtxSetCurrent(ctx) || cuStreamCreate(&s, CU_STREAM_NON_BLOCKING) || cuEventCreate(&e, CU_EVENT_DISABLE_TIMING) ||
	    cuMemAlloc_v2(&p, 4) || cuMemcpyHtoDAsync_v2(p, &v, 4, s))
		return "set-up";
	for (int i = 0; i < 50; i++) {
		if (cuLaunchKernel(shared_step, 1, 1, 1, 1, 1, 1, 0, s, (void *[]){ &p, &rounds }, NULL) || cuEventRecord(e, s))
			return "launch";
		for (int k = 0; k < rounds; k++)
			want = (int)((unsigned)want * 5u + 1u);
		if (i % 10 == 0 && (cuEventSynchronize(e) || cuMemcpyDtoH_v2(&back, p, 4) || back != want))
			return "result on the way";
	}
	if (cuMemcpyDtoHAsync_v2(&back, p, 4, s) || cuStreamSynchronize(s) || back != want)
		return "result";
	return cuEventDestroy_v2(e) || cuStreamDestroy_v2(s) || cuMemFree_v2(p) ? "end" : NULL;
}

static void test_threads(void)
{
	pthread_t t[4];
	void *why = NULL;

	shared_step = fn("step");
	for (intptr_t i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, worker, (void *)i))
			bail("threads");
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &why);
		ok(!why, "thread %d has its own results%s%s", i, why ? ": " : "", why ? (char *)why : "");
	}
}

static void test_pool(void)
{
	CUdeviceptr p = 0, q = 0;
	CUmemoryPool pool = NULL;
	cuuint64_t used = 9;
	CUstream s;
	int v = 0;

	CU(cuStreamCreate(&s, 0));
	CU(cuMemAllocAsync(&p, 1000, s));
	CU(cuMemsetD32Async(p, 5, 250, s));
	CU(cuMemcpyDtoHAsync_v2(&v, p + 996, 4, s));
	CU(cuStreamSynchronize(s));
	is_int(v, 5, "stream-ordered memory");
	CU(cuDeviceGetDefaultMemPool(&pool, 0));
	CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
	ok(used >= 1000, "the pool counts");
	CU(cuMemFreeAsync(p, s));
	CU_IS(cuMemFreeAsync(p, s), CUDA_ERROR_INVALID_VALUE);
	CU(cuMemAllocFromPoolAsync(&q, 64, pool, s));
	CU(cuMemFree_v2(q));
	CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
	is_int(used, 0, "and counts down");
	CU(cuStreamDestroy_v2(s));
}

static void test_printf(void)
{
	char path[] = "/tmp/vgpufs-640-XXXXXX", text[100] = "";
	int fd = mkstemp(path), out = dup(1), n = 42;

	fflush(stdout);
	dup2(fd, 1);
	cuLaunchKernel(fn("say"), 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){ &n }, NULL);
	cuCtxSynchronize();
	fflush(stdout);
	dup2(out, 1);
	close(out);
	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		text[0] = '\0';
	close(fd);
	unlink(path);
	is_string(text, "say 42 it\n", "device printf comes at the synchronisation");
}

static void test_fault(void)
{
	CUcontext c2;
	CUmodule m2;
	CUfunction f;
	CUdeviceptr p = 0, bad = 8;
	int v = 0;

	CU(cuCtxCreate_v2(&c2, 0, 0));
	CU(cuModuleLoadData(&m2, ptx));
	CU(cuModuleGetFunction(&f, m2, "wild"));
	CU(cuMemAlloc_v2(&p, 4));
	CU(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){ &bad }, NULL));
	CU_IS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
	CU_IS(cuMemAlloc_v2(&p, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
	CU_IS(cuMemcpyDtoH_v2(&v, p, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
	CU_IS(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){ &p }, NULL), CUDA_ERROR_ILLEGAL_ADDRESS);
	CU_IS(cuStreamQuery(NULL), CUDA_ERROR_ILLEGAL_ADDRESS);
	CU(cuCtxDestroy_v2(c2));
	CU(cuCtxSetCurrent(ctx));
	p = alloc(4);
	CU(cuMemsetD32_v2(p, 9, 1));
	CU(cuMemcpyDtoH_v2(&v, p, 4));
	is_int(v, 9, "the other context goes on");
	CU(cuMemFree_v2(p));
}

static const struct vgpu_device *devices(void)
{
	static struct vgpu_device d[2];

	for (int i = 0; i < 2; i++) {
		vgpu_device_init(&d[i]);
		snprintf(d[i].uuid, sizeof(d[i].uuid), "GPU-0000000%d-0000-0000-0000-000000000000", i);
		snprintf(d[i].pci, sizeof(d[i].pci), "0000:0%d:00.0", i + 1);
		d[i].index = d[i].minor = (uint64_t)i;
		d[i].memory_total = 1 << 30;
	}
	return d;
}

#include "t/640-graph.inc"

static int body(const char *transport)
{
	static const struct tr_loop_ops ops = { eng_loop_start, eng_loop_stop };
	struct vgpu_err err = VGPU_ERR_INIT;
	size_t n;

	plan_lazy();
	setenv("VGPU_TRANSPORT", transport, 1);
	eng_loop_set_backend(&be_interp);
	tr_set_loopback(&ops, devices(), 2);
	if (vgpu_read_file(test_src("t/data/ptx/driver.ptx"), 1 << 20, &ptx, &n, &err))
		bail("%s", err.text);
	CU(cuInit(0));
	CU(cuCtxCreate_v2(&ctx, 0, 0));
	CU(cuModuleLoadData(&mod, ptx));
	test_memory();
	test_copies();
	test_host();
	test_launch();
	test_module();
	test_long_answers();
	test_told_addresses();
	test_streams();
	test_events();
	test_threads();
	test_pool();
	test_graphs();
	test_printf();
	test_fault();
	CU(cuModuleUnload(mod));
	CU(cuCtxDestroy_v2(ctx));
	free(ptx);
	return 0;
}

/* A process is one session: each transport gets its own. */
static int in_child(const char *self, const char *transport, const char *log)
{
	pid_t pid;
	int st = -1;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		if (!freopen(log, "w", stdout))
			_exit(99);
		execl(self, self, transport, (char *)NULL);
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
		st = in_child("/proc/self/exe", transports[i], log);
		ok(WIFEXITED(st) && !WEXITSTATUS(st), "the driver over %s", transports[i]);
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
