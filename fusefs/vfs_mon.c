/*
 * vfs_mon.c: questions of monitors (vgp_mon.h): an ioctl's argument is checked
 * against its row of vgp_mon.def, the device is found, who asks may ask, and
 * the row's handler fills in the answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fusefs/vfs_mon.h"

struct question {
	bool admin;
	bool any_device;          /* may be about none */
	bool mig;                 /* may be about a MIG device */
	size_t size;
	void (*run)(struct vfs *v, struct vfs_ask *a);
};

enum { ANY = 0, ADMIN = 1 };
static const struct question questions[VGP_MON_END] = {
#define Q(name, num, since, who, st) \
	[num] = { who == ADMIN, num == VGP_MON_EVENTS, num == VGP_MON_TELEMETRY || num == VGP_MON_PROCS, sizeof(struct vgp_mon_##st), vfs_mon_##name },
#include "protocol/vgp_mon.def"
#undef Q
};

/* ---- lists ---- */

bool vfs_ask_room(const struct vfs_ask *a, size_t entry_B)
{
	return sizeof(struct vgp_mon_list) + (a->u.list.n + 1) * entry_B <= a->size;
}

void vfs_ask_add(struct vfs_ask *a, const void *entry, size_t entry_B)
{
	memcpy(a->u.raw + sizeof(struct vgp_mon_list) + a->u.list.n++ * entry_B, entry, entry_B);
}

void vfs_ask_list(struct vfs_ask *a, size_t entry_B)
{
	a->u.list.entry_B = (uint32_t)entry_B;
	a->len = sizeof(struct vgp_mon_list) + a->u.list.n * entry_B;
}

/* Of the thread that asked last on this open it is remembered: whoever polls reads nothing of /proc. */
uint64_t vfs_ask_pidns(struct vfs *v, const struct vfs_ask *a)
{
	struct vfs_open *o = &v->opens[a->handle];
	pid_t tid = fuse_req_ctx(a->req)->pid;

	if (!o->mon_tid || o->mon_tid != (uint32_t)tid) {
		o->mon_ns = vfs_pidns_of(tid);
		o->mon_tid = (uint32_t)tid;
	}
	return o->mon_ns;
}

/* ---- checks ---- */

static bool may_change(struct vfs *v, fuse_req_t req)
{
	struct vfs_client c;

	return vfs_client_of(fuse_req_ctx(req)->pid, &c) && (c.uid == 0 || c.uid == v->st->owner_uid);
}

/* Place of the device with these bytes for a UUID, -1: none. */
static int find_uuid(const struct vfs_devset *set, const uint8_t uuid[16])
{
	for (size_t i = 0; i < set->n; i++)
		if (memcmp(set->raw[i], uuid, 16) == 0)
			return (int)i;
	return -1;
}

static int find_mig(const struct vfs_devset *set, const uint8_t uuid[16])
{
	uint8_t raw[16];

	for (size_t i = 0; i < set->n_mig; i++)
		if (vgpu_uuid_parse(set->mig[i].uuid, raw, NULL) == 0 && memcmp(raw, uuid, 16) == 0)
			return (int)i;
	return -1;
}

static int find_device(struct vfs *v, struct vfs_ask *a, const struct question *q)
{
	static const uint8_t none[16];
	const struct vfs_devset *set = &v->src.devs;
	int own = a->place.dev, at;

	a->mig = -1;
	if (memcmp(a->u.head.uuid, none, 16) == 0)
		at = own;
	else if (q->mig && (a->mig = find_mig(set, a->u.head.uuid)) >= 0)
		at = set->mig_at[a->mig].dev;
	else if ((at = find_uuid(set, a->u.head.uuid)) < 0)
		return VGPU_E_INVALID_DEVICE;
	if (own >= 0 && at >= 0 && at != own)
		return VGPU_E_NOT_PERMITTED;
	if (at < 0)
		return q->any_device ? 0 : VGPU_E_INVALID_DEVICE;
	/* on the control node a list of all may be cut down to one by its UUID */
	if (!q->any_device)
		a->place.dev = at;
	memcpy(a->uuid, set->raw[at], 16);
	return 0;
}

static int check(struct vfs *v, struct vfs_ask *a, const struct question *q)
{
	int r;

	if (a->u.head.flags)
		return VGPU_E_INVALID;
	r = find_device(v, a, q);
	if (!r && q->admin && !may_change(v, a->req))
		r = VGPU_E_NOT_PERMITTED;
	return r;
}

/* ---- the ioctl ---- */

void vfs_ask_done(struct vfs_ask *a)
{
	if (a->u.head.status)
		a->len = MIN(a->size, sizeof(a->u.set));
	fuse_reply_ioctl(a->req, 0, &a->u, MIN(a->len, a->size));
	free(a);
}

/* A struct is as long as both sides know it; a list has a head at least. */
static void ask(struct vfs *v, struct vfs_ask *a, const struct question *q, const void *in)
{
	memcpy(a->u.raw, in, MIN(a->size, sizeof(a->u.raw)));
	a->u.head.status = (uint32_t)check(v, a, q);
	a->len = MIN(a->size, q->size);
	if (q->size == sizeof(struct vgp_mon_list))
		a->u.list.n = 0;
	if (!a->u.head.status)
		q->run(v, a);
	if (!a->later)
		vfs_ask_done(a);
}

void vfs_mon_ioctl(struct vfs *v, fuse_req_t req, struct vfs_place p, uint32_t handle, unsigned op, const void *in,
		   size_t in_size, size_t out_size)
{
	/* a capability is asked for nothing else */
	const struct question *q = op < VGP_MON_END && questions[op].run && (!p.gi || op == VGP_MON_ADMIT) ? &questions[op] : NULL;
	struct vgp_mon_head head;
	struct vfs_ask *a;

	if (!q) {
		fuse_reply_err(req, ENOTTY);
		return;
	}
	if (in_size < sizeof(head) || out_size != in_size || out_size > VGP_MON_SIZE_MAX ||
	    (memcpy(&head, in, sizeof(head)), head.magic != VGP_MAGIC) ||
	    (q->size == sizeof(struct vgp_mon_list) && in_size < q->size)) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	a = malloc(sizeof(*a));
	if (!a) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	memset(a, 0, offsetof(struct vfs_ask, u));
	memset(&a->u, 0, out_size < 4096 ? 4096 : out_size);
	a->req = req;
	a->handle = handle;
	a->place = p;
	a->size = out_size;
	ask(v, a, q, in);
}

void vfs_mon_TELEMETRY(struct vfs *v, struct vfs_ask *a)
{
	struct vgp_telemetry *t = &a->u.telemetry.t;

	vfs_telemetry_of(v, a->place.dev, t);
	if (a->mig < 0)
		return;
	t->memory_total = v->src.devs.mig[a->mig].memory_total;
	t->memory_used = vfs_mig_used(v, a->mig);
	t->memory_reserved = 0;
	t->memory_free = t->memory_total - MIN(t->memory_total, t->memory_used);
	t->bar1_total = t->bar1_total / VGPU_MIG_PARTS * vfs_mig_parts(&v->src.devs, a->mig);
	t->util_gpu = t->util_memory = vfs_users_load(v, v->src.devs.mig_at[a->mig].key, &t->processes);
}
