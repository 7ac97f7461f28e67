/*
 * ir.h: the compiler's typed intermediate form: what the parser makes, the
 * passes rewrite and the backends run. It keeps PTX's vocabulary: one insn is
 * one PTX instruction with its modifiers as fields, registers are the
 * function's virtual registers, control flow is basic blocks in text order.
 *
 * Memory: everything of a module lives in its arena and goes with it.
 * Invariants after ir_check(): operand kinds and types fit ptx_insn.def's row;
 * every block ends in a terminator or falls through to the next one; labels
 * are resolved to block indices; register and symbol numbers are in range.
 */
#ifndef VGPU_COMPILER_IR_IR_H
#define VGPU_COMPILER_IR_IR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ir_type {
	IR_T_NONE,
#define T(name, spelling, bits, cls) IR_T_##name,
#include "compiler/ir/ir_type.def"
#undef T
	IR_T_COUNT
};

enum ir_type_class { IR_TC_NONE, IR_TC_PRED, IR_TC_BITS, IR_TC_UINT, IR_TC_SINT, IR_TC_FLOAT, IR_TC_PACKED };

const char *ir_type_name(enum ir_type t);
unsigned ir_type_bits(enum ir_type t);
/* Bytes in memory (pred: 1). */
unsigned ir_type_size(enum ir_type t);
enum ir_type_class ir_type_class(enum ir_type t);

/* Opcodes: PTX's base mnemonics, from ptx_insn.def: IR_OP_add, IR_OP_ld, … (IR_OP_NONE = 0). */
enum ir_op {
	IR_OP_NONE,
#define PTX_OP(name, ...) IR_OP_##name,
#include "compiler/ptx/ptx_insn.def"
#undef PTX_OP
	IR_OP_COUNT
};

enum ir_space {
	IR_SPACE_GENERIC, IR_SPACE_REG, IR_SPACE_GLOBAL, IR_SPACE_SHARED, IR_SPACE_LOCAL, IR_SPACE_CONST,
	IR_SPACE_PARAM,        /* kernel parameters (.entry), read only */
	IR_SPACE_PARAM_FUNC,   /* a .func's formal parameters and a call's actual ones: per thread */
	IR_SPACE_SHARED_CLUSTER, IR_SPACE_TEX, IR_SPACE_SURF, IR_SPACE_COUNT
};

enum ir_round {       /* .rn … on float results, .rni … to integral values */
	IR_RND_NONE, IR_RND_RN, IR_RND_RZ, IR_RND_RM, IR_RND_RP, IR_RND_RNA, IR_RND_RS,
	IR_RND_RNI, IR_RND_RZI, IR_RND_RMI, IR_RND_RPI
};

enum ir_cmp {
	IR_CMP_NONE, IR_CMP_EQ, IR_CMP_NE, IR_CMP_LT, IR_CMP_LE, IR_CMP_GT, IR_CMP_GE,
	IR_CMP_LO, IR_CMP_LS, IR_CMP_HI, IR_CMP_HS,
	IR_CMP_EQU, IR_CMP_NEU, IR_CMP_LTU, IR_CMP_LEU, IR_CMP_GTU, IR_CMP_GEU, IR_CMP_NUM, IR_CMP_NAN
};

enum ir_bool { IR_BOOL_NONE, IR_BOOL_AND, IR_BOOL_OR, IR_BOOL_XOR, IR_BOOL_POPC };

enum ir_order { IR_ORD_WEAK, IR_ORD_VOLATILE, IR_ORD_RELAXED, IR_ORD_ACQUIRE, IR_ORD_RELEASE, IR_ORD_ACQ_REL, IR_ORD_SC, IR_ORD_MMIO };
enum ir_scope { IR_SCOPE_NONE, IR_SCOPE_CTA, IR_SCOPE_CLUSTER, IR_SCOPE_GPU, IR_SCOPE_SYS };

enum ir_atom {
	IR_ATOM_NONE, IR_ATOM_AND, IR_ATOM_OR, IR_ATOM_XOR, IR_ATOM_CAS, IR_ATOM_EXCH, IR_ATOM_ADD,
	IR_ATOM_INC, IR_ATOM_DEC, IR_ATOM_MIN, IR_ATOM_MAX, IR_ATOM_POPC
};

