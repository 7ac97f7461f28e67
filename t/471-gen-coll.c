/*
 * t/471: the simd backend's code for warp-wide instructions and atomics gives
 * what the interp backend gives, bit for bit: every form, at every width of
 * vectors that this CPU has, gangs of one, two and four warps, all lanes and
 * some, operands of every shape. One case in four is run on each machine, all
 * of them with T471_ALL=1; T471_SEED=n: other values; T471_ONLY=text: forms
 * with it.
 */
#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"
#include "backend/simd/gen/gen.h"
#include "backend/simd/sd_insn.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define ROUNDS 12
#define N_SRC 4
#define BASE_AT (SD_MAX_W - 1)     /* of a pattern, behind the lanes in use */
#define K_AT (SD_MAX_W - 2)
#define SHARE 4                    /* of the cases, one in so many */
#define SLOTS 8                    /* places that atomics work on */

/* ---- the forms ---- */

enum role { R_ANY, R_LANE, R_CLAMP, R_MEMBERS, R_TILE /* of 8 lanes */, R_PRED, R_FEW, R_F32, R_F64, R_GLOBAL, R_SHARED, R_GENERIC };

struct form {
	const char *ptx;
	uint8_t role[N_SRC];
	const char *shapes;        /* sets of a letter per source operand: U P V, C: a constant; immediates are C whatever it says */
};

#define SHFL(mode, shapes) { "shfl.sync." mode ".b32 %r0|%p0, %r1, %r2, %r3, %r4", { R_ANY, R_LANE, R_CLAMP, R_MEMBERS }, shapes }
#define SHFL_IMM(mode, b, c) { "shfl.sync." mode ".b32 %r0|%p0, %r1, " b ", " c ", -1", { R_ANY }, "V P U" }
#define VOTE(mode, d) { "vote.sync." mode " " d ", %p1, %r4", { R_PRED, R_MEMBERS }, "VU UU VV UV" }
#define REDUX(op) { "redux.sync." op " %r0, %r1, %r4", { R_ANY, R_MEMBERS }, "VU UU VV PU UV" }
#define REDUX_F(op) { "redux.sync." op ".f32 %f0, %f1, %r4", { R_F32, R_MEMBERS }, "VU UU VV" }
#define SOME "VV VU UV UU PV"
#define ATOM32(op) \
	{ "atom.global." op " %r0, [%rd1], %r1", { R_GLOBAL, R_FEW }, SOME }, { "red.global." op " [%rd1], %r1", { R_GLOBAL, R_FEW }, SOME }, \
	{ "atom.shared." op " %r0, [%rd1], %r1", { R_SHARED, R_FEW }, SOME }, { "atom." op " %r0, [%rd1], %r1", { R_GENERIC, R_FEW }, "VV" }
#define ATOM64(op) \
	{ "atom.global." op " %rd0, [%rd1], %rd2", { R_GLOBAL, R_FEW }, "VV UV UU" }, \
	{ "red.shared." op " [%rd1], %rd2", { R_SHARED, R_FEW }, "VV UV" }
#define ATOM_ADD(T, R, role) \
	{ "atom.global.add." T " %" R "0, [%rd1], %" R "1", { R_GLOBAL, role }, SOME }, \
	{ "red.global.add." T " [%rd1], %" R "1", { R_GLOBAL, role }, SOME }, \
	{ "atom.shared.add." T " %" R "0, [%rd1], %" R "1", { R_SHARED, role }, SOME }, \
	{ "atom.add." T " %" R "0, [%rd1], %" R "1", { R_GENERIC, role }, "VV UV" }

