/*
 * 432-tex-gpu: the sampler against a real GPU, on random textures and some that show one thing each. Not run by default: it
 * needs NVIDIA's driver. Prints how far results are apart, by geometry, filter and format, and the first of each.
 *
 *	usage: 432-tex-gpu [-w FILE] [textures of each geometry]      -w: keeps the GPU's results
 *	       432-tex-gpu -r FILE [textures of each geometry]        against kept ones, without a GPU; as many textures
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "libcuda-vgpu/cu_abi.h"
#include "t/lib/tex_random.h"

#define LANES 1024
#define PRINTED 3

#define DRIVER(X)                                                                                  \
	X(cuInit) X(cuCtxCreate_v2) X(cuModuleLoadData) X(cuModuleGetFunction) X(cuMemAlloc_v2) X(cuMemcpyHtoD_v2) \
	X(cuMemcpyDtoH_v2) X(cuLaunchKernel) X(cuCtxSynchronize) X(cuArray3DCreate_v2) X(cuArrayDestroy) X(cuMemcpy3D_v2)  \
	X(cuMipmappedArrayCreate) X(cuMipmappedArrayGetLevel) X(cuMipmappedArrayDestroy) X(cuTexObjectCreate) X(cuTexObjectDestroy)

#define CU_FN(base, ver, since, flags, params, args) CUresult cu##base##ver params;
#define CU_FN_PT(base, ver, since, pt, pt_since, flags, params, args) CUresult cu##base##ver params;
#include "libcuda-vgpu/api/api.def"
#undef CU_FN
#undef CU_FN_PT

static struct {
#define X(f) __typeof__(f) *f;
	DRIVER(X)
#undef X
} cu;

#define CK(call)                                                             \
	do {                                                                 \
		CUresult ck = cu.call;                                       \
		if (ck)                                                      \
			bail("%s: %d", #call, ck);                           \
	} while (0)

static const char *const shape_names[] = { "1d", "2d", "3d", "a1d", "a2d", "cube", "acube" };

static CUmodule mod;
static CUdeviceptr dev;          /* layer, x, y, z, lod: rows of LANES; then the results, four in a row */

struct lanes {
	uint32_t layer[LANES], x[3][LANES], lod[LANES];
};

static struct lanes in;
static uint32_t got[LANES][4];
static unsigned lanes = LANES;   /* to be compared */
static FILE *keep, *kept;

#define KEPT 32                  /* lanes */

/* ---- kernels: kGEOMETRY_MODE_TYPE ---- */

static void kernel(char *to, size_t size, unsigned shape, int mode, const char *type)
{
	static const char *const coords[] = {
		"{%f1}", "{%f1, %f2}", "{%f1, %f2, %f3, %f3}", "{%r1, %f1}", "{%r1, %f1, %f2, %f2}", "{%f1, %f2, %f3, %f3}",
		"{%r1, %f1, %f2, %f3}",
	};
	char insn[256];

	if (mode == 2)
		snprintf(insn, sizeof(insn), "tld4.r.%s.v4.%s.f32 {%%r2, %%r3, %%r4, %%r5}, [%%d1, %s];", shape_names[shape], type, coords[shape]);
	else
		snprintf(insn, sizeof(insn), "tex.%s%s.v4.%s.f32 {%%r2, %%r3, %%r4, %%r5}, [%%d1, %s]%s;", mode ? "level." : "", shape_names[shape],
			 type, coords[shape], mode ? ", %f4" : "");
	snprintf(to + strlen(to), size - strlen(to),
		 ".visible .entry k%s_%d_%s(.param .u64 t, .param .u64 p)\n{\n"
		 "	.reg .b64 %%d<5>; .reg .b32 %%r<9>; .reg .f32 %%f<6>;\n"
		 "	ld.param.u64 %%d1, [t]; ld.param.u64 %%d2, [p]; mov.u32 %%r6, %%tid.x; mul.wide.u32 %%d3, %%r6, 4; add.u64 %%d3, %%d2, %%d3;\n"
		 "	ld.global.u32 %%r1, [%%d3]; ld.global.f32 %%f1, [%%d3+%d]; ld.global.f32 %%f2, [%%d3+%d]; ld.global.f32 %%f3, [%%d3+%d]; "
		 "ld.global.f32 %%f4, [%%d3+%d];\n"
		 "	mul.wide.u32 %%d3, %%r6, 16; add.u64 %%d3, %%d2, %%d3;\n"
		 "	%s\n	st.global.v4.u32 [%%d3+%d], {%%r2, %%r3, %%r4, %%r5}; ret;\n}\n",
		 shape_names[shape], mode, type, 4 * LANES, 8 * LANES, 12 * LANES, 16 * LANES, insn, 20 * LANES);
}

