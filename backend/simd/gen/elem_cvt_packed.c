/*
 * elem_cvt_packed.c: cvt to and from packed and narrow formats: f16x2, bf16x2,
 * tf32, the 8-, 6- and 4-bit floats, ue8m0, and cvt.pack. Of two sources the
 * first becomes the upper element.
 */
#include <math.h>

#include "backend/simd/gen/elem.h"

static bool is_half_pair(unsigned t)
{
	return t == IR_T_F16X2 || t == IR_T_BF16X2;
}

static val relu(struct gen *g, val f)
{
	val zero = el_fk(g, f, 0.0);

	return x_sel(g, x_fgt(g, f, zero), f, x_sel(g, x_uno(g, f, f), f, zero));
}

static val clamp_finite(struct gen *g, val f, double max)
{
	val hi = el_fk(g, f, max), lo = el_fk(g, f, -max);

	return el_fmax(g, lo, el_fmin(g, hi, f));
}

/* Two vectors of n elements of so many bits, high ones above low ones, as n of twice the width. */
static val pack_pair(struct gen *g, val high, val low)
{
	unsigned bits = gen_bits(low);

	return x_or(g, x_shlk(g, gen_cut(g, high, 2 * bits), bits), gen_cut(g, low, 2 * bits));
}

/* ---- f16x2 and bf16x2 of two f32 ---- */

static val half_of(struct gen *g, struct gen_elem *e, val f)
{
	const struct ir_insn *i = e->i;
	bool f16 = i->type == IR_T_F16X2;

	if (i->flags & IR_F_RELU)
		f = relu(g, f);
	if (i->flags & IR_F_SATFINITE)
		f = clamp_finite(g, f, f16 ? 65504.0 : 0x1.fep127);
	return f16 ? el_f16_of_f32(g, f, i->round, !e->lazy_nan) : el_bf16_of_f32(g, f, i->round, !e->lazy_nan);
}

static void emit_half_pair(struct gen *g, struct gen_elem *e)
{
	e->dst[0] = pack_pair(g, half_of(g, e, el_fsrc(g, e, 0, 32)), half_of(g, e, el_fsrc(g, e, 1, 32)));
}

/* ---- tf32: an f32 with 10 bits of fraction ---- */

static void emit_tf32(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	val u = el_src(g, e, 0, 32), f = gen_as_float(g, u), mag = x_andk(g, u, 0x7fffffff), r;

	if (i->round == IR_RND_RNA && !i->flags) {
		/* NaN is cut short, which can leave an infinity */
		r = x_sel(g, x_slt(g, mag, x_k(g, u, 0x7f800000)), x_addk(g, u, 0x1000), u);
		e->dst[0] = x_andk(g, r, ~UINT64_C(0x1fff));
		return;
	}
	if (i->flags & IR_F_RELU)
		u = x_and(g, u, x_not(g, x_ashrk(g, u, 31)));
	if (i->flags & IR_F_SATFINITE) {
		mag = x_andk(g, u, 0x7fffffff);
		mag = x_smin(g, mag, x_k(g, u, 0x7f7fe000));
		u = x_or(g, mag, x_andk(g, u, 0x80000000u));
	}
	if (i->round == IR_RND_RNA)
		r = x_addk(g, u, 0x1000);
	else if (i->round == IR_RND_RN)
		r = x_add(g, x_addk(g, u, 0xfff), x_andk(g, x_lshrk(g, u, 13), 1));
	else
		r = u;
	r = x_andk(g, r, ~UINT64_C(0x1fff));
	e->dst[0] = x_sel(g, x_uno(g, f, f), x_k(g, u, 0x7fffe000), r);
}

/* ---- the narrow floats ---- */

struct narrow {
	unsigned frac, exp;        /* bits */
	int emin;                  /* of the smallest normal number */
	uint32_t max, nan;         /* encodings without sign; nan 0: none, the largest number */
	double limit;
};

