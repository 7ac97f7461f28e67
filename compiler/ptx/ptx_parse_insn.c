/* ptx_parse_insn.c: one instruction: its form, its operands in the IR's places, and calls. */
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

static const char *base_name(const struct ptx_form *f)
{
	return ptx_op_name(f->insn.op);
}

static bool report_form(struct ptx_parser *P, const char *at, enum ptx_decode why, struct ptx_name *spelling, const char *bad)
{
	int base = (int)strcspn(spelling->text, ".");

	switch (why) {
	case PTX_DECODE_NO_INSN:
		return ptx_error(P, at, "Not a name of any known instruction: '%.*s'", base, spelling->text);
	case PTX_DECODE_NO_MODIFIER:
		return ptx_error(P, at, "Unknown modifier '.%s' in instruction '%s'", bad, spelling->text);
	case PTX_DECODE_BAD_MODIFIER:
		return ptx_error(P, at, "Modifier '.%s' does not apply to instruction '%.*s' in '%s'", bad, base,
				 spelling->text, spelling->text);
	default:
		return ptx_error(P, at, "Illegal combination of modifiers and types for instruction '%.*s': '%s'", base,
				 spelling->text, spelling->text);
	}
}

bool ptx_form_of(struct ptx_parser *P, struct ptx_name *spelling, const char *at, struct ptx_form **out)
{
	enum ptx_decode why;
	char bad[64];

	if (!spelling->form) {
		struct ptx_form *f = ir_arena_alloc(P->arena, sizeof(*f));

		if (!f)
			return ptx_nomem(P);
		why = ptx_form_decode(spelling->text, spelling->len, f, bad, sizeof(bad));
		if (why != PTX_DECODE_OK)
			return report_form(P, at, why, spelling, bad);
		if (f->old && P->version >= 14)
			return report_form(P, at, PTX_DECODE_BAD_COMBINATION, spelling, bad);
		if (f->min_version > P->version)
			ptx_warn(P, at, "Instruction '%s' needs .version %u.%u or later", spelling->text,
				 f->min_version / 10, f->min_version % 10);
		if (f->unsupported)
			f->insn.unsupported = ir_arena_printf(P->m->arena, "instruction '%s' is not implemented", spelling->text);
		spelling->form = f;
	}
	*out = spelling->form;
	return true;
}

/* ---- operands ---- */

/* Values that make one operand: scales of A, where they are, scales of B, where they are. */
#define MAX_JOINED 6

struct texts {
	struct ptx_opnd_text t[PTX_MAX_SPEC];
	unsigned n, plain;       /* plain: without the second halves of pairs */
};

static bool read_operands(struct ptx_parser *P, struct texts *x)
{
	x->n = x->plain = 0;
	if (ptx_accept(P, ';'))
		return true;
	do {
		bool pair = false;

		do {
			if (x->n == PTX_MAX_SPEC)
				return ptx_error(P, P->p, "Too many operands");
			if (!ptx_parse_operand(P, &x->t[x->n]))
				return false;
			x->t[x->n].pair = pair;
			x->plain += !pair;
			x->n++;
			pair = true;
		} while (ptx_accept(P, '|'));
	} while (ptx_accept(P, ','));
	return ptx_expect(P, ';');
}

/* Puts an operand, or a vector's elements, behind those of the vector *v. */
static bool join(struct ptx_parser *P, struct ir_opnd *v, const struct ir_opnd *o)
{
	unsigned n = o->kind == IR_OPND_VEC ? o->n_vec : 1;
	struct ir_opnd *all;

	if (v->n_vec + n > MAX_JOINED)
		return false;
	all = ir_arena_array(P->m->arena, v->n_vec + n, sizeof(*all));
	if (!all)
		return ptx_nomem(P);
	if (v->n_vec)
		memcpy(all, v->vec, v->n_vec * sizeof(*all));
	memcpy(all + v->n_vec, o->kind == IR_OPND_VEC ? o->vec : o, n * sizeof(*all));
	v->vec = all;
	v->n_vec = (uint8_t)(v->n_vec + n);
	return true;
}

static bool place(struct ptx_parser *P, struct ir_insn *i, const struct ptx_opspec *s, const struct ptx_opnd_text *t)
{
	if (s->dst) {
		if (i->n_dst == IR_MAX_DST)
			return false;
		i->dst[i->n_dst++] = t->o;
		return true;
	}
	if (s->kind == PTX_OPK_TABLE)
		return true;
	if (s->kind == PTX_OPK_JOIN)
		return join(P, &i->src[i->n_src - 1], &t->o);
	if (i->n_src == IR_MAX_SRC)
		return false;
	i->src[i->n_src++] = t->o;
	if (s->kind == PTX_OPK_TEX && t->sampler.kind != IR_OPND_NONE && i->n_src < IR_MAX_SRC) {
		i->flags |= IR_F_SAMPLER;
		i->src[i->n_src++] = t->sampler;
	}
	return true;
}

