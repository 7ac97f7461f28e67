/*
 * vfs_main.c: vgpufsd's start and its loop. Started by vgpufs-super with three
 * descriptors (vgp_ctl.h); ends when the mount is gone or super is.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fusefs/vfs.h"
#include "fusefs/vfs_check.h"
#include "util/log.h"
#include "util/sys.h"

static void on_fuse(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	vfs_io_serve(v);
}

static void on_timer(struct vfs *v, struct vfs_watch *w, uint32_t events)
{
	uint64_t n;

	if (read(w->fd, &n, sizeof(n)) != sizeof(n))
		return;
	vfs_sess_tick(v);
	vfs_sock_tick(v);
	if (!v->polling)
		vfs_devs_reload(v, NULL);
}

static int start_timer(struct vfs *v, struct vgpu_err *err)
{
	struct itimerspec t = { .it_interval = { 1, 0 }, .it_value = { 1, 0 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &t, NULL) < 0 ||
	    vfs_watch_add(v, &v->timer_watch, fd, EPOLLIN, on_timer) < 0)
		return vgpu_err_errno(err, "timer");
	return 0;
}

/*
 * One event at a time: its handler may close what a later one of the same
 * batch is about.
 */
static int loop(struct vfs *v, struct vgpu_err *err)
{
	while (!v->ended) {
		struct epoll_event e;
		int n = epoll_wait(v->ep, &e, 1, -1);

		if (n < 0 && errno != EINTR)
			return vgpu_err_errno(err, "epoll_wait");
		if (n == 1) {
			struct vfs_watch *w = e.data.ptr;

			w->ready(v, w, e.events);
		}
	}
	return 0;
}

static int start(struct vfs *v, struct vgpu_err *err)
{
	struct vgp_ctl ready = { .op = VGP_CTL_READY };
	int r;

	v->ep = epoll_create1(EPOLL_CLOEXEC);
	if (v->ep < 0)
		return vgpu_err_errno(err, "epoll_create");
	if ((r = vfs_state_map(VGP_DAEMON_FD_STATE, &v->st, err)))
		return r;
	v->st->daemons++;
	if (v->st->executing) {
		/* the one before us died while it served this */
		if (v->st->suspect != v->st->executing)
			v->st->suspect_deaths = 0;
		v->st->suspect = v->st->executing;
		v->st->suspect_deaths++;
		v->st->executing = 0;
	}
	vfs_tree_init();
	v->src.devs.sock = v->st->sock_made;
	if ((r = vfs_sess_init(v, err)) || (r = vfs_sess_restore(v, err)) || (r = start_timer(v, err)) ||
	    (r = vfs_io_session(v, err)) || (r = vfs_jobs_start(v, err)) || (r = vfs_devs_first(v, err)) ||
	    (r = vfs_io_open(v, VGP_DAEMON_FD_FUSE, err)))
		return r;
	v->super_watch.ready = vfs_sess_from_super;
	if (vfs_watch_add(v, &v->super_watch, VGP_DAEMON_FD_SUPER, EPOLLIN, vfs_sess_from_super) < 0 ||
	    vfs_watch_add(v, &v->fuse_watch, v->fuse_fd, EPOLLIN, on_fuse) < 0)
		return vgpu_err_errno(err, "epoll");
	vfs_relay_wake_all(v);
	return vfs_send_super(v, &ready, NULL, 0) < 0 ? vgpu_err_errno(err, "tell vgpufs-super") : 0;
}

/* Whoever started the mount may wait for the end of its output: now that we serve, it is not ours any more. */
static int detach(struct vgpu_err *err)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return vgpu_err_errno(err, "open /dev/null");
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "state", required_argument, NULL, 's' },
		{ "detach", no_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};
	static struct vfs v = { .fuse_fd = -1, .sock_watch = { .fd = -1 }, .state_dir = VGPU_STATEDIR };
	static const struct rlimit no_core = { 0, 0 };
	struct vgpu_err err = VGPU_ERR_INIT;
	bool leave = false;
	int c;

	vgpu_log_open("vgpufsd", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		if (c == 's')
			v.state_dir = optarg;
		else if (c == 'd')
			leave = true;
		else
			return 2;
	}
	if (start(&v, &err) || (leave && detach(&err)) || loop(&v, &err)) {
		log_err("%s", err.text);
		return 1;
	}
	vfs_jobs_stop(&v);
	vfs_io_close(&v);
	vfs_sess_fini(&v);
	vfs_check_fini(&v);
	return 0;
}
