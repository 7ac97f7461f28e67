/*
 * 490-approx-all: the errors of backend/approx.h over all 2^32 inputs, against
 * the C library in double precision. Takes minutes; prints the table of
 * doc/numerics.md.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/approx.h"

struct stat {
	double ulp, rel, abs, abs_pi;   /* abs_pi: |x| <= 2 pi; abs: |x| < 2^15, and lg2 in (1/2, 2) */
	uint32_t ulp_at, rel_at;
};

static double d_rsqrt(double x) { return 1 / sqrt(x); }
static double d_rcp(double x) { return 1 / x; }

static const struct function {
	const char *name;
	float (*fn)(float);
	double (*ref)(double);
} functions[] = {
	{ "rcp", approx_rcp, d_rcp }, { "sqrt", approx_sqrt, sqrt }, { "rsqrt", approx_rsqrt, d_rsqrt }, { "ex2", approx_ex2, exp2 },
	{ "lg2", approx_lg2, log2 }, { "sin", approx_sin, sin }, { "cos", approx_cos, cos }, { "tanh", approx_tanh, tanh },
};

struct job {
	const struct function *f;
	uint32_t first;
	uint64_t count;
	struct stat s;
};

/* The last place of an f32 of that size. */
static double ulp_of(double v)
{
	int e;

	frexp(v, &e);
	return ldexp(1.0, e < -125 ? -149 : e - 24);
}

static void measure(struct stat *s, uint32_t u, float x, double got, double want, int is_lg2)
{
	double err = fabs(got - want), ulp = err / ulp_of(want), rel = err / fabs(want), a = fabs((double)x);

	if (ulp > s->ulp) {
		s->ulp = ulp;
		s->ulp_at = u;
	}
	if (fabs(want) >= 0x1p-126 && rel > s->rel) {
		s->rel = rel;
		s->rel_at = u;
	}
	if ((is_lg2 ? a > 0.5 && a < 2 : a < 0x1p15) && err > s->abs)
		s->abs = err;
	if (a <= 6.283186 && err > s->abs_pi)
		s->abs_pi = err;
}

static void *run(void *arg)
{
	struct job *j = arg;

	for (uint64_t k = 0; k < j->count; k++) {
		uint32_t u = j->first + (uint32_t)k;
		float x = approx_f32(u);
		double want, got;

		if (x != x || isinf(x))
			continue;
		want = j->f->ref((double)x);
		got = (double)j->f->fn(x);
		if (isnan(want) || isinf(got) || isinf(want) || want == 0)
			continue;
		measure(&j->s, u, x, got, want, j->f->fn == approx_lg2);
	}
	return NULL;
}

static void merge(struct stat *t, const struct stat *s)
{
	if (s->ulp > t->ulp) {
		t->ulp = s->ulp;
		t->ulp_at = s->ulp_at;
	}
	if (s->rel > t->rel) {
		t->rel = s->rel;
		t->rel_at = s->rel_at;
	}
	t->abs = fmax(t->abs, s->abs);
	t->abs_pi = fmax(t->abs_pi, s->abs_pi);
}

int main(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	struct job *jobs = calloc((size_t)n, sizeof(*jobs));
	pthread_t *threads = calloc((size_t)n, sizeof(*threads));

	if (!jobs || !threads)
		return 1;
	for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++) {
		const uint64_t each = (UINT64_C(1) << 32) / (uint64_t)n;
		struct stat s = { 0 };

		for (long k = 0; k < n; k++) {
			jobs[k] = (struct job){ &functions[f], (uint32_t)(each * (uint64_t)k), k == n - 1 ? (UINT64_C(1) << 32) - each * (uint64_t)k : each, { 0 } };
			pthread_create(&threads[k], NULL, run, &jobs[k]);
		}
		for (long k = 0; k < n; k++) {
			pthread_join(threads[k], NULL);
			merge(&s, &jobs[k].s);
		}
		printf("%-6s %.3f ulp at %08x, 2^%.2f rel at %08x, 2^%.2f abs (|x| < 2^15; lg2: in (1/2, 2)), 2^%.2f abs (|x| <= 2 pi)\n",
		       functions[f].name, s.ulp, s.ulp_at, log2(s.rel), s.rel_at, log2(s.abs), log2(s.abs_pi));
		fflush(stdout);
	}
	free(jobs);
	free(threads);
	return 0;
}
