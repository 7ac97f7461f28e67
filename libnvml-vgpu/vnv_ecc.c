/*
 * vnv_ecc.c: memory errors. There are none but those that were injected; the
 * daemon counts them in two places, DRAM and SRAM (caches and registers).
 */
#include <stdlib.h>

#include "libnvml-vgpu/vnv.h"

/* Telemetry of a device with ECC. */
static nvmlReturn_t ecc_live(nvmlDevice_t device, const struct vgp_telemetry **l)
{
	nvmlReturn_t r = vnv_live(device, VNV_RECENT, l);

	return r ? r : (*l)->ecc_supported ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

/* Counters count while ECC is on. */
static nvmlReturn_t ecc_on(nvmlDevice_t device, const struct vgp_telemetry **l)
{
	nvmlReturn_t r = ecc_live(device, l);

	return r ? r : (*l)->ecc_mode ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

static uint64_t dram(const struct vgp_telemetry *l, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter)
{
	if (counter == NVML_VOLATILE_ECC)
		return type == NVML_MEMORY_ERROR_TYPE_CORRECTED ? l->ecc_volatile_dram_corrected : l->ecc_volatile_dram_uncorrected;
	return type == NVML_MEMORY_ERROR_TYPE_CORRECTED ? l->ecc_aggregate_dram_corrected : l->ecc_aggregate_dram_uncorrected;
}

static uint64_t sram(const struct vgp_telemetry *l, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter)
{
	if (counter == NVML_VOLATILE_ECC)
		return type == NVML_MEMORY_ERROR_TYPE_CORRECTED ? l->ecc_volatile_sram_corrected : l->ecc_volatile_sram_uncorrected;
	return type == NVML_MEMORY_ERROR_TYPE_CORRECTED ? l->ecc_aggregate_sram_corrected : l->ecc_aggregate_sram_uncorrected;
}

static bool bad_types(nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter)
{
	return (unsigned)type >= NVML_MEMORY_ERROR_TYPE_COUNT || (unsigned)counter >= NVML_ECC_COUNTER_TYPE_COUNT;
}

nvmlReturn_t vnv_DeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
					 nv_u64 *count)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!count || bad_types(type, counter))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = ecc_on(device, &l);
	if (!r)
		*count = dram(l, type, counter) + sram(l, type, counter);
	return r;
}

nvmlReturn_t vnv_DeviceGetMemoryErrorCounter(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
					     nvmlMemoryLocation_t place, nv_u64 *count)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!count || bad_types(type, counter) || (unsigned)place >= NVML_MEMORY_LOCATION_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = ecc_on(device, &l);
	if (r)
		return r;
	switch (place) {
	case NVML_MEMORY_LOCATION_DEVICE_MEMORY:
		*count = dram(l, type, counter);
		return NVML_SUCCESS;
	case NVML_MEMORY_LOCATION_SRAM:
		*count = sram(l, type, counter);
		return NVML_SUCCESS;
	default:
		return NVML_ERROR_NOT_SUPPORTED;
	}
}

/* The oldest form has four places; what is no DRAM counts as L2. */
nvmlReturn_t vnv_DeviceGetDetailedEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
					    nvmlEccErrorCounts_t *counts)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!counts || bad_types(type, counter))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = ecc_on(device, &l);
	if (!r)
		*counts = (nvmlEccErrorCounts_t){ .deviceMemory = dram(l, type, counter), .l2Cache = sram(l, type, counter) };
	return r;
}

