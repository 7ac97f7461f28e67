/*
 * emit.h: from a flat function to LLVM IR. The function's code exists twice:
 * world 0 for gangs whose lanes agree at every branch, without masks; world 1
 * for any lanes, with masks. A branch of world 0 about which lanes disagree
 * leads to world 1; where lanes have met again, world 1 leads back.
 *
 * A register has a place (allocas, which LLVM turns into registers) in each
 * world, of the shape that it has there. Inside of a flat block values are
 * kept as they were computed.
 */
#ifndef VGPU_BACKEND_SIMD_GEN_EMIT_H
#define VGPU_BACKEND_SIMD_GEN_EMIT_H

#include "backend/simd/gen/affine.h"
#include "backend/simd/gen/gen_api.h"

struct gen_place {
	val u, k, v[GEN_MAX_NG];           /* allocas */
};

struct gen_state {                         /* where the function can go on */
	uint32_t block;                    /* the block that it goes on with */
	unsigned world;
	bool sweep;                        /* general: masks of all blocks were saved */
	bool at_end;                       /* where it waits: at the end of the block that is emitted, not at its beginning */
	LLVMBasicBlockRef bb;              /* reads the frame, then goes to the block */
};

struct gen_covered {                       /* check.c: accesses that are checked already */
	uint32_t now, reg;                 /* in the block that the stamp now stands for */
	uint8_t space;
	const struct gen_insn *last;
};

struct gen_emit {
	struct gen *g;
	struct gen_func *f;
	unsigned world;
	uint32_t block;
	struct gen_place *place[2];
	struct gen_val *cur;
	uint32_t *stamp, now;              /* cur[r] is valid when stamp[r] == now */
	LLVMBasicBlockRef *bb[2];          /* where a block begins */
	LLVMBasicBlockRef *stay;           /* world 1: behind the way back to world 0 */
	LLVMBasicBlockRef entry, done, gave_up;
	LLVMBasicBlockRef ended;           /* world 0: all lanes have */
	LLVMBasicBlockRef sweep;           /* general: the end of a sweep */
	val *mask;                         /* by block and group: allocas */
	val *park;                         /* general: lanes at a barrier */
	val live[GEN_MAX_NG], full, spins;
	LLVMBasicBlockRef turn;            /* turn.c: a gang's turn begins, in the state; NULL: they don't take turns here */
	val state;
	val ctaid_x;                       /* row.c: alloca; NULL: what the context says stays */
	val steps;                         /* GEN_F_DIVERGE: blocks of world 0 so far */
	bool has[2];                       /* the worlds that are in this object */
	val *cross;                        /* by group: lanes that take a branch, between halves */
	struct gen_mask m;
	VGPU_VEC(struct gen_state) states;
	uint32_t frame_B;
	struct {                           /* home.c */
		uint32_t *at, end;         /* by register: where it is in the frame */
		uint64_t *written;         /* by block: what may have been since the last wait, where it begins */
		LLVMBasicBlockRef *way;    /* by a loop's first block: the way into it; NULL: straight */
		uint64_t *here;            /* where the gang waits that is emitted */
	} home;
	struct gen_covered covered;
	struct gen_fields *fields;         /* field.c: what the block loads and stores at once */
	struct gen_rows *rows;             /* rows.c: what waits in the block; NULL: nothing does */
	struct gen_asks *asks;             /* ask.c: NULL: nothing is asked for between arithmetic */
	struct gen_late late;              /* of the block that is emitted */
	val switch_;
	val scratch[4];                    /* mem_scratch() */
	bool has_rows;                     /* calls of the interpreter's instructions */
	bool failed;
};

/* ---- shared_fn.c ---- */
void gen_put_row(struct gen_emit *e, val row, const struct gen_val *x, unsigned bits);
void gen_get_row(struct gen_emit *e, val row, unsigned bits, struct gen_val *x);

/* ---- world.c ---- */
int gen_emit_func(struct gen_emit *e);
/* To sd_ctx.live: lanes that have not ended. */
void gen_put_live(struct gen_emit *e);

/* For world 0: it stands at the end of block b until others have had their turn. */
bool gen_waits_at_end(const struct gen_emit *e, uint32_t b);
/* World 1 leads back to world 0 before block b. */
bool gen_meets_at(const struct gen_emit *e, uint32_t b);

/* ---- home.c: what waits in the frame, in world 0 ---- */
/* False: failed. */
bool gen_homes_begin(struct gen_emit *e);
void gen_homes_end(struct gen_emit *e);
/* The gang waits here, at the beginning or the end of the block that is emitted. */
void gen_homes_at(struct gen_emit *e, bool at_end);
/* Where to go in world 0 for block b, coming from another one or from elsewhere. */
#define GEN_NO_BLOCK UINT32_MAX
LLVMBasicBlockRef gen_home_way(const struct gen_emit *e, uint32_t from, uint32_t b);
/* The way into the loop that begins with block b, if it has one of its own. */
void gen_home_enter(struct gen_emit *e, uint32_t b);
/* To the frame, unless it is there still, or from it. */
void gen_home(struct gen_emit *e, uint32_t r, bool save, val frame);

