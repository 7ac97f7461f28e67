/*
 * decode.c: from a function's IR to struct in_insn. What an instruction needs
 * beyond registers and constants (special registers, !p, the address of a
 * frame's variable) is computed into a temporary row by an instruction of its
 * own in front of it.
 *
 * What can't be decoded is refused by name: the kernel doesn't come to be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/fast.h"

#define MAX_CONSTS 0x100000u

bool in_refuse(struct in_dec *d, const char *why)
{
	if (!d->why)
		d->why = why;
	return true;
}

struct in_insn *in_emit(struct in_dec *d, in_fn fn)
{
	static struct in_insn none;
	struct in_insn i = {
		.fn = fn, .guard = IN_NOROW, .d2 = IN_NOROW, .ir = d->ir,
	};

	if (d->ir && d->ir->guard) {
		i.guard = d->f->reg_row[d->ir->guard - 1];
		i.guard_neg = d->ir->guard_neg;
	}
	if (!vgpu_vec_push(&d->k->code, i)) {
		d->nomem = true;
		return &none;
	}
	return &d->k->code.v[d->k->code.n - 1];
}

uint32_t in_const(struct in_dec *d, uint64_t v)
{
	struct be_kernel *k = d->k;
	uintptr_t at = (uintptr_t)vgpu_htab_get(&k->const_tab, v);

	if (at)
		return (uint32_t)(at - 1) | IN_CONST_ROW;
	if (k->const_vals.n >= MAX_CONSTS || !vgpu_vec_push(&k->const_vals, v) ||
	    !vgpu_htab_put(&k->const_tab, v, (void *)(uintptr_t)k->const_vals.n)) {
		d->nomem = true;
		return IN_CONST_ROW;
	}
	return (uint32_t)(k->const_vals.n - 1) | IN_CONST_ROW;
}

static uint32_t temp(struct in_dec *d)
{
	uint32_t t = d->temp0 + d->n_temps++;

	d->max_temps = MAX(d->max_temps, d->n_temps);
	return t;
}

static uint64_t low_bits(unsigned n)
{
	return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

unsigned in_reg_bits(const struct in_dec *d, const struct ir_opnd *o)
{
	return o->kind == IR_OPND_REG ? ir_type_bits(d->f->ir->regs[o->reg].type) : 64;
}

/* Value of a module symbol: an address, or a function's. */
static bool symbol_value(struct in_dec *d, const struct ir_opnd *o, uint8_t *space, uint64_t *v)
{
	const struct ir_module *m = d->k->m;
	const struct ir_sym *s = &m->syms[o->sym];
	const struct ir_var *var;

	if (s->kind == IR_SYM_FUNC) {
		*v = d->k->bm->func_base + (uint64_t)s->index * 16;
		*space = IR_SPACE_GENERIC;
		return true;
	}
	var = &m->vars[s->index];
	*space = var->space;
	switch (var->space) {
	case IR_SPACE_GLOBAL:
	case IR_SPACE_CONST:
		*v = d->k->bm->var_addr[s->index];
		if (!*v && var->size)
			in_refuse(d, "the variable has no address");
		return true;
	case IR_SPACE_SHARED:
		*v = d->k->shared_off[s->index];
		return true;
	}
	in_refuse(d, "the address of such a variable is not implemented");
	return false;
}

/* base and place of a symbol: a constant, or an offset in the frame. */
static bool symbol_where(struct in_dec *d, const struct ir_opnd *o, struct in_where *w)
{
	uint64_t v = 0;

	memset(w, 0, sizeof(*w));
	if (!o->sym_local) {
		if (!symbol_value(d, o, &w->space, &v))
			return false;
		w->a = in_const(d, v + (uint64_t)o->off);
		return true;
	}
	switch (in_place(d->f, o->sym, &v)) {
	case IN_PLACE_FRAME:
		w->frame_base = true;
		w->space = IR_SPACE_LOCAL;
		w->off = (int64_t)v + o->off;
		w->a = IN_CONST_ROW;
		return true;
	case IN_PLACE_PARAM:
		w->space = IR_SPACE_PARAM;
		break;
	case IN_PLACE_SHARED:
		w->space = IR_SPACE_SHARED;
		break;
	default:
		return !in_refuse(d, "the address of such a variable is not implemented");
	}
	w->a = in_const(d, v + (uint64_t)o->off);
	return true;
}

static bool is_param(uint8_t space)
{
	return space == IR_SPACE_PARAM || space == IR_SPACE_PARAM_FUNC;
}

