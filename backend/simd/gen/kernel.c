/*
 * kernel.c: gen_kernel(): a kernel's IR through the analyses and LLVM to an
 * object; the choice of the gang, of the denormal mode, and of `general` code.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "backend/simd/gen/emit.h"

#define PASSES_1 "function(sroa,early-cse,simplifycfg,instcombine<no-verify-fixpoint>,early-cse<memssa>,loop-mssa(licm),simplifycfg,adce)"
#define PASSES_0 "function(sroa,early-cse,simplifycfg)"
/*
 * Of code for lanes that run apart, values stay in memory: each one that is live over many blocks would become a value of
 * each of them, with a place of its own on the stack, from which tier 0's own allocator copies it at the end of each.
 * MANY_0, and SD_MANY_CARRIED for better code: of what carried() counts.
 */
#define PASSES_MEM_1 "function(early-cse,simplifycfg,instcombine<no-verify-fixpoint>,early-cse<memssa>,loop-mssa(licm),simplifycfg,adce)"
#define PASSES_MEM_0 "function(early-cse)"
#define MANY_0 5000
#define DUMMY_ADDR 0x1000

/* ---- the machine ---- */

struct level {
	const char *cpu, *features, *width;
	unsigned G;
};

static const struct level levels[SD_ISA_COUNT] = {
	[SD_ISA_SSE42] = { "x86-64-v2", "", "128", 4 },
	/* gathers as one instruction: where they are slow, they are at least not a branch per lane */
	[SD_ISA_AVX2] = { "x86-64-v3", "+fast-gather,-prefer-no-gather", "256", 8 },
	[SD_ISA_AVX512] = { "x86-64-v4", "", "512", 16 },
};

/* Of this CPU; asked for once, as in a virtual machine the hypervisor answers each of LLVM's many questions. */
static char *host, *host_cpu;

/* What the CPU has beyond its level: only a CPU that has it all runs the code. */
static char *host_features(enum sd_isa isa)
{
	static const char *const wanted[] = { "+avx512vnni", "+avx512vbmi", "+avx512bf16", "+avx512vpopcntdq", "+avx512bitalg", "+gfni" };
	char *out = calloc(1, 256);

	if (out)
		strcat(out, levels[isa].features);
	for (size_t k = 0; out && isa == SD_ISA_AVX512 && host && k < ARRAY_SIZE(wanted); k++) {
		const char *p = strstr(host, wanted[k]);
		size_t n = strlen(wanted[k]);

		if (!p || (p[n] && p[n] != ','))
			continue;
		if (*out)
			strcat(out, ",");
		strcat(out, wanted[k]);
	}
	return out;
}

/* SSE has none; AMD's take longer than a load for each lane, and wait for lines of the cache one by one. */
static bool gathers_are_slow(enum sd_isa isa)
{
	return isa == SD_ISA_SSE42 || (host_cpu && !strncmp(host_cpu, "znver", 5));
}

static void init_llvm(void)
{
	/*
	 * Sinking moves instructions into the block of their only user, past the checks of addresses that end a block. Groups then
	 * no longer take turns, but come one after the other, and all that they share lives long. One is for instructions, one for the machine's.
	 */
	static const char *const args[] = { "vgpu", "-instcombine-code-sinking=0", "-disable-machine-sink" };

	LLVMParseCommandLineOptions(ARRAY_SIZE(args), args, NULL);
	LLVMInitializeX86TargetInfo();
	LLVMInitializeX86Target();
	LLVMInitializeX86TargetMC();
	LLVMInitializeX86AsmPrinter();
	LLVMInitializeX86AsmParser();
	host = LLVMGetHostCPUFeatures();
	host_cpu = LLVMGetHostCPUName();
}

void gen_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_llvm);
}

