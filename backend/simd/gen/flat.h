/*
 * flat.h: a kernel as one flat function: calls of the module's functions
 * expanded in place, guards that aren't plain selects turned into branches,
 * and every wait at the end of a block; then what is known of its flow and
 * values. Registers are numbered through all expanded functions.
 *
 * Order of the analyses: gen_flatten, gen_flow (edges, dominators, loops,
 * order, liveness), gen_shapes for each world, gen_diverge (which blocks and
 * registers of the masked world lanes may disagree about).
 */
#ifndef VGPU_BACKEND_SIMD_GEN_FLAT_H
#define VGPU_BACKEND_SIMD_GEN_FLAT_H

#include "backend/interp/interp.h"
#include "backend/simd/gen/gen.h"

#define GEN_NONE 0xffffffffu

/* An expanded function. */
struct gen_inst {
	const struct in_func *in;          /* its layout */
	uint32_t reg0;                     /* its register 0 */
	uint32_t cc;                       /* its carry flag */
	uint32_t local_off;                /* its frame in local memory */
	uint32_t slot0;                    /* by local symbol: number in gen_func.slots, from here on */
	const struct gen_inst *caller;
	const struct ir_call *call;        /* of the caller */
};

enum gen_kind {
	GEN_I_IR,                          /* as the IR says */
	GEN_I_MOVE,                        /* dst = src: moves of arguments */
	GEN_I_EQ,                          /* dst (pred) = register src == imm: branch tables */
	GEN_I_NOT,                         /* dst (pred) = !src */
};

struct gen_insn {
	const struct ir_insn *i;
	uint8_t kind;
	bool masked;                       /* a store of the lanes for which the guard holds: gen_if_convert() */
	const struct gen_inst *inst;
	uint32_t dst, src;                 /* flat registers of synthetic ones */
	uint64_t imm;
	uint32_t ref;                      /* GEN_GUARD_…: a widening that may wrap, and where that is checked */
	uint32_t ir_block, ir_index;
};

enum { GEN_GUARD_NONE, GEN_GUARD_HERE, GEN_GUARD_COVERED };

enum gen_term {
	GEN_T_BR,                          /* succ[0] */
	GEN_T_COND,                        /* pred (neg): succ[0], else succ[1] */
	GEN_T_EXIT,
	GEN_T_BAR,                         /* a barrier to wait at (bar); then succ[0] */
	GEN_T_SLEEP,                       /* nanosleep: others first; then succ[0] */
	GEN_T_FAULT,                       /* trap: bar is the instruction */
};

struct gen_loop;

struct gen_block {
	VGPU_VEC(struct gen_insn) insns;
	uint8_t term;
	bool neg;
	bool entered;                      /* gen_flow: reachable */
	uint32_t pred_reg;
	struct gen_insn bar;
	uint32_t succ[2], n_succ;
	VGPU_VEC(uint32_t) preds;
	uint32_t idom, ipdom;              /* GEN_NONE: none, the exit */
	uint32_t rpo;
	uint32_t pos;                      /* in gen_func.order */
	struct gen_loop *loop;             /* innermost */
	uint64_t *live_in, *live_out;
	/* masked world */
	bool div;                          /* may run with part of the lanes */
	uint32_t comp;                     /* component of div blocks */
	bool guard;                        /* begins with a widening that may wrap */
	bool meet;                         /* begins with an instruction that lanes wait for each other at (general functions) */
};

struct gen_loop {
	uint32_t header;
	struct gen_loop *parent;
	uint64_t *blocks;                  /* set */
	uint32_t last;                     /* its last block in order */
	bool spins;                        /* may wait for other threads */
	bool divergent;                    /* lanes may leave it in different rounds */
};

/* What is known of a register's value. */
struct gen_shp {
	uint8_t shape;                     /* enum gen_shape */
	bool known;                        /* U: it is the constant c */
	uint8_t align;                     /* U, P: base is a multiple of 1 << align */
	bool lazy;                         /* f32 arithmetic: a NaN isn't canonical yet */
	uint64_t c;
	const struct gen_pat *pat;
	int64_t lo, hi;                    /* of all lanes' values, as signed numbers of the register's width (not: all) */
};

/* How far the next round of a loop is: not far, or not known; by a step of the grid's size; by a step that isn't known before. */
enum gen_step { GEN_STEP_NEAR, GEN_STEP_GRID, GEN_STEP_FAR };

struct gen_reg {
	uint8_t type;                      /* enum ir_type */
	uint8_t bits;                      /* 1, 8, 16, 32, 64 */
	uint32_t n_defs, n_uses;
	uint8_t step;                      /* enum gen_step, in loops: gen_find_steps() */
	bool fixed;                        /* by constants and the thread's number: gen_find_fixed() */
	bool blend;                        /* masked world: writes keep the other lanes' values */
	bool local;                        /* holds generic addresses of local memory, as offsets: gen_find_local() */
};

/* A .param variable of an expanded function or its caller that lives in registers: pieces by offset. */
struct gen_slot {
	uint32_t off, size, reg;
};
struct gen_var {
	bool in_memory;
	uint32_t alias_inst, alias_sym;    /* formals: what the caller named; GEN_NONE: nothing */
	VGPU_VEC(struct gen_slot) slots;
};

