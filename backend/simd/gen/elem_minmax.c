/*
 * elem_minmax.c: min and max of floating-point values: -0 is below +0, one NaN
 * loses (with .NaN it wins), .ftz flushes, .xorsign.abs compares magnitudes
 * and gives the result the product's sign; f32 also of three. Flushing keeps
 * the order, so it is enough to flush the result.
 */
#include "backend/simd/gen/elem.h"

struct rule {
	bool max, nan_wins, lazy_nan;
};

static val range_part(struct gen *g, const val *v, const void *arg)
{
	const struct rule *r = arg;
	bool is64 = gen_bits(v[0]) == 64;
	val args[] = { v[0], v[1], LLVMConstInt(g->i32, r->max ? 5 : 4, 0), LLVMConstNull(LLVMTypeOf(v[0])),
		       LLVMConstAllOnes(LLVMIntTypeInContext(g->cx, is64 ? 8 : 16)), LLVMConstInt(g->i32, 4, 0) };

	return gen_intrinsic(g, is64 ? "llvm.x86.avx512.mask.range.pd.512" : "llvm.x86.avx512.mask.range.ps.512", NULL, 0, args, 6);
}

/* a where it is less (greater), else b: one instruction, also for NaN. */
static val pick(struct gen *g, val a, val b, bool max)
{
	return max ? el_fmax(g, a, b) : el_fmin(g, a, b);
}

/* Of two numbers; anything for NaN. Of equal ones with different signs bit logic takes the right zero. */
static val of_numbers(struct gen *g, val a, val b, const struct rule *r)
{
	unsigned lanes = gen_lanes(a);
	val v[] = { a, b }, m, n;

	if (g->isa == SD_ISA_AVX512 && lanes >= 16)
		return el_parts(g, gen_bits(a) == 64 ? 8 : 16, range_part, v, 2, r);
	m = gen_as_int(g, pick(g, a, b, r->max));
	n = gen_as_int(g, pick(g, b, a, r->max));
	return gen_as_float(g, r->max ? x_and(g, m, n) : x_or(g, m, n));
}

/* Is it a constant number that may stand second in a plain min or max: not NaN, nor the zero that would win wrongly? */
static bool simple_constant(val f, bool max)
{
	bool is64 = gen_bits(f) == 64;

	if (!LLVMIsConstant(f) || !el_never_nan(f))
		return false;
	for (unsigned k = 0; k < gen_lanes(f); k++) {
		val x = gen_lanes(f) > 1 ? LLVMGetAggregateElement(f, k) : f, u;
		uint64_t bits;

		u = LLVMConstBitCast(x, LLVMIntTypeInContext(LLVMGetTypeContext(LLVMTypeOf(x)), is64 ? 64 : 32));
		if (!el_const(u, &bits) || bits == (max ? UINT64_C(1) << (is64 ? 63 : 31) : 0))
			return false;
	}
	return true;
}

static val quiet_nan(struct gen *g, val u)
{
	return gen_bits(u) == 64 ? x_ork(g, u, UINT64_C(1) << 51) : x_k(g, u, 0x7fffffff);
}

/* Bits of the result. Selects on integers, lest something takes one NaN for as good as another. */
static val of_two(struct gen *g, val a, val b, const struct rule *r)
{
	val m, nan_b, ua = gen_as_int(g, a), ub = gen_as_int(g, b);

	if (!r->nan_wins && simple_constant(b, r->max))
		return gen_as_int(g, pick(g, a, b, r->max));
	if (!r->nan_wins && simple_constant(a, r->max))
		return gen_as_int(g, pick(g, b, a, r->max));
	m = gen_as_int(g, of_numbers(g, a, b, r));
	if (r->nan_wins)
		return x_sel(g, x_uno(g, a, b), quiet_nan(g, ub), m);
	nan_b = x_uno(g, b, b);
	m = x_sel(g, nan_b, ua, m);
	return x_sel(g, x_uno(g, a, a), r->lazy_nan ? ub : x_sel(g, nan_b, quiet_nan(g, ub), ub), m);
}

