/*
 * 413-simd-random: random kernels without races leave the same memory behind,
 * bit by bit, on the interp backend and on all forms of the simd backend: at
 * each vector width, with gangs of one warp and more, masked code only, both
 * tiers, convergent code left early, and yields at every loop.
 *
 * Registers are typeless: what is an integer here is a float there, so NaNs,
 * infinities and denormals get everywhere. Every value has a register of its
 * own (what the generator knows of values, it knows by register), but for the
 * few %v and %m that are written in many places.
 *
 * t/413-simd-random.t [HOW-MANY [FIRST-SEED [FORM]]] runs more; FORM (words of
 * VGPU_SIMD, and /cpu) does it in that form only. With KEEP set in the
 * environment the text of each kernel is printed; TEXT names a file to take it from.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"
#include "util/compiler.h"
#include "util/sys.h"

#define N_V 6                /* %v: 32-bit variables */
#define N_M 4                /* %m: predicates that are variables */
#define N_U 5                /* %u: the same for the whole grid */
#define N_REGIONS 6          /* of memory, in which each thread has four elements */
#define MAX_THREADS 256
#define MAX_BLOCKS 3
#define REGION_B (MAX_THREADS * MAX_BLOCKS * 64)
#define ACC_B 256
#define INPUT_B (1 << 20)
#define POOL 96
#define LOCAL_SEEDS 1000000  /* from here on kernels have more to do with local memory */

enum { P16, P32, P64, PP, N_POOLS };

static const char *const sigil[N_POOLS] = { "h", "t", "x", "q" };

struct params {
	uint64_t mem, in, acc;
	uint32_t u[N_U];
	uint32_t arr[8];
};

struct gen {
	struct vgpu_buf text;
	uint64_t state;
	struct kt_dim block;
	unsigned n_threads, blocks;
	unsigned fresh[N_POOLS], pool[N_POOLS][POOL], n_pool[N_POOLS];
	unsigned labels, counters, rev[N_REGIONS], esz[N_REGIONS], srev[3], sesz[3], soff[3];
	unsigned ftz;              /* 0: none, 1: every f32 operation, 2: some */
	bool exited, in_loop, bars;
	bool more_local, gets_out;
};

static uint32_t rnd(struct gen *g, uint32_t n)
{
	g->state = g->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(g->state >> 33) % n;
}

#define PICK(g, list) ((list)[rnd(g, ARRAY_SIZE(list))])

static void say(struct gen *g, const char *fmt, ...) VGPU_PRINTF(2, 3);
static void say(struct gen *g, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vgpu_buf_add(&g->text, line, (size_t)n);
}

/* Some text that lives for a statement. */
static char *str(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *str(const char *fmt, ...)
{
	static char ring[32][48];
	static unsigned at;
	char *s = ring[at++ % 32];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s, 48, fmt, ap);
	va_end(ap);
	return s;
}

#include "t/413-simd-random.inc"

/* ---- what lanes do together ---- */

static void shuffle(struct gen *g)
{
	static const char *const modes[] = { "idx", "up", "down", "bfly" };
	static const unsigned seg[] = { 0, 0, 0, 0x1000, 0x1800, 0x1e00 };
	unsigned m = rnd(g, 4), t = fresh(g, P32), i = fresh(g, P32), q = fresh(g, PP), left = g->n_threads % 32;
	const char *lane = str("%u", rnd(g, 32));

	/* what a lane gets from one that isn't there is nobody's business */
	if (left) {
		say(g, "rem.u32 %%t%u, %s, %u;\nshfl.sync.idx.b32 %%t%u|%%q%u, %s, %%t%u, 31, %%all;\n", i, reg32(g), left, t, q, reg32(g), i);
		keep(g, P32, t);
		keep(g, PP, q);
		return;
	}
	if (rnd(g, 2)) {
		say(g, "and.b32 %%t%u, %s, 31;\n", i, reg32(g));
		lane = str("%%t%u", i);
	}
	say(g, "shfl.sync.%s.b32 %%t%u|%%q%u, %s, %s, %u, %%all;\n", modes[m], t, q, reg32(g), lane, PICK(g, seg) | (m == 1 ? 0u : 31u));
	keep(g, P32, t);
	keep(g, PP, q);
}

static void vote(struct gen *g)
{
	unsigned t = fresh(g, P32), q = fresh(g, PP);

	switch (rnd(g, 6)) {
	case 0: say(g, "vote.sync.ballot.b32 %%t%u, %s%s, %%all;\n", t, rnd(g, 2) ? "!" : "", pred(g)); break;
	case 1: say(g, "match.any.sync.b32 %%t%u, %s, %%all;\n", t, reg32(g)); break;
	case 2: say(g, "redux.sync.%s %%t%u, %s, %%all;\n", rnd(g, 2) ? "add.u32" : rnd(g, 2) ? "min.s32" : "xor.b32", t, reg32(g)); break;
	default:
		say(g, "vote.sync.%s.pred %%q%u, %s, %%all;\n", rnd(g, 2) ? "all" : rnd(g, 2) ? "any" : "uni", q, pred(g));
		keep(g, PP, q);
		return;
	}
	keep(g, P32, t);
}

