/* ptx_scope.c: what names mean: bindings, register ranges, references to labels. */
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

static uint32_t depth_of(const struct ptx_parser *P)
{
	return P->fn ? P->fn->depth : 0;
}

struct ptx_bind *ptx_bind_new(struct ptx_parser *P, struct ptx_name *name, enum ptx_bind_kind kind, uint32_t index,
			      const char *at)
{
	uint32_t depth = depth_of(P);
	struct ptx_bind *b;

	if (name->bind && name->bind->depth == depth) {
		ptx_error(P, at, "Duplicate definition of '%s'", name->text);
		return NULL;
	}
	b = ir_arena_alloc(P->arena, sizeof(*b));
	if (!b) {
		ptx_nomem(P);
		return NULL;
	}
	b->name = name;
	b->kind = kind;
	b->depth = depth;
	b->index = index;
	b->outer = name->bind;
	name->bind = b;
	if (P->fn && depth) {
		b->next_in_scope = P->fn->scopes[depth].binds;
		P->fn->scopes[depth].binds = b;
	} else {
		b->next_in_scope = P->file_binds;
		P->file_binds = b;
	}
	return b;
}

bool ptx_scope_open(struct ptx_parser *P)
{
	struct ptx_fn *fn = P->fn;
	uint32_t live = fn->scopes[fn->depth].live_param;

	if (fn->depth + 1 >= PTX_MAX_DEPTH)
		return ptx_error(P, P->p, "Scopes are nested too deeply");
	fn->depth++;
	memset(&fn->scopes[fn->depth], 0, sizeof(fn->scopes[0]));
	fn->scopes[fn->depth].first_ref = fn->refs.n;
	fn->scopes[fn->depth].live_param = fn->depth > 1 ? live : 0;
	return true;
}

/* Solves the references to labels of this scope; the others go on to the enclosing one. */
static bool solve_refs(struct ptx_parser *P, struct ptx_scope *s)
{
	struct ptx_fn *fn = P->fn;
	size_t kept = s->first_ref;

	for (size_t i = s->first_ref; i < fn->refs.n; i++) {
		struct ptx_ref *r = &fn->refs.v[i];
		struct ptx_bind *b = r->name->bind;

		if (b && b->depth == fn->depth && b->kind == PTX_B_LABEL) {
			r->label = b->index;
			if (!vgpu_vec_push(&fn->solved, *r))
				return ptx_nomem(P);
		} else if (fn->depth == 1) {
			if (b && b->kind != PTX_B_LABEL)
				ptx_error(P, r->at, "'%s' is not a label", r->name->text);
			else
				ptx_error(P, r->at, "Label '%s' is not defined", r->name->text);
		} else {
			fn->refs.v[kept++] = *r;
		}
	}
	fn->refs.n = kept;
	return true;
}

bool ptx_scope_close(struct ptx_parser *P)
{
	struct ptx_fn *fn = P->fn;
	struct ptx_scope *s = &fn->scopes[fn->depth];
	bool ok = solve_refs(P, s);

	for (struct ptx_bind *b = s->binds; b; b = b->next_in_scope)
		b->name->bind = b->outer;
	for (struct ptx_range *r = s->ranges; r; r = r->next_in_scope) {
		r->name->range = r->outer;
		if (r->depth > 1)
			fn->nested_ranges--;
	}
	s->binds = NULL;
	s->ranges = NULL;
	fn->depth--;
	return ok;
}

static bool add_reg(struct ptx_parser *P, const char *name, enum ir_type type, const char *at)
{
	struct ir_reg r = { name, type };

	/* Registers of inner scopes may share names: number them. */
	if (P->fn->depth > 1) {
		r.name = ir_arena_printf(P->m->arena, "%s$%zu", name, P->fn->regs.n);
		if (!r.name)
			return ptx_nomem(P);
	}
	if (P->fn->regs.n >= PTX_MAX_REGS)
		return ptx_error(P, at, "Function has more than %u registers", PTX_MAX_REGS);
	if (!vgpu_vec_push(&P->fn->regs, r))
		return ptx_nomem(P);
	return true;
}

