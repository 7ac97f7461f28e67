/*
 * vfs_event.c: what happened to devices, for monitors that wait for it. The
 * newest VGP_KEPT_EVENTS stand in the state memfd with numbers that count up,
 * so that a monitor's place survives a new daemon.
 */
#include <string.h>
#include <time.h>

#include "fusefs/vfs_mon.h"

uint64_t vfs_epoch_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void vfs_event_add(struct vfs *v, const struct vgpu_device *d, uint32_t type, uint64_t data)
{
	struct vfs_state *st = v->st;
	struct vgp_mon_event *e = &st->event[st->events % VGP_KEPT_EVENTS];

	*e = (struct vgp_mon_event){ .number = st->events + 1, .time_us = vfs_epoch_us(), .data = data, .type = type,
				     .gi = VGP_MON_NO_INSTANCE, .ci = VGP_MON_NO_INSTANCE };
	vgpu_uuid_parse(d->uuid, e->uuid, NULL);
	/* release: the event is there when its number is */
	__atomic_store_n(&st->events, st->events + 1, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < st->handles_high; i++) {
		struct vfs_handle *h = &st->handles[i];

		if (h->used && h->events && h->poll_armed) {
			h->poll_armed = 0;
			vfs_io_wake_poll(v, h->poll_kh);
		}
	}
}

bool vfs_event_pending(const struct vfs *v, uint32_t handle)
{
	return v->st->events > v->st->handles[handle].event_seen;
}

static bool wanted(const struct vgp_mon_event *e, const struct vgp_mon_list *l)
{
	static const uint8_t any[16];

	return (!l->arg || (e->type & l->arg)) &&
	       (!memcmp(l->head.uuid, any, 16) || !memcmp(l->head.uuid, e->uuid, 16));
}

void vfs_mon_EVENTS(struct vfs *v, struct vfs_ask *a)
{
	struct vfs_handle *h = &v->st->handles[a->handle];
	uint64_t newest = v->st->events, from = a->u.list.since;

	/* one device's node tells of that device */
	if (a->place.dev >= 0)
		memcpy(a->u.list.head.uuid, a->uuid, 16);
	if (from > newest)
		from = newest;
	if (newest - from > VGP_KEPT_EVENTS)
		from = newest - VGP_KEPT_EVENTS;
	while (from < newest && vfs_ask_room(a, sizeof(struct vgp_mon_event))) {
		const struct vgp_mon_event *e = &v->st->event[from++ % VGP_KEPT_EVENTS];

		if (wanted(e, &a->u.list))
			vfs_ask_add(a, e, sizeof(*e));
	}
	a->u.list.since = from;
	a->u.list.total = a->u.list.n;
	a->u.list.cursor = 0;
	h->events = 1;
	h->event_seen = from;
	vfs_ask_list(a, sizeof(struct vgp_mon_event));
}
