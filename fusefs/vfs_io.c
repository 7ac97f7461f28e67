/*
 * vfs_io.c: libfuse's session over a /dev/fuse descriptor that is older than
 * this process. The raw INIT request is kept in the state memfd; a new daemon
 * feeds it to libfuse and drops the reply, so that libfuse knows what was
 * negotiated, and has the kernel send again what was in flight
 * (FUSE_NOTIFY_RESEND, Linux 6.9). On older kernels requests are read through a
 * clone of the descriptor: when the daemon dies, what was in flight fails with
 * ECONNABORTED instead of hanging for ever.
 *
 * Two things that libfuse 3.14 cannot say are put into replies on their way:
 * that idmapped mounts are fine, and that writes to a node may run in parallel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fusefs/vfs.h"
#include "util/log.h"

/* Newer than the headers of the systems that we build on. */
#define INIT_EXT (1u << 30)
#define INIT2_HAS_RESEND (1u << 7)
#define INIT2_ALLOW_IDMAP (1u << 8)
#define OPEN_PARALLEL_DIRECT_WRITES (1u << 6)
#define NOTIFY_POLL 1
#define NOTIFY_RESEND 7

#define MAX_WRITE (256u << 10)
#define IN_SIZE (MAX_WRITE + 8192u)
/* Requests per turn; then other descriptors get theirs. */
#define BATCH 32

/* A request that has killed this many daemons is answered with EIO. */
#define MAX_DEATHS 3

static void patch_init(struct vfs *v, struct iovec *iov)
{
	const struct fuse_init_in *in = (const void *)(v->st->init + sizeof(struct fuse_in_header));
	struct fuse_init_out *out = iov->iov_base;

	if (iov->iov_len < sizeof(*out) || !(in->flags & INIT_EXT) || !(in->flags2 & INIT2_ALLOW_IDMAP))
		return;
	out->flags |= INIT_EXT;
	out->flags2 |= INIT2_ALLOW_IDMAP;
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *arg)
{
	struct vfs *v = arg;
	const struct fuse_out_header *h = iov[0].iov_base;
	ssize_t n = 0;

	if (h->unique && h->unique == v->unique && !h->error && count == 2) {
		if (v->patch_open && iov[1].iov_len >= sizeof(struct fuse_open_out))
			((struct fuse_open_out *)iov[1].iov_base)->open_flags |= OPEN_PARALLEL_DIRECT_WRITES;
		if (!v->st->init_len)
			patch_init(v, &iov[1]);
	}
	if (!v->swallow)
		return writev(v->fuse_fd, iov, count);
	for (int i = 0; i < count; i++)
		n += (ssize_t)iov[i].iov_len;
	return n;
}

static ssize_t io_read(int fd, void *buf, size_t len, void *arg)
{
	struct vfs *v = arg;

	return read(v->fuse_fd, buf, len);
}

static void reply_error(struct vfs *v, uint64_t unique, int err)
{
	struct fuse_out_header h = { .len = sizeof(h), .error = -err, .unique = unique };

	if (write(v->fuse_fd, &h, sizeof(h)) < 0 && errno != ENOENT)
		log_warn("answer to a request: %s, ignoring", strerror(errno));
}

void vfs_io_process(struct vfs *v, const struct fuse_buf *b)
{
	const struct fuse_in_header *h = b->mem;
	uint64_t unique;
	bool init;

	if (b->size < sizeof(*h))
		return;
	unique = h->unique & ~VFS_UNIQUE_RESENT;
	v->unique = h->unique;
	v->resent = h->unique & VFS_UNIQUE_RESENT;
	v->patch_open = false;
	if (h->opcode == FUSE_POLL && b->size >= sizeof(*h) + sizeof(struct fuse_poll_in))
		v->poll_kh = ((const struct fuse_poll_in *)(h + 1))->kh;
	init = h->opcode == FUSE_INIT && !v->st->init_len && b->size <= sizeof(v->st->init);
	if (v->resent && unique == v->st->suspect && v->st->suspect_deaths >= MAX_DEATHS) {
		log_err("request %llu (operation %u) has ended the server %u times, refused",
			(unsigned long long)unique, h->opcode, v->st->suspect_deaths);
		reply_error(v, h->unique, EIO);
		return;
	}
	v->st->executing = unique;
	if (init) /* patch_init looks at it */
		memcpy(v->st->init, b->mem, b->size);
	fuse_session_process_buf(v->se, b);
	if (init) {
		const struct fuse_init_in *in = (const void *)(v->st->init + sizeof(*h));

		if (!(in->flags & INIT_EXT) || !(in->flags2 & INIT2_HAS_RESEND))
			v->st->no_resend = 1;
		__atomic_store_n(&v->st->init_len, (uint32_t)b->size, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&v->st->executing, 0, __ATOMIC_RELEASE);
}

void vfs_io_serve(struct vfs *v)
{
	for (int i = 0; i < BATCH && !v->ended; i++) {
		struct fuse_buf b = { .mem = v->in.mem };
		ssize_t n = read(v->fuse_fd, b.mem, IN_SIZE);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && (errno == EINTR || errno == ENOENT))
			continue; /* ENOENT: taken back before we got it */
		if (n <= 0) {
			struct vgp_ctl quit = { .op = VGP_CTL_QUIT };

			/* ENODEV: unmounted by everybody; ECONNABORTED: cut */
			if (errno != ENODEV)
				log_info("connection ended: %s", strerror(errno));
			v->ended = true;
			vfs_send_super(v, &quit, NULL, 0);
			return;
		}
		b.size = (size_t)n;
		vfs_io_process(v, &b);
	}
}

