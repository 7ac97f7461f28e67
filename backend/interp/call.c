/*
 * call.c: calls and returns. A call makes a frame: rows for the callee's
 * registers, and a place in each lane's local memory for its .local variables,
 * parameters and results. Lanes that call together share the frame; it goes
 * when the last of them has returned (or exited; then with the block).
 */
#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"

/* Host memory that the frames of one block may take. */
#define FRAMES_MAX_B ((uint64_t)256 << 20)

size_t in_frame_bytes(const struct in_func *f)
{
	return sizeof(struct in_frame) + (size_t)f->n_rows * WARP * sizeof(uint64_t);
}

/* Of a call; the entry's lie in the block itself. */
struct in_frame *in_frame_new(struct be_block *b, const struct in_func *f)
{
	struct in_frame *fr = b->frame_free[f->index];
	size_t size = in_frame_bytes(f);

	if (fr) {
		b->frame_free[f->index] = fr->parent;
		if (f->reads_unset)
			memset(fr->rows, 0, size - sizeof(*fr));
		return fr;
	}
	if (b->frame_bytes + size > FRAMES_MAX_B)
		return NULL;
	fr = aligned_alloc(64, vgpu_align_up(size, 64));
	if (!fr)
		return NULL;
	memset(fr, 0, size);
	if (!vgpu_vec_push(&b->frames, fr)) {
		free(fr);
		return NULL;
	}
	b->frame_bytes += size;
	fr->func = f;
	return fr;
}

static void frame_drop(struct be_block *b, struct in_frame *fr)
{
	fr->parent = b->frame_free[fr->func->index];
	b->frame_free[fr->func->index] = fr;
}

uint64_t in_arg_value(const struct in_warp *w, const struct in_arg *a, uint32_t lane, uint32_t size)
{
	uint64_t v = 0;

	if (a->kind == IN_ARG_ROW)
		return in_row(w, a->row)[lane];
	if (a->size && a->size < size)
		size = a->size;
	memcpy(&v, in_lane_local(w, lane) + w->g[w->cur].frame->lbase[lane] + a->off, size);
	return v;
}

/* Parameters that are registers (old .func syntax) take 64 bits from any argument. */
static void set_reg_param(struct in_warp *w, const struct in_frame *to, const struct ir_var *v, const struct in_arg *a, uint32_t m)
{
	uint64_t *d = in_frame_row(w->blk->k, to, to->func->reg_row[v->reg]);

	for_lanes(l, m)
		d[l] = in_arg_value(w, a, l, 8);
}

static void set_param(struct in_warp *w, const struct in_frame *to, const struct ir_var *v, const struct in_arg *a, uint32_t m)
{
	const struct in_frame *from = in_cur(w)->frame;
	uint32_t off = (uint32_t)v->offset, size = (uint32_t)v->size;

	if (v->space == IR_SPACE_REG) {
		set_reg_param(w, to, v, a, m);
		return;
	}
	for_lanes(l, m) {
		uint8_t *p = in_lane_local(w, l);

		if (a->kind == IN_ARG_ROW)
			memcpy(p + to->lbase[l] + off, &in_row(w, a->row)[l], MIN(size, 8u));
		else
			memcpy(p + to->lbase[l] + off, p + from->lbase[l] + a->off, MIN(size, a->size));
	}
}

static void set_result(struct in_warp *w, const struct in_frame *from, const struct ir_var *v, const struct in_arg *a, uint32_t m)
{
	const struct in_frame *to = from->parent;
	bool reg = v->space == IR_SPACE_REG;
	uint32_t size = reg ? 8 : (uint32_t)v->size;

	for_lanes(l, m) {
		uint8_t *p = in_lane_local(w, l);
		const uint8_t *src = p + from->lbase[l] + v->offset;
		uint64_t x = 0;

		if (reg)
			src = (const uint8_t *)&in_frame_row(w->blk->k, from, from->func->reg_row[v->reg])[l];
		if (a->kind == IN_ARG_ROW) {
			memcpy(&x, src, MIN(size, 8u));
			in_frame_row(w->blk->k, to, a->row)[l] = x;
		} else {
			memcpy(p + to->lbase[l] + a->off, src, MIN(size, a->size));
		}
	}
}

static bool size_fits(const struct in_arg *a, const struct ir_var *v)
{
	return !a->size || a->size == v->size || (v->space == IR_SPACE_REG && a->size <= 8);
}

bool in_call_fits(const struct in_call *c, const struct ir_proto *p)
{
	if (p->n_params != c->n_args || p->n_rets != c->n_rets)
		return false;
	for (uint32_t k = 0; k < c->n_args; k++)
		if (!size_fits(&c->args[k], &p->params[k]))
			return false;
	for (uint32_t k = 0; k < c->n_rets; k++)
		if (!size_fits(&c->rets[k], &p->rets[k]))
			return false;
	return true;
}

