/* t/405: atom and red: every operation and type, results and memory, generic and shared, against other threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.6\n.target sm_90\n.address_size 64\n"

/* One kernel per operation: 32 lanes on one word; each lane's result and the final word come back. */
static char *kernel_of(const char *space, const char *op, const char *type, bool cas)
{
	bool wide = strstr(type, "64") != NULL;
	const char *r = wide ? "%rd" : "%r", *b = wide ? "b64" : "b32";
	static char s[4096];

	snprintf(s, sizeof(s), HEAD
		 ".shared .align 8 .u64 sh;\n"
		 ".visible .entry k(.param .u64 word, .param .u64 vals, .param .u64 out)\n{\n"
		 ".reg .pred %%p; .reg .b32 %%r<9>; .reg .b64 %%rd<19>;\n"
		 "ld.param.u64 %%rd10, [word]; ld.param.u64 %%rd11, [vals]; ld.param.u64 %%rd12, [out]; mov.u32 %%r0, %%tid.x;\n"
		 "mul.wide.u32 %%rd13, %%r0, 8; add.u64 %%rd11, %%rd11, %%rd13; add.u64 %%rd12, %%rd12, %%rd13;\n"
		 "ld.%s %s1, [%%rd11]; mov.u32 %%r5, sh; ld.%s %s4, [%%rd10]; st.shared.%s [%%r5], %s4; mov.u64 %%rd14, sh; cvta.shared.u64 %%rd14, %%rd14;\n"
		 "atom%s.%s.%s %s2, [%s], %s1%s%s%s;\n"
		 "st.global.%s [%%rd12], %s2; ld.shared.%s %s3, [%%r5]; setp.ne.u32 %%p, %%r0, 0; @!%%p st.global.%s [%%rd10+8], %s3; ret;\n}\n",
		 b, r, b, r, b, r, strcmp(space, ".generic") ? space : "", op, type, r,
		 !strcmp(space, ".global") ? "%rd10" : !strcmp(space, ".shared") ? "%r5" : "%rd14", r,
		 cas ? ", " : "", cas ? r : "", cas ? "1" : "", b, r, b, r, b, r);
	return s;
}

static uint64_t mask_of(const char *type)
{
	return strstr(type, "64") ? ~0ull : 0xffffffff;
}

static int64_t sext(const char *type, uint64_t v)
{
	return strstr(type, "64") ? (int64_t)v : (int32_t)v;
}

static uint64_t f_add(const char *type, uint64_t a, uint64_t b)
{
	union { uint32_t u; float f; } x = { (uint32_t)a }, y = { (uint32_t)b };
	union { uint64_t u; double f; } p = { a }, q = { b };

	if (!strcmp(type, "f64")) {
		p.f += q.f;
		return p.u;
	}
	x.f += y.f;
	return x.u;
}

static uint64_t ref(const char *op, const char *type, uint64_t old, uint64_t v)
{
	bool s = *type == 's';

	if (*type == 'f')
		return f_add(type, old, v);
	if (!strcmp(op, "add")) return (old + v) & mask_of(type);
	if (!strcmp(op, "and")) return old & v;
	if (!strcmp(op, "or")) return old | v;
	if (!strcmp(op, "xor")) return old ^ v;
	if (!strcmp(op, "exch")) return v;
	if (!strcmp(op, "inc")) return old >= v ? 0 : old + 1;
	if (!strcmp(op, "dec")) return old == 0 || old > v ? v : old - 1;
	if (!strcmp(op, "min")) return (s ? sext(type, v) < sext(type, old) : v < old) ? v : old;
	if (!strcmp(op, "max")) return (s ? sext(type, v) > sext(type, old) : v > old) ? v : old;
	return old == v ? v : old;   /* cas with v, v */
}

static uint64_t value(const char *type, int k)
{
	union { uint32_t u; float f; } x;
	union { uint64_t u; double f; } y;
	uint64_t h = (uint64_t)(k + 3) * 0x9e3779b97f4a7c15ull;

	x.f = 1.1f * (float)k - 7.3f;
	y.f = 1.1 * k - 7.3;
	if (*type == 'f')
		return strcmp(type, "f64") ? x.u : y.u;
	return (h ^ h >> 31) & mask_of(type);
}

