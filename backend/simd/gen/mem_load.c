/* mem_load.c: loads: a vector, one scalar, a wide load with a shuffle, a gather, or lane by lane. */
#include <string.h>

#include "backend/simd/gen/mem.h"

/* ---- loads ---- */

/* All lanes, one wide load: element k of lane l is number (c[l] - min) / size + k. */
static void load_window(struct acc *x, const struct group *r, int64_t min, unsigned n, val *out)
{
	struct gen *g = x->e->g;
	val v = mem_load(x, LLVMVectorType(LLVMIntTypeInContext(g->cx, 8 * x->size), n), mem_offset(g, r->base, min), x->size);
	int pick[SD_MAX_W];

	mem_ask_ahead(x, r->base, min, n * x->size);
	for (unsigned k = 0; k < x->vec; k++) {
		for (unsigned l = 0; l < g->G; l++)
			pick[l] = (int)((r->c[l] - min) / x->size + k);
		out[k] = mem_shuffle(g, v, pick, g->G);
	}
}

static void load_lanes(struct acc *x, const struct group *r, val *out)
{
	struct gen *g = x->e->g;
	LLVMTypeRef one = LLVMIntTypeInContext(g->cx, 8 * x->size), t = x->vec > 1 ? LLVMVectorType(one, x->vec) : one;

	for (unsigned k = 0; k < x->vec; k++)
		out[k] = LLVMGetPoison(gen_int_type(g, 8 * x->size, g->G));
	for (unsigned l = 0; l < g->G; l++) {
		val v = mem_load(x, t, mem_lane_addr(x, r, l), x->stride <= 16 ? x->stride : 16);

		for (unsigned k = 0; k < x->vec; k++) {
			val p = x->vec > 1 ? LLVMBuildExtractElement(g->b, v, LLVMConstInt(g->i32, k, 0), "") : v;

			out[k] = LLVMBuildInsertElement(g->b, out[k], p, LLVMConstInt(g->i32, l, 0), "");
		}
	}
}

static val masked_load(struct gen *g, LLVMTypeRef t, val addr, unsigned align, val m)
{
	LLVMTypeRef over[] = { t, g->ptr };
	val args[] = { mem_to_ptr(g, addr), LLVMConstInt(g->i32, align, 0), m, LLVMConstNull(t) };

	return gen_intrinsic(g, "llvm.masked.load", over, 2, args, 4);
}

static val gather(struct gen *g, LLVMTypeRef t, val addr, unsigned align, val m)
{
	LLVMTypeRef ptrs = LLVMVectorType(g->ptr, g->G), over[] = { t, ptrs };
	val args[] = { LLVMBuildIntToPtr(g->b, addr, ptrs, ""), LLVMConstInt(g->i32, align, 0), m, LLVMConstNull(t) };

	return gen_intrinsic(g, "llvm.masked.gather", over, 2, args, 4);
}

/*
 * Bytes and halves, of the aligned words that they are in: no page, and nothing that was allocated, ends within one. Several
 * elements are aligned together, so each is within one word, too.
 */
static void gather_parts(struct acc *x, const struct group *r, val m, val *out)
{
	struct gen *g = x->e->g;
	LLVMTypeRef words = gen_int_type(g, 32, g->G), part = gen_int_type(g, 8 * x->size, g->G);
	val addr = mem_addr_vector(x, r), at, shift, word = NULL;

	at = LLVMBuildAnd(g->b, addr, gen_const(g, addr, 64, ~(uint64_t)3), "");
	shift = LLVMBuildTrunc(g->b, addr, words, "");
	shift = LLVMBuildShl(g->b, LLVMBuildAnd(g->b, shift, gen_const(g, shift, 32, 3), ""), gen_const(g, shift, 32, 3), "");
	for (unsigned k = 0; k < x->vec; k++) {
		unsigned off = k * x->size;
		val v;

		if (off % 4 == 0)
			word = gather(g, words, off ? LLVMBuildAdd(g->b, at, gen_const(g, at, 64, off), "") : at, 4, m);
		v = LLVMBuildLShr(g->b, word, shift, "");
		out[k] = LLVMBuildTrunc(g->b, LLVMBuildLShr(g->b, v, gen_const(g, v, 32, off % 4 * 8), ""), part, "");
	}
}

