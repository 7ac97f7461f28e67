/*
 * tensor_impl.h: what the files of backend/tensor share.
 *
 * Tiles. A register of a warp holds, of every matrix but Volta's m8n8k4 ones,
 * a tile of 8 rows by four lanes' worth of columns: lane 4r + t has the
 * elements of row r from t * per_reg on. An instruction multiplies P, of 8, 16
 * or 32 rows, by Q, of 8 or 16, both with k running along the row; P is A and
 * Q is B, but for wmma.m8n32k16, which is computed as the transposed product.
 * The registers of P are in the order of frag_p(), those of Q of frag_q(); the
 * accumulators' tiles of frag_c().
 *
 * The files with ALU levels (ALU_NAME) are compiled for any x86-64 and again for
 * AVX2. Both give the same bits: no contraction, nothing that depends
 * on the level but the instructions that compute it.
 */
#ifndef VGPU_BACKEND_TENSOR_TENSOR_IMPL_H
#define VGPU_BACKEND_TENSOR_TENSOR_IMPL_H

#include <string.h>

#include "backend/interp/alu_impl.h"
#include "backend/tensor.h"

#define LANES TENSOR_LANES

struct mma_shape {
	uint8_t m, n, np, nq;          /* rows of P and of Q */
	uint16_t k;
	uint8_t bits;                  /* that an element of P or Q takes in its register */
	uint8_t per_reg;               /* elements in a register */
	uint8_t kt, kt_p;              /* tiles along k of Q, and of P, of which mma.sp stores half */
	bool swap;                     /* P is B */
	bool sparse;
};

/* False: no such combination of shape and types. */
bool mma_shape_of(const struct ir_insn *i, struct mma_shape *s);

/* Number of the register with tile (row / 8, k / tile's width); kt as in the operand. */
static inline unsigned frag_p(const struct mma_shape *s, unsigned i, unsigned j)
{
	return s->np == 8 ? j : i / 2 * 2 * s->kt_p + 2 * j + i % 2;
}

/* wmma with B as P keeps the 16-row order too; Q's tiles along k come first. */
static inline unsigned frag_q(const struct mma_shape *s, unsigned i, unsigned j)
{
	return i * s->kt + j;
}

/* Of accumulators: of the tile of rows i and columns q; f32, s32 and f64 have two registers for it. */
static inline unsigned frag_c(const struct mma_shape *s, unsigned i, unsigned q)
{
	return q * (s->np / 8u) + i;
}

static inline const uint64_t *const *regs_p(const struct mma_shape *s, const struct mma_args *x)
{
	return s->swap ? x->b : x->a;
}

static inline const uint64_t *const *regs_q(const struct mma_shape *s, const struct mma_args *x)
{
	return s->swap ? x->a : x->b;
}

/* Types of P's and Q's elements. */
static inline uint8_t type_p(const struct mma_shape *s, const struct ir_insn *i)
{
	return s->swap ? i->type4 : i->type3;
}

static inline uint8_t type_q(const struct mma_shape *s, const struct ir_insn *i)
{
	return s->swap ? i->type3 : i->type4;
}

/* ---- sparsity ---- */

/*
 * mma.sp stores of each row of A two of four neighbours (of pairs of 4-bit
 * elements; one of two for tf32), with four bits of metadata that say which.
 */

/* The column of A that row's c-th stored element is in. */
unsigned mma_sparse_col(const struct mma_shape *s, const struct mma_args *x, unsigned row, unsigned c);

/* ---- small floats ---- */

bool mma_is_small(unsigned type);
/* By a byte of a register: the f16 with the same value. e2m1 is in the byte's middle. */
const uint16_t *mma_half_table(unsigned type);

/* ---- 32-bit accumulators ---- */

#define MMA_MAX_P 32
#define MMA_MAX_Q 16

/* c[q][p] */
static inline void gather_c32(const struct mma_shape *s, const struct mma_args *x, uint32_t c[MMA_MAX_Q][MMA_MAX_P])
{
	for (unsigned q = 0; q < s->nq; q++)
		for (unsigned i = 0; i < s->np / 8u; i++) {
			const uint64_t *row = x->c[2 * frag_c(s, i, q / 8) + q % 2] + q % 8 / 2;

			for (unsigned g = 0; g < 8; g++)
				c[q][8 * i + g] = (uint32_t)row[4 * g];
		}
}

static inline void scatter_d32(const struct mma_shape *s, const struct mma_args *x, const uint32_t d[MMA_MAX_Q][MMA_MAX_P])
{
	for (unsigned q = 0; q < s->nq; q++)
		for (unsigned i = 0; i < s->np / 8u; i++) {
			uint64_t *row = x->d[2 * frag_c(s, i, q / 8) + q % 2] + q % 8 / 2;

			for (unsigned g = 0; g < 8; g++)
				row[4 * g] = d[q][8 * i + g];
		}
}

/* ---- families ---- */

#define MMA_FAMILIES(F) F(float) F(int) F(double) F(volta) F(scaled)
#define MMA_DECL(f) mma_fn ALU_NAME(mma_select_##f)(const struct ir_insn *i, const struct mma_shape *s);
MMA_FAMILIES(MMA_DECL)
#undef MMA_DECL

mma_fn mma_select_base(const struct ir_insn *i);
mma_fn mma_select_avx2(const struct ir_insn *i);

#endif
