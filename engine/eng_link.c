/*
 * eng_link.c: what copies carry over the link of a real device, for monitors.
 * The client counts, in the words of its contexts (struct vgp_context_word),
 * since it is who copies; here it is only told on, by device. Its numbers are
 * believed as far as they go: they show up as this client's traffic alone.
 */
#include "engine/eng_priv.h"

/* More than this between two looks is no traffic but a scribble: 4 TiB. */
#define LINK_MOST (1ull << 42)

/* tab_lock is held. */
static void note(struct eng *e, uint32_t id)
{
	/* relaxed: statistics */
	uint64_t to = __atomic_load_n(&e->contexts[id].to_device, __ATOMIC_RELAXED);
	uint64_t from = __atomic_load_n(&e->contexts[id].from_device, __ATOMIC_RELAXED);
	unsigned slot = e->link_seen[id].slot;

	if (to - e->link_seen[id].to < LINK_MOST)
		e->link_to[slot] += to - e->link_seen[id].to;
	if (from - e->link_seen[id].from < LINK_MOST)
		e->link_from[slot] += from - e->link_seen[id].from;
	e->link_seen[id].to = to;
	e->link_seen[id].from = from;
}

void eng_link_begin(struct eng *e, uint32_t id, unsigned slot)
{
	if (e->contexts)
		note(e, id);
	e->link_seen[id].slot = slot;
}

void eng_link_look(struct eng *e)
{
	if (!e->contexts)
		return;
	pthread_mutex_lock(&e->tab_lock);
	for (uint32_t i = 0; i < VGP_CONTEXTS; i++)
		if (e->ctxs[i])
			note(e, i);
	pthread_mutex_unlock(&e->tab_lock);
}

/* Whole KiB; the rest waits for more. */
static uint32_t take(uint64_t *bytes)
{
	uint64_t n = MIN(*bytes >> 10, (uint64_t)UINT32_MAX);

	*bytes -= n << 10;
	return (uint32_t)n;
}

void eng_link_take(struct eng *e, unsigned slot, uint32_t *to_KiB, uint32_t *from_KiB)
{
	pthread_mutex_lock(&e->tab_lock);
	*to_KiB = take(&e->link_to[slot]);
	*from_KiB = take(&e->link_from[slot]);
	pthread_mutex_unlock(&e->tab_lock);
}
