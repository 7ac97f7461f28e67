/* ctl_telemetry.c: vgpuctl telemetry: the live values of devices, as NVML gets them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/vgp_mon.h"
#include "tools/ctl.h"
#include "transport/transport.h"
#include "util/cleanup.h"

struct out {
	struct vgpu_buf b;
	struct vgpu_json j;
	bool json;
};

static int ask(int fd, const struct vgpu_device *d, unsigned op, void *arg, size_t size, struct vgpu_err *err)
{
	struct vgp_mon_head *head = arg;
	int r = vgpu_uuid_parse(d->uuid, head->uuid, err);

	return r ? r : tr_monitor_ask(fd, op, arg, size, err);
}

struct procs {
	struct vgp_mon_list l;
	struct vgp_mon_proc p[128];
};

static void print_proc(struct out *o, const struct vgp_mon_proc *p)
{
	if (!o->json) {
		vgpu_buf_printf(&o->b, "process %-27u %llu bytes, %u %%\n", p->pid, (unsigned long long)p->memory, p->util_gpu);
		return;
	}
	vgpu_json_object(&o->j, NULL);
	vgpu_json_u64(&o->j, "pid", p->pid);
	vgpu_json_u64(&o->j, "memory", p->memory);
	vgpu_json_u64(&o->j, "util_gpu", p->util_gpu);
	vgpu_json_u64(&o->j, "busy_ns", p->busy_ns);
	vgpu_json_u64(&o->j, "start_us", p->start_us);
	vgpu_json_end(&o->j);
}

static int print_procs(struct out *o, int fd, const struct vgpu_device *d, struct vgpu_err *err)
{
	struct procs *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return vgpu_err_set(err, VGPU_E_NOMEM, "out of memory");
	if (o->json)
		vgpu_json_array(&o->j, "process");
	do {
		r = ask(fd, d, VGP_MON_PROCS, a, sizeof(*a), err);
		for (uint32_t i = 0; !r && i < a->l.n; i++)
			print_proc(o, &a->p[i]);
	} while (!r && a->l.cursor);
	if (o->json)
		vgpu_json_end(&o->j);
	free(a);
	return r;
}

static int print_device(struct out *o, int fd, const struct vgpu_device *d, struct vgpu_err *err)
{
	struct vgp_mon_telemetry t = { 0 };
	const struct vgp_telemetry_field *f;
	size_t n;
	int r = ask(fd, d, VGP_MON_TELEMETRY, &t, sizeof(t), err);

	if (r)
		return r;
	f = vgp_telemetry_fields(&n);
	if (o->json) {
		vgpu_json_object(&o->j, NULL);
		vgpu_json_u64(&o->j, "index", d->index);
		vgpu_json_str(&o->j, "uuid", d->uuid);
		vgpu_json_str(&o->j, "name", d->name);
		vgpu_json_str(&o->j, "pci", d->pci);
	} else {
		vgpu_buf_printf(&o->b, "%sdevice %llu: %s, %s\n", o->b.len ? "\n" : "", (unsigned long long)d->index, d->uuid, d->name);
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t v;

		memcpy(&v, (const char *)&t.t + f[i].offset, sizeof(v));
		if (o->json)
			vgpu_json_u64(&o->j, f[i].name, v);
		else
			vgpu_buf_printf(&o->b, "%-35s %llu\n", f[i].name, (unsigned long long)v);
	}
	r = print_procs(o, fd, d, err);
	if (o->json)
		vgpu_json_end(&o->j);
	return r;
}

/* The mount's own table: what it shows, not what the registry says. */
static int devices_of(const struct ctl *c, struct tr_node *node, struct vgpu_device *devs, size_t *n_out, struct vgpu_err *err)
{
	char driver[32];

	setenv("VGPU_PATH", c->mount, 1);
	if (tr_enumerate(node, devs, n_out, driver, err) == 0 && strncmp(node->dir, c->mount, strlen(c->mount)) == 0)
		return 0;
	return vgpu_err_set(err, VGPU_E_NOT_FOUND, "%s: is not mounted, or does not answer", c->mount);
}

static bool named(const struct vgpu_device *d, const char *spec)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)d->index);
	if (strcmp(spec, text) == 0 || strcmp(spec, d->pci) == 0)
		return true;
	snprintf(text, sizeof(text), "nvidia%llu", (unsigned long long)d->minor);
	return strcmp(spec, text) == 0 || (strlen(spec) >= 8 && strncmp(spec, d->uuid, strlen(spec)) == 0);
}

static int print_all(struct out *o, int fd, const struct vgpu_device *devs, size_t n, int argc, char **argv, struct vgpu_err *err)
{
	int r = 0;

	if (o->json)
		vgpu_json_array(&o->j, NULL);
	for (size_t i = 0; i < n && argc == 1 && !r; i++)
		r = print_device(o, fd, &devs[i], err);
	for (int a = 1; a < argc && !r; a++) {
		size_t i = 0;

		while (i < n && !named(&devs[i], argv[a]))
			i++;
		r = i < n ? print_device(o, fd, &devs[i], err) : vgpu_err_set(err, VGPU_E_INVALID_DEVICE, "the mount has no device '%s'", argv[a]);
	}
	if (o->json)
		vgpu_json_end(&o->j);
	return r;
}

int ctl_telemetry(struct ctl *c, int argc, char **argv)
{
	cleanup_free struct vgpu_device *devs = calloc(VGPU_MAX_DEVICES, sizeof(*devs));
	struct out o = { .b = VGPU_BUF_INIT, .json = c->json };
	cleanup_close int fd = -1;
	struct tr_node node;
	struct vgpu_err err;
	size_t n = 0;
	int r;

	r = devs ? devices_of(c, &node, devs, &n, &err) : vgpu_err_set(&err, VGPU_E_NOMEM, "out of memory");
	if (!r) {
		fd = tr_monitor_open(&node, &err);
		r = fd < 0 ? fd : 0;
	}
	vgpu_json_init(&o.j, &o.b);
	if (!r)
		r = print_all(&o, fd, devs, n, argc, argv, &err);
	if (r) {
		vgpu_buf_free(&o.b);
		return ctl_fail(&err);
	}
	return ctl_print(&o.b);
}
