/*
 * sd_link.c: an ELF relocatable of the code generator to an artifact: picks
 * what is loaded, lays it out in three runs of pages (text, constants, data),
 * and relocates everything that doesn't depend on where it will be mapped.
 * Calls of functions outside go through stubs behind the text, whose targets
 * are words in data. The object is foreign input: nothing in it is believed.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "backend/simd/gen/gen_api.h"
#include "backend/simd/sd_art.h"
#include "backend/simd/sd_load.h"
#include "util/cleanup.h"
#include "util/vec.h"

#define STUB_B 16
#define MAX_REFS (1u << 24)
#define NOWHERE UINT32_MAX

static const char *const import_names[] = {
#define SD_IMPORT(name) #name,
#include "backend/simd/sd_import.def"
#undef SD_IMPORT
};

enum part { PART_NONE, PART_TEXT, PART_RO, PART_DATA };

struct sect {
	enum part part;
	uint32_t at;               /* in the artifact */
};

struct link {
	const uint8_t *elf;
	size_t len;
	Elf64_Shdr *sh;
	struct sect *sect;
	uint32_t n_sh;
	Elf64_Sym *sym;
	uint32_t n_sym;
	const char *str;           /* symbol names */
	size_t str_len;
	uint32_t *got;             /* by symbol: offset of its word in data, NOWHERE: none yet; first its number */
	uint32_t *stub;            /* by symbol: offset of its stub */
	uint32_t n_got, n_stub;
	uint64_t max_relocs;       /* that the table has room for */
	const char *shstr;
	size_t shstr_len;
	struct sd_art h;
	VGPU_VEC(struct sd_art_reloc) relocs;
	struct vgpu_buf *out;
	uint8_t *img;              /* of out, at the artifact's start */
	struct vgpu_err *err;
};

#define bad(l, ...) vgpu_err_set((l)->err, VGPU_E_INVALID, "object: " __VA_ARGS__)

static bool inside(const struct link *l, uint64_t off, uint64_t n)
{
	return off <= l->len && n <= l->len - off;
}

/* ---- reading ---- */

/* A copy, aligned, of n records. */
static void *records(const struct link *l, uint64_t off, uint64_t n, size_t size)
{
	void *p = inside(l, off, n * size) ? malloc(n * size + 1) : NULL;

	return p ? memcpy(p, l->elf + off, n * size) : NULL;
}

static int read_header(struct link *l)
{
	Elf64_Ehdr e;

	if (l->len < sizeof(e))
		return bad(l, "%zu bytes are no ELF file", l->len);
	memcpy(&e, l->elf, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB)
		return bad(l, "not a 64-bit little-endian ELF file");
	if (e.e_type != ET_REL || e.e_machine != EM_X86_64)
		return bad(l, "type %u for machine %u; wanted a relocatable for x86-64", e.e_type, e.e_machine);
	if (e.e_shentsize != sizeof(Elf64_Shdr) || e.e_shnum == 0 || !inside(l, e.e_shoff, (uint64_t)e.e_shnum * sizeof(Elf64_Shdr)))
		return bad(l, "section table is cut");
	l->sh = records(l, e.e_shoff, e.e_shnum, sizeof(Elf64_Shdr));
	l->sect = calloc(e.e_shnum, sizeof(*l->sect));
	if (!l->sh || !l->sect)
		return vgpu_err_set(l->err, VGPU_E_NOMEM, "object: out of memory");
	l->n_sh = e.e_shnum;
	for (uint32_t i = 0; i < l->n_sh; i++)
		if (l->sh[i].sh_type != SHT_NOBITS && l->sh[i].sh_type != SHT_NULL && !inside(l, l->sh[i].sh_offset, l->sh[i].sh_size))
			return bad(l, "section %u is cut", i);
	if (e.e_shstrndx < l->n_sh && l->sh[e.e_shstrndx].sh_type == SHT_STRTAB) {
		l->shstr = (const char *)l->elf + l->sh[e.e_shstrndx].sh_offset;
		l->shstr_len = l->sh[e.e_shstrndx].sh_size;
	}
	return 0;
}

static const char *string_at(const char *s, size_t len, uint32_t off)
{
	return s && off < len && memchr(s + off, 0, len - off) ? s + off : "";
}

