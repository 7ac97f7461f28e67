/*
 * mma_float.c: products of f16, bf16, tf32 and of the 8-, 6- and 4-bit floats,
 * added as mma_sum.h says.
 *
 * Small floats become f16, which holds all of them. Each element is kept as
 * an f32 and its exponent. For 16 rows at a time the greatest exponent of a
 * group is found, then every product is scaled to it, cut off by the
 * conversion to integer, and added as integer: what can be done in f32 exactly
 * as long as no factor is infinite, NaN, or (bf16, tf32) of an extreme
 * exponent. Where one is, mma_exact.c does the whole product.
 */
#include "backend/tensor/mma_exact.h"
#include "backend/tensor/mma_sum.h"
#include "backend/tensor/mma_vec.h"
#include "backend/tensor/tensor_impl.h"

#define MAX_K 64
#define MAX_P MMA_MAX_P
#define MAX_Q MMA_MAX_Q
#define ZERO_EXP (-1000)

/* The factors' encodings, and which ones mma.sp has left out. */
struct bits {
	uint32_t p[MAX_K][MAX_P], q[MAX_Q][MAX_K];
	uint8_t there[MAX_K][MAX_P];
	unsigned type;                 /* F16, BF16, TF32 */
};

struct factors {
	vf p[MAX_P / VLANES][MAX_K];
	vh p_exp[MAX_P / VLANES][MAX_K];
	float q[MAX_Q][MAX_K];
	int16_t q_exp[MAX_Q][MAX_K];
};

/* How a product's k are grouped; late: the accumulator is added after all groups, in its own type. */
struct plan {
	unsigned groups, size;
	bool late;
};

/*
 * Products of small floats go to the f16 pipeline in two halves: of four (with
 * mma.sp eight) neighbours the first half, then the second.
 */
static struct plan plan_of(const struct mma_shape *s)
{
	if (s->bits == 32 && s->nq == 16)
		return (struct plan){ 2, 4, false };
	return s->bits == 8 ? (struct plan){ 2, s->k / 2u, true } : (struct plan){ 1, s->k, false };
}

/* Where column k of P and Q goes, so that groups are contiguous. */
static unsigned place(const struct mma_shape *s, unsigned k)
{
	unsigned half = s->sparse ? 4 : 2;

	if (s->bits != 8)
		return k;
	return k / half % 2 * (s->k / 2u) + k / (2 * half) * half + k % half;
}

/* ---- gathering ---- */

/* One element of a register's cell, as the encoding of b->type. */
static uint32_t element(const struct mma_shape *s, uint64_t cell, unsigned e, const uint16_t *table)
{
	if (s->bits == 32)
		return (uint32_t)cell & 0xffffe000u;
	if (s->bits == 16)
		return (uint32_t)cell >> (16 * e) & 0xffff;
	return table[cell >> (8 * e) & 0xff];
}

static void gather_p(const struct mma_shape *s, const struct mma_args *x, struct bits *b)
{
	const unsigned per = s->per_reg;
	const uint16_t *table = s->bits == 8 ? mma_half_table(type_p(s, x->insn)) : NULL;
	const uint64_t *const *regs = regs_p(s, x);

	for (unsigned i = 0; i < s->np / 8u; i++)
		for (unsigned j = 0; j < s->kt_p; j++) {
			const uint64_t *row = regs[frag_p(s, i, j)];

			for (unsigned t = 0; t < 4; t++)
				for (unsigned e = 0; e < per; e++) {
					uint32_t *to = &b->p[place(s, 4 * per * j + per * t + e)][8 * i];

					for (unsigned g = 0; g < 8; g++)
						to[g] = element(s, row[4 * g + t], e, table);
				}
		}
}

