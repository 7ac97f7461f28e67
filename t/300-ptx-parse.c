/* 300-ptx-parse: syntax to IR: what each construct becomes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "compiler/ptx/ptx_form.h"
#include "t/lib/tap.h"
#include "util/status.h"

#define HEAD ".version 8.0\n.target sm_80\n.address_size 64\n"

static struct ptx_diag diag_;

static struct ir_module *compile(const char *text, int want)
{
	struct ptx_source s = { text, strlen(text), "t" };
	struct ir_module *m = NULL;
	struct vgpu_err err = VGPU_ERR_INIT;
	int r;

	ptx_diag_fini(&diag_);
	ptx_diag_init(&diag_);
	r = ptx_compile(&s, 1, 0, &m, &diag_, &err);
	if (r != want)
		diag("status %d (%s)\n%s", r, err.text, vgpu_buf_text(&diag_.errors));
	is_int(r, want, "status");
	return m;
}

/* The body of an entry with the usual registers. */
static struct ir_module *body(const char *text)
{
	static char b[8192];

	snprintf(b, sizeof(b), HEAD ".visible .entry k(.param .u64 p, .param .u32 n)\n{\n.reg .pred %%p<5>;\n.reg .b16 %%h<9>;\n"
		 ".reg .b32 %%r<20>;\n.reg .f32 %%f<20>;\n.reg .b64 %%rd<20>;\n.reg .f64 %%fd<9>;\n.shared .align 4 .b8 sm[64];\n%s\nret;\n}\n", text);
	return compile(b, 0);
}

static const struct ir_insn *insn(const struct ir_module *m, unsigned n)
{
	const struct ir_func *f = &m->funcs[0];

	for (uint32_t b = 0; b < f->n_blocks; b++) {
		if (n < f->blocks[b].n_insns)
			return &f->blocks[b].insns[n];
		n -= f->blocks[b].n_insns;
	}
	bail("no instruction %u", n);
}

static void test_fields(void)
{
	struct ir_module *m = body("add.rn.ftz.sat.f32 %f1, %f2, 0f3F800000;\n"
				   "setp.lt.and.ftz.f32 %p1|%p2, %f1, 1.5, !%p3;\n"
				   "atom.acq_rel.gpu.global.add.u32 %r1, [%rd1+-8], -1;\n"
				   "shfl.sync.bfly.b32 %r1|%p1, %r2, 16, 31, -1;\n"
				   "bar.red.popc.u32 %r1, 0, !%p1;\n"
				   "ld.global.nc.L2::128B.v4.f32 {%f1, _, %f2, %f3}, [%rd2+16];\n"
				   "cp.async.cg.shared.global.L2::128B [%r1], [%rd1], 16, %r2;\n"
				   "vote.ballot.sync.b32 %r1, %p1, 0xffffffff;\n");
	const struct ir_insn *i;

	if (!m)
		return;
	i = insn(m, 0);
	ok(i->op == IR_OP_add && i->type == IR_T_F32 && i->round == IR_RND_RN && i->flags == (IR_F_FTZ | IR_F_SAT), "add");
	is_hex(i->src[1].imm, 0x3f800000, "0f constant keeps its bits");
	i = insn(m, 1);
	ok(i->cmp == IR_CMP_LT && i->boolop == IR_BOOL_AND && i->n_dst == 2 && i->n_src == 3 && i->src[2].neg, "setp with q and !c");
	is_hex(i->src[1].imm, 0x3fc00000, "a decimal becomes f32");
	i = insn(m, 2);
	ok(i->atom == IR_ATOM_ADD && i->order == IR_ORD_ACQ_REL && i->scope == IR_SCOPE_GPU && i->space == IR_SPACE_GLOBAL, "atom");
	ok(i->src[0].kind == IR_OPND_MEM && i->src[0].off == -8, "offset +-8");
	is_hex(i->src[1].imm, 0xffffffff, "-1 has the width of its type");
	i = insn(m, 3);
	ok(i->mode == IR_MODE_BFLY && (i->flags & IR_F_SYNC) && i->n_dst == 2 && i->n_src == 4, "shfl");
	i = insn(m, 4);
	ok(i->mode == IR_MODE_RED && i->boolop == IR_BOOL_POPC && i->n_src == 3 && i->src[1].kind == IR_OPND_NONE && i->src[2].neg,
	   "bar.red without a count");
	i = insn(m, 5);
	ok(i->vec == 4 && i->dst[0].kind == IR_OPND_VEC && i->dst[0].vec[1].kind == IR_OPND_SINK && (i->flags & IR_F_NC), "ld.v4 with a sink");
	i = insn(m, 6);
	ok(i->extra == 16 && i->n_src == 3 && i->space == IR_SPACE_SHARED && i->space2 == IR_SPACE_GLOBAL, "cp.async");
	i = insn(m, 7);
	ok(i->mode == IR_MODE_BALLOT && (i->flags & IR_F_SYNC), "vote.ballot.sync in that order");
	ir_module_free(m);
}

