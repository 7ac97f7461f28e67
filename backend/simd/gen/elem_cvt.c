/* elem_cvt.c: cvt between integers, from integers to floats, and between floats; see elem_cvt_int.c, elem_cvt_packed.c. */
#include "backend/simd/gen/elem.h"

static bool is_int(unsigned t)
{
	return t == IR_T_U8 || t == IR_T_S8 || t == IR_T_U16 || t == IR_T_S16 || t == IR_T_U32 || t == IR_T_S32 ||
	       t == IR_T_U64 || t == IR_T_S64;
}

static bool is_float(unsigned t)
{
	return t == IR_T_F16 || t == IR_T_BF16 || t == IR_T_F32 || t == IR_T_F64;
}

static unsigned src_bits(const struct gen_elem *e)
{
	return ir_type_bits((enum ir_type)e->i->stype);
}

/* ---- integer to integer ---- */

static val extend(struct gen *g, val v, unsigned bits, bool sign)
{
	return sign ? gen_sext(g, v, bits) : gen_cut(g, v, bits);
}

/* Clamps to the destination's range, in the wider one of the two widths. */
static val saturate_int(struct gen *g, val v, bool ssign, unsigned dbits, bool dsign)
{
	unsigned sbits = gen_bits(v);
	uint64_t max = UINT64_MAX >> (64 - dbits) >> dsign;

	if (dbits > sbits)
		v = extend(g, v, dbits, ssign);
	if (ssign && !dsign)
		v = x_smax(g, v, x_k(g, v, 0));
	if (ssign && dsign && dbits < sbits)
		v = x_smax(g, v, x_k(g, v, ~max));
	if (dbits > sbits || (dbits == sbits && (ssign || !dsign)))
		return v;
	return ssign ? x_smin(g, v, x_k(g, v, max)) : x_umin(g, v, x_k(g, v, max));
}

static void emit_int_int(struct gen *g, struct gen_elem *e)
{
	unsigned dbits = el_bits(e);
	bool ssign = el_signed(e->i->stype);
	val v = el_src(g, e, 0, src_bits(e));

	if (e->i->flags & IR_F_SAT)
		v = saturate_int(g, v, ssign, dbits, el_signed(e->i->type));
	e->dst[0] = extend(g, v, dbits, ssign);
}

/* ---- integer to float ---- */

static val to_float(struct gen *g, val v, unsigned bits, bool sign)
{
	LLVMTypeRef t = gen_float_type(g, bits, gen_lanes(v));

	/* what is narrower than 32 bits is non-negative there, or signed */
	if (gen_bits(v) < 32)
		return LLVMBuildSIToFP(g->b, extend(g, v, 32, sign), t, "");
	return sign ? LLVMBuildSIToFP(g->b, v, t, "") : LLVMBuildUIToFP(g->b, v, t, "");
}

/* 64 bits cut to the range that no f16 can hold, and so to 32 bits; f32 holds what is left. */
static val clamp_for_f16(struct gen *g, val v, bool sign)
{
	const uint64_t limit = 1 << 20;

	if (gen_bits(v) < 32)
		return v;
	v = sign ? x_smin(g, x_smax(g, v, x_k(g, v, -limit)), x_k(g, v, limit)) : x_umin(g, v, x_k(g, v, limit));
	return gen_cut(g, v, 32);
}

static void emit_int_float(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool sign = el_signed(i->stype), sat = i->flags & IR_F_SAT;
	val v = el_src(g, e, 0, src_bits(e)), f;

	switch (i->type) {
	case IR_T_F64:
		f = to_float(g, v, 64, sign);
		break;
	case IR_T_F32:
		f = i->round == IR_RND_RN || src_bits(e) < 32 ? to_float(g, v, 32, sign) :
		    el_f32_of_f64(g, to_float(g, v, 64, sign), i->round);
		break;
	case IR_T_F16:
		f = to_float(g, clamp_for_f16(g, v, sign), 32, sign);
		break;
	default:
		f = src_bits(e) < 32 ? to_float(g, v, 32, sign) : el_f32_odd_of_f64(g, to_float(g, v, 64, sign));
		break;
	}
	if (sat)
		f = el_saturate(g, f);
	if (i->type == IR_T_F16)
		e->dst[0] = el_f16_of_f32(g, f, i->round, false);
	else if (i->type == IR_T_BF16)
		e->dst[0] = el_bf16_of_f32(g, f, i->round, false);
	else
		e->dst[0] = gen_as_int(g, f);
}