static bool mismatch(struct ptx_parser *P, const char *at, const struct ptx_form *f)
{
	return ptx_error(P, at, "Arguments mismatch for instruction '%s'", base_name(f));
}

/* Matches operands with the form's, left to right; an optional one is there if there are enough operands. */
static bool fit_operands(struct ptx_parser *P, const struct ptx_form *f, struct texts *x, struct ir_insn *i, const char *at)
{
	int spare = (int)x->plain - f->n_required;
	unsigned k = 0, errors = P->diag->n_errors;
	bool joined = false;

	for (unsigned n = 0; n < f->n_spec; n++) {
		const struct ptx_opspec *s = &f->spec[n];
		bool there = k < x->n && x->t[k].pair == s->pair;

		if (s->optional && !s->pair)
			there = there && spare-- > 0;
		if (!there) {
			if (!s->optional)
				return mismatch(P, at, f);
			if (!s->pair && !s->dst && !joined && i->n_src < IR_MAX_SRC)
				i->n_src++;      /* left out: NONE */
			continue;
		}
		if (s->kind == PTX_OPK_JOIN && !joined) {
			if (i->n_src == IR_MAX_SRC)
				return mismatch(P, x->t[k].at, f);
			i->src[i->n_src++].kind = IR_OPND_VEC;
			joined = true;
		}
		if (!ptx_fit_operand(P, s, i, &x->t[k]))
			return P->diag->n_errors != errors || P->nomem ? false : mismatch(P, x->t[k].at, f);
		if (!place(P, i, s, &x->t[k]))
			return mismatch(P, x->t[k].at, f);
		k++;
	}
	if (k != x->n || (joined && i->src[i->n_src - 1].n_vec != MAX_JOINED))
		return mismatch(P, k != x->n ? x->t[k].at : at, f);
	while (i->n_src && i->src[i->n_src - 1].kind == IR_OPND_NONE)
		i->n_src--;
	return true;
}

/* Operands of an instruction that nothing can run: kept as far as they fit, for the printer. */
static bool loose_operands(struct ptx_parser *P, struct ir_insn *i)
{
	if (ptx_accept(P, ';'))
		return true;
	do {
		struct ptx_opnd_text t;

		if (!ptx_parse_operand(P, &t))
			return false;
		if (t.o.kind == IR_OPND_LABEL)
			return ptx_error(P, t.at, "Unknown symbol '%s'", t.name->text);
		t.o.sub = 0;
		for (unsigned k = 0; k < t.o.n_vec; k++)
			t.o.vec[k].sub = 0;
		if (i->n_src < IR_MAX_SRC)
			i->src[i->n_src++] = t.o;
	} while (ptx_accept(P, ',') || ptx_accept(P, '|'));
	return ptx_expect(P, ';');
}

/* cp.async: the size moves from the operands to extra. */
static bool finish_cp(struct ptx_parser *P, struct ir_insn *i, const char *at)
{
	uint64_t size;

	if (i->mode != IR_MODE_NONE || i->n_src < 3)
		return true;
	size = i->src[2].imm;
	if (i->src[2].kind != IR_OPND_IMM || (size != 4 && size != 8 && size != 16))
		return ptx_error(P, at, "cp.async copies 4, 8 or 16 bytes");
	i->extra = (uint32_t)size;
	for (unsigned k = 3; k < i->n_src; k++)
		i->src[k - 1] = i->src[k];
	memset(&i->src[--i->n_src], 0, sizeof(i->src[0]));
	return true;
}

static bool is_minus(const struct ptx_parser *P, const struct ir_opnd *o)
{
	return o->neg && o->kind == IR_OPND_REG && P->fn->regs.v[o->reg].type != IR_T_PRED;
}

static bool no_minus(struct ptx_parser *P, const struct ir_insn *i, const char *at)
{
	for (unsigned k = 0; k < i->n_src; k++)
		if (is_minus(P, &i->src[k]))
			return ptx_error(P, at, "Operand negation not allowed for instruction '%s'", ptx_op_name(i->op));
	return true;
}