static void load_kernels(void)
{
	static char text[65536] = ".version 7.0\n.target sm_75\n.address_size 64\n";
	static const char *const types[] = { "f32", "u32", "s32" };

	for (unsigned s = 0; s < 7; s++)
		for (int mode = 0; mode < 3; mode++)
			for (int t = 0; t < 3; t++)
				if (mode < 2 || s == TEX_2D || s == TEX_A2D || s == TEX_CUBE || s == TEX_ACUBE)
					kernel(text, sizeof(text), s, mode, types[t]);
	CK(cuModuleLoadData(&mod, text));
}

/* ---- a texture on the device ---- */

struct device_tex {
	CUarray array;
	CUmipmappedArray mip;
	CUtexObject t;
};

static void copy_level(CUarray a, const struct tex_obj *t, const struct tex_level *v)
{
	CUDA_MEMCPY3D c = { .srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = (void *)(uintptr_t)v->addr, .srcPitch = v->pitch, .srcHeight = v->h,
			    .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = a, .WidthInBytes = (size_t)v->w * t->texel_B, .Height = v->h,
			    .Depth = v->d };

	CK(cuMemcpy3D_v2(&c));
}

static CUresult device_texture(const struct tex_obj *t, struct device_tex *d)
{
	static const CUarray_format formats[] = {
		CU_AD_FORMAT_UNSIGNED_INT8, CU_AD_FORMAT_SIGNED_INT8, CU_AD_FORMAT_UNSIGNED_INT16, CU_AD_FORMAT_SIGNED_INT16,
		CU_AD_FORMAT_UNSIGNED_INT32, CU_AD_FORMAT_SIGNED_INT32, CU_AD_FORMAT_HALF, CU_AD_FORMAT_FLOAT,
	};
	const struct tex_level *v = &t->level[0];
	CUDA_ARRAY3D_DESCRIPTOR a = {
		.Width = v->w, .Height = t->dims > 1 ? v->h : 0, .Depth = t->layered || t->cube || t->dims > 2 ? v->d : 0,
		.Format = formats[t->chan], .NumChannels = t->channels,
		.Flags = (t->layered ? CUDA_ARRAY3D_LAYERED : 0u) | (t->cube ? CUDA_ARRAY3D_CUBEMAP : 0u),
	};
	CUDA_RESOURCE_DESC r = { .resType = t->n_levels > 1 ? CU_RESOURCE_TYPE_MIPMAPPED_ARRAY : CU_RESOURCE_TYPE_ARRAY };
	CUDA_TEXTURE_DESC s = {
		.filterMode = t->linear, .mipmapFilterMode = t->mip_linear, .mipmapLevelBias = t->lod_bias, .minMipmapLevelClamp = t->lod_min,
		.maxMipmapLevelClamp = t->lod_max,
		.flags = (t->norm ? 0u : CU_TRSF_READ_AS_INTEGER) | (t->normalized ? CU_TRSF_NORMALIZED_COORDINATES : 0u) |
			 (t->srgb ? CU_TRSF_SRGB : 0u) | (t->seamless ? CU_TRSF_SEAMLESS_CUBEMAP : 0u),
	};
	CUarray level;

	memset(d, 0, sizeof(*d));
	for (int k = 0; k < 3; k++)
		s.addressMode[k] = (CUaddress_mode)t->addr[k];
	memcpy(s.borderColor, t->border, sizeof(s.borderColor));
	if (t->n_levels > 1) {
		CK(cuMipmappedArrayCreate(&d->mip, &a, t->n_levels));
		for (unsigned n = 0; n < t->n_levels; n++) {
			if (cu.cuMipmappedArrayGetLevel(&level, d->mip, n))
				return CUDA_ERROR_NOT_FOUND;
			copy_level(level, t, &t->level[n]);
		}
		r.res.mipmap.hMipmappedArray = d->mip;
	} else {
		CK(cuArray3DCreate_v2(&d->array, &a));
		copy_level(d->array, t, v);
		r.res.array.hArray = d->array;
	}
	return cu.cuTexObjectCreate(&d->t, &r, &s, NULL);
}

