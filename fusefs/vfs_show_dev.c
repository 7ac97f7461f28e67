/* vfs_show_dev.c: the nodes' device tables, and devices/<n>/: one value per file. */
#include "fusefs/vfs_show.h"

#include <string.h>

#include "protocol/vgp_mon.h"

#define U(x) ((unsigned long long)(x))

void show_table(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_devtab_print_all(b, s->src->devs.dev, s->src->devs.n, s->src->devs.mig, s->src->devs.n_mig);
}

void show_device_table(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_devtab_print_all(b, s->dev, 1, s->src->devs.mig, s->src->devs.n_mig);
}

void show_prop(const struct vfs_show *s, struct vgpu_buf *b)
{
	char value[128];

	vgpu_buf_printf(b, "%s\n", vgpu_prop_get(s->dev, s->entry->prop, value));
}

void show_memory_max(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "%llu\n", U(s->dev->memory_total));
}

void show_memory_current(const struct vfs_show *s, struct vgpu_buf *b)
{
	const struct vfs_live *l = &s->src->live;

	vgpu_buf_printf(b, "%llu\n", l->memory_used ? U(l->memory_used(l->arg, s->key)) : 0);
}

static unsigned utilization(const struct vfs_show *s)
{
	const struct vfs_live *l = &s->src->live;

	return l->utilization ? l->utilization(l->arg, s->key) : 0;
}

void show_utilization(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "%u\n", utilization(s));
}

/* All zero where nothing is live. */
static struct vgp_telemetry telemetry(const struct vfs_show *s)
{
	const struct vfs_live *l = &s->src->live;
	struct vgp_telemetry t = { .temperature_c = s->dev->temp_idle_c, .power_mw = s->dev->power_idle_mw };

	if (l->telemetry)
		l->telemetry(l->arg, s->key, &t);
	return t;
}

/* °C */
void show_temperature(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "%llu\n", U(telemetry(s).temperature_c));
}

/* mW */
void show_power_draw(const struct vfs_show *s, struct vgpu_buf *b)
{
	vgpu_buf_printf(b, "%llu\n", U(telemetry(s).power_mw));
}

void show_clients(const struct vfs_show *s, struct vgpu_buf *b)
{
	const struct vfs_live *l = &s->src->live;

	if (l->clients)
		l->clients(l->arg, s->key, b);
}

/* The value is tried on a copy first, so that nonsense is refused before anything is asked of the registry. */
static int change_prop(const struct vfs_show *s, const struct vgpu_prop *p, const char *text,
		       struct vfs_change *change, struct vgpu_err *err)
{
	struct vgpu_device copy = *s->dev;
	int r;

	if (p->type == VGPU_PROP_U64 && !*text)
		return vgpu_err_set(err, VGPU_E_INVALID, "%s: a number is needed", p->key);
	r = vgpu_prop_set(&copy, p, text, err);
	/* what only the registry knows how to read ("50% of host") is left to it */
	if (r && p->type != VGPU_PROP_U64)
		return r;
	if (r && strcmp(p->key, "memory_total") != 0)
		return r;
	memcpy(change->uuid, s->dev->uuid, sizeof(change->uuid));
	change->prop = p->key;
	memcpy(change->value, text, strlen(text) + 1);
	return 0;
}

int store_prop(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err)
{
	return change_prop(s, s->entry->prop, text, change, err);
}

int store_memory_max(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err)
{
	return change_prop(s, vgpu_prop_find("memory_total"), text, change, err);
}

int store_refuse(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err)
{
	return vgpu_err_set(err, VGPU_E_NOT_SUPPORTED, "%s takes no input in vgpufs", s->entry->path);
}

void show_injected(const struct vfs_show *s, struct vgpu_buf *b)
{
	const struct vfs_live *l = &s->src->live;

	if (l->injected)
		l->injected(l->arg, s->key, b);
}

void show_reports(const struct vfs_show *s, struct vgpu_buf *b)
{
	const struct vfs_live *l = &s->src->live;

	if (l->reports)
		l->reports(l->arg, s->key, b);
}

/* What it means is for vfs_inject.c, which knows what the device is doing. */
int store_inject(const struct vfs_show *s, const char *text, struct vfs_change *change, struct vgpu_err *err)
{
	memcpy(change->uuid, s->dev->uuid, sizeof(change->uuid));
	change->prop = NULL;
	memcpy(change->value, text, strlen(text) + 1);
	return 0;
}
