/*
 * ptx_parse_func.c: .entry and .func: header, body, and the cutting of the
 * instruction list into blocks when the body is complete.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

/* ---- header ---- */

static bool three(struct ptx_parser *P, uint32_t v[3])
{
	v[0] = v[1] = v[2] = 1;
	for (int i = 0; i < 3; i++) {
		if (!ptx_const_u32(P, &v[i]))
			return false;
		if (!ptx_accept(P, ','))
			break;
	}
	return true;
}

static bool parse_perf_directive(struct ptx_parser *P, struct ir_func *f, struct ptx_name *w, const char *at)
{
	uint32_t unused;

	if (ptx_is(w, "maxntid"))
		return three(P, f->max_ntid);
	if (ptx_is(w, "reqntid"))
		return three(P, f->req_ntid);
	if (ptx_is(w, "reqnctapercluster"))
		return three(P, f->cluster);
	if (ptx_is(w, "minnctapersm"))
		return ptx_const_u32(P, &f->min_ctas);
	if (ptx_is(w, "maxnctapersm"))
		return ptx_const_u32(P, &unused);
	if (ptx_is(w, "maxnreg"))
		return ptx_const_u32(P, &f->max_regs);
	if (ptx_is(w, "maxclusterrank"))
		return ptx_const_u32(P, &f->max_cluster_rank);
	if (ptx_is(w, "explicitcluster"))
		f->explicit_cluster = true;
	else if (ptx_is(w, "blocksareclusters"))
		f->blocks_are_clusters = true;
	else if (ptx_is(w, "noreturn"))
		f->noreturn = f->proto.noreturn = true;
	else if (ptx_is(w, "abi_preserve") || ptx_is(w, "abi_preserve_control"))
		return ptx_const_u32(P, &unused);
	else
		return ptx_error(P, at, "Unknown directive '.%s' of a function", w->text);
	return true;
}

static bool skip_function_attribute(struct ptx_parser *P)
{
	int depth = 0;

	if (!ptx_expect(P, '('))
		return false;
	for (depth = 1; depth && P->p < P->end && *P->p != ';' && *P->p != '{'; P->p++)
		depth += (*P->p == '(') - (*P->p == ')');
	return depth == 0 || ptx_error(P, P->p, "Parsing error: ')' expected");
}

static bool parse_header_directives(struct ptx_parser *P, struct ir_func *f)
{
	for (;;) {
		struct ptx_name *w;
		const char *at;
		bool known, ok;

		ptx_skip(P);
		at = P->p;
		w = ptx_dot_word(P);
		if (!w)
			return true;
		ok = ptx_parse_common_directive(P, w, at, &known);
		if (ok && !known)
			ok = ptx_is(w, "attribute") ? skip_function_attribute(P) : parse_perf_directive(P, f, w, at);
		if (!ok)
			return false;
	}
}

struct header {
	struct ptx_name *name, **rets, **params;
	const char *at;
};

static bool parse_header(struct ptx_parser *P, struct ir_func *f, struct header *h)
{
	f->loc = ptx_loc(P);
	if (!f->is_entry && ptx_peek_char(P, '.')) {
		struct ptx_name *w = ptx_dot_word(P);

		if (!ptx_is(w, "attribute") || !skip_function_attribute(P))
			return ptx_error(P, P->p, "Unexpected directive in front of a function's name");
	}
	if (ptx_accept(P, '(')) {
		if (f->is_entry)
			return ptx_error(P, P->p - 1, "An entry has no results");
		if (!ptx_parse_param_list(P, &f->proto.rets, &f->proto.n_rets, &h->rets, false))
			return false;
	}
	ptx_skip(P);
	h->at = P->p;
	h->name = ptx_ident(P);
	if (!h->name)
		return ptx_error(P, h->at, "Name of a function expected");
	f->name = h->name->text;
	if (ptx_accept(P, '(') &&
	    !ptx_parse_param_list(P, &f->proto.params, &f->proto.n_params, &h->params, f->is_entry))
		return false;
	return parse_header_directives(P, f);
}

/* ---- body ---- */

