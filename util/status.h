/* status.h: the project's statuses; the list is status.def. */
#ifndef VGPU_UTIL_STATUS_H
#define VGPU_UTIL_STATUS_H

enum vgpu_status {
#define S(name, value, err, cu, nvml, text) VGPU_##name = value,
#include "util/status.def"
#undef S
	VGPU_STATUS_COUNT
};

/* "E_NOMEM"; "E_UNKNOWN" for a value that is not in the list. */
const char *vgpu_status_name(int status);
/* One line of English. */
const char *vgpu_status_text(int status);
/* A positive errno (0 for OK, EIO for an unknown status). */
int vgpu_status_to_errno(int status);
/* The number of a CUresult (999 for an unknown status). */
int vgpu_status_to_cuda(int status);
/* The number of an nvmlReturn_t (999 for an unknown status). */
int vgpu_status_to_nvml(int status);
/* The closest status of an errno. */
int vgpu_status_from_errno(int err);

#endif
