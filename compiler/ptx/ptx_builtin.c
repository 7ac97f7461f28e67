/* ptx_builtin.c: look-up in ptx_builtin.def. */
#include <stddef.h>
#include <string.h>

#include "compiler/ptx/ptx_builtin.h"
#include "util/compiler.h"

static const struct ptx_builtin builtins[] = {
#define B(name, unsupported) { name, unsupported },
#include "compiler/ptx/ptx_builtin.def"
#undef B
};

const struct ptx_builtin *ptx_builtin_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++) {
		size_t n = strcspn(builtins[i].name, "*");

		if (builtins[i].name[n] ? !strncmp(name, builtins[i].name, n) : !strcmp(name, builtins[i].name))
			return &builtins[i];
	}
	return NULL;
}
