/*
 * session.h: sessions with an engine for tests, without FUSE: in this process,
 * or with a real worker process that is started directly, over ring or socket.
 */
#ifndef VGPU_T_LIB_SESSION_H
#define VGPU_T_LIB_SESSION_H

#include <sys/types.h>

#include "transport/transport.h"

enum session_place { SESSION_HERE, SESSION_WORKER };

/* A device as device.def has it, with 64 MiB of memory. */
void session_device(struct vgpu_device *d);
/* Opens one; bails out when that fails. */
struct tr_session *session_open(enum session_place place, unsigned transport);
/* Only the worker and its client socket: to be talked to by hand. Answers the socket. */
int session_raw(unsigned transport);
/* The last worker process that was started. */
pid_t session_worker(void);
/* Waits until the worker has ended; its wait status, -1 after `seconds`. */
int session_reap(unsigned seconds);

/* Shorthands; each answers the status, 0 or negative. */
uint32_t session_ctx(struct tr_session *s);
uint32_t session_queue(struct tr_session *s, uint32_t ctx);
uint64_t session_alloc(struct tr_session *s, uint32_t ctx, uint64_t size, uint32_t kind);
int session_free(struct tr_session *s, uint64_t addr);
/* Loads PTX text; *log gets the error text (static storage). */
int session_module(struct tr_session *s, uint32_t ctx, const char *ptx, uint32_t *module, const char **log);
int session_func(struct tr_session *s, uint32_t module, const char *name, uint32_t *func);
int session_launch(struct tr_session *s, uint32_t queue, uint32_t func, uint32_t flags, const uint32_t grid[3],
		   const uint32_t block[3], const void *params, uint32_t len, uint64_t *seq);

#endif
