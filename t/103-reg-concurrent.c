/* Several processes change one registry at once: nothing is lost, nobody fails; and first use races, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/reg.h"
#include "t/lib/tap.h"

#define WRITERS 6
#define CHANGES 25

static char dir[300];

static int worker(int id)
{
	struct registry *reg;
	struct vgpu_err err;
	struct reg_create c = REG_CREATE_INIT;
	struct vgpu_device keep, d;

	if (reg_open(&reg, dir, REG_F_CREATE, &err) || reg_device_create(reg, &c, &keep, &err)) {
		fprintf(stderr, "# %s\n", err.text);
		return 1;
	}
	for (int i = 0; i < CHANGES; i++) {
		char n[20], key[40];
		struct reg_kv kv = { "sm_count", n };

		snprintf(n, sizeof(n), "%d", i + 1);
		snprintf(key, sizeof(key), "w%d/%d", id, i);
		if (reg_device_create(reg, &c, &d, &err) || reg_device_set(reg, keep.uuid, &kv, 1, &err) ||
		    reg_setting_set(reg, key, n, &err) || reg_device_remove(reg, d.uuid, &err)) {
			fprintf(stderr, "# %s\n", err.text);
			return 1;
		}
	}
	reg_close(reg);
	return 0;
}

static void count(void *arg, const char *key, const char *value)
{
	(void)key;
	(void)value;
	++*(int *)arg;
}

int main(void)
{
	struct vgpu_device devs[VGPU_MAX_DEVICES];
	struct registry *reg;
	struct vgpu_err err;
	uint64_t gen = 0;
	size_t n = 0;
	int failed = 0, settings = 0, right = 0, distinct = 1;

	plan(7);
	tap_timeout(300);
	snprintf(dir, sizeof(dir), "%s/state", test_tmpdir());
	for (int i = 0; i < WRITERS; i++)
		if (fork() == 0)
			_exit(worker(i));
	for (int i = 0; i < WRITERS; i++) {
		int status;

		wait(&status);
		failed += status != 0;
	}
	is_int(failed, 0, "%d processes change the registry at once, from its making on", WRITERS);
	if (reg_open(&reg, dir, 0, &err) || reg_devices(reg, devs, &n, &err))
		bail("%s", err.text);
	is_int((long long)n, WRITERS, "each left its device");
	for (size_t i = 0; i < n; i++) {
		right += devs[i].sm_count == CHANGES;
		for (size_t k = 0; k < i; k++)
			distinct = distinct && devs[i].minor != devs[k].minor && strcmp(devs[i].pci, devs[k].pci) &&
				   strcmp(devs[i].uuid, devs[k].uuid);
	}
	is_int(right, WRITERS, "… with its last value");
	ok(distinct, "no two share a minor, PCI address or UUID");
	reg_settings(reg, "w", count, &settings, &err);
	is_int(settings, WRITERS * CHANGES, "no setting is lost");
	is_int(reg_generation(reg, &gen, &err), 0, "the generation can be read");
	is_int((long long)gen, 1 + WRITERS + WRITERS * CHANGES * 4, "… and counted every change");
	reg_close(reg);
	return 0;
}
