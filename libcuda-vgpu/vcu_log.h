/*
 * vcu_log.h: what went wrong inside the library, in words, for cuLogs… and
 * the API trace; the library prints nothing of itself.
 */
#ifndef VGPU_CUDA_VCU_LOG_H
#define VGPU_CUDA_VCU_LOG_H

#include "libcuda-vgpu/cu_abi.h"
#include "util/err.h"

void vcu_log(CUlogLevel level, const char *fmt, ...) VGPU_PRINTF(2, 3);
/* "doing: err's text" as an error. */
void vcu_log_err(const char *doing, const struct vgpu_err *err);
void vcu_log_fini(void);

#endif
