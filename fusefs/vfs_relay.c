/*
 * vfs_relay.c: sessions whose frames travel by write and read on the node. One
 * write is one frame to the worker, one read the next frame from it. Nothing
 * is kept here: a write is answered when the worker's socket has the frame, a
 * frame leaves the socket when the read that brings it was answered. So a
 * daemon may die at any moment and no frame is lost or doubled.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fusefs/vfs.h"
#include "util/log.h"

/* Serving is single threaded: one is enough. */
static char frame[VGP_FRAME_MAX];

bool vfs_relay_is(const struct vfs *v, uint32_t handle)
{
	uint32_t slot = v->st->handles[handle].session_slot;

	return slot && v->st->sess[slot - 1].transport == VGP_TRANSPORT_NODE;
}

struct vfs_later *vfs_later_new(struct vfs *v, fuse_req_t req, uint32_t handle)
{
	struct vfs_later *l = calloc(1, sizeof(*l));

	if (l) {
		l->v = v;
		l->req = req;
		l->unique = vfs_unique(v);
		l->handle = handle;
	}
	return l;
}

static bool is_dead(struct vfs *v, uint32_t handle)
{
	return v->st->sess[v->st->handles[handle].session_slot - 1].phase == VFS_SESS_DEAD;
}

void vfs_relay_write(struct vfs *v, fuse_req_t req, uint32_t handle, const char *data, size_t len)
{
	struct vfs_handle *h = &v->st->handles[handle];
	struct vfs_live_sess *l = vfs_sess_of(v, handle);

	if (!vfs_same_process(v, handle, fuse_req_ctx(req)->pid)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	if (len > VGP_FRAME_MAX) {
		fuse_reply_err(req, EMSGSIZE);
		return;
	}
	if (v->resent && h->write_unique == vfs_unique(v)) {
		fuse_reply_write(req, len); /* it has been passed on; the answer was lost */
		return;
	}
	if (is_dead(v, handle) || l->relay.fd < 0) {
		fuse_reply_err(req, ECONNRESET);
		return;
	}
	if (send(l->relay.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		fuse_reply_err(req, errno == EAGAIN || errno == ENOBUFS ? EAGAIN : errno == EMSGSIZE ? EMSGSIZE : ECONNRESET);
		return;
	}
	h->write_unique = vfs_unique(v);
	fuse_reply_write(req, len);
}

/* ---- reading ---- */

static void drop_frame(int fd)
{
	char byte;

	if (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) < 0)
		log_debug("drop a frame: %s", strerror(errno));
}

/* Answers with the next frame, the end, or an error. False: there is nothing yet. */
static bool read_frame(struct vfs *v, uint32_t handle, fuse_req_t req, uint64_t unique, size_t size)
{
	struct vfs_handle *h = &v->st->handles[handle];
	struct vfs_live_sess *l = vfs_sess_of(v, handle);
	ssize_t n;

	if (l->relay.fd < 0) {
		fuse_reply_buf(req, NULL, 0);
		return true;
	}
	/* Left by a daemon before us. This very read asks again: the frame was not delivered. Another: it was.
	 * Where requests are not sent again nobody knows; better twice than never. */
	if (h->read_unique && h->read_unique != unique && !v->st->no_resend)
		drop_frame(l->relay.fd);
	h->read_unique = 0;
	n = recv(l->relay.fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !is_dead(v, handle))
		return false;
	if (n <= 0) {
		fuse_reply_buf(req, NULL, 0);
		return true;
	}
	if ((size_t)n > sizeof(frame)) {
		log_warn("a worker sent a frame of %zd bytes, dropped", n);
		drop_frame(l->relay.fd);
		fuse_reply_err(req, EIO);
		return true;
	}
	if ((size_t)n > size) {
		fuse_reply_err(req, EMSGSIZE);
		return true;
	}
	__atomic_store_n(&h->read_unique, unique, __ATOMIC_RELEASE);
	/* ENOENT: the reader was killed; the frame is the next one's */
	if (fuse_reply_buf(req, frame, (size_t)n) == 0)
		drop_frame(l->relay.fd);
	__atomic_store_n(&h->read_unique, 0, __ATOMIC_RELEASE);
	return true;
}

static void unlink_reader(struct vfs *v, struct vfs_later *l)
{
	struct vfs_later **at = &v->opens[l->handle].readers;

	while (*at && *at != l)
		at = &(*at)->next;
	if (*at)
		*at = l->next;
}

static void on_read_interrupt(fuse_req_t req, void *arg)
{
	struct vfs_later *l = arg;

	unlink_reader(l->v, l);
	fuse_reply_err(req, EINTR);
	free(l);
}

void vfs_relay_read(struct vfs *v, fuse_req_t req, uint32_t handle, size_t size, bool nonblock)
{
	struct vfs_later **at = &v->opens[handle].readers, *l;

	if (!vfs_same_process(v, handle, fuse_req_ctx(req)->pid)) {
		fuse_reply_err(req, EPERM);
		return;
	}
	/* who came first is served first */
	if (!*at && read_frame(v, handle, req, vfs_unique(v), size))
		return;
	if (nonblock) {
		fuse_reply_err(req, EAGAIN);
		return;
	}
	l = vfs_later_new(v, req, handle);
	if (!l) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	l->size = size;
	while (*at)
		at = &(*at)->next;
	*at = l;
	vfs_relay_arm(v, handle);
	fuse_req_interrupt_func(req, on_read_interrupt, l); /* may answer at once */
}

/* ---- waiting ---- */

unsigned vfs_relay_poll(struct vfs *v, uint32_t handle)
{
	struct vfs_live_sess *l = vfs_sess_of(v, handle);
	struct pollfd p = { .fd = l->relay.fd, .events = POLLIN | POLLOUT };
	unsigned out = 0;

	if (l->relay.fd < 0 || poll(&p, 1, 0) < 0)
		return POLLIN | POLLRDNORM | POLLHUP;
	if (p.revents & POLLIN)
		out |= POLLIN | POLLRDNORM;
	if (p.revents & (POLLHUP | POLLERR) || is_dead(v, handle))
		out |= POLLIN | POLLRDNORM | POLLHUP;
	else if (p.revents & POLLOUT)
		out |= POLLOUT | POLLWRNORM;
	return out;
}

void vfs_relay_arm(struct vfs *v, uint32_t handle)
{
	struct vfs_live_sess *l = vfs_sess_of(v, handle);
	bool polled = v->st->handles[handle].poll_armed;
	uint32_t events = EPOLLONESHOT;

	if (l->relay.fd < 0 || (!polled && !v->opens[handle].readers))
		return;
	events |= EPOLLIN;
	/* a poller waits for room only when there is none */
	if (polled && !(vfs_relay_poll(v, handle) & POLLOUT))
		events |= EPOLLOUT;
	vfs_watch_arm(v, &l->relay, events);
}

static void wake_poller(struct vfs *v, struct vfs_handle *h)
{
	if (!h->poll_armed)
		return;
	h->poll_armed = 0;
	vfs_io_wake_poll(v, h->poll_kh);
}

static void serve_readers(struct vfs *v, uint32_t handle)
{
	struct vfs_later **first = &v->opens[handle].readers, *l;

	while ((l = *first) && read_frame(v, handle, l->req, l->unique, l->size)) {
		*first = l->next;
		free(l);
	}
}

void vfs_relay_ready(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	struct vfs_live_sess *l = container_of(w, struct vfs_live_sess, relay);
	uint32_t handle = v->st->sess[l->slot].handle;

	serve_readers(v, handle);
	wake_poller(v, &v->st->handles[handle]);
	vfs_relay_arm(v, handle);
}

/* Frames that the worker sent before its end are still read. */
void vfs_relay_end(struct vfs *v, uint32_t handle)
{
	serve_readers(v, handle);
	wake_poller(v, &v->st->handles[handle]);
}

void vfs_relay_wake_all(struct vfs *v)
{
	for (uint32_t i = 0; i < v->st->handles_high; i++)
		if (v->st->handles[i].used)
			wake_poller(v, &v->st->handles[i]);
}