/* Lanes with one bit of their number set. */
static void partial(struct gen *g)
{
	static const uint32_t with[] = { 0xaaaaaaaa, 0xcccccccc, 0xf0f0f0f0, 0xff00ff00, 0xffff0000 };
	unsigned bit = rnd(g, 5), i = fresh(g, P32), label = g->labels++, v = rnd(g, N_V);

	say(g, "and.b32 %%t%u, %%lane, %u;\nsetp.eq.u32 %%pp, %%t%u, 0;\n@%%pp bra E%u;\nand.b32 %%mask, %%all, %u;\n", i, 1u << bit, i, label,
	    with[bit]);
	switch (g->n_threads % 32 ? 1 + rnd(g, 2) : rnd(g, 3)) {
	case 0: say(g, "shfl.sync.bfly.b32 %%v%u, %s, %u, 31, %%mask;\n", v, reg32(g), rnd(g, 32) & ~(1u << bit)); break;
	case 1: say(g, "vote.sync.ballot.b32 %%v%u, %s, %%mask;\n", v, pred(g)); break;
	default: say(g, "redux.sync.add.s32 %%v%u, %s, %%mask;\n", v, reg32(g));
	}
	say(g, "E%u:\n", label);
}

/* A value of another thread's, through shared memory. */
static void exchange(struct gen *g)
{
	unsigned t = fresh(g, P32), i = fresh(g, P32), n = g->n_threads;

	say(g, "st.shared.b32 [%%sx], %s;\nbar.sync 0;\n", reg32(g));
	switch (rnd(g, 5)) {
	case 0: say(g, "sub.u32 %%t%u, %u, %%lin;\n", i, n - 1); break;
	case 1: say(g, "shr.u32 %%t%u, %%lin, 1;\n", i); break;
	case 2: say(g, "mov.u32 %%t%u, %u;\n", i, rnd(g, n)); break;
	case 3: say(g, "rem.u32 %%t%u, %s, %u;\n", i, reg32(g), n); break;
	default: say(g, "and.b32 %%t%u, %%lin, %u;\n", i, rnd(g, 2) ? 3 : ~1u); break;
	}
	say(g, "mad.lo.u32 %%t%u, %%t%u, 4, %%sx0;\nld.shared.b32 %%t%u, [%%t%u];\nbar.sync 0;\n", i, i, t, i);
	keep(g, P32, t);
}

static void barrier(struct gen *g)
{
	unsigned t = fresh(g, P32), q = fresh(g, PP);

	if (rnd(g, 2)) {
		say(g, "bar.red.popc.u32 %%t%u, 0, %s%s;\n", t, rnd(g, 2) ? "!" : "", pred(g));
		keep(g, P32, t);
	} else {
		say(g, "bar.red.%s.pred %%q%u, 0, %s;\n", rnd(g, 2) ? "and" : "or", q, pred(g));
		keep(g, PP, q);
	}
}

static void together(struct gen *g)
{
	switch (rnd(g, g->exited ? 2 : 6)) {
	case 0: exchange(g); break;
	case 1: barrier(g); break;
	case 2: case 3: shuffle(g); break;
	case 4: vote(g); break;
	default: partial(g);
	}
}

/* ---- calls ---- */

static void call(struct gen *g)
{
	unsigned t = fresh(g, P32), x = fresh(g, P64);

	switch (rnd(g, 5)) {
	case 0: say(g, "call (%%t%u), regs, (%s, %s);\n", t, reg32(g), reg32(g)); break;
	case 1:
		say(g, "{\n.param .b32 a0;\n.param .b32 a1;\n.param .b32 r0;\nst.param.f32 [a0], %s;\nst.param.b32 [a1], %s;\n"
		    "call.uni (r0), flt%u, (a0, a1);\nld.param.b32 %%t%u, [r0];\n}\n", reg32(g), reg32(g), g->ftz == 1, t);
		break;
	case 2:
		say(g, "{\n.param .b8 a0;\n.param .b16 a1;\n.param .b32 r0;\nst.param.b8 [a0], %s;\nst.param.b16 [a1], %s;\n"
		    "call (r0), small, (a0, a1);\nld.param.b32 %%t%u, [r0];\n}\n", reg32(g), need(g, P16), t);
		break;
	case 3:
		say(g, "{\n.param .align 8 .b8 a0[16];\n.param .align 8 .b8 r0[16];\nst.param.b32 [a0], %s;\nst.param.b32 [a0+4], %s;\nst.param.b64 [a0+8], %s;\n"
		    "call (r0), structs, (a0);\nld.param.b64 %%x%u, [r0];\nld.param.s16 %%t%u, [r0+10];\n}\n", reg32(g), reg32(g), need(g, P64), x, t);
		keep(g, P64, x);
		break;
	default: say(g, "call (%%t%u), loops, (%s);\n", t, reg32(g));
	}
	keep(g, P32, t);
}

