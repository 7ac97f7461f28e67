/*
 * sd_load.h: objects of the code generator to code that runs, in two steps:
 * sd_link makes an artifact (sd_art.h) from an object; sd_load maps one. In
 * production they happen in different processes: vgpu-jit links and seals, the
 * worker maps. No page is ever writable and executable, nor was written by the
 * process that executes it in the worker.
 *
 * Objects and artifacts are foreign input: every offset is checked.
 */
#ifndef VGPU_BACKEND_SIMD_SD_LOAD_H
#define VGPU_BACKEND_SIMD_SD_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "backend/simd/sd_rt.h"
#include "util/buf.h"
#include "util/err.h"

struct ir_module;
struct gen_object;

/* A kernel's code, mapped. Constant; any thread may call fn. */
struct sd_code {
	sd_fn fn;
	struct sd_meta meta;
	const struct sd_ref *refs;         /* meta.n_refs */
	const struct sd_sym *syms;         /* meta.n_syms */
	uint8_t *base;                     /* the mapping */
	size_t size;
	size_t text_B;
};

/* Appends the artifact of an object. E_INVALID: it isn't one that can be linked, and why. */
int sd_link(const struct gen_object *o, struct vgpu_buf *out, struct vgpu_err *err);
/* An artifact's head and tables, checked; what it was in can go on being used. */
int sd_art_check(const void *data, size_t len, struct vgpu_err *err);
/* A sealed memfd with these bytes; its descriptor or -status. */
int sd_art_memfd(const void *data, size_t len, struct vgpu_err *err);

/* Maps an artifact from a memfd that can neither change nor shrink (E_INVALID when it could). fd stays the caller's. */
int sd_load_fd(struct sd_code **out, int fd, struct vgpu_err *err);
/* Links and maps an object in this process. */
int sd_load(struct sd_code **out, const struct gen_object *o, struct vgpu_err *err);
/* Do its references mean something in this module? E_INVALID. */
int sd_code_check(const struct sd_code *c, const struct ir_module *m, struct vgpu_err *err);
/* Nobody may be running in it. NULL is fine. */
void sd_unload(struct sd_code *c);

#endif
