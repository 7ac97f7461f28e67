/*
 * vfs_setting.c: what monitors change (SET of vgp_mon.def). A setting becomes
 * properties of the device in the registry, so that it lasts and everybody
 * sees it; the asker is answered when that is so. Deeds (reset, clearing) also
 * touch what the state memfd remembers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fusefs/vfs_mon.h"
#include "state/reg.h"
#include "util/log.h"

#define MAX_CHANGES 8

struct setting {
	struct vfs_deed deed;
	struct vfs_ask *ask;      /* who waits; NULL: nobody */
	char uuid[48];
	uint32_t key;
	uint32_t what;            /* enum vgp_mon_setting */
	bool aggregate;           /* CLEAR_ECC of those, too */
	bool undivide;            /* MIG goes off: no instance stays */
	uint32_t result;          /* enum vgpu_status: whether the mode is in force */
	size_t n;
	struct reg_kv kv[MAX_CHANGES];
	char value[MAX_CHANGES][24];
};

/* ---- in the helper ---- */

static int work(struct registry *reg, struct vfs_deed *d, struct vgpu_err *err)
{
	struct setting *s = (struct setting *)d;
	int r = reg_begin(reg, err);

	if (r)
		return r;
	if (s->n)
		r = reg_device_set(reg, s->uuid, s->kv, s->n, err);
	if (!r && s->undivide)
		r = reg_mig_clear(reg, s->uuid, err);
	if (!r && s->what == VGP_SET_RESET)
		r = reg_pages_retire(reg, s->uuid, false, err);
	if (!r && s->what == VGP_SET_CLEAR_ECC && s->aggregate)
		r = reg_counters_clear(reg, s->uuid, err);
	if (!r && s->what == VGP_SET_RESET)
		r = reg_event_add(reg, s->uuid, "reset", "the device was reset", err);
	if (!r)
		return reg_commit(reg, err);
	reg_rollback(reg);
	return r;
}

/* ---- in the serving thread ---- */

/* What a reset does to what the device remembers since the mount was made. */
static void reset_live(struct vfs_devlive *l)
{
	memset(l->ecc, 0, sizeof(l->ecc));
	l->throttle = 0;
	l->xid_last = 0;
	for (uint32_t i = 0; i < l->n_pages; i++)
		l->page[i].pending = 0;
}

static void after(struct vfs *v, const struct setting *s)
{
	struct vfs_devlive *l = vfs_devlive(v, s->key);
	int at = vfs_devset_find(&v->src.devs, s->key);

	if (!l || at < 0)
		return;
	switch (s->what) {
	case VGP_SET_RESET:
		reset_live(l);
		break;
	case VGP_SET_CLEAR_ECC:
		memset(l->ecc, 0, sizeof(l->ecc));
		if (s->aggregate)
			memset(l->ecc_life, 0, sizeof(l->ecc_life));
		break;
	case VGP_SET_CLEAR_ACCT:
	case VGP_SET_ACCOUNTING_MODE:
		if (s->what == VGP_SET_CLEAR_ACCT || !v->src.devs.dev[at].accounting_mode)
			l->acct_n = 0;
		break;
	case VGP_SET_MIG_MODE:
		vfs_event_add(v, &v->src.devs.dev[at], VGP_EVENT_MIG_CONFIG, 0);
		break;
	case VGP_SET_LOCK_SM:
	case VGP_SET_LOCK_MEMORY:
	case VGP_SET_APP_CLOCKS:
		vfs_event_add(v, &v->src.devs.dev[at], VGP_EVENT_CLOCK, v->src.devs.dev[at].clock_khz);
		break;
	}
	vfs_telemetry_changed(v, s->key);
}

static void done(struct vfs *v, struct vfs_deed *d, int status)
{
	struct setting *s = (struct setting *)d;

	if (!status)
		after(v, s);
	if (s->ask) {
		s->ask->u.head.status = (uint32_t)-status;
		s->ask->u.set.result = s->result;
		vfs_ask_done(s->ask);
	}
	free(s);
}

static void put(struct setting *s, const char *key, uint64_t value)
{
	snprintf(s->value[s->n], sizeof(s->value[s->n]), "%llu", (unsigned long long)value);
	s->kv[s->n] = (struct reg_kv){ key, s->value[s->n] };
	s->n++;
}

/* Back to what the profile says. */
static void unset(struct setting *s, const char *key)
{
	s->kv[s->n++] = (struct reg_kv){ key, NULL };
}

/* ---- settings: checks, and what they become ---- */

static int set_mode(struct setting *s, const char *key, uint64_t value)
{
	if (value > 1)
		return VGPU_E_INVALID;
	put(s, key, value);
	return 0;
}

