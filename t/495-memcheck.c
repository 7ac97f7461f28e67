/*
 * t/495: the memory checker, on kernels that do what is wrong in each way, and
 * next to it what is right: what is reported, where, and that nothing else is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/check/check.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.3\n.target sm_90\n.address_size 64\n.file 1 \"oob.cu\"\n"
#define REGS ".reg .pred %p<9>; .reg .b16 %rs<9>; .reg .b32 %r<33>; .reg .b64 %rd<33>; .reg .b64 %state;\n"
#define TID "mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [p]; mul.wide.u32 %rd2, %r0, 4; add.u64 %rd1, %rd0, %rd2;\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 p, .param .u64 q)\n{\n" REGS TID body "ret;\n}\n"
#define SHARED ".shared .align 4 .b8 sh[1024]; mov.u32 %r1, sh; shl.b32 %r2, %r0, 2; add.u32 %r3, %r1, %r2;\n"
/* the address of the element across the block of 64 */
#define OTHER "xor.b32 %r4, %r0, 32; shl.b32 %r4, %r4, 2; add.u32 %r4, %r1, %r4;\n"

static const char text[] = HEAD
".visible .global .align 4 .b8 var[20];\n"
".extern .shared .align 16 .b8 dyn[];\n"
KERNEL("store", ".loc 1 7 3\nst.global.u32 [%rd1], %r0;\n")
KERNEL("load", "ld.global.u32 %r1, [%rd1]; st.global.u32 [%rd0], %r1;\n")
KERNEL("load_v4", "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd0+16];\n")
KERNEL("load_v4_part", "ld.global.v4.u32 {%r1, %r2, _, _}, [%rd0];\n")
KERNEL("generic", "st.u8 [%rd0+100], %r0;\n")
KERNEL("before", "ld.global.u32 %r1, [%rd0+-4];\n")
KERNEL("odd", "ld.global.u32 %r1, [%rd0+2];\n")
KERNEL("var_over", "mov.u64 %rd3, var; ld.global.u8 %rs1, [%rd3+20];\n")
KERNEL("var_in", "mov.u64 %rd3, var; ld.global.u8 %rs1, [%rd3+19];\n")
KERNEL("bump", "atom.global.add.u32 %r1, [%rd0], 1;\n")
KERNEL("far", "ld.global.u32 %r1, [%rd0+8388608];\n")
KERNEL("chunk", "ld.global.u8 %rs1, [%rd0+3];\n")
".func (.param .b32 r) inner(.param .b64 p)\n{\n.reg .b32 %r<3>; .reg .b64 %rd<3>;\nld.param.u64 %rd1, [p];\nld.global.u32 %r1, [%rd1];\nst.param.b32 [r], %r1;\nret;\n}\n"
KERNEL("outer", "{ .param .b64 a; .param .b32 b; add.u64 %rd3, %rd0, 400; st.param.b64 [a], %rd3; call.uni (b), inner, (a); ld.param.b32 %r1, [b]; }\n")

KERNEL("shared_over", ".shared .align 4 .b8 s[100]; mov.u32 %r1, s; shl.b32 %r2, %r0, 2; add.u32 %r1, %r1, %r2; st.shared.u32 [%r1], %r0;\n")
KERNEL("shared_low", "mov.u32 %r1, 8; ld.shared.u32 %r2, [%r1];\n")
KERNEL("dynamic", "mov.u32 %r1, dyn; shl.b32 %r2, %r0, 2; add.u32 %r1, %r1, %r2; st.shared.u32 [%r1], %r0; ld.shared.u32 %r3, [%r1];\n")
KERNEL("local_over", ".local .align 4 .b8 lo[20]; mov.u64 %rd3, lo; add.u64 %rd3, %rd3, %rd2; st.local.u32 [%rd3], %r0; ld.local.u32 %r1, [%rd3];\n")
KERNEL("local_unset", ".local .align 4 .b8 lo[20]; mov.u64 %rd3, lo; st.local.u32 [%rd3], %r0; ld.local.u32 %r1, [%rd3];\nld.local.u32 %r2, [%rd3+4];\nadd.u32 %r2, %r2, 1; st.local.u32 [%rd3+8], %r2;\n")
KERNEL("local_maybe", ".local .align 4 .b8 lo[20]; mov.u64 %rd3, lo; setp.eq.u32 %p1, %r0, 1; @%p1 st.local.u32 [%rd3], %r0; ld.local.u32 %r1, [%rd3]; selp.b32 %r2, %r1, 7, %p1; st.global.u32 [%rd1], %r2;\n"
	"ld.local.v2.u32 {%r3, %r4}, [%rd3+8]; st.local.v2.u32 [%rd3], {%r3, %r4}; ld.local.u32 %r5, [%rd3]; add.u32 %r5, %r5, 1; @%p1 st.global.u32 [%rd1], %r0; setp.eq.and.u32 %p2, %r5, 1, %p1; @%p2 st.global.u32 [%rd1], 5;\n")