static void test_op(const char *be, const char *op, const char *type)
{
	static const char *const spaces[] = { ".global", ".shared", ".generic" };

	for (int sp = 0; sp < 3; sp++) {
		struct kt t;
		uint64_t *m, w = value(type, 50), bad = 0;

		kt_must_open(&t, be, kernel_of(spaces[sp], op, type, !strcmp(op, "cas")));
		m = kt_alloc(&t, 4096);
		for (int k = 0; k < 32; k++)
			m[16 + k] = value(type, k);
		m[0] = w;
		struct { void *word, *vals, *out; } p = { m, m + 16, m + 64 };
		bad += KT_RUN(&t, "k", KT1(1), KT1(32), p) != BE_RUN_DONE;
		for (int k = 0; k < 32; k++) {
			bad += m[64 + k] != w;
			w = ref(op, type, w, m[16 + k]);
		}
		bad += m[sp ? 1 : 0] != w;
		is_int((long long)bad, 0, "%s: atom%s.%s.%s", be, spaces[sp], op, type);
		kt_close(&t);
	}
}

static const char more[] = HEAD
".visible .entry count(.param .u64 m)\n{\n"
".reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .f32 %f<9>; .reg .f64 %fd<3>; .reg .pred %p<3>; .reg .b16 %rs<5>;\n"
"ld.param.u64 %rd1, [m]; mov.u32 %r2, 0;\n"
"L: red.global.add.u32 [%rd1], 1; atom.global.add.f32 %f1, [%rd1+4], 0f3f800000; red.add.f64 [%rd1+8], 0d3ff0000000000000; red.global.max.u64 [%rd1+16], %rd1;\n"
"mov.b32 %r5, 0x3c003c00; mov.b32 %r6, 0x3f800000; atom.global.add.noftz.f16x2 %r3, [%rd1+24], %r5; red.global.add.noftz.bf16x2 [%rd1+28], %r6; atom.global.inc.u32 %r4, [%rd1+32], 99;\n"
"add.u32 %r2, %r2, 1; setp.lt.u32 %p1, %r2, 8; @%p1 bra L; ret;\n}\n"
".visible .entry exact(.param .u64 m)\n{\n"
".reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .f32 %f<9>; .reg .b16 %rs<5>; .reg .b128 %q<4>; .shared .f32 sh;\n"
"ld.param.u64 %rd1, [m]; mov.u32 %r1, sh; st.shared.u32 [sh], 1;\n"
"atom.shared.add.f32 %f1, [sh], 0f00000001; ld.shared.u32 %r2, [sh]; st.global.u32 [%rd1], %r2;\n"            /* subnormals live in shared */
"st.global.u32 [%rd1+4], 1; atom.global.add.f32 %f1, [%rd1+4], 0f00000001;\n"                             /* and not in global memory */
"mov.u16 %rs1, 7; mov.u16 %rs2, 9; st.global.u16 [%rd1+8], %rs1; st.global.u16 [%rd1+10], 0xffff; atom.cas.b16 %rs3, [%rd1+8], %rs1, %rs2; st.global.u16 [%rd1+12], %rs3;\n"
"mov.u64 %rd2, 1; mov.u64 %rd3, 2; mov.b128 %q1, {%rd2, %rd3}; atom.exch.b128 %q2, [%rd1+16], %q1; mov.b128 {%rd4, %rd5}, %q2; st.global.v2.u64 [%rd1+32], {%rd4, %rd5};\n"
"mov.b128 %q3, {%rd3, %rd2}; atom.cas.b128 %q2, [%rd1+16], %q1, %q3; mov.b128 {%rd4, %rd5}, %q2; st.global.v2.u64 [%rd1+48], {%rd4, %rd5};\n"
"atom.cas.b128 %q2, [%rd1+16], %q1, %q1;\n"
"mov.f32 %f5, 0f3f800000; mov.f32 %f6, 0f40000000; mov.f32 %f7, 0f40400000; mov.f32 %f8, 0f40800000; atom.global.v4.f32.add {%f1, %f2, %f3, %f4}, [%rd1+64], {%f5, %f6, %f7, %f8}; red.global.v2.f32.add [%rd1+64], {%f5, %f5};\n"
"membar.cta; membar.gl; membar.sys; fence.sc.gpu; fence.acq_rel.cta; atom.acq_rel.sys.global.or.b32 %r3, [%rd1+80], 5; atom.relaxed.cta.global.exch.b32 %r4, [%rd1+84], 6; red.release.gpu.global.and.b32 [%rd1+80], 4; ret;\n}\n"
".visible .entry amis(.param .u64 m)\n{\n.reg .b32 %r<9>; .reg .b64 %rd<9>; ld.param.u64 %rd1, [m]; atom.global.add.u32 %r1, [%rd1+2], 1; ret;\n}\n"
".visible .entry anull(.param .u64 m)\n{\n.reg .b32 %r<9>; .reg .b64 %rd<9>; mov.u64 %rd1, 0; red.add.u32 [%rd1], 1; ret;\n}\n";

