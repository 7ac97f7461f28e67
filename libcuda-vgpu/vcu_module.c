/* vcu_module.c: see vcu_module.h. Loading, functions, variables. */
#include "libcuda-vgpu/vcu_module.h"

#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_array.h"
#include "libcuda-vgpu/vcu_mem.h"
#include "libcuda-vgpu/vcu_stream.h"
#include "util/sys.h"

#define PAGE 4096u
#define FILE_MAX ((size_t)2 << 30)

struct module_part {
	pthread_mutex_t lock;
	pthread_mutex_t compiling; /* one at a time: the worker keeps the logs of the latest */
	struct vcu_module *list;
};

CUresult vcu_module_ctx_init(struct vcu_ctx *c);
void vcu_module_ctx_fini(struct vcu_ctx *c);

CUresult vcu_module_ctx_init(struct vcu_ctx *c)
{
	struct module_part *p = calloc(1, sizeof(*p));

	if (!p)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->compiling, NULL);
	c->part[VCU_PART_module] = p;
	return CUDA_SUCCESS;
}

void vcu_module_ctx_fini(struct vcu_ctx *c)
{
	struct module_part *p = c->part[VCU_PART_module];

	if (!p)
		return;
	while (p->list) {
		struct vcu_module *m = p->list;

		if (m->lib)
			vcu_library_forget(m->lib, m);
		vcu_module_free(m, false);
	}
	c->part[VCU_PART_module] = NULL;
	pthread_mutex_destroy(&p->compiling);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- compiling ---- */

/* Puts the images into window memory for the worker; *at is to be freed. */
static CUresult stage(struct vcu_ctx *c, const struct vgpu_ptx_images *images, struct vgp_image *v, uint64_t *at)
{
	uint64_t total = 0, addr;
	CUresult r;
	int st = 0;

	for (size_t i = 0; i < images->list.n; i++)
		total += vgpu_align_up(images->list.v[i].size, 16);
	r = vcu_window_alloc(c, VGP_MEM_STAGING, MAX(total, (uint64_t)16), 0, at);
	if (r)
		return r;
	addr = *at;
	for (size_t i = 0; i < images->list.n && !st; i++) {
		const struct vgpu_ptx_image *im = &images->list.v[i];

		v[i] = (struct vgp_image){ .addr = addr, .size = im->size, .text_size = im->text_size, .flags = im->flags };
		st = tr_mem_write(vcu_session(), addr, im->ptr, im->size, NULL);
		addr += vgpu_align_up(im->size, 16);
	}
	if (st)
		vcu_window_free(*at);
	return vcu_result(st);
}

static CUresult compile(struct vcu_ctx *c, const struct vgpu_ptx_images *images, struct vcu_jit *jit, uint32_t *wire)
{
	struct module_part *p = c->part[VCU_PART_module];
	struct vgp_cmd cmd = { .op = VGP_OP_MODULE_LOAD };
	struct vgp_image *v = calloc(images->list.n, sizeof(*v));
	char *log = malloc(VCU_JIT_ANSWER);
	struct vgp_reply rep;
	uint64_t staging;
	size_t n = 0;
	CUresult r = v && log ? stage(c, images, v, &staging) : CUDA_ERROR_OUT_OF_MEMORY;

	if (!r) {
		cmd.a.MODULE_LOAD.ctx = c->wire;
		cmd.a.MODULE_LOAD.count = (uint32_t)images->list.n;
		cmd.a.MODULE_LOAD.flags = jit ? jit->flags : 0;
		cmd.a.MODULE_LOAD.log_cap = VCU_JIT_ANSWER;
		pthread_mutex_lock(&p->compiling);
		r = vcu_result(tr_call(vcu_session(), &cmd, v, images->list.n * sizeof(*v), &rep, log, VCU_JIT_ANSWER, &n, NULL));
		if (jit)
			vcu_jit_log(jit, c, log, n);
		pthread_mutex_unlock(&p->compiling);
		vcu_window_free(staging);
		if (!r)
			*wire = rep.r.MODULE_LOAD.module;
	}
	free(log);
	free(v);
	return r;
}

CUresult vcu_module_new(struct vcu_ctx *c, const struct vgpu_ptx_images *images, struct vcu_jit *jit, struct vcu_module **out)
{
	struct module_part *p = c->part[VCU_PART_module];
	struct vcu_module *m = calloc(1, sizeof(*m));
	uint64_t start = vgpu_now_ns();
	CUresult r;

	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = compile(c, images, jit, &m->wire);
	if (jit)
		vcu_jit_time(jit, vgpu_now_ns() - start);
	if (r) {
		free(m);
		return r;
	}
	m->ctx = c;
	pthread_mutex_init(&m->lock, NULL);
	vgpu_htab_init_str(&m->funcs);
	pthread_mutex_lock(&p->lock);
	m->next = p->list;
	m->pprev = &p->list;
	if (m->next)
		m->next->pprev = &m->next;
	p->list = m;
	pthread_mutex_unlock(&p->lock);
	*out = m;
	return CUDA_SUCCESS;
}

CUresult vcu_module_from_image(struct vcu_ctx *c, const void *image, size_t avail, const void *caller, struct vcu_jit *jit,
			       struct vcu_module **out)
{
	struct vgpu_ptx_images images;
	struct vgpu_err err = VGPU_ERR_INIT;
	unsigned cc = vcu_device_cc(c->dev, caller);
	CUresult r;

	r = vcu_result(vgpu_image_select(image, avail, cc, &images, &err));
	if (r && jit)
		vcu_jit_error(jit, err.text);
	if (!r)
		r = vcu_module_new(c, &images, jit, out);
	vgpu_ptx_images_fini(&images);
	return r;
}

static void func_free(struct vcu_func *f)
{
	if (f->handle)
		vcu_handle_del(f->handle, VCU_H_FUNCTION);
	vcu_legacy_launch_free(f->legacy);
	free(f->params);
	free(f->name);
	free(f);
}

void vcu_module_free(struct vcu_module *m, bool unload)
{
	struct module_part *p = m->ctx->part[VCU_PART_module];
	struct vgp_cmd cmd = { .op = VGP_OP_MODULE_UNLOAD, .a.MODULE_UNLOAD = { .module = m->wire } };
	struct vgpu_htab_slot *s;
	struct vcu_range range;
	size_t i = 0;

	pthread_mutex_lock(&p->lock);
	*m->pprev = m->next;
	if (m->next)
		m->next->pprev = m->pprev;
	pthread_mutex_unlock(&p->lock);
	if (m->handle)
		vcu_handle_del(m->handle, VCU_H_MODULE);
	vcu_texrefs_forget(m->ctx, m);
	while ((s = vgpu_htab_next(&m->funcs, &i)))
		func_free(s->value);
	vgpu_htab_fini(&m->funcs);
	if (unload) {
		for (i = 0; i < m->vars.n; i++)
			if (vcu_mem_take(m->vars.v[i], &range))
				vcu_range_release(&range);
		vcu_call(&cmd, NULL, 0, NULL);
	}
	vgpu_vec_free(&m->vars);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* ---- functions ---- */

/* A function from what FUNC_GET and FUNC_AT answer. name NULL: it is in there. Module locked. */
static CUresult func_new(struct vcu_module *m, uint32_t wire, const char *name, const char *data, size_t len, struct vcu_func **out)
{
	struct vcu_func *f = calloc(1, sizeof(*f)), *known;
	size_t params, rest;

	if (!f)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (len < sizeof(f->info))
		goto damaged;
	memcpy(&f->info, data, sizeof(f->info));
	rest = len - sizeof(f->info);
	if (f->info.n_params > rest / sizeof(*f->params))
		goto damaged;
	params = f->info.n_params * sizeof(*f->params);
	if (!name) {
		name = data + sizeof(f->info) + params;
		if (!memchr(name, '\0', rest - params))
			goto damaged;
	}
	known = vgpu_htab_get_str(&m->funcs, name);
	if (known) {
		free(f);
		*out = known;
		return CUDA_SUCCESS;
	}
	f->mod = m;
	f->wire = wire;
	f->name = strdup(name);
	f->params = malloc(params + 1);
	f->set = &f->own;
	vcu_func_settings_init(&f->own);
	if (f->params)
		memcpy(f->params, data + sizeof(f->info), params);
	f->handle = vcu_handle_new(VCU_H_FUNCTION, f);
	if (!f->name || !f->params || !f->handle || !vgpu_htab_put_str(&m->funcs, f->name, f)) {
		func_free(f);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*out = f;
	return CUDA_SUCCESS;
damaged:
	free(f);
	return CUDA_ERROR_UNKNOWN;
}

/* Room for an answer of FUNC_GET and FUNC_AT, and the most that is believed of FUNC_INFO. */
#define FUNC_ANSWER_MAX 65536
#define FUNC_INFO_MAX (4u << 20)

/* What the answer had no room for (many parameters, a long name) comes by FUNC_INFO: *data, *len become all of it. */
static CUresult func_rest(uint32_t wire, char **data, size_t *len)
{
	struct vgp_cmd cmd = { .op = VGP_OP_FUNC_INFO, .a.FUNC_INFO = { .func = wire } };
	uint64_t total = FUNC_ANSWER_MAX, at = 0;
	struct vgp_reply rep;
	CUresult r;

	if (*len < VGP_RING_REPLY_DATA)
		return CUDA_SUCCESS;
	for (;;) {
		size_t n = 0;
		char *more;

		cmd.a.FUNC_INFO.offset = at;
		r = vcu_result(tr_call(vcu_session(), &cmd, NULL, 0, &rep, *data + at, total - at, &n, NULL));
		if (r)
			return r;
		at += n;
		if (at >= rep.r.FUNC_INFO.total || !n)
			break;
		if (rep.r.FUNC_INFO.total > FUNC_INFO_MAX)
			return CUDA_ERROR_OUT_OF_MEMORY;
		if (rep.r.FUNC_INFO.total > total) {
			total = rep.r.FUNC_INFO.total;
			more = realloc(*data, total);
			if (!more)
				return CUDA_ERROR_OUT_OF_MEMORY;
			*data = more;
		}
	}
	*len = at;
	return CUDA_SUCCESS;
}

CUresult vcu_module_func(struct vcu_module *m, const char *name, struct vcu_func **out)
{
	struct vgp_cmd cmd = { .op = VGP_OP_FUNC_GET, .a.FUNC_GET = { .module = m->wire } };
	struct vgp_reply rep;
	char *data = NULL;
	size_t n = 0;
	CUresult r = CUDA_SUCCESS;

	pthread_mutex_lock(&m->lock);
	*out = vgpu_htab_get_str(&m->funcs, name);
	if (*out)
		goto out;
	data = malloc(FUNC_ANSWER_MAX);
	r = data ? vcu_result(tr_call(vcu_session(), &cmd, name, strlen(name), &rep, data, FUNC_ANSWER_MAX, &n, NULL))
		 : CUDA_ERROR_OUT_OF_MEMORY;
	if (!r)
		r = func_rest(rep.r.FUNC_GET.func, &data, &n);
	if (!r)
		r = func_new(m, rep.r.FUNC_GET.func, name, data, n, out);
	free(data);
out:
	pthread_mutex_unlock(&m->lock);
	return r;
}

CUresult vcu_module_entries(struct vcu_module *m, struct vcu_func **v, unsigned *n_inout)
{
	char *data = malloc(FUNC_ANSWER_MAX);
	unsigned room = *n_inout, i = 0, count = 0;
	CUresult r = CUDA_SUCCESS;

	if (!data)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&m->lock);
	do {
		struct vgp_cmd cmd = { .op = VGP_OP_FUNC_AT, .a.FUNC_AT = { .module = m->wire, .index = i } };
		struct vgp_reply rep;
		struct vcu_func *f;
		size_t n = 0;

		r = vcu_result(tr_call(vcu_session(), &cmd, NULL, 0, &rep, data, FUNC_ANSWER_MAX, &n, NULL));
		/* Beyond the last one: a module may have none. */
		if (r == CUDA_ERROR_NOT_FOUND) {
			count = i;
			r = CUDA_SUCCESS;
			break;
		}
		if (!r)
			count = rep.r.FUNC_AT.count;
		if (!r && i < room) {
			r = func_rest(rep.r.FUNC_AT.func, &data, &n);
			if (!r)
				r = func_new(m, rep.r.FUNC_AT.func, NULL, data, n, &f);
			if (!r)
				v[i] = f;
		}
		i++;
	} while (!r && i < MIN(count, room));
	pthread_mutex_unlock(&m->lock);
	free(data);
	if (!r)
		*n_inout = count;
	return r;
}

/* ---- variables ---- */

/* A variable's memory is known like any other; a managed one is the program's, too. Module locked. */
static CUresult var_add(struct vcu_module *m, uint64_t addr, uint64_t size, bool managed)
{
	struct vcu_range range = { .addr = addr, .size = size, .dev = addr, .ctx = m->ctx, .variable = true };
	uint64_t page = addr & ~(uint64_t)(PAGE - 1);
	int st;

	for (size_t i = 0; i < m->vars.n; i++)
		if (m->vars.v[i] == addr)
			return CUDA_SUCCESS;
	range.kind = managed ? VGP_MEM_MANAGED : VGP_MEM_DEVICE;
	if (managed) {
		range.host_B = vgpu_align_up(addr + size, PAGE) - page;
		st = tr_host_map(vcu_session(), page, range.host_B, NULL);
		if (st)
			return vcu_result(st);
	}
	if (vcu_mem_known(addr, 1, NULL))
		return CUDA_SUCCESS;
	return vcu_mem_add(&range) && vgpu_vec_push(&m->vars, addr) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vcu_module_var(struct vcu_module *m, const char *name, uint64_t *addr, uint64_t *size, bool *managed)
{
	struct vgp_cmd cmd = { .op = VGP_OP_GLOBAL_GET, .a.GLOBAL_GET = { .module = m->wire } };
	struct vgp_reply rep;
	CUresult r = vcu_call(&cmd, name, strlen(name), &rep);

	if (r)
		return r;
	*addr = rep.r.GLOBAL_GET.addr;
	*size = rep.r.GLOBAL_GET.size;
	*managed = rep.r.GLOBAL_GET.flags & VGP_GLOBAL_F_MANAGED;
	pthread_mutex_lock(&m->lock);
	r = var_add(m, *addr, *size, *managed);
	pthread_mutex_unlock(&m->lock);
	return r;
}

struct var_at {
	struct vgp_reply_GLOBAL_AT at;
	bool added;
};

static void add_var_at(struct vcu_ctx *c, void *arg)
{
	struct module_part *p = c->part[VCU_PART_module];
	struct var_at *v = arg;

	if (c->wire != v->at.ctx || !p)
		return;
	pthread_mutex_lock(&p->lock);
	for (struct vcu_module *m = p->list; m; m = m->next) {
		if (m->wire != v->at.module)
			continue;
		pthread_mutex_lock(&m->lock);
		v->added = !var_add(m, v->at.base, v->at.size, v->at.flags & VGP_GLOBAL_F_MANAGED);
		pthread_mutex_unlock(&m->lock);
	}
	pthread_mutex_unlock(&p->lock);
}

bool vcu_module_var_at(uint64_t addr)
{
	struct vgp_cmd cmd = { .op = VGP_OP_GLOBAL_AT, .a.GLOBAL_AT = { .addr = addr } };
	struct vgp_reply rep;
	struct var_at v = { 0 };

	if (vcu_call(&cmd, NULL, 0, &rep))
		return false;
	v.at = rep.r.GLOBAL_AT;
	vcu_ctx_foreach(NULL, add_var_at, &v);
	return v.added;
}

/* ---- entry points ---- */

static CUresult load(CUmodule *module, const void *image, size_t avail, struct vcu_jit *jit)
{
	struct vcu_module *m;
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!module || !image)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_module_from_image(c, image, avail, vcu_caller(), jit, &m);
	if (r)
		return r;
	m->handle = vcu_handle_new(VCU_H_MODULE, m);
	if (!m->handle) {
		vcu_module_free(m, true);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	*module = m->handle;
	return CUDA_SUCCESS;
}

CUresult vcu_ModuleLoadData(CUmodule *module, const void *image)
{
	return load(module, image, SIZE_MAX, NULL);
}

CUresult vcu_ModuleLoadFatBinary(CUmodule *module, const void *fatCubin)
{
	return load(module, fatCubin, SIZE_MAX, NULL);
}

CUresult vcu_ModuleLoadDataEx(CUmodule *module, const void *image, unsigned int numOptions, CUjit_option *options,
			      void **optionValues)
{
	struct vcu_jit jit;
	CUresult r = vcu_jit_parse(&jit, numOptions, options, optionValues);

	return r ? r : load(module, image, SIZE_MAX, &jit);
}

CUresult vcu_ModuleLoad(CUmodule *module, const char *fname)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vcu_ctx *c;
	char *data;
	size_t n;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!module || !fname)
		return CUDA_ERROR_INVALID_VALUE;
	if (vgpu_read_file(fname, FILE_MAX, &data, &n, &err))
		return err.status == VGPU_E_NOMEM ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_FILE_NOT_FOUND;
	r = load(module, data, n + 1, NULL);
	free(data);
	return r;
}

CUresult vcu_ModuleUnload(CUmodule hmod)
{
	struct vcu_module *m = vcu_handle_get(hmod, VCU_H_MODULE);
	CUresult r;

	if (!m)
		return CUDA_ERROR_INVALID_HANDLE;
	/* An instance goes with its library. */
	if (m->lib)
		return CUDA_ERROR_NOT_PERMITTED;
	r = vcu_ctx_check(m->ctx);
	if (!r)
		r = vcu_ctx_wait_all(m->ctx);
	if (!vcu_handle_del(hmod, VCU_H_MODULE))
		return CUDA_ERROR_INVALID_HANDLE;
	m->handle = NULL;
	vcu_module_free(m, true);
	return r;
}

static CUresult get_module(CUmodule h, struct vcu_module **out)
{
	struct vcu_module *m = vcu_handle_get(h, VCU_H_MODULE);
	struct vcu_ctx *c;
	CUresult r = vcu_ctx_current(&c);

	if (r)
		return r;
	if (!m)
		return CUDA_ERROR_INVALID_HANDLE;
	*out = m;
	return vcu_ctx_check(m->ctx);
}

CUresult vcu_ModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
	struct vcu_module *m;
	struct vcu_func *f;
	CUresult r = get_module(hmod, &m);

	if (r)
		return r;
	if (!hfunc || !name)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_module_func(m, name, &f);
	if (!r)
		*hfunc = f->handle;
	return r;
}

