/* vnv_process.h: processes on a device, for entry points and the export table. */
#ifndef VGPU_NVML_VNV_PROCESS_H
#define VGPU_NVML_VNV_PROCESS_H

#include "libnvml-vgpu/vnv.h"

/* The compute processes of a GPU or MIG device; *out is to be freed. */
nvmlReturn_t vnv_processes(nvmlDevice_t device, struct vgp_mon_proc **out, size_t *n_out);
/* vnv_system.c */
nvmlReturn_t vnv_process_name(unsigned pid, char *name, size_t cap);

#endif
