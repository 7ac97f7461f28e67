/*
 * fatbin.c: walking fatbins. Every number read from an image is checked
 * against what is left of it before it is used; nothing is aligned for granted.
 */
#include "util/fatbin.h"

#include <stdlib.h>
#include <string.h>

#define WRAPPER_MAGIC 0x466243b1u
#define FATBIN_MAGIC 0xba55ed50u
#define ELF_MAGIC 0x464c457fu
#define LINKED_MAGIC "VGPULNK1"
/* No image is larger; bounds what a damaged size field can make us read. */
#define IMAGE_MAX ((uint64_t)4 << 30)
/* A wrapper of relocatable code lists its parts up to a NULL. */
#define PARTS_MAX 65536

/* Container flags that matter here. */
#define FB_F_LZ4 0x2000u
#define FB_F_ZSTD 0x8000u
#define FB_F_ARCH 0x100000u
#define FB_F_FAMILY 0x200000u

struct wrapper {
	uint32_t magic, version;
	const void *data;
	const void *const *parts;  /* version 2; a file name or NULL in version 1 */
};
_Static_assert(sizeof(struct wrapper) == 24, "fatbin wrapper");

struct fb_header {
	uint32_t magic;
	uint16_t version, header_size;
	uint64_t size;
};
_Static_assert(sizeof(struct fb_header) == 16, "fatbin header");

struct fb_entry {
	uint16_t kind, version;
	uint32_t header_size;
	uint64_t size;
	uint32_t packed_size, options_off;
	uint16_t isa_minor, isa_major;
	uint32_t arch;
	uint32_t name_off, name_len;
	uint64_t flags, hash, text_size;
};
_Static_assert(sizeof(struct fb_entry) == 64, "fatbin entry");

struct linked_header {
	char magic[8];
	uint32_t count, pad;
	uint64_t size;             /* all of the blob */
};

struct linked_entry {
	uint64_t off, size, text_size;
	uint32_t flags, arch;
};

static bool is_text(const unsigned char *p, size_t avail)
{
	for (size_t i = 0; i < avail && i < 64; i++) {
		if (!p[i])
			return i > 0;
		if (p[i] < 0x20 && !strchr("\t\n\r\f\v", p[i]))
			return false;
	}
	return avail > 0;
}

/* Byte by byte up to the first that differs: a short text may end at the end of a page. */
static bool has_magic(const void *image, size_t avail, const void *magic, size_t n)
{
	const uint8_t *a = image, *b = magic;

	for (size_t i = 0; i < n; i++)
		if (i >= avail || a[i] != b[i])
			return false;
	return true;
}

enum vgpu_image_kind vgpu_image_sniff(const void *image, size_t avail)
{
	static const uint32_t wrapper = WRAPPER_MAGIC, fatbin = FATBIN_MAGIC, elf = ELF_MAGIC;

	if (!image || !avail)
		return VGPU_IMAGE_UNKNOWN;
	if (has_magic(image, avail, &wrapper, 4))
		return VGPU_IMAGE_WRAPPER;
	if (has_magic(image, avail, &fatbin, 4))
		return VGPU_IMAGE_FATBIN;
	if (has_magic(image, avail, &elf, 4))
		return VGPU_IMAGE_ELF;
	if (has_magic(image, avail, LINKED_MAGIC, 8))
		return VGPU_IMAGE_LINKED;
	return is_text(image, avail) ? VGPU_IMAGE_PTX : VGPU_IMAGE_UNKNOWN;
}

const char *vgpu_image_kind_name(enum vgpu_image_kind kind)
{
	static const char *const name[] = {
		"unknown data", "fatbin wrapper", "fatbin", "ELF cubin", "PTX text", "linked PTX",
	};

	return (unsigned)kind < ARRAY_SIZE(name) ? name[kind] : name[0];
}

static int read_header(const void *fatbin, size_t avail, struct fb_header *h, struct vgpu_err *err)
{
	if (avail < sizeof(*h))
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "fatbin of %zu bytes: its header has %zu", avail, sizeof(*h));
	memcpy(h, fatbin, sizeof(*h));
	if (h->magic != FATBIN_MAGIC || h->version != 1)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "fatbin: magic 0x%x version %u, should be 0x%x and 1",
				    h->magic, h->version, FATBIN_MAGIC);
	if (h->header_size < sizeof(*h) || h->header_size > avail)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "fatbin: header of %u bytes", h->header_size);
	if (h->size > IMAGE_MAX || h->size > avail - h->header_size)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "fatbin: %llu bytes follow its header by its own account, more than there are",
				    (unsigned long long)h->size);
	return 0;
}

