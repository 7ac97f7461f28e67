/*
 * 654-mig.c: a device divided into MIG instances: what can be made beside what,
 * what programs see of it, and that shares of memory and CPUs hold.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/vgp_mon.h"
#include "t/lib/cuchild.h"
#include "t/lib/mount.h"
#include "t/lib/tap.h"
#include "transport/transport.h"
#include "util/mig.h"
#include "util/sys.h"

static const struct test_mount *m;
static struct vgpu_device devs[VGPU_MAX_DEVICES];
static uint8_t uuid[2][16];
static int fd;

enum { NO_DEVICE = 100, OUT_OF_MEMORY = 2, UNAVAILABLE = 46 };

/* NVML's numbers of profiles */
enum { P_1G = 0, P_2G = 1, P_3G = 2, P_4G = 3, P_7G = 4, P_1G_ME = 7, P_1G_10GB = 9 };

static void nap(unsigned ms)
{
	usleep(ms * 1000);
}

static int ask(int dev, unsigned op, void *arg, size_t size)
{
	memcpy(((struct vgp_mon_head *)arg)->uuid, uuid[dev], 16);
	return tr_monitor_ask(fd, op, arg, size, NULL);
}

static int mode(int dev, uint64_t on, uint32_t *result)
{
	struct vgp_mon_set s = { .what = VGP_SET_MIG_MODE, .v = { on } };
	int r = ask(dev, VGP_MON_SET, &s, sizeof(s));

	if (result)
		*result = s.result;
	return r;
}

static struct vgp_telemetry now_of(const uint8_t id[16])
{
	struct vgp_mon_telemetry t = { 0 };

	memcpy(t.head.uuid, id, 16);
	if (tr_monitor_ask(fd, VGP_MON_TELEMETRY, &t, sizeof(t), NULL))
		memset(&t, 0xff, sizeof(t));
	return t.t;
}

/* Makes a GPU instance (its number), or a compute instance in gi (its number; id gets its UUID); or -status. */
static int make_gi(uint32_t profile, uint32_t start)
{
	struct vgp_mon_mig_arg q = { .kind = VGP_MIG_GPU, .profile = profile, .start = start };
	int r = ask(0, VGP_MON_MIG_CREATE, &q, sizeof(q));

	return r ? r : (int)q.gi;
}

static int make_ci(unsigned gi, uint32_t profile, uint8_t id[16])
{
	struct vgp_mon_mig_arg q = { .kind = VGP_MIG_COMPUTE, .profile = profile, .start = VGP_MIG_ANYWHERE, .gi = gi };
	int r = ask(0, VGP_MON_MIG_CREATE, &q, sizeof(q));

	if (id)
		memcpy(id, q.mig_uuid, 16);
	return r ? r : (int)q.ci;
}

static int destroy(uint32_t kind, unsigned gi, unsigned ci)
{
	struct vgp_mon_mig_arg q = { .kind = kind, .gi = gi, .ci = ci };

	return ask(0, VGP_MON_MIG_DESTROY, &q, sizeof(q));
}

struct migs {
	struct vgp_mon_list l;
	struct vgp_mon_mig e[32];
};

static struct migs list(void)
{
	struct migs a = { 0 };

	if (ask(0, VGP_MON_MIG_LIST, &a, sizeof(a)))
		a.l.n = 999;
	return a;
}

struct profiles {
	struct vgp_mon_list l;
	struct vgp_mon_mig_profile e[16];
};

static struct vgp_mon_mig_profile profile(uint32_t of, uint32_t number)
{
	struct profiles a = { .l.arg = of };
	struct vgp_mon_mig_profile none = { .free = 999 };

	if (ask(0, VGP_MON_MIG_PROFILES, &a, sizeof(a)))
		return none;
	for (uint32_t i = 0; i < a.l.n; i++)
		if (a.e[i].profile == number)
			return a.e[i];
	return none;
}

static void visible(char out[80], const uint8_t id[16])
{
	char text[48];

	vgpu_uuid_format(id, text);
	snprintf(out, 80, "CUDA_VISIBLE_DEVICES=MIG-%s", text + 4);
}

