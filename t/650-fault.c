/*
 * 650-fault.c: settings and injected faults, as CUDA programs and monitors see
 * them: compute modes, a device that falls off the bus, ECC errors, throttling,
 * resets; what lasts over a new daemon.
 */
#include <errno.h>
#include <fcntl.h>
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
#include "util/device.h"
#include "util/sys.h"

static const struct test_mount *m;
static uint8_t uuid[2][16];
static struct vgpu_device devs[VGPU_MAX_DEVICES];
static int fd;
static uint64_t event_seen;

/* CUresults */
enum { OK = 0, NO_DEVICE = 100, INVALID_DEVICE = 101, UNAVAILABLE = 46, ECC_UNCORRECTABLE = 214, ILLEGAL_ADDRESS = 700, UNKNOWN = 999 };

static void nap(unsigned ms)
{
	usleep(ms * 1000);
}

static struct vgp_telemetry now(int dev)
{
	struct vgp_mon_telemetry t = { 0 };

	memcpy(t.head.uuid, uuid[dev], 16);
	if (tr_monitor_ask(fd, VGP_MON_TELEMETRY, &t, sizeof(t), NULL))
		memset(&t, 0xff, sizeof(t));
	return t.t;
}

static int set(int dev, uint32_t what, uint64_t a, uint64_t b)
{
	struct vgp_mon_set s = { .what = what, .v = { a, b } };

	memcpy(s.head.uuid, uuid[dev], 16);
	return tr_monitor_ask(fd, VGP_MON_SET, &s, sizeof(s), NULL);
}

/* Writes to devices/<dev>/<file>: 0 or -errno. */
static int put(int dev, const char *file, const char *text)
{
	char path[400];
	int f, r = 0;

	snprintf(path, sizeof(path), "%s/devices/%d/%s", m->mnt, dev, file);
	f = open(path, O_WRONLY);
	if (f < 0 || write(f, text, strlen(text)) < 0)
		r = -errno;
	if (f >= 0)
		close(f);
	return r;
}

static const char *get(int dev, const char *file)
{
	static char text[512];
	char path[400], *data = NULL;

	snprintf(path, sizeof(path), "%s/devices/%d/%s", m->mnt, dev, file);
	text[0] = 0;
	if (vgpu_read_file(path, 4096, &data, NULL, NULL) == 0)
		snprintf(text, sizeof(text), "%s", data);
	free(data);
	return text;
}

/* Types of the events since the last time, OR'ed; *xid gets the last Xid. */
static uint32_t events(uint64_t *xid)
{
	struct { struct vgp_mon_list l; struct vgp_mon_event e[64]; } a = { .l.since = event_seen };
	uint32_t types = 0;

	if (tr_monitor_ask(fd, VGP_MON_EVENTS, &a, sizeof(a), NULL))
		return 0;
	event_seen = a.l.since;
	for (uint32_t i = 0; i < a.l.n; i++) {
		types |= a.e[i].type;
		if (a.e[i].type == VGP_EVENT_XID && xid)
			*xid = a.e[i].data;
	}
	return types;
}

static struct cuchild program(int dev)
{
	struct cuchild c = cuchild_start(m->mnt, NULL);

	if (cuchild_do(&c, CU_INIT, 0) || cuchild_do(&c, CU_CREATE, dev))
		diag("no context on device %d", dev);
	return c;
}

static void kill_daemon(void)
{
	pid_t was = test_daemon();

	kill(was, SIGKILL);
	for (int i = 0; i < 6000 && (test_daemon() == was || !test_daemon()); i++)
		nap(10);
}

/* ---- settings ---- */

