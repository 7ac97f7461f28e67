/*
 * transport.h: the client's side of a node: finding it, enumerating by
 * reading it, and a session with an engine worker. One interface over the
 * shared ring, socket frames and node frames; the driver library sees no
 * difference but speed.
 *
 * Threads: a session may be used from any number of threads. Fork: tr_forked()
 * tells a child that its parent's session is not its own; the child must not
 * touch it.
 */
#ifndef VGPU_TRANSPORT_TRANSPORT_H
#define VGPU_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/vgp_wire.h"
#include "util/device.h"
#include "util/err.h"

/* ---- enumeration: no worker, one open and one read ---- */

struct tr_node {
	char dir[256];             /* the dev/ directory that answered: "/dev", "/run/vgpufs/dev", … */
	char ctl[280];             /* path of the control node in it */
};

/*
 * Finds a node that reads as a device table, in this order: $VGPU_PATH (a mount
 * or dev directory; ignored in setuid programs), /dev/nvidiactl, /dev/vgpuctl,
 * /run/vgpufs/dev/vgpuctl, the mount named in /etc/vgpufs.conf. Fills node and
 * the devices (room for VGPU_MAX_DEVICES). Sandboxes that got only some
 * nvidiaN nodes see only these. -E_NO_DEVICE when nothing answers.
 */
int tr_enumerate(struct tr_node *node, struct vgpu_device *devs, size_t *n_out, char driver[32], struct vgpu_err *err);

/* As above; MIG devices (util/mig.h) of the devices follow them in devs. */
int tr_enumerate_all(struct tr_node *node, struct vgpu_device *devs, size_t *n_out, size_t *n_mig_out, char driver[32], struct vgpu_err *err);

/* Whether that compute instance of the device may be used by who sees the node: the capabilities beside it decide, if there are any. */
bool tr_mig_visible(const struct tr_node *node, unsigned minor, unsigned gi, unsigned ci);

/* ---- monitoring: questions of vgp_mon.def, no session and no worker ---- */

/* An open of the node for tr_monitor_ask, close-on-exec; to be closed by the caller. A descriptor or -status. */
int tr_monitor_open(const struct tr_node *node, struct vgpu_err *err);
/* Asks: arg begins with struct vgp_mon_head (its magic and status are filled in here) and has size bytes. 0 or -status. */
int tr_monitor_ask(int fd, unsigned op, void *arg, size_t size, struct vgpu_err *err);

/* ---- sessions ---- */

struct tr_session;

/*
 * The node is a device's own (a sandbox without a control node): for sessions on it, opened before, shows the daemon that
 * this process has the device's node, too, and a MIG device's capabilities. What can't be shown shows itself when a context
 * is made: E_NOT_PERMITTED.
 */
void tr_admit(const struct tr_node *node, const struct vgpu_device *d);
/* The node is a device's own. */
bool tr_node_is_device(const struct tr_node *node);

/* transport: enum vgp_transport, 0: the best that works, or what $VGPU_TRANSPORT says (ring, socket, node; tests). */
int tr_open(struct tr_session **out, const struct tr_node *node, unsigned transport, struct vgpu_err *err);
/* Says BYE, unmaps, closes; never waits long. */
void tr_close(struct tr_session *s);
/* In a forked child: frees what can be freed without touching what the parent shares. */
void tr_abandon(struct tr_session *s);
/* True in a child that was forked after tr_open. */
bool tr_forked(const struct tr_session *s);
unsigned tr_transport(const struct tr_session *s);
/* True when the worker is gone; every later call answers -E_DISCONNECTED (or the status it left). */
bool tr_dead(struct tr_session *s);

/*
 * A CALL: sends cmd (seq and slot are filled in here) with in data, waits for
 * the reply; out data goes to out (cap bytes; *out_len gets how many came).
 * Returns 0 or -status as the worker answered; reply is filled either way
 * when the worker answered at all.
 */
int tr_call(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len,
	    struct vgp_reply *reply, void *out, size_t out_cap, size_t *out_len, struct vgpu_err *err);

/*
 * A QUEUED command: assigns the next seq of cmd->queue, sends, returns without
 * waiting (unless the ring is full). *seq_out gets the seq. Commands of one
 * queue are in the order of these calls; callers that need two commands next
 * to each other hold their own lock. in_len at most tr_inline_max().
 */
int tr_submit(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len, uint64_t *seq_out, struct vgpu_err *err);
size_t tr_inline_max(const struct tr_session *s);

/* Timelines. A queue number is taken here, announced by QUEUE_CREATE, released after QUEUE_DESTROY. */
int tr_queue_alloc(struct tr_session *s, uint32_t *queue_out, struct vgpu_err *err);
void tr_queue_release(struct tr_session *s, uint32_t queue);
/* Last seq that was submitted. */
uint64_t tr_submitted(struct tr_session *s, uint32_t queue);
/* Last seq that ended (shared memory: a load; else a round trip). */
uint64_t tr_completed(struct tr_session *s, uint32_t queue);
/* Waits until the timeline reaches value, ctx's status is not 0, or the worker is gone. 0, -E_NOT_READY after
 * timeout_ns (UINT64_MAX: none), or -status of the context. */
int tr_wait(struct tr_session *s, uint32_t ctx, uint32_t queue, uint64_t value, uint64_t timeout_ns);
/* Sticky status of a context, 0: healthy. Cheap over shared memory. */
int tr_ctx_status(struct tr_session *s, uint32_t ctx);
/* True if device printf text waits for PRINTF_DRAIN. */
bool tr_printf_pending(struct tr_session *s, uint32_t ctx);

/*
 * Memory of the window, immediately (the caller has waited for what must come
 * before). With shared memory these are memcpy through a private alias.
 */
/* Counts bytes that a copy carries from host memory to the context's device, and back, for monitors. */
void tr_count_copy(struct tr_session *s, uint32_t ctx, uint64_t to_device, uint64_t from_device);
int tr_mem_write(struct tr_session *s, uint64_t addr, const void *src, size_t len, struct vgpu_err *err);
int tr_mem_read(struct tr_session *s, uint64_t addr, void *dst, size_t len, struct vgpu_err *err);
/* Alias pointer of window memory, NULL where memory isn't shared. */
void *tr_alias(struct tr_session *s, uint64_t addr, size_t len);
/* The window's place and size in this process' addresses (reserved here too). */
void tr_window(const struct tr_session *s, uint64_t *addr_out, uint64_t *size_out);

/*
 * Makes [addr, addr+len) readable and writable by the program at that very
 * address (VGP_MEM_HOST, VGP_MEM_MANAGED), and takes that back. Without shared
 * memory the program has private pages there which the transport carries over:
 * changed bytes to the worker before each submit that may read them, and back
 * when a wait returns.
 */
int tr_host_map(struct tr_session *s, uint64_t addr, size_t len, struct vgpu_err *err);
void tr_host_unmap(struct tr_session *s, uint64_t addr, size_t len);

/* ---- in-process loopback, for tests: an engine in this process, no FUSE, no other process ---- */
struct tr_loop_ops {
	/* Starts an engine on the worker's end of a socket; devs as in the table. */
	int (*start)(int sock, const struct vgpu_device *devs, size_t n, unsigned transport, void **engine, struct vgpu_err *err);
	void (*stop)(void *engine);
};
/* Sessions that are opened after this go to such an engine; NULL: back to nodes. */
void tr_set_loopback(const struct tr_loop_ops *ops, const struct vgpu_device *devs, size_t n);

#endif
