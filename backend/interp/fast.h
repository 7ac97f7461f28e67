/*
 * fast.h: handlers for what kernels do most, compiled for any x86-64 and again
 * for AVX2. Each gives what the plain handler named beside it gives, and hands
 * over to that one whenever it finds anything out of the ordinary.
 */
#ifndef VGPU_BACKEND_INTERP_FAST_H
#define VGPU_BACKEND_INTERP_FAST_H

#include "backend/interp/interp.h"

enum in_placed { IN_CLOSER, IN_PLACED, IN_REPORTED };

struct in_fast {
	/* in_resolve: IN_PLACED: all lanes of m may, here are their places; IN_CLOSER: look closer; IN_REPORTED: a fault. */
	enum in_placed (*resolve)(struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t n, bool write, uint8_t *p[WARP]);
	in_fn ld, st;            /* in_run_ld, in_run_st: weak, one element */
	in_fn ld_vec, st_vec;    /* in_run_ld_vec, in_run_st_vec: weak */
	in_fn alu2, alu3;        /* in_run_alu: one result, no carry, so many sources at most */
	in_fn mov;               /* in_run_mov: one row */
	in_fn cvta;              /* in_run_cvta */
};

/* The second one for CPUs with alu_cpu_has_avx2(). */
extern const struct in_fast in_fast_base, in_fast_avx2;

#endif
