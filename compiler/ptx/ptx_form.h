/*
 * ptx_form.h: the decoded form of one spelling ("add.rn.ftz.f32"): which
 * fields of struct ir_insn it sets, and what operands it takes.
 */
#ifndef VGPU_COMPILER_PTX_PTX_FORM_H
#define VGPU_COMPILER_PTX_PTX_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/ir/ir.h"

enum ptx_opk {
	PTX_OPK_VALUE,    /* register or immediate */
	PTX_OPK_ADDR,     /* as VALUE, also a symbol's address (mov, cvta) */
	PTX_OPK_MOV,      /* as ADDR, also a vector that packs or unpacks */
	PTX_OPK_VEC,      /* scalar or vector, as .v2 … says */
	PTX_OPK_LOOSE,    /* any value or vector, of any type */
	PTX_OPK_JOIN,     /* as LOOSE; goes to the end of the vector that is the last source */
	PTX_OPK_MEM, PTX_OPK_TEX, PTX_OPK_LABEL, PTX_OPK_TABLE, PTX_OPK_IMM,
};

struct ptx_opspec {
	uint8_t kind;        /* enum ptx_opk */
	uint8_t type;        /* enum ir_type; NONE: any */
	bool dst, wider_ok, optional;
	bool pair;           /* second half of a|b */
	bool pair_optional;
};

#define PTX_MAX_SPEC 12

struct ptx_form {
	struct ir_insn insn;             /* op, types, modifiers; no operands */
	struct ptx_opspec spec[PTX_MAX_SPEC];
	uint8_t n_spec, n_required;      /* pair halves are not counted as required */
	bool any_operands;               /* "*" */
	bool unsupported, old;
	uint8_t min_version;
};

enum ptx_decode {
	PTX_DECODE_OK,
	PTX_DECODE_NO_INSN,       /* unknown mnemonic */
	PTX_DECODE_NO_MODIFIER,   /* a word that no instruction has; *bad says which */
	PTX_DECODE_BAD_MODIFIER,  /* a word that this instruction does not have; *bad says which */
	PTX_DECODE_BAD_COMBINATION,
};

/* Decodes a spelling. bad (of bad_size bytes) receives the offending word. */
enum ptx_decode ptx_form_decode(const char *spelling, size_t len, struct ptx_form *f, char *bad, size_t bad_size);
/* Mnemonic of an op. */
const char *ptx_op_name(enum ir_op op);
enum ir_op ptx_op_find(const char *s, size_t len);
/* Type by spelling; IR_T_NONE. */
enum ir_type ptx_type_find(const char *s, size_t len);
/* IR_SREG_NONE where s is none. */
enum ir_sreg ptx_sreg_find(const char *s, size_t len);
const char *ptx_sreg_name(enum ir_sreg r);
enum ir_type ptx_sreg_type(enum ir_sreg r);
/* The forms of an op as written in ptx_insn.def, NULL terminated. */
const char *const *ptx_op_forms(enum ir_op op);

#endif
