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
		return half_pick(nan, 0, half_pick(h > 0x7fffu, 0, half_pick(h > one, one, h)));
	if (post == POST_RELU)
		return half_pick(nan, h, half_pick(h > 0x7fffu, 0, h));
	return h;
}

static inline float f16_load(uint64_t v, bool ftz)
{
	return f32_of_f16(ftz ? f16_flush((uint32_t)v & 0xffffu) : v);
}

/* Tiny, once rounded to 11 bits without a lower bound to the exponent: below 2^-14 (1 - 2^-12). */
static inline uint32_t f16_store(float f, bool ftz, enum half_post post)
{
	uint32_t h = f16_of_f32(f);

	if (ftz)
		h = half_pick((bits_of_f32(f) & 0x7fffffffu) < 0x387ff000u, h & 0x8000u, h);
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
	const double exact = f64_odd(s, err);
	const float f = (float)exact;

	return f32_odd(f, (float)((exact > (double)f) - (exact < (double)f)));
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

/* .oob: a factor that is the NaN which stands for out-of-bounds elements makes the result zero */
static inline bool is_oob(uint64_t v)
{
	return (v & 0x7fffu) == 0x7ff7u;
}
#define FMA_OOB(name, half) \
	HALF_FN(name, (uint64_t a, uint64_t b, uint64_t c), half_pick(is_oob(a), 0, half_pick(is_oob(b), 0, half##_1(a, b, c)))) \
	HALF_ROWS3(name, name)
FMA_OOB(fma_oob_f16, fma_f16)
FMA_OOB(fma_oob_f16_relu, fma_f16_relu)
FMA_OOB(fma_oob_bf16, fma_bf16)
FMA_OOB(fma_oob_bf16_relu, fma_bf16_relu)

/* sign operations; NaN comes out canonical */
static inline uint32_t half_signed(uint64_t v, uint32_t inf, uint32_t keep, uint32_t flip)
{
	const uint32_t h = (uint32_t)v & 0xffffu;

	return half_pick((h & 0x7fffu) > inf, 0x7fffu, (h & keep) ^ flip);
}

#define SIGN_OP(name, inf, keep, flip, load) \
	ALU_FN(name, half_signed(load(ALU_A), inf, keep, flip)) \
	ALU_FN(name##x2, half_signed(load(ALU_A), inf, keep, flip) | half_signed(load(ALU_A >> 16), inf, keep, flip) << 16)
#define SIGN_RAW(v) (v)
#define SIGN_FTZ(v) f16_flush((uint32_t)(v) & 0xffffu)
SIGN_OP(neg_f16, 0x7c00u, 0xffffu, 0x8000u, SIGN_RAW)
SIGN_OP(abs_f16, 0x7c00u, 0x7fffu, 0, SIGN_RAW)
SIGN_OP(neg_f16_ftz, 0x7c00u, 0xffffu, 0x8000u, SIGN_FTZ)
SIGN_OP(abs_f16_ftz, 0x7c00u, 0x7fffu, 0, SIGN_FTZ)
SIGN_OP(neg_bf16, 0x7f80u, 0xffffu, 0x8000u, SIGN_RAW)
SIGN_OP(abs_bf16, 0x7f80u, 0x7fffu, 0, SIGN_RAW)

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
	case IR_OP_neg: return v == 0 ? (x2 ? neg_f16x2 : neg_f16) : v == 1 ? (x2 ? neg_f16_ftzx2 : neg_f16_ftz) : NULL;
	case IR_OP_abs: return v == 0 ? (x2 ? abs_f16x2 : abs_f16) : v == 1 ? (x2 ? abs_f16_ftzx2 : abs_f16_ftz) : NULL;
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
	case IR_OP_neg: return x2 ? neg_bf16x2 : neg_bf16;
	case IR_OP_abs: return x2 ? abs_bf16x2 : abs_bf16;
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
