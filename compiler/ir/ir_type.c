/* ir_type.c: names and sizes of types, from ir_type.def; small look-ups in a module. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/ir/ir_arena.h"

static const struct {
	const char *name;
	uint8_t bits, cls;
} types[IR_T_COUNT] = {
	[IR_T_NONE] = { "none", 0, IR_TC_NONE },
#define T(id, spelling, width, c) [IR_T_##id] = { spelling, width, IR_TC_##c },
#include "compiler/ir/ir_type.def"
#undef T
};

const char *ir_type_name(enum ir_type t)
{
	return (unsigned)t < IR_T_COUNT ? types[t].name : "none";
}

unsigned ir_type_bits(enum ir_type t)
{
	return (unsigned)t < IR_T_COUNT ? types[t].bits : 0;
}

unsigned ir_type_size(enum ir_type t)
{
	return (ir_type_bits(t) + 7) / 8;
}

enum ir_type_class ir_type_class(enum ir_type t)
{
	return (unsigned)t < IR_T_COUNT ? types[t].cls : IR_TC_NONE;
}

void ir_module_free(struct ir_module *m)
{
	if (!m)
		return;
	if (m->lazy)
		m->lazy->free(m);
	for (uint32_t i = 0; i < m->n_texts; i++)
		free(m->texts[i].text);
	free(m->texts);
	ir_arena_free(m->arena);   /* m itself lives in it */
}

int ir_need_func(struct ir_module *m, uint32_t func, struct vgpu_err *err)
{
	return m->lazy ? m->lazy->need(m, func, err) : 0;
}

int ir_module_find_func(const struct ir_module *m, const char *name)
{
	for (uint32_t i = 0; i < m->n_funcs; i++)
		if (!strcmp(m->funcs[i].name, name))
			return (int)i;
	return -1;
}

int ir_module_find_var(const struct ir_module *m, const char *name)
{
	for (uint32_t i = 0; i < m->n_vars; i++)
		if (!strcmp(m->vars[i].name, name))
			return (int)i;
	return -1;
}

struct ir_var *ir_func_local(const struct ir_func *f, uint32_t sym)
{
	if (sym < f->proto.n_rets)
		return &f->proto.rets[sym];
	sym -= f->proto.n_rets;
	if (sym < f->proto.n_params)
		return &f->proto.params[sym];
	sym -= f->proto.n_params;
	return sym < f->n_locals ? &f->locals[sym] : NULL;
}
