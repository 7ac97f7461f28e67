/*
 * ctl_link_mount.c: the part of vgpuctl link that looks at mounts and makes
 * them. /proc/driver often is empty, and is then covered by the mount's own.
 * Where it is not (many machines have /proc/driver/rtc), a tmpfs is built that
 * holds binds of what was there, and the mount's nvidia beside it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tools/ctl_link.h"
#include "util/cleanup.h"

#define FUSE_MAGIC 0x65735546
#define NVIDIA_MAJOR 195

static bool on_fuse(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == FUSE_MAGIC;
}

int link_check_driver(const char *root, const struct link_record *made, struct vgpu_err *err)
{
	char path[4096], fstype[64], source[256];
	struct stat st;

	link_path(root, "/dev/nvidiactl", path);
	if (lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == NVIDIA_MAJOR)
		return vgpu_err_set(err, VGPU_E_BUSY,
				    "NVIDIA's driver is in use here (%s is its device): nothing is linked beside it; bind nodes of the mount where they are wanted", path);
	if (link_record_find(made, "/proc/driver") && link_mounted_at(link_path(root, "/proc/driver", path), fstype, source))
		return 0; /* what shows there is our own */
	link_path(root, "/proc/driver/nvidia/version", path);
	if (access(path, F_OK) == 0 && !on_fuse(path))
		return vgpu_err_set(err, VGPU_E_BUSY,
				    "NVIDIA's driver is in use here (%s is its own): nothing is linked beside it; bind nodes of the mount where they are wanted", path);
	return 0;
}

/* "\040" and the like, as mountinfo writes blanks. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = 0;
}

bool link_mounted_at(const char *path, char fstype[64], char source[256])
{
	FILE *cleanup_fclose f = fopen("/proc/self/mountinfo", "re");
	char *cleanup_free line = NULL;
	char *cleanup_free real = realpath(path, NULL);
	size_t cap = 0;
	bool found = false;

	/* A dead FUSE mount can't be resolved; its path is then taken as it is. */
	while (f && getline(&line, &cap, f) > 0) {
		char *cleanup_free point = malloc(strlen(line) + 1);
		char *dash = strstr(line, " - ");

		if (!point || !dash || sscanf(line, "%*s %*s %*s %*s %s", point) != 1)
			continue;
		unescape(point);
		if (strcmp(point, real ? real : path))
			continue;
		found = true; /* the last one is the topmost */
		fstype[0] = source[0] = 0;
		sscanf(dash + 3, "%63s %255s", fstype, source);
	}
	return found;
}

/* What is mounted at path is what link put there, also when the file system behind it is dead. */
static bool bind_is_ours(const char *path, const char *target, const char *fstype, const char *source)
{
	struct stat a, b;

	if (strcmp(source, LINK_STAGE_NAME) == 0 || strcmp(fstype, "fuse.vgpufs") == 0)
		return true;
	return stat(path, &a) == 0 && stat(target, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int undo_bind(const char *path, const char *target, struct vgpu_err *err)
{
	char fstype[64], source[256];

	if (!link_mounted_at(path, fstype, source))
		return 0;
	if (!bind_is_ours(path, target, fstype, source))
		return vgpu_err_set(err, VGPU_E_BUSY, "%s: something else (%s) is mounted there by now; it is left alone", path, fstype);
	if (umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH))
		return vgpu_err_errno(err, "unmounting %s", path);
	return 0;
}

static int undo_proc(const char *root, const char *path, struct vgpu_err *err)
{
	char fstype[64], source[256], dir[4096];

	if (link_mounted_at(path, fstype, source)) {
		if (strcmp(fstype, "proc"))
			return vgpu_err_set(err, VGPU_E_BUSY, "%s: something else (%s) is mounted there by now; it is left alone", path, fstype);
		if (umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH))
			return vgpu_err_errno(err, "unmounting %s", path);
	}
	if (rmdir(path) && errno != ENOENT)
		return vgpu_err_errno(err, "removing %s", path);
	rmdir(link_path(root, LINK_PROC_DIR, dir));
	return 0;
}

