/* mma_dispatch.c: mma_select(): what is best for this CPU. */
#include "backend/tensor/tensor_impl.h"

bool mma_cpu_has_avx2(void)
{
	return alu_cpu_has_avx2() && __builtin_cpu_supports("f16c");
}

mma_fn mma_select(const struct ir_insn *i)
{
	return mma_cpu_has_avx2() ? mma_select_avx2(i) : mma_select_base(i);
}
