/*
 * ptx_parse_module.c: module scope: directives, variables, functions, and
 * the joining of symbols. Symbols of several texts are joined as they are
 * declared: all declarations of one name end up as one symbol.
 */
#include <string.h>

#include "compiler/ptx/ptx_priv.h"
#include "util/htab.h"

/* ---- symbols ---- */

static bool new_symbol(struct ptx_parser *P, struct ptx_name *name, uint8_t kind, uint32_t index, enum ir_linkage linkage)
{
	struct ir_sym s = { name->text, kind, index };

	if (!vgpu_vec_push(&P->syms, s))
		return ptx_nomem(P);
	if (linkage != IR_LINK_LOCAL &&
	    !vgpu_htab_put_str(&P->globals, name->text, (void *)(uintptr_t)P->syms.n))
		return ptx_nomem(P);
	return true;
}

/* The symbol that a declaration joins: of this text, or one that another text shows. -1: a new one. */
static int64_t present_symbol(struct ptx_parser *P, struct ptx_name *name, enum ir_linkage linkage)
{
	uintptr_t s;

	if (name->bind && name->bind->depth == 0 && name->bind->kind == PTX_B_SYM)
		return name->bind->index;
	if (linkage == IR_LINK_LOCAL)
		return -1;
	s = (uintptr_t)vgpu_htab_get_str(&P->globals, name->text);
	return s ? (int64_t)s - 1 : -1;
}

static bool bind_symbol(struct ptx_parser *P, struct ptx_name *name, uint32_t sym, const char *at)
{
	struct ptx_fn *fn = P->fn;
	bool ok;

	if (name->bind && name->bind->depth == 0)
		return true;
	if (name->bind)
		return ptx_error(P, at, "Duplicate definition of '%s'", name->text);
	P->fn = NULL;
	ok = ptx_bind_new(P, name, PTX_B_SYM, sym, at) != NULL;
	P->fn = fn;
	return ok;
}

static bool is_definition(enum ir_linkage l)
{
	return l != IR_LINK_EXTERN;
}

/* Joins v into the variable that is there. */
static bool merge_var(struct ptx_parser *P, struct ir_var *old, const struct ir_var *v, const char *at)
{
	if (old->space != v->space || (old->type != v->type && ir_type_size(old->type) != ir_type_size(v->type)))
		return ptx_error(P, at, "'%s' is declared differently elsewhere", v->name);
	if (!is_definition(v->linkage)) {
		old->align = MAX(old->align, v->align);
		return true;
	}
	if (!is_definition(old->linkage)) {
		uint32_t align = MAX(old->align, v->align);

		*old = *v;
		old->align = align;
		return true;
	}
	if (old->linkage == IR_LINK_COMMON && v->linkage == IR_LINK_COMMON) {
		old->size = MAX(old->size, v->size);
		old->align = MAX(old->align, v->align);
		return true;
	}
	if (v->linkage == IR_LINK_COMMON || v->linkage == IR_LINK_WEAK)
		return true;
	if (old->linkage == IR_LINK_COMMON || old->linkage == IR_LINK_WEAK) {
		*old = *v;
		return true;
	}
	return ptx_error(P, at, "Duplicate definition of '%s'", v->name);
}

bool ptx_declare_var(struct ptx_parser *P, struct ptx_name *name, const struct ir_var *v, const char *at)
{
	int64_t s = present_symbol(P, name, v->linkage);

	if (P->kept)   /* ptx_scan.c has seen to it that there is none */
		return ptx_error(P, at, "'%s' is declared too late", name->text);
	if (s >= 0) {
		if (P->syms.v[s].kind != IR_SYM_VAR)
			return ptx_error(P, at, "'%s' is a function elsewhere", name->text);
		return bind_symbol(P, name, (uint32_t)s, at) &&
		       merge_var(P, &P->vars.v[P->syms.v[s].index], v, at);
	}
	if (!vgpu_vec_push(&P->vars, *v))
		return ptx_nomem(P);
	return new_symbol(P, name, IR_SYM_VAR, (uint32_t)P->vars.n - 1, v->linkage) &&
	       bind_symbol(P, name, (uint32_t)P->syms.n - 1, at);
}

