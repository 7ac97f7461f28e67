/*
 * alu_bits.c: logic, shifts, bit fields and selection: and or xor not cnot
 * shl shr shf lop3 prmt popc clz bfind fns brev bfe bfi bmsk szext slct selp
 * and mov between registers.
 */
#include "backend/interp/alu_fp.h"

/* logic: the upper bits of a cell are zero in the sources, so one handler serves every width but not */
ALU_FN(and_any, ALU_A & ALU_B)
ALU_FN(or_any, ALU_A | ALU_B)
ALU_FN(xor_any, ALU_A ^ ALU_B)
ALU_FN(and_16, (uint16_t)(ALU_A & ALU_B))
ALU_FN(or_16, (uint16_t)(ALU_A | ALU_B))
ALU_FN(xor_16, (uint16_t)(ALU_A ^ ALU_B))
ALU_FN(and_32, (uint32_t)(ALU_A & ALU_B))
ALU_FN(or_32, (uint32_t)(ALU_A | ALU_B))
ALU_FN(xor_32, (uint32_t)(ALU_A ^ ALU_B))
ALU_FN(and_pred, (ALU_A & ALU_B) & 1)
ALU_FN(or_pred, (ALU_A | ALU_B) & 1)
ALU_FN(xor_pred, (ALU_A ^ ALU_B) & 1)
ALU_FN(not_pred, ~ALU_A & 1)
ALU_FN(not_16, (uint16_t)~ALU_A)
ALU_FN(not_32, (uint32_t)~ALU_A)
ALU_FN(not_64, ~ALU_A)
ALU_FN(cnot_16, (uint16_t)ALU_A == 0)
ALU_FN(cnot_32, (uint32_t)ALU_A == 0)
ALU_FN(cnot_64, ALU_A == 0)

/* Shift counts are u32 and clamp at the width. */
#define COUNT ((uint32_t)ALU_B)
ALU_FN(shl_16, COUNT < 16 ? (uint16_t)(ALU_A << COUNT) : 0)
ALU_FN(shl_32, COUNT < 32 ? (uint32_t)(ALU_A << COUNT) : 0)
ALU_FN(shl_64, COUNT < 64 ? ALU_A << (COUNT & 63) : 0)
ALU_FN(shr_u16, COUNT < 16 ? (uint16_t)ALU_A >> COUNT : 0)
ALU_FN(shr_u32, COUNT < 32 ? (uint32_t)ALU_A >> (COUNT & 31) : 0)
ALU_FN(shr_u64, COUNT < 64 ? ALU_A >> (COUNT & 63) : 0)
ALU_FN(shr_s16, (uint16_t)((int16_t)ALU_A >> (COUNT < 16 ? COUNT : 15)))
ALU_FN(shr_s32, (uint32_t)((int32_t)ALU_A >> (COUNT < 32 ? COUNT : 31)))
ALU_FN(shr_s64, (uint64_t)((int64_t)ALU_A >> (COUNT < 64 ? COUNT : 63)))

/* Funnel shift of the 64 bits b:a. */
#define PAIR (ALU_B << 32 | (uint32_t)ALU_A)
#define WRAP_C ((uint32_t)ALU_C & 31)
#define CLAMP_C ((uint32_t)ALU_C < 32 ? (uint32_t)ALU_C : 32)
ALU_FN(shf_l_wrap, (PAIR << WRAP_C) >> 32)
ALU_FN(shf_l_clamp, (PAIR << CLAMP_C) >> 32)
ALU_FN(shf_r_wrap, (uint32_t)(PAIR >> WRAP_C))
ALU_FN(shf_r_clamp, (uint32_t)(PAIR >> CLAMP_C))

/* counting and finding */
static inline uint32_t msb_or_none(uint64_t v)
{
	return v ? 63u - (uint32_t)__builtin_clzll(v) : UINT32_MAX;
}

static inline uint32_t shiftamt(uint64_t v, uint32_t top)
{
	return v ? top - msb_or_none(v) : UINT32_MAX;
}

/* A signed value's most significant non-sign bit. */
static inline uint64_t s32_fold(uint64_t v)
{
	return (uint32_t)v ^ (uint32_t)((int32_t)v >> 31);
}

static inline uint64_t s64_fold(uint64_t v)
{
	return v ^ (uint64_t)((int64_t)v >> 63);
}

