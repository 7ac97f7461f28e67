/*
 * vfs_tree.h: the tree as a function of the devices: which names there are,
 * what they are, what they read as. Knows nothing of FUSE or of files that are
 * open; everything is computed from the rows of vfs_tree.def.
 *
 * An inode number is the row's number (low 16 bits; properties from
 * VFS_PROP_NUMBER on) and the device's key (next 32 bits, a hash of its UUID,
 * 0 for rows that are there once). So it is the same after a restart, and a
 * removed device's numbers never come to mean another device. A node has two
 * inodes, a regular file's and a character device's (bit 48), so that what is
 * open or bound stays what it is when the property node_type changes. Of a MIG
 * instance's row bits 49 to 53 are 1 + its GPU instance, 54 to 57 are 1 + its
 * compute instance.
 */
#ifndef VGPU_FUSEFS_VFS_TREE_H
#define VGPU_FUSEFS_VFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"
#include "util/device.h"
#include "util/mig.h"

#define VFS_PROP_NUMBER 1000u
#define VFS_ROOT 1u

struct vgp_telemetry;

/* The devices that the tree shows, in the order of their index. */
struct vfs_devset {
	size_t n;
	struct vgpu_device dev[VGPU_MAX_DEVICES];
	uint32_t key[VGPU_MAX_DEVICES];
	uint8_t raw[VGPU_MAX_DEVICES][16];      /* the UUIDs' bytes */
	/* MIG: GPU instances; compute instances, which are devices of their own but have no files */
	size_t n_gi, n_mig;
	struct vfs_gi {
		int dev;          /* place of its GPU */
		unsigned gi, start;
		const struct vgpu_mig_profile *p;
	} gi[VGPU_MAX_DEVICES];
	struct vfs_ci {
		uint32_t key;
		int dev;
		unsigned gi, ci, profile, start, slices;
	} mig_at[VGPU_MAX_DEVICES];
	struct vgpu_device mig[VGPU_MAX_DEVICES];
	bool sock;                /* rows of kind SOCK are there; never listed, copies of a tree need none */
};

/* What changes by itself: asked when such a file is read. */
struct vfs_live {
	void *arg;
	uint64_t (*memory_used)(void *arg, uint32_t key);
	unsigned (*utilization)(void *arg, uint32_t key);      /* percent */
	void (*clients)(void *arg, uint32_t key, struct vgpu_buf *b);
	unsigned (*sessions)(void *arg);
	void (*telemetry)(void *arg, uint32_t key, struct vgp_telemetry *t);
	void (*each_process)(void *arg, uint32_t key, void (*fn)(void *fn_arg, uint32_t pid, uint64_t memory, uint64_t busy_ns), void *fn_arg);
	/* of the gi-th GPU instance of the set: memory, load; the rest is left alone */
	void (*instance)(void *arg, size_t gi, struct vgp_telemetry *t);
	void (*injected)(void *arg, uint32_t key, struct vgpu_buf *b);
	void (*reports)(void *arg, uint32_t key, struct vgpu_buf *b);    /* of the memory checker */
};

struct vfs_source {
	struct vfs_devset devs;
	struct vfs_live live;
};

enum vfs_kind { VFS_DIR, VFS_FILE, VFS_NODE, VFS_LINK, VFS_SOCK };
/* CHR: a character device where the property node_type says so, with the number major 8 to 19, minor 20 to 31 of the flags. */
enum vfs_flags { VFS_F_LIVE = 1, VFS_F_CHR = 2, VFS_F_MIG = 4 };
#define VFS_CHR(major, minor) (VFS_F_CHR | (unsigned)(major) << 8 | (unsigned)(minor) << 20)
#define VFS_CHR_MINOR 0xfffu              /* the device's minor, or the instance's capability */
#define VFS_INO_CHR (1ull << 48)

struct vfs_entry;
struct vfs_show {
	const struct vfs_source *src;
	const struct vgpu_device *dev;    /* NULL for rows that are there once */
	uint32_t key;
	const struct vfs_entry *entry;
	unsigned cap;                     /* of a row of an instance: its capability */
};
typedef void (*vfs_show_f)(const struct vfs_show *s, struct vgpu_buf *b);

