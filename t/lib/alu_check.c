/* alu_check.c: runs alu_select()'s handlers, of both levels, against a reference (alu_ref.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/alu_impl.h"
#include "t/lib/alu_ref.h"
#include "t/lib/tap.h"

struct check {
	alu_ref_fn ref;
	size_t tuples;
};

static uint64_t cut(uint64_t v, uint8_t type)
{
	unsigned bits = ir_type_bits(type);

	return bits && bits < 64 ? v & ((UINT64_C(1) << bits) - 1) : v;
}

/* Rows with rubbish above the type's width: handlers must not look there. */
static void load_rows(uint64_t rows[6][WARP], const struct alu_form *f, const struct alu_tuples *t, size_t at, bool dirty)
{
	for (unsigned k = 0; k < f->n_src; k++)
		for (unsigned l = 0; l < WARP; l++) {
			uint64_t v = t->src[k][at + l];

			if (dirty && f->src_type[k] != IR_T_PRED)
				v |= ~cut(UINT64_MAX, f->src_type[k]) & UINT64_C(0xdeadbeefcafef00d);
			rows[k][l] = v;
		}
}

#define UNTOUCHED UINT64_C(0x5a5a5a5a5a5a5a5a)

/* Compares one warp; prints and counts the first differences. */
static unsigned compare_warp(const struct alu_form *f, const struct alu_tuples *t, size_t at, uint32_t mask,
			     const uint64_t *d, const uint64_t *d2, const uint64_t *cc, alu_ref_fn ref, unsigned bad, bool *known)
{
	for (unsigned l = 0; l < WARP && bad < 4; l++) {
		uint64_t s[6] = { 0 };
		struct alu_result r = { 0 };
		bool two = f->n_dst > 1, carry = f->insn.flags & IR_F_CC;

		if (!(mask >> l & 1)) {
			if (d[l] != UNTOUCHED)
				diag("%s: writes inactive lane %u", f->spelling, l), bad++;
			continue;
		}
		for (unsigned k = 0; k < f->n_src; k++)
			s[k] = cut(t->src[k][at + l], f->src_type[k]);
		if (!ref(f, s, l & 1, &r)) {
			*known = false;
			return 0;
		}
		if (d[l] == r.d && (!two || d2[l] == r.d2) && (!carry || cc[l] == r.cc))
			continue;
		diag("%s: a=%#llx b=%#llx c=%#llx e=%#llx: got %#llx %#llx cc %llu, want %#llx %#llx cc %llu", f->spelling,
		     (unsigned long long)s[0], (unsigned long long)s[1], (unsigned long long)s[2], (unsigned long long)s[3],
		     (unsigned long long)d[l], (unsigned long long)(two ? d2[l] : 0), (unsigned long long)cc[l],
		     (unsigned long long)r.d, (unsigned long long)r.d2, (unsigned long long)r.cc);
		bad++;
	}
	return bad;
}

static unsigned check_level(const struct alu_form *f, const struct alu_tuples *t, alu_fn fn, alu_ref_fn ref, bool *known)
{
	uint64_t rows[6][WARP], d[WARP], d2[WARP], cc[WARP];
	unsigned bad = 0, lut_at = f->n_src == 5 ? 4 : 3;

	for (size_t at = 0, n = 0; at < t->n && bad < 4 && *known; at += WARP, n++) {
		uint32_t mask = n % 5 == 3 ? 0x5a3c00ffu : FULL_MASK;
		struct alu_args x = { .d = d, .d2 = f->n_dst > 1 ? d2 : NULL, .a = rows[0], .b = rows[1], .c = rows[2],
				      .e = rows[lut_at], .cc = cc, .mask = mask, .insn = &f->insn };

		memset(rows, 0, sizeof(rows));
		load_rows(rows, f, t, at, n & 1);
		for (unsigned l = 0; l < WARP; l++) {
			d[l] = d2[l] = UNTOUCHED;
			cc[l] = l & 1;
		}
		if (n % 7 == 5 && mask == FULL_MASK && f->n_dst == 1) {
			/* the result over its own operand */
			x.d = rows[0];
			fn(&x);
			memcpy(d, rows[0], sizeof(d));
		} else {
			fn(&x);
		}
		bad = compare_warp(f, t, at, mask, d, d2, cc, ref, bad, known);
	}
	return bad;
}

static void check_form(const struct alu_form *f, void *ctx)
{
	const struct check *c = ctx;
	alu_fn fn[2] = { alu_select_base(&f->insn), alu_cpu_has_avx2() ? alu_select_avx2(&f->insn) : NULL };
	static const char *const level[2] = { "any x86-64", "avx2" };
	struct alu_tuples t;

	if (!fn[0]) {
		ok(0, "%s is implemented", f->spelling);
		return;
	}
	alu_tuples_make(&t, f, c->tuples);
	for (unsigned k = 0; k < 2; k++) {
		bool known = true;
		unsigned bad;

		if (!fn[k])
			continue;
		bad = check_level(f, &t, fn[k], c->ref, &known);
		ok(!bad && known, "%s (%s)%s", f->spelling, level[k], known ? "" : ": no reference");
	}
	alu_tuples_free(&t);
}

void alu_check_group(enum alu_group g, alu_ref_fn ref, size_t tuples)
{
	struct check c = { ref, tuples };

	alu_forms_each(g, check_form, &c);
}