/* ---- rows.c: group by group, in world 0 ---- */
void gen_rows_begin(struct gen_emit *e, uint32_t b);
/* The instruction waits for others; else it is the caller's. */
bool gen_rows_take(struct gen_emit *e, const struct gen_insn *t);
/* What waits is done. */
void gen_rows_do(struct gen_emit *e);
void gen_rows_end(struct gen_emit *e);

/* ---- ask.c: what the next round of a loop loads, in world 0 ---- */
/* So many vectors were worked out. */
void gen_asks_pace(struct gen_emit *e, unsigned vectors);
/* Block b's instructions are done. */
void gen_asks_block(struct gen_emit *e, uint32_t b);
void gen_asks_end(struct gen_emit *e);

/* ---- field.c: accesses that are done at once ---- */
void gen_fields_begin(struct gen_emit *e, uint32_t b);
bool gen_is_field(const struct gen_emit *e, const struct gen_insn *t);
void gen_fields_end(struct gen_emit *e);
/* Does world 0 ask at the start of b whether what it is about to do is right; *bad (i1): it isn't, world 1 has to do the block. */
bool gen_fields_ask(struct gen_emit *e, uint32_t b);
void gen_fields_check(struct gen_emit *e, val *bad);

/* ---- bound.c: branches about a bound ---- */
/* What sets the condition at the end of block b, when it is a bound that a few scalars tell about; NULL. */
const struct gen_insn *gen_bound_of(struct gen_emit *e, uint32_t b);
/* Nothing else reads it. */
bool gen_bound_is_all(const struct gen_emit *e, const struct gen_insn *t);
/* Surely true of all lanes; surely of none (i1). At the block's end. */
void gen_bound_ask(struct gen_emit *e, const struct gen_insn *t, val *all, val *none);

/* ---- row.c: short blocks one after the other ---- */
/* At the function's beginning. */
void gen_row_of_blocks(struct gen_emit *e);
/* Where world 0 has ended: on with the next block, from start on, if there is one; else done. When all else is emitted. */
void gen_next_block(struct gen_emit *e, LLVMBasicBlockRef start);

/* ---- turn.c: gangs one after the other ---- */
/* At the function's beginning: the state in which it goes on. What follows is done at the beginning of each turn. */
val gen_turns_begin(struct gen_emit *e);
/* The gang's frame is saved: another one's turn, if this is a barrier for all of the block. What follows is for when it isn't. */
void gen_turn_at_barrier(struct gen_emit *e, const struct gen_insn *t, uint32_t state);
/* World 0 has ended. */
void gen_turn_at_end(struct gen_emit *e);

/* ---- cross.c: between the halves of a kernel's code ---- */
enum gen_cross { GEN_CROSS_START, GEN_CROSS_PART, GEN_CROSS_ENTER, GEN_CROSS_MET, GEN_CROSS_KINDS };
/* Lanes that take the branch of the block (PART): allocas. */
const val *gen_cross_slots(struct gen_emit *e);
void gen_cross_leave(struct gen_emit *e, uint32_t state);
void gen_cross_out(struct gen_emit *e, enum gen_cross how, uint32_t b);
/* What follows comes from there. */
void gen_cross_in(struct gen_emit *e, enum gen_cross how, uint32_t b);

/* mask.c: the places of masks of world 1 (as many as groups): lanes that have come to block b; those at the barrier that ends it */
val *gen_block_mask(struct gen_emit *e, uint32_t b);
val *gen_park_mask(struct gen_emit *e, uint32_t b);
void gen_load_mask(struct gen_emit *e, const val *slots, val *out);
/* m NULL: none. */
void gen_store_mask(struct gen_emit *e, const val *slots, const val *m);
void gen_add_mask(struct gen_emit *e, const val *slots, const val *m);
/* Of the lanes m that have come to b, which begins with a meeting, those that go on; the others wait there. */
void gen_meet(struct gen_emit *e, uint32_t b, val *m);
void gen_zero_masks(struct gen_emit *e);

/* ---- place.c: registers ---- */
/* The register's value as a number (a NaN's bits don't matter) or with its exact bits. */
void gen_read(struct gen_emit *e, uint32_t r, struct gen_val *out);
void gen_read_bits(struct gen_emit *e, uint32_t r, struct gen_val *out);
/* A group of the register's value, as a number, with its exact bits. */
val gen_exact(struct gen_emit *e, uint32_t r, val v);
void gen_write(struct gen_emit *e, uint32_t r, const struct gen_val *x);
/* To the register's place, at once. */
void gen_put(struct gen_emit *e, uint32_t r, const struct gen_val *x);
/* world 0's place to world 1's, and back. */
void gen_move_world(struct gen_emit *e, uint32_t r, unsigned from, unsigned to);
bool gen_can_return(const struct gen_emit *e, uint32_t r);
/* Everything of a register's place to or from the frame at *at, which moves on. */
void gen_frame_reg(struct gen_emit *e, unsigned world, uint32_t r, bool save, val frame, uint32_t *at);
void gen_frame_masks(struct gen_emit *e, const val *slots, unsigned n, bool save, val frame, uint32_t *at);
void gen_zero_places(struct gen_emit *e);
val gen_alloca(struct gen_emit *e, LLVMTypeRef t);
/* Predicates and masks as they are stored: <G x i32> where the CPU has no mask registers. */
LLVMTypeRef gen_mask_type(struct gen *g);
val gen_mask_pack(struct gen *g, val m);
val gen_mask_unpack(struct gen *g, val m);
void gen_as_v(struct gen *g, const struct gen_val *x, unsigned bits, struct gen_val *out);

