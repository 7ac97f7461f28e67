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
#define MODAL_F32_FOUR(name, LOAD, ...) \
	MODAL(name, LOAD(false) x->d[l] = f32_out((__VA_ARGS__), false, false)) \
	MODAL(name##_ftz, LOAD(true) x->d[l] = f32_out((__VA_ARGS__), true, false)) \
	MODAL(name##_sat, LOAD(false) x->d[l] = f32_out((__VA_ARGS__), false, true)) \
	MODAL(name##_ftz_sat, LOAD(true) x->d[l] = f32_out((__VA_ARGS__), true, true)) \
	static alu_fn const name##_fn[4] = { name, name##_ftz, name##_sat, name##_ftz_sat };
#define MODAL_F32_TWO(name, LOAD, ...) \
	MODAL(name, LOAD(false) x->d[l] = f32_out((__VA_ARGS__), false, false)) \
	MODAL(name##_ftz, LOAD(true) x->d[l] = f32_out((__VA_ARGS__), true, false)) \
	static alu_fn const name##_fn[4] = { name, name##_ftz, NULL, NULL };

MODAL_F32_FOUR(add_f32, F32_AB, a + b)
MODAL_F32_FOUR(sub_f32, F32_AB, a - b)
MODAL_F32_FOUR(mul_f32, F32_AB, a * b)
MODAL_F32_FOUR(fma_f32, F32_ABC, __builtin_fmaf(a, b, c))
MODAL_F32_TWO(div_f32, F32_AB, a / b)
MODAL_F32_TWO(rcp_f32, F32_A, 1.0f / a)
MODAL_F32_TWO(sqrt_f32, F32_A, __builtin_sqrtf(a))

#define A64 const double a = f64_of(x->a[l]);
#define AB64 A64 const double b = f64_of(x->b[l]);
#define ABC64 AB64 const double c = f64_of(x->c[l]);
MODAL(add_f64, AB64 x->d[l] = f64_out(a + b))
MODAL(sub_f64, AB64 x->d[l] = f64_out(a - b))
MODAL(mul_f64, AB64 x->d[l] = f64_out(a * b))
MODAL(fma_f64, ABC64 x->d[l] = f64_out(__builtin_fma(a, b, c)))
MODAL(div_f64, AB64 x->d[l] = f64_out(a / b))
MODAL(rcp_f64, A64 x->d[l] = f64_out(1.0 / a))
MODAL(sqrt_f64, A64 x->d[l] = f64_out(__builtin_sqrt(a)))

/* f32x2 */
#define PAIR_LOOP(name, ftz, LOAD_C, ...) \
static inline uint64_t name##_half(const struct alu_args *x, unsigned l, unsigned shift) \
{ \
	const float a = f32_in(x->a[l] >> shift, ftz); const float b = f32_in(x->b[l] >> shift, ftz); LOAD_C(ftz) \
	return (uint64_t)f32_out((__VA_ARGS__), ftz, false) << shift; \
} \
MODAL(name, x->d[l] = name##_half(x, l, 0) | name##_half(x, l, 32))
#define PAIR_NO_C(ftz)
#define PAIR_C(ftz) const float c = f32_in(x->c[l] >> shift, ftz);
#define PAIR_TWO(name, LOAD_C, ...) \
	PAIR_LOOP(name, false, LOAD_C, __VA_ARGS__) PAIR_LOOP(name##_ftz, true, LOAD_C, __VA_ARGS__)
PAIR_TWO(add_f32x2, PAIR_NO_C, a + b)
PAIR_TWO(sub_f32x2, PAIR_NO_C, a - b)
PAIR_TWO(mul_f32x2, PAIR_NO_C, a * b)
PAIR_TWO(fma_f32x2, PAIR_C, __builtin_fmaf(a, b, c))

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
