/*
 * alu_video.c: scalar video instructions (vadd vsub vabsdiff vmin vmax vshl
 * vshr vmad vset) and SIMD ones on halves and bytes (vadd2 … vset4). GPUs have
 * long emulated most of them; handlers read everything from the instruction.
 */
#include "backend/interp/alu_impl.h"

typedef __int128 wide;

static bool is_signed(unsigned t)
{
	return t == IR_T_S32;
}

static wide clamp(wide v, unsigned bits, bool sign)
{
	const wide max = sign ? ((wide)1 << (bits - 1)) - 1 : ((wide)1 << bits) - 1;
	const wide min = sign ? -max - 1 : 0;

	return v < min ? min : v > max ? max : v;
}

static wide extend(uint32_t v, unsigned bits, bool sign)
{
	const unsigned up = 32 - bits;

	return sign ? (wide)((int32_t)(v << up) >> up) : (wide)(v << up >> up);
}

/* ---- scalar ---- */

/* A selector names a byte, a half (0x40) or, 0, the whole register. */
static unsigned part_bits(unsigned sub)
{
	return !sub ? 32 : sub & 0x40 ? 16 : 8;
}

static unsigned part_shift(unsigned sub)
{
	return sub ? part_bits(sub) * ((sub & 0x3f) - 1) : 0;
}

static wide part(uint64_t v, unsigned sub, bool sign)
{
	return extend((uint32_t)v >> part_shift(sub), part_bits(sub), sign);
}

static bool compare(unsigned cmp, wide a, wide b)
{
	switch (cmp) {
	case IR_CMP_EQ: return a == b;
	case IR_CMP_NE: return a != b;
	case IR_CMP_LT: case IR_CMP_LO: return a < b;
	case IR_CMP_LE: case IR_CMP_LS: return a <= b;
	case IR_CMP_GT: case IR_CMP_HI: return a > b;
	default: return a >= b;
	}
}

/* The operation of a lane or an element; shifts only come in scalar form. */
static inline wide operate(const struct ir_insn *i, wide a, wide b)
{
	switch (i->op) {
	case IR_OP_vadd: case IR_OP_vadd2: case IR_OP_vadd4: return a + b;
	case IR_OP_vsub: case IR_OP_vsub2: case IR_OP_vsub4: return a - b;
	case IR_OP_vabsdiff: case IR_OP_vabsdiff2: case IR_OP_vabsdiff4: return a < b ? b - a : a - b;
	case IR_OP_vmin: case IR_OP_vmin2: case IR_OP_vmin4: return a < b ? a : b;
	case IR_OP_vmax: case IR_OP_vmax2: case IR_OP_vmax4: return a > b ? a : b;
	case IR_OP_vavrg2: case IR_OP_vavrg4: return (a + b + (a + b >= 0)) >> 1;
	case IR_OP_vset: case IR_OP_vset2: case IR_OP_vset4: return compare(i->cmp, a, b);
	default: break;
	}
	b = i->flags & IR_F_WRAP ? b & 31 : b > 32 ? 32 : b;
	return i->op == IR_OP_vshl ? (wide)((unsigned __int128)a << (unsigned)b) : a >> (unsigned)b;
}

/* The second operation, on 32-bit values of the result's type. */
static uint32_t second_op(unsigned atom, uint32_t v, uint32_t c, bool sign)
{
	const bool below = sign ? (int32_t)v < (int32_t)c : v < c;

	switch (atom) {
	case IR_ATOM_ADD: return v + c;
	case IR_ATOM_MIN: return below ? v : c;
	case IR_ATOM_MAX: return below ? c : v;
	default: return v;
	}
}

static uint32_t merge(unsigned sub, uint32_t v, uint32_t c)
{
	const uint32_t keep = (uint32_t)((UINT64_C(1) << part_bits(sub)) - 1) << part_shift(sub);

	return (v << part_shift(sub) & keep) | (c & ~keep);
}

/*
 * vset has no type for its result: its sources are the first two types, and c
 * is compared as the first one says.
 */
