/* mma_forms.c: see mma_forms.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "t/lib/mma_forms.h"
#include "util/compiler.h"

/* ---- the list ---- */

static const char *name(uint8_t t)
{
	return ir_type_name(t);
}

unsigned mma_type_bits(uint8_t t)
{
	return t == IR_T_E2M1 ? 4 : ir_type_bits(t);
}

static unsigned regs_of(unsigned elements, unsigned bits, uint8_t t)
{
	return t == IR_T_F64 ? elements / 32 : elements * bits / 1024;
}

struct walk {
	void (*fn)(const struct mma_form *f, void *ctx);
	void *ctx;
};

static void spell(struct mma_form *f, const char *kind)
{
	static const char *const rounds[] = { [IR_RND_NONE] = "", [IR_RND_RN] = ".rn", [IR_RND_RZ] = ".rz",
					      [IR_RND_RM] = ".rm", [IR_RND_RP] = ".rp" };
	const char *op = f->ta != IR_T_B1 ? "" : f->bit_and ? ".and.popc" : ".xor.popc";

	snprintf(f->spelling, sizeof(f->spelling), "mma%s.sync.aligned.m%un%uk%u.%s.%s%s%s%s.%s.%s.%s.%s%s%s%s",
		 f->sparse ? f->sm >= 120 || f->sel & 1 ? ".sp::ordered_metadata" : ".sp" : "", f->m, f->n, f->k, f->a_col ? "col" : "row",
		 f->b_row ? "row" : "col", kind, f->sat ? ".satfinite" : "", op, name(f->td), name(f->ta), name(f->tb), name(f->tc),
		 rounds[f->round], f->ts ? "." : "", f->ts ? name(f->ts) : "");
}

static void emit(const struct walk *w, struct mma_form *f, const char *kind)
{
	unsigned quads = f->m == 8 && f->k == 4 && f->ta == IR_T_F16 ? 4 : 1;

	if (!f->tc)
		f->tc = f->td;
	if (!f->bits)
		f->bits = (uint8_t)mma_type_bits(f->ta);
	f->n_a = (uint8_t)regs_of(quads * f->m * f->k / (f->sparse ? 2 : 1), f->bits, f->ta);
	f->n_b = (uint8_t)regs_of(quads * f->n * f->k, f->bits, f->tb);
	f->n_c = (uint8_t)regs_of(quads * f->m * f->n, ir_type_bits(f->tc), f->tc);
	f->n_d = (uint8_t)regs_of(quads * f->m * f->n, ir_type_bits(f->td), f->td);
	f->n_in = (uint8_t)(f->n_a + f->n_b + f->n_c + f->sparse + (f->scale_vec ? 2 : 0));
	spell(f, kind);
	w->fn(f, w->ctx);
}

