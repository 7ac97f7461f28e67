/*
 * reg.h: the registry: which virtual devices there are, what was set on them,
 * what happened to them, and settings of other parts. One SQLite file,
 * DIR/registry.db, in WAL mode with synchronous=FULL.
 *
 * What holds:
 *  1. What a function answered 0 for (outside of reg_begin: at reg_commit) is on disk.
 *  2. A device's uuid, pci, minor and serial never change; removing one device
 *     changes no other's. Only the index, its position in PCI order, moves up.
 *  3. A file that is damaged, or newer than this program, is left untouched.
 *  4. A new registry appears complete or not at all.
 *
 * A struct registry belongs to one thread and must not cross a fork. Any number
 * of processes may have the same registry open, writers wait for one another.
 */
#ifndef VGPU_STATE_REG_H
#define VGPU_STATE_REG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/device.h"
#include "util/err.h"

struct registry;

#define REG_DEFAULT_DIR VGPU_STATEDIR

enum reg_open_flags {
	REG_F_CREATE = 1,     /* make directory and registry when they are not there */
	REG_F_READONLY = 2,   /* no write, no migration; works without write permission */
};

/* E_NOT_FOUND: no registry there (and no REG_F_CREATE); E_VERSION: made by a newer program;
 * E_CORRUPT: damaged or not a registry. */
int reg_open(struct registry **out, const char *dir, unsigned flags, struct vgpu_err *err);
void reg_close(struct registry *reg);
/* The file. */
const char *reg_path(const struct registry *reg);
/* The schema's version in the file. */
int reg_version(const struct registry *reg);

/* Several changes as one: all of them are there after reg_commit, or none. Without reg_begin each
 * call is its own transaction. A failed reg_commit has rolled back. Does not nest. */
int reg_begin(struct registry *reg, struct vgpu_err *err);
int reg_commit(struct registry *reg, struct vgpu_err *err);
void reg_rollback(struct registry *reg);

/*
 * Change detection. The generation grows with each change to devices or
 * settings (not with events), in this process or another, and is kept in the
 * file. Costs one PRAGMA data_version (no disk read) while nothing happens:
 * made for being called once a second.
 */
int reg_generation(struct registry *reg, uint64_t *gen_out, struct vgpu_err *err);

/* ---- devices ---- */

/* All devices, resolved (defaults of device.def < profile < what was set), in PCI order with
 * .index filled in. devs has room for VGPU_MAX_DEVICES. A profile whose file is gone or broken
 * resolves by the copy that was stored at creation. */
int reg_devices(struct registry *reg, struct vgpu_device *devs, size_t *n_out, struct vgpu_err *err);

/* One device by index, UUID or unique UUID prefix (with or without "GPU-"), PCI address or
 * "nvidiaN" (minor). E_INVALID_DEVICE when there is none, E_INVALID when ambiguous. */
int reg_device_find(struct registry *reg, const char *spec, struct vgpu_device *out, struct vgpu_err *err);

struct reg_kv {
	const char *key;     /* of device.def */
	const char *value;   /* as vgpu_prop_set takes it; memory_total also "host" or "NN% of host"; NULL: back to the profile's */
};

struct reg_create {
	const char *profile; /* NULL: "cpu" */
	const char *uuid;    /* NULL: random */
	const char *pci;     /* NULL: next free slot */
	const char *serial;  /* NULL: random */
	int minor;           /* -1: lowest free */
	const struct reg_kv *set;
	size_t n_set;
};

#define REG_CREATE_INIT { .minor = -1 }

/* E_EXISTS: uuid, pci or minor taken; E_NO_SPACE: VGPU_MAX_DEVICES reached or disk full. */
int reg_device_create(struct registry *reg, const struct reg_create *c, struct vgpu_device *out, struct vgpu_err *err);
/* All of set, or nothing. Identity can't be set. uuid: the full one, as in struct vgpu_device. */
int reg_device_set(struct registry *reg, const char *uuid, const struct reg_kv *set, size_t n, struct vgpu_err *err);
int reg_device_remove(struct registry *reg, const char *uuid, struct vgpu_err *err);
/* Calls fn with each override of the device, in order of key. */
int reg_device_overrides(struct registry *reg, const char *uuid,
			 void (*fn)(void *arg, const char *key, const char *value), void *arg, struct vgpu_err *err);

