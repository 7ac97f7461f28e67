/* elem_pick.c: selection and copies: prmt selp slct mov. */
#include "backend/simd/gen/elem.h"

/* ---- prmt: four bytes of the eight of b:a ---- */

/* The selectors are known: one shuffle of bytes, and one more where a sign is spread. */
static val prmt_known(struct gen *g, val a, val b, uint32_t sel)
{
	unsigned n = 4 * gen_lanes(a);
	val idx[4 * 32], spread[4 * 32], r;
	bool any = false;

	for (unsigned k = 0; k < n; k++) {
		uint32_t s = sel >> (4 * (k % 4)) & 15;

		idx[k] = LLVMConstInt(g->i32, (s & 4 ? n : 0) + (k & ~3u) + (s & 3), 0);
		spread[k] = LLVMConstInt(g->i1, s >> 3, 0);
		any |= s >> 3;
	}
	a = el_split(g, a, 8);
	b = el_split(g, b, 8);
	r = LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(idx, n), "");
	if (any)
		r = x_sel(g, LLVMConstVector(spread, n), x_ashrk(g, r, 7), r);
	return el_join(g, r, 32);
}

/* A scalar's bytes by shifts, whatever the selectors. */
static val prmt_scalar(struct gen *g, val a, val b, val sel)
{
	val pair = x_or(g, x_shlk(g, gen_cut(g, b, 64), 32), gen_cut(g, a, 64)), r = NULL;

	for (unsigned k = 0; k < 4; k++) {
		val s = x_lshrk(g, sel, 4 * k), at = gen_cut(g, x_shlk(g, x_andk(g, s, 7), 3), 64);
		val byte = gen_cut(g, x_lshr(g, pair, at), 8);

		byte = x_sel(g, x_ne(g, x_andk(g, s, 8), x_k(g, s, 0)), x_ashrk(g, byte, 7), byte);
		byte = x_shlk(g, gen_cut(g, byte, 32), 8 * k);
		r = r ? x_or(g, r, byte) : byte;
	}
	return r;
}

static const char *const shuffle_name[SD_ISA_COUNT] = {
	"llvm.x86.ssse3.pshuf.b.128", "llvm.x86.avx2.pshuf.b", "llvm.x86.avx512.pshuf.b.512" };

static val shuffle_bytes(struct gen *g, val v, val idx)
{
	val args[] = { v, idx };

	return gen_intrinsic(g, shuffle_name[g->isa], NULL, 0, args, 2);
}

/* Unknown selectors of a group: each nibble to its byte, with the lane's place in its 128 bits; then bytes are looked up. */
static val prmt_vector(struct gen *g, val a, val b, val sel)
{
	unsigned lanes = gen_lanes(a);
	val place[32], s, idx, r, from_b, spread;

	for (unsigned k = 0; k < lanes; k++)
		place[k] = LLVMConstInt(g->i32, 0x04040404u * (k % 4), 0);
	sel = x_andk(g, sel, 0xffff);
	s = x_andk(g, x_or(g, sel, x_shlk(g, sel, 8)), 0x00ff00ff);
	s = x_andk(g, x_or(g, s, x_shlk(g, s, 4)), 0x0f0f0f0f);
	idx = el_split(g, x_add(g, x_andk(g, s, 0x03030303), LLVMConstVector(place, lanes)), 8);
	s = el_split(g, s, 8);
	from_b = x_slt(g, x_shlk(g, s, 5), x_k(g, s, 0));
	spread = x_slt(g, x_shlk(g, s, 4), x_k(g, s, 0));
	r = x_sel(g, from_b, shuffle_bytes(g, el_split(g, b, 8), idx), shuffle_bytes(g, el_split(g, a, 8), idx));
	r = x_sel(g, spread, x_ashrk(g, r, 7), r);
	return el_join(g, r, 32);
}

