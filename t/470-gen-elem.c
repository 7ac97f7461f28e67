/*
 * 470-gen-elem: the simd backend's element-wise instructions against the
 * interp backend's handlers: every form of the conformance tests that there is
 * code for, compiled for each level that this CPU has, as scalar and as
 * vector code, on the same operands. All bits are equal.
 *
 *	usage: 470-gen-elem [substring of the forms to run [level: sse4.2 avx2 avx512]]
 *	GEN_LIST=1: name the forms that there is no code for
 *	GEN_DUMP=1: print the code of the forms that are run
 */
#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "backend/interp/alu.h"
#include "backend/simd/gen/gen.h"
#include "t/lib/alu_forms.h"
#include "t/lib/tap.h"

#define TUPLES 1000
#define MAX_FORMS 4096
#define CHUNK 256
#define CELLS 7              /* operands and the carry */

/* How a form is compiled. */
struct variant {
	const char *name;
	bool vector, lazy, ftz, negate;
	bool constant;         /* one operand is an immediate */
};

static const struct variant variants[] = {
	{ "scalar", .vector = false }, { "vector", .vector = true }, { "vector, immediate", .vector = true, .constant = true },
	{ "scalar, immediate", .constant = true }, { "vector, any NaN", .vector = true, .lazy = true },
	{ "vector, flushing", .vector = true, .ftz = true }, { "scalar, flushing", .ftz = true },
	{ "vector, flushing, immediate", .vector = true, .ftz = true, .constant = true },
	{ "vector, negated", .vector = true, .negate = true }, { "scalar, negated", .negate = true },
};

struct level {
	const char *name, *features;
	enum sd_isa isa;
	unsigned lanes;
};

static const struct level levels[] = {
	{ "sse4.2", "+sse4.2,+popcnt", SD_ISA_SSE42, 4 },
	{ "avx2", "+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt,+lzcnt", SD_ISA_AVX2, 8 },
	{ "avx512", "+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt,+lzcnt,+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd", SD_ISA_AVX512, 16 },
	{ "avx512", "+avx2,+fma,+f16c,+bmi,+bmi2,+popcnt,+lzcnt,+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512cd,+avx512vnni",
	  SD_ISA_AVX512, 16 },
};

typedef void (*fn_t)(const uint64_t *src, uint64_t *dst);

struct job {
	struct alu_form f;
	char *spelling;
	int constant;          /* operand, -1: none */
	uint64_t value;
	fn_t fn;
};

static struct job *jobs;
static size_t n_jobs, n_missing;
static const char *only;
static struct gen gen;
static const struct variant *var;
static unsigned serial;