static void test_compute_mode(void)
{
	struct cuchild a, b;

	is_int(set(0, VGP_SET_COMPUTE_MODE, 2, 0), 0, "compute mode PROHIBITED");
	is_string(get(0, "compute_mode"), "2\n", "is in the file");
	is_int((long long)now(0).compute_mode, 2, "and in telemetry");
	a = cuchild_start(m->mnt, NULL);
	is_int(cuchild_do(&a, CU_INIT, 0), OK, "a program starts");
	is_int(cuchild_do(&a, CU_MODE, 0), 2, "and is told the mode");
	is_int(cuchild_do(&a, CU_CREATE, 0), UNAVAILABLE, "but gets no context");
	is_int(cuchild_do(&a, CU_CREATE, 1), OK, "on the other device it does");
	is_int(set(0, VGP_SET_COMPUTE_MODE, 3, 0), 0, "EXCLUSIVE_PROCESS");
	b = cuchild_start(m->mnt, NULL);
	is_int(cuchild_do(&b, CU_INIT, 0), OK, "another program starts");
	is_int(cuchild_do(&b, CU_CREATE, 0), OK, "and has the device for itself");
	is_int(cuchild_do(&b, CU_CREATE, 0), OK, "with as many contexts as it likes");
	cuchild_end(&a);
	a = cuchild_start(m->mnt, NULL);
	cuchild_do(&a, CU_INIT, 0);
	is_int(cuchild_do(&a, CU_MODE, 0), 3, "a third is told the mode");
	is_int(cuchild_do(&a, CU_CREATE, 0), UNAVAILABLE, "and gets no context");
	kill_daemon();
	is_int(cuchild_do(&a, CU_CREATE, 0), UNAVAILABLE, "nor from a new daemon");
	cuchild_end(&b);
	for (int i = 0; i < 6000 && now(0).processes; i++)
		nap(10);
	is_int(cuchild_do(&a, CU_CREATE, 0), OK, "when the other has ended it does");
	cuchild_end(&a);
	is_int(set(0, VGP_SET_COMPUTE_MODE, 1, 0), -VGPU_E_INVALID, "a mode that there isn't");
	is_int(set(0, VGP_SET_COMPUTE_MODE, 0, 0), 0, "back to the default");
	a = program(0);
	b = program(0);
	is_int((long long)now(0).processes, 2, "which is for all");
	cuchild_end(&a);
	cuchild_end(&b);
}

static void test_settings(void)
{
	struct vgp_telemetry t;
	pid_t child;
	int ws;

	is_int(set(0, VGP_SET_PERSISTENCE_MODE, 1, 0), 0, "persistence mode");
	is_int((long long)now(0).pstate, 0, "keeps the device awake");
	is_int(set(0, VGP_SET_POWER_LIMIT, 100000, 0), 0, "power limit");
	is_int(set(0, VGP_SET_POWER_LIMIT, 1000, 0), -VGPU_E_INVALID, "not below the lowest");
	is_int(set(0, VGP_SET_POWER_LIMIT, 200000, 0), -VGPU_E_INVALID, "nor above the highest");
	is_int(set(0, VGP_SET_LOCK_SM, 1000000, 1200000), 0, "SM clocks locked");
	is_int(set(0, VGP_SET_LOCK_SM, 1200000, 1000000), -VGPU_E_INVALID, "not the wrong way round");
	is_int(set(0, VGP_SET_LOCK_MEMORY, 2600000, 2600000), 0, "memory clocks locked");
	is_int(set(0, VGP_SET_APP_CLOCKS, 2600000, 1505000), 0, "application clocks");
	is_int(set(0, VGP_SET_APP_CLOCKS, 2600000, 3005000), -VGPU_E_INVALID, "not above the highest");
	is_int(set(0, VGP_SET_APP_CLOCKS, 2500000, 1505000), -VGPU_E_INVALID, "a memory clock that the device doesn't have");
	is_int(set(0, VGP_SET_APP_CLOCKS, 2600000, 1501000), -VGPU_E_INVALID, "an SM clock between two steps");
	is_int(set(0, VGP_SET_APP_CLOCKS, 2600000, 200000), -VGPU_E_INVALID, "not below the lowest");
	is_int(set(0, VGP_SET_ACCOUNTING_MODE, 1, 0), 0, "accounting mode");
	is_int(set(0, VGP_SET_ACCOUNTING_MODE, 2, 0), -VGPU_E_INVALID, "on or off only");
	is_int(set(0, 999, 0, 0), -VGPU_E_NOT_SUPPORTED, "a setting that there isn't");
	kill_daemon();
	t = now(0);
	is_int((long long)t.persistence_mode, 1, "a new daemon knows the persistence mode");
	is_int((long long)t.power_limit_mw, 100000, "the power limit");
	is_int((long long)t.lock_sm_max_khz, 1200000, "the locked clocks");
	is_int((long long)t.clock_sm_khz, 1200000, "which are in force");
	is_int((long long)t.app_clock_sm_khz, 1505000, "the application clocks");
	is_int((long long)t.accounting_mode, 1, "the accounting mode");
	is_int((long long)now(1).power_limit_mw, 150000, "the other device has its own");
	child = fork();
	if (child == 0)
		_exit(setgid(65534) || setuid(65534) || set(0, VGP_SET_POWER_LIMIT, 0, 0) != -VGPU_E_NOT_PERMITTED);
	waitpid(child, &ws, 0);
	is_int(WEXITSTATUS(ws), 0, "who is not root changes nothing");
	is_int(set(0, VGP_SET_POWER_LIMIT, 0, 0) + set(0, VGP_SET_LOCK_SM, 0, 0) + set(0, VGP_SET_LOCK_MEMORY, 0, 0) +
	       set(0, VGP_SET_APP_CLOCKS, 0, 0) + set(0, VGP_SET_PERSISTENCE_MODE, 0, 0), 0, "all back");
	t = now(0);
	is_int((long long)(t.power_limit_mw + t.lock_sm_max_khz + t.lock_memory_max_khz + t.persistence_mode), 150000, "to what they were");
}

