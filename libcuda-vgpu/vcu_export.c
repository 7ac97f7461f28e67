/*
 * vcu_export.c: cuGetExportTable: tables of undocumented functions that
 * NVIDIA's runtime and libraries call. A table is an array of 8-byte slots; slot 0
 * holds its size in bytes, except in CONTEXT_LOCAL_STORAGE, which ends with
 * NULL. Tables that are not here are refused: a client that is told there is
 * none takes another way, one that got an empty table would trust it.
 */
#define VCU_API_WEAK 1
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "libcuda-vgpu/handshake.h"
#include "libcuda-vgpu/vcu_api.h"
#include "libcuda-vgpu/vcu_ctx.h"
#include "libcuda-vgpu/vcu_entry.h"
#include "libcuda-vgpu/vcu_export.h"

/* Runs expr as an entry point would run. */
#define IN_CALL(expr) ({                                                              \
	struct vcu_tls *t_ = &vcu_tls;                                                \
	bool pt_ = t_->per_thread;                                                    \
	CUresult r_ = vcu_enter(t_, 0, false, __builtin_return_address(0));           \
	if (likely(!r_))                                                              \
		r_ = (expr);                                                          \
	vcu_leave(t_, pt_);                                                           \
	r_; })

static CUresult not_supported(void)
{
	return CUDA_ERROR_NOT_SUPPORTED;
}

/* ---- CUDART_INTERFACE ---- */

static CUresult load(CUmodule *out, const void *image)
{
	if (!vcu_ModuleLoadData)
		return CUDA_ERROR_NOT_SUPPORTED;
	return out && image ? vcu_ModuleLoadData(out, image) : CUDA_ERROR_INVALID_VALUE;
}

static CUresult cudart_load(CUmodule *out, const void *wrapper)
{
	return IN_CALL(load(out, wrapper));
}

/* The handle of the primary context, neither retained nor activated. */
static CUresult primary_handle(CUcontext *out, CUdevice dev)
{
	struct vcu_device *d = vcu_device_get(dev);

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	*out = d->primary->handle;
	return CUDA_SUCCESS;
}

static CUresult cudart_primary(CUcontext *out, CUdevice dev)
{
	return IN_CALL(primary_handle(out, dev));
}

static CUresult cudart_load_ex(CUmodule *out, const void *wrapper, void *a, void *b, unsigned c)
{
	return IN_CALL(load(out, wrapper));
}

static void cudart_unload_image(void *data)
{
}

static CUresult cudart_load_header(const void *header, CUmodule *out, void *a, void *b, unsigned c)
{
	return IN_CALL(load(out, header));
}

static CUresult cudart_load_compilers(void)
{
	return CUDA_SUCCESS;
}

const void *const vcu_export_cudart[] = {
	(void *)(13 * sizeof(void *)),
	[1] = cudart_load,
	[2] = cudart_primary,
	[3] = not_supported,
	[4] = not_supported,
	[5] = not_supported,
	[6] = cudart_load_ex,
	[7] = cudart_unload_image,
	[8] = cudart_load_header,
	[9] = not_supported,
	[10] = not_supported,
	[11] = not_supported,
	[12] = cudart_load_compilers,
};

/* ---- TOOLS_RUNTIME_CALLBACK_HOOKS: which runtime calls a tool wants to see: none ---- */

#define HOOKS 4096
static uint32_t hooks_a[HOOKS], hooks_b[HOOKS];

static void hooks_first(void **buf, size_t *count)
{
	if (buf)
		*buf = hooks_a;
	if (count)
		*count = HOOKS;
}

static void hooks_second(void **buf, size_t *count)
{
	if (buf)
		*buf = hooks_b;
	if (count)
		*count = HOOKS;
}

static const void *const table_hooks[] = {
	(void *)(7 * sizeof(void *)),
	[1] = not_supported,
	[2] = hooks_first,
	[3] = not_supported,
	[4] = not_supported,
	[5] = not_supported,
	[6] = hooks_second,
};

/* ---- TOOLS_TLS ---- */

