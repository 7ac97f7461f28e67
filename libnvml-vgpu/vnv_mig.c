/*
 * vnv_mig.c: MIG devices, GPU instances and compute instances. The daemon lists
 * them; here each has a place in its GPU's record, which it keeps as long as
 * it exists, so that handles stay good and go bad with what they name. A
 * compute instance is a MIG device: both handles lead to one place.
 */
#include <stdlib.h>

#include "libnvml-vgpu/vnv_mig.h"

/* ---- following the daemon's list ---- */

static bool same_gi(const struct vgp_mon_mig *a, const struct vgp_mon_mig *b)
{
	return a->gi == b->gi && a->profile == b->profile;
}

/* Gives m the place that is it already, else a free one. */
static void place_gi(struct vnv_gpu *g, const struct vgp_mon_mig *m)
{
	int at = -1;

	for (int i = VNV_MIG_MAX - 1; i >= 0; i--)
		if (!g->gi[i].present)
			at = i;
	for (int i = 0; i < VNV_MIG_MAX; i++)
		if (g->gi[i].present && same_gi(&g->gi[i].m, m))
			at = i;
	if (at < 0)
		return;
	g->gi[at].m = *m;
	g->gi[at].present = true;
}

static void place_ci(struct vnv_gpu *g, const struct vgp_mon_mig *m)
{
	int at = -1;

	for (int i = VNV_MIG_MAX; i > 0; i--)
		if (!g->dev[i].present)
			at = i;
	for (int i = 1; i <= VNV_MIG_MAX; i++)
		if (g->dev[i].present && !memcmp(g->dev[i].m.uuid, m->uuid, 16))
			at = i;
	if (at < 0)
		return;
	g->dev[at].m = *m;
	g->dev[at].present = true;
}

/* What is gone first, so that what is new finds its place. */
static void forget_gone(struct vnv_gpu *g, const struct vgp_mon_mig *m, size_t n)
{
	for (int i = 0; i < VNV_MIG_MAX; i++) {
		bool gi = false, ci = false;

		for (size_t j = 0; j < n; j++) {
			gi |= m[j].kind == VGP_MIG_GPU && same_gi(&g->gi[i].m, &m[j]);
			ci |= m[j].kind == VGP_MIG_COMPUTE && !memcmp(g->dev[1 + i].m.uuid, m[j].uuid, 16);
		}
		g->gi[i].present &= gi;
		g->dev[1 + i].present &= ci;
	}
}

static nvmlReturn_t refresh(struct vnv_gpu *g)
{
	struct vgp_mon_mig *m = NULL;
	const struct vgp_telemetry *l;
	size_t n = 0;
	nvmlReturn_t r = vnv_live(vnv_device(g), VNV_RECENT, &l);

	if (r)
		return r;
	if (!l->mig_supported)
		return NVML_ERROR_NOT_SUPPORTED;
	r = vnv_result(vnv_ask_list(vnv_device(g), VGP_MON_MIG_LIST, NULL, sizeof(*m), (void **)&m, &n));
	if (r)
		return r;
	forget_gone(g, m, n);
	for (size_t i = 0; i < n; i++) {
		m[i].name[sizeof(m[i].name) - 1] = 0;
		if (m[i].kind == VGP_MIG_GPU)
			place_gi(g, &m[i]);
		else if (m[i].kind == VGP_MIG_COMPUTE && tr_mig_visible(&vnv_node, (unsigned)g->d.minor, m[i].gi, m[i].ci))
			place_ci(g, &m[i]);
	}
	free(m);
	return NVML_SUCCESS;
}

