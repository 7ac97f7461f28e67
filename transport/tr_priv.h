/*
 * tr_priv.h: what the files of transport/ share.
 *
 * A session has one of two carriers: the ring (struct tr_ring: shared memory)
 * or frames (struct tr_frames: socket or node). transport.h's functions pick
 * by s->transport. Locks, in the order in which they may nest:
 *   s->queue_lock   numbers of queues that are free; seqs (frames)
 *   ring.lock       tail, data area, reply slots
 *   frames.send_lock, then frames.lock
 *   s->host_lock    shadow pages (held while calls are made over frames)
 */
#ifndef VGPU_TRANSPORT_TR_PRIV_H
#define VGPU_TRANSPORT_TR_PRIV_H

#include <pthread.h>
#include <sys/types.h>

#include "transport/transport.h"
#include "util/cleanup.h"
#include "util/sys.h"

/* A waiter that sleeps looks this often whether its peer is still there. */
#define TR_LIVENESS_NS 100000000ll
/* Commands of a queue that may be under way; a submitter of more waits. */
#define TR_QUEUE_DEPTH_RING 65536u
#define TR_QUEUE_DEPTH_FRAMES 4096u

struct tr_ring {
	void *map;
	size_t size;
	struct vgp_ring_hdr *hdr;
	struct vgp_cmd *cmds;
	struct vgp_reply_slot *replies;
	uint8_t *data;
	struct vgp_timeline *timelines;
	struct vgp_context_word *contexts;

	pthread_mutex_t lock;
	pthread_cond_t slot_free;
	uint64_t slots_used;          /* bit per reply slot; by lock */
	uint32_t tail;                /* by lock */
	uint32_t reclaimed;           /* commands whose data space is free again; by lock */
	uint64_t data_head, data_tail;/* free running; by lock */
	uint64_t mark[VGP_RING_SLOTS];/* data_tail after the slot's data */
	int spin_luck;                /* how often spinning paid lately, 0…64; relaxed */
	unsigned unlucky;             /* waits while it was low; relaxed */
};

/* A call that waits for its reply frame. Lives on the caller's stack. */
struct tr_pending {
	struct tr_pending *next;
	uint64_t seq;
	struct vgp_reply *reply;
	void *out;
	size_t cap, len;
	bool done;
};

struct tr_frames {
	pthread_mutex_t send_lock;
	pthread_mutex_t lock;         /* pending, reading */
	pthread_cond_t changed;
	struct tr_pending *pending;
	bool reading;                 /* a thread is receiving for all */
	uint8_t *buf;                 /* VGP_FRAME_MAX bytes, the reader's */
};

struct tr_queue {
	uint64_t submitted;           /* ring: by ring.lock; frames: by send_lock; read with __atomic */
	uint64_t completed;           /* frames: last one that a reply told */
	bool used;
};

/* Host memory without shared memory: what the program sees, and what both sides last agreed on. */
struct tr_shadow {
	uint64_t addr;
	size_t len;
	uint8_t *agreed;
};

struct tr_session {
	unsigned transport;           /* enum vgp_transport */
	int node_fd, sock;            /* -1: none */
	pid_t owner;
	uint32_t *guard;              /* page that reads 1 here and 0 in a forked child */
	int dead;                     /* enum vgpu_status, 0: alive; set once */
	uint64_t next_call;           /* seq of CALLs */
	uint16_t minor;               /* agreed protocol version */

	uint64_t window, window_size; /* place in this process' addresses */
	uint8_t *alias;               /* the same memory, always accessible; NULL without shared memory */
	bool window_foreign;          /* an in-process engine's mapping: not ours to unmap */
	bool window_mapped;           /* the reservation is ours */

	pthread_mutex_t queue_lock;
	struct tr_queue queues[VGP_QUEUES];
	uint32_t queue_hint;

	pthread_mutex_t host_lock;
	struct tr_shadow *shadows;
	size_t n_shadows, cap_shadows;

	struct tr_ring ring;
	struct tr_frames frames;
	void *engine;                 /* loopback */
};

/* tr_open.c */
bool tr_usable(const struct tr_session *s);
/* Notes that the worker is gone; the first reason stays. Returns -reason. */
int tr_kill(struct tr_session *s, int status);
/* 0, or -status when the worker is gone. Looks at the socket. */
int tr_check_alive(struct tr_session *s);

/* tr_window.c */
int tr_window_map(struct tr_session *s, int memfd, uint64_t memfd_size, struct vgpu_err *err);
int tr_window_reserve(struct tr_session *s, uint64_t addr, uint64_t size, struct vgpu_err *err);
void tr_window_unmap(struct tr_session *s);

/* tr_ring.c */
int tr_ring_init(struct tr_session *s, int memfd, uint64_t size, struct vgpu_err *err);
void tr_ring_fini(struct tr_session *s);
int tr_ring_call(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len,
		 struct vgp_reply *reply, void *out, size_t cap, size_t *len, struct vgpu_err *err);
int tr_ring_submit(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len, uint64_t *seq, struct vgpu_err *err);
int tr_ring_wait(struct tr_session *s, uint32_t ctx, uint32_t queue, uint64_t value, uint64_t timeout_ns);

/* tr_frame.c */
int tr_frames_init(struct tr_session *s, struct vgpu_err *err);
void tr_frames_fini(struct tr_session *s);
/* One whole frame, with fds where the carrier has them. Waits at most timeout_ns (< 0: until it comes). */
int tr_frame_recv(struct tr_session *s, void *buf, size_t cap, size_t *len_out, int *fds, int *nfds_out, int64_t timeout_ns);
int tr_frame_send(struct tr_session *s, uint16_t type, const void *body, size_t len, const void *data, size_t data_len, bool block);
int tr_frames_call(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len,
		   struct vgp_reply *reply, void *out, size_t cap, size_t *len, struct vgpu_err *err);
int tr_frames_submit(struct tr_session *s, struct vgp_cmd *cmd, const void *in, size_t in_len, uint64_t *seq, struct vgpu_err *err);
int tr_frames_wait(struct tr_session *s, uint32_t queue, uint64_t value, uint64_t timeout_ns);

/* tr_hostmem.c */
int tr_shadow_push(struct tr_session *s);
void tr_shadow_pull(struct tr_session *s);
void tr_shadow_fini(struct tr_session *s);

/* tr_loop.c */
bool tr_loop_on(void);
int tr_loop_enumerate(struct tr_node *node, struct vgpu_device *devs, size_t *n_out);
int tr_loop_start(struct tr_session *s, int sock, unsigned transport, struct vgpu_err *err);
void tr_loop_stop(struct tr_session *s);

/* tr_debug.c: VGPU_DEBUG=push[,file=PATH] prints commands, capture,file=PATH keeps them for vgp-dump. */
extern int tr_debug_on;
void tr_debug_init(void);
void tr_debug_cmd(const struct vgp_cmd *cmd, const void *in, size_t in_len);
void tr_debug_reply(const struct vgp_cmd *cmd, const struct vgp_reply *reply);

#endif