static int read_symbols(struct link *l)
{
	const Elf64_Shdr *tab = NULL, *str;

	for (uint32_t i = 0; i < l->n_sh; i++) {
		if (l->sh[i].sh_type != SHT_SYMTAB)
			continue;
		if (tab)
			return bad(l, "two symbol tables");
		tab = &l->sh[i];
	}
	if (!tab || tab->sh_entsize != sizeof(Elf64_Sym) || tab->sh_link >= l->n_sh || tab->sh_size / sizeof(Elf64_Sym) >= UINT32_MAX)
		return bad(l, "no symbol table");
	str = &l->sh[tab->sh_link];
	if (str->sh_type != SHT_STRTAB)
		return bad(l, "symbols without names");
	l->str = (const char *)l->elf + str->sh_offset;
	l->str_len = str->sh_size;
	l->n_sym = (uint32_t)(tab->sh_size / sizeof(Elf64_Sym));
	l->sym = records(l, tab->sh_offset, l->n_sym, sizeof(Elf64_Sym));
	l->got = malloc((l->n_sym + 1) * sizeof(*l->got));
	l->stub = malloc((l->n_sym + 1) * sizeof(*l->stub));
	if (!l->sym || !l->got || !l->stub)
		return vgpu_err_set(l->err, VGPU_E_NOMEM, "object: out of memory");
	memset(l->got, 0xff, l->n_sym * sizeof(*l->got));
	memset(l->stub, 0xff, l->n_sym * sizeof(*l->stub));
	return 0;
}

/* ---- choice and layout ---- */

static enum part part_of(const Elf64_Shdr *s, const char *name)
{
	if (!(s->sh_flags & SHF_ALLOC) || s->sh_size == 0 || s->sh_type == SHT_NOTE || s->sh_type == SHT_X86_64_UNWIND ||
	    strcmp(name, ".eh_frame") == 0)
		return PART_NONE;
	if (s->sh_flags & SHF_EXECINSTR)
		return PART_TEXT;
	return s->sh_flags & SHF_WRITE ? PART_DATA : PART_RO;
}

static int choose(struct link *l)
{
	for (uint32_t i = 0; i < l->n_sh; i++) {
		const Elf64_Shdr *s = &l->sh[i];
		const char *name = string_at(l->shstr, l->shstr_len, s->sh_name);
		enum part part = part_of(s, name);

		l->sect[i].part = part;
		if (part == PART_NONE)
			continue;
		if (s->sh_type != SHT_PROGBITS || (s->sh_flags & SHF_TLS))
			return bad(l, "section %s is of a kind that can't be loaded (type %u)", name, s->sh_type);
		/* constants that hold addresses are written by a loader only */
		if ((part == PART_DATA && strncmp(name, ".data.rel.ro", 12)) || (part == PART_TEXT && (s->sh_flags & SHF_WRITE)))
			return bad(l, "section %s: a kernel has no data that is written", name);
		if (s->sh_addralign > SD_ART_PAGE || (s->sh_addralign && !vgpu_is_pow2(s->sh_addralign)))
			return bad(l, "section %s: alignment of %llu", name, (unsigned long long)s->sh_addralign);
	}
	return 0;
}

/* A relocation section that matters, its records copied; 0 and *n = 0: it doesn't. */
static int rela_of(struct link *l, uint32_t i, Elf64_Rela **out, size_t *n)
{
	const Elf64_Shdr *s = &l->sh[i];

	*out = NULL;
	*n = 0;
	if (s->sh_type != SHT_RELA && s->sh_type != SHT_REL)
		return 0;
	if (s->sh_info >= l->n_sh)
		return bad(l, "relocations of section %u, which isn't there", s->sh_info);
	if (l->sect[s->sh_info].part == PART_NONE)
		return 0;
	if (s->sh_type == SHT_REL || s->sh_entsize != sizeof(Elf64_Rela))
		return bad(l, "relocations without addends");
	*n = s->sh_size / sizeof(Elf64_Rela);
	*out = records(l, s->sh_offset, *n, sizeof(Elf64_Rela));
	return *out ? 0 : vgpu_err_set(l->err, VGPU_E_NOMEM, "object: out of memory");
}

static bool is_got(uint32_t type)
{
	return type == R_X86_64_GOTPCREL || type == R_X86_64_GOTPCRELX || type == R_X86_64_REX_GOTPCRELX;
}

static bool is_pc32(uint32_t type)
{
	return type == R_X86_64_PC32 || type == R_X86_64_PLT32;
}

static bool is_outside(const struct link *l, uint32_t sym)
{
	return l->sym[sym].st_shndx == SHN_UNDEF;
}

