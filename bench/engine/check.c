/*
 * check.c: what the anchor jobs should compute, in double precision where the
 * kernels use float, and how far a result is from it. Sums are compared
 * relative to what was added up, prices absolutely.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/engine/bench.h"

static const float *in_f(const struct job *j, unsigned b)
{
	return j->buf[b].p;
}

static void ref_saxpy(struct job *j)
{
	const float *y = j->buf[1].init;

	for (int i = 0; i < j->n; i++)
		j->ref[i] = (double)arg_f(j, 1) * (double)in_f(j, 0)[i] + (double)y[i];
}

static void ref_sgemm(struct job *j)
{
	int n = j->n;

#pragma omp parallel for
	for (int r = 0; r < n; r++)
		for (int k = 0; k < n; k++) {
			double a = in_f(j, 0)[r * n + k];

			for (int c = 0; c < n; c++)
				j->ref[r * n + c] += a * (double)in_f(j, 1)[k * n + c];
		}
}

static void ref_reduce(struct job *j)
{
	for (int i = 0; i < j->n; i++)
		j->ref[0] += (double)in_f(j, 0)[i];
}

static void ref_hist(struct job *j)
{
	const uint8_t *x = j->buf[0].p;

	for (size_t i = 0; i < (size_t)j->n * 4; i++)
		j->ref[x[i]]++;
}

/* As the kernel's PTX has it: one multiplication is fused with its addition, the others aren't. */
static int mandel_at(float cx, float cy, int limit)
{
	float zx = cx, zy = cy;
	int i;

	for (i = 0; i < limit; i++) {
		float x2 = zx * zx, y2 = zy * zy, t = zx + zx;

		if (x2 + y2 > 4.f)
			break;
		zx = cx + (x2 - y2);
		zy = fmaf(t, zy, cy);
	}
	return i;
}

static void ref_mandel(struct job *j)
{
	int n = j->n;

#pragma omp parallel for schedule(dynamic, 4)
	for (int y = 0; y < n; y++)
		for (int x = 0; x < n; x++)
			j->ref[y * n + x] = mandel_at(fmaf((float)x, arg_f(j, 5), arg_f(j, 3)), fmaf((float)y, arg_f(j, 6), arg_f(j, 4)),
						      j->arg[7].v.i);
}

static double normcdf(double d)
{
	return 0.5 * erfc(-d * 0.70710678118654752);
}

static void ref_bs(struct job *j)
{
	double r = arg_f(j, 5), v = arg_f(j, 6);

#pragma omp parallel for
	for (int i = 0; i < j->n; i++) {
		double s = in_f(j, 2)[i], x = in_f(j, 3)[i], t = in_f(j, 4)[i], root = sqrt(t);
		double d1 = (log(s / x) + (r + 0.5 * v * v) * t) / (v * root), d2 = d1 - v * root, e = exp(-r * t);

		j->ref[i] = s * normcdf(d1) - x * e * normcdf(d2);
		j->ref[j->n + i] = x * e * normcdf(-d2) - s * normcdf(-d1);
	}
}

static void ref_nbody(struct job *j)
{
	const float *p = in_f(j, 0);

#pragma omp parallel for
	for (int i = 0; i < j->n; i++) {
		double a[3] = { 0 };

		for (int k = 0; k < j->n; k++) {
			double d[3], d2 = (double)1e-4f, s;

			for (int c = 0; c < 3; c++) {
				d[c] = (double)p[4 * k + c] - (double)p[4 * i + c];
				d2 += d[c] * d[c];
			}
			s = (double)p[4 * k + 3] / (d2 * sqrt(d2));
			for (int c = 0; c < 3; c++)
				a[c] += d[c] * s;
		}
		for (int c = 0; c < 3; c++)
			j->ref[4 * i + c] = a[c];
	}
}

static void ref_transp(struct job *j)
{
	int n = j->n;

	for (int y = 0; y < n; y++)
		for (int x = 0; x < n; x++)
			j->ref[x * n + y] = (double)in_f(j, 0)[y * n + x];
}

static void ref_q8mv(struct job *j)
{
	const int8_t *q = j->buf[0].p, *v = j->buf[2].p;
	int groups = j->n / 64;

	for (int r = 0; r < j->rows; r++)
		for (int b = 0; b < groups; b++) {
			size_t at = (size_t)r * (size_t)groups + (size_t)b;
			int dot = 0;

			for (int k = 0; k < 32; k++)
				dot += q[at * 32 + (size_t)k] * v[b * 32 + k];
			j->ref[r] += (double)dot * (double)in_f(j, 1)[at] * (double)in_f(j, 3)[b];
		}
}

void job_reference(struct job *j)
{
	static void (*const make[])(struct job *) = {
		[F_SAXPY] = ref_saxpy, [F_SGEMM] = ref_sgemm, [F_REDUCE] = ref_reduce, [F_HIST] = ref_hist,
		[F_MANDEL] = ref_mandel, [F_BS] = ref_bs, [F_BS_PREC] = ref_bs, [F_NBODY] = ref_nbody,
		[F_TRANSP] = ref_transp, [F_Q8MV] = ref_q8mv,
	};

	for (unsigned b = 0; b < j->n_bufs; b++)
		if (j->buf[b].out)
			j->n_ref += j->buf[b].size / 4;
	j->ref = calloc(j->n_ref, sizeof(*j->ref));
	if (!j->ref)
		die("no memory for the reference of %s", j->name);
	make[j->family](j);
}

/* ---- comparing ---- */

static double worse(double worst, double e)
{
	return e <= worst ? worst : e <= 1e30 ? e : 1e30;   /* NaN is worst */
}

/* The job's k-th result over all output buffers, as it lies there. */
static const void *result_at(const struct job *j, size_t k)
{
	for (unsigned b = 0; b < j->n_bufs; b++) {
		if (!j->buf[b].out)
			continue;
		if (k < j->buf[b].size / 4)
			return (const char *)j->buf[b].p + 4 * k;
		k -= j->buf[b].size / 4;
	}
	return NULL;
}

static double share_wrong(const struct job *j, const uint32_t *got)
{
	size_t wrong = 0;

	for (size_t k = 0; k < j->n_ref; k++)
		wrong += got[k] != (uint32_t)j->ref[k];
	return (double)wrong / (double)j->n_ref;
}

/* Kernels leave a part per block, host code the whole in the first. */
static double error_of_sum(const struct job *j, const float *part)
{
	double sum = 0;

	for (size_t k = 0; k < j->n_ref; k++)
		sum += (double)part[k];
	return worse(0, fabs(sum - j->ref[0]) / sqrt(j->n));
}

double job_error(const struct job *j)
{
	double worst = 0;

	if (j->family == F_HIST || j->family == F_MANDEL)
		return share_wrong(j, result_at(j, 0));
	if (j->family == F_REDUCE)
		return error_of_sum(j, result_at(j, 0));
	for (size_t k = 0; k < j->n_ref; k++) {
		double got = (double)*(const float *)result_at(j, k), d = fabs(got - j->ref[k]);

		if (j->family == F_NBODY || j->family == F_Q8MV)
			d /= fabs(j->ref[k]) + 1;
		else if (j->family == F_BS || j->family == F_BS_PREC)
			d /= 100;
		worst = worse(worst, d);
	}
	return worst;
}
