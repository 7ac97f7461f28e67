/* t/431: PTX's texture and surface instructions on each backend: operands, handles and variables, faults. */
#include <string.h>

#include "backend/tex.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define HEAD ".version 8.3\n.target sm_90\n.address_size 64\n"
#define REGS ".reg .pred %p<4>; .reg .b16 %rs<9>; .reg .b32 %r<33>; .reg .b64 %rd<9>; .reg .f32 %f<17>;\n"
#define TID "mov.u32 %r0, %tid.x; ld.param.u64 %rd0, [out]; mul.wide.u32 %rd1, %r0, 64; add.u64 %rd0, %rd0, %rd1; ld.param.u64 %rd2, [tex];\n"
#define KERNEL(name, body) ".visible .entry " name "(.param .u64 tex, .param .u64 out)\n{\n" REGS TID body "ret;\n}\n"
#define F4 "{%f1, %f2, %f3, %f4}"
#define ST4 "st.global.v4.f32 [%rd0], " F4 ";\n"

static const char text[] = HEAD
".global .texref tr;\n"
".global .surfref sr;\n"
KERNEL("tex2d",
	"cvt.rn.f32.u32 %f5, %r0; mul.f32 %f5, %f5, 0f3f000000; mov.f32 %f6, 0f3fc00000;\n"
	"tex.2d.v4.f32.f32 " F4 ", [%rd2, {%f5, %f6}];\n" ST4
	"tex.2d.v4.f32.s32 {%f1, _, _, %f4}|%p1, [%rd2, {%r0, 1}]; selp.f32 %f2, 0f3f800000, 0f00000000, %p1;\n"
	"st.global.v4.f32 [%rd0+16], " F4 ";\n"
	"tex.level.2d.v4.f32.f32 " F4 ", [%rd2, {%f6, %f6}], %f5, {1, 1}; st.global.v4.f32 [%rd0+32], " F4 ";\n"
	"tld4.r.2d.v4.f32.f32 " F4 ", [%rd2, {%f6, %f6}]; st.global.v4.f32 [%rd0+48], " F4 ";\n")
KERNEL("inplace",
	"cvt.rn.f32.u32 %f1, %r0; add.f32 %f1, %f1, 0f3f000000; mov.f32 %f2, 0f3f000000; setp.lt.u32 %p1, %r0, 5;\n"
	"@%p1 tex.2d.v4.f32.f32 " F4 ", [%rd2, {%f1, %f2}];\n" ST4)
KERNEL("var",
	"mov.f32 %f5, 0f3f000000; mov.u64 %rd3, tr;\n"
	"tex.2d.v4.f32.f32 " F4 ", [tr, {%f5, %f5}]; tex.2d.v4.f32.f32 {%f5, %f6, %f7, %f8}, [%rd3, {%f5, %f5}]; mov.f32 %f2, %f5;\n" ST4
	"mov.u32 %r1, 7; sust.b.2d.b32.trap [sr, {4, 0}], %r1; suld.b.2d.b32.trap %r2, [sr, {4, 0}]; st.global.u32 [%rd0+16], %r2;\n")
KERNEL("lanes", /* an array of handles: a texture of its own for each lane */
	"mul.wide.u32 %rd3, %r0, 8; add.u64 %rd2, %rd2, %rd3; ld.global.u64 %rd2, [%rd2]; mov.f32 %f5, 0f3f000000;\n"
	"tex.2d.v4.f32.f32 " F4 ", [%rd2, {%f5, %f5}];\n" ST4
	"txq.width.b32 %r1, [%rd2]; txq.height.b32 %r2, [%rd2]; st.global.v2.u32 [%rd0+16], {%r1, %r2};\n")
KERNEL("query",
	"txq.width.b32 %r1, [%rd2]; txq.height.b32 %r2, [%rd2]; txq.depth.b32 %r3, [%rd2]; txq.num_mipmap_levels.b32 %r4, [%rd2];\n"
	"st.global.v4.u32 [%rd0], {%r1, %r2, %r3, %r4};\n"
	"txq.level.width.b32 %r1, [%rd2], 1; suq.width.b32 %r2, [%rd2]; txq.normalized_coords.b32 %r3, [%rd2]; txq.array_size.b32 %r4, [%rd2];\n"
	"st.global.v4.u32 [%rd0+16], {%r1, %r2, %r3, %r4};\n")
