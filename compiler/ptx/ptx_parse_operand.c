/*
 * ptx_parse_operand.c: operands. Reading does not know what the instruction
 * wants; fitting then checks the operand against the form and gives
 * immediates their type.
 */
#include <stdio.h>
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

#define MAX_VEC 255

static bool read_imm(struct ptx_parser *P, struct ir_opnd *o)
{
	struct ptx_number n;

	if (!ptx_expr(P, &n))
		return false;
	o->kind = IR_OPND_IMM;
	o->imm = n.bits;
	o->sub = n.kind;
	return true;
}

static int component(char c)
{
	switch (c) {
	case 'x': case 'r': return 0;
	case 'y': case 'g': return 1;
	case 'z': case 'b': return 2;
	case 'w': case 'a': return 3;
	}
	return -1;
}

/* %r1.b0, %r1.h10 of video instructions; v.x of a vector register */
static bool read_selector(struct ptx_parser *P, struct ir_opnd *o, const struct ptx_bind *b)
{
	const char *s = P->p + 1, *at = P->p;
	unsigned n = 0;

	while (ptx_is_ident(s[n]))
		n++;
	P->p = s + n;
	if (b->kind == PTX_B_VREG) {
		int c = n == 1 ? component(*s) : -1;

		if (c < 0 || c >= b->count)
			return ptx_error(P, at, "'.%.*s' is not a component of a .v%u register", (int)n, s, b->count);
		o->kind = IR_OPND_REG;
		o->reg = b->index + (unsigned)c;
		return true;
	}
	if (b->kind != PTX_B_REG || (*s != 'b' && *s != 'h') || n < 2 || n > 5)
		return ptx_error(P, at, "Unexpected selector '.%.*s'", (int)n, s);
	for (unsigned i = 1; i < n; i++) {
		if (s[i] < '0' || s[i] > '7')
			return ptx_error(P, at, "Unexpected selector '.%.*s'", (int)n, s);
		o->imm = o->imm << 4 | (unsigned)(s[i] - '0');
	}
	o->sub = n == 2 ? (uint8_t)((*s == 'h' ? 0x40 : 0) | (1 + o->imm)) : (uint8_t)(0x80 | (n - 1));
	if (n == 2)
		o->imm = 0;
	return true;
}

static bool whole_vector(struct ptx_parser *P, struct ir_opnd *o, const struct ptx_bind *b)
{
	o->kind = IR_OPND_VEC;
	o->n_vec = b->count;
	o->vec = ir_arena_array(P->m->arena, b->count, sizeof(*o->vec));
	if (!o->vec)
		return ptx_nomem(P);
	for (unsigned i = 0; i < b->count; i++) {
		o->vec[i].kind = IR_OPND_REG;
		o->vec[i].reg = b->index + i;
	}
	return true;
}

static void read_symbol(struct ptx_parser *P, struct ir_opnd *o, const struct ptx_bind *b)
{
	o->sym = b->index;
	o->sym_local = b->kind == PTX_B_LOCAL;
	o->kind = b->kind == PTX_B_SYM && P->syms.v[b->index].kind == IR_SYM_FUNC ? IR_OPND_FUNC : IR_OPND_SYM;
}

static bool special_register(struct ptx_parser *P, struct ir_opnd *o, struct ptx_name *name)
{
	unsigned n = 0;
	struct ptx_name *full;

	if (name->sreg) {
		o->kind = IR_OPND_SREG;
		o->imm = name->sreg;
		return true;
	}
	if (name->text[0] != '%' || *P->p != '.')
		return false;
	while (ptx_is_ident(P->p[1 + n]))
		n++;
	full = ptx_intern(P, P->p - name->len, name->len + 1 + n);
	if (!full || !full->sreg)
		return false;
	P->p += 1 + n;
	o->kind = IR_OPND_SREG;
	o->imm = full->sreg;
	return true;
}

static bool starts_name(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return ptx_is_ident_start(*s) && strncmp(s, "WARP_SZ", 7);
}

