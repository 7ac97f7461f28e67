/*
 * jit_key.c: names of cached kernels: a 128-bit hash of everything that the
 * code depends on. Each of: this program (parser, passes, linker), the
 * generator's file, LLVM's, the CPU's model and features; the module's texts
 * and options; the kernel and the request's fields.
 *
 * A file that the linker has given a build ID, a hash of what is in it, is
 * known by that: reading all of it is most of what a run costs that finds its
 * kernels here.
 */
#include <cpuid.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "backend/simd/sd_art.h"
#include "config.h"
#include "engine/jit/jit.h"
#include "util/cleanup.h"
#include "util/sys.h"

#define PROGRAM_MAX (1u << 28)
#define NOTES_MAX 4096

static struct jit_key build;
static XXH3_state_t *state;    /* made at start, so that no key can fail later */

static void add_cpu(XXH3_state_t *s)
{
	static const unsigned leaves[][2] = { { 0, 0 }, { 1, 0 }, { 7, 0 }, { 7, 1 }, { 13, 1 }, { 0x14, 0 }, { 0x19, 0 }, { 0x24, 0 },
					      { 0x80000001, 0 }, { 0x80000008, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		unsigned r[4] = { 0 };

		__get_cpuid_count(leaves[i][0], leaves[i][1], &r[0], &r[1], &r[2], &r[3]);
		if (leaves[i][0] == 1)
			r[1] &= 0xffff;        /* not which of the cores this is */
		if (leaves[i][0] == 0x80000008)
			r[2] = 0;              /* nor how many */
		XXH3_128bits_update(s, r, sizeof(r));
	}
}

/* The build ID among n bytes of notes. */
static bool add_build_id(XXH3_state_t *s, const uint8_t *p, size_t n)
{
	Elf64_Nhdr h;

	while (n >= sizeof(h)) {
		size_t name, all;

		memcpy(&h, p, sizeof(h));
		if (h.n_namesz > NOTES_MAX || h.n_descsz > NOTES_MAX)
			return false;
		name = sizeof(h) + vgpu_align_up(h.n_namesz, 4);
		all = name + vgpu_align_up(h.n_descsz, 4);
		if (all > n)
			return false;
		if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == sizeof(ELF_NOTE_GNU) && !memcmp(p + sizeof(h), ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) &&
		    h.n_descsz >= sizeof(struct jit_key)) {
			XXH3_128bits_update(s, p + name, h.n_descsz);
			return true;
		}
		p += all;
		n -= all;
	}
	return false;
}

/* False: it has none. */
static bool add_file_id(XXH3_state_t *s, const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t notes[NOTES_MAX];
	Elf64_Ehdr e;
	Elf64_Phdr ph;

	if (fd < 0 || pread(fd, &e, sizeof(e), 0) != sizeof(e) || memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_ident[EI_CLASS] != ELFCLASS64)
		return false;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		if (pread(fd, &ph, sizeof(ph), (off_t)(e.e_phoff + i * sizeof(ph))) != sizeof(ph))
			return false;
		if (ph.p_type == PT_NOTE && ph.p_filesz <= sizeof(notes) &&
		    pread(fd, notes, ph.p_filesz, (off_t)ph.p_offset) == (ssize_t)ph.p_filesz && add_build_id(s, notes, ph.p_filesz))
			return true;
	}
	return false;
}

static int add_file(XXH3_state_t *s, const char *path, struct vgpu_err *err)
{
	cleanup_free char *data = NULL;
	size_t len;
	int r;

	if (add_file_id(s, path))
		return 0;
	r = vgpu_read_file(path, PROGRAM_MAX, &data, &len, err);
	if (r == 0)
		XXH3_128bits_update(s, data, len);
	return r;
}

/* LLVM is too large to read: a new package has another time and size. */
static void add_stat(XXH3_state_t *s, const char *path)
{
	struct stat st;
	uint64_t v[3] = { 0 };

	if (stat(path, &st) == 0) {
		v[0] = (uint64_t)st.st_size;
		v[1] = (uint64_t)st.st_mtim.tv_sec;
		v[2] = (uint64_t)st.st_mtim.tv_nsec;
	}
	XXH3_128bits_update(s, v, sizeof(v));
}

static void take(XXH3_state_t *s, struct jit_key *out)
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(s));
	memcpy(out->b, c.digest, sizeof(out->b));
}

int jit_key_init(const struct jit_config *c, struct vgpu_err *err)
{
	static const uint32_t versions[] = { SD_RT_VERSION, SD_ART_VERSION, SD_JW_VERSION };
	XXH3_state_t *s = state = XXH3_createState();
	int r;

	if (!s)
		return vgpu_err_set(err, VGPU_E_NOMEM, "cache key: out of memory");
	XXH3_128bits_reset(s);
	XXH3_128bits_update(s, PACKAGE_VERSION, sizeof(PACKAGE_VERSION));
	XXH3_128bits_update(s, versions, sizeof(versions));
	r = add_file(s, "/proc/self/exe", err);
	if (r == 0 && c->generator)
		r = add_file(s, c->generator, err);
#ifdef VGPU_LLVM_FILE
	add_stat(s, VGPU_LLVM_FILE);
#endif
	add_cpu(s);
	take(s, &build);
	return r;
}

void jit_key_module(const struct sd_jw_module *m, const uint64_t *lens, const void *text, size_t len, struct jit_key *out)
{
	XXH3_state_t *s = state;

	XXH3_128bits_reset(s);
	XXH3_128bits_update(s, build.b, sizeof(build.b));
	XXH3_128bits_update(s, &m->n_texts, sizeof(m->n_texts));
	XXH3_128bits_update(s, &m->max_target, sizeof(m->max_target));
	XXH3_128bits_update(s, &m->no_contract, sizeof(m->no_contract));
	XXH3_128bits_update(s, &m->lazy, sizeof(m->lazy));
	XXH3_128bits_update(s, lens, m->n_texts * sizeof(*lens));
	XXH3_128bits_update(s, text, len);
	take(s, out);
}

void jit_key_kernel(const struct jit_key *module, const struct sd_jw_compile *c, struct jit_key *out)
{
	struct {
		struct jit_key module;
		struct sd_jw_compile c;
	} all = { *module, *c };
	XXH128_canonical_t h;

	/* numbers of this connection */
	all.c.h = (struct sd_jw_head){ 0 };
	all.c.module = 0;
	/* not what is wanted, but what would do */
	all.c.best = 0;
	XXH128_canonicalFromHash(&h, XXH3_128bits(&all, sizeof(all)));
	memcpy(out->b, h.digest, sizeof(out->b));
}

uint64_t jit_check(const void *data, size_t len, const struct jit_key *key)
{
	uint64_t seed;

	memcpy(&seed, key->b, sizeof(seed));
	return XXH3_64bits_withSeed(data, len, seed);
}