static int open_machine(struct gen *g, unsigned tier)
{
	static const char triple[] = "x86_64-pc-linux-gnu";
	char *msg = NULL, *features;
	LLVMTargetRef target;

	gen_prepare();
	features = host_features(g->isa);
	if (!LLVMGetTargetFromTriple(triple, &target, &msg) && features)
		g->tm = LLVMCreateTargetMachine(target, triple, levels[g->isa].cpu, features,
						tier ? LLVMCodeGenLevelLess : LLVMCodeGenLevelNone, LLVMRelocPIC, LLVMCodeModelSmall);
	free(features);
	if (!g->tm) {
		int r = vgpu_err_set(g->err, VGPU_E_INTERNAL, "LLVM has no x86-64 back end: %s", msg ? msg : "no target machine");

		LLVMDisposeMessage(msg);
		return r;
	}
	return 0;
}

/* ---- denormals ---- */

static bool is_fp(uint8_t t)
{
	return t == IR_T_F32 || t == IR_T_F64 || t == IR_T_BF16 || t == IR_T_BF16X2 || t == IR_T_F32X2;
}

/* 0: nothing to do with denormals, 1: flushes them, 2: keeps them */
static unsigned denormals(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_mov: case IR_OP_ld: case IR_OP_ldu: case IR_OP_st: case IR_OP_selp: case IR_OP_shfl: case IR_OP_copysign:
	case IR_OP_tex: case IR_OP_suld: case IR_OP_sust: case IR_OP_red: case IR_OP_testp: case IR_OP_mma: case IR_OP_wmma:
		return i->op == IR_OP_red && is_fp(i->type) ? 2 : 0;
	case IR_OP_atom:
		return is_fp(i->type) ? 2 : 0;
	case IR_OP_cvt:
		if (i->flags & IR_F_FTZ)
			return 1;
		/* halves are normal as f32, and what is subnormal as f32 is zero as a half */
		if (i->type == IR_T_F16 || i->stype == IR_T_F16 || i->type == IR_T_F16X2)
			return 0;
		return is_fp(i->type) && ir_type_class(i->stype) == IR_TC_FLOAT ? 2 : is_fp(i->stype) ? 2 : 0;
	}
	if (!is_fp(i->type) && !is_fp(i->stype))
		return 0;
	return i->flags & IR_F_FTZ ? 1 : 2;
}

static bool wants_ftz(const struct gen_func *f)
{
	unsigned n[3] = { 0 };

	for (uint32_t k = 0; k < f->n_order; k++)
		for (size_t j = 0; j < f->blocks.v[f->order[k]].insns.n; j++) {
			const struct gen_insn *t = &f->blocks.v[f->order[k]].insns.v[j];

			if (t->kind != GEN_I_IR)
				continue;
			n[denormals(t->i)]++;
			n[2] += !gen_elem_ftz_ok(t->i);
		}
	return n[1] && !n[2];
}

/* ---- general functions ---- */

/* Does x send lanes that have left others behind, among which b runs? */
static bool sends_some(const struct gen_func *f, const struct gen_block *x, const struct gen_block *b)
{
	bool some = x->div && x->comp == b->comp;

	for (uint32_t s = 0; s < x->n_succ && !x->div; s++)
		some |= f->blocks.v[x->succ[s]].div && f->blocks.v[x->succ[s]].comp == b->comp;
	return some;
}

/* Lanes that x sends to y may be there when others come to barrier b: they went past it, or left a loop that b is in. */
static bool goes_past(const struct gen_func *f, const struct gen_block *b, const struct gen_block *x, const struct gen_block *y)
{
	if (y->pos <= b->pos || gen_just_ends(y) || !sends_some(f, x, b))
		return false;
	if (x->pos < b->pos)
		return true;
	for (const struct gen_loop *l = b->loop; l; l = l->parent)
		if (gen_in(l->blocks, (uint32_t)(x - f->blocks.v)) && !gen_in(l->blocks, (uint32_t)(y - f->blocks.v)))
			return true;
	return false;
}

static bool barrier_apart(const struct gen_func *f)
{
	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		if (b->term != GEN_T_BAR || !b->div)
			continue;
		for (uint32_t j = 0; j < f->n_order; j++) {
			const struct gen_block *x = &f->blocks.v[f->order[j]];

			for (uint32_t s = 0; s < x->n_succ; s++)
				if (goes_past(f, b, x, &f->blocks.v[x->succ[s]]))
					return true;
		}
	}
	return false;
}