static const char funcs[] =
	".func (.reg .b32 %res) regs(.reg .b32 %a, .reg .b32 %b)\n{\n.reg .pred %p;\n"
	"mad.lo.s32 %res, %a, 5, %b;\nsetp.lt.s32 %p, %a, %b;\n@%p bra L;\nxor.b32 %res, %res, %a;\nL: ret;\n}\n"
	".func (.param .b32 r) flt0(.param .b32 a, .param .b32 b)\n{\n.reg .b32 %t<4>;\n"
	"ld.param.f32 %t0, [a];\nld.param.b32 %t1, [b];\nfma.rn.f32 %t2, %t0, %t1, %t1;\nadd.f32 %t2, %t2, 0f00000001;\nst.param.f32 [r], %t2;\nret;\n}\n"
	".func (.param .b32 r) flt1(.param .b32 a, .param .b32 b)\n{\n.reg .b32 %t<4>;\n"
	"ld.param.f32 %t0, [a];\nld.param.b32 %t1, [b];\nfma.rn.ftz.f32 %t2, %t0, %t1, %t1;\nst.param.f32 [r], %t2;\nret;\n}\n"
	".func (.param .b32 r) small(.param .b8 a, .param .b16 b)\n{\n.reg .b32 %t<6>;\n"
	"ld.param.s8 %t0, [a];\nld.param.s16 %t1, [b];\nld.param.u8 %t2, [a];\nmad.lo.s32 %t3, %t0, %t1, %t2;\nst.param.b32 [r], %t3;\nret;\n}\n"
	".func (.param .align 8 .b8 r[16]) structs(.param .align 8 .b8 s[16])\n{\n.reg .b32 %t<6>;\n.reg .b64 %x<4>;\n.reg .pred %p;\n"
	"ld.param.v2.b32 {%t0, %t1}, [s];\nld.param.b64 %x0, [s+8];\nmul.wide.s32 %x1, %t0, %t1;\nadd.s64 %x0, %x0, %x1;\nsetp.gt.s32 %p, %t0, %t1;\n"
	"st.param.b64 [r+8], %x0;\nst.param.b64 [r], %x1;\n@%p st.param.b32 [r+4], %t0;\nret;\n}\n"
	".func (.reg .b32 %res) loops(.reg .b32 %a)\n{\n.reg .b32 %t<4>;\n.reg .pred %p;\n"
	"and.b32 %t0, %a, 7;\nmov.u32 %res, %a;\nL: setp.eq.u32 %p, %t0, 0;\n@%p ret;\nsub.u32 %t0, %t0, 1;\nmad.lo.u32 %res, %res, 3, %t0;\nbra L;\n}\n"
	".func (.param .b64 r) poke(.param .b64 p, .param .b32 v)\n{\n.reg .b32 %t<3>;\n.reg .b64 %x<3>;\n"
	"ld.param.b64 %x0, [p];\nld.param.b32 %t0, [v];\nld.u32 %t1, [%x0+4];\nst.u32 [%x0+4], %t0;\nxor.b32 %t1, %t1, %t0;\nst.u32 [%x0], %t1;\nst.param.b64 [r], %x0;\nret;\n}\n";

/* ---- flow ---- */

struct scope { unsigned n[N_POOLS]; };

static struct scope open_scope(struct gen *g)
{
	struct scope s;

	memcpy(s.n, g->n_pool, sizeof(s.n));
	return s;
}

