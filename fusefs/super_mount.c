/*
 * super_mount.c: making, finding and ending the mount. Root (also of a user
 * name space) uses mount(2); others go through fusermount3.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fusefs/super.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/sys.h"

#define FSTYPE "fuse.vgpufs"

/* Runs fusermount3 with up to three arguments; answers its exit status, 127 when it can't run. */
static int fusermount(int comm_fd, const char *a1, const char *a2, const char *a3)
{
	char comm[16];
	pid_t pid = fork();
	int ws;

	if (pid < 0)
		return 127;
	if (pid == 0) {
		if (comm_fd >= 0) {
			fcntl(comm_fd, F_SETFD, 0);
			snprintf(comm, sizeof(comm), "%d", comm_fd);
			setenv("_FUSE_COMMFD", comm, 1);
		}
		execlp("fusermount3", "fusermount3", a1, a2, a3, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &ws, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(ws) ? WEXITSTATUS(ws) : 127;
}

/* The blanks of a path are octal escapes in mountinfo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = 0;
}

/* The topmost mount at path is of our type. device: its number, or NULL. */
static bool find_ours(const char *path, char *device, size_t cap_device)
{
	cleanup_fclose FILE *f = fopen("/proc/self/mountinfo", "re");
	cleanup_free char *line = NULL;
	bool ours = false;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0) {
		char *at, *number = NULL, *type = strstr(line, " - "), *save = NULL;
		int field = 0;

		if (!type)
			continue;
		*type = 0;
		for (at = strtok_r(line, " ", &save); at && field < 4; field++) {
			if (field == 2)
				number = at;
			at = strtok_r(NULL, " ", &save);
		}
		if (!at)
			continue;
		unescape(at);
		if (strcmp(at, path) != 0)
			continue;
		ours = strncmp(type + 3, FSTYPE " ", sizeof(FSTYPE)) == 0;
		if (device)
			snprintf(device, cap_device, "%s", ours ? number : "");
	}
	return ours;
}

static bool is_ours(const char *path)
{
	return find_ours(path, NULL, 0);
}

bool super_mount_find(struct super *s)
{
	return find_ours(s->opts.mountpoint, s->device, sizeof(s->device)) && s->device[0];
}

bool super_mount_there(struct super *s)
{
	cleanup_fclose FILE *f = fopen("/proc/self/mountinfo", "re");
	cleanup_free char *line = NULL;
	char number[64];
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0)
		if (sscanf(line, "%*s %*s %63s", number) == 1 && strcmp(number, s->device) == 0)
			return true;
	return !f; /* can't tell */
}

static int detach(const char *path)
{
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (geteuid() != 0 && fusermount(-1, "-uzq", "--", path) == 0)
		return 0;
	return -1;
}

/* As stat, but asks the server: stat of a dead mount may be answered from what the kernel remembers. */
static int probe(const char *path, struct stat *st)
{
	struct statfs fs;

	return statfs(path, &fs) < 0 ? -1 : stat(path, st);
}

int super_mount_recover(struct super *s, struct vgpu_err *err)
{
	const char *path = s->opts.mountpoint;
	struct stat st;

	/* dead mounts may lie on top of each other */
	for (int i = 0; i < 16; i++) {
		if (probe(path, &st) == 0) {
			if (!S_ISDIR(st.st_mode))
				return vgpu_err_set(err, VGPU_E_INVALID, "mount point %s is not a directory", path);
			if (is_ours(path))
				return vgpu_err_set(err, VGPU_E_EXISTS, "vgpufs is mounted at %s already", path);
			return 0;
		}
		if (errno != ENOTCONN && errno != ECONNABORTED)
			return vgpu_err_errno(err, "mount point %s", path);
		log_warn("%s holds a mount whose server died, detaching it", path);
		if (detach(path) < 0)
			return vgpu_err_errno(err, "detach the dead mount at %s", path);
	}
	return vgpu_err_set(err, VGPU_E_BUSY, "%s holds too many dead mounts", path);
}

static int mount_root(struct super *s, struct vgpu_err *err)
{
	char data[160];

	s->fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (s->fuse_fd < 0)
		return vgpu_err_errno(err, "open /dev/fuse");
	snprintf(data, sizeof(data), "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,default_permissions",
		 s->fuse_fd, (unsigned)geteuid(), (unsigned)getegid());
	if (mount(s->opts.source, s->opts.mountpoint, FSTYPE, s->opts.mount_flags, data) == 0)
		return 0;
	vgpu_err_errno(err, "mount %s", s->opts.mountpoint);
	close(s->fuse_fd);
	s->fuse_fd = -1;
	return -err->status;
}

/* fusermount3 opens /dev/fuse, mounts, and sends the descriptor over the socket that we name. */
static int mount_helper(struct super *s, bool allow_other, struct vgpu_err *err)
{
	char opts[512], byte;
	int sv[2], fds[VGPU_MAX_FDS], n = 0, status;

	snprintf(opts, sizeof(opts), "-odefault_permissions,subtype=vgpufs,fsname=%s%s%s%s", s->opts.source,
		 allow_other ? ",allow_other" : "", s->opts.mount_flags & MS_RDONLY ? ",ro" : "",
		 s->opts.mount_flags & MS_NOEXEC ? ",noexec" : "");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return vgpu_err_errno(err, "socketpair");
	status = fusermount(sv[1], opts, "--", s->opts.mountpoint);
	close(sv[1]);
	if (status == 0 && vgpu_recv_fds(sv[0], &byte, 1, fds, &n, 0) == 1 && n == 1) {
		s->fuse_fd = fds[0];
		s->by_fusermount = true;
	} else {
		vgpu_err_set(err, VGPU_E_NOT_PERMITTED, "fusermount3 could not mount %s (status %d)", s->opts.mountpoint, status);
	}
	close(sv[0]);
	return s->fuse_fd >= 0 ? 0 : -err->status;
}

int super_mount(struct super *s, struct vgpu_err *err)
{
	int r = mount_root(s, err);

	if (r && geteuid() != 0 && err->sys_errno == EPERM) {
		struct vgpu_err mine = VGPU_ERR_INIT;

		/* others may look in only where /etc/fuse.conf has user_allow_other */
		r = mount_helper(s, true, &mine);
		if (r)
			r = mount_helper(s, false, err);
	}
	return r;
}

int super_umount(struct super *s, bool *busy_out, struct vgpu_err *err)
{
	const char *path = s->opts.mountpoint;

	*busy_out = false;
	if (s->by_fusermount) {
		if (fusermount(-1, "-uq", "--", path) == 0)
			return 0;
	} else if (umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL) {
		return 0; /* EINVAL: somebody has unmounted it before us */
	}
	*busy_out = true;
	if (detach(path) < 0)
		return vgpu_err_errno(err, "unmount %s", path);
	return 0;
}

void super_mount_clear(struct super *s)
{
	struct stat st;

	if (s->fuse_fd >= 0)
		close(s->fuse_fd);
	s->fuse_fd = -1;
	if (probe(s->opts.mountpoint, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED) && is_ours(s->opts.mountpoint))
		detach(s->opts.mountpoint);
}