static bool same_shape(const struct ir_func *a, const struct ir_func *b)
{
	if (a->proto.n_params != b->proto.n_params || a->proto.n_rets != b->proto.n_rets)
		return false;
	for (uint32_t i = 0; i < a->proto.n_params; i++)
		if (a->proto.params[i].size != b->proto.params[i].size)
			return false;
	for (uint32_t i = 0; i < a->proto.n_rets; i++)
		if (a->proto.rets[i].size != b->proto.rets[i].size)
			return false;
	return true;
}

bool ptx_declare_func(struct ptx_parser *P, struct ptx_name *name, const struct ir_func *f, const char *at,
		      uint32_t *func_out, bool *drop)
{
	int64_t s = present_symbol(P, name, f->linkage);
	struct ir_func *old;

	*drop = false;
	if (s < 0) {
		if (!vgpu_vec_push(&P->funcs, *f))
			return ptx_nomem(P);
		*func_out = (uint32_t)P->funcs.n - 1;
		return new_symbol(P, name, IR_SYM_FUNC, *func_out, f->linkage) &&
		       bind_symbol(P, name, (uint32_t)P->syms.n - 1, at);
	}
	if (P->syms.v[s].kind != IR_SYM_FUNC)
		return ptx_error(P, at, "'%s' is a variable elsewhere", name->text);
	*func_out = P->syms.v[s].index;
	old = &P->funcs.v[*func_out];
	if (!same_shape(old, f))
		return ptx_error(P, at, "Function '%s' is declared with other parameters elsewhere", name->text);
	if (f->defined && old->defined) {
		if (f->linkage == IR_LINK_WEAK)
			*drop = true;
		else if (old->linkage != IR_LINK_WEAK)
			return ptx_error(P, at, "Duplicate definition of function '%s'", name->text);
	}
	return bind_symbol(P, name, (uint32_t)s, at);
}

/* ---- directives ---- */

static bool parse_version(struct ptx_parser *P)
{
	uint32_t major, minor;
	const char *at;
	char *stop;

	ptx_skip(P);
	at = P->p;
	if (*at < '0' || *at > '9')
		return ptx_error(P, at, "A version such as 8.0 is expected");
	for (major = 0; *P->p >= '0' && *P->p <= '9' && major < 1000; P->p++)
		major = major * 10 + (uint32_t)(*P->p - '0');
	if (*P->p != '.')
		return ptx_error(P, at, "A version such as 8.0 is expected");
	P->p++;
	for (minor = 0, stop = (char *)P->p; *P->p >= '0' && *P->p <= '9' && minor < 1000; P->p++)
		minor = minor * 10 + (uint32_t)(*P->p - '0');
	if (P->p == stop || ptx_is_ident(*P->p))
		return ptx_error(P, at, "A version such as 8.0 is expected");
	if (*P->p == '+')
		P->p++;
	if (major < 1 || minor > 9 || 10 * major + minor > PTX_MAX_VERSION) {
		P->version_status = VGPU_E_UNSUPPORTED_PTX;
		return ptx_error(P, at, "Unsupported .version %u.%u; current version is '%u.%u'", major, minor,
				 PTX_MAX_VERSION / 10, PTX_MAX_VERSION % 10);
	}
	if (P->seen_version)
		return ptx_error(P, at, "More than one .version");
	P->seen_version = true;
	P->version = 10 * major + minor;
	P->m->version = MAX(P->m->version, P->version);
	return true;
}

static const char *const target_options[] = {
	"texmode_unified", "texmode_independent", "debug", "map_f64_to_f32",
};

