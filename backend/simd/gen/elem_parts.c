/* elem_parts.c: see elem.h: what the families of element-wise instructions share. */
#include <math.h>
#include <string.h>

#include "backend/simd/gen/elem.h"

/* ---- constants and features ---- */

val el_fk(struct gen *g, val like, double x)
{
	val c = LLVMConstReal(gen_float_type(g, gen_bits(like), 1), x), all[4 * SD_MAX_W];
	unsigned n = gen_lanes(like);

	if (n == 1)
		return c;
	for (unsigned k = 0; k < n; k++)
		all[k] = c;
	return LLVMConstVector(all, n);
}

static val const_element(val v, unsigned k)
{
	return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind ? LLVMGetAggregateElement(v, k) : v;
}

bool el_const(val v, uint64_t *bits)
{
	if (!LLVMIsConstant(v))
		return false;
	for (unsigned k = 0; k < gen_lanes(v); k++) {
		val x = const_element(v, k);

		if (!x || !LLVMIsAConstantInt(x) || (k && LLVMConstIntGetZExtValue(x) != *bits))
			return false;
		*bits = LLVMConstIntGetZExtValue(x);
	}
	return true;
}

bool el_never_nan(val f)
{
	LLVMBool loses;

	while (LLVMIsAInstruction(f) && LLVMGetInstructionOpcode(f) == LLVMBitCast)
		f = LLVMGetOperand(f, 0);
	if (LLVMIsAInstruction(f))
		return LLVMGetInstructionOpcode(f) == LLVMSIToFP || LLVMGetInstructionOpcode(f) == LLVMUIToFP;
	if (!LLVMIsConstant(f))
		return false;
	for (unsigned k = 0; k < gen_lanes(f); k++) {
		val x = const_element(f, k);

		if (!x || !LLVMIsAConstantFP(x) || isnan(LLVMConstRealGetDouble(x, &loses)))
			return false;
	}
	return true;
}

/* 0, 1 or NaN, of either sign: the constants that LLVM makes an operation of, or none at all. */
static bool is_identity(val f)
{
	LLVMBool loses;

	if (!LLVMIsConstant(f))
		return false;
	for (unsigned k = 0; k < gen_lanes(f); k++) {
		val x = const_element(f, k);
		double d = x && LLVMIsAConstantFP(x) ? LLVMConstRealGetDouble(x, &loses) : NAN;

		if (isnan(d) || d == 0 || fabs(d) == 1)
			return true;
	}
	return false;
}

val el_opaque(struct gen *g, val f)
{
	return f && is_identity(f) ? gen_intrinsic1(g, "llvm.arithmetic.fence", f) : f;
}

bool el_feature(const struct gen *g, const char *name)
{
	char *all = g->tm ? LLVMGetTargetMachineFeatureString(g->tm) : NULL;
	bool has = all && strstr(all, name);

	LLVMDisposeMessage(all);
	return has;
}

/* ---- shapes ---- */

/* A constant's narrower elements; NULL: it isn't one of integers. */
static val split_constant(struct gen *g, val v, unsigned bits)
{
	unsigned per = gen_bits(v) / bits, n = gen_lanes(v) * per;
	val all[4 * SD_MAX_W];

	for (unsigned k = 0; k < n; k++) {
		val x = const_element(v, k / per);

		if (!x || !LLVMIsAConstantInt(x))
			return NULL;
		all[k] = LLVMConstInt(LLVMIntTypeInContext(g->cx, bits), LLVMConstIntGetZExtValue(x) >> (k % per * bits), 0);
	}
	return LLVMConstVector(all, n);
}

val el_split(struct gen *g, val v, unsigned bits)
{
	val c = LLVMIsConstant(v) ? split_constant(g, v, bits) : NULL;

	if (c)
		return c;
	return LLVMBuildBitCast(g->b, v, gen_int_type(g, bits, gen_lanes(v) * gen_bits(v) / bits), "");
}

val el_join(struct gen *g, val v, unsigned bits)
{
	return LLVMBuildBitCast(g->b, v, gen_int_type(g, bits, gen_lanes(v) * gen_bits(v) / bits), "");
}