static const struct form forms[] = {
	SHFL("up", "VVVU VUUU VCCU UVVU PVCU"), SHFL("down", "VVVU VUUU VCCU UVVU PVCU"),
	SHFL("bfly", "VVVU VUUU VCCU UVVU PVCU"), SHFL("idx", "VVVU VUUU VCCU UVVU PVCU VUCU"),
	{ "shfl.sync.idx.b32 %r0|%p0, %r1, %r2, 0x181f, %r4", { R_ANY, R_LANE, R_CLAMP, R_TILE }, "VVCV" },
	SHFL_IMM("up", "1", "0"), SHFL_IMM("up", "7", "0x1800"), SHFL_IMM("up", "16", "0"), SHFL_IMM("up", "3", "0x1c02"),
	SHFL_IMM("down", "1", "31"), SHFL_IMM("down", "5", "0x181f"), SHFL_IMM("down", "16", "31"), SHFL_IMM("down", "0", "31"),
	SHFL_IMM("bfly", "1", "31"), SHFL_IMM("bfly", "16", "31"), SHFL_IMM("bfly", "4", "31"), SHFL_IMM("bfly", "8", "0x181f"),
	SHFL_IMM("idx", "0", "31"), SHFL_IMM("idx", "9", "31"), SHFL_IMM("idx", "3", "0x181f"), SHFL_IMM("idx", "30", "20"),
	{ "shfl.sync.idx.b32 %r0, %r1, %r2, 31, -1", { R_ANY, R_LANE }, "VU VV UV PU VC" },
	{ "shfl.sync.idx.b32 _|%p0, %r1, %r2, 0x101f, -1", { R_ANY, R_LANE }, "VU VV" },
	{ "shfl.sync.idx.b32 %r0, 77, %r2, 31, -1", { R_ANY, R_LANE }, "UV" },
	VOTE("all.pred", "%p0"), VOTE("any.pred", "%p0"), VOTE("uni.pred", "%p0"), VOTE("ballot.b32", "%r0"),
	{ "vote.sync.ballot.b32 %r0, 1, %r4", { R_PRED, R_MEMBERS }, "UU UV" },
	{ "vote.sync.ballot.b32 %r0, !%p1, -1", { R_PRED }, "U V" },
	{ "match.any.sync.b32 %r0, %r1, %r4", { R_FEW, R_MEMBERS }, "VU UU VV PU" },
	{ "match.any.sync.b64 %r0, %rd1, %r4", { R_FEW, R_MEMBERS }, "VU UU VV PU" },
	{ "match.all.sync.b32 %r0|%p0, %r1, %r4", { R_FEW, R_MEMBERS }, "VU UU VV UV" },
	{ "match.all.sync.b64 %r0|%p0, %rd1, %r4", { R_FEW, R_MEMBERS }, "VU UU VV" },
	REDUX("add.u32"), REDUX("add.s32"), REDUX("min.u32"), REDUX("min.s32"), REDUX("max.u32"), REDUX("max.s32"),
	REDUX("and.b32"), REDUX("or.b32"), REDUX("xor.b32"),
	REDUX_F("min"), REDUX_F("max"), REDUX_F("min.NaN"), REDUX_F("max.NaN"), REDUX_F("min.abs"), REDUX_F("max.abs"),
	REDUX_F("min.abs.NaN"), REDUX_F("max.abs.NaN"),
	{ "elect.sync %r0|%p0, %r4", { R_MEMBERS }, "U V" }, { "elect.sync _|%p0, -1", { R_ANY }, "" },
	{ "activemask.b32 %r0", { R_ANY }, "" }, { "bar.warp.sync -1", { R_ANY }, "" }, { "bar.warp.sync %r4", { R_MEMBERS }, "U V" },
	ATOM32("add.u32"), ATOM32("and.b32"), ATOM32("or.b32"), ATOM32("xor.b32"), ATOM32("inc.u32"), ATOM32("dec.u32"),
	ATOM32("min.u32"), ATOM32("min.s32"), ATOM32("max.u32"), ATOM32("max.s32"),
	ATOM64("add.u64"), ATOM64("and.b64"), ATOM64("or.b64"), ATOM64("xor.b64"), ATOM64("min.u64"),
	ATOM64("min.s64"), ATOM64("max.u64"), ATOM64("max.s64"),
	{ "atom.global.exch.b32 %r0, [%rd1], %r1", { R_GLOBAL, R_FEW }, SOME }, { "atom.shared.exch.b32 %r0, [%rd1], %r1", { R_SHARED, R_FEW }, SOME },
	{ "atom.shared.exch.b64 %rd0, [%rd1], %rd2", { R_SHARED, R_FEW }, "VV UV" }, { "atom.exch.b64 %rd0, [%rd1], %rd2", { R_GENERIC, R_FEW }, "VV UV" },
	ATOM_ADD("f32", "f", R_F32), ATOM_ADD("f64", "d", R_F64),
	{ "atom.global.cas.b32 %r0, [%rd1], %r1, %r2", { R_GLOBAL, R_FEW, R_FEW }, "VVV UVV UUU VUV" },
	{ "atom.shared.cas.b32 %r0, [%rd1], %r1, %r2", { R_SHARED, R_FEW, R_FEW }, "VVV UVV UUU" },
	{ "atom.global.cas.b64 %rd0, [%rd1], %rd2, %rd3", { R_GLOBAL, R_FEW, R_FEW }, "VVV UVV" },
	{ "atom.shared.cas.b64 %rd0, [%rd1], %rd2, %rd3", { R_SHARED, R_FEW, R_FEW }, "VVV" },
	{ "atom.global.cas.b16 %h0, [%rd1], %h1, %h2", { R_GLOBAL, R_FEW, R_FEW }, "VVV UVV" },
	{ "atom.global.add.u32 %r0, [%rd1], 1", { R_GLOBAL }, "U V" }, { "red.shared.add.u32 [%rd1], 1", { R_SHARED }, "U V" },
	{ "atom.global.add.u64 %rd0, [%rd1], -3", { R_GLOBAL }, "U V" },
	{ "atom.global.cas.b32 %r0, [%rd1], 0, 1", { R_GLOBAL }, "U V" },
};

/* ---- cases: a form, shapes, a machine ---- */

struct machine {
	const char *name, *cpu;
	enum sd_isa isa;
	unsigned G;
};

static const struct machine machines[] = {
	{ "sse4.2", "x86-64-v2", SD_ISA_SSE42, 4 }, { "avx2", "x86-64-v3", SD_ISA_AVX2, 8 },
	{ "avx512", "x86-64-v4", SD_ISA_AVX512, 16 }, { "avx512-8", "x86-64-v4", SD_ISA_AVX512, 8 },
};

struct tcase {
	const struct form *f;
	const struct ir_insn *i;
	unsigned ref;
	char shapes[N_SRC + 1];
	unsigned W;
	bool full, ftz, wanted;
	uint64_t seed;
	struct gen_pat pat[N_SRC];
	uint64_t base[N_SRC], k[N_SRC];
};

typedef void (*case_fn)(struct sd_ctx *c, const uint64_t *src, const uint32_t *mask, uint64_t *dst);

static uint64_t rnd_state;

static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state * 0x2545f4914f6cdd1dull;
}

static void seed(uint64_t s)
{
	rnd_state = s * 0x9e3779b97f4a7c15ull + 0x1234567;
	for (int n = 0; n < 4; n++)
		rnd();
}

static bool is_atom(const struct ir_insn *i)
{
	return i->op == IR_OP_atom || i->op == IR_OP_red;
}

