/*
 * 532-monitor.c: a monitor's questions (vgp_mon.h) on a mounted file system,
 * with a fake worker that does as it is told: what is answered, to whom, and
 * what becomes of questions that make no sense.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/vgp_mon.h"
#include "t/lib/client.h"
#include "t/lib/mount.h"
#include "t/lib/tap.h"
#include "transport/transport.h"
#include "util/device.h"

static const struct test_mount *m;
static char ctl[300], dev0[300], dev1[300];
static uint8_t uuid[2][16];
static int fd;

static void nap(unsigned ms)
{
	usleep(ms * 1000);
}

static int ask(int node, unsigned op, const uint8_t *dev, void *arg, size_t size)
{
	struct vgp_mon_head *h = arg;
	struct vgpu_err err = VGPU_ERR_INIT;
	int r;

	if (dev)
		memcpy(h->uuid, dev, 16);
	r = tr_monitor_ask(node, op, arg, size, &err);
	if (r && r != -VGPU_E_INVALID && r != -VGPU_E_NOT_PERMITTED && r != -VGPU_E_INVALID_DEVICE)
		diag("%s", err.text);
	return r;
}

static struct vgp_telemetry telemetry(int node, const uint8_t *dev)
{
	struct vgp_mon_telemetry t = { 0 };

	if (ask(node, VGP_MON_TELEMETRY, dev, &t, sizeof(t)))
		memset(&t, 0xff, sizeof(t));
	return t.t;
}

struct procs {
	struct vgp_mon_list l;
	struct vgp_mon_proc p[32];
};

static struct procs procs(int node, const uint8_t *dev)
{
	struct procs a = { 0 };

	if (ask(node, VGP_MON_PROCS, dev, &a, sizeof(a)))
		a.l.n = 0xffff;
	return a;
}

static void learn_devices(void)
{
	struct vgpu_device *devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	struct tr_node node;
	char driver[32];
	size_t n = 0;

	setenv("VGPU_PATH", m->mnt, 1);
	ok(!tr_enumerate(&node, devs, &n, driver, NULL) && n == 2, "two devices");
	for (int i = 0; i < 2; i++)
		vgpu_uuid_parse(devs[i].uuid, uuid[i], NULL);
	fd = tr_monitor_open(&node, NULL);
	ok(fd >= 0, "the node opens for a monitor");
	free(devs);
}

/* ---- values ---- */

static void test_idle(void)
{
	struct vgp_telemetry t = telemetry(fd, uuid[0]);
	struct procs p = procs(fd, uuid[0]);

	is_int((long long)t.memory_total, 0x400000000ll, "all memory");
	is_int((long long)t.memory_used, 0, "none is used");
	is_int((long long)t.memory_free, 0x400000000ll, "all is free");
	is_int((long long)t.util_gpu, 0, "no load");
	is_int((long long)t.processes, 0, "no process");
	is_int((long long)t.pstate, 8, "idle state");
	ok(t.clock_sm_khz < t.clock_sm_max_khz, "clocks are low");
	is_int((long long)t.power_mw, 15000, "idle power");
	is_int((long long)t.temperature_c, 30, "idle temperature");
	is_int((long long)t.throttle_reasons, VGP_THROTTLE_IDLE, "idle is why");
	is_int((long long)t.xid_count + (long long)t.ecc_volatile_dram_corrected + (long long)t.lost, 0, "nothing is broken");
	is_int(p.l.n, 0, "the list of processes is empty");
	is_int(p.l.entry_B, sizeof(struct vgp_mon_proc), "its entries have their size");
}