/* In MIG mode; what needs instances asks for it. */
static nvmlReturn_t refresh_on(struct vnv_gpu *g)
{
	nvmlReturn_t r = refresh(g);

	return r ? r : g->live.mig_mode ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t vnv_mig_by_uuid(const uint8_t uuid[16], nvmlDevice_t *device)
{
	for (unsigned i = 0; i < vnv_n_gpus; i++) {
		struct vnv_gpu *g = &vnv_gpus[i];

		if (refresh(g))
			continue;
		for (int j = 1; j <= VNV_MIG_MAX; j++) {
			if (!g->dev[j].present || memcmp(g->dev[j].m.uuid, uuid, 16))
				continue;
			*device = &g->dev[j];
			return NVML_SUCCESS;
		}
	}
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t vnv_mig_load(struct vnv_gpu *g, unsigned gi, uint64_t *util, uint64_t *time_us)
{
	nvmlReturn_t r = refresh_on(g);
	const struct vgp_telemetry *l;
	bool found = false;

	for (int i = 0; !r && i < VNV_MIG_MAX; i++)
		found |= g->gi[i].present && g->gi[i].m.gi == gi;
	if (!r && !found)
		r = NVML_ERROR_NOT_FOUND;
	*util = 0;
	*time_us = g->live.time_us;
	for (int i = 1; !r && i <= VNV_MIG_MAX; i++) {
		if (!g->dev[i].present || g->dev[i].m.gi != gi)
			continue;
		r = vnv_live(&g->dev[i], VNV_FRESH, &l);
		if (r)
			break;
		*util = MIN(*util + l->util_gpu, (uint64_t)100);
		*time_us = l->time_us;
	}
	return r;
}

/* ---- MIG devices ---- */

nvmlReturn_t vnv_DeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *mig)
{
	struct vnv_gpu *g = device->gpu;
	nvmlReturn_t r;

	if (!mig)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = refresh(g);
	if (r)
		return r;
	if (index >= VNV_MIG_MAX || index >= g->live.mig_max)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!g->dev[1 + index].present)
		return NVML_ERROR_NOT_FOUND;
	*mig = &g->dev[1 + index];
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t mig, nvmlDevice_t *device)
{
	if (!device || !mig->mig)
		return NVML_ERROR_INVALID_ARGUMENT;
	*device = vnv_device(mig->gpu);
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_mig)
{
	if (!is_mig)
		return NVML_ERROR_INVALID_ARGUMENT;
	*is_mig = device->mig;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id)
{
	if (!id)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device->mig)
		return NVML_ERROR_NOT_SUPPORTED;
	*id = device->m.gi;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id)
{
	if (!id)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!device->mig)
		return NVML_ERROR_NOT_SUPPORTED;
	*id = device->m.ci;
	return NVML_SUCCESS;
}

/* ---- profiles ---- */

/* The profiles of a GPU (of 0) or of a GPU instance (of 1 + its id). *out is to be freed. */
static nvmlReturn_t profiles(struct vnv_gpu *g, uint32_t of, struct vgp_mon_mig_profile **out, size_t *n_out)
{
	const struct vnv_list in = { .arg = of };
	const struct vgp_telemetry *l;
	nvmlReturn_t r = vnv_live(vnv_device(g), VNV_RECENT, &l);

	if (r)
		return r;
	if (!l->mig_supported)
		return NVML_ERROR_NOT_SUPPORTED;
	r = vnv_result(vnv_ask_list(vnv_device(g), VGP_MON_MIG_PROFILES, &in, sizeof(**out), (void **)out, n_out));
	for (size_t i = 0; !r && i < *n_out; i++)
		(*out)[i].name[sizeof((*out)[i].name) - 1] = 0;
	return r;
}

enum by { BY_PROFILE, BY_ID };