/* The entry at p, of which left bytes belong to the fatbin. */
static int read_entry(const uint8_t *p, uint64_t left, uint64_t at, struct vgpu_fatbin_entry *e, uint64_t *total,
		      struct vgpu_err *err)
{
	struct fb_entry f;
	uint32_t opt[2];

	if (left < sizeof(f))
		goto bad;
	memcpy(&f, p, sizeof(f));
	if (f.header_size < sizeof(f) || f.header_size > left || f.size > left - f.header_size)
		goto bad;
	memset(e, 0, sizeof(*e));
	e->kind = f.kind;
	e->isa_major = f.isa_major;
	e->isa_minor = f.isa_minor;
	e->arch = f.arch;
	e->flags = f.flags;
	e->payload = p + f.header_size;
	e->size = e->text_size = f.size;
	e->arch_specific = f.flags & FB_F_ARCH;
	e->family_specific = f.flags & FB_F_FAMILY;
	if (f.flags & (FB_F_LZ4 | FB_F_ZSTD)) {
		if (f.packed_size > f.size || f.text_size > IMAGE_MAX)
			goto bad;
		e->ptx_flags = f.flags & FB_F_LZ4 ? VGPU_PTX_F_LZ4 : VGPU_PTX_F_ZSTD;
		e->size = f.packed_size;
		e->text_size = f.text_size;
	}
	if (f.options_off) {
		if (f.options_off > f.header_size - sizeof(opt))
			goto bad;
		memcpy(opt, p + f.options_off, sizeof(opt));
		if (opt[0] > f.header_size || opt[1] > f.header_size - opt[0])
			goto bad;
		e->options = (const char *)p + opt[0];
		e->options_len = opt[1];
	}
	if (e->options && memmem(e->options, e->options_len, "-lineinfo", 9))
		e->ptx_flags |= VGPU_PTX_F_LINEINFO;
	*total = f.header_size + f.size;
	return 0;
bad:
	return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "fatbin: the entry at offset %llu does not fit into it",
			    (unsigned long long)at);
}

int vgpu_fatbin_walk(const void *fatbin, size_t avail, vgpu_fatbin_fn_f fn, void *arg, struct vgpu_err *err)
{
	struct fb_header h;
	int r = read_header(fatbin, avail, &h, err);
	const uint8_t *base = fatbin;
	uint64_t at = 0, n;

	if (r)
		return r;
	while (at < h.size) {
		struct vgpu_fatbin_entry e;

		r = read_entry(base + h.header_size + at, h.size - at, h.header_size + at, &e, &n, err);
		if (!r)
			r = fn(&e, arg);
		if (r)
			return r;
		at += n;
	}
	return 0;
}

static int read_linked(const void *image, size_t avail, struct linked_header *h, struct vgpu_err *err)
{
	if (avail < sizeof(*h))
		goto bad;
	memcpy(h, image, sizeof(*h));
	if (h->size > avail || h->size > IMAGE_MAX || h->count > PARTS_MAX ||
	    h->size < sizeof(*h) + h->count * sizeof(struct linked_entry))
		goto bad;
	return 0;
bad:
	return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "linked PTX: its header does not fit it");
}

size_t vgpu_image_size(const void *image, size_t avail)
{
	struct fb_header h;
	struct linked_header l;
	size_t n;

	switch (vgpu_image_sniff(image, avail)) {
	case VGPU_IMAGE_FATBIN:
		return read_header(image, avail, &h, NULL) ? 0 : h.header_size + h.size;
	case VGPU_IMAGE_PTX:
		/* strnlen: memory behind a NUL need not be there. */
		n = strnlen(image, MIN(avail, (size_t)IMAGE_MAX));
		return n < avail ? n + 1 : n;
	case VGPU_IMAGE_LINKED:
		return read_linked(image, avail, &l, NULL) ? 0 : l.size;
	default:
		return 0;
	}
}

bool vgpu_fatbin_fits(const struct vgpu_fatbin_entry *e, unsigned cc)
{
	if (e->kind != VGPU_FATBIN_PTX || !e->arch || e->arch > cc)
		return false;
	if (e->arch_specific)
		return e->arch == cc;
	if (e->family_specific)
		return e->arch / 10 == cc / 10;
	return true;
}

struct pick {
	unsigned cc, cubins;
	bool found;
	struct vgpu_fatbin_entry best;
};

