/*
 * eng_module.c: modules: PTX out of the window, compiled, its variables placed
 * in device memory with their first values, kernels made when first asked
 * for. All of this runs on the service thread under module_lock.
 */
#include <stdio.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "engine/eng_priv.h"

#define IMAGES_MAX 4096u
#define TEXT_MAX (1ull << 30)

/* ---- images ---- */

struct texts {
	struct ptx_source *src;
	char **text;
	size_t n;
};

static void texts_free(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->text[i]);
	free(t->src);
	free(t->text);
}

static int image_text(struct eng *e, const struct vgp_image *im, char **text, size_t *len, struct vgpu_err *err)
{
	uint64_t fault, size = im->text_size ? im->text_size : im->size;
	uint32_t flags = im->flags & (VGP_IMAGE_F_LZ4 | VGP_IMAGE_F_ZSTD);
	cleanup_free char *raw = NULL;
	int r;

	if (im->size == 0 || im->size > TEXT_MAX || size > TEXT_MAX || im->pad)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "image of %llu bytes", (unsigned long long)im->size);
	raw = malloc(im->size + 1);
	if (!raw)
		return vgpu_err_set(err, VGPU_E_NOMEM, "image of %llu bytes: out of memory", (unsigned long long)im->size);
	r = eng_mem_read(e, im->addr, raw, im->size, &fault);
	if (r)
		return vgpu_err_set(err, VGPU_E_INVALID, "image at 0x%llx can't be read", (unsigned long long)im->addr);
	if (flags)
		return ptx_unpack(raw, im->size, size, flags, text, len, err);
	raw[im->size] = 0;
	*len = im->size;
	*text = TAKE_PTR(raw);
	return 0;
}

static int read_images(struct eng *e, const struct eng_call *c, struct texts *t, struct vgpu_err *err)
{
	uint32_t n = c->cmd.a.MODULE_LOAD.count;

	if (n == 0 || n > IMAGES_MAX || c->cmd.data_len != n * sizeof(struct vgp_image))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "MODULE_LOAD: %u images in %u bytes", n, c->cmd.data_len);
	t->src = calloc(n, sizeof(*t->src));
	t->text = calloc(n, sizeof(*t->text));
	if (!t->src || !t->text)
		return vgpu_err_set(err, VGPU_E_NOMEM, "MODULE_LOAD: out of memory");
	for (uint32_t i = 0; i < n; i++) {
		struct vgp_image im;
		size_t len = 0;
		int r;

		memcpy(&im, c->data + i * sizeof(im), sizeof(im));
		r = image_text(e, &im, &t->text[i], &len, err);
		if (r)
			return r;
		t->n = i + 1;
		/* texts may carry trailing NULs */
		while (len && t->text[i][len - 1] == 0)
			len--;
		t->src[i] = (struct ptx_source){ .text = t->text[i], .len = len };
	}
	return 0;
}

/* ---- variables ---- */

static bool is_placed(const struct ir_var *v)
{
	return v->space == IR_SPACE_GLOBAL || v->space == IR_SPACE_CONST;
}

/* Gives each variable of one kind (managed or not) its place; answers the bytes of all. */
static uint64_t layout(const struct ir_module *m, uint64_t *addr, bool managed)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < m->n_vars; i++) {
		const struct ir_var *v = &m->vars[i];

		if (!is_placed(v) || v->managed != managed)
			continue;
		at = vgpu_align_up(at, MAX(v->align && vgpu_is_pow2(v->align) ? v->align : 1u, 256u));
		addr[i] = at;
		at += MAX(v->size, 1ull);
	}
	return at;
}

static int place_kind(struct eng *e, struct eng_module *mod, bool managed, uint64_t *base)
{
	uint64_t size = layout(mod->ir, mod->var_addr, managed);
	int r;

	if (!size)
		return 0;
	r = eng_mem_alloc(e, mod->ctx, size, 0, managed ? VGP_MEM_MANAGED : VGP_MEM_DEVICE, ENG_MEM_ZERO | ENG_MEM_PARTS, base);
	if (r)
		return r;
	for (uint32_t i = 0; i < mod->ir->n_vars; i++) {
		const struct ir_var *v = &mod->ir->vars[i];

		if (!is_placed(v) || v->managed != managed)
			continue;
		mod->var_addr[i] += *base;
		eng_check_var(e, mod->ctx, mod->var_addr[i], v->size, v->name);
	}
	return 0;
}

