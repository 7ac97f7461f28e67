/* elem.c: from an element-wise instruction to the emitter of its family. */
#include "backend/simd/gen/elem.h"

#define FAMILY_BIT(f) FAM_##f,
enum { ELEM_FAMILIES(FAMILY_BIT) FAM_COUNT };
#undef FAMILY_BIT

#define FAMILY_FN(f) elem_select_##f,
static elem_fn (*const families[FAM_COUNT])(const struct gen *, const struct ir_insn *) = { ELEM_FAMILIES(FAMILY_FN) };
#undef FAMILY_FN

/* A negated operand: only fma of f32 and f64 has them. */
static bool negates(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_fma: case IR_OP_mad:
		return i->src[0].neg || i->src[1].neg || (i->n_src > 2 && i->src[2].neg);
	default:
		return false;
	}
}

static elem_fn elem_select(const struct gen *g, const struct ir_insn *i)
{
	if (i->op >= IR_OP_COUNT || i->type >= IR_T_COUNT || i->stype >= IR_T_COUNT || i->type3 >= IR_T_COUNT)
		return NULL;
	if (negates(i))
		return elem_select_float(g, i);
	for (unsigned f = 0; f < FAM_COUNT; f++) {
		elem_fn fn = families[f](g, i);

		if (fn)
			return fn;
	}
	return NULL;
}

bool gen_elem_has(const struct gen *g, const struct ir_insn *i)
{
	return elem_select(g, i);
}

/* Where the processor flushes, LLVM has to know. */
static void say_flushing(struct gen *g)
{
	static const char name[] = "denormal-fp-math", how[] = "preserve-sign,preserve-sign";
	LLVMAttributeIndex at = (LLVMAttributeIndex)LLVMAttributeFunctionIndex;

	if (!LLVMGetStringAttributeAtIndex(g->fn, at, name, sizeof(name) - 1))
		LLVMAddAttributeAtIndex(g->fn, at, LLVMCreateStringAttribute(g->cx, name, sizeof(name) - 1, how, sizeof(how) - 1));
}

bool gen_elem(struct gen *g, struct gen_elem *e)
{
	elem_fn fn = elem_select(g, e->i);

	if (!fn)
		return false;
	if (g->ftz)
		say_flushing(g);
	fn(g, e);
	return true;
}

/*
 * With the processor flushing, f32 arithmetic is .ftz arithmetic, f64 and bf16 lose their subnormals, and f16
 * (whose are normal in f32) doesn't notice.
 */
static bool type_notices(unsigned t)
{
	switch (t) {
	case IR_T_F32: case IR_T_F32X2: case IR_T_F64: case IR_T_BF16: case IR_T_BF16X2: case IR_T_E4M3X2: case IR_T_E5M2X2:
	case IR_T_E2M3X2: case IR_T_E3M2X2: case IR_T_E2M1X2:
		return true;
	default:
		return false;
	}
}

static bool cvt_ftz_ok(const struct ir_insn *i)
{
	enum ir_type_class to = ir_type_class((enum ir_type)i->type);

	if (i->flags & IR_F_FTZ)
		return i->type != IR_T_F64 && i->stype != IR_T_F64 && (i->type != IR_T_F16 || i->round <= IR_RND_RN);
	/* integers make no subnormals; of an f32 or f64 they see zero in one, but for .rmi and .rpi; bf16 results are integer work */
	if (!type_notices(i->stype))
		return !type_notices(i->type) || i->stype != IR_T_F16 ? i->type != IR_T_BF16X2 : true;
	if (to == IR_TC_UINT || to == IR_TC_SINT)
		return i->round == IR_RND_RNI || i->round == IR_RND_RZI;
	/* plain copies, shifts and roundings of the bits; and f16, in which f32's subnormals are zero */
	if (i->stype == IR_T_F32)
		return i->type == IR_T_TF32 || ((i->type == IR_T_BF16 || i->type == IR_T_BF16X2 || i->type == IR_T_F16 ||
		       i->type == IR_T_F16X2) && i->round <= IR_RND_RN && !(i->flags & (IR_F_RELU | IR_F_SATFINITE | IR_F_SAT))) ||
		       (i->type == IR_T_F32 && !i->round && !(i->flags & IR_F_SAT));
	return i->stype == IR_T_BF16 && i->type == IR_T_F32 && !i->flags && !i->round;
}

/* Without a rounding or .approx these are the old spelling of .approx.ftz. */
static bool is_old_approx(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_div: case IR_OP_rcp: case IR_OP_sqrt: case IR_OP_rsqrt: case IR_OP_ex2: case IR_OP_lg2: case IR_OP_sin:
	case IR_OP_cos:
		return i->type == IR_T_F32 && !i->round && !(i->flags & (IR_F_APPROX | IR_F_FULL));
	default:
		return false;
	}
}

bool gen_elem_ftz_ok(const struct ir_insn *i)
{
	bool flushes_f32 = (i->flags & IR_F_FTZ) && (i->type == IR_T_F32 || i->type == IR_T_F32X2);

	if (is_old_approx(i))
		return true;
	switch (i->op) {
	case IR_OP_add: case IR_OP_sub: case IR_OP_mul: case IR_OP_mad: case IR_OP_fma: case IR_OP_div: case IR_OP_rcp:
	case IR_OP_sqrt: case IR_OP_rsqrt: case IR_OP_ex2: case IR_OP_lg2: case IR_OP_sin: case IR_OP_cos: case IR_OP_tanh:
		return !type_notices(i->type) || flushes_f32;
	case IR_OP_min: case IR_OP_max:
		return (i->type != IR_T_F32 && i->type != IR_T_F64) || flushes_f32;
	case IR_OP_setp:
		return !type_notices(i->type) || (i->type == IR_T_F32 && (i->flags & IR_F_FTZ));
	case IR_OP_set:
		return !type_notices(i->stype) || (i->stype == IR_T_F32 && (i->flags & IR_F_FTZ));
	case IR_OP_slct:
		return i->stype != IR_T_F32 || (i->flags & IR_F_FTZ);
	case IR_OP_cvt:
		return cvt_ftz_ok(i);
	default:
		return true;
	}
}
