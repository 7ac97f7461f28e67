/* The registry: devices, identity, change detection, settings, events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state/reg.h"
#include "t/lib/tap.h"

static struct vgpu_err err;
static struct vgpu_device devs[VGPU_MAX_DEVICES];
static size_t n_devs;

static struct vgpu_device create(struct registry *reg, const struct reg_create *c)
{
	struct vgpu_device d = { 0 };

	if (reg_device_create(reg, c, &d, &err))
		bail("reg_device_create: %s", err.text);
	return d;
}

static void reread(struct registry *reg)
{
	if (reg_devices(reg, devs, &n_devs, &err))
		bail("reg_devices: %s", err.text);
}

static void test_identity(struct registry *reg)
{
	struct reg_create c = REG_CREATE_INIT;
	struct vgpu_device a = create(reg, &c), b = create(reg, &c), d = create(reg, &c), e;

	is_string(a.pci, "0000:01:00.0", "first device's PCI address");
	is_string(b.pci, "0000:02:00.0", "second device's PCI address");
	is_int((long long)d.minor, 2, "third device's minor");
	ok(strcmp(a.uuid, b.uuid) && strncmp(a.uuid, "GPU-", 4) == 0 && strlen(a.uuid) == 40, "UUIDs are made");
	ok(a.uuid[4 + 14] == '4' && strchr("89ab", a.uuid[4 + 19]), "… of version 4: %s", a.uuid);
	ok(strlen(a.serial) == 13 && strcmp(a.serial, b.serial), "serial numbers are made");
	is_string(a.name, "vgpufs CPU engine", "the default profile's name");
	is_int((long long)a.compute_cap, 120, "compute capability for programs");
	is_int((long long)a.library_compute_cap, 130, "compute capability for NVIDIA's libraries");

	is_int(reg_device_remove(reg, b.uuid, &err), 0, "remove the middle one");
	reread(reg);
	is_int((long long)n_devs, 2, "two are left");
	is_string(devs[1].uuid, d.uuid, "the third one moved up in index");
	is_int((long long)devs[1].minor, 2, "… and kept its minor");
	is_string(devs[1].pci, "0000:03:00.0", "… and its PCI address");
	is_string(devs[1].serial, d.serial, "… and its serial number");

	e = create(reg, &c);
	is_string(e.pci, "0000:02:00.0", "a new one takes the free slot");
	is_int((long long)e.minor, 1, "… and the lowest free minor");
	is_int((long long)e.index, 1, "… and is second in PCI order");
	is_int(reg_device_remove(reg, b.uuid, &err), -VGPU_E_INVALID_DEVICE, "removing twice fails");
}

static void test_wishes(struct registry *reg)
{
	struct reg_create c = REG_CREATE_INIT;
	struct vgpu_device d;

	c.uuid = "GPU-01234567-89AB-cdef-0123-456789abcdef";
	c.pci = "a:1b:02.3";
	c.minor = 200;
	c.serial = "42";
	d = create(reg, &c);
	is_string(d.uuid, "GPU-01234567-89ab-cdef-0123-456789abcdef", "wished UUID, lower case");
	is_string(d.pci, "000a:1b:02.3", "wished PCI address, in full");
	is_int((long long)d.minor, 200, "wished minor");
	is_string(d.serial, "42", "wished serial number");
	is_int(reg_device_create(reg, &c, &d, &err), -VGPU_E_EXISTS, "the same once more: %s", err.text);
	c.uuid = NULL;
	is_int(reg_device_create(reg, &c, &d, &err), -VGPU_E_EXISTS, "PCI address taken: %s", err.text);
	c.pci = NULL;
	is_int(reg_device_create(reg, &c, &d, &err), -VGPU_E_EXISTS, "minor taken: %s", err.text);
	c.minor = 248;
	is_int(reg_device_create(reg, &c, &d, &err), -VGPU_E_INVALID, "minor out of range: %s", err.text);
	c = (struct reg_create)REG_CREATE_INIT;
	c.profile = "nonesuch";
	is_int(reg_device_create(reg, &c, &d, &err), -VGPU_E_NOT_FOUND, "no such profile: %s", err.text);
}

static void test_find(struct registry *reg)
{
	struct vgpu_device d;
	char prefix[20];

	reread(reg);
	is_int(reg_device_find(reg, "1", &d, &err), 0, "by index");
	is_string(d.uuid, devs[1].uuid, "… the second");
	is_int(reg_device_find(reg, "GPU-01234567", &d, &err), 0, "by UUID prefix");
	is_int((long long)d.minor, 200, "… the right one");
	is_int(reg_device_find(reg, "01234567-89AB", &d, &err), 0, "without GPU- and in capitals");
	is_int(reg_device_find(reg, "0000:03:00.0", &d, &err), 0, "by PCI address");
	is_int((long long)d.minor, 2, "… the right one");
	is_int(reg_device_find(reg, "3:00", &d, &err), 0, "by short PCI address");
	is_int(reg_device_find(reg, "00000000:03:00.0", &d, &err), 0, "by PCI address as NVML writes it");
	is_int(reg_device_find(reg, "nvidia200", &d, &err), 0, "by node");
	is_string(d.pci, "000a:1b:02.3", "… the right one");
	is_int(reg_device_find(reg, "9", &d, &err), -VGPU_E_INVALID_DEVICE, "no such index: %s", err.text);
	is_int(reg_device_find(reg, "GPU-", &d, &err), -VGPU_E_INVALID_DEVICE, "an empty prefix is none");
	is_int(reg_device_find(reg, "", &d, &err), -VGPU_E_INVALID_DEVICE, "empty");
	is_int(reg_device_find(reg, "1:2:3:4:5", &d, &err), -VGPU_E_INVALID, "not a PCI address: %s", err.text);
	snprintf(prefix, sizeof(prefix), "%.10s", devs[0].uuid);
	is_int(reg_device_find(reg, prefix, &d, &err), 0, "by a random one's prefix");
}

static void note_override(void *arg, const char *key, const char *value)
{
	snprintf((char *)arg + strlen(arg), 200 - strlen(arg), "%s=%s;", key, value);
}

static void test_set(struct registry *reg)
{
	struct reg_kv good[] = { { "memory_total", "2GiB" }, { "name", "Größe \"A\"" } };
	struct reg_kv half[] = { { "sm_count", "8" }, { "memory_total", "1" } };
	struct reg_kv unset[] = { { "name", NULL } };
	struct reg_kv identity[] = { { "uuid", "x" } }, nothing[] = { { "colour", "red" } };
	struct reg_kv pair[] = { { "shared_per_block_optin", "1M" } };
	char text[200] = "";
	const char *uuid;

	reread(reg);
	uuid = devs[0].uuid;
	is_int(reg_device_set(reg, uuid, good, 2, &err), 0, "set two properties");
	is_int(reg_device_set(reg, uuid, half, 2, &err), -VGPU_E_INVALID, "one bad value: %s", err.text);
	is_int(reg_device_set(reg, uuid, identity, 1, &err), -VGPU_E_NOT_PERMITTED, "identity: %s", err.text);
	is_int(reg_device_set(reg, uuid, nothing, 1, &err), -VGPU_E_INVALID, "unknown: %s", err.text);
	is_int(reg_device_set(reg, uuid, pair, 1, &err), -VGPU_E_INVALID, "what does not fit together: %s", err.text);
	reread(reg);
	is_int((long long)devs[0].memory_total, 2ll << 30, "memory is set");
	is_string(devs[0].name, "Größe \"A\"", "name is set");
	is_int((long long)devs[0].sm_count, 16, "a failed set changed nothing");
	is_int((long long)devs[1].memory_total, 16ll << 30, "nor did it change others");
	is_int(reg_device_overrides(reg, uuid, note_override, text, &err), 0, "overrides");
	is_string(text, "memory_total=2147483648;name=Größe \"A\";", "… as stored");
	is_int(reg_device_set(reg, uuid, unset, 1, &err), 0, "unset");
	reread(reg);
	is_string(devs[0].name, "vgpufs CPU engine", "the profile's name is back");
}

static void test_txn(struct registry *reg, struct registry *other)
{
	struct reg_create c = REG_CREATE_INIT;
	struct vgpu_device d;
	uint64_t g0, g1, g2, seen;
	size_t before;

	reread(reg);
	before = n_devs;
	is_int(reg_generation(reg, &g0, &err), 0, "generation");
	is_int(reg_generation(other, &seen, &err), 0, "generation in another connection");
	is_int((long long)seen, (long long)g0, "… is the same");
	is_int(reg_begin(reg, &err), 0, "begin");
	is_int(reg_begin(reg, &err), -VGPU_E_INTERNAL, "transactions don't nest");
	create(reg, &c);
	create(reg, &c);
	reread(other);
	is_int((long long)n_devs, (long long)before, "uncommitted devices are not seen by others");
	reg_rollback(reg);
	reread(reg);
	is_int((long long)n_devs, (long long)before, "rolled back");
	is_int(reg_generation(reg, &g1, &err), 0, "generation");
	is_int((long long)g1, (long long)g0, "a rollback is no change");
	d = create(reg, &c);
	reg_generation(reg, &g1, &err);
	reg_generation(other, &g2, &err);
	ok(g1 > g0 && g1 == g2, "a change is seen by both");
	is_int(reg_event_add(reg, d.uuid, "test", "hello", &err), 0, "an event");
	reg_generation(reg, &g2, &err);
	is_int((long long)g2, (long long)g1, "events are no change");
	reg_device_remove(other, d.uuid, &err);
	reg_generation(reg, &g2, &err);
	ok(g2 > g1, "the other one's change is seen");
}

static void test_settings(struct registry *reg)
{
	char *v = NULL, text[200] = "";
	char *long_key = calloc(1, 400);

	is_int(reg_setting_set(reg, "views/b/x", "1", &err), 0, "set");
	is_int(reg_setting_set(reg, "views/a/x", "2", &err), 0, "set");
	is_int(reg_setting_set(reg, "views/a/x", "3", &err), 0, "set again");
	is_int(reg_setting_set(reg, "viewsX", "", &err), 0, "an empty value");
	is_int(reg_setting_get(reg, "views/a/x", &v, &err), 0, "get");
	is_string(v, "3", "… the last value");
	free(v);
	is_int(reg_setting_get(reg, "nothing", &v, &err), 0, "get what is not there");
	ok(v == NULL, "… answers NULL");
	is_int(reg_settings(reg, "views/", note_override, text, &err), 0, "by prefix");
	is_string(text, "views/a/x=3;views/b/x=1;", "… sorted");
	is_int(reg_setting_set(reg, "views/a/x", NULL, &err), 0, "unset");
	is_int(reg_setting_get(reg, "views/a/x", &v, &err), 0, "get");
	ok(v == NULL, "it is gone");
	memset(long_key, 'k', 399);
	is_int(reg_setting_set(reg, long_key, "1", &err), -VGPU_E_INVALID, "a key too long");
	is_int(reg_setting_set(reg, "", "1", &err), -VGPU_E_INVALID, "no key");
	free(long_key);
}

struct events {
	size_t n;
	uint64_t first, last;
	char kinds[400];
};

static void note_event(void *arg, const struct reg_event *e)
{
	struct events *ev = arg;

	if (!ev->n++)
		ev->first = e->id;
	ev->last = e->id;
	if (strlen(ev->kinds) < 300)
		snprintf(ev->kinds + strlen(ev->kinds), 100, "%s ", e->kind);
}

static void test_events(struct registry *reg)
{
	struct reg_create c = REG_CREATE_INIT;
	struct reg_kv kv = { "sm_count", "4" };
	struct vgpu_device d = create(reg, &c);
	struct events ev = { 0 };
	uint64_t last;

	reg_device_set(reg, d.uuid, &kv, 1, &err);
	reg_device_remove(reg, d.uuid, &err);
	is_int(reg_events(reg, d.uuid, 0, 0, note_event, &ev, &err), 0, "events of one device");
	is_string(ev.kinds, "create set remove ", "… in order, also of one that is gone");
	last = ev.last;
	is_int(reg_begin(reg, &err), 0, "begin");
	for (int i = 0; i < REG_MAX_EVENTS + 100; i++)
		if (reg_event_add(reg, NULL, "fill", "x", &err))
			bail("reg_event_add: %s", err.text);
	is_int(reg_commit(reg, &err), 0, "commit");
	ev = (struct events){ 0 };
	reg_events(reg, NULL, 0, 0, note_event, &ev, &err);
	is_int((long long)ev.n, REG_MAX_EVENTS, "the log is bounded");
	is_int((long long)ev.last, (long long)(last + REG_MAX_EVENTS + 100), "… and keeps the newest");
	ev = (struct events){ 0 };
	reg_events(reg, NULL, last + 10, 5, note_event, &ev, &err);
	is_int((long long)ev.n, 5, "the last five");
	is_int((long long)(ev.last - ev.first), 4, "… in a row");
	is_int(reg_event_add(reg, NULL, "", "x", &err), -VGPU_E_INVALID, "an event needs a kind");
}

static void test_full(const char *dir)
{
	struct reg_create c = REG_CREATE_INIT;
	struct registry *reg;
	struct vgpu_device d;
	int r = 0;

	if (reg_open(&reg, dir, REG_F_CREATE, &err))
		bail("reg_open: %s", err.text);
	for (int i = 0; i < VGPU_MAX_DEVICES && !r; i++)
		r = reg_device_create(reg, &c, &d, &err);
	is_int(r, 0, "%d devices", VGPU_MAX_DEVICES);
	is_int((long long)d.index, VGPU_MAX_DEVICES - 1, "the last one's index");
	is_int(reg_device_create(reg, &c, &d, &err), -VGPU_E_NO_SPACE, "one more: %s", err.text);
	reg_close(reg);
}

int main(void)
{
	struct registry *reg, *other;
	char dir[600];
	int fds = test_open_fds();

	plan_lazy();
	snprintf(dir, sizeof(dir), "%s/a/b/state/", test_tmpdir());
	is_int(reg_open(&reg, dir, 0, &err), -VGPU_E_NOT_FOUND, "no registry yet: %s", err.text);
	ok(access(dir, F_OK) != 0, "… and none was made");
	is_int(reg_open(&reg, dir, REG_F_CREATE, &err), 0, "made with its directories");
	is_int(reg_open(&other, dir, 0, &err), 0, "opened a second time");
	reread(reg);
	is_int((long long)n_devs, 0, "no devices yet");
	test_identity(reg);
	test_wishes(reg);
	test_find(reg);
	test_set(reg);
	test_txn(reg, other);
	test_settings(reg);
	test_events(reg);
	reg_close(other);
	reg_close(reg);

	is_int(reg_open(&reg, dir, REG_F_READONLY, &err), 0, "reopened read-only");
	reread(reg);
	ok(n_devs >= 4, "devices are still there");
	is_int(reg_device_remove(reg, devs[0].uuid, &err), -VGPU_E_NOT_PERMITTED, "no change through it: %s", err.text);
	reg_close(reg);
	snprintf(dir, sizeof(dir), "%s/full", test_tmpdir());
	test_full(dir);
	is_int(test_open_fds(), fds, "no descriptor is left open");
	return 0;
}
