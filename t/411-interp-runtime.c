/* t/411: what the device runtime gives programs: printf, assert, trap, malloc; and memory faults. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/kernel.h"
#include "t/lib/tap.h"

static void test_formats(struct kt *t, const char *be)
{
	char *str = kt_alloc(t, 16), want[4096];
	struct { void *str; } p = { str };
	size_t n = 0;

	strcpy(str, "device");
	is_int(KT_RUN(t, "formats", KT1(1), KT1(1), p), BE_RUN_DONE, "%s: printf runs", be);
#define W(...) n += (size_t)snprintf(want + n, sizeof(want) - n, __VA_ARGS__)
	W("plain\n");
	W("%d %i %u|%5d|%-5d|%05d|%+d\n", -1, 2, 3u, 42, 42, 42, 42);
	W("%ld %lld %llu %lx\n", -5l, -6ll, 0xffffffffffffffffull, 0xabcl);
	W("%x %X %#x %o %#o\n", 0xbeef, 0xbeef, 0xbeef, 8, 8);
	W("%c%c %s %10s|%-6s|%.2s\n", 'o', 'k', "text", "right", "left", "cut");
	W("%f %e %g %a %.3f %8.2f\n", 1.5, 12345.678, 0.0001, 1.0, 3.14159, 2.5);
	W("%*d|%-*d|%.*f\n", 6, 7, 4, 8, 2, 1.23456);
	W("100%% %s\n", "device");
	W("4464 44 4464\n0 args\n");
	is_string(vgpu_buf_text(&t->printed), want, "%s: every conversion as C has it", be);
	vgpu_buf_reset(&t->printed);
	p.str = NULL;
	KT_RUN(t, "formats", KT1(1), KT1(1), p);
	has_string(vgpu_buf_text(&t->printed), "100% null\n", "%s: a branch on a pointer", be);
	p.str = (void *)0x1000;
	is_int(KT_RUN(t, "formats", KT1(1), KT1(1), p), BE_RUN_FAULT, "%s: %%s of a wild pointer faults", be);
	is_int(t->fault.status, VGPU_E_ILLEGAL_ADDRESS, "%s: as an illegal address", be);
	p.str = (void *)(KT_WINDOW + KT_WINDOW_SIZE - 8);
	is_int(KT_RUN(t, "formats", KT1(1), KT1(1), p), BE_RUN_FAULT, "%s: so does one into an unmapped page", be);
	vgpu_buf_reset(&t->printed);
}

static void test_print_all(struct kt *t, const char *be)
{
	int *ret = kt_alloc(t, 64 * 4);
	struct { void *r; } p = { ret };

	is_int(KT_RUN(t, "print_all", KT1(1), KT1(34), p), BE_RUN_DONE, "%s: printf of all lanes", be);
	has_string(vgpu_buf_text(&t->printed), "[0 even]\n[1 odd]\n", "%s: lanes in order", be);
	has_string(vgpu_buf_text(&t->printed), "[33 odd]\n", "%s: down to the last", be);
	is_int(ret[33], 2, "%s: the number of arguments comes back", be);
	vgpu_buf_reset(&t->printed);
	t->print_limit = 20;
	KT_RUN(t, "print_all", KT1(1), KT1(3), p);
	is_int(ret[2], -1, "%s: -1 when the FIFO is full", be);
	t->print_limit = 0;
	vgpu_buf_reset(&t->printed);
}

static void test_ends(struct kt *t, const char *be)
{
	struct { int n; } p = { 37 };

	is_int(KT_RUN(t, "asserts", KT1(2), KT1(64), p), BE_RUN_FAULT, "%s: a failed assertion", be);
	is_int(t->fault.status, VGPU_E_ASSERT, "%s: has its status", be);
	has_string(t->fault.text, "runtime.cu:", "%s: text names the file", be);
	has_string(t->fault.text, ": block: [0,0,0], thread: [37,0,0] Assertion `threadIdx.x != (unsigned)n && \"thread must not be n\"` failed.",
		   "%s: and all the rest as CUDA writes it", be);
	p.n = 64;
	is_int(KT_RUN(t, "asserts", KT1(2), KT1(64), p), BE_RUN_DONE, "%s: a true assertion does nothing", be);
	p.n = 40;
	is_int(KT_RUN(t, "traps", KT1(1), KT1(64), p), BE_RUN_FAULT, "%s: trap", be);
	is_int(t->fault.status, VGPU_E_LAUNCH_FAILED, "%s: is a launch failure", be);
	is_int(t->fault.thread[0], 40, "%s: of the right thread", be);
	p.n = -1;
	is_int(KT_RUN(t, "traps", KT1(1), KT1(64), p), BE_RUN_DONE, "%s: no trap, no failure", be);
}

static void test_heap(struct kt *t, const char *be)
{
	int *o = kt_alloc(t, 64 * 4), bad = 0;
	struct { void *o; int n; } p = { o, 5 };

	t->heap_left = 1 << 20;
	is_int(KT_RUN(t, "lists", KT1(1), KT1(40), p), BE_RUN_DONE, "%s: lists of malloced nodes", be);
	for (int i = 0; i < 40; i++)
		bad += o[i] != 10 + 5 * i;
	is_int(bad, 0, "%s: their sums", be);
	is_int(t->heap_live, 0, "%s: all freed", be);
	t->heap_left = 40;
	is_int(KT_RUN(t, "lists", KT1(1), KT1(1), p), BE_RUN_DONE, "%s: an exhausted heap", be);
	is_int(o[0], 1, "%s: gives NULL", be);
}

static void wild_store(struct kt *t, const char *be, uint64_t addr, int64_t step, int status, unsigned thread, const char *what)
{
	struct { uint64_t p; int64_t step; } p = { addr, step };

	is_int(KT_RUN(t, "store_at", KT1(1), KT1(64), p), BE_RUN_FAULT, "%s: store %s faults", be, what);
	is_int(t->fault.status, status, "%s: with its status (%s)", be, t->fault.text);
	is_int(t->fault.thread[0], thread, "%s: of the right thread", be);
	is_hex(t->fault.addr, addr + (uint64_t)step * thread, "%s: and address", be);
	ok(t->fault.ptx_line > 0, "%s: and PTX line", be);
}

static void test_faults(struct kt *t, const char *be)
{
	uint8_t *m = kt_alloc(t, 4096 - 8);   /* up to the end of its page, nearly */
	uint64_t base = (uint64_t)(uintptr_t)m, end = base + 4096;
	int *o = kt_alloc(t, 256);
	struct { void *p; int64_t step; void *o; } l = { m + 1, 4, o };
	struct { void *o; int i; } s = { o, 0 };

	wild_store(t, be, 0, 0, VGPU_E_ILLEGAL_ADDRESS, 0, "to NULL");
	wild_store(t, be, 0x7fff00000000, 4, VGPU_E_ILLEGAL_ADDRESS, 0, "outside of the window");
	wild_store(t, be, 0xffffffffffffff00, 4, VGPU_E_ILLEGAL_ADDRESS, 0, "at the end of all addresses");
	wild_store(t, be, (uint64_t)(uintptr_t)&t->fault, 4, VGPU_E_ILLEGAL_ADDRESS, 0, "to the host's stack");
	wild_store(t, be, end - 5 * 4, 4, VGPU_E_ILLEGAL_ADDRESS, 5, "behind an allocation");
	wild_store(t, be, KT_WINDOW + KT_WINDOW_SIZE, 4, VGPU_E_ILLEGAL_ADDRESS, 0, "at the window's end");
	wild_store(t, be, base, 2, VGPU_E_MISALIGNED, 1, "at odd places");
	is_int(KT_RUN(t, "load_at", KT1(1), KT1(32), l), BE_RUN_FAULT, "%s: misaligned load", be);
	is_int(t->fault.status, VGPU_E_MISALIGNED, "%s: has its status", be);
	l.p = m;
	is_int(KT_RUN(t, "load_at", KT1(1), KT1(32), l), BE_RUN_DONE, "%s: after all that, good loads work", be);
	t->shared_dyn = 256;
	is_int(KT_RUN(t, "shared_over", KT1(1), KT1(64), s), BE_RUN_DONE, "%s: shared memory up to its end", be);
	s.i = 1;
	is_int(KT_RUN(t, "shared_over", KT1(1), KT1(64), s), BE_RUN_FAULT, "%s: one more word", be);
	is_int(t->fault.status, VGPU_E_ILLEGAL_ADDRESS, "%s: is an illegal address", be);
	is_int(t->fault.thread[0], 63, "%s: of the last thread", be);
	t->shared_dyn = 0;
}

int main(void)
{
	char *text = kt_text("runtime.ptx");

	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		struct kt t;

		kt_must_open(&t, *be, text);
		test_formats(&t, *be);
		test_print_all(&t, *be);
		test_ends(&t, *be);
		test_heap(&t, *be);
		test_faults(&t, *be);
		kt_close(&t);
	}
	free(text);
	return 0;
}
