/* ir_arena.c: chunks of growing size in a list; a big block gets a chunk of its own. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir_arena.h"

#define FIRST_CHUNK_B (32u << 10)
#define MAX_CHUNK_B (4u << 20)

struct chunk {
	struct chunk *next;
	size_t size, used;
	_Alignas(16) unsigned char data[];
};

struct ir_arena {
	struct chunk *head;
	size_t next_size, total;
};

struct ir_arena *ir_arena_new(void)
{
	struct ir_arena *a = calloc(1, sizeof(*a));

	if (a)
		a->next_size = FIRST_CHUNK_B;
	return a;
}

void ir_arena_free(struct ir_arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->head, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

static struct chunk *chunk_new(struct ir_arena *a, size_t n)
{
	bool big = n > a->next_size / 4;
	size_t size = big ? n : a->next_size;
	struct chunk *c = calloc(1, sizeof(*c) + size);

	if (!c)
		return NULL;
	c->size = size;
	if (big && a->head) {   /* keep filling the present chunk */
		c->next = a->head->next;
		a->head->next = c;
		return c;
	}
	c->next = a->head;
	a->head = c;
	if (!big && a->next_size < MAX_CHUNK_B)
		a->next_size *= 2;
	return c;
}

void *ir_arena_alloc(struct ir_arena *a, size_t n)
{
	struct chunk *c = a->head;
	void *p;

	if (n > SIZE_MAX / 2)
		return NULL;
	n = (n + 15) & ~(size_t)15;
	if (!c || c->size - c->used < n) {
		c = chunk_new(a, n);
		if (!c)
			return NULL;
	}
	p = c->data + c->used;
	c->used += n;
	a->total += n;
	return p;
}

void *ir_arena_array(struct ir_arena *a, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / 2 / size)
		return NULL;
	return ir_arena_alloc(a, n * size);
}

char *ir_arena_strn(struct ir_arena *a, const char *s, size_t n)
{
	char *p = ir_arena_alloc(a, n + 1);

	if (p)
		memcpy(p, s, n);
	return p;
}

char *ir_arena_printf(struct ir_arena *a, const char *fmt, ...)
{
	char tmp[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	return ir_arena_strn(a, tmp, (size_t)n < sizeof(tmp) ? (size_t)n : sizeof(tmp) - 1);
}

size_t ir_arena_used(const struct ir_arena *a)
{
	return a->total;
}