/* ---- errors that a device remembers ---- */

int reg_counter_add(struct registry *reg, const char *uuid, const char *name, uint64_t n, struct vgpu_err *err);
int reg_counters(struct registry *reg, const char *uuid, void (*fn)(void *arg, const char *name, uint64_t value), void *arg,
		 struct vgpu_err *err);
int reg_counters_clear(struct registry *reg, const char *uuid, struct vgpu_err *err);

/* A page of device memory (a row, on devices that remap rows) that is taken out of use at the next reset. */
struct reg_page {
	uint64_t addr;
	uint64_t time_us;     /* since the epoch */
	unsigned cause;       /* 0: single bit errors, 1: a double bit error */
	bool pending;
};
int reg_page_add(struct registry *reg, const char *uuid, const struct reg_page *p, struct vgpu_err *err);
int reg_pages(struct registry *reg, const char *uuid, void (*fn)(void *arg, const struct reg_page *p), void *arg,
	      struct vgpu_err *err);
/* A reset: none is pending any more; forget: nor remembered. */
int reg_pages_retire(struct registry *reg, const char *uuid, bool forget, struct vgpu_err *err);

/* ---- MIG instances (rows go with their device) ---- */

#define REG_MAX_MIG 64

struct reg_mig_gpu {
	char uuid[48];        /* of the device */
	unsigned gi, profile, start;
};
struct reg_mig_compute {
	char uuid[48];
	unsigned gi, ci, profile, start;
	char mig_uuid[48];
};
struct reg_mig {
	size_t n_gpus, n_computes;
	struct reg_mig_gpu gpu[REG_MAX_MIG];
	struct reg_mig_compute compute[REG_MAX_MIG];
};
/* Of all devices; sorted by device, then number. */
int reg_mig_read(struct registry *reg, struct reg_mig *out, struct vgpu_err *err);
/* E_EXISTS: the number (or UUID) is taken. */
int reg_mig_gpu_add(struct registry *reg, const struct reg_mig_gpu *g, struct vgpu_err *err);
int reg_mig_compute_add(struct registry *reg, const struct reg_mig_compute *c, struct vgpu_err *err);
/* Removes it, and with a GPU instance its compute instances. */
int reg_mig_gpu_remove(struct registry *reg, const char *uuid, unsigned gi, struct vgpu_err *err);
int reg_mig_compute_remove(struct registry *reg, const char *uuid, unsigned gi, unsigned ci, struct vgpu_err *err);
int reg_mig_clear(struct registry *reg, const char *uuid, struct vgpu_err *err);

/* ---- events: bounded, the oldest go first ---- */

#define REG_MAX_EVENTS 4096

struct reg_event {
	uint64_t id;          /* grows for ever */
	uint64_t time_us;     /* since the epoch */
	const char *uuid;     /* "" when it concerns no device; valid during the callback */
	const char *kind;     /* a word: create, set, remove, mount, fault … */
	const char *text;
};

int reg_event_add(struct registry *reg, const char *uuid, const char *kind, const char *text, struct vgpu_err *err);
/* Events with id > after, oldest first; of one device unless uuid is NULL; the last `limit` of them (0: all). */
int reg_events(struct registry *reg, const char *uuid, uint64_t after, size_t limit,
	       void (*fn)(void *arg, const struct reg_event *e), void *arg, struct vgpu_err *err);

/* ---- settings: text by key, for other parts ("views/a/memory.max") ---- */

/* *value_out: to be freed; NULL when it is not set. */
int reg_setting_get(struct registry *reg, const char *key, char **value_out, struct vgpu_err *err);
/* value NULL removes. */
int reg_setting_set(struct registry *reg, const char *key, const char *value, struct vgpu_err *err);
/* All whose key begins with prefix, in order of key. */
int reg_settings(struct registry *reg, const char *prefix,
		 void (*fn)(void *arg, const char *key, const char *value), void *arg, struct vgpu_err *err);

#endif