static struct kt t;
static const struct ir_func *func;
static struct be_kernel *ik;
static uint8_t *global, *shared;

static unsigned src_bits(const struct ir_insn *i, unsigned n)
{
	const struct ir_opnd *o = &i->src[n];

	if (o->kind == IR_OPND_REG || o->kind == IR_OPND_MEM)
		return ir_type_bits(func->regs[o->reg].type);
	return is_atom(i) ? 64 : 32;
}

static bool is_imm(const struct ir_insn *i, unsigned n)
{
	return i->src[n].kind == IR_OPND_IMM;
}

/* ---- code ---- */

static val load_src(struct gen *g, unsigned k, unsigned lane, unsigned n, unsigned bits)
{
	val at = LLVMConstInt(g->i64, k * SD_MAX_W + lane, 0);
	val p = LLVMBuildInBoundsGEP2(g->b, g->i64, LLVMGetParam(g->fn, 1), &at, 1, "");
	val v = LLVMBuildLoad2(g->b, gen_int_type(g, 64, n), p, "");

	LLVMSetAlignment(v, 8);
	return gen_cut(g, v, bits);
}

static void make_src(struct gen *g, const struct tcase *tc, unsigned k, unsigned bits, struct gen_val *x)
{
	memset(x, 0, sizeof(*x));
	if (is_imm(tc->i, k)) {
		x->shape = GEN_U;
		x->u = LLVMConstInt(LLVMIntTypeInContext(g->cx, bits), tc->i->src[k].imm, 0);
		return;
	}
	switch (tc->shapes[k]) {
	case 'C':
		x->shape = GEN_U;
		x->u = LLVMConstInt(LLVMIntTypeInContext(g->cx, bits), tc->base[k], 0);
		break;
	case 'U':
		x->shape = GEN_U;
		x->u = load_src(g, k, 0, 1, bits);
		break;
	case 'P':
		x->shape = GEN_P;
		x->pat = &tc->pat[k];
		x->u = load_src(g, k, BASE_AT, 1, bits);
		x->k = tc->pat[k].has_k ? load_src(g, k, K_AT, 1, bits) : NULL;
		break;
	default:
		x->shape = GEN_V;
		for (unsigned n = 0; n < g->NG; n++)
			x->v[n] = load_src(g, k, n * g->G, g->G, bits);
	}
}

static void make_mask(struct gen *g, struct gen_mask *m)
{
	unsigned per = 32 / g->G;

	for (unsigned n = 0; n < g->NG; n++) {
		val at = LLVMConstInt(g->i64, n / per, 0), w;

		w = LLVMBuildLoad2(g->b, g->i32, LLVMBuildInBoundsGEP2(g->b, g->i32, LLVMGetParam(g->fn, 2), &at, 1, ""), "");
		w = LLVMBuildLShr(g->b, w, LLVMConstInt(g->i32, n % per * g->G, 0), "");
		m->v[n] = gen_mask_of_bits(g, LLVMBuildTrunc(g->b, w, LLVMIntTypeInContext(g->cx, g->G), ""));
	}
}

static void store_dst(struct gen *g, unsigned k, const struct gen_val *d)
{
	for (unsigned n = 0; n < g->NG; n++) {
		val at = LLVMConstInt(g->i64, k * SD_MAX_W + n * g->G, 0);
		val p = LLVMBuildInBoundsGEP2(g->b, g->i64, LLVMGetParam(g->fn, 3), &at, 1, "");
		val v = gen_cut(g, d->shape == GEN_U ? gen_splat(g, d->u) : d->v[n], 64);

		LLVMSetAlignment(LLVMBuildStore(g->b, v, p), 8);
	}
}

static bool shape_is(struct gen *g, const struct gen_val *d, enum gen_shape want)
{
	return d->shape == want && (want == GEN_U ? gen_lanes(d->u) == 1 : gen_lanes(d->v[g->NG - 1]) == g->G);
}

static bool emit_coll(struct gen *g, const struct tcase *tc, const struct gen_mask *m)
{
	struct gen_val src[IR_MAX_SRC] = { 0 }, dst[IR_MAX_DST] = { 0 };
	enum gen_shape shapes[IR_MAX_SRC] = { GEN_BOTTOM };
	unsigned bits[IR_MAX_SRC] = { 0 };
	bool good;

	for (unsigned n = 0; n < tc->i->n_src; n++) {
		bits[n] = src_bits(tc->i, n);
		make_src(g, tc, n, bits[n], &src[n]);
		if (bits[n] == 1 && tc->i->src[n].neg)
			for (unsigned k = 0; k < g->NG; k++)
				if (src[n].shape == GEN_V)
					src[n].v[k] = LLVMBuildNot(g->b, src[n].v[k], "");
		if (bits[n] == 1 && tc->i->src[n].neg && src[n].shape == GEN_U)
			src[n].u = LLVMBuildNot(g->b, src[n].u, "");
		shapes[n] = src[n].shape;
	}
	if (!gen_coll_has(g, tc->i) || !gen_coll(g, tc->i, src, bits, m, dst))
		return false;
	good = true;
	for (unsigned n = 0; n < tc->i->n_dst; n++) {
		if (tc->i->dst[n].kind != IR_OPND_REG)
			continue;
		good &= shape_is(g, &dst[n], gen_coll_shape(g, tc->i, n, shapes));
		if (!good)
			diag("%s %s: the shape of result %u isn't what gen_coll_shape says", tc->f->ptx, tc->shapes, n);
		if (good)
			store_dst(g, n, &dst[n]);
	}
	return good;
}

