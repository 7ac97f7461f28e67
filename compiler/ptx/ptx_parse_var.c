/* ptx_parse_var.c: declarations of variables, parameters and registers, and initial values. */
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

static bool read_align(struct ptx_parser *P, uint32_t *align)
{
	const char *at = P->p;

	if (!ptx_const_u32(P, align))
		return false;
	if (!vgpu_is_pow2(*align) || *align > 1u << 20)
		return ptx_error(P, at, "Alignment must be a power of two");
	return true;
}

static unsigned vector_word(const struct ptx_name *w)
{
	if (w->len == 2 && w->text[0] == 'v' && (w->text[1] == '2' || w->text[1] == '4' || w->text[1] == '8'))
		return (unsigned)(w->text[1] - '0');
	return 0;
}

bool ptx_parse_type(struct ptx_parser *P, enum ir_type *t, unsigned *vec, uint32_t *align)
{
	*t = IR_T_NONE;
	*vec = 1;
	for (;;) {
		const char *at;
		struct ptx_name *w;

		ptx_skip(P);
		at = P->p;
		w = ptx_dot_word(P);
		if (!w)
			break;
		if (ptx_is(w, "align")) {
			if (!align)
				return ptx_error(P, at, "Registers have no alignment");
			if (!read_align(P, align))
				return false;
		} else if (vector_word(w)) {
			*vec = vector_word(w);
		} else if (*t == IR_T_NONE && ptx_type_find(w->text, w->len)) {
			*t = ptx_type_find(w->text, w->len);
		} else if (*t == IR_T_NONE) {
			return ptx_error(P, at, "Unknown type '.%s'", w->text);
		} else {
			P->p = at;      /* .ptr and the like: the caller's */
			break;
		}
	}
	if (*t == IR_T_NONE)
		return ptx_error(P, P->p, "Type expected");
	return true;
}

static uint32_t natural_align(enum ir_type t, unsigned vec, uint32_t given)
{
	uint32_t a = ir_type_size(t) * vec;

	if (!vgpu_is_pow2(a))
		a = 1;
	return a > given ? a : given;
}

static bool reg_vector_fits(struct ptx_parser *P, enum ir_type t, unsigned vec, const char *at)
{
	if (vec > 1 && t == IR_T_PRED)
		return ptx_error(P, at, "Predicate type can only be used to define scalar register variables");
	if (vec > 4)
		return ptx_error(P, at, "Illegal vector size: %u", vec);
	if (vec * ir_type_bits(t) > 128)
		return ptx_error(P, at, "Vector type too large, exceeds 128 bit limit");
	return true;
}

bool ptx_parse_reg(struct ptx_parser *P)
{
	enum ir_type t;
	unsigned vec;

	if (!ptx_parse_type(P, &t, &vec, NULL) || !reg_vector_fits(P, t, vec, P->p))
		return false;
	do {
		struct ptx_name *name;
		const char *at;

		ptx_skip(P);
		at = P->p;
		name = ptx_ident(P);
		if (!name)
			return ptx_error(P, at, "Register name expected");
		if (ptx_accept(P, '<')) {
			struct ptx_number n;

			ptx_skip(P);
			if (*P->p < '0' || *P->p > '9')
				return ptx_error(P, P->p, "Number of registers expected");
			if (!ptx_number(P, &n) || !ptx_expect(P, '>'))
				return false;
			if (n.kind || n.bits > UINT32_MAX)
				return ptx_error(P, at, "Number of registers is out of range");
			if (!ptx_range_new(P, name, (uint32_t)n.bits, t, vec, at))
				return false;
		} else if (!ptx_reg_new(P, name, t, vec, at)) {
			return false;
		}
	} while (ptx_accept(P, ','));
	return ptx_expect(P, ';');
}

/* [4][8][] behind a name. Only the first dimension may be empty. */
struct dims { uint64_t n[PTX_MAX_DEPTH / 16]; unsigned count; bool unsized; };

static bool parse_dims(struct ptx_parser *P, struct dims *d)
{
	memset(d, 0, sizeof(*d));
	while (ptx_accept(P, '[')) {
		struct ptx_number n;
		const char *at = P->p;

		if (d->count == ARRAY_SIZE(d->n))
			return ptx_error(P, at, "Array has too many dimensions");
		if (ptx_accept(P, ']')) {
			if (d->count)
				return ptx_error(P, at, "Only the first dimension may be left open");
			d->unsized = true;
			d->n[d->count++] = 0;
			continue;
		}
		if (!ptx_expr(P, &n) || !ptx_expect(P, ']'))
			return false;
		if (n.kind || n.bits > PTX_MAX_VAR_B)
			return ptx_error(P, at, "Array size is out of range");
		d->n[d->count++] = n.bits;
	}
	return true;
}

