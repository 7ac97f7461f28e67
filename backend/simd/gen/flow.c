/*
 * flow.c: what follows from the edges of a flat function: reachable blocks,
 * dominators and post-dominators, loops, live registers, and an order of the
 * blocks in which every edge but a loop's back edges leads forward and loops
 * are in one piece. The masked world runs the blocks in that order.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/flat.h"

struct flow {
	struct gen_func *f;
	uint32_t n;
	uint32_t *rpo;             /* blocks in reverse post-order */
	uint32_t n_rpo;
};

static void find_preds(struct gen_func *f)
{
	for (size_t b = 0; b < f->blocks.n; b++)
		f->blocks.v[b].preds.n = 0;
	for (uint32_t b = 0; b < f->blocks.n; b++)
		for (uint32_t k = 0; f->blocks.v[b].entered && k < f->blocks.v[b].n_succ; k++)
			(void)vgpu_vec_push(&f->blocks.v[f->blocks.v[b].succ[k]].preds, b);
}

/* Depth first from block 0, without recursion. */
static bool find_rpo(struct flow *x)
{
	struct gen_func *f = x->f;
	uint32_t *stack = calloc(x->n + 1, sizeof(*stack)), *at = calloc(x->n + 1, sizeof(*at)), sp = 0, left = x->n;
	bool ok = stack && at;

	for (uint32_t b = 0; b < x->n; b++)
		f->blocks.v[b].entered = false;
	if (ok) {
		stack[sp++] = 0;
		f->blocks.v[0].entered = true;
	}
	while (sp) {
		struct gen_block *b = &f->blocks.v[stack[sp - 1]];

		/* the last successor first, so that the first one comes first in the order */
		if (at[sp - 1] < b->n_succ) {
			uint32_t s = b->succ[b->n_succ - 1 - at[sp - 1]++];

			if (!f->blocks.v[s].entered) {
				f->blocks.v[s].entered = true;
				stack[sp] = s;
				at[sp++] = 0;
			}
			continue;
		}
		x->rpo[--left] = stack[--sp];
	}
	x->n_rpo = x->n - left;
	if (ok)
		memmove(x->rpo, x->rpo + left, x->n_rpo * sizeof(*x->rpo));
	for (uint32_t k = 0; k < x->n_rpo; k++)
		f->blocks.v[x->rpo[k]].rpo = k;
	free(stack);
	free(at);
	return ok;
}

static uint32_t common_dom(const struct gen_func *f, uint32_t a, uint32_t b)
{
	while (a != b) {
		while (f->blocks.v[a].rpo > f->blocks.v[b].rpo)
			a = f->blocks.v[a].idom;
		while (f->blocks.v[b].rpo > f->blocks.v[a].rpo)
			b = f->blocks.v[b].idom;
	}
	return a;
}

static void find_doms(struct flow *x)
{
	struct gen_func *f = x->f;
	bool changed = true;

	for (uint32_t b = 0; b < x->n; b++)
		f->blocks.v[b].idom = GEN_NONE;
	f->blocks.v[0].idom = 0;
	while (changed) {
		changed = false;
		for (uint32_t k = 1; k < x->n_rpo; k++) {
			struct gen_block *b = &f->blocks.v[x->rpo[k]];
			uint32_t best = GEN_NONE;

			for (size_t p = 0; p < b->preds.n; p++)
				if (f->blocks.v[b->preds.v[p]].idom != GEN_NONE)
					best = best == GEN_NONE ? b->preds.v[p] : common_dom(f, best, b->preds.v[p]);
			changed |= best != b->idom;
			b->idom = best;
		}
	}
}

bool gen_dominates(const struct gen_func *f, uint32_t a, uint32_t b)
{
	while (f->blocks.v[b].rpo > f->blocks.v[a].rpo)
		b = f->blocks.v[b].idom;
	return a == b;
}

