/*
 * alu.h: arithmetic of the interp backend: everything that only computes
 * values from register values, lane by lane, with no memory, no control flow
 * and no other lane involved. One handler per (instruction, types, modifiers);
 * alu_select() finds it once, when a kernel is prepared.
 *
 * A row is the value of one register in the 32 lanes of a warp, 64 bits a
 * lane: integers zero-extended to 64 bits from their width, floats as their
 * bits, predicates 0 or 1, packed types as the 32-bit register. B128: two rows.
 */
#ifndef VGPU_BACKEND_INTERP_ALU_H
#define VGPU_BACKEND_INTERP_ALU_H

#include <stdint.h>

struct ir_insn;

#define WARP 32

struct alu_args {
	uint64_t *d, *d2;              /* result rows; d2: setp's q, NULL where there is none */
	const uint64_t *a, *b, *c, *e; /* source rows (immediates are spread by the caller); predicates' ! is resolved;
	                                  lop3.BoolOp: e is the predicate q, the table is read from insn */
	uint64_t *cc;                  /* row of carry flags (add.cc …): 0 or 1 */
	uint32_t mask;                 /* lanes to compute; others keep their old value */
	const struct ir_insn *insn;    /* for handlers that read modifiers at run time */
};

typedef void (*alu_fn)(const struct alu_args *x);

/* The handler of an instruction; NULL: not an ALU instruction, or this form is not implemented. */
alu_fn alu_select(const struct ir_insn *i);

#endif