static void load_masked(struct acc *x, const struct group *r, val m, val *out)
{
	struct gen *g = x->e->g;
	LLVMTypeRef t = gen_int_type(g, 8 * x->size, g->G);

	if (x->vec == 1 && mem_is_step(g, r, x->size) && mem_has_masked(g, x->size)) {
		out[0] = masked_load(g, t, mem_offset(g, r->base, r->c[0]), x->size, m);
		return;
	}
	if (!x->volatile_ && g->slow_gather) {
		load_lanes(x, &(struct group){ .addr = mem_safe_addr(x, r, m) }, out);
		return;
	}
	if (!x->volatile_ && x->size >= 4 && g->isa >= SD_ISA_AVX2) {
		for (unsigned k = 0; k < x->vec; k++) {
			val a = mem_addr_vector(x, r);

			if (k)
				a = LLVMBuildAdd(g->b, a, gen_const(g, a, 64, k * x->size), "");
			out[k] = gather(g, t, a, x->size, m);
		}
		return;
	}
	if (!x->volatile_ && g->isa >= SD_ISA_AVX2) {
		gather_parts(x, r, m, out);
		return;
	}
	mem_loop_lanes(x, mem_addr_vector(x, r), m, NULL, out);
}

/* V addresses in world 0: most programs that the analysis can't follow still touch consecutive memory. */
static void load_checked(struct acc *x, const struct group *r, val *out)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	LLVMBasicBlockRef wide = gen_new_bb(e, "wide"), lanes = gen_new_bb(e, "scattered"), end = gen_new_bb(e, "loaded");
	struct group flat = { .known = true };
	val first = LLVMBuildExtractElement(g->b, r->addr, LLVMConstInt(g->i32, 0, 0), ""), c[SD_MAX_W], a[8], b[8], eq;
	LLVMBasicBlockRef from[2];

	flat.base = first;
	for (unsigned l = 0; l < g->G; l++) {
		flat.c[l] = (int64_t)l * x->stride;
		c[l] = LLVMConstInt(g->i64, l * x->stride, 0);
	}
	eq = LLVMBuildICmp(g->b, LLVMIntEQ, r->addr, LLVMBuildAdd(g->b, gen_splat(g, first), LLVMConstVector(c, g->G), ""), "");
	eq = gen_mask_bits(g, eq);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, eq, LLVMConstAllOnes(LLVMTypeOf(eq)), ""), wide, lanes);
	gen_at(e, wide);
	load_window(x, &flat, 0, g->G * x->vec, a);
	from[0] = LLVMGetInsertBlock(g->b);
	LLVMBuildBr(g->b, end);
	gen_at(e, lanes);
	if (g->slow_gather)
		load_lanes(x, r, b);
	else
		load_masked(x, r, LLVMConstAllOnes(LLVMVectorType(g->i1, g->G)), b);
	from[1] = LLVMGetInsertBlock(g->b);
	LLVMBuildBr(g->b, end);
	gen_at(e, end);
	for (unsigned k = 0; k < x->vec; k++) {
		val v[] = { a[k], b[k] };

		out[k] = LLVMBuildPhi(g->b, LLVMTypeOf(a[k]), "");
		LLVMAddIncoming(out[k], v, from, 2);
	}
}

static void load_full(struct acc *x, const struct group *r, val *out)
{
	struct gen *g = x->e->g;
	int64_t min = 0;
	unsigned n = 0;

	if (mem_is_one(g, r)) {
		LLVMTypeRef one = LLVMIntTypeInContext(g->cx, 8 * x->size);

		for (unsigned k = 0; k < x->vec; k++)
			out[k] = gen_splat(g, mem_load(x, one, mem_offset(g, r->base, r->c[0] + k * x->size), x->size));
	} else if (mem_is_step(g, r, x->stride) || (!x->volatile_ && mem_is_window(x, r, &min, &n))) {
		if (mem_is_step(g, r, x->stride)) {
			min = r->c[0];
			n = g->G * x->vec;
		}
		load_window(x, r, min, n, out);
	} else if (!r->known && !x->volatile_) {
		load_checked(x, r, out);
	} else {
		load_lanes(x, r, out);
	}
}

static val extend(struct gen *g, const struct ir_insn *i, val v, unsigned bits)
{
	return ir_type_class(i->type) == IR_TC_SINT ? gen_sext(g, v, bits) : gen_cut(g, v, bits);
}

/* The register that element k goes to; GEN_NONE: none. */
static uint32_t dst_reg(const struct gen_insn *t, unsigned k)
{
	const struct ir_opnd *d = &t->i->dst[0];

	if (d->kind == IR_OPND_VEC)
		d = &d->vec[k];
	return d->kind == IR_OPND_REG ? gen_reg_of(t->inst, d->reg) : GEN_NONE;
}

/* Element k of what was loaded, as its register has it. */
static void extended(struct gen_emit *e, const struct gen_insn *t, unsigned k, struct gen_val *v)
{
	uint32_t r = dst_reg(t, k);
	unsigned bits;

	if (r == GEN_NONE)
		return;
	bits = e->f->regs.v[r].bits;
	if (v->shape == GEN_U)
		v->u = extend(e->g, t->i, v->u, bits);
	for (unsigned n = 0; v->shape == GEN_V && n < e->g->NG; n++)
		v->v[n] = extend(e->g, t->i, v->v[n], bits);
}

