/*
 * mem_local.c: accesses to local memory that is interleaved by lane (local.c).
 * A row is what all lanes of the gang have in one granule:
 *
 *	address = local + offset / granule * granule * W + lane * granule + offset % granule
 *
 * Lanes with the same offset are a vector side by side, and where nothing says
 * that it is the same in all of them, a few instructions look. Nobody else has
 * to do with the memory, so what lanes that don't execute have there may be
 * written again as it was. Offsets are checked before (check.c).
 */
#include <string.h>

#include "backend/simd/gen/mem.h"

#define UNITS 16                   /* most granules of an access */

/* An access's granules: whole ones, or part of one. */
struct layout {
	unsigned granule;
	unsigned n;                /* granules */
	bool part;                 /* of one */
	uint64_t row_B;
};

static struct layout layout_of(const struct acc *x)
{
	struct layout y = { .granule = x->e->f->granule };

	y.part = x->stride < y.granule;
	y.n = y.part ? 1 : x->stride / y.granule;
	y.row_B = (uint64_t)y.granule * x->e->g->W;
	return y;
}

/* ---- offsets ---- */

static void offset_of_symbol(struct acc *x, const struct ir_opnd *o)
{
	struct gen_emit *e = x->e;
	uint64_t off = o->mem_base == IR_BASE_SYM ? gen_local_of(e->f, x->t->inst, o->sym) : 0;

	x->a.s.shape = GEN_U;
	x->a.u = LLVMConstInt(e->g->i64, off + (uint64_t)o->off, 0);
}

void mem_local_offset(struct acc *x)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	const struct ir_opnd *o = &x->t->i->src[0];
	struct gen_val r;

	if (o->mem_base != IR_BASE_REG) {
		offset_of_symbol(x, o);
		return;
	}
	gen_read_bits(e, gen_reg_of(x->t->inst, o->reg), &r);
	if (r.shape == GEN_U) {
		x->a.s.shape = GEN_U;
		x->a.u = mem_offset(g, gen_cut(g, r.u, 64), o->off);
		return;
	}
	if (r.shape == GEN_P) {
		struct gen_val p = r;

		gen_as_v(g, &p, gen_bits(p.u), &r);
	}
	x->a.s.shape = GEN_V;
	x->v.shape = GEN_V;
	for (unsigned n = 0; n < g->NG; n++) {
		x->v.v[n] = gen_cut(g, r.v[n], 64);
		if (o->off)
			x->v.v[n] = LLVMBuildAdd(g->b, x->v.v[n], gen_const(g, x->v.v[n], 64, (uint64_t)o->off), "");
	}
}

/* ---- elements and granules ---- */

static val shifted(struct gen *g, val v, unsigned bits, bool left)
{
	val n;

	if (!bits)
		return v;
	n = gen_const(g, v, gen_bits(v), bits);
	return left ? LLVMBuildShl(g->b, v, n, "") : LLVMBuildLShr(g->b, v, n, "");
}

static void to_elements(const struct acc *x, const struct layout *y, const val *granules, val *out)
{
	struct gen *g = x->e->g;
	unsigned per = x->size / y->granule;

	for (unsigned k = 0; k < x->vec; k++) {
		unsigned at = k * x->size;

		if (x->size <= y->granule) {
			out[k] = gen_cut(g, shifted(g, granules[at / y->granule], 8 * (at % y->granule), false), 8 * x->size);
			continue;
		}
		out[k] = gen_cut(g, granules[k * per], 8 * x->size);
		for (unsigned j = 1; j < per; j++)
			out[k] = LLVMBuildOr(g->b, out[k], shifted(g, gen_cut(g, granules[k * per + j], 8 * x->size), 8 * j * y->granule, true), "");
	}
}