struct acct {
	struct vgp_mon_list l;
	struct vgp_mon_acct a[16];
};

static struct acct accounting(int dev, uint32_t pid)
{
	struct acct a = { .l.arg = pid };

	memcpy(a.l.head.uuid, uuid[dev], 16);
	if (tr_monitor_ask(fd, VGP_MON_ACCT, &a, sizeof(a), NULL))
		a.l.n = 999;
	return a;
}

static void test_accounting(void)
{
	struct cuchild c;
	struct acct a;

	set(0, VGP_SET_CLEAR_ACCT, 0, 0);
	is_int(accounting(0, 0).l.n, 0, "accounting begins empty");
	is_int(accounting(1, 0).l.n, 999, "and is off on the other device");
	c = program(0);
	is_int(cuchild_do(&c, CU_ALLOC, 64), OK, "a program takes memory");
	is_int(cuchild_do(&c, CU_SPIN, 1500), OK, "and works");
	a = accounting(0, 0);
	is_int(a.l.n, 1, "it is listed");
	is_int(a.a[0].pid, c.pid, "by number");
	is_int(a.a[0].running, 1, "as running");
	is_int(cuchild_do(&c, CU_DESTROY, 0), OK, "its context ends");
	for (int i = 0; i < 6000 && (a = accounting(0, (uint32_t)c.pid), a.l.n == 1 && a.a[0].running); i++)
		nap(10);
	is_int(a.l.n, 1, "it can still be asked for");
	ok(a.a[0].memory_max >= 64u << 20, "with the most memory that it had");
	ok(a.a[0].time_ms >= 1400, "the time that it took");
	ok(a.a[0].util_gpu > 0 && a.a[0].util_gpu <= 100, "and its load (%u %%)", a.a[0].util_gpu);
	cuchild_end(&c);
	is_int(set(0, VGP_SET_ACCOUNTING_MODE, 0, 0), 0, "off");
	is_int(set(0, VGP_SET_ACCOUNTING_MODE, 1, 0), 0, "and on");
	is_int(accounting(0, 0).l.n, 0, "forgets");
	set(0, VGP_SET_ACCOUNTING_MODE, 0, 0);
}

static void test_load(void)
{
	struct cuchild c = program(1);
	uint64_t most = 0;
	int r = OK;

	/* again where the machine was too busy to measure */
	for (int round = 0; round < 10 && r == OK && most <= 50; round++) {
		cuchild_send(&c, CU_SPIN, 4000);
		for (int i = 0; i < 35; i++) {
			uint64_t u = now(1).util_gpu;

			most = u > most ? u : most;
			nap(100);
		}
		r = cuchild_take(&c, 60000);
	}
	is_int(r, OK, "kernels run");
	ok(most > 50, "and are seen as load (%llu %%)", (unsigned long long)most);
	is_int((long long)now(0).util_gpu, 0, "of that device alone");
	cuchild_end(&c);
}