static bool bind_formals(struct ptx_parser *P, struct ir_var *v, uint32_t n, struct ptx_name **names, uint32_t first,
			 const char *at)
{
	for (uint32_t i = 0; i < n; i++) {
		if (v[i].space == IR_SPACE_REG) {
			uint32_t vec = 1;

			while (i + vec < n && !names[i + vec])
				vec++;
			for (uint32_t k = 0; k < vec; k++)
				v[i + k].reg = (uint32_t)P->fn->regs.n + k;
			if (!ptx_reg_new(P, names[i], v[i].type, vec, at))
				return false;
			i += vec - 1;
		} else if (!strcmp(names[i]->text, "_")) {
			continue;
		} else if (!ptx_bind_new(P, names[i], PTX_B_LOCAL, first + i, at)) {
			return false;
		}
	}
	return true;
}

static bool parse_guard(struct ptx_parser *P, struct ir_insn *i)
{
	struct ptx_name *name;
	struct ptx_bind *b;
	const char *at;

	P->p++;
	i->guard_neg = ptx_accept(P, '!');
	ptx_skip(P);
	at = P->p;
	name = ptx_ident(P);
	if (!name)
		return ptx_error(P, at, "Predicate register expected");
	b = ptx_lookup(P, name);
	if (!b)
		return ptx_error(P, at, "Unknown symbol '%s'", name->text);
	if (b->kind != PTX_B_REG || P->fn->regs.v[b->index].type != IR_T_PRED)
		return ptx_error(P, at, "'%s' is not a predicate register", name->text);
	i->guard = b->index + 1;
	return true;
}

/* name: .branchtargets A, B; */
static bool parse_branchtargets(struct ptx_parser *P, struct ptx_name *label, const char *at)
{
	struct ptx_fn *fn = P->fn;
	uint32_t table = (uint32_t)fn->tables.n, n = 0;

	if (!vgpu_vec_push(&fn->tables, NULL) || !vgpu_vec_push(&fn->table_len, 0))
		return ptx_nomem(P);
	if (!ptx_bind_new(P, label, PTX_B_TABLE, table, at))
		return false;
	do {
		struct ptx_name *name;

		ptx_skip(P);
		at = P->p;
		name = ptx_ident(P);
		if (!name)
			return ptx_error(P, at, "Label expected");
		if (!ptx_ref_new(P, name, at, UINT32_MAX, table, n++))
			return false;
	} while (ptx_accept(P, ','));
	fn->table_len.v[table] = n;
	return ptx_expect(P, ';');
}

static bool parse_calltargets(struct ptx_parser *P, struct ptx_name *label, const char *at)
{
	VGPU_VEC(uint32_t) list = { 0 };
	struct ptx_calls c = { 0 };
	bool ok = true;

	do {
		struct ptx_name *name;

		ptx_skip(P);
		at = P->p;
		name = ptx_ident(P);
		if (!name || !name->bind || name->bind->kind != PTX_B_SYM || P->syms.v[name->bind->index].kind != IR_SYM_FUNC)
			ok = ptx_error(P, at, "Function expected");
		else if (!vgpu_vec_push(&list, P->syms.v[name->bind->index].index))
			ok = ptx_nomem(P);
		else
			P->funcs.v[P->syms.v[name->bind->index].index].address_taken = true;
	} while (ok && ptx_accept(P, ','));
	ok = ok && ptx_expect(P, ';');
	if (ok) {
		c.n = (uint32_t)list.n;
		c.funcs = ir_arena_array(P->m->arena, list.n, sizeof(*c.funcs));
		if (c.funcs)
			memcpy(c.funcs, list.v, list.n * sizeof(*c.funcs));
		ok = c.funcs && vgpu_vec_push(&P->fn->calls, c) ? true : ptx_nomem(P);
	}
	vgpu_vec_free(&list);
	return ok && ptx_bind_new(P, label, PTX_B_CALLS, (uint32_t)P->fn->calls.n - 1, at);
}

