/*
 * addr.c: addresses as values: conversion between generic addresses and those
 * of a state space, questions about them, and the stack pointer.
 */
#include "backend/interp/interp.h"

static uint64_t host(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static uint64_t space_base(const struct in_warp *w, uint8_t space, uint32_t lane)
{
	switch (space) {
	case IR_SPACE_SHARED:
	case IR_SPACE_SHARED_CLUSTER:
		return host(w->blk->shared);
	case IR_SPACE_LOCAL:
	case IR_SPACE_PARAM_FUNC:
		return host(in_lane_local(w, lane));
	case IR_SPACE_PARAM:
		return host(w->blk->params);
	}
	return 0;   /* global and const: one address for all */
}

static const struct in_peer *peer_of(const struct be_block *b, uint64_t generic, uint32_t *rank_out)
{
	for (uint32_t k = 0; b->cluster && k < b->cluster->n; k++) {
		const struct in_peer *p = &b->cluster->peer[k];

		if (generic - host(p->shared) < p->shared_B) {
			*rank_out = k;
			return p;
		}
	}
	return NULL;
}

static uint64_t to_space(const struct in_warp *w, uint8_t space, uint32_t lane, uint64_t generic)
{
	uint32_t rank;

	if (space == IR_SPACE_SHARED_CLUSTER && generic - host(w->blk->shared) >= w->blk->shared_B) {
		const struct in_peer *p = peer_of(w->blk, generic, &rank);

		if (p)
			return (uint64_t)(rank + 1) << 24 | (generic - host(p->shared));
	}
	return generic - space_base(w, space, lane);
}

static uint64_t to_generic(const struct in_warp *w, uint8_t space, uint32_t lane, uint64_t a)
{
	const struct be_block *b = w->blk;
	uint64_t rank = a >> 24;

	if ((space == IR_SPACE_SHARED_CLUSTER || space == IR_SPACE_SHARED) && b->cluster && rank && rank <= b->cluster->n)
		return host(b->cluster->peer[rank - 1].shared) + (a & 0xffffff);
	return a + space_base(w, space, lane);
}

int in_run_cvta(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);

	for_lanes(l, m) {
		uint64_t a = in_addr(w, i, l);

		d[l] = i->ir->flags & IR_F_TO ? to_space(w, i->space, l, a) : to_generic(w, i->space, l, a);
	}
	return IN_NEXT;
}

static bool is_const(const struct be_kernel *k, uint64_t a)
{
	for (uint32_t v = 0; v < k->m->n_vars; v++)
		if (k->m->vars[v].space == IR_SPACE_CONST && k->bm->var_addr &&
		    a - k->bm->var_addr[v] < k->m->vars[v].size)
			return true;
	return false;
}

static bool is_space(const struct in_warp *w, uint8_t space, uint32_t lane, uint64_t a)
{
	const struct be_block *b = w->blk;
	uint32_t rank;

	switch (space) {
	case IR_SPACE_GLOBAL:
		return a - b->s->window < b->s->window_size && !is_const(b->k, a);
	case IR_SPACE_CONST:
		return is_const(b->k, a);
	case IR_SPACE_SHARED:
		return a - host(b->shared) < b->shared_B;
	case IR_SPACE_SHARED_CLUSTER:
		return a - host(b->shared) < b->shared_B || peer_of(b, a, &rank);
	case IR_SPACE_LOCAL:
		return b->local_B && a - host(in_lane_local(w, lane)) < b->local_B;
	case IR_SPACE_PARAM:
	case IR_SPACE_PARAM_FUNC:
		return a - host(b->params) < b->l->param_bytes;
	}
	return false;
}

int in_run_isspacep(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);
	const uint64_t *a = in_row(w, i->a);

	for_lanes(l, m)
		d[l] = is_space(w, i->space, l, a[l]);
	return IN_NEXT;
}

/* The address in block b's memory of what a names in one's own (or another block's). */
int in_run_mapa(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const struct be_block *b = w->blk;
	uint64_t *d = in_row(w, i->d);
	const uint64_t *rank = in_row(w, i->b);
	uint32_t n = b->cluster ? b->cluster->n : 1;

	for_lanes(l, m) {
		uint64_t a = in_addr(w, i, l), off = i->space == IR_SPACE_GENERIC ?
			to_space(w, IR_SPACE_SHARED_CLUSTER, l, a) & 0xffffff : a & 0xffffff;
		uint32_t r = (uint32_t)rank[l];

		if (r >= n)
			return in_fault(w, i, l, VGPU_E_ILLEGAL_INSTRUCTION, 0, "mapa: rank %u in a cluster of %u blocks", r, n);
		if (i->space != IR_SPACE_GENERIC)
			d[l] = (uint64_t)(r + 1) << 24 | off;
		else
			d[l] = host(b->cluster ? b->cluster->peer[r].shared : b->shared) + off;
	}
	return IN_NEXT;
}

int in_run_getctarank(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);
	uint32_t rank;

	for_lanes(l, m) {
		uint64_t a = in_addr(w, i, l);

		if (i->space == IR_SPACE_GENERIC)
			d[l] = peer_of(w->blk, a, &rank) ? rank : w->blk->rank;
		else
			d[l] = a >> 24 ? (a >> 24) - 1 : w->blk->rank;
	}
	return IN_NEXT;
}

/* Address of an object in the lane's frame. */
int in_run_lea(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);

	for_lanes(l, m)
		d[l] = in_addr(w, i, l) & i->mask;
	return IN_NEXT;
}

int in_run_alloca(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);
	const uint64_t *size = in_row(w, i->a), *align = in_row(w, i->b);

	for_lanes(l, m) {
		uint64_t al = align[l] && vgpu_is_pow2(align[l]) && align[l] <= 64 ? align[l] : 8;
		uint64_t at = vgpu_align_up(w->sp[l], al);

		if (size[l] > w->blk->local_B || at + size[l] > w->blk->local_B)
			return in_fault(w, i, l, VGPU_E_HW_STACK, 0, "alloca of %llu bytes: the stack has %llu",
					(unsigned long long)size[l], (unsigned long long)w->blk->local_B);
		d[l] = at;
		w->sp[l] = (uint32_t)vgpu_align_up(at + size[l], 16);
		w->blk->local_used = MAX(w->blk->local_used, (uint64_t)w->sp[l]);
	}
	return IN_NEXT;
}

int in_run_stacksave(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint64_t *d = in_row(w, i->d);

	for_lanes(l, m)
		d[l] = w->sp[l];
	return IN_NEXT;
}

int in_run_stackrestore(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *a = in_row(w, i->a);
	const struct in_frame *f = in_cur(w)->frame;

	for_lanes(l, m) {
		if (a[l] < f->lbase[l] + (uint64_t)f->func->frame_B || a[l] > w->sp[l])
			return in_fault(w, i, l, VGPU_E_HW_STACK, a[l], "stackrestore: not a value of stacksave");
		w->sp[l] = (uint32_t)a[l];
	}
	return IN_NEXT;
}
