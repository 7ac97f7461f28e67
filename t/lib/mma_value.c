/* mma_value.c: see mma_value.h. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "t/lib/mma_value.h"

static long double float_of(uint64_t v, int exp_bits, int frac, bool has_inf)
{
	const int bias = (1 << (exp_bits - 1)) - 1;
	const uint64_t m = v & ((UINT64_C(1) << frac) - 1);
	const int e = (int)(v >> frac & ((1u << exp_bits) - 1));
	long double r;

	if (has_inf && e == (1 << exp_bits) - 1)
		r = m ? NAN : INFINITY;
	else
		r = e ? ldexpl((long double)(m | UINT64_C(1) << frac), e - bias - frac) : ldexpl((long double)m, 1 - bias - frac);
	return v >> (exp_bits + frac) & 1 ? -r : r;
}

long double mma_value(uint64_t v, uint8_t t)
{
	double d;

	switch (t) {
	case IR_T_F16: return float_of(v, 5, 10, true);
	case IR_T_BF16: return float_of(v, 8, 7, true);
	case IR_T_TF32: return float_of(v >> 13, 8, 10, true);
	case IR_T_F32: return float_of(v, 8, 23, true);
	case IR_T_F64: memcpy(&d, &v, 8); return d;
	case IR_T_E4M3: return (v & 0x7f) == 0x7f ? (long double)NAN : float_of(v, 4, 3, false);
	case IR_T_E5M2: return float_of(v, 5, 2, true);
	case IR_T_E3M2: return float_of(v & 63, 3, 2, false);
	case IR_T_E2M3: return float_of(v & 63, 2, 3, false);
	case IR_T_E2M1: return float_of(v & 15, 2, 1, false);
	case IR_T_UE8M0: return v == 255 ? (long double)NAN : ldexpl(1, (int)v - 127);
	case IR_T_UE4M3: return (v & 0x7f) == 0x7f ? (long double)NAN : float_of(v & 0x7f, 4, 3, false);
	case IR_T_S8: return (int8_t)v;
	case IR_T_U8: return (uint8_t)v;
	case IR_T_S4: return (int)((v & 15) ^ 8) - 8;
	case IR_T_U4: return (unsigned)(v & 15);
	case IR_T_S32: return (int32_t)v;
	default: return (unsigned)(v & 1);
	}
}

/* The alignment of products goes by the exponents of the encodings: subnormals count like the least normal number. */
long double mma_at_least(long double v, uint8_t t)
{
	long double min = t == IR_T_F16 || t == IR_T_E5M2 ? 0x1p-14L : t == IR_T_BF16 || t == IR_T_TF32 ? 0x1p-126L : 0;

	return v != 0 && fabsl(v) < min ? min : fabsl(v);
}

/* Types with f16 results may overflow on the way. */
int mma_close(uint64_t got, uint8_t type, int sat, long double want, long double size)
{
	const long double v = mma_value(got, type);
	long double slack;

	if (type == IR_T_S32 && sat)
		return v == (want > INT32_MAX ? INT32_MAX : want < INT32_MIN ? INT32_MIN : want);
	if (type == IR_T_S32)
		return (uint32_t)got == (uint32_t)(int64_t)want;
	if (type == IR_T_F64)
		return isnan(want) ? isnan(v) : v == want;
	if (type == IR_T_F16 && size > 60000 && !isnan(want))
		return true;
	if (isnan(want) || isinf(want))
		return isnan(want) ? isnan(v) : v == want;
	if (size > 0x1p127L)
		return true;
	slack = size * 0x1p-20L + 0x1p-140L;
	if (type == IR_T_F16)
		slack += size * 0x1p-9L + 0x1p-23L;
	return fabsl(v - want) <= slack;
}