/* Post-dominators by the same iteration on the reversed graph; number n is the exit. */
struct post {
	uint32_t *number, *order, *ipdom, n_order;
};

static void post_order(struct flow *x, struct post *p, uint32_t *stack, uint32_t *at)
{
	struct gen_func *f = x->f;

	for (uint32_t b = 0; b <= x->n; b++)
		p->number[b] = GEN_NONE;
	for (uint32_t r = 0; r < x->n; r++) {
		uint32_t sp = 0;

		if (!f->blocks.v[r].entered || f->blocks.v[r].n_succ || p->number[r] != GEN_NONE)
			continue;
		stack[sp] = r;
		at[sp++] = 0;
		p->number[r] = 0;
		while (sp) {
			struct gen_block *b = &f->blocks.v[stack[sp - 1]];

			if (at[sp - 1] < b->preds.n) {
				uint32_t s = b->preds.v[at[sp - 1]++];

				if (p->number[s] == GEN_NONE) {
					p->number[s] = 0;
					stack[sp] = s;
					at[sp++] = 0;
				}
				continue;
			}
			p->order[p->n_order] = stack[--sp];
			p->number[stack[sp]] = p->n_order++;
		}
	}
	p->number[x->n] = p->n_order;
}

static uint32_t common_post(const struct post *p, uint32_t a, uint32_t b)
{
	while (a != b) {
		while (p->number[a] < p->number[b])
			a = p->ipdom[a];
		while (p->number[b] < p->number[a])
			b = p->ipdom[b];
	}
	return a;
}

static bool find_ipdoms(struct flow *x)
{
	uint32_t *mem = calloc(5 * ((size_t)x->n + 1), sizeof(*mem)), n1 = x->n + 1;
	struct post p = { mem, mem + n1, mem + 2 * n1, 0 };
	bool changed = true;

	if (!mem)
		return false;
	post_order(x, &p, mem + 3 * n1, mem + 4 * n1);
	for (uint32_t b = 0; b <= x->n; b++)
		p.ipdom[b] = GEN_NONE;
	p.ipdom[x->n] = x->n;
	while (changed) {
		changed = false;
		for (uint32_t k = p.n_order; k-- > 0;) {
			const struct gen_block *b = &x->f->blocks.v[p.order[k]];
			uint32_t best = b->n_succ ? GEN_NONE : x->n;

			for (uint32_t s = 0; s < b->n_succ; s++)
				if (p.number[b->succ[s]] != GEN_NONE && p.ipdom[b->succ[s]] != GEN_NONE)
					best = best == GEN_NONE ? b->succ[s] : common_post(&p, best, b->succ[s]);
			if (best != GEN_NONE && best != p.ipdom[p.order[k]]) {
				p.ipdom[p.order[k]] = best;
				changed = true;
			}
		}
	}
	/* a block that never ends (an endless loop) has none */
	for (uint32_t b = 0; b < x->n; b++)
		x->f->blocks.v[b].ipdom = p.ipdom[b] == x->n ? GEN_NONE : p.ipdom[b];
	free(mem);
	return true;
}

/* ---- loops ---- */

static void free_loops(struct gen_func *f)
{
	for (size_t n = 0; n < f->loops.n; n++) {
		free(f->loops.v[n]->blocks);
		free(f->loops.v[n]);
	}
	f->loops.n = 0;
}

static struct gen_loop *loop_of(struct flow *x, uint32_t header)
{
	struct gen_func *f = x->f;
	struct gen_loop *l;

	for (size_t k = 0; k < f->loops.n; k++)
		if (f->loops.v[k]->header == header)
			return f->loops.v[k];
	l = calloc(1, sizeof(*l));
	if (l)
		l->blocks = calloc(x->n / 64 + 1, sizeof(*l->blocks));
	if (!l || !l->blocks || !vgpu_vec_push(&f->loops, l)) {
		if (l)
			free(l->blocks);
		free(l);
		return NULL;
	}
	l->header = header;
	gen_add(l->blocks, header);
	return l;
}

