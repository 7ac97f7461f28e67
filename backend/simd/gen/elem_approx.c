/*
 * elem_approx.c: the approximate functions rcp sqrt rsqrt div ex2 lg2 sin cos
 * tanh: backend/approx.h once more, operation by operation in the same order,
 * for that defines their bits.
 */
#include "backend/simd/gen/elem.h"

static val bits_and(struct gen *g, val f, uint32_t k)
{
	return gen_as_float(g, x_andk(g, gen_as_int(g, f), k));
}

static val rint_small(struct gen *g, val x)
{
	val big = el_fk(g, x, 12582912.0);

	return x_fsub(g, x_fadd(g, x, big), big);
}

/* The integer of an integral float; NaN gives 0. */
static val to_int(struct gen *g, val n)
{
	n = x_sel(g, x_feq(g, n, n), n, el_fk(g, n, 0.0));
	return LLVMBuildFPToSI(g->b, n, gen_int_type(g, 32, gen_lanes(n)), "");
}

static val horner(struct gen *g, val p, val x, const double *c, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		p = el_fma(g, p, x, el_fk(g, x, c[k]));
	return p;
}

static val approx_div(struct gen *g, val a, val b)
{
	val u = gen_as_int(g, b), mag = x_andk(g, u, 0x7fffffff);
	val far = x_and(g, x_sgt(g, mag, x_k(g, u, 0x7e800000)), x_slt(g, mag, x_k(g, u, 0x7f800000)));
	val inf = x_ork(g, x_andk(g, u, 0x80000000u), 0x7f800000);

	return x_fdiv(g, a, gen_as_float(g, x_sel(g, far, inf, u)));
}

/* Of f64, too. */
static val rsqrt_divided(struct gen *g, val x)
{
	val one = el_fk(g, x, 1.0), y = x_fdiv(g, one, gen_intrinsic1(g, "llvm.sqrt", x));
	val e = el_fma(g, x_fneg(g, x_fmul(g, x, y)), y, one);
	val r = el_fma(g, x_fmul(g, el_fk(g, x, 0.5), y), e, y);

	return x_sel(g, x_feq(g, e, e), r, y);
}

static val rsqrt_stepped(struct gen *g, val x)
{
	static const double coeff[] = { -0x1.636c5ap+0, 0x1.f137f6p+0 };
	val u = gen_as_int(g, x), s = gen_as_float(g, x_sub(g, x_k(g, u, 0x5f300000), x_lshrk(g, u, 1)));
	val w = x_fmul(g, x_fmul(g, x, s), s), y = x_fmul(g, s, horner(g, el_fk(g, x, 0x1.c8dd6ap-2), w, coeff, 2));
	val e = el_fma(g, x_fneg(g, x_fmul(g, x, y)), y, el_fk(g, x, 1.0));

	return el_fma(g, x_fmul(g, el_fk(g, x, 0.5), y), e, y);
}

/* What isn't a normal positive number is rare: a branch. */
static val approx_rsqrt(struct gen *g, val x)
{
	val u = gen_as_int(g, x), r = rsqrt_stepped(g, x), some, v[2], phi;
	val rare = x_uge(g, x_sub(g, u, x_k(g, u, 0x00800000)), x_k(g, u, 0x7f000000));
	LLVMBasicBlockRef from[2], divide, on;

	some = gen_lanes(x) == 1 ? rare : LLVMBuildICmp(g->b, LLVMIntNE, gen_mask_bits(g, rare),
							 LLVMConstNull(LLVMIntTypeInContext(g->cx, g->G)), "");
	divide = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	on = LLVMAppendBasicBlockInContext(g->cx, g->fn, "");
	from[0] = LLVMGetInsertBlock(g->b);
	from[1] = divide;
	LLVMBuildCondBr(g->b, some, divide, on);
	LLVMPositionBuilderAtEnd(g->b, divide);
	v[0] = r;
	v[1] = x_sel(g, rare, rsqrt_divided(g, x), r);
	LLVMBuildBr(g->b, on);
	LLVMPositionBuilderAtEnd(g->b, on);
	phi = LLVMBuildPhi(g->b, LLVMTypeOf(r), "");
	LLVMAddIncoming(phi, v, from, 2);
	return phi;
}

