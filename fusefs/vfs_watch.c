/* vfs_watch.c: what epoll watches; see vfs.h. */
#include <sys/epoll.h>
#include <unistd.h>

#include "fusefs/vfs.h"

int vfs_watch_add(struct vfs *v, struct vfs_watch *w, int fd, uint32_t events,
		  void (*ready)(struct vfs *v, struct vfs_watch *w, uint32_t events))
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	w->fd = fd;
	w->ready = ready;
	return epoll_ctl(v->ep, EPOLL_CTL_ADD, fd, &e);
}

void vfs_watch_arm(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	epoll_ctl(v->ep, EPOLL_CTL_MOD, w->fd, &e);
}

void vfs_watch_close(struct vfs *v, struct vfs_watch *w)
{
	if (w->fd < 0)
		return;
	/* explicitly: super has a duplicate, so that closing alone would not end it */
	epoll_ctl(v->ep, EPOLL_CTL_DEL, w->fd, NULL);
	close(w->fd);
	w->fd = -1;
}
