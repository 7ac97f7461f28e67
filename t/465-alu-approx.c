/*
 * Approximate functions of the interp backend: special values as PTX's tables
 * have them, errors within PTX's bounds, and the same bits at both levels.
 */
#include <math.h>
#include <string.h>

#include "backend/interp/alu_impl.h"
#include "t/lib/alu_ref.h"
#include "t/lib/tap.h"

static uint64_t cut(uint64_t v, uint8_t type)
{
	unsigned bits = ir_type_bits(type);

	return bits < 64 ? v & ((UINT64_C(1) << bits) - 1) : v;
}

static void row(const struct alu_form *f, const struct alu_tuples *t, size_t at, alu_fn fn, uint64_t *d)
{
	struct alu_args x = { .d = d, .a = t->src[0] + at, .b = t->src[1] + at, .c = t->src[2] + at, .e = t->src[3] + at,
			      .mask = FULL_MASK, .insn = &f->insn };

	fn(&x);
}

static void check_form(const struct alu_form *f, void *ctx)
{
	alu_fn base = alu_select_base(&f->insn), wide = alu_cpu_has_avx2() ? alu_select_avx2(&f->insn) : base;
	struct alu_tuples t;
	size_t different = 0;
	double worst = 0;

	(void)ctx;
	if (!base || !wide) {
		ok(0, "%s is implemented", f->spelling);
		return;
	}
	alu_tuples_make(&t, f, 20000);
	for (size_t at = 0; at < t.n; at += WARP) {
		uint64_t d[WARP], d2[WARP];

		row(f, &t, at, base, d);
		row(f, &t, at, wide, d2);
		different += memcmp(d, d2, sizeof(d)) != 0;
		for (unsigned l = 0; l < WARP; l++) {
			uint64_t s[2] = { cut(t.src[0][at + l], f->src_type[0]), f->n_src > 1 ? cut(t.src[1][at + l], f->src_type[1]) : 0 };
			double e = alu_ref_approx(f, s, d[l]);

			if (e > 1 && worst <= 1)
				diag("%s %#llx %#llx: got %#llx", f->spelling, (unsigned long long)s[0], (unsigned long long)s[1],
				     (unsigned long long)d[l]);
			worst = e > worst ? e : worst;
		}
	}
	ok(worst <= 1, "%s: %.2f of the error that PTX allows", f->spelling, worst);
	ok(!different, "%s: the same bits at both levels", f->spelling);
	alu_tuples_free(&t);
}

/* PTX's tables of special values */
static const struct {
	const char *form;
	uint32_t in, out;
} special[] = {
	{ "rcp.approx.f32", 0xff800000, 0x80000000 }, { "rcp.approx.f32", 0x80000000, 0xff800000 }, { "rcp.approx.f32", 0, 0x7f800000 },
	{ "rcp.approx.f32", 0x7f800000, 0 }, { "rcp.approx.f32", 0x7fc00000, 0x7fffffff }, { "rcp.approx.ftz.f32", 0x80000001, 0xff800000 },
	{ "rcp.approx.ftz.f32", 0x7f000000, 0 }, { "rcp.approx.f32", 0x7f000000, 0x00400000 },
	{ "sqrt.approx.f32", 0xff800000, 0x7fffffff }, { "sqrt.approx.f32", 0xbf800000, 0x7fffffff }, { "sqrt.approx.f32", 0x80000000, 0x80000000 },
	{ "sqrt.approx.f32", 0x7f800000, 0x7f800000 }, { "sqrt.approx.ftz.f32", 0x80000001, 0x80000000 },
	{ "rsqrt.approx.f32", 0x80000000, 0xff800000 }, { "rsqrt.approx.f32", 0, 0x7f800000 }, { "rsqrt.approx.f32", 0x7f800000, 0 },
	{ "rsqrt.approx.f32", 0xbf800000, 0x7fffffff }, { "rsqrt.approx.ftz.f32", 0x80000001, 0xff800000 }, { "rsqrt.approx.f32", 0x3f800000, 0x3f800000 },
	{ "ex2.approx.f32", 0xff800000, 0 }, { "ex2.approx.f32", 0x7f800000, 0x7f800000 }, { "ex2.approx.f32", 0x80000000, 0x3f800000 },
	{ "ex2.approx.f32", 0x00000001, 0x3f800000 }, { "ex2.approx.f32", 0x43000000, 0x7f800000 }, { "ex2.approx.f32", 0xc3140000, 0x00000002 },
	{ "ex2.approx.ftz.f32", 0xc3140000, 0 }, { "ex2.approx.f32", 0x40400000, 0x41000000 }, { "ex2.approx.f32", 0xffc00000, 0x7fffffff },
	{ "lg2.approx.f32", 0, 0xff800000 }, { "lg2.approx.f32", 0x80000000, 0xff800000 }, { "lg2.approx.f32", 0x7f800000, 0x7f800000 },
	{ "lg2.approx.f32", 0xbf800000, 0x7fffffff }, { "lg2.approx.ftz.f32", 0x00000001, 0xff800000 }, { "lg2.approx.f32", 0x3f800000, 0 },
	{ "lg2.approx.f32", 0x41000000, 0x40400000 }, { "lg2.approx.f32", 0x00000001, 0xc3150000 },
	{ "sin.approx.f32", 0x80000000, 0x80000000 }, { "sin.approx.f32", 0, 0 }, { "sin.approx.f32", 0x7f800000, 0x7fffffff },
	{ "sin.approx.ftz.f32", 0x80000001, 0x80000000 }, { "cos.approx.f32", 0, 0x3f800000 }, { "cos.approx.f32", 0xff800000, 0x7fffffff },
	{ "cos.approx.f32", 0x00000001, 0x3f800000 },
	{ "tanh.approx.f32", 0x7f800000, 0x3f800000 }, { "tanh.approx.f32", 0xff800000, 0xbf800000 }, { "tanh.approx.f32", 0x80000000, 0x80000000 },
	{ "tanh.approx.f32", 0x7fc00000, 0x7fffffff },
};

static void check_special(const struct alu_form *f, void *ctx)
{
	(void)ctx;
	for (size_t k = 0; k < sizeof(special) / sizeof(special[0]); k++) {
		uint64_t a[WARP], d[WARP];
		struct alu_tuples t = { .src = { a, a, a, a } };

		if (strcmp(f->spelling, special[k].form) != 0)
			continue;
		for (unsigned l = 0; l < WARP; l++)
			a[l] = special[k].in;
		row(f, &t, 0, alu_select(&f->insn), d);
		is_hex(d[0], special[k].out, "%s %#x", f->spelling, special[k].in);
	}
}

int main(void)
{
	plan_lazy();
	alu_seed();
	alu_forms_each(ALU_G_APPROX, check_special, NULL);
	alu_forms_each(ALU_G_APPROX, check_form, NULL);
	return 0;
}
