/*
 * 480-sd-load: objects of gcc and clang linked, mapped and run; ones that are
 * none, are cut or damaged, refused; and no page that is writable and
 * executable, ever.
 */
#include <elf.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_art.h"
#include "backend/simd/sd_load.h"
#include "compiler/ir/ir.h"
#include "t/lib/tap.h"
#include "util/sys.h"

#define HEAD \
	"typedef unsigned int u32; typedef unsigned long u64; typedef __SIZE_TYPE__ size_t;\n" \
	"void *memcpy(void *, const void *, size_t); void *memset(void *, int, size_t);\n" \
	"double fma(double, double, double); float fmaf(float, float, float);\n"

/* params: a pointer to 64 words, in and out; c->params is the first field of sd_ctx */
static const char good[] = HEAD
	"static const u32 table[64] __attribute__((aligned(64))) = { 3, 1, 4, 1, 5, 9, 2, 6 };\n"
	"static u32 twice(u32 x) { return 2 * x; }\n"
	"static u32 thrice(u32 x) { return 3 * x; }\n"
	"u32 (*const fns[])(u32) __attribute__((visibility(\"hidden\"))) = { twice, thrice };\n"
	"__attribute__((noinline, visibility(\"hidden\"))) u32 pick(u32 x) {\n"
	"	switch (x) { case 0: return 11; case 1: return 47; case 2: return 5; case 3: return 1000; case 4: return 77; case 5: return 8;\n"
	"	case 6: return 123; case 7: return 99; default: return 1; } }\n"
	"u32 kernel(void *c, u32 state) {\n"
	"	u64 *p = *(u64 *volatile *)c;\n"
	"	double (*volatile f)(double, double, double) = fma;\n"
	"	unsigned __int128 wide = ((unsigned __int128)p[3] << 64) | p[4];\n"
	"	p[8] = table[p[0]];\n"
	"	p[9] = fns[p[1] & 1](21);\n"
	"	p[10] = pick((u32)p[2]);\n"
	"	memcpy(p + 16, p, p[5]);\n"
	"	memset(p + 24, (int)p[6], p[5]);\n"
	"	p[11] = (u64)f(p[0], p[1], p[2]);\n"
	"	p[12] = (u64)(wide / p[7]);\n"
	"	return state + 1; }\n";

static char dir[256];
static unsigned n_files;

static bool compile(const char *cc, const char *flags, const char *src, struct gen_object *o)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	char path[600], cmd[1600], *data;
	FILE *f;

	snprintf(path, sizeof(path), "%s/k%u.c", dir, n_files++);
	f = fopen(path, "w");
	if (!f || fputs(src, f) < 0 || fclose(f))
		bail("%s can't be written", path);
	snprintf(cmd, sizeof(cmd), "%s -w -c -ffreestanding %s -o %s.o %s >%s.log 2>&1", cc, flags, path, path, path);
	if (system(cmd) != 0)
		return false;
	strcat(path, ".o");
	memset(o, 0, sizeof(*o));
	if (vgpu_read_file(path, 1 << 20, &data, &o->len, &err))
		bail("%s", err.text);
	o->elf = (uint8_t *)data;
	o->meta = (struct sd_meta){ .W = 32, .frame_B = 64 };
	return true;
}

static bool have(const char *cc)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), "command -v %s >/dev/null 2>&1", cc);
	return system(cmd) == 0;
}

/* Lines of /proc/self/maps: how many are writable and executable, and how this address is mapped. */
static unsigned writable_code(const void *addr, char perm[5])
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long long from, to, at = (uintptr_t)addr;
	unsigned n = 0;
	char line[512], p[5];

	strcpy(perm, "none");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx %4s", &from, &to, p) != 3)
			continue;
		n += p[1] == 'w' && p[2] == 'x';
		if (at >= from && at < to)
			strcpy(perm, p);
	}
	if (f)
		fclose(f);
	return n;
}

static void run(const struct sd_code *code, const char *what)
{
	uint64_t p[32] = { 4, 1, 7, 5, 6, 40, 0xab, 9 };
	struct sd_ctx c = { .params = (uint8_t *)p };
	unsigned __int128 wide = ((unsigned __int128)p[3] << 64) | p[4];

	is_int(code->fn(&c, 41), 42, "%s: the kernel runs", what);
	is_int((long long)p[8], 5, "%s: a constant", what);
	is_int((long long)p[9], 63, "%s: a table of addresses", what);
	is_int((long long)p[10], 99, "%s: a jump table", what);
	is_blob(p + 16, p, 40, "%s: memcpy", what);
	is_hex(p[28], 0xababababababababull, "%s: memset", what);
	is_int((long long)p[11], 4 * 1 + 7, "%s: fma by its address", what);
	is_hex(p[12], (uint64_t)(wide / 9), "%s: 128-bit division", what);
}