static const struct narrow *narrow_of(unsigned t)
{
	static const struct narrow e4m3 = { 3, 4, -6, 0x7e, 0x7f, 448.0 }, e5m2 = { 2, 5, -14, 0x7b, 0x7f, 57344.0 };
	static const struct narrow e2m3 = { 3, 2, 0, 0x1f, 0, 7.5 }, e3m2 = { 2, 3, -2, 0x1f, 0, 28.0 };
	static const struct narrow e2m1 = { 1, 2, 0, 0x07, 0, 6.0 };

	switch (t) {
	case IR_T_E4M3X2: return &e4m3;
	case IR_T_E5M2X2: return &e5m2;
	case IR_T_E2M3X2: return &e2m3;
	case IR_T_E3M2X2: return &e3m2;
	case IR_T_E2M1X2: return &e2m1;
	default: return NULL;
	}
}

/* Bits of one element in the packed register. */
static unsigned element_bits(unsigned t)
{
	return t == IR_T_E2M1X2 ? 4 : ir_type_bits((enum ir_type)t) / 2;
}

/*
 * f32 to nearest, to 32-bit integers with the encoding. Numbers below the
 * format's normal ones are rounded by adding a power of two that lines up the
 * last places, others by adding half a place to their bits.
 */
static val narrow_of_f32(struct gen *g, val f, const struct narrow *n)
{
	val all = gen_as_int(g, f), u, sign, small, normal, magic, is_small, h;
	unsigned cut = 23 - n->frac, top = n->frac + n->exp;
	uint32_t least = (uint32_t)(n->emin + 127) << 23, half = (1u << (cut - 1)) - 1;
	double line_up = ldexp(1.0, 23 - (int)n->frac + n->emin);

	f = gen_as_float(g, x_andk(g, gen_as_int(g, clamp_finite(g, f, n->limit)), 0x7fffffff));
	u = gen_as_int(g, f);
	sign = x_shlk(g, x_lshrk(g, all, 31), top);
	is_small = x_slt(g, u, x_k(g, u, least));
	magic = el_fk(g, f, line_up);
	small = x_sub(g, gen_as_int(g, x_fadd(g, f, magic)), gen_as_int(g, magic));
	normal = x_add(g, x_addk(g, u, half), x_andk(g, x_lshrk(g, u, cut), 1));
	normal = x_sub(g, x_lshrk(g, normal, cut), x_k(g, u, (uint32_t)(n->emin + 126) << n->frac));
	h = x_or(g, x_sel(g, is_small, small, normal), sign);
	all = gen_as_float(g, all);
	return x_sel(g, x_uno(g, all, all), x_k(g, h, n->nan ? n->nan : n->max), h);
}

/* The encoding in 32-bit integers to f32, exactly; NaN as f32's. */
static val f32_of_narrow(struct gen *g, val v, const struct narrow *n)
{
	unsigned top = n->frac + n->exp;
	val mag = x_andk(g, v, (1u << top) - 1), sign = x_shlk(g, x_andk(g, v, 1u << top), 31 - top), f, u;

	/* in f32's places, and moved by the difference of the exponents, which is exact for subnormal ones, too */
	f = gen_as_float(g, x_shlk(g, mag, 23 - n->frac));
	f = x_fmul(g, f, el_fk(g, f, ldexp(1.0, n->emin + 126)));
	u = x_or(g, gen_as_int(g, f), sign);
	if (n->nan)
		u = x_sel(g, n->frac == 2 ? x_sgt(g, mag, x_k(g, mag, 0x7c)) : x_eq(g, mag, x_k(g, mag, n->nan)),
			  x_k(g, u, 0x7fffffff), u);
	if (n->frac == 2 && n->exp == 5)
		u = x_sel(g, x_eq(g, mag, x_k(g, mag, 0x7c)), x_ork(g, sign, 0x7f800000), u);
	return gen_as_float(g, u);
}

