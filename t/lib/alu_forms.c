/* alu_forms.c: see alu_forms.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/alu_forms.h"
#include "t/lib/tap.h"

#define I6 "{u16|u32|u64|s16|s32|s64}"
#define CMP_S "{eq|ne|lt|le|gt|ge}"
#define CMP_U "{eq|ne|lt|le|gt|ge|lo|ls|hi|hs}"
#define CMP_F "{eq|ne|lt|le|gt|ge|equ|neu|ltu|leu|gtu|geu|num|nan}"
#define BOOLS "{|.and|.or|.xor}"
#define RND "{.rn|.rz|.rm|.rp}"
#define INTS "{u8|u16|u32|u64|s8|s16|s32|s64}"
#define SU "{u32|s32}"

/* "90:" or "100:" in front: the lowest sm_ that has it */
static const char *const int_forms[] = {
	"add." I6, "sub." I6, "{add|sub}.sat.s32", "90:add.{u16x2|s16x2}", "mul.{lo|hi}." I6, "mul.wide.{u16|s16|u32|s32}",
	"mad.{lo|hi}." I6, "mad.wide.{u16|s16|u32|s32}", "mad.hi.sat.s32", "mul24.{lo|hi}." SU, "mad24.{lo|hi}." SU,
	"mad24.hi.sat.s32", "sad." I6, "div." I6, "rem." I6, "{abs|neg}.{s16|s32|s64}", "{min|max}." I6,
	"90:{min|max}.relu.s32", "90:{min|max}.{u16x2|s16x2|relu.s16x2}", "dp4a." SU "." SU, "dp2a.{lo|hi}." SU "." SU, NULL,
};
static const char *const carry_forms[] = {
	"{add|sub}.cc.{u32|s32|u64|s64}", "{addc|subc}{|.cc}.{u32|s32|u64|s64}", "mad.{lo|hi}.cc.{u32|s32|u64|s64}",
	"madc.{lo|hi}{|.cc}.{u32|s32|u64|s64}", NULL,
};
static const char *const bits_forms[] = {
	"{and|or|xor}.{pred|b16|b32|b64}", "not.{pred|b16|b32|b64}", "cnot.{b16|b32|b64}", "shl.{b16|b32|b64}",
	"shr.{b16|b32|b64|u16|u32|u64|s16|s32|s64}", "shf.{l|r}.{wrap|clamp}.b32", "{popc|clz|brev}.{b32|b64}",
	"bfind{|.shiftamt}.{u32|s32|u64|s64}", "fns.b32", "bfe.{u32|s32|u64|s64}", "bfi.{b32|b64}", "bmsk.{wrap|clamp}.b32",
	"szext.{wrap|clamp}." SU, "lop3.b32", "lop3{.and|.or}.b32", "prmt.b32{|.f4e|.b4e|.rc8|.ecl|.ecr|.rc16}",
	"selp.{b16|b32|b64|u16|s32|u64|f32|f64}", "slct.{b16|b32|b64|u16|s32|s64|f32|f64}.s32",
	"slct{|.ftz}.{b16|b32|u64|f32|f64}.f32", NULL,
};
static const char *const cmp_forms[] = {
	"setp." CMP_S BOOLS ".{s16|s32|s64}", "setp." CMP_U BOOLS ".{u16|u32|u64}", "setp.{eq|ne}" BOOLS ".{b16|b32|b64}",
	"setp." CMP_F BOOLS "{.f32|.ftz.f32|.f64}", "53:setp." CMP_F BOOLS "{.f16|.ftz.f16|.f16x2|.ftz.f16x2}",
	"90:setp." CMP_F BOOLS "{.bf16|.bf16x2}",
	"set." CMP_S BOOLS ".{u32|s32|f32}.{s16|s32|s64}", "set." CMP_U BOOLS ".{u32|f32}.{u16|u32|u64}",
	"set.{eq|ne}.{u32|s32|f32}.{b16|b32|b64}", "set." CMP_F "{|.and|.xor}{|.ftz}.{u32|s32|f32}.f32",
	"set." CMP_F "{|.or}.{u32|s32|f32}.f64", "set." CMP_F "{|.and}{|.ftz}.{f16|u16|s16|u32|s32}.f16",
	"set." CMP_F "{|.xor}{|.ftz}.{f16x2|u32|s32}.f16x2", "90:set." CMP_F "{|.and}.{bf16|u16|s16|u32|s32}.bf16",
	"90:set." CMP_F "{|.or}.{bf16x2|u32|s32}.bf16x2",
	"testp.{finite|infinite|number|notanumber|normal|subnormal}.{f32|f64}", NULL,
};
static const char *const float_forms[] = {
	"{add|sub|mul}{|.rn|.rz|.rm|.rp}{|.ftz}{|.sat}.f32", "{fma|mad}" RND "{|.ftz}{|.sat}.f32",
	"{add|sub|mul}{|.rn|.rz|.rm|.rp}.f64", "{fma|mad}" RND ".f64", "{div|rcp|sqrt}" RND "{|.ftz}.f32",
	"{div|rcp|sqrt}" RND ".f64", "{abs|neg}{|.ftz}.f32", "{abs|neg|copysign}.f64", "copysign.f32",
	"100:{add|sub|mul|fma}" RND "{|.ftz}.f32x2", "100:{add|sub|fma}" RND "{|.sat}.f32.{f16|bf16}", NULL,
};
static const char *const half_forms[] = {
	"{add|sub|mul}{|.rn}{|.ftz}{|.sat}.{f16|f16x2}", "fma.rn{|.ftz}{|.sat}.{f16|f16x2}", "80:fma.rn{|.ftz}.relu.{f16|f16x2}",
	"90:{add|sub|mul}{|.rn}.{bf16|bf16x2}", "80:fma.rn{|.relu}.{bf16|bf16x2}", "90:fma.rn.oob{|.relu}.{f16|f16x2|bf16|bf16x2}",
	"{abs|neg}{|.ftz}.{f16|f16x2}", "80:{abs|neg}.{bf16|bf16x2}", NULL,
};
static const char *const minmax_forms[] = {
	"{min|max}{|.ftz}.f32", "80:{min|max}{|.ftz}.NaN.f32", "86:{min|max}{|.ftz}{|.NaN}.xorsign.abs.f32", "{min|max}.f64",
	"80:{min|max}{|.ftz}{|.NaN}.{f16|f16x2}", "80:{min|max}{|.NaN}.{bf16|bf16x2}",
	"86:{min|max}{|.ftz}{|.NaN}.xorsign.abs.{f16|f16x2}", "86:{min|max}{|.NaN}.xorsign.abs.{bf16|bf16x2}", NULL,
};
/* three operands: the same spelling as two, with an operand more */
static const char *const minmax3_forms[] = { "100:{min|max}{|.ftz}{|.NaN}{|.abs}.f32", NULL };
static const char *const cvt_forms[] = {
	"cvt." INTS "." INTS, "cvt.sat.u8.{s8|u16|s16|u32|s32|u64|s64}", "cvt.sat.s8.{u8|u16|s16|u32|s32|u64|s64}",
	"cvt.sat.u16.{s8|s16|u32|s32|u64|s64}", "cvt.sat.s16.{u16|u32|s32|u64|s64}", "cvt.sat.u32.{s8|s16|s32|u64|s64}",
	"cvt.sat.s32.{u32|u64|s64}", "cvt.sat.u64.{s8|s16|s32|s64}", "cvt.sat.s64.u64",
	 "cvt" RND "{|.sat}.{f32|f64}." INTS, "cvt" RND ".f16." INTS, "90:cvt" RND ".bf16." I6,
	"cvt{.rni|.rzi|.rmi|.rpi}{|.ftz}." INTS ".f32", "cvt{.rni|.rzi|.rmi|.rpi}." INTS ".f64",
	"cvt{.rni|.rzi|.rmi|.rpi}." INTS ".f16", "90:cvt{.rni|.rzi|.rmi|.rpi}." I6 ".bf16",
	"cvt{.rni|.rzi|.rmi|.rpi}{|.ftz}{|.sat}.f32.f32", "cvt{.rni|.rzi|.rmi|.rpi}{|.sat}.f64.f64",
	"cvt{.rni|.rzi|.rmi|.rpi}.f16.f16", "90:cvt{.rni|.rzi|.rmi|.rpi}.bf16.bf16",
	"cvt{|.ftz}{|.sat}.f64.f32", "cvt" RND "{|.ftz}{|.sat}.f32.f64", "cvt{|.ftz}{|.sat}.f32.f32", "cvt{|.sat}.f64.f64",
	"cvt" RND "{|.ftz}.f16.f32", "cvt" RND ".f16.f64", "cvt{|.ftz}{|.sat}.f32.f16", "cvt.f64.f16", "cvt.sat.f16.f16",
	"80:cvt{.rn|.rz}{|.relu}{|.satfinite}.bf16.f32", "80:cvt{.rn|.rz}{|.relu}{|.satfinite}.f16.f32",
	"90:cvt{.rm|.rp}.bf16.f32", "90:cvt" RND ".bf16.f64", "90:cvt" RND ".f16.bf16", "90:cvt" RND ".bf16.f16",
	"90:cvt.f32.bf16", "90:cvt.f64.bf16", NULL,
};
static const char *const cvt_packed_forms[] = {
	"80:cvt{.rn|.rz}{|.relu}{|.satfinite}.{f16x2|bf16x2}.f32", "80:cvt.rna{|.satfinite}.tf32.f32",
	"90:cvt{.rn|.rz}{|.relu}.tf32.f32", "100:cvt{.rn|.rz}{|.relu}.satfinite.tf32.f32",
	"89:cvt.rn.satfinite{|.relu}.{e4m3x2|e5m2x2}.{f32|f16x2}", "89:cvt.rn{|.relu}.f16x2.{e4m3x2|e5m2x2}",
	"100:cvt.rn.satfinite{|.relu}.{e2m3x2|e3m2x2|e2m1x2}.f32", "100:cvt.rn{|.relu}.f16x2.{e2m3x2|e3m2x2|e2m1x2}",
	"100:cvt{.rz|.rp}{|.satfinite}.ue8m0x2.{f32|bf16x2}", "100:cvt.rn.bf16x2.ue8m0x2",
	"72:cvt.pack.sat.{u16|s16}.s32", "72:cvt.pack.sat.{u8|s8}.s32.b32", NULL,
};
static const char *const approx_forms[] = {
	"{rcp|sqrt|rsqrt|ex2|lg2|sin|cos}.approx{|.ftz}.f32", "div{.approx|.full}{|.ftz}.f32", "75:tanh.approx.f32",
	"{rcp|rsqrt}.approx.ftz.f64", "rsqrt.approx.f64", "75:{ex2|tanh}.approx.{f16|f16x2}", "90:ex2.approx.ftz.{bf16|bf16x2}",
	"90:tanh.approx.{bf16|bf16x2}", NULL,
};
#define SU3 "{u32.u32.u32|s32.s32.s32|s32.u32.s32|u32.s32.u32}"
static const char *const video_forms[] = {
	"{vadd|vsub|vabsdiff|vmin|vmax}." SU3 "{|.sat}", "{vshl|vshr}.{u32|s32}.{u32|s32}.u32{|.sat}.{clamp|wrap}",
	"vset." SU "." SU "." CMP_S, NULL,
};
/* with c */
static const char *const video_c_forms[] = {
	"{vadd|vsub|vabsdiff|vmin|vmax}." SU3 "{|.sat}.{add|min|max}", "{vshl|vshr}.{u32|s32}.{u32|s32}.u32{|.sat}.{clamp|wrap}.{add|min|max}",
	"vset." SU "." SU "." CMP_S ".{add|min|max}", "vmad.{u32.u32.u32|s32.s32.s32|s32.u32.s32}{|.sat}{|.shr7|.shr15}",
	"vmad.{u32.u32.u32|s32.s32.s32|s32.u32.s32}.po{|.shr7|.shr15}", NULL,
};
static const char *const video_merge_forms[] = {
	"{vadd|vsub|vmin|vmax}." SU3 "{|.sat}", "{vshl|vshr}.{u32|s32}.{u32|s32}.u32{|.sat}.{clamp|wrap}", NULL,
};
static const char *const video_simd_forms[] = {
	"{vadd|vsub|vabsdiff|vmin|vmax|vavrg}{2|4}." SU3 "{|.sat|.add}", "vset{2|4}." SU "." SU "." CMP_S "{|.add}", NULL,
};
/* selectors of d, a, b */
static const char *const scalar_sel[][3] = {
	{ "", "", "" }, { "", ".b0", ".b3" }, { "", ".h1", "" }, { "", "", ".h0" }, { "", ".b2", ".h1" }, { NULL, NULL, NULL } };
