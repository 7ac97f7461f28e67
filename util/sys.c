/* sys.c: see sys.h. */
#include "util/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"

#define REFS_WAIT_MS 5000 /* about */

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

uint64_t vgpu_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int vgpu_pidfd_open(pid_t pid, bool thread)
{
	return (int)syscall(SYS_pidfd_open, pid, thread ? PIDFD_THREAD : 0);
}

int vgpu_pidfd_getfd(int pidfd, int fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

int vgpu_futex_wait(const volatile void *word, uint32_t expect, int64_t timeout_ns)
{
	struct timespec ts, *tp = NULL;

	if (timeout_ns >= 0) {
		ts.tv_sec = timeout_ns / 1000000000;
		ts.tv_nsec = timeout_ns % 1000000000;
		tp = &ts;
	}
	if (syscall(SYS_futex, word, FUTEX_WAIT, expect, tp, NULL, 0) == 0 || errno == EAGAIN)
		return 0;
	return -errno;
}

void vgpu_futex_wake(const volatile void *word, int count)
{
	syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

/* Others take their descriptors, and there is room for ours: what a blocking call waits for, though not for ever. */
static bool wait_refs(unsigned *waited_ms)
{
	struct timespec ms = { 0, 1000000 };

	nanosleep(&ms, NULL);
	return ++*waited_ms < REFS_WAIT_MS;
}

ssize_t vgpu_send_fds(int sock, const void *data, size_t len, const int *fds, int nfds, int flags)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * VGPU_MAX_FDS)];
		struct cmsghdr align;
	} u = { { 0 } };
	struct iovec iov = { (void *)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned waited = 0;
	ssize_t n;

	if (nfds < 0 || nfds > VGPU_MAX_FDS) {
		errno = EINVAL;
		return -1;
	}
	if (nfds > 0) {
		struct cmsghdr *c;

		m.msg_control = u.buf;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)nfds);
	}
	do {
		n = sendmsg(sock, &m, MSG_NOSIGNAL | flags);
	} while (n < 0 && (errno == EINTR || (errno == ETOOMANYREFS && !(flags & MSG_DONTWAIT) && wait_refs(&waited))));
	return n;
}

/* No room beyond: the kernel fills what alignment adds, too. */
_Static_assert(CMSG_SPACE(sizeof(int) * VGPU_MAX_FDS) == CMSG_LEN(sizeof(int) * VGPU_MAX_FDS), "control message of descriptors");

ssize_t vgpu_recv_fds(int sock, void *data, size_t len, int *fds, int *nfds_out, int flags)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * VGPU_MAX_FDS)];
		struct cmsghdr align;
	} u;
	struct iovec iov = { data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = u.buf, .msg_controllen = sizeof(u.buf) };
	int got[VGPU_MAX_FDS], ngot = 0;
	ssize_t n;

	*nfds_out = 0;
	do {
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | flags);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		ngot = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(got, CMSG_DATA(c), sizeof(int) * (size_t)ngot);
	}
	if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (int i = 0; i < ngot; i++)
			close(got[i]);
		errno = EMSGSIZE;
		return -1;
	}
	memcpy(fds, got, sizeof(int) * (size_t)ngot);
	*nfds_out = ngot;
	return n;
}

int vgpu_memfd(const char *name, uint64_t size)
{
	int fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int vgpu_memfd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

int vgpu_read_file(const char *path, size_t max, char **data_out, size_t *len_out, struct vgpu_err *err)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *data = NULL;
	size_t len = 0, cap = 4096;

	if (fd < 0)
		return vgpu_err_errno(err, "open %s", path);
	for (;;) {
		char *p = realloc(data, cap + 1);
		ssize_t n;

		if (!p)
			return vgpu_err_set(err, VGPU_E_NOMEM, "read %s: out of memory", path);
		data = p;
		n = read(fd, data + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vgpu_err_errno(err, "read %s", path);
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return vgpu_err_set(err, VGPU_E_TOO_BIG, "%s is larger than %zu bytes", path, max);
		if (len == cap)
			cap *= 2;
	}
	data[len] = 0;
	*data_out = TAKE_PTR(data);
	if (len_out)
		*len_out = len;
	return 0;
}

int vgpu_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

bool vgpu_secure_mode(void)
{
	return getauxval(AT_SECURE) != 0;
}

const char *vgpu_getenv(const char *name)
{
	return vgpu_secure_mode() ? NULL : getenv(name);
}