static void test_mode(void)
{
	struct cuchild c;
	uint32_t result = 99;

	is_int(mode(1, 1, NULL), -VGPU_E_NOT_SUPPORTED, "a device that can't be divided");
	is_int(make_gi(P_1G, VGP_MIG_ANYWHERE), -VGPU_E_NOT_SUPPORTED, "no instance without MIG mode");
	is_int((long long)now_of(uuid[0]).mig_supported, 1, "this one can");
	c = cuchild_start(m->mnt, NULL);
	cuchild_do(&c, CU_INIT, 0);
	is_int(cuchild_do(&c, CU_CREATE, 0), 0, "a program uses it whole");
	is_int(mode(0, 1, &result), 0, "MIG mode");
	is_int((long long)result, VGPU_E_BUSY, "has to wait");
	is_int((long long)now_of(uuid[0]).mig_mode, 0, "it is off");
	is_int((long long)now_of(uuid[0]).mig_mode_pending, 1, "until nobody is in the way");
	cuchild_end(&c);
	for (int i = 0; i < 6000 && now_of(uuid[0]).processes; i++)
		nap(10);
	is_int(mode(0, 1, &result), 0, "now");
	is_int((long long)result, 0, "it is in force");
	is_int((long long)now_of(uuid[0]).mig_mode, 1, "and said so");
	is_int(mode(0, 2, NULL), -VGPU_E_INVALID, "on or off only");
	c = cuchild_start(m->mnt, NULL);
	is_int(cuchild_do(&c, CU_INIT, 0), 0, "a program");
	is_int(cuchild_do(&c, CU_COUNT, 0), 1, "sees the other device only");
	cuchild_end(&c);
}

static void test_layout(void)
{
	int a, b, c;

	is_int(profile(0, P_1G).free, 7, "seven of the smallest fit");
	is_int(profile(0, P_7G).free, 1, "or one that is all");
	is_int(profile(0, P_3G).sm_count, 42, "with a part of the multiprocessors");
	is_string(profile(0, P_3G).name, "3g.20gb", "by name");
	a = make_gi(P_3G, 4);
	ok(a >= 0, "three slices at the end");
	b = make_gi(P_3G, VGP_MIG_ANYWHERE);
	ok(b >= 0 && b != a, "and at the beginning");
	is_int(make_gi(P_3G, VGP_MIG_ANYWHERE), -VGPU_E_NO_SPACE, "no third");
	is_int(make_gi(P_1G, VGP_MIG_ANYWHERE), -VGPU_E_NO_SPACE, "no memory is left for a small one");
	is_int(profile(0, P_1G).free, 0, "as the profiles say");
	is_int(destroy(VGP_MIG_GPU, (unsigned)b, 0), 0, "one goes");
	is_int(make_gi(P_2G, 4), -VGPU_E_NO_SPACE, "no two in one place");
	is_int(make_gi(P_2G, 1), -VGPU_E_INVALID, "at certain slices only");
	b = make_gi(P_2G, 0);
	c = make_gi(P_1G_ME, VGP_MIG_ANYWHERE);
	ok(b >= 0 && c >= 0, "two and one beside three");
	is_int(make_gi(P_1G_ME, VGP_MIG_ANYWHERE), -VGPU_E_NO_SPACE, "one with media engines");
	is_int(make_gi(77, VGP_MIG_ANYWHERE), -VGPU_E_NOT_SUPPORTED, "a profile that there isn't");
	is_int(make_ci(14, 0, NULL), -VGPU_E_NOT_FOUND, "no compute instance in nothing");
	is_int(make_ci((unsigned)b, 2, NULL), -VGPU_E_NOT_SUPPORTED, "nor one that is larger than its GPU instance");
	is_int(make_ci((unsigned)b, 0, NULL), 0, "one slice of two");
	is_int(make_ci((unsigned)b, 0, NULL), 1, "the other one");
	is_int(make_ci((unsigned)b, 0, NULL), -VGPU_E_NO_SPACE, "that was all");
	is_int(list().l.n, 5, "three GPU instances and two compute instances");
	is_int(destroy(VGP_MIG_GPU, (unsigned)b, 0), -VGPU_E_BUSY, "one that has compute instances stays");
	is_int(destroy(VGP_MIG_COMPUTE, (unsigned)b, 7), -VGPU_E_NOT_FOUND, "one that there isn't");
	is_int(destroy(VGP_MIG_COMPUTE, (unsigned)b, 0) + destroy(VGP_MIG_COMPUTE, (unsigned)b, 1) + destroy(VGP_MIG_GPU, (unsigned)b, 0) +
	       destroy(VGP_MIG_GPU, (unsigned)a, 0) + destroy(VGP_MIG_GPU, (unsigned)c, 0), 0, "all go, in order");
	is_int(list().l.n, 0, "none is left");
}