static void to_granules(const struct acc *x, const struct layout *y, const val *in, val *granules)
{
	struct gen *g = x->e->g;
	unsigned per = x->size / y->granule;

	for (unsigned k = 0; k < x->vec; k++) {
		unsigned at = k * x->size;
		val v;

		for (unsigned j = 0; x->size > y->granule && j < per; j++)
			granules[k * per + j] = gen_cut(g, shifted(g, in[k], 8 * j * y->granule, false), 8 * y->granule);
		if (x->size > y->granule)
			continue;
		v = shifted(g, gen_cut(g, in[k], 8 * y->granule), 8 * (at % y->granule), true);
		granules[at / y->granule] = at % y->granule ? LLVMBuildOr(g->b, granules[at / y->granule], v, "") : v;
	}
}

/* ---- one offset for all lanes ---- */

static val local(const struct acc *x)
{
	return gen_load_of_gang(x->e, offsetof(struct sd_ctx, local), x->e->g->ptr);
}

static val behind(struct gen *g, val p, val off)
{
	return LLVMBuildGEP2(g->b, g->i8, p, &off, 1, "");
}

/* A group's granule of row n from `row` on. */
static val group_ptr(struct gen *g, const struct layout *y, val row, unsigned n, unsigned group)
{
	uint64_t off = n * y->row_B + (uint64_t)group * g->G * y->granule;

	return off ? behind(g, row, LLVMConstInt(g->i64, off, 0)) : row;
}

/* The first row; *shift: where in the granule, in bits, by lane (part). */
static val first_row(const struct acc *x, const struct layout *y, val off, val *shift)
{
	struct gen *g = x->e->g;

	if (y->part) {
		val low = LLVMBuildAnd(g->b, off, LLVMConstInt(g->i64, y->granule - 1, 0), "");

		off = LLVMBuildSub(g->b, off, low, "");
		*shift = gen_splat(g, gen_cut(g, shifted(g, low, 3, true), 8 * y->granule));
	}
	return behind(g, local(x), LLVMBuildMul(g->b, off, LLVMConstInt(g->i64, g->W, 0), ""));
}

static val load_row(struct gen *g, const struct layout *y, val p)
{
	val v = LLVMBuildLoad2(g->b, gen_int_type(g, 8 * y->granule, g->G), p, "");

	LLVMSetAlignment(v, MIN(y->granule * g->G, 64u));
	return v;
}

static void store_row(const struct acc *x, const struct layout *y, val p, val v, unsigned group)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	unsigned align = MIN(y->granule * g->G, 64u);

	if (!e->m.full && mem_has_masked(g, y->granule)) {
		LLVMTypeRef over[] = { LLVMTypeOf(v), g->ptr };
		val args[] = { v, p, LLVMConstInt(g->i32, align, 0), e->m.v[group] };

		gen_intrinsic(g, "llvm.masked.store", over, 2, args, 4);
		return;
	}
	if (!e->m.full)
		v = LLVMBuildSelect(g->b, e->m.v[group], v, load_row(g, y, p), "");
	LLVMSetAlignment(LLVMBuildStore(g->b, v, p), align);
}

static void load_same(const struct acc *x, const struct layout *y, val off, struct gen_val *out)
{
	struct gen *g = x->e->g;
	val shift = NULL, row = first_row(x, y, off, &shift), granules[UNITS], v[8];

	for (unsigned n = 0; n < g->NG; n++) {
		for (unsigned j = 0; j < y->n; j++)
			granules[j] = load_row(g, y, group_ptr(g, y, row, j, n));
		if (y->part)
			granules[0] = LLVMBuildLShr(g->b, granules[0], shift, "");
		to_elements(x, y, granules, v);
		for (unsigned k = 0; k < x->vec; k++)
			out[k].v[n] = v[k];
	}
}

/* The part's new bits among the old ones; shift: where they are. */
static val merged(struct gen *g, const struct acc *x, val old, val v, val shift)
{
	val mask = LLVMBuildShl(g->b, gen_const(g, old, gen_bits(old), ((uint64_t)1 << 8 * x->stride) - 1), shift, "");

	v = LLVMBuildShl(g->b, v, shift, "");
	return LLVMBuildOr(g->b, LLVMBuildAnd(g->b, old, LLVMBuildNot(g->b, mask, ""), ""), v, "");
}

