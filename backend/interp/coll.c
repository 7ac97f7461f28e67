/*
 * coll.c: instructions in which the lanes of a warp work together: shfl,
 * vote, match, redux, elect, activemask, bar.warp.sync; and how they meet, for
 * those of tensor.c, too.
 *
 * A .sync form names its lanes. Lanes that arrive early leave the running
 * group and wait (IN_G_SYNC); when all named lanes that still live have
 * arrived at an instruction of the same kind with the same mask, the operation
 * runs once for all of them, wherever in the code and in whatever frame each
 * stands. Forms without .sync work with the lanes that run together just now.
 */
#include <string.h>

#include "backend/interp/interp.h"

/* Lanes that meet need the same key: the operation and its variant, or one instruction of one frame. */
static uint64_t key_of(const struct in_insn *i, const struct in_frame *f)
{
	if (i->coll->same_insn)
		return (uint64_t)(uintptr_t)i ^ (uint64_t)(uintptr_t)f << 16;
	return (uint64_t)(uintptr_t)i->coll ^ (uint64_t)i->ir->mode << 48 ^ (uint64_t)i->ir->atom << 56;
}

/* Runs c, whose rows are those of one frame. */
static int run_direct(struct in_warp *w, const struct in_insn *i, uint32_t part)
{
	const uint64_t *src[IN_MAX_COLL];
	uint64_t *dst[IN_MAX_COLL];
	struct in_coll c = { .w = w, .i = i, .part = part, .src = src, .dst = dst };

	for (unsigned k = 0; k < i->coll->n_src; k++)
		src[k] = in_row(w, i->vec[k]);
	for (unsigned k = 0; k < i->coll->n_dst; k++)
		dst[k] = in_row(w, i->vec[IN_MAX_COLL + k]);
	return i->coll->run(&c);
}

/* The lanes stand in several groups: gather, run, scatter. */
static int run_gathered(struct in_warp *w, const struct in_insn *any, uint32_t part)
{
	const struct be_kernel *k = w->blk->k;
	const struct in_coll_op *op = any->coll;
	uint64_t src[IN_MAX_COLL][WARP], dst[IN_MAX_COLL][WARP];
	const uint64_t *src_row[IN_MAX_COLL];
	uint64_t *dst_row[IN_MAX_COLL];
	struct in_coll c = { .w = w, .i = any, .part = part, .src = src_row, .dst = dst_row };
	int rc;

	memset(src, 0, op->n_src * sizeof(src[0]));
	for (unsigned n = 0; n < op->n_src; n++)
		src_row[n] = src[n];
	for (unsigned n = 0; n < op->n_dst; n++)
		dst_row[n] = dst[n];
	for_lanes(s, w->used) {
		const struct in_group *g = &w->g[s];
		const struct in_insn *i = &k->code.v[g->pc];

		for_lanes(l, g->mask & part)
			for (unsigned n = 0; n < op->n_src; n++)
				src[n][l] = in_frame_row(k, g->frame, i->vec[n])[l];
	}
	rc = op->run(&c);
	if (rc)
		return rc;
	for_lanes(s, w->used) {
		const struct in_group *g = &w->g[s];
		const struct in_insn *i = &k->code.v[g->pc];

		for_lanes(l, g->mask & part)
			for (unsigned n = 0; n < op->n_dst; n++)
				in_frame_row(k, g->frame, i->vec[IN_MAX_COLL + n])[l] = dst[n][l];
	}
	return 0;
}

/* Lanes part have done their collective: their groups go on behind it. */
static void go_on(struct in_warp *w, uint32_t part)
{
	uint32_t used = w->used;

	w->sync_wait &= ~part;
	if (unlikely(w->blk->k->watch))
		w->blk->k->watch->together(w, part);
	for_lanes(s, used) {
		struct in_group *g = &w->g[s];
		uint32_t go = g->mask & part;

		if (!go)
			continue;
		if (go == g->mask) {
			g->state = IN_G_RUN;
			g->pc++;
		} else {
			g->mask &= ~go;
			in_group_new(w, go, g->pc + 1, g->frame);
		}
	}
}