/* ---- warp-wide instructions that lanes reach from two places ---- */

static bool has_sync(const struct gen_block *b)
{
	for (size_t n = 0; n < b->insns.n; n++)
		if (b->insns.v[n].kind == GEN_I_IR && gen_is_meeting(b->insns.v[n].i))
			return true;
	return false;
}

/* Is one found on the way from a block, before stop? */
static bool finds_sync(const struct gen_func *f, uint32_t from, uint32_t stop, bool *seen, uint32_t *stack)
{
	uint32_t sp = 0;

	memset(seen, 0, f->blocks.n);
	if (from == stop)
		return false;
	stack[sp++] = from;
	seen[from] = true;
	while (sp) {
		const struct gen_block *b = &f->blocks.v[stack[--sp]];

		if (has_sync(b))
			return true;
		for (uint32_t s = 0; s < b->n_succ; s++)
			if (b->succ[s] != stop && !seen[b->succ[s]]) {
				seen[b->succ[s]] = true;
				stack[sp++] = b->succ[s];
			}
	}
	return false;
}

/*
 * Lanes that a branch sent apart may have to meet at a .sync instruction that
 * each side has of its own: the interpreter's groups can do that.
 */
static bool meets_from_two_places(const struct gen_func *f)
{
	bool *seen = calloc(f->blocks.n + 1, sizeof(*seen)), two = false;
	uint32_t *stack = calloc(f->blocks.n + 1, sizeof(*stack));

	for (uint32_t k = 0; seen && stack && k < f->n_order && !two; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		if (b->term != GEN_T_COND || f->shp[1][b->pred_reg].shape == GEN_U ||
		    (b->loop && (b->ipdom == GEN_NONE || !gen_in(b->loop->blocks, b->ipdom))))
			continue;
		two = finds_sync(f, b->succ[0], b->ipdom, seen, stack) && finds_sync(f, b->succ[1], b->ipdom, seen, stack);
	}
	free(seen);
	free(stack);
	return two;
}

/* A loop that lanes may be in together with lanes that they wait for: in a general function it goes round by sweeps. */
bool gen_is_soft(const struct gen_func *f, const struct gen_loop *l)
{
	for (size_t k = 0; k < f->loops.n; k++)
		if (f->loops.v[k]->spins && (f->loops.v[k] == l || gen_in(l->blocks, f->loops.v[k]->header)))
			return true;
	for (uint32_t k = 0; k < f->n_order; k++)
		if (gen_in(l->blocks, f->order[k]) && f->blocks.v[f->order[k]].term == GEN_T_BAR)
			return true;
	return false;
}

/* Lanes leave such a loop sweep by sweep: at a .sync instruction in it or behind it they come one by one. */
static bool syncs_in_pieces(const struct gen_func *f)
{
	for (size_t n = 0; n < f->loops.n; n++) {
		const struct gen_loop *l = f->loops.v[n];

		if (!gen_is_soft(f, l))
			continue;
		for (uint32_t k = 0; k < f->n_order; k++) {
			const struct gen_block *b = &f->blocks.v[f->order[k]];

			if (has_sync(b) && (gen_in(l->blocks, f->order[k]) || b->pos > f->blocks.v[l->header].pos))
				return true;
		}
	}
	return false;
}

static bool needs_general(const struct gen_func *f)
{
	for (size_t k = 0; k < f->loops.n; k++)
		if (f->loops.v[k]->spins && (f->loops.v[k]->divergent || f->blocks.v[f->loops.v[k]->header].div))
			return true;
	return barrier_apart(f);
}

static bool is_red(const struct gen_block *b)
{
	return b->term == GEN_T_BAR && b->bar.i->mode == IR_MODE_RED;
}

static bool has_red(const struct gen_func *f)
{
	for (uint32_t k = 0; k < f->n_order; k++)
		if (is_red(&f->blocks.v[f->order[k]]))
			return true;
	return false;
}

