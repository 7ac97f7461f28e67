/*
 * eng_small.c: allocations inside one 2 MiB granule, in units of 512 bytes.
 * Two bit maps say which units are taken and where allocations end; they live
 * in private memory, out of a kernel's reach.
 */
#include <string.h>

#include "engine/eng_priv.h"

#define UNIT 512u
#define UNITS (ENG_GRANULE / UNIT)
#define WORDS (UNITS / 64)

struct eng_small {
	uint64_t used[WORDS];
	uint64_t last[WORDS];   /* last unit of an allocation */
	uint32_t n_used, hint;
};

struct eng_small *eng_small_new(void)
{
	return calloc(1, sizeof(struct eng_small));
}

void eng_small_free(struct eng_small *s)
{
	free(s);
}

static bool bit(const uint64_t *map, uint64_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *map, uint64_t i, bool on)
{
	if (on)
		map[i / 64] |= 1ull << (i % 64);
	else
		map[i / 64] &= ~(1ull << (i % 64));
}

/* First fit from unit `from`; -1: none. */
static int64_t find(const struct eng_small *s, uint64_t from, uint64_t n, uint64_t align)
{
	uint64_t i = vgpu_align_up(from, align);

	while (i + n <= UNITS) {
		uint64_t k = 0;

		if (i % 64 == 0 && s->used[i / 64] == UINT64_MAX) {
			i = vgpu_align_up(i + 64, align);
			continue;
		}
		while (k < n && !bit(s->used, i + k))
			k++;
		if (k == n)
			return (int64_t)i;
		i = vgpu_align_up(i + k + 1, align);
	}
	return -1;
}

int64_t eng_small_take(struct eng_small *s, uint64_t size, uint64_t align)
{
	uint64_t n = (size + UNIT - 1) / UNIT;
	uint64_t a = align > UNIT ? align / UNIT : 1;
	int64_t at;

	if (n == 0)
		n = 1;
	if (n > UNITS - s->n_used)
		return -1;
	at = find(s, s->hint, n, a);
	if (at < 0 && s->hint)
		at = find(s, 0, n, a);
	if (at < 0)
		return -1;
	for (uint64_t k = 0; k < n; k++)
		set_bit(s->used, (uint64_t)at + k, true);
	set_bit(s->last, (uint64_t)at + n - 1, true);
	s->n_used += (uint32_t)n;
	s->hint = (uint32_t)((uint64_t)at + n);
	return at * (int64_t)UNIT;
}

uint64_t eng_small_give(struct eng_small *s, uint64_t off)
{
	uint64_t i = off / UNIT, n = 0;

	/* a first unit: taken, and its predecessor free or the end of another allocation */
	if (off % UNIT || i >= UNITS || !bit(s->used, i) || (i && bit(s->used, i - 1) && !bit(s->last, i - 1)))
		return 0;
	for (;; n++) {
		bool end = bit(s->last, i + n);

		set_bit(s->used, i + n, false);
		set_bit(s->last, i + n, false);
		if (end)
			break;
	}
	n++;
	s->n_used -= (uint32_t)n;
	if (i < s->hint)
		s->hint = (uint32_t)i;
	return n * UNIT;
}

bool eng_small_empty(const struct eng_small *s)
{
	return s->n_used == 0;
}
