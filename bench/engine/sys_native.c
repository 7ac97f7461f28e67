/*
 * sys_native.c: the systems "c" and "hand": base.c as compiled in several
 * ways, of which the fastest right one is measured for each job, and hand.c.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <omp.h>
#include <stdlib.h>

#include "bench/engine/bench.h"
#include "bench/engine/native.h"

static const struct native *const base[] = {
	&base_v2, &base_v3, &base_v3f,
#ifdef BENCH_AVX512
	&base_v4, &base_v4f,
#endif
	NULL
};
static const struct native *const by_hand[] = {
#ifdef BENCH_AVX512
	&hand,
#endif
	NULL
};

struct native_priv {
	const struct native *const *list;
	const struct native *use;
	unsigned form;
};

static unsigned forms(const struct native *n, const struct job *j)
{
	switch (j->family) {
	case F_SAXPY: return n->saxpy != NULL;
	case F_SGEMM: return n->sgemm[1] ? 2 : n->sgemm[0] != NULL;
	case F_REDUCE: return n->reduce != NULL;
	case F_HIST: return n->hist != NULL;
	case F_MANDEL: return n->mandel != NULL;
	case F_BS: return n->bs != NULL;
	case F_BS_PREC: return n->bs_prec != NULL;
	case F_NBODY: return n->nbody[1] ? 2 : n->nbody[0] != NULL;
	case F_TRANSP: return n->transp != NULL;
	case F_Q8MV: return n->q8mv != NULL;
	}
	return 0;
}

static void call_bs(const struct job *j,
		    void (*f)(float *, float *, const float *, const float *, const float *, float, float, int))
{
	f(j->buf[0].p, j->buf[1].p, j->buf[2].p, j->buf[3].p, j->buf[4].p, arg_f(j, 5), arg_f(j, 6), j->n);
}

static void call(const struct native *n, unsigned form, const struct job *j)
{
	switch (j->family) {
	case F_SAXPY:
		n->saxpy(j->n, arg_f(j, 1), j->buf[0].p, j->buf[1].p);
		break;
	case F_SGEMM:
		n->sgemm[form](j->buf[0].p, j->buf[1].p, j->buf[2].p, j->n);
		break;
	case F_REDUCE:
		*(float *)j->buf[1].p = n->reduce(j->buf[0].p, j->n);
		break;
	case F_HIST:
		n->hist(j->buf[0].p, j->buf[1].p, j->n);
		break;
	case F_MANDEL:
		n->mandel(j->buf[0].p, j->n, j->n, arg_f(j, 3), arg_f(j, 4), arg_f(j, 5), arg_f(j, 6), j->arg[7].v.i);
		break;
	case F_BS:
		call_bs(j, n->bs);
		break;
	case F_BS_PREC:
		call_bs(j, n->bs_prec);
		break;
	case F_NBODY:
		n->nbody[form](j->buf[0].p, j->buf[1].p, j->n);
		break;
	case F_TRANSP:
		n->transp(j->buf[0].p, j->buf[1].p, j->n);
		break;
	case F_Q8MV:
		n->q8mv(j->buf[0].p, j->buf[1].p, j->buf[2].p, j->buf[3].p, j->buf[4].p, j->rows, j->n / 64);
		break;
	}
}

static void native_run(struct system *s, const struct job *j)
{
	struct native_priv *p = s->priv;

	call(p->use, p->form, j);
}

/* Best of three, 1e30 where the result is wrong. */
static double try_one(struct system *s, const struct job *j)
{
	double best = 1e30;

	job_reset(j);
	native_run(s, j);
	if (job_error(j) > j->tolerance)
		return best;
	for (int k = 0; k < 3; k++) {
		double t = run_once(s, j);

		best = t < best ? t : best;
	}
	return best;
}

static bool native_ready(struct system *s, const struct job *j)
{
	struct native_priv *p = s->priv;
	const struct native *best_use = NULL;
	unsigned best_form = 0;
	double best = 1e31;

	for (const struct native *const *n = p->list; *n; n++) {
		for (unsigned f = 0; (*n)->level <= cpu_level() && f < forms(*n, j); f++) {
			double t;

			p->use = *n;
			p->form = f;
			t = try_one(s, j);
			if (t < best) {
				best = t;
				best_use = *n;
				best_form = f;
			}
		}
	}
	p->use = best_use;
	p->form = best_form;
	if (best_use)
		snprintf(s->what, sizeof(s->what), "%s%s", best_use->name, best_form ? " /2" : "");
	return best_use != NULL;
}

static const char *native_open(struct system *s)
{
	struct native_priv *p = s->priv;
	bool any = false;

	omp_set_num_threads((int)opt.threads);
	for (const struct native *const *n = p->list; *n; n++)
		any = any || (*n)->level <= cpu_level();
	if (!any)
		return p->list[0] ? "this CPU has no AVX-512 with VNNI" : "built by a compiler without AVX-512";
	return NULL;
}

struct system sys_c = {
	.name = "c", .bound = true, .open = native_open, .ready = native_ready, .run = native_run, .priv = &(struct native_priv){ .list = base },
};
struct system sys_hand = {
	.name = "hand", .bound = true, .open = native_open, .ready = native_ready, .run = native_run, .priv = &(struct native_priv){ .list = by_hand },
};