/* name: .callprototype (rets) _ (params) .noreturn; */
static bool parse_callprototype(struct ptx_parser *P, struct ptx_name *label, const char *at)
{
	struct ir_proto *proto = ir_arena_alloc(P->m->arena, sizeof(*proto));
	struct ptx_name **names, *w;
	struct ptx_bind *b;
	struct ir_func scratch = { 0 };

	if (!proto)
		return ptx_nomem(P);
	if (ptx_accept(P, '(') && !ptx_parse_param_list(P, &proto->rets, &proto->n_rets, &names, false))
		return false;
	w = ptx_ident(P);
	if (!w)
		return ptx_error(P, P->p, "'_' expected");
	if (ptx_accept(P, '(') && !ptx_parse_param_list(P, &proto->params, &proto->n_params, &names, false))
		return false;
	if (!parse_header_directives(P, &scratch) || !ptx_expect(P, ';'))
		return false;
	proto->noreturn = scratch.noreturn;
	b = ptx_bind_new(P, label, PTX_B_PROTO, 0, at);
	if (b)
		b->proto = proto;
	return b != NULL;
}

static bool parse_label(struct ptx_parser *P, struct ptx_name *name, const char *at)
{
	struct ptx_fn *fn = P->fn;
	const char *save;
	struct ptx_name *w;

	ptx_skip(P);
	save = P->p;
	w = *save == '.' ? ptx_dot_word(P) : NULL;
	if (ptx_is(w, "branchtargets"))
		return parse_branchtargets(P, name, at);
	if (ptx_is(w, "calltargets"))
		return parse_calltargets(P, name, at);
	if (ptx_is(w, "callprototype"))
		return parse_callprototype(P, name, at);
	P->p = save;
	if (!ptx_bind_new(P, name, PTX_B_LABEL, (uint32_t)fn->labels.n, at))
		return false;
	if (!vgpu_vec_push(&fn->labels, (uint32_t)fn->insns.n))
		return ptx_nomem(P);
	return true;
}

/* Does an element of the result stand among the later sources? */
static bool overlaps(const struct ir_opnd *d, const struct ir_opnd *s)
{
	for (unsigned k = 0; k < d->n_vec; k++)
		for (unsigned j = k + 1; j < s->n_vec; j++)
			if (d->vec[k].kind == IR_OPND_REG && s->vec[j].kind == IR_OPND_REG && d->vec[k].reg == s->vec[j].reg)
				return true;
	return false;
}

/* mov.v4: all elements are read before one is written. */
static bool split_mov(struct ptx_parser *P, const struct ir_insn *i)
{
	const struct ir_opnd *d = &i->dst[0], *s = &i->src[0];
	struct ir_opnd tmp[8];
	char spelling[32];
	size_t first = P->fn->insns.n;
	bool copy = overlaps(d, s);

	snprintf(spelling, sizeof(spelling), "mov.%s", ir_type_name(i->type));
	for (unsigned k = 0; k < s->n_vec && copy; k++)
		if (!ptx_temp(P, i->type, &tmp[k]) || !ptx_emit(P, spelling, &tmp[k], &s->vec[k], 1))
			return false;
	for (unsigned k = 0; k < s->n_vec; k++)
		if (d->vec[k].kind == IR_OPND_REG && !ptx_emit(P, spelling, &d->vec[k], copy ? &tmp[k] : &s->vec[k], 1))
			return false;
	for (; first < P->fn->insns.n; first++) {
		P->fn->insns.v[first].guard = i->guard;
		P->fn->insns.v[first].guard_neg = i->guard_neg;
		P->fn->insns.v[first].loc = i->loc;
	}
	return true;
}

static bool parse_guarded_insn(struct ptx_parser *P, struct ptx_name *spelling, const char *at, struct ir_insn *guard)
{
	struct ir_insn i;

	if (!ptx_parse_insn(P, spelling, at, &i))
		return false;
	i.guard = guard->guard;
	i.guard_neg = guard->guard_neg;
	i.loc = guard->loc;
	if (i.op == IR_OP_mov && i.vec > 1)
		return split_mov(P, &i);
	if (!vgpu_vec_push(&P->fn->insns, i))
		return ptx_nomem(P);
	return true;
}

