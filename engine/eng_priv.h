/*
 * eng_priv.h: what the files of engine/ share.
 *
 * Threads: the channel (consumes ring or frames, runs short work itself), the
 * service thread (slow calls: modules, destruction), the monitor (death of the
 * client, control socket, timed and value waits), the pool (kernels, big
 * copies).
 *
 * Locks, in the order in which they may nest:
 *   e->module_lock  compile, load, unload (service thread)
 *   e->tab_lock     tables of contexts, modules, functions, events
 *   q->lock         one queue's list and state (never two at once)
 *   ctx->lock       fault text, printf, heap
 *   e->mem_lock     window
 *   the checker's own (backend/check/), sched.lock, job->lock, e->wait_lock, e->send_lock, e->ctl_lock: leaves
 */
#ifndef VGPU_ENGINE_ENG_PRIV_H
#define VGPU_ENGINE_ENG_PRIV_H

#include <pthread.h>

#include "backend/backend.h"
#include "backend/tex.h"
#include "engine/eng_range.h"
#include "engine/engine.h"
#include "protocol/vgp_codec.h"
#include "protocol/vgp_ctl.h"
#include "util/cleanup.h"
#include "util/htab.h"
#include "util/roost.h"
#include "util/sys.h"
#include "util/vec.h"

/* What a handler answers besides 0 and -status. */
enum { ENG_DONE = 0, ENG_ASYNC = 1 };

#define ENG_REPLY_MAX 65536u
/* Commands of one queue that may wait, and bytes of data of all; more is the client's fault. */
#define ENG_QUEUE_MAX 262144u
#define ENG_QUEUED_BYTES_MAX (1ull << 30)
#define ENG_EVENTS_MAX 1048576u
#define ENG_MODULES_MAX 65536u
/* Bytes of each log that a context keeps for MODULE_LOG. */
#define ENG_LOG_MAX (16u << 20)

/* ---- calls ---- */

struct eng_call {
	struct vgp_cmd cmd;
	const uint8_t *data;          /* cmd.data_len bytes, private */
	struct vgp_reply reply;
	uint8_t *out;                 /* out_cap bytes for out data */
	uint32_t out_len, out_cap;
	struct eng_call *next;        /* service list */
};

typedef int (*eng_call_f)(struct eng *e, struct eng_call *c);

/* ---- queues ---- */

struct eng_cmd {
	struct eng_cmd *next;
	struct vgp_cmd c;
	_Alignas(16) uint8_t data[];  /* c.data_len bytes */
};

enum eng_blocked { ENG_B_NONE, ENG_B_QUEUE, ENG_B_HOST, ENG_B_VALUE, ENG_B_JOB };

struct eng_queue_waiter {
	struct eng_queue *q;          /* its head waits … */
	uint64_t value;               /* … for this queue to reach value */
	uint64_t token;               /* q's block token then */
};

/* One timeline slot. Never freed, so that a pointer to it stays good; `used` tells whether it means a queue. */
struct eng_queue {
	pthread_mutex_t lock;
	uint32_t index;
	bool used;
	struct eng_ctx *ctx;
	int priority;
	struct eng_cmd *head, *tail;
	uint32_t n_cmds;
	bool busy;                    /* somebody executes the head, or it is blocked */
	enum eng_blocked blocked;
	uint64_t token;               /* grows with each block; tells a late wake-up from the right one */
	uint64_t received, completed; /* seqs */
	uint64_t host_done;
	VGPU_VEC(struct eng_queue_waiter) waiters;
	struct eng_queue *ready_next; /* thread's list of queues to pump */
	/* QUEUE_DESTROY waits until it is empty */
	bool destroy;
	uint64_t destroy_seq;
	uint16_t destroy_slot;
};

typedef int (*eng_queued_f)(struct eng *e, struct eng_queue *q, struct eng_cmd *c);

/* ---- contexts ---- */

struct eng_heap;
struct chk_mem;

/* One context number. Never freed, as queues aren't. */
struct eng_ctx {
	struct eng *e;
	uint32_t id;
	bool used;
	const struct vgpu_device *dev;
	const struct be_ops *be;      /* what its kernels run on */
	struct be_services services;
	volatile uint32_t cancel;
	uint32_t status;              /* sticky; atomic */
	pthread_mutex_t lock;
	uint64_t fault_addr;
	char fault_text[512];
	uint64_t limits[VGP_LIMIT_COUNT];
	struct vgpu_buf print;
	struct vgpu_buf log[2];       /* info and errors of the latest MODULE_LOAD */
	struct eng_heap *heap;
	uint64_t next_grid;           /* atomic */
};

