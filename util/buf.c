/* buf.c: see buf.h. */
#include "util/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vgpu_buf_free(struct vgpu_buf *b)
{
	free(b->data);
	*b = (struct vgpu_buf)VGPU_BUF_INIT;
}

void vgpu_buf_reset(struct vgpu_buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = 0;
}

void *vgpu_buf_room(struct vgpu_buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 128;
	char *p;

	if (b->failed || n > SIZE_MAX / 2 - b->len)
		goto fail;
	while (cap < b->len + n + 1)
		cap *= 2;
	if (cap != b->cap) {
		p = realloc(b->data, cap);
		if (!p)
			goto fail;
		b->data = p;
		b->cap = cap;
	}
	return b->data + b->len;
fail:
	b->failed = true;
	return NULL;
}

void vgpu_buf_add(struct vgpu_buf *b, const void *data, size_t n)
{
	char *p = vgpu_buf_room(b, n);

	if (!p)
		return;
	if (n)
		memcpy(p, data, n);
	b->len += n;
	b->data[b->len] = 0;
}

void vgpu_buf_str(struct vgpu_buf *b, const char *s)
{
	vgpu_buf_add(b, s, strlen(s));
}

void vgpu_buf_vprintf(struct vgpu_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		b->failed = true;
		return;
	}
	p = vgpu_buf_room(b, (size_t)n);
	if (!p)
		return;
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void vgpu_buf_printf(struct vgpu_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vgpu_buf_vprintf(b, fmt, ap);
	va_end(ap);
}

const char *vgpu_buf_text(const struct vgpu_buf *b)
{
	return b->data ? b->data : "";
}
