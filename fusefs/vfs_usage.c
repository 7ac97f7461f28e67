/*
 * vfs_usage.c: who uses a device: the processes with a context on it, with
 * the numbers that whoever asks knows them by, what they hold and how busy
 * they keep it; and accounting, which remembers those that ended.
 */
#include <stdlib.h>
#include <string.h>

#include "fusefs/vfs_mon.h"
#include "fusefs/vfs_sess.h"
#include "util/sys.h"

/* A worker that is busy says so once a second; one that has said nothing for longer is idle. */
#define RATE_STALE_NS 1600000000ull

unsigned vfs_sess_rate(const struct vfs_live_sess *l, unsigned d, uint64_t now_ns)
{
	return l->rate[d] && now_ns - l->rate_at[d] < RATE_STALE_NS ? l->rate[d] : 0;
}

uint64_t vfs_sess_link(const struct vfs_live_sess *l, unsigned d, unsigned way, uint64_t now_ns)
{
	return l->link[d][way] && now_ns - l->rate_at[d] < RATE_STALE_NS ? l->link[d][way] : 0;
}

bool vfs_sess_on(const struct vfs_sess *s, unsigned d)
{
	return s->phase == VFS_SESS_RUNNING && s->attached >> d & 1;
}

static const struct vfs_pids *pids_of(struct vfs_live_sess *l, uint32_t pid)
{
	if (!l->have_pids) {
		vfs_pids_of((pid_t)pid, &l->pids);
		l->have_pids = true;
	}
	return &l->pids;
}

bool vfs_key_is(struct vfs *v, uint32_t have, uint32_t key)
{
	const struct vfs_devset *set = &v->src.devs;
	int mig;

	if (have == key || !set->n_mig)
		return have == key;
	mig = vfs_devset_mig(set, have);
	return mig >= 0 && set->key[set->mig_at[mig].dev] == key;
}

static struct vfs_user *find_user(vfs_users *u, uint32_t pid, uint32_t gi, uint32_t ci)
{
	for (size_t i = 0; pid && i < u->n; i++)
		if (u->v[i].client_pid == pid && u->v[i].p.gi == gi && u->v[i].p.ci == ci)
			return &u->v[i];
	return NULL;
}

/* A process that has several sessions is one user. */
static bool add_use(struct vfs *v, vfs_users *out, uint32_t slot, unsigned d, uint64_t now)
{
	const struct vfs_sess *s = &v->st->sess[slot];
	struct vfs_live_sess *l = v->sess[slot];
	int mig = vfs_devset_mig(&v->src.devs, s->dev_key[d]);
	uint32_t gi = mig >= 0 ? v->src.devs.mig_at[mig].gi : VGP_MON_NO_INSTANCE;
	uint32_t ci = mig >= 0 ? v->src.devs.mig_at[mig].ci : VGP_MON_NO_INSTANCE;
	struct vfs_user *u = find_user(out, s->client_pid, gi, ci);
	unsigned percent = (vfs_sess_rate(l, d, now) + 5) / 10;

	if (!u) {
		struct vfs_user fresh = { .pids = pids_of(l, s->client_pid), .client_pid = s->client_pid };

		fresh.p = (struct vgp_mon_proc){ .gi = gi, .ci = ci, .flags = 1,
						 .start_us = s->use[d].since_us };
		if (!vgpu_vec_push(out, fresh))
			return false;
		u = &out->v[out->n - 1];
	}
	u->p.memory += s->held[d];
	u->p.busy_ns += s->use[d].busy_ns;
	u->p.util_gpu = MIN(100u, u->p.util_gpu + percent);
	u->p.util_memory = u->p.util_gpu;
	u->p.start_us = MIN(u->p.start_us, s->use[d].since_us);
	u->peak += s->use[d].peak;
	return true;
}

static int by_start(const void *pa, const void *pb)
{
	const struct vfs_user *a = pa, *b = pb;

	return a->p.start_us != b->p.start_us ? (a->p.start_us < b->p.start_us ? -1 : 1) :
	       a->client_pid < b->client_pid ? -1 : a->client_pid > b->client_pid;
}

