/* sd_variant.c: a kernel's compiled variants, one for each shape of blocks that it is launched with. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "backend/simd/sd_jit.h"
#include "backend/simd/sd_priv.h"

/* Shapes that get code of their own; further ones share code for any shape. */
#define SHAPES_MAX 12

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

/* VGPU_CPU (sse4.2, avx2, avx512) asks for less than there is; for tests and measurements. */
enum sd_isa sd_isa_here(void)
{
	const char *want = getauxval(AT_SECURE) ? NULL : getenv("VGPU_CPU");
	enum sd_isa have = has_avx512() ? SD_ISA_AVX512 : has_avx2() ? SD_ISA_AVX2 : SD_ISA_SSE42;
	enum sd_isa isa = have;

	if (want && !strcmp(want, "sse4.2"))
		isa = SD_ISA_SSE42;
	else if (want && !strcmp(want, "avx2"))
		isa = SD_ISA_AVX2;
	return MIN(isa, have);
}

static void variant_free(struct sd_variant *v)
{
	sd_insns_free(v->insns);
	sd_unload(v->code);
	free(v->addr);
	free(v);
}

void sd_variant_ref(struct sd_variant *v)
{
	__atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
}

void sd_variant_unref(struct sd_variant *v)
{
	if (v && !__atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL))
		variant_free(v);
}

static bool set_addresses(struct sd_variant *v, const struct be_kernel *k)
{
	const struct sd_meta *m = &v->code->meta;

	v->addr = calloc(m->n_syms + 1, sizeof(*v->addr));
	for (uint32_t n = 0; v->addr && n < m->n_syms; n++) {
		const struct sd_sym *s = &v->code->syms[n];

		v->addr[n] = s->kind == IR_SYM_FUNC ? be_interp.func_addr(k->bm->im, s->index) : k->bm->var_addr[s->index];
	}
	return v->addr != NULL;
}

/* For tests: a comma-separated list of words that change what is generated. */
static void test_options(struct gen_request *r)
{
	const char *s = getauxval(AT_SECURE) ? NULL : getenv("VGPU_SIMD");
	const char *p = s ? strstr(s, "warps=") : NULL;

	r->tier = 1;
	if (!s)
		return;
	if (p)
		r->warps = (unsigned)atoi(p + 6);
	if (strstr(s, "masked"))
		r->flags |= GEN_F_MASKED;
	if (strstr(s, "yield"))
		r->flags |= GEN_F_YIELD;
	if (strstr(s, "diverge"))
		r->flags |= GEN_F_DIVERGE;
	if (strstr(s, "tier0"))
		r->tier = 0;
}

static int compile(struct sd_variant *v, struct be_kernel *k, struct vgpu_err *err)
{
	struct gen_request r = { .m = k->bm->ir, .func = k->func, .small_grid = v->small_grid, .isa = sd_isa_here() };
	int rc;

	memcpy(r.block, v->block, sizeof(r.block));
	test_options(&r);
	rc = sd_jit_compile(&v->code, &r, err);
	if (rc)
		return rc;
	if (v->code->meta.n_refs)
		rc = sd_insns_new(&v->insns, k->ik, v->code->meta.W, v->code->refs, v->code->meta.n_refs, err);
	v->n_rows = v->insns ? MAX(sd_insns_rows(v->insns), v->code->meta.n_rows) : 0;
	if (!rc && !set_addresses(v, k))
		rc = vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a kernel");
	if (rc) {
		sd_unload(v->code);
		v->code = NULL;
	}
	return rc;
}

static bool is_for(const struct sd_variant *v, const uint32_t block[3], bool small)
{
	return !memcmp(v->block, block, sizeof(v->block)) && v->small_grid == small;
}

static bool is_small(const struct be_launch *l)
{
	for (int d = 0; d < 3; d++)
		if ((uint64_t)l->grid[d] * l->block[d] >= (uint64_t)1 << 31)
			return false;
	return true;
}

/* With k->lock held. */
static struct sd_variant *find_or_compile(struct be_kernel *k, const uint32_t block[3], bool small, struct vgpu_err *err)
{
	static const uint32_t any[3];
	struct sd_variant *v;
	struct vgpu_err why = VGPU_ERR_INIT;

	for (size_t n = 0; n < k->variants.n; n++)
		if (is_for(k->variants.v[n], block, small))
			return k->variants.v[n];
	if (block[0] && k->variants.n >= SHAPES_MAX)
		return find_or_compile(k, any, small, err);
	v = calloc(1, sizeof(*v));
	if (v)
		memcpy(v->block, block, sizeof(v->block));
	if (!v || !vgpu_vec_push(&k->variants, v)) {
		free(v);
		vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a kernel");
		return NULL;
	}
	v->small_grid = small;
	v->refs = 1;
	if (compile(v, k, &why) && !k->why.status) {
		k->why = why;
		sd_jit_notice(k->entry->name, why.text);
	}
	return v;
}

struct sd_variant *sd_variant_ready(const struct be_kernel *k, const struct be_launch *l)
{
	struct sd_variant *v = __atomic_load_n(&k->last, __ATOMIC_ACQUIRE);

	return v && is_for(v, l->block, is_small(l)) ? v : NULL;
}

struct sd_variant *sd_variant_get(struct be_kernel *k, const struct be_launch *l, struct vgpu_err *err)
{
	struct sd_variant *v = sd_variant_ready(k, l);
	bool small = is_small(l);

	if (v)
		return v;
	pthread_mutex_lock(&k->lock);
	v = find_or_compile(k, l->block, small, err);
	if (v)
		__atomic_store_n(&k->last, v, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&k->lock);
	return v;
}

const char *sd_kernel_why(const struct be_kernel *k)
{
	return k->why.status ? k->why.text : NULL;
}