bool in_where(struct in_dec *d, const struct ir_opnd *o, uint8_t space, struct in_where *w)
{
	bool sym = o->kind == IR_OPND_SYM || (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_SYM);

	memset(w, 0, sizeof(*w));
	if (sym) {
		if (!symbol_where(d, o, w))
			return false;
		/* A generic access to a symbol means the symbol's space; any other must name it. */
		if (space != IR_SPACE_GENERIC && space != w->space && !(space == IR_SPACE_SHARED_CLUSTER) &&
		    !(is_param(space) && w->frame_base))
			return !in_refuse(d, "the variable is in another state space");
		if (space == IR_SPACE_SHARED_CLUSTER)
			w->space = space;
		return true;
	}
	w->space = space == IR_SPACE_PARAM && !d->f->ir->is_entry ? IR_SPACE_PARAM_FUNC : space;
	if (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_NONE) {
		w->a = in_const(d, (uint64_t)o->off);
		return true;
	}
	if (o->kind == IR_OPND_MEM || o->kind == IR_OPND_REG) {
		w->a = d->f->reg_row[o->reg];
		w->off = o->off;
		w->addr32 = ir_type_bits(d->f->ir->regs[o->reg].type) == 32;
		return true;
	}
	w->a = in_src(d, o, IR_T_U64);
	return true;
}

void in_set_where(struct in_insn *i, const struct in_where *w)
{
	i->a = w->a;
	i->off = w->off;
	i->space = w->space;
	i->frame_base = w->frame_base;
	i->addr32 = w->addr32;
}

static uint32_t src_sreg(struct in_dec *d, const struct ir_opnd *o, uint8_t type)
{
	uint32_t t = temp(d);
	struct in_insn *i = in_emit(d, in_run_sreg);

	i->guard = IN_NOROW;
	i->d = t;
	i->sreg = (uint8_t)o->imm;
	i->mask = type ? low_bits(ir_type_bits(type)) : UINT64_MAX;
	return t;
}

static uint32_t src_sym(struct in_dec *d, const struct ir_opnd *o, uint8_t type)
{
	uint64_t mask = type ? low_bits(ir_type_bits(type)) : UINT64_MAX, v;
	struct in_where w;
	struct in_insn *i;
	uint32_t t;

	if (!symbol_where(d, o, &w))
		return IN_CONST_ROW;
	if (!w.frame_base) {
		v = d->k->const_vals.v[w.a & ~IN_CONST_ROW];
		return in_const(d, v & mask);
	}
	t = temp(d);
	i = in_emit(d, in_run_lea);
	i->guard = IN_NOROW;
	i->d = t;
	i->mask = mask;
	in_set_where(i, &w);
	return t;
}

uint32_t in_src(struct in_dec *d, const struct ir_opnd *o, uint8_t type)
{
	struct in_insn *i;
	uint32_t t;

	switch (o->kind) {
	case IR_OPND_REG:
		if (!o->neg || d->f->ir->regs[o->reg].type != IR_T_PRED)
			return d->f->reg_row[o->reg];
		t = temp(d);
		i = in_emit(d, in_run_notp);
		i->guard = IN_NOROW;
		i->d = t;
		i->a = d->f->reg_row[o->reg];
		return t;
	case IR_OPND_IMM:
		return in_const(d, o->imm);
	case IR_OPND_SREG:
		return src_sreg(d, o, type);
	case IR_OPND_SYM:
	case IR_OPND_FUNC:
		return src_sym(d, o, type);
	case IR_OPND_NONE:
		return in_const(d, 0);
	}
	in_refuse(d, "an operand of such a kind is not implemented here");
	return IN_CONST_ROW;
}

uint32_t in_dst(struct in_dec *d, const struct ir_opnd *o)
{
	if (o->kind == IR_OPND_REG)
		return d->f->reg_row[o->reg];
	if (o->kind != IR_OPND_NONE && o->kind != IR_OPND_SINK)
		in_refuse(d, "a result of such a kind is not implemented here");
	return d->f->scratch_row;
}

/* ---- arithmetic, mov ---- */

