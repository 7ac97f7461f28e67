/*
 * alu_cvt_packed.c: cvt to and from packed and narrow formats: f16x2, bf16x2,
 * tf32, the 8-, 6- and 4-bit floats, ue8m0, and cvt.pack. Of two sources the
 * first becomes the upper element.
 */
#include "backend/interp/alu_half.h"
#include "backend/interp/alu_small.h"

static struct fp_rule rule_of(const struct ir_insn *i)
{
	return (struct fp_rule){
		.round = i->round, .satfinite = i->flags & IR_F_SATFINITE, .relu = i->flags & IR_F_RELU,
	};
}

/* Bits of one element in the packed register. */
static unsigned element_bits(unsigned t)
{
	return t == IR_T_E2M1X2 ? 4 : ALU_NAME(alu_type_bits)(t) / 2;
}

static bool is_narrow_pair(unsigned t)
{
	return t == IR_T_E4M3X2 || t == IR_T_E5M2X2 || t == IR_T_E2M3X2 || t == IR_T_E3M2X2 || t == IR_T_E2M1X2;
}

static bool is_half_pair(unsigned t)
{
	return t == IR_T_F16X2 || t == IR_T_BF16X2;
}

/* two f32 */
ALU_FN(f16x2_of_f32, f16_of_f32(f32_of(ALU_A)) << 16 | f16_of_f32(f32_of(ALU_B)))
ALU_FN(bf16x2_of_f32, bf16_of_f32(f32_of(ALU_A)) << 16 | bf16_of_f32(f32_of(ALU_B)))

static void pair_of_f32(const struct alu_args *x)
{
	const struct fp_format *f = ALU_NAME(fp_format_of)(x->insn->type), *f32 = &ALU_NAME(fp_f32);
	const unsigned up = element_bits(x->insn->type);
	const struct fp_rule r = rule_of(x->insn);

	ALU_LANES(x, x->d[l] = ALU_NAME(fp_pack)(ALU_NAME(fp_unpack)((uint32_t)x->a[l], f32), f, &r) << up |
		ALU_NAME(fp_pack)(ALU_NAME(fp_unpack)((uint32_t)x->b[l], f32), f, &r));
}

/* one pair to another */
static void pair_of_pair(const struct alu_args *x)
{
	const struct fp_format *from = ALU_NAME(fp_format_of)(x->insn->stype), *to = ALU_NAME(fp_format_of)(x->insn->type);
	const unsigned in = element_bits(x->insn->stype), up = element_bits(x->insn->type);
	const uint64_t mask = (UINT64_C(1) << in) - 1;
	const struct fp_rule r = rule_of(x->insn);

	ALU_LANES(x, x->d[l] = ALU_NAME(fp_pack)(ALU_NAME(fp_unpack)(x->a[l] >> in & mask, from), to, &r) << up |
		ALU_NAME(fp_pack)(ALU_NAME(fp_unpack)(x->a[l] & mask, from), to, &r));
}

/* tf32; .rna cuts a NaN short as the hardware does, which can leave an infinity */
static inline uint32_t tf32_rna(uint32_t u)
{
	return ((u & 0x7f800000u) == 0x7f800000u ? u : u + 0x1000u) & ~0x1fffu;
}

ALU_FN(tf32_rna_row, tf32_rna((uint32_t)ALU_A))

static void tf32_any(const struct alu_args *x)
{
	const struct fp_rule r = rule_of(x->insn);

	ALU_LANES(x, x->d[l] = ALU_NAME(fp_pack)(ALU_NAME(fp_unpack)((uint32_t)x->a[l], &ALU_NAME(fp_f32)),
						&ALU_NAME(fp_tf32), &r));
}

/*
 * ue8m0: the exponent of the magnitude, 255 for NaN. Rounded up, a mantissa
 * counts from 2^-127 on, which is encoding 0 as zero is.
 */
static inline uint32_t ue8m0_of_f32(uint32_t u, bool up, bool satfinite)
{
	const uint32_t mag = u & 0x7fffffffu, e = mag >> 23;

	if (mag > 0x7f800000u)
		return 0xff;
	if (mag == 0x7f800000u)
		return satfinite ? 0xfe : 0xff;
	if (up && (mag & 0x7fffffu) && mag > 0x400000u)
		return e + 1 == 0xff && satfinite ? 0xfe : e + 1;
	return e;
}

static void ue8m0_of_two_f32(const struct alu_args *x)
{
	const bool up = x->insn->round == IR_RND_RP, fin = x->insn->flags & IR_F_SATFINITE;

	ALU_LANES(x, x->d[l] = ue8m0_of_f32((uint32_t)x->a[l], up, fin) << 8 | ue8m0_of_f32((uint32_t)x->b[l], up, fin));
}

