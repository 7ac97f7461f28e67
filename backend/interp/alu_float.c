/*
 * alu_float.c: f32 and f64 arithmetic that rounds to nearest even: add sub mul
 * fma mad div rcp sqrt, and neg abs copysign, with .ftz and .sat; packed
 * f32x2 add mul fma. The directed roundings are in alu_round.c.
 */
#include "backend/interp/alu_fp.h"

#define F32_A(ftz) const float a = f32_in(x->a[l], ftz);
#define F32_AB(ftz) F32_A(ftz) const float b = f32_in(x->b[l], ftz);
#define F32_ABC(ftz) F32_AB(ftz) const float c = f32_in(x->c[l], ftz);
#define F32_HANDLER(name, LOAD, ftz, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, LOAD(ftz) x->d[l] = (__VA_ARGS__)); \
}
/* Four handlers by flags: none, ftz, sat, ftz.sat; scaled: see f32_out_ftz(). */
#define F32_FOUR(name, LOAD, value, scaled) \
	F32_HANDLER(name, LOAD, false, f32_out(value, false, false)) \
	F32_HANDLER(name##_ftz, LOAD, true, f32_out_ftz(value, scaled, false)) \
	F32_HANDLER(name##_sat, LOAD, false, f32_out(value, false, true)) \
	F32_HANDLER(name##_ftz_sat, LOAD, true, f32_out_ftz(value, scaled, true)) \
	static alu_fn const name##_fn[4] = { name, name##_ftz, name##_sat, name##_ftz_sat };
#define F32_TWO(name, LOAD, value, scaled) \
	F32_HANDLER(name, LOAD, false, f32_out(value, false, false)) \
	F32_HANDLER(name##_ftz, LOAD, true, f32_out_ftz(value, scaled, false)) \
	static alu_fn const name##_fn[4] = { name, name##_ftz, NULL, NULL };
#define UP 0x1p64f

/* a tiny sum is exact, and needs no scaling to be told; but one rule serves all */
F32_FOUR(add_f32, F32_AB, a + b, a * UP + b * UP)
F32_FOUR(sub_f32, F32_AB, a - b, a * UP - b * UP)
F32_FOUR(mul_f32, F32_AB, a * b, a * UP * b)
F32_FOUR(fma_f32, F32_ABC, __builtin_fmaf(a, b, c), __builtin_fmaf(a * UP, b, c * UP))
F32_TWO(div_f32, F32_AB, a / b, a * UP / b)
F32_TWO(rcp_f32, F32_A, 1.0f / a, UP / a)
F32_TWO(sqrt_f32, F32_A, __builtin_sqrtf(a), a * UP)

/* f64 */
#define F64_HANDLER(name, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, x->d[l] = (__VA_ARGS__)); \
}
#define FA f64_of(x->a[l])
#define FB f64_of(x->b[l])
#define FC f64_of(x->c[l])
F64_HANDLER(add_f64, f64_out2(FA + FB, x->b[l], x->a[l]))
F64_HANDLER(sub_f64, f64_out2(FA - FB, x->b[l], x->a[l]))
F64_HANDLER(mul_f64, f64_out2(FA * FB, x->b[l], x->a[l]))
F64_HANDLER(div_f64, f64_out2(FA / FB, x->a[l], x->b[l]))
F64_HANDLER(rcp_f64, f64_out1(1.0 / FA, x->a[l]))
F64_HANDLER(sqrt_f64, f64_out1(__builtin_sqrt(FA), x->a[l]))
F64_HANDLER(fma_f64, f64_out_fma(__builtin_fma(FA, FB, FC), x->a[l], x->b[l], x->c[l]))

/*
 * fma with a negated product or addend, as contraction of mul and sub makes
 * it: a sign change of a factor or the addend is exact.
 */
F32_TWO(fnma_f32, F32_ABC, __builtin_fmaf(-a, b, c), __builtin_fmaf(-a * UP, b, c * UP))
F32_TWO(fms_f32, F32_ABC, __builtin_fmaf(a, b, -c), __builtin_fmaf(a * UP, b, -c * UP))
F32_TWO(fnms_f32, F32_ABC, __builtin_fmaf(-a, b, -c), __builtin_fmaf(-a * UP, b, -c * UP))
F64_HANDLER(fnma_f64, f64_out_fma(__builtin_fma(-FA, FB, FC), x->a[l], x->b[l], x->c[l]))
F64_HANDLER(fms_f64, f64_out_fma(__builtin_fma(FA, FB, -FC), x->a[l], x->b[l], x->c[l]))
F64_HANDLER(fnms_f64, f64_out_fma(__builtin_fma(-FA, FB, -FC), x->a[l], x->b[l], x->c[l]))

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

/* Sign operations are arithmetic to the hardware: NaN comes out canonical in f32, quiet and unchanged in f64. */
#define NEG_F32(u) (f32_is_nan(u) ? F32_NAN : (u) ^ 0x80000000u)
#define ABS_F32(u) (f32_is_nan(u) ? F32_NAN : (u) & 0x7fffffffu)
ALU_FN(neg_f32, NEG_F32((uint32_t)ALU_A))
ALU_FN(neg_f32_ftz, NEG_F32(f32_flush((uint32_t)ALU_A)))
ALU_FN(neg_f64, f64_is_nan(ALU_A) ? ALU_A | F64_QUIET : ALU_A ^ (UINT64_C(1) << 63))
ALU_FN(abs_f32, ABS_F32((uint32_t)ALU_A))
ALU_FN(abs_f32_ftz, ABS_F32(f32_flush((uint32_t)ALU_A)))
ALU_FN(abs_f64, f64_is_nan(ALU_A) ? ALU_A | F64_QUIET : ALU_A & INT64_MAX)
ALU_FN(copysign_f32, ((uint32_t)ALU_A & 0x80000000u) | ((uint32_t)ALU_B & 0x7fffffffu))
ALU_FN(copysign_f64, (ALU_A & (UINT64_C(1) << 63)) | (ALU_B & INT64_MAX))

/* f32x2: two floats in a 64-bit cell */
#define F32X2(name, LOAD_C, value, scaled) \
static inline uint64_t name##_1(const struct alu_args *x, unsigned l, unsigned at, bool ftz) \
{ \
	const float a = f32_in(x->a[l] >> at, ftz); const float b = f32_in(x->b[l] >> at, ftz); LOAD_C \
	return (uint64_t)(ftz ? f32_out_ftz(value, scaled, false) : f32_out(value, false, false)) << at; \
} \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, x->d[l] = name##_1(x, l, 0, false) | name##_1(x, l, 32, false)); \
} \
static void name##_ftz(const struct alu_args *x) \
{ \
	ALU_LANES(x, x->d[l] = name##_1(x, l, 0, true) | name##_1(x, l, 32, true)); \
}
F32X2(add_f32x2, , a + b, a * UP + b * UP)
F32X2(sub_f32x2, , a - b, a * UP - b * UP)
F32X2(mul_f32x2, , a * b, a * UP * b)
F32X2(fma_f32x2, const float c = f32_in(x->c[l] >> at, ftz);, __builtin_fmaf(a, b, c), __builtin_fmaf(a * UP, b, c * UP))

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
