/*
 * mma_int.c: products of 8-, 4- and 1-bit integers. The sum of products is
 * exact; added to the accumulator it wraps, or with .satfinite clamps.
 *
 * 8- and 4-bit elements become pairs of 16-bit ones, neighbours in k, which
 * one instruction multiplies and adds, for 8 rows at a time.
 */
#include "backend/tensor/mma_vec.h"
#include "backend/tensor/tensor_impl.h"

#define MAX_PAIRS 64

struct pairs {
	vi p[MMA_MAX_P / VLANES][MAX_PAIRS];
	int32_t q[MMA_MAX_Q][MAX_PAIRS];
};

static int element(uint64_t cell, unsigned e, unsigned type)
{
	switch (type) {
	case IR_T_S8: return (int8_t)(cell >> (8 * e));
	case IR_T_U8: return (uint8_t)(cell >> (8 * e));
	case IR_T_S4: return (int)((cell >> (4 * e) & 15) ^ 8) - 8;
	default: return (int)(cell >> (4 * e) & 15);
	}
}

static int32_t pair(uint64_t cell, unsigned e, unsigned type)
{
	return (int32_t)((uint32_t)element(cell, e, type) & 0xffff) | (int32_t)((uint32_t)element(cell, e + 1, type) << 16);
}

static void gather_p(const struct mma_shape *s, const struct mma_args *x, struct pairs *m)
{
	const unsigned type = type_p(s, x->insn), half = s->per_reg / 2u;
	const uint64_t *const *regs = regs_p(s, x);

	for (unsigned i = 0; i < s->np / 8u; i++)
		for (unsigned j = 0; j < s->kt; j++) {
			const uint64_t *row = regs[frag_p(s, i, j)];

			for (unsigned t = 0; t < 4; t++)
				for (unsigned e = 0; e < half; e++) {
					int32_t *to = (int32_t *)&m->p[i][half * (4 * j + t) + e];

					for (unsigned g = 0; g < 8; g++)
						to[g] = pair(row[4 * g + t], 2 * e, type);
				}
		}
}

static void gather_sparse(const struct mma_shape *s, const struct mma_args *x, struct pairs *m)
{
	const unsigned per = s->per_reg;

	memset(m->p, 0, 2 * sizeof(m->p[0]));
	for (unsigned row = 0; row < 16; row++)
		for (unsigned c = 0; c < s->k / 2u; c++) {
			const unsigned col = mma_sparse_col(s, x, row, c), in = c % (4 * per);
			const uint64_t *reg = x->a[frag_p(s, row / 8, c / (4 * per))];
			const int v = element(reg[row % 8 * 4 + in / per], in % per, x->insn->type3);
			int32_t *to = (int32_t *)&m->p[row / 8][col / 2] + row % 8;

			/* the other half belongs to a column of its own */
			if (col % 2)
				*to = (int32_t)(((uint32_t)*to & 0xffff) | (uint32_t)v << 16);
			else
				*to = (int32_t)(((uint32_t)*to & 0xffff0000u) | ((uint32_t)v & 0xffff));
		}
}

static void gather_q(const struct mma_shape *s, const struct mma_args *x, struct pairs *m)
{
	const unsigned type = type_q(s, x->insn), half = s->per_reg / 2u;
	const uint64_t *const *regs = regs_q(s, x);

	for (unsigned i = 0; i < s->nq / 8u; i++)
		for (unsigned j = 0; j < s->kt; j++) {
			const uint64_t *row = regs[frag_q(s, i, j)];

			for (unsigned l = 0; l < LANES; l++)
				for (unsigned e = 0; e < half; e++)
					m->q[8 * i + l / 4][half * (4 * j + l % 4) + e] = pair(row[l], 2 * e, type);
		}
}

static uint32_t add(uint32_t c, int32_t sum, bool clamp)
{
	int32_t r;

	if (!__builtin_add_overflow((int32_t)c, sum, &r) || !clamp)
		return (uint32_t)r;
	return sum < 0 ? 0x80000000u : 0x7fffffffu;
}

static void run_int(const struct mma_args *x)
{
	const bool clamp = x->insn->flags & IR_F_SATFINITE;
	uint32_t c[MMA_MAX_Q][MMA_MAX_P];
	struct mma_shape s;
	struct pairs m;

	if (!mma_shape_of(x->insn, &s))
		return;
	if (s.sparse)
		gather_sparse(&s, x, &m);
	else
		gather_p(&s, x, &m);
	gather_q(&s, x, &m);
	gather_c32(&s, x, c);
	for (unsigned q = 0; q < s.nq; q++)
		for (unsigned p = 0; p < s.np; p += VLANES) {
			vi sum = { 0 };

			for (unsigned k = 0; k < s.k / 2u; k++)
				vi_add_products(&sum, &m.p[p / VLANES][k], m.q[q][k]);
			for (unsigned r = p; r < p + VLANES; r++)
				c[q][r] = add(c[q][r], sum[r - p], clamp);
		}
	scatter_d32(&s, x, c);
}

/* ---- bits ---- */

static void run_bits(const struct mma_args *x)
{
	const bool and = x->insn->boolop == IR_BOOL_AND;
	uint32_t c[MMA_MAX_Q][MMA_MAX_P];
	struct mma_shape s;

	if (!mma_shape_of(x->insn, &s))
		return;
	gather_c32(&s, x, c);
	for (unsigned q = 0; q < s.nq; q++)
		for (unsigned p = 0; p < s.np; p++)
			for (unsigned j = 0; j < s.kt; j++) {
				const uint64_t *a = &x->a[frag_p(&s, p / 8, j)][p % 8 * 4], *b = &x->b[frag_q(&s, q / 8, j)][q % 8 * 4];

				for (unsigned t = 0; t < 4; t++)
					c[q][p] += (uint32_t)__builtin_popcount((uint32_t)(and ? a[t] & b[t] : a[t] ^ b[t]));
			}
	scatter_d32(&s, x, c);
}

mma_fn ALU_NAME(mma_select_int)(const struct ir_insn *i, const struct mma_shape *s)
{
	switch (i->type3) {
	case IR_T_S8: case IR_T_U8: case IR_T_S4: case IR_T_U4: return run_int;
	case IR_T_B1: return s->swap ? NULL : run_bits;
	default: return NULL;
	}
}
