/*
 * t/489: local memory, which compiled code lays out by lanes where it knows of
 * every access. Whatever is done with it, memory and faults are those of the
 * interpreter at each width, and where an address gets out, each thread's
 * memory is in one piece.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_jit.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define BLOCKS 3
#define WORDS (256 * BLOCKS)

#define REGS ".reg .pred %p<9>; .reg .b16 %h<17>; .reg .b32 %r<33>; .reg .b64 %d<33>;\n"
/* %r0 thread, %r2 block, %r31 what is asked for, %d1 its word of the output, %r9 sum, %d10 mem */
#define START                                                                                                             \
	"mov.u32 %r0, %tid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; ld.param.u64 %d0, [out]; ld.param.u32 %r31, [n];\n"  \
	"mad.lo.u32 %r3, %r2, %r3, %r0; mul.wide.u32 %d2, %r3, 4; add.u64 %d1, %d0, %d2; mad.lo.u32 %r9, %r3, 77, 5; mov.u64 %d10, mem;\n"
/* word k of mem is made of the thread's number and k */
#define FILL                                                                                                              \
	"mov.u32 %r10, 0; mov.u64 %d11, %d10; FILL: mad.lo.u32 %r11, %r10, 0x01234567, %r9; st.local.u32 [%d11], %r11; add.u64 %d11, %d11, 4;\n" \
	"add.u32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, 64; @%p1 bra FILL;\n"
#define MIX(r) "mad.lo.u32 %r9, %r9, 31, " r ";\n"
/* all of mem goes into the sum */
#define SUM                                                                                                               \
	"mov.u32 %r10, 0; mov.u64 %d11, %d10; SUM: ld.local.u32 %r11, [%d11]; " MIX("%r11") "add.u64 %d11, %d11, 4; add.u32 %r10, %r10, 1;\n" \
	"setp.lt.u32 %p1, %r10, 64; @%p1 bra SUM;\n"
/* %d12: a place of the thread's own, a multiple of that many bytes */
#define OWN(mask) "mad.lo.u32 %r12, %r0, 20, %r10; and.b32 %r12, %r12, " mask "; cvt.u64.u32 %d12, %r12; add.u64 %d12, %d10, %d12;\n"
#define LOOP(n, body) "mov.u32 %r10, 0; LOOP: " body "add.u32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, " n "; @%p1 bra LOOP;\n"
#define ENTRY(name, body) ".visible .entry " name "(.param .u64 out, .param .u32 n)\n{\n" REGS ".local .align 16 .b8 mem[256];\n" START body "\nEND: st.global.u32 [%d1], %r9; ret;\n}\n"

static const char head[] = ".version 7.0\n.target sm_70\n.address_size 64\n.global .align 8 .b8 slots[6144];\n";

