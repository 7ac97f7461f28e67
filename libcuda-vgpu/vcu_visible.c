/*
 * vcu_visible.c: CUDA_DEVICE_ORDER sorts the devices, then CUDA_VISIBLE_DEVICES
 * picks from the sorted list:
 *
 *   not set          all
 *   list of numbers  in the list's order. Each is read as strtoul would ("1x" is
 *                    1, "x" is none); what is not a device's number ends the list;
 *                    a number that comes twice makes the whole list empty
 *   list of "GPU-…"  UUIDs or beginnings of UUIDs. One that matches no device or
 *                    several ends the list, as does an element that is no "GPU-";
 *                    a device that comes twice makes the whole list empty
 *   "MIG-…"          the MIG device of that UUID, or of "MIG-GPU-<uuid>/<gi>/<ci>": one only
 *   anything else    (empty, "-1", "none") none
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "libcuda-vgpu/vcu_visible.h"
#include "util/compiler.h"
#include "util/mig.h"

/* A measure of a device's speed, to sort by: lanes × clock. */
static uint64_t speed(const struct vgpu_device *d)
{
	return d->sm_count * (d->clock_khz / 1000);
}

static bool comes_before(const struct vgpu_device *a, const struct vgpu_device *b, bool fastest)
{
	if (fastest && speed(a) != speed(b))
		return speed(a) > speed(b);
	return a->index < b->index;
}

/* Insertion sort: few devices, and equal ones keep their place. */
static void sort(const struct vgpu_device *devs, size_t n, bool fastest, unsigned *out)
{
	for (size_t i = 0; i < n; i++) {
		size_t j = i;

		for (; j > 0 && comes_before(&devs[i], &devs[out[j - 1]], fastest); j--)
			out[j] = out[j - 1];
		out[j] = (unsigned)i;
	}
}

struct element {
	const char *p;
	size_t len;
};

/* Takes the element that begins at *p; false at the end of the list. */
static bool next_element(const char **p, struct element *e)
{
	if (!*p)
		return false;
	e->p = *p;
	e->len = strcspn(*p, ",");
	*p = (*p)[e->len] ? *p + e->len + 1 : NULL;
	return true;
}

/* The number that an element begins with, -1 if it doesn't or the number is negative. */
static long number(struct element e)
{
	size_t i = 0;
	long v = 0;
	bool any = false, negative = false;

	while (i < e.len && isspace((unsigned char)e.p[i]))
		i++;
	if (i < e.len && (e.p[i] == '+' || e.p[i] == '-'))
		negative = e.p[i++] == '-';
	for (; i < e.len && isdigit((unsigned char)e.p[i]); i++) {
		any = true;
		v = MIN(v * 10 + (e.p[i] - '0'), 1000000L);
	}
	return any && (!negative || !v) ? v : -1;
}

static bool has(const unsigned *list, size_t n, unsigned v)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == v)
			return true;
	return false;
}

/* True if an element before e is the number v. */
static bool number_repeated(const char *list, struct element e, long v)
{
	struct element o;

	while (next_element(&list, &o) && o.p < e.p)
		if (number(o) == v)
			return true;
	return false;
}

static size_t pick_numbers(const char *list, const unsigned *sorted, size_t n, unsigned *out)
{
	const char *p = list;
	struct element e;
	size_t got = 0;
	bool open = true;

	/* A number that comes twice empties the list even behind one that is too high. */
	while (next_element(&p, &e)) {
		long v = number(e);

		if (v < 0)
			break;
		if (number_repeated(list, e, v))
			return 0;
		open = open && (size_t)v < n;
		if (open)
			out[got++] = sorted[v];
	}
	return got;
}

/* Position in sorted of the one device whose UUID begins with e, -1: none or several. */
static long match(struct element e, const struct vgpu_device *devs, const unsigned *sorted, size_t n)
{
	long found = -1;

	for (size_t i = 0; i < n; i++) {
		if (strncmp(devs[sorted[i]].uuid, e.p, e.len) != 0)
			continue;
		if (found >= 0)
			return -1;
		found = (long)i;
	}
	return found;
}

static bool repeated(const char *list, struct element e)
{
	struct element o;

	while (next_element(&list, &o) && o.p < e.p)
		if (o.len == e.len && !memcmp(o.p, e.p, e.len))
			return true;
	return false;
}

static size_t pick_uuids(const char *list, const struct vgpu_device *devs, const unsigned *sorted, size_t n,
			 unsigned *out)
{
	const char *p = list;
	struct element e;
	size_t got = 0;
	bool open = true;

	/* A text that comes twice empties the list even behind one that ends it, as long as all are "GPU-". */
	while (next_element(&p, &e)) {
		long i;

		if (repeated(list, e))
			return 0;
		if (e.len < 4 || strncmp(e.p, "GPU-", 4) != 0)
			break;
		if (!open)
			continue;
		i = match(e, devs, sorted, n);
		if (i < 0) {
			open = false;
			continue;
		}
		if (has(out, got, sorted[i]))
			return 0;
		out[got++] = sorted[i];
	}
	return got;
}

/* "MIG-GPU-<uuid>/<gi>/<ci>", as drivers before 470 named them. */
static long match_old(struct element e, const struct vgpu_device *devs, size_t n, size_t n_mig)
{
	char text[80], *slash, *end;
	unsigned long gi, ci;

	if (e.len >= sizeof(text))
		return -1;
	memcpy(text, e.p + 4, e.len - 4);
	text[e.len - 4] = 0;
	slash = strchr(text, '/');
	if (!slash)
		return -1;
	*slash = 0;
	gi = strtoul(slash + 1, &end, 10);
	if (*end != '/')
		return -1;
	ci = strtoul(end + 1, &end, 10);
	for (size_t i = 0; i < n && !*end; i++)
		for (size_t k = 0; strcmp(devs[i].uuid, text) == 0 && k < n_mig; k++)
			if (devs[n + k].index == VGPU_MIG_INDEX + devs[i].minor * 128 + gi * VGPU_MIG_MAX_CI + ci)
				return (long)k;
	return -1;
}

long vcu_visible_mig(const char *visible, const struct vgpu_device *devs, size_t n, size_t n_mig)
{
	struct element e;
	long found = -1;

	if (!next_element(&visible, &e) || e.len < 5)
		return -1;
	if (strncmp(e.p, "MIG-GPU-", 8) == 0)
		return match_old(e, devs, n, n_mig);
	for (size_t k = 0; k < n_mig; k++) {
		if (strncmp(devs[n + k].uuid, e.p, e.len) != 0)
			continue;
		if (found >= 0)
			return -1;
		found = (long)k;
	}
	return found;
}

size_t vcu_visible_select(const char *visible, const char *order, const struct vgpu_device *devs, size_t n,
			  unsigned out[VGPU_MAX_DEVICES])
{
	bool fastest = !order || strcmp(order, "PCI_BUS_ID") != 0;
	unsigned sorted[VGPU_MAX_DEVICES];

	n = MIN(n, (size_t)VGPU_MAX_DEVICES);
	sort(devs, n, fastest, sorted);
	if (!visible) {
		memcpy(out, sorted, n * sizeof(*out));
		return n;
	}
	if (!strncmp(visible, "GPU-", 4))
		return pick_uuids(visible, devs, sorted, n, out);
	return pick_numbers(visible, sorted, n, out);
}