static void elements_of(const struct acc *x, const struct gen_val *in, unsigned n, val *v)
{
	for (unsigned k = 0; k < x->vec; k++)
		v[k] = gen_group(x->e->g, &in[k], 8 * x->size, n);
}

static void store_same(const struct acc *x, const struct layout *y, val off, const struct gen_val *in)
{
	struct gen *g = x->e->g;
	val shift = NULL, row = first_row(x, y, off, &shift), granules[UNITS], v[8];

	for (unsigned n = 0; n < g->NG; n++) {
		elements_of(x, in, n, v);
		to_granules(x, y, v, granules);
		for (unsigned j = 0; j < y->n; j++) {
			val p = group_ptr(g, y, row, j, n);

			store_row(x, y, p, y->part ? merged(g, x, load_row(g, y, p), granules[j], shift) : granules[j], n);
		}
	}
}

/* ---- each lane its own ---- */

struct lanes {                     /* of a group */
	val base;                  /* pointer: lane 0's offset 0 */
	val at;                    /* <G x i32>: from there to the lane's granule */
	val low;                   /* part: <G x i32>: bytes into it */
	val mask;
};

static void lanes_of(const struct acc *x, const struct layout *y, unsigned n, struct lanes *l)
{
	struct gen *g = x->e->g;
	val off = gen_cut(g, x->v.v[n], 32), lane[SD_MAX_W];

	l->low = NULL;
	if (y->part) {
		l->low = LLVMBuildAnd(g->b, off, gen_const(g, off, 32, y->granule - 1), "");
		off = LLVMBuildSub(g->b, off, l->low, "");
	}
	for (unsigned k = 0; k < g->G; k++)
		lane[k] = LLVMConstInt(g->i32, (uint64_t)k * y->granule, 0);
	l->at = LLVMBuildAdd(g->b, LLVMBuildMul(g->b, off, gen_const(g, off, 32, g->W), ""), LLVMConstVector(lane, g->G), "");
	l->base = group_ptr(g, y, local(x), 0, n);
	l->mask = gen_mask_group(g, &x->e->m, n);
}

/* Where a unit is: a granule of row n, or a part of the only one. */
static val ptrs_of(struct gen *g, const struct layout *y, const struct lanes *l, unsigned n, val at)
{
	return behind(g, n ? behind(g, l->base, LLVMConstInt(g->i64, n * y->row_B, 0)) : l->base, at);
}

static val gather(struct gen *g, unsigned size, val ptrs, val mask)
{
	LLVMTypeRef t = gen_int_type(g, 8 * size, g->G), over[] = { t, LLVMTypeOf(ptrs) };
	val args[] = { ptrs, LLVMConstInt(g->i32, size, 0), mask, LLVMConstNull(t) };

	return gen_intrinsic(g, "llvm.masked.gather", over, 2, args, 4);
}

static void scatter(struct gen *g, unsigned size, val v, val ptrs, val mask)
{
	LLVMTypeRef over[] = { LLVMTypeOf(v), LLVMTypeOf(ptrs) };
	val args[] = { v, ptrs, LLVMConstInt(g->i32, size, 0), mask };

	gen_intrinsic(g, "llvm.masked.scatter", over, 2, args, 4);
}

/* One lane after the other: a unit of that many bytes. */
static void loop_lanes(const struct acc *x, unsigned size, val ptrs, val mask, const val *in, val *out)
{
	struct gen *g = x->e->g;
	struct acc unit = *x;

	unit.size = unit.stride = size;
	unit.vec = 1;
	mem_loop_lanes(&unit, LLVMBuildPtrToInt(g->b, ptrs, gen_int_type(g, 64, g->G), ""), mask, in, out);
}

/*
 * What is loaded or stored at once in each lane: a granule, or the part of one; words: of a small part, the word that it is in, and
 * *shift, where it is in it, in bits. *size: how large that is.
 */