KERNEL("local_branch", ".local .align 4 .b8 lo[20]; mov.u64 %rd3, lo;\nld.local.v2.u32 {%r1, %r2}, [%rd3]; setp.eq.u32 %p1, %r2, 5; @%p1 bra E; st.global.u32 [%rd1], 1; E:\n")
KERNEL("shared_unset", SHARED "setp.eq.u32 %p1, %r0, 3; @!%p1 st.shared.u32 [%r3], %r0; bar.sync 0;\nld.shared.u32 %r5, [%r3]; mad.lo.u32 %r5, %r5, 3, %r0; st.global.u32 [%rd1], %r5;\n")

/* ---- races: unordered, and each way of ordering ---- */
KERNEL("raw", SHARED OTHER "st.shared.u32 [%r3], 0; bar.sync 0;\nst.shared.u32 [%r3], %r0;\nld.shared.u32 %r5, [%r4];\n")
KERNEL("raw_ok", SHARED OTHER "st.shared.u32 [%r3], %r0; bar.sync 0; ld.shared.u32 %r5, [%r4];\n")
KERNEL("war", SHARED OTHER "st.shared.u32 [%r3], 0; bar.sync 0;\nld.shared.u32 %r5, [%r4];\nst.shared.u32 [%r3], 7;\n")
KERNEL("war_ok", SHARED OTHER "st.shared.u32 [%r3], 0; bar.sync 0; ld.shared.u32 %r5, [%r4]; bar.sync 0; st.shared.u32 [%r3], 7;\n")
KERNEL("waw", SHARED "\nst.shared.u32 [%r1], %r0;\n")
KERNEL("waw_warps", SHARED "setp.eq.u32 %p1, %r0, 31; setp.eq.or.u32 %p1, %r0, 32, %p1;\n@%p1 st.shared.u32 [%r1], %r0;\n")
KERNEL("waw_same", SHARED "st.shared.u32 [%r1], 5; bar.sync 0; ld.shared.u32 %r5, [%r1];\n")
KERNEL("bytes", SHARED "add.u32 %r3, %r1, %r0; st.shared.u8 [%r3], %r0; bar.sync 0; xor.b32 %r4, %r0, 63; add.u32 %r4, %r1, %r4; ld.shared.u8 %rs1, [%r4];\n")
KERNEL("atomics", SHARED "setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [%r1], 0; bar.sync 0; atom.shared.add.u32 %r5, [%r1], 1; bar.sync 0; ld.shared.u32 %r5, [%r1]; st.global.u32 [%rd1], %r5;\n")
KERNEL("atomic_read", SHARED "setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [%r1], 0; bar.sync 0;\nred.shared.add.u32 [%r1], 1;\nld.shared.u32 %r5, [%r1];\n")
/* what volatile code of one warp did before there was bar.warp.sync */
KERNEL("lockstep", SHARED "st.volatile.shared.u32 [%r3], %r0; setp.lt.u32 %p1, %r0, 16; @!%p1 bra E; ld.volatile.shared.u32 %r5, [%r3+64]; ld.volatile.shared.u32 %r6, [%r3]; add.u32 %r5, %r5, %r6;\n"
	"st.volatile.shared.u32 [%r3], %r5; ld.volatile.shared.u32 %r5, [%r3+32]; E:\n")
