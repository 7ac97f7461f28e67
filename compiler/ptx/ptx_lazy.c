/*
 * ptx_lazy.c: modules whose functions' bodies are parsed when a kernel that
 * reaches them is wanted. The parser stays alive with the module: names keep
 * their meaning, texts their place. What a body had to have parsed at once,
 * and which symbols it names, is ptx_scan.c's.
 *
 * Order doesn't show: a function's IR, and where its variables lie, are the
 * same whichever functions were parsed before it.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/pass/pass.h"
#include "compiler/ptx/ptx_priv.h"

static struct ptx_parser *parser_of(struct ir_module *m)
{
	return container_of(m->lazy, struct ptx_parser, lazy);
}

/* Which names the text's declarations gave a meaning. */
static void open_source(struct ptx_parser *P, uint32_t source)
{
	if (P->open_source == source)
		return;
	ptx_close_file_scope(P);
	/* each was pushed in front of the list: names that two texts know are closed above */
	for (struct ptx_bind *b = P->sources.v[source].binds; b; b = b->next_in_scope)
		b->name->bind = b;
	P->file_binds = P->sources.v[source].binds;
	P->open_source = source;
}

static void go_to(struct ptx_parser *P, const struct ptx_body *b)
{
	const struct ptx_source_scope *s = &P->sources.v[b->source];

	open_source(P, b->source);
	P->src_name = s->name;
	P->text = s->text;
	P->end = s->text + s->len;
	P->p = b->p;
	P->line = b->line;
	P->line_start = b->line_start;
	P->loc_file = b->loc_file;
	P->loc_line = b->loc_line;
	P->version = s->version;
}

/* The first error becomes the reason why it can't run. */
static void spoil(struct ptx_parser *P, struct ir_func *f, const struct ptx_diag *d, uint32_t line)
{
	const char *s = vgpu_buf_text(&d->errors), *text = strstr(s, "error   : "), *at = strstr(s, "line ");

	f->unsupported = ir_arena_strn(P->m->arena, text ? text + 10 : "can't be parsed", text ? strcspn(text + 10, "\n") : 15);
	f->unsupported_line = at ? (uint32_t)strtoul(at + 5, NULL, 10) : line;
	if (!f->unsupported)
		P->nomem = true;
}

static void parse_one(struct ptx_parser *P, uint32_t index)
{
	struct ptx_body *b = &P->bodies.v[index];
	struct ir_func *f = &P->funcs.v[index];
	struct ptx_diag d, *was = P->diag;

	ptx_diag_init(&d);
	d.max_errors = 1;
	P->diag = &d;
	P->stop = false;
	go_to(P, b);
	f->unparsed = false;
	if ((!ptx_parse_body_of(P, index) || d.n_errors) && !P->nomem)
		spoil(P, f, &d, b->line);
	P->diag = was;
	P->stop = false;
	ptx_diag_fini(&d);
}

struct todo {
	VGPU_VEC(uint32_t) v;
	bool *seen;
};

static bool want(struct todo *t, uint32_t f)
{
	if (t->seen[f])
		return true;
	t->seen[f] = true;
	return vgpu_vec_push(&t->v, f);
}

/* Parses it and whatever it names. */
static bool parse_reachable(struct ptx_parser *P, uint32_t func)
{
	struct ir_module *m = P->m;
	struct todo t = { .seen = calloc(m->n_funcs + 1, 1) };
	bool ok = t.seen && want(&t, func);

	while (ok && t.v.n) {
		uint32_t i = t.v.v[--t.v.n];

		for (uint32_t k = 0; ok && k < m->funcs[i].n_refs; k++) {
			const struct ir_sym *s = &m->syms[m->funcs[i].refs[k]];

			if (s->kind == IR_SYM_FUNC)
				ok = want(&t, s->index);
		}
		if (m->funcs[i].unparsed)
			parse_one(P, i);
		ok = ok && !P->nomem;
	}
	vgpu_vec_free(&t.v);
	free(t.seen);
	return ok;
}

static int need(struct ir_module *m, uint32_t func, struct vgpu_err *err)
{
	struct ptx_parser *P = parser_of(m);

	if (!parse_reachable(P, func))
		return vgpu_err_set(err, VGPU_E_NOMEM, "%s: out of memory", m->funcs[func].name);
	return pass_run(m, NULL, err);
}

static void lazy_free(struct ir_module *m)
{
	ptx_parser_free(parser_of(m));
}

void ptx_lazy_keep(struct ptx_parser *P)
{
	struct ir_module *m = P->m;

	/* from now on the module's tables are the parser's; no body that is left adds to them */
	vgpu_vec_free(&P->syms);
	vgpu_vec_free(&P->vars);
	vgpu_vec_free(&P->funcs);
	vgpu_vec_free(&P->files);
	P->syms.v = m->syms;
	P->syms.n = P->syms.cap = m->n_syms;
	P->vars.v = m->vars;
	P->vars.n = P->vars.cap = m->n_vars;
	P->funcs.v = m->funcs;
	P->funcs.n = P->funcs.cap = m->n_funcs;
	P->kept = true;
	P->open_source = UINT32_MAX;
	P->lazy = (struct ir_lazy){ need, lazy_free };
	m->lazy = &P->lazy;
}

bool ptx_lazy_all(struct ptx_parser *P)
{
	for (uint32_t i = 0; i < P->bodies.n && !P->nomem && !P->stop; i++)
		if (P->funcs.v[i].unparsed) {
			P->funcs.v[i].unparsed = false;
			go_to(P, &P->bodies.v[i]);
			ptx_parse_body_of(P, i);
		}
	ptx_close_file_scope(P);
	return !P->diag->n_errors && !P->nomem;
}

void ptx_body_note(struct ptx_parser *P, uint32_t index, const struct ptx_body *b)
{
	static const struct ptx_body none;

	while (P->bodies.n <= index)
		if (!vgpu_vec_push(&P->bodies, none)) {
			ptx_nomem(P);
			return;
		}
	P->bodies.v[index] = *b;
}