static void device_free(struct device_tex *d)
{
	if (d->t)
		CK(cuTexObjectDestroy(d->t));
	if (d->mip)
		CK(cuMipmappedArrayDestroy(d->mip));
	if (d->array)
		CK(cuArrayDestroy(d->array));
}

static void device_sample(const struct tex_obj *t, CUtexObject h, unsigned shape, int mode)
{
	bool is_signed = t->chan == TEX_S8 || t->chan == TEX_S16 || t->chan == TEX_S32;
	char name[32];
	CUfunction f;

	snprintf(name, sizeof(name), "k%s_%d_%s", shape_names[shape], mode, tex_is_float(t) ? "f32" : is_signed ? "s32" : "u32");
	CK(cuModuleGetFunction(&f, mod, name));
	CK(cuMemcpyHtoD_v2(dev, &in, sizeof(in)));
	CK(cuLaunchKernel(f, 1, 1, 1, LANES, 1, 1, 0, NULL, (void *[]){ &h, &dev }, NULL));
	CK(cuCtxSynchronize());
	CK(cuMemcpyDtoH_v2(got, dev + 20 * LANES, sizeof(got)));
}

static void our_sample(const struct tex_obj *t, unsigned shape, int mode, uint32_t want[LANES][4])
{
	for (unsigned at = 0; at < LANES; at += TEX_LANES) {
		uint64_t layer[TEX_LANES], x[3][TEX_LANES], lod[TEX_LANES], d[4][TEX_LANES];
		struct tex_sample s = { .t = t, .shape = (uint8_t)shape, .lod_mode = mode == 1 ? TEX_LOD : TEX_BASE, .mask = UINT32_MAX,
					.gather = mode == 2 ? 0 : -1, .layer = layer, .lod = lod, .x = { x[0], x[1], x[2] },
					.d = { d[0], d[1], d[2], d[3] } };

		for (unsigned l = 0; l < TEX_LANES; l++) {
			layer[l] = in.layer[at + l];
			lod[l] = in.lod[at + l];
			for (int k = 0; k < 3; k++)
				x[k][l] = in.x[k][at + l];
		}
		tex_sample(&s);
		for (unsigned l = 0; l < TEX_LANES; l++)
			for (int c = 0; c < 4; c++)
				want[at + l][c] = (uint32_t)d[c][l];
	}
}

/* ---- comparing ---- */

static struct count {
	unsigned equal, near, off, refused, printed;
	double worst;
} counts[7][2][3][2];            /* geometry; point or linear; integers, bytes and the like as floats, floats; base or level */

