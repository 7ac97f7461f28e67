/*
 * sd_block.c: a block in flight: its memory, and its gangs, which run one after
 * the other until each has ended or waits.
 *
 * Shared memory lies at the start of 4 GiB of reserved address space with 2 GiB
 * in front, so that no 32-bit offset, and no pattern's base, leads elsewhere.
 * Its end is a page's (but for the last 63 bytes). The memory guard is armed for the whole run.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/simd/sd_priv.h"
#include "util/sys.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#define GIB ((uint64_t)1 << 30)
#define BEFORE (2 * GIB)
#define RANGE (BEFORE + 4 * GIB)
#define RESERVED 1024u             /* in front of a kernel's own shared variables */
#define PAGE 4096u
#define LINE 64u
#define MXCSR_FTZ_DAZ 0x8040u

/* An odd multiple of 128: lanes that use the same offset spread over the cache. */
static uint64_t local_stride(uint64_t n)
{
	return n ? (vgpu_align_up(n, 128) / 128 | 1) * 128 : 0;
}

static void *map(uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool map_shared(struct sd_block *b)
{
	uint64_t len = vgpu_align_up(b->shared_B, PAGE);

	b->shared_map = mmap(NULL, RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->shared_map == MAP_FAILED) {
		b->shared_map = NULL;
		return false;
	}
	/* its end is the end of a page */
	b->c.shared = b->shared_map + BEFORE + len - vgpu_align_up(b->shared_B, LINE);
	return !mprotect(b->shared_map + BEFORE, len, PROT_READ | PROT_WRITE);
}

static uint64_t shared_bytes(const struct be_launch *l)
{
	return RESERVED + (uint64_t)l->kernel->info.shared_static + l->shared_dyn;
}

static uint32_t threads_of(const struct be_launch *l)
{
	return l->block[0] * l->block[1] * l->block[2];
}

/* Frames and rows as large as the part wants them; what is in the frames stays. */
static bool room_for(struct sd_block *b, const struct sd_part *p)
{
	const struct sd_meta *m = &p->code->meta;

	if (p->n_rows > b->n_rows) {
		uint64_t size = (uint64_t)p->n_rows * m->W * 8;
		uint64_t *rows = aligned_alloc(64, vgpu_align_up(size, 64));

		if (!rows)
			return false;
		memset(rows, 0, size);
		free(b->c.rows);
		b->c.rows = rows;
		b->n_rows = p->n_rows;
	}
	if (m->frame_B > b->frame_B) {
		uint8_t *frames = aligned_alloc(64, (uint64_t)m->frame_B * b->n_gangs);

		if (!frames)
			return false;
		for (uint32_t k = 0; k < b->n_gangs && b->frames; k++)
			memcpy(frames + (uint64_t)k * m->frame_B, b->frames + (uint64_t)k * b->frame_B, b->frame_B);
		free(b->frames);
		b->frames = frames;
		b->frame_B = m->frame_B;
	}
	return true;
}

static bool alloc_memory(struct sd_block *b)
{
	const struct sd_meta *m = &b->v->part[0]->code->meta;
	uint32_t threads = b->n_gangs * m->W;

	b->gangs = calloc(b->n_gangs, sizeof(*b->gangs));
	b->c.local_stride = local_stride(m->local_B);
	b->local_map_B = b->c.local_stride * threads;
	b->local = b->local_map_B ? map(b->local_map_B) : NULL;
	if (m->generic_tid)
		b->tids = calloc(3 * (size_t)threads, sizeof(*b->tids));
	return b->gangs && room_for(b, b->v->part[0]) && (!b->local_map_B || b->local) && (!m->generic_tid || b->tids) && map_shared(b);
}

static void set_tids(struct sd_block *b)
{
	uint32_t n = b->n_gangs * b->v->part[0]->code->meta.W, x = 0, y = 0, z = 0;

	for (uint32_t t = 0; t < n; t++) {
		b->tids[t] = x;
		b->tids[n + t] = y;
		b->tids[2 * n + t] = z;
		if (++x < b->l->block[0])
			continue;
		x = 0;
		if (++y < b->l->block[1])
			continue;
		y = 0;
		z++;
	}
}

static void set_valid(struct sd_block *b)
{
	const uint32_t W = b->v->part[0]->code->meta.W;

	for (uint32_t k = 0; k < b->n_gangs; k++) {
		struct sd_gang *g = &b->gangs[k];

		g->full = b->n_threads - k * W >= W;
		for (uint32_t w = 0; w < W / 32; w++) {
			uint32_t first = k * W + w * 32, left = first < b->n_threads ? b->n_threads - first : 0;

			g->valid[w] = left >= 32 ? 0xffffffffu : (1u << left) - 1;
		}
	}
}

/* The least aligned power of two that holds the window: what lies around it is unmapped, or faults in the interpreter. */
static uint64_t window_mask(uint64_t base, uint64_t size)
{
	uint64_t n = size > PAGE ? (uint64_t)1 << (63 - __builtin_clzll(size)) : PAGE;

	while (n < size || (base & (n - 1)) + size > n)
		n *= 2;
	return ~(n - 1);
}

/* What stays the same for all blocks of a launch. */
static void set_launch(struct sd_block *b, const struct be_launch *l)
{
	struct sd_ctx *c = &b->c;

	b->l = l;
	b->s = l->services;
	c->params = l->params;
	c->cancel = (const volatile uint32_t *)l->services->cancel;
	b->part = 0;
	c->addr = b->v->part[0]->addr;
	c->calls = &sd_calls;
	c->win_base = l->services->window;
	c->win_mask = window_mask(l->services->window, l->services->window_size);
	c->coop_workspace = l->coop_workspace;
	c->grid_id = l->grid_id;
	memcpy(c->nctaid, l->grid, sizeof(c->nctaid));
	/* code for any shape: the last launch's may have been another one, of as many threads */
	if (b->tids && memcmp(c->ntid, l->block, sizeof(c->ntid)))
		set_tids(b);
	memcpy(c->ntid, l->block, sizeof(c->ntid));
	c->n_warps = (b->n_threads + 31) / 32;
	c->nsmid = l->services->sm_count;
	c->shared_dyn = l->shared_dyn;
	c->shared_B = (uint32_t)b->shared_B;
	c->blk = b;
}

void sd_block_reset(struct sd_block *b, const struct be_launch *l, uint64_t linear)
{
	set_launch(b, l);
	/* not the next one of anything */
	b->linear = linear;
	sd_block_next(b, linear);
}

/* Another block of the same launch. */
void sd_block_next(struct sd_block *b, uint64_t linear)
{
	const struct be_launch *l = b->l;
	struct sd_ctx *c = &b->c;

	/* division takes longer than many a block */
	if (linear == b->linear + 1 && c->ctaid[0] + 1 < l->grid[0] && c->smid + 1 < l->services->sm_count) {
		c->ctaid[0]++;
		c->smid++;
	} else {
		c->ctaid[0] = (uint32_t)(linear % l->grid[0]);
		c->ctaid[1] = (uint32_t)(linear / l->grid[0] % l->grid[1]);
		c->ctaid[2] = (uint32_t)(linear / l->grid[0] / l->grid[1]);
		c->smid = l->services->sm_count ? (uint32_t)(linear % l->services->sm_count) : 0;
	}
	b->linear = linear;
	c->in_turn = 0;
	b->n_done = b->next = 0;
	b->n_live = b->n_threads;
	/* who arrived without waiting may have been alone */
	if (b->dirty || b->bars) {
		memset(b->bar, 0, sizeof(b->bar));
		b->bars = 0;
	}
	/* a fault left them anywhere */
	b->fresh &= !b->dirty;
	b->dirty = false;
	for (uint32_t k = 0; k < b->n_gangs && !b->fresh; k++) {
		uint32_t first = k * b->v->part[0]->code->meta.W;

		b->gangs[k].state = 0;
		b->gangs[k].part = 0;
		b->gangs[k].how = SD_G_RUN;
		b->gangs[k].live = MIN(b->v->part[0]->code->meta.W, b->n_threads - first);
	}
	b->fresh = true;
	if (b->shared_B > RESERVED)
		memset(c->shared, 0, b->shared_B);
	for (unsigned p = 0; p < 2; p++)
		if (b->shim[p])
			sd_shim_start(b->shim[p], l, linear, b->v->part[0]->code->meta.local_B);
}

bool sd_block_fits(const struct sd_block *b, const struct be_launch *l, const struct sd_variant *v)
{
	return b->v == v && b->n_threads == threads_of(l) && b->shared_B == shared_bytes(l);
}

int sd_block_init(struct sd_block *b, const struct be_launch *l, struct sd_variant *v, uint64_t linear, struct vgpu_err *err)
{
	memset(b, 0, sizeof(*b));
	b->v = v;
	b->l = l;
	sd_variant_ref(v);
	b->n_threads = threads_of(l);
	b->n_gangs = (b->n_threads + v->part[0]->code->meta.W - 1) / v->part[0]->code->meta.W;
	b->shared_B = shared_bytes(l);
	if (!alloc_memory(b)) {
		sd_block_fini(b);
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a block of '%s'", l->kernel->entry->name);
	}
	set_valid(b);
	sd_block_reset(b, l, linear);
	return 0;
}

void sd_block_fini(struct sd_block *b)
{
	sd_shim_free(b->shim[0]);
	sd_shim_free(b->shim[1]);
	free(b->gangs);
	free(b->c.rows);
	free(b->frames);
	free(b->tids);
	if (b->local)
		munmap(b->local, b->local_map_B);
	if (b->shared_map)
		munmap(b->shared_map, RANGE);
	sd_variant_unref(b->v);
	memset(b, 0, sizeof(*b));
}

/* ---- running ---- */

static void enter_gang(struct sd_block *b, uint32_t k)
{
	const struct sd_meta *m = &b->v->part[0]->code->meta;
	struct sd_gang *g = &b->gangs[k];
	struct sd_ctx *c = &b->c;

	c->gang = k;
	c->full = g->full;
	c->frame = b->frames + (uint64_t)k * b->frame_B;
	c->local = b->local + (uint64_t)k * m->W * c->local_stride;
	c->bar_result = g->result;
	if (!g->full)
		memcpy(c->valid, g->valid, sizeof(c->valid));
	else if (b->part || b->v->part[0]->n_rows || m->n_states)
		memset(c->valid, 0xff, m->W / 8);
	if (b->tids)
		for (int d = 0; d < 3; d++)
			c->tid[d] = b->tids + ((uint64_t)d * b->n_gangs + k) * m->W;
}

/* Lanes left are those of c.live. */
static void lanes_left(struct sd_block *b, struct sd_gang *g)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < b->v->part[0]->code->meta.W / 32; w++) {
		b->c.live[w] &= g->valid[w];
		n += sd_lanes(b->c.live[w]);
	}
	b->n_live -= g->live - n;
	if (g->live == n)
		return;
	g->live = n;
	if (b->bars)
		sd_bar_recheck(b, g, b->c.live);
}

