/*
 * printf.c: the device's printf. The format is C's; arguments lie in a buffer
 * with C's natural alignment (floats widened to double). Each conversion is
 * checked and rebuilt before libc's printf sees it, so a hostile format can't
 * reach anything but its own buffer: %n doesn't exist, and width and precision
 * have a cap. What isn't a conversion is printed as it stands.
 */
#include <stdio.h>
#include <string.h>

#include "backend/interp/interp.h"
#include "util/buf.h"

#define FORMAT_MAX 65536
#define STRING_MAX 65536
#define WIDTH_MAX 4096

struct args {
	struct in_warp *w;
	const struct in_insn *i;
	uint32_t lane;
	uint64_t at;
	int n;
	bool fault;
};

/* One conversion: %[flags][width][.precision][length]conv */
struct conv {
	char flags[8];
	bool has_width, has_prec;
	int width, prec;
	int size;      /* bytes of an integer argument */
	char c;
};

static const uint8_t *reach(struct args *a, uint64_t addr, uint64_t n)
{
	const uint8_t *p = in_generic(a->w, a->lane, addr, n, false);

	if (!p) {
		in_fault(a->w, a->i, a->lane, VGPU_E_ILLEGAL_ADDRESS, addr, "printf: illegal read at 0x%llx",
			 (unsigned long long)addr);
		a->fault = true;
	}
	return p;
}

static uint64_t next_arg(struct args *a, unsigned size)
{
	const uint8_t *p;
	uint64_t v = 0;

	a->at = vgpu_align_up(a->at, size);
	p = reach(a, a->at, size);
	if (p)
		memcpy(&v, p, size);
	a->at += size;
	return v;
}

/* Reads a NUL-terminated device string. */
static void read_string(struct args *a, uint64_t addr, size_t max, struct vgpu_buf *out)
{
	for (size_t k = 0; k < max; k++) {
		const uint8_t *p = reach(a, addr + k, 1);

		if (!p || !*p)
			return;
		vgpu_buf_add(out, p, 1);
	}
}

static int number(const char **s)
{
	int v = 0;

	for (; **s >= '0' && **s <= '9'; (*s)++)
		v = v > WIDTH_MAX ? v : v * 10 + (**s - '0');
	return v > WIDTH_MAX ? WIDTH_MAX : v;
}

static const char *parse_flags(const char *s, struct conv *c)
{
	size_t n = 0;

	for (; *s && strchr("-+ #0", *s); s++)
		if (!strchr(c->flags, *s) && n + 1 < sizeof(c->flags))
			c->flags[n++] = *s;
	return s;
}

static const char *parse_width(struct args *a, const char *s, struct conv *c)
{
	if (*s == '*') {
		c->width = (int)next_arg(a, 4);
		if (c->width < 0) {
			if (!strchr(c->flags, '-'))
				c->flags[strlen(c->flags)] = '-';
			c->width = c->width < -WIDTH_MAX ? WIDTH_MAX : -c->width;
		}
		c->width = MIN(c->width, WIDTH_MAX);
		c->has_width = true;
		return s + 1;
	}
	c->has_width = *s >= '0' && *s <= '9';
	c->width = number(&s);
	return s;
}

static const char *parse_prec(struct args *a, const char *s, struct conv *c)
{
	if (*s != '.')
		return s;
	s++;
	c->has_prec = true;
	if (*s == '*') {
		c->prec = (int)next_arg(a, 4);
		c->has_prec = c->prec >= 0;
		c->prec = MIN(c->prec, WIDTH_MAX);
		return s + 1;
	}
	c->prec = number(&s);
	return s;
}

static const char *parse_length(const char *s, struct conv *c)
{
	c->size = 4;
	for (; *s && strchr("hlqjzt", *s); s++)
		c->size = *s == 'h' ? (c->size <= 2 ? 1 : 2) : 8;
	return s;
}

