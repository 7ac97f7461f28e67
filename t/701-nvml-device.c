/*
 * 701-nvml-device.c: what NVML says of a device is what the device table says;
 * bad arguments and wrong versions of structures are refused, buffers are not
 * written beyond their length.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "t/lib/mount.h"
#include "t/lib/nvml.h"
#include "t/lib/tap.h"
#include "transport/transport.h"

static struct vgpu_device table[VGPU_MAX_DEVICES];
static size_t n_table;

#define SUCCEEDS(call) is_int(call, NVML_SUCCESS, "%s", #call)
#define ANSWERS(ret, call) is_int(call, ret, "%s: %s", #call, #ret)

static nvmlDevice_t device_at(unsigned i)
{
	nvmlDevice_t dev = NULL;

	is_int(nvmlDeviceGetHandleByIndex_v2(i, &dev), NVML_SUCCESS, "handle of device %u", i);
	return dev;
}

static void test_versions(void)
{
	nvmlSystemDriverBranchInfo_t branch = { .version = NV_VERSION(nvmlSystemDriverBranchInfo_t, 1) };
	char text[80];
	int cuda = 0;

	SUCCEEDS(nvmlSystemGetDriverVersion(text, sizeof(text)));
	is_string(text, VGPU_DRIVER_VERSION, "driver version");
	SUCCEEDS(nvmlSystemGetNVMLVersion(text, sizeof(text)));
	is_string(text, "13." VGPU_DRIVER_VERSION, "NVML version");
	SUCCEEDS(nvmlSystemGetCudaDriverVersion(&cuda));
	is_int(cuda, VGPU_CUDA_VERSION, "CUDA version");
	SUCCEEDS(nvmlSystemGetCudaDriverVersion_v2(&cuda));
	SUCCEEDS(nvmlSystemGetDriverBranch(&branch, sizeof(branch.branch)));
	is_string(branch.branch, "r580_00", "branch");
	branch.version++;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlSystemGetDriverBranch(&branch, sizeof(branch.branch)));
	ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlSystemGetDriverVersion(text, 4));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlSystemGetDriverVersion(NULL, 80));
}

static void test_process_name(void)
{
	char name[256];

	SUCCEEDS(nvmlSystemGetProcessName((unsigned)getpid(), name, sizeof(name)));
	has_string(name, "701-nvml-device", "a process' name is what it was started as");
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlSystemGetProcessName(0x7ffffff0, name, sizeof(name)));
	ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlSystemGetProcessName((unsigned)getpid(), name, 2));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlSystemGetProcessName((unsigned)getpid(), NULL, 2));
}

static void test_absent(void)
{
	unsigned n = 7;
	nvmlUnit_t unit;

	SUCCEEDS(nvmlUnitGetCount(&n));
	is_int(n, 0, "no S-class unit");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlUnitGetHandleByIndex(0, &unit));
	n = 7;
	SUCCEEDS(nvmlGetExcludedDeviceCount(&n));
	is_int(n, 0, "no device is excluded");
	n = 0;
	SUCCEEDS(nvmlSystemGetHicVersion(&n, NULL));
}

/* One text getter: the value, the length to the byte, no write beyond it. */
static void text_is(nvmlReturn_t (*get)(nvmlDevice_t, char *, unsigned), nvmlDevice_t dev, const char *want, const char *what)
{
	unsigned need = (unsigned)strlen(want) + 1;
	char text[128];

	memset(text, '#', sizeof(text));
	is_int(get(dev, text, need), NVML_SUCCESS, "%s fits exactly", what);
	is_string(text, want, "%s", what);
	is_int(text[need], '#', "%s: nothing is written beyond", what);
	is_int(get(dev, text, need - 1), NVML_ERROR_INSUFFICIENT_SIZE, "%s in a byte less", what);
	is_int(get(dev, text, 0), NVML_ERROR_INSUFFICIENT_SIZE, "%s in no byte", what);
	is_int(get(dev, NULL, 96), NVML_ERROR_INVALID_ARGUMENT, "%s to nowhere", what);
	is_int(get(NULL, text, 96), NVML_ERROR_INVALID_ARGUMENT, "%s of no device", what);
	is_int(get((nvmlDevice_t)(void *)text, text, 96), NVML_ERROR_INVALID_ARGUMENT, "%s of what is no device", what);
	is_int(get((nvmlDevice_t)(void *)((char *)dev + 1), text, 96), NVML_ERROR_INVALID_ARGUMENT, "%s beside a device", what);
}