#define FORM(M, N, K, TD, TA, TB, ...) \
	(struct mma_form){ .m = M, .n = N, .k = K, .td = IR_T_##TD, .ta = TA, .tb = TB, __VA_ARGS__ }
#define EMIT(kind, ...) do { struct mma_form f_ = FORM(__VA_ARGS__); emit(w, &f_, kind); } while (0)

static void each_half(const struct walk *w)
{
	for (unsigned l = 0; l < 4; l++) {
		EMIT("", 8, 8, 4, F16, IR_T_F16, IR_T_F16, .sm = 70, .a_col = l & 1, .b_row = l & 2);
		EMIT("", 8, 8, 4, F32, IR_T_F16, IR_T_F16, .sm = 70, .a_col = l & 1, .b_row = l & 2);
		EMIT("", 8, 8, 4, F32, IR_T_F16, IR_T_F16, .sm = 70, .a_col = l & 1, .b_row = l & 2, .tc = IR_T_F16);
	}
	for (unsigned k = 8; k <= 16; k += 8) {
		EMIT("", 16, 8, k, F16, IR_T_F16, IR_T_F16, .sm = 80);
		EMIT("", 16, 8, k, F32, IR_T_F16, IR_T_F16, .sm = 80);
		EMIT("", 16, 8, k, F32, IR_T_BF16, IR_T_BF16, .sm = 80);
		EMIT("", 16, 8, k / 2, F32, IR_T_TF32, IR_T_TF32, .sm = 80);
	}
}

static void each_double(const struct walk *w)
{
	static const uint8_t rounds[] = { IR_RND_NONE, IR_RND_RN, IR_RND_RZ, IR_RND_RM, IR_RND_RP };

	for (size_t r = 0; r < ARRAY_SIZE(rounds); r++) {
		EMIT("", 8, 8, 4, F64, IR_T_F64, IR_T_F64, .sm = 80, .round = rounds[r]);
		for (unsigned k = 4; k <= 16; k *= 2)
			EMIT("", 16, 8, k, F64, IR_T_F64, IR_T_F64, .sm = 90, .round = rounds[r]);
	}
}

static void each_int(const struct walk *w)
{
	static const uint8_t t8[] = { IR_T_S8, IR_T_U8 }, t4[] = { IR_T_S4, IR_T_U4 };

	for (unsigned v = 0; v < 8; v++) {
		uint8_t a8 = t8[v & 1], b8 = t8[v >> 1 & 1], a4 = t4[v & 1], b4 = t4[v >> 1 & 1];
		bool sat = v >> 2;

		EMIT("", 8, 8, 16, S32, a8, b8, .sm = 75, .sat = sat);
		EMIT("", 16, 8, 16, S32, a8, b8, .sm = 80, .sat = sat);
		EMIT("", 16, 8, 32, S32, a8, b8, .sm = 80, .sat = sat);
		EMIT("", 8, 8, 32, S32, a4, b4, .sm = 75, .sat = sat);
		EMIT("", 16, 8, 32, S32, a4, b4, .sm = 80, .sat = sat);
		EMIT("", 16, 8, 64, S32, a4, b4, .sm = 80, .sat = sat);
	}
	for (unsigned v = 0; v < 2; v++) {
		EMIT("", 8, 8, 128, S32, IR_T_B1, IR_T_B1, .sm = 80, .bit_and = v);
		EMIT("", 16, 8, 128, S32, IR_T_B1, IR_T_B1, .sm = 80, .bit_and = v);
		EMIT("", 16, 8, 256, S32, IR_T_B1, IR_T_B1, .sm = 80, .bit_and = v);
	}
}

static const uint8_t small[] = { IR_T_E4M3, IR_T_E5M2, IR_T_E3M2, IR_T_E2M3, IR_T_E2M1 };

static void each_fp8(const struct walk *w)
{
	for (unsigned a = 0; a < 5; a++)
		for (unsigned b = 0; b < 5; b++) {
			if (a < 2 && b < 2)
				for (unsigned k = 16; k <= 32; k *= 2) {
					EMIT("", 16, 8, k, F32, small[a], small[b], .sm = 89);
					EMIT("", 16, 8, k, F16, small[a], small[b], .sm = 89);
				}
			EMIT(".kind::f8f6f4", 16, 8, 32, F32, small[a], small[b], .sm = 120, .bits = 8);
			EMIT(".kind::f8f6f4", 16, 8, 32, F16, small[a], small[b], .sm = 120, .bits = 8);
		}
}

static void each_sparse(const struct walk *w)
{
	for (unsigned s = 0; s < 4; s++) {
		EMIT("", 16, 8, 16, F32, IR_T_F16, IR_T_F16, .sm = 80, .sparse = true, .sel = s);
		EMIT("", 16, 8, 16, F16, IR_T_F16, IR_T_F16, .sm = 80, .sparse = true, .sel = s);
		EMIT("", 16, 8, 16, F32, IR_T_BF16, IR_T_BF16, .sm = 80, .sparse = true, .sel = s);
		EMIT("", 16, 8, 8, F32, IR_T_TF32, IR_T_TF32, .sm = 80, .sparse = true, .sel = s);
	}
	for (unsigned s = 0; s < 2; s++) {
		EMIT("", 16, 8, 32, F32, IR_T_F16, IR_T_F16, .sm = 80, .sparse = true, .sel = s);
		EMIT("", 16, 8, 32, F16, IR_T_F16, IR_T_F16, .sm = 80, .sparse = true, .sel = s);
		EMIT("", 16, 8, 32, F32, IR_T_BF16, IR_T_BF16, .sm = 80, .sparse = true, .sel = s);
		EMIT("", 16, 8, 16, F32, IR_T_TF32, IR_T_TF32, .sm = 80, .sparse = true, .sel = s);
		EMIT("", 16, 8, 32, S32, IR_T_S8, IR_T_U8, .sm = 80, .sparse = true, .sel = s);
		EMIT("", 16, 8, 64, S32, IR_T_U4, IR_T_S4, .sm = 80, .sparse = true, .sel = s);
	}
	EMIT("", 16, 8, 64, S32, IR_T_S8, IR_T_S8, .sm = 80, .sparse = true, .sat = true);
	EMIT("", 16, 8, 64, S32, IR_T_U8, IR_T_U8, .sm = 80, .sparse = true);
	EMIT("", 16, 8, 128, S32, IR_T_S4, IR_T_S4, .sm = 80, .sparse = true, .sat = true);
	for (unsigned a = 0; a < 2; a++)
		for (unsigned b = 0; b < 2; b++)
			EMIT("", 16, 8, 64, F32, small[a], small[b], .sm = 89, .sparse = true);
	for (unsigned a = 0; a < 5; a++)
		EMIT(".kind::f8f6f4", 16, 8, 64, F32, small[a], small[4 - a], .sm = 120, .sparse = true, .bits = 8);
}

static void each_scaled(const struct walk *w)
{
	for (unsigned v = 0; v < 4; v++) {
		for (unsigned a = 0; a < 5; a++)
			EMIT(".kind::mxf8f6f4.block_scale.scale_vec::1X", 16, 8, 32, F32, small[a], small[(a + v) % 5], .sm = 120, .bits = 8,
			     .scale_vec = 1, .ts = IR_T_UE8M0, .a_byte = v, .a_thread = v & 1, .b_byte = 3 - v, .b_thread = v);
		EMIT(".kind::mxf4.block_scale.scale_vec::2X", 16, 8, 64, F32, IR_T_E2M1, IR_T_E2M1, .sm = 120, .bits = 4,
		     .scale_vec = 2, .ts = IR_T_UE8M0, .a_byte = v & 2, .a_thread = v & 1, .b_byte = 2 - (v & 2), .b_thread = v);
		EMIT(".kind::mxf4nvf4.block_scale.scale_vec::4X", 16, 8, 64, F32, IR_T_E2M1, IR_T_E2M1, .sm = 120, .bits = 4,
		     .scale_vec = 4, .ts = IR_T_UE4M3, .a_thread = v & 1, .b_thread = v);
		EMIT(".kind::mxf4nvf4.block_scale.scale_vec::2X", 16, 8, 64, F32, IR_T_E2M1, IR_T_E2M1, .sm = 120, .bits = 4,
		     .scale_vec = 2, .ts = IR_T_UE8M0, .a_byte = v & 2, .a_thread = v & 1, .b_byte = 2 - (v & 2), .b_thread = v);
	}
	EMIT(".kind::mxf8f6f4.block_scale", 16, 8, 32, F32, IR_T_E4M3, IR_T_E5M2, .sm = 120, .bits = 8, .scale_vec = 1, .ts = IR_T_UE8M0);
	EMIT(".kind::mxf8f6f4.block_scale.scale_vec::1X", 16, 8, 64, F32, IR_T_E2M1, IR_T_E5M2, .sm = 120, .bits = 8, .sparse = true,
	     .scale_vec = 1, .ts = IR_T_UE8M0, .a_byte = 3, .a_thread = 1, .b_thread = 3);
	EMIT(".kind::mxf4.block_scale.scale_vec::2X", 16, 8, 128, F32, IR_T_E2M1, IR_T_E2M1, .sm = 120, .bits = 4, .sparse = true,
	     .scale_vec = 2, .ts = IR_T_UE8M0, .a_byte = 2, .b_thread = 1);
	EMIT(".kind::mxf4nvf4.block_scale.scale_vec::4X", 16, 8, 128, F32, IR_T_E2M1, IR_T_E2M1, .sm = 120, .bits = 4, .sparse = true,
	     .scale_vec = 4, .ts = IR_T_UE4M3, .a_thread = 1, .b_thread = 2);
}

void mma_forms_each(void (*fn)(const struct mma_form *f, void *ctx), void *ctx)
{
	struct walk w = { fn, ctx };

	each_half(&w);
	each_double(&w);
	each_int(&w);
	each_fp8(&w);
	each_sparse(&w);
	each_scaled(&w);
}

/* ---- wmma ---- */

static unsigned wmma_regs(unsigned elements, uint8_t t, bool half_twice)
{
	return half_twice ? 8 : regs_of(elements, mma_type_bits(t), t);
}

static void wmma_emit(const struct wmma_form *g, void (*fn)(const struct wmma_form *f, void *ctx), void *ctx)
{
	static const char *const rounds[] = { [IR_RND_NONE] = "", [IR_RND_RN] = ".rn", [IR_RND_RZ] = ".rz",
					      [IR_RND_RM] = ".rm", [IR_RND_RP] = ".rp" };
	const char *op = g->ta != IR_T_B1 ? "" : g->bit_and ? ".and.popc" : ".xor.popc";
	struct wmma_form f = *g;
	bool half = f.ta == IR_T_F16;

	f.n_a = (uint8_t)wmma_regs(f.m * f.k, f.ta, half);
	f.n_b = (uint8_t)wmma_regs(f.n * f.k, f.tb, half);
	f.n_c = (uint8_t)wmma_regs(f.m * f.n, f.tc, false);
	f.n_d = (uint8_t)wmma_regs(f.m * f.n, f.td, false);
	if (half)
		snprintf(f.spelling, sizeof(f.spelling), "wmma.mma.sync.aligned.%s.%s.m%un%uk%u.%s.%s%s", f.a_col ? "col" : "row",
			 f.b_col ? "col" : "row", f.m, f.n, f.k, name(f.td), name(f.tc), f.sat ? ".satfinite" : "");
	else
		snprintf(f.spelling, sizeof(f.spelling), "wmma.mma%s.sync.aligned.%s.%s.m%un%uk%u.%s.%s.%s.%s%s%s", op, f.a_col ? "col" : "row",
			 f.b_col ? "col" : "row", f.m, f.n, f.k, name(f.td), name(f.ta), name(f.tb), name(f.tc), rounds[f.round],
			 f.sat ? ".satfinite" : "");
	fn(&f, ctx);
}

#define WMMA(M, N, K, TD, TA, TC, ...) wmma_emit(&(struct wmma_form){ .m = M, .n = N, .k = K, .td = TD, .ta = TA, .tb = TA, .tc = TC, \
	__VA_ARGS__ }, fn, ctx)