static nvmlReturn_t profile(struct vnv_gpu *g, uint32_t of, enum by by, unsigned value, struct vgp_mon_mig_profile *out)
{
	struct vgp_mon_mig_profile *p = NULL;
	size_t n = 0, i;
	nvmlReturn_t r = profiles(g, of, &p, &n);

	if (r)
		return r;
	for (i = 0; i < n && (by == BY_ID ? p[i].id : p[i].profile) != value; i++)
		;
	if (i < n)
		*out = p[i];
	free(p);
	return i < n ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t gpu_profile(nvmlDevice_t device, unsigned number, struct vgp_mon_mig_profile *p)
{
	return number < NVML_GPU_INSTANCE_PROFILE_COUNT ? profile(device->gpu, 0, BY_PROFILE, number, p) :
							  NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vnv_DeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned int number, nvmlGpuInstanceProfileInfo_t *info)
{
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = gpu_profile(device, number, &p);
	if (!r)
		*info = (nvmlGpuInstanceProfileInfo_t){
			.id = p.id, .sliceCount = p.slices, .instanceCount = p.max, .multiprocessorCount = p.sm_count,
			.copyEngineCount = p.copy_engines, .decoderCount = p.decoders, .encoderCount = p.encoders,
			.jpegCount = p.jpegs, .ofaCount = p.ofas, .memorySizeMB = p.memory >> 20 };
	return r;
}

static void fill_v2(nvmlGpuInstanceProfileInfo_v2_t *info, const struct vgp_mon_mig_profile *p)
{
	*info = (nvmlGpuInstanceProfileInfo_v2_t){
		.version = info->version, .id = p->id, .sliceCount = p->slices, .instanceCount = p->max,
		.multiprocessorCount = p->sm_count, .copyEngineCount = p->copy_engines, .decoderCount = p->decoders,
		.encoderCount = p->encoders, .jpegCount = p->jpegs, .ofaCount = p->ofas, .memorySizeMB = p->memory >> 20 };
	snprintf(info->name, sizeof(info->name), "MIG %s", p->name);
}

static void fill_v3(nvmlGpuInstanceProfileInfo_v3_t *info, const struct vgp_mon_mig_profile *p)
{
	*info = (nvmlGpuInstanceProfileInfo_v3_t){
		.version = info->version, .id = p->id, .sliceCount = p->slices, .instanceCount = p->max,
		.multiprocessorCount = p->sm_count, .copyEngineCount = p->copy_engines, .decoderCount = p->decoders,
		.encoderCount = p->encoders, .jpegCount = p->jpegs, .ofaCount = p->ofas, .memorySizeMB = p->memory >> 20 };
	snprintf(info->name, sizeof(info->name), "MIG %s", p->name);
}

/* One function, two versions of its structure, told apart by the version word. */
static nvmlReturn_t fill_versioned(nvmlGpuInstanceProfileInfo_v2_t *info, nvmlReturn_t r, const struct vgp_mon_mig_profile *p)
{
	if (!r && info->version == NV_VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2))
		fill_v2(info, p);
	else if (!r)
		fill_v3((nvmlGpuInstanceProfileInfo_v3_t *)(void *)info, p);
	return r;
}

static bool known_version(const nvmlGpuInstanceProfileInfo_v2_t *info)
{
	return info->version == NV_VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2) ||
	       info->version == NV_VERSION(nvmlGpuInstanceProfileInfo_v3_t, 3);
}

nvmlReturn_t vnv_DeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int number,
						  nvmlGpuInstanceProfileInfo_v2_t *info)
{
	struct vgp_mon_mig_profile p;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!known_version(info))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	return fill_versioned(info, gpu_profile(device, number, &p), &p);
}

nvmlReturn_t vnv_DeviceGetGpuInstanceProfileInfoByIdV(nvmlDevice_t device, unsigned int id, nvmlGpuInstanceProfileInfo_v2_t *info)
{
	struct vgp_mon_mig_profile p;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!known_version(info))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	return fill_versioned(info, profile(device->gpu, 0, BY_ID, id, &p), &p);
}

/* The starts of a profile as the list that NVML hands out. */
static nvmlReturn_t placements(const struct vgp_mon_mig_profile *p, nvmlGpuInstancePlacement_t *out, unsigned *count)
{
	nvmlGpuInstancePlacement_t all[64];
	size_t n = 0;

	for (unsigned i = 0; i < 64; i++)
		if (p->placements >> i & 1)
			all[n++] = (nvmlGpuInstancePlacement_t){ .start = i, .size = p->size };
	/* without a buffer it is the question how many there are */
	if (!out) {
		*count = (unsigned)n;
		return NVML_SUCCESS;
	}
	return vnv_array(out, count, all, n, sizeof(*all));
}