/* One number getter. */
static void number_is(nvmlReturn_t (*get)(nvmlDevice_t, unsigned *), nvmlDevice_t dev, uint64_t want, const char *what)
{
	unsigned v = 0xdeadbeef;

	is_int(get(dev, &v), NVML_SUCCESS, "%s", what);
	is_int(v, (long long)want, "%s is the table's", what);
	is_int(get(dev, NULL), NVML_ERROR_INVALID_ARGUMENT, "%s to nowhere", what);
	is_int(get(NULL, &v), NVML_ERROR_INVALID_ARGUMENT, "%s of no device", what);
}

static void test_identity(nvmlDevice_t dev, const struct vgpu_device *d, unsigned index)
{
	nvmlBrandType_t brand;
	unsigned arch;
	int major, minor;

	text_is(nvmlDeviceGetName, dev, d->name, "name");
	text_is(nvmlDeviceGetUUID, dev, d->uuid, "UUID");
	text_is(nvmlDeviceGetSerial, dev, d->serial, "serial number");
	text_is(nvmlDeviceGetVbiosVersion, dev, d->vbios, "video BIOS");
	text_is(nvmlDeviceGetBoardPartNumber, dev, d->part_number, "part number");
	number_is(nvmlDeviceGetIndex, dev, index, "index");
	number_is(nvmlDeviceGetMinorNumber, dev, d->minor, "minor number");
	number_is(nvmlDeviceGetMaxPcieLinkGeneration, dev, d->pcie_gen, "PCIe generation");
	number_is(nvmlDeviceGetGpuMaxPcieLinkGeneration, dev, d->pcie_gen, "PCIe generation of the device");
	number_is(nvmlDeviceGetMaxPcieLinkWidth, dev, d->pcie_width, "PCIe lanes");
	number_is(nvmlDeviceGetMemoryBusWidth, dev, d->memory_bus_width, "memory bus");
	number_is(nvmlDeviceGetNumFans, dev, d->fans, "fans");
	number_is(nvmlDeviceGetMultiGpuBoard, dev, 0, "one GPU on the board");
	number_is(nvmlDeviceGetBusType, dev, 2, "bus type");
	SUCCEEDS(nvmlDeviceGetBrand(dev, &brand));
	is_int(brand, !strcmp(d->brand, "NVIDIA") ? NVML_BRAND_NVIDIA : NVML_BRAND_GEFORCE, "brand");
	SUCCEEDS(nvmlDeviceGetArchitecture(dev, &arch));
	is_int(arch, !strcmp(d->architecture, "Hopper") ? NVML_DEVICE_ARCH_HOPPER : NVML_DEVICE_ARCH_BLACKWELL, "architecture");
	SUCCEEDS(nvmlDeviceGetCudaComputeCapability(dev, &major, &minor));
	is_int(10 * major + minor, (long long)d->compute_cap, "compute capability");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetCudaComputeCapability(dev, &major, NULL));
}

