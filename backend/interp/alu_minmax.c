/*
 * alu_minmax.c: min and max of floating-point values, all formats: -0 is below
 * +0, one NaN loses (with .NaN it wins), .ftz flushes, .xorsign.abs compares
 * magnitudes and gives the result the product's sign; f32 also of three.
 *
 * Values are compared as integers: flipping the magnitude bits of negative
 * numbers makes their order the floating-point order, with -0 below +0.
 */
#include "backend/interp/alu_half.h"

struct minmax_rule {
	bool is_max, nan_wins, xorsign, abs, ftz;
};

/* What the formats differ in; values are held in the low bits of 64. */
struct minmax_format {
	uint64_t sign, inf, nan;
	bool payload;              /* f64: of two NaNs the second passes */
};

static const struct minmax_format minmax_f16 = { 0x8000, 0x7c00, F16_NAN };
static const struct minmax_format minmax_bf16 = { 0x8000, 0x7f80, BF16_NAN };
static const struct minmax_format minmax_f32 = { 0x80000000u, 0x7f800000u, F32_NAN };
static const struct minmax_format minmax_f64 = { UINT64_C(1) << 63, UINT64_C(0x7ff) << 52, F64_NAN, true };

static inline int64_t order_key(uint64_t v, const struct minmax_format *f)
{
	const int64_t magnitude = (int64_t)(v & (f->sign - 1));

	return v & f->sign ? ~magnitude : magnitude;
}

static inline uint64_t minmax(uint64_t a, uint64_t b, const struct minmax_format *f, struct minmax_rule r)
{
	const uint64_t all = f->sign | (f->sign - 1), sign = r.xorsign ? (a ^ b) & f->sign : 0;
	const uint64_t keep = r.xorsign || r.abs ? f->sign - 1 : all;
	bool a_nan, b_nan, pick_a;

	a &= keep;
	b &= keep;
	if (r.ftz) {
		a = a & f->inf ? a : a & f->sign;
		b = b & f->inf ? b : b & f->sign;
	}
	a_nan = (a & ~f->sign) > f->inf;
	b_nan = (b & ~f->sign) > f->inf;
	if ((a_nan && b_nan) || (r.nan_wins && (a_nan || b_nan)))
		return f->payload ? b | F64_QUIET : f->nan;
	pick_a = (order_key(a, f) < order_key(b, f)) ^ r.is_max;
	pick_a = b_nan || (!a_nan && pick_a);
	return (pick_a ? a : b) | sign;
}

static inline struct minmax_rule rule_of(const struct ir_insn *i)
{
	return (struct minmax_rule){
		.is_max = i->op == IR_OP_max, .nan_wins = i->flags & IR_F_NAN, .xorsign = i->flags & IR_F_XORSIGN,
		.abs = i->flags & IR_F_ABS, .ftz = i->flags & IR_F_FTZ,
	};
}

/* The common forms, with their rule known at compile time. */
static inline uint32_t f32_minmax(uint32_t a, uint32_t b, bool is_max, bool ftz)
{
	const uint32_t va = ftz ? f32_flush(a) : a, vb = ftz ? f32_flush(b) : b;
	const int32_t ka = (int32_t)(va ^ ((uint32_t)((int32_t)va >> 31) >> 1));
	const int32_t kb = (int32_t)(vb ^ ((uint32_t)((int32_t)vb >> 31) >> 1));
	const bool a_nan = (va & 0x7fffffffu) > 0x7f800000u, b_nan = (vb & 0x7fffffffu) > 0x7f800000u;
	const uint32_t r = (is_max ? ka > kb : ka < kb) ? va : vb;

	return a_nan ? (b_nan ? F32_NAN : vb) : b_nan ? va : r;
}

ALU_FN(min_f32, f32_minmax((uint32_t)ALU_A, (uint32_t)ALU_B, false, false))
ALU_FN(max_f32, f32_minmax((uint32_t)ALU_A, (uint32_t)ALU_B, true, false))
ALU_FN(min_f32_ftz, f32_minmax((uint32_t)ALU_A, (uint32_t)ALU_B, false, true))
ALU_FN(max_f32_ftz, f32_minmax((uint32_t)ALU_A, (uint32_t)ALU_B, true, true))

/* All other forms take their rule from the instruction. */
#define MINMAX_ANY(name, f, ...) \
static void name(const struct alu_args *x) \
{ \
	const struct minmax_rule r = rule_of(x->insn); \
	const struct minmax_format *const f = &minmax_##f; \
	ALU_LANES(x, x->d[l] = (__VA_ARGS__)); \
}
MINMAX_ANY(any_f32, f32, minmax((uint32_t)ALU_A, (uint32_t)ALU_B, f32, r))
MINMAX_ANY(any3_f32, f32, minmax(minmax((uint32_t)ALU_A, (uint32_t)ALU_B, f32, r), (uint32_t)ALU_C, f32, r))
MINMAX_ANY(any_f64, f64, minmax(ALU_A, ALU_B, f64, r))
MINMAX_ANY(any_f16, f16, minmax((uint16_t)ALU_A, (uint16_t)ALU_B, f16, r))
MINMAX_ANY(any_bf16, bf16, minmax((uint16_t)ALU_A, (uint16_t)ALU_B, bf16, r))
MINMAX_ANY(any_f16x2, f16, minmax((uint16_t)ALU_A, (uint16_t)ALU_B, f16, r) |
	minmax((uint16_t)(ALU_A >> 16), (uint16_t)(ALU_B >> 16), f16, r) << 16)
MINMAX_ANY(any_bf16x2, bf16, minmax((uint16_t)ALU_A, (uint16_t)ALU_B, bf16, r) |
	minmax((uint16_t)(ALU_A >> 16), (uint16_t)(ALU_B >> 16), bf16, r) << 16)

static alu_fn select_f32(const struct ir_insn *i)
{
	bool is_max = i->op == IR_OP_max;

	if (i->n_src == 3)
		return alu_only_flags(i, IR_F_FTZ | IR_F_NAN | IR_F_ABS) ? any3_f32 : NULL;
	if (i->flags == 0)
		return is_max ? max_f32 : min_f32;
	if (i->flags == IR_F_FTZ)
		return is_max ? max_f32_ftz : min_f32_ftz;
	return any_f32;
}

alu_fn ALU_NAME(alu_select_minmax)(const struct ir_insn *i)
{
	bool xorsign = i->flags & IR_F_XORSIGN, abs = i->flags & IR_F_ABS;

	if ((i->op != IR_OP_min && i->op != IR_OP_max) || i->round || i->n_src < 2 || i->n_src > 3 ||
	    !alu_only_flags(i, IR_F_FTZ | IR_F_NAN | IR_F_XORSIGN | IR_F_ABS))
		return NULL;
	if (i->n_src == 2 && xorsign != abs)
		return NULL;
	if (i->type == IR_T_F32)
		return select_f32(i);
	if (i->n_src != 2)
		return NULL;
	switch (i->type) {
	case IR_T_F64: return i->flags ? NULL : any_f64;
	case IR_T_F16: return any_f16;
	case IR_T_F16X2: return any_f16x2;
	case IR_T_BF16: return i->flags & IR_F_FTZ ? NULL : any_bf16;
	case IR_T_BF16X2: return i->flags & IR_F_FTZ ? NULL : any_bf16x2;
	default: return NULL;
	}
}
