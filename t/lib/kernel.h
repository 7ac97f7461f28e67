/*
 * kernel.h: runs PTX kernels on a backend without an engine: a window of
 * device memory, the services that a backend asks for, and a round-robin
 * scheduler of blocks. For tests of backends; every test runs on each of them
 * (kt_backends).
 */
#ifndef VGPU_T_LIB_KERNEL_H
#define VGPU_T_LIB_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "compiler/ir/ir.h"
#include "util/buf.h"

#define KT_WINDOW 0x200000000000ull
#define KT_WINDOW_SIZE ((uint64_t)1 << 30)

struct kt_dim { uint32_t x, y, z; };
#define KT1(x) ((struct kt_dim){ (x), 1, 1 })

struct kt {
	const struct be_ops *ops;
	struct ir_module *m;
	struct be_module *bm;
	uint64_t *var_addr;
	struct be_services s;
	volatile uint32_t cancel;
	struct vgpu_buf printed;
	size_t print_limit;          /* printf's FIFO; 0: no limit */
	uint64_t next;               /* where the next allocation goes */
	uint64_t heap_left;          /* device malloc */
	int heap_live;               /* allocations not freed */
	struct chk_mem *mem;         /* backend "check": what it knows; kt_alloc's bytes count as written */
	/* how to launch; reset by hand */
	uint32_t resident;           /* blocks in flight at once; 0: all */
	unsigned threads;            /* that run them; 0: the caller */
	unsigned ahead;              /* blocks that the backend runs in one go, where it can; 0: each by itself */
	uint32_t shared_dyn, stack_B;
	struct kt_dim cluster;
	bool cooperative;
	unsigned cancel_ms;          /* cancel a launch after so long; 0: never */
	unsigned max_spins;          /* give up after so many rounds without progress; 0: never */
	bool keep;                   /* the kernel, for the next launch of the same one, as programs do */
	/* what came of it */
	struct be_fault fault;
	uint64_t runs, spins, yields;
	struct vgpu_err err;
	char *log;                   /* compiler's messages */
	struct be_kernel *kept;
	int kept_func;
};

/* Names of all backends under test, NULL terminated; with $KT_CHECK in the environment: the memory checker's. */
const char *const *kt_backends(void);

/* Compiles and loads; false: t->err and t->log say why. kt_close() in either case. */
bool kt_open(struct kt *t, const char *backend, const char *ptx);
/* As kt_open; bails out where the text doesn't load. */
void kt_must_open(struct kt *t, const char *backend, const char *ptx);
void kt_close(struct kt *t);
/* The text of t/data/ptx/name, to be freed; bails out. */
char *kt_text(const char *name);

/* Zeroed device memory: the pointer is the device address, the page behind it is not mapped. */
void *kt_alloc(struct kt *t, size_t size);
/* Backend "check": memory that nobody has written to, of exactly that size. */
void *kt_alloc_raw(struct kt *t, size_t size);
/* Backend "check": takes the text of all reports so far; to be freed. */
char *kt_reports(struct kt *t);
/* Address of a module variable; bails out where there is none. */
void *kt_var(struct kt *t, const char *name);
uint64_t kt_func(struct kt *t, const char *name);

/* Runs a grid. BE_RUN_DONE, or what ended it; BE_RUN_SPIN: max_spins; -1: t->err (not a kernel, refused). */
int kt_run(struct kt *t, const char *kernel, struct kt_dim grid, struct kt_dim block, const void *params, size_t size);
#define KT_RUN(t, kernel, grid, block, params) kt_run(t, kernel, grid, block, &(params), sizeof(params))
/* Loads the kernel only: 0 or -status, t->err. */
int kt_check(struct kt *t, const char *kernel);

#endif
