/*
 * tensor.h: what the lanes of a warp compute together on matrices: mma, wmma,
 * ldmatrix, stmatrix, movmatrix, as plain functions over rows. They know
 * nothing of a backend's state, so that every backend calls the very same ones
 * and gets the same bits; doc/numerics.md says which.
 *
 * A row is the value of one register in the 32 lanes of a warp, 64 bits a
 * lane: a 32-bit register is in the low half, the high half is ignored and
 * written as zero. Results may be the same rows as operands. All lanes take
 * part.
 *
 * Which lane's register holds which element of a matrix is as on hardware
 * (for wmma, whose fragments PTX leaves open, as on sm_90).
 */
#ifndef VGPU_BACKEND_TENSOR_H
#define VGPU_BACKEND_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ir_insn;

#define TENSOR_LANES 32
#define MMA_MAX_REGS 8

struct mma_args {
	uint64_t *d[MMA_MAX_REGS];
	const uint64_t *a[MMA_MAX_REGS], *b[MMA_MAX_REGS], *c[MMA_MAX_REGS];
	const uint64_t *meta, *sel;    /* mma.sp: metadata; selector, the same in all lanes */
	/* block_scale: scales of A, byte and thread in which they are, then those of B */
	const uint64_t *scale[6];
	const struct ir_insn *insn;
};

typedef void (*mma_fn)(const struct mma_args *x);

/* Registers of a lane that an instruction has for each matrix. */
struct mma_regs { uint8_t d, a, b, c; };

/* What runs an mma, or a wmma.mma; NULL: not one, or this form is not implemented. */
mma_fn mma_select(const struct ir_insn *i);
/* Registers that it takes; all 0 where mma_select() answers NULL. */
struct mma_regs mma_regs(const struct ir_insn *i);

/*
 * ldmatrix, stmatrix: n_rows row addresses of row_bytes each, given by the
 * first lanes in order; row_bytes is also their alignment. wmma.load and
 * wmma.store: rows of the matrix as it lies in memory (.col: columns), a
 * stride apart, aligned to align bytes.
 */
struct tensor_mem {
	uint8_t n_rows, n_regs;        /* rows in memory; registers of a lane */
	uint8_t row_bytes, align;
	uint8_t elem_bits;             /* of the stride's unit */
};

/* All 0: not such an instruction, or this form is not implemented. */
struct tensor_mem ldmatrix_mem(const struct ir_insn *i);
struct tensor_mem wmma_mem(const struct ir_insn *i);

/* ldmatrix and stmatrix between n_rows rows of memory and registers. */
void ldmatrix_load(const struct ir_insn *i, const uint8_t *const row[TENSOR_LANES], uint64_t *const d[4]);
void stmatrix_store(const struct ir_insn *i, uint8_t *const row[TENSOR_LANES], const uint64_t *const s[4]);
/* d may be s. */
void movmatrix_run(uint64_t *d, const uint64_t *s);

/* wmma.load and wmma.store. */
void wmma_load(const struct ir_insn *i, const uint8_t *const row[TENSOR_LANES], uint64_t *const d[MMA_MAX_REGS]);
void wmma_store(const struct ir_insn *i, uint8_t *const row[TENSOR_LANES], const uint64_t *const s[MMA_MAX_REGS]);

#endif
