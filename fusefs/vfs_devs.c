/*
 * vfs_devs.c: brings the registry's devices into the tree, and changes that
 * were written to devices/<n>/ into the registry. The helper thread reads and
 * writes the registry; the serving thread swaps the set; the helper then tells
 * the kernel what it must forget, and only when that is done is the change
 * reported to who asked for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fusefs/vfs_mon.h"
#include "state/reg.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Of one inode the attributes, of one name in a directory the entry. */
struct forget {
	uint64_t ino;
	char name[64];            /* "": attributes of ino; else the entry of that name in ino */
};

/* A look at the registry, a change of it, and what follows. One object travels through all steps. */
struct devs_job {
	struct vfs_job job;
	fuse_req_t req;           /* who asked for a look; NULL: nobody waits */
	struct vfs_deed *deed;    /* a change; NULL: only a look */
	struct vgpu_err err;
	int status;               /* 0 or -status */
	bool changed;             /* devs are new */
	uint32_t seq;             /* which change it was */
	size_t n;
	struct vgpu_device devs[VGPU_MAX_DEVICES];
	struct reg_mig mig;
	VGPU_VEC(struct forget) forget;
};

/* ---- helper ---- */

static int open_registry(struct vfs *v, struct vgpu_err *err)
{
	if (v->reg)
		return 0;
	v->reg_seen = UINT64_MAX;
	/* Only a mount's first daemon makes one: where devices are known already, a registry that is
	 * not there is lost for the moment, and an empty one in its place would take the devices away. */
	return reg_open(&v->reg, v->state_dir, v->st->devs_half ? 0 : REG_F_CREATE, err);
}

/* Reads the devices if they have changed since the last time. */
static int read_devices(struct vfs *v, struct devs_job *j, struct vgpu_err *err)
{
	uint64_t gen;
	int r = open_registry(v, err);

	if (r || (r = reg_generation(v->reg, &gen, err)) || gen == v->reg_seen)
		return r;
	if ((r = reg_devices(v->reg, j->devs, &j->n, err)) || (r = reg_mig_read(v->reg, &j->mig, err)))
		return r;
	v->reg_seen = gen;
	j->changed = true;
	return 0;
}

static void work_read(struct vfs *v, struct vfs_job *job)
{
	struct devs_job *j = (struct devs_job *)job;

	if (j->deed) {
		j->status = open_registry(v, &j->err);
		if (!j->status)
			j->status = j->deed->work(v->reg, j->deed, &j->err);
	}
	if (!j->status)
		j->status = read_devices(v, j, &j->err);
	if (j->status && v->reg && (j->status == -VGPU_E_CORRUPT || j->status == -VGPU_E_IO)) {
		/* perhaps the file was replaced: look afresh next time */
		reg_close(v->reg);
		v->reg = NULL;
	}
}

static void work_forget(struct vfs *v, struct vfs_job *job)
{
	struct devs_job *j = (struct devs_job *)job;

	/* Failures mean that the kernel did not know it anyway. */
	for (size_t i = 0; i < j->forget.n; i++) {
		struct forget *f = &j->forget.v[i];

		if (f->name[0])
			fuse_lowlevel_notify_inval_entry(v->se, f->ino, f->name, strlen(f->name));
		else
			fuse_lowlevel_notify_inval_inode(v->se, f->ino, -1, 0);
	}
}

/* ---- serving thread ---- */

static void answer(struct vfs *v, struct devs_job *j)
{
	if (j->status && (j->req || j->deed))
		log_info("%s: %s", j->deed ? "change" : "reload", j->err.text);
	if (j->deed)
		j->deed->done(v, j->deed, j->status);
	if (!j->req)
		return;
	if (j->status)
		fuse_reply_err(j->req, vgpu_status_to_errno(-j->status));
	else
		fuse_reply_ioctl(j->req, 0, NULL, 0);
}

static void done_forget(struct vfs *v, struct vfs_job *job)
{
	struct devs_job *j = (struct devs_job *)job;

	if (j->changed && j->seq == v->devs_seq)
		v->st->forget_pending = 0;
	answer(v, j);
	vgpu_vec_free(&j->forget);
	free(j);
}

static void add_forget(struct devs_job *j, uint64_t ino, const char *name)
{
	struct forget f = { .ino = ino };

	snprintf(f.name, sizeof(f.name), "%s", name);
	if (!vgpu_vec_push(&j->forget, f))
		log_err("no memory: the kernel may show old names for a while");
}

/*
 * Names below a directory that meant a device, an instance or a kind of node before and mean none, or another one, now.
 * What is below a name that is forgotten goes with it.
 */