/* Nothing that was computed is lost: variables take it. */
static void close_scope(struct gen *g, const struct scope *s)
{
	for (unsigned k = s->n[P32]; k < g->n_pool[P32]; k++)
		if (rnd(g, 3)) {
			unsigned v = rnd(g, N_V);

			say(g, "mad.lo.u32 %%v%u, %%v%u, 31, %%t%u;\n", v, v, g->pool[P32][k]);
		}
	for (unsigned k = s->n[P64]; k < g->n_pool[P64]; k++)
		if (rnd(g, 3)) {
			unsigned v = rnd(g, N_V), a = fresh(g, P32), b = fresh(g, P32);

			say(g, "mov.b64 {%%t%u, %%t%u}, %%x%u;\nmad.lo.u32 %%v%u, %%v%u, 33, %%t%u;\nxor.b32 %%v%u, %%v%u, %%t%u;\n", a, b, g->pool[P64][k],
			    v, v, a, v, v, b);
		}
	for (unsigned k = s->n[P16]; k < g->n_pool[P16]; k++)
		if (rnd(g, 2)) {
			unsigned v = rnd(g, N_V), a = fresh(g, P32);

			say(g, "cvt.s32.s16 %%t%u, %%h%u;\nmad.lo.u32 %%v%u, %%v%u, 29, %%t%u;\n", a, g->pool[P16][k], v, v, a);
		}
	for (unsigned k = s->n[PP]; k < g->n_pool[PP]; k++)
		if (!rnd(g, 3)) {
			unsigned v = rnd(g, N_V);

			say(g, "@%%q%u add.u32 %%v%u, %%v%u, 77;\n", g->pool[PP][k], v, v);
		}
	memcpy(g->n_pool, s->n, sizeof(s->n));
}

static void body(struct gen *g, unsigned depth, unsigned n, bool all);

static void part(struct gen *g, unsigned depth, unsigned n, bool all)
{
	struct scope s = open_scope(g);

	body(g, depth, n, all);
	close_scope(g, &s);
}

/* A predicate that is the same for the whole block. */
static unsigned same_pred(struct gen *g)
{
	unsigned q = fresh(g, PP);

	say(g, "setp.%s %%q%u, %s, %s;\n", rnd(g, 2) ? "lt.s32" : "eq.u32", q, rnd(g, 2) ? "%cta" : str("%%u%u", rnd(g, N_U)),
	    rnd(g, 2) ? str("%%u%u", rnd(g, N_U)) : str("%u", rnd(g, 3)));
	return q;
}

static void branch(struct gen *g, unsigned depth, bool all)
{
	unsigned label = g->labels++;
	bool other = rnd(g, 2), same = rnd(g, 4) == 0;

	all &= same;
	if (same)
		say(g, "@%s%%q%u bra E%u;\n", rnd(g, 2) ? "!" : "", same_pred(g), label);
	else
		say(g, "@%s%s bra E%u;\n", rnd(g, 2) ? "!" : "", pred(g), label);
	part(g, depth + 1, 1 + rnd(g, 4), all);
	if (other)
		say(g, "bra F%u;\n", label);
	say(g, "E%u:\n", label);
	if (other) {
		part(g, depth + 1, 1 + rnd(g, 4), all);
		say(g, "F%u:\n", label);
	}
}

/* Jumps into the middle: two ways to one tail. */
static void tangle(struct gen *g, unsigned depth)
{
	unsigned a = g->labels++, b = g->labels++;

	say(g, "@%s bra T%u;\n", pred(g), a);
	part(g, depth + 1, 1 + rnd(g, 3), false);
	say(g, "@%s%s bra T%u;\n", rnd(g, 2) ? "!" : "", pred(g), b);
	part(g, depth + 1, 1 + rnd(g, 3), false);
	say(g, "T%u:\n", a);
	part(g, depth + 1, 1 + rnd(g, 3), false);
	say(g, "T%u:\n", b);
}

static void table(struct gen *g, unsigned depth)
{
	unsigned l = g->labels++, i = fresh(g, P32);

	say(g, "and.b32 %%t%u, %s, 3;\nS%u: .branchtargets A%u, B%u, C%u, B%u;\nbrx.idx %%t%u, S%u;\nA%u:\n", i, reg32(g), l, l, l, l, l, i, l, l);
	part(g, depth + 1, 1 + rnd(g, 2), false);
	say(g, "B%u:\n", l);
	part(g, depth + 1, 1 + rnd(g, 2), false);
	say(g, "bra D%u;\nC%u:\n", l, l);
	part(g, depth + 1, 1 + rnd(g, 2), false);
	say(g, "D%u:\n", l);
}

