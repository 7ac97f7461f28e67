/*
 * vnv_export.c: nvmlInternalGetExportTable: a table of functions without names
 * that nvidia-smi asks for and does not work without. Its words are listed in
 * api/nv_export.def.
 *
 * A caller passes fewer arguments than there are registers, so nothing is ever
 * written through an argument of a word that isn't known.
 */
#include <stdlib.h>

#include "libnvml-vgpu/vnv_process.h"

#define WORDS 512

/* An entry of the process lists, as large as it is for the name in it. */
struct vnv_export_proc {
	uint32_t pid;
	uint32_t pad;
	uint64_t memory;
	uint32_t gi, ci;
	uint64_t protected_memory;
	char name[4096];
};
_Static_assert(sizeof(struct vnv_export_proc) == 4128, "stride of the lists");

/* What a process used the device for at a time: percent of each engine; a pid of ~0: nothing is said of that one. */
struct vnv_export_sample {
	uint64_t time_us;
	struct {
		uint64_t percent;
		uint32_t pid;
		uint32_t pad;
		char reserved[64];
	} sm, memory, encoder, decoder;
};
_Static_assert(sizeof(struct vnv_export_sample) == 328, "stride of the samples");

/* Every word is called without the library's lock, and a handle is checked like an entry point's. */
static nvmlReturn_t enter(nvmlDevice_t device, unsigned flags)
{
	nvmlReturn_t r;

	vnv_lock();
	r = vnv_ready() ? vnv_check_device(device, flags) : NVML_ERROR_UNINITIALIZED;
	if (r)
		vnv_unlock();
	return r;
}