static void forget_below(struct devs_job *j, const struct vfs_devset *old, const struct vfs_devset *now, struct vfs_place dir)
{
	struct vfs_place was, is, dir_now;
	uint64_t cookie = 0;
	char buf[64];

	if (!vfs_place_of(now, vfs_ino(old, dir), &dir_now))
		return;
	while (vfs_next(old, dir, &cookie, &was)) {
		const char *name = vfs_name(old, was, buf);

		if ((was.e->branches || was.e->flags & VFS_F_CHR) &&
		    (!vfs_lookup(now, dir_now, name, &is) || vfs_ino(now, is) != vfs_ino(old, was)))
			add_forget(j, vfs_ino(old, dir), name);
		if (was.e->kind == VFS_DIR)
			forget_below(j, old, now, was);
	}
}

static void forget_names(struct devs_job *j, const struct vfs_devset *old, const struct vfs_devset *now)
{
	size_t n;

	forget_below(j, old, now, vfs_place_at(old, vfs_entries(&n), -1));
}

/* Sizes and times: of everything that belongs to no device, and of devices that differ. */
static void forget_attributes(struct devs_job *j, const struct vfs_devset *old, const struct vfs_devset *now)
{
	size_t n;
	const struct vfs_entry *e = vfs_entries(&n);

	for (size_t i = 0; i < n; i++) {
		if (e[i].per_gi)
			continue; /* of no size, or live */
		if (!e[i].per_device) {
			add_forget(j, e[i].number, "");
			continue;
		}
		for (size_t d = 0; d < old->n; d++) {
			int at = vfs_devset_find(now, old->key[d]);

			if (at < 0 || memcmp(&old->dev[d], &now->dev[at], sizeof(now->dev[at])) != 0)
				add_forget(j, vfs_ino(old, vfs_place_at(old, &e[i], (int)d)), "");
		}
	}
}

/* Devices that are lost now and were not: whatever made them so, their contexts end. */
static void end_lost(struct vfs *v, const struct vfs_devset *old)
{
	for (size_t i = 0; i < v->src.devs.n; i++) {
		int was = vfs_devset_find(old, v->src.devs.key[i]);
		uint64_t lost = v->src.devs.dev[i].lost;

		if (lost && (was < 0 || !old->dev[was].lost))
			vfs_end_contexts(v, v->src.devs.key[i], lost == 1 ? VGPU_E_OFF_BUS : VGPU_E_RESET_REQUIRED, 0);
	}
}

/* Shows the set, and keeps it where the next daemon finds it. */
static void show_set(struct vfs *v, const struct vgpu_device *devs, size_t n, const struct reg_mig *mig)
{
	unsigned half = v->st->devs_half == 1 ? 2 : 1;

	memcpy(v->st->devs[half - 1].dev, devs, n * sizeof(*devs));
	v->st->devs[half - 1].n = n;
	v->st->devs[half - 1].mig = *mig;
	v->st->forget_pending = v->st->devs_half != 0;
	__atomic_store_n(&v->st->devs_half, half, __ATOMIC_RELEASE);
	vfs_devset_fill(&v->src.devs, devs, n);
	vfs_mig_fill(&v->src.devs, mig);
	v->st->generation++;
	v->st->change_time = (uint64_t)time(NULL);
	memset(v->util, 0, sizeof(v->util));
}

static void forget_later(struct vfs *v, struct devs_job *j)
{
	j->job.work = work_forget;
	j->job.done = done_forget;
	vfs_job_add(v, &j->job);
}

static void done_read(struct vfs *v, struct vfs_job *job)
{
	struct devs_job *j = (struct devs_job *)job;
	struct vfs_devset *old;

	v->polling = false;
	if (j->status && !j->deed && !v->reg_failed)
		log_err("registry: %s; the devices stay as they were", j->err.text);
	if (!j->deed)
		v->reg_failed = j->status != 0;
	if (!j->status && j->deed && j->deed->written)
		j->deed->written(v, j->deed);
	if (j->status || !j->changed) {
		/* An earlier change may still be on its way to the kernel: the queue keeps the order. */
		forget_later(v, j);
		return;
	}
	old = malloc(sizeof(*old));
	if (!old) {
		log_err("no memory for a change of the devices");
		j->status = vgpu_err_set(&j->err, VGPU_E_NOMEM, "out of memory");
		done_forget(v, job);
		return;
	}
	*old = v->src.devs;
	show_set(v, j->devs, j->n, &j->mig);
	j->seq = ++v->devs_seq;
	end_lost(v, old);
	forget_names(j, old, &v->src.devs);
	forget_attributes(j, old, &v->src.devs);
	free(old);
	forget_later(v, j);
}

static struct devs_job *new_job(fuse_req_t req)
{
	struct devs_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->job.work = work_read;
	j->job.done = done_read;
	j->req = req;
	return j;
}

