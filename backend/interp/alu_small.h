/*
 * alu_small.h: rounding an exact number to any binary format, in any of PTX's
 * modes, by integer arithmetic: what the conversions use that have no fast
 * path of their own.
 */
#ifndef VGPU_BACKEND_INTERP_ALU_SMALL_H
#define VGPU_BACKEND_INTERP_ALU_SMALL_H

#include "backend/interp/alu_fp.h"

/* A format: p significant bits with the hidden one, minimal exponent of a normal number. */
struct fp_format {
	uint8_t p, exp_bits;
	int16_t emin;
	uint32_t shift;            /* left shift of the encoding (tf32 in an f32) */
	uint64_t max, inf, nan;    /* encodings; inf 0: none, overflow gives max; nan 0: none, NaN gives max */
};

extern const struct fp_format ALU_NAME(fp_f16), ALU_NAME(fp_bf16), ALU_NAME(fp_f32), ALU_NAME(fp_f64),
	ALU_NAME(fp_tf32), ALU_NAME(fp_e4m3), ALU_NAME(fp_e5m2), ALU_NAME(fp_e2m3), ALU_NAME(fp_e3m2), ALU_NAME(fp_e2m1);

/*
 * (-1)^sign · sig · 2^exp, sig with sticky bits below it when inexact; or one
 * of the special kinds. A NaN's fraction is in sig, from the top bit down.
 */
struct fp_value {
	uint64_t sig;
	int exp;
	bool sign, sticky, is_nan, is_inf;
};

/* How to round: enum ir_round, then what .satfinite, .sat, .relu and .ftz ask for. */
struct fp_rule {
	uint8_t round;
	bool satfinite, sat, relu, ftz;
	bool nan_passes;           /* NaN keeps its sign and fraction and becomes quiet (f64 on either side) */
};

struct fp_value ALU_NAME(fp_unpack)(uint64_t bits, const struct fp_format *f);
struct fp_value ALU_NAME(fp_from_int)(uint64_t v, bool is_signed);
uint64_t ALU_NAME(fp_pack)(struct fp_value v, const struct fp_format *f, const struct fp_rule *r);
/* To an integer of the given width by .rni/.rzi/.rmi/.rpi, saturating. NaN: nan. */
uint64_t ALU_NAME(fp_to_int)(struct fp_value v, unsigned round, unsigned bits, bool is_signed, uint64_t nan);
/* Rounded to an integral value. */
struct fp_value ALU_NAME(fp_integral)(struct fp_value v, unsigned round);

/* The low n bytes' two elements, rounded from two values into one packed pair. */
const struct fp_format *ALU_NAME(fp_format_of)(enum ir_type t);

#endif
