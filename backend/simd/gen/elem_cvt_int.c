/*
 * elem_cvt_int.c: cvt from floats to integers. It saturates; NaN becomes 0, or
 * from f64 and to 64 bits the integer with only its top bit set. x86's own
 * conversions answer that for all that doesn't fit, which helps.
 */
#include "backend/simd/gen/elem.h"

static val integral(struct gen *g, val f, unsigned round)
{
	switch (round) {
	case IR_RND_RNI: return gen_intrinsic1(g, "llvm.roundeven", f);
	case IR_RND_RMI: return gen_intrinsic1(g, "llvm.floor", f);
	case IR_RND_RPI: return gen_intrinsic1(g, "llvm.ceil", f);
	default: return gen_intrinsic1(g, "llvm.trunc", f);
	}
}

/* The machine's truncating conversion to 32 bits: 0x80000000 where that can't hold it. */
static val cvttps2dq(struct gen *g, const val *v, const void *arg)
{
	static const char *const name[SD_ISA_COUNT] = {
		"llvm.x86.sse2.cvttps2dq", "llvm.x86.avx.cvtt.ps2dq.256", "llvm.x86.avx512.mask.cvttps2dq.512" };
	val args[] = { v[0], LLVMConstNull(gen_int_type(g, 32, 16)), LLVMConstAllOnes(LLVMIntTypeInContext(g->cx, 16)),
		       LLVMConstInt(g->i32, 4, 0) };

	return gen_intrinsic(g, name[g->isa], NULL, 0, args, g->isa == SD_ISA_AVX512 ? 4 : 1);
}

static val scalar_to_s32(struct gen *g, val f)
{
	LLVMTypeRef t = gen_float_type(g, gen_bits(f), gen_bits(f) == 32 ? 4 : 2);
	val v = LLVMBuildInsertElement(g->b, LLVMConstNull(t), f, LLVMConstInt(g->i32, 0, 0), "");

	return gen_intrinsic(g, gen_bits(f) == 32 ? "llvm.x86.sse.cvttss2si" : "llvm.x86.sse2.cvttsd2si", NULL, 0, &v, 1);
}

static val raw_s32_of_f32(struct gen *g, val f)
{
	return gen_lanes(f) == 1 ? scalar_to_s32(g, f) : cvttps2dq(g, &f, NULL);
}

/* f32 to s32: the exclusive or turns 0x80000000 into the greatest number where it is too great. */
static val s32_of_f32(struct gen *g, val f)
{
	val r = raw_s32_of_f32(g, f), high = x_fge(g, f, el_fk(g, f, 0x1p31));

	r = x_xor(g, r, x_mask(g, high, 32));
	return x_sel(g, x_ord(g, f, f), r, x_k(g, r, 0));
}

static val u32_part_512(struct gen *g, const val *v, const void *arg)
{
	val args[] = { v[0], LLVMConstNull(gen_int_type(g, 32, 16)), LLVMConstAllOnes(LLVMIntTypeInContext(g->cx, 16)),
		       LLVMConstInt(g->i32, 4, 0) };

	return gen_intrinsic(g, "llvm.x86.avx512.mask.cvttps2udq.512", NULL, 0, args, 4);
}

/* f32 to u32: what is 2^31 or more converts with that taken off. */
static val u32_of_f32(struct gen *g, val f)
{
	val zero = el_fk(g, f, 0.0), lo, hi, r;

	f = el_fmax(g, f, zero);
	if (g->isa == SD_ISA_AVX512 && gen_lanes(f) == 16)
		return u32_part_512(g, &f, NULL);
	lo = raw_s32_of_f32(g, f);
	hi = raw_s32_of_f32(g, x_fsub(g, f, el_fk(g, f, 0x1p31)));
	r = x_or(g, lo, x_and(g, hi, x_ashrk(g, lo, 31)));
	return x_or(g, r, x_mask(g, x_fge(g, f, el_fk(g, f, 0x1p32)), 32));
}

/* An integral double below 2^52 in magnitude: its integer, modulo 2^n. */
static val low_bits_of_f64(struct gen *g, val d, unsigned bits)
{
	return gen_cut(g, gen_as_int(g, x_fadd(g, d, el_fk(g, d, 0x1.8p52))), bits);
}

static val clamp(struct gen *g, val f, double min, double max)
{
	val lo = el_fk(g, f, min), hi = el_fk(g, f, max);

	return el_fmin(g, el_fmax(g, f, lo), hi);
}

static val cvttpd2dq(struct gen *g, const val *v, const void *arg)
{
	return gen_intrinsic(g, "llvm.x86.avx.cvtt.pd2dq.256", NULL, 0, (val *)v, 1);
}

static val cvttpd2dq_512(struct gen *g, const val *v, const void *arg)
{
	val args[] = { v[0], LLVMConstNull(gen_int_type(g, 32, 8)), LLVMConstAllOnes(LLVMIntTypeInContext(g->cx, 8)),
		       LLVMConstInt(g->i32, 4, 0) };

	return gen_intrinsic(g, "llvm.x86.avx512.mask.cvttpd2dq.512", NULL, 0, args, 4);
}

/* f64 to s32: NaN passes the minimum and becomes what it has to. */
static val s32_of_f64(struct gen *g, val d)
{
	val max = el_fk(g, d, 2147483647.0), c = el_fmin(g, max, d);

	if (gen_lanes(d) == 1)
		return scalar_to_s32(g, c);
	if (g->isa == SD_ISA_AVX512)
		return el_parts(g, 8, cvttpd2dq_512, &c, 1, NULL);
	if (g->isa == SD_ISA_AVX2)
		return el_parts(g, 4, cvttpd2dq, &c, 1, NULL);
	c = low_bits_of_f64(g, clamp(g, d, -2147483648.0, 2147483647.0), 32);
	return x_sel(g, x_ord(g, d, d), c, x_k(g, c, 0x80000000u));
}

