/*
 * elem_round.c: f32 and f64 arithmetic in all four roundings.
 *
 * To nearest it is the plain instruction. Directed, AVX-512 has the rounding
 * in the instruction (on whole registers). Elsewhere f32 is computed to
 * nearest and compared, in f64, with the exact value; a result on the wrong
 * side of it moves by one place. f64 switches the processor's mode around one instruction.
 */
#include <stdio.h>
#include <string.h>

#include "backend/simd/gen/elem.h"

unsigned el_rounding_imm(unsigned round)
{
	switch (round) {
	case IR_RND_RM: return 9;
	case IR_RND_RP: return 10;
	case IR_RND_RZ: return 11;
	default: return 8;
	}
}

/* ---- AVX-512 ---- */

struct embedded {
	unsigned op, round;
	bool is64;
};

static const char *embedded_name(unsigned op, bool is64)
{
	switch (op) {
	case IR_OP_add: return is64 ? "llvm.x86.avx512.add.pd.512" : "llvm.x86.avx512.add.ps.512";
	case IR_OP_sub: return is64 ? "llvm.x86.avx512.sub.pd.512" : "llvm.x86.avx512.sub.ps.512";
	case IR_OP_mul: return is64 ? "llvm.x86.avx512.mul.pd.512" : "llvm.x86.avx512.mul.ps.512";
	case IR_OP_div:
	case IR_OP_rcp: return is64 ? "llvm.x86.avx512.div.pd.512" : "llvm.x86.avx512.div.ps.512";
	case IR_OP_sqrt: return is64 ? "llvm.x86.avx512.sqrt.pd.512" : "llvm.x86.avx512.sqrt.ps.512";
	default: return is64 ? "llvm.x86.avx512.vfmadd.pd.512" : "llvm.x86.avx512.vfmadd.ps.512";
	}
}

static unsigned n_operands(unsigned op)
{
	return op == IR_OP_sqrt ? 1 : op == IR_OP_fma || op == IR_OP_mad ? 3 : 2;
}

static val embedded_part(struct gen *g, const val *v, const void *arg)
{
	const struct embedded *x = arg;
	unsigned n = n_operands(x->op);
	val args[4];

	for (unsigned k = 0; k < n; k++)
		args[k] = v[k];
	args[n] = LLVMConstInt(g->i32, el_rounding_imm(x->round), 0);
	return gen_intrinsic(g, embedded_name(x->op, x->is64), NULL, 0, args, n + 1);
}

static bool can_embed(const struct gen *g, unsigned lanes)
{
	return g->isa == SD_ISA_AVX512 && lanes >= 16;
}

static val embedded(struct gen *g, unsigned op, const val *v, unsigned round)
{
	struct embedded x = { op, round, gen_bits(v[0]) == 64 };

	return el_parts(g, x.is64 ? 8 : 16, embedded_part, v, n_operands(op), &x);
}

/* ---- to nearest ---- */

static val nearest(struct gen *g, unsigned op, val a, val b, val c)
{
	switch (op) {
	case IR_OP_add: return x_fadd(g, a, b);
	case IR_OP_sub: return x_fsub(g, a, b);
	case IR_OP_mul: return x_fmul(g, a, b);
	case IR_OP_div:
	case IR_OP_rcp: return x_fdiv(g, a, b);
	case IR_OP_sqrt: return gen_intrinsic1(g, "llvm.sqrt", a);
	default: return el_fma(g, a, b, c);
	}
}

/* ---- directed f32 by way of f64 ---- */

/* p + c, of doubles that hold floats or their exact product. */
static val directed_sum(struct gen *g, val p, val c, unsigned round)
{
	val s = x_fadd(g, p, c), err = el_sum_error(g, p, c, s), r = el_fptrunc(g, s), back = el_fpext(g, r);
	val zero = el_fk(g, s, 0.0), same = x_feq(g, back, s);
	val above = x_or(g, x_fgt(g, back, s), x_and(g, same, x_flt(g, err, zero)));
	val below = x_or(g, x_flt(g, back, s), x_and(g, same, x_fgt(g, err, zero)));
	val signs, minus, u;

	r = el_direct(g, r, above, below, round);
	if (round != IR_RND_RM)
		return r;
	/* downwards, a sum that is zero is -0 but for +0 and +0 */
	signs = x_or(g, gen_as_int(g, p), gen_as_int(g, c));
	minus = x_and(g, x_feq(g, s, zero), x_slt(g, signs, x_k(g, signs, 0)));
	u = gen_as_int(g, r);
	return gen_as_float(g, x_or(g, u, x_andk(g, x_mask(g, minus, 32), 0x80000000u)));
}

