/*
 * fuzz_fs.c: the file system's requests. An input is a row of records: 1 byte
 * what (index into kinds), 1 byte which node, 1 byte which open file, 1 byte
 * length of the payload / 4, payload. They become requests as the kernel forms
 * them (lengths and NULs are the kernel's promise), and go through libfuse and
 * all handlers; replies fall into a pipe's end that nobody reads. super is
 * played by this program: it starts a worker that is a socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fusefs/vfs.h"
#include "fusefs/vfs_sess.h"
#include "fuzz/fuzz.h"
#include "state/reg.h"
#include "util/log.h"
#include "util/sys.h"

static struct vfs v;
static int super = -1;
static int worker_ctl[64];
static unsigned n_workers;
static uint64_t unique;

struct kind {
	uint32_t opcode;
	uint32_t fixed;    /* bytes of the operation's struct */
	int fh_at;         /* where it has an fh, -1: nowhere */
	enum { PLAIN, NAME, TWO_NAMES, DATA, IOCTL } tail;
};

static const struct kind kinds[] = {
	{ FUSE_LOOKUP, 0, -1, NAME },
	{ FUSE_GETATTR, sizeof(struct fuse_getattr_in), 8, PLAIN },
	{ FUSE_SETATTR, sizeof(struct fuse_setattr_in), 8, PLAIN },
	{ FUSE_READLINK, 0, -1, PLAIN },
	{ FUSE_SYMLINK, 0, -1, TWO_NAMES },
	{ FUSE_MKNOD, sizeof(struct fuse_mknod_in), -1, NAME },
	{ FUSE_MKDIR, sizeof(struct fuse_mkdir_in), -1, NAME },
	{ FUSE_UNLINK, 0, -1, NAME },
	{ FUSE_RMDIR, 0, -1, NAME },
	{ FUSE_RENAME, sizeof(struct fuse_rename_in), -1, TWO_NAMES },
	{ FUSE_LINK, sizeof(struct fuse_link_in), -1, NAME },
	{ FUSE_OPEN, sizeof(struct fuse_open_in), -1, PLAIN },
	{ FUSE_READ, sizeof(struct fuse_read_in), 0, PLAIN },
	{ FUSE_WRITE, sizeof(struct fuse_write_in), 0, DATA },
	{ FUSE_STATFS, 0, -1, PLAIN },
	{ FUSE_RELEASE, sizeof(struct fuse_release_in), 0, PLAIN },
	{ FUSE_FSYNC, sizeof(struct fuse_fsync_in), 0, PLAIN },
	{ FUSE_SETXATTR, 8, -1, TWO_NAMES },
	{ FUSE_GETXATTR, sizeof(struct fuse_getxattr_in), -1, NAME },
	{ FUSE_FLUSH, sizeof(struct fuse_flush_in), 0, PLAIN },
	{ FUSE_OPENDIR, sizeof(struct fuse_open_in), -1, PLAIN },
	{ FUSE_READDIR, sizeof(struct fuse_read_in), 0, PLAIN },
	{ FUSE_READDIRPLUS, sizeof(struct fuse_read_in), 0, PLAIN },
	{ FUSE_RELEASEDIR, sizeof(struct fuse_release_in), 0, PLAIN },
	{ FUSE_ACCESS, sizeof(struct fuse_access_in), -1, PLAIN },
	{ FUSE_CREATE, sizeof(struct fuse_create_in), -1, NAME },
	{ FUSE_INTERRUPT, sizeof(struct fuse_interrupt_in), -1, PLAIN },
	{ FUSE_IOCTL, sizeof(struct fuse_ioctl_in), 0, IOCTL },
	{ FUSE_POLL, sizeof(struct fuse_poll_in), 0, PLAIN },
	{ FUSE_FORGET, sizeof(struct fuse_forget_in), -1, PLAIN },
	{ FUSE_LSEEK, sizeof(struct fuse_lseek_in), 0, PLAIN },
	{ FUSE_FALLOCATE, sizeof(struct fuse_fallocate_in), 0, PLAIN },
	{ 0xffff, 0, -1, PLAIN },
};

static char state_dir[64];

