/* 530-session.c: HELLO over each transport, frames over the node, a session's end, what hostile clients try. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/lib/client.h"
#include "t/lib/mount.h"
#include "t/lib/tap.h"
#include "util/sys.h"

static const struct test_mount *m;
static char ctl[300], dev0[300];
static char zeros[VGP_FRAME_MAX + 1];

static void nap(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* The process ends within some seconds. */
static int ends(pid_t pid)
{
	for (int i = 0; i < 100; i++) {
		if (kill(pid, 0) < 0)
			return 1;
		nap(20);
	}
	return 0;
}

static const char *file(const char *rel)
{
	static char text[256];
	char path[400];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", m->mnt, rel);
	/* ECONNABORTED: the call was under way when the daemon was killed (only before Linux 6.9) */
	do {
		fd = open(path, O_RDONLY);
	} while (fd < 0 && errno == ECONNABORTED);
	do {
		n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	} while (n < 0 && errno == ECONNABORTED);
	text[n < 0 ? 0 : n] = 0;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = 0;
	close(fd);
	return text;
}

static pid_t worker_of(int fd)
{
	int pid = 0;

	sscanf(client_ask(fd, "info"), "pid %d", &pid);
	return pid;
}

static void test_node(void)
{
	int fd = open(ctl, O_RDWR | O_CLOEXEC), sid = 0, pgid = 0, pid = 0, fds = 0;
	unsigned long long core = 1;
	unsigned devices = 0, client = 0, uid = 1;
	struct vgp_hello h;
	const char *text;
	char buf[4096], *env;
	pid_t worker;

	is_int(client_hello(fd, VGP_TRANSPORT_NODE, 77, NULL, &h), 0, "HELLO for frames over the node");
	is_int(h.status, 0, "status is OK");
	ok(h.session != 0, "the session has a number");
	is_int(client_recv(fd, buf, sizeof(buf)), sizeof(struct vgp_frame) + sizeof(struct vgp_welcome), "the worker's WELCOME comes first");
	is_string(client_ask(fd, "echo hello"), "hello", "a frame goes there and back");
	is_int(client_hello(fd, VGP_TRANSPORT_NODE, 1, NULL, NULL), -EBUSY, "a second HELLO on that open: EBUSY");
	text = client_ask(fd, "info");
	sscanf(text, "pid %d sid %d pgid %d fds %d core %llu devices %u client %u uid %u", &pid, &sid, &pgid, &fds, &core, &devices, &client, &uid);
	worker = pid;
	is_int(sid, pid, "a worker is its own session");
	is_int(pgid, pid, "and process group");
	is_int(fds, 5, "has five descriptors");
	is_int((long long)core, 0, "dumps no core");
	is_int(devices, 2, "was told of the devices");
	is_int(client, getpid(), "and of its client");
	is_int(uid, geteuid(), "and the client's user");
	env = strstr(text, " env");
	/* but for the place of compiled kernels, which is the mount's own */
	ok(env && !strstr(env, "HOME=") && !strstr(env, "VGPU_TOP") && !strstr(env, "VGPU_PROFILE") && strstr(env, "VGPU_CACHE_DIR="),
	   "its environment is clean");
	is_int(pwrite(fd, buf, 0, 0), 0, "an empty write is nothing");
	is_string(client_ask(fd, "big 131072") + 0, "", "a frame of the greatest size");
	is_int(write(fd, zeros, VGP_FRAME_MAX + 1), -1, "a greater one is refused");
	is_int(errno, EMSGSIZE, "with EMSGSIZE");
	is_int(client_send(fd, "echo a short buffer waits"), 0, "a frame");
	nap(50);
	is_int(read(fd, buf, 20), -1, "does not fit a small buffer");
	is_int(errno, EMSGSIZE, "EMSGSIZE");
	client_recv(fd, buf, sizeof(buf));
	is_string(buf, "a short buffer waits", "and is not lost");
	close(fd);
	ok(ends(worker), "the worker ends when the open is closed");
}

