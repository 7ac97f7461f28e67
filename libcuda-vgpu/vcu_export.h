/* vcu_export.h: export tables whose addresses the handshake covers. */
#ifndef VGPU_CUDA_VCU_EXPORT_H
#define VGPU_CUDA_VCU_EXPORT_H

extern const void *const vcu_export_cudart[] __attribute__((visibility("hidden")));
extern const void *const vcu_export_integrity[] __attribute__((visibility("hidden")));

#endif