/* A statement that begins with a word: label or instruction. */
static bool parse_word(struct ptx_parser *P, struct ir_insn *guard)
{
	const char *at = P->p, *s = at;
	struct ptx_name *name;

	while (ptx_is_ident(*s) || (*s == '%' && s == at))
		s++;
	if (*s != '.' && !guard->guard) {
		const char *t = s;

		while (*t == ' ' || *t == '\t')
			t++;
		if (t[0] == ':' && t[1] != ':') {
			name = ptx_intern(P, at, (size_t)(s - at));
			P->p = t + 1;
			return name && parse_label(P, name, at);
		}
	}
	name = ptx_spelling(P);
	return name && parse_guarded_insn(P, name, at, guard);
}

static bool parse_body_statement(struct ptx_parser *P)
{
	struct ir_insn guard = { 0 };
	const char *at = P->p;
	struct ptx_name *w;

	guard.loc = ptx_loc(P);
	if (*at == ';') {
		P->p++;
		return true;
	}
	if (at[0] == '@' && at[1] == '@') {
		while (P->p < P->end && *P->p != '\n')
			P->p++;
		return true;
	}
	if (*at == '@') {
		if (!parse_guard(P, &guard))
			return false;
		ptx_skip(P);
	} else if (*at == '.') {
		w = ptx_dot_word(P);
		return w ? ptx_parse_directive_in_function(P, w, at) : ptx_error(P, at, "Parsing error near '.'");
	}
	if (ptx_is_ident_start(*P->p))
		return parse_word(P, &guard);
	return ptx_error(P, P->p, "Parsing error near '%.1s': instruction expected", *P->p ? P->p : " ");
}

/* Everything between the braces; the opening one has been read. */
static bool parse_body(struct ptx_parser *P)
{
	while (P->p < P->end && !P->stop) {
		const char *start, *line_start;
		uint32_t line;

		ptx_skip(P);
		start = P->p;
		line = P->line;
		line_start = P->line_start;
		if (*start == '{') {
			P->p++;
			if (!ptx_scope_open(P))
				return false;
		} else if (*start == '}') {
			P->p++;
			if (!ptx_scope_close(P))
				return false;
			if (P->fn->depth == 0)
				return true;
		} else if (P->p < P->end && !parse_body_statement(P)) {
			ptx_recover(P, start, line, line_start);
			if (P->p == start && *start != '}')
				P->p++;
		}
	}
	if (!P->stop)
		ptx_error(P, P->p, "Function '%s' is not closed: '}' expected", P->fn->f.name);
	return false;
}

/* ---- blocks ---- */

static bool ends_block(const struct ir_insn *i)
{
	return i->op == IR_OP_bra || i->op == IR_OP_brx || i->op == IR_OP_ret || i->op == IR_OP_exit || i->op == IR_OP_trap;
}

/* An unguarded end is there, so that no block runs off the function. */
static bool close_last_block(struct ptx_parser *P)
{
	struct ptx_fn *fn = P->fn;
	struct ir_insn ret = { .op = IR_OP_ret, .vec = 1, .spelling = "ret" };
	bool label_at_end = false;

	for (size_t i = 0; i < fn->labels.n; i++)
		label_at_end |= fn->labels.v[i] == fn->insns.n;
	if (fn->insns.n && !label_at_end && ends_block(&fn->insns.v[fn->insns.n - 1]) &&
	    !fn->insns.v[fn->insns.n - 1].guard)
		return true;
	ret.loc = ptx_loc(P);
	if (!vgpu_vec_push(&fn->insns, ret))
		return ptx_nomem(P);
	return true;
}

/* block_of[position]: number of the block that holds it. */
static uint32_t number_blocks(struct ptx_fn *fn, uint32_t *block_of)
{
	uint32_t n = 0;

	for (size_t i = 0; i < fn->labels.n; i++)
		block_of[fn->labels.v[i]] = 1;
	block_of[0] = 1;
	for (size_t i = 0; i + 1 < fn->insns.n; i++)
		if (ends_block(&fn->insns.v[i]))
			block_of[i + 1] = 1;
	for (size_t i = 0; i < fn->insns.n; i++) {
		n += block_of[i];
		block_of[i] = n - 1;
	}
	return n;
}