/* all: with a count that is the same for the block. break and continue where lanes may go their own way. */
static void loop(struct gen *g, unsigned depth, bool all)
{
	unsigned label = g->labels++, counter = g->counters++, n = 1 + rnd(g, 4);
	bool was = g->in_loop, first = rnd(g, 2);
	struct scope s;

	if (all)
		say(g, "mov.u32 %%c%u, %u;\n", counter, rnd(g, 3));
	else if (rnd(g, 4))
		say(g, "and.b32 %%c%u, %s, %u;\n", counter, reg32(g), rnd(g, 2) ? 3 : 7);
	else
		say(g, "mov.u32 %%c%u, %u;\n", counter, rnd(g, 4));
	g->in_loop = true;
	say(g, "L%u:\n", label);
	if (first)
		say(g, "setp.eq.s32 %%pl, %%c%u, 0;\n@%%pl bra X%u;\n", counter, label);
	s = open_scope(g);
	body(g, depth + 1, n, all);
	if (!all && rnd(g, 2)) {
		close_scope(g, &s);
		say(g, "@%s bra %s%u;\n", pred(g), rnd(g, 2) ? "N" : "X", label);
		body(g, depth + 1, 1 + rnd(g, 3), false);
	}
	close_scope(g, &s);
	say(g, "N%u:\nsub.u32 %%c%u, %%c%u, 1;\n", label, counter, counter);
	if (first)
		say(g, "bra L%u;\n", label);
	else
		say(g, "setp.ge.s32 %%pl, %%c%u, 0;\n@%%pl bra L%u;\n", counter, label);
	say(g, "X%u:\n", label);
	if (rnd(g, 2))
		say(g, "add.u32 %%v%u, %%v%u, %%c%u;\n", label % N_V, label % N_V, counter);
	g->in_loop = was;
}

static void leave(struct gen *g)
{
	unsigned t = fresh(g, P32);

	say(g, "and.b32 %%t%u, %s, %u;\nsetp.eq.u32 %%pp, %%t%u, %u;\n@%%pp st.global.b32 [%%dump+24], %s;\n@%%pp %s;\n", t, reg32(g),
	    rnd(g, 2) ? 3 : 1, t, rnd(g, 2), reg32(g), rnd(g, 2) ? "exit" : "ret");
	g->exited = true;
}

static void body(struct gen *g, unsigned depth, unsigned n, bool all)
{
	while (n--)
		switch (rnd(g, 25)) {
		case 0: case 1: case 2: arith(g); break;
		case 3: case 4: float32(g); break;
		case 5: case 6: pattern(g); break;
		case 7: arith64(g); break;
		case 8: convert(g); break;
		case 9: rnd(g, 2) ? float16(g) : float64(g); break;
		case 10: carry(g); break;
		case 11: case 12: compare(g); break;
		case 13: pick(g); break;
		case 14: case 15: case 16: memory(g); break;
		case 17: accumulate(g); break;
		case 18: call(g); break;
		case 19: if (depth < 3) branch(g, depth, all); break;
		case 20: if (depth < 3 && g->counters < 16) loop(g, depth, all && rnd(g, 2)); break;
		case 21:
			if (depth < 3 && !rnd(g, 2))
				tangle(g, depth);
			else if (depth < 3 && !rnd(g, 3))
				table(g, depth);
			else if (depth == 0 && !rnd(g, 6))
				leave(g);
			break;
		default:
			if (all)
				together(g);
		}
}

/* ---- the kernel ---- */

static const struct kt_dim shapes[] = {
	{ 64, 1, 1 }, { 80, 1, 1 }, { 33, 3, 1 }, { 16, 16, 1 }, { 8, 8, 1 }, { 32, 8, 1 }, { 8, 4, 2 }, { 5, 3, 3 }, { 4, 4, 8 }, { 128, 1, 1 },
	{ 31, 1, 1 }, { 256, 1, 1 }, { 1, 64, 1 }, { 100, 2, 1 }, { 64, 2, 2 }, { 16, 2, 3 },
};

