/* sd_insn.c: see sd_insn.h. */
#include "backend/simd/sd_insn.h"

#include <stdlib.h>
#include <string.h>

#include "backend/interp/interp.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#define MXCSR_FLUSH 0x8040u         /* FTZ, DAZ */
#define MAX_WARPS (1024 / WARP)

/* An instruction: its code, and the rows that go in and come back. */
struct entry {
	const struct ir_insn *ir;
	const struct in_func *f;
	uint32_t pc, n;                /* struct in_insn: n from pc on */
	uint32_t local_off;
	uint32_t rows, n_in, n_out;    /* in sd_insns.rows: rows written, then those that are read alone; n_out of n_in */
};

struct sd_insns {
	const struct be_kernel *k;
	uint32_t n, n_warps;           /* warps of a gang */
	uint32_t n_rows;               /* of c->rows */
	uint32_t frame_rows;
	struct entry *e;
	VGPU_VEC(uint32_t) rows;
};

struct sd_shim {
	const struct sd_insns *s;
	struct be_launch l;
	struct be_block blk;
	struct in_frame *frame;
	bool busy;
	uint32_t tids_of[3];           /* block shape that the warps' tids are of */
	struct in_warp warps[MAX_WARPS];
};

/* ---- preparing ---- */

static bool add_row(struct sd_insns *s, struct entry *e, uint32_t row)
{
	for (size_t k = e->rows; k < s->rows.n; k++)
		if (s->rows.v[k] == row)
			return true;
	if (!vgpu_vec_push(&s->rows, row))
		return false;
	s->n_rows = MAX(s->n_rows, row + 1);
	return true;
}

static bool add_reg(struct sd_insns *s, struct entry *e, uint32_t reg)
{
	uint32_t row = e->f->reg_row[reg];

	return add_row(s, e, row) && (e->f->ir->regs[reg].type != IR_T_B128 || add_row(s, e, row + 1));
}

static bool add_dst(struct sd_insns *s, struct entry *e, const struct ir_opnd *o)
{
	bool ok = true;

	if (o->kind == IR_OPND_REG)
		return add_reg(s, e, o->reg);
	for (unsigned k = 0; o->kind == IR_OPND_VEC && k < o->n_vec; k++)
		ok = ok && add_dst(s, e, &o->vec[k]);
	return ok;
}

static bool add_src(struct sd_insns *s, struct entry *e, const struct ir_opnd *o)
{
	bool ok = true;

	if (o->kind == IR_OPND_REG || (o->kind == IR_OPND_MEM && o->mem_base == IR_BASE_REG))
		ok = add_reg(s, e, o->reg);
	for (unsigned k = 0; (o->kind == IR_OPND_VEC || o->kind == IR_OPND_MEM) && k < o->n_vec; k++)
		ok = ok && add_src(s, e, &o->vec[k]);
	return ok;
}

static bool has_carry(const struct ir_insn *ir)
{
	return ir->flags & IR_F_CC || ir->op == IR_OP_addc || ir->op == IR_OP_subc || ir->op == IR_OP_madc;
}

static bool find_rows(struct sd_insns *s, struct entry *e)
{
	const struct ir_insn *ir = e->ir;
	bool ok = true;

	e->rows = (uint32_t)s->rows.n;
	for (unsigned n = 0; n < ir->n_dst; n++)
		ok = ok && add_dst(s, e, &ir->dst[n]);
	for (uint32_t n = 0; ir->call && n < ir->call->n_rets; n++)
		ok = ok && add_dst(s, e, &ir->call->rets[n]);
	if (has_carry(ir))
		ok = ok && add_row(s, e, e->f->cc_row);
	e->n_out = (uint32_t)s->rows.n - e->rows;
	for (unsigned n = 0; n < ir->n_dst; n++)
		ok = ok && add_src(s, e, &ir->dst[n]);
	for (unsigned n = 0; n < ir->n_src; n++)
		ok = ok && add_src(s, e, &ir->src[n]);
	for (uint32_t n = 0; ir->call && n < ir->call->n_args; n++)
		ok = ok && add_src(s, e, &ir->call->args[n]);
	e->n_in = (uint32_t)s->rows.n - e->rows;
	return ok;
}