/* sm_90a, compute_75 */
static bool target_arch(struct ptx_parser *P, const char *at, const char *s)
{
	uint32_t arch = 0;
	const char *digits = s;
	bool specific;

	while (*s >= '0' && *s <= '9' && arch < 10000)
		arch = arch * 10 + (uint32_t)(*s++ - '0');
	specific = *s == 'a' || *s == 'f';
	if (s == digits || s[specific] || arch < 10 || arch > 999) {
		P->version_status = VGPU_E_UNSUPPORTED_PTX;
		return ptx_error(P, at, "Unknown .target 'sm_%s'", digits);
	}
	if (P->max_target && arch > P->max_target) {
		P->version_status = VGPU_E_UNSUPPORTED_PTX;
		return ptx_error(P, at, ".target sm_%s is newer than the device (sm_%u)", digits, P->max_target);
	}
	if (P->max_target && (*s == 'a' ? arch != P->max_target : *s == 'f' && arch / 10 != P->max_target / 10)) {
		P->version_status = VGPU_E_UNSUPPORTED_PTX;
		return ptx_error(P, at, ".target sm_%s is for %s only, the device is sm_%u", digits,
				 *s == 'a' ? "that architecture" : "its family", P->max_target);
	}
	P->m->target = MAX(P->m->target, arch);
	P->m->target_arch_specific |= specific;
	P->seen_target = true;
	return true;
}

static bool parse_target(struct ptx_parser *P)
{
	do {
		struct ptx_name *w;
		const char *at;
		bool known = false;

		ptx_skip(P);
		at = P->p;
		w = ptx_ident(P);
		if (!w)
			return ptx_error(P, at, "A target such as sm_80 is expected");
		if (!strncmp(w->text, "sm_", 3) || !strncmp(w->text, "compute_", 8)) {
			if (!target_arch(P, at, strchr(w->text, '_') + 1))
				return false;
			continue;
		}
		for (size_t i = 0; i < ARRAY_SIZE(target_options); i++)
			known |= !strcmp(w->text, target_options[i]);
		if (!known) {
			P->version_status = VGPU_E_UNSUPPORTED_PTX;
			return ptx_error(P, at, "Unknown .target '%s'", w->text);
		}
	} while (ptx_accept(P, ','));
	return true;
}

static bool parse_file(struct ptx_parser *P)
{
	uint32_t n, skipped;
	const char *s, *at;
	size_t len;

	ptx_skip(P);
	at = P->p;
	if (!ptx_const_u32(P, &n) || !ptx_string(P, &s, &len))
		return false;
	if (n > 1u << 16)
		return ptx_error(P, at, "File number %u is too big", n);
	while (P->files.n <= n)
		if (!vgpu_vec_push(&P->files, NULL))
			return ptx_nomem(P);
	P->files.v[n] = ir_arena_strn(P->m->arena, s, len);
	if (!P->files.v[n])
		return ptx_nomem(P);
	while (ptx_accept(P, ','))     /* time stamp, size */
		if (!ptx_const_u32(P, &skipped))
			return false;
	ptx_accept(P, ';');
	return true;
}

/* .loc file line column [, function_name label[+off], inlined_at file line column] */
static bool parse_loc(struct ptx_parser *P)
{
	uint32_t file, line, col;
	struct ptx_name *w;

	if (!ptx_const_u32(P, &file) || !ptx_const_u32(P, &line) || !ptx_const_u32(P, &col))
		return false;
	P->loc_file = file;
	P->loc_line = line;
	while (ptx_accept(P, ',')) {
		w = ptx_ident(P);
		if (ptx_is(w, "function_name")) {
			if (!ptx_ident(P))
				return ptx_error(P, P->p, "Label expected");
			if (ptx_accept(P, '+') && !ptx_const_u32(P, &col))
				return false;
		} else if (ptx_is(w, "inlined_at")) {
			if (!ptx_const_u32(P, &file) || !ptx_const_u32(P, &line) || !ptx_const_u32(P, &col))
				return false;
		} else {
			return ptx_error(P, P->p, "function_name or inlined_at expected");
		}
	}
	ptx_accept(P, ';');
	return true;
}

