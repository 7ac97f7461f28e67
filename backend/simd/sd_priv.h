/*
 * sd_priv.h: inside of the simd backend's run time: kernels with their
 * compiled variants, blocks in flight.
 *
 * A kernel is compiled when it is first launched, once for each shape of
 * blocks. What can't be compiled (clusters, recursion, calls through pointers
 * …) is run by the interp backend, kernel by kernel; sd_kernel_why() tells.
 */
#ifndef VGPU_BACKEND_SIMD_SD_PRIV_H
#define VGPU_BACKEND_SIMD_SD_PRIV_H

#include <pthread.h>

#include "backend/backend.h"
#include "backend/simd/sd_insn.h"
#include "backend/simd/sd_load.h"
#include "compiler/ir/ir.h"
#include "util/compiler.h"
#include "util/vec.h"

#define SD_NBARRIER 16

struct be_module {
	const struct ir_module *ir;
	struct be_module *im;              /* interp's */
	uint64_t *var_addr;
};

/* An object with what its numbers stand for. */
struct sd_part {
	uint32_t refs;
	struct sd_code *code;
	struct sd_insns *insns;            /* NULL: it refers to no instruction */
	uint64_t *addr;                    /* by sd_sym */
	uint32_t n_rows;                   /* that c->rows must have */
};

/*
 * A kernel's code for one shape of blocks. Lives while a block, also an idle one, refers to it.
 *
 * At first there is code for gangs whose lanes agree (world 0), of tier 0. The other half is made when a gang first
 * needs it. What then turns out to run for long is compiled anew, better, while it runs: sd_variant_ran() sees to that.
 */
struct sd_variant {
	uint32_t block[3];
	bool small_grid;
	uint32_t refs;
	struct sd_part *part[2];           /* [0] NULL: interpreted; [1]: the other half, once it was needed */
	bool grows;                        /* better code may come */
	bool hopes;                        /* job is on its way; read without the lock */
	bool eager;                        /* for tests: at once */
	uint64_t ns, blocks, crossings;    /* how long how many ran; ways from one half to the other */
	struct sd_jit_job *job, *foreseen; /* better code; the other half of it, which will be asked for when that has come */
	struct sd_part *better;            /* that has come, and waits for its other half */
	struct vgpu_err why;               /* why there is no other half */
};

struct be_kernel {
	struct be_module *bm;
	uint32_t func;
	const struct ir_func *entry;
	struct be_kernel *ik;              /* interp's */
	struct be_kernel_info info;
	pthread_mutex_t lock;              /* of variants */
	struct sd_variant *last;           /* the one that was found last; read without the lock */
	VGPU_VEC(struct sd_variant *) variants;
	VGPU_VEC(struct sd_variant *) old; /* there is better code; whoever has just looked one up may still hold it */
	struct vgpu_err why;               /* of the first variant that isn't compiled */
};

struct sd_barrier {
	uint32_t expect;                   /* threads; 0: all that live */
	uint32_t arrived;                  /* lanes, or with expect: threads, a warp that is all there counting as 32 */
	uint32_t popc;
	bool used, all, any;
	bool ahead;                        /* some arrived without waiting (sd_block.ahead) */
};

/* Lanes of a warp that have arrived without waiting, and as how many threads they count. */
struct sd_ahead {
	uint32_t lanes, n;
};

/* Mostly all of them; without a CPU's instruction for it counting is a call. */
static inline uint32_t sd_lanes(uint32_t m)
{
	return m == UINT32_MAX ? 32 : (uint32_t)__builtin_popcount(m);
}

enum sd_gang_state { SD_G_RUN, SD_G_BAR, SD_G_YIELD, SD_G_DONE };

enum sd_phase { SD_PHASE_NONE, SD_PHASE_DONE, SD_PHASE_BAR };

struct sd_gang {
	uint32_t state;                    /* to go on in, of part */
	uint8_t part;
	uint8_t how;                       /* enum sd_gang_state */
	uint8_t bar;
	bool full;
	uint32_t live;                     /* lanes that have not ended */
	uint32_t result;                   /* of bar.red */
	uint32_t valid[SD_MAX_WARPS];
};

