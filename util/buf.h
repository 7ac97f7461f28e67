/*
 * buf.h: a growing byte buffer, also used as a string builder (always NUL
 * terminated beyond len). A failed allocation sets `failed` and makes further
 * appends no-ops, so that a caller checks once at the end.
 */
#ifndef VGPU_UTIL_BUF_H
#define VGPU_UTIL_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/compiler.h"

struct vgpu_buf {
	char *data;
	size_t len, cap;
	bool failed;
};

#define VGPU_BUF_INIT { NULL, 0, 0, false }

void vgpu_buf_free(struct vgpu_buf *b);
void vgpu_buf_reset(struct vgpu_buf *b);
void vgpu_buf_add(struct vgpu_buf *b, const void *data, size_t n);
void vgpu_buf_str(struct vgpu_buf *b, const char *s);
void vgpu_buf_printf(struct vgpu_buf *b, const char *fmt, ...) VGPU_PRINTF(2, 3);
void vgpu_buf_vprintf(struct vgpu_buf *b, const char *fmt, va_list ap) VGPU_PRINTF(2, 0);
/* Room for n more bytes; returns where they go, NULL when memory is short. len is not moved. */
void *vgpu_buf_room(struct vgpu_buf *b, size_t n);
/* The text; "" when empty. */
const char *vgpu_buf_text(const struct vgpu_buf *b);

#endif
