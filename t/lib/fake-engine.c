/*
 * fake-engine.c: stands in for vgpu-engine in tests of the mount: it greets,
 * then does what frames of text ask for, and answers each with one frame of
 * text. Words: echo TEXT, exit N, die, reserve DEV BYTES, release DEV BYTES,
 * busy DEV NS, query DEV, info, silent, hang, big BYTES.
 */
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/vgp_ctl.h"
#include "protocol/vgp_wire.h"
#include "util/device.h"
#include "util/sys.h"

static struct vgp_ctl_start start;
static uint64_t held[VGPU_MAX_DEVICES], reserve_no;
static bool on[VGPU_MAX_DEVICES];     /* has a context there */
static size_t n_devices;
static unsigned adopted;

static void reply(const char *text)
{
	struct {
		struct vgp_frame h;
		char text[4096];
	} f = { .h = { .magic = VGP_MAGIC, .type = VGP_FRAME_REPLY, .len = (uint32_t)strlen(text) } };

	snprintf(f.text, sizeof(f.text), "%s", text);
	if (send(VGP_WORKER_FD_CLIENT, &f, sizeof(f.h) + f.h.len, MSG_NOSIGNAL) < 0)
		exit(0);
}

static void to_daemon(const struct vgp_ctl *m)
{
	if (send(VGP_WORKER_FD_CTL, m, sizeof(*m), MSG_NOSIGNAL) < 0)
		exit(4);
}

static void on_adopt(void)
{
	adopted++;
	for (uint32_t d = 0; d < n_devices; d++)
		to_daemon(&(struct vgp_ctl){ .op = VGP_CTL_USAGE, .device = d, .value = held[d], .contexts = on[d] });
}

/* Waits for an answer of this kind; serves ADOPT meanwhile. */
static struct vgp_ctl await(uint32_t op, const struct vgp_ctl *ask)
{
	struct vgp_ctl m;

	to_daemon(ask);
	for (;;) {
		if (recv(VGP_WORKER_FD_CTL, &m, sizeof(m), 0) != sizeof(m))
			exit(5);
		if (m.op == op && m.value2 == ask->value2)
			return m;
		if (m.op == VGP_CTL_ADOPT) {
			on_adopt();
			to_daemon(ask);
		}
	}
}

static void info(char *out, size_t cap)
{
	struct rlimit core;
	int fds = 0, n;

	getrlimit(RLIMIT_CORE, &core);
	for (int i = 0; i < 1024; i++)
		fds += dup2(i, i) == i;
	n = snprintf(out, cap, "pid %d sid %d pgid %d fds %d core %llu devices %zu client %u uid %u adopted %u env",
		     (int)getpid(), (int)getsid(0), (int)getpgid(0), fds, (unsigned long long)core.rlim_cur, n_devices,
		     start.client_pid, start.client_uid, adopted);
	for (char **e = environ; *e && (size_t)n < cap; e++)
		n += snprintf(out + n, cap - (size_t)n, " %s", *e);
}