/* One word of an instruction's meaning that is neither type, rounding, compare nor address:
 * mul.lo/hi/wide, shfl modes, vote modes, prmt modes, shf.l/r, testp, bar variants … */
enum ir_mode {
	IR_MODE_NONE,
	IR_MODE_LO, IR_MODE_HI, IR_MODE_WIDE,
	IR_MODE_UP, IR_MODE_DOWN, IR_MODE_BFLY, IR_MODE_IDX,
	IR_MODE_ALL, IR_MODE_ANY, IR_MODE_UNI, IR_MODE_BALLOT,
	IR_MODE_F4E, IR_MODE_B4E, IR_MODE_RC8, IR_MODE_ECL, IR_MODE_ECR, IR_MODE_RC16,
	IR_MODE_L, IR_MODE_R,
	IR_MODE_FINITE, IR_MODE_INFINITE, IR_MODE_NUMBER, IR_MODE_NOTANUMBER, IR_MODE_NORMAL, IR_MODE_SUBNORMAL,
	IR_MODE_SYNC, IR_MODE_ARRIVE, IR_MODE_RED, IR_MODE_WARP, IR_MODE_WAIT,
	IR_MODE_COMMIT, IR_MODE_WAIT_GROUP, IR_MODE_WAIT_ALL,
	IR_MODE_INIT, IR_MODE_INVAL, IR_MODE_ARRIVE_DROP, IR_MODE_TEST_WAIT, IR_MODE_TRY_WAIT,   /* mbarrier */
	IR_MODE_EXPECT_TX, IR_MODE_COMPLETE_TX, IR_MODE_PENDING_COUNT,
	IR_MODE_BULK,          /* cp.async.bulk, cp.reduce.async.bulk */
	IR_MODE_PACK,              /* cvt.pack */
	IR_MODE_LAUNCH_DEPENDENTS, /* griddepcontrol */
	IR_MODE_PROXY,             /* membar.proxy, fence.proxy */
	IR_MODE_MBARRIER_INIT,     /* fence.mbarrier_init */
	/* wmma */
	IR_MODE_LOAD_A, IR_MODE_LOAD_B, IR_MODE_LOAD_C, IR_MODE_STORE_D, IR_MODE_MMA,
	IR_MODE_SHR7, IR_MODE_SHR15, /* vmad */
	/* tex */
	IR_MODE_LEVEL, IR_MODE_GRAD, IR_MODE_BASE,
	/* tld4: component */
	IR_MODE_COMP_R, IR_MODE_COMP_G, IR_MODE_COMP_B, IR_MODE_COMP_A,
	/* txq, suq; txq.level: flag LEVEL and the level in src[1] */
	IR_MODE_Q_WIDTH, IR_MODE_Q_HEIGHT, IR_MODE_Q_DEPTH, IR_MODE_Q_CHANNEL_DATA_TYPE, IR_MODE_Q_CHANNEL_ORDER,
	IR_MODE_Q_NORMALIZED_COORDS, IR_MODE_Q_ARRAY_SIZE, IR_MODE_Q_NUM_MIPMAP_LEVELS, IR_MODE_Q_NUM_SAMPLES,
	IR_MODE_Q_FORCE_UNNORMALIZED_COORDS, IR_MODE_Q_FILTER_MODE, IR_MODE_Q_ADDR_MODE_0, IR_MODE_Q_ADDR_MODE_1,
	IR_MODE_Q_ADDR_MODE_2, IR_MODE_Q_MEMORY_LAYOUT,
	IR_MODE_COUNT
};

