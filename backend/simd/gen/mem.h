/*
 * mem.h: what loads (mem_load.c), stores (mem_store.c) and atomics share: an
 * access, the addresses of a group's lanes, and its check (mem.c).
 */
#ifndef VGPU_BACKEND_SIMD_GEN_MEM_H
#define VGPU_BACKEND_SIMD_GEN_MEM_H

#include "backend/simd/gen/emit.h"

struct acc {                       /* an access of a group */
	struct gen_emit *e;
	const struct gen_insn *t;
	unsigned size, vec, stride;/* bytes of an element; elements; bytes of all */
	bool volatile_;
	bool shared;
	bool local;                /* in interleaved local memory: a (U) and v are offsets (mem_local.c) */
	struct gen_aff a;          /* U or P: base as i64 */
	struct gen_val v;          /* V */
	bool decided;              /* ahead.c: whether, … */
	val ahead;                 /* … how far, … */
	unsigned level;            /* … and to which level of the caches something is asked for */
	unsigned n_asked;
	struct asked {
		val base;
		int64_t min;
	} asked[8];
};

/* A group's addresses. */
struct group {
	val base;                  /* address of the lane whose offset is 0 */
	int64_t c[SD_MAX_W];       /* by lane of the group */
	bool known;                /* base and c are set; else addr */
	val addr;                  /* <G x i64> */
};

/* mem_local.c: where local memory is interleaved. x->a (U) or x->v become its offsets. */
void mem_local_offset(struct acc *x);
void mem_local_load(struct acc *x, struct gen_val *out);
void mem_local_store(struct acc *x, const struct gen_val *in);

/* mem.c */
void mem_init(struct acc *x, struct gen_emit *e, const struct gen_insn *t);
void mem_group(struct acc *x, unsigned n, struct group *r);
bool mem_is_step(const struct gen *g, const struct group *r, int64_t step);
bool mem_is_one(const struct gen *g, const struct group *r);
/* Offsets that are multiples of the element's size within a small span: min, and number of elements. */
bool mem_is_window(const struct acc *x, const struct group *r, int64_t *min, unsigned *n);
val mem_lane_addr(struct acc *x, const struct group *r, unsigned l);
val mem_addr_vector(struct acc *x, const struct group *r);
/* The same of lanes m; the others' is that of zeros. */
val mem_safe_addr(struct acc *x, const struct group *r, val m);
val mem_to_ptr(struct gen *g, val addr);
val mem_offset(struct gen *g, val base, int64_t off);
val mem_load(struct acc *x, LLVMTypeRef t, val addr, unsigned align);
void mem_store(struct acc *x, val v, val addr, unsigned align);
/* Group n of an access of one element, all lanes, as its register has it. */
val mem_load_group(struct acc *x, unsigned n);
void mem_store_group(struct acc *x, unsigned n, val v);
/* Lanes whose places follow each other. */
void mem_load_step(struct acc *x, const struct group *r, val *out);
/* mem_field.c: true: the load is one of several that were done at once; out: its elements. */
bool mem_load_field(struct gen_emit *e, const struct gen_insn *t, struct gen_val *out);
/* The same of a store, whose address is checked; it may happen later, with others. */
bool mem_store_field(struct gen_emit *e, const struct gen_insn *t, const struct gen_val *in);
val mem_shuffle(struct gen *g, val v, const int *pick, unsigned n);
bool mem_has_masked(const struct gen *g, unsigned size);
/* One lane after the other: in: stores these; NULL: loads into out. */
void mem_loop_lanes(struct acc *x, val addr, val m, const val *in, val *out);
/* Memory of the kernel's function: 0: 64-bit addresses of a group, 1: a group's values of up to 8 elements, 2, 3: 64 bits for each lane. */
val mem_scratch(struct gen_emit *e, unsigned which);
/* Host address of offset 0 of shared memory. */
val mem_shared_base(struct gen_emit *e);
/* ahead.c: the same number of bytes that the next blocks or rounds will load, if that is how the kernel goes over memory. */
void mem_ask_ahead(struct acc *x, val base, int64_t min, unsigned bytes);
/* A number that is 0 when the gang's turn begins: an alloca. */
val mem_remembered(struct gen_emit *e);
/* ask.c: what the access will load there, a line at a time. level: of the caches, 3 is the first */
void mem_ask_later(struct acc *x, val ahead);
void mem_prefetch(struct gen *g, val addr, unsigned level);
/* What an ordered access needs behind it (acquire), or in front. */
void mem_fence(struct gen *g, bool acquire, uint8_t order);
/* Leaves the function when an access isn't aligned or not inside of its space: the run time finds out what it was. */
void mem_check(struct acc *x);

#endif
