/* ptx_builtin.h: .extern functions that need no definition. */
#ifndef VGPU_COMPILER_PTX_PTX_BUILTIN_H
#define VGPU_COMPILER_PTX_PTX_BUILTIN_H

struct ptx_builtin {
	const char *name;         /* a trailing '*' stands for anything */
	const char *unsupported;  /* NULL: can be called */
};

const struct ptx_builtin *ptx_builtin_find(const char *name);

#endif
