/* mma_dispatch.c: mma_select(): what is best for this CPU. */
#include "backend/tensor/tensor_impl.h"

mma_fn mma_select(const struct ir_insn *i)
{
	return alu_cpu_has_avx2() ? mma_select_avx2(i) : mma_select_base(i);
}
