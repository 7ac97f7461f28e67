/* vcu_library.c: see vcu_module.h. Libraries, their instances and kernels. */
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_module.h"
#include "libcuda-vgpu/vcu_stream.h"
#include "util/sys.h"

#define FILE_MAX ((size_t)2 << 30)

struct instance {
	uint64_t ctx_id;
	struct vcu_module *m;
};

struct vcu_library {
	CUlibrary handle;
	const void *image;
	size_t avail;              /* SIZE_MAX: as the image says itself */
	void *copy;                /* to be freed: the program does not keep its image */
	const void *caller;        /* who loaded it sees which compute capability */
	unsigned flags;            /* of its JIT options: enum vgp_module_flags */
	bool preserved;            /* the loader keeps the image: what NVIDIA's runtime does */
	pthread_mutex_t lock;      /* protects what follows */
	VGPU_VEC(struct instance) instances;
	struct vgpu_htab kernels;  /* by name */
	uint64_t held;             /* bit i: the primary context of device i is retained for it */
};

/* ---- contexts and instances ---- */

struct search {
	struct vcu_ctx *c;
};

static void take_first(struct vcu_ctx *c, void *arg)
{
	struct search *s = arg;

	if (!s->c && !vcu_ctx_check(c))
		s->c = c;
}

CUresult vcu_library_ctx(struct vcu_library *lib, int ordinal, struct vcu_ctx **out)
{
	struct vcu_device *d = vcu_device_get(ordinal);
	struct search s = { NULL };
	CUcontext h;
	CUresult r;

	if (!d)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!vcu_ctx_current_any(out) && (*out)->dev == d)
		return vcu_ctx_check(*out);
	vcu_ctx_foreach(d, take_first, &s);
	if (!s.c) {
		r = vcu_DevicePrimaryCtxRetain(&h, ordinal);
		if (r)
			return r;
		pthread_mutex_lock(&lib->lock);
		if (lib->held >> ordinal & 1)
			vcu_DevicePrimaryCtxRelease_v2(ordinal);
		lib->held |= 1ull << ordinal;
		pthread_mutex_unlock(&lib->lock);
		s.c = d->primary;
	}
	*out = s.c;
	return CUDA_SUCCESS;
}

/*
 * The current context, or one that can stand in for it: names are the same in
 * all. A context that a fault has ended will do: to ask for a kernel is no work
 * in it, and a runtime that gets an error here would keep it over a reset.
 */
static CUresult some_ctx(struct vcu_library *lib, struct vcu_ctx **out)
{
	if (!vcu_ctx_current_any(out))
		return CUDA_SUCCESS;
	return vcu_library_ctx(lib, 0, out);
}

