/* mma_exact.c: see mma_exact.h. */
#include "backend/tensor/mma_exact.h"
#include "backend/tensor/mma_sum.h"

struct mma_val mma_val_of(uint64_t bits, unsigned type)
{
	const int exp_bits = type == IR_T_F16 ? 5 : 8;
	const int frac = type == IR_T_BF16 ? 7 : type == IR_T_F32 ? 23 : 10;
	const uint64_t v = type == IR_T_TF32 ? bits >> 13 : bits;
	const unsigned e = (unsigned)(v >> frac) & ((1u << exp_bits) - 1);
	struct mma_val r = { .sig = v & ((UINT64_C(1) << frac) - 1), .frac = (int16_t)frac, .sign = v >> (frac + exp_bits) & 1 };

	if (e == (1u << exp_bits) - 1) {
		r.nan = r.sig != 0;
		r.inf = !r.nan;
		return r;
	}
	r.exp = (int16_t)((int)(e ? e : 1) - (1 << (exp_bits - 1)) + 1);
	if (e)
		r.sig |= UINT64_C(1) << frac;
	return r;
}

/* sig * 2^exp in units of 2^unit, cut off. A zero's exponent may be any. */
static int64_t cut(uint64_t sig, int exp, int unit, bool sign)
{
	const int up = exp - unit;
	const uint64_t v = !sig ? 0 : up >= 0 ? sig << up : up > -64 ? sig >> -up : 0;

	return sign ? -(int64_t)v : (int64_t)v;
}

static uint64_t infinity(unsigned type, bool negative)
{
	return type == IR_T_F16 ? 0x7c00u | (unsigned)negative << 15 : 0x7f800000u | (unsigned)negative << 31;
}

uint64_t mma_exact(const struct mma_val *a, const struct mma_val *b, unsigned n, struct mma_val c, unsigned type)
{
	bool nan = c.nan, pos = c.inf && !c.sign, neg = c.inf && c.sign;
	int top = c.sig && c.exp > MMA_C_EMIN ? c.exp : MMA_C_EMIN;
	int64_t sum;
	double x;

	for (unsigned k = 0; k < n; k++) {
		const bool zero_a = !a[k].sig && !a[k].inf, zero_b = !b[k].sig && !b[k].inf;

		nan |= a[k].nan || b[k].nan || (a[k].inf && zero_b) || (b[k].inf && zero_a);
		if (a[k].inf || b[k].inf)
			*(a[k].sign != b[k].sign ? &neg : &pos) = true;
		else if (!zero_a && !zero_b && a[k].exp + b[k].exp > top)
			top = a[k].exp + b[k].exp;
	}
	if (nan || (pos && neg))
		return type == IR_T_F16 ? F16_NAN : F32_NAN;
	if (pos || neg)
		return infinity(type, neg);
	sum = cut(c.sig, c.exp - c.frac, top - MMA_KEPT, c.sign);
	for (unsigned k = 0; k < n; k++)
		sum += cut(a[k].sig * b[k].sig, a[k].exp + b[k].exp - a[k].frac - b[k].frac, top - MMA_KEPT, a[k].sign != b[k].sign);
	/* two steps: 2^(top - 25) may be below a double's normal numbers */
	x = (double)sum * f64_of((uint64_t)(1023 + top) << 52) * 0x1p-25;
	return type == IR_T_F16 ? mma_round_f16(x) : bits_of_f32(mma_round_f32(x));
}