/* One barrier for all: what a sweep can wait for. */
static bool barriers_alike(const struct gen_func *f)
{
	const struct ir_insn *first = NULL;

	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];

		if (b->term != GEN_T_BAR)
			continue;
		if (b->bar.i->src[0].kind != IR_OPND_IMM ||
		    (b->bar.i->n_src > 1 && b->bar.i->src[1].kind != IR_OPND_NONE))
			return false;
		if (first && first->src[0].imm != b->bar.i->src[0].imm)
			return false;
		first = b->bar.i;
	}
	return true;
}

/*
 * Each of them begins a block, which waits for its lanes. A bar.red has one for itself: what lanes bring to it is kept, as all
 * is that lives at the start of a block.
 */
static int split_meetings(struct gen *g, struct gen_func *f)
{
	int r = 0;

	for (uint32_t b = 0; b < f->blocks.n && !r; b++) {
		for (size_t n = 1; n < f->blocks.v[b].insns.n && !r; n++) {
			const struct gen_insn *t = &f->blocks.v[b].insns.v[n];

			if (t->kind == GEN_I_IR && gen_is_meeting(t->i))
				r = gen_split_at(f, b, n);
		}
		if (!r && is_red(&f->blocks.v[b]) && f->blocks.v[b].insns.n)
			r = gen_split_at(f, b, f->blocks.v[b].insns.n);
	}
	if (r)
		return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	for (uint32_t b = 0; b < f->blocks.n; b++) {
		struct gen_block *k = &f->blocks.v[b];

		k->meet = k->insns.n && k->insns.v[0].kind == GEN_I_IR && gen_is_meeting(k->insns.v[0].i);
	}
	r = gen_flow(g, f);
	if (!r)
		r = gen_shapes(g, f, 0);
	return r ? r : gen_diverge(g, f);
}

static int make_general(struct gen *g, struct gen_func *f)
{
	if (!barriers_alike(f)) {
		f->why = "lanes of a warp at different barriers";
		return vgpu_err_set(g->err, VGPU_E_NOT_SUPPORTED, "'%.80s': %s: interpreted", g->entry->name, f->why);
	}
	f->general = true;
	for (uint32_t k = 0; k < f->n_order; k++) {
		struct gen_block *b = &f->blocks.v[f->order[k]];

		b->div = true;
		b->comp = 0;
		for (uint32_t r = 0; r < f->regs.n; r++)
			if (gen_in(b->live_out, r) || gen_in(b->live_in, r))
				f->regs.v[r].blend = true;
	}
	return gen_shapes(g, f, 1);
}

/* ---- analyses ---- */

/* Sweeps over so many instructions are no faster than the interpreter, and take the compiler many seconds. */
#define SWEEP_MAX 3000

static int analyse(struct gen *g, struct gen_func *f, uint32_t func)
{
	int r = gen_flatten(g, f, func);

	if (!r)
		r = gen_flow(g, f);
	if (!r)
		gen_find_local(g, f);
	if (!r)
		r = gen_shapes(g, f, 0);
	if (!r)
		r = gen_if_convert(g, f);
	if (!r) {
		r = gen_split_guards(g, f);
		if (r > 0) {
			r = gen_flow(g, f);
			if (!r)
				r = gen_shapes(g, f, 0);
		}
	}
	if (!r)
		r = gen_diverge(g, f);
	if (!r)
		r = gen_find_steps(g, f);
	if (!r)
		r = gen_find_fixed(g, f);
	/* not with lanes that left a loop and wait behind it: there the loop goes on without them */
	if (!r && meets_from_two_places(f)) {
		f->why = "lanes may meet at warp-wide instructions in two places";
		r = vgpu_err_set(g->err, VGPU_E_NOT_SUPPORTED, "'%.80s': %s: interpreted", g->entry->name, f->why);
	}
	if (!r && needs_general(f)) {
		if (gen_count_insns(f) > SWEEP_MAX) {
			f->why = "a large kernel where lanes wait for each other";
			return vgpu_err_set(g->err, VGPU_E_NOT_SUPPORTED, "'%.80s': %s: interpreted", g->entry->name, f->why);
		}
		if (syncs_in_pieces(f) || has_red(f))
			r = split_meetings(g, f);
		if (!r)
			r = make_general(g, f);
	}
	return r;
}

/* ---- LLVM ---- */

