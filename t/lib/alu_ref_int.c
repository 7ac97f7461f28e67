/*
 * alu_ref_int.c: integer instructions as the PTX manual defines them, with
 * 128-bit arithmetic and bit loops: slow and plain, unlike the backends.
 */
#include <string.h>

#include "t/lib/alu_ref.h"

typedef __int128 i128;
typedef unsigned __int128 u128;

static bool is_signed(uint8_t t)
{
	return ir_type_class(t) == IR_TC_SINT;
}

static u128 pow2(unsigned n)
{
	return (u128)1 << n;
}

/* The mathematical value of the low bits of v as type t. */
static i128 value(uint64_t v, unsigned bits, bool sign)
{
	u128 u = (u128)v & (pow2(bits) - 1);

	return sign && (u >> (bits - 1) & 1) ? (i128)u - (i128)pow2(bits) : (i128)u;
}

static uint64_t wrap(i128 v, unsigned bits)
{
	return (uint64_t)((u128)v & (pow2(bits) - 1));
}

static i128 clamp(i128 v, i128 lo, i128 hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

static i128 clamp_s32(i128 v)
{
	return clamp(v, -(i128)pow2(31), (i128)pow2(31) - 1);
}

/* floor division by a power of two: what taking upper bits of a two's complement number is */
static i128 upper(i128 v, unsigned n)
{
	i128 q = v / (i128)pow2(n);

	return v % (i128)pow2(n) < 0 ? q - 1 : q;
}

static bool ref_mul(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	unsigned bits = ir_type_bits(i->type), from = bits;
	bool sign = is_signed(i->type), add = i->op == IR_OP_mad || i->op == IR_OP_mad24;
	bool is24 = i->op == IR_OP_mul24 || i->op == IR_OP_mad24;
	i128 a, b, c, p;

	if (is24)
		from = 24;
	a = value(s[0], from, sign);
	b = value(s[1], from, sign);
	/* u64*u64 needs all of u128 */
	p = (i128)((u128)a * (u128)b);
	if (i->mode == IR_MODE_HI)
		p = is24 ? value(wrap(upper(p, 16), 32), 32, sign) :
		    bits == 64 && !sign ? (i128)((u128)p >> 64) : upper(p, bits);
	else if (i->mode == IR_MODE_WIDE)
		bits *= 2;
	c = add ? value(s[2], bits, sign) : 0;
	if (i->flags & IR_F_SAT)
		r->d = wrap(clamp_s32(p + c), 32);
	else
		r->d = wrap((i128)((u128)p + (u128)c), bits);
	return true;
}

static bool ref_carry(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	unsigned bits = ir_type_bits(i->type);
	bool in = i->op == IR_OP_addc || i->op == IR_OP_subc || i->op == IR_OP_madc;
	u128 cf = in ? cc & 1 : 0, a = s[0], b = s[1], sum;
	uint64_t part;

	switch (i->op) {
	case IR_OP_add: case IR_OP_addc:
		sum = a + b + cf;
		r->cc = (uint64_t)(sum >> bits & 1);
		break;
	case IR_OP_sub: case IR_OP_subc:
		/* CF is set where nothing is borrowed */
		cf = in ? 1 - cf : 0;
		sum = a - b - cf;
		r->cc = a >= b + cf;
		break;
	default:
		{
			i128 va = value(s[0], bits, is_signed(i->type)), vb = value(s[1], bits, is_signed(i->type));
			u128 p = (u128)va * (u128)vb;

			part = i->mode == IR_MODE_HI ? wrap((i128)(p >> bits), bits) : wrap((i128)p, bits);
			sum = (u128)part + s[2] + cf;
			r->cc = (uint64_t)(sum >> bits & 1);
		}
	}
	r->d = wrap((i128)sum, bits);
	return true;
}

static bool ref_div(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	unsigned bits = ir_type_bits(f->insn.type);
	bool sign = is_signed(f->insn.type), rem = f->insn.op == IR_OP_rem;
	i128 a = value(s[0], bits, sign), b = value(s[1], bits, sign);

	if (b == 0)
		r->d = wrap(-1, bits);          /* undefined in PTX; the hardware gives all ones for both */
	else
		r->d = wrap(rem ? a % b : a / b, bits);
	return true;
}

static i128 min_or_max(i128 a, i128 b, bool max, bool relu)
{
	i128 v = (a < b) != max ? a : b;

	return relu && v < 0 ? 0 : v;
}

static bool ref_minmax(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	bool max = i->op == IR_OP_max, relu = i->flags & IR_F_RELU, sign = is_signed(i->type) || i->type == IR_T_S16X2;
	unsigned bits = ir_type_bits(i->type);

	if (i->type != IR_T_U16X2 && i->type != IR_T_S16X2) {
		r->d = wrap(min_or_max(value(s[0], bits, sign), value(s[1], bits, sign), max, relu), bits);
		return true;
	}
	for (unsigned h = 0; h < 2; h++)
		r->d |= wrap(min_or_max(value(s[0] >> 16 * h & 0xffff, 16, sign), value(s[1] >> 16 * h & 0xffff, 16, sign),
					max, relu), 16) << 16 * h;
	return true;
}

static bool ref_dot(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	bool sa = is_signed(i->type), sb = is_signed(i->stype), two = i->op == IR_OP_dp2a;
	unsigned n = two ? 2 : 4, abits = two ? 16 : 8, first = two && i->mode == IR_MODE_HI ? 2 : 0;
	i128 sum = value(s[2], 32, sa || sb);

	for (unsigned k = 0; k < n; k++)
		sum += value(s[0] >> abits * k & ((1u << abits) - 1), abits, sa) * value(s[1] >> 8 * (first + k) & 0xff, 8, sb);
	r->d = wrap(sum, 32);
	return true;
}

static bool ref_arith(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	unsigned bits = ir_type_bits(i->type);
	bool sign = is_signed(i->type), sat = i->flags & IR_F_SAT;
	i128 a = value(s[0], bits, sign), b = value(s[1], bits, sign), v;

	if (i->type == IR_T_U16X2 || i->type == IR_T_S16X2) {
		r->d = wrap((s[0] & 0xffff) + (s[1] & 0xffff), 16) | wrap((s[0] >> 16) + (s[1] >> 16), 16) << 16;
		return i->op == IR_OP_add;
	}
	switch (i->op) {
	case IR_OP_add: v = a + b; break;
	case IR_OP_sub: v = a - b; break;
	case IR_OP_neg: v = -a; break;
	case IR_OP_abs: v = a < 0 ? -a : a; break;
	case IR_OP_sad: v = value(s[2], bits, sign) + (a < b ? b - a : a - b); break;
	default: return false;
	}
	r->d = wrap(sat ? clamp_s32(v) : v, bits);
	return true;
}

/* ---- bits ---- */

static uint64_t bit(uint64_t v, int n)
{
	return v >> n & 1;
}

static bool ref_logic(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	unsigned bits = ir_type_bits(f->insn.type);

	for (unsigned k = 0; k < bits; k++) {
		unsigned a = bit(s[0], k), b = bit(s[1], k), v;

		switch (f->insn.op) {
		case IR_OP_and: v = a && b; break;
		case IR_OP_or: v = a || b; break;
		case IR_OP_xor: v = a != b; break;
		case IR_OP_not: v = !a; break;
		default: v = s[0] == 0 && k == 0; break;
		}
		r->d |= (uint64_t)v << k;
	}
	return true;
}

static bool ref_shift(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	unsigned bits = ir_type_bits(f->insn.type);
	uint32_t n = (uint32_t)s[1];
	bool sign = is_signed(f->insn.type);

	if (n > bits)
		n = bits;
	for (unsigned k = 0; k < bits; k++) {
		uint64_t v;

		if (f->insn.op == IR_OP_shl)
			v = k >= n ? bit(s[0], k - n) : 0;
		else
			v = k + n < bits ? bit(s[0], k + n) : sign ? bit(s[0], bits - 1) : 0;
		r->d |= v << k;
	}
	return true;
}

static bool ref_shf(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	uint32_t c = (uint32_t)s[2], n = f->insn.flags & IR_F_WRAP ? c & 31 : c < 32 ? c : 32;

	/* u32: shf.l: [b:a] << n, upper half; shf.r: [b:a] >> n, lower half */
	for (unsigned k = 0; k < 32; k++) {
		unsigned from = f->insn.mode == IR_MODE_L ? k + 32 - n : k + n;

		r->d |= (from < 32 ? bit(s[0], from) : bit(s[1], from - 32)) << k;
	}
	return true;
}

static bool ref_find(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	int bits = (int)ir_type_bits(i->type), msb = bits - 1, k;
	uint64_t a = s[0], n = 0;

	switch (i->op) {
	case IR_OP_popc:
		for (k = 0; k < bits; k++)
			n += bit(a, k);
		break;
	case IR_OP_clz:
		for (k = msb; k >= 0 && !bit(a, k); k--)
			n++;
		break;
	case IR_OP_brev:
		for (k = 0; k < bits; k++)
			n |= bit(a, k) << (msb - k);
		break;
	default:
		if (is_signed(i->type) && bit(a, msb))
			a = ~a;
		n = UINT32_MAX;
		for (k = msb; k >= 0; k--)
			if (bit(a, k)) {
				n = (uint64_t)k;
				break;
			}
		if ((i->flags & IR_F_SHIFTAMT) && n != UINT32_MAX)
			n = (uint64_t)msb - n;
	}
	r->d = n;
	return true;
}

static bool ref_fns(const uint64_t *s, struct alu_result *r)
{
	uint32_t mask = (uint32_t)s[0], base = (uint32_t)s[1];
	int64_t offset = (int32_t)s[2];

	if (offset == INT32_MIN) {
		r->d = 0;               /* as seen on hardware */
		return true;
	}
	r->d = UINT32_MAX;
	if (base > 31)
		return true;
	if (offset == 0) {
		if (bit(mask, (int)base))
			r->d = base;
		return true;
	}
	for (int64_t pos = base, count = (offset < 0 ? -offset : offset) - 1, inc = offset > 0 ? 1 : -1; pos >= 0 && pos < 32; pos += inc) {
		if (!bit(mask, (int)pos))
			continue;
		if (count-- == 0) {
			r->d = (uint64_t)pos;
			break;
		}
	}
	return true;
}

static bool ref_field(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	unsigned msb = ir_type_bits(i->type) - 1;
	bool insert = i->op == IR_OP_bfi;
	uint64_t p = s[insert ? 2 : 1], n = s[insert ? 3 : 2], sbit;
	unsigned pos = p & 0xff, len = n & 0xff;

	/* above 255, which PTX leaves open, the hardware's 64-bit forms clamp */
	if (msb == 63) {
		pos = p > 255 ? 255 : (unsigned)p;
		len = n > 255 ? 255 : (unsigned)n;
	}

	if (insert) {
		r->d = s[1];
		for (unsigned k = 0; k < len && pos + k <= msb; k++)
			r->d = (r->d & ~(UINT64_C(1) << (pos + k))) | bit(s[0], (int)k) << (pos + k);
		return true;
	}
	if (!is_signed(i->type) || len == 0)
		sbit = 0;
	else
		sbit = bit(s[0], (int)(pos + len - 1 < msb ? pos + len - 1 : msb));
	for (unsigned k = 0; k <= msb; k++)
		r->d |= (k < len && pos + k <= msb ? bit(s[0], (int)(pos + k)) : sbit) << k;
	return true;
}

static bool ref_mask(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	bool wraps = i->flags & IR_F_WRAP;
	uint32_t a = (uint32_t)s[0], b = (uint32_t)s[1];

	if (i->op == IR_OP_bmsk) {
		uint64_t a1 = wraps ? a & 31 : a, b1 = wraps ? b & 31 : b;

		for (unsigned k = 0; k < 32; k++)
			r->d |= (uint64_t)(k >= a1 && k < a1 + b1) << k;
		return true;
	}
	{
		uint32_t n = wraps || b < 32 ? b & 31 : 32;
		bool sign = i->type == IR_T_S32 && n > 0 && n < 32 && bit(a, (int)n - 1);

		for (unsigned k = 0; k < 32; k++)
			r->d |= (k < n ? bit(a, (int)k) : (uint64_t)sign) << k;
	}
	return true;
}

static bool ref_lop3(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	for (unsigned k = 0; k < 32; k++) {
		unsigned row = (unsigned)(bit(s[0], k) << 2 | bit(s[1], k) << 1 | bit(s[2], k));

		r->d |= (uint64_t)(f->lut >> row & 1) << k;
	}
	if (f->insn.boolop)
		r->d2 = f->insn.boolop == IR_BOOL_AND ? r->d != 0 && s[4] : r->d != 0 || s[4];
	return true;
}

static bool ref_prmt(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	uint8_t from[8];
	unsigned n = s[2] & 3;

	for (unsigned k = 0; k < 8; k++)
		from[k] = (uint8_t)(k < 4 ? s[0] >> 8 * k : s[1] >> 8 * (k - 4));
	for (unsigned k = 0; k < 4; k++) {
		uint8_t v;

		switch (f->insn.mode) {
		case IR_MODE_F4E: v = from[(n + k) & 7]; break;
		case IR_MODE_B4E: v = from[(n - k) & 7]; break;
		case IR_MODE_RC8: v = from[n]; break;
		case IR_MODE_ECL: v = from[k > n ? k : n]; break;
		case IR_MODE_ECR: v = from[k < n ? k : n]; break;
		case IR_MODE_RC16: v = from[(n & 1) * 2 + (k & 1)]; break;
		default:
			v = from[s[2] >> 4 * k & 7];
			if (s[2] >> (4 * k + 3) & 1)
				v = v & 0x80 ? 0xff : 0;
		}
		r->d |= (uint64_t)v << 8 * k;
	}
	return true;
}

static bool ref_select(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	uint32_t c = (uint32_t)s[2];
	bool first;

	if (f->insn.op == IR_OP_selp)
		first = s[2];
	else if (f->insn.stype == IR_T_S32)
		first = !(c >> 31);
	else if ((c & 0x7fffffffu) > 0x7f800000u)
		first = false;
	else
		first = !(c >> 31) || c == 0x80000000u || ((f->insn.flags & IR_F_FTZ) && !(c & 0x7f800000u));
	r->d = first ? s[0] : s[1];
	return true;
}

bool alu_ref_int(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;

	if ((i->flags & IR_F_CC) || i->op == IR_OP_addc || i->op == IR_OP_subc || i->op == IR_OP_madc)
		return ref_carry(f, s, cc, r);
	switch (i->op) {
	case IR_OP_mul: case IR_OP_mad: case IR_OP_mul24: case IR_OP_mad24: return ref_mul(f, s, r);
	case IR_OP_div: case IR_OP_rem: return ref_div(f, s, r);
	case IR_OP_min: case IR_OP_max: return ref_minmax(f, s, r);
	case IR_OP_dp4a: case IR_OP_dp2a: return ref_dot(f, s, r);
	case IR_OP_and: case IR_OP_or: case IR_OP_xor: case IR_OP_not: case IR_OP_cnot: return ref_logic(f, s, r);
	case IR_OP_shl: case IR_OP_shr: return ref_shift(f, s, r);
	case IR_OP_shf: return ref_shf(f, s, r);
	case IR_OP_popc: case IR_OP_clz: case IR_OP_brev: case IR_OP_bfind: return ref_find(f, s, r);
	case IR_OP_fns: return ref_fns(s, r);
	case IR_OP_bfe: case IR_OP_bfi: return ref_field(f, s, r);
	case IR_OP_bmsk: case IR_OP_szext: return ref_mask(f, s, r);
	case IR_OP_lop3: return ref_lop3(f, s, r);
	case IR_OP_prmt: return ref_prmt(f, s, r);
	case IR_OP_selp: case IR_OP_slct: return ref_select(f, s, r);
	default: return ref_arith(f, s, r);
	}
}
