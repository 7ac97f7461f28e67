/*
 * wmma_mem.c: wmma.load and wmma.store: matrices of any layout in memory to
 * and from the registers that mma.c's families take. The layout in memory
 * doesn't change which lane holds what.
 */
#include "backend/tensor/tensor_impl.h"

struct frag {
	uint8_t rows, cols;            /* of the tiles' matrix: P, Q (columns are k), or the product */
	uint8_t bits, per_reg, n_regs;
	uint8_t row_tiles;             /* registers: tiles down the rows first, for P in twos */
	bool p, acc;                   /* P; an accumulator; else Q */
	bool along;                    /* a row in memory is a row here */
};

struct shape { uint8_t m, n, k; };

static bool shape_of(const struct ir_insn *i, struct shape *s)
{
	switch (i->shape) {
	case IR_SHAPE_M16N16K16: *s = (struct shape){ 16, 16, 16 }; return true;
	case IR_SHAPE_M32N8K16: *s = (struct shape){ 32, 8, 16 }; return true;
	case IR_SHAPE_M8N32K16: *s = (struct shape){ 8, 32, 16 }; return true;
	case IR_SHAPE_M16N16K8: *s = (struct shape){ 16, 16, 8 }; return true;
	case IR_SHAPE_M8N8K4: *s = (struct shape){ 8, 8, 4 }; return true;
	case IR_SHAPE_M8N8K32: *s = (struct shape){ 8, 8, 32 }; return true;
	case IR_SHAPE_M8N8K128: *s = (struct shape){ 8, 8, 128 }; return true;
	default: return false;
	}
}

static unsigned bits_of(unsigned t)
{
	switch (t) {
	case IR_T_F64: return 64;
	case IR_T_F32: case IR_T_S32: case IR_T_TF32: return 32;
	case IR_T_F16: case IR_T_BF16: return 16;
	case IR_T_S8: case IR_T_U8: return 8;
	case IR_T_S4: case IR_T_U4: return 4;
	case IR_T_B1: return 1;
	default: return 0;
	}
}

static bool factor_fits(unsigned t, const struct shape *s)
{
	switch (t) {
	case IR_T_F16: case IR_T_BF16: case IR_T_S8: case IR_T_U8: return s->k == 16;
	case IR_T_TF32: return s->k == 8;
	case IR_T_F64: return s->k == 4;
	case IR_T_S4: case IR_T_U4: return s->k == 32;
	case IR_T_B1: return s->k == 128;
	default: return false;
	}
}

static bool acc_fits(unsigned t, const struct shape *s)
{
	switch (t) {
	case IR_T_F16: return s->k == 16;
	case IR_T_F32: return s->k == 16 || s->k == 8;
	case IR_T_F64: return s->k == 4;
	case IR_T_S32: return s->k == 16 || s->k >= 32;
	default: return false;
	}
}

static bool frag_of(const struct ir_insn *i, struct frag *f)
{
	const bool col = i->layout & 1, swap = i->shape == IR_SHAPE_M8N32K16;
	struct shape s;

	memset(f, 0, sizeof(*f));
	if (i->op != IR_OP_wmma || !shape_of(i, &s))
		return false;
	f->bits = (uint8_t)bits_of(i->type);
	f->per_reg = f->bits >= 32 ? 1 : (uint8_t)(32 / (f->bits ? f->bits : 1));
	switch (i->mode) {
	case IR_MODE_LOAD_A:
	case IR_MODE_LOAD_B:
		if (!factor_fits(i->type, &s))
			return false;
		f->rows = i->mode == IR_MODE_LOAD_A ? s.m : s.n;
		f->cols = s.k;
		f->p = (i->mode == IR_MODE_LOAD_A) != swap;
		f->along = (i->mode == IR_MODE_LOAD_B) == col;
		if (f->bits < 8 && !f->along)
			return false;
		f->n_regs = i->type == IR_T_F16 ? 8 : (uint8_t)(f->rows / 8 * (f->cols / (4 * f->per_reg)));
		break;
	case IR_MODE_LOAD_C:
	case IR_MODE_STORE_D:
		if (!acc_fits(i->type, &s))
			return false;
		f->rows = swap ? s.n : s.m;
		f->cols = swap ? s.m : s.n;
		f->acc = true;
		f->along = swap == col;
		f->n_regs = (uint8_t)(f->rows * f->cols / (LANES * (f->bits == 16 ? 2 : 1)));
		break;
	default:
		return false;
	}
	f->row_tiles = f->rows / 8;
	return true;
}

struct tensor_mem wmma_mem(const struct ir_insn *i)
{
	struct tensor_mem r = { 0, 0, 0, 0, 0 };
	struct frag f;