static val approx_ex2(struct gen *g, val x)
{
	static const double coeff[] = { 0x1.5f3c50p-10, 0x1.3b2d50p-7, 0x1.c6aeeep-5, 0x1.ebfbdcp-3, 0x1.62e430p-1, 1.0 };
	val low = el_fk(g, x, -160.0), high = el_fk(g, x, 130.0);
	val c = x_sel(g, x_fgt(g, x, high), high, x_sel(g, x_flt(g, x, low), low, x));
	val n = rint_small(g, c), f = x_fsub(g, c, n), i = to_int(g, n), half = x_ashrk(g, i, 1);
	val p = horner(g, el_fk(g, x, 0x1.41f7c6p-13), f, coeff, 6);

	p = x_fmul(g, p, gen_as_float(g, x_shlk(g, x_addk(g, half, 127), 23)));
	return x_fmul(g, p, gen_as_float(g, x_shlk(g, x_addk(g, x_sub(g, i, half), 127), 23)));
}

static val approx_lg2(struct gen *g, val x)
{
	static const double coeff[] = { 0x1.274710p-1, 0x1.ec70e6p-1, 0x1.715476p+1 };
	val zero = el_fk(g, x, 0.0), one = el_fk(g, x, 1.0), small = x_flt(g, x, el_fk(g, x, 0x1p-126));
	val u = gen_as_int(g, x_sel(g, small, x_fmul(g, x, el_fk(g, x, 0x1p23)), x));
	val off = x_sub(g, u, x_k(g, u, 0x3f3504f3u));
	val exp = LLVMBuildSIToFP(g->b, x_ashrk(g, off, 23), LLVMTypeOf(x), "");
	val e = x_fsub(g, exp, x_sel(g, small, el_fk(g, x, 23.0), zero));
	val m = gen_as_float(g, x_addk(g, x_andk(g, off, 0x7fffff), 0x3f3504f3u));
	val s = x_fdiv(g, x_fsub(g, m, one), x_fadd(g, m, one)), z = x_fmul(g, s, s), r, inf, special;

	r = el_fma(g, s, horner(g, el_fk(g, x, 0x1.ba1b42p-2), z, coeff, 3), e);
	inf = gen_as_float(g, x_k(g, u, 0x7f800000));
	r = x_sel(g, x_flt(g, x, inf), r, x);
	special = gen_as_float(g, x_sel(g, x_flt(g, x, zero), x_k(g, u, 0x7fffffff), x_k(g, u, 0xff800000u)));
	r = x_sel(g, x_fgt(g, x, zero), r, special);
	return x_sel(g, x_feq(g, x, x), r, x);
}

static val turns(struct gen *g, val x)
{
	val inv = el_fk(g, x, 0x1.45f306p-3), p = x_fmul(g, x, inv), err = el_fma(g, x, inv, x_fneg(g, p));
	val zero = el_fk(g, x, 0.0), u = gen_as_int(g, p);
	val far = x_or(g, x_and(g, x_flt(g, err, zero), x_fgt(g, p, zero)), x_and(g, x_fgt(g, err, zero), x_flt(g, p, zero)));

	return gen_as_float(g, x_add(g, u, x_mask(g, far, 32)));
}

/* quarters: 0 sin, 1 cos */
static val sin_quarters(struct gen *g, val x, unsigned quarters)
{
	static const double sc[] = { 0x1.465e92p+6, -0x1.4abbbap+5, 0x1.921fb6p+2 };
	static const double cc[] = { -0x1.55c664p+6, 0x1.03c1eep+6, -0x1.3bd3ccp+4, 1.0 };
	val t = turns(g, x), a = bits_and(g, t, 0x7fffffff);
	val r = x_sel(g, x_flt(g, a, el_fk(g, x, 0x1p22)), x_fsub(g, t, rint_small(g, t)), x_fsub(g, t, t));
	val k = rint_small(g, x_fmul(g, el_fk(g, x, 4.0), r)), f = el_fma(g, k, el_fk(g, x, -0.25), r), z = x_fmul(g, f, f);
	val q = x_addk(g, to_int(g, k), quarters);
	val s = x_fmul(g, f, horner(g, el_fk(g, x, -0x1.2d9302p+6), z, sc, 3));
	val c = horner(g, el_fk(g, x, 0x1.d9f7bcp+5), z, cc, 4);
	val v = x_sel(g, x_ne(g, x_andk(g, q, 1), x_k(g, q, 0)), c, s);

	return gen_as_float(g, x_xor(g, gen_as_int(g, v), x_shlk(g, x_andk(g, q, 2), 30)));
}