static void fill_loop(struct flow *x, struct gen_loop *l, uint32_t from, uint32_t *stack)
{
	uint32_t sp = 0;

	stack[sp++] = from;
	while (sp) {
		uint32_t b = stack[--sp];

		if (gen_in(l->blocks, b))
			continue;
		gen_add(l->blocks, b);
		for (size_t p = 0; p < x->f->blocks.v[b].preds.n; p++)
			if (!gen_in(l->blocks, x->f->blocks.v[b].preds.v[p]))
				stack[sp++] = x->f->blocks.v[b].preds.v[p];
	}
}

static uint32_t loop_size(const struct gen_loop *l, uint32_t n)
{
	uint32_t c = 0;

	for (uint32_t w = 0; w <= n / 64; w++)
		c += (uint32_t)__builtin_popcountll(l->blocks[w]);
	return c;
}

/* Innermost loop of each block, and of each loop the one around it. */
static void nest_loops(struct flow *x)
{
	struct gen_func *f = x->f;

	for (uint32_t b = 0; b < x->n; b++) {
		struct gen_loop *best = NULL;

		for (size_t k = 0; k < f->loops.n; k++)
			if (gen_in(f->loops.v[k]->blocks, b) && (!best || loop_size(f->loops.v[k], x->n) < loop_size(best, x->n)))
				best = f->loops.v[k];
		f->blocks.v[b].loop = best;
	}
	for (size_t k = 0; k < f->loops.n; k++) {
		struct gen_loop *l = f->loops.v[k];

		for (size_t j = 0; j < f->loops.n; j++) {
			struct gen_loop *o = f->loops.v[j];

			if (o != l && gen_in(o->blocks, l->header) && (!l->parent || loop_size(o, x->n) < loop_size(l->parent, x->n)))
				l->parent = o;
		}
	}
}

static bool waits(const struct gen_insn *t)
{
	const struct ir_insn *i = t->i;

	if (t->kind != GEN_I_IR)
		return false;
	switch (i->op) {
	case IR_OP_atom:
		return i->space != IR_SPACE_LOCAL && (i->atom == IR_ATOM_CAS || i->atom == IR_ATOM_EXCH || i->order > IR_ORD_RELAXED ||
						      i->space != IR_SPACE_SHARED);
	case IR_OP_ld:
		return i->order != IR_ORD_WEAK && i->space != IR_SPACE_LOCAL;
	case IR_OP_mbarrier:
		return i->mode == IR_MODE_TRY_WAIT || i->mode == IR_MODE_TEST_WAIT;
	default:
		return false;
	}
}

/* Registers of a loop whose values depend on memory. */
struct told {
	struct gen_func *f;
	const struct gen_loop *l;
	uint64_t *by_any, *by_others;      /* read in the loop; of what others write, so that a branch on it may wait */
	uint64_t *set;                     /* one of them */
	bool any, changed;
};

static void see_told(void *arg, uint32_t r)
{
	struct told *t = arg;

	t->any |= gen_in(t->set, r);
}

static void tell(void *arg, uint32_t r)
{
	struct told *t = arg;

	t->changed |= !gen_in(t->set, r);
	gen_add(t->set, r);
}

static bool reads(const struct gen_insn *x)
{
	return x->kind == GEN_I_IR && (x->i->op == IR_OP_ld || x->i->op == IR_OP_atom);
}

/*
 * Compare-and-swap with what was read in the round before: it is tried again when another one was quicker, but that one
 * is done. Nobody is waited for. A lock is compared with a constant.
 */
static bool tries_again(const struct told *t, const struct gen_insn *x)
{
	return x->i->op == IR_OP_atom && x->i->atom == IR_ATOM_CAS && x->i->src[1].kind == IR_OPND_REG &&
	       gen_in(t->by_any, gen_reg_of(x->inst, x->i->src[1].reg));
}

