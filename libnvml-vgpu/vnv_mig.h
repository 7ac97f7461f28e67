/* vnv_mig.h: MIG, for other files. */
#ifndef VGPU_NVML_VNV_MIG_H
#define VGPU_NVML_VNV_MIG_H

#include "libnvml-vgpu/vnv.h"

/* The MIG device of that UUID, of any GPU. */
nvmlReturn_t vnv_mig_by_uuid(const uint8_t uuid[16], nvmlDevice_t *device);

/* Percent of the last second in which something ran on a GPU instance, and when that was asked. */
nvmlReturn_t vnv_mig_load(struct vnv_gpu *g, unsigned gi, uint64_t *util, uint64_t *time_us);

#endif
