/* reg_mig.c: which GPU and compute instances there are. What may be beside what is for the caller to know; here they are kept. */
#include <stdio.h>
#include <string.h>

#include "state/reg_priv.h"

static int read_gpus(struct registry *reg, struct reg_mig *m, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_MIG_GPUS, err);
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	while ((r = reg_step(reg, s, "reading GPU instances", err)) > 0) {
		struct reg_mig_gpu g = { .gi = (unsigned)sqlite3_column_int(s, 1), .profile = (unsigned)sqlite3_column_int(s, 2),
					 .start = (unsigned)sqlite3_column_int(s, 3) };

		snprintf(g.uuid, sizeof(g.uuid), "%s", reg_text(s, 0));
		if (m->n_gpus < REG_MAX_MIG)
			m->gpu[m->n_gpus++] = g;
	}
	return r;
}

static int read_computes(struct registry *reg, struct reg_mig *m, struct vgpu_err *err)
{
	sqlite3_stmt *s = reg_query(reg, REG_Q_MIG_COMPUTES, err);
	int r;

	if (!s)
		return err ? -err->status : -VGPU_E_INTERNAL;
	while ((r = reg_step(reg, s, "reading compute instances", err)) > 0) {
		struct reg_mig_compute c = { .gi = (unsigned)sqlite3_column_int(s, 1), .ci = (unsigned)sqlite3_column_int(s, 2),
					     .profile = (unsigned)sqlite3_column_int(s, 3), .start = (unsigned)sqlite3_column_int(s, 4) };

		snprintf(c.uuid, sizeof(c.uuid), "%s", reg_text(s, 0));
		snprintf(c.mig_uuid, sizeof(c.mig_uuid), "%s", reg_text(s, 5));
		if (m->n_computes < REG_MAX_MIG)
			m->compute[m->n_computes++] = c;
	}
	return r;
}

int reg_mig_read(struct registry *reg, struct reg_mig *out, struct vgpu_err *err)
{
	int r;

	memset(out, 0, sizeof(*out));
	r = read_gpus(reg, out, err);
	return r ? r : read_computes(reg, out, err);
}

/* Runs one change with its event, so that whoever watches sees it. */
static int change(struct registry *reg, const char *uuid, const char *text, int r, bool own, struct vgpu_err *err)
{
	if (!r)
		r = reg_event_add(reg, uuid, "mig", text, err);
	if (!r)
		r = reg_touch(reg, err);
	return reg_leave(reg, own, r, err);
}

int reg_mig_gpu_add(struct registry *reg, const struct reg_mig_gpu *g, struct vgpu_err *err)
{
	char text[128];
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	snprintf(text, sizeof(text), "GPU instance %u, profile %u, made at slice %u", g->gi, g->profile, g->start);
	r = reg_run(reg, REG_Q_MIG_GPU_ADD, "making a GPU instance", err, "tiii", g->uuid, (int64_t)g->gi, (int64_t)g->profile,
		    (int64_t)g->start);
	return change(reg, g->uuid, text, r, own, err);
}

int reg_mig_compute_add(struct registry *reg, const struct reg_mig_compute *c, struct vgpu_err *err)
{
	char text[160];
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	snprintf(text, sizeof(text), "compute instance %u of GPU instance %u, profile %u, made: %s", c->ci, c->gi, c->profile,
		 c->mig_uuid);
	r = reg_run(reg, REG_Q_MIG_COMPUTE_ADD, "making a compute instance", err, "tiiiit", c->uuid, (int64_t)c->gi, (int64_t)c->ci,
		    (int64_t)c->profile, (int64_t)c->start, c->mig_uuid);
	return change(reg, c->uuid, text, r, own, err);
}

int reg_mig_gpu_remove(struct registry *reg, const char *uuid, unsigned gi, struct vgpu_err *err)
{
	char text[96];
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	snprintf(text, sizeof(text), "GPU instance %u removed", gi);
	r = reg_run(reg, REG_Q_MIG_GPU_DEL, "removing a GPU instance", err, "ti", uuid, (int64_t)gi);
	return change(reg, uuid, text, r, own, err);
}

int reg_mig_compute_remove(struct registry *reg, const char *uuid, unsigned gi, unsigned ci, struct vgpu_err *err)
{
	char text[96];
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	snprintf(text, sizeof(text), "compute instance %u of GPU instance %u removed", ci, gi);
	r = reg_run(reg, REG_Q_MIG_COMPUTE_DEL, "removing a compute instance", err, "tii", uuid, (int64_t)gi, (int64_t)ci);
	return change(reg, uuid, text, r, own, err);
}

int reg_mig_clear(struct registry *reg, const char *uuid, struct vgpu_err *err)
{
	bool own;
	int r = reg_enter(reg, &own, err);

	if (r)
		return r;
	r = reg_run(reg, REG_Q_MIG_GPU_CLEAR, "removing the instances", err, "t", uuid);
	if (!r)
		r = reg_touch(reg, err);
	return reg_leave(reg, own, r, err);
}
