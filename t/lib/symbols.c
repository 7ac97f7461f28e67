/* symbols.c: see symbols.h. */
#include "t/lib/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/lib/tap.h"

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void symbols_sort(struct symbols *s)
{
	qsort(s->list, s->n, sizeof(s->list[0]), compare);
}

int symbols_read(const char *path, struct symbols *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const Elf64_Ehdr *eh;
	const Elf64_Shdr *sh;
	const char *map;
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return -1;
	eh = (const void *)map;
	sh = (const void *)(map + eh->e_shoff);
	for (unsigned i = 0; i < eh->e_shnum; i++) {
		const char *str = map + sh[sh[i].sh_link].sh_offset;

		for (size_t k = 0; sh[i].sh_type == SHT_DYNSYM && k < sh[i].sh_size / sizeof(Elf64_Sym); k++) {
			const Elf64_Sym *s = (const Elf64_Sym *)(const void *)(map + sh[i].sh_offset) + k;

			if (s->st_shndx != SHN_UNDEF && out->n < SYMBOLS_MAX)
				out->list[out->n++] = str + s->st_name;
		}
		for (size_t k = 0; sh[i].sh_type == SHT_DYNAMIC && k < sh[i].sh_size / sizeof(Elf64_Dyn); k++) {
			const Elf64_Dyn *d = (const Elf64_Dyn *)(const void *)(map + sh[i].sh_offset) + k;

			if (d->d_tag == DT_SONAME)
				out->soname = str + d->d_un.d_val;
			if (d->d_tag == DT_NEEDED && out->needed < 32)
				out->needs[out->needed++] = str + d->d_un.d_val;
		}
	}
	symbols_sort(out);
	return 0;
}

unsigned symbols_missing(const struct symbols *a, const struct symbols *b, const char *where)
{
	unsigned bad = 0;

	for (size_t i = 0; i < a->n; i++)
		if (!bsearch(&a->list[i], b->list, b->n, sizeof(b->list[0]), compare)) {
			diag("%s is missing in %s", a->list[i], where);
			bad++;
		}
	return bad;
}

void symbols_needs_libc(const struct symbols *lib)
{
	static const char *const fine[] = { "libc.", "ld-linux", "libasan", "libubsan", "libtsan" };

	for (size_t i = 0; i < lib->needed; i++) {
		bool good = false;

		for (size_t k = 0; k < sizeof(fine) / sizeof(fine[0]); k++)
			good |= !strncmp(lib->needs[i], fine[k], strlen(fine[k]));
		ok(good, "it needs nothing but libc: %s", lib->needs[i]);
	}
}