/* "+ 4", "-8", "+-4" behind an address */
static bool read_offset(struct ptx_parser *P, int64_t *off)
{
	while (ptx_peek_char(P, '+') || ptx_peek_char(P, '-')) {
		bool minus = *P->p++ == '-';
		const char *at;
		struct ptx_number n;

		ptx_skip(P);
		at = P->p;
		if (*P->p == '-' || *P->p == '+') {
			minus ^= *P->p == '-';
			P->p++;
			ptx_skip(P);
		}
		if (*P->p == '(' ? !ptx_expr(P, &n) : !(*P->p >= '0' && *P->p <= '9') ?
		    !ptx_error(P, at, "An address offset must be an integer") : !ptx_number(P, &n))
			return false;
		if (n.kind)
			return ptx_error(P, at, "An address offset must be an integer");
		*off = (int64_t)((uint64_t)*off + (minus ? -n.bits : n.bits));
	}
	return true;
}

static const struct ir_var *var_of(const struct ptx_parser *P, const struct ir_opnd *o)
{
	const struct ir_proto *p;
	uint32_t n = o->sym;

	if (!o->sym_local)
		return P->syms.v[n].kind == IR_SYM_VAR ? &P->vars.v[P->syms.v[n].index] : NULL;
	p = &P->fn->f.proto;
	if (n < p->n_rets)
		return &p->rets[n];
	n -= p->n_rets;
	return n < p->n_params ? &p->params[n] : &P->fn->locals.v[n - p->n_params];
}

/* The operand becomes a register with the address that o[index] has; size: bytes of an element. */
static bool scale_index(struct ptx_parser *P, struct ir_opnd *o, const struct ir_opnd *index, unsigned size, const char *at)
{
	enum ir_type t = P->fn->regs.v[index->reg].type;
	struct ir_opnd s[3] = { *index, { .kind = IR_OPND_IMM, .imm = size } };
	bool is_signed = ir_type_class(t) == IR_TC_SINT;

	if (index->sub || ir_type_bits(t) < 16 || ir_type_bits(t) > 64 || ir_type_class(t) == IR_TC_FLOAT)
		return ptx_error(P, at, "An array index must be an integer");
	if (!ptx_temp(P, IR_T_B64, &s[2]) || !ptx_emit(P, "mov.u64", &s[2], o, 1))
		return false;
	if (ir_type_bits(t) == 16 &&
	    (!ptx_temp(P, IR_T_B32, &s[0]) || !ptx_emit(P, is_signed ? "cvt.s32.s16" : "cvt.u32.u16", &s[0], index, 1)))
		return false;
	return ptx_temp(P, IR_T_B64, o) &&
	       ptx_emit(P, ir_type_bits(t) == 64 ? "mad.lo.u64" : is_signed ? "mad.wide.s32" : "mad.wide.u32", o, s, 3);
}

/* array[3], array[%r1], array[%r1 + 2]: elements are counted, not bytes. */
static bool read_index(struct ptx_parser *P, struct ptx_opnd_text *t)
{
	const struct ir_var *v = var_of(P, &t->o);
	const char *at = P->p++;
	unsigned size = v ? ir_type_size(v->type) : 0;
	struct ptx_name *name;
	struct ptx_bind *b;
	struct ir_opnd index = { 0 };
	int64_t plus = 0;
	struct ptx_number n;

	if (!v || !v->is_array)
		return ptx_error(P, at, "Array indexing on non-array");
	t->indexed = true;
	ptx_skip(P);
	if (!starts_name(P->p)) {
		if (!ptx_expr(P, &n))
			return false;
		if (n.kind)
			return ptx_error(P, at, "An array index must be an integer");
		t->o.off = (int64_t)(n.bits * size);
		return ptx_expect(P, ']');
	}
	name = ptx_ident(P);
	b = name ? ptx_lookup(P, name) : NULL;
	if (!b || b->kind != PTX_B_REG)
		return ptx_error(P, at, "An array index must be a number or a register");
	index.kind = IR_OPND_REG;
	index.reg = b->index;
	if (!read_offset(P, &plus) || !ptx_expect(P, ']'))
		return false;
	t->o.off = (int64_t)((uint64_t)plus * size);
	return scale_index(P, &t->o, &index, size, at);
}

