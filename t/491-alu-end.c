/*
 * The arithmetic instructions from PTX text to results: compiled, run on each
 * backend, and compared with the same references as the direct tests. All
 * forms of a group that a target has are kernels of one module. Of compiled
 * kernels one in EVERY runs, since compiling takes long; all with T491_ALL=1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/alu_ptx.h"
#include "t/lib/alu_ref.h"
#include "t/lib/kernel.h"
#include "t/lib/tap.h"

#define MAX_FORMS 4000
#define TUPLES 256
#define EVERY 16

struct run {
	const char *backend;
	alu_ref_fn ref;
	unsigned sm, only_sm;
	struct kt kt;
	char *text;
	size_t len, size;
	unsigned n, ran, every, failed;
	uint64_t *mem[9];
};

static unsigned target_of(const struct alu_form *f)
{
	return f->sm > 90 ? 100 : 90;
}

static void add_kernel(const struct alu_form *f, void *ctx)
{
	struct run *r = ctx;
	char name[32];
	size_t n;

	if (target_of(f) != r->sm)
		return;
	snprintf(name, sizeof(name), "k%u", r->n++);
	n = alu_ptx_kernel(r->text + r->len, r->size - r->len, f, name);
	if (!n)
		bail("the text is too long");
	r->len += n;
}

static uint64_t cut(uint64_t v, uint8_t type)
{
	unsigned bits = ir_type_bits(type);

	return bits && bits < 64 ? v & ((UINT64_C(1) << bits) - 1) : v;
}

static bool same(const struct run *r, const struct alu_form *f, const struct alu_tuples *t, size_t j)
{
	struct alu_result want = { 0 };
	uint64_t s[6] = { 0 };

	for (unsigned k = 0; k < f->n_src; k++)
		s[k] = cut(t->src[k][j], f->src_type[k]);
	if (!r->ref(f, s, j & 1, &want))
		return false;
	if (cut(r->mem[6][j], f->dst_type[0]) == cut(want.d, f->dst_type[0]) && (f->n_dst < 2 || r->mem[7][j] == want.d2) &&
	    (!(f->insn.flags & IR_F_CC) || r->mem[8][j] == want.cc))
		return true;
	diag("%s %#llx %#llx %#llx: got %#llx, want %#llx", f->spelling, (unsigned long long)s[0], (unsigned long long)s[1],
	     (unsigned long long)s[2], (unsigned long long)r->mem[6][j], (unsigned long long)want.d);
	return false;
}

static void run_kernel(const struct alu_form *f, void *ctx)
{
	struct run *r = ctx;
	struct alu_tuples t;
	char name[32];
	bool good = true;
	int e;

	if (target_of(f) != r->sm)
		return;
	if (r->n++ % r->every)
		return;
	snprintf(name, sizeof(name), "k%u", r->n - 1);
	r->ran++;
	alu_tuples_make(&t, f, TUPLES);
	if (t.n > TUPLES)
		t.n = TUPLES;
	for (unsigned k = 0; k < f->n_src; k++)
		memcpy(r->mem[k], t.src[k], t.n * 8);
	e = KT_RUN(&r->kt, name, KT1((uint32_t)t.n / 32), KT1(32), r->mem);
	if (e != BE_RUN_DONE) {
		diag("%s: run gives %d: %s", f->spelling, e, r->kt.err.text);
		good = false;
	}
	for (size_t j = 0; good && j < t.n; j++)
		good = same(r, f, &t, j);
	r->failed += !good;
	alu_tuples_free(&t);
}

static void run_group(struct run *r, enum alu_group g, const char *name)
{
	for (unsigned sm = 90; sm <= 100; sm += 10) {
		r->sm = sm;
		r->n = r->failed = 0;
		r->len = alu_ptx_header(r->text, r->size, sm);
		alu_forms_each(g, add_kernel, r);
		if (!r->n)
			continue;
		if (!kt_open(&r->kt, r->backend, r->text)) {
			diag("%.2000s", r->kt.log ? r->kt.log : r->kt.err.text);
			ok(0, "%s: %s forms of sm_%u load", r->backend, name, sm);
			kt_close(&r->kt);
			continue;
		}
		for (unsigned k = 0; k < 9; k++)
			r->mem[k] = kt_alloc(&r->kt, TUPLES * 8);
		r->n = r->ran = 0;
		alu_forms_each(g, run_kernel, r);
		ok(!r->failed, "%s: %u %s forms of sm_%u, %u wrong", r->backend, r->ran, name, sm, r->failed);
		kt_close(&r->kt);
	}
}

static bool ref_float(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r)
{
	(void)cc;
	return alu_ref_float(f, s, r);
}

static bool ref_cmp(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r)
{
	(void)cc;
	return alu_ref_cmp(f, s, r);
}

static bool ref_cvt(const struct alu_form *f, const uint64_t *s, uint64_t cc, struct alu_result *r)
{
	(void)cc;
	return alu_ref_cvt(f, s, r);
}

int main(void)
{
	static const struct {
		enum alu_group g;
		const char *name;
		alu_ref_fn ref;
	} groups[] = {
		{ ALU_G_INT, "integer", alu_ref_int }, { ALU_G_CARRY, "carry", alu_ref_int }, { ALU_G_BITS, "bit", alu_ref_int },
		{ ALU_G_CMP, "comparison", ref_cmp }, { ALU_G_FLOAT, "float", ref_float }, { ALU_G_HALF, "half", ref_float },
		{ ALU_G_MINMAX, "min and max", ref_float }, { ALU_G_CVT, "conversion", ref_cvt },
		{ ALU_G_CVT_PACKED, "packed conversion", ref_cvt }, { ALU_G_VIDEO, "video", alu_ref_video },
	};
	struct run r = { .size = 8 << 20 };

	plan_lazy();
	alu_seed();
	r.text = malloc(r.size);
	for (const char *const *b = kt_backends(); *b; b++) {
		r.backend = *b;
		r.every = strcmp(*b, "simd") || getenv("T491_ALL") ? 1 : EVERY;
		for (size_t k = 0; k < sizeof(groups) / sizeof(groups[0]); k++) {
			r.ref = groups[k].ref;
			run_group(&r, groups[k].g, groups[k].name);
		}
	}
	free(r.text);
	return 0;
}
