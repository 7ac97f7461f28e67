/*
 * gen_api.h: what the code generator does for others: one kernel of a module,
 * for one shape of blocks and one vector width, to a relocatable object.
 * Whoever calls it links LLVM; vgpu-jit does, and tests.
 *
 * The object is an x86-64 ELF relocatable of position-independent code for the
 * small code model. It has one global function, "kernel" (sd_fn), and may have
 * local ones, constants, and references to the functions of sd_import.def; no
 * data that is written.
 *
 * Thread-safe: calls share nothing. A module is only read.
 */
#ifndef VGPU_BACKEND_SIMD_GEN_GEN_API_H
#define VGPU_BACKEND_SIMD_GEN_GEN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/simd/sd_rt.h"
#include "util/err.h"

struct ir_module;

enum gen_flags {               /* gen_request.flags; the first ones are for tests */
	GEN_F_MASKED = 1u << 0,    /* masked code only: as if every branch diverged */
	GEN_F_YIELD = 1u << 1,     /* gives way at every place where it could */
	GEN_F_DIVERGE = 1u << 2,   /* leaves the convergent code early, without need */
	GEN_F_STRICT = 1u << 3,    /* no contraction of mul and add */
	/* One half of the code, which leads to the other one through the frame (SD_WHY_WORLD); none of the two: all of it */
	GEN_F_WORLD_0 = 1u << 4,   /* for gangs whose lanes agree at every branch */
	GEN_F_WORLD_1 = 1u << 5,   /* for any lanes */
	GEN_F_GATHER = 1u << 6,    /* for tests: gathers where there are any, fast or slow */
};

struct gen_request {
	const struct ir_module *m; /* passes have run */
	uint32_t func;             /* m->funcs[func], an entry */
	uint32_t block[3];         /* threads of a block; 0,0,0: any shape */
	bool small_grid;           /* grid * block < 2^31 threads in each dimension: indices made of them don't wrap */
	enum sd_isa isa;
	unsigned warps;            /* of a gang; 0: chosen */
	unsigned tier;             /* 0: compiled fast, 1: to run fast */
	uint32_t flags;            /* GEN_F_… */
	bool best;                 /* of vgpu-jit: code of tier 1 that is in its cache is as welcome as that of tier 0 */
};

struct gen_object {
	uint8_t *elf;
	size_t len;
	struct sd_meta meta;
	struct sd_ref *refs;       /* meta.n_refs */
	struct sd_sym *syms;       /* meta.n_syms */
};

/*
 * 0 and *out, to be freed; or an error whose text names line and instruction where it is about one
 * (E_UNSUPPORTED_PTX, E_NOMEM, E_INTERNAL).
 */
int gen_kernel(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err);
/* What the first call does once for the process, LLVM's start; for who wants it earlier. */
void gen_prepare(void);
/* Its buffers are malloc's. One that was never filled (zeros) is fine. In sd_link.c, which uses objects. */
void gen_object_free(struct gen_object *o);

typedef int (*gen_kernel_f)(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err);

#endif
