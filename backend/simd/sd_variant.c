/* sd_variant.c: a kernel's compiled variants, one for each shape of blocks that it is launched with. */
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "backend/simd/sd_jit.h"
#include "backend/simd/sd_priv.h"
#include "util/cleanup.h"

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

/* ---- parts ---- */

static void part_unref(struct sd_part *p)
{
	if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sd_insns_free(p->insns);
	sd_unload(p->code);
	free(p->addr);
	free(p);
}

static struct sd_part *part_ref(struct sd_part *p)
{
	if (p)
		__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

static bool set_addresses(struct sd_part *p, const struct be_kernel *k)
{
	const struct sd_meta *m = &p->code->meta;

	p->addr = calloc(m->n_syms + 1, sizeof(*p->addr));
	for (uint32_t n = 0; p->addr && n < m->n_syms; n++) {
		const struct sd_sym *s = &p->code->syms[n];

		p->addr[n] = s->kind == IR_SYM_FUNC ? be_interp.func_addr(k->bm->im, s->index) : k->bm->var_addr[s->index];
	}
	return p->addr != NULL;
}

/* Takes the code over. */
static struct sd_part *part_new(struct be_kernel *k, struct sd_code *code, struct vgpu_err *err)
{
	struct sd_part *p = calloc(1, sizeof(*p));

