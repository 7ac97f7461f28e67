/*
 * jit_zygote.c: forks compilers. It is a copy of the broker from before that
 * locked itself in, so it can still load LLVM, which it does when it is first
 * asked for a compiler, and only then. From there on it has no files and no
 * rights either. It sees no byte of a client's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/jit/jit.h"
#include "util/sys.h"

struct order {
	uint32_t background;
};

static void load(struct jit_generator *g, const struct jit_config *c)
{
	/* it has its own symbols bound at once; to do so for all libraries behind LLVM takes a quarter of the time */
	void *so = c->generator ? dlopen(c->generator, RTLD_LAZY | RTLD_LOCAL) : NULL;
	void (*start)(void) = NULL;

	if (so)
		*(void **)&g->kernel = dlsym(so, "vgpu_gen_kernel");
	if (g->kernel)
		*(void **)&start = dlsym(so, "vgpu_gen_prepare");
	if (start)
		start();
	if (!g->kernel)
		vgpu_err_set(&g->err, VGPU_E_NOT_SUPPORTED, "the code generator can't be loaded: %s", c->generator ? dlerror() : "it isn't there");
}

/* Anything that fails is what the compilers answer. */
static void prepare(struct jit_generator *g, const struct jit_config *c)
{
	struct vgpu_err err = VGPU_ERR_INIT;

	load(g, c);
	if (eng_sandbox_enter(&err)) {
		g->kernel = NULL;
		g->err = err;
	}
}

static void compiler(int sock, const struct order *o, struct jit_generator *g, const struct jit_config *c, pid_t parent)
{
	struct vgpu_err err = VGPU_ERR_INIT;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	/* behind the kernels that run, but they are what it is for: it must come to an end beside them */
	if (o->background)
		setpriority(PRIO_PROCESS, 0, 5);
	if (jit_lock_compiler(c->mem_B, &err)) {
		g->kernel = NULL;
		g->err = err;
	}
	jit_compile_main(sock, g, c);
}

static void VGPU_NORETURN zygote(int sock, const struct jit_config *c)
{
	struct jit_generator g = { 0 };
	bool ready = false;

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fds[VGPU_MAX_FDS], nfds = 0;
		struct order o;
		ssize_t n = vgpu_recv_fds(sock, &o, sizeof(o), fds, &nfds, 0);
		pid_t self = getpid(), pid;

		if (n != sizeof(o) || nfds != 1)
			_exit(0);
		if (!ready)
			prepare(&g, c);
		ready = true;
		pid = fork();
		if (pid == 0) {
			close(sock);
			signal(SIGCHLD, SIG_DFL);
			compiler(fds[0], &o, &g, c, self);
		}
		/* it couldn't be made: the broker sees that at its end */
		close(fds[0]);
	}
}

int jit_zygote_start(const struct jit_config *c, struct vgpu_err *err)
{
	int sv[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return vgpu_err_errno(err, "socketpair");
	pid = fork();
	if (pid < 0) {
		close(sv[0]);
		close(sv[1]);
		return vgpu_err_errno(err, "fork");
	}
	if (pid == 0) {
		close(sv[0]);
		/* the worker's socket: it has to see when the broker ends */
		close(SD_JW_FD);
		zygote(sv[1], c);
	}
	close(sv[1]);
	return sv[0];
}

int jit_zygote_spawn(int zygote_sock, bool background, struct vgpu_err *err)
{
	struct order o = { background };
	int sv[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return vgpu_err_errno(err, "socketpair");
	n = vgpu_send_fds(zygote_sock, &o, sizeof(o), &sv[1], 1, 0);
	close(sv[1]);
	if (n != sizeof(o)) {
		close(sv[0]);
		return vgpu_err_set(err, VGPU_E_DISCONNECTED, "the compilers' parent is gone");
	}
	return sv[0];
}