/* ---- memory ---- */

#define ENG_GRANULE (2ull << 20)

struct eng_small;
struct eng_span {
	uint64_t addr, size;          /* accessible */
	uint64_t extent;              /* with the gap behind it */
	uint32_t ctx, kind;
	const struct vgpu_device *dev;
	bool counted;
	struct eng_small *small;      /* NULL: one allocation */
	uint64_t asked;
};

struct eng_extent {
	uint64_t addr, size;
};

struct eng_window {
	int fd;
	uint64_t addr, size;          /* addr 0: not placed yet */
	uint64_t fd_size;
	bool foreign;                 /* the client's mapping (loopback) */
	VGPU_VEC(struct eng_span *) spans;      /* by address */
	VGPU_VEC(struct eng_extent) free;       /* by address */
	VGPU_VEC(struct eng_extent) cache;      /* free, but their pages are still there */
	uint64_t cached;
};

/* ---- modules ---- */

struct ir_module;
struct eng_module {
	uint32_t id;
	struct eng_ctx *ctx;
	struct ir_module *ir;
	struct be_module *bm;
	uint64_t *var_addr;
	uint64_t mem, managed;        /* allocations, 0: none */
	uint32_t refs;                /* by tab_lock: table + launches */
	VGPU_VEC(struct eng_func *) funcs;
};

struct eng_func {
	uint32_t id, index;           /* index into ir->funcs */
	struct eng_module *mod;
	struct be_kernel *kernel;
	struct be_kernel_info info;
};

/* ---- textures ---- */

#define ENG_TEX_MAX (1u << 17)

struct eng_tex;
struct eng_texes {
	struct tex_table tab;         /* written under tab_lock, read by kernels without */
	struct eng_tex *list, *dead;  /* by tab_lock; dead ones may still be in use by a kernel */
	uint32_t n;
	uint64_t running;             /* launches in flight; atomic */
};

/* ---- scheduler ---- */

struct eng_block;
struct eng_job;

/* One queued command's work in pieces: blocks of a launch, or slices of a copy. */
struct eng_job {
	struct eng_job *next, *prev;  /* by sched.lock */
	struct eng *e;
	struct eng_queue *q;
	struct eng_ctx *ctx;
	/* a launch (kernel set), or pieces: run_piece answers 0 or -status with *addr of the fault */
	struct be_launch launch;
	struct eng_module *mod;
	int (*run_piece)(struct eng_job *j, uint64_t piece, uint64_t *addr);
	struct eng_cmd *cmd;          /* pieces: the command that they are of */
	uint64_t n_units, per_unit;   /* units: clusters or pieces; per_unit: blocks in one */
	uint64_t n_parts, done;       /* blocks or pieces; done is atomic */
	uint64_t chunk_max;           /* 1: units also start in ascending order */
	bool all_resident;
	uint64_t max_resident;

	pthread_mutex_t lock;
	struct eng_ranges units;      /* that nobody has taken */
	VGPU_VEC(struct eng_extent) returned;   /* units taken but given back: [addr, addr+size) */
	struct eng_block *susp_head, *susp_tail;
	uint64_t n_susp, resident, stalls;
	bool no_room;                 /* block_new failed; try again when a block has ended */

	uint32_t refs;                /* by sched.lock: list, visitors */
	bool listed, finished;
	uint64_t begun_ns;
	uint64_t workspace;           /* cooperative launch */
	uint8_t params[];
};

struct eng_task {
	struct eng_task *next;
	void (*run)(struct eng *e, void *arg);
	void *arg;
};

struct eng_sched {
	pthread_mutex_t lock;
	struct eng_job *jobs;         /* ring */
	uint32_t n_jobs;              /* read without the lock as a hint */
	struct eng_task *tasks, *tasks_tail;
	uint32_t gen;                 /* futex: changes with new work */
	uint32_t sleepers, spinners;
	uint32_t stop;
	struct vgpu_roost roost;      /* where its threads sleep */
	unsigned n_threads, spin_threads;
	pthread_t *threads;
	unsigned n_started;
	unsigned n_named;             /* atomic: threads that know their number */
	uint32_t active[VGPU_MAX_DEVICES];      /* jobs per device */
	uint64_t active_since[VGPU_MAX_DEVICES], busy_ns[VGPU_MAX_DEVICES];
	/* devices that are a part of another (MIG) get that share of the CPUs */
	uint32_t share[VGPU_MAX_DEVICES];       /* per mille; 0: all of them */
	uint64_t paid_until[VGPU_MAX_DEVICES];  /* atomic: ns; work before this moment has used its share */
	unsigned cpus;
};

