/*
 * shared_fn.c: functions inside of a kernel's module that its rarely taken
 * ways call instead of having the code again each time: lanes one by one, and
 * registers to and from the rows of the interpreter's instructions.
 */
#include <stdio.h>
#include <string.h>

#include "backend/simd/gen/mem.h"

/* The function of that name; made (and entered: *saved is where the builder was) when it isn't there. */
static val function(struct gen *g, const char *name, LLVMTypeRef type, LLVMBasicBlockRef *saved)
{
	val f = LLVMGetNamedFunction(g->mod, name);
	static const char *const copied[] = { "target-cpu", "target-features", "tune-cpu", "prefer-vector-width", "min-legal-vector-width",
					      "no-builtins" };
	unsigned id = LLVMGetEnumAttributeKindForName("noinline", 8), nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);

	*saved = NULL;
	if (f)
		return f;
	*saved = LLVMGetInsertBlock(g->b);
	f = LLVMAddFunction(g->mod, name, type);
	LLVMSetLinkage(f, LLVMInternalLinkage);
	LLVMAddAttributeAtIndex(f, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(g->cx, id, 0));
	LLVMAddAttributeAtIndex(f, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(g->cx, nounwind, 0));
	for (size_t k = 0; k < ARRAY_SIZE(copied); k++) {
		LLVMAttributeRef a = LLVMGetStringAttributeAtIndex(g->fn, LLVMAttributeFunctionIndex, copied[k], (unsigned)strlen(copied[k]));

		if (a)
			LLVMAddAttributeAtIndex(f, LLVMAttributeFunctionIndex, a);
	}
	LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->cx, f, ""));
	return f;
}

static void leave(struct gen *g, LLVMBasicBlockRef saved)
{
	LLVMPositionBuilderAtEnd(g->b, saved);
}

/* ---- lanes ---- */

static LLVMTypeRef lanes_type(struct gen *g)
{
	LLVMTypeRef args[] = { g->ptr, g->ptr, LLVMIntTypeInContext(g->cx, g->G) };

	return LLVMFunctionType(g->void_t, args, 3, 0);
}

static val at_lane(struct gen *g, LLVMTypeRef t, val base, unsigned k, val lane)
{
	val first = LLVMConstInt(g->i64, k * g->G, 0), i = LLVMBuildAdd(g->b, first, lane, "");

	return LLVMBuildInBoundsGEP2(g->b, t, base, &i, 1, "");
}

/* One lane: vals[k][lane] to or from addrs[lane]. */
static void one_lane(struct acc *x, val addrs, val vals, val lane, bool store)
{
	struct gen *g = x->e->g;
	LLVMTypeRef one = LLVMIntTypeInContext(g->cx, 8 * x->size), t = x->vec > 1 ? LLVMVectorType(one, x->vec) : one;
	val a = LLVMBuildLoad2(g->b, g->i64, LLVMBuildInBoundsGEP2(g->b, g->i64, addrs, &lane, 1, ""), ""), v;
	unsigned align = MIN(x->stride, 16u);

	if (store) {
		v = x->vec > 1 ? LLVMGetPoison(t) : NULL;
		for (unsigned k = 0; k < x->vec; k++) {
			val w = LLVMBuildLoad2(g->b, one, at_lane(g, one, vals, k, lane), "");

			v = x->vec > 1 ? LLVMBuildInsertElement(g->b, v, w, LLVMConstInt(g->i32, k, 0), "") : w;
		}
		v = LLVMBuildStore(g->b, v, mem_to_ptr(g, a));
		LLVMSetVolatile(v, 1);
		LLVMSetAlignment(v, align);
		return;
	}
	v = LLVMBuildLoad2(g->b, t, mem_to_ptr(g, a), "");
	LLVMSetVolatile(v, 1);
	LLVMSetAlignment(v, align);
	for (unsigned k = 0; k < x->vec; k++)
		LLVMBuildStore(g->b, x->vec > 1 ? LLVMBuildExtractElement(g->b, v, LLVMConstInt(g->i32, k, 0), "") : v,
			       at_lane(g, one, vals, k, lane));
}