/* Elements from…from + n of a, or of a and b one behind the other. */
static val shuffle(struct gen *g, val a, val b, unsigned from, unsigned n)
{
	val idx[4 * SD_MAX_W];

	for (unsigned k = 0; k < n; k++)
		idx[k] = LLVMConstInt(g->i32, from + k, 0);
	return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(idx, n), "");
}

val el_parts(struct gen *g, unsigned lanes, val (*fn)(struct gen *g, const val *v, const void *arg), const val *v, unsigned n,
	     const void *arg)
{
	unsigned have = gen_lanes(v[0]), half = have / 2;
	val lo[4], hi[4], a, b;

	if (have <= lanes)
		return fn(g, v, arg);
	for (unsigned k = 0; k < n; k++) {
		lo[k] = shuffle(g, v[k], v[k], 0, half);
		hi[k] = shuffle(g, v[k], v[k], half, half);
	}
	a = el_parts(g, lanes, fn, lo, n, arg);
	b = el_parts(g, lanes, fn, hi, n, arg);
	return shuffle(g, a, b, 0, 2 * gen_lanes(a));
}

/* ---- shifts ---- */

val el_shl(struct gen *g, val a, val count)
{
	uint64_t k;

	if (el_const(count, &k))
		return k < gen_bits(a) ? x_shl(g, a, count) : x_k(g, a, 0);
	return x_sel(g, x_ult(g, count, x_k(g, a, gen_bits(a))), x_shl(g, a, count), x_k(g, a, 0));
}

val el_lshr(struct gen *g, val a, val count)
{
	uint64_t k;

	if (el_const(count, &k))
		return k < gen_bits(a) ? x_lshr(g, a, count) : x_k(g, a, 0);
	return x_sel(g, x_ult(g, count, x_k(g, a, gen_bits(a))), x_lshr(g, a, count), x_k(g, a, 0));
}

static val psrav(struct gen *g, const val *v, const void *name)
{
	val args[] = { v[0], v[1] };

	return gen_intrinsic(g, name, NULL, 0, args, 2);
}

val el_ashr(struct gen *g, val a, val count)
{
	unsigned bits = gen_bits(a), lanes = gen_lanes(a);
	val v[] = { a, count };
	uint64_t k;

	if (el_const(count, &k))
		return x_ashrk(g, a, k < bits ? k : bits - 1);
	if (g->isa == SD_ISA_AVX512 && lanes == g->G)
		return bits == 32 ? psrav(g, v, "llvm.x86.avx512.psrav.d.512") :
		       el_parts(g, 8, psrav, v, 2, "llvm.x86.avx512.psrav.q.512");
	if (g->isa == SD_ISA_AVX2 && lanes == g->G && bits == 32)
		return psrav(g, v, "llvm.x86.avx2.psrav.d.256");
	return x_ashr(g, a, x_umin(g, count, x_k(g, a, bits - 1)));
}

/* ---- floats ---- */

val el_flush32(struct gen *g, val u)
{
	return x_sel(g, x_eq(g, x_andk(g, u, 0x7f800000u), x_k(g, u, 0)), x_andk(g, u, 0x80000000u), u);
}

val el_flush_operand(struct gen *g, val u)
{
	return !g->ftz || LLVMIsConstant(u) ? el_flush32(g, u) : u;
}

val el_flush16(struct gen *g, val h)
{
	return x_sel(g, x_eq(g, x_andk(g, h, 0x7c00), x_k(g, h, 0)), x_andk(g, h, 0x8000), h);
}

val el_f32_in(struct gen *g, struct gen_elem *e, unsigned n, bool ftz)
{
	val u = el_src(g, e, n, 32);

	return gen_as_float(g, ftz ? el_flush_operand(g, u) : u);
}

val el_f32_out(struct gen *g, struct gen_elem *e, val f)
{
	val u = gen_as_int(g, f);

	return e->lazy_nan || el_never_nan(f) ? u : x_sel(g, x_uno(g, f, f), x_k(g, u, 0x7fffffffu), u);
}

