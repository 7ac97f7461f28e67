/* vfs_sess.h: between vfs_sess.c (life of sessions) and vfs_acct.c (what they use). */
#ifndef VGPU_FUSEFS_VFS_SESS_H
#define VGPU_FUSEFS_VFS_SESS_H

#include "fusefs/vfs.h"

/* The worker ends, or has ended; a HELLO that waits is answered with err. */
void vfs_sess_dead(struct vfs *v, uint32_t slot, int err, bool tell_super);
void vfs_sess_retry_ends(struct vfs *v);
/* Messages of a worker. */
void vfs_acct_ready(struct vfs *v, struct vfs_watch *w, uint32_t events);
/* Load of a session on its d-th device, per mille. */
unsigned vfs_sess_rate(const struct vfs_live_sess *l, unsigned d, uint64_t now_ns);
/* Bytes per second that its copies carry to (way 0) and from (1) device d. */
uint64_t vfs_sess_link(const struct vfs_live_sess *l, unsigned d, unsigned way, uint64_t now_ns);
/* A session's device `have` is the one with that key, or a part of it. */
bool vfs_key_is(struct vfs *v, uint32_t have, uint32_t key);
/* It has a context on its d-th device. */
bool vfs_sess_on(const struct vfs_sess *s, unsigned d);
/* The client has shown that it has the d-th device's node, or those of its MIG instances. */
bool vfs_sess_may(const struct vfs_sess *s, unsigned d);
/* vfs_usage.c: its last context has left the device. */
void vfs_acct_leave(struct vfs *v, uint32_t slot, unsigned d);
/* Forgets which devices the session is on. */
void vfs_acct_leave_all(struct vfs *v, uint32_t slot);
/* Asks a worker that has survived a restart what it holds. */
void vfs_acct_adopt(struct vfs *v, struct vfs_live_sess *l);

#endif
