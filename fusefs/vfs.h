/*
 * vfs.h: vgpufsd, the file system's server. One thread serves everything and
 * never waits: requests that need time (a worker's start, a frame that has not
 * come, a change of the registry) are answered later. One helper thread does
 * what may block: the registry's disk accesses and the notifications that need
 * locks of the kernel's, which a client may hold while it waits for us.
 *
 * Who may touch what: everything in struct vfs belongs to the serving thread,
 * but `jobs` (own lock) and the registry (helper only). fuse_session is used
 * by both, libfuse locks it; the helper only sends notifications.
 */
#ifndef VGPU_FUSEFS_VFS_H
#define VGPU_FUSEFS_VFS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fusefs/vfs_state.h"
#include "fusefs/vfs_tree.h"
#include "protocol/vgp_ctl.h"
#include "protocol/vgp_wire.h"
#include "util/buf.h"
#include "util/vec.h"

struct vfs;
struct vfs_client;
struct vfs_guest;
struct vfs_samples;
struct vfs_reports;
struct registry;

/* Something that epoll watches. */
struct vfs_watch {
	int fd;                /* -1: not watched */
	void (*ready)(struct vfs *v, struct vfs_watch *w, uint32_t events);
};

/* ---- requests that are answered later ---- */

struct vfs_later {
	struct vfs *v;
	fuse_req_t req;
	uint64_t unique;
	size_t size;              /* READ: the buffer's */
	uint32_t handle;          /* index */
	struct vfs_later *next;
};

/* What a handle has in memory only; a new daemon makes it anew. */
struct vfs_open {
	struct vgpu_buf text;     /* what this open reads as, taken when offset 0 is read */
	bool have_text;
	uint32_t last_tid;        /* thread that was seen to belong to the opener */
	uint32_t mon_tid;         /* thread that asked as a monitor … */
	uint64_t mon_ns;          /* … and its pid namespace */
	struct vfs_later *readers;
};

/* A process' numbers, in the pid namespaces from ours down to its own. */
#define VFS_PIDNS_MAX 8
struct vfs_pids {
	unsigned n;
	struct {
		uint64_t ns;      /* inode number of the namespace */
		uint32_t pid;
	} level[VFS_PIDNS_MAX];
};

/* A session's part in memory; slot by slot beside vfs_state.sess. */
struct vfs_live_sess {
	struct vfs_watch ctl;     /* control socket of the worker */
	struct vfs_watch client;  /* pidfd of the client process */
	struct vfs_watch relay;   /* our end of a node session's socket */
	uint32_t slot;
	struct vfs_later *hello;  /* waits for the worker's start */
	struct vgp_hello greeting;
	uint64_t less[VGPU_MAX_DEVICES];          /* what USAGE said when it was less than is held, + 1; 0: it was not */
	unsigned rate[VGPU_MAX_DEVICES];          /* load as last told, per mille … */
	uint64_t link[VGPU_MAX_DEVICES][2];       /* bytes per second to and from the device … */
	uint64_t rate_at[VGPU_MAX_DEVICES];       /* … and when (ns) */
	bool have_pids;
	struct vfs_pids pids;                     /* of the client */
};

/* ---- jobs for the helper ---- */

struct vfs_job {
	void (*work)(struct vfs *v, struct vfs_job *j);  /* in the helper */
	void (*done)(struct vfs *v, struct vfs_job *j);  /* in the serving thread; frees it */
	struct vfs_job *next;
};

struct vfs_jobs {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct vfs_job *todo, *todo_last, *finished, *finished_last;
	bool stop;
};

struct vfs {
	struct vfs_state *st;
	struct vfs_source src;         /* devices as shown now */
	struct vfs_open *opens;        /* VFS_MAX_HANDLES, sparse */
	struct vfs_live_sess **sess;   /* VFS_MAX_SESSIONS */
	uint32_t handle_hint, sess_hint;
	VGPU_VEC(uint64_t) ends;       /* sessions whose END super's socket had no room for */
	uint64_t last_tick;            /* when utilization was computed */
	unsigned util[VGPU_MAX_DEVICES]; /* by place in src.devs */
	uint64_t link[VGPU_MAX_DEVICES][2]; /* bytes per second to and from it */
	uint64_t tick_us;              /* the same moment, since the epoch */
	void *faults;                  /* injections that wait for workers */
	struct vfs_reports *reports;   /* vfs_check.c: VGPU_MAX_DEVICES, or NULL */
	struct vfs_samples *samples[VGPU_MAX_DEVICES]; /* beside vfs_state.live */

