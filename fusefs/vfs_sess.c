/*
 * vfs_sess.c: sessions: from HELLO to the worker's start, and its end. One
 * open node has at most one session, one session has one worker.
 *
 *   FREE → SPAWNING (HELLO: super was asked) → RUNNING (worker got START, HELLO
 *   is answered) → DEAD (worker or client gone) → FREE (the open is closed)
 *
 * A session ends when its open is released, its client process ends (a forked
 * child may hold the open for longer) or its worker ends. What it held is free
 * at that moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fusefs/vfs_mon.h"
#include "fusefs/vfs_check.h"
#include "fusefs/vfs_sess.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/sys.h"

/* Room for many frames on their way through a node session. */
#define RELAY_BUFFER (2 << 20)

/* ---- talking to super ---- */

int vfs_send_super(struct vfs *v, const struct vgp_ctl *m, const int *fds, int nfds)
{
	return vgpu_send_fds(VGP_DAEMON_FD_SUPER, m, sizeof(*m), fds, nfds, MSG_DONTWAIT) < 0 ? -1 : 0;
}

static void send_end(struct vfs *v, uint64_t id)
{
	struct vgp_ctl m = { .op = VGP_CTL_END, .session = id };

	if (vfs_send_super(v, &m, NULL, 0) < 0 && !vgpu_vec_push(&v->ends, id))
		log_err("session %llu: its worker can't be ended", (unsigned long long)id);
}

void vfs_sess_retry_ends(struct vfs *v)
{
	size_t n = v->ends.n;
	uint64_t *ids = v->ends.v;

	memset(&v->ends, 0, sizeof(v->ends));
	for (size_t i = 0; i < n; i++)
		send_end(v, ids[i]);
	free(ids);
}

/* ---- slots ---- */

static struct vfs_sess *sess_at(struct vfs *v, uint32_t slot)
{
	return &v->st->sess[slot];
}

/* The slot is part of the number. */
static int slot_of(struct vfs *v, uint64_t id)
{
	uint32_t slot = (uint32_t)(id % VFS_MAX_SESSIONS);

	if (slot >= v->st->sess_high || sess_at(v, slot)->phase == VFS_SESS_FREE || sess_at(v, slot)->id != id)
		return -1;
	return (int)slot;
}

static struct vfs_live_sess *live_new(struct vfs *v, uint32_t slot)
{
	struct vfs_live_sess *l = calloc(1, sizeof(*l));

	if (l) {
		l->ctl.fd = l->client.fd = l->relay.fd = -1;
		l->slot = slot;
		v->sess[slot] = l;
	}
	return l;
}

struct vfs_live_sess *vfs_sess_of(const struct vfs *v, uint32_t handle)
{
	uint32_t slot = v->st->handles[handle].session_slot;

	return slot ? v->sess[slot - 1] : NULL;
}

/* ---- what a session may use ---- */

/* The node that was opened is that of a device: of it alone. */
static void bar(struct vfs *v, struct vfs_sess *s, uint32_t handle)
{
	struct vfs_place p;

	if (!vfs_place_of(&v->src.devs, v->st->handles[handle].nodeid, &p) || p.dev < 0)
		return;
	s->barred = s->barred_gi = UINT64_MAX;
	s->barred &= ~(1ull << p.dev);
	s->barred_gi &= ~(1ull << p.dev);
}

static void admit(struct vfs *v, struct vfs_sess *s, struct vfs_place p)
{
	uint32_t key = v->src.devs.key[p.dev];

	for (unsigned d = 0; d < s->n_devices && d < VGPU_MAX_DEVICES; d++) {
		int mig = vfs_devset_mig(&v->src.devs, s->dev_key[d]);
		const struct vfs_ci *ci = mig >= 0 ? &v->src.devs.mig_at[mig] : NULL;

		if (!p.gi && s->dev_key[d] == key) {
			s->barred &= ~(1ull << d);
			s->barred_gi &= ~(1ull << d);
		}
		if (!p.gi || !ci || ci->dev != p.dev || ci->gi != p.gi - 1)
			continue;
		if (!p.ci)
			s->barred_gi &= ~(1ull << d);
		else if (ci->ci == p.ci - 1)
			s->barred &= ~(1ull << d);
	}
}

