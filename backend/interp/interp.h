/*
 * interp.h: inside of the interp backend, a warp-wide interpreter of the IR.
 *
 * A kernel and every function that it can reach are decoded once into one
 * array of struct in_insn: a handler plus the rows, constants and addresses
 * that it works on. A row is a register of a warp: 32 x 64 bits. A handler
 * does one instruction for all lanes in its mask.
 *
 * Lanes that stand at the same pc in the same call frame form a group; a warp
 * is a set of groups that shrinks again when groups meet. Call frames form a
 * tree: lanes that call together share a frame, and their return leads to the
 * frame that they shared before.
 *
 * Memory: every access is checked. .local, a function's parameters and
 * .param variables of calls are per-thread bytes: local memory. Addresses of
 * .shared and .local are offsets; the generic address of such an object is the
 * host address in the block's private buffer.
 */
#ifndef VGPU_BACKEND_INTERP_INTERP_H
#define VGPU_BACKEND_INTERP_INTERP_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "backend/interp/alu.h"
#include "backend/tensor.h"
#include "compiler/ir/ir.h"
#include "util/buf.h"
#include "util/compiler.h"
#include "util/htab.h"
#include "util/vec.h"

#define ALL_LANES 0xffffffffu
#define IN_NOROW 0xffffffffu
#define IN_CONST_ROW 0x80000000u   /* row of the kernel's constants, not of the frame */
#define IN_MAX_COLL 32             /* most rows in or out of a collective */

/* Shared memory starts with what the system keeps (%reserved_smem_offset_*). */
#define IN_SHARED_RESERVED 1024u
#define IN_SHARED_RESERVED_1 512u
#define IN_NBARRIER 16

struct in_warp;
struct in_insn;
struct in_fast;
struct in_watch;
struct chk_block;
struct chk_kernel;

/* What a handler answers. */
enum in_next {
	IN_NEXT,        /* the group goes on behind the instruction */
	IN_JUMP,        /* the handler set the group's pc */
	IN_RESCHED,     /* the handler changed the set of groups */
	IN_SPIN,        /* as IN_JUMP; and the group seems to wait for others */
	IN_FAULT,       /* block->fault is filled */
	IN_CANCEL,
};

/* m: lanes to work for, never 0. */
typedef int (*in_fn)(struct in_warp *w, const struct in_insn *i, uint32_t m);

struct in_insn {
	in_fn fn;
	union {
		alu_fn alu;
		const struct in_coll_op *coll;
		const struct in_call *call;
		const struct in_table *table;
		const struct in_tex *tex;
	};
	uint32_t guard;                /* predicate row */
	uint32_t d, d2, a, b, c, e;    /* rows */
	uint32_t target;               /* pc */
	int64_t off;                   /* added to the address in a */
	uint64_t mask;                 /* loads: bits of the result register */
	uint32_t *vec;                 /* rows of a vector operand */
	uint32_t size;                 /* bytes of one element */
	uint8_t n_vec;
	uint8_t space;                 /* enum ir_space */
	uint8_t order;                 /* enum ir_order */
	bool guard_neg;
	bool sign;                     /* loads: extend the sign */
	bool frame_base;               /* address: off inside the lane's frame; a is not used */
	bool addr32;                   /* address arithmetic is 32 bits wide */
	uint8_t sreg;                  /* enum ir_sreg */
	const struct ir_insn *ir;
};

struct in_table {                      /* brx.idx */
	uint32_t n;
	uint32_t *pc;
};

/* tex, tld4, suld, sust, sured, txq, suq: rows of operands, IN_NOROW where there is none. */
struct in_tex {
	uint8_t shape, lod_mode, result;     /* tex.h: enum tex_shape, tex_lod, tex_result */
	bool int_coords;
	int8_t gather;
	uint8_t oob, store, red, elem_B, n_vec;
	bool formatted, is_signed;
	uint8_t query;
	uint32_t layer, x[3], lod, dx[3], dy[3], off[3];
	uint32_t d[4], v[4];
	uint32_t resident;                   /* predicate that becomes true */
};

/* A decoded function. */
struct in_func {
	const struct ir_func *ir;
	uint32_t index;                /* of the module's functions */
	uint32_t start;                /* pc */
	uint32_t n_rows;
	uint32_t *reg_row;             /* by register; a 128-bit one has two rows */
	bool reads_unset;              /* registers may be read before they are written */
	uint32_t cc_row, scratch_row;
	uint32_t frame_B, frame_align; /* local memory of a call: its .param variables, then its .local ones */
	uint32_t local_start;          /* where the .local ones start */
	uint64_t *shared_off;          /* of its own .shared variables, by local symbol */
	bool by_pointer;               /* only an indirect call can reach it */
	const char *broken;            /* then: why it can't run */
};

