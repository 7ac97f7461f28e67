/*
 * vfs_state.h: the state memfd: what vgpufsd must know after it was killed and
 * started again. vgpufs-super makes it, holds it, and hands it to each daemon;
 * only daemons write it. It is sparse: unused slots cost nothing.
 *
 * Everything here is written so that a kill -9 between any two stores leaves
 * something that the next daemon can go on with; the order of the stores is
 * said where it matters.
 */
#ifndef VGPU_FUSEFS_VFS_STATE_H
#define VGPU_FUSEFS_VFS_STATE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "protocol/vgp_mon.h"
#include "state/reg.h"
#include "util/device.h"
#include "util/err.h"

#define VFS_STATE_MAGIC 0x53465056u
#define VFS_STATE_VERSION 3
#define VFS_MAX_HANDLES 65536u
#define VFS_MAX_SESSIONS 8192u
#define VFS_MAX_PAGES 64u         /* of one device that are out of use and remembered here */

/* One open file. Its number, index + 1, is the fh that the kernel knows. */
struct vfs_handle {
	uint32_t used;
	uint32_t tgid;            /* process that opened it; 0: not visible from here */
	uint64_t nodeid;
	uint64_t open_unique;     /* requests that made it, gave it its session, …: a */
	uint64_t hello_unique;    /* request that is sent again is known by these */
	uint64_t write_unique;    /* last frame that was passed on */
	uint64_t read_unique;     /* frame that was answered but may still be in the relay */
	uint64_t poll_kh;         /* kernel's handle of a waiting poll; valid if poll_armed */
	uint32_t poll_armed;
	uint32_t session_slot;    /* index + 1 of struct vfs_sess, 0: none */
	uint32_t by_socket;       /* no open of the kernel's, but a connection to dev/vgpu.sock: freed with its session */
	uint32_t events;          /* somebody reads events here: poll is about them */
	uint64_t event_seen;      /* number of the newest that was reported */
	uint64_t pad[6];
};
_Static_assert(sizeof(struct vfs_handle) == 128, "vfs_handle");

enum vfs_sess_phase {
	VFS_SESS_FREE = 0,
	VFS_SESS_SPAWNING,        /* super was asked for a worker */
	VFS_SESS_RUNNING,         /* the worker got START */
	VFS_SESS_DEAD,            /* the worker is gone; the slot stays until the open is closed */
};

struct vfs_sess {
	uint32_t phase;           /* enum vfs_sess_phase; stored last when a slot is filled */
	uint32_t handle;          /* index of its handle */
	uint64_t id;
	uint64_t nonce;
	uint32_t transport;
	uint32_t client_pid, client_uid;
	uint32_t worker_pid;
	uint64_t client_start;    /* start time of client_pid, tells a reused number */
	uint32_t n_devices;
	uint32_t dev_key[VGPU_MAX_DEVICES];   /* devices in the order of the worker's table */
	uint64_t held[VGPU_MAX_DEVICES];      /* bytes granted, same order */
	uint64_t last_reserve;    /* number of the last RESERVE that was granted */
	uint64_t attached;        /* bit d: has a context on the d-th device … */
	uint64_t last_attach;     /* number of the last ATTACH that was granted */
	struct {
		uint64_t since_us;    /* … since then (epoch) */
		uint64_t busy_ns;     /* what ran there */
		uint64_t peak;        /* most bytes held */
	} use[VGPU_MAX_DEVICES];
	uint64_t barred;          /* bit d: the node of the d-th device (of a MIG device: of its compute instance) was not shown … */
	uint64_t barred_gi;       /* … nor that of the MIG device's GPU instance */
	uint64_t pad[6];
};

/* What a device has lived through since the mount was made. */
struct vfs_devlive {
	uint32_t key;             /* 0: free */
	uint32_t pstate;
	uint64_t busy_ns, energy_uj, violation_power_ns, violation_thermal_ns;
	uint64_t temperature_mc;  /* 1/1000 °C; 0: not yet known */
	uint64_t ecc[4];          /* volatile: dram corrected, dram uncorrected, sram corrected, sram uncorrected */
	uint64_t xid_last, xid_count;
	uint64_t throttle;        /* injected reasons */
	uint64_t ecc_life[4];     /* as ecc, over the device's life: the registry's */
	uint32_t n_pages;
	uint32_t reset_due;       /* a page was pending when the mount was made */
	struct {
		uint64_t addr, time_us;
		uint32_t cause, pending;
	} page[VFS_MAX_PAGES];    /* out of use, or will be: the registry's, too */
	uint64_t acct_n;          /* processes that ended; the newest are in acct[] */
	uint64_t link[2];         /* bytes that copies carried to and from the device */
	uint64_t pad[10];
	struct vgp_mon_acct acct[VGP_KEPT_ACCT];
};

struct vfs_state {
	uint32_t magic, version;
	uint64_t size;
	uint32_t owner_uid, owner_gid;
	uint32_t no_resend;       /* asked for, or learnt from INIT */
	uint32_t daemons;         /* how many there have been */
	uint64_t start_time;      /* seconds since the epoch: time stamps of what stands still … */
	uint64_t change_time;     /* … and of what comes from the devices */
	uint64_t generation;      /* grows with each change of the devices */
	uint64_t next_session;
	uint32_t handles_high, sess_high; /* slots from here on were never used: looking there would allocate them */
	/* A request that kills the daemon whenever it is served is refused. */
	uint64_t executing;       /* unique; 0: none */
	uint64_t suspect;
	uint32_t suspect_deaths;
	uint32_t init_len;        /* stored after init: raw INIT request */
	uint8_t init[256];
	/* The devices as the kernel was told of them, so that a new daemon needs no disk; the other
	 * half is the set before, for names that the kernel may still have to forget. */
	uint32_t devs_half;       /* 0: none yet; 1 or 2: devs[half - 1] is the set that is shown */
	uint32_t forget_pending;  /* the kernel has not been told all of the last change */
	uint32_t sock_made;       /* super has bound dev/vgpu.sock */
	uint8_t pad[500];
	struct vfs_devlive live[VGPU_MAX_DEVICES];
	uint64_t events;          /* how many there were: stored after the event */
	struct vgp_mon_event event[VGP_KEPT_EVENTS];
	struct {
		uint64_t n;
		struct vgpu_device dev[VGPU_MAX_DEVICES];
		struct reg_mig mig;
	} devs[2];
	struct vfs_handle handles[VFS_MAX_HANDLES];
	struct vfs_sess sess[VFS_MAX_SESSIONS];
};

/* New, filled in; a descriptor or -status. */
int vfs_state_create(uid_t uid, gid_t gid, bool no_resend, struct vgpu_err *err);
/* Maps what super handed over. */
int vfs_state_map(int fd, struct vfs_state **out, struct vgpu_err *err);

#endif
