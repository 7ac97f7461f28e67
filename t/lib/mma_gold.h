/*
 * mma_gold.h: what an H200 computed, as hashes: t/data/mma-sm90.txt has a line
 * "hash count spelling variant" for each form. The values are those of
 * mma_fill() for warps 0 … count - 1, or of wmma_fill() for kinds 0 … count - 1
 * with the least strides. variant: the sparsity selector; wmma: 2 when C is
 * .col, plus 1 when D is.
 */
#ifndef VGPU_T_LIB_MMA_GOLD_H
#define VGPU_T_LIB_MMA_GOLD_H

#include <stdbool.h>
#include <stdint.h>

/* False: not measured. */
bool mma_gold(const char *spelling, unsigned variant, unsigned *count_out, uint64_t *hash_out);

#define MMA_HASH0 0xcbf29ce484222325ull
static inline uint64_t mma_hash(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x100000001b3ull;
	return h ^ h >> 29;
}

#endif
