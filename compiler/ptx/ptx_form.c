/*
 * ptx_form.c: reads the small language of ptx_insn.def. A spelling is decoded
 * once per module (the parser keeps the result), so the forms are interpreted
 * as text here instead of being compiled into tables.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/ptx/ptx_form.h"
#include "util/compiler.h"

enum mod_class {
	MC_RND, MC_RNDI, MC_RNDX, MC_CMP, MC_CMPU, MC_CMPF, MC_BOOL, MC_BOOLP, MC_BOOLM, MC_ATOM, MC_SPACE, MC_SPACE2,
	MC_ORDER, MC_SCOPE, MC_FLAG, MC_MODE, MC_WMAT, MC_WMATD, MC_COMP, MC_VEC, MC_SHAPE, MC_GEOM, MC_ROWA, MC_ROWB,
	MC_NUM, MC_COP, MC_IGN, MC_MMAK, MC_MMAS, MC_MMAT, MC_MMAP
};

static const struct {
	uint8_t cls;
	const char *tok;
	uint32_t value;
} mods[] = {
#define M(cls, tok, value) { MC_##cls, tok, value },
#include "compiler/ptx/ptx_mod.def"
#undef M
};

#define C(x) (1u << MC_##x)
static const struct {
	const char *name;
	uint32_t classes;
} class_names[] = {
	{ "rnd", C(RND) }, { "rndi", C(RNDI) }, { "rndx", C(RNDX) },
	{ "cmp", C(CMP) | C(CMPU) | C(CMPF) }, { "cmpi", C(CMP) | C(CMPU) }, { "cmpf", C(CMP) | C(CMPF) },
	{ "bool", C(BOOL) }, { "boolp", C(BOOLP) }, { "boolm", C(BOOLM) }, { "atom", C(ATOM) },
	{ "space", C(SPACE) }, { "space2", C(SPACE2) }, { "order", C(ORDER) }, { "scope", C(SCOPE) },
	{ "flag", C(FLAG) }, { "mode", C(MODE) }, { "wmat", C(WMAT) }, { "wmatd", C(WMATD) }, { "comp", C(COMP) },
	{ "vec", C(VEC) }, { "shape", C(SHAPE) }, { "geom", C(GEOM) }, { "rowa", C(ROWA) }, { "rowb", C(ROWB) },
	{ "num", C(NUM) }, { "cop", C(COP) }, { "ign", C(IGN) },
	{ "mmak", C(MMAK) }, { "mmas", C(MMAS) }, { "mmat", C(MMAT) }, { "mmap", C(MMAP) },
};
#undef C

static const struct {
	const char *name, *types;
} type_sets[] = {
	{ "@I", "u16|u32|u64|s16|s32|s64" },
	{ "@N", "u8|u16|u32|u64|s8|s16|s32|s64" },
	{ "@X", "b8|b16|b32|b64|u8|u16|u32|u64|s8|s16|s32|s64|f32|f64" },
	{ "@C", "b16|b32|b64|u16|u32|u64|s16|s32|s64|f32|f64" },
	{ "@M", "f16|bf16|tf32|f32|f64|s32|u8|s8|u4|s4|b1|e4m3|e5m2|e3m2|e2m3|e2m1" },
};

static const struct {
	const char *name;
	const char *const *forms;
} ops[IR_OP_COUNT] = {
#define PTX_OP(id, ...) [IR_OP_##id] = { #id, (const char *const[]){ __VA_ARGS__, NULL } },
#include "compiler/ptx/ptx_insn.def"
#undef PTX_OP
};

static const struct {
	const char *name;
	uint8_t type;
} sregs[IR_SREG_COUNT] = {
	[IR_SREG_NONE] = { "%none", IR_T_NONE },
#define SREG(id, spelling, type, doc) [IR_SREG_##id] = { spelling, IR_T_##type },
#include "compiler/ptx/ptx_sreg.def"
#undef SREG
};

static bool same(const char *s, size_t len, const char *z)
{
	return strlen(z) == len && !memcmp(s, z, len);
}

const char *ptx_op_name(enum ir_op op)
{
	return (unsigned)op < IR_OP_COUNT && op ? ops[op].name : "none";
}

const char *const *ptx_op_forms(enum ir_op op)
{
	return (unsigned)op < IR_OP_COUNT && op ? ops[op].forms : NULL;
}

enum ir_op ptx_op_find(const char *s, size_t len)
{
	for (unsigned i = 1; i < IR_OP_COUNT; i++)
		if (same(s, len, ops[i].name))
			return i;
	return IR_OP_NONE;
}

enum ir_type ptx_type_find(const char *s, size_t len)
{
	for (unsigned i = 1; i < IR_T_COUNT; i++)
		if (same(s, len, ir_type_name(i)))
			return i;
	return IR_T_NONE;
}

enum ir_sreg ptx_sreg_find(const char *s, size_t len)
{
	for (unsigned i = 1; i < IR_SREG_COUNT; i++)
		if (same(s, len, sregs[i].name))
			return i;
	return IR_SREG_NONE;
}

const char *ptx_sreg_name(enum ir_sreg r)
{
	return (unsigned)r < IR_SREG_COUNT ? sregs[r].name : "%none";
}

enum ir_type ptx_sreg_type(enum ir_sreg r)
{
	return (unsigned)r < IR_SREG_COUNT ? sregs[r].type : IR_T_NONE;
}

struct word {
	const char *s;
	size_t n;
};

/* Is w one of "a|b|c"? */
static bool in_list(struct word w, const char *list, size_t len)
{
	while (len) {
		const char *bar = memchr(list, '|', len);
		size_t n = bar ? (size_t)(bar - list) : len;

		if (n == w.n && !memcmp(list, w.s, n))
			return true;
		list += n + (bar != NULL);
		len -= n + (bar != NULL);
	}
	return false;
}

