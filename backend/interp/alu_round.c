/*
 * alu_round.c: f32, f32x2 and f64 arithmetic in the directed roundings (rz rm
 * rp), and the mixed-precision add sub fma (f32 with f16 or bf16 factors) in
 * all four.
 *
 * The hardware rounds: a handler sets the MXCSR's mode, calls the lane loop
 * and puts the mode back. The loops are separate functions called through a
 * pointer, so that no operation moves across the switch, and the file is
 * written so that nothing is left to fold at compile time.
 */
#include <xmmintrin.h>

#include "backend/interp/alu_half.h"

static unsigned mxcsr_mode(unsigned round)
{
	switch (round) {
	case IR_RND_RZ: return _MM_ROUND_TOWARD_ZERO;
	case IR_RND_RM: return _MM_ROUND_DOWN;
	case IR_RND_RP: return _MM_ROUND_UP;
	default: return _MM_ROUND_NEAREST;
	}
}

static __attribute__((noinline)) void in_mode(const struct alu_args *x, alu_fn volatile loop)
{
	const unsigned old = _mm_getcsr();

	_mm_setcsr((old & ~(unsigned)_MM_ROUND_MASK) | mxcsr_mode(x->insn->round));
	loop(x);
	_mm_setcsr(old);
}

/* A lane loop and the handler that runs it in the instruction's mode. */
#define MODAL(name, ...) \
static __attribute__((noinline)) void name##_loop(const struct alu_args *x) \
{ \
	ALU_LANES(x, __VA_ARGS__); \
} \
static void name(const struct alu_args *x) \
{ \
	in_mode(x, name##_loop); \
}
#define F32_A(ftz) const float a = f32_in(x->a[l], ftz);
#define F32_AB(ftz) F32_A(ftz) const float b = f32_in(x->b[l], ftz);
#define F32_ABC(ftz) F32_AB(ftz) const float c = f32_in(x->c[l], ftz);
/* scaled: see f32_out_ftz() */
#define MODAL_F32_FOUR(name, LOAD, value, scaled) \
	MODAL(name, LOAD(false) x->d[l] = f32_out(value, false, false)) \
	MODAL(name##_ftz, LOAD(true) x->d[l] = f32_out_ftz(value, scaled, false)) \
	MODAL(name##_sat, LOAD(false) x->d[l] = f32_out(value, false, true)) \
	MODAL(name##_ftz_sat, LOAD(true) x->d[l] = f32_out_ftz(value, scaled, true)) \
	static alu_fn const name##_fn[4] = { name, name##_ftz, name##_sat, name##_ftz_sat };
#define MODAL_F32_TWO(name, LOAD, value, scaled) \
	MODAL(name, LOAD(false) x->d[l] = f32_out(value, false, false)) \
	MODAL(name##_ftz, LOAD(true) x->d[l] = f32_out_ftz(value, scaled, false)) \
	static alu_fn const name##_fn[4] = { name, name##_ftz, NULL, NULL };
#define UP 0x1p64f

MODAL_F32_FOUR(add_f32, F32_AB, a + b, a * UP + b * UP)
MODAL_F32_FOUR(sub_f32, F32_AB, a - b, a * UP - b * UP)
MODAL_F32_FOUR(mul_f32, F32_AB, a * b, a * UP * b)
MODAL_F32_FOUR(fma_f32, F32_ABC, __builtin_fmaf(a, b, c), __builtin_fmaf(a * UP, b, c * UP))
MODAL_F32_TWO(div_f32, F32_AB, a / b, a * UP / b)
MODAL_F32_TWO(rcp_f32, F32_A, 1.0f / a, UP / a)
MODAL_F32_TWO(sqrt_f32, F32_A, __builtin_sqrtf(a), a * UP)

#define FA f64_of(x->a[l])
#define FB f64_of(x->b[l])
#define FC f64_of(x->c[l])
MODAL(add_f64, x->d[l] = f64_out2(FA + FB, x->b[l], x->a[l]))
MODAL(sub_f64, x->d[l] = f64_out2(FA - FB, x->b[l], x->a[l]))
MODAL(mul_f64, x->d[l] = f64_out2(FA * FB, x->b[l], x->a[l]))
MODAL(fma_f64, x->d[l] = f64_out_fma(__builtin_fma(FA, FB, FC), x->a[l], x->b[l], x->c[l]))
MODAL(div_f64, x->d[l] = f64_out2(FA / FB, x->a[l], x->b[l]))
MODAL(rcp_f64, x->d[l] = f64_out1(1.0 / FA, x->a[l]))
MODAL(sqrt_f64, x->d[l] = f64_out1(__builtin_sqrt(FA), x->a[l]))

/* f32x2 */
#define PAIR_LOOP(name, ftz, LOAD_C, ...) \
static inline uint64_t name##_half(const struct alu_args *x, unsigned l, unsigned shift) \
{ \
	const float a = f32_in(x->a[l] >> shift, ftz); const float b = f32_in(x->b[l] >> shift, ftz); LOAD_C(ftz) \
	return (uint64_t)(__VA_ARGS__) << shift; \
} \
MODAL(name, x->d[l] = name##_half(x, l, 0) | name##_half(x, l, 32))
#define PAIR_NO_C(ftz)
#define PAIR_C(ftz) const float c = f32_in(x->c[l] >> shift, ftz);
#define PAIR_TWO(name, LOAD_C, value, scaled) \
	PAIR_LOOP(name, false, LOAD_C, f32_out(value, false, false)) \
	PAIR_LOOP(name##_ftz, true, LOAD_C, f32_out_ftz(value, scaled, false))
PAIR_TWO(add_f32x2, PAIR_NO_C, a + b, a * UP + b * UP)
PAIR_TWO(sub_f32x2, PAIR_NO_C, a - b, a * UP - b * UP)
PAIR_TWO(mul_f32x2, PAIR_NO_C, a * b, a * UP * b)
PAIR_TWO(fma_f32x2, PAIR_C, __builtin_fmaf(a, b, c), __builtin_fmaf(a * UP, b, c * UP))

/* mixed precision: the factors of fma, or the first operand of add and sub, are f16 or bf16 */
#define MIXED(name, load) \
	MODAL(add_##name, x->d[l] = f32_out(load(x->a[l]) + f32_of(x->b[l]), false, false)) \
	MODAL(sub_##name, x->d[l] = f32_out(load(x->a[l]) - f32_of(x->b[l]), false, false)) \
	MODAL(fma_##name, x->d[l] = f32_out(__builtin_fmaf(load(x->a[l]), load(x->b[l]), f32_of(x->c[l])), false, false)) \
	MODAL(add_##name##_sat, x->d[l] = f32_out(load(x->a[l]) + f32_of(x->b[l]), false, true)) \
	MODAL(sub_##name##_sat, x->d[l] = f32_out(load(x->a[l]) - f32_of(x->b[l]), false, true)) \
	MODAL(fma_##name##_sat, x->d[l] = f32_out(__builtin_fmaf(load(x->a[l]), load(x->b[l]), f32_of(x->c[l])), false, true))
MIXED(f16, f32_of_f16)
MIXED(bf16, f32_of_bf16)

static alu_fn select_mixed(const struct ir_insn *i)
{
	bool f16 = i->stype == IR_T_F16, sat = i->flags & IR_F_SAT;

	if (!alu_only_flags(i, IR_F_SAT))
		return NULL;
	switch (i->op) {
	case IR_OP_add: return f16 ? (sat ? add_f16_sat : add_f16) : sat ? add_bf16_sat : add_bf16;
	case IR_OP_sub: return f16 ? (sat ? sub_f16_sat : sub_f16) : sat ? sub_bf16_sat : sub_bf16;
	case IR_OP_fma: return f16 ? (sat ? fma_f16_sat : fma_f16) : sat ? fma_bf16_sat : fma_bf16;
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
	case IR_OP_div: return div_f32_fn[v];
	case IR_OP_rcp: return rcp_f32_fn[v];
	case IR_OP_sqrt: return sqrt_f32_fn[v];
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
	case IR_OP_div: return div_f64;
	case IR_OP_rcp: return rcp_f64;
	case IR_OP_sqrt: return sqrt_f64;
	default: return NULL;
	}
}

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

alu_fn ALU_NAME(alu_select_round)(const struct ir_insn *i)
{
	if (i->type == IR_T_F32 && (i->stype == IR_T_F16 || i->stype == IR_T_BF16) && i->round <= IR_RND_RP)
		return select_mixed(i);
	if (i->round != IR_RND_RZ && i->round != IR_RND_RM && i->round != IR_RND_RP)
		return NULL;
	if (i->stype != IR_T_NONE && i->stype != i->type)
		return NULL;
	switch (i->type) {
	case IR_T_F32: return select_f32(i);
	case IR_T_F64: return select_f64(i);
	case IR_T_F32X2: return select_f32x2(i);
	default: return NULL;
	}
}
