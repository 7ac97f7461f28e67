/*
 * tr_open.c: opening, closing and judging the life of a session.
 *
 * Life of a session: opening → alive → dead (worker gone, protocol broken) →
 * closed. `dead` is set once and never cleared; every entry looks at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "transport/tr_priv.h"

#define WELCOME_TIMEOUT_NS 30000000000ll

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static const char *const transport_names[] = {
	[VGP_TRANSPORT_RING] = "ring", [VGP_TRANSPORT_SOCKET] = "socket", [VGP_TRANSPORT_NODE] = "node",
	[VGP_TRANSPORT_MOUNTSOCK] = "mountsock",
};

bool tr_forked(const struct tr_session *s)
{
	return __atomic_load_n(s->guard, __ATOMIC_RELAXED) != 1;
}

bool tr_usable(const struct tr_session *s)
{
	return !tr_forked(s);
}

int tr_kill(struct tr_session *s, int status)
{
	int none = 0;

	__atomic_compare_exchange_n(&s->dead, &none, status, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	return -__atomic_load_n(&s->dead, __ATOMIC_ACQUIRE);
}

/* The socket after WELCOME of a ring session carries nothing but BYE and the end of file. */
static bool socket_gone(struct tr_session *s)
{
	struct pollfd p = { .fd = s->sock, .events = POLLIN };
	struct vgp_frame f;

	if (poll(&p, 1, 0) <= 0)
		return false;
	if (p.revents & (POLLHUP | POLLERR | POLLNVAL))
		return true;
	if (!(p.revents & POLLIN) || s->transport != VGP_TRANSPORT_RING)
		return false;
	if (recv(s->sock, &f, sizeof(f), MSG_DONTWAIT) < 0)
		return errno != EAGAIN && errno != EINTR;
	return true;
}

int tr_check_alive(struct tr_session *s)
{
	int dead = __atomic_load_n(&s->dead, __ATOMIC_ACQUIRE);

	if (dead)
		return -dead;
	if (s->transport == VGP_TRANSPORT_RING) {
		uint32_t fatal = __atomic_load_n(&s->ring.hdr->fatal, __ATOMIC_ACQUIRE);

		if (fatal)
			return tr_kill(s, VGPU_E_DISCONNECTED);
	}
	if (s->sock >= 0 && socket_gone(s))
		return tr_kill(s, VGPU_E_DISCONNECTED);
	return 0;
}

bool tr_dead(struct tr_session *s)
{
	return !tr_usable(s) || tr_check_alive(s) != 0;
}

unsigned tr_transport(const struct tr_session *s)
{
	return s->transport;
}

void tr_window(const struct tr_session *s, uint64_t *addr_out, uint64_t *size_out)
{
	*addr_out = s->window;
	*size_out = s->window_size;
}

/* Standard streams may be closed in this process; no fd of ours shall become one. */
static int raise_fd(int fd)
{
	int high;

	if (fd < 0 || fd > 2)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return high;
}

static int open_node(const char *path, unsigned transport, struct vgpu_err *err)
{
	int fd;

	do {
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
		if (fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM) && transport != VGP_TRANSPORT_NODE)
			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return vgpu_err_errno(err, "open %s", path);
	return raise_fd(fd);
}

static struct tr_session *session_new(unsigned transport)
{
	struct tr_session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->guard = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->guard == MAP_FAILED) {
		free(s);
		return NULL;
	}
	madvise(s->guard, 4096, MADV_WIPEONFORK);
	*s->guard = 1;
	s->transport = transport;
	s->node_fd = s->sock = -1;
	s->owner = getpid();
	pthread_mutex_init(&s->queue_lock, NULL);
	pthread_mutex_init(&s->host_lock, NULL);
	return s;
}

static void session_free(struct tr_session *s)
{
	if (s->sock >= 0)
		close(s->sock);
	if (s->node_fd >= 0)
		close(s->node_fd);
	munmap(s->guard, 4096);
	free(s);
}

