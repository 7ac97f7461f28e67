/* insn.c: one instruction: which kind of code it becomes, and its operands and results. */
#include <string.h>

#include "backend/simd/gen/emit.h"

LLVMBasicBlockRef gen_new_bb(struct gen_emit *e, const char *name)
{
	return LLVMAppendBasicBlockInContext(e->g->cx, e->g->fn, name);
}

void gen_at(struct gen_emit *e, LLVMBasicBlockRef bb)
{
	LLVMPositionBuilderAtEnd(e->g->b, bb);
}

static val ctx_ptr(struct gen_emit *e, size_t off)
{
	val o = LLVMConstInt(e->g->i64, off, 0);

	return LLVMBuildInBoundsGEP2(e->g->b, e->g->i8, e->g->ctx, &o, 1, "");
}

val gen_load_ctx(struct gen_emit *e, size_t off, LLVMTypeRef t)
{
	return LLVMBuildLoad2(e->g->b, t, ctx_ptr(e, off), "");
}

void gen_store_ctx(struct gen_emit *e, size_t off, val v)
{
	LLVMBuildStore(e->g->b, v, ctx_ptr(e, off));
}

val gen_load_const(struct gen_emit *e, size_t off, LLVMTypeRef t)
{
	val v = gen_load_ctx(e, off, t);

	LLVMSetMetadata(v, LLVMGetMDKindIDInContext(e->g->cx, "invariant.load", 14), LLVMMDNodeInContext(e->g->cx, NULL, 0));
	return v;
}

val gen_load_of_gang(struct gen_emit *e, size_t off, LLVMTypeRef t)
{
	return e->turn ? gen_load_ctx(e, off, t) : gen_load_const(e, off, t);
}

val gen_call_rt(struct gen_emit *e, size_t off, LLVMTypeRef ret, val *args, unsigned n)
{
	struct gen *g = e->g;
	LLVMTypeRef types[8];
	val all[8] = { g->ctx }, calls, fn, o = LLVMConstInt(g->i64, off, 0);

	types[0] = g->ptr;
	for (unsigned k = 0; k < n; k++) {
		all[k + 1] = args[k];
		types[k + 1] = LLVMTypeOf(args[k]);
	}
	calls = gen_load_const(e, offsetof(struct sd_ctx, calls), g->ptr);
	fn = LLVMBuildLoad2(g->b, g->ptr, LLVMBuildInBoundsGEP2(g->b, g->i8, calls, &o, 1, ""), "");
	return LLVMBuildCall2(g->b, LLVMFunctionType(ret, types, n + 1, 0), fn, all, n + 1, "");
}

/*
 * Groups meet as vectors, at tier 0 as numbers: of vectors LLVM 19's -O0 makes k & (a | b) out of (a & k) | (b & k) and the other way
 * round, for ever, when k compares 64-bit elements with AVX-512.
 */
static val meet(struct gen *g, val v)
{
	return g->quick ? gen_mask_bits(g, v) : v;
}

val gen_any(struct gen *g, const val *groups, bool all)
{
	val r = meet(g, groups[0]);

	for (unsigned n = 1; n < g->NG; n++)
		r = all ? LLVMBuildAnd(g->b, r, meet(g, groups[n]), "") : LLVMBuildOr(g->b, r, meet(g, groups[n]), "");
	if (!g->quick)
		r = gen_mask_bits(g, r);
	return all ? LLVMBuildICmp(g->b, LLVMIntEQ, r, LLVMConstAllOnes(LLVMTypeOf(r)), "") :
		     LLVMBuildICmp(g->b, LLVMIntNE, r, LLVMConstNull(LLVMTypeOf(r)), "");
}

uint32_t gen_ref(struct gen_emit *e, const struct gen_insn *t)
{
	struct sd_ref r = { t->inst->in->index, t->ir_block, t->ir_index, t->inst->local_off };

	for (uint32_t k = 0; k < e->f->refs.n; k++)
		if (!memcmp(&e->f->refs.v[k], &r, sizeof(r)))
			return k;
	if (!vgpu_vec_push(&e->f->refs, r))
		e->failed = true;
	return (uint32_t)e->f->refs.n - 1;
}

/* ---- operands ---- */

