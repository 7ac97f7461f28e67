/*
 * flatten.c: from a kernel's IR to struct gen_func.
 *
 * A call is expanded: the callee's blocks are copied, its registers get
 * numbers of their own, its formal parameters are the caller's .param
 * variables by another name. What can't be expanded (recursion, calls through
 * pointers) or has no form here (clusters, registers of 128 bits) leaves the
 * kernel to the interpreter.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/flat.h"

#define MAX_INSNS 400000u
#define MAX_DEPTH 64u

struct flat {
	struct gen *g;
	struct gen_func *f;
	uint32_t cur;              /* block being filled */
	uint32_t n_insns;
	bool nomem;
};

struct frame {                     /* an expansion under way */
	struct gen_inst *inst;
	uint32_t first;            /* flat block of its block 0, and so on */
	uint32_t ret;              /* where a return goes; GEN_NONE: the kernel ends */
	unsigned depth;
	const struct frame *up;
};

static void refuse(struct flat *x, const char *why, const struct ir_insn *i)
{
	if (x->f->why)
		return;
	x->f->why = why;
	x->f->why_line = i ? i->loc.line : 0;
}

static uint32_t new_block(struct flat *x)
{
	struct gen_block b = { .idom = GEN_NONE, .ipdom = GEN_NONE, .comp = GEN_NONE };

	b.term = GEN_T_EXIT;
	if (!vgpu_vec_push(&x->f->blocks, b)) {
		x->nomem = true;
		return 0;
	}
	return (uint32_t)x->f->blocks.n - 1;
}

static struct gen_block *block(struct flat *x)
{
	return &x->f->blocks.v[x->cur];
}

static uint32_t new_reg(struct flat *x, uint8_t type, unsigned bits)
{
	struct gen_reg r = { .type = type, .bits = (uint8_t)bits };

	if (!vgpu_vec_push(&x->f->regs, r)) {
		x->nomem = true;
		return 0;
	}
	return (uint32_t)x->f->regs.n - 1;
}

static void push(struct flat *x, const struct gen_insn *i)
{
	if (!vgpu_vec_push(&block(x)->insns, *i))
		x->nomem = true;
	if (++x->n_insns > MAX_INSNS)
		refuse(x, "the kernel is too large", i->i);
}

static void end_br(struct flat *x, uint32_t to)
{
	struct gen_block *b = block(x);

	b->term = GEN_T_BR;
	b->succ[0] = to;
	b->n_succ = 1;
}

static void end_cond(struct flat *x, uint32_t pred, bool neg, uint32_t yes, uint32_t no)
{
	struct gen_block *b = block(x);

	if (yes == no) {
		end_br(x, yes);
		return;
	}
	b->term = GEN_T_COND;
	b->pred_reg = pred;
	b->neg = neg;
	b->succ[0] = yes;
	b->succ[1] = no;
	b->n_succ = 2;
}

static void end_with(struct flat *x, enum gen_term term, const struct gen_insn *i, uint32_t next)
{
	struct gen_block *b = block(x);

	b->term = term;
	b->bar = *i;
	b->succ[0] = next;
	b->n_succ = next == GEN_NONE ? 0 : 1;
}

/* ---- instances and their variables ---- */

static struct gen_inst *new_inst(struct flat *x, uint32_t func, const struct gen_inst *caller, const struct ir_call *call)
{
	const struct in_func *in = x->f->ik->funcs[func];
	struct gen_inst *t = calloc(1, sizeof(*t));
	uint32_t syms;

	if (!t || !vgpu_vec_push(&x->f->insts, t)) {
		free(t);
		x->nomem = true;
		return NULL;
	}
	t->in = in;
	t->caller = caller;
	t->call = call;
	t->reg0 = (uint32_t)x->f->regs.n;
	for (uint32_t r = 0; r < in->ir->n_regs; r++) {
		unsigned bits = ir_type_bits(in->ir->regs[r].type);

		new_reg(x, in->ir->regs[r].type, bits);
		if (bits > 64)
			refuse(x, "registers of 128 bits", NULL);
	}
	t->cc = new_reg(x, IR_T_PRED, 1);
	t->local_off = caller ? (uint32_t)vgpu_align_up(caller->local_off + caller->in->frame_B, MAX(in->frame_align, 16u)) : 0;
	x->f->local_B = MAX(x->f->local_B, t->local_off + in->frame_B);
	t->slot0 = (uint32_t)x->f->vars.n;
	syms = in->ir->proto.n_rets + in->ir->proto.n_params + in->ir->n_locals;
	for (uint32_t s = 0; s < syms; s++) {
		struct gen_var v = { .alias_inst = GEN_NONE };

		if (!vgpu_vec_push(&x->f->vars, v))
			x->nomem = true;
	}
	return t;
}