static val approx_sin(struct gen *g, val x)
{
	return x_sel(g, x_flt(g, bits_and(g, x, 0x7fffffff), el_fk(g, x, 0x1p-60)), x, sin_quarters(g, x, 0));
}

static val approx_tanh(struct gen *g, val x)
{
	static const double coeff[] = { 0x1.10b016p-3, -0x1.55549ep-2 };
	val sign = x_andk(g, gen_as_int(g, x), 0x80000000u), y = bits_and(g, x, 0x7fffffff);
	val one = el_fk(g, x, 1.0), cap = el_fk(g, x, 16.0);
	val e = approx_ex2(g, x_fmul(g, el_fk(g, x, 0x1.715476p+1), x_sel(g, x_flt(g, y, cap), y, cap)));
	val far = x_fsub(g, one, x_fdiv(g, el_fk(g, x, 2.0), x_fadd(g, e, one))), z = x_fmul(g, y, y);
	val p = horner(g, el_fk(g, x, -0x1.9c9a1ep-5), z, coeff, 2), r;

	p = el_fma(g, x_fmul(g, p, z), y, y);
	r = x_sel(g, x_flt(g, y, el_fk(g, x, 0.3f)), p, far);
	return x_sel(g, x_feq(g, y, y), gen_as_float(g, x_or(g, gen_as_int(g, r), sign)), x);
}

static val f32_function(struct gen *g, unsigned op, val a)
{
	switch (op) {
	case IR_OP_rcp: return x_fdiv(g, el_fk(g, a, 1.0), a);
	case IR_OP_sqrt: return gen_intrinsic1(g, "llvm.sqrt", a);
	case IR_OP_rsqrt: return approx_rsqrt(g, a);
	case IR_OP_ex2: return approx_ex2(g, a);
	case IR_OP_lg2: return approx_lg2(g, a);
	case IR_OP_sin: return approx_sin(g, a);
	case IR_OP_cos: return sin_quarters(g, a, 1);
	default: return approx_tanh(g, a);
	}
}

/* A missing .approx is the old spelling of .approx.ftz. */
static bool flushes(const struct ir_insn *i)
{
	return (i->flags & IR_F_FTZ) || !(i->flags & (IR_F_APPROX | IR_F_FULL));
}

static void emit_f32(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	bool ftz = flushes(i);
	val a = el_f32_in(g, e, 0, ftz), r, u;

	if (i->op == IR_OP_div) {
		val b = el_opaque(g, el_f32_in(g, e, 1, ftz));

		r = i->flags & IR_F_FULL ? x_fdiv(g, a, b) : approx_div(g, a, b);
	} else {
		r = f32_function(g, i->op, a);
	}
	u = el_f32_out(g, e, r);
	/* of these, sin may answer its operand as it is */
	e->dst[0] = ftz && (!g->ftz || i->op == IR_OP_sin) ? el_flush32(g, u) : u;
}

/* halves: through f32; the result is rounded to the format */
static void emit_half(struct gen *g, struct gen_elem *e)
{
	const struct ir_insn *i = e->i;
	unsigned bits = el_bits(e);
	bool bf16 = i->type == IR_T_BF16 || i->type == IR_T_BF16X2, ftz = i->flags & IR_F_FTZ;
	val h = el_src(g, e, 0, bits), f;

	if (bits == 32)
		h = el_split(g, h, 16);
	f = bf16 ? el_f32_of_bf16(g, h) : el_f32_of_f16(g, h);
	if (ftz)
		f = gen_as_float(g, el_flush32(g, gen_as_int(g, f)));
	f = f32_function(g, i->op, f);
	h = bf16 ? el_bf16_of_f32(g, f, IR_RND_RN, true) : el_f16_of_f32(g, f, IR_RND_RN, true);
	if (ftz)
		h = x_sel(g, x_eq(g, x_andk(g, h, 0x7f80), x_k(g, h, 0)), x_andk(g, h, 0x8000), h);
	e->dst[0] = bits == 32 ? el_join(g, h, 32) : h;
}