	if (!frag_of(i, &f))
		return r;
	r.n_rows = f.along ? f.rows : f.cols;
	r.n_regs = f.n_regs;
	r.row_bytes = (uint8_t)((f.along ? f.cols : f.rows) * f.bits / 8);
	r.align = f.bits == 64 ? 8 : 4;
	r.elem_bits = f.bits;
	return r;
}

/*
 * What lane 0's register r begins with. Lane l has what is l / 4 rows further down and l % 4 times `across` columns to the
 * right, and each register per_reg elements of a row.
 */
struct spot { unsigned row, col, across; };

static struct spot spot_of(const struct frag *f, unsigned r)
{
	const unsigned k_tiles = f->cols / (4u * f->per_reg);
	unsigned i, j;

	if (f->acc) {
		const unsigned two = f->bits == 16 ? 1 : 2, tile = r / two;

		return (struct spot){ tile % f->row_tiles * 8, tile / f->row_tiles * 8 + r % two, 2 };
	}
	r %= f->row_tiles * k_tiles;       /* f16: what is over repeats */
	if (!f->p) {
		i = r / k_tiles;
		j = r % k_tiles;
	} else if (f->row_tiles == 1) {
		i = 0;
		j = r;
	} else {
		i = r / (2 * k_tiles) * 2 + r % 2;
		j = r / 2 % k_tiles;
	}
	return (struct spot){ 8 * i, 4 * j * f->per_reg, f->per_reg };
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* A row in memory is a row here: a register's elements are side by side. */
static void load_along(const struct frag *f, struct spot s, const uint8_t *const row[LANES], uint64_t *d)
{
	const unsigned at = s.col * f->bits / 8, step = s.across * f->bits / 8;

	if (f->bits == 64)
		for (unsigned l = 0; l < LANES; l++)
			memcpy(&d[l], row[s.row + l / 4] + at + l % 4 * step, 8);
	else
		for (unsigned l = 0; l < LANES; l++)
			d[l] = get32(row[s.row + l / 4] + at + l % 4 * step);
}

/* They are in as many rows; no less than a byte each. */
static void load_across(const struct frag *f, struct spot s, const uint8_t *const row[LANES], uint64_t *d)
{
	for (unsigned l = 0; l < LANES; l++) {
		const uint8_t *const *p = row + s.col + l % 4 * s.across;
		const unsigned at = (s.row + l / 4) * (f->bits / 8u);

		switch (f->bits) {
		case 8: d[l] = p[0][at] | (uint32_t)p[1][at] << 8 | (uint32_t)p[2][at] << 16 | (uint32_t)p[3][at] << 24; break;
		case 16: d[l] = p[0][at] | (uint32_t)p[0][at + 1] << 8 | (uint32_t)p[1][at] << 16 | (uint32_t)p[1][at + 1] << 24; break;
		case 32: d[l] = get32(p[0] + at); break;
		default: memcpy(&d[l], p[0] + at, 8); break;
		}
	}
}

void wmma_load(const struct ir_insn *i, const uint8_t *const row[LANES], uint64_t *const d[MMA_MAX_REGS])
{
	struct frag f;

	if (!frag_of(i, &f))
		return;
	for (unsigned k = 0; k < f.n_regs; k++)
		if (f.along)
			load_along(&f, spot_of(&f, k), row, d[k]);
		else
			load_across(&f, spot_of(&f, k), row, d[k]);
}

/* Of an accumulator: 16, 32 or 64 bits. */
static void store_along(const struct frag *f, struct spot s, uint8_t *const row[LANES], const uint64_t *v)
{
	const unsigned at = s.col * f->bits / 8, step = s.across * f->bits / 8;

	for (unsigned l = 0; l < LANES; l++)
		memcpy(row[s.row + l / 4] + at + l % 4 * step, &v[l], f->bits == 64 ? 8 : 4);
}

static void store_across(const struct frag *f, struct spot s, uint8_t *const row[LANES], const uint64_t *v)
{
	for (unsigned l = 0; l < LANES; l++) {
		uint8_t *const *p = row + s.col + l % 4 * s.across;
		const unsigned at = (s.row + l / 4) * (f->bits / 8u);
		const uint16_t high = (uint16_t)(v[l] >> 16);

		if (f->bits == 16) {
			memcpy(p[0] + at, &v[l], 2);
			memcpy(p[1] + at, &high, 2);
		} else {
			memcpy(p[0] + at, &v[l], f->bits / 8);
		}
	}
}

void wmma_store(const struct ir_insn *i, uint8_t *const row[LANES], const uint64_t *const s[MMA_MAX_REGS])
{
	struct frag f;

	if (!frag_of(i, &f))
		return;
	for (unsigned k = 0; k < f.n_regs; k++)
		if (f.along)
			store_along(&f, spot_of(&f, k), row, s[k]);
		else
			store_across(&f, spot_of(&f, k), row, s[k]);
}
