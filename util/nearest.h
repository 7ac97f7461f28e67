/* nearest.h: the most similar names of a list, for "did you mean". */
#ifndef VGPU_UTIL_NEAREST_H
#define VGPU_UTIL_NEAREST_H

#include <stddef.h>

/* Number of single-character edits from a to b, case ignored. */
unsigned vgpu_edit_distance(const char *a, const char *b);
/* Writes up to three near names as "a, b or c" into buf ("" when none is near). Returns buf. */
const char *vgpu_nearest(const char *word, const char *const *names, size_t n, char *buf, size_t size);

#endif
