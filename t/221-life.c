/*
 * 221-life: ends and forks: a worker is gone when its client is, a client
 * hears when its worker is, whatever runs; a forked child has no session; the
 * worker has no rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "t/lib/session.h"
#include "t/lib/tap.h"
#include "util/cleanup.h"
#include "util/sys.h"

static const char ENDLESS[] = ".version 9.0\n.target sm_90\n.address_size 64\n.visible .entry endless()\n{\nL: bra L;\n}\n";
static const uint32_t ONE[3] = { 1, 1, 1 };

static uint64_t start_endless(struct tr_session *s, uint32_t *ctx, uint32_t *q)
{
	uint32_t m, f;
	uint64_t seq = 0;

	*ctx = session_ctx(s);
	*q = session_queue(s, *ctx);
	if (session_module(s, *ctx, ENDLESS, &m, NULL) || session_func(s, m, "endless", &f))
		bail("load the endless kernel");
	session_launch(s, *q, f, 0, ONE, ONE, NULL, 0, &seq);
	tr_wait(s, *ctx, *q, seq, 20000000);
	return seq;
}

static bool proc_has(pid_t pid, const char *line)
{
	char path[64];
	cleanup_free char *text = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return vgpu_read_file(path, 65536, &text, NULL, NULL) == 0 && strstr(text, line);
}

static void test_sandbox(void)
{
	struct tr_session *s = session_open(SESSION_WORKER, VGP_TRANSPORT_RING);
	pid_t pid = session_worker();

	ok(proc_has(pid, "NoNewPrivs:\t1"), "the worker can't gain privileges");
#ifdef VGPU_SANITIZER
	skip("no filter under sanitizers");
#else
	ok(proc_has(pid, "Seccomp:\t2"), "its system calls are filtered");
#endif
	if (geteuid() == 0) {
		char path[64];

		ok(proc_has(pid, "Uid:\t65534\t65534\t65534\t65534"), "it is nobody");
		ok(proc_has(pid, "CapEff:\t0000000000000000"), "without capabilities");
#ifdef VGPU_SANITIZER
		(void)path;
		skip("the sanitizers' run time needs /proc");
#else
		snprintf(path, sizeof(path), "/proc/%d/root/etc", (int)pid);
		ok(access(path, F_OK) < 0, "its root is empty");
#endif
	} else {
		skip("needs root");
		skip("needs root");
		skip("needs root");
	}
	tr_close(s);
	is_int(session_reap(10), 0, "it ends when the session is closed");
}

static bool gone(pid_t pid, unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 100; i++) {
		struct timespec t = { .tv_nsec = 10000000 };

		if (waitpid(pid, NULL, WNOHANG) == pid || (kill(pid, 0) < 0 && errno == ESRCH))
			return true;
		nanosleep(&t, NULL);
	}
	return false;
}

static void test_client_killed(unsigned transport)
{
	int p[2];
	pid_t client, w = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pipe(p) < 0)
		bail("pipe");
	client = fork();
	if (client == 0) {
		struct tr_session *s = session_open(SESSION_WORKER, transport);
		uint32_t ctx, q;

		start_endless(s, &ctx, &q);
		w = session_worker();
		(void)!write(p[1], &w, sizeof(w));
		pause();
		_exit(0);
	}
	is_int(read(p[0], &w, sizeof(w)), sizeof(w), "a client runs an endless kernel");
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
	ok(gone(w, 10), "it is killed, and so is its worker");
	close(p[0]);
	close(p[1]);
}

static void *kill_later(void *arg)
{
	struct timespec t = { .tv_nsec = 50000000 };

	(void)arg;
	nanosleep(&t, NULL);
	kill(session_worker(), SIGKILL);
	return NULL;
}

static void test_worker_killed(unsigned transport)
{
	struct tr_session *s = session_open(SESSION_WORKER, transport);
	struct vgp_cmd c = { .op = VGP_OP_PING };
	uint32_t ctx, q;
	uint64_t seq = start_endless(s, &ctx, &q);
	pthread_t t;

	pthread_create(&t, NULL, kill_later, NULL);
	is_int(tr_wait(s, ctx, q, seq, UINT64_MAX), -VGPU_E_DISCONNECTED, "who waits for a killed worker is told");
	pthread_join(t, NULL);
	ok(tr_dead(s), "the session is dead");
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), -VGPU_E_DISCONNECTED, "calls say so");
	c = (struct vgp_cmd){ .op = VGP_OP_NOP, .queue = q };
	is_int(tr_submit(s, &c, NULL, 0, NULL, NULL), -VGPU_E_DISCONNECTED, "and submissions");
	tr_close(s);
	ok(WIFSIGNALED(session_reap(10)), "closing is fine");
}

/* A call that is under way when the worker dies. */
static void test_killed_in_call(unsigned transport)
{
	struct tr_session *s = session_open(SESSION_WORKER, transport);
	struct vgp_cmd c = { .op = VGP_OP_QUEUE_DESTROY };
	uint32_t ctx, q;
	pthread_t t;

	start_endless(s, &ctx, &q);
	pthread_create(&t, NULL, kill_later, NULL);
	c.a.QUEUE_DESTROY.queue = q;
	is_int(tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, NULL), -VGPU_E_DISCONNECTED, "a call that a killed worker leaves unanswered");
	pthread_join(t, NULL);
	tr_close(s);
	session_reap(10);
}

