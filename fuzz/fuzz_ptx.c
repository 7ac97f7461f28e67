/* fuzz_ptx.c: PTX text. What compiles must print to PTX that compiles again. */
#include <stdlib.h>

#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "fuzz/fuzz.h"

static struct ir_module *compile(const void *text, size_t size)
{
	struct ptx_source s = { text, size, "fuzz" };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct ir_module *m = NULL;
	struct ptx_diag d;

	ptx_diag_init(&d);
	if (ptx_compile(&s, 1, 0, &m, &d, &err) && err.status == VGPU_E_INTERNAL)
		abort();
	ptx_diag_fini(&d);
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ir_module *m = compile(data, size);
	struct vgpu_buf b = VGPU_BUF_INIT;

	if (!m)
		return 0;
	ir_print_module(&b, m);
	ir_module_free(m);
	vgpu_buf_free(&b);
	return 0;
}
