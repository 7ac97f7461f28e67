/* fuzz_fatbin.c: fatbin containers, and the unpacking and parsing of what they hold. */
#include <stdlib.h>

#include "compiler/ir/ir.h"
#include "compiler/ptx/ptx.h"
#include "fuzz/fuzz.h"
#include "util/fatbin.h"

#define MAX_TEXT_B (1u << 20)

static void compile(const char *text, size_t len)
{
	struct ptx_source s = { text, len, NULL };
	struct vgpu_err err = VGPU_ERR_INIT;
	struct ir_module *m = NULL;
	struct ptx_diag d;

	ptx_diag_init(&d);
	ptx_compile(&s, 1, 0, &m, &d, &err);
	ir_module_free(m);
	ptx_diag_fini(&d);
}

static void use(const struct vgpu_ptx_image *i)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	size_t len;
	char *text;

	if (!(i->flags & (VGPU_PTX_F_LZ4 | VGPU_PTX_F_ZSTD))) {
		compile(i->ptr, i->size);
	} else if (i->text_size <= MAX_TEXT_B && !ptx_unpack(i->ptr, i->size, i->text_size, i->flags, &text, &len, &err)) {
		compile(text, len);
		free(text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vgpu_ptx_images set = { 0 };
	struct vgpu_err err = VGPU_ERR_INIT;

	/* a wrapper holds addresses, which can't come from a file */
	if (vgpu_image_sniff(data, size) != VGPU_IMAGE_WRAPPER && !vgpu_image_select(data, size, 120, &set, &err))
		for (size_t k = 0; k < set.list.n; k++)
			use(&set.list.v[k]);
	vgpu_ptx_images_fini(&set);
	return 0;
}