/* Higher arch wins; of one arch the more specific; then the first. */
static int pick_entry(const struct vgpu_fatbin_entry *e, void *arg)
{
	struct pick *p = arg;
	unsigned rank = e->arch * 4 + (e->arch_specific ? 2 : e->family_specific);
	unsigned best = p->best.arch * 4 + (p->best.arch_specific ? 2 : p->best.family_specific);

	if (e->kind == VGPU_FATBIN_ELF)
		p->cubins++;
	if (!vgpu_fatbin_fits(e, p->cc) || (p->found && rank <= best))
		return 0;
	p->found = true;
	p->best = *e;
	return 0;
}

static int add_image(struct vgpu_ptx_images *out, const struct vgpu_ptx_image *im, struct vgpu_err *err)
{
	return vgpu_vec_push(&out->list, *im) ? 0 : vgpu_err_set(err, VGPU_E_NOMEM, "list of images");
}

static int select_fatbin(const void *fatbin, size_t avail, unsigned cc, struct vgpu_ptx_images *out, struct vgpu_err *err)
{
	struct pick p = { .cc = cc };
	int r = vgpu_fatbin_walk(fatbin, avail, pick_entry, &p, err);

	out->n_cubins += p.cubins;
	if (r || !p.found)
		return r;
	return add_image(out, &(struct vgpu_ptx_image){
		.ptr = p.best.payload, .size = p.best.size, .text_size = p.best.text_size,
		.flags = p.best.ptx_flags, .arch = p.best.arch }, err);
}

/*
 * Version 2 is relocatable code: the parts are what the linker joined. The
 * prelinked cubin in data is of no use here; a part without PTX for cc (the
 * device runtime library) is left out, and what it would have defined is
 * missed only by code that calls it.
 */
static int select_wrapper(const void *image, size_t avail, unsigned cc, struct vgpu_ptx_images *out, struct vgpu_err *err)
{
	struct wrapper w;
	int r = 0;

	if (avail < sizeof(w))
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "fatbin wrapper of %zu bytes, should have %zu", avail, sizeof(w));
	memcpy(&w, image, sizeof(w));
	if (w.version == 1 && w.data)
		return select_fatbin(w.data, SIZE_MAX, cc, out, err);
	if (w.version != 2 || (!w.parts && !w.data))
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "fatbin wrapper: version %u, should be 1 or 2", w.version);
	if (!w.parts)
		return select_fatbin(w.data, SIZE_MAX, cc, out, err);
	out->rdc = true;
	for (size_t i = 0; !r && i < PARTS_MAX && w.parts[i]; i++)
		r = select_fatbin(w.parts[i], SIZE_MAX, cc, out, err);
	return r;
}

static int select_linked(const void *image, size_t avail, struct vgpu_ptx_images *out, struct vgpu_err *err)
{
	struct linked_header h;
	int r = read_linked(image, avail, &h, err);

	for (uint32_t i = 0; !r && i < h.count; i++) {
		struct linked_entry e;

		memcpy(&e, (const char *)image + sizeof(h) + i * sizeof(e), sizeof(e));
		if (e.off > h.size || e.size > h.size - e.off || e.text_size > IMAGE_MAX)
			return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "linked PTX: part %u does not fit into it", i);
		r = add_image(out, &(struct vgpu_ptx_image){
			.ptr = (const char *)image + e.off, .size = e.size, .text_size = e.text_size,
			.flags = e.flags, .arch = e.arch }, err);
	}
	out->rdc = true;
	return r;
}

int vgpu_image_select(const void *image, size_t avail, unsigned cc, struct vgpu_ptx_images *out, struct vgpu_err *err)
{
	enum vgpu_image_kind kind = vgpu_image_sniff(image, avail);
	struct vgpu_ptx_image im = { .ptr = image };
	int r = 0;

	memset(out, 0, sizeof(*out));
	switch (kind) {
	case VGPU_IMAGE_WRAPPER:
		r = select_wrapper(image, avail, cc, out, err);
		break;
	case VGPU_IMAGE_FATBIN:
		r = select_fatbin(image, avail, cc, out, err);
		break;
	case VGPU_IMAGE_LINKED:
		r = select_linked(image, avail, out, err);
		break;
	case VGPU_IMAGE_PTX:
		im.size = im.text_size = vgpu_image_size(image, avail);
		r = add_image(out, &im, err);
		break;
	case VGPU_IMAGE_ELF:
		out->n_cubins = 1;
		break;
	default:
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "image is neither a fatbin nor PTX");
	}
	if (r || out->list.n)
		return r;
	return vgpu_err_set(err, VGPU_E_NO_BINARY, "%s holds no PTX for compute capability %u.%u or less (%u cubin%s in it)",
			    vgpu_image_kind_name(kind), cc / 10, cc % 10, out->n_cubins, out->n_cubins == 1 ? "" : "s");
}

