/*
 * super.h: vgpufs-super, the process that outlives vgpufsd. It owns the mount
 * (the /dev/fuse descriptor), the state memfd and the engine workers, is the
 * parent of the daemon and the workers, and replaces a daemon that dies. It
 * takes no input from clients: what it hears comes from its own daemon.
 */
#ifndef VGPU_FUSEFS_SUPER_H
#define VGPU_FUSEFS_SUPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/vgp_ctl.h"
#include "util/err.h"
#include "util/vec.h"

struct super_opts {
	const char *source;     /* first field of /proc/mounts */
	const char *mountpoint; /* absolute */
	const char *state_dir;
	const char *engine, *daemon;
	const char *pidfile;
	const char *log;
	const char *words;      /* of -o, taken apart */
	bool foreground;
	bool no_resend;         /* behave as on a kernel without FUSE_NOTIFY_RESEND */
	unsigned long mount_flags; /* MS_* */
};

/* A worker that lives. */
struct super_worker {
	uint64_t session;
	pid_t pid;
	int pidfd;
	int ctl;                /* the daemon's end of its control socket */
	int relay;              /* the daemon's end of its client socket, -1 without */
};

struct super {
	struct super_opts opts;
	int fuse_fd, state_fd, null_fd;
	bool by_fusermount;     /* the mount was made by fusermount3 */
	/* the daemon; pid 0: none runs */
	pid_t daemon_pid;
	int daemon_ctl;
	bool daemon_ready;      /* this one has said READY */
	bool served;            /* one has */
	char device[24];        /* the mount's number in mountinfo; "": it can't be seen there */
	int listen_fd;          /* dev/vgpu.sock, -1: none */
	int helper_fd;          /* where the helper that binds it answers, -1: none runs */
	int mounts_fd;          /* /proc/self/mountinfo, watched while we listen */
	bool quit;              /* the daemon says that the mount is gone */
	uint64_t crashes[32];   /* when the last ones were, ns */
	unsigned n_crashes;
	VGPU_VEC(struct super_worker) workers;
};

/* super_opts.c: answers 0, 1 for --help, or -status. */
int super_opts_parse(struct super_opts *o, int argc, char **argv, struct vgpu_err *err);

/* super_mount.c */
/* Detaches what a dead daemon left at the mount point; -E_EXISTS when a living vgpufs is mounted there. */
int super_mount_recover(struct super *s, struct vgpu_err *err);
/* Opens /dev/fuse and mounts. */
int super_mount(struct super *s, struct vgpu_err *err);
/* Takes the mount out of the name space; *busy_out: somebody still uses it and must be served. */
int super_umount(struct super *s, bool *busy_out, struct vgpu_err *err);
/* Clears the mount point if our connection is dead. */
void super_mount_clear(struct super *s);

/* super_proc.c */
int super_spawn_daemon(struct super *s, struct vgpu_err *err);
/* ctl_out: the daemon's end of the worker's control socket. */
int super_spawn_worker(struct super *s, int client_sock, struct super_worker *w, struct vgpu_err *err);

/* The number by which mountinfo knows the mount; false: it has no entry. */
bool super_mount_find(struct super *s);
/* It is still mounted somewhere in our name space. */
bool super_mount_there(struct super *s);

/* super_sock.c: the socket inside the mount */
/* The daemon serves: starts the helper once, hands each daemon the socket. True: the helper has not answered yet. */
bool super_sock_ready(struct super *s);
/* helper_fd is readable. */
void super_sock_answer(struct super *s);
/* mounts_fd has news: a mount that nobody sees any more shall not live for the socket's sake. */
void super_sock_check(struct super *s);
void super_sock_close(struct super *s);

/* super_loop.c: serves until the mount has gone. ready_fd gets one byte when the first daemon serves. */
void super_send_daemon(struct super *s, const struct vgp_ctl *m, const int *fds, int nfds);
int super_loop(struct super *s, int ready_fd, struct vgpu_err *err);

/* super_notify.c: one sd_notify(3) datagram, if somebody listens. */
void super_notify(const char *text);

#endif
