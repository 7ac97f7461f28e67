/* alu_ptx.c: see alu_ptx.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "t/lib/alu_ptx.h"

struct out {
	char *p;
	size_t n, size;
};

__attribute__((format(printf, 2, 3)))
static void add(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->n < o->size ? o->p + o->n : NULL, o->n < o->size ? o->size - o->n : 0, fmt, ap);
	va_end(ap);
	o->n += (size_t)n;
}

/* Registers are untyped bits of the operand's width; integer bytes live in 16 bits, pairs of e2m1 in 8. */
static unsigned reg_bits(uint8_t t)
{
	unsigned bits = ir_type_bits(t);

	return t == IR_T_PRED ? 1 : t == IR_T_E2M1X2 ? 8 : bits <= 16 ? 16 : bits;
}

static const char *reg_decl(uint8_t t)
{
	switch (reg_bits(t)) {
	case 1: return "pred";
	case 8: return "b8";
	case 16: return "b16";
	case 32: return "b32";
	default: return "b64";
	}
}

static void load(struct out *o, const struct alu_form *f, unsigned k)
{
	if (f->insn.src[k].kind == IR_OPND_IMM)
		return;
	add(o, "\tld.param.u64 %%rd1, [p%u];\n\tadd.s64 %%rd1, %%rd1, %%rd0;\n\tld.global.u64 %%rd1, [%%rd1];\n", k);
	switch (reg_bits(f->src_type[k])) {
	case 1: add(o, "\tsetp.ne.u64 %%s%u, %%rd1, 0;\n", k); break;
	case 8: add(o, "\tcvt.u16.u64 %%h0, %%rd1;\n\tmov.b16 {%%s%u, %%b0}, %%h0;\n", k); break;
	case 16: add(o, "\tcvt.u16.u64 %%s%u, %%rd1;\n", k); break;
	case 32: add(o, "\tcvt.u32.u64 %%s%u, %%rd1;\n", k); break;
	default: add(o, "\tmov.b64 %%s%u, %%rd1;\n", k); break;
	}
}

static void store(struct out *o, const char *reg, unsigned bits, const char *param)
{
	switch (bits) {
	case 1: add(o, "\tselp.u64 %%rd2, 1, 0, %s;\n", reg); break;
	case 8: add(o, "\tmov.b16 %%h0, {%s, 0};\n\tcvt.u64.u16 %%rd2, %%h0;\n", reg); break;
	case 16: add(o, "\tcvt.u64.u16 %%rd2, %s;\n", reg); break;
	case 32: add(o, "\tcvt.u64.u32 %%rd2, %s;\n", reg); break;
	default: add(o, "\tmov.b64 %%rd2, %s;\n", reg); break;
	}
	add(o, "\tld.param.u64 %%rd1, [%s];\n\tadd.s64 %%rd1, %%rd1, %%rd0;\n\tst.global.u64 [%%rd1], %%rd2;\n", param);
}

static void carry_in(struct out *o, const struct ir_insn *i)
{
	if (i->op == IR_OP_addc || i->op == IR_OP_madc || i->op == IR_OP_subc)
		add(o, "\tadd.cc.u32 %%r4, %%r3, 0xffffffff;\n");
}

static void carry_out(struct out *o, const struct ir_insn *i)
{
	if (i->flags & IR_F_CC)
		add(o, "\taddc.u32 %%r4, 0, 0;\n");
}

static void instruction(struct out *o, const struct alu_form *f)
{
	add(o, "\t%s %%d0%s", f->spelling, f->sel[0]);
	if (f->n_dst > 1)
		add(o, "|%%d1");
	for (unsigned k = 0; k < f->n_src; k++) {
		if (f->insn.src[k].kind == IR_OPND_IMM)
			add(o, ", 0x%02x", f->lut);
		else
			add(o, ", %%s%u%s", k, k < 2 ? f->sel[k + 1] : "");
	}
	add(o, ";\n");
}

size_t alu_ptx_kernel(char *buf, size_t size, const struct alu_form *f, const char *entry)
{
	struct out o = { buf, 0, size };

	add(&o, ".visible .entry %s(.param .u64 p0, .param .u64 p1, .param .u64 p2, .param .u64 p3, .param .u64 p4,"
	    " .param .u64 p5, .param .u64 pd, .param .u64 pd2, .param .u64 pcc)\n{\n"
	    "\t.reg .b64 %%rd<4>;\n\t.reg .b32 %%r<6>;\n\t.reg .b16 %%h0;\n\t.reg .b8 %%b0;\n", entry);
	for (unsigned k = 0; k < f->n_src; k++)
		if (f->insn.src[k].kind != IR_OPND_IMM)
			add(&o, "\t.reg .%s %%s%u;\n", reg_decl(f->src_type[k]), k);
	for (unsigned k = 0; k < f->n_dst; k++)
		add(&o, "\t.reg .%s %%d%u;\n", reg_decl(f->dst_type[k]), k);
	add(&o, "\tmov.u32 %%r0, %%tid.x;\n\tmov.u32 %%r1, %%ctaid.x;\n\tmov.u32 %%r2, %%ntid.x;\n"
	    "\tmad.lo.u32 %%r0, %%r1, %%r2, %%r0;\n\tmul.wide.u32 %%rd0, %%r0, 8;\n\tand.b32 %%r3, %%r0, 1;\n");
	for (unsigned k = 0; k < f->n_src; k++)
		load(&o, f, k);
	carry_in(&o, &f->insn);
	instruction(&o, f);
	carry_out(&o, &f->insn);
	store(&o, "%d0", reg_bits(f->dst_type[0]), "pd");
	if (f->n_dst > 1)
		store(&o, "%d1", reg_bits(f->dst_type[1]), "pd2");
	if (f->insn.flags & IR_F_CC)
		store(&o, "%r4", 32, "pcc");
	add(&o, "\tret;\n}\n");
	return o.n < size ? o.n : 0;
}

size_t alu_ptx_header(char *buf, size_t size, unsigned sm)
{
	struct out o = { buf, 0, size };

	add(&o, ".version 9.0\n.target sm_%u%s\n.address_size 64\n", sm < 75 ? 75 : sm, sm >= 90 ? "a" : "");
	return o.n < size ? o.n : 0;
}

size_t alu_ptx_module(char *buf, size_t size, const struct alu_form *f, const char *entry)
{
	size_t n = alu_ptx_header(buf, size, f->sm), m;

	if (!n)
		return 0;
	m = alu_ptx_kernel(buf + n, size - n, f, entry);
	return m ? n + m : 0;
}
