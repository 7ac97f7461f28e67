/* report.c: the table of times and ratios, and the same as JSON. */
#include <math.h>
#include <string.h>

#include "bench/engine/bench.h"

static struct figure {
	char name[48], system[16], unit[8];
	double value;
} figures[128];
static unsigned n_figures;

void report_figure(const char *name, const char *system, double value, const char *unit)
{
	struct figure *f = &figures[n_figures];

	if (n_figures == sizeof(figures) / sizeof(figures[0]))
		return;
	n_figures++;
	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->system, sizeof(f->system), "%s", system);
	snprintf(f->unit, sizeof(f->unit), "%s", unit);
	f->value = value;
}

static int by_name(struct system *const *sys, unsigned n, const char *name)
{
	for (unsigned k = 0; k < n; k++)
		if (!strcmp(sys[k]->name, name))
			return (int)k;
	return -1;
}

/* ---- ratios: how many times as fast as another our system is ---- */

struct mean {
	double log_sum, least;
	unsigned n;
	const char *least_job;
};

static void mean_add(struct mean *m, double ratio, const char *job)
{
	if (!m->n || ratio < m->least) {
		m->least = ratio;
		m->least_job = job;
	}
	m->log_sum += log(ratio);
	m->n++;
}

static double mean_of(const struct mean *m)
{
	return m->n ? exp(m->log_sum / m->n) : 0;
}

static bool usable(const struct result *r, int k)
{
	return k >= 0 && r->ms[k] > 0 && r->ok[k];
}

/* Hand-written, or the best plain C where there is no such version; 0: neither. */
static double yardstick(const struct result *r, int hand, int c)
{
	return usable(r, hand) ? r->ms[hand] : usable(r, c) ? r->ms[c] : 0;
}

static void print_ms(double ms, bool ran, bool ok)
{
	if (!ran)
		printf(" %11s", "-");
	else
		printf(" %10.*f%c", ms < 0.1 ? 4 : ms < 10 ? 3 : ms < 100 ? 2 : 1, ms, ok ? ' ' : '!');
}

static void print_ratio(double ratio)
{
	if (ratio > 0)
		printf(" %8.2f", ratio);
	else
		printf(" %8s", "-");
}

static void ratios_of(unsigned me, struct system *const *sys, unsigned n_sys, const struct result *r, unsigned n)
{
	struct mean mean[SYSTEMS_MAX] = { { 0 } }, best = { 0 };
	int hand = by_name(sys, n_sys, "hand"), c = by_name(sys, n_sys, "c");

	printf("\n%s: times as fast as …\n%-10s", sys[me]->name, "kernel");
	for (unsigned s = 0; s < n_sys; s++)
		if (s != me)
			printf(" %8s", sys[s]->name);
	printf(" %8s\n", "hand|c");
	for (unsigned k = 0; k < n; k++) {
		double y = yardstick(&r[k], hand, c);

		printf("%-10s", r[k].job);
		for (unsigned s = 0; s < n_sys; s++) {
			double ratio = usable(&r[k], (int)me) && usable(&r[k], (int)s) ? r[k].ms[s] / r[k].ms[me] : 0;

			if (s == me)
				continue;
			print_ratio(ratio);
			if (ratio > 0)
				mean_add(&mean[s], ratio, r[k].job);
		}
		y = usable(&r[k], (int)me) ? y / r[k].ms[me] : 0;
		print_ratio(y);
		if (y > 0)
			mean_add(&best, y, r[k].job);
		printf("\n");
	}
	printf("%-10s", "geo. mean");
	for (unsigned s = 0; s < n_sys; s++)
		if (s != me)
			print_ratio(mean_of(&mean[s]));
	print_ratio(mean_of(&best));
	printf("\n");
	for (unsigned s = 0; s < n_sys; s++)
		if (s != me && mean[s].n) {
			char name[48];

			snprintf(name, sizeof(name), "geometric mean against %s", sys[s]->name);
			report_figure(name, sys[me]->name, mean_of(&mean[s]), "x");
		}
	if (best.n) {
		printf("%-10s %.2f (%s) of the yardstick: hand-written where there is one, else the best plain C\n", "least", best.least,
		       best.least_job);
		report_figure("geometric mean against hand or c", sys[me]->name, mean_of(&best), "x");
		report_figure("least against hand or c", sys[me]->name, best.least, "x");
	}
}