static val lanes_function(struct acc *x, bool store)
{
	struct gen *g = x->e->g;
	LLVMTypeRef bits_t = LLVMIntTypeInContext(g->cx, g->G);
	LLVMBasicBlockRef saved, from, head, body, end;
	char name[32];
	val f, ph, lane, args[2], in[2];

	snprintf(name, sizeof(name), "%s_%u_%u", store ? "st" : "ld", x->size, x->vec);
	f = function(g, name, lanes_type(g), &saved);
	if (!saved)
		return f;
	from = LLVMGetInsertBlock(g->b);
	head = LLVMAppendBasicBlockInContext(g->cx, f, "");
	body = LLVMAppendBasicBlockInContext(g->cx, f, "");
	end = LLVMAppendBasicBlockInContext(g->cx, f, "");
	LLVMBuildBr(g->b, head);
	LLVMPositionBuilderAtEnd(g->b, head);
	ph = LLVMBuildPhi(g->b, bits_t, "");
	LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntNE, ph, LLVMConstNull(bits_t), ""), body, end);
	LLVMPositionBuilderAtEnd(g->b, body);
	args[0] = ph;
	args[1] = LLVMConstInt(g->i1, 1, 0);
	lane = gen_cut(g, gen_intrinsic(g, "llvm.cttz", &bits_t, 1, args, 2), 64);
	one_lane(x, LLVMGetParam(f, 0), LLVMGetParam(f, 1), lane, store);
	in[0] = LLVMGetParam(f, 2);
	in[1] = LLVMBuildAnd(g->b, ph, LLVMBuildSub(g->b, ph, LLVMConstInt(bits_t, 1, 0), ""), "");
	LLVMBuildBr(g->b, head);
	LLVMAddIncoming(ph, in, (LLVMBasicBlockRef[]){ from, body }, 2);
	LLVMPositionBuilderAtEnd(g->b, end);
	LLVMBuildRetVoid(g->b);
	leave(g, saved);
	return f;
}

val mem_scratch(struct gen_emit *e, unsigned which)
{
	struct gen *g = e->g;
	LLVMTypeRef t = LLVMArrayType(g->i64, which == 0 ? g->G : which == 1 ? 8 * g->G : g->W);

	if (!e->scratch[which]) {
		e->scratch[which] = gen_alloca(e, t);
		LLVMSetAlignment(e->scratch[which], 64);
	}
	return e->scratch[which];
}

static val element_ptr(struct acc *x, val base, unsigned k)
{
	struct gen *g = x->e->g;
	val o = LLVMConstInt(g->i64, (uint64_t)k * g->G * x->size, 0);

	return LLVMBuildInBoundsGEP2(g->b, g->i8, base, &o, 1, "");
}

void mem_loop_lanes(struct acc *x, val addr, val m, const val *in, val *out)
{
	struct gen *g = x->e->g;
	val addrs = mem_scratch(x->e, 0), vals = mem_scratch(x->e, 1), f = lanes_function(x, in != NULL);
	val args[] = { addrs, vals, gen_mask_bits(g, m) };

	LLVMSetAlignment(LLVMBuildStore(g->b, addr, addrs), 64);
	for (unsigned k = 0; in && k < x->vec; k++)
		LLVMSetAlignment(LLVMBuildStore(g->b, in[k], element_ptr(x, vals, k)), x->size);
	LLVMBuildCall2(g->b, lanes_type(g), f, args, 3, "");
	for (unsigned k = 0; out && k < x->vec; k++) {
		out[k] = LLVMBuildLoad2(g->b, gen_int_type(g, 8 * x->size, g->G), element_ptr(x, vals, k), "");
		LLVMSetAlignment(out[k], x->size);
	}
}