static bool emit_atom(struct gen *g, const struct tcase *tc, const struct gen_mask *m)
{
	struct gen_atom a = { .i = tc->i, .m = *m, .b_bits = src_bits(tc->i, 1), .wanted = tc->wanted };

	a.shared = tc->i->space == IR_SPACE_SHARED;
	make_src(g, tc, 0, 64, &a.addr);
	make_src(g, tc, 1, a.b_bits, &a.b);
	if (tc->i->n_src > 2) {
		a.c_bits = src_bits(tc->i, 2);
		make_src(g, tc, 2, a.c_bits, &a.c);
	}
	if (!gen_atom_has(g, tc->i) || !gen_atom(g, &a))
		return false;
	if (tc->wanted)
		store_dst(g, 0, &a.dst);
	return true;
}

static void begin_function(struct gen *g, const char *name)
{
	LLVMTypeRef in[] = { g->ptr, g->ptr, g->ptr, g->ptr };

	g->fn = LLVMAddFunction(g->mod, name, LLVMFunctionType(g->void_t, in, 4, 0));
	g->ctx = LLVMGetParam(g->fn, 0);
	LLVMAddTargetDependentFunctionAttr(g->fn, "min-legal-vector-width", "512");
	LLVMAddTargetDependentFunctionAttr(g->fn, "prefer-vector-width", "512");
	LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->cx, g->fn, "entry"));
}

static bool emit(struct gen *g, const struct tcase *tc, const char *name)
{
	struct gen_mask m = { .full = tc->full };
	bool good;

	g->W = tc->W;
	g->n_warps = tc->W / 32;
	g->NG = tc->W / g->G;
	g->ftz = tc->ftz;
	begin_function(g, name);
	if (!m.full)
		make_mask(g, &m);
	good = is_atom(tc->i) ? emit_atom(g, tc, &m) : emit_coll(g, tc, &m);
	LLVMBuildRetVoid(g->b);
	return good;
}

static void gen_open(struct gen *g, const struct machine *m, LLVMTargetMachineRef tm)
{
	char *layout;
	LLVMTargetDataRef td = LLVMCreateTargetDataLayout(tm);

	memset(g, 0, sizeof(*g));
	g->cx = LLVMContextCreate();
	g->mod = LLVMModuleCreateWithNameInContext("test", g->cx);
	layout = LLVMCopyStringRepOfTargetData(td);
	LLVMSetDataLayout(g->mod, layout);
	LLVMDisposeMessage(layout);
	LLVMDisposeTargetData(td);
	LLVMSetTarget(g->mod, "x86_64-pc-linux-gnu");
	g->b = LLVMCreateBuilderInContext(g->cx);
	g->tm = tm;
	g->isa = m->isa;
	g->G = m->G;
	g->i1 = LLVMInt1TypeInContext(g->cx);
	g->i8 = LLVMInt8TypeInContext(g->cx);
	g->i16 = LLVMInt16TypeInContext(g->cx);
	g->i32 = LLVMInt32TypeInContext(g->cx);
	g->i64 = LLVMInt64TypeInContext(g->cx);
	g->f32 = LLVMFloatTypeInContext(g->cx);
	g->f64 = LLVMDoubleTypeInContext(g->cx);
	g->ptr = LLVMPointerTypeInContext(g->cx, 0);
	g->void_t = LLVMVoidTypeInContext(g->cx);
}

static void must(LLVMErrorRef e)
{
	if (e)
		bail("LLVM: %s", LLVMGetErrorMessage(e));
}

