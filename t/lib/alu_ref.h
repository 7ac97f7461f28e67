/*
 * alu_ref.h: what the PTX ISA says an arithmetic instruction gives, computed
 * one lane at a time and independently of the backends: integers bit by bit
 * as the manual's pseudo-code has it, floats by MPFR.
 */
#ifndef VGPU_T_LIB_ALU_REF_H
#define VGPU_T_LIB_ALU_REF_H

#include <stdbool.h>
#include <stdint.h>

#include "t/lib/alu_forms.h"

struct alu_result {
	uint64_t d, d2, cc;
};

/* Each: false when the form is not one that it knows. s: source values, cut to their types' widths. */
bool alu_ref_int(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r);
bool alu_ref_video(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r);
bool alu_ref_cmp(const struct alu_form *f, const uint64_t *s, struct alu_result *r);
bool alu_ref_float(const struct alu_form *f, const uint64_t *s, struct alu_result *r);
bool alu_ref_cvt(const struct alu_form *f, const uint64_t *s, struct alu_result *r);
/* Error of an approximate result against the exact one, as a fraction of what PTX allows: above 1 is wrong. */
double alu_ref_approx(const struct alu_form *f, const uint64_t *s, uint64_t got);

/* Runs the whole group against its reference: one TAP line per form and level of the ALU. */
typedef bool (*alu_ref_fn)(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r);
void alu_check_group(enum alu_group g, alu_ref_fn ref, size_t tuples);

#endif
