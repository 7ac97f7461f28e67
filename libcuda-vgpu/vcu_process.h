/* vcu_process.h: the library's state in its process; see vcu_process.c. */
#ifndef VGPU_CUDA_VCU_PROCESS_H
#define VGPU_CUDA_VCU_PROCESS_H

#include <stdbool.h>

#include "util/compiler.h"

struct vcu_tls;

/* cuInit has found devices: calls are let through from here on. */
int vcu_process_ready(void);
/* In a child of a process that was ready: nothing works until exec. */
bool vcu_forked(void);
/* After the library's destructor. */
bool vcu_gone(void);

/* Parts that the process' events concern. */
/* Drops the thread's context stack. */
void vcu_ctx_thread_exit(struct vcu_tls *t);
/* In a forked child: lets go of what the parent shares. */
void vcu_session_abandon(void);
/* Ends contexts, devices and the session. */
void vcu_teardown(void);
void vcu_trace_fini(void);

#endif