static void cut(struct gen_emit *e, struct gen_val *v, unsigned bits)
{
	struct gen *g = e->g;

	if (!bits)
		return;
	if (v->shape == GEN_V) {
		for (unsigned n = 0; n < g->NG; n++)
			v->v[n] = gen_cut(g, v->v[n], bits);
		return;
	}
	if (gen_bits(v->u) == bits)
		return;
	if (v->shape == GEN_P) {
		/* its meaning depends on its width */
		struct gen_val p = *v;

		gen_as_v(g, &p, gen_bits(v->u), v);
		cut(e, v, bits);
		return;
	}
	v->u = gen_cut(g, v->u, bits);
}

val gen_sym_addr(struct gen_emit *e, uint32_t kind, uint32_t index)
{
	struct gen *g = e->g;
	struct sd_sym s = { kind, index };
	uint32_t k;
	val p, o;

	for (k = 0; k < e->f->syms.n; k++)
		if (e->f->syms.v[k].kind == kind && e->f->syms.v[k].index == index)
			break;
	if (k == e->f->syms.n && !vgpu_vec_push(&e->f->syms, s))
		e->failed = true;
	p = gen_load_const(e, offsetof(struct sd_ctx, addr), g->ptr);
	o = LLVMConstInt(g->i64, 8 * k, 0);
	p = LLVMBuildLoad2(g->b, g->i64, LLVMBuildInBoundsGEP2(g->b, g->i8, p, &o, 1, ""), "");
	LLVMSetMetadata(p, LLVMGetMDKindIDInContext(g->cx, "invariant.load", 14), LLVMMDNodeInContext(g->cx, NULL, 0));
	return p;
}

/* The value of a symbol: an address in its space. */
static val symbol(struct gen_emit *e, const struct gen_insn *t, const struct ir_opnd *o)
{
	struct gen *g = e->g;
	uint64_t off = 0;

	if (o->sym_local) {
		switch (in_place(t->inst->in, o->sym, &off)) {
		case IN_PLACE_FRAME:
			off = gen_local_of(e->f, t->inst, o->sym);
			break;
		case IN_PLACE_NONE:
			e->failed = true;
		}
		return LLVMConstInt(g->i64, off + (uint64_t)o->off, 0);
	}
	if (g->m->syms[o->sym].kind == IR_SYM_VAR && g->m->vars[g->m->syms[o->sym].index].space == IR_SPACE_SHARED)
		return LLVMConstInt(g->i64, e->f->ik->shared_off[g->m->syms[o->sym].index] + (uint64_t)o->off, 0);
	return LLVMBuildAdd(g->b, gen_sym_addr(e, g->m->syms[o->sym].kind, g->m->syms[o->sym].index),
			    LLVMConstInt(g->i64, (uint64_t)o->off, 0), "");
}

void gen_operand(struct gen_emit *e, const struct gen_insn *t, const struct ir_opnd *o, unsigned bits, bool number, struct gen_val *out)
{
	struct gen *g = e->g;
	uint32_t r;

	memset(out, 0, sizeof(*out));
	out->shape = GEN_U;
	switch (o->kind) {
	case IR_OPND_REG:
		r = gen_reg_of(t->inst, o->reg);
		if (number)
			gen_read(e, r, out);
		else
			gen_read_bits(e, r, out);
		if (o->neg && e->f->regs.v[r].type == IR_T_PRED) {
			if (out->shape == GEN_U)
				out->u = LLVMBuildNot(g->b, out->u, "");
			for (unsigned n = 0; out->shape == GEN_V && n < g->NG; n++)
				out->v[n] = LLVMBuildNot(g->b, out->v[n], "");
		}
		break;
	case IR_OPND_IMM:
		out->u = LLVMConstInt(LLVMIntTypeInContext(g->cx, bits ? bits : 64), o->imm, 0);
		return;
	case IR_OPND_SREG:
		gen_sreg(e, (uint32_t)o->imm, out);
		break;
	case IR_OPND_SYM:
	case IR_OPND_FUNC:
		out->u = symbol(e, t, o);
		break;
	default:
		out->u = LLVMConstInt(LLVMIntTypeInContext(g->cx, bits ? bits : 64), 0, 0);
		return;
	}
	cut(e, out, bits);
}

/* ---- results ---- */

static val widen(struct gen *g, const struct ir_insn *i, val v, unsigned bits)
{
	if (i && i->op == IR_OP_cvt && i->mode == IR_MODE_NONE && ir_type_class(i->type) == IR_TC_SINT)
		return gen_sext(g, v, bits);
	return gen_cut(g, v, bits);
}