int link_mount_proc(const char *root, struct vgpu_err *err)
{
	char path[4096], dir[4096], fstype[64], source[256];

	link_path(root, LINK_PROC_PLACE, path);
	if (link_mounted_at(path, fstype, source) && strcmp(fstype, "proc") == 0)
		return 0;
	if (mkdir(link_path(root, LINK_PROC_DIR, dir), 0700) && errno != EEXIST)
		return vgpu_err_errno(err, "making %s", dir);
	if (mkdir(path, 0555) && errno != EEXIST)
		return vgpu_err_errno(err, "making %s", path);
	if (mount("proc", path, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return vgpu_err_errno(err, "mounting proc at %s", path);
	return 0;
}

int link_undo(const char *root, const struct link_item *item, struct vgpu_err *err)
{
	char path[4096], now[4096];
	ssize_t n;

	link_path(root, item->path, path);
	if (item->kind == LINK_BIND)
		return undo_bind(path, item->target, err);
	if (item->kind == LINK_PROC)
		return undo_proc(root, path, err);
	n = readlink(path, now, sizeof(now) - 1);
	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : vgpu_err_errno(err, "reading the link %s", path);
	now[n] = 0;
	if (strcmp(now, item->target))
		return 0; /* somebody made it point elsewhere: not ours any more */
	return unlink(path) && errno != ENOENT ? vgpu_err_errno(err, "removing %s", path) : 0;
}

/* ---- /proc/driver ---- */

static int is_empty(const char *dir, bool *empty, struct vgpu_err *err)
{
	DIR *cleanup_closedir d = opendir(dir);

	if (!d)
		return vgpu_err_errno(err, "reading %s", dir);
	*empty = true;
	for (struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			*empty = false;
	return 0;
}

static int bind_onto(const char *from, const char *to, struct vgpu_err *err)
{
	if (mount(from, to, NULL, MS_BIND | MS_REC, NULL))
		return vgpu_err_errno(err, "binding %s at %s", from, to);
	return 0;
}

static int make_place(const char *path, bool dir, struct vgpu_err *err)
{
	int fd;

	if (dir)
		return mkdir(path, 0555) && errno != EEXIST ? vgpu_err_errno(err, "making %s", path) : 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd < 0)
		return vgpu_err_errno(err, "making %s", path);
	close(fd);
	return 0;
}

/* Binds each entry of driver (but nvidia) into stage. */
static int keep_entries(const char *driver, const char *stage, struct vgpu_err *err)
{
	DIR *cleanup_closedir d = opendir(driver);
	int r = 0;

	if (!d)
		return vgpu_err_errno(err, "reading %s", driver);
	for (struct dirent *e; !r && (e = readdir(d));) {
		char from[4400], to[4400];
		struct stat st;

		if (e->d_name[0] == '.' || strcmp(e->d_name, "nvidia") == 0)
			continue;
		snprintf(from, sizeof(from), "%s/%s", driver, e->d_name);
		snprintf(to, sizeof(to), "%s/%s", stage, e->d_name);
		if (stat(from, &st))
			continue;
		r = make_place(to, S_ISDIR(st.st_mode), err);
		if (!r)
			r = bind_onto(from, to, err);
	}
	return r;
}

static int fill_stage(const char *driver, const char *nvidia, const char *stage, struct vgpu_err *err)
{
	char place[4400];
	int r = keep_entries(driver, stage, err);

	if (r)
		return r;
	snprintf(place, sizeof(place), "%s/nvidia", stage);
	r = make_place(place, true, err);
	if (!r)
		r = bind_onto(nvidia, place, err);
	return r ? r : bind_onto(stage, driver, err);
}

static int bind_beside(const char *root, const char *driver, const char *nvidia, struct vgpu_err *err)
{
	char stage[4096];
	int r;

	link_path(root, "/run/vgpufs.driver-XXXXXX", stage);
	if (!mkdtemp(stage))
		return vgpu_err_errno(err, "making %s", stage);
	if (mount(LINK_STAGE_NAME, stage, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64k,mode=0555")) {
		r = vgpu_err_errno(err, "mounting a tmpfs at %s", stage);
	} else {
		/* Private, so that the binds made in it do not spread. */
		mount(NULL, stage, NULL, MS_PRIVATE, NULL);
		r = fill_stage(driver, nvidia, stage, err);
		umount2(stage, MNT_DETACH);
	}
	rmdir(stage);
	return r;
}

int link_bind_driver(const char *root, const char *mount_dir, struct vgpu_err *err)
{
	char driver[4096], from[4200], nvidia[4200];
	bool empty = true;
	int r;

	link_path(root, "/proc/driver", driver);
	snprintf(from, sizeof(from), "%s/proc/driver", mount_dir);
	snprintf(nvidia, sizeof(nvidia), "%s/proc/driver/nvidia", mount_dir);
	r = is_empty(driver, &empty, err);
	if (r)
		return r;
	return empty ? bind_onto(from, driver, err) : bind_beside(root, driver, nvidia, err);
}
