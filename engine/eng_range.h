/*
 * eng_range.h: which units of a job a thread takes.
 *
 * Each thread has a range of its own, the same part of the grid in every
 * launch: kernels go over the same data again and again, and what a thread
 * touched in the last one is in its core's cache still. It goes through the
 * range in ascending order; who has none left takes from the end of the
 * longest. Units that may wait for each other start in ascending order
 * instead, as on a device.
 *
 * Called with the job's lock.
 */
#ifndef VGPU_ENGINE_ENG_RANGE_H
#define VGPU_ENGINE_ENG_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#define ENG_RANGES 32                /* threads beyond share one */

struct eng_chunk {                   /* units lo … hi - 1 */
	uint64_t lo, hi;
};

struct eng_ranges {
	uint64_t left;               /* units in all of them */
	unsigned n;                  /* 1: in ascending order */
	unsigned parts;              /* of a range, that is what a thread takes at once */
	struct eng_chunk v[ENG_RANGES];
};

void eng_ranges_share(struct eng_ranges *r, uint64_t units, unsigned threads, bool in_order);

/*
 * Units for a thread: a part of its range, or of the longest other one; not less than few nor more than most (which wins),
 * if there are so many. False: none is left.
 */
bool eng_ranges_take(struct eng_ranges *r, unsigned thread, uint64_t few, uint64_t most, struct eng_chunk *out);

/* Units that were taken go back. False: they don't lie beside what is left of a range. */
bool eng_ranges_give(struct eng_ranges *r, const struct eng_chunk *c);

#endif
