/* elem_cmp.c: comparisons: setp, set, testp. */
#include "backend/simd/gen/elem.h"

enum kind { KIND_NONE, KIND_BITS, KIND_UINT, KIND_SINT, KIND_FLOAT };

static bool is_packed(unsigned t)
{
	return t == IR_T_F16X2 || t == IR_T_BF16X2;
}

static enum kind kind_of(unsigned type)
{
	switch (type) {
	case IR_T_B16: case IR_T_B32: case IR_T_B64: return KIND_BITS;
	case IR_T_U16: case IR_T_U32: case IR_T_U64: return KIND_UINT;
	case IR_T_S16: case IR_T_S32: case IR_T_S64: return KIND_SINT;
	case IR_T_F16: case IR_T_F16X2: case IR_T_BF16: case IR_T_BF16X2: case IR_T_F32: case IR_T_F64: return KIND_FLOAT;
	default: return KIND_NONE;
	}
}

static const uint8_t signed_pred[] = {
	[IR_CMP_EQ] = LLVMIntEQ, [IR_CMP_NE] = LLVMIntNE, [IR_CMP_LT] = LLVMIntSLT, [IR_CMP_LE] = LLVMIntSLE,
	[IR_CMP_GT] = LLVMIntSGT, [IR_CMP_GE] = LLVMIntSGE, [IR_CMP_NAN] = 0 };
static const uint8_t unsigned_pred[] = {
	[IR_CMP_EQ] = LLVMIntEQ, [IR_CMP_NE] = LLVMIntNE, [IR_CMP_LT] = LLVMIntULT, [IR_CMP_LE] = LLVMIntULE,
	[IR_CMP_GT] = LLVMIntUGT, [IR_CMP_GE] = LLVMIntUGE, [IR_CMP_LO] = LLVMIntULT, [IR_CMP_LS] = LLVMIntULE,
	[IR_CMP_HI] = LLVMIntUGT, [IR_CMP_HS] = LLVMIntUGE, [IR_CMP_NAN] = 0 };
static const uint8_t float_pred[] = {
	[IR_CMP_EQ] = LLVMRealOEQ, [IR_CMP_NE] = LLVMRealONE, [IR_CMP_LT] = LLVMRealOLT, [IR_CMP_LE] = LLVMRealOLE,
	[IR_CMP_GT] = LLVMRealOGT, [IR_CMP_GE] = LLVMRealOGE, [IR_CMP_EQU] = LLVMRealUEQ, [IR_CMP_NEU] = LLVMRealUNE,
	[IR_CMP_LTU] = LLVMRealULT, [IR_CMP_LEU] = LLVMRealULE, [IR_CMP_GTU] = LLVMRealUGT, [IR_CMP_GEU] = LLVMRealUGE,
	[IR_CMP_NUM] = LLVMRealORD, [IR_CMP_NAN] = LLVMRealUNO };

/* The predicate of a comparison; 0: the type has none such. */
static unsigned predicate(unsigned type, unsigned cmp)
{
	if (cmp > IR_CMP_NAN)
		return 0;
	switch (kind_of(type)) {
	case KIND_BITS: return cmp == IR_CMP_EQ || cmp == IR_CMP_NE ? signed_pred[cmp] : 0;
	case KIND_UINT: return unsigned_pred[cmp];
	case KIND_SINT: return signed_pred[cmp];
	case KIND_FLOAT: return float_pred[cmp];
	default: return 0;
	}
}

static bool can_compare(unsigned type, unsigned cmp, uint32_t flags)
{
	bool may_flush = type == IR_T_F32 || type == IR_T_F16 || type == IR_T_F16X2;

	return predicate(type, cmp) && !(flags & ~(uint32_t)(may_flush ? IR_F_FTZ : 0));
}

static val as_comparable_float(struct gen *g, val v, unsigned type, bool ftz)
{
	switch (type) {
	case IR_T_F32:
		/* LLVM compares bits with those of zero, though it was told that subnormals count as such */
		return ftz && g->ftz ? el_opaque(g, gen_as_float(g, el_flush_operand(g, v))) :
		       gen_as_float(g, ftz ? el_flush32(g, v) : v);
	case IR_T_F16: case IR_T_F16X2: return el_f32_of_f16(g, ftz ? el_flush16(g, v) : v);
	case IR_T_BF16: case IR_T_BF16X2: return el_f32_of_bf16(g, v);
	default: return gen_as_float(g, v);
	}
}

