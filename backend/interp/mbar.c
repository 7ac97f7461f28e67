/*
 * mbar.c: mbarrier objects: 64 bits in shared memory, changed by
 * compare-and-swap because blocks of a cluster arrive at each other's.
 *
 *   bits 0-19   arrivals missing in this phase     bits 20-39  arrivals of a phase
 *   bits 40-61  bytes missing (signed)             bit 63      phase
 *
 * A state (what arrive answers) is the object as it was.
 */
#include "backend/interp/interp.h"

#define COUNT_MASK 0xfffffull

struct mbar {
	uint32_t pending, expected;
	int32_t tx;
	bool phase;
};

static struct mbar unpack(uint64_t v)
{
	return (struct mbar){
		.pending = (uint32_t)(v & COUNT_MASK),
		.expected = (uint32_t)(v >> 20 & COUNT_MASK),
		.tx = (int32_t)((int64_t)(v << 2) >> 42),
		.phase = v >> 63,
	};
}

static uint64_t pack(const struct mbar *b)
{
	return (b->pending & COUNT_MASK) | (b->expected & COUNT_MASK) << 20 | ((uint64_t)(uint32_t)b->tx & 0x3fffff) << 40 |
	       (uint64_t)b->phase << 63;
}

static void complete(struct mbar *b)
{
	if (b->pending || b->tx)
		return;
	b->phase = !b->phase;
	b->pending = b->expected;
}

/* What one instruction does to the object. */
static bool step(const struct ir_insn *ir, struct mbar *b, uint32_t n)
{
	bool tx = ir->flags & IR_F_EXPECT_TX;
	uint32_t count = tx ? 1 : n;

	switch (ir->mode) {
	case IR_MODE_EXPECT_TX:
		b->tx += (int32_t)n;
		return true;
	case IR_MODE_COMPLETE_TX:
		b->tx -= (int32_t)n;
		break;
	case IR_MODE_ARRIVE_DROP:
		if (count > b->expected)
			return false;
		b->expected -= count;
		/* fall through */
	case IR_MODE_ARRIVE:
		if (tx)
			b->tx += (int32_t)n;
		if (count > b->pending)
			return false;
		b->pending -= count;
		break;
	}
	complete(b);
	return true;
}

static int run_update(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *n = in_row(w, i->b);
	uint64_t d[WARP];
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, 8, true, p))
		return IN_FAULT;
	w->stored = true;
	for_lanes(l, m) {
		uint64_t old = __atomic_load_n((uint64_t *)p[l], __ATOMIC_RELAXED);
		struct mbar b;

		do {
			b = unpack(old);
			if (!step(i->ir, &b, (uint32_t)n[l]))
				return in_fault(w, i, l, VGPU_E_LAUNCH_FAILED, 0, "mbarrier: more arrivals than it expects");
		} while (!__atomic_compare_exchange_n((uint64_t *)p[l], &old, pack(&b), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
		d[l] = old;
	}
	for_lanes(l, m)
		in_row(w, i->d)[l] = d[l];
	return IN_NEXT;
}

static int run_init(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *n = in_row(w, i->b);
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, 8, true, p))
		return IN_FAULT;
	for_lanes(l, m) {
		struct mbar b = { .pending = (uint32_t)n[l], .expected = (uint32_t)n[l] };

		if (!n[l] || n[l] > COUNT_MASK)
			return in_fault(w, i, l, VGPU_E_ILLEGAL_INSTRUCTION, 0, "mbarrier.init with count %llu", (unsigned long long)n[l]);
		__atomic_store_n((uint64_t *)p[l], pack(&b), __ATOMIC_SEQ_CST);
	}
	return IN_NEXT;
}

static int run_inval(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint8_t *p[WARP];

	return in_resolve(w, i, m, 8, true, p) ? IN_FAULT : IN_NEXT;
}

/* test_wait and try_wait: has the phase that the state (or parity) names completed? Never blocks. */
static int run_test(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *s = in_row(w, i->b);
	uint64_t r[WARP];
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, 8, false, p))
		return IN_FAULT;
	w->obs_n++;
	for_lanes(l, m) {
		uint64_t v = __atomic_load_n((uint64_t *)p[l], __ATOMIC_ACQUIRE);
		bool phase = i->ir->flags & IR_F_PARITY ? s[l] & 1 : s[l] >> 63;

		r[l] = (v >> 63) != phase;
		in_observe(w, (uint64_t)(uintptr_t)p[l], r[l]);
	}
	for_lanes(l, m)
		in_row(w, i->d)[l] = r[l];
	return IN_NEXT;
}

static int run_pending(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	const uint64_t *a = in_row(w, i->a);
	uint64_t *d = in_row(w, i->d);

	for_lanes(l, m)
		d[l] = a[l] & COUNT_MASK;
	return IN_NEXT;
}

/*
 * cp.async.mbarrier.arrive: the copies before it have been made, so it
 * arrives at once. Without .noinc the arrival is one more than the phase
 * expected: together nothing changes, except that a phase may now complete.
 */
int in_run_mbar_cp_arrive(struct in_warp *w, const struct in_insn *i, uint32_t m)
{
	uint8_t *p[WARP];

	if (in_resolve(w, i, m, 8, true, p))
		return IN_FAULT;
	if (!(i->ir->flags & IR_F_NOINC))
		return IN_NEXT;
	for_lanes(l, m) {
		uint64_t old = __atomic_load_n((uint64_t *)p[l], __ATOMIC_RELAXED);
		struct mbar b;

		do {
			b = unpack(old);
			if (!b.pending)
				return in_fault(w, i, l, VGPU_E_LAUNCH_FAILED, 0, "mbarrier: more arrivals than it expects");
			b.pending--;
			complete(&b);
		} while (!__atomic_compare_exchange_n((uint64_t *)p[l], &old, pack(&b), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	}
	return IN_NEXT;
}

in_fn in_mbar_select(const struct ir_insn *i)
{
	switch (i->mode) {
	case IR_MODE_INIT: return run_init;
	case IR_MODE_INVAL: return run_inval;
	case IR_MODE_ARRIVE:
	case IR_MODE_ARRIVE_DROP:
	case IR_MODE_EXPECT_TX:
	case IR_MODE_COMPLETE_TX: return run_update;
	case IR_MODE_TEST_WAIT:
	case IR_MODE_TRY_WAIT: return run_test;
	case IR_MODE_PENDING_COUNT: return run_pending;
	}
	return NULL;
}
