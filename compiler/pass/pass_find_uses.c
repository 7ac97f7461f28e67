/*
 * pass_find_uses.c: what a function needs from whoever runs it.
 * In: symbols are resolved. Out: uses_barrier, uses_dyn_shared, has_call and
 * has_indirect_call are set, of callees too; `unsupported` of a callee is
 * also its callers'.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir_arena.h"
#include "compiler/pass/pass.h"
#include "compiler/ptx/ptx_builtin.h"

static void use_symbol(const struct ir_module *m, struct ir_func *f, const struct ir_opnd *o)
{
	const struct ir_var *v;

	if ((o->kind != IR_OPND_SYM && (o->kind != IR_OPND_MEM || o->mem_base != IR_BASE_SYM)))
		return;
	if (o->sym_local)
		v = ir_func_local(f, o->sym);
	else
		v = m->syms[o->sym].kind == IR_SYM_VAR ? &m->vars[m->syms[o->sym].index] : NULL;
	if (v && v->space == IR_SPACE_SHARED && v->unsized)
		f->uses_dyn_shared = true;
}

static void set_unsupported(struct ir_func *f, const char *why, uint32_t line)
{
	if (!f->unsupported) {
		f->unsupported = why;
		f->unsupported_line = line;
	}
}

static void use_insn(struct ir_module *m, struct ir_func *f, struct ir_insn *i)
{
	const struct ptx_builtin *b;

	if (i->op == IR_OP_bar || i->op == IR_OP_barrier)
		f->uses_barrier |= i->mode != IR_MODE_WARP;
	for (unsigned k = 0; k < i->n_src; k++)
		use_symbol(m, f, &i->src[k]);
	if (i->op != IR_OP_call)
		return;
	f->has_call = true;
	if (i->call->target.kind == IR_OPND_REG) {
		f->has_indirect_call = true;
		return;
	}
	b = ptx_builtin_find(m->syms[i->call->target.sym].name);
	if (b && b->unsupported && !m->funcs[m->syms[i->call->target.sym].index].defined) {
		i->unsupported = b->unsupported;
		set_unsupported(f, b->unsupported, i->loc.line);
	}
}

/* Takes over what a callee needs; true if that was news. */
static bool inherit(struct ir_module *m, struct ir_func *f, const struct ir_func *callee)
{
	struct ir_func before = *f;

	f->uses_barrier |= callee->uses_barrier;
	f->uses_dyn_shared |= callee->uses_dyn_shared;
	f->has_indirect_call |= callee->has_indirect_call;
	if (callee->unsupported && !f->unsupported) {
		f->unsupported = callee->unsupported;
		f->unsupported_line = callee->unsupported_line;
	}
	(void)m;
	return before.uses_barrier != f->uses_barrier || before.uses_dyn_shared != f->uses_dyn_shared ||
	       before.has_indirect_call != f->has_indirect_call || before.unsupported != f->unsupported;
}

static bool inherit_all(struct ir_module *m, struct ir_func *f)
{
	bool news = false;

	for (uint32_t n = 0; n < f->n_blocks; n++)
		for (uint32_t k = 0; k < f->blocks[n].n_insns; k++) {
			const struct ir_insn *i = &f->blocks[n].insns[k];

			if (i->op == IR_OP_call && i->call->target.kind == IR_OPND_FUNC)
				news |= inherit(m, f, &m->funcs[m->syms[i->call->target.sym].index]);
		}
	return news;
}

int pass_find_uses(struct ir_module *m, struct vgpu_err *err)
{
	bool news = true;

	(void)err;
	for (uint32_t i = 0; i < m->n_funcs; i++) {
		struct ir_func *f = &m->funcs[i];

		for (uint32_t n = 0; n < f->n_blocks && !f->passed; n++)
			for (uint32_t k = 0; k < f->blocks[n].n_insns; k++)
				use_insn(m, f, &f->blocks[n].insns[k]);
	}
	while (news) {
		news = false;
		for (uint32_t i = 0; i < m->n_funcs; i++)
			if (m->funcs[i].has_call)
				news |= inherit_all(m, &m->funcs[i]);
	}
	return 0;
}
