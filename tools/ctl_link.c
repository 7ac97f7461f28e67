/* ctl_link.c: vgpuctl link: see ctl_link.h. Run again, it brings things up to date. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/ctl_link.h"
#include "util/cleanup.h"

static bool wanted(const char *name)
{
	return strncmp(name, "nvidia", 6) == 0 || strcmp(name, "vgpuctl") == 0;
}

/* What shall be there: a link per node of the mount, and the bind. */
static int make_plan(const char *mount, struct link_record *plan, struct vgpu_err *err)
{
	char dir[4200], path[600], target[4800];
	DIR *cleanup_closedir d = NULL;

	snprintf(dir, sizeof(dir), "%s/dev", mount);
	d = opendir(dir);
	if (!d)
		return vgpu_err_errno(err, "nothing to link: reading %s", dir);
	for (struct dirent *e; (e = readdir(d));) {
		if (!wanted(e->d_name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		snprintf(target, sizeof(target), "%s/%s", dir, e->d_name);
		if (!link_record_add(plan, LINK_SYMLINK, path, target))
			return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	}
	if (!link_record_find(plan, "/dev/nvidiactl"))
		return vgpu_err_set(err, VGPU_E_NOT_FOUND, "nothing to link: vgpufs is not mounted at %s (there is no dev/nvidiactl)", mount);
	snprintf(target, sizeof(target), "%s/proc/driver", mount);
	if (!link_record_add(plan, LINK_PROC, LINK_PROC_PLACE, "proc") ||
	    !link_record_add(plan, LINK_BIND, "/proc/driver", target))
		return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	return 0;
}

static bool points_to(const char *path, const char *target)
{
	char now[4800];
	ssize_t n = readlink(path, now, sizeof(now) - 1);

	if (n < 0)
		return false;
	now[n] = 0;
	return strcmp(now, target) == 0;
}

/* Nothing that is not ours may stand where a link shall be. */
static int check_places(const char *root, const struct link_record *plan, const struct link_record *old, struct vgpu_err *err)
{
	for (size_t i = 0; i < plan->items.n; i++) {
		const struct link_item *it = &plan->items.v[i], *was = link_record_find(old, it->path);
		char path[4096];
		struct stat st;

		link_path(root, it->path, path);
		if (it->kind != LINK_SYMLINK || lstat(path, &st) || points_to(path, it->target))
			continue;
		if (was && points_to(path, was->target))
			continue; /* ours, of an earlier mount point: it is replaced */
		return vgpu_err_set(err, VGPU_E_EXISTS, "%s is there already and was not made by vgpuctl: nothing was changed", path);
	}
	return 0;
}

static bool same(const struct link_item *a, const struct link_item *b)
{
	return a->kind == b->kind && strcmp(a->target, b->target) == 0;
}

/* Takes away what the plan has no more, or has otherwise. */
static int undo_stale(const char *root, const struct link_record *old, const struct link_record *plan, struct vgpu_err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < old->items.n; i++) {
		const struct link_item *it = &old->items.v[i], *now = link_record_find(plan, it->path);

		if (!now || !same(it, now))
			r = link_undo(root, it, err);
	}
	return r;
}

static int make_link(const char *root, const struct link_item *it, struct vgpu_err *err)
{
	char path[4096];

	link_path(root, it->path, path);
	if (points_to(path, it->target))
		return 0;
	return symlink(it->target, path) ? vgpu_err_errno(err, "making the link %s", path) : 0;
}

static int make_bind(const char *root, const char *mount, const struct link_item *it, struct vgpu_err *err)
{
	char path[4096], version[4400], fstype[64], source[256];

	link_path(root, it->path, path);
	if (link_mounted_at(path, fstype, source)) {
		snprintf(version, sizeof(version), "%s/nvidia/version", path);
		if (access(version, R_OK) == 0)
			return 0;
		/* Ours, but of a mount that is gone. */
		if (link_undo(root, it, err))
			return -err->status;
	}
	return link_bind_driver(root, mount, err);
}

static int make_item(const char *root, const char *mount, const struct link_item *it, struct vgpu_err *err)
{
	switch (it->kind) {
	case LINK_SYMLINK: return make_link(root, it, err);
	case LINK_PROC: return link_mount_proc(root, err);
	case LINK_BIND: return make_bind(root, mount, it, err);
	}
	return vgpu_err_set(err, VGPU_E_INTERNAL, "%s: can't be made", it->path);
}

static int make_all(const char *root, const char *mount, const struct link_record *plan, struct vgpu_err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < plan->items.n; i++)
		r = make_item(root, mount, &plan->items.v[i], err);
	return r;
}