CUresult vcu_ModuleGetFunctionCount(unsigned int *count, CUmodule mod)
{
	struct vcu_module *m;
	CUresult r = get_module(mod, &m);
	unsigned n = 0;

	if (r)
		return r;
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_module_entries(m, NULL, &n);
	if (!r)
		*count = n;
	return r;
}

CUresult vcu_ModuleEnumerateFunctions(CUfunction *functions, unsigned int numFunctions, CUmodule mod)
{
	struct vcu_module *m;
	struct vcu_func **v;
	unsigned n = numFunctions;
	CUresult r = get_module(mod, &m);

	if (r)
		return r;
	if (!functions || !numFunctions)
		return CUDA_ERROR_INVALID_VALUE;
	v = calloc(numFunctions, sizeof(*v));
	if (!v)
		return CUDA_ERROR_OUT_OF_MEMORY;
	r = vcu_module_entries(m, v, &n);
	for (unsigned i = 0; !r && i < MIN(n, numFunctions); i++)
		functions[i] = v[i]->handle;
	free(v);
	return r;
}

CUresult vcu_ModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name)
{
	struct vcu_module *m;
	uint64_t addr, size;
	bool managed;
	CUresult r = get_module(hmod, &m);

	if (r)
		return r;
	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	r = vcu_module_var(m, name, &addr, &size, &managed);
	if (r)
		return r;
	if (dptr)
		*dptr = addr;
	if (bytes)
		*bytes = size;
	return CUDA_SUCCESS;
}
