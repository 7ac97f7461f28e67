/*
 * 412-interp-random: random kernels without races give one result however they
 * are run. Each comes in three forms: as it is; with every register read at
 * the end, so that none shares its row; and with volatile accesses, which take
 * the plain paths of memory. All forms run with slices of one instruction and
 * large ones, in turns and on several threads.
 *
 * t/412-interp-random.t [HOW-MANY [FIRST-SEED]] runs more of them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define N_R 14               /* %r0 … */
#define N_P 4
#define THREADS 80           /* of a block: the last warp isn't full */
#define BLOCKS 3
#define WORDS 64             /* of each thread's own memory */

enum form { PLAIN, ALL_LIVE, VOLATILE, N_FORMS };

struct gen {
	struct vgpu_buf text;
	uint64_t state;
	enum form form;
	unsigned loops, labels;
};

static uint32_t rnd(struct gen *g, uint32_t n)
{
	g->state = g->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(g->state >> 33) % n;
}

static void say(struct gen *g, const char *fmt, ...) VGPU_PRINTF(2, 3);
static void say(struct gen *g, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vgpu_buf_add(&g->text, line, (size_t)n);
}

static void guard(struct gen *g)
{
	if (rnd(g, 4) == 0)
		say(g, "@%s%%p%u ", rnd(g, 2) ? "!" : "", rnd(g, N_P));
}

static void arith(struct gen *g)
{
	static const char *const ops[] = {
		"add.u32", "sub.u32", "mul.lo.u32", "xor.b32", "and.b32", "or.b32", "min.s32", "max.u32", "mul.hi.u32", "shl.b32",
		"shr.s32", "div.u32", "rem.s32",
	};
	uint32_t op = rnd(g, 17);

	guard(g);
	if (op < 13) {
		say(g, "%s %%r%u, %%r%u, ", ops[op], rnd(g, N_R), rnd(g, N_R));
		say(g, rnd(g, 3) ? "%%r%u;\n" : "%u;\n", rnd(g, N_R));
	} else if (op == 13) {
		say(g, "mad.lo.u32 %%r%u, %%r%u, %%r%u, %%r%u;\n", rnd(g, N_R), rnd(g, N_R), rnd(g, N_R), rnd(g, N_R));
	} else if (op == 14) {
		say(g, "mov.u32 %%r%u, %%r%u;\n", rnd(g, N_R), rnd(g, N_R));
	} else if (op == 15) {
		say(g, "selp.b32 %%r%u, %%r%u, %%r%u, %%p%u;\n", rnd(g, N_R), rnd(g, N_R), rnd(g, N_R), rnd(g, N_P));
	} else {
		say(g, "mov.b64 %%x0, {%%r%u, %%r%u};\n", rnd(g, N_R), rnd(g, N_R));
		guard(g);
		say(g, "mov.b64 {%%r%u, %%r%u}, %%x0;\n", rnd(g, N_R), rnd(g, N_R));
	}
}

static void compare(struct gen *g)
{
	static const char *const ops[] = { "lt.s32", "ge.u32", "eq.s32", "ne.u32" };
	uint32_t p = rnd(g, N_P);

	guard(g);
	if (rnd(g, 3) == 0)
		say(g, "setp.%s %%p%u|%%p%u, %%r%u, %%r%u;\n", ops[rnd(g, 4)], p, (p + 1) % N_P, rnd(g, N_R), rnd(g, N_R));
	else
		say(g, "setp.%s %%p%u, %%r%u, %%r%u;\n", ops[rnd(g, 4)], p, rnd(g, N_R), rnd(g, N_R));
}