static uint32_t root_of(const struct gen_func *f, uint32_t var)
{
	while (f->vars.v[var].alias_inst != GEN_NONE)
		var = f->vars.v[var].alias_inst;
	return var;
}

/* A variable of space .param that belongs to a thread (not the kernel's parameters). */
static bool is_thread_param(const struct gen_inst *inst, uint32_t sym)
{
	const struct ir_var *v = ir_func_local(inst->in->ir, sym);
	uint64_t off;

	if (v->space != IR_SPACE_PARAM && v->space != IR_SPACE_PARAM_FUNC)
		return false;
	return in_place(inst->in, sym, &off) == IN_PLACE_FRAME;
}

static void note_piece(struct flat *x, uint32_t var, uint64_t off, uint32_t size)
{
	struct gen_var *v = &x->f->vars.v[root_of(x->f, var)];
	struct gen_slot s = { (uint32_t)off, size, GEN_NONE };

	if (off > UINT32_MAX / 2 || (size != 1 && size != 2 && size != 4 && size != 8)) {
		v->in_memory = true;
		return;
	}
	for (size_t k = 0; k < v->slots.n; k++) {
		const struct gen_slot *o = &v->slots.v[k];

		if (o->off == s.off && o->size == s.size)
			return;
		if (s.off < o->off + o->size && o->off < s.off + s.size)
			v->in_memory = true;
	}
	if (!vgpu_vec_push(&v->slots, s))
		x->nomem = true;
}

/* What an operand does with a .param variable: names a piece of it, or its address. */
static void see_operand(struct flat *x, const struct gen_inst *inst, const struct ir_insn *i, const struct ir_opnd *o, bool access)
{
	if (o->kind == IR_OPND_VEC)
		for (unsigned k = 0; k < o->n_vec; k++)
			see_operand(x, inst, i, &o->vec[k], false);
	if (!o->sym_local || (o->kind != IR_OPND_SYM && !(o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_SYM)))
		return;
	if (!is_thread_param(inst, o->sym))
		return;
	if (!access || o->kind != IR_OPND_MEM) {
		x->f->vars.v[root_of(x->f, inst->slot0 + o->sym)].in_memory = true;
		return;
	}
	for (unsigned k = 0; k < MAX(i->vec, 1u); k++)
		note_piece(x, inst->slot0 + o->sym, (uint64_t)o->off + k * ir_type_size(i->type), ir_type_size(i->type));
}

static void see_vars(struct flat *x, const struct gen_inst *inst, const struct ir_insn *i)
{
	bool access = (i->op == IR_OP_ld || i->op == IR_OP_st) && i->order == IR_ORD_WEAK && !i->guard;

	for (unsigned n = 0; n < i->n_src; n++)
		see_operand(x, inst, i, &i->src[n], access && n == 0);
}

static void args_in_memory(struct flat *x, const struct gen_inst *inst, const struct ir_opnd *o, uint32_t n)
{
	for (uint32_t k = 0; k < n; k++)
		if (o[k].kind == IR_OPND_SYM && o[k].sym_local && is_thread_param(inst, o[k].sym))
			x->f->vars.v[root_of(x->f, inst->slot0 + o[k].sym)].in_memory = true;
}

uint32_t gen_slot_of(const struct gen_func *f, const struct gen_inst *inst, uint32_t sym, uint64_t off, uint32_t size)
{
	const struct gen_var *v = &f->vars.v[root_of(f, inst->slot0 + sym)];

	if (v->in_memory || !is_thread_param(inst, sym))
		return GEN_NONE;
	for (size_t k = 0; k < v->slots.n; k++)
		if (v->slots.v[k].off == off && v->slots.v[k].size == size)
			return v->slots.v[k].reg;
	return GEN_NONE;
}