/* Without means for 64-bit integers but to nearest in f32 and f64. */
static elem_fn select_int_float(const struct gen *g, const struct ir_insn *i)
{
	bool nearest = i->round == IR_RND_RN, wide = ir_type_bits((enum ir_type)i->stype) == 64;

	if (i->round < IR_RND_RN || i->round > IR_RND_RP || !el_only(i, IR_F_SAT | IR_F_FTZ))
		return NULL;
	if (i->type == IR_T_F16)
		return el_f16_rounds(g, i->round) ? emit_int_float : NULL;
	return wide && (!nearest || i->type == IR_T_BF16) ? NULL : emit_int_float;
}

/* ---- float to float ---- */

static bool is_integral(const struct ir_insn *i)
{
	return i->round >= IR_RND_RNI;
}

static val integral(struct gen *g, val f, unsigned round)
{
	switch (round) {
	case IR_RND_RNI: return gen_intrinsic1(g, "llvm.roundeven", f);
	case IR_RND_RMI: return gen_intrinsic1(g, "llvm.floor", f);
	case IR_RND_RPI: return gen_intrinsic1(g, "llvm.ceil", f);
	default: return gen_intrinsic1(g, "llvm.trunc", f);
	}
}

/* The source as f32 (exact), or f64 when it is one. */
static val load_float(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	val u = el_src(g, e, 0, src_bits(e));
	/* f16 results are not the place of .ftz: subnormal f32 sources count there */
	bool flush = (i->flags & IR_F_FTZ) && i->stype == IR_T_F32 && i->type != IR_T_F16;

	switch (i->stype) {
	case IR_T_F16: return el_f32_of_f16(g, u);
	case IR_T_BF16: return el_f32_of_bf16(g, u);
	case IR_T_F32: return gen_as_float(g, flush ? el_flush32(g, u) : u);
	default: return gen_as_float(g, u);
	}
}

static val relu(struct gen *g, val f)
{
	val zero = el_fk(g, f, 0.0);

	return x_sel(g, x_fgt(g, f, zero), f, x_sel(g, x_uno(g, f, f), f, zero));
}

/* Overflow to the largest number: clamped before it rounds; NaN passes. */
static val clamp_finite(struct gen *g, val f, double max)
{
	val hi = el_fk(g, f, max), lo = el_fk(g, f, -max);

	return el_fmax(g, lo, el_fmin(g, hi, f));
}

static void emit_to_half(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool f16 = i->type == IR_T_F16, wide = i->stype == IR_T_F64, canonical = !wide && !e->lazy_nan;
	val f = load_float(g, e);

	if (is_integral(i))
		f = integral(g, f, i->round);
	if (i->flags & IR_F_RELU)
		f = relu(g, f);
	if (wide) {
		/* what is finite must not be beyond f32, which would be an infinity before it rounds */
		val inf = gen_as_float(g, x_k(g, gen_as_int(g, f), UINT64_C(0x7ff) << 52));
		val is_inf = x_or(g, x_feq(g, f, inf), x_feq(g, f, x_fneg(g, inf)));

		f = el_f32_odd_of_f64(g, x_sel(g, is_inf, f, clamp_finite(g, f, 0x1.fffffep127)));
	}
	if (i->flags & IR_F_SATFINITE)
		f = clamp_finite(g, f, f16 ? 65504.0 : 0x1.fep127);
	if (i->flags & IR_F_SAT)
		f = el_saturate(g, f);
	e->dst[0] = f16 ? el_f16_of_f32(g, f, is_integral(i) ? IR_RND_RN : i->round, canonical) :
			  el_bf16_of_f32(g, f, is_integral(i) ? IR_RND_RN : i->round, canonical);
}