static LLVMTargetMachineRef target(const struct machine *m)
{
	LLVMTargetRef tr;
	char *msg;

	if (LLVMGetTargetFromTriple("x86_64-pc-linux-gnu", &tr, &msg))
		bail("LLVM: %s", msg);
	return LLVMCreateTargetMachine(tr, "x86_64-pc-linux-gnu", m->cpu, "", LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
}

static LLVMMemoryBufferRef compile(struct gen *g)
{
	LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
	LLVMMemoryBufferRef buf;
	char *msg = NULL;

	if (LLVMVerifyModule(g->mod, LLVMReturnStatusAction, &msg))
		bail("LLVM: %s", msg);
	LLVMDisposeMessage(msg);
	if (getenv("T471_DUMP"))
		LLVMDumpModule(g->mod);
	must(LLVMRunPasses(g->mod, "function(early-cse,instcombine<no-verify-fixpoint>,simplifycfg)", g->tm, o));
	LLVMDisposePassBuilderOptions(o);
	if (LLVMTargetMachineEmitToMemoryBuffer(g->tm, g->mod, LLVMObjectFile, &msg, &buf))
		bail("LLVM: %s", msg);
	LLVMDisposeBuilder(g->b);
	LLVMDisposeModule(g->mod);
	LLVMContextDispose(g->cx);
	return buf;
}

/* ---- running ---- */

static uint32_t members_of(const struct tcase *tc, unsigned lane, uint64_t r, uint32_t mask, bool tiles)
{
	unsigned width = 1u << (r % 6);

	if (tiles)
		return (uint32_t)((((uint64_t)1 << width) - 1) << (lane % 32 & ~(width - 1)));
	switch (r % 3) {
	case 0: return UINT32_MAX;
	case 1: return mask | (uint32_t)(r >> 32);
	default: return mask;
	}
}

static uint64_t float_value(bool f64)
{
	static const uint32_t edge[] = { 0, 0x80000000, 1, 0x80000001, 0x7fffff, 0x800000, 0x80800000, 0x3f800000, 0xbf800000, 0x7f7fffff,
					 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00123, 0x7f800001, 0x7fffffff };
	uint64_t r = rnd(), x;

	if (f64 && r % 3 == 0)
		return (uint64_t)edge[r / 3 % 16] << 32 | (r >> 60 ? 0 : 1);
	if (r % 3 == 0)
		return edge[r / 3 % 16];
	x = rnd();
	if (r % 3 == 1)     /* near each other: sums that round */
		x = f64 ? (x & 0x800fffffffffffffull) | (0x3f0 + (r >> 8) % 32) << 52 : (x & 0x807fffff) | (0x78 + (r >> 8) % 16) << 23;
	return f64 ? x : (uint32_t)x;
}

static uint64_t value(const struct tcase *tc, uint8_t role, unsigned bits)
{
	static const uint32_t clamps[] = { 0, 31, 0x181f, 0x1c1f, 0x101f, 0x1e1f, 0x1800, 7 };
	uint64_t r = rnd(), x;

	switch (role) {
	case R_LANE: return r % 9 ? r / 9 % 40 : (uint32_t)r;
	case R_CLAMP: return r % 5 ? clamps[r / 5 % 8] : (uint32_t)rnd();
	case R_PRED: return r & 1;
	case R_FEW: x = r % 4 ? r / 4 % 5 : rnd(); break;
	case R_F32: return float_value(false);
	case R_F64: return float_value(true);
	case R_GLOBAL: return (uint64_t)(uintptr_t)global + r % SLOTS * 8;
	case R_SHARED: return (uint64_t)(uintptr_t)shared + r % SLOTS * 8;
	case R_GENERIC: return (uint64_t)(uintptr_t)(r & 64 ? global : shared) + r % SLOTS * 8;
	default: x = r;
	}
	return bits == 64 ? x : x & (((uint64_t)1 << bits) - 1);
}

struct data {
	uint64_t src[N_SRC * SD_MAX_W], dst[2 * SD_MAX_W];
	uint32_t mask[SD_MAX_WARPS];
};

/* Votes with (nearly) equal predicates, matches with equal values. */
static void even_out(struct data *d, const struct tcase *tc, unsigned k)
{
	uint64_t first = d->src[k * SD_MAX_W], r = rnd();

	if (r % 3 == 0 || (tc->f->role[k] != R_PRED && tc->f->role[k] != R_FEW))
		return;
	for (unsigned l = 0; l < tc->W; l++)
		d->src[k * SD_MAX_W + l] = first;
	if (r % 3 == 1)
		d->src[k * SD_MAX_W + (r >> 8) % tc->W] = value(tc, tc->f->role[k], src_bits(tc->i, k));
}

static void fill_src(struct data *d, const struct tcase *tc, unsigned k)
{
	uint64_t *x = d->src + k * SD_MAX_W, r = rnd(), keep = UINT64_MAX;
	unsigned bits = src_bits(tc->i, k);
	char s = is_imm(tc->i, k) ? 'I' : tc->shapes[k];

	if (bits < 64)
		keep = ((uint64_t)1 << bits) - 1;
	x[BASE_AT] = tc->base[k];
	x[K_AT] = tc->k[k];
	for (unsigned l = 0; l < tc->W; l++) {
		if (s == 'I')
			x[l] = tc->i->src[k].imm & keep;
		else if (s == 'C')
			x[l] = tc->base[k];
		else if (s == 'P')
			x[l] = (tc->base[k] + (uint64_t)tc->pat[k].c[l] + tc->k[k] * (uint64_t)tc->pat[k].k[l]) & keep;
		else if (tc->f->role[k] == R_TILE)
			x[l] = 0xffu << (l % 32 & ~7u);
		else if (tc->f->role[k] == R_MEMBERS)
			x[l] = s == 'U' && l ? x[0] : members_of(tc, l, r, d->mask[l / 32], s == 'V');
		else
			x[l] = s == 'U' && l ? x[0] : value(tc, tc->f->role[k], bits);
	}
	if (s == 'V')
		even_out(d, tc, k);
}

static void fill(struct data *d, const struct tcase *tc)
{
	unsigned how = rnd() % 5;

	memset(d, 0, sizeof(*d));
	for (unsigned w = 0; w < tc->W / 32; w++) {
		uint32_t r = (uint32_t)rnd();

		d->mask[w] = tc->full || how == 0 ? UINT32_MAX : how == 1 ? 1u << r % 32 : how == 2 ? r & (uint32_t)rnd() & (uint32_t)rnd() :
			     how == 3 ? r : r | (uint32_t)rnd();
		if (!tc->full && tc->W > 32 && r >> 28 == 0)
			d->mask[w] = 0;
	}
	for (unsigned k = 0; k < tc->i->n_src; k++)
		fill_src(d, tc, k);
}

static void set_memory(uint64_t r, uint8_t role)
{
	for (unsigned n = 0; n < SLOTS; n++) {
		uint64_t x = role == R_F32 || role == R_F64 ? float_value(role == R_F64) : (r >> n & 1) ? rnd() : rnd() % 4;

		memcpy(global + n * 8, &x, 8);
		memcpy(shared + n * 8, &x, 8);
	}
}

static void put_row(struct sd_ctx *c, const struct tcase *tc, uint32_t reg, const uint64_t *x, uint64_t minus)
{
	size_t row = ik->funcs[ik->entry_func]->reg_row[reg];

	for (unsigned l = 0; l < tc->W; l++)
		c->rows[(row * (tc->W / 32) + l / 32) * 32 + l % 32] = x[l] - minus;
}

static bool run_interp(struct sd_shim *h, struct sd_ctx *c, const struct tcase *tc, const struct data *d)
{
	struct be_fault fault;
	bool good;

	for (unsigned k = 0; k < tc->i->n_src; k++)
		if (tc->i->src[k].kind == IR_OPND_REG || tc->i->src[k].kind == IR_OPND_MEM)
			put_row(c, tc, tc->i->src[k].reg, d->src + k * SD_MAX_W,
				tc->f->role[k] == R_SHARED ? (uint64_t)(uintptr_t)c->shared : 0);
	memcpy(c->mask, d->mask, sizeof(c->mask));
	good = sd_shim_run(h, c, tc->ref, &fault);
	if (!good)
		diag("%s: interp: %s", tc->f->ptx, fault.text);
	return good;
}

static bool same_results(const struct sd_ctx *c, const struct tcase *tc, const struct data *d)
{
	for (unsigned n = 0; n < tc->i->n_dst; n++) {
		const struct ir_opnd *o = &tc->i->dst[n];
		uint32_t row;

		if (o->kind != IR_OPND_REG || (is_atom(tc->i) && !tc->wanted))
			continue;
		row = ik->funcs[ik->entry_func]->reg_row[o->reg];
		for (unsigned l = 0; l < tc->W; l++) {
			uint64_t want = c->rows[(row * (tc->W / 32) + l / 32) * 32 + l % 32], got = d->dst[n * SD_MAX_W + l];

			if (!(d->mask[l / 32] >> l % 32 & 1) || want == got)
				continue;
			diag("result %u, lane %u: 0x%llx, interp has 0x%llx (mask 0x%x)", n, l, (unsigned long long)got,
			     (unsigned long long)want, d->mask[l / 32]);
			return false;
		}
	}
	return true;
}

static void call(case_fn fn, const struct tcase *tc, struct sd_ctx *c, struct data *d)
{
	uint32_t plain = __builtin_ia32_stmxcsr();

	if (tc->ftz)
		__builtin_ia32_ldmxcsr(plain | 0x8040);
	fn(c, d->src, d->mask, d->dst);
	if (tc->ftz && (__builtin_ia32_stmxcsr() & 0x8040) != 0x8040)
		diag("%s: flushing is off afterwards", tc->f->ptx);
	__builtin_ia32_ldmxcsr(plain);
}

static bool check(case_fn fn, const struct tcase *tc, struct sd_shim *h, struct sd_ctx *c)
{
	static struct data d;
	uint8_t before[2][SLOTS * 8], after[2][SLOTS * 8];

	seed(tc->seed);
	for (unsigned n = 0; n < ROUNDS; n++) {
		fill(&d, tc);
		set_memory(rnd(), tc->f->role[1]);
		memcpy(before[0], global, SLOTS * 8);
		memcpy(before[1], shared, SLOTS * 8);
		call(fn, tc, c, &d);
		memcpy(after[0], global, SLOTS * 8);
		memcpy(after[1], shared, SLOTS * 8);
		memcpy(global, before[0], SLOTS * 8);
		memcpy(shared, before[1], SLOTS * 8);
		if (!run_interp(h, c, tc, &d) || !same_results(c, tc, &d))
			return false;
		if (memcmp(after[0], global, SLOTS * 8) || memcmp(after[1], shared, SLOTS * 8)) {
			for (unsigned k = 0; k < SLOTS * 2; k++)
				if (memcmp(after[k / SLOTS] + k % SLOTS * 8, (k < SLOTS ? global : shared) + k % SLOTS * 8, 8))
					diag("place %u: 0x%llx, was 0x%llx, interp has 0x%llx", k,
					     (unsigned long long)*(uint64_t *)(after[k / SLOTS] + k % SLOTS * 8),
					     (unsigned long long)*(uint64_t *)(before[k / SLOTS] + k % SLOTS * 8),
					     (unsigned long long)*(uint64_t *)((k < SLOTS ? global : shared) + k % SLOTS * 8));
			return false;
		}
	}
	return true;
}

/* ---- all of it ---- */

static char *all_text(void)
{
	struct vgpu_buf b = { 0 };

	vgpu_buf_printf(&b, ".version 8.8\n.target sm_100a\n.address_size 64\n.shared .align 16 .b8 sh[%u];\n.visible .entry k()\n{\n"
			".reg .pred %%p<4>; .reg .b16 %%h<4>; .reg .b32 %%r<8>; .reg .b64 %%rd<8>; .reg .f32 %%f<4>; .reg .f64 %%d<4>;\n"
			"mov.u32 %%r7, sh;\n", SLOTS * 8);
	for (size_t n = 0; n < ARRAY_SIZE(forms); n++)
		vgpu_buf_printf(&b, "%s;\n", forms[n].ptx);
	vgpu_buf_printf(&b, "ret;\n}\n");
	vgpu_buf_add(&b, "", 1);
	return b.data;
}

static void load_text(void)
{
	char *text = all_text();
	struct vgpu_err err = VGPU_ERR_INIT;

	kt_must_open(&t, "interp", text);
	free(text);
	func = &t.m->funcs[0];
	if (func->n_blocks < 1 || func->blocks[0].n_insns != ARRAY_SIZE(forms) + 2)
		bail("the test's text has %u instructions in its first block", func->blocks[0].n_insns);
	if (be_interp.kernel_new(&ik, t.bm, 0, &err))
		bail("%s", err.text);
	global = kt_alloc(&t, SLOTS * 8);
	shared = aligned_alloc(1024, 2048);
	shared += IN_SHARED_RESERVED;
}

static void set_patterns(struct tcase *tc)
{
	seed(tc->seed);
	for (unsigned k = 0; k < N_SRC; k++) {
		tc->base[k] = value(tc, tc->f->role[k], k < tc->i->n_src ? src_bits(tc->i, k) : 32);
		tc->pat[k].has_k = rnd() & 1;
		tc->k[k] = tc->pat[k].has_k ? rnd() % 3 : 0;
		for (unsigned l = 0; l < SD_MAX_W; l++) {
			tc->pat[k].c[l] = is_atom(tc->i) && k == 0 ? (int64_t)(rnd() % 3 * 8) - (int64_t)(tc->base[k] & 0x38) :
					  (int64_t)(rnd() % 7) - 3;
			tc->pat[k].k[l] = !tc->pat[k].has_k ? 0 : is_atom(tc->i) && k == 0 ? (int64_t)(rnd() % 2 * 8) : (int64_t)(rnd() % 3);
		}
	}
}

static VGPU_VEC(struct tcase *) cases;

/* turn: counts over all forms; which of them a machine takes differs from one to the next. */
static void add_case(const struct tcase *like, uint64_t seed0, unsigned turn)
{
	static unsigned n, serial = 1;
	struct tcase *tc;

	if (turn < SHARE && n++ % SHARE != turn)
		return;
	tc = malloc(sizeof(*tc));

	*tc = *like;
	tc->seed = serial++ + seed0 * 1000003;
	set_patterns(tc);
	if (!vgpu_vec_push(&cases, tc))
		bail("no memory");
}

static void add_form(size_t n, unsigned W, uint64_t seed0, unsigned turn)
{
	const struct form *f = &forms[n];
	struct tcase tc = { .f = f, .i = &func->blocks[0].insns[n + 1], .ref = (unsigned)n, .W = W };
	const char *s = f->shapes;

	do {
		size_t len = strcspn(s, " ");

		memset(tc.shapes, 'C', N_SRC);
		memcpy(tc.shapes, s, len);
		/* interp and the code differ in what a lane gets from one that takes no part: PTX leaves it open */
		for (unsigned full = f->role[3] == R_TILE; full < 2; full++) {
			bool fp = is_atom(tc.i) && ir_type_class(tc.i->type) == IR_TC_FLOAT;

			tc.full = full;
			tc.wanted = is_atom(tc.i) && tc.i->n_dst;
			add_case(&tc, seed0, turn);
			tc.ftz = fp && W == 32;
			if (tc.ftz)
				add_case(&tc, seed0, turn);
			tc.ftz = false;
			if (tc.wanted && W == 32) {
				tc.wanted = false;
				add_case(&tc, seed0, turn);
			}
		}
		s += len;
		s += *s == ' ';
	} while (*s);
}

static void test_machine(const struct machine *m, unsigned W, const struct sd_ref *refs)
{
	struct gen g;
	LLVMTargetMachineRef tm = target(m);
	LLVMOrcLLJITRef jit;
	struct sd_insns *s;
	struct sd_shim *h;
	struct be_launch l = { .services = &t.s, .grid = { 1, 1, 1 }, .block = { 128, 1, 1 }, .cluster = { 1, 1, 1 } };
	struct sd_ctx c = { .shared = shared - IN_SHARED_RESERVED, .shared_B = IN_SHARED_RESERVED + 128 };
	unsigned bad = 0;
	char name[32];

	if (sd_insns_new(&s, ik, W, refs, ARRAY_SIZE(forms), &t.err))
		bail("%s", t.err.text);
	h = sd_shim_new(s);
	sd_shim_start(h, &l, 0, 0);
	c.rows = aligned_alloc(64, sd_insns_rows(s) * W * sizeof(uint64_t));
	memset(c.rows, 0, sd_insns_rows(s) * W * sizeof(uint64_t));
	gen_open(&g, m, tm);
	for (size_t n = 0; n < cases.n; n++) {
		snprintf(name, sizeof(name), "case%zu", n);
		if (!emit(&g, cases.v[n], name)) {
			bad++;
			diag("%s: no code for '%s'", m->name, cases.v[n]->f->ptx);
		}
	}
	must(LLVMOrcCreateLLJIT(&jit, NULL));
	must(LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), compile(&g)));
	for (size_t n = 0; n < cases.n && bad < 20; n++) {
		const struct tcase *tc = cases.v[n];
		LLVMOrcExecutorAddress at;

		snprintf(name, sizeof(name), "case%zu", n);
		must(LLVMOrcLLJITLookup(jit, &at, name));
		if (!check((case_fn)(uintptr_t)at, tc, h, &c)) {
			bad++;
			diag("%s, W %u: '%s', operands %s, %s lanes%s%s: seed %llu", m->name, W, tc->f->ptx, tc->shapes,
			     tc->full ? "all" : "some", tc->ftz ? ", flushing" : "", is_atom(tc->i) && !tc->wanted ? ", no result" : "",
			     (unsigned long long)tc->seed);
		}
	}
	ok(!bad, "%s, %u threads: %zu cases as interp has them", m->name, W, cases.n);
	must(LLVMOrcDisposeLLJIT(jit));
	LLVMDisposeTargetMachine(tm);
	free(c.rows);
	sd_shim_free(h);
	sd_insns_free(s);
}