/* cvt into a register wider than its type: a signed result fills it with its sign (an unsigned one has zeros there). */
static void widen_result(struct in_dec *d, uint32_t row)
{
	const struct ir_insn *ir = d->ir;
	struct ir_insn cvt = { .op = IR_OP_cvt, .stype = ir->type, .n_src = 1, .n_dst = 1 };
	unsigned bits = in_reg_bits(d, &ir->dst[0]);
	struct in_insn *i;

	if (ir->op != IR_OP_cvt || ir->mode != IR_MODE_NONE || ir_type_class(ir->type) != IR_TC_SINT || ir_type_bits(ir->type) >= bits)
		return;
	cvt.type = bits == 64 ? IR_T_S64 : bits == 32 ? IR_T_S32 : IR_T_S16;
	i = in_emit(d, in_run_alu);
	i->alu = alu_select(&cvt);
	i->d = row;
	i->a = i->b = i->c = i->e = row;
	i->target = d->f->cc_row;
}

/* The handler that prepares no more than the instruction reads and writes. */
static in_fn alu_runner(const struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	bool carry = ir->flags & IR_F_CC || ir->op == IR_OP_addc || ir->op == IR_OP_subc || ir->op == IR_OP_madc;

	if (carry || ir->n_dst != 1 || ir->n_src > 3)
		return in_run_alu;
	return ir->n_src > 2 ? d->k->fast->alu3 : d->k->fast->alu2;
}

static void decode_alu(struct in_dec *d, alu_fn fn)
{
	const struct ir_insn *ir = d->ir;
	uint32_t s[4] = { IN_CONST_ROW, IN_CONST_ROW, IN_CONST_ROW, IN_CONST_ROW };
	struct in_insn *i;

	in_const(d, 0);
	for (unsigned n = 0; n < ir->n_src && n < 4; n++)
		s[n] = in_src(d, &ir->src[n], IR_T_NONE);
	if (ir->op == IR_OP_lop3 && ir->n_src == 5)     /* lop3.BoolOp: a, b, c, table, q */
		s[3] = in_src(d, &ir->src[4], IR_T_NONE);
	i = in_emit(d, alu_runner(d));
	i->alu = fn;
	i->d = in_dst(d, &ir->dst[0]);
	i->d2 = ir->n_dst > 1 ? in_dst(d, &ir->dst[1]) : IN_NOROW;
	i->a = s[0];
	i->b = s[1];
	i->c = s[2];
	i->e = s[3];
	i->target = d->f->cc_row;
	if (ir->n_dst == 1)
		widen_result(d, in_dst(d, &ir->dst[0]));
}

static uint32_t *vec_rows(struct in_dec *d, const struct ir_opnd *o, bool dst)
{
	uint32_t *rows = in_own(d->k, o->n_vec * sizeof(*rows));

	if (!rows) {
		d->nomem = true;
		return NULL;
	}
	for (unsigned n = 0; n < o->n_vec; n++) {
		if (dst)
			rows[n] = o->vec[n].kind == IR_OPND_SINK ? IN_NOROW : in_dst(d, &o->vec[n]);
		else
			rows[n] = in_src(d, &o->vec[n], IR_T_NONE);
	}
	return rows;
}

static void decode_mov_vec(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	bool unpack = ir->dst[0].kind == IR_OPND_VEC;
	const struct ir_opnd *v = unpack ? &ir->dst[0] : &ir->src[0], *s = unpack ? &ir->src[0] : &ir->dst[0];
	bool wide = ir->type == IR_T_B128;
	uint32_t *rows = vec_rows(d, v, unpack);
	uint32_t other = unpack ? in_src(d, s, ir->type) : in_dst(d, s);
	struct in_insn *i = in_emit(d, unpack ? in_run_unpack : in_run_pack);

	i->vec = rows;
	i->n_vec = v->n_vec;
	i->size = v->n_vec ? ir_type_size(ir->type) / v->n_vec : 0;
	i->b = IN_NOROW;
	if (unpack) {
		i->a = other;
		i->b = wide ? other + 1 : IN_NOROW;
	} else {
		i->d = other;
		i->d2 = wide ? other + 1 : IN_NOROW;
	}
	if (!i->size || (wide && s->kind != IR_OPND_REG) || (unpack && !i->vec))
		in_refuse(d, "a vector of that shape is not implemented");
}