static int hello(struct tr_session *s, int sock, uint64_t nonce, struct vgpu_err *err)
{
	struct vgp_hello h = { .magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .abi_minor = VGP_ABI_MINOR,
			       .transport = s->transport, .sock_fd = sock, .nonce = nonce };
	struct vgp_hello try;
	int r;

	do {
		try = h;
		r = ioctl(s->node_fd, VGP_IOC_HELLO, &try);
	} while (r < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (r < 0)
		return vgpu_err_errno(err, "HELLO");
	if (try.status)
		return vgpu_err_set(err, (int)try.status, "the daemon refused the session: %s", vgpu_status_text((int)try.status));
	return 0;
}

static int check_welcome(const struct vgp_welcome *w, uint64_t nonce, const char *reason, int reason_len, struct vgpu_err *err)
{
	if (w->magic != VGP_MAGIC || w->nonce != nonce)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "WELCOME is not the answer to our HELLO");
	if (w->abi_major != VGP_ABI_MAJOR)
		return vgpu_err_set(err, VGPU_E_VERSION, "worker speaks protocol %u, this library %d", w->abi_major, VGP_ABI_MAJOR);
	if (w->status)
		return vgpu_err_set(err, w->status < VGPU_STATUS_COUNT ? (int)w->status : VGPU_E_PROTOCOL,
				    "the worker can't serve: %.*s", reason_len, reason);
	return 0;
}

static int take_welcome(struct tr_session *s, const void *buf, size_t len, uint64_t nonce, const int *fds, int nfds,
			struct vgpu_err *err)
{
	struct vgp_welcome w;
	const char *body = (const char *)buf + sizeof(struct vgp_frame);
	struct vgp_frame f;
	int r;

	if (len < sizeof(f) + sizeof(w))
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "WELCOME of %zu bytes is cut", len);
	memcpy(&f, buf, sizeof(f));
	memcpy(&w, body, sizeof(w));
	if (f.magic != VGP_MAGIC || f.type != VGP_FRAME_WELCOME)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "first frame of the worker is not WELCOME");
	r = check_welcome(&w, nonce, body + sizeof(w), (int)MIN(len - sizeof(f) - sizeof(w), (size_t)256), err);
	if (r)
		return r;
	s->minor = MIN(w.abi_minor, (uint16_t)VGP_ABI_MINOR);
	if (s->transport != VGP_TRANSPORT_RING)
		return tr_window_reserve(s, w.window_addr, w.window_size, err);
	if (nfds != 2)
		return vgpu_err_set(err, VGPU_E_PROTOCOL, "WELCOME brought %d file descriptors, not 2", nfds);
	r = tr_ring_init(s, fds[0], w.ring_size, err);
	return r ? r : tr_window_map(s, fds[1], w.window_size, err);
}

static int welcome(struct tr_session *s, uint64_t nonce, struct vgpu_err *err)
{
	int fds[VGPU_MAX_FDS], nfds = 0, r;
	uint8_t buf[1024];
	size_t len;

	r = tr_frame_recv(s, buf, sizeof(buf), &len, fds, &nfds, WELCOME_TIMEOUT_NS);
	if (r)
		return vgpu_err_set(err, -r == VGPU_E_NOT_READY ? VGPU_E_TIMEOUT : VGPU_E_UNAVAILABLE,
				    "the engine worker did not say WELCOME: %s", vgpu_status_text(-r));
	r = take_welcome(s, buf, len, nonce, fds, nfds, err);
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	return r;
}

/* Asks at the socket beside the node. What comes over the connection is the same as over a pulled socket. */
static int connect_mount(struct tr_session *s, const struct tr_node *node, uint64_t nonce, struct vgpu_err *err)
{
	struct vgp_hello h = { .magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .abi_minor = VGP_ABI_MINOR,
			       .transport = VGP_TRANSPORT_MOUNTSOCK, .sock_fd = -1, .nonce = nonce };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	cleanup_close int dir = open(node->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir < 0)
		return vgpu_err_errno(err, "open %s", node->dir);
	/* a socket's address is short, a directory's path may be long */
	if (strlen(node->dir) <= 90 && strlen(node->dir) + sizeof("/" VGP_MOUNTSOCK) <= sizeof(a.sun_path))
		snprintf(a.sun_path, sizeof(a.sun_path), "%.*s/" VGP_MOUNTSOCK, 90, node->dir);
	else
		snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" VGP_MOUNTSOCK, dir);
	s->sock = raise_fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (s->sock < 0)
		return vgpu_err_errno(err, "socket");
	do {
		r = connect(s->sock, (struct sockaddr *)&a, sizeof(a));
	} while (r < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (r < 0 && errno != EISCONN)
		return vgpu_err_errno(err, "connect %s/" VGP_MOUNTSOCK, node->dir);
	if (send(s->sock, &h, sizeof(h), MSG_NOSIGNAL) != sizeof(h))
		return vgpu_err_errno(err, "HELLO");
	s->transport = VGP_TRANSPORT_RING;
	return 0;
}

/* Brings the peer's end of the socket to a worker: over the node, or to an engine in this process. */
static int connect_worker(struct tr_session *s, const struct tr_node *node, uint64_t nonce, struct vgpu_err *err)
{
	int sv[2] = { -1, -1 }, r;

	if (!tr_loop_on() && s->transport == VGP_TRANSPORT_MOUNTSOCK)
		return connect_mount(s, node, nonce, err);
	if (tr_loop_on() || s->transport != VGP_TRANSPORT_NODE) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
			return vgpu_err_errno(err, "socketpair");
		s->sock = raise_fd(sv[0]);
		sv[1] = raise_fd(sv[1]);
	}
	if (tr_loop_on()) {
		r = tr_loop_start(s, sv[1], s->transport, err);   /* takes the fd */
		return r;
	}
	r = open_node(node->ctl, s->transport, err);
	if (r >= 0) {
		s->node_fd = r;
		r = hello(s, sv[1], nonce, err);
	}
	if (sv[1] >= 0)
		close(sv[1]);
	return r;
}