void wmma_forms_each(void (*fn)(const struct wmma_form *f, void *ctx), void *ctx)
{
	static const uint8_t shapes[3][2] = { { 16, 16 }, { 32, 8 }, { 8, 32 } };
	static const uint8_t halves[] = { IR_T_F16, IR_T_F32 }, rounds[] = { IR_RND_NONE, IR_RND_RN, IR_RND_RZ, IR_RND_RM, IR_RND_RP };

	for (unsigned v = 0; v < 16; v++) {
		bool a = v & 1, b = v & 2, c = v & 4, d = v & 8;

		for (unsigned s = 0; s < 3; s++) {
			unsigned m = shapes[s][0], n = shapes[s][1];

			for (unsigned h = 0; h < 4; h++)
				WMMA(m, n, 16, halves[h & 1], IR_T_F16, halves[h >> 1], .sm = 70, .a_col = a, .b_col = b, .c_col = c, .d_col = d);
			WMMA(m, n, 16, IR_T_F32, IR_T_BF16, IR_T_F32, .sm = 80, .a_col = a, .b_col = b, .c_col = c, .d_col = d);
			WMMA(m, n, 16, IR_T_S32, IR_T_S8, IR_T_S32, .sm = 72, .a_col = a, .b_col = b, .c_col = c, .d_col = d, .sat = c);
			WMMA(m, n, 16, IR_T_S32, IR_T_U8, IR_T_S32, .sm = 72, .a_col = a, .b_col = b, .c_col = c, .d_col = d, .sat = d);
		}
		WMMA(16, 16, 8, IR_T_F32, IR_T_TF32, IR_T_F32, .sm = 80, .a_col = a, .b_col = b, .c_col = c, .d_col = d);
		WMMA(8, 8, 4, IR_T_F64, IR_T_F64, IR_T_F64, .sm = 80, .a_col = a, .b_col = b, .c_col = c, .d_col = d,
		     .round = rounds[v % ARRAY_SIZE(rounds)]);
	}
	for (unsigned v = 0; v < 4; v++) {
		WMMA(8, 8, 32, IR_T_S32, IR_T_S4, IR_T_S32, .sm = 75, .b_col = true, .c_col = v & 1, .d_col = v & 2, .sat = v & 1);
		WMMA(8, 8, 32, IR_T_S32, IR_T_U4, IR_T_S32, .sm = 75, .b_col = true, .c_col = v & 1, .d_col = v & 2, .sat = v & 2);
		WMMA(8, 8, 128, IR_T_S32, IR_T_B1, IR_T_S32, .sm = v == 3 ? 80 : 75, .b_col = true, .c_col = v & 1, .d_col = v & 2, .bit_and = v == 3);
	}
}