/* What depends on such instructions, by way of registers. */
static void spread(struct told *t, uint64_t *set, bool others)
{
	t->set = set;
	do {
		t->changed = false;
		for (uint32_t b = 0; b < t->f->blocks.n; b++) {
			const struct gen_block *k = &t->f->blocks.v[b];

			for (size_t i = 0; k->entered && gen_in(t->l->blocks, b) && i < k->insns.n; i++) {
				const struct gen_insn *x = &k->insns.v[i];

				t->any = others ? waits(x) && !tries_again(t, x) : reads(x);
				gen_uses(t->f, x, see_told, t);
				if (t->any)
					gen_defs(t->f, x, tell, t);
			}
		}
	} while (t->changed);
}

/* A loop that may wait for another thread: its condition depends on what others write. */
static bool may_wait(struct told *t)
{
	size_t words = t->f->regs.n / 64 + 1;

	memset(t->by_any, 0, words * sizeof(uint64_t));
	memset(t->by_others, 0, words * sizeof(uint64_t));
	spread(t, t->by_any, false);
	spread(t, t->by_others, true);
	for (uint32_t b = 0; b < t->f->blocks.n; b++) {
		const struct gen_block *k = &t->f->blocks.v[b];

		if (k->entered && gen_in(t->l->blocks, b) &&
		    (k->term == GEN_T_SLEEP || (k->term == GEN_T_COND && gen_in(t->by_others, k->pred_reg))))
			return true;
	}
	return false;
}

static bool find_spinning(struct flow *x)
{
	size_t words = x->f->regs.n / 64 + 1;
	uint64_t *sets = calloc(2 * words, sizeof(*sets));
	struct told t = { .f = x->f, .by_any = sets, .by_others = sets ? sets + words : NULL };

	if (!sets)
		return false;
	for (size_t k = 0; k < x->f->loops.n; k++) {
		t.l = x->f->loops.v[k];
		x->f->loops.v[k]->spins = may_wait(&t);
	}
	free(sets);
	return true;
}

static bool find_loops(struct flow *x)
{
	struct gen_func *f = x->f;
	size_t edges = 0;
	uint32_t *stack;
	bool ok = true;

	for (uint32_t b = 0; b < x->n; b++)
		edges += f->blocks.v[b].preds.n;
	stack = calloc(edges + x->n + 1, sizeof(*stack));
	if (!stack)
		return false;
	free_loops(f);
	for (uint32_t k = 0; k < x->n_rpo && ok; k++) {
		const struct gen_block *b = &f->blocks.v[x->rpo[k]];

		for (uint32_t s = 0; s < b->n_succ && ok; s++)
			if (gen_dominates(f, b->succ[s], x->rpo[k])) {
				struct gen_loop *l = loop_of(x, b->succ[s]);

				ok = l != NULL;
				if (ok)
					fill_loop(x, l, x->rpo[k], stack);
			}
	}
	free(stack);
	if (ok) {
		nest_loops(x);
		ok = find_spinning(x);
	}
	return ok;
}

/* ---- order ---- */

struct place {
	struct flow *x;
	uint32_t *missing;         /* forward edges into a block whose source isn't placed */
	bool *placed;
	bool *waits;               /* blocks from which a barrier can be reached */
	struct gen_loop *open;
};

static void find_waits(struct flow *x, bool *waits)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (uint32_t k = x->n_rpo; k-- > 0;) {
			const struct gen_block *b = &x->f->blocks.v[x->rpo[k]];
			bool w = b->term == GEN_T_BAR;

			for (uint32_t s = 0; s < b->n_succ; s++)
				w |= waits[b->succ[s]];
			changed |= w != waits[x->rpo[k]];
			waits[x->rpo[k]] = w;
		}
	}
}

static bool is_back(const struct gen_func *f, uint32_t from, uint32_t to)
{
	return gen_dominates(f, to, from);
}