	struct fuse_session *se;
	int fuse_fd;                   /* what requests are read from */
	int ep;
	struct vfs_watch sock_watch;   /* the listening socket inside the mount */
	struct vfs_guest *guests;      /* connected, HELLO has not come */
	struct vfs_watch fuse_watch, super_watch, timer_watch, jobs_watch;
	struct fuse_buf in;
	/* the request that is being served */
	uint64_t unique;
	bool resent;
	uint64_t poll_kh;              /* POLL: the number by which the kernel wants to be woken */
	bool patch_open;               /* its OPEN reply allows parallel direct writes */
	bool swallow;                  /* replies go nowhere: INIT is being replayed */
	bool ended;

	struct vfs_jobs jobs;
	const char *state_dir;
	struct registry *reg;          /* helper only */
	uint64_t reg_seen;             /* helper only: generation that was read last */
	bool polling;                  /* a look at the registry is on its way */
	bool reg_failed;               /* logged once */
	uint32_t devs_seq;             /* changes of the devices, by this daemon */
};

#define VFS_UNIQUE_RESENT (1ull << 63)

/* vfs_watch.c */
int vfs_watch_add(struct vfs *v, struct vfs_watch *w, int fd, uint32_t events,
		  void (*ready)(struct vfs *v, struct vfs_watch *w, uint32_t events));
void vfs_watch_arm(struct vfs *v, struct vfs_watch *w, uint32_t events);
/* Stops watching and closes. */
void vfs_watch_close(struct vfs *v, struct vfs_watch *w);

/* vfs_io.c: libfuse's session over super's descriptor */
int vfs_io_session(struct vfs *v, struct vgpu_err *err);
int vfs_io_open(struct vfs *v, int fd, struct vgpu_err *err);
void vfs_io_close(struct vfs *v);
/* Serves what has come; sets v->ended when the mount is gone. */
void vfs_io_serve(struct vfs *v);
/* Serves one request that has been read: for vfs_io_serve and the fuzzer. */
void vfs_io_process(struct vfs *v, const struct fuse_buf *b);
/* Wakes whoever polls with the kernel's handle kh. */
void vfs_io_wake_poll(struct vfs *v, uint64_t kh);

/* vfs_ops.c */
extern const struct fuse_lowlevel_ops vfs_ops;
struct vfs_handle *vfs_handle_get(struct vfs *v, uint64_t fh, uint32_t *index_out);
struct vfs_later *vfs_later_new(struct vfs *v, fuse_req_t req, uint32_t handle);
struct vfs_live_sess *vfs_sess_of(const struct vfs *v, uint32_t handle);
uint64_t vfs_unique(const struct vfs *v);
/* A handle that the kernel does not know, for a session over a connection. */
int vfs_handle_for_socket(struct vfs *v, uint32_t *index_out);
void vfs_handle_drop(struct vfs *v, uint32_t index);

/* vfs_job.c */
int vfs_jobs_start(struct vfs *v, struct vgpu_err *err);
void vfs_jobs_stop(struct vfs *v);
void vfs_job_add(struct vfs *v, struct vfs_job *j);

/* vfs_devs.c: registry → tree */
/* Reads the devices for the first time (blocks; before requests are served). */
int vfs_devs_first(struct vfs *v, struct vgpu_err *err);
/* Looks whether the registry has changed; reads and shows what has. req: answered (an ioctl) when
 * the tree shows it, NULL: nobody waits. */
void vfs_devs_reload(struct vfs *v, fuse_req_t req);
/*
 * A change of the registry: work runs in the helper and may block; then, in
 * the serving thread, written (may be NULL) hears that all is on disk, the
 * tree shows what is new, and done gets work's status and frees the deed.
 * False: no memory, nothing happens.
 */