static int set_compute_mode(struct setting *s, uint64_t mode)
{
	if (mode != 0 && mode != 2 && mode != 3)
		return VGPU_E_INVALID;
	put(s, "compute_mode", mode);
	return 0;
}

static int set_power(struct setting *s, const struct vgpu_device *d, uint64_t mw)
{
	if (mw && (mw < d->power_limit_min_mw || mw > d->power_limit_mw))
		return VGPU_E_INVALID;
	put(s, "power_limit_set_mw", mw == d->power_limit_mw ? 0 : mw);
	return 0;
}

static int set_lock(struct setting *s, const char *low, const char *high, const uint64_t v[2], uint64_t max)
{
	bool off = !v[0] && !v[1];

	if (!off && (!v[0] || v[0] > v[1] || v[0] > max))
		return VGPU_E_INVALID;
	put(s, low, v[0]);
	put(s, high, v[1] > max ? max : v[1]);
	return 0;
}

/* A clock that the device has, as vgp_mon.h says; in MHz, as they are listed. */
static bool has_app_clocks(const struct vgp_telemetry *t, uint64_t memory_khz, uint64_t sm_khz)
{
	uint64_t memory = memory_khz / 1000, sm = sm_khz / 1000, top = t->clock_sm_max_khz / 1000;

	return (memory == t->clock_memory_max_khz / 1000 || memory == t->clock_memory_min_khz / 1000) &&
	       sm <= top && sm >= t->clock_sm_min_khz / 1000 && (top - sm) % VGP_CLOCK_STEP_MHZ == 0;
}

static int set_app_clocks(struct vfs *v, struct setting *s, int dev, const uint64_t val[2])
{
	struct vgp_telemetry t;

	vfs_telemetry_of(v, dev, &t);
	if ((val[0] || val[1]) && !has_app_clocks(&t, val[0], val[1]))
		return VGPU_E_INVALID;
	put(s, "app_clock_memory_khz", val[0]);
	put(s, "app_clock_sm_khz", val[1]);
	return 0;
}

static int set_ecc(struct setting *s, const struct vgpu_device *d, uint64_t on)
{
	if (!d->ecc_supported)
		return VGPU_E_NOT_SUPPORTED;
	if (on > 1)
		return VGPU_E_INVALID;
	put(s, "ecc_mode_pending", on == d->ecc_mode ? 2 : on);
	return 0;
}

/* At once where nobody is in the way. */
static int set_mig(struct vfs *v, struct setting *s, const struct vgpu_device *d, uint64_t on)
{
	if (!*d->mig_profiles)
		return VGPU_E_NOT_SUPPORTED;
	if (on > 1)
		return VGPU_E_INVALID;
	if (on != d->mig_mode && vfs_users_count(v, s->key)) {
		put(s, "mig_mode_pending", on);
		s->result = VGPU_E_BUSY;
		return 0;
	}
	put(s, "mig_mode", on);
	unset(s, "mig_mode_pending");
	s->undivide = !on;
	return 0;
}

/* What was pending is in force, what was lost is back. */
static void apply_pending(struct setting *s, const struct vgpu_device *d)
{
	if (d->ecc_mode_pending != 2)
		put(s, "ecc_mode", d->ecc_mode_pending);
	if (d->mig_mode_pending != 2)
		put(s, "mig_mode", d->mig_mode_pending);
	s->undivide = d->mig_mode_pending == 0;
	unset(s, "mig_mode_pending");
	unset(s, "ecc_mode_pending");
	unset(s, "lost");
}

static int set_reset(struct vfs *v, struct setting *s, const struct vgpu_device *d)
{
	if (vfs_users_count(v, s->key))
		return VGPU_E_BUSY;
	apply_pending(s, d);
	return 0;
}

/* Programs that use it go on, but keep it from being removed; persistence mode is such a user. */
static int set_drain(struct vfs *v, struct setting *s, const struct vgpu_device *d, uint64_t state)
{
	if (state > 2)
		return VGPU_E_INVALID;
	if (state && (d->persistence_mode || (state == 2 && vfs_users_count(v, s->key))))
		return VGPU_E_BUSY;
	put(s, "drain", state);
	return 0;
}

static int set_fan(struct setting *s, const struct vgpu_device *d, uint64_t percent)
{
	if (!d->fans)
		return VGPU_E_NOT_SUPPORTED;
	if (percent && (percent < VGP_FAN_MIN || percent > 100))
		return VGPU_E_INVALID;
	put(s, "fan_set", percent);
	return 0;
}