ALU_FN(popc_32, (uint64_t)__builtin_popcount((uint32_t)ALU_A))
ALU_FN(popc_64, (uint64_t)__builtin_popcountll(ALU_A))
ALU_FN(clz_32, (uint32_t)ALU_A ? (uint64_t)__builtin_clz((uint32_t)ALU_A) : 32)
ALU_FN(clz_64, ALU_A ? (uint64_t)__builtin_clzll(ALU_A) : 64)
ALU_FN(bfind_u32, msb_or_none((uint32_t)ALU_A))
ALU_FN(bfind_u64, msb_or_none(ALU_A))
ALU_FN(bfind_s32, msb_or_none(s32_fold(ALU_A)))
ALU_FN(bfind_s64, msb_or_none(s64_fold(ALU_A)))
ALU_FN(bfind_sh_u32, shiftamt((uint32_t)ALU_A, 31))
ALU_FN(bfind_sh_u64, shiftamt(ALU_A, 63))
ALU_FN(bfind_sh_s32, shiftamt(s32_fold(ALU_A), 31))
ALU_FN(bfind_sh_s64, shiftamt(s64_fold(ALU_A), 63))

static inline uint64_t brev64(uint64_t v)
{
	v = __builtin_bswap64(v);
	v = (v >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (v & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
	v = (v >> 2 & UINT64_C(0x3333333333333333)) | (v & UINT64_C(0x3333333333333333)) << 2;
	return (v >> 1 & UINT64_C(0x5555555555555555)) | (v & UINT64_C(0x5555555555555555)) << 1;
}

ALU_FN(brev_32, brev64(ALU_A) >> 32)
ALU_FN(brev_64, brev64(ALU_A))

/* fns: the |offset|-th set bit of mask from base upwards or downwards; offset 0: base itself if set. */
static uint32_t fns(uint32_t mask, uint32_t base, int32_t offset)
{
	int64_t count = offset < 0 ? -(int64_t)offset : offset;

	if (offset == INT32_MIN)        /* its magnitude does not fit: 0 on the hardware */
		return 0;
	if (base > 31)
		return UINT32_MAX;
	if (offset == 0)
		return mask >> base & 1 ? base : UINT32_MAX;
	for (int pos = (int)base; pos >= 0 && pos < 32; pos += offset > 0 ? 1 : -1)
		if ((mask >> pos & 1) && --count == 0)
			return (uint32_t)pos;
	return UINT32_MAX;
}

ALU_FN(fns_b32, fns((uint32_t)ALU_A, (uint32_t)ALU_B, (int32_t)ALU_C))

/*
 * bit fields: PTX allows position and length up to 255. Beyond, 32-bit fields
 * take the low byte, and 64-bit ones clamp, as on the hardware.
 */
static inline uint64_t low_mask(uint32_t n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

static inline uint64_t bfe(uint64_t a, uint32_t pos, uint32_t len, uint32_t width, bool is_signed)
{
	uint32_t top = pos + len - 1 < width - 1 ? pos + len - 1 : width - 1;
	uint32_t have = pos >= width ? 0 : len < width - pos ? len : width - pos;
	uint64_t field = pos >= width ? 0 : a >> pos & low_mask(have);

	if (is_signed && len && (a >> top & 1))
		field |= ~low_mask(have);
	return field & low_mask(width);
}

static inline uint64_t bfi(uint64_t a, uint64_t b, uint32_t pos, uint32_t len, uint32_t width)
{
	uint64_t field = pos >= width ? 0 : (low_mask(len) << pos) & low_mask(width);

	return (b & ~field) | ((pos >= width ? 0 : a << pos) & field);
}

#define BYTE_B ((uint32_t)ALU_B & 0xff)
#define BYTE_C ((uint32_t)ALU_C & 0xff)
#define BYTE_E ((uint32_t)ALU_E & 0xff)
#define CLAMP(v) ((uint32_t)(v) < 255 ? (uint32_t)(v) : 255)
ALU_FN(bfe_u32, bfe((uint32_t)ALU_A, BYTE_B, BYTE_C, 32, false))
ALU_FN(bfe_s32, bfe((uint32_t)ALU_A, BYTE_B, BYTE_C, 32, true))
ALU_FN(bfe_u64, bfe(ALU_A, CLAMP(ALU_B), CLAMP(ALU_C), 64, false))
ALU_FN(bfe_s64, bfe(ALU_A, CLAMP(ALU_B), CLAMP(ALU_C), 64, true))
ALU_FN(bfi_b32, bfi((uint32_t)ALU_A, (uint32_t)ALU_B, BYTE_C, BYTE_E, 32))
ALU_FN(bfi_b64, bfi(ALU_A, ALU_B, CLAMP(ALU_C), CLAMP(ALU_E), 64))

/* bmsk: ones from bit a on, b of them; clamp: too big a or b reach to the top */
static inline uint32_t bmsk(uint32_t a, uint32_t b)
{
	uint64_t end = (uint64_t)a + b;

	return a > 31 ? 0 : (uint32_t)(low_mask(end < 32 ? (uint32_t)end : 32) & ~low_mask(a));
}

ALU_FN(bmsk_clamp, bmsk((uint32_t)ALU_A, (uint32_t)ALU_B))
ALU_FN(bmsk_wrap, bmsk((uint32_t)ALU_A & 31, (uint32_t)ALU_B & 31))

/* szext: the low n bits, sign- or zero-extended */
static inline uint32_t zext(uint32_t a, uint32_t n)
{
	return a & (uint32_t)low_mask(n < 32 ? n : 32);
}

static inline uint32_t sext(uint32_t a, uint32_t n)
{
	if (n == 0 || n > 31)
		return n ? a : 0;
	return (uint32_t)((int32_t)(a << (32 - n)) >> (32 - n));
}

ALU_FN(szext_clamp_u32, zext((uint32_t)ALU_A, (uint32_t)ALU_B))
ALU_FN(szext_clamp_s32, sext((uint32_t)ALU_A, (uint32_t)ALU_B))
ALU_FN(szext_wrap_u32, zext((uint32_t)ALU_A, (uint32_t)ALU_B & 31))
ALU_FN(szext_wrap_s32, sext((uint32_t)ALU_A, (uint32_t)ALU_B & 31))

/* lop3: bit i of the table is the result for the inputs a b c = i */
static inline uint32_t lop3(uint32_t a, uint32_t b, uint32_t c, uint32_t lut)
{
	uint32_t r = 0;

	for (unsigned k = 0; k < 8; k++)
		if (lut >> k & 1)
			r |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
	return r;
}

/* The table is the fourth operand as well as a field of its own. */
static uint32_t lop3_lut(const struct ir_insn *i)
{
	return i->n_src > 3 && i->src[3].kind == IR_OPND_IMM ? (uint32_t)i->src[3].imm & 0xff : i->extra & 0xff;
}

static void lop3_row(const struct alu_args *x, uint64_t *d)
{
	const uint32_t lut = lop3_lut(x->insn);

	ALU_LANES(x, d[l] = lop3((uint32_t)x->a[l], (uint32_t)x->b[l], (uint32_t)x->c[l], lut));
}

static void lop3_b32(const struct alu_args *x)
{
	lop3_row(x, x->d);
}

/* lop3.BoolOp d|p, a, b, c, lut, q: p = (d != 0) BoolOp q; d may be the sink */
static void lop3_bool(const struct alu_args *x)
{
	const bool is_and = x->insn->boolop == IR_BOOL_AND;
	uint64_t t[WARP];

	lop3_row(x, t);
	ALU_LANES(x, const uint64_t p = t[l] != 0; const uint64_t q = x->e[l] & 1;
		if (x->d) x->d[l] = t[l]; if (x->d2) x->d2[l] = is_and ? p & q : p | q);
}

/* prmt: four bytes picked from the eight of b:a */
static inline uint32_t prmt(uint64_t pair, uint32_t sel)
{
	uint32_t r = 0;

	for (unsigned k = 0; k < 4; k++) {
		uint32_t s = sel >> (4 * k) & 15;
		uint32_t byte = (uint32_t)(pair >> (8 * (s & 7))) & 0xff;

		if (s & 8)
			byte = byte & 0x80 ? 0xff : 0;
		r |= byte << (8 * k);
	}
	return r;
}

/* Selectors of the named modes, by the low two bits of c. */
static uint32_t prmt_selector(unsigned mode, uint32_t c)
{
	static const uint16_t sel[6][4] = {
		{ 0x3210, 0x4321, 0x5432, 0x6543 }, /* f4e */
		{ 0x5670, 0x6701, 0x7012, 0x0123 }, /* b4e */
		{ 0x0000, 0x1111, 0x2222, 0x3333 }, /* rc8 */
		{ 0x3210, 0x3211, 0x3222, 0x3333 }, /* ecl */
		{ 0x0000, 0x1110, 0x2210, 0x3210 }, /* ecr */
		{ 0x1010, 0x3232, 0x1010, 0x3232 }, /* rc16 */
	};

	return sel[mode - IR_MODE_F4E][c & 3];
}

ALU_FN(prmt_b32, prmt(PAIR, (uint32_t)ALU_C))
ALU_FN(prmt_mode, prmt(PAIR, prmt_selector(x->insn->mode, (uint32_t)ALU_C)))

/* selection and copies */
ALU_FN(selp_16, (uint16_t)(ALU_C & 1 ? ALU_A : ALU_B))
ALU_FN(selp_32, (uint32_t)(ALU_C & 1 ? ALU_A : ALU_B))
ALU_FN(selp_64, ALU_C & 1 ? ALU_A : ALU_B)
ALU_FN(slct_s32, (int32_t)ALU_C >= 0 ? ALU_A : ALU_B)
ALU_FN(slct_f32, f32_of(ALU_C) >= 0.0f ? ALU_A : ALU_B)
ALU_FN(slct_f32_ftz, f32_in(ALU_C, true) >= 0.0f ? ALU_A : ALU_B)
ALU_FN(mov_pred, ALU_A & 1)
ALU_FN(mov_8, (uint8_t)ALU_A)
ALU_FN(mov_16, (uint16_t)ALU_A)
ALU_FN(mov_32, (uint32_t)ALU_A)
ALU_FN(mov_64, ALU_A)

static void slct_narrow(const struct alu_args *x)
{
	const unsigned bits = ALU_NAME(alu_type_bits)(x->insn->type);
	const uint64_t keep = low_mask(bits);
	const bool is_f32 = x->insn->stype == IR_T_F32;
	const bool ftz = x->insn->flags & IR_F_FTZ;

	ALU_LANES(x, const bool first = is_f32 ? f32_in(x->c[l], ftz) >= 0.0f : (int32_t)x->c[l] >= 0;
		x->d[l] = (first ? x->a[l] : x->b[l]) & keep);
}

/* One of three handlers by width; NULL for other widths. */
static alu_fn by_width(const struct ir_insn *i, alu_fn w16, alu_fn w32, alu_fn w64)
{
	switch (ALU_NAME(alu_type_bits)(i->type)) {
	case 16: return w16;
	case 32: return w32;
	case 64: return w64;
	default: return NULL;
	}
}

static bool is_bit_type(unsigned t)
{
	return t == IR_T_B16 || t == IR_T_B32 || t == IR_T_B64;
}

static alu_fn select_logic(const struct ir_insn *i)
{
	bool pred = i->type == IR_T_PRED;

	if (i->flags || (!pred && !is_bit_type(i->type)))
		return NULL;
	switch (i->op) {
	case IR_OP_and: return pred ? and_pred : by_width(i, and_16, and_32, and_any);
	case IR_OP_or: return pred ? or_pred : by_width(i, or_16, or_32, or_any);
	case IR_OP_xor: return pred ? xor_pred : by_width(i, xor_16, xor_32, xor_any);
	case IR_OP_not: return pred ? not_pred : by_width(i, not_16, not_32, not_64);
	case IR_OP_cnot: return pred ? NULL : by_width(i, cnot_16, cnot_32, cnot_64);
	default: return NULL;
	}
}

static alu_fn select_shift(const struct ir_insn *i)
{
	bool wrap = i->flags & IR_F_WRAP;

	if (i->op == IR_OP_shf) {
		if ((i->flags != IR_F_WRAP && i->flags != IR_F_CLAMP) || i->type != IR_T_B32)
			return NULL;
		if (i->mode == IR_MODE_L)
			return wrap ? shf_l_wrap : shf_l_clamp;
		return i->mode == IR_MODE_R ? (wrap ? shf_r_wrap : shf_r_clamp) : NULL;
	}
	if (i->flags)
		return NULL;
	if (i->op == IR_OP_shl)
		return is_bit_type(i->type) ? by_width(i, shl_16, shl_32, shl_64) : NULL;
	switch (i->type) {
	case IR_T_S16: return shr_s16;
	case IR_T_S32: return shr_s32;
	case IR_T_S64: return shr_s64;
	case IR_T_B16:
	case IR_T_U16: return shr_u16;
	case IR_T_B32:
	case IR_T_U32: return shr_u32;
	case IR_T_B64:
	case IR_T_U64: return shr_u64;
	default: return NULL;
	}
}

static alu_fn select_bfind(const struct ir_insn *i)
{
	bool sh = i->flags & IR_F_SHIFTAMT;

	if (!alu_only_flags(i, IR_F_SHIFTAMT))
		return NULL;
	switch (i->type) {
	case IR_T_U32: return sh ? bfind_sh_u32 : bfind_u32;
	case IR_T_S32: return sh ? bfind_sh_s32 : bfind_s32;
	case IR_T_U64: return sh ? bfind_sh_u64 : bfind_u64;
	case IR_T_S64: return sh ? bfind_sh_s64 : bfind_s64;
	default: return NULL;
	}
}

static alu_fn select_field(const struct ir_insn *i)
{
	bool wrap = i->flags & IR_F_WRAP;

	switch (i->op) {
	case IR_OP_bfe:
		if (i->flags)
			return NULL;
		return i->type == IR_T_U32 ? bfe_u32 : i->type == IR_T_S32 ? bfe_s32 :
		       i->type == IR_T_U64 ? bfe_u64 : i->type == IR_T_S64 ? bfe_s64 : NULL;
	case IR_OP_bfi:
		if (i->flags || !is_bit_type(i->type))
			return NULL;
		return by_width(i, NULL, bfi_b32, bfi_b64);
	case IR_OP_bmsk:
	case IR_OP_szext:
		if (i->flags != IR_F_WRAP && i->flags != IR_F_CLAMP)
			return NULL;
		if (i->op == IR_OP_bmsk)
			return i->type == IR_T_B32 ? (wrap ? bmsk_wrap : bmsk_clamp) : NULL;
		if (i->type == IR_T_U32)
			return wrap ? szext_wrap_u32 : szext_clamp_u32;
		return i->type == IR_T_S32 ? (wrap ? szext_wrap_s32 : szext_clamp_s32) : NULL;
	default:
		return NULL;
	}
}

static alu_fn select_pick(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_prmt:
		if (i->flags || i->type != IR_T_B32)
			return NULL;
		if (i->mode == IR_MODE_NONE)
			return prmt_b32;
		return i->mode >= IR_MODE_F4E && i->mode <= IR_MODE_RC16 ? prmt_mode : NULL;
	case IR_OP_selp:
		return i->flags || i->type == IR_T_PRED ? NULL : by_width(i, selp_16, selp_32, selp_64);
	case IR_OP_slct:
		if (!alu_only_flags(i, i->stype == IR_T_F32 ? IR_F_FTZ : 0) ||
		    (i->stype != IR_T_S32 && i->stype != IR_T_F32))
			return NULL;
		if (i->stype == IR_T_S32)
			return by_width(i, slct_narrow, slct_narrow, slct_s32);
		return by_width(i, slct_narrow, slct_narrow, i->flags ? slct_f32_ftz : slct_f32);
	case IR_OP_mov:
		if (i->flags || i->n_src != 1 || i->n_dst != 1 || i->src[0].kind == IR_OPND_VEC ||
		    i->dst[0].kind == IR_OPND_VEC)
			return NULL;
		if (i->type == IR_T_PRED)
			return mov_pred;
		return ALU_NAME(alu_type_bits)(i->type) == 8 ? mov_8 : by_width(i, mov_16, mov_32, mov_64);
	default:
		return NULL;
	}
}

static alu_fn select_lop3(const struct ir_insn *i)
{
	if (i->flags || i->type != IR_T_B32)
		return NULL;
	switch (i->boolop) {
	case IR_BOOL_NONE: return lop3_b32;
	case IR_BOOL_AND:
	case IR_BOOL_OR: return lop3_bool;
	default: return NULL;
	}
}

alu_fn ALU_NAME(alu_select_bits)(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_and: case IR_OP_or: case IR_OP_xor: case IR_OP_not: case IR_OP_cnot:
		return select_logic(i);
	case IR_OP_shl: case IR_OP_shr: case IR_OP_shf:
		return select_shift(i);
	case IR_OP_bfe: case IR_OP_bfi: case IR_OP_bmsk: case IR_OP_szext:
		return select_field(i);
	case IR_OP_prmt: case IR_OP_selp: case IR_OP_slct: case IR_OP_mov:
		return select_pick(i);
	case IR_OP_lop3:
		return select_lop3(i);
	case IR_OP_bfind:
		return select_bfind(i);
	case IR_OP_popc:
		return i->flags ? NULL : i->type == IR_T_B32 ? popc_32 : i->type == IR_T_B64 ? popc_64 : NULL;
	case IR_OP_clz:
		return i->flags ? NULL : i->type == IR_T_B32 ? clz_32 : i->type == IR_T_B64 ? clz_64 : NULL;
	case IR_OP_brev:
		return i->flags ? NULL : i->type == IR_T_B32 ? brev_32 : i->type == IR_T_B64 ? brev_64 : NULL;
	case IR_OP_fns:
		return i->flags || i->type != IR_T_B32 ? NULL : fns_b32;
	default:
		return NULL;
	}
}