/* The other half is made now if nobody needed it yet. NULL: the fault is described. */
static struct sd_part *other_half(struct sd_block *b)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	uint32_t mxcsr = _mm_getcsr();
	uint64_t t0 = vgpu_now_ns();
	struct sd_part *p;

	/* compiling is no business of the guard's, nor of the kernel's way with denormals */
	be_guard_leave();
	_mm_setcsr(mxcsr & ~MXCSR_FTZ_DAZ);
	p = sd_variant_other((struct be_kernel *)(uintptr_t)b->l->kernel, b->v, &err);
	if (p && !room_for(b, p)) {
		p = NULL;
		vgpu_err_set(&err, VGPU_E_NOMEM, "no memory for a block of '%s'", b->l->kernel->entry->name);
	}
	_mm_setcsr(mxcsr);
	b->waited_ns += vgpu_now_ns() - t0;
	be_guard_tls.armed = 1;
	if (p)
		return p;
	memset(b->fault, 0, sizeof(*b->fault));
	b->fault->status = err.status == VGPU_E_NOMEM ? VGPU_E_NOMEM : VGPU_E_LAUNCH_FAILED;
	memcpy(b->fault->block, b->c.ctaid, sizeof(b->fault->block));
	snprintf(b->fault->text, sizeof(b->fault->text), "'%.80s': %.160s", b->l->kernel->entry->name, err.text);
	b->c.why = SD_WHY_FAULT;
	return NULL;
}

