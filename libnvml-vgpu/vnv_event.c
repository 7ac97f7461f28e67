/*
 * vnv_event.c: event sets. A set is registered for types of events of some
 * devices; waiting asks the daemon for what happened after the last event that
 * the set has seen, and sleeps in poll(2) on the set's own open of the node.
 *
 * Waiting runs without the library's lock. A set is freed by its last user: the
 * list (until nvmlEventSetFree or the last nvmlShutdown), and each thread that
 * waits in it. `wake` is a pipe whose end is closed to wake those.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "libnvml-vgpu/vnv.h"
#include "libnvml-vgpu/vnv_event.h"
#include "util/sys.h"

/* One open of a node: the control node tells of all devices, a device's own of that device. */
struct source {
	int fd;
	uint64_t seen;             /* number of the last event that was looked at */
	bool started;
};

struct nvmlEventSet_st {
	struct nvmlEventSet_st *next;
	unsigned users;
	bool freed;
	int wake[2];
	uint64_t types[VGPU_MAX_DEVICES];
	struct source source[VGPU_MAX_DEVICES];  /* of the devices that are registered */
};

static struct nvmlEventSet_st *sets;

static struct nvmlEventSet_st **find(nvmlEventSet_t set)
{
	struct nvmlEventSet_st **p = &sets;

	while (*p && *p != set)
		p = &(*p)->next;
	return *p ? p : NULL;
}

static void unref(struct nvmlEventSet_st *s)
{
	if (--s->users)
		return;
	for (unsigned i = 0; i < VGPU_MAX_DEVICES; i++)
		if (s->source[i].fd >= 0)
			close(s->source[i].fd);
	close(s->wake[0]);
	if (s->wake[1] >= 0)
		close(s->wake[1]);
	free(s);
}

/* Takes the set out of the list; who waits in it wakes up. */
static void drop(struct nvmlEventSet_st **p)
{
	struct nvmlEventSet_st *s = *p;

	*p = s->next;
	s->freed = true;
	close(s->wake[1]);
	s->wake[1] = -1;
	unref(s);
}

void vnv_events_close(void)
{
	while (sets)
		drop(&sets);
}

