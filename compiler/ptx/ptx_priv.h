/*
 * ptx_priv.h: the parser's state. One parser per ptx_compile() call; it reads
 * the texts one after the other into one module.
 *
 * Names are interned: equal names are one struct ptx_name, which carries a
 * stack of bindings, innermost scope on top, so that a look-up costs nothing.
 * Scratch memory (names, bindings) is in an arena of the parser; what the
 * module keeps is in the module's.
 *
 * Functions that parse return false after they have reported an error; the
 * statement loop then skips to the next statement.
 */
#ifndef VGPU_COMPILER_PTX_PTX_PRIV_H
#define VGPU_COMPILER_PTX_PTX_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/ir/ir.h"
#include "compiler/ir/ir_arena.h"
#include "compiler/ptx/ptx.h"
#include "compiler/ptx/ptx_form.h"
#include "util/compiler.h"
#include "util/htab.h"
#include "util/vec.h"

#define PTX_MAX_VERSION 90           /* 9.0, which CUDA 13.0 writes */
#define PTX_MAX_REGS (1u << 20)      /* of one function */
#define PTX_MAX_DEPTH 256            /* nested scopes, parentheses, initialisers */
#define PTX_MAX_VAR_B (1ull << 36)

enum ptx_bind_kind {
	PTX_B_REG,       /* index: register */
	PTX_B_VREG,      /* .reg .v2/.v4: index: first register, count components */
	PTX_B_SYM,       /* index: module symbol */
	PTX_B_LOCAL,     /* index: symbol number of the function */
	PTX_B_LABEL,     /* index: into labels */
	PTX_B_PROTO,     /* proto */
	PTX_B_TABLE,     /* index: branch table */
	PTX_B_CALLS,     /* index: into call target lists */
};

struct ptx_bind {
	struct ptx_bind *outer, *next_in_scope;
	struct ptx_name *name;
	uint8_t kind, count;
	uint32_t depth, index;
	struct ir_proto *proto;
};

/* %r<10>: registers come into being when they are first named. */
struct ptx_range {
	struct ptx_range *outer, *next_in_scope;
	struct ptx_name *name;
	uint32_t depth, count;
	uint8_t type, vec;
};

struct ptx_name {
	struct ptx_name *next;
	struct ptx_bind *bind;
	struct ptx_range *range;
	struct ptx_form *form;       /* decoded, when the name is an instruction's spelling */
	uint32_t hash, len;
	uint16_t sreg;
	char text[];
};

struct ptx_scope {
	struct ptx_bind *binds;
	struct ptx_range *ranges;
	size_t first_ref;            /* references to labels made in this scope */
	uint32_t live_param;         /* ir_var.after of the next .param local */
};

/* A label named by an instruction or a table, before its place is known. */
struct ptx_ref {
	struct ptx_name *name;
	const char *at;
	uint32_t insn;               /* UINT32_MAX: table entry */
	uint32_t table, entry;
	uint32_t label;              /* once resolved */
};

struct ptx_calls { uint32_t *funcs, n; };

/* The function being parsed. */
struct ptx_fn {
	struct ir_func f;
	VGPU_VEC(struct ir_insn) insns;
	VGPU_VEC(struct ir_reg) regs;
	VGPU_VEC(struct ir_var) locals;
	VGPU_VEC(uint32_t) labels;   /* position: index of the instruction that follows */
	VGPU_VEC(struct ptx_ref) refs;
	VGPU_VEC(struct ptx_ref) solved;
	VGPU_VEC(uint32_t *) tables;
	VGPU_VEC(uint32_t) table_len;
	VGPU_VEC(struct ptx_calls) calls;
	struct ptx_scope scopes[PTX_MAX_DEPTH];
	unsigned depth;              /* 0: outside a body; scopes[depth] is the innermost */
	unsigned nested_ranges;      /* register ranges declared in inner scopes */
};

/* What ptx_scan_body finds out. */
struct ptx_scan {
	bool entry;                  /* in: the body is one's */
	bool now;                    /* it has effects outside: to be parsed at once */
	bool indirect;               /* calls through pointers */
	VGPU_VEC(uint32_t) refs;     /* symbols of the module */
};

/* A body that is to be parsed later: where it is, and its header's names. */
struct ptx_body {
	const char *p, *line_start;
	uint32_t line, loc_file, loc_line, source;
	struct ptx_name **rets, **params;
	const char *at;
};