/* Answers the text behind the conversion, NULL: it isn't one. */
static const char *parse_conv(struct args *a, const char *s, struct conv *c)
{
	memset(c, 0, sizeof(*c));
	s = parse_flags(s, c);
	s = parse_width(a, s, c);
	s = parse_prec(a, s, c);
	s = parse_length(s, c);
	if (!*s || !strchr("diuxXocspfFeEgGaA", *s))
		return NULL;
	c->c = *s;
	return s + 1;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void print_conv(struct args *a, const struct conv *c, struct vgpu_buf *out)
{
	char f[48], num[2][16] = { "", "" };
	struct vgpu_buf *str = &a->w->blk->text[2];
	uint64_t v;
	double d;

	if (c->has_width)
		snprintf(num[0], sizeof(num[0]), "%d", c->width);
	if (c->has_prec)
		snprintf(num[1], sizeof(num[1]), ".%d", c->prec);
	snprintf(f, sizeof(f), "%%%s%s%s%s%c", c->flags, num[0], num[1], strchr("diuxXo", c->c) ? "ll" : "", c->c);
	switch (c->c) {
	case 'd':
	case 'i':
		v = next_arg(a, c->size == 8 ? 8 : 4);
		vgpu_buf_printf(out, f, c->size == 8 ? (long long)v : c->size == 4 ? (int32_t)v : c->size == 2 ? (int16_t)v : (int8_t)v);
		break;
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		v = next_arg(a, c->size == 8 ? 8 : 4);
		v = c->size == 8 ? v : v & (UINT64_MAX >> (64 - 8 * c->size));
		vgpu_buf_printf(out, f, (unsigned long long)v);
		break;
	case 'c':
		v = next_arg(a, 4);
		vgpu_buf_printf(out, f, (int)(v & 0xff));
		break;
	case 'p':
		v = next_arg(a, 8);
		vgpu_buf_printf(out, f, (void *)(uintptr_t)v);
		break;
	case 's':
		v = next_arg(a, 8);
		vgpu_buf_reset(str);
		if (v)
			read_string(a, v, c->has_prec ? (size_t)c->prec : STRING_MAX, str);
		if (!a->fault)
			vgpu_buf_printf(out, f, v ? vgpu_buf_text(str) : "(null)");
		break;
	default:
		v = next_arg(a, 8);
		memcpy(&d, &v, 8);
		vgpu_buf_printf(out, f, d);
		break;
	}
}
#pragma GCC diagnostic pop

static void format(struct args *a, const char *s, struct vgpu_buf *out)
{
	struct conv c;

	while (*s && !a->fault) {
		const char *pct = strchr(s, '%'), *end;

		if (!pct) {
			vgpu_buf_str(out, s);
			return;
		}
		vgpu_buf_add(out, s, (size_t)(pct - s));
		if (pct[1] == '%') {
			vgpu_buf_str(out, "%");
			s = pct + 2;
			continue;
		}
		end = parse_conv(a, pct + 1, &c);
		if (end && !a->fault) {
			print_conv(a, &c, out);
			a->n++;
			s = end;
		} else {
			vgpu_buf_add(out, pct, 1);
			s = pct + 1;
		}
	}
}

int in_printf(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t fmt, uint64_t args, int *n_out)
{
	struct args a = { .w = w, .i = i, .lane = lane, .at = args };
	struct vgpu_buf *f = &w->blk->text[0], *out = &w->blk->text[1];
	const struct be_services *s = w->blk->s;
	bool ok = false;

	vgpu_buf_reset(f);
	vgpu_buf_reset(out);
	read_string(&a, fmt, FORMAT_MAX, f);
	if (!a.fault)
		format(&a, vgpu_buf_text(f), out);
	if (!a.fault && !out->failed) {
		be_guard_leave();
		ok = s->print && s->print(s->cookie, vgpu_buf_text(out), out->len);
		be_guard_tls.armed = 1;
	}
	*n_out = ok ? a.n : -1;
	return a.fault ? IN_FAULT : 0;
}
