/*
 * chk_be.c: be_check: the interpreter with a handler of its own where it looks
 * for memory, and somebody who watches what orders threads. Kernels of be_interp
 * have neither, so they pay nothing for it.
 */
#include <stdlib.h>

#include "backend/check/chk_priv.h"

static const struct in_watch watch = {
	.together = chk_tick, .arrive = chk_bar_arrive, .release = chk_bar_release, .exit = chk_exit, .enter = chk_local_enter,
	.bad = chk_bad, .access = chk_access_at,
};

static bool asks_for_system_shared(const struct be_kernel *k)
{
	for (size_t n = 0; n < k->code.n; n++)
		if (k->code.v[n].fn == in_run_sreg && k->code.v[n].sreg >= IR_SREG_reserved_smem_offset_begin &&
		    k->code.v[n].sreg <= IR_SREG_reserved_smem_offset_1)
			return true;
	return false;
}

/* Frames are longer: they are aligned. */
static uint32_t local_end(const struct in_func *f)
{
	uint64_t end = f->ir->frame_bytes, off;
	uint32_t formals = f->ir->proto.n_rets + f->ir->proto.n_params;

	for (uint32_t n = 0; n < f->ir->n_locals; n++)
		if (f->ir->locals[n].space == IR_SPACE_LOCAL && in_place(f, formals + n, &off) == IN_PLACE_FRAME)
			end = MAX(end, off + f->ir->locals[n].size);
	return (uint32_t)end;
}

/* The function's code is its instructions, each as one or more, in order. */
static void find_used(struct chk_kernel *c, const struct be_kernel *k, const struct in_func *f)
{
	size_t pc = f->start;

	for (uint32_t b = 0; b < f->ir->n_blocks; b++)
		for (uint32_t n = 0; n < f->ir->blocks[b].n_insns; n++) {
			const struct ir_insn *ir = &f->ir->blocks[b].insns[n];
			uint8_t used = ir->op == IR_OP_ld || ir->op == IR_OP_ldu ? chk_used_elements(&f->ir->blocks[b], n) : 0;

			for (; pc < k->code.n && k->code.v[pc].ir == ir; pc++)
				c->used[pc] = used;
		}
}

static bool prepare(struct chk_kernel *c, const struct be_kernel *k)
{
	c->system_shared = asks_for_system_shared(k);
	c->seen = calloc(k->code.n + 1, 1);
	c->local_end = calloc(k->m->n_funcs + 1, sizeof(*c->local_end));
	c->used = calloc(k->code.n + 1, 1);
	if (!c->seen || !c->used || !c->local_end)
		return false;
	for (uint32_t n = 0; n < k->m->n_funcs; n++) {
		if (!k->funcs[n])
			continue;
		c->local_end[n] = local_end(k->funcs[n]);
		if (!k->funcs[n]->broken)
			find_used(c, k, k->funcs[n]);
	}
	return true;
}

static void chk_kernel_free(struct chk_kernel *c)
{
	if (c) {
		free(c->seen);
		free(c->used);
		free(c->local_end);
	}
	free(c);
}

static void kernel_free(struct be_kernel *k)
{
	struct chk_kernel *c = k ? k->chk : NULL;

	in_kernel_free(k);
	chk_kernel_free(c);
}

/* Loads and stores go the plain way, through resolve. */
static int kernel_new(struct be_kernel **out, struct be_module *bm, uint32_t func, struct vgpu_err *err)
{
	struct chk_kernel *c = calloc(1, sizeof(*c));
	struct be_kernel *k;
	int rc;

	if (!c)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a kernel");
	c->fast = *in_fast_best();
	c->fast.resolve = chk_resolve;
	c->fast.ld = in_run_ld;
	c->fast.st = in_run_st;
	c->fast.ld_vec = in_run_ld_vec;
	c->fast.st_vec = in_run_st_vec;
	rc = in_kernel_new(&k, bm, func, &c->fast, err);
	if (rc) {
		chk_kernel_free(c);
		return rc;
	}
	k->watch = &watch;
	k->chk = c;
	if (!prepare(c, k)) {
		kernel_free(k);
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a kernel");
	}
	*out = k;
	return 0;
}

const struct be_ops be_check = {
	.name = "check",
	.module_new = in_module_new,
	.module_free = in_module_free,
	.func_addr = in_func_addr,
	.kernel_new = kernel_new,
	.kernel_free = kernel_free,
	.kernel_info = in_kernel_info,
	.block_new = chk_block_new,
	.block_link = in_block_link,
	.block_run = in_block_run,
	.block_free = chk_block_free,
};