static void test_blocking(void)
{
	int fd = client_session(ctl);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[256];
	pid_t pid;

	ok(fd >= 0, "a session");
	p.events = POLLIN | POLLOUT;
	poll(&p, 1, 0);
	is_int(p.revents, POLLOUT, "can be written, not read");
	p.events = POLLIN;
	is_int(poll(&p, 1, 50), 0, "poll waits");
	pid = fork();
	if (pid == 0) {
		nap(200);
		_exit(0);
	}
	client_send(fd, "echo polled");
	is_int(poll(&p, 1, 5000), 1, "and is woken by a frame");
	client_recv(fd, buf, sizeof(buf));
	is_string(buf, "polled", "which is there");
	waitpid(pid, NULL, 0);
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	is_int(read(fd, buf, sizeof(buf)), -1, "without blocking: no frame");
	is_int(errno, EAGAIN, "is EAGAIN");
	fcntl(fd, F_SETFL, O_RDWR);
	close(fd);
}

static void on_alarm(int sig)
{
}

static void test_interrupt(void)
{
	int fd = client_session(ctl);
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	char buf[64];
	pid_t pid;
	int ws;

	sigaction(SIGUSR1, &sa, &old);
	pid = fork();
	if (pid == 0) {
		/* nothing of the parent's session may be used; its own is interrupted */
		int own = client_session(ctl);
		ssize_t n = read(own, buf, sizeof(buf));

		_exit(n < 0 && errno == EINTR ? 42 : 1);
	}
	nap(300);
	kill(pid, SIGUSR1);
	waitpid(pid, &ws, 0);
	ok(WIFEXITED(ws) && WEXITSTATUS(ws) == 42, "a blocked read is interrupted by a signal");
	pid = fork();
	if (pid == 0) {
		int own = client_session(ctl);

		read(own, buf, sizeof(buf));
		_exit(0);
	}
	nap(300);
	kill(pid, SIGKILL);
	waitpid(pid, &ws, 0);
	ok(WIFSIGNALED(ws), "and a reader can be killed");
	pid = fork();
	if (pid == 0) {
		struct vgp_hello h;
		int fd2 = open(ctl, O_RDWR);

		if (client_hello(fd, VGP_TRANSPORT_NODE, 1, NULL, &h) != -EPERM)
			_exit(1);
		if (client_send(fd, "echo child") != -EPERM)
			_exit(2);
		if (client_recv(fd, buf, sizeof(buf)) != -EPERM)
			_exit(3);
		_exit(client_hello(fd2, VGP_TRANSPORT_NODE, 1, NULL, &h) ? 4 : 0);
	}
	waitpid(pid, &ws, 0);
	is_int(WEXITSTATUS(ws), 0, "a forked child can't use its parent's session, but has its own");
	is_string(client_ask(fd, "echo still"), "still", "the parent's goes on");
	close(fd);
	sigaction(SIGUSR1, &old, NULL);
}

static void *reader(void *arg)
{
	static char buf[256];

	return client_recv((int)(intptr_t)arg, buf, sizeof(buf)) > 0 ? buf : NULL;
}

static void *pread_frame(void *arg)
{
	static char buf[VGP_FRAME_MAX];
	ssize_t n;

	do {
		n = pread((int)(intptr_t)arg, buf, sizeof(buf), 0);
	} while (n < 0 && errno == ECONNABORTED);
	if (n <= (ssize_t)sizeof(struct vgp_frame))
		return NULL;
	buf[n] = 0;
	return buf + sizeof(struct vgp_frame);
}

/* A blocked pread must not keep a pwrite of another thread waiting. */
static void test_threads(void)
{
	struct {
		struct vgp_frame h;
		char text[12];
	} f = { .h = { .magic = VGP_MAGIC, .type = VGP_FRAME_CMD, .len = 11 }, .text = "echo two-th" };
	int fd = client_session(dev0);
	pthread_t t;
	void *text;

	pthread_create(&t, NULL, pread_frame, (void *)(intptr_t)fd);
	nap(200);
	is_int(pwrite(fd, &f, sizeof(f.h) + 11, 0), sizeof(f.h) + 11, "pwrite while another thread waits in pread");
	pthread_join(t, &text);
	is_string(text, "two-th", "which gets the answer");
	pthread_create(&t, NULL, reader, (void *)(intptr_t)fd);
	nap(100);
	client_session(dev0); /* another session of the process: no business of the first */
	pwrite(fd, &f, sizeof(f.h) + 11, 0);
	pthread_join(t, &text);
	is_string(text, "two-th", "read(2) and pwrite, too");
	close(fd);
}

