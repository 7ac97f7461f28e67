/*
 * vfs_show_metrics.c: <mount>/metrics: Prometheus' text format, version 0.0.4.
 * The metrics are the rows of metrics.def; here is how they are written down.
 * metrics.dcgm is the same but for two inherited spellings, which Prometheus'
 * linter objects to.
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
	bool instances;
};

static const struct metric metrics[] = {
#define G(name, type, field, divisor, help) { #name, help, type, offsetof(struct vgp_telemetry, field), divisor, false },
#define GI(name, type, field, divisor, help) { #name, help, type, offsetof(struct vgp_telemetry, field), divisor, true },
#include "fusefs/metrics.def"
#undef G
#undef GI
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

/* dcgm-exporter's labels; NVML's form of the PCI address, with a domain of eight digits. gi: NULL: of a whole device. */
static void dcgm_labels(struct vgpu_buf *b, const struct vgpu_device *d, const struct vfs_gi *gi, const char *host, bool dcgm)
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
	label(b, dcgm ? "modelName" : "model_name", d->name);
	vgpu_buf_str(b, ",");
	if (gi) {
		vgpu_mig_name(gi->p, gi->p->slices, text);
		label(b, "GPU_I_PROFILE", text);
		vgpu_buf_printf(b, ",GPU_I_ID=\"%u\",", gi->gi);
	}
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
static const char *name_of(const struct metric *m, bool dcgm, char buf[64])
{
	size_t len = strlen(m->name);

	if (dcgm || len < 8 || len >= 64 || strcmp(m->name + len - 8, "_COUNTER") != 0)
		return m->name;
	snprintf(buf, 64, "%.*s_TOTAL", (int)len - 8, m->name);
	return buf;
}

struct all {
	bool dcgm;
	struct vgp_telemetry t[VGPU_MAX_DEVICES], gi_t[VGPU_MAX_DEVICES];
	struct vgpu_buf labels[VGPU_MAX_DEVICES], gi_labels[VGPU_MAX_DEVICES], own[VGPU_MAX_DEVICES];
};

static void sample(struct vgpu_buf *b, const char *name, const struct vgpu_buf *labels, const struct metric *m, const struct vgp_telemetry *t)
{
	uint64_t v;

	memcpy(&v, (const char *)t + m->field, sizeof(v));
	vgpu_buf_printf(b, "%s{%s}", name, vgpu_buf_text(labels));
	/* MiB are whole ones */
	if (m->divisor == 1 << 20)
		number(b, v >> 20, 1);
	else
		number(b, v, m->divisor);
}

static void print_metric(struct vgpu_buf *b, const struct metric *m, struct all *a, const struct vfs_devset *set)
{
	bool theirs = strncmp(m->name, "DCGM_", 5) == 0;
	char buf[64];
	const char *name = name_of(m, a->dcgm, buf);

	head(b, name, m->help, m->type);
	for (size_t i = 0; i < set->n; i++)
		sample(b, name, theirs ? &a->labels[i] : &a->own[i], m, &a->t[i]);
	for (size_t i = 0; m->instances && i < set->n_gi; i++)
		sample(b, name, &a->gi_labels[i], m, &a->gi_t[i]);
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

static void collect(const struct vfs_show *s, struct all *a)
{
	const struct vfs_devset *set = &s->src->devs;
	const struct vfs_live *l = &s->src->live;
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1))
		host[0] = 0;
	for (size_t i = 0; i < set->n; i++) {
		l->telemetry(l->arg, set->key[i], &a->t[i]);
		dcgm_labels(&a->labels[i], &set->dev[i], NULL, host, a->dcgm);
		own_labels(&a->own[i], &set->dev[i]);
	}
	for (size_t i = 0; i < set->n_gi; i++) {
		l->instance(l->arg, i, &a->gi_t[i]);
		dcgm_labels(&a->gi_labels[i], &set->dev[set->gi[i].dev], &set->gi[i], host, a->dcgm);
	}
}

static void show(const struct vfs_show *s, struct vgpu_buf *b, bool dcgm)
{
	const struct vfs_live *l = &s->src->live;
	size_t n = s->src->devs.n;
	struct all *a = calloc(1, sizeof(*a));

	if (!a || !l->telemetry) {
		free(a);
		return;
	}
	a->dcgm = dcgm;
	collect(s, a);
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		print_metric(b, &metrics[i], a, &s->src->devs);
	print_procs(s, b, a, "vgpufs_process_memory_bytes", "Device memory that a process has allocated.", false);
	print_procs(s, b, a, "vgpufs_process_busy_seconds_total", "Time in which a process' kernels ran.", true);
	head(b, "vgpufs_sessions", "Client processes that have a worker.", GAUGE);
	vgpu_buf_printf(b, "vgpufs_sessions %u\n", l->sessions ? l->sessions(l->arg) : 0);
	head(b, "vgpufs_devices", "Devices of the mount.", GAUGE);
	vgpu_buf_printf(b, "vgpufs_devices %zu\n", n);
	for (size_t i = 0; i < VGPU_MAX_DEVICES; i++) {
		vgpu_buf_free(&a->labels[i]);
		vgpu_buf_free(&a->gi_labels[i]);
		vgpu_buf_free(&a->own[i]);
	}
	free(a);
}

void show_metrics(const struct vfs_show *s, struct vgpu_buf *b)
{
	show(s, b, false);
}

void show_metrics_dcgm(const struct vfs_show *s, struct vgpu_buf *b)
{
	show(s, b, true);
}