static void gather_sparse(const struct mma_shape *s, const struct mma_args *x, struct bits *b)
{
	const unsigned per = s->per_reg;
	const uint16_t *table = s->bits == 8 ? mma_half_table(type_p(s, x->insn)) : NULL;

	memset(b->p, 0, sizeof(b->p));
	memset(b->there, 0, sizeof(b->there));
	for (unsigned row = 0; row < 16; row++)
		for (unsigned c = 0; c < s->k / 2u; c++) {
			unsigned at = place(s, mma_sparse_col(s, x, row, c)), in = c % (4 * per);
			const uint64_t *reg = x->a[frag_p(s, row / 8, c / (4 * per))];

			b->p[at][row] = element(s, reg[row % 8 * 4 + in / per], in % per, table);
			b->there[at][row] = true;
		}
}

static void gather_q(const struct mma_shape *s, const struct mma_args *x, struct bits *b)
{
	const unsigned per = s->per_reg;
	const uint16_t *table = s->bits == 8 ? mma_half_table(type_q(s, x->insn)) : NULL;
	const uint64_t *const *regs = regs_q(s, x);

	for (unsigned i = 0; i < s->nq / 8u; i++)
		for (unsigned j = 0; j < s->kt; j++) {
			const uint64_t *row = regs[frag_q(s, i, j)];

			for (unsigned l = 0; l < LANES; l++)
				for (unsigned e = 0; e < per; e++)
					b->q[8 * i + l / 4][place(s, 4 * per * j + l % 4 * per + e)] = element(s, row[l], e, table);
		}
}

/* Accumulators as f32: c[q][p]. */
static void gather_c(const struct mma_shape *s, const struct mma_args *x, float c[MAX_Q][MAX_P])
{
	if (x->insn->stype != IR_T_F16) {
		uint32_t u[MAX_Q][MAX_P];

		gather_c32(s, x, u);
		memcpy(c, u, s->nq * sizeof(u[0]));
		return;
	}
	for (unsigned q = 0; q < s->nq; q++)
		for (unsigned i = 0; i < s->np / 8u; i++) {
			const uint64_t *row = x->c[frag_c(s, i, q / 8)] + q % 8 / 2;

			for (unsigned g = 0; g < 8; g++)
				c[q][8 * i + g] = f32_of_f16(row[4 * g] >> (16 * (q % 2)));
		}
}

static void scatter_halves(const struct mma_shape *s, const struct mma_args *x, const uint32_t d[MAX_Q][MAX_P])
{
	for (unsigned q = 0; q < s->nq; q += 2)
		for (unsigned i = 0; i < s->np / 8u; i++) {
			uint64_t *row = x->d[frag_c(s, i, q / 8)] + q % 8 / 2;

			for (unsigned g = 0; g < 8; g++)
				row[4 * g] = d[q][8 * i + g] | d[q + 1][8 * i + g] << 16;
		}
}

/* ---- f32 and exponents ---- */

/* n elements; true: none is infinite, NaN or, but for f16, outside 2^-50 … 2^60. */
static bool spread_f16(const uint32_t *h, unsigned n, float *f, int16_t *exp)
{
	uint32_t bad = 0;

	for (unsigned k = 0; k < n; k++) {
		const uint32_t e = h[k] >> 10 & 31, low = e - 15;

		bad |= e == 31;
		exp[k] = (int16_t)(half_pick((h[k] & 0x7fff) == 0, (uint32_t)ZERO_EXP, low + (e == 0)));
		f[k] = f32_of_f16(h[k]);
	}
	return !bad;
}

static bool spread_f32(const uint32_t *u, unsigned n, unsigned shift, float *f, int16_t *exp)
{
	uint32_t bad = 0;

	for (unsigned k = 0; k < n; k++) {
		const uint32_t v = u[k] << shift, e = v >> 23 & 255, zero = (v & 0x7fffffff) == 0;

		bad |= (e - 77 > 110) & !zero;
		exp[k] = (int16_t)half_pick(zero, (uint32_t)ZERO_EXP, e - 127);
		f[k] = f32_of(v);
	}
	return !bad;
}

static bool spread(const uint32_t *u, unsigned n, unsigned type, float *f, int16_t *exp)
{
	return type == IR_T_F16 ? spread_f16(u, n, f, exp) : spread_f32(u, n, type == IR_T_BF16 ? 16 : 0, f, exp);
}