/* ---- the engine ---- */

struct eng_queue_wait {               /* QUEUE_WAIT that is answered later */
	uint64_t seq, value, deadline;
	uint16_t slot;
	struct eng_queue *q;
};

struct eng_value_wait {
	struct eng_queue *q;
	uint64_t token;
	struct vgp_args_VALUE_WAIT a;
};

struct eng {
	struct eng_config cfg;
	struct vgpu_device *devs;
	const struct be_ops *be;

	/* ring */
	int ring_fd;
	unsigned beside;              /* times in a row that the client was on the channel's CPU */
	uint64_t parted_ns;
	uint8_t *ring;
	uint64_t ring_size;
	struct vgp_ring_hdr *hdr;
	struct vgp_cmd *cmds;
	struct vgp_reply_slot *replies;
	uint8_t *data;
	struct vgp_timeline *timelines;
	struct vgp_context_word *contexts;
	uint32_t head;

	uint32_t stopping;            /* atomic */
	uint32_t fatal;               /* atomic: enum vgpu_status */
	uint8_t *frame;               /* frames: receive buffer */
	pthread_mutex_t send_lock;

	struct eng_window win;
	pthread_mutex_t mem_lock;
	uint64_t used[VGPU_MAX_DEVICES];        /* bytes counted, by mem_lock */
	struct chk_mem *chk;                    /* set once, by mem_lock: what the memory checker knows; NULL: nobody is checked */
	uint32_t n_ctx[VGPU_MAX_DEVICES];       /* contexts, by tab_lock; read without it as a snapshot */
	uint64_t usage_told;                    /* monitor only: when USAGE was sent */
	/* What contexts' words have been told of, and the devices of these contexts; by tab_lock. */
	struct {
		uint64_t to, from;
		unsigned slot;
	} link_seen[VGP_CONTEXTS];
	uint64_t link_to[VGPU_MAX_DEVICES], link_from[VGPU_MAX_DEVICES]; /* not told yet, by tab_lock */

	pthread_mutex_t tab_lock;
	struct eng_ctx *ctxs[VGP_CONTEXTS];
	struct eng_queue *queues;     /* VGP_QUEUES */
	struct vgpu_htab modules, funcs, events;
	uint32_t next_id;
	struct eng_texes tex;
	pthread_mutex_t module_lock;

	uint64_t queued_bytes;        /* atomic */

	pthread_mutex_t wait_lock;
	VGPU_VEC(struct eng_queue_wait) waits;
	VGPU_VEC(struct eng_value_wait) values;
	uint32_t n_waits, n_values;   /* atomic hints */
	int monitor_fd;               /* eventfd that wakes the monitor */
	pthread_t monitor, service;
	bool monitor_on, service_on;

	pthread_mutex_t service_lock;
	pthread_cond_t service_cond;
	struct eng_call *calls, *calls_tail;

	pthread_mutex_t ctl_lock;     /* one request at a time */
	pthread_mutex_t ctl_state;
	pthread_cond_t ctl_cond;
	struct vgp_ctl ctl_request, ctl_answer;
	uint64_t ctl_number;
	bool ctl_waiting, ctl_answered, ctl_gone;

	struct eng_sched sched;
	pthread_t loop_thread;
};

/* eng_channel.c */
int eng_channel_init(struct eng *e, struct vgpu_err *err);
void eng_channel_fini(struct eng *e);
void eng_channel_run(struct eng *e);
bool eng_channel_waits(struct eng *e);          /* a command waits to be taken */
void eng_reply(struct eng *e, struct eng_call *c, int status);
void eng_reply_later(struct eng *e, uint64_t seq, uint16_t slot, int status, const struct vgp_reply *r);
void eng_fatal(struct eng *e, int status, const char *why);
void eng_publish(struct eng *e, struct eng_queue *q, uint64_t completed);
void eng_publish_ctx(struct eng *e, struct eng_ctx *ctx);
bool eng_is_channel(void);
bool eng_stopped(struct eng *e);
void *eng_service_thread(void *arg);
void eng_kill_contexts(struct eng *e, int status, const char *why);