static bool cpu_has(const struct level *l)
{
	if (l->isa == SD_ISA_SSE42)
		return __builtin_cpu_supports("sse4.2");
	if (l->isa == SD_ISA_AVX2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd") &&
	       (!strstr(l->features, "vnni") || __builtin_cpu_supports("avx512vnni"));
}

/* ---- code ---- */

static LLVMTypeRef cells_type(unsigned lanes)
{
	return lanes > 1 ? LLVMVectorType(gen.i64, lanes) : gen.i64;
}

static val cell_ptr(val base, unsigned cell, unsigned lanes)
{
	val at = LLVMConstInt(gen.i64, cell * lanes, 0);

	return LLVMBuildGEP2(gen.b, gen.i64, base, &at, 1, "");
}

static val load_cell(val base, unsigned cell, unsigned lanes, unsigned bits)
{
	val v = LLVMBuildLoad2(gen.b, cells_type(lanes), cell_ptr(base, cell, lanes), "");

	LLVMSetAlignment(v, 8);
	return gen_cut(&gen, v, bits);
}

static void store_cell(val base, unsigned cell, unsigned lanes, val v)
{
	if (v)
		LLVMSetAlignment(LLVMBuildStore(gen.b, gen_cut(&gen, v, 64), cell_ptr(base, cell, lanes)), 8);
}

static val splat(val c, unsigned lanes)
{
	return lanes > 1 ? gen_splat(&gen, c) : c;
}

static bool build(struct job *j, const char *name)
{
	LLVMTypeRef args[] = { gen.ptr, gen.ptr };
	struct gen_elem e = { .i = &j->f.insn, .lanes = var->vector ? gen.G : 1, .lazy_nan = var->lazy };
	bool ok;

	gen.fn = LLVMAddFunction(gen.mod, name, LLVMFunctionType(gen.void_t, args, 2, 0));
	LLVMPositionBuilderAtEnd(gen.b, LLVMAppendBasicBlockInContext(gen.cx, gen.fn, ""));
	for (unsigned k = 0; k < j->f.n_src; k++) {
		unsigned bits = ir_type_bits((enum ir_type)j->f.src_type[k]);

		if (j->f.insn.src[k].kind == IR_OPND_IMM)
			e.src[k] = splat(LLVMConstInt(gen.i64, j->f.lut, 0), e.lanes);
		else if (j->constant == (int)k)
			e.src[k] = splat(LLVMConstInt(gen.i64, j->value, 0), e.lanes);
		else
			e.src[k] = load_cell(LLVMGetParam(gen.fn, 0), k, e.lanes, bits);
	}
	e.cc = load_cell(LLVMGetParam(gen.fn, 0), CELLS - 1, e.lanes, 1);
	ok = gen_elem(&gen, &e);
	store_cell(LLVMGetParam(gen.fn, 1), 0, e.lanes, e.dst[0]);
	store_cell(LLVMGetParam(gen.fn, 1), 1, e.lanes, e.dst[1]);
	store_cell(LLVMGetParam(gen.fn, 1), 2, e.lanes, e.cc_out);
	LLVMBuildRetVoid(gen.b);
	return ok;
}

static void check_error(LLVMErrorRef err, const char *what)
{
	if (err)
		bail("%s: %s", what, LLVMGetErrorMessage(err));
}

static void optimise(void)
{
	LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
	const char *passes = getenv("GEN_PASSES");
	char *msg = NULL;

	if (LLVMVerifyModule(gen.mod, LLVMReturnStatusAction, &msg))
		bail("broken module: %s", msg);
	LLVMDisposeMessage(msg);
	check_error(LLVMRunPasses(gen.mod, passes ? passes : "early-cse,instcombine<no-verify-fixpoint>,early-cse", gen.tm, o), "passes");
	LLVMDisposePassBuilderOptions(o);
}

/* Compiles jobs from…to into the JIT; their functions stay there. */
static void compile(LLVMOrcLLJITRef jit, size_t from, size_t to)
{
	LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(gen.tm);
	LLVMMemoryBufferRef obj, text;
	char name[32], *msg = NULL;

	gen.mod = LLVMModuleCreateWithNameInContext("elem", gen.cx);
	LLVMSetModuleDataLayout(gen.mod, layout);
	LLVMDisposeTargetData(layout);
	for (size_t k = from; k < to; k++) {
		snprintf(name, sizeof(name), "f%u_%zu", serial, k);
		if (!build(&jobs[k], name))
			bail("%s: gen_elem_has() and gen_elem() do not agree", jobs[k].spelling);
	}
	optimise();
	if (getenv("GEN_DUMP")) {
		char *ir = LLVMPrintModuleToString(gen.mod);

		fprintf(stderr, "%s\n", ir);
		LLVMDisposeMessage(ir);
		if (!LLVMTargetMachineEmitToMemoryBuffer(gen.tm, gen.mod, LLVMAssemblyFile, &msg, &text)) {
			fprintf(stderr, "%s\n", LLVMGetBufferStart(text));
			LLVMDisposeMemoryBuffer(text);
		}
	}
	if (LLVMTargetMachineEmitToMemoryBuffer(gen.tm, gen.mod, LLVMObjectFile, &msg, &obj))
		bail("no object: %s", msg);
	LLVMDisposeModule(gen.mod);
	check_error(LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), obj), "loading");
	for (size_t k = from; k < to; k++) {
		LLVMOrcExecutorAddress at;

		snprintf(name, sizeof(name), "f%u_%zu", serial, k);
		check_error(LLVMOrcLLJITLookup(jit, &at, name), name);
		jobs[k].fn = (fn_t)(uintptr_t)at;
	}
	serial++;
}