KERNEL("weak_lockstep", SHARED "st.shared.u32 [%r3], %r0; xor.b32 %r4, %r0, 1; shl.b32 %r4, %r4, 2; add.u32 %r4, %r1, %r4; ld.shared.u32 %r5, [%r4];\n")
KERNEL("sides", SHARED "setp.lt.u32 %p1, %r0, 16; @%p1 bra A;\nst.shared.u32 [%r3+-64], 9; bra E;\nA: st.shared.u32 [%r3], 4;\nE: ld.shared.u32 %r5, [%r3];\n")
KERNEL("sides_ok", SHARED "setp.lt.u32 %p1, %r0, 16; @%p1 bra A; st.shared.u32 [%r3+-64], 9; bar.warp.sync 0xffffffff; bra E;\nA: bar.warp.sync 0xffffffff; st.shared.u32 [%r3], 4; E:\n")
KERNEL("sides_bar", SHARED "setp.lt.u32 %p1, %r0, 16; @%p1 bra A; st.shared.u32 [%r3+-64], 9; bar.sync 0; bra E;\nA: bar.sync 0; st.shared.u32 [%r3], 4; E:\n")
KERNEL("sides_met", SHARED "setp.lt.u32 %p1, %r0, 16; @%p1 bra A; st.shared.u32 [%r3+-64], 9;\nA: add.u32 %r5, %r0, 1; @!%p1 bra E; st.shared.u32 [%r3], 4; E:\n")
/* producers and consumers: 32 threads arrive, 32 wait, and back */
KERNEL("named", SHARED OTHER "setp.lt.u32 %p1, %r0, 32; @%p1 bra P; bar.sync 1, 64; ld.shared.u32 %r5, [%r4]; bar.arrive 2, 64; bra E;\n"
	"P: st.shared.u32 [%r3], 1; bar.arrive 1, 64; bar.sync 2, 64; st.shared.u32 [%r3], 2; E:\n")
KERNEL("named_wrong", SHARED OTHER "setp.lt.u32 %p1, %r0, 32; @%p1 bra P; bar.sync 1, 64;\nld.shared.u32 %r5, [%r4]; bra E;\n"
	"P: st.shared.u32 [%r3], 1; bar.arrive 1, 64;\nst.shared.u32 [%r3], 2; E:\n")
KERNEL("gone", SHARED OTHER "setp.ge.u32 %p1, %r0, 32; @%p1 bra W; st.shared.u32 [%r3], 1; exit; W: bar.sync 0; ld.shared.u32 %r5, [%r4];\n")
KERNEL("flag", SHARED "setp.ge.u32 %p1, %r0, 32; @%p1 bra W; setp.eq.u32 %p2, %r0, 0; st.shared.u32 [%r3+64], 3; membar.cta; @%p2 st.volatile.shared.u32 [%r1], 1; bra E;\n"
	"W: ld.volatile.shared.u32 %r5, [%r1]; setp.ne.u32 %p3, %r5, 1; @%p3 bra W; ld.shared.u32 %r6, [%r1+64]; E:\n")
KERNEL("lock", SHARED "setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.v2.u32 [%r1], {0, 0}; bar.sync 0;\n"
	"L: atom.shared.cas.b32 %r5, [%r1], 0, 1; setp.ne.u32 %p2, %r5, 0; @%p2 bra L; ld.shared.u32 %r6, [%r1+4]; add.u32 %r6, %r6, 1; st.shared.u32 [%r1+4], %r6; membar.cta; atom.shared.exch.b32 %r7, [%r1], 0;\n"
	"bar.sync 0; ld.shared.u32 %r8, [%r1+4]; st.global.u32 [%rd1], %r8;\n")
KERNEL("mbar", ".shared .align 8 .b64 mb;\n" SHARED OTHER "setp.eq.u32 %p1, %r0, 0; @%p1 mbarrier.init.shared.b64 [mb], 64; bar.sync 0;\n"
	"st.shared.u32 [%r3], %r0; mbarrier.arrive.shared.b64 %state, [mb];\nW: mbarrier.test_wait.shared.b64 %p2, [mb], %state; @!%p2 bra W; ld.shared.u32 %r5, [%r4];\n")