/* Lock held. */
static CUresult instance(struct vcu_library *lib, struct vcu_ctx *c, struct vcu_module **out)
{
	struct vcu_jit jit = { .flags = lib->flags };
	struct vcu_module *m;
	CUresult r;

	for (size_t i = 0; i < lib->instances.n; i++)
		if (lib->instances.v[i].ctx_id == c->id) {
			*out = lib->instances.v[i].m;
			return CUDA_SUCCESS;
		}
	r = vcu_module_from_image(c, lib->image, lib->avail, lib->caller, &jit, &m);
	if (r)
		return r;
	m->lib = lib;
	m->handle = vcu_handle_new(VCU_H_MODULE, m);
	if (!m->handle || !vgpu_vec_push(&lib->instances, ((struct instance){ c->id, m }))) {
		vcu_module_free(m, true);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*out = m;
	return CUDA_SUCCESS;
}

static CUresult get_instance(struct vcu_library *lib, struct vcu_ctx *c, struct vcu_module **out)
{
	CUresult r;

	pthread_mutex_lock(&lib->lock);
	r = instance(lib, c, out);
	pthread_mutex_unlock(&lib->lock);
	return r;
}

/* Kernels' functions in a module that goes. Lock held. */
static void kernels_forget(struct vcu_library *lib, struct vcu_module *m)
{
	struct vgpu_htab_slot *s;
	size_t i = 0;

	while ((s = vgpu_htab_next(&lib->kernels, &i))) {
		struct vcu_kernel *k = s->value;

		__atomic_store_n(&k->recent, NULL, __ATOMIC_RELEASE);
		for (size_t j = 0; j < k->in.n; j++)
			if (k->in.v[j].f->mod == m) {
				vgpu_vec_swap_remove(&k->in, j);
				break;
			}
	}
}

void vcu_library_forget(struct vcu_library *lib, struct vcu_module *m)
{
	pthread_mutex_lock(&lib->lock);
	kernels_forget(lib, m);
	for (size_t i = 0; i < lib->instances.n; i++)
		if (lib->instances.v[i].m == m) {
			vgpu_vec_swap_remove(&lib->instances, i);
			break;
		}
	pthread_mutex_unlock(&lib->lock);
}

/* ---- kernels ---- */

struct vcu_func_settings *vcu_kernel_settings(struct vcu_kernel *k, int ordinal)
{
	while (k->set.n <= (size_t)ordinal)
		if (!vgpu_vec_push(&k->set, NULL))
			return NULL;
	if (!k->set.v[ordinal]) {
		k->set.v[ordinal] = malloc(sizeof(struct vcu_func_settings));
		if (k->set.v[ordinal])
			vcu_func_settings_init(k->set.v[ordinal]);
	}
	return k->set.v[ordinal];
}

CUresult vcu_kernel_func(struct vcu_kernel *k, struct vcu_ctx *c, struct vcu_func **out)
{
	struct vcu_library *lib = k->lib;
	struct vcu_func *f = __atomic_load_n(&k->recent, __ATOMIC_ACQUIRE);
	struct vcu_module *m;
	CUresult r = CUDA_SUCCESS;

	if (likely(f && f->mod->ctx == c)) {
		*out = f;
		return CUDA_SUCCESS;
	}
	pthread_mutex_lock(&lib->lock);
	f = NULL;
	for (size_t i = 0; i < k->in.n && !f; i++)
		if (k->in.v[i].ctx_id == c->id)
			f = k->in.v[i].f;
	if (!f) {
		r = instance(lib, c, &m);
		if (!r)
			r = vcu_module_func(m, k->name, &f);
		if (!r) {
			struct vcu_func_settings *set = vcu_kernel_settings(k, c->dev->ordinal);

			if (!set || !vgpu_vec_push(&k->in, ((struct vcu_kernel_in){ c->id, f }))) {
				r = CUDA_ERROR_OUT_OF_MEMORY;
			} else {
				f->kernel = k;
				f->set = set;
			}
		}
	}
	if (!r)
		__atomic_store_n(&k->recent, f, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lib->lock);
	*out = f;
	return r;
}

CUresult vcu_func_get(const void *h, struct vcu_ctx *c, struct vcu_func **out)
{
	struct vcu_func *f = vcu_handle_get(h, VCU_H_FUNCTION);
	struct vcu_kernel *k;

	if (f) {
		*out = f;
		return vcu_ctx_check(f->mod->ctx);
	}
	k = vcu_handle_get(h, VCU_H_KERNEL);
	return k ? vcu_kernel_func(k, c, out) : CUDA_ERROR_INVALID_HANDLE;
}

/* Lock held. */
static struct vcu_kernel *kernel_of(struct vcu_library *lib, const char *name)
{
	struct vcu_kernel *k = vgpu_htab_get_str(&lib->kernels, name);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->lib = lib;
	k->name = strdup(name);
	k->handle = vcu_handle_new(VCU_H_KERNEL, k);
	if (!k->name || !k->handle || !vgpu_htab_put_str(&lib->kernels, name, k)) {
		if (k->handle)
			vcu_handle_del(k->handle, VCU_H_KERNEL);
		free(k->name);
		free(k);
		return NULL;
	}
	return k;
}

static void kernel_free(struct vcu_kernel *k)
{
	vcu_handle_del(k->handle, VCU_H_KERNEL);
	for (size_t i = 0; i < k->set.n; i++)
		free(k->set.v[i]);
	vgpu_vec_free(&k->set);
	vgpu_vec_free(&k->in);
	free(k->name);
	free(k);
}

CUresult vcu_LibraryGetKernel(CUkernel *pKernel, CUlibrary library, const char *name)
{
	struct vcu_library *lib = vcu_handle_get(library, VCU_H_LIBRARY);
	struct vcu_kernel *k;
	struct vcu_module *m;
	struct vcu_func *f;
	struct vcu_ctx *c;
	CUresult r;

	if (!lib)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!pKernel || !name)
		return CUDA_ERROR_INVALID_VALUE;
	r = some_ctx(lib, &c);
	if (r)
		return r;
	pthread_mutex_lock(&lib->lock);
	k = vgpu_htab_get_str(&lib->kernels, name);
	if (!k) {
		r = instance(lib, c, &m);
		if (!r)
			r = vcu_module_func(m, name, &f);
		if (!r) {
			k = kernel_of(lib, name);
			r = k ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	if (!r)
		*pKernel = k->handle;
	pthread_mutex_unlock(&lib->lock);
	return r;
}

/* Function names of all entries. */
static CUresult entries(struct vcu_library *lib, struct vcu_func ***v_out, unsigned *n_out)
{
	struct vcu_func **v = NULL;
	struct vcu_module *m;
	struct vcu_ctx *c;
	unsigned n = 0;
	CUresult r = some_ctx(lib, &c);

	if (!r)
		r = get_instance(lib, c, &m);
	if (!r)
		r = vcu_module_entries(m, NULL, &n);
	if (!r && v_out) {
		v = calloc(n + 1, sizeof(*v));
		r = v ? vcu_module_entries(m, v, &n) : CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r) {
		free(v);
		return r;
	}
	if (v_out)
		*v_out = v;
	*n_out = n;
	return CUDA_SUCCESS;
}

CUresult vcu_LibraryGetKernelCount(unsigned int *count, CUlibrary lib)
{
	struct vcu_library *l = vcu_handle_get(lib, VCU_H_LIBRARY);

	if (!l)
		return CUDA_ERROR_INVALID_HANDLE;
	return count ? entries(l, NULL, count) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vcu_LibraryEnumerateKernels(CUkernel *kernels, unsigned int numKernels, CUlibrary lib)
{
	struct vcu_library *l = vcu_handle_get(lib, VCU_H_LIBRARY);
	struct vcu_func **v;
	unsigned n;
	CUresult r;

	if (!l)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!kernels || !numKernels)
		return CUDA_ERROR_INVALID_VALUE;
	r = entries(l, &v, &n);
	if (r)
		return r;
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < MIN(n, numKernels) && !r; i++) {
		struct vcu_kernel *k = kernel_of(l, v[i]->name);

		if (k)
			kernels[i] = k->handle;
		else
			r = CUDA_ERROR_OUT_OF_MEMORY;
	}
	pthread_mutex_unlock(&l->lock);
	free(v);
	return r;
}

bool vcu_kernel_of_runtime(const struct vcu_kernel *k)
{
	return k->lib->preserved;
}

CUresult vcu_KernelGetFunction(CUfunction *pFunc, CUkernel kernel)
{
	struct vcu_kernel *k = vcu_handle_get(kernel, VCU_H_KERNEL);
	struct vcu_func *f;
	struct vcu_ctx *c;
	CUresult r;

	if (!k)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!pFunc)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	if (!r)
		r = vcu_kernel_func(k, c, &f);
	if (!r)
		*pFunc = f->handle;
	return r;
}

