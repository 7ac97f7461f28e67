/*
 * mma_float.c: products of f16, bf16, tf32 and of the 8-, 6- and 4-bit floats,
 * added as mma_sum.h says.
 *
 * Small floats become f16, which holds all of them. Each element is kept as
 * an f32 and its exponent. For 8 rows at a time the greatest exponent of a
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
/* What is compiled for one shape must be inside its function. */
#define INLINE static inline __attribute__((always_inline))

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
INLINE struct plan plan_of(const struct mma_shape *s)
{
	if (s->bits == 32 && s->nq == 16)
		return (struct plan){ 2, 4, false };
	return s->bits == 8 ? (struct plan){ 2, s->k / 2u, true } : (struct plan){ 1, s->k, false };
}

/* Where column k of P and Q goes, so that groups are contiguous. */
INLINE unsigned place(const struct mma_shape *s, unsigned k)
{
	unsigned half = s->sparse ? 4 : 2;

	if (s->bits != 8)
		return k;
	return k / half % 2 * (s->k / 2u) + k / (2 * half) * half + k % half;
}

/* ---- gathering ---- */

/* One element of a register's cell, as the encoding of b->type. */
static inline uint32_t element(const struct mma_shape *s, uint32_t cell, unsigned e, const uint16_t *table)
{
	if (s->bits == 32)
		return cell & 0xffffe000u;
	if (s->bits == 16)
		return cell >> (16 * e) & 0xffff;
	return table[cell >> (8 * e) & 0xff];
}