nvmlReturn_t vnv_DeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t device, unsigned int id, nvmlGpuInstancePlacement_t *out,
							   unsigned int *count)
{
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = profile(device->gpu, 0, BY_ID, id, &p);
	return r ? r : placements(&p, out, count);
}

nvmlReturn_t vnv_DeviceGetGpuInstancePossiblePlacements(nvmlDevice_t device, unsigned int id, nvmlGpuInstancePlacement_t *out,
							unsigned int *count)
{
	return vnv_DeviceGetGpuInstancePossiblePlacements_v2(device, id, out, count);
}

nvmlReturn_t vnv_DeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t device, unsigned int id, unsigned int *count)
{
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = profile(device->gpu, 0, BY_ID, id, &p);
	if (!r)
		*count = p.free;
	return r;
}

/* ---- GPU instances ---- */

static nvmlReturn_t create(struct vnv_gpu *g, struct vgp_mon_mig_arg *q)
{
	nvmlReturn_t r = vnv_result(vnv_ask(g, VGP_MON_MIG_CREATE, q, sizeof(*q)));

	vnv_live_drop(g);
	return r ? r : refresh_on(g);
}

static nvmlReturn_t create_gi(nvmlDevice_t device, unsigned id, uint32_t start, nvmlGpuInstance_t *out)
{
	struct vgp_mon_mig_arg q = { .kind = VGP_MIG_GPU, .start = start };
	struct vnv_gpu *g = device->gpu;
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = profile(g, 0, BY_ID, id, &p);
	q.profile = p.profile;
	if (!r)
		r = create(g, &q);
	for (int i = 0; !r && i < VNV_MIG_MAX; i++) {
		if (!g->gi[i].present || g->gi[i].m.gi != q.gi)
			continue;
		*out = &g->gi[i];
		return NVML_SUCCESS;
	}
	return r ? r : NVML_ERROR_UNKNOWN;
}

nvmlReturn_t vnv_DeviceCreateGpuInstance(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *out)
{
	return create_gi(device, id, VGP_MIG_ANYWHERE, out);
}

nvmlReturn_t vnv_DeviceCreateGpuInstanceWithPlacement(nvmlDevice_t device, unsigned int id, const nvmlGpuInstancePlacement_t *at,
						      nvmlGpuInstance_t *out)
{
	return at ? create_gi(device, id, at->start, out) : NVML_ERROR_INVALID_ARGUMENT;
}

static nvmlReturn_t destroy(struct vnv_gpu *g, struct vgp_mon_mig_arg *q)
{
	nvmlReturn_t r = vnv_result(vnv_ask(g, VGP_MON_MIG_DESTROY, q, sizeof(*q)));

	vnv_live_drop(g);
	if (!r)
		refresh(g);
	return r;
}

nvmlReturn_t vnv_GpuInstanceDestroy(nvmlGpuInstance_t gi)
{
	struct vgp_mon_mig_arg q = { .kind = VGP_MIG_GPU, .gi = gi->m.gi, .ci = VGP_MON_NO_INSTANCE };

	return destroy(gi->gpu, &q);
}

nvmlReturn_t vnv_DeviceGetGpuInstances(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *out, unsigned int *count)
{
	struct vnv_gpu *g = device->gpu;
	struct vgp_mon_mig_profile p;
	unsigned n = 0;
	nvmlReturn_t r;

	if (!count || !out)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = refresh_on(g);
	if (!r)
		r = profile(g, 0, BY_ID, id, &p);
	if (r)
		return r;
	for (int i = 0; i < VNV_MIG_MAX; i++)
		if (g->gi[i].present && g->gi[i].m.profile == p.profile)
			out[n++] = &g->gi[i];
	*count = n;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_DeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *out)
{
	struct vnv_gpu *g = device->gpu;
	nvmlReturn_t r;

	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = refresh_on(g);
	for (int i = 0; !r && i < VNV_MIG_MAX; i++) {
		if (!g->gi[i].present || g->gi[i].m.gi != id)
			continue;
		*out = &g->gi[i];
		return NVML_SUCCESS;
	}
	return r ? r : NVML_ERROR_NOT_FOUND;
}

