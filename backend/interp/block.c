/*
 * block.c: a block in flight: its memory, its warps, and their turns.
 *
 * block_run goes round the warps until all have ended, the slice is used up,
 * or a whole round went by in which no warp did anything but wait. The memory
 * guard is armed for the whole of it: a fault in the window comes back to
 * block_run, where the instruction that made it is still the running one.
 */
#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"

#define BLOCK_MAX_B ((size_t)256 << 20)
/* Local memory used in a block: above that, fresh pages are cheaper than clearing. */
#define LOCAL_CLEAR_MAX_B (1 << 20)

/* Local memory beyond a kernel's own variables: calls here take more than on hardware, which keeps most in registers. */
static uint64_t stack_bytes(const struct be_launch *l, const struct be_kernel *k)
{
	return k->calls || k->uses_local ? 4 * (uint64_t)l->stack_B : 0;
}

/*
 * Bytes between the local memories of two threads. An odd multiple of 128:
 * lanes that use the same offset, as they mostly do, spread over the cache
 * instead of meeting in a few sets.
 */
static uint64_t local_stride(uint64_t n)
{
	return n ? (vgpu_align_up(n, 128) / 128 | 1) * 128 : 0;
}

/* What lies behind the struct, in one piece of memory: offsets of the parts. */
struct parts {
	size_t warps, bar_lanes, frame_free, params, frames, frame_B, total;
};

static size_t add_part(struct parts *p, size_t n)
{
	size_t at = p->total;

	p->total += vgpu_align_up(n, 64);
	return at;
}

static struct parts find_parts(const struct be_launch *l, uint32_t n_warps)
{
	const struct be_kernel *k = l->kernel;
	struct parts p = { .frame_B = vgpu_align_up(in_frame_bytes(k->funcs[k->entry_func]), 64) };

	add_part(&p, sizeof(struct be_block));
	p.warps = add_part(&p, n_warps * sizeof(struct in_warp));
	p.bar_lanes = add_part(&p, IN_NBARRIER * n_warps * sizeof(uint32_t));
	p.frame_free = add_part(&p, k->m->n_funcs * sizeof(struct in_frame *));
	p.params = add_part(&p, l->param_bytes);
	p.frames = add_part(&p, n_warps * p.frame_B);
	return p;
}

static bool alloc_memory(struct be_block *b)
{
	const struct be_kernel *k = b->k;

	b->shared_B = IN_SHARED_RESERVED + (uint64_t)k->shared_static + b->l->shared_dyn;
	b->shared = in_cache_get(b->shared_B, false);
	b->local_B = local_stride(k->local_B + stack_bytes(b->l, k));
	b->local_used = k->local_B;
	if (b->local_B)
		b->local = in_cache_get(b->local_B * b->n_warps * WARP, true);
	if (!b->shared || (b->local_B && !b->local))
		return false;
	memset(b->shared, 0, b->shared_B);
	return true;
}

static void free_local(struct be_block *b)
{
	uint64_t threads = (uint64_t)b->n_warps * WARP, size = b->local_B * threads;

	if (b->local_used * threads > LOCAL_CLEAR_MAX_B) {
		in_cache_drop(b->local, size);
		return;
	}
	for (uint64_t t = 0; b->local && t < threads; t++)
		memset(b->local + t * b->local_B, 0, b->local_used);
	in_cache_put(b->local, size, true);
}

void in_warp_tids(struct in_warp *w, const uint32_t dim[3])
{
	uint32_t x = w->thread0 % dim[0], y = w->thread0 / dim[0] % dim[1], z = w->thread0 / dim[0] / dim[1];

	for (uint32_t l = 0; l < WARP; l++) {
		w->tid[0][l] = x;
		w->tid[1][l] = y;
		w->tid[2][l] = z;
		if (++x < dim[0])
			continue;
		x = 0;
		if (++y < dim[1])
			continue;
		y = 0;
		z++;
	}
}

static void init_warp(struct be_block *b, uint32_t n, struct in_frame *fr)
{
	const struct in_func *f = b->k->funcs[b->k->entry_func];
	struct in_warp *w = &b->warps[n];
	uint32_t left = b->n_threads - n * WARP;

	w->blk = b;
	w->index = n;
	w->thread0 = n * WARP;
	w->valid = w->live = left >= WARP ? ALL_LANES : (1u << left) - 1;
	w->base[1] = b->k->consts;
	fr->func = f;
	fr->live = w->live;
	for (uint32_t l = 0; l < WARP; l++)
		w->sp[l] = f->frame_B;
	in_warp_tids(w, b->l->block);
	in_group_new(w, w->live, f->start, fr);
}