uint32_t gen_local_of(const struct gen_func *f, const struct gen_inst *inst, uint32_t sym)
{
	uint32_t root = root_of(f, inst->slot0 + sym);
	uint64_t off = 0;

	for (size_t k = 0; k < f->insts.n; k++) {
		const struct gen_inst *t = f->insts.v[k];
		uint32_t n = t->in->ir->proto.n_rets + t->in->ir->proto.n_params + t->in->ir->n_locals;

		if (root >= t->slot0 && root < t->slot0 + n) {
			in_place(t->in, root - t->slot0, &off);
			return t->local_off + (uint32_t)off;
		}
	}
	return 0;
}

/* When all accesses are known: registers for the pieces of variables that are never in memory. */
static void make_slots(struct flat *x)
{
	static const uint8_t types[9] = { [1] = IR_T_B8, [2] = IR_T_B16, [4] = IR_T_B32, [8] = IR_T_B64 };

	for (size_t k = 0; k < x->f->vars.n; k++)
		for (size_t s = 0; !x->f->vars.v[k].in_memory && s < x->f->vars.v[k].slots.n; s++) {
			struct gen_slot *p = &x->f->vars.v[k].slots.v[s];

			p->reg = new_reg(x, types[p->size], 8 * p->size);
		}
}

/* ---- calls ---- */

static void expand(struct flat *x, uint32_t func, struct gen_inst *inst, uint32_t ret, unsigned depth, const struct frame *up);

static void move_to(struct flat *x, uint32_t dst, const struct gen_inst *from, const struct ir_opnd *o, const struct ir_insn *i)
{
	struct gen_insn m = { .kind = GEN_I_MOVE, .dst = dst, .src = GEN_NONE, .i = i, .inst = from };

	if (o->kind == IR_OPND_REG)
		m.src = gen_reg_of(from, o->reg);
	else if (o->kind == IR_OPND_IMM)
		m.imm = o->imm;
	else
		refuse(x, "an argument of such a kind", i);
	push(x, &m);
}

static void move_back(struct flat *x, const struct gen_inst *to, const struct ir_opnd *o, uint32_t src, const struct ir_insn *i)
{
	struct gen_insn m = { .kind = GEN_I_MOVE, .src = src, .i = i, .inst = to };

	if (o->kind == IR_OPND_SINK || o->kind == IR_OPND_NONE)
		return;
	if (o->kind != IR_OPND_REG) {
		refuse(x, "a result of such a kind", i);
		return;
	}
	m.dst = gen_reg_of(to, o->reg);
	push(x, &m);
}

/* Ties a formal of the callee to what the caller names. in: before the body; else after it. */
static void pass_value(struct flat *x, struct gen_inst *callee, uint32_t sym, const struct gen_inst *caller, const struct ir_opnd *o,
		       const struct ir_insn *i, bool param, bool before)
{
	const struct ir_var *v = ir_func_local(callee->in->ir, sym);
	bool named = o->kind == IR_OPND_SYM && o->sym_local;

	if (v->space == IR_SPACE_REG) {
		if (named)
			refuse(x, "a .param variable passed to a register", i);
		else if (param && before)
			move_to(x, gen_reg_of(callee, v->reg), caller, o, i);
		else if (!param && !before)
			move_back(x, caller, o, gen_reg_of(callee, v->reg), i);
		return;
	}
	if (!named) {
		refuse(x, "a register passed to a .param variable", i);
		return;
	}
	if (before)
		x->f->vars.v[callee->slot0 + sym].alias_inst = caller->slot0 + o->sym;
}

static void pass_all(struct flat *x, struct gen_inst *callee, const struct gen_inst *caller, const struct ir_insn *i, bool before)
{
	const struct ir_proto *p = &callee->in->ir->proto;

	for (uint32_t k = 0; k < p->n_rets; k++)
		pass_value(x, callee, k, caller, &i->call->rets[k], i, false, before);
	for (uint32_t k = 0; k < p->n_params; k++)
		pass_value(x, callee, p->n_rets + k, caller, &i->call->args[k], i, true, before);
}

