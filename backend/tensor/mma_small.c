/* mma_small.c: 8-, 6- and 4-bit floats as f16, which holds all of them exactly. */
#include "backend/interp/alu_fp.h"
#include "backend/tensor/tensor_impl.h"

struct layout { uint8_t exp, frac; };

static struct layout layout_of(unsigned type)
{
	switch (type) {
	case IR_T_E4M3: return (struct layout){ 4, 3 };
	case IR_T_E3M2: return (struct layout){ 3, 2 };
	case IR_T_E2M3: return (struct layout){ 2, 3 };
	default: return (struct layout){ 2, 1 };
	}
}

static uint16_t half_of(unsigned v, unsigned type)
{
	const struct layout l = layout_of(type);
	const unsigned bias = (1u << (l.exp - 1)) - 1;
	unsigned m, sign;
	int e;

	if (type == IR_T_E5M2)
		return (uint16_t)(v << 8);
	if (type == IR_T_E2M1)
		v >>= 2;
	m = v & ((1u << l.frac) - 1);
	e = (int)(v >> l.frac & ((1u << l.exp) - 1));
	sign = (v >> (l.frac + l.exp) & 1) << 15;
	if (type == IR_T_E4M3 && e == 15 && m == 7)
		return (uint16_t)(sign | F16_NAN);
	if (!e && !m)
		return (uint16_t)sign;
	if (!e) {
		for (e = 1; !(m >> l.frac); m <<= 1)
			e--;
		m &= (1u << l.frac) - 1;
	}
	return (uint16_t)(sign | (unsigned)(e + 15 - (int)bias) << 10 | m << (10 - l.frac));
}

static const uint8_t types[] = { IR_T_E4M3, IR_T_E5M2, IR_T_E3M2, IR_T_E2M3, IR_T_E2M1 };
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static unsigned number_of(unsigned type)
{
	unsigned k = 0;

	while (k < N_TYPES && types[k] != type)
		k++;
	return k;
}

bool mma_is_small(unsigned type)
{
	return number_of(type) < N_TYPES;
}

/* Made by whoever comes first; all make the same. */
const uint16_t *mma_half_table(unsigned type)
{
	static uint16_t table[N_TYPES][256];
	static bool made;

	if (!__atomic_load_n(&made, __ATOMIC_ACQUIRE)) {
		for (unsigned k = 0; k < N_TYPES; k++)
			for (unsigned v = 0; v < 256; v++)
				__atomic_store_n(&table[k][v], half_of(v, types[k]), __ATOMIC_RELAXED);
		__atomic_store_n(&made, true, __ATOMIC_RELEASE);
	}
	return table[number_of(type)];
}