static void scalar(const struct alu_args *x)
{
	const struct ir_insn *i = x->insn;
	const bool set = i->op == IR_OP_vset, sat = i->flags & IR_F_SAT;
	const bool sd = is_signed(i->type), sa = is_signed(set ? i->type : i->stype);
	const bool sb = is_signed(set ? i->stype : i->type3);
	const unsigned dsub = i->dst[0].sub, asub = i->src[0].sub, bsub = i->src[1].sub;
	const bool has_c = i->n_src > 2;

	ALU_LANES(x, wide t = operate(i, part(x->a[l], asub, sa), part(x->b[l], bsub, sb));
		const uint32_t c = has_c ? (uint32_t)x->c[l] : 0;
		if (sat) t = clamp(t, part_bits(dsub), sd);
		x->d[l] = i->atom ? second_op(i->atom, (uint32_t)t, c, sd) : merge(dsub, (uint32_t)t, c));
}

/* a * b + c, where either the product or c may be negated; the intermediate is signed if anything in it can be negative. */
static void vmad(const struct alu_args *x)
{
	const struct ir_insn *i = x->insn;
	const bool minus_p = i->src[0].neg != i->src[1].neg, minus_c = i->src[2].neg;
	const bool sa = is_signed(i->stype), sb = is_signed(i->type3), final = sa || sb || minus_p || minus_c;
	const unsigned asub = i->src[0].sub, bsub = i->src[1].sub;
	const unsigned scale = i->mode == IR_MODE_SHR7 ? 7 : i->mode == IR_MODE_SHR15 ? 15 : 0;
	const bool po = i->flags & IR_F_PO, sat = i->flags & IR_F_SAT;

	ALU_LANES(x, const wide p = part(x->a[l], asub, sa) * part(x->b[l], bsub, sb);
		const wide c = extend((uint32_t)x->c[l], 32, final);
		wide t = (minus_p ? -p : p) + (minus_c ? -c : c) + po;
		t >>= scale;
		x->d[l] = (uint32_t)(sat ? clamp(t, 32, final) : t));
}

/* ---- SIMD ---- */

/* Selector digits name elements of a (low numbers) and b; left out: a's own, b's own. */
static unsigned selected(const struct ir_opnd *o, unsigned k, unsigned otherwise)
{
	if (o->sub & 0x80)
		return (unsigned)(o->imm >> (4 * k)) & 15;
	return otherwise + k;
}

/* Elements of d that are written: digits, each present one counts. */
static unsigned written(const struct ir_opnd *o, unsigned n)
{
	unsigned mask = 0;

	if (!o->sub)
		return (1u << n) - 1;
	if (!(o->sub & 0x80))
		return 1u << ((o->sub & 0x3f) - 1);
	for (unsigned k = 0; k < (o->sub & 0x7fu); k++)
		mask |= 1u << (o->imm >> (4 * k) & 7);
	return mask;
}

static uint32_t simd_lane(const struct ir_insn *i, uint32_t a, uint32_t b, uint32_t c, unsigned n)
{
	const bool set = i->op == IR_OP_vset2 || i->op == IR_OP_vset4;
	const bool sd = !set && is_signed(i->type), sa = is_signed(set ? i->type : i->stype);
	const bool sb = is_signed(set ? i->stype : i->type3);
	const unsigned bits = 32 / n, mask = written(&i->dst[0], n);
	const uint32_t ones = (uint32_t)((UINT64_C(1) << bits) - 1);
	const uint64_t both = (uint64_t)b << 32 | a;
	uint32_t d = i->atom ? c : 0;

	for (unsigned k = 0; k < n; k++) {
		const uint32_t va = (uint32_t)(both >> (bits * selected(&i->src[0], k, 0)));
		const uint32_t vb = (uint32_t)(both >> (bits * selected(&i->src[1], k, n)));
		wide t = operate(i, extend(va, bits, sa), extend(vb, bits, sb));

		if (i->flags & IR_F_SAT)
			t = clamp(t, bits, sd);
		if (i->atom)
			d += mask >> k & 1 ? (uint32_t)t : 0;
		else
			d |= (mask >> k & 1 ? (uint32_t)t & ones : c >> (bits * k) & ones) << (bits * k);
	}
	return d;
}