static void head(struct gen *g, struct vgpu_buf *out)
{
	struct gen h = { .state = g->state };
	unsigned n = g->n_threads;

	say(&h, ".version 9.0\n.target sm_80\n.address_size 64\n.const .align 16 .b32 tab[16] = {0x7fc00001, 1, 0xff800000, 0x80000000, 77, 0x3f800000, "
	    "0xffffffff, 0x12345678, 0x7f7fffff, 0x00400000, 5, 6, 0xfffffffe, 0x80000001, 0x7f800000, 9};\n");
	vgpu_buf_add(&h.text, funcs, sizeof(funcs) - 1);
	say(&h, ".visible .entry k(.param .u64 mem, .param .u64 in, .param .u64 acc, .param .align 4 .b8 us[%u], .param .align 4 .b8 arr[32])\n{\n", 4 * N_U);
	say(&h, ".reg .b16 %%h<%u>;\n.reg .b32 %%t<%u>;\n.reg .b64 %%x<%u>;\n.reg .pred %%q<%u>;\n", g->fresh[P16], g->fresh[P32], g->fresh[P64], g->fresh[PP] + 1);
	say(&h, ".reg .b32 %%v<%u>;\n.reg .pred %%m<%u>;\n.reg .b32 %%u<%u>;\n.reg .b32 %%c<17>;\n.reg .pred %%pp, %%pl;\n.reg .b64 %%mem<%u>, %%in, %%acc, %%dump;\n", N_V,
	    N_M, N_U, N_REGIONS);
	say(&h, ".reg .b32 %%us, %%tx, %%ty, %%tz, %%lane, %%cta, %%lin, %%gtid, %%all, %%mask, %%sh, %%sx, %%sx0, %%sacc, %%wid;\n");
	say(&h, ".local .align 16 .b8 depot[64];\n.shared .align 16 .b8 own[%u];\n.shared .align 16 .b8 slots[%u];\n.shared .align 16 .b8 sums[192];\n",
	    g->soff[2] + 2 * n * g->sesz[2], 4 * n);
	say(&h, "mov.u32 %%tx, %%tid.x;\nmov.u32 %%ty, %%tid.y;\nmov.u32 %%tz, %%tid.z;\nmov.u32 %%lane, %%laneid;\nmov.u32 %%cta, %%ctaid.x;\n");
	say(&h, "mad.lo.u32 %%wid, %%tz, %u, %%ty;\nmad.lo.u32 %%lin, %%wid, %u, %%tx;\nmad.lo.u32 %%gtid, %%cta, %u, %%lin;\n", g->block.y, g->block.x, n);
	/* what nobody wrote to is what the block before has left there */
	say(&h, "mov.u32 %%v0, 0;\n");
	for (unsigned k = 0; k < 64; k += 16)
		say(&h, "st.local.v4.b32 [depot+%u], {%%v0, %%v0, %%v0, %%v0};\n", k);
	say(&h, "ld.param.u64 %%mem0, [mem];\n");
	for (unsigned k = 1; k < N_REGIONS; k++)
		say(&h, "add.u64 %%mem%u, %%mem%u, %u;\n", k, k - 1, REGION_B);
	say(&h, "ld.param.u64 %%in, [in];\nadd.u64 %%in, %%in, %u;\nld.param.u64 %%acc, [acc];\n", INPUT_B / 2);
	say(&h, "add.u64 %%dump, %%mem%u, %u;\nmad.wide.u32 %%dump, %%gtid, 32, %%dump;\n", N_REGIONS - 1, REGION_B);
	for (unsigned k = 0; k < N_U; k++)
		say(&h, "ld.param.u32 %%u%u, [us+%u];\n", k, 4 * k);
	say(&h, "and.b32 %%us, %%u0, 7;\nshr.u32 %%wid, %%lin, 5;\nsetp.lt.u32 %%m0, %%wid, %u;\nselp.b32 %%all, 0xffffffff, %u, %%m0;\n", n / 32,
	    n % 32 ? (1u << n % 32) - 1 : 0xffffffffu);
	say(&h, "mov.u32 %%sh, own;\nmov.u32 %%sx0, slots;\nmad.lo.u32 %%sx, %%lin, 4, %%sx0;\nmov.u32 %%sacc, sums;\n");
	say(&h, "mov.u32 %%v0, %%lin;\nmul.lo.u32 %%v1, %%gtid, 0x9e3779b1;\nmov.u32 %%v2, 0x3f800000;\nld.global.b32 %%v3, [%%in];\nmov.u32 %%v4, 0;\n"
	    "mad.wide.u32 %%x0, %%lin, 4, %%in;\nld.global.b32 %%v5, [%%x0+64];\n");
	say(&h, "setp.lt.u32 %%m1, %%tx, 7;\nsetp.lt.s32 %%m2, %%v1, 0;\nsetp.eq.u32 %%m3, %%cta, 0;\ncvt.u16.u32 %%h0, %%v1;\n");
	vgpu_buf_add(out, h.text.data, h.text.len);
	vgpu_buf_free(&h.text);
}

static void tail(struct gen *g)
{
	unsigned t = fresh(g, P32), x = fresh(g, P64);

	for (unsigned k = 0; k < N_V; k++)
		say(g, "st.global.b32 [%%dump+%u], %%v%u;\n", 4 * k, k);
	say(g, "bar.sync 0;\nsetp.eq.u32 %%pp, %%lin, %u;\n@!%%pp bra END;\n", g->n_threads - 1);
	say(g, "mad.wide.u32 %%x%u, %%cta, 192, %%acc;\n", x);
	for (unsigned k = 0; k < 48; k++)
		say(g, "ld.shared.b32 %%t%u, [%%sacc+%u];\nst.global.b32 [%%x%u+%u], %%t%u;\n", t, 4 * k, x, ACC_B + 4 * k, t);
	say(g, "END: ret;\n}\n");
}