static void test_programs(void)
{
	uint8_t small[16], half[16];
	char env[80], old[120];
	int gs = make_gi(P_1G, VGP_MIG_ANYWHERE), gh = make_gi(P_3G, VGP_MIG_ANYWHERE), cs, ch, total;
	struct cuchild a, b;
	struct migs l;
	pid_t was;

	cs = make_ci((unsigned)gs, 0, small);
	ch = make_ci((unsigned)gh, 2, half);
	ok(cs >= 0 && ch >= 0, "a small and a large MIG device");
	visible(env, small);
	a = cuchild_start(m->mnt, env);
	is_int(cuchild_do(&a, CU_INIT, 0), 0, "a program on the small one");
	is_int(cuchild_do(&a, CU_COUNT, 0), 1, "sees one device");
	is_int(cuchild_do(&a, CU_SMS, 0), 14, "with its multiprocessors");
	total = cuchild_do(&a, CU_TOTAL_MIB, 0);
	is_int(total, (int)(devs[0].memory_total / 8 >> 21 << 1), "and memory");
	is_int(cuchild_do(&a, CU_CREATE, 0), 0, "makes a context");
	is_int(cuchild_do(&a, CU_ALLOC, total + 2), OUT_OF_MEMORY, "gets no more than its memory");
	is_int(cuchild_do(&a, CU_ALLOC, total - 4), 0, "but nearly all of that");
	is_int(cuchild_do(&a, CU_ALLOC, 64), OUT_OF_MEMORY, "and then no more");
	visible(env, half);
	b = cuchild_start(m->mnt, env);
	ok(!cuchild_do(&b, CU_INIT, 0) && !cuchild_do(&b, CU_CREATE, 0), "another program on the large one");
	is_int(cuchild_do(&b, CU_ALLOC, 1024), 0, "has its own memory");
	l = list();
	is_int(l.l.n, 4, "all is listed");
	for (uint32_t i = 0; i < l.l.n; i++)
		if (!memcmp(l.e[i].uuid, half, 16)) {
			is_int((long long)(l.e[i].memory_used >> 20), 1024, "with what is used");
			is_int(l.e[i].processes, 1, "and by how many");
		}
	is_int((long long)(now_of(half).memory_used >> 20), 1024, "a MIG device tells of its memory");
	is_int((long long)(now_of(uuid[0]).memory_used >> 20), 1024 + total - 4, "the GPU of all");
	is_int((long long)now_of(uuid[0]).processes, 2, "and of all processes");
	is_int(destroy(VGP_MIG_COMPUTE, (unsigned)gh, (unsigned)ch), -VGPU_E_BUSY, "what is used stays");
	was = test_daemon();
	kill(was, SIGKILL);
	for (int i = 0; i < 6000 && (test_daemon() == was || !test_daemon()); i++)
		nap(10);
	is_int(list().l.n, 4, "a new daemon knows the instances");
	is_int((long long)(now_of(half).memory_used >> 20), 1024, "and what they use");
	is_int(cuchild_do(&b, CU_SYNC, 0), 0, "programs go on");
	cuchild_end(&a);
	cuchild_end(&b);
	snprintf(old, sizeof(old), "CUDA_VISIBLE_DEVICES=MIG-%s/%d/%d", devs[0].uuid, gs, cs);
	a = cuchild_start(m->mnt, old);
	ok(!cuchild_do(&a, CU_INIT, 0) && cuchild_do(&a, CU_SMS, 0) == 14, "the old form of a name");
	cuchild_end(&a);
	a = cuchild_start(m->mnt, "CUDA_VISIBLE_DEVICES=MIG-00000000-0000");
	is_int(cuchild_do(&a, CU_INIT, 0), NO_DEVICE, "a name of nothing");
	cuchild_end(&a);
	for (int i = 0; i < 6000 && now_of(uuid[0]).processes; i++)
		nap(10);
	is_int(destroy(VGP_MIG_COMPUTE, (unsigned)gs, (unsigned)cs), 0, "an instance goes when nobody uses it");
	visible(env, small);
	a = cuchild_start(m->mnt, env);
	is_int(cuchild_do(&a, CU_INIT, 0), NO_DEVICE, "and can't be found any more");
	cuchild_end(&a);
	is_int(mode(0, 0, NULL), 0, "MIG off");
	is_int((long long)now_of(uuid[0]).mig_mode, 0, "is off");
	a = cuchild_start(m->mnt, NULL);
	ok(!cuchild_do(&a, CU_INIT, 0) && cuchild_do(&a, CU_COUNT, 0) == 2, "the device is whole again");
	cuchild_end(&a);
	is_int(mode(0, 1, NULL), 0, "on");
	is_int(list().l.n, 0, "and empty");
}