static bool set_part(struct sd_block *b, unsigned part)
{
	const struct sd_part *p = part ? __atomic_load_n(&b->v->part[1], __ATOMIC_ACQUIRE) : b->v->part[0];

	if (part && (!p || p->n_rows > b->n_rows || p->code->meta.frame_B > b->frame_B))
		p = other_half(b);
	if (!p)
		return false;
	b->part = part;
	b->c.addr = p->addr;
	return true;
}

/* The gang answered r: from half to half, until it has ended or waits. */
static uint32_t follow(struct sd_block *b, uint32_t k, uint32_t r)
{
	struct sd_gang *g = &b->gangs[k];

	while (r != SD_DONE && r != SD_GAVE_UP && b->c.why == SD_WHY_WORLD) {
		if (*b->s->cancel) {
			b->c.why = SD_WHY_CANCEL;
			return SD_GAVE_UP;
		}
		b->crossings++;
		g->part ^= 1;
		if (!set_part(b, g->part))
			return SD_GAVE_UP;
		enter_gang(b, k);
		r = b->v->part[b->part]->code->fn(&b->c, r == SD_CROSS ? 0 : r);
	}
	return r;
}

/* BE_RUN_DONE: go on with the next gang. */
static enum be_run answered(struct sd_block *b, uint32_t k, uint32_t r)
{
	struct sd_gang *g = &b->gangs[k];