/* .section .debug_info { … }: debug data, skipped. */
static bool skip_section(struct ptx_parser *P)
{
	const char *open;

	while (P->p < P->end && !ptx_peek_char(P, '{') && *P->p != ';')
		P->p++;
	if (ptx_accept(P, ';'))
		return true;
	open = P->p;
	if (!ptx_expect(P, '{'))
		return false;
	while (P->p < P->end) {
		ptx_skip(P);
		if (*P->p == '}') {
			P->p++;
			return true;
		}
		if (P->p < P->end)
			P->p++;
	}
	return ptx_error(P, open, "Section is not closed");
}

static bool parse_pragma(struct ptx_parser *P)
{
	const char *s;
	size_t n;

	do
		if (!ptx_string(P, &s, &n))
			return false;
	while (ptx_accept(P, ','));
	return ptx_expect(P, ';');
}

bool ptx_parse_common_directive(struct ptx_parser *P, struct ptx_name *w, const char *at, bool *known)
{
	*known = true;
	if (ptx_is(w, "loc"))
		return parse_loc(P);
	if (ptx_is(w, "file"))
		return parse_file(P);
	if (ptx_is(w, "pragma"))
		return parse_pragma(P);
	if (ptx_is(w, "section"))
		return skip_section(P);
	*known = false;
	return true;
}

static bool parse_address_size(struct ptx_parser *P)
{
	const char *at = P->p;
	uint32_t n;

	if (!ptx_const_u32(P, &n))
		return false;
	if (n != 32 && n != 64)
		return ptx_error(P, at, ".address_size must be 32 or 64");
	P->m->address_size = n;
	return true;
}

/* .alias a, f; : another name for a function */
static bool parse_alias(struct ptx_parser *P)
{
	struct ptx_name *a, *f;
	const char *at;
	struct ir_func *fa;
	uint32_t ia, jf;

	ptx_skip(P);
	at = P->p;
	a = ptx_ident(P);
	if (!a || !ptx_expect(P, ',') || !(f = ptx_ident(P)) || !ptx_expect(P, ';'))
		return ptx_error(P, at, ".alias needs two names of functions");
	if (!a->bind || a->bind->kind != PTX_B_SYM || P->syms.v[a->bind->index].kind != IR_SYM_FUNC ||
	    !f->bind || f->bind->kind != PTX_B_SYM || P->syms.v[f->bind->index].kind != IR_SYM_FUNC)
		return ptx_error(P, at, ".alias needs two functions that are declared");
	ia = P->syms.v[a->bind->index].index;
	jf = P->syms.v[f->bind->index].index;
	fa = &P->funcs.v[ia];
	if (fa->defined)
		return ptx_error(P, at, "Duplicate definition of function '%s'", a->text);
	P->syms.v[a->bind->index].index = jf;
	return true;
}

/* .attribute(.managed), .attribute(.unified(1, 2)) */
static bool parse_attribute(struct ptx_parser *P, struct ptx_decl *d)
{
	if (!ptx_expect(P, '('))
		return false;
	do {
		struct ptx_name *w = ptx_dot_word(P);

		if (!w)
			return ptx_error(P, P->p, "Attribute expected");
		d->managed |= ptx_is(w, "managed");
		if (ptx_accept(P, '(')) {
			while (P->p < P->end && *P->p != ')' && *P->p != ';')
				P->p++;
			if (!ptx_expect(P, ')'))
				return false;
		}
	} while (ptx_accept(P, ','));
	return ptx_expect(P, ')');
}

