/*
 * main.c: vgpu-engine, the worker process of one client: started by
 * vgpufs-super with the client's socket (3) and the control socket to the
 * daemon (4). It waits for START, locks itself in, and serves until the
 * client is gone. It never outlives the client, and holds nothing that does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/backend.h"
#include "backend/simd/sd_jit.h"
#include "config.h"
#include "engine/engine.h"
#include "protocol/vgp_ctl.h"
#include "protocol/vgp_wire.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/sys.h"

static unsigned long long session_id;   /* for logs */

struct start {
	struct vgp_ctl ctl;
	struct vgp_ctl_start s;
	struct vgpu_device devs[VGPU_MAX_DEVICES];
	size_t n_devs;
	int pidfd;
};

static int check_fds(struct vgpu_err *err)
{
	for (int fd = VGP_WORKER_FD_CLIENT; fd <= VGP_WORKER_FD_CTL; fd++) {
		int type = 0;
		socklen_t len = sizeof(type);

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
			return vgpu_err_set(err, VGPU_E_INVALID, "file descriptor %d is not a packet socket: vgpu-engine is started by vgpufs-super",
					    fd);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	return 0;
}

/* START: struct vgp_ctl, struct vgp_ctl_start, the device table's text. */
static int parse_start(char *buf, size_t len, struct start *st, struct vgpu_err *err)
{
	size_t head = sizeof(st->ctl) + sizeof(st->s), n_mig = 0;
	int r;

	if (len < head)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "START of %zu bytes is cut", len);
	memcpy(&st->ctl, buf, sizeof(st->ctl));
	memcpy(&st->s, buf + sizeof(st->ctl), sizeof(st->s));
	if (st->ctl.op != VGP_CTL_START)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "control message %u before START", st->ctl.op);
	buf[len] = 0;
	r = vgpu_devtab_parse_all(buf + head, st->devs, &st->n_devs, &n_mig, NULL, err);
	st->n_devs += n_mig; /* MIG devices are devices, too */
	return r;
}

static int wait_start(struct start *st, struct vgpu_err *err)
{
	size_t cap = VGPU_DEVTAB_MAX + 4096;
	cleanup_free char *buf = malloc(cap + 1);
	int fds[VGPU_MAX_FDS], nfds = 0;
	ssize_t n;

	if (!buf)
		return vgpu_err_set(err, VGPU_E_NOMEM, "START: out of memory");
	n = vgpu_recv_fds(VGP_WORKER_FD_CTL, buf, cap, fds, &nfds, 0);
	if (n < 0)
		return vgpu_err_errno(err, "receive START");
	if (n == 0)
		return vgpu_err_set(err, VGPU_E_DISCONNECTED, "no START: the control socket was closed");
	st->pidfd = nfds ? fds[0] : -1;
	for (int i = 1; i < nfds; i++)
		close(fds[i]);
	return parse_start(buf, (size_t)n, st, err);
}

/* The client learns in words why it gets no engine. */
static void refuse(uint64_t nonce, const struct vgpu_err *err)
{
	struct {
		struct vgp_frame f;
		struct vgp_welcome w;
		char text[256];
	} m = { .w = { .magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .abi_minor = VGP_ABI_MINOR, .nonce = nonce,
		       .status = (uint32_t)err->status } };
	size_t n = MIN(strlen(err->text), sizeof(m.text));

	memcpy(m.text, err->text, n);
	m.f = (struct vgp_frame){ .magic = VGP_MAGIC, .type = VGP_FRAME_WELCOME, .len = (uint32_t)(sizeof(m.w) + n) };
	vgpu_send_fds(VGP_WORKER_FD_CLIENT, &m, sizeof(m.f) + sizeof(m.w) + n, NULL, 0, MSG_DONTWAIT);
}

/* Nothing inherited but what is meant for us. */
static void close_others(int pidfd)
{
	for (int fd = VGP_WORKER_FD_CTL + 1; fd < 256; fd++)
		if (fd != pidfd)
			close(fd);
}

#ifdef VGPU_LLVM
#define BEST "simd"
#else
#define BEST "interp"
#endif
#define NOTES_MAX 8                /* a client has as many kernels as it likes, but a log is everybody's */