static int place_vars(struct eng *e, struct eng_module *mod, struct vgpu_err *err)
{
	int r;

	mod->var_addr = calloc(mod->ir->n_vars + 1, sizeof(*mod->var_addr));
	if (!mod->var_addr)
		return vgpu_err_set(err, VGPU_E_NOMEM, "module: out of memory");
	r = place_kind(e, mod, false, &mod->mem);
	if (r == 0)
		r = place_kind(e, mod, true, &mod->managed);
	return r ? vgpu_err_set(err, -r, "module: variables don't fit into device memory") : 0;
}

/* Guarded: the client may guess the address and free it under us. */
static int write_var(struct eng *e, const struct ir_var *v, uint64_t at, const void *data, uint64_t len, struct vgpu_err *err)
{
	uint64_t fault;

	if (eng_mem_write(e, at, data, len, &fault))
		return vgpu_err_set(err, VGPU_E_ILLEGAL_ADDRESS, "%s: its memory at 0x%llx is gone", v->name, (unsigned long long)at);
	return 0;
}

static int relocate(struct eng *e, const struct eng_module *mod, const struct ir_var *v, uint64_t at, const struct ir_reloc *rel,
		    struct vgpu_err *err)
{
	const struct ir_sym *sym;
	uint64_t value;

	if (rel->sym >= mod->ir->n_syms || rel->size_B > 8 || rel->offset > v->size || rel->size_B > v->size - rel->offset)
		return vgpu_err_set(err, VGPU_E_INVALID_PTX, "%s: initial value refers to nothing", v->name);
	sym = &mod->ir->syms[rel->sym];
	if (sym->kind == IR_SYM_FUNC)
		value = mod->ctx->be->func_addr(mod->bm, sym->index);
	else
		value = mod->var_addr[sym->index];
	value += (uint64_t)rel->addend;
	if (rel->mask_shift != 0xffffffff)
		value = rel->mask_shift < 64 ? value >> rel->mask_shift & 0xff : 0;
	return write_var(e, v, at + rel->offset, &value, rel->size_B, err);
}

static int init_vars(struct eng *e, struct eng_module *mod, struct vgpu_err *err)
{
	for (uint32_t i = 0; i < mod->ir->n_vars; i++) {
		const struct ir_var *v = &mod->ir->vars[i];
		int r = 0;

		if (!is_placed(v))
			continue;
		if (v->init)
			r = write_var(e, v, mod->var_addr[i], v->init, v->size, err);
		for (uint32_t k = 0; k < v->n_relocs && r == 0; k++)
			r = relocate(e, mod, v, mod->var_addr[i], &v->relocs[k], err);
		if (r)
			return r;
	}
	return 0;
}

/* ---- life ---- */

static void module_free(struct eng *e, struct eng_module *mod)
{
	for (size_t i = 0; i < mod->funcs.n; i++) {
		if (mod->funcs.v[i]->kernel)
			mod->ctx->be->kernel_free(mod->funcs.v[i]->kernel);
		free(mod->funcs.v[i]);
	}
	vgpu_vec_free(&mod->funcs);
	if (mod->bm)
		mod->ctx->be->module_free(mod->bm);
	for (uint32_t i = 0; mod->ir && mod->var_addr && i < mod->ir->n_vars; i++)
		eng_check_free(e, mod->var_addr[i]);
	if (mod->mem)
		eng_mem_free(e, mod->mem);
	if (mod->managed)
		eng_mem_free(e, mod->managed);
	if (mod->ir)
		ir_module_free(mod->ir);
	free(mod->var_addr);
	free(mod);
}