static void compare(const struct tex_obj *t, unsigned shape, int mode)
{
	static uint32_t want[LANES][4];
	struct count *n = &counts[shape][t->linear || t->mip_linear][!tex_is_float(t) ? 0 : t->norm ? 1 : 2][mode == 1];

	our_sample(t, shape, mode, want);
	for (unsigned l = 0; l < lanes; l++)
		for (int c = 0; c < 4; c++) {
			double g = real_of(got[l][c]), w = real_of(want[l][c]), d = fabs(g - w);

			if (got[l][c] == want[l][c]) {
				n->equal++;
				continue;
			}
			n->worst = d > n->worst ? d : n->worst;
			if (tex_is_float(t) && d < 1.0 / 128) {
				n->near++;
				continue;
			}
			if (n->off++ && n->printed >= PRINTED)
				continue;
			n->printed++;
			printf("# %s mode %d: format %d x %d, norm %d srgb %d, linear %d, levels %d/%d bias %g, normalized %d seamless %d, modes %d %d %d, %u x %u x %u: at "
			       "%.9g, %.9g, %.9g layer %u lod %g channel %d: GPU %g (0x%x), here %g (0x%x)\n", shape_names[shape], mode, t->chan,
			       t->channels, t->norm, t->srgb, t->linear, t->n_levels, t->mip_linear, t->lod_bias, t->normalized, t->seamless, t->addr[0], t->addr[1],
			       t->addr[2], t->level[0].w, t->level[0].h, t->level[0].d, real_of(in.x[0][l]), real_of(in.x[1][l]),
			       real_of(in.x[2][l]), in.layer[l], real_of(in.lod[l]), c, g, got[l][c], w, want[l][c]);
		}
}

static void random_lanes(const struct tex_obj *t, unsigned shape)
{
	uint32_t n[3] = { t->level[0].w, t->level[0].h, t->level[0].d };

	for (unsigned l = 0; l < LANES; l++) {
		in.layer[l] = rnd(8) ? rnd(6) : 0xfffffff0;
		in.lod[l] = bits(real(-1, 5));
		for (int k = 0; k < 3; k++)
			in.x[k][l] = bits(shape >= TEX_CUBE ? real(-1, 1) : coordinate(t, n[k]));
	}
}

/* The GPU's results for a texture: from the driver, or kept ones. False: refused. */
static bool results(const struct tex_obj *t, unsigned shape, int mode)
{
	struct device_tex d;
	unsigned there = 0, n = mode == 2 ? 4 : t->channels;

	if (kept) {
		if (fscanf(kept, "%u", &there) != 1)
			bail("there are no more results");
		for (unsigned l = 0; l < KEPT * there; l++)
			for (unsigned c = 0; c < n; c++)
				if (fscanf(kept, "%x", &got[l][c]) != 1)
					bail("there are no more results");
		return there;
	}
	there = !device_texture(t, &d);
	if (there)
		device_sample(t, d.t, shape, mode);
	device_free(&d);
	if (keep)
		fprintf(keep, "%u\n", there);
	for (unsigned l = 0; keep && l < KEPT * there; l++)
		for (unsigned c = 0; c < n; c++)
			fprintf(keep, "%x%c", got[l][c], c + 1 < n ? ' ' : '\n');
	return there;
}

static void test_random(unsigned shape, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		struct tex_obj t;
		int mode = (int)rnd(3);

		random_texture(&t, (uint8_t)shape);
		t.seamless = t.cube && rnd(4) == 0;
		if (mode == 2 && shape != TEX_2D && shape != TEX_A2D)
			mode = 0;
		random_lanes(&t, shape);
		memset(got, 0, sizeof(got));
		if (!results(&t, shape, mode))
			counts[shape][t.linear || t.mip_linear][!tex_is_float(&t) ? 0 : t.norm ? 1 : 2][mode == 1].refused++;
		else
			compare(&t, shape, mode);
	}
}