	r = follow(b, k, r);
	if (r == SD_DONE) {
		g->how = SD_G_DONE;
		b->n_done++;
		b->progress = true;
		memset(b->c.live, 0, sizeof(b->c.live));
		lanes_left(b, g);
		return BE_RUN_DONE;
	}
	if (r == SD_GAVE_UP)
		return b->c.why == SD_WHY_CANCEL ? BE_RUN_CANCELLED : BE_RUN_FAULT;
	g->state = r;
	if (b->c.why == SD_WHY_YIELD) {
		lanes_left(b, g);
		g->how = SD_G_YIELD;
		return BE_RUN_DONE;
	}
	b->progress = true;
	lanes_left(b, g);
	return sd_bar_arrive(b, g, b->c.bar_id, b->c.bar_count, true) ? BE_RUN_DONE : BE_RUN_FAULT;
}

static enum be_run run_gang(struct sd_block *b, uint32_t k)
{
	struct sd_gang *g = &b->gangs[k];

	if (unlikely(b->part != g->part) && !set_part(b, g->part))
		return BE_RUN_FAULT;
	enter_gang(b, k);
	return answered(b, k, b->v->part[b->part]->code->fn(&b->c, g->state));
}

/* Where the gangs are that took turns in the code, of which one is under way. */
static void leave_turns(struct sd_block *b)
{
	struct sd_ctx *c = &b->c;

	c->in_turn = 0;
	b->phase = !c->gang ? SD_PHASE_NONE : c->phase_next == SD_DONE ? SD_PHASE_DONE : SD_PHASE_BAR;
	for (uint32_t k = 0; k < b->n_gangs; k++)
		b->gangs[k].state = k < c->gang ? c->phase_next : c->phase_state;
}

/* Gangs in front of k have ended or wait at the block's barrier, and nobody took note. */
void sd_block_settle(struct sd_block *b, uint32_t k)
{
	struct sd_barrier *r = &b->bar[0];

	if (!b->fresh)
		return;
	if (b->c.in_turn)
		leave_turns(b);
	b->fresh = false;
	b->n_done = b->next = k;
	if (b->phase == SD_PHASE_BAR && k) {
		b->n_done = 0;
		*r = (struct sd_barrier){ .used = true, .all = true };
		b->bars = 1;
	}
	for (uint32_t n = 0; n < k; n++) {
		struct sd_gang *g = &b->gangs[n];

		if (b->phase == SD_PHASE_BAR) {
			r->arrived += g->live;
			g->how = SD_G_BAR;
			g->bar = 0;
			continue;
		}
		b->n_live -= g->live;
		g->live = 0;
		g->how = SD_G_DONE;
	}
}

/* Do all of the gang's lanes wait at barrier 0 for all of the block? */
static bool is_common(const struct sd_block *b, const struct sd_gang *g)
{
	const struct sd_ctx *c = &b->c;

	if (c->why != SD_WHY_BARRIER || c->bar_mode != IR_MODE_SYNC || c->bar_id || c->bar_count)
		return false;
	for (uint32_t w = 0; w < b->v->part[0]->code->meta.W / 32; w++)
		if ((c->bar_mask[w] & c->live[w] & g->valid[w]) != g->valid[w])
			return false;
	return true;
}

static enum sd_phase phase_of(const struct sd_block *b, const struct sd_gang *g, uint32_t r)
{
	return r == SD_DONE ? SD_PHASE_DONE : r != SD_GAVE_UP && is_common(b, g) ? SD_PHASE_BAR : SD_PHASE_NONE;
}

