/* vcu_session.h: the one session of the process with its engine worker. */
#ifndef VGPU_CUDA_VCU_SESSION_H
#define VGPU_CUDA_VCU_SESSION_H

#include "transport/transport.h"

/* Where to open sessions: the node that answered the enumeration. */
void vcu_session_set_node(const struct tr_node *node);
/* Opens the session if none is, or anew when its worker is gone and no context lives in it; counts a context in. */
int vcu_session_need(struct vgpu_err *err);
/* Before a context on d is made: shows the daemon what this process has of its nodes, where that counts (tr_admit). */
void vcu_session_admit(const struct vgpu_device *d);
/* A context has left it. */
void vcu_session_release(void);
void vcu_session_close(void);

#endif