/* An element of the thread's own memory in some space; %own, %sown are its start there. */
static void memory(struct gen *g)
{
	static const struct { const char *type; unsigned size; } types[] = {
		{ "u8", 1 }, { "s8", 1 }, { "u16", 2 }, { "s16", 2 }, { "u32", 4 }, { "u32", 4 }, { "s32", 4 }, { "b32", 4 },
	};
	static const char *const spaces[] = { ".global", ".shared", ".local", "" };
	uint32_t t = rnd(g, 8), s = rnd(g, 4);
	/* Shared memory has four words for each thread. */
	uint32_t words = s == 1 ? 4 : WORDS, vec = types[t].size == 4 && rnd(g, 3) == 0 ? 2u << rnd(g, 2) : 1;
	const char *vol = g->form == VOLATILE ? ".volatile" : "", *base;
	bool load = rnd(g, 2);
	uint32_t how = rnd(g, 3), a = rnd(g, N_R), b = rnd(g, N_R), c = rnd(g, N_R), d = rnd(g, N_R);

	if (how) {
		say(g, "and.b32 %%t0, %%r%u, %u;\n", rnd(g, N_R), (words * 4 - 1) & ~(types[t].size * vec - 1));
		if (s == 1 || s == 2)
			say(g, "add.u32 %%t0, %%t0, %s;\n", s == 1 ? "%s0" : "%l0");
		else
			say(g, "cvt.u64.u32 %%x2, %%t0;\nadd.u64 %%x2, %%x2, %s;\n",
			    s == 0 ? "%own" : how == 2 ? "%lgen" : "%own");
	} else {
		say(g, s == 1 || s == 2 ? "mov.u32 %%t0, %s;\n" : "mov.u64 %%x2, %s;\n", s == 1 ? "%s0" : s == 2 ? "%l0" : "%own");
	}
	base = s == 1 || s == 2 ? "%t0" : "%x2";
	guard(g);
	if (vec == 1) {
		if (load)
			say(g, "ld%s%s.%s %%r%u, [%s];\n", vol, spaces[s], types[t].type, a, base);
		else
			say(g, "st%s%s.%s [%s], %%r%u;\n", vol, spaces[s], types[t].size == 4 ? "b32" : types[t].type, base, a);
		return;
	}
	b = b == a ? (a + 1) % N_R : b;
	while (c == a || c == b)
		c = (c + 1) % N_R;
	while (d == a || d == b || d == c)
		d = (d + 1) % N_R;
	if (load)
		say(g, "ld%s%s.v%u.%s {", vol, spaces[s], vec, types[t].type);
	else
		say(g, "st%s%s.v%u.b32 [%s], {", vol, spaces[s], vec, base);
	say(g, "%%r%u, %%r%u", a, b);
	if (vec == 4)
		say(g, ", %%r%u, %%r%u", c, d);
	say(g, "}");
	if (load)
		say(g, ", [%s]", base);
	say(g, ";\n");
}

/* What lanes do together: only where all of them come by. */
static void together(struct gen *g)
{
	static const char *const modes[] = { "idx", "up", "down", "bfly" };
	uint32_t m = rnd(g, 4), r = rnd(g, N_R);

	switch (rnd(g, 5)) {
	case 0:
		say(g, "and.b32 %%t0, %%r%u, 31;\nshfl.sync.%s.b32 %%r%u|%%p%u, %%r%u, %s, %u, %%all;\n", r, modes[m], rnd(g, N_R),
		    rnd(g, N_P), rnd(g, N_R), rnd(g, 2) ? "%t0" : "3", m == 1 ? 0u : 31u);
		break;
	case 1:
		say(g, "vote.sync.ballot.b32 %%r%u, %%p%u, %%all;\n", r, rnd(g, N_P));
		break;
	case 2:
		say(g, "bar.sync 0;\nst.shared.u32 [%%s0], %%r%u;\nbar.sync 0;\nld.shared.u32 %%r%u, [%%snext];\nbar.sync 0;\n", r,
		    rnd(g, N_R));
		break;
	case 3:
		say(g, "red.global.add.u32 [%%sum], %%r%u;\n", r);
		break;
	default:
		say(g, "atom.shared.add.u32 %%r%u, [%%s0+4], %%r%u;\n", r, rnd(g, N_R));
	}
}