static void emit_float(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned bits = el_bits(e);
	uint64_t top = UINT64_C(1) << (bits - 1);
	struct rule rule = { .max = i->op == IR_OP_max, .nan_wins = i->flags & IR_F_NAN, .lazy_nan = e->lazy_nan };
	val v[3], sign, u;

	for (unsigned k = 0; k < i->n_src; k++) {
		u = el_src(g, e, k, bits);
		if ((i->flags & IR_F_FTZ) && LLVMIsConstant(u))
			u = el_flush32(g, u);
		v[k] = gen_as_float(g, i->flags & (IR_F_ABS | IR_F_XORSIGN) ? x_andk(g, u, top - 1) : u);
	}
	u = of_two(g, v[0], v[1], &rule);
	if (i->n_src == 3)
		u = of_two(g, gen_as_float(g, u), v[2], &rule);
	if (i->flags & IR_F_FTZ)
		u = el_flush32(g, u);
	if (i->flags & IR_F_XORSIGN) {
		sign = x_andk(g, x_xor(g, el_src(g, e, 0, bits), el_src(g, e, 1, bits)), top);
		u = x_sel(g, x_sgt(g, u, x_k(g, u, 0x7f800000)), u, x_or(g, u, sign));
	}
	e->dst[0] = u;
}

/* ---- halves: as 16-bit integers, whose order is that of the numbers once the magnitude of negative ones is turned over ---- */

static val order_key(struct gen *g, val h)
{
	return x_xor(g, h, x_lshrk(g, x_ashrk(g, h, 15), 1));
}

static void emit_half(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned bits = el_bits(e);
	bool bf16 = i->type == IR_T_BF16 || i->type == IR_T_BF16X2, max = i->op == IR_OP_max;
	val a = el_src(g, e, 0, bits), b = el_src(g, e, 1, bits), sign = NULL, inf, nan, a_nan, b_nan, ka, kb, m, any;

	if (bits == 32) {
		a = el_split(g, a, 16);
		b = el_split(g, b, 16);
	}
	if (i->flags & IR_F_XORSIGN)
		sign = x_andk(g, x_xor(g, a, b), 0x8000);
	if (i->flags & (IR_F_XORSIGN | IR_F_ABS)) {
		a = x_andk(g, a, 0x7fff);
		b = x_andk(g, b, 0x7fff);
	}
	if (i->flags & IR_F_FTZ) {
		a = el_flush16(g, a);
		b = el_flush16(g, b);
	}
	inf = x_k(g, a, bf16 ? 0x7f80 : 0x7c00);
	nan = x_k(g, a, 0x7fff);
	a_nan = x_sgt(g, x_andk(g, a, 0x7fff), inf);
	b_nan = x_sgt(g, x_andk(g, b, 0x7fff), inf);
	ka = order_key(g, a);
	kb = order_key(g, b);
	m = order_key(g, max ? x_smax(g, ka, kb) : x_smin(g, ka, kb));
	if (i->flags & IR_F_NAN) {
		any = x_or(g, a_nan, b_nan);
	} else {
		any = x_and(g, a_nan, b_nan);
		m = x_sel(g, b_nan, a, x_sel(g, a_nan, b, m));
	}
	if (sign)
		m = x_or(g, m, sign);
	m = x_sel(g, any, nan, m);
	e->dst[0] = bits == 32 ? el_join(g, m, 32) : m;
}

elem_fn elem_select_minmax(const struct gen *g, const struct ir_insn *i)
{
	bool xorsign = i->flags & IR_F_XORSIGN, abs = i->flags & IR_F_ABS;

	if ((i->op != IR_OP_min && i->op != IR_OP_max) || i->round || i->n_src < 2 || i->n_src > 3 ||
	    !el_only(i, IR_F_FTZ | IR_F_NAN | IR_F_XORSIGN | IR_F_ABS))
		return NULL;
	if (i->n_src == 2 ? xorsign != abs : i->type != IR_T_F32 || xorsign)
		return NULL;
	switch (i->type) {
	case IR_T_F32: return emit_float;
	case IR_T_F64: return i->flags ? NULL : emit_float;
	case IR_T_F16: case IR_T_F16X2: return emit_half;
	case IR_T_BF16: case IR_T_BF16X2: return i->flags & IR_F_FTZ ? NULL : emit_half;
	default: return NULL;
	}
}