static val narrow_pair(struct gen *g, struct gen_elem *e, val high, val low)
{
	const struct narrow *n = narrow_of(e->i->type);
	unsigned up = element_bits(e->i->type);
	val h, l;

	if (e->i->flags & IR_F_RELU) {
		high = relu(g, high);
		low = relu(g, low);
	}
	h = narrow_of_f32(g, high, n);
	l = narrow_of_f32(g, low, n);
	return gen_cut(g, x_or(g, x_shlk(g, h, up), l), el_bits(e));
}

static void emit_narrow_of_f32(struct gen *g, struct gen_elem *e)
{
	e->dst[0] = narrow_pair(g, e, el_fsrc(g, e, 0, 32), el_fsrc(g, e, 1, 32));
}

static val half_to_f32(struct gen *g, val h, unsigned t)
{
	return t == IR_T_F16X2 ? el_f32_of_f16(g, h) : el_f32_of_bf16(g, h);
}

static void emit_narrow_of_halves(struct gen *g, struct gen_elem *e)
{
	val u = el_src(g, e, 0, 32);

	e->dst[0] = narrow_pair(g, e, half_to_f32(g, gen_cut(g, x_lshrk(g, u, 16), 16), e->i->stype),
				half_to_f32(g, gen_cut(g, u, 16), e->i->stype));
}

static void emit_halves_of_narrow(struct gen *g, struct gen_elem *e)
{
	const struct narrow *n = narrow_of(e->i->stype);
	unsigned up = element_bits(e->i->stype);
	uint32_t mask = (1u << up) - 1;
	val u = gen_cut(g, el_src(g, e, 0, ir_type_bits((enum ir_type)e->i->stype)), 32);
	val high = f32_of_narrow(g, x_andk(g, x_lshrk(g, u, up), mask), n), low = f32_of_narrow(g, x_andk(g, u, mask), n);

	e->dst[0] = pack_pair(g, half_of(g, e, high), half_of(g, e, low));
}

/* ---- ue8m0: the exponent of the magnitude, 255 for NaN ---- */

/* Rounded up, a fraction counts from 2^-127 on, which is encoding 0 as zero is. */
static val ue8m0(struct gen *g, val u, bool up, bool satfinite)
{
	val mag = x_andk(g, u, 0x7fffffff), inf = x_k(g, u, 0x7f800000), r = x_lshrk(g, mag, 23), more;

	if (up) {
		more = x_and(g, x_ne(g, x_andk(g, mag, 0x7fffff), x_k(g, u, 0)), x_sgt(g, mag, x_k(g, u, 0x400000)));
		r = x_sub(g, r, x_mask(g, more, 32));
	}
	if (satfinite)
		r = x_smin(g, r, x_k(g, r, 0xfe));
	return x_sel(g, x_sgt(g, mag, inf), x_k(g, r, 0xff), x_smin(g, r, x_k(g, r, 0xff)));
}

static void emit_ue8m0(struct gen *g, struct gen_elem *e)
{
	bool up = e->i->round == IR_RND_RP, fin = e->i->flags & IR_F_SATFINITE, halves = e->i->stype == IR_T_BF16X2;
	val u = el_src(g, e, 0, 32);
	val high = halves ? x_andk(g, u, 0xffff0000u) : u, low = halves ? x_shlk(g, u, 16) : el_src(g, e, 1, 32);

	e->dst[0] = gen_cut(g, x_or(g, x_shlk(g, ue8m0(g, high, up, fin), 8), ue8m0(g, low, up, fin)), 16);
}

static val bf16_of_ue8m0(struct gen *g, val v)
{
	val r = x_sel(g, x_eq(g, v, x_k(g, v, 0)), x_k(g, v, 0x40), x_shlk(g, v, 7));

	return x_sel(g, x_eq(g, v, x_k(g, v, 0xff)), x_k(g, v, 0x7fff), r);
}

