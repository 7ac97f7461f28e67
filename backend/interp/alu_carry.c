/*
 * alu_carry.c: extended-precision integer arithmetic: add.cc addc sub.cc subc
 * mad.cc madc, 32 and 64 bits. The condition code is a row of 0 or 1 per lane.
 * CC.CF is the carry out of the adder: a subtraction adds the complement, so
 * it leaves CF clear when it borrows, and subc takes one more away when CF is
 * clear. Chains of one kind can't tell this from the manual's words (CF is
 * the borrow); mixed ones can, and this is what ptxas makes of them.
 */
#include "backend/interp/alu_impl.h"

/* What an instruction's handler does with the carry: reads it, writes it, both. */
#define CARRY2(name, U, in, out, sum, carry) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, \
		const U a = (U)x->a[l]; const U b = (U)x->b[l]; \
		const U cf = (in) ? (U)(x->cc[l] & 1) : 0; \
		const unsigned __int128 wide = (sum); \
		(void)cf; \
		x->d[l] = (U)wide; \
		if (out) x->cc[l] = (uint64_t)(carry) & 1); \
}
#define CARRY2_SIZES(name, in, out, sum, carry) \
	CARRY2(name##_32, uint32_t, in, out, sum, carry) CARRY2(name##_64, uint64_t, in, out, sum, carry)
#define WIDE(v) ((unsigned __int128)(v))
#define CARRY_OUT (wide >> (sizeof(a) * 8))

CARRY2_SIZES(add_cc, 0, 1, WIDE(a) + b + cf, CARRY_OUT)
CARRY2_SIZES(addc, 1, 0, WIDE(a) + b + cf, CARRY_OUT)
CARRY2_SIZES(addc_cc, 1, 1, WIDE(a) + b + cf, CARRY_OUT)
CARRY2_SIZES(sub_cc, 0, 1, WIDE(a) + (__typeof__(a))~b + 1, CARRY_OUT)
CARRY2_SIZES(subc, 1, 0, WIDE(a) + (__typeof__(a))~b + cf, CARRY_OUT)
CARRY2_SIZES(subc_cc, 1, 1, WIDE(a) + (__typeof__(a))~b + cf, CARRY_OUT)

/* The named half of the product is a plain number of the type's width; the sum's carry leaves at its top. */
#define CARRY3(name, U, half, in, out) \
static void name(const struct alu_args *x) \
{ \
	ALU_LANES(x, \
		const U p = (U)(half); \
		const U c = (U)x->c[l]; \
		const U cf = (in) ? (U)(x->cc[l] & 1) : 0; \
		const unsigned __int128 wide = WIDE(p) + c + cf; \
		x->d[l] = (U)wide; \
		if (out) x->cc[l] = (uint64_t)(wide >> (sizeof(p) * 8)) & 1); \
}
#define CARRY3_KINDS(part, U, half) \
	CARRY3(mad_cc_##part, U, half, 0, 1) CARRY3(madc_##part, U, half, 1, 0) CARRY3(madc_cc_##part, U, half, 1, 1)

CARRY3_KINDS(lo_32, uint32_t, (uint32_t)x->a[l] * (uint64_t)(uint32_t)x->b[l])
CARRY3_KINDS(hi_u32, uint32_t, ((uint32_t)x->a[l] * (uint64_t)(uint32_t)x->b[l]) >> 32)
CARRY3_KINDS(hi_s32, uint32_t, ((int32_t)x->a[l] * (int64_t)(int32_t)x->b[l]) >> 32)
CARRY3_KINDS(lo_64, uint64_t, x->a[l] * x->b[l])
CARRY3_KINDS(hi_u64, uint64_t, (WIDE(x->a[l]) * x->b[l]) >> 64)
CARRY3_KINDS(hi_s64, uint64_t, ((__int128)(int64_t)x->a[l] * (int64_t)x->b[l]) >> 64)

/* kind: 0 op.cc, 1 opc, 2 opc.cc */
static alu_fn const add_fn[2][3] = { { add_cc_32, addc_32, addc_cc_32 }, { add_cc_64, addc_64, addc_cc_64 } };
static alu_fn const sub_fn[2][3] = { { sub_cc_32, subc_32, subc_cc_32 }, { sub_cc_64, subc_64, subc_cc_64 } };
static alu_fn const mad_fn[6][3] = {
	{ mad_cc_lo_32, madc_lo_32, madc_cc_lo_32 }, { mad_cc_lo_64, madc_lo_64, madc_cc_lo_64 },
	{ mad_cc_hi_u32, madc_hi_u32, madc_cc_hi_u32 }, { mad_cc_hi_u64, madc_hi_u64, madc_cc_hi_u64 },
	{ mad_cc_hi_s32, madc_hi_s32, madc_cc_hi_s32 }, { mad_cc_hi_s64, madc_hi_s64, madc_cc_hi_s64 },
};

alu_fn ALU_NAME(alu_select_carry)(const struct ir_insn *i)
{
	bool reads = i->op == IR_OP_addc || i->op == IR_OP_subc || i->op == IR_OP_madc;
	bool writes = i->flags & IR_F_CC;
	int kind = reads ? (writes ? 2 : 1) : 0;
	bool is_64, is_signed;

	if (!alu_only_flags(i, IR_F_CC) || (!reads && !writes))
		return NULL;
	switch (i->type) {
	case IR_T_U32: is_64 = false; is_signed = false; break;
	case IR_T_S32: is_64 = false; is_signed = true; break;
	case IR_T_U64: is_64 = true; is_signed = false; break;
	case IR_T_S64: is_64 = true; is_signed = true; break;
	default: return NULL;
	}
	switch (i->op) {
	case IR_OP_add:
	case IR_OP_addc:
		return add_fn[is_64][kind];
	case IR_OP_sub:
	case IR_OP_subc:
		return sub_fn[is_64][kind];
	case IR_OP_mad:
	case IR_OP_madc:
		if (i->mode == IR_MODE_LO)
			return mad_fn[is_64][kind];
		if (i->mode == IR_MODE_HI)
			return mad_fn[2 + 2 * is_signed + is_64][kind];
		return NULL;
	default:
		return NULL;
	}
}