static const char *const merge_sel[][3] = {
	{ ".b0", "", "" }, { ".b3", ".b1", ".h0" }, { ".h0", ".h1", "" }, { ".h1", "", ".b2" }, { NULL, NULL, NULL } };
static const char *const simd2_sel[][3] = {
	{ "", "", "" }, { ".h0", "", "" }, { ".h1", ".h13", ".h20" }, { ".h10", ".h33", ".h02" }, { NULL, NULL, NULL } };
static const char *const simd4_sel[][3] = {
	{ "", "", "" }, { ".b0", "", "" }, { ".b310", ".b7531", ".b0246" }, { ".b21", "", ".b1111" }, { NULL, NULL, NULL } };

static const char *const *const groups[ALU_G_COUNT] = {
	[ALU_G_INT] = int_forms, [ALU_G_CARRY] = carry_forms, [ALU_G_BITS] = bits_forms, [ALU_G_CMP] = cmp_forms,
	[ALU_G_FLOAT] = float_forms, [ALU_G_HALF] = half_forms, [ALU_G_MINMAX] = minmax_forms, [ALU_G_CVT] = cvt_forms,
	[ALU_G_CVT_PACKED] = cvt_packed_forms, [ALU_G_APPROX] = approx_forms, [ALU_G_VIDEO] = video_forms,
};

