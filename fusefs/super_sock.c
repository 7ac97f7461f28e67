/*
 * super_sock.c: the socket inside the mount, dev/vgpu.sock, where clients ask
 * for sessions whose own sockets the daemon may not pull. We hold it, so that
 * it outlives daemons: who connects meanwhile waits in its queue.
 *
 * A bound socket holds the mount through which it was bound, and umount would
 * find that busy. So a helper process binds it through a copy of the mount, in
 * a mount name space of its own that ends with the helper. The socket then
 * keeps the file system alive, but not the mount; when the last mount has left
 * our name space we close it. Where no such name space can be had there is no
 * socket: nothing else depends on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fusefs/super.h"
#include "protocol/vgp_wire.h"
#include "util/log.h"
#include "util/sys.h"

#define BACKLOG 256

/* In the helper. Answers the errno; the listening socket goes to `to`. */
static int bind_in_copy(struct super *s, int to)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = VGP_MOUNTSOCK };
	int sock;

	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return errno;
	/* or umount would see the copy, and its user, from outside */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return errno;
	umask(0);
	if (chdir(s->opts.mountpoint) < 0 || chdir("dev") < 0)
		return errno;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(sock, BACKLOG) < 0)
		return errno;
	return vgpu_send_fds(to, "", 1, &sock, 1, 0) < 0 ? errno : 0;
}

static void start_helper(struct super *s)
{
	int sv[2], code;
	pid_t pid;

	if (!super_mount_find(s) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		code = bind_in_copy(s, sv[1]);
		if (code)
			log_debug("no socket in the mount: %s", strerror(code));
		_exit(code != 0);
	}
	close(sv[1]);
	if (pid > 0)
		s->helper_fd = sv[0];
	else
		close(sv[0]);
}

static void hand_over(struct super *s)
{
	struct vgp_ctl m = { .op = VGP_CTL_LISTEN };

	super_send_daemon(s, &m, &s->listen_fd, s->listen_fd >= 0);
}

bool super_sock_ready(struct super *s)
{
	if (s->listen_fd >= 0)
		hand_over(s);
	else if (!s->served && s->helper_fd < 0)
		start_helper(s);
	return s->helper_fd >= 0;
}

void super_sock_answer(struct super *s)
{
	int fds[VGPU_MAX_FDS], nfds = 0;
	char byte;

	if (vgpu_recv_fds(s->helper_fd, &byte, 1, fds, &nfds, MSG_DONTWAIT) == 1 && nfds == 1) {
		s->listen_fd = fds[0];
		s->mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
		hand_over(s);
	}
	close(s->helper_fd);
	s->helper_fd = -1;
	super_sock_check(s);
}

void super_sock_check(struct super *s)
{
	if (s->listen_fd >= 0 && (s->mounts_fd < 0 || !super_mount_there(s)))
		super_sock_close(s);
}

void super_sock_close(struct super *s)
{
	bool had = s->listen_fd >= 0;

	if (had)
		close(s->listen_fd);
	if (s->mounts_fd >= 0)
		close(s->mounts_fd);
	if (s->helper_fd >= 0)
		close(s->helper_fd);
	s->listen_fd = s->mounts_fd = s->helper_fd = -1;
	if (had)
		hand_over(s);
}
