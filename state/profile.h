/*
 * profile.h: GPU models as text files, NAME.profile: lines "key = value", "#"
 * begins a comment. Keys are those of util/device.def that are not identity.
 *
 * Where files are looked for, first hit wins: $VGPU_PROFILE_PATH (a list with
 * colons; alone when it is set; not in setuid programs), /etc/vgpufs/profiles,
 * the build tree's state/profiles when the program runs from it, and
 * $(pkgdatadir)/profiles. Names compare without regard to case; when no file
 * fits, a profile is also found by another spelling ("rtx 4090") or by the
 * model's name or its end ("NVIDIA H100 80GB HBM3", "A100-SXM4-40GB").
 */
#ifndef VGPU_STATE_PROFILE_H
#define VGPU_STATE_PROFILE_H

#include <stddef.h>

#include "util/device.h"
#include "util/err.h"

#define PROFILE_DEFAULT "cpu"
#define PROFILE_MAX_KEYS 96

struct profile_kv {
	const struct vgpu_prop *prop;
	char value[128];   /* checked, but as it was written: "16G", "host" */
};

struct profile {
	char name[48];     /* as the file is spelt */
	char path[512];
	char about[160];   /* first comment line of the file, may be empty */
	struct profile_kv kv[PROFILE_MAX_KEYS];
	size_t n;
};

/* E_NOT_FOUND with near names when there is none. */
int profile_load(const char *name, struct profile *p, struct vgpu_err *err);
/* Parses a text; path is for messages only ("path:line: …"). */
int profile_parse(const char *path, const char *text, struct profile *p, struct vgpu_err *err);
/* Puts the values into d (memory_total "host" resolved by this machine's RAM). */
int profile_apply(const struct profile *p, struct vgpu_device *d, struct vgpu_err *err);
/* Names of all profiles, sorted, to be freed one by one and as a whole. */
int profile_names(char ***names_out, size_t *n_out, struct vgpu_err *err);
void profile_names_free(char **names, size_t n);

/* vgpu_prop_set, and "host" / "NN% of host" for memory_total. */
int profile_set_value(struct vgpu_device *d, const struct vgpu_prop *p, const char *value, struct vgpu_err *err);
/* True for a value that names a share of this host's RAM. */
bool profile_is_host_share(const struct vgpu_prop *p, const char *value);
/* Checks ranges and what must fit together. */
int profile_check(const struct vgpu_device *d, struct vgpu_err *err);

#endif
