/* f16 and bf16 arithmetic of the interp backend against MPFR. */
#include "t/lib/alu_ref.h"
#include "t/lib/tap.h"

static bool ref(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r)
{
	(void)cc;
	return alu_ref_float(f, s, r);
}

int main(void)
{
	plan_lazy();
	alu_seed();
	alu_check_group(ALU_G_HALF, ref, 8000);
	return 0;
}
