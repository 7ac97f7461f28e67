/*
 * err.h: the error object. A function that can fail returns 0 or a negative
 * status (-VGPU_E_…) and takes a struct vgpu_err * last, which may be NULL.
 * On success the object is left alone; on failure it holds status, errno and
 * one line of text. Nothing is allocated.
 */
#ifndef VGPU_UTIL_ERR_H
#define VGPU_UTIL_ERR_H

#include "util/compiler.h"
#include "util/status.h"

struct vgpu_err {
	int status;     /* enum vgpu_status, positive */
	int sys_errno;  /* 0 where no system call failed */
	char text[512];
};

#define VGPU_ERR_INIT { 0, 0, "" }

/* Fills err (if not NULL) and returns -status. */
int vgpu_err_set(struct vgpu_err *err, int status, const char *fmt, ...) VGPU_PRINTF(3, 4);
/* As above, status and ": strerror" from errno. */
int vgpu_err_errno(struct vgpu_err *err, const char *fmt, ...) VGPU_PRINTF(2, 3);
/* Puts "context: " in front of the text; returns -err->status. */
int vgpu_err_wrap(struct vgpu_err *err, const char *fmt, ...) VGPU_PRINTF(2, 3);

#endif