static void set_attr(struct gen *g, const char *name, const char *value)
{
	LLVMAddAttributeAtIndex(g->fn, LLVMAttributeFunctionIndex,
				LLVMCreateStringAttribute(g->cx, name, (unsigned)strlen(name), value, (unsigned)strlen(value)));
}

static void set_enum_attr(struct gen *g, unsigned at, const char *name)
{
	unsigned id = LLVMGetEnumAttributeKindForName(name, strlen(name));

	LLVMAddAttributeAtIndex(g->fn, at, LLVMCreateEnumAttribute(g->cx, id, 0));
}

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

/* LLVM tells of a frame that is larger than was asked for; what else it has to say is for whoever develops this. */
static void diagnostic(LLVMDiagnosticInfoRef d, void *arg)
{
	struct gen *g = arg;
	char *text = LLVMGetDiagInfoDescription(d);

	if (strstr(text, "stack frame size"))
		g->deep = true;
	LLVMDisposeMessage(text);
}

static void open_module(struct gen *g)
{
	LLVMTypeRef params[2];
	LLVMTargetDataRef dl = LLVMCreateTargetDataLayout(g->tm);
	char *features = host_features(g->isa);

	g->mod = LLVMModuleCreateWithNameInContext("kernel", g->cx);
	LLVMSetTarget(g->mod, "x86_64-pc-linux-gnu");
	LLVMSetModuleDataLayout(g->mod, dl);
	LLVMDisposeTargetData(dl);
	g->i1 = LLVMInt1TypeInContext(g->cx);
	g->i8 = LLVMInt8TypeInContext(g->cx);
	g->i16 = LLVMInt16TypeInContext(g->cx);
	g->i32 = LLVMInt32TypeInContext(g->cx);
	g->i64 = LLVMInt64TypeInContext(g->cx);
	g->f32 = LLVMFloatTypeInContext(g->cx);
	g->f64 = LLVMDoubleTypeInContext(g->cx);
	g->ptr = LLVMPointerTypeInContext(g->cx, 0);
	g->void_t = LLVMVoidTypeInContext(g->cx);
	params[0] = g->ptr;
	params[1] = g->i32;
	g->fn = LLVMAddFunction(g->mod, "kernel", LLVMFunctionType(g->i32, params, 2, 0));
	g->ctx = LLVMGetParam(g->fn, 0);
	set_attr(g, "target-cpu", levels[g->isa].cpu);
	if (features && *features)
		set_attr(g, "target-features", features);
	if (host_cpu && *host_cpu)
		set_attr(g, "tune-cpu", host_cpu);
	set_attr(g, "prefer-vector-width", levels[g->isa].width);
	set_attr(g, "min-legal-vector-width", levels[g->isa].width);
	set_attr(g, "no-builtins", "true");
	set_attr(g, "warn-stack-size", NUMBER(SD_FRAME_MAX_B));
	LLVMContextSetDiagnosticHandler(g->cx, diagnostic, g);
	if (g->ftz)
		set_attr(g, "denormal-fp-math", "preserve-sign,preserve-sign");
	set_enum_attr(g, LLVMAttributeFunctionIndex, "nounwind");
	set_enum_attr(g, 1, "noalias");
	free(features);
	g->b = LLVMCreateBuilderInContext(g->cx);
}