/* granule: bytes; 0: in one piece */
static const struct kernel {
	const char *name;
	unsigned granule;
	const char *funcs, *text;
} kernels[] = {
	{ "uniform", 4, "", ENTRY("uniform", FILL SUM) },
	{ "own", 4, "", ENTRY("own", FILL LOOP("9", OWN("252") "ld.local.u32 %r13, [%d12]; " MIX("%r13") "xor.b32 %r13, %r13, %r0; st.local.u32 [%d12], %r13;\n") SUM) },
	/* the same in each group of lanes: what differs within a group then differs alike in all of them */
	{ "alike", 4, "", ENTRY("alike", FILL "and.b32 %r10, %r0, 15; shl.b32 %r10, %r10, 2; mov.u32 %r11, mem; add.u32 %r11, %r11, %r10; st.local.u32 [%r11], %r0; bar.sync 0;\n"
		"add.u32 %r12, %r0, %r31; st.local.u32 [%r11], %r12; bar.sync 0; ld.local.u32 %r13, [%r11];" MIX("%r13") "bar.sync 0; ld.local.u32 %r13, [%r11];" MIX("%r13") SUM) },
	/* … and has to be checked */
	{ "alike_checked", 4, "", ENTRY("alike_checked", FILL "shr.u32 %r14, %r31, 20; and.b32 %r10, %r0, 15; add.u32 %r10, %r10, %r14; shl.b32 %r10, %r10, 2; mov.u32 %r11, mem; add.u32 %r11, %r11, %r10;\n"
		"st.local.u32 [%r11], %r0; bar.sync 0; add.u32 %r12, %r0, %r31; st.local.u32 [%r11], %r12; bar.sync 0; ld.local.u32 %r13, [%r11];" MIX("%r13") SUM) },
	{ "bytes", 4, "", ENTRY("bytes", FILL LOOP("7", OWN("255") "ld.local.u8 %h1, [%d12]; ld.local.s8 %h2, [%d10+37]; cvt.u32.u16 %r13, %h1; cvt.s32.s16 %r14, %h2;\n"
		MIX("%r13") MIX("%r14") "cvt.u16.u32 %h3, %r9; st.local.u8 [%d12], %h3; st.local.u8 [%d10+91], %h3; st.local.u8 [%d10+2], %h1;\n") SUM) },
	{ "halves", 4, "", ENTRY("halves", FILL LOOP("7", OWN("254") "ld.local.u16 %h1, [%d12]; ld.local.s16 %h2, [%d10+38]; cvt.u32.u16 %r13, %h1; cvt.s32.s16 %r14, %h2;\n"
		MIX("%r13") MIX("%r14") "cvt.u16.u32 %h3, %r9; st.local.u16 [%d12], %h3; st.local.u16 [%d10+94], %h3;\n") SUM) },
	{ "small_vectors", 4, "", ENTRY("small_vectors", FILL LOOP("5", OWN("252") "ld.local.v4.u8 {%h1, %h2, %h3, %h4}, [%d12]; ld.local.v2.u8 {%h5, %h6}, [%d12+-2]; ld.local.v2.s8 {%h7, %h8}, [%d10+30];\n"
		"ld.local.v2.u16 {%h9, %h10}, [%d12]; ld.local.v4.u16 {%h11, %h12, %h13, %h14}, [%d10+48]; mov.b32 %r13, {%h1, %h2};" MIX("%r13") "mov.b32 %r13, {%h3, %h4};" MIX("%r13")
		"mov.b32 %r13, {%h5, %h6};" MIX("%r13") "mov.b32 %r13, {%h7, %h8};" MIX("%r13") "mov.b32 %r13, {%h9, %h10};" MIX("%r13") "mov.b32 %r13, {%h11, %h14};" MIX("%r13")
		"mov.b32 {%h1, %h2}, %r9; st.local.v2.u8 [%d12], {%h2, %h1}; st.local.v4.u8 [%d10+100], {%h1, %h3, %h2, %h9}; st.local.v2.u16 [%d10+200], {%h1, %h2};\n"
		"st.local.v2.u16 [%d12], {%h14, %h2}; st.local.v4.u16 [%d10+64], {%h1, %h2, %h5, %h7};\n") SUM), },
	{ "wide", 4, "", ENTRY("wide", FILL LOOP("5", OWN("240") "ld.local.u32 %r13, [%d12]; ld.local.u32 %r14, [%d12+4]; ld.local.u32 %r15, [%d12+12]; ld.local.u32 %r16, [%d10+28];" MIX("%r13") MIX("%r14") MIX("%r15") MIX("%r16")
		"st.local.u32 [%d12], %r14; st.local.u32 [%d12+12], %r9; st.local.u32 [%d10+44], %r15; st.local.u32 [%d10+48], %r9; st.local.u32 [%d10+60], %r14; st.local.u32 [%d12+4], %r15;"
		"ld.local.u64 %d13, [%d12+8]; ld.local.v2.u64 {%d14, %d15}, [%d10+32]; ld.local.v4.u32 {%r13, %r14, %r15, %r16}, [%d12];\n"
		"mov.b64 {%r17, %r18}, %d13;" MIX("%r17") MIX("%r18") "add.u64 %d14, %d14, %d15; mov.b64 {%r17, %r18}, %d14;" MIX("%r17") MIX("%r18") MIX("%r13") MIX("%r14") MIX("%r15") MIX("%r16")
		"mov.b64 %d16, {%r9, %r18}; st.local.u64 [%d10+240], %d16; st.local.v2.u64 [%d12], {%d16, %d13}; st.local.v4.u32 [%d10+112], {%r9, %r13, %r17, %r0}; st.local.v2.u32 [%d12+8], {%r14, %r0};\n") SUM) },
	{ "eights", 8, "", ENTRY("eights", LOOP("32", "mad.lo.u32 %r11, %r10, 0x01234567, %r9; mov.b64 %d13, {%r11, %r10}; mul.wide.u32 %d14, %r10, 8; add.u64 %d14, %d10, %d14; st.local.u64 [%d14], %d13;\n")
		"mov.u32 %r20, 0; MORE: shl.b32 %r10, %r20, 4;\n" OWN("240") "ld.local.u64 %d13, [%d12]; ld.local.v2.u64 {%d14, %d15}, [%d10+64]; add.u64 %d13, %d13, %d15; add.u64 %d13, %d13, %d14; st.local.v2.u64 [%d12], {%d13, %d14};\n"
		"ld.local.v4.u32 {%r13, %r14, %r15, %r16}, [%d12];" MIX("%r13") MIX("%r14") MIX("%r15") MIX("%r16") "st.local.v2.u32 [%d10+72], {%r9, %r14};\n"
		"add.u32 %r20, %r20, 1; setp.lt.u32 %p1, %r20, 11; @%p1 bra MORE; ld.local.u8 %h1, [%d12+3]; ld.local.u8 %h2, [%d12+5]; mov.b32 %r13, {%h1, %h2};" MIX("%r13")
		"st.local.u8 [%d12+6], %h1; st.local.u8 [%d10+13], %h2; st.local.u16 [%d12+2], %h2; st.local.u32 [%d12+4], %r9; st.local.u32 [%d10+20], %r9; st.local.v2.u16 [%d12+12], {%h1, %h2};\n"
		"ld.local.u32 %r13, [%d12+12]; ld.local.u32 %r14, [%d10+20]; ld.local.v2.u8 {%h1, %h2}, [%d12+14]; mov.b32 %r15, {%h1, %h2};" MIX("%r13") MIX("%r14") MIX("%r15")
		"mov.u32 %r10, 0; EIGHT: mul.wide.u32 %d14, %r10, 8; add.u64 %d14, %d10, %d14; ld.local.u64 %d13, [%d14]; mov.b64 {%r17, %r18}, %d13;" MIX("%r17") MIX("%r18")
		"add.u32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, 32; @%p1 bra EIGHT;") },
	/* as many rounds as the thread's number says: the lanes that are left have the same offset */
	{ "rounds", 4, "", ENTRY("rounds", FILL "and.b32 %r20, %r0, 15; mad.lo.u32 %r20, %r20, 4, 3; mov.u32 %r10, 0; mov.u64 %d11, %d10;\n"
		"ROUND: ld.local.u32 %r11, [%d11]; mad.lo.u32 %r11, %r11, 3, %r20; st.local.u32 [%d11], %r11; and.b32 %r12, %r11, 1; setp.eq.u32 %p2, %r12, 0; @%p2 bra EVEN;\n"
		"st.local.u8 [%d11], %r10; ld.local.u16 %h1, [%d11+2]; cvt.u32.u16 %r13, %h1;" MIX("%r13") "EVEN: add.u64 %d11, %d11, 4; add.u32 %r10, %r10, 1; setp.lt.u32 %p1, %r10, %r20; @%p1 bra ROUND;\n" SUM) },
	/* nested, each thread its own depth, as a search with a stack has it */
	{ "stack", 4, "", ENTRY("stack", "mov.u32 %r10, 0; mul.lo.u32 %r20, %r0, 2654435761; shr.u32 %r20, %r20, 7; mov.u32 %r21, 0;\n"
		"TOP: mul.wide.u32 %d12, %r10, 4; add.u64 %d12, %d10, %d12; and.b32 %r12, %r20, 3; setp.eq.u32 %p2, %r12, 0; @%p2 bra POP; setp.ge.u32 %p3, %r10, 60; @%p3 bra POP;\n"
		"st.local.u32 [%d12], %r20; add.u32 %r10, %r10, 1; bra ON; POP: setp.eq.u32 %p4, %r10, 0; @%p4 bra ON; sub.u32 %r10, %r10, 1; ld.local.u32 %r13, [%d12+-4];" MIX("%r13")
		"ON: mad.lo.u32 %r20, %r20, 1664525, 1013904223; shr.u32 %r22, %r20, 9; xor.b32 %r20, %r20, %r22; add.u32 %r21, %r21, 1; setp.lt.u32 %p1, %r21, 90; @%p1 bra TOP;\n") },
	{ "guards", 4, "", ENTRY("guards", FILL LOOP("6", OWN("252") "ld.local.u32 %r13, [%d12]; and.b32 %r14, %r13, 1; setp.eq.u32 %p2, %r14, 0; @%p2 st.local.u32 [%d12], %r0; @!%p2 st.local.u32 [%d10+8], %r13;\n"
		"@%p2 st.local.u8 [%d10+13], %r10; @!%p2 ld.local.u16 %h1, [%d10+16]; @%p2 mov.u16 %h1, 7; cvt.u32.u16 %r15, %h1;" MIX("%r15")) SUM) },
	/* across barriers, with threads that have ended */
	{ "barriers", 4, "", ENTRY("barriers", FILL "mov.u32 %r20, 0; L: bar.sync 0;\n" OWN("252") "st.local.u32 [%d12], %r20; st.local.u32 [%d10+40], %r0; bar.sync 0; ld.local.u32 %r13, [%d12];" MIX("%r13")
		"ld.local.u32 %r13, [%d10+40];" MIX("%r13") "add.u32 %r20, %r20, 1; setp.lt.u32 %p1, %r20, 4; @%p1 bra L; setp.eq.u32 %p2, %r0, 7; @%p2 bra END;\n" SUM) },
	/* addresses that are 32 bits wide, names, a variable beside another */
	{ "narrow", 4, "", ENTRY("narrow", ".local .align 8 .b8 other[64];\n" FILL "mov.u32 %r14, mem; mov.u32 %r15, other; st.local.u32 [other+60], %r9; st.local.v2.u32 [other+8], {%r0, %r2};\n"
		LOOP("6", "and.b32 %r12, %r0, 60; add.u32 %r13, %r14, %r12; ld.local.u32 %r16, [%r13+8];" MIX("%r16") "add.u32 %r13, %r15, %r12; st.local.u32 [%r13], %r9; ld.local.u32 %r16, [mem+12];" MIX("%r16")
		"ld.local.u32 %r16, [%r15+60]; st.local.u32 [mem+4], %r16;") SUM) },

	/* ---- generic addresses that stay where they are known ---- */
	{ "generic", 4, "", ENTRY("generic", FILL "cvta.local.u64 %d20, %d10; add.u64 %d21, %d20, 128; setp.lt.u32 %p2, %r0, 9; selp.b64 %d22, %d20, %d21, %p2;\n"
		LOOP("5", "and.b32 %r12, %r10, 7; mul.wide.u32 %d23, %r12, 4; add.s64 %d24, %d22, %d23; ld.u32 %r13, [%d24+4];" MIX("%r13") "mad.wide.u32 %d25, %r12, 8, %d21; st.u64 [%d25], %d23; sub.s64 %d24, %d24, 4;\n"
		"st.u8 [%d25+3], %r9; mov.b64 %d26, %d20; setp.eq.u32 %p3, %r10, 2; @%p3 mov.b64 %d26, %d24; st.u32 [%d26+8], %r9; cvta.to.local.u64 %d27, %d26; ld.local.u32 %r13, [%d27+8];" MIX("%r13")) SUM) },
	/* fields of a structure of the thread's own: what lies side by side there doesn't lie so in the host's memory */
	{ "fields", 4, "", ENTRY("fields", FILL "cvta.local.u64 %d20, %d10;\n" LOOP("5", "mad.lo.u32 %r12, %r0, 16, %r9; and.b32 %r12, %r12, 240; cvt.u64.u32 %d12, %r12; add.u64 %d24, %d20, %d12;\n"
		"ld.u32 %r13, [%d24]; ld.u32 %r14, [%d24+4]; ld.u32 %r15, [%d24+8]; ld.u32 %r16, [%d24+12];" MIX("%r13") MIX("%r14") MIX("%r15") MIX("%r16")
		"st.u32 [%d24], %r16; st.u32 [%d24+4], %r15; st.u32 [%d24+8], %r9; st.u32 [%d24+12], %r0; ld.u8 %h1, [%d24]; ld.u8 %h2, [%d24+1]; ld.u8 %h3, [%d24+2]; ld.u8 %h4, [%d24+3];\n"
		"mov.b32 %r13, {%h1, %h2};" MIX("%r13") "mov.b32 %r13, {%h3, %h4};" MIX("%r13")) SUM) },
	{ "calls", 4,
		".func fill(.param .b64 p, .param .b32 k)\n{\n.reg .b64 %d<5>; .reg .b32 %r<5>; .reg .pred %p;\nld.param.u64 %d1, [p]; ld.param.u32 %r1, [k]; mov.u32 %r2, 0;\n"
		"L: mad.lo.u32 %r3, %r2, 77, %r1; st.u32 [%d1], %r3; add.u64 %d1, %d1, 4; add.u32 %r2, %r2, 1; setp.lt.u32 %p, %r2, 32; @%p bra L; ret;\n}\n"
		".func (.param .b64 r) half(.param .b64 p)\n{\n.reg .b64 %d<5>; .local .align 4 .b8 mine[32]; .reg .b32 %r<5>;\nld.param.u64 %d1, [p]; ld.u32 %r1, [%d1]; st.local.u32 [mine+4], %r1; mov.u64 %d3, mine; ld.local.u32 %r2, [%d3+4];\n"
		"st.u32 [%d1+128], %r2; add.u64 %d2, %d1, 128; st.param.b64 [r], %d2; ret;\n}\n",
		ENTRY("calls", FILL "cvta.local.u64 %d20, %d10;\n{ .param .b64 a; .param .b32 b; st.param.b64 [a], %d20; st.param.b32 [b], %r9; call.uni fill, (a, b); }\n"
		"{ .param .b64 a; .param .b64 b; st.param.b64 [a], %d20; call.uni (b), half, (a); ld.param.b64 %d21, [b]; }\nld.u32 %r13, [%d21];" MIX("%r13")
		"{ .param .b64 a; .param .b32 b; st.param.b64 [a], %d21; st.param.b32 [b], %r0; call.uni fill, (a, b); }\n" SUM) },
	/* a structure by value, whose elements are asked for by number */
	{ "by_value", 4, ".func (.param .b32 r) pick(.param .align 8 .b8 s[32], .param .b32 k)\n{\n.reg .b64 %d<5>; .reg .b32 %r<5>;\nld.param.u32 %r1, [k]; and.b32 %r1, %r1, 7; mul.wide.u32 %d1, %r1, 4; mov.u64 %d2, s;\n"
		"add.u64 %d2, %d2, %d1; ld.param.u32 %r2, [%d2]; st.param.b32 [r], %r2; ret;\n}\n",
		ENTRY("by_value", FILL "{ .param .align 8 .b8 a[32]; .param .b32 b; .param .b32 c; ld.local.v4.u32 {%r13, %r14, %r15, %r16}, [%d10]; st.param.v4.b32 [a], {%r13, %r14, %r15, %r16};\n"
		"st.param.v4.b32 [a+16], {%r14, %r0, %r16, %r13}; st.param.b32 [b], %r0; call.uni (c), pick, (a, b); ld.param.b32 %r13, [c]; }\n" MIX("%r13") SUM) },

	/* ---- those that get out ---- */
	{ "stored", 0, "", ENTRY("stored", FILL "cvta.local.u64 %d20, %d10; mov.u64 %d21, slots; mad.wide.u32 %d21, %r3, 8, %d21; st.global.u64 [%d21], %d20; ld.global.u64 %d22, [%d21]; ld.u32 %r13, [%d22+8];" MIX("%r13")
		"st.u32 [%d22+12], %r9; mov.u64 %d23, 0; st.global.u64 [%d21], %d23;\n" SUM) },
	{ "compared", 0, "", ENTRY("compared", FILL "cvta.local.u64 %d20, %d10; add.u64 %d21, %d20, 64; L: ld.u32 %r13, [%d20];" MIX("%r13") "add.u64 %d20, %d20, 4; setp.lt.u64 %p1, %d20, %d21; @%p1 bra L;\n" SUM) },
	{ "masked_off", 0, "", ENTRY("masked_off", FILL "cvta.local.u64 %d20, %d10; add.u64 %d20, %d20, 18; and.b64 %d20, %d20, -16; ld.u32 %r13, [%d20];" MIX("%r13") SUM) },
	{ "elsewhere", 0, "", ENTRY("elsewhere", FILL "cvta.local.u64 %d20, %d10; setp.lt.u32 %p2, %r0, 9; selp.b64 %d22, %d20, %d1, %p2; st.u32 [%d22], %r9; ld.u32 %r13, [%d22];" MIX("%r13") SUM) },
	{ "maybe", 0, "", ENTRY("maybe", FILL "mov.u64 %d20, %d1; setp.lt.u32 %p2, %r0, 9; @%p2 cvta.local.u64 %d20, %d10; st.u32 [%d20], %r9;\n" SUM) },
	{ "exchanged", 0, "", ENTRY("exchanged", FILL "cvta.local.u64 %d20, %d10; shfl.sync.idx.b32 %r13, %r9, 0, 31, -1; mov.b64 {%r14, %r15}, %d20; mov.b64 %d21, {%r14, %r15}; ld.u32 %r13, [%d21+4];" MIX("%r13") SUM) },
	{ "unknown", 0, "", ENTRY("unknown", FILL "cvta.local.u64 %d20, %d10; xor.b64 %d21, %d20, -1; xor.b64 %d21, %d21, -1; cvta.to.local.u64 %d22, %d21; ld.local.u32 %r13, [%d22+20];" MIX("%r13") SUM) },
	{ "asked", 0, "", ENTRY("asked", FILL "cvta.local.u64 %d20, %d10; isspacep.local %p2, %d20; selp.b32 %r13, 3, 4, %p2;" MIX("%r13") SUM) },
	{ "printed", 0, ".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);\n.global .align 1 .b8 fmt[6] = {37, 117, 32, 37, 117, 0};\n",
		ENTRY("printed", FILL "cvta.local.u64 %d20, %d10; mov.u64 %d21, fmt; cvta.global.u64 %d21, %d21;\n{ .param .b64 a; .param .b64 b; .param .b32 c; st.param.b64 [a], %d21; st.param.b64 [b], %d20; call.uni (c), vprintf, (a, b); ld.param.b32 %r13, [c]; }\n"
		MIX("%r13") SUM) },
};

