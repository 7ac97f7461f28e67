/*
 * tr_debug.c: the only place of the transport that writes anything, and only
 * when VGPU_DEBUG asks: "push" prints each command and reply as text to stderr
 * or file=PATH, "capture" keeps them in the form of vgp_cap.h in file=PATH.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "protocol/vgp_cap.h"
#include "protocol/vgp_dump.h"
#include "transport/tr_priv.h"

enum { DEBUG_PUSH = 1, DEBUG_CAPTURE = 2 };

int tr_debug_on;
static int debug_fd = -1;
static pthread_once_t debug_once = PTHREAD_ONCE_INIT;

static void parse(void)
{
	const char *env = vgpu_getenv("VGPU_DEBUG");
	int on = 0, fd = 2;
	char path[256] = "";

	while (env && *env) {
		size_t n = strcspn(env, ",");

		if (n == 4 && memcmp(env, "push", 4) == 0)
			on = DEBUG_PUSH;
		else if (n == 7 && memcmp(env, "capture", 7) == 0)
			on = DEBUG_CAPTURE;
		else if (n > 5 && n - 5 < sizeof(path) && memcmp(env, "file=", 5) == 0) {
			memcpy(path, env + 5, n - 5);
			path[n - 5] = 0;
		}
		env += n + (env[n] == ',');
	}
	if (!on)
		return;
	if (path[0])
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (on == DEBUG_CAPTURE ? O_TRUNC : 0), 0600);
	else if (on == DEBUG_CAPTURE)
		fd = -1;
	if (fd < 0)
		return;
	if (fd <= 2 && path[0]) {
		int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);

		close(fd);
		fd = high;
	}
	debug_fd = fd;
	if (on == DEBUG_CAPTURE && vgpu_write_all(fd, VGP_CAP_MAGIC, 8) < 0)
		return;
	tr_debug_on = on;
}

void tr_debug_init(void)
{
	pthread_once(&debug_once, parse);
}

static void record(uint32_t kind, uint32_t op, const void *a, size_t alen, const void *b, size_t blen)
{
	struct vgp_cap_rec r = { .kind = kind, .op = op, .ns = vgpu_now_ns(), .tid = (uint32_t)syscall(SYS_gettid) };
	struct iovec iov[3] = { { &r, sizeof(r) }, { (void *)a, alen }, { (void *)b, blen } };
	ssize_t n;

	r.len = (uint32_t)(alen + blen);
	do {
		n = writev(debug_fd, iov, b ? 3 : 2);
	} while (n < 0 && errno == EINTR);
}

static void line(struct vgpu_buf *b)
{
	vgpu_buf_str(b, "\n");
	if (!b->failed && vgpu_write_all(debug_fd, b->data, b->len) < 0)
		tr_debug_on = 0;
	vgpu_buf_free(b);
}

void tr_debug_cmd(const struct vgp_cmd *cmd, const void *in, size_t in_len)
{
	int saved = errno;

	if (tr_debug_on == DEBUG_CAPTURE) {
		record(VGP_CAP_CMD, cmd->op, cmd, sizeof(*cmd), in, MIN(in_len, (size_t)VGP_CAP_DATA_MAX));
	} else {
		struct vgpu_buf b = VGPU_BUF_INIT;

		vgp_dump_cmd(&b, cmd);
		line(&b);
	}
	errno = saved;
}

void tr_debug_reply(const struct vgp_cmd *cmd, const struct vgp_reply *reply)
{
	int saved = errno;

	if (tr_debug_on == DEBUG_CAPTURE) {
		record(VGP_CAP_REPLY, cmd->op, reply, sizeof(*reply), NULL, 0);
	} else {
		struct vgpu_buf b = VGPU_BUF_INIT;

		vgp_dump_reply(&b, cmd->op, reply);
		line(&b);
	}
	errno = saved;
}
