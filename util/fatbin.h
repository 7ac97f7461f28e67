/*
 * fatbin.h: what a program hands over as a device image: a fatbin wrapper (the
 * 24 bytes that nvcc puts into .nvFatBinSegment), a bare fatbin, a cubin, PTX
 * text, or a blob that this driver's linker made. Layout only: nothing is
 * decompressed here.
 *
 * A program passes an address without a length, so "avail" is SIZE_MAX there
 * and the container's own sizes are the bound; with a known length (files)
 * nothing beyond it is read.
 */
#ifndef VGPU_UTIL_FATBIN_H
#define VGPU_UTIL_FATBIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/vec.h"

enum vgpu_image_kind {
	VGPU_IMAGE_UNKNOWN,
	VGPU_IMAGE_WRAPPER,        /* 0x466243b1 */
	VGPU_IMAGE_FATBIN,         /* 0xba55ed50 */
	VGPU_IMAGE_ELF,            /* a cubin */
	VGPU_IMAGE_PTX,            /* text */
	VGPU_IMAGE_LINKED,         /* made by vgpu_linked_print */
};

enum vgpu_fatbin_kind { VGPU_FATBIN_PTX = 1, VGPU_FATBIN_ELF = 2, VGPU_FATBIN_LTOIR = 8 };

/* Bits of struct vgpu_ptx_image.flags; the numbers of enum vgp_image_flags. */
enum vgpu_ptx_image_flags {
	VGPU_PTX_F_LZ4 = 1,
	VGPU_PTX_F_ZSTD = 2,
	VGPU_PTX_F_LINEINFO = 4,
};

/* One entry of a fatbin, as it lies there. */
struct vgpu_fatbin_entry {
	uint16_t kind;             /* enum vgpu_fatbin_kind, or others */
	uint16_t isa_major, isa_minor;
	uint32_t arch;             /* 75, 90, 120 … */
	uint64_t flags;            /* enum of the container, see fatbin.c */
	const void *payload;
	uint64_t size;             /* exact bytes of the payload */
	uint64_t text_size;        /* bytes once decompressed; size where it is not compressed */
	uint32_t ptx_flags;        /* enum vgpu_ptx_image_flags */
	const char *options;       /* ptxas options, not NUL terminated; NULL: none */
	uint32_t options_len;
	bool arch_specific;        /* sm_90a */
	bool family_specific;      /* sm_100f */
};

/* A PTX text that was chosen. */
struct vgpu_ptx_image {
	const void *ptr;
	uint64_t size;             /* bytes at ptr */
	uint64_t text_size;        /* bytes once decompressed */
	uint32_t flags;            /* enum vgpu_ptx_image_flags */
	uint32_t arch;             /* 0: plain text, see its .target */
};

struct vgpu_ptx_images {
	VGPU_VEC(struct vgpu_ptx_image) list;
	unsigned n_cubins;         /* entries that only a GPU could run, for messages */
	bool rdc;                  /* several parts to be linked */
};

enum vgpu_image_kind vgpu_image_sniff(const void *image, size_t avail);
const char *vgpu_image_kind_name(enum vgpu_image_kind kind);

/*
 * Walks a bare fatbin: fn answers 0 to go on; another value ends the walk and
 * is returned. -E_INVALID_IMAGE with the offset of what is wrong.
 */
typedef int (*vgpu_fatbin_fn_f)(const struct vgpu_fatbin_entry *e, void *arg);
int vgpu_fatbin_walk(const void *fatbin, size_t avail, vgpu_fatbin_fn_f fn, void *arg, struct vgpu_err *err);

/* Bytes of the image: of a fatbin with its header, of PTX with its NUL; 0 when it can't be told (wrapper, ELF). */
size_t vgpu_image_size(const void *image, size_t avail);

/* True if PTX made for that arch runs on compute capability cc (10*major + minor). */
bool vgpu_fatbin_fits(const struct vgpu_fatbin_entry *e, unsigned cc);

/*
 * The PTX that a device of compute capability cc runs: of each fatbin the one
 * with the highest arch. Sets are to be freed also after an error.
 *   -E_INVALID_IMAGE   damaged or no image at all
 *   -E_NO_BINARY       well formed, but nothing in it that cc runs
 */
int vgpu_image_select(const void *image, size_t avail, unsigned cc, struct vgpu_ptx_images *out, struct vgpu_err *err);
void vgpu_ptx_images_fini(struct vgpu_ptx_images *s);

/* A copy (one malloc) that stays when the original goes; a wrapper's containers are copied with it. Cubins are not copied:
 * -E_NO_BINARY. */
int vgpu_image_dup(const void *image, size_t avail, void **out, struct vgpu_err *err);

/* A linked blob of n images: what cuLinkComplete hands out. */
void vgpu_linked_print(struct vgpu_buf *b, const struct vgpu_ptx_image *v, size_t n);

#endif
