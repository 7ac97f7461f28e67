/*
 * pass.h: what happens to the IR between parser and backend. A pass is
 * int pass_x(module, options, err): the head comment of its file says what it
 * expects and what holds after it. pass.def has their order.
 */
#ifndef VGPU_COMPILER_PASS_PASS_H
#define VGPU_COMPILER_PASS_PASS_H

#include <stdbool.h>

#include "compiler/ir/ir.h"
#include "util/err.h"

struct pass_opts {
	bool check;         /* ir_check after every pass; else once, at the end */
	/* Called after each pass, for dumps; may be NULL. */
	void (*after)(void *cookie, const char *pass, const struct ir_module *m);
	void *cookie;
};

/* Each runs over the functions that are parsed and that it hasn't run over (ir_func.passed). */
#define PASS(name, doc) int pass_##name(struct ir_module *m, struct vgpu_err *err);
#include "compiler/pass/pass.def"
#undef PASS

int pass_run(struct ir_module *m, const struct pass_opts *opts, struct vgpu_err *err);
/* Name of pass i, NULL: there are no more. */
const char *pass_name(unsigned i, const char **doc);

#endif
