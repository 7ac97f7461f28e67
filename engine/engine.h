/*
 * engine.h: one client's engine: contexts, memory, modules, queues and the
 * threads that run kernels. The worker process (main.c) holds exactly one; a
 * loopback test holds one in its own process.
 */
#ifndef VGPU_ENGINE_ENGINE_H
#define VGPU_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/device.h"
#include "util/err.h"

struct be_ops;
struct eng;

struct eng_config {
	const struct vgpu_device *devs;  /* copied */
	size_t n_devs;
	const struct be_ops *backend;
	unsigned transport;              /* enum vgp_transport */
	unsigned threads;                /* that run kernels; 0: one per CPU */
	uint64_t nonce, session;
	uint64_t window_size;            /* 0: VGP_WINDOW_SIZE, less where the system doesn't give it */
	int sock;                        /* to the client; the engine's from now on, also when eng_new fails */
	int ctl;                         /* to the daemon, -1: none */
	int client_pidfd;                /* -1: none */
	bool in_process;                 /* loopback: never ends the process, shares the client's window mapping */
};

/* Memory, ring and threads are there afterwards; nothing of the client has been looked at. */
int eng_new(struct eng **out, const struct eng_config *cfg, struct vgpu_err *err);
/* Sends WELCOME and serves until the client is gone (a worker process then ends here) or eng_stop. */
void eng_run(struct eng *e);
/* From another thread: makes eng_run return soon. */
void eng_stop(struct eng *e);
/* After eng_run has returned. */
void eng_free(struct eng *e);

/* Loopback, in the shape of transport.h's struct tr_loop_ops. The backend is set before. */
void eng_loop_set_backend(const struct be_ops *ops);
int eng_loop_start(int sock, const struct vgpu_device *devs, size_t n, unsigned transport, void **engine, struct vgpu_err *err);
void eng_loop_stop(void *engine);

/* sandbox.c: namespaces, root, uid and limits; before threads exist. Goes as far as the caller's rights allow. */
int eng_sandbox_enter(struct vgpu_err *err);
/*
 * sandbox.c: the filter of system calls, on all threads, for ever. run_code: compiled kernels are mapped, which are
 * files that can't change; memory that is written never becomes executable.
 */
int eng_sandbox_lock(bool run_code, struct vgpu_err *err);
/* eng_jit.c: a socket to the compiler, which starts with the first packet; before eng_sandbox_enter. uid: whose kernels. */
int eng_jit_start(uint32_t uid, struct vgpu_err *err);

#endif
