/* eng_range.c: see eng_range.h. */
#include "engine/eng_range.h"

#include "util/compiler.h"

static uint64_t length(const struct eng_chunk *c)
{
	return c->hi - c->lo;
}

/* The k-th of n parts begins here; units * n may be more than 64 bits hold. */
static uint64_t part(uint64_t units, unsigned n, unsigned k)
{
	return units / n * k + units % n * k / n;
}

void eng_ranges_share(struct eng_ranges *r, uint64_t units, unsigned threads, bool in_order)
{
	r->left = units;
	r->n = in_order || !threads ? 1 : MIN(threads, (unsigned)ENG_RANGES);
	r->parts = r->n > 1 ? 4 : 4 * threads + 1;
	for (unsigned k = 0; k < r->n; k++)
		r->v[k] = (struct eng_chunk){ part(units, r->n, k), part(units, r->n, k + 1) };
}

static struct eng_chunk *longest(struct eng_ranges *r)
{
	struct eng_chunk *best = &r->v[0];

	for (unsigned k = 1; k < r->n; k++)
		best = length(&r->v[k]) > length(best) ? &r->v[k] : best;
	return best;
}

bool eng_ranges_take(struct eng_ranges *r, unsigned thread, uint64_t few, uint64_t most, struct eng_chunk *out)
{
	struct eng_chunk *from = &r->v[thread % r->n];
	bool own = from->lo < from->hi;
	uint64_t n;

	if (!r->left)
		return false;
	if (!own)
		from = longest(r);
	n = MAX(length(from) / r->parts, (uint64_t)1);
	n = MAX(n, few);
	n = MIN(n, most);
	n = MIN(n, length(from));
	*out = own ? (struct eng_chunk){ from->lo, from->lo + n } : (struct eng_chunk){ from->hi - n, from->hi };
	if (own)
		from->lo += n;
	else
		from->hi -= n;
	r->left -= n;
	return true;
}

bool eng_ranges_give(struct eng_ranges *r, const struct eng_chunk *c)
{
	for (unsigned k = 0; k < r->n; k++) {
		struct eng_chunk *to = &r->v[k];

		if (to->lo != c->hi && to->hi != c->lo)
			continue;
		if (to->lo == c->hi)
			to->lo = c->lo;
		else
			to->hi = c->hi;
		r->left += length(c);
		return true;
	}
	return false;
}