/* Gives out the numbers of words and stubs. */
static int count_one(struct link *l, const Elf64_Rela *r)
{
	uint64_t sym = ELF64_R_SYM(r->r_info);
	uint32_t type = ELF64_R_TYPE(r->r_info);

	if (sym >= l->n_sym)
		return bad(l, "relocation by symbol %llu, which isn't there", (unsigned long long)sym);
	if ((is_got(type) || (is_pc32(type) && is_outside(l, (uint32_t)sym))) && l->got[sym] == NOWHERE)
		l->got[sym] = l->n_got++;
	if (is_pc32(type) && is_outside(l, (uint32_t)sym) && l->stub[sym] == NOWHERE)
		l->stub[sym] = l->n_stub++;
	return 0;
}

static int each_reloc(struct link *l, int (*fn)(struct link *l, const Elf64_Rela *r, uint32_t sect))
{
	for (uint32_t i = 0; i < l->n_sh; i++) {
		cleanup_free Elf64_Rela *v = NULL;
		size_t n;
		int r = rela_of(l, i, &v, &n);

		for (size_t k = 0; k < n && r == 0; k++)
			r = fn ? fn(l, &v[k], l->sh[i].sh_info) : count_one(l, &v[k]);
		if (r)
			return r;
	}
	return 0;
}

/* Places the sections of a part; answers where it ends. */
static uint64_t place(struct link *l, enum part part, uint64_t at)
{
	for (uint32_t i = 0; i < l->n_sh && at < SD_ART_MAX; i++) {
		if (l->sect[i].part != part)
			continue;
		at = vgpu_align_up(at, MAX(l->sh[i].sh_addralign, 16ull));
		l->sect[i].at = (uint32_t)at;
		at += MIN(l->sh[i].sh_size, (uint64_t)SD_ART_MAX);
	}
	return at;
}

/* Numbers become offsets. */
static void place_numbered(uint32_t *v, uint32_t n, uint64_t at, uint32_t size)
{
	for (uint32_t i = 0; i < n; i++)
		if (v[i] != NOWHERE)
			v[i] = (uint32_t)at + v[i] * size;
}

/* The tables' room is kept for as many relocations as there can be: one per word, and one per 8 bytes of data. */
static int layout(struct link *l, const struct gen_object *o)
{
	struct sd_art *h = &l->h;
	uint64_t at = sizeof(*h), data = 0, stubs, got;

	for (uint32_t i = 0; i < l->n_sh; i++)
		if (l->sect[i].part == PART_DATA)
			data += MIN(l->sh[i].sh_size, (uint64_t)SD_ART_MAX);
	if (o->meta.n_refs > MAX_REFS || o->meta.n_syms > MAX_REFS || data >= SD_ART_MAX || l->n_got >= SD_ART_MAX / 64)
		return bad(l, "too large");
	h->refs = (uint32_t)at;
	at = vgpu_align_up(at + o->meta.n_refs * sizeof(struct sd_ref), 8);
	h->syms = (uint32_t)at;
	at = vgpu_align_up(at + o->meta.n_syms * sizeof(struct sd_sym), 8);
	h->relocs = (uint32_t)at;
	l->max_relocs = l->n_got + data / 8;
	at += l->max_relocs * sizeof(struct sd_art_reloc);
	at = vgpu_align_up(at, SD_ART_PAGE);
	h->text = (uint32_t)at;
	stubs = vgpu_align_up(place(l, PART_TEXT, at), STUB_B);
	at = vgpu_align_up(stubs + (uint64_t)l->n_stub * STUB_B, SD_ART_PAGE);
	if (at >= SD_ART_MAX)
		return bad(l, "too large");
	h->text_B = (uint32_t)at - h->text;
	h->ro = (uint32_t)at;
	at = vgpu_align_up(place(l, PART_RO, at), SD_ART_PAGE);
	if (at >= SD_ART_MAX)
		return bad(l, "too large");
	h->ro_B = (uint32_t)at - h->ro;
	h->data = (uint32_t)at;
	got = vgpu_align_up(place(l, PART_DATA, at), 8);
	at = vgpu_align_up(got + (uint64_t)l->n_got * 8, SD_ART_PAGE);
	if (at >= SD_ART_MAX)
		return bad(l, "too large");
	h->data_B = (uint32_t)at - h->data;
	h->size = at;
	place_numbered(l->got, l->n_sym, got, 8);
	place_numbered(l->stub, l->n_sym, stubs, STUB_B);
	return 0;
}

/* ---- symbols ---- */