/* Flags (ir_insn.flags). */
enum {
	IR_F_SAT = 1u << 0,
	IR_F_FTZ = 1u << 1,
	IR_F_APPROX = 1u << 2,
	IR_F_FULL = 1u << 3,
	IR_F_UNI = 1u << 4,        /* bra.uni, call.uni, ret.uni */
	IR_F_WRAP = 1u << 5,       /* shf.wrap, bmsk.wrap */
	IR_F_CLAMP = 1u << 6,      /* shf.clamp, bmsk.clamp, suld.clamp */
	IR_F_SHIFTAMT = 1u << 7,   /* bfind.shiftamt */
	IR_F_CC = 1u << 8,         /* add.cc, sub.cc, mad.cc: writes the carry flag */
	IR_F_NAN = 1u << 9,        /* min.NaN */
	IR_F_XORSIGN = 1u << 10,   /* min.xorsign.abs */
	IR_F_ABS = 1u << 11,
	IR_F_RELU = 1u << 12,
	IR_F_SATFINITE = 1u << 13,
	IR_F_SYNC = 1u << 14,      /* shfl.sync, vote.sync, match.sync … */
	IR_F_ALIGNED = 1u << 15,
	IR_F_NC = 1u << 16,        /* ld.global.nc */
	IR_F_NOFTZ = 1u << 17,
	IR_F_TO = 1u << 18,        /* cvta.to */
	IR_F_TRANS = 1u << 19,
	IR_F_NOINC = 1u << 20,
	IR_F_TRAP = 1u << 21, IR_F_ZERO = 1u << 22,  /* surface out-of-range behaviour */
	IR_F_OOB = 1u << 23,
	IR_F_PARITY = 1u << 24,    /* mbarrier.test_wait.parity */
	IR_F_EXPECT_TX = 1u << 25, /* mbarrier.arrive.expect_tx */
	IR_F_NOCOMPLETE = 1u << 26,
	IR_F_SAMPLER = 1u << 27,   /* tex: src[1] is a sampler of its own */
	IR_F_FORMATTED = 1u << 28, /* sust.p, sured.p */
	IR_F_PO = 1u << 29,        /* vmad.po; the second operation of video instructions is in atom */
	IR_F_SPARSE = 1u << 30,    /* mma.sp */
	IR_F_LEVEL = 1u << 31,     /* txq.level */
};

/*
 * Operands, in the order of the instruction's text: results in dst[], then
 * every other operand in src[]; an optional operand in the middle that is
 * left out is IR_OPND_NONE, a trailing one isn't counted. Where text and
 * meaning differ:
 *   ld, ldu, atom, ldmatrix   dst[0] REG or VEC; src[0] MEM; then values
 *   st, red, stmatrix         src[0] MEM; src[1] value REG, IMM or VEC
 *   setp, shfl, match, elect  d|p: dst[0] and dst[1]; a missing d of "_|p" is SINK
 *   shfl                      src: a, b, c[, membermask]     vote, match, redux: a[, membermask]
 *   redux                     operation in atom
 *   bar, barrier              mode SYNC, ARRIVE, RED; src[0] barrier, src[1] count or NONE, src[2] predicate of
 *                             RED; WARP: src[0] membermask; barrier.cluster: scope CLUSTER, mode ARRIVE or WAIT
 *   bra                       src[0] LABEL      brx.idx: src[0] index, extra: table number
 *   call                      only call->…
 *   cp.async                  src[0] MEM (shared), src[1] MEM (global), extra: cp-size, src[2] src-size (REG, IMM)
 *                             or ignore-src (predicate REG); mode COMMIT, WAIT_GROUP (src[0]), WAIT_ALL,
 *                             ARRIVE (cp.async.mbarrier.arrive, src[0] MEM)
 *   mbarrier                  mode INIT … PENDING_COUNT; src[0] MEM (PENDING_COUNT: REG), then the rest
 *   membar                    scope CTA, GPU (.gl), SYS; order SC
 *   mapa, getctarank          src[0] REG, SYM or MEM; mapa: src[1] rank
 *   mma, wmma.mma             dst[0], src[0…2]: VEC or REG; mma.sp: src[3] metadata, src[4] selector; extra: IR_MMA_*;
 *                             block_scale: the last src is VEC {scales of A, byte, thread, scales of B, byte, thread}
 *   wmma.load                 dst[0], src[0] MEM, src[1] stride or none;
 *                             wmma.store: src[0] MEM, src[1] VEC, src[2] stride or none
 *   tex, tld4, suld           dst[0] VEC or REG (dst[1] residency predicate); src[0] MEM: texture reference and
 *                             its coordinates in vec; IR_F_SAMPLER: src[1] sampler; then lod, gradients, offsets …
 *   sust, sured               src[0] MEM as above; src[1] value      txq, suq   src[0] MEM
 */

