/*
 * alu_mpfr.h: binary formats to MPFR numbers and back. A format's values are
 * decoded and encoded field by field here, independently of the backends.
 */
#ifndef VGPU_T_LIB_ALU_MPFR_H
#define VGPU_T_LIB_ALU_MPFR_H

#include <stdbool.h>
#include <stdint.h>

#include <mpfr.h>

struct mf_format {
	int p;                     /* significant bits */
	int emin, emax;            /* exponents of the smallest normal and the largest binade, value = 1.f * 2^e */
	int exp_bits;
	bool has_inf, has_nan;     /* without inf, the top exponent is used for numbers */
	uint64_t nan;              /* the encoding of a NaN result */
	uint64_t max;              /* the largest finite number */
};

/* NULL: no such format. Packed types: of an element. */
const struct mf_format *mf_of(uint8_t type);
void mf_get(mpfr_t x, uint64_t bits, const struct mf_format *f);

struct mf_rule {
	mpfr_rnd_t rnd;
	bool away;                 /* nearest, ties away from zero */
	bool flush;                /* the result becomes a zero of its sign: see mf_is_tiny() */
	bool sat, relu, satfinite;
};

/*
 * The encoding of x rounded into f. ternary: mpfr's for how x came about at
 * precision f->p (0 when x is exact); x may have any precision if exact.
 */
uint64_t mf_put(mpfr_t x, int ternary, const struct mf_format *f, const struct mf_rule *r);
/* Is x, the result at precision f->p without a bound to its exponent, below the format's normal numbers? */
bool mf_is_tiny(mpfr_t x, const struct mf_format *f);
/* A NaN passed from one format to another: sign and upper fraction kept, quiet. Not a NaN: false. */
bool mf_pass_nan(uint64_t bits, const struct mf_format *from, const struct mf_format *to, uint64_t *out);
/* Exponent range and precision of a computation whose result goes to mf_put() with its ternary value. */
void mf_begin(mpfr_t x, const struct mf_format *f);
void mf_end(void);

#endif