/* Thread n of each block does what isn't allowed. */
static const struct kernel faults[] = {
	{ "over", 4, "", ENTRY("over", FILL "mov.u64 %d11, %d10; setp.eq.u32 %p1, %r0, %r31; selp.b64 %d12, 1048576, 64, %p1;\nadd.u64 %d12, %d10, %d12; ld.local.u32 %r9, [%d12];") },
	{ "all_over", 4, "", ENTRY("all_over", FILL "mul.wide.u32 %d12, %r31, 1048576; add.u64 %d12, %d10, %d12;\nst.local.u32 [%d12], %r9;") },
	{ "before", 4, "", ENTRY("before", FILL "setp.eq.u32 %p1, %r0, %r31; selp.b64 %d12, -4, 64, %p1; add.u64 %d12, %d10, %d12;\nst.local.u32 [%d12], %r9; ld.local.u32 %r9, [%d10];") },
	{ "odd", 4, "", ENTRY("odd", FILL "setp.eq.u32 %p1, %r0, %r31; selp.b64 %d12, 66, 64, %p1; add.u64 %d12, %d10, %d12;\nld.local.u32 %r9, [%d12];") },
	{ "all_odd", 4, "", ENTRY("all_odd", FILL "cvt.u64.u32 %d12, %r31; and.b64 %d12, %d12, 7; add.u64 %d12, %d10, %d12;\nld.local.v2.u32 {%r9, %r10}, [%d12];") },
	{ "part_of_round", 4, "", ENTRY("part_of_round", FILL "mov.u32 %r20, 0; L: setp.eq.u32 %p1, %r20, 3; setp.eq.and.u32 %p1, %r0, %r31, %p1; selp.b32 %r12, 1073741824, %r20, %p1; mul.wide.u32 %d12, %r12, 4; add.u64 %d12, %d10, %d12;\n"
		"ld.local.u32 %r9, [%d12]; add.u32 %r20, %r20, 1; and.b32 %r21, %r0, 7; setp.le.u32 %p2, %r20, %r21; @%p2 bra L;") },
	/* behind a store that the lane has no part in, by the same register */
	{ "behind_guard", 4, "", ENTRY("behind_guard", FILL "setp.eq.u32 %p1, %r0, %r31; selp.b64 %d12, 1048576, 64, %p1; add.u64 %d12, %d10, %d12; ld.local.u32 %r13, [%d10]; mul.lo.u32 %r13, %r13, 0;\n"
		"add.u32 %r13, %r13, %r0; setp.ne.u32 %p2, %r13, %r31; @%p2 st.local.u32 [%d12], %r9;\nld.local.u32 %r9, [%d12+4];") },
	/* what was never written is no address, but zero */
	{ "generic_unwritten", 0, "", ENTRY("generic_unwritten", FILL "setp.ne.u32 %p1, %r0, %r31; @%p1 cvta.local.u64 %d20, %d10;\nld.u32 %r9, [%d20];") },
	{ "generic_over", 4, "", ENTRY("generic_over", FILL "cvta.local.u64 %d20, %d10; setp.eq.u32 %p1, %r0, %r31; selp.b64 %d12, 16777216, 64, %p1; add.u64 %d20, %d20, %d12;\nld.u32 %r9, [%d20];") },
};