enum ir_opnd_kind {
	IR_OPND_NONE,
	IR_OPND_REG,      /* reg; neg: !p of a predicate source, or an arithmetic negation put there by a pass */
	IR_OPND_IMM,      /* imm: bits of the operand type; floats as their bits (f32 in the low 32) */
	IR_OPND_SREG,     /* special register: imm = enum ir_sreg */
	IR_OPND_SYM,      /* address of symbol sym + off as a value (mov, cvta) */
	IR_OPND_MEM,      /* [reg + off], [sym + off], [off]: base by mem_base; tex: coordinates in vec[n_vec] */
	IR_OPND_VEC,      /* {a, b, …}: vec[n_vec] of REG, IMM or SINK */
	IR_OPND_LABEL,    /* block: index of the target block */
	IR_OPND_FUNC,     /* sym: a function */
	IR_OPND_SINK,     /* _ */
};

enum ir_mem_base { IR_BASE_NONE, IR_BASE_REG, IR_BASE_SYM };

/* 32 bytes: a module of cuBLAS has millions. The members of a union belong to different kinds. */
struct ir_opnd {
	uint8_t kind;          /* enum ir_opnd_kind */
	uint8_t mem_base;      /* enum ir_mem_base */
	uint8_t n_vec;         /* 0: vec is not set */
	bool neg;
	bool sym_local;        /* symbol declared inside the function (incl. its parameters) */
	uint8_t sub;           /* 1 + index when only one byte, or half (then | 0x40), of reg is named (video instructions);
	                          0x80 | number of digits: several, as in .b3210, with the digits packed in imm */
	uint32_t reg;          /* REG, MEM with register base: register number */
	union {
		uint32_t sym;  /* SYM, MEM with symbol base, FUNC: symbol number of the module, or of the function if sym_local */
		uint32_t block;        /* LABEL */
	};
	int64_t off;
	union {
		uint64_t imm;
		struct ir_opnd *vec;   /* VEC, and the coordinate vector of tex/surf */
	};
};

struct ir_loc { uint32_t line, col; uint32_t src_file, src_line; /* .loc, 0 = none */ };

#define IR_MAX_DST 2
#define IR_MAX_SRC 6

struct ir_insn {
	uint16_t op;           /* enum ir_op */
	uint8_t type;          /* enum ir_type: main type (last but one or only one spelled) */
	uint8_t stype;         /* second type: source of cvt/set, operand b of dp4a … */
	uint8_t type3, type4;  /* mma: A and B types (type = D, stype = C) */
	uint8_t round;         /* enum ir_round */
	uint8_t cmp;           /* enum ir_cmp */
	uint8_t boolop;        /* enum ir_bool: setp/set combining, red/vote */
	uint8_t mode;          /* enum ir_mode */
	uint8_t atom;          /* enum ir_atom */
	uint8_t space, space2; /* enum ir_space; space2: source of cp.async */
	uint8_t order;         /* enum ir_order */
	uint8_t scope;         /* enum ir_scope */
	uint8_t vec;           /* 1, 2, 4, 8 elements of ld/st/atom, tex result */
	uint8_t shape;         /* enum ir_shape of mma/wmma/ldmatrix; tex geometry */
	uint8_t layout;        /* bit 0: A is col, bit 1: B is col (mma, wmma); ldmatrix: .num */
	uint8_t n_dst, n_src;
	bool guard_neg;
	uint32_t guard;        /* predicate register + 1; 0: unconditional */
	uint32_t flags;        /* IR_F_* */
	uint32_t extra;        /* lop3 LUT, cp.async size, brx/call table number, IR_MMA_* … */
	struct ir_opnd dst[IR_MAX_DST];
	struct ir_opnd src[IR_MAX_SRC];
	struct ir_call *call;  /* call only */
	struct ir_loc loc;
	const char *unsupported; /* the engine can't run it: why; else NULL */
	const char *spelling;    /* mnemonic with modifiers, as printed; the fields above are its decoded form */
};

/* call (ret…), target, (args…), prototype or table */
struct ir_call {
	struct ir_opnd *rets, *args;   /* REG or SYM (a .param variable of the caller) or IMM */
	uint32_t n_rets, n_args;
	struct ir_opnd target;         /* FUNC, or REG: indirect */
	struct ir_proto *proto;        /* of an indirect call */
	uint32_t *targets, n_targets;  /* .calltargets: function indices; 0: not given */
};

struct ir_block {
	struct ir_insn *insns;
	uint32_t n_insns;
	uint32_t *succ, n_succ;    /* after ir_cfg */
	uint32_t *pred, n_pred;
	uint32_t ipdom;            /* immediate post-dominator, UINT32_MAX: exit */
	bool unreachable;          /* no path from the function's start */
};