static int child(struct tr_session *s, uint32_t ctx, uint32_t q)
{
	struct vgp_cmd c = { .op = VGP_OP_PING }, n = { .op = VGP_OP_NOP, .queue = q };
	struct vgpu_err err = VGPU_ERR_INIT;
	uint64_t addr, size;
	uint32_t other;

	if (!tr_forked(s) || !tr_dead(s))
		return 1;
	if (tr_call(s, &c, NULL, 0, NULL, NULL, 0, NULL, &err) != -VGPU_E_NOT_INITIALIZED)
		return 2;
	if (tr_submit(s, &n, NULL, 0, NULL, NULL) != -VGPU_E_NOT_INITIALIZED || tr_wait(s, ctx, q, 1, 0) != -VGPU_E_NOT_INITIALIZED)
		return 3;
	if (tr_queue_alloc(s, &other, NULL) != -VGPU_E_NOT_INITIALIZED || tr_ctx_status(s, ctx) != -VGPU_E_NOT_INITIALIZED)
		return 4;
	tr_window(s, &addr, &size);
	if (tr_alias(s, addr, 1) || tr_completed(s, q) || tr_printf_pending(s, ctx))
		return 5;
	tr_abandon(s);
	return 0;
}

static void test_fork(unsigned transport)
{
	struct tr_session *s = session_open(SESSION_WORKER, transport);
	uint32_t ctx = session_ctx(s), q = session_queue(s, ctx);
	struct vgp_cmd n = { .op = VGP_OP_NOP, .queue = q };
	int st = -1;
	pid_t pid;

	ok(!tr_forked(s), "a session is its opener's");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(child(s, ctx, q));
	waitpid(pid, &st, 0);
	is_int(st, 0, "not a forked child's");
	tr_submit(s, &n, NULL, 0, NULL, NULL);
	is_int(tr_wait(s, ctx, q, 1, UINT64_MAX), 0, "the parent goes on");
	tr_close(s);
	is_int(session_reap(10), 0, "and its worker ends with it");
}

static int in_child(int (*f)(void))
{
	int st = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(f());
	waitpid(pid, &st, 0);
	return st;
}

static int closed_streams(void)
{
	struct tr_session *s;

	close(0);
	close(1);
	close(2);
	s = session_open(SESSION_WORKER, VGP_TRANSPORT_RING);
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 1 + fd;
	tr_close(s);
	return 0;
}

#ifndef VGPU_SANITIZER
static int little_space(void)
{
	struct rlimit rl = { 8ull << 30, 8ull << 30 };
	uint64_t addr, size;
	struct tr_session *s;
	uint32_t ctx;

	setrlimit(RLIMIT_AS, &rl);
	s = session_open(SESSION_WORKER, VGP_TRANSPORT_RING);
	tr_window(s, &addr, &size);
	ctx = session_ctx(s);
	if (size > 4ull << 30 || !session_alloc(s, ctx, 1 << 20, VGP_MEM_DEVICE))
		return 1;
	tr_close(s);
	return 0;
}
#endif

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_signals(unsigned transport)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval it = { { 0, 500 }, { 0, 500 } }, off = { { 0, 0 }, { 0, 0 } };
	struct tr_session *s = session_open(SESSION_WORKER, transport);
	uint32_t ctx = session_ctx(s), q = session_queue(s, ctx);
	struct vgp_cmd c = { .op = VGP_OP_PING };
	int bad = 0;

	sigaction(SIGVTALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	setitimer(ITIMER_VIRTUAL, &it, NULL);
	for (int i = 0; i < 2000; i++) {
		struct vgp_cmd n = { .op = VGP_OP_NOP, .queue = q }, p = c;
		uint64_t seq;

		bad += tr_submit(s, &n, NULL, 0, &seq, NULL) != 0;
		bad += tr_wait(s, ctx, q, seq, UINT64_MAX) != 0;
		bad += tr_call(s, &p, NULL, 0, NULL, NULL, 0, NULL, NULL) != 0;
	}
	setitimer(ITIMER_VIRTUAL, &off, NULL);
	is_int(bad, 0, "signals disturb nothing");
	tr_close(s);
	session_reap(10);
}

int main(void)
{
	static const unsigned transports[] = { VGP_TRANSPORT_RING, VGP_TRANSPORT_SOCKET };

	plan_lazy();
	test_sandbox();
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		diag("transport %u", transports[i]);
		test_client_killed(transports[i]);
		test_worker_killed(transports[i]);
		test_killed_in_call(transports[i]);
		test_fork(transports[i]);
		test_signals(transports[i]);
	}
	is_int(in_child(closed_streams), 0, "no descriptor of a session becomes a standard stream");
#ifdef VGPU_SANITIZER
	skip("sanitizers need address space");
#else
	is_int(in_child(little_space), 0, "the window shrinks to what ulimit -v leaves");
#endif
	return 0;
}
