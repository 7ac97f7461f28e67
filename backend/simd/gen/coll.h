/*
 * coll.h: what the files of warp-wide instructions share. A warp's lanes are
 * per = 32 / G groups; warp w's first group is w * per.
 *
 * Who takes part. With one member mask for all lanes, those that execute: a
 * lane that doesn't name itself works with those that it runs with, and lanes
 * that are named but don't execute are taken as ended. When the mask differs
 * between lanes (tiles of cooperative groups), each lane works with those that
 * execute of the ones that it names.
 *
 * Values of lanes that don't execute may be anything, poison too: nothing
 * here addresses memory or ends a loop by them (coll_freeze).
 */
#ifndef VGPU_BACKEND_SIMD_GEN_COLL_H
#define VGPU_BACKEND_SIMD_GEN_COLL_H

#include "backend/simd/gen/gen.h"

struct coll {
	struct gen *g;
	const struct ir_insn *i;
	const struct gen_val *src;
	const unsigned *bits;
	const struct gen_mask *m;
	struct gen_val *dst;
	unsigned per;                      /* groups of a warp */
	const struct gen_val *members;     /* NULL: the same in all lanes, or none */
	val lanes[SD_MAX_WARPS];           /* warp's lanes that execute: i32 */
};

/* A loop over lanes of a warp: coll_loop … body … coll_loop_end. */
struct coll_loop {
	LLVMBasicBlockRef head, done;
	val rem;                           /* lanes left, i32; in the body not 0 */
	val lane;                          /* the first of them */
	unsigned n;
	val phi[GEN_MAX_NG];               /* carried values; after the loop: results */
};

/* Which operand is the member mask; -1: none. */
int coll_members_of(const struct ir_insn *i);
val coll_i32(struct coll *c, uint32_t x);
/* Operand n's group as integers of the given width, poison removed. */
val coll_src(struct coll *c, unsigned n, unsigned group, unsigned bits);
val coll_freeze(struct coll *c, val v);
/* <G x i32>: 0 … G-1 plus the group's place in its warp. */
val coll_lane_numbers(struct coll *c, unsigned group);
/* Member mask of the group's lanes, cut to those that execute; only with members. */
val coll_parts(struct coll *c, unsigned group);
/* Group k of a warp's bits as <G x i1>. */
val coll_bits_group(struct coll *c, val warp_bits, unsigned k);
/* Result n: one scalar per warp. With one warp of shape U. */
void coll_set_warps(struct coll *c, unsigned n, const val *by_warp);
void coll_set_u(struct coll *c, unsigned n, val scalar);
/* Memory on the stack for n elements, at home between begin and end. */
val coll_scratch(struct gen *g, LLVMTypeRef type, unsigned n);
void coll_scratch_end(struct gen *g, val p);
val coll_at(struct gen *g, LLVMTypeRef type, val p, val index);

void coll_loop_begin(struct gen *g, struct coll_loop *l, val lanes, const val *init, unsigned n);
/* next: carried values; done: lanes dealt with (the first one goes in any case). */
void coll_loop_end(struct gen *g, struct coll_loop *l, const val *next, val done);

bool coll_shfl(struct coll *c);
enum gen_shape coll_shfl_shape(const struct gen *g, const struct ir_insn *i, unsigned n_dst, const enum gen_shape *src);
bool coll_vote(struct coll *c);
bool coll_match(struct coll *c);
bool coll_redux(struct coll *c);
bool coll_redux_has(const struct ir_insn *i);
bool coll_elect(struct coll *c);
bool coll_activemask(struct coll *c);
bool coll_bar_warp(struct coll *c);

#endif