/* Handlers that leave the instruction, or a lane behind in it, for something that a shim doesn't have. */
static bool is_refused(const struct in_insn *i)
{
	return i->fn == in_run_bra || i->fn == in_run_brx || i->fn == in_run_call || i->fn == in_run_ret || i->fn == in_run_exit ||
	       i->fn == in_run_bar || i->fn == in_run_bar_cluster;
}

static int find_insn(struct sd_insns *s, struct entry *e, const struct sd_ref *r, struct vgpu_err *err)
{
	const struct ir_module *m = s->k->m;

	if (r->func >= m->n_funcs || r->block >= m->funcs[r->func].n_blocks ||
	    r->index >= m->funcs[r->func].blocks[r->block].n_insns || !s->k->funcs[r->func])
		return vgpu_err_set(err, VGPU_E_INVALID, "'%s' has no instruction %u of block %u of function %u", s->k->entry->name,
				    r->index, r->block, r->func);
	e->f = s->k->funcs[r->func];
	e->ir = &m->funcs[r->func].blocks[r->block].insns[r->index];
	e->local_off = r->local_off;
	if (e->f->broken)
		return vgpu_err_set(err, VGPU_E_INVALID_PTX, "%s", e->f->broken);
	s->frame_rows = MAX(s->frame_rows, e->f->n_rows);
	return find_rows(s, e) ? 0 : vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", s->k->entry->name);
}

/* One walk over all decoded code, with a table of the instructions that are looked for. */
static int find_code(struct sd_insns *s, struct vgpu_err *err)
{
	struct vgpu_htab at;
	int rc = 0;

	vgpu_htab_init_int(&at);
	for (size_t pc = s->k->code.n; pc-- > 0 && !rc;)
		if (s->k->code.v[pc].ir && !vgpu_htab_put(&at, (uint64_t)(uintptr_t)s->k->code.v[pc].ir, (void *)(pc + 1)))
			rc = vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", s->k->entry->name);
	for (uint32_t n = 0; n < s->n && !rc; n++) {
		struct entry *e = &s->e[n];
		uintptr_t first = (uintptr_t)vgpu_htab_get(&at, (uint64_t)(uintptr_t)e->ir);

		for (e->pc = (uint32_t)(first ? first - 1 : 0); first && e->pc + e->n < s->k->code.n; e->n++) {
			const struct in_insn *i = &s->k->code.v[e->pc + e->n];

			if (i->ir != e->ir)
				break;
			if (is_refused(i)) {
				/* listed for its faults' sake */
				e->n = 0;
				break;
			}
		}
	}
	vgpu_htab_fini(&at);
	return rc;
}