/* ---- spellings ---- */

static void expand(char *out, size_t at, const char *p, void (*fn)(const char *, void *), void *ctx)
{
	const char *open = strchr(p, '{'), *close, *alt;
	size_t n = open ? (size_t)(open - p) : strlen(p);

	memcpy(out + at, p, n);
	out[at + n] = '\0';
	if (!open) {
		fn(out, ctx);
		return;
	}
	close = strchr(open, '}');
	for (alt = open + 1; ; ) {
		size_t len = strcspn(alt, "|}");

		memcpy(out + at + n, alt, len);
		expand(out, at + n + len, close + 1, fn, ctx);
		alt += len;
		if (*alt++ == '}')
			return;
	}
}

void alu_expand(const char *pattern, void (*fn)(const char *spelling, void *ctx), void *ctx)
{
	char out[256];

	expand(out, 0, pattern, fn, ctx);
}

struct each {
	alu_form_fn fn;
	void *ctx;
	uint8_t sm;
	bool three;
	const char *const (*sel)[3];
};

static void fill_operands(struct alu_form *f, bool three)
{
	const struct ptx_form *p = &f->f;

	f->insn = p->insn;
	for (unsigned k = 0; k < p->n_spec; k++) {
		const struct ptx_opspec *s = &p->spec[k];
		struct ir_opnd *o = s->dst ? &f->insn.dst[f->n_dst] : &f->insn.src[f->n_src];

		if (s->optional && !s->dst && !three && p->insn.type3 != IR_T_B32)
			continue;
		/* scalar halves have no second predicate */
		if (s->pair && p->insn.op == IR_OP_setp && (p->insn.type == IR_T_F16 || p->insn.type == IR_T_BF16))
			continue;
		o->kind = s->kind == PTX_OPK_IMM ? IR_OPND_IMM : IR_OPND_REG;
		o->imm = f->lut;
		o->reg = k;
		if (s->dst)
			f->dst_type[f->n_dst++] = s->type;
		else
			f->src_type[f->n_src++] = s->type;
	}
	f->insn.n_dst = (uint8_t)f->n_dst;
	f->insn.n_src = (uint8_t)f->n_src;
	f->insn.extra = f->lut;
}