static val unit_at(struct gen *g, const struct acc *x, const struct layout *y, const struct lanes *l, bool words, unsigned *size, val *shift)
{
	val in_word;

	*shift = NULL;
	*size = y->part ? x->stride : y->granule;
	if (!y->part)
		return l->at;
	if (*size >= 4 || !words)
		return LLVMBuildAdd(g->b, l->at, l->low, "");
	*size = 4;
	in_word = LLVMBuildAnd(g->b, l->low, gen_const(g, l->low, 32, 3), "");
	*shift = shifted(g, in_word, 3, true);
	return LLVMBuildAdd(g->b, l->at, LLVMBuildSub(g->b, l->low, in_word, ""), "");
}

static void load_group(const struct acc *x, const struct layout *y, unsigned n, val *out)
{
	struct gen *g = x->e->g;
	bool wide = g->isa >= SD_ISA_AVX2;
	struct layout of_unit = *y;
	struct lanes l;
	val shift, at, units[UNITS];

	lanes_of(x, y, n, &l);
	at = unit_at(g, x, y, &l, wide, &of_unit.granule, &shift);
	for (unsigned j = 0; j < y->n; j++) {
		val ptrs = ptrs_of(g, y, &l, j, at);

		if (wide)
			units[j] = gather(g, of_unit.granule, ptrs, l.mask);
		else
			loop_lanes(x, of_unit.granule, ptrs, l.mask, NULL, &units[j]);
	}
	if (shift)
		units[0] = LLVMBuildLShr(g->b, units[0], shift, "");
	to_elements(x, &of_unit, units, out);
}

static void store_group(const struct acc *x, const struct layout *y, unsigned n, const val *in)
{
	struct gen *g = x->e->g;
	bool wide = g->isa == SD_ISA_AVX512;
	struct layout of_unit = *y;
	struct lanes l;
	val shift, at, units[UNITS];

	lanes_of(x, y, n, &l);
	at = unit_at(g, x, y, &l, wide, &of_unit.granule, &shift);
	to_granules(x, &of_unit, in, units);
	for (unsigned j = 0; j < y->n; j++) {
		val ptrs = ptrs_of(g, y, &l, j, at), v = units[j];

		if (shift)
			v = merged(g, x, gather(g, of_unit.granule, ptrs, l.mask), v, shift);
		if (wide)
			scatter(g, of_unit.granule, v, ptrs, l.mask);
		else
			loop_lanes(x, of_unit.granule, ptrs, l.mask, &v, NULL);
	}
}

/* ---- do they happen to have one? ---- */

/* The number of the first lane that executes; 0 where there is none. */
static val first_lane(struct gen_emit *e)
{
	struct gen *g = e->g;
	val first = LLVMConstInt(g->i32, 0, 0);

	for (unsigned w = g->n_warps; w--;) {
		val bits = gen_warp_bits(g, e->m.v, w), args[] = { bits, LLVMConstInt(g->i1, 0, 0) }, z;

		z = LLVMBuildAdd(g->b, gen_intrinsic(g, "llvm.cttz", &g->i32, 1, args, 2), LLVMConstInt(g->i32, 32 * w, 0), "");
		first = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntNE, bits, LLVMConstNull(g->i32), ""), z, first, "");
	}
	return gen_cut(g, first, 64);
}

static val first_offset(struct acc *x, const val *off)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	val all, lane;

	if (e->m.full)
		return LLVMBuildExtractElement(g->b, off[0], LLVMConstInt(g->i32, 0, 0), "");
	all = mem_scratch(e, 3);
	for (unsigned n = 0; n < g->NG; n++) {
		val o = LLVMConstInt(g->i64, n * g->G, 0);

		LLVMSetAlignment(LLVMBuildStore(g->b, off[n], LLVMBuildInBoundsGEP2(g->b, g->i32, all, &o, 1, "")), MIN(4 * g->G, 64u));
	}
	lane = first_lane(e);
	return LLVMBuildLoad2(g->b, g->i32, LLVMBuildInBoundsGEP2(g->b, g->i32, all, &lane, 1, ""), "");
}

