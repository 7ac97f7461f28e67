/*
 * vfs_pidns.c: what number a process has in another process' pid namespace.
 * /proc tells a process' numbers from our namespace down to its own
 * (NSpid), NS_GET_PARENT which namespaces these are. What can't be read (a
 * daemon without rights over the process) is not guessed.
 */
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fusefs/vfs.h"
#include "util/cleanup.h"
#include "util/sys.h"

uint64_t vfs_pidns_of(pid_t tid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)tid);
	return tid > 0 && stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Numbers of the NSpid line, outermost first; how many. */
static unsigned read_nspid(pid_t pid, uint32_t out[VFS_PIDNS_MAX])
{
	cleanup_free char *text = NULL;
	char path[64], *at;
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (vgpu_read_file(path, 65536, &text, NULL, NULL))
		return 0;
	at = strstr(text, "\nNSpid:");
	if (!at)
		return 0;
	for (at += 7; n < VFS_PIDNS_MAX && (*at == '\t' || *at == ' '); n++)
		out[n] = (uint32_t)strtoul(at, &at, 10);
	return *at == '\n' ? n : 0;
}

/* From the innermost outwards. */
static bool read_chain(pid_t pid, struct vfs_pids *p)
{
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (unsigned i = p->n; i-- > 0;) {
		int up;

		if (fd < 0 || fstat(fd, &st) < 0)
			return false;
		p->level[i].ns = st.st_ino;
		up = i ? ioctl(fd, NS_GET_PARENT) : -1;
		close(fd);
		fd = up;
	}
	return true;
}

void vfs_pids_of(pid_t pid, struct vfs_pids *out)
{
	uint32_t numbers[VFS_PIDNS_MAX];

	memset(out, 0, sizeof(*out));
	if (pid <= 0)
		return;
	out->n = read_nspid(pid, numbers);
	for (unsigned i = 0; i < out->n; i++)
		out->level[i].pid = numbers[i];
	if (out->n && read_chain(pid, out))
		return;
	/* its number with us is known anyway */
	out->n = 1;
	out->level[0].pid = (uint32_t)pid;
	out->level[0].ns = vfs_pidns_of(getpid());
}

uint32_t vfs_pid_seen(const struct vfs_pids *p, uint64_t ns)
{
	for (unsigned i = 0; ns && i < p->n; i++)
		if (p->level[i].ns == ns)
			return p->level[i].pid;
	return 0;
}