/* How far the code may go by itself from here: as long as there is nothing to be done between blocks. */
static uint32_t blocks_behind(const struct sd_block *b)
{
	uint64_t left = b->hi - 1 - b->linear;

	if (b->n_gangs > 1 || !b->fresh || b->shared_B > RESERVED)
		return 0;
	return (uint32_t)MIN(left, b->c.nctaid[0] - 1 - b->c.ctaid[0]);
}

/* It is in the block that ctaid names. */
static void catch_up(struct sd_block *b)
{
	struct sd_ctx *c = &b->c;
	uint64_t linear = c->ctaid[0] + (uint64_t)c->nctaid[0] * (c->ctaid[1] + (uint64_t)c->nctaid[1] * c->ctaid[2]);

	c->more = 0;
	if (linear == b->linear)
		return;
	b->linear = linear;
	c->smid = b->l->services->sm_count ? (uint32_t)(linear % b->l->services->sm_count) : 0;
}

/* A turn of each gang. False: one did something else than the first, *run: what came of it. */
static bool run_phase(struct sd_block *b, enum be_run *run)
{
	const sd_fn fn = b->v->part[0]->code->fn;

	b->phase = SD_PHASE_NONE;
	for (uint32_t k = 0; k < b->n_gangs; k++) {
		struct sd_gang *g = &b->gangs[k];
		enum sd_phase ph;
		uint32_t r;

		enter_gang(b, k);
		b->c.more = blocks_behind(b);
		r = fn(&b->c, g->state);
		if (b->n_gangs == 1)
			catch_up(b);
		ph = phase_of(b, g, r);
		if (k == 0)
			b->phase = ph;
		if (unlikely(!ph || ph != b->phase || !b->fresh)) {
			sd_block_settle(b, k);
			b->progress = k > 0;
			*run = answered(b, k, r);
			b->next = k + (*run == BE_RUN_DONE);
			return false;
		}
		g->state = r;
	}
	return true;
}

/* All in one call, as far as it goes. */
static enum be_run run_turns(struct sd_block *b)
{
	struct sd_ctx *c = &b->c;
	enum be_run run;
	uint32_t r, k;

	enter_gang(b, 0);
	c->frame_0 = c->frame;
	c->local_0 = c->local;
	c->frame_step = b->frame_B;
	c->phase_state = 0;
	c->in_turn = 1;
	r = b->v->part[0]->code->fn(c, 0);
	k = c->gang;
	if (likely(r == SD_DONE && c->in_turn && k == b->n_gangs - 1 && c->phase_next == SD_DONE)) {
		c->in_turn = 0;
		b->n_done = b->n_gangs;
		return BE_RUN_DONE;
	}
	sd_block_settle(b, k);
	b->progress = true;
	run = answered(b, k, r);
	b->next = k + (run == BE_RUN_DONE);
	return run;
}

/* The gangs of most blocks do the same: they end, or wait for each other. Then there is little to keep account of. */
static enum be_run run_together(struct sd_block *b)
{
	enum be_run run = BE_RUN_DONE;
	bool moved = false;

	b->part = 0;
	b->c.addr = b->v->part[0]->addr;
	if (b->v->part[0]->code->meta.turns)
		return run_turns(b);
	while (run_phase(b, &run)) {
		if (b->phase == SD_PHASE_DONE) {
			b->n_done = b->n_gangs;
			b->fresh = !moved;
			break;
		}
		moved = true;
		if (*b->s->cancel) {
			b->fresh = false;
			return BE_RUN_CANCELLED;
		}
	}
	return run;
}

/* Rounds over the gangs; one in which all that could run only gave way ends the call. */
static enum be_run run_rounds(struct sd_block *b)
{
	enum be_run run = b->fresh ? run_together(b) : BE_RUN_DONE;

	if (run != BE_RUN_DONE)
		return run;
	while (b->n_done < b->n_gangs) {
		if (!b->next)
			b->progress = false;
		for (; b->next < b->n_gangs; b->next++) {
			enum be_run r;

			if (b->gangs[b->next].how == SD_G_DONE || b->gangs[b->next].how == SD_G_BAR)
				continue;
			r = run_gang(b, b->next);
			if (r != BE_RUN_DONE)
				return r;
		}
		b->next = 0;
		if (*b->s->cancel)
			return BE_RUN_CANCELLED;
		if (!b->progress && b->n_done < b->n_gangs)
			return BE_RUN_SPIN;
	}
	return BE_RUN_DONE;
}