CUresult vcu_KernelGetLibrary(CUlibrary *pLib, CUkernel kernel)
{
	struct vcu_kernel *k = vcu_handle_get(kernel, VCU_H_KERNEL);

	if (!k)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!pLib)
		return CUDA_ERROR_INVALID_VALUE;
	*pLib = k->lib->handle;
	return CUDA_SUCCESS;
}

/* ---- loading and unloading ---- */

static CUresult library_options(unsigned n, const CUlibraryOption *options, void **values, bool *preserved)
{
	if (n && !options)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned i = 0; i < n; i++)
		switch (options[i]) {
		case CU_LIBRARY_BINARY_IS_PRESERVED:
			*preserved = values ? values[i] != NULL : true;
			break;
		case CU_LIBRARY_HOST_UNIVERSAL_FUNCTION_AND_DATA_TABLE:
			return CUDA_ERROR_NOT_SUPPORTED;
		default:
			return CUDA_ERROR_INVALID_VALUE;
		}
	return CUDA_SUCCESS;
}

/* Looks the image over without taking anything from it: damaged ones are refused at once, others when they are used. */
static CUresult check_image(const void *image, size_t avail, struct vcu_jit *jit)
{
	struct vgpu_ptx_images images;
	struct vgpu_err err = VGPU_ERR_INIT;
	int r = vgpu_image_select(image, avail, 1000, &images, &err);

	vgpu_ptx_images_fini(&images);
	if (r && r != -VGPU_E_NO_BINARY) {
		vcu_jit_error(jit, err.text);
		return vcu_result(r);
	}
	return CUDA_SUCCESS;
}

