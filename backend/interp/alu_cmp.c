/*
 * alu_cmp.c: comparisons: setp, set, testp. One handler per type and operator
 * writes 0 or 1; the forms with a combining predicate, a second result or a
 * value as result (set) are built on it.
 */
#include "backend/interp/alu_half.h"

#define INT_CMP(name, T, U) \
	ALU_T2(eq_##name, T, U, a == b) ALU_T2(ne_##name, T, U, a != b) ALU_T2(lt_##name, T, U, a < b) \
	ALU_T2(le_##name, T, U, a <= b) ALU_T2(gt_##name, T, U, a > b) ALU_T2(ge_##name, T, U, a >= b)
INT_CMP(u16, uint16_t, uint16_t)
INT_CMP(s16, int16_t, uint16_t)
INT_CMP(u32, uint32_t, uint32_t)
INT_CMP(s32, int32_t, uint32_t)
INT_CMP(u64, uint64_t, uint64_t)
INT_CMP(s64, int64_t, uint64_t)

#define FLOAT_CMP1(name, F, load, ...) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, const F a = load(x->a[l]); const F b = load(x->b[l]); x->d[l] = (__VA_ARGS__)); \
}
#define FLOAT_CMP(name, F, load) \
	FLOAT_CMP1(eq_##name, F, load, a == b) FLOAT_CMP1(ne_##name, F, load, a < b || a > b) \
	FLOAT_CMP1(lt_##name, F, load, a < b) FLOAT_CMP1(le_##name, F, load, a <= b) \
	FLOAT_CMP1(gt_##name, F, load, a > b) FLOAT_CMP1(ge_##name, F, load, a >= b) \
	FLOAT_CMP1(equ_##name, F, load, !(a < b || a > b)) FLOAT_CMP1(neu_##name, F, load, a != b) \
	FLOAT_CMP1(ltu_##name, F, load, !(a >= b)) FLOAT_CMP1(leu_##name, F, load, !(a > b)) \
	FLOAT_CMP1(gtu_##name, F, load, !(a <= b)) FLOAT_CMP1(geu_##name, F, load, !(a < b)) \
	FLOAT_CMP1(num_##name, F, load, a == a && b == b) FLOAT_CMP1(nan_##name, F, load, a != a || b != b)

#define LOAD_F32_FTZ(v) f32_in(v, true)
#define LOAD_F16_FTZ(v) f32_of_f16(f16_flush((uint32_t)(v) & 0xffffu))
FLOAT_CMP(f32, float, f32_of)
FLOAT_CMP(f32_ftz, float, LOAD_F32_FTZ)
FLOAT_CMP(f64, double, f64_of)
FLOAT_CMP(f16, float, f32_of_f16)
FLOAT_CMP(f16_ftz, float, LOAD_F16_FTZ)
FLOAT_CMP(bf16, float, f32_of_bf16)

#define SIGNED_ROW(n) { [IR_CMP_EQ] = eq_##n, [IR_CMP_NE] = ne_##n, [IR_CMP_LT] = lt_##n, \
	[IR_CMP_LE] = le_##n, [IR_CMP_GT] = gt_##n, [IR_CMP_GE] = ge_##n }
#define UNSIGNED_ROW(n) { [IR_CMP_EQ] = eq_##n, [IR_CMP_NE] = ne_##n, [IR_CMP_LT] = lt_##n, \
	[IR_CMP_LE] = le_##n, [IR_CMP_GT] = gt_##n, [IR_CMP_GE] = ge_##n, \
	[IR_CMP_LO] = lt_##n, [IR_CMP_LS] = le_##n, [IR_CMP_HI] = gt_##n, [IR_CMP_HS] = ge_##n }
#define BITS_ROW(n) { [IR_CMP_EQ] = eq_##n, [IR_CMP_NE] = ne_##n }
#define FLOAT_ROW(n) { [IR_CMP_EQ] = eq_##n, [IR_CMP_NE] = ne_##n, [IR_CMP_LT] = lt_##n, \
	[IR_CMP_LE] = le_##n, [IR_CMP_GT] = gt_##n, [IR_CMP_GE] = ge_##n, \
	[IR_CMP_EQU] = equ_##n, [IR_CMP_NEU] = neu_##n, [IR_CMP_LTU] = ltu_##n, [IR_CMP_LEU] = leu_##n, \
	[IR_CMP_GTU] = gtu_##n, [IR_CMP_GEU] = geu_##n, [IR_CMP_NUM] = num_##n, [IR_CMP_NAN] = nan_##n }

static alu_fn const cmp_fn[IR_T_COUNT][IR_CMP_NAN + 1] = {
	[IR_T_B16] = BITS_ROW(u16), [IR_T_B32] = BITS_ROW(u32), [IR_T_B64] = BITS_ROW(u64),
	[IR_T_U16] = UNSIGNED_ROW(u16), [IR_T_U32] = UNSIGNED_ROW(u32), [IR_T_U64] = UNSIGNED_ROW(u64),
	[IR_T_S16] = SIGNED_ROW(s16), [IR_T_S32] = SIGNED_ROW(s32), [IR_T_S64] = SIGNED_ROW(s64),
	[IR_T_F32] = FLOAT_ROW(f32), [IR_T_F64] = FLOAT_ROW(f64), [IR_T_F16] = FLOAT_ROW(f16),
	[IR_T_BF16] = FLOAT_ROW(bf16),
};
static alu_fn const cmp_f32_ftz[] = FLOAT_ROW(f32_ftz);
static alu_fn const cmp_f16_ftz[] = FLOAT_ROW(f16_ftz);

/* The comparison of one element of the type (packed types: of one half). */
static alu_fn find_cmp(unsigned type, unsigned cmp, uint32_t flags)
{
	bool ftz = flags & IR_F_FTZ;

	if (type == IR_T_F16X2)
		type = IR_T_F16;
	if (type == IR_T_BF16X2)
		type = IR_T_BF16;
	if (cmp > IR_CMP_NAN || type >= IR_T_COUNT || (flags & ~(uint32_t)IR_F_FTZ))
		return NULL;
	if (!ftz)
		return cmp_fn[type][cmp];
	return type == IR_T_F32 ? cmp_f32_ftz[cmp] : type == IR_T_F16 ? cmp_f16_ftz[cmp] : NULL;
}

static inline uint64_t combine(unsigned boolop, uint64_t t, uint64_t c)
{
	switch (boolop) {
	case IR_BOOL_AND: return t & c;
	case IR_BOOL_OR: return t | c;
	case IR_BOOL_XOR: return t ^ c;
	default: return t;
	}
}

static bool is_packed(unsigned t)
{
	return t == IR_T_F16X2 || t == IR_T_BF16X2;
}

/* Compares a and b into t; the upper halves instead when upper. */
static void compare(const struct alu_args *x, unsigned type, uint64_t *t, bool upper)
{
	struct alu_args y = *x;
	uint64_t a[WARP], b[WARP];

	y.d = t;
	if (upper) {
		ALU_LANES(x, a[l] = x->a[l] >> 16; b[l] = x->b[l] >> 16);
		y.a = a;
		y.b = b;
	}
	find_cmp(type, x->insn->cmp, x->insn->flags)(&y);
}

/* setp with a second result or a combining predicate: p = t op c, q = !t op c; packed: p, q of the halves */
static void setp_general(const struct alu_args *x)
{
	const struct ir_insn *i = x->insn;
	uint64_t t[WARP], u[WARP];

	compare(x, i->type, t, false);
	if (is_packed(i->type))
		compare(x, i->type, u, true);
	else
		ALU_LANES(x, u[l] = !t[l]);
	ALU_LANES(x, const uint64_t c = i->boolop ? x->c[l] & 1 : 0;
		if (x->d) x->d[l] = combine(i->boolop, t[l], c);
		if (x->d2) x->d2[l] = combine(i->boolop, u[l], c));
}

/* What set writes for true, by destination type (one element). */
static uint64_t set_true(unsigned type)
{
	switch (type) {
	case IR_T_U32: case IR_T_S32: return UINT32_MAX;
	case IR_T_U16: case IR_T_S16: return UINT16_MAX;
	case IR_T_F32: return 0x3f800000u;
	case IR_T_F16: case IR_T_F16X2: return 0x3c00u;
	case IR_T_BF16: case IR_T_BF16X2: return 0x3f80u;
	default: return 0;
	}
}

static void set_any(const struct alu_args *x)
{
	const struct ir_insn *i = x->insn;
	const bool packed = is_packed(i->stype);
	const uint64_t one = packed && !is_packed(i->type) ? UINT16_MAX : set_true(i->type);
	uint64_t t[WARP], u[WARP];

	compare(x, i->stype, t, false);
	if (packed)
		compare(x, i->stype, u, true);
	ALU_LANES(x, const uint64_t c = i->boolop ? x->c[l] & 1 : 0;
		uint64_t r = combine(i->boolop, t[l], c) ? one : 0;
		if (packed) r |= (combine(i->boolop, u[l], c) ? one : 0) << 16;
		x->d[l] = r);
}

static bool set_types_fit(const struct ir_insn *i)
{
	switch (i->stype) {
	case IR_T_F16X2:
		return i->type == IR_T_F16X2 || i->type == IR_T_U32 || i->type == IR_T_S32;
	case IR_T_BF16X2:
		return i->type == IR_T_BF16X2 || i->type == IR_T_U32 || i->type == IR_T_S32;
	default:
		return !is_packed(i->type) && set_true(i->type);
	}
}

/* testp: zero counts as normal */
static inline uint64_t testp(uint64_t exp, uint64_t frac, uint64_t exp_max, unsigned mode)
{
	switch (mode) {
	case IR_MODE_FINITE: return exp != exp_max;
	case IR_MODE_INFINITE: return exp == exp_max && !frac;
	case IR_MODE_NUMBER: return exp != exp_max || !frac;
	case IR_MODE_NOTANUMBER: return exp == exp_max && frac;
	case IR_MODE_NORMAL: return exp != exp_max && (exp || !frac);
	default: return !exp && frac;
	}
}

ALU_FN(testp_f32, testp(ALU_A >> 23 & 0xff, ALU_A & 0x7fffffu, 0xff, x->insn->mode))
ALU_FN(testp_f64, testp(ALU_A >> 52 & 0x7ff, ALU_A & ((UINT64_C(1) << 52) - 1), 0x7ff, x->insn->mode))

alu_fn ALU_NAME(alu_select_cmp)(const struct ir_insn *i)
{
	alu_fn plain;

	switch (i->op) {
	case IR_OP_setp:
		plain = find_cmp(i->type, i->cmp, i->flags);
		if (!plain || i->boolop > IR_BOOL_XOR)
			return NULL;
		return i->boolop || i->n_dst > 1 || is_packed(i->type) || i->dst[0].kind == IR_OPND_SINK ?
		       setp_general : plain;
	case IR_OP_set:
		plain = find_cmp(i->stype, i->cmp, i->flags);
		return plain && i->boolop <= IR_BOOL_XOR && set_types_fit(i) ? set_any : NULL;
	case IR_OP_testp:
		if (i->flags || i->mode < IR_MODE_FINITE || i->mode > IR_MODE_SUBNORMAL)
			return NULL;
		return i->type == IR_T_F32 ? testp_f32 : i->type == IR_T_F64 ? testp_f64 : NULL;
	default:
		return NULL;
	}
}
