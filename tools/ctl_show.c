/* ctl_show.c: vgpuctl show: every property, and where its value comes from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/profile.h"
#include "tools/ctl.h"

struct overrides {
	char keys[128][40];
	size_t n;
};

static void note(void *arg, const char *key, const char *value)
{
	struct overrides *o = arg;

	if (o->n < ARRAY_SIZE(o->keys))
		snprintf(o->keys[o->n++], sizeof(o->keys[0]), "%s", key);
}

static const char *origin(const struct overrides *o, const struct profile *p, const struct vgpu_prop *prop)
{
	if (prop->identity)
		return "identity";
	for (size_t i = 0; i < o->n; i++)
		if (strcmp(o->keys[i], prop->key) == 0)
			return "set";
	for (size_t i = 0; p && i < p->n; i++)
		if (p->kv[i].prop == prop)
			return "profile";
	return "default";
}

static void show_text(struct vgpu_buf *b, const struct vgpu_device *d, const struct overrides *o, const struct profile *p)
{
	size_t n;
	const struct vgpu_prop *props = vgpu_props(&n);
	char value[128];

	for (size_t i = 0; i < n; i++)
		vgpu_buf_printf(b, "%-24s %-42s %-9s # %s\n", props[i].key, vgpu_prop_get(d, &props[i], value),
				origin(o, p, &props[i]), props[i].doc);
}

static void show_json(struct vgpu_json *j, const struct vgpu_device *d, const struct overrides *o)
{
	vgpu_json_object(j, NULL);
	ctl_json_device(j, d);
	vgpu_json_array(j, "overrides");
	for (size_t i = 0; i < o->n; i++)
		vgpu_json_str(j, NULL, o->keys[i]);
	vgpu_json_end(j);
	vgpu_json_end(j);
}

static int show_one(struct ctl *c, struct registry *reg, const struct vgpu_device *d,
		    struct vgpu_buf *b, struct vgpu_json *j, bool first, struct vgpu_err *err)
{
	struct overrides o = { .n = 0 };
	struct profile *p = calloc(1, sizeof(*p));
	bool have;
	int r;

	if (!p)
		return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	have = profile_load(d->profile, p, NULL) == 0;
	if (!have)
		ctl_note("profile %s of device %u is gone: its values are those stored when the device was made",
			 d->profile, (unsigned)d->index);
	r = reg_device_overrides(reg, d->uuid, note, &o, err);
	if (!r && c->json)
		show_json(j, d, &o);
	else if (!r) {
		vgpu_buf_str(b, first ? "" : "\n");
		show_text(b, d, &o, have ? p : NULL);
	}
	free(p);
	return r;
}

/* The devices that are asked for, or all. */
static int collect(struct ctl *c, int argc, char **argv, struct registry *reg,
		   struct vgpu_device *devs, size_t *n_out, struct vgpu_err *err)
{
	if (argc == 1)
		return reg ? reg_devices(reg, devs, n_out, err) : 0;
	for (int i = 1; i < argc && i <= VGPU_MAX_DEVICES; i++) {
		int r = reg ? reg_device_find(reg, argv[i], &devs[i - 1], err)
			    : vgpu_err_set(err, VGPU_E_INVALID_DEVICE, "there is no device '%s': there is no registry in %s yet", argv[i], c->state);

		if (r)
			return r;
		*n_out = (size_t)i;
	}
	return 0;
}

int ctl_show(struct ctl *c, int argc, char **argv)
{
	struct vgpu_device *devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	struct vgpu_buf b = VGPU_BUF_INIT;
	struct registry *reg = NULL;
	struct vgpu_json j;
	struct vgpu_err err;
	size_t n = 0;
	int r;

	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-') {
			free(devs);
			return ctl_usage(c, "there is no option '%s'", argv[i]);
		}
	vgpu_json_init(&j, &b);
	if (c->json)
		vgpu_json_array(&j, NULL);
	r = devs ? ctl_open_read(c, &reg, &err) : vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
	if (!r)
		r = collect(c, argc, argv, reg, devs, &n, &err);
	for (size_t i = 0; !r && i < n; i++)
		r = show_one(c, reg, &devs[i], &b, &j, i == 0, &err);
	reg_close(reg);
	free(devs);
	if (r) {
		vgpu_buf_free(&b);
		return ctl_fail(&err);
	}
	if (c->json)
		vgpu_json_end(&j);
	else if (n == 0)
		ctl_note("no devices in %s; 'vgpuctl create' makes one", c->state);
	return ctl_print(&b);
}