/* own: take over image as the copy to be freed. */
static CUresult library_new(CUlibrary *out, const void *image, size_t avail, void *own, bool preserved, struct vcu_jit *jit)
{
	struct vcu_library *lib = calloc(1, sizeof(*lib));
	CUresult r = lib ? check_image(image, avail, jit) : CUDA_ERROR_OUT_OF_MEMORY;

	if (!r && !own && !preserved) {
		r = vcu_result(vgpu_image_dup(image, avail, &own, NULL));
		image = own;
	}
	if (!r) {
		lib->handle = vcu_handle_new(VCU_H_LIBRARY, lib);
		r = lib->handle ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (r) {
		free(own);
		free(lib);
		return r;
	}
	lib->image = image;
	lib->avail = avail;
	lib->copy = own;
	lib->caller = vcu_caller();
	lib->flags = jit->flags;
	lib->preserved = preserved && !own;
	pthread_mutex_init(&lib->lock, NULL);
	vgpu_htab_init_str(&lib->kernels);
	*out = lib->handle;
	return CUDA_SUCCESS;
}

/* PTX text is compiled at once where a context is there, so that its log comes with the call. */
static CUresult compile_text(CUlibrary h, struct vcu_jit *jit)
{
	struct vcu_library *lib = vcu_handle_get(h, VCU_H_LIBRARY);
	struct vcu_module *m;
	struct vcu_ctx *c;
	CUresult r;

	if (vgpu_image_sniff(lib->image, lib->avail) != VGPU_IMAGE_PTX || vcu_ctx_current(&c))
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lib->lock);
	r = vcu_module_from_image(c, lib->image, lib->avail, lib->caller, jit, &m);
	if (!r) {
		m->lib = lib;
		m->handle = vcu_handle_new(VCU_H_MODULE, m);
		if (!m->handle || !vgpu_vec_push(&lib->instances, ((struct instance){ c->id, m }))) {
			vcu_module_free(m, true);
			r = CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	pthread_mutex_unlock(&lib->lock);
	return r;
}

static CUresult finish_load(CUlibrary *library, CUlibrary h, struct vcu_jit *jit)
{
	CUresult r = compile_text(h, jit);

	if (r)
		vcu_LibraryUnload(h);
	else
		*library = h;
	return r;
}

CUresult vcu_LibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jitOptions, void **jitOptionsValues,
			     unsigned int numJitOptions, CUlibraryOption *libraryOptions, void **libraryOptionValues,
			     unsigned int numLibraryOptions)
{
	struct vcu_jit jit;
	bool preserved = false;
	CUlibrary h;
	CUresult r = vcu_jit_parse(&jit, numJitOptions, jitOptions, jitOptionsValues);

	if (!r)
		r = library_options(numLibraryOptions, libraryOptions, libraryOptionValues, &preserved);
	if (r)
		return r;
	if (!library || !code)
		return CUDA_ERROR_INVALID_VALUE;
	r = library_new(&h, code, SIZE_MAX, NULL, preserved, &jit);
	return r ? r : finish_load(library, h, &jit);
}

CUresult vcu_LibraryLoadFromFile(CUlibrary *library, const char *fileName, CUjit_option *jitOptions, void **jitOptionsValues,
				 unsigned int numJitOptions, CUlibraryOption *libraryOptions, void **libraryOptionValues,
				 unsigned int numLibraryOptions)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vcu_jit jit;
	bool preserved = false;
	CUlibrary h;
	char *data;
	size_t n;
	CUresult r = vcu_jit_parse(&jit, numJitOptions, jitOptions, jitOptionsValues);

	if (!r)
		r = library_options(numLibraryOptions, libraryOptions, libraryOptionValues, &preserved);
	if (r)
		return r;
	if (!library || !fileName)
		return CUDA_ERROR_INVALID_VALUE;
	if (vgpu_read_file(fileName, FILE_MAX, &data, &n, &err))
		return err.status == VGPU_E_NOMEM ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_FILE_NOT_FOUND;
	r = library_new(&h, data, n + 1, data, true, &jit);
	return r ? r : finish_load(library, h, &jit);
}

