/* client.c: see client.h. */
#include "t/lib/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int client_hello(int node, unsigned transport, uint64_t nonce, int *sock_out, struct vgp_hello *out)
{
	struct vgp_hello h = { .magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .abi_minor = VGP_ABI_MINOR,
			       .transport = transport, .sock_fd = -1, .nonce = nonce };
	int sv[2] = { -1, -1 }, r;

	if (transport != VGP_TRANSPORT_NODE) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
			return -errno;
		h.sock_fd = sv[1];
	}
	r = ioctl(node, VGP_IOC_HELLO, &h) < 0 ? -errno : 0;
	if (sv[1] >= 0)
		close(sv[1]);
	if (r || !sock_out) {
		if (sv[0] >= 0)
			close(sv[0]);
	} else {
		*sock_out = sv[0];
	}
	if (out)
		*out = h;
	return r;
}

int client_send(int fd, const char *text)
{
	static _Thread_local char f[VGP_FRAME_MAX];
	size_t n = strlen(text);

	memset(f, 0, sizeof(struct vgp_frame));
	*(struct vgp_frame *)f = (struct vgp_frame){ .magic = VGP_MAGIC, .type = VGP_FRAME_CMD, .len = (uint32_t)n };
	memcpy(f + sizeof(struct vgp_frame), text, n);
	return write(fd, f, sizeof(struct vgp_frame) + n) < 0 ? -errno : 0;
}

ssize_t client_recv(int fd, char *buf, size_t cap)
{
	static _Thread_local char f[VGP_FRAME_MAX];
	ssize_t n;
	size_t len;

	/* the daemon was killed while the call was under way; only before Linux 6.9 */
	do {
		n = read(fd, f, sizeof(f));
	} while (n < 0 && errno == ECONNABORTED);
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	len = (size_t)n - sizeof(struct vgp_frame);
	if (len >= cap)
		len = cap - 1;
	memcpy(buf, f + sizeof(struct vgp_frame), len);
	buf[len] = 0;
	return n;
}

const char *client_ask(int fd, const char *fmt, ...)
{
	static char out[4096];
	char text[4096];
	va_list ap;
	ssize_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = client_send(fd, text);
	if (n == 0)
		n = client_recv(fd, out, sizeof(out));
	if (n <= 0)
		snprintf(out, sizeof(out), "error: %s", n ? strerror((int)-n) : "end");
	return out;
}

int client_session(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), r;
	char buf[256];

	if (fd < 0)
		return -1;
	r = client_hello(fd, VGP_TRANSPORT_NODE, 1, NULL, NULL);
	if (r == 0 && client_recv(fd, buf, sizeof(buf)) <= 0)
		r = -EIO;
	if (r) {
		close(fd);
		errno = -r;
		return -1;
	}
	return fd;
}
