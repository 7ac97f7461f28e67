/*
 * gang.c: how many warps run as one stream of vector code: a gang. Wider ones
 * share scalar work and let the processor overlap more; narrower ones know
 * more of their values' shapes and leave fewer lanes to disagree.
 */
#include "backend/simd/gen/emit.h"

/* Rounds that a loop is taken for, where instructions are counted. */
#define LOOP_WEIGHT 16
/* Without a loop: so short that what surrounds them is what costs. */
#define FEW_INSNS 24

/* How far may warps run as one stream? */
enum even { EVEN_NOT, EVEN_NEARLY, EVEN_QUITE };

/* The instruction that sets a predicate; NULL: there are several. */
static const struct gen_insn *setter(const struct gen_func *f, uint32_t reg)
{
	const struct gen_insn *found = NULL;

	for (uint32_t k = 0; k < f->n_order; k++)
		for (size_t n = 0; n < f->blocks.v[f->order[k]].insns.n; n++) {
			const struct gen_insn *t = &f->blocks.v[f->order[k]].insns.v[n];

			if (t->kind != GEN_I_IR || !t->i->n_dst || t->i->dst[0].kind != IR_OPND_REG ||
			    gen_reg_of(t->inst, t->i->dst[0].reg) != reg)
				continue;
			if (found)
				return NULL;
			found = t;
		}
	return found;
}

/* A comparison of patterns, as a loop over an array has it: lanes seldom disagree. */
static bool is_bound(struct gen *g, const struct gen_func *f, uint32_t reg)
{
	const struct gen_insn *t = setter(f, reg);

	if (!t || t->i->op != IR_OP_setp || ir_type_class(t->i->type) == IR_TC_FLOAT || t->i->n_src < 2)
		return false;
	for (unsigned n = 0; n < 2; n++)
		if (gen_opnd_shape(g, f->shp[0], t, &t->i->src[n], 32).shape == GEN_V)
			return false;
	return true;
}

static bool is_named_barrier(const struct gen_block *b)
{
	return b->term == GEN_T_BAR && (b->bar.i->src[0].kind != IR_OPND_IMM || b->bar.i->src[0].imm ||
					(b->bar.i->n_src > 1 && b->bar.i->src[1].kind != IR_OPND_NONE));
}

static enum even how_even(struct gen *g, const struct gen_func *f)
{
	enum even r = EVEN_QUITE;

	if (f->spins || f->general)
		return EVEN_NOT;
	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		if (is_named_barrier(b))
			return EVEN_NOT;
		if (b->term == GEN_T_COND && b->loop && f->shp[1][b->pred_reg].shape != GEN_U && !is_bound(g, f, b->pred_reg))
			r = EVEN_NEARLY;
		for (size_t n = 0; n < b->insns.n; n++) {
			const struct gen_insn *t = &b->insns.v[n];

			if (t->kind != GEN_I_IR)
				continue;
			if (gen_is_row(t->i) || t->i->op == IR_OP_bar || t->i->op == IR_OP_barrier || (gen_is_coll(t->i) && b->loop))
				return EVEN_NOT;
			if ((t->i->op == IR_OP_atom || t->i->op == IR_OP_red) && t->i->space != IR_SPACE_SHARED)
				r = b->loop ? EVEN_NEARLY : r;
		}
	}
	return r;
}

/* Most vector registers of one group that are live at once, at the starts of blocks; of those in loops, if there are any. */
static unsigned live_vectors(const struct gen_func *f)
{
	unsigned most = 0;

	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];
		unsigned n = 0;

		for (uint32_t r = 0; r < f->regs.n && (b->loop || !f->loops.n); r++)
			if (gen_in(b->live_in, r) && f->shp[0][r].shape == GEN_V)
				n += f->regs.v[r].bits > 32 ? 2 : 1;
		most = MAX(most, n);
	}
	return most;
}

unsigned gen_count_insns(const struct gen_func *f)
{
	unsigned n = 0;

	for (uint32_t k = 0; k < f->n_order; k++)
		n += (unsigned)f->blocks.v[f->order[k]].insns.n;
	return n;
}

