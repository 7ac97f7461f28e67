/*
 * ptx_scan.c: passes over a function's body without parsing it, at memory's
 * speed: finds its end, and which symbols of the module it names, so that who
 * calls whom and which variables are used is known of bodies that nobody has
 * parsed yet. A name that is also one of the body's own is taken for the
 * module's; that does no harm but a little memory.
 *
 * What has an effect outside of the body is not for later: a body that
 * declares variables of the module, or (outside of entries) shared ones, is
 * parsed at once. So is everything, in a module with indirect calls: which
 * functions they may reach is known only when all bodies are.
 */
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

#define BLANK 1
#define WORD 2          /* may begin a name */
#define INNER 4
#define DOT 8

static const uint8_t cls[256] = {
	[' '] = BLANK, ['\t'] = BLANK, ['\r'] = BLANK, ['\f'] = BLANK, ['\v'] = BLANK,
	['a' ... 'z'] = WORD | INNER, ['A' ... 'Z'] = WORD | INNER, ['_'] = WORD | INNER, ['$'] = WORD | INNER,
	['0' ... '9'] = INNER, ['.'] = DOT,
};

static bool is_class(const char *p, unsigned c)
{
	return cls[(unsigned char)*p] & c;
}

static bool word_is(const char *p, size_t n, const char *w)
{
	return strlen(w) == n && !memcmp(p, w, n);
}

/* A directive at the start of a statement. */
static void directive(struct ptx_scan *s, const char *p, size_t n)
{
	static const char *const own[] = { "loc", "reg", "param", "local", "pragma", "branchtargets" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (word_is(p, n, own[i]))
			return;
	if (word_is(p, n, "callprototype") || word_is(p, n, "calltargets"))
		s->indirect = true;
	else if (!s->entry || !word_is(p, n, "shared"))
		s->now = true;
}

static bool note(struct ptx_parser *P, struct ptx_scan *s, const char *p, size_t n)
{
	const struct ptx_name *name = ptx_find(P, p, n);
	const struct ptx_bind *b = name ? name->bind : NULL;

	while (b && b->depth)
		b = b->outer;
	if (!b || b->kind != PTX_B_SYM)
		return true;
	while (P->scan_seen.n <= b->index)
		if (!vgpu_vec_push(&P->scan_seen, 0))
			return ptx_nomem(P);
	if (P->scan_seen.v[b->index] == P->scan_serial)
		return true;
	P->scan_seen.v[b->index] = P->scan_serial;
	return vgpu_vec_push(&s->refs, b->index) ? true : ptx_nomem(P);
}

static const char *skip_string(const struct ptx_parser *P, const char *p)
{
	for (p++; p < P->end && *p != '"' && *p != '\n'; p++)
		if (*p == '\\' && p + 1 < P->end)
			p++;
	return *p == '"' ? p + 1 : p;
}

static const char *skip_comment(struct ptx_parser *P, const char *p)
{
	if (p[1] == '/') {
		const char *nl = memchr(p, '\n', (size_t)(P->end - p));

		return nl ? nl : P->end;
	}
	for (p += 2; p < P->end; p++) {
		if (*p == '\n') {
			P->line++;
			P->line_start = p + 1;
		}
		if (p[0] == '*' && p[1] == '/')
			return p + 2;
	}
	return P->end;
}

/* A word: a mnemonic with its modifiers is passed over. Answers what is behind it. */
static const char *word(struct ptx_parser *P, struct ptx_scan *s, const char *p)
{
	const char *q = p;

	while (is_class(q, INNER))
		q++;
	if (*q == '.') {
		while (is_class(q, INNER | DOT))
			q++;
		return q;
	}
	return note(P, s, p, (size_t)(q - p)) ? q : P->end;
}

bool ptx_scan_body(struct ptx_parser *P, struct ptx_scan *s)
{
	const char *p = P->p, *q;
	bool start = true;
	int depth = 1;

	P->scan_serial++;
	while (p < P->end) {
		unsigned c = cls[(unsigned char)*p];

		if (c & BLANK) {
			p++;
		} else if (c & WORD) {
			p = word(P, s, p);
			start = false;
		} else if (*p == '%' || (c & INNER)) {         /* a register, a number */
			for (p++; is_class(p, INNER | DOT); p++)
				continue;
			start = false;
		} else if (*p == '\n') {
			P->line++;
			P->line_start = ++p;
			start = true;
		} else if (c & DOT) {
			for (q = ++p; is_class(p, INNER); p++)
				continue;
			if (start)
				directive(s, q, (size_t)(p - q));
			start = false;
		} else if (*p == '/' && (p[1] == '/' || p[1] == '*')) {
			p = skip_comment(P, p);
		} else if (*p == '"') {
			p = skip_string(P, p);
		} else if (*p == '}' && --depth == 0) {
			P->p = p + 1;
			return !P->nomem;
		} else {
			depth += *p == '{';
			start = *p == ';' || *p == '{' || *p == '}' || *p == ':';
			p++;
		}
	}
	return false;
}
