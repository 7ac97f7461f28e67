/*
 * ir_print.c: the IR as PTX text. The output is PTX again: parsed and
 * printed once more it is the same text.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx_form.h"
#include "util/buf.h"

static const char *space_name(uint8_t s)
{
	static const char *const names[IR_SPACE_COUNT] = {
		[IR_SPACE_GENERIC] = "generic", [IR_SPACE_REG] = "reg", [IR_SPACE_GLOBAL] = "global",
		[IR_SPACE_SHARED] = "shared", [IR_SPACE_LOCAL] = "local", [IR_SPACE_CONST] = "const",
		[IR_SPACE_PARAM] = "param", [IR_SPACE_PARAM_FUNC] = "param",
		[IR_SPACE_SHARED_CLUSTER] = "shared", [IR_SPACE_TEX] = "tex", [IR_SPACE_SURF] = "surf",
	};

	return s < IR_SPACE_COUNT ? names[s] : "?";
}

static const char *linkage_name(uint8_t l)
{
	static const char *const names[] = { "", ".visible ", ".extern ", ".weak ", ".common " };

	return l < 5 ? names[l] : "";
}

/* Variables of nested scopes may share a name: all locals get their number. */
static void print_sym(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, uint32_t sym, bool local)
{
	const struct ir_var *v;

	if (!local) {
		vgpu_buf_str(b, sym < m->n_syms ? m->syms[sym].name : "?");
		return;
	}
	v = ir_func_local(f, sym);
	if (!v)
		vgpu_buf_str(b, "?");
	else if (sym < f->proto.n_rets + f->proto.n_params)
		vgpu_buf_str(b, v->name);
	else
		vgpu_buf_printf(b, "$v%u", sym - f->proto.n_rets - f->proto.n_params);
}

static void print_off(struct vgpu_buf *b, int64_t off)
{
	if (off)
		vgpu_buf_printf(b, "%+" PRId64, off);
}

static void print_sub(struct vgpu_buf *b, const struct ir_insn *i, const struct ir_opnd *o)
{
	unsigned digits = o->sub & 0x80 ? o->sub & 0x7f : 1;
	uint64_t v = o->sub & 0x80 ? o->imm : o->sub - 1u;
	const char *name = ptx_op_name(i->op);
	bool half = name[strlen(name) - 1] == '2' || (o->sub & 0x40);

	vgpu_buf_str(b, half ? ".h" : ".b");
	while (digits--)
		vgpu_buf_printf(b, "%u", (unsigned)(v >> (4 * digits) & 15));
}

static void print_opnd(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, const struct ir_insn *i,
		       const struct ir_opnd *o, enum ir_type t);

static void print_vec(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, const struct ir_insn *i,
		      const struct ir_opnd *o)
{
	vgpu_buf_str(b, "{");
	for (unsigned k = 0; k < o->n_vec; k++) {
		vgpu_buf_str(b, k ? ", " : "");
		print_opnd(b, m, f, i, &o->vec[k], IR_T_NONE);
	}
	vgpu_buf_str(b, "}");
}

static void print_mem(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, const struct ir_insn *i,
		      const struct ir_opnd *o)
{
	vgpu_buf_str(b, "[");
	if (o->mem_base == IR_BASE_REG)
		vgpu_buf_str(b, f->regs[o->reg].name);
	else if (o->mem_base == IR_BASE_SYM)
		print_sym(b, m, f, o->sym, o->sym_local);
	else
		vgpu_buf_printf(b, "%" PRId64, o->off);
	if (o->mem_base != IR_BASE_NONE)
		print_off(b, o->off);
	if ((i->flags & IR_F_SAMPLER) && o == &i->src[0]) {
		vgpu_buf_str(b, ", ");
		print_opnd(b, m, f, i, &i->src[1], IR_T_NONE);
	}
	if (o->n_vec) {
		vgpu_buf_str(b, ", ");
		print_vec(b, m, f, i, o);
	}
	vgpu_buf_str(b, "]");
}

static void print_imm(struct vgpu_buf *b, const struct ir_opnd *o, enum ir_type t)
{
	if (t == IR_T_F32)
		vgpu_buf_printf(b, "0f%08" PRIX64, o->imm & 0xffffffff);
	else if (t == IR_T_F64)
		vgpu_buf_printf(b, "0d%016" PRIX64, o->imm);
	else if (o->imm > 0xffff)
		vgpu_buf_printf(b, "0x%" PRIx64, o->imm);
	else
		vgpu_buf_printf(b, "%" PRIu64, o->imm);
}

