/*
 * handshake.c: NVIDIA's runtime library asks the driver, when it starts, to
 * answer a challenge with a keyed digest, and refuses to work with a driver that
 * does not. This file answers it, for interoperability: without it no program
 * that is linked with NVIDIA's runtime runs on this driver. It protects no
 * content and grants access to nothing but the program's own use of this library.
 * ./configure --disable-cudart-handshake builds without it; programs that use
 * the driver API alone run all the same.
 *
 * The digest is HMAC with MD2 over a description of the call and of the
 * devices (struct handshake_in, struct handshake_device). Its key and layout
 * have been published by ZLUDA.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "libcuda-vgpu/handshake.h"
#include "libcuda-vgpu/md2.h"
#include "libcuda-vgpu/vcu_export.h"
#include "libcuda-vgpu/vcu.h"

static const uint8_t key[16] = {
	0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52, 0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f,
};

static void add_key(struct md2 *m, uint8_t with)
{
	md2_init(m);
	for (size_t i = 0; i < sizeof(key); i++) {
		uint8_t b = key[i] ^ with;

		md2_add(m, &b, 1);
	}
}

void handshake_digest(const struct handshake_in *in, const struct handshake_device *devs, size_t n, uint8_t out[16])
{
	uint8_t inner[MD2_SIZE];
	struct md2 m;

	add_key(&m, 0x36);
	md2_add(&m, in, sizeof(*in));
	md2_add(&m, devs, n * sizeof(*devs));
	md2_final(&m, inner);
	add_key(&m, 0x5c);
	md2_add(&m, inner, sizeof(inner));
	md2_final(&m, out);
}

static size_t describe_devices(struct handshake_device devs[VGPU_MAX_DEVICES])
{
	int n = vcu_device_count();

	for (int i = 0; i < n; i++) {
		const struct vcu_device *d = vcu_device_get(i);

		memcpy(devs[i].uuid, d->uuid.bytes, sizeof(devs[i].uuid));
		devs[i].domain = (int32_t)d->pci.domain;
		devs[i].bus = (int32_t)d->pci.bus;
		devs[i].dev = (int32_t)d->pci.dev;
	}
	return (size_t)n;
}

int handshake_answer(uint32_t version, uint64_t seconds, uint64_t result[2])
{
	struct handshake_device devs[VGPU_MAX_DEVICES];
	struct handshake_in in = {
		.driver_version = CUDA_VERSION,
		.version = version,
		.pid = (uint32_t)getpid(),
		.thread = (uint32_t)pthread_self(),
		.cudart_table = (uint64_t)(uintptr_t)vcu_export_cudart,
		.integrity_table = (uint64_t)(uintptr_t)vcu_export_integrity,
		.function = (uint64_t)(uintptr_t)handshake_answer,
		.seconds = seconds,
	};

	if (!result)
		return CUDA_ERROR_INVALID_VALUE;
	/* Two of the three questions have fixed answers. */
	if (version % 10 < 2) {
		result[0] = version % 10 ? 0x1841181c03cb675cull : 0x3341181c03cb675cull;
		result[1] = 0x8ed383aa1f4cd1e8ull;
		return CUDA_SUCCESS;
	}
	handshake_digest(&in, devs, describe_devices(devs), (uint8_t *)result);
	return CUDA_SUCCESS;
}