struct sd_block {
	const struct be_launch *l;
	const struct be_services *s;
	struct sd_variant *v;
	uint64_t linear, hi;               /* its number; the run's end */
	uint32_t n_threads, n_gangs, n_done, n_live, next;
	bool progress;
	bool fresh;                        /* gangs are in step: where they are is known to run_together() alone */
	enum sd_phase phase;               /* … what those that had their turn have done */
	bool dirty;                        /* didn't end by itself: barriers may be in use */
	struct be_fault *fault;
	struct sd_ctx c;
	struct sd_barrier bar[SD_NBARRIER];
	uint32_t bars;                     /* those in use */
	struct sd_ahead ahead[SD_NBARRIER][SD_BLOCK_WARPS];   /* by warp, where sd_barrier.ahead; then a gang is one warp */
	struct sd_gang *gangs;
	uint8_t *shared_map;               /* the reserved range */
	uint64_t shared_B;
	uint8_t *local, *frames;
	uint64_t local_map_B;
	uint32_t frame_B;                  /* of one gang */
	uint32_t n_rows;
	uint32_t *tids;
	unsigned part;                     /* the one that runs */
	struct sd_shim *shim[2];           /* by part */
	uint64_t crossings, waited_ns;     /* since they were looked at; waited for code */
};

/* A block of either kind. */
struct be_block {
	struct be_block *ib;               /* interp's; NULL: compiled */
	struct be_launch il;               /* for it */
	struct sd_block b;
	struct be_block *next;             /* idle */
};

/* sd_variant.c */
/* What the last launch of this shape ran, and NULL when there was another one in between or none. */
struct sd_variant *sd_variant_ready(const struct be_kernel *k, const struct be_launch *l);
struct sd_variant *sd_variant_get(struct be_kernel *k, const struct be_launch *l, struct vgpu_err *err);
/* The other half; NULL and *err. */
struct sd_part *sd_variant_other(struct be_kernel *k, struct sd_variant *v, struct vgpu_err *err);
/* Does it matter how long it runs? */
bool sd_variant_timed(const struct sd_variant *v);
/* Better code is on its way. */
bool sd_variant_hopes(const struct sd_variant *v);
/* So many blocks ran that long, with that many ways from half to half, of a launch of so many; is it worth better code? */
void sd_variant_ran(struct be_kernel *k, struct sd_variant *v, uint64_t ns, uint64_t blocks, uint64_t launch, uint64_t crossings);
/* How long so many blocks take, ns, if they are like those that ran. */
uint64_t sd_variant_takes(const struct sd_variant *v, uint64_t blocks);
/* With no block in flight. */
void sd_variants_free(struct be_kernel *k);
void sd_variant_ref(struct sd_variant *v);
void sd_variant_unref(struct sd_variant *v);
enum sd_isa sd_isa_here(void);
/* Why a kernel's launches so far were interpreted (all or some of them); NULL: they were not. For tests and logs. */
const char *sd_kernel_why(const struct be_kernel *k);

/* sd_block.c */
int sd_block_init(struct sd_block *b, const struct be_launch *l, struct sd_variant *v, uint64_t linear, struct vgpu_err *err);
void sd_block_fini(struct sd_block *b);
/* Can an idle block of this kind be taken for the launch? */
bool sd_block_fits(const struct sd_block *b, const struct be_launch *l, const struct sd_variant *v);
void sd_block_reset(struct sd_block *b, const struct be_launch *l, uint64_t linear);
void sd_block_next(struct sd_block *b, uint64_t linear);
/* Takes note of what has ended, before gang k does something that others hear of. */
void sd_block_settle(struct sd_block *b, uint32_t k);
enum be_run sd_block_run(struct sd_block *b, uint64_t hi, struct be_fault *fault);

/* sd_bar.c: false: a fault was reported. */
bool sd_bar_arrive(struct sd_block *b, struct sd_gang *g, uint32_t id, uint32_t count, bool waits);
/* Lanes of gang g have ended, so that live are left of each warp: barriers that waited for them alone. */
void sd_bar_recheck(struct sd_block *b, const struct sd_gang *g, const uint32_t *live);

/* sd_calls.c */
extern const struct sd_calls sd_calls;

#endif
