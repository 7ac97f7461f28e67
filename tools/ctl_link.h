/*
 * ctl_link.h: showing the mount's nodes where programs look for a driver's:
 * symbolic links in /dev, and a bind mount over /proc/driver.
 *
 * A mount in /proc has a price: Linux lets nobody mount a proc of his own in a
 * user namespace (every rootless sandbox does) unless some proc is in full
 * view. So a second proc, with nothing mounted in it, is put below /run/vgpufs.proc
 * (a directory that only root enters, so that searches don't meet it).
 *
 * What was made is written down first, in ROOT/run/vgpufs.links, and exactly
 * that is undone. Nothing is touched where NVIDIA's own driver is at home.
 */
#ifndef VGPU_TOOLS_CTL_LINK_H
#define VGPU_TOOLS_CTL_LINK_H

#include "tools/ctl.h"
#include "util/vec.h"

/* Source name of the tmpfs that stands over a /proc/driver that is not empty. */
#define LINK_STAGE_NAME "vgpufs-driver"

#define LINK_PROC_DIR "/run/vgpufs.proc"
#define LINK_PROC_PLACE LINK_PROC_DIR "/proc"

enum link_kind { LINK_SYMLINK, LINK_BIND, LINK_PROC };

struct link_item {
	enum link_kind kind;
	char *path;      /* without root */
	char *target;    /* SYMLINK: what it points to; BIND: what is bound; PROC: "proc" */
};

struct link_record {
	VGPU_VEC(struct link_item) items;
};

void link_record_free(struct link_record *rec);
bool link_record_add(struct link_record *rec, enum link_kind kind, const char *path, const char *target);
const struct link_item *link_record_find(const struct link_record *rec, const char *path);
/* An absent file is an empty record. */
int link_record_read(const char *root, struct link_record *rec, struct vgpu_err *err);
/* Replaces the file in one step; an empty record removes it. */
int link_record_write(const char *root, const struct link_record *rec, struct vgpu_err *err);

/* root + path into buf. */
const char *link_path(const char *root, const char *path, char buf[4096]);
/* E_BUSY with words when NVIDIA's driver is at home under root; made: what link made there before. */
int link_check_driver(const char *root, const struct link_record *made, struct vgpu_err *err);
/* True when something is mounted exactly at path; type and source of the topmost mount. */
bool link_mounted_at(const char *path, char fstype[64], char source[256]);

/* Undoes one thing if it still is what was made. 0 also when it is gone already. */
int link_undo(const char *root, const struct link_item *item, struct vgpu_err *err);
/* Mounts the second proc, if it is not there yet. */
int link_mount_proc(const char *root, struct vgpu_err *err);
/* Puts mount/proc/driver over root/proc/driver; what else is in there stays visible. */
int link_bind_driver(const char *root, const char *mount, struct vgpu_err *err);

/* After devices came or went: brings existing links up to date; does nothing where none were made. */
void link_refresh(const struct ctl *c);

#endif
