/*
 * eng_jit.c: the worker's way to vgpu-jit. Before the worker locks itself in
 * it leaves a child behind, which sleeps on one end of a socket and becomes
 * vgpu-jit when the first request arrives; one that never compiles costs a
 * sleeping process with hardly a page of its own. It ends with the worker.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/simd/sd_jit_wire.h"
#include "engine/engine.h"
#include "util/cleanup.h"
#include "util/sys.h"

static void find_program(char path[PATH_MAX])
{
	const char *env = vgpu_getenv("VGPU_JIT");
	char self[PATH_MAX / 2], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = 0;
	slash = strrchr(self, '/');
	snprintf(path, PATH_MAX, "%.*s/vgpu-jit", slash ? (int)(slash - self) : 0, self);
	if (env && *env)
		snprintf(path, PATH_MAX, "%s", env);
	else if (access(path, X_OK) < 0)
		snprintf(path, PATH_MAX, "%s/vgpu-jit", VGPU_LIBEXECDIR);
}

/* Only calls that a child of a process with threads may make. */
static void VGPU_NORETURN sleeper(const int sv[2], const char *path, char *const argv[])
{
	struct pollfd p = { SD_JW_FD, POLLIN, 0 };
	sigset_t none;
	char byte;

	if (dup2(sv[1], SD_JW_FD) < 0)
		_exit(1);
	fcntl(SD_JW_FD, F_SETFD, 0);
	/* who has no standard files has got the sockets as such; with the worker's end open here, its end isn't seen */
	for (int n = 0; n < 2; n++)
		if (sv[n] != SD_JW_FD)
			close(sv[n]);
	for (int fd = 0; fd < SD_JW_FD; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			break;
	for (int fd = SD_JW_FD + 1; fd < 256; fd++)
		close(fd);
	prctl(PR_SET_NAME, "vgpu-jit");
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	while (poll(&p, 1, -1) < 0)
		continue;
	/* a worker that is gone makes it readable, too */
	if (!(p.revents & POLLHUP) || recv(SD_JW_FD, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		execv(path, argv);
	_exit(1);
}

int eng_jit_start(uint32_t uid, struct vgpu_err *err)
{
	char path[PATH_MAX], id[16], *argv[] = { (char *)"vgpu-jit", (char *)"--uid", id, NULL };
	int sv[2];
	pid_t pid;

	find_program(path);
	if (access(path, X_OK) < 0)
		return vgpu_err_errno(err, "%s", path);
	snprintf(id, sizeof(id), "%u", uid);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return vgpu_err_errno(err, "socket to the compiler");
	pid = fork();
	if (pid == 0)
		sleeper(sv, path, argv);
	close(sv[1]);
	if (pid < 0) {
		close(sv[0]);
		return vgpu_err_errno(err, "fork the compiler");
	}
	return sv[0];
}
