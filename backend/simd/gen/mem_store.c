/* mem_store.c: stores and atomics. */
#include <string.h>

#include "backend/simd/gen/mem.h"

/* ---- stores ---- */

static void store_lanes(struct acc *x, const struct group *r, const val *in)
{
	struct gen *g = x->e->g;
	LLVMTypeRef one = LLVMIntTypeInContext(g->cx, 8 * x->size);

	for (unsigned l = 0; l < g->G; l++) {
		val v = x->vec > 1 ? LLVMGetPoison(LLVMVectorType(one, x->vec)) : NULL;

		for (unsigned k = 0; k < x->vec; k++) {
			val p = LLVMBuildExtractElement(g->b, in[k], LLVMConstInt(g->i32, l, 0), "");

			v = x->vec > 1 ? LLVMBuildInsertElement(g->b, v, p, LLVMConstInt(g->i32, k, 0), "") : p;
		}
		mem_store(x, v, mem_lane_addr(x, r, l), x->stride <= 16 ? x->stride : 16);
	}
}

static void store_step(struct acc *x, const struct group *r, const val *in)
{
	struct gen *g = x->e->g;
	val v = in[0];
	int pick[2 * SD_MAX_W];

	/* interleaved pairwise: vec is 1, 2, 4 or 8 */
	if (x->vec > 1) {
		val parts[8];
		unsigned n = x->vec, len = g->G;

		memcpy(parts, in, n * sizeof(*parts));
		while (n > 1) {
			for (unsigned k = 0; k < n / 2; k++) {
				/* concatenate; the last step orders all */
				val m[2 * SD_MAX_W];

				for (unsigned l = 0; l < 2 * len; l++)
					m[l] = LLVMConstInt(g->i32, l, 0);
				parts[k] = LLVMBuildShuffleVector(g->b, parts[2 * k], parts[2 * k + 1], LLVMConstVector(m, 2 * len), "");
			}
			n /= 2;
			len *= 2;
		}
		for (unsigned l = 0; l < g->G; l++)
			for (unsigned k = 0; k < x->vec; k++)
				pick[l * x->vec + k] = (int)(k * g->G + l);
		v = mem_shuffle(g, parts[0], pick, len);
	}
	mem_store(x, v, mem_offset(g, r->base, r->c[0]), x->size);
}

/* Lanes m, each to its place; where two have the same, the later one's value stays. */
static void scatter(struct acc *x, val addr, val m, const val *in)
{
	struct gen *g = x->e->g;
	LLVMTypeRef t = gen_int_type(g, 8 * x->size, g->G), ptrs = LLVMVectorType(g->ptr, g->G), over[] = { t, ptrs };

	if (x->volatile_ || x->size < 4 || g->isa != SD_ISA_AVX512) {
		mem_loop_lanes(x, addr, m, in, NULL);
		return;
	}
	for (unsigned k = 0; k < x->vec; k++) {
		val a = k ? LLVMBuildAdd(g->b, addr, gen_const(g, addr, 64, k * x->size), "") : addr;
		val args[] = { in[k], LLVMBuildIntToPtr(g->b, a, ptrs, ""), LLVMConstInt(g->i32, x->size, 0), m };

		gen_intrinsic(g, "llvm.masked.scatter", over, 2, args, 4);
	}
}

static void store_checked(struct acc *x, const struct group *r, const val *in)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	LLVMBasicBlockRef wide = gen_new_bb(e, "wide"), lanes = gen_new_bb(e, "scattered"), end = gen_new_bb(e, "stored");
	struct group flat = { .known = true };
	val first = LLVMBuildExtractElement(g->b, r->addr, LLVMConstInt(g->i32, 0, 0), ""), c[SD_MAX_W], eq;

	flat.base = first;
	for (unsigned l = 0; l < g->G; l++) {
		flat.c[l] = (int64_t)l * x->stride;
		c[l] = LLVMConstInt(g->i64, l * x->stride, 0);
	}
	eq = LLVMBuildICmp(g->b, LLVMIntEQ, r->addr, LLVMBuildAdd(g->b, gen_splat(g, first), LLVMConstVector(c, g->G), ""), "");
	eq = gen_mask_bits(g, eq);
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, eq, LLVMConstAllOnes(LLVMTypeOf(eq)), ""), wide, lanes);
	gen_at(e, wide);
	store_step(x, &flat, in);
	LLVMBuildBr(g->b, end);
	gen_at(e, lanes);
	scatter(x, r->addr, LLVMConstAllOnes(LLVMVectorType(g->i1, g->G)), in);
	LLVMBuildBr(g->b, end);
	gen_at(e, end);
}