static void obey(const char *text)
{
	unsigned long long dev = 0, bytes = 0;
	struct vgp_ctl m;
	char out[4000] = "";

	sscanf(text, "%*s %llu %llu", &dev, &bytes);
	if (strncmp(text, "echo ", 5) == 0) {
		snprintf(out, sizeof(out), "%s", text + 5);
	} else if (strncmp(text, "exit", 4) == 0) {
		exit((int)dev);
	} else if (strcmp(text, "die") == 0) {
		raise(SIGKILL);
	} else if (strncmp(text, "reserve ", 8) == 0) {
		m = await(VGP_CTL_GRANT, &(struct vgp_ctl){ .op = VGP_CTL_RESERVE, .device = (uint32_t)dev, .value = bytes, .value2 = ++reserve_no });
		if (!m.status && dev < VGPU_MAX_DEVICES)
			held[dev] += m.value;
		snprintf(out, sizeof(out), "%s %llu", vgpu_status_name((int)m.status), (unsigned long long)m.value);
	} else if (strncmp(text, "release ", 8) == 0) {
		to_daemon(&(struct vgp_ctl){ .op = VGP_CTL_RELEASE, .device = (uint32_t)dev, .value = bytes });
		held[dev % VGPU_MAX_DEVICES] -= bytes;
		m = await(VGP_CTL_TOTALS, &(struct vgp_ctl){ .op = VGP_CTL_QUERY, .device = (uint32_t)dev });
		snprintf(out, sizeof(out), "%llu", (unsigned long long)m.value);
	} else if (strncmp(text, "busy ", 5) == 0) {
		to_daemon(&(struct vgp_ctl){ .op = VGP_CTL_USAGE, .device = (uint32_t)dev, .value = held[dev % VGPU_MAX_DEVICES], .value2 = bytes,
					     .span_ns = 1000000000, .contexts = on[dev % VGPU_MAX_DEVICES] });
		snprintf(out, sizeof(out), "told");
	} else if (strncmp(text, "attach ", 7) == 0) {
		m = await(VGP_CTL_GRANT, &(struct vgp_ctl){ .op = VGP_CTL_ATTACH, .device = (uint32_t)dev, .value2 = ++reserve_no });
		on[dev % VGPU_MAX_DEVICES] = !m.status;
		snprintf(out, sizeof(out), "%s", vgpu_status_name((int)m.status));
	} else if (strncmp(text, "detach ", 7) == 0) {
		to_daemon(&(struct vgp_ctl){ .op = VGP_CTL_DETACH, .device = (uint32_t)dev });
		on[dev % VGPU_MAX_DEVICES] = false;
		snprintf(out, sizeof(out), "told");
	} else if (strncmp(text, "query ", 6) == 0) {
		m = await(VGP_CTL_TOTALS, &(struct vgp_ctl){ .op = VGP_CTL_QUERY, .device = (uint32_t)dev });
		snprintf(out, sizeof(out), "%llu", (unsigned long long)m.value);
	} else if (strcmp(text, "info") == 0) {
		info(out, sizeof(out));
	} else if (strcmp(text, "silent") == 0) {
		return;
	} else if (strcmp(text, "hang") == 0) {
		for (;;)
			pause();
	} else if (strncmp(text, "big ", 4) == 0) {
		struct vgp_frame *f = calloc(1, dev);

		*f = (struct vgp_frame){ .magic = VGP_MAGIC, .type = VGP_FRAME_REPLY, .len = (uint32_t)(dev - sizeof(*f)) };
		if (send(VGP_WORKER_FD_CLIENT, f, dev, MSG_NOSIGNAL) < 0)
			exit(6);
		free(f);
		return;
	} else {
		snprintf(out, sizeof(out), "what?");
	}
	reply(out);
}

static void get_start(void)
{
	static struct vgpu_device devs[VGPU_MAX_DEVICES];
	struct {
		struct vgp_ctl m;
		struct vgp_ctl_start s;
		char table[VGPU_DEVTAB_MAX];
	} *p = calloc(1, sizeof(*p));
	int fds[VGPU_MAX_FDS], nfds;
	ssize_t n = vgpu_recv_fds(VGP_WORKER_FD_CTL, p, sizeof(*p) - 1, fds, &nfds, 0);

	if (n < (ssize_t)(sizeof(p->m) + sizeof(p->s)) || p->m.op != VGP_CTL_START)
		exit(2);
	if (vgpu_devtab_parse(p->table, devs, &n_devices, NULL, NULL))
		exit(3);
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	start = p->s;
	free(p);
}

static void welcome(void)
{
	struct {
		struct vgp_frame h;
		struct vgp_welcome w;
	} f = {
		.h = { .magic = VGP_MAGIC, .type = VGP_FRAME_WELCOME, .len = sizeof(f.w) },
		.w = { .magic = VGP_MAGIC, .abi_major = VGP_ABI_MAJOR, .abi_minor = VGP_ABI_MINOR, .nonce = start.nonce,
		       .worker_pid = (uint32_t)getpid() },
	};

	if (send(VGP_WORKER_FD_CLIENT, &f, sizeof(f), MSG_NOSIGNAL) < 0)
		exit(0);
}

int main(void)
{
	static char buf[VGP_FRAME_MAX + 1];

	get_start();
	welcome();
	for (;;) {
		struct pollfd p[2] = { { .fd = VGP_WORKER_FD_CLIENT, .events = POLLIN }, { .fd = VGP_WORKER_FD_CTL, .events = POLLIN } };
		struct vgp_ctl m;
		ssize_t n;

		if (poll(p, 2, -1) < 0)
			return 7;
		if (p[1].revents) {
			n = recv(VGP_WORKER_FD_CTL, &m, sizeof(m), 0);
			if (n <= 0)
				return 8;
			if (m.op == VGP_CTL_ADOPT)
				on_adopt();
			continue;
		}
		n = recv(VGP_WORKER_FD_CLIENT, buf, sizeof(buf) - 1, 0);
		if (n <= 0)
			return 0;
		buf[n] = 0;
		if ((size_t)n >= sizeof(struct vgp_frame))
			obey(buf + sizeof(struct vgp_frame));
		else
			reply("short");
	}
}
