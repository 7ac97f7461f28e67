/*
 * vnv.h: what the files of libnvidia-ml share.
 *
 * Entry points. api/api.def lists them; nv_entry.c exports them. nvmlFoo_v2 is
 * implemented by vnv_Foo_v2, and answers NOT_SUPPORTED where nobody defines that.
 * Before an implementation runs the library is initialised, its lock is held
 * and every handle among the arguments is one that exists; the rest (pointers,
 * enums, lengths, struct versions) is checked by the implementation.
 *
 * Where values come from. What a device is: the table of devices, read by the
 * first nvmlInit. What it does: the daemon, asked each time (vnv_live.c).
 *
 * Lock. One mutex, held by each call except those with VNV_F_UNLOCKED, which
 * wait and take it themselves where they look at shared state.
 */
#ifndef VGPU_NVML_VNV_H
#define VGPU_NVML_VNV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "libnvml-vgpu/nv_abi.h"
#include "libnvml-vgpu/vnv_api.h"
#include "protocol/vgp_mon.h"
#include "transport/transport.h"
#include "util/compiler.h"
#include "util/device.h"
#include "util/err.h"

enum vnv_flags {
	VNV_F_NOINIT = 1,          /* may be called before nvmlInit; takes no lock */
	VNV_F_MIG = 2,             /* takes MIG devices, too */
	VNV_F_UNLOCKED = 4,        /* runs without the lock */
};

/* Most MIG devices, GPU instances and compute instances of a GPU. */
#define VNV_MIG_MAX 8

struct vnv_gpu;

/* A GPU (slot 0) or one of its MIG devices. */
struct nvmlDevice_st {
	struct vnv_gpu *gpu;
	bool present;
	bool mig;
	struct vgp_mon_mig m;      /* of a MIG device */
};

struct nvmlGpuInstance_st {
	struct vnv_gpu *gpu;
	bool present;
	struct vgp_mon_mig m;
};

struct nvmlComputeInstance_st {
	struct nvmlDevice_st *dev; /* the MIG device that it is */
};

struct vnv_gpu {
	struct vgpu_device d;
	uint8_t uuid[16];
	unsigned domain, bus, slot;
	unsigned index;
	int fd;                    /* node for questions, -1: not open, or the shared one is meant */
	struct vgp_telemetry live; /* as last asked for … */
	uint64_t live_ns;          /* … then (monotonic); 0: never */
	struct nvmlDevice_st dev[1 + VNV_MIG_MAX];
	struct nvmlGpuInstance_st gi[VNV_MIG_MAX];
	struct nvmlComputeInstance_st ci[VNV_MIG_MAX];
};

/* ---- vnv_init.c: the process' state ---- */

extern struct vnv_gpu vnv_gpus[VGPU_MAX_DEVICES];
extern unsigned vnv_n_gpus;
extern char vnv_driver[32];    /* version that the node names */
extern struct tr_node vnv_node;

void vnv_lock(void);
void vnv_unlock(void);
bool vnv_ready(void);
/* Reads the table again; devices keep their place. For vnv_live.c. */
void vnv_table_refresh(void);

/* ---- vnv_handle.c ---- */

/* A live handle of a GPU, or of a MIG device where that is welcome. */
nvmlReturn_t vnv_check_device(nvmlDevice_t dev, unsigned flags);
nvmlReturn_t vnv_check_gi(nvmlGpuInstance_t gi);
nvmlReturn_t vnv_check_ci(nvmlComputeInstance_t ci);
/* The GPU's own device, and what is shown of its address: bus id with 4 or 8 digits of the domain. */
static inline nvmlDevice_t vnv_device(struct vnv_gpu *g)
{
	return &g->dev[0];
}

/* ---- vnv_live.c: asking the daemon ---- */

/*
 * What the device does now. `fresh` wants values of this moment; otherwise they may be a
 * few milliseconds old, so that a monitor that reads twenty values asks once.
 */
enum vnv_age { VNV_FRESH, VNV_RECENT };
nvmlReturn_t vnv_live(nvmlDevice_t dev, enum vnv_age age, const struct vgp_telemetry **out);
/* Forgets what was asked: a setting was changed. */
void vnv_live_drop(struct vnv_gpu *g);
/* One question about a device; arg begins with struct vgp_mon_head, which is filled in here. 0 or -status. */
int vnv_ask(struct vnv_gpu *g, unsigned op, void *arg, size_t size);
/*
 * All entries of a list question: *out is to be freed, entries of entry_B bytes each (what
 * the daemon knows of them, the rest zero). 0 or -status.
 */
struct vnv_list {
	uint64_t since;
	uint32_t arg, arg2;
};
int vnv_ask_list(nvmlDevice_t dev, unsigned op, const struct vnv_list *in, size_t entry_B, void **out, size_t *n_out);
/* A fresh descriptor for a device's events, or -status. */
int vnv_open_node(struct vnv_gpu *g);
void vnv_live_close(void);

/* ---- vnv_set.c ---- */

/* Of a device that nobody uses, also a lost one. */
nvmlReturn_t vnv_reset(nvmlDevice_t device);

/* ---- vnv_error.c ---- */

/* The return code of a status, positive or negative. */
nvmlReturn_t vnv_result(int status);

/* ---- vnv_pci.c ---- */

/* "[domain:]bus:device[.function]", hexadecimal; the whole text. */
bool vnv_bus_id_parse(const char *text, unsigned *domain, unsigned *bus, unsigned *slot, unsigned *fn);
/* How far apart two GPUs are, as their addresses tell. */
nvmlGpuTopologyLevel_t vnv_distance(const struct vnv_gpu *a, const struct vnv_gpu *b);

/* ---- vnv_thermal.c ---- */

/* Boards from Ada on tell temperatures by their distance from the highest one, if that is known of the model. */
bool vnv_has_tlimit(const struct vgpu_device *d);

/* ---- helpers (vnv_error.c) ---- */

/* Copies a text for the caller: INSUFFICIENT_SIZE when it does not fit with its NUL. */
nvmlReturn_t vnv_text(char *out, unsigned length, const char *text);
/*
 * The protocol of lists: *count is the room in `out` and becomes the number there is;
 * INSUFFICIENT_SIZE when that is more, and when out is NULL and there is anything.
 */
nvmlReturn_t vnv_array(void *out, unsigned *count, const void *from, size_t n, size_t entry_B);

/* ---- trace ---- */

extern bool vnv_trace __attribute__((visibility("hidden")));

#endif