static void put_selector(struct ir_opnd *o, const char *sel)
{
	unsigned n = (unsigned)strlen(sel);

	if (!n)
		return;
	if (n == 3) {
		o->sub = (uint8_t)((sel[1] == 'h' ? 0x40 : 0) | (1 + sel[2] - '0'));
		return;
	}
	o->sub = (uint8_t)(0x80 | (n - 2));
	for (unsigned k = 2; k < n; k++)
		o->imm = o->imm << 4 | (unsigned)(sel[k] - '0');
}

static void selector_forms(const char *spelling, const struct each *e, struct alu_form *f)
{
	const char *const (*sel)[3] = e->sel;
	const char *dot = strchr(spelling, '.');

	if (dot[-1] == '2')
		sel = simd2_sel;
	else if (dot[-1] == '4')
		sel = simd4_sel;
	for (; (*sel)[0]; sel++) {
		struct alu_form g = *f;

		memcpy(g.sel, *sel, sizeof(g.sel));
		put_selector(&g.insn.dst[0], g.sel[0]);
		put_selector(&g.insn.src[0], g.sel[1]);
		put_selector(&g.insn.src[1], g.sel[2]);
		for (unsigned k = 0; k < g.n_src; k++)
			g.src_type[k] = IR_T_B32;
		g.dst_type[0] = IR_T_B32;
		e->fn(&g, e->ctx);
	}
}