/* ---- faults ---- */

static void test_drain(void)
{
	struct cuchild user = program(0), late = cuchild_start(m->mnt, NULL), later;

	is_int(cuchild_do(&late, CU_INIT, 0), OK, "a program that has looked around");
	is_int(set(0, VGP_SET_DRAIN, 1, 0), 0, "a device is drained");
	is_int(cuchild_do(&late, CU_CREATE, 0), UNAVAILABLE, "who doesn't use it yet can't any more");
	is_int(cuchild_do(&late, CU_CREATE, 1), OK, "but the other one");
	is_int(cuchild_do(&user, CU_ALLOC, 8), OK, "who did goes on");
	later = cuchild_start(m->mnt, NULL);
	is_int(cuchild_do(&later, CU_INIT, 0), OK, "who comes later");
	is_int(cuchild_do(&later, CU_COUNT, 0), 1, "doesn't see it");
	is_int(set(0, VGP_SET_DRAIN, 2, 0), -VGPU_E_BUSY, "it isn't removed while somebody uses it");
	cuchild_end(&user);
	for (int i = 0; i < 6000 && now(0).processes; i++)
		nap(10);
	is_int(set(0, VGP_SET_DRAIN, 2, 0), 0, "then it is");
	kill_daemon();
	is_int(cuchild_do(&late, CU_CREATE, 0), UNAVAILABLE, "a new daemon knows");
	is_int(set(0, VGP_SET_PERSISTENCE_MODE, 1, 0), 0, "persistence mode");
	is_int(set(0, VGP_SET_DRAIN, 1, 0), -VGPU_E_BUSY, "is a user");
	is_int(set(0, VGP_SET_PERSISTENCE_MODE, 0, 0), 0, "off");
	is_int(set(0, VGP_SET_DRAIN, 3, 0), -VGPU_E_INVALID, "a state that there isn't");
	is_int(set(0, VGP_SET_DRAIN, 0, 0), 0, "it is back");
	is_int(cuchild_do(&late, CU_CREATE, 0), OK, "for all");
	cuchild_end(&late);
	cuchild_end(&later);
}

static void test_lost(void)
{
	struct cuchild idle = program(0), blocked = program(0), other = program(1), late;
	uint64_t xid = 0;
	char path[400];
	int node;
	uint8_t config[4] = { 0 };

	events(NULL);
	cuchild_send(&blocked, CU_BLOCK, 0);
	is_int(cuchild_take(&blocked, 300), -1001, "a program waits on the device");
	is_int(put(0, "inject", "xid 79\n"), 0, "the device falls off the bus");
	is_int(cuchild_take(&blocked, 10000), UNKNOWN, "the wait ends with the error that CUDA has for it");
	is_int(cuchild_do(&idle, CU_SYNC, 0), UNKNOWN, "other contexts on it have died, too");
	is_int(cuchild_do(&idle, CU_ALLOC, 1), UNKNOWN, "for good");
	is_int(cuchild_do(&other, CU_SYNC, 0), OK, "those on other devices have not");
	is_int(cuchild_do(&other, CU_CREATE, 0), UNKNOWN, "there is no new one on it");
	is_int((long long)now(0).lost, 1, "monitors are told");
	is_int((long long)now(0).xid_last, 79, "which Xid it was");
	ok(events(&xid) & VGP_EVENT_XID && xid == 79, "also by an event");
	is_string(get(0, "lost"), "1\n", "the file says so");
	is_string(get(0, "inject"), "off-bus\nxid 79\n", "and that it was injected");
	late = cuchild_start(m->mnt, NULL);
	is_int(cuchild_do(&late, CU_INIT, 0), OK, "a new program");
	is_int(cuchild_do(&late, CU_COUNT, 0), 1, "sees one device less");
	cuchild_end(&late);
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/config", m->mnt, devs[0].pci);
	node = open(path, O_RDONLY);
	ok(read(node, config, 4) == 4 && config[0] == 0xff && config[3] == 0xff, "nobody answers on the PCI bus");
	close(node);
	is_int(put(0, "inject", "ecc single"), -ENODEV, "what is gone can't fail");
	is_int(set(0, VGP_SET_POWER_LIMIT, 0, 0), -VGPU_E_OFF_BUS, "nor be set");
	kill_daemon();
	is_int((long long)now(0).lost, 1, "a new daemon knows that it is lost");
	is_int(put(1, "inject", "off-bus"), 0, "the other one, too");
	is_int(cuchild_do(&other, CU_SYNC, 0), UNKNOWN, "takes its contexts along");
	late = cuchild_start(m->mnt, NULL);
	is_int(cuchild_do(&late, CU_INIT, 0), NO_DEVICE, "no device is left for a new program");
	cuchild_end(&late);
	is_int(set(0, VGP_SET_RESET, 0, 0), -VGPU_E_BUSY, "no reset under living processes");
	cuchild_end(&idle);
	cuchild_end(&blocked);
	cuchild_end(&other);
	for (int i = 0; i < 6000 && now(0).processes; i++)
		nap(10);
	is_int(set(0, VGP_SET_RESET, 0, 0), 0, "a reset");
	is_int((long long)now(0).lost, 0, "brings it back");
	is_int(put(1, "inject", "clear"), 0, "as does clearing the fault");
	late = program(0);
	is_int(cuchild_do(&late, CU_COUNT, 0), 2, "both are seen again");
	is_int(cuchild_do(&late, CU_SYNC, 0), OK, "and work");
	cuchild_end(&late);
}

