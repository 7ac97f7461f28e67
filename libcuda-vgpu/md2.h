/* md2.h: the MD2 message digest (RFC 1319), for handshake.c only. */
#ifndef VGPU_CUDA_MD2_H
#define VGPU_CUDA_MD2_H

#include <stddef.h>
#include <stdint.h>

#define MD2_SIZE 16

struct md2 {
	uint8_t state[48], sum[16], buf[16];
	size_t n;                  /* bytes in buf */
};

void md2_init(struct md2 *m);
void md2_add(struct md2 *m, const void *data, size_t len);
void md2_final(struct md2 *m, uint8_t out[MD2_SIZE]);

#endif
