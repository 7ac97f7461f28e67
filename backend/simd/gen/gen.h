/*
 * gen.h: code generation of the simd backend: one kernel's IR, for one shape
 * of blocks and one vector width, to a relocatable object through LLVM's C
 * API. Inside of the generator; gen_api.h is what others see.
 *
 * Terms: G lanes are a group, one LLVM vector <G x T>. 32 lanes are a warp. W
 * lanes (one or more warps) run as one stream of code, a gang of NG groups.
 *
 * Shapes. A register's value over the lanes of a gang is
 *   U  uniform: one scalar;
 *   P  a pattern: base + C[lane] + k * K[lane] in arithmetic modulo its width,
 *      base and k scalars at run time, C and K known here;
 *   V  anything: NG vectors.
 * Integers and floats alike are kept as integers (iN, <G x iN>); predicates are i1, <G x i1>.
 */
#ifndef VGPU_BACKEND_SIMD_GEN_GEN_H
#define VGPU_BACKEND_SIMD_GEN_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "backend/simd/sd_rt.h"
#include "compiler/ir/ir.h"
#include "util/err.h"
#include "util/vec.h"

#define GEN_MAX_NG 32

typedef LLVMValueRef val;          /* an LLVM value: scalar or <G x T> */

enum gen_shape { GEN_BOTTOM, GEN_U, GEN_P, GEN_V };

/* The lanes' part of a pattern. Interned: equal patterns are one object. */
struct gen_pat {
	bool has_k;
	int64_t c[SD_MAX_W], k[SD_MAX_W];   /* by lane of the gang */
};

/* A value of one register at a point of the code. */
struct gen_val {
	enum gen_shape shape;
	const struct gen_pat *pat;
	val u;                     /* U: the value; P: base */
	val k;                     /* P with K */
	val v[GEN_MAX_NG];         /* V */
};

/* Lanes that execute; full: all of the gang, v is not set. */
struct gen_mask {
	bool full;
	val v[GEN_MAX_NG];         /* <G x i1> */
};

struct gen_func;                   /* flat.h */

struct gen {
	const struct ir_module *m;
	const struct ir_func *entry;
	LLVMContextRef cx;
	LLVMModuleRef mod;
	LLVMBuilderRef b;
	LLVMTargetMachineRef tm;
	val fn;
	val ctx;                   /* the function's first argument: struct sd_ctx * */
	enum sd_isa isa;
	unsigned W, G, NG, n_warps;   /* n_warps = W / 32 */
	bool quick;                /* tier 0 */
	bool slow_gather;          /* or none: a load for each lane is faster, though more code */
	bool ftz;                  /* the kernel runs with MXCSR's FTZ and DAZ: .ftz f32 operations are the plain ones */
	bool deep;                 /* the code's stack frame is larger than SD_FRAME_MAX_B */
	bool strict;               /* no contraction (it is done by a pass before) */
	/* common types */
	LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, ptr, void_t;
	struct gen_func *f;
	struct vgpu_err *err;
};

/* ---- types and constants: scalar or vector alike (type.c) ---- */

/* iN, or <lanes x iN> when lanes > 1. */
LLVMTypeRef gen_int_type(struct gen *g, unsigned bits, unsigned lanes);
LLVMTypeRef gen_float_type(struct gen *g, unsigned bits, unsigned lanes);   /* 16: half, 32, 64 */
/* 1 for a scalar. */
unsigned gen_lanes(val v);
/* Bits of an element. */
unsigned gen_bits(val v);
/* An integer constant of the same shape: bits wide, as many lanes as like. */
val gen_const(struct gen *g, val like, unsigned bits, uint64_t x);
/* The low bits of an integer, or it zero-extended (sign-extended). */
val gen_cut(struct gen *g, val v, unsigned bits);
val gen_sext(struct gen *g, val v, unsigned bits);
/* Bits as a float of the same width, and back. */
val gen_as_float(struct gen *g, val v);
val gen_as_int(struct gen *g, val v);
val gen_splat(struct gen *g, val scalar);          /* <G x T> */
/* Call of an LLVM intrinsic, overloaded on the type of its first n_over arguments … */
val gen_intrinsic(struct gen *g, const char *name, LLVMTypeRef *over, unsigned n_over, val *args, unsigned n_args);
/* … the common case: overloaded on the result's type, which is that of args[0]. */
val gen_intrinsic1(struct gen *g, const char *name, val a);
val gen_intrinsic2(struct gen *g, const char *name, val a, val b);
val gen_intrinsic3(struct gen *g, const char *name, val a, val b, val c);

