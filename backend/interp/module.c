/*
 * module.c: the backend's ops: modules, function addresses, kernels.
 *
 * A function's address is its module's base (a number that no memory has)
 * plus 16 times its number; a call through anything else is found out.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/alu_impl.h"
#include "backend/interp/fast.h"

/* Not canonical on x86-64: never an address of anything else. */
#define FUNC_BASE 0x00f0000000000000ull
#define FUNC_MODULE_SHIFT 24

static bool is_func_sym(const struct ir_module *m, uint32_t sym)
{
	return sym < m->n_syms && m->syms[sym].kind == IR_SYM_FUNC;
}

static void take(struct be_module *bm, const struct ir_opnd *o)
{
	uint32_t f = in_func_of(bm->ir, o);

	if (f != UINT32_MAX)
		bm->addr_taken[f] = true;
	if (o->kind == IR_OPND_VEC)
		for (unsigned k = 0; k < o->n_vec; k++)
			take(bm, &o->vec[k]);
}

/* Functions whose address is a value somewhere: in code, or in a variable's initial value. */
static void find_taken(struct be_module *bm)
{
	const struct ir_module *m = bm->ir;

	for (uint32_t v = 0; v < m->n_vars; v++)
		for (uint32_t r = 0; r < m->vars[v].n_relocs; r++)
			if (is_func_sym(m, m->vars[v].relocs[r].sym))
				bm->addr_taken[m->syms[m->vars[v].relocs[r].sym].index] = true;
	for (uint32_t f = 0; f < m->n_funcs; f++)
		for (uint32_t b = 0; b < m->funcs[f].n_blocks; b++)
			for (uint32_t n = 0; n < m->funcs[f].blocks[b].n_insns; n++)
				for (unsigned s = 0; s < m->funcs[f].blocks[b].insns[n].n_src; s++)
					take(bm, &m->funcs[f].blocks[b].insns[n].src[s]);
}

int in_module_new(struct be_module **out, const struct ir_module *m, const uint64_t *var_addr, struct vgpu_err *err)
{
	static atomic_uint serial;
	struct be_module *bm = calloc(1, sizeof(*bm));

	if (bm)
		bm->addr_taken = calloc(m->n_funcs + 1, sizeof(*bm->addr_taken));
	if (bm)
		bm->var_addr = calloc(m->n_vars + 1, sizeof(*bm->var_addr));
	if (!bm || !bm->addr_taken || !bm->var_addr) {
		if (bm) {
			free(bm->addr_taken);
			free(bm->var_addr);
		}
		free(bm);
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a module");
	}
	bm->ir = m;
	if (m->n_vars && var_addr)
		memcpy(bm->var_addr, var_addr, m->n_vars * sizeof(*var_addr));
	bm->func_base = FUNC_BASE + ((uint64_t)(atomic_fetch_add(&serial, 1) & 0xffffff) << FUNC_MODULE_SHIFT);
	find_taken(bm);
	*out = bm;
	return 0;
}

void in_module_free(struct be_module *bm)
{
	if (!bm)
		return;
	free(bm->addr_taken);
	free(bm->var_addr);
	free(bm);
}

uint64_t in_func_addr(struct be_module *bm, uint32_t func)
{
	return bm->func_base + (uint64_t)func * 16;
}

void in_kernel_free(struct be_kernel *k)
{
	if (!k)
		return;
	for (size_t n = 0; n < k->owned.n; n++)
		free(k->owned.v[n]);
	vgpu_vec_free(&k->owned);
	vgpu_vec_free(&k->code);
	vgpu_vec_free(&k->const_vals);
	vgpu_htab_fini(&k->const_tab);
	free(k->consts);
	free(k->shared_off);
	free(k->funcs);
	free(k);
}

static int spread_consts(struct be_kernel *k, struct vgpu_err *err)
{
	size_t n = k->const_vals.n ? k->const_vals.n : 1;

	k->consts = aligned_alloc(64, n * WARP * sizeof(*k->consts));
	if (!k->consts)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", k->entry->name);
	memset(k->consts, 0, n * WARP * sizeof(*k->consts));
	for (size_t c = 0; c < k->const_vals.n; c++)
		for (int l = 0; l < WARP; l++)
			k->consts[c * WARP + (size_t)l] = k->const_vals.v[c];
	return 0;
}

