/*
 * super_proc.c: starting the daemon and the workers. A child gets exactly the
 * descriptors that vgp_ctl.h numbers, and no others.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fusefs/super.h"
#include "fusefs/vfs_state.h"
#include "protocol/vgp_ctl.h"
#include "util/log.h"
#include "util/sys.h"

/* A device table with all devices travels as one packet over the control socket. */
#define CTL_SNDBUF (1 << 20)

static int ctl_pair(int sv[2], struct vgpu_err *err)
{
	int size = CTL_SNDBUF;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return vgpu_err_errno(err, "socketpair");
	for (int i = 0; i < 2; i++)
		if (setsockopt(sv[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
			setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

/* In the child: fds[i] becomes descriptor 3 + i, everything above is closed, but keep. Returns keep's new number. */
static int place_fds(const int *fds, int n, int keep)
{
	int high[8], high_keep;

	/* first out of the way, so that none is overwritten before it has moved */
	for (int i = 0; i < n; i++)
		if ((high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64)) < 0)
			return -1;
	high_keep = fcntl(keep, F_DUPFD_CLOEXEC, 64);
	if (high_keep < 0)
		return -1;
	for (int i = 0; i < n; i++)
		if (dup2(high[i], 3 + i) < 0)
			return -1;
	if (dup3(high_keep, 3 + n, O_CLOEXEC) < 0)
		return -1;
	syscall(SYS_close_range, 4 + n, ~0u, 0);
	return 3 + n;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < 32; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * fork and exec. before runs in the child. Answers when exec has succeeded or
 * failed: the pipe closes on exec, or brings the errno.
 */
static pid_t spawn(char *const argv[], char *const envp[], const int *fds, int n, void (*before)(struct super *s, pid_t parent),
		   struct super *s, struct vgpu_err *err)
{
	pid_t pid, parent = getpid();
	int p[2], code = 0;
	ssize_t got;

	if (pipe2(p, O_CLOEXEC) < 0) {
		vgpu_err_errno(err, "pipe");
		return -1;
	}
	pid = fork();
	if (pid < 0) {
		vgpu_err_errno(err, "fork");
		close(p[0]);
		close(p[1]);
		return -1;
	}
	if (pid == 0) {
		int report = place_fds(fds, n, p[1]);

		reset_signals();
		if (report >= 0) {
			before(s, parent);
			execve(argv[0], argv, envp);
		}
		code = errno;
		if (report >= 0 && write(report, &code, sizeof(code)) < 0)
			_exit(126);
		_exit(127);
	}
	close(p[1]);
	do {
		got = read(p[0], &code, sizeof(code));
	} while (got < 0 && errno == EINTR);
	close(p[0]);
	if (got == sizeof(code)) {
		errno = code;
		vgpu_err_errno(err, "start %s", argv[0]);
		return -1; /* the loop reaps it */
	}
	return pid;
}


/* It stays with our group, and ends by itself when our socket closes. */
static void before_daemon(struct super *s, pid_t parent)
{
	prctl(PR_SET_NAME, "vgpufsd");
}

int super_spawn_daemon(struct super *s, struct vgpu_err *err)
{
	bool detach = !s->opts.foreground && !s->opts.log;
	char *argv[] = { (char *)s->opts.daemon, "--state", (char *)s->opts.state_dir, detach ? "--detach" : NULL, NULL };
	int sv[2], r = ctl_pair(sv, err);
	pid_t pid;

	if (r)
		return r;
	pid = spawn(argv, environ, (int[]){ s->fuse_fd, sv[1], s->state_fd }, 3, before_daemon, s, err);
	close(sv[1]);
	if (pid < 0) {
		close(sv[0]);
		return -err->status;
	}
	if (s->daemon_ctl >= 0)
		close(s->daemon_ctl);
	s->daemon_ctl = sv[0];
	s->daemon_pid = pid;
	s->daemon_ready = false;
	return 0;
}

/*
 * A worker is its own session and group, so that signals to ours miss it; it
 * must end with super (the parent-death signal), but not with the daemon. It
 * keeps our limit of descriptors (raise_limits): the kernel holds those of all
 * workers, which are of one uid, that are on their way to clients against it.
 */
static void before_worker(struct super *s, pid_t parent)
{
	static const struct rlimit core = { 0, 0 };
	int fd;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	setrlimit(RLIMIT_CORE, &core);
	/* when memory runs out, it is a worker that goes */
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "500", 3) < 0)
			errno = 0;
		close(fd);
	}
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		dup2(fd, STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		close(fd);
	}
}

/* Compiled kernels of a mount with a state directory of its own are kept there, too. */
static char *cache_env(const char *state_dir)
{
	char *dir, *out = NULL;

	if (vgpu_getenv("VGPU_CACHE_DIR") || strcmp(state_dir, VGPU_STATEDIR) == 0)
		return NULL;
	dir = realpath(state_dir, NULL);
	if (dir && asprintf(&out, "VGPU_CACHE_DIR=%s/cache", dir) < 0)
		out = NULL;
	free(dir);
	return out;
}

/* What a worker sees of the environment: what vgpu-jit goes by, and a sanitizer's options in such builds. */
static char **worker_env(const struct super *s)
{
	static const char *const names[] = {
		"HOME", "XDG_CACHE_HOME", "VGPU_CACHE_DIR", "VGPU_CACHE_MB", "VGPU_JIT", "VGPU_SIMDGEN", "VGPU_JIT_CPU_MS", "VGPU_JIT_MEM_MB",
#ifdef VGPU_SANITIZER
		"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
#endif
	};
	static char *env[ARRAY_SIZE(names) + 3];
	char *cache;
	size_t n = 0;

	if (env[0])
		return env;
	cache = cache_env(s->opts.state_dir);
	env[n++] = "PATH=/usr/bin:/bin";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *v = vgpu_getenv(names[i]);

		/* the home directory is where the cache goes only when no place is given */
		if (cache && (!strcmp(names[i], "HOME") || !strcmp(names[i], "XDG_CACHE_HOME")))
			continue;
		if (v && asprintf(&env[n], "%s=%s", names[i], v) > 0)
			n++;
	}
	env[n++] = cache;
	return env;
}

int super_spawn_worker(struct super *s, int client_sock, struct super_worker *w, struct vgpu_err *err)
{
	char *argv[] = { (char *)s->opts.engine, NULL };
	int sv[2], r = ctl_pair(sv, err);
	pid_t pid;

	if (r)
		return r;
	pid = spawn(argv, worker_env(s), (int[]){ client_sock, sv[1] }, 2, before_worker, s, err);
	close(sv[1]);
	if (pid < 0) {
		close(sv[0]);
		return -err->status;
	}
	w->pid = pid;
	w->ctl = sv[0];
	w->pidfd = vgpu_pidfd_open(pid, false);
	return 0;
}