#define SIMD(name, n) \
	ALU_FN(name, simd_lane(x->insn, (uint32_t)ALU_A, (uint32_t)ALU_B, x->insn->n_src > 2 ? (uint32_t)ALU_C : 0, n))
SIMD(simd2, 2)
SIMD(simd4, 4)

static bool is_32(unsigned t)
{
	return t == IR_T_U32 || t == IR_T_S32;
}

static bool types_fit(const struct ir_insn *i, bool set)
{
	return is_32(i->type) && is_32(i->stype) && (set ? i->cmp && i->cmp <= IR_CMP_HS : is_32(i->type3));
}

static bool selectors_fit(const struct ir_insn *i, bool simd, unsigned n)
{
	for (unsigned k = 0; k < 2; k++) {
		const struct ir_opnd *o = &i->src[k];

		if (simd ? o->sub && o->sub != (0x80 | n) : o->sub & 0x80)
			return false;
	}
	return !i->src[2].sub && (simd || !(i->dst[0].sub & 0x80));
}

static alu_fn select_scalar(const struct ir_insn *i)
{
	bool set = i->op == IR_OP_vset, shift = i->op == IR_OP_vshl || i->op == IR_OP_vshr;
	uint32_t allowed = (set ? 0 : IR_F_SAT) | (shift ? IR_F_WRAP | IR_F_CLAMP : 0);

	if (!alu_only_flags(i, allowed) || !types_fit(i, set) || !selectors_fit(i, false, 0))
		return NULL;
	if (shift && i->type3 != IR_T_U32)
		return NULL;
	/* a second operation excludes a selector of the result */
	if (i->atom && (i->n_src != 3 || i->dst[0].sub))
		return NULL;
	if (i->dst[0].sub && i->n_src != 3)
		return NULL;
	return scalar;
}

static alu_fn select_simd(const struct ir_insn *i, unsigned n, alu_fn fn)
{
	bool set = i->op == IR_OP_vset2 || i->op == IR_OP_vset4;

	if (!alu_only_flags(i, set ? 0 : IR_F_SAT) || !types_fit(i, set) || !selectors_fit(i, true, n))
		return NULL;
	return i->atom == IR_ATOM_NONE || (i->atom == IR_ATOM_ADD && i->n_src == 3) ? fn : NULL;
}

alu_fn ALU_NAME(alu_select_video)(const struct ir_insn *i)
{
	if (i->op < IR_OP_vabsdiff || i->op > IR_OP_vsub4 || i->n_src < 2 || i->n_src > 3)
		return NULL;
	switch (i->op) {
	case IR_OP_vabsdiff: case IR_OP_vadd: case IR_OP_vmax: case IR_OP_vmin: case IR_OP_vset: case IR_OP_vshl:
	case IR_OP_vshr: case IR_OP_vsub:
		return select_scalar(i);
	case IR_OP_vmad:
		return alu_only_flags(i, IR_F_SAT | IR_F_PO) && types_fit(i, false) && i->n_src == 3 && !i->dst[0].sub &&
		       selectors_fit(i, false, 0) ? vmad : NULL;
	case IR_OP_vabsdiff2: case IR_OP_vadd2: case IR_OP_vavrg2: case IR_OP_vmax2: case IR_OP_vmin2: case IR_OP_vset2:
	case IR_OP_vsub2:
		return select_simd(i, 2, simd2);
	case IR_OP_vabsdiff4: case IR_OP_vadd4: case IR_OP_vavrg4: case IR_OP_vmax4: case IR_OP_vmin4: case IR_OP_vset4:
	case IR_OP_vsub4:
		return select_simd(i, 4, simd4);
	default:
		return NULL;
	}
}