static void test_more(const char *be)
{
	struct kt t;
	uint8_t *m;
	uint32_t *w;
	uint64_t *q;

	kt_must_open(&t, be, more);
	m = kt_alloc(&t, 4096);
	w = (uint32_t *)m;
	q = (uint64_t *)m;
	struct { void *m; } p = { m };
	t.threads = 3;
	t.s.slice = 3;
	is_int(KT_RUN(&t, "count", KT1(4), KT1(64), p), BE_RUN_DONE, "%s: four blocks on three threads", be);
	is_int(w[0], 2048, "%s: red.add.u32", be);
	ok(((float *)m)[1] == 2048, "%s: atom.add.f32", be);
	ok(((double *)m)[1] == 2048, "%s: red.add.f64", be);
	is_hex(q[2], (uint64_t)(uintptr_t)m, "%s: red.max.u64", be);
	is_hex(w[6], 0x68006800, "%s: atom.add.f16x2 (2048, where halves stop counting)", be);
	is_hex(w[7], 0x43800000, "%s: red.add.bf16x2 (256, likewise)", be);
	is_int(w[8], 2048 % 100, "%s: atom.inc wraps", be);
	memset(m, 0, 128);
	is_int(KT_RUN(&t, "exact", KT1(1), KT1(1), p), BE_RUN_DONE, "%s: rarer forms", be);
	is_hex(w[0], 2, "%s: shared f32 keeps subnormals", be);
	is_hex(w[1], 0, "%s: global f32 flushes them", be);
	ok(w[2] == 0xffff0009 && w[3] == 7, "%s: cas.b16 leaves its neighbour alone", be);
	ok(q[2] == 2 && q[3] == 1, "%s: exch and cas of 128 bits", be);
	ok(q[4] == 0 && q[5] == 0 && q[6] == 1 && q[7] == 2, "%s: and their results", be);
	ok(((float *)m)[16] == 2 && ((float *)m)[17] == 3 && ((float *)m)[18] == 3 && ((float *)m)[19] == 4, "%s: vectors", be);
	ok(w[20] == 4 && w[21] == 6, "%s: orders and scopes", be);
	is_int(KT_RUN(&t, "amis", KT1(1), KT1(1), p), BE_RUN_FAULT, "%s: misaligned", be);
	is_int(t.fault.status, VGPU_E_MISALIGNED, "%s: has its status", be);
	is_int(KT_RUN(&t, "anull", KT1(1), KT1(1), p), BE_RUN_FAULT, "%s: NULL", be);
	is_int(t.fault.status, VGPU_E_ILLEGAL_ADDRESS, "%s: has its status", be);
	kt_close(&t);
}

int main(void)
{
	static const char *const all[][2] = {
		{ "and", "b32" }, { "or", "b32" }, { "xor", "b32" }, { "exch", "b32" }, { "cas", "b32" }, { "inc", "u32" }, { "dec", "u32" },
		{ "add", "u32" }, { "add", "s32" }, { "min", "u32" }, { "min", "s32" }, { "max", "u32" }, { "max", "s32" },
		{ "and", "b64" }, { "or", "b64" }, { "xor", "b64" }, { "exch", "b64" }, { "cas", "b64" }, { "add", "u64" },
		{ "min", "u64" }, { "min", "s64" }, { "max", "u64" }, { "max", "s64" }, { "add", "f32" }, { "add", "f64" },
	};

	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			test_op(*be, all[k][0], all[k][1]);
		test_more(*be);
	}
	return 0;
}