static void one_form(const char *spelling, uint32_t lut, const struct each *e)
{
	struct alu_form f = { .spelling = spelling, .lut = lut, .sm = e->sm };
	char bad[64];

	if (ptx_form_decode(spelling, strlen(spelling), &f.f, bad, sizeof(bad)) != PTX_DECODE_OK)
		bail("%s does not decode (%s)", spelling, bad);
	f.sel[0] = f.sel[1] = f.sel[2] = "";
	fill_operands(&f, e->three);
	if (e->sel) {
		selector_forms(spelling, e, &f);
		return;
	}
	e->fn(&f, e->ctx);
}

static void each_spelling(const char *spelling, void *ctx)
{
	static const uint8_t luts[] = { 0x00, 0xff, 0xe8, 0x96, 0xca, 0x1b, 0x80, 0x01, 0xf0, 0x3c };
	const struct each *e = ctx;

	if (strncmp(spelling, "lop3", 4) != 0) {
		one_form(spelling, 0, e);
		return;
	}
	for (size_t k = 0; k < sizeof(luts); k++)
		one_form(spelling, luts[k], e);
}

static void each_pattern(const char *p, struct each *e)
{
	const char *colon = strchr(p, ':');

	e->sm = colon ? (uint8_t)atoi(p) : 0;
	alu_expand(colon ? colon + 1 : p, each_spelling, e);
}

void alu_forms_each(enum alu_group g, alu_form_fn fn, void *ctx)
{
	struct each e = { .fn = fn, .ctx = ctx };

	if (g == ALU_G_VIDEO)
		e.sel = scalar_sel;
	for (const char *const *p = groups[g]; *p; p++)
		each_pattern(*p, &e);
	e.three = true;
	if (g == ALU_G_VIDEO) {
		for (const char *const *p = video_c_forms; *p; p++)
			each_pattern(*p, &e);
		for (const char *const *p = video_simd_forms; *p; p++)
			each_pattern(*p, &e);
		e.sel = merge_sel;
		for (const char *const *p = video_merge_forms; *p; p++)
			each_pattern(*p, &e);
	}
	if (g == ALU_G_MINMAX)
		for (const char *const *p = minmax3_forms; *p; p++)
			each_pattern(*p, &e);
}

/* ---- values ---- */

static uint64_t rng_state;

void alu_seed(void)
{
	const char *s = getenv("ALU_SEED");

	tap_timeout(600);       /* seconds of work; but sanitizers on a busy machine take many times that */
	rng_state = s ? strtoull(s, NULL, 0) : 0x9e3779b97f4a7c15u;
	diag("random values from ALU_SEED=0x%llx", (unsigned long long)rng_state);
}