static uint32_t import_of(const char *name)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(import_names); i++)
		if (strcmp(name, import_names[i]) == 0)
			return i + 1;
	return 0;
}

/* Where a symbol is: offset in the artifact, or with *import its number, or with *abs its value. */
struct where {
	uint64_t value;
	uint32_t import;
	bool abs;
};

static int resolve(struct link *l, uint32_t sym, struct where *w)
{
	const Elf64_Sym *s = &l->sym[sym];
	const char *name = string_at(l->str, l->str_len, s->st_name);

	*w = (struct where){ 0 };
	if (s->st_shndx == SHN_UNDEF) {
		w->import = import_of(name);
		return w->import ? 0 : bad(l, "it refers to '%s', which isn't there", name);
	}
	if (ELF64_ST_TYPE(s->st_info) == STT_TLS || ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC)
		return bad(l, "symbol '%s' is of type %u", name, ELF64_ST_TYPE(s->st_info));
	if (s->st_shndx == SHN_ABS) {
		w->abs = true;
		w->value = s->st_value;
		return 0;
	}
	if (s->st_shndx >= l->n_sh || l->sect[s->st_shndx].part == PART_NONE)
		return bad(l, "symbol '%s' is in section %u, which isn't loaded", name, s->st_shndx);
	if (s->st_value > l->sh[s->st_shndx].sh_size)
		return bad(l, "symbol '%s' is behind its section", name);
	w->value = l->sect[s->st_shndx].at + s->st_value;
	return 0;
}

static int find_entry(struct link *l)
{
	for (uint32_t i = 0; i < l->n_sym; i++) {
		const Elf64_Sym *s = &l->sym[i];

		if (ELF64_ST_BIND(s->st_info) != STB_GLOBAL || s->st_shndx == SHN_UNDEF || s->st_shndx >= l->n_sh ||
		    strcmp(string_at(l->str, l->str_len, s->st_name), "kernel"))
			continue;
		if (l->sect[s->st_shndx].part != PART_TEXT || s->st_value >= l->sh[s->st_shndx].sh_size)
			return bad(l, "'kernel' is no code");
		l->h.entry = l->sect[s->st_shndx].at + (uint32_t)s->st_value;
		return 0;
	}
	return bad(l, "no function 'kernel'");
}

/* ---- relocation ---- */

static int add_reloc(struct link *l, uint32_t at, const struct where *w, int64_t addend)
{
	struct sd_art_reloc r = { at, w->import, (int64_t)((uint64_t)addend + (w->import ? 0 : w->value)) };

	if (w->abs) {
		memcpy(l->img + at, &r.addend, 8);
		return 0;
	}
	if (l->relocs.n >= l->max_relocs)
		return bad(l, "words with several addresses");
	return vgpu_vec_push(&l->relocs, r) ? 0 : vgpu_err_set(l->err, VGPU_E_NOMEM, "object: out of memory");
}

static int put32(struct link *l, uint32_t at, int64_t v, bool is_signed)
{
	uint32_t x = (uint32_t)v;

	if (is_signed ? v != (int32_t)x : v != (int64_t)x)
		return bad(l, "relocation at 0x%x doesn't fit into 32 bits", at);
	memcpy(l->img + at, &x, 4);
	return 0;
}

static int absolute(struct link *l, uint32_t type, uint32_t at, const struct where *w, int64_t addend)
{
	if (!w->abs)
		return bad(l, "32-bit absolute address (relocation %u): the code has to be position independent", type);
	return put32(l, at, (int64_t)(w->value + (uint64_t)addend), type == R_X86_64_32S);
}

static int relocate(struct link *l, uint32_t type, uint32_t sym, uint32_t at, bool in_data, int64_t addend)
{
	struct where w;
	int r = resolve(l, sym, &w);

	if (r)
		return r;
	if (is_got(type))
		return put32(l, at, (int64_t)l->got[sym] + addend - at, true);
	switch (type) {
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		if (w.abs)
			return bad(l, "relative relocation to an absolute symbol");
		return put32(l, at, (int64_t)(w.import ? l->stub[sym] : w.value) + addend - at, true);
	case R_X86_64_PC64:
		if (w.abs || w.import)
			return bad(l, "relative relocation to an address outside");
		w.value += (uint64_t)addend - at;
		memcpy(l->img + at, &w.value, 8);
		return 0;
	case R_X86_64_64:
		if (!in_data && !w.abs)
			return bad(l, "address in code or constants: the code has to be position independent");
		return add_reloc(l, at, &w, addend);
	case R_X86_64_32:
	case R_X86_64_32S:
		return absolute(l, type, at, &w, addend);
	default:
		return bad(l, "relocations of type %u are unknown", type);
	}
}

