/*
 * vec.h: a typed growing array. VGPU_VEC(type) v = {0}; vgpu_vec_push(&v, x)
 * answers false when memory is short (the array is then unchanged).
 */
#ifndef VGPU_UTIL_VEC_H
#define VGPU_UTIL_VEC_H

#include <stdbool.h>
#include <stdlib.h>

#define VGPU_VEC(type) struct { type *v; size_t n, cap; }

static inline bool vgpu_vec_grow_(void **v, size_t *cap, size_t need, size_t size)
{
	size_t c = *cap ? *cap : 8;
	void *p;

	if (need <= *cap)
		return true;
	while (c < need)
		c *= 2;
	if (c > (size_t)-1 / 2 / size)
		return false;
	p = realloc(*v, c * size);
	if (!p)
		return false;
	*v = p;
	*cap = c;
	return true;
}

#define vgpu_vec_reserve(a, need) \
	vgpu_vec_grow_((void **)&(a)->v, &(a)->cap, (need), sizeof(*(a)->v))
#define vgpu_vec_push(a, x) \
	(vgpu_vec_reserve((a), (a)->n + 1) && ((a)->v[(a)->n++] = (x), true))
#define vgpu_vec_free(a) \
	do { free((a)->v); (a)->v = NULL; (a)->n = (a)->cap = 0; } while (0)
/* Removes element i; the last one takes its place. */
#define vgpu_vec_swap_remove(a, i) \
	do { (a)->v[i] = (a)->v[--(a)->n]; } while (0)

#endif