INLINE void gather_p(const struct mma_shape *s, const struct mma_args *x, struct bits *b)
{
	const uint16_t *table = s->bits == 8 ? mma_half_table(type_p(s, x->insn)) : NULL;
	const uint64_t *const *regs = regs_p(s, x);
	const unsigned per = s->per_reg;
	uint32_t t[4][8];

	for (unsigned i = 0; i < s->np / 8u; i++)
		for (unsigned j = 0; j < s->kt_p; j++) {
			tile_columns(regs[frag_p(s, i, j)], t);
			for (unsigned c = 0; c < 4; c++)
				for (unsigned e = 0; e < per; e++) {
					uint32_t *to = &b->p[place(s, per * (4 * j + c) + e)][8 * i];

					for (unsigned g = 0; g < 8; g++)
						to[g] = element(s, t[c][g], e, table);
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

			b->p[at][row] = element(s, (uint32_t)reg[row % 8 * 4 + in / per], in % per, table);
			b->there[at][row] = true;
		}
}

INLINE void gather_q(const struct mma_shape *s, const struct mma_args *x, struct bits *b)
{
	const uint16_t *table = s->bits == 8 ? mma_half_table(type_q(s, x->insn)) : NULL;
	const uint64_t *const *regs = regs_q(s, x);
	const unsigned per = s->per_reg;

	for (unsigned i = 0; i < s->nq / 8u; i++)
		for (unsigned j = 0; j < s->kt; j++) {
			const uint64_t *row = regs[frag_q(s, i, j)];

			for (unsigned g = 0; g < 8; g++)
				for (unsigned c = 0; c < 4; c++)
					for (unsigned e = 0; e < per; e++)
						b->q[8 * i + g][place(s, per * (4 * j + c) + e)] = element(s, (uint32_t)row[4 * g + c], e, table);
		}
}

/* Accumulators as f32: c[q][p]. */
INLINE void gather_c(const struct mma_shape *s, const struct mma_args *x, float c[MAX_Q][MAX_P])
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

INLINE void scatter_halves(const struct mma_shape *s, const struct mma_args *x, const uint32_t d[MAX_Q][MAX_P])
{
	for (unsigned q = 0; q < s->nq; q += 2)
		for (unsigned i = 0; i < s->np / 8u; i++) {
			uint64_t *row = x->d[frag_c(s, i, q / 8)] + q % 8 / 2;

			for (unsigned g = 0; g < 8; g++)
				row[4 * g] = d[q][8 * i + g] | d[q + 1][8 * i + g] << 16;
		}
}

/* ---- f32 and exponents ---- */

/* 8 elements; *bad: lanes that are infinite, NaN or, but for f16, outside 2^-50 … 2^60. */
INLINE void spread_f16(const uint32_t *h, float *f, int16_t *exp, vi *bad)
{
	vi v, e, zero;
	vf m;
	vh x;

	memcpy(&v, h, sizeof(v));
	e = v >> 10 & 31;
	*bad |= (vi)(e == 31);
	zero = (vi)((v & 0x7fff) == 0);
	m = (vf)((v & 0x7fff) << 13) * 0x1p112f;
	m = (vf)((vi)m | (v & 0x8000) << 16);
	e = e - 15 - (vi)(e == 0);
	x = __builtin_convertvector((ZERO_EXP & zero) | (e & ~zero), vh);
	memcpy(f, &m, sizeof(m));
	memcpy(exp, &x, sizeof(x));
}

INLINE void spread_f32(const uint32_t *u, int shift, float *f, int16_t *exp, vi *bad)
{
	vi v, e, zero;
	vh x;

	memcpy(&v, u, sizeof(v));
	v <<= shift;
	e = v >> 23 & 255;
	zero = (vi)((v & 0x7fffffff) == 0);
	*bad |= ((vi)(e < 77) | (vi)(e > 187)) & ~zero;
	x = __builtin_convertvector((ZERO_EXP & zero) | ((e - 127) & ~zero), vh);
	memcpy(f, &v, sizeof(v));
	memcpy(exp, &x, sizeof(x));
}

INLINE void spread(const uint32_t *u, unsigned type, float *f, int16_t *exp, vi *bad)
{
	if (type == IR_T_F16)
		spread_f16(u, f, exp, bad);
	else
		spread_f32(u, type == IR_T_BF16 ? 16 : 0, f, exp, bad);
}

/* False: some factor is such that the sum needs mma_exact.c. */
INLINE bool make_factors(const struct mma_shape *s, const struct bits *b, struct factors *f)
{
	int32_t lanes[VLANES], any = 0;
	vi bad = { 0 };

	for (unsigned k = 0; k < s->k; k++)
		for (unsigned i = 0; i < s->np; i += VLANES)
			spread(&b->p[k][i], b->type, (float *)&f->p[i / VLANES][k], (int16_t *)&f->p_exp[i / VLANES][k], &bad);
	for (unsigned q = 0; q < s->nq; q++)
		for (unsigned k = 0; k < s->k; k += VLANES)
			spread(&b->q[q][k], b->type, &f->q[q][k], &f->q_exp[q][k], &bad);
	memcpy(lanes, &bad, sizeof(lanes));
	for (unsigned r = 0; r < VLANES; r++)
		any |= lanes[r];
	return !any;
}

/* ---- the sum ---- */

/* x = (sum + c) * 2^(e - 25), exactly */
INLINE void finish_sum(const vi *sum, const vi *c, const vi *e, double *x)
{
	vq s[2], t[2], u[2];

	memcpy(s, sum, sizeof(s));
	memcpy(t, c, sizeof(t));
	memcpy(u, e, sizeof(u));
	for (int h = 0; h < 2; h++) {
		const vd v = __builtin_convertvector(s[h], vd) + __builtin_convertvector(t[h], vd);
		const vd r = v * (vd)(__builtin_convertvector(u[h] + (1023 - MMA_KEPT), vl) << 52);

		memcpy(x + 4 * h, &r, sizeof(r));
	}
}

INLINE bool scale_is_top(const vi *bits)
{
	int32_t b[VLANES], any = 0;

	memcpy(b, bits, sizeof(b));
	for (unsigned r = 0; r < VLANES; r++)
		any |= b[r] == 254;
	return any;
}

/*
 * x[r] = the sum over k of the group and c[r], before rounding. Products of at
 * most 16 factors not zero, below 2^27 each, fit the integers.
 */
INLINE void sum_group(const struct factors *f, unsigned rows, unsigned q, unsigned k0, unsigned n, const float *c, int c_emin, double *x)
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
	finish_sum(&sum, &cut_c, &e, x);
	if (scale_is_top(&scale_bits))
		for (unsigned r = 0; r < VLANES; r++)
			x[r] = scale_bits[r] == 254 ? (double)c[r] : x[r];
}

INLINE void round_rows(const double *x, unsigned type, float *out, uint32_t *bits)
{
	uint64_t tiny = 0;

	if (type == IR_T_F16) {
		for (unsigned r = 0; r < VLANES; r++)
			bits[r] = mma_round_f16(x[r]);
		for (unsigned r = 0; r < VLANES; r++)
			out[r] = f32_of_f16(bits[r]);
		return;
	}
	for (int h = 0; h < 2; h++) {
		vl u, low;
		vfq r;

		memcpy(&u, x + 4 * h, sizeof(u));
		low = u & INT64_MAX;
		low = (vl)(low > 0) & (vl)(low < INT64_C(0x3810000000000000));
		tiny |= (uint64_t)(low[0] | low[1] | low[2] | low[3]);
		r = __builtin_convertvector((vd)(u & ~INT64_C(0x1fffffff)), vfq) + 0.0f;
		memcpy(out + 4 * h, &r, sizeof(r));
	}
	if (tiny)
		for (unsigned r = 0; r < VLANES; r++)
			out[r] = mma_round_f32(x[r]);
	memcpy(bits, out, VLANES * sizeof(*bits));
}

INLINE bool is_finite(const float *c)
{
	uint32_t bad = 0;

	for (unsigned r = 0; r < VLANES; r++)
		bad |= (bits_of_f32(c[r]) & 0x7f800000) == 0x7f800000;
	return !bad;
}