void eng_module_unref(struct eng *e, struct eng_module *mod)
{
	bool last;

	pthread_mutex_lock(&e->tab_lock);
	last = --mod->refs == 0;
	pthread_mutex_unlock(&e->tab_lock);
	if (last)
		module_free(e, mod);
}

struct eng_func *eng_func_ref(struct eng *e, uint32_t id)
{
	struct eng_func *f;

	pthread_mutex_lock(&e->tab_lock);
	f = vgpu_htab_get(&e->funcs, id);
	if (f)
		f->mod->refs++;
	pthread_mutex_unlock(&e->tab_lock);
	return f;
}

/* Called with tab_lock: a number that is in neither table. */
static uint32_t new_id(struct eng *e)
{
	do {
		e->next_id++;
	} while (e->next_id == 0 || vgpu_htab_get(&e->modules, e->next_id) || vgpu_htab_get(&e->funcs, e->next_id));
	return e->next_id;
}

static struct eng_module *module_ref(struct eng *e, uint32_t id)
{
	struct eng_module *mod;

	pthread_mutex_lock(&e->tab_lock);
	mod = vgpu_htab_get(&e->modules, id);
	if (mod)
		mod->refs++;
	pthread_mutex_unlock(&e->tab_lock);
	return mod;
}

static bool module_remove(struct eng *e, struct eng_module *mod)
{
	bool there;

	pthread_mutex_lock(&e->tab_lock);
	there = vgpu_htab_del(&e->modules, mod->id) != NULL;
	for (size_t i = 0; there && i < mod->funcs.n; i++)
		vgpu_htab_del(&e->funcs, mod->funcs.v[i]->id);
	pthread_mutex_unlock(&e->tab_lock);
	return there;
}

void eng_modules_free_ctx(struct eng *e, struct eng_ctx *ctx)
{
	for (;;) {
		struct eng_module *found = NULL;
		struct vgpu_htab_slot *s;
		size_t i = 0;

		pthread_mutex_lock(&e->tab_lock);
		while (!found && (s = vgpu_htab_next(&e->modules, &i)))
			if (!ctx || ((struct eng_module *)s->value)->ctx == ctx)
				found = s->value;
		pthread_mutex_unlock(&e->tab_lock);
		if (!found)
			return;
		if (module_remove(e, found))
			eng_module_unref(e, found);
	}
}

/* ---- load ---- */

static void append_log(struct eng_call *c, uint32_t cap, const char *text, size_t len, uint32_t *len_out)
{
	size_t room = MIN((size_t)c->out_cap - c->out_len, (size_t)cap - *len_out);

	len = MIN(len, room);
	memcpy(c->out + c->out_len, text, len);
	c->out_len += (uint32_t)len;
	*len_out += (uint32_t)len;
}

static void write_log(struct eng_call *c, const struct ptx_diag *d, const struct vgpu_err *err, uint32_t n_funcs)
{
	uint32_t cap = MIN(c->cmd.a.MODULE_LOAD.log_cap, ENG_REPLY_MAX);
	struct vgp_module_log log = { .n_funcs = n_funcs };

	if (c->out_cap < sizeof(log))
		return;
	c->out_len = sizeof(log);
	if (c->cmd.a.MODULE_LOAD.flags & VGP_MODULE_F_VERBOSE)
		append_log(c, cap, vgpu_buf_text(&d->infos), d->infos.len, &log.info_len);
	append_log(c, cap, vgpu_buf_text(&d->errors), d->errors.len, &log.error_len);
	if (!d->errors.len && err->status)
		append_log(c, cap, err->text, strlen(err->text), &log.error_len);
	memcpy(c->out, &log, sizeof(log));
}