static void print_opnd(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, const struct ir_insn *i,
		       const struct ir_opnd *o, enum ir_type t)
{
	if (o->neg)
		vgpu_buf_str(b, o->kind == IR_OPND_REG && f->regs[o->reg].type != IR_T_PRED ? "-" : "!");
	switch (o->kind) {
	case IR_OPND_REG:
		vgpu_buf_str(b, f->regs[o->reg].name);
		if (o->sub)
			print_sub(b, i, o);
		break;
	case IR_OPND_IMM: print_imm(b, o, t); break;
	case IR_OPND_SREG: vgpu_buf_str(b, ptx_sreg_name((enum ir_sreg)o->imm)); break;
	case IR_OPND_SYM:
	case IR_OPND_FUNC:
		print_sym(b, m, f, o->sym, o->sym_local);
		print_off(b, o->off);
		break;
	case IR_OPND_MEM: print_mem(b, m, f, i, o); break;
	case IR_OPND_VEC: print_vec(b, m, f, i, o); break;
	case IR_OPND_LABEL: vgpu_buf_printf(b, "$B%u", o->block); break;
	case IR_OPND_SINK: vgpu_buf_str(b, "_"); break;
	default: vgpu_buf_str(b, "?"); break;
	}
}

static void print_list(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, const struct ir_insn *i,
		       const struct ir_opnd *o, uint32_t n)
{
	vgpu_buf_str(b, "(");
	for (uint32_t k = 0; k < n; k++) {
		vgpu_buf_str(b, k ? ", " : "");
		print_opnd(b, m, f, i, &o[k], IR_T_NONE);
	}
	vgpu_buf_str(b, ")");
}

/* Prototypes of indirect calls are printed in front of the function's code, numbered in text order. */
static uint32_t proto_number(const struct ir_func *f, const struct ir_insn *i)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < f->n_blocks; k++)
		for (uint32_t j = 0; j < f->blocks[k].n_insns; j++) {
			const struct ir_insn *x = &f->blocks[k].insns[j];

			if (x == i)
				return n;
			n += x->op == IR_OP_call && x->call->proto;
		}
	return n;
}

static void print_call(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, const struct ir_insn *i)
{
	const struct ir_call *c = i->call;

	vgpu_buf_str(b, " ");
	if (c->n_rets) {
		print_list(b, m, f, i, c->rets, c->n_rets);
		vgpu_buf_str(b, ", ");
	}
	print_opnd(b, m, f, i, &c->target, IR_T_NONE);
	if (c->n_args) {
		vgpu_buf_str(b, ", ");
		print_list(b, m, f, i, c->args, c->n_args);
	}
	if (c->proto)
		vgpu_buf_printf(b, ", $proto%u", proto_number(f, i));
}

/* Type that an immediate source is written in. */
static enum ir_type imm_type(const struct ir_insn *i, unsigned k)
{
	if (i->op == IR_OP_slct && k == 2)
		return i->stype;
	if (i->op == IR_OP_set || (i->op == IR_OP_cvt && i->stype))
		return i->stype;
	if (i->op == IR_OP_tex || i->op == IR_OP_tld4)
		return IR_T_NONE;
	return i->type;
}

void ir_print_insn(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, const struct ir_insn *i)
{
	unsigned n = 0;

	if (i->guard)
		vgpu_buf_printf(b, "@%s%s ", i->guard_neg ? "!" : "", f->regs[i->guard - 1].name);
	vgpu_buf_str(b, i->spelling);
	if (i->op == IR_OP_call) {
		print_call(b, m, f, i);
		vgpu_buf_str(b, ";");
		return;
	}
	for (unsigned k = 0; k < i->n_dst; k++) {
		vgpu_buf_str(b, n++ ? k ? "|" : ", " : " ");
		print_opnd(b, m, f, i, &i->dst[k], IR_T_NONE);
	}
	for (unsigned k = 0; k < i->n_src; k++) {
		if ((i->flags & IR_F_SAMPLER) && k == 1)
			continue;
		if (i->src[k].kind == IR_OPND_NONE)
			continue;
		vgpu_buf_str(b, n++ ? ", " : " ");
		print_opnd(b, m, f, i, &i->src[k], imm_type(i, k));
		if (i->op == IR_OP_cp && i->extra && k == 1)
			vgpu_buf_printf(b, ", %u", i->extra);
	}
	if (i->op == IR_OP_brx)
		vgpu_buf_printf(b, ", $table%u", i->extra);
	vgpu_buf_str(b, ";");
}

