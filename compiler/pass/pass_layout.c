/*
 * pass_layout.c: where variables lie.
 * In: symbols are resolved, the call graph is known. Out: ir_var.offset of
 * parameters, .local and .shared variables, and the sizes in ir_func.
 *
 * Parameters of an entry lie one behind the other at their alignment, which
 * is what the CUDA driver's parameter buffer looks like. A function's own
 * .param variables are in a frame of its own; those of scopes that are never
 * live together share bytes (ir_var.after).
 *
 * Shared memory belongs to entries: a module's or a .func's variable is only
 * in the shared memory of entries that can reach it. Its offset is the same
 * in all of them: variables that some entry needs both of get different
 * bytes, others may share. Of a function whose body isn't there yet the
 * module's variables are placed as those that it names, so that nothing moves
 * when it is; then its own are added, which nobody else can reach.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir_arena.h"
#include "compiler/pass/pass.h"
#include "util/compiler.h"
#include "util/htab.h"
#include "util/vec.h"

#define DYN_ALIGN 16

static uint64_t put(struct ir_var *v, uint64_t at)
{
	v->offset = vgpu_align_up(at, v->align ? v->align : 1);
	return v->offset + v->size;
}

static uint64_t put_formals(struct ir_func *f)
{
	uint64_t at = 0;

	for (uint32_t k = 0; k < f->proto.n_rets; k++)
		if (f->proto.rets[k].space != IR_SPACE_REG)
			at = put(&f->proto.rets[k], at);
	for (uint32_t k = 0; k < f->proto.n_params; k++)
		if (f->proto.params[k].space != IR_SPACE_REG)
			at = put(&f->proto.params[k], at);
	return at;
}

static int lay_out_private(struct ir_func *f, struct vgpu_err *err)
{
	uint64_t formals = put_formals(f), base = f->is_entry ? 0 : formals, frame = base, local = 0;

	for (uint32_t k = 0; k < f->n_locals; k++) {
		struct ir_var *v = &f->locals[k];

		if (v->space == IR_SPACE_PARAM_FUNC) {
			const struct ir_var *p = v->after ? &f->locals[v->after - 1] : NULL;

			frame = MAX(frame, put(v, p ? p->offset + p->size : base));
		} else if (v->space == IR_SPACE_LOCAL) {
			local = put(v, local);
		}
	}
	if (formals > UINT32_MAX / 2 || frame > UINT32_MAX / 2 || local > UINT32_MAX / 2)
		return vgpu_err_set(err, VGPU_E_INVALID_PTX, "function '%s' has too much local or parameter memory", f->name);
	f->param_bytes = (uint32_t)formals;
	f->frame_bytes = (uint32_t)vgpu_align_up(frame, 16);
	f->local_bytes = (uint32_t)vgpu_align_up(local, 16);
	return 0;
}

/* ---- shared memory ---- */

/* One shared variable and the entries that need it. */
struct svar {
	struct ir_var *v;
	VGPU_VEC(uint32_t) entries;
	bool placed;
};

struct seen {
	struct ir_var *v;
	bool placed;               /* in an earlier run */
};

struct shared {
	struct ir_module *m;
	VGPU_VEC(struct seen) vars;          /* the present entry's */
	VGPU_VEC(uint32_t) todo;             /* functions */
	bool *seen_func, *seen_var;          /* by function; by module variable */
	struct vgpu_htab ids;                /* struct ir_var * to number in all + 1 */
	VGPU_VEC(struct svar) all;
	struct entry_vars { VGPU_VEC(uint32_t) ids; } *of;   /* by function */
	bool nomem;
};

static void see_func(struct shared *s, uint32_t f)
{
	if (s->seen_func[f] || !s->m->funcs[f].defined)
		return;
	s->seen_func[f] = true;
	if (!vgpu_vec_push(&s->todo, f))
		s->nomem = true;
}

static void see_var(struct shared *s, struct ir_var *v, bool placed)
{
	struct seen x = { v, placed && !v->unsized };

	if (!vgpu_vec_push(&s->vars, x))
		s->nomem = true;
}

static void see_sym(struct shared *s, uint32_t n)
{
	const struct ir_sym *sym = &s->m->syms[n];

	if (sym->kind == IR_SYM_FUNC) {
		see_func(s, sym->index);
	} else if (s->m->vars[sym->index].space == IR_SPACE_SHARED && !s->seen_var[sym->index]) {
		s->seen_var[sym->index] = true;
		see_var(s, &s->m->vars[sym->index], s->m->laid_out);
	}
}

static void see_opnd(struct shared *s, const struct ir_opnd *o)
{
	for (unsigned k = 0; k < o->n_vec && o->vec; k++)
		see_opnd(s, &o->vec[k]);
	if (!o->sym_local && (o->kind == IR_OPND_SYM || o->kind == IR_OPND_FUNC ||
			      (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_SYM)))
		see_sym(s, o->sym);
}

static void see_body(struct shared *s, struct ir_func *f)
{
	for (uint32_t k = 0; k < f->n_locals; k++)
		if (f->locals[k].space == IR_SPACE_SHARED)
			see_var(s, &f->locals[k], f->passed);
	/* of a module with bodies that come later, those that are there are seen in the same way */
	for (uint32_t k = 0; k < f->n_refs; k++)
		see_sym(s, f->refs[k]);
	for (uint32_t n = 0; n < f->n_blocks; n++)
		for (uint32_t k = 0; k < f->blocks[n].n_insns; k++) {
			struct ir_insn *i = &f->blocks[n].insns[k];

			for (unsigned j = 0; j < i->n_src; j++)
				see_opnd(s, &i->src[j]);
			if (i->op != IR_OP_call)
				continue;
			see_opnd(s, &i->call->target);
			for (uint32_t j = 0; i->call->target.kind == IR_OPND_REG && j < s->m->n_funcs; j++)
				if (s->m->funcs[j].address_taken && !s->m->funcs[j].is_entry)
					see_func(s, j);
		}
}

