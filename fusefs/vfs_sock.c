/*
 * vfs_sock.c: connections to the socket inside the mount, where a client asks
 * for a session when no socket of its own can be pulled (no right to ptrace
 * it). Its first packet is its HELLO; from then on the connection is the
 * worker's. Who says nothing for some seconds is dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fusefs/vfs.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/sys.h"

#define MAX_GUESTS 256u
#define PATIENCE_NS 10000000000ull

struct vfs_guest {
	struct vfs_watch watch;
	struct vfs_client client;
	uint64_t since;
	struct vfs_guest *next;
};

static void guest_drop(struct vfs *v, struct vfs_guest *g)
{
	struct vfs_guest **at = &v->guests;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	vfs_watch_close(v, &g->watch);
	free(g);
}

static void on_greeting(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	struct vfs_guest *g = container_of(w, struct vfs_guest, watch);
	struct vgp_hello h;
	ssize_t n = recv(w->fd, &h, sizeof(h), MSG_DONTWAIT | MSG_TRUNC);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == sizeof(h) && h.magic == VGP_MAGIC && h.abi_major == VGP_ABI_MAJOR && !h.flags &&
	    h.transport == VGP_TRANSPORT_MOUNTSOCK) {
		r = vfs_sess_connect(v, w->fd, &g->client, &h);
		if (r)
			log_err("connection of %d: %s", (int)g->client.tgid, strerror(-r));
	}
	guest_drop(v, g);
}

static void on_connect(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct vfs_guest *g, **at;
	unsigned n = 0;

	if (fd < 0)
		return;
	for (at = &v->guests; *at; at = &(*at)->next)
		n++;
	/* the list is in the order of arrival: the first has waited longest */
	if (n >= MAX_GUESTS)
		guest_drop(v, v->guests);
	g = calloc(1, sizeof(*g));
	if (!g || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    vfs_watch_add(v, &g->watch, fd, EPOLLIN, on_greeting) < 0) {
		free(g);
		close(fd);
		return;
	}
	g->client = (struct vfs_client){ .tgid = peer.pid, .uid = peer.uid };
	g->since = vgpu_now_ns();
	for (at = &v->guests; *at; at = &(*at)->next)
		;
	*at = g;
}

void vfs_sock_tick(struct vfs *v)
{
	while (v->guests && vgpu_now_ns() - v->guests->since > PATIENCE_NS)
		guest_drop(v, v->guests);
}

void vfs_sock_listen(struct vfs *v, int fd)
{
	vfs_watch_close(v, &v->sock_watch);
	if (fd >= 0 && vfs_watch_add(v, &v->sock_watch, fd, EPOLLIN, on_connect) < 0) {
		close(fd);
		v->sock_watch.fd = -1;
	}
}