static bool read_named(struct ptx_parser *P, struct ptx_opnd_text *t, struct ptx_name *name)
{
	struct ir_opnd *o = &t->o;
	struct ptx_bind *b = ptx_lookup(P, name);

	if (!b && special_register(P, o, name))
		return true;
	if (!b || b->kind == PTX_B_LABEL || b->kind == PTX_B_PROTO || b->kind == PTX_B_TABLE || b->kind == PTX_B_CALLS) {
		t->name = name;
		o->kind = IR_OPND_LABEL;
		return !P->nomem;
	}
	if (b->kind == PTX_B_REG || b->kind == PTX_B_VREG) {
		o->kind = IR_OPND_REG;
		o->reg = b->index;
		if (*P->p == '.' && ptx_is_ident(P->p[1]))
			return read_selector(P, o, b);
		return b->kind == PTX_B_REG || whole_vector(P, o, b);
	}
	read_symbol(P, o, b);
	if (o->kind == IR_OPND_SYM && ptx_peek_char(P, '['))
		return read_index(P, t);
	return o->kind == IR_OPND_FUNC || read_offset(P, &o->off);
}

static bool read_vector(struct ptx_parser *P, struct ir_opnd *o)
{
	struct ir_opnd v[MAX_VEC];
	unsigned n = 0;

	o->kind = IR_OPND_VEC;
	if (!ptx_accept(P, '}')) {
		do {
			struct ptx_opnd_text t;

			if (n == MAX_VEC)
				return ptx_error(P, P->p, "Vector has more than %d elements", MAX_VEC);
			if (ptx_peek_char(P, '{') || ptx_peek_char(P, '['))
				return ptx_error(P, P->p, "Register or number expected in a vector");
			if (!ptx_parse_operand(P, &t))
				return false;
			if (t.o.kind == IR_OPND_LABEL)
				return ptx_error(P, t.at, "Unknown symbol '%s'", t.name->text);
			if (t.o.kind == IR_OPND_VEC)
				return ptx_error(P, t.at, "Register or number expected in a vector");
			v[n++] = t.o;
		} while (ptx_accept(P, ','));
		if (!ptx_expect(P, '}'))
			return false;
	}
	o->n_vec = (uint8_t)n;
	o->vec = ir_arena_array(P->m->arena, n, sizeof(*v));
	if (!o->vec)
		return ptx_nomem(P);
	memcpy(o->vec, v, n * sizeof(*v));
	return true;
}

/* What stands behind the base of [tex, …]: coordinates, or a sampler and then them. */
static bool read_coordinates(struct ptx_parser *P, struct ptx_opnd_text *t)
{
	struct ptx_opnd_text c;

	while (ptx_accept(P, ',')) {
		ptx_skip(P);
		if (*P->p == '[')
			return ptx_error(P, P->p, "Coordinates expected");
		if (!ptx_parse_operand(P, &c))
			return false;
		if (c.o.kind == IR_OPND_LABEL)
			return ptx_error(P, c.at, "Unknown symbol '%s'", c.name->text);
		if (c.o.kind == IR_OPND_VEC) {
			t->o.vec = c.o.vec;
			t->o.n_vec = c.o.n_vec;
		} else if (ptx_peek_char(P, ',')) {
			t->sampler = c.o;
		} else {
			t->o.vec = ir_arena_alloc(P->m->arena, sizeof(c.o));
			if (!t->o.vec)
				return ptx_nomem(P);
			t->o.vec[0] = c.o;
			t->o.n_vec = 1;
		}
	}
	return true;
}

static bool read_base(struct ptx_parser *P, struct ptx_opnd_text *t)
{
	struct ptx_name *name = ptx_ident(P);
	struct ir_opnd *o = &t->o;
	const char *at = P->p;
	struct ptx_number n;

	if (!name) {
		if (!ptx_expr(P, &n))
			return false;
		if (n.kind)
			return ptx_error(P, at, "An address must be an integer");
		o->mem_base = IR_BASE_NONE;
		o->off = (int64_t)n.bits;
		return true;
	}
	if (!read_named(P, t, name))
		return false;
	if (o->kind == IR_OPND_LABEL)
		return ptx_error(P, t->at + 1, "Unknown symbol '%s'", name->text);
	if (o->kind == IR_OPND_REG && !o->sub) {
		enum ir_type rt = P->fn->regs.v[o->reg].type;

		if (ir_type_bits(rt) < 32 || ir_type_class(rt) == IR_TC_FLOAT)
			return ptx_error(P, t->at + 1, "Register '%s' of type .%s can't hold an address", name->text, ir_type_name(rt));
		o->mem_base = IR_BASE_REG;
		return read_offset(P, &o->off);
	}
	if (o->kind != IR_OPND_SYM)
		return ptx_error(P, t->at + 1, "'%s' is not an address", name->text);
	o->mem_base = IR_BASE_SYM;
	return true;
}