static void test_numbers(void)
{
	struct ir_module *m = body("mov.b32 %r1, 0x1F; mov.b32 %r1, 017; mov.b32 %r1, 0b101; mov.b32 %r1, (3 + 4) * 2 - 1;\n"
				   "mov.b32 %r1, ~0; mov.b64 %rd1, 0xFFFFFFFFFFFFFFFFU; mov.f64 %fd1, 0dBFF0000000000000; mov.f64 %fd1, -2.5e-1;\n"
				   "mov.b32 %r1, WARP_SZ; mov.b32 %r1, 1 ? 5 : 6; mov.b32 %r1, 7 >> 1 == 3;");
	static const uint64_t want[] = { 0x1f, 15, 5, 13, 0xffffffff, UINT64_MAX, 0xbff0000000000000, 0xbfd0000000000000, 32, 5, 1 };

	for (unsigned n = 0; m && n < sizeof(want) / sizeof(*want); n++)
		is_hex(insn(m, n)->src[0].imm, want[n], "number %u", n);
	ir_module_free(m);
}

static void test_scopes(void)
{
	struct ir_module *m = body("mov.b32 %r1, 1;\n{ .reg .b32 %r1; mov.b32 %r1, 2; { .reg .b32 %r<3>; mov.b32 %r1, 3; bra L; }\nL: }\n"
				   "mov.b32 %r1, 4;\nbra L2;\n{ bra L2; L3: bra L3; }\nL2:");
	const struct ir_func *f;

	if (!m)
		return;
	f = &m->funcs[0];
	ok(insn(m, 0)->dst[0].reg == insn(m, 4)->dst[0].reg, "the outer register is back behind the scope");
	ok(insn(m, 0)->dst[0].reg != insn(m, 1)->dst[0].reg && insn(m, 1)->dst[0].reg != insn(m, 2)->dst[0].reg,
	   "scopes have registers of their own");
	is_int(f->blocks[f->n_blocks - 1].n_insns, 1, "a label at the end has a block");
	ir_module_free(m);
}

static void test_module(void)
{
	struct ir_module *m = compile(HEAD
		".visible .global .align 4 .u32 a[2][3] = {{1, 2}, {4, 5, 6}};\n"
		".visible .const .f32 c[] = {1.0, 0f40000000, -3};\n"
		".extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);\n"
		".func (.param .b32 r) f(.param .b32 x) { .reg .b32 %r<3>; ld.param.u32 %r1, [x]; st.param.b32 [r], %r1; ret; }\n"
		".visible .global .u64 t[3] = {generic(a)+8, f, a+4};\n"
		".global .align 1 .b8 bytes[8] = {0xFF(a), 0xFF00(a), 0xFF0000(a), 0, 1, 2, 3, 4};\n"
		".visible .entry k(.param .align 16 .b8 s[20], .param .u8 b, .param .u64 q, .param .v4 .f32 v)\n"
		".maxntid 256, 2\n.minnctapersm 3\n{ .reg .b32 %r<3>; .reg .b64 %rd<3>; .reg .pred %p;\n"
		".extern .shared .align 32 .b8 dyn[];\n"
		"{ .param .b32 x; .param .b32 y; st.param.b32 [x], 3; call.uni (y), f, (x); ld.param.b32 %r1, [y]; }\n"
		"{ .param .b64 z; mov.b64 %rd2, dyn; }\n"
		"ts: .branchtargets A, B;\nbrx.idx %r1, ts;\nA: pr: .callprototype (.param .b32 _) _ (.param .b32 _);\n"
		"mov.b64 %rd1, f; { .param .b32 x, y; call (y), %rd1, (x), pr; }\nB: ret; }\n", 0);
	const struct ir_func *k;
	const struct ir_var *v;

	if (!m)
		return;
	v = &m->vars[ir_module_find_var(m, "a")];
	is_int(v->size, 24, "size of a two-dimensional array");
	is_blob(v->init, "\1\0\0\0\2\0\0\0\0\0\0\0\4\0\0\0\5\0\0\0\6\0\0\0", 24, "a short inner list leaves zeros");
	v = &m->vars[ir_module_find_var(m, "c")];
	is_int(v->size, 12, "an open array has the size of its values");
	is_blob(v->init, "\0\0\x80\x3f\0\0\0\x40\0\0\x40\xc0", 12, "f32 values");
	v = &m->vars[ir_module_find_var(m, "t")];
	ok(v->n_relocs == 3 && v->relocs[0].generic && v->relocs[0].addend == 8 && !v->relocs[2].generic, "addresses in initial values");
	v = &m->vars[ir_module_find_var(m, "bytes")];
	ok(v->n_relocs == 3 && v->relocs[1].mask_shift == 8 && v->relocs[2].offset == 2 && v->init[7] == 4, "address bytes by mask");
	k = &m->funcs[ir_module_find_func(m, "k")];
	ok(k->max_ntid[0] == 256 && k->max_ntid[1] == 2 && k->max_ntid[2] == 1 && k->min_ctas == 3, "launch bounds");
	ok(k->proto.params[1].offset == 20 && k->proto.params[2].offset == 24 && k->proto.params[3].offset == 32 && k->param_bytes == 48,
	   "parameters at their natural alignment");
	ok(k->has_call && k->has_indirect_call && k->uses_dyn_shared && k->dyn_shared_offset % 32 == 0, "what the entry uses");
	ok(ir_func_local(k, 4)->offset == 0 && ir_func_local(k, 5)->offset == 4 && ir_func_local(k, 6)->offset == 0,
	   ".param variables of scopes that are never live together share bytes");
	is_int(k->n_tables, 1, "branch table");
	ir_module_free(m);
}

