/* mma_value.h: what an element of a matrix stands for, for references: any type of mma and wmma as a long double, exactly. */
#ifndef VGPU_T_LIB_MMA_VALUE_H
#define VGPU_T_LIB_MMA_VALUE_H

#include <stdint.h>

long double mma_value(uint64_t bits, uint8_t type);
/*
 * Is got, of type, what a product allows that is exactly want? size is the sum
 * of the absolute values of what was added, where subnormal factors count like
 * the least normal one.
 */
int mma_close(uint64_t got, uint8_t type, int sat, long double want, long double size);
/* The absolute value that v counts with in size. */
long double mma_at_least(long double v, uint8_t type);

#endif
