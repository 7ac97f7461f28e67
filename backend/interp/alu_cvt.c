/*
 * alu_cvt.c: cvt between scalars: integers, f16, bf16, f32, f64. The everyday
 * conversions have loops of their own; all others go through alu_small.c.
 * Packed and narrow formats are in alu_cvt_packed.c.
 */
#include "backend/interp/alu_half.h"
#include "backend/interp/alu_small.h"

/* integer to integer: extend the source by its sign, cut to the destination's width */
#define CVT_INT_ROW(s, S) \
	ALU_FN(int_##s##_8, (uint8_t)(S)ALU_A) ALU_FN(int_##s##_16, (uint16_t)(S)ALU_A) \
	ALU_FN(int_##s##_32, (uint32_t)(S)ALU_A) ALU_FN(int_##s##_64, (uint64_t)(S)ALU_A) \
	ALU_FN(rn_f32_##s, bits_of_f32((float)(S)ALU_A)) ALU_FN(rn_f64_##s, bits_of_f64((double)(S)ALU_A))
CVT_INT_ROW(u8, uint8_t)
CVT_INT_ROW(s8, int8_t)
CVT_INT_ROW(u16, uint16_t)
CVT_INT_ROW(s16, int16_t)
CVT_INT_ROW(u32, uint32_t)
CVT_INT_ROW(s32, int32_t)
CVT_INT_ROW(u64, uint64_t)
CVT_INT_ROW(s64, int64_t)

struct from_int {
	alu_fn w8, w16, w32, w64, f32, f64;
};

#define FROM_INT(s) { int_##s##_8, int_##s##_16, int_##s##_32, int_##s##_64, rn_f32_##s, rn_f64_##s }
static const struct from_int from_int[IR_T_COUNT] = {
	[IR_T_U8] = FROM_INT(u8), [IR_T_S8] = FROM_INT(s8), [IR_T_U16] = FROM_INT(u16), [IR_T_S16] = FROM_INT(s16),
	[IR_T_U32] = FROM_INT(u32), [IR_T_S32] = FROM_INT(s32), [IR_T_U64] = FROM_INT(u64), [IR_T_S64] = FROM_INT(s64),
};

static bool is_int(unsigned t)
{
	return t < IR_T_COUNT && from_int[t].w8;
}

static bool is_float(unsigned t)
{
	return t == IR_T_F16 || t == IR_T_BF16 || t == IR_T_F32 || t == IR_T_F64;
}

static bool is_signed(unsigned t)
{
	return ALU_NAME(alu_type_class)(t) == IR_TC_SINT;
}

/* A source cell as a 64-bit integer, extended by its type. */
static inline uint64_t load_int(uint64_t v, unsigned bits, bool sign)
{
	const unsigned up = 64 - bits;

	return sign ? (uint64_t)((int64_t)(v << up) >> up) : v << up >> up;
}

/* cvt.sat between integers */
static void int_sat(const struct alu_args *x)
{
	const unsigned sbits = ALU_NAME(alu_type_bits)(x->insn->stype), dbits = ALU_NAME(alu_type_bits)(x->insn->type);
	const bool ssign = is_signed(x->insn->stype), dsign = is_signed(x->insn->type);
	const struct fp_rule exact = { .round = IR_RND_RZ };

	ALU_LANES(x, x->d[l] = ALU_NAME(fp_to_int)(ALU_NAME(fp_from_int)(load_int(x->a[l], sbits, ssign), ssign),
						  exact.round, dbits, dsign, 0));
}

/* float to f32, f64 */
#define F32_ROW(name, load, ftz) \
	ALU_FN(name, f32_out(load, ftz, false))
F32_ROW(f32_of_f16_row, f32_of_f16(ALU_A), false)
ALU_FN(f32_of_bf16_row, (ALU_A & 0xffffu) << 16)
ALU_FN(copy_f32, (uint32_t)ALU_A)
ALU_FN(copy_f64, ALU_A)

/* Between f32 and f64 a NaN keeps its sign and the upper part of its fraction. */
static inline uint64_t f64_of_f32_bits(uint32_t u)
{
	return f32_is_nan(u) ? (uint64_t)(u & 0x80000000u) << 32 | UINT64_C(0x7ff8) << 48 | (uint64_t)(u & 0x7fffffu) << 29 :
	       bits_of_f64((double)f32_of(u));
}

static inline uint32_t f32_of_f64_bits(uint64_t v, bool ftz)
{
	const uint32_t nan = (uint32_t)(v >> 32 & 0x80000000u) | 0x7fc00000u | (uint32_t)(v >> 29 & 0x7fffffu);
	const double d = f64_of(v);
	/* tiny after rounding to 24 bits: below 2^-126 (1 - 2^-25) */
	const bool tiny = ftz && (v & INT64_MAX) < UINT64_C(0x380ffffff0000000);
	const uint32_t u = bits_of_f32((float)d);

	return d != d ? nan : tiny ? u & 0x80000000u : u;
}

ALU_FN(f32_of_f64_row, f32_of_f64_bits(ALU_A, false))
ALU_FN(f32_of_f64_row_ftz, f32_of_f64_bits(ALU_A, true))
ALU_FN(f64_of_f32_row, f64_of_f32_bits((uint32_t)ALU_A))
/* flushing makes NaN canonical first */
ALU_FN(f64_of_f32_row_ftz, f64_of_f32_bits(f32_is_nan(ALU_A) ? F32_NAN : f32_flush((uint32_t)ALU_A)))
ALU_FN(f16_of_f32_row, f16_of_f32(f32_of(ALU_A)))
ALU_FN(bf16_of_f32_row, bf16_of_f32(f32_of(ALU_A)))

/* float to an integral float of the same type */
#define INTEGRAL(name, op) \
	ALU_FN(name##_f32, f32_out(op##f(f32_of(ALU_A)), false, false)) \
	ALU_FN(name##_f32_ftz, f32_out(op##f(f32_in(ALU_A, true)), false, false)) \
	ALU_FN(name##_f64, f64_out1(op(f64_of(ALU_A)), ALU_A))
INTEGRAL(rni, __builtin_rint)
INTEGRAL(rzi, __builtin_trunc)
INTEGRAL(rmi, __builtin_floor)
INTEGRAL(rpi, __builtin_ceil)

/*
 * float to integer: round, then clamp; the comparisons are done on the
 * rounded value, where the bounds are exact.
 */
static inline uint64_t s32_of(double r, uint64_t nan)
{
	const double c = r > 2147483647.0 ? 2147483647.0 : r < -2147483648.0 ? -2147483648.0 : r;

	return r != r ? nan : (uint32_t)(int32_t)c;
}

static inline uint64_t u32_of(double r, uint64_t nan)
{
	const double c = r > 4294967295.0 ? 4294967295.0 : r < 0.0 ? 0.0 : r;

	return r != r ? nan : (uint32_t)(int64_t)c;
}

static inline uint64_t s64_of(double r, uint64_t nan)
{
	const bool in = r >= -0x1p63 && r < 0x1p63;
	const int64_t v = (int64_t)(in ? r : 0.0);

	return in ? (uint64_t)v : r != r ? nan : r > 0.0 ? (uint64_t)INT64_MAX : (uint64_t)INT64_MIN;
}

static inline uint64_t u64_of(double r, uint64_t nan)
{
	const bool in = r >= 0.0 && r < 0x1p64;
	const uint64_t v = (uint64_t)(in ? r : 0.0);

	return in ? v : r != r ? nan : r > 0.0 ? UINT64_MAX : 0;
}

/* What NaN becomes: 0, but for f64 sources and 64-bit results the integer with only its top bit set. */
static uint64_t nan_as_int(unsigned stype, unsigned dbits)
{
	return stype == IR_T_F64 || dbits == 64 ? UINT64_C(1) << (dbits - 1) : 0;
}

#define TOP32 UINT64_C(0x80000000)
#define TOP64 (UINT64_C(1) << 63)
#define TO_INT(rnd, op) \
	ALU_FN(rnd##_s32_f32, s32_of((double)op##f(f32_of(ALU_A)), 0)) ALU_FN(rnd##_s32_f64, s32_of(op(f64_of(ALU_A)), TOP32)) \
	ALU_FN(rnd##_u32_f32, u32_of((double)op##f(f32_of(ALU_A)), 0)) ALU_FN(rnd##_u32_f64, u32_of(op(f64_of(ALU_A)), TOP32)) \
	ALU_FN(rnd##_s64_f32, s64_of((double)op##f(f32_of(ALU_A)), TOP64)) ALU_FN(rnd##_s64_f64, s64_of(op(f64_of(ALU_A)), TOP64)) \
	ALU_FN(rnd##_u64_f32, u64_of((double)op##f(f32_of(ALU_A)), TOP64)) ALU_FN(rnd##_u64_f64, u64_of(op(f64_of(ALU_A)), TOP64)) \
	static alu_fn const rnd##_int[2][4] = { \
		{ rnd##_s32_f32, rnd##_u32_f32, rnd##_s64_f32, rnd##_u64_f32 }, \
		{ rnd##_s32_f64, rnd##_u32_f64, rnd##_s64_f64, rnd##_u64_f64 } };
TO_INT(rni, __builtin_rint)
TO_INT(rzi, __builtin_trunc)
TO_INT(rmi, __builtin_floor)
TO_INT(rpi, __builtin_ceil)

/* the general ways, by the instruction's fields */
static uint64_t flushed(uint64_t v, unsigned stype, bool ftz)
{
	return ftz && stype == IR_T_F32 ? f32_flush((uint32_t)v) : v;
}

static void float_to_int(const struct alu_args *x)
{
	const struct ir_insn *i = x->insn;
	const struct fp_format *f = ALU_NAME(fp_format_of)(i->stype);
	const unsigned dbits = ALU_NAME(alu_type_bits)(i->type);
	const bool sign = is_signed(i->type), ftz = i->flags & IR_F_FTZ;
	const uint64_t nan = nan_as_int(i->stype, dbits);

	ALU_LANES(x, x->d[l] = ALU_NAME(fp_to_int)(ALU_NAME(fp_unpack)(flushed(x->a[l], i->stype, ftz), f),
						  i->round, dbits, sign, nan));
}

static struct fp_rule rule_of(const struct ir_insn *i)
{
	return (struct fp_rule){
		.round = i->round, .satfinite = i->flags & IR_F_SATFINITE, .sat = i->flags & IR_F_SAT,
		.relu = i->flags & IR_F_RELU, .ftz = (i->flags & IR_F_FTZ) && i->type == IR_T_F32,
		.nan_passes = i->type == IR_T_F64 || i->stype == IR_T_F64,
	};
}

static void int_to_float(const struct alu_args *x)
{
	const struct ir_insn *i = x->insn;
	const struct fp_format *f = ALU_NAME(fp_format_of)(i->type);
	const struct fp_rule r = rule_of(i);
	const unsigned sbits = ALU_NAME(alu_type_bits)(i->stype);
	const bool sign = is_signed(i->stype);

	ALU_LANES(x, x->d[l] = ALU_NAME(fp_pack)(ALU_NAME(fp_from_int)(load_int(x->a[l], sbits, sign), sign), f, &r));
}

static void float_to_float(const struct alu_args *x)
{
	const struct ir_insn *i = x->insn;
	const struct fp_format *from = ALU_NAME(fp_format_of)(i->stype), *to = ALU_NAME(fp_format_of)(i->type);
	const struct fp_rule r = rule_of(i);
	/* f16 results are not the place of .ftz: subnormal f32 sources count there */
	const bool integral = i->round >= IR_RND_RNI, ftz = (i->flags & IR_F_FTZ) && i->type != IR_T_F16;

	ALU_LANES(x, struct fp_value v = ALU_NAME(fp_unpack)(flushed(x->a[l], i->stype, ftz), from);
		if (integral) v = ALU_NAME(fp_integral)(v, i->round);
		x->d[l] = ALU_NAME(fp_pack)(v, to, &r));
}

static alu_fn select_int_to_int(const struct ir_insn *i)
{
	const struct from_int *row = &from_int[i->stype];

	if (i->round || !alu_only_flags(i, IR_F_SAT))
		return NULL;
	if (i->flags & IR_F_SAT)
		return int_sat;
	switch (ALU_NAME(alu_type_bits)(i->type)) {
	case 8: return row->w8;
	case 16: return row->w16;
	case 32: return row->w32;
	default: return row->w64;
	}
}

static alu_fn select_int_to_float(const struct ir_insn *i)
{
	if (i->round < IR_RND_RN || i->round > IR_RND_RP || !alu_only_flags(i, IR_F_SAT | IR_F_FTZ))
		return NULL;
	if (i->round == IR_RND_RN && !(i->flags & IR_F_SAT)) {
		if (i->type == IR_T_F32)
			return from_int[i->stype].f32;
		if (i->type == IR_T_F64)
			return from_int[i->stype].f64;
	}
	return int_to_float;
}

static alu_fn select_float_to_int(const struct ir_insn *i)
{
	bool same_with_ftz = i->round == IR_RND_RNI || i->round == IR_RND_RZI;
	int to = i->type == IR_T_S32 ? 0 : i->type == IR_T_U32 ? 1 : i->type == IR_T_S64 ? 2 : i->type == IR_T_U64 ? 3 : -1;
	bool wide = i->stype == IR_T_F64;

	if (i->round < IR_RND_RNI || !alu_only_flags(i, IR_F_SAT | IR_F_FTZ))
		return NULL;
	if (to < 0 || (!wide && i->stype != IR_T_F32) || ((i->flags & IR_F_FTZ) && !same_with_ftz))
		return float_to_int;
	switch (i->round) {
	case IR_RND_RNI: return rni_int[wide][to];
	case IR_RND_RZI: return rzi_int[wide][to];
	case IR_RND_RMI: return rmi_int[wide][to];
	default: return rpi_int[wide][to];
	}
}

static alu_fn select_integral(const struct ir_insn *i)
{
	bool ftz = i->flags & IR_F_FTZ;

	if (!alu_only_flags(i, IR_F_SAT | IR_F_FTZ))
		return NULL;
	if (i->type != i->stype || (i->flags & IR_F_SAT) || (i->type != IR_T_F32 && i->type != IR_T_F64))
		return float_to_float;
	if (i->type == IR_T_F64 && ftz)
		return NULL;
	switch (i->round) {
	case IR_RND_RNI: return i->type == IR_T_F64 ? rni_f64 : ftz ? rni_f32_ftz : rni_f32;
	case IR_RND_RZI: return i->type == IR_T_F64 ? rzi_f64 : ftz ? rzi_f32_ftz : rzi_f32;
	case IR_RND_RMI: return i->type == IR_T_F64 ? rmi_f64 : ftz ? rmi_f32_ftz : rmi_f32;
	default: return i->type == IR_T_F64 ? rpi_f64 : ftz ? rpi_f32_ftz : rpi_f32;
	}
}

/* The conversions with a loop of their own: nothing but .ftz, to nearest or exact. */
static alu_fn select_plain_float(const struct ir_insn *i)
{
	bool ftz = i->flags & IR_F_FTZ, rn = i->round == IR_RND_RN;

	if (i->type == IR_T_F32 && i->stype == IR_T_F16)
		return f32_of_f16_row;
	if (i->type == IR_T_F32 && i->stype == IR_T_BF16)
		return f32_of_bf16_row;
	if (i->type == i->stype && i->type == IR_T_F32 && !ftz)
		return copy_f32;
	if (i->type == i->stype && i->type == IR_T_F64)
		return copy_f64;
	if (i->type == IR_T_F64 && i->stype == IR_T_F32)
		return ftz ? f64_of_f32_row_ftz : f64_of_f32_row;
	if (!rn)
		return NULL;
	if (i->type == IR_T_F32 && i->stype == IR_T_F64)
		return ftz ? f32_of_f64_row_ftz : f32_of_f64_row;
	if (i->type == IR_T_F16 && i->stype == IR_T_F32)
		return f16_of_f32_row;
	if (i->type == IR_T_BF16 && i->stype == IR_T_F32)
		return ftz ? NULL : bf16_of_f32_row;
	return NULL;
}

static alu_fn select_float_to_float(const struct ir_insn *i)
{
	alu_fn plain;

	if (i->round >= IR_RND_RNI)
		return select_integral(i);
	if (i->round > IR_RND_RP || !alu_only_flags(i, IR_F_SAT | IR_F_FTZ | IR_F_RELU | IR_F_SATFINITE))
		return NULL;
	if ((i->flags & (IR_F_RELU | IR_F_SATFINITE)) && i->type != IR_T_F16 && i->type != IR_T_BF16)
		return NULL;
	plain = alu_only_flags(i, IR_F_FTZ) ? select_plain_float(i) : NULL;
	return plain ? plain : float_to_float;
}

alu_fn ALU_NAME(alu_select_cvt)(const struct ir_insn *i)
{
	if (i->op != IR_OP_cvt || i->n_src != 1 || i->mode != IR_MODE_NONE)
		return NULL;
	if (is_int(i->type) && is_int(i->stype))
		return select_int_to_int(i);
	if (is_float(i->type) && is_int(i->stype))
		return select_int_to_float(i);
	if (is_int(i->type) && is_float(i->stype))
		return select_float_to_int(i);
	if (is_float(i->type) && is_float(i->stype))
		return select_float_to_float(i);
	return NULL;
}
