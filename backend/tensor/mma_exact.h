/*
 * mma_exact.h: mma_sum.h's sum by integers, one element after the other: for
 * any values, infinities and NaN too. Slow; mma_float.c takes it where its own
 * arithmetic would not be exact.
 */
#ifndef VGPU_BACKEND_TENSOR_MMA_EXACT_H
#define VGPU_BACKEND_TENSOR_MMA_EXACT_H

#include <stdbool.h>
#include <stdint.h>

/* (-1)^sign * sig * 2^(exp - frac): exp is the encoding's exponent, frac the number of its fraction bits. */
struct mma_val {
	uint64_t sig;
	int16_t exp, frac;
	bool sign, inf, nan;
};

/* type: an enum ir_type of 16 bits or more. */
struct mma_val mma_val_of(uint64_t bits, unsigned type);
/* The group's products and the accumulator, rounded as type (F32 or F16); its bits. */
uint64_t mma_exact(const struct mma_val *a, const struct mma_val *b, unsigned n, struct mma_val c, unsigned type);

#endif
