/*
 * alu_int.c: integer arithmetic: add sub mul mad mul24 mad24 sad div rem abs
 * neg min max. Results wrap; divisions never trap: what PTX leaves undefined
 * (a zero divisor, INT_MIN / -1) gives what NVIDIA's hardware gives, see
 * doc/numerics.md.
 */
#include "backend/interp/alu_impl.h"

/* One function per integer type, and the row of a table that holds them. */
#define INT1(op, ...) \
	ALU_T1(op##_u16, uint16_t, uint16_t, __VA_ARGS__) ALU_T1(op##_s16, int16_t, uint16_t, __VA_ARGS__) \
	ALU_T1(op##_u32, uint32_t, uint32_t, __VA_ARGS__) ALU_T1(op##_s32, int32_t, uint32_t, __VA_ARGS__) \
	ALU_T1(op##_u64, uint64_t, uint64_t, __VA_ARGS__) ALU_T1(op##_s64, int64_t, uint64_t, __VA_ARGS__)
#define INT2(op, ...) \
	ALU_T2(op##_u16, uint16_t, uint16_t, __VA_ARGS__) ALU_T2(op##_s16, int16_t, uint16_t, __VA_ARGS__) \
	ALU_T2(op##_u32, uint32_t, uint32_t, __VA_ARGS__) ALU_T2(op##_s32, int32_t, uint32_t, __VA_ARGS__) \
	ALU_T2(op##_u64, uint64_t, uint64_t, __VA_ARGS__) ALU_T2(op##_s64, int64_t, uint64_t, __VA_ARGS__)
#define INT3(op, ...) \
	ALU_T3(op##_u16, uint16_t, uint16_t, __VA_ARGS__) ALU_T3(op##_s16, int16_t, uint16_t, __VA_ARGS__) \
	ALU_T3(op##_u32, uint32_t, uint32_t, __VA_ARGS__) ALU_T3(op##_s32, int32_t, uint32_t, __VA_ARGS__) \
	ALU_T3(op##_u64, uint64_t, uint64_t, __VA_ARGS__) ALU_T3(op##_s64, int64_t, uint64_t, __VA_ARGS__)
#define INT_TABLE(op) { \
	[IR_T_U16] = op##_u16, [IR_T_S16] = op##_s16, [IR_T_U32] = op##_u32, \
	[IR_T_S32] = op##_s32, [IR_T_U64] = op##_u64, [IR_T_S64] = op##_s64 }

/* add, sub, neg, abs: sign does not matter for wrapping sums, so the unsigned handlers serve both. */
ALU_T2(add_16, uint16_t, uint16_t, (uint32_t)a + b)
ALU_T2(add_32, uint32_t, uint32_t, a + b)
ALU_T2(add_64, uint64_t, uint64_t, a + b)
ALU_T2(sub_16, uint16_t, uint16_t, (uint32_t)a - b)
ALU_T2(sub_32, uint32_t, uint32_t, a - b)
ALU_T2(sub_64, uint64_t, uint64_t, a - b)
ALU_T2(add_16x2, uint32_t, uint32_t, ((a + b) & 0xffffu) | ((a & 0xffff0000u) + (b & 0xffff0000u)))
ALU_T2(sub_16x2, uint32_t, uint32_t, ((a - b) & 0xffffu) | ((a & 0xffff0000u) - (b & 0xffff0000u)))
ALU_T1(neg_16, uint16_t, uint16_t, 0u - a)
ALU_T1(neg_32, uint32_t, uint32_t, 0u - a)
ALU_T1(neg_64, uint64_t, uint64_t, 0u - a)
ALU_T1(abs_16, int16_t, uint16_t, a < 0 ? 0u - (uint32_t)a : (uint32_t)a)
ALU_T1(abs_32, int32_t, uint32_t, a < 0 ? 0u - (uint32_t)a : (uint32_t)a)
ALU_T1(abs_64, int64_t, uint64_t, a < 0 ? 0u - (uint64_t)a : (uint64_t)a)

static inline int64_t sat_s32(int64_t v)
{
	return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v;
}

ALU_T2(add_sat_s32, int32_t, uint32_t, sat_s32((int64_t)a + b))
ALU_T2(sub_sat_s32, int32_t, uint32_t, sat_s32((int64_t)a - b))

/* mul and mad: low, high and whole product */
ALU_T2(mul_lo_16, uint16_t, uint16_t, (uint32_t)a * b)
ALU_T2(mul_lo_32, uint32_t, uint32_t, (uint64_t)a * b)
ALU_T2(mul_lo_64, uint64_t, uint64_t, a * b)
ALU_T2(mul_hi_u16, uint16_t, uint16_t, ((uint32_t)a * b) >> 16)
ALU_T2(mul_hi_s16, int16_t, uint16_t, ((int32_t)a * b) >> 16)
ALU_T2(mul_hi_u32, uint32_t, uint32_t, ((uint64_t)a * b) >> 32)
ALU_T2(mul_hi_s32, int32_t, uint32_t, ((int64_t)a * b) >> 32)
ALU_T2(mul_hi_u64, uint64_t, uint64_t, ((unsigned __int128)a * b) >> 64)
ALU_T2(mul_hi_s64, int64_t, uint64_t, ((__int128)a * b) >> 64)
ALU_FN(mul_wide_u16, (uint32_t)(uint16_t)ALU_A * (uint16_t)ALU_B)
ALU_FN(mul_wide_s16, (uint32_t)((int32_t)(int16_t)ALU_A * (int16_t)ALU_B))
ALU_FN(mul_wide_u32, (uint64_t)(uint32_t)ALU_A * (uint32_t)ALU_B)
ALU_FN(mul_wide_s32, (uint64_t)((int64_t)(int32_t)ALU_A * (int32_t)ALU_B))
ALU_T3(mad_lo_16, uint16_t, uint16_t, (uint32_t)a * b + c)
ALU_T3(mad_lo_32, uint32_t, uint32_t, (uint64_t)a * b + c)
ALU_T3(mad_lo_64, uint64_t, uint64_t, a * b + c)
ALU_T3(mad_hi_u16, uint16_t, uint16_t, (((uint32_t)a * b) >> 16) + c)
ALU_T3(mad_hi_s16, int16_t, uint16_t, (((int32_t)a * b) >> 16) + c)
ALU_T3(mad_hi_u32, uint32_t, uint32_t, (((uint64_t)a * b) >> 32) + c)
ALU_T3(mad_hi_s32, int32_t, uint32_t, (((int64_t)a * b) >> 32) + c)
ALU_T3(mad_hi_u64, uint64_t, uint64_t, (uint64_t)(((unsigned __int128)a * b) >> 64) + c)
ALU_T3(mad_hi_s64, int64_t, uint64_t, (uint64_t)(((__int128)a * b) >> 64) + (uint64_t)c)
ALU_T3(mad_hi_sat_s32, int32_t, uint32_t, sat_s32((((int64_t)a * b) >> 32) + c))
ALU_FN(mad_wide_u16, (uint32_t)((uint32_t)(uint16_t)ALU_A * (uint16_t)ALU_B + (uint32_t)ALU_C))
ALU_FN(mad_wide_s16, (uint32_t)((uint32_t)((int32_t)(int16_t)ALU_A * (int16_t)ALU_B) + (uint32_t)ALU_C))
ALU_FN(mad_wide_u32, (uint64_t)(uint32_t)ALU_A * (uint32_t)ALU_B + ALU_C)
ALU_FN(mad_wide_s32, (uint64_t)((int64_t)(int32_t)ALU_A * (int32_t)ALU_B) + ALU_C)

/* mul24, mad24: 24-bit factors; hi is bits 47…16 of the product */
static inline int64_t sx24(int32_t v)
{
	return (int32_t)((uint32_t)v << 8) >> 8;
}

static inline uint64_t zx24(uint32_t v)
{
	return v & 0xffffffu;
}

ALU_T2(mul24_lo_u32, uint32_t, uint32_t, zx24(a) * zx24(b))
ALU_T2(mul24_lo_s32, int32_t, uint32_t, sx24(a) * sx24(b))
ALU_T2(mul24_hi_u32, uint32_t, uint32_t, (zx24(a) * zx24(b)) >> 16)
ALU_T2(mul24_hi_s32, int32_t, uint32_t, (sx24(a) * sx24(b)) >> 16)
ALU_T3(mad24_lo_u32, uint32_t, uint32_t, zx24(a) * zx24(b) + c)
ALU_T3(mad24_lo_s32, int32_t, uint32_t, sx24(a) * sx24(b) + c)
ALU_T3(mad24_hi_u32, uint32_t, uint32_t, ((zx24(a) * zx24(b)) >> 16) + c)
ALU_T3(mad24_hi_s32, int32_t, uint32_t, ((sx24(a) * sx24(b)) >> 16) + c)
ALU_T3(mad24_hi_sat_s32, int32_t, uint32_t, sat_s32((int64_t)(int32_t)((sx24(a) * sx24(b)) >> 16) + c))

INT3(sad, (uint64_t)c + (a < b ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b))

/* div, rem: a zero divisor gives all ones */
ALU_T2(div_u16, uint16_t, uint16_t, b ? a / b : 0xffffu)
ALU_T2(div_s16, int16_t, uint16_t, b ? (int32_t)a / b : -1)
ALU_T2(div_u32, uint32_t, uint32_t, b ? a / b : UINT32_MAX)
ALU_T2(div_s32, int32_t, uint32_t, b ? (int64_t)a / b : -1)
ALU_T2(div_u64, uint64_t, uint64_t, b ? a / b : UINT64_MAX)
ALU_T2(div_s64, int64_t, uint64_t, b == 0 ? UINT64_MAX : b == -1 ? 0u - (uint64_t)a : (uint64_t)(a / b))
ALU_T2(rem_u16, uint16_t, uint16_t, b ? a % b : 0xffffu)
ALU_T2(rem_s16, int16_t, uint16_t, b ? (int32_t)a % b : -1)
ALU_T2(rem_u32, uint32_t, uint32_t, b ? a % b : UINT32_MAX)
ALU_T2(rem_s32, int32_t, uint32_t, b ? (int64_t)a % b : -1)
ALU_T2(rem_u64, uint64_t, uint64_t, b ? a % b : UINT64_MAX)
ALU_T2(rem_s64, int64_t, uint64_t, b == 0 ? -1 : b == -1 ? 0 : a % b)

/* min, max */
INT2(min, a < b ? a : b)
INT2(max, a > b ? a : b)
ALU_T2(min_relu_s32, int32_t, uint32_t, a < 0 || b < 0 ? 0 : a < b ? a : b)
ALU_T2(max_relu_s32, int32_t, uint32_t, a < 0 && b < 0 ? 0 : a > b ? a : b)

#define HALVES(op, T, expr_lo, expr_hi) \
ALU_FN(op, (uint32_t)(uint16_t)(expr_lo((T)ALU_A, (T)ALU_B)) | \
	   (uint32_t)(uint16_t)(expr_hi((T)(ALU_A >> 16), (T)(ALU_B >> 16))) << 16)
#define MIN2(p, q) ((p) < (q) ? (p) : (q))
#define MAX2(p, q) ((p) > (q) ? (p) : (q))
#define MIN2R(p, q) ((p) < 0 || (q) < 0 ? 0 : MIN2(p, q))
#define MAX2R(p, q) ((p) < 0 && (q) < 0 ? 0 : MAX2(p, q))
HALVES(min_u16x2, uint16_t, MIN2, MIN2)
HALVES(max_u16x2, uint16_t, MAX2, MAX2)
HALVES(min_s16x2, int16_t, MIN2, MIN2)
HALVES(max_s16x2, int16_t, MAX2, MAX2)
HALVES(min_relu_s16x2, int16_t, MIN2R, MIN2R)
HALVES(max_relu_s16x2, int16_t, MAX2R, MAX2R)

static alu_fn const add_table[IR_T_COUNT] = {
	[IR_T_U16] = add_16, [IR_T_S16] = add_16, [IR_T_U32] = add_32, [IR_T_S32] = add_32,
	[IR_T_U64] = add_64, [IR_T_S64] = add_64, [IR_T_U16X2] = add_16x2, [IR_T_S16X2] = add_16x2,
};
static alu_fn const sub_table[IR_T_COUNT] = {
	[IR_T_U16] = sub_16, [IR_T_S16] = sub_16, [IR_T_U32] = sub_32, [IR_T_S32] = sub_32,
	[IR_T_U64] = sub_64, [IR_T_S64] = sub_64, [IR_T_U16X2] = sub_16x2, [IR_T_S16X2] = sub_16x2,
};
static alu_fn const neg_table[IR_T_COUNT] = { [IR_T_S16] = neg_16, [IR_T_S32] = neg_32, [IR_T_S64] = neg_64 };
static alu_fn const abs_table[IR_T_COUNT] = { [IR_T_S16] = abs_16, [IR_T_S32] = abs_32, [IR_T_S64] = abs_64 };
static alu_fn const sad_table[IR_T_COUNT] = INT_TABLE(sad);
static alu_fn const div_table[IR_T_COUNT] = INT_TABLE(div);
static alu_fn const rem_table[IR_T_COUNT] = INT_TABLE(rem);
static alu_fn const min_table[IR_T_COUNT] = {
	[IR_T_U16] = min_u16, [IR_T_S16] = min_s16, [IR_T_U32] = min_u32, [IR_T_S32] = min_s32,
	[IR_T_U64] = min_u64, [IR_T_S64] = min_s64, [IR_T_U16X2] = min_u16x2, [IR_T_S16X2] = min_s16x2,
};
static alu_fn const max_table[IR_T_COUNT] = {
	[IR_T_U16] = max_u16, [IR_T_S16] = max_s16, [IR_T_U32] = max_u32, [IR_T_S32] = max_s32,
	[IR_T_U64] = max_u64, [IR_T_S64] = max_s64, [IR_T_U16X2] = max_u16x2, [IR_T_S16X2] = max_s16x2,
};

/* by mode: lo, hi, wide */
static alu_fn const mul_table[3][IR_T_COUNT] = {
	{ [IR_T_U16] = mul_lo_16, [IR_T_S16] = mul_lo_16, [IR_T_U32] = mul_lo_32, [IR_T_S32] = mul_lo_32,
	  [IR_T_U64] = mul_lo_64, [IR_T_S64] = mul_lo_64 },
	INT_TABLE(mul_hi),
	{ [IR_T_U16] = mul_wide_u16, [IR_T_S16] = mul_wide_s16, [IR_T_U32] = mul_wide_u32, [IR_T_S32] = mul_wide_s32 },
};
static alu_fn const mad_table[3][IR_T_COUNT] = {
	{ [IR_T_U16] = mad_lo_16, [IR_T_S16] = mad_lo_16, [IR_T_U32] = mad_lo_32, [IR_T_S32] = mad_lo_32,
	  [IR_T_U64] = mad_lo_64, [IR_T_S64] = mad_lo_64 },
	INT_TABLE(mad_hi),
	{ [IR_T_U16] = mad_wide_u16, [IR_T_S16] = mad_wide_s16, [IR_T_U32] = mad_wide_u32, [IR_T_S32] = mad_wide_s32 },
};
static alu_fn const mul24_table[2][IR_T_COUNT] = {
	{ [IR_T_U32] = mul24_lo_u32, [IR_T_S32] = mul24_lo_s32 },
	{ [IR_T_U32] = mul24_hi_u32, [IR_T_S32] = mul24_hi_s32 },
};
static alu_fn const mad24_table[2][IR_T_COUNT] = {
	{ [IR_T_U32] = mad24_lo_u32, [IR_T_S32] = mad24_lo_s32 },
	{ [IR_T_U32] = mad24_hi_u32, [IR_T_S32] = mad24_hi_s32 },
};

static int mode_index(const struct ir_insn *i)
{
	switch (i->mode) {
	case IR_MODE_LO: return 0;
	case IR_MODE_HI: return 1;
	case IR_MODE_WIDE: return 2;
	default: return -1;
	}
}

/* mul, mad, mul24, mad24 */
static alu_fn select_mul(const struct ir_insn *i)
{
	int mode = mode_index(i);

	if (mode < 0)
		return NULL;
	if (i->flags & IR_F_SAT) {
		if (!alu_only_flags(i, IR_F_SAT) || i->type != IR_T_S32 || mode != 1)
			return NULL;
		return i->op == IR_OP_mad ? mad_hi_sat_s32 : i->op == IR_OP_mad24 ? mad24_hi_sat_s32 : NULL;
	}
	if (i->flags)
		return NULL;
	switch (i->op) {
	case IR_OP_mul: return mul_table[mode][i->type];
	case IR_OP_mad: return mad_table[mode][i->type];
	case IR_OP_mul24: return mode < 2 ? mul24_table[mode][i->type] : NULL;
	case IR_OP_mad24: return mode < 2 ? mad24_table[mode][i->type] : NULL;
	default: return NULL;
	}
}

static alu_fn select_minmax(const struct ir_insn *i)
{
	bool is_min = i->op == IR_OP_min;

	if (i->n_src != 2)
		return NULL;
	if (!i->flags)
		return is_min ? min_table[i->type] : max_table[i->type];
	if (i->flags != IR_F_RELU)
		return NULL;
	switch (i->type) {
	case IR_T_S32: return is_min ? min_relu_s32 : max_relu_s32;
	case IR_T_S16X2: return is_min ? min_relu_s16x2 : max_relu_s16x2;
	default: return NULL;
	}
}

static alu_fn select_addsub(const struct ir_insn *i)
{
	bool is_add = i->op == IR_OP_add;

	if (i->flags == IR_F_SAT && i->type == IR_T_S32)
		return is_add ? add_sat_s32 : sub_sat_s32;
	if (i->flags)
		return NULL;
	return is_add ? add_table[i->type] : sub_table[i->type];
}

alu_fn ALU_NAME(alu_select_int)(const struct ir_insn *i)
{
	if (i->round)
		return NULL;
	switch (i->op) {
	case IR_OP_add:
	case IR_OP_sub:
		return select_addsub(i);
	case IR_OP_mul:
	case IR_OP_mad:
	case IR_OP_mul24:
	case IR_OP_mad24:
		return select_mul(i);
	case IR_OP_min:
	case IR_OP_max:
		return select_minmax(i);
	case IR_OP_sad: return i->flags ? NULL : sad_table[i->type];
	case IR_OP_div: return i->flags ? NULL : div_table[i->type];
	case IR_OP_rem: return i->flags ? NULL : rem_table[i->type];
	case IR_OP_abs: return i->flags ? NULL : abs_table[i->type];
	case IR_OP_neg: return i->flags ? NULL : neg_table[i->type];
	default: return NULL;
	}
}
