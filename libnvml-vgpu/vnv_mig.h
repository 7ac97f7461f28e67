/* vnv_mig.h: MIG, for other files. */
#ifndef VGPU_NVML_VNV_MIG_H
#define VGPU_NVML_VNV_MIG_H

#include "libnvml-vgpu/vnv.h"

/* The MIG device of that UUID, of any GPU. */
nvmlReturn_t vnv_mig_by_uuid(const uint8_t uuid[16], nvmlDevice_t *device);

#endif