static bool is_recursive(const struct frame *fr, const struct in_func *in)
{
	for (; fr; fr = fr->up)
		if (fr->inst->in == in)
			return true;
	return false;
}

static void expand_call(struct flat *x, const struct frame *fr, const struct ir_insn *i)
{
	uint32_t func = in_func_of(x->g->m, &i->call->target), after;
	struct gen_inst *callee;
	const struct ir_proto *p;

	if (is_recursive(fr, x->f->ik->funcs[func]) || fr->depth >= MAX_DEPTH) {
		refuse(x, "recursion", i);
		return;
	}
	p = &x->f->ik->funcs[func]->ir->proto;
	if (p->n_rets != i->call->n_rets || p->n_params != i->call->n_args) {
		refuse(x, "a call that doesn't fit its function", i);
		return;
	}
	callee = new_inst(x, func, fr->inst, i->call);
	if (!callee)
		return;
	pass_all(x, callee, fr->inst, i, true);
	after = new_block(x);
	expand(x, func, callee, after, fr->depth + 1, fr);
	x->cur = after;
	pass_all(x, callee, fr->inst, i, false);
}

/* ---- instructions ---- */

static bool is_call(const struct ir_insn *i)
{
	return i->op == IR_OP_call;
}

/* Does more than computing a value: a guard of it can't be a select. */
static bool has_effect(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_ld: case IR_OP_ldu: case IR_OP_st: case IR_OP_atom: case IR_OP_red: case IR_OP_cp: case IR_OP_mbarrier:
	case IR_OP_shfl: case IR_OP_vote: case IR_OP_match: case IR_OP_redux: case IR_OP_activemask: case IR_OP_elect:
	case IR_OP_bar: case IR_OP_barrier: case IR_OP_membar: case IR_OP_fence: case IR_OP_call: case IR_OP_nanosleep:
	case IR_OP_ldmatrix: case IR_OP_stmatrix: case IR_OP_movmatrix: case IR_OP_mma: case IR_OP_wmma:
	case IR_OP_tex: case IR_OP_tld4: case IR_OP_suld: case IR_OP_sust: case IR_OP_sured:
		return true;
	default:
		/* several results in one vector operand */
		return i->n_dst && i->dst[0].kind == IR_OPND_VEC;
	}
}

static bool is_wait(const struct ir_insn *i)
{
	return (i->op == IR_OP_bar || i->op == IR_OP_barrier) && i->scope != IR_SCOPE_CLUSTER &&
	       (i->mode == IR_MODE_SYNC || i->mode == IR_MODE_RED);
}

static bool is_nothing(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_brkpt: case IR_OP_pmevent: case IR_OP_griddepcontrol: case IR_OP_setmaxnreg: case IR_OP_prefetch:
	case IR_OP_prefetchu: case IR_OP_applypriority: case IR_OP_discard:
		return true;
	default:
		return i->op == IR_OP_cp && (i->mode == IR_MODE_COMMIT || i->mode == IR_MODE_WAIT_GROUP || i->mode == IR_MODE_WAIT_ALL);
	}
}

static void check_op(struct flat *x, const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_alloca: case IR_OP_stacksave: case IR_OP_stackrestore:
		refuse(x, "a stack pointer that the program moves", i);
		break;
	case IR_OP_mapa: case IR_OP_getctarank:
		refuse(x, "clusters", i);
		break;
	case IR_OP_barrier:
		if (i->scope == IR_SCOPE_CLUSTER)
			refuse(x, "clusters", i);
		break;
	}
	if (i->space == IR_SPACE_SHARED_CLUSTER)
		refuse(x, "clusters", i);
}

/* Branches around what follows unless the guard holds; answers the block behind it. */
static uint32_t open_guard(struct flat *x, const struct frame *fr, const struct ir_insn *i)
{
	uint32_t body = new_block(x), after = new_block(x);

	end_cond(x, gen_reg_of(fr->inst, i->guard - 1), i->guard_neg, body, after);
	x->cur = body;
	return after;
}