/* By name, as a select of floats that are integers elsewhere isn't recognised. [max][f64][machine] */
static const char *const minmax_name[2][2][SD_ISA_COUNT] = {
	{ { "llvm.x86.sse.min.ps", "llvm.x86.avx.min.ps.256", "llvm.x86.avx512.min.ps.512" },
	  { "llvm.x86.sse2.min.pd", "llvm.x86.avx.min.pd.256", "llvm.x86.avx512.min.pd.512" } },
	{ { "llvm.x86.sse.max.ps", "llvm.x86.avx.max.ps.256", "llvm.x86.avx512.max.ps.512" },
	  { "llvm.x86.sse2.max.pd", "llvm.x86.avx.max.pd.256", "llvm.x86.avx512.max.pd.512" } },
};

static val minmax_part(struct gen *g, const val *v, const void *arg)
{
	bool is64 = gen_bits(v[0]) == 64, max = *(const bool *)arg, zmm = g->isa == SD_ISA_AVX512;
	val args[] = { v[0], v[1], LLVMConstInt(g->i32, 4, 0) };

	return gen_intrinsic(g, minmax_name[max][is64][g->isa], NULL, 0, args, zmm ? 3 : 2);
}

/* Elements that don't fill a register: the low ones of 128 bits. */
static val minmax_few(struct gen *g, val a, val b, bool max)
{
	bool is64 = gen_bits(a) == 64;
	val zero = LLVMConstNull(gen_float_type(g, is64 ? 64 : 32, is64 ? 2 : 4)), at = LLVMConstInt(g->i32, 0, 0), r;
	val args[] = { LLVMBuildInsertElement(g->b, zero, a, at, ""), LLVMBuildInsertElement(g->b, zero, b, at, "") };

	r = gen_intrinsic(g, minmax_name[max][is64][SD_ISA_SSE42], NULL, 0, args, 2);
	return LLVMBuildExtractElement(g->b, r, at, "");
}

static val minmax(struct gen *g, val a, val b, bool max)
{
	unsigned lanes = gen_lanes(a), native = (gen_bits(a) == 64 ? 2u : 4u) << g->isa;
	val v[] = { a, b };

	if (lanes == 1)
		return minmax_few(g, a, b, max);
	if (lanes < native)
		return x_sel(g, max ? x_fgt(g, a, b) : x_flt(g, a, b), a, b);
	return el_parts(g, native, minmax_part, v, 2, &max);
}

val el_fmin(struct gen *g, val a, val b)
{
	return minmax(g, a, b, false);
}

val el_fmax(struct gen *g, val a, val b)
{
	return minmax(g, a, b, true);
}

val el_saturate(struct gen *g, val f)
{
	return el_fmin(g, el_fmax(g, f, el_fk(g, f, 0.0)), el_fk(g, f, 1.0));
}

val el_fpext(struct gen *g, val f)
{
	return LLVMBuildFPExt(g->b, f, gen_float_type(g, 64, gen_lanes(f)), "");
}

val el_fptrunc(struct gen *g, val d)
{
	return LLVMBuildFPTrunc(g->b, d, gen_float_type(g, 32, gen_lanes(d)), "");
}

val el_sum_error(struct gen *g, val p, val c, val s)
{
	val t = x_fsub(g, s, p);

	return x_fadd(g, x_fsub(g, p, x_fsub(g, s, t)), x_fsub(g, c, t));
}

/* One step of the last place towards the error (away: of the sign of s), where s is even and finite. */
static val odd_step(struct gen *g, val u, val inexact, val away)
{
	unsigned bits = gen_bits(u);
	val inf_twice = x_k(g, u, bits == 32 ? 0xff000000u : UINT64_C(0xffe0000000000000));
	val even = x_eq(g, x_andk(g, u, 1), x_k(g, u, 0)), finite = x_ult(g, x_shlk(g, u, 1), inf_twice);
	val step = x_sel(g, away, x_k(g, u, 1), x_k(g, u, UINT64_MAX));

	return x_add(g, u, x_sel(g, x_and(g, inexact, x_and(g, even, finite)), step, x_k(g, u, 0)));
}

val el_odd(struct gen *g, val s, val err)
{
	val u = gen_as_int(g, s), w = gen_as_int(g, err), zero = x_k(g, u, 0);

	return gen_as_float(g, odd_step(g, u, x_ne(g, x_shlk(g, w, 1), zero), x_not(g, x_slt(g, x_xor(g, u, w), zero))));
}

