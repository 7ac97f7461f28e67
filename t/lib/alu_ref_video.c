/* alu_ref_video.c: video instructions after the manual's pseudo-code, by operands' text selectors. */
#include <string.h>

#include "t/lib/alu_ref.h"

/* Bits and place of ".b2", ".h1", "". */
static int64_t pick(uint32_t v, const char *sel, bool sign)
{
	unsigned bits = *sel ? (sel[1] == 'h' ? 16 : 8) : 32, at = *sel ? bits * (unsigned)(sel[2] - '0') : 0;
	int64_t r = (int64_t)((uint64_t)v >> at & ((UINT64_C(1) << bits) - 1));

	return sign && r >> (bits - 1) & 1 ? r - (INT64_C(1) << bits) : r;
}

static __int128 limit(__int128 v, unsigned bits, bool sign)
{
	__int128 hi = sign ? ((__int128)1 << (bits - 1)) - 1 : ((__int128)1 << bits) - 1, lo = sign ? -hi - 1 : 0;

	return v > hi ? hi : v < lo ? lo : v;
}

static __int128 apply(const struct ir_insn *i, __int128 a, __int128 b)
{
	const char *name = ptx_op_name(i->op);

	if (!strncmp(name, "vadd", 4))
		return a + b;
	if (!strncmp(name, "vsub", 4))
		return a - b;
	if (!strncmp(name, "vabsdiff", 8))
		return a > b ? a - b : b - a;
	if (!strncmp(name, "vmin", 4))
		return a > b ? b : a;
	if (!strncmp(name, "vmax", 4))
		return a > b ? a : b;
	if (!strncmp(name, "vavrg", 5)) {
		__int128 t = a + b;

		if (t >= 0)
			t++;
		return t >> 1;
	}
	if (!strncmp(name, "vset", 4)) {
		switch (i->cmp) {
		case IR_CMP_EQ: return a == b;
		case IR_CMP_NE: return a != b;
		case IR_CMP_LT: return a < b;
		case IR_CMP_LE: return a <= b;
		case IR_CMP_GT: return a > b;
		default: return a >= b;
		}
	}
	if (i->flags & IR_F_CLAMP)
		b = b > 32 ? 32 : b;
	else
		b &= 31;
	return i->op == IR_OP_vshl ? a * ((__int128)1 << (int)b) : a >> (int)b;
}

static bool vmad(const struct alu_form *f, const uint64_t *s, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	bool sa = i->stype == IR_T_S32, sb = i->type3 == IR_T_S32, fin = sa || sb;
	__int128 t = (__int128)pick((uint32_t)s[0], f->sel[1], sa) * pick((uint32_t)s[1], f->sel[2], sb);

	t += pick((uint32_t)s[2], "", fin) + !!(i->flags & IR_F_PO);
	t >>= i->mode == IR_MODE_SHR7 ? 7 : i->mode == IR_MODE_SHR15 ? 15 : 0;
	r->d = (uint32_t)(i->flags & IR_F_SAT ? limit(t, 32, fin) : t);
	return true;
}

static bool simd(const struct alu_form *f, const uint64_t *s, unsigned n, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	bool set = i->op == IR_OP_vset2 || i->op == IR_OP_vset4, sd = !set && i->type == IR_T_S32;
	bool sa = (set ? i->type : i->stype) == IR_T_S32, sb = (set ? i->stype : i->type3) == IR_T_S32;
	unsigned bits = 32 / n;
	uint32_t d = (uint32_t)s[2];

	for (unsigned k = 0; k < n; k++) {
		char ae[4] = { '.', n == 2 ? 'h' : 'b', (char)('0' + k), 0 };
		__int128 t;
		bool on = !*f->sel[0] || strchr(f->sel[0] + 2, '0' + (int)k);
		unsigned from_a = *f->sel[1] ? (unsigned)(f->sel[1][n + 1 - k] - '0') : k;
		unsigned from_b = *f->sel[2] ? (unsigned)(f->sel[2][n + 1 - k] - '0') : n + k;
		uint32_t mask = (uint32_t)((UINT64_C(1) << bits) - 1) << bits * k;
		char ea[4] = { '.', ae[1], (char)('0' + from_a % n), 0 }, eb[4] = { '.', ae[1], (char)('0' + from_b % n), 0 };

		t = apply(i, pick((uint32_t)s[from_a / n], ea, sa), pick((uint32_t)s[from_b / n], eb, sb));
		if (i->flags & IR_F_SAT)
			t = limit(t, bits, sd);
		if (!on)
			continue;
		if (i->atom)
			d += (uint32_t)t;
		else
			d = (d & ~mask) | ((uint32_t)t << bits * k & mask);
	}
	r->d = d;
	return true;
}

bool alu_ref_video(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r)
{
	const struct ir_insn *i = &f->insn;
	const char *name = ptx_op_name(i->op);
	bool set = i->op == IR_OP_vset, sd = i->type == IR_T_S32;
	uint32_t c = (uint32_t)s[2], v;
	__int128 t;

	(void)cc;
	if (i->op == IR_OP_vmad)
		return vmad(f, s, r);
	if (name[strlen(name) - 1] == '2' || name[strlen(name) - 1] == '4')
		return simd(f, s, (unsigned)(name[strlen(name) - 1] - '0'), r);
	t = apply(i, pick((uint32_t)s[0], f->sel[1], (set ? i->type : i->stype) == IR_T_S32),
		  pick((uint32_t)s[1], f->sel[2], (set ? i->stype : i->type3) == IR_T_S32));
	if (i->flags & IR_F_SAT)
		t = limit(t, *f->sel[0] ? (f->sel[0][1] == 'h' ? 16 : 8) : 32, sd);
	v = (uint32_t)t;
	switch (i->atom) {
	case IR_ATOM_ADD: r->d = v + c; break;
	case IR_ATOM_MIN: r->d = sd ? ((int32_t)v < (int32_t)c ? v : c) : v < c ? v : c; break;
	case IR_ATOM_MAX: r->d = sd ? ((int32_t)v > (int32_t)c ? v : c) : v > c ? v : c; break;
	default:
		if (*f->sel[0]) {
			unsigned bits = f->sel[0][1] == 'h' ? 16 : 8, at = bits * (unsigned)(f->sel[0][2] - '0');
			uint32_t mask = ((1u << bits) - 1) << at;

			v = (v << at & mask) | (c & ~mask);
		}
		r->d = v;
	}
	r->d = (uint32_t)r->d;
	return true;
}
