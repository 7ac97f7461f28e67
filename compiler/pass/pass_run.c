/* pass_run.c: runs the passes of pass.def. */
#include <stddef.h>

#include "compiler/pass/pass.h"
#include "util/compiler.h"

static const struct {
	const char *name, *doc;
	int (*run)(struct ir_module *m, struct vgpu_err *err);
} passes[] = {
#define PASS(name, doc) { #name, doc, pass_##name },
#include "compiler/pass/pass.def"
#undef PASS
};

const char *pass_name(unsigned i, const char **doc)
{
	if (i >= ARRAY_SIZE(passes))
		return NULL;
	if (doc)
		*doc = passes[i].doc;
	return passes[i].name;
}

int pass_run(struct ir_module *m, const struct pass_opts *opts, struct vgpu_err *err)
{
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(passes); i++) {
		r = passes[i].run(m, err);
		if (!r && opts && opts->check)
			r = ir_check(m, err);
		if (r)
			return vgpu_err_wrap(err, "pass %s", passes[i].name), r;
		if (opts && opts->after)
			opts->after(opts->cookie, passes[i].name, m);
	}
	r = ir_check(m, err);
	for (uint32_t i = 0; i < m->n_funcs; i++)
		m->funcs[i].passed = !m->funcs[i].unparsed;
	return r;
}
