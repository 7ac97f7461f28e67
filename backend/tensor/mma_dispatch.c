/* mma_dispatch.c: mma_select(): what is best for this CPU. */
#include "backend/tensor/tensor_impl.h"

bool mma_cpu_has_avx2(void)
{
	return alu_cpu_has_avx2() && __builtin_cpu_supports("f16c");
}

bool mma_cpu_has_avx512(void)
{
	return mma_cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

mma_fn mma_select(const struct ir_insn *i)
{
	return mma_cpu_has_avx512() ? mma_select_avx512(i) : mma_cpu_has_avx2() ? mma_select_avx2(i) : mma_select_base(i);
}