/* eng_monitor.c */
int eng_monitor_start(struct eng *e, struct vgpu_err *err);
void eng_monitor_wake(struct eng *e);
void eng_monitor_join(struct eng *e);
void eng_waits_check(struct eng *e, struct eng_queue *q);       /* q moved: answers QUEUE_WAITs */
/* device: place in the table that START brought */
int eng_ctl_ask(struct eng *e, uint32_t op, uint32_t device, uint64_t value, struct vgp_ctl *answer);
/* eng_link.c: bytes that copies carry. A context of number id begins on a device (under tab_lock); a look at what clients have
 * counted; what is to be told of a device. */
void eng_link_begin(struct eng *e, uint32_t id, unsigned slot);
void eng_link_look(struct eng *e);
void eng_link_take(struct eng *e, unsigned slot, uint32_t *to_KiB, uint32_t *from_KiB);
/* n bytes of text behind the message. */
void eng_ctl_text(struct eng *e, uint32_t op, uint32_t device, const char *text, size_t n);
void eng_ctl_tell(struct eng *e, uint32_t op, uint32_t device, uint64_t value, uint64_t value2);

/* eng_ctx.c */
struct eng_ctx *eng_ctx_get(struct eng *e, uint32_t id);
static inline uint32_t eng_ctx_status(const struct eng_ctx *ctx)
{
	return __atomic_load_n(&ctx->status, __ATOMIC_ACQUIRE);
}

/* The device is gone for this process: its contexts end with that status. */
void eng_device_lost(struct eng *e, uint32_t device, int status);

/* eng_fault.c: the first fault of a context stays; everything that it runs or waits for ends. */
void eng_fault(struct eng_ctx *ctx, int status, uint64_t addr, const char *fmt, ...) VGPU_PRINTF(4, 5);

/* eng_mem.c */
int eng_mem_init(struct eng *e, struct vgpu_err *err);
void eng_mem_fini(struct eng *e);
int eng_mem_place(struct eng *e, struct vgpu_err *err);
enum {
	ENG_MEM_ZERO = 1,
	ENG_MEM_PARTS = 2,     /* the checker is told of its parts, not of the whole */
};
int eng_mem_alloc(struct eng *e, struct eng_ctx *ctx, uint64_t size, uint64_t align, uint32_t kind, unsigned flags, uint64_t *addr_out);
int eng_mem_free(struct eng *e, uint64_t addr);
void eng_mem_free_ctx(struct eng *e, struct eng_ctx *ctx);
bool eng_mem_inside(const struct eng *e, uint64_t addr, uint64_t len);
/* Guarded copies between the window and private memory: 0 or -E_ILLEGAL_ADDRESS and where. */
int eng_mem_move(void *dst, const void *src, uint64_t len, uint64_t *fault);
int eng_mem_read(struct eng *e, uint64_t addr, void *dst, uint64_t len, uint64_t *fault);
int eng_mem_write(struct eng *e, uint64_t addr, const void *src, uint64_t len, uint64_t *fault);

/*
 * eng_check.c: what the memory checker is told. Nothing, and at no cost, where
 * no context of the session is checked.
 */
int eng_check_start(struct eng *e, struct eng_ctx *ctx);        /* ctx is a checked one */
void eng_check_end(struct eng_ctx *ctx);
void eng_check_fini(struct eng *e);
/* The daemon hears what is new: of kernels that have ended, and, now and then, of those that run. */
void eng_check_tell(struct eng_ctx *ctx);
void eng_check_tell_all(struct eng *e);
static inline struct chk_mem *eng_chk(const struct eng *e)
{
	return __atomic_load_n(&e->chk, __ATOMIC_ACQUIRE);
}
void eng_check_alloc(struct eng *e, const struct eng_ctx *ctx, uint64_t addr, uint64_t size, uint32_t kind, unsigned flags);
void eng_check_span(struct eng *e, const struct eng_ctx *ctx, const struct eng_span *s);
void eng_check_heap(struct eng_ctx *ctx, uint64_t addr, uint64_t size);
void eng_check_var(struct eng *e, const struct eng_ctx *ctx, uint64_t addr, uint64_t size, const char *name);
void eng_check_free(struct eng *e, uint64_t addr);
void eng_check_free_ctx(struct eng *e, const struct eng_ctx *ctx);
void eng_check_written(struct eng *e, uint64_t addr, uint64_t len);
void eng_check_copied(struct eng *e, uint64_t dst, uint64_t src, uint64_t len);
/* Bytes that an allocation has beyond what was asked for, so that something lies between it and the next. */
uint64_t eng_check_gap(const struct eng_ctx *ctx);