/* ---- declarations ---- */

static void print_var_type(struct vgpu_buf *b, const struct ir_var *v, const char *name)
{
	unsigned size = ir_type_size(v->type);

	vgpu_buf_printf(b, ".%s .align %u .%s %s", space_name(v->space), v->align ? v->align : 1, ir_type_name(v->type), name);
	if (v->unsized)
		vgpu_buf_str(b, "[]");
	else if (v->is_array || v->size != size)
		vgpu_buf_printf(b, "[%" PRIu64 "]", size ? v->size / size : v->size);
}

static void print_params(struct vgpu_buf *b, const struct ir_var *v, uint32_t n)
{
	vgpu_buf_str(b, "(");
	for (uint32_t k = 0; k < n; k++) {
		vgpu_buf_str(b, k ? ", " : "");
		if (v[k].space == IR_SPACE_REG)
			vgpu_buf_printf(b, ".reg .%s %s", ir_type_name(v[k].type), v[k].name);
		else
			print_var_type(b, &v[k], v[k].name);
	}
	vgpu_buf_str(b, ")");
}

static void print_reloc(struct vgpu_buf *b, const struct ir_module *m, const struct ir_reloc *r)
{
	if (r->mask_shift != UINT32_MAX)
		vgpu_buf_printf(b, "0x%" PRIx64 "(", (uint64_t)0xff << r->mask_shift);
	vgpu_buf_printf(b, "%s%s%s", r->generic ? "generic(" : "", m->syms[r->sym].name, r->generic ? ")" : "");
	print_off(b, r->addend);
	if (r->mask_shift != UINT32_MAX)
		vgpu_buf_str(b, ")");
}

static void print_init(struct vgpu_buf *b, const struct ir_module *m, const struct ir_var *v)
{
	unsigned size = ir_type_size(v->type);
	bool braces = v->is_array || v->size != size;
	uint32_t r = 0;

	if (!v->init || !size)
		return;
	vgpu_buf_str(b, braces ? " = {" : " = ");
	for (uint64_t at = 0; at + size <= v->size; at += size) {
		uint64_t x = 0;

		vgpu_buf_str(b, at ? ", " : "");
		memcpy(&x, v->init + at, size < 8 ? size : 8);
		if (r < v->n_relocs && v->relocs[r].offset == at)
			print_reloc(b, m, &v->relocs[r++]);
		else if (v->type == IR_T_F32)
			vgpu_buf_printf(b, "0f%08" PRIX64, x);
		else if (v->type == IR_T_F64)
			vgpu_buf_printf(b, "0d%016" PRIX64, x);
		else
			vgpu_buf_printf(b, "%" PRIu64, x);
	}
	vgpu_buf_str(b, braces ? "}" : "");
}

static void print_var(struct vgpu_buf *b, const struct ir_module *m, const struct ir_var *v)
{
	vgpu_buf_str(b, linkage_name(v->linkage));
	if (v->managed)
		vgpu_buf_printf(b, ".global .attribute(.managed) .align %u .%s %s", v->align, ir_type_name(v->type), v->name);
	else
		print_var_type(b, v, v->name);
	if (v->managed && (v->is_array || v->size != ir_type_size(v->type)))
		vgpu_buf_printf(b, "[%" PRIu64 "]", v->size / ir_type_size(v->type));
	print_init(b, m, v);
	vgpu_buf_str(b, ";\n");
}

static void print_dims(struct vgpu_buf *b, const char *name, const uint32_t v[3])
{
	if (v[0])
		vgpu_buf_printf(b, "\n.%s %u, %u, %u", name, v[0], v[1], v[2]);
}

static void print_header(struct vgpu_buf *b, const struct ir_func *f)
{
	vgpu_buf_printf(b, "%s.%s ", linkage_name(f->linkage), f->is_entry ? "entry" : "func");
	if (f->proto.n_rets) {
		print_params(b, f->proto.rets, f->proto.n_rets);
		vgpu_buf_str(b, " ");
	}
	vgpu_buf_str(b, f->name);
	if (f->proto.n_params)
		print_params(b, f->proto.params, f->proto.n_params);
	if (f->noreturn)
		vgpu_buf_str(b, " .noreturn");
	print_dims(b, "maxntid", f->max_ntid);
	print_dims(b, "reqntid", f->req_ntid);
	print_dims(b, "reqnctapercluster", f->cluster);
	if (f->min_ctas)
		vgpu_buf_printf(b, "\n.minnctapersm %u", f->min_ctas);
	if (f->max_regs)
		vgpu_buf_printf(b, "\n.maxnreg %u", f->max_regs);
	if (f->max_cluster_rank)
		vgpu_buf_printf(b, "\n.maxclusterrank %u", f->max_cluster_rank);
	vgpu_buf_str(b, f->explicit_cluster ? "\n.explicitcluster" : "");
	vgpu_buf_str(b, f->blocks_are_clusters ? "\n.blocksareclusters" : "");
}

