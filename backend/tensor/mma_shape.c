/*
 * mma_shape.c: which combinations of shape and types of mma and wmma there
 * are, how many registers they take, and where mma.sp's metadata is.
 */
#include "backend/tensor/tensor_impl.h"

struct dims { uint8_t m, n; uint16_t k; };

static bool dims_of(unsigned shape, struct dims *d)
{
	static const struct dims all[] = {
		[IR_SHAPE_M8N8K4] = { 8, 8, 4 }, [IR_SHAPE_M8N8K16] = { 8, 8, 16 }, [IR_SHAPE_M8N8K32] = { 8, 8, 32 },
		[IR_SHAPE_M8N8K128] = { 8, 8, 128 }, [IR_SHAPE_M16N8K4] = { 16, 8, 4 }, [IR_SHAPE_M16N8K8] = { 16, 8, 8 },
		[IR_SHAPE_M16N8K16] = { 16, 8, 16 }, [IR_SHAPE_M16N8K32] = { 16, 8, 32 }, [IR_SHAPE_M16N8K64] = { 16, 8, 64 },
		[IR_SHAPE_M16N8K128] = { 16, 8, 128 }, [IR_SHAPE_M16N8K256] = { 16, 8, 256 }, [IR_SHAPE_M16N16K16] = { 16, 16, 16 },
		[IR_SHAPE_M8N32K16] = { 8, 32, 16 }, [IR_SHAPE_M32N8K16] = { 32, 8, 16 }, [IR_SHAPE_M16N16K8] = { 16, 16, 8 },
	};

	if (shape >= sizeof(all) / sizeof(all[0]) || !all[shape].m)
		return false;
	*d = all[shape];
	return true;
}

enum kind { NO_KIND, HALF, BHALF, TF32, DOUBLE, BYTE, NIBBLE, BIT, SMALL };

static enum kind kind_of(unsigned t)
{
	switch (t) {
	case IR_T_F16: return HALF;
	case IR_T_BF16: return BHALF;
	case IR_T_TF32: return TF32;
	case IR_T_F64: return DOUBLE;
	case IR_T_S8: case IR_T_U8: return BYTE;
	case IR_T_S4: case IR_T_U4: return NIBBLE;
	case IR_T_B1: return BIT;
	case IR_T_E4M3: case IR_T_E5M2: case IR_T_E3M2: case IR_T_E2M3: case IR_T_E2M1: return SMALL;
	default: return NO_KIND;
	}
}

/* Shapes of dense mma by kind of element; for mma.sp k is half as large. */
static bool dense_shape(enum kind kind, const struct dims *d, unsigned k)
{
	const bool m16n8 = d->m == 16 && d->n == 8, m8n8 = d->m == 8 && d->n == 8;

	switch (kind) {
	case HALF: return (m16n8 && (k == 8 || k == 16)) || (m8n8 && k == 4);
	case BHALF: return m16n8 && (k == 8 || k == 16);
	case TF32: return m16n8 && (k == 4 || k == 8);
	case DOUBLE: return (m16n8 && (k == 4 || k == 8 || k == 16)) || (m8n8 && k == 4);
	case BYTE: return (m16n8 && (k == 16 || k == 32)) || (m8n8 && k == 16);
	case NIBBLE: return (m16n8 && (k == 32 || k == 64)) || (m8n8 && k == 32);
	case BIT: return (m16n8 && (k == 128 || k == 256)) || (m8n8 && k == 128);
	case SMALL: return m16n8 && (k == 16 || k == 32);
	default: return false;
	}
}

static bool wmma_shape(enum kind kind, const struct dims *d)
{
	const bool big = d->k == 16 && (d->m != 8 || d->n != 8) && d->m * d->n == 256;

	switch (kind) {
	case HALF: case BHALF: case BYTE: return big;
	case TF32: return d->m == 16 && d->n == 16 && d->k == 8;
	case DOUBLE: return d->m == 8 && d->n == 8 && d->k == 4;
	case NIBBLE: return d->m == 8 && d->n == 8 && d->k == 32;
	case BIT: return d->m == 8 && d->n == 8 && d->k == 128;
	default: return false;
	}
}