static unsigned granule = 99;

static int generator(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err)
{
	int e = gen_kernel(r, out, err);

	if (!e)
		granule = out->meta.granule;
	return e;
}

struct params { void *out; uint32_t n; };

struct result {
	int how;
	struct be_fault fault;
	uint32_t out[WORDS];
	size_t printed;
};

static void run(const char *backend, const struct kernel *k, uint32_t threads, uint32_t n, struct result *r)
{
	struct vgpu_buf text = { 0 };
	struct kt t;

	vgpu_buf_add(&text, head, sizeof(head) - 1);
	vgpu_buf_add(&text, k->funcs, strlen(k->funcs));
	vgpu_buf_add(&text, k->text, strlen(k->text) + 1);
	kt_must_open(&t, backend, vgpu_buf_text(&text));
	vgpu_buf_free(&text);
	struct params p = { kt_alloc(&t, sizeof(r->out)), n };

	t.ahead = BLOCKS;
	memset(r, 0, sizeof(*r));
	r->how = KT_RUN(&t, k->name, KT1(BLOCKS), KT1(threads), p);
	if (r->how < 0)
		diag("%s: %s", k->name, t.err.text);
	r->fault = t.fault;
	r->printed = t.printed.len;
	memcpy(r->out, p.out, sizeof(r->out));
	kt_close(&t);
}

