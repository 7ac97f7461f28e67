/*
 * sd_load.c: maps an artifact. Its memfd can't change any more, so text and
 * constants are mapped as they are, shared; data is a private copy, filled with
 * the addresses of this process and then read-only. The system calls are ones
 * that the worker's filter lets through.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_art.h"
#include "backend/simd/sd_load.h"
#include "compiler/ir/ir.h"
#include "util/cleanup.h"
#include "util/sys.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define LOCAL_MAX (1u << 30)

/* Their addresses only; types don't matter. */
extern char sd_extendhfsf2[] __asm__("__extendhfsf2"), sd_truncsfhf2[] __asm__("__truncsfhf2"),
	sd_truncdfhf2[] __asm__("__truncdfhf2"), sd_divti3[] __asm__("__divti3"), sd_udivti3[] __asm__("__udivti3"),
	sd_modti3[] __asm__("__modti3"), sd_umodti3[] __asm__("__umodti3");
#define __extendhfsf2 sd_extendhfsf2
#define __truncsfhf2 sd_truncsfhf2
#define __truncdfhf2 sd_truncdfhf2
#define __divti3 sd_divti3
#define __udivti3 sd_udivti3
#define __modti3 sd_modti3
#define __umodti3 sd_umodti3

static uint64_t import_addr(uint32_t n)
{
	static const void *const addr[] = {
#define SD_IMPORT(name) (const void *)name,
#include "backend/simd/sd_import.def"
#undef SD_IMPORT
	};

	return n - 1 < ARRAY_SIZE(addr) ? (uint64_t)(uintptr_t)addr[n - 1] : 0;
}

/* ---- checks ---- */

#define bad(err, ...) vgpu_err_set(err, VGPU_E_INVALID, "compiled kernel: " __VA_ARGS__)

static bool table_fits(const struct sd_art *h, uint32_t off, uint32_t n, size_t size)
{
	return off % 8 == 0 && off >= sizeof(*h) && off <= h->text && n <= (h->text - off) / size;
}

static bool is_pages(uint32_t off, uint32_t len)
{
	return off % SD_ART_PAGE == 0 && len % SD_ART_PAGE == 0;
}

static int check_meta(const struct sd_meta *m, struct vgpu_err *err)
{
	if (m->W == 0 || m->W % 32 || m->W > SD_MAX_W)
		return bad(err, "gangs of %u threads", m->W);
	if (m->frame_B % 64 || m->frame_B > LOCAL_MAX || m->local_B > LOCAL_MAX || m->n_rows > LOCAL_MAX / (SD_MAX_W * 8))
		return bad(err, "frame of %u bytes, local memory of %u, %u rows", m->frame_B, m->local_B, m->n_rows);
	return 0;
}

static int check_relocs(const uint8_t *p, const struct sd_art *h, struct vgpu_err *err)
{
	for (uint32_t i = 0; i < h->n_relocs; i++) {
		struct sd_art_reloc r;

		memcpy(&r, p + h->relocs + i * sizeof(r), sizeof(r));
		if (r.at < h->data || h->data_B < 8 || r.at - h->data > h->data_B - 8 || (r.import && !import_addr(r.import)))
			return bad(err, "address at 0x%x of function %u", r.at, r.import);
	}
	return 0;
}

int sd_art_check(const void *data, size_t len, struct vgpu_err *err)
{
	struct sd_art h;
	int r;

	if (len < sizeof(h))
		return bad(err, "%zu bytes are too few", len);
	memcpy(&h, data, sizeof(h));
	if (h.magic != SD_ART_MAGIC)
		return bad(err, "not one");
	if (h.version != SD_ART_VERSION || h.rt_version != SD_RT_VERSION)
		return vgpu_err_set(err, VGPU_E_VERSION, "compiled kernel: of version %u.%u, not %u.%u", h.version, h.rt_version,
				    SD_ART_VERSION, SD_RT_VERSION);
	if (h.size != len || len > SD_ART_MAX || h.pad)
		return bad(err, "it is cut: %zu bytes of %llu", len, (unsigned long long)h.size);
	if (!is_pages(h.text, h.text_B) || !is_pages(h.ro, h.ro_B) || !is_pages(h.data, h.data_B) ||
	    h.text > len || h.text_B > len - h.text || h.ro != h.text + h.text_B || h.ro_B > len - h.ro ||
	    h.data != h.ro + h.ro_B || h.data_B != len - h.data || h.entry < h.text || h.entry - h.text >= h.text_B)
		return bad(err, "its parts don't fit");
	if (!table_fits(&h, h.refs, h.meta.n_refs, sizeof(struct sd_ref)) || !table_fits(&h, h.syms, h.meta.n_syms, sizeof(struct sd_sym)) ||
	    !table_fits(&h, h.relocs, h.n_relocs, sizeof(struct sd_art_reloc)))
		return bad(err, "its tables don't fit");
	r = check_meta(&h.meta, err);
	return r ? r : check_relocs(data, &h, err);
}