/* Profile id of an instance's profile number. */
static unsigned id_of(struct vnv_gpu *g, uint32_t of, unsigned number)
{
	struct vgp_mon_mig_profile p;

	return profile(g, of, BY_PROFILE, number, &p) ? number : p.id;
}

nvmlReturn_t vnv_GpuInstanceGetInfo(nvmlGpuInstance_t gi, nvmlGpuInstanceInfo_t *info)
{
	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	*info = (nvmlGpuInstanceInfo_t){ .device = vnv_device(gi->gpu), .id = gi->m.gi,
					 .profileId = id_of(gi->gpu, 0, gi->m.profile),
					 .placement = { .start = gi->m.start, .size = gi->m.size } };
	return NVML_SUCCESS;
}

/* ---- compute instances ---- */

static nvmlReturn_t ci_profile(nvmlGpuInstance_t gi, unsigned number, unsigned engines, struct vgp_mon_mig_profile *p)
{
	if (number >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT || engines)
		return NVML_ERROR_INVALID_ARGUMENT;
	return profile(gi->gpu, 1 + gi->m.gi, BY_PROFILE, number, p);
}

nvmlReturn_t vnv_GpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t gi, unsigned int number, unsigned int engines,
							  nvmlComputeInstanceProfileInfo_t *info)
{
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = ci_profile(gi, number, engines, &p);
	if (!r)
		*info = (nvmlComputeInstanceProfileInfo_t){
			.id = p.id, .sliceCount = p.slices, .instanceCount = p.max, .multiprocessorCount = p.sm_count,
			.sharedCopyEngineCount = p.copy_engines, .sharedDecoderCount = p.decoders,
			.sharedEncoderCount = p.encoders, .sharedJpegCount = p.jpegs, .sharedOfaCount = p.ofas };
	return r;
}

nvmlReturn_t vnv_GpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t gi, unsigned int number, unsigned int engines,
							   nvmlComputeInstanceProfileInfo_v2_t *info)
{
	const bool v3 = info && info->version == NV_VERSION(nvmlComputeInstanceProfileInfo_v3_t, 3);
	nvmlComputeInstanceProfileInfo_t v1;
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!v3 && info->version != NV_VERSION(nvmlComputeInstanceProfileInfo_v2_t, 2))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = ci_profile(gi, number, engines, &p);
	if (!r)
		r = vnv_GpuInstanceGetComputeInstanceProfileInfo(gi, number, engines, &v1);
	if (r)
		return r;
	memcpy(&info->id, &v1, sizeof(v1));
	snprintf(info->name, sizeof(info->name), "MIG %s", p.name);
	if (v3)
		((nvmlComputeInstanceProfileInfo_v3_t *)info)->capabilities = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_GpuInstanceGetComputeInstanceRemainingCapacity(nvmlGpuInstance_t gi, unsigned int id, unsigned int *count)
{
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = profile(gi->gpu, 1 + gi->m.gi, BY_ID, id, &p);
	if (!r)
		*count = p.free;
	return r;
}

nvmlReturn_t vnv_GpuInstanceGetComputeInstancePossiblePlacements(nvmlGpuInstance_t gi, unsigned int id,
								 nvmlComputeInstancePlacement_t *out, unsigned int *count)
{
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = profile(gi->gpu, 1 + gi->m.gi, BY_ID, id, &p);
	return r ? r : placements(&p, out, count);
}

static nvmlReturn_t create_ci(nvmlGpuInstance_t gi, unsigned id, uint32_t start, nvmlComputeInstance_t *out)
{
	struct vgp_mon_mig_arg q = { .kind = VGP_MIG_COMPUTE, .start = start, .gi = gi->m.gi };
	struct vnv_gpu *g = gi->gpu;
	struct vgp_mon_mig_profile p;
	nvmlReturn_t r;

	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = profile(g, 1 + gi->m.gi, BY_ID, id, &p);
	q.profile = p.profile;
	if (!r)
		r = create(g, &q);
	for (int i = 0; !r && i < VNV_MIG_MAX; i++) {
		if (!g->dev[1 + i].present || memcmp(g->dev[1 + i].m.uuid, q.mig_uuid, 16))
			continue;
		*out = &g->ci[i];
		return NVML_SUCCESS;
	}
	return r ? r : NVML_ERROR_UNKNOWN;
}