static void guard_of(struct gen_emit *e, const struct gen_insn *t, struct gen_val *p)
{
	struct gen *g = e->g;

	gen_read(e, gen_reg_of(t->inst, t->i->guard - 1), p);
	if (!t->i->guard_neg)
		return;
	if (p->shape == GEN_U)
		p->u = LLVMBuildNot(g->b, p->u, "");
	for (unsigned n = 0; p->shape == GEN_V && n < g->NG; n++)
		p->v[n] = LLVMBuildNot(g->b, p->v[n], "");
}

/* A guarded result: the old value where the guard doesn't hold. */
static void keep_old(struct gen_emit *e, const struct gen_insn *t, uint32_t r, struct gen_val *x)
{
	struct gen *g = e->g;
	unsigned bits = e->f->regs.v[r].bits;
	struct gen_val p, old, n = { .shape = GEN_V };

	guard_of(e, t, &p);
	gen_read(e, r, &old);
	if (p.shape == GEN_U && x->shape == GEN_U && old.shape == GEN_U) {
		x->u = LLVMBuildSelect(g->b, p.u, x->u, old.u, "");
		return;
	}
	if (p.shape == GEN_U && x->shape == GEN_P && old.shape == GEN_P && x->pat == old.pat) {
		x->u = LLVMBuildSelect(g->b, p.u, x->u, old.u, "");
		if (x->k)
			x->k = LLVMBuildSelect(g->b, p.u, x->k, old.k, "");
		return;
	}
	for (unsigned k = 0; k < g->NG; k++)
		n.v[k] = LLVMBuildSelect(g->b, p.shape == GEN_U ? p.u : p.v[k], gen_group(g, x, bits, k), gen_group(g, &old, bits, k), "");
	*x = n;
}

static void result(struct gen_emit *e, const struct gen_insn *t, const struct ir_opnd *o, struct gen_val *x)
{
	uint32_t r;

	if (o->kind != IR_OPND_REG)
		return;
	r = gen_reg_of(t->inst, o->reg);
	if (x->shape == GEN_U)
		x->u = widen(e->g, t->i, x->u, e->f->regs.v[r].bits);
	for (unsigned n = 0; x->shape == GEN_V && n < e->g->NG; n++)
		x->v[n] = widen(e->g, t->i, x->v[n], e->f->regs.v[r].bits);
	if (t->i->guard)
		keep_old(e, t, r, x);
	gen_write(e, r, x);
}

/* ---- instructions as the interpreter has them ---- */

struct row_arg {
	struct gen_emit *e;
	const struct gen_insn *t;
};

static val row_ptr(struct gen_emit *e, uint32_t row)
{
	struct gen *g = e->g;
	val p = gen_load_const(e, offsetof(struct sd_ctx, rows), g->ptr);
	val o = LLVMConstInt(g->i64, (uint64_t)row * g->W * 8, 0);

	return LLVMBuildInBoundsGEP2(g->b, g->i8, p, &o, 1, "");
}

static uint32_t row_of(const struct gen_insn *t, uint32_t r)
{
	if (r == t->inst->cc)
		return t->inst->in->cc_row;
	return t->inst->in->reg_row[r - t->inst->reg0];
}

static bool is_own(const struct gen_insn *t, uint32_t r)
{
	return r == t->inst->cc || (r >= t->inst->reg0 && r < t->inst->reg0 + t->inst->in->ir->n_regs);
}

static void put_row(void *arg, uint32_t r)
{
	struct row_arg *a = arg;
	struct gen_emit *e = a->e;
	struct gen_val x;

	if (!is_own(a->t, r))
		return;
	gen_read_bits(e, r, &x);
	gen_put_row(e, row_ptr(e, row_of(a->t, r)), &x, e->f->regs.v[r].bits);
}

/* What the interpreter's instruction left in a register. */
void gen_row_result(struct gen_emit *e, const struct gen_insn *t, uint32_t r, struct gen_val *x)
{
	gen_get_row(e, row_ptr(e, row_of(t, r)), e->f->regs.v[r].bits, x);
}

static void get_row(void *arg, uint32_t r)
{
	struct row_arg *a = arg;
	struct gen_val x;

	if (!is_own(a->t, r))
		return;
	gen_row_result(a->e, a->t, r, &x);
	if (a->t->i->guard)
		keep_old(a->e, a->t, r, &x);
	gen_write(a->e, r, &x);
}