/* CPU time of the one worker that there is, in ms; -1: can't be told. */
static long worker_ms(void)
{
	char path[96], *kids = NULL, *text, *at, *save = NULL;
	unsigned long user, sys;
	long most = -1;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", m->super, m->super);
	if (vgpu_read_file(path, 4096, &kids, NULL, NULL))
		return -1;
	for (char *k = strtok_r(kids, " ", &save); k; k = strtok_r(NULL, " ", &save)) {
		if (atoi(k) <= 0 || atoi(k) == test_daemon())
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", atoi(k));
		text = NULL;
		if (vgpu_read_file(path, 4096, &text, NULL, NULL) == 0 && (at = strrchr(text, ')')) &&
		    sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) == 2)
			most = (long)((user + sys) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
		free(text);
	}
	free(kids);
	return most;
}

/* A seventh of the CPUs is a seventh, however many kernels there are. */
static void test_share(void)
{
	uint8_t id[16];
	char env[80];
	struct cuchild a;
	int gi = make_gi(P_1G, VGP_MIG_ANYWHERE);
	uint64_t start;
	long ms, took;

	make_ci((unsigned)gi, 0, id);
	visible(env, id);
	a = cuchild_start(m->mnt, env);
	ok(!cuchild_do(&a, CU_INIT, 0) && !cuchild_do(&a, CU_CREATE, 0), "a program on a seventh");
	start = vgpu_now_ns();
	is_int(cuchild_do(&a, CU_SPIN, 3000), 0, "runs kernels for three seconds");
	ms = worker_ms();
	took = (long)((vgpu_now_ns() - start) / 1000000);
	if (ms < 0)
		skip("the worker's CPU time can't be read");
	else
		ok(ms < took * sysconf(_SC_NPROCESSORS_ONLN) * 14 / 108 * 3 / 2 + 200, "and uses about its share of the CPUs (%ld ms)", ms);
	cuchild_end(&a);
}

int main(void)
{
	struct tr_node node;
	char driver[32];
	size_t n = 0;

	m = test_mount(2, NULL);
	plan_lazy();
	tap_timeout(300);
	setenv("VGPU_PATH", m->mnt, 1);
	if (test_run((const char *const[]){ test_build("tools/vgpuctl"), "--state", m->state, "--mount", m->mnt, "set", "0",
					    "mig_profiles=A100-40GB", "memory_total=40G", "sm_count=108", "clock_khz=3000000", NULL }))
		bail("vgpuctl set");
	ok(!tr_enumerate(&node, devs, &n, driver, NULL) && n == 2, "two devices");
	for (int i = 0; i < 2; i++)
		vgpu_uuid_parse(devs[i].uuid, uuid[i], NULL);
	fd = tr_monitor_open(&node, NULL);
	test_mode();
	test_layout();
	test_programs();
	test_share();
	return 0;
}
