/*
 * layout.c: before decoding: which functions a kernel can reach, and where
 * shared variables lie. Offsets in parameters and frames come with the IR;
 * those in shared memory are the kernel's own: only what it can reach counts.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"

void *in_own(struct be_kernel *k, size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (p && !vgpu_vec_push(&k->owned, p)) {
		free(p);
		p = NULL;
	}
	return p;
}

uint32_t in_func_of(const struct ir_module *m, const struct ir_opnd *o)
{
	if ((o->kind != IR_OPND_FUNC && o->kind != IR_OPND_SYM) || o->sym_local || o->sym >= m->n_syms)
		return UINT32_MAX;
	return m->syms[o->sym].kind == IR_SYM_FUNC ? m->syms[o->sym].index : UINT32_MAX;
}

int in_place(const struct in_func *f, uint32_t sym, uint64_t *off_out)
{
	const struct ir_func *ir = f->ir;
	const struct ir_var *v = ir_func_local(ir, sym);
	bool formal = sym < ir->proto.n_rets + ir->proto.n_params;

	*off_out = v->offset;
	switch (v->space) {
	case IR_SPACE_SHARED:
		*off_out = f->shared_off[sym];
		return IN_PLACE_SHARED;
	case IR_SPACE_LOCAL:
		*off_out += f->local_start;
		return IN_PLACE_FRAME;
	case IR_SPACE_PARAM:
	case IR_SPACE_PARAM_FUNC:
		return ir->is_entry && formal ? IN_PLACE_PARAM : IN_PLACE_FRAME;
	}
	return IN_PLACE_NONE;
}

struct walk {
	struct be_kernel *k;
	VGPU_VEC(uint32_t) todo;
	bool indirect, by_pointer, nomem;
};

static void reach(struct walk *x, uint32_t func)
{
	struct be_kernel *k = x->k;
	struct in_func *f;

	if (k->funcs[func] || !k->m->funcs[func].defined)
		return;
	f = in_own(k, sizeof(*f));
	if (!f || !vgpu_vec_push(&x->todo, func)) {
		x->nomem = true;
		return;
	}
	f->ir = &k->m->funcs[func];
	f->index = func;
	f->by_pointer = x->by_pointer;
	k->funcs[func] = f;
}

static void see_opnd(struct walk *x, const struct ir_opnd *o)
{
	const struct ir_module *m = x->k->m;

	if (o->kind == IR_OPND_VEC)
		for (unsigned k = 0; k < o->n_vec; k++)
			see_opnd(x, &o->vec[k]);
	if (o->sym_local || o->sym >= m->n_syms || m->syms[o->sym].kind != IR_SYM_VAR)
		return;
	if (o->kind == IR_OPND_SYM || (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_SYM))
		if (m->vars[m->syms[o->sym].index].space == IR_SPACE_SHARED)
			x->k->shared_off[m->syms[o->sym].index] = 0;
}

static void see_insn(struct walk *x, const struct ir_insn *i)
{
	for (unsigned n = 0; n < i->n_dst; n++)
		see_opnd(x, &i->dst[n]);
	for (unsigned n = 0; n < i->n_src; n++)
		see_opnd(x, &i->src[n]);
	if (!i->call)
		return;
	x->k->calls = true;
	for (uint32_t n = 0; n < i->call->n_args; n++)
		see_opnd(x, &i->call->args[n]);
	if (i->call->target.kind == IR_OPND_FUNC) {
		uint32_t f = in_func_of(x->k->m, &i->call->target);

		if (f != UINT32_MAX)
			reach(x, f);
	} else {
		x->indirect = true;
	}
}

static int reach_all(struct be_kernel *k, uint32_t entry, struct vgpu_err *err)
{
	struct walk x = { .k = k };

	reach(&x, entry);
	while (x.todo.n && !x.nomem) {
		const struct ir_func *f = &k->m->funcs[x.todo.v[--x.todo.n]];

		for (uint32_t b = 0; b < f->n_blocks; b++)
			for (uint32_t n = 0; n < f->blocks[b].n_insns; n++)
				see_insn(&x, &f->blocks[b].insns[n]);
		if (!x.todo.n && x.indirect) {
			x.indirect = false;
			x.by_pointer = true;
			for (uint32_t n = 0; n < k->m->n_funcs; n++)
				if (k->bm->addr_taken[n])
					reach(&x, n);
		}
	}
	vgpu_vec_free(&x.todo);
	return x.nomem ? vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", k->entry->name) : 0;
}

static uint64_t place_shared(uint64_t *end, const struct ir_var *v)
{
	uint64_t at = vgpu_align_up(*end, v->align ? v->align : 1);

	*end = at + v->size;
	return at;
}

/* Sized variables one after the other, then all unsized ones at one place: the dynamic part. */
static int layout_shared(struct be_kernel *k, struct vgpu_err *err)
{
	uint64_t end = IN_SHARED_RESERVED, dyn_align = 16;
	const struct ir_module *m = k->m;

	for (uint32_t v = 0; v < m->n_vars; v++) {
		if (k->shared_off[v] == UINT64_MAX)
			continue;
		if (!m->vars[v].unsized)
			k->shared_off[v] = place_shared(&end, &m->vars[v]);
		else
			dyn_align = MAX(dyn_align, (uint64_t)m->vars[v].align);
	}
	for (uint32_t n = 0; n < m->n_funcs; n++) {
		struct in_func *f = k->funcs[n];
		uint32_t formals, syms;

		if (!f)
			continue;
		formals = f->ir->proto.n_rets + f->ir->proto.n_params;
		syms = formals + f->ir->n_locals;
		f->shared_off = in_own(k, syms * sizeof(*f->shared_off));
		if (!f->shared_off)
			return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", k->entry->name);
		for (uint32_t s = formals; s < syms; s++) {
			const struct ir_var *v = ir_func_local(f->ir, s);

			if (v->space == IR_SPACE_SHARED && !v->unsized)
				f->shared_off[s] = place_shared(&end, v);
		}
	}
	k->shared_end = (uint32_t)MIN(end, (uint64_t)UINT32_MAX);
	end = vgpu_align_up(end, MIN(dyn_align, (uint64_t)1024));
	if (end > 16 << 20)
		return vgpu_err_set(err, VGPU_E_INVALID_PTX, "'%s' uses %llu bytes of static shared memory", k->entry->name,
				    (unsigned long long)end);
	for (uint32_t v = 0; v < m->n_vars; v++)
		if (k->shared_off[v] != UINT64_MAX && m->vars[v].unsized)
			k->shared_off[v] = end;
	for (uint32_t n = 0; n < m->n_funcs; n++)
		for (uint32_t s = 0; k->funcs[n] && s < k->funcs[n]->ir->n_locals; s++)
			if (k->funcs[n]->ir->locals[s].space == IR_SPACE_SHARED && k->funcs[n]->ir->locals[s].unsized)
				k->funcs[n]->shared_off[k->funcs[n]->ir->proto.n_rets + k->funcs[n]->ir->proto.n_params + s] = end;
	k->shared_static = (uint32_t)(end - IN_SHARED_RESERVED);
	return 0;
}