static void set_call_mask(struct gen_emit *e)
{
	struct gen *g = e->g;

	for (unsigned w = 0; w < g->n_warps; w++)
		gen_store_ctx(e, offsetof(struct sd_ctx, mask) + 4 * w,
			      e->m.full ? LLVMConstInt(g->i32, 0xffffffffu, 0) : gen_warp_bits(g, e->m.v, w));
}

void gen_row_call(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	struct row_arg a = { e, t };
	LLVMBasicBlockRef on = gen_new_bb(e, "on");
	val ok, ref = LLVMConstInt(g->i32, gen_ref(e, t), 0);

	e->has_rows = true;
	gen_uses(e->f, t, put_row, &a);
	set_call_mask(e);
	ok = gen_call_rt(e, offsetof(struct sd_calls, insn), g->i8, &ref, 1);
	ok = LLVMBuildTrunc(g->b, ok, g->i1, "");
	LLVMBuildCondBr(g->b, ok, on, e->gave_up);
	gen_at(e, on);
}

void gen_row(struct gen_emit *e, const struct gen_insn *t)
{
	struct row_arg a = { e, t };

	gen_atom_do_late(e->g, &e->late);
	gen_row_call(e, t);
	gen_defs(e->f, t, get_row, &a);
}

/* ---- values ---- */

static void aff_of(const struct gen_emit *e, const struct gen_insn *t, const struct ir_opnd *o, unsigned bits, const struct gen_val *v,
		   struct gen_aff *a)
{
	memset(a, 0, sizeof(*a));
	a->s = gen_opnd_shape(e->g, e->f->shp[e->world], t, o, bits);
	a->s.shape = v->shape;
	a->s.pat = v->pat;
	if (v->shape != GEN_U)
		a->s.known = false;
	a->u = v->u;
	a->k = v->k;
}

static bool try_affine(struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	struct gen_aff s[IR_MAX_SRC], r;
	struct gen_val v[IR_MAX_SRC], x = { 0 };
	bool unproven;

	if (i->n_dst != 1 || (i->flags & IR_F_CC))
		return false;
	for (unsigned n = 0; n < i->n_src; n++) {
		const struct ir_opnd *o = &i->src[n];

		if (o->kind != IR_OPND_REG && o->kind != IR_OPND_IMM && o->kind != IR_OPND_SREG)
			return false;
		gen_operand(e, t, o, gen_op_bits(i, n), false, &v[n]);
		if (v[n].shape == GEN_V)
			return false;
		aff_of(e, t, o, gen_op_bits(i, n), &v[n], &s[n]);
	}
	/* a dry run first: nothing is emitted for what has no rule */
	if (!gen_affine(e->g, i, s, false, t->ref != GEN_GUARD_NONE && e->world == 0, &unproven, &r))
		return false;
	gen_affine(e->g, i, s, true, t->ref != GEN_GUARD_NONE && e->world == 0, &unproven, &r);
	x.shape = r.s.shape;
	x.pat = r.s.pat;
	x.u = r.u;
	x.k = r.k;
	if (x.shape == GEN_P && x.pat->has_k && !x.k)
		e->failed = true;
	if (x.shape == GEN_P && i->dst[0].kind == IR_OPND_REG &&
	    e->f->regs.v[gen_reg_of(t->inst, i->dst[0].reg)].bits != gen_bits(x.u)) {
		struct gen_val p = x;

		gen_as_v(e->g, &p, gen_bits(p.u), &x);
	}
	result(e, t, &i->dst[0], &x);
	return true;
}

static bool lazy_result(const struct gen_emit *e, const struct gen_insn *t)
{
	return t->i->n_dst && t->i->dst[0].kind == IR_OPND_REG && e->f->shp[e->world][gen_reg_of(t->inst, t->i->dst[0].reg)].lazy;
}

static bool elem_once(struct gen_emit *e, const struct gen_insn *t, const struct gen_val *s, const struct gen_val *cc, unsigned n, bool scalar,
		      struct gen_val *d, struct gen_val *cc_out)
{
	struct gen *g = e->g;
	struct gen_elem x = { .i = t->i, .lanes = scalar ? 1 : g->G, .lazy_nan = lazy_result(e, t) };