static void test_socket(unsigned transport, const char *name)
{
	int fd = open(dev0, O_RDONLY | O_CLOEXEC), sock = -1;
	struct vgp_hello h;
	char buf[256];
	pid_t worker;

	is_int(client_hello(fd, transport, 99, &sock, &h), 0, "HELLO over %s works on a read-only open", name);
	ok(client_recv(sock, buf, sizeof(buf)) > 0, "WELCOME comes over the socket");
	is_int(((struct vgp_welcome *)buf)->nonce, 99, "with the nonce");
	is_string(client_ask(sock, "echo direct"), "direct", "frames pass");
	worker = worker_of(sock);
	is_int(read(fd, buf, 7), 7, "the node still reads");
	is_blob(buf, "vgpufs ", 7, "as the table");
	is_int(client_hello(fd, transport, 1, NULL, NULL), -EBUSY, "a second HELLO: EBUSY");
	close(fd);
	ok(ends(worker), "closing the node ends the worker");
	is_int(client_recv(sock, buf, sizeof(buf)), 0, "the socket is at its end");
	close(sock);
}

static void test_bad_hello(void)
{
	struct vgp_hello good = { .magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .transport = VGP_TRANSPORT_SOCKET, .sock_fd = -1 }, h;
	int fd = open(ctl, O_RDWR | O_CLOEXEC), sv[2], pipefd[2], memfd = memfd_create("x", 0), ws;
	char caps[320];
	pid_t pid;

#define TRY(field, value, want, name) \
	h = good, h.field = (value), is_int(ioctl(fd, VGP_IOC_HELLO, &h) ? -errno : 0, want, name)
	TRY(magic, 1, -EINVAL, "wrong magic");
	TRY(abi_major, 9, -EPROTONOSUPPORT, "a protocol that we don't speak");
	TRY(transport, 0, -EINVAL, "no transport");
	TRY(transport, 4, -EINVAL, "a transport that there is not");
	TRY(transport, UINT32_MAX, -EINVAL, "nor this");
	TRY(flags, 1, -EINVAL, "unknown flags");
	TRY(sock_fd, -1, -EBADF, "no socket");
	TRY(sock_fd, 9999, -EBADF, "a closed descriptor");
	TRY(sock_fd, INT32_MIN, -EBADF, "a silly one");
	TRY(sock_fd, memfd, -EINVAL, "a memfd is no socket");
	pipe(pipefd);
	TRY(sock_fd, pipefd[0], -EINVAL, "nor is a pipe");
	TRY(sock_fd, fd, -EINVAL, "nor the node itself");
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	TRY(sock_fd, sv[0], -EINVAL, "a stream socket is not enough");
	TRY(sock_fd, socket(AF_INET, SOCK_DGRAM, 0), -EINVAL, "nor one of another family");
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv);
	pid = fork();
	if (pid == 0) {
		h = good;
		h.sock_fd = sv[0];
		fd = open(ctl, O_RDWR);
		_exit(ioctl(fd, VGP_IOC_HELLO, &h) < 0 && errno == EPERM ? 0 : 1);
	}
	waitpid(pid, &ws, 0);
	is_int(WEXITSTATUS(ws), 0, "a socketpair that another process made is refused");
	is_int(ioctl(fd, _IOWR('V', 1, int), &h) ? -errno : 0, -ENOTTY, "HELLO of another size");
	is_int(ioctl(fd, _IOWR('V', 1, char[8192]), zeros) ? -errno : 0, -ENOTTY, "and of a great one");
	is_int(ioctl(fd, 0x5401, &h) ? -errno : 0, -ENOTTY, "a terminal's ioctl");
	is_int(ioctl(fd, VGP_IOC_HELLO, NULL) ? -errno : 0, -EFAULT, "a null pointer");
	is_int(write(fd, "x", 1) < 0 ? -errno : 0, -EINVAL, "writing without a session");
	snprintf(caps, sizeof(caps), "%s/proc/driver/nvidia/version", m->mnt);
	is_int(client_hello(open(caps, O_RDONLY), VGP_TRANSPORT_NODE, 1, NULL, NULL), -ENOTTY, "HELLO on a file that is no node");
	is_int(client_hello(open(m->mnt, O_RDONLY), VGP_TRANSPORT_NODE, 1, NULL, NULL), -ENOTTY, "nor on a directory");
	is_int(client_hello(fd, VGP_TRANSPORT_NODE, 1, NULL, NULL), 0, "after all of it the open is as good as new");
	close(fd);
}