/* Bytes of one element of the first dimension (all of it when there is none). */
static bool inner_size(struct ptx_parser *P, const struct dims *d, uint64_t elem, uint64_t *out)
{
	uint64_t n = elem;

	for (unsigned i = 1; i < d->count; i++) {
		if (d->n[i] && n > PTX_MAX_VAR_B / d->n[i])
			return ptx_error(P, P->p, "Variable is too big");
		n *= d->n[i];
	}
	*out = n;
	return true;
}

static bool apply_dims(struct ptx_parser *P, struct ir_var *v, const struct dims *d, uint64_t elem)
{
	uint64_t inner = 0;

	if (!inner_size(P, d, elem, &inner))
		return false;
	v->is_array = d->count > 0;
	v->unsized = d->unsized;
	if (!d->count) {
		v->size = elem;
	} else {
		if (d->n[0] && inner > PTX_MAX_VAR_B / d->n[0])
			return ptx_error(P, P->p, "Variable is too big");
		v->size = d->n[0] * inner;
	}
	return true;
}

/* ---- initial values ---- */

struct init {
	VGPU_VEC(uint8_t) bytes;
	VGPU_VEC(struct ir_reloc) relocs;
	uint64_t limit;      /* bytes; 0: open */
	uint64_t pos;
	enum ir_type type;
	unsigned elem;       /* bytes of one scalar */
	const struct dims *dims;
};

static bool room(struct ptx_parser *P, struct init *in, const char *at)
{
	if (in->limit != UINT64_MAX && in->pos + in->elem > in->limit)
		return ptx_error(P, at, "Too many initial values");
	if (in->pos + in->elem > PTX_MAX_VAR_B)
		return ptx_error(P, at, "Variable is too big");
	if (!vgpu_vec_reserve(&in->bytes, in->pos + in->elem))
		return ptx_nomem(P);
	if (in->bytes.n < in->pos)
		memset(in->bytes.v + in->bytes.n, 0, in->pos - in->bytes.n);
	if (in->bytes.n < in->pos + in->elem)
		in->bytes.n = in->pos + in->elem;
	return true;
}

static bool convert_init(struct ptx_parser *P, enum ir_type t, struct ptx_number *n, const char *at)
{
	bool is_float = ir_type_class(t) == IR_TC_FLOAT;
	uint32_t u = (uint32_t)n->bits;
	double d;
	float f;

	if (n->kind == 0) {
		if (!is_float || ir_type_bits(t) < 32)
			return true;
		d = n->is_unsigned ? (double)n->bits : (double)(int64_t)n->bits;
	} else if (n->kind == 1) {
		memcpy(&f, &u, 4);
		d = (double)f;
	} else {
		memcpy(&d, &n->bits, 8);
	}
	if (t == IR_T_F64 || (t == IR_T_B64 && n->kind == 2)) {
		memcpy(&n->bits, &d, 8);
	} else if (t == IR_T_F32 || (t == IR_T_B32 && n->kind)) {
		if (n->kind == 1) {   /* the bits as they are: a NaN keeps its payload */
			n->bits = u;
			return true;
		}
		f = (float)d;
		memcpy(&u, &f, 4);
		n->bits = u;
	} else {
		return ptx_error(P, at, "Floating point value for a variable of type .%s", ir_type_name(t));
	}
	return true;
}

static bool init_number(struct ptx_parser *P, struct init *in)
{
	struct ptx_number n;
	const char *at = P->p;

	if (!ptx_expr(P, &n) || !convert_init(P, in->type, &n, at) || !room(P, in, at))
		return false;
	memcpy(in->bytes.v + in->pos, &n.bits, MIN(in->elem, 8u));
	if (in->elem > 8)
		memset(in->bytes.v + in->pos + 8, 0, in->elem - 8);
	in->pos += in->elem;
	return true;
}

static bool reloc_symbol(struct ptx_parser *P, struct ir_reloc *r)
{
	const char *at;
	struct ptx_name *name;
	struct ptx_bind *b;

	ptx_skip(P);
	at = P->p;
	name = ptx_ident(P);
	if (!name)
		return ptx_error(P, at, "Symbol expected");
	b = ptx_lookup(P, name);
	if (!b || b->kind != PTX_B_SYM)
		return ptx_error(P, at, "Unknown symbol '%s'", name->text);
	r->sym = b->index;
	if (P->syms.v[b->index].kind == IR_SYM_FUNC)
		P->funcs.v[P->syms.v[b->index].index].address_taken = true;
	return true;
}