static void decode_mov(struct in_dec *d)
{
	const struct ir_insn *ir = d->ir;
	struct in_insn *i;
	uint32_t a;

	if (ir->dst[0].kind == IR_OPND_VEC && ir->src[0].kind == IR_OPND_VEC) {
		in_refuse(d, "a move between vectors is not implemented");
		return;
	}
	if (ir->dst[0].kind == IR_OPND_VEC || ir->src[0].kind == IR_OPND_VEC) {
		decode_mov_vec(d);
		return;
	}
	if (ir->src[0].kind == IR_OPND_SREG && ir->dst[0].kind == IR_OPND_REG) {
		i = in_emit(d, in_run_sreg);
		i->d = in_dst(d, &ir->dst[0]);
		i->sreg = (uint8_t)ir->src[0].imm;
		i->mask = low_bits(ir_type_bits(ir->type));
		return;
	}
	a = in_src(d, &ir->src[0], ir->type);
	i = in_emit(d, ir->type == IR_T_B128 ? in_run_mov : d->k->fast->mov);
	i->a = a;
	i->d = in_dst(d, &ir->dst[0]);
	if (ir->type != IR_T_B128)
		return;
	i->n_vec = 2;
	i->d2 = i->d + 1;
	if (ir->src[0].kind != IR_OPND_REG || ir->dst[0].kind != IR_OPND_REG) {
		in_refuse(d, "only registers are implemented here");
		return;
	}
	i->b = a + 1;
}

/* ---- control flow ---- */

static void decode_brx(struct in_dec *d)
{
	const struct ir_func *f = d->f->ir;
	uint32_t a = in_src(d, &d->ir->src[0], IR_T_U32), n = d->ir->extra;
	struct in_table *t = in_own(d->k, sizeof(*t));
	struct in_insn *i;

	if (n >= f->n_tables) {
		in_refuse(d, "it has no branch table");
		return;
	}
	if (t)
		t->pc = in_own(d->k, f->table_len[n] * sizeof(*t->pc));
	if (!t || !t->pc) {
		d->nomem = true;
		return;
	}
	t->n = f->table_len[n];
	for (uint32_t k = 0; k < t->n; k++)
		t->pc[k] = f->tables[n][k];   /* block for now; patch() makes it a pc */
	i = in_emit(d, in_run_brx);
	i->a = a;
	i->table = t;
}

static void arg_of(struct in_dec *d, const struct ir_opnd *o, bool dst, struct in_arg *a)
{
	uint64_t off;

	if (o->kind == IR_OPND_SYM && o->sym_local) {
		const struct ir_var *v = ir_func_local(d->f->ir, o->sym);

		if (in_place(d->f, o->sym, &off) != IN_PLACE_FRAME)
			in_refuse(d, "an argument must be a .param variable of the caller");
		a->kind = IN_ARG_FRAME;
		a->off = (uint32_t)(off + (uint64_t)o->off);
		a->size = (uint32_t)v->size;
		return;
	}
	a->kind = IN_ARG_ROW;
	a->row = dst ? in_dst(d, o) : in_src(d, o, IR_T_NONE);
}

/* Direct: to a function of the module or of the runtime. */
static void decode_direct(struct in_dec *d, struct in_call *c)
{
	const struct ir_module *m = d->k->m;
	uint32_t f = in_func_of(m, &d->ir->call->target), n_args, n_rets;
	struct in_insn *i;
	in_fn fn;

	if (f == UINT32_MAX) {
		in_refuse(d, "its target is not a function");
		return;
	}
	if (m->funcs[f].defined) {
		c->func = f;
		if (!in_call_fits(c, &m->funcs[f].proto))
			in_refuse(d, "its arguments don't fit the function");
		i = in_emit(d, in_run_call);
	} else {
		fn = in_builtin_find(m->funcs[f].name, &n_args, &n_rets);
		if (!fn) {
			in_refuse(d, "no function of that name is defined");
			return;
		}
		if (c->n_args != n_args || c->n_rets > n_rets)
			in_refuse(d, "its arguments don't fit the function");
		i = in_emit(d, fn);
	}
	i->call = c;
}

static void decode_call(struct in_dec *d)
{
	const struct ir_call *ic = d->ir->call;
	struct in_call *c = in_own(d->k, sizeof(*c));
	struct in_insn *i;

	if (c) {
		c->args = in_own(d->k, ic->n_args * sizeof(*c->args));
		c->rets = in_own(d->k, ic->n_rets * sizeof(*c->rets));
	}
	if (!c || !c->args || !c->rets) {
		d->nomem = true;
		return;
	}
	c->n_args = ic->n_args;
	c->n_rets = ic->n_rets;
	for (uint32_t k = 0; k < ic->n_args; k++)
		arg_of(d, &ic->args[k], false, &c->args[k]);
	for (uint32_t k = 0; k < ic->n_rets; k++)
		arg_of(d, &ic->rets[k], true, &c->rets[k]);
	if (ic->target.kind == IR_OPND_FUNC) {
		decode_direct(d, c);
		return;
	}
	c->indirect = true;
	c->target_row = in_src(d, &ic->target, IR_T_U64);
	i = in_emit(d, in_run_call);
	i->call = c;
}

