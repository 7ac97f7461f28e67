/*
 * alu_dot.c: dp4a and dp2a: sums of products of bytes (and halves), each
 * operand signed or unsigned on its own, added to a 32-bit accumulator that
 * wraps.
 */
#include "backend/interp/alu_impl.h"

#define BYTE(T, v, k) ((int32_t)(T)((v) >> (8 * (k))))
#define HALF(T, v, k) ((int32_t)(T)((v) >> (16 * (k))))

#define DP4A(name, TA, TB) \
ALU_FN(name, (uint32_t)((uint32_t)ALU_C + \
	(uint32_t)(BYTE(TA, ALU_A, 0) * BYTE(TB, ALU_B, 0)) + (uint32_t)(BYTE(TA, ALU_A, 1) * BYTE(TB, ALU_B, 1)) + \
	(uint32_t)(BYTE(TA, ALU_A, 2) * BYTE(TB, ALU_B, 2)) + (uint32_t)(BYTE(TA, ALU_A, 3) * BYTE(TB, ALU_B, 3))))
DP4A(dp4a_uu, uint8_t, uint8_t)
DP4A(dp4a_us, uint8_t, int8_t)
DP4A(dp4a_su, int8_t, uint8_t)
DP4A(dp4a_ss, int8_t, int8_t)

/* first: 0 for the low two bytes of b, 2 for the high ones */
#define DP2A(name, TA, TB, first) \
ALU_FN(name, (uint32_t)((uint32_t)ALU_C + \
	(uint32_t)(HALF(TA, ALU_A, 0) * BYTE(TB, ALU_B, first)) + (uint32_t)(HALF(TA, ALU_A, 1) * BYTE(TB, ALU_B, (first) + 1))))
DP2A(dp2a_lo_uu, uint16_t, uint8_t, 0)
DP2A(dp2a_lo_us, uint16_t, int8_t, 0)
DP2A(dp2a_lo_su, int16_t, uint8_t, 0)
DP2A(dp2a_lo_ss, int16_t, int8_t, 0)
DP2A(dp2a_hi_uu, uint16_t, uint8_t, 2)
DP2A(dp2a_hi_us, uint16_t, int8_t, 2)
DP2A(dp2a_hi_su, int16_t, uint8_t, 2)
DP2A(dp2a_hi_ss, int16_t, int8_t, 2)

/* by signedness of a, then of b */
static alu_fn const dp4a_fn[2][2] = { { dp4a_uu, dp4a_us }, { dp4a_su, dp4a_ss } };
static alu_fn const dp2a_fn[2][2][2] = {
	{ { dp2a_lo_uu, dp2a_lo_us }, { dp2a_lo_su, dp2a_lo_ss } },
	{ { dp2a_hi_uu, dp2a_hi_us }, { dp2a_hi_su, dp2a_hi_ss } },
};

alu_fn ALU_NAME(alu_select_dot)(const struct ir_insn *i)
{
	bool sa = i->type == IR_T_S32, sb = i->stype == IR_T_S32;

	if ((i->op != IR_OP_dp4a && i->op != IR_OP_dp2a) || i->flags || (!sa && i->type != IR_T_U32) ||
	    (!sb && i->stype != IR_T_U32))
		return NULL;
	if (i->op == IR_OP_dp4a)
		return dp4a_fn[sa][sb];
	if (i->mode != IR_MODE_LO && i->mode != IR_MODE_HI)
		return NULL;
	return dp2a_fn[i->mode == IR_MODE_HI][sa][sb];
}