struct ir_reg {
	const char *name;
	uint8_t type;              /* enum ir_type */
};

/* A relocation inside a variable's initial value: address of a symbol. */
struct ir_reloc {
	uint32_t offset, sym;      /* module symbol */
	uint32_t size_B;           /* 4 or 8 */
	bool generic;              /* generic(sym); else an address in the symbol's space */
	uint32_t mask_shift;       /* byte picked by 0xff(sym)-style initialisers, 0xffffffff: whole */
	int64_t addend;
};

enum ir_linkage { IR_LINK_LOCAL, IR_LINK_VISIBLE, IR_LINK_EXTERN, IR_LINK_WEAK, IR_LINK_COMMON };

struct ir_var {
	const char *name;
	uint8_t space, type, linkage;
	bool managed;
	bool is_array, unsized;    /* .extern .shared x[]: dynamic shared memory */
	uint32_t align;
	uint64_t size;             /* bytes */
	uint8_t *init;             /* size bytes or NULL: zeros */
	struct ir_reloc *relocs;
	uint32_t n_relocs;
	uint64_t offset;           /* inside its frame: set by the layout pass for .param, .local, .shared */
	uint32_t reg;              /* space REG (old .func parameters): the function's register */
	uint32_t after;            /* .param local: 1 + number among locals of the enclosing scopes' last one that is live
	                              beside it, 0: none; ones that are never live together share their bytes */
	struct ir_loc loc;
};

struct ir_proto {              /* shape of a function's parameters and results */
	struct ir_var *params, *rets;
	uint32_t n_params, n_rets;
	bool noreturn;
};

struct ir_func {
	const char *name;
	bool is_entry, defined, noreturn;
	uint8_t linkage;
	struct ir_proto proto;
	/* performance directives; 0: not given */
	uint32_t max_ntid[3], req_ntid[3], min_ctas, max_regs, cluster[3];
	struct ir_reg *regs;
	uint32_t n_regs;
	struct ir_var *locals;     /* .local, .shared, .param, .const declared inside; symbol numbers with sym_local:
	                              0…n_rets-1 results, then params, then these */
	uint32_t n_locals;
	struct ir_block *blocks;
	uint32_t n_blocks;
	uint32_t **tables;         /* .branchtargets: lists of blocks */
	uint32_t *table_len, n_tables;
	/* layout, set by pass layout: bytes */
	uint32_t param_bytes;      /* entry: the parameter bank; else the formal results and parameters */
	uint32_t local_bytes, shared_bytes;
	uint32_t frame_bytes;      /* per thread, space PARAM_FUNC: a .func's formals, then the .param locals */
	uint32_t dyn_shared_offset;/* entry: where dynamic shared memory (unsized .extern .shared) starts, >= shared_bytes */
	struct ir_loc loc;
	const char *unsupported;   /* first reason why it can't run, with line; NULL: it can */
	uint32_t unsupported_line;
	bool uses_barrier, uses_dyn_shared, has_indirect_call, has_call, spins;
	bool reuse_xy;             /* entry: loops read what depends on the block's x alone, and what on its y alone */
	uint32_t max_cluster_rank;
	bool explicit_cluster, blocks_are_clusters;
	bool address_taken;        /* its address is a value somewhere: an indirect call may reach it */
	bool unparsed;             /* defined, but its body hasn't been read yet: see ir_need_func */
	bool passed;               /* the passes have run over it */
	uint32_t *refs, n_refs;    /* of a module with ->lazy: symbols that the body names, perhaps some too many */
};

enum ir_sym_kind { IR_SYM_VAR, IR_SYM_FUNC };
struct ir_sym {
	const char *name;
	uint8_t kind;              /* enum ir_sym_kind */
	uint32_t index;            /* into vars or funcs */
};

struct ir_arena;
struct vgpu_err;

/* A source text, as it was compiled; ends in NUL. */
struct ir_text {
	char *text;
	size_t len;
};

struct ir_module;

/* Whoever can read bodies later (compiler/ptx). */
struct ir_lazy {
	int (*need)(struct ir_module *m, uint32_t func, struct vgpu_err *err);
	void (*free)(struct ir_module *m);
};

