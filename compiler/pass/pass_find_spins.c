/*
 * pass_find_spins.c: finds functions that may wait in a loop for something
 * that another thread does: a cycle of blocks that holds an atomic exchange,
 * an ordered load, nanosleep or a wait on an mbarrier.
 * In: succ. Out: ir_func.spins, of callees too.
 */
#include <stdlib.h>

#include "compiler/pass/pass.h"

static bool may_wait(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_nanosleep:
		return true;
	case IR_OP_atom:
		return true;
	case IR_OP_ld:
		return i->order != IR_ORD_WEAK && i->space != IR_SPACE_LOCAL;
	case IR_OP_mbarrier:
		return i->mode == IR_MODE_TRY_WAIT || i->mode == IR_MODE_TEST_WAIT;
	default:
		return false;
	}
}

static bool block_may_wait(const struct ir_module *m, const struct ir_block *b)
{
	for (uint32_t k = 0; k < b->n_insns; k++) {
		const struct ir_insn *i = &b->insns[k];

		if (may_wait(i))
			return true;
		if (i->op == IR_OP_call && i->call->target.kind == IR_OPND_FUNC &&
		    m->funcs[m->syms[i->call->target.sym].index].spins)
			return true;
	}
	return false;
}

struct scc {
	uint32_t *index, *low, *stack, *work, *at;
	bool *on;
	uint32_t next, sp;
};

/* The component whose root is n has just been completed: is it a cycle that waits? */
static bool pop_component(const struct ir_module *m, const struct ir_func *f, struct scc *s, uint32_t n)
{
	bool waits = false, cycle = s->stack[s->sp - 1] != n;
	uint32_t b;

	for (uint32_t k = 0; k < f->blocks[n].n_succ; k++)
		cycle |= f->blocks[n].succ[k] == n;
	do {
		b = s->stack[--s->sp];
		s->on[b] = false;
		waits |= cycle && block_may_wait(m, &f->blocks[b]);
	} while (b != n);
	return waits;
}

/* Tarjan's components, without recursion. */
static bool visit(const struct ir_module *m, const struct ir_func *f, struct scc *s, uint32_t root)
{
	uint32_t wp = 0;
	bool found = false;

	s->work[0] = root;
	s->at[0] = 0;
	wp = 1;
	while (wp) {
		uint32_t n = s->work[wp - 1];
		const struct ir_block *b = &f->blocks[n];

		if (s->at[wp - 1] == 0) {
			s->index[n] = s->low[n] = ++s->next;
			s->stack[s->sp++] = n;
			s->on[n] = true;
		}
		if (s->at[wp - 1] < b->n_succ) {
			uint32_t t = b->succ[s->at[wp - 1]++];

			if (!s->index[t]) {
				s->work[wp] = t;
				s->at[wp++] = 0;
			} else if (s->on[t] && s->index[t] < s->low[n]) {
				s->low[n] = s->index[t];
			}
			continue;
		}
		if (s->low[n] == s->index[n])
			found |= pop_component(m, f, s, n);
		wp--;
		if (wp && s->low[n] < s->low[s->work[wp - 1]])
			s->low[s->work[wp - 1]] = s->low[n];
	}
	return found;
}

static int find(struct ir_module *m, struct ir_func *f, struct vgpu_err *err)
{
	size_t n = f->n_blocks;
	uint32_t *mem = calloc(n * 5 + 1, sizeof(*mem));
	bool *on = calloc(n + 1, sizeof(*on));
	struct scc s = { mem, mem + n, mem + 2 * n, mem + 3 * n, mem + 4 * n, on, 0, 0 };

	if (!mem || !on) {
		free(mem);
		free(on);
		return vgpu_err_set(err, VGPU_E_NOMEM, "loops of '%s'", f->name);
	}
	for (uint32_t b = 0; b < n && !f->spins; b++)
		if (!s.index[b])
			f->spins |= visit(m, f, &s, b);
	free(mem);
	free(on);
	return 0;
}

/* A caller of a function that spins spins. */
static bool inherit(struct ir_module *m, struct ir_func *f)
{
	for (uint32_t n = 0; n < f->n_blocks; n++)
		for (uint32_t k = 0; k < f->blocks[n].n_insns; k++) {
			const struct ir_insn *i = &f->blocks[n].insns[k];

			if (i->op == IR_OP_call && i->call->target.kind == IR_OPND_FUNC &&
			    m->funcs[m->syms[i->call->target.sym].index].spins) {
				f->spins = true;
				return true;
			}
		}
	return false;
}

int pass_find_spins(struct ir_module *m, struct vgpu_err *err)
{
	bool news = true;
	int r = 0;

	for (uint32_t i = 0; !r && i < m->n_funcs; i++)
		if (m->funcs[i].defined && !m->funcs[i].passed)
			r = find(m, &m->funcs[i], err);
	while (!r && news) {
		news = false;
		for (uint32_t i = 0; i < m->n_funcs; i++)
			if (!m->funcs[i].spins && m->funcs[i].has_call)
				news |= inherit(m, &m->funcs[i]);
	}
	return r;
}
