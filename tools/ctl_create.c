/* ctl_create.c: vgpuctl create: all of the devices asked for, or none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ctl.h"

struct wish {
	struct reg_create c;
	struct ctl_kvs kvs;
	unsigned count;
};

static bool number(const char *s, long low, long high, long *out)
{
	char *end;

	*out = strtol(s, &end, 10);
	return *s && !*end && *out >= low && *out <= high;
}

/* key=value for what belongs to the identity goes into struct reg_create. */
static int identity(struct ctl *c, struct wish *w, const char *key, const char *value)
{
	long n;

	if (strcmp(key, "profile") == 0)
		w->c.profile = value;
	else if (strcmp(key, "uuid") == 0)
		w->c.uuid = value;
	else if (strcmp(key, "pci") == 0)
		w->c.pci = value;
	else if (strcmp(key, "serial") == 0)
		w->c.serial = value;
	else if (strcmp(key, "minor") == 0 && number(value, 0, 247, &n))
		w->c.minor = (int)n;
	else if (strcmp(key, "minor") == 0)
		return ctl_usage(c, "minor: '%s' is not a number from 0 to 247", value);
	else
		return ctl_usage(c, "%s can't be given: it follows from the PCI address", key);
	return CTL_OK;
}

static int property(struct ctl *c, struct wish *w, const char *arg)
{
	struct vgpu_err err;
	const struct reg_kv *kv;

	if (!ctl_kv_add(&w->kvs, arg, &err))
		return ctl_usage(c, "%s", err.text);
	kv = &w->kvs.kv[w->kvs.n - 1];
	if (!kv->value)
		return ctl_usage(c, "'%s': a new device has nothing to unset", arg);
	if (!vgpu_prop_find(kv->key)->identity)
		return CTL_OK;
	w->kvs.n--;
	return identity(c, w, kv->key, kv->value);
}

static int named_property(struct ctl *c, struct wish *w, const char *key, const char *value)
{
	struct reg_kv *kv = &w->kvs.kv[w->kvs.n];

	if (w->kvs.n == ARRAY_SIZE(w->kvs.kv))
		return ctl_usage(c, "too many properties");
	kv->key = key;
	kv->value = value;
	w->kvs.n++;
	return CTL_OK;
}

static int option(struct ctl *c, struct wish *w, int argc, char **argv, int *i)
{
	static const struct { const char *option, *key; } names[] = {
		{ "profile", "profile" }, { "uuid", "uuid" }, { "pci", "pci" }, { "minor", "minor" },
		{ "serial", "serial" }, { "name", "name" }, { "memory", "memory_total" }, { "count", NULL },
	};
	const char *value;
	long n;

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		const char *key = names[k].key;

		if (!ctl_option(names[k].option, argc, argv, i, &value))
			continue;
		if (!value)
			return ctl_usage(c, "--%s needs a value", names[k].option);
		if (key)
			return vgpu_prop_find(key)->identity ? identity(c, w, key, value) : named_property(c, w, key, value);
		if (!number(value, 1, VGPU_MAX_DEVICES, &n))
			return ctl_usage(c, "--count: '%s' is not a number from 1 to %d", value, VGPU_MAX_DEVICES);
		w->count = (unsigned)n;
		return CTL_OK;
	}
	return ctl_usage(c, "there is no option '%s'", argv[*i]);
}

static int parse(struct ctl *c, struct wish *w, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int r = argv[i][0] == '-' ? option(c, w, argc, argv, &i) : property(c, w, argv[i]);

		if (r)
			return r;
	}
	w->c.set = w->kvs.kv;
	w->c.n_set = w->kvs.n;
	if (w->count > 1 && (w->c.uuid || w->c.pci || w->c.minor >= 0 || w->c.serial))
		return ctl_usage(c, "uuid, pci, minor and serial name one device; they don't go with --count %u", w->count);
	return CTL_OK;
}

static int create_all(struct registry *reg, const struct wish *w, struct vgpu_device *devs, struct vgpu_err *err)
{
	int r = reg_begin(reg, err);

	if (r)
		return r;
	for (unsigned i = 0; i < w->count; i++) {
		r = reg_device_create(reg, &w->c, &devs[i], err);
		if (r) {
			reg_rollback(reg);
			return r;
		}
	}
	return reg_commit(reg, err);
}

/* Indices are those after the last one was made. */
static void refresh(struct registry *reg, struct vgpu_device *devs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		reg_device_find(reg, devs[i].uuid, &devs[i], NULL);
}

static int report(const struct ctl *c, const struct vgpu_device *devs, unsigned n)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct vgpu_json j;
	char mib[32];

	vgpu_json_init(&j, &b);
	if (c->json)
		vgpu_json_array(&j, NULL);
	for (unsigned i = 0; i < n; i++) {
		if (c->json) {
			vgpu_json_object(&j, NULL);
			ctl_json_device(&j, &devs[i]);
			vgpu_json_end(&j);
		} else {
			vgpu_buf_printf(&b, "%u: %s, %s, %s (%s)\n", (unsigned)devs[i].index, devs[i].name,
					ctl_mib(devs[i].memory_total, mib), devs[i].pci, devs[i].uuid);
		}
	}
	if (c->json)
		vgpu_json_end(&j);
	return ctl_print(&b);
}

int ctl_create(struct ctl *c, int argc, char **argv)
{
	struct wish *w = calloc(1, sizeof(*w));
	struct vgpu_device *devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	struct registry *reg = NULL;
	struct vgpu_err err;
	int r = CTL_FAILED;

	if (!w || !devs) {
		vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
		r = ctl_fail(&err);
		goto out;
	}
	w->c = (struct reg_create)REG_CREATE_INIT;
	w->count = 1;
	r = parse(c, w, argc, argv);
	if (r)
		goto out;
	if (ctl_open_write(c, &reg, &err) || create_all(reg, w, devs, &err)) {
		r = ctl_fail(&err);
		goto out;
	}
	refresh(reg, devs, w->count);
	reg_close(reg);
	reg = NULL;
	ctl_poke(c);
	r = report(c, devs, w->count);
out:
	reg_close(reg);
	free(devs);
	free(w);
	return r;
}
