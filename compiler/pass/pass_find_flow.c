/*
 * pass_find_flow.c: control flow graph of every function.
 * In: blocks in text order. Out: succ, pred, ipdom, unreachable are set.
 */
#include "compiler/ir/ir_cfg.h"
#include "compiler/pass/pass.h"

int pass_find_flow(struct ir_module *m, struct vgpu_err *err)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < m->n_funcs; i++)
		if (m->funcs[i].defined && !m->funcs[i].passed)
			r = ir_cfg(m, &m->funcs[i], err);
	return r;
}
