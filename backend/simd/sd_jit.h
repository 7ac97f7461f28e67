/*
 * sd_jit.h: how the simd backend gets a kernel compiled: by vgpu-jit, a
 * process that has LLVM and a cache on disk, over a socket that the engine gave
 * (sd_jit_set_fd) or, in tests and benches, of one started when it is first
 * needed; or in this process, by a generator that the program has linked
 * (sd_jit_set_local). Nothing happens before the first compilation.
 *
 * Thread-safe. A module needs its text (ptx_options.keep_text), unless the generator is local.
 */
#ifndef VGPU_BACKEND_SIMD_SD_JIT_H
#define VGPU_BACKEND_SIMD_SD_JIT_H

#include <stdbool.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_load.h"

struct sd_jit_job;

/* Before the first use, or while nothing is compiled. NULL, -1: as at the start. */
void sd_jit_set_local(gen_kernel_f gen);
void sd_jit_set_fd(int fd);            /* taken over */

/* The kernel r->func of r->m. What comes back has been checked against the module. */
int sd_jit_compile(struct sd_code **out, const struct gen_request *r, struct vgpu_err *err);

/*
 * The same without waiting, for code that is wanted later (tier 1): start, then poll now and then, which costs a
 * system call at most, until it doesn't answer -E_NOT_READY. A local generator runs inside of start. A job is freed
 * once, whatever became of it, before its module.
 */
int sd_jit_start(struct sd_jit_job **out, const struct gen_request *r, struct vgpu_err *err);
/* Until the compiler's process says something, or so long. */
void sd_jit_await(unsigned ms);
int sd_jit_poll(struct sd_jit_job *j, struct sd_code **out, struct vgpu_err *err);
int sd_jit_wait(struct sd_jit_job *j, struct sd_code **out, struct vgpu_err *err);
void sd_jit_job_free(struct sd_jit_job *j);

/* The module is about to be freed; none of its jobs is left. */
void sd_jit_forget(const struct ir_module *m);

/* Who is told of each kernel's first shape that can't be compiled, and why; from any thread. */
typedef void sd_jit_notice_f(const char *kernel, const char *why);
void sd_jit_set_notice(sd_jit_notice_f *f);
void sd_jit_notice(const char *kernel, const char *why);

struct sd_jit_stats {
	uint64_t compiled, cached, failed;   /* answers of vgpu-jit and of a local generator */
	uint64_t compile_ns;                 /* that compiling took, summed */
};
void sd_jit_stats(struct sd_jit_stats *out);

#endif