/* ---- several threads at once ---- */

#define N_THREADS 4
#define TURNS 3000

struct busy {
	case_fn fn;
	struct data *d;
};

static void *run_busy(void *arg)
{
	static struct data dst[N_THREADS];
	struct busy *b = arg;
	struct sd_ctx c = { .shared = shared - IN_SHARED_RESERVED };
	struct data *mine = &dst[b->d->dst[0]];

	for (unsigned n = 0; n < TURNS; n++)
		b->fn(&c, b->d->src, b->d->mask, mine->dst);
	return NULL;
}

static void run_threads(case_fn fn, struct data d[N_THREADS])
{
	pthread_t th[N_THREADS];
	struct busy b[N_THREADS];

	for (unsigned n = 0; n < N_THREADS; n++) {
		b[n] = (struct busy){ fn, &d[n] };
		d[n].dst[0] = n;
		if (pthread_create(&th[n], NULL, run_busy, &b[n]))
			bail("no thread");
	}
	for (unsigned n = 0; n < N_THREADS; n++)
		pthread_join(th[n], NULL);
}

/* Every lane adds one: nothing may be lost. */
static void test_threads(const struct machine *m, const char *ptx, const char *shapes, uint64_t one, uint64_t want)
{
	static struct data d[N_THREADS];
	LLVMTargetMachineRef tm = target(m);
	LLVMOrcExecutorAddress at;
	LLVMOrcLLJITRef jit;
	struct tcase tc = { .W = 32, .full = true };
	struct gen g;
	uint64_t got = 0;

	for (size_t n = 0; n < ARRAY_SIZE(forms); n++)
		if (!strncmp(forms[n].ptx, ptx, strlen(ptx))) {
			tc.f = &forms[n];
			tc.i = &func->blocks[0].insns[n + 1];
		}
	tc.wanted = tc.i->n_dst != 0;
	memset(tc.shapes, 'C', N_SRC);
	memcpy(tc.shapes, shapes, 2);
	gen_open(&g, m, tm);
	if (!emit(&g, &tc, "busy"))
		bail("no code for '%s'", ptx);
	must(LLVMOrcCreateLLJIT(&jit, NULL));
	must(LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), compile(&g)));
	must(LLVMOrcLLJITLookup(jit, &at, "busy"));
	memset(global, 0, SLOTS * 8);
	for (unsigned n = 0; n < N_THREADS; n++)
		for (unsigned l = 0; l < 32; l++) {
			d[n].src[l] = (uint64_t)(uintptr_t)global + (*shapes == 'U' ? 0 : l % SLOTS * 8);
			d[n].src[SD_MAX_W + l] = one;
		}
	run_threads((case_fn)(uintptr_t)at, d);
	for (unsigned n = 0; n < SLOTS && (n == 0 || *shapes != 'U'); n++)
		got += (uint64_t)(one == 1 ? (double)*(uint64_t *)(global + n * 8) : (double)*(float *)(global + n * 8));
	is_hex(got, want, "%s: '%s', operands %s, by %u threads at once", m->name, tc.f->ptx, shapes, N_THREADS);
	must(LLVMOrcDisposeLLJIT(jit));
	LLVMDisposeTargetMachine(tm);
}

