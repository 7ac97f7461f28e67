/* ptx_unpack.c: PTX text out of a compressed fatbin entry. Sizes must be met exactly. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <zstd.h>

#include "compiler/ptx/ptx.h"

#define MAX_TEXT_B (1ull << 31)
#define FLAG_LZ4 1
#define FLAG_ZSTD 2

static int unpack_lz4(const void *data, size_t size, char *text, size_t text_size, struct vgpu_err *err)
{
	int n;

	if (size > INT_MAX || text_size > INT_MAX)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "LZ4 block of %zu bytes is too big", size);
	n = LZ4_decompress_safe(data, text, (int)size, (int)text_size);
	if (n < 0)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "LZ4 block is damaged");
	if ((size_t)n != text_size)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "LZ4 block holds %d bytes, its entry says %zu", n, text_size);
	return 0;
}

static int unpack_zstd(const void *data, size_t size, char *text, size_t text_size, struct vgpu_err *err)
{
	size_t n = ZSTD_decompress(text, text_size, data, size);

	if (ZSTD_isError(n))
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "zstd frame is damaged: %s", ZSTD_getErrorName(n));
	if (n != text_size)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "zstd frame holds %zu bytes, its entry says %zu", n, text_size);
	return 0;
}

int ptx_unpack(const void *data, size_t size, size_t text_size, uint32_t flags, char **text_out, size_t *len_out,
	       struct vgpu_err *err)
{
	char *text;
	int r;

	flags &= FLAG_LZ4 | FLAG_ZSTD;      /* others say nothing about packing */
	if (flags != FLAG_LZ4 && flags != FLAG_ZSTD)
		return vgpu_err_set(err, VGPU_E_INVALID, "unknown compression %#x", flags);
	if (!size || !text_size || text_size > MAX_TEXT_B)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "compressed text of %zu bytes, unpacked %zu", size, text_size);
	/* A block can't grow without bound: an LZ4 byte yields at most 255, zstd is checked by its frame header. */
	if (flags == FLAG_LZ4 && text_size / 255 > size)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "LZ4 block of %zu bytes can't hold %zu", size, text_size);
	if (flags == FLAG_ZSTD) {
		unsigned long long n = ZSTD_getFrameContentSize(data, size);

		if (n == ZSTD_CONTENTSIZE_ERROR || (n != ZSTD_CONTENTSIZE_UNKNOWN && n != text_size))
			return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "zstd frame is not what its entry says (%zu bytes)", text_size);
	}
	text = malloc(text_size + 1);
	if (!text)
		return vgpu_err_set(err, VGPU_E_NOMEM, "text of %zu bytes", text_size);
	r = flags == FLAG_LZ4 ? unpack_lz4(data, size, text, text_size, err) : unpack_zstd(data, size, text, text_size, err);
	if (r) {
		free(text);
		return r;
	}
	text[text_size] = 0;
	*text_out = text;
	*len_out = text_size;
	return 0;
}