/*
 * The ready block of the innermost open loop that comes first in reverse
 * post-order; before others those behind which no barrier is: lanes that leave
 * do so before those wait that don't.
 */
static uint32_t pick_block(const struct place *p)
{
	uint32_t first = GEN_NONE;

	for (uint32_t k = 0; k < p->x->n_rpo; k++) {
		uint32_t b = p->x->rpo[k];

		if (p->placed[b] || p->missing[b] || (p->open && !gen_in(p->open->blocks, b)))
			continue;
		if (!p->waits[b])
			return b;
		first = first == GEN_NONE ? b : first;
	}
	return first;
}

static bool loop_is_placed(const struct place *p, const struct gen_loop *l)
{
	for (uint32_t b = 0; b < p->x->n; b++)
		if (p->x->f->blocks.v[b].entered && gen_in(l->blocks, b) && !p->placed[b])
			return false;
	return true;
}

static void place_block(struct place *p, uint32_t b)
{
	struct gen_func *f = p->x->f;
	struct gen_block *k = &f->blocks.v[b];

	k->pos = f->n_order;
	f->order[f->n_order++] = b;
	p->placed[b] = true;
	if (k->loop)
		p->open = k->loop;
	for (uint32_t s = 0; s < k->n_succ; s++)
		if (!is_back(f, b, k->succ[s]))
			p->missing[k->succ[s]]--;
	while (p->open && loop_is_placed(p, p->open)) {
		p->open->last = b;
		p->open = p->open->parent;
	}
}

/* 1: done; 0: irreducible; -1: no memory. */
static int find_order(struct flow *x)
{
	struct gen_func *f = x->f;
	struct place p = {
		.x = x, .missing = calloc(x->n + 1, sizeof(uint32_t)), .placed = calloc(x->n + 1, sizeof(bool)),
		.waits = calloc(x->n + 1, sizeof(bool)),
	};
	int r = 1;

	free(f->order);
	f->order = calloc(x->n + 1, sizeof(*f->order));
	f->n_order = 0;
	if (!p.missing || !p.placed || !p.waits || !f->order)
		r = -1;
	else
		find_waits(x, p.waits);
	for (uint32_t b = 0; b < x->n && r > 0; b++)
		for (size_t k = 0; k < f->blocks.v[b].preds.n; k++)
			p.missing[b] += !is_back(f, f->blocks.v[b].preds.v[k], b);
	while (r > 0 && f->n_order < x->n_rpo) {
		uint32_t b = pick_block(&p);

		if (b == GEN_NONE)
			r = 0;
		else
			place_block(&p, b);
	}
	free(p.missing);
	free(p.placed);
	free(p.waits);
	return r;
}

/* ---- live registers ---- */

struct live {
	const struct gen_func *f;
	uint64_t *gen, *kill;
	bool keeps;
};

static void see_use(void *arg, uint32_t r)
{
	struct live *l = arg;

	if (!gen_in(l->kill, r))
		gen_add(l->gen, r);
}

static void see_def(void *arg, uint32_t r)
{
	struct live *l = arg;

	if (l->keeps)
		see_use(arg, r);
	gen_add(l->kill, r);
}

static void count_use(void *arg, uint32_t r)
{
	((struct gen_func *)arg)->regs.v[r].n_uses++;
}

static void count_def(void *arg, uint32_t r)
{
	((struct gen_func *)arg)->regs.v[r].n_defs++;
}

static void see_block(struct gen_func *f, const struct gen_block *b, struct live *l)
{
	for (size_t k = 0; k < b->insns.n; k++) {
		gen_uses(f, &b->insns.v[k], see_use, l);
		l->keeps = gen_keeps_old(&b->insns.v[k]);
		gen_defs(f, &b->insns.v[k], see_def, l);
		gen_uses(f, &b->insns.v[k], count_use, f);
		gen_defs(f, &b->insns.v[k], count_def, f);
	}
	if (b->term == GEN_T_COND) {
		see_use(l, b->pred_reg);
		count_use(f, b->pred_reg);
	}
	if (b->term == GEN_T_BAR || b->term == GEN_T_SLEEP || b->term == GEN_T_FAULT) {
		gen_uses(f, &b->bar, see_use, l);
		gen_uses(f, &b->bar, count_use, f);
		l->keeps = false;
	}
}

