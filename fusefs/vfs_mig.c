/*
 * vfs_mig.c: devices that are divided (MIG). A GPU instance is a share of a
 * device's memory, a compute instance in it a share of its multiprocessors: a
 * device of its own (util/mig.h), which sessions have in their tables behind
 * the GPUs. Both are rows of the registry; who may be beside whom is known here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fusefs/vfs_mon.h"
#include "fusefs/vfs_sess.h"
#include "state/reg.h"
#include "util/log.h"

/* ---- from the registry into the set of devices ---- */

static int dev_of(const struct vfs_devset *set, const char *uuid)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->dev[i].uuid, uuid) == 0)
			return (int)i;
	return -1;
}

static const struct vfs_gi *gi_of(const struct vfs_devset *set, int dev, unsigned gi)
{
	for (size_t i = 0; i < set->n_gi; i++)
		if (set->gi[i].dev == dev && set->gi[i].gi == gi)
			return &set->gi[i];
	return NULL;
}

static void fill_ci(struct vfs_devset *set, const struct reg_mig_compute *c)
{
	int dev = dev_of(set, c->uuid);
	const struct vfs_gi *g = dev >= 0 ? gi_of(set, dev, c->gi) : NULL;
	unsigned slices = vgpu_mig_compute_slices(c->profile);
	size_t at = set->n_mig;

	if (!g || !slices || slices > g->p->slices || set->n + at >= VGPU_MAX_DEVICES)
		return;
	set->mig_at[at] = (struct vfs_ci){ .dev = dev, .gi = c->gi, .ci = c->ci, .profile = c->profile, .start = c->start, .slices = slices };
	vgpu_mig_device(&set->dev[dev], g->p, c->gi, c->ci, slices, c->mig_uuid, &set->mig[at]);
	set->mig_at[at].key = vfs_device_key(&set->mig[at]);
	set->n_mig++;
}

void vfs_mig_fill(struct vfs_devset *set, const struct reg_mig *m)
{
	set->n_gi = set->n_mig = 0;
	for (size_t i = 0; i < m->n_gpus; i++) {
		int dev = dev_of(set, m->gpu[i].uuid);
		const struct vgpu_mig_profile *p = dev >= 0 ? vgpu_mig_profile_find(&set->dev[dev], m->gpu[i].profile) : NULL;

		/* a device that has another table now, or MIG off, has none of its old instances */
		if (p && set->dev[dev].mig_mode && set->n_gi < ARRAY_SIZE(set->gi))
			set->gi[set->n_gi++] = (struct vfs_gi){ dev, m->gpu[i].gi, m->gpu[i].start, p };
	}
	/* in the devices' order, as clients and workers count them; the registry's is by UUID */
	for (size_t d = 0; d < set->n; d++)
		for (size_t i = 0; i < m->n_computes; i++)
			if (strcmp(set->dev[d].uuid, m->compute[i].uuid) == 0)
				fill_ci(set, &m->compute[i]);
}

int vfs_devset_mig(const struct vfs_devset *set, uint32_t key)
{
	for (size_t i = 0; i < set->n_mig; i++)
		if (set->mig_at[i].key == key)
			return (int)i;
	return -1;
}

int vfs_devset_owner(const struct vfs_devset *set, uint32_t key)
{
	int at = vfs_devset_find(set, key), mig;

	if (at >= 0)
		return at;
	mig = vfs_devset_mig(set, key);
	return mig >= 0 ? set->mig_at[mig].dev : -1;
}

/* ---- what there is room for ---- */

static unsigned parts_taken(const struct vfs_devset *set, int dev, unsigned *slices_out)
{
	unsigned mask = 0;

	*slices_out = 0;
	for (size_t i = 0; i < set->n_gi; i++) {
		if (set->gi[i].dev != dev)
			continue;
		mask |= ((1u << set->gi[i].p->size) - 1) << set->gi[i].start;
		*slices_out += set->gi[i].p->slices;
	}
	return mask;
}

static unsigned count_gi(const struct vfs_devset *set, int dev, unsigned number)
{
	unsigned n = 0;

	for (size_t i = 0; i < set->n_gi; i++)
		n += set->gi[i].dev == dev && set->gi[i].p->number == number;
	return n;
}

/* Bit n: one of this kind can begin at slice n now. */
static unsigned free_starts(const struct vfs_devset *set, int dev, const struct vgpu_mig_profile *p)
{
	unsigned slices, taken = parts_taken(set, dev, &slices), starts = 0;

	if (slices + p->slices > VGPU_MIG_SLICES || count_gi(set, dev, p->number) >= p->max)
		return 0;
	for (unsigned s = 0; s < VGPU_MIG_PARTS; s++)
		if ((p->starts >> s & 1) && !(taken & ((1u << p->size) - 1) << s))
			starts |= 1u << s;
	return starts;
}