/* All lanes m of the running group call f. */
static int enter(struct in_warp *w, const struct in_insn *i, uint32_t m, const struct in_func *f)
{
	const struct ir_proto *p = &f->ir->proto;
	const struct in_call *c = i->call;
	struct in_group *g = in_cur(w);
	uint32_t first = (uint32_t)__builtin_ctz(m);
	struct in_frame *fr;

	if (f->broken)
		return in_fault(w, i, first, VGPU_E_ILLEGAL_INSTRUCTION, 0, "call of '%s': %s", f->ir->name, f->broken);
	for_lanes(l, m)
		if (vgpu_align_up(w->sp[l], f->frame_align) + f->frame_B > w->blk->local_B)
			return in_fault(w, i, l, VGPU_E_HW_STACK, 0, "stack overflow in call of '%s': limit is %u bytes per thread",
					f->ir->name, w->blk->l->stack_B);
	fr = in_frame_new(w->blk, f);
	if (!fr)
		return in_fault(w, i, first, VGPU_E_HW_STACK, 0, "stack overflow in call of '%s': too many frames", f->ir->name);
	fr->parent = g->frame;
	fr->call = c;
	fr->ret_pc = g->pc + 1;
	fr->live = m;
	fr->depth = g->frame->depth + 1;
	for_lanes(l, m) {
		fr->sp[l] = w->sp[l];
		fr->lbase[l] = (uint32_t)vgpu_align_up(w->sp[l], f->frame_align);
		w->sp[l] = fr->lbase[l] + f->frame_B;
		w->blk->local_used = MAX(w->blk->local_used, (uint64_t)w->sp[l]);
	}
	if (unlikely(w->blk->k->watch))
		w->blk->k->watch->enter(w, m, fr);
	for (uint32_t k = 0; k < c->n_args; k++)
		set_param(w, fr, &p->params[k], &c->args[k], m);
	g->frame = fr;
	g->pc = f->start;
	return 0;
}

static const struct in_func *target_of(const struct in_warp *w, uint64_t v)
{
	const struct be_kernel *k = w->blk->k;
	uint64_t n = (v - k->bm->func_base) / 16;

	if ((v - k->bm->func_base) % 16 || n >= k->m->n_funcs)
		return NULL;
	return k->funcs[n];
}

static int call_indirect(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *t = in_row(w, i->call->target_row);
	struct in_group *g = in_cur(w);
	uint32_t pc = g->pc;

	/* Lanes with one target leave together; the last target keeps the group. */
	while (m) {
		uint32_t first = (uint32_t)__builtin_ctz(m), lanes = 0, rest;
		uint64_t v = t[first];
		const struct in_func *f = target_of(w, v);

		if (!f)
			return in_fault(w, i, first, VGPU_E_INVALID_PC, v, "call of 0x%llx, which is not a function",
					(unsigned long long)v);
		if (!in_call_fits(i->call, &f->ir->proto))
			return in_fault(w, i, first, VGPU_E_INVALID_PC, v, "call of '%s' with other parameters than it has",
					f->ir->name);
		for_lanes(l, m)
			if (t[l] == v)
				lanes |= 1u << l;
		m &= ~lanes;
		g = in_cur(w);
		rest = g->mask & ~lanes;
		g->mask = lanes;
		if (enter(w, i, lanes, f))
			return IN_FAULT;
		if (rest) {
			struct in_group *n = in_group_new(w, rest, pc, g->frame->parent);

			w->cur = (uint32_t)(n - w->g);
		}
	}
	return IN_RESCHED;
}

int in_run_call(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	struct in_group *g = in_cur(w);
	uint32_t rest = g->mask & ~m;

	if (unlikely(*w->blk->s->cancel))
		return IN_CANCEL;
	if (rest) {
		g->mask = m;
		in_group_new(w, rest, g->pc + 1, g->frame);
	}
	if (i->call->indirect)
		return call_indirect(w, i, m);
	return enter(w, i, m, w->blk->k->funcs[i->call->func]) ? IN_FAULT : IN_RESCHED;
}

int in_run_ret(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	struct in_group *g = in_cur(w);
	struct in_frame *fr = g->frame;
	const struct in_func *f = fr->func;
	const struct ir_proto *p = &f->ir->proto;
	uint32_t rest = g->mask & ~m;

	if (!fr->parent)
		return in_run_exit(w, i, m);
	for (uint32_t k = 0; k < p->n_rets; k++)
		set_result(w, fr, &p->rets[k], &fr->call->rets[k], m);
	for_lanes(l, m)
		w->sp[l] = fr->sp[l];
	if (rest) {
		g->mask = m;
		in_group_new(w, rest, g->pc + 1, fr);
	}
	g->pc = fr->ret_pc;
	g->frame = fr->parent;
	fr->live &= ~m;
	if (!fr->live)
		frame_drop(w->blk, fr);
	return IN_RESCHED;
}