static void store_full(struct acc *x, const struct group *r, const val *in)
{
	struct gen *g = x->e->g;

	if (mem_is_step(g, r, x->stride))
		store_step(x, r, in);
	else if (r->known)
		store_lanes(x, r, in);
	else if (x->volatile_)
		mem_loop_lanes(x, r->addr, LLVMConstAllOnes(LLVMVectorType(g->i1, g->G)), in, NULL);
	else
		store_checked(x, r, in);
}

static void store_masked(struct acc *x, const struct group *r, val m, const val *in)
{
	struct gen *g = x->e->g;
	LLVMTypeRef t = gen_int_type(g, 8 * x->size, g->G);

	if (x->vec == 1 && mem_is_step(g, r, x->size) && mem_has_masked(g, x->size)) {
		LLVMTypeRef over[] = { t, g->ptr };
		val args[] = { in[0], mem_to_ptr(g, mem_offset(g, r->base, r->c[0])), LLVMConstInt(g->i32, x->size, 0), m };

		gen_intrinsic(g, "llvm.masked.store", over, 2, args, 4);
		return;
	}
	scatter(x, mem_addr_vector(x, r), m, in);
}

static bool store_slots(struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_opnd *a = &t->i->src[0], *o = &t->i->src[1];
	unsigned size = ir_type_size(t->i->type);

	if (a->kind != IR_OPND_MEM || a->mem_base != IR_BASE_SYM || !a->sym_local ||
	    gen_slot_of(e->f, t->inst, a->sym, (uint64_t)a->off, size) == GEN_NONE)
		return false;
	for (unsigned k = 0; k < MAX(t->i->vec, 1u); k++) {
		struct gen_val v;

		gen_operand(e, t, o->kind == IR_OPND_VEC ? &o->vec[k] : o, 8 * size, false, &v);
		gen_write(e, gen_slot_of(e->f, t->inst, a->sym, (uint64_t)a->off + k * size, size), &v);
	}
	return true;
}

/* All lanes write one place: the last lane's value stays. */
static void store_uniform(struct acc *x, const struct gen_val *in)
{
	struct gen_emit *e = x->e;
	struct gen *g = e->g;
	LLVMTypeRef one = LLVMIntTypeInContext(g->cx, 8 * x->size);
	val v = x->vec > 1 ? LLVMGetPoison(LLVMVectorType(one, x->vec)) : NULL, lane = NULL;

	for (unsigned k = 0; k < x->vec; k++) {
		val p;

		if (in[k].shape == GEN_U || e->m.full) {
			p = gen_lane(g, &in[k], 8 * x->size, g->W - 1);
		} else {
			/* the highest active lane */
			val arr = gen_alloca(e, LLVMArrayType(one, g->W));

			LLVMSetAlignment(arr, 64);
			for (unsigned n = 0; n < g->NG; n++) {
				val o = LLVMConstInt(g->i64, n * g->G, 0);

				LLVMSetAlignment(LLVMBuildStore(g->b, gen_group(g, &in[k], 8 * x->size, n),
								LLVMBuildInBoundsGEP2(g->b, one, arr, &o, 1, "")), x->size);
			}
			if (!lane) {
				val top = LLVMConstInt(g->i32, 0, 0);

				for (unsigned w = 0; w < g->n_warps; w++) {
					val b = gen_warp_bits(g, e->m.v, w), args[] = { b, LLVMConstInt(g->i1, 0, 0) }, z;

					z = gen_intrinsic(g, "llvm.ctlz", &g->i32, 1, args, 2);
					z = LLVMBuildSub(g->b, LLVMConstInt(g->i32, 31 + 32 * w, 0), z, "");
					top = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntNE, b, LLVMConstNull(g->i32), ""), z, top, "");
				}
				lane = gen_cut(g, top, 64);
			}
			p = LLVMBuildLoad2(g->b, one, LLVMBuildInBoundsGEP2(g->b, one, arr, &lane, 1, ""), "");
		}
		v = x->vec > 1 ? LLVMBuildInsertElement(g->b, v, p, LLVMConstInt(g->i32, k, 0), "") : p;
	}
	mem_store(x, v, x->a.u, x->stride <= 16 ? x->stride : 16);
}

