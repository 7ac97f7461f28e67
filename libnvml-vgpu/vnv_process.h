/* vnv_process.h: processes on a device, for entry points and the export table. */
#ifndef VGPU_NVML_VNV_PROCESS_H
#define VGPU_NVML_VNV_PROCESS_H

#include "libnvml-vgpu/vnv.h"

/* The compute processes of a GPU or MIG device; *out is to be freed. */
nvmlReturn_t vnv_processes(nvmlDevice_t device, struct vgp_mon_proc **out, size_t *n_out);
/* vnv_usage.c: what each process used the device for after `since` (us since the epoch); *out is to be freed. */
nvmlReturn_t vnv_proc_samples(nvmlDevice_t device, nv_u64 since, struct vgp_mon_proc_sample **out, size_t *n_out);
/* vnv_system.c */
nvmlReturn_t vnv_process_name(unsigned pid, char *name, size_t cap);

#endif