/* All zeros but for the pointers into itself, the parameters and the warps. */
static void init_block(struct be_block *b, const struct parts *p)
{
	uint8_t *at = (uint8_t *)b;

	b->warps = (struct in_warp *)(at + p->warps);
	b->bar_lanes = (uint32_t *)(at + p->bar_lanes);
	b->frame_free = (struct in_frame **)(at + p->frame_free);
	b->params = at + p->params;
	if (b->l->param_bytes)
		memcpy(b->params, b->l->params, b->l->param_bytes);
	for (uint32_t n = 0; n < IN_NBARRIER; n++)
		b->bar[n].arrived = b->bar_lanes + (size_t)n * b->n_warps;
	for (uint32_t n = 0; n < b->n_warps; n++)
		init_warp(b, n, (struct in_frame *)(at + p->frames + n * p->frame_B));
}

static uint32_t rank_in_cluster(const struct be_block *b)
{
	const uint32_t *c = b->l->cluster, *id = b->ctaid;

	return id[0] % c[0] + c[0] * (id[1] % c[1] + c[1] * (id[2] % c[2]));
}

static int check_launch(const struct be_launch *l, uint64_t linear, struct vgpu_err *err)
{
	uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];

	if (!threads || l->block[0] > 1024 || l->block[1] > 1024 || l->block[2] > 1024 || threads > 1024)
		return vgpu_err_set(err, VGPU_E_LAUNCH_RESOURCES, "a block of %ux%ux%u threads: at most 1024 fit", l->block[0],
				    l->block[1], l->block[2]);
	if (linear / l->grid[0] / l->grid[1] >= l->grid[2])
		return vgpu_err_set(err, VGPU_E_INVALID, "block %llu is outside of the grid", (unsigned long long)linear);
	if (l->param_bytes < l->kernel->param_B)
		return vgpu_err_set(err, VGPU_E_INVALID, "'%s' has %u bytes of parameters, %u were given", l->kernel->entry->name,
				    l->kernel->param_B, l->param_bytes);
	if (l->shared_dyn > 16 << 20)
		return vgpu_err_set(err, VGPU_E_LAUNCH_RESOURCES, "%u bytes of dynamic shared memory", l->shared_dyn);
	return 0;
}

struct be_block *in_block_new(const struct be_launch *l, uint64_t linear, struct vgpu_err *err)
{
	struct be_block *b;
	struct parts p;
	uint32_t n_warps;

	if (check_launch(l, linear, err))
		return NULL;
	n_warps = (l->block[0] * l->block[1] * l->block[2] + WARP - 1) / WARP;
	p = find_parts(l, n_warps);
	b = p.total > BLOCK_MAX_B ? NULL : in_cache_get(p.total, false);
	if (!b)
		goto fail;
	memset(b, 0, p.total);
	b->size_B = p.total;
	b->k = l->kernel;
	b->l = l;
	b->s = l->services;
	b->linear = linear;
	b->ctaid[0] = (uint32_t)(linear % l->grid[0]);
	b->ctaid[1] = (uint32_t)(linear / l->grid[0] % l->grid[1]);
	b->ctaid[2] = (uint32_t)(linear / l->grid[0] / l->grid[1]);
	b->rank = rank_in_cluster(b);
	b->n_threads = l->block[0] * l->block[1] * l->block[2];
	b->n_warps = n_warps;
	if (!alloc_memory(b))
		goto fail;
	init_block(b, &p);
	return b;
fail:
	vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a block of '%s'", l->kernel->entry->name);
	in_block_free(b);
	return NULL;
}

/* The first call of a cluster makes what its blocks share, for all of them. */
void in_block_link(struct be_block *b, struct be_block *const *peers, uint32_t n)
{
	struct in_cluster *c;

	if (b->cluster || n < 2)
		return;
	c = calloc(1, sizeof(*c) + n * sizeof(c->peer[0]));
	if (!c)
		return;   /* block_run reports it */
	c->refs = c->n = n;
	for (uint32_t k = 0; k < n; k++) {
		c->peer[k].shared = peers[k]->shared;
		c->peer[k].shared_B = peers[k]->shared_B;
		peers[k]->cluster = c;
		peers[k]->rank = k;
	}
}