bool vfs_users_of(struct vfs *v, uint32_t key, vfs_users *out)
{
	uint64_t now = vgpu_now_ns();

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < v->st->sess_high; i++) {
		const struct vfs_sess *s = &v->st->sess[i];

		if (s->phase != VFS_SESS_RUNNING || !s->attached || !v->sess[i])
			continue;
		for (unsigned d = 0; d < s->n_devices && d < VGPU_MAX_DEVICES; d++) {
			if (vfs_key_is(v, s->dev_key[d], key) && vfs_sess_on(s, d) && !add_use(v, out, i, d, now)) {
				vgpu_vec_free(out);
				return false;
			}
		}
	}
	if (out->n)
		qsort(out->v, out->n, sizeof(out->v[0]), by_start);
	return true;
}

unsigned vfs_users_count(struct vfs *v, uint32_t key)
{
	vfs_users u;
	unsigned n;

	if (!vfs_users_of(v, key, &u))
		return 0;
	n = (unsigned)u.n;
	vgpu_vec_free(&u);
	return n;
}

unsigned vfs_users_load(struct vfs *v, uint32_t key, uint64_t *n_out)
{
	unsigned sum = 0;
	vfs_users u;

	if (n_out)
		*n_out = 0;
	if (!vfs_users_of(v, key, &u))
		return 0;
	for (size_t i = 0; i < u.n; i++)
		sum = MIN(100u, sum + u.v[i].p.util_gpu);
	if (n_out)
		*n_out = u.n;
	vgpu_vec_free(&u);
	return sum;
}

void vfs_live_processes(void *live, uint32_t key, void (*fn)(void *arg, uint32_t pid, uint64_t memory, uint64_t busy_ns), void *arg)
{
	vfs_users u;

	if (!vfs_users_of(live, key, &u))
		return;
	for (size_t i = 0; i < u.n; i++)
		fn(arg, u.v[i].client_pid, u.v[i].p.memory, u.v[i].p.busy_ns);
	vgpu_vec_free(&u);
}

/* ---- questions ---- */

/* The users that the asker can see, with the numbers that it knows them by. */
static bool seen_users(struct vfs *v, struct vfs_ask *a, vfs_users *out)
{
	uint64_t ns = vfs_ask_pidns(v, a);
	size_t n = 0;

	if (!vfs_users_of(v, a->mig >= 0 ? v->src.devs.mig_at[a->mig].key : v->src.devs.key[a->place.dev], out)) {
		a->u.head.status = VGPU_E_NOMEM;
		return false;
	}
	for (size_t i = 0; i < out->n; i++) {
		out->v[i].p.pid = vfs_pid_seen(out->v[i].pids, ns);
		if (out->v[i].p.pid)
			out->v[n++] = out->v[i];
	}
	out->n = n;
	return true;
}

/* Sets n, total and cursor of a list of `total` whose entries from a's cursor on are added by fn. */
static void page_of(struct vfs_ask *a, size_t total, size_t entry_B, void (*fn)(struct vfs_ask *a, const void *arg, size_t i),
		    const void *arg)
{
	size_t i = a->u.list.cursor;

	for (; i < total && vfs_ask_room(a, entry_B); i++)
		fn(a, arg, i);
	a->u.list.total = (uint32_t)total;
	a->u.list.cursor = i < total ? (uint32_t)i : 0;
	vfs_ask_list(a, entry_B);
}

static void add_proc(struct vfs_ask *a, const void *arg, size_t i)
{
	const vfs_users *u = arg;

	vfs_ask_add(a, &u->v[i].p, sizeof(u->v[i].p));
}

void vfs_mon_PROCS(struct vfs *v, struct vfs_ask *a)
{
	vfs_users u;

	if (!seen_users(v, a, &u))
		return;
	page_of(a, u.n, sizeof(struct vgp_mon_proc), add_proc, &u);
	vgpu_vec_free(&u);
}

static void add_proc_sample(struct vfs_ask *a, const void *arg, size_t i)
{
	const struct vfs_user *u = &((const vfs_users *)arg)->v[i];
	struct vgp_mon_proc_sample s = { .pid = u->p.pid, .util_gpu = u->p.util_gpu, .util_memory = u->p.util_memory,
					 .gi = u->p.gi, .ci = u->p.ci, .time_us = u->rate_us };

	vfs_ask_add(a, &s, sizeof(s));
}