static void test_pci(nvmlDevice_t dev, const struct vgpu_device *d)
{
	nvmlPciInfoExt_t ext = { .version = NV_VERSION(nvmlPciInfoExt_t, 1) };
	unsigned domain, bus, slot, fn, board;
	nvmlPciInfo_t pci, old;
	char want[32];

	if (vgpu_pci_parse(d->pci, &domain, &bus, &slot, &fn, NULL))
		bail("the table's address %s", d->pci);
	SUCCEEDS(nvmlDeviceGetPciInfo_v3(dev, &pci));
	is_int(pci.domain << 16 | pci.bus << 8 | pci.device, domain << 16 | bus << 8 | slot, "PCI address");
	snprintf(want, sizeof(want), "%08X:%02X:%02X.0", domain, bus, slot);
	is_string(pci.busId, want, "bus id with eight digits of the domain");
	snprintf(want, sizeof(want), "%04X:%02X:%02X.0", domain, bus, slot);
	is_string(pci.busIdLegacy, want, "legacy bus id with four");
	is_hex(pci.pciDeviceId, d->pci_device << 16 | d->pci_vendor, "device and vendor");
	is_hex(pci.pciSubSystemId, d->pci_subdevice << 16 | d->pci_subvendor, "subsystem");
	memset(&old, '#', sizeof(old));
	SUCCEEDS(nvmlDeviceGetPciInfo(dev, &old));
	ok(!memcmp(&old, &pci, offsetof(nvmlPciInfo_t, busId)), "the first version says the same");
	is_int(old.busId[16], '#', "and writes no more than it had");
	memset(&old, '#', sizeof(old));
	SUCCEEDS(nvmlDeviceGetPciInfo_v2(dev, &old));
	is_int(old.busId[16], '#', "the second neither");
	SUCCEEDS(nvmlDeviceGetPciInfoExt(dev, &ext));
	is_string(ext.busId, pci.busId, "extended: bus id");
	is_hex(ext.baseClass << 16 | ext.subClass << 8, d->pci_class & 0xffff00, "extended: class");
	ext.version = 1;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetPciInfoExt(dev, &ext));
	SUCCEEDS(nvmlDeviceGetBoardId(dev, &board));
	is_hex(board, domain << 16 | bus << 8 | slot << 3, "board id");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetPciInfo_v3(dev, NULL));
}

static void by_bus_id(nvmlDevice_t dev, const char *id)
{
	nvmlDevice_t got = NULL;

	is_int(nvmlDeviceGetHandleByPciBusId_v2(id, &got), NVML_SUCCESS, "handle by bus id %s", id);
	ok(got == dev, "it is the same device");
}

static void test_lookup(nvmlDevice_t dev, const struct vgpu_device *d)
{
	nvmlUUID_t uuid = { .version = NV_VERSION(nvmlUUID_t, 1), .type = NVML_UUID_TYPE_ASCII };
	nvmlDevice_t got = NULL;
	nvmlPciInfo_t pci;
	char text[64];

	SUCCEEDS(nvmlDeviceGetHandleByUUID(d->uuid, &got));
	ok(got == dev, "by UUID");
	got = NULL;
	SUCCEEDS(nvmlDeviceGetHandleBySerial(d->serial, &got));
	ok(got == dev, "by serial number");
	memcpy(uuid.value.str, d->uuid, sizeof(uuid.value.str));
	got = NULL;
	SUCCEEDS(nvmlDeviceGetHandleByUUIDV(&uuid, &got));
	ok(got == dev, "by UUID in a structure");
	uuid.type = NVML_UUID_TYPE_BINARY;
	memset(&uuid.value, 0, sizeof(uuid.value));
	if (vgpu_uuid_parse(d->uuid, uuid.value.bytes, NULL))
		bail("the table's UUID");
	got = NULL;
	SUCCEEDS(nvmlDeviceGetHandleByUUIDV(&uuid, &got));
	ok(got == dev, "by the UUID's bytes");
	uuid.type = 9;
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByUUIDV(&uuid, &got));
	uuid.version = 0;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetHandleByUUIDV(&uuid, &got));
	SUCCEEDS(nvmlDeviceGetPciInfo_v3(dev, &pci));
	by_bus_id(dev, pci.busId);
	by_bus_id(dev, pci.busIdLegacy);
	by_bus_id(dev, d->pci);
	snprintf(text, sizeof(text), "%02x:%02x.0", pci.bus, pci.device);
	by_bus_id(dev, text);
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByPciBusId_v2("0000:7f:1f.0", &got));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByPciBusId_v2("nonsense", &got));
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByUUID("GPU-00000000-0000-0000-0000-000000000000", &got));
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByUUID("MIG-00000000-0000-0000-0000-000000000000", &got));
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByUUID("", &got));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByUUID(NULL, &got));
	ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleBySerial("", &got));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByIndex_v2((unsigned)n_table, &got));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByIndex_v2(0, NULL));
}