/* Warp instructions in which a fault has to come again to be described. */
#define DIAGNOSE_SLICES 64

/*
 * Which thread did it, and where? Generated code keeps no such notes. The
 * context is lost anyway, so the block runs once more, interpreted; where it
 * faults then is the description.
 */
static bool diagnose(struct sd_block *b)
{
	struct be_launch l = *b->l;
	struct vgpu_err err = VGPU_ERR_INIT;
	struct be_fault f = { 0 };
	struct be_block *ib;
	bool same = false;

	l.kernel = b->l->kernel->ik;
	ib = be_interp.block_new(&l, b->linear, &err);
	for (unsigned n = 0; ib && n < DIAGNOSE_SLICES; n++) {
		enum be_run r = be_interp.block_run(ib, &f);

		if (r == BE_RUN_YIELD)
			continue;
		same = r == BE_RUN_FAULT && (f.status == VGPU_E_ILLEGAL_ADDRESS || f.status == VGPU_E_MISALIGNED);
		break;
	}
	be_interp.block_free(ib);
	if (same)
		*b->fault = f;
	return same;
}

static void fault_of_guard(struct sd_block *b)
{
	struct be_fault *f = b->fault;
	uint64_t at = be_guard_addr(), shared = (uint64_t)(uintptr_t)b->shared_map;
	uint32_t t = b->c.gang * b->v->part[0]->code->meta.W;

	if (b->shim[b->part] && sd_shim_guard_fault(b->shim[b->part]))
		return;
	if (diagnose(b))
		return;
	memset(f, 0, sizeof(*f));
	f->status = VGPU_E_ILLEGAL_ADDRESS;
	f->addr = at;
	memcpy(f->block, b->c.ctaid, sizeof(f->block));
	f->thread[0] = t % b->l->block[0];
	f->thread[1] = t / b->l->block[0] % b->l->block[1];
	f->thread[2] = t / b->l->block[0] / b->l->block[1];
	if (at - shared < RANGE)
		snprintf(f->text, sizeof(f->text), "illegal access at offset %lld of shared memory, which has %llu bytes",
			 (long long)(at - (uint64_t)(uintptr_t)b->c.shared), (unsigned long long)b->shared_B);
	else
		snprintf(f->text, sizeof(f->text), "illegal access at 0x%llx: no memory there", (unsigned long long)at);
}

/* The code saw that an access isn't one. */
static void bad_access(struct sd_block *b)
{
	struct be_fault *f = b->fault;
	const struct ir_insn *i = sd_insns_ir(b->v->part[b->part]->insns, b->c.fault_ref);

	if (diagnose(b))
		return;
	memset(f, 0, sizeof(*f));
	f->status = VGPU_E_ILLEGAL_ADDRESS;
	memcpy(f->block, b->c.ctaid, sizeof(f->block));
	f->ptx_line = i ? i->loc.line : 0;
	snprintf(f->text, sizeof(f->text), "'%s': illegal or misaligned access by one of the threads from %u on",
		 i && i->spelling ? i->spelling : "?", b->c.gang * b->v->part[0]->code->meta.W);
}

/* Runs b, and then, while they end, the blocks behind it up to hi - 1. */
enum be_run sd_block_run(struct sd_block *b, uint64_t hi, struct be_fault *fault)
{
	struct sd_block *volatile blk = b;
	uint32_t mxcsr = _mm_getcsr();
	enum be_run r;

	b->fault = fault;
	b->hi = hi;
	if (be_guard_enter()) {
		_mm_setcsr(mxcsr);
		blk->dirty = true;
		catch_up(blk);
		fault_of_guard(blk);
		return BE_RUN_FAULT;
	}
	if (b->v->part[0]->code->meta.ftz)
		_mm_setcsr(mxcsr | MXCSR_FTZ_DAZ);
	r = run_rounds(b);
	while (r == BE_RUN_DONE && b->linear + 1 < hi) {
		sd_block_next(b, b->linear + 1);
		r = run_rounds(b);
	}
	be_guard_leave();
	if (b->v->part[0]->code->meta.ftz)
		_mm_setcsr(mxcsr);
	b->dirty |= r != BE_RUN_DONE;
	if (r == BE_RUN_FAULT && b->c.why == SD_WHY_ACCESS)
		bad_access(b);
	return r;
}
