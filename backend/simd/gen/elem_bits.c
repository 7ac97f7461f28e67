/* elem_bits.c: logic, shifts and bit counts: and or xor not cnot lop3 shl shr shf popc clz brev bfind. */
#include "backend/simd/gen/elem.h"

static bool is_bit_type(unsigned t)
{
	return t == IR_T_B16 || t == IR_T_B32 || t == IR_T_B64;
}

static void emit_logic(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	val a = el_src(g, e, 0, bits);

	switch (e->i->op) {
	case IR_OP_and: e->dst[0] = x_and(g, a, el_src(g, e, 1, bits)); break;
	case IR_OP_or: e->dst[0] = x_or(g, a, el_src(g, e, 1, bits)); break;
	case IR_OP_xor: e->dst[0] = x_xor(g, a, el_src(g, e, 1, bits)); break;
	case IR_OP_not: e->dst[0] = x_not(g, a); break;
	default: e->dst[0] = gen_cut(g, x_eq(g, a, x_k(g, a, 0)), bits); break;
	}
}

/* 16-bit shifts are done in 32 bits, where the machines have them. */
static void emit_shift(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e), wide = bits == 16 ? 32 : bits;
	bool sign = e->i->op == IR_OP_shr && el_signed(e->i->type);
	val a = el_src(g, e, 0, bits), n = el_src(g, e, 1, 32), r;

	a = sign ? gen_sext(g, a, wide) : gen_cut(g, a, wide);
	if (wide == 64) {
		/* a count of 2^32 or more can't be: it is a register of 32 bits */
		n = gen_cut(g, n, 64);
	}
	r = e->i->op == IR_OP_shl ? el_shl(g, a, n) : sign ? el_ashr(g, a, n) : el_lshr(g, a, n);
	e->dst[0] = gen_cut(g, r, bits);
}

static void emit_shf(struct gen *g, struct gen_elem *e)
{
	val lo = el_src(g, e, 0, 32), hi = el_src(g, e, 1, 32), n = el_src(g, e, 2, 32);
	bool left = e->i->mode == IR_MODE_L;
	val r = gen_intrinsic3(g, left ? "llvm.fshl" : "llvm.fshr", hi, lo, n);

	if (e->i->flags & IR_F_CLAMP)
		r = x_sel(g, x_ult(g, n, x_k(g, n, 32)), r, left ? lo : hi);
	e->dst[0] = r;
}

static val leading_zeros(struct gen *g, val a)
{
	val args[] = { a, LLVMConstInt(g->i1, 0, 0) };
	LLVMTypeRef t = LLVMTypeOf(a);

	return gen_intrinsic(g, "llvm.ctlz", &t, 1, args, 2);
}

static void emit_count(struct gen *g, struct gen_elem *e)
{
	val a = el_src(g, e, 0, el_bits(e));

	if (e->i->op == IR_OP_brev)
		e->dst[0] = gen_intrinsic1(g, "llvm.bitreverse", a);
	else
		e->dst[0] = gen_cut(g, e->i->op == IR_OP_popc ? gen_intrinsic1(g, "llvm.ctpop", a) : leading_zeros(g, a), 32);
}

static void emit_bfind(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	val a = el_src(g, e, 0, bits), n;

	if (el_signed(e->i->type))
		a = x_xor(g, a, x_ashrk(g, a, bits - 1));
	n = gen_cut(g, leading_zeros(g, a), 32);
	/* none: the count is the width, and the position -1 */
	if (e->i->flags & IR_F_SHIFTAMT)
		e->dst[0] = x_sel(g, x_eq(g, a, x_k(g, a, 0)), x_k(g, n, UINT32_MAX), n);
	else
		e->dst[0] = x_sub(g, x_k(g, n, bits - 1), n);
}

/* ---- lop3 ---- */

/* A function of b and c; bit k of the table is the result for the inputs b c = k. */
static val lop2(struct gen *g, val b, val c, unsigned lut)
{
	switch (lut) {
	case 0x0: return x_k(g, b, 0);
	case 0x1: return x_not(g, x_or(g, b, c));
	case 0x2: return x_and(g, x_not(g, b), c);
	case 0x3: return x_not(g, b);
	case 0x4: return x_and(g, b, x_not(g, c));
	case 0x5: return x_not(g, c);
	case 0x6: return x_xor(g, b, c);
	case 0x7: return x_not(g, x_and(g, b, c));
	case 0x8: return x_and(g, b, c);
	case 0x9: return x_not(g, x_xor(g, b, c));
	case 0xa: return c;
	case 0xb: return x_or(g, x_not(g, b), c);
	case 0xc: return b;
	case 0xd: return x_or(g, b, x_not(g, c));
	case 0xe: return x_or(g, b, c);
	default: return x_k(g, b, UINT64_MAX);
	}
}