static void test_ecc(void)
{
	struct cuchild c = program(0);
	struct vgp_telemetry t;

	events(NULL);
	is_int(put(0, "inject", "ecc single"), -EOPNOTSUPP, "no ECC errors without ECC");
	is_int(put(0, "ecc_supported", "1"), 0, "a device that has it");
	is_int(put(0, "inject", "ecc single 5"), 0, "single bit errors");
	t = now(0);
	is_int((long long)t.ecc_volatile_dram_corrected, 5, "are counted");
	is_int((long long)t.ecc_aggregate_dram_corrected, 5, "for life, too");
	is_int(cuchild_do(&c, CU_SYNC, 0), OK, "and hurt nobody");
	ok(events(NULL) & VGP_EVENT_ECC_SINGLE, "but are events");
	is_int(put(0, "inject", "ecc double"), 0, "a double bit error");
	is_int(cuchild_do(&c, CU_SYNC, 0), ECC_UNCORRECTABLE, "ends contexts with the error that CUDA has for it");
	t = now(0);
	is_int((long long)t.ecc_volatile_dram_uncorrected, 1, "is counted");
	is_int((long long)t.xid_last, 48, "as Xid 48");
	is_int((long long)t.remap_pending, 1, "and a row will be remapped");
	is_int((long long)t.remapped_uncorrected, 0, "at the next reset");
	is_int(put(0, "inject", "ecc double 2 sram"), 0, "in caches");
	is_int((long long)now(0).ecc_volatile_sram_uncorrected, 2, "they have their own counter");
	cuchild_end(&c);
	c = program(0);
	is_int(cuchild_do(&c, CU_ECC, 0), 1, "ECC is on");
	is_int(set(0, VGP_SET_ECC_MODE, 0, 0), 0, "it shall be off");
	is_int((long long)now(0).ecc_mode, 1, "but is on");
	is_int((long long)now(0).ecc_mode_pending, 0, "until the next reset");
	cuchild_end(&c);
	kill_daemon();
	for (int i = 0; i < 6000 && now(0).processes; i++)
		nap(10);
	is_int((long long)now(0).ecc_volatile_dram_corrected, 5, "a new daemon has the counters");
	is_int(set(0, VGP_SET_RESET, 0, 0), 0, "that comes");
	t = now(0);
	is_int((long long)t.ecc_mode, 0, "it is off");
	is_int((long long)t.ecc_volatile_dram_corrected, 0, "volatile counters are zero");
	is_int((long long)t.ecc_aggregate_dram_corrected, 5, "those of its life are not");
	is_int((long long)t.remapped_uncorrected, 1, "the row is remapped");
	is_int((long long)t.remap_pending, 0, "none is pending");
	c = program(0);
	is_int(cuchild_do(&c, CU_ECC, 0), 0, "libcuda agrees that it is off");
	cuchild_end(&c);
	is_int(set(0, VGP_SET_ECC_MODE, 1, 0), 0, "on again");
	set(0, VGP_SET_RESET, 0, 0);
	is_int(set(0, VGP_SET_CLEAR_ECC, 1, 0), 0, "counters cleared");
	is_int((long long)now(0).ecc_aggregate_dram_corrected, 0, "all of them");
	is_int(put(0, "inject", "clear"), 0, "faults cleared");
	is_int((long long)now(0).remapped_uncorrected, 0, "rows, too");
	is_string(get(0, "inject"), "", "nothing is injected");
}