/* How many more of this kind go in beside each other. */
static unsigned free_count(const struct vfs_devset *set, int dev, const struct vgpu_mig_profile *p)
{
	unsigned slices, taken = parts_taken(set, dev, &slices), starts = free_starts(set, dev, p), n = 0;

	for (unsigned s = 0; s < VGPU_MIG_PARTS; s++) {
		unsigned need = ((1u << p->size) - 1) << s;

		if (!(starts >> s & 1) || (taken & need) || slices + p->slices > VGPU_MIG_SLICES)
			continue;
		taken |= need;
		slices += p->slices;
		n++;
	}
	return MIN(n, p->max - count_gi(set, dev, p->number));
}

static unsigned slices_taken(const struct vfs_devset *set, int dev, unsigned gi)
{
	unsigned mask = 0;

	for (size_t i = 0; i < set->n_mig; i++)
		if (set->mig_at[i].dev == dev && set->mig_at[i].gi == gi)
			mask |= ((1u << set->mig_at[i].slices) - 1) << set->mig_at[i].start;
	return mask;
}

/* First slice of a GPU instance where that many are free; -1: nowhere. */
static int free_slice(const struct vfs_devset *set, const struct vfs_gi *g, unsigned slices)
{
	unsigned taken = slices_taken(set, g->dev, g->gi);

	for (unsigned s = 0; s + slices <= g->p->slices; s++)
		if (!(taken & ((1u << slices) - 1) << s))
			return (int)s;
	return -1;
}

static bool compute_profile_fits(const struct vfs_gi *g, unsigned slices)
{
	/* 3 slices go into instances of 3 and 7 only, as on hardware */
	return slices && slices <= g->p->slices && !(slices == 3 && g->p->slices == 4);
}

/* ---- use ---- */

uint64_t vfs_mig_used(struct vfs *v, int mig)
{
	const struct vfs_devset *set = &v->src.devs;
	uint64_t sum = 0;

	for (size_t i = 0; i < set->n_mig; i++)
		if (set->mig_at[i].dev == set->mig_at[mig].dev && set->mig_at[i].gi == set->mig_at[mig].gi)
			sum += vfs_sess_memory(v, set->mig_at[i].key);
	return sum;
}

unsigned vfs_mig_parts(const struct vfs_devset *set, int mig)
{
	const struct vfs_gi *g = gi_of(set, set->mig_at[mig].dev, set->mig_at[mig].gi);

	return g ? g->p->size : 1;
}

static uint64_t gi_used(struct vfs *v, int dev, unsigned gi)
{
	const struct vfs_devset *set = &v->src.devs;

	for (size_t i = 0; i < set->n_mig; i++)
		if (set->mig_at[i].dev == dev && set->mig_at[i].gi == gi)
			return vfs_mig_used(v, (int)i);
	return 0;
}

void vfs_live_instance(void *arg, size_t gi, struct vgp_telemetry *t)
{
	struct vfs *v = arg;
	const struct vfs_devset *set = &v->src.devs;
	const struct vfs_gi *g = &set->gi[gi];

	t->memory_total = vgpu_mig_memory(&set->dev[g->dev], g->p);
	t->memory_used = gi_used(v, g->dev, g->gi);
	t->memory_free = t->memory_total - MIN(t->memory_total, t->memory_used);
	t->util_gpu = 0;
	for (size_t i = 0; i < set->n_mig; i++)
		if (set->mig_at[i].dev == g->dev && set->mig_at[i].gi == g->gi)
			t->util_gpu = MIN(t->util_gpu + vfs_users_load(v, set->mig_at[i].key, NULL), (uint64_t)100);
}

/* ---- questions ---- */

/* Entries are counted; those before the cursor are skipped, the rest is put in while there is room. */
static void put(struct vfs_ask *a, uint32_t skip, const void *entry, size_t size)
{
	if (a->u.list.total++ < skip)
		return;
	if (vfs_ask_room(a, size))
		vfs_ask_add(a, entry, size);
	else if (!a->u.list.cursor)
		a->u.list.cursor = a->u.list.total - 1;
}

static uint32_t begin(struct vfs_ask *a)
{
	uint32_t skip = a->u.list.cursor;

	a->u.list.total = a->u.list.cursor = 0;
	return skip;
}

