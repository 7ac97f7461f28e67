/*
 * mma_forms.h: every form of mma and wmma that the tests know, with a PTX
 * kernel that runs one, for tests that go through the compiler and a backend,
 * through ptxas, or through a real GPU.
 *
 * An mma kernel is k(u64 in, u64 out). A cell is 64 bits, a row 32 cells, one
 * for each lane. Warp w of the grid (a block is one warp) reads n_in rows
 * from in + w * n_in rows: the registers of A, of B, of C, then the sparsity
 * metadata, the scales of A, the scales of B where the form has them. It
 * writes the n_d registers of D as rows to out + w * n_d rows.
 */
#ifndef VGPU_T_LIB_MMA_FORMS_H
#define VGPU_T_LIB_MMA_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/ir/ir.h"

struct mma_form {
	char spelling[160];
	uint16_t m, n, k;
	uint8_t td, ta, tb, tc;        /* enum ir_type */
	uint8_t bits;                  /* that an element of A or B takes in its register */
	bool sat, bit_and, a_col, b_row;
	uint8_t round;                 /* enum ir_round; NONE: not written */
	bool sparse;
	uint8_t sel;                   /* sparsity selector */
	uint8_t scale_vec, ts;         /* scales in a row of A; 0: no block scaling; their type */
	uint8_t a_byte, a_thread, b_byte, b_thread;
	uint8_t sm;                    /* least that has it; 120: sm_120a */
	uint8_t n_a, n_b, n_c, n_d, n_in;
};

/* wmma: kernel k(u64 a, u64 b, u64 c, u64 d, u32 lda, u32 ldb, u32 ldc, u32 ldd), one warp; strides in elements. */
struct wmma_form {
	char spelling[160];            /* of the multiplication */
	uint16_t m, n, k;
	uint8_t td, ta, tb, tc;
	bool sat, bit_and, a_col, b_col, c_col, d_col;
	uint8_t round;
	uint8_t sm;
	uint8_t n_a, n_b, n_c, n_d;
};

void mma_forms_each(void (*fn)(const struct mma_form *f, void *ctx), void *ctx);
void wmma_forms_each(void (*fn)(const struct wmma_form *f, void *ctx), void *ctx);

/* .version, .target and .address_size; bytes written. */
size_t mma_ptx_header(char *buf, size_t size, unsigned sm);
size_t mma_ptx_kernel(char *buf, size_t size, const struct mma_form *f, const char *entry);
/* space: "" generic, ".global", or ".shared": the operands are copied to shared memory first, and the result back. */
size_t wmma_ptx_kernel(char *buf, size_t size, const struct wmma_form *f, const char *entry, const char *space);
/* k(u64 x, u64 out, u32 stride): loads operand 'a', 'b' or 'c' of f and writes its registers as rows to out. */
size_t wmma_ptx_frag(char *buf, size_t size, const struct wmma_form *f, char operand, const char *entry);
/* Bits of an element in memory. */
unsigned mma_type_bits(uint8_t t);

/* A stream of pseudo-random numbers that depends on the seed alone. */
struct mma_rand { uint64_t s; };
uint64_t mma_rand(struct mma_rand *r);
/* Rows for one warp: a mixture of kinds of values, by the warp's number. Metadata is valid for the form. */
void mma_fill(const struct mma_form *f, unsigned warp, uint64_t *rows);
/* The same for the matrices of a wmma kernel. */
#define WMMA_BYTES 4096
void wmma_fill(const struct wmma_form *f, unsigned kind, uint8_t *a, uint8_t *b, uint8_t *c);

#endif