static val u32_of_f64(struct gen *g, val d)
{
	val r = low_bits_of_f64(g, clamp(g, d, 0.0, 4294967295.0), 32);

	return x_sel(g, x_ord(g, d, d), r, x_k(g, r, 0x80000000u));
}

/*
 * An integral double to 64 bits, by halves that the addition of a power of two
 * puts in place. in: it fits. AVX-512 converts it whole.
 */
static val bits64_of(struct gen *g, val d, val in, bool sign)
{
	LLVMTypeRef t = gen_int_type(g, 64, gen_lanes(d));
	val up = el_fk(g, d, sign ? 0x1.8p52 : 0x1p52), magic = el_fk(g, d, 0x1p52), hi, lo;

	d = x_sel(g, in, d, el_fk(g, d, 0.0));
	if (g->isa == SD_ISA_AVX512 || gen_lanes(d) == 1)
		return sign ? LLVMBuildFPToSI(g->b, d, t, "") : LLVMBuildFPToUI(g->b, d, t, "");
	hi = gen_intrinsic1(g, "llvm.floor", x_fmul(g, d, el_fk(g, d, 0x1p-32)));
	lo = x_fsub(g, d, x_fmul(g, hi, el_fk(g, d, 0x1p32)));
	hi = x_sub(g, gen_as_int(g, x_fadd(g, hi, up)), gen_as_int(g, up));
	lo = x_xor(g, gen_as_int(g, x_fadd(g, lo, magic)), gen_as_int(g, magic));
	return x_or(g, x_shlk(g, hi, 32), lo);
}

static val int64_of_f64(struct gen *g, val d, bool sign)
{
	val min = el_fk(g, d, sign ? -0x1p63 : 0.0), limit = el_fk(g, d, sign ? 0x1p63 : 0x1p64), in, r, over;
	uint64_t top = UINT64_C(1) << 63;

	in = x_and(g, x_fge(g, d, min), x_flt(g, d, limit));
	r = bits64_of(g, d, in, sign);
	/* out of range: too great, too small, NaN */
	over = x_sel(g, x_fgt(g, d, el_fk(g, d, 0.0)), x_k(g, r, sign ? top - 1 : UINT64_MAX), x_k(g, r, sign ? top : 0));
	if (!sign)
		over = x_sel(g, x_ord(g, d, d), over, x_k(g, r, top));
	return x_sel(g, in, r, over);
}

/* 8 and 16 bits: clamped as a float, which holds the bounds. */
static val narrow_of(struct gen *g, val f, unsigned bits, bool sign)
{
	bool wide = gen_bits(f) == 64;
	double max = (double)(UINT64_C(1) << (bits - sign)) - 1, min = sign ? -max - 1 : 0;
	val c = clamp(g, f, min, max), r = wide ? low_bits_of_f64(g, c, 32) : raw_s32_of_f32(g, c);

	if (wide)
		r = x_sel(g, x_ord(g, f, f), r, x_k(g, r, UINT64_C(1) << (bits - 1)));
	else if (sign)
		r = x_sel(g, x_ord(g, f, f), r, x_k(g, r, 0));
	return gen_cut(g, r, bits);
}

static val load_float(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	val u = el_src(g, e, 0, ir_type_bits((enum ir_type)i->stype));

	switch (i->stype) {
	case IR_T_F16: return el_f32_of_f16(g, u);
	case IR_T_BF16: return el_f32_of_bf16(g, u);
	case IR_T_F32:
		/* only upwards and downwards tell a subnormal from zero */
		if ((i->flags & IR_F_FTZ) && (i->round == IR_RND_RMI || i->round == IR_RND_RPI))
			u = el_flush32(g, u);
		return gen_as_float(g, u);
	default: return gen_as_float(g, u);
	}
}

static void emit_float_int(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned bits = el_bits(e);
	bool sign = el_signed(i->type), wide = i->stype == IR_T_F64;
	val f = load_float(g, e);

	/* the machine's conversions cut by themselves */
	if (i->round != IR_RND_RZI || bits == 64 || (wide && (bits != 32 || !sign || g->isa == SD_ISA_SSE42)))
		f = integral(g, f, i->round);
	if (bits < 32)
		e->dst[0] = narrow_of(g, f, bits, sign);
	else if (bits == 64)
		e->dst[0] = int64_of_f64(g, wide ? f : el_fpext(g, f), sign);
	else if (wide)
		e->dst[0] = sign ? s32_of_f64(g, f) : u32_of_f64(g, f);
	else
		e->dst[0] = sign ? s32_of_f32(g, f) : u32_of_f32(g, f);
}

elem_fn elem_select_cvt_int(const struct gen *g, const struct ir_insn *i)
{
	enum ir_type_class c = ir_type_class((enum ir_type)i->type);
	unsigned bits = ir_type_bits((enum ir_type)i->type);

	if (i->op != IR_OP_cvt || i->n_src != 1 || i->mode != IR_MODE_NONE || i->round < IR_RND_RNI ||
	    !el_only(i, IR_F_SAT | IR_F_FTZ) || (c != IR_TC_UINT && c != IR_TC_SINT) || bits < 8)
		return NULL;
	switch (i->stype) {
	case IR_T_F16: case IR_T_BF16: case IR_T_F32: case IR_T_F64: return emit_float_int;
	default: return NULL;
	}
}