val el_f32_odd_of_f64(struct gen *g, val d)
{
	val f = el_fptrunc(g, d), back = el_fpext(g, f), u = gen_as_int(g, f);
	val over = x_fgt(g, d, back), under = x_flt(g, d, back), neg = x_slt(g, u, x_k(g, u, 0));

	return gen_as_float(g, odd_step(g, u, x_or(g, over, under), x_sel(g, neg, under, over)));
}

bool el_has_fma(const struct gen *g)
{
	return g->isa >= SD_ISA_AVX2;
}

val el_fma(struct gen *g, val a, val b, val c)
{
	val p, s;

	if (el_has_fma(g))
		return gen_intrinsic3(g, "llvm.fma", a, b, c);
	/* the product is exact in f64, and the sum made odd can be rounded again */
	p = x_fmul(g, el_fpext(g, a), el_fpext(g, b));
	c = el_fpext(g, c);
	s = x_fadd(g, p, c);
	return el_fptrunc(g, el_odd(g, s, el_sum_error(g, p, c, s)));
}

val el_direct(struct gen *g, val r, val above, val below, unsigned round)
{
	val u = gen_as_int(g, r), sign = x_ashrk(g, u, gen_bits(u) - 1), zero = x_k(g, u, 0), wrong, step;

	switch (round) {
	case IR_RND_RM:
		wrong = above;
		step = x_ork(g, x_not(g, sign), 1);
		break;
	case IR_RND_RP:
		wrong = below;
		step = x_ork(g, sign, 1);
		break;
	case IR_RND_RZ:
		wrong = x_sel(g, x_slt(g, u, zero), below, above);
		step = x_k(g, u, UINT64_MAX);
		break;
	default:
		return r;
	}
	return gen_as_float(g, x_add(g, u, x_sel(g, wrong, step, zero)));
}

val el_f32_of_f64(struct gen *g, val d, unsigned round)
{
	val r = el_fptrunc(g, d), back;

	if (round <= IR_RND_RN)
		return r;
	back = el_fpext(g, r);
	return el_direct(g, r, x_fgt(g, back, d), x_flt(g, back, d), round);
}

/* ---- f16 and bf16 ---- */

val el_f32_of_f16(struct gen *g, val h)
{
	val wide, mag, u, f;

	if (g->isa >= SD_ISA_AVX2)
		return LLVMBuildFPExt(g->b, gen_as_float(g, h), gen_float_type(g, 32, gen_lanes(h)), "");
	/* subnormal ones by way of integers, for the processor may flush */
	wide = gen_cut(g, h, 32);
	mag = x_andk(g, wide, 0x7fff);
	f = LLVMBuildSIToFP(g->b, mag, gen_float_type(g, 32, gen_lanes(h)), "");
	f = gen_as_int(g, x_fmul(g, f, el_fk(g, f, 0x1p-24)));
	u = x_shlk(g, mag, 13);
	u = x_sel(g, x_slt(g, mag, x_k(g, mag, 0x7c00)), x_addk(g, u, 0x38000000), x_ork(g, u, 0x7f800000));
	u = x_sel(g, x_slt(g, mag, x_k(g, mag, 0x400)), f, u);
	return gen_as_float(g, x_or(g, u, x_shlk(g, x_andk(g, wide, 0x8000), 16)));
}

val el_f32_of_bf16(struct gen *g, val h)
{
	return gen_as_float(g, x_shlk(g, gen_cut(g, h, 32), 16));
}

bool el_f16_rounds(const struct gen *g, unsigned round)
{
	return round <= IR_RND_RN || (g->isa >= SD_ISA_AVX2 && round <= IR_RND_RP);
}

/* Immediate of vcvtps2ph. */
static unsigned f16_imm(unsigned round)
{
	switch (round) {
	case IR_RND_RM: return 1;
	case IR_RND_RP: return 2;
	case IR_RND_RZ: return 3;
	default: return 0;
	}
}

static val cvtps2ph(struct gen *g, const val *v, const void *arg)
{
	unsigned imm = *(const unsigned *)arg;

	if (gen_lanes(v[0]) == 16) {
		val args[] = { v[0], LLVMConstInt(g->i32, imm, 0), LLVMConstNull(gen_int_type(g, 16, 16)),
			       LLVMConstInt(LLVMIntTypeInContext(g->cx, 16), 0xffff, 0) };

		return gen_intrinsic(g, "llvm.x86.avx512.mask.vcvtps2ph.512", NULL, 0, args, 4);
	} else {
		val args[] = { v[0], LLVMConstInt(g->i32, imm, 0) };

		return gen_intrinsic(g, "llvm.x86.vcvtps2ph.256", NULL, 0, args, 2);
	}
}

