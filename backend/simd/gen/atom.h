/*
 * atom.h: what the files of atom and red share. atom.c: lanes one after the
 * other; atom_late.c: atomics that wait for the next; atom_op.c: what one operation computes; atom_uniform.c: one address
 * for all lanes.
 */
#ifndef VGPU_BACKEND_SIMD_GEN_ATOM_H
#define VGPU_BACKEND_SIMD_GEN_ATOM_H

#include "backend/simd/gen/coll.h"

enum atom_ftz { ATOM_NO_FTZ, ATOM_FTZ, ATOM_FTZ_BY_ADDRESS };

struct atom {
	struct gen *g;
	struct gen_atom *a;
	unsigned bits;
	LLVMTypeRef t;
	enum atom_ftz ftz;
	val addr, b, c;            /* the operand where it is uniform; else NULL … */
	val addrs, bs, cs;         /* … and here by lane; addrs: as 32-bit offsets from a->base where that is set */
	bool in_regs;              /* … or in these: no address and no operand is laid out in memory */
	struct gen_val addr_v, b_v, c_v;
	val offs, off;             /* offsets of a group, two in a number; the next lane's */
	val olds;                  /* results by lane; NULL: not wanted */
	val mxcsr;                 /* two words of memory: saved, plain */
	val masks;                 /* by warp; NULL: all lanes */
};

/*
 * A loop around what turns *old into a new value until nobody else has changed
 * it meanwhile: begin; new = …; end.
 */
struct atom_retry {
	LLVMBasicBlockRef loop;
	val p, old;
};

/* Code for one lane; carry: goes from lane to lane (NULL: nothing does). */
typedef val (*atom_body)(struct atom *t, val lane, val carry);

/* atom_op.c */
bool atom_is_float(const struct ir_insn *i);
bool atom_is_signed(const struct ir_insn *i);
val atom_k(struct atom *t, uint64_t x);
/* An associative and commutative operation on integers; scalars or groups. */
val atom_combine(struct gen *g, const struct ir_insn *i, val x, val y);
/* The new value. */
val atom_compute(struct atom *t, val old, val b, val c, val addr);

/* atom.c */
val atom_pointer(struct atom *t, val addr);
val atom_load(struct atom *t, val p);
void atom_retry_begin(struct atom *t, struct atom_retry *r, val p);
void atom_retry_end(struct atom *t, struct atom_retry *r, val new);
/* One lane's operation on memory; answers the old value. */
val atom_one(struct atom *t, val addr, val b, val c);
/* The lanes that take part, in order; answers the last one's carry. */
val atom_lanes(struct atom *t, atom_body body, val carry);
/* An operand that is all the same, or laid out by lane, in memory. */
val atom_operand(struct atom *t, val same, val all, LLVMTypeRef type, val lane);
bool atom_is_short(const struct atom *t);
/* An atomic whose lanes have addresses of their own: to memory; lane by lane; the memory is free again. */
void atom_lay_out(struct atom *t);
void atom_do_lanes(struct atom *t);
void atom_put_away(struct atom *t);
void atom_init(struct atom *t, struct gen *g, struct gen_atom *a);
void atom_keep_old(struct atom *t, val lane, val old);

/* atom_uniform.c */
bool atom_combines(const struct ir_insn *i);
/*
 * All lanes have one address: nothing may happen to it when none takes part.
 * Answers the old value before the first lane (combined operations).
 */
val atom_one_address(struct atom *t);
/* dst: in each lane what the lanes before it have made of first. */
void atom_prefixes(struct atom *t, val first);

#endif