static int emit(struct gen *g, struct gen_func *f, struct sd_meta *meta)
{
	size_t n = f->regs.n + 1, nb = f->blocks.n + 1;
	struct gen_emit e = { .g = g, .f = f, .has = { !f->half || f->half == GEN_F_WORLD_0, !f->half || f->half == GEN_F_WORLD_1 } };
	int r = -VGPU_E_NOMEM;

	e.place[0] = calloc(n, sizeof(*e.place[0]));
	e.place[1] = calloc(n, sizeof(*e.place[1]));
	e.cur = calloc(n, sizeof(*e.cur));
	e.stamp = calloc(n, sizeof(*e.stamp));
	e.bb[0] = calloc(nb, sizeof(*e.bb[0]));
	e.bb[1] = calloc(nb, sizeof(*e.bb[1]));
	e.mask = calloc(nb * g->NG, sizeof(*e.mask));
	e.park = calloc(nb * g->NG, sizeof(*e.park));
	e.stay = calloc(nb, sizeof(*e.stay));
	if (e.stay && e.place[0] && e.place[1] && e.cur && e.stamp && e.bb[0] && e.bb[1] && e.mask && e.park)
		r = gen_emit_func(&e);
	meta->frame_B = (uint32_t)vgpu_align_up(e.frame_B, 64);
	meta->n_states = (uint32_t)e.states.n;
	meta->turns = e.turn != NULL;
	meta->n_loops = (uint32_t)f->loops.n;
	gen_homes_end(&e);
	gen_asks_end(&e);
	free(e.place[0]);
	free(e.place[1]);
	free(e.cur);
	free(e.stamp);
	free(e.bb[0]);
	free(e.bb[1]);
	free(e.mask);
	free(e.park);
	free(e.stay);
	vgpu_vec_free(&e.states);
	if (r == -VGPU_E_INTERNAL)
		return vgpu_err_set(g->err, VGPU_E_INTERNAL, "'%.80s': the code generator contradicts itself", g->entry->name);
	return r ? vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name) : 0;
}

/*
 * Vectors and scalars that blocks of one world get from others, and masks of lanes that wait for their block. To each block
 * of world 1 lead several ways, to one of world 0 where ways meet.
 */
static uint32_t carried(const struct gen *g, const struct gen_func *f, unsigned world)
{
	uint32_t sum = 0;

	for (uint32_t k = 0; k < f->n_order; k++) {
		const struct gen_block *b = &f->blocks.v[f->order[k]];
		uint32_t first = b->pos;

		if (!world && b->preds.n < 2)
			continue;
		for (uint32_t r = 0; r < f->regs.n; r++)
			if (gen_in(b->live_in, r))
				sum += f->shp[world][r].shape == GEN_V ? g->NG : 1;
		for (size_t p = 0; p < b->preds.n && world && b->div; p++)
			first = MIN(first, f->blocks.v[b->preds.v[p]].pos);
		sum += (b->pos - first) * g->NG;
	}
	return sum;
}

/* Instructions, and what carried() counts, up to which tier 0 takes the better register allocator. */
#define SHORT 300
#define FEW_CARRIED 250

/*
 * Tier 0's own allocator has all values in memory from block to block. With tier 1's, code takes half as long again to generate,
 * large functions much longer, and loops run two to five times as fast: a launch that is long waits for them.
 */
static bool wants_registers(const struct gen *g, const struct gen_func *f, unsigned tier)
{
	return tier || (f->loops.n && gen_count_insns(f) <= SHORT && carried(g, f, 1) <= FEW_CARRIED);
}

static const char *passes(const struct gen *g, const struct gen_func *f, unsigned tier)
{
	uint32_t n = f->half == GEN_F_WORLD_0 ? carried(g, f, 0) : carried(g, f, 1);

	if (tier)
		return n >= (f->half == GEN_F_WORLD_0 ? 4 : 1) * SD_MANY_CARRIED ? PASSES_MEM_1 : PASSES_1;
	return n >= MANY_0 || (f->half != GEN_F_WORLD_0 && !wants_registers(g, f, tier)) ? PASSES_MEM_0 : PASSES_0;
}

/* For tests. */
static int verify(struct gen *g)
{
	char *msg = NULL;
	int r = 0;

	if (getenv("VGPU_GEN_VERIFY") && LLVMVerifyModule(g->mod, LLVMReturnStatusAction, &msg))
		r = vgpu_err_set(g->err, VGPU_E_INTERNAL, "'%.80s': %.400s", g->entry->name, msg);
	LLVMDisposeMessage(msg);
	return r;
}