/* Runs what lane's mask names, if all of it is there. */
static int try_lane(struct in_warp *w, uint32_t lane, bool *ran)
{
	uint32_t part = w->sync_mask[lane] & w->live, cur = w->cur;
	const uint64_t *base = w->base[0];
	int rc;

	*ran = false;
	for_lanes(l, part)
		if (!(w->sync_wait >> l & 1) || w->sync_mask[l] != w->sync_mask[lane] || w->sync_key[l] != w->sync_key[lane])
			return 0;
	for_lanes(s, w->used)
		if (w->g[s].mask >> lane & 1)
			w->cur = s;
	w->base[0] = in_cur(w)->frame->rows;
	rc = run_gathered(w, &w->blk->k->code.v[in_cur(w)->pc], part);
	w->cur = cur;
	w->base[0] = base;
	if (rc)
		return rc;
	go_on(w, part);
	*ran = true;
	return 0;
}

static int try_all(struct in_warp *w, uint32_t lanes)
{
	bool ran;

	for_lanes(l, lanes)
		if (w->sync_wait >> l & 1 && try_lane(w, l, &ran))
			return IN_FAULT;
	return 0;
}

/* After lanes have exited: collectives that waited for them alone. */
void in_coll_recheck(struct in_warp *w)
{
	if (w->sync_wait)
		w->sync_fault |= try_all(w, w->sync_wait) != 0;
}

/* The member mask is in row c; without .sync all lanes that run together. */
int in_run_coll(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *members = in_row(w, i->c);
	struct in_group *g = in_cur(w);
	uint32_t first = (uint32_t)members[__builtin_ctz(m)], differ = 0, strays = 0, rest;
	int rc;

	if (!i->sign)
		return run_direct(w, i, m) ? IN_FAULT : IN_NEXT;
	for_lanes(l, m) {
		differ |= (uint32_t)members[l] ^ first;
		strays |= (uint32_t)!(members[l] >> l & 1) << l;
	}
	/* Lanes that don't name themselves (undefined in PTX) work with those that they run with, as on hardware. */
	if (!differ && ((first & w->live) == m || (strays && !(first & w->live & ~m))))
		return run_direct(w, i, m) ? IN_FAULT : IN_NEXT;

	rest = g->mask & ~m;
	if (rest) {
		g->mask = m;
		in_group_new(w, rest, g->pc + 1, g->frame);
	}
	if (strays)
		return in_fault(w, i, (uint32_t)__builtin_ctz(strays), VGPU_E_ILLEGAL_INSTRUCTION, 0,
				"lane %d is not in its own member mask", __builtin_ctz(strays));
	for_lanes(l, m) {
		w->sync_mask[l] = (uint32_t)members[l];
		w->sync_key[l] = key_of(i, g->frame);
	}
	g->state = IN_G_SYNC;
	w->sync_wait |= m;
	rc = try_all(w, m);
	return rc ? rc : IN_RESCHED;
}

/* ---- the operations ---- */

static int op_nothing(struct in_coll *c)
{
	return 0;
}

/* src: a, b, c; dst: d, p */
static int op_shfl(struct in_coll *c)
{
	const uint64_t *a = c->src[0], *b = c->src[1], *cc = c->src[2];
	uint64_t d[WARP], p[WARP];

	for_lanes(l, c->part) {
		int lane = (int)l, bval = (int)(b[l] & 31), cval = (int)(cc[l] & 31), seg = (int)(cc[l] >> 8 & 31);
		int max = (lane & seg) | (cval & ~seg), min = lane & seg, j = lane;
		bool ok = false;

		switch (c->i->ir->mode) {
		case IR_MODE_UP: j = lane - bval; ok = j >= max; break;
		case IR_MODE_DOWN: j = lane + bval; ok = j <= max; break;
		case IR_MODE_BFLY: j = lane ^ bval; ok = j <= max; break;
		default: j = min | (bval & ~seg); ok = j <= max; break;
		}
		if (!ok)
			j = lane;
		/* A source lane that takes no part gives a value that PTX leaves undefined; GPUs give 0, and programs build on it. */
		d[l] = c->part >> j & 1 ? a[j] : 0;
		p[l] = ok;
	}
	for_lanes(l, c->part) {
		c->dst[0][l] = d[l];
		c->dst[1][l] = p[l];
	}
	return 0;
}

static int op_vote(struct in_coll *c)
{
	uint32_t yes = 0;
	uint64_t r;

	for_lanes(l, c->part)
		yes |= (uint32_t)(c->src[0][l] & 1) << l;
	switch (c->i->ir->mode) {
	case IR_MODE_ALL: r = yes == c->part; break;
	case IR_MODE_ANY: r = yes != 0; break;
	case IR_MODE_UNI: r = yes == c->part || !yes; break;
	default: r = yes; break;
	}
	for_lanes(l, c->part)
		c->dst[0][l] = r;
	return 0;
}