static bool in_type_list(struct word w, const char *list, size_t len)
{
	while (len) {
		const char *bar = memchr(list, '|', len);
		size_t n = bar ? (size_t)(bar - list) : len;

		if (n == w.n && !memcmp(list, w.s, n))
			return true;
		if (*list == '@')
			for (size_t i = 0; i < ARRAY_SIZE(type_sets); i++)
				if (same(list, n, type_sets[i].name) &&
				    in_list(w, type_sets[i].types, strlen(type_sets[i].types)))
					return true;
		list += n + (bar != NULL);
		len -= n + (bar != NULL);
	}
	return false;
}

#define MAX_SLOTS 16
#define MAX_TOKS 32

struct slot {
	uint32_t classes;       /* 0: a type */
	const char *alts;       /* NULL: any token of the classes */
	size_t alts_len;
	bool optional, many, filled;
};

struct matcher {
	struct slot slots[MAX_SLOTS];
	unsigned n_slots;
	bool any, unsupported, old;
	uint8_t min_version;
	const char *operands;
};

static uint32_t class_by_name(const char *s, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(class_names); i++)
		if (same(s, n, class_names[i].name))
			return class_names[i].classes;
	return 0;
}

static void read_slot(struct matcher *m, const char *s, size_t n)
{
	struct slot *t = &m->slots[m->n_slots];
	const char *eq;

	if (m->n_slots == MAX_SLOTS)
		return;
	m->n_slots++;
	memset(t, 0, sizeof(*t));
	if (s[n - 1] == '?' || s[n - 1] == '*') {
		t->optional = true;
		t->many = s[n - 1] == '*';
		n--;
	}
	if (*s == '.') {
		t->alts = s + 1;
		t->alts_len = n - 1;
		return;
	}
	eq = memchr(s, '=', n);
	t->classes = class_by_name(s, eq ? (size_t)(eq - s) : n);
	if (eq) {
		t->alts = eq + 1;
		t->alts_len = n - (size_t)(eq + 1 - s);
	} else if (!t->classes) {       /* a bare flag */
		t->classes = 1u << MC_FLAG;
		t->alts = s;
		t->alts_len = n;
	}
}

/* Splits the modifier half of a form into slots. */
static void read_form(struct matcher *m, const char *form)
{
	memset(m, 0, sizeof(*m));
	while (*form) {
		size_t n = strcspn(form, " ");

		if (n == 1 && *form == ':') {
			m->operands = form + 1;
			return;
		}
		if (n == 1 && *form == '!')
			m->unsupported = true;
		else if (n == 2 && !memcmp(form, "**", 2))
			m->any = true;
		else if (n == 3 && !memcmp(form, "old", 3))
			m->old = true;
		else if (n == 3 && form[0] == 'v' && form[1] >= '0' && form[1] <= '9')
			m->min_version = (uint8_t)(10 * (form[1] - '0') + form[2] - '0');
		else if (n)
			read_slot(m, form, n);
		form += n;
		form += strspn(form, " ");
	}
	m->operands = form;
}

