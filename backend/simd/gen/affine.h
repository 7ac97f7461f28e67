/*
 * affine.h: integer arithmetic on patterns: which instructions keep a value of
 * the form base + C[lane] + k * K[lane], and the scalar code for it. One set of
 * rules serves the analysis (no code: g->b is not touched) and the emission.
 */
#ifndef VGPU_BACKEND_SIMD_GEN_AFFINE_H
#define VGPU_BACKEND_SIMD_GEN_AFFINE_H

#include "backend/simd/gen/flat.h"

struct gen_aff {
	struct gen_shp s;
	val u, k;                  /* with code: base (U: the value) and k */
};

/* Interned. k may be NULL. NULL: no memory. */
const struct gen_pat *gen_pattern(struct gen *g, const int64_t *c, const int64_t *k);

struct gen_shp gen_shp_u(void);
struct gen_shp gen_shp_v(void);
struct gen_shp gen_shp_const(uint64_t c, unsigned bits);
struct gen_shp gen_shp_join(const struct gen_shp *a, const struct gen_shp *b, unsigned bits);
/* lo … hi can hold any value of so many bits. */
void gen_shp_wide(struct gen_shp *s, unsigned bits);

/*
 * The instruction on operands of which none is V; false: no rule, the result
 * is V (or U, when all are U). emit: make code. widen: 32-bit patterns may be
 * extended where nothing proves that no lane wraps (code checked that).
 * *unproven: such a widening was made.
 */
bool gen_affine(struct gen *g, const struct ir_insn *i, const struct gen_aff *src, bool emit, bool widen, bool *unproven, struct gen_aff *out);

/* a + b, modulo 2^bits; for addresses. False: not a pattern. */
bool gen_aff_add(struct gen *g, unsigned bits, const struct gen_aff *a, const struct gen_aff *b, bool emit, struct gen_aff *out);

#endif
