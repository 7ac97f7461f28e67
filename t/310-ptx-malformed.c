/* 310-ptx-malformed: damaged texts give errors, never a crash; unpacking checks its sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <zstd.h>

#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "t/lib/tap.h"

static char *load(const char *name, size_t *len)
{
	FILE *f = fopen(test_src(name), "rb");
	char *text;
	long n;

	if (!f)
		bail("%s is missing", name);
	fseek(f, 0, SEEK_END);
	n = ftell(f);
	rewind(f);
	text = malloc((size_t)n + 1);
	if (!text || fread(text, 1, (size_t)n, f) != (size_t)n)
		bail("%s can't be read", name);
	fclose(f);
	*len = (size_t)n;
	return text;
}

/* Compiles; a failure must come with a message. */
static bool try_text(const char *text, size_t len)
{
	struct ptx_source s = { text, len, "damaged" };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct ir_module *m = NULL;
	struct ptx_diag d;
	bool good;
	int r;

	ptx_diag_init(&d);
	r = ptx_compile(&s, 1, 0, &m, &d, &err);
	good = r ? !m && err.text[0] && err.status != VGPU_E_INTERNAL : m != NULL;
	if (!good)
		diag("status %d: %s", r, err.text);
	ir_module_free(m);
	ptx_diag_fini(&d);
	return good;
}

static uint32_t seed = 12345;

static uint32_t rnd(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

static void damage(const char *name)
{
	size_t len, step;
	char *text = load(name, &len), *copy = malloc(len + 1);
	bool good = true;

	step = len / 60 + 1;
	for (size_t n = 0; n < len; n += step)
		good &= try_text(text, n);
	ok(good, "%s: cut off", name);
	good = true;
	for (int round = 0; round < 60; round++) {
		memcpy(copy, text, len);
		for (uint32_t k = 0; k <= rnd() % 8; k++)
			copy[rnd() % len] = "{}[]();:,.@%|0x-+_\"/*\n\t a9\0\xff"[rnd() % 28];
		good &= try_text(copy, len);
	}
	ok(good, "%s: bytes flipped", name);
	good = true;
	for (int round = 0; round < 40; round++) {      /* pieces taken out */
		size_t from = rnd() % len, n = rnd() % 200;

		if (n > len - from)
			n = len - from;
		memcpy(copy, text, from);
		memcpy(copy + from, text + from + n, len - from - n);
		good &= try_text(copy, len - n);
	}
	ok(good, "%s: pieces missing", name);
	free(copy);
	free(text);
}

static void nesting(void)
{
	enum { DEPTH = 5000 };
	struct vgpu_buf b = VGPU_BUF_INIT;

	vgpu_buf_str(&b, ".version 8.0\n.target sm_80\n.entry k() {");
	for (int n = 0; n < DEPTH; n++)
		vgpu_buf_str(&b, "{");
	ok(try_text(b.data, b.len), "deep scopes");
	vgpu_buf_reset(&b);
	vgpu_buf_str(&b, ".version 8.0\n.target sm_80\n.entry k() { .reg .b32 r; mov.b32 r, ");
	for (int n = 0; n < DEPTH; n++)
		vgpu_buf_str(&b, n % 2 ? "(" : "-");
	ok(try_text(b.data, b.len), "deep expressions");
	vgpu_buf_reset(&b);
	vgpu_buf_str(&b, ".version 8.0\n.target sm_80\n.global .u32 a[4] = ");
	for (int n = 0; n < DEPTH; n++)
		vgpu_buf_str(&b, "{");
	ok(try_text(b.data, b.len), "deep initial values");
	vgpu_buf_free(&b);
	ok(try_text(".version 8.0\n.target sm_80\n.entry k() { .reg .b32 %r<4000000000>; mov.b32 %r3999999999, 1; ret; }\n", 96), "many registers");
	ok(try_text(".version 8.0\n.target sm_80\n.global .u32 a[100000000000][1000000000];\n", 74), "a huge variable");
}

static void unpacking(void)
{
	static const char text[] = ".version 8.0\n.target sm_80\n.visible .entry kernel() { ret; }\n";
	char z[512], *out;
	struct vgpu_err err = VGPU_ERR_INIT;
	size_t len;
	int n = LZ4_compress_default(text, z, sizeof(text), sizeof(z));

	is_int(ptx_unpack(z, (size_t)n, sizeof(text), 1, &out, &len, &err), 0, "LZ4");
	ok(len == sizeof(text) && !memcmp(out, text, len), "its text");
	free(out);
	ok(ptx_unpack(z, (size_t)n, sizeof(text) + 1, 1, &out, &len, &err) < 0, "LZ4: size too large");
	ok(ptx_unpack(z, (size_t)n, sizeof(text) - 1, 1, &out, &len, &err) < 0, "LZ4: size too small");
	ok(ptx_unpack(z, (size_t)n / 2, sizeof(text), 1, &out, &len, &err) < 0, "LZ4: cut off");
	ok(ptx_unpack(z, 4, 1u << 30, 1, &out, &len, &err) < 0, "LZ4: impossible size");
	len = ZSTD_compress(z, sizeof(z), text, sizeof(text), 3);
	n = (int)len;
	is_int(ptx_unpack(z, (size_t)n, sizeof(text), 2, &out, &len, &err), 0, "zstd");
	ok(len == sizeof(text) && !memcmp(out, text, len), "its text");
	free(out);
	ok(ptx_unpack(z, (size_t)n, sizeof(text) + 1, 2, &out, &len, &err) < 0, "zstd: size too large");
	ok(ptx_unpack(z, (size_t)n, sizeof(text) - 1, 2, &out, &len, &err) < 0, "zstd: size too small");
	ok(ptx_unpack(z, (size_t)n / 2, sizeof(text), 2, &out, &len, &err) < 0, "zstd: cut off");
	is_int(ptx_unpack(z, (size_t)n, sizeof(text), 3, &out, &len, &err), -VGPU_E_INVALID, "unknown flags");
	ok(ptx_unpack(z, 0, 5, 2, &out, &len, &err) < 0 && ptx_unpack(z, 5, 0, 2, &out, &len, &err) < 0, "nothing");
}

int main(void)
{
	plan_lazy();
	damage("t/data/ptx/basics.sm_75.ptx");
	damage("t/data/ptx/half.sm_120.ptx");
	damage("t/data/ptx/errors.ptx");
	nesting();
	unpacking();
	return 0;
}