KERNEL("copied", SHARED OTHER "cp.async.ca.shared.global [%r3], [%rd1], 4; cp.async.wait_all; bar.sync 0; ld.shared.u32 %r5, [%r4]; st.global.u32 [%rd1], %r5;\n")
KERNEL("busy", SHARED "mov.u32 %r9, %ctaid.x; mov.u32 %r10, %ntid.x; mad.lo.u32 %r9, %r9, %r10, %r0; mul.wide.u32 %rd2, %r9, 4; add.u64 %rd1, %rd0, %rd2;\n"
	"and.b32 %r11, %r0, 255; shl.b32 %r2, %r11, 2; add.u32 %r3, %r1, %r2; xor.b32 %r4, %r2, 1020; add.u32 %r4, %r1, %r4; mov.u32 %r12, 0;\n"
	"L: st.shared.u32 [%r3], %r9; bar.sync 0; ld.shared.u32 %r5, [%r4]; bar.sync 0; add.u32 %r12, %r12, 1; setp.lt.u32 %p1, %r12, 20; @%p1 bra L;\n"
	"st.global.u32 [%rd1], %r5; ld.global.u32 %r6, [%rd1]; add.u32 %r6, %r6, 1; st.global.u32 [%rd1], %r6;\n");

struct args { void *p, *q; };

static struct kt t;

/* Runs; the reports until now are dropped, those of the run stay in reports(). */
static int run(const char *kernel, uint32_t blocks, uint32_t threads, void *p)
{
	struct args a = { p, NULL };
	char *old = kt_reports(&t);

	free(old);
	return KT_RUN(&t, kernel, KT1(blocks), KT1(threads), a);
}

static const char *reports(void)
{
	static char *last;

	free(last);
	last = kt_reports(&t);
	return last;
}

static int count(const char *s, const char *what)
{
	int n = 0;

	for (; (s = strstr(s, what)); s += strlen(what))
		n++;
	return n;
}

/* The PTX line of the kernel's line that begins with `begin`. */
static unsigned line_of(const char *kernel, const char *begin)
{
	char head[64];
	const char *at;
	unsigned n = 1;

	snprintf(head, sizeof(head), ".entry %s(", kernel);
	at = strstr(text, head);
	while (at && *at && strncmp(at, begin, strlen(begin)))
		at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
	for (const char *p = text; at && p < at; p++)
		n += *p == '\n';
	return at ? n : 0;
}

static void has(const char *s, const char *what, const char *name)
{
	has_string(s, what, "%s", name);
}

#define HAS(s, name, ...) do { char w_[256]; snprintf(w_, sizeof(w_), __VA_ARGS__); has(s, w_, name); } while (0)

static void right(const char *kernel, uint32_t threads, void *p, const char *name)
{
	int r = run(kernel, 1, threads, p);
	const char *s = reports();

	is_int(r, BE_RUN_DONE, "%s: runs (%s)", name, t.fault.text);
	is_string(s, "", "%s: nothing is reported", name);
}