static int optimise(struct gen *g, const struct gen_func *f, unsigned tier)
{
	LLVMPassBuilderOptionsRef o = LLVMCreatePassBuilderOptions();
	LLVMErrorRef err;
	char *text;
	int r = verify(g);

	if (!r) {
		LLVMPassBuilderOptionsSetLoopVectorization(o, 0);
		LLVMPassBuilderOptionsSetSLPVectorization(o, 0);
		err = LLVMRunPasses(g->mod, passes(g, f, tier), g->tm, o);
		if (err) {
			text = LLVMGetErrorMessage(err);
			r = vgpu_err_set(g->err, VGPU_E_INTERNAL, "'%.80s': %.400s", g->entry->name, text);
			LLVMDisposeErrorMessage(text);
		}
	}
	LLVMDisposePassBuilderOptions(o);
	if (!r && !gen_widen_masks(g))
		return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	return r ? r : verify(g);
}

static void dump(struct gen *g, const char *when)
{
	const char *dir = getenv("VGPU_GEN_DUMP");
	char path[512];

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/%s.%s.ll", dir, g->entry->name, when);
	LLVMPrintModuleToFile(g->mod, path, NULL);
}

/* From so many instructions on, ordering the machine's takes long, and loops are seldom what such a kernel is about. */
#define LONG 500

/* Which allocator is used, and whether instructions are ordered, are options of the process. */
static int generate_code(struct gen *g, bool registers, bool order, char **msg, LLVMMemoryBufferRef *buf)
{
	static const char *const allocator[] = { "-optimize-regalloc=false", "-optimize-regalloc=true" };
	static const char *const ordering[] = { "-enable-misched=false", "-enable-misched=true" };
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int is = -1;
	const char *args[] = { "vgpu", allocator[registers], ordering[order] };
	int want = registers * 2 + order, r;

	pthread_mutex_lock(&lock);
	if (is != want) {
		LLVMParseCommandLineOptions(ARRAY_SIZE(args), args, NULL);
		is = want;
	}
	r = LLVMTargetMachineEmitToMemoryBuffer(g->tm, g->mod, LLVMObjectFile, msg, buf);
	pthread_mutex_unlock(&lock);
	return r;
}

static int to_object(struct gen *g, const struct gen_func *f, unsigned tier, struct gen_object *out)
{
	LLVMMemoryBufferRef buf = NULL;
	char *msg = NULL;

	if (generate_code(g, wants_registers(g, f, tier), tier && gen_count_insns(f) < LONG, &msg, &buf)) {
		int r = vgpu_err_set(g->err, VGPU_E_INTERNAL, "'%.80s': %.400s", g->entry->name, msg);

		LLVMDisposeMessage(msg);
		return r;
	}
	if (g->deep) {
		LLVMDisposeMemoryBuffer(buf);
		return vgpu_err_set(g->err, VGPU_E_NOT_SUPPORTED, "'%.80s': its code needs more than " NUMBER(SD_FRAME_MAX_B) " bytes of stack: interpreted",
				    g->entry->name);
	}
	out->len = LLVMGetBufferSize(buf);
	out->elf = malloc(out->len + 1);
	if (out->elf)
		memcpy(out->elf, LLVMGetBufferStart(buf), out->len);
	LLVMDisposeMemoryBuffer(buf);
	return out->elf ? 0 : vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
}

static int build(struct gen *g, struct gen_func *f, unsigned tier, struct gen_object *out)
{
	int r;

	open_module(g);
	r = emit(g, f, &out->meta);
	if (!r) {
		dump(g, "before");
		r = optimise(g, f, tier);
	}
	if (!r) {
		dump(g, "after");
		r = to_object(g, f, tier, out);
	}
	LLVMDisposeBuilder(g->b);
	LLVMDisposeModule(g->mod);
	return r;
}

/* ---- the kernel ---- */

static void fill_meta(const struct gen *g, struct gen_func *f, struct gen_object *out)
{
	struct sd_meta *m = &out->meta;
	const struct in_func *entry = f->ik->funcs[f->ik->entry_func];

	m->W = g->W;
	m->n_rows = entry->n_rows;
	for (size_t k = 0; k < f->insts.n; k++)
		m->n_rows = MAX(m->n_rows, f->insts.v[k]->in->n_rows);
	m->local_B = f->local_B;
	m->granule = f->granule;
	m->generic_tid = f->block[0] == 0;
	m->half = f->half;
	m->ftz = g->ftz;
	m->n_refs = (uint32_t)f->refs.n;
	m->n_syms = (uint32_t)f->syms.n;
	m->insns = 0;
	for (uint32_t k = 0; k < f->n_order; k++)
		m->insns += (uint32_t)f->blocks.v[f->order[k]].insns.n;
	m->inlined = (uint32_t)f->insts.n - 1;
	m->carried = carried(g, f, 1);
	out->refs = f->refs.v;
	out->syms = f->syms.v;
	memset(&f->refs, 0, sizeof(f->refs));
	memset(&f->syms, 0, sizeof(f->syms));
}

