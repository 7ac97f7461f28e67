/* vfs_check.h: reports of the memory checker (vfs_check.c). */
#ifndef VGPU_FUSEFS_VFS_CHECK_H
#define VGPU_FUSEFS_VFS_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

struct vfs;
struct vfs_sess;

/* Text that a session's worker has for the device of that key. */
void vfs_check_report(struct vfs *v, const struct vfs_sess *s, uint32_t key, const char *text, size_t n);
/* What devices/<n>/memcheck.report reads as. */
void vfs_live_reports(void *v, uint32_t key, struct vgpu_buf *b);
void vfs_check_fini(struct vfs *v);

#endif
