/*
 * ir_check.c: the invariants of ir.h. A violation is a mistake of the parser
 * or of a pass, never of the input.
 */
#include <string.h>

#include "compiler/ir/ir_cfg.h"
#include "compiler/ptx/ptx_form.h"
#include "util/err.h"

struct check {
	const struct ir_module *m;
	const struct ir_func *f;
	const struct ir_insn *i;
	struct vgpu_err *err;
};

static int bad(struct check *c, const char *what)
{
	return vgpu_err_set(c->err, VGPU_E_INTERNAL, "IR of '%s', line %u, '%s': %s", c->f->name, c->i ? c->i->loc.line : 0,
			    c->i && c->i->spelling ? c->i->spelling : "-", what);
}

static int check_sym(struct check *c, const struct ir_opnd *o)
{
	if (o->sym_local ? !ir_func_local(c->f, o->sym) : o->sym >= c->m->n_syms)
		return bad(c, "symbol is out of range");
	return 0;
}

static int check_opnd(struct check *c, const struct ir_opnd *o, bool nested)
{
	int r = 0;

	switch (o->kind) {
	case IR_OPND_NONE: case IR_OPND_IMM: case IR_OPND_SINK:
		break;
	case IR_OPND_REG:
		if (o->reg >= c->f->n_regs)
			return bad(c, "register is out of range");
		break;
	case IR_OPND_SREG:
		if (!o->imm || o->imm >= IR_SREG_COUNT)
			return bad(c, "special register is out of range");
		break;
	case IR_OPND_SYM:
		return check_sym(c, o);
	case IR_OPND_FUNC:
		if (o->sym_local || check_sym(c, o) || c->m->syms[o->sym].kind != IR_SYM_FUNC)
			return bad(c, "function is out of range");
		break;
	case IR_OPND_MEM:
		if (o->mem_base == IR_BASE_REG && o->reg >= c->f->n_regs)
			return bad(c, "base register is out of range");
		if (o->mem_base == IR_BASE_SYM)
			r = check_sym(c, o);
		break;
	case IR_OPND_VEC:
		if (nested)
			return bad(c, "vector inside a vector");
		break;
	case IR_OPND_LABEL:
		if (o->block >= c->f->n_blocks)
			return bad(c, "block is out of range");
		break;
	default:
		return bad(c, "unknown kind of operand");
	}
	for (unsigned k = 0; !r && k < o->n_vec && o->vec; k++)
		r = check_opnd(c, &o->vec[k], true);
	return r;
}

static int check_call(struct check *c)
{
	const struct ir_call *call = c->i->call;
	int r;

	if (!call)
		return bad(c, "call without its description");
	if (call->target.kind != IR_OPND_FUNC && call->target.kind != IR_OPND_REG)
		return bad(c, "target of a call is neither function nor register");
	if (call->target.kind == IR_OPND_REG && !call->proto)
		return bad(c, "indirect call without prototype");
	r = check_opnd(c, &call->target, false);
	for (uint32_t k = 0; !r && k < call->n_rets; k++)
		r = check_opnd(c, &call->rets[k], false);
	for (uint32_t k = 0; !r && k < call->n_args; k++)
		r = check_opnd(c, &call->args[k], false);
	return r;
}

static int check_insn(struct check *c, bool last)
{
	const struct ir_insn *i = c->i;
	int r = 0;

	if (!i->op || i->op >= IR_OP_COUNT || i->type >= IR_T_COUNT || i->stype >= IR_T_COUNT)
		return bad(c, "operation or type is out of range");
	if (!i->spelling)
		return bad(c, "no spelling");
	if (i->n_dst > IR_MAX_DST || i->n_src > IR_MAX_SRC)
		return bad(c, "too many operands");
	if (ir_ends_block(i) && !last)
		return bad(c, "end of a block in its middle");
	if (i->guard && (i->guard > c->f->n_regs || c->f->regs[i->guard - 1].type != IR_T_PRED))
		return bad(c, "guard is not a predicate");
	if (i->op == IR_OP_bra && i->src[0].kind != IR_OPND_LABEL)
		return bad(c, "branch without target");
	if (i->op == IR_OP_brx && i->extra >= c->f->n_tables)
		return bad(c, "branch table is out of range");
	if (i->op == IR_OP_call)
		return check_call(c);
	for (unsigned k = 0; !r && k < i->n_dst; k++)
		r = check_opnd(c, &i->dst[k], false);
	for (unsigned k = 0; !r && k < i->n_src; k++)
		r = check_opnd(c, &i->src[k], false);
	return r;
}

static int check_func(struct check *c)
{
	const struct ir_func *f = c->f;
	const struct ir_block *last;
	int r = 0;

	c->i = NULL;
	if (!f->defined || f->unparsed || (c->m->lazy && (f->passed || f->unsupported)))
		return 0;
	if (!f->n_blocks)
		return bad(c, "function without blocks");
	for (uint32_t t = 0; t < f->n_tables; t++)
		for (uint32_t k = 0; k < f->table_len[t]; k++)
			if (f->tables[t][k] >= f->n_blocks)
				return bad(c, "branch table leads out of the function");
	for (uint32_t n = 0; !r && n < f->n_blocks; n++)
		for (uint32_t k = 0; !r && k < f->blocks[n].n_insns; k++) {
			c->i = &f->blocks[n].insns[k];
			r = check_insn(c, k + 1 == f->blocks[n].n_insns);
		}
	if (r)
		return r;
	last = &f->blocks[f->n_blocks - 1];
	c->i = last->n_insns ? &last->insns[last->n_insns - 1] : NULL;
	if (!c->i || !ir_ends_block(c->i) || c->i->guard)
		return bad(c, "control runs off the end");
	return 0;
}

int ir_check(const struct ir_module *m, struct vgpu_err *err)
{
	struct check c = { .m = m, .err = err };
	int r = 0;

	for (uint32_t n = 0; !r && n < m->n_funcs; n++) {
		c.f = &m->funcs[n];
		r = check_func(&c);
	}
	return r;
}
