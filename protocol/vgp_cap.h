/*
 * vgp_cap.h: a captured stream of commands and replies in a file, as
 * VGPU_DEBUG=capture,file=PATH writes it and vgp-dump reads it:
 * VGP_CAP_MAGIC, then records.
 */
#ifndef VGPU_PROTOCOL_VGP_CAP_H
#define VGPU_PROTOCOL_VGP_CAP_H

#include "protocol/vgp_wire.h"

#define VGP_CAP_MAGIC "VGPCAP1\n"
#define VGP_CAP_MAX (1u << 20)     /* no record's body is longer */

enum vgp_cap_kind {
	VGP_CAP_CMD = 1,           /* struct vgp_cmd, then its data (cut at VGP_CAP_DATA_MAX) */
	VGP_CAP_REPLY = 2,         /* struct vgp_reply */
};

#define VGP_CAP_DATA_MAX 4096u

struct vgp_cap_rec {
	uint32_t kind;             /* enum vgp_cap_kind */
	uint32_t len;              /* bytes that follow */
	uint64_t ns;               /* CLOCK_MONOTONIC */
	uint32_t tid;
	uint32_t op;               /* REPLY: of the call */
};
_Static_assert(sizeof(struct vgp_cap_rec) == 24, "vgp_cap_rec");

#endif