static void flat_brx(struct flat *x, const struct frame *fr, const struct gen_insn *t)
{
	const struct ir_func *ir = fr->inst->in->ir;
	const struct ir_insn *i = t->i;
	uint32_t n = i->extra < ir->n_tables ? ir->table_len[i->extra] : 0;

	if (i->src[0].kind != IR_OPND_REG) {
		refuse(x, "a branch table with such an index", i);
		return;
	}
	for (uint32_t k = 0; k < n; k++) {
		struct gen_insn eq = { .kind = GEN_I_EQ, .i = i, .inst = fr->inst, .src = gen_reg_of(fr->inst, i->src[0].reg), .imm = k };
		uint32_t next = new_block(x);

		eq.dst = new_reg(x, IR_T_PRED, 1);
		push(x, &eq);
		end_cond(x, eq.dst, false, fr->first + ir->tables[i->extra][k], next);
		x->cur = next;
	}
	end_with(x, GEN_T_FAULT, t, GEN_NONE);
}

static void flat_end(struct flat *x, const struct frame *fr, const struct gen_insn *t)
{
	switch (t->i->op) {
	case IR_OP_bra:
		end_br(x, fr->first + t->i->src[0].block);
		return;
	case IR_OP_brx:
		flat_brx(x, fr, t);
		return;
	case IR_OP_ret:
		if (fr->ret != GEN_NONE) {
			end_br(x, fr->ret);
			return;
		}
		break;
	case IR_OP_trap:
		end_with(x, GEN_T_FAULT, t, GEN_NONE);
		return;
	}
	block(x)->term = GEN_T_EXIT;
	block(x)->n_succ = 0;
}

/* A guarded end: what doesn't take it falls through. */
static void flat_guarded_end(struct flat *x, const struct frame *fr, const struct gen_insn *t, uint32_t next)
{
	const struct ir_insn *i = t->i;
	uint32_t pred = gen_reg_of(fr->inst, i->guard - 1), body;

	if (i->op == IR_OP_bra) {
		end_cond(x, pred, i->guard_neg, fr->first + i->src[0].block, next);
		return;
	}
	if (i->op == IR_OP_ret && fr->ret != GEN_NONE) {
		end_cond(x, pred, i->guard_neg, fr->ret, next);
		return;
	}
	body = new_block(x);
	end_cond(x, pred, i->guard_neg, body, next);
	x->cur = body;
	flat_end(x, fr, t);
}

static void flat_call(struct flat *x, const struct frame *fr, const struct gen_insn *t)
{
	const struct ir_call *c = t->i->call;
	uint32_t func = c->target.kind == IR_OPND_FUNC ? in_func_of(x->g->m, &c->target) : UINT32_MAX;

	if (func == UINT32_MAX) {
		refuse(x, "a call through a pointer", t->i);
		return;
	}
	if (x->g->m->funcs[func].defined) {
		expand_call(x, fr, t->i);
		return;
	}
	/* of the run time: done as the interpreter does it */
	args_in_memory(x, fr->inst, c->args, c->n_args);
	args_in_memory(x, fr->inst, c->rets, c->n_rets);
	push(x, t);
}

static void flat_one(struct flat *x, const struct frame *fr, const struct gen_insn *t)
{
	uint32_t next;

	if (is_wait(t->i) || t->i->op == IR_OP_nanosleep) {
		next = new_block(x);
		end_with(x, is_wait(t->i) ? GEN_T_BAR : GEN_T_SLEEP, t, next);
		x->cur = next;
	} else if (is_call(t->i)) {
		flat_call(x, fr, t);
	} else {
		push(x, t);
	}
}

static void flat_insn(struct flat *x, const struct frame *fr, uint32_t b, uint32_t n)
{
	const struct ir_insn *i = &fr->inst->in->ir->blocks[b].insns[n];
	struct gen_insn t = { .i = i, .kind = GEN_I_IR, .inst = fr->inst, .ir_block = b, .ir_index = n };
	uint32_t after;

	if (is_nothing(i))
		return;
	check_op(x, i);
	see_vars(x, fr->inst, i);
	if (i->guard && (has_effect(i) || is_call(i))) {
		after = open_guard(x, fr, i);
		flat_one(x, fr, &t);
		end_br(x, after);
		x->cur = after;
		return;
	}
	flat_one(x, fr, &t);
}

static bool is_end(const struct ir_insn *i)
{
	return i->op == IR_OP_bra || i->op == IR_OP_brx || i->op == IR_OP_ret || i->op == IR_OP_exit || i->op == IR_OP_trap;
}