static void print_wrong(struct system *const *sys, unsigned n_sys, const struct result *r, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		for (unsigned s = 0; s < n_sys; s++)
			if (r[k].ms[s] > 0 && !r[k].ok[s])
				printf("! %s on %s: WRONG RESULT, error %.3g\n", r[k].job, sys[s]->name, r[k].error[s]);
}

void report_table(struct system *const *sys, unsigned n_sys, const struct result *r, unsigned n)
{
	printf("\nms\n%-10s", "kernel");
	for (unsigned s = 0; s < n_sys; s++)
		printf(" %10s ", sys[s]->name);
	printf("  which c\n");
	for (unsigned k = 0; k < n; k++) {
		printf("%-10s", r[k].job);
		for (unsigned s = 0; s < n_sys; s++)
			print_ms(r[k].ms[s], r[k].ms[s] > 0, r[k].ok[s]);
		for (unsigned s = 0; s < n_sys; s++)
			if (!strcmp(sys[s]->name, "c"))
				printf("  %s", r[k].note[s]);
		printf("\n");
	}
	print_wrong(sys, n_sys, r, n);
	for (unsigned s = 0; s < n_sys; s++)
		if (sys[s]->ours && n_sys > 1)
			ratios_of(s, sys, n_sys, r, n);
}

/* ---- JSON; no text in it needs escapes but the CPU's and device's names ---- */

static void json_text(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((unsigned char)*s >= ' ')
			fputc(*s, f);
	fputc('"', f);
}

static void json_result(FILE *f, struct system *const *sys, unsigned n_sys, const struct result *r)
{
	const char *sep = "";

	fprintf(f, "    {\"kernel\": \"%s\"", r->job);
	fprintf(f, ", \"systems\": {");
	for (unsigned s = 0; s < n_sys; s++) {
		if (!(r->ms[s] > 0))
			continue;
		fprintf(f, "%s\"%s\": {\"ms\": %.6g, \"min_ms\": %.6g, \"ok\": %s, \"error\": %.3g", sep, sys[s]->name, r->ms[s],
			r->min_ms[s], r->ok[s] ? "true" : "false", r->error[s]);
		if (r->note[s][0]) {
			fprintf(f, ", \"version\": ");
			json_text(f, r->note[s]);
		}
		fputc('}', f);
		sep = ", ";
	}
	fprintf(f, "}}");
}

void report_json(FILE *f, struct system *const *sys, unsigned n_sys, const struct result *r, unsigned n)
{
	static const char *const sizes[] = { "tiny", "small", "full" };

	fprintf(f, "{\n  \"cpu\": ");
	json_text(f, cpu_name());
	fprintf(f, ",\n  \"level\": %u, \"threads\": %u, \"runs\": %u, \"size\": \"%s\",\n  \"systems\": {", cpu_level(), opt.threads, opt.runs,
		sizes[opt.size]);
	for (unsigned s = 0; s < n_sys; s++) {
		fprintf(f, "%s\"%s\": ", s ? ", " : "", sys[s]->name);
		json_text(f, sys[s]->what);
	}
	fprintf(f, "},\n  \"kernels\": [\n");
	for (unsigned k = 0; k < n; k++) {
		json_result(f, sys, n_sys, &r[k]);
		fprintf(f, "%s\n", k + 1 < n ? "," : "");
	}
	fprintf(f, "  ],\n  \"figures\": [\n");
	for (unsigned k = 0; k < n_figures; k++)
		fprintf(f, "    {\"name\": \"%s\", \"system\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}%s\n", figures[k].name, figures[k].system,
			figures[k].value, figures[k].unit, k + 1 < n_figures ? "," : "");
	fprintf(f, "  ]\n}\n");
}