/* ---- f64 ---- */

/* rcp and rsqrt with .ftz look at the upper word and give one. */
static val upper(struct gen *g, val u)
{
	val top = x_andk(g, u, ~(uint64_t)UINT32_MAX), exp = x_andk(g, u, UINT64_C(0x7ff) << 52);

	return x_sel(g, x_eq(g, exp, x_k(g, u, 0)), x_andk(g, u, UINT64_C(1) << 63), top);
}

static void emit_f64_upper(struct gen *g, struct gen_elem *e)
{
	val a = gen_as_float(g, upper(g, el_src(g, e, 0, 64))), r, u;

	if (e->i->op == IR_OP_rsqrt)
		a = gen_intrinsic1(g, "llvm.sqrt", a);
	r = x_fdiv(g, el_fk(g, a, 1.0), a);
	u = gen_as_int(g, r);
	e->dst[0] = x_sel(g, x_uno(g, r, r), x_k(g, u, UINT64_C(0x7fffffff) << 32), upper(g, u));
}

/* NaN operands pass through all of it, quiet; what makes a NaN makes the same one. */
static void emit_f64_rsqrt(struct gen *g, struct gen_elem *e)
{
	e->dst[0] = gen_as_int(g, rsqrt_divided(g, el_fsrc(g, e, 0, 64)));
}

/* div, rcp, sqrt without a rounding (PTX before 1.4): to nearest */
static void emit_f64_old(struct gen *g, struct gen_elem *e)
{
	val a = el_fsrc(g, e, 0, 64), b = e->i->op == IR_OP_div ? el_fsrc(g, e, 1, 64) : NULL;

	e->dst[0] = gen_as_int(g, el_f64_op(g, e->i->op, a, b, NULL, IR_RND_RN, e->lazy_nan));
}

static elem_fn select_f32(const struct ir_insn *i)
{
	if (!el_only(i, IR_F_APPROX | IR_F_FULL | IR_F_FTZ))
		return NULL;
	if (i->flags & IR_F_FULL)
		return i->op == IR_OP_div && !(i->flags & IR_F_APPROX) ? emit_f32 : NULL;
	switch (i->op) {
	case IR_OP_rcp: case IR_OP_sqrt: case IR_OP_rsqrt: case IR_OP_ex2: case IR_OP_lg2: case IR_OP_sin: case IR_OP_cos:
	case IR_OP_div: return emit_f32;
	case IR_OP_tanh: return i->flags == IR_F_APPROX ? emit_f32 : NULL;
	default: return NULL;
	}
}

static elem_fn select_f64(const struct gen *g, const struct ir_insn *i)
{
	bool approx = i->flags & IR_F_APPROX, ftz = i->flags & IR_F_FTZ;

	if (!el_only(i, IR_F_APPROX | IR_F_FTZ))
		return NULL;
	switch (i->op) {
	case IR_OP_rcp: return approx && ftz ? emit_f64_upper : i->flags ? NULL : emit_f64_old;
	case IR_OP_rsqrt: return ftz ? (approx ? emit_f64_upper : NULL) : el_has_fma(g) ? emit_f64_rsqrt : NULL;
	case IR_OP_div: case IR_OP_sqrt: return i->flags ? NULL : emit_f64_old;
	default: return NULL;
	}
}

static elem_fn select_half(const struct ir_insn *i)
{
	bool ex2 = i->op == IR_OP_ex2, bf16 = i->type == IR_T_BF16 || i->type == IR_T_BF16X2;

	if (!ex2 && i->op != IR_OP_tanh)
		return NULL;
	if (i->flags == (IR_F_APPROX | IR_F_FTZ))
		return ex2 && bf16 ? emit_half : NULL;
	return i->flags == IR_F_APPROX && !(ex2 && bf16) ? emit_half : NULL;
}

elem_fn elem_select_approx(const struct gen *g, const struct ir_insn *i)
{
	if (i->round)
		return NULL;
	switch (i->type) {
	case IR_T_F32: return select_f32(i);
	case IR_T_F64: return select_f64(g, i);
	case IR_T_F16: case IR_T_F16X2: case IR_T_BF16: case IR_T_BF16X2: return select_half(i);
	default: return NULL;
	}
}