/* ---- running ---- */

static bool nan_of(uint64_t v, unsigned bits, unsigned frac)
{
	uint64_t mag = v & (UINT64_MAX >> (65 - bits)), inf = (UINT64_MAX >> (65 - bits)) >> frac << frac;

	return mag > inf;
}

/* Equal, or NaN on both sides, element by element. */
static bool same_any_nan(uint64_t a, uint64_t b, unsigned type)
{
	unsigned bits = 0, frac = 0;

	switch (type) {
	case IR_T_F16: case IR_T_F16X2: bits = 16; frac = 10; break;
	case IR_T_BF16: case IR_T_BF16X2: bits = 16; frac = 7; break;
	case IR_T_F32: case IR_T_F32X2: bits = 32; frac = 23; break;
	case IR_T_F64: bits = 64; frac = 52; break;
	default: return a == b;
	}
	for (unsigned at = 0; at < 64; at += bits) {
		uint64_t m = UINT64_MAX >> (64 - bits), x = a >> at & m, y = b >> at & m;

		if (x != y && !(nan_of(x, bits, frac) && nan_of(y, bits, frac)))
			return false;
	}
	return true;
}

/* One warp of operands through the generated function. */
static void run_warp(const struct job *j, uint64_t rows[CELLS][WARP], uint64_t *d, uint64_t *d2, uint64_t *cc)
{
	unsigned lanes = var->vector ? gen.G : 1, old = _mm_getcsr();
	uint64_t in[CELLS * 16], out[3 * 16];

	if (var->ftz)
		_mm_setcsr(0x9fc0);
	for (unsigned at = 0; at < WARP; at += lanes) {
		for (unsigned k = 0; k < CELLS; k++)
			memcpy(in + k * lanes, rows[k] + at, lanes * sizeof(*in));
		j->fn(in, out);
		memcpy(d + at, out, lanes * sizeof(*d));
		memcpy(d2 + at, out + lanes, lanes * sizeof(*d));
		memcpy(cc + at, out + 2 * lanes, lanes * sizeof(*d));
	}
	if (var->ftz)
		_mm_setcsr(old);
}

static unsigned compare_warp(const struct job *j, uint64_t rows[CELLS][WARP], const uint64_t *d, const uint64_t *d2,
			     const uint64_t *cc, const uint64_t *want, const uint64_t *want2, const uint64_t *want_cc)
{
	bool two = j->f.n_dst > 1, carry = j->f.insn.flags & IR_F_CC;

	for (unsigned l = 0; l < WARP; l++) {
		bool same = var->lazy ? same_any_nan(d[l], want[l], j->f.insn.type) : d[l] == want[l];

		if (same && (!two || d2[l] == want2[l]) && (!carry || cc[l] == want_cc[l]))
			continue;
		diag("%s: a=%#llx b=%#llx c=%#llx e=%#llx: got %#llx %#llx cc %llu, want %#llx %#llx cc %llu", j->spelling,
		     (unsigned long long)rows[0][l], (unsigned long long)rows[1][l], (unsigned long long)rows[2][l],
		     (unsigned long long)rows[3][l], (unsigned long long)d[l], (unsigned long long)(two ? d2[l] : 0),
		     (unsigned long long)cc[l], (unsigned long long)want[l], (unsigned long long)(two ? want2[l] : 0),
		     (unsigned long long)want_cc[l]);
		return 1;
	}
	return 0;
}