/* By the value of a: lo where it is 0, hi where it is 1. */
static val lop3(struct gen *g, val a, val b, val c, unsigned lut)
{
	unsigned lo = lut & 15, hi = lut >> 4 & 15;

	if (lo == hi)
		return lop2(g, b, c, lo);
	if (lo == (hi ^ 15))
		return x_xor(g, a, lop2(g, b, c, lo));
	if (lo == 0)
		return x_and(g, a, lop2(g, b, c, hi));
	if (lo == 15)
		return x_or(g, x_not(g, a), lop2(g, b, c, hi));
	if (hi == 0)
		return x_and(g, x_not(g, a), lop2(g, b, c, lo));
	if (hi == 15)
		return x_or(g, a, lop2(g, b, c, lo));
	return x_xor(g, x_and(g, a, lop2(g, b, c, lo ^ hi)), lop2(g, b, c, lo));
}

static void emit_lop3(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned lut = i->n_src > 3 && i->src[3].kind == IR_OPND_IMM ? (unsigned)i->src[3].imm & 0xff : i->extra & 0xff;
	val a = el_src(g, e, 0, 32), b = el_src(g, e, 1, 32), c = el_src(g, e, 2, 32), p;

	if (g->isa == SD_ISA_AVX512 && gen_lanes(a) == 16) {
		val args[] = { a, b, c, LLVMConstInt(g->i32, lut, 0) };

		e->dst[0] = gen_intrinsic(g, "llvm.x86.avx512.pternlog.d.512", NULL, 0, args, 4);
	} else {
		e->dst[0] = lop3(g, a, b, c, lut);
	}
	if (i->boolop) {
		p = x_ne(g, e->dst[0], x_k(g, a, 0));
		e->dst[1] = i->boolop == IR_BOOL_AND ? x_and(g, p, e->src[4]) : x_or(g, p, e->src[4]);
	}
}

static elem_fn select_shift(const struct ir_insn *i)
{
	if (i->op == IR_OP_shf)
		return (i->flags == IR_F_WRAP || i->flags == IR_F_CLAMP) && i->type == IR_T_B32 &&
		       (i->mode == IR_MODE_L || i->mode == IR_MODE_R) ? emit_shf : NULL;
	if (i->flags)
		return NULL;
	switch (i->type) {
	case IR_T_B16: case IR_T_B32: case IR_T_B64: return emit_shift;
	case IR_T_U16: case IR_T_U32: case IR_T_U64: case IR_T_S16: case IR_T_S32: case IR_T_S64:
		return i->op == IR_OP_shr ? emit_shift : NULL;
	default: return NULL;
	}
}

elem_fn elem_select_bits(const struct gen *g, const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_and: case IR_OP_or: case IR_OP_xor: case IR_OP_not:
		return !i->flags && (i->type == IR_T_PRED || is_bit_type(i->type)) ? emit_logic : NULL;
	case IR_OP_cnot:
		return !i->flags && is_bit_type(i->type) ? emit_logic : NULL;
	case IR_OP_shl: case IR_OP_shr: case IR_OP_shf:
		return select_shift(i);
	case IR_OP_popc: case IR_OP_clz: case IR_OP_brev:
		return !i->flags && (i->type == IR_T_B32 || i->type == IR_T_B64) ? emit_count : NULL;
	case IR_OP_bfind:
		return el_only(i, IR_F_SHIFTAMT) && (i->type == IR_T_U32 || i->type == IR_T_S32 || i->type == IR_T_U64 ||
		       i->type == IR_T_S64) ? emit_bfind : NULL;
	case IR_OP_lop3:
		return !i->flags && i->type == IR_T_B32 && (i->boolop == IR_BOOL_NONE || i->boolop == IR_BOOL_AND ||
		       i->boolop == IR_BOOL_OR) ? emit_lop3 : NULL;
	default:
		return NULL;
	}
}