static void test_unsupported(void)
{
	struct ir_module *m = compile(HEAD ".visible .entry a() { .reg .b64 %rd<3>; tcgen05.wait::ld.sync.aligned; ret; }\n"
					   ".visible .entry b() { ret; }\n"
					   ".func f() { wgmma.fence.sync.aligned; ret; }\n.visible .entry c() { call f; ret; }\n"
					   ".extern .func (.param .b32 r) cudaLaunchDevice(.param .b64 x);\n"
					   ".visible .entry d() { .param .b32 r; .param .b64 x; call (r), cudaLaunchDevice, (x); ret; }\n", 0);

	if (!m)
		return;
	has_string(m->funcs[0].unsupported, "tcgen05.wait::ld.sync.aligned", "an instruction that can't run marks its function");
	is_int(m->funcs[0].unsupported_line, 4, "with its line");
	ok(!m->funcs[1].unsupported, "others stay");
	has_string(m->funcs[3].unsupported, "wgmma", "a caller inherits it");
	has_string(m->funcs[5].unsupported, "launching kernels", "a builtin that is missing too");
	ir_module_free(m);
}

static void test_link(void)
{
	struct ptx_source s[2] = {
		{ HEAD ".extern .global .u32 g;\n.extern .func f();\n.weak .global .u32 w = 1;\n.global .u32 own = 1;\n.common .global .b8 c[4];\n"
		  ".visible .entry k() { .reg .u32 %r<2>; ld.global.u32 %r1, [g]; call f; ret; }\n", 0, "one" },
		{ HEAD ".visible .global .u32 g = 5;\n.visible .func f() { ret; }\n.visible .global .u32 w = 2;\n.global .u32 own = 2;\n"
		  ".common .global .b8 c[8];\n", 0, "two" },
	};
	struct ir_module *m;
	struct vgpu_err err = VGPU_ERR_INIT;

	s[0].len = strlen(s[0].text);
	s[1].len = strlen(s[1].text);
	ptx_diag_fini(&diag_);
	ptx_diag_init(&diag_);
	is_int(ptx_compile(s, 2, 0, &m, &diag_, &err), 0, "two texts link: %s", vgpu_buf_text(&diag_.errors));
	if (m) {
		is_int(m->vars[ir_module_find_var(m, "g")].init[0], 5, "extern meets visible");
		is_int(m->vars[ir_module_find_var(m, "w")].init[0], 2, "a definition wins over a weak one");
		is_int(m->vars[ir_module_find_var(m, "c")].size, 8, "the larger common one wins");
		is_int(m->n_vars, 5, "names that are not visible stay apart");
		ir_module_free(m);
	}
	is_int(ptx_compile(s, 1, 0, &m, &diag_, &err), -VGPU_E_INVALID_PTX, "alone it lacks symbols");
	has_string(vgpu_buf_text(&diag_.errors), "Unresolved extern variable 'g'", "named: variable");
	has_string(vgpu_buf_text(&diag_.errors), "Unresolved extern function 'f'", "named: function");
	s[0] = s[1];
	is_int(ptx_compile(s, 2, 0, &m, &diag_, &err), -VGPU_E_INVALID_PTX, "two definitions");
	has_string(vgpu_buf_text(&diag_.errors), "Duplicate definition of 'g'", "named");
}

