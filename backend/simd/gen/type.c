/* type.c: types and constants, scalar or vector alike, and calls of intrinsics. */
#include <string.h>

#include "backend/simd/gen/gen.h"

static LLVMTypeRef vector_of(LLVMTypeRef t, unsigned lanes)
{
	return lanes > 1 ? LLVMVectorType(t, lanes) : t;
}

LLVMTypeRef gen_int_type(struct gen *g, unsigned bits, unsigned lanes)
{
	return vector_of(LLVMIntTypeInContext(g->cx, bits), lanes);
}

LLVMTypeRef gen_float_type(struct gen *g, unsigned bits, unsigned lanes)
{
	LLVMTypeRef t = bits == 16 ? LLVMHalfTypeInContext(g->cx) : bits == 32 ? g->f32 : g->f64;

	return vector_of(t, lanes);
}

static LLVMTypeRef element(val v)
{
	LLVMTypeRef t = LLVMTypeOf(v);

	return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t) : t;
}

unsigned gen_lanes(val v)
{
	LLVMTypeRef t = LLVMTypeOf(v);

	return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetVectorSize(t) : 1;
}

unsigned gen_bits(val v)
{
	LLVMTypeRef t = element(v);

	switch (LLVMGetTypeKind(t)) {
	case LLVMIntegerTypeKind: return LLVMGetIntTypeWidth(t);
	case LLVMHalfTypeKind: return 16;
	case LLVMFloatTypeKind: return 32;
	default: return 64;
	}
}

static val splat_const(val c, unsigned lanes)
{
	val all[SD_MAX_W];

	if (lanes <= 1)
		return c;
	for (unsigned k = 0; k < lanes; k++)
		all[k] = c;
	return LLVMConstVector(all, lanes);
}

val gen_const(struct gen *g, val like, unsigned bits, uint64_t x)
{
	return splat_const(LLVMConstInt(LLVMIntTypeInContext(g->cx, bits), x, 0), gen_lanes(like));
}

val gen_cut(struct gen *g, val v, unsigned bits)
{
	unsigned have = gen_bits(v);
	LLVMTypeRef t = gen_int_type(g, bits, gen_lanes(v));

	if (have == bits)
		return v;
	return have > bits ? LLVMBuildTrunc(g->b, v, t, "") : LLVMBuildZExt(g->b, v, t, "");
}

val gen_sext(struct gen *g, val v, unsigned bits)
{
	if (gen_bits(v) >= bits)
		return gen_cut(g, v, bits);
	return LLVMBuildSExt(g->b, v, gen_int_type(g, bits, gen_lanes(v)), "");
}

val gen_as_float(struct gen *g, val v)
{
	return LLVMBuildBitCast(g->b, v, gen_float_type(g, gen_bits(v), gen_lanes(v)), "");
}

val gen_as_int(struct gen *g, val v)
{
	return LLVMBuildBitCast(g->b, v, gen_int_type(g, gen_bits(v), gen_lanes(v)), "");
}

val gen_splat(struct gen *g, val scalar)
{
	LLVMTypeRef t = LLVMVectorType(LLVMTypeOf(scalar), g->G);
	val one;

	if (LLVMIsConstant(scalar))
		return splat_const(scalar, g->G);
	one = LLVMBuildInsertElement(g->b, LLVMGetPoison(t), scalar, LLVMConstInt(g->i32, 0, 0), "");
	return LLVMBuildShuffleVector(g->b, one, LLVMGetPoison(t), LLVMConstNull(LLVMVectorType(g->i32, g->G)), "");
}

val gen_intrinsic(struct gen *g, const char *name, LLVMTypeRef *over, unsigned n_over, val *args, unsigned n_args)
{
	unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
	val fn = LLVMGetIntrinsicDeclaration(g->mod, id, over, n_over);
	LLVMTypeRef type = LLVMIntrinsicGetType(g->cx, id, over, n_over);

	return LLVMBuildCall2(g->b, type, fn, args, n_args, "");
}

val gen_intrinsic1(struct gen *g, const char *name, val a)
{
	LLVMTypeRef t = LLVMTypeOf(a);

	return gen_intrinsic(g, name, &t, 1, &a, 1);
}

val gen_intrinsic2(struct gen *g, const char *name, val a, val b)
{
	LLVMTypeRef t = LLVMTypeOf(a);
	val args[] = { a, b };

	return gen_intrinsic(g, name, &t, 1, args, 2);
}

val gen_intrinsic3(struct gen *g, const char *name, val a, val b, val c)
{
	LLVMTypeRef t = LLVMTypeOf(a);
	val args[] = { a, b, c };

	return gen_intrinsic(g, name, &t, 1, args, 3);
}
