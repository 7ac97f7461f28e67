/* vgp_dump.h: commands and replies as text, from vgp_msg.def. */
#ifndef VGPU_PROTOCOL_VGP_DUMP_H
#define VGPU_PROTOCOL_VGP_DUMP_H

#include "protocol/vgp_wire.h"
#include "util/buf.h"

/* "LAUNCH q=3 seq=17 func=1 flags=0 data=120" (no newline). */
void vgp_dump_cmd(struct vgpu_buf *b, const struct vgp_cmd *c);
/* op: of the call that is answered. */
void vgp_dump_reply(struct vgpu_buf *b, unsigned op, const struct vgp_reply *r);

#endif
