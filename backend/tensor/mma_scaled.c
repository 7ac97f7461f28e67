/*
 * mma_scaled.c: mma with block scales (kind::mxf8f6f4, mxf4, mxf4nvf4): each
 * element of A and B is multiplied by the scale of its block along k. All
 * products of a cell and its accumulator are one group of mma_sum.h's sum.
 */
#include "backend/tensor/mma_exact.h"
#include "backend/tensor/tensor_impl.h"

#define MAX_K 64

/* How many scales a row of A or column of B has. */
static unsigned scales_of(const struct ir_insn *i)
{
	const unsigned n = (i->extra & IR_MMA_SCALE) / IR_MMA_SCALE_1X;

	return n ? n : (i->extra & IR_MMA_KIND) == IR_MMA_MXF8F6F4 ? 1 : 2;
}

/* v times the scale with that encoding */
static struct mma_val scaled(struct mma_val v, unsigned scale, bool ue4m3)
{
	const unsigned e = scale >> 3 & 15, m = scale & 7;

	if (!ue4m3) {
		v.nan |= scale == 255;
		v.exp = (int16_t)(v.exp + (int)scale - 127);
		return v;
	}
	v.nan |= e == 15 && m == 7;
	v.sig *= e ? 8 + m : m;
	v.frac = (int16_t)(v.frac + 3);
	v.exp = (int16_t)(v.exp + (int)(e ? e : 1) - 7);
	return v;
}

static struct mma_val element(const struct mma_shape *s, uint64_t cell, unsigned e, const uint16_t *table)
{
	const unsigned v = s->bits == 8 ? (unsigned)(cell >> (8 * e)) & 0xff : ((unsigned)(cell >> (4 * e)) & 15) << 2;

	return mma_val_of(table[v], IR_T_F16);
}

struct operand {
	struct mma_val v[16][MAX_K];
	uint8_t col[16][MAX_K];        /* of A's stored elements */
};

static void gather_a(const struct mma_shape *s, const struct mma_args *x, struct operand *a)
{
	const unsigned per = s->per_reg, stored = s->sparse ? s->k / 2u : s->k, block = s->k / scales_of(x->insn);
	const uint16_t *table = mma_half_table(x->insn->type3);

	for (unsigned i = 0; i < 16; i++)
		for (unsigned c = 0; c < stored; c++) {
			const unsigned in = c % (4 * per), col = s->sparse ? mma_sparse_col(s, x, i, c) : c;
			const unsigned lane = (i % 8 * 4 + 2 * (unsigned)(x->scale[2][0] & 1) + i / 8) % LANES;
			const unsigned byte = ((unsigned)x->scale[1][0] + col / block) & 3;
			const uint64_t cell = x->a[frag_p(s, i / 8, c / (4 * per))][i % 8 * 4 + in / per];

			a->v[i][c] = scaled(element(s, cell, in % per, table), (unsigned)(x->scale[0][lane] >> (8 * byte)) & 255,
					    x->insn->extra & IR_MMA_UE4M3);
			a->col[i][c] = (uint8_t)col;
		}
}

static void gather_b(const struct mma_shape *s, const struct mma_args *x, struct mma_val b[8][2 * MAX_K])
{
	const unsigned per = s->per_reg, block = s->k / scales_of(x->insn);
	const uint16_t *table = mma_half_table(x->insn->type4);

	for (unsigned j = 0; j < 8; j++)
		for (unsigned k = 0; k < s->k; k++) {
			const unsigned in = k % (4 * per), lane = 4 * j + (unsigned)(x->scale[5][0] & 3);
			const unsigned byte = ((unsigned)x->scale[4][0] + k / block) & 3;
			const uint64_t cell = x->b[k / (4 * per)][4 * j + in / per];

			b[j][k] = scaled(element(s, cell, in % per, table), (unsigned)(x->scale[3][lane] >> (8 * byte)) & 255,
					 x->insn->extra & IR_MMA_UE4M3);
		}
}

static void run_scaled(const struct mma_args *x)
{
	uint32_t c[MMA_MAX_Q][MMA_MAX_P];
	struct mma_val b[8][2 * MAX_K];
	struct mma_shape s;
	struct operand a;

	if (!mma_shape_of(x->insn, &s))
		return;
	gather_a(&s, x, &a);
	gather_b(&s, x, b);
	gather_c32(&s, x, c);
	for (unsigned j = 0; j < 8; j++)
		for (unsigned i = 0; i < 16; i++) {
			const unsigned n = s.sparse ? s.k / 2u : s.k;
			struct mma_val vb[MAX_K];

			for (unsigned k = 0; k < n; k++)
				vb[k] = b[j][a.col[i][k]];
			c[j][i] = (uint32_t)mma_exact(a.v[i], vb, n, mma_val_of(c[j][i], IR_T_F32), IR_T_F32);
		}
	scatter_d32(&s, x, c);
}

mma_fn ALU_NAME(mma_select_scaled)(const struct ir_insn *i, const struct mma_shape *s)
{
	return s->np == 16 && (i->extra & IR_MMA_KIND) > IR_MMA_F8F6F4 ? run_scaled : NULL;
}
