/*
 * vgp_mon.h: how a monitor asks the daemon about devices: one ioctl per
 * question on an open node (read-only will do), answered at once and without
 * a worker. The questions are listed in vgp_mon.def; rules in RULES.md.
 *
 * Every argument begins with struct vgp_mon_head. ioctl fails with an errno
 * only when the question was not understood (ENOTTY: no such question here,
 * EINVAL: head or size is wrong); otherwise it returns 0 and head.status says
 * what came of it. Retry on EINTR and ECONNABORTED.
 *
 * The size in an ioctl's number is the size of the caller's buffer, and may
 * differ from the daemon's idea: a struct is filled as far as both know it,
 * the rest is zero; a list brings as many entries as fit.
 */
#ifndef VGPU_PROTOCOL_VGP_MON_H
#define VGPU_PROTOCOL_VGP_MON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "protocol/vgp_wire.h"

enum vgp_mon_op {
#define Q(name, num, since, who, st) VGP_MON_##name = num,
#include "protocol/vgp_mon.def"
#undef Q
	VGP_MON_FIRST = 32, VGP_MON_END = 64
};

/* The ioctl of question op with a buffer of size bytes (at most VGP_MON_SIZE_MAX). */
#define VGP_IOC_MON(op, size) _IOC(_IOC_READ | _IOC_WRITE, 'V', (op), (size))
#define VGP_MON_SIZE_MAX 16376u

/* "" for a number that is no question. */
const char *vgp_mon_name(unsigned op);

struct vgp_mon_head {
	uint32_t magic;            /* VGP_MAGIC */
	uint32_t status;           /* out: enum vgpu_status */
	/* The device: the 16 bytes of its UUID, a GPU's or (where said) a MIG device's. All zero on
	 * dev/nvidiaN: that device. On dev/nvidiaN no other GPU's can be asked for (E_NOT_PERMITTED).
	 * E_INVALID_DEVICE: there is none. */
	uint8_t uuid[16];
	uint64_t flags;            /* 0 */
};
_Static_assert(sizeof(struct vgp_mon_head) == 32, "vgp_mon_head");

/*
 * Who may use what. A session on the control node (or the socket beside it) may use all devices of the mount. One on
 * dev/nvidiaN may use that device, and each other one whose node the process can open as well: it asks ADMIT there
 * after HELLO, before it makes a context. MIG devices are such, too; their nodes are two in dev/nvidia-caps, the GPU
 * instance's and the compute instance's, where nothing but ADMIT can be asked. Else contexts are E_NOT_PERMITTED.
 */

/* TELEMETRY. A lost device answers, too. With a MIG device's UUID memory, load and processes are its own. */
struct vgp_telemetry {
#define T(name, doc) uint64_t name;
#include "protocol/vgp_telemetry.def"
#undef T
};

struct vgp_mon_telemetry {
	struct vgp_mon_head head;
	struct vgp_telemetry t;
};

/* Name, description and place of each field. */
struct vgp_telemetry_field {
	const char *name, *doc;
	size_t offset;
};
const struct vgp_telemetry_field *vgp_telemetry_fields(size_t *n_out);

/*
 * Lists. in: cursor 0 (or what the last answer said), since, arg, arg2.
 * out: n entries of entry_B bytes that follow this struct; total: entries
 * there are (where countable); cursor for the rest, 0: that was all. entry_B
 * is the daemon's; step by it, use what you know of each.
 */
struct vgp_mon_list {
	struct vgp_mon_head head;
	uint32_t cursor;
	uint32_t n;
	uint32_t total;
	uint32_t entry_B;
	uint64_t since;            /* SAMPLES, PROC_SAMPLES: microseconds since the epoch; EVENTS: number of the last one seen */
	uint32_t arg, arg2;        /* as vgp_mon.def says; else 0 */
};
_Static_assert(sizeof(struct vgp_mon_list) == 64, "vgp_mon_list");

#define VGP_MON_NO_INSTANCE 0xffffffffu

/* PROCS, in order of start. The pid is the one of the caller's pid namespace; processes that can't be
 * seen from there are left out (of total, too). */
struct vgp_mon_proc {
	uint32_t pid;
	uint32_t gi, ci;           /* VGP_MON_NO_INSTANCE: not on a MIG device */
	uint32_t flags;            /* 1: compute */
	uint64_t memory;           /* bytes allocated on this device */
	uint64_t busy_ns;          /* since it began */
	uint32_t util_gpu, util_memory; /* percent of the last second */
	uint64_t start_us;         /* since the epoch: first context on the device */
	uint64_t pad[2];
};
_Static_assert(sizeof(struct vgp_mon_proc) == 64, "vgp_mon_proc");