struct vfs_deed {
	int (*work)(struct registry *reg, struct vfs_deed *d, struct vgpu_err *err);
	void (*written)(struct vfs *v, struct vfs_deed *d);
	void (*done)(struct vfs *v, struct vfs_deed *d, int status);
};
bool vfs_devs_do(struct vfs *v, struct vfs_deed *d);
/* Changes a property, then answers the write of len bytes. */
void vfs_devs_set(struct vfs *v, fuse_req_t req, const struct vfs_change *c, size_t len);

/* vfs_sess.c: sessions and their workers */
int vfs_sess_init(struct vfs *v, struct vgpu_err *err);
void vfs_sess_fini(struct vfs *v);
void vfs_sess_hello(struct vfs *v, fuse_req_t req, uint32_t handle, const struct vgp_hello *h);
/* A session over a connected socket; takes nothing. 0 or -errno. */
int vfs_sess_connect(struct vfs *v, int sock, const struct vfs_client *c, const struct vgp_hello *h);
/* The open is closed. */
void vfs_sess_release(struct vfs *v, uint32_t handle);
void vfs_sess_tick(struct vfs *v);
void vfs_sess_from_super(struct vfs *v, struct vfs_watch *w, uint32_t events);
/* Asks super for the workers that live; answers when they are there (blocks; at start). */
int vfs_sess_restore(struct vfs *v, struct vgpu_err *err);
bool vfs_same_process(struct vfs *v, uint32_t handle, pid_t tid);
uint64_t vfs_sess_memory(void *v, uint32_t key);
unsigned vfs_sess_utilization(void *v, uint32_t key);
void vfs_sess_clients(void *v, uint32_t key, struct vgpu_buf *b);
unsigned vfs_sess_count(void *v);
int vfs_send_super(struct vfs *v, const struct vgp_ctl *m, const int *fds, int nfds);

/* vfs_proc.c: what /proc tells about a client */
struct vfs_client {
	pid_t tgid;
	uid_t uid;
	uint64_t start;
};
/* False: not visible from here. */
bool vfs_client_of(pid_t tid, struct vfs_client *out);
uint64_t vfs_client_start(pid_t tgid);
/* A child of super, as we are. */
bool vfs_is_sibling(pid_t tid);

/* vfs_pidns.c: numbers of processes in pid namespaces */
uint64_t vfs_pidns_of(pid_t tid);
void vfs_pids_of(pid_t pid, struct vfs_pids *out);
/* The number in namespace ns; 0: it is not seen from there. */
uint32_t vfs_pid_seen(const struct vfs_pids *p, uint64_t ns);

/* vfs_mon.c: questions of monitors */
void vfs_mon_ioctl(struct vfs *v, fuse_req_t req, struct vfs_place p, uint32_t handle, unsigned op, const void *in,
		   size_t in_size, size_t out_size);

/* vfs_telemetry.c */
void vfs_live_telemetry(void *v, uint32_t key, struct vgp_telemetry *t);
void vfs_telemetry_free(struct vfs *v);

/* vfs_sock.c: connections to dev/vgpu.sock */
/* Takes over super's listening socket; -1: it is to be closed. */
void vfs_sock_listen(struct vfs *v, int fd);
/* Drops who has connected and says nothing. */
void vfs_sock_tick(struct vfs *v);

/* vfs_relay.c: node sessions */
/* Frames go through this open. */
bool vfs_relay_is(const struct vfs *v, uint32_t handle);
/* After a restart: whoever polls looks again. */
void vfs_relay_wake_all(struct vfs *v);
void vfs_relay_write(struct vfs *v, fuse_req_t req, uint32_t handle, const char *data, size_t len);
void vfs_relay_read(struct vfs *v, fuse_req_t req, uint32_t handle, size_t size, bool nonblock);
unsigned vfs_relay_poll(struct vfs *v, uint32_t handle);
/* Watches for frames if somebody waits for them. */
void vfs_relay_arm(struct vfs *v, uint32_t handle);
void vfs_relay_ready(struct vfs *v, struct vfs_watch *w, uint32_t events);
/* The handle or its worker is gone: readers get their end. */
void vfs_relay_end(struct vfs *v, uint32_t handle);

#endif