	for (unsigned k = 0; k < t->i->n_src; k++)
		x.src[k] = gen_unknown(e, t, k, scalar ? s[k].u : gen_group(g, &s[k], s[k].shape == GEN_V ? 0 : gen_bits(s[k].u), n));
	x.cc = scalar ? cc->u : gen_group(g, cc, 1, n);
	if (!gen_elem(g, &x))
		return false;
	for (unsigned k = 0; k < 2; k++) {
		if (scalar)
			d[k].u = x.dst[k];
		else
			d[k].v[n] = x.dst[k];
	}
	if (scalar)
		cc_out->u = x.cc_out;
	else
		cc_out->v[n] = x.cc_out;
	return true;
}

val gen_elem_group(struct gen_emit *e, const struct gen_insn *t, const struct gen_val *src, unsigned n)
{
	struct gen_val d[2] = { 0 }, cc = { .shape = GEN_U, .u = LLVMConstInt(e->g->i1, 0, 0) }, cc_out;

	if (!elem_once(e, t, src, &cc, n, false, d, &cc_out)) {
		e->failed = true;
		return NULL;
	}
	return widen(e->g, t->i, d[0].v[n], e->f->regs.v[gen_reg_of(t->inst, t->i->dst[0].reg)].bits);
}

static bool try_elem(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	const struct ir_insn *i = t->i;
	struct gen_val s[IR_MAX_SRC], d[2], cc = { .shape = GEN_U, .u = LLVMConstInt(g->i1, 0, 0) }, cc_out;
	bool scalar = true;

	if (!gen_elem_has(g, i))
		return false;
	for (unsigned n = 0; n < i->n_src; n++) {
		const struct ir_opnd *o = &i->src[n];

		if (o->kind == IR_OPND_VEC || o->kind == IR_OPND_MEM || o->sub)
			return false;
		gen_operand(e, t, o, 0, gen_reads_number(i, n), &s[n]);
		scalar &= s[n].shape == GEN_U;
	}
	if (i->op == IR_OP_addc || i->op == IR_OP_subc || i->op == IR_OP_madc) {
		gen_read(e, t->inst->cc, &cc);
		scalar &= cc.shape == GEN_U;
	}
	memset(d, 0, sizeof(d));
	memset(&cc_out, 0, sizeof(cc_out));
	d[0].shape = d[1].shape = cc_out.shape = scalar ? GEN_U : GEN_V;
	for (unsigned n = 0; n < (scalar ? 1 : g->NG); n++)
		if (!elem_once(e, t, s, &cc, n, scalar, d, &cc_out)) {
			e->failed = true;
			return true;
		}
	for (unsigned k = 0; k < i->n_dst; k++)
		result(e, t, &i->dst[k], &d[k]);
	if (i->flags & IR_F_CC) {
		if (i->guard)
			keep_old(e, t, t->inst->cc, &cc_out);
		gen_write(e, t->inst->cc, &cc_out);
	}
	return true;
}

/* selp of patterns by a uniform predicate */
static bool try_select(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	struct gen_val a, b, p;

	if (t->i->op != IR_OP_selp)
		return false;
	gen_operand(e, t, &t->i->src[2], 0, false, &p);
	if (p.shape != GEN_U)
		return false;
	gen_operand(e, t, &t->i->src[0], ir_type_bits(t->i->type), false, &a);
	gen_operand(e, t, &t->i->src[1], ir_type_bits(t->i->type), false, &b);
	if (a.shape != GEN_P || b.shape != GEN_P || a.pat != b.pat)
		return false;
	a.u = LLVMBuildSelect(g->b, p.u, a.u, b.u, "");
	if (a.k)
		a.k = LLVMBuildSelect(g->b, p.u, a.k, b.k, "");
	result(e, t, &t->i->dst[0], &a);
	return true;
}

static void move(struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	struct gen_val x;
	bool lazy = lazy_result(e, t);

	gen_operand(e, t, &i->src[0], ir_type_bits(i->type), lazy, &x);
	result(e, t, &i->dst[0], &x);
}