static bool apply_refs(struct ptx_parser *P, const uint32_t *block_of)
{
	struct ptx_fn *fn = P->fn;

	for (size_t t = 0; t < fn->tables.n; t++) {
		fn->tables.v[t] = ir_arena_array(P->m->arena, fn->table_len.v[t], sizeof(uint32_t));
		if (!fn->tables.v[t])
			return ptx_nomem(P);
	}
	for (size_t i = 0; i < fn->solved.n; i++) {
		struct ptx_ref *r = &fn->solved.v[i];
		uint32_t block = block_of[fn->labels.v[r->label]];

		if (r->insn == UINT32_MAX) {
			if (r->entry < fn->table_len.v[r->table])
				fn->tables.v[r->table][r->entry] = block;
		} else if (r->insn < fn->insns.n && fn->insns.v[r->insn].op == IR_OP_bra) {
			fn->insns.v[r->insn].src[0].block = block;
		}
	}
	return true;
}

static bool make_blocks(struct ptx_parser *P, struct ir_func *f)
{
	struct ptx_fn *fn = P->fn;
	uint32_t *block_of = calloc(fn->insns.n + 1, sizeof(*block_of));
	struct ir_insn *insns = ir_arena_array(P->m->arena, fn->insns.n, sizeof(*insns));
	bool ok;

	if (!block_of || !insns) {
		free(block_of);
		return ptx_nomem(P);
	}
	f->n_blocks = number_blocks(fn, block_of);
	f->blocks = ir_arena_array(P->m->arena, f->n_blocks, sizeof(*f->blocks));
	ok = f->blocks && apply_refs(P, block_of);
	if (ok) {
		memcpy(insns, fn->insns.v, fn->insns.n * sizeof(*insns));
		for (size_t i = fn->insns.n; i-- > 0;) {
			f->blocks[block_of[i]].insns = &insns[i];
			f->blocks[block_of[i]].n_insns++;
		}
	}
	free(block_of);
	return ok ? true : ptx_nomem(P);
}

static void note_unsupported(struct ir_func *f, const struct ptx_fn *fn)
{
	for (size_t i = 0; i < fn->insns.n && !f->unsupported; i++)
		if (fn->insns.v[i].unsupported) {
			f->unsupported = fn->insns.v[i].unsupported;
			f->unsupported_line = fn->insns.v[i].loc.line;
		}
}

#define COPY_OUT(P, dst, n_dst, vec_) ({ \
	(dst) = ir_arena_array((P)->m->arena, (vec_).n, sizeof(*(dst))); \
	if ((dst) && (vec_).n) \
		memcpy((dst), (vec_).v, (vec_).n * sizeof(*(dst))); \
	(n_dst) = (uint32_t)(vec_).n; \
	(dst) != NULL; })

static bool finish_function(struct ptx_parser *P, struct ir_func *f)
{
	struct ptx_fn *fn = P->fn;
	uint32_t n_lens;

	if (!close_last_block(P) || !make_blocks(P, f))
		return false;
	if (!COPY_OUT(P, f->regs, f->n_regs, fn->regs) || !COPY_OUT(P, f->locals, f->n_locals, fn->locals) ||
	    !COPY_OUT(P, f->tables, f->n_tables, fn->tables) || !COPY_OUT(P, f->table_len, n_lens, fn->table_len) ||
	    n_lens != f->n_tables)
		return ptx_nomem(P);
	note_unsupported(f, fn);
	return true;
}

static void reset_fn(struct ptx_fn *fn)
{
	memset(&fn->f, 0, sizeof(fn->f));
	fn->insns.n = fn->regs.n = fn->locals.n = fn->labels.n = fn->refs.n = fn->solved.n = 0;
	fn->tables.n = fn->table_len.n = fn->calls.n = 0;
	fn->depth = fn->nested_ranges = 0;
}

/* Leaves all scopes, so that a body in error does not spoil what follows. */
static void unwind(struct ptx_parser *P)
{
	while (P->fn->depth) {
		P->fn->refs.n = P->fn->scopes[P->fn->depth].first_ref;
		ptx_scope_close(P);
	}
}