/* Text of a kernel; NUL terminated. */
static void generate(struct gen *g, uint64_t seed, struct vgpu_buf *out)
{
	struct scope top = { 0 };

	memset(g, 0, sizeof(*g));
	g->state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (int k = 0; k < 4; k++)
		rnd(g, 2);
	/* what earlier ones have found they still find */
	g->more_local = seed >= LOCAL_SEEDS;
	g->gets_out = g->more_local && !rnd(g, 4);
	g->block = PICK(g, shapes);
	g->n_threads = g->block.x * g->block.y * g->block.z;
	g->blocks = 1 + rnd(g, MAX_BLOCKS);
	g->ftz = rnd(g, 3);
	for (unsigned k = 0; k < N_REGIONS; k++) {
		g->esz[k] = 1u << rnd(g, 5);
		g->rev[k] = !rnd(g, 3);
	}
	for (unsigned k = 0; k < 3; k++) {
		g->sesz[k] = 1u << rnd(g, 5);
		g->srev[k] = !rnd(g, 3);
		g->soff[k] = k ? (g->soff[k - 1] + 2 * g->n_threads * g->sesz[k - 1] + 15) & ~15u : 0;
	}
	g->fresh[P16] = g->fresh[P64] = 1;
	body(g, 0, 8 + rnd(g, 20), true);
	close_scope(g, &top);
	tail(g);
	head(g, out);
	vgpu_buf_add(out, g->text.data, g->text.len);
	vgpu_buf_add(out, "", 1);
	vgpu_buf_free(&g->text);
}

/* ---- runs ---- */

#define RESULT_B ((size_t)(N_REGIONS + 1) * REGION_B + ACC_B + MAX_BLOCKS * 192)

static uint32_t noise(uint32_t k)
{
	uint32_t h = k * 2246822519u;

	h ^= h >> 15;
	return h % 5 ? h * 2654435761u : edges[(h >> 8) % ARRAY_SIZE(edges)];
}

static bool run_once(struct kt *t, const struct gen *g, uint64_t seed, uint64_t mem, uint64_t in, uint8_t *out)
{
	struct params p = { .mem = mem, .in = in, .acc = mem + (N_REGIONS + 1) * REGION_B };
	uint32_t *w = (uint32_t *)(uintptr_t)mem;

	for (size_t k = 0; k < RESULT_B / 4; k++)
		w[k] = noise((uint32_t)k);
	for (unsigned k = 0; k < N_U; k++)
		p.u[k] = k & 1 ? noise((uint32_t)seed * 16 + k) : (uint32_t)(seed >> k) % 7;
	for (unsigned k = 0; k < 8; k++)
		p.arr[k] = noise((uint32_t)seed * 64 + k);
	if (KT_RUN(t, "k", KT1(g->blocks), g->block, p) != BE_RUN_DONE) {
		diag("%s %s", t->err.text, t->fault.text);
		return false;
	}
	memcpy(out, w, RESULT_B);
	return true;
}

static bool open_kernel(struct kt *t, const char *be, const char *text, uint64_t *mem, uint64_t *in)
{
	uint32_t *w;

	if (!kt_open(t, be, text)) {
		diag("%s\n%s", t->err.text, t->log);
		return false;
	}
	*mem = (uint64_t)(uintptr_t)kt_alloc(t, RESULT_B);
	*in = (uint64_t)(uintptr_t)kt_alloc(t, INPUT_B);
	w = (uint32_t *)(uintptr_t)*in;
	for (uint32_t k = 0; k < INPUT_B / 4; k++)
		w[k] = noise(k + 12345);
	return true;
}

static const char *const forms[] = {
	"", "masked", "warps=2", "warps=4,tier1", "masked,warps=2", "tier1", "tier1,whole", "yield", "diverge", "eager", "diverge,yield,warps=2",
	"tier1,yield,warps=4", "masked,yield", "masked,tier1,warps=4,yield", "whole,diverge,warps=4", "tier1,diverge,yield",
	"eager,diverge,yield", "whole,diverge,yield", "tier1,diverge,warps=2",
};
/* 2082: a shuffle behind a loop that lanes left one by one, sweep by sweep */
static const uint64_t found[] = { 2082 };
static const char *const cpus[] = { "avx512", "avx2", "sse4.2" };

static volatile uint64_t seed_now;
static const char *form_now = "";

static void on_alarm(int sig)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "# seed %llu, form %s: signal %d\n", (unsigned long long)seed_now, form_now, sig);

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

static bool same(const struct gen *g, uint64_t seed, const uint8_t *want, const uint8_t *got)
{
	size_t k = 0, region;

	if (!memcmp(want, got, RESULT_B))
		return true;
	while (want[k] == got[k])
		k++;
	region = k / REGION_B;
	diag("seed %llu, form %s, block %u,%u,%u: byte %zu of region %zu (%u bytes an element, %u threads)", (unsigned long long)seed, form_now,
	     g->block.x, g->block.y, g->block.z, k - region * REGION_B, region, region < N_REGIONS ? g->esz[region] : 32, g->n_threads * g->blocks);
	diag("  0x%08x, simd 0x%08x", ((const uint32_t *)(const void *)want)[k / 4], ((const uint32_t *)(const void *)got)[k / 4]);
	return false;
}

