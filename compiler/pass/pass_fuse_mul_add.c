/*
 * pass_fuse_mul_add.c: a product and its sum become one fma, exactly where
 * ptxas does it, so that results equal a GPU's bit for bit. PTX leaves mul
 * and add without a rounding modifier to the compiler; this is what ptxas
 * 13.0 was seen to do (its machine code was decoded):
 *
 *   - mul and add or sub carry no rounding modifier, have the same type (f32,
 *     f64, f16, f16x2) and the same .ftz; the mul is neither guarded nor .sat
 *     (the add may be either).
 *   - All uses of the product are such adds in the mul's block, and each of
 *     them becomes an fma; otherwise the mul stays and none does. t+t of one
 *     product does not fuse.
 *   - Where both operands of an add are products, the first one is fused,
 *     unless only the second has a single use.
 *
 * Not done although ptxas does: products behind a mov or neg, and products in
 * registers that are written elsewhere too and not again in the block.
 *
 * In: find_flow has run. Out: the same blocks; mul of fused products are gone,
 * c-a*b and a*b-c have a neg in front of the fma.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir_arena.h"
#include "compiler/pass/pass.h"
#include "util/vec.h"

#define NONE UINT32_MAX

struct product {
	uint32_t insn, reg, uses;
	bool bad;
};

/* An add or sub, and the products that its operands are. */
struct sum {
	uint32_t insn, p[2];
};

struct fuse {
	struct ir_module *m;
	struct ir_func *f;
	uint32_t *n_uses, *n_defs;   /* by register, in the function */
	uint32_t *last_def;          /* by register, in the block: 1 + instruction */
	uint32_t *current;           /* by register: 1 + product that it holds */
	VGPU_VEC(struct product) products;
	VGPU_VEC(struct sum) sums;
	VGPU_VEC(struct ir_reg) regs;
	bool nomem;
};

typedef void visit_fn(struct fuse *x, uint32_t reg, uint32_t insn);

static void visit_opnd(struct fuse *x, const struct ir_opnd *o, uint32_t insn, visit_fn *fn)
{
	if (o->kind == IR_OPND_REG || (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG))
		fn(x, o->reg, insn);
	for (unsigned k = 0; k < o->n_vec && o->vec; k++)
		visit_opnd(x, &o->vec[k], insn, fn);
}

static void visit_uses(struct fuse *x, const struct ir_insn *i, uint32_t insn, visit_fn *fn)
{
	if (i->guard)
		fn(x, i->guard - 1, insn);
	for (unsigned k = 0; k < i->n_src; k++)
		visit_opnd(x, &i->src[k], insn, fn);
	if (!i->call)
		return;
	visit_opnd(x, &i->call->target, insn, fn);
	for (uint32_t k = 0; k < i->call->n_args; k++)
		visit_opnd(x, &i->call->args[k], insn, fn);
}

static void visit_defs(struct fuse *x, const struct ir_insn *i, uint32_t insn, visit_fn *fn)
{
	for (unsigned k = 0; k < i->n_dst; k++)
		visit_opnd(x, &i->dst[k], insn, fn);
	for (uint32_t k = 0; i->call && k < i->call->n_rets; k++)
		visit_opnd(x, &i->call->rets[k], insn, fn);
}

static void count_use(struct fuse *x, uint32_t reg, uint32_t insn)
{
	(void)insn;
	x->n_uses[reg]++;
}

static void count_def(struct fuse *x, uint32_t reg, uint32_t insn)
{
	(void)insn;
	x->n_defs[reg]++;
}

static bool fusable_type(uint8_t t)
{
	return t == IR_T_F32 || t == IR_T_F64 || t == IR_T_F16 || t == IR_T_F16X2;
}

static bool is_product(const struct ir_insn *i)
{
	return i->op == IR_OP_mul && fusable_type(i->type) && i->round == IR_RND_NONE && !i->guard &&
	       !(i->flags & ~IR_F_FTZ) && i->dst[0].kind == IR_OPND_REG;
}

static bool is_sum(const struct ir_insn *i)
{
	return (i->op == IR_OP_add || i->op == IR_OP_sub) && fusable_type(i->type) && i->stype == IR_T_NONE &&
	       i->round == IR_RND_NONE && !(i->flags & ~(IR_F_FTZ | IR_F_SAT));
}

/* Some other use: the product is needed as such. */
static void other_use(struct fuse *x, uint32_t reg, uint32_t insn)
{
	(void)insn;
	if (x->current[reg])
		x->products.v[x->current[reg] - 1].bad = true;
}

static void end_product(struct fuse *x, uint32_t reg, uint32_t insn)
{
	x->current[reg] = 0;
	x->last_def[reg] = insn + 1;
}

/* Has a source of the product been written since? */
static bool sources_live(const struct fuse *x, const struct ir_insn *mul, uint32_t at)
{
	for (unsigned k = 0; k < 2; k++)
		if (mul->src[k].kind == IR_OPND_REG ? x->last_def[mul->src[k].reg] > at :
		    mul->src[k].kind != IR_OPND_IMM)
			return false;
	return true;
}

