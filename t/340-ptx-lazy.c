/*
 * 340-ptx-lazy: modules whose bodies are read when they are needed: the same
 * IR as when all is read at once, whatever the order; shared variables that
 * one kernel needs together never overlap; errors in a body are that function's
 * and its callers'; what has to be known of bodies at once is known.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "t/lib/tap.h"
#include "util/sys.h"

#define HEAD ".version 8.0\n.target sm_80\n.address_size 64\n"

static struct ir_module *compile_n(const char *const *text, unsigned n, bool lazy, struct vgpu_err *err)
{
	struct ptx_options o = { .lazy = lazy };
	struct ptx_source s[4];
	struct ir_module *m = NULL;
	struct ptx_diag d;

	for (unsigned i = 0; i < n; i++)
		s[i] = (struct ptx_source){ text[i], strlen(text[i]), "some.ptx" };
	ptx_diag_init(&d);
	if (ptx_compile_opts(s, n, &o, &m, &d, err))
		m = NULL;
	ptx_diag_fini(&d);
	return m;
}

static struct ir_module *compile(const char *text, bool lazy)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct ir_module *m = compile_n(&text, 1, lazy, &err);

	if (!m)
		bail("%s", err.text);
	return m;
}

static void need(struct ir_module *m, uint32_t f)
{
	struct vgpu_err err = VGPU_ERR_INIT;

	if (ir_need_func(m, f, &err))
		bail("%s", err.text);
}

static uint32_t func(const struct ir_module *m, const char *name)
{
	int f = ir_module_find_func(m, name);

	if (f < 0)
		bail("no function %s", name);
	return (uint32_t)f;
}

static char *printed(const struct ir_module *m, uint32_t f)
{
	struct vgpu_buf b = VGPU_BUF_INIT;

	ir_print_func(&b, m, &m->funcs[f]);
	vgpu_buf_printf(&b, "spins %d barrier %d call %d unsupported %s\n", m->funcs[f].spins, m->funcs[f].uses_barrier, m->funcs[f].has_call,
			m->funcs[f].unsupported ? m->funcs[f].unsupported : "-");
	return b.data ? b.data : strdup("");
}

static unsigned differences(const struct ir_module *a, const struct ir_module *b)
{
	unsigned n = a->n_funcs != b->n_funcs;

	for (uint32_t f = 0; f < a->n_funcs && !n; f++) {
		char *x = printed(a, f), *y = printed(b, f);

		if (strcmp(x, y)) {
			diag("%s", a->funcs[f].name);
			n++;
		}
		free(x);
		free(y);
	}
	return n;
}

/* Offsets and sizes of shared memory. */
static unsigned layout_differences(const struct ir_module *a, const struct ir_module *b)
{
	unsigned n = 0;

	for (uint32_t v = 0; v < a->n_vars; v++)
		n += a->vars[v].offset != b->vars[v].offset;
	for (uint32_t f = 0; f < a->n_funcs; f++) {
		n += a->funcs[f].shared_bytes != b->funcs[f].shared_bytes || a->funcs[f].dyn_shared_offset != b->funcs[f].dyn_shared_offset ||
		     a->funcs[f].local_bytes != b->funcs[f].local_bytes || a->funcs[f].param_bytes != b->funcs[f].param_bytes;
		for (uint32_t k = 0; k < a->funcs[f].n_locals; k++)
			n += a->funcs[f].locals[k].offset != b->funcs[f].locals[k].offset;
	}
	return n;
}

static void same(const char *text, const char *name)
{
	struct ir_module *eager = compile(text, false), *up = compile(text, true), *down = compile(text, true);

	for (uint32_t f = 0; f < up->n_funcs; f++)
		need(up, f);
	for (uint32_t f = down->n_funcs; f-- > 0;)
		need(down, f);
	is_int(differences(eager, up), 0, "%s: the same functions as when all is read at once", name);
	is_int(differences(up, down), 0, "%s: … in any order", name);
	is_int(layout_differences(up, down), 0, "%s: … with their variables in the same places", name);
	ir_module_free(eager);
	ir_module_free(up);
	ir_module_free(down);
}

static void files(void)
{
	DIR *d = opendir(test_src("t/data/ptx"));
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d))) {
		char path[600], *text, *dot = strrchr(e->d_name, '.');
		struct vgpu_err err = VGPU_ERR_INIT;
		size_t len;

		if (!dot || strcmp(dot, ".ptx") || strcmp(e->d_name, "errors.ptx") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", test_src("t/data/ptx"), e->d_name);
		if (vgpu_read_file(path, 1 << 24, &text, &len, &err))
			bail("%s", err.text);
		same(text, e->d_name);
		free(text);
		n++;
	}
	if (d)
		closedir(d);
	ok(n >= 8, "there were files");
}

