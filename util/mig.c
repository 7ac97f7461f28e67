/* mig.c: see mig.h. */
#include "util/mig.h"

#include <stdio.h>
#include <string.h>

#include "util/compiler.h"

static const struct vgpu_mig_profile profiles[] = {
#define MIG(table, number, id, name, slices, size, sm, copy, dec, jpeg, ofa, max, starts) \
	{ table, number, id, name, slices, size, sm, copy, dec, jpeg, ofa, max, starts },
#include "util/mig.def"
#undef MIG
};

const struct vgpu_mig_profile *vgpu_mig_profile_at(const struct vgpu_device *d, unsigned at)
{
	for (size_t i = 0; *d->mig_profiles && i < ARRAY_SIZE(profiles); i++)
		if (strcmp(profiles[i].table, d->mig_profiles) == 0 && at-- == 0)
			return &profiles[i];
	return NULL;
}

const struct vgpu_mig_profile *vgpu_mig_profile_find(const struct vgpu_device *d, unsigned number)
{
	const struct vgpu_mig_profile *p;

	for (unsigned i = 0; (p = vgpu_mig_profile_at(d, i)); i++)
		if (p->number == number)
			return p;
	return NULL;
}

uint64_t vgpu_mig_memory(const struct vgpu_device *d, const struct vgpu_mig_profile *p)
{
	/* in whole steps of what workers reserve */
	return d->memory_total / VGPU_MIG_PARTS * p->size & ~((2ull << 20) - 1);
}

unsigned vgpu_mig_compute_slices(unsigned number)
{
	static const unsigned slices[] = { 1, 2, 3, 4, 7 };

	return number < ARRAY_SIZE(slices) ? slices[number] : 0;
}

unsigned vgpu_mig_sm(const struct vgpu_device *d, const struct vgpu_mig_profile *p, unsigned slices)
{
	unsigned sm = p->sm * slices / p->slices;

	return (unsigned)MIN((uint64_t)(sm ? sm : 1), d->sm_count);
}

void vgpu_mig_name(const struct vgpu_mig_profile *p, unsigned slices, char out[32])
{
	if (slices == p->slices)
		snprintf(out, 32, "%s", p->name);
	else
		snprintf(out, 32, "%uc.%s", slices, p->name);
}

bool vgpu_is_mig(const struct vgpu_device *d)
{
	return strncmp(d->uuid, "MIG-", 4) == 0;
}

void vgpu_mig_device(const struct vgpu_device *gpu, const struct vgpu_mig_profile *p, unsigned gi, unsigned ci, unsigned slices,
		     const char *uuid, struct vgpu_device *out)
{
	char name[32];

	*out = *gpu;
	vgpu_mig_name(p, slices, name);
	snprintf(out->uuid, sizeof(out->uuid), "%s", uuid);
	snprintf(out->profile, sizeof(out->profile), "%s", name);
	snprintf(out->name, sizeof(out->name), "%.60s MIG %s", gpu->name, name);
	out->index = VGPU_MIG_INDEX + gpu->minor * 128 + gi * VGPU_MIG_MAX_CI + ci;
	out->memory_total = vgpu_mig_memory(gpu, p);
	out->sm_count = vgpu_mig_sm(gpu, p, slices);
	out->copy_engines = p->copy;
	out->l2_cache = gpu->l2_cache / VGPU_MIG_PARTS * p->size;
}

unsigned vgpu_mig_cap(unsigned minor, unsigned gi, int ci)
{
	return 3 + (minor * VGPU_MIG_MAX_GI + gi) * (1 + VGPU_MIG_MAX_CI) + (unsigned)(1 + ci);
}

unsigned vgpu_mig_gi(const struct vgpu_device *mig)
{
	return (unsigned)(mig->index - VGPU_MIG_INDEX) % 128 / VGPU_MIG_MAX_CI;
}

unsigned vgpu_mig_ci(const struct vgpu_device *mig)
{
	return (unsigned)(mig->index - VGPU_MIG_INDEX) % VGPU_MIG_MAX_CI;
}