/* Why a kernel is slower than it could be. The reason may have come from a compiler that a client's PTX has taken over. */
static void on_interpreted(const char *kernel, const char *why)
{
	static unsigned notes;
	char text[320];
	unsigned n = __atomic_fetch_add(&notes, 1, __ATOMIC_RELAXED);

	if (n >= NOTES_MAX)
		return;
	snprintf(text, sizeof(text), "kernel '%.80s' is interpreted: %s", kernel, why);
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	log_info("session %llu: %s%s", session_id, text, n == NOTES_MAX - 1 ? " (the last one that is logged)" : "");
}

static int start_jit(const struct start *st, struct vgpu_err *err)
{
	int fd = eng_jit_start(st->s.client_uid, err);

	if (fd < 0)
		return fd;
	sd_jit_set_fd(fd);
	sd_jit_set_notice(on_interpreted);
	return 0;
}

/*
 * The property's "cpu" leaves the choice to us: compiled kernels, or interpreted ones when their compiler can't be started.
 * Who asked for simd is told so instead. NULL and *err.
 */
static const struct be_ops *pick_backend(const struct start *st, struct vgpu_err *err)
{
	const char *want = st->n_devs ? st->devs[0].backend : "cpu";
	bool any = strcmp(want, "cpu") == 0;
	const struct be_ops *ops = be_find(any ? BEST : want);

	if (!ops)
		vgpu_err_set(err, VGPU_E_INTERNAL, "backend '%s' isn't built in", want);
	if (!ops || strcmp(ops->name, "simd") || start_jit(st, err) == 0)
		return ops;
	if (!any)
		return NULL;
	log_warn("session %llu: kernels are interpreted: %s", session_id, err->text);
	err->status = VGPU_OK;
	return be_find("interp");
}

static int serve(struct start *st, struct vgpu_err *err)
{
	struct eng_config c = {
		.devs = st->devs, .n_devs = st->n_devs, .transport = st->s.transport,
		.threads = st->s.threads, .nonce = st->s.nonce, .session = st->ctl.session,
		.sock = VGP_WORKER_FD_CLIENT, .ctl = VGP_WORKER_FD_CTL, .client_pidfd = st->pidfd,
	};
	struct eng *e;
	int sock, r;

	if (c.transport < VGP_TRANSPORT_RING || c.transport > VGP_TRANSPORT_NODE)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "START: transport %u", c.transport);
	c.backend = pick_backend(st, err);
	if (!c.backend)
		return -err->status;
	r = eng_sandbox_enter(err);
	if (r)
		return r;
	/* eng_new takes the socket even when it fails; the reason shall still get out */
	sock = fcntl(VGP_WORKER_FD_CLIENT, F_DUPFD_CLOEXEC, 3);
	r = eng_new(&e, &c, err);
	if (r) {
		if (sock >= 0)
			dup2(sock, VGP_WORKER_FD_CLIENT);
		return r;
	}
	close(sock);
	r = eng_sandbox_lock(strcmp(c.backend->name, "simd") == 0, err);
	if (r)
		return r;
	eng_run(e);
	return 0;
}

int main(int argc, char **argv)
{
	static struct start st = { .pidfd = -1 };
	struct vgpu_err err = VGPU_ERR_INIT;

	if (argc > 1) {
		if (strcmp(argv[1], "--version") == 0)
			printf("vgpu-engine %s\n", PACKAGE_VERSION);
		else
			fprintf(stderr, "usage: vgpu-engine is started by vgpufs-super\n");
		return strcmp(argv[1], "--version") != 0;
	}
	vgpu_log_open("vgpu-engine", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	if (check_fds(&err) || wait_start(&st, &err)) {
		if (err.status != VGPU_E_DISCONNECTED)
			log_err("%s", err.text);
		return 1;
	}
	close_others(st.pidfd);
	session_id = st.ctl.session;
	if (serve(&st, &err)) {
		log_err("session %llu: %s", session_id, err.text);
		refuse(st.s.nonce, &err);
		return 1;
	}
	return 0;
}
