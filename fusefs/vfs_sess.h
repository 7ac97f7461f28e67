/* vfs_sess.h: between vfs_sess.c (life of sessions) and vfs_acct.c (what they use). */
#ifndef VGPU_FUSEFS_VFS_SESS_H
#define VGPU_FUSEFS_VFS_SESS_H

#include "fusefs/vfs.h"

/* The worker ends, or has ended; a HELLO that waits is answered with err. */
void vfs_sess_dead(struct vfs *v, uint32_t slot, int err, bool tell_super);
void vfs_sess_retry_ends(struct vfs *v);
/* Messages of a worker. */
void vfs_acct_ready(struct vfs *v, struct vfs_watch *w, uint32_t events);
/* Asks a worker that has survived a restart what it holds. */
void vfs_acct_adopt(struct vfs *v, struct vfs_live_sess *l);

#endif