static void report(void)
{
	static const char *const kinds[] = { "integers", "normalized", "floats" };

	printf("# geometry filter values level: equal, within 1/128, further off (greatest difference), refused by the driver\n");
	for (unsigned s = 0; s < 7; s++)
		for (int f = 0; f < 2; f++)
			for (int k = 0; k < 3; k++)
				for (int m = 0; m < 2; m++) {
					const struct count *n = &counts[s][f][k][m];

					if (n->equal || n->near || n->off || n->refused)
						printf("# %-5s %-6s %-10s %-5s %8u %8u %8u (%g) %u\n", shape_names[s], f ? "linear" : "point",
						       kinds[k], m ? "level" : "base", n->equal, n->near, n->off, n->worst, n->refused);
				}
}

/* ---- one thing at a time ---- */

static void simple(struct tex_obj *t, uint8_t chan, uint8_t channels, uint32_t w, uint32_t h)
{
	memset(t, 0, sizeof(*t));
	t->dims = h > 1 ? 2 : 1;
	t->chan = chan;
	t->channels = channels;
	t->n_levels = 1;
	t->lod_max = 100;
	for (int k = 0; k < 3; k++)
		t->addr[k] = TEX_CLAMP;
	levels(t, w, h, 1);
	if (tex_obj_check(t, (uint64_t)(uintptr_t)mem, sizeof(mem), NULL))
		bail("a simple texture");
}

static void show(const struct tex_obj *t, unsigned shape, int mode, const char *what, unsigned n, int channel)
{
	static uint32_t want[LANES][4];
	struct device_tex d;

	if (device_texture(t, &d)) {
		printf("# %s: refused\n", what);
	} else {
		device_sample(t, d.t, shape, mode);
		our_sample(t, shape, mode, want);
		printf("# %s\n", what);
		for (unsigned l = 0; l < n; l++)
			printf("#   %.9g, %.9g, %.9g: GPU %.9g (0x%x), here %.9g (0x%x)%s\n", real_of(in.x[0][l]), real_of(in.x[1][l]), real_of(in.x[2][l]),
			       real_of(got[l][channel]), got[l][channel], real_of(want[l][channel]), want[l][channel],
			       got[l][channel] == want[l][channel] ? "" : " !");
	}
	device_free(&d);
}

static void set(unsigned l, float x, float y, float z)
{
	in.x[0][l] = bits(x);
	in.x[1][l] = bits(y);
	in.x[2][l] = bits(z);
}

static void ramp(struct tex_obj *t, float scale)
{
	for (unsigned i = 0; i < t->level[0].w; i++)
		memcpy(mem + 4 * i, &(float){ scale * (float)i }, 4);
}