static bool add_components(struct ptx_parser *P, struct ptx_name *name, enum ir_type type, unsigned vec, const char *at)
{
	for (unsigned i = 0; i < vec; i++) {
		char *n = ir_arena_printf(P->m->arena, "%s$%c", name->text, "xyzw"[i]);

		if (!n)
			return ptx_nomem(P);
		if (!add_reg(P, n, type, at))
			return false;
	}
	return true;
}

bool ptx_reg_new(struct ptx_parser *P, struct ptx_name *name, enum ir_type type, unsigned vec, const char *at)
{
	uint32_t first = (uint32_t)P->fn->regs.n;
	struct ptx_bind *b;

	if (!(vec > 1 ? add_components(P, name, type, vec, at) : add_reg(P, name->text, type, at)))
		return false;
	b = ptx_bind_new(P, name, vec > 1 ? PTX_B_VREG : PTX_B_REG, first, at);
	if (!b)
		return false;
	b->count = (uint8_t)vec;
	return true;
}

bool ptx_range_new(struct ptx_parser *P, struct ptx_name *base, uint32_t count, enum ir_type type, unsigned vec, const char *at)
{
	struct ptx_fn *fn = P->fn;
	struct ptx_range *r;

	if (base->range && base->range->depth == fn->depth)
		return ptx_error(P, at, "Duplicate definition of '%s<%u>'", base->text, count);
	r = ir_arena_alloc(P->arena, sizeof(*r));
	if (!r)
		return ptx_nomem(P);
	r->name = base;
	r->count = count;
	r->type = type;
	r->vec = (uint8_t)vec;
	r->depth = fn->depth;
	r->outer = base->range;
	base->range = r;
	r->next_in_scope = fn->scopes[fn->depth].ranges;
	fn->scopes[fn->depth].ranges = r;
	if (fn->depth > 1)
		fn->nested_ranges++;
	return true;
}

/* The range that "base12" is a register of. */
static struct ptx_range *range_of(struct ptx_parser *P, const struct ptx_name *name)
{
	size_t n = name->len, digits = 0;
	struct ptx_name *base;
	struct ptx_range *r;
	uint64_t v = 0;

	while (n > 1 && name->text[n - 1] >= '0' && name->text[n - 1] <= '9') {
		n--;
		digits++;
	}
	/* "a10<5>" and "a1<50>" both could have made "a104": try every split */
	for (; digits && digits < 10; n++, digits--) {
		if (name->text[n] == '0' && digits > 1)
			continue;
		base = ptx_intern(P, name->text, n);
		if (!base)
			return NULL;
		v = 0;
		for (size_t i = n; i < name->len; i++)
			v = v * 10 + (unsigned)(name->text[i] - '0');
		for (r = base->range; r; r = r->outer)
			if (v < r->count)
				return r;
	}
	return NULL;
}

static struct ptx_bind *materialize(struct ptx_parser *P, struct ptx_name *name, struct ptx_range *r)
{
	uint32_t depth = P->fn->depth;
	bool ok;

	P->fn->depth = r->depth;      /* the register belongs to the scope of its range */
	ok = ptx_reg_new(P, name, r->type, r->vec, P->p - name->len);
	P->fn->depth = depth;
	return ok ? name->bind : NULL;
}

struct ptx_bind *ptx_lookup(struct ptx_parser *P, struct ptx_name *name)
{
	struct ptx_bind *b = name->bind;
	struct ptx_range *r;

	if (!P->fn || (b && (!P->fn->nested_ranges || b->kind != PTX_B_REG)))
		return b;
	r = range_of(P, name);
	if (!r || (b && b->depth >= r->depth))
		return b;
	return materialize(P, name, r);
}

bool ptx_ref_new(struct ptx_parser *P, struct ptx_name *name, const char *at, uint32_t insn, uint32_t table, uint32_t entry)
{
	struct ptx_ref r = { name, at, insn, table, entry, 0 };

	if (!vgpu_vec_push(&P->fn->refs, r))
		return ptx_nomem(P);
	return true;
}