static bool parse_definition(struct ptx_parser *P, struct ir_func *f, struct header *h, uint32_t index, bool drop)
{
	struct ptx_fn *fn = P->fn;
	unsigned errors = P->diag->n_errors;
	bool taken;

	fn->f = *f;
	if (!ptx_scope_open(P) || !bind_formals(P, f->proto.rets, f->proto.n_rets, h->rets, 0, h->at) ||
	    !bind_formals(P, f->proto.params, f->proto.n_params, h->params, f->proto.n_rets, h->at)) {
		unwind(P);
		return false;
	}
	if (!parse_body(P)) {
		unwind(P);
		return P->p >= P->end;
	}
	if (P->diag->n_errors != errors || P->nomem)
		return true;
	if (!finish_function(P, f))
		return false;
	if (drop)
		return true;
	taken = P->funcs.v[index].address_taken;
	P->funcs.v[index] = *f;
	P->funcs.v[index].address_taken = taken;
	return true;
}

/* Leaves the body for later, if that can be. *left: it was. */
static bool leave_body(struct ptx_parser *P, struct ir_func *f, const struct header *h, uint32_t index, bool drop, bool *left)
{
	struct ptx_body b = { .p = P->p, .line_start = P->line_start, .line = P->line, .loc_file = P->loc_file, .loc_line = P->loc_line,
			      .source = (uint32_t)P->sources.n - 1, .rets = h->rets, .params = h->params, .at = h->at };
	struct ptx_scan s = { .entry = f->is_entry };
	bool closed = ptx_scan_body(P, &s);

	*left = closed && !s.now && !P->nomem;
	P->indirect |= s.indirect;
	f->n_refs = (uint32_t)s.refs.n;
	f->refs = ir_arena_array(P->m->arena, s.refs.n, sizeof(*f->refs));
	if (!f->refs)
		ptx_nomem(P);
	else if (s.refs.n)
		memcpy(f->refs, s.refs.v, s.refs.n * sizeof(*f->refs));
	vgpu_vec_free(&s.refs);
	if (*left && !drop) {
		bool taken = P->funcs.v[index].address_taken;

		ptx_body_note(P, index, &b);
		P->funcs.v[index] = *f;
		P->funcs.v[index].unparsed = true;
		P->funcs.v[index].address_taken = taken;
	}
	if (!*left) {
		P->p = b.p;
		P->line = b.line;
		P->line_start = b.line_start;
	}
	return !P->nomem;
}

bool ptx_parse_body_of(struct ptx_parser *P, uint32_t index)
{
	const struct ptx_body *b = &P->bodies.v[index];
	struct header h = { .rets = b->rets, .params = b->params, .at = b->at };
	struct ir_func f = P->funcs.v[index];
	bool ok;

	P->fn = P->fn_store;
	reset_fn(P->fn);
	ok = parse_definition(P, &f, &h, index, false);
	P->fn = NULL;
	return ok;
}

bool ptx_parse_function(struct ptx_parser *P, enum ir_linkage linkage, bool entry, const char *at)
{
	struct ir_func f = { .is_entry = entry, .linkage = (uint8_t)linkage };
	struct header h = { 0 };
	uint32_t index;
	bool drop, left, ok;

	if (!parse_header(P, &f, &h))
		return false;
	f.defined = ptx_peek_char(P, '{');
	if (!ptx_declare_func(P, h.name, &f, h.at, &index, &drop))
		return false;
	if (!f.defined)
		return ptx_expect(P, ';');
	if (linkage == IR_LINK_EXTERN)
		return ptx_error(P, h.at, "Function '%s' is .extern and has a body", f.name);
	P->funcs.v[index].defined = true;
	P->p++;
	if (P->is_lazy && (!leave_body(P, &f, &h, index, drop, &left) || left))
		return left;
	P->fn = P->fn_store;
	reset_fn(P->fn);
	ok = parse_definition(P, &f, &h, index, drop);
	P->fn = NULL;
	P->loc_file = P->loc_line = 0;   /* the next function's lines are not this one's */
	return ok;
}
