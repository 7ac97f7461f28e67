/*
 * mig.h: what a device can be divided into (mig.def), and MIG devices as
 * devices: a compute instance is a struct vgpu_device like its GPU's, with a
 * UUID that begins with "MIG-", its share of memory and multiprocessors, the
 * name of its kind in `profile`, and an index that no other device has.
 */
#ifndef VGPU_UTIL_MIG_H
#define VGPU_UTIL_MIG_H

#include "util/device.h"

struct vgpu_mig_profile {
	const char *table;
	unsigned number, id;
	const char *name;
	unsigned slices, size, sm, copy, dec, jpeg, ofa, max, starts;
};

#define VGPU_MIG_SLICES 7u
#define VGPU_MIG_PARTS 8u         /* of memory */
#define VGPU_MIG_MAX_GI 15u
#define VGPU_MIG_MAX_CI 8u
#define VGPU_MIG_INDEX 256u       /* indices of MIG devices begin here */

/* The i-th profile of the device's table, NULL behind the last one (or at once: it can't be divided). */
const struct vgpu_mig_profile *vgpu_mig_profile_at(const struct vgpu_device *d, unsigned i);
const struct vgpu_mig_profile *vgpu_mig_profile_find(const struct vgpu_device *d, unsigned number);
/* Bytes of a GPU instance. */
uint64_t vgpu_mig_memory(const struct vgpu_device *d, const struct vgpu_mig_profile *p);
/* Compute slices of NVML's compute instance profile, 0: there is none of that number. */
unsigned vgpu_mig_compute_slices(unsigned number);
/* Multiprocessors of that many slices of an instance. */
unsigned vgpu_mig_sm(const struct vgpu_device *d, const struct vgpu_mig_profile *p, unsigned slices);
/* "3g.20gb", "1c.3g.20gb" */
void vgpu_mig_name(const struct vgpu_mig_profile *p, unsigned slices, char out[32]);

/* The driver's number of the capability to use an instance: of a GPU instance (ci -1) or of a compute instance in it. Only so
 * many GPUs have any. */
#define VGPU_MIG_CAP_GPUS 32u
unsigned vgpu_mig_cap(unsigned minor, unsigned gi, int ci);
/* Instances that a MIG device is, by its index. */
unsigned vgpu_mig_gi(const struct vgpu_device *mig);
unsigned vgpu_mig_ci(const struct vgpu_device *mig);

bool vgpu_is_mig(const struct vgpu_device *d);
/* Fills in the MIG device of a compute instance. */
void vgpu_mig_device(const struct vgpu_device *gpu, const struct vgpu_mig_profile *p, unsigned gi, unsigned ci, unsigned slices,
		     const char *uuid, struct vgpu_device *out);

#endif