static bool finish_vmad(struct ptx_parser *P, const struct ir_insn *i, const char *at)
{
	unsigned minus = (unsigned)is_minus(P, &i->src[0]) + is_minus(P, &i->src[1]) + is_minus(P, &i->src[2]);

	if (minus > 1)
		return ptx_error(P, at, "Operand negation limited to either (source A xor source B) or source C");
	if (minus && (i->flags & IR_F_PO))
		return ptx_error(P, at, "Operand negation not allowed with '.po'");
	return true;
}

/* No selector, or so many digits, none above max. */
static bool selector_fits(const struct ir_opnd *o, bool half, unsigned digits, unsigned max)
{
	unsigned n = o->sub & 0x80 ? o->sub & 0x3f : 1;
	uint64_t v = o->sub & 0x80 ? o->imm : (o->sub & 0x3fu) - 1;

	if (!o->sub || o->kind != IR_OPND_REG)
		return !o->sub;
	if (n != digits || (!(o->sub & 0x80) && half != ((o->sub & 0x40) != 0)))
		return false;
	for (; n--; v >>= 4)
		if ((v & 15) > max)
			return false;
	return true;
}

/* The result's mask: at least one digit, each one smaller than the one in front of it. */
static bool mask_fits(const struct ir_opnd *o, bool half, unsigned elems)
{
	uint64_t last = 0;
	unsigned n = o->sub & 0x80 ? o->sub & 0x3f : 1;

	if (!o->sub)
		return true;
	if (n > elems || !selector_fits(o, half, n, elems - 1))
		return false;
	for (unsigned k = 0; n > 1 && k < n; k++) {
		uint64_t v = o->imm >> (4 * k) & 15;

		if (k && v <= last)
			return false;
		last = v;
	}
	return true;
}

static unsigned simd_elements(enum ir_op op)
{
	const char *name = ptx_op_name(op);
	char last = name[strlen(name) - 1];

	return *name == 'v' && (last == '2' || last == '4') ? (unsigned)(last - '0') : 0;
}

static bool has_selectors(enum ir_op op)
{
	return (op >= IR_OP_vabsdiff && op <= IR_OP_vmin4) || (op >= IR_OP_vset && op <= IR_OP_vsub4);
}

static bool scalar_selector_fits(const struct ir_opnd *o)
{
	return selector_fits(o, true, 1, 1) || selector_fits(o, false, 1, 3);
}

static bool check_selectors(struct ptx_parser *P, const struct ir_insn *i, const char *at)
{
	unsigned n = simd_elements(i->op), bad = 4;

	if (!has_selectors(i->op)) {
		for (unsigned k = 0; k < i->n_src; k++)
			if (i->src[k].kind == IR_OPND_REG && i->src[k].sub)
				return ptx_error(P, at, "Video selector is not allowed on source operand for instruction '%s'",
						 ptx_op_name(i->op));
		for (unsigned k = 0; k < i->n_dst; k++)
			if (i->dst[k].kind == IR_OPND_REG && i->dst[k].sub)
				return ptx_error(P, at, "Video selector is not allowed on destination for instruction '%s'",
						 ptx_op_name(i->op));
		return true;
	}
	if (n ? !mask_fits(&i->dst[0], n == 2, n) : !scalar_selector_fits(&i->dst[0]))
		bad = 0;
	for (unsigned k = 0; k < i->n_src && bad == 4; k++)
		if (k == 2 ? i->src[k].sub != 0 && i->src[k].kind == IR_OPND_REG :
		    n ? !selector_fits(&i->src[k], n == 2, n, 2 * n - 1) : !scalar_selector_fits(&i->src[k]))
			bad = k + 1;
	if (bad < 4)
		return ptx_error(P, at, "Incorrect video selector for operand %u", bad);
	if (!n && i->dst[0].sub && (i->atom || i->n_src < 3))
		return ptx_error(P, at, i->atom ? "Video instruction cannot have destination selector and secondary operation" :
				 "Video selector is not allowed on destination for instruction '%s'", ptx_op_name(i->op));
	return true;
}

static bool finish(struct ptx_parser *P, struct ir_insn *i, const char *at)
{
	if (!check_selectors(P, i, at))
		return false;
	switch (i->op) {
	case IR_OP_cp:
		return finish_cp(P, i, at);
	case IR_OP_lop3:
		if (i->src[3].imm > 255)
			return ptx_error(P, at, "The table of lop3 is a number from 0 to 255");
		i->extra = (uint32_t)i->src[3].imm;
		return true;
	case IR_OP_membar:
		if (i->mode == IR_MODE_NONE)
			i->order = IR_ORD_SC;
		return true;
	case IR_OP_vmad:
		return finish_vmad(P, i, at);
	default:
		return no_minus(P, i, at);
	}
}

