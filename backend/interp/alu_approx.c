/*
 * alu_approx.c: the approximate functions rcp sqrt rsqrt div (approx, full)
 * ex2 lg2 sin cos tanh over rows; what they compute is in backend/approx.h.
 */
#include "backend/approx.h"
#include "backend/interp/alu_half.h"

#define APPROX1(name, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, const float a = f32_of(x->a[l]); x->d[l] = f32_out((__VA_ARGS__), false, false)); \
} \
static void name##_ftz(const struct alu_args *x) \
{ \
	ALU_LANES(x, const float a = f32_in(x->a[l], true); x->d[l] = f32_out((__VA_ARGS__), true, false)); \
}
#define APPROX2(name, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, const float a = f32_of(x->a[l]); const float b = f32_of(x->b[l]); \
		x->d[l] = f32_out((__VA_ARGS__), false, false)); \
} \
static void name##_ftz(const struct alu_args *x) \
{ \
	ALU_LANES(x, const float a = f32_in(x->a[l], true); const float b = f32_in(x->b[l], true); \
		x->d[l] = f32_out((__VA_ARGS__), true, false)); \
}
APPROX1(rcp, approx_rcp(a))
APPROX1(root, approx_sqrt(a))
APPROX1(rsqrt, approx_rsqrt(a))
APPROX1(ex2, approx_ex2(a))
APPROX1(lg2, approx_lg2(a))
APPROX1(sine, approx_sin(a))
APPROX1(cosine, approx_cos(a))
APPROX2(div, approx_div(a, b))
APPROX2(div_full, a / b)

ALU_FN(tanh_f32, f32_out(approx_tanh(f32_of(ALU_A)), false, false))

/* halves: through f32; the result is rounded to the format */
#define HALF_APPROX(name, load, store, fn) \
	ALU_FN(name, store(fn(load(ALU_A & 0xffffu)))) \
	ALU_FN(name##x2, store(fn(load(ALU_A & 0xffffu))) | store(fn(load(ALU_A >> 16 & 0xffffu))) << 16)
HALF_APPROX(ex2_f16, f32_of_f16, f16_of_f32, approx_ex2)
HALF_APPROX(tanh_f16, f32_of_f16, f16_of_f32, approx_tanh)
HALF_APPROX(tanh_bf16, f32_of_bf16, bf16_of_f32, approx_tanh)

static inline float bf16_load_ftz(uint64_t v)
{
	return f32_in(v << 16, true);
}

static inline uint32_t bf16_store_ftz(float f)
{
	const uint32_t h = bf16_of_f32(f);

	return h & 0x7f80u ? h : h & 0x8000u;
}
HALF_APPROX(ex2_bf16_ftz, bf16_load_ftz, bf16_store_ftz, approx_ex2)

/* f64 */
static inline double f64_upper_flushed(uint64_t v)
{
	v &= ~(uint64_t)UINT32_MAX;
	return f64_of((v & (UINT64_C(0x7ff) << 52)) ? v : v & (UINT64_C(1) << 63));
}

static inline uint64_t f64_upper_out(double r)
{
	const uint64_t u = approx_upper(r);

	return r != r ? UINT64_C(0x7fffffff) << 32 : (u & (UINT64_C(0x7ff) << 52)) ? u : u & (UINT64_C(1) << 63);
}

ALU_FN(rcp_f64_ftz, f64_upper_out(1.0 / f64_upper_flushed(ALU_A)))
ALU_FN(rsqrt_f64_ftz, f64_upper_out(1.0 / __builtin_sqrt(f64_upper_flushed(ALU_A))))
ALU_FN(rsqrt_f64, f64_out1(approx_rsqrt_f64(f64_of(ALU_A)), ALU_A))
/* div, rcp, sqrt of f64 without a rounding (PTX before 1.4): to nearest */
ALU_FN(div_f64_old, f64_out2(f64_of(ALU_A) / f64_of(ALU_B), ALU_A, ALU_B))
ALU_FN(rcp_f64_old, f64_out1(1.0 / f64_of(ALU_A), ALU_A))
ALU_FN(sqrt_f64_old, f64_out1(__builtin_sqrt(f64_of(ALU_A)), ALU_A))

static alu_fn select_f32(const struct ir_insn *i)
{
	/* a missing .approx is the old spelling of .approx.ftz */
	bool ftz = (i->flags & IR_F_FTZ) || !(i->flags & (IR_F_APPROX | IR_F_FULL));

	if (!alu_only_flags(i, IR_F_APPROX | IR_F_FULL | IR_F_FTZ))
		return NULL;
	if (i->flags & IR_F_FULL)
		return i->op == IR_OP_div && !(i->flags & IR_F_APPROX) ? (ftz ? div_full_ftz : div_full) : NULL;
	switch (i->op) {
	case IR_OP_rcp: return ftz ? rcp_ftz : rcp;
	case IR_OP_sqrt: return ftz ? root_ftz : root;
	case IR_OP_rsqrt: return ftz ? rsqrt_ftz : rsqrt;
	case IR_OP_ex2: return ftz ? ex2_ftz : ex2;
	case IR_OP_lg2: return ftz ? lg2_ftz : lg2;
	case IR_OP_sin: return ftz ? sine_ftz : sine;
	case IR_OP_cos: return ftz ? cosine_ftz : cosine;
	case IR_OP_div: return ftz ? div_ftz : div;
	case IR_OP_tanh: return i->flags == IR_F_APPROX ? tanh_f32 : NULL;
	default: return NULL;
	}
}

static alu_fn select_f64(const struct ir_insn *i)
{
	bool approx = i->flags & IR_F_APPROX, ftz = i->flags & IR_F_FTZ;

	if (!alu_only_flags(i, IR_F_APPROX | IR_F_FTZ))
		return NULL;
	switch (i->op) {
	case IR_OP_rcp: return approx && ftz ? rcp_f64_ftz : i->flags ? NULL : rcp_f64_old;
	case IR_OP_rsqrt: return ftz ? (approx ? rsqrt_f64_ftz : NULL) : rsqrt_f64;
	case IR_OP_div: return i->flags ? NULL : div_f64_old;
	case IR_OP_sqrt: return i->flags ? NULL : sqrt_f64_old;
	default: return NULL;
	}
}

static alu_fn select_half(const struct ir_insn *i)
{
	bool ex2_op = i->op == IR_OP_ex2;

	if (!(i->flags & IR_F_APPROX) || (!ex2_op && i->op != IR_OP_tanh))
		return NULL;
	if (i->flags == (IR_F_APPROX | IR_F_FTZ))
		return !ex2_op ? NULL : i->type == IR_T_BF16 ? ex2_bf16_ftz : i->type == IR_T_BF16X2 ? ex2_bf16_ftzx2 : NULL;
	if (i->flags != IR_F_APPROX)
		return NULL;
	switch (i->type) {
	case IR_T_F16: return ex2_op ? ex2_f16 : tanh_f16;
	case IR_T_F16X2: return ex2_op ? ex2_f16x2 : tanh_f16x2;
	case IR_T_BF16: return ex2_op ? NULL : tanh_bf16;
	case IR_T_BF16X2: return ex2_op ? NULL : tanh_bf16x2;
	default: return NULL;
	}
}

alu_fn ALU_NAME(alu_select_approx)(const struct ir_insn *i)
{
	if (i->round)
		return NULL;
	switch (i->type) {
	case IR_T_F32: return select_f32(i);
	case IR_T_F64: return select_f64(i);
	default: return select_half(i);
	}
}