nvmlReturn_t vnv_GpuInstanceCreateComputeInstance(nvmlGpuInstance_t gi, unsigned int id, nvmlComputeInstance_t *out)
{
	return create_ci(gi, id, VGP_MIG_ANYWHERE, out);
}

nvmlReturn_t vnv_GpuInstanceCreateComputeInstanceWithPlacement(nvmlGpuInstance_t gi, unsigned int id,
							       const nvmlComputeInstancePlacement_t *at,
							       nvmlComputeInstance_t *out)
{
	return at ? create_ci(gi, id, at->start, out) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vnv_ComputeInstanceDestroy(nvmlComputeInstance_t ci)
{
	struct vgp_mon_mig_arg q = { .kind = VGP_MIG_COMPUTE, .gi = ci->dev->m.gi, .ci = ci->dev->m.ci };

	return destroy(ci->dev->gpu, &q);
}

nvmlReturn_t vnv_GpuInstanceGetComputeInstances(nvmlGpuInstance_t gi, unsigned int id, nvmlComputeInstance_t *out,
						unsigned int *count)
{
	struct vnv_gpu *g = gi->gpu;
	struct vgp_mon_mig_profile p;
	unsigned n = 0;
	nvmlReturn_t r;

	if (!out || !count)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = refresh_on(g);
	if (!r)
		r = profile(g, 1 + gi->m.gi, BY_ID, id, &p);
	if (r)
		return r;
	for (int i = 0; i < VNV_MIG_MAX; i++) {
		const struct nvmlDevice_st *d = &g->dev[1 + i];

		if (d->present && d->m.gi == gi->m.gi && d->m.profile == p.profile)
			out[n++] = &g->ci[i];
	}
	*count = n;
	return NVML_SUCCESS;
}

nvmlReturn_t vnv_GpuInstanceGetComputeInstanceById(nvmlGpuInstance_t gi, unsigned int id, nvmlComputeInstance_t *out)
{
	struct vnv_gpu *g = gi->gpu;
	nvmlReturn_t r;

	if (!out)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = refresh_on(g);
	for (int i = 0; !r && i < VNV_MIG_MAX; i++) {
		const struct nvmlDevice_st *d = &g->dev[1 + i];

		if (!d->present || d->m.gi != gi->m.gi || d->m.ci != id)
			continue;
		*out = &g->ci[i];
		return NVML_SUCCESS;
	}
	return r ? r : NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t vnv_ComputeInstanceGetInfo_v2(nvmlComputeInstance_t ci, nvmlComputeInstanceInfo_t *info)
{
	const struct vgp_mon_mig *m = &ci->dev->m;
	struct vnv_gpu *g = ci->dev->gpu;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	*info = (nvmlComputeInstanceInfo_t){ .device = vnv_device(g), .id = m->ci, .profileId = id_of(g, 1 + m->gi, m->profile),
					     .placement = { .start = m->start, .size = m->size } };
	for (int i = 0; i < VNV_MIG_MAX; i++)
		if (g->gi[i].present && g->gi[i].m.gi == m->gi)
			info->gpuInstance = &g->gi[i];
	return NVML_SUCCESS;
}

/* The first version ends before the placement. */
nvmlReturn_t vnv_ComputeInstanceGetInfo(nvmlComputeInstance_t ci, nvmlComputeInstanceInfo_t *info)
{
	nvmlComputeInstanceInfo_t full;
	nvmlReturn_t r;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	r = vnv_ComputeInstanceGetInfo_v2(ci, &full);
	if (!r)
		memcpy(info, &full, offsetof(nvmlComputeInstanceInfo_t, placement));
	return r;
}