KERNEL("half",
	"mov.f32 %f5, 0f3f000000; tex.2d.v2.f16x2.f32 {%r1, %r2}, [%rd2, {%f5, %f5}]; st.global.v2.u32 [%rd0], {%r1, %r2};\n"
	"tex.2d.v4.f16.f32 {%rs1, %rs2, %rs3, %rs4}, [%rd2, {%f5, %f5}]; st.global.v4.u16 [%rd0+8], {%rs1, %rs2, %rs3, %rs4};\n")
KERNEL("surf", /* each lane adds 1 to its byte of row 1, reads a pair of rows across its ends */
	"suld.b.2d.b8.trap {%rs1}, [%rd2, {%r0, 1}]; add.u16 %rs1, %rs1, 1; sust.b.2d.b8.trap [%rd2, {%r0, 1}], {%rs1};\n"
	"shl.b32 %r1, %r0, 2; sub.u32 %r1, %r1, 8; suld.b.2d.b32.clamp %r2, [%rd2, {%r1, -3}]; suld.b.2d.b32.zero %r3, [%rd2, {%r1, 0}];\n"
	"st.global.v2.u32 [%rd0], {%r2, %r3}; sust.b.2d.b32.zero [%rd2, {%r1, 2}], %r0;\n")
KERNEL("format",
	"cvt.rn.f32.u32 %f1, %r0; mul.f32 %f1, %f1, 0f42000000; sust.p.2d.v4.f32.zero [%rd2, {%r0, 0}], {%f1, %f1, %f1, %f1};\n"
	"mul.lo.u32 %r1, %r0, 100; sust.p.2d.v4.u32.zero [%rd2, {%r0, 1}], {%r1, %r0, %r1, %r0};\n")
KERNEL("reduce",
	"and.b32 %r1, %r0, 3; shl.b32 %r2, %r1, 2; sured.b.add.2d.u32.trap [%rd2, {%r2, 0}], %r0; sured.p.max.2d.b32.trap [%rd2, {%r1, 1}], %r0;\n"
	"sured.b.min.2d.s32.clamp [%rd2, {%r2, 2}], %r0; sured.b.or.2d.b32.zero [%rd2, {%r2, 9}], %r0;\n")
KERNEL("trap", "suld.b.2d.b32.trap %r2, [%rd2, {16, 0}]; st.global.u32 [%rd0], %r2;\n")
KERNEL("crooked", "suld.b.2d.b32.trap %r2, [%rd2, {2, 0}]; st.global.u32 [%rd0], %r2;\n")
KERNEL("depth", "mov.f32 %f5, 0f3f000000; tex.2d.v4.f32.f32 " F4 ", [%rd2, {%f5, %f5}], %f5;\n" ST4);

struct args { uint64_t tex; void *out; };

static struct tex_table tab;

static uint64_t texture(struct kt *t, struct tex_obj *o, uint8_t chan, uint8_t channels, uint32_t w, uint32_t h, void **mem)
{
	static const uint8_t chan_B[] = { 1, 1, 2, 2, 4, 4, 2, 4 };
	uint64_t h_, pitch = (uint64_t)w * chan_B[chan] * channels;

	memset(o, 0, sizeof(*o));
	*o = (struct tex_obj){ .dims = 2, .chan = chan, .channels = channels, .n_levels = 1, .addr = { TEX_CLAMP, TEX_CLAMP, TEX_CLAMP } };
	*mem = kt_alloc(t, pitch * h);
	o->level[0] = (struct tex_level){ .addr = (uint64_t)(uintptr_t)*mem, .pitch = pitch, .w = w, .h = h, .d = 1 };
	if (tex_obj_check(o, t->s.window, t->s.window_size, &t->err))
		bail("%s", t->err.text);
	h_ = tex_add(&tab, o);
	t->s.textures = &tab;
	return h_;
}