static enum ir_linkage linkage_of(const struct ptx_name *w)
{
	return ptx_is(w, "visible") ? IR_LINK_VISIBLE : ptx_is(w, "extern") ? IR_LINK_EXTERN :
	       ptx_is(w, "weak") ? IR_LINK_WEAK : ptx_is(w, "common") ? IR_LINK_COMMON : IR_LINK_LOCAL;
}

static enum ir_space var_space(const struct ptx_parser *P, const struct ptx_name *w)
{
	return ptx_is(w, "global") ? IR_SPACE_GLOBAL : ptx_is(w, "shared") || ptx_is(w, "shared::cta") ? IR_SPACE_SHARED :
	       ptx_is(w, "const") ? IR_SPACE_CONST : ptx_is(w, "local") ? IR_SPACE_LOCAL :
	       ptx_is(w, "tex") ? IR_SPACE_TEX : ptx_is(w, "param") && P->fn ? IR_SPACE_PARAM_FUNC : IR_SPACE_GENERIC;
}

/* .tex .u32 name: PTX 1.x's way to declare a texture reference */
static bool parse_tex(struct ptx_parser *P, struct ptx_decl *d)
{
	struct ir_var v = { .space = IR_SPACE_GLOBAL, .type = IR_T_TEXREF, .linkage = d->linkage, .align = 8, .size = 8 };
	enum ir_type t;
	unsigned vec;

	if (!ptx_parse_type(P, &t, &vec, &v.align))
		return false;
	do {
		struct ptx_name *name;

		ptx_skip(P);
		v.loc = ptx_loc(P);
		name = ptx_ident(P);
		if (!name)
			return ptx_error(P, P->p, "Name of a texture expected");
		v.name = name->text;
		if (!ptx_declare_var(P, name, &v, P->p - name->len))
			return false;
	} while (ptx_accept(P, ','));
	return ptx_expect(P, ';');
}

/* A declaration: linkage, attributes, then a variable or a function. */
static bool parse_declaration(struct ptx_parser *P, struct ptx_name *w, const char *at)
{
	struct ptx_decl d = { IR_LINK_LOCAL, IR_SPACE_GENERIC, false, at };

	while (w && linkage_of(w) != IR_LINK_LOCAL) {
		d.linkage = linkage_of(w);
		w = ptx_dot_word(P);
	}
	if (!w)
		return ptx_error(P, P->p, "Declaration expected");
	if (!P->fn && (ptx_is(w, "entry") || ptx_is(w, "func")))
		return ptx_parse_function(P, d.linkage, ptx_is(w, "entry"), at);
	d.space = var_space(P, w);
	if (d.space == IR_SPACE_GENERIC && ptx_is(w, "const") == 0)
		return ptx_error(P, at, "Unknown directive '.%s'", w->text);
	if (d.space == IR_SPACE_TEX)
		return parse_tex(P, &d);
	if (d.space == IR_SPACE_CONST && ptx_accept(P, '[')) {   /* .const[2] of PTX 2.1 and before */
		uint32_t bank;

		if (!ptx_const_u32(P, &bank) || !ptx_expect(P, ']'))
			return false;
	}
	for (;;) {
		const char *save;

		ptx_skip(P);
		save = P->p;
		w = ptx_dot_word(P);
		if (!ptx_is(w, "attribute")) {
			P->p = save;
			break;
		}
		if (!parse_attribute(P, &d))
			return false;
	}
	return ptx_parse_vars(P, &d);
}

bool ptx_parse_directive_in_function(struct ptx_parser *P, struct ptx_name *w, const char *at)
{
	bool known, ok = ptx_parse_common_directive(P, w, at, &known);

	if (known)
		return ok;
	if (ptx_is(w, "reg"))
		return ptx_parse_reg(P);
	return parse_declaration(P, w, at);
}

