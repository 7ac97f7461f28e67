/* 012-ranges: which units of a job threads take: each once, one's own first and in ascending order. */
#include <stdlib.h>
#include <string.h>

#include "engine/eng_range.h"
#include "t/lib/tap.h"

#define UNITS 1000

static uint8_t seen[UNITS];

/* Marks what was taken. False: something of it had been taken before. */
static bool mark(const struct eng_chunk *c)
{
	bool good = c->lo < c->hi && c->hi <= UNITS;

	for (uint64_t u = c->lo; good && u < c->hi; u++)
		good = !seen[u]++;
	return good;
}

static unsigned n_seen(void)
{
	unsigned n = 0;

	for (unsigned u = 0; u < UNITS; u++)
		n += seen[u] == 1;
	return n;
}

/* Threads take turns at random, and now and then give a part of what they have back. */
static void test_all(unsigned threads, bool in_order)
{
	bool once = true;
	struct eng_ranges r;
	struct eng_chunk c;

	memset(seen, 0, sizeof(seen));
	srand(threads);
	eng_ranges_share(&r, UNITS, threads, in_order);
	while (eng_ranges_take(&r, (unsigned)rand() % threads, (uint64_t)rand() % 7, 1 + (uint64_t)rand() % 50, &c)) {
		struct eng_chunk back = { c.lo + (c.hi - c.lo + 1) / 2, c.hi };

		if (rand() % 4 == 0 && back.lo < back.hi && eng_ranges_give(&r, &back))
			c.hi = back.lo;
		once &= mark(&c);
	}
	ok(once && n_seen() == UNITS && !r.left, "%u threads%s: each unit is taken once", threads, in_order ? ", in order" : "");
}

static void test_order(void)
{
	struct eng_ranges r;
	struct eng_chunk c;
	uint64_t at = 0;
	bool up = true;

	eng_ranges_share(&r, UNITS, 4, true);
	for (unsigned k = 0; eng_ranges_take(&r, k % 4, 0, 1, &c); k++) {
		up &= c.lo == at && c.hi == at + 1;
		at = c.hi;
	}
	ok(up && at == UNITS, "in order: whoever takes, units ascend");
}

/* The same threads have the same units, launch after launch. */
static void test_own(void)
{
	struct eng_ranges r;
	struct eng_chunk c;
	bool own = true, up = true;
	uint64_t last[4] = { 0 };

	for (unsigned launch = 0; launch < 3; launch++) {
		eng_ranges_share(&r, UNITS, 4, false);
		for (unsigned k = 0; k < 4; k++) {
			uint64_t from = UNITS / 4 * k, to = from + UNITS / 4;

			for (last[k] = from; last[k] < to; last[k] = c.hi) {
				eng_ranges_take(&r, k, 0, UINT64_MAX, &c);
				up &= c.lo == last[k];
				own &= c.lo >= from && c.hi <= to && c.lo < c.hi;
				if (!own)
					break;
			}
		}
	}
	ok(own, "a thread's units are its own part of the grid");
	ok(up, "and ascend");
	ok(!r.left, "then none is left");
}

static void test_theft(void)
{
	struct eng_ranges r;
	struct eng_chunk c, mine;

	eng_ranges_share(&r, UNITS, 2, false);
	while (r.v[0].lo < r.v[0].hi)
		eng_ranges_take(&r, 0, 0, UINT64_MAX, &c);
	ok(eng_ranges_take(&r, 0, 0, UINT64_MAX, &c) && c.hi == UNITS, "who has none left takes from another one's end");
	eng_ranges_take(&r, 1, 0, UINT64_MAX, &mine);
	is_int((long long)mine.lo, UNITS / 2, "whose owner goes on where it was");
	ok(eng_ranges_give(&r, &c) && r.v[1].hi == UNITS, "what was taken can be given back");
	ok(!eng_ranges_give(&r, &(struct eng_chunk){ 3, 5 }), "but not where it touches nothing that is left");
}

static void test_limits(void)
{
	struct eng_ranges r;
	struct eng_chunk c;

	eng_ranges_share(&r, UINT64_MAX, 3, false);
	ok(r.v[0].lo == 0 && r.v[0].hi == r.v[1].lo && r.v[1].hi == r.v[2].lo && r.v[2].hi == UINT64_MAX, "2^64 - 1 units are shared out");
	eng_ranges_share(&r, 1, 8, false);
	ok(eng_ranges_take(&r, 5, 0, 9, &c) && c.lo == 0 && c.hi == 1 && !eng_ranges_take(&r, 0, 0, 9, &c), "one unit, any thread");
	eng_ranges_share(&r, 0, 8, false);
	ok(!eng_ranges_take(&r, 0, 1, 9, &c), "no unit");
	eng_ranges_share(&r, UNITS, 100, false);
	ok(r.n == ENG_RANGES && eng_ranges_take(&r, 99, 0, 1, &c), "more threads than ranges");
}

int main(void)
{
	plan_lazy();
	for (unsigned threads = 1; threads < 6; threads++) {
		test_all(threads, false);
		test_all(threads, true);
	}
	test_order();
	test_own();
	test_theft();
	test_limits();
	return 0;
}