static bool run_form(struct kt *t, const struct gen *g, uint64_t seed, const char *form, uint64_t mem, uint64_t in, const uint8_t *want, uint8_t *got)
{
	const char *cpu = strchr(form, '/');

	form_now = form;
	setenv("VGPU_SIMD", form, 1);
	if (cpu)
		setenv("VGPU_CPU", cpu + 1, 1);
	else
		unsetenv("VGPU_CPU");
	/* alone, and as launches run them */
	t->ahead = seed % 3 ? MAX_BLOCKS : 0;
	if (!run_once(t, g, seed, mem, in, got)) {
		diag("seed %llu, form %s", (unsigned long long)seed, form);
		return false;
	}
	return same(g, seed, want, got);
}

/* TEXT: a file with the kernel, to make it smaller by hand. */
static void read_text(struct vgpu_buf *text)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	char *data;
	size_t len;

	if (!getenv("TEXT"))
		return;
	if (vgpu_read_file(getenv("TEXT"), 1 << 20, &data, &len, &err))
		bail("%s", err.text);
	text->len = 0;
	vgpu_buf_add(text, data, len);
	vgpu_buf_add(text, "", 1);
	free(data);
}

static bool check_seed(uint64_t seed, unsigned n_forms, const char *only)
{
	uint8_t *want = malloc(RESULT_B), *got = malloc(RESULT_B);
	struct vgpu_buf text = { 0 };
	uint64_t mem, in;
	struct gen g, r = { .state = seed };
	bool good;
	struct kt t;

	seed_now = seed;
	form_now = "interp";
	generate(&g, seed, &text);
	read_text(&text);
	if (getenv("KEEP"))
		printf("%s", text.data);
	good = open_kernel(&t, "interp", vgpu_buf_text(&text), &mem, &in) && run_once(&t, &g, seed, mem, in, want);
	if (!good)
		diag("seed %llu: interp", (unsigned long long)seed);
	kt_close(&t);
	if (good) {
		good = open_kernel(&t, "simd", vgpu_buf_text(&text), &mem, &in);
		for (unsigned k = 0; k < n_forms && good; k++) {
			char form[64];

			snprintf(form, sizeof(form), "%s/%s", k ? PICK(&r, forms) : "", PICK(&r, cpus));
			good = run_form(&t, &g, seed, only ? only : form, mem, in, want, got);
		}
		kt_close(&t);
	}
	vgpu_buf_free(&text);
	free(want);
	free(got);
	return good;
}

/* … in one form. */
static const struct {
	uint64_t seed;
	const char *form;
} found_in[] = {
	{ 430008, "tier1,warps=4/avx2" },       /* what is known of threads' numbers was computed without .ftz */
	{ 390091, "tier1,whole/avx512" },       /* zero by zero, both known: the NaN's sign */
	{ 450002, "/avx2" },                    /* a wrapped product, widened with its sign, in masked code */
	{ 430084, "tier1,whole/avx2" },         /* masks in 32 bits a lane */
	{ 620086, "masked,tier1,warps=4,yield/avx2" }, /* a known operand alone, in directed rounding */
	{ 650063, "tier1/avx2" },
	{ 740079, "/avx512" },                  /* a denormal by one, with .ftz, where one is known on one way only */
};

int main(int argc, char **argv)
{
	unsigned many = argc > 1 ? (unsigned)atoi(argv[1]) : 10, bad = 0, forms_each = argc > 3 ? 1 : argc > 1 ? 5 : 3;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	const char *const *be = kt_backends();

	plan_lazy();
	tap_timeout(0);
	if (!be[1])
		skip_all("built without LLVM");
	signal(SIGABRT, on_alarm);
	signal(SIGALRM, on_alarm);
	for (unsigned k = 0; k < many; k++) {
		alarm(300);
		bad += !check_seed(first + k + (argc == 1 && k & 1 ? LOCAL_SEEDS : 0), forms_each, argc > 3 ? argv[3] : NULL);
	}
	for (size_t k = 0; argc == 1 && k < ARRAY_SIZE(found); k++) {
		alarm(300);
		ok(check_seed(found[k], 2, NULL), "seed %llu, which has found something", (unsigned long long)found[k]);
	}
	for (size_t k = 0; argc == 1 && k < ARRAY_SIZE(found_in); k++) {
		alarm(300);
		ok(check_seed(found_in[k].seed, 1, found_in[k].form), "seed %llu, %s", (unsigned long long)found_in[k].seed, found_in[k].form);
	}
	ok(!bad, "%u random kernels from seed %llu on: interp and simd agree", many, (unsigned long long)first);
	return bad != 0;
}