/* ---- text ---- */

struct text {
	char *buf;
	size_t size, n;
};

static VGPU_PRINTF(2, 3) void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->buf + MIN(t->n, t->size), t->size - MIN(t->n, t->size), fmt, ap);
	va_end(ap);
	t->n += (size_t)MAX(n, 0);
}

static size_t finish(const struct text *t)
{
	return t->n < t->size ? t->n : 0;
}

size_t mma_ptx_header(char *buf, size_t size, unsigned sm)
{
	struct text t = { buf, size, 0 };

	put(&t, ".version %s\n.target sm_%u%s\n.address_size 64\n", sm >= 120 ? "9.0" : sm >= 90 ? "8.7" : "8.4", MAX(sm, 75u), sm >= 120 ? "a" : "");
	return finish(&t);
}

static char class_of(uint8_t t)
{
	return t == IR_T_F64 ? 'd' : t == IR_T_F32 ? 'f' : 'r';
}

static void put_list(struct text *t, char cls, char letter, unsigned n)
{
	put(t, "{");
	for (unsigned k = 0; k < n; k++)
		put(t, "%s%%%c%c%u", k ? ", " : "", cls, letter, k);
	put(t, "}");
}

static const char *width_of(char cls)
{
	return cls == 'd' ? "f64" : cls == 'f' ? "f32" : "b32";
}