static bool read_mem(struct ptx_parser *P, struct ptx_opnd_text *t)
{
	if (!read_base(P, t))
		return false;
	t->o.kind = IR_OPND_MEM;
	return read_coordinates(P, t) && ptx_expect(P, ']');
}

/* "%r1 + 4": the sum is a register of its own. */
static bool read_addend(struct ptx_parser *P, struct ir_opnd *o)
{
	enum ir_type t = P->fn->regs.v[o->reg].type;
	struct ir_opnd s[2] = { *o };
	char spelling[16];
	const char *at;

	if (o->sub || !ptx_peek_char(P, '+'))
		return true;
	at = P->p;
	if (ir_type_class(t) == IR_TC_FLOAT || ir_type_class(t) == IR_TC_PRED || ir_type_bits(t) < 16 || ir_type_bits(t) > 64)
		return ptx_error(P, at, "A number can't be added to a register of type .%s", ir_type_name(t));
	s[1].kind = IR_OPND_IMM;
	if (!read_offset(P, &s[1].off) || !ptx_temp(P, t, o))
		return false;
	s[1].imm = (uint64_t)s[1].off & (ir_type_bits(t) == 64 ? UINT64_MAX : (1ull << ir_type_bits(t)) - 1);
	s[1].off = 0;
	snprintf(spelling, sizeof(spelling), "add.u%u", ir_type_bits(t));
	return ptx_emit(P, spelling, o, s, 2);
}

/* "-%r1": sources of vmad */
static bool read_negated(struct ptx_parser *P, struct ptx_opnd_text *t)
{
	struct ptx_name *name;

	P->p++;
	ptx_skip(P);
	name = ptx_ident(P);
	if (!name)
		return ptx_error(P, t->at, "Parsing error near '-'");
	if (!read_named(P, t, name))
		return false;
	if (t->o.kind != IR_OPND_REG || P->fn->regs.v[t->o.reg].type == IR_T_PRED)
		return ptx_error(P, t->at, "Only a register can be negated");
	t->o.neg = true;
	return true;
}

bool ptx_parse_operand(struct ptx_parser *P, struct ptx_opnd_text *t)
{
	struct ptx_name *name;
	char c;

	memset(t, 0, sizeof(*t));
	ptx_skip(P);
	t->at = P->p;
	c = *P->p;
	if (c == '[') {
		P->p++;
		return read_mem(P, t);
	}
	if (c == '{') {
		P->p++;
		return read_vector(P, &t->o);
	}
	if (c == '_' && !ptx_is_ident(P->p[1])) {
		P->p++;
		t->o.kind = IR_OPND_SINK;
		return true;
	}
	if (c == '!') {
		P->p++;
		name = ptx_ident(P);
		if (!name)
			return ptx_error(P, P->p, "Predicate register expected");
		if (!read_named(P, t, name))
			return false;
		if (t->o.kind == IR_OPND_REG && P->fn->regs.v[t->o.reg].type != IR_T_PRED)
			return ptx_error(P, t->at, "'!' needs a predicate register");
		t->o.neg = true;
		return true;
	}
	if (c == 'W' && !strncmp(P->p, "WARP_SZ", 7) && !ptx_is_ident(P->p[7]))
		return read_imm(P, &t->o);
	if (ptx_is_ident_start(c)) {
		name = ptx_ident(P);
		if (!name)
			return ptx_error(P, t->at, "Parsing error near '%c'", c);
		return read_named(P, t, name) && (t->o.kind != IR_OPND_REG || read_addend(P, &t->o));
	}
	if (c == '-' && starts_name(P->p + 1))
		return read_negated(P, t);
	if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '(' || c == '~')
		return read_imm(P, &t->o);
	return ptx_error(P, t->at, "Parsing error near '%.1s': operand expected", c ? t->at : " ");
}

/* ---- fitting ---- */

static enum ir_type_class loose_class(enum ir_type t)
{
	enum ir_type_class c = ir_type_class(t);

	if (c == IR_TC_PACKED || t == IR_T_TF32 || (c == IR_TC_FLOAT && ir_type_bits(t) < 16))
		return IR_TC_BITS;
	return c;
}