static struct vgp_mon_mig entry_gi(struct vfs *v, const struct vfs_gi *g)
{
	const struct vgpu_device *d = &v->src.devs.dev[g->dev];
	struct vgp_mon_mig e = {
		.kind = VGP_MIG_GPU, .gi = g->gi, .ci = VGP_MON_NO_INSTANCE, .profile = g->p->number, .start = g->start, .size = g->p->size,
		.slices = g->p->slices, .sm_count = vgpu_mig_sm(d, g->p, g->p->slices), .memory = vgpu_mig_memory(d, g->p),
		.memory_used = gi_used(v, g->dev, g->gi), .copy_engines = g->p->copy, .decoders = g->p->dec, .jpegs = g->p->jpeg,
		.ofas = g->p->ofa,
	};

	snprintf(e.name, sizeof(e.name), "%s", g->p->name);
	return e;
}

static struct vgp_mon_mig entry_ci(struct vfs *v, const struct vfs_gi *g, size_t i)
{
	const struct vfs_ci *c = &v->src.devs.mig_at[i];
	struct vgp_mon_mig e = entry_gi(v, g);

	e.kind = VGP_MIG_COMPUTE;
	e.ci = c->ci;
	e.profile = c->profile;
	e.start = c->start;
	e.size = e.slices = c->slices;
	e.sm_count = (uint32_t)v->src.devs.mig[i].sm_count;
	e.processes = vfs_users_count(v, c->key);
	vgpu_uuid_parse(v->src.devs.mig[i].uuid, e.uuid, NULL);
	vgpu_mig_name(g->p, c->slices, e.name);
	return e;
}

void vfs_mon_MIG_LIST(struct vfs *v, struct vfs_ask *a)
{
	const struct vfs_devset *set = &v->src.devs;
	uint32_t skip = begin(a);

	for (size_t i = 0; i < set->n_gi; i++) {
		struct vgp_mon_mig e;

		if (set->gi[i].dev != a->place.dev)
			continue;
		e = entry_gi(v, &set->gi[i]);
		put(a, skip, &e, sizeof(e));
		for (size_t k = 0; k < set->n_mig; k++) {
			if (set->mig_at[k].dev != a->place.dev || set->mig_at[k].gi != set->gi[i].gi)
				continue;
			e = entry_ci(v, &set->gi[i], k);
			put(a, skip, &e, sizeof(e));
		}
	}
	vfs_ask_list(a, sizeof(struct vgp_mon_mig));
}

static void list_gpu_profiles(struct vfs *v, struct vfs_ask *a)
{
	const struct vgpu_device *d = &v->src.devs.dev[a->place.dev];
	const struct vgpu_mig_profile *p;
	uint32_t skip = begin(a);

	for (unsigned i = 0; (p = vgpu_mig_profile_at(d, i)); i++) {
		struct vgp_mon_mig_profile e = {
			.profile = p->number, .id = p->id, .slices = p->slices, .size = p->size, .sm_count = vgpu_mig_sm(d, p, p->slices),
			.max = p->max, .copy_engines = p->copy, .decoders = p->dec, .jpegs = p->jpeg, .ofas = p->ofa,
			.memory = vgpu_mig_memory(d, p), .placements = p->starts,
		};

		if (d->mig_mode) {
			e.free = free_count(&v->src.devs, a->place.dev, p);
			e.placements_free = free_starts(&v->src.devs, a->place.dev, p);
		}
		snprintf(e.name, sizeof(e.name), "%s", p->name);
		put(a, skip, &e, sizeof(e));
	}
	vfs_ask_list(a, sizeof(struct vgp_mon_mig_profile));
}

static void list_compute_profiles(struct vfs *v, struct vfs_ask *a, const struct vfs_gi *g)
{
	const struct vgpu_device *d = &v->src.devs.dev[a->place.dev];
	uint32_t skip = begin(a);
	unsigned slices;

	for (unsigned n = 0; (slices = vgpu_mig_compute_slices(n)); n++) {
		unsigned taken = slices_taken(&v->src.devs, g->dev, g->gi);
		struct vgp_mon_mig_profile e = {
			.profile = n, .id = n, .slices = slices, .size = slices, .sm_count = vgpu_mig_sm(d, g->p, slices),
			.max = g->p->slices / slices, .copy_engines = g->p->copy, .decoders = g->p->dec, .jpegs = g->p->jpeg, .ofas = g->p->ofa,
			.memory = vgpu_mig_memory(d, g->p),
		};

		if (!compute_profile_fits(g, slices))
			continue;
		for (unsigned s = 0; s + slices <= g->p->slices; s++) {
			e.placements |= 1ull << s;
			if (!(taken & ((1u << slices) - 1) << s))
				e.placements_free |= 1ull << s;
		}
		for (unsigned s = 0, t = taken; s + slices <= g->p->slices; s++) {
			if (t & ((1u << slices) - 1) << s)
				continue;
			t |= ((1u << slices) - 1) << s;
			e.free++;
		}
		vgpu_mig_name(g->p, slices, e.name);
		put(a, skip, &e, sizeof(e));
	}
	vfs_ask_list(a, sizeof(struct vgp_mon_mig_profile));
}