void vfs_devs_reload(struct vfs *v, fuse_req_t req)
{
	struct devs_job *j = new_job(req);

	if (!j) {
		if (req)
			fuse_reply_err(req, ENOMEM);
		return;
	}
	v->polling = true;
	vfs_job_add(v, &j->job);
}

bool vfs_devs_do(struct vfs *v, struct vfs_deed *d)
{
	struct devs_job *j = new_job(NULL);

	if (!j)
		return false;
	j->deed = d;
	vfs_job_add(v, &j->job);
	return true;
}

/* ---- a property that was written to a file ---- */

struct set_deed {
	struct vfs_deed deed;
	fuse_req_t req;
	struct vfs_change change;
	size_t len;               /* of the write that is answered */
};

static int set_work(struct registry *reg, struct vfs_deed *d, struct vgpu_err *err)
{
	struct set_deed *s = (struct set_deed *)d;
	struct reg_kv kv = { s->change.prop, s->change.value };

	return reg_device_set(reg, s->change.uuid, &kv, 1, err);
}

static void set_done(struct vfs *v, struct vfs_deed *d, int status)
{
	struct set_deed *s = (struct set_deed *)d;

	if (status)
		fuse_reply_err(s->req, vgpu_status_to_errno(-status));
	else
		fuse_reply_write(s->req, s->len);
	free(s);
}

void vfs_devs_set(struct vfs *v, fuse_req_t req, const struct vfs_change *c, size_t len)
{
	struct set_deed *s = malloc(sizeof(*s));

	if (s)
		*s = (struct set_deed){ { set_work, NULL, set_done }, req, *c, len };
	if (!s || !vfs_devs_do(v, &s->deed)) {
		fuse_reply_err(req, ENOMEM);
		free(s);
	}
}

/* A daemon before this one was killed before the kernel knew all: say it again. */
static void forget_again(struct vfs *v)
{
	struct vfs_devset *old = malloc(sizeof(*old));
	struct devs_job *j = new_job(NULL);

	if (old && j) {
		unsigned other = v->st->devs_half == 1 ? 1 : 0;

		vfs_devset_fill(old, v->st->devs[other].dev, v->st->devs[other].n);
		j->changed = true;
		j->seq = ++v->devs_seq;
		forget_names(j, old, &v->src.devs);
		forget_attributes(j, old, &v->src.devs);
		forget_later(v, j);
		j = NULL;
	}
	free(old);
	free(j);
}

/* ---- what devices remember of their errors ---- */

static void add_counter(void *arg, const char *name, uint64_t value)
{
	static const char *const names[4] = { "ecc_dram_corrected", "ecc_dram_uncorrected", "ecc_sram_corrected", "ecc_sram_uncorrected" };
	struct vfs_devlive *l = arg;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			l->ecc_life[i] = value;
}

static void add_page(void *arg, const struct reg_page *p)
{
	struct vfs_devlive *l = arg;

	if (l->n_pages == VFS_MAX_PAGES)
		return;
	l->page[l->n_pages].addr = p->addr;
	l->page[l->n_pages].time_us = p->time_us;
	l->page[l->n_pages].cause = p->cause;
	l->page[l->n_pages++].pending = p->pending;
}

/* Once per mount: from then on the state memfd has it. A mount is a device's power-up: nothing is pending any more. */
static int read_health(struct vfs *v, struct vgpu_err *err)
{
	int r = 0;

	for (size_t i = 0; i < v->src.devs.n && !r; i++) {
		const char *uuid = v->src.devs.dev[i].uuid;
		struct vfs_devlive *l = vfs_devlive(v, v->src.devs.key[i]);

		if (!l)
			continue;
		r = reg_counters(v->reg, uuid, add_counter, l, err);
		if (!r)
			r = reg_pages(v->reg, uuid, add_page, l, err);
		for (uint32_t k = 0; k < l->n_pages; k++)
			if (l->page[k].pending)
				l->reset_due = 1;
	}
	return r;
}

int vfs_devs_first(struct vfs *v, struct vgpu_err *err)
{
	struct devs_job *j;
	int r;

	if (v->st->devs_half) {
		unsigned at = v->st->devs_half - 1;

		vfs_devset_fill(&v->src.devs, v->st->devs[at].dev, v->st->devs[at].n);
		vfs_mig_fill(&v->src.devs, &v->st->devs[at].mig);
		if (v->st->forget_pending)
			forget_again(v);
		vfs_devs_reload(v, NULL);
		return 0;
	}
	j = new_job(NULL);
	r = j ? read_devices(v, j, err) : vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	if (r == 0) {
		show_set(v, j->devs, j->n, &j->mig);
		r = read_health(v, err);
	}
	free(j);
	if (r == 0)
		vfs_setting_boot(v);
	return r ? vgpu_err_wrap(err, "registry in %s", v->state_dir) : 0;
}