static void emit_bf16_of_ue8m0(struct gen *g, struct gen_elem *e)
{
	val u = gen_cut(g, el_src(g, e, 0, 16), 32);

	e->dst[0] = x_or(g, x_shlk(g, bf16_of_ue8m0(g, x_lshrk(g, u, 8)), 16), bf16_of_ue8m0(g, x_andk(g, u, 0xff)));
}

/* ---- cvt.pack: two s32 saturated into the low places, the rest of c above them ---- */

static void emit_pack(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned bits = el_bits(e);
	bool sign = el_signed(i->type);
	uint64_t keep = (UINT64_C(1) << bits) - 1, max = keep >> sign, min = sign ? ~max : 0;
	val r = NULL;

	for (unsigned k = 0; k < 2; k++) {
		val v = el_src(g, e, k, 32);

		v = x_smin(g, x_smax(g, v, x_k(g, v, min)), x_k(g, v, max));
		v = x_andk(g, v, keep);
		r = k ? x_or(g, x_shlk(g, r, bits), v) : v;
	}
	if (i->n_src == 3 && 2 * bits < 32)
		r = x_or(g, r, x_shlk(g, el_src(g, e, 2, 32), 2 * bits));
	e->dst[0] = r;
}

static elem_fn select_pack(const struct ir_insn *i)
{
	unsigned bits = ir_type_bits((enum ir_type)i->type);

	if (i->stype != IR_T_S32 || i->flags != IR_F_SAT || (bits != 8 && bits != 16))
		return NULL;
	return i->n_src == (bits == 16 ? 2 : 3) ? emit_pack : NULL;
}

static elem_fn select_from_f32(const struct gen *g, const struct ir_insn *i)
{
	if (i->type == IR_T_TF32)
		return i->n_src == 1 && (i->round == IR_RND_RN || i->round == IR_RND_RZ || i->round == IR_RND_RNA) ? emit_tf32 : NULL;
	if (i->n_src != 2)
		return NULL;
	if (i->type == IR_T_UE8M0X2)
		return (i->round == IR_RND_RZ || i->round == IR_RND_RP) && el_only(i, IR_F_SATFINITE) ? emit_ue8m0 : NULL;
	if (i->type == IR_T_BF16X2)
		return i->round == IR_RND_RN || i->round == IR_RND_RZ ? emit_half_pair : NULL;
	if (i->type == IR_T_F16X2)
		return (i->round == IR_RND_RN || i->round == IR_RND_RZ) && el_f16_rounds(g, i->round) ? emit_half_pair : NULL;
	return narrow_of(i->type) && i->round == IR_RND_RN && (i->flags & IR_F_SATFINITE) ? emit_narrow_of_f32 : NULL;
}

elem_fn elem_select_cvt_packed(const struct gen *g, const struct ir_insn *i)
{
	if (i->op != IR_OP_cvt)
		return NULL;
	if (i->mode == IR_MODE_PACK)
		return select_pack(i);
	if (i->mode != IR_MODE_NONE || !el_only(i, IR_F_SATFINITE | IR_F_RELU))
		return NULL;
	if (i->stype == IR_T_F32)
		return select_from_f32(g, i);
	if (i->n_src != 1)
		return NULL;
	if (i->type == IR_T_UE8M0X2)
		return i->stype == IR_T_BF16X2 && (i->round == IR_RND_RZ || i->round == IR_RND_RP) && el_only(i, IR_F_SATFINITE) ?
		       emit_ue8m0 : NULL;
	if (i->stype == IR_T_UE8M0X2)
		return i->type == IR_T_BF16X2 && i->round == IR_RND_RN && !i->flags ? emit_bf16_of_ue8m0 : NULL;
	if (i->round != IR_RND_RN)
		return NULL;
	if (narrow_of(i->type) && is_half_pair(i->stype))
		return i->flags & IR_F_SATFINITE ? emit_narrow_of_halves : NULL;
	return is_half_pair(i->type) && narrow_of(i->stype) ? emit_halves_of_narrow : NULL;
}
