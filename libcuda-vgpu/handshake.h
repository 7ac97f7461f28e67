/* handshake.h: the answer to NVIDIA's runtime's keyed challenge; see handshake.c. */
#ifndef VGPU_CUDA_HANDSHAKE_H
#define VGPU_CUDA_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

struct handshake_device {
	uint8_t uuid[16];
	int32_t domain, bus, dev;
};
_Static_assert(sizeof(struct handshake_device) == 28, "handshake_device");

/* What the digest covers, in this order. */
struct handshake_in {
	uint32_t driver_version, version, pid, thread;
	uint64_t cudart_table, integrity_table, function, seconds;
};
_Static_assert(sizeof(struct handshake_in) == 48, "handshake_in");

void handshake_digest(const struct handshake_in *in, const struct handshake_device *devs, size_t n, uint8_t out[16]);

/* Slot 1 of the export table INTEGRITY_CHECK. */
int handshake_answer(uint32_t version, uint64_t seconds, uint64_t result[2]);

#endif
