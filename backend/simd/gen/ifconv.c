/*
 * ifconv.c: small branches become guards. Where lanes may disagree about a
 * branch around a few instructions that only compute, all lanes run them, and
 * a guard keeps the old values where the branch would have been taken: that
 * costs less than to part and to meet again. Stores among them are masked. A
 * branch within such a branch is converted first: its guard is made to hold both.
 *
 * Only for registers that are vectors anyway: a gang that does agree keeps its
 * uniform values and patterns behind a branch.
 */
#include <string.h>

#include "backend/simd/gen/emit.h"

#define COST_MAX 10                /* of what a branch leads around, in simple vector instructions */
#define STORE_COST 3
#define ROUNDS_MAX 4               /* branches within branches */

/* What an instruction costs, whatever its guard; more than COST_MAX: it has to stay behind its branch. */
static unsigned cost_of(const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;
	unsigned wide;

	/* what the generator made has no guard */
	if (t->kind != GEN_I_IR)
		return COST_MAX + 1;
	wide = ir_type_bits(i->type) == 64 ? 2 : 1;
	if (i->op == IR_OP_st && !i->guard && i->order == IR_ORD_WEAK && i->vec <= 1 && ir_type_bits(i->type) <= 64 &&
	    i->src[0].mem_base == IR_BASE_REG)
		return STORE_COST;
	if ((i->flags & IR_F_CC) || i->n_dst != 1 || i->dst[0].kind != IR_OPND_REG)
		return COST_MAX + 1;
	switch (i->op) {
	case IR_OP_mov:
		return i->src[0].kind == IR_OPND_REG || i->src[0].kind == IR_OPND_IMM ? 0 : COST_MAX + 1;
	case IR_OP_add: case IR_OP_sub: case IR_OP_and: case IR_OP_or: case IR_OP_xor: case IR_OP_not: case IR_OP_neg: case IR_OP_abs:
	case IR_OP_min: case IR_OP_max: case IR_OP_shl: case IR_OP_shr: case IR_OP_selp: case IR_OP_setp: case IR_OP_set:
	case IR_OP_fma: case IR_OP_copysign: case IR_OP_lop3:
		return wide;
	case IR_OP_mul: case IR_OP_mad:
		return ir_type_class(i->type) == IR_TC_FLOAT ? wide : 2 * wide;
	case IR_OP_cvt: case IR_OP_slct: case IR_OP_sad: case IR_OP_bfe: case IR_OP_bfi: case IR_OP_shf: case IR_OP_prmt: case IR_OP_testp:
		return 2 * wide;
	case IR_OP_ex2: case IR_OP_lg2: case IR_OP_rcp: case IR_OP_rsqrt: case IR_OP_sqrt:
		return ir_type_bits(i->type) == 32 && (i->flags & IR_F_APPROX) ? 5 : COST_MAX + 1;
	default:
		return COST_MAX + 1;
	}
}

/*
 * Does what the branch looks at come from data? What comes from the threads' numbers says the same in nearly all gangs, and
 * a store behind such a branch is better without a mask.
 */
static bool is_of_data(const struct gen_func *f, uint32_t pred)
{
	unsigned found = 0;
	bool data = false;

	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		for (size_t n = 0; n < b->insns.n; n++) {
			const struct gen_insn *t = &b->insns.v[n];

			if (t->kind != GEN_I_IR || t->i->op != IR_OP_setp || !t->i->n_dst || t->i->dst[0].kind != IR_OPND_REG ||
			    gen_reg_of(t->inst, t->i->dst[0].reg) != pred)
				continue;
			found++;
			for (unsigned s = 0; s < 2; s++)
				data |= t->i->src[s].kind == IR_OPND_REG && f->shp[0][gen_reg_of(t->inst, t->i->src[s].reg)].shape == GEN_V;
		}
	}
	return found == 1 && data;
}

/* Who reads what a side writes: registers that live behind it. */
struct side {
	const struct gen_func *f;
	const uint64_t *live, *live2;      /* live2: of the other side, which runs next; or NULL */
	uint32_t pred;
	bool bad, keeps;
};

static void see_def(void *arg, uint32_t r)
{
	struct side *s = arg;
	bool lives = gen_in(s->live, r) || (s->live2 && gen_in(s->live2, r));

	s->bad |= r == s->pred || (lives && s->f->shp[0][r].shape != GEN_V);
	s->keeps |= lives;
}

