/* symbols.h: what a shared library exports and needs, read from its file. */
#ifndef VGPU_T_LIB_SYMBOLS_H
#define VGPU_T_LIB_SYMBOLS_H

#include <stddef.h>

#define SYMBOLS_MAX 4096

struct symbols {
	const char *list[SYMBOLS_MAX];   /* sorted */
	size_t n;
	const char *soname;
	size_t needed;
	const char *needs[32];
};

/* Defined dynamic symbols of a shared library. The file stays mapped. 0, or -1. */
int symbols_read(const char *path, struct symbols *out);
void symbols_sort(struct symbols *s);
/* Prints what one list has and the other has not; how many. */
unsigned symbols_missing(const struct symbols *a, const struct symbols *b, const char *where);
/* One assertion per library that it needs. */
void symbols_needs_libc(const struct symbols *lib);

#endif