nvmlReturn_t vnv_EventSetCreate(nvmlEventSet_t *set)
{
	struct nvmlEventSet_st *s;

	if (!set)
		return NVML_ERROR_INVALID_ARGUMENT;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NVML_ERROR_MEMORY;
	if (pipe2(s->wake, O_CLOEXEC)) {
		free(s);
		return NVML_ERROR_UNKNOWN;
	}
	for (unsigned i = 0; i < VGPU_MAX_DEVICES; i++)
		s->source[i].fd = -1;
	s->users = 1;
	s->next = sets;
	sets = s;
	*set = s;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_EventSetFree(nvmlEventSet_t set)
{
	struct nvmlEventSet_st **p = find(set);

	if (!set || !p)
		return NVML_ERROR_INVALID_ARGUMENT;
	drop(p);
	return NVML_SUCCESS;
}

/* Which of the types a device can tell of. */
static uint64_t supported(const struct vnv_gpu *g)
{
	uint64_t types = VGP_EVENT_SUPPORTED;

	if (!g->d.ecc_supported)
		types &= ~(nvmlEventTypeSingleBitEccError | nvmlEventTypeDoubleBitEccError);
	return types;
}

nvmlReturn_t vnv_DeviceGetSupportedEventTypes(nvmlDevice_t device, nv_u64 *types)
{
	if (!types)
		return NVML_ERROR_INVALID_ARGUMENT;
	*types = supported(device->gpu);
	return NVML_SUCCESS;
}

/* Room for a handful of events; what else there is comes with the next question. */
struct answer {
	struct vgp_mon_list l;
	uint8_t room[16 * sizeof(struct vgp_mon_event)];
};

static int ask_events(const struct vnv_gpu *g, const struct source *src, uint64_t since, uint64_t types, struct answer *a)
{
	memset(a, 0, sizeof(*a));
	memcpy(a->l.head.uuid, g->uuid, 16);
	a->l.since = since;
	a->l.arg = (uint32_t)types;
	return tr_monitor_ask(src->fd, VGP_MON_EVENTS, a, sizeof(*a), NULL);
}

/* Events that happened before are not told. */
static nvmlReturn_t start(struct vnv_gpu *g, struct source *src)
{
	struct answer a;
	int r;

	if (src->fd < 0)
		src->fd = vnv_open_node(g);
	if (src->fd < 0) {
		r = src->fd;
		src->fd = -1;
		return vnv_result(r);
	}
	r = ask_events(g, src, UINT64_MAX, 0, &a);
	if (r)
		return vnv_result(r);
	src->seen = a.l.since;
	src->started = true;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceRegisterEvents(nvmlDevice_t device, nv_u64 types, nvmlEventSet_t set)
{
	struct vnv_gpu *g = device->gpu;
	nvmlReturn_t r = NVML_SUCCESS;

	if (!set || !find(set))
		return NVML_ERROR_INVALID_ARGUMENT;
	if (types & ~supported(g))
		return NVML_ERROR_NOT_SUPPORTED;
	if (types && !set->source[g->index].started)
		r = start(g, &set->source[g->index]);
	if (!r)
		set->types[g->index] |= types;
	return r;
}

/* ---- waiting ---- */

/* The first event of device i that the set wants. 1: *data is filled, 0: none, or -status. */
static int next_event(struct nvmlEventSet_st *s, unsigned i, nvmlEventData_t *data)
{
	struct source *src = &s->source[i];
	struct answer a;
	struct vgp_mon_event e;
	int r = ask_events(&vnv_gpus[i], src, src->seen, s->types[i], &a);

	if (r)
		return r;
	if (!a.l.n) {
		src->seen = MAX(src->seen, a.l.since);
		return 0;
	}
	if (!a.l.entry_B || a.l.n > sizeof(a.room) / a.l.entry_B)
		return -VGPU_E_PROTOCOL;
	memset(&e, 0, sizeof(e));
	memcpy(&e, a.room, MIN((size_t)a.l.entry_B, sizeof(e)));
	src->seen = e.number;
	*data = (nvmlEventData_t){ .device = vnv_device(&vnv_gpus[i]), .eventType = e.type, .eventData = e.data,
				   .gpuInstanceId = e.gi, .computeInstanceId = e.ci };
	return 1;
}

/* Looks at all devices of the set. */
static int look(struct nvmlEventSet_st *s, nvmlEventData_t *data)
{
	for (unsigned i = 0; i < vnv_n_gpus; i++) {
		int r = s->types[i] ? next_event(s, i, data) : 0;

		if (r)
			return r;
	}
	return 0;
}

/* Until something happens, the set is freed, or the time is over. False: over. */
static bool sleep_in(struct pollfd *p, unsigned n, uint64_t end_ns)
{
	uint64_t now = vgpu_now_ns();
	int ms = -1;

	if (end_ns != UINT64_MAX) {
		if (now >= end_ns)
			return false;
		ms = (int)MIN((end_ns - now + 999999) / 1000000, (uint64_t)INT32_MAX);
	}
	return poll(p, n, ms) != 0 || vgpu_now_ns() < end_ns;
}

/* Descriptors to sleep on: the wake-up pipe and the registered devices'. */
static unsigned descriptors(const struct nvmlEventSet_st *s, struct pollfd *p)
{
	unsigned n = 0;

	p[n++] = (struct pollfd){ .fd = s->wake[0], .events = POLLIN };
	for (unsigned i = 0; i < VGPU_MAX_DEVICES; i++)
		if (s->types[i])
			p[n++] = (struct pollfd){ .fd = s->source[i].fd, .events = POLLIN };
	return n;
}

nvmlReturn_t vnv_EventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms)
{
	struct pollfd p[1 + VGPU_MAX_DEVICES];
	uint64_t end = timeout_ms == UINT32_MAX ? UINT64_MAX : vgpu_now_ns() + timeout_ms * 1000000ull;
	nvmlReturn_t r = NVML_ERROR_INVALID_ARGUMENT;
	bool more = true;
	unsigned n;
	int found;

	if (!set || !data)
		return NVML_ERROR_INVALID_ARGUMENT;
	vnv_lock();
	if (!vnv_ready() || !find(set)) {
		vnv_unlock();
		return r;
	}
	set->users++;
	while (!set->freed) {
		found = look(set, data);
		if (found || !more)
			break;
		n = descriptors(set, p);
		vnv_unlock();
		more = sleep_in(p, n, end);
		vnv_lock();
	}
	if (set->freed)
		r = NVML_ERROR_UNINITIALIZED;
	else
		r = found > 0 ? NVML_SUCCESS : found < 0 ? vnv_result(found) : NVML_ERROR_TIMEOUT;
	unref(set);
	vnv_unlock();
	return r;
}

/* The first version's structure ends before the instances. */
nvmlReturn_t vnv_EventSetWait(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms)
{
	nvmlEventData_t full;
	nvmlReturn_t r;

	if (!data)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_EventSetWait_v2(set, &full, timeout_ms);
	if (!r)
		memcpy(data, &full, offsetof(nvmlEventData_t, gpuInstanceId));
	return r;
}