bool vfs_sess_may(const struct vfs_sess *s, unsigned d)
{
	return !((s->barred | s->barred_gi) >> d & 1);
}

void vfs_mon_ADMIT(struct vfs *v, struct vfs_ask *a)
{
	struct vfs_client c;

	if (!vfs_client_of(fuse_req_ctx(a->req)->pid, &c)) {
		a->u.head.status = VGPU_E_NOT_PERMITTED;
		return;
	}
	for (uint32_t i = 0; i < v->st->sess_high; i++)
		if (v->st->sess[i].phase == VFS_SESS_RUNNING && v->st->sess[i].client_pid == (uint32_t)c.tgid)
			admit(v, &v->st->sess[i], a->place);
}

/* A slot in phase SPAWNING for the handle; NULL: too many. */
static struct vfs_live_sess *sess_new(struct vfs *v, uint32_t handle, const struct vgp_hello *h, const struct vfs_client *c)
{
	struct vfs_state *st = v->st;
	struct vfs_live_sess *l;
	struct vfs_sess *s;
	uint32_t slot;

	for (slot = 0; slot < VFS_MAX_SESSIONS; slot++)
		if (slot >= st->sess_high || st->sess[slot].phase == VFS_SESS_FREE)
			break;
	if (slot == VFS_MAX_SESSIONS || !(l = live_new(v, slot)))
		return NULL;
	if (slot >= st->sess_high)
		st->sess_high = slot + 1;
	s = sess_at(v, slot);
	memset(s, 0, sizeof(*s));
	s->handle = handle;
	s->id = ++st->next_session * VFS_MAX_SESSIONS + slot;
	s->nonce = h->nonce;
	s->transport = h->transport;
	s->client_pid = (uint32_t)c->tgid;
	s->client_uid = c->uid;
	s->client_start = vfs_client_start(c->tgid);
	/* in the order of the worker's table */
	s->n_devices = (uint32_t)(v->src.devs.n + v->src.devs.n_mig);
	memcpy(s->dev_key, v->src.devs.key, sizeof(s->dev_key));
	for (size_t i = 0; i < v->src.devs.n_mig; i++)
		s->dev_key[v->src.devs.n + i] = v->src.devs.mig_at[i].key;
	bar(v, s, handle);
	l->greeting = *h;
	__atomic_store_n(&s->phase, VFS_SESS_SPAWNING, __ATOMIC_RELEASE);
	st->handles[handle].hello_unique = vfs_unique(v);
	st->handles[handle].session_slot = slot + 1;
	return l;
}

/* The worker shall end, or has: what it held is free. The slot stays while the open does. */
void vfs_sess_dead(struct vfs *v, uint32_t slot, int err, bool tell_super)
{
	struct vfs_live_sess *l = v->sess[slot];
	struct vfs_sess *s = sess_at(v, slot);

	if (s->phase == VFS_SESS_DEAD)
		return;
	vfs_acct_leave_all(v, slot);
	s->phase = VFS_SESS_DEAD;
	memset(s->held, 0, sizeof(s->held));
	if (tell_super)
		send_end(v, s->id);
	vfs_watch_close(v, &l->ctl);
	vfs_watch_close(v, &l->client);
	if (l->hello) {
		struct vfs_later *later = l->hello;

		l->hello = NULL;
		fuse_reply_err(later->req, err);
		free(later);
		/* no worker has served it: the open may try again */
		vfs_sess_release(v, s->handle);
		return;
	}
	vfs_relay_end(v, s->handle);
}