struct in_arg {
	enum { IN_ARG_ROW, IN_ARG_FRAME } kind;
	uint32_t row, off, size;       /* size: of a variable; 0: the callee's */
};

typedef int (*in_builtin_fn)(struct in_warp *w, const struct in_insn *i, uint32_t m);

struct in_call {
	struct in_arg *args, *rets;
	uint32_t n_args, n_rets;
	uint32_t func;                 /* of the module, direct calls */
	uint32_t target_row;           /* indirect calls */
	bool indirect;
};

struct be_module {
	const struct ir_module *ir;
	uint64_t *var_addr;
	uint64_t func_base;            /* what this module's function pointers start with */
	bool *addr_taken;              /* by function */
};

struct be_kernel {
	struct be_module *bm;
	const struct ir_module *m;
	const struct ir_func *entry;
	const struct in_fast *fast;    /* handlers for this CPU */
	const struct in_watch *watch;  /* who is told what the warps do; NULL: nobody */
	struct chk_kernel *chk;        /* the watcher's own, NULL without */
	uint32_t entry_func;
	struct in_func **funcs;        /* by the module's number; NULL: not reachable */
	VGPU_VEC(struct in_insn) code;
	VGPU_VEC(uint64_t) const_vals;
	struct vgpu_htab const_tab;    /* value -> 1 + number of its row */
	uint64_t *consts;              /* rows, made when all are known */
	VGPU_VEC(void *) owned;        /* freed with the kernel */
	uint64_t *shared_off;          /* of module variables; UINT64_MAX: not used */
	uint32_t shared_static;        /* bytes, without the reserved ones; dynamic ones follow */
	uint32_t shared_end;           /* where the last sized variable ends */
	uint32_t param_B, local_B;
	bool calls;
	bool uses_local;
};

struct in_frame {
	struct in_frame *parent;       /* also: next in the free list */
	const struct in_func *func;
	const struct in_call *call;
	uint32_t ret_pc;
	uint32_t live;                 /* lanes that have not returned */
	uint32_t depth;
	uint32_t lbase[WARP];          /* frame's place in each lane's local memory */
	uint32_t sp[WARP];             /* the caller's */
	uint64_t rows[] __attribute__((aligned(64)));
};

enum in_state { IN_G_FREE, IN_G_RUN, IN_G_SYNC /* at a warp collective */, IN_G_BAR };

struct in_group {
	uint32_t pc, mask;
	struct in_frame *frame;
	uint8_t state;
	uint8_t bar;                   /* IN_G_BAR: barrier; IN_NBARRIER: the cluster's */
	bool skip;                     /* others go first */
};

struct in_warp {
	struct be_block *blk;
	const uint64_t *base[2];       /* rows of the running frame, constants (written through in_row) */
	struct in_group g[WARP];
	uint32_t used;                 /* slots of g */
	uint32_t cur;
	uint32_t stop_pc;              /* where another group stands */
	uint32_t live, valid;          /* lanes not exited, lanes that exist */
	uint32_t index;                /* in the block */
	uint32_t thread0;              /* linear thread number of lane 0 */
	uint32_t sp[WARP];             /* end of each lane's used local memory */
	uint32_t cl_wait[WARP];        /* phase of the cluster barrier that each lane arrived for */

	/* lanes waiting in a collective */
	uint32_t sync_wait;
	bool sync_fault;               /* one that ran when another lane exited has faulted */
	uint32_t sync_mask[WARP];
	uint64_t sync_key[WARP];

	/* spin detection: what volatile and atomic loads saw since the last back edge */
	uint64_t obs, obs_last;
	uint32_t obs_n, obs_pc, spins, edges;
	bool stored;
	uint64_t tid[3][WARP];
};

struct in_barrier {
	uint32_t expect;               /* threads; 0: all that live */
	uint32_t extra;                /* arrivals beyond the first of a thread */
	uint32_t popc;
	bool used, all, any;
	uint32_t *arrived;             /* lanes by warp */
};

/* What the blocks of a cluster share; lives until the last of them is freed. */
struct in_cluster {
	uint32_t refs, n;
	struct in_peer {
		uint8_t *shared;
		uint64_t shared_B;
		uint32_t gen;          /* as cl_gen; UINT32_MAX: the block has ended */
	} peer[];
};