/* ---- shared memory ---- */

static const char shared[] = HEAD
	".shared .align 16 .b8 a[64];\n.shared .align 16 .b8 b[64];\n.shared .align 4 .b8 c[4];\n.extern .shared .align 16 .b8 dyn[];\n"
	".global .u32 g;\n"
	".func helper() { .shared .align 8 .b8 own[40]; .reg .u32 %r; ld.shared.u32 %r, [own]; st.shared.u32 [c], %r; ret; }\n"
	".visible .entry ka() { .shared .b8 mine[100]; .reg .u32 %r; ld.shared.u32 %r, [a]; st.shared.u32 [mine], %r; ret; }\n"
	".visible .entry kb() { .reg .u32 %r; ld.shared.u32 %r, [b]; call helper, (); ret; }\n"
	".visible .entry kab() { .shared .align 32 .b8 mine[10]; .reg .u32 %r; ld.shared.u32 %r, [a]; ld.shared.u32 %r, [b];\n"
	"	st.shared.u32 [mine], %r; st.shared.u32 [dyn], %r; ret; }\n"
	".visible .entry none() { ret; }\n";

struct place { uint64_t at, size; };

static bool overlap(const struct ir_var *x, const struct ir_var *y)
{
	return x->offset < y->offset + y->size && y->offset < x->offset + x->size;
}

static void shared_memory(void)
{
	struct ir_module *m = compile(shared, true);
	const struct ir_var *a = &m->vars[ir_module_find_var(m, "a")], *b = &m->vars[ir_module_find_var(m, "b")];
	const struct ir_var *c = &m->vars[ir_module_find_var(m, "c")];
	uint32_t ka = func(m, "ka"), kb = func(m, "kb"), kab = func(m, "kab"), helper = func(m, "helper"), none = func(m, "none");
	struct place was[3] = { { a->offset, 0 }, { b->offset, 0 }, { c->offset, 0 } };

	ok(m->lazy && m->funcs[ka].unparsed && m->funcs[kab].unparsed, "bodies aren't read");
	ok(!m->funcs[helper].unparsed, "one of a function with shared variables is");
	need(m, ka);
	ok(!m->funcs[ka].unparsed && m->funcs[kab].unparsed, "one that is needed is");
	need(m, kb);
	need(m, kab);
	need(m, none);
	ok(!overlap(a, b), "what one kernel needs together doesn't overlap");
	ok(!overlap(a, &m->funcs[ka].locals[0]), "… nor a kernel's own");
	ok(!overlap(a, &m->funcs[kab].locals[0]) && !overlap(b, &m->funcs[kab].locals[0]), "… nor the other one's");
	ok(!overlap(b, c) && !overlap(b, &m->funcs[helper].locals[0]) && !overlap(c, &m->funcs[helper].locals[0]), "… nor a callee's");
	ok(was[0].at == a->offset && was[1].at == b->offset && was[2].at == c->offset, "nothing moved meanwhile");
	ok(m->funcs[ka].shared_bytes >= 164 && m->funcs[kb].shared_bytes >= 108 && m->funcs[kab].shared_bytes >= 138, "sizes hold them all");
	is_int(m->funcs[none].shared_bytes, 0, "a kernel without any has none");
	ok(m->funcs[kab].dyn_shared_offset >= m->funcs[kab].shared_bytes && m->funcs[kab].uses_dyn_shared, "the launch's own is behind");
	ir_module_free(m);
	same(shared, "shared variables");
}

/* ---- errors ---- */

static void errors(void)
{
	static const char text[] = HEAD
		".func broken() {\n	frob.u32 %r1;\n	ret;\n}\n"
		".visible .entry good() { ret; }\n"
		".visible .entry bad()\n{\n	.reg .u32 %r<3>;\n	add.u32 %r1, %r2;\n	ret;\n}\n"
		".visible .entry caller() { call broken, (); ret; }\n"
		".visible .entry label() { bra NOWHERE; }\n";
	struct ir_module *m = compile(text, true);
	uint32_t good = func(m, "good"), bad = func(m, "bad"), caller = func(m, "caller"), label = func(m, "label");

	need(m, bad);
	ok(m->funcs[bad].unsupported != NULL, "a body in error: its kernel can't run");
	is_int(m->funcs[bad].unsupported_line, 12, "… and the line is known");
	need(m, caller);
	ok(m->funcs[caller].unsupported && strstr(m->funcs[caller].unsupported, "frob"), "nor its callers");
	is_int(m->funcs[caller].unsupported_line, 5, "… and the line is the callee's");
	need(m, label);
	ok(m->funcs[label].unsupported && strstr(m->funcs[label].unsupported, "NOWHERE"), "a label that isn't there");
	need(m, good);
	ok(!m->funcs[good].unsupported && m->funcs[good].n_blocks, "another kernel can");
	need(m, bad);
	ok(m->funcs[bad].unsupported != NULL, "it is no better the second time");
	ir_module_free(m);
}