void vfs_sess_release(struct vfs *v, uint32_t handle)
{
	struct vfs_live_sess *l = vfs_sess_of(v, handle);
	struct vfs_handle *h = &v->st->handles[handle];
	struct vfs_sess *s;

	if (!h->session_slot)
		return;
	s = sess_at(v, h->session_slot - 1);
	if (l->hello) { /* can't be while an ioctl holds the open, but a restart may have got it wrong */
		fuse_reply_err(l->hello->req, EINTR);
		free(l->hello);
		l->hello = NULL;
	}
	if (s->phase != VFS_SESS_DEAD)
		vfs_sess_dead(v, l->slot, EINTR, true);
	vfs_watch_close(v, &l->relay);
	v->sess[l->slot] = NULL;
	h->session_slot = 0;
	__atomic_store_n(&s->phase, VFS_SESS_FREE, __ATOMIC_RELEASE);
	free(l);
}

/* ---- HELLO ---- */

/* The client's end of its socketpair; checked to be one, and to be its own. */
static int pull_socket(const struct vfs_client *c, pid_t tid, int fd)
{
	cleanup_close int pidfd = vgpu_pidfd_open(tid, true);
	int sock, domain = 0, type = 0;
	socklen_t len = sizeof(domain);
	struct ucred peer;

	if (pidfd < 0) /* before Linux 6.9: only of whole processes */
		pidfd = vgpu_pidfd_open(c->tgid, false);
	if (pidfd < 0)
		return -errno;
	sock = vgpu_pidfd_getfd(pidfd, fd);
	if (sock < 0)
		return -errno;
	if (getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX ||
	    (len = sizeof(type), getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len) < 0) || type != SOCK_SEQPACKET) {
		close(sock);
		return -EINVAL;
	}
	len = sizeof(peer);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid != c->tgid) {
		close(sock);
		return -EPERM;
	}
	return sock;
}