static void set_gang(struct gen *g, unsigned warps)
{
	g->G = levels[g->isa].G;
	g->n_warps = warps;
	g->W = 32 * warps;
	g->NG = g->W / g->G;
}

static void open_func(struct gen_func *f, const struct gen_request *r, const struct be_kernel *ik)
{
	memset(f, 0, sizeof(*f));
	f->ik = ik;
	f->small_grid = r->small_grid;
	f->only_masked = (r->flags & GEN_F_MASKED) != 0;
	f->yields = (r->flags & GEN_F_YIELD) != 0;
	f->diverges = (r->flags & GEN_F_DIVERGE) != 0;
	f->half = r->flags & (GEN_F_WORLD_0 | GEN_F_WORLD_1);
	memcpy(f->block, r->block, sizeof(f->block));
}

static int analyse_as(struct gen *g, struct gen_func *f, const struct gen_request *r, const struct be_kernel *ik, unsigned warps)
{
	set_gang(g, warps);
	open_func(f, r, ik);
	return analyse(g, f, r->func);
}

/* As the widest gang that is of use and doesn't lose the form of addresses that a warp by itself has. */
static int analyse_gang(struct gen *g, struct gen_func *f, const struct gen_request *r, const struct be_kernel *ik)
{
	int rc = analyse_as(g, f, r, ik, r->warps ? MIN(r->warps, (unsigned)SD_MAX_WARPS) : 1);
	unsigned scattered = rc ? 0 : gen_gang_scattered(f), warps = rc ? g->n_warps : gen_gang_warps(g, r, f);

	while (!rc && warps != g->n_warps) {
		gen_func_free(f);
		rc = analyse_as(g, f, r, ik, warps);
		if (!rc && !r->warps && gen_gang_scattered(f) > scattered)
			warps /= 2;
	}
	return rc;
}

static int with_kernel(const struct gen_request *r, const struct be_kernel *ik, struct gen_object *out, struct vgpu_err *err)
{
	struct gen g = { .m = r->m, .entry = &r->m->funcs[r->func], .isa = r->isa, .quick = r->tier == 0, .err = err };
	struct gen_func f;
	int rc;

	g.f = &f;
	rc = analyse_gang(&g, &f, r, ik);
	if (!rc)
		rc = open_machine(&g, r->tier);
	if (!rc) {
		g.ftz = wants_ftz(&f);
		g.slow_gather = r->tier && gathers_are_slow(g.isa) && !(r->flags & GEN_F_GATHER);
		g.cx = LLVMContextCreate();
		rc = build(&g, &f, r->tier, out);
		LLVMContextDispose(g.cx);
	}
	if (g.tm)
		LLVMDisposeTargetMachine(g.tm);
	if (!rc) {
		fill_meta(&g, &f, out);
		out->meta.tier = r->tier;
	}
	gen_func_free(&f);
	return rc;
}

int gen_kernel(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err)
{
	uint64_t *addr = calloc(r->m->n_vars + 1, sizeof(*addr));
	struct be_module *bm = NULL;
	struct be_kernel *ik = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	if (!addr)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to compile a kernel");
	for (uint32_t v = 0; v < r->m->n_vars; v++)
		addr[v] = DUMMY_ADDR;
	rc = be_interp.module_new(&bm, r->m, addr, err);
	if (!rc)
		rc = be_interp.kernel_new(&ik, bm, r->func, err);
	if (!rc)
		rc = with_kernel(r, ik, out, err);
	if (ik)
		be_interp.kernel_free(ik);
	if (bm)
		be_interp.module_free(bm);
	free(addr);
	if (rc)
		gen_object_free(out);
	return rc;
}