/* All variables of shared memory that an entry can reach, the unsized ones among them. */
static void collect(struct shared *s, uint32_t entry)
{
	s->vars.n = s->todo.n = 0;
	memset(s->seen_func, 0, s->m->n_funcs);
	memset(s->seen_var, 0, s->m->n_vars);
	see_func(s, entry);
	while (s->todo.n)
		see_body(s, &s->m->funcs[s->todo.v[--s->todo.n]]);
}

static void note(struct shared *s, uint32_t entry, const struct seen *x)
{
	uintptr_t id = (uintptr_t)vgpu_htab_get(&s->ids, (uintptr_t)x->v);

	if (!id) {
		struct svar n = { .v = x->v, .placed = x->placed };

		if (!vgpu_vec_push(&s->all, n) || !vgpu_htab_put(&s->ids, (uintptr_t)x->v, (void *)s->all.n)) {
			s->nomem = true;
			return;
		}
		id = s->all.n;
	}
	if (!vgpu_vec_push(&s->all.v[id - 1].entries, entry) || !vgpu_vec_push(&s->of[entry].ids, (uint32_t)id - 1))
		s->nomem = true;
}

/* End of a placed variable that [at, at+size) overlaps for some entry that needs both; 0: none does. */
static uint64_t overlap(const struct shared *s, const struct svar *x, uint64_t at)
{
	for (size_t e = 0; e < x->entries.n; e++) {
		const struct entry_vars *o = &s->of[x->entries.v[e]];

		for (size_t k = 0; k < o->ids.n; k++) {
			const struct svar *y = &s->all.v[o->ids.v[k]];

			if (y->placed && y->v->offset < at + x->v->size && at < y->v->offset + y->v->size)
				return y->v->offset + y->v->size;
		}
	}
	return 0;
}

static void place(struct shared *s, struct svar *x)
{
	uint64_t at = 0, next;

	if (!x->v->unsized && x->v->size)
		while ((next = overlap(s, x, at)))
			at = vgpu_align_up(next, x->v->align ? x->v->align : 1);
	x->v->offset = at;
	x->placed = !x->v->unsized;
}

static void measure(const struct shared *s, struct ir_func *entry, const struct entry_vars *o)
{
	uint64_t end = 0, dyn_align = DYN_ALIGN;

	for (size_t k = 0; k < o->ids.n; k++) {
		const struct ir_var *v = s->all.v[o->ids.v[k]].v;

		if (v->unsized)
			dyn_align = MAX(dyn_align, v->align);
		else
			end = MAX(end, v->offset + v->size);
	}
	end = MIN(end, UINT32_MAX / 2);      /* refused at launch */
	entry->shared_bytes = (uint32_t)end;
	entry->dyn_shared_offset = (uint32_t)vgpu_align_up(end, dyn_align);
}

/* Entries of this run: the first one also looks at those without a body. */
static bool wants_layout(const struct ir_module *m, const struct ir_func *f)
{
	return f->is_entry && f->defined && !f->passed && (!f->unparsed || !m->laid_out);
}

static void place_all(struct shared *s)
{
	/* what several entries need first: their own variables then fill the gaps */
	for (int several = 1; several >= 0; several--)
		for (size_t k = 0; k < s->all.n; k++)
			if (!s->all.v[k].placed && (s->all.v[k].entries.n > 1) == several)
				place(s, &s->all.v[k]);
	for (uint32_t i = 0; i < s->m->n_funcs; i++)
		if (wants_layout(s->m, &s->m->funcs[i]))
			measure(s, &s->m->funcs[i], &s->of[i]);
}

static int lay_out_shared(struct ir_module *m, struct vgpu_err *err)
{
	struct shared s = { .m = m, .seen_func = calloc(m->n_funcs + 1, 1), .seen_var = calloc(m->n_vars + 1, 1),
			    .of = calloc(m->n_funcs + 1, sizeof(*s.of)) };

	vgpu_htab_init_int(&s.ids);
	s.nomem = !s.seen_func || !s.seen_var || !s.of;
	for (uint32_t i = 0; !s.nomem && i < m->n_funcs; i++) {
		if (!wants_layout(m, &m->funcs[i]))
			continue;
		collect(&s, i);
		for (size_t k = 0; k < s.vars.n; k++)
			note(&s, i, &s.vars.v[k]);
	}
	if (!s.nomem)
		place_all(&s);
	for (uint32_t i = 0; s.of && i < m->n_funcs; i++)
		vgpu_vec_free(&s.of[i].ids);
	for (size_t k = 0; k < s.all.n; k++)
		vgpu_vec_free(&s.all.v[k].entries);
	vgpu_vec_free(&s.all);
	vgpu_vec_free(&s.vars);
	vgpu_vec_free(&s.todo);
	vgpu_htab_fini(&s.ids);
	free(s.of);
	free(s.seen_func);
	free(s.seen_var);
	return s.nomem ? vgpu_err_set(err, VGPU_E_NOMEM, "layout of shared memory") : 0;
}

int pass_layout(struct ir_module *m, struct vgpu_err *err)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < m->n_funcs; i++)
		if (!m->funcs[i].passed)
			r = lay_out_private(&m->funcs[i], err);
	if (!r)
		r = lay_out_shared(m, err);
	m->laid_out = true;
	return r;
}