static void test_busy(void)
{
	struct vgp_telemetry t, before = telemetry(fd, uuid[0]);
	struct vgp_mon_list first = { .since = UINT64_MAX };
	int a = client_session(ctl);
	struct procs p;

	ok(a >= 0, "a client");
	ok(!ask(fd, VGP_MON_EVENTS, NULL, &first, sizeof(first)), "events up to now");
	is_int(procs(fd, uuid[0]).l.n, 0, "a session alone is no use of a device");
	is_string(client_ask(a, "attach 0"), "OK", "a context on the first device");
	is_string(client_ask(a, "reserve 0 4194304"), "OK 4194304", "memory there");
	p = procs(fd, uuid[0]);
	is_int(p.l.n, 1, "now it is listed");
	is_int(p.p[0].pid, getpid(), "with its process");
	is_int((long long)p.p[0].memory, 4194304, "and memory");
	is_int(p.p[0].gi, VGP_MON_NO_INSTANCE, "on no MIG device");
	is_int(procs(fd, uuid[1]).l.n, 0, "not on the other device");
	/* what a worker has said holds for a moment: both are asked in one */
	for (int i = 0; i < 1200; i++) {
		client_ask(a, "busy 0 500000000");
		t = telemetry(fd, uuid[0]);
		p = procs(fd, uuid[0]);
		if (t.util_gpu == 50 && p.p[0].util_gpu == 50)
			break;
		nap(50);
	}
	is_int((long long)t.util_gpu, 50, "half of the time is half of the load");
	is_int((long long)p.p[0].util_gpu, 50, "of the process, too");
	is_int((long long)t.memory_used, 4194304, "memory is used");
	is_int((long long)t.memory_free, 0x400000000ll - 4194304, "less is free");
	is_int((long long)t.pstate, 0, "highest state");
	is_int((long long)t.clock_sm_khz, (long long)t.clock_sm_max_khz, "highest clock");
	is_int((long long)t.power_mw, 15000 + (150000 - 15000) / 2, "power between idle and limit");
	ok(t.temperature_c >= 30 && t.temperature_c <= 70, "temperature between its bounds");
	is_int((long long)telemetry(fd, uuid[1]).util_gpu, 0, "the other device is idle");
	for (int i = 0; i < 6000 && telemetry(fd, uuid[0]).util_gpu; i++)
		nap(50);
	t = telemetry(fd, uuid[0]);
	is_int((long long)t.util_gpu, 0, "a worker that says nothing more is idle");
	ok(t.energy_mj > before.energy_mj, "energy adds up");
	ok(t.busy_ns > before.busy_ns, "busy time adds up");
	is_string(client_ask(a, "detach 0"), "told", "the context goes");
	for (int i = 0; i < 6000 && procs(fd, uuid[0]).l.n; i++)
		nap(10);
	is_int(procs(fd, uuid[0]).l.n, 0, "and with it the process");
	close(a);
	for (int i = 0; i < 6000 && telemetry(fd, uuid[0]).memory_used; i++)
		nap(10);
	is_int((long long)telemetry(fd, uuid[0]).memory_used, 0, "its memory is free when it ends");
}

struct samples {
	struct vgp_mon_list l;
	struct vgp_mon_sample s[VGP_KEPT_SAMPLES];
};

static void test_samples(void)
{
	struct samples a = { .l.arg = VGP_SERIES_UTIL_GPU }, b = { .l.arg = VGP_SERIES_POWER };
	bool order = true, half = false;

	ok(!ask(fd, VGP_MON_SAMPLES, uuid[0], &a, sizeof(a)), "samples of the load");
	if (!ok(a.l.n >= 2, "there are some"))
		return;
	for (uint32_t i = 0; i < a.l.n; i++) {
		order = order && (!i || a.s[i].time_us > a.s[i - 1].time_us);
		half = half || a.s[i].value == 50;
	}
	ok(order, "oldest first");
	ok(half, "with the load that was");
	b.l.since = a.s[a.l.n - 2].time_us;
	ok(!ask(fd, VGP_MON_SAMPLES, uuid[0], &b, sizeof(b)) && b.l.n >= 1 && b.l.n <= 4, "only what is newer than asked");
	b.l.arg = VGP_SERIES_COUNT;
	is_int(ask(fd, VGP_MON_SAMPLES, uuid[0], &b, sizeof(b)), -VGPU_E_INVALID, "no such series");
}