enum vgp_mon_series {
	VGP_SERIES_UTIL_GPU = 0,   /* percent */
	VGP_SERIES_UTIL_MEMORY = 1,
	VGP_SERIES_POWER = 2,      /* mW */
	VGP_SERIES_CLOCK_SM = 3,   /* kHz */
	VGP_SERIES_CLOCK_MEMORY = 4,
	VGP_SERIES_TEMPERATURE = 5, /* °C */
	VGP_SERIES_MEMORY_USED = 6, /* bytes */
	VGP_SERIES_COUNT
};

/* Samples that are kept of each device; one a second. */
#define VGP_KEPT_SAMPLES 120u

/* SAMPLES later than since, oldest first. */
struct vgp_mon_sample {
	uint64_t time_us;
	uint64_t value;
};

/* PROC_SAMPLES: of each process the newest sample later than since in which it did something. */
struct vgp_mon_proc_sample {
	uint32_t pid;              /* as PROCS */
	uint32_t util_gpu, util_memory;
	uint32_t gi, ci;
	uint32_t pad0;
	uint64_t time_us;
};

enum vgp_mon_setting {
	/* persist; values in v[0], v[1] */
	VGP_SET_COMPUTE_MODE = 1,      /* 0, 2, 3 */
	VGP_SET_PERSISTENCE_MODE = 2,  /* 0, 1 */
	VGP_SET_ACCOUNTING_MODE = 3,   /* 0, 1; off forgets what was collected */
	VGP_SET_POWER_LIMIT = 4,       /* mW, power_limit_min_mw to power_limit_max_mw; 0: the default */
	VGP_SET_LOCK_SM = 5,           /* min kHz, max kHz; 0, 0: unlock */
	VGP_SET_LOCK_MEMORY = 6,       /* min kHz, max kHz; 0, 0: unlock */
	VGP_SET_APP_CLOCKS = 7,        /* memory kHz, SM kHz; 0, 0: the defaults */
	VGP_SET_ECC_MODE = 8,          /* 0, 1: from the next reset on */
	VGP_SET_MIG_MODE = 9,          /* 0, 1: at once when nobody uses the device (else result E_BUSY and from the next reset on) */
	VGP_SET_DRAIN = 10,            /* 0, 1: no new programs, 2: removed (E_BUSY: in use, or in persistence mode); until a new mount */
	VGP_SET_FAN = 11,              /* percent, VGP_FAN_MIN to 100; 0: automatic */
	/* deeds */
	VGP_SET_CLEAR_ECC = 32,        /* 0: volatile counters, 1: aggregate ones, too */
	VGP_SET_CLEAR_ACCT = 33,
	VGP_SET_RESET = 34,            /* the device, also a lost one; E_BUSY while a process has a context on it */
};

struct vgp_mon_set {
	struct vgp_mon_head head;
	uint32_t what;             /* enum vgp_mon_setting */
	uint32_t result;           /* out: MIG_MODE: enum vgpu_status, whether the mode is in force */
	uint64_t v[3];
};
_Static_assert(sizeof(struct vgp_mon_set) == 64, "vgp_mon_set");

/* Event types: NVML's bits. */
enum vgp_event_type {
	VGP_EVENT_ECC_SINGLE = 1,
	VGP_EVENT_ECC_DOUBLE = 2,
	VGP_EVENT_PSTATE = 4,
	VGP_EVENT_XID = 8,         /* data: the number */
	VGP_EVENT_CLOCK = 0x10,
	VGP_EVENT_POWER_SOURCE = 0x80,
	VGP_EVENT_MIG_CONFIG = 0x100,
	VGP_EVENT_SUPPORTED = 0x11f,
};

/*
 * EVENTS: of all devices (uuid zero) or one; arg: types that are wanted, 0: all.
 * Numbers count up from 1 for the mount's life. since = UINT64_MAX brings none
 * and tells in `since` the newest number: begin with that. The answer's `since`
 * is where to go on. After the first EVENTS on an open, poll(2) on it reports
 * POLLIN when there are events newer than its last answer's `since`.
 */
struct vgp_mon_event {
	uint64_t number;
	uint64_t time_us;
	uint8_t uuid[16];          /* the GPU's */
	uint64_t data;
	uint32_t type;             /* enum vgp_event_type */
	uint32_t gi, ci;           /* VGP_MON_NO_INSTANCE: the whole device */
	uint32_t pad;
};
_Static_assert(sizeof(struct vgp_mon_event) == 56, "vgp_mon_event");

/* Events that are kept. */
#define VGP_KEPT_EVENTS 1024u

