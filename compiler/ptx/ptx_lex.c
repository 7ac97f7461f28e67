/*
 * ptx_lex.c: characters to words and numbers. There is no token list: the
 * parser asks for what may come next. P->p always stands behind the last
 * thing read; the asking functions skip blanks and comments first.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

#define START 1
#define INNER 2
#define DIGIT 4
#define HEX 8

static const uint8_t cls[256] = {
	['0' ... '9'] = INNER | DIGIT | HEX,
	['a' ... 'f'] = START | INNER | HEX, ['g' ... 'z'] = START | INNER,
	['A' ... 'F'] = START | INNER | HEX, ['G' ... 'Z'] = START | INNER,
	['_'] = START | INNER, ['$'] = START | INNER, ['%'] = START,
};

bool ptx_is_ident_start(int c)
{
	return cls[(unsigned char)c] & START;
}

bool ptx_is_ident(int c)
{
	return cls[(unsigned char)c] & INNER;
}

static void new_line(struct ptx_parser *P, const char *after)
{
	P->line++;
	P->line_start = after;
}

static void skip_block_comment(struct ptx_parser *P)
{
	const char *open = P->p;

	for (P->p += 2; P->p < P->end; P->p++) {
		if (*P->p == '\n')
			new_line(P, P->p + 1);
		if (P->p[0] == '*' && P->p[1] == '/') {
			P->p += 2;
			return;
		}
	}
	ptx_error(P, open, "Comment is not closed");
}

void ptx_skip(struct ptx_parser *P)
{
	for (;;) {
		char c = *P->p;

		if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
			P->p++;
		} else if (c == '\n') {
			P->p++;
			new_line(P, P->p);
		} else if (c == '/' && P->p[1] == '/') {
			while (P->p < P->end && *P->p != '\n')
				P->p++;
		} else if (c == '/' && P->p[1] == '*') {
			skip_block_comment(P);
		} else if (c == '#' && P->p > P->text && P->p == P->line_start) {   /* left over from cpp */
			while (P->p < P->end && *P->p != '\n')
				P->p++;
		} else {
			return;
		}
	}
}

struct ir_loc ptx_loc(const struct ptx_parser *P)
{
	struct ir_loc l = { P->line, (uint32_t)(P->p - P->line_start) + 1, P->loc_file, P->loc_line };

	return l;
}

static uint32_t hash_of(const char *s, size_t n)
{
	uint32_t h = 2166136261u;

	while (n >= 8) {
		uint64_t v;

		memcpy(&v, s, 8);
		v *= 0x9e3779b97f4a7c15ull;
		h = (h ^ (uint32_t)(v >> 32)) * 16777619u;
		h ^= h >> 15;
		s += 8;
		n -= 8;
	}
	while (n--)
		h = (h ^ (uint8_t)*s++) * 16777619u;
	return h ^ h >> 13;
}

static bool grow_names(struct ptx_parser *P)
{
	size_t cap = P->names_cap ? P->names_cap * 2 : 4096;
	struct ptx_name **t = calloc(cap, sizeof(*t));

	if (!t)
		return ptx_nomem(P);
	for (size_t i = 0; i < P->names_cap; i++)
		for (struct ptx_name *n = P->names[i], *next; n; n = next) {
			next = n->next;
			n->next = t[n->hash & (cap - 1)];
			t[n->hash & (cap - 1)] = n;
		}
	free(P->names);
	P->names = t;
	P->names_cap = cap;
	return true;
}

struct ptx_name *ptx_find(const struct ptx_parser *P, const char *s, size_t len)
{
	uint32_t h = hash_of(s, len);

	for (struct ptx_name *n = P->names_cap ? P->names[h & (P->names_cap - 1)] : NULL; n; n = n->next)
		if (n->hash == h && n->len == len && !memcmp(n->text, s, len))
			return n;
	return NULL;
}

struct ptx_name *ptx_intern(struct ptx_parser *P, const char *s, size_t len)
{
	uint32_t h = hash_of(s, len);
	struct ptx_name *n;

	if (P->n_names >= P->names_cap && !grow_names(P))
		return NULL;
	for (n = P->names[h & (P->names_cap - 1)]; n; n = n->next)
		if (n->hash == h && n->len == len && !memcmp(n->text, s, len))
			return n;
	/* Names of symbols and registers live as long as the module. */
	n = ir_arena_alloc(P->m->arena, sizeof(*n) + len + 1);
	if (!n) {
		ptx_nomem(P);
		return NULL;
	}
	n->hash = h;
	n->len = (uint32_t)len;
	memcpy(n->text, s, len);
	n->sreg = *s == '%' ? ptx_sreg_find(s, len) : IR_SREG_NONE;
	n->next = P->names[h & (P->names_cap - 1)];
	P->names[h & (P->names_cap - 1)] = n;
	P->n_names++;
	return n;
}