/* A function that only a pointer can reach fails when it is called, not before. */
static int decode_or_break(struct be_kernel *k, struct in_func *f, struct vgpu_err *err)
{
	struct vgpu_err why = VGPU_ERR_INIT;
	size_t n = k->code.n;
	int rc = in_decode(k, f, f->by_pointer ? &why : err);
	char *text;

	if (!rc || !f->by_pointer || rc != -VGPU_E_INVALID_PTX)
		return rc;
	k->code.n = n;
	text = in_own(k, sizeof(why.text));
	if (!text)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", k->entry->name);
	memcpy(text, why.text, sizeof(why.text));
	f->broken = text;
	return 0;
}

static int prepare(struct be_kernel *k, struct vgpu_err *err)
{
	int rc;

	k->funcs = calloc(k->m->n_funcs + 1, sizeof(*k->funcs));
	k->shared_off = calloc(k->m->n_vars + 1, sizeof(*k->shared_off));
	if (!k->funcs || !k->shared_off)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory to prepare '%s'", k->entry->name);
	rc = in_layout(k, k->entry_func, err);
	for (uint32_t f = 0; f < k->m->n_funcs && !rc; f++)
		if (k->funcs[f])
			rc = decode_or_break(k, k->funcs[f], err);
	return rc ? rc : spread_consts(k, err);
}

int in_kernel_new(struct be_kernel **out, struct be_module *bm, uint32_t func, const struct in_fast *fast, struct vgpu_err *err)
{
	struct be_kernel *k;
	int rc;

	if (func >= bm->ir->n_funcs || !bm->ir->funcs[func].is_entry || !bm->ir->funcs[func].defined)
		return vgpu_err_set(err, VGPU_E_INVALID, "function %u is not a kernel", func);
	k = calloc(1, sizeof(*k));
	if (!k)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a kernel");
	vgpu_htab_init_int(&k->const_tab);
	k->bm = bm;
	k->m = bm->ir;
	k->fast = fast;
	k->entry_func = func;
	k->entry = &bm->ir->funcs[func];
	rc = prepare(k, err);
	if (rc) {
		in_kernel_free(k);
		return rc;
	}
	*out = k;
	return 0;
}

const struct in_fast *in_fast_best(void)
{
	return alu_cpu_has_avx2() ? &in_fast_avx2 : &in_fast_base;
}

static int kernel_new(struct be_kernel **out, struct be_module *bm, uint32_t func, struct vgpu_err *err)
{
	return in_kernel_new(out, bm, func, in_fast_best(), err);
}

void in_kernel_info(const struct be_kernel *k, struct be_kernel_info *info)
{
	uint64_t const_B = 0;
	uint32_t words = 0;

	for (uint32_t v = 0; v < k->m->n_vars; v++)
		if (k->m->vars[v].space == IR_SPACE_CONST)
			const_B += k->m->vars[v].size;
	for (uint32_t r = 0; r < k->entry->n_regs; r++)
		words += ir_type_bits(k->entry->regs[r].type) > 32 ? 2 : 1;
	info->shared_static = k->shared_static;
	info->local_B = k->entry->local_bytes;
	info->const_B = (uint32_t)MIN(const_B, (uint64_t)UINT32_MAX);
	/* A guess at what hardware would use: virtual registers are mostly written once. */
	words = MAX(words / 4, 16u);
	info->regs = MIN(words, 128u);
}

const struct be_ops be_interp = {
	.name = "interp",
	.module_new = in_module_new,
	.module_free = in_module_free,
	.func_addr = in_func_addr,
	.kernel_new = kernel_new,
	.kernel_free = in_kernel_free,
	.kernel_info = in_kernel_info,
	.block_new = in_block_new,
	.block_link = in_block_link,
	.block_run = in_block_run,
	.block_free = in_block_free,
};