static void test_topology(nvmlDevice_t a, nvmlDevice_t b)
{
	unsigned long cpus[16], nodes[4];
	nvmlGpuTopologyLevel_t level;
	nvmlGpuP2PStatus_t p2p;
	nvmlDevice_t near[4];
	unsigned n = 4;
	int same = 7;

	memset(cpus, 0, sizeof(cpus));
	SUCCEEDS(nvmlDeviceGetCpuAffinity(a, 16, cpus));
	ok(cpus[0] != 0, "a device is near some processor");
	SUCCEEDS(nvmlDeviceGetCpuAffinityWithinScope(a, 16, cpus, NVML_AFFINITY_SCOPE_SOCKET));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetCpuAffinityWithinScope(a, 16, cpus, 2));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetCpuAffinity(a, 0, cpus));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetCpuAffinity(a, 16, NULL));
	SUCCEEDS(nvmlDeviceGetMemoryAffinity(a, 4, nodes, NVML_AFFINITY_SCOPE_NODE));
	ok(nodes[0] != 0, "and near some memory");
	SUCCEEDS(nvmlDeviceSetCpuAffinity(a));
	SUCCEEDS(nvmlDeviceClearCpuAffinity(a));
	SUCCEEDS(nvmlDeviceGetTopologyCommonAncestor(a, a, &level));
	is_int(level, NVML_TOPOLOGY_INTERNAL, "a device to itself");
	SUCCEEDS(nvmlDeviceGetTopologyCommonAncestor(a, b, &level));
	ok(level >= NVML_TOPOLOGY_SINGLE, "a device to another");
	SUCCEEDS(nvmlDeviceGetTopologyNearestGpus(a, level, &n, near));
	ok(n == 1 && near[0] == b, "the other is the nearest at that distance");
	n = 0;
	SUCCEEDS(nvmlDeviceGetTopologyNearestGpus(a, level, &n, NULL));
	is_int(n, 1, "how many there are");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetTopologyNearestGpus(a, level, &n, NULL));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetTopologyNearestGpus(a, 5, &n, near));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetTopologyNearestGpus(a, 60, &n, near));
	n = 0;
	SUCCEEDS(nvmlSystemGetTopologyGpuSet(0, &n, NULL));
	ok(n >= 2, "how many are near a processor");
	n = 1;
	SUCCEEDS(nvmlSystemGetTopologyGpuSet(0, &n, near));
	is_int(n, 1, "as many as there is room for");
	n = 4;
	SUCCEEDS(nvmlSystemGetTopologyGpuSet(0, &n, near));
	SUCCEEDS(nvmlDeviceOnSameBoard(a, a, &same));
	is_int(same, 1, "on the same board as itself");
	SUCCEEDS(nvmlDeviceOnSameBoard(a, b, &same));
	is_int(same, 0, "not as another");
	SUCCEEDS(nvmlDeviceGetP2PStatus(a, b, NVML_P2P_CAPS_INDEX_READ, &p2p));
	is_int(p2p, NVML_P2P_STATUS_OK, "peers read each other");
	SUCCEEDS(nvmlDeviceGetP2PStatus(a, b, NVML_P2P_CAPS_INDEX_NVLINK, &p2p));
	is_int(p2p, NVML_P2P_STATUS_NOT_SUPPORTED, "not over NVLink");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetP2PStatus(a, b, NVML_P2P_CAPS_INDEX_UNKNOWN, &p2p));
}