static void test_memory(void)
{
	int a = client_session(dev0), b = client_session(ctl);
	char half[64], rest[64];
	uint64_t total = strtoull(file("devices/0/memory.max"), NULL, 10);

	snprintf(half, sizeof(half), "OK %llu", (unsigned long long)total / 2);
	snprintf(rest, sizeof(rest), "OK %llu", (unsigned long long)(total - total / 2));
	is_string(client_ask(a, "reserve 0 %llu", (unsigned long long)total / 2), half, "half of the memory is granted");
	is_int((long long)strtoull(file("devices/0/memory.current"), NULL, 10), (long long)total / 2, "and shown as used");
	is_string(client_ask(b, "reserve 0 %llu", (unsigned long long)total), "E_NOMEM 0", "another client can't have all");
	is_string(client_ask(b, "reserve 0 %llu", (unsigned long long)(total - total / 2)), rest, "but the rest");
	is_string(client_ask(b, "reserve 0 1"), "E_NOMEM 0", "and not one byte more");
	is_string(client_ask(b, "reserve 0 18446744073709551615"), "E_NOMEM 0", "nor all that a number can say");
	is_string(client_ask(b, "reserve 1 4096"), "OK 4096", "another device has its own");
	is_string(client_ask(a, "reserve 1 4096"), "E_NOT_PERMITTED 0", "which a session on this device's node doesn't get");
	is_string(client_ask(b, "reserve 2 4096"), "E_INVALID_DEVICE 0", "a device that there is not");
	is_string(client_ask(b, "reserve 4000000000 4096"), "E_INVALID_DEVICE 0", "a silly number");
	snprintf(rest, sizeof(rest), "%llu", (unsigned long long)(total - total / 2));
	is_string(client_ask(a, "release 0 18446744073709551615"), rest, "giving back too much frees what there was");
	is_string(client_ask(b, "query 0"), rest, "for the other, too");
	is_int((long long)strtoull(file("devices/0/memory.current"), NULL, 10), (long long)(total - total / 2), "the other's is still held");
	ok(strstr(file("devices/0/clients"), " ") != NULL, "clients are listed");
	is_string(client_ask(b, "attach 0"), "OK", "a context on the device");
	is_string(client_ask(b, "busy 0 100000000000"), "told", "a busy worker");
	for (int i = 0; i < 100 && strcmp(file("devices/0/utilization"), "100") != 0; i++) {
		client_ask(b, "busy 0 100000000000");
		nap(30);
	}
	is_string(file("devices/0/utilization"), "100", "is shown");
	is_string(client_ask(b, "die"), "error: end", "a worker dies: reading ends");
	is_int(client_send(b, "echo x"), -ECONNRESET, "writing fails");
	nap(200);
	is_string(file("devices/0/memory.current"), "0", "what it held is free");
	is_string(file("devices/1/memory.current"), "0", "on all devices");
	is_int(client_hello(b, VGP_TRANSPORT_NODE, 1, NULL, NULL), -EBUSY, "its open is used up");
	close(b);
	close(a);
}