static bool check_job(const struct job *j)
{
	uint64_t rows[CELLS][WARP] = { 0 }, d[WARP], d2[WARP], cc[WARP], w[WARP], w2[WARP], wcc[WARP];
	unsigned lut_at = j->f.n_src == 5 ? 4 : 3, bad = 0;
	struct alu_args x = { .d = w, .d2 = j->f.n_dst > 1 ? w2 : NULL, .a = rows[0], .b = rows[1], .c = rows[2],
			      .e = rows[lut_at], .cc = wcc, .mask = UINT32_MAX, .insn = &j->f.insn };
	alu_fn fn = alu_select(&j->f.insn);
	struct alu_tuples t;

	alu_tuples_make(&t, &j->f, TUPLES);
	for (size_t at = 0; at < t.n && bad < 3; at += WARP) {
		for (unsigned l = 0; l < WARP; l++) {
			for (unsigned k = 0; k < j->f.n_src; k++)
				rows[k][l] = j->constant == (int)k ? j->value : t.src[k][at + l];
			rows[CELLS - 1][l] = wcc[l] = l & 1;
			w[l] = w2[l] = 0;
		}
		fn(&x);
		run_warp(j, rows, d, d2, cc);
		bad += compare_warp(j, rows, d, d2, cc, w, w2, wcc);
	}
	alu_tuples_free(&t);
	return !bad;
}

/* ---- which forms ---- */

static void add_job(const struct alu_form *f, int constant, uint64_t value)
{
	struct job *j = &jobs[n_jobs++];

	if (n_jobs > MAX_FORMS)
		bail("MAX_FORMS");
	j->f = *f;
	j->spelling = strdup(f->spelling);
	j->f.spelling = j->spelling;
	j->constant = constant;
	j->value = value;
}

static bool is_interesting(const struct alu_form *f)
{
	if (var->ftz && !gen_elem_ftz_ok(&f->insn))
		return false;
	if (var->ftz && !var->constant)
		return !f->insn.cmp || (f->insn.flags & IR_F_FTZ);
	if (var->lazy) {
		enum ir_type_class c = ir_type_class((enum ir_type)f->insn.type);

		return c == IR_TC_FLOAT || c == IR_TC_PACKED;
	}
	/* thousands, and all alike */
	if (var->constant)
		return !f->insn.cmp || (!f->insn.boolop && f->insn.op == IR_OP_setp);
	return true;
}

/* The numbers that optimisers know something about. */
static uint64_t special(unsigned type)
{
	static const double few[] = { 0.0, -0.0, 1.0, -1.0, 2.0, 0.5 };
	double d = few[alu_random(IR_T_U32) % 6];
	float f = (float)d;
	uint32_t w;
	uint64_t u;

	memcpy(&u, &d, sizeof(u));
	memcpy(&w, &f, sizeof(w));
	return type == IR_T_F64 ? u : type == IR_T_F32 ? w : (uint64_t)(int64_t)d & 0xffff;
}

/* Each of the operands as an immediate: an edge of its type, and a special number. */
static void add_constants(const struct alu_form *f)
{
	uint64_t edges[600];

	for (unsigned k = 0; k < f->n_src; k++) {
		size_t n;

		if (f->src_type[k] == IR_T_PRED || f->insn.src[k].kind == IR_OPND_IMM || f->n_src < 2)
			continue;
		n = alu_edges(f->src_type[k], edges, 600);
		add_job(f, (int)k, edges[alu_random(IR_T_U32) % n]);
		add_job(f, (int)k, special(f->src_type[k]));
	}
}

static void add_negated(const struct alu_form *f)
{
	for (unsigned s = 1; s < 8; s++) {
		struct alu_form n = *f;

		if (f->insn.op != IR_OP_fma)
			return;
		for (unsigned k = 0; k < 3; k++)
			n.insn.src[k].neg = s >> k & 1;
		if (alu_select(&n.insn) && gen_elem_has(&gen, &n.insn))
			add_job(&n, -1, 0);
	}
}

static void collect(const struct alu_form *f, void *ctx)
{
	if ((only && !strstr(f->spelling, only)) || !is_interesting(f) || !alu_select(&f->insn))
		return;
	if (!gen_elem_has(&gen, &f->insn)) {
		n_missing++;
		if (getenv("GEN_LIST") && var == &variants[1])
			diag("%s: no code", f->spelling);
		return;
	}
	if (var->negate)
		add_negated(f);
	else if (var->constant)
		add_constants(f);
	else
		add_job(f, -1, 0);
}