static void body(struct gen *g, unsigned depth, unsigned n, bool all);

static void branch(struct gen *g, unsigned depth)
{
	unsigned label = g->labels++;
	bool other = rnd(g, 2);

	say(g, "@%s%%p%u bra E%u;\n", rnd(g, 2) ? "!" : "", rnd(g, N_P), label);
	body(g, depth + 1, 1 + rnd(g, 5), false);
	if (other)
		say(g, "bra F%u;\n", label);
	say(g, "E%u:\n", label);
	if (other) {
		body(g, depth + 1, 1 + rnd(g, 5), false);
		say(g, "F%u:\n", label);
	}
}

/* With a count of each lane's own, or, where all lanes come by, the same one for all. */
static void loop(struct gen *g, unsigned depth, bool all)
{
	unsigned label = g->labels++, counter = g->loops++;

	if (all)
		say(g, "mov.u32 %%c%u, %u;\n", counter, rnd(g, 3));
	else
		say(g, "and.b32 %%c%u, %%r%u, 3;\n", counter, rnd(g, N_R));
	say(g, "L%u:\n", label);
	body(g, depth + 1, 1 + rnd(g, 6), all);
	say(g, "sub.u32 %%c%u, %%c%u, 1;\nsetp.ge.s32 %%q, %%c%u, 0;\n@%%q bra L%u;\n", counter, counter, counter, label);
}

static void body(struct gen *g, unsigned depth, unsigned n, bool all)
{
	while (n--) {
		uint32_t what = rnd(g, 12);

		if (what < 5)
			arith(g);
		else if (what < 7)
			compare(g);
		else if (what < 9)
			memory(g);
		else if (what == 9 && depth < 3)
			branch(g, depth);
		else if (what == 10 && depth < 3 && g->loops < 32)
			loop(g, depth, all && rnd(g, 2));
		else if (all)
			together(g);
	}
}

static const char head[] =
	".version 9.0\n.target sm_80\n.address_size 64\n"
	".visible .entry k(.param .u64 mem, .param .u64 sum, .param .u64 dump)\n{\n"
	".reg .b32 %r<14>;\n.reg .b32 %c<32>;\n.reg .b32 %t<4>;\n.reg .pred %p<4>;\n.reg .pred %q;\n.reg .b64 %x<4>;\n"
	".reg .b64 %own, %sum, %dump, %lgen;\n.reg .b32 %s0, %snext, %l0, %tx, %all;\n"
	".local .align 16 .b8 depot[256];\n.shared .align 16 .b8 slots[1280];\n"
	"mov.u32 %tx, %tid.x;\nmov.u32 %t0, %ctaid.x;\nmad.lo.u32 %t1, %t0, 80, %tx;\n"
	"ld.param.u64 %own, [mem];\nmul.wide.u32 %x0, %t1, 256;\nadd.u64 %own, %own, %x0;\n"
	"ld.param.u64 %sum, [sum];\nld.param.u64 %dump, [dump];\nmul.wide.u32 %x0, %t1, 256;\nadd.u64 %dump, %dump, %x0;\n"
	"mov.u32 %s0, slots;\nmad.lo.u32 %s0, %tx, 16, %s0;\nadd.u32 %t2, %tx, 33;\nrem.u32 %t2, %t2, 80;\n"
	"mov.u32 %snext, slots;\nmad.lo.u32 %snext, %t2, 16, %snext;\n"
	"mov.u32 %l0, depot;\ncvt.u64.u32 %x3, %l0;\ncvta.local.u64 %lgen, %x3;\n"
	"setp.lt.u32 %p0, %tx, 64;\nselp.b32 %all, 0xffffffff, 0xffff, %p0;\nsetp.lt.u32 %p1, %tx, 7;\n"
	"mov.u32 %r0, %tx;\nmov.u32 %r1, %t1;\nmul.lo.u32 %r2, %t1, 0x9e3779b1;\nmov.u32 %r3, 5;\n";

