/* mma_double.c: products of f64: one fma after the other in the order of k, rounded as the instruction says. */
#include <math.h>
#include <xmmintrin.h>

#include "backend/interp/alu_fp.h"
#include "backend/tensor/tensor_impl.h"

#define MAX_K 16

static unsigned mxcsr_mode(unsigned round)
{
	switch (round) {
	case IR_RND_RZ: return _MM_ROUND_TOWARD_ZERO;
	case IR_RND_RM: return _MM_ROUND_DOWN;
	case IR_RND_RP: return _MM_ROUND_UP;
	default: return _MM_ROUND_NEAREST;
	}
}

/* c[q][p]; a function of its own, so that nothing moves across the change of mode */
static __attribute__((noinline)) void multiply(const struct mma_shape *s, uint64_t p[MAX_K][16], uint64_t q[8][MAX_K], uint64_t c[8][16])
{
	for (unsigned j = 0; j < 8; j++)
		for (unsigned k = 0; k < s->k; k++)
			for (unsigned i = 0; i < s->np; i++)
				c[j][i] = f64_out_fma(fma(f64_of(p[k][i]), f64_of(q[j][k]), f64_of(c[j][i])), p[k][i], q[j][k], c[j][i]);
}

static void run_double(const struct mma_args *x)
{
	void (*volatile in_mode)(const struct mma_shape *, uint64_t (*)[16], uint64_t (*)[MAX_K], uint64_t (*)[16]) = multiply;
	const unsigned old = _mm_getcsr();
	uint64_t p[MAX_K][16], q[8][MAX_K], c[8][16];
	struct mma_shape s;

	if (!mma_shape_of(x->insn, &s))
		return;
	for (unsigned k = 0; k < s.k; k++)
		for (unsigned i = 0; i < s.np; i++)
			p[k][i] = x->a[frag_p(&s, i / 8, k / 4)][i % 8 * 4 + k % 4];
	for (unsigned j = 0; j < 8; j++)
		for (unsigned k = 0; k < s.k; k++)
			q[j][k] = x->b[k / 4][j * 4 + k % 4];
	for (unsigned j = 0; j < 8; j++)
		for (unsigned i = 0; i < s.np; i++)
			c[j][i] = x->c[2 * (i / 8) + j % 2][i % 8 * 4 + j / 2];
	_mm_setcsr((old & ~(unsigned)_MM_ROUND_MASK) | mxcsr_mode(x->insn->round));
	in_mode(&s, p, q, c);
	_mm_setcsr(old);
	for (unsigned j = 0; j < 8; j++)
		for (unsigned i = 0; i < s.np; i++)
			x->d[2 * (i / 8) + j % 2][i % 8 * 4 + j / 2] = c[j][i];
}

mma_fn ALU_NAME(mma_select_double)(const struct ir_insn *i, const struct mma_shape *s)
{
	return i->type3 == IR_T_F64 && s->nq == 8 ? run_double : NULL;
}
