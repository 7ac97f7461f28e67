/* err.c: see err.h. */
#include "util/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int vgpu_err_set(struct vgpu_err *err, int status, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		err->status = status;
		err->sys_errno = 0;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
	}
	return -status;
}

int vgpu_err_errno(struct vgpu_err *err, const char *fmt, ...)
{
	int saved = errno, status = vgpu_status_from_errno(saved);
	va_list ap;
	size_t n;

	if (err) {
		err->status = status;
		err->sys_errno = saved;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, ap);
		va_end(ap);
		n = strlen(err->text);
		snprintf(err->text + n, sizeof(err->text) - n, ": %s", strerror(saved));
	}
	errno = saved;
	return -status;
}

int vgpu_err_wrap(struct vgpu_err *err, const char *fmt, ...)
{
	char tmp[sizeof(err->text)];
	va_list ap;
	size_t n;

	if (!err)
		return -VGPU_E_INTERNAL;
	va_start(ap, fmt);
	vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	n = strlen(tmp);
	snprintf(tmp + n, sizeof(tmp) - n, ": %s", err->text);
	memcpy(err->text, tmp, sizeof(tmp));
	return -err->status;
}