static int op_match(struct in_coll *c)
{
	const uint64_t *a = c->src[0];
	uint64_t d[WARP];
	uint32_t all = 0;

	for_lanes(l, c->part) {
		uint32_t same = 0;

		for_lanes(j, c->part)
			same |= (uint32_t)(a[j] == a[l]) << j;
		d[l] = same;
		all = same;
	}
	for_lanes(l, c->part) {
		if (c->i->ir->mode == IR_MODE_ALL) {
			c->dst[0][l] = all == c->part ? c->part : 0;
			c->dst[1][l] = all == c->part;
		} else {
			c->dst[0][l] = d[l];
		}
	}
	return 0;
}

static uint32_t redux_int(const struct ir_insn *ir, uint32_t x, uint32_t y)
{
	bool s = ir->type == IR_T_S32;

	switch (ir->atom) {
	case IR_ATOM_ADD: return x + y;
	case IR_ATOM_AND: return x & y;
	case IR_ATOM_OR: return x | y;
	case IR_ATOM_XOR: return x ^ y;
	case IR_ATOM_MIN: return s ? (uint32_t)MIN((int32_t)x, (int32_t)y) : MIN(x, y);
	default: return s ? (uint32_t)MAX((int32_t)x, (int32_t)y) : MAX(x, y);
	}
}

/* min and max of floats by their bits: sign-magnitude turned into two's complement order. */
static uint32_t redux_f32(const struct ir_insn *ir, uint32_t x, uint32_t y)
{
	bool xn = (x & 0x7fffffff) > 0x7f800000, yn = (y & 0x7fffffff) > 0x7f800000;
	int32_t kx = (int32_t)(x & 0x80000000 ? ~x ^ 0x80000000 : x), ky = (int32_t)(y & 0x80000000 ? ~y ^ 0x80000000 : y);

	if (xn || yn) {
		if (ir->flags & IR_F_NAN || (xn && yn))
			return 0x7fffffff;
		return xn ? y : x;
	}
	return (ir->atom == IR_ATOM_MIN) == (kx < ky) ? x : y;
}

static int op_redux(struct in_coll *c)
{
	const struct ir_insn *ir = c->i->ir;
	uint32_t drop = ir->flags & IR_F_ABS ? 0x7fffffff : 0xffffffff, r = 0;
	bool first = true;

	for_lanes(l, c->part) {
		uint32_t x = (uint32_t)c->src[0][l] & drop;

		r = first ? x : ir->type == IR_T_F32 ? redux_f32(ir, r, x) : redux_int(ir, r, x);
		first = false;
	}
	/* A lone NaN comes out canonical, as any other. */
	if (ir->type == IR_T_F32 && (r & 0x7fffffff) > 0x7f800000)
		r = 0x7fffffff;
	for_lanes(l, c->part)
		c->dst[0][l] = r;
	return 0;
}

static int op_elect(struct in_coll *c)
{
	uint32_t leader = (uint32_t)__builtin_ctz(c->part);

	for_lanes(l, c->part) {
		c->dst[0][l] = leader;
		c->dst[1][l] = l == leader;
	}
	return 0;
}

static int op_activemask(struct in_coll *c)
{
	for_lanes(l, c->part)
		c->dst[0][l] = c->part;
	return 0;
}

static const struct in_coll_op coll_warp = { op_nothing, 0, 0, false };
static const struct in_coll_op coll_shfl = { op_shfl, 3, 2, false };
static const struct in_coll_op coll_vote = { op_vote, 1, 1, false };
static const struct in_coll_op coll_match = { op_match, 1, 2, false };
static const struct in_coll_op coll_redux = { op_redux, 1, 1, false };
static const struct in_coll_op coll_elect = { op_elect, 0, 2, false };
static const struct in_coll_op coll_activemask = { op_activemask, 0, 1, false };
const struct in_coll_op *in_coll_select(const struct ir_insn *i)
{
	switch (i->op) {
	case IR_OP_bar:
	case IR_OP_barrier: return &coll_warp;
	case IR_OP_shfl: return ir_type_bits(i->type) == 32 ? &coll_shfl : NULL;
	case IR_OP_vote: return &coll_vote;
	case IR_OP_match: return &coll_match;
	case IR_OP_redux: return &coll_redux;
	case IR_OP_elect: return &coll_elect;
	case IR_OP_activemask: return &coll_activemask;
	}
	return NULL;
}