static bool type_fits(enum ir_type reg, enum ir_type want, bool wider_ok)
{
	unsigned rb = ir_type_bits(reg), wb = ir_type_bits(want);
	enum ir_type_class rc = loose_class(reg), wc = loose_class(want);

	if (want == IR_T_NONE)
		return true;
	if ((rc == IR_TC_PRED) != (wc == IR_TC_PRED))
		return false;
	if (wider_ok ? rb < wb : rb != wb && (wb > 4 || rb != 8))
		return false;
	if (rc == IR_TC_BITS || wc == IR_TC_BITS || rc == IR_TC_PRED)
		return true;
	if (rc == IR_TC_FLOAT || wc == IR_TC_FLOAT)
		return rc == wc && rb == wb;
	return true;
}

/* Gives an immediate the bits of the type that is wanted. */
static bool fit_imm(struct ir_opnd *o, enum ir_type t)
{
	unsigned kind = o->sub, bits = ir_type_bits(t);
	uint32_t u = (uint32_t)o->imm;
	double d;
	float f;

	o->sub = 0;
	if (kind == 0) {
		if (ir_type_class(t) == IR_TC_FLOAT)
			return false;
		if (t == IR_T_PRED)
			o->imm = o->imm != 0;
		else if (bits && bits < 64)
			o->imm &= (1ull << bits) - 1;
		return true;
	}
	if (kind == 1) {
		memcpy(&f, &u, 4);
		d = (double)f;
	} else {
		memcpy(&d, &o->imm, 8);
	}
	if (t == IR_T_F64 || (t == IR_T_B64 && kind == 2)) {
		memcpy(&o->imm, &d, 8);
		return true;
	}
	if (t != IR_T_F32 && t != IR_T_B32 && t != IR_T_NONE && t != IR_T_TF32)
		return false;
	if (kind == 2 && t != IR_T_NONE) {
		f = (float)d;
		memcpy(&u, &f, 4);
		o->imm = u;
	}
	return true;
}

static bool fit_scalar(struct ptx_parser *P, const struct ptx_opspec *s, enum ir_type type, struct ir_opnd *o)
{
	switch (o->kind) {
	case IR_OPND_REG:
		return type_fits(P->fn->regs.v[o->reg].type, type, s->wider_ok);
	case IR_OPND_SINK:
		return s->dst;
	case IR_OPND_IMM:
		return !s->dst && fit_imm(o, type);
	case IR_OPND_SREG:
		/* PTX 1.x read them with 16 bits too */
		return !s->dst && (type == IR_T_NONE || ((ptx_sreg_type((enum ir_sreg)o->imm) == IR_T_PRED) == (type == IR_T_PRED) &&
			loose_class(type) != IR_TC_FLOAT));
	case IR_OPND_SYM:
	case IR_OPND_FUNC:
		return !s->dst && (s->kind == PTX_OPK_ADDR || s->kind == PTX_OPK_MOV) &&
		       (type == IR_T_NONE || (ir_type_bits(type) >= 32 && loose_class(type) != IR_TC_FLOAT));
	}
	return false;
}

static enum ir_type bits_type(unsigned bits)
{
	return bits == 8 ? IR_T_B8 : bits == 16 ? IR_T_B16 : bits == 32 ? IR_T_B32 : bits == 64 ? IR_T_B64 : IR_T_NONE;
}

static bool fit_elements(struct ptx_parser *P, const struct ptx_opspec *s, enum ir_type type, struct ir_opnd *o)
{
	for (unsigned i = 0; i < o->n_vec; i++) {
		bool sink = o->vec[i].kind == IR_OPND_SINK;

		if (!sink && !fit_scalar(P, s, type, &o->vec[i]))
			return false;
	}
	return o->n_vec > 0;
}

/* mov packs and unpacks: the elements together have the size of the type. */
static bool fit_mov_vector(struct ptx_parser *P, const struct ptx_opspec *s, struct ir_opnd *o)
{
	unsigned bits = ir_type_bits(s->type);

	if ((o->n_vec != 2 && o->n_vec != 4 && o->n_vec != 8) || bits % o->n_vec || loose_class(s->type) != IR_TC_BITS)
		return false;
	return fit_elements(P, s, bits_type(bits / o->n_vec), o);
}

static bool mem_space_fits(struct ptx_parser *P, struct ir_insn *i, const struct ir_opnd *o)
{
	const struct ir_var *v = o->mem_base == IR_BASE_SYM ? var_of(P, o) : NULL;
	enum ir_space s;

	if (!v)
		return o->mem_base != IR_BASE_SYM;
	s = v->space;
	if (i->space == IR_SPACE_PARAM && s == IR_SPACE_PARAM_FUNC)
		i->space = s;
	return i->space == IR_SPACE_GENERIC || i->space == s || (i->space == IR_SPACE_SHARED_CLUSTER && s == IR_SPACE_SHARED);
}