static void test_bounds(void)
{
	uint8_t *p = kt_alloc_raw(&t, 100), *other;
	const char *s;

	is_int(run("store", 1, 25, p), BE_RUN_DONE, "25 words fit 100 bytes");
	is_string(reports(), "", "and nothing is reported");
	is_int(run("store", 2, 32, p), BE_RUN_FAULT, "the 26th doesn't");
	is_int(t.fault.status, VGPU_E_ILLEGAL_ADDRESS, "and is an illegal address");
	is_int(t.fault.thread[0], 25, "of thread 25");
	is_hex(t.fault.addr, (uint64_t)(uintptr_t)p + 100, "at the end");
	s = reports();
	has(s, "========= Invalid __global__ write of size 4 bytes\n", "what it is is reported");
	HAS(s, "where in PTX and in the source", "=========     at store, PTX line %u, in oob.cu:7\n", line_of("store", "st.global"));
	has(s, "=========     by thread (25,0,0) in block (0,0,0)\n=========     and by 6 other threads of its warp\n", "by whom");
	HAS(s, "at which address", "=========     Address 0x%llx is out of bounds\n", (unsigned long long)(uintptr_t)p + 100);
	HAS(s, "and what is near", "=========     and is 0 bytes after the nearest allocation at 0x%llx of size 100 bytes\n", (unsigned long long)(uintptr_t)p);
	is_int(run("generic", 1, 1, p), BE_RUN_FAULT, "one byte beyond, by a generic address");
	has(reports(), "Invalid __global__ write of size 1 bytes", "is found");
	is_int(run("before", 1, 1, p), BE_RUN_FAULT, "a read in front of it");
	HAS(reports(), "is told as such", "and is 4 bytes before the nearest allocation at 0x%llx of size 100 bytes", (unsigned long long)(uintptr_t)p);
	p = kt_alloc_raw(&t, 24);
	is_int(run("load_v4", 1, 1, p), BE_RUN_FAULT, "a vector across the end");
	HAS(reports(), "is found", "and is 8 bytes before the end of the allocation at 0x%llx of size 24 bytes", (unsigned long long)(uintptr_t)p);
	is_int(run("odd", 1, 2, p), BE_RUN_FAULT, "a misaligned read");
	is_int(t.fault.status, VGPU_E_MISALIGNED, "has that status");
	s = reports();
	has(s, "Invalid __global__ read of size 4 bytes", "and report");
	HAS(s, "with its address", "Address 0x%llx is misaligned\n", (unsigned long long)(uintptr_t)p + 2);
	right("var_in", 1, p, "a variable's last byte");
	is_int(run("var_over", 1, 1, p), BE_RUN_FAULT, "the byte behind a variable");
	has(reports(), "after the nearest allocation", "is out of bounds");
	p = kt_alloc_raw(&t, 400);
	is_int(run("outer", 1, 1, p), BE_RUN_FAULT, "in a function that the kernel calls");
	s = reports();
	has(s, "=========     at inner, PTX line ", "the function is named");
	has(s, "=========     called from kernel outer\n", "and the kernel");
	other = kt_alloc_raw(&t, 64);
	chk_mem_del(t.mem, (uint64_t)(uintptr_t)p);
	is_int(run("store", 1, 4, p), BE_RUN_FAULT, "memory that was freed");
	HAS(reports(), "is found as such", "and is 0 bytes inside the freed allocation at 0x%llx of size 400 bytes", (unsigned long long)(uintptr_t)p);
	right("store", 16, other, "memory beside it");
}

static void test_shared_local(void)
{
	const char *s;

	right("shared_over", 25, NULL, "shared memory to its end");
	is_int(run("shared_over", 1, 26, NULL), BE_RUN_FAULT, "a word beyond shared memory of 100 bytes");
	s = reports();
	has(s, "Invalid __shared__ write of size 4 bytes", "is found");
	has(s, "by thread (25,0,0) in block (0,0,0)", "by whom");
	has(s, "and the __shared__ memory of the block is at 0x400, 100 bytes", "and what there is");
	is_int(run("shared_low", 1, 1, NULL), BE_RUN_FAULT, "what the system keeps isn't the kernel's");
	has(reports(), "Invalid __shared__ read", "is found");
	t.shared_dyn = 50;
	right("dynamic", 12, NULL, "dynamic shared memory");
	is_int(run("dynamic", 1, 13, NULL), BE_RUN_FAULT, "a word across its end");
	has(reports(), "Invalid __shared__ write of size 4", "is found");
	t.shared_dyn = 0;
	right("local_over", 5, NULL, "local memory to its end");
	is_int(run("local_over", 1, 6, NULL), BE_RUN_FAULT, "a word beyond 20 bytes of local memory");
	s = reports();
	has(s, "Invalid __local__ write of size 4 bytes", "is found");
	has(s, "by thread (5,0,0)", "by whom");
	has(s, "20 bytes\n", "and what there is");
}