/* ---- rows ---- */

/* A group as it crosses a call. */
static LLVMTypeRef passed_type(struct gen *g, unsigned bits)
{
	return bits == 1 ? gen_int_type(g, 32, g->G) : gen_int_type(g, bits, g->G);
}

static LLVMTypeRef row_type(struct gen *g)
{
	LLVMTypeRef args[] = { g->ptr, g->ptr };

	return LLVMFunctionType(g->void_t, args, 2, 0);
}

/* bits-wide lanes at one place to 64-bit ones at the other (put), or back. */
static val row_function(struct gen *g, unsigned bits, bool put)
{
	LLVMBasicBlockRef saved;
	unsigned wide = bits == 1 ? 32 : bits;
	char name[32];
	val f;

	snprintf(name, sizeof(name), "%s_row_%u", put ? "put" : "get", bits);
	f = function(g, name, row_type(g), &saved);
	if (!saved)
		return f;
	for (unsigned n = 0; n < g->NG; n++) {
		val ro = LLVMConstInt(g->i64, 8 * n * g->G, 0), vo = LLVMConstInt(g->i64, wide / 8 * n * g->G, 0), v;
		val row = LLVMBuildInBoundsGEP2(g->b, g->i8, LLVMGetParam(f, 0), &ro, 1, "");
		val flat = LLVMBuildInBoundsGEP2(g->b, g->i8, LLVMGetParam(f, 1), &vo, 1, "");

		v = LLVMBuildLoad2(g->b, gen_int_type(g, put ? wide : 64, g->G), put ? flat : row, "");
		LLVMSetAlignment(v, wide / 8 < 8 ? wide / 8 : 8);
		LLVMSetAlignment(LLVMBuildStore(g->b, gen_cut(g, v, put ? 64 : wide), put ? row : flat), wide / 8 < 8 ? wide / 8 : 8);
	}
	LLVMBuildRetVoid(g->b);
	leave(g, saved);
	return f;
}

static val group_ptr(struct gen *g, val base, unsigned bits, unsigned n)
{
	val o = LLVMConstInt(g->i64, (bits == 1 ? 4 : bits / 8) * n * g->G, 0);

	return LLVMBuildInBoundsGEP2(g->b, g->i8, base, &o, 1, "");
}

/* A value to the row at ptr (of the gang's first warp). */
void gen_put_row(struct gen_emit *e, val row, const struct gen_val *x, unsigned bits)
{
	struct gen *g = e->g;
	val flat = mem_scratch(e, 2), args[] = { row, flat };

	for (unsigned n = 0; n < g->NG; n++) {
		val v = gen_group(g, x, bits, n);

		if (bits == 1)
			v = LLVMBuildZExt(g->b, v, passed_type(g, 1), "");
		LLVMSetAlignment(LLVMBuildStore(g->b, v, group_ptr(g, flat, bits, n)), bits == 1 ? 4 : bits / 8);
	}
	LLVMBuildCall2(g->b, row_type(g), row_function(g, bits, true), args, 2, "");
}

void gen_get_row(struct gen_emit *e, val row, unsigned bits, struct gen_val *x)
{
	struct gen *g = e->g;
	val flat = mem_scratch(e, 2), args[] = { row, flat };

	memset(x, 0, sizeof(*x));
	x->shape = GEN_V;
	LLVMBuildCall2(g->b, row_type(g), row_function(g, bits, false), args, 2, "");
	for (unsigned n = 0; n < g->NG; n++) {
		x->v[n] = LLVMBuildLoad2(g->b, passed_type(g, bits), group_ptr(g, flat, bits, n), "");
		LLVMSetAlignment(x->v[n], bits == 1 ? 4 : bits / 8);
		if (bits == 1)
			x->v[n] = LLVMBuildTrunc(g->b, x->v[n], gen_int_type(g, 1, g->G), "");
	}
}