static bool has_barrier(const struct gen_func *f, const struct gen_loop *l)
{
	for (uint32_t k = 0; k < f->n_order; k++)
		if (gen_in(l->blocks, f->order[k]) && f->blocks.v[f->order[k]].term == GEN_T_BAR)
			return true;
	return false;
}

/*
 * Do innermost loops go through memory that no cache holds, and wait for nobody there? Then what has been loaded is worth more
 * than registers: the more lanes have a use for it at once, the better.
 */
static bool goes_far(const struct gen_func *f)
{
	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		for (size_t n = 0; b->loop && n < b->insns.n; n++) {
			const struct gen_insn *t = &b->insns.v[n];
			const struct ir_opnd *o = t->kind == GEN_I_IR && t->i->op == IR_OP_ld ? &t->i->src[0] : NULL;

			if (o && o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG && f->regs.v[gen_reg_of(t->inst, o->reg)].step == GEN_STEP_FAR &&
			    !has_barrier(f, b->loop))
				return true;
		}
	}
	return false;
}

static bool has_arrivals(const struct gen_block *b)
{
	for (size_t n = 0; n < b->insns.n; n++)
		if (b->insns.v[n].kind == GEN_I_IR && b->insns.v[n].i->mode == IR_MODE_ARRIVE &&
		    (b->insns.v[n].i->op == IR_OP_bar || b->insns.v[n].i->op == IR_OP_barrier))
			return true;
	return false;
}

static bool has_named_barriers(const struct gen_func *f)
{
	for (uint32_t k = 0; k < f->n_order; k++)
		if (is_named_barrier(&f->blocks.v[f->order[k]]) || has_arrivals(&f->blocks.v[f->order[k]]))
			return true;
	return false;
}

unsigned gen_gang_warps(struct gen *g, const struct gen_request *r, const struct gen_func *f)
{
	unsigned threads = r->block[0] * r->block[1] * r->block[2], groups = 32 / g->G, live, w = 1;
	unsigned fit = GEN_MAX_NG / groups < SD_MAX_WARPS ? GEN_MAX_NG / groups : SD_MAX_WARPS;
	unsigned room = r->isa == SD_ISA_AVX512 ? 24 : 12, most = r->isa == SD_ISA_AVX512 ? 8 : 4, insns = gen_count_insns(f);
	enum even even;

	/* warps of one gang can't wait for each other */
	if (has_named_barriers(f))
		return 1;
	if (r->warps)
		return MIN(r->warps, fit);
	/* a wider gang is more code, which is what tier 0 has to be quick with */
	if (r->tier == 0 && (f->loops.n || insns > FEW_INSNS))
		return 1;
	even = how_even(g, f);
	if (!threads || threads % 32 || even == EVEN_NOT || (even == EVEN_NEARLY && r->isa != SD_ISA_AVX512))
		return 1;
	live = MAX(live_vectors(f), 1u);
	if (r->isa != SD_ISA_AVX512 && f->loops.n && goes_far(f))
		room = 16;
	if (!f->loops.n && insns <= FEW_INSNS)
		live = 1;
	else if (!f->loops.n || even == EVEN_NEARLY)
		most = 2;
	while (2 * w <= most && threads / 32 % (2 * w) == 0 && 2 * w * groups * live <= room)
		w *= 2;
	return w;
}

/* Where an instruction's address is; NULL: it has none in memory. */
static const struct ir_opnd *address(const struct gen_insn *t)
{
	if (t->kind != GEN_I_IR)
		return NULL;
	for (unsigned n = 0; n < t->i->n_src; n++)
		if (t->i->src[n].kind == IR_OPND_MEM && t->i->src[n].mem_base == IR_BASE_REG)
			return &t->i->src[n];
	return NULL;
}

unsigned gen_gang_scattered(const struct gen_func *f)
{
	unsigned n = 0;

	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		for (size_t j = 0; j < b->insns.n; j++) {
			const struct ir_opnd *o = address(&b->insns.v[j]);

			if (o && f->shp[0][gen_reg_of(b->insns.v[j].inst, o->reg)].shape == GEN_V)
				n += b->loop ? LOOP_WEIGHT : 1;
		}
	}
	return n;
}