static void refused(const char *text, const char *why, const char *what)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct ir_module *m = compile_n(&text, 1, true, &err);

	ok(!m, "%s: refused at once", what);
	has_string(err.text, why, "… and it says why");
	ir_module_free(m);
}

static void at_once(void)
{
	struct ir_module *m;

	refused(HEAD ".visible .entry k() { ret; ", "not closed", "a body without an end");
	refused(HEAD ".extern .func missing();\n.visible .entry k() { call missing, (); ret; }", "'missing'", "a function that isn't there");
	refused(HEAD ".extern .global .u32 gone;\n.visible .entry k() { .reg .u32 %r; ld.global.u32 %r, [gone]; ret; }", "'gone'",
		"a variable that isn't there");
	refused(HEAD ".visible .entry k() { ret; }\n.visible .entry k() { ret; }", "Duplicate", "a function that is there twice");
	m = compile(HEAD ".extern .func unused();\n.extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 b);\n"
		    ".visible .entry k() { ret; }", true);
	ok(m->lazy != NULL, "what isn't there and isn't used doesn't matter");
	ir_module_free(m);
	m = compile(HEAD ".visible .entry k() { .global .align 4 .u32 counter; .reg .u32 %r; ld.global.u32 %r, [counter]; ret; }\n"
		    ".visible .entry l() { ret; }", true);
	ok(ir_module_find_var(m, "counter") >= 0 || m->n_vars == 1, "a module's variable inside a body is known");
	ok(!m->funcs[func(m, "k")].unparsed && m->funcs[func(m, "l")].unparsed, "… as that body was read");
	ir_module_free(m);
	m = compile(HEAD ".func f() { ret; }\n.visible .entry k() { .reg .b64 %f; mov.u64 %f, f; P: .callprototype _ (); call %f, (), P; ret; }\n", true);
	ok(!m->lazy && !m->funcs[0].unparsed && m->funcs[0].address_taken, "calls through pointers: everything is read");
	ir_module_free(m);
}

/* Comments, strings and braces in odd places; names that mean something else outside. */
static void odd(void)
{
	same(HEAD ".global .u32 name;\n.func name2() { ret; }\n"
	     ".visible .entry k(.param .u32 name_p) // } {\n{ /* } \n } */ .reg .u32 %r<4>; .reg .u32 name; .reg .pred p;\n"
	     "	.pragma \"nounroll } {\";\n	ld.param.u32 %r1, [name_p];\n	mov.u32 name, %r1; { .reg .u32 %r<2>; { mov.u32 %r1, 5; } }\n"
	     "name2:\n	setp.eq.u32 p, %r1, 0;\n	@p bra name2;\n	ret;\n}\n", "braces in odd places");
	same(HEAD ".global .u32 name;\n.visible .entry k() { .reg .u32 name; .reg .pred p; mov.u32 name, 1; setp.eq.u32 p, name, 0; @p bra $L; \n"
	     "	.loc 1 2 3\n	add.u32 name, name, 1;\n$L: ret; }\n", "names of a body's own");
}

static void sources(void)
{
	static const char *const text[] = {
		HEAD ".func helper() { .reg .u32 %r; mov.u32 %r, 1; ret; }\n.visible .entry one() { call helper, (); ret; }\n",
		HEAD ".func helper() { .reg .u32 %r; mov.u32 %r, 2; ret; }\n.visible .entry two() { call helper, (); ret; }\n"
		     ".visible .func both() { ret; }\n",
		HEAD ".extern .func both();\n.visible .entry three() { call both, (); ret; }\n",
	};
	struct vgpu_err err = VGPU_ERR_INIT;
	struct ir_module *eager = compile_n(text, 3, false, &err), *m = compile_n(text, 3, true, &err);

	if (!eager || !m)
		bail("%s", err.text);
	need(m, func(m, "two"));
	need(m, func(m, "three"));
	need(m, func(m, "one"));
	is_int(differences(eager, m), 0, "three texts, two of which have a function of one name");
	ir_module_free(eager);
	ir_module_free(m);
}

int main(void)
{
	plan_lazy();
	files();
	shared_memory();
	errors();
	at_once();
	odd();
	sources();
	return 0;
}
