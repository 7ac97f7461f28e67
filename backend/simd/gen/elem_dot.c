/*
 * elem_dot.c: dp4a and dp2a: sums of products of bytes (and halves), added to
 * a 32-bit accumulator that wraps. VNNI multiplies unsigned by signed bytes;
 * what is signed and unsigned otherwise is moved by 128 and corrected.
 */
#include "backend/simd/gen/elem.h"

static bool has_vnni(const struct gen *g, unsigned lanes)
{
	return g->isa == SD_ISA_AVX512 && lanes == 16 && el_feature(g, "+avx512vnni");
}

/* acc + the products of unsigned bytes u and signed bytes s */
static val dpbusd(struct gen *g, val acc, val u, val s)
{
	val args[] = { acc, u, s };

	return gen_intrinsic(g, "llvm.x86.avx512.vpdpbusd.512", NULL, 0, args, 3);
}

static val dp4a_vnni(struct gen *g, val a, val b, val c, bool sa, bool sb)
{
	val zero = x_k(g, c, 0);

	if (sa != sb)
		return sa ? dpbusd(g, c, b, a) : dpbusd(g, c, a, b);
	if (sa)
		return x_sub(g, dpbusd(g, c, x_xork(g, a, 0x80808080u), b), dpbusd(g, zero, x_k(g, a, 0x80808080u), b));
	return x_add(g, dpbusd(g, c, a, x_xork(g, b, 0x80808080u)), x_shlk(g, dpbusd(g, zero, a, x_k(g, a, 0x01010101)), 7));
}

static const char *const madd_name[SD_ISA_COUNT] = {
	"llvm.x86.sse2.pmadd.wd", "llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512" };

/* Sums of the products of signed 16-bit neighbours. */
static val madd(struct gen *g, val a, val b)
{
	val args[] = { a, b };

	return gen_intrinsic(g, madd_name[g->isa], NULL, 0, args, 2);
}

/* Bytes 0 and 2, or 1 and 3, of 32 bits as two 16-bit numbers. */
static val bytes16(struct gen *g, val v, bool odd, bool sign)
{
	val h = el_split(g, v, 16);

	if (!odd)
		return sign ? x_ashrk(g, x_shlk(g, h, 8), 8) : x_andk(g, h, 0xff);
	return sign ? x_ashrk(g, h, 8) : x_lshrk(g, h, 8);
}

/* Field k, of so many bits, as 32. */
static val field(struct gen *g, val v, unsigned k, unsigned bits, bool sign)
{
	v = x_shlk(g, v, 32 - bits * (k + 1));
	return sign ? x_ashrk(g, v, 32 - bits) : x_lshrk(g, v, 32 - bits);
}

static void emit_dp4a(struct gen *g, struct gen_elem *e)
{
	bool sa = e->i->type == IR_T_S32, sb = e->i->stype == IR_T_S32;
	val a = el_src(g, e, 0, 32), b = el_src(g, e, 1, 32), c = el_src(g, e, 2, 32);
	unsigned lanes = gen_lanes(a);

	if (has_vnni(g, lanes)) {
		e->dst[0] = dp4a_vnni(g, a, b, c, sa, sb);
		return;
	}
	if (lanes == g->G && lanes > 1) {
		val even = madd(g, bytes16(g, a, false, sa), bytes16(g, b, false, sb));
		val odd = madd(g, bytes16(g, a, true, sa), bytes16(g, b, true, sb));

		e->dst[0] = x_add(g, c, x_add(g, even, odd));
		return;
	}
	for (unsigned k = 0; k < 4; k++)
		c = x_add(g, c, x_mul(g, field(g, a, k, 8, sa), field(g, b, k, 8, sb)));
	e->dst[0] = c;
}

static void emit_dp2a(struct gen *g, struct gen_elem *e)
{
	bool sa = e->i->type == IR_T_S32, sb = e->i->stype == IR_T_S32;
	unsigned first = e->i->mode == IR_MODE_HI ? 2 : 0;
	val a = el_src(g, e, 0, 32), b = el_src(g, e, 1, 32), c = el_src(g, e, 2, 32);

	for (unsigned k = 0; k < 2; k++)
		c = x_add(g, c, x_mul(g, field(g, a, k, 16, sa), field(g, b, first + k, 8, sb)));
	e->dst[0] = c;
}

elem_fn elem_select_dot(const struct gen *g, const struct ir_insn *i)
{
	if ((i->type != IR_T_S32 && i->type != IR_T_U32) || (i->stype != IR_T_S32 && i->stype != IR_T_U32) || i->flags)
		return NULL;
	if (i->op == IR_OP_dp4a)
		return emit_dp4a;
	return i->op == IR_OP_dp2a && (i->mode == IR_MODE_LO || i->mode == IR_MODE_HI) ? emit_dp2a : NULL;
}
