/*
 * alu_half.c: f16, bf16 and their packed pairs: add sub mul fma neg abs, with
 * .ftz .sat .relu .oob. Sums and products are computed in f32 and rounded
 * once more, which is exact for these formats; fma goes through a value
 * rounded to odd, so that it too is rounded once.
 */
#include "backend/interp/alu_half.h"

/* What to do with the rounded result; known when the handler is compiled. */
enum half_post { POST_NONE, POST_SAT, POST_RELU };

#define HALF_ONE_F16 0x3c00u
#define HALF_ONE_BF16 0x3f80u

/* NaN: sat gives +0, relu a NaN; a negative result and -0 give +0. */
static inline uint32_t half_post(uint32_t h, uint32_t inf, uint32_t one, enum half_post post)
{
	const bool nan = (h & 0x7fffu) > inf;

	if (post == POST_SAT)
		return nan || (h & 0x8000u) ? 0 : h > one ? one : h;
	if (post == POST_RELU)
		return !nan && (h & 0x8000u) ? 0 : h;
	return h;
}

static inline float f16_load(uint64_t v, bool ftz)
{
	return f32_of_f16(ftz ? f16_flush((uint32_t)v & 0xffffu) : v);
}

static inline uint32_t f16_store(float f, bool ftz, enum half_post post)
{
	uint32_t h = f16_of_f32(f);

	if (ftz)
		h = f16_flush(h);
	return half_post(h, 0x7c00u, HALF_ONE_F16, post);
}

static inline float bf16_load(uint64_t v, bool ftz)
{
	(void)ftz;
	return f32_of_bf16(v & 0xffffu);
}

static inline uint32_t bf16_store(float f, bool ftz, enum half_post post)
{
	(void)ftz;
	return half_post(bf16_of_f32(f), 0x7f80u, HALF_ONE_BF16, post);
}

/* a*b is exact in f32 (22 bits, exponents -48…32); the sum is made odd before it is rounded to f16. */
static inline float f16_fma(float a, float b, float c)
{
	const float p = a * b, s = p + c, t = s - p;
	const float err = (p - (s - t)) + (c - t);

	return f32_odd(s, err);
}

/* a*b is exact in f64; the sum is made odd there, and again on the way to f32, which keeps bf16's rounding exact. */
static inline float bf16_fma(float a, float b, float c)
{
	const double p = (double)a * (double)b, s = p + (double)c, t = s - p;
	const double err = (p - (s - t)) + ((double)c - t);
	const double exact = f64_odd(s, err == err ? err : 0.0);
	const float f = (float)exact;
	const double lost = exact - (double)f;

	return f32_odd(f, lost > 0.0 ? 1.0f : lost < 0.0 ? -1.0f : 0.0f);
}