/* ---- guards behind a branch ---- */

static uint32_t guard_of(const struct gen_insn *t)
{
	return t->kind == GEN_I_IR && t->i->guard ? gen_reg_of(t->inst, t->i->guard - 1) : GEN_NONE;
}

static bool defines(const struct gen_insn *t, uint32_t reg)
{
	for (unsigned n = 0; n < t->i->n_dst; n++)
		if (t->i->dst[n].kind == IR_OPND_REG && gen_reg_of(t->inst, t->i->dst[n].reg) == reg)
			return true;
	return false;
}

/*
 * Can the guard of instruction n, which a branch within the block has become, hold what the branch to the block says, too?
 * Where the block sets it for nobody else, and it is asked for in one way.
 */
static bool can_combine(const struct side *s, const struct gen_block *k, size_t n)
{
	uint32_t p = guard_of(&k->insns.v[n]);
	bool set = false;

	if (gen_in(s->live, p) || (s->live2 && gen_in(s->live2, p)))
		return false;
	for (size_t m = 0; m < k->insns.n; m++) {
		const struct gen_insn *t = &k->insns.v[m];

		if (t->kind != GEN_I_IR)
			return false;
		if (defines(t, p) && (t->i->guard || m > n))
			return false;
		set |= m < n && defines(t, p);
		if (guard_of(t) == p && t->i->guard_neg != k->insns.v[n].i->guard_neg)
			return false;
	}
	return set;
}

/* Instruction n sets a guard of later ones: how they ask for it (1: they want it false); -1: it does not. */
static int sets_guard(const struct gen_block *k, size_t n)
{
	for (size_t m = n + 1; m < k->insns.n; m++) {
		uint32_t p = guard_of(&k->insns.v[m]);

		if (p != GEN_NONE && defines(&k->insns.v[n], p))
			return k->insns.v[m].i->guard_neg;
	}
	return -1;
}

/* The register that t sets, together with pred (neg: its opposite); NULL: no memory. */
static const struct ir_insn *combined(struct gen_func *f, const struct gen_insn *t, uint32_t guard, uint32_t pred, bool neg, bool wanted_false)
{
	struct ir_insn *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->op = wanted_false ? IR_OP_or : IR_OP_and;
	i->type = IR_T_PRED;
	i->n_dst = 1;
	i->n_src = 2;
	i->dst[0] = i->src[0] = (struct ir_opnd){ .kind = IR_OPND_REG, .reg = guard };
	i->src[1] = (struct ir_opnd){ .kind = IR_OPND_REG, .reg = pred - t->inst->reg0, .neg = wanted_false ? !neg : neg };
	i->loc = t->i->loc;
	if (vgpu_vec_push(&f->made, i))
		return i;
	free(i);
	return NULL;
}

/* ---- sides ---- */

/* Can block b, which a branch of a alone leads to, be run by all lanes? */
static bool is_side(const struct gen_func *f, uint32_t a, uint32_t b, uint32_t join, const uint64_t *live2)
{
	const struct gen_block *k = &f->blocks.v[b];
	struct side s = { .f = f, .live = f->blocks.v[join].live_in, .live2 = live2, .pred = f->blocks.v[a].pred_reg };
	unsigned cost = 0;
	bool stores = false;

	if (b == a || b == join || k->preds.n != 1 || k->term != GEN_T_BR || k->succ[0] != join || k->guard ||
	    (k->loop && k->loop->header == b))
		return false;
	for (size_t n = 0; n < k->insns.n; n++) {
		const struct gen_inst *inst = k->insns.v[n].inst;

		stores |= k->insns.v[n].kind == GEN_I_IR && k->insns.v[n].i->op == IR_OP_st;

		cost += cost_of(&k->insns.v[n]);
		if (k->insns.v[n].kind == GEN_I_IR && k->insns.v[n].i->guard) {
			s.bad |= !can_combine(&s, k, n);
			cost++;
		}
		gen_defs(f, &k->insns.v[n], see_def, &s);
		/* the guard is a register of the instruction's own function */
		if (cost > COST_MAX || s.bad || !inst || s.pred < inst->reg0 || s.pred - inst->reg0 >= inst->in->ir->n_regs)
			return false;
	}
	return !stores || is_of_data(f, s.pred);
}

