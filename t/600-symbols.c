/*
 * 600-symbols.c: the library exports the names of api.def and nothing else;
 * they are the names of the toolkit's stub library, if there is one. Prints the
 * entry points that are not implemented.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcuda-vgpu/vcu_entry.h"
#include "t/lib/tap.h"

#define MAX_NAMES 4096

struct names {
	const char *list[MAX_NAMES];
	size_t n;
	const char *soname;
	size_t needed;
	const char *needs[32];
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Defined dynamic symbols of a shared library, sorted. The file stays mapped. */
static int read_library(const char *path, struct names *out)
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

			if (s->st_shndx != SHN_UNDEF && out->n < MAX_NAMES)
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
	qsort(out->list, out->n, sizeof(out->list[0]), compare);
	return 0;
}

/* Prints what one list has and the other has not; how many. */
static unsigned missing(const struct names *a, const struct names *b, const char *where)
{
	unsigned bad = 0;

	for (size_t i = 0; i < a->n; i++)
		if (!bsearch(&a->list[i], b->list, b->n, sizeof(b->list[0]), compare)) {
			diag("%s is missing in %s", a->list[i], where);
			bad++;
		}
	return bad;
}

static void stub(const struct names *table)
{
	const char *home = getenv("CUDA_HOME");
	static struct names nv;
	char path[512];

	snprintf(path, sizeof(path), "%s/lib64/stubs/libcuda.so", home ? home : "");
	if (!home || !*home || read_library(path, &nv)) {
		skip("no stub library of a CUDA toolkit");
		return;
	}
	ok(!missing(&nv, table, "api.def"), "every symbol of the toolkit's stub is in api.def");
	ok(!missing(table, &nv, "the stub"), "and the other way round");
}

int main(void)
{
	static struct names table, lib;
	unsigned absent = 0;

	plan_lazy();
	for (unsigned i = 0; i < vcu_n_entries; i++)
		table.list[table.n++] = vcu_entries[i].symbol;
	qsort(table.list, table.n, sizeof(table.list[0]), compare);
	is_int(table.n, 637, "637 entry points");
	if (read_library(test_build("libcuda-vgpu/libcuda.so"), &lib))
		bail("libcuda.so can't be read");
	is_string(lib.soname, "libcuda.so.1", "soname");
	ok(!missing(&table, &lib, "libcuda.so"), "all of them are exported");
	ok(!missing(&lib, &table, "api.def"), "nothing else is exported");
	for (size_t i = 0; i < lib.needed; i++)
		ok(!strncmp(lib.needs[i], "libc.", 5) || !strncmp(lib.needs[i], "ld-linux", 8) ||
			   !strncmp(lib.needs[i], "libasan", 7) || !strncmp(lib.needs[i], "libubsan", 8) ||
			   !strncmp(lib.needs[i], "libtsan", 7),
		   "it needs nothing but libc: %s", lib.needs[i]);
	stub(&table);
	for (unsigned i = 0; i < vcu_n_entries; i++)
		if (!vcu_entry_implemented(i)) {
			diag("not implemented (801): %s", vcu_entries[i].symbol);
			absent++;
		}
	diag("%u of %u entry points are implemented", vcu_n_entries - absent, vcu_n_entries);
	ok(absent < vcu_n_entries, "some are implemented");
	return 0;
}
