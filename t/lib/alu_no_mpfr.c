/* alu_no_mpfr.c: stands for the tests whose reference is MPFR where configure did not find it. */
#include "t/lib/tap.h"

int main(void)
{
	skip_all("built without MPFR, the reference of this test");
}