static int open_with(struct tr_session **out, const struct tr_node *node, unsigned transport, struct vgpu_err *err)
{
	struct tr_session *s = session_new(transport);
	uint64_t nonce;
	int r;

	if (!s)
		return vgpu_err_set(err, VGPU_E_NOMEM, "session: out of memory");
	/* Tells one WELCOME from another; needs no secrecy, the socket is private. A loopback engine sends 0. */
	nonce = tr_loop_on() ? 0 : vgpu_now_ns() ^ (uint64_t)s->owner << 40 ^ (uint64_t)(uintptr_t)s;
	r = tr_frames_init(s, err);
	if (r == 0)
		r = connect_worker(s, node, nonce, err);
	if (r == 0)
		r = welcome(s, nonce, err);
	if (r) {
		tr_loop_stop(s);
		tr_window_unmap(s);
		tr_ring_fini(s);
		tr_frames_fini(s);
		session_free(s);
		return r;
	}
	*out = s;
	return 0;
}

static unsigned wanted_transport(void)
{
	const char *env = vgpu_getenv("VGPU_TRANSPORT");

	for (unsigned i = 1; env && i < ARRAY_SIZE(transport_names); i++)
		if (strcmp(env, transport_names[i]) == 0)
			return i;
	return 0;
}

int tr_open(struct tr_session **out, const struct tr_node *node, unsigned transport, struct vgpu_err *err)
{
	static const unsigned order[] = { VGP_TRANSPORT_RING, VGP_TRANSPORT_MOUNTSOCK, VGP_TRANSPORT_NODE };
	struct vgpu_err first = VGPU_ERR_INIT, other = VGPU_ERR_INIT;
	int r = 0;

	tr_debug_init();
	if (transport == 0)
		transport = wanted_transport();
	if (transport >= ARRAY_SIZE(transport_names))
		return vgpu_err_set(err, VGPU_E_INVALID, "transport %u does not exist", transport);
	if (transport)
		return open_with(out, node, transport, err);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		r = open_with(out, node, order[i], i ? &other : &first);
		if (r == 0)
			return 0;
		/* the daemon can't take a socket from this process, or has no shared memory to give */
		if (i == 0 && r != -VGPU_E_NOT_PERMITTED && r != -VGPU_E_NOT_SUPPORTED && r != -VGPU_E_NOMEM &&
		    r != -VGPU_E_SYSTEM)
			break;
	}
	return first.status ? vgpu_err_set(err, first.status, "%s", first.text) : r;
}

void tr_close(struct tr_session *s)
{
	if (!s)
		return;
	if (!tr_usable(s)) {
		tr_abandon(s);
		return;
	}
	if (tr_check_alive(s) == 0)
		tr_frame_send(s, VGP_FRAME_BYE, NULL, 0, NULL, 0, false);
	tr_kill(s, VGPU_E_DEINITIALIZED);
	tr_loop_stop(s);
	tr_shadow_fini(s);
	tr_window_unmap(s);
	tr_ring_fini(s);
	tr_frames_fini(s);
	pthread_mutex_destroy(&s->queue_lock);
	pthread_mutex_destroy(&s->host_lock);
	session_free(s);
}

/*
 * The shared mappings were not inherited (MADV_DONTFORK) and their addresses
 * may hold something else by now; locks may be held by threads that don't
 * exist here. So only descriptors and private memory go.
 */
void tr_abandon(struct tr_session *s)
{
	if (!s)
		return;
	tr_shadow_fini(s);
	free(s->frames.buf);
	session_free(s);
}