static void try_good(const char *cc, const char *flags)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct gen_object o;
	struct sd_code *code = NULL;
	char what[100], perm[5];
	int fds = test_open_fds();

	snprintf(what, sizeof(what), "%s %s", cc, flags);
	if (!have(cc)) {
		skip("no %s", cc);
		return;
	}
	if (!ok(compile(cc, flags, good, &o), "%s compiles", what))
		return;
	if (!ok(sd_load(&code, &o, &err) == 0, "%s: linked and mapped", what)) {
		diag("%s", err.text);
		free(o.elf);
		return;
	}
	is_int(test_open_fds(), fds, "%s: no descriptor is kept", what);
	run(code, what);
	is_int(writable_code(code->base + ((const struct sd_art *)code->base)->text, perm), 0, "%s: nothing is writable and executable", what);
	is_string(perm, "r-xs", "%s: code is read and executed", what);
	writable_code(code->base + ((const struct sd_art *)code->base)->ro, perm);
	is_string(perm, "r--s", "%s: constants are read", what);
	writable_code(code->base + ((const struct sd_art *)code->base)->data, perm);
	is_string(perm, "r--p", "%s: so are addresses", what);
	sd_unload(code);
	free(o.elf);
}

/* ---- what is refused ---- */

static void refused(const char *flags, const char *src, const char *text, const char *what)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_code *code = NULL;
	struct gen_object o;

	if (!compile("gcc", flags, src, &o)) {
		skip("%s: gcc doesn't compile it", what);
		return;
	}
	if (is_int(sd_load(&code, &o, &err), -VGPU_E_INVALID, "%s is refused", what))
		has_string(err.text, text, "… and it says why");
	free(o.elf);
}

static void refusals(void)
{
	refused("-O1 -fPIC", HEAD "u32 other(void *c, u32 s) { return s; }", "no function 'kernel'", "an object without a kernel");
	refused("-O1 -fPIC", HEAD "static u32 kernel(void *c, u32 s) { return s; } u32 (*f)(void *, u32) = kernel;", "data that is written",
		"data that is written");
	refused("-O1 -fPIC", HEAD "static u32 n; u32 kernel(void *c, u32 s) { return s + n++; }", "can't be loaded", "a counter");
	refused("-O1 -fPIC", HEAD "char *getenv(const char *); u32 kernel(void *c, u32 s) { return getenv(\"x\") != 0; }", "'getenv'",
		"a function that kernels don't call");
	refused("-O1 -fno-pic -mcmodel=small", HEAD "static const u32 t[] = { 1, 2, 3, 4, 5, 6, 7, 8 }; u32 kernel(void *c, u32 s) { return t[s & 7]; }",
		"position independent", "32-bit addresses");
	refused("-O1 -fno-pic -mcmodel=large", HEAD "static const u32 t[] = { 1, 2, 3, 4, 5, 6, 7, 8 }; u32 kernel(void *c, u32 s) { return t[s & 7]; }",
		"position independent", "64-bit addresses in code");
	refused("-O1 -fPIC", HEAD "static __thread u32 t; u32 kernel(void *c, u32 s) { return t++ + s; }", "object:", "thread-local data");
	refused("-O1 -fPIC -m32", "unsigned kernel(void *c, unsigned s) { return s; }", "object:", "code for another machine");
}

/* Any cut and any flipped byte: an answer, never a crash (the sanitizers watch). */
static void damage(void)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgpu_err err;
	struct gen_object o, part;
	unsigned linked = 0, accepted = 0;
	uint32_t seed = 1;
	uint8_t *copy;

	if (!compile("gcc", "-O2 -fPIC", good, &o))
		return;
	for (size_t n = 0; n < o.len; n += 1 + n / 64) {
		part = o;
		part.elf = malloc(n + 1);
		memcpy(part.elf, o.elf, n);
		part.len = n;
		vgpu_buf_reset(&b);
		linked += sd_link(&part, &b, &err) == 0;
		free(part.elf);
	}
	is_int(linked, 0, "an object that is cut is refused");
	copy = malloc(o.len);
	for (unsigned k = 0; k < 20000; k++) {
		part = o;
		part.elf = copy;
		memcpy(copy, o.elf, o.len);
		for (unsigned j = 0; j < 1 + k % 3; j++) {
			seed = seed * 1664525 + 1013904223;
			copy[(seed >> 8) % o.len] ^= (uint8_t)(1u << (seed & 7));
		}
		vgpu_buf_reset(&b);
		if (sd_link(&part, &b, &err) == 0)
			linked++;
	}
	ok(linked > 0 && linked < 20000, "objects with a flipped bit are linked or refused (%u linked)", linked);
	vgpu_buf_reset(&b);
	sd_link(&o, &b, &err);
	for (size_t n = 0; n < sizeof(struct sd_art) * 8; n++) {
		int fd;
		struct sd_code *code;

		b.data[n / 8] ^= (char)(1 << n % 8);
		fd = sd_art_memfd(b.data, b.len, &err);
		if (fd >= 0 && sd_load_fd(&code, fd, &err) == 0) {
			accepted++;
			sd_unload(code);
		}
		close(fd);
		b.data[n / 8] ^= (char)(1 << n % 8);
	}
	ok(accepted > 0 && accepted < sizeof(struct sd_art) * 8, "artifacts with a flipped bit in the head, too (%u mapped)", accepted);
	vgpu_buf_free(&b);
	free(copy);
	free(o.elf);
}

