/*
 * sd_rt.h: the contract between generated code and the run time of the simd
 * backend: what a kernel's function is called with, what it answers, and what
 * comes with an object. Plain C layouts; SD_RT_VERSION is part of the cache
 * key and changes with anything here.
 *
 * A kernel is one function: uint32_t fn(struct sd_ctx *c, uint32_t state). It
 * runs a gang (W threads, a whole number of warps, the first of them thread
 * c->gang * W of the block) from the state on until it ends or has to wait,
 * and answers SD_DONE or the state in which to call it again; then c->why says
 * what it waits for. What lives across is in c->frame.
 */
#ifndef VGPU_BACKEND_SIMD_SD_RT_H
#define VGPU_BACKEND_SIMD_SD_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"

#define SD_RT_VERSION 7
#define SD_MAX_WARPS 8             /* of a gang */
#define SD_MAX_W (SD_MAX_WARPS * 32)
#define SD_BLOCK_WARPS 32          /* most of a block */

#define SD_DONE 0u                 /* all lanes have ended */
#define SD_CROSS 0x40000000u       /* states from here on are the other half's: both number them alike */
#define SD_GAVE_UP 0xffffffffu     /* cancelled, or a fault was reported: the block is over */

/* c->why, with a state to go on in */
enum sd_why {
	SD_WHY_BARRIER,            /* c->bar_*; go on when it is complete */
	SD_WHY_YIELD,              /* it waits in a loop: others first */
	SD_WHY_CANCEL,             /* with SD_GAVE_UP: *c->cancel was seen */
	SD_WHY_FAULT,              /* with SD_GAVE_UP: it was reported */
	SD_WHY_ACCESS,             /* with SD_GAVE_UP: the access c->fault_ref is misaligned or outside of its space */
	SD_WHY_WORLD,              /* go on in the object of the other half (GEN_F_WORLD_*), in the same frame */
};

enum sd_isa { SD_ISA_SSE42, SD_ISA_AVX2, SD_ISA_AVX512, SD_ISA_COUNT };

struct sd_ctx;

/* Functions of the run time that generated code calls, through c->calls. */
struct sd_calls {
	/*
	 * Runs an instruction for the lanes c->mask on the registers in c->rows, as the interp backend does. ref: into
	 * the kernel's list of references. False: a fault was reported; the code answers SD_GAVE_UP.
	 */
	bool (*insn)(struct sd_ctx *c, uint32_t ref);
	/* Reports a fault of the reference's instruction in the given lane of the gang. */
	void (*fault)(struct sd_ctx *c, uint32_t ref, uint32_t status, uint32_t lane, uint64_t addr);
	uint64_t (*clock)(struct sd_ctx *c);
	uint64_t (*globaltimer)(struct sd_ctx *c);
	/* bar.arrive: doesn't wait */
	bool (*bar_arrive)(struct sd_ctx *c, uint32_t ref, uint32_t id, uint32_t count);
};

struct sd_ctx {
	/* of the launch and the block */
	const uint8_t *params;
	uint8_t *shared;           /* 4 GiB of address space from here on are the block's: a 32-bit offset can't leave it */
	const volatile uint32_t *cancel;
	const uint64_t *addr;      /* addresses of module variables and functions, by sd_meta.syms */
	const struct sd_calls *calls;
	uint64_t coop_workspace, grid_id;
	uint64_t win_base, win_mask;       /* an address is inside the window when (address ^ win_base) & win_mask is 0 */
	uint32_t ctaid[3], nctaid[3], ntid[3];
	uint32_t n_warps, smid, nsmid, shared_dyn, shared_B;
	/*
	 * Blocks behind this one in x that the code may go on with when it is done: then ctaid[0] says which one was the
	 * last, and more how many are left. For blocks of one gang; smid isn't kept up.
	 */
	uint32_t more;
	/*
	 * The block's gangs may take turns in the code, from the first one and state phase_state on: each that comes to a
	 * barrier for all of the block, or ends, as those in front of it did (phase_next: their state) is followed by the next one.
	 */
	uint32_t in_turn, phase_state, phase_next;
	uint8_t *frame_0, *local_0;/* the first gang's */
	uint64_t frame_step;       /* bytes from one gang's frame to the next one's */
	/* of the gang */
	uint32_t gang;             /* its number in the block */
	uint8_t *local;            /* local memory of its first thread */
	uint64_t local_stride;     /* bytes from one thread's to the next one's */
	uint8_t *frame;
	uint32_t valid[SD_MAX_WARPS];   /* threads that exist, by warp */
	uint32_t full;             /* not 0: they all do */
	const uint32_t *tid[3];    /* of its W threads; set when sd_meta.generic_tid */
	/* what the function answers */
	uint32_t why;
	uint32_t bar_id, bar_count;     /* count: threads; 0: all */
	uint32_t bar_mode, bar_op;      /* enum ir_mode, enum ir_bool */
	uint32_t live[SD_MAX_WARPS];    /* lanes that have not exited, written before a wait */
	uint32_t bar_mask[SD_MAX_WARPS];/* lanes that arrive; bar.red: … */
	uint32_t bar_pred[SD_MAX_WARPS];/* … their predicates */
	uint32_t bar_result;            /* bar.red: read when the function goes on */
	/* calls of sd_calls.insn */
	uint32_t mask[SD_MAX_WARPS];
	uint64_t *rows;            /* registers: row r of warp s is rows[(r * (W / 32) + s) * 32 …], 64 bits a lane, as in alu.h */
	/* the run time's own */
	struct sd_block *blk;
	uint32_t fault_ref;
};

typedef uint32_t (*sd_fn)(struct sd_ctx *c, uint32_t state);

/* An instruction that generated code refers to by number. */
struct sd_ref {
	uint32_t func, block, index;   /* of the module's IR */
	uint32_t local_off;            /* where the frame of the inlined function lies in local memory */
};

/* A value that generated code finds in c->addr. */
struct sd_sym {
	uint32_t kind;             /* enum ir_sym_kind: address of a variable, or value of a pointer to a function */
	uint32_t index;
};

/* What comes with an object. */
struct sd_meta {
	uint32_t W;
	uint32_t frame_B;          /* of a gang, 64-byte aligned */
	uint32_t n_states;
	uint32_t n_rows;           /* of c->rows */
	uint32_t local_B;          /* of one thread: frames of all inlined functions */
	uint32_t granule;          /* of local memory, where it is interleaved by lane: bytes; else 0 */
	uint32_t generic_tid;
	uint32_t ftz;              /* MXCSR: FTZ and DAZ */
	uint32_t n_refs, n_syms;
	uint32_t turns;            /* gangs may take turns */
	uint32_t tier, half;       /* as they were asked for: gen_request.tier, GEN_F_WORLD_* of .flags */
	uint32_t n_loops;          /* 0: a block ends within as many instructions as there are */
	uint32_t insns, inlined;   /* statistics */
	uint32_t carried;          /* values that blocks of world 1 hand on */
};

/* From so many on the compiler has trouble with both halves in one, and what it makes of them isn't better. */
#define SD_MANY_CARRIED 16000

/* Of generated code on its thread's stack; what needs more is refused. */
#define SD_FRAME_MAX_B 2097152

#endif