static void put_loads(struct text *t, char cls, char letter, unsigned n, unsigned *row)
{
	for (unsigned k = 0; k < n; k++, ++*row)
		put(t, "ld.global.%s %%%c%c%u, [%%rd2+%u];\n", width_of(cls), cls, letter, k, *row * 256);
}

static void put_regs(struct text *t)
{
	put(t, ".reg .b32 %%ra<9>, %%rb<9>, %%rc<9>, %%rD<9>, %%rx<9>;\n.reg .f32 %%fc<9>, %%fD<9>;\n"
	    ".reg .f64 %%da<9>, %%db<9>, %%dc<9>, %%dD<9>;\n.reg .b64 %%rd<16>;\n.reg .pred %%p<4>;\n");
}

size_t mma_ptx_kernel(char *buf, size_t size, const struct mma_form *f, const char *entry)
{
	struct text t = { buf, size, 0 };
	char ca = f->ta == IR_T_F64 ? 'd' : 'r', cc = class_of(f->tc), cd = class_of(f->td);
	unsigned row = 0;

	put(&t, ".visible .entry %s(.param .u64 in, .param .u64 out)\n{\n", entry);
	put_regs(&t);
	put(&t, "mov.u32 %%rx0, %%ctaid.x; mov.u32 %%rx1, %%tid.x; mul.wide.u32 %%rd1, %%rx1, 8;\n"
	    "mul.wide.u32 %%rd3, %%rx0, %u; ld.param.u64 %%rd2, [in]; add.u64 %%rd2, %%rd2, %%rd1; add.u64 %%rd2, %%rd2, %%rd3;\n"
	    "mul.wide.u32 %%rd4, %%rx0, %u; ld.param.u64 %%rd5, [out]; add.u64 %%rd5, %%rd5, %%rd1; add.u64 %%rd5, %%rd5, %%rd4;\n",
	    f->n_in * 256u, f->n_d * 256u);
	put_loads(&t, ca, 'a', f->n_a, &row);
	put_loads(&t, ca, 'b', f->n_b, &row);
	put_loads(&t, cc, 'c', f->n_c, &row);
	put_loads(&t, 'r', 'x', f->sparse + (f->scale_vec ? 2 : 0), &row);
	put(&t, "%s ", f->spelling);
	put_list(&t, cd, 'D', f->n_d);
	put(&t, ", ");
	put_list(&t, ca, 'a', f->n_a);
	put(&t, ", ");
	put_list(&t, ca, 'b', f->n_b);
	put(&t, ", ");
	put_list(&t, cc, 'c', f->n_c);
	if (f->sparse)
		put(&t, ", %%rx0, %u", f->sel);
	if (f->scale_vec)
		put(&t, ", %%rx%u, {%u, %u}, %%rx%u, {%u, %u}", f->sparse, f->a_byte, f->a_thread, f->sparse + 1, f->b_byte, f->b_thread);
	put(&t, ";\n");
	for (unsigned k = 0; k < f->n_d; k++)
		put(&t, "st.global.%s [%%rd5+%u], %%%cD%u;\n", width_of(cd), k * 256, cd, k);
	put(&t, "ret;\n}\n");
	return finish(&t);
}

static const char *shape_type(const struct wmma_form *f, char which)
{
	return name(which == 'a' ? f->ta : which == 'b' ? f->tb : which == 'c' ? f->tc : f->td);
}

static const char *row_col(bool col)
{
	return col ? "col" : "row";
}

/* wmma's f16 fragments are b32 registers; its f32 and f64 ones are floats. */
static char wmma_class(const struct wmma_form *f, char which)
{
	return class_of(which == 'a' ? f->ta : which == 'b' ? f->tb : which == 'c' ? f->tc : f->td);
}