static bool alloc_sets(struct gen_func *f)
{
	f->words = f->regs.n / 64 + 1;
	for (size_t b = 0; b < f->blocks.n; b++) {
		free(f->blocks.v[b].live_in);
		free(f->blocks.v[b].live_out);
		f->blocks.v[b].live_in = calloc(f->words, sizeof(uint64_t));
		f->blocks.v[b].live_out = calloc(f->words, sizeof(uint64_t));
		if (!f->blocks.v[b].live_in || !f->blocks.v[b].live_out)
			return false;
	}
	return true;
}

/* What a barrier writes when the function goes on is defined at the start of the block behind it. */
static void bar_defs(const struct gen_func *f, const struct gen_block *b, uint64_t *out)
{
	struct live l = { f, out, out, false };
	uint64_t *none = calloc(f->words, sizeof(*none));

	if (!none)
		return;
	l.kill = none;
	gen_defs(f, &b->bar, see_def, &l);
	for (size_t w = 0; w < f->words; w++)
		out[w] &= ~none[w];
	free(none);
}

static bool find_live(struct flow *x)
{
	struct gen_func *f = x->f;
	uint64_t *mem;
	bool changed = true;

	if (!alloc_sets(f))
		return false;
	for (size_t r = 0; r < f->regs.n; r++)
		f->regs.v[r].n_defs = f->regs.v[r].n_uses = 0;
	mem = calloc(2 * (size_t)x->n * f->words + 1, sizeof(*mem));
	if (!mem)
		return false;
	for (uint32_t k = 0; k < x->n_rpo; k++) {
		uint32_t b = x->rpo[k];
		struct live l = { f, mem + 2 * b * f->words, mem + (2 * b + 1) * f->words, false };

		see_block(f, &f->blocks.v[b], &l);
		if (f->blocks.v[b].term == GEN_T_BAR)
			gen_defs(f, &f->blocks.v[b].bar, count_def, f);
	}
	while (changed) {
		changed = false;
		for (uint32_t k = x->n_rpo; k-- > 0;) {
			struct gen_block *b = &f->blocks.v[x->rpo[k]];
			const uint64_t *gen = mem + 2 * x->rpo[k] * f->words, *kill = gen + f->words;

			for (uint32_t s = 0; s < b->n_succ; s++)
				for (size_t w = 0; w < f->words; w++)
					b->live_out[w] |= f->blocks.v[b->succ[s]].live_in[w];
			if (b->term == GEN_T_BAR)
				bar_defs(f, b, b->live_out);
			for (size_t w = 0; w < f->words; w++) {
				uint64_t in = gen[w] | (b->live_out[w] & ~kill[w]);

				changed |= in != b->live_in[w];
				b->live_in[w] = in;
			}
		}
	}
	free(mem);
	return true;
}

int gen_flow(struct gen *g, struct gen_func *f)
{
	struct flow x = { .f = f, .n = (uint32_t)f->blocks.n };
	int order = -1;

	x.rpo = calloc(x.n + 1, sizeof(*x.rpo));
	if (x.rpo && find_rpo(&x)) {
		find_preds(f);
		find_doms(&x);
		if (find_ipdoms(&x) && find_loops(&x) && find_live(&x))
			order = find_order(&x);
	}
	free(x.rpo);
	if (order > 0)
		return 0;
	if (order < 0)
		return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	f->why = "irreducible control flow";
	return vgpu_err_set(g->err, VGPU_E_NOT_SUPPORTED, "'%.80s': %s: interpreted", g->entry->name, f->why);
}
