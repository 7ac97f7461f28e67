/*
 * vnv_drain.c: devices that are drained (no program that doesn't use them yet
 * may), removed, and looked for again. They are named by their PCI address:
 * whoever comes later has no handle of them.
 */
#include <stdlib.h>
#include <unistd.h>

#include "libnvml-vgpu/vnv.h"

enum { IN_USE_AS_EVER, DRAINING, REMOVED };   /* property drain */

/* A record of the device, apart from those that nvmlInit made. */
static int look(const struct vgpu_device *d, struct vnv_gpu *g)
{
	memset(g, 0, sizeof(*g));
	g->d = *d;
	g->fd = -1;
	return vgpu_uuid_parse(d->uuid, g->uuid, NULL);
}

static bool is_at(const struct vgpu_device *d, const nvmlPciInfo_t *pci)
{
	unsigned domain, bus, slot, fn;

	return !vgpu_pci_parse(d->pci, &domain, &bus, &slot, &fn, NULL) && domain == pci->domain && bus == pci->bus && slot == pci->device;
}

static nvmlReturn_t set_drain(struct vnv_gpu *g, uint64_t state)
{
	struct vgp_mon_set q = { .what = VGP_SET_DRAIN, .v = { state } };
	nvmlReturn_t r = vnv_result(vnv_ask(g, VGP_MON_SET, &q, sizeof(q)));

	if (g->fd >= 0)
		close(g->fd);
	return r;
}

/* All devices that there are, these too; to be freed. */
static struct vgpu_device *table_of(size_t *n)
{
	struct vgpu_device *table = calloc(VGPU_MAX_DEVICES, sizeof(*table));
	struct tr_node node;
	char driver[32];

	*n = 0;
	if (table && tr_enumerate(&node, table, n, driver, NULL))
		*n = 0;
	return table;
}

/* Calls fn on the device there. */
static nvmlReturn_t at_address(const nvmlPciInfo_t *pci, nvmlReturn_t (*fn)(struct vnv_gpu *g, void *arg), void *arg)
{
	nvmlReturn_t r = NVML_ERROR_INVALID_ARGUMENT;
	struct vgpu_device *table;
	struct vnv_gpu *g;
	size_t n;

	if (!pci)
		return r;
	table = table_of(&n);
	g = malloc(sizeof(*g));
	for (size_t i = 0; g && i < n; i++)
		if (is_at(&table[i], pci))
			r = look(&table[i], g) ? NVML_ERROR_UNKNOWN : fn(g, arg);
	free(g);
	free(table);
	return r;
}

static nvmlReturn_t query(struct vnv_gpu *g, void *arg)
{
	*(nvmlEnableState_t *)arg = g->d.drain == DRAINING ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
	return g->d.drain == REMOVED ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

static nvmlReturn_t modify(struct vnv_gpu *g, void *arg)
{
	if (g->d.drain == REMOVED)
		return NVML_ERROR_INVALID_ARGUMENT;
	return set_drain(g, *(nvmlEnableState_t *)arg == NVML_FEATURE_ENABLED ? DRAINING : IN_USE_AS_EVER);
}

/* One that takes new programs could be in use the next moment. */
static nvmlReturn_t take_away(struct vnv_gpu *g, void *arg)
{
	if (g->d.drain == REMOVED)
		return NVML_ERROR_INVALID_ARGUMENT;
	return g->d.drain == DRAINING ? set_drain(g, REMOVED) : NVML_ERROR_IN_USE;
}

nvmlReturn_t vnv_DeviceQueryDrainState(nvmlPciInfo_t *pci, nvmlEnableState_t *state)
{
	return state ? at_address(pci, query, state) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vnv_DeviceModifyDrainState(nvmlPciInfo_t *pci, nvmlEnableState_t state)
{
	if ((unsigned)state > NVML_FEATURE_ENABLED)
		return NVML_ERROR_INVALID_ARGUMENT;
	return at_address(pci, modify, &state);
}

/* Whether the machine keeps it, and how fast its link is then, makes no difference here. */
nvmlReturn_t vnv_DeviceRemoveGpu_v2(nvmlPciInfo_t *pci, nvmlDetachGpuState_t gpu, nvmlPcieLinkState_t link)
{
	return gpu > 1 || link > 1 ? NVML_ERROR_INVALID_ARGUMENT : at_address(pci, take_away, NULL);
}

nvmlReturn_t vnv_DeviceRemoveGpu(nvmlPciInfo_t *pci)
{
	return vnv_DeviceRemoveGpu_v2(pci, 0, 0);
}

/* All of them, wherever the search begins. */
nvmlReturn_t vnv_DeviceDiscoverGpus(nvmlPciInfo_t *pci)
{
	struct vgpu_device *table;
	nvmlReturn_t r = NVML_SUCCESS;
	struct vnv_gpu *g;
	size_t n;

	if (!pci)
		return NVML_ERROR_INVALID_ARGUMENT;
	table = table_of(&n);
	g = malloc(sizeof(*g));
	for (size_t i = 0; g && i < n && !r; i++)
		if (table[i].drain == REMOVED)
			r = look(&table[i], g) ? NVML_ERROR_UNKNOWN : set_drain(g, IN_USE_AS_EVER);
	free(g);
	free(table);
	return r;
}