struct events {
	struct vgp_mon_list l;
	struct vgp_mon_event e[16];
};

static void test_events(void)
{
	struct events a = { .l.since = UINT64_MAX };
	int other = open(ctl, O_RDONLY), c = client_session(ctl);
	struct pollfd p = { .fd = other, .events = POLLIN };

	ok(!ask(other, VGP_MON_EVENTS, NULL, &a, sizeof(a)) && a.l.n == 0, "no event that is yet to come");
	ok(a.l.since != UINT64_MAX, "but the newest one's number");
	is_int(poll(&p, 1, 50), 0, "poll waits");
	client_ask(c, "attach 0");
	is_int(poll(&p, 1, 5000), 1, "until something happens");
	a.l.n = 0;
	ok(!ask(other, VGP_MON_EVENTS, NULL, &a, sizeof(a)) && a.l.n >= 1, "which can be read");
	is_int(a.e[0].type, VGP_EVENT_PSTATE, "a change of the performance state");
	is_int((long long)a.e[0].data, 0, "to the highest");
	is_blob(a.e[0].uuid, uuid[0], 16, "of that device");
	a.l.since = 0;
	a.l.arg = VGP_EVENT_XID;
	ok(!ask(other, VGP_MON_EVENTS, NULL, &a, sizeof(a)) && a.l.n == 0, "types that aren't wanted are left out");
	a.l.since = 0;
	a.l.arg = 0;
	ok(!ask(other, VGP_MON_EVENTS, uuid[1], &a, sizeof(a)) && a.l.n == 0, "as are other devices");
	close(other);
	close(c);
}

/* ---- who sees what ---- */

static void test_device_node(void)
{
	int n0 = open(dev0, O_RDONLY), n1 = open(dev1, O_RDONLY);
	struct vgp_mon_telemetry t = { 0 };

	is_int((long long)telemetry(n0, NULL).memory_total, 0x400000000ll, "a device's node knows which device is meant");
	is_int((long long)telemetry(n0, uuid[0]).memory_total, 0x400000000ll, "also by name");
	is_int(ask(n0, VGP_MON_TELEMETRY, uuid[1], &t, sizeof(t)), -VGPU_E_NOT_PERMITTED, "and tells of no other");
	memset(&t, 0, sizeof(t));
	is_int(ask(fd, VGP_MON_TELEMETRY, NULL, &t, sizeof(t)), -VGPU_E_INVALID_DEVICE, "the control node has to be told which");
	memset(&t, 1, sizeof(t));
	t.head.flags = 0;
	is_int(ask(fd, VGP_MON_TELEMETRY, t.head.uuid, &t, sizeof(t)), -VGPU_E_INVALID_DEVICE, "there is no such device");
	close(n0);
	close(n1);
}

/* In a pid namespace of its own: its own number there, and nobody from outside. */
static int in_namespace(int until)
{
	struct procs p;
	int c, bad = 0, n = open(ctl, O_RDONLY);

	p = procs(n, uuid[1]);
	bad |= p.l.n != 0;               /* the client outside is not seen */
	c = client_session(ctl);
	if (strcmp(client_ask(c, "attach 1"), "OK"))
		return 32;
	p = procs(n, uuid[1]);
	bad |= (p.l.n != 1) << 1;
	bad |= (p.p[0].pid != (uint32_t)getpid()) << 2;
	bad |= (getpid() != 1) << 3;
	(void)!read(until, &c, 1); /* we have been seen from outside */
	return bad;
}