bool ptx_is(const struct ptx_name *n, const char *s)
{
	return n && !strcmp(n->text, s);
}

struct ptx_name *ptx_ident(struct ptx_parser *P)
{
	const char *s, *from;

	ptx_skip(P);
	from = s = P->p;
	if (!(cls[(unsigned char)*s] & START))
		return NULL;
	if (*s == '%' && !(cls[(unsigned char)s[1]] & INNER))
		return NULL;
	do
		s++;
	while (cls[(unsigned char)*s] & INNER);
	P->p = s;
	return ptx_intern(P, from, (size_t)(s - from));
}

/* Behind "add": ".s32", also with blanks in front of the dot. */
struct ptx_name *ptx_spelling(struct ptx_parser *P)
{
	char tmp[512];
	size_t n = 0;

	for (;;) {
		const char *s = P->p;

		while ((cls[(unsigned char)*s] & INNER) || (*s == '.' && (cls[(unsigned char)s[1]] & INNER)) ||
		       (s[0] == ':' && s[1] == ':' && (cls[(unsigned char)s[2]] & INNER)))
			s += *s == ':' ? 2 : 1;
		if (n == 0 && *s != ' ' && *s != '\t' && *s != '\n' && *s != '\r') {
			const char *from = P->p;

			P->p = s;
			return ptx_intern(P, from, (size_t)(s - from));
		}
		if ((size_t)(s - P->p) > sizeof(tmp) - n - 1) {
			ptx_error(P, P->p, "Instruction has too many modifiers");
			return NULL;
		}
		memcpy(tmp + n, P->p, (size_t)(s - P->p));
		n += (size_t)(s - P->p);
		P->p = s;
		ptx_skip(P);
		if (P->p[0] != '.' || !(cls[(unsigned char)P->p[1]] & INNER))
			return ptx_intern(P, tmp, n);
	}
}

struct ptx_name *ptx_dot_word(struct ptx_parser *P)
{
	const char *s;

	ptx_skip(P);
	if (P->p[0] != '.' || !(cls[(unsigned char)P->p[1]] & INNER))
		return NULL;
	s = ++P->p;
	while ((cls[(unsigned char)*P->p] & INNER) ||
	       (P->p[0] == ':' && P->p[1] == ':' && (cls[(unsigned char)P->p[2]] & INNER)))
		P->p += *P->p == ':' ? 2 : 1;
	return ptx_intern(P, s, (size_t)(P->p - s));
}

bool ptx_peek_char(struct ptx_parser *P, char c)
{
	ptx_skip(P);
	return *P->p == c && P->p < P->end;
}

bool ptx_accept(struct ptx_parser *P, char c)
{
	if (!ptx_peek_char(P, c))
		return false;
	P->p++;
	return true;
}

bool ptx_expect(struct ptx_parser *P, char c)
{
	size_t n = 0;

	if (ptx_accept(P, c))
		return true;
	if (P->p >= P->end)
		return ptx_error(P, P->p, "Parsing error at end of text: '%c' expected", c);
	while (n < 24 && ptx_is_ident(P->p[n + (n == 0 && *P->p == '%')]))
		n++;
	return ptx_error(P, P->p, "Parsing error near '%.*s': '%c' expected", (int)(n ? n : 1), P->p, c);
}

static void skip_string(struct ptx_parser *P)
{
	for (P->p++; P->p < P->end && *P->p != '"' && *P->p != '\n'; P->p++)
		if (*P->p == '\\' && P->p + 1 < P->end)
			P->p++;
	if (*P->p == '"')
		P->p++;
}

void ptx_recover(struct ptx_parser *P, const char *start, uint32_t line, const char *line_start)
{
	const char *reached = P->p;
	int depth = 0;

	P->p = start;
	P->line = line;
	P->line_start = line_start;
	while (P->p < P->end) {
		char c;

		ptx_skip(P);
		c = *P->p;
		if (P->p >= P->end)
			break;
		if (c == '"') {
			skip_string(P);
			continue;
		}
		if (c == '}' && depth == 0)
			return;
		P->p++;
		if (c == '{')
			depth++;
		else if (c == '}')
			depth--;
		else if (c == ';' && P->p >= reached)
			return;
	}
}

bool ptx_string(struct ptx_parser *P, const char **s, size_t *n)
{
	const char *at;

	if (!ptx_peek_char(P, '"'))
		return ptx_error(P, P->p, "String expected");
	at = P->p;
	skip_string(P);
	if (P->p[-1] != '"' || P->p - at < 2)
		return ptx_error(P, at, "String is not closed");
	*s = at + 1;
	*n = (size_t)(P->p - at - 2);
	return true;
}
