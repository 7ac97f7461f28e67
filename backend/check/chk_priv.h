/* chk_priv.h: what the files of backend/check/ share. */
#ifndef VGPU_BACKEND_CHECK_CHK_PRIV_H
#define VGPU_BACKEND_CHECK_CHK_PRIV_H

#include "backend/check/check.h"
#include "backend/interp/fast.h"
#include "backend/interp/interp.h"

/* ---- chk_mem.c ---- */

struct chk_alloc {
	uint64_t addr, size;
	uint32_t ctx;
	unsigned flags;
	char *name;
};

/* True: [addr, addr+n) is inside one allocation. *written: its bytes count as written, don't look. */
bool chk_mem_inside(struct chk_mem *m, uint64_t addr, uint64_t n, bool *written);
/* True if at least one of the bytes was written (or if that isn't known). */
bool chk_mem_any_written(const struct chk_mem *m, uint64_t addr, uint32_t n);
bool chk_mem_knows_all(const struct chk_mem *m);
bool chk_mem_knows_writes(const struct chk_mem *m);
void chk_mem_mark(struct chk_mem *m, uint64_t addr, uint64_t n);
enum chk_how { CHK_NOWHERE, CHK_ACROSS, CHK_AFTER, CHK_BEFORE, CHK_FREED };

/* Where an address is: so many bytes behind, before or inside of an allocation; ACROSS: that far before its end. */
struct chk_near {
	enum chk_how how;
	uint64_t distance, addr, size;
	unsigned flags;
	char name[96];
};
void chk_mem_near(struct chk_mem *m, uint64_t addr, struct chk_near *x);
/* Calls fn for each allocation of ctx that the program should have freed. */
void chk_mem_each_leak(struct chk_mem *m, uint32_t ctx, void (*fn)(void *arg, const struct chk_alloc *a), void *arg);

/* ---- chk_block.c: a block's shadow ---- */

#define CHK_SLOTS 64u              /* clocks of addresses that threads synchronise by */
#define CHK_LOG 1024u              /* moments of a warp that are remembered; power of two */
#define CHK_MAX_WARPS (1024 / WARP)
#define CHK_BARS (IN_NBARRIER + 1) /* the sixteen, and the cluster's */

/* Who touched a byte of shared memory: thread + 1 (0: nobody), at which moment of its warp, where in the code. */
struct chk_touch {
	uint32_t time, pc;
	uint16_t thread;
	bool strong;
};

/* The last write, and reads since then by two warps. */
struct chk_byte {
	struct chk_touch w, r[2];
	bool written;
};

/* A vector clock: by warp, the last moment of it that is known to be over. */
struct chk_clock {
	uint32_t at[CHK_MAX_WARPS];
};

/* What those knew who released by an address (or others with the same slot), and by warp which lanes. */
struct chk_slot {
	struct chk_clock clock;
	uint32_t lanes[CHK_MAX_WARPS];
};

struct chk_block {
	struct chk *c;
	uint64_t size_B;               /* of this */
	struct chk_byte *shared;       /* shared_B of them */
	uint64_t *local;               /* written bytes: local_B bits for each thread */
	uint64_t local_words;          /* of a thread */
	struct chk_clock bar[CHK_BARS];
	struct chk_slot slot[CHK_SLOTS];
	struct chk_clock *warp, *gone; /* by warp: what it knows, and what it knew when lanes of it ended */
	uint32_t (*log)[CHK_LOG];      /* by warp: lanes that stood together at a moment */
};

struct be_block *chk_block_new(const struct be_launch *l, uint64_t linear, struct vgpu_err *err);
void chk_block_free(struct be_block *b);
void chk_local_enter(struct in_warp *w, uint32_t m, const struct in_frame *f);
uint64_t *chk_local_map(const struct in_warp *w, uint32_t lane);
void chk_local_mark(struct in_warp *w, uint32_t lane, uint64_t off, uint64_t n);
bool chk_local_any_written(const struct in_warp *w, uint32_t lane, uint64_t off, uint32_t n);
struct chk_extent;
bool chk_local_inside(const struct in_warp *w, uint32_t lane, uint64_t addr, uint64_t n, struct chk_extent *x);