static bool ref_is_good(const struct ir_module *m, const struct sd_ref *r)
{
	return r->func < m->n_funcs && r->block < m->funcs[r->func].n_blocks && r->index < m->funcs[r->func].blocks[r->block].n_insns;
}

int sd_code_check(const struct sd_code *c, const struct ir_module *m, struct vgpu_err *err)
{
	for (uint32_t i = 0; i < c->meta.n_refs; i++)
		if (!ref_is_good(m, &c->refs[i]))
			return bad(err, "it refers to instruction %u of block %u of function %u", c->refs[i].index, c->refs[i].block,
				   c->refs[i].func);
	for (uint32_t i = 0; i < c->meta.n_syms; i++)
		if (c->syms[i].kind > IR_SYM_FUNC || c->syms[i].index >= (c->syms[i].kind == IR_SYM_FUNC ? m->n_funcs : m->n_vars))
			return bad(err, "it refers to symbol %u of kind %u", c->syms[i].index, c->syms[i].kind);
	return 0;
}

/* ---- mapping ---- */

static int map_failed(const char *what, struct vgpu_err *err)
{
	return vgpu_err_errno(err, "compiled kernel: map its %s", what);
}

static int map_text(uint8_t *base, const struct sd_art *h, int fd, struct vgpu_err *err)
{
	if (mmap(base + h->text, h->text_B, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, h->text) == MAP_FAILED)
		return map_failed("code", err);
	return 0;
}

static int map_data(uint8_t *base, const struct sd_art *h, int fd, struct vgpu_err *err)
{
	if (!h->data_B)
		return 0;
	if (mmap(base + h->data, h->data_B, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, h->data) == MAP_FAILED)
		return map_failed("data", err);
	for (uint32_t i = 0; i < h->n_relocs; i++) {
		const struct sd_art_reloc *r = (const void *)(base + h->relocs + i * sizeof(*r));
		uint64_t v = (uint64_t)r->addend + (r->import ? import_addr(r->import) : (uint64_t)(uintptr_t)base);

		memcpy(base + r->at, &v, 8);
	}
	if (mprotect(base + h->data, h->data_B, PROT_READ) < 0)
		return map_failed("data", err);
	return 0;
}

static int map_parts(struct sd_code *c, int fd, struct vgpu_err *err)
{
	const struct sd_art *h = (const void *)c->base;
	int r = sd_art_check(c->base, c->size, err);

	if (r == 0)
		r = map_text(c->base, h, fd, err);
	if (r == 0)
		r = map_data(c->base, h, fd, err);
	if (r)
		return r;
	c->meta = h->meta;
	c->refs = (const void *)(c->base + h->refs);
	c->syms = (const void *)(c->base + h->syms);
	c->text_B = h->text_B;
	c->fn = (sd_fn)(void *)(c->base + h->entry);
	return 0;
}

int sd_load_fd(struct sd_code **out, int fd, struct vgpu_err *err)
{
	struct sd_code *c;
	int seals = fcntl(fd, F_GET_SEALS), r;
	off_t size;

	if (seals < 0 || (seals & SEALS) != SEALS)
		return bad(err, "its memory isn't sealed");
	size = lseek(fd, 0, SEEK_END);
	if (size < (off_t)sizeof(struct sd_art) || size > (off_t)SD_ART_MAX)
		return bad(err, "%lld bytes", (long long)size);
	c = calloc(1, sizeof(*c));
	if (!c)
		return vgpu_err_set(err, VGPU_E_NOMEM, "compiled kernel: out of memory");
	c->size = (size_t)size;
	c->base = mmap(NULL, c->size, PROT_READ, MAP_SHARED, fd, 0);
	if (c->base == MAP_FAILED) {
		free(c);
		return map_failed("head", err);
	}
	r = map_parts(c, fd, err);
	if (r) {
		sd_unload(c);
		return r;
	}
	*out = c;
	return 0;
}

void sd_unload(struct sd_code *c)
{
	if (!c)
		return;
	munmap(c->base, c->size);
	free(c);
}

/* ---- in one process ---- */

int sd_art_memfd(const void *data, size_t len, struct vgpu_err *err)
{
	cleanup_close int fd = vgpu_memfd("vgpu-code", 0);

	if (fd < 0)
		return vgpu_err_errno(err, "compiled kernel: memfd");
	if (vgpu_write_all(fd, data, len) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		return vgpu_err_errno(err, "compiled kernel: memfd");
	return TAKE_FD(fd);
}

int sd_load(struct sd_code **out, const struct gen_object *o, struct vgpu_err *err)
{
	struct vgpu_buf b = VGPU_BUF_INIT;
	cleanup_close int fd = -1;
	int r = sd_link(o, &b, err);

	if (r == 0) {
		fd = sd_art_memfd(b.data, b.len, err);
		r = fd < 0 ? fd : sd_load_fd(out, fd, err);
	}
	vgpu_buf_free(&b);
	return r;
}