/* ---- values (value.c) ---- */

/* Group n of a value as a vector, whatever its shape. bits: width of the register. */
val gen_group(struct gen *g, const struct gen_val *x, unsigned bits, unsigned n);
/* Lane's value as a scalar; lane is known. */
val gen_lane(struct gen *g, const struct gen_val *x, unsigned bits, unsigned lane);
/* A mask's group as <G x i1>, also where it is full. */
val gen_mask_group(struct gen *g, const struct gen_mask *m, unsigned n);
/* Bits of a <G x i1> vector as an iG, and back. */
val gen_mask_bits(struct gen *g, val v);
val gen_mask_of_bits(struct gen *g, val bits);
/* Warp w's lanes as an i32. */
val gen_warp_bits(struct gen *g, const val *groups, unsigned w);

/* ---- what instruction families implement ---- */

/*
 * Element-wise instructions (elem_*.c): the same computation on a scalar or on
 * a group. src: integers of the operand's register's width, or i64 for
 * immediates: take gen_cut(g, src, width of the operand's type). Predicates are i1 with ! resolved. An arithmetic
 * sign change (i->src[n].neg of anything but a predicate) is the emitter's.
 * dst: width of the instruction's result type (mul.wide: twice; predicate: i1). cc: the carry flag, i1.
 * Bits are those of the interp backend's alu_*.c, for every input.
 * lazy_nan: an f32 result that is NaN may have any NaN's bits (the user of it can't tell).
 */
struct gen_elem {
	const struct ir_insn *i;
	unsigned lanes;            /* 1 or G */
	val src[IR_MAX_SRC];
	val cc;
	val dst[2];
	val cc_out;
	bool lazy_nan;
};

/* False: there is no code for this form; the caller takes the interp's handler. */
bool gen_elem(struct gen *g, struct gen_elem *e);
/* The same question without emitting. */
bool gen_elem_has(const struct gen *g, const struct ir_insn *i);
/* Is an instruction's code right where the processor flushes subnormals (g->ftz)? Else the kernel can't run that way. */
bool gen_elem_ftz_ok(const struct ir_insn *i);

/*
 * Warp-wide instructions (coll.c): shfl, vote, match, redux, activemask, elect, bar.warp.sync … src: values of the
 * operands in order (an absent one has shape GEN_BOTTOM), bits: their widths (immediates are U of 32 bits). The lanes that take part are those
 * that execute and are named. dst: by result (0 and 1); shapes U or V. False: the caller takes the interp's handler.
 */
bool gen_coll(struct gen *g, const struct ir_insn *i, const struct gen_val *src, const unsigned *bits, const struct gen_mask *m,
	      struct gen_val *dst);
/* The same question without emitting. */
bool gen_coll_has(const struct gen *g, const struct ir_insn *i);
/* Shape of its results for sources of the given shapes (GEN_U: must hold for every mask). */
enum gen_shape gen_coll_shape(const struct gen *g, const struct ir_insn *i, unsigned n_dst, const enum gen_shape *src);

/*
 * atom and red (atom.c). addr: host addresses, V of 64 bits (or U); b, c: operand values of the register width in bits; wanted: is the
 * old value used? dst is of the same shape as the address unless more is known. shared: memory that one thread of the host uses at a time.
 */
struct gen_atom {
	const struct ir_insn *i;
	struct gen_val addr, b, c;
	val base;                  /* all addresses are within 4 GiB from here; NULL: not known */
	unsigned b_bits, c_bits;
	bool wanted, shared;
	struct gen_mask m;
	struct gen_val dst;
};
bool gen_atom(struct gen *g, struct gen_atom *a);
bool gen_atom_has(const struct gen *g, const struct ir_insn *i);

/*
 * Atomics that wait (atom_late.c): what they work on is in memory already, so that the processor, which does it lane by lane, need not
 * wait for it. They must be done before anything that depends on memory, in order. Only such as have no result and go fast.
 */
#define GEN_LATE_MAX 8
struct gen_late {
	unsigned n;
	struct late_atom *v[GEN_LATE_MAX];
};
bool gen_atom_can_wait(const struct gen_atom *a);
/* False: no memory, or no code for it. */
bool gen_atom_wait(struct gen *g, const struct gen_atom *a, struct gen_late *l);
void gen_atom_do_late(struct gen *g, struct gen_late *l);

#endif