static const char *const forms[] = { "tier0", "tier1", "masked", "tier1,whole,warps=2", "diverge,yield", "tier1,warps=4", "masked,tier1,warps=2", "yield", "tier1,masked" };
static const char *const cpus[] = { "avx512", "avx2", "sse4.2" };

static bool is_as_wanted(const struct result *want, const struct result *got, bool generic)
{
	if (want->how != got->how || want->fault.status != got->fault.status || want->printed != got->printed)
		return false;
	if (want->how == BE_RUN_DONE)
		return !memcmp(want->out, got->out, sizeof(want->out));
	/* a generic address is another one in each run */
	return !memcmp(want->fault.block, got->fault.block, sizeof(want->fault.block)) && want->fault.ptx_line == got->fault.ptx_line &&
	       !memcmp(want->fault.thread, got->fault.thread, sizeof(want->fault.thread)) && (generic || !strcmp(want->fault.text, got->fault.text));
}

static void compare(const struct kernel *k, bool faults_too)
{
	static const uint32_t shapes[] = { 128, 80, 256, 45 };
	static struct result want, got;
	static unsigned turn;
	bool good = true, layout = true;

	for (unsigned c = 0; c < ARRAY_SIZE(cpus); c++)
		for (unsigned f = 0; f < 3; f++, turn++) {
			uint32_t threads = shapes[turn % ARRAY_SIZE(shapes)], n = faults_too ? turn * 7 % 45 : turn;
			const char *form = forms[(c + f * 3) % ARRAY_SIZE(forms)];

			setenv("VGPU_CPU", cpus[c], 1);
			setenv("VGPU_SIMD", form, 1);
			run("interp", k, threads, n, &want);
			granule = 99;
			run("simd", k, threads, n, &got);
			if (granule != k->granule)
				diag("%s, %s/%s: granule %u", k->name, form, cpus[c], granule);
			layout &= granule == k->granule;
			if (is_as_wanted(&want, &got, strstr(k->name, "generic")))
				continue;
			good = false;
			diag("%s, %s/%s, %u threads, %u: interp %d, simd %d", k->name, form, cpus[c], threads, n, want.how, got.how);
			diag("  '%s' in thread %u, '%s' in thread %u", want.fault.text, want.fault.thread[0], got.fault.text, got.fault.thread[0]);
			for (unsigned w = 0; w < WORDS; w++)
				if (want.out[w] != got.out[w]) {
					diag("  word %u: 0x%08x, 0x%08x", w, want.out[w], got.out[w]);
					break;
				}
		}
	ok(good, "%s: interp and simd agree", k->name);
	ok(layout, "%s: %s", k->name, k->granule ? "by lanes" : "each thread's in one piece");
	unsetenv("VGPU_CPU");
	unsetenv("VGPU_SIMD");
}

int main(int argc, char **argv)
{
	const char *const *be = kt_backends();

	if (!be[1])
		skip_all("built without LLVM");
	plan_lazy();
	tap_timeout(600);
	setenv("VGPU_GEN_VERIFY", "1", 1);
	sd_jit_set_local(generator);
	for (unsigned k = 0; k < ARRAY_SIZE(kernels); k++)
		if (argc < 2 || !strcmp(argv[1], kernels[k].name))
			compare(&kernels[k], false);
	for (unsigned k = 0; k < ARRAY_SIZE(faults); k++)
		if (argc < 2 || !strcmp(argv[1], faults[k].name))
			compare(&faults[k], true);
	return 0;
}