static void test_tex(struct kt *t, struct args *p, const char *be)
{
	float *f = p->out, *m;
	struct tex_obj o;
	unsigned bad = 0;

	p->tex = texture(t, &o, TEX_F32, 1, 4, 4, (void **)&m);
	for (int i = 0; i < 16; i++)
		m[i] = (float)i;
	is_int(KT_RUN(t, "tex2d", KT1(1), KT1(40), *p), BE_RUN_DONE, "%s: tex, tld4", be);
	for (int l = 0; l < 40; l++, f += 16) {
		int x = l / 2 > 3 ? 3 : l / 2;

		bad += f[0] != (float)(4 + x) || f[1] || f[2] || f[3];
		bad += f[4] != (float)(4 + (l > 3 ? 3 : l)) || f[5] != 1.0f;
		bad += f[8] != 10;
		bad += f[12] != 9 || f[13] != 10 || f[14] != 6 || f[15] != 5;
	}
	is_int(bad, 0, "%s: floats, numbers, level and offset, gather", be);
	is_int(KT_RUN(t, "inplace", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: results over coordinates", be);
	f = p->out;
	for (int l = 0; l < 32; l++, f += 16)
		bad += l < 5 ? f[0] != (float)(l > 3 ? 3 : l) || f[1] : f[0] != (float)l + 0.5f || f[1] != 0.5f;
	is_int(bad, 0, "%s: under a guard", be);
	is_int(KT_RUN(t, "half", KT1(1), KT1(1), *p), BE_RUN_DONE, "%s: f16 results", be);
	is_int(kt_check(t, "depth"), -VGPU_E_INVALID_PTX, "%s: depth comparison is refused", be);
	ok(strstr(t->err.text, "depth comparison") != NULL, "%s: in words: %s", be, t->err.text);
	tex_remove(&tab, p->tex);
	is_int(KT_RUN(t, "tex2d", KT1(1), KT1(1), *p), BE_RUN_FAULT, "%s: a texture that is gone", be);
	is_int(t->fault.status, VGPU_E_ILLEGAL_ADDRESS, "%s: is a fault", be);
	ok(strstr(t->fault.text, "no texture object") != NULL, "%s: in words: %s", be, t->fault.text);
	t->cancel = 0;
}

static void test_handles(struct kt *t, struct args *p, const char *be)
{
	uint64_t *h = kt_alloc(t, 40 * 8);
	struct tex_obj o[4];
	uint32_t *w = p->out;
	float *f = p->out, *m[4];
	unsigned bad = 0;
	void *s;

	for (int k = 0; k < 3; k++) {
		uint64_t one = texture(t, &o[k], TEX_F32, 1, 3 + (uint32_t)k, 2, (void **)&m[k]);

		m[k][0] = 10.0f + (float)k;
		for (int l = k; l < 40; l += 3)
			h[l] = one;
	}
	p->tex = (uint64_t)(uintptr_t)h;
	is_int(KT_RUN(t, "lanes", KT1(1), KT1(40), *p), BE_RUN_DONE, "%s: a texture for each lane", be);
	for (int l = 0; l < 40; l++)
		bad += f[16 * l] != 10.0f + (float)(l % 3) || w[16 * l + 4] != 3u + (uint32_t)l % 3 || w[16 * l + 5] != 2;
	is_int(bad, 0, "%s: its own", be);
	memcpy(kt_var(t, "tr"), &h[1], 8);
	h[0] = texture(t, &o[3], TEX_U32, 1, 4, 4, &s);
	o[3].surface = true;
	memcpy(kt_var(t, "sr"), &h[0], 8);
	is_int(KT_RUN(t, "var", KT1(1), KT1(3), *p), BE_RUN_DONE, "%s: variables", be);
	/* the second fetch reads through the variable's address */
	ok(f[0] == 11 && f[1] == 11 && w[4] == 7 && ((uint32_t *)s)[1] == 7, "%s: by name and by address", be);
	p->tex = h[1];
	is_int(KT_RUN(t, "trap", KT1(1), KT1(1), *p), BE_RUN_FAULT, "%s: a texture is no surface", be);
	t->cancel = 0;
	p->tex = h[0];
	o[3].n_levels = 2;
	o[3].level[1] = o[3].level[0];
	o[3].level[1].w = 2;
	is_int(KT_RUN(t, "query", KT1(1), KT1(1), *p), BE_RUN_DONE, "%s: queries", be);
	ok(w[0] == 4 && w[1] == 4 && w[2] == 0 && w[3] == 2 && w[4] == 2 && w[5] == 4 && w[6] == 0 && w[7] == 0, "%s: answers", be);
	p->tex = 0;
	is_int(KT_RUN(t, "query", KT1(1), KT1(1), *p), BE_RUN_FAULT, "%s: 0 is no texture", be);
	t->cancel = 0;
}

static void test_surf(struct kt *t, struct args *p, const char *be)
{
	uint32_t *w = p->out, *m;
	struct tex_obj o, o8;
	unsigned bad = 0;
	uint8_t *m8;

	p->tex = texture(t, &o, TEX_U32, 1, 8, 4, (void **)&m);
	o.surface = true;
	for (int i = 0; i < 32; i++)
		m[i] = (uint32_t)i * 0x01010101u;
	is_int(KT_RUN(t, "surf", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: suld, sust", be);
	for (int i = 0; i < 32; i++) {
		int x = i - 2;

		bad += w[16 * i] != (uint32_t)(x < 0 ? 0 : x > 7 ? 7 : x) * 0x01010101u;
		bad += w[16 * i + 1] != (x < 0 || x > 7 ? 0 : (uint32_t)x * 0x01010101u);
		bad += ((uint8_t *)m)[32 + i] != i / 4 + 9;
		bad += x >= 0 && x < 8 && m[16 + x] != (uint32_t)i;
	}
	is_int(bad, 0, "%s: trap, clamp and zero", be);
	is_int(m[24], 24 * 0x01010101, "%s: the row behind is untouched", be);
	p->tex = texture(t, &o8, TEX_U8, 4, 20, 2, (void **)&m8);
	o8.surface = true;
	is_int(KT_RUN(t, "format", KT1(1), KT1(32), *p), BE_RUN_DONE, "%s: sust.p", be);
	for (int x = 0; x < 20; x++) {
		bad += m8[4 * x] != (32 * x > 255 ? 255 : 32 * x) || m8[4 * x + 3] != m8[4 * x];
		bad += m8[80 + 4 * x] != (100 * x > 255 ? 255 : 100 * x) || m8[80 + 4 * x + 1] != x;
	}
	is_int(bad, 0, "%s: values are converted and limited", be);
	p->tex = texture(t, &o, TEX_U32, 1, 4, 3, (void **)&m);
	o.surface = true;
	memset(m, 0, 32);
	memset(m + 8, 0x7f, 16);
	is_int(KT_RUN(t, "reduce", KT1(2), KT1(64), *p), BE_RUN_DONE, "%s: sured", be);
	for (uint32_t x = 0; x < 4; x++)
		bad += m[x] != 2 * (16 * x + 480) || m[4 + x] != 60 + x || m[8 + x] != x;
	is_int(bad, 0, "%s: sums, greatest and least", be);
	is_int(KT_RUN(t, "trap", KT1(1), KT1(1), *p), BE_RUN_FAULT, "%s: outside", be);
	ok(t->fault.status == VGPU_E_ILLEGAL_ADDRESS && strstr(t->fault.text, "(16, 0, 0)"), "%s: a fault: %s", be, t->fault.text);
	t->cancel = 0;
	is_int(KT_RUN(t, "crooked", KT1(1), KT1(1), *p), BE_RUN_FAULT, "%s: between texels", be);
	is_int(t->fault.status, VGPU_E_MISALIGNED, "%s: another fault", be);
	t->cancel = 0;
}

static void run(const char *be, void (*test)(struct kt *, struct args *, const char *))
{
	struct args p;
	struct kt t;

	kt_must_open(&t, be, text);
	p.out = kt_alloc(&t, 128 * 64);
	memset(&tab, 0, sizeof(tab));
	test(&t, &p, be);
	tex_table_fini(&tab);
	kt_close(&t);
}

int main(void)
{
	plan_lazy();
	for (const char *const *be = kt_backends(); *be; be++) {
		run(*be, test_tex);
		run(*be, test_handles);
		run(*be, test_surf);
	}
	return 0;
}
