/*
 * alu_select.c: from an instruction to its handler: asks the families that
 * may know the opcode, in turn. A family that does not know the exact form
 * answers NULL.
 */
#include "backend/interp/alu_impl.h"

unsigned ALU_NAME(alu_type_bits)(enum ir_type t)
{
	static const uint8_t bits[IR_T_COUNT] = {
#define T(name, spelling, n, cls) [IR_T_##name] = n,
#include "compiler/ir/ir_type.def"
#undef T
	};

	return t < IR_T_COUNT ? bits[t] : 0;
}

enum ir_type_class ALU_NAME(alu_type_class)(enum ir_type t)
{
	static const uint8_t classes[IR_T_COUNT] = {
#define T(name, spelling, n, cls) [IR_T_##name] = IR_TC_##cls,
#include "compiler/ir/ir_type.def"
#undef T
	};

	return t < IR_T_COUNT ? classes[t] : IR_TC_NONE;
}

#define FAMILY_BIT(f) FAM_##f,
enum { ALU_FAMILIES(FAMILY_BIT) FAM_COUNT };
#undef FAMILY_BIT

#define FAMILY_FN(f) ALU_NAME(alu_select_##f),
static alu_fn (*const families[FAM_COUNT])(const struct ir_insn *) = { ALU_FAMILIES(FAMILY_FN) };
#undef FAMILY_FN

alu_fn ALU_NAME(alu_select)(const struct ir_insn *i)
{
	if (i->op >= IR_OP_COUNT || i->type >= IR_T_COUNT || i->stype >= IR_T_COUNT || i->type3 >= IR_T_COUNT)
		return NULL;
	if (alu_negates(i))
		return ALU_NAME(alu_select_float)(i);
	for (unsigned f = 0; f < FAM_COUNT; f++) {
		alu_fn fn = families[f](i);

		if (fn)
			return fn;
	}
	return NULL;
}