void vgpu_ptx_images_fini(struct vgpu_ptx_images *s)
{
	vgpu_vec_free(&s->list);
}

/* Containers of a wrapper: of version 1 its data, of version 2 its parts. */
static const void *wrapper_part(const struct wrapper *w, size_t i)
{
	if (w->version == 2 && w->parts)
		return i < PARTS_MAX ? w->parts[i] : NULL;
	return i ? NULL : w->data;
}

static int dup_wrapper(const void *image, size_t avail, void **out, struct vgpu_err *err)
{
	struct wrapper w, *copy;
	struct fb_header h;
	const void **parts;
	size_t n = 0, size;
	char *at;

	if (avail < sizeof(w))
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "fatbin wrapper of %zu bytes, should have %zu", avail, sizeof(w));
	memcpy(&w, image, sizeof(w));
	size = sizeof(w) + sizeof(*parts);
	for (; wrapper_part(&w, n); n++) {
		int r = read_header(wrapper_part(&w, n), SIZE_MAX, &h, err);

		if (r)
			return r;
		size += sizeof(*parts) + vgpu_align_up(h.header_size + h.size, 8);
	}
	copy = malloc(size);
	if (!copy)
		return vgpu_err_set(err, VGPU_E_NOMEM, "copy of an image of %zu bytes", size);
	parts = (const void **)(copy + 1);
	at = (char *)(parts + n + 1);
	for (size_t i = 0; i < n; i++) {
		size_t len = vgpu_image_size(wrapper_part(&w, i), SIZE_MAX);

		memcpy(at, wrapper_part(&w, i), len);
		parts[i] = at;
		at += vgpu_align_up(len, 8);
	}
	parts[n] = NULL;
	*copy = w;
	copy->parts = w.version == 2 && w.parts ? parts : NULL;
	copy->data = w.version == 2 && w.parts ? NULL : n ? parts[0] : NULL;
	*out = copy;
	return 0;
}

int vgpu_image_dup(const void *image, size_t avail, void **out, struct vgpu_err *err)
{
	enum vgpu_image_kind kind = vgpu_image_sniff(image, avail);
	size_t n;

	if (kind == VGPU_IMAGE_WRAPPER)
		return dup_wrapper(image, avail, out, err);
	if (kind == VGPU_IMAGE_ELF)
		return vgpu_err_set(err, VGPU_E_NO_BINARY, "an ELF cubin holds no PTX");
	n = vgpu_image_size(image, avail);
	if (!n)
		return vgpu_err_set(err, VGPU_E_INVALID_IMAGE, "image is neither a fatbin nor PTX");
	/* Text that ended at its bound gets the NUL that it lacks. */
	*out = calloc(1, n + 1);
	if (!*out)
		return vgpu_err_set(err, VGPU_E_NOMEM, "copy of an image of %zu bytes", n);
	memcpy(*out, image, n);
	return 0;
}

void vgpu_linked_print(struct vgpu_buf *b, const struct vgpu_ptx_image *v, size_t n)
{
	struct linked_header h = { .magic = LINKED_MAGIC, .count = n };
	uint64_t off = sizeof(h) + n * sizeof(struct linked_entry);

	_Static_assert(sizeof(LINKED_MAGIC) - 1 == sizeof(h.magic), "magic");
	h.size = off;
	for (size_t i = 0; i < n; i++)
		h.size += vgpu_align_up(v[i].size, 8);
	vgpu_buf_add(b, &h, sizeof(h));
	for (size_t i = 0; i < n; i++) {
		struct linked_entry e = { off, v[i].size, v[i].text_size, v[i].flags, v[i].arch };

		vgpu_buf_add(b, &e, sizeof(e));
		off += vgpu_align_up(v[i].size, 8);
	}
	for (size_t i = 0; i < n; i++) {
		vgpu_buf_add(b, v[i].ptr, v[i].size);
		vgpu_buf_add(b, "\0\0\0\0\0\0\0", vgpu_align_up(v[i].size, 8) - v[i].size);
	}
}