/*
 * i1: all lanes that execute have the offset *same, and there are such lanes. What differs meets the masks as numbers of a warp: where
 * groups differ alike, LLVM 19 makes k & (a | b) of the vectors (a & k) | (b & k) and, with AVX-512, the other way round, for ever.
 */
static val is_same(struct acc *x, val *same)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	val off[GEN_MAX_NG], ne[GEN_MAX_NG], differ = NULL, some = NULL, zero = LLVMConstNull(g->i32);

	for (unsigned n = 0; n < g->NG; n++)
		off[n] = gen_cut(g, x->v.v[n], 32);
	*same = first_offset(x, off);
	for (unsigned n = 0; n < g->NG; n++)
		ne[n] = LLVMBuildICmp(g->b, LLVMIntNE, off[n], gen_splat(g, *same), "");
	*same = gen_cut(g, *same, 64);
	if (e->m.full)
		return LLVMBuildNot(g->b, gen_any(g, ne, false), "");
	for (unsigned w = 0; w < g->n_warps; w++) {
		val m = gen_warp_bits(g, e->m.v, w), d = LLVMBuildAnd(g->b, gen_warp_bits(g, ne, w), m, "");

		differ = differ ? LLVMBuildOr(g->b, differ, d, "") : d;
		some = some ? LLVMBuildOr(g->b, some, m, "") : m;
	}
	return LLVMBuildAnd(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, differ, zero, ""), LLVMBuildICmp(g->b, LLVMIntNE, some, zero, ""), "");
}

struct ways {
	LLVMBasicBlockRef same, apart, end, from[2];
};

static struct ways part_ways(struct acc *x, val *off)
{
	struct gen_emit *e = x->e;
	struct ways w = { gen_new_bb(e, "row"), gen_new_bb(e, "scattered"), gen_new_bb(e, "done"), { 0 } };

	LLVMBuildCondBr(e->g->b, is_same(x, off), w.same, w.apart);
	gen_at(e, w.same);
	return w;
}

void mem_local_load(struct acc *x, struct gen_val *out)
{
	struct gen *g = x->e->g;
	const struct layout y = layout_of(x);
	struct gen_val apart[8];
	struct ways w;
	val off;

	for (unsigned k = 0; k < x->vec; k++)
		out[k].shape = GEN_V;
	if (x->a.s.shape == GEN_U) {
		load_same(x, &y, x->a.u, out);
		return;
	}
	w = part_ways(x, &off);
	load_same(x, &y, off, out);
	w.from[0] = LLVMGetInsertBlock(g->b);
	LLVMBuildBr(g->b, w.end);
	gen_at(x->e, w.apart);
	for (unsigned n = 0; n < g->NG; n++) {
		val v[8];

		load_group(x, &y, n, v);
		for (unsigned k = 0; k < x->vec; k++)
			apart[k].v[n] = v[k];
	}
	w.from[1] = LLVMGetInsertBlock(g->b);
	LLVMBuildBr(g->b, w.end);
	gen_at(x->e, w.end);
	for (unsigned k = 0; k < x->vec; k++)
		for (unsigned n = 0; n < g->NG; n++) {
			val in[] = { out[k].v[n], apart[k].v[n] };

			out[k].v[n] = LLVMBuildPhi(g->b, LLVMTypeOf(in[0]), "");
			LLVMAddIncoming(out[k].v[n], in, w.from, 2);
		}
}

void mem_local_store(struct acc *x, const struct gen_val *in)
{
	struct gen *g = x->e->g;
	const struct layout y = layout_of(x);
	struct ways w;
	val off, v[8];

	if (x->a.s.shape == GEN_U) {
		store_same(x, &y, x->a.u, in);
		return;
	}
	w = part_ways(x, &off);
	store_same(x, &y, off, in);
	LLVMBuildBr(g->b, w.end);
	gen_at(x->e, w.apart);
	for (unsigned n = 0; n < g->NG; n++) {
		elements_of(x, in, n, v);
		store_group(x, &y, n, v);
	}
	LLVMBuildBr(g->b, w.end);
	gen_at(x->e, w.end);
}
