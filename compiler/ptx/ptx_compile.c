/*
 * ptx_compile.c: texts to one module: parse each, link, run the passes.
 * Symbols have been joined while parsing; linking means to see what was used
 * and never defined.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/pass/pass.h"
#include "compiler/ptx/ptx_builtin.h"
#include "compiler/ptx/ptx_priv.h"
#include "util/htab.h"

#define MAX_TEXT_B (1ull << 31)

/* ---- unresolved symbols ---- */

struct link {
	struct ir_module *m;
	struct ptx_diag *d;
	bool *told;          /* by symbol */
	unsigned n;
};

static void unresolved(struct link *l, uint32_t sym, const char *what)
{
	if (l->told[sym])
		return;
	l->told[sym] = true;
	l->n++;
	l->d->n_errors++;
	vgpu_buf_printf(&l->d->errors, "ptx; error   : Unresolved extern %s '%s'\n", what, l->m->syms[sym].name);
}

static void link_sym(struct link *l, uint32_t sym)
{
	const struct ir_sym *s = &l->m->syms[sym];

	if (s->kind == IR_SYM_FUNC) {
		const struct ir_func *f = &l->m->funcs[s->index];

		if (!f->defined && !ptx_builtin_find(f->name))
			unresolved(l, sym, "function");
	} else {
		const struct ir_var *v = &l->m->vars[s->index];

		/* unsized shared memory is what the launch gives */
		if (v->linkage == IR_LINK_EXTERN && !(v->space == IR_SPACE_SHARED && v->unsized))
			unresolved(l, sym, "variable");
	}
}

static void link_opnd(struct link *l, const struct ir_opnd *o)
{
	for (unsigned k = 0; k < o->n_vec && o->vec; k++)
		link_opnd(l, &o->vec[k]);
	if (!o->sym_local && (o->kind == IR_OPND_SYM || o->kind == IR_OPND_FUNC ||
			      (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_SYM)))
		link_sym(l, o->sym);
}

static void link_func(struct link *l, const struct ir_func *f)
{
	for (uint32_t k = 0; f->unparsed && k < f->n_refs; k++)
		link_sym(l, f->refs[k]);
	for (uint32_t n = 0; n < f->n_blocks; n++)
		for (uint32_t k = 0; k < f->blocks[n].n_insns; k++) {
			const struct ir_insn *i = &f->blocks[n].insns[k];

			for (unsigned j = 0; j < i->n_src; j++)
				link_opnd(l, &i->src[j]);
			if (i->call)
				link_opnd(l, &i->call->target);
		}
}

static int link_module(struct ir_module *m, struct ptx_diag *d, struct vgpu_err *err)
{
	struct link l = { m, d, calloc(m->n_syms + 1, 1), 0 };

	if (!l.told)
		return vgpu_err_set(err, VGPU_E_NOMEM, "link");
	for (uint32_t i = 0; i < m->n_funcs; i++)
		link_func(&l, &m->funcs[i]);
	for (uint32_t i = 0; i < m->n_vars; i++)
		for (uint32_t k = 0; k < m->vars[i].n_relocs; k++)
			link_sym(&l, m->vars[i].relocs[k].sym);
	free(l.told);
	return l.n ? -VGPU_E_INVALID_PTX : 0;
}

/* ---- parsing ---- */

static void fn_free(struct ptx_fn *fn)
{
	if (!fn)
		return;
	vgpu_vec_free(&fn->insns);
	vgpu_vec_free(&fn->regs);
	vgpu_vec_free(&fn->locals);
	vgpu_vec_free(&fn->labels);
	vgpu_vec_free(&fn->refs);
	vgpu_vec_free(&fn->solved);
	vgpu_vec_free(&fn->tables);
	vgpu_vec_free(&fn->table_len);
	vgpu_vec_free(&fn->calls);
	free(fn);
}

void ptx_parser_free(struct ptx_parser *P)
{
	if (!P)
		return;
	if (!P->kept) {
		vgpu_vec_free(&P->syms);
		vgpu_vec_free(&P->vars);
		vgpu_vec_free(&P->funcs);
		vgpu_vec_free(&P->files);
	}
	vgpu_vec_free(&P->bodies);
	vgpu_vec_free(&P->sources);
	vgpu_vec_free(&P->scan_seen);
	free(P->names);
	fn_free(P->fn_store);
	ir_arena_free(P->arena);
	vgpu_htab_fini(&P->globals);
	free(P);
}

/* The module has its own arena from the start: it is freed by itself. */
static struct ptx_parser *parser_new(const struct ptx_options *opts, struct ptx_diag *d)
{
	struct ptx_parser *P = calloc(1, sizeof(*P));
	struct ir_arena *a = ir_arena_new();

	if (P && a)
		P->m = ir_arena_alloc(a, sizeof(*P->m));
	if (!P || !P->m) {
		ir_arena_free(a);
		free(P);
		return NULL;
	}
	P->m->arena = a;
	P->diag = d;
	P->max_target = opts ? opts->max_target : 0;
	P->is_lazy = opts && opts->lazy;
	P->open_source = UINT32_MAX;
	vgpu_htab_init_str(&P->globals);
	P->arena = ir_arena_new();
	P->fn_store = calloc(1, sizeof(*P->fn_store));
	return P;
}

