/*
 * 656-node-rights.c: what a client may use that got devices' nodes but no
 * control node, whatever its library believes: the devices whose nodes it can
 * open, and the MIG devices whose two capabilities it can. The daemon decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/vgp_mon.h"
#include "t/lib/mount.h"
#include "t/lib/tap.h"
#include "transport/transport.h"
#include "util/mig.h"

static const struct test_mount *m;
static struct vgpu_device devs[VGPU_MAX_DEVICES];
static struct tr_session *s;
static size_t n, n_mig;

static const char *node(const char *name)
{
	static char path[2][320];
	static int turn;

	turn ^= 1;
	snprintf(path[turn], sizeof(path[turn]), "%s/dev/%s", m->mnt, name);
	return path[turn];
}

static const char *cap(unsigned minor, unsigned gi, int ci)
{
	static char name[64];

	snprintf(name, sizeof(name), "nvidia-caps/nvidia-cap%u", vgpu_mig_cap(minor, gi, ci));
	return name;
}

static void start(const char *name)
{
	struct tr_node at = { .dir = "" };
	struct vgpu_err err = VGPU_ERR_INIT;

	snprintf(at.ctl, sizeof(at.ctl), "%s", node(name));
	if (s)
		tr_close(s);
	if (tr_open(&s, &at, 0, &err))
		bail("no session on %s: %s", name, err.text);
}

/* A context on the device with that index is made and goes: 0 or -status. */
static int use(uint64_t index)
{
	struct vgp_cmd c = { .op = VGP_OP_CTX_CREATE, .a.CTX_CREATE.device = (uint32_t)index };
	struct vgp_reply reply;
	size_t len;
	int r = tr_call(s, &c, NULL, 0, &reply, NULL, 0, &len, NULL);

	if (!r) {
		c = (struct vgp_cmd){ .op = VGP_OP_CTX_DESTROY, .a.CTX_DESTROY.ctx = reply.r.CTX_CREATE.ctx };
		r = tr_call(s, &c, NULL, 0, &reply, NULL, 0, &len, NULL);
	}
	return r;
}

static int ask(const char *name, unsigned op, void *arg, size_t size)
{
	struct tr_node at;
	int fd, r;

	snprintf(at.ctl, sizeof(at.ctl), "%s", node(name));
	fd = tr_monitor_open(&at, NULL);
	if (fd < 0)
		return fd;
	r = tr_monitor_ask(fd, op, arg, size, NULL);
	close(fd);
	return r;
}

static int admit(const char *name)
{
	struct vgp_mon_head h = { 0 };

	return ask(name, VGP_MON_ADMIT, &h, sizeof(h));
}

/* GPU instance and compute instance of the third device; the MIG device's index. */
static uint64_t instance(uint32_t profile, unsigned *gi, unsigned *ci)
{
	struct vgp_mon_mig_arg q = { .kind = VGP_MIG_GPU, .profile = profile, .start = VGP_MIG_ANYWHERE };
	struct tr_node found;
	char driver[32];

	is_int(ask("nvidia2", VGP_MON_MIG_CREATE, &q, sizeof(q)), 0, "a GPU instance");
	*gi = q.gi;
	q = (struct vgp_mon_mig_arg){ .kind = VGP_MIG_COMPUTE, .start = VGP_MIG_ANYWHERE, .gi = q.gi };
	is_int(ask("nvidia2", VGP_MON_MIG_CREATE, &q, sizeof(q)), 0, "a compute instance in it");
	*ci = q.ci;
	if (tr_enumerate_all(&found, devs, &n, &n_mig, driver, NULL))
		bail("no table");
	for (size_t i = n; i < n + n_mig; i++)
		if (vgpu_mig_gi(&devs[i]) == *gi && vgpu_mig_ci(&devs[i]) == *ci)
			return devs[i].index;
	bail("the MIG device is not in the table");
}

static void test_devices(void)
{
	int ws = 0;
	pid_t child;

	start("nvidiactl");
	ok(!use(0) && !use(1), "whoever has the control node uses all");
	start("nvidia0");
	is_int(use(0), 0, "a device's node is for that device");
	is_int(use(1), -VGPU_E_NOT_PERMITTED, "not for another");
	is_int(use(99), -VGPU_E_INVALID_DEVICE, "and not for one that isn't");
	child = fork();
	if (!child)
		_exit(admit("nvidia1") ? 1 : 0);
	waitpid(child, &ws, 0);
	is_int(ws, 0, "another process may show that it has the other's node");
	is_int(use(1), -VGPU_E_NOT_PERMITTED, "for itself");
	is_int(admit("nvidia1"), 0, "who has both shows it");
	is_int(use(1) | use(0), 0, "and uses both");
	is_int(use(2), -VGPU_E_NOT_PERMITTED, "not a third one");
	is_int(admit("nvidiactl"), -VGPU_E_INVALID_DEVICE, "the control node is of no device");
	start("nvidia0");
	is_int(use(1), -VGPU_E_NOT_PERMITTED, "a new session knows nothing of it");
}

static void test_mig(void)
{
	struct vgp_mon_set mode = { .what = VGP_SET_MIG_MODE, .v = { 1 } };
	struct vgp_mon_telemetry t = { 0 };
	unsigned gi[2], ci[2];
	uint64_t mig[2];
	pid_t was = test_daemon();

	is_int(ask("nvidia2", VGP_MON_SET, &mode, sizeof(mode)), 0, "a device is divided");
	for (int i = 0; i < 2; i++)
		mig[i] = instance(0, &gi[i], &ci[i]);
	start("nvidiactl");
	ok(!use(mig[0]) && !use(mig[1]), "whoever has the control node uses all of its MIG devices");
	start("nvidia2");
	is_int(use(mig[0]), -VGPU_E_NOT_PERMITTED, "the device's node alone is for none");
	is_int(admit(cap(2, gi[0], (int)ci[0])), 0, "the compute instance's");
	is_int(use(mig[0]), -VGPU_E_NOT_PERMITTED, "doesn't do");
	is_int(admit(cap(2, gi[1], -1)), 0, "nor does it with the other's GPU instance's");
	is_int(use(mig[0]), -VGPU_E_NOT_PERMITTED, "of course");
	is_int(admit(cap(2, gi[0], -1)), 0, "but with its own");
	is_int(use(mig[0]), 0, "it is used");
	is_int(use(mig[1]), -VGPU_E_NOT_PERMITTED, "the other isn't");
	kill(was, SIGKILL);
	for (int i = 0; i < 6000 && (test_daemon() == was || !test_daemon()); i++)
		usleep(10000);
	is_int(use(mig[0]), 0, "a new daemon knows");
	is_int(use(mig[1]), -VGPU_E_NOT_PERMITTED, "both");
	is_int(ask(cap(2, gi[0], -1), VGP_MON_TELEMETRY, &t, sizeof(t)), -VGPU_E_NOT_SUPPORTED, "a capability answers nothing else");
}

static void test_cap_node(void)
{
	int fd = open(node("nvidia-caps/nvidia-cap2"), O_RDONLY | O_CLOEXEC);
	struct vgp_node_info info;

	ok(fd >= 0 && ioctl(fd, VGP_IOC_INFO, &info) < 0 && errno == ENOTTY, "a node of no instance is a file");
	close(fd);
}

int main(void)
{
	static const char *const profiles[] = { "T4", "T4", "A100" };

	m = test_mount_of(profiles, 3);
	setenv("VGPU_PATH", m->mnt, 1);
	plan_lazy();
	test_devices();
	test_mig();
	test_cap_node();
	tr_close(s);
	return 0;
}
