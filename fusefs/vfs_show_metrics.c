/*
 * vfs_show_metrics.c: <mount>/metrics: Prometheus' text format, version 0.0.4.
 * The metrics are the rows of metrics.def; here is how they are written down.
 * metrics.strict is the same but for the two inherited spellings that
 * Prometheus' linter objects to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "fusefs/vfs_show.h"
#include "protocol/vgp_mon.h"

#define U(x) ((unsigned long long)(x))

enum type { GAUGE, COUNTER, PLAIN };

struct metric {
	const char *name, *help;
	enum type type;
	size_t field;             /* place in struct vgp_telemetry */
	uint64_t divisor;
};

static const struct metric metrics[] = {
#define G(name, type, field, divisor, help) { #name, help, type, offsetof(struct vgp_telemetry, field), divisor },
#include "fusefs/metrics.def"
#undef G
};

/* A label's value, with what the format wants escaped. */
static void label(struct vgpu_buf *b, const char *name, const char *text)
{
	vgpu_buf_printf(b, "%s=\"", name);
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			vgpu_buf_printf(b, "\\%c", *text);
		else if (*text == '\n')
			vgpu_buf_str(b, "\\n");
		else
			vgpu_buf_add(b, text, 1);
	}
	vgpu_buf_str(b, "\"");
}

/* Of our own metrics. */
static void own_labels(struct vgpu_buf *b, const struct vgpu_device *d)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", U(d->index));
	label(b, "gpu", text);
	vgpu_buf_str(b, ",");
	label(b, "UUID", d->uuid);
}

/* dcgm-exporter's labels; NVML's form of the PCI address, with a domain of eight digits. */
static void dcgm_labels(struct vgpu_buf *b, const struct vgpu_device *d, const char *host, bool strict)
{
	char text[64];
	unsigned domain = 0, bus = 0, dev = 0, fn = 0;

	own_labels(b, d);
	vgpu_pci_parse(d->pci, &domain, &bus, &dev, &fn, NULL);
	snprintf(text, sizeof(text), "%08X:%02X:%02X.%X", domain, bus, dev, fn);
	vgpu_buf_str(b, ",");
	label(b, "pci_bus_id", text);
	snprintf(text, sizeof(text), "nvidia%llu", U(d->minor));
	vgpu_buf_str(b, ",");
	label(b, "device", text);
	vgpu_buf_str(b, ",");
	label(b, strict ? "model_name" : "modelName", d->name);
	vgpu_buf_str(b, ",");
	label(b, "Hostname", host);
	vgpu_buf_str(b, ",");
	label(b, "DCGM_FI_DRIVER_VERSION", VGPU_DRIVER_VERSION);
}

static void number(struct vgpu_buf *b, uint64_t v, uint64_t divisor)
{
	if (v % divisor == 0)
		vgpu_buf_printf(b, " %llu\n", U(v / divisor));
	else
		vgpu_buf_printf(b, " %.9g\n", (double)v / (double)divisor);
}

static void head(struct vgpu_buf *b, const char *name, const char *help, enum type type)
{
	vgpu_buf_printf(b, "# HELP %s %s\n", name, help);
	if (type != PLAIN)
		vgpu_buf_printf(b, "# TYPE %s %s\n", name, type == GAUGE ? "gauge" : "counter");
}

/* A name may not end in what its type is called. */
static const char *name_of(const struct metric *m, bool strict, char buf[64])
{
	size_t len = strlen(m->name);

	if (!strict || len < 8 || len >= 64 || strcmp(m->name + len - 8, "_COUNTER") != 0)
		return m->name;
	snprintf(buf, 64, "%.*s_TOTAL", (int)len - 8, m->name);
	return buf;
}

struct all {
	bool strict;
	struct vgp_telemetry t[VGPU_MAX_DEVICES];
	struct vgpu_buf dcgm[VGPU_MAX_DEVICES], own[VGPU_MAX_DEVICES];   /* labels */
};

static void print_metric(struct vgpu_buf *b, const struct metric *m, struct all *a, size_t n)
{
	bool dcgm = strncmp(m->name, "DCGM_", 5) == 0;
	char buf[64];
	const char *name = name_of(m, a->strict, buf);

	head(b, name, m->help, m->type);
	for (size_t i = 0; i < n; i++) {
		uint64_t v;

		memcpy(&v, (const char *)&a->t[i] + m->field, sizeof(v));
		vgpu_buf_printf(b, "%s{%s}", name, vgpu_buf_text(dcgm ? &a->dcgm[i] : &a->own[i]));
		/* MiB are whole ones */
		if (m->divisor == 1 << 20)
			number(b, v >> 20, 1);
		else
			number(b, v, m->divisor);
	}
}

struct proc_metric {
	struct vgpu_buf *b;
	const char *name, *labels;
	bool busy;
};

static void print_proc(void *arg, uint32_t pid, uint64_t memory, uint64_t busy_ns)
{
	struct proc_metric *p = arg;

	vgpu_buf_printf(p->b, "%s{%s,pid=\"%u\"}", p->name, p->labels, pid);
	number(p->b, p->busy ? busy_ns : memory, p->busy ? 1000000000 : 1);
}

static void print_procs(const struct vfs_show *s, struct vgpu_buf *b, struct all *a, const char *name, const char *help, bool busy)
{
	const struct vfs_live *l = &s->src->live;

	if (!l->each_process)
		return;
	head(b, name, help, busy ? COUNTER : GAUGE);
	for (size_t i = 0; i < s->src->devs.n; i++) {
		struct proc_metric p = { b, name, vgpu_buf_text(&a->own[i]), busy };

		l->each_process(l->arg, s->src->devs.key[i], print_proc, &p);
	}
}

static void show(const struct vfs_show *s, struct vgpu_buf *b, bool strict)
{
	const struct vfs_live *l = &s->src->live;
	size_t n = s->src->devs.n;
	struct all *a = calloc(1, sizeof(*a));
	char host[256] = "";

	if (!a || !l->telemetry) {
		free(a);
		return;
	}
	a->strict = strict;
	if (gethostname(host, sizeof(host) - 1))
		host[0] = 0;
	for (size_t i = 0; i < n; i++) {
		l->telemetry(l->arg, s->src->devs.key[i], &a->t[i]);
		dcgm_labels(&a->dcgm[i], &s->src->devs.dev[i], host, strict);
		own_labels(&a->own[i], &s->src->devs.dev[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		print_metric(b, &metrics[i], a, n);
	print_procs(s, b, a, "vgpufs_process_memory_bytes", "Device memory that a process has allocated.", false);
	print_procs(s, b, a, "vgpufs_process_busy_seconds_total", "Time in which a process' kernels ran.", true);
	head(b, "vgpufs_sessions", "Client processes that have a worker.", GAUGE);
	vgpu_buf_printf(b, "vgpufs_sessions %u\n", l->sessions ? l->sessions(l->arg) : 0);
	head(b, "vgpufs_devices", "Devices of the mount.", GAUGE);
	vgpu_buf_printf(b, "vgpufs_devices %zu\n", n);
	for (size_t i = 0; i < n; i++) {
		vgpu_buf_free(&a->dcgm[i]);
		vgpu_buf_free(&a->own[i]);
	}
	free(a);
}

void show_metrics(const struct vfs_show *s, struct vgpu_buf *b)
{
	show(s, b, false);
}

void show_metrics_strict(const struct vfs_show *s, struct vgpu_buf *b)
{
	show(s, b, true);
}