nvmlReturn_t vnv_DeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_t *s)
{
	const struct vgp_telemetry *l;
	unsigned version;
	nvmlReturn_t r;

	if (!s)
		return NVML_ERROR_INVALID_ARGUMENT;
	version = s->version;
	if (version != NV_VERSION(nvmlEccSramErrorStatus_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = ecc_on(device, &l);
	if (!r)
		*s = (nvmlEccSramErrorStatus_t){
			.version = version, .volatileCor = l->ecc_volatile_sram_corrected,
			.aggregateCor = l->ecc_aggregate_sram_corrected,
			.volatileUncSecDed = l->ecc_volatile_sram_uncorrected,
			.aggregateUncSecDed = l->ecc_aggregate_sram_uncorrected,
			.aggregateUncBucketL2 = l->ecc_aggregate_sram_uncorrected };
	return r;
}

/* Where an injected error was isn't told; all of them are one place of the L2 cache. */
nvmlReturn_t vnv_DeviceGetSramUniqueUncorrectedEccErrorCounts(nvmlDevice_t device, nvmlEccSramUniqueUncorrectedErrorCounts_t *c)
{
	const struct vgp_telemetry *l;
	unsigned room, n;
	nvmlReturn_t r;

	if (!c)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (c->version != NV_VERSION(nvmlEccSramUniqueUncorrectedErrorCounts_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = ecc_on(device, &l);
	if (r)
		return r;
	n = l->ecc_aggregate_sram_uncorrected ? 1 : 0;
	room = c->entryCount;
	c->entryCount = n;
	if (!c->entries || !n)
		return NVML_SUCCESS;
	if (room < n)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	c->entries[0] = (nvmlEccSramUniqueUncorrectedErrorEntry_v1_t){
		.count = (unsigned)MIN(l->ecc_aggregate_sram_uncorrected, (uint64_t)UINT32_MAX) };
	return NVML_SUCCESS;
}

/* ---- pages and rows ---- */

/* Rows are remapped by Ampere and what came after it; before, pages are retired. */
static bool remaps(const struct vgpu_device *d)
{
	return d->compute_cap >= 80;
}

static nvmlReturn_t pages_live(nvmlDevice_t device, const struct vgp_telemetry **l)
{
	nvmlReturn_t r = ecc_live(device, l);

	return r ? r : remaps(&device->gpu->d) ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

static nvmlReturn_t pages(nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned *count, nv_u64 *addresses,
			  nv_u64 *times, bool want_times)
{
	const struct vnv_list in = { .arg = cause };
	const struct vgp_telemetry *l;
	struct vgp_mon_page *page = NULL;
	unsigned room;
	size_t n = 0;
	nvmlReturn_t r;

	if (!count || (unsigned)cause >= NVML_PAGE_RETIREMENT_CAUSE_COUNT || (*count && (!addresses || (want_times && !times))))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = pages_live(device, &l);
	if (!r)
		r = vnv_result(vnv_ask_list(device, VGP_MON_PAGES, &in, sizeof(*page), (void **)&page, &n));
	if (r)
		return r;
	room = *count;
	*count = (unsigned)n;
	for (size_t i = 0; i < MIN(n, (size_t)room); i++) {
		addresses[i] = page[i].addr;
		if (want_times)
			times[i] = page[i].time_us / 1000000;
	}
	free(page);
	return n > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned int *count,
				       nv_u64 *addresses)
{
	return pages(device, cause, count, addresses, NULL, false);
}

nvmlReturn_t vnv_DeviceGetRetiredPages_v2(nvmlDevice_t device, nvmlPageRetirementCause_t cause, unsigned int *count,
					  nv_u64 *addresses, nv_u64 *times)
{
	return pages(device, cause, count, addresses, times, true);
}

static nvmlReturn_t rows_live(nvmlDevice_t device, const struct vgp_telemetry **l)
{
	nvmlReturn_t r = ecc_live(device, l);

	return r ? r : remaps(&device->gpu->d) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t vnv_DeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected,
				       unsigned int *pending, unsigned int *failed)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!corrected || !uncorrected || !pending || !failed)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = rows_live(device, &l);
	if (r)
		return r;
	*corrected = (unsigned)l->remapped_corrected;
	*uncorrected = (unsigned)l->remapped_uncorrected;
	*pending = (unsigned)l->remap_pending;
	*failed = (unsigned)l->remap_failed;
	return NVML_SUCCESS;
}

/* Rows that are remapped stay in use: none is inactive. */
nvmlReturn_t vnv_DeviceGetRemappedRows_v2(nvmlDevice_t device, nvmlRemappedRowsInfo_v2_t *info)
{
	nvmlRemappedRowsInfo_v2_t v = { 0 };
	nvmlReturn_t r;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_DeviceGetRemappedRows(device, &v.corrActiveRemaps, &v.uncActiveRemaps, &v.bPending, &v.bFailureOccurred);
	if (!r)
		*info = v;
	return r;
}

/* From Hopper on: memory that no spare row could stand in for. */
nvmlReturn_t vnv_DeviceGetUnrepairableMemoryFlag_v1(nvmlDevice_t device, nvmlUnrepairableMemoryStatus_v1_t *status)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!status)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = device->gpu->d.compute_cap >= 90 ? rows_live(device, &l) : NVML_ERROR_NOT_SUPPORTED;
	if (!r)
		status->bUnrepairableMemory = (unsigned)l->remap_failed;
	return r;
}

/* How many banks have all their spare rows, and how many have used one or more of them. */
nvmlReturn_t vnv_DeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *values)
{
	const struct vgp_telemetry *l;
	unsigned used, banks = (unsigned)device->gpu->d.remap_banks;
	nvmlReturn_t r;

	if (!values)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = rows_live(device, &l);
	if (r || !banks)
		return r ? r : NVML_ERROR_NOT_SUPPORTED;
	used = (unsigned)MIN(l->remapped_corrected + l->remapped_uncorrected, (uint64_t)banks);
	*values = (nvmlRowRemapperHistogramValues_t){ .max = banks - used, .high = used };
	return NVML_SUCCESS;
}

/* Channels and TPCs are not repaired, so none waits for it. */
nvmlReturn_t vnv_DeviceGetRepairStatus(nvmlDevice_t device, nvmlRepairStatus_t *status)
{
	const struct vgp_telemetry *l;
	nvmlReturn_t r;

	if (!status)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (status->version != NV_VERSION(nvmlRepairStatus_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = ecc_live(device, &l);
	if (!r)
		status->bChannelRepairPending = status->bTpcRepairPending = 0;
	return r;
}