/* Structures whose first word is checked, and what they then say. */
static void test_structs(nvmlDevice_t dev, const struct vgpu_device *d)
{
	nvmlRepairStatus_t repair = { .version = NV_VERSION(nvmlRepairStatus_t, 1) };
	nvmlDeviceAddressingMode_t mode = { .version = NV_VERSION(nvmlDeviceAddressingMode_t, 1), .value = 7 };
	nvmlDeviceCapabilities_t caps = { .version = NV_VERSION(nvmlDeviceCapabilities_t, 1), .capMask = 7 };
	nvmlMarginTemperature_t margin = { .version = NV_VERSION(nvmlMarginTemperature_t, 1) };
	nvmlEccSramErrorStatus_t sram = { .version = NV_VERSION(nvmlEccSramErrorStatus_t, 1) };
	nvmlEccSramUniqueUncorrectedErrorCounts_t unique = { .version = NV_VERSION(nvmlEccSramUniqueUncorrectedErrorCounts_t, 1),
							    .entryCount = 7 };
	nvmlUnrepairableMemoryStatus_v1_t unrepairable = { 7 };
	nvmlRemappedRowsInfo_v2_t rows = { .corrActiveRemaps = 7, .corrInactiveRemaps = 7, .bFailureOccurred = 7 };
	nvmlGpmSupport_t gpm = { .version = 1, .isSupportedDevice = 7 };
	unsigned adaptive = 7;
	nvmlReturn_t ecc = d->ecc_supported ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
	nvmlReturn_t tlimit = d->compute_cap >= 89 && d->temp_max_c ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;

	ANSWERS(ecc, nvmlDeviceGetRepairStatus(dev, &repair));
	ANSWERS(ecc, nvmlDeviceGetSramEccErrorStatus(dev, &sram));
	ANSWERS(ecc, nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(dev, &unique));
	ok(ecc || !unique.entryCount, "no places of errors");
	ANSWERS(d->compute_cap >= 80 ? ecc : NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetRemappedRows_v2(dev, &rows));
	ok(ecc || d->compute_cap < 80 || !(rows.corrActiveRemaps | rows.corrInactiveRemaps | rows.bFailureOccurred), "no rows are remapped");
	ANSWERS(d->compute_cap >= 90 ? ecc : NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetUnrepairableMemoryFlag_v1(dev, &unrepairable));
	ok(ecc || d->compute_cap < 90 || !unrepairable.bUnrepairableMemory, "no memory is beyond repair");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetRemappedRows_v2(dev, NULL));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetUnrepairableMemoryFlag_v1(dev, NULL));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(dev, NULL));
	SUCCEEDS(nvmlDeviceGetAddressingMode(dev, &mode));
	is_int(mode.value, 0, "no addressing mode");
	SUCCEEDS(nvmlDeviceGetAdaptiveClockInfoStatus(dev, &adaptive));
	is_int(adaptive, 0, "clocks aren't adaptive");
	SUCCEEDS(nvmlDeviceGetCapabilities(dev, &caps));
	is_int(caps.capMask, 0, "no extended GPU memory");
	SUCCEEDS(nvmlGpmQueryDeviceSupport(dev, &gpm));
	is_int(gpm.isSupportedDevice, d->compute_cap >= 90, "GPM from Hopper on");
	ANSWERS(tlimit, nvmlDeviceGetMarginTemperature(dev, &margin));
	repair.version = mode.version = caps.version = margin.version = sram.version = gpm.version = unique.version = 0x7f000001;
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(dev, &unique));
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetRepairStatus(dev, &repair));
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetSramEccErrorStatus(dev, &sram));
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetAddressingMode(dev, &mode));
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetCapabilities(dev, &caps));
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlGpmQueryDeviceSupport(dev, &gpm));
	ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetMarginTemperature(dev, &margin));
}

/* What such a device can't have. */
static void test_not_supported(nvmlDevice_t dev)
{
	nvmlEnableState_t state;
	unsigned n = 0;
	char text[96];

	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetNvLinkState(dev, 0, &state));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetInforomImageVersion(dev, text, sizeof(text)));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetActiveVgpus(dev, &n, NULL));
	ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlSystemGetNvlinkBwMode(&n));
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetNvLinkState(NULL, 0, &state));
}

int main(void)
{
	const struct test_mount *m = test_mount(2, NULL);
	unsigned count = 0;
	nvmlDevice_t dev[2];
	struct tr_node node;
	char driver[32];

	setenv("VGPU_PATH", m->mnt, 1);
	plan_lazy();
	if (tr_enumerate(&node, table, &n_table, driver, NULL))
		bail("no table");
	SUCCEEDS(nvmlInit_v2());
	SUCCEEDS(nvmlDeviceGetCount_v2(&count));
	is_int(count, (long long)n_table, "as many devices as the table has");
	count = 0;
	SUCCEEDS(nvmlDeviceGetCount(&count));
	is_int(count, (long long)n_table, "also by the unsuffixed name");
	ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetCount_v2(NULL));
	test_versions();
	test_process_name();
	test_absent();
	for (unsigned i = 0; i < 2; i++) {
		dev[i] = device_at(i);
		test_identity(dev[i], &table[i], i);
		test_pci(dev[i], &table[i]);
		test_lookup(dev[i], &table[i]);
		test_structs(dev[i], &table[i]);
		test_not_supported(dev[i]);
	}
	test_topology(dev[0], dev[1]);
	SUCCEEDS(nvmlShutdown());
	return 0;
}