static bool decode_control(struct in_dec *d)
{
	struct in_insn *i;
	uint32_t a;

	switch (d->ir->op) {
	case IR_OP_bra:
		i = in_emit(d, in_run_bra);
		i->target = d->ir->src[0].block;
		return true;
	case IR_OP_brx:
		decode_brx(d);
		return true;
	case IR_OP_call:
		decode_call(d);
		return true;
	case IR_OP_ret:
		in_emit(d, in_run_ret);
		return true;
	case IR_OP_exit:
		in_emit(d, in_run_exit);
		return true;
	case IR_OP_trap:
		in_emit(d, in_run_trap);
		return true;
	case IR_OP_nanosleep:
		a = in_src(d, &d->ir->src[0], IR_T_U32);
		i = in_emit(d, in_run_nanosleep);
		i->a = a;
		return true;
	case IR_OP_brkpt:
	case IR_OP_pmevent:
	case IR_OP_griddepcontrol:
	case IR_OP_setmaxnreg:
		in_emit(d, in_run_nop);
		return true;
	}
	return false;
}

static void decode_insn(struct in_dec *d)
{
	alu_fn fn;

	d->n_temps = 0;
	if (d->ir->unsupported) {
		in_refuse(d, d->ir->unsupported);
		return;
	}
	if (d->ir->op == IR_OP_mov) {
		decode_mov(d);
		return;
	}
	if (decode_control(d) || in_decode_mem(d) || in_decode_tex(d) || in_decode_warp(d) || in_decode_tensor(d))
		return;
	fn = alu_select(d->ir);
	if (fn)
		decode_alu(d, fn);
	else
		in_refuse(d, "it is not implemented");
}

/* ---- a function ---- */

static bool map_registers(struct in_dec *d)
{
	const struct ir_func *ir = d->f->ir;
	uint32_t n = 0;

	d->f->reg_row = in_own(d->k, ir->n_regs * sizeof(*d->f->reg_row));
	if (!d->f->reg_row || in_rows(d->f, &n))
		return false;
	d->f->cc_row = n++;
	d->f->scratch_row = n;
	n += 2;
	d->temp0 = n;
	return true;
}

/* Block numbers to pcs. */
static void patch(struct in_dec *d)
{
	for (size_t n = d->f->start; n < d->k->code.n; n++) {
		struct in_insn *i = &d->k->code.v[n];

		if (i->fn == in_run_bra)
			i->target = d->block_pc[i->target];
		if (i->fn == in_run_brx)
			for (uint32_t k = 0; k < i->table->n; k++)
				i->table->pc[k] = d->block_pc[i->table->pc[k]];
	}
}

static int refused(struct in_dec *d, struct vgpu_err *err)
{
	const struct ir_insn *ir = d->ir;

	return vgpu_err_set(err, VGPU_E_INVALID_PTX, "'%s', PTX line %u: '%s': %s", d->f->ir->name, ir ? ir->loc.line : 0,
			    ir && ir->spelling ? ir->spelling : "?", d->why);
}

int in_decode(struct be_kernel *k, struct in_func *f, struct vgpu_err *err)
{
	const struct ir_func *ir = f->ir;
	struct in_dec d = { .k = k, .f = f };

	if (ir->unsupported)
		return vgpu_err_set(err, VGPU_E_INVALID_PTX, "'%s', PTX line %u: %s", ir->name, ir->unsupported_line, ir->unsupported);
	d.block_pc = in_own(k, (ir->n_blocks + 1) * sizeof(*d.block_pc));
	if (!d.block_pc || !map_registers(&d))
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", ir->name);
	f->start = (uint32_t)k->code.n;
	for (uint32_t b = 0; b < ir->n_blocks; b++) {
		d.block_pc[b] = (uint32_t)k->code.n;
		for (uint32_t n = 0; n < ir->blocks[b].n_insns; n++) {
			d.ir = &ir->blocks[b].insns[n];
			decode_insn(&d);
			if (d.why)
				return refused(&d, err);
			if (d.nomem)
				return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", ir->name);
		}
	}
	/* Falling off the end returns. */
	d.block_pc[ir->n_blocks] = (uint32_t)k->code.n;
	d.ir = NULL;
	in_emit(&d, in_run_ret);
	if (d.nomem)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", ir->name);
	f->n_rows = d.temp0 + d.max_temps;
	patch(&d);
	return 0;
}