/* Few elements: through the low ones of 128 bits. */
static val cvtps2ph_few(struct gen *g, val f, unsigned imm)
{
	unsigned n = gen_lanes(f);
	val v = LLVMConstNull(gen_float_type(g, 32, 4)), args[2], h;

	for (unsigned k = 0; k < n; k++) {
		val at = LLVMConstInt(g->i32, k, 0);

		v = LLVMBuildInsertElement(g->b, v, n == 1 ? f : LLVMBuildExtractElement(g->b, f, at, ""), at, "");
	}
	args[0] = v;
	args[1] = LLVMConstInt(g->i32, imm, 0);
	h = gen_intrinsic(g, "llvm.x86.vcvtps2ph.128", NULL, 0, args, 2);
	return n == 1 ? LLVMBuildExtractElement(g->b, h, LLVMConstInt(g->i32, 0, 0), "") : shuffle(g, h, h, 0, n);
}

/* By integers, to nearest: see f16_of_f32() in alu_half.h. */
static val f16_by_integers(struct gen *g, val f)
{
	val all = gen_as_int(g, f), u = x_andk(g, all, 0x7fffffff), sign = x_andk(g, x_lshrk(g, all, 16), 0x8000);
	val is_small = x_slt(g, u, x_k(g, u, 0x38800000)), small, normal, h;

	small = gen_as_float(g, x_sel(g, is_small, u, x_k(g, u, 0)));
	small = x_addk(g, gen_as_int(g, x_fadd(g, small, el_fk(g, small, 0.5))), (uint32_t)-0x3f000000);
	normal = x_add(g, x_addk(g, u, (uint32_t)(0xfff - 0x38000000)), x_andk(g, x_lshrk(g, u, 13), 1));
	h = x_sel(g, is_small, small, x_lshrk(g, normal, 13));
	h = x_sel(g, x_slt(g, u, x_k(g, u, 0x47800000)), h, x_k(g, u, 0x7c00));
	h = x_sel(g, x_sgt(g, u, x_k(g, u, 0x7f800000)), x_ork(g, x_andk(g, x_lshrk(g, u, 13), 0x7fff), 0x7e00), h);
	return gen_cut(g, x_or(g, h, sign), 16);
}

val el_f16_of_f32(struct gen *g, val f, unsigned round, bool canonical)
{
	unsigned lanes = gen_lanes(f), imm = f16_imm(round);

	if (canonical && !el_never_nan(f)) {
		val u = gen_as_int(g, f);

		f = gen_as_float(g, x_sel(g, x_uno(g, f, f), x_k(g, u, 0x7fffffffu), u));
	}
	if (g->isa < SD_ISA_AVX2)
		return f16_by_integers(g, f);
	if (lanes < 8)
		return cvtps2ph_few(g, f, imm);
	return el_parts(g, g->isa == SD_ISA_AVX512 ? 16 : 8, cvtps2ph, &f, 1, &imm);
}

val el_bf16_of_f32(struct gen *g, val f, unsigned round, bool canonical)
{
	val u = gen_as_int(g, f), r = u, nan, neg;

	switch (round) {
	case IR_RND_RZ:
		break;
	case IR_RND_RM:
	case IR_RND_RP:
		neg = x_mask(g, x_slt(g, u, x_k(g, u, 0)), 32);
		r = x_add(g, u, x_andk(g, round == IR_RND_RM ? neg : x_not(g, neg), 0xffff));
		break;
	default:
		r = x_add(g, x_addk(g, u, 0x7fff), x_andk(g, x_lshrk(g, u, 16), 1));
		break;
	}
	r = x_lshrk(g, r, 16);
	if (!el_never_nan(f)) {
		nan = canonical ? x_k(g, u, 0x7fff) : x_ork(g, x_lshrk(g, u, 16), 0x40);
		r = x_sel(g, x_uno(g, f, f), nan, r);
	}
	return gen_cut(g, r, 16);
}
