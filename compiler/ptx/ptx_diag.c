/*
 * ptx_diag.c: diagnostics, spelled as ptxas does, with column, source line
 * and caret. The text is collected; nothing is printed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

#define SHOWN_B 120      /* of a long source line */
#define DEFAULT_MAX 64

void ptx_diag_init(struct ptx_diag *d)
{
	memset(d, 0, sizeof(*d));
}

void ptx_diag_fini(struct ptx_diag *d)
{
	vgpu_buf_free(&d->errors);
	vgpu_buf_free(&d->infos);
}

static void count_lines(const struct ptx_parser *P, const char *at, uint32_t *line, const char **start)
{
	const char *s = P->text, *nl;
	uint32_t n = 1;

	if (at >= P->line_start) {      /* the usual case: the present line or what follows it */
		s = P->line_start;
		n = P->line;
	}
	while ((nl = memchr(s, '\n', (size_t)(at - s)))) {
		s = nl + 1;
		n++;
	}
	*line = n;
	*start = s;
}

/* The source line with a caret under at; long lines are cut around it. */
static void show_line(struct vgpu_buf *b, const struct ptx_parser *P, const char *start, const char *at)
{
	const char *from = at - start > SHOWN_B - 20 ? at - (SHOWN_B - 20) : start;
	const char *stop = from;

	while (stop < P->end && *stop != '\n' && *stop != '\r' && stop - from < SHOWN_B)
		stop++;
	vgpu_buf_str(b, "    ");
	for (const char *s = from; s < stop; s++) {
		char c = *s;

		if (c != '\t' && ((unsigned char)c < 32 || (unsigned char)c > 126))
			c = '?';
		vgpu_buf_add(b, &c, 1);
	}
	vgpu_buf_str(b, "\n    ");
	for (const char *s = from; s < at && s < stop; s++)
		vgpu_buf_str(b, *s == '\t' ? "\t" : " ");
	vgpu_buf_str(b, "^\n");
}

static void report(struct ptx_parser *P, struct vgpu_buf *b, const char *kind, const char *at, const char *fmt, va_list ap)
{
	const char *start;
	uint32_t line;

	if (at < P->text || at > P->end)
		at = P->p;
	count_lines(P, at, &line, &start);
	vgpu_buf_printf(b, "%s, line %u, col %u; %s: ", P->src_name, line, (unsigned)(at - start) + 1, kind);
	vgpu_buf_vprintf(b, fmt, ap);
	vgpu_buf_str(b, "\n");
	show_line(b, P, start, at);
}

bool ptx_error(struct ptx_parser *P, const char *at, const char *fmt, ...)
{
	unsigned cap = P->diag->max_errors ? P->diag->max_errors : DEFAULT_MAX;
	va_list ap;

	if (P->stop || P->nomem)
		return false;
	va_start(ap, fmt);
	report(P, &P->diag->errors, "error   ", at, fmt, ap);
	va_end(ap);
	if (++P->diag->n_errors >= cap) {
		P->stop = true;
		vgpu_buf_printf(&P->diag->errors, "%s; fatal   : more than %u errors, giving up\n", P->src_name, cap - 1);
	}
	return false;
}

void ptx_warn(struct ptx_parser *P, const char *at, const char *fmt, ...)
{
	unsigned cap = P->diag->max_errors ? P->diag->max_errors : DEFAULT_MAX;
	va_list ap;

	if (P->diag->n_warnings++ >= cap)
		return;
	va_start(ap, fmt);
	report(P, &P->diag->infos, "warning ", at, fmt, ap);
	va_end(ap);
}

bool ptx_nomem(struct ptx_parser *P)
{
	P->nomem = P->stop = true;
	return false;
}
