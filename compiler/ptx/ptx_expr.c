/* ptx_expr.c: numbers and constant expressions (64-bit integers, or floats). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ptx/ptx_priv.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

static bool hex_float(struct ptx_parser *P, struct ptx_number *n, unsigned digits)
{
	const char *at = P->p;
	uint64_t v = 0;

	P->p += 2;
	for (unsigned i = 0; i < digits; i++) {
		int d = digit(*P->p);

		if (d > 15)
			return ptx_error(P, at, "A floating point constant 0%c needs %u hexadecimal digits", at[1], digits);
		v = v << 4 | (unsigned)d;
		P->p++;
	}
	if (ptx_is_ident(*P->p))
		return ptx_error(P, at, "A floating point constant 0%c needs %u hexadecimal digits", at[1], digits);
	n->bits = v;
	n->kind = digits == 8 ? 1 : 2;
	return true;
}

static bool decimal_float(struct ptx_parser *P, struct ptx_number *n)
{
	char tmp[64], *stop;
	size_t len = 0;
	double v;

	while (len < sizeof(tmp) - 1 && (ptx_is_ident(P->p[len]) || P->p[len] == '.' ||
	       ((P->p[len] == '-' || P->p[len] == '+') && len && (P->p[len - 1] | 32) == 'e')))
		len++;
	memcpy(tmp, P->p, len);
	tmp[len] = 0;
	v = strtod(tmp, &stop);
	if (stop == tmp || *stop)
		return ptx_error(P, P->p, "Malformed number '%s'", tmp);
	P->p += len;
	memcpy(&n->bits, &v, 8);
	n->kind = 2;
	return true;
}

static bool looks_like_float(const char *s)
{
	while (digit(*s) < 10)
		s++;
	return (*s == '.' && digit(s[1]) < 10) || (*s == '.' && !ptx_is_ident(s[1])) ||
	       ((*s | 32) == 'e' && (digit(s[1]) < 10 || s[1] == '-' || s[1] == '+'));
}

bool ptx_number(struct ptx_parser *P, struct ptx_number *n)
{
	const char *at = P->p;
	unsigned base = 10;
	uint64_t v = 0;

	memset(n, 0, sizeof(*n));
	if (*at == '0') {
		char c = at[1] | 32;

		if (c == 'f')
			return hex_float(P, n, 8);
		if (c == 'd')
			return hex_float(P, n, 16);
		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
	}
	if (base != 16 && base != 2 && looks_like_float(at))
		return decimal_float(P, n);
	if (base == 16 || base == 2)
		P->p += 2;
	for (at = P->p; digit(*P->p) < (int)base; P->p++) {
		uint64_t d = (unsigned)digit(*P->p);

		if (v > (UINT64_MAX - d) / base)
			return ptx_error(P, at, "Number does not fit into 64 bits");
		v = v * base + d;
	}
	if (P->p == at)
		return ptx_error(P, at, "Malformed number");
	if (*P->p == 'U' || *P->p == 'u') {
		n->is_unsigned = true;
		P->p++;
	}
	if (ptx_is_ident(*P->p))
		return ptx_error(P, at, "Malformed number");
	n->bits = v;
	if (v > INT64_MAX)
		n->is_unsigned = true;
	return true;
}

static double as_double(const struct ptx_number *n)
{
	double d;
	float f;
	uint32_t u = (uint32_t)n->bits;

	if (n->kind == 2) {
		memcpy(&d, &n->bits, 8);
		return d;
	}
	if (n->kind == 1) {
		memcpy(&f, &u, 4);
		return (double)f;
	}
	return n->is_unsigned ? (double)n->bits : (double)(int64_t)n->bits;
}

static void set_double(struct ptx_number *n, double d)
{
	memcpy(&n->bits, &d, 8);
	n->kind = 2;
}

static bool expr_level(struct ptx_parser *P, struct ptx_number *n, int level, unsigned depth);

static bool cast_or_parens(struct ptx_parser *P, struct ptx_number *n, unsigned depth)
{
	struct ptx_name *w = ptx_dot_word(P);

	if (w) {
		if (!ptx_is(w, "s64") && !ptx_is(w, "u64"))
			return ptx_error(P, P->p, "Only (.s64) and (.u64) are casts");
		if (!ptx_expect(P, ')') || !expr_level(P, n, 100, depth + 1))
			return false;
		n->is_unsigned = w->text[0] == 'u';
		return true;
	}
	return expr_level(P, n, 0, depth + 1) && ptx_expect(P, ')');
}

static bool unary(struct ptx_parser *P, struct ptx_number *n, unsigned depth)
{
	char c;

	ptx_skip(P);
	c = *P->p;
	if (depth > PTX_MAX_DEPTH)
		return ptx_error(P, P->p, "Expression is nested too deeply");
	if (digit(c) < 10)
		return ptx_number(P, n);
	if (c == 'W' && !strncmp(P->p, "WARP_SZ", 7)) {
		P->p += 7;
		memset(n, 0, sizeof(*n));
		n->bits = 32;
		return true;
	}
	if (c == '(') {
		P->p++;
		return cast_or_parens(P, n, depth);
	}
	if (c != '-' && c != '+' && c != '!' && c != '~')
		return ptx_error(P, P->p, "Number expected");
	P->p++;
	if (!unary(P, n, depth + 1))
		return false;
	if (c == '-' && n->kind == 1)
		n->bits ^= 1u << 31;
	else if (c == '-' && n->kind == 2)
		n->bits ^= 1ull << 63;
	else if (c == '-')
		n->bits = -n->bits;
	else if (c != '+' && n->kind)
		return ptx_error(P, P->p, "'%c' needs an integer", c);
	else if (c != '+')
		n->bits = c == '!' ? !n->bits : ~n->bits;
	return true;
}

static const struct { char op[3]; int level; } binary[] = {
	{ "||", 1 }, { "&&", 2 }, { "==", 6 }, { "!=", 6 }, { "<=", 7 }, { ">=", 7 }, { "<<", 8 }, { ">>", 8 },
	{ "|", 3 }, { "^", 4 }, { "&", 5 }, { "<", 7 }, { ">", 7 }, { "+", 9 }, { "-", 9 }, { "*", 10 }, { "/", 10 }, { "%", 10 },
};

static bool apply_float(struct ptx_parser *P, const char *op, struct ptx_number *a, const struct ptx_number *b)
{
	double x = as_double(a), y = as_double(b);

	switch (op[0]) {
	case '+': set_double(a, x + y); return true;
	case '-': set_double(a, x - y); return true;
	case '*': set_double(a, x * y); return true;
	case '/': set_double(a, x / y); return true;
	}
	return ptx_error(P, P->p, "'%s' needs integers", op);
}

static bool apply(struct ptx_parser *P, const char *op, struct ptx_number *a, const struct ptx_number *b)
{
	bool u = a->is_unsigned || b->is_unsigned;
	uint64_t x = a->bits, y = b->bits;
	int64_t sx = (int64_t)x, sy = (int64_t)y;

	if (a->kind || b->kind)
		return apply_float(P, op, a, b);
	if ((op[0] == '/' || op[0] == '%') && (y == 0 || (!u && sx == INT64_MIN && sy == -1)))
		return ptx_error(P, P->p, "Division by zero in a constant expression");
	switch (op[0] | (op[1] ? 0x80 : 0)) {
	case '|' | 0x80: x = x || y; break;
	case '&' | 0x80: x = x && y; break;
	case '=' | 0x80: x = x == y; break;
	case '!' | 0x80: x = x != y; break;
	case '<' | 0x80: x = op[1] == '=' ? (u ? x <= y : sx <= sy) : y > 63 ? 0 : x << y; break;
	case '>' | 0x80: x = op[1] == '=' ? (u ? x >= y : sx >= sy) : y > 63 ? 0 : u ? x >> y : (uint64_t)(sx >> y); break;
	case '|': x |= y; break;
	case '^': x ^= y; break;
	case '&': x &= y; break;
	case '<': x = u ? x < y : sx < sy; break;
	case '>': x = u ? x > y : sx > sy; break;
	case '+': x += y; break;
	case '-': x -= y; break;
	case '*': x *= y; break;
	case '/': x = u ? x / y : (uint64_t)(sx / sy); break;
	case '%': x = u ? x % y : (uint64_t)(sx % sy); break;
	}
	a->bits = x;
	a->is_unsigned = u;
	return true;
}

static bool conditional(struct ptx_parser *P, struct ptx_number *n, unsigned depth)
{
	struct ptx_number yes, no;

	if (!expr_level(P, &yes, 0, depth + 1) || !ptx_expect(P, ':') || !expr_level(P, &no, 0, depth + 1))
		return false;
	*n = n->bits ? yes : no;
	return true;
}

static bool expr_level(struct ptx_parser *P, struct ptx_number *n, int level, unsigned depth)
{
	if (!unary(P, n, depth))
		return false;
	for (;;) {
		const char *op = NULL;
		struct ptx_number rhs;
		int l = 0;

		ptx_skip(P);
		for (size_t i = 0; i < ARRAY_SIZE(binary) && !op; i++)
			if (!strncmp(P->p, binary[i].op, strlen(binary[i].op))) {
				op = binary[i].op;
				l = binary[i].level;
			}
		if (*P->p == '?' && level == 0) {
			P->p++;
			return conditional(P, n, depth);
		}
		if (!op || l <= level)
			return true;
		P->p += strlen(op);
		if (!expr_level(P, &rhs, l, depth + 1) || !apply(P, op, n, &rhs))
			return false;
	}
}

bool ptx_expr(struct ptx_parser *P, struct ptx_number *n)
{
	return expr_level(P, n, 0, 0);
}

bool ptx_const_u32(struct ptx_parser *P, uint32_t *v)
{
	struct ptx_number n;
	const char *at;

	ptx_skip(P);
	at = P->p;
	if (!ptx_expr(P, &n))
		return false;
	if (n.kind || n.bits > UINT32_MAX)
		return ptx_error(P, at, "A number from 0 to 4294967295 is expected");
	*v = (uint32_t)n.bits;
	return true;
}
