/*
 * rows.c: which row each register of a function has. PTX names a new register
 * for nearly every value; registers that never hold a value at the same time
 * share a row, so that what a warp works on stays in the cache.
 *
 * A register's range is the stretch of the text from its first to its last
 * instruction, with every block whole at whose start or end it is live. Two
 * registers share a row only if their ranges don't touch: not even one's last
 * read and the other's first write may be in one instruction, so handlers need
 * not read all before they write. It doesn't matter that lanes stand at
 * different places: a lane's cell of a row is its own.
 *
 * A guarded write doesn't end a live range, because the old value may stay. A
 * register that may be read before it is written is live at the start, has a
 * row that nobody used before, and reads as zero.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"

/* Memory for live sets; a function that needs more keeps a row for each register. */
#define SETS_MAX_B ((uint64_t)64 << 20)

struct range {
	uint32_t first, last;    /* positions; first > last: never used */
};

struct rows {
	const struct ir_func *ir;
	size_t words;            /* of a set of registers */
	uint64_t *gen, *kill, *in;   /* by block: read before written; written; live at its start */
	uint64_t *out;           /* of one block */
	struct range *range;
	uint32_t pos;
	uint32_t block;
	bool ranges;             /* walk for ranges, else for gen and kill */
};

static bool has(const uint64_t *set, uint32_t r)
{
	return set[r / 64] >> (r % 64) & 1;
}

static void add(uint64_t *set, uint32_t r)
{
	set[r / 64] |= (uint64_t)1 << (r % 64);
}

static void extend(struct rows *x, uint32_t r, uint32_t pos)
{
	x->range[r].first = MIN(x->range[r].first, pos);
	x->range[r].last = MAX(x->range[r].last, pos);
}

static void use(struct rows *x, uint32_t r)
{
	if (x->ranges)
		extend(x, r, x->pos);
	else if (!has(x->kill + x->block * x->words, r))
		add(x->gen + x->block * x->words, r);
}

static void define(struct rows *x, uint32_t r, bool whole)
{
	if (x->ranges)
		extend(x, r, x->pos);
	else if (whole)
		add(x->kill + x->block * x->words, r);
}

static void see_src(struct rows *x, const struct ir_opnd *o)
{
	if (o->kind == IR_OPND_REG || (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG))
		use(x, o->reg);
	if (o->kind == IR_OPND_VEC || o->kind == IR_OPND_MEM)
		for (unsigned k = 0; k < o->n_vec; k++)
			see_src(x, &o->vec[k]);
}

static void see_dst(struct rows *x, const struct ir_opnd *o, bool guarded)
{
	if (o->kind == IR_OPND_REG)
		define(x, o->reg, !guarded && !o->sub);
	else if (o->kind == IR_OPND_VEC)
		for (unsigned k = 0; k < o->n_vec; k++)
			see_dst(x, &o->vec[k], guarded);
	else
		see_src(x, o);
}

static void see_insn(struct rows *x, const struct ir_insn *i)
{
	if (i->guard)
		use(x, i->guard - 1);
	for (unsigned n = 0; n < i->n_src; n++)
		see_src(x, &i->src[n]);
	for (unsigned n = 0; n < i->n_dst; n++)
		if (i->dst[n].sub)
			see_src(x, &i->dst[n]);
	if (i->call) {
		see_src(x, &i->call->target);
		for (uint32_t n = 0; n < i->call->n_args; n++)
			see_src(x, &i->call->args[n]);
		for (uint32_t n = 0; n < i->call->n_rets; n++)
			see_dst(x, &i->call->rets[n], i->guard != 0);
	}
	for (unsigned n = 0; n < i->n_dst; n++)
		see_dst(x, &i->dst[n], i->guard != 0);
}

static void see_block(struct rows *x, uint32_t b)
{
	x->block = b;
	for (uint32_t n = 0; n < x->ir->blocks[b].n_insns; n++, x->pos++)
		see_insn(x, &x->ir->blocks[b].insns[n]);
}

static void find_out(struct rows *x, uint32_t b)
{
	const struct ir_block *blk = &x->ir->blocks[b];

	memset(x->out, 0, x->words * sizeof(*x->out));
	for (uint32_t s = 0; s < blk->n_succ; s++)
		for (size_t k = 0; k < x->words; k++)
			x->out[k] |= x->in[blk->succ[s] * x->words + k];
}

static void find_live(struct rows *x)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (uint32_t b = x->ir->n_blocks; b-- > 0;) {
			size_t at = b * x->words;

			find_out(x, b);
			for (size_t k = 0; k < x->words; k++) {
				uint64_t in = x->gen[at + k] | (x->out[k] & ~x->kill[at + k]);

				changed |= in != x->in[at + k];
				x->in[at + k] = in;
			}
		}
	}
}