static bool make_factors(const struct mma_shape *s, const struct bits *b, struct factors *f)
{
	bool tame = true;

	for (unsigned k = 0; k < s->k; k++)
		for (unsigned i = 0; i < s->np; i += VLANES)
			tame &= spread(&b->p[k][i], VLANES, b->type, (float *)&f->p[i / VLANES][k], (int16_t *)&f->p_exp[i / VLANES][k]);
	for (unsigned q = 0; q < s->nq; q++)
		tame &= spread(b->q[q], s->k, b->type, f->q[q], f->q_exp[q]);
	return tame;
}

/* ---- the sum ---- */

/*
 * x[r] = the sum over k of the group and c[r], before rounding. Products of at
 * most 16 factors not zero, below 2^27 each, fit the integers.
 */
static void sum_group(const struct factors *f, unsigned rows, unsigned q, unsigned k0, unsigned n, const float *c, int c_emin, double *x)
{
	vh top = (vh){ 0 } + ZERO_EXP;
	vi ec, e, sum = { 0 }, less, cut_c, scale_bits;
	vf scale, vc;

	for (unsigned k = k0; k < k0 + n; k++)
		vh_max_sum(&top, &f->p_exp[rows][k], f->q_exp[q][k]);
	memcpy(&vc, c, sizeof(vc));
	ec = ((vi)vc >> 23 & 255) - 127;
	less = ec < c_emin;
	less &= (vi)(vc != 0);
	ec = (c_emin & less) | (ec & ~less);
	ec += (vi)(ec < MMA_C_EMIN) & 1;
	e = __builtin_convertvector(top, vi);
	less = e < ec;
	e = (ec & less) | (e & ~less);
	/* 2^(25 - e), or the greatest power there is: then all products are zero, and c is what comes out */
	scale_bits = 127 + MMA_KEPT - e;
	less = scale_bits < 254;
	scale_bits = (scale_bits & less) | (254 & ~less);
	scale = (vf)(scale_bits << 23);
	for (unsigned k = k0; k < k0 + n; k++)
		sum += __builtin_convertvector(f->p[rows][k] * f->q[q][k] * scale, vi);
	cut_c = __builtin_convertvector(vc * scale, vi);
	for (unsigned r = 0; r < VLANES; r++) {
		const double unit = f64_of((uint64_t)(1023 - MMA_KEPT + e[r]) << 52);
		const double v = ((double)sum[r] + (double)cut_c[r]) * unit;

		x[r] = scale_bits[r] == 254 ? (double)c[r] : v;
	}
}

static void round_rows(const double *x, unsigned type, float *out, uint32_t *bits)
{
	uint64_t tiny = 0;

	if (type == IR_T_F16) {
		for (unsigned r = 0; r < VLANES; r++)
			bits[r] = mma_round_f16(x[r]);
		for (unsigned r = 0; r < VLANES; r++)
			out[r] = f32_of_f16(bits[r]);
		return;
	}
	for (unsigned r = 0; r < VLANES; r++) {
		const uint64_t u = bits_of_f64(x[r]), low = u & INT64_MAX;

		tiny |= (uint64_t)(low - 1 < UINT64_C(0x3810000000000000) - 1);
		out[r] = (float)f64_of(u & ~UINT64_C(0x1fffffff)) + 0.0f;
	}
	if (tiny)
		for (unsigned r = 0; r < VLANES; r++)
			out[r] = mma_round_f32(x[r]);
	memcpy(bits, out, VLANES * sizeof(*bits));
}

static bool is_finite(const float *c)
{
	uint32_t bad = 0;

	for (unsigned r = 0; r < VLANES; r++)
		bad |= (bits_of_f32(c[r]) & 0x7f800000) == 0x7f800000;
	return !bad;
}

static void add_late(const float *acc, const float *c, unsigned type, uint32_t *bits)
{
	for (unsigned r = 0; r < VLANES; r++) {
		const float v = acc[r] + c[r];

		bits[r] = type == IR_T_F16 ? f16_of_f32(v) : v == v ? bits_of_f32(v) : F32_NAN;
	}
}