static int link_all(const char *root, const char *mount, const struct link_record *old,
		    struct link_record *plan, struct vgpu_err *err)
{
	int r = make_plan(mount, plan, err);

	if (!r)
		r = link_check_driver(root, old, err);
	if (!r)
		r = check_places(root, plan, old, err);
	if (!r)
		r = undo_stale(root, old, plan, err);
	if (!r)
		r = link_record_write(root, plan, err);
	return r ? r : make_all(root, mount, plan, err);
}

static bool parse_root(struct ctl *c, int argc, char **argv, const char **root)
{
	*root = "";
	for (int i = 1; i < argc; i++) {
		if (ctl_option("root", argc, argv, &i, root) && *root && **root == '/')
			continue;
		ctl_usage(c, *root ? "'%s' does not go here" : "--root needs a directory, as an absolute path", argv[i < argc ? i : argc - 1]);
		return false;
	}
	return true;
}

int ctl_link(struct ctl *c, int argc, char **argv)
{
	struct link_record old = { 0 }, plan = { 0 };
	struct vgpu_err err;
	const char *root;
	int r;

	if (!parse_root(c, argc, argv, &root))
		return CTL_USAGE;
	if (c->mount[0] != '/')
		return ctl_usage(c, "--mount %s: links need an absolute path", c->mount);
	r = link_record_read(root, &old, &err);
	if (!r)
		r = link_all(root, c->mount, &old, &plan, &err);
	link_record_free(&old);
	link_record_free(&plan);
	return r ? ctl_fail(&err) : CTL_OK;
}

int ctl_unlink(struct ctl *c, int argc, char **argv)
{
	struct link_record rec = { 0 }, left = { 0 };
	struct vgpu_err err, first = VGPU_ERR_INIT;
	const char *root;
	int r;

	if (!parse_root(c, argc, argv, &root))
		return CTL_USAGE;
	r = link_record_read(root, &rec, &first);
	/* Backwards, and on past a failure; what could not be undone stays in the record. */
	for (size_t i = rec.items.n; !r && i-- > 0;) {
		const struct link_item *it = &rec.items.v[i];

		if (link_undo(root, it, &err) == 0)
			continue;
		if (!first.status)
			first = err;
		link_record_add(&left, it->kind, it->path, it->target);
	}
	if (!r && rec.items.n && link_record_write(root, &left, &err) && !first.status)
		first = err;
	link_record_free(&rec);
	link_record_free(&left);
	return first.status ? ctl_fail(&first) : CTL_OK;
}

void link_refresh(const struct ctl *c)
{
	struct link_record old = { 0 }, plan = { 0 };
	struct vgpu_err err;
	char prefix[4200];
	const struct link_item *ctl;

	snprintf(prefix, sizeof(prefix), "%s/dev/nvidiactl", c->mount);
	if (link_record_read("", &old, &err) == 0 && (ctl = link_record_find(&old, "/dev/nvidiactl")) &&
	    strcmp(ctl->target, prefix) == 0 && link_all("", c->mount, &old, &plan, &err))
		ctl_note("the links in /dev are not up to date: %s; 'vgpuctl link' tries again", err.text);
	link_record_free(&old);
	link_record_free(&plan);
}
