/* Scalar and SIMD video instructions of the interp backend against the PTX manual's definitions. */
#include "t/lib/alu_ref.h"
#include "t/lib/tap.h"

int main(void)
{
	plan_lazy();
	alu_seed();
	alu_check_group(ALU_G_VIDEO, alu_ref_video, 1000);
	return 0;
}
