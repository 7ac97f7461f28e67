/*
 * fuzz_art.c: compiled kernels as they come from a cache or another process:
 * an object is linked and the artifact checked; what begins as an artifact is
 * mapped, which checks it again. Nothing is executed.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_art.h"
#include "backend/simd/sd_load.h"
#include "fuzz/fuzz.h"

static void map(const void *data, size_t size)
{
	struct sd_code *code = NULL;
	int fd = sd_art_memfd(data, size, NULL);

	if (fd >= 0 && sd_load_fd(&code, fd, NULL) == 0)
		sd_unload(code);
	if (fd >= 0)
		close(fd);
}

/* What the linker makes, the loader takes. */
static void link_object(const uint8_t *data, size_t size)
{
	struct sd_ref refs[2] = { { 0 } };
	struct sd_sym syms[1] = { { 0 } };
	struct gen_object o = { .elf = (uint8_t *)data, .len = size, .refs = refs, .syms = syms,
				.meta = { .W = 64, .frame_B = 128, .n_refs = 2, .n_syms = 1 } };
	struct vgpu_buf b = VGPU_BUF_INIT;

	if (sd_link(&o, &b, NULL) == 0 && sd_art_check(b.data, b.len, NULL))
		abort();
	vgpu_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t magic = SD_ART_MAGIC;

	if (size >= sizeof(magic) && memcmp(data, &magic, sizeof(magic)) == 0)
		map(data, size);
	else
		link_object(data, size);
	return 0;
}