static nvmlReturn_t refuse(void)
{
	return NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t x_log(const char *format, ...)
{
	return NVML_SUCCESS;
}

static nvmlReturn_t x_bus_id_split(const char *id, unsigned *domain, unsigned *bus, unsigned *device, unsigned *function)
{
	if (!id || !domain || !bus || !device || !function || !vnv_bus_id_parse(id, domain, bus, device, function))
		return NVML_ERROR_INVALID_ARGUMENT;
	return NVML_SUCCESS;
}

static nvmlReturn_t x_bus_id_at(unsigned index, unsigned *domain, unsigned *bus, unsigned *device)
{
	nvmlReturn_t r = NVML_ERROR_INVALID_ARGUMENT;

	if (!domain || !bus || !device)
		return r;
	vnv_lock();
	if (vnv_ready() && index < vnv_n_gpus) {
		*domain = vnv_gpus[index].domain;
		*bus = vnv_gpus[index].bus;
		*device = vnv_gpus[index].slot;
		r = NVML_SUCCESS;
	}
	vnv_unlock();
	return r;
}

/* How a device is called in messages about it, before there is a handle. */
static nvmlReturn_t x_bus_id_text(unsigned index, char *text, unsigned length)
{
	nvmlReturn_t r = NVML_ERROR_INVALID_ARGUMENT;
	char id[NVML_PCI_BUS_ID_V2_LEN];

	vnv_lock();
	if (vnv_ready() && index < vnv_n_gpus) {
		const struct vnv_gpu *g = &vnv_gpus[index];

		snprintf(id, sizeof(id), "%04X:%02X:%02X.0", g->domain & 0xffff, g->bus & 0xff, g->slot & 0x1f);
		r = vnv_text(text, length, id);
	}
	vnv_unlock();
	return r;
}

static struct vnv_gpu *gpu_of(const char *id)
{
	unsigned domain, bus, slot, fn;

	if (!id || !vnv_bus_id_parse(id, &domain, &bus, &slot, &fn))
		return NULL;
	for (unsigned i = 0; i < vnv_n_gpus; i++)
		if (vnv_gpus[i].domain == domain && vnv_gpus[i].bus == bus && vnv_gpus[i].slot == slot)
			return &vnv_gpus[i];
	return NULL;
}

/* The levels of topo -m: 0 PIX, 1 PXB, 2 PHB, 3 NODE, 4 SYS. */
static nvmlReturn_t x_topology(const char *id_a, const char *id_b, unsigned *level)
{
	nvmlReturn_t r = NVML_ERROR_INVALID_ARGUMENT;
	const struct vnv_gpu *a, *b;

	if (!level)
		return r;
	vnv_lock();
	a = gpu_of(id_a);
	b = gpu_of(id_b);
	if (vnv_ready() && a && b) {
		unsigned d = (unsigned)vnv_distance(a, b);

		*level = d < NVML_TOPOLOGY_SINGLE ? 0 : d / 10 - 1;
		r = NVML_SUCCESS;
	}
	vnv_unlock();
	return r;
}

/* Whether dmon and pmon may watch the device: without it they refuse to. */
static nvmlReturn_t x_can_monitor(nvmlDevice_t device, unsigned *out)
{
	nvmlReturn_t r = enter(device, VNV_F_MIG);

	if (r)
		return r;
	if (out)
		*out = 1;
	vnv_unlock();
	return out ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

static nvmlReturn_t x_power_limit(nvmlDevice_t device, unsigned *mw)
{
	nvmlReturn_t r = enter(device, 0);

	if (r)
		return r;
	r = vnv_DeviceGetEnforcedPowerLimit(device, mw);
	vnv_unlock();
	return r;
}

/* The host's side of the link: as fast as the device's. */
static nvmlReturn_t x_pcie_host_gen(nvmlDevice_t device, unsigned *gen)
{
	nvmlReturn_t r = enter(device, 0);

	if (r)
		return r;
	r = vnv_DeviceGetMaxPcieLinkGeneration(device, gen);
	vnv_unlock();
	return r;
}

static nvmlReturn_t x_gpu_part(nvmlDevice_t device, char *text, unsigned length)
{
	nvmlReturn_t r = text ? enter(device, 0) : NVML_ERROR_INVALID_ARGUMENT;

	if (r)
		return r;
	r = *device->gpu->d.gpu_part_number ? vnv_text(text, length, device->gpu->d.gpu_part_number) : NVML_ERROR_NOT_SUPPORTED;
	vnv_unlock();
	return r;
}

static nvmlReturn_t x_tlimit(nvmlDevice_t device, int *margin)
{
	nvmlMarginTemperature_t m = { .version = NV_VERSION(nvmlMarginTemperature_t, 1) };
	nvmlReturn_t r;

	if (!margin)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = enter(device, 0);
	if (r)
		return r;
	r = vnv_DeviceGetMarginTemperature(device, &m);
	vnv_unlock();
	if (!r)
		*margin = m.marginTemperature;
	return r;
}

/* A mode that is off, on devices of that compute capability and later ones. */
static nvmlReturn_t off_since(nvmlDevice_t device, unsigned *mode, unsigned cc)
{
	nvmlReturn_t r;

	if (!mode)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = enter(device, 0);
	if (r)
		return r;
	r = device->gpu->d.compute_cap >= cc ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
	vnv_unlock();
	if (!r)
		*mode = 0;
	return r;
}

/* 0: none, as nvmlDeviceGetAddressingMode says. */
static nvmlReturn_t x_addressing(nvmlDevice_t device, unsigned *mode)
{
	return off_since(device, mode, 0);
}

static nvmlReturn_t x_sparse(nvmlDevice_t device, unsigned *mode)
{
	return off_since(device, mode, 90);
}

/* The NUMA nodes of the processors near a device. */
static nvmlReturn_t x_cpu_nodes(nvmlDevice_t device, unsigned words, unsigned long *nodes)
{
	nvmlReturn_t r = nodes && words ? enter(device, 0) : NVML_ERROR_INVALID_ARGUMENT;

	if (r)
		return r;
	r = vnv_DeviceGetMemoryAffinity(device, words, nodes, NVML_AFFINITY_SCOPE_NODE);
	vnv_unlock();
	return r;
}

/* ---- reset: nvidia-smi asks what else a reset would take along (nothing), then for it ---- */

/* None drives a display. */
static nvmlReturn_t x_is_primary(nvmlDevice_t device, unsigned *out)
{
	return off_since(device, out, 0);
}

/* No fabric has to be taken down first. */
static nvmlReturn_t x_fabric_state(unsigned *out)
{
	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	*out = 0;
	return NVML_SUCCESS;
}

/* Devices are reset one by one: a group is a word, and others never belong to it. */
static char a_group;

static nvmlReturn_t x_group_new(void **out, const nvmlDevice_t *devices, unsigned count)
{
	if (!out || !devices || !count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*out = &a_group;
	return NVML_SUCCESS;
}

static nvmlReturn_t x_group_others(const void *group, nvmlDevice_t *devices, unsigned *count)
{
	if (group != &a_group || !count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = 0;
	return NVML_SUCCESS;
}

static nvmlReturn_t x_group_free(void *group)
{
	return group == &a_group ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

/* A device that fell off the bus is one of those that a reset is for. */
static nvmlReturn_t reset_one(nvmlDevice_t device)
{
	nvmlReturn_t r = enter(device, 0);

	if (r)
		return r;
	r = vnv_reset(device);
	vnv_unlock();
	return r;
}

/* The answer is one of all, each result is a device's; nvidia-smi prints those unless the answer is more particular than "unknown". */
static nvmlReturn_t x_reset(unsigned count, const nvmlDevice_t *devices, nvmlReturn_t *results, unsigned *switches)
{
	nvmlReturn_t all = NVML_SUCCESS;

	if (!count || count > VGPU_MAX_DEVICES || !devices || !results || !switches)
		return NVML_ERROR_INVALID_ARGUMENT;
	*switches = 0;
	for (unsigned i = 0; i < count; i++) {
		results[i] = reset_one(devices[i]);
		if (results[i])
			all = results[i] == NVML_ERROR_NO_PERMISSION ? results[i] : NVML_ERROR_UNKNOWN;
	}
	return all;
}

/* ---- processes ---- */

static void fill(struct vnv_export_proc *out, const struct vgp_mon_proc *p)
{
	out->pid = p->pid;
	out->memory = p->memory;
	out->gi = p->gi;
	out->ci = p->ci;
	out->protected_memory = 0;
	if (vnv_process_name(p->pid, out->name, sizeof(out->name)) == NVML_ERROR_NOT_FOUND)
		snprintf(out->name, sizeof(out->name), "[Not Found]");
}

static nvmlReturn_t x_procs_compute(nvmlDevice_t device, unsigned *count, struct vnv_export_proc *procs)
{
	struct vgp_mon_proc *p = NULL;
	unsigned room;
	size_t n = 0;
	nvmlReturn_t r;

	if (!count || (*count && !procs))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = enter(device, VNV_F_MIG);
	if (r)
		return r;
	r = vnv_processes(device, &p, &n);
	vnv_unlock();
	if (r)
		return r;
	room = *count;
	*count = (unsigned)n;
	for (size_t i = 0; i < MIN(n, (size_t)room); i++)
		fill(&procs[i], &p[i]);
	free(p);
	return n > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

/* pmon's columns. It wants what happened in the last second, and takes the mean of a process' samples. */
static nvmlReturn_t x_proc_samples(nvmlDevice_t device, nv_u64 since_us, nvmlValueType_t *type, unsigned *count,
				   struct vnv_export_sample *samples)
{
	struct vgp_mon_proc_sample *s = NULL;
	size_t n = 0;
	nvmlReturn_t r;

	if (!type || !count || (*count && !samples))
		return NVML_ERROR_INVALID_ARGUMENT;
	r = enter(device, VNV_F_MIG);
	if (r)
		return r;
	r = vnv_proc_samples(device, since_us, &s, &n);
	vnv_unlock();
	if (r)
		return r;
	*type = NVML_VALUE_TYPE_UNSIGNED_INT;
	*count = (unsigned)MIN(n, (size_t)*count);
	for (unsigned i = 0; i < *count; i++)
		samples[i] = (struct vnv_export_sample){ .time_us = s[i].time_us,
							 .sm = { .percent = s[i].util_gpu, .pid = s[i].pid },
							 .memory = { .percent = s[i].util_memory, .pid = s[i].pid },
							 .encoder.pid = UINT32_MAX, .decoder.pid = UINT32_MAX };
	free(s);
	return n ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

static nvmlReturn_t procs_none(nvmlDevice_t device, unsigned *count)
{
	nvmlReturn_t r;

	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = enter(device, VNV_F_MIG);
	if (r)
		return r;
	*count = 0;
	vnv_unlock();
	return NVML_SUCCESS;
}

static nvmlReturn_t x_procs_mps(nvmlDevice_t device, unsigned *count, struct vnv_export_proc *procs)
{
	return procs_none(device, count);
}

static nvmlReturn_t x_procs_graphics(nvmlDevice_t device, unsigned *count, struct vnv_export_proc *procs)
{
	return procs_none(device, count);
}

/* ---- the table ---- */

/* First all words, then those that are known. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const void *const table[WORDS] = {
	[0] = (const void *)(uintptr_t)(WORDS * sizeof(void *)),
	[1 ... WORDS - 1] = (const void *)refuse,
#define X(word, name, params) [word] = (const void *)x_##name,
#include "libnvml-vgpu/api/nv_export.def"
#undef X
};
#pragma GCC diagnostic pop

nvmlReturn_t vnv_InternalGetExportTable(const void **out, const void *guid)
{
	static const uint8_t known[16] = { 0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e,
					   0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4 };

	if (!out || !guid)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (memcmp(guid, known, sizeof(known)))
		return NVML_ERROR_NOT_FOUND;
	*out = (const void *)table;
	return NVML_SUCCESS;
}