/* A text of which bodies are left, and what its names mean. */
struct ptx_source_scope {
	const char *text, *name;
	size_t len;
	uint32_t version;
	struct ptx_bind *binds;
};

struct ptx_parser {
	const char *p, *end;         /* text[len] is NUL */
	const char *text, *line_start;
	uint32_t line;
	const char *src_name;
	uint32_t loc_file, loc_line; /* last .loc */
	struct ptx_diag *diag;
	bool nomem, stop;            /* stop: too many errors */
	int version_status;          /* E_UNSUPPORTED_PTX once .version or .target said so */
	unsigned max_target;

	struct ir_arena *arena;      /* scratch */
	struct ir_module *m;
	VGPU_VEC(struct ir_sym) syms;
	VGPU_VEC(struct ir_var) vars;
	VGPU_VEC(struct ir_func) funcs;
	VGPU_VEC(const char *) files;
	VGPU_VEC(const char *) sym_at;   /* per symbol: where it was declared, in which source */
	struct ptx_bind *file_binds; /* module scope of this text */
	uint32_t version;            /* of this text */
	bool seen_version, seen_target;

	struct ptx_name **names;     /* hash table */
	size_t n_names, names_cap;
	struct ptx_fn *fn, *fn_store; /* fn: NULL outside functions */
	struct vgpu_htab globals;    /* symbols that other texts can see: name to symbol + 1 */

	/* bodies that are parsed later */
	bool is_lazy, indirect;
	bool kept;                   /* it lives with the module; syms, vars, funcs are the module's */
	VGPU_VEC(struct ptx_body) bodies;           /* by function */
	VGPU_VEC(struct ptx_source_scope) sources;
	uint32_t open_source;        /* whose names have their meaning */
	VGPU_VEC(uint32_t) scan_seen;               /* by symbol: scan_serial of the last body that names it */
	uint32_t scan_serial;
	struct ir_lazy lazy;
};

/* ptx_lex.c */
void ptx_skip(struct ptx_parser *P);
bool ptx_is_ident_start(int c);
bool ptx_is_ident(int c);
/* The identifier at P->p, without dots; NULL: there is none (no error is reported). */
struct ptx_name *ptx_ident(struct ptx_parser *P);
/* A mnemonic with all its modifiers. */
struct ptx_name *ptx_spelling(struct ptx_parser *P);
struct ptx_name *ptx_intern(struct ptx_parser *P, const char *s, size_t n);
/* The name, if it has been met. */
struct ptx_name *ptx_find(const struct ptx_parser *P, const char *s, size_t n);
/* ".word": reads it if it is there; the word without its dot, NULL: none. */
struct ptx_name *ptx_dot_word(struct ptx_parser *P);
bool ptx_peek_char(struct ptx_parser *P, char c);
bool ptx_accept(struct ptx_parser *P, char c);
bool ptx_expect(struct ptx_parser *P, char c);
/* Skips the rest of a statement that was in error and began at start. */
void ptx_recover(struct ptx_parser *P, const char *start, uint32_t line, const char *line_start);
/* A number: kind 0 integer, 1 f32 bits, 2 f64 bits. */
struct ptx_number { uint64_t bits; uint8_t kind; bool is_unsigned; };
bool ptx_number(struct ptx_parser *P, struct ptx_number *n);
/* Constant expression. */
bool ptx_expr(struct ptx_parser *P, struct ptx_number *n);
bool ptx_const_u32(struct ptx_parser *P, uint32_t *v);
bool ptx_string(struct ptx_parser *P, const char **s, size_t *n);
struct ir_loc ptx_loc(const struct ptx_parser *P);

/* ptx_diag.c */
bool ptx_error(struct ptx_parser *P, const char *at, const char *fmt, ...) VGPU_PRINTF(3, 4);
void ptx_warn(struct ptx_parser *P, const char *at, const char *fmt, ...) VGPU_PRINTF(3, 4);
bool ptx_nomem(struct ptx_parser *P);

/* ptx_scope.c */
struct ptx_bind *ptx_bind_new(struct ptx_parser *P, struct ptx_name *name, enum ptx_bind_kind kind, uint32_t index, const char *at);
bool ptx_scope_open(struct ptx_parser *P);
bool ptx_scope_close(struct ptx_parser *P);
/* Innermost binding, or a register of a range that comes into being now; NULL. */
struct ptx_bind *ptx_lookup(struct ptx_parser *P, struct ptx_name *name);
bool ptx_range_new(struct ptx_parser *P, struct ptx_name *base, uint32_t count, enum ir_type type, unsigned vec, const char *at);
bool ptx_reg_new(struct ptx_parser *P, struct ptx_name *name, enum ir_type type, unsigned vec, const char *at);
bool ptx_ref_new(struct ptx_parser *P, struct ptx_name *name, const char *at, uint32_t insn, uint32_t table, uint32_t entry);

