/* mem_addr.c: host addresses of operands: what space they are in and what the register says. */
#include <string.h>

#include "backend/simd/gen/mem.h"

/* ---- addresses ---- */

static void thread_base(struct gen_emit *e, uint64_t off, struct gen_aff *out)
{
	struct gen *g = e->g;
	int64_t c[SD_MAX_W] = { 0 }, k[SD_MAX_W];

	for (unsigned l = 0; l < g->W; l++)
		k[l] = l;
	memset(out, 0, sizeof(*out));
	out->s.shape = GEN_P;
	out->s.pat = gen_pattern(g, c, k);
	out->u = mem_offset(g, LLVMBuildPtrToInt(g->b, gen_load_ctx(e, offsetof(struct sd_ctx, local), g->ptr), g->i64, ""), (int64_t)off);
	out->k = gen_load_ctx(e, offsetof(struct sd_ctx, local_stride), g->i64);
}

static val space_base(struct gen_emit *e, size_t off)
{
	struct gen *g = e->g;
	val v = gen_load_ctx(e, off, g->ptr);

	LLVMSetMetadata(v, LLVMGetMDKindIDInContext(g->cx, "invariant.load", 14), LLVMMDNodeInContext(g->cx, NULL, 0));
	return LLVMBuildPtrToInt(g->b, v, g->i64, "");
}

val mem_shared_base(struct gen_emit *e)
{
	return space_base(e, offsetof(struct sd_ctx, shared));
}

static bool is_frame(uint8_t space)
{
	return space == IR_SPACE_LOCAL || space == IR_SPACE_PARAM_FUNC;
}

/* A symbol's space may be what a generic access means. */
static void symbol_address(struct gen_emit *e, const struct gen_insn *t, const struct ir_opnd *o, struct gen_aff *out)
{
	struct gen *g = e->g;
	uint64_t off = 0;

	memset(out, 0, sizeof(*out));
	out->s.shape = GEN_U;
	if (!o->sym_local) {
		const struct ir_sym *s = &g->m->syms[o->sym];

		if (s->kind == IR_SYM_VAR && g->m->vars[s->index].space == IR_SPACE_SHARED)
			out->u = mem_offset(g, space_base(e, offsetof(struct sd_ctx, shared)),
					(int64_t)e->f->ik->shared_off[s->index] + o->off);
		else
			out->u = mem_offset(g, gen_sym_addr(e, s->kind, s->index), o->off);
		return;
	}
	switch (in_place(t->inst->in, o->sym, &off)) {
	case IN_PLACE_FRAME:
		thread_base(e, gen_local_of(e->f, t->inst, o->sym) + (uint64_t)o->off, out);
		return;
	case IN_PLACE_PARAM:
		out->u = mem_offset(g, space_base(e, offsetof(struct sd_ctx, params)), (int64_t)off + o->off);
		return;
	case IN_PLACE_SHARED:
		out->u = mem_offset(g, space_base(e, offsetof(struct sd_ctx, shared)), (int64_t)off + o->off);
		return;
	}
	e->failed = true;
	out->u = LLVMConstInt(g->i64, 0, 0);
}

/* Widens a register to 64 bits as an offset from base (NULL: an address by itself). */
static void based(struct gen_emit *e, const struct gen_val *x, unsigned bits, int64_t off, val base, bool sign, struct gen_aff *a,
		  struct gen_val *v)
{
	struct gen *g = e->g;

	memset(a, 0, sizeof(*a));
	memset(v, 0, sizeof(*v));
	a->s.shape = x->shape;
	a->s.pat = x->pat;
	if (x->shape == GEN_V) {
		for (unsigned n = 0; n < g->NG; n++) {
			v->v[n] = x->v[n];
			/* a shared offset is 32 bits wide: the sum wraps there */
			if (bits < 64 && off)
				v->v[n] = LLVMBuildAdd(g->b, v->v[n], gen_const(g, v->v[n], bits, (uint64_t)off), "");
			v->v[n] = gen_cut(g, v->v[n], 64);
			if (bits >= 64 && off)
				v->v[n] = LLVMBuildAdd(g->b, v->v[n], gen_const(g, v->v[n], 64, (uint64_t)off), "");
			if (base)
				v->v[n] = LLVMBuildAdd(g->b, v->v[n], gen_splat(g, base), "");
		}
		v->shape = GEN_V;
		return;
	}
	/*
	 * The base of a pattern needn't be any lane's value and may lie in front of the memory: a sign-extended one
	 * gives the lanes that are inside their right place.
	 */
	a->u = bits >= 64 ? x->u : sign || x->shape == GEN_P ? gen_sext(g, x->u, 64) : gen_cut(g, x->u, 64);
	a->u = mem_offset(g, a->u, off);
	if (base)
		a->u = LLVMBuildAdd(g->b, base, a->u, "");
	if (x->k)
		a->k = gen_sext(g, x->k, 64);
}

void gen_address(struct gen_emit *e, const struct gen_insn *t, const struct ir_opnd *o, uint8_t space, struct gen_aff *a, struct gen_val *v)
{
	struct gen *g = e->g;
	struct gen_val x;
	unsigned bits;
	val base = NULL;

	memset(v, 0, sizeof(*v));
	if ((o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_SYM) || o->kind == IR_OPND_SYM) {
		symbol_address(e, t, o, a);
		return;
	}
	if (space == IR_SPACE_PARAM && !t->inst->in->ir->is_entry)
		space = IR_SPACE_PARAM_FUNC;
	if (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_NONE) {
		memset(&x, 0, sizeof(x));
		x.shape = GEN_U;
		x.u = LLVMConstInt(g->i64, 0, 0);
		bits = 64;
	} else {
		gen_read_bits(e, gen_reg_of(t->inst, o->reg), &x);
		bits = e->f->regs.v[gen_reg_of(t->inst, o->reg)].bits;
	}
	if (is_frame(space)) {
		struct gen_aff thread, off;
		struct gen_val lanes;

		thread_base(e, 0, &thread);
		based(e, &x, bits, o->off, NULL, false, &off, v);
		if (v->shape != GEN_V && gen_aff_add(g, 64, &thread, &off, true, a))
			return;
		lanes = (struct gen_val){ .shape = GEN_P, .pat = thread.s.pat, .u = thread.u, .k = thread.k };
		if (v->shape != GEN_V) {
			struct gen_val p = { .shape = off.s.shape, .pat = off.s.pat, .u = off.u, .k = off.k };

			gen_as_v(g, &p, 64, v);
		}
		for (unsigned n = 0; n < g->NG; n++)
			v->v[n] = LLVMBuildAdd(g->b, v->v[n], gen_group(g, &lanes, 64, n), "");
		memset(a, 0, sizeof(*a));
		a->s.shape = GEN_V;
		return;
	}
	if (space == IR_SPACE_SHARED)
		base = mem_shared_base(e);
	else if (space == IR_SPACE_PARAM)
		base = space_base(e, offsetof(struct sd_ctx, params));
	/* an offset in shared memory is 32 bits, whatever the register's width */
	if (base && bits == 64 && space == IR_SPACE_SHARED && x.shape == GEN_V) {
		for (unsigned n = 0; n < g->NG; n++)
			x.v[n] = gen_cut(g, x.v[n], 32);
		bits = 32;
	}
	based(e, &x, bits, o->off, base, false, a, v);
}
