/*
 * sd_art.h: layout of an artifact: a compiled kernel, linked but for the
 * addresses that differ between processes. It is what vgpu-jit sends (a sealed
 * memfd), what the cache keeps, and what sd_load maps as it is:
 *
 *   head | refs | syms | relocs | pad | text | pad | constants | pad | data
 *                                     \____________ pages _____________/
 *
 * Offsets between the parts are final, so that text and constants are never
 * written to where they run. Data is what holds addresses (calls of functions
 * outside go through it); it is private to the process and read-only after
 * relocation.
 */
#ifndef VGPU_BACKEND_SIMD_SD_ART_H
#define VGPU_BACKEND_SIMD_SD_ART_H

#include "backend/simd/sd_rt.h"

#define SD_ART_MAGIC 0x6f64737570677600ull   /* "\0vgpusdo" */
#define SD_ART_VERSION 2
#define SD_ART_PAGE 4096u
#define SD_ART_MAX (1u << 30)

struct sd_art {
	uint64_t magic;
	uint32_t version, rt_version;
	uint64_t size;                     /* of the whole artifact, whole pages */
	uint64_t check;                    /* hash of what is behind the head; the cache's */
	uint32_t refs, syms, relocs;       /* offsets; how many: meta.n_refs, meta.n_syms, n_relocs */
	uint32_t n_relocs;
	uint32_t text, text_B;             /* whole pages: offsets and lengths */
	uint32_t ro, ro_B;
	uint32_t data, data_B;
	uint32_t entry;                    /* offset of "kernel", in text */
	uint32_t pad;
	struct sd_meta meta;
};

/* The 64-bit word at offset at (in data) is addend + base of the artifact, or + address of function import - 1. */
struct sd_art_reloc {
	uint32_t at, import;
	int64_t addend;
};

#endif