static void take_sum(struct fuse *x, const struct ir_block *b, uint32_t k)
{
	const struct ir_insn *i = &b->insns[k];
	struct sum s = { k, { NONE, NONE } };

	for (unsigned n = 0; n < 2; n++) {
		const struct ir_opnd *o = &i->src[n];
		uint32_t p = o->kind == IR_OPND_REG ? x->current[o->reg] : 0;
		struct product *pr;

		if (!p)
			continue;
		pr = &x->products.v[p - 1];
		pr->uses++;
		if (b->insns[pr->insn].type != i->type || (b->insns[pr->insn].flags & IR_F_FTZ) != (i->flags & IR_F_FTZ) ||
		    !sources_live(x, &b->insns[pr->insn], pr->insn))
			pr->bad = true;
		s.p[n] = p - 1;
	}
	if (s.p[0] != NONE && s.p[0] == s.p[1])
		x->products.v[s.p[0]].bad = true;
	if (i->guard)
		other_use(x, i->guard - 1, k);
	if ((s.p[0] != NONE || s.p[1] != NONE) && !vgpu_vec_push(&x->sums, s))
		x->nomem = true;
}

static void scan_block(struct fuse *x, const struct ir_block *b)
{
	for (uint32_t k = 0; k < b->n_insns; k++) {
		const struct ir_insn *i = &b->insns[k];

		if (is_sum(i))
			take_sum(x, b, k);
		else
			visit_uses(x, i, k, other_use);
		if (i->guard)      /* the old value may live on */
			visit_defs(x, i, k, other_use);
		visit_defs(x, i, k, end_product);
		if (is_product(i)) {
			struct product p = { k, i->dst[0].reg, 0, false };

			if (!vgpu_vec_push(&x->products, p)) {
				x->nomem = true;
				return;
			}
			x->current[p.reg] = (uint32_t)x->products.n;
		}
	}
	/* what is still held at the end must not be used in another block */
	for (size_t n = 0; n < x->products.n; n++) {
		struct product *p = &x->products.v[n];

		if (x->current[p->reg] == n + 1 && (x->n_defs[p->reg] != 1 || x->n_uses[p->reg] != p->uses))
			p->bad = true;
		p->bad |= p->uses == 0;
	}
}

static bool good(const struct fuse *x, uint32_t p)
{
	return p != NONE && !x->products.v[p].bad;
}

/* Each add takes one product; the other operand is then a use of the other product as it is. */
static void choose(struct fuse *x)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t n = 0; n < x->sums.n; n++) {
			struct sum *s = &x->sums.v[n];
			unsigned loser = 1;

			if (!good(x, s->p[0]) || !good(x, s->p[1]))
				continue;
			if (x->products.v[s->p[0]].uses > 1 && x->products.v[s->p[1]].uses == 1)
				loser = 0;
			x->products.v[s->p[loser]].bad = true;
			changed = true;
		}
	}
}

static bool new_reg(struct fuse *x, enum ir_type t, uint32_t *reg)
{
	struct ir_reg r = { ir_arena_printf(x->m->arena, "%%neg$%zu", x->regs.n), (uint8_t)t };

	if (!r.name || !vgpu_vec_push(&x->regs, r)) {
		x->nomem = true;
		return false;
	}
	*reg = (uint32_t)x->regs.n - 1;
	return true;
}

static const char *spell(struct fuse *x, const struct ir_insn *i, const char *op)
{
	const char *s = ir_arena_printf(x->m->arena, "%s%s%s.%s", op, i->flags & IR_F_FTZ ? ".ftz" : "",
					i->flags & IR_F_SAT ? ".sat" : "", ir_type_name(i->type));

	x->nomem |= !s;
	return s;
}

static struct ir_insn *put_neg(struct fuse *x, struct ir_insn *out, const struct ir_insn *sum, struct ir_opnd *o)
{
	struct ir_insn neg = { .op = IR_OP_neg, .type = sum->type, .vec = 1, .flags = sum->flags & IR_F_FTZ,
			       .n_dst = 1, .n_src = 1, .loc = sum->loc };
	uint32_t reg;

	if (!new_reg(x, sum->type == IR_T_F16 ? IR_T_B16 : sum->type == IR_T_F16X2 ? IR_T_B32 : sum->type, &reg))
		return out;
	neg.spelling = spell(x, &neg, "neg");
	neg.dst[0].kind = IR_OPND_REG;
	neg.dst[0].reg = reg;
	neg.src[0] = *o;
	memset(o, 0, sizeof(*o));
	o->kind = IR_OPND_REG;
	o->reg = reg;
	*out = neg;
	return out + 1;
}