/* fds[0]: the worker's end; fds[1]: ours, for a node session, or -1. */
static int client_socket(const struct vgp_hello *h, const struct vfs_client *c, pid_t tid, int fds[2])
{
	int size = RELAY_BUFFER;

	fds[1] = -1;
	if (h->transport != VGP_TRANSPORT_NODE) {
		if (!c->tgid)
			return -EPERM; /* of another world: its descriptors can't be reached */
		fds[0] = pull_socket(c, tid, h->sock_fd);
		return fds[0] < 0 ? fds[0] : 0;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

static void on_client_exit(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	struct vfs_live_sess *l = container_of(w, struct vfs_live_sess, client);

	vfs_sess_dead(v, l->slot, EIO, true);
}

static void watch_client(struct vfs *v, struct vfs_live_sess *l)
{
	struct vfs_sess *s = sess_at(v, l->slot);
	int fd = s->client_pid ? vgpu_pidfd_open((pid_t)s->client_pid, false) : -1;

	if (fd >= 0 && vfs_watch_add(v, &l->client, fd, EPOLLIN, on_client_exit) < 0) {
		close(fd);
		l->client.fd = -1;
	}
}

static void on_hello_interrupt(fuse_req_t req, void *arg)
{
	struct vfs_later *later = arg;
	struct vfs *v = later->v;
	uint32_t handle = later->handle;

	vfs_sess_of(v, handle)->hello = NULL;
	fuse_reply_err(req, EINTR);
	free(later);
	vfs_sess_release(v, handle);
}

static void hello_reply(struct vfs *v, struct vfs_live_sess *l, fuse_req_t req)
{
	struct vgp_hello out = l->greeting;

	out.abi_major = VGP_ABI_MAJOR;
	if (out.abi_minor > VGP_ABI_MINOR)
		out.abi_minor = VGP_ABI_MINOR;
	out.session = sess_at(v, l->slot)->id;
	out.status = VGPU_OK;
	out.pad0 = 0;
	memset(out.pad1, 0, sizeof(out.pad1));
	fuse_reply_ioctl(req, 0, &out, sizeof(out));
}

/* What the worker needs to know; then the client may go on. */
static void start_worker(struct vfs *v, struct vfs_live_sess *l)
{
	struct vfs_sess *s = sess_at(v, l->slot);
	struct vgp_ctl m = { .op = VGP_CTL_START, .session = s->id };
	struct vgp_ctl_start start = { .nonce = s->nonce, .transport = s->transport,
				       .client_pid = s->client_pid, .client_uid = s->client_uid };
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vfs_later *later = l->hello;
	ssize_t sent;

	vgpu_buf_add(&b, &m, sizeof(m));
	vgpu_buf_add(&b, &start, sizeof(start));
	vgpu_devtab_print_all(&b, v->src.devs.dev, v->src.devs.n, v->src.devs.mig, v->src.devs.n_mig);
	sent = b.failed ? -1 : vgpu_send_fds(l->ctl.fd, b.data, b.len, &l->client.fd, l->client.fd >= 0, MSG_DONTWAIT);
	vgpu_buf_free(&b);
	if (sent < 0) {
		log_err("session %llu: START: %s", (unsigned long long)s->id, strerror(errno));
		vfs_sess_dead(v, l->slot, EIO, true);
		return;
	}
	s->phase = VFS_SESS_RUNNING;
	l->hello = NULL;
	if (later) {
		hello_reply(v, l, later->req);
		free(later);
	}
}

/* Asks super for a worker. What the session's device numbers mean is fixed here. */
static int ask_worker(struct vfs *v, fuse_req_t req, uint32_t handle, const struct vgp_hello *h)
{
	struct vgp_ctl m = { .op = VGP_CTL_SPAWN };
	pid_t tid = fuse_req_ctx(req)->pid;
	struct vfs_client c = { 0 };
	struct vfs_live_sess *l;
	int fds[2], r;

	if (!vfs_client_of(tid, &c))
		memset(&c, 0, sizeof(c));
	r = client_socket(h, &c, tid, fds);
	if (r)
		return r;
	l = sess_new(v, handle, h, &c);
	if (l) {
		watch_client(v, l);
		m.session = sess_at(v, l->slot)->id;
		l->hello = vfs_later_new(v, req, handle);
		r = !l->hello ? -ENOMEM : vfs_send_super(v, &m, fds, fds[1] >= 0 ? 2 : 1) < 0 ? -EAGAIN : 0;
		if (r == 0 && fds[1] >= 0 && vfs_watch_add(v, &l->relay, fds[1], EPOLLONESHOT, vfs_relay_ready) == 0)
			fds[1] = -1; /* the watch has it */
		if (r) {
			free(l->hello);
			l->hello = NULL;
			vfs_sess_release(v, handle);
		}
	} else {
		r = -EUSERS;
	}
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	/* may answer at once, when the client was killed meanwhile */
	if (r == 0)
		fuse_req_interrupt_func(req, on_hello_interrupt, l->hello);
	return r;
}

int vfs_sess_connect(struct vfs *v, int sock, const struct vfs_client *c, const struct vgp_hello *h)
{
	struct vgp_ctl m = { .op = VGP_CTL_SPAWN };
	struct vfs_live_sess *l;
	struct vgp_hello as = *h;
	uint32_t handle;

	if (vfs_handle_for_socket(v, &handle))
		return -ENFILE;
	as.transport = VGP_TRANSPORT_RING; /* from here on it is one */
	l = sess_new(v, handle, &as, c);
	if (!l) {
		vfs_handle_drop(v, handle);
		return -EUSERS;
	}
	watch_client(v, l);
	m.session = sess_at(v, l->slot)->id;
	if (vfs_send_super(v, &m, &sock, 1) < 0) {
		vfs_handle_drop(v, handle);
		return -EAGAIN;
	}
	return 0;
}

void vfs_sess_hello(struct vfs *v, fuse_req_t req, uint32_t handle, const struct vgp_hello *h)
{
	struct vfs_handle *hd = &v->st->handles[handle];
	struct vfs_live_sess *l = vfs_sess_of(v, handle);
	int r;

	if (l) {
		struct vfs_sess *s = sess_at(v, l->slot);
		bool again = v->resent && hd->hello_unique == vfs_unique(v);

		l->greeting = *h;
		if (again && s->phase == VFS_SESS_RUNNING) {
			hello_reply(v, l, req); /* only the answer was lost */
			return;
		}
		if (again && s->phase == VFS_SESS_SPAWNING && l->ctl.fd >= 0 && (l->hello = vfs_later_new(v, req, handle))) {
			start_worker(v, l); /* super had started it for the daemon before us */
			return;
		}
		/* A HELLO that failed with its daemon leaves nothing behind that counts. */
		if (s->phase != VFS_SESS_SPAWNING || l->hello) {
			fuse_reply_err(req, EBUSY);
			return;
		}
		vfs_sess_release(v, handle);
	}
	r = ask_worker(v, req, handle, h);
	if (r)
		fuse_reply_err(req, -r);
}

/* ---- what super says ---- */

static void on_spawned(struct vfs *v, const struct vgp_ctl *m, int *fds, int nfds)
{
	int slot = slot_of(v, m->session);
	struct vfs_live_sess *l = slot >= 0 ? v->sess[slot] : NULL;

	if (!l || sess_at(v, (uint32_t)slot)->phase != VFS_SESS_SPAWNING || l->ctl.fd >= 0) {
		/* the client has gone meanwhile */
		if (!m->status)
			send_end(v, m->session);
		return;
	}
	if (m->status || nfds < 1) {
		vfs_sess_dead(v, (uint32_t)slot, vgpu_status_to_errno((int)m->status), false);
		return;
	}
	sess_at(v, (uint32_t)slot)->worker_pid = m->pid;
	if (vfs_watch_add(v, &l->ctl, fds[0], EPOLLIN, vfs_acct_ready) < 0) {
		l->ctl.fd = -1;
		vfs_sess_dead(v, (uint32_t)slot, ENOMEM, true);
		return;
	}
	fds[0] = -1;
	start_worker(v, l);
}

static void on_exited(struct vfs *v, const struct vgp_ctl *m)
{
	int slot = slot_of(v, m->session);

	if (slot < 0)
		return;
	if (m->value && sess_at(v, (uint32_t)slot)->phase != VFS_SESS_DEAD)
		log_info("worker %u of client %u ended with wait status %#llx", m->pid,
			 sess_at(v, (uint32_t)slot)->client_pid, (unsigned long long)m->value);
	vfs_sess_dead(v, (uint32_t)slot, EIO, false);
}

void vfs_sess_from_super(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	int fds[VGPU_MAX_FDS], nfds;
	struct vgp_ctl m;
	ssize_t n = vgpu_recv_fds(w->fd, &m, sizeof(m), fds, &nfds, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EMSGSIZE))
		return;
	if (n <= 0) {
		log_err("vgpufs-super is gone, ending");
		v->ended = true;
		return;
	}
	if (n == sizeof(m)) {
		if (m.op == VGP_CTL_SPAWNED) {
			on_spawned(v, &m, fds, nfds);
		} else if (m.op == VGP_CTL_EXITED) {
			on_exited(v, &m);
		} else if (m.op == VGP_CTL_LISTEN) {
			vfs_sock_listen(v, nfds ? fds[0] : -1);
			if (nfds)
				fds[0] = -1;
		}
	}
	for (int i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* ---- after a restart ---- */

/* A worker that has survived the daemon before us. Takes the descriptors that it uses (set to -1). */
static void adopt(struct vfs *v, const struct vgp_ctl *m, int *fds, int nfds)
{
	int slot = slot_of(v, m->session);
	struct vfs_live_sess *l = slot >= 0 ? v->sess[slot] : NULL;
	struct vfs_sess *s = l ? sess_at(v, (uint32_t)slot) : NULL;

	if (!s || s->phase == VFS_SESS_DEAD || nfds < 2 || l->ctl.fd >= 0) {
		send_end(v, m->session);
		return;
	}
	s->worker_pid = m->pid;
	if (vfs_watch_add(v, &l->ctl, fds[0], EPOLLIN, vfs_acct_ready) == 0)
		fds[0] = -1;
	if (nfds > 2 && vfs_watch_add(v, &l->relay, fds[2], EPOLLONESHOT, vfs_relay_ready) == 0)
		fds[2] = -1;
	/* a number that now belongs to another process */
	if (s->client_pid && vfs_client_start((pid_t)s->client_pid) != s->client_start)
		vfs_sess_dead(v, (uint32_t)slot, EIO, true);
	else
		watch_client(v, l);
	if (s->phase == VFS_SESS_RUNNING)
		vfs_acct_adopt(v, l);
}

/* What has no worker is dead; a connection has no HELLO that is sent again, it goes on at once. */
static void restored(struct vfs *v, uint32_t i)
{
	struct vfs_sess *s = sess_at(v, i);

	if (s->phase == VFS_SESS_RUNNING && v->sess[i]->ctl.fd < 0)
		vfs_sess_dead(v, i, EIO, false);
	else if (s->phase == VFS_SESS_SPAWNING && v->st->handles[s->handle].by_socket) {
		if (v->sess[i]->ctl.fd >= 0)
			start_worker(v, v->sess[i]);
		else
			vfs_sess_dead(v, i, EIO, true);
	}
}

/* Every session that was there gets its part in memory; then super brings the workers. */
int vfs_sess_restore(struct vfs *v, struct vgpu_err *err)
{
	struct vgp_ctl m = { .op = VGP_CTL_RESTORE };

	if (v->st->daemons == 1)
		return 0;
	for (uint32_t i = 0; i < v->st->sess_high; i++) {
		struct vfs_sess *s = sess_at(v, i);

		if (s->phase == VFS_SESS_FREE)
			continue;
		if (s->handle >= v->st->handles_high || !v->st->handles[s->handle].used ||
		    v->st->handles[s->handle].session_slot != i + 1)
			s->phase = VFS_SESS_FREE; /* half made or half freed */
		else if (!live_new(v, i))
			return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	}
	if (vgpu_send_fds(VGP_DAEMON_FD_SUPER, &m, sizeof(m), NULL, 0, 0) < 0)
		return vgpu_err_errno(err, "ask vgpufs-super for the workers");
	for (;;) {
		int fds[VGPU_MAX_FDS], nfds;
		ssize_t n = vgpu_recv_fds(VGP_DAEMON_FD_SUPER, &m, sizeof(m), fds, &nfds, 0);

		if (n <= 0)
			return vgpu_err_errno(err, "hear of the workers");
		if (m.op == VGP_CTL_SPAWNED)
			adopt(v, &m, fds, nfds);
		for (int i = 0; i < nfds; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		if (m.op == VGP_CTL_RESTORED)
			break;
	}
	for (uint32_t i = 0; i < v->st->sess_high; i++)
		restored(v, i);
	for (uint32_t i = 0; i < v->st->handles_high; i++)
		if (v->st->handles[i].used && v->st->handles[i].by_socket && !v->st->handles[i].session_slot)
			vfs_handle_drop(v, i); /* half made */
	return 0;
}

int vfs_sess_init(struct vfs *v, struct vgpu_err *err)
{
	v->opens = calloc(VFS_MAX_HANDLES, sizeof(*v->opens));
	v->sess = calloc(VFS_MAX_SESSIONS, sizeof(struct vfs_live_sess *));
	if (!v->opens || !v->sess)
		return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	v->src.live = (struct vfs_live){ v, vfs_sess_memory, vfs_sess_utilization, vfs_sess_clients, vfs_sess_count,
					vfs_live_telemetry, vfs_live_processes, vfs_live_instance, vfs_live_injected, vfs_live_reports };
	v->last_tick = vgpu_now_ns();
	return 0;
}

void vfs_sess_fini(struct vfs *v)
{
	for (uint32_t i = 0; i < v->st->handles_high; i++)
		vgpu_buf_free(&v->opens[i].text);
	for (uint32_t i = 0; i < v->st->sess_high; i++)
		free(v->sess[i]);
	free(v->opens);
	free(v->sess);
	vgpu_vec_free(&v->ends);
	vfs_telemetry_free(v);
}