/* The instruction under the guard of a's branch; NULL: no memory. */
static const struct ir_insn *guarded(struct gen_func *f, const struct gen_insn *t, uint32_t pred, bool neg)
{
	struct ir_insn *i = malloc(sizeof(*i));

	if (!i)
		return NULL;
	*i = *t->i;
	i->guard = pred - t->inst->reg0 + 1;
	i->guard_neg = neg;
	if (vgpu_vec_push(&f->made, i))
		return i;
	free(i);
	return NULL;
}

/* What instruction n of b sets is made to hold pred, too, if it guards others. */
static int combine(struct gen_func *f, uint32_t a, uint32_t b, size_t n, uint32_t pred, bool neg)
{
	const struct gen_block *k = &f->blocks.v[b];
	struct gen_insn t = k->insns.v[n];
	int wanted_false = t.kind == GEN_I_IR && !t.i->guard ? sets_guard(k, n) : -1;
	uint32_t reg = GEN_NONE;

	if (wanted_false < 0)
		return 0;
	for (size_t m = n + 1; m < k->insns.n && reg == GEN_NONE; m++)
		if (guard_of(&k->insns.v[m]) != GEN_NONE && defines(&t, guard_of(&k->insns.v[m])))
			reg = k->insns.v[m].i->guard - 1;
	t.i = combined(f, &t, reg, pred, neg, wanted_false);
	return t.i && vgpu_vec_push(&f->blocks.v[a].insns, t) ? 0 : -VGPU_E_NOMEM;
}

static int take(struct gen_func *f, uint32_t a, uint32_t b, uint32_t join, const uint64_t *live2, bool neg)
{
	struct side s = { .f = f, .live = f->blocks.v[join].live_in, .live2 = live2, .pred = GEN_NONE };
	uint32_t pred = f->blocks.v[a].pred_reg;

	for (size_t n = 0; n < f->blocks.v[b].insns.n; n++) {
		struct gen_insn t = f->blocks.v[b].insns.v[n];

		s.keeps = t.kind == GEN_I_IR && t.i->op == IR_OP_st;
		gen_defs(f, &t, see_def, &s);
		t.masked = s.keeps && t.i->op == IR_OP_st;
		/* a guard of its own holds both */
		if (s.keeps && !(t.kind == GEN_I_IR && t.i->guard))
			t.i = guarded(f, &t, pred, neg);
		if (!t.i || !vgpu_vec_push(&f->blocks.v[a].insns, t))
			return -VGPU_E_NOMEM;
		if (combine(f, a, b, n, pred, neg))
			return -VGPU_E_NOMEM;
	}
	return 0;
}

/* 1: the branch at the end of a is gone. */
static int convert(struct gen_func *f, uint32_t a)
{
	struct gen_block *k = &f->blocks.v[a];
	uint32_t yes = k->succ[0], no = k->succ[1], join;
	int r = 0;

	if (k->term != GEN_T_COND || k->n_succ != 2 || yes == no || f->shp[0][k->pred_reg].shape != GEN_V)
		return 0;
	if (is_side(f, a, yes, no, NULL)) {
		join = no;
		r = take(f, a, yes, join, NULL, k->neg);
	} else if (is_side(f, a, no, yes, NULL)) {
		join = yes;
		r = take(f, a, no, join, NULL, !k->neg);
	} else {
		join = f->blocks.v[yes].n_succ == 1 ? f->blocks.v[yes].succ[0] : GEN_NONE;
		if (join == GEN_NONE || !is_side(f, a, yes, join, f->blocks.v[no].live_in) || !is_side(f, a, no, join, NULL))
			return 0;
		r = take(f, a, yes, join, f->blocks.v[no].live_in, k->neg);
		if (!r)
			r = take(f, a, no, join, NULL, !k->neg);
	}
	k = &f->blocks.v[a];
	k->term = GEN_T_BR;
	k->succ[0] = join;
	k->n_succ = 1;
	return r ? r : 1;
}

int gen_if_convert(struct gen *g, struct gen_func *f)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		int changed = 0;

		for (uint32_t n = 0; n < f->n_order; n++) {
			int r = convert(f, f->order[n]);

			if (r < 0)
				return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
			changed |= r;
		}
		if (!changed)
			break;
		int r = gen_flow(g, f);

		if (!r)
			r = gen_shapes(g, f, 0);
		if (r)
			return r;
	}
	return 0;
}