static val prmt(struct gen *g, val a, val b, val sel)
{
	uint64_t k;

	if (gen_lanes(a) == 1)
		return prmt_scalar(g, a, b, sel);
	return el_const(sel, &k) ? prmt_known(g, a, b, (uint32_t)k) : prmt_vector(g, a, b, sel);
}

static const uint16_t mode_sel[6][4] = {
	{ 0x3210, 0x4321, 0x5432, 0x6543 }, /* f4e */
	{ 0x5670, 0x6701, 0x7012, 0x0123 }, /* b4e */
	{ 0x0000, 0x1111, 0x2222, 0x3333 }, /* rc8 */
	{ 0x3210, 0x3211, 0x3222, 0x3333 }, /* ecl */
	{ 0x0000, 0x1110, 0x2210, 0x3210 }, /* ecr */
	{ 0x1010, 0x3232, 0x1010, 0x3232 }, /* rc16 */
};

static void emit_prmt(struct gen *g, struct gen_elem *e)
{
	val a = el_src(g, e, 0, 32), b = el_src(g, e, 1, 32), sel = el_src(g, e, 2, 32);
	uint64_t k;

	if (e->i->mode != IR_MODE_NONE) {
		const uint16_t *t = mode_sel[e->i->mode - IR_MODE_F4E];

		if (el_const(sel, &k)) {
			sel = x_k(g, sel, t[k & 3]);
		} else {
			val odd = x_ne(g, x_andk(g, sel, 1), x_k(g, sel, 0)), high = x_ne(g, x_andk(g, sel, 2), x_k(g, sel, 0));

			sel = x_sel(g, high, x_sel(g, odd, x_k(g, sel, t[3]), x_k(g, sel, t[2])),
				    x_sel(g, odd, x_k(g, sel, t[1]), x_k(g, sel, t[0])));
		}
	}
	e->dst[0] = prmt(g, a, b, sel);
}

/* ---- the others ---- */

static void emit_selp(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);

	e->dst[0] = x_sel(g, e->src[2], el_src(g, e, 0, bits), el_src(g, e, 1, bits));
}

static void emit_slct(struct gen *g, struct gen_elem *e)
{
	unsigned bits = el_bits(e);
	val c, first;

	if (e->i->stype == IR_T_F32) {
		c = el_f32_in(g, e, 2, e->i->flags & IR_F_FTZ);
		first = x_fge(g, c, g->ftz ? el_opaque(g, el_fk(g, c, 0.0)) : el_fk(g, c, 0.0));
	} else {
		c = el_src(g, e, 2, 32);
		first = x_sgt(g, c, x_k(g, c, UINT64_MAX));
	}
	e->dst[0] = x_sel(g, first, el_src(g, e, 0, bits), el_src(g, e, 1, bits));
}

static void emit_mov(struct gen *g, struct gen_elem *e)
{
	e->dst[0] = el_src(g, e, 0, el_bits(e));
}

elem_fn elem_select_pick(const struct gen *g, const struct ir_insn *i)
{
	unsigned bits = ir_type_bits((enum ir_type)i->type);
	bool sized = bits == 16 || bits == 32 || bits == 64;

	switch (i->op) {
	case IR_OP_prmt:
		return !i->flags && i->type == IR_T_B32 && (i->mode == IR_MODE_NONE ||
		       (i->mode >= IR_MODE_F4E && i->mode <= IR_MODE_RC16)) ? emit_prmt : NULL;
	case IR_OP_selp:
		return !i->flags && sized ? emit_selp : NULL;
	case IR_OP_slct:
		return sized && ((i->stype == IR_T_S32 && !i->flags) || (i->stype == IR_T_F32 && el_only(i, IR_F_FTZ))) ?
		       emit_slct : NULL;
	case IR_OP_mov:
		if (i->flags || i->n_src != 1 || i->n_dst != 1 || i->src[0].kind == IR_OPND_VEC || i->dst[0].kind == IR_OPND_VEC)
			return NULL;
		return sized || bits == 8 || i->type == IR_T_PRED ? emit_mov : NULL;
	default:
		return NULL;
	}
}