	if (!p) {
		sd_unload(code);
		vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a kernel");
		return NULL;
	}
	p->refs = 1;
	p->code = code;
	if (code->meta.n_refs && sd_insns_new(&p->insns, k->ik, code->meta.W, code->refs, code->meta.n_refs, err)) {
		part_unref(p);
		return NULL;
	}
	p->n_rows = p->insns ? MAX(sd_insns_rows(p->insns), code->meta.n_rows) : 0;
	if (!set_addresses(p, k)) {
		part_unref(p);
		vgpu_err_set(err, VGPU_E_NOMEM, "no memory for a kernel");
		return NULL;
	}
	return p;
}

/* ---- variants ---- */

static void variant_free(struct sd_variant *v)
{
	part_unref(v->part[0]);
	part_unref(v->part[1]);
	part_unref(v->better);
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

/* The kernel goes; its module is still there. */
void sd_variants_free(struct be_kernel *k)
{
	for (size_t n = 0; n < k->variants.n; n++) {
		sd_jit_job_free(k->variants.v[n]->job);
		sd_jit_job_free(k->variants.v[n]->foreseen);
		k->variants.v[n]->job = k->variants.v[n]->foreseen = NULL;
		sd_variant_unref(k->variants.v[n]);
	}
	for (size_t n = 0; n < k->old.n; n++)
		sd_variant_unref(k->old.v[n]);
	vgpu_vec_free(&k->variants);
	vgpu_vec_free(&k->old);
}

/* For tests: a comma-separated list of words that change what is generated. NULL: as usual. */
static const char *test_words(void)
{
	return getauxval(AT_SECURE) ? NULL : getenv("VGPU_SIMD");
}

static bool has_word(const char *s, const char *word)
{
	return s && strstr(s, word);
}

/* What all requests for the variant have in common. tier, half: unless a test wants it otherwise. */
static struct gen_request request(const struct sd_variant *v, const struct be_kernel *k, unsigned tier, uint32_t half)
{
	struct gen_request r = { .m = k->bm->ir, .func = k->func, .small_grid = v->small_grid, .isa = sd_isa_here(), .tier = tier };
	const char *s = test_words(), *p = s ? strstr(s, "warps=") : NULL;

	memcpy(r.block, v->block, sizeof(r.block));
	r.best = tier == 0;
	r.flags = half;
	if (!s)
		return r;
	if (p)
		r.warps = (unsigned)atoi(p + 6);
	if (has_word(s, "masked"))
		r.flags |= GEN_F_MASKED;
	if (has_word(s, "yield"))
		r.flags |= GEN_F_YIELD;
	if (has_word(s, "diverge"))
		r.flags |= GEN_F_DIVERGE;
	if (has_word(s, "gather"))
		r.flags |= GEN_F_GATHER;
	if (has_word(s, "tier"))
		r.tier = has_word(s, "tier0") ? 0 : 1;
	if (has_word(s, "whole") || has_word(s, "masked"))
		r.flags &= ~(uint32_t)(GEN_F_WORLD_0 | GEN_F_WORLD_1);
	return r;
}

/* May better code come for it? Tests that ask for some kind of code want it to stay. */
static bool may_grow(const struct sd_part *p)
{
	return p && !has_word(test_words(), "tier") && !has_word(test_words(), "masked") && !has_word(test_words(), "whole") &&
	       (p->code->meta.tier == 0 || p->code->meta.half);
}

static bool are_halves(const struct sd_meta *a, const struct sd_meta *b)
{
	return a->half == GEN_F_WORLD_0 && b->half == GEN_F_WORLD_1 && a->W == b->W && a->local_B == b->local_B &&
	       a->granule == b->granule && a->generic_tid == b->generic_tid && a->ftz == b->ftz;
}

/* The other half of p, whose gangs are to be of the same size: as they are made for tier 1, that is what the generator chooses. */
static struct gen_request request_other(const struct sd_variant *v, const struct be_kernel *k, const struct sd_part *p, unsigned tier)
{
	struct gen_request r = request(v, k, tier, GEN_F_WORLD_1);

	if (tier == 0)
		r.warps = p->code->meta.W / 32;
	return r;
}

/* With k->lock held. */
static void compile_other(struct sd_variant *v, struct be_kernel *k)
{
	struct gen_request r = request_other(v, k, v->part[0], 0);
	struct sd_code *code;
	struct sd_part *p;

	if (sd_jit_compile(&code, &r, &v->why))
		return;
	if (r.best && !are_halves(&v->part[0]->code->meta, &code->meta)) {
		/* better code, of another gang */
		sd_unload(code);
		r.best = false;
		if (sd_jit_compile(&code, &r, &v->why))
			return;
	}
	if (!are_halves(&v->part[0]->code->meta, &code->meta)) {
		sd_unload(code);
		vgpu_err_set(&v->why, VGPU_E_INTERNAL, "the compiled halves of '%s' don't fit", k->entry->name);
		return;
	}
	p = part_new(k, code, &v->why);
	if (p)
		__atomic_store_n(&v->part[1], p, __ATOMIC_RELEASE);
}

/* PTX instructions from which a kernel is large, whatever they do. */
#define LARGE 3000

/*
 * Both halves of it are made before the first block runs: what takes so much of the compiler may be too much for it, and
 * then there is still the interpreter.
 */
static bool is_large(const struct sd_meta *m)
{
	return m->insns >= LARGE || m->carried >= SD_MANY_CARRIED;
}

static int compile(struct sd_variant *v, struct be_kernel *k, struct vgpu_err *err)
{
	struct gen_request r = request(v, k, 0, GEN_F_WORLD_0);
	struct sd_code *code;
	int rc = sd_jit_compile(&code, &r, err);

	if (rc)
		return rc;
	v->part[0] = part_new(k, code, err);
	if (!v->part[0])
		return -err->status;
	if (code->meta.half && is_large(&code->meta))
		compile_other(v, k);
	if (v->why.status) {
		part_unref(TAKE_PTR(v->part[0]));
		return vgpu_err_set(err, v->why.status, "%s", v->why.text);
	}
	v->grows = may_grow(v->part[0]);
	v->eager = has_word(test_words(), "eager");
	return 0;
}

struct sd_part *sd_variant_other(struct be_kernel *k, struct sd_variant *v, struct vgpu_err *err)
{
	struct sd_part *p = __atomic_load_n(&v->part[1], __ATOMIC_ACQUIRE);

	if (p)
		return p;
	pthread_mutex_lock(&k->lock);
	if (!v->part[1] && !v->why.status)
		compile_other(v, k);
	p = v->part[1];
	if (!p)
		*err = v->why;
	pthread_mutex_unlock(&k->lock);
	return p;
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

/* ---- better code ---- */

/*
 * Run time from which a kernel is worth tier 1, and ways between halves from which they are worth being one: what one takes,
 * about, and the share of the run time that they may take all together. By themselves the halves are the better code: what one
 * needs in registers the other one doesn't have to care about.
 */
#define WORTH_NS 20000000u
#define WORTH_CROSSINGS 20000u
#define CROSSING_NS 100u
#define CROSSINGS_SHARE 8u

static void no_better(struct sd_variant *v)
{
	part_unref(v->better);
	v->better = NULL;
	__atomic_store_n(&v->grows, false, __ATOMIC_RELAXED);
}

static void hope(struct sd_variant *v, bool on)
{
	__atomic_store_n(&v->hopes, on, __ATOMIC_RELAXED);
}

static void start(struct sd_variant *v, const struct gen_request *r)
{
	struct vgpu_err err = VGPU_ERR_INIT;

	/* what runs will do */
	if (sd_jit_start(&v->job, r, &err))
		no_better(v);
	else
		hope(v, true);
}

/* With the one half that is made better, where the other one is in use, too: it will be asked for next. */
static void foresee(struct be_kernel *k, struct sd_variant *v)
{
	struct gen_request r = request(v, k, 1, GEN_F_WORLD_1);
	struct vgpu_err err = VGPU_ERR_INIT;

	if (v->part[1] && !v->foreseen && sd_jit_start(&v->foreseen, &r, &err))
		v->foreseen = NULL;
}

static void start_better(struct be_kernel *k, struct sd_variant *v, bool whole)
{
	struct gen_request r = request(v, k, 1, whole ? 0 : GEN_F_WORLD_0);

	start(v, &r);
	if (!whole)
		foresee(k, v);
}

/* To the half p, which is of tier 1. */
static void start_other(struct be_kernel *k, struct sd_variant *v, struct sd_part *p)
{
	struct gen_request r = request_other(v, k, p, 1);

	v->better = p;
	if (v->foreseen)
		v->job = TAKE_PTR(v->foreseen);
	else
		start(v, &r);
	hope(v, v->job != NULL);
}

/* The variant with other code, in its place. Takes the parts over. */
static void replace(struct be_kernel *k, struct sd_variant *v, struct sd_part *p, struct sd_part *other)
{
	struct sd_variant *n = calloc(1, sizeof(*n));

	if (!n || !vgpu_vec_push(&k->old, v)) {
		free(n);
		part_unref(p);
		part_unref(other);
		return;
	}
	memcpy(n->block, v->block, sizeof(n->block));
	n->small_grid = v->small_grid;
	n->refs = 1;
	n->part[0] = p;
	n->part[1] = other;
	n->grows = p->code->meta.half;
	n->eager = v->eager;
	n->foreseen = TAKE_PTR(v->foreseen);
	for (size_t i = 0; i < k->variants.n; i++)
		if (k->variants.v[i] == v)
			k->variants.v[i] = n;
	if (k->last == v)
		__atomic_store_n(&k->last, n, __ATOMIC_RELEASE);
}

/* Better code has come. A half whose other half was needed before waits for one that fits. */
static void take_better(struct be_kernel *k, struct sd_variant *v, struct sd_part *p)
{
	struct sd_part *first = TAKE_PTR(v->better);

	if (first) {
		if (are_halves(&first->code->meta, &p->code->meta)) {
			replace(k, v, first, p);
		} else {
			part_unref(first);
			part_unref(p);
		}
	} else if (!p->code->meta.half || !v->part[1]) {
		replace(k, v, p, NULL);
	} else if (are_halves(&p->code->meta, &v->part[1]->code->meta)) {
		replace(k, v, p, part_ref(v->part[1])); /* whose turn it is now to get better: grow() */
	} else {
		start_other(k, v, p);
		return;
	}
	no_better(v);
}

/* With k->lock held. */
static void poll_better(struct be_kernel *k, struct sd_variant *v)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	struct sd_code *code = NULL;
	struct sd_part *p;
	int r = sd_jit_poll(v->job, &code, &err);

	if (r == -VGPU_E_NOT_READY)
		return;
	sd_jit_job_free(TAKE_PTR(v->job));
	hope(v, false);
	p = r ? NULL : part_new(k, code, &err);
	if (p)
		take_better(k, v, p);
	else
		no_better(v);
}

/* All in one, because lanes part so often? */
static bool wants_whole(const struct sd_variant *v, uint64_t ns, uint64_t crossings)
{
	return !is_large(&v->part[0]->code->meta) &&
	       ((crossings >= WORTH_CROSSINGS && crossings * CROSSING_NS * CROSSINGS_SHARE >= ns) ||
		(v->eager && crossings && !has_word(test_words(), "halves")));
}

bool sd_variant_timed(const struct sd_variant *v)
{
	return v->part[0]->code->meta.tier == 0 || __atomic_load_n(&v->part[1], __ATOMIC_ACQUIRE);
}

bool sd_variant_hopes(const struct sd_variant *v)
{
	return __atomic_load_n(&v->hopes, __ATOMIC_RELAXED);
}

static void grow(struct be_kernel *k, struct sd_variant *v, bool is_long, uint64_t ns, uint64_t crossings)
{
	if (wants_whole(v, ns, crossings))
		start_better(k, v, true);
	else if (!is_long && !v->eager)
		return;
	else if (v->part[0]->code->meta.tier == 0)
		start_better(k, v, false);
	else if (v->part[1] && v->part[1]->code->meta.tier == 0)
		start_other(k, v, part_ref(v->part[0]));
}

uint64_t sd_variant_takes(const struct sd_variant *v, uint64_t blocks)
{
	uint64_t ns = __atomic_load_n(&v->ns, __ATOMIC_RELAXED), ran = __atomic_load_n(&v->blocks, __ATOMIC_RELAXED);

	return ran ? (uint64_t)((double)ns * (double)blocks / (double)ran) : 0;
}

void sd_variant_ran(struct be_kernel *k, struct sd_variant *v, uint64_t ns, uint64_t blocks, uint64_t launch, uint64_t crossings)
{
	bool is_long;

	ns = __atomic_add_fetch(&v->ns, ns, __ATOMIC_RELAXED);
	__atomic_add_fetch(&v->blocks, blocks, __ATOMIC_RELAXED);
	crossings = __atomic_add_fetch(&v->crossings, crossings, __ATOMIC_RELAXED);
	is_long = ns >= WORTH_NS || sd_variant_takes(v, launch) >= WORTH_NS;
	if (!v->eager && !is_long && crossings < WORTH_CROSSINGS)
		return;
	if (pthread_mutex_trylock(&k->lock))
		return;
	if (v->grows && v->job)
		poll_better(k, v);
	else if (v->grows)
		grow(k, v, is_long, ns, crossings);
	pthread_mutex_unlock(&k->lock);
}

const char *sd_kernel_why(const struct be_kernel *k)
{
	return k->why.status ? k->why.text : NULL;
}