static int relocate_one(struct link *l, const Elf64_Rela *r, uint32_t sect)
{
	uint32_t type = ELF64_R_TYPE(r->r_info);
	uint64_t size = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;

	if (type == R_X86_64_NONE)
		return 0;
	if (size > l->sh[sect].sh_size || r->r_offset > l->sh[sect].sh_size - size)
		return bad(l, "relocation behind the end of section %u", sect);
	/* sums of offsets stay far from the ends of 64 bits */
	if (r->r_addend > INT32_MAX || r->r_addend < INT32_MIN)
		return bad(l, "relocation with addend %lld", (long long)r->r_addend);
	return relocate(l, type, (uint32_t)ELF64_R_SYM(r->r_info), l->sect[sect].at + (uint32_t)r->r_offset,
			l->sect[sect].part == PART_DATA, r->r_addend);
}

/* jmp *word(%rip), and traps behind it. */
static int stubs(struct link *l)
{
	for (uint32_t i = 0; i < l->n_sym; i++) {
		uint32_t at = l->stub[i];
		struct where w;
		int r = 0;

		if (l->got[i] != NOWHERE) {
			r = resolve(l, i, &w);
			if (r == 0)
				r = add_reloc(l, l->got[i], &w, 0);
		}
		if (r == 0 && at != NOWHERE) {
			memset(l->img + at, 0xcc, STUB_B);
			l->img[at] = 0xff;
			l->img[at + 1] = 0x25;
			r = put32(l, at + 2, (int64_t)l->got[i] - (at + 6), true);
		}
		if (r)
			return r;
	}
	return 0;
}

/* ---- the whole ---- */

static void copy_in(struct link *l)
{
	memset(l->img + l->h.text, 0xcc, l->h.text_B);
	for (uint32_t i = 0; i < l->n_sh; i++)
		if (l->sect[i].part != PART_NONE)
			memcpy(l->img + l->sect[i].at, l->elf + l->sh[i].sh_offset, l->sh[i].sh_size);
}

static int write_out(struct link *l, const struct gen_object *o)
{
	size_t start = l->out->len;
	int r;

	if (!vgpu_buf_room(l->out, l->h.size))
		return vgpu_err_set(l->err, VGPU_E_NOMEM, "object: out of memory");
	l->img = (uint8_t *)l->out->data + start;
	memset(l->img, 0, l->h.size);
	copy_in(l);
	r = each_reloc(l, relocate_one);
	if (r == 0)
		r = stubs(l);
	if (r)
		return r;
	l->h.n_relocs = (uint32_t)l->relocs.n;
	memcpy(l->img, &l->h, sizeof(l->h));
	if (o->meta.n_refs)
		memcpy(l->img + l->h.refs, o->refs, o->meta.n_refs * sizeof(*o->refs));
	if (o->meta.n_syms)
		memcpy(l->img + l->h.syms, o->syms, o->meta.n_syms * sizeof(*o->syms));
	if (l->relocs.n)
		memcpy(l->img + l->h.relocs, l->relocs.v, l->relocs.n * sizeof(*l->relocs.v));
	l->out->len = start + l->h.size;
	return 0;
}

int sd_link(const struct gen_object *o, struct vgpu_buf *out, struct vgpu_err *err)
{
	struct link l = { .elf = o->elf, .len = o->len, .out = out, .err = err };
	int r;

	l.h = (struct sd_art){ .magic = SD_ART_MAGIC, .version = SD_ART_VERSION, .rt_version = SD_RT_VERSION, .meta = o->meta };
	r = read_header(&l);
	if (r == 0)
		r = read_symbols(&l);
	if (r == 0)
		r = choose(&l);
	if (r == 0)
		r = each_reloc(&l, NULL);
	if (r == 0)
		r = layout(&l, o);
	if (r == 0)
		r = find_entry(&l);
	if (r == 0)
		r = write_out(&l, o);
	free(l.sh);
	free(l.sect);
	free(l.sym);
	free(l.got);
	free(l.stub);
	vgpu_vec_free(&l.relocs);
	return r;
}

void gen_object_free(struct gen_object *o)
{
	free(o->elf);
	free(o->refs);
	free(o->syms);
	*o = (struct gen_object){ 0 };
}