struct be_block {
	const struct be_kernel *k;
	const struct be_launch *l;
	const struct be_services *s;
	uint32_t ctaid[3];
	uint32_t rank;                 /* in the cluster */
	uint64_t linear;
	uint32_t n_threads, n_warps, n_done;
	uint32_t next;                 /* warp to go on with */
	uint32_t round_spins;
	bool round_progress;
	struct in_warp *warps;
	uint8_t *shared;               /* in_cache_get(shared_B) */
	uint64_t shared_B;
	uint8_t *local;
	uint64_t local_B;              /* of one thread */
	uint64_t local_used;           /* of one thread, at most */
	size_t size_B;                 /* of this, with what lies behind it: see block.c */
	uint8_t *params;
	struct vgpu_buf text[3];       /* printf's: here, so that a fault in it leaks nothing */
	struct in_barrier bar[IN_NBARRIER];
	uint32_t *bar_lanes;
	struct in_frame **frame_free;  /* by function */
	uint64_t frame_bytes;
	VGPU_VEC(struct in_frame *) frames;
	struct in_cluster *cluster;    /* NULL: a cluster of one */
	uint32_t cl_arrived;           /* threads at the cluster barrier in this phase */
	uint32_t cl_gen;               /* phases that all of this block's threads have arrived at */
	struct in_warp *cur;
	struct be_fault *fault;
	struct chk_block *chk;         /* the watcher's own, NULL without */
};

/*
 * Told, where a kernel has one, of what orders threads among each other and
 * of where local variables come to life. Kernels without pay a look at a
 * pointer, and none where they load and store.
 */
struct in_watch {
	/* Lanes m of the warp are at one place in the code, or have met. */
	void (*together)(struct in_warp *w, uint32_t m);
	void (*arrive)(struct in_warp *w, uint32_t bar);      /* at a barrier (IN_NBARRIER: the cluster's) … */
	void (*release)(struct in_warp *w, uint32_t bar);     /* … and let go behind it */
	void (*exit)(struct in_warp *w);                      /* some of its lanes have */
	void (*enter)(struct in_warp *w, uint32_t m, const struct in_frame *f);   /* a call */
	/* Reports an access that may not be, or isn't aligned, as a fault. */
	int (*bad)(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, uint32_t align, bool write);
	/* An access that in_resolve_at has found a place for. Not 0: a fault is reported. */
	int (*access)(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, bool write, uint8_t *p);
};

static inline uint64_t *in_row(const struct in_warp *w, uint32_t ref)
{
	return (uint64_t *)(uintptr_t)w->base[ref >> 31] + (size_t)(ref & ~IN_CONST_ROW) * WARP;
}

static inline uint64_t *in_frame_row(const struct be_kernel *k, const struct in_frame *f, uint32_t ref)
{
	const uint64_t *base = ref & IN_CONST_ROW ? k->consts : f->rows;

	return (uint64_t *)(uintptr_t)base + (size_t)(ref & ~IN_CONST_ROW) * WARP;
}