static void special(void)
{
	struct tex_obj t;
	float inf = INFINITY;

	memset(&in, 0, sizeof(in));
	simple(&t, TEX_F32, 1, 16, 1);
	ramp(&t, 256);
	t.linear = true;
	for (unsigned l = 0; l < 24; l++)
		set(l, 2.5f + (float)l / 1024, 0, 0);
	for (unsigned l = 24; l < 32; l++)
		set(l, 3.5f - (float)(l - 24) / 1024, 0, 0);
	show(&t, TEX_1D, 0, "weights: steps of a quarter of 1/256", 32, 0);
	t.normalized = true;
	for (unsigned l = 0; l < 16; l++)
		set(l, (2.5f + (float)l / 1024) / 16, 0, 0);
	show(&t, TEX_1D, 0, "the same, normalized", 16, 0);
	t.linear = false;
	for (unsigned l = 0; l < 8; l++) {
		set(2 * l, nextafterf((float)l / 16, -1), 0, 0);
		set(2 * l + 1, (float)l / 16 - (float)l * 1e-6f, 0, 0);
	}
	show(&t, TEX_1D, 0, "points a little below texels' borders, normalized", 16, 0);
	t.addr[0] = TEX_MIRROR;
	for (unsigned l = 0; l < 16; l++)
		set(l, 1 + (float)l / 16, 0, 0);
	show(&t, TEX_1D, 0, "mirrored, at borders", 16, 0);
	for (unsigned l = 0; l < 16; l++)
		set(l, -(float)l / 16, 0, 0);
	show(&t, TEX_1D, 0, "mirrored, at borders below 0", 16, 0);
	t.addr[0] = TEX_CLAMP;
	t.normalized = false;
	for (unsigned l = 0; l < 8; l++)
		set(l, nextafterf((float)l, -1), 0, 0);
	set(8, NAN, 0, 0), set(9, inf, 0, 0), set(10, -inf, 0, 0), set(11, 1e20f, 0, 0), set(12, -1e20f, 0, 0), set(13, 70000.5f, 0, 0);
	show(&t, TEX_1D, 0, "points a little below, and far out", 14, 0);
	t.linear = true;
	memcpy(mem + 12, &inf, 4);
	for (unsigned l = 0; l < 6; l++)
		set(l, 2.5f + (float)l / 512, 0, 0);
	set(6, 3.5f, 0, 0), set(7, 4.5f, 0, 0);
	show(&t, TEX_1D, 0, "an infinite neighbour", 8, 0);
	simple(&t, TEX_U8, 1, 4, 1);
	memset(mem, 77, 64);
	for (int c = 0; c < 4; c++) {
		char what[64];

		snprintf(what, sizeof(what), "one channel of bytes as integers: channel %d", c);
		set(0, 0.5f, 0, 0);
		show(&t, TEX_1D, 0, what, 1, c);
		t.norm = true;
		snprintf(what, sizeof(what), "as floats: channel %d", c);
		show(&t, TEX_1D, 0, what, 1, c);
		t.norm = false;
	}
	simple(&t, TEX_U8, 1, 256, 1);
	t.norm = t.linear = true;
	for (int i = 0; i < 256; i++)
		mem[i] = (uint8_t)i;
	for (unsigned l = 0; l < 16; l++)
		set(l, 10.5f + (float)l / 16, 0, 0);
	show(&t, TEX_1D, 0, "filtered bytes", 16, 0);
	t.srgb = true;
	tex_obj_check(&t, (uint64_t)(uintptr_t)mem, sizeof(mem), NULL);
	show(&t, TEX_1D, 0, "of sRGB", 16, 0);
	simple(&t, TEX_F32, 1, 4, 4);
	for (int i = 0; i < 20; i++)
		memcpy(mem + 4 * i, &(float){ (float)i }, 4);
	for (unsigned l = 0; l < 12; l++)
		set(l, 2.5f - 6.0f / 1024 + (float)l / 1024, 2, 0);
	t.channels = 1;
	for (int k = 0; k < 2; k++) {
		t.normalized = k;
		if (k)
			for (unsigned l = 0; l < 12; l++)
				set(l, (2.5f - 6.0f / 1024 + (float)l / 1024) / 4, 0.5f, 0);
		for (int c = 0; c < 4; c++)
			show(&t, TEX_2D, 2, "gathers: which texel is which", c ? 1 : 12, c);
	}
	simple(&t, TEX_F32, 1, 8, 8);
	t.n_levels = 4;
	t.normalized = true;
	levels(&t, 8, 8, 1);
	for (int n = 0; n < 4; n++)
		for (uint64_t i = 0; i < t.level[n].slice; i += 4)
			memcpy((void *)(uintptr_t)(t.level[n].addr + i), &(float){ 256.0f * (float)n }, 4);
	for (unsigned l = 0; l < 16; l++) {
		set(l, 0.5f, 0.5f, 0);
		in.lod[l] = bits(0.5f + ((float)l - 8) / 1024);
	}
	show(&t, TEX_2D, 1, "levels around 1/2, by steps of 1/1024", 16, 0);
	t.mip_linear = true;
	for (unsigned l = 0; l < 16; l++)
		in.lod[l] = bits(1 + (float)l / 1024);
	show(&t, TEX_2D, 1, "between levels 1 and 2, by steps of 1/1024", 16, 0);
	t.lod_min = 1.5f;
	show(&t, TEX_2D, 0, "the base level under a clamp from 1.5", 1, 0);
	t.lod_min = 0;
	t.lod_bias = 0.75f;
	show(&t, TEX_2D, 0, "the base level with a bias of 3/4", 1, 0);
	show(&t, TEX_2D, 1, "level 1 with it", 1, 0);
}