/* Half: 0, or 1 for the upper elements of packed operands. */
static val compare(struct gen *g, struct gen_elem *e, unsigned type, unsigned half)
{
	unsigned bits = ir_type_bits((enum ir_type)type), pred = predicate(type, e->i->cmp);
	bool ftz = e->i->flags & IR_F_FTZ;
	val a = el_src(g, e, 0, bits), b = el_src(g, e, 1, bits);

	if (is_packed(type)) {
		a = gen_cut(g, half ? x_lshrk(g, a, 16) : a, 16);
		b = gen_cut(g, half ? x_lshrk(g, b, 16) : b, 16);
	}
	if (kind_of(type) != KIND_FLOAT)
		return LLVMBuildICmp(g->b, (LLVMIntPredicate)pred, a, b, "");
	return LLVMBuildFCmp(g->b, (LLVMRealPredicate)pred, as_comparable_float(g, a, type, ftz),
			     as_comparable_float(g, b, type, ftz), "");
}

static val combine(struct gen *g, struct gen_elem *e, val t)
{
	switch (e->i->boolop) {
	case IR_BOOL_AND: return x_and(g, t, e->src[2]);
	case IR_BOOL_OR: return x_or(g, t, e->src[2]);
	case IR_BOOL_XOR: return x_xor(g, t, e->src[2]);
	default: return t;
	}
}

/* p = t op c, q = !t op c; of packed operands p and q are the halves' */
static void emit_setp(struct gen *g, struct gen_elem *e)
{
	val t = compare(g, e, e->i->type, 0);

	e->dst[0] = combine(g, e, t);
	if (is_packed(e->i->type))
		e->dst[1] = combine(g, e, compare(g, e, e->i->type, 1));
	else if (e->i->n_dst > 1)
		e->dst[1] = combine(g, e, x_not(g, t));
}

/* What set writes for true, by destination type (one element). */
static uint32_t set_true(unsigned type)
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

static void emit_set(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool packed = is_packed(i->stype);
	unsigned bits = el_bits(e);
	uint32_t one = packed && !is_packed(i->type) ? UINT16_MAX : set_true(i->type);
	val r = x_and(g, x_mask(g, combine(g, e, compare(g, e, i->stype, 0)), bits), gen_const(g, e->src[0], bits, one));

	if (packed)
		r = x_or(g, r, x_and(g, x_mask(g, combine(g, e, compare(g, e, i->stype, 1)), bits),
				     gen_const(g, e->src[0], bits, (uint64_t)one << 16)));
	e->dst[0] = r;
}

static bool set_types_fit(const struct ir_insn *i)
{
	switch (i->stype) {
	case IR_T_F16X2: return i->type == IR_T_F16X2 || i->type == IR_T_U32 || i->type == IR_T_S32;
	case IR_T_BF16X2: return i->type == IR_T_BF16X2 || i->type == IR_T_U32 || i->type == IR_T_S32;
	default: return !is_packed(i->type) && set_true(i->type);
	}
}

/* testp: by the magnitude's bits; zero counts as normal */
static void emit_testp(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	val mag = x_andk(g, el_src(g, e, 0, bits), UINT64_MAX >> (65 - bits));
	val inf = x_k(g, mag, bits == 32 ? 0x7f800000u : UINT64_C(0x7ff) << 52);
	val least = x_k(g, mag, bits == 32 ? 0x800000u : UINT64_C(1) << 52), zero = x_k(g, mag, 0), r;

	switch (e->i->mode) {
	case IR_MODE_FINITE: r = x_slt(g, mag, inf); break;
	case IR_MODE_INFINITE: r = x_eq(g, mag, inf); break;
	case IR_MODE_NUMBER: r = x_not(g, x_sgt(g, mag, inf)); break;
	case IR_MODE_NOTANUMBER: r = x_sgt(g, mag, inf); break;
	case IR_MODE_NORMAL:
		r = x_or(g, x_and(g, x_slt(g, mag, inf), x_not(g, x_slt(g, mag, least))), x_eq(g, mag, zero));
		break;
	default: r = x_and(g, x_slt(g, mag, least), x_ne(g, mag, zero)); break;
	}
	e->dst[0] = r;
}

elem_fn elem_select_cmp(const struct gen *g, const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_setp:
		return can_compare(i->type, i->cmp, i->flags) && i->boolop <= IR_BOOL_XOR ? emit_setp : NULL;
	case IR_OP_set:
		return can_compare(i->stype, i->cmp, i->flags) && i->boolop <= IR_BOOL_XOR && set_types_fit(i) ? emit_set : NULL;
	case IR_OP_testp:
		return !i->flags && i->mode >= IR_MODE_FINITE && i->mode <= IR_MODE_SUBNORMAL &&
		       (i->type == IR_T_F32 || i->type == IR_T_F64) ? emit_testp : NULL;
	default:
		return NULL;
	}
}
