/*
 * field.h: accesses of a block that are done at once, since they go to bytes
 * that lie side by side: which (field.c), and their code (mem_field.c).
 */
#ifndef VGPU_BACKEND_SIMD_GEN_FIELD_H
#define VGPU_BACKEND_SIMD_GEN_FIELD_H

#include "backend/simd/gen/emit.h"

#define FIELD_PART 16u             /* bytes of a lane that are moved at a time, at most */
#define FIELD_RUN 64u              /* accesses by one register that are looked at together */
#define FIELD_PAIRS 4u             /* registers that are compared, at most */

struct field {
	const struct gen_insn *t;
	int64_t off;               /* from what the register says */
	unsigned bytes;
};

struct field_part {
	bool store, pattern, done;
	unsigned n, bytes;
	const struct gen_insn *first, *last;
	struct field v[FIELD_PART];        /* by offset */
	struct gen_val (*val)[4];          /* by field and element */
};

/* Two registers by which the block accesses memory, in an order that is right only when what they point at is apart. */
struct field_pair {
	uint32_t a, b;
	int64_t lo[2], hi[2];      /* of the bytes, from what each says */
};

/* An access and its place in a part; NULL: it is in none. */
struct field_ref {
	struct field_part *part;
	unsigned field;
};

struct gen_fields {
	const struct gen_insn *insns;      /* of the block */
	size_t n_insns;
	struct field_ref *of;              /* by instruction */
	VGPU_VEC(struct field_part *) parts;
	struct field_pair pairs[FIELD_PAIRS];
	unsigned n_pairs, n_taken; /* accesses in parts */
};

/* field.c: the part that has an access of the block that is emitted; NULL. */
struct field_part *field_part_of(const struct gen_emit *e, const struct gen_insn *t, unsigned *field);

/* Elements of a field. */
static inline unsigned field_elements(const struct field *f)
{
	return f->t->i->vec > 1 ? f->t->i->vec : 1;
}

#endif