INLINE void add_late(const float *acc, const float *c, unsigned type, uint32_t *bits)
{
	for (unsigned r = 0; r < VLANES; r++) {
		const float v = acc[r] + c[r];

		bits[r] = type == IR_T_F16 ? f16_of_f32(v) : v == v ? bits_of_f32(v) : F32_NAN;
	}
}

/* 8 rows of one column; false: not with these values. */
INLINE bool column(const struct factors *f, const struct plan *plan, unsigned rows, unsigned q, const float *c, unsigned type, uint32_t *d)
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

static __attribute__((noinline, cold)) uint32_t exact_cell(const struct mma_shape *s, const struct bits *b, const struct plan *plan, unsigned p, unsigned q, float c,
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

/* from: type of the factors, as the tensor cores see them */
INLINE void run_shape(const struct mma_args *x, const struct mma_shape *s, unsigned from, bool half)
{
	struct bits b;
	struct factors f;
	const struct plan plan = plan_of(s);
	float c[MAX_Q][MAX_P];
	uint32_t d[MAX_Q][MAX_P];
	/* wmma: an f16 result of f32 accumulators is rounded twice */
	const unsigned type = half ? IR_T_F16 : IR_T_F32;
	bool tame;

	b.type = from;
	if (s->sparse)
		gather_sparse(s, x, &b);
	else
		gather_p(s, x, &b);
	if (s->k < VLANES)             /* the rest of a vector */
		memset(b.q, 0, sizeof(b.q));
	gather_q(s, x, &b);
	gather_c(s, x, c);
	tame = make_factors(s, &b, &f);
	for (unsigned q = 0; q < s->nq; q++)
		for (unsigned p = 0; p < s->np; p += VLANES)
			if (!tame || !column(&f, &plan, p / VLANES, q, &c[q][p], type, &d[q][p]))
				for (unsigned r = p; r < p + VLANES; r++)
					d[q][r] = exact_cell(s, &b, &plan, r, q, c[q][r], type);
	if (type != x->insn->type && x->insn->type == IR_T_F16)
		for (unsigned q = 0; q < s->nq; q++)
			for (unsigned p = 0; p < s->np; p++)
				d[q][p] = f16_of_f32(f32_of(d[q][p]));
	if (x->insn->type == IR_T_F16)
		scatter_halves(s, x, d);
	else
		scatter_d32(s, x, d);
}

static void run_float(const struct mma_args *x)
{
	const unsigned t = x->insn->type3;
	struct mma_shape s;

	if (mma_shape_of(x->insn, &s))
		run_shape(x, &s, mma_is_small(t) ? IR_T_F16 : t, x->insn->type == IR_T_F16 && x->insn->stype == IR_T_F16);
}

/* The forms that programs use most, compiled for their shape. */
#define SHAPE(type, k, elem, tiles) (struct mma_shape){ 16, 8, 16, 8, k, elem, 32 / (elem), tiles, tiles, false, false }
#define COMMON(C) \
	C(f32_f16_k16, F16, SHAPE(F16, 16, 16, 2), F32) C(f16_f16_k16, F16, SHAPE(F16, 16, 16, 2), F16) \
	C(f32_f16_k8, F16, SHAPE(F16, 8, 16, 1), F32) C(f16_f16_k8, F16, SHAPE(F16, 8, 16, 1), F16) \
	C(f32_bf16_k16, BF16, SHAPE(BF16, 16, 16, 2), F32) C(f32_tf32_k8, TF32, SHAPE(TF32, 8, 32, 2), F32) \
	C(f32_tf32_k4, TF32, SHAPE(TF32, 4, 32, 1), F32)
#define RUN(name, from, shape, d) \
static void run_##name(const struct mma_args *x) \
{ \
	const struct mma_shape s = shape; \
\
	run_shape(x, &s, IR_T_##from, IR_T_##d == IR_T_F16); \
}
COMMON(RUN)
#undef RUN

static mma_fn common(const struct ir_insn *i, const struct mma_shape *s)
{
#define MATCH(name, from, shape, d) { IR_T_##from, IR_T_##d, shape, run_##name },
	static const struct { uint8_t from, d; struct mma_shape s; mma_fn run; } all[] = { COMMON(MATCH) };
#undef MATCH

	for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
		if (all[k].from == i->type3 && all[k].d == i->type && i->stype == i->type && !memcmp(&all[k].s, s, sizeof(*s)))
			return all[k].run;
	return NULL;
}

mma_fn ALU_NAME(mma_select_float)(const struct ir_insn *i, const struct mma_shape *s)
{
	const unsigned t = i->type3, kind = i->extra & IR_MMA_KIND;

	if (kind > IR_MMA_F8F6F4 || s->np == 8)
		return NULL;
	if (t != IR_T_F16 && t != IR_T_BF16 && t != IR_T_TF32 && !mma_is_small(t))
		return NULL;
	return common(i, s) ? common(i, s) : run_float;
}