static void layout_frame(struct in_func *f)
{
	f->frame_align = 16;
	for (uint32_t s = 0; s < f->ir->n_locals; s++)
		if (f->ir->locals[s].space != IR_SPACE_SHARED)
			f->frame_align = f->ir->locals[s].align > f->frame_align ? f->ir->locals[s].align : f->frame_align;
	f->frame_align = MIN(f->frame_align, 128u);
	f->local_start = f->ir->local_bytes ? (uint32_t)vgpu_align_up(f->ir->frame_bytes, f->frame_align) : f->ir->frame_bytes;
	f->frame_B = (uint32_t)vgpu_align_up(f->local_start + f->ir->local_bytes, 16);
	if (!f->ir->is_entry && !f->frame_B)
		f->frame_B = 16;   /* a call costs something: endless recursion ends at the stack limit */
}

int in_layout(struct be_kernel *k, uint32_t entry, struct vgpu_err *err)
{
	int rc;

	for (uint32_t v = 0; v < k->m->n_vars; v++)
		k->shared_off[v] = UINT64_MAX;
	rc = reach_all(k, entry, err);
	if (!rc)
		rc = layout_shared(k, err);
	if (rc)
		return rc;
	for (uint32_t n = 0; n < k->m->n_funcs; n++)
		if (k->funcs[n])
			layout_frame(k->funcs[n]);
	k->param_B = k->entry->param_bytes;
	k->local_B = k->funcs[entry]->frame_B;
	return 0;
}
