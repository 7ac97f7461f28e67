/*
 * fuzz_ptx.c: PTX text. What compiles must print to PTX that compiles again, and
 * must be the same when its bodies are read one by one, last ones first.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "fuzz/fuzz.h"

static struct ir_module *compile(const void *text, size_t size, bool lazy)
{
	struct ptx_source s = { text, size, "fuzz" };
	struct ptx_options o = { .lazy = lazy };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct ir_module *m = NULL;
	struct ptx_diag d;

	ptx_diag_init(&d);
	if (ptx_compile_opts(&s, 1, &o, &m, &d, &err) && err.status == VGPU_E_INTERNAL)
		abort();
	ptx_diag_fini(&d);
	return m;
}

static void compare(const struct ir_module *m, struct ir_module *lazy)
{
	for (uint32_t f = lazy->n_funcs; f-- > 0;) {
		struct vgpu_buf a = VGPU_BUF_INIT, b = VGPU_BUF_INIT;
		struct vgpu_err err = VGPU_ERR_INIT;

		if (ir_need_func(lazy, f, &err) && err.status == VGPU_E_INTERNAL)
			abort();
		ir_print_func(&a, m, &m->funcs[f]);
		ir_print_func(&b, lazy, &lazy->funcs[f]);
		if (strcmp(vgpu_buf_text(&a), vgpu_buf_text(&b)))
			abort();
		vgpu_buf_free(&a);
		vgpu_buf_free(&b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ir_module *m = compile(data, size, false), *lazy = compile(data, size, true);
	struct vgpu_buf b = VGPU_BUF_INIT;

	/* what is in order when all is read is in order when it is read later; the reverse needn't be */
	if (m && (!lazy || lazy->n_funcs != m->n_funcs))
		abort();
	for (uint32_t f = 0; lazy && !m && f < lazy->n_funcs; f++)
		ir_need_func(lazy, f, NULL);
	if (m) {
		ir_print_module(&b, m);
		compare(m, lazy);
	}
	ir_module_free(lazy);
	ir_module_free(m);
	vgpu_buf_free(&b);
	return 0;
}