static void test_pidns(void)
{
	int c = client_session(ctl), status = -1, until[2];
	struct procs p;
	pid_t helper;

	client_ask(c, "attach 1");
	if (pipe2(until, O_CLOEXEC))
		bail("pipe");
	helper = fork();
	if (helper == 0) {
		pid_t child;
		int st;

		close(until[1]);
		if (unshare(CLONE_NEWPID))
			_exit(99);
		child = fork();
		if (child == 0)
			_exit(in_namespace(until[0]));
		waitpid(child, &st, 0);
		_exit(WIFEXITED(st) ? WEXITSTATUS(st) : 98);
	}
	close(until[0]);
	for (int i = 0; i < 6000 && procs(fd, uuid[1]).l.n < 2 && waitpid(helper, &status, WNOHANG) == 0; i++)
		nap(10);
	p = procs(fd, uuid[1]);
	close(until[1]);
	if (status == -1)
		waitpid(helper, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99) {
		skip("no pid namespace to be had");
	} else {
		is_int(WIFEXITED(status) ? WEXITSTATUS(status) : 97, 0, "inside a pid namespace: one's own number, nobody from outside");
		is_int(p.l.n, 2, "from outside both are seen");
		ok(p.p[1].pid > 1 && p.p[1].pid != (uint32_t)getpid(), "by their numbers here");
	}
	close(c);
}

static void test_unprivileged(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct vgp_mon_set s = { .what = VGP_SET_PERSISTENCE_MODE, .v = { 1 } };
		int n, bad = 0;

		if (setgid(65534) || setuid(65534))
			_exit(64);
		n = open(ctl, O_RDONLY);
		bad |= n < 0;
		bad |= (telemetry(n, uuid[0]).memory_total != 0x400000000ull) << 1;
		bad |= (ask(n, VGP_MON_SET, uuid[0], &s, sizeof(s)) != -VGPU_E_NOT_PERMITTED) << 2;
		_exit(bad);
	}
	waitpid(pid, &status, 0);
	is_int(WEXITSTATUS(status), 0, "another user reads, but changes nothing");
}

/* ---- nonsense ---- */

static void test_bad(void)
{
	struct vgp_mon_telemetry t = { .head.magic = VGP_MAGIC };
	struct vgp_mon_list l = { .head.magic = VGP_MAGIC };
	unsigned char huge[VGP_MON_SIZE_MAX + 8] = { 0 };
	struct { struct vgp_mon_telemetry t; uint64_t more; } longer = { 0 };
	struct { struct vgp_mon_head h; uint64_t generation; } shorter = { 0 };

	memcpy(t.head.uuid, uuid[0], 16);
	memcpy(l.head.uuid, uuid[0], 16);
	is_int(ioctl(fd, VGP_IOC_MON(63, sizeof(t)), &t) < 0 ? errno : 0, ENOTTY, "a question that there isn't");
	is_int(ioctl(fd, VGP_IOC_MON(VGP_MON_END + 1, sizeof(t)), &t) < 0 ? errno : 0, ENOTTY, "a number beyond all");
	is_int(ioctl(fd, _IOC(_IOC_READ, 'V', VGP_MON_TELEMETRY, sizeof(t)), &t) < 0 ? errno : 0, ENOTTY, "one that brings nothing");
	is_int(ioctl(fd, VGP_IOC_MON(VGP_MON_TELEMETRY, 16), &t) < 0 ? errno : 0, EINVAL, "half a head");
	is_int(ioctl(fd, VGP_IOC_MON(VGP_MON_PROCS, 48), &l) < 0 ? errno : 0, EINVAL, "half a list");
	t.head.magic = 1;
	is_int(ioctl(fd, VGP_IOC_MON(VGP_MON_TELEMETRY, sizeof(t)), &t) < 0 ? errno : 0, EINVAL, "another magic number");
	((struct vgp_mon_head *)(void *)huge)->magic = VGP_MAGIC;
	is_int(ioctl(fd, VGP_IOC_MON(VGP_MON_PROCS, sizeof(huge) - 1), huge) < 0 ? errno : 0, EINVAL, "longer than any");
	t.head.flags = 1;
	is_int(tr_monitor_ask(fd, VGP_MON_TELEMETRY, &t, sizeof(t), NULL), -VGPU_E_INVALID, "flags that there aren't");
	is_int(tr_monitor_ask(fd, VGP_MON_TELEMETRY, &t, 8, NULL), -VGPU_E_INVALID, "the library refuses half a head, too");
	memcpy(longer.t.head.uuid, uuid[0], 16);
	longer.more = 77;
	ok(!tr_monitor_ask(fd, VGP_MON_TELEMETRY, &longer, sizeof(longer), NULL) && longer.t.t.memory_total == 0x400000000ull,
	   "a newer client's longer struct");
	memcpy(shorter.h.uuid, uuid[0], 16);
	ok(!tr_monitor_ask(fd, VGP_MON_TELEMETRY, &shorter, sizeof(shorter), NULL) && shorter.generation, "an older client's shorter one");
	l.cursor = 1000000;
	ok(!tr_monitor_ask(fd, VGP_MON_PROCS, &l, sizeof(l), NULL) && l.n == 0 && l.cursor == 0, "a list from beyond its end");
}