static void set_field(struct ir_insn *i, enum mod_class cls, uint32_t v)
{
	switch (cls) {
	case MC_RND: case MC_RNDI: case MC_RNDX: i->round = v; break;
	case MC_CMP: case MC_CMPU: case MC_CMPF: i->cmp = v; break;
	case MC_BOOL: case MC_BOOLP: case MC_BOOLM: i->boolop = v; break;
	case MC_ATOM: i->atom = v; break;
	case MC_SPACE: i->space = v; break;
	case MC_SPACE2: i->space2 = v; break;
	case MC_ORDER: i->order = v; break;
	case MC_SCOPE: i->scope = v; break;
	case MC_FLAG: i->flags |= v; break;
	case MC_MODE: case MC_WMAT: case MC_WMATD: case MC_COMP: i->mode = v; break;
	case MC_VEC: i->vec = v; break;
	case MC_SHAPE: case MC_GEOM: i->shape = v; break;
	case MC_ROWA: case MC_ROWB: case MC_NUM: i->layout |= v; break;
	case MC_MMAK: case MC_MMAS: case MC_MMAT: case MC_MMAP: i->extra |= v; break;
	case MC_COP: case MC_IGN: break;
	}
}

/* Does the slot take the token? Then sets its field. */
static bool fill(struct slot *t, struct word w, struct ir_insn *i)
{
	if (t->filled && !t->many)
		return false;
	if (t->alts && !in_list(w, t->alts, t->alts_len))
		return false;
	if (t->classes == 1u << MC_IGN) {
		t->filled = true;
		return true;
	}
	for (size_t k = 0; k < ARRAY_SIZE(mods); k++) {
		if (!(t->classes >> mods[k].cls & 1) || !same(w.s, w.n, mods[k].tok))
			continue;
		set_field(i, mods[k].cls, mods[k].value);
		t->filled = true;
		return true;
	}
	return false;
}

static bool take_token(struct matcher *m, struct word w, struct ir_insn *i, uint8_t *types, unsigned *n_types)
{
	for (unsigned k = 0; k < m->n_slots; k++)
		if (m->slots[k].classes && fill(&m->slots[k], w, i))
			return true;
	for (unsigned k = 0; k < m->n_slots; k++) {
		struct slot *t = &m->slots[k];

		if (t->classes || t->filled)
			continue;
		if (*n_types < 4 && in_type_list(w, t->alts, t->alts_len)) {
			t->filled = true;
			types[(*n_types)++] = ptx_type_find(w.s, w.n);
			return true;
		}
		break;       /* types come in order */
	}
	return m->any;
}

static void set_types(struct ir_insn *i, const uint8_t *t, unsigned n)
{
	bool mma = i->op == IR_OP_mma || (i->op == IR_OP_wmma && i->mode == IR_MODE_MMA);

	i->type = n > 0 ? t[0] : IR_T_NONE;
	if (mma && n == 4) {
		i->type3 = t[1];
		i->type4 = t[2];
		i->stype = t[3];
	} else if (mma && n == 2) {
		i->stype = t[1];
		i->type3 = i->type4 = IR_T_F16;
	} else {
		i->stype = n > 1 ? t[1] : IR_T_NONE;
		i->type3 = n > 2 ? t[2] : IR_T_NONE;
		i->type4 = n > 3 ? t[3] : IR_T_NONE;
	}
}

static enum ir_type wider(enum ir_type t)
{
	switch (t) {
	case IR_T_U16: return IR_T_U32;
	case IR_T_S16: return IR_T_S32;
	case IR_T_U32: return IR_T_U64;
	case IR_T_S32: return IR_T_S64;
	default: return t;
	}
}

/* One operand word, without the d or s in front: kind and type. */
static void read_spec_type(struct ptx_opspec *o, const char *s, size_t n, const uint8_t *types)
{
	if (n && s[n - 1] == '~') {
		o->wider_ok = true;
		n--;
	}
	if (n == 1 && *s >= '0' && *s <= '3')
		o->type = types[*s - '0'];
	else if (n == 1 && *s == 'w')
		o->type = wider(types[0]);
	else if (n == 1 && *s == '_')
		o->kind = o->kind == PTX_OPK_ADDR ? PTX_OPK_ADDR : PTX_OPK_LOOSE;
	else if (n == 1 && *s == 'v') {
		o->kind = PTX_OPK_VEC;
		o->type = types[0];
	} else if (n == 1 && *s == 'm') {
		o->kind = PTX_OPK_MOV;
		o->type = types[0];
	} else
		o->type = ptx_type_find(s, n);
}