static void cvta(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	const struct ir_insn *i = t->i;
	bool to = i->flags & IR_F_TO;
	struct gen_val x;
	val base;

	/* the window of constants and globals is the generic one; addresses of interleaved local memory are offsets */
	if (i->space == IR_SPACE_GLOBAL || i->space == IR_SPACE_CONST || (i->space == IR_SPACE_LOCAL && e->f->granule)) {
		move(e, t);
		return;
	}
	gen_operand(e, t, &i->src[0], 64, false, &x);
	if (i->space == IR_SPACE_LOCAL) {
		val local = LLVMBuildPtrToInt(g->b, gen_load_of_gang(e, offsetof(struct sd_ctx, local), g->ptr), g->i64, "");
		val stride = gen_load_const(e, offsetof(struct sd_ctx, local_stride), g->i64);
		struct gen_val lanes = { .shape = GEN_P, .u = local, .k = stride };
		int64_t c[SD_MAX_W] = { 0 }, k[SD_MAX_W];

		for (unsigned l = 0; l < g->W; l++)
			k[l] = l;
		lanes.pat = gen_pattern(g, c, k);
		if (!to && x.shape == GEN_U) {
			lanes.u = LLVMBuildAdd(g->b, local, x.u, "");
			x = lanes;
		} else {
			struct gen_val v = { .shape = GEN_V };

			for (unsigned n = 0; n < g->NG; n++) {
				val b = gen_group(g, &lanes, 64, n), a = gen_group(g, &x, 64, n);

				v.v[n] = to ? LLVMBuildSub(g->b, a, b, "") : LLVMBuildAdd(g->b, a, b, "");
			}
			x = v;
		}
		result(e, t, &i->dst[0], &x);
		return;
	}
	base = gen_load_const(e, i->space == IR_SPACE_PARAM ? offsetof(struct sd_ctx, params) : offsetof(struct sd_ctx, shared), g->ptr);
	base = LLVMBuildPtrToInt(g->b, base, g->i64, "");
	if (x.shape != GEN_V)
		x.u = to ? LLVMBuildSub(g->b, x.u, base, "") : LLVMBuildAdd(g->b, x.u, base, "");
	for (unsigned n = 0; x.shape == GEN_V && n < g->NG; n++)
		x.v[n] = to ? LLVMBuildSub(g->b, x.v[n], gen_splat(g, base), "") : LLVMBuildAdd(g->b, x.v[n], gen_splat(g, base), "");
	result(e, t, &i->dst[0], &x);
}

static val shift_in(struct gen *g, val all, val piece, unsigned bits, unsigned at)
{
	val w = gen_cut(g, gen_cut(g, piece, bits > gen_bits(all) ? gen_bits(all) : bits), gen_bits(all));

	if (at)
		w = LLVMBuildShl(g->b, w, gen_const(g, w, gen_bits(w), at), "");
	return LLVMBuildOr(g->b, all, w, "");
}

/* d = {a, b, …} */
static void pack(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	const struct ir_insn *i = t->i;
	const struct ir_opnd *o = &i->src[0];
	unsigned bits = ir_type_bits(i->type), piece = bits / o->n_vec;
	struct gen_val s[8], x = { .shape = GEN_U };

	for (unsigned k = 0; k < o->n_vec; k++) {
		gen_operand(e, t, &o->vec[k], 0, false, &s[k]);
		if (s[k].shape != GEN_U)
			x.shape = GEN_V;
	}
	for (unsigned n = 0; n < (x.shape == GEN_U ? 1 : g->NG); n++) {
		val all = LLVMConstNull(gen_int_type(g, bits, x.shape == GEN_U ? 1 : g->G));

		for (unsigned k = 0; k < o->n_vec; k++)
			all = shift_in(g, all, x.shape == GEN_U ? s[k].u :
				       gen_group(g, &s[k], s[k].shape == GEN_V ? 0 : gen_bits(s[k].u), n), piece, k * piece);
		if (x.shape == GEN_U)
			x.u = all;
		else
			x.v[n] = all;
	}
	result(e, t, &i->dst[0], &x);
}

/* {a, b, …} = s */
static void unpack(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	const struct ir_insn *i = t->i;
	const struct ir_opnd *o = &i->dst[0];
	unsigned bits = ir_type_bits(i->type), piece = bits / o->n_vec;
	struct gen_val s;

	gen_operand(e, t, &i->src[0], bits, false, &s);
	if (s.shape == GEN_P) {
		struct gen_val p = s;

		gen_as_v(g, &p, bits, &s);
	}
	for (unsigned k = 0; k < o->n_vec; k++) {
		struct gen_val x = { .shape = s.shape };

		for (unsigned n = 0; n < (s.shape == GEN_U ? 1 : g->NG); n++) {
			val v = s.shape == GEN_U ? s.u : s.v[n];

			if (k)
				v = LLVMBuildLShr(g->b, v, gen_const(g, v, bits, k * piece), "");
			v = gen_cut(g, v, piece);
			if (s.shape == GEN_U)
				x.u = v;
			else
				x.v[n] = v;
		}
		result(e, t, &o->vec[k], &x);
	}
}