static void test_unwritten(void)
{
	uint8_t *p = kt_alloc_raw(&t, 256), *q = kt_alloc_raw(&t, 256);
	const char *s;

	is_int(run("load", 1, 32, p + 4), BE_RUN_DONE, "reading what nobody wrote doesn't end the kernel");
	s = reports();
	is_int(count(s, "Uninitialized"), 1, "is reported once");
	has(s, "========= Uninitialized __global__ memory read of size 4 bytes\n", "as what it is");
	HAS(s, "with its place", "=========     at load, PTX line %u\n", line_of("load", "ld.global"));
	has(s, "by thread (0,0,0) in block (0,0,0)", "and thread");
	HAS(s, "and address", "Address 0x%llx\n=========     and is 4 bytes inside the allocation at", (unsigned long long)(uintptr_t)p + 4);
	run("load", 1, 32, q);
	is_string(reports(), "", "and not again for the same instruction");
	right("bump", 1, p + 4, "what a kernel wrote is written");
	run("bump", 1, 1, p + 8);
	has(reports(), "memory atomic of size 4", "an atomic operation reads");
	q = kt_alloc_raw(&t, 64);
	chk_mem_written(t.mem, (uint64_t)(uintptr_t)q, 13);
	right("load_v4_part", 1, q, "elements that nobody uses aren't read");
	chk_mem_copied(t.mem, (uint64_t)(uintptr_t)q + 20, (uint64_t)(uintptr_t)q, 20);
	right("chunk", 1, q + 20, "a copy of written bytes is written");
	chk_mem_copied(t.mem, (uint64_t)(uintptr_t)q + 41, (uint64_t)(uintptr_t)q + 11, 4);
	run("chunk", 1, 1, q + 41 - 3 + 2);
	has(reports(), "read of size 1", "a copy of unwritten ones isn't");
	p = kt_alloc_raw(&t, 16 << 20);
	chk_mem_written(t.mem, (uint64_t)(uintptr_t)p + 3, (16 << 20) - 3);
	right("far", 1, p, "many bytes at once are written");
	chk_mem_del(t.mem, (uint64_t)(uintptr_t)p);
	chk_mem_add(t.mem, (uint64_t)(uintptr_t)p, 16 << 20, 1, 0, NULL);
	run("far", 1, 1, p);
	has(reports(), "at far, PTX line", "and no more in what is allocated there next");
	is_int(run("shared_unset", 1, 8, kt_alloc(&t, 64)), BE_RUN_DONE, "shared memory");
	s = reports();
	has(s, "========= Uninitialized __shared__ memory read of size 4 bytes\n", "is followed, too");
	HAS(s, "with place", "at shared_unset, PTX line %u\n", line_of("shared_unset", "ld.shared"));
	has(s, "by thread (3,0,0)", "and thread");
	is_int(run("local_unset", 1, 1, NULL), BE_RUN_DONE, "and local memory");
	s = reports();
	has(s, "========= Uninitialized __local__ memory read of size 4 bytes\n", "likewise");
	HAS(s, "with place", "at local_unset, PTX line %u\n", line_of("local_unset", "ld.local.u32 %r2"));
	right("local_maybe", 4, kt_alloc(&t, 64), "what is loaded and perhaps not needed");
	run("local_branch", 1, 1, kt_alloc(&t, 64));
	s = reports();
	HAS(s, "what a branch depends on", "at local_branch, PTX line %u\n", line_of("local_branch", "ld.local"));
	has(s, "Address 0x4\n", "is the second element");
}

/* a, b: what the lines of the two instructions begin with; which of them is found by the other one is a matter of order. */
static void race(const char *kernel, uint32_t threads, const char *a, const char *b, const char *name)
{
	void *p = kt_alloc(&t, 4096);
	int r = run(kernel, 1, threads, p);
	const char *s = reports();

	is_int(r, BE_RUN_DONE, "%s: runs", name);
	is_int(count(s, "========= Race reported between "), 1, "%s: is reported once", name);
	is_int(count(s, "access of size 4 bytes to __shared__ memory\n"), 1, "%s: as what it is", name);
	HAS(s, name, "=========     at %s, PTX line %u\n", kernel, line_of(kernel, a));
	HAS(s, name, "=========     at %s, PTX line %u\n", kernel, line_of(kernel, b));
}