static void flat_block(struct flat *x, const struct frame *fr, uint32_t b)
{
	const struct ir_func *ir = fr->inst->in->ir;
	uint32_t next = b + 1 < ir->n_blocks ? fr->first + b + 1 : fr->ret;

	x->cur = fr->first + b;
	for (uint32_t n = 0; n < ir->blocks[b].n_insns && !x->f->why && !x->nomem; n++) {
		const struct ir_insn *i = &ir->blocks[b].insns[n];
		struct gen_insn t = { .i = i, .kind = GEN_I_IR, .inst = fr->inst, .ir_block = b, .ir_index = n };

		if (!is_end(i)) {
			flat_insn(x, fr, b, n);
			continue;
		}
		if (!i->guard) {
			flat_end(x, fr, &t);
			return;
		}
		/* a guarded ret, exit or trap may stand in the middle of a block */
		if (n + 1 < ir->blocks[b].n_insns) {
			uint32_t rest = new_block(x);

			flat_guarded_end(x, fr, &t, rest);
			x->cur = rest;
			continue;
		}
		if (next == GEN_NONE) {
			uint32_t out = new_block(x);

			x->f->blocks.v[out].term = GEN_T_EXIT;
			next = out;
		}
		flat_guarded_end(x, fr, &t, next);
		return;
	}
	if (next == GEN_NONE)
		block(x)->term = GEN_T_EXIT;
	else
		end_br(x, next);
}

static void expand(struct flat *x, uint32_t func, struct gen_inst *inst, uint32_t ret, unsigned depth, const struct frame *up)
{
	struct frame fr = { .inst = inst, .ret = ret, .depth = depth, .up = up };
	const struct ir_func *ir = &x->g->m->funcs[func];
	uint32_t came_from = x->cur;
	bool whole = up != NULL;

	fr.first = (uint32_t)x->f->blocks.n;
	for (uint32_t b = 0; b < ir->n_blocks; b++)
		new_block(x);
	if (x->nomem)
		return;
	if (whole) {
		x->cur = came_from;
		end_br(x, fr.first);
	}
	for (uint32_t b = 0; b < ir->n_blocks && !x->f->why && !x->nomem; b++)
		flat_block(x, &fr, b);
}

int gen_flatten(struct gen *g, struct gen_func *f, uint32_t func)
{
	struct flat x = { .g = g, .f = f };
	struct gen_inst *inst;

	g->f = f;
	f->spins = g->m->funcs[func].spins;
	inst = new_inst(&x, func, NULL, NULL);
	if (inst && g->m->funcs[func].n_blocks)
		expand(&x, func, inst, GEN_NONE, 0, NULL);
	if (!x.nomem && !f->why)
		make_slots(&x);
	if (x.nomem)
		return vgpu_err_set(g->err, VGPU_E_NOMEM, "no memory to compile '%s'", g->entry->name);
	if (f->why)
		return vgpu_err_set(g->err, VGPU_E_NOT_SUPPORTED, "'%.80s', PTX line %u: %s: interpreted", g->entry->name, f->why_line, f->why);
	return 0;
}

/* ---- registers of an instruction ---- */

static bool writes_cc(const struct ir_insn *i)
{
	return i->flags & IR_F_CC;
}

static bool reads_cc(const struct ir_insn *i)
{
	return i->op == IR_OP_addc || i->op == IR_OP_subc || i->op == IR_OP_madc;
}

static uint32_t slot_of_opnd(const struct gen_func *f, const struct gen_insn *x, const struct ir_opnd *o, unsigned k)
{
	unsigned size = ir_type_size(x->i->type);

	if ((x->i->op != IR_OP_ld && x->i->op != IR_OP_st) || o->kind != IR_OPND_MEM || o->mem_base != IR_BASE_SYM || !o->sym_local)
		return GEN_NONE;
	return gen_slot_of(f, x->inst, o->sym, (uint64_t)o->off + k * size, size);
}

static void use_opnd(const struct gen_insn *x, const struct ir_opnd *o, gen_reg_fn fn, void *arg)
{
	if (o->kind == IR_OPND_REG || (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG))
		fn(arg, gen_reg_of(x->inst, o->reg));
	if (o->kind == IR_OPND_VEC || (o->kind == IR_OPND_MEM && o->n_vec))
		for (unsigned k = 0; k < o->n_vec; k++)
			use_opnd(x, &o->vec[k], fn, arg);
}