/* Are the accumulators' types right for the factors? */
static bool result_types(enum kind kind, const struct ir_insn *i)
{
	const unsigned d = i->type, c = i->stype;
	const bool volta_or_wmma = i->op == IR_OP_wmma || i->shape == IR_SHAPE_M8N8K4;

	switch (kind) {
	case HALF:
		return (d == IR_T_F16 || d == IR_T_F32) && (c == IR_T_F16 || c == IR_T_F32) && (c == d || volta_or_wmma) &&
		       (i->op == IR_OP_wmma || d == IR_T_F32 || c == IR_T_F16);
	case SMALL: return (d == IR_T_F16 || d == IR_T_F32) && c == d;
	case BHALF: case TF32: return d == IR_T_F32 && c == d;
	case DOUBLE: return d == IR_T_F64 && c == d;
	default: return d == IR_T_S32 && c == d;
	}
}

static bool is_int(enum kind kind)
{
	return kind == BYTE || kind == NIBBLE;
}

/* Modifiers that go with the types. */
static bool modifiers(enum kind kind, const struct ir_insn *i)
{
	uint32_t allowed = IR_F_SYNC | IR_F_ALIGNED | (i->op == IR_OP_mma ? (uint32_t)IR_F_SPARSE : 0) | (is_int(kind) ? (uint32_t)IR_F_SATFINITE : 0);

	if (i->flags & ~allowed || (i->round && kind != DOUBLE) || (i->boolop != IR_BOOL_NONE) != (kind == BIT))
		return false;
	/* Volta's form, and wmma's, alone have layouts to choose. */
	if (i->layout != 2 && kind != HALF && (i->op == IR_OP_mma || kind == NIBBLE || kind == BIT))
		return false;
	return i->layout == 2 || i->op == IR_OP_wmma || i->shape == IR_SHAPE_M8N8K4;
}

/* block_scale: kind, number of scales and their type have to fit. */
static bool scales(const struct ir_insn *i, unsigned k)
{
	unsigned n = i->extra & IR_MMA_SCALE, mxkind = i->extra & IR_MMA_KIND;
	bool ue4m3 = i->extra & IR_MMA_UE4M3, fp4 = i->type3 == IR_T_E2M1 && i->type4 == IR_T_E2M1;

	if (i->type != IR_T_F32)
		return false;
	switch (mxkind) {
	case IR_MMA_MXF8F6F4: return k == 32 && (!n || n == IR_MMA_SCALE_1X) && !ue4m3;
	case IR_MMA_MXF4: return k == 64 && fp4 && (!n || n == IR_MMA_SCALE_2X) && !ue4m3;
	default: return k == 64 && fp4 && n == (ue4m3 ? IR_MMA_SCALE_4X : IR_MMA_SCALE_2X);
	}
}

static bool small_kind(const struct ir_insn *i, unsigned k)
{
	const bool fp8 = (i->type3 == IR_T_E4M3 || i->type3 == IR_T_E5M2) && (i->type4 == IR_T_E4M3 || i->type4 == IR_T_E5M2);

	switch (i->extra & IR_MMA_KIND) {
	case 0: return fp8 && (!(i->flags & IR_F_SPARSE) || (k == 32 && i->type == IR_T_F32));
	case IR_MMA_F8F6F4: return k == 32;
	default: return scales(i, k);
	}
}

static unsigned element_bits(enum kind kind, const struct ir_insn *i)
{
	const unsigned mxkind = i->extra & IR_MMA_KIND;

	switch (kind) {
	case HALF: case BHALF: return 16;
	case TF32: return 32;
	case DOUBLE: return 64;
	case NIBBLE: return 4;
	case BIT: return 1;
	case SMALL: return mxkind == IR_MMA_MXF4 || mxkind == IR_MMA_MXF4NVF4 ? 4 : 8;
	default: return 8;
	}
}