static void remove_state(void)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", state_dir);
	if (system(cmd))
		perror(state_dir);
}

static void die(const char *what)
{
	perror(what);
	abort();
}

static void make_registry(void)
{
	struct vgpu_device d;
	struct registry *reg;

	/* in memory where that can be: every change is synced */
	snprintf(state_dir, sizeof(state_dir), "%s/fuzz-fs-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(state_dir))
		die("mkdtemp");
	atexit(remove_state);
	if (reg_open(&reg, state_dir, REG_F_CREATE, NULL))
		die("registry");
	for (int i = 0; i < 2; i++) {
		struct reg_create c = REG_CREATE_INIT;

		if (reg_device_create(reg, &c, &d, NULL))
			die("device");
	}
	reg_close(reg);
}

static void greet(void)
{
	struct {
		struct fuse_in_header h;
		struct fuse_init_in in;
	} m = {
		.h = { .len = sizeof(m), .opcode = FUSE_INIT, .unique = ++unique },
		.in = { .major = 7, .minor = 38, .max_readahead = 131072, .flags = ~0u },
	};
	struct fuse_buf b = { .mem = &m, .size = sizeof(m) };

	vfs_io_process(&v, &b);
}

static void start(void)
{
	struct vgpu_err err = VGPU_ERR_INIT;
	int sv[2], null = open("/dev/null", O_RDWR), state;

	vgpu_log_open("fuzz_fs", -1);
	make_registry();
	v.state_dir = state_dir;
	v.ep = epoll_create1(EPOLL_CLOEXEC);
	/* the daemon's descriptors have fixed numbers; whatever is there moves away */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		die("socketpair");
	super = fcntl(sv[0], F_DUPFD_CLOEXEC, 32);
	v.ep = fcntl(v.ep, F_DUPFD_CLOEXEC, 32);
	sv[1] = fcntl(sv[1], F_DUPFD_CLOEXEC, 32);
	null = fcntl(null, F_DUPFD_CLOEXEC, 32);
	dup2(null, VGP_DAEMON_FD_FUSE);
	dup2(sv[1], VGP_DAEMON_FD_SUPER);
	state = vfs_state_create(0, 0, false, &err);
	if (state < 0 || vfs_state_map(state, &v.st, &err))
		die("state");
	v.st->daemons = 1;
	vfs_tree_init();
	v.fuse_fd = null;
	if (vfs_sess_init(&v, &err) || vfs_io_session(&v, &err) || vfs_jobs_start(&v, &err) || vfs_devs_first(&v, &err) ||
	    vfs_watch_add(&v, &v.super_watch, VGP_DAEMON_FD_SUPER, EPOLLIN, vfs_sess_from_super) < 0)
		die(err.text);
	greet();
}

/* What super does: each SPAWN gets a control socket, of which we keep the other end. */
static void play_super(void)
{
	struct vgp_ctl m;
	int fds[VGPU_MAX_FDS], nfds;

	while (vgpu_recv_fds(super, &m, sizeof(m), fds, &nfds, MSG_DONTWAIT) == sizeof(m)) {
		for (int i = 0; i < nfds; i++)
			close(fds[i]);
		if (m.op == VGP_CTL_SPAWN) {
			struct vgp_ctl out = { .op = VGP_CTL_SPAWNED, .session = m.session, .pid = 1 };
			int sv[2];

			if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
				continue;
			vgpu_send_fds(super, &out, sizeof(out), sv, 1, 0);
			close(sv[0]);
			if (n_workers == 64)
				close(worker_ctl[--n_workers]);
			worker_ctl[n_workers++] = sv[1];
		} else if (m.op == VGP_CTL_END) {
			struct vgp_ctl out = { .op = VGP_CTL_EXITED, .session = m.session };

			vgpu_send_fds(super, &out, sizeof(out), NULL, 0, 0);
		}
	}
}

/* All that is ready is served; with wait also what the helper is at. */
static void serve(void)
{
	for (int i = 0; i < 64; i++) {
		struct epoll_event e;

		play_super();
		if (epoll_wait(v.ep, &e, 1, 0) != 1)
			break;
		((struct vfs_watch *)e.data.ptr)->ready(&v, e.data.ptr, e.events);
	}
}

static uint64_t node(uint8_t which)
{
	size_t n;
	const struct vfs_entry *e = vfs_entries(&n);
	struct vfs_place p = { &e[which % n], which & 1 };

	if (which == 255)
		return 0xdeadbeefcafeull;
	if (!p.e->per_device)
		p.dev = -1;
	return p.dev >= (int)v.src.devs.n ? 1 : vfs_ino(&v.src.devs, p);
}

static void request(const struct kind *k, uint8_t which, uint64_t fh, const uint8_t *data, size_t len)
{
	static _Alignas(8) uint8_t raw[8192];
	struct fuse_in_header *h = (void *)raw;
	uint8_t *at = raw + sizeof(*h);
	struct fuse_buf b = { .mem = raw };
	size_t tail;

	memset(raw, 0, sizeof(raw));
	if (len)
		memcpy(at, data, len < k->fixed ? len : k->fixed);
	if (k->fh_at >= 0)
		memcpy(at + k->fh_at, &fh, sizeof(fh));
	tail = len > k->fixed ? len - k->fixed : 0;
	if (tail)
		memcpy(at + k->fixed, data + (len - tail), tail);
	if (k->tail == NAME || k->tail == TWO_NAMES)
		tail += 2; /* NULs */
	else if (k->tail == DATA)
		((struct fuse_write_in *)at)->size = (uint32_t)tail;
	else if (k->tail == IOCTL)
		((struct fuse_ioctl_in *)at)->in_size = (uint32_t)tail;
	if (k->tail == IOCTL) {
		static const uint32_t cmds[] = { VGP_IOC_HELLO, VGP_IOC_INFO, VGP_IOC_RELOAD };
		struct fuse_ioctl_in *in = (void *)at;

		if (in->cmd % 4 < 3)
			in->cmd = cmds[in->cmd % 4];
		in->out_size &= 0x3fff;
	}
	if (k->opcode == FUSE_READ || k->opcode == FUSE_READDIR || k->opcode == FUSE_READDIRPLUS)
		((struct fuse_read_in *)at)->size &= 0x3ffff;
	h->opcode = k->opcode;
	h->nodeid = node(which);
	h->unique = (unique += 2) | (which & 8 && fh & 0x40 ? VFS_UNIQUE_RESENT : 0);
	h->pid = (uint32_t)(which & 2 ? getpid() : which & 4 ? 0 : 1);
	h->len = (uint32_t)(sizeof(*h) + k->fixed + tail);
	b.size = h->len;
	vfs_io_process(&v, &b);
}

/* What a worker may send: a control message of any content. */
static void worker_says(const uint8_t *data, size_t len)
{
	union {
		struct vgp_ctl m;
		uint8_t raw[1024]; /* longer than any payload: messages of a wrong length, too */
	} u = { .raw = { 0 } };

	memcpy(u.raw, data, len);
	u.m.op = VGP_CTL_RESERVE + u.m.op % 5;
	if (n_workers && send(worker_ctl[data[0] % n_workers], &u, len % 8 ? len : sizeof(u.m), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		errno = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct timespec pause = { 0, 200000 };

	if (super < 0)
		start();
	while (size >= 4) {
		uint8_t what = data[0] % (ARRAY_SIZE(kinds) + 1), which = data[1], fh = data[2];
		size_t len = (size_t)data[3] * 4;

		data += 4;
		size -= 4;
		if (len > size)
			len = size;
		if (what < ARRAY_SIZE(kinds))
			request(&kinds[what], which, fh, data, len);
		else if (len)
			worker_says(data, len);
		data += len;
		size -= len;
		serve();
	}
	/* every open is closed: inputs don't depend on each other */
	for (uint32_t i = 0; i < v.st->handles_high; i++)
		if (v.st->handles[i].used)
			request(&kinds[15], 0, i + 1, NULL, 0);
	vfs_sess_tick(&v);
	while (v.jobs.todo || v.jobs.finished) {
		nanosleep(&pause, NULL);
		serve();
	}
	serve();
	while (n_workers)
		close(worker_ctl[--n_workers]);
	return 0;
}