int sd_insns_new(struct sd_insns **out, const struct be_kernel *ik, uint32_t W, const struct sd_ref *refs, uint32_t n,
		 struct vgpu_err *err)
{
	struct sd_insns *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s)
		s->e = calloc(n + 1, sizeof(*s->e));
	if (!s || !s->e) {
		free(s);
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", ik->entry->name);
	}
	s->k = ik;
	s->n = n;
	s->n_warps = W / WARP;
	for (uint32_t k = 0; k < n && !rc; k++)
		rc = find_insn(s, &s->e[k], &refs[k], err);
	if (!rc)
		rc = find_code(s, err);
	if (rc) {
		sd_insns_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void sd_insns_free(struct sd_insns *s)
{
	if (!s)
		return;
	vgpu_vec_free(&s->rows);
	free(s->e);
	free(s);
}

uint32_t sd_insns_rows(const struct sd_insns *s)
{
	return s->n_rows;
}

const struct ir_insn *sd_insns_ir(const struct sd_insns *s, uint32_t ref)
{
	return ref < s->n ? s->e[ref].ir : NULL;
}

/* ---- a shim ---- */

struct sd_shim *sd_shim_new(const struct sd_insns *s)
{
	struct sd_shim *h = aligned_alloc(64, vgpu_align_up(sizeof(*h), 64));
	size_t size = sizeof(struct in_frame) + (size_t)s->frame_rows * WARP * sizeof(uint64_t);

	if (!h)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->s = s;
	h->frame = aligned_alloc(64, vgpu_align_up(size, 64));
	if (!h->frame) {
		free(h);
		return NULL;
	}
	memset(h->frame, 0, size);
	h->blk.k = s->k;
	h->blk.warps = h->warps;
	for (uint32_t n = 0; n < MAX_WARPS; n++) {
		struct in_warp *w = &h->warps[n];

		w->blk = &h->blk;
		w->index = n;
		w->thread0 = n * WARP;
		w->base[0] = h->frame->rows;
		w->base[1] = s->k->consts;
	}
	return h;
}

void sd_shim_free(struct sd_shim *h)
{
	if (!h)
		return;
	for (size_t n = 0; n < ARRAY_SIZE(h->blk.text); n++)
		vgpu_buf_free(&h->blk.text[n]);
	free(h->frame);
	free(h);
}

void sd_shim_start(struct sd_shim *h, const struct be_launch *l, uint64_t linear, uint32_t local_used)
{
	struct be_block *b = &h->blk;
	uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];

	h->l = *l;
	h->l.kernel = h->s->k;
	h->busy = false;
	b->l = &h->l;
	b->s = l->services;
	b->linear = linear;
	b->n_threads = (uint32_t)threads;
	b->n_warps = (uint32_t)((threads + WARP - 1) / WARP);
	b->ctaid[0] = (uint32_t)(linear % l->grid[0]);
	b->ctaid[1] = (uint32_t)(linear / l->grid[0] % l->grid[1]);
	b->ctaid[2] = (uint32_t)(linear / l->grid[0] / l->grid[1]);
	if (memcmp(h->tids_of, l->block, sizeof(h->tids_of))) {
		memcpy(h->tids_of, l->block, sizeof(h->tids_of));
		for (uint32_t n = 0; n < MAX_WARPS; n++)
			in_warp_tids(&h->warps[n], l->block);
	}
	for (uint32_t n = 0; h->s->k->uses_local && n < b->n_warps; n++)
		for (uint32_t k = 0; k < WARP; k++)
			h->warps[n].sp[k] = local_used;
}

/* The block's memory is the generated code's. */
static void borrow(struct sd_shim *h, const struct sd_ctx *c, struct be_fault *fault)
{
	struct be_block *b = &h->blk;

	b->params = (uint8_t *)(uintptr_t)c->params;   /* never written: resolve refuses */
	b->shared = c->shared;
	b->shared_B = c->shared_B;
	b->local_B = c->local_stride;
	b->local = c->local_stride ? c->local - (uint64_t)c->gang * h->s->n_warps * WARP * c->local_stride : NULL;
	b->fault = fault;
}

/* One group of lanes at the instruction, as if nothing else were in the warp. */
static void enter(struct sd_shim *h, struct in_warp *w, uint32_t m, uint32_t pc)
{
	w->g[0] = (struct in_group){ .pc = pc, .mask = m, .frame = h->frame, .state = IN_G_RUN };
	w->used = 1;
	w->cur = 0;
	w->live = w->valid = m;
	w->sync_wait = 0;
	w->sync_fault = false;
	w->obs_n = 0;
	h->blk.cur = w;
}

/* After a handler that moved lanes: did they all get behind the instruction? */
static int settle(struct in_warp *w, const struct in_insn *i, uint32_t pc)
{
	for_lanes(s, w->used)
		if (w->g[s].state != IN_G_RUN || w->g[s].pc != pc + 1)
			return in_fault(w, i, (uint32_t)__builtin_ctz(w->g[s].mask), VGPU_E_ILLEGAL_INSTRUCTION, 0,
					"the lanes that run '%s' together name different lanes", i->ir->spelling ? i->ir->spelling : "?");
	return w->sync_fault ? IN_FAULT : IN_NEXT;
}

static int step(struct sd_shim *h, struct in_warp *w, uint32_t m, uint32_t pc)
{
	const struct in_insn *i = &h->s->k->code.v[pc];
	int rc;

	enter(h, w, m, pc);
	rc = i->fn(w, i, m);
	switch (rc) {
	case IN_NEXT:
	case IN_FAULT:
	case IN_CANCEL: return rc;
	default: return settle(w, i, pc);
	}
}

