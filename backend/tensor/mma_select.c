/* mma_select.c: from an instruction to what runs it: asks the families in turn. */
#include "backend/tensor/tensor_impl.h"

mma_fn ALU_NAME(mma_select)(const struct ir_insn *i)
{
	struct mma_shape s;
	mma_fn fn = NULL;

	if (!mma_shape_of(i, &s))
		return NULL;
#define ASK(f) if (!fn) fn = ALU_NAME(mma_select_##f)(i, &s);
	MMA_FAMILIES(ASK)
#undef ASK
	return fn;
}