/* ---- how filters compute ---- */

/* The share of each texel of a square, of 65536: once each texel is 1, then all of them. */
static void shares(void)
{
	struct device_tex d;
	struct tex_obj t;
	static uint32_t share[4][LANES];

	simple(&t, TEX_F32, 1, 2, 2);
	t.linear = true;
	for (unsigned l = 0; l < LANES; l++)
		set(l, 0.5f + (float)(l * 37 % 257) / 256, 0.5f + (float)(l * 101 % 257) / 256, 0);
	for (int k = 0; k < 4; k++) {
		memset(mem, 0, 64);
		memcpy(mem + t.level[0].pitch * (unsigned)(k / 2) + 4 * (unsigned)(k % 2), &(float){ 1 }, 4);
		if (device_texture(&t, &d))
			bail("a square");
		device_sample(&t, d.t, TEX_2D, 0);
		device_free(&d);
		for (unsigned l = 0; l < LANES; l++)
			share[k][l] = got[l][0];
	}
	printf("# shares of a square's texels, of 65536\n");
	for (unsigned l = 0; l < 260; l++)
		printf("#   %3u, %3u: %g %g %g %g\n", l * 37 % 257, l * 101 % 257, 65536 * real_of(share[0][l]), 65536 * real_of(share[1][l]),
		       65536 * real_of(share[2][l]), 65536 * real_of(share[3][l]));
}

/* Texel k of two levels or slices, each of side x side texels of which the four in the middle count, is 1. */
static void one_hot(const struct tex_obj *t, unsigned k)
{
	memset(mem, 0, 4096);
	for (unsigned n = 0; n < 2; n++) {
		const struct tex_level *v = &t->level[t->n_levels > 1 ? n : 0];
		uint64_t first = v->addr + (t->n_levels > 1 ? 0 : n * v->slice);
		unsigned at = v->w / 2 - 1;

		if (k / 4 == n)
			memcpy((void *)(uintptr_t)(first + v->pitch * (at + k % 4 / 2) + 4 * (at + k % 2)), &(float){ 1 }, 4);
	}
}

/* The shares of eight texels: of a cube's corners, or of two levels. */
static void shares8(bool mips)
{
	static uint32_t share[8][LANES];
	struct device_tex d;
	struct tex_obj t;

	simple(&t, TEX_F32, 1, 4, 4);
	t.linear = t.normalized = true;
	if (mips) {
		t.n_levels = 2;
		t.mip_linear = true;
		levels(&t, 4, 4, 1);
	} else {
		t.dims = 3;
		levels(&t, 2, 2, 2);
	}
	for (unsigned l = 0; l < LANES; l++) {
		unsigned a = l * 37 % 257, b = l * 101 % 257, c = l * 59 % 256;

		/* between the middles of texels; of level 0 that is a quarter of level 1's way */
		if (mips)
			set(l, (1.5f + (float)a / 256) / 4, (1.5f + (float)b / 256) / 4, 0);
		else
			set(l, (0.5f + (float)a / 256) / 2, (0.5f + (float)b / 256) / 2, (0.5f + (float)c / 256) / 2);
		in.lod[l] = bits((float)c / 256);
	}
	for (unsigned k = 0; k < 8; k++) {
		one_hot(&t, k);
		if (device_texture(&t, &d))
			bail("eight texels");
		device_sample(&t, d.t, mips ? TEX_2D : TEX_3D, mips);
		device_free(&d);
		for (unsigned l = 0; l < LANES; l++)
			share[k][l] = got[l][0];
	}
	printf("# shares of the texels of two %s, of 65536\n", mips ? "levels" : "slices");
	for (unsigned l = 0; l < 100; l++) {
		printf("#   %3u, %3u, %3u:", l * 37 % 257, l * 101 % 257, l * 59 % 256);
		for (int k = 0; k < 8; k++)
			printf(" %g", 65536 * real_of(share[k][l]));
		printf("\n");
	}
}

