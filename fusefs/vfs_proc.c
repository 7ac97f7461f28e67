/* vfs_proc.c: see vfs.h. Header ids of requests are not used: idmapped mounts don't fill them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fusefs/vfs.h"
#include "util/cleanup.h"

static bool read_proc(pid_t pid, const char *file, char *text, size_t cap)
{
	char path[64];
	cleanup_close int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, cap - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	return true;
}

bool vfs_client_of(pid_t tid, struct vfs_client *out)
{
	char text[2048], *at;
	unsigned uid = 0, euid = 0;
	int tgid;

	memset(out, 0, sizeof(*out));
	if (tid <= 0 || !read_proc(tid, "status", text, sizeof(text)))
		return false;
	at = strstr(text, "\nTgid:");
	if (!at || sscanf(at, "\nTgid: %d", &tgid) != 1)
		return false;
	at = strstr(at, "\nUid:");
	if (!at || sscanf(at, "\nUid: %u %u", &uid, &euid) != 2)
		return false;
	out->tgid = tgid;
	out->uid = euid;
	return true;
}

bool vfs_is_sibling(pid_t tid)
{
	char text[2048], *at;
	int ppid;

	if (tid <= 0 || !read_proc(tid, "status", text, sizeof(text)))
		return false;
	at = strstr(text, "\nPPid:");
	return at && sscanf(at, "\nPPid: %d", &ppid) == 1 && ppid == (int)getppid();
}

/* Field 22 of stat, counted after the name, which may hold anything. */
uint64_t vfs_client_start(pid_t tgid)
{
	char text[1024], *at;

	if (tgid <= 0 || !read_proc(tgid, "stat", text, sizeof(text)))
		return 0;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at ? strtoull(at, NULL, 10) : 0;
}