static void test_version(void)
{
	struct ptx_source s = { ".version 8.0\n.target sm_90\n.visible .entry k() { ret; }\n", 0, NULL };
	struct ir_module *m;
	struct vgpu_err err = VGPU_ERR_INIT;

	s.len = strlen(s.text);
	is_int(ptx_compile(&s, 1, 80, &m, &diag_, &err), -VGPU_E_UNSUPPORTED_PTX, "a target above the device's");
	ptx_diag_fini(&diag_);
	ptx_diag_init(&diag_);
	is_int(ptx_compile(&s, 1, 90, &m, &diag_, &err), 0, "the device's own");
	ir_module_free(m);
	s.text = ".version 8.0\n.target sm_90a\n.visible .entry k() { ret; }\n";
	s.len = strlen(s.text);
	is_int(ptx_compile(&s, 1, 90, &m, &diag_, &err), 0, "sm_90a on 9.0");
	ir_module_free(m);
	is_int(ptx_compile(&s, 1, 120, &m, &diag_, &err), -VGPU_E_UNSUPPORTED_PTX, "sm_90a on 12.0");
	ptx_diag_fini(&diag_);
	ptx_diag_init(&diag_);
	s.text = ".version 9.0\n.target sm_120f\n.visible .entry k() { ret; }\n";
	s.len = strlen(s.text);
	is_int(ptx_compile(&s, 1, 121, &m, &diag_, &err), 0, "sm_120f on 12.1");
	ir_module_free(m);
	is_int(ptx_compile(&s, 1, 130, &m, &diag_, &err), -VGPU_E_UNSUPPORTED_PTX, "sm_120f on 13.0");
	ir_module_free(compile(".version 9.1\n.target sm_80\n", -VGPU_E_UNSUPPORTED_PTX));
	ir_module_free(compile(".version 10.1\n.target sm_80\n", -VGPU_E_UNSUPPORTED_PTX));
	ir_module_free(compile(".version 7.0\n.target sm_xy\n", -VGPU_E_UNSUPPORTED_PTX));
	ir_module_free(compile("", -VGPU_E_INVALID_PTX));
	ir_module_free(compile(".target sm_80\n", -VGPU_E_INVALID_PTX));
	/* rounding could be left out once */
	m = compile(".version 1.3\n.target sm_13\n.entry k() { .reg .f32 f; .reg .f64 d; div.f32 f, f, f; div.f64 d, d, d; }\n", 0);
	ok(m && (insn(m, 0)->flags & IR_F_APPROX) && insn(m, 1)->round == IR_RND_RN, "PTX 1.3: div without a modifier");
	ir_module_free(m);
}

static void test_rejected(void)
{
	static const char *const texts[] = {
		"vadd.u32.u32.u32 %r1.h0, %r2, %r3;", "vadd.u32.u32.u32.add %r1.h0, %r2, %r3, %r4;", "vadd.u32.u32.u32 %r1, %r2.h2, %r3;",
		"vadd.u32.u32.u32 %r1, %r2.b4, %r3;", "vadd2.u32.u32.u32 %r1, %r2.b10, %r3.b1, %r4;", "vadd2.u32.u32.u32 %r1.h01, %r2, %r3, %r4;",
		"vadd4.u32.u32.u32.sat.add %r1, %r2, %r3, %r4;", "vadd2.u32.u32.u32 %r1, %r2, %r3;", "add.u32 %r1, %r2.b0, %r3;",
		"add.s32 %r1, %r2, -%r3;", "vmad.s32.s32.s32 %r1, -%r2, %r3, -%r4;", "vmad.s32.s32.s32.po %r1, -%r2, %r3, %r4;",
		"not.b32 %r1, !%r2;", "mov.f32 %f1, %f2+1.0;", "mov.v2.u32 {%r1, %r2}, {%r1, %r2, %r3};", ".reg .v2 .pred q;",
		".reg .v4 .b64 q;", ".reg .v8 .b16 q;", ".reg .v2 .u32 q; mov.u32 %r1, q.z;", "mov.u64 %rd1, sm[%f1];", ".shared .u32 q; mov.u64 %rd1, q[0];",
	};
	char b[2048];

	for (unsigned k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
		snprintf(b, sizeof(b), HEAD ".entry k()\n{\n.reg .b32 %%r<9>; .reg .b64 %%rd<9>; .reg .f32 %%f<9>; .shared .b8 sm[64];\n%s\nret;\n}\n", texts[k]);
		ir_module_free(compile(b, -VGPU_E_INVALID_PTX));
	}
}

