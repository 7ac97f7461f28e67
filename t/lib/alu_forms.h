/*
 * alu_forms.h: the arithmetic instructions under test, as PTX spellings, and
 * operand values for them: the edges of each type, and seeded random ones.
 */
#ifndef VGPU_T_LIB_ALU_FORMS_H
#define VGPU_T_LIB_ALU_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler/ptx/ptx_form.h"

enum alu_group {
	ALU_G_INT, ALU_G_CARRY, ALU_G_BITS, ALU_G_CMP, ALU_G_FLOAT, ALU_G_HALF, ALU_G_MINMAX, ALU_G_CVT, ALU_G_CVT_PACKED,
	ALU_G_APPROX, ALU_G_VIDEO, ALU_G_COUNT
};

/* One form: what ptx_form_decode() made of its spelling, with operands filled in as registers. */
struct alu_form {
	const char *spelling;
	uint32_t lut;              /* value of the immediate operand (lop3) */
	struct ptx_form f;
	struct ir_insn insn;
	unsigned n_src, n_dst;
	uint8_t src_type[6], dst_type[2];
	const char *sel[3];        /* selectors of d, a and b of a video instruction: ".b1", ".h10", "" */
	uint8_t sm;                /* lowest sm_ that has it, 0: any */
};

typedef void (*alu_form_fn)(const struct alu_form *f, void *ctx);
/* Calls fn for every form of the group; bails out of the test when a spelling does not decode. */
void alu_forms_each(enum alu_group g, alu_form_fn fn, void *ctx);
/* "{a|b}" expanded: calls fn with every spelling of a pattern. */
void alu_expand(const char *pattern, void (*fn)(const char *spelling, void *ctx), void *ctx);

/* Operand tuples for a form: n of them, src[k][tuple]. Freed with free(src[0]). */
struct alu_tuples {
	size_t n;
	uint64_t *src[6];
};

void alu_tuples_make(struct alu_tuples *t, const struct alu_form *f, size_t max);
void alu_tuples_free(struct alu_tuples *t);
/* Values of a type: all edges, then random ones. */
size_t alu_edges(uint8_t type, uint64_t *v, size_t max);
uint64_t alu_random(uint8_t type);
/* Seeds alu_random from $ALU_SEED or a constant, and prints the seed. */
void alu_seed(void);

#endif
