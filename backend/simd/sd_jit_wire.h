/*
 * sd_jit_wire.h: packets between whoever runs kernels (sd_jit.c) and vgpu-jit,
 * over a SEQPACKET socket. Both are of one build. Fixed layouts; vgpu-jit
 * checks what it gets, as it comes from a process that runs strangers' code.
 *
 *   MODULE, then TEXT … until all bytes are there: a module, named by id from then on
 *   COMPILE: one kernel of it; answered by RESULT, in any order
 *   DROP: the module is gone; its compilations are given up without an answer
 */
#ifndef VGPU_BACKEND_SIMD_SD_JIT_WIRE_H
#define VGPU_BACKEND_SIMD_SD_JIT_WIRE_H

#include <stdint.h>

#define SD_JW_MAGIC 0x6a676776u    /* "vggj" */
#define SD_JW_VERSION 2
#define SD_JW_TEXTS 4096u          /* of a module */
#define SD_JW_CHUNK 65536u         /* bytes of a TEXT packet */
#define SD_JW_SIZE_MAX (1ull << 31)
#define SD_JW_ERR 480              /* bytes of an error's text */
#define SD_JW_FD 3                 /* the socket, in vgpu-jit */

enum sd_jw_op { SD_JW_MODULE = 1, SD_JW_TEXT, SD_JW_COMPILE, SD_JW_DROP, SD_JW_RESULT = 16 };

struct sd_jw_head {
	uint32_t magic;
	uint16_t version, op;
	uint64_t id;               /* of the module; COMPILE, RESULT: of the compilation */
};

/* uint64_t lengths of n_texts texts follow. */
struct sd_jw_module {
	struct sd_jw_head h;
	uint32_t n_texts;
	uint32_t max_target;
	uint32_t no_contract;
	uint32_t lazy;             /* as there: where variables lie depends on it */
};

struct sd_jw_compile {
	struct sd_jw_head h;
	uint64_t module;
	uint32_t func;
	uint32_t block[3];
	uint32_t small_grid;
	uint32_t isa;              /* enum sd_isa */
	uint32_t warps;
	uint32_t tier;
	uint32_t flags;
	uint32_t best;             /* tier 0: what a higher tier has left in the cache will do as well, and better */
};

enum sd_jw_from {
	SD_JW_COMPILED, SD_JW_CACHED,
	SD_JW_LAST,                /* inside of vgpu-jit: the compiler's last words */
};

/* status VGPU_OK: a sealed memfd with the artifact comes along; else text. */
struct sd_jw_result {
	struct sd_jw_head h;
	uint32_t status;
	uint32_t from;             /* enum sd_jw_from */
	uint64_t ns;               /* that it took */
	char text[SD_JW_ERR];
};

#endif