bool ptx_parse_insn(struct ptx_parser *P, struct ptx_name *spelling, const char *at, struct ir_insn *i)
{
	struct ptx_form *f;
	struct texts x;

	if (!ptx_form_of(P, spelling, at, &f))
		return false;
	*i = f->insn;
	i->spelling = spelling->text;
	if (i->op == IR_OP_call)
		return ptx_parse_call(P, i, at);
	if (f->any_operands)
		return loose_operands(P, i);
	return read_operands(P, &x) && fit_operands(P, f, &x, i, at) && finish(P, i, at);
}

bool ptx_emit(struct ptx_parser *P, const char *spelling, const struct ir_opnd *d, const struct ir_opnd *s, unsigned n_s)
{
	struct ptx_name *name = ptx_intern(P, spelling, strlen(spelling));
	struct ptx_form *f;
	struct ir_insn i;

	if (!name || !ptx_form_of(P, name, P->p, &f))
		return false;
	i = f->insn;
	i.spelling = name->text;
	i.loc = ptx_loc(P);
	i.dst[i.n_dst++] = *d;
	for (unsigned k = 0; k < n_s; k++)
		i.src[i.n_src++] = s[k];
	if (!vgpu_vec_push(&P->fn->insns, i))
		return ptx_nomem(P);
	return true;
}

bool ptx_temp(struct ptx_parser *P, enum ir_type type, struct ir_opnd *o)
{
	struct ir_reg r = { ir_arena_printf(P->m->arena, "%%$t%zu", P->fn->regs.n), (uint8_t)type };

	if (P->fn->regs.n >= PTX_MAX_REGS)
		return ptx_error(P, P->p, "Function has more than %u registers", PTX_MAX_REGS);
	memset(o, 0, sizeof(*o));
	o->kind = IR_OPND_REG;
	o->reg = (uint32_t)P->fn->regs.n;
	if (!r.name || !vgpu_vec_push(&P->fn->regs, r))
		return ptx_nomem(P);
	return true;
}

/* ---- call ---- */

#define MAX_ARGS 256

/* A vector register stands for its components, in the call as in the function's header. */
static bool call_vector(struct ptx_parser *P, const struct ptx_opnd_text *t, struct ir_opnd *tmp, uint32_t *n)
{
	for (unsigned k = 0; k < t->o.n_vec; k++) {
		if (*n == MAX_ARGS)
			return ptx_error(P, t->at, "Call has more than %d arguments", MAX_ARGS);
		if (t->o.vec[k].kind != IR_OPND_REG)
			return ptx_error(P, t->at, "Arguments mismatch for instruction 'call'");
		tmp[(*n)++] = t->o.vec[k];
	}
	return true;
}

static bool call_list(struct ptx_parser *P, struct ir_opnd **out, uint32_t *n_out, bool dst)
{
	struct ir_opnd tmp[MAX_ARGS];
	uint32_t n = 0;

	if (!ptx_accept(P, ')')) {
		do {
			struct ptx_opnd_text t;

			if (n == MAX_ARGS)
				return ptx_error(P, P->p, "Call has more than %d arguments", MAX_ARGS);
			if (!ptx_parse_operand(P, &t))
				return false;
			if (t.o.kind == IR_OPND_LABEL)
				return ptx_error(P, t.at, "Unknown symbol '%s'", t.name->text);
			if (t.o.kind == IR_OPND_VEC) {
				if (!call_vector(P, &t, tmp, &n))
					return false;
				continue;
			}
			if ((t.o.kind != IR_OPND_REG && t.o.kind != IR_OPND_SYM && t.o.kind != IR_OPND_SINK &&
			     (dst || t.o.kind != IR_OPND_IMM)) || t.o.neg)
				return ptx_error(P, t.at, "Arguments mismatch for instruction 'call'");
			t.o.sub = 0;
			tmp[n++] = t.o;
		} while (ptx_accept(P, ','));
		if (!ptx_expect(P, ')'))
			return false;
	}
	*out = ir_arena_array(P->m->arena, n, sizeof(**out));
	if (!*out)
		return ptx_nomem(P);
	memcpy(*out, tmp, n * sizeof(*tmp));
	*n_out = n;
	return true;
}