static bool keep_texts(struct ptx_parser *P, const struct ptx_options *opts, size_t n)
{
	if (!opts || !(opts->keep_text || opts->lazy))
		return true;
	P->m->texts = calloc(n + 1, sizeof(*P->m->texts));
	return P->m->texts != NULL;
}

/* One text, copied so that it ends in NUL; an embedded NUL ends it. */
static bool parse_source(struct ptx_parser *P, const struct ptx_source *src)
{
	size_t len = strnlen(src->text, src->len);
	char *text;
	bool ok;

	if (len > MAX_TEXT_B)
		return false;
	text = malloc(len + 16);
	if (!text)
		return ptx_nomem(P);
	memcpy(text, src->text, len);
	memset(text + len, 0, 16);
	P->text = P->p = text;
	P->end = text + len;
	ok = ptx_parse_text(P, src);
	if (P->m->texts)
		P->m->texts[P->m->n_texts++] = (struct ir_text){ text, len };
	else
		free(text);
	P->text = P->p = P->end = P->line_start = NULL;
	return ok;
}

static bool take_out(struct ptx_parser *P)
{
	struct ir_module *m = P->m;

#define OUT(dst, count, vec_) \
	((dst) = ir_arena_array(m->arena, (vec_).n, sizeof(*(vec_).v)), (count) = (uint32_t)(vec_).n, \
	 (dst) ? ((vec_).n ? memcpy((dst), (vec_).v, (vec_).n * sizeof(*(vec_).v)) : NULL, true) : false)
	if (!OUT(m->syms, m->n_syms, P->syms) || !OUT(m->vars, m->n_vars, P->vars) ||
	    !OUT(m->funcs, m->n_funcs, P->funcs) || !OUT(m->files, m->n_files, P->files))
		return false;
#undef OUT
	if (!m->address_size)
		m->address_size = 64;
	return true;
}

/* The first line of the log is the error's text. */
static int fail(const struct ptx_diag *d, int status, struct vgpu_err *err)
{
	const char *s = vgpu_buf_text(&d->errors);

	return vgpu_err_set(err, status, "%.*s", (int)MIN(strcspn(s, "\n"), (size_t)400), s);
}

static int parse_all(struct ptx_parser *P, const struct ptx_source *src, size_t n, struct vgpu_err *err)
{
	for (size_t i = 0; i < n; i++)
		if (!parse_source(P, &src[i]) && (P->nomem || P->version_status || P->stop))
			break;
	if (P->nomem || P->diag->errors.failed)
		return vgpu_err_set(err, VGPU_E_NOMEM, "PTX text");
	if (P->version_status)
		return fail(P->diag, P->version_status, err);
	if (P->indirect)
		ptx_lazy_all(P);
	if (P->nomem)
		return vgpu_err_set(err, VGPU_E_NOMEM, "PTX text");
	if (P->diag->n_errors)
		return fail(P->diag, VGPU_E_INVALID_PTX, err);
	return take_out(P) ? 0 : vgpu_err_set(err, VGPU_E_NOMEM, "PTX module");
}

/* Everything but the passes. */
static int parse_and_link(struct ptx_parser *P, const struct ptx_source *src, size_t n, const struct ptx_options *opts,
			  struct ptx_diag *d, struct vgpu_err *err)
{
	int r;

	if (!P->arena || !P->fn_store || !keep_texts(P, opts, n))
		return vgpu_err_set(err, VGPU_E_NOMEM, "PTX parser");
	r = parse_all(P, src, n, err);
	if (r)
		return r;
	P->m->no_contract = opts && opts->no_contract;
	P->m->max_target = P->max_target;
	P->m->opt_lazy = P->is_lazy;
	r = link_module(P->m, d, err);
	return r == -VGPU_E_INVALID_PTX ? fail(d, VGPU_E_INVALID_PTX, err) : r;
}

int ptx_parse(const struct ptx_source *src, size_t n, const struct ptx_options *opts, struct ir_module **out,
	      struct ptx_diag *d, struct vgpu_err *err)
{
	struct ptx_parser *P = parser_new(opts, d);
	struct ir_module *m;
	int r;

	*out = NULL;
	if (!P)
		return vgpu_err_set(err, VGPU_E_NOMEM, "PTX parser");
	m = P->m;
	r = parse_and_link(P, src, n, opts, d, err);
	P->diag = NULL;
	if (r == 0 && P->is_lazy && !P->indirect)
		ptx_lazy_keep(P);
	else
		ptx_parser_free(P);
	if (r)
		ir_module_free(m);
	else
		*out = m;
	return r;
}

int ptx_compile_opts(const struct ptx_source *src, size_t n, const struct ptx_options *opts, struct ir_module **out,
		     struct ptx_diag *d, struct vgpu_err *err)
{
	struct ir_module *m;
	int r = ptx_parse(src, n, opts, &m, d, err);

	*out = NULL;
	if (!r)
		r = pass_run(m, opts ? opts->passes : NULL, err);
	else
		return r;
	if (r) {
		ir_module_free(m);
		return r;
	}
	*out = m;
	return 0;
}

int ptx_compile(const struct ptx_source *src, size_t n, unsigned max_target, struct ir_module **out,
		struct ptx_diag *d, struct vgpu_err *err)
{
	struct ptx_options o = { .max_target = max_target };

	return ptx_compile_opts(src, n, &o, out, d, err);
}
