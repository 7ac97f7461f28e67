/*
 * alu_float.c: f32 and f64 arithmetic that rounds to nearest even: add sub mul
 * fma mad div rcp sqrt, and neg abs copysign, with .ftz and .sat; packed
 * f32x2 add mul fma. The directed roundings are in alu_round.c.
 */
#include "backend/interp/alu_fp.h"

/* f32: four handlers by flags: none, ftz, sat, ftz.sat */
#define F32_HANDLER1(name, ftz, sat, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, const float a = f32_in(x->a[l], ftz); x->d[l] = f32_out((__VA_ARGS__), ftz, sat)); \
}
#define F32_HANDLER2(name, ftz, sat, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, const float a = f32_in(x->a[l], ftz); const float b = f32_in(x->b[l], ftz); \
		x->d[l] = f32_out((__VA_ARGS__), ftz, sat)); \
}
#define F32_HANDLER3(name, ftz, sat, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, const float a = f32_in(x->a[l], ftz); const float b = f32_in(x->b[l], ftz); \
		const float c = f32_in(x->c[l], ftz); x->d[l] = f32_out((__VA_ARGS__), ftz, sat)); \
}
#define F32_FOUR(n, name, ...) \
	F32_HANDLER##n(name, false, false, __VA_ARGS__) F32_HANDLER##n(name##_ftz, true, false, __VA_ARGS__) \
	F32_HANDLER##n(name##_sat, false, true, __VA_ARGS__) F32_HANDLER##n(name##_ftz_sat, true, true, __VA_ARGS__) \
	static alu_fn const name##_fn[4] = { name, name##_ftz, name##_sat, name##_ftz_sat };
#define F32_TWO(n, name, ...) \
	F32_HANDLER##n(name, false, false, __VA_ARGS__) F32_HANDLER##n(name##_ftz, true, false, __VA_ARGS__) \
	static alu_fn const name##_fn[4] = { name, name##_ftz, NULL, NULL };

F32_FOUR(2, add_f32, a + b)
F32_FOUR(2, sub_f32, a - b)
F32_FOUR(2, mul_f32, a * b)
F32_FOUR(3, fma_f32, __builtin_fmaf(a, b, c))
F32_TWO(2, div_f32, a / b)
F32_TWO(1, rcp_f32, 1.0f / a)
F32_TWO(1, sqrt_f32, __builtin_sqrtf(a))

/* f64 */
#define F64_HANDLER1(name, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, const double a = f64_of(x->a[l]); x->d[l] = f64_out(__VA_ARGS__)); \
}
#define F64_HANDLER2(name, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, const double a = f64_of(x->a[l]); const double b = f64_of(x->b[l]); x->d[l] = f64_out(__VA_ARGS__)); \
}
F64_HANDLER2(add_f64, a + b)
F64_HANDLER2(sub_f64, a - b)
F64_HANDLER2(mul_f64, a * b)
F64_HANDLER2(div_f64, a / b)
F64_HANDLER1(rcp_f64, 1.0 / a)
F64_HANDLER1(sqrt_f64, __builtin_sqrt(a))

static void fma_f64(const struct alu_args *x)
{
	ALU_LANES(x, x->d[l] = f64_out(__builtin_fma(f64_of(x->a[l]), f64_of(x->b[l]), f64_of(x->c[l]))));
}

/*
 * fma with a negated product or addend, as contraction of mul and sub makes
 * it: a sign change of a factor or the addend is exact.
 */
F32_TWO(3, fnma_f32, __builtin_fmaf(-a, b, c))
F32_TWO(3, fms_f32, __builtin_fmaf(a, b, -c))
F32_TWO(3, fnms_f32, __builtin_fmaf(-a, b, -c))
ALU_FN(fnma_f64, f64_out(__builtin_fma(-f64_of(ALU_A), f64_of(ALU_B), f64_of(ALU_C))))
ALU_FN(fms_f64, f64_out(__builtin_fma(f64_of(ALU_A), f64_of(ALU_B), -f64_of(ALU_C))))
ALU_FN(fnms_f64, f64_out(__builtin_fma(-f64_of(ALU_A), f64_of(ALU_B), -f64_of(ALU_C))))

static alu_fn select_negated_fma(const struct ir_insn *i)
{
	unsigned signs = (unsigned)(i->src[0].neg ^ i->src[1].neg) + 2u * i->src[2].neg;
	bool ftz = i->flags & IR_F_FTZ;

	if (i->type == IR_T_F64 && !i->flags)
		return signs == 0 ? fma_f64 : signs == 1 ? fnma_f64 : signs == 2 ? fms_f64 : fnms_f64;
	if (i->type != IR_T_F32 || !alu_only_flags(i, IR_F_FTZ))
		return NULL;
	return signs == 0 ? fma_f32_fn[ftz] : signs == 1 ? fnma_f32_fn[ftz] : signs == 2 ? fms_f32_fn[ftz] : fnms_f32_fn[ftz];
}