/* Between two texels of each format, in all steps; and in a square. */
static void formats(void)
{
	static const uint8_t bytes[16] = { 0x35, 0x12, 0xb7, 0x4a, 0x81, 0x33, 0x7e, 0xc1, 0x19, 0xee, 0x42, 0x5b, 0xd0, 0x3c, 0x07, 0x99 };

	for (uint8_t chan = TEX_U8; chan <= TEX_F32; chan++) {
		char what[64];
		struct tex_obj t;

		if (chan == TEX_U32 || chan == TEX_S32)
			continue;
		for (unsigned h = 1; h <= 2; h++) {
			simple(&t, chan, 1, 2, h);
			memcpy(mem, bytes, 16);
			if (chan == TEX_F32)
				for (int i = 0; i < 6; i++)
					memcpy(mem + 4 * i, &(float){ (float)bytes[i] / 77.0f - 1.3f }, 4);
			if (chan == TEX_F16)
				for (int i = 1; i < 16; i += 2)
					mem[i] = (uint8_t)(0x30 | (bytes[i] & 0x87));
			t.norm = chan <= TEX_S16;
			t.linear = true;
			for (unsigned l = 0; l < 64; l++)
				set(l, 0.5f + (float)(l * 29 % 257) / 256, 0.5f + (float)(l * 83 % 257) / 256, 0);
			snprintf(what, sizeof(what), "filtered format %u, %u dimensions", chan, h);
			show(&t, h == 1 ? TEX_1D : TEX_2D, 0, what, 48, 0);
		}
	}
}

static void srgb_table(void)
{
	struct tex_obj t;

	simple(&t, TEX_U8, 1, 256, 1);
	t.norm = t.srgb = true;
	tex_obj_check(&t, (uint64_t)(uintptr_t)mem, sizeof(mem), NULL);
	for (unsigned i = 0; i < 256; i++) {
		mem[i] = (uint8_t)i;
		set(i, (float)i + 0.5f, 0, 0);
	}
	show(&t, TEX_1D, 0, "sRGB", 256, 0);
}

static void open_driver(void)
{
	void *lib = dlopen("libcuda.so.1", RTLD_NOW);
	CUcontext ctx;

	if (!lib)
		bail("no driver: %s", dlerror());
#define X(f)                                                     \
	cu.f = (__typeof__(f) *)dlsym(lib, #f);                  \
	if (!cu.f)                                               \
		bail("the driver has no %s", #f);
	DRIVER(X)
#undef X
	CK(cuInit(0));
	CK(cuCtxCreate_v2(&ctx, 0, 0));
	CK(cuMemAlloc_v2(&dev, sizeof(in) + sizeof(got)));
	load_kernels();
}

static FILE *file(const char *path, const char *mode)
{
	FILE *f = fopen(path, mode);

	if (!f)
		bail("%s can't be opened", path);
	return f;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc % 2 == 0 ? (unsigned)atoi(argv[argc - 1]) : 200;

	if (argc > 2 && !strcmp(argv[1], "-r"))
		kept = file(argv[2], "r");
	if (argc > 2 && !strcmp(argv[1], "-w"))
		keep = file(argv[2], "w");
	if (kept) {
		lanes = KEPT;
	} else {
		open_driver();
		special();
		shares();
		shares8(false);
		shares8(true);
		formats();
		srgb_table();
	}
	/* the same textures each time */
	seed = 88172645463325252ull;
	for (unsigned s = 0; s < 7; s++)
		test_random(s, rounds);
	report();
	if (keep && fclose(keep))
		bail("the results can't be kept");
	return 0;
}
