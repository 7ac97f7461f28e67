/* vgp_codec.h: bounds-checked reading of commands and frames. */
#ifndef VGPU_PROTOCOL_VGP_CODEC_H
#define VGPU_PROTOCOL_VGP_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/vgp_wire.h"
#include "util/err.h"

struct vgp_msg_info {
	const char *name;
	uint16_t op;
	uint8_t kind;              /* enum vgp_kind */
	uint8_t since;
	uint16_t args_size, reply_size;
};

/* NULL: no such message. */
const struct vgp_msg_info *vgp_msg_find(unsigned op);

/* Checks what can be checked without the engine's state: op, kind, version, zero padding, data length. */
int vgp_cmd_check(const struct vgp_cmd *c, unsigned minor, struct vgpu_err *err);

/* Splits a frame: header, and the body's place. len: bytes in buf. */
int vgp_frame_parse(const void *buf, size_t len, struct vgp_frame *hdr, const void **body, struct vgpu_err *err);
/* Body of a CMD frame: command and its data. */
int vgp_frame_cmd(const struct vgp_frame *hdr, const void *body, struct vgp_cmd *cmd, const void **data, struct vgpu_err *err);
/* Body of a REPLY frame. */
int vgp_frame_reply(const struct vgp_frame *hdr, const void *body, struct vgp_reply *reply, const void **data, struct vgpu_err *err);

#endif
