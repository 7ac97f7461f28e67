/*
 * super_loop.c: what vgpufs-super does while the mount lives: it answers its
 * daemon, replaces it, reaps workers, and ends the mount on SIGTERM.
 *
 * States: starting (the first daemon has not said READY: its death is a failed
 * start) → serving → leaving (SIGTERM: the mount is out of the name space, who
 * still uses it is served) → ended (the daemon says QUIT).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fusefs/super.h"
#include "protocol/vgp_ctl.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/sys.h"

/* More crashes than that within the window, and clients get ENOTCONN instead of waiting. */
#define CRASH_MAX 20u
#define CRASH_WINDOW_NS 10000000000ull

void super_send_daemon(struct super *s, const struct vgp_ctl *m, const int *fds, int nfds)
{
	/* A dead daemon's successor asks for what it needs, so a failure is no loss. */
	if (s->daemon_ctl >= 0 && vgpu_send_fds(s->daemon_ctl, m, sizeof(*m), fds, nfds, 0) < 0 && errno != EPIPE)
		log_warn("message to vgpufsd: %s, ignoring", strerror(errno));
}

static void worker_close(struct super_worker *w)
{
	if (w->ctl >= 0)
		close(w->ctl);
	if (w->pidfd >= 0)
		close(w->pidfd);
	if (w->relay >= 0)
		close(w->relay);
}

static void tell_worker(struct super *s, const struct super_worker *w, bool with_relay)
{
	struct vgp_ctl m = { .op = VGP_CTL_SPAWNED, .session = w->session, .pid = (uint32_t)w->pid };
	int fds[3] = { w->ctl, w->pidfd, w->relay };

	super_send_daemon(s, &m, fds, with_relay && w->relay >= 0 ? 3 : 2);
}

static void on_spawn(struct super *s, const struct vgp_ctl *m, int *fds, int nfds)
{
	struct super_worker w = { .session = m->session, .pidfd = -1, .ctl = -1, .relay = -1 };
	struct vgp_ctl answer = { .op = VGP_CTL_SPAWNED, .session = m->session };
	struct vgpu_err err = VGPU_ERR_INIT;
	int r;

	if (nfds < 1 || nfds > 2) {
		answer.status = VGPU_E_PROTOCOL;
		super_send_daemon(s, &answer, NULL, 0);
		return;
	}
	r = super_spawn_worker(s, fds[0], &w, &err);
	if (r == 0 && w.pidfd >= 0 && nfds == 2) {
		w.relay = fds[1];
		fds[1] = -1;
	}
	if (r == 0 && (w.pidfd < 0 || !vgpu_vec_push(&s->workers, w))) {
		r = vgpu_err_set(&err, VGPU_E_NOMEM, "no descriptor or memory for a worker");
		kill(w.pid, SIGKILL);
		worker_close(&w);
	}
	if (r) {
		log_err("worker of session %llu: %s", (unsigned long long)m->session, err.text);
		answer.status = (uint32_t)-r;
		super_send_daemon(s, &answer, NULL, 0);
		return;
	}
	tell_worker(s, &w, false);
}

static void on_restore(struct super *s)
{
	struct vgp_ctl done = { .op = VGP_CTL_RESTORED };

	for (size_t i = 0; i < s->workers.n; i++)
		tell_worker(s, &s->workers.v[i], true);
	super_send_daemon(s, &done, NULL, 0);
}

static void on_end(struct super *s, uint64_t session)
{
	for (size_t i = 0; i < s->workers.n; i++)
		if (s->workers.v[i].session == session)
			kill(s->workers.v[i].pid, SIGKILL);
}

/* For the first time. */
static void serving(struct super *s, int *ready_fd)
{
	if (s->served)
		return;
	s->served = true;
	if (*ready_fd >= 0) {
		if (!s->opts.log)
			dup2(s->null_fd, STDERR_FILENO);
		dup2(s->null_fd, STDIN_FILENO);
		dup2(s->null_fd, STDOUT_FILENO);
		if (write(*ready_fd, "", 1) < 0)
			log_warn("the starting process is gone, ignoring");
		close(*ready_fd);
		*ready_fd = -1;
	}
	super_notify("READY=1");
}

/* Messages of the daemon; the first READY is reported to ready_fd and the service manager. */
static void on_message(struct super *s, int *ready_fd)
{
	int fds[VGPU_MAX_FDS], nfds;
	struct vgp_ctl m;
	ssize_t n = vgpu_recv_fds(s->daemon_ctl, &m, sizeof(m), fds, &nfds, MSG_DONTWAIT);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			close(s->daemon_ctl); /* its end is reported by SIGCHLD */
			s->daemon_ctl = -1;
		}
		return;
	}
	if (n == sizeof(m)) {
		switch (m.op) {
		case VGP_CTL_SPAWN: on_spawn(s, &m, fds, nfds); break;
		case VGP_CTL_RESTORE: on_restore(s); break;
		case VGP_CTL_END: on_end(s, m.session); break;
		case VGP_CTL_QUIT: s->quit = true; break;
		case VGP_CTL_READY:
			s->daemon_ready = true;
			if (!super_sock_ready(s))
				serving(s, ready_fd);
			break;
		default: log_warn("message %u of vgpufsd is unknown, ignoring", m.op);
		}
	}
	for (int i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void on_worker_exit(struct super *s, size_t i, int status)
{
	struct vgp_ctl m = { .op = VGP_CTL_EXITED, .session = s->workers.v[i].session,
			     .pid = (uint32_t)s->workers.v[i].pid, .value = (uint32_t)status };

	worker_close(&s->workers.v[i]);
	vgpu_vec_swap_remove(&s->workers, i);
	super_send_daemon(s, &m, NULL, 0);
}

/* True when the daemon has crashed so often that a new one would not help. */
static bool crashed_too_often(struct super *s, int status)
{
	uint64_t now = vgpu_now_ns();
	unsigned kept = 0;

	/* Somebody's kill -9 of a daemon that works is no crash. */
	if (s->daemon_ready && WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM))
		return false;
	for (unsigned i = 0; i < s->n_crashes; i++)
		if (now - s->crashes[i] < CRASH_WINDOW_NS)
			s->crashes[kept++] = s->crashes[i];
	s->crashes[kept++] = now;
	s->n_crashes = kept;
	if (kept > 1) /* give what troubles it a chance to pass */
		usleep(kept * 20000);
	return kept >= CRASH_MAX;
}

