/*
 * chk_block.c: the shadow of a block: who touched each byte of its shared
 * memory, which bytes of its threads' local memory were written, and the
 * clocks of its warps. It comes and goes with the block.
 */
#include <string.h>

#include "backend/check/chk_priv.h"

static size_t part(size_t *end, size_t n)
{
	size_t at = *end;

	*end += vgpu_align_up(n, 64);
	return at;
}

static struct chk_block *shadow_new(struct be_block *b)
{
	uint64_t words = (b->local_B + 63) / 64, threads = (uint64_t)b->n_warps * WARP;
	size_t end = 0, shared, local, warp, gone, log;
	struct chk_block *s;

	part(&end, sizeof(*s));
	shared = part(&end, b->shared_B * sizeof(*s->shared));
	local = part(&end, words * threads * sizeof(*s->local));
	warp = part(&end, b->n_warps * sizeof(*s->warp));
	gone = part(&end, b->n_warps * sizeof(*s->gone));
	log = part(&end, b->n_warps * sizeof(*s->log));
	s = in_cache_get(end, false);
	if (!s)
		return NULL;
	memset(s, 0, end);
	s->c = b->s->check;
	s->size_B = end;
	s->shared = (struct chk_byte *)((char *)s + shared);
	s->local = (uint64_t *)((char *)s + local);
	s->local_words = words;
	s->warp = (struct chk_clock *)((char *)s + warp);
	s->gone = (struct chk_clock *)((char *)s + gone);
	s->log = (uint32_t (*)[CHK_LOG])((char *)s + log);
	return s;
}

struct be_block *chk_block_new(const struct be_launch *l, uint64_t linear, struct vgpu_err *err)
{
	struct be_block *b;

	if (!l->services->check) {
		vgpu_err_set(err, VGPU_E_INTERNAL, "the memory checker has nowhere to report to");
		return NULL;
	}
	b = in_block_new(l, linear, err);
	if (!b)
		return NULL;
	b->chk = shadow_new(b);
	if (!b->chk) {
		in_block_free(b);
		vgpu_err_set(err, VGPU_E_NOMEM, "no memory for the memory checker's view of a block of '%s'", l->kernel->entry->name);
		return NULL;
	}
	for (uint32_t n = 0; b->local_B && n < b->n_warps; n++)
		chk_local_enter(&b->warps[n], ALL_LANES, b->warps[n].g[0].frame);
	return b;
}

void chk_block_free(struct be_block *b)
{
	if (b && b->chk)
		in_cache_put(b->chk, b->chk->size_B, false);
	in_block_free(b);
}

/* ---- local memory ---- */

static void set_range(uint64_t *map, uint64_t from, uint64_t to, bool on)
{
	for (uint64_t k = from; k < to; k++)
		if (on)
			map[k / 64] |= (uint64_t)1 << k % 64;
		else
			map[k / 64] &= ~((uint64_t)1 << k % 64);
}

uint64_t *chk_local_map(const struct in_warp *w, uint32_t lane)
{
	const struct chk_block *s = w->blk->chk;

	return s->local + (w->thread0 + lane) * s->local_words;
}

void chk_local_mark(struct in_warp *w, uint32_t lane, uint64_t off, uint64_t n)
{
	set_range(chk_local_map(w, lane), off, off + n, true);
}

bool chk_local_any_written(const struct in_warp *w, uint32_t lane, uint64_t off, uint32_t n)
{
	const uint64_t *map = chk_local_map(w, lane);

	for (uint64_t k = off; k < off + n; k++)
		if (map[k / 64] >> k % 64 & 1)
			return true;
	return false;
}

/* A frame comes to life: its parameters will be written by who calls, its .local variables by nobody yet. */
void chk_local_enter(struct in_warp *w, uint32_t m, const struct in_frame *f)
{
	uint64_t params = f->func->local_start, end = f->func->frame_B;

	for_lanes(l, m) {
		uint64_t *map = chk_local_map(w, l);

		set_range(map, f->lbase[l], f->lbase[l] + params, true);
		set_range(map, f->lbase[l] + params, f->lbase[l] + end, false);
	}
}

/*
 * Local memory reaches from 0 to the end of the frame that runs; what lies
 * between the variables of one frame and the next one is nobody's, unless it
 * was taken by alloca. *x: what [addr, addr+n) should have been in.
 */
bool chk_local_inside(const struct in_warp *w, uint32_t lane, uint64_t addr, uint64_t n, struct chk_extent *x)
{
	const struct in_frame *f = in_cur((struct in_warp *)(uintptr_t)w)->frame;
	uint64_t sp = w->sp[lane];

	*x = (struct chk_extent){ 0, sp };
	while (f->parent && f->lbase[lane] > addr)
		f = f->parent;
	if (addr - f->lbase[lane] < f->func->frame_B) {
		x->lo = f->lbase[lane];
		x->hi = f->lbase[lane] + w->blk->k->chk->local_end[f->func->index];
	}
	return addr >= x->lo && addr < x->hi && n <= x->hi - addr;
}
