/*
 * htab.h: hash tables: by string (the key is copied) and by 64-bit key.
 * Values are pointers that the table does not own. Not thread safe.
 */
#ifndef VGPU_UTIL_HTAB_H
#define VGPU_UTIL_HTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vgpu_htab_slot {
	uint64_t hash;
	uint64_t key;   /* integer key, or char * of a string key */
	void *value;    /* NULL: empty or removed */
	bool used;      /* false: never used, ends a probe */
};

struct vgpu_htab {
	struct vgpu_htab_slot *slots;
	size_t cap;     /* power of two or 0 */
	size_t n;       /* live */
	size_t filled;  /* live and removed */
	bool strings;
};

void vgpu_htab_init_str(struct vgpu_htab *t);
void vgpu_htab_init_int(struct vgpu_htab *t);
void vgpu_htab_fini(struct vgpu_htab *t);

/* value must not be NULL; replaces an earlier one. False when memory is short. */
bool vgpu_htab_put_str(struct vgpu_htab *t, const char *key, void *value);
void *vgpu_htab_get_str(const struct vgpu_htab *t, const char *key);
void *vgpu_htab_del_str(struct vgpu_htab *t, const char *key);
bool vgpu_htab_put(struct vgpu_htab *t, uint64_t key, void *value);
void *vgpu_htab_get(const struct vgpu_htab *t, uint64_t key);
void *vgpu_htab_del(struct vgpu_htab *t, uint64_t key);

/* Iteration: size_t i = 0; while ((s = vgpu_htab_next(t, &i))) … (no insertion meanwhile). */
struct vgpu_htab_slot *vgpu_htab_next(const struct vgpu_htab *t, size_t *i);

#endif