#define HALF_FN(name, args, ...) static inline uint32_t name##_1 args { return __VA_ARGS__; }
#define HALF_ROWS2(name, half) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, x->d[l] = half##_1(x->a[l], x->b[l])); \
} \
static void name##x2(const struct alu_args *x) \
{ \
	ALU_LANES(x, x->d[l] = half##_1(x->a[l], x->b[l]) | half##_1(x->a[l] >> 16, x->b[l] >> 16) << 16); \
}
#define HALF_ROWS3(name, half) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, x->d[l] = half##_1(x->a[l], x->b[l], x->c[l])); \
} \
static void name##x2(const struct alu_args *x) \
{ \
	ALU_LANES(x, x->d[l] = half##_1(x->a[l], x->b[l], x->c[l]) | \
		half##_1(x->a[l] >> 16, x->b[l] >> 16, x->c[l] >> 16) << 16); \
}
#define HALF_OP2(name, fmt, ftz, post, op) \
	HALF_FN(name, (uint64_t a, uint64_t b), fmt##_store(fmt##_load(a, ftz) op fmt##_load(b, ftz), ftz, post)) \
	HALF_ROWS2(name, name)
#define HALF_FMA(name, fmt, ftz, post) \
	HALF_FN(name, (uint64_t a, uint64_t b, uint64_t c), \
		fmt##_store(fmt##_fma(fmt##_load(a, ftz), fmt##_load(b, ftz), fmt##_load(c, ftz)), ftz, post)) \
	HALF_ROWS3(name, name)

#define F16_OP2_FOUR(name, op) \
	HALF_OP2(name, f16, false, POST_NONE, op) HALF_OP2(name##_ftz, f16, true, POST_NONE, op) \
	HALF_OP2(name##_sat, f16, false, POST_SAT, op) HALF_OP2(name##_ftz_sat, f16, true, POST_SAT, op) \
	static alu_fn const name##_fn[2][4] = { { name, name##_ftz, name##_sat, name##_ftz_sat }, \
		{ name##x2, name##_ftzx2, name##_satx2, name##_ftz_satx2 } };
F16_OP2_FOUR(add_f16, +)
F16_OP2_FOUR(sub_f16, -)
F16_OP2_FOUR(mul_f16, *)
HALF_FMA(fma_f16, f16, false, POST_NONE)
HALF_FMA(fma_f16_ftz, f16, true, POST_NONE)
HALF_FMA(fma_f16_sat, f16, false, POST_SAT)
HALF_FMA(fma_f16_ftz_sat, f16, true, POST_SAT)
HALF_FMA(fma_f16_relu, f16, false, POST_RELU)
HALF_FMA(fma_f16_ftz_relu, f16, true, POST_RELU)
HALF_OP2(add_bf16, bf16, false, POST_NONE, +)
HALF_OP2(sub_bf16, bf16, false, POST_NONE, -)
HALF_OP2(mul_bf16, bf16, false, POST_NONE, *)
HALF_FMA(fma_bf16, bf16, false, POST_NONE)
HALF_FMA(fma_bf16_relu, bf16, false, POST_RELU)

/* .oob: a factor that is the out-of-bounds NaN makes the result zero */
static inline bool is_oob(uint64_t v)
{
	return (v & 0xffffu) == 0x7fffu || (v & 0xffffu) == 0xffffu;
}
#define FMA_OOB(name, half) \
	HALF_FN(name, (uint64_t a, uint64_t b, uint64_t c), is_oob(a) || is_oob(b) ? 0 : half##_1(a, b, c)) \
	HALF_ROWS3(name, name)
FMA_OOB(fma_oob_f16, fma_f16)
FMA_OOB(fma_oob_f16_relu, fma_f16_relu)
FMA_OOB(fma_oob_bf16, fma_bf16)
FMA_OOB(fma_oob_bf16_relu, fma_bf16_relu)

/* sign operations */
ALU_FN(neg_half, (uint16_t)(ALU_A ^ 0x8000u))
ALU_FN(abs_half, (uint16_t)(ALU_A & 0x7fffu))
ALU_FN(neg_halfx2, (uint32_t)ALU_A ^ 0x80008000u)
ALU_FN(abs_halfx2, (uint32_t)ALU_A & 0x7fff7fffu)
#define FLUSH2(v) (f16_flush((uint32_t)(v) & 0xffffu) | f16_flush((uint32_t)(v) >> 16 & 0xffffu) << 16)
ALU_FN(neg_f16_ftz, f16_flush((uint32_t)ALU_A & 0xffffu) ^ 0x8000u)
ALU_FN(abs_f16_ftz, f16_flush((uint32_t)ALU_A & 0xffffu) & 0x7fffu)
ALU_FN(neg_f16x2_ftz, FLUSH2(ALU_A) ^ 0x80008000u)
ALU_FN(abs_f16x2_ftz, FLUSH2(ALU_A) & 0x7fff7fffu)

static alu_fn select_fma_f16(const struct ir_insn *i, bool x2)
{
	switch (i->flags) {
	case 0: return x2 ? fma_f16x2 : fma_f16;
	case IR_F_FTZ: return x2 ? fma_f16_ftzx2 : fma_f16_ftz;
	case IR_F_SAT: return x2 ? fma_f16_satx2 : fma_f16_sat;
	case IR_F_FTZ | IR_F_SAT: return x2 ? fma_f16_ftz_satx2 : fma_f16_ftz_sat;
	case IR_F_RELU: return x2 ? fma_f16_relux2 : fma_f16_relu;
	case IR_F_FTZ | IR_F_RELU: return x2 ? fma_f16_ftz_relux2 : fma_f16_ftz_relu;
	case IR_F_OOB: return x2 ? fma_oob_f16x2 : fma_oob_f16;
	case IR_F_OOB | IR_F_RELU: return x2 ? fma_oob_f16_relux2 : fma_oob_f16_relu;
	default: return NULL;
	}
}

static alu_fn select_fma_bf16(const struct ir_insn *i, bool x2)
{
	switch (i->flags) {
	case 0: return x2 ? fma_bf16x2 : fma_bf16;
	case IR_F_RELU: return x2 ? fma_bf16_relux2 : fma_bf16_relu;
	case IR_F_OOB: return x2 ? fma_oob_bf16x2 : fma_oob_bf16;
	case IR_F_OOB | IR_F_RELU: return x2 ? fma_oob_bf16_relux2 : fma_oob_bf16_relu;
	default: return NULL;
	}
}

static alu_fn select_f16(const struct ir_insn *i, bool x2)
{
	unsigned v = (i->flags & IR_F_FTZ ? 1 : 0) + (i->flags & IR_F_SAT ? 2 : 0);

	if (i->op == IR_OP_fma)
		return select_fma_f16(i, x2);
	if (!alu_only_flags(i, IR_F_FTZ | IR_F_SAT))
		return NULL;
	switch (i->op) {
	case IR_OP_add: return add_f16_fn[x2][v];
	case IR_OP_sub: return sub_f16_fn[x2][v];
	case IR_OP_mul: return mul_f16_fn[x2][v];
	case IR_OP_neg: return v == 0 ? (x2 ? neg_halfx2 : neg_half) : v == 1 ? (x2 ? neg_f16x2_ftz : neg_f16_ftz) : NULL;
	case IR_OP_abs: return v == 0 ? (x2 ? abs_halfx2 : abs_half) : v == 1 ? (x2 ? abs_f16x2_ftz : abs_f16_ftz) : NULL;
	default: return NULL;
	}
}

static alu_fn select_bf16(const struct ir_insn *i, bool x2)
{
	if (i->op == IR_OP_fma)
		return select_fma_bf16(i, x2);
	if (i->flags)
		return NULL;
	switch (i->op) {
	case IR_OP_add: return x2 ? add_bf16x2 : add_bf16;
	case IR_OP_sub: return x2 ? sub_bf16x2 : sub_bf16;
	case IR_OP_mul: return x2 ? mul_bf16x2 : mul_bf16;
	case IR_OP_neg: return x2 ? neg_halfx2 : neg_half;
	case IR_OP_abs: return x2 ? abs_halfx2 : abs_half;
	default: return NULL;
	}
}

alu_fn ALU_NAME(alu_select_half)(const struct ir_insn *i)
{
	if (i->round != IR_RND_NONE && i->round != IR_RND_RN)
		return NULL;
	switch (i->type) {
	case IR_T_F16: return select_f16(i, false);
	case IR_T_F16X2: return select_f16(i, true);
	case IR_T_BF16: return select_bf16(i, false);
	case IR_T_BF16X2: return select_bf16(i, true);
	default: return NULL;
	}
}