static void test_pages_of_list(void)
{
	struct { struct vgp_mon_list l; struct vgp_mon_proc p[1]; } a = { 0 };
	pid_t kids[3], seen[4] = { 0 };
	unsigned n = 0;
	int up[2];
	char c;

	if (pipe(up))
		bail("pipe");
	for (int i = 0; i < 3; i++) {
		kids[i] = fork();
		if (kids[i] == 0) {
			int s = client_session(ctl);

			client_ask(s, "attach 0");
			if (write(up[1], "x", 1) != 1)
				_exit(1);
			pause();
			_exit(0);
		}
		if (read(up[0], &c, 1) != 1)
			bail("child");
		nap(2);
	}
	do {
		memcpy(a.l.head.uuid, uuid[0], 16);
		if (tr_monitor_ask(fd, VGP_MON_PROCS, &a, sizeof(a), NULL) || a.l.n != 1 || a.l.total != 3)
			break;
		seen[n++] = (pid_t)a.p[0].pid;
	} while (a.l.cursor && n < 4);
	is_int(n, 3, "a list comes in pieces");
	is_blob(seen, kids, sizeof(kids), "in order of start");
	for (int i = 0; i < 3; i++) {
		kill(kids[i], SIGKILL);
		waitpid(kids[i], NULL, 0);
	}
	close(up[0]);
	close(up[1]);
}

/* ---- a new daemon ---- */

static void test_restart(void)
{
	struct events e = { .l.since = UINT64_MAX };
	int a = client_session(ctl);
	struct vgp_telemetry t;
	struct procs p;
	pid_t was = test_daemon();

	client_ask(a, "attach 0");
	client_ask(a, "reserve 0 2097152");
	ask(fd, VGP_MON_EVENTS, NULL, &e, sizeof(e.l));
	kill(was, SIGKILL);
	for (int i = 0; i < 6000 && (test_daemon() == was || !test_daemon()); i++)
		nap(10);
	t = telemetry(fd, uuid[0]);
	is_int((long long)t.memory_used, 2097152, "a new daemon knows what is used");
	p = procs(fd, uuid[0]);
	is_int(p.l.n, 1, "and by whom");
	is_int(p.p[0].pid, getpid(), "by number");
	ok(!ask(fd, VGP_MON_EVENTS, NULL, &e, sizeof(e)), "events go on counting");
	close(a);
}

int main(void)
{
	const char *const opts[] = { "--engine", test_build("t/lib/fake-engine"), NULL };

	m = test_mount(2, opts);
	plan_lazy();
	snprintf(ctl, sizeof(ctl), "%s/dev/vgpuctl", m->mnt);
	snprintf(dev0, sizeof(dev0), "%s/dev/nvidia0", m->mnt);
	snprintf(dev1, sizeof(dev1), "%s/dev/nvidia1", m->mnt);
	learn_devices();
	test_idle();
	test_busy();
	test_samples();
	test_events();
	test_device_node();
	test_pidns();
	test_unprivileged();
	test_bad();
	test_pages_of_list();
	test_restart();
	return 0;
}
