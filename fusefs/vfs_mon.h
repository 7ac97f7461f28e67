/*
 * vfs_mon.h: between the files that answer monitors (vgp_mon.h): vfs_mon.c
 * checks a question and picks its handler, one per row of vgp_mon.def; the
 * values come from vfs_telemetry.c, vfs_usage.c and vfs_event.c.
 */
#ifndef VGPU_FUSEFS_VFS_MON_H
#define VGPU_FUSEFS_VFS_MON_H

#include "fusefs/vfs.h"
#include "protocol/vgp_mon.h"

/* A question that is being answered. */
struct vfs_ask {
	fuse_req_t req;
	uint32_t handle;
	size_t size;              /* of the asker's buffer */
	struct vfs_place place;   /* the node; dev: the device that is asked about, -1: none */
	uint8_t uuid[16];         /* that device's */
	int mig;                  /* place of the MIG device that is asked about, -1: none */
	size_t len;               /* answered so far */
	bool later;               /* the handler answers itself, when it is done */
	union {
		struct vgp_mon_head head;
#define Q(name, num, since, who, st) struct vgp_mon_##st name;
#include "protocol/vgp_mon.def"
#undef Q
		struct vgp_mon_telemetry telemetry;
		struct vgp_mon_list list;
		struct vgp_mon_set set;
		struct vgp_mon_mig_arg mig;
		uint8_t raw[VGP_MON_SIZE_MAX];
	} u;
};

/* Handlers fill a->u and return, or set a->later; a failure is a->u.head.status. */
#define Q(name, num, since, who, st) void vfs_mon_##name(struct vfs *v, struct vfs_ask *a);
#include "protocol/vgp_mon.def"
#undef Q

/* Lists: is there room for one more entry; adds it; finishes the answer. */
bool vfs_ask_room(const struct vfs_ask *a, size_t entry_B);
void vfs_ask_add(struct vfs_ask *a, const void *entry, size_t entry_B);
void vfs_ask_list(struct vfs_ask *a, size_t entry_B);
/* Sends the answer of a question that was answered later; frees it. */
void vfs_ask_done(struct vfs_ask *a);
/* pid namespace of who asks, 0: unknown. */
uint64_t vfs_ask_pidns(struct vfs *v, const struct vfs_ask *a);

/* vfs_event.c */
uint64_t vfs_epoch_us(void);
void vfs_event_add(struct vfs *v, const struct vgpu_device *d, uint32_t type, uint64_t data);
bool vfs_event_pending(const struct vfs *v, uint32_t handle);

/* vfs_telemetry.c */
/* The device's record in the state, made when it has none. */
struct vfs_devlive *vfs_devlive(struct vfs *v, uint32_t key);
void vfs_telemetry_of(struct vfs *v, int dev, struct vgp_telemetry *t);
/* Somebody came or went: tells those who wait for a change of state. */
void vfs_telemetry_changed(struct vfs *v, uint32_t key);
/* Bytes that copies carried to and from the device with that key, or the MIG device's. */
void vfs_telemetry_link(struct vfs *v, uint32_t key, uint64_t to, uint64_t from);
void vfs_telemetry_tick(struct vfs *v, uint64_t span_ns);

/* The device remaps rows of memory instead of retiring pages. */
bool vfs_device_remaps(const struct vgpu_device *d);

/* vfs_setting.c: what was pending is in force when a mount is made. */
void vfs_setting_boot(struct vfs *v);

/* vfs_inject.c */
/* The contexts on a device end with that status; how many workers were told (they answer with the token). */
unsigned vfs_end_contexts(struct vfs *v, uint32_t key, int status, uint64_t token);
void vfs_inject_gone(struct vfs *v, uint64_t token);
/* Waits no longer for workers that don't answer. */
void vfs_inject_tick(struct vfs *v, uint64_t now_ns);
/* A fault was written to a device's inject; answers the write of len bytes. */
void vfs_inject(struct vfs *v, fuse_req_t req, int dev, const char *text, size_t len);
void vfs_live_injected(void *v, uint32_t key, struct vgpu_buf *b);

/* vfs_mig.c: bytes used in a MIG device's GPU instance */
uint64_t vfs_mig_used(struct vfs *v, int mig);
/* Its GPU instance's parts of the device's memory. */
unsigned vfs_mig_parts(const struct vfs_devset *set, int mig);

/* vfs_usage.c: who uses a device */
struct vfs_user {
	const struct vfs_pids *pids;
	uint32_t client_pid;      /* as we see it */
	struct vgp_mon_proc p;    /* pid is not filled in */
	uint64_t rate_us;         /* when the load was measured */
	uint64_t peak;
};
typedef VGPU_VEC(struct vfs_user) vfs_users;
/* The processes with a context on the device, in order of start. False: out of memory. */
bool vfs_users_of(struct vfs *v, uint32_t key, vfs_users *out);
/* Calls fn with each, by the numbers that we know them by. */
void vfs_live_processes(void *v, uint32_t key, void (*fn)(void *arg, uint32_t pid, uint64_t memory, uint64_t busy_ns), void *arg);
unsigned vfs_users_count(struct vfs *v, uint32_t key);
/* Percent of the last second in which their kernels ran, all together; how many they are. */
unsigned vfs_users_load(struct vfs *v, uint32_t key, uint64_t *n_out);
void vfs_live_instance(void *v, size_t gi, struct vgp_telemetry *t);

#endif