static void ue8m0_of_bf16x2(const struct alu_args *x)
{
	const bool up = x->insn->round == IR_RND_RP, fin = x->insn->flags & IR_F_SATFINITE;

	ALU_LANES(x, x->d[l] = ue8m0_of_f32((uint32_t)x->a[l] & 0xffff0000u, up, fin) << 8 |
		ue8m0_of_f32((uint32_t)x->a[l] << 16, up, fin));
}

static inline uint32_t bf16_of_ue8m0(uint32_t v)
{
	return v == 0xff ? BF16_NAN : v ? v << 7 : 0x40;
}

ALU_FN(bf16x2_of_ue8m0, bf16_of_ue8m0((uint32_t)ALU_A >> 8 & 0xff) << 16 | bf16_of_ue8m0((uint32_t)ALU_A & 0xff))

/* cvt.pack: two s32 saturated into the low places, the rest of c above them */
static void pack_sat(const struct alu_args *x)
{
	const struct ir_insn *i = x->insn;
	const unsigned bits = ALU_NAME(alu_type_bits)(i->type);
	const bool sign = ALU_NAME(alu_type_class)(i->type) == IR_TC_SINT;
	const int64_t max = (INT64_C(1) << (bits - sign)) - 1, min = sign ? -max - 1 : 0;
	const uint64_t keep = (UINT64_C(1) << bits) - 1;
	const bool has_c = i->n_src == 3;

	ALU_LANES(x, int64_t a = (int32_t)x->a[l]; int64_t b = (int32_t)x->b[l];
		a = a > max ? max : a < min ? min : a;
		b = b > max ? max : b < min ? min : b;
		x->d[l] = (uint32_t)((has_c ? x->c[l] << (2 * bits) : 0) | ((uint64_t)a & keep) << bits | ((uint64_t)b & keep)));
}

static alu_fn select_pack(const struct ir_insn *i)
{
	unsigned bits = ALU_NAME(alu_type_bits)(i->type), want = bits == 16 ? 2 : 3;

	if (i->stype != IR_T_S32 || i->flags != IR_F_SAT || i->n_src != want || bits < 2 || bits > 16)
		return NULL;
	return pack_sat;
}

static alu_fn select_from_f32(const struct ir_insn *i)
{
	bool plain = i->round == IR_RND_RN && !i->flags;

	if (i->type == IR_T_TF32) {
		if (i->n_src != 1 || (i->round != IR_RND_RN && i->round != IR_RND_RZ && i->round != IR_RND_RNA))
			return NULL;
		return i->round == IR_RND_RNA && !i->flags ? tf32_rna_row : tf32_any;
	}
	if (i->n_src != 2)
		return NULL;
	if (i->type == IR_T_UE8M0X2)
		return (i->round == IR_RND_RZ || i->round == IR_RND_RP) && alu_only_flags(i, IR_F_SATFINITE) ?
		       ue8m0_of_two_f32 : NULL;
	if (is_half_pair(i->type)) {
		if (i->round != IR_RND_RN && i->round != IR_RND_RZ)
			return NULL;
		return !plain ? pair_of_f32 : i->type == IR_T_F16X2 ? f16x2_of_f32 : bf16x2_of_f32;
	}
	return is_narrow_pair(i->type) && i->round == IR_RND_RN && (i->flags & IR_F_SATFINITE) ? pair_of_f32 : NULL;
}

alu_fn ALU_NAME(alu_select_cvt_packed)(const struct ir_insn *i)
{
	if (i->op != IR_OP_cvt)
		return NULL;
	if (i->mode == IR_MODE_PACK)
		return select_pack(i);
	if (i->mode != IR_MODE_NONE || !alu_only_flags(i, IR_F_SATFINITE | IR_F_RELU))
		return NULL;
	if (i->stype == IR_T_F32)
		return select_from_f32(i);
	if (i->n_src != 1)
		return NULL;
	if (i->type == IR_T_UE8M0X2)
		return i->stype == IR_T_BF16X2 && (i->round == IR_RND_RZ || i->round == IR_RND_RP) &&
		       alu_only_flags(i, IR_F_SATFINITE) ? ue8m0_of_bf16x2 : NULL;
	if (i->stype == IR_T_UE8M0X2)
		return i->type == IR_T_BF16X2 && i->round == IR_RND_RN && !i->flags ? bf16x2_of_ue8m0 : NULL;
	if (i->round != IR_RND_RN)
		return NULL;
	if (is_narrow_pair(i->type) && is_half_pair(i->stype))
		return i->flags & IR_F_SATFINITE ? pair_of_pair : NULL;
	return is_half_pair(i->type) && is_narrow_pair(i->stype) ? pair_of_pair : NULL;
}
