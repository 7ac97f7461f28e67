/* vcu_visible.h: which devices a process sees, and in which order: CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER. */
#ifndef VGPU_CUDA_VCU_VISIBLE_H
#define VGPU_CUDA_VCU_VISIBLE_H

#include <stddef.h>

#include "util/device.h"

/*
 * Fills out with indices into devs, in the order of CUDA's ordinals, and
 * returns how many. visible and order: values of the two variables, NULL when
 * not set. Pure: no environment, no state.
 */
size_t vcu_visible_select(const char *visible, const char *order, const struct vgpu_device *devs, size_t n,
			  unsigned out[VGPU_MAX_DEVICES]);

/* "MIG-…": which of the n_mig MIG devices that follow the n devices; -1: none. Of a list the first counts. */
long vcu_visible_mig(const char *visible, const struct vgpu_device *devs, size_t n, size_t n_mig);

#endif