/* What a write asks for. */
struct vfs_change {
	char uuid[48];
	const char *prop;         /* of device.def; NULL: a fault is injected, as value says */
	char value[128];
};
/* text: without the newline at its end. 0: change is filled in; or -status. */
typedef int (*vfs_store_f)(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err);

struct vfs_entry {
	uint16_t number;
	const char *path;
	enum vfs_kind kind;
	mode_t mode;
	vfs_show_f show;
	vfs_store_f store;
	unsigned flags;
	const struct vgpu_prop *prop;
	/* derived */
	const char *name;         /* last component */
	bool per_device;          /* some component is %x */
	bool branches;            /* the last component is: here one row becomes many names */
	bool per_gi, per_ci;      /* the row is a GPU or compute instance's */
	int parent, first_child, next_sibling; /* indices, -1: none */
};

/* Builds the table from the .def lists; call once. A broken list is a programming error. */
void vfs_tree_init(void);
const struct vfs_entry *vfs_entries(size_t *n_out);

/* A place in the tree: row and device. */
struct vfs_place {
	const struct vfs_entry *e;
	int dev;                  /* index into devs, -1 for rows that are there once */
	bool chr;                 /* as a character device */
	unsigned gi, ci;          /* 1 + number of the GPU and of the compute instance, 0 for rows of none */
};

/* A row and a device as the place that their name leads to now. */
struct vfs_place vfs_place_at(const struct vfs_devset *set, const struct vfs_entry *e, int dev);
/* The number of the capability of a place of a MIG instance, as mig-minors lists it. */
unsigned vfs_place_cap(const struct vfs_devset *set, struct vfs_place p);
/* The number of a place that is a character device. */
dev_t vfs_rdev(const struct vfs_devset *set, struct vfs_place p);

uint32_t vfs_device_key(const struct vgpu_device *d);
/* Takes over n devices in order and gives them keys. */
void vfs_devset_fill(struct vfs_devset *set, const struct vgpu_device *devs, size_t n);
int vfs_devset_find(const struct vfs_devset *set, uint32_t key);
/* Place of the MIG device with that key, -1: none. */
int vfs_devset_mig(const struct vfs_devset *set, uint32_t key);
/* Place of the GPU with that key, or of the GPU of the MIG device with it; -1: neither. */
int vfs_devset_owner(const struct vfs_devset *set, uint32_t key);
struct reg_mig;
/* Takes over the instances of the devices that are in the set. */
void vfs_mig_fill(struct vfs_devset *set, const struct reg_mig *m);

uint64_t vfs_ino(const struct vfs_devset *set, struct vfs_place p);
/* False: no such row, or the device is gone. */
bool vfs_place_of(const struct vfs_devset *set, uint64_t ino, struct vfs_place *out);
/* Row of an inode number also when its device is gone; NULL: no such row. */
const struct vfs_entry *vfs_entry_of(uint64_t ino);
bool vfs_lookup(const struct vfs_devset *set, struct vfs_place dir, const char *name, struct vfs_place *out);
/* The name of a place in its directory; buf holds 64 bytes. */
const char *vfs_name(const struct vfs_devset *set, struct vfs_place p, char *buf);
/* Iterates over a directory; *cookie starts at 0 and stays meaningful when devices come and go. */
bool vfs_next(const struct vfs_devset *set, struct vfs_place dir, uint64_t *cookie, struct vfs_place *out);
unsigned vfs_subdirs(const struct vfs_devset *set, struct vfs_place dir);

void vfs_show_place(const struct vfs_source *src, struct vfs_place p, struct vgpu_buf *b);
int vfs_store_place(const struct vfs_source *src, struct vfs_place p, const char *data, size_t len,
		    struct vfs_change *change, struct vgpu_err *err);
bool vfs_writable(const struct vfs_entry *e);

#endif