/* 16 rows of one column; false: not with these values. */
static bool column(const struct factors *f, const struct plan *plan, unsigned rows, unsigned q, const float *c, unsigned type, uint32_t *d)
{
	double x[VLANES];
	float acc[VLANES];

	if (!plan->late && !is_finite(c))
		return false;
	if (plan->late)
		memset(acc, 0, sizeof(acc));
	else
		memcpy(acc, c, sizeof(acc));
	for (unsigned g = 0; g < plan->groups; g++) {
		if (g && !is_finite(acc))
			return false;
		sum_group(f, rows, q, g * plan->size, plan->size, acc, type == IR_T_F16 ? MMA_C16_EMIN : MMA_C_EMIN, x);
		round_rows(x, type, acc, d);
	}
	if (plan->late)
		add_late(acc, c, type, d);
	return true;
}

/* ---- any values ---- */

static uint32_t exact_cell(const struct mma_shape *s, const struct bits *b, const struct plan *plan, unsigned p, unsigned q, float c,
			   unsigned type)
{
	struct mma_val va[MAX_K], vb[MAX_K], acc = mma_val_of(plan->late ? 0 : type == IR_T_F16 ? f16_of_f32(c) : bits_of_f32(c), type);
	uint32_t r = 0;

	for (unsigned g = 0; g < plan->groups; g++) {
		unsigned n = 0;

		for (unsigned k = g * plan->size; k < (g + 1) * plan->size; k++) {
			if (s->sparse && !b->there[k][p])
				continue;
			va[n] = mma_val_of(b->p[k][p], b->type);
			vb[n++] = mma_val_of(b->q[q][k], b->type);
		}
		r = (uint32_t)mma_exact(va, vb, n, acc, type);
		acc = mma_val_of(r, type);
	}
	if (plan->late) {
		const float sum = (type == IR_T_F16 ? f32_of_f16(r) : f32_of(r)) + c;

		r = type == IR_T_F16 ? f16_of_f32(sum) : sum == sum ? bits_of_f32(sum) : F32_NAN;
	}
	return r;
}

static void run_float(const struct mma_args *x)
{
	struct mma_shape s;
	struct bits b;
	struct factors f;
	struct plan plan;
	float c[MAX_Q][MAX_P] = { { 0 } };
	uint32_t d[MAX_Q][MAX_P];
	/* wmma: an f16 result of f32 accumulators is rounded twice */
	const unsigned type = x->insn->stype == IR_T_F16 ? x->insn->type : IR_T_F32;
	bool tame;

	if (!mma_shape_of(x->insn, &s))
		return;
	b.type = mma_is_small(x->insn->type3) ? IR_T_F16 : x->insn->type3;
	plan = plan_of(&s);
	if (s.sparse)
		gather_sparse(&s, x, &b);
	else
		gather_p(&s, x, &b);
	gather_q(&s, x, &b);
	gather_c(&s, x, c);
	tame = make_factors(&s, &b, &f);
	for (unsigned q = 0; q < s.nq; q++)
		for (unsigned p = 0; p < s.np; p += VLANES)
			if (!tame || !column(&f, &plan, p / VLANES, q, &c[q][p], type, &d[q][p]))
				for (unsigned r = p; r < p + VLANES; r++)
					d[q][r] = exact_cell(&s, &b, &plan, r, q, c[q][r], type);
	if (type != x->insn->type)
		for (unsigned q = 0; q < s.nq; q++)
			for (unsigned p = 0; p < s.np; p++)
				d[q][p] = f16_of_f32(f32_of(d[q][p]));
	if (x->insn->type == IR_T_F16)
		scatter_halves(&s, x, d);
	else
		scatter_d32(&s, x, d);
}

mma_fn ALU_NAME(mma_select_float)(const struct ir_insn *i, const struct mma_shape *s)
{
	const unsigned t = i->type3, kind = i->extra & IR_MMA_KIND;

	if (kind > IR_MMA_F8F6F4 || s->np == 8)
		return NULL;
	return t == IR_T_F16 || t == IR_T_BF16 || t == IR_T_TF32 || mma_is_small(t) ? run_float : NULL;
}
