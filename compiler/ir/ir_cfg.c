/*
 * ir_cfg.c: edges between blocks, unreachable blocks, immediate
 * post-dominators (Cooper, Harvey and Kennedy's iteration on the reversed
 * graph, with one virtual exit behind all ends).
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir_arena.h"
#include "compiler/ir/ir_cfg.h"

bool ir_ends_block(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_bra: case IR_OP_brx: case IR_OP_ret: case IR_OP_exit: case IR_OP_trap:
		return true;
	default:
		return false;
	}
}

static void add_succ(struct ir_block *b, uint32_t to)
{
	for (uint32_t i = 0; i < b->n_succ; i++)
		if (b->succ[i] == to)
			return;
	b->succ[b->n_succ++] = to;
}

static const struct ir_insn *last_insn(const struct ir_block *b)
{
	return b->n_insns ? &b->insns[b->n_insns - 1] : NULL;
}

static bool find_succ(struct ir_arena *a, struct ir_func *f, uint32_t n)
{
	struct ir_block *b = &f->blocks[n];
	const struct ir_insn *i = last_insn(b);
	bool ends = i && ir_ends_block(i);
	uint32_t max = 2;

	if (ends && i->op == IR_OP_brx)
		max += f->table_len[i->extra];
	b->n_succ = b->n_pred = 0;
	b->succ = ir_arena_array(a, max, sizeof(*b->succ));
	if (!b->succ)
		return false;
	if ((!ends || i->guard) && n + 1 < f->n_blocks)
		add_succ(b, n + 1);
	if (ends && i->op == IR_OP_bra)
		add_succ(b, i->src[0].block);
	if (ends && i->op == IR_OP_brx)
		for (uint32_t k = 0; k < f->table_len[i->extra]; k++)
			add_succ(b, f->tables[i->extra][k]);
	return true;
}

static bool find_preds(struct ir_arena *a, struct ir_func *f)
{
	for (uint32_t n = 0; n < f->n_blocks; n++)
		for (uint32_t k = 0; k < f->blocks[n].n_succ; k++)
			f->blocks[f->blocks[n].succ[k]].n_pred++;
	for (uint32_t n = 0; n < f->n_blocks; n++) {
		f->blocks[n].pred = ir_arena_array(a, f->blocks[n].n_pred, sizeof(uint32_t));
		if (!f->blocks[n].pred)
			return false;
		f->blocks[n].n_pred = 0;
	}
	for (uint32_t n = 0; n < f->n_blocks; n++)
		for (uint32_t k = 0; k < f->blocks[n].n_succ; k++) {
			struct ir_block *s = &f->blocks[f->blocks[n].succ[k]];

			s->pred[s->n_pred++] = n;
		}
	return true;
}

static void find_unreachable(struct ir_func *f, uint32_t *stack)
{
	uint32_t sp = 0;

	for (uint32_t n = 0; n < f->n_blocks; n++)
		f->blocks[n].unreachable = true;
	if (!f->n_blocks)
		return;
	f->blocks[0].unreachable = false;
	stack[sp++] = 0;
	while (sp) {
		struct ir_block *b = &f->blocks[stack[--sp]];

		for (uint32_t k = 0; k < b->n_succ; k++)
			if (f->blocks[b->succ[k]].unreachable) {
				f->blocks[b->succ[k]].unreachable = false;
				stack[sp++] = b->succ[k];
			}
	}
}

/* Post-order of the reversed graph from the virtual exit (number n); returns how many blocks reach an end. */
static uint32_t reverse_post_order(struct ir_func *f, uint32_t *order, uint32_t *number, uint32_t *stack, uint32_t *at)
{
	uint32_t n = f->n_blocks, done = 0, sp = 0;

	for (uint32_t i = 0; i <= n; i++)
		number[i] = UINT32_MAX;
	for (uint32_t root = 0; root < n; root++) {
		if (f->blocks[root].n_succ || number[root] != UINT32_MAX)
			continue;
		stack[sp] = root;
		at[sp++] = 0;
		number[root] = 0;
		while (sp) {
			struct ir_block *b = &f->blocks[stack[sp - 1]];

			if (at[sp - 1] < b->n_pred) {
				uint32_t p = b->pred[at[sp - 1]++];

				if (number[p] == UINT32_MAX) {
					number[p] = 0;
					stack[sp] = p;
					at[sp++] = 0;
				}
			} else {
				order[done] = stack[--sp];
				number[order[done]] = done;
				done++;
			}
		}
	}
	number[n] = done;
	return done;
}

static uint32_t common(const uint32_t *ipdom, const uint32_t *number, uint32_t a, uint32_t b)
{
	while (a != b) {
		while (number[a] < number[b])
			a = ipdom[a];
		while (number[b] < number[a])
			b = ipdom[b];
	}
	return a;
}

static void find_ipdom(struct ir_func *f, uint32_t *mem)
{
	uint32_t n = f->n_blocks, *order = mem, *number = mem + n + 1, *ipdom = mem + 2 * (n + 1), count;
	bool changed = true;

	count = reverse_post_order(f, order, number, mem + 3 * (n + 1), mem + 4 * (n + 1));
	for (uint32_t i = 0; i <= n; i++)
		ipdom[i] = UINT32_MAX;
	ipdom[n] = n;
	while (changed) {
		changed = false;
		for (uint32_t i = count; i-- > 0;) {
			struct ir_block *b = &f->blocks[order[i]];
			uint32_t best = b->n_succ ? UINT32_MAX : n;

			for (uint32_t k = 0; k < b->n_succ; k++) {
				uint32_t s = b->succ[k];

				if (number[s] == UINT32_MAX || ipdom[s] == UINT32_MAX)
					continue;
				best = best == UINT32_MAX ? s : common(ipdom, number, best, s);
			}
			if (best != UINT32_MAX && ipdom[order[i]] != best) {
				ipdom[order[i]] = best;
				changed = true;
			}
		}
	}
	for (uint32_t i = 0; i < n; i++)
		f->blocks[i].ipdom = ipdom[i] == n ? UINT32_MAX : ipdom[i];
}

int ir_cfg(struct ir_module *m, struct ir_func *f, struct vgpu_err *err)
{
	uint32_t *mem = calloc(5 * ((size_t)f->n_blocks + 1), sizeof(*mem));
	bool ok = mem != NULL;

	for (uint32_t n = 0; ok && n < f->n_blocks; n++)
		ok = find_succ(m->arena, f, n);
	ok = ok && find_preds(m->arena, f);
	if (ok) {
		find_unreachable(f, mem);
		find_ipdom(f, mem);
	}
	free(mem);
	return ok ? 0 : vgpu_err_set(err, VGPU_E_NOMEM, "control flow of '%s'", f->name);
}