/* ---- gang.c ---- */
struct gen_request;
/*
 * How many warps should run as one stream: as many as have room in the vector registers, in kernels of light and even work; each block
 * a whole number of gangs. For a kernel that was analysed as a gang of one warp.
 */
unsigned gen_gang_warps(struct gen *g, const struct gen_request *r, const struct gen_func *f);
/* Accesses to memory, by weight, of which nothing is known but each lane's address. */
unsigned gen_gang_scattered(const struct gen_func *f);

/* ---- insn.c ---- */
void gen_insn(struct gen_emit *e, const struct gen_insn *t);
/* Group n of what a simple element-wise instruction makes of these operands. */
val gen_elem_group(struct gen_emit *e, const struct gen_insn *t, const struct gen_val *src, unsigned n);
/* Value of an operand, cut to bits (0: as it is). number: a NaN's bits don't matter. */
void gen_operand(struct gen_emit *e, const struct gen_insn *t, const struct ir_opnd *o, unsigned bits, bool number, struct gen_val *out);
/* Number of the reference to an instruction, for calls of the run time. */
uint32_t gen_ref(struct gen_emit *e, const struct gen_insn *t);
void gen_row(struct gen_emit *e, const struct gen_insn *t);
void gen_row_call(struct gen_emit *e, const struct gen_insn *t);
void gen_row_result(struct gen_emit *e, const struct gen_insn *t, uint32_t r, struct gen_val *x);
void gen_guard_check(struct gen_emit *e, const struct gen_insn *t, val *bad);
val gen_load_ctx(struct gen_emit *e, size_t off, LLVMTypeRef t);
/* Of the launch, the block or the gang: the same for as long as the function runs. */
val gen_load_const(struct gen_emit *e, size_t off, LLVMTypeRef t);
/* … for as long as it is the gang's turn. */
val gen_load_of_gang(struct gen_emit *e, size_t off, LLVMTypeRef t);
void gen_store_ctx(struct gen_emit *e, size_t off, val v);
val gen_call_rt(struct gen_emit *e, size_t off, LLVMTypeRef ret, val *args, unsigned n);
val gen_any(struct gen *g, const val *groups, bool all);   /* i1: any (all) lanes set */
LLVMBasicBlockRef gen_new_bb(struct gen_emit *e, const char *name);
void gen_at(struct gen_emit *e, LLVMBasicBlockRef bb);

/* ---- fixed.c ---- */
/* Operand n of floating-point arithmetic, which LLVM isn't to work out itself: what it is can't be seen any more, if it could. */
val gen_unknown(struct gen_emit *e, const struct gen_insn *t, unsigned n, val v);

/* ---- wide_mask.c ---- */
/* The last change before code is generated; false: memory is short. */
bool gen_widen_masks(struct gen *g);
/* The load's value was made by gen_mask_pack(). */
void gen_note_mask(struct gen *g, val load);

/* ---- sreg.c ---- */
void gen_sreg(struct gen_emit *e, uint32_t sreg, struct gen_val *out);

/* ---- mem.c ---- */
void gen_ld(struct gen_emit *e, const struct gen_insn *t);
void gen_st(struct gen_emit *e, const struct gen_insn *t);
void gen_atom_insn(struct gen_emit *e, const struct gen_insn *t);
/* check.c: NULL: nothing to check; else (i1) some lane's access isn't a plain one of its space. */
val gen_check(struct gen_emit *e, const struct gen_insn *t, unsigned stride, const struct gen_aff *a, const struct gen_val *v);
/* The same for a generic address that isn't in the window: it isn't in shared or local memory or the parameters either. */
val gen_check_block(struct gen_emit *e, const struct gen_insn *t, unsigned stride, const struct gen_aff *a, const struct gen_val *v);
/* Branches to cold when bad, which is rare. */
void gen_unlikely(struct gen_emit *e, val bad, LLVMBasicBlockRef cold, LLVMBasicBlockRef on);
/* Host address of a MEM operand. */
void gen_address(struct gen_emit *e, const struct gen_insn *t, const struct ir_opnd *o, uint8_t space, struct gen_aff *out, struct gen_val *v);
val gen_sym_addr(struct gen_emit *e, uint32_t kind, uint32_t index);

#endif