static void test_client_killed(void)
{
	int p[2], ws;
	pid_t pid, worker = 0, child;

	pipe(p);
	pid = fork();
	if (pid == 0) {
		int fd = client_session(ctl);

		worker = worker_of(fd);
		client_ask(fd, "reserve 0 1048576");
		child = fork(); /* keeps the open for longer than its parent lives */
		if (child == 0) {
			pause();
			_exit(0);
		}
		write(p[1], &worker, sizeof(worker));
		write(p[1], &child, sizeof(child));
		pause();
		_exit(0);
	}
	read(p[0], &worker, sizeof(worker));
	read(p[0], &child, sizeof(child));
	ok(worker > 0 && kill(worker, 0) == 0, "a worker runs");
	kill(pid, SIGKILL);
	waitpid(pid, &ws, 0);
	ok(ends(worker), "its client is killed, a child keeps the open: the worker ends");
	is_string(file("devices/0/memory.current"), "0", "with all that it held");
	kill(child, SIGKILL);
}

static void test_restart(void)
{
	int fd = client_session(ctl), sock = -1, node = open(dev0, O_RDONLY), old_table = open(ctl, O_RDONLY);
	char buf[256];
	pid_t worker = worker_of(fd), daemon;

	client_hello(node, VGP_TRANSPORT_SOCKET, 5, &sock, NULL);
	client_recv(sock, buf, sizeof(buf));
	is_string(client_ask(fd, "reserve 0 4194304"), "OK 4194304", "before: memory is held");
	for (int i = 0; i < 5; i++) {
		daemon = test_daemon();
		client_send(fd, "echo in flight");
		kill(daemon, SIGKILL);
		client_recv(fd, buf, sizeof(buf));
		is_string(buf, "in flight", "kill %d: a frame in flight arrives", i);
		ok(test_daemon() != daemon, "there is a new daemon");
	}
	is_string(client_ask(sock, "echo ring"), "ring", "the socket session has not noticed");
	is_int(worker_of(fd), worker, "the worker is the same");
	is_string(file("devices/0/memory.current"), "4194304", "its memory is still counted");
	is_string(client_ask(fd, "reserve 0 4194304"), "OK 4194304", "and more can be had");
	is_int(strtoll(client_ask(fd, "query 0"), NULL, 10), 8388608, "the sum is right");
	is_int(read(old_table, buf, 9), 9, "a node that was opened before reads");
	is_blob(buf, "vgpufs 1\n", 9, "as ever");
	is_int(client_hello(fd, VGP_TRANSPORT_NODE, 1, NULL, NULL), -EBUSY, "the new daemon knows the session");
	daemon = test_daemon();
	kill(daemon, SIGKILL);
	close(fd);
	ok(ends(worker), "a close right after the daemon's death ends the worker");
	close(node);
	close(sock);
	close(old_table);
	nap(200);
	is_string(file("devices/0/memory.current"), "0", "nothing is held any more");
}

/* A reader that waits while the daemon is killed gets its frame from the next one. */
static void test_restart_blocked(void)
{
	int fd = client_session(dev0);
	pthread_t t;
	void *text;

	pthread_create(&t, NULL, pread_frame, (void *)(intptr_t)fd);
	nap(100);
	kill(test_daemon(), SIGKILL);
	nap(100);
	is_int(client_send(fd, "echo later"), 0, "a frame is sent after the restart");
	pthread_join(t, &text);
	is_string(text ? text : "(nothing)", "later", "the waiting reader gets the answer");
	close(fd);
}

int main(void)
{
	const char *const opts[] = {
		"--engine", test_build("t/lib/fake-engine"),
#ifdef NO_RESEND
		"--no-resend",
#endif
		NULL
	};

	m = test_mount(2, opts);
	plan_lazy();
	snprintf(ctl, sizeof(ctl), "%s/dev/vgpuctl", m->mnt);
	snprintf(dev0, sizeof(dev0), "%s/dev/nvidia0", m->mnt);
	test_node();
	test_blocking();
	test_interrupt();
	test_threads();
	test_socket(VGP_TRANSPORT_SOCKET, "the socket");
	test_socket(VGP_TRANSPORT_RING, "the ring's socket");
	test_bad_hello();
	test_memory();
	test_client_killed();
	test_restart();
	test_restart_blocked();
	return 0;
}