static void coll(struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	struct gen_val s[IR_MAX_SRC], d[2];
	unsigned bits[IR_MAX_SRC] = { 0 };

	memset(s, 0, sizeof(s));
	memset(d, 0, sizeof(d));
	for (unsigned n = 0; n < i->n_src; n++) {
		const struct ir_opnd *o = &i->src[n];

		if (o->kind == IR_OPND_NONE)
			continue;
		gen_operand(e, t, o, o->kind == IR_OPND_IMM ? 32 : 0, false, &s[n]);
		bits[n] = gen_bits(s[n].shape == GEN_V ? s[n].v[0] : s[n].u);
	}
	if (!gen_coll(e->g, i, s, bits, &e->m, d)) {
		gen_row(e, t);
		return;
	}
	for (unsigned k = 0; k < i->n_dst; k++)
		result(e, t, &i->dst[k], &d[k]);
}

static void fence(struct gen_emit *e, const struct gen_insn *t)
{
	LLVMBuildFence(e->g->b, t->i->scope == IR_SCOPE_CTA ? LLVMAtomicOrderingAcquireRelease : LLVMAtomicOrderingSequentiallyConsistent,
		       t->i->scope == IR_SCOPE_CTA, "");
}

static void bar_arrive(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	struct gen_val id, n;
	LLVMBasicBlockRef on = gen_new_bb(e, "on");
	val args[3], ok;

	gen_operand(e, t, &t->i->src[0], 32, false, &id);
	gen_operand(e, t, &t->i->src[1], 32, false, &n);
	args[0] = LLVMConstInt(g->i32, gen_ref(e, t), 0);
	args[1] = gen_lane(g, &id, 32, 0);
	args[2] = gen_lane(g, &n, 32, 0);
	set_call_mask(e);
	gen_put_live(e);
	ok = gen_call_rt(e, offsetof(struct sd_calls, bar_arrive), g->i8, args, 3);
	LLVMBuildCondBr(g->b, LLVMBuildTrunc(g->b, ok, g->i1, ""), on, e->gave_up);
	gen_at(e, on);
}

static void synthetic(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	unsigned bits = e->f->regs.v[t->dst].bits;
	struct gen_val x = { .shape = GEN_U };

	if (t->src == GEN_NONE) {
		x.u = LLVMConstInt(gen_int_type(g, bits, 1), t->imm, 0);
		gen_write(e, t->dst, &x);
		return;
	}
	if (t->kind == GEN_I_MOVE && e->f->shp[e->world][t->dst].lazy)
		gen_read(e, t->src, &x);
	else
		gen_read_bits(e, t->src, &x);
	if (t->kind == GEN_I_EQ) {
		struct gen_val v = { .shape = x.shape == GEN_U ? GEN_U : GEN_V };

		if (x.shape == GEN_U)
			v.u = LLVMBuildICmp(g->b, LLVMIntEQ, x.u, gen_const(g, x.u, gen_bits(x.u), t->imm), "");
		for (unsigned n = 0; v.shape == GEN_V && n < g->NG; n++) {
			val a = gen_group(g, &x, e->f->regs.v[t->src].bits, n);

			v.v[n] = LLVMBuildICmp(g->b, LLVMIntEQ, a, gen_const(g, a, gen_bits(a), t->imm), "");
		}
		x = v;
	} else {
		cut(e, &x, bits);
	}
	gen_write(e, t->dst, &x);
}

static void see_read(void *arg, uint32_t r)
{
	struct gen_val x;

	gen_read(arg, r, &x);
}

/* A store under a guard: the lanes for which it holds, if there are any. */
static void guarded_store(struct gen_emit *e, const struct gen_insn *t)
{
	struct gen *g = e->g;
	struct gen_mask m = e->m;
	LLVMBasicBlockRef some = gen_new_bb(e, "some"), on = gen_new_bb(e, "on");
	struct gen_val p;

	/* what is read for the first time must be there for others, too */
	gen_uses(e->f, t, see_read, e);
	guard_of(e, t, &p);
	for (unsigned n = 0; n < g->NG; n++) {
		val c = gen_group(g, &p, 1, n);

		e->m.v[n] = m.full ? c : LLVMBuildAnd(g->b, m.v[n], c, "");
	}
	e->m.full = false;
	LLVMBuildCondBr(g->b, gen_any(g, e->m.v, false), some, on);
	gen_at(e, some);
	gen_st(e, t);
	LLVMBuildBr(g->b, on);
	gen_at(e, on);
	e->m = m;
}