void vfs_mon_MIG_PROFILES(struct vfs *v, struct vfs_ask *a)
{
	const struct vfs_gi *g = a->u.list.arg ? gi_of(&v->src.devs, a->place.dev, a->u.list.arg - 1) : NULL;

	if (!*v->src.devs.dev[a->place.dev].mig_profiles)
		a->u.head.status = VGPU_E_NOT_SUPPORTED;
	else if (!a->u.list.arg)
		list_gpu_profiles(v, a);
	else if (!g)
		a->u.head.status = VGPU_E_NOT_FOUND;
	else
		list_compute_profiles(v, a, g);
}

/* ---- changes ---- */

struct division {
	struct vfs_deed deed;
	struct vfs_ask *ask;
	bool destroy;
	struct reg_mig_gpu gpu;
	struct reg_mig_compute compute;
	uint32_t key;
};

static int work(struct registry *reg, struct vfs_deed *d, struct vgpu_err *err)
{
	struct division *x = (struct division *)d;
	bool compute = x->ask->u.mig.kind == VGP_MIG_COMPUTE;

	if (x->destroy)
		return compute ? reg_mig_compute_remove(reg, x->compute.uuid, x->compute.gi, x->compute.ci, err) :
		       reg_mig_gpu_remove(reg, x->gpu.uuid, x->gpu.gi, err);
	return compute ? reg_mig_compute_add(reg, &x->compute, err) : reg_mig_gpu_add(reg, &x->gpu, err);
}

static void done(struct vfs *v, struct vfs_deed *d, int status)
{
	struct division *x = (struct division *)d;
	int at = vfs_devset_find(&v->src.devs, x->key);

	x->ask->u.head.status = (uint32_t)-status;
	if (!status && at >= 0)
		vfs_event_add(v, &v->src.devs.dev[at], VGP_EVENT_MIG_CONFIG, 0);
	vfs_ask_done(x->ask);
	free(x);
}

static int plan_gpu(struct vfs *v, struct division *x, struct vgp_mon_mig_arg *q)
{
	const struct vfs_devset *set = &v->src.devs;
	int dev = x->ask->place.dev;
	const struct vgpu_mig_profile *p = vgpu_mig_profile_find(&set->dev[dev], q->profile);
	unsigned starts, gi = p && p->slices == VGPU_MIG_SLICES ? 0 : 1;

	if (!p || (q->start != VGP_MIG_ANYWHERE && (q->start >= VGPU_MIG_PARTS || !(p->starts >> q->start & 1))))
		return !p ? VGPU_E_NOT_SUPPORTED : VGPU_E_INVALID;
	starts = free_starts(set, dev, p);
	if (q->start != VGP_MIG_ANYWHERE)
		starts &= 1u << q->start;
	while (gi_of(set, dev, gi))
		gi++;
	if (!starts || gi >= VGPU_MIG_MAX_GI || set->n_gi == ARRAY_SIZE(set->gi))
		return VGPU_E_NO_SPACE;
	x->gpu.gi = q->gi = gi;
	x->gpu.profile = p->number;
	x->gpu.start = q->start = (unsigned)__builtin_ctz(starts);
	q->ci = VGP_MON_NO_INSTANCE;
	return 0;
}

static bool ci_there(const struct vfs_devset *set, int dev, unsigned gi, unsigned ci)
{
	for (size_t i = 0; i < set->n_mig; i++)
		if (set->mig_at[i].dev == dev && set->mig_at[i].gi == gi && set->mig_at[i].ci == ci)
			return true;
	return false;
}

/* "MIG-…" of q's bytes, which are made up where the asker has not. */
static int choose_uuid(struct vgp_mon_mig_arg *q, char out[48])
{
	static const uint8_t none[16];

	if (memcmp(q->mig_uuid, none, 16) == 0) {
		if (getrandom(q->mig_uuid, 16, GRND_NONBLOCK) != 16)
			return VGPU_E_SYSTEM;
		q->mig_uuid[6] = (uint8_t)((q->mig_uuid[6] & 0x0f) | 0x40);
		q->mig_uuid[8] = (uint8_t)((q->mig_uuid[8] & 0x3f) | 0x80);
	}
	vgpu_uuid_format(q->mig_uuid, out);
	memcpy(out, "MIG-", 4);
	return 0;
}