/* What MODULE_LOG answers from now on. */
static void keep_log(struct eng_ctx *ctx, const struct eng_call *c, const struct ptx_diag *d, const struct vgpu_err *err)
{
	bool verbose = c->cmd.a.MODULE_LOAD.flags & VGP_MODULE_F_VERBOSE;
	const char *own = !d->errors.len && err->status ? err->text : "";

	pthread_mutex_lock(&ctx->lock);
	vgpu_buf_free(&ctx->log[0]);
	vgpu_buf_free(&ctx->log[1]);
	if (verbose)
		vgpu_buf_add(&ctx->log[0], vgpu_buf_text(&d->infos), MIN(d->infos.len, (size_t)ENG_LOG_MAX));
	vgpu_buf_add(&ctx->log[1], vgpu_buf_text(&d->errors), MIN(d->errors.len, (size_t)ENG_LOG_MAX));
	vgpu_buf_str(&ctx->log[1], own);
	pthread_mutex_unlock(&ctx->lock);
}

/* A module none of whose kernels can run is refused; with one that can, the others fail when asked for. */
static int check_entries(const struct ir_module *ir, struct ptx_diag *d, uint32_t *n_entries, struct vgpu_err *err)
{
	uint32_t n = 0, can = 0;

	for (uint32_t i = 0; i < ir->n_funcs; i++) {
		const struct ir_func *f = &ir->funcs[i];

		if (!f->is_entry)
			continue;
		n++;
		can += !f->unsupported;
	}
	*n_entries = n;
	if (!n || can)
		return 0;
	for (uint32_t i = 0; i < ir->n_funcs; i++)
		if (ir->funcs[i].is_entry)
			vgpu_buf_printf(&d->errors, "ptx, line %u; error   : %s: %s\n", ir->funcs[i].unsupported_line, ir->funcs[i].name,
					ir->funcs[i].unsupported);
	return vgpu_err_set(err, VGPU_E_INVALID_PTX, "no kernel of the module can run");
}

static int module_build(struct eng *e, struct eng_call *c, struct eng_module *mod, struct ptx_diag *d, uint32_t *n, struct vgpu_err *err)
{
	const struct vgpu_device *dev = mod->ctx->dev;
	struct ptx_options o = { .max_target = (unsigned)MAX(dev->compute_cap, dev->library_compute_cap),
				 .no_contract = c->cmd.a.MODULE_LOAD.flags & VGP_MODULE_F_STRICT_FP,
				 .keep_text = mod->ctx->be->needs_text };
	struct texts t = { 0 };
	size_t size = 0;
	int r;

	r = read_images(e, c, &t, err);
	for (size_t i = 0; i < t.n; i++)
		size += t.src[i].len;
	o.lazy = size >= PTX_LAZY_B;
	if (r == 0)
		r = ptx_compile_opts(t.src, t.n, &o, &mod->ir, d, err);
	if (r == 0)
		r = check_entries(mod->ir, d, n, err);
	if (r == 0)
		r = place_vars(e, mod, err);
	if (r == 0)
		r = mod->ctx->be->module_new(&mod->bm, mod->ir, mod->var_addr, err);
	if (r == 0)
		r = init_vars(e, mod, err);
	texts_free(&t);
	return r;
}

int eng_do_MODULE_LOAD(struct eng *e, struct eng_call *c)
{
	struct eng_ctx *ctx = eng_ctx_get(e, c->cmd.a.MODULE_LOAD.ctx);
	struct vgpu_err err = VGPU_ERR_INIT;
	struct eng_module *mod;
	struct ptx_diag d;
	uint32_t n = 0;
	int r;

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	mod = calloc(1, sizeof(*mod));
	if (!mod)
		return -VGPU_E_NOMEM;
	mod->ctx = ctx;
	mod->refs = 1;
	ptx_diag_init(&d);
	pthread_mutex_lock(&e->module_lock);
	r = module_build(e, c, mod, &d, &n, &err);
	if (r == 0) {
		pthread_mutex_lock(&e->tab_lock);
		mod->id = new_id(e);
		if (e->modules.n >= ENG_MODULES_MAX || !vgpu_htab_put(&e->modules, mod->id, mod))
			r = vgpu_err_set(&err, VGPU_E_NOMEM, "too many modules");
		pthread_mutex_unlock(&e->tab_lock);
	}
	write_log(c, &d, &err, n);
	keep_log(ctx, c, &d, &err);
	ptx_diag_fini(&d);
	if (r)
		module_free(e, mod);
	else
		c->reply.r.MODULE_LOAD.module = mod->id;
	pthread_mutex_unlock(&e->module_lock);
	return r;
}

