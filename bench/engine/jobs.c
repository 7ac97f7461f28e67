/*
 * jobs.c: the fourteen anchor jobs: a kernel, its shape and its data, in three
 * sizes. Data come from a fixed generator, so that every system and run sees
 * the same.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/engine/bench.h"

static uint64_t seed;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

static float rnd_f(float lo, float hi)
{
	return lo + (hi - lo) * (float)(rnd() & 0xffffff) / 16777216.f;
}

/* ---- building ---- */

static void *add_buf(struct job *j, size_t size, bool out)
{
	struct buf *b = &j->buf[j->n_bufs++];

	*b = (struct buf){ .p = window_alloc(size), .size = size, .out = out };
	return b->p;
}

static void floats(struct job *j, size_t n, float lo, float hi)
{
	float *p = add_buf(j, n * 4, false);

	for (size_t k = 0; k < n; k++)
		p[k] = rnd_f(lo, hi);
}

static void bytes(struct job *j, size_t n)
{
	uint8_t *p = add_buf(j, n, false);

	for (size_t k = 0; k < n; k++)
		p[k] = (uint8_t)rnd();
}

/* fmt: a letter per parameter, b for the buffers in turn, i and f from iv and fv in turn. */
static void args(struct job *j, const char *fmt, const int32_t *iv, const float *fv)
{
	int32_t b = 0;

	for (; *fmt; fmt++) {
		struct arg *a = &j->arg[j->n_args++];

		a->kind = *fmt;
		if (*fmt == 'b')
			a->v.i = b++;
		else if (*fmt == 'i')
			a->v.i = *iv++;
		else
			a->v.f = *fv++;
	}
}

static void shape(struct job *j, uint32_t gx, uint32_t gy, uint32_t bx, uint32_t by)
{
	uint32_t grid[3] = { gx, gy, 1 }, block[3] = { bx, by, 1 };

	memcpy(j->grid, grid, sizeof(grid));
	memcpy(j->block, block, sizeof(block));
}

static unsigned u(int n)
{
	return (unsigned)n;
}

/* ---- the jobs: n as in the row ---- */

static void make_saxpy(struct job *j, int n)
{
	floats(j, u(n), -1, 1);
	floats(j, u(n), -1, 1);
	j->buf[1].out = true;
	j->buf[1].init = malloc(j->buf[1].size);
	memcpy((void *)j->buf[1].init, j->buf[1].p, j->buf[1].size);
	args(j, "ifbb", (int32_t[]){ n }, (float[]){ 1.0001f });
	shape(j, u(n) / 256, 1, 256, 1);
	j->tolerance = 1e-6;
}

static void make_sgemm(struct job *j, int n, uint32_t bx, uint32_t by)
{
	floats(j, (size_t)n * u(n), -1, 1);
	floats(j, (size_t)n * u(n), -1, 1);
	add_buf(j, (size_t)n * u(n) * 4, true);
	args(j, "bbbi", (int32_t[]){ n }, NULL);
	shape(j, u(n) / bx, u(n) / by, bx, by);
	j->tolerance = 1e-3;
}

static void make_sgemm_16(struct job *j, int n)
{
	make_sgemm(j, n, 16, 16);
}

static void make_sgemm_32x8(struct job *j, int n)
{
	make_sgemm(j, n, 32, 8);
}

static void make_sgemm_32(struct job *j, int n)
{
	make_sgemm(j, n, 32, 32);
}

static void make_reduce(struct job *j, int n)
{
	uint32_t blocks = u(n) >> 14 < 16 ? 16 : u(n) >> 14;

	floats(j, u(n), -1, 1);
	add_buf(j, blocks * 4, true);
	args(j, "bbi", (int32_t[]){ n }, NULL);
	shape(j, blocks, 1, 256, 1);
	j->tolerance = 1e-3;
}

static void make_hist(struct job *j, int n)
{
	bytes(j, (size_t)n * 4);
	add_buf(j, 1024, true);
	args(j, "bbi", (int32_t[]){ n }, NULL);
	shape(j, u(n) >> 16 < 16 ? 16 : u(n) >> 16, 1, 256, 1);
}

static void make_mandel(struct job *j, int n)
{
	int limit = n >= 1024 ? 512 : 128;

	add_buf(j, (size_t)n * u(n) * 4, true);
	args(j, "biiffffi", (int32_t[]){ n, n, limit }, (float[]){ -2.f, -1.25f, 2.5f / (float)n, 2.5f / (float)n });
	shape(j, u(n) / 16, u(n) / 16, 16, 16);
	/* share of pixels that differ: rounding decides about some at the rim */
	j->tolerance = 0.01;
}

static void make_bs(struct job *j, int n)
{
	add_buf(j, u(n) * 4ul, true);
	add_buf(j, u(n) * 4ul, true);
	floats(j, u(n), 5, 30);
	floats(j, u(n), 1, 100);
	floats(j, u(n), .25f, 10);
	args(j, "bbbbbffi", (int32_t[]){ n }, (float[]){ .02f, .3f });
	shape(j, u(n) / 128, 1, 128, 1);
	/* of prices up to 100; the polynomial and approximate functions have no more in them */
	j->tolerance = j->family == F_BS ? 2e-4 : 5e-5;
}