static int plan_compute(struct vfs *v, struct division *x, struct vgp_mon_mig_arg *q)
{
	const struct vfs_devset *set = &v->src.devs;
	int dev = x->ask->place.dev, start;
	const struct vfs_gi *g = gi_of(set, dev, q->gi);
	unsigned slices = vgpu_mig_compute_slices(q->profile), ci = 0;

	if (!g)
		return VGPU_E_NOT_FOUND;
	if (!compute_profile_fits(g, slices))
		return VGPU_E_NOT_SUPPORTED;
	if (q->start != VGP_MIG_ANYWHERE && q->start + slices > g->p->slices)
		return VGPU_E_INVALID;
	start = q->start == VGP_MIG_ANYWHERE ? free_slice(set, g, slices) :
		slices_taken(set, dev, q->gi) & ((1u << slices) - 1) << q->start ? -1 : (int)q->start;
	while (ci_there(set, dev, q->gi, ci))
		ci++;
	if (start < 0 || ci >= VGPU_MIG_MAX_CI || set->n + set->n_mig >= VGPU_MAX_DEVICES)
		return VGPU_E_NO_SPACE;
	x->compute.gi = q->gi;
	x->compute.ci = q->ci = ci;
	x->compute.profile = q->profile;
	x->compute.start = q->start = (unsigned)start;
	return choose_uuid(q, x->compute.mig_uuid);
}

static int plan_destroy(struct vfs *v, struct division *x, const struct vgp_mon_mig_arg *q)
{
	const struct vfs_devset *set = &v->src.devs;
	int dev = x->ask->place.dev;

	if (q->kind == VGP_MIG_GPU) {
		if (!gi_of(set, dev, q->gi))
			return VGPU_E_NOT_FOUND;
		x->gpu.gi = q->gi;
		return slices_taken(set, dev, q->gi) ? VGPU_E_BUSY : 0;
	}
	for (size_t i = 0; i < set->n_mig; i++) {
		if (set->mig_at[i].dev != dev || set->mig_at[i].gi != q->gi || set->mig_at[i].ci != q->ci)
			continue;
		x->compute.gi = q->gi;
		x->compute.ci = q->ci;
		return vfs_users_count(v, set->mig_at[i].key) ? VGPU_E_BUSY : 0;
	}
	return VGPU_E_NOT_FOUND;
}

static int plan(struct vfs *v, struct division *x, struct vgp_mon_mig_arg *q)
{
	const struct vgpu_device *d = &v->src.devs.dev[x->ask->place.dev];

	if (!*d->mig_profiles || !d->mig_mode)
		return VGPU_E_NOT_SUPPORTED;
	if (d->lost)
		return d->lost == 1 ? VGPU_E_OFF_BUS : VGPU_E_RESET_REQUIRED;
	if (q->kind != VGP_MIG_GPU && q->kind != VGP_MIG_COMPUTE)
		return VGPU_E_INVALID;
	if (x->destroy)
		return plan_destroy(v, x, q);
	return q->kind == VGP_MIG_GPU ? plan_gpu(v, x, q) : plan_compute(v, x, q);
}

static void divide(struct vfs *v, struct vfs_ask *a, bool destroy)
{
	const struct vgpu_device *d = &v->src.devs.dev[a->place.dev];
	struct division *x;

	if (a->size < sizeof(a->u.mig)) {
		a->u.head.status = VGPU_E_INVALID;
		return;
	}
	x = calloc(1, sizeof(*x));
	if (!x) {
		a->u.head.status = VGPU_E_NOMEM;
		return;
	}
	x->deed.work = work;
	x->deed.done = done;
	x->ask = a;
	x->destroy = destroy;
	x->key = v->src.devs.key[a->place.dev];
	snprintf(x->gpu.uuid, sizeof(x->gpu.uuid), "%s", d->uuid);
	snprintf(x->compute.uuid, sizeof(x->compute.uuid), "%s", d->uuid);
	a->u.head.status = (uint32_t)plan(v, x, &a->u.mig);
	if (!a->u.head.status && !vfs_devs_do(v, &x->deed))
		a->u.head.status = VGPU_E_NOMEM;
	if (a->u.head.status)
		free(x);
	else
		a->later = true;
}

void vfs_mon_MIG_CREATE(struct vfs *v, struct vfs_ask *a)
{
	divide(v, a, false);
}

void vfs_mon_MIG_DESTROY(struct vfs *v, struct vfs_ask *a)
{
	divide(v, a, true);
}