static void seals(void)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct sd_code *code = NULL;
	struct gen_object o;
	int fd;

	if (!compile("gcc", "-O2 -fPIC", good, &o) || sd_link(&o, &b, &err))
		bail("%s", err.text);
	fd = vgpu_memfd("test", 0);
	vgpu_write_all(fd, b.data, b.len);
	vgpu_memfd_seal(fd);
	is_int(sd_load_fd(&code, fd, &err), -VGPU_E_INVALID, "memory that can still be written isn't mapped");
	has_string(err.text, "sealed", "… and it says so");
	close(fd);
	fd = sd_art_memfd(b.data, b.len, &err);
	is_int((long long)write(fd, "x", 1), -1, "sealed memory can't be written");
	is_int(sd_load_fd(&code, fd, &err), 0, "… and is mapped");
	close(fd);
	sd_unload(code);
	b.len -= SD_ART_PAGE;
	fd = sd_art_memfd(b.data, b.len, &err);
	is_int(sd_load_fd(&code, fd, &err), -VGPU_E_INVALID, "one that lacks a page isn't");
	close(fd);
	vgpu_buf_free(&b);
	free(o.elf);
}

/* References and symbols come along, and are checked against the module. */
static void tables(void)
{
	struct ir_insn insn[3] = { 0 };
	struct ir_block block = { .insns = insn, .n_insns = 3 };
	struct ir_func func = { .blocks = &block, .n_blocks = 1 };
	struct ir_var var = { 0 };
	struct ir_module m = { .funcs = &func, .n_funcs = 1, .vars = &var, .n_vars = 1 };
	struct sd_ref refs[] = { { 0, 0, 2, 0 }, { 0, 0, 1, 64 } };
	struct sd_sym syms[] = { { IR_SYM_FUNC, 0 }, { IR_SYM_VAR, 0 }, { IR_SYM_VAR, 0 } };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_code *code = NULL;
	struct gen_object o;

	if (!compile("gcc", "-O2 -fPIC", good, &o))
		bail("gcc");
	o.refs = refs;
	o.syms = syms;
	o.meta.n_refs = 2;
	o.meta.n_syms = 3;
	if (!ok(sd_load(&code, &o, &err) == 0, "an object with tables"))
		bail("%s", err.text);
	is_blob(code->refs, refs, sizeof(refs), "its references");
	is_blob(code->syms, syms, sizeof(syms), "its symbols");
	is_int(sd_code_check(code, &m, &err), 0, "they are of the module");
	insn[0].op = 0;
	block.n_insns = 2;
	is_int(sd_code_check(code, &m, &err), -VGPU_E_INVALID, "a shorter block: they aren't");
	block.n_insns = 3;
	m.n_vars = 0;
	is_int(sd_code_check(code, &m, &err), -VGPU_E_INVALID, "fewer variables: they aren't");
	sd_unload(code);
	o.meta.W = 48;
	is_int(sd_load(&code, &o, &err), -VGPU_E_INVALID, "gangs of 48 threads don't exist");
	free(o.elf);
}

int main(void)
{
	plan_lazy();
	if (!have("gcc"))
		skip_all("no gcc to make objects with");
	snprintf(dir, sizeof(dir), "%s", test_tmpdir());
	try_good("gcc", "-O2 -fPIC");
	try_good("gcc", "-O0 -fPIC");
	try_good("gcc", "-O2 -fPIC -ffunction-sections -fdata-sections");
	try_good("clang", "-O2 -fPIC");
	try_good("clang-19", "-O2 -fPIC");
	refusals();
	damage();
	seals();
	tables();
	sd_unload(NULL);
	return 0;
}