static int on_daemon_exit(struct super *s, int status, struct vgpu_err *err)
{
	char how[64];

	/* its last words may still be in the socket */
	for (int fd = -1; s->daemon_ctl >= 0 && !s->quit;) {
		struct pollfd p = { .fd = s->daemon_ctl, .events = POLLIN };

		if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN))
			break;
		on_message(s, &fd);
	}
	s->daemon_pid = 0;
	if (s->quit)
		return 0;
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was killed by signal %d", WTERMSIG(status));
	else
		snprintf(how, sizeof(how), "ended with status %d", WEXITSTATUS(status));
	if (!s->served)
		return vgpu_err_set(err, VGPU_E_IO, "vgpufsd %s before it served", how);
	log_warn("vgpufsd %s, starting another one", how);
	if (crashed_too_often(s, status))
		return vgpu_err_set(err, VGPU_E_IO, "vgpufsd %s, %u times in short time; giving up", how, CRASH_MAX);
	return super_spawn_daemon(s, err);
}

static int reap(struct super *s, struct vgpu_err *err)
{
	int status, r = 0;
	pid_t pid;

	while (r == 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == s->daemon_pid) {
			r = on_daemon_exit(s, status, err);
			continue;
		}
		for (size_t i = 0; i < s->workers.n; i++) {
			if (s->workers.v[i].pid == pid) {
				on_worker_exit(s, i, status);
				break;
			}
		}
	}
	return r;
}

/* What a signal asks for. *leaving: a SIGTERM has come before. */
static int on_signal(struct super *s, int sfd, bool *leaving, struct vgpu_err *err)
{
	struct signalfd_siginfo si;
	bool busy;
	int r;

	if (read(sfd, &si, sizeof(si)) != sizeof(si))
		return 0;
	if (si.ssi_signo == SIGCHLD)
		return reap(s, err);
	if (*leaving) {
		log_warn("second signal %u, ending at once", si.ssi_signo);
		s->quit = true;
		return 0;
	}
	*leaving = true;
	super_notify("STOPPING=1");
	r = super_umount(s, &busy, err);
	if (r == 0 && busy)
		log_info("%s is in use: detached, serving until the last user is gone", s->opts.mountpoint);
	return r;
}

static void end_children(struct super *s)
{
	int status;

	for (size_t i = 0; i < s->workers.n; i++)
		kill(s->workers.v[i].pid, SIGKILL);
	for (size_t i = 0; i < s->workers.n; i++) {
		waitpid(s->workers.v[i].pid, &status, 0);
		worker_close(&s->workers.v[i]);
	}
	vgpu_vec_free(&s->workers);
	if (s->daemon_pid > 0) {
		/* closing the socket asks it to end; it has nothing that could be lost */
		kill(s->daemon_pid, SIGKILL);
		waitpid(s->daemon_pid, &status, 0);
	}
	if (s->daemon_ctl >= 0)
		close(s->daemon_ctl);
	s->daemon_ctl = -1;
	s->daemon_pid = 0;
}

static int serve(struct super *s, int sfd, int *ready_fd, struct vgpu_err *err)
{
	bool leaving = false;
	int r = super_spawn_daemon(s, err);

	while (r == 0 && !s->quit) {
		struct pollfd p[4] = { { .fd = sfd, .events = POLLIN }, { .fd = s->daemon_ctl, .events = POLLIN },
				       { .fd = s->helper_fd, .events = POLLIN }, { .fd = s->mounts_fd, .events = POLLPRI } };

		if (poll(p, 4, -1) < 0 && errno != EINTR)
			return vgpu_err_errno(err, "poll");
		if (p[1].revents)
			on_message(s, ready_fd);
		if (p[2].revents) {
			super_sock_answer(s);
			serving(s, ready_fd);
		}
		if (p[3].revents)
			super_sock_check(s);
		if (p[0].revents)
			r = on_signal(s, sfd, &leaving, err);
	}
	return r;
}

int super_loop(struct super *s, int ready_fd, struct vgpu_err *err)
{
	cleanup_close int sfd = -1;
	sigset_t set;
	bool busy;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sfd < 0)
		r = vgpu_err_errno(err, "signalfd");
	else
		r = serve(s, sfd, &ready_fd, err);
	super_sock_close(s);
	end_children(s);
	if (r && !s->served)
		super_umount(s, &busy, NULL);
	/* After a crash loop the dead mount stays: ENOTCONN tells what happened, an empty directory would not. */
	if (!r)
		super_mount_clear(s);
	return r;
}