void vfs_io_wake_poll(struct vfs *v, uint64_t kh)
{
	struct {
		struct fuse_out_header h;
		struct fuse_notify_poll_wakeup_out o;
	} m = { .h = { .len = sizeof(m), .error = NOTIFY_POLL }, .o = { .kh = kh } };

	if (write(v->fuse_fd, &m, sizeof(m)) < 0 && errno != ENOENT)
		log_debug("poll wake-up: %s", strerror(errno));
}

/* Reads through a clone from here on. Without one things work, but a restart would lose requests. */
static void use_clone(struct vfs *v, int fd)
{
	uint32_t master = (uint32_t)fd;
	int clone = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (clone < 0 || ioctl(clone, FUSE_DEV_IOC_CLONE, &master) < 0) {
		log_warn("no clone of the connection: %s, ignoring", strerror(errno));
		if (clone >= 0)
			close(clone);
		return;
	}
	v->fuse_fd = clone;
}

/* The kernel sends INIT as soon as the mount is made. */
static int first_init(struct vfs *v, struct vgpu_err *err)
{
	while (!v->st->init_len) {
		struct pollfd p = { .fd = v->fuse_fd, .events = POLLIN };
		struct fuse_buf b = { .mem = v->in.mem };
		ssize_t n;

		if (poll(&p, 1, 30000) == 0)
			return vgpu_err_set(err, VGPU_E_TIMEOUT, "the kernel does not greet");
		n = read(v->fuse_fd, b.mem, IN_SIZE);
		if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOENT))
			continue;
		if (n <= 0)
			return vgpu_err_errno(err, "read /dev/fuse");
		b.size = (size_t)n;
		vfs_io_process(v, &b);
		if (fuse_session_exited(v->se))
			return vgpu_err_set(err, VGPU_E_VERSION, "libfuse and the kernel do not agree");
	}
	return 0;
}

static void replay_init(struct vfs *v)
{
	struct fuse_out_header resend = { .len = sizeof(resend), .error = NOTIFY_RESEND };
	struct fuse_buf b = { .mem = v->st->init, .size = v->st->init_len };

	v->swallow = true;
	fuse_session_process_buf(v->se, &b);
	v->swallow = false;
	if (!v->st->no_resend && write(v->fuse_fd, &resend, sizeof(resend)) < 0)
		log_warn("requests in flight are not sent again: %s, ignoring", strerror(errno));
}

int vfs_io_session(struct vfs *v, struct vgpu_err *err)
{
	static const struct fuse_custom_io io = { .writev = io_writev, .read = io_read };
	char *argv[] = { "vgpufsd", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);

	v->in.mem = malloc(IN_SIZE);
	v->se = fuse_session_new(&args, &vfs_ops, sizeof(vfs_ops), v);
	fuse_opt_free_args(&args);
	if (!v->in.mem || !v->se)
		return vgpu_err_set(err, VGPU_E_NOMEM, "no file system session");
	/* the number is libfuse's only; io_writev and io_read know what to use */
	if (fuse_session_custom_io(v->se, &io, VGP_DAEMON_FD_FUSE))
		return vgpu_err_set(err, VGPU_E_SYSTEM, "libfuse takes no descriptor");
	return 0;
}

int vfs_io_open(struct vfs *v, int fd, struct vgpu_err *err)
{
	int r = 0;

	v->fuse_fd = fd;
	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return vgpu_err_errno(err, "/dev/fuse");
	if (v->st->init_len)
		replay_init(v);
	else
		r = first_init(v, err);
	if (!r && v->st->no_resend)
		use_clone(v, fd);
	return r;
}

void vfs_io_close(struct vfs *v)
{
	fuse_session_destroy(v->se);
	free(v->in.mem);
}
