/*
 * mma_volta.c: mma.m8n8k4 of f16: four products of 8x4 by 4x8, one for each
 * four lanes together with the four lanes 16 further on. Only Volta had
 * hardware for it; what sm_90 does instead is done here, too: one fma after the
 * other in f32, in the order of k, then the accumulator is added, and f16
 * results are rounded from that.
 */
#include <math.h>

#include "backend/interp/alu_half.h"
#include "backend/tensor/tensor_impl.h"

/* The lane that has row (or column) i of a quad's operand, in its layout that runs along k. */
static unsigned lane_of(unsigned quad, unsigned i)
{
	return 4 * quad + i % 4 + i / 4 * 16;
}

static float half(const uint64_t *const *regs, unsigned lane, unsigned e)
{
	return f32_of_f16(regs[e / 2][lane] >> (16 * (e % 2)));
}

/* a[i][k], or b[k][i]: row i of the operand; along: the lane has its k's, else its rows */
static float factor(const uint64_t *const *regs, unsigned quad, unsigned i, unsigned k, bool along)
{
	return along ? half(regs, lane_of(quad, i), k) : half(regs, lane_of(quad, k + i / 4 * 4), i % 4);
}

/* Where element (i, j) of a 32-bit accumulator is. */
static unsigned lane32(unsigned quad, unsigned i, unsigned j)
{
	return 4 * quad + (i & 1) + (j & 2) + i / 4 * 16;
}

static unsigned reg32(unsigned i, unsigned j)
{
	return (j & 1) + (i & 2) + (j & 4);
}

static float accumulator(const struct mma_args *x, unsigned quad, unsigned i, unsigned j)
{
	if (x->insn->stype == IR_T_F16)
		return half(x->c, lane_of(quad, i), j);
	return f32_of(x->c[reg32(i, j)][lane32(quad, i, j)]);
}

/* An f32 result starts from +0, an f16 one from the first product, whose sign it keeps when it is zero. */
static float dot(const float a[4], const float b[4], bool wide)
{
	float r = wide ? 0.0f : -0.0f;

	for (unsigned k = 0; k < 4; k++)
		r = fmaf(a[k], b[k], r);
	return r;
}

static void run_volta(const struct mma_args *x)
{
	const bool a_along = !(x->insn->layout & 1), b_along = x->insn->layout & 2;
	const bool wide = x->insn->type == IR_T_F32;
	float a[8][4], b[8][4], d[4][8][8];

	for (unsigned quad = 0; quad < 4; quad++) {
		for (unsigned n = 0; n < 8 * 4; n++) {
			a[n / 4][n % 4] = factor(x->a, quad, n / 4, n % 4, a_along);
			b[n / 4][n % 4] = factor(x->b, quad, n / 4, n % 4, b_along);
		}
		for (unsigned i = 0; i < 8; i++)
			for (unsigned j = 0; j < 8; j++)
				d[quad][i][j] = dot(a[i], b[j], wide) + accumulator(x, quad, i, j);
	}
	for (unsigned n = 0; n < 4 * 8 * 8; n++) {
		const unsigned quad = n / 64, i = n / 8 % 8, j = n % 8;
		const float v = d[quad][i][j];

		if (wide)
			x->d[reg32(i, j)][lane32(quad, i, j)] = v == v ? bits_of_f32(v) : F32_NAN;
		else if (j % 2)
			x->d[j / 2][lane_of(quad, i)] = f16_of_f32(d[quad][i][j - 1]) | f16_of_f32(v) << 16;
	}
}

mma_fn ALU_NAME(mma_select_volta)(const struct ir_insn *i, const struct mma_shape *s)
{
	return i->op == IR_OP_mma && i->type3 == IR_T_F16 && s->m == 8 ? run_volta : NULL;
}