static bool is_reg_param(const struct ir_proto *p, uint32_t reg)
{
	for (uint32_t k = 0; k < p->n_rets; k++)
		if (p->rets[k].space == IR_SPACE_REG && p->rets[k].reg == reg)
			return true;
	for (uint32_t k = 0; k < p->n_params; k++)
		if (p->params[k].space == IR_SPACE_REG && p->params[k].reg == reg)
			return true;
	return false;
}

static void print_protos(struct vgpu_buf *b, const struct ir_func *f)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < f->n_blocks; k++)
		for (uint32_t j = 0; j < f->blocks[k].n_insns; j++) {
			const struct ir_insn *i = &f->blocks[k].insns[j];

			if (i->op != IR_OP_call || !i->call->proto)
				continue;
			vgpu_buf_printf(b, "$proto%u: .callprototype ", n++);
			print_params(b, i->call->proto->rets, i->call->proto->n_rets);
			vgpu_buf_str(b, " _ ");
			print_params(b, i->call->proto->params, i->call->proto->n_params);
			vgpu_buf_str(b, i->call->proto->noreturn ? " .noreturn;\n" : ";\n");
		}
}

static void print_tables(struct vgpu_buf *b, const struct ir_func *f)
{
	for (uint32_t t = 0; t < f->n_tables; t++) {
		vgpu_buf_printf(b, "$table%u: .branchtargets ", t);
		for (uint32_t k = 0; k < f->table_len[t]; k++)
			vgpu_buf_printf(b, "%s$B%u", k ? ", " : "", f->tables[t][k]);
		vgpu_buf_str(b, ";\n");
	}
}

void ir_print_func(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f)
{
	print_header(b, f);
	if (!f->defined) {
		vgpu_buf_str(b, ";\n");
		return;
	}
	vgpu_buf_str(b, "\n{\n");
	if (f->unsupported)
		vgpu_buf_printf(b, "\t// unsupported: %s\n", f->unsupported);
	for (uint32_t k = 0; k < f->n_regs; k++)
		if (!is_reg_param(&f->proto, k))
			vgpu_buf_printf(b, "\t.reg .%s %s;\n", ir_type_name(f->regs[k].type), f->regs[k].name);
	for (uint32_t k = 0; k < f->n_locals; k++) {
		char name[32];

		snprintf(name, sizeof(name), "$v%u", k);
		vgpu_buf_str(b, "\t");
		print_var_type(b, &f->locals[k], name);
		vgpu_buf_str(b, ";\n");
	}
	print_protos(b, f);
	print_tables(b, f);
	for (uint32_t n = 0; n < f->n_blocks; n++) {
		vgpu_buf_printf(b, "$B%u:\n", n);
		for (uint32_t k = 0; k < f->blocks[n].n_insns; k++) {
			vgpu_buf_str(b, "\t");
			ir_print_insn(b, m, f, &f->blocks[n].insns[k]);
			vgpu_buf_str(b, "\n");
		}
	}
	vgpu_buf_str(b, "}\n");
}

void ir_print_module(struct vgpu_buf *b, const struct ir_module *m)
{
	vgpu_buf_printf(b, ".version %u.%u\n.target sm_%u%s\n.address_size %u\n", m->version / 10, m->version % 10, m->target,
			m->target_arch_specific ? "a" : "", m->address_size);
	/* all functions first: variables and calls may name any of them */
	for (uint32_t k = 0; k < m->n_funcs; k++)
		if (!m->funcs[k].is_entry || !m->funcs[k].defined) {
			print_header(b, &m->funcs[k]);
			vgpu_buf_str(b, ";\n");
		}
	for (uint32_t k = 0; k < m->n_vars; k++)
		print_var(b, m, &m->vars[k]);
	for (uint32_t k = 0; k < m->n_funcs; k++)
		if (m->funcs[k].defined)
			ir_print_func(b, m, &m->funcs[k]);
}