/* Sign operations. NaN keeps its payload: PTX leaves it open and the hardware uses plain bit operations. */
ALU_FN(neg_f32, (uint32_t)ALU_A ^ 0x80000000u)
ALU_FN(neg_f32_ftz, f32_flush((uint32_t)ALU_A) ^ 0x80000000u)
ALU_FN(neg_f64, ALU_A ^ (UINT64_C(1) << 63))
ALU_FN(abs_f32, (uint32_t)ALU_A & 0x7fffffffu)
ALU_FN(abs_f32_ftz, f32_flush((uint32_t)ALU_A) & 0x7fffffffu)
ALU_FN(abs_f64, ALU_A & INT64_MAX)
ALU_FN(copysign_f32, ((uint32_t)ALU_A & 0x80000000u) | ((uint32_t)ALU_B & 0x7fffffffu))
ALU_FN(copysign_f64, (ALU_A & (UINT64_C(1) << 63)) | (ALU_B & INT64_MAX))

/* f32x2: two floats in a 64-bit cell */
#define F32X2(name, ftz, op, ...) \
static inline uint32_t name##_1(uint64_t va, uint64_t vb, uint64_t vc) \
{ \
	const float a = f32_in(va, ftz); const float b = f32_in(vb, ftz); const float c = f32_in(vc, ftz); \
	(void)c; \
	return f32_out((__VA_ARGS__), ftz, false); \
} \
static void name(const struct alu_args *x) \
{ \
	const uint64_t *const c_ = x->c ? x->c : x->b; \
	ALU_LANES(x, x->d[l] = name##_1(x->a[l], x->b[l], c_[l]) | \
		(uint64_t)name##_1(x->a[l] >> 32, x->b[l] >> 32, c_[l] >> 32) << 32); \
}
F32X2(add_f32x2, false, 2, a + b)
F32X2(add_f32x2_ftz, true, 2, a + b)
F32X2(sub_f32x2, false, 2, a - b)
F32X2(sub_f32x2_ftz, true, 2, a - b)
F32X2(mul_f32x2, false, 2, a * b)
F32X2(mul_f32x2_ftz, true, 2, a * b)
F32X2(fma_f32x2, false, 3, __builtin_fmaf(a, b, c))
F32X2(fma_f32x2_ftz, true, 3, __builtin_fmaf(a, b, c))

static alu_fn select_f32x2(const struct ir_insn *i)
{
	bool ftz = i->flags & IR_F_FTZ;

	if (!alu_only_flags(i, IR_F_FTZ))
		return NULL;
	switch (i->op) {
	case IR_OP_add: return ftz ? add_f32x2_ftz : add_f32x2;
	case IR_OP_sub: return ftz ? sub_f32x2_ftz : sub_f32x2;
	case IR_OP_mul: return ftz ? mul_f32x2_ftz : mul_f32x2;
	case IR_OP_fma: return ftz ? fma_f32x2_ftz : fma_f32x2;
	default: return NULL;
	}
}

static alu_fn select_f32(const struct ir_insn *i)
{
	unsigned v = (i->flags & IR_F_FTZ ? 1 : 0) + (i->flags & IR_F_SAT ? 2 : 0);

	if (!alu_only_flags(i, IR_F_FTZ | IR_F_SAT))
		return NULL;
	switch (i->op) {
	case IR_OP_add: return add_f32_fn[v];
	case IR_OP_sub: return sub_f32_fn[v];
	case IR_OP_mul: return mul_f32_fn[v];
	case IR_OP_fma:
	case IR_OP_mad: return fma_f32_fn[v];
	case IR_OP_div: return i->round ? div_f32_fn[v] : NULL;
	case IR_OP_rcp: return i->round ? rcp_f32_fn[v] : NULL;
	case IR_OP_sqrt: return i->round ? sqrt_f32_fn[v] : NULL;
	case IR_OP_neg: return v == 0 ? neg_f32 : v == 1 ? neg_f32_ftz : NULL;
	case IR_OP_abs: return v == 0 ? abs_f32 : v == 1 ? abs_f32_ftz : NULL;
	case IR_OP_copysign: return v == 0 ? copysign_f32 : NULL;
	default: return NULL;
	}
}

static alu_fn select_f64(const struct ir_insn *i)
{
	if (i->flags)
		return NULL;
	switch (i->op) {
	case IR_OP_add: return add_f64;
	case IR_OP_sub: return sub_f64;
	case IR_OP_mul: return mul_f64;
	case IR_OP_fma:
	case IR_OP_mad: return fma_f64;
	case IR_OP_div: return i->round ? div_f64 : NULL;
	case IR_OP_rcp: return i->round ? rcp_f64 : NULL;
	case IR_OP_sqrt: return i->round ? sqrt_f64 : NULL;
	case IR_OP_neg: return neg_f64;
	case IR_OP_abs: return abs_f64;
	case IR_OP_copysign: return copysign_f64;
	default: return NULL;
	}
}

alu_fn ALU_NAME(alu_select_float)(const struct ir_insn *i)
{
	if (i->round != IR_RND_NONE && i->round != IR_RND_RN)
		return NULL;
	if (i->stype != IR_T_NONE && i->stype != i->type)
		return NULL;
	if (alu_negates(i))
		return i->op == IR_OP_fma ? select_negated_fma(i) : NULL;
	switch (i->type) {
	case IR_T_F32: return select_f32(i);
	case IR_T_F64: return select_f64(i);
	case IR_T_F32X2: return select_f32x2(i);
	default: return NULL;
	}
}