static void cluster_leave(struct be_block *b)
{
	struct in_cluster *c = b->cluster;

	if (!c) {
		in_cache_put(b->shared, b->shared_B, false);
		return;
	}
	__atomic_store_n(&c->peer[b->rank].gen, UINT32_MAX, __ATOMIC_RELEASE);
	/* Others may still look at this block's shared memory: the last one frees all. */
	if (__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (uint32_t k = 0; k < c->n; k++)
		in_cache_put(c->peer[k].shared, c->peer[k].shared_B, false);
	free(c);
}

void in_block_free(struct be_block *b)
{
	if (!b)
		return;
	cluster_leave(b);
	free_local(b);
	for (size_t n = 0; n < b->frames.n; n++)
		free(b->frames.v[n]);
	vgpu_vec_free(&b->frames);
	for (size_t n = 0; n < ARRAY_SIZE(b->text); n++)
		vgpu_buf_free(&b->text[n]);
	in_cache_put(b, b->size_B, false);
}

static bool has_work(const struct in_warp *w)
{
	for_lanes(s, w->used)
		if (w->g[s].state == IN_G_RUN)
			return true;
	return false;
}

static bool cluster_waits(const struct be_block *b)
{
	return b->l->cluster[0] * b->l->cluster[1] * b->l->cluster[2] > 1 || b->cl_arrived;
}

/* A block of a cluster can't run without knowing the others. */
static bool is_linked(struct be_block *b)
{
	if (b->cluster || b->l->cluster[0] * b->l->cluster[1] * b->l->cluster[2] <= 1)
		return true;
	in_fault(&b->warps[0], NULL, 0, VGPU_E_NOMEM, 0, "no memory for a cluster");
	return false;
}

/* Rounds of turns. A round in which every warp that could run only spun ends the call. */
static enum be_run run_rounds(struct be_block *b)
{
	uint32_t budget = b->s->slice ? b->s->slice : UINT32_MAX;

	while (b->n_done < b->n_warps) {
		if (b->next == 0) {
			b->round_progress = false;
			if (cluster_waits(b))
				in_bar_cluster_poll(b);
		}
		for (; b->next < b->n_warps; b->next++) {
			struct in_warp *w = &b->warps[b->next];

			if (!has_work(w))
				continue;
			if (!budget)
				return BE_RUN_YIELD;
			b->cur = w;
			switch (in_warp_run(w, &budget)) {
			case IN_FAULT: return BE_RUN_FAULT;
			case IN_CANCEL: return BE_RUN_CANCELLED;
			case IN_SPIN: break;
			default: b->round_progress = true;
			}
		}
		b->next = 0;
		if (*b->s->cancel)
			return BE_RUN_CANCELLED;
		if (!b->round_progress && b->n_done < b->n_warps)
			return BE_RUN_SPIN;
	}
	if (b->cluster)
		__atomic_store_n(&b->cluster->peer[b->rank].gen, UINT32_MAX, __ATOMIC_RELEASE);
	return BE_RUN_DONE;
}

/* The access of the running instruction that was caught by the guard. */
void in_fault_of_guard(struct be_block *b)
{
	struct in_warp *w = b->cur;
	const struct in_insn *i = &b->k->code.v[in_cur(w)->pc];
	uint64_t at = be_guard_addr(), n = i->size ? i->size * MAX(i->n_vec, 1) : 16;
	uint32_t lane = (uint32_t)__builtin_ctz(in_cur(w)->mask ? in_cur(w)->mask : 1);

	if (at - b->s->window >= b->s->window_size) {
		in_fault(w, i, lane, VGPU_E_INTERNAL, at, "the interpreter itself faulted at 0x%llx", (unsigned long long)at);
		return;
	}
	if (!i->frame_base)
		for_lanes(l, in_cur(w)->mask)
			if (at - in_addr(w, i, l) < n) {
				lane = l;
				break;
			}
	in_fault(w, i, lane, VGPU_E_ILLEGAL_ADDRESS, at, "illegal access at 0x%llx: no memory there", (unsigned long long)at);
}

enum be_run in_block_run(struct be_block *b, struct be_fault *fault)
{
	struct be_block *volatile blk = b;
	enum be_run r;

	b->fault = fault;
	if (!is_linked(b))
		return BE_RUN_FAULT;
	if (be_guard_enter()) {
		in_fault_of_guard(blk);
		return BE_RUN_FAULT;
	}
	r = run_rounds(b);
	be_guard_leave();
	return r;
}