int eng_do_MODULE_UNLOAD(struct eng *e, struct eng_call *c)
{
	struct eng_module *mod = module_ref(e, c->cmd.a.MODULE_UNLOAD.module);
	bool there;

	if (!mod)
		return -VGPU_E_INVALID_HANDLE;
	pthread_mutex_lock(&e->module_lock);
	there = module_remove(e, mod);
	if (there)
		eng_module_unref(e, mod);
	eng_module_unref(e, mod);
	pthread_mutex_unlock(&e->module_lock);
	return there ? 0 : -VGPU_E_INVALID_HANDLE;
}

/* ---- functions ---- */

static struct eng_func *func_find(struct eng_module *mod, uint32_t index)
{
	for (size_t i = 0; i < mod->funcs.n; i++)
		if (mod->funcs.v[i]->index == index)
			return mod->funcs.v[i];
	return NULL;
}

/* Called with module_lock. */
static int func_make(struct eng *e, struct eng_module *mod, uint32_t index, struct eng_func **out, struct vgpu_err *err)
{
	struct eng_func *f = func_find(mod, index);
	int r;

	if (f) {
		*out = f;
		return 0;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return vgpu_err_set(err, VGPU_E_NOMEM, "function: out of memory");
	f->mod = mod;
	f->index = index;
	r = mod->ctx->be->kernel_new(&f->kernel, mod->bm, index, err);
	if (r) {
		free(f);
		return r;
	}
	mod->ctx->be->kernel_info(f->kernel, &f->info);
	pthread_mutex_lock(&e->tab_lock);
	f->id = new_id(e);
	if (!vgpu_vec_reserve(&mod->funcs, mod->funcs.n + 1) || !vgpu_htab_put(&e->funcs, f->id, f))
		r = vgpu_err_set(err, VGPU_E_NOMEM, "function: out of memory");
	else
		(void)vgpu_vec_push(&mod->funcs, f);
	pthread_mutex_unlock(&e->tab_lock);
	if (r) {
		mod->ctx->be->kernel_free(f->kernel);
		free(f);
		return r;
	}
	*out = f;
	return 0;
}

static uint32_t product(const uint32_t v[3])
{
	return v[0] * MAX(v[1], 1u) * MAX(v[2], 1u);
}

static void put_out(struct eng_call *c, const void *data, size_t n)
{
	n = MIN(n, (size_t)c->out_cap - c->out_len);
	memcpy(c->out + c->out_len, data, n);
	c->out_len += (uint32_t)n;
}

/* struct vgp_func_info, parameters, name with its NUL. */
static void func_describe(const struct eng_func *f, struct vgpu_buf *b)
{
	const struct ir_module *m = f->mod->ir;
	const struct ir_func *ir = &m->funcs[f->index];
	uint32_t most = ir->req_ntid[0] ? product(ir->req_ntid) : product(ir->max_ntid);
	struct vgp_func_info i = {
		.n_params = ir->proto.n_params, .param_bytes = ir->param_bytes,
		.shared_static = f->info.shared_static, .const_bytes = f->info.const_B,
		.local_bytes = f->info.local_B, .regs = f->info.regs,
		.max_threads = most ? most : (uint32_t)f->mod->ctx->dev->threads_per_block,
		.min_ctas_per_sm = ir->min_ctas, .ptx_version = m->target, .uses_barriers = ir->uses_barrier,
	};

	memcpy(i.max_ntid, ir->max_ntid, sizeof(i.max_ntid));
	memcpy(i.req_ntid, ir->req_ntid, sizeof(i.req_ntid));
	memcpy(i.cluster, ir->cluster, sizeof(i.cluster));
	vgpu_buf_add(b, &i, sizeof(i));
	for (uint32_t k = 0; k < i.n_params; k++) {
		struct vgp_func_param p = { (uint32_t)ir->proto.params[k].offset, (uint32_t)ir->proto.params[k].size };

		vgpu_buf_add(b, &p, sizeof(p));
	}
	vgpu_buf_add(b, ir->name, strlen(ir->name) + 1);
}

/* Describes it, or says why it can't be had. Called with module_lock. */
static int func_answer(struct eng *e, struct eng_call *c, struct eng_module *mod, uint32_t index, uint32_t *id)
{
	const struct ir_func *ir = &mod->ir->funcs[index];
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct eng_func *f = NULL;
	char why[512];
	int r;

	r = ir_need_func(mod->ir, index, &err);
	if (r) {
		put_out(c, err.text, strlen(err.text));
		return r;
	}
	if (ir->unsupported) {
		snprintf(why, sizeof(why), "%s: ptx line %u: %s", ir->name, ir->unsupported_line, ir->unsupported);
		put_out(c, why, strlen(why));
		return -VGPU_E_INVALID_PTX;
	}
	r = func_make(e, mod, index, &f, &err);
	if (r) {
		put_out(c, err.text, strlen(err.text));
		return r;
	}
	func_describe(f, &b);
	put_out(c, vgpu_buf_text(&b), b.len);
	if (b.len > c->out_cap)
		c->out[c->out_cap - 1] = 0;     /* a name that is cut still ends */
	*id = f->id;
	vgpu_buf_free(&b);
	return b.failed ? -VGPU_E_NOMEM : 0;
}

/* Data in as text; NULL: too long or empty. */
static char *name_in(const struct eng_call *c)
{
	char *name;

	if (c->cmd.data_len == 0 || c->cmd.data_len > 1u << 20)
		return NULL;
	name = malloc(c->cmd.data_len + 1);
	if (name) {
		memcpy(name, c->data, c->cmd.data_len);
		name[c->cmd.data_len] = 0;
	}
	return name;
}

int eng_do_FUNC_GET(struct eng *e, struct eng_call *c)
{
	struct eng_module *mod = module_ref(e, c->cmd.a.FUNC_GET.module);
	cleanup_free char *name = name_in(c);
	int r = -VGPU_E_NOT_FOUND, i;

	if (!mod)
		return -VGPU_E_INVALID_HANDLE;
	pthread_mutex_lock(&e->module_lock);
	i = name ? ir_module_find_func(mod->ir, name) : -1;
	if (i >= 0 && mod->ir->funcs[i].is_entry)
		r = func_answer(e, c, mod, (uint32_t)i, &c->reply.r.FUNC_GET.func);
	eng_module_unref(e, mod);
	pthread_mutex_unlock(&e->module_lock);
	return r;
}

int eng_do_FUNC_AT(struct eng *e, struct eng_call *c)
{
	struct eng_module *mod = module_ref(e, c->cmd.a.FUNC_AT.module);
	uint32_t n = 0, index = UINT32_MAX;
	int r = -VGPU_E_NOT_FOUND;

	if (!mod)
		return -VGPU_E_INVALID_HANDLE;
	pthread_mutex_lock(&e->module_lock);
	for (uint32_t i = 0; i < mod->ir->n_funcs; i++) {
		if (!mod->ir->funcs[i].is_entry)
			continue;
		if (n++ == c->cmd.a.FUNC_AT.index)
			index = i;
	}
	c->reply.r.FUNC_AT.count = n;
	if (index != UINT32_MAX)
		r = func_answer(e, c, mod, index, &c->reply.r.FUNC_AT.func);
	eng_module_unref(e, mod);
	pthread_mutex_unlock(&e->module_lock);
	return r;
}

int eng_do_FUNC_CHECK(struct eng *e, struct eng_call *c)
{
	struct eng_func *f = eng_func_ref(e, c->cmd.a.FUNC_CHECK.func);

	if (!f)
		return -VGPU_E_INVALID_HANDLE;
	eng_module_unref(e, f->mod);
	return 0;       /* one that can't run has no number */
}

/* All of a text in parts. */
static void put_from(struct eng_call *c, const struct vgpu_buf *b, uint64_t offset)
{
	if (offset < b->len)
		put_out(c, b->data + offset, b->len - offset);
}

int eng_do_FUNC_INFO(struct eng *e, struct eng_call *c)
{
	struct eng_func *f = eng_func_ref(e, c->cmd.a.FUNC_INFO.func);
	struct vgpu_buf b = VGPU_BUF_INIT;

	if (!f)
		return -VGPU_E_INVALID_HANDLE;
	func_describe(f, &b);
	eng_module_unref(e, f->mod);
	put_from(c, &b, c->cmd.a.FUNC_INFO.offset);
	c->reply.r.FUNC_INFO.total = b.len;
	vgpu_buf_free(&b);
	return b.failed ? -VGPU_E_NOMEM : 0;
}

int eng_do_MODULE_LOG(struct eng *e, struct eng_call *c)
{
	const struct vgp_args_MODULE_LOG *a = &c->cmd.a.MODULE_LOG;
	struct eng_ctx *ctx = eng_ctx_get(e, a->ctx);

	if (!ctx)
		return -VGPU_E_INVALID_CONTEXT;
	if (a->which >= ARRAY_SIZE(ctx->log))
		return -VGPU_E_INVALID;
	pthread_mutex_lock(&ctx->lock);
	put_from(c, &ctx->log[a->which], a->offset);
	c->reply.r.MODULE_LOG.total = ctx->log[a->which].len;
	pthread_mutex_unlock(&ctx->lock);
	return 0;
}

static uint32_t global_flags(const struct ir_var *v)
{
	return (v->managed ? VGP_GLOBAL_F_MANAGED : 0u) | (v->space == IR_SPACE_CONST ? VGP_GLOBAL_F_CONST : 0u) |
	       (v->type == IR_T_TEXREF ? VGP_GLOBAL_F_TEXTURE : 0u) | (v->type == IR_T_SURFREF ? VGP_GLOBAL_F_SURFACE : 0u);
}

/* Called with tab_lock. */
static bool var_around(const struct eng_module *mod, uint64_t addr, struct vgp_reply_GLOBAL_AT *out)
{
	for (uint32_t i = 0; i < mod->ir->n_vars; i++) {
		const struct ir_var *v = &mod->ir->vars[i];

		if (!is_placed(v) || addr < mod->var_addr[i] || addr - mod->var_addr[i] >= v->size)
			continue;
		*out = (struct vgp_reply_GLOBAL_AT){ .base = mod->var_addr[i], .size = v->size, .ctx = mod->ctx->id, .module = mod->id,
						     .flags = global_flags(v) };
		return true;
	}
	return false;
}

int eng_do_GLOBAL_AT(struct eng *e, struct eng_call *c)
{
	struct vgpu_htab_slot *s;
	bool found = false;
	size_t i = 0;

	pthread_mutex_lock(&e->tab_lock);
	while (!found && (s = vgpu_htab_next(&e->modules, &i)))
		found = var_around(s->value, c->cmd.a.GLOBAL_AT.addr, &c->reply.r.GLOBAL_AT);
	pthread_mutex_unlock(&e->tab_lock);
	return found ? 0 : -VGPU_E_NOT_FOUND;
}

int eng_do_GLOBAL_GET(struct eng *e, struct eng_call *c)
{
	struct eng_module *mod = module_ref(e, c->cmd.a.GLOBAL_GET.module);
	cleanup_free char *name = name_in(c);
	int r = -VGPU_E_NOT_FOUND, i;

	if (!mod)
		return -VGPU_E_INVALID_HANDLE;
	i = name ? ir_module_find_var(mod->ir, name) : -1;
	if (i >= 0 && is_placed(&mod->ir->vars[i])) {
		c->reply.r.GLOBAL_GET.addr = mod->var_addr[i];
		c->reply.r.GLOBAL_GET.size = mod->ir->vars[i].size;
		c->reply.r.GLOBAL_GET.flags = global_flags(&mod->ir->vars[i]);
		r = 0;
	}
	eng_module_unref(e, mod);
	return r;
}