/* ACCT: in accounting mode; ended ones first, oldest first. arg: only this pid (as the caller sees it), 0: all. */
struct vgp_mon_acct {
	uint32_t pid;              /* as PROCS; of ended ones as it was */
	uint32_t running;
	uint64_t start_us;         /* since the epoch */
	uint64_t time_ms;          /* how long it had a context; 0 while it runs */
	uint64_t memory_max;       /* bytes */
	uint32_t util_gpu, util_memory;  /* mean, percent */
	uint64_t pad;
};
_Static_assert(sizeof(struct vgp_mon_acct) == 48, "vgp_mon_acct");

#define VGP_KEPT_ACCT 256u          /* ended ones that are kept of each device */

/* PAGES: arg: 0 retired for single bit errors, 1 for a double bit error. */
struct vgp_mon_page {
	uint64_t addr;
	uint64_t time_us;
};

enum vgp_mig_kind { VGP_MIG_GPU = 0, VGP_MIG_COMPUTE = 1 };

/* MIG_LIST: GPU instances, each followed by its compute instances. A compute instance is a MIG device. */
struct vgp_mon_mig {
	uint32_t kind;             /* enum vgp_mig_kind */
	uint32_t gi, ci;           /* ids; ci of a GPU instance: VGP_MON_NO_INSTANCE */
	uint32_t profile;          /* NVML's profile number */
	uint32_t start, size;      /* slices */
	uint32_t slices;           /* compute slices */
	uint32_t sm_count;
	uint64_t memory;           /* bytes, the GPU instance's */
	uint64_t memory_used;
	uint8_t uuid[16];          /* of the MIG device; zero for a GPU instance */
	uint32_t copy_engines, decoders, encoders, jpegs, ofas;
	uint32_t processes;        /* with a context there */
	char name[32];             /* "1g.10gb", of a compute instance that has a part: "1c.2g.20gb" */
	uint64_t pad;
};
_Static_assert(sizeof(struct vgp_mon_mig) == 128, "vgp_mon_mig");

struct vgp_mon_mig_profile {
	uint32_t profile;          /* NVML's number: NVML_GPU_INSTANCE_PROFILE_… or NVML_COMPUTE_INSTANCE_PROFILE_… */
	uint32_t id;               /* what nvidia-smi mig -lgip and NVML call profile id */
	uint32_t slices;           /* compute slices */
	uint32_t size;             /* memory slices: of a placement */
	uint32_t sm_count;
	uint32_t max;              /* instances that an empty device takes */
	uint32_t free;             /* that it takes now */
	uint32_t copy_engines, decoders, encoders, jpegs, ofas;
	uint64_t memory;           /* bytes */
	uint64_t placements;       /* bit n: it can start at slice n of an empty device */
	uint64_t placements_free;  /* and now */
	char name[32];
	uint64_t pad;
};
_Static_assert(sizeof(struct vgp_mon_mig_profile) == 112, "vgp_mon_mig_profile");

#define VGP_MIG_ANYWHERE 0xffffffffu

/*
 * MIG_CREATE: kind, profile (as profile numbers above), start (or VGP_MIG_ANYWHERE),
 * gi for a compute instance; out: gi, ci, mig_uuid. E_NOT_SUPPORTED: MIG is
 * off or the device has no such profile, E_NO_SPACE: no room is left.
 * MIG_DESTROY: kind, gi, ci. E_BUSY: it is in use or has compute instances.
 */
struct vgp_mon_mig_arg {
	struct vgp_mon_head head;
	uint32_t kind, profile, start, gi, ci, pad0;
	uint8_t mig_uuid[16];
	uint64_t pad[3];
};
_Static_assert(sizeof(struct vgp_mon_mig_arg) == 96, "vgp_mon_mig_arg");

/* The lowest speed of fans, percent. */
#define VGP_FAN_MIN 30u

/* SM clocks that can be asked for are the highest one and those below it by steps of this, down to the lowest one;
 * memory has two clocks, the highest and the lowest. */
#define VGP_CLOCK_STEP_MHZ 15u

/* NVML's bits. */
enum vgp_throttle {
	VGP_THROTTLE_IDLE = 1,
	VGP_THROTTLE_APP_CLOCKS = 2,
	VGP_THROTTLE_SW_POWER = 4,
	VGP_THROTTLE_HW_SLOWDOWN = 8,
	VGP_THROTTLE_SYNC_BOOST = 0x10,
	VGP_THROTTLE_SW_THERMAL = 0x20,
	VGP_THROTTLE_HW_THERMAL = 0x40,
	VGP_THROTTLE_HW_POWER_BRAKE = 0x80,
	VGP_THROTTLE_DISPLAY = 0x100,
	VGP_THROTTLE_ALL = 0x1ff,
};

#endif