/* The load is the one of the last tick: that is the sample's time. */
void vfs_mon_PROC_SAMPLES(struct vfs *v, struct vfs_ask *a)
{
	size_t n = 0;
	vfs_users u;

	if (!seen_users(v, a, &u))
		return;
	for (size_t i = 0; i < u.n; i++) {
		if (!u.v[i].p.util_gpu || v->tick_us <= a->u.list.since)
			continue;
		u.v[i].rate_us = v->tick_us;
		u.v[n++] = u.v[i];
	}
	page_of(a, n, sizeof(struct vgp_mon_proc_sample), add_proc_sample, &u);
	vgpu_vec_free(&u);
}

/* ---- accounting ---- */

static void acct_fill(struct vgp_mon_acct *e, uint64_t start_us, uint64_t busy_ns, uint64_t peak)
{
	uint64_t ms = (vfs_epoch_us() - start_us) / 1000;

	*e = (struct vgp_mon_acct){ .start_us = start_us, .time_ms = ms, .memory_max = peak };
	e->util_gpu = ms ? (uint32_t)MIN((uint64_t)100, busy_ns / 10000 / ms) : 0;
	e->util_memory = e->util_gpu;
}

void vfs_acct_leave(struct vfs *v, uint32_t slot, unsigned d)
{
	struct vfs_sess *s = &v->st->sess[slot];
	/* a MIG device's users are the GPU's */
	int at = vfs_devset_owner(&v->src.devs, s->dev_key[d]);
	struct vfs_devlive *live;

	if (at < 0 || !v->src.devs.dev[at].accounting_mode || !(live = vfs_devlive(v, v->src.devs.key[at])))
		return;
	acct_fill(&live->acct[live->acct_n % VGP_KEPT_ACCT], s->use[d].since_us, s->use[d].busy_ns, s->use[d].peak);
	live->acct[live->acct_n % VGP_KEPT_ACCT].pid = s->client_pid;
	live->acct_n++;
}

/* Ended ones that are kept, then those that run. */
struct acct_all {
	const struct vfs_devlive *live;
	uint64_t first, ended;
	const vfs_users *users;
	uint32_t only;
};

static void acct_at(const struct acct_all *all, size_t i, struct vgp_mon_acct *e)
{
	const struct vfs_user *u;

	if (i < all->ended) {
		*e = all->live->acct[(all->first + i) % VGP_KEPT_ACCT];
		return;
	}
	u = &all->users->v[i - all->ended];
	acct_fill(e, u->p.start_us, u->p.busy_ns, u->peak);
	e->pid = u->p.pid;
	e->time_ms = 0;
	e->running = 1;
}

static void add_acct(struct vfs_ask *a, const void *arg, size_t i)
{
	struct vgp_mon_acct e;

	acct_at(arg, i, &e);
	vfs_ask_add(a, &e, sizeof(e));
}

void vfs_mon_ACCT(struct vfs *v, struct vfs_ask *a)
{
	struct acct_all all = { .live = vfs_devlive(v, v->src.devs.key[a->place.dev]), .only = a->u.list.arg };
	vfs_users u;

	if (!v->src.devs.dev[a->place.dev].accounting_mode) {
		a->u.head.status = VGPU_E_NOT_SUPPORTED;
		return;
	}
	if (!all.live || !seen_users(v, a, &u)) {
		a->u.head.status = VGPU_E_NOMEM;
		return;
	}
	all.users = &u;
	all.ended = MIN(all.live->acct_n, (uint64_t)VGP_KEPT_ACCT);
	all.first = all.live->acct_n - all.ended;
	if (!all.only) {
		page_of(a, all.ended + u.n, sizeof(struct vgp_mon_acct), add_acct, &all);
	} else {
		struct vgp_mon_acct e;

		/* the newest of that number */
			for (size_t i = all.ended + u.n; i-- > 0 && !a->u.list.n && vfs_ask_room(a, sizeof(e));) {
			acct_at(&all, i, &e);
			if (e.pid == all.only)
				vfs_ask_add(a, &e, sizeof(e));
		}
		a->u.list.total = a->u.list.n;
		a->u.list.cursor = 0;
		vfs_ask_list(a, sizeof(e));
	}
	vgpu_vec_free(&u);
}