/* sym, sym+4, generic(sym)+4 */
static bool reloc_address(struct ptx_parser *P, struct ir_reloc *r)
{
	const char *at;
	struct ptx_name *name;

	ptx_skip(P);
	at = P->p;
	name = ptx_ident(P);
	if (ptx_is(name, "generic") && ptx_accept(P, '(')) {
		r->generic = true;
		if (!reloc_symbol(P, r) || !ptx_expect(P, ')'))
			return false;
	} else {
		P->p = at;
		if (!reloc_symbol(P, r))
			return false;
	}
	while (ptx_peek_char(P, '+') || ptx_peek_char(P, '-')) {
		bool minus = *P->p++ == '-';
		struct ptx_number n;

		ptx_skip(P);
		at = P->p;
		if (*P->p == '-') {
			minus = !minus;
			P->p++;
		}
		ptx_skip(P);
		if (!ptx_number(P, &n))
			return false;
		if (n.kind)
			return ptx_error(P, at, "An address offset must be an integer");
		r->addend = (int64_t)((uint64_t)r->addend + (minus ? -n.bits : n.bits));
	}
	return true;
}

static bool init_reloc(struct ptx_parser *P, struct init *in, uint64_t mask)
{
	struct ir_reloc r = { 0 };
	const char *at = P->p;

	r.mask_shift = mask ? (uint32_t)__builtin_ctzll(mask) : UINT32_MAX;
	if (mask && (mask >> r.mask_shift) != 0xff)
		return ptx_error(P, at, "A mask must select one byte, as 0xFF00 does");
	if (mask && !ptx_expect(P, '('))
		return false;
	if (!reloc_address(P, &r) || (mask && !ptx_expect(P, ')')) || !room(P, in, at))
		return false;
	if (!mask && in->elem != 4 && in->elem != 8)
		return ptx_error(P, at, "An address needs a variable of 32 or 64 bits");
	if (in->pos > UINT32_MAX)
		return ptx_error(P, at, "Variable is too big");
	r.offset = (uint32_t)in->pos;
	r.size_B = mask ? 1 : in->elem;
	memset(in->bytes.v + in->pos, 0, in->elem);
	in->pos += in->elem;
	if (!vgpu_vec_push(&in->relocs, r))
		return ptx_nomem(P);
	return true;
}

/* A mask has the form of a number followed by a parenthesis. */
static bool is_mask(struct ptx_parser *P, uint64_t *mask)
{
	const char *p = P->p;
	struct ptx_number n;

	if (p[0] != '0' || (p[1] | 32) != 'x')
		return false;
	for (p += 2; ptx_is_ident(*p); p++)
		;
	if (*p != '(' || !ptx_number(P, &n) || !n.bits)
		return false;
	*mask = n.bits;
	return true;
}

static bool init_scalar(struct ptx_parser *P, struct init *in)
{
	uint64_t mask = 0;

	ptx_skip(P);
	if (ptx_is_ident_start(*P->p) && strncmp(P->p, "WARP_SZ", 7))
		return init_reloc(P, in, 0);
	if (is_mask(P, &mask))
		return init_reloc(P, in, mask);
	return init_number(P, in);
}

/* Values in braces; level: which dimension the braces stand for. */
static bool init_list(struct ptx_parser *P, struct init *in, unsigned level)
{
	uint64_t start = in->pos, stride = in->elem;

	if (level > PTX_MAX_DEPTH)
		return ptx_error(P, P->p, "Initial values are nested too deeply");
	for (unsigned i = level; i < in->dims->count; i++)
		if (i > 0 && in->dims->n[i])
			stride *= in->dims->n[i];
	if (ptx_accept(P, '}'))
		goto out;
	do {
		if (ptx_peek_char(P, '}'))      /* a comma may follow the last value */
			break;
		if (ptx_accept(P, '{')) {
			if (!init_list(P, in, level + 1))
				return false;
		} else if (!init_scalar(P, in)) {
			return false;
		}
		if (P->nomem)
			return false;
	} while (ptx_accept(P, ','));
	if (!ptx_expect(P, '}'))
		return false;
out:
	/* an inner list that is too short leaves zeros */
	if (level > 0 && level < in->dims->count && in->pos - start < stride)
		in->pos = start + stride;
	return true;
}