struct ir_module {
	struct ir_arena *arena;
	struct ir_lazy *lazy;      /* NULL: all bodies are there */
	bool laid_out;             /* pass_layout has placed what several functions share */
	uint32_t version;          /* 10*major + minor of .version: 90 */
	uint32_t target;           /* 75, 90, 120 */
	bool target_arch_specific; /* sm_90a, sm_120f */
	uint32_t address_size;
	struct ir_sym *syms;
	uint32_t n_syms;
	struct ir_var *vars;       /* module scope */
	uint32_t n_vars;
	struct ir_func *funcs;
	uint32_t n_funcs;
	const char **files;        /* .file names by number */
	uint32_t n_files;
	bool no_contract;          /* keep mul and add apart: option of ptx_compile */
	/* option keep_text: what it was made from, for whoever compiles it again elsewhere */
	struct ir_text *texts;
	uint32_t n_texts;
	unsigned max_target;       /* options of ptx_compile */
	bool opt_lazy;
};

void ir_module_free(struct ir_module *m);
/* Index of a function by name, -1. */
int ir_module_find_func(const struct ir_module *m, const char *name);
int ir_module_find_var(const struct ir_module *m, const char *name);
/*
 * Before anything else of a function than its header is looked at: reads its body, and all that it can reach, when that
 * hasn't happened. One that can't be read has ->unsupported afterwards, as have its callers. Who runs other functions
 * of the module meanwhile isn't disturbed. -E_NOMEM, -E_INTERNAL.
 */
int ir_need_func(struct ir_module *m, uint32_t func, struct vgpu_err *err);

/* A function's symbol by its local number (results, parameters, locals). */
struct ir_var *ir_func_local(const struct ir_func *f, uint32_t sym);

struct vgpu_buf;
struct vgpu_err;
/* PTX-like text, for dumps and tests. */
void ir_print_module(struct vgpu_buf *b, const struct ir_module *m);
void ir_print_func(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f);
void ir_print_insn(struct vgpu_buf *b, const struct ir_module *m, const struct ir_func *f, const struct ir_insn *i);
/* 0, or -E_INTERNAL with the first violated invariant. */
int ir_check(const struct ir_module *m, struct vgpu_err *err);

/* extra of mma (a kind, number and type of the block scales) and of ldmatrix (packed elements in memory). */
enum {
	IR_MMA_F8F6F4 = 1, IR_MMA_MXF8F6F4 = 2, IR_MMA_MXF4 = 3, IR_MMA_MXF4NVF4 = 4, IR_MMA_KIND = 7,
	IR_MMA_SCALE_1X = 1 << 3, IR_MMA_SCALE_2X = 2 << 3, IR_MMA_SCALE_4X = 4 << 3, IR_MMA_SCALE = 7 << 3,
	IR_MMA_UE4M3 = 1 << 6,     /* scales; else ue8m0 */
	IR_MMA_FROM_B6 = 1 << 7, IR_MMA_FROM_B4 = 1 << 8,
};

/* Special registers, from ptx_sreg.def: IR_SREG_tid_x … */
enum ir_sreg {
	IR_SREG_NONE,
#define SREG(id, spelling, type, doc) IR_SREG_##id,
#include "compiler/ptx/ptx_sreg.def"
#undef SREG
	IR_SREG_COUNT
};

/* mma/wmma/ldmatrix shapes and texture geometries */
enum ir_shape {
	IR_SHAPE_NONE,
	IR_SHAPE_M8N8K4, IR_SHAPE_M8N8K16, IR_SHAPE_M8N8K32, IR_SHAPE_M8N8K128, IR_SHAPE_M16N8K4, IR_SHAPE_M16N8K8,
	IR_SHAPE_M16N8K16, IR_SHAPE_M16N8K32, IR_SHAPE_M16N8K64, IR_SHAPE_M16N8K128, IR_SHAPE_M16N8K256,
	IR_SHAPE_M16N16K16, IR_SHAPE_M8N32K16, IR_SHAPE_M32N8K16, IR_SHAPE_M16N16K8, IR_SHAPE_M8N8, IR_SHAPE_M8N16, IR_SHAPE_M16N8, IR_SHAPE_M16N16,
	IR_SHAPE_1D, IR_SHAPE_2D, IR_SHAPE_3D, IR_SHAPE_A1D, IR_SHAPE_A2D, IR_SHAPE_CUBE, IR_SHAPE_ACUBE, IR_SHAPE_2DMS, IR_SHAPE_A2DMS
};

#endif