static void put_wmma_load(struct text *t, const struct wmma_form *f, char which, const char *space, const char *addr, const char *stride)
{
	bool col = which == 'a' ? f->a_col : which == 'b' ? f->b_col : f->c_col;

	put(t, "wmma.load.%c.sync.aligned.%s.m%un%uk%u%s.%s ", which, row_col(col), f->m, f->n, f->k, space, shape_type(f, which));
	put_list(t, wmma_class(f, which), which, which == 'a' ? f->n_a : which == 'b' ? f->n_b : f->n_c);
	put(t, ", [%s], %s;\n", addr, stride);
}

/* Copies 4096 bytes between the global %rdN and sh + off, by all lanes. */
static void put_copy(struct text *t, unsigned ptr, unsigned off, bool to_shared)
{
	for (unsigned k = 0; k < 4096; k += 512) {
		put(t, "add.u64 %%rd10, %%rd%u, %%rd9;\n", ptr);
		if (to_shared)
			put(t, "ld.global.v4.b32 {%%rx0, %%rx1, %%rx2, %%rx3}, [%%rd10+%u]; st.shared.v4.b32 [%%rx8+%u], {%%rx0, %%rx1, %%rx2, %%rx3};\n",
			    k, off + k);
		else
			put(t, "ld.shared.v4.b32 {%%rx0, %%rx1, %%rx2, %%rx3}, [%%rx8+%u]; st.global.v4.b32 [%%rd10+%u], {%%rx0, %%rx1, %%rx2, %%rx3};\n",
			    off + k, k);
	}
}

size_t wmma_ptx_kernel(char *buf, size_t size, const struct wmma_form *f, const char *entry, const char *space)
{
	static const char *const global[] = { "%rd1", "%rd2", "%rd3", "%rd4" }, *const shared[] = { "sh", "sh+4096", "sh+8192", "sh+12288" };
	bool sh = !strcmp(space, ".shared");
	const char *const *addr = sh ? shared : global;
	struct text t = { buf, size, 0 };

	put(&t, ".visible .entry %s(.param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d, .param .u32 lda, .param .u32 ldb, "
	    ".param .u32 ldc, .param .u32 ldd)\n{\n", entry);
	put_regs(&t);
	put(&t, ".reg .b32 %%ld<5>;\n.shared .align 32 .b8 sh[16384];\n");
	for (unsigned k = 0; k < 4; k++)
		put(&t, "ld.param.u64 %%rd%u, [%c]; ld.param.u32 %%ld%u, [ld%c];\n", k + 1, "abcd"[k], k + 1, "abcd"[k]);
	if (sh) {
		put(&t, "mov.u32 %%rx7, %%tid.x; shl.b32 %%rx7, %%rx7, 4; cvt.u64.u32 %%rd9, %%rx7; mov.u32 %%rx8, sh; add.u32 %%rx8, %%rx8, %%rx7;\n");
		for (unsigned k = 0; k < 4; k++)
			put_copy(&t, k + 1, 4096 * k, true);
		put(&t, "bar.warp.sync -1;\n");
	}
	put_wmma_load(&t, f, 'a', space, addr[0], "%ld1");
	put_wmma_load(&t, f, 'b', space, addr[1], "%ld2");
	put_wmma_load(&t, f, 'c', space, addr[2], "%ld3");
	put(&t, "%s ", f->spelling);
	put_list(&t, wmma_class(f, 'd'), 'D', f->n_d);
	put(&t, ", ");
	put_list(&t, wmma_class(f, 'a'), 'a', f->n_a);
	put(&t, ", ");
	put_list(&t, wmma_class(f, 'b'), 'b', f->n_b);
	put(&t, ", ");
	put_list(&t, wmma_class(f, 'c'), 'c', f->n_c);
	put(&t, ";\nwmma.store.d.sync.aligned.%s.m%un%uk%u%s.%s [%s], ", row_col(f->d_col), f->m, f->n, f->k, space, name(f->td), addr[3]);
	put_list(&t, wmma_class(f, 'd'), 'D', f->n_d);
	put(&t, ", %%ld4;\n");
	if (sh) {
		put(&t, "bar.warp.sync -1;\n");
		put_copy(&t, 4, 12288, false);
	}
	put(&t, "ret;\n}\n");
	return finish(&t);
}