/* a*b+c, a*b-c or c-a*b as fma. */
static struct ir_insn *put_fma(struct fuse *x, struct ir_insn *out, const struct ir_insn *mul, const struct ir_insn *sum,
			       bool second)
{
	struct ir_opnd a = mul->src[0], b = mul->src[1], c = sum->src[second ? 0 : 1];
	struct ir_insn fma = *sum;

	if (sum->op == IR_OP_sub)
		out = put_neg(x, out, sum, second ? &a : &c);
	fma.op = IR_OP_fma;
	fma.round = IR_RND_RN;
	fma.spelling = spell(x, sum, "fma.rn");
	fma.n_src = 3;
	fma.src[0] = a;
	fma.src[1] = b;
	fma.src[2] = c;
	*out = fma;
	return out + 1;
}

static void rewrite(struct fuse *x, struct ir_block *b)
{
	struct ir_insn *out = ir_arena_array(x->m->arena, b->n_insns + x->sums.n, sizeof(*out)), *end = out;
	size_t p = 0, s = 0;

	if (!out) {
		x->nomem = true;
		return;
	}
	for (uint32_t k = 0; k < b->n_insns; k++) {
		const struct sum *u = s < x->sums.n && x->sums.v[s].insn == k ? &x->sums.v[s++] : NULL;
		const struct product *pr = p < x->products.n && x->products.v[p].insn == k ? &x->products.v[p++] : NULL;

		if (pr && !pr->bad)
			continue;
		if (u && good(x, u->p[0]))
			end = put_fma(x, end, &b->insns[x->products.v[u->p[0]].insn], &b->insns[k], false);
		else if (u && good(x, u->p[1]))
			end = put_fma(x, end, &b->insns[x->products.v[u->p[1]].insn], &b->insns[k], true);
		else
			*end++ = b->insns[k];
	}
	b->insns = out;
	b->n_insns = (uint32_t)(end - out);
}

static void fuse_block(struct fuse *x, struct ir_block *b)
{
	bool any = false;

	x->products.n = x->sums.n = 0;
	scan_block(x, b);
	if (x->sums.n && !x->nomem) {
		choose(x);
		for (size_t n = 0; n < x->products.n; n++)
			any |= !x->products.v[n].bad;
		if (any)
			rewrite(x, b);
	}
	for (size_t n = 0; n < x->products.n; n++)
		x->current[x->products.v[n].reg] = 0;
}

static bool has_products(const struct ir_func *f)
{
	for (uint32_t n = 0; n < f->n_blocks; n++)
		for (uint32_t k = 0; k < f->blocks[n].n_insns; k++)
			if (is_product(&f->blocks[n].insns[k]))
				return true;
	return false;
}

static void keep_regs(struct fuse *x)
{
	struct ir_reg *r;

	if (x->regs.n == x->f->n_regs)
		return;
	r = ir_arena_array(x->m->arena, x->regs.n, sizeof(*r));
	if (!r) {
		x->nomem = true;
		return;
	}
	memcpy(r, x->regs.v, x->regs.n * sizeof(*r));
	x->f->regs = r;
	x->f->n_regs = (uint32_t)x->regs.n;
}

static void clear_def(struct fuse *x, uint32_t reg, uint32_t insn)
{
	(void)insn;
	x->last_def[reg] = 0;
}

static int fuse_func(struct ir_module *m, struct ir_func *f, struct vgpu_err *err)
{
	uint32_t n = f->n_regs, *mem = calloc(4 * (size_t)n + 1, sizeof(*mem));
	struct fuse x = { .m = m, .f = f, .n_uses = mem, .n_defs = mem + n, .last_def = mem + 2 * n, .current = mem + 3 * n };

	x.nomem = !mem || !vgpu_vec_reserve(&x.regs, n + 1);
	if (!x.nomem) {
		memcpy(x.regs.v, f->regs, n * sizeof(*f->regs));
		x.regs.n = n;
	}
	for (uint32_t k = 0; !x.nomem && k < f->n_blocks; k++)
		for (uint32_t j = 0; j < f->blocks[k].n_insns; j++) {
			visit_uses(&x, &f->blocks[k].insns[j], j, count_use);
			visit_defs(&x, &f->blocks[k].insns[j], j, count_def);
		}
	for (uint32_t k = 0; !x.nomem && k < f->n_blocks; k++) {
		struct ir_block old = f->blocks[k];

		fuse_block(&x, &f->blocks[k]);
		for (uint32_t j = 0; j < old.n_insns; j++)
			visit_defs(&x, &old.insns[j], j, clear_def);
	}
	if (!x.nomem)
		keep_regs(&x);
	vgpu_vec_free(&x.products);
	vgpu_vec_free(&x.sums);
	vgpu_vec_free(&x.regs);
	free(mem);
	return x.nomem ? vgpu_err_set(err, VGPU_E_NOMEM, "function '%s'", f->name) : 0;
}

int pass_fuse_mul_add(struct ir_module *m, struct vgpu_err *err)
{
	int r = 0;

	for (uint32_t i = 0; !r && !m->no_contract && i < m->n_funcs; i++)
		if (!m->funcs[i].passed && has_products(&m->funcs[i]))
			r = fuse_func(m, &m->funcs[i], err);
	return r;
}