/* eng_small.c: allocations inside one granule */
struct eng_small *eng_small_new(void);
void eng_small_free(struct eng_small *s);
int64_t eng_small_take(struct eng_small *s, uint64_t size, uint64_t align);
/* Bytes that were freed, 0: nothing begins there. */
uint64_t eng_small_give(struct eng_small *s, uint64_t off);
bool eng_small_empty(const struct eng_small *s);

/* eng_module.c */
void eng_modules_free_ctx(struct eng *e, struct eng_ctx *ctx);
struct eng_func *eng_func_ref(struct eng *e, uint32_t id);       /* holds its module */
void eng_module_unref(struct eng *e, struct eng_module *m);

/* eng_tex.c */
void eng_tex_free_ctx(struct eng *e, const struct eng_ctx *ctx);
void eng_tex_fini(struct eng *e);
/* Around every launch: what kernels may have looked up isn't freed between the two. */
void eng_tex_enter(struct eng *e);
void eng_tex_leave(struct eng *e);

/* eng_queue.c */
int eng_queues_init(struct eng *e, struct vgpu_err *err);
void eng_queues_fini(struct eng *e);
int eng_queue_push(struct eng *e, struct eng_cmd *c);
/* The command that was answered with ENG_ASYNC has ended. */
void eng_queue_finish(struct eng *e, struct eng_queue *q);
/* Blocks the head; the token for eng_queue_resume. Called from a handler, before anybody can resume. */
uint64_t eng_queue_block(struct eng_queue *q, enum eng_blocked why);
void eng_queue_resume(struct eng *e, struct eng_queue *q, uint64_t token);
/* Ends a handler that has blocked its head: looks again whether the context died meanwhile. */
int eng_queue_blocked(struct eng *e, struct eng_queue *q, uint64_t token);
/* Waits until no queue of ctx has work, then forgets them. */
void eng_queues_drain(struct eng *e, struct eng_ctx *ctx);
void eng_queue_kick(struct eng *e, struct eng_queue *q);

/* eng_sched.c */
int eng_sched_start(struct eng *e, struct vgpu_err *err);
void eng_sched_stop(struct eng *e);
struct eng_job *eng_job_new(struct eng *e, struct eng_queue *q, uint32_t param_len);
void eng_job_drop(struct eng *e, struct eng_job *j);            /* one that was never submitted */
/* Runs it here when it is short and nothing else is to do, else gives it to the pool. */
void eng_job_submit(struct eng *e, struct eng_job *j, bool try_here);
int eng_task_submit(struct eng *e, void (*run)(struct eng *e, void *arg), void *arg);
uint64_t eng_sched_busy_ns(struct eng *e, unsigned dev);
/* Resident blocks of a launch that the device reports (all its multiprocessors). */
uint64_t eng_occupancy(const struct vgpu_device *d, uint32_t threads, uint32_t shared_B);

/* eng_event.c */
void eng_values_poll(struct eng *e);

/* eng_print.c, eng_heap.c: be_services */
bool eng_print(void *ctx, const char *text, size_t len);
uint64_t eng_heap_alloc(void *ctx, uint64_t size);
void eng_heap_free(void *ctx, uint64_t addr);
void eng_heap_fini(struct eng_ctx *ctx);

/* Handlers, one per row of vgp_msg.def: eng_do_X of calls, eng_q_X of queued commands. */
#define ARGS(...)
#define REPLY(...)
#define F(type, name)
#define ENG_DECL_CALL(name) int eng_do_##name(struct eng *e, struct eng_call *c);
#define ENG_DECL_QUEUED(name) int eng_q_##name(struct eng *e, struct eng_queue *q, struct eng_cmd *c);
#define M(name, num, kind, since, args, reply) ENG_DECL_##kind(name)
#include "protocol/vgp_msg.def"
#undef M
#undef F
#undef ARGS
#undef REPLY

#endif
