/* alu_dispatch.c: alu_select(): the handlers for this CPU. */
#include "backend/interp/alu_impl.h"

bool alu_cpu_has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

alu_fn alu_select(const struct ir_insn *i)
{
	return alu_cpu_has_avx2() ? alu_select_avx2(i) : alu_select_base(i);
}