static void loaded(struct gen_emit *e, const struct gen_insn *t, unsigned k, struct gen_val *v)
{
	if (dst_reg(t, k) == GEN_NONE)
		return;
	extended(e, t, k, v);
	gen_write(e, dst_reg(t, k), v);
}

static bool load_slots(struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_opnd *a = &t->i->src[0];
	unsigned size = ir_type_size(t->i->type);

	if (a->kind != IR_OPND_MEM || a->mem_base != IR_BASE_SYM || !a->sym_local ||
	    gen_slot_of(e->f, t->inst, a->sym, (uint64_t)a->off, size) == GEN_NONE)
		return false;
	for (unsigned k = 0; k < MAX(t->i->vec, 1u); k++) {
		uint32_t slot = gen_slot_of(e->f, t->inst, a->sym, (uint64_t)a->off + k * size, size);
		const struct ir_opnd *d = t->i->dst[0].kind == IR_OPND_VEC ? &t->i->dst[0].vec[k] : &t->i->dst[0];
		struct gen_val v;

		gen_read(e, slot, &v);
		if (v.shape == GEN_P && d->kind == IR_OPND_REG && e->f->regs.v[gen_reg_of(t->inst, d->reg)].bits == 8 * size)
			gen_write(e, gen_reg_of(t->inst, d->reg), &v);
		else {
			struct gen_val p = v;

			if (v.shape == GEN_P)
				gen_as_v(e->g, &p, 8 * size, &v);
			loaded(e, t, k, &v);
		}
	}
	return true;
}

static void load_uniform(struct acc *x, struct gen_val *out)
{
	struct gen *g = x->e->g;
	LLVMTypeRef one = LLVMIntTypeInContext(g->cx, 8 * x->size), t = x->vec > 1 ? LLVMVectorType(one, x->vec) : one;
	bool param = x->t->i->space == IR_SPACE_PARAM;
	val v = mem_load(x, x->volatile_ ? t : one, x->a.u, x->size);

	for (unsigned k = 0; k < x->vec; k++) {
		out[k].shape = GEN_U;
		if (x->volatile_)
			out[k].u = x->vec > 1 ? LLVMBuildExtractElement(g->b, v, LLVMConstInt(g->i32, k, 0), "") : v;
		else
			out[k].u = k ? mem_load(x, one, mem_offset(g, x->a.u, k * x->size), x->size) : v;
		if ((param || (x->t->i->flags & IR_F_NC)) && LLVMIsALoadInst(out[k].u))
			LLVMSetMetadata(out[k].u, LLVMGetMDKindIDInContext(g->cx, "invariant.load", 14),
					LLVMMDNodeInContext(g->cx, NULL, 0));
	}
}

static void load_groups(struct acc *x, struct gen_val *out)
{
	struct gen_emit *e = x->e;

	for (unsigned k = 0; k < x->vec; k++)
		out[k].shape = GEN_V;
	for (unsigned n = 0; n < e->g->NG; n++) {
		struct group r;
		val v[8];

		mem_group(x, n, &r);
		if (e->m.full)
			load_full(x, &r, v);
		else
			load_masked(x, &r, e->m.v[n], v);
		for (unsigned k = 0; k < x->vec; k++)
			out[k].v[n] = v[k];
	}
}

void mem_load_step(struct acc *x, const struct group *r, val *out)
{
	load_window(x, r, r->c[0], x->e->g->G * x->vec, out);
}

val mem_load_group(struct acc *x, unsigned n)
{
	struct group r;
	val v;

	mem_group(x, n, &r);
	load_full(x, &r, &v);
	return extend(x->e->g, x->t->i, v, x->e->f->regs.v[dst_reg(x->t, 0)].bits);
}

void gen_ld(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen_val out[8];
	uint32_t reg[8];
	struct acc x;

	if (load_slots(e, t))
		return;
	mem_init(&x, e, t);
	if (x.vec > 8 || ir_type_bits(t->i->type) > 64) {
		gen_row(e, t);
		return;
	}
	memset(out, 0, sizeof(out));
	if (x.local) {
		mem_local_offset(&x);
		mem_check(&x);
		mem_local_load(&x, out);
	} else if (!mem_load_field(e, t, out)) {
		gen_address(e, t, &t->i->src[0], t->i->space, &x.a, &x.v);
		mem_check(&x);
		if (x.a.s.shape == GEN_U)
			load_uniform(&x, out);
		else
			load_groups(&x, out);
	}
	for (unsigned k = 0; k < x.vec; k++) {
		reg[k] = dst_reg(t, k);
		extended(e, t, k, &out[k]);
	}
	for (unsigned k = 0; k < x.vec; k++)
		if (reg[k] != GEN_NONE)
			gen_write(e, reg[k], &out[k]);
	mem_fence(e->g, true, t->i->order);
}