static void run_group(const struct level *l, enum alu_group g, const char *name)
{
	LLVMOrcLLJITRef jit;
	size_t bad = 0;

	n_jobs = n_missing = 0;
	gen.ftz = var->ftz;
	alu_forms_each(g, collect, NULL);
	if (!n_jobs)
		return;
	check_error(LLVMOrcCreateLLJIT(&jit, NULL), "JIT");
	for (size_t at = 0; at < n_jobs; at += CHUNK)
		compile(jit, at, at + CHUNK < n_jobs ? at + CHUNK : n_jobs);
	for (size_t k = 0; k < n_jobs; k++) {
		bad += !check_job(&jobs[k]);
		free(jobs[k].spelling);
	}
	ok(!bad, "%s: %s, %s%s: %zu of %zu forms equal, %zu have no code", name, l->name,
	   strstr(l->features, "vnni") ? "with VNNI, " : "", var->name, n_jobs - bad, n_jobs, n_missing);
	LLVMOrcDisposeLLJIT(jit);
}

static const struct {
	enum alu_group g;
	const char *name;
} groups[] = {
	{ ALU_G_INT, "integers" }, { ALU_G_CARRY, "carries" }, { ALU_G_BITS, "bits" }, { ALU_G_CMP, "comparisons" },
	{ ALU_G_FLOAT, "floats" }, { ALU_G_HALF, "halves" }, { ALU_G_MINMAX, "min and max" }, { ALU_G_CVT, "conversions" },
	{ ALU_G_CVT_PACKED, "packed conversions" }, { ALU_G_APPROX, "approximate functions" },
};

static void run_level(const struct level *l)
{
	LLVMTargetRef target;
	char *msg = NULL;

	if (LLVMGetTargetFromTriple("x86_64-pc-linux-gnu", &target, &msg))
		bail("no x86 in LLVM: %s", msg);
	gen.cx = LLVMContextCreate();
	gen.b = LLVMCreateBuilderInContext(gen.cx);
	gen.tm = LLVMCreateTargetMachine(target, "x86_64-pc-linux-gnu", "x86-64", l->features, LLVMCodeGenLevelDefault, LLVMRelocPIC,
					 LLVMCodeModelSmall);
	gen.isa = l->isa;
	gen.G = l->lanes;
	gen.W = 32;
	gen.NG = 32 / gen.G;
	gen.n_warps = 1;
	gen.i1 = LLVMInt1TypeInContext(gen.cx);
	gen.i8 = LLVMInt8TypeInContext(gen.cx);
	gen.i16 = LLVMInt16TypeInContext(gen.cx);
	gen.i32 = LLVMInt32TypeInContext(gen.cx);
	gen.i64 = LLVMInt64TypeInContext(gen.cx);
	gen.f32 = LLVMFloatTypeInContext(gen.cx);
	gen.f64 = LLVMDoubleTypeInContext(gen.cx);
	gen.ptr = LLVMPointerTypeInContext(gen.cx, 0);
	gen.void_t = LLVMVoidTypeInContext(gen.cx);
	for (size_t v = 0; v < sizeof(variants) / sizeof(variants[0]); v++) {
		var = &variants[v];
		for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
			run_group(l, groups[g].g, groups[g].name);
	}
	LLVMDisposeTargetMachine(gen.tm);
	LLVMDisposeBuilder(gen.b);
	LLVMContextDispose(gen.cx);
}

int main(int argc, char **argv)
{
	const char *level = argc > 2 ? argv[2] : NULL;

	plan_lazy();
	alu_seed();
	only = argc > 1 ? argv[1] : NULL;
	LLVMInitializeX86TargetInfo();
	LLVMInitializeX86Target();
	LLVMInitializeX86TargetMC();
	LLVMInitializeX86AsmPrinter();
	LLVMInitializeX86AsmParser();
	jobs = calloc(MAX_FORMS, sizeof(*jobs));
	for (size_t k = 0; k < sizeof(levels) / sizeof(levels[0]); k++) {
		if (level && strcmp(level, levels[k].name) != 0)
			continue;
		if (cpu_has(&levels[k]))
			run_level(&levels[k]);
		else
			diag("%s (%s): not on this CPU", levels[k].name, levels[k].features);
	}
	free(jobs);
	return 0;
}