/* ptx_parse_var.c */
struct ptx_decl {
	enum ir_linkage linkage;
	enum ir_space space;
	bool managed;
	const char *at;
};
/* After ".global" …: type, names, initialisers, ';'. */
bool ptx_parse_vars(struct ptx_parser *P, struct ptx_decl *d);
/* One parameter: ".param .u64 name" …; vec: components of a vector register, v is one of them. */
bool ptx_parse_param(struct ptx_parser *P, struct ir_var *v, struct ptx_name **name, unsigned *vec, bool entry);
/* A vector register is as many parameters; names has NULL for all but its first one. */
bool ptx_parse_param_list(struct ptx_parser *P, struct ir_var **out, uint32_t *n, struct ptx_name ***names, bool entry);
bool ptx_parse_reg(struct ptx_parser *P);
bool ptx_parse_type(struct ptx_parser *P, enum ir_type *t, unsigned *vec, uint32_t *align);

/* ptx_parse_func.c */
bool ptx_parse_function(struct ptx_parser *P, enum ir_linkage linkage, bool entry, const char *at);
/* The body of a function that is noted in P->bodies; P stands at its beginning. */
bool ptx_parse_body_of(struct ptx_parser *P, uint32_t index);
bool ptx_parse_directive_in_function(struct ptx_parser *P, struct ptx_name *word, const char *at);
/* ptx_parse_insn.c */
bool ptx_parse_insn(struct ptx_parser *P, struct ptx_name *spelling, const char *at, struct ir_insn *i);
bool ptx_form_of(struct ptx_parser *P, struct ptx_name *spelling, const char *at, struct ptx_form **out);
/* Appends an instruction that the text doesn't have; d, s: its operands. */
bool ptx_emit(struct ptx_parser *P, const char *spelling, const struct ir_opnd *d, const struct ir_opnd *s, unsigned n_s);
/* A register that the text doesn't have. */
bool ptx_temp(struct ptx_parser *P, enum ir_type type, struct ir_opnd *o);
/* ptx_parse_operand.c */
struct ptx_opnd_text {
	struct ir_opnd o;            /* immediates: sub = kind of ptx_number until they are fitted */
	struct ir_opnd sampler;      /* tex [ref, sampler, {…}] */
	struct ptx_name *name;       /* an unknown name, or a label's */
	const char *at;
	bool pair;                   /* stood behind a '|' */
	bool indexed;                /* array[index]: an address, or what stands there */
};
bool ptx_parse_operand(struct ptx_parser *P, struct ptx_opnd_text *t);
bool ptx_fit_operand(struct ptx_parser *P, const struct ptx_opspec *spec, struct ir_insn *i, struct ptx_opnd_text *t);
bool ptx_parse_call(struct ptx_parser *P, struct ir_insn *i, const char *at);
/* ptx_parse_module.c */
bool ptx_parse_text(struct ptx_parser *P, const struct ptx_source *src);
/* Names lose the meaning that the text gave them. */
void ptx_close_file_scope(struct ptx_parser *P);
bool ptx_parse_common_directive(struct ptx_parser *P, struct ptx_name *word, const char *at, bool *known);
/* Symbol of module scope: finds or makes it. */
bool ptx_declare_var(struct ptx_parser *P, struct ptx_name *name, const struct ir_var *v, const char *at);
bool ptx_declare_func(struct ptx_parser *P, struct ptx_name *name, const struct ir_func *f, const char *at, uint32_t *func_out, bool *drop);

bool ptx_is(const struct ptx_name *n, const char *s);

/* ptx_scan.c: from behind a body's opening brace to behind the closing one; false: there is none, P is anywhere. */
bool ptx_scan_body(struct ptx_parser *P, struct ptx_scan *s);
/* ptx_lazy.c */
void ptx_body_note(struct ptx_parser *P, uint32_t index, const struct ptx_body *b);
/* Parses all bodies that were left. */
bool ptx_lazy_all(struct ptx_parser *P);
/* The parser becomes part of its module, which is complete but for bodies. */
void ptx_lazy_keep(struct ptx_parser *P);
/* ptx_compile.c */
void ptx_parser_free(struct ptx_parser *P);

#endif
