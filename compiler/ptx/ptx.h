/*
 * ptx.h: PTX text to IR, and diagnostics.
 */
#ifndef VGPU_COMPILER_PTX_PTX_H
#define VGPU_COMPILER_PTX_PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

struct ir_module;

enum ptx_severity { PTX_ERROR, PTX_WARNING, PTX_INFO };

/* Diagnostics: a list in text form, as ptxas spells them, each with source line and caret. */
struct ptx_diag {
	struct vgpu_buf errors;    /* "ptx, line 12, col 7; error   : …\n    <source line>\n    ^\n" */
	struct vgpu_buf infos;
	unsigned n_errors, n_warnings;
	unsigned max_errors;       /* parsing stops after so many; 0: 64 */
};

void ptx_diag_init(struct ptx_diag *d);
void ptx_diag_fini(struct ptx_diag *d);

struct ptx_source {
	const char *text;          /* need not be NUL terminated */
	size_t len;
	const char *name;          /* for messages; may be NULL */
};

/*
 * Parses and links n texts into one module, resolving names across them
 * (.extern against .visible), and runs the standard passes. Errors go into d.
 *   0                    *out is complete; functions that hold an instruction which the engine does not
 *                        implement have ->unsupported set (they compile to an error, never to a wrong result)
 *   -E_INVALID_PTX       syntax or semantic errors, an unknown instruction, or an unresolved symbol
 *   -E_UNSUPPORTED_PTX   .version or .target that is unknown, or above max_target (10*major+minor; 0: any);
 *                        an sm_90a needs just that max_target, an sm_120f one of its family
 *   -E_NOMEM
 */
int ptx_compile(const struct ptx_source *src, size_t n, unsigned max_target,
		struct ir_module **out, struct ptx_diag *d, struct vgpu_err *err);

struct pass_opts;

/* From so much text on a module is worth opts.lazy, in which errors show late. */
#define PTX_LAZY_B (1u << 20)

struct ptx_options {
	unsigned max_target;              /* as above */
	bool no_contract;                 /* strict: keep mul and add apart (see pass_fuse_mul_add.c) */
	bool keep_text;                   /* ir_module.texts */
	bool lazy;                        /* bodies are read when ir_need_func asks for them; an error in one fails that one */
	const struct pass_opts *passes;   /* compiler/pass/pass.h; may be NULL */
};

int ptx_compile_opts(const struct ptx_source *src, size_t n, const struct ptx_options *opts, struct ir_module **out,
		     struct ptx_diag *d, struct vgpu_err *err);
/* Parses and links only: no pass runs. */
int ptx_parse(const struct ptx_source *src, size_t n, const struct ptx_options *opts, struct ir_module **out,
	      struct ptx_diag *d, struct vgpu_err *err);

/* Unpacks an LZ4 block or a zstd frame of exactly text_size bytes. flags: 1 LZ4, 2 zstd (enum vgp_image_flags). */
int ptx_unpack(const void *data, size_t size, size_t text_size, uint32_t flags, char **text_out, size_t *len_out,
	       struct vgpu_err *err);

#endif