struct gen_func {
	const struct be_kernel *ik;
	VGPU_VEC(struct gen_block) blocks;
	VGPU_VEC(struct gen_reg) regs;
	VGPU_VEC(struct gen_inst *) insts;
	VGPU_VEC(struct gen_var) vars;     /* by gen_inst.slot0 + local symbol */
	VGPU_VEC(struct gen_loop *) loops;
	VGPU_VEC(const struct gen_pat *) pats;
	VGPU_VEC(struct ir_insn *) made;   /* instructions that the module doesn't have */
	VGPU_VEC(struct sd_ref) refs;
	VGPU_VEC(struct sd_sym) syms;
	uint32_t *order, n_order;          /* reachable blocks */
	size_t words;                      /* of a set of registers */
	uint32_t local_B;
	unsigned granule;                  /* of interleaved local memory, in bytes; 0: each thread's is in one piece */
	bool spins, general;
	bool only_masked;                  /* for tests: never world 0 */
	bool yields, diverges;             /* for tests: GEN_F_YIELD, GEN_F_DIVERGE */
	uint32_t half;                     /* GEN_F_WORLD_0, GEN_F_WORLD_1 or neither */
	struct gen_shp *shp[2];            /* by world: convergent, masked */
	uint32_t block[3];                 /* threads; 0: unknown */
	bool small_grid;
	const char *why;                   /* can't be compiled */
	uint32_t why_line;
};

/* 0; -VGPU_E_NOT_SUPPORTED with f->why: the kernel has to be interpreted; or another error. */
int gen_flatten(struct gen *g, struct gen_func *f, uint32_t func);
int gen_flow(struct gen *g, struct gen_func *f);
void gen_find_local(struct gen *g, struct gen_func *f);
/* Is a load or a store one of local memory, as far as that is known? */
bool gen_is_local(const struct gen_func *f, const struct gen_insn *t);
/* The space that the first operand of an access says. */
uint8_t gen_space_of(const struct gen_insn *t);
/* world 0: no lane ever disagrees; 1: what gen_diverge says. */
int gen_shapes(struct gen *g, struct gen_func *f, unsigned world);
/* Branches that a few instructions under a guard can do for; flow and shapes of world 0 are known, and known again. */
int gen_if_convert(struct gen *g, struct gen_func *f);
int gen_split_guards(struct gen *g, struct gen_func *f);
/* Instruction n of block b begins a new one, the last of f->blocks. */
int gen_split_at(struct gen_func *f, uint32_t b, size_t n);
unsigned gen_op_bits(const struct ir_insn *i, unsigned n);
bool gen_is_coll(const struct ir_insn *i);
bool gen_is_row(const struct ir_insn *i);
/* Does it say which lanes of a warp it is for, and wait for them? */
bool gen_is_meeting(const struct ir_insn *i);
bool gen_is_soft(const struct gen_func *f, const struct gen_loop *l);
bool gen_reads_number(const struct ir_insn *i, unsigned n);
struct gen_shp gen_opnd_shape(struct gen *g, const struct gen_shp *shp, const struct gen_insn *x, const struct ir_opnd *o, unsigned bits);
int gen_diverge(struct gen *g, struct gen_func *f);
unsigned gen_count_insns(const struct gen_func *f);
int gen_find_steps(struct gen *g, struct gen_func *f);
int gen_find_fixed(struct gen *g, struct gen_func *f);
void gen_func_free(struct gen_func *f);

static inline bool gen_in(const uint64_t *set, uint32_t n)
{
	return set[n / 64] >> (n % 64) & 1;
}
static inline void gen_add(uint64_t *set, uint32_t n)
{
	set[n / 64] |= (uint64_t)1 << (n % 64);
}

bool gen_dominates(const struct gen_func *f, uint32_t a, uint32_t b);

/* Nothing but the end of the kernel. */
static inline bool gen_just_ends(const struct gen_block *b)
{
	return b->term == GEN_T_EXIT && !b->insns.n;
}

/* Registers that an instruction reads and writes; guards too. Calls back with the flat number. */
typedef void (*gen_reg_fn)(void *arg, uint32_t reg);
void gen_uses(const struct gen_func *f, const struct gen_insn *x, gen_reg_fn fn, void *arg);
void gen_defs(const struct gen_func *f, const struct gen_insn *x, gen_reg_fn fn, void *arg);
/* Does its write keep part of the old value (a guard)? */
bool gen_keeps_old(const struct gen_insn *x);

/* The register slot of a .param variable that an access names; GEN_NONE: it is in memory. */
uint32_t gen_slot_of(const struct gen_func *f, const struct gen_inst *inst, uint32_t sym, uint64_t off, uint32_t size);
/* Where the variable lies in a thread's local memory. */
uint32_t gen_local_of(const struct gen_func *f, const struct gen_inst *inst, uint32_t sym);

static inline uint32_t gen_reg_of(const struct gen_inst *inst, uint32_t reg)
{
	return inst->reg0 + reg;
}

#endif