static int plan(struct vfs *v, struct setting *s, int dev, const uint64_t val[3])
{
	const struct vgpu_device *d = &v->src.devs.dev[dev];

	switch (s->what) {
	case VGP_SET_COMPUTE_MODE: return set_compute_mode(s, val[0]);
	case VGP_SET_PERSISTENCE_MODE: return set_mode(s, "persistence_mode", val[0]);
	case VGP_SET_ACCOUNTING_MODE: return set_mode(s, "accounting_mode", val[0]);
	case VGP_SET_POWER_LIMIT: return set_power(s, d, val[0]);
	case VGP_SET_LOCK_SM: return set_lock(s, "lock_sm_min_khz", "lock_sm_max_khz", val, d->clock_khz);
	case VGP_SET_LOCK_MEMORY: return set_lock(s, "lock_memory_min_khz", "lock_memory_max_khz", val, d->memory_clock_khz);
	case VGP_SET_APP_CLOCKS: return set_app_clocks(v, s, dev, val);
	case VGP_SET_MIG_MODE: return set_mig(v, s, d, val[0]);
	case VGP_SET_ECC_MODE: return set_ecc(s, d, val[0]);
	case VGP_SET_FAN: return set_fan(s, d, val[0]);
	case VGP_SET_DRAIN: return set_drain(v, s, d, val[0]);
	case VGP_SET_CLEAR_ECC:
		s->aggregate = val[0] == 1;
		return !d->ecc_supported ? VGPU_E_NOT_SUPPORTED : val[0] > 1 ? VGPU_E_INVALID : 0;
	case VGP_SET_CLEAR_ACCT: return d->accounting_mode ? 0 : VGPU_E_NOT_SUPPORTED;
	case VGP_SET_RESET: return set_reset(v, s, d);
	default: return VGPU_E_NOT_SUPPORTED;
	}
}

static struct setting *setting_new(struct vfs *v, int dev, uint32_t what)
{
	struct setting *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->deed.work = work;
	s->deed.done = done;
	snprintf(s->uuid, sizeof(s->uuid), "%s", v->src.devs.dev[dev].uuid);
	s->key = v->src.devs.key[dev];
	s->what = what;
	return s;
}

void vfs_mon_SET(struct vfs *v, struct vfs_ask *a)
{
	const struct vgpu_device *d = &v->src.devs.dev[a->place.dev];
	struct setting *s;

	if (a->size < sizeof(a->u.set)) {
		a->u.head.status = VGPU_E_INVALID;
		return;
	}
	s = setting_new(v, a->place.dev, a->u.set.what);
	if (!s) {
		a->u.head.status = VGPU_E_NOMEM;
		return;
	}
	s->ask = a;
	if (d->lost == 1 && s->what != VGP_SET_RESET)
		a->u.head.status = VGPU_E_OFF_BUS;
	else
		a->u.head.status = (uint32_t)plan(v, s, a->place.dev, a->u.set.v);
	if (!a->u.head.status && !vfs_devs_do(v, &s->deed))
		a->u.head.status = VGPU_E_NOMEM;
	if (a->u.head.status)
		free(s);
	else
		a->later = true;
}

void vfs_setting_boot(struct vfs *v)
{
	for (size_t i = 0; i < v->src.devs.n; i++) {
		struct vfs_devlive *l = vfs_devlive(v, v->src.devs.key[i]);
		const struct vgpu_device *d = &v->src.devs.dev[i];
		struct setting *s;

		if (d->ecc_mode_pending == 2 && d->mig_mode_pending == 2 && !d->lost && !d->drain && !(l && l->reset_due))
			continue;
		if (l)
			l->reset_due = 0;
		s = setting_new(v, (int)i, VGP_SET_RESET);
		if (!s)
			continue;
		apply_pending(s, d);
		unset(s, "drain");
		if (!vfs_devs_do(v, &s->deed))
			free(s);
	}
}

void vfs_mon_PAGES(struct vfs *v, struct vfs_ask *a)
{
	const struct vfs_devlive *l = vfs_devlive(v, v->src.devs.key[a->place.dev]);
	uint32_t skip = a->u.list.cursor;

	if (a->u.list.arg > 1) {
		a->u.head.status = VGPU_E_INVALID;
		return;
	}
	a->u.list.total = a->u.list.cursor = 0;
	for (uint32_t i = 0; l && i < l->n_pages; i++) {
		struct vgp_mon_page p = { l->page[i].addr, l->page[i].time_us };

		if (l->page[i].cause != a->u.list.arg || l->page[i].pending || vfs_device_remaps(&v->src.devs.dev[a->place.dev]))
			continue;
		if (a->u.list.total++ < skip)
			continue;
		if (vfs_ask_room(a, sizeof(p)))
			vfs_ask_add(a, &p, sizeof(p));
		else if (!a->u.list.cursor)
			a->u.list.cursor = a->u.list.total - 1;
	}
	vfs_ask_list(a, sizeof(struct vgp_mon_page));
}