static CUresult current(CUcontext *out)
{
	struct vcu_ctx *c = vcu_ctx_top();

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = c ? c->handle : NULL;
	return c ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult tls_current(CUcontext *out)
{
	return IN_CALL(current(out));
}

static const void *const table_tls[] = {
	(void *)(4 * sizeof(void *)),
	[1] = not_supported,
	[2] = tls_current,
	[3] = not_supported,
};

/* ---- CONTEXT_LOCAL_STORAGE ---- */

static CUresult storage_put(CUcontext h, void *key, void *value, vcu_cls_dtor dtor)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_lookup(h, &c);

	return r ? r : vcu_cls_put(c, key, value, dtor);
}

static CUresult cls_put(CUcontext h, void *key, void *value, vcu_cls_dtor dtor)
{
	return IN_CALL(storage_put(h, key, value, dtor));
}

static CUresult storage_del(CUcontext h, void *key)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_lookup(h, &c);

	return r ? r : vcu_cls_del(c, key);
}

static CUresult cls_del(CUcontext h, void *key)
{
	return IN_CALL(storage_del(h, key));
}

static CUresult storage_get(void **value, CUcontext h, void *key)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_lookup(h, &c);

	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	return r ? r : vcu_cls_get(c, key, value);
}

/* Once per call of the runtime. */
static CUresult cls_get(void **value, CUcontext h, void *key)
{
	return IN_CALL(storage_get(value, h, key));
}

static const void *const table_cls[] = { cls_put, cls_del, cls_get, NULL };

/* ---- CONTEXT_CHECKS ---- */

static CUresult context_state(CUcontext h, uint32_t *flags)
{
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_lookup(h, &c);

	if (r)
		return r;
	if (flags)
		*flags = 0;
	if (c->primary)
		return CUDA_SUCCESS;
	return __atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == VCU_CTX_DESTROYED
		? CUDA_ERROR_CONTEXT_IS_DESTROYED : CUDA_SUCCESS;
}

static CUresult checks_context(CUcontext h, uint32_t *flags, const void **out)
{
	return IN_CALL(context_state(h, flags));
}

static uint32_t checks_zero(void)
{
	return 0;
}

static const void *const table_checks[] = {
	(void *)(4 * sizeof(void *)),
	[1] = not_supported,
	[2] = checks_context,
	[3] = checks_zero,
};

/* ---- INTEGRITY_CHECK ---- */

#ifdef VGPU_CUDART_HANDSHAKE
static CUresult integrity_set(int value)
{
	return CUDA_SUCCESS;
}

const void *const vcu_export_integrity[] = {
	(void *)(3 * sizeof(void *)),
	[1] = handshake_answer,
	[2] = integrity_set,
};
#endif

/* ---- TOOLS_CONTEXT ---- */

static CUresult context_device(CUcontext h, CUdevice *out)
{
	return IN_CALL(vcu_CtxGetDevice_v2(out, h));
}

static CUresult context_id(CUcontext h, uint64_t *id)
{
	return IN_CALL(vcu_CtxGetId(h, (unsigned long long *)id));
}

/* A stream's "private handle" is the public one, with NULL resolved. */
static CUresult stream_private(CUcontext h, CUstream s, void **priv, int per_thread)
{
	if (!priv)
		return CUDA_ERROR_INVALID_VALUE;
	if (!s)
		s = per_thread ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY;
	*priv = s;
	return CUDA_SUCCESS;
}

