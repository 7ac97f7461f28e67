/*
 * vgp_ctl.h: control sockets inside the mount's own processes (SEQPACKET):
 * super ↔ daemon and daemon ↔ worker. Never seen by clients.
 */
#ifndef VGPU_PROTOCOL_VGP_CTL_H
#define VGPU_PROTOCOL_VGP_CTL_H

#include <stdint.h>

#include "util/device.h"

enum vgp_ctl_op {
	/* daemon → super */
	VGP_CTL_SPAWN = 1,     /* start a worker: session; fds: the worker's end of the client socket and, for a node
	                          session, the daemon's end of it, which super keeps for RESTORE. Answer: SPAWNED */
	VGP_CTL_RESTORE = 2,   /* after a restart: one SPAWNED per living worker, then RESTORED */
	VGP_CTL_END = 3,       /* end session's worker (SIGKILL) */
	VGP_CTL_QUIT = 4,      /* the mount is gone: super shall end, too */
	VGP_CTL_READY = 5,     /* the daemon serves requests */
	/* super → daemon */
	VGP_CTL_SPAWNED = 16,  /* session, pid or status; fds: daemon's end of the worker's control socket, its pidfd,
	                          and after RESTORE the daemon's end of the client socket where super keeps one */
	VGP_CTL_RESTORED = 17,
	VGP_CTL_LISTEN = 19,   /* fd: the listening socket inside the mount, for each daemon; none: close it */
	VGP_CTL_EXITED = 18,   /* session's worker ended: wait status in value */
	/* daemon → worker */
	VGP_CTL_START = 32,    /* struct vgp_ctl_start, then the device table's text; fd: pidfd of the client (may be none) */
	VGP_CTL_GRANT = 33,    /* answer to RESERVE: status, device; value: bytes granted; value2: the RESERVE's number */
	VGP_CTL_ADOPT = 34,    /* a new daemon: the worker answers USAGE for each device, and repeats a RESERVE that
	                          has no answer yet (same number); a GRANT with an old number is ignored */
	VGP_CTL_LOST = 36,     /* device's contexts end; status: why. Answer: GONE with the same value */
	VGP_CTL_TOTALS = 35,   /* answer to QUERY: device; value: bytes used on it by all clients */
	/* worker → daemon */
	VGP_CTL_RESERVE = 48,  /* device; value: bytes wanted; value2: number, counts up from 1. All or nothing is granted */
	VGP_CTL_RELEASE = 49,  /* device; value: bytes given back */
	VGP_CTL_USAGE = 50,    /* device; value: bytes held; value2: busy ns in the last span_ns; contexts: there now;
	                          to_KiB, from_KiB: carried to and from the device since the last one */
	VGP_CTL_ATTACH = 52,   /* device; a context wants to be on it; value2: number, as RESERVE's. Answer: GRANT */
	VGP_CTL_DETACH = 53,   /* device; the last context has left it */
	VGP_CTL_GONE = 54,     /* device's contexts have ended; value: the LOST's */
	VGP_CTL_REPORT = 56,   /* device; text of the memory checker follows, value bytes, VGP_CTL_TEXT_MAX at most */
	VGP_CTL_QUERY = 51,    /* device: how much is used? */
};

struct vgp_ctl {
	uint32_t op;           /* enum vgp_ctl_op */
	uint32_t status;       /* enum vgpu_status */
	uint64_t session;
	uint32_t device;       /* index */
	uint32_t pid;
	uint64_t value;
	uint64_t value2;
	uint64_t span_ns;
	uint64_t contexts;
	uint32_t to_KiB, from_KiB;
};
_Static_assert(sizeof(struct vgp_ctl) == 64, "vgp_ctl");

#define VGP_CTL_TEXT_MAX 4096u

struct vgp_ctl_start {
	uint64_t nonce;        /* for WELCOME */
	uint32_t transport;    /* enum vgp_transport */
	uint32_t client_pid;   /* 0: unknown */
	uint32_t client_uid;
	uint32_t threads;      /* engine threads; 0: one per CPU */
	uint64_t pad[4];
};

/* File descriptors that super leaves open in a fresh worker. */
#define VGP_WORKER_FD_CLIENT 3   /* frames to and from the client (or the daemon's relay) */
#define VGP_WORKER_FD_CTL 4      /* control socket to the daemon */
/* … and in a fresh daemon */
#define VGP_DAEMON_FD_FUSE 3     /* the mount's /dev/fuse */
#define VGP_DAEMON_FD_SUPER 4    /* control socket to super */
#define VGP_DAEMON_FD_STATE 5    /* state memfd that outlives daemons */

#endif