static void test_races(void)
{
	void *p = kt_alloc(&t, 4096);
	const char *s;

	race("raw", 64, "st.shared.u32 [%r3], %r0", "ld.shared", "a read without a barrier");
	race("war", 64, "ld.shared", "st.shared.u32 [%r3], 7", "a write over what others read");
	race("waw", 2, "st.shared", "st.shared", "two values in one instruction");
	race("waw_warps", 64, "@%p1", "@%p1", "two values by two warps");
	race("atomic_read", 64, "red.shared", "ld.shared", "a read beside atomics");
	race("sides", 32, "st.shared", "A:", "the sides of a branch");
	race("named_wrong", 64, "ld.shared", "st.shared", "a barrier in one direction only");
	run("raw", 1, 64, p);
	is_string(reports(), "", "each is reported once");
	kt_close(&t);
	kt_must_open(&t, "check", text);
	p = kt_alloc(&t, 4096);
	run("raw", 1, 64, p);
	s = reports();
	HAS(s, "by whom and where", "Race reported between Write access of size 4 bytes to __shared__ memory\n=========     at raw, PTX line %u\n"
	    "=========     by thread (1,0,0) in block (0,0,0)\n=========     Address 0x404\n", line_of("raw", "st.shared.u32 [%r3], %r0"));
	HAS(s, "and the other access", "=========     and Read access\n=========     at raw, PTX line %u\n=========     by thread (33,0,0) in block (0,0,0)\n",
	    line_of("raw", "ld.shared"));
	right("raw_ok", 64, p, "a read behind a barrier");
	right("war_ok", 64, p, "a write behind one");
	right("waw_same", 64, p, "one value by many");
	right("bytes", 64, p, "bytes of one word by different threads");
	right("atomics", 64, p, "atomics");
	right("lockstep", 32, p, "volatile code of one warp");
	right("weak_lockstep", 64, p, "lanes in step");
	right("sides_ok", 32, p, "sides with a warp barrier");
	right("sides_bar", 32, p, "sides with a block barrier");
	right("sides_met", 32, p, "lanes that have met since");
	right("named", 64, p, "named barriers there and back");
	right("gone", 64, p, "threads that have ended");
	right("flag", 64, p, "a volatile flag");
	right("lock", 64, p, "a lock");
	right("mbar", 64, p, "an mbarrier");
	right("copied", 64, p, "cp.async");
}

static void test_many(void)
{
	uint32_t *p = kt_alloc_raw(&t, 64 * 256 * 4);
	struct args a = { p, NULL };

	free(kt_reports(&t));
	t.threads = 4;
	is_int(KT_RUN(&t, "busy", KT1(64), KT1(256), a), BE_RUN_DONE, "64 blocks on four threads");
	is_string(reports(), "", "have done nothing wrong");
	is_int(p[255] - 1, 0, "and computed what they should");
	t.threads = 0;
}

/* So many different errors: a bound on what is kept, none on what is counted. */
static void test_limit(void)
{
	enum { LOADS = CHK_REPORTS_MAX + 23 };
	char *ptx = malloc(65536), *s;
	struct kt k;
	size_t n = (size_t)sprintf(ptx, "%s.visible .entry many(.param .u64 p)\n{\n.reg .b32 %%r; .reg .b64 %%rd; ld.param.u64 %%rd, [p];\n", HEAD), left;
	struct { void *p; } a;

	for (int i = 0; i < LOADS; i++)
		n += (size_t)sprintf(ptx + n, "ld.global.u32 %%r, [%%rd+%d];\n", i * 4);
	sprintf(ptx + n, "ret;\n}\n");
	kt_close(&t);
	kt_must_open(&k, "check", ptx);
	a.p = kt_alloc_raw(&k, LOADS * 4);
	is_int(KT_RUN(&k, "many", KT1(2), KT1(32), a), BE_RUN_DONE, "many errors");
	chk_end(k.s.check, true);
	s = kt_reports(&k);
	is_int(count(s, "Uninitialized"), CHK_REPORTS_MAX, "so many are shown");
	HAS(s, "the others are counted", "23 errors were not shown: only the first %u are\n", CHK_REPORTS_MAX);
	HAS(s, "the sum is right", "ERROR SUMMARY: %d errors, seen %d times\n", LOADS, LOADS * 64);
	HAS(s, "and what isn't freed is told", "========= Leaked %d bytes at 0x%llx\n========= LEAK SUMMARY: %d bytes leaked in 1 allocations\n",
	    LOADS * 4, (unsigned long long)(uintptr_t)a.p, LOADS * 4);
	free(s);
	chk_end(k.s.check, true);
	s = malloc(64);
	is_int(chk_take(k.s.check, CHK_FOR_CLIENT, s, 64, &left), 0, "the end comes once");
	free(s);
	kt_close(&k);
	free(ptx);
}

int main(void)
{
	plan_lazy();
	kt_must_open(&t, "check", text);
	test_bounds();
	test_shared_local();
	test_unwritten();
	test_races();
	test_many();
	test_limit();
	return 0;
}