#define for_lanes(l, m) \
	for (uint32_t m_##l = (m), l; m_##l && (l = (uint32_t)__builtin_ctz(m_##l), 1); m_##l &= m_##l - 1)

/* One value for all lanes m of a row. */
static inline void in_spread(uint64_t *d, uint32_t m, uint64_t v)
{
	if (m == ALL_LANES) {
		for (int l = 0; l < WARP; l++)
			d[l] = v;
		return;
	}
	for_lanes(l, m)
		d[l] = v;
}

static inline void in_copy(uint64_t *d, const uint64_t *a, uint32_t m)
{
	if (m == ALL_LANES) {
		for (int l = 0; l < WARP; l++)
			d[l] = a[l];
		return;
	}
	for_lanes(l, m)
		d[l] = a[l];
}

static inline struct in_group *in_cur(struct in_warp *w)
{
	return &w->g[w->cur];
}

/* Volatile and atomic results feed the spin detector. */
static inline void in_observe(struct in_warp *w, uint64_t addr, uint64_t v)
{
	w->obs = (w->obs ^ addr ^ (v * 0x9e3779b97f4a7c15ull)) * 0xff51afd7ed558ccdull;
	w->obs ^= w->obs >> 29;
}

/* run.c */
int in_warp_run(struct in_warp *w, uint32_t *budget);
void in_group_split(struct in_warp *w, uint32_t m, uint32_t pc);
int in_back_edge(struct in_warp *w, uint32_t target);
void in_lanes_exit(struct in_warp *w, uint32_t m);
struct in_group *in_group_new(struct in_warp *w, uint32_t mask, uint32_t pc, struct in_frame *f);
int in_run_bra(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_brx(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_exit(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_nop(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_trap(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_nanosleep(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_fence(struct in_warp *w, const struct in_insn *i, uint32_t m);

/* fault.c */
int in_fault(struct in_warp *w, const struct in_insn *i, uint32_t lane, int status, uint64_t addr, const char *fmt, ...)
	VGPU_PRINTF(6, 7);

/* mem.c: host addresses of what lanes m access; n bytes each, naturally aligned. 0 or IN_FAULT. */
int in_resolve(struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t n, bool write, uint8_t *p[WARP]);
/* Reports an access of n bytes that may not be, or isn't aligned. IN_FAULT. */
int in_bad_access(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, bool write);
/* Where one lane's access lands, without alignment rule; NULL: nowhere. */
uint8_t *in_resolve_lane(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, bool write);
/* One address in the instruction's space, of any size; align: a power of two. NULL: reported. */
uint8_t *in_resolve_at(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, uint32_t align, bool write);
/* One lane's generic address without alignment rule; NULL: may not be accessed. */
uint8_t *in_generic(struct in_warp *w, uint32_t lane, uint64_t addr, uint64_t n, bool write);
uint64_t in_addr(const struct in_warp *w, const struct in_insn *i, uint32_t lane);
uint8_t *in_lane_local(const struct in_warp *w, uint32_t lane);
int in_run_ld(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_ld_vec(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_ld_param(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_st(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_st_vec(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_cp_async(struct in_warp *w, const struct in_insn *i, uint32_t m);

/* addr.c */
int in_run_cvta(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_isspacep(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_mapa(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_getctarank(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_lea(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_alloca(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_stacksave(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_stackrestore(struct in_warp *w, const struct in_insn *i, uint32_t m);

/* data.c */
int in_run_alu(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_mov(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_notp(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_pack(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_unpack(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_sreg(struct in_warp *w, const struct in_insn *i, uint32_t m);

/* atom.c */
in_fn in_atom_select(const struct ir_insn *i);

/* mbar.c */
in_fn in_mbar_select(const struct ir_insn *i);
int in_run_mbar_cp_arrive(struct in_warp *w, const struct in_insn *i, uint32_t m);

/* tex.c */
int in_run_tex(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_suld(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_sust(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_txq(struct in_warp *w, const struct in_insn *i, uint32_t m);

/* coll.c */
struct in_coll {
	struct in_warp *w;
	const struct in_insn *i;
	uint32_t part;                            /* lanes that take part */
	const uint64_t *const *src;               /* as many as the operation has */
	uint64_t *const *dst;
};
struct in_coll_op {
	int (*run)(struct in_coll *c);
	uint8_t n_src, n_dst;
	bool same_insn;                           /* lanes must meet at one instruction of one frame */
};
const struct in_coll_op *in_coll_select(const struct ir_insn *i);
int in_run_coll(struct in_warp *w, const struct in_insn *i, uint32_t m);
void in_coll_recheck(struct in_warp *w);

/* tensor.c: matrices. The operation of an instruction with its rows; NULL: not implemented. */
struct in_tensor_op {
	struct in_coll_op op;
	mma_fn mma;
	struct mma_regs regs;
	struct tensor_mem mem;
};
bool in_tensor_select(const struct ir_insn *i, struct in_tensor_op *t);

/* bar.c */
int in_run_bar(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_bar_cluster(struct in_warp *w, const struct in_insn *i, uint32_t m);
void in_bar_recheck(struct be_block *b);
void in_bar_cluster_poll(struct be_block *b);

/* call.c */
int in_run_call(struct in_warp *w, const struct in_insn *i, uint32_t m);
int in_run_ret(struct in_warp *w, const struct in_insn *i, uint32_t m);
bool in_call_fits(const struct in_call *c, const struct ir_proto *p);
struct in_frame *in_frame_new(struct be_block *b, const struct in_func *f);
size_t in_frame_bytes(const struct in_func *f);

/* builtin.c */
in_fn in_builtin_find(const char *name, uint32_t *n_args_out, uint32_t *n_rets_out);
uint64_t in_arg_value(const struct in_warp *w, const struct in_arg *a, uint32_t lane, uint32_t size);

/* printf.c: formats for one lane. Answers the number of conversions, or -1 with IN_FAULT reported. */
int in_printf(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t fmt, uint64_t args, int *n_out);

/* layout.c */
enum { IN_PLACE_FRAME, IN_PLACE_PARAM, IN_PLACE_SHARED, IN_PLACE_NONE };
int in_layout(struct be_kernel *k, uint32_t entry, struct vgpu_err *err);
/* Memory that goes with the kernel, zeroed; NULL when it is short. */
void *in_own(struct be_kernel *k, size_t n);
/* Where a function's own variable lives (IN_PLACE_*), and at which offset. */
int in_place(const struct in_func *f, uint32_t sym, uint64_t *off_out);
/* The module's function number of a symbol; UINT32_MAX: not a function. */
uint32_t in_func_of(const struct ir_module *m, const struct ir_opnd *o);
/* rows.c: fills f->reg_row and f->reads_unset; the rows are 0 … n-1. 0 or -VGPU_E_NOMEM. */
int in_rows(struct in_func *f, uint32_t *n_out);
/* decode.c, decode_mem.c, decode_tex.c, decode_warp.c */
struct in_dec {
	struct be_kernel *k;
	struct in_func *f;
	const struct ir_insn *ir;      /* being decoded */
	uint32_t *block_pc;
	uint32_t n_temps;              /* in use by the instruction */
	uint32_t temp0, max_temps;
	const char *why;               /* what can't be done, static text */
	bool nomem;
};
/* A new instruction behind the last one, guarded as the IR's; valid until the next emit. */
struct in_insn *in_emit(struct in_dec *d, in_fn fn);
uint32_t in_const(struct in_dec *d, uint64_t v);
uint32_t in_src(struct in_dec *d, const struct ir_opnd *o, uint8_t type);
uint32_t in_dst(struct in_dec *d, const struct ir_opnd *o);
/* Bits of the register that an operand names, 64 if it names none. */
unsigned in_reg_bits(const struct in_dec *d, const struct ir_opnd *o);
/* Address of a MEM, REG or SYM operand: sets a, off, space, frame_base, addr32. */
struct in_where {
	uint32_t a;
	int64_t off;
	uint8_t space;
	bool frame_base, addr32;
};
bool in_where(struct in_dec *d, const struct ir_opnd *o, uint8_t space, struct in_where *w);
void in_set_where(struct in_insn *i, const struct in_where *w);
bool in_refuse(struct in_dec *d, const char *why);
/* True: decoded (or refused: d->why). False: not an instruction of that file. */
bool in_decode_mem(struct in_dec *d);
bool in_decode_warp(struct in_dec *d);
bool in_decode_tensor(struct in_dec *d);
bool in_decode_tex(struct in_dec *d);
int in_decode(struct be_kernel *k, struct in_func *f, struct vgpu_err *err);
/*
 * cache.c: memory in whole pages, aligned to 1024 at least. zero: it is all
 * zeros, and must be again when it is put back (else: in_cache_drop); without:
 * it holds anything.
 */
void *in_cache_get(size_t n, bool zero);
void in_cache_put(void *p, size_t n, bool zero);
void in_cache_drop(void *p, size_t n);
/* module.c: be_interp's */
int in_module_new(struct be_module **out, const struct ir_module *m, const uint64_t *var_addr, struct vgpu_err *err);
void in_module_free(struct be_module *bm);
uint64_t in_func_addr(struct be_module *bm, uint32_t func);
/* fast: its handlers; lives as long as the kernel. */
int in_kernel_new(struct be_kernel **out, struct be_module *bm, uint32_t func, const struct in_fast *fast, struct vgpu_err *err);
void in_kernel_free(struct be_kernel *k);
void in_kernel_info(const struct be_kernel *k, struct be_kernel_info *info);
/* Those for this CPU. */
const struct in_fast *in_fast_best(void);
/* block.c */
struct be_block *in_block_new(const struct be_launch *l, uint64_t linear, struct vgpu_err *err);
void in_block_link(struct be_block *b, struct be_block *const *peers, uint32_t n);
enum be_run in_block_run(struct be_block *b, struct be_fault *fault);
void in_block_free(struct be_block *b);
/* Fills w->tid for blocks of that shape. */
void in_warp_tids(struct in_warp *w, const uint32_t dim[3]);
/* Reports the access of b->cur's running instruction that the guard caught. */
void in_fault_of_guard(struct be_block *b);

#endif