static val directed_div(struct gen *g, val a, val b, unsigned round)
{
	val r = x_fdiv(g, a, b), back = x_fmul(g, el_fpext(g, r), el_fpext(g, b)), want = el_fpext(g, a);
	val more = x_fgt(g, back, want), less = x_flt(g, back, want), u = gen_as_int(g, b), neg = x_slt(g, u, x_k(g, u, 0));

	return el_direct(g, r, x_sel(g, neg, less, more), x_sel(g, neg, more, less), round);
}

static val directed_sqrt(struct gen *g, val a, unsigned round)
{
	val r = gen_intrinsic1(g, "llvm.sqrt", a), wide = el_fpext(g, r), back = x_fmul(g, wide, wide), want = el_fpext(g, a);

	return el_direct(g, r, x_fgt(g, back, want), x_flt(g, back, want), round);
}

static val directed_f32(struct gen *g, unsigned op, val a, val b, val c, unsigned round)
{
	switch (op) {
	case IR_OP_add: return directed_sum(g, el_fpext(g, a), el_fpext(g, b), round);
	case IR_OP_sub: return directed_sum(g, el_fpext(g, a), x_fneg(g, el_fpext(g, b)), round);
	case IR_OP_mul: return el_f32_of_f64(g, x_fmul(g, el_fpext(g, a), el_fpext(g, b)), round);
	case IR_OP_div:
	case IR_OP_rcp: return directed_div(g, a, b, round);
	case IR_OP_sqrt: return directed_sqrt(g, a, round);
	default: return directed_sum(g, x_fmul(g, el_fpext(g, a), el_fpext(g, b)), el_fpext(g, c), round);
	}
}

static val f32_op(struct gen *g, unsigned op, val a, val b, val c, unsigned round)
{
	val v[] = { a, b, c };

	if (round <= IR_RND_RN)
		return nearest(g, op, a, b, c);
	return can_embed(g, gen_lanes(a)) ? embedded(g, op, v, round) : directed_f32(g, op, a, b, c, round);
}

/*
 * Flushes a result: what is tiny after rounding as if exponents had no lower
 * bound. scaled: the result of operands that make it 2^64 times as large.
 */
static val flush_result(struct gen *g, val r, val scaled)
{
	val u = gen_as_int(g, r), mag = gen_as_float(g, x_andk(g, gen_as_int(g, scaled), 0x7fffffff));
	val limit = el_fk(g, r, 0x1p-62), sign = x_andk(g, u, 0x80000000u);
	val small = x_sel(g, x_flt(g, mag, limit), sign, x_ork(g, sign, 0x00800000));

	return gen_as_float(g, x_sel(g, x_fle(g, mag, limit), small, u));
}

val el_f32_op(struct gen *g, unsigned op, val a, val b, val c, unsigned round, bool ftz)
{
	val up = el_fk(g, a, 0x1p64), r;

	if (ftz && g->ftz) {
		a = el_opaque(g, a);
		b = el_opaque(g, b);
		c = el_opaque(g, c);
	}
	if (op == IR_OP_rcp) {
		b = a;
		a = el_fk(g, a, 1.0);
	}
	r = f32_op(g, op, a, b, c, round);
	/* the processor flushes as it should when it is the one that rounds */
	if (!ftz || op == IR_OP_sqrt || (g->ftz && el_has_fma(g) && (round <= IR_RND_RN || can_embed(g, gen_lanes(a)))))
		return r;
	switch (op) {
	case IR_OP_add:
	case IR_OP_sub:
		/* a tiny sum is exact */
		return gen_as_float(g, el_flush32(g, gen_as_int(g, r)));
	case IR_OP_fma:
	case IR_OP_mad:
		return flush_result(g, r, f32_op(g, op, x_fmul(g, a, up), b, x_fmul(g, c, up), round));
	case IR_OP_rcp:
		return flush_result(g, r, f32_op(g, op, up, b, NULL, round));
	default:
		return flush_result(g, r, f32_op(g, op, x_fmul(g, a, up), b, NULL, round));
	}
}

/* ---- directed f64 ---- */

static const char *mnemonic(unsigned op)
{
	switch (op) {
	case IR_OP_add: return "add";
	case IR_OP_sub: return "sub";
	case IR_OP_mul: return "mul";
	case IR_OP_div:
	case IR_OP_rcp: return "div";
	case IR_OP_sqrt: return "sqrt";
	default: return "fmadd213";
	}
}

/* The bits of MXCSR that say how to round, with exceptions masked. */
static unsigned mxcsr(unsigned round)
{
	return 0x1f80 | (round == IR_RND_RM ? 0x2000 : round == IR_RND_RP ? 0x4000 : 0x6000);
}

