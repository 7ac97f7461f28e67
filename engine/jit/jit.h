/*
 * jit.h: vgpu-jit, the compiler's process of one worker: gets modules and
 * requests over a socket (backend/simd/sd_jit_wire.h), answers from a cache on
 * disk, or has a kernel compiled. Three kinds of process:
 *
 *   broker     talks to the worker, owns the cache; looks at no PTX and no code. Main program.
 *   zygote     started by the broker before it locks itself in; waits, loads LLVM for the first compilation, locks
 *              itself in, and forks a
 *   compiler   for each: parses PTX, makes code. Foreign input meets big libraries here: no files, no network, no
 *              rights, limited memory and time. When one dies its request fails, and the next gets a new one.
 */
#ifndef VGPU_ENGINE_JIT_JIT_H
#define VGPU_ENGINE_JIT_JIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/simd/sd_jit_wire.h"
#include "util/err.h"

struct jit_config {
	uint32_t uid;              /* whose cache */
	const char *generator;     /* path of the plugin that has LLVM; NULL: none */
	uint64_t cpu_ms;           /* a compilation may take */
	uint64_t mem_B;
	uint64_t cache_B;          /* size of the cache */
};

/* What a kernel's code depends on. */
struct jit_key {
	uint8_t b[16];
};

/* ---- jit_key.c ---- */

/* Of this build: both programs, LLVM, the CPU. Once, at start. */
int jit_key_init(const struct jit_config *c, struct vgpu_err *err);
/* Of a module's texts and options. */
void jit_key_module(const struct sd_jw_module *m, const uint64_t *lens, const void *text, size_t len, struct jit_key *out);
void jit_key_kernel(const struct jit_key *module, const struct sd_jw_compile *c, struct jit_key *out);
uint64_t jit_check(const void *data, size_t len, const struct jit_key *key);

/* ---- jit_cache.c ---- */

struct jit_cache;

/* NULL: there is none, err says why; everything works, slower. */
struct jit_cache *jit_cache_open(const struct jit_config *c, struct vgpu_err *err);
/* Directory, for jit_lock_broker; -1: no cache. */
int jit_cache_dir(const struct jit_cache *k);
/* A sealed memfd with the artifact, or -1. */
int jit_cache_get(struct jit_cache *k, const struct jit_key *key);
/* fd: a sealed memfd with a good artifact. A failure is no error: it won't be found next time. */
void jit_cache_put(struct jit_cache *k, const struct jit_key *key, int fd);
void jit_cache_close(struct jit_cache *k);

/* ---- jit_zygote.c ---- */

/* Forks it; its socket or -status. */
int jit_zygote_start(const struct jit_config *c, struct vgpu_err *err);
/* A fresh compiler: the socket to it or -status. */
int jit_zygote_spawn(int zygote, bool background, struct vgpu_err *err);

/* ---- jit_compile.c ---- */

struct gen_request;
struct gen_object;

struct jit_generator {
	int (*kernel)(const struct gen_request *r, struct gen_object *out, struct vgpu_err *err);
	struct vgpu_err err;       /* kernel is NULL: why */
};

/* The compiler's loop: MODULE (with the texts' memfd), COMPILE … until the other side closes. Doesn't return. */
void jit_compile_main(int sock, const struct jit_generator *g, const struct jit_config *c) VGPU_NORETURN;

/* ---- jit_broker.c ---- */

/* Serves the worker until it closes its socket. */
int jit_broker(int sock, int zygote, struct jit_cache *cache, struct vgpu_err *err);

/* ---- jit_sandbox.c ---- */

/* dir: all that can be reached of the file system; -1: nothing. */
int jit_lock_broker(int dir, struct vgpu_err *err);
int jit_lock_compiler(uint64_t mem_B, struct vgpu_err *err);

#endif