/* ---- chk_race.c ---- */

/* A new moment of the warp, at which the lanes m are together. */
void chk_tick(struct in_warp *w, uint32_t m);
void chk_bar_arrive(struct in_warp *w, uint32_t bar);
void chk_bar_release(struct in_warp *w, uint32_t bar);
void chk_exit(struct in_warp *w);
/* The access to that address orders: what came before it in those who did so earlier is over now. */
void chk_acquire(struct in_warp *w, uint32_t lane, uint64_t addr);
void chk_release(struct in_warp *w, uint32_t lane, uint64_t addr);

/* One lane's access to shared memory, n bytes at offset off. */
struct chk_shared {
	struct in_warp *w;
	const struct in_insn *i;
	uint32_t lane, off, n;
	bool reads, writes, strong;
	const uint8_t *value;          /* what is written, if that is known: n bytes … */
	const uint64_t *all_off;       /* … and off by lane */
};
void chk_race(const struct chk_shared *a);

/* ---- chk_access.c ---- */

enum in_placed chk_resolve(struct in_warp *w, const struct in_insn *i, uint32_t m, uint32_t n, bool write, uint8_t *p[WARP]);
int chk_bad(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, uint32_t align, bool write);
int chk_access_at(struct in_warp *w, const struct in_insn *i, uint32_t lane, uint64_t addr, uint32_t n, bool write, uint8_t *p);
/* The value that a store of lane l has for byte k of its access. Only where chk_has_value. */
bool chk_has_value(const struct in_insn *i);
uint8_t chk_value(const struct in_warp *w, const struct in_insn *i, uint32_t lane, uint32_t k);

/* ---- chk_report.c ---- */

struct chk_mem *chk_memory(struct chk *c);

enum chk_kind { CHK_KIND_BOUNDS, CHK_KIND_ALIGN, CHK_KIND_UNINIT, CHK_KIND_RACE };

/* Where an access was made and to what. */
struct chk_site {
	struct in_warp *w;
	const struct in_insn *i;
	uint32_t lane, others;         /* others: lanes of the same instruction with the same fault */
	const char *space;             /* "global" … */
	uint64_t addr;
	uint32_t n;
	bool write, atomic;
};
/* What is known of the memory that such an access may have meant: of shared and local memory, [lo, hi). */
struct chk_extent {
	uint64_t lo, hi;
};
/* x: of shared and local memory; NULL: global. Of one that doesn't end the kernel ask chk_is_new before. */
void chk_report(const struct chk_site *s, enum chk_kind kind, const struct chk_extent *x);
/* The thread that touched it before, at which instruction, and whether it wrote. Two instructions are reported once. */
void chk_report_race(const struct chk_site *s, uint32_t thread, uint32_t pc, bool wrote);
/* Counts an error. False: the instruction's report of that kind is there already. */
bool chk_is_new(const struct in_warp *w, enum chk_kind kind);
/* Where the running instruction is. */
static inline uint32_t chk_pc(const struct in_warp *w)
{
	return w->g[w->cur].pc;
}

/* ---- chk_use.c ---- */

/* Of the n-th instruction of the block, a load: a bit for each element of its result that is certainly used. */
uint8_t chk_used_elements(const struct ir_block *b, uint32_t n);

/* ---- chk_be.c ---- */

/* What be_kernel keeps for the checker. */
struct chk_kernel {
	struct in_fast fast;           /* be_interp's but for what finds memory */
	uint8_t *seen;                 /* by pc: the kinds that have been reported … */
	uint8_t *used;                 /* … and of loads the elements that are certainly used */
	uint32_t *local_end;           /* by function: of its frame, where the last .local variable ends */
	bool system_shared;            /* it asks where the reserved shared memory is */
};

#endif