static void read_spec(struct ptx_form *f, const char *s, size_t n, const uint8_t *types, bool pair)
{
	struct ptx_opspec *o = &f->spec[f->n_spec];

	if (f->n_spec == PTX_MAX_SPEC)
		return;
	memset(o, 0, sizeof(*o));
	if (n > 1 && s[n - 1] == '?') {
		o->optional = true;
		n--;
	}
	o->pair = pair;
	switch (*s) {
	case '*': f->any_operands = true; return;
	case 'm': o->kind = PTX_OPK_MEM; break;
	case 't': o->kind = PTX_OPK_TEX; break;
	case 'L': o->kind = PTX_OPK_LABEL; break;
	case 'T': o->kind = PTX_OPK_TABLE; break;
	case 'i': o->kind = PTX_OPK_IMM; o->type = IR_T_U32; break;
	case 'c': o->kind = PTX_OPK_JOIN; break;
	case 'd': o->dst = true; read_spec_type(o, s + 1, n - 1, types); break;
	case 's': read_spec_type(o, s + 1, n - 1, types); break;
	case 'x': o->kind = PTX_OPK_ADDR; read_spec_type(o, s + 1, n - 1, types); break;
	}
	f->n_spec++;
	if (!pair && !o->optional)
		f->n_required++;
}

static void read_operands(struct ptx_form *f, const char *s, const uint8_t *types)
{
	for (s += strspn(s, " "); *s; s += strspn(s, " ")) {
		size_t n = strcspn(s, " ");
		const char *bar = memchr(s, '|', n);

		if (bar) {
			read_spec(f, s, (size_t)(bar - s), types, false);
			read_spec(f, bar + 1, n - (size_t)(bar + 1 - s), types, true);
		} else {
			read_spec(f, s, n, types, false);
		}
		s += n;
	}
}

static bool try_form(enum ir_op op, const char *form, const struct word *tok, unsigned n_tok, struct ptx_form *f)
{
	struct matcher m;
	uint8_t types[4] = { 0 };
	unsigned n_types = 0;

	read_form(&m, form);
	memset(f, 0, sizeof(*f));
	f->insn.op = op;
	f->insn.vec = 1;
	for (unsigned k = 0; k < n_tok; k++)
		if (!take_token(&m, tok[k], &f->insn, types, &n_types))
			return false;
	for (unsigned k = 0; k < m.n_slots; k++)
		if (!m.slots[k].filled && !m.slots[k].optional)
			return false;
	set_types(&f->insn, types, n_types);
	f->unsupported = m.unsupported;
	f->old = m.old;
	f->min_version = m.min_version;
	if (m.old && f->insn.type == IR_T_F64)
		f->insn.round = IR_RND_RN;
	else if (m.old)
		f->insn.flags |= IR_F_APPROX | IR_F_FTZ;
	read_operands(f, m.operands, types);
	return true;
}

/* Is the token known to any instruction, or to any form of one? */
static bool known_to(enum ir_op op, struct word w)
{
	for (unsigned o = op ? op : 1; o < (op ? op + 1 : IR_OP_COUNT); o++)
		for (const char *const *form = ops[o].forms; *form; form++) {
			struct matcher m;
			struct ir_insn scratch = { 0 };

			read_form(&m, *form);
			for (unsigned k = 0; k < m.n_slots; k++)
				if (m.slots[k].classes ? fill(&m.slots[k], w, &scratch) :
				    in_type_list(w, m.slots[k].alts, m.slots[k].alts_len))
					return true;
		}
	return false;
}

static enum ptx_decode why_not(enum ir_op op, const struct word *tok, unsigned n_tok, char *bad, size_t bad_size)
{
	for (int all = 1; all >= 0; all--)
		for (unsigned k = 0; k < n_tok; k++) {
			size_t n = MIN(tok[k].n, bad_size - 1);

			if (known_to(all ? IR_OP_NONE : op, tok[k]))
				continue;
			memcpy(bad, tok[k].s, n);
			bad[n] = 0;
			return all ? PTX_DECODE_NO_MODIFIER : PTX_DECODE_BAD_MODIFIER;
		}
	return PTX_DECODE_BAD_COMBINATION;
}

enum ptx_decode ptx_form_decode(const char *spelling, size_t len, struct ptx_form *f, char *bad, size_t bad_size)
{
	struct word tok[MAX_TOKS];
	const char *dot = memchr(spelling, '.', len), *end = spelling + len;
	enum ir_op op = ptx_op_find(spelling, dot ? (size_t)(dot - spelling) : len);
	unsigned n = 0;

	bad[0] = 0;
	if (!op)
		return PTX_DECODE_NO_INSN;
	while (dot) {
		const char *next = memchr(dot + 1, '.', (size_t)(end - dot - 1));

		if (n == MAX_TOKS)
			return PTX_DECODE_BAD_COMBINATION;
		tok[n].s = dot + 1;
		tok[n].n = (size_t)((next ? next : end) - dot - 1);
		n++;
		dot = next;
	}
	for (const char *const *form = ops[op].forms; *form; form++)
		if (try_form(op, *form, tok, n, f))
			return PTX_DECODE_OK;
	return why_not(op, tok, n, bad, bad_size);
}