static void use_call(const struct gen_insn *x, gen_reg_fn fn, void *arg)
{
	for (uint32_t k = 0; x->i->call && k < x->i->call->n_args; k++)
		use_opnd(x, &x->i->call->args[k], fn, arg);
}

void gen_uses(const struct gen_func *f, const struct gen_insn *x, gen_reg_fn fn, void *arg)
{
	const struct ir_insn *i = x->i;

	if (x->kind != GEN_I_IR) {
		if (x->src != GEN_NONE)
			fn(arg, x->src);
		return;
	}
	if (i->guard)
		fn(arg, gen_reg_of(x->inst, i->guard - 1));
	for (unsigned n = 0; n < i->n_src; n++)
		use_opnd(x, &i->src[n], fn, arg);
	if (i->op == IR_OP_ld)
		for (unsigned k = 0; k < MAX(i->vec, 1u); k++) {
			uint32_t r = slot_of_opnd(f, x, &i->src[0], k);

			if (r != GEN_NONE)
				fn(arg, r);
		}
	if (reads_cc(i))
		fn(arg, x->inst->cc);
	use_call(x, fn, arg);
}

void gen_defs(const struct gen_func *f, const struct gen_insn *x, gen_reg_fn fn, void *arg)
{
	const struct ir_insn *i = x->i;

	if (x->kind != GEN_I_IR) {
		fn(arg, x->dst);
		return;
	}
	for (unsigned n = 0; n < i->n_dst; n++) {
		if (i->dst[n].kind == IR_OPND_REG)
			fn(arg, gen_reg_of(x->inst, i->dst[n].reg));
		for (unsigned k = 0; i->dst[n].kind == IR_OPND_VEC && k < i->dst[n].n_vec; k++)
			if (i->dst[n].vec[k].kind == IR_OPND_REG)
				fn(arg, gen_reg_of(x->inst, i->dst[n].vec[k].reg));
	}
	if (i->op == IR_OP_st)
		for (unsigned k = 0; k < MAX(i->vec, 1u); k++) {
			uint32_t r = slot_of_opnd(f, x, &i->src[0], k);

			if (r != GEN_NONE)
				fn(arg, r);
		}
	if (writes_cc(i))
		fn(arg, x->inst->cc);
	for (uint32_t k = 0; i->call && k < i->call->n_rets; k++)
		if (i->call->rets[k].kind == IR_OPND_REG)
			fn(arg, gen_reg_of(x->inst, i->call->rets[k].reg));
}

bool gen_keeps_old(const struct gen_insn *x)
{
	return x->kind == GEN_I_IR && x->i->guard;
}

void gen_func_free(struct gen_func *f)
{
	for (size_t b = 0; b < f->blocks.n; b++) {
		struct gen_block *k = &f->blocks.v[b];

		vgpu_vec_free(&k->insns);
		vgpu_vec_free(&k->preds);
		free(k->live_in);
		free(k->live_out);
	}
	for (size_t n = 0; n < f->vars.n; n++)
		vgpu_vec_free(&f->vars.v[n].slots);
	for (size_t n = 0; n < f->insts.n; n++)
		free(f->insts.v[n]);
	for (size_t n = 0; n < f->loops.n; n++) {
		free(f->loops.v[n]->blocks);
		free(f->loops.v[n]);
	}
	for (size_t n = 0; n < f->pats.n; n++)
		free((void *)(uintptr_t)f->pats.v[n]);
	for (size_t n = 0; n < f->made.n; n++)
		free(f->made.v[n]);
	vgpu_vec_free(&f->made);
	vgpu_vec_free(&f->blocks);
	vgpu_vec_free(&f->regs);
	vgpu_vec_free(&f->insts);
	vgpu_vec_free(&f->vars);
	vgpu_vec_free(&f->loops);
	vgpu_vec_free(&f->pats);
	vgpu_vec_free(&f->refs);
	vgpu_vec_free(&f->syms);
	free(f->order);
	free(f->shp[0]);
	free(f->shp[1]);
}