static void test_all_threads(const struct machine *m)
{
	uint64_t all = N_THREADS * TURNS * 32;

	test_threads(m, "red.global.add.u32", "UV", 1, all);
	test_threads(m, "atom.global.add.u32", "VV", 1, all);
	test_threads(m, "red.global.add.f32", "UV", 0x3f800000, all);
	test_threads(m, "atom.global.add.f32", "VV", 0x3f800000, all);
	/* wraps to 0 behind 1: an even number of steps */
	test_threads(m, "red.global.inc.u32", "UV", 1, 0);
}

static bool cpu_has(const struct machine *m)
{
	switch (m->isa) {
	case SD_ISA_SSE42: return __builtin_cpu_supports("x86-64-v2");
	case SD_ISA_AVX2: return __builtin_cpu_supports("x86-64-v3");
	default: return __builtin_cpu_supports("x86-64-v4");
	}
}

int main(void)
{
	const char *s = getenv("T471_SEED"), *only = getenv("T471_ONLY");
	uint64_t seed0 = s ? strtoull(s, NULL, 0) : 0;
	struct sd_ref refs[ARRAY_SIZE(forms)];

	plan_lazy();
	tap_timeout(600);
	__builtin_cpu_init();
	LLVMInitializeX86TargetInfo();
	LLVMInitializeX86Target();
	LLVMInitializeX86TargetMC();
	LLVMInitializeX86AsmPrinter();
	LLVMInitializeX86AsmParser();
	load_text();
	diag("seed %llu", (unsigned long long)seed0);
	for (size_t n = 0; n < ARRAY_SIZE(forms); n++)
		refs[n] = (struct sd_ref){ .func = 0, .block = 0, .index = (uint32_t)n + 1 };
	for (unsigned n = 0; n < 3 * ARRAY_SIZE(machines); n++) {
		const struct machine *m = &machines[n / 3];
		unsigned W = 32u << n % 3;

		if (!cpu_has(m)) {
			skip("this CPU has no %s", m->name);
			continue;
		}
		for (size_t k = 0; k < ARRAY_SIZE(forms); k++)
			if (!only || strstr(forms[k].ptx, only))
				add_form(k, W, seed0, getenv("T471_ALL") || only ? SHARE : n % SHARE);
		test_machine(m, W, refs);
		for (size_t k = 0; k < cases.n; k++)
			free(cases.v[k]);
		cases.n = 0;
	}
	for (size_t n = 0; n < ARRAY_SIZE(machines) && !only; n++)
		if (cpu_has(&machines[n]))
			test_all_threads(&machines[n]);
	vgpu_vec_free(&cases);
	be_interp.kernel_free(ik);
	free(shared - IN_SHARED_RESERVED);
	kt_close(&t);
	return 0;
}