/* One instruction between two loads of MXCSR: as one piece, so that nothing else gets in between. */
static val switched_part(struct gen *g, const val *v, const void *arg)
{
	const struct embedded *x = arg;
	unsigned n = n_operands(x->op), lanes = gen_lanes(v[0]);
	bool vex = g->isa >= SD_ISA_AVX2;
	char text[320], insn[64];
	const char *suffix = lanes > 1 ? "pd" : "sd", *constraints;
	LLVMTypeRef t = LLVMTypeOf(v[0]), types[] = { t, t, t };
	val args[3], code;

	/* the destination is tied to the first operand, which serves two- and three-address forms */
	if (n == 1)
		snprintf(insn, sizeof(insn), vex && lanes == 1 ? "v%s%s $1, $1, $0" : "%s%s $1, $0", vex && lanes == 1 ? "sqrt" :
			 vex ? "vsqrt" : "sqrt", suffix);
	else if (n == 2)
		snprintf(insn, sizeof(insn), vex ? "v%s%s $2, $0, $0" : "%s%s $2, $0", mnemonic(x->op), suffix);
	else
		snprintf(insn, sizeof(insn), "v%s%s $3, $2, $0", mnemonic(x->op), suffix);
	snprintf(text, sizeof(text), "leaq -128(%%rsp), %%rsp\n\tpushq $$%u\n\t%sldmxcsr (%%rsp)\n\t%s\n\t"
		 "movl $$%u, (%%rsp)\n\t%sldmxcsr (%%rsp)\n\tleaq 136(%%rsp), %%rsp", mxcsr(x->round), vex ? "v" : "", insn,
		 0x1f80u, vex ? "v" : "");
	constraints = n == 1 ? "=&x,x" : n == 2 ? "=&x,0,x" : "=&x,0,x,x";
	code = LLVMGetInlineAsm(LLVMFunctionType(t, types, n, 0), text, strlen(text), constraints, strlen(constraints), 0, 0,
				LLVMInlineAsmDialectATT, 0);
	for (unsigned k = 0; k < n; k++)
		args[k] = v[k];
	return LLVMBuildCall2(g->b, LLVMFunctionType(t, types, n, 0), code, args, n, "");
}

static val f64_op(struct gen *g, unsigned op, const val *v, unsigned round)
{
	struct embedded x = { op, round, true };
	unsigned lanes = gen_lanes(v[0]);

	/* with its rounding spelled out an instruction's operands stay in their order */
	if (can_embed(g, lanes) && (round > IR_RND_RN || op == IR_OP_add || op == IR_OP_mul))
		return embedded(g, op, v, round);
	if (round <= IR_RND_RN)
		return nearest(g, op, v[0], v[1], v[2]);
	return el_parts(g, g->isa == SD_ISA_SSE42 ? 2 : 4, switched_part, v, n_operands(op), &x);
}

/* first where that is NaN, else x */
static val prefer(struct gen *g, val first, val x)
{
	return first == x || el_never_nan(first) || el_never_nan(x) ? x : x_sel(g, x_uno(g, first, first), first, x);
}

/*
 * Of several NaN operands x86 passes the first one of the instruction, which
 * for a sum, product or fma may not be PTX's choice and may be in any place:
 * so the one that has to win takes the others' place.
 */
val el_f64_op(struct gen *g, unsigned op, val a, val b, val c, unsigned round, bool lazy_nan)
{
	val v[] = { a, b, c };

	switch (op) {
	case IR_OP_add:
	case IR_OP_mul:
		if (!lazy_nan && can_embed(g, gen_lanes(a))) {
			v[0] = b;
			v[1] = a;
			return f64_op(g, op, v, round);
		}
		/* fall through */
	case IR_OP_sub:
		if (!lazy_nan)
			v[0] = prefer(g, b, a);
		break;
	case IR_OP_fma:
	case IR_OP_mad:
		if (!lazy_nan) {
			v[2] = prefer(g, b, c);
			v[0] = el_never_nan(c) ? prefer(g, b, a) : prefer(g, v[2], a);
		}
		break;
	case IR_OP_rcp:
		v[0] = el_fk(g, a, 1.0);
		v[1] = a;
		break;
	default:
		break;
	}
	if (lazy_nan && round <= IR_RND_RN)
		return nearest(g, op, v[0], v[1], v[2]);
	for (unsigned k = 0; k < 3; k++)
		v[k] = el_opaque(g, v[k]);
	return f64_op(g, op, v, round);
}

bool el_f64_op_has(const struct gen *g, unsigned op, unsigned round)
{
	return el_has_fma(g) || (op != IR_OP_fma && op != IR_OP_mad);
}