static uint64_t rnd(void)
{
	uint64_t z = rng_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t width_mask(unsigned bits)
{
	return bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
}

/* Layout of a float type: bits of fraction and exponent; false: not one. */
static bool float_layout(uint8_t t, unsigned *frac, unsigned *exp)
{
	switch (t) {
	case IR_T_F16: case IR_T_F16X2: *frac = 10; *exp = 5; return true;
	case IR_T_BF16: case IR_T_BF16X2: *frac = 7; *exp = 8; return true;
	case IR_T_F32: case IR_T_F32X2: *frac = 23; *exp = 8; return true;
	case IR_T_F64: *frac = 52; *exp = 11; return true;
	default: return false;
	}
}

static bool is_pair(uint8_t t)
{
	return t == IR_T_F16X2 || t == IR_T_BF16X2 || t == IR_T_F32X2 || t == IR_T_U16X2 || t == IR_T_S16X2;
}

static size_t put(uint64_t *v, size_t n, size_t max, uint64_t x)
{
	if (n < max)
		v[n++] = x;
	return n;
}

static size_t int_edges(unsigned bits, uint64_t *v, size_t max)
{
	static const int64_t small[] = { 0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 24, 31, 32, 33, 47, 63, 64, 65, 100, 127, 128, 129, 255, 256 };
	const uint64_t m = width_mask(bits), top = UINT64_C(1) << (bits - 1);
	size_t n = 0;

	for (size_t k = 0; k < sizeof(small) / sizeof(small[0]); k++)
		n = put(v, n, max, (uint64_t)small[k] & m);
	for (int64_t k = 1; k <= 3; k++)
		n = put(v, n, max, (uint64_t)-k & m);
	for (int k = -1; k <= 1; k++)
		n = put(v, n, max, (top + (uint64_t)k) & m);
	n = put(v, n, max, UINT64_C(0x5555555555555555) & m);
	n = put(v, n, max, UINT64_C(0xaaaaaaaaaaaaaaaa) & m);
	n = put(v, n, max, UINT64_C(0x0123456789abcdef) & m);
	for (unsigned b = 8; b < bits; b += 8) {
		n = put(v, n, max, UINT64_C(1) << b);
		n = put(v, n, max, (UINT64_C(1) << b) - 1);
		n = put(v, n, max, (0 - (UINT64_C(1) << b)) & m);
	}
	return n;
}

/* Of one element. */
static size_t float_edges(unsigned frac, unsigned exp, uint64_t *v, size_t max)
{
	const uint64_t one = (width_mask(exp) >> 1) << frac, inf = width_mask(exp) << frac, ulp = 1;
	const uint64_t sign = UINT64_C(1) << (frac + exp), unit = UINT64_C(1) << frac;
	const uint64_t mags[] = {
		0, 1, 2, unit - 1, unit / 2, unit, unit + 1, 2 * unit, one, one + ulp, one - ulp, one - unit, one + unit, one + unit / 2,
		one + unit + unit / 2, one + unit + unit / 4, one - 2 * unit, one + (uint64_t)(frac - 1) * unit,
		one + (uint64_t)frac * unit + 1, one + (uint64_t)(frac + 1) * unit, inf - 1, inf - unit, inf, inf + unit / 2,
		inf + unit - 1, inf + 1, one + 0x5555555555555555 % unit, one - (uint64_t)(frac / 2) * unit,
		one - (uint64_t)(frac + 1) * unit,
	};
	size_t n = 0;

	for (size_t k = 0; k < sizeof(mags) / sizeof(mags[0]); k++) {
		n = put(v, n, max, mags[k] & (sign - 1));
		n = put(v, n, max, (mags[k] & (sign - 1)) | sign);
	}
	return n;
}

/* Where conversions from f32 and f64 change their mind: the edges of narrower formats and of integers. */
static size_t cross_edges(uint8_t t, uint64_t *v, size_t n, size_t max)
{
	static const double points[] = {
		0.5, 1.5, 2.5, 3.5, 0.49999997, 65504, 65519, 65520, 65535, 65536, 0x1p-14, 0x1p-24, 0x1p-25, 0x1.8p-25, 0x1p-26,
		127, 127.5, 128, 128.5, 255, 255.5, 256, 32767, 32767.5, 32768, 2147483647, 2147483648.0, 4294967295.0, 4294967296.0,
		0x1p52, 0x1p53, 0x1p62, 0x1p63, 0x1p64, 448, 464, 465, 480, 57344, 61440, 6, 7, 7.5, 28, 30, 0.125, 0.0625, 0.25,
		0x1p-126, 0x1p-127, 0x1p-133, 0x1p-134, 0x1p-149, 0x1p-150, 0x1.fffffep127, 0x1.fffffcp-127, 0x1.fffffffp-127,
		0x1.ffffff8p127, 0x1.fep127, 0x1.ffp127, 0x1p-6, 0x1p-9, 0x1p-10, 0x1p-16, 0x1p-17, 0x1.0004p0, 0x1.00c0p0, 0x1.ffep3,
	};

	for (size_t k = 0; k < sizeof(points) / sizeof(points[0]); k++)
		for (int s = 0; s < 2; s++) {
			const double d = s ? -points[k] : points[k];
			const float f = (float)d;
			uint64_t u = 0;
			uint32_t w;

			memcpy(&w, &f, sizeof(w));
			memcpy(&u, &d, sizeof(u));
			if (t == IR_T_F32)
				u = w;
			n = put(v, n, max, u);
			n = put(v, n, max, u + 1);
			if (points[k] > 0)
				n = put(v, n, max, u - 1);
		}
	return n;
}

size_t alu_edges(uint8_t t, uint64_t *v, size_t max)
{
	unsigned frac, exp;
	size_t n;

	if (t == IR_T_PRED) {
		v[0] = 0;
		v[1] = 1;
		return 2;
	}
	if (float_layout(t, &frac, &exp)) {
		n = float_edges(frac, exp, v, max);
		for (size_t k = 0; is_pair(t) && k < n; k++)
			v[k] |= v[(k * 7 + 3) % n] << (frac + exp + 1);
		return n;
	}
	n = int_edges(ir_type_bits(t), v, max);
	return n;
}

uint64_t alu_random(uint8_t t)
{
	unsigned frac, exp;
	uint64_t r = rnd(), v;

	if (t == IR_T_PRED)
		return r & 1;
	if (!float_layout(t, &frac, &exp))
		return (r & 3 ? rnd() : rnd() >> (rnd() & 63)) & width_mask(ir_type_bits(t));
	if ((r & 3) == 0)
		return rnd() & width_mask(ir_type_bits(t));
	/* exponents around 1, where sums cancel and round; sometimes few bits, for halfway cases */
	v = rnd() & width_mask(frac);
	if ((r & 12) == 0)
		v &= ~(width_mask(frac) >> (r >> 8 & 7));
	v |= ((width_mask(exp) >> 1) + (r >> 16 & 31) - 16) << frac | (r >> 32 & 1) << (frac + exp);
	if (is_pair(t))
		v |= alu_random(t == IR_T_F16X2 ? IR_T_F16 : t == IR_T_BF16X2 ? IR_T_BF16 : IR_T_F32) << (frac + exp + 1);
	return v & width_mask(ir_type_bits(t));
}

#define MAX_EDGES 600

/* The types whose edges a source operand is tried with: packed ones pass as b32. */
static uint8_t value_type(const struct alu_form *f, unsigned k)
{
	const uint8_t t = f->src_type[k], i = f->insn.stype ? f->insn.stype : f->insn.type;

	if ((t == IR_T_B32 || t == IR_T_B16) && is_pair(i))
		return i;
	return t;
}

void alu_tuples_make(struct alu_tuples *t, const struct alu_form *f, size_t max)
{
	uint64_t edges[6][MAX_EDGES];
	size_t n_edges[6] = { 0 }, all = 1, n;
	unsigned ns = f->n_src ? f->n_src : 1;
	uint64_t *mem;

	for (unsigned k = 0; k < f->n_src; k++) {
		uint8_t type = value_type(f, k);

		n_edges[k] = alu_edges(type, edges[k], MAX_EDGES);
		if (f->insn.op == IR_OP_cvt)
			n_edges[k] = type == IR_T_F32 || type == IR_T_F64 ?
				cross_edges(type, edges[k], n_edges[k], MAX_EDGES) : n_edges[k];
		if (f->insn.src[k].kind == IR_OPND_IMM)
			n_edges[k] = 1;
		all *= n_edges[k];
	}
	n = all <= max ? all + max / 4 : max;
	n = (n + 31) & ~(size_t)31;
	mem = malloc(n * ns * sizeof(*mem));
	t->n = n;
	for (unsigned k = 0; k < 6; k++)
		t->src[k] = mem + (k < ns ? k : 0) * n;
	for (size_t j = 0; j < n; j++) {
		/* every combination while they fit; else edges and random values mixed */
		size_t pos = j;

		for (unsigned k = 0; k < f->n_src; k++) {
			uint64_t v;

			if (f->insn.src[k].kind == IR_OPND_IMM)
				v = f->lut;
			else if (all <= max ? j < all : rnd() & 1)
				v = edges[k][(all <= max ? pos : rnd()) % n_edges[k]];
			else
				v = alu_random(value_type(f, k));
			if (all <= max)
				pos /= n_edges[k];
			t->src[k][j] = v;
		}
	}
}

void alu_tuples_free(struct alu_tuples *t)
{
	free(t->src[0]);
	memset(t, 0, sizeof(*t));
}