static void make_nbody(struct job *j, int n)
{
	floats(j, u(n) * 4ul, 0, 1);
	add_buf(j, u(n) * 16ul, true);
	args(j, "bbi", (int32_t[]){ n }, NULL);
	shape(j, u(n) / 256, 1, 256, 1);
	j->tolerance = 2e-3;
}

static void make_transp(struct job *j, int n)
{
	floats(j, (size_t)n * u(n), 0, 1);
	add_buf(j, (size_t)n * u(n) * 4, true);
	args(j, "bbi", (int32_t[]){ n }, NULL);
	shape(j, u(n) / 32, u(n) / 32, 32, 8);
}

/* n rows of n / 64 groups of 32 numbers: 8192 x 4096 in full. */
static void make_q8mv(struct job *j, int n)
{
	int groups = n / 64;

	bytes(j, (size_t)n * u(groups) * 32);
	floats(j, (size_t)n * u(groups), 0, .01f);
	bytes(j, u(groups) * 32u);
	floats(j, u(groups), 0, .01f);
	add_buf(j, u(n) * 4ul, true);
	args(j, "bbbbbi", (int32_t[]){ groups }, NULL);
	shape(j, u(n) / 4, 1, 32, 4);
	j->rows = n;
	j->tolerance = 1e-3;
}

static const struct row {
	const char *name, *kernel;
	enum family family;
	void (*make)(struct job *j, int n);
	int n[3];                     /* tiny, small, full */
} rows[] = {
	{ "saxpy", "saxpy", F_SAXPY, make_saxpy, { 1 << 14, 1 << 20, 1 << 24 } },
	{ "saxpy64k", "saxpy", F_SAXPY, make_saxpy, { 1 << 12, 1 << 16, 1 << 16 } },
	{ "sgemm_n16", "sgemm_naive", F_SGEMM, make_sgemm_16, { 64, 256, 1024 } },
	{ "sgemm_n32", "sgemm_naive", F_SGEMM, make_sgemm_32x8, { 64, 256, 1024 } },
	{ "sgemm_t16", "sgemm_t16", F_SGEMM, make_sgemm_16, { 64, 256, 1024 } },
	{ "sgemm_t32", "sgemm_t32", F_SGEMM, make_sgemm_32, { 64, 256, 1024 } },
	{ "reduce", "reduce", F_REDUCE, make_reduce, { 1 << 16, 1 << 20, 1 << 24 } },
	{ "hist", "hist", F_HIST, make_hist, { 1 << 14, 1 << 20, 1 << 24 } },
	{ "mandel", "mandel", F_MANDEL, make_mandel, { 64, 256, 1024 } },
	{ "bs", "bs", F_BS, make_bs, { 1 << 12, 1 << 18, 1 << 22 } },
	{ "bs_prec", "bs_prec", F_BS_PREC, make_bs, { 1 << 12, 1 << 18, 1 << 22 } },
	{ "nbody", "nbody", F_NBODY, make_nbody, { 256, 2048, 16384 } },
	{ "transp", "transp", F_TRANSP, make_transp, { 128, 1024, 4096 } },
	{ "q8mv", "q8mv", F_Q8MV, make_q8mv, { 256, 2048, 8192 } },
};

unsigned job_count(void)
{
	return sizeof(rows) / sizeof(rows[0]);
}

const char *job_name(unsigned k)
{
	return rows[k].name;
}

void job_make(struct job *j, unsigned k, enum size size)
{
	*j = (struct job){ .name = rows[k].name, .kernel = rows[k].kernel, .family = rows[k].family, .n = rows[k].n[size] };
	seed = 88172645463325252ull;
	rows[k].make(j, j->n);
}

void job_over(struct job *j)
{
	for (unsigned b = 0; b < j->n_bufs; b++)
		free((void *)j->buf[b].init);
	free(j->ref);
	j->ref = NULL;
}

void job_reset(const struct job *j)
{
	for (unsigned b = 0; b < j->n_bufs; b++) {
		if (j->buf[b].init)
			memcpy(j->buf[b].p, j->buf[b].init, j->buf[b].size);
		else if (j->buf[b].out)
			memset(j->buf[b].p, 0, j->buf[b].size);
	}
}

uint32_t job_params(const struct job *j, const uint64_t *addr, uint8_t out[64])
{
	uint32_t at = 0;

	for (unsigned k = 0; k < j->n_args; k++) {
		const struct arg *a = &j->arg[k];
		uint32_t size = a->kind == 'b' ? 8 : 4;

		at = (at + size - 1) & ~(size - 1);
		if (a->kind == 'b')
			memcpy(out + at, &addr[a->v.i], 8);
		else
			memcpy(out + at, &a->v, 4);
		at += size;
	}
	return at;
}

float arg_f(const struct job *j, unsigned k)
{
	return j->arg[k].v.f;
}