static CUresult stream_id(void *priv, unsigned long long *id)
{
	return vcu_StreamGetId ? vcu_StreamGetId(priv, id) : CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult stream_private_id(CUcontext h, void *priv, uint64_t *id)
{
	return IN_CALL(stream_id(priv, (unsigned long long *)id));
}

#define TOOLS_CONTEXT_SLOTS 96
static const void *const table_context[TOOLS_CONTEXT_SLOTS] = {
	(void *)(TOOLS_CONTEXT_SLOTS * sizeof(void *)),
	[1 ... 2] = not_supported,
	[3] = context_device,
	[4] = context_id,
	[5 ... 38] = not_supported,
	[39] = stream_private_id,
	[40 ... 50] = not_supported,
	[51] = stream_private,
	[52 ... TOOLS_CONTEXT_SLOTS - 1] = not_supported,
};

/* ---- TOOLS_MODULE ---- */

typedef void (*each_function)(void *user, CUfunction f, CUmodule owner);

static CUresult functions(CUmodule mod, CUfunction **list, unsigned *n)
{
	CUresult r;

	if (!vcu_ModuleGetFunctionCount || !vcu_ModuleEnumerateFunctions)
		return CUDA_ERROR_NOT_SUPPORTED;
	r = vcu_ModuleGetFunctionCount(n, mod);
	if (r || !*n)
		return r;
	*list = calloc(*n, sizeof(**list));
	return *list ? vcu_ModuleEnumerateFunctions(*list, *n, mod) : CUDA_ERROR_OUT_OF_MEMORY;
}

/* Answers 1 when it has shown functions, 0 when there were none. */
static int module_each(CUcontext h, CUmodule mod, each_function fn, void *user)
{
	CUfunction *list = NULL;
	unsigned n = 0;
	CUresult r = fn ? IN_CALL(functions(mod, &list, &n)) : CUDA_ERROR_INVALID_VALUE;

	for (unsigned i = 0; !r && i < n; i++)
		fn(user, list[i], mod);
	free(list);
	return !r && n;
}

#define TOOLS_MODULE_SLOTS 48
static const void *const table_module[TOOLS_MODULE_SLOTS] = {
	(void *)(TOOLS_MODULE_SLOTS * sizeof(void *)),
	[1 ... 6] = not_supported,
	[7] = module_each,
	[8 ... TOOLS_MODULE_SLOTS - 1] = not_supported,
};

/* ---- which table ---- */

static const struct {
	uint8_t id[16];
	const void *table;
} tables[] = {
	/* CUDART_INTERFACE */
	{ { 0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a, 0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d, 0xf9 },
	  vcu_export_cudart },
	/* TOOLS_RUNTIME_CALLBACK_HOOKS */
	{ { 0xa0, 0x94, 0x79, 0x8c, 0x2e, 0x74, 0x2e, 0x74, 0x93, 0xf2, 0x08, 0x00, 0x20, 0x0c, 0x0a, 0x66 },
	  table_hooks },
	/* TOOLS_TLS */
	{ { 0x42, 0xd8, 0x5a, 0x81, 0x23, 0xf6, 0xcb, 0x47, 0x82, 0x98, 0xf6, 0xe7, 0x8a, 0x3a, 0xec, 0xdc },
	  table_tls },
	/* CONTEXT_LOCAL_STORAGE */
	{ { 0xc6, 0x93, 0x33, 0x6e, 0x11, 0x21, 0xdf, 0x11, 0xa8, 0xc3, 0x68, 0xf3, 0x55, 0xd8, 0x95, 0x93 },
	  table_cls },
	/* CONTEXT_CHECKS */
	{ { 0x26, 0x3e, 0x88, 0x60, 0x7c, 0xd2, 0x61, 0x43, 0x92, 0xf6, 0xbb, 0xd5, 0x00, 0x6d, 0xfa, 0x7e },
	  table_checks },
#ifdef VGPU_CUDART_HANDSHAKE
	/* INTEGRITY_CHECK */
	{ { 0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d, 0x34, 0xba, 0x12, 0x3c, 0x66, 0xe1, 0xf2 },
	  vcu_export_integrity },
#endif
	/* TOOLS_CONTEXT */
	{ { 0x21, 0x31, 0x8c, 0x60, 0x97, 0x14, 0x32, 0x48, 0x8c, 0xa6, 0x41, 0xff, 0x73, 0x24, 0xc8, 0xf2 },
	  table_context },
	/* TOOLS_MODULE */
	{ { 0x6e, 0x16, 0x3f, 0xbe, 0xb9, 0x58, 0x44, 0x4d, 0x83, 0x5c, 0xe1, 0x82, 0xaf, 0xf1, 0x99, 0x1e },
	  table_module },
};

CUresult vcu_GetExportTable(const void **out, const CUuuid *id)
{
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	*out = NULL;
	for (size_t i = 0; id && i < ARRAY_SIZE(tables); i++)
		if (!memcmp(id->bytes, tables[i].id, sizeof(tables[i].id))) {
			*out = tables[i].table;
			return CUDA_SUCCESS;
		}
	return CUDA_ERROR_INVALID_VALUE;
}
