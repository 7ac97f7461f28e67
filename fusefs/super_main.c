/*
 * super_main.c: vgpufs-super's start: options, background, mount, loop, end.
 * The starting process answers only when the mount serves requests, so that
 * its exit status tells whether there is a mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fusefs/super.h"
#include "fusefs/vfs_state.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/sys.h"

/* mount(8) knows these. */
enum { EXIT_MOUNT_USAGE = 1, EXIT_MOUNT_SYSTEM = 2, EXIT_MOUNT_FAILED = 32 };

/* The starter waits for the byte that says "mounted", or for the child's end. */
static int wait_ready(int fd, pid_t child)
{
	unsigned char status = EXIT_MOUNT_FAILED;
	ssize_t n;
	int ws;

	do {
		n = read(fd, &status, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return status;
	if (waitpid(child, &ws, 0) == child && WIFEXITED(ws) && WEXITSTATUS(ws))
		return WEXITSTATUS(ws);
	return EXIT_MOUNT_FAILED;
}

/* Returns in the child with the descriptor to report on; the starter exits in here. */
static int background(void)
{
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid > 0) {
		close(p[1]);
		_exit(wait_ready(p[0], pid));
	}
	close(p[0]);
	setsid();
	return p[1];
}

static void write_pidfile(const char *path)
{
	char text[24];
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (fd < 0 || vgpu_write_all(fd, text, strlen(text)) < 0)
		log_warn("pid file %s: %s, ignoring", path, strerror(errno));
}

static void raise_limits(void)
{
	struct rlimit r;

	/* two or three descriptors per client */
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		if (geteuid() == 0 && r.rlim_max < 65536)
			r.rlim_max = 65536;
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* Descriptors 0 to 2 exist, so that nothing of ours lands there. */
static int open_null(struct super *s, struct vgpu_err *err)
{
	do {
		s->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (s->null_fd >= 0 && s->null_fd < 3 && fcntl(s->null_fd, F_SETFD, 0) == 0);
	if (s->null_fd < 0)
		return vgpu_err_errno(err, "open /dev/null");
	return 0;
}

static int run(struct super *s, int ready_fd, struct vgpu_err *err)
{
	int r;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	umask(022);
	raise_limits();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((r = open_null(s, err)))
		return r;
	s->state_fd = vfs_state_create(geteuid(), getegid(), s->opts.no_resend, err);
	if (s->state_fd < 0)
		return s->state_fd;
	if ((r = super_mount_recover(s, err)) || (r = super_mount(s, err)))
		return r;
	if (s->opts.pidfile)
		write_pidfile(s->opts.pidfile);
	r = super_loop(s, ready_fd, err);
	if (s->opts.pidfile)
		unlink(s->opts.pidfile);
	return r;
}

int main(int argc, char **argv)
{
	static struct super s = { .fuse_fd = -1, .state_fd = -1, .null_fd = -1, .daemon_ctl = -1,
				  .listen_fd = -1, .helper_fd = -1, .mounts_fd = -1 };
	struct vgpu_err err = VGPU_ERR_INIT;
	int ready_fd = -1, r;

	vgpu_log_open("vgpufs-super", LOG_INFO);
	r = super_opts_parse(&s.opts, argc, argv, &err);
	if (r > 0)
		return 0;
	if (r < 0) {
		log_err("%s", err.text);
		return EXIT_MOUNT_USAGE;
	}
	if (s.opts.log) {
		int fd = open(s.opts.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

		if (fd < 0) {
			log_err("log file %s: %s", s.opts.log, strerror(errno));
			return EXIT_MOUNT_USAGE;
		}
		dup2(fd, STDERR_FILENO);
		close(fd);
	}
	if (!s.opts.foreground) {
		ready_fd = background();
		if (ready_fd < 0) {
			log_err("can't go to the background: %s", strerror(errno));
			return EXIT_MOUNT_SYSTEM;
		}
	}
	if (chdir("/") < 0)
		log_warn("chdir /: %s, ignoring", strerror(errno));
	r = run(&s, ready_fd, &err);
	if (r) {
		log_err("%s", err.text);
		return EXIT_MOUNT_FAILED;
	}
	return 0;
}