static bool parse_directive(struct ptx_parser *P, struct ptx_name *w, const char *at)
{
	bool known, ok = ptx_parse_common_directive(P, w, at, &known);

	if (known)
		return ok;
	if (ptx_is(w, "version"))
		return parse_version(P);
	if (ptx_is(w, "target"))
		return parse_target(P);
	if (ptx_is(w, "address_size"))
		return parse_address_size(P);
	if (ptx_is(w, "alias"))
		return parse_alias(P);
	return parse_declaration(P, w, at);
}

static bool parse_statement(struct ptx_parser *P)
{
	const char *at = P->p;
	struct ptx_name *w;

	if (*at == ';') {
		P->p++;
		return true;
	}
	if (at[0] == '@' && at[1] == '@') {      /* @@DWARF lines of PTX 1.x */
		while (P->p < P->end && *P->p != '\n')
			P->p++;
		return true;
	}
	w = ptx_dot_word(P);
	if (!w) {
		int n = 0;

		while (n < 24 && (at[n] == '%' || ptx_is_ident(at[n])))
			n++;
		return ptx_error(P, at, "Parsing error near '%.*s': directive expected", n ? n : 1, at);
	}
	if (!P->seen_version && !ptx_is(w, "version"))
		return ptx_error(P, at, "Missing .version directive at start of file");
	return parse_directive(P, w, at);
}

/* Skips what is left of a declaration or function in error, body and all. */
static void recover(struct ptx_parser *P, const char *start)
{
	int depth = 0;

	if (P->p < start)
		P->p = start;
	while (P->p < P->end) {
		char c;

		ptx_skip(P);
		if (P->p >= P->end)
			return;
		c = *P->p;
		if (depth == 0 && c == '.' && P->p > start && P->p[-1] == '\n' &&
		    (!strncmp(P->p, ".visible", 8) || !strncmp(P->p, ".entry", 6) || !strncmp(P->p, ".func", 5)))
			return;
		P->p++;
		if (c == '{')
			depth++;
		else if (c == '}' && --depth <= 0)
			return;
		else if (c == ';' && depth == 0)
			return;
	}
}

void ptx_close_file_scope(struct ptx_parser *P)
{
	for (struct ptx_bind *b = P->file_binds; b; b = b->next_in_scope)
		b->name->bind = b->outer;
	P->file_binds = NULL;
}

/* What go_to() needs to come back to this text. */
static bool begin_source(struct ptx_parser *P)
{
	struct ptx_source_scope s = { .text = P->text, .name = P->src_name, .len = (size_t)(P->end - P->text) };

	if (!P->is_lazy)
		return true;
	s.name = ir_arena_strn(P->m->arena, P->src_name, strlen(P->src_name));
	return s.name && vgpu_vec_push(&P->sources, s) ? true : ptx_nomem(P);
}

static void end_source(struct ptx_parser *P)
{
	if (P->is_lazy && P->sources.n) {
		P->sources.v[P->sources.n - 1].binds = P->file_binds;
		P->sources.v[P->sources.n - 1].version = P->version;
	}
	ptx_close_file_scope(P);
}

bool ptx_parse_text(struct ptx_parser *P, const struct ptx_source *src)
{
	P->src_name = src->name && *src->name ? src->name : "ptx";
	P->line = 1;
	P->line_start = P->text;
	P->seen_version = P->seen_target = false;
	P->loc_file = P->loc_line = 0;
	if (!begin_source(P))
		return false;
	for (;;) {
		const char *at;

		ptx_skip(P);
		at = P->p;
		if (P->p >= P->end || P->stop)
			break;
		if (!parse_statement(P))
			recover(P, MAX(P->p, at + 1));
		if (P->version_status)
			break;
	}
	if (!P->seen_version && !P->diag->n_errors && !P->stop)
		ptx_error(P, P->p, "Missing .version directive at start of file");
	else if (!P->seen_target && !P->diag->n_errors && !P->stop)
		ptx_error(P, P->p, "Missing .target directive");
	end_source(P);
	return !P->diag->n_errors && !P->nomem;
}
