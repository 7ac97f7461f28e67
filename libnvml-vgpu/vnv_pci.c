/* vnv_pci.c: addresses, links and what is told by comparing addresses. */
#include "libnvml-vgpu/vnv.h"

bool vnv_bus_id_parse(const char *text, unsigned *domain, unsigned *bus, unsigned *slot, unsigned *fn)
{
	char tail;

	*domain = *bus = *slot = *fn = 0;
	if (strlen(text) > 31 || strpbrk(text, "+- \t\nxX"))
		return false;
	if (sscanf(text, "%x:%x:%x.%x%c", domain, bus, slot, fn, &tail) == 4)
		return true;
	*fn = 0;
	if (sscanf(text, "%x:%x:%x%c", domain, bus, slot, &tail) == 3)
		return true;
	*domain = 0;
	return sscanf(text, "%x:%x.%x%c", bus, slot, fn, &tail) == 3 || sscanf(text, "%x:%x%c", bus, slot, &tail) == 2;
}

nvmlGpuTopologyLevel_t vnv_distance(const struct vnv_gpu *a, const struct vnv_gpu *b)
{
	if (a->domain == b->domain && a->bus == b->bus)
		return a->slot == b->slot ? NVML_TOPOLOGY_INTERNAL : NVML_TOPOLOGY_SINGLE;
	if (a->d.numa_node != b->d.numa_node)
		return NVML_TOPOLOGY_SYSTEM;
	return a->domain == b->domain ? NVML_TOPOLOGY_HOSTBRIDGE : NVML_TOPOLOGY_NODE;
}

static void fill(const struct vnv_gpu *g, nvmlPciInfo_t *pci)
{
	memset(pci, 0, sizeof(*pci));
	pci->domain = g->domain;
	pci->bus = g->bus;
	pci->device = g->slot;
	pci->pciDeviceId = (unsigned)(g->d.pci_device << 16 | g->d.pci_vendor);
	pci->pciSubSystemId = (unsigned)(g->d.pci_subdevice << 16 | g->d.pci_subvendor);
	snprintf(pci->busIdLegacy, sizeof(pci->busIdLegacy), "%04X:%02X:%02X.0", g->domain, g->bus, g->slot);
	snprintf(pci->busId, sizeof(pci->busId), "%08X:%02X:%02X.0", g->domain, g->bus, g->slot);
}

nvmlReturn_t vnv_DeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	if (!pci)
		return NVML_ERROR_INVALID_ARGUMENT;
	fill(device->gpu, pci);
	return NVML_SUCCESS;
}

/*
 * The first versions ended before busId, with four words that are reserved
 * there: a caller of theirs has room for so much and no more.
 */
struct pci_v2 {
	char busIdLegacy[NVML_PCI_BUS_ID_V2_LEN];
	unsigned int domain, bus, device, pciDeviceId, pciSubSystemId;
	unsigned int reserved[4];
};
_Static_assert(offsetof(nvmlPciInfo_t, busId) == offsetof(struct pci_v2, reserved), "the parts before are the same");

static nvmlReturn_t pci_old(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	nvmlPciInfo_t full;
	struct pci_v2 old = { .domain = 0 };

	if (!pci)
		return NVML_ERROR_INVALID_ARGUMENT;
	fill(device->gpu, &full);
	memcpy(&old, &full, offsetof(struct pci_v2, reserved));
	memcpy(pci, &old, sizeof(old));
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	return pci_old(device, pci);
}

nvmlReturn_t vnv_DeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	return pci_old(device, pci);
}

nvmlReturn_t vnv_DeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_t *pci)
{
	nvmlPciInfo_t p;

	if (!pci)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (pci->version != NV_VERSION(nvmlPciInfoExt_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	fill(device->gpu, &p);
	*pci = (nvmlPciInfoExt_t){ .version = pci->version, .domain = p.domain, .bus = p.bus, .device = p.device,
				   .pciDeviceId = p.pciDeviceId, .pciSubSystemId = p.pciSubSystemId,
				   .baseClass = (unsigned)(device->gpu->d.pci_class >> 16) & 0xff,
				   .subClass = (unsigned)(device->gpu->d.pci_class >> 8) & 0xff };
	memcpy(pci->busId, p.busId, sizeof(pci->busId));
	return NVML_SUCCESS;
}

/* Mbit/s of one lane, by generation. */
static unsigned lane_speed(uint64_t gen)
{
	static const unsigned mbps[] = { 0, 2500, 5000, 8000, 16000, 32000, 64000 };

	return gen < ARRAY_SIZE(mbps) ? mbps[gen] : 0;
}

nvmlReturn_t vnv_DeviceGetPcieSpeed(nvmlDevice_t device, unsigned int *speed)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!speed)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (!r)
		*speed = lane_speed(l->pcie_gen);
	return r;
}

/* KB/s, of the last second. */
nvmlReturn_t vnv_DeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t counter, unsigned int *value)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!value || (unsigned)counter >= NVML_PCIE_UTIL_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_live(device, VNV_RECENT, &l);
	if (!r)
		*value = (unsigned)MIN((counter == NVML_PCIE_UTIL_TX_BYTES ? l->pcie_tx_rate : l->pcie_rx_rate) / 1000, (uint64_t)UINT32_MAX);
	return r;
}

/* How the board's two addresses are made one number. */
nvmlReturn_t vnv_DeviceGetBoardId(nvmlDevice_t device, unsigned int *id)
{
	const struct vnv_gpu *g = device->gpu;

	if (!id)
		return NVML_ERROR_INVALID_ARGUMENT;
	*id = g->domain << 16 | g->bus << 8 | g->slot << 3;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceOnSameBoard(nvmlDevice_t device1, nvmlDevice_t device2, int *same)
{
	if (!same)
		return NVML_ERROR_INVALID_ARGUMENT;
	*same = device1->gpu == device2->gpu;
	return NVML_SUCCESS;
}
