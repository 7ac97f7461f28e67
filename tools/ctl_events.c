/* ctl_events.c: vgpuctl events: the log, oldest first. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/ctl.h"

struct printing {
	struct vgpu_buf b;
	struct vgpu_json j;
	bool json;
};

static void print_event(void *arg, const struct reg_event *e)
{
	struct printing *p = arg;
	time_t s = (time_t)(e->time_us / 1000000);
	struct tm tm;
	char when[40];

	gmtime_r(&s, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p->json) {
		vgpu_buf_printf(&p->b, "%-6llu %s.%03uZ  %-10s %-40s  %s\n", (unsigned long long)e->id, when,
				(unsigned)(e->time_us / 1000 % 1000), e->kind, *e->uuid ? e->uuid : "-", e->text);
		return;
	}
	vgpu_json_object(&p->j, NULL);
	vgpu_json_u64(&p->j, "id", e->id);
	vgpu_json_u64(&p->j, "time_us", e->time_us);
	vgpu_json_str(&p->j, "uuid", *e->uuid ? e->uuid : NULL);
	vgpu_json_str(&p->j, "kind", e->kind);
	vgpu_json_str(&p->j, "text", e->text);
	vgpu_json_end(&p->j);
}

static bool number(const char *s, uint64_t *out)
{
	char *end;

	if (!s || *s < '0' || *s > '9')
		return false;
	*out = strtoull(s, &end, 10);
	return !*end;
}

/* A device that is gone has events, too: a full UUID need not be in the registry. */
static int device_uuid(struct registry *reg, const char *spec, char uuid[48], struct vgpu_err *err)
{
	struct vgpu_device d;
	uint8_t bytes[16];
	int r = reg_device_find(reg, spec, &d, err);

	if (!r)
		snprintf(uuid, 48, "%s", d.uuid);
	else if (vgpu_uuid_parse(spec, bytes, NULL) == 0) {
		vgpu_uuid_format(bytes, uuid);
		r = 0;
	}
	return r;
}

int ctl_events(struct ctl *c, int argc, char **argv)
{
	struct printing p = { .b = VGPU_BUF_INIT, .json = c->json };
	const char *device = NULL, *value;
	uint64_t last = 0, after = 0;
	struct registry *reg = NULL;
	struct vgpu_err err;
	char uuid[48];
	int r;

	for (int i = 1; i < argc; i++) {
		if (ctl_option("last", argc, argv, &i, &value)) {
			if (!number(value, &last) || !last)
				return ctl_usage(c, "--last needs a number from 1");
		} else if (ctl_option("after", argc, argv, &i, &value)) {
			if (!number(value, &after))
				return ctl_usage(c, "--after needs an event's number");
		} else if (argv[i][0] == '-' || device) {
			return ctl_usage(c, "'%s' does not go here", argv[i]);
		} else {
			device = argv[i];
		}
	}
	r = ctl_open_read(c, &reg, &err);
	if (!r && !reg && device)
		r = vgpu_err_set(&err, VGPU_E_INVALID_DEVICE, "there is no registry in %s yet", c->state);
	if (!r && device)
		r = device_uuid(reg, device, uuid, &err);
	vgpu_json_init(&p.j, &p.b);
	if (c->json)
		vgpu_json_array(&p.j, NULL);
	if (!r && reg)
		r = reg_events(reg, device ? uuid : NULL, after, (size_t)last, print_event, &p, &err);
	reg_close(reg);
	if (r) {
		vgpu_buf_free(&p.b);
		return ctl_fail(&err);
	}
	if (c->json)
		vgpu_json_end(&p.j);
	return ctl_print(&p.b);
}