void gen_insn(struct gen_emit *e, const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	if (t->kind != GEN_I_IR) {
		synthetic(e, t);
		return;
	}
	switch (i->op) {
	case IR_OP_ld: case IR_OP_ldu:
		gen_ld(e, t);
		return;
	case IR_OP_st:
		if (t->masked)
			guarded_store(e, t);
		else
			gen_st(e, t);
		return;
	case IR_OP_atom: case IR_OP_red:
		gen_atom_insn(e, t);
		return;
	case IR_OP_mov:
		if (i->src[0].kind == IR_OPND_VEC)
			pack(e, t);
		else if (i->dst[0].kind == IR_OPND_VEC)
			unpack(e, t);
		else
			move(e, t);
		return;
	case IR_OP_cvta:
		cvta(e, t);
		return;
	case IR_OP_membar: case IR_OP_fence:
		fence(e, t);
		return;
	case IR_OP_bar: case IR_OP_barrier:
		if (i->mode == IR_MODE_ARRIVE)
			bar_arrive(e, t);
		return;
	}
	if (gen_is_coll(i))
		coll(e, t);
	else if (gen_is_row(i))
		gen_row(e, t);
	else if (!try_affine(e, t) && !try_select(e, t) && !try_elem(e, t))
		gen_row(e, t);
}

/* ---- guards ---- */

static val box_edge(struct gen *g, const struct gen_val *x, val base, val k, bool max)
{
	int64_t c = x->pat->c[0], lo = 0, hi = 0;
	val r, a, b;

	for (unsigned l = 0; l < g->W; l++) {
		c = max ? MAX(c, x->pat->c[l]) : MIN(c, x->pat->c[l]);
		lo = MIN(lo, x->pat->k[l]);
		hi = MAX(hi, x->pat->k[l]);
	}
	r = LLVMBuildAdd(g->b, base, LLVMConstInt(g->i64, (uint64_t)c, 1), "");
	if (!x->pat->has_k)
		return r;
	a = LLVMBuildMul(g->b, k, LLVMConstInt(g->i64, (uint64_t)lo, 1), "");
	b = LLVMBuildMul(g->b, k, LLVMConstInt(g->i64, (uint64_t)hi, 1), "");
	a = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, max ? LLVMIntSGT : LLVMIntSLT, a, b, ""), a, b, "");
	return LLVMBuildAdd(g->b, r, a, "");
}

/* *bad (i1): some lane of a 32-bit pattern that is widened would wrap. */
void gen_guard_check(struct gen_emit *e, const struct gen_insn *t, val *bad)
{
	struct gen *g = e->g;
	const struct ir_insn *i = t->i;
	bool sign = ir_type_class(i->op == IR_OP_cvt ? i->stype : i->type) == IR_TC_SINT;

	for (unsigned n = 0; n < (i->op == IR_OP_cvt ? 1u : 2u); n++) {
		struct gen_val x;
		val base, k = NULL, lo, hi, b;

		gen_operand(e, t, &i->src[n], 32, false, &x);
		if (x.shape != GEN_P)
			continue;
		base = sign ? LLVMBuildSExt(g->b, x.u, g->i64, "") : LLVMBuildZExt(g->b, x.u, g->i64, "");
		if (x.pat->has_k)
			k = LLVMBuildSExt(g->b, x.k, g->i64, "");
		lo = box_edge(g, &x, base, k, false);
		hi = box_edge(g, &x, base, k, true);
		b = LLVMBuildOr(g->b,
				LLVMBuildICmp(g->b, LLVMIntSLT, lo, LLVMConstInt(g->i64, (uint64_t)(sign ? INT32_MIN : 0), 1), ""),
				LLVMBuildICmp(g->b, LLVMIntSGT, hi, LLVMConstInt(g->i64, sign ? INT32_MAX : UINT32_MAX, 0), ""), "");
		*bad = *bad ? LLVMBuildOr(g->b, *bad, b, "") : b;
	}
}