static void test_others(void)
{
	static const char *const bad[] = { "", "xid", "xid 0", "xid x", "xid 79 80", "ecc", "ecc triple", "ecc single 0", "ecc single 1 sdram",
					   "throttle", "throttle fast", "clear all", "explode", "xid -1", "xid 99999999999999999999" };
	struct cuchild c = program(0);
	uint64_t xid = 0;

	events(NULL);
	is_int(put(0, "inject", "throttle hw_thermal"), 0, "throttling");
	ok(now(0).throttle_reasons & VGP_THROTTLE_HW_THERMAL, "is a reason");
	ok(now(0).clock_sm_khz < now(0).clock_sm_max_khz, "for lower clocks");
	is_string(get(0, "inject"), "throttle hw_thermal\n", "reads back");
	is_int(put(0, "inject", "throttle none"), 0, "no more");
	is_int((long long)(now(0).throttle_reasons & ~1ull), 0, "is none");
	is_int(put(0, "inject", "xid 63"), 0, "an Xid that is only reported");
	ok(events(&xid) & VGP_EVENT_XID && xid == 63, "is an event");
	is_int(cuchild_do(&c, CU_SYNC, 0), OK, "and hurts nobody");
	is_int(put(0, "inject", "xid 31"), 0, "a page fault");
	is_int(cuchild_do(&c, CU_SYNC, 0), ILLEGAL_ADDRESS, "is an illegal address");
	cuchild_end(&c);
	c = program(0);
	is_int(cuchild_do(&c, CU_SYNC, 0), OK, "others go on");
	is_int(put(0, "inject", "xid 119"), 0, "one after which only a reset helps");
	is_int((long long)now(0).lost, 2, "says so");
	is_int(cuchild_do(&c, CU_SYNC, 0), 719, "ends contexts with its own error");
	is_int(cuchild_do(&c, CU_CREATE, 0), UNAVAILABLE, "and allows no new one");
	cuchild_end(&c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(put(0, "inject", bad[i]), *bad[i] ? -EINVAL : 0, "nonsense: '%s'", bad[i]);
	is_int(put(0, "inject", "clear"), 0, "cleared");
	is_int((long long)(now(0).lost + now(0).xid_count), 0, "as if nothing had been");
}

static void test_tool(void)
{
	const char *ctl = test_build("tools/vgpuctl");
	const char *base[] = { ctl, "--state", m->state, "--mount", m->mnt, "inject", "1", "xid", "43", NULL };
	const char *bad[] = { "/bin/sh", "-c", "exec \"$0\" --state \"$1\" --mount \"$2\" inject 1 xid 2>/dev/null", ctl, m->state, m->mnt, NULL };
	const char *show[] = { "/bin/sh", "-c", "\"$0\" --state \"$1\" --mount \"$2\" --json telemetry 1 | grep -q '\"xid_last\": *43'",
			       ctl, m->state, m->mnt, NULL };

	is_int(test_run(base), 0, "vgpuctl inject");
	is_int((long long)now(1).xid_last, 43, "does it");
	is_int(test_run(show), 0, "vgpuctl telemetry shows it");
	is_int(test_run(bad), 1, "nonsense is refused there, too");
	put(1, "inject", "clear");
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
	ok(!tr_enumerate(&node, devs, &n, driver, NULL) && n == 2, "two devices");
	for (int i = 0; i < 2; i++)
		vgpu_uuid_parse(devs[i].uuid, uuid[i], NULL);
	fd = tr_monitor_open(&node, NULL);
	test_compute_mode();
	test_settings();
	test_accounting();
	test_load();
	test_drain();
	test_lost();
	test_ecc();
	test_others();
	test_tool();
	return 0;
}