static bool kinds_fit(enum kind kind, const struct ir_insn *i, const struct dims *d)
{
	const bool sparse = i->flags & IR_F_SPARSE, scaled = (i->extra & IR_MMA_KIND) > IR_MMA_F8F6F4;
	const unsigned k = sparse ? d->k / 2u : d->k;

	if (i->op == IR_OP_wmma)
		return wmma_shape(kind, d);
	if (kind == SMALL)
		return small_kind(i, k) && d->m == 16 && d->n == 8 && (k == 16 || k == 32 || (k == 64 && scaled));
	if (sparse && (d->m != 16 || kind == DOUBLE || kind == BIT))
		return false;
	return dense_shape(kind, d, k) && !(i->extra & IR_MMA_KIND);
}

bool mma_shape_of(const struct ir_insn *i, struct mma_shape *s)
{
	const enum kind kind = kind_of(i->type3);
	struct dims d;

	memset(s, 0, sizeof(*s));
	if (i->op != IR_OP_mma && (i->op != IR_OP_wmma || i->mode != IR_MODE_MMA))
		return false;
	if (!dims_of(i->shape, &d) || !kind || kind_of(i->type4) != kind || !kinds_fit(kind, i, &d) || !result_types(kind, i) ||
	    !modifiers(kind, i) || (!is_int(kind) && kind != SMALL && i->type3 != i->type4) ||
	    (i->op == IR_OP_wmma && i->type3 != i->type4))
		return false;
	s->m = d.m;
	s->n = d.n;
	s->k = d.k;
	s->swap = d.n == 32;
	s->np = s->swap ? d.n : d.m;
	s->nq = s->swap ? d.m : d.n;
	s->bits = (uint8_t)element_bits(kind, i);
	s->per_reg = s->bits >= 32 ? 1 : 32 / s->bits;
	s->kt = (uint8_t)(d.k / (4u * s->per_reg));
	s->sparse = i->flags & IR_F_SPARSE;
	s->kt_p = s->sparse ? s->kt / 2 : s->kt;
	return true;
}

static uint8_t acc_regs(const struct mma_shape *s, unsigned type)
{
	return (uint8_t)(s->m * s->n / (type == IR_T_F16 ? 64 : 32));
}

struct mma_regs mma_regs(const struct ir_insn *i)
{
	struct mma_shape s;
	struct mma_regs r = { 0, 0, 0, 0 };

	if (!mma_shape_of(i, &s))
		return r;
	if (i->op == IR_OP_mma && s.m == 8 && s.bits == 16)     /* Volta's: four products */
		return (struct mma_regs){ i->type == IR_T_F16 ? 4 : 8, 2, 2, i->stype == IR_T_F16 ? 4 : 8 };
	r.a = (uint8_t)((s.swap ? s.kt : s.kt_p) * (s.m / 8));
	r.b = (uint8_t)(s.kt * (s.n / 8));
	if (i->op == IR_OP_wmma && i->type3 == IR_T_F16)        /* what is over holds the same again */
		r.a = r.b = 8;
	r.c = acc_regs(&s, i->stype);
	r.d = acc_regs(&s, i->type);
	return r;
}

/*
 * Four bits for each group. 16-bit and wider elements: a lane's word has
 * four groups of row r in its low and of row r + 8 in its high half. Narrower
 * ones: it has eight groups of one row, which the lane's last bit chooses. The
 * selector says which lanes of each four are asked.
 */
unsigned mma_sparse_col(const struct mma_shape *s, const struct mma_args *x, unsigned row, unsigned c)
{
	const unsigned el = s->bits == 4 ? 2 : 1, p = c / el, sel = (unsigned)x->sel[0];
	const unsigned group = s->bits == 32 ? p : p / 2, lanes = s->bits == 32 ? s->k / 8u : s->k / el / 16u;
	unsigned lane = row % 8 * 4, shift, meta;

	if (s->bits >= 16) {
		lane += (lanes == 1 ? sel : 2 * sel) + group / 4;
		shift = 16 * (row / 8) + 4 * (group % 4);
	} else {
		lane += (lanes == 2 ? 2 * sel : 0) + row / 8 + group / 8 * 2;
		shift = 4 * (group % 8);
	}
	meta = (unsigned)(x->meta[lane % LANES] >> shift) & 15;
	if (s->bits == 32)
		return 2 * c + (meta & 3) / 2;
	return 4 * el * group + el * (meta >> (2 * (p & 1)) & 3) + c % el;
}
