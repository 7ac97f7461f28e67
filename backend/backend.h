/*
 * backend.h: the seam between the engine (memory, streams, scheduling) and
 * what executes kernels (interp, simd, cuda). The engine schedules blocks; a
 * backend runs one block at a time on the calling thread and can give it up
 * in the middle, so that blocks that wait on each other make progress and a
 * launch can be cancelled.
 *
 * Threads: compile and destroy under the engine's module lock; block_* of
 * different blocks concurrently from any thread, of one block from one thread
 * at a time.
 */
#ifndef VGPU_BACKEND_BACKEND_H
#define VGPU_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct ir_module;
struct ir_func;
struct tex_table;
struct chk;
struct be_module;   /* a backend's form of a module */
struct be_kernel;   /* one .entry, ready to run */
struct be_block;    /* a block in flight */

/* What kernels can ask of the engine. Callbacks may be called from any engine thread. */
struct be_services {
	void *cookie;
	/*
	 * True if [addr, addr+len) is memory that kernels of this context may access; write: for writing.
	 * Fast path: addresses inside [window, window+window_size) may be touched directly, faults there
	 * (pages that aren't allocated) are caught by the engine's SIGSEGV handler where the backend
	 * set up be_guard_* around the access. Anything else than the window, the block's own shared
	 * and local memory and the constant bank is E_ILLEGAL_ADDRESS.
	 */
	uint64_t window, window_size;
	/* vprintf: fmt and args are generic device addresses already checked by the backend to be readable;
	 * text is formatted by the backend. Returns false when the FIFO is full. */
	bool (*print)(void *cookie, const char *text, size_t len);
	/* Device heap. 0 when it is exhausted. */
	uint64_t (*heap_alloc)(void *cookie, uint64_t size);
	void (*heap_free)(void *cookie, uint64_t addr);
	/* Not 0: give up (context destroyed, client gone, another block faulted). Read with relaxed order. */
	const volatile uint32_t *cancel;
	/* Rate of %clock64 in kHz. */
	uint64_t clock_khz;
	uint32_t sm_count;
	/* What texture and surface handles stand for (tex.h); NULL: there are none. */
	const struct tex_table *textures;
	struct chk *check;        /* be_check's (check/check.h); NULL: nothing is checked */
	/* Number of instructions of a warp after which block_run yields, even when it could go on: interp's; compiled code
	 * gives way only where it waits. */
	uint32_t slice;
};

/* One launch; constant while its blocks run. */
struct be_launch {
	const struct be_kernel *kernel;
	const struct be_services *services;
	uint32_t grid[3], block[3], cluster[3];   /* cluster: 1,1,1 without clusters */
	uint32_t shared_dyn;                      /* bytes */
	const uint8_t *params;                    /* param_bytes of them */
	uint32_t param_bytes;
	uint64_t grid_id;
	uint64_t coop_workspace;                  /* device address, 0: not cooperative */
	uint32_t stack_B;                         /* limit of local memory for calls, per thread */
};

struct be_fault {
	int status;               /* enum vgpu_status: E_ILLEGAL_ADDRESS, E_MISALIGNED, E_ASSERT … */
	uint64_t addr;            /* of a memory fault */
	uint32_t block[3], thread[3];
	uint32_t ptx_line;
	char text[256];           /* one line, for CTX_STATUS and logs */
};

enum be_run {
	BE_RUN_DONE,      /* the block has ended */
	BE_RUN_YIELD,     /* slice used up; it could go on */
	BE_RUN_SPIN,      /* it seems to wait for another block (spin loop, nanosleep, cluster barrier) */
	BE_RUN_FAULT,     /* *fault is filled; the context is dead */
	BE_RUN_CANCELLED,
};

struct be_kernel_info {
	uint32_t shared_static, local_B, regs, const_B;
};

struct be_ops {
	const char *name;
	bool needs_text;          /* modules keep their text (ir_module.texts): they are compiled again, elsewhere */
	/* var_addr[i]: device address of module variable i (m->vars[i]), given by the engine for .global,
	 * .const and managed ones (0 for others). The module outlives what compile makes from it. */
	int (*module_new)(struct be_module **out, const struct ir_module *m, const uint64_t *var_addr, struct vgpu_err *err);
	void (*module_free)(struct be_module *bm);
	/* Generic value of a function's address (.global pointers to functions); stable per module. */
	uint64_t (*func_addr)(struct be_module *bm, uint32_t func);
	int (*kernel_new)(struct be_kernel **out, struct be_module *bm, uint32_t func, struct vgpu_err *err);
	void (*kernel_free)(struct be_kernel *k);
	void (*kernel_info)(const struct be_kernel *k, struct be_kernel_info *info);
	/* linear: x fastest. NULL and *err when memory is short or the launch doesn't fit. */
	struct be_block *(*block_new)(const struct be_launch *l, uint64_t linear, struct vgpu_err *err);
	/* Blocks of a cluster know each other: called for each block of it before the first runs. peers: cluster rank order. */
	void (*block_link)(struct be_block *b, struct be_block *const *peers, uint32_t n);
	enum be_run (*block_run)(struct be_block *b, struct be_fault *fault);
	void (*block_free)(struct be_block *b);
	/*
	 * NULL: there is none. Runs the blocks lo … hi - 1, one after the other, for as long as each ends in its first
	 * turn, without the cost of making and freeing each; answers how many have ended. If that isn't all, *r says why
	 * the next one didn't, as block_run would, and *b is that block; *b NULL: it could not be made, *err.
	 */
	uint64_t (*blocks_run)(const struct be_launch *l, uint64_t lo, uint64_t hi, struct be_block **b, enum be_run *r,
			       struct be_fault *fault, struct vgpu_err *err);
	/* NULL: always. Does a block's turn end soon, with all that comes before it? Who asks has other things to attend to. */
	bool (*is_brief)(const struct be_launch *l);
};

extern const struct be_ops be_interp, be_simd;

/* By name ("interp", "simd", "check"), NULL: unknown. */
const struct be_ops *be_find(const char *name);

/*
 * Guarded access to the window. The engine installs the SIGSEGV/SIGBUS
 * handler once per process (be_guard_install) and each engine thread an
 * alternate stack; an access that faults between enter and leave comes back
 * from be_guard_enter with 1 and the address in be_guard_addr().
 *     if (be_guard_enter()) { …fault… } … accesses … be_guard_leave();
 * be_guard_enter is sigsetjmp-like: a macro.
 */
#include <setjmp.h>
struct be_guard {
	sigjmp_buf jmp;
	volatile int armed;
	uint64_t addr;
};
extern __thread struct be_guard be_guard_tls;
#define be_guard_enter() (sigsetjmp(be_guard_tls.jmp, 0) ? 1 : (be_guard_tls.armed = 1, 0))
#define be_guard_leave() ((void)(be_guard_tls.armed = 0))
uint64_t be_guard_addr(void);
int be_guard_install(struct vgpu_err *err);

/* Stack that a thread needs which runs blocks: compiled ones have their registers there. */
#define BE_STACK_B (8u << 20)

#endif