static bool call_target(struct ptx_parser *P, struct ir_call *c)
{
	struct ptx_opnd_text t;

	ptx_skip(P);
	if (!ptx_parse_operand(P, &t))
		return false;
	if (t.o.kind == IR_OPND_LABEL)
		return ptx_error(P, t.at, "Call to unknown function '%s'", t.name->text);
	if (t.o.kind == IR_OPND_FUNC && P->funcs.v[P->syms.v[t.o.sym].index].is_entry)
		return ptx_error(P, t.at, "Entry '%s' can't be called", P->syms.v[t.o.sym].name);
	if (t.o.kind != IR_OPND_FUNC && (t.o.kind != IR_OPND_REG || t.o.sub ||
	    ir_type_bits(P->fn->regs.v[t.o.reg].type) < 32 ||
	    ir_type_class(P->fn->regs.v[t.o.reg].type) == IR_TC_FLOAT))
		return ptx_error(P, t.at, "Target of a call must be a function or a register");
	c->target = t.o;
	return true;
}

/* The last operand of an indirect call: a prototype or a list of targets. */
static bool call_proto(struct ptx_parser *P, struct ir_call *c)
{
	struct ptx_name *name;
	const char *at;

	ptx_skip(P);
	at = P->p;
	name = ptx_ident(P);
	if (!name || !name->bind || (name->bind->kind != PTX_B_PROTO && name->bind->kind != PTX_B_CALLS))
		return ptx_error(P, at, "Prototype of an indirect call expected");
	if (name->bind->kind == PTX_B_PROTO) {
		c->proto = name->bind->proto;
		return true;
	}
	c->targets = P->fn->calls.v[name->bind->index].funcs;
	c->n_targets = P->fn->calls.v[name->bind->index].n;
	if (c->n_targets) {
		c->proto = ir_arena_alloc(P->m->arena, sizeof(*c->proto));
		if (!c->proto)
			return ptx_nomem(P);
		*c->proto = P->funcs.v[c->targets[0]].proto;
	}
	return true;
}

static bool check_counts(struct ptx_parser *P, const struct ir_call *c, const char *at)
{
	const struct ir_proto *p = c->proto;
	const char *who = "the prototype";

	if (c->target.kind == IR_OPND_FUNC) {
		const struct ir_func *f = &P->funcs.v[P->syms.v[c->target.sym].index];

		p = &f->proto;
		who = f->name;
	}
	if (!p)
		return ptx_error(P, at, "An indirect call needs a prototype");
	if (p->n_params != c->n_args)
		return ptx_error(P, at, "Call has %u arguments, but '%s' has %u parameters", c->n_args, who, p->n_params);
	if (p->n_rets != c->n_rets)
		return ptx_error(P, at, "Call has %u results, but '%s' gives %u", c->n_rets, who, p->n_rets);
	return true;
}

static bool read_call(struct ptx_parser *P, struct ir_call *c, const char *at)
{
	bool more;

	if (ptx_accept(P, '(') && (!call_list(P, &c->rets, &c->n_rets, true) || !ptx_expect(P, ',')))
		return false;
	if (!call_target(P, c))
		return false;
	more = ptx_accept(P, ',');
	if (more && ptx_accept(P, '(')) {
		if (!call_list(P, &c->args, &c->n_args, false))
			return false;
		more = ptx_accept(P, ',');
	}
	if (more && !call_proto(P, c))
		return false;
	return ptx_expect(P, ';') && check_counts(P, c, at);
}

/* Immediates among the arguments get the type of the parameter. */
static bool fit_args(struct ptx_parser *P, struct ir_call *c, const char *at)
{
	const struct ir_proto *p = c->target.kind == IR_OPND_FUNC ?
		&P->funcs.v[P->syms.v[c->target.sym].index].proto : c->proto;

	for (uint32_t k = 0; k < c->n_args; k++) {
		unsigned bits = ir_type_bits(p->params[k].type);

		if (c->args[k].kind == IR_OPND_SYM && !c->args[k].sym_local)
			return ptx_error(P, at, "Argument %u of a call must be a .param variable, register or number", k + 1);
		if (c->args[k].kind == IR_OPND_IMM && bits < 64)
			c->args[k].imm &= (1ull << bits) - 1;
	}
	return true;
}

bool ptx_parse_call(struct ptx_parser *P, struct ir_insn *i, const char *at)
{
	struct ir_call *c = ir_arena_alloc(P->m->arena, sizeof(*c));

	if (!c)
		return ptx_nomem(P);
	i->call = c;
	return read_call(P, c, at) && fit_args(P, c, at);
}