static void emit_to_f32(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool ftz = i->flags & IR_F_FTZ, wide = i->stype == IR_T_F64;
	val u = el_src(g, e, 0, src_bits(e)), f, mag;

	if (i->stype == IR_T_F32 && !ftz && !is_integral(i) && !(i->flags & IR_F_SAT)) {
		e->dst[0] = u;
		return;
	}
	f = load_float(g, e);
	if (is_integral(i))
		f = integral(g, f, i->round);
	else if (wide)
		f = el_f32_of_f64(g, f, i->round);
	if (wide && ftz && !g->ftz) {
		/* tiny after rounding to 24 bits: below 2^-126 (1 - 2^-25) */
		mag = x_andk(g, u, INT64_MAX);
		u = gen_as_int(g, f);
		u = x_sel(g, x_slt(g, mag, x_k(g, mag, UINT64_C(0x380ffffff0000000))), x_andk(g, u, 0x80000000u), u);
		f = gen_as_float(g, u);
	}
	if (i->flags & IR_F_SAT)
		e->dst[0] = gen_as_int(g, el_saturate(g, f));
	else if (wide || (i->stype == IR_T_BF16 && !is_integral(i)))
		e->dst[0] = gen_as_int(g, f);            /* NaN keeps its bits */
	else
		e->dst[0] = el_f32_out(g, e, f);
}

static void emit_to_f64(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool ftz = i->flags & IR_F_FTZ;
	val u = el_src(g, e, 0, src_bits(e)), f;

	if (i->stype == IR_T_F64 && !is_integral(i) && !(i->flags & IR_F_SAT)) {
		e->dst[0] = u;
		return;
	}
	f = load_float(g, e);
	/* flushing makes NaN canonical first */
	if (ftz && i->stype == IR_T_F32)
		f = gen_as_float(g, el_f32_out(g, e, f));
	if (i->stype != IR_T_F64)
		f = el_fpext(g, f);
	if (is_integral(i))
		f = integral(g, f, i->round);
	e->dst[0] = gen_as_int(g, i->flags & IR_F_SAT ? el_saturate(g, f) : f);
}

static bool float_float_has(const struct gen *g, const struct ir_insn *i)
{
	bool half = i->type == IR_T_F16 || i->type == IR_T_BF16, ftz = i->flags & IR_F_FTZ;

	if (is_integral(i))
		return el_only(i, IR_F_SAT | IR_F_FTZ) && i->type == i->stype && (!ftz || i->type == IR_T_F32);
	if (i->round > IR_RND_RP || !el_only(i, IR_F_SAT | IR_F_FTZ | IR_F_RELU | IR_F_SATFINITE))
		return false;
	if ((i->flags & (IR_F_RELU | IR_F_SATFINITE)) && (!half || i->stype == IR_T_F64))
		return false;
	if (ftz && (i->type == IR_T_BF16 || (i->stype == IR_T_BF16 && (i->flags & IR_F_SAT))))
		return false;
	/* flushed, a directed rounding asks for more care than it is worth */
	return i->type != IR_T_F32 || i->stype != IR_T_F64 || !ftz || i->round <= IR_RND_RN;
}

static elem_fn select_float_float(const struct gen *g, const struct ir_insn *i)
{
	if (!float_float_has(g, i))
		return NULL;
	switch (i->type) {
	case IR_T_F64: return emit_to_f64;
	case IR_T_F32: return emit_to_f32;
	case IR_T_F16: return is_integral(i) || el_f16_rounds(g, i->round) ? emit_to_half : NULL;
	default: return emit_to_half;
	}
}

elem_fn elem_select_cvt(const struct gen *g, const struct ir_insn *i)
{
	if (i->op != IR_OP_cvt || i->n_src != 1 || i->mode != IR_MODE_NONE)
		return NULL;
	if (is_int(i->type) && is_int(i->stype))
		return !i->round && el_only(i, IR_F_SAT) ? emit_int_int : NULL;
	if (is_float(i->type) && is_int(i->stype))
		return select_int_float(g, i);
	if (is_float(i->type) && is_float(i->stype))
		return select_float_float(g, i);
	return NULL;
}