static void extend_set(struct rows *x, const uint64_t *set, uint32_t pos)
{
	for (size_t k = 0; k < x->words; k++)
		for (uint64_t s = set[k]; s; s &= s - 1)
			extend(x, (uint32_t)(k * 64 + (size_t)__builtin_ctzll(s)), pos);
}

static void find_ranges(struct rows *x)
{
	x->ranges = true;
	x->pos = 1;
	for (uint32_t b = 0; b < x->ir->n_blocks; b++) {
		extend_set(x, x->in + b * x->words, x->pos);
		see_block(x, b);
		find_out(x, b);
		/* An empty block has a position of its own too. */
		extend_set(x, x->out, x->pos++);
	}
}

/* Registers with a row of their own: 128-bit ones, and those that calls reach from outside. */
static void pin(struct rows *x)
{
	const struct ir_proto *p = &x->ir->proto;
	struct range all = { 0, UINT32_MAX };

	for (uint32_t r = 0; r < x->ir->n_regs; r++)
		if (x->ir->regs[r].type == IR_T_B128)
			x->range[r] = all;
	for (uint32_t n = 0; n < p->n_params; n++)
		if (p->params[n].space == IR_SPACE_REG)
			x->range[p->params[n].reg] = all;
	for (uint32_t n = 0; n < p->n_rets; n++)
		if (p->rets[n].space == IR_SPACE_REG)
			x->range[p->rets[n].reg] = all;
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_used(const struct rows *x, uint32_t r)
{
	return x->range[r].first <= x->range[r].last;
}

/* Keys sort by position, with the register below. mem: 3 * n_regs. Answers how many rows there are. */
static uint32_t share(struct rows *x, uint32_t *row, uint64_t *mem)
{
	uint32_t n_regs = x->ir->n_regs, n = 0, ended = 0, n_free = 0, n_rows = 0;
	uint64_t *starts = mem, *ends = mem + n_regs, *unused = mem + 2 * (size_t)n_regs;

	for (uint32_t r = 0; r < n_regs; r++) {
		row[r] = 0;
		if (!is_used(x, r))
			continue;
		starts[n] = (uint64_t)x->range[r].first << 32 | r;
		ends[n++] = (uint64_t)x->range[r].last << 32 | r;
	}
	qsort(starts, n, sizeof(*starts), by_key);
	qsort(ends, n, sizeof(*ends), by_key);
	for (uint32_t k = 0; k < n; k++) {
		uint32_t r = (uint32_t)starts[k];

		for (; ends[ended] >> 32 < starts[k] >> 32; ended++)
			unused[n_free++] = row[(uint32_t)ends[ended]];
		if (x->ir->regs[r].type == IR_T_B128) {
			row[r] = n_rows;
			n_rows += 2;
		} else {
			row[r] = n_free ? (uint32_t)unused[--n_free] : n_rows++;
		}
	}
	return n_rows;
}

static void find_all(struct rows *x, struct in_func *f, uint64_t *sets)
{
	size_t all = x->words * x->ir->n_blocks;

	x->gen = sets;
	x->kill = sets + all;
	x->in = sets + 2 * all;
	x->out = sets + 3 * all;
	for (uint32_t b = 0; b < x->ir->n_blocks; b++)
		see_block(x, b);
	find_live(x);
	find_ranges(x);
	for (size_t k = 0; x->ir->n_blocks && k < x->words; k++)
		f->reads_unset |= x->in[k] != 0;
}

int in_rows(struct in_func *f, uint32_t *n_out)
{
	const struct ir_func *ir = f->ir;
	struct rows x = { .ir = ir, .words = (ir->n_regs + 63) / 64 };
	uint64_t n_sets = x.words * (3 * (uint64_t)ir->n_blocks + 1);
	bool big = n_sets * sizeof(uint64_t) > SETS_MAX_B;
	uint64_t *mem = malloc((3 * (size_t)ir->n_regs + 1) * sizeof(*mem));
	uint64_t *sets = calloc(big ? 1 : n_sets + 1, sizeof(*sets));
	int rc = -VGPU_E_NOMEM;

	x.range = malloc((ir->n_regs + 1) * sizeof(*x.range));
	if (mem && sets && x.range) {
		for (uint32_t r = 0; r < ir->n_regs; r++)
			x.range[r] = big ? (struct range){ 0, UINT32_MAX } : (struct range){ UINT32_MAX, 0 };
		f->reads_unset = big;
		if (!big)
			find_all(&x, f, sets);
		pin(&x);
		*n_out = share(&x, f->reg_row, mem);
		rc = 0;
	}
	free(mem);
	free(sets);
	free(x.range);
	return rc;
}