static bool keep_init(struct ptx_parser *P, struct ir_var *v, struct init *in)
{
	if (in->pos > in->bytes.n)      /* a short last inner list */
		if (!vgpu_vec_reserve(&in->bytes, in->pos))
			return ptx_nomem(P);
	if (in->pos > in->bytes.n) {
		memset(in->bytes.v + in->bytes.n, 0, in->pos - in->bytes.n);
		in->bytes.n = in->pos;
	}
	if (v->unsized) {
		v->size = in->bytes.n;
		v->unsized = false;
	}
	v->init = ir_arena_alloc(P->m->arena, v->size);
	v->relocs = ir_arena_array(P->m->arena, in->relocs.n, sizeof(*v->relocs));
	if (!v->init || !v->relocs)
		return ptx_nomem(P);
	if (in->bytes.n)
		memcpy(v->init, in->bytes.v, MIN(in->bytes.n, v->size));
	if (in->relocs.n)
		memcpy(v->relocs, in->relocs.v, in->relocs.n * sizeof(*v->relocs));
	v->n_relocs = (uint32_t)in->relocs.n;
	return true;
}

/* { addr_mode_0 = wrap, … } of samplers and textures: read and left. */
static bool skip_sampler_init(struct ptx_parser *P)
{
	if (!ptx_expect(P, '{'))
		return false;
	while (P->p < P->end && !ptx_peek_char(P, '}') && *P->p != ';')
		P->p++;
	return ptx_expect(P, '}');
}

static bool parse_init(struct ptx_parser *P, struct ir_var *v, const struct dims *d)
{
	struct init in = { .limit = v->unsized ? UINT64_MAX : v->size, .type = v->type,
			   .elem = ir_type_size(v->type), .dims = d };
	bool ok;

	if (v->type == IR_T_TEXREF || v->type == IR_T_SAMPLERREF || v->type == IR_T_SURFREF)
		return skip_sampler_init(P);
	ok = ptx_accept(P, '{') ? init_list(P, &in, 0) : init_scalar(P, &in);
	ok = ok && keep_init(P, v, &in);
	vgpu_vec_free(&in.bytes);
	vgpu_vec_free(&in.relocs);
	return ok;
}

/* ---- variables ---- */

static bool declare_local(struct ptx_parser *P, struct ptx_name *name, struct ir_var *v, const char *at)
{
	struct ptx_fn *fn = P->fn;
	uint32_t base = fn->f.proto.n_rets + fn->f.proto.n_params;

	if (v->space == IR_SPACE_PARAM_FUNC)
		v->after = fn->scopes[fn->depth].live_param;
	if (!ptx_bind_new(P, name, PTX_B_LOCAL, base + (uint32_t)fn->locals.n, at))
		return false;
	if (!vgpu_vec_push(&fn->locals, *v))
		return ptx_nomem(P);
	if (v->space == IR_SPACE_PARAM_FUNC)
		fn->scopes[fn->depth].live_param = (uint32_t)fn->locals.n;
	return true;
}

/* Global and constant memory declared inside a function is the module's, under a name of its own. */
static bool belongs_to_module(const struct ptx_decl *d)
{
	return d->space == IR_SPACE_GLOBAL || d->space == IR_SPACE_CONST || d->linkage != IR_LINK_LOCAL;
}

static bool parse_one_var(struct ptx_parser *P, const struct ptx_decl *d, enum ir_type t, unsigned vec, uint32_t align)
{
	struct ir_var v = { .space = d->space, .type = t, .linkage = d->linkage, .managed = d->managed };
	struct ptx_name *name;
	struct dims dims;
	const char *at;

	ptx_skip(P);
	at = P->p;
	v.loc = ptx_loc(P);
	name = ptx_ident(P);
	if (!name)
		return ptx_error(P, at, "Name of a variable expected");
	v.name = name->text;
	v.align = natural_align(t, vec, align);
	if (!parse_dims(P, &dims) || !apply_dims(P, &v, &dims, (uint64_t)ir_type_size(t) * vec))
		return false;
	if (ptx_accept(P, '=')) {
		if (d->space != IR_SPACE_GLOBAL && d->space != IR_SPACE_CONST)
			return ptx_error(P, at, "Only .global and .const variables have initial values");
		if (!parse_init(P, &v, &dims))
			return false;
	}
	if (P->fn && !belongs_to_module(d))
		return declare_local(P, name, &v, at);
	return ptx_declare_var(P, name, &v, at);
}