static void copy_in(const struct sd_shim *h, const struct entry *e, const uint64_t *rows, uint32_t warp)
{
	for (uint32_t k = 0; k < e->n_in; k++) {
		size_t r = h->s->rows.v[e->rows + k];

		memcpy(h->frame->rows + r * WARP, rows + (r * h->s->n_warps + warp) * WARP, WARP * sizeof(*rows));
	}
}

static void copy_out(const struct sd_shim *h, const struct entry *e, uint64_t *rows, uint32_t warp, uint32_t m)
{
	for (uint32_t k = 0; k < e->n_out; k++) {
		size_t r = h->s->rows.v[e->rows + k];

		in_copy(rows + (r * h->s->n_warps + warp) * WARP, h->frame->rows + r * WARP, m);
	}
}

static int run_warp(struct sd_shim *h, struct sd_ctx *c, const struct entry *e, uint32_t warp)
{
	struct in_warp *w = &h->warps[c->gang * h->s->n_warps + warp];
	uint32_t m = c->mask[warp];
	int rc = IN_NEXT;

	copy_in(h, e, c->rows, warp);
	for (uint32_t n = 0; n < e->n && rc == IN_NEXT; n++)
		rc = step(h, w, m, e->pc + n);
	if (rc == IN_NEXT)
		copy_out(h, e, c->rows, warp, m);
	return rc;
}

/* Kernels may run with the processor's flushing on; interp's handlers never do. Answers what was. */
static uint32_t flush_off(void)
{
#ifdef __SSE2__
	uint32_t was = _mm_getcsr();

	if (unlikely(was & MXCSR_FLUSH))
		_mm_setcsr(was & ~MXCSR_FLUSH);
	return was;
#else
	return 0;
#endif
}

static void flush_back(uint32_t was)
{
#ifdef __SSE2__
	if (unlikely(was & MXCSR_FLUSH))
		_mm_setcsr(was);
#else
	(void)was;
#endif
}

bool sd_shim_run(struct sd_shim *h, struct sd_ctx *c, uint32_t ref, struct be_fault *fault)
{
	const struct entry *e = &h->s->e[ref];
	uint32_t was = flush_off();
	int rc = IN_NEXT;

	borrow(h, c, fault);
	h->frame->func = e->f;
	for (uint32_t l = 0; l < WARP; l++)
		h->frame->lbase[l] = e->local_off;
	if (!e->n)
		rc = in_fault(&h->warps[c->gang * h->s->n_warps], &h->s->k->code.v[e->pc], 0, VGPU_E_INTERNAL, 0,
			      "'%s': it can't run by itself", e->ir->spelling ? e->ir->spelling : "?");
	h->busy = true;
	for (uint32_t w = 0; w < h->s->n_warps && rc == IN_NEXT; w++)
		if (c->mask[w])
			rc = run_warp(h, c, e, w);
	h->busy = false;
	flush_back(was);
	if (rc == IN_NEXT)
		return true;
	c->why = rc == IN_CANCEL ? SD_WHY_CANCEL : SD_WHY_FAULT;
	return false;
}

static bool writes(const struct ir_insn *ir)
{
	return ir->op == IR_OP_st || ir->op == IR_OP_atom || ir->op == IR_OP_red;
}

void sd_shim_fault(struct sd_shim *h, const struct sd_ctx *c, uint32_t ref, int status, uint32_t lane, uint64_t addr,
		   struct be_fault *fault)
{
	const struct entry *e = &h->s->e[ref];
	struct in_warp *w = &h->warps[(c->gang * h->s->n_warps + lane / WARP) % MAX_WARPS];
	const struct in_insn *i = &h->s->k->code.v[e->pc + (e->n ? e->n - 1 : 0)];
	uint32_t n = i->size * MAX(i->n_vec, 1);

	borrow(h, c, fault);
	if ((status == VGPU_E_MISALIGNED || status == VGPU_E_ILLEGAL_ADDRESS) && e->n && n)
		in_bad_access(w, i, lane % WARP, addr, n, writes(e->ir));
	else
		in_fault(w, i, lane % WARP, status, addr, "'%s' failed", e->ir->spelling ? e->ir->spelling : "?");
}

bool sd_shim_guard_fault(struct sd_shim *h)
{
	if (!h->busy)
		return false;
	h->busy = false;
	in_fault_of_guard(&h->blk);
	return true;
}
