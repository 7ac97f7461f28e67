/*
 * gen_plugin.c: simdgen.so: the code generator with LLVM behind it, as
 * functions that vgpu-jit looks up when it first has something to compile.
 */
#include "backend/simd/gen/gen_api.h"
#include "util/compiler.h"

VGPU_EXPORT int vgpu_gen_kernel(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err);
VGPU_EXPORT void vgpu_gen_prepare(void);

int vgpu_gen_kernel(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err)
{
	return gen_kernel(r, out, err);
}

/* What all compilers have in common, before they are forked. */
void vgpu_gen_prepare(void)
{
	gen_prepare();
}