static void store_groups(struct acc *x, const struct gen_val *in)
{
	struct gen_emit *e = x->e;

	for (unsigned n = 0; n < e->g->NG; n++) {
		struct group r;
		val v[8];

		mem_group(x, n, &r);
		for (unsigned k = 0; k < x->vec; k++)
			v[k] = gen_group(e->g, &in[k], 8 * x->size, n);
		if (e->m.full)
			store_full(x, &r, v);
		else
			store_masked(x, &r, e->m.v[n], v);
	}
}

void mem_store_group(struct acc *x, unsigned n, val v)
{
	struct group r;

	mem_group(x, n, &r);
	store_full(x, &r, &v);
}

void gen_st(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	const struct ir_opnd *o = &t->i->src[1];
	struct gen_val in[8];
	struct acc x;

	if (store_slots(e, t))
		return;
	mem_init(&x, e, t);
	if (x.vec > 8 || ir_type_bits(t->i->type) > 64) {
		gen_row(e, t);
		return;
	}
	if (x.local)
		mem_local_offset(&x);
	else
		gen_address(e, t, &t->i->src[0], t->i->space, &x.a, &x.v);
	for (unsigned k = 0; k < x.vec; k++)
		gen_operand(e, t, o->kind == IR_OPND_VEC ? &o->vec[k] : o, 8 * x.size, false, &in[k]);
	mem_fence(g, false, t->i->order);
	mem_check(&x);
	if (x.local) {
		mem_local_store(&x, in);
		return;
	}
	if (mem_store_field(e, t, in))
		return;
	if (x.a.s.shape == GEN_U)
		store_uniform(&x, in);
	else
		store_groups(&x, in);
}

/* ---- atomics ---- */

static bool is_used(const struct gen_emit *e, const struct gen_insn *t)
{
	return t->i->op == IR_OP_atom && t->i->dst[0].kind == IR_OPND_REG && e->f->regs.v[gen_reg_of(t->inst, t->i->dst[0].reg)].n_uses;
}

void gen_atom_insn(struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	unsigned bits = ir_type_bits(i->type);
	struct gen_atom a = { .i = i, .b_bits = bits, .c_bits = bits, .m = e->m, .wanted = is_used(e, t) };
	uint32_t reg = a.wanted ? gen_reg_of(t->inst, i->dst[0].reg) : GEN_NONE;
	struct gen_val d = { 0 };
	struct acc x;

	if (i->vec > 1 || bits > 64 || !gen_atom_has(e->g, i)) {
		gen_row(e, t);
		return;
	}
	mem_init(&x, e, t);
	gen_address(e, t, &i->src[0], i->space, &x.a, &x.v);
	a.addr = x.v;
	if (x.a.s.shape != GEN_V)
		a.addr = (struct gen_val){ .shape = x.a.s.shape, .pat = x.a.s.pat, .u = x.a.u, .k = x.a.k };
	a.shared = i->space == IR_SPACE_SHARED;
	gen_operand(e, t, &i->src[1], bits, false, &a.b);
	if (i->n_src > 2)
		gen_operand(e, t, &i->src[2], bits, false, &a.c);
	if (a.shared)
		a.base = mem_shared_base(e);
	mem_check(&x);
	if (gen_atom_can_wait(&a)) {
		e->failed |= !gen_atom_wait(e->g, &a, &e->late);
		return;
	}
	gen_atom_do_late(e->g, &e->late);
	if (!gen_atom(e->g, &a)) {
		e->failed = true;
		return;
	}
	if (a.wanted) {
		d = a.dst;
		if (d.shape == GEN_U) {
			struct gen_val p = d;

			gen_as_v(e->g, &p, gen_bits(p.u), &d);
		}
		for (unsigned n = 0; n < e->g->NG; n++)
			d.v[n] = gen_cut(e->g, d.v[n], e->f->regs.v[reg].bits);
	}
	if (a.wanted)
		gen_write(e, reg, &d);
}