static void generate(struct gen *g, uint64_t seed, enum form form)
{
	memset(g, 0, sizeof(*g));
	g->state = seed * 0x9e3779b97f4a7c15ull + 1;
	g->form = form;
	for (int k = 0; k < 4; k++)
		rnd(g, 2);
	vgpu_buf_add(&g->text, head, sizeof(head) - 1);
	body(g, 0, 12 + rnd(g, 20), true);
	say(g, "mov.u32 %%t0, 17;\n");
	for (unsigned k = 0; k < N_R; k += 2)
		say(g, "mad.lo.u32 %%t0, %%t0, 31, %%r%u;\n", k);
	say(g, "st.global.u32 [%%own], %%t0;\n");
	for (unsigned k = 0; form == ALL_LIVE && k < N_R + 32; k++)
		say(g, "st.global.u32 [%%dump+%u], %%%c%u;\n", 4 * k, k < N_R ? 'r' : 'c', k < N_R ? k : k - N_R);
	say(g, "ret;\n}\n");
	vgpu_buf_add(&g->text, "", 1);
}

static const size_t result_B = (size_t)BLOCKS * THREADS * WORDS * 4 + 16;

static bool run_once(struct kt *t, uint64_t mem, uint64_t dump, uint32_t slice, unsigned threads, uint8_t *out)
{
	uint64_t params[3] = { mem, mem + result_B - 16, dump };
	uint32_t *w = (uint32_t *)(uintptr_t)mem;

	for (size_t k = 0; k < result_B / 4; k++)
		w[k] = (uint32_t)k * 2246822519u;
	w[result_B / 4 - 4] = 0;
	t->s.slice = slice;
	t->threads = threads;
	if (KT_RUN(t, "k", KT1(BLOCKS), KT1(THREADS), params) != BE_RUN_DONE) {
		diag("%s %s", t->err.text, t->fault.text);
		return false;
	}
	memcpy(out, w, result_B);
	return true;
}

/* All forms and schedules against the first one. */
static bool check_seed(const char *be, uint64_t seed)
{
	static const struct { uint32_t slice; unsigned threads; } how[] = { { 50000, 0 }, { 1, 0 }, { 37, 3 } };
	uint8_t *want = malloc(result_B), *got = malloc(result_B);
	bool good = true;

	for (int form = 0; form < N_FORMS && good; form++) {
		uint64_t mem, dump;
		struct gen g;
		struct kt t;

		generate(&g, seed, (enum form)form);
		if (kt_open(&t, be, vgpu_buf_text(&g.text))) {
			mem = (uint64_t)(uintptr_t)kt_alloc(&t, result_B);
			dump = (uint64_t)(uintptr_t)kt_alloc(&t, result_B);
			for (size_t k = 0; k < 3 && good; k++) {
				good = run_once(&t, mem, dump, how[k].slice, how[k].threads, form || k ? got : want);
				good = good && (!(form || k) || !memcmp(want, got, result_B));
				if (!good)
					diag("seed %llu, form %d, slice %u", (unsigned long long)seed, form, how[k].slice);
			}
		} else {
			diag("seed %llu: %s\n%s", (unsigned long long)seed, t.err.text, t.log);
			good = false;
		}
		kt_close(&t);
		vgpu_buf_free(&g.text);
	}
	free(want);
	free(got);
	return good;
}

int main(int argc, char **argv)
{
	unsigned many = argc > 1 ? (unsigned)atoi(argv[1]) : 60;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	plan_lazy();
	if (argc > 1)
		tap_timeout(3600);
	for (const char *const *be = kt_backends(); *be; be++) {
		/* compiling takes most of the time */
		unsigned bad = 0, n = !strcmp(*be, "interp") || argc > 1 ? many : many / 15;

		for (unsigned k = 0; k < n; k++)
			bad += !check_seed(*be, first + k);
		ok(!bad, "%s: %u random kernels give one result in all forms and schedules", *be, n);
	}
	return 0;
}