bool ptx_parse_vars(struct ptx_parser *P, struct ptx_decl *d)
{
	uint32_t align = 0;
	enum ir_type t;
	unsigned vec;

	if (!ptx_parse_type(P, &t, &vec, &align))
		return false;
	do
		if (!parse_one_var(P, d, t, vec, align))
			return false;
	while (ptx_accept(P, ','));
	return ptx_expect(P, ';');
}

/* ".ptr .global .align 16" behind a parameter's type. */
static bool skip_ptr_attributes(struct ptx_parser *P)
{
	struct ptx_name *w;

	while ((w = ptx_dot_word(P))) {
		uint32_t align;

		if (ptx_is(w, "align")) {
			if (!read_align(P, &align))
				return false;
		} else if (!ptx_is(w, "ptr") && !ptx_is(w, "global") && !ptx_is(w, "shared") && !ptx_is(w, "const") &&
			   !ptx_is(w, "local") && !ptx_is(w, "generic")) {
			return ptx_error(P, P->p - w->len - 1, "Unexpected '.%s' in a parameter", w->text);
		}
	}
	return true;
}

struct params {
	VGPU_VEC(struct ir_var) vars;
	VGPU_VEC(struct ptx_name *) ids;
};

bool ptx_parse_param(struct ptx_parser *P, struct ir_var *v, struct ptx_name **name, unsigned *vec_out, bool entry)
{
	struct ptx_name *w;
	uint32_t align = 0;
	struct dims dims;
	unsigned vec;
	enum ir_type t;
	const char *at;

	memset(v, 0, sizeof(*v));
	ptx_skip(P);
	at = P->p;
	w = ptx_dot_word(P);
	if (!ptx_is(w, "param") && (entry || !ptx_is(w, "reg")))
		return ptx_error(P, at, "Parameter expected");
	if (!ptx_parse_type(P, &t, &vec, &align) || !skip_ptr_attributes(P))
		return false;
	v->space = ptx_is(w, "reg") ? IR_SPACE_REG : entry ? IR_SPACE_PARAM : IR_SPACE_PARAM_FUNC;
	v->type = t;
	v->loc = ptx_loc(P);
	ptx_skip(P);
	at = P->p;
	*name = ptx_ident(P);
	if (!*name)
		return ptx_error(P, at, "Name of a parameter expected");
	v->name = (*name)->text;
	v->align = natural_align(t, vec, align);
	if (ptx_accept(P, '<'))
		return ptx_error(P, at, "A parameter can't be a range");
	*vec_out = v->space == IR_SPACE_REG ? vec : 1;
	if (v->space == IR_SPACE_REG && !reg_vector_fits(P, t, vec, at))
		return false;
	return parse_dims(P, &dims) && apply_dims(P, v, &dims, (uint64_t)ir_type_size(t) * (vec / *vec_out));
}

static bool push_param(struct ptx_parser *P, struct params *l, struct ir_var v, struct ptx_name *name, unsigned vec)
{
	const char *text = v.name;

	for (unsigned k = 0; k < vec; k++) {
		if (vec > 1)
			v.name = ir_arena_printf(P->m->arena, "%s$%c", text, "xyzw"[k]);
		if (!v.name || !vgpu_vec_push(&l->vars, v) || !vgpu_vec_push(&l->ids, k ? NULL : name))
			return ptx_nomem(P);
	}
	return true;
}

bool ptx_parse_param_list(struct ptx_parser *P, struct ir_var **out, uint32_t *n, struct ptx_name ***names, bool entry)
{
	struct params l = { 0 };
	bool ok = true;

	*n = 0;
	*out = NULL;
	*names = NULL;
	if (ptx_accept(P, ')'))
		return true;
	do {
		struct ir_var v;
		struct ptx_name *name;
		unsigned vec;

		ok = ptx_parse_param(P, &v, &name, &vec, entry) && push_param(P, &l, v, name, vec);
	} while (ok && ptx_accept(P, ','));
	ok = ok && ptx_expect(P, ')');
	if (ok) {
		*out = ir_arena_array(P->m->arena, l.vars.n, sizeof(**out));
		*names = ir_arena_array(P->arena, l.ids.n, sizeof(**names));
		if (*out && *names) {
			memcpy(*out, l.vars.v, l.vars.n * sizeof(**out));
			memcpy(*names, l.ids.v, l.ids.n * sizeof(**names));
			*n = (uint32_t)l.vars.n;
		} else {
			ok = ptx_nomem(P);
		}
	}
	vgpu_vec_free(&l.vars);
	vgpu_vec_free(&l.ids);
	return ok;
}