/* What stands first in an alternative of a slot: a|b, cls=a|b, flag? */
static size_t first_word(const char *slot, size_t n, const char **out)
{
	const char *eq = memchr(slot, '=', n), *bar;

	if (*slot == '.')
		eq = slot;
	*out = eq ? eq + 1 : slot;
	n -= (size_t)(*out - slot);
	bar = memchr(*out, '|', n);
	return bar ? (size_t)(bar - *out) : n;
}

/* Token for a whole class, by one of its members. */
static const char *class_word(const char *s, size_t n)
{
	static const char *const words[][2] = {
		{ "rnd", "rn" }, { "rndi", "rni" }, { "rndx", "rn" }, { "cmp", "eq" }, { "cmpi", "eq" }, { "cmpf", "equ" }, { "bool", "and" },
		{ "boolp", "popc" }, { "boolm", "and" }, { "atom", "add" }, { "space", "global" }, { "space2", "global" }, { "order", "relaxed" },
		{ "scope", "gpu" }, { "wmat", "a" }, { "wmatd", "d" }, { "comp", "r" }, { "vec", "v2" }, { "shape", "m8n8k4" }, { "geom", "1d" },
		{ "rowa", "row" }, { "rowb", "row" }, { "num", "x1" }, { "cop", "ca" }, { "mode", "width" }, { "@I", "u32" }, { "@N", "u32" },
		{ "@X", "u32" }, { "@C", "u32" }, { "@M", "f16" },
	};

	for (unsigned k = 0; k < sizeof(words) / sizeof(words[0]); k++)
		if (strlen(words[k][0]) == n && !memcmp(words[k][0], s, n))
			return words[k][1];
	return NULL;
}

/* A spelling of the required words of a form; all: of the optional ones as well. */
static void spell(char *b, size_t size, const char *op, const char *form, bool all)
{
	size_t at = (size_t)snprintf(b, size, "%s", op), n;

	for (; *form != ':' && at < size; form += n + strspn(form + n, " ")) {
		const char *w, *c;
		size_t len;
		bool optional;

		n = strcspn(form, " ");
		optional = form[n - 1] == '?' || form[n - 1] == '*';
		if ((optional && !all) || *form == '!' || !strncmp(form, "old ", 4) || (form[0] == 'v' && form[1] >= '0' && form[1] <= '9' && n == 3) ||
		    !strncmp(form, "** ", 3))
			continue;
		len = first_word(form, n - optional, &w);
		c = class_word(w, len);
		at += (size_t)snprintf(b + at, size - at, ".%.*s", c ? (int)strlen(c) : (int)len, c ? c : w);
	}
}

/* Every form of the table decodes from a spelling made of its words, to its own instruction. */
static void test_table(void)
{
	unsigned forms = 0, bad = 0;
	char text[256], word[64];
	struct ptx_form form;

	for (unsigned op = 1; op < IR_OP_COUNT; op++)
		for (const char *const *f = ptx_op_forms(op); *f; f++)
			for (int all = 0; all < 2; all++) {
				spell(text, sizeof(text), ptx_op_name(op), *f, all);
				forms++;
				if (ptx_form_decode(text, strlen(text), &form, word, sizeof(word)) == PTX_DECODE_OK && form.insn.op == op)
					continue;
				diag("'%s' of form '%s': not decoded, %s", text, *f, word);
				bad++;
			}
	ok(forms > 600 && !bad, "%u spellings of %d instructions", forms, IR_OP_COUNT - 1);
}

int main(void)
{
	plan_lazy();
	ptx_diag_init(&diag_);
	test_fields();
	test_numbers();
	test_scopes();
	test_module();
	test_unsupported();
	test_link();
	test_version();
	test_rejected();
	test_table();
	ptx_diag_fini(&diag_);
	return 0;
}