static bool fit_mem(struct ptx_parser *P, const struct ptx_opspec *s, struct ir_insn *i, struct ptx_opnd_text *t)
{
	if (t->indexed && (t->o.kind == IR_OPND_SYM || t->o.kind == IR_OPND_REG)) {
		t->o.mem_base = t->o.kind == IR_OPND_SYM ? IR_BASE_SYM : IR_BASE_REG;
		t->o.kind = IR_OPND_MEM;
	}
	if (t->o.kind != IR_OPND_MEM)
		return false;
	if (s->kind == PTX_OPK_TEX) {
		for (unsigned k = 0; k < t->o.n_vec; k++) {
			struct ir_opnd *c = &t->o.vec[k];

			if (c->kind == IR_OPND_IMM && !fit_imm(c, c->sub ? IR_T_F32 : IR_T_B32))
				return false;
		}
		return true;
	}
	if (t->o.n_vec)
		return false;
	if (i->space == IR_SPACE_PARAM && t->o.mem_base != IR_BASE_SYM && !P->fn->f.is_entry)
		i->space = IR_SPACE_PARAM_FUNC;
	if (i->op == IR_OP_cp && i->n_src == 1)      /* the second address, in global memory */
		return true;
	if (!mem_space_fits(P, i, &t->o)) {
		ptx_error(P, t->at, "State space mismatch between instruction and address in instruction '%s'", i->spelling);
		return false;
	}
	return true;
}

static bool fit_label(struct ptx_parser *P, const struct ptx_opspec *s, struct ir_insn *i, struct ptx_opnd_text *t)
{
	struct ptx_bind *b;

	if (t->o.kind != IR_OPND_LABEL)
		return false;
	if (s->kind == PTX_OPK_LABEL)
		return ptx_ref_new(P, t->name, t->at, (uint32_t)P->fn->insns.n, 0, 0);
	b = t->name->bind;
	if (!b || b->kind != PTX_B_TABLE)
		return ptx_error(P, t->at, "'%s' is not a list of .branchtargets", t->name->text);
	i->extra = b->index;
	t->o.kind = IR_OPND_NONE;
	return true;
}

bool ptx_fit_operand(struct ptx_parser *P, const struct ptx_opspec *s, struct ir_insn *i, struct ptx_opnd_text *t)
{
	struct ir_opnd *o = &t->o;

	if (o->kind == IR_OPND_LABEL && s->kind != PTX_OPK_LABEL && s->kind != PTX_OPK_TABLE)
		return ptx_error(P, t->at, "Unknown symbol '%s'", t->name->text);
	if (o->kind == IR_OPND_FUNC)
		P->funcs.v[P->syms.v[o->sym].index].address_taken = true;
	switch (s->kind) {
	case PTX_OPK_MEM:
	case PTX_OPK_TEX:
		return fit_mem(P, s, i, t);
	case PTX_OPK_LABEL:
	case PTX_OPK_TABLE:
		return fit_label(P, s, i, t);
	case PTX_OPK_IMM:
		return o->kind == IR_OPND_IMM && o->sub == 0;
	case PTX_OPK_LOOSE:
	case PTX_OPK_JOIN:
		if (o->kind == IR_OPND_IMM)
			return !s->dst && fit_imm(o, o->sub == 1 ? IR_T_F32 : o->sub == 2 ? IR_T_F64 : IR_T_B64);
		return o->kind == IR_OPND_VEC ? fit_elements(P, s, IR_T_NONE, o) : fit_scalar(P, s, IR_T_NONE, o);
	case PTX_OPK_VEC:
		if (i->vec > 1)
			return o->kind == IR_OPND_VEC && o->n_vec == i->vec && fit_elements(P, s, s->type, o);
		return o->kind == IR_OPND_VEC ? o->n_vec == 1 && fit_elements(P, s, s->type, o) : fit_scalar(P, s, s->type, o);
	case PTX_OPK_MOV:
		if (o->kind == IR_OPND_VEC)
			return fit_mov_vector(P, s, o);
		return fit_scalar(P, s, s->type, o);
	default:
		return o->kind != IR_OPND_VEC && fit_scalar(P, s, s->type, o);
	}
}
