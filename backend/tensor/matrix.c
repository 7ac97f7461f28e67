/*
 * matrix.c: ldmatrix, stmatrix, movmatrix: matrices of eight rows of 16 bytes
 * between memory and registers. Lane 4r + t holds the four bytes of row r from
 * 4t on; with .trans (16-bit elements) those of the transposed matrix.
 */
#include "backend/tensor/tensor_impl.h"

struct tensor_mem ldmatrix_mem(const struct ir_insn *i)
{
	const struct tensor_mem none = { 0, 0, 0, 0, 0 };
	const bool store = i->op == IR_OP_stmatrix;

	if ((i->op != IR_OP_ldmatrix && !store) || (i->layout != 1 && i->layout != 2 && i->layout != 4))
		return none;
	if (i->shape == IR_SHAPE_M8N8 ? i->type != IR_T_B16 || i->extra :
	    i->shape != IR_SHAPE_M8N16 || store || !i->extra || i->flags & IR_F_TRANS)
		return none;
	return (struct tensor_mem){ .n_rows = 8 * i->layout, .n_regs = i->layout, .row_bytes = 16, .align = 16, .elem_bits = 8 };
}

/* 16 elements of 4 or 6 bits, one behind the other, to a byte each. */
static void widen(uint8_t to[16], const uint8_t *from, unsigned bits)
{
	for (unsigned k = 0; k < 16; k++) {
		const unsigned at = k * bits, v = from[at / 8] | from[at / 8 + 1] << 8;

		to[k] = (uint8_t)(v >> (at % 8) & ((1u << bits) - 1));
	}
}

static void read_row(const struct ir_insn *i, uint8_t to[16], const uint8_t *from)
{
	if (i->extra & (IR_MMA_FROM_B6 | IR_MMA_FROM_B4))
		widen(to, from, i->extra & IR_MMA_FROM_B6 ? 6 : 4);
	else
		memcpy(to, from, 16);
}

static void transpose(uint16_t m[8][8])
{
	for (unsigned r = 0; r < 8; r++)
		for (unsigned c = 0; c < r; c++) {
			const uint16_t v = m[r][c];

			m[r][c] = m[c][r];
			m[c][r] = v;
		}
}

static void to_register(uint64_t *d, const uint16_t m[8][8])
{
	for (unsigned l = 0; l < LANES; l++)
		d[l] = m[l / 4][2 * (l % 4)] | (uint32_t)m[l / 4][2 * (l % 4) + 1] << 16;
}

static void from_register(uint16_t m[8][8], const uint64_t *s)
{
	for (unsigned l = 0; l < LANES; l++) {
		m[l / 4][2 * (l % 4)] = (uint16_t)s[l];
		m[l / 4][2 * (l % 4) + 1] = (uint16_t)(s[l] >> 16);
	}
}

void ldmatrix_load(const struct ir_insn *i, const uint8_t *const row[LANES], uint64_t *const d[4])
{
	uint16_t m[4][8][8];

	for (unsigned r = 0; r < 8u * i->layout; r++)
		read_row(i, (uint8_t *)m[r / 8][r % 8], row[r]);
	for (unsigned k = 0; k < i->layout; k++) {
		if (i->flags & IR_F_TRANS)
			transpose(m[k]);
		to_register(d[k], m[k]);
	}
}

void stmatrix_store(const struct ir_insn *i, uint8_t *const row[LANES], const uint64_t *const s[4])
{
	uint16_t m[4][8][8];

	for (unsigned k = 0; k < i->layout; k++) {
		from_register(m[k], s[k]);
		if (i->flags & IR_F_TRANS)
			transpose(m[k]);
	}
	for (unsigned r = 0; r < 8u * i->layout; r++)
		memcpy(row[r], m[r / 8][r % 8], 16);
}

void movmatrix_run(uint64_t *d, const uint64_t *s)
{
	uint16_t m[8][8];

	from_register(m, s);
	transpose(m);
	to_register(d, m);
}