size_t wmma_ptx_frag(char *buf, size_t size, const struct wmma_form *f, char operand, const char *entry)
{
	struct text t = { buf, size, 0 };
	char cls = wmma_class(f, operand);
	unsigned n = operand == 'a' ? f->n_a : operand == 'b' ? f->n_b : f->n_c;

	put(&t, ".visible .entry %s(.param .u64 x, .param .u64 out, .param .u32 stride)\n{\n", entry);
	put_regs(&t);
	put(&t, "ld.param.u64 %%rd1, [x]; ld.param.u32 %%rx2, [stride];\n"
	    "mov.u32 %%rx1, %%tid.x; mul.wide.u32 %%rd3, %%rx1, 8; ld.param.u64 %%rd5, [out]; add.u64 %%rd5, %%rd5, %%rd3;\n");
	put_wmma_load(&t, f, operand, ".global", "%rd1", "%rx2");
	for (unsigned k = 0; k < n; k++)
		put(&t, "st.global.%s [%%rd5+%u], %%%c%c%u;\n", width_of(cls), k * 256, cls, operand, k);
	put(&t, "ret;\n}\n");
	return finish(&t);
}

/* ---- values ---- */

uint64_t mma_rand(struct mma_rand *r)
{
	uint64_t z = r->s += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

struct layout { uint8_t exp, man; };

static struct layout layout_of(uint8_t t)
{
	switch (t) {
	case IR_T_F16: return (struct layout){ 5, 10 };
	case IR_T_BF16: return (struct layout){ 8, 7 };
	case IR_T_F32: case IR_T_TF32: return (struct layout){ 8, 23 };
	case IR_T_F64: return (struct layout){ 11, 52 };
	case IR_T_E4M3: return (struct layout){ 4, 3 };
	case IR_T_E5M2: return (struct layout){ 5, 2 };
	case IR_T_E3M2: return (struct layout){ 3, 2 };
	case IR_T_E2M3: return (struct layout){ 2, 3 };
	case IR_T_E2M1: return (struct layout){ 2, 1 };
	default: return (struct layout){ 0, 0 };
	}
}

/* How the values of one warp are spread. */
struct spread {
	bool raw;                  /* any bits, infinities and NaN too */
	int center, width;         /* biased exponents center ± width, clamped to finite ones */
	unsigned zero_in;          /* one of so many is zero; 0: none */
	bool coarse;               /* few significant bits */
};

static uint64_t value(struct mma_rand *r, uint8_t t, const struct spread *s)
{
	struct layout l = layout_of(t);
	uint64_t v = mma_rand(r), top = (1u << l.exp) - (t == IR_T_F16 || t == IR_T_BF16 || t == IR_T_F32 || t == IR_T_TF32 || t == IR_T_F64 ||
						       t == IR_T_E5M2 ? 2 : 1);
	uint64_t man = v & ((UINT64_C(1) << l.man) - 1), sign = v >> 63;
	int64_t e = s->center + (int64_t)(mma_rand(r) % (uint64_t)(2 * s->width + 1)) - s->width;

	if (!l.exp || s->raw)
		return v;
	if (s->zero_in && mma_rand(r) % s->zero_in == 0)
		return sign << (l.exp + l.man);
	if (s->coarse)
		man &= (UINT64_C(3) << l.man) >> 2;
	e = MAX(e, 0);
	e = (uint64_t)e > top ? (int64_t)top : e;
	if (t == IR_T_E4M3 && e == 15 && man == 7)
		man = 6;
	return sign << (l.exp + l.man) | (uint64_t)e << l.man | man;
}

/* A register's worth of elements. */
static uint64_t pack(struct mma_rand *r, uint8_t t, unsigned bits, const struct spread *s)
{
	uint64_t v = 0;
	unsigned n = t == IR_T_F64 ? 1 : 32 / bits;

	if (!layout_of(t).exp)
		return (uint32_t)mma_rand(r);
	for (unsigned k = 0; k < n; k++) {
		uint64_t x = value(r, t, s);

		if (t == IR_T_F64)
			return x;
		if (bits == 8 && t == IR_T_E2M1)      /* in the middle of its byte */
			x = (x & 15) << 2;
		v |= (x & (bits == 32 ? 0xffffffff : (1u << bits) - 1)) << (k * bits);
	}
	return v;
}

static struct spread spread_of(uint8_t t, unsigned kind, struct mma_rand *r)
{
	int bias = layout_of(t).exp ? (1 << (layout_of(t).exp - 1)) - 1 : 0;
	int jump = bias ? (int)(mma_rand(r) % (unsigned)bias) - bias / 2 : 0;

	switch (kind % 8) {
	case 0: return (struct spread){ .center = bias, .width = 1 };
	case 1: return (struct spread){ .center = bias + jump, .width = 3 };
	case 2: return (struct spread){ .center = bias, .width = 2 * bias };
	case 3: return (struct spread){ .raw = true };
	case 4: return (struct spread){ .center = bias + jump, .width = 5, .zero_in = 2 };
	case 5: return (struct spread){ .center = bias, .width = bias / 2, .coarse = true, .zero_in = 8 };
	case 6: return (struct spread){ .center = 1, .width = 2, .zero_in = 16 };
	default: return (struct spread){ .center = bias, .width = 6, .zero_in = 3 };
	}
}

/* Four bits for each group of four (two) columns: two different positions, in order; tf32 has two patterns. */
static uint64_t metadata(const struct mma_form *f, struct mma_rand *r)
{
	static const uint8_t pairs[] = { 0x4, 0x8, 0xc, 0x9, 0xd, 0xe };
	uint64_t v = 0;

	for (unsigned k = 0; k < 8; k++)
		v |= (uint64_t)(f->ta == IR_T_TF32 ? (mma_rand(r) & 1 ? 0x4 : 0xe) : pairs[mma_rand(r) % 6]) << (4 * k);
	return v;
}

static uint64_t scales(const struct mma_form *f, struct mma_rand *r, unsigned warp)
{
	uint64_t v = 0;

	for (unsigned k = 0; k < 4; k++) {
		uint64_t b = mma_rand(r);

		if (f->ts == IR_T_UE8M0)
			b = warp % 8 == 3 && b % 64 == 0 ? 255 : 127 + b % 21 - 10;
		else
			b = warp % 8 == 3 && b % 64 == 0 ? 127 : b % 127;
		v |= (b & 255) << (8 * k);
	}
	return v;
}

void mma_fill(const struct mma_form *f, unsigned warp, uint64_t *rows)
{
	struct mma_rand r = { .s = 0x5eed };
	struct spread a, b, c;
	unsigned n = 0;

	for (const char *p = f->spelling; *p; p++)
		r.s = r.s * 31 + (uint8_t)*p;
	r.s += (uint64_t)warp << 32 | f->sel;
	a = spread_of(f->ta, warp, &r);
	b = spread_of(f->tb, warp, &r);
	c = spread_of(f->tc, warp == 3 ? warp : warp + (unsigned)(mma_rand(&r) % 2) * 4, &r);
	for (unsigned k = 0; k < f->n_a; k++)
		for (unsigned l = 0; l < 32; l++)
			rows[32 * n + 32 * k + l] = pack(&r, f->ta, f->bits, &a);
	n += f->n_a;
	for (unsigned k = 0; k < f->n_b; k++)
		for (unsigned l = 0; l < 32; l++)
			rows[32 * n + 32 * k + l] = pack(&r, f->tb, f->bits, &b);
	n += f->n_b;
	for (unsigned k = 0; k < f->n_c; k++)
		for (unsigned l = 0; l < 32; l++)
			rows[32 * n + 32 * k + l] = pack(&r, f->tc, f->tc == IR_T_F16 ? 16 : 32, &c);
	n += f->n_c;
	for (unsigned l = 0; f->sparse && l < 32; l++)
		rows[32 * n + l] = metadata(f, &r);
	n += f->sparse;
	for (unsigned k = 0; f->scale_vec && k < 2; k++)
		for (unsigned l = 0; l < 32; l++)
			rows[32 * (n + k) + l] = scales(f, &r, warp);
}

/* One matrix in memory: elements in the order of their bits. */
static void fill_matrix(struct mma_rand *r, uint8_t t, unsigned kind, uint8_t *p, size_t bytes)
{
	struct spread s = spread_of(t, kind, r);
	unsigned bits = mma_type_bits(t), size = t == IR_T_F64 ? 8 : 4;

	for (size_t k = 0; k < bytes; k += size) {
		uint64_t v = pack(r, t, bits, &s);

		memcpy(p + k, &v, size);
	}
}

void wmma_fill(const struct wmma_form *f, unsigned kind, uint8_t *a, uint8_t *b, uint8_t *c)
{
	struct mma_rand r = { .s = 0x5eed };

	for (const char *p = f->spelling; *p; p++)
		r.s = r.s * 31 + (uint8_t)*p;
	r.s += (uint64_t)kind << 32 | (unsigned)(2 * f->c_col + f->d_col);
	fill_matrix(&r, f->ta, kind, a, WMMA_BYTES);
	fill_matrix(&r, f->tb, kind, b, WMMA_BYTES);
	fill_matrix(&r, f->tc, kind, c, WMMA_BYTES);
}