/* Its instances are gone. */
static void library_free(struct vcu_library *lib)
{
	struct vgpu_htab_slot *s;
	size_t i = 0;

	while ((s = vgpu_htab_next(&lib->kernels, &i)))
		kernel_free(s->value);
	vgpu_htab_fini(&lib->kernels);
	vgpu_vec_free(&lib->instances);
	pthread_mutex_destroy(&lib->lock);
	free(lib->copy);
	free(lib);
}

CUresult vcu_LibraryUnload(CUlibrary library)
{
	struct vcu_library *lib = vcu_handle_del(library, VCU_H_LIBRARY);

	if (!lib)
		return CUDA_ERROR_INVALID_HANDLE;
	while (lib->instances.n) {
		struct vcu_module *m = lib->instances.v[lib->instances.n - 1].m;

		vcu_ctx_wait_all(m->ctx);
		vcu_library_forget(lib, m);
		vcu_module_free(m, true);
	}
	for (int d = 0; lib->held; d++, lib->held >>= 1)
		if (lib->held & 1)
			vcu_DevicePrimaryCtxRelease_v2(d);
	library_free(lib);
	return CUDA_SUCCESS;
}

void vcu_libraries_fini(void)
{
	size_t i = 0;
	void *h;

	while ((h = vcu_handle_next(VCU_H_LIBRARY, &i)))
		library_free(vcu_handle_del(h, VCU_H_LIBRARY));
}

CUresult vcu_LibraryGetModule(CUmodule *pMod, CUlibrary library)
{
	struct vcu_library *lib = vcu_handle_get(library, VCU_H_LIBRARY);
	struct vcu_module *m;
	struct vcu_ctx *c;
	CUresult r;

	if (!lib)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!pMod)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	if (!r)
		r = get_instance(lib, c, &m);
	if (!r)
		*pMod = m->handle;
	return r;
}

/* ---- variables ---- */

static CUresult variable(struct vcu_library *lib, struct vcu_ctx *c, const char *name, bool want_managed, CUdeviceptr *dptr,
			 size_t *bytes)
{
	struct vcu_module *m;
	uint64_t addr, size;
	bool managed;
	CUresult r = get_instance(lib, c, &m);

	if (!r)
		r = vcu_module_var(m, name, &addr, &size, &managed);
	if (r)
		return r;
	if (want_managed && !managed)
		return CUDA_ERROR_NOT_FOUND;
	if (dptr)
		*dptr = addr;
	if (bytes)
		*bytes = size;
	return CUDA_SUCCESS;
}

CUresult vcu_LibraryGetGlobal(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name)
{
	struct vcu_library *lib = vcu_handle_get(library, VCU_H_LIBRARY);
	struct vcu_ctx *c;
	CUresult r;

	if (!lib)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!name || (!dptr && !bytes))
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_ctx_current(&c);
	return r ? r : variable(lib, c, name, false, dptr, bytes);
}

/* Needs no context: runtimes ask before there is one. */
CUresult vcu_LibraryGetManaged(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name)
{
	struct vcu_library *lib = vcu_handle_get(library, VCU_H_LIBRARY);
	struct vcu_ctx *c;
	CUresult r;

	if (!lib)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!name || (!dptr && !bytes))
		return CUDA_ERROR_INVALID_VALUE;
	r = some_ctx(lib, &c);
	return r ? r : variable(lib, c, name, true, dptr, bytes);
}
